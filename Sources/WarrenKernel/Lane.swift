/// Events that come due in the order they were added: a ring.
///
/// Packets on links with the usual constant delay need no heap; on most runs that is nearly every
/// event.
@frozen @usableFromInline
struct Lane: ~Copyable {
    @usableFromInline var base: UnsafeMutablePointer<PendingSet.Key>
    @usableFromInline var head = 0
    @usableFromInline var count = 0
    /// One less than the room, which is a power of two.
    @usableFromInline var mask: Int

    @usableFromInline
    init(room: Int = 64) {
        base = .allocate(capacity: room)
        mask = room - 1
    }

    @inlinable
    deinit { base.deallocate() }

    func copy() -> Lane {
        var other = Lane(room: mask + 1)
        for index in 0..<count { other.append(self[index]) }
        return other
    }

    @inlinable
    @inline(__always)
    subscript(index: Int) -> PendingSet.Key { base[(head &+ index) & mask] }

    /// Whether an event of this moment may stand at the end.
    @inlinable
    @inline(__always)
    func takes(_ time: UInt64) -> Bool { count == 0 || time >= self[count &- 1].time }

    @inlinable
    @inline(__always)
    mutating func append(_ key: PendingSet.Key) {
        assert(takes(key.time), "an event stands behind a later one")
        if count > mask { grow() }
        base[(head &+ count) & mask] = key
        count &+= 1
    }

    @inlinable
    @inline(__always)
    mutating func removeFirst() {
        assert(count > 0, "nothing stands in the lane")
        head = (head &+ 1) & mask
        count &-= 1
    }

    @usableFromInline
    @inline(never)
    mutating func grow() {
        let room = (mask + 1) * 2
        let next = UnsafeMutablePointer<PendingSet.Key>.allocate(capacity: room)
        for index in 0..<count { next[index] = self[index] }
        base.deallocate()
        base = next
        head = 0
        mask = room - 1
    }
}
