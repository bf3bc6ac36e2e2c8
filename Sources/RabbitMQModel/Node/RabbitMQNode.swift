import DequeModule
package import WarrenKernel
package import WarrenTrace

/// A node of RabbitMQ: the switchboard that hands each method to the part that knows it.
///
/// - Differs: the handshake before connection.open takes one round trip instead of three or four.
package struct RabbitMQNode: Machine {
    var setup: Setup
    var vhosts: [VirtualHostState] = []
    var alarms = Alarms()
    var numbers = Numbers()

    // Clients, and what they use.
    var connections = Connections()
    var sessions: Table<Session> = []
    var channels: Table<Channel> = []
    var consumers: Table<Consumer> = []
    var queues = NamedTable<Queue>()
    var exchanges = NamedTable<Exchange>()
    var messages = MessageSlab()
    var router = RouteCache()
    var confirms = Confirms()
    var deadLetters = DeadLetters()
    var relays = RelayDesk()

    // The cluster.
    /// How this node stands in it, and its peers.
    var peers: Membership
    var metadataLog = MetadataLog()
    var copies = Copies()
    var remoteUse: RemoteUse
    var quorums = QuorumGroups()
    var quorumOrders = QuorumOrders()

    package init(
        broker: Symbol,
        name: String,
        definitions: [Definitions],
        settings: BrokerSettings = BrokerSettings(),
        plan: ClusterPlan? = nil,
        me: PeerIndex = Index(0)
    ) {
        let plan = plan ?? .single(name)
        peers = Membership(plan, me: me)
        remoteUse = RemoteUse(nodes: plan.count)
        setup = Setup(
            broker: broker,
            name: name,
            definitions: definitions,
            settings: settings
        )
    }

    /// Takes a turn: an event comes in, and what follows goes out.
    package mutating func handle(_ event: Event, _ turn: inout Turn) {
        switch event {
        case .arrived(let packet, let connection):
            receive(packet, connection, &turn)
        case .stored(let write):
            completeWrites(upTo: write, &turn)
            completeSyncs(upTo: write.raw, &turn)
            completePromises(upTo: write.raw, &turn)
            acknowledgeCopies(upTo: write.raw, &turn)
        case .started(let recovery):
            start(recovery, &turn)
        case .accepted(let connection, let peer):
            accept(connection, peer, &turn)
        case .closed(let connection, let how):
            switch connections[connection] {
            case .nobody: break
            case .client(let session):
                relays.end(connection)
                lose(session, how, &turn)
            case .peer(let peer):
                endPeer(connection, peer, how, &turn)
                if how == .reset { dialAgain(peer, &turn) }
            }
        case .stopping:
            shutDown(&turn)
        case .rang(let timer):
            ring(timer, &turn)
        case .ordered(let packet):
            obey(packet, &turn)
        case .connected:
            break
        }
        if relays.isAttended { tellRelays(&turn) }
    }

    private mutating func ring(_ timer: TimerID, _ turn: inout Turn) {
        if let (queue, what) = NodeTimer.queue(of: timer) {
            guard queues[queue].exists else {
                if what == .election { endSynchronising(queue, &turn) }
                return
            }
            switch what {
            case .end: expireQueue(queue, &turn)
            case .election where queues[queue].quorum == .none:
                endSynchronising(queue, &turn)
                tireOfWaiting(for: queue, &turn)
                lookForWriter(of: queue, &turn)
            case .election: holdElection(queue, &turn)
            case .repetition: repeatPublications(to: queue, &turn)
            case .expiry where queues[queue].quorum != .none:
                expire(quorum: queues[queue].quorum, &turn)
            case .expiry:
                queues[queue].wakesAt = nil
                dropExpired(queue, &turn)
            }
        } else if timer == NodeTimer.pulse {
            beatPulse(&turn)
        } else if timer == NodeTimer.boot {
            finishBooting(&turn)
        } else if timer == NodeTimer.calls {
            expireCalls(&turn)
        } else if timer == NodeTimer.orders {
            expireOrders(&turn)
        } else if timer == NodeTimer.endings {
            goOnEnding(&turn)
        } else if timer == NodeTimer.heal {
            heal(&turn)
        } else if timer == NodeTimer.tick {
            lookForTimeouts(&turn)
        } else if timer == NodeTimer.silentClose {
            cutSilently(&turn)
        } else if timer == NodeTimer.heartbeat {
            beat(&turn)
        } else if timer == NodeTimer.discards {
            retryDiscards(&turn)
        } else if timer == NodeTimer.memory {
            lookAtMemory(&turn)
        }
    }

    private mutating func accept(
        _ connection: ConnectionID,
        _ peer: NodeID,
        _ turn: inout Turn
    ) {
        if let other = peers.index(of: peer) {
            if peers.isAlone {
                turn.close(connection, .refused)
            } else {
                acceptPeer(connection, other, &turn)
            }
            return
        }
        guard isServing else {
            turn.close(connection, .refused)
            return
        }
        let session = sessions.append(
            Session(connection: connection, peer: peer, scope: setup.broker, vhost: "/")
        )
        connections.give(connection, to: .client(session))
    }

    /// The channel of a session with this number, or none.
    @inline(__always)
    func channelIndex(_ session: SessionIndex, _ number: UInt16) -> ChannelIndex {
        let numbers = sessions[session].numbers
        for index in numbers.indices where numbers[index] == number {
            return sessions[session].indices[index]
        }
        return .none
    }

    /// The session's first channel is found by the connection; the others by their number.
    @inline(__always)
    private mutating func receive(
        _ packet: Packet,
        _ connection: ConnectionID,
        _ turn: inout Turn
    ) {
        let first = connections.firstChannel(on: connection)
        if first != .none, !alarms.isGuarded, channels[first].port == packet.port,
            channels[first].state == .open
        {
            if packet.word == Method.basicAck.rawValue, packet.flags == 0 {
                if acknowledgeOne(packet.tag, first, &turn) { return }
            } else if packet.word == Method.basicPublish.rawValue {
                if publishPlain(packet, first, &turn) { return }
            }
        }
        switch connections[connection] {
        case .nobody: break
        case .client(let session): receive(packet, session, &turn)
        case .peer(let peer): receiveFromPeer(packet, peer, &turn)
        }
    }

    @inline(never)
    mutating func receive(_ packet: Packet, _ session: SessionIndex, _ turn: inout Turn) {
        guard let method = packet.method else { return }
        sessions[session].heardAt = turn.now
        if sessions[session].cutAt != nil { return }
        if alarms.isGuarded, holdBack(packet, session, &turn) { return }
        if method == .heartbeat { return }
        let channel = channelIndex(session, packet.channel)
        guard channel != .none else {
            receiveOutside(packet, method, session, &turn)
            return
        }
        // After the broker closed a channel, everything but close-ok is discarded.
        guard channels[channel].state == .open else {
            if method == .channelCloseOk || method == .channelClose {
                forget(channel, session)
                if method == .channelClose {
                    reply(.channelCloseOk, packet.channel, sessions[session].connection, &turn)
                }
            }
            return
        }
        if channels[channel].isWaiting {
            channels[channel].backlog.append(packet)
            return
        }
        if copies.homes.isBlocking, awaitsCopying(packet, method, channel, &turn) { return }
        do throws(Refusal) {
            switch method {
            case .basicAck:
                try acknowledge(packet, channel, &turn)
            case .basicPublish:
                try publish(packet, channel, &turn)
            default:
                try receiveRare(packet, method, channel, session, &turn)
            }
        } catch {
            refuse(error, packet, channel, session, &turn)
        }
    }

    @inline(never)
    private mutating func receiveRare(
        _ packet: Packet,
        _ method: Method,
        _ channel: ChannelIndex,
        _ session: SessionIndex,
        _ turn: inout Turn
    ) throws(Refusal) {
        switch method {
        case .queueDelete, .queuePurge, .exchangeDelete, .basicCancel, .confirmSelect:
            channels[channel].wantsNoAnswer = packet.has(Flag.nowait)
        default: break
        }
        switch method {
        case .basicNack, .basicReject:
            try reject(packet, channel, &turn)
        case .basicRecover:
            try recover(packet, channel, &turn)
        case .basicGet:
            try get(packet, channel, &turn)
        case .basicConsume:
            try consume(packet, channel, &turn)
        case .basicCancel:
            cancel(packet, channel, &turn)
        case .basicQos:
            try setPrefetch(packet, channel, &turn)
        case .confirmSelect:
            if channels[channel].transaction != nil {
                throw .preconditionFailed("cannot switch from tx to confirm mode")
            }
            channels[channel].confirming = true
            answer(Packet(.confirmSelectOk, channel: packet.channel), to: channel, &turn)
        case .queueDeclare, .queueBind, .queueUnbind, .queuePurge, .queueDelete:
            try receiveQueueMethod(packet, method, channel, &turn)
        case .exchangeDeclare, .exchangeDelete, .exchangeBind, .exchangeUnbind:
            try receiveExchangeMethod(packet, method, channel, &turn)
        case .channelClose:
            endChannel(channel, .channelClosed, &turn)
            forget(channel, session)
            reply(.channelCloseOk, packet.channel, sessions[session].connection, &turn)
        case .txSelect, .txCommit, .txRollback:
            try receiveTransactionMethod(packet, method, channel, &turn)
        case .channelFlow:
            // RMQ-CONN-27, -28.
            if packet.c == 0 { throw .notImplemented("active=false") }
            reply(.channelFlowOk, packet.channel, channels[channel].connection, &turn)
        case .channelOpen:
            throw .channelError("second 'channel.open' seen")
        case .connectionOpen, .connectionClose, .connectionCloseOk, .connectionStartOk,
            .connectionTuneOk, .administer, .superviseRelays:
            receiveOutside(packet, method, session, &turn)
        case .basicAck, .basicPublish:
            preconditionFailure("handled on the hot path")
        case .connectionOpenOk, .channelOpenOk, .channelCloseOk, .exchangeDeclareOk,
            .exchangeDeleteOk, .exchangeBindOk, .exchangeUnbindOk, .queueDeclareOk, .queueBindOk,
            .queueUnbindOk, .queuePurgeOk, .queueDeleteOk, .basicQosOk, .basicConsumeOk,
            .basicCancelOk, .basicReturn, .basicDeliver, .basicGetOk, .basicGetEmpty,
            .basicRecoverOk, .confirmSelectOk, .txSelectOk, .txCommitOk, .txRollbackOk,
            .channelFlowOk, .connectionBlocked, .connectionUnblocked, .connectionStart,
            .connectionTune, .heartbeat, .administered, .relayOrders:
            throw .commandInvalid("a client may not send \(method)")
        }
    }

    /// Methods that need no open channel.
    private mutating func receiveOutside(
        _ packet: Packet,
        _ method: Method,
        _ session: SessionIndex,
        _ turn: inout Turn
    ) {
        let connection = sessions[session].connection
        if method == .connectionStartOk {
            authenticate(packet, session, &turn)
        } else if method == .connectionTuneOk {
            tune(packet, session, &turn)
        } else if method == .connectionOpen {
            openConnection(packet, session, &turn)
        } else if method == .connectionClose {
            endSession(session, .connectionClosed, &turn)
            reply(.connectionCloseOk, 0, connection, &turn)
            turn.close(connection)
        } else if method == .connectionCloseOk {
            turn.close(connection)
        } else if method == .administer {
            let order: Administration? = turn.parcels.get(packet.parcel)
            if case .quorum(let order) = order {
                obey(order, for: connection, &turn)
                return
            }
            if let order { administer(order, &turn) }
            reply(.administered, 0, connection, &turn)
        } else if method == .superviseRelays {
            relays.begin(connection)
        } else if method == .channelOpen, sessions[session].isOpen {
            openChannel(packet.channel, owner: packet.channelOwner, session, &turn)
        } else if method != .channelCloseOk, sessions[session].isOpen {
            // RMQ-CONN-15.
            refuse(.channelError("expected 'channel.open'"), packet, .none, session, &turn)
        }
    }
}
