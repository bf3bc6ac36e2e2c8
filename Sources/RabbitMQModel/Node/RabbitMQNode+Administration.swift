import WarrenBroker
import WarrenKernel
import WarrenTrace

/// What the operator does to a running node: policies, permissions, limits, alarms.
extension RabbitMQNode {
    mutating func obey(_ packet: Packet, _ turn: inout Turn) {
        switch NodeOrder(rawValue: packet.word) {
        case .memoryAlarm: setAlarm(1, packet.x != 0, &turn)
        case .diskAlarm: setAlarm(2, packet.x != 0, &turn)
        case .clockJump: jump(Int64(bitPattern: packet.x), &turn)
        case .administer:
            if let order: Administration = turn.parcels.get(packet.parcel) {
                administer(order, &turn)
            }
        case nil: break
        }
    }

    mutating func administer(_ order: Administration, _ turn: inout Turn) {
        switch order {
        case .setPolicy(let policy, let vhost):
            // RMQ-POL-08: the management API answers 400, and nothing changes.
            guard policy.fault(isOperator: false) == nil else { return }
            change(vhost, &turn) {
                $0.policies.removeAll { $0.name == policy.name }
                $0.policies.append(policy)
            }
        case .clearPolicy(let name, let vhost):
            change(vhost, &turn) { $0.policies.removeAll { $0.name == name } }
        case .setOperatorPolicy(let policy, let vhost):
            guard policy.fault(isOperator: true) == nil else { return }
            change(vhost, &turn) {
                $0.operatorPolicies.removeAll { $0.name == policy.name }
                $0.operatorPolicies.append(policy)
            }
        case .clearOperatorPolicy(let name, let vhost):
            change(vhost, &turn) { $0.operatorPolicies.removeAll { $0.name == name } }
        case .setPermissions(let permissions, let vhost):
            restrict()
            change(vhost, &turn) {
                $0.permissions.removeAll { $0.user == permissions.user }
                $0.permissions.append(permissions)
            }
        case .clearPermissions(let user, let vhost):
            restrict()
            change(vhost, &turn) { $0.permissions.removeAll { $0.user == user } }
        case .setTopicPermissions(let permissions, let vhost):
            restrict()
            change(vhost, &turn) {
                $0.topicPermissions.removeAll {
                    $0.user == permissions.user && $0.exchange == permissions.exchange
                }
                $0.topicPermissions.append(permissions)
            }
        case .setLimits(let maxQueues, let maxConnections, let vhost):
            change(vhost, &turn) {
                $0.maxQueues = maxQueues
                $0.maxConnections = maxConnections
            }
        case .setUpstream(let upstream, let vhost):
            change(vhost, &turn) { $0.relays.upstreams.replace(upstream, \.name) }
        case .clearUpstream(let name, let vhost):
            change(vhost, &turn) { $0.relays.upstreams.removeAll { $0.name == name } }
        case .setUpstreamSet(let set, let vhost):
            change(vhost, &turn) { $0.relays.sets.replace(set, \.name) }
        case .clearUpstreamSet(let name, let vhost):
            change(vhost, &turn) { $0.relays.sets.removeAll { $0.name == name } }
        case .setShovel(let shovel, let vhost):
            change(vhost, &turn) { $0.relays.shovels.replace(shovel, \.name) }
        case .clearShovel(let name, let vhost):
            change(vhost, &turn) { $0.relays.shovels.removeAll { $0.name == name } }
        case .setActiveExchange(let exchange, let vhost):
            change(vhost, &turn) { $0.relays.active.replace(exchange, \.link) }
        case .deleteVirtualHost(let name):
            deleteVirtualHost(name, &turn)
        case .quorum(let order): obey(order, for: .none, &turn)
        case .closeConnections(let reason):
            for session in sessions.indices
            where sessions[session].isOpen && !sessions[session].isProxy {
                force(reason, session, &turn)
            }
        }
    }

    private mutating func restrict() {
        setup.restrict()
        alarms.restrict(true)
    }

    private mutating func change(
        _ name: String,
        _ turn: inout Turn,
        _ body: (inout VirtualHostState) -> Void
    ) {
        guard let index = vhosts.firstIndex(where: { $0.name == name }) else { return }
        var state = vhosts[index]
        body(&state)
        // First the others: what follows from it here, such as where its mirrors are, must not overtake it (RMQ-MIR-01).
        if isClustered { propose(.setVirtualHost(state), then: .nothing, &turn) }
        setVirtualHost(state, &turn)
    }

    /// A virtual host has other policies, permissions or limits from now on.
    mutating func setVirtualHost(_ state: VirtualHostState, _ turn: inout Turn) {
        guard let index = vhosts.firstIndex(where: { $0.scope == state.scope }),
            vhosts[index] != state
        else { return }
        vhosts[index] = state
        var packet = Packet()
        packet.parcel = turn.parcels.put(vhosts[index])
        turn.store(packet, at: DiskKey.vhost(vhosts[index].scope), as: numbers.lastWrite)
        applyPolicies(vhosts[index].scope, &turn)
    }

    // MARK: The clock

    /// By what the broker goes.
    var settings: BrokerSettings {
        @inline(__always)
        _read { yield setup.settings }
    }

    /// What the node's clock says; copies expire by it.
    func clock(_ now: Instant) -> Instant { setup.clock(now) }

    private mutating func jump(_ nanoseconds: Int64, _ turn: inout Turn) {
        setup.jump(nanoseconds)
        turn.record(
            .clockJumped,
            variant: nanoseconds < 0 ? 1 : 0,
            detail: nanoseconds.magnitude
        )
        for queue in queues.indices where queues[queue].exists {
            if queues[queue].quorum != .none {
                expire(quorum: queues[queue].quorum, &turn)
            } else if isHere(queue), !queues[queue].isPlain {
                dropExpired(queue, &turn)
            }
        }
    }

    /// - Source: RMQ-PERM-11.
    private mutating func deleteVirtualHost(_ name: String, _ turn: inout Turn) {
        guard let vhost = vhosts.first(where: { $0.name == name }) else { return }
        for session in sessions.indices
        where sessions[session].isOpen && sessions[session].scope == vhost.scope
            && !sessions[session].isProxy
        {
            force("vhost '\(name)' is deleted", session, &turn)
        }
        for queue in queues.indices where queues[queue].scope == vhost.scope {
            deleteQueue(queue, &turn)
        }
        vhosts.removeAll { $0.name == name }
    }

    /// - Source: RMQ-PERM-12.
    private mutating func force(_ reason: String, _ session: SessionIndex, _ turn: inout Turn) {
        let word = errorPacket(.connectionForced(reason), .connectionClose, 0, &turn)
        let connection = sessions[session].connection
        endSession(session, .connectionClosed, &turn)
        turn.send(word, on: connection)
    }

    // MARK: Alarms

    /// - Source: RMQ-ALARM-05.
    mutating func setAlarm(_ bit: UInt8, _ isOn: Bool, _ turn: inout Turn) {
        guard alarms.set(bit, isOn) else { return }
        turn.record(isOn ? .alarmRaised : .alarmCleared, variant: bit)
        let word = Words.Alarm(bits: alarms.own)
        for peer in peers.indices where peer != me && peers[peer].isConnected {
            send(word, toPeer: peer, &turn)
        }
        joinAlarms(&turn)
    }

    /// - Source: RMQ-ALARM-06: alarms are cluster-wide.
    mutating func setPeerAlarm(_ peer: PeerIndex, _ bits: UInt8, _ turn: inout Turn) {
        if peers.hear(alarms: bits, from: peer) { joinAlarms(&turn) }
    }

    private mutating func joinAlarms(_ turn: inout Turn) {
        guard alarms.join(peers.alarms) else { return }
        for session in sessions.indices where sessions[session].isBlocked {
            sessions[session].isBlocked = false
            if sessions[session].hearsBlocked {
                reply(.connectionUnblocked, 0, sessions[session].connection, &turn)
            }
            let waiting = sessions[session].backlog
            sessions[session].backlog = []
            for packet in waiting { receive(packet, session, &turn) }
            if sessions[session].hasLostClient { endSession(session, .connectionClosed, &turn) }
        }
    }

    /// A connection is gone.
    ///
    /// That the process at the other end of one that is not read is dead shows in its next heartbeat, or when it is read
    /// to its end after the alarm. A reset takes with it what was not read.
    ///
    /// - Source: RMQ-ALARM-09.
    mutating func lose(_ session: SessionIndex, _ how: Closure, _ turn: inout Turn) {
        if sessions[session].isBlocked, how != .reset {
            sessions[session].hasLostClient = true
        } else {
            endSession(session, .connectionClosed, &turn)
        }
    }

    /// Whether a packet has to wait because an alarm is on.
    ///
    /// - Source: RMQ-ALARM-01 to -04.
    /// - Differs: the publication that earns the block waits, too; a real one with an empty body does not.
    mutating func holdBack(_ packet: Packet, _ session: SessionIndex, _ turn: inout Turn) -> Bool {
        guard alarms.all != 0, session != .none else { return false }
        if !sessions[session].isBlocked {
            guard packet.word == Method.basicPublish.rawValue else { return false }
            sessions[session].isBlocked = true
            if sessions[session].hearsBlocked {
                var word = Packet(.connectionBlocked, channel: 0)
                word.subject = turn.names.intern(.text, alarms.text)
                turn.send(word, on: sessions[session].connection)
            }
        }
        sessions[session].backlog.append(packet)
        return true
    }

    /// Looks at the memory every two and a half seconds, as the real monitor does.
    ///
    /// - Source: RMQ-ALARM-08.
    /// - Differs: memory is the bodies and 768 bytes a message; a real node counts its whole process.
    mutating func lookAtMemory(_ turn: inout Turn) {
        guard let limit = settings.memoryLimit else { return }
        var used = messages.rows.reduce(UInt64(0)) {
            $1.message == .none ? $0 : $0 + UInt64($1.size) + 768
        }
        for quorum in quorums.indices {
            let copies = quorums.member(of: quorum)?.queue(turn.parcels).presentCopies ?? []
            used += copies.reduce(0) { $0 + UInt64($1.packet.size) + 768 }
        }
        setAlarm(1, used > limit, &turn)
        turn.arm(NodeTimer.memory, after: .milliseconds(2500), background: true)
    }
}
