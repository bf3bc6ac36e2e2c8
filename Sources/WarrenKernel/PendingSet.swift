/// The events that are still to come, least `(time, tie, sequence)` first.
///
/// A 4-ary heap of 16-byte keys, beside a lane for events that come due in the order they were added;
/// the events themselves lie still in the slots of a slab. The smallest of four children is chosen
/// without a branch, and taking the top leaves a hole that the next insertion fills with one walk
/// instead of two, because most turns schedule at least one event.
@frozen
public struct PendingSet: ~Copyable {
    /// Where an event stands in line.
    @usableFromInline
    struct Key: BitwiseCopyable, Sendable {
        /// The time above, the order below: one number, so that keys compare without a branch.
        @usableFromInline var rank: UInt128

        @inlinable var time: UInt64 { UInt64(truncatingIfNeeded: rank &>> 64) }
        /// tie and sequence above, slot below.
        @inlinable var order: UInt64 { UInt64(truncatingIfNeeded: rank) }

        @inlinable
        init(time: UInt64, order: UInt64) {
            rank = UInt128(truncatingIfNeeded: time) &<< 64 | UInt128(truncatingIfNeeded: order)
        }
    }

    /// Slots take the low 28 bits of an order word: at most 268,435,456 events may be pending.
    @usableFromInline static var slotBits: UInt64 { 28 }
    @usableFromInline static var slotMask: UInt64 { (1 << 28) - 1 }

    @usableFromInline var keys: Rows<Key>
    @usableFromInline var lane: Lane
    @usableFromInline var sequence: UInt64 = 0
    @usableFromInline var hole = false

    /// An empty set.
    @inlinable
    public init() {
        // Four children fill one cache line.
        keys = Rows(lead: 3)
        lane = Lane()
    }

    /// The same set in other memory.
    public func copy() -> PendingSet {
        var other = PendingSet()
        other.keys = keys.copy()
        other.lane = lane.copy()
        other.sequence = sequence
        other.hole = hole
        return other
    }

    /// How many events are pending, stale ones included.
    public var count: Int { keys.count - (hole ? 1 : 0) + lane.count }

    /// When the next event is due, or nil.
    ///
    /// Not to be asked between ``take()`` and ``settle()``.
    @inlinable
    @inline(__always)
    public var nextTime: UInt64? {
        if lane.count > 0, keys.isEmpty || Self.before(lane[0], keys[0]) { return lane[0].time }
        return keys.isEmpty ? nil : keys[0].time
    }

    /// Adds an event that lies in `slot`.
    ///
    /// `tie` orders events of the same moment before their sequence does; 0 to 4095.
    ///
    /// - Returns: the stamp that ``take()`` will hand back, different for each event.
    @inlinable
    @inline(__always)
    @discardableResult
    public mutating func add(_ slot: UInt32, at time: UInt64, tie: UInt64 = 0) -> UInt64 {
        let key = makeKey(slot, time, tie)
        place(key)
        return key.order
    }

    /// Adds an event that is likely to be due after all others that were added so: a cheaper ``add(_:at:tie:)``.
    @inlinable
    @inline(__always)
    public mutating func addInOrder(_ slot: UInt32, at time: UInt64) {
        let key = makeKey(slot, time, 0)
        if lane.takes(time) { lane.append(key) } else { place(key) }
    }

    @inlinable
    @inline(__always)
    mutating func makeKey(_ slot: UInt32, _ time: UInt64, _ tie: UInt64) -> Key {
        sequence &+= 1
        // With ties the sequence keeps 24 bits: enough to keep the order total, as the slot follows.
        let rank = tie == 0 ? sequence : tie &<< 24 | sequence & 0xFF_FFFF
        return Key(time: time, order: rank &<< Self.slotBits | UInt64(slot))
    }

    @inlinable
    @inline(__always)
    mutating func place(_ key: Key) {
        if hole {
            hole = false
            sink(key)
        } else {
            rise(key)
        }
    }

    /// Takes the earliest event out and may leave a hole at the top; call ``settle()`` when its
    /// follow-ups were added.
    ///
    /// The set must not be empty.
    @inlinable
    @inline(__always)
    public mutating func take() -> (time: UInt64, stamp: UInt64) {
        if lane.count > 0, keys.isEmpty || Self.before(lane[0], keys[0]) {
            let key = lane[0]
            lane.removeFirst()
            return (key.time, key.order)
        }
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
    @inline(__always)
    public mutating func settle() {
        if hole { close() }
    }

    @usableFromInline
    mutating func close() {
        hole = false
        let last = keys.removeLast()
        if !keys.isEmpty { sink(last) }
    }

    @inlinable
    mutating func rise(_ key: Key) {
        keys.append(key)
        let heap = keys.base
        var index = keys.count &- 1
        while index > 0 {
            let parent = (index &- 1) &>> 2
            guard Self.before(key, heap[parent]) else { break }
            heap[index] = heap[parent]
            index = parent
        }
        heap[index] = key
    }

    @inlinable
    @inline(__always)
    mutating func sink(_ key: Key) {
        let heap = keys.base
        let count = keys.count
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

    @inlinable
    @inline(__always)
    static func before(_ left: Key, _ right: Key) -> Bool {
        left.rank < right.rank
    }

    /// Visits the stamp of every pending event, in no useful order.
    func forEach(_ body: (UInt64) -> Void) {
        for index in (hole ? 1 : 0)..<max(keys.count, hole ? 1 : 0) { body(keys[index].order) }
        for index in 0..<lane.count { body(lane[index].order) }
    }

    /// Stops with a reason if the heap is not a heap, or the lane not in order.
    public func checkInvariants() {
        for index in 1..<max(1, keys.count) {
            precondition(
                !Self.before(keys[index], keys[(index - 1) / 4]),
                "a pending event stands before its parent"
            )
        }
        for index in 1..<max(1, lane.count) {
            precondition(
                Self.before(lane[index - 1], lane[index]),
                "an event of the lane stands before its forerunner"
            )
        }
    }
}
