/// A growing column of plain rows in memory of its own.
///
/// It has one owner and is copied only by ``copy()``, so that the event loop need not ask before each
/// write whether somebody else shares the storage. Rows are not bounds-checked outside debug builds:
/// whoever takes an index from a machine checks it.
@frozen @usableFromInline
struct Rows<Row: BitwiseCopyable>: ~Copyable {
    @usableFromInline var base: UnsafeMutablePointer<Row>
    @usableFromInline var count = 0
    @usableFromInline var capacity: Int

    /// How many rows' room lies unused before the first, so that the second begins a cache line.
    @usableFromInline let lead: Int
    /// What was allocated: the rows begin at the first cache line in it.
    @usableFromInline var memory: UnsafeMutableRawPointer

    @usableFromInline
    init(capacity: Int = 16, lead: Int = 0) {
        self.capacity = max(capacity, 1)
        self.lead = lead
        (memory, base) = Self.allocate(self.capacity, lead)
    }

    @inlinable
    deinit { memory.deallocate() }

    /// Room for so many rows.
    ///
    /// The lines are found by hand: glibc before 2.38 does not use again what it aligned and what was freed, so that a
    /// program that makes and drops worlds would grow by each of them.
    private static func allocate(_ capacity: Int, _ lead: Int)
        -> (UnsafeMutableRawPointer, UnsafeMutablePointer<Row>)
    {
        let line = 64
        let bytes = (capacity + lead) * MemoryLayout<Row>.stride + line
        let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 16)
        let rows = memory.alignedUp(toMultipleOf: line)
        return (memory, rows.bindMemory(to: Row.self, capacity: capacity + lead) + lead)
    }

    /// The same rows in other memory.
    func copy() -> Rows {
        var other = Rows(capacity: capacity, lead: lead)
        other.base.update(from: base, count: count)
        other.count = count
        return other
    }

    @inlinable
    @inline(__always)
    var isEmpty: Bool { count == 0 }

    @inlinable
    @inline(__always)
    subscript(index: Int) -> Row {
        get {
            assert(index >= 0 && index < count, "a row that does not exist")
            return base[index]
        }
        nonmutating _modify {
            assert(index >= 0 && index < count, "a row that does not exist")
            yield &base[index]
        }
    }

    @inlinable
    @inline(__always)
    mutating func append(_ row: Row) {
        if count == capacity { grow() }
        base[count] = row
        count &+= 1
    }

    mutating func append(_ row: Row, times: Int) {
        for _ in 0..<times { append(row) }
    }

    @inlinable
    @inline(__always)
    mutating func removeLast() -> Row {
        count &-= 1
        return base[count]
    }

    mutating func removeAll() { count = 0 }

    @usableFromInline
    @inline(never)
    mutating func grow() {
        let room = capacity * 2
        let next = Self.allocate(room, lead)
        next.1.update(from: base, count: count)
        memory.deallocate()
        (memory, base) = next
        capacity = room
    }
}
