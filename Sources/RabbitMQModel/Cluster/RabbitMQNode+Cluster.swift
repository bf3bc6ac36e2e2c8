import WarrenKernel
import WarrenTrace

/// Membership: how a node finds its peers, notices that one is gone, and comes back.
///
/// - Source: RMQ-CLUS-04 to -06, -09, -10; RMQ-PART-01; rabbitmq-server `rabbit_node_monitor.erl`,
///   Erlang's `net_kernel`.
extension RabbitMQNode {
    /// Which of its cluster's nodes this is.
    @inline(__always)
    var me: PeerIndex { peers.me }

    /// How it stands.
    var phase: NodePhase { peers.phase }

    /// Whether there are other nodes.
    var isClustered: Bool { peers.count > 1 && !peers.isAlone }

    /// The members of the cluster that it is in.
    var clusterMembers: [PeerIndex] { peers.isAlone ? [me] : Array(peers.indices) }

    /// Whether clients are served.
    var isServing: Bool { phase == .running }

    /// This node, as quorum queues name it: its number and its life.
    var clientKey: UInt64 { Self.clientKey(me, peers.life) }

    static func clientKey(_ node: PeerIndex, _ life: UInt64) -> UInt64 {
        UInt64(node.wire) << 56 | life & 0xFF_FFFF_FFFF_FFFF
    }

    static func node(ofClient key: UInt64) -> PeerIndex { Index(Int(key >> 56)) }

    // MARK: Starting

    /// Comes up: a cluster's first start finds everybody there, any other takes its time.
    mutating func start(_ recovery: Recovery, _ turn: inout Turn) {
        peers.begin(at: turn.now, isStranger: isStranger(recovery))
        if let order = recovery.configuration,
            let version = Version(turn.names[order.subject])
        {
            setup.upgrade(to: version)
        }
        guard peers.count > 1 else {
            boot(recovery, &turn)
            wakeQuorums(&turn)
            return
        }
        if recovery.first, turn.now == .zero {
            peers.findAll()
            boot(recovery, &turn)
            for peer in peers.indices where peer > me { dial(peer, &turn) }
            rememberRunning(&turn)
            armPulse(&turn)
            return
        }
        peers.boot(later: recovery)
        turn.arm(NodeTimer.boot, after: peers.plan.bootTime)
    }

    /// Whether a node comes up on another data directory than that which was set up with the cluster: with
    /// another name, or without its data, it is a member of nothing, and will be.
    ///
    /// - Source: RMQ-DUR-13; a node of a cluster of 3.10.8 that came back under another name was alone and
    ///   empty, and its old name stayed a dead member.
    private func isStranger(_ recovery: Recovery) -> Bool { recovery.directory != 0 }

    /// The node has come up: it looks for its cluster.
    mutating func finishBooting(_ turn: inout Turn) {
        guard let recovery = peers.finishBooting() else { return }
        boot(recovery, &turn)
        if peers.isAlone {
            peers.serve()
            turn.record(.nodeJoined, variant: 2)
            wakeQuorums(&turn)
            return
        }
        peers.seek(at: turn.now)
        for peer in peers.indices where peer != me { dial(peer, &turn) }
        armPulse(&turn)
        turn.record(.nodeJoined, variant: 0)
    }

    /// Opens a connection to a peer, and says hello on it.
    private mutating func dial(_ peer: PeerIndex, _ turn: inout Turn) {
        assert(peer != me, "a node does not call itself")
        guard peers[peer].connection == .none else { return }
        let connection = turn.connect(to: peers[peer].node)
        take(connection, peer)
        sayHello(peer, &turn)
        sayUnsaid(peer, &turn)
    }

    private mutating func take(_ connection: ConnectionID, _ peer: PeerIndex) {
        peers.connect(peer, by: connection)
        connections.give(connection, to: .peer(peer))
    }

    func sayHello(_ peer: PeerIndex, _ turn: inout Turn) {
        // Its own alarms, and not those that it has heard of: they would never end.
        let word = Words.Hello(
            node: me,
            life: peers.life,
            standing: peers.standing,
            alarms: alarms.own,
            connections: openConnections
        )
        send(word, toPeer: peer, &turn)
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
            if peers.keepsOwnConnection(to: peer) {
                turn.close(connection, .refused)
                return
            }
            let wasConnected = peers[peer].isConnected
            connections.give(mine, to: .nobody)
            turn.close(mine, .reset)
            if wasConnected { losePeer(peer, &turn) }
        }
        take(connection, peer)
        sayHello(peer, &turn)
        sayUnsaid(peer, &turn)
    }

    /// A connection to a peer ended, or was never opened.
    mutating func endPeer(
        _ connection: ConnectionID,
        _ peer: PeerIndex,
        _ how: Closure = .reset,
        _ turn: inout Turn
    ) {
        guard peers[peer].connection == connection else { return }
        connections.give(connection, to: .nobody)
        if peers.disconnect(peer, how) { losePeer(peer, &turn) }
    }

    /// A connection to a peer was broken, and may be mended at once: what is said next opens another one, unless the peer
    /// wants none because it leaves this node, or both wait for that.
    ///
    /// - Source: RMQ-PART-09; Erlang's `dist_auto_connect`.
    mutating func dialAgain(_ peer: PeerIndex, _ turn: inout Turn) {
        guard me > peer, phase == .running, !peers.isLeaving(peer, at: turn.now) else { return }
        dial(peer, &turn)
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
        peers.hear(peer, at: turn.now)
        if packet.word < PeerWord.hello.rawValue {
            receiveProxied(packet, peer, &turn)
            return
        }
        guard let word = PeerWord(rawValue: packet.word) else { return }
        switch word {
        case .raft: receiveRaft(packet, peer, &turn)
        case .command: receiveCommand(packet, peer, &turn)
        case .done, .filled, .answer, .fetched, .delivery, .leads, .heard, .recorded,
            .resume, .reached:
            receiveFromQuorum(packet, word, peer, &turn)
        case .member, .memberDone, .memberGone: receiveAboutMember(packet, word, peer, &turn)
        case .tick: break
        case .loss: if let word = Words.Loss(packet) { receive(word, peer, &turn) }
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
            if let side = Words.Side(packet) { peers.hear(side, from: peer) }
        case .goodbye:
            if let word = Words.Goodbye(packet) { peers.hear(word, from: peer) }
        case .copyBegin, .copyPut, .copyDrop, .copyWhole, .copyStored, .copyEnd, .copyAsk,
            .copyPromise, .copyEpoch, .settleStale:
            receiveCopy(packet, word, peer, &turn)
        }
    }

    private mutating func receive(_ hello: Words.Hello, _ peer: PeerIndex, _ turn: inout Turn) {
        let greeting = peers.hear(hello, from: peer)
        if greeting.isReunion { meetAgain(peer, &turn) }
        setPeerAlarm(peer, hello.alarms, &turn)
        if greeting.isNew { greetQuorums(peer, isSameLife: greeting.isSameLife, &turn) }
        guard !greeting.isReunion else { return }
        if greeting.isFound { findPeer(peer, &turn) }
        if peers[peer].standing == .running { peers.join() }
        if hello.standing == .waiting, phase == .running, !peers[peer].isPartitioned {
            sendMetadata(to: peer, &turn)
        }
    }

    // MARK: Silence

    func armPulse(_ turn: inout Turn) {
        turn.arm(NodeTimer.pulse, after: peers.pulse, background: true)
    }

    /// Says something to everybody once a second or more often, and looks who has been silent.
    ///
    /// - Source: RMQ-PART-01, -06: a peer is down after net_ticktime to 1.25 times it; a leader is doubted
    ///   earlier.
    mutating func beatPulse(_ turn: inout Turn) {
        defer { armPulse(&turn) }
        for peer in peers.indices where peer != me {
            if peers[peer].connection == .none {
                if phase != .booting, me < peer || phase == .waiting { dial(peer, &turn) }
                continue
            }
            send(Packet(peerWord: .tick), toPeer: peer, &turn)
            switch peers.judge(peer, at: turn.now) {
            case .none: break
            case .suspicious: doubtLeader(peer, &turn)
            case .tooLong:
                let connection = peers[peer].connection
                turn.close(connection, .reset)
                endPeer(connection, peer, .reset, &turn)
            }
        }
        peers.seekLately(at: turn.now)
        tellCommits(&turn)
        if peers.mayBegin { beginToServe(&turn) }
    }

    // MARK: Gone, and back

    /// A peer is down, as far as this node can tell.
    mutating func losePeer(_ peer: PeerIndex, _ turn: inout Turn) {
        assert(peer != me, "a node does not lose itself")
        let wasThere = peers.lose(peer, at: turn.now)
        setPeerAlarm(peer, 0, &turn)
        guard phase == .running || phase == .joining else { return }
        endProxies(peer, &turn)
        peers.waitAgain()
        guard wasThere else {
            leaveQuorums(peer, &turn)
            return
        }
        turn.record(.peerLost, peer: peers[peer].node.raw)
        rememberRunning(&turn)
        dropFromChanges(peer, &turn)
        if phase == .running { beginEnding(of: peer, &turn) }
        failRemote(peer, &turn)
        leaveQuorums(peer, &turn)
        loseQueues(of: peer, &turn)
        loseMirrors(on: peer, &turn)
        askAbout(peer, &turn)
        if phase == .running, peers.plan.handling == .pauseMinority { pauseIfMinority(&turn) }
    }

    /// A peer serves.
    mutating func findPeer(_ peer: PeerIndex, _ turn: inout Turn) {
        assert(peers[peer].isRunning, "a peer is found that does not serve")
        if turn.now > .zero { turn.record(.peerFound, peer: peers[peer].node.raw) }
        guard phase == .running else { return }
        hasten(peer, &turn)
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
    var runningPeers: [PeerIndex] { peers.running }

    /// Notes on the disk who runs: whoever stops last must start first.
    private func rememberRunning(_ turn: inout Turn) {
        turn.store(
            Packet(x: peers.runningMask),
            at: DiskKey.cluster,
            as: numbers.lastWrite
        )
    }

    /// The node is in its cluster and serves.
    mutating func beginToServe(_ turn: inout Turn) {
        peers.serve()
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
