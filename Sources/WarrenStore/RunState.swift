public import WarrenLedger
public import WarrenTrace

/// What every queue held at a moment, and what had happened until then.
public struct RunState: Sendable, Hashable {
    /// What one queue held.
    public struct Queue: Sendable, Hashable {
        public var symbol: Symbol
        /// Copies that lay in it, were with consumers, or were settled by sending and not yet worked on.
        public var depth, unacked, transit: UInt64
        /// Deliveries until then.
        public var delivered: UInt64
        /// What each of several masters had of ``depth``, by their number; empty if there was one.
        public var sides: [Side] = []
    }

    /// What one of several masters of a queue had ready.
    public struct Side: Sendable, Hashable {
        public var node: NodeID
        public var depth: Int
    }

    /// In the order of their first facts.
    public var queues: [Queue] = []
    public var published: UInt64 = 0
    public var acked: UInt64 = 0
    public var dropped: UInt64 = 0

    /// Before the first fact.
    public init() {}

    /// What a ledger says.
    public init(_ ledger: Ledger) {
        queues = ledger.queues.map {
            Queue(
                symbol: $0.symbol,
                depth: $0.depth,
                unacked: $0.unacked,
                transit: $0.transit,
                delivered: $0.delivered
            )
        }
        published = ledger.totals.published
        acked = ledger.totals.acked
        dropped = ledger.totals.dropped
    }

    /// A ledger that goes on from here.
    var ledger: Ledger {
        Ledger(
            resuming: queues.map {
                QueueAccount(
                    symbol: $0.symbol,
                    depth: $0.depth,
                    unacked: $0.unacked,
                    transit: $0.transit,
                    delivered: $0.delivered
                )
            },
            published: published,
            acked: acked,
            dropped: dropped
        )
    }

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        for number in [published, acked, dropped] { Varints.append(number, to: &bytes) }
        for queue in queues {
            let numbers = [
                UInt64(queue.symbol.raw), queue.depth, queue.unacked, queue.transit,
                queue.delivered,
            ]
            for number in numbers { Varints.append(number, to: &bytes) }
        }
        return bytes
    }

    /// What ``bytes`` says; nil of other bytes.
    init?(_ bytes: UnsafeRawBufferPointer) {
        let numbers = Varints.all(in: bytes)
        guard numbers.count >= 3, (numbers.count - 3) % 5 == 0 else { return nil }
        (published, acked, dropped) = (numbers[0], numbers[1], numbers[2])
        for start in stride(from: 3, to: numbers.count, by: 5) {
            queues.append(
                Queue(
                    symbol: Symbol(UInt32(truncatingIfNeeded: numbers[start])),
                    depth: numbers[start + 1],
                    unacked: numbers[start + 2],
                    transit: numbers[start + 3],
                    delivered: numbers[start + 4]
                )
            )
        }
    }
}
