package import DequeModule
package import WarrenKernel
package import WarrenTrace

/// The queues with copies that live on a node: how the nodes with copies stand, and what waits for them.
///
/// - Source: RMQ-MIR-01, -07, -11; RMQ-STREAM-14; rabbitmq-server `rabbit_mirror_queue_master.erl`, Osiris.
package struct MirroredQueues: Sendable {
    /// How the home of a queue sees a node that keeps copies of it.
    package struct View: Sendable {
        package let peer: PeerIndex
        /// All copies up to, and not including, this position are safe there.
        package fileprivate(set) var stored: UInt64
        /// The first position that it was sent.
        package let from: UInt64
        /// How many older copies the queue still holds, which the mirror lacks.
        package fileprivate(set) var missing: Int
    }

    /// What a node with copies must hear of a copy that is done with.
    package enum News: Sendable {
        case nothing
        /// Which one it is.
        case dropped
        /// It was the last one that the node lacked: RMQ-MIR-07.
        case whole
    }

    /// A confirm that waits for copies of a message.
    private struct Wait {
        var position: UInt64
        var slot: ConfirmSlot
    }

    private struct Home {
        var views: [View] = []
        /// By rising position.
        var waits = Deque<Wait>()
        /// The messages that it had when it moved here, or shortly before.
        var had: Set<UInt32> = []
    }

    private var homes: [QueueIndex: Home] = [:]
    /// The queues that are being copied, and take nothing: what other nodes said to them meanwhile, in order.
    private var blocked: [QueueIndex: Deque<(packet: Packet, peer: PeerIndex)>] = [:]

    package init() {}

    /// The nodes with copies of a queue, the longest first.
    package func views(of queue: QueueIndex) -> [View] { homes[queue]?.views ?? [] }

    /// A node keeps copies of what is sent to it from the position `from` on, and lacks so many older ones.
    package mutating func open(
        _ peer: PeerIndex,
        of queue: QueueIndex,
        from: UInt64 = 0,
        missing: Int = 0
    ) {
        homes[queue]?.views.removeAll { $0.peer == peer }
        let view = View(peer: peer, stored: from, from: from, missing: missing)
        homes[queue, default: Home()].views.append(view)
    }

    /// Only these nodes keep copies.
    package mutating func keep(_ peers: [PeerIndex], of queue: QueueIndex) {
        homes[queue]?.views.removeAll { !peers.contains($0.peer) }
    }

    /// The queue has moved here with these messages: nobody else has copies yet, and nobody waits.
    package mutating func begin(_ queue: QueueIndex, with messages: Set<UInt32>) {
        assert(queue != .none, "a queue without a place")
        homes[queue] = Home(had: messages)
    }

    /// Whether a message was there when the queue moved here, or shortly before.
    package func had(_ message: MessageID, _ queue: QueueIndex) -> Bool {
        homes[queue]?.had.contains(message.raw) ?? false
    }

    /// A copy is done with.
    package mutating func drop(
        _ position: UInt64,
        at peer: PeerIndex,
        of queue: QueueIndex
    ) -> News {
        assert(queue != .none && peer != .none, "a copy of nothing is dropped")
        guard let index = homes[queue]?.views.firstIndex(where: { $0.peer == peer }),
            let view = homes[queue]?.views[index]
        else { return .nothing }
        if position >= view.from { return .dropped }
        guard view.missing > 0 else { return .nothing }
        homes[queue]?.views[index].missing -= 1
        return view.missing == 1 ? .whole : .nothing
    }

    /// A node has all copies up to and with a position on its disk.
    ///
    /// - Returns: whether it is one of those that keep copies.
    package mutating func store(
        _ position: UInt64,
        at peer: PeerIndex,
        of queue: QueueIndex
    ) -> Bool {
        assert(queue != .none && peer != .none, "a copy of nothing is stored")
        guard let index = homes[queue]?.views.firstIndex(where: { $0.peer == peer }) else {
            return false
        }
        let known = homes[queue]?.views[index].stored ?? 0
        homes[queue]?.views[index].stored = max(known, position + 1)
        return true
    }

    /// Whether all nodes with copies have the one at a position.
    package func isStored(_ position: UInt64, of queue: QueueIndex) -> Bool {
        homes[queue]?.views.allSatisfy { $0.stored > position } ?? true
    }

    /// How far so many of the nodes with copies reach; 0 if there are fewer.
    package func end(of queue: QueueIndex, atLeast count: Int) -> UInt64 {
        let ends = views(of: queue).map(\.stored).sorted(by: >)
        return count > 0 && count <= ends.count ? ends[count - 1] : 0
    }

    /// A confirm waits until copies are safe.
    package mutating func await(
        _ slot: ConfirmSlot,
        _ queue: QueueIndex,
        _ position: UInt64
    ) {
        assert(
            homes[queue]?.waits.last.map { $0.position <= position } ?? true,
            "confirms of a queue wait out of order"
        )
        homes[queue, default: Home()].waits.append(Wait(position: position, slot: slot))
    }

    /// The position that a confirm of a queue waits for longest; nil if none waits.
    package func firstAwaited(_ queue: QueueIndex) -> UInt64? {
        homes[queue]?.waits.first?.position
    }

    /// The confirm that waited longest does not wait any more.
    package mutating func takeFirstWait(_ queue: QueueIndex) -> ConfirmSlot? {
        homes[queue]?.waits.popFirst()?.slot
    }

    // MARK: Synchronising

    /// A queue is copied to mirrors that lack something, and takes nothing meanwhile.
    ///
    /// - Returns: whether that is news.
    package mutating func block(_ queue: QueueIndex) -> Bool {
        guard blocked[queue] == nil else { return false }
        blocked[queue] = []
        return true
    }

    /// Whether any queue is being copied.
    @inline(__always)
    package var isBlocking: Bool { !blocked.isEmpty }

    /// Whether a queue is being copied.
    package func isBlocked(_ queue: QueueIndex) -> Bool { isBlocking && blocked[queue] != nil }

    /// Another node says something to a queue that is being copied.
    package mutating func hold(_ packet: Packet, from peer: PeerIndex, for queue: QueueIndex) {
        assert(isBlocked(queue), "a queue that takes everything holds nothing back")
        blocked[queue]?.append((packet, peer))
    }

    /// A queue has been copied.
    ///
    /// - Returns: what other nodes said to it meanwhile, in order.
    package mutating func unblock(_ queue: QueueIndex) -> Deque<(packet: Packet, peer: PeerIndex)> {
        blocked.removeValue(forKey: queue) ?? []
    }

    /// What other nodes said to queues that are being copied, queue after queue.
    package var held: [Packet] {
        blocked.sorted { $0.key < $1.key }.flatMap { $0.value.map(\.packet) }
    }

    /// The queue does not live here any more.
    ///
    /// - Returns: the confirms that waited, in order.
    package mutating func end(_ queue: QueueIndex) -> [ConfirmSlot] {
        defer {
            homes[queue]?.waits = []
            homes[queue]?.views = []
        }
        return homes[queue]?.waits.map(\.slot) ?? []
    }
}
