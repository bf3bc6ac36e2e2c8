import DequeModule
import WarrenTrace

/// One copy of a message, ready in a queue.
struct Entry: BitwiseCopyable, Sendable {
    /// When it became ready.
    var readySince: Instant
    /// The message, in the broker's slab.
    var row: UInt32
    /// Whether it was sent to a consumer before.
    var redelivered: Bool
}

/// A copy that came back, with the position that it goes back to.
struct ReturnedEntry: BitwiseCopyable, Sendable {
    var position: UInt64
    var entry: Entry
}

/// A classic queue.
///
/// Copies have positions that count up for the life of the queue. Ready copies that were never taken
/// lie in a ring, where the position is implied; copies that came back lie beside it, sorted, and are
/// all older than the ring's head.
/// - Source: RMQ-REQ-01, RMQ-REQ-02 (back to the original position).
struct Queue: Sendable {
    var symbol: Symbol
    var scope: Symbol
    var declaration: QueueDeclaration
    /// The session that owns an exclusive queue, or -1.
    var owner: Int32
    var exists = true
    var ready = Deque<Entry>()
    /// The position of the ring's head.
    var headPosition: UInt64 = 0
    /// Copies that came back, the oldest last.
    var returned: [ReturnedEntry] = []
    /// Consumers that have room, the next in turn first.
    var rotation = Deque<Int32>()
    /// All consumers in the order of their subscription.
    var consumers: [Int32] = []
    var unackedCount = 0

    init(symbol: Symbol, scope: Symbol, declaration: QueueDeclaration, owner: Int32) {
        self.symbol = symbol
        self.scope = scope
        self.declaration = declaration
        self.owner = owner
    }

    @inline(__always)
    var readyCount: Int { ready.count &+ returned.count }

    /// The position of the next copy that arrives.
    var tailPosition: UInt64 { headPosition + UInt64(ready.count) }

    /// Takes the oldest ready copy.
    ///
    /// There must be one.
    @inline(__always)
    mutating func take() -> ReturnedEntry {
        if !returned.isEmpty { return returned.removeLast() }
        let entry = ready.removeFirst()
        defer { headPosition &+= 1 }
        return ReturnedEntry(position: headPosition, entry: entry)
    }

    /// The consumer whose turn it is, taken from the rotation, if nothing stands in line before a copy
    /// that arrives now.
    @inline(__always)
    mutating func passThrough() -> Int32? { readyCount == 0 ? rotation.popFirst() : nil }

    /// The position of a copy that never joins the ring.
    @inline(__always)
    mutating func skip() -> UInt64 {
        defer { headPosition &+= 1 }
        return headPosition
    }

    /// Counts one delivery to a consumer that still has room and stands last now.
    @inline(__always)
    mutating func holdOne(_ consumer: Int32) {
        unackedCount &+= 1
        rotation.append(consumer)
    }

    /// Counts one delivery as settled and lets its consumer, if it is one, join the rotation.
    ///
    /// - Returns: whether there is something to deliver and somebody to take it.
    @inline(__always)
    mutating func settleOne(_ consumer: Int32) -> Bool {
        unackedCount &-= 1
        if consumer >= 0 { rotation.append(consumer) }
        return readyCount > 0 && !rotation.isEmpty
    }

    /// Puts copies back to where they were.
    mutating func putBack(_ entries: [ReturnedEntry]) {
        if entries.count == 1 {
            let position = entries[0].position
            var index = returned.count
            while index > 0, returned[index - 1].position < position { index -= 1 }
            returned.insert(entries[0], at: index)
        } else {
            returned += entries
            returned.sort { $0.position > $1.position }
        }
    }

    /// Every ready copy with its position, the oldest first.
    var readyEntries: [ReturnedEntry] {
        returned.reversed()
            + ready.enumerated().map {
                ReturnedEntry(position: headPosition + UInt64($0.offset), entry: $0.element)
            }
    }

    func checkInvariants() {
        precondition(
            zip(returned, returned.dropFirst()).allSatisfy { $0.position > $1.position },
            "returned copies are not in order"
        )
        precondition(
            returned.allSatisfy { $0.position < headPosition },
            "a returned copy is younger than the ring's head"
        )
        precondition(
            readyCount == 0 || rotation.isEmpty,
            "a consumer with room waits beside a ready message"
        )
    }
}
