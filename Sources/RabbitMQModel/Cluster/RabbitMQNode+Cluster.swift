import WarrenKernel
import WarrenTrace

/// Membership: how a node finds its peers, notices that one is gone, and comes back.
///
/// - Source: RMQ-CLUS-04 to -06, -09, -10; RMQ-PART-01; rabbitmq-server `rabbit_node_monitor.erl`,
///   Erlang's `net_kernel`.
extension RabbitMQNode {
    /// Whether there are other nodes.
    var isClustered: Bool { plan.count > 1 && !isAlone }

    /// The members of the cluster that it is in.
    var clusterMembers: [PeerIndex] { isAlone ? [me] : Array(peers.indices) }

    /// Whether clients are served.
    var isServing: Bool { phase == .running }

    /// This node, as quorum queues name it: its number and its life.
    var clientKey: UInt64 { Self.clientKey(me, life) }

    static func clientKey(_ node: PeerIndex, _ life: UInt64) -> UInt64 {
        UInt64(node.wire) << 56 | life & 0xFF_FFFF_FFFF_FFFF
    }

    static func node(ofClient key: UInt64) -> PeerIndex { Index(Int(key >> 56)) }

    // MARK: Starting

    /// Comes up: a cluster's first start finds everybody there, any other takes its time.
    mutating func start(_ recovery: Recovery, _ turn: inout Turn) {
        life = turn.now.nanoseconds + 1
        if let order = recovery.configuration,
            let version = Version(turn.names[order.subject])
        {
            settings.version = version
        }
        isAlone = plan.count > 1 && isStranger(recovery)
        guard plan.count > 1 else {
            boot(recovery, &turn)
            wakeQuorums(&turn)
            return
        }
        if recovery.first, turn.now == .zero {
            for peer in peers.indices where peer != me { peers[peer].standing = .running }
            boot(recovery, &turn)
            for peer in peers.indices where peer > me { dial(peer, &turn) }
            rememberRunning(&turn)
            armPulse(&turn)
            return
        }
        phase = .booting
        delayedRecovery = recovery
        turn.arm(NodeTimer.boot, after: plan.bootTime)
    }

    /// Whether a node comes up on another data directory than that which was set up with the cluster: with
    /// another name, or without its data, it is a member of nothing, and will be.
    ///
    /// - Source: RMQ-DUR-13; a node of a cluster of 3.10.8 that came back under another name was alone and
    ///   empty, and its old name stayed a dead member.
    private func isStranger(_ recovery: Recovery) -> Bool { recovery.directory != 0 }

    /// The node has come up: it looks for its cluster.
    mutating func finishBooting(_ turn: inout Turn) {
        guard phase == .booting, let recovery = delayedRecovery else { return }
        delayedRecovery = nil
        boot(recovery, &turn)
        if isAlone {
            phase = .running
            turn.record(.nodeJoined, variant: 2)
            wakeQuorums(&turn)
            return
        }
        phase = .waiting
        for peer in peers.indices where peer != me {
            peers[peer].lostAt = turn.now
            dial(peer, &turn)
        }
        isSeeking = true
        armPulse(&turn)
        turn.record(.nodeJoined, variant: 0)
    }

    /// Opens a connection to a peer, and says hello on it.
    private mutating func dial(_ peer: PeerIndex, _ turn: inout Turn) {
        guard peers[peer].connection == .none else { return }
        let connection = turn.connect(to: peers[peer].node)
        take(connection, peer)
        sayHello(peer, &turn)
    }

    private mutating func take(_ connection: ConnectionID, _ peer: PeerIndex) {
        peers[peer].connection = connection
        peers[peer].isConnected = false
        speakers[connection] = .peer(peer)
    }

    func sayHello(_ peer: PeerIndex, _ turn: inout Turn) {
        // Its own alarms, and not those that it has heard of: they would never end.
        let word = Words.Hello(
            node: me,
            life: life,
            standing: standing,
            alarms: ownAlarms,
            connections: openConnections
        )
        send(word, toPeer: peer, &turn)
    }

    private var standing: Peer.Standing {
        switch phase {
        case .running: .running
        case .booting, .waiting, .joining: .waiting
        }
    }

    var openConnections: Int { sessions.count { $0.isOpen && !$0.isProxy } }

    /// A peer opened a connection to this node.
    ///
    /// If both dial at once, the connection of the lower one stays.
    mutating func acceptPeer(_ connection: ConnectionID, _ peer: PeerIndex, _ turn: inout Turn) {
        guard phase != .booting else {
            turn.close(connection, .refused)
            return
        }
        let mine = peers[peer].connection
        if mine != .none {
            if !peers[peer].isConnected, me < peer {
                turn.close(connection, .refused)
                return
            }
            let wasConnected = peers[peer].isConnected
            speakers[mine] = .nobody
            turn.close(mine, .reset)
            if wasConnected { losePeer(peer, &turn) }
        }
        take(connection, peer)
        sayHello(peer, &turn)
    }

    /// A connection to a peer ended, or was never opened.
    mutating func endPeer(
        _ connection: ConnectionID,
        _ peer: PeerIndex,
        _ how: Closure = .reset,
        _ turn: inout Turn
    ) {
        guard peers[peer].connection == connection else { return }
        if how == .refused { peers[peer].lostAt = nil }
        speakers[connection] = .nobody
        let wasConnected = peers[peer].isConnected || peers[peer].standing == .running
        peers[peer].connection = .none
        peers[peer].isConnected = false
        if wasConnected { losePeer(peer, &turn) }
    }

    /// Says something to a peer, or forgets it if the peer is out of reach.
    func send(_ packet: Packet, toPeer peer: PeerIndex, _ turn: inout Turn) {
        turn.send(packet, on: peers[peer].connection)
    }

    /// Says a word to a peer.
    func send(_ word: some Word, toPeer peer: PeerIndex, _ turn: inout Turn) {
        send(word.packet, toPeer: peer, &turn)
    }

    // MARK: Words

    mutating func receiveFromPeer(_ packet: Packet, _ peer: PeerIndex, _ turn: inout Turn) {
        peers[peer].heardAt = turn.now
        if peers[peer].isSuspect { peers[peer].isSuspect = false }
        if packet.word < PeerWord.hello.rawValue {
            receiveProxied(packet, peer, &turn)
            return
        }
        guard let word = PeerWord(rawValue: packet.word) else { return }
        switch word {
        case .raft: receiveRaft(packet, peer, &turn)
        case .command: receiveCommand(packet, peer, &turn)
        case .done, .filled, .answer, .fetched, .delivery, .leads, .resume, .reached:
            receiveFromQuorum(packet, word, peer, &turn)
        case .tick: break
        case .hello:
            if let hello = Words.Hello(packet) { receive(hello, peer, &turn) }
        case .open, .shut, .refused, .count, .counted:
            receiveAboutChannel(packet, word, peer, &turn)
        case .wanted, .change, .changed, .settled:
            receiveChange(packet, word, peer, &turn)
        case .metadata:
            if let metadata = Words.Metadata(packet) { adopt(metadata.all, &turn) }
        case .alarm:
            if let alarm = Words.Alarm(packet) { setPeerAlarm(peer, alarm.bits, &turn) }
        case .side:
            if let side = Words.Side(packet) { peers[peer].side = (side.nodes, side.connections) }
        case .goodbye: peers[peer].saidGoodbye = true
        case .copyBegin, .copyPut, .copyDrop, .copyWhole, .copyStored, .copyEnd, .copyAsk,
            .copyPromise, .copyEpoch, .settleStale:
            receiveCopy(packet, word, peer, &turn)
        }
    }

    private mutating func receive(_ hello: Words.Hello, _ peer: PeerIndex, _ turn: inout Turn) {
        let isNew = !peers[peer].isConnected
        let isSameLife = peers[peer].life == hello.life
        let before = peers[peer].standing
        let had = peers[peer].life
        peers[peer].isConnected = true
        peers[peer].lostAt = nil
        peers[peer].life = hello.life
        peers[peer].saidGoodbye = false
        let said = hello.standing
        // Each went on without the other: they do not trust each other's metadata any more.
        if said == .running, phase == .running, before == .down, had != 0, isSameLife, isNew {
            meetAgain(peer, &turn)
            setPeerAlarm(peer, hello.alarms, &turn)
            greetQuorums(peer, isSameLife: true, &turn)
            return
        }
        if !isSameLife { peers[peer].isPartitioned = false }
        let stands: Peer.Standing = peers[peer].isPartitioned ? .down : said
        peers[peer].standing = stands
        setPeerAlarm(peer, hello.alarms, &turn)
        if isNew { greetQuorums(peer, isSameLife: isSameLife || had == 0, &turn) }
        if stands == .running, before != .running { findPeer(peer, &turn) }
        if stands == .running, phase == .waiting { phase = .joining }
        if said == .waiting, phase == .running, !peers[peer].isPartitioned {
            sendMetadata(to: peer, &turn)
        }
    }

    // MARK: Silence

    /// How often a node says that it is there.
    private var pulse: Interval {
        Interval(nanoseconds: min(1_000_000_000, max(plan.tickTime.nanoseconds / 4, 1_000_000)))
    }
    /// After how much silence a leader is doubted: the poll of Ra's failure detector.
    private static let doubt = Interval.seconds(5)

    /// How long a run goes on for a node that looks for one that it lost, though nothing else happens.
    private static let search = Interval.seconds(30)

    func armPulse(_ turn: inout Turn) {
        turn.arm(NodeTimer.pulse, after: pulse, background: true)
    }

    /// Says something to everybody once a second or more often, and looks who has been silent.
    ///
    /// - Source: RMQ-PART-01, -06: a peer is down after net_ticktime to 1.25 times it; a leader is doubted
    ///   earlier.
    mutating func beatPulse(_ turn: inout Turn) {
        defer { armPulse(&turn) }
        let quarter = plan.tickTime.nanoseconds / 4
        for peer in peers.indices where peer != me {
            if peers[peer].connection == .none {
                if phase != .booting, me < peer || phase == .waiting { dial(peer, &turn) }
                continue
            }
            send(Packet(peerWord: .tick), toPeer: peer, &turn)
            guard peers[peer].isConnected || peers[peer].standing == .running else { continue }
            let silence = (turn.now - peers[peer].heardAt).nanoseconds
            // Erlang looks four times in a tick time, and wants four silent looks in a row.
            let looks = turn.now.nanoseconds / max(quarter, 1)
            let heardLook = peers[peer].heardAt.nanoseconds / max(quarter, 1)
            if looks > heardLook + 4 {
                let connection = peers[peer].connection
                turn.close(connection, .reset)
                endPeer(connection, peer, .reset, &turn)
            } else if silence >= min(Self.doubt.nanoseconds, plan.tickTime.nanoseconds / 2),
                !peers[peer].isSuspect
            {
                peers[peer].isSuspect = true
                doubtLeader(peer, &turn)
            }
        }
        isSeeking = peers.contains {
            $0.lostAt.map { (turn.now - $0).nanoseconds < Self.search.nanoseconds } ?? false
        }
        tellCommits(&turn)
        if phase == .waiting { goOnIfAlone(&turn) }
    }

    // MARK: Gone, and back

    /// A peer is down, as far as this node can tell.
    mutating func losePeer(_ peer: PeerIndex, _ turn: inout Turn) {
        let wasThere = peers[peer].standing == .running || peers[peer].isPartitioned
        peers[peer].standing = .down
        peers[peer].isConnected = false
        peers[peer].isSuspect = false
        setPeerAlarm(peer, 0, &turn)
        peers[peer].lostAt = turn.now
        isSeeking = true
        guard phase == .running || phase == .joining else { return }
        endProxies(peer, &turn)
        if phase == .joining { phase = .waiting }
        guard wasThere else {
            leaveQuorums(peer, &turn)
            return
        }
        turn.record(.peerLost, peer: peers[peer].node.raw)
        rememberRunning(&turn)
        dropFromChanges(peer, &turn)
        failRemote(peer, &turn)
        leaveQuorums(peer, &turn)
        loseQueues(of: peer, &turn)
        loseMirrors(on: peer, &turn)
        if phase == .running, plan.handling == .pauseMinority { pauseIfMinority(&turn) }
    }

    /// A peer serves.
    mutating func findPeer(_ peer: PeerIndex, _ turn: inout Turn) {
        if turn.now > .zero { turn.record(.peerFound, peer: peers[peer].node.raw) }
        guard phase == .running else { return }
        rememberRunning(&turn)
        for queue in queues.indices
        where queues[queue].placement == .down && queues[queue].home == peer {
            queues[queue].become(.elsewhere)
        }
        router.forget()
        for queue in queues.indices { refreshMirrors(queue, &turn) }
        lookForWriters(&turn)
    }

    /// The nodes that run, this one apart.
    var runningPeers: [PeerIndex] { peers.indices.filter { $0 != me && peers[$0].isRunning } }

    /// Notes on the disk who runs: whoever stops last must start first.
    private func rememberRunning(_ turn: inout Turn) {
        var mask: UInt64 = 0
        for peer in peers.indices where peer != me && peers[peer].standing == .running {
            mask |= peer.bit
        }
        turn.store(Packet(x: mask), at: DiskKey.cluster, as: WriteID(writeCount))
    }

    /// A node that waits, and found nobody who serves, may go on by itself if nobody else was running when
    /// it went; and if all that were are back and wait as well, the lowest of them goes first.
    ///
    /// - Source: RMQ-CLUS-09.
    private mutating func goOnIfAlone(_ turn: inout Turn) {
        guard phase == .waiting else { return }
        if plan.handling == .pauseMinority {
            // Who pauses in a minority does not begin in one.
            let here = peers.indices.filter { $0 == me || peers[$0].isConnected }
            if here.count * 2 > plan.count, here.first == me { beginToServe(&turn) }
            return
        }
        let wanted = peers.indices.filter { $0 != me && lastRunning & $0.bit != 0 }
        let areHere = wanted.allSatisfy { peers[$0].isConnected }
        let isFirst = wanted.allSatisfy { me < $0 || peers[$0].standing != .waiting }
        guard wanted.isEmpty || areHere && isFirst else { return }
        beginToServe(&turn)
    }

    /// The node is in its cluster and serves.
    mutating func beginToServe(_ turn: inout Turn) {
        phase = .running
        turn.record(.nodeJoined, variant: 1)
        rememberRunning(&turn)
        for peer in peers.indices where peer != me && peers[peer].connection != .none {
            sayHello(peer, &turn)
        }
        for queue in queues.indices where queues[queue].exists && queues[queue].home != me {
            let isThere = queues[queue].home != .none && peers[queues[queue].home].isRunning
            guard queues[queue].quorum == .none else { continue }
            let waits = queues[queue].rules.hasCopies
            queues[queue].become(isThere ? .elsewhere : waits ? .orphan : .down)
        }
        router.forget()
        takeUpQueues(&turn)
        for peer in peers.indices where peer != me && peers[peer].standing == .waiting {
            sendMetadata(to: peer, &turn)
        }
        wakeQuorums(&turn)
    }
}
