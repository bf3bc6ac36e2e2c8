import WarrenKernel
import WarrenTrace

/// What a node does about a partition: nothing, pause, or give way.
///
/// - Source: RMQ-PART-02 to -04, -07, -09; rabbitmq-server `rabbit_node_monitor.erl`, `rabbit_autoheal.erl`.
/// - Differs: a node that pauses, or gives way, stops and starts its process; a real one keeps the process and
///   stops the application in it. Of two nodes that have lost each other, and no other, it is always the lower one that
///   leaves the rest.
extension RabbitMQNode {
    /// A node that sees half of its cluster or less stops serving, until it sees more.
    ///
    /// - Source: RMQ-PART-03.
    mutating func pauseIfMinority(_ turn: inout Turn) {
        guard (1 + runningPeers.count) * 2 <= peers.count else { return }
        turn.record(.nodePaused)
        peers.giveWay()
        turn.restart(after: .zero)
    }

    // MARK: Partial partitions

    /// A peer is lost: others are asked whether they have lost it, too.
    func askAbout(_ peer: PeerIndex, _ turn: inout Turn) {
        guard phase == .running, !usesKhepri else { return }
        for other in runningPeers where other != peer {
            send(Words.Loss(.lost, peer), toPeer: other, &turn)
        }
    }

    /// Finds out for others who is there, and leaves the rest if a partition is a partial one.
    ///
    /// - Source: RMQ-PART-09.
    mutating func receive(_ word: Words.Loss, _ peer: PeerIndex, _ turn: inout Turn) {
        let other = word.peer
        guard peers.indices.contains(other), phase == .running else { return }
        switch word.step {
        case .lost:
            peers.hearLoss(from: peer, at: turn.now)
            // Who has lost whom is found out once for the two.
            guard other != me, peer < other, peers[other].isRunning else { return }
            send(Words.Loss(.checked, peer), toPeer: other, &turn)
        case .checked:
            send(Words.Loss(.alive, other), toPeer: peer, &turn)
        case .alive:
            guard other != me, peers[other].isRunning else { return }
            send(Words.Loss(.found, peer), toPeer: other, &turn)
        case .found:
            if !peers[other].isRunning { leave(peer, &turn) }
        }
    }

    /// A partition is a partial one: this node leaves a peer that can speak to whom it has lost, or pauses.
    private mutating func leave(_ peer: PeerIndex, _ turn: inout Turn) {
        if peers.plan.handling == .pauseMinority {
            turn.record(.nodePaused)
            peers.giveWay()
            turn.restart(after: .zero)
            return
        }
        let connection = peers[peer].connection
        turn.close(connection, .reset)
        endPeer(connection, peer, .reset, &turn)
    }

    // MARK: Together again

    /// A peer is back that was never gone: each of the two went on without the other.
    mutating func meetAgain(_ peer: PeerIndex, _ turn: inout Turn) {
        assert(peer != me, "a node meets others")
        turn.record(.peerFound, peer: peers[peer].node.raw, variant: 1)
        peers.part(from: peer)
        // Streams heal by themselves, as quorum queues do.
        for queue in queues.indices where queues[queue].rules.kind == .stream {
            refreshMirrors(queue, &turn)
        }
        lookForWriters(&turn)
        guard peers.plan.handling == .autoheal else { return }
        let word = Words.Side(nodes: mySide, connections: UInt64(openConnections))
        for other in peers.indices where other != me && peers[other].isConnected {
            send(word, toPeer: other, &turn)
        }
        turn.arm(NodeTimer.heal, after: Self.healPause)
    }

    /// How long nodes tell each other of their sides before one gives way.
    private static var healPause: Interval { .seconds(1) }

    /// This node and those that run together with it, a bit for each.
    private var mySide: UInt64 {
        runningPeers.reduce(me.bit) { $0 | $1.bit }
    }

    /// The side with the most connections wins, then the larger one, then the one with the lowest node; all
    /// others start anew and take over its state.
    ///
    /// - Source: RMQ-PART-04.
    mutating func heal(_ turn: inout Turn) {
        guard peers.indices.contains(where: { peers[$0].isPartitioned }) else { return }
        var sides: [(nodes: UInt64, connections: UInt64)] = []
        func add(_ nodes: UInt64, _ connections: UInt64) {
            if let index = sides.firstIndex(where: { $0.nodes == nodes }) {
                sides[index].connections += connections
            } else {
                sides.append((nodes, connections))
            }
        }
        for peer in peers.indices {
            if peer == me {
                add(mySide, UInt64(openConnections))
            } else if peers[peer].isConnected, peers[peer].side.nodes != 0 {
                add(peers[peer].side.nodes, peers[peer].side.connections)
            }
        }
        let winner = sides.max { one, other in
            (one.connections, one.nodes.nonzeroBitCount, other.nodes.trailingZeroBitCount)
                < (
                    other.connections, other.nodes.nonzeroBitCount,
                    one.nodes.trailingZeroBitCount
                )
        }
        peers.forgetSides()
        guard let winner, winner.nodes & me.bit == 0 else { return }
        turn.record(.nodeYielded)
        // It comes back by taking over what the others have, and never by itself.
        let others = peers.indices.reduce(UInt64(0)) { $1 == me ? $0 : $0 | $1.bit }
        turn.store(Packet(x: others), at: DiskKey.cluster, as: numbers.lastWrite)
        peers.giveWay()
        turn.restart(after: .zero)
    }
}
