import DequeModule

/// The streams without a writer, as a node with a replica sees them: who reaches how far, who has asked to write, and
/// what was promised.
///
/// - Source: RMQ-STREAM-14; rabbitmq-server `rabbit_stream_coordinator.erl`, Osiris.
package struct StreamElections: Sendable {
    /// What a replica of a stream without a writer knows of the others.
    private struct Election {
        /// By node: how far its replica reaches.
        var ends: [PeerIndex: Reach] = [:]
        /// The epoch that this node asked for, of whom, and who promised it.
        var asked: UInt32 = 0
        var voters: [PeerIndex] = []
        var promises: Set<PeerIndex> = []
    }

    /// A promise to a candidate, which the disk has yet to take.
    package struct Promise: Sendable {
        package let write: UInt64
        package let peer: PeerIndex
        package let queue: QueueIndex
        package let epoch: UInt32
    }

    /// By stream without a writer.
    private var elections: [QueueIndex: Election] = [:]
    /// By rising number of the write.
    private var promises = Deque<Promise>()

    package init() {}

    /// A replica reaches so far.
    package mutating func hear(_ reach: Reach, of peer: PeerIndex, _ queue: QueueIndex) {
        assert(queue != .none && peer != .none, "nobody has nothing of no stream")
        elections[queue, default: Election()].ends[peer] = reach
    }

    /// What was known of a stream is void: it has a writer, or has lost another one.
    package mutating func forget(_ queue: QueueIndex) { elections[queue] = nil }

    /// A node went down: what it said is void.
    package mutating func forget(_ peer: PeerIndex, _ queue: QueueIndex) {
        elections[queue]?.ends[peer] = nil
        elections[queue]?.promises.remove(peer)
    }

    /// The replica that reaches farthest of those on `nodes`, the lowest of several; nil unless all have spoken, or if
    /// this node has asked the same ones for `epoch` already.
    package func farthest(
        among nodes: [PeerIndex],
        of queue: QueueIndex,
        unlessAsked epoch: UInt32,
        _ voters: [PeerIndex]
    ) -> PeerIndex? {
        guard let election = elections[queue], election.asked != epoch || election.voters != voters
        else { return nil }
        var best: (peer: PeerIndex, reach: Reach)?
        for peer in nodes {
            guard let reach = election.ends[peer] else { return nil }
            guard let known = best else {
                best = (peer, reach)
                continue
            }
            if known.reach < reach || known.reach == reach && peer < known.peer {
                best = (peer, reach)
            }
        }
        return best?.peer
    }

    /// This node asks for an epoch.
    package mutating func ask(_ epoch: UInt32, _ voters: [PeerIndex], _ queue: QueueIndex) {
        elections[queue]?.asked = epoch
        elections[queue]?.voters = voters
        elections[queue]?.promises = []
    }

    /// A node promises an epoch.
    ///
    /// - Returns: whether it is the one that this node asked for.
    package mutating func promise(
        _ epoch: UInt32,
        by peer: PeerIndex,
        _ queue: QueueIndex
    ) -> Bool {
        assert(epoch > 0, "epochs are numbered from 1")
        guard elections[queue]?.asked == epoch else { return false }
        elections[queue]?.promises.insert(peer)
        return true
    }

    /// Whether an epoch is promised by `me` and by a majority of so many members.
    package func isWon(
        _ epoch: UInt32,
        of queue: QueueIndex,
        by me: PeerIndex,
        members: Int
    ) -> Bool {
        guard let election = elections[queue] else { return false }
        return election.asked == epoch && election.promises.contains(me)
            && election.promises.count * 2 > members
    }

    /// A promise to a node waits for the disk.
    package mutating func await(
        _ write: UInt64,
        to peer: PeerIndex,
        _ queue: QueueIndex,
        _ epoch: UInt32
    ) {
        assert(promises.last.map { $0.write <= write } ?? true, "promises come in order")
        promises.append(Promise(write: write, peer: peer, queue: queue, epoch: epoch))
    }

    /// The next promise that waited for one of the writes up to `write`; nil if there is none.
    package mutating func nextStored(upTo write: UInt64) -> Promise? {
        guard let first = promises.first, first.write <= write else { return nil }
        return promises.removeFirst()
    }
}
