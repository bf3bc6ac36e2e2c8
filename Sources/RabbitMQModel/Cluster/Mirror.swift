import DequeModule
package import WarrenKernel
import WarrenTrace

/// What a node keeps of a queue that lives on another node: a mirror of a classic queue, a replica of a stream.
///
/// - Source: RMQ-MIR-02, -07; rabbitmq-server `rabbit_mirror_queue_slave.erl`.
package struct Mirror: Sendable {
    /// Publications by their position in the queue.
    package private(set) var copies: [UInt64: Packet] = [:]
    /// Behind the last position that came.
    package private(set) var end: UInt64 = 0
    /// The epoch of the writer that it copies.
    package var epoch: UInt32
    /// Copies that the disk has yet to take: what can be acknowledged after which write.
    private var unstored = Deque<(position: UInt64, write: UInt64)>()
    /// The messages that came last, gone or not: what its new home must not take twice.
    private var latest = Deque<UInt32>()

    /// How many messages it remembers of those that came last.
    private static let memory = 4096

    /// Nothing, as a writer of an epoch sends it.
    package init(epoch: UInt32 = 1) { self.epoch = epoch }

    /// The positions, rising.
    package var positions: [UInt64] { copies.keys.sorted() }

    /// The messages that came last, and those that are there.
    package var known: Set<UInt32> { Set(latest).union(held) }

    /// The messages that are there.
    package var held: Set<UInt32> { Set(copies.values.map(\.message.raw)) }

    /// A copy comes.
    package mutating func put(_ copy: Packet, at position: UInt64) {
        assert(
            copies[position] == nil || position < end,
            "a copy is put where there is one, behind the end"
        )
        copies[position] = copy
        end = max(end, position + 1)
        latest.append(copy.message.raw)
        if latest.count > Self.memory { latest.removeFirst() }
    }

    /// The epoch of the last copy, and how far the copies reach: what the choice of a writer goes by.
    package var reach: Reach {
        Reach(epoch: end > 0 ? copies[end - 1]?.d ?? 0 : 0, end: end)
    }

    /// The writer begins an epoch that reaches to `end`: what lies behind is void.
    ///
    /// - Returns: the positions that are gone, rising.
    mutating func restart(epoch: UInt32, end: UInt64) -> [UInt64] {
        self.epoch = epoch
        unstored.removeAll()
        let gone = copies.keys.filter { $0 >= end }.sorted()
        for position in gone { copies[position] = nil }
        self.end = min(self.end, end)
        return gone
    }

    /// A copy can be acknowledged after a write, or if it has none, after the last one before it.
    ///
    /// - Returns: false if there is nothing to wait for.
    mutating func await(_ write: UInt64?, for position: UInt64) -> Bool {
        guard let write = write ?? unstored.last?.write else { return false }
        unstored.append((position, write))
        return true
    }

    /// The disk has everything up to `write`.
    ///
    /// - Returns: the last position that is safe now and was not; nil if there is none.
    mutating func stored(upTo write: UInt64) -> UInt64? {
        var last: UInt64?
        while let first = unstored.first, first.write <= write {
            last = first.position
            unstored.removeFirst()
        }
        return last
    }

    /// A copy is done with.
    mutating func drop(_ position: UInt64) -> Packet? { copies.removeValue(forKey: position) }
}

/// How far a replica of a stream reaches.
package struct Reach: Hashable, Comparable, Sendable {
    package var epoch: UInt32
    package var end: UInt64

    package init(epoch: UInt32, end: UInt64) {
        self.epoch = epoch
        self.end = end
    }

    package static func < (one: Reach, other: Reach) -> Bool {
        (one.epoch, one.end) < (other.epoch, other.end)
    }
}
