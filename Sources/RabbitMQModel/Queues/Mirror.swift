import DequeModule
import WarrenKernel
import WarrenTrace

/// What a node keeps of a queue that lives on another node: a mirror of a classic queue, a replica of a stream.
///
/// - Source: RMQ-MIR-02, -07; rabbitmq-server `rabbit_mirror_queue_slave.erl`.
struct Mirror: Sendable {
    /// Publications by their position in the queue.
    private(set) var copies: [UInt64: Packet] = [:]
    /// Behind the last position that came.
    private(set) var end: UInt64 = 0
    /// The epoch of the writer that it copies.
    var epoch: UInt32 = 1
    /// Copies that the disk has yet to take: what can be acknowledged after which write.
    var unstored = Deque<(position: UInt64, write: UInt64)>()
    /// The messages that came last, gone or not: what its new home must not take twice.
    private var latest = Deque<UInt32>()

    /// How many messages it remembers of those that came last.
    private static let memory = 4096

    /// The positions, rising.
    var positions: [UInt64] { copies.keys.sorted() }

    /// The messages that came last, and those that are there.
    var known: Set<UInt32> { Set(latest).union(held) }

    /// The messages that are there.
    var held: Set<UInt32> { Set(copies.values.map(\.message.raw)) }

    mutating func put(_ copy: Packet, at position: UInt64) {
        copies[position] = copy
        end = max(end, position + 1)
        latest.append(copy.message.raw)
        if latest.count > Self.memory { latest.removeFirst() }
    }

    /// The epoch of the last copy, and how far the copies reach: what the choice of a writer goes by.
    var reach: Reach {
        Reach(epoch: end > 0 ? copies[end - 1]?.d ?? 0 : 0, end: end)
    }

    /// Forgets what lies behind the end of the one who is copied.
    ///
    /// - Returns: the positions that are gone.
    mutating func truncate(to end: UInt64) -> [UInt64] {
        let gone = copies.keys.filter { $0 >= end }.sorted()
        for position in gone { copies[position] = nil }
        self.end = min(self.end, end)
        return gone
    }

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

/// How the home of a queue sees a node that keeps copies of it.
struct MirrorView: Sendable {
    var peer: PeerIndex
    /// All copies up to, and not including, this position are safe there.
    var stored: UInt64
    /// The first position that it was sent.
    var from: UInt64
    /// How many older copies the queue still holds, which the mirror lacks.
    var missing: Int
}

/// A confirm that waits for copies of a message.
struct CopyWait: Sendable {
    var position: UInt64
    var slot: ConfirmSlot
}
