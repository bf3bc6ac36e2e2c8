import WarrenKernel
import WarrenTrace

/// Classic queues of a node that another one sees stop in good order.
///
/// Its clients are told at once, and quorum queues and streams go on elsewhere. What is said to its classic queues waits until
/// they have written down what they hold: then mirrors take over, publications to those that have none are nacked until the node
/// has gone, and lead nowhere from then on.
///
/// - Source: RMQ-CLUS-13.
extension RabbitMQNode {
    /// How long this node takes to stop in good order.
    ///
    /// - Source: RMQ-CLUS-13: 0.02 s with three classic queues, 1.2 s with 1,000, 3.2 s with 3,000.
    var stopTime: Interval {
        if let time = peers.plan.stopTime { return time }
        let count = queues.count {
            $0.exists && $0.isHere && $0.rules.kind == .classic && $0.declaration.durable
        }
        return .microseconds(20_000 + 1070 * UInt64(count))
    }

    /// Sets the timer for what is due next at any node that is being stopped.
    private func armEndings(_ turn: inout Turn) {
        let next = peers.indices.compactMap { peers[$0].ending?.next }.min()
        guard let next else { return turn.disarm(NodeTimer.endings) }
        turn.arm(NodeTimer.endings, after: next > turn.now ? next - turn.now : .zero)
    }

    /// A peer is lost: if it said goodbye, it is being stopped from now on.
    mutating func beginEnding(of peer: PeerIndex, _ turn: inout Turn) {
        guard peers[peer].saidGoodbye else { return }
        peers.beginEnding(of: peer, at: turn.now)
        armEndings(&turn)
    }

    /// Something is due at a node that is being stopped.
    mutating func goOnEnding(_ turn: inout Turn) {
        for peer in peers.indices {
            while let ending = peers[peer].ending, ending.next <= turn.now {
                if ending.refuses { depart(peer, &turn) } else { refuse(peer, &turn) }
            }
        }
        armEndings(&turn)
    }

    /// A node that was being stopped is there again before others expected it.
    mutating func hasten(_ peer: PeerIndex, _ turn: inout Turn) {
        guard let ending = peers[peer].ending else { return }
        if !ending.refuses { refuse(peer, &turn) }
        depart(peer, &turn)
        armEndings(&turn)
    }

    /// The queues of a node are gone: whoever waits for them is told.
    private mutating func refuse(_ peer: PeerIndex, _ turn: inout Turn) {
        peers.refuse(peer)
        for slot in remoteUse.lose(peer) { settleConfirm(slot, refused: true, &turn) }
        for queue in queues.indices
        where queues[queue].exists && queues[queue].placement == .ending(refuses: false)
            && queues[queue].home == peer
        {
            queues[queue].become(.ending(refuses: true))
            refuseOrphans(queue, &turn)
            cancelConsumers(of: queue, &turn)
        }
        refuseThoseWhoWait(for: peer, &turn)
        for queue in queues.indices
        where queues[queue].exists && queues[queue].placement == .orphan
            && queues[queue].home == peer && queues[queue].rules.kind == .classic
        {
            findHome(queue, &turn)
        }
    }

    /// The node is gone as well.
    private mutating func depart(_ peer: PeerIndex, _ turn: inout Turn) {
        peers.depart(peer)
        for queue in queues.indices
        where queues[queue].exists && queues[queue].placement == .ending(refuses: true)
            && queues[queue].home == peer
        {
            queues[queue].become(.down)
        }
        router.forget()
    }
}
