import DequeModule
import WarrenKernel
import WarrenTrace

/// A copy in a consumer's hands.
struct Unacked: BitwiseCopyable, Sendable {
    var readySince: Instant
    var position: UInt64
    var row: UInt32
    /// The queue, or -1 once it was settled.
    var queue: Int32
    /// The consumer, or -1 for basic.get.
    var consumer: Int32
}

/// A channel of a connection.
struct Channel: Sendable {
    /// The life of a channel.
    enum State: Sendable { case open, closing, closed }

    var connection: ConnectionID
    var session: Int32
    var number: UInt16
    var peer: NodeID
    var state = State.open

    /// The number as packets carry it.
    var port: UInt32 { UInt32(number) }

    /// Prefetch of consumers that start from now on; 0 for no limit.
    var prefetch: UInt32 = 0
    /// The limit of the channel as a whole; 0 for none.
    var globalPrefetch: UInt32 = 0
    var confirming = false
    var publishSequence: UInt64 = 0
    /// Deliveries by tag; the first has ``baseTag``.
    var unacked = Deque<Unacked>()
    var baseTag: UInt64 = 1
    var unackedCount: UInt32 = 0
    var consumers: [Int32] = []
    /// The queue last declared here.
    var lastQueue: Int32 = -1

    var nextTag: UInt64 { baseTag &+ UInt64(unacked.count) }

    /// Keeps a delivery and gives it the next tag.
    @inline(__always)
    mutating func hold(_ delivery: Unacked) {
        unackedCount &+= 1
        unacked.append(delivery)
    }

    /// Settles the delivery with this tag, or nil if none waits under it.
    @inline(__always)
    mutating func settle(_ tag: UInt64) -> Unacked? {
        let index = Int(truncatingIfNeeded: tag &- baseTag)
        guard tag >= baseTag, index < unacked.count else { return nil }
        if index == 0 {
            let delivery = unacked.removeFirst()
            guard delivery.queue >= 0 else {
                unacked.prepend(delivery)
                return nil
            }
            baseTag &+= 1
            unackedCount &-= 1
            trim()
            return delivery
        }
        let delivery = unacked[index]
        guard delivery.queue >= 0 else { return nil }
        unacked[index].queue = -1
        unackedCount &-= 1
        return delivery
    }

    /// Drops settled deliveries from the front.
    @inline(__always)
    mutating func trim() {
        while let first = unacked.first, first.queue < 0 {
            unacked.removeFirst()
            baseTag &+= 1
        }
    }
}

/// A consumer of a channel.
struct Consumer: Sendable {
    var queue: Int32
    var channel: Int32
    var tag: Symbol
    var noAck: Bool
    var prefetch: UInt32
    var unacked: UInt32 = 0
    /// Whether it stands in the rotation of its queue.
    var inRotation = true
    var exists = true

    /// Counts one delivery; true if there is no room for another.
    @inline(__always)
    mutating func holdOne() -> Bool {
        unacked &+= 1
        return prefetch != 0 && unacked >= prefetch
    }

    /// Counts one delivery as settled; true if the consumer may join the rotation again.
    @inline(__always)
    mutating func settleOne() -> Bool {
        unacked &-= 1
        guard !inRotation, exists else { return false }
        inRotation = true
        return true
    }
}

/// A connection as the broker sees it.
struct Session: Sendable {
    var connection: ConnectionID
    var peer: NodeID
    var scope: Symbol
    var vhost: String
    var isOpen = false
    /// The channels by number; the hot path finds the usual one or two at once.
    var numbers: [UInt16] = []
    var indices: [Int32] = []
}
