/// The events that are still to come, least `(time, tie, sequence)` first.
///
/// A 4-ary heap of 16-byte keys; the events themselves lie still in the slots of a slab. The smallest of four
/// children is chosen without a branch, and taking the top leaves a hole that the next insertion
/// fills with one walk instead of two, because most turns schedule at least one event.
public struct PendingSet: Sendable {
    /// Where an event stands in line.
    @usableFromInline
    struct Key: BitwiseCopyable, Sendable {
        @usableFromInline var time: UInt64
        /// tie and sequence above, slot below.
        @usableFromInline var order: UInt64

        @inlinable
        init(time: UInt64, order: UInt64) {
            self.time = time
            self.order = order
        }
    }

    /// Slots take the low 28 bits of an order word: at most 268,435,456 events may be pending.
    @usableFromInline static let slotBits: UInt64 = 28
    @usableFromInline static let slotMask: UInt64 = (1 << 28) - 1

    @usableFromInline var keys: ContiguousArray<Key> = []
    @usableFromInline var sequence: UInt64 = 0
    @usableFromInline var hole = false

    /// An empty set.
    public init() {}

    /// How many events are pending, stale ones included.
    public var count: Int { keys.count - (hole ? 1 : 0) }

    /// When the next event is due, or nil.
    ///
    /// Not to be asked between ``take()`` and ``settle()``.
    @inlinable
    public var nextTime: UInt64? { keys.isEmpty ? nil : keys[0].time }

    /// Adds an event that lies in `slot`.
    ///
    /// `tie` orders events of the same moment before their sequence does; 0 to 4095.
    ///
    /// - Returns: the stamp that ``take()`` will hand back, different for each event.
    @inlinable
    @inline(__always)
    @discardableResult
    public mutating func add(_ slot: UInt32, at time: UInt64, tie: UInt64 = 0) -> UInt64 {
        sequence &+= 1
        // With ties the sequence keeps 24 bits: enough to keep the order total, as the slot follows.
        let rank = tie == 0 ? sequence : tie &<< 24 | sequence & 0xFF_FFFF
        let key = Key(time: time, order: rank &<< Self.slotBits | UInt64(slot))
        if hole {
            hole = false
            sink(key)
        } else {
            rise(key)
        }
        return key.order
    }

    /// Takes the earliest event out and leaves a hole at the top; call ``settle()`` when its
    /// follow-ups were added.
    ///
    /// The set must not be empty.
    @inlinable
    public mutating func take() -> (time: UInt64, stamp: UInt64) {
        hole = true
        return (keys[0].time, keys[0].order)
    }

    /// The slot of the event with this stamp.
    @inlinable
    public static func slot(of stamp: UInt64) -> Int {
        Int(truncatingIfNeeded: stamp & slotMask)
    }

    /// Closes the hole that ``take()`` left, if nothing was added since.
    @inlinable
    public mutating func settle() {
        guard hole else { return }
        hole = false
        guard let last = keys.popLast(), !keys.isEmpty else { return }
        sink(last)
    }

    @inlinable
    mutating func rise(_ key: Key) {
        var index = keys.count
        keys.append(key)
        keys.withUnsafeMutableBufferPointer { heap in
            while index > 0 {
                let parent = (index &- 1) &>> 2
                guard Self.before(key, heap[parent]) else { break }
                heap[index] = heap[parent]
                index = parent
            }
            heap[index] = key
        }
    }

    @inlinable
    mutating func sink(_ key: Key) {
        keys.withUnsafeMutableBufferPointer { buffer in
            guard let heap = buffer.baseAddress else { return }
            let count = buffer.count
            var index = 0
            while true {
                let child = index &* 4 &+ 1
                var least: Int
                if child &+ 4 <= count {
                    let left = Self.before(heap[child &+ 1], heap[child]) ? child &+ 1 : child
                    let right =
                        Self.before(heap[child &+ 3], heap[child &+ 2]) ? child &+ 3 : child &+ 2
                    least = Self.before(heap[right], heap[left]) ? right : left
                } else if child < count {
                    least = child
                    var other = child &+ 1
                    while other < count {
                        if Self.before(heap[other], heap[least]) { least = other }
                        other &+= 1
                    }
                } else {
                    break
                }
                guard Self.before(heap[least], key) else { break }
                heap[index] = heap[least]
                index = least
            }
            heap[index] = key
        }
    }

    @inlinable
    @inline(__always)
    static func before(_ left: Key, _ right: Key) -> Bool {
        let low = left.order.subtractingReportingOverflow(right.order).overflow
        let (difference, borrow) = left.time.subtractingReportingOverflow(right.time)
        return borrow != (difference == 0 && low)
    }

    /// Visits the stamp of every pending event, in no useful order.
    func forEach(_ body: (UInt64) -> Void) {
        for key in keys.dropFirst(hole ? 1 : 0) { body(key.order) }
    }

    /// Stops with a reason if the heap is not a heap.
    public func checkInvariants() {
        for index in 1..<max(1, keys.count) {
            precondition(
                !Self.before(keys[index], keys[(index - 1) / 4]),
                "a pending event stands before its parent"
            )
        }
    }
}
