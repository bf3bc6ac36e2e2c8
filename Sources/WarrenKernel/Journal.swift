/// Entries under consecutive numbers that come at the end and are thrown away in order, such as a log; a part of a disk that
/// grows at its end is one.
///
/// Cheaper than records under keys. An entry is a parcel and a mark that seldom differs from the one before it, such as a
/// term: marks are kept by run, and the last few parcels beside what is looked at first, so that writing an entry touches one
/// place in memory. Where a thousand logs grow by turns, that is what an entry costs.
public struct Journal: Sendable {
    /// One entry: a parcel, and a number of the owner's.
    public struct Entry: BitwiseCopyable, Sendable {
        /// What was written.
        public var parcel: ParcelID
        /// The owner's number, such as a term.
        public var mark: UInt64

        /// An entry.
        @inlinable
        public init(parcel: ParcelID, mark: UInt64) {
            self.parcel = parcel
            self.mark = mark
        }
    }

    /// The parcels of entries with numbers that differ in their last bits alone.
    @usableFromInline
    typealias Page = InlineArray<8, ParcelID>

    @usableFromInline var start: UInt64 = 0
    @usableFromInline var stop: UInt64 = 0
    /// The mark of the entries from ``since`` on.
    @usableFromInline var mark: UInt64 = 0
    @usableFromInline var since: UInt64 = 0
    /// The page of the last entry.
    @usableFromInline var last = Page(repeating: .none)
    /// The pages before it, from that of the first entry on; at the front may be some that are gone.
    @usableFromInline var pages: ContiguousArray<Page> = []
    /// The runs of marks before the last one, by rising number.
    @usableFromInline var runs: [(since: UInt64, mark: UInt64)] = []

    /// An empty journal.
    public init() {}

    /// The number of the first entry; without entries, where it has begun.
    @inlinable
    @inline(__always)
    public var first: UInt64 { start }
    /// The number behind the last entry.
    @inlinable
    @inline(__always)
    public var end: UInt64 { stop }
    /// How many entries there are.
    @inlinable
    @inline(__always)
    public var count: Int { Int(truncatingIfNeeded: stop &- start) }
    /// Whether there are none.
    @inlinable
    @inline(__always)
    public var isEmpty: Bool { stop == start }
    /// The mark of the last entry; nil without entries.
    @inlinable
    @inline(__always)
    public var lastMark: UInt64? { isEmpty ? nil : mark }

    /// The entry with a number, or nil.
    @inlinable
    @inline(__always)
    public subscript(number: UInt64) -> Entry? {
        guard let mark = mark(of: number) else { return nil }
        return Entry(parcel: parcel(number), mark: mark)
    }

    /// The mark of the entry with a number, or nil; cheaper than the entry.
    @inlinable
    @inline(__always)
    public func mark(of number: UInt64) -> UInt64? {
        guard number >= first, number < end else { return nil }
        return number >= since ? mark : earlierMark(of: number)
    }

    @usableFromInline func earlierMark(of number: UInt64) -> UInt64? {
        runs.last { $0.since <= number }?.mark
    }

    @inlinable
    @inline(__always)
    func parcel(_ number: UInt64) -> ParcelID {
        Self.page(of: number) == Self.page(of: end &- 1)
            ? last[unchecked: Int(truncatingIfNeeded: number & 7)] : earlierParcel(number)
    }

    @usableFromInline
    @inline(never)
    func earlierParcel(_ number: UInt64) -> ParcelID {
        assert(number >= first && number < end, "a parcel of an entry that is not there")
        let behind = Int(Self.page(of: end - 1) - Self.page(of: number))
        return pages[pages.count - behind][Int(number & 7)]
    }

    @inlinable
    @inline(__always)
    static func page(of number: UInt64) -> UInt64 { number &>> 3 }

    /// Writes an entry; what had this number or a later one is gone.
    ///
    /// After a gap the journal begins anew.
    @inlinable
    @inline(__always)
    public mutating func put(_ entry: Entry, at number: UInt64) {
        assert(number > 0, "entries are numbered from 1")
        if number != end || isEmpty { makeRoom(at: number) }
        if entry.mark != mark || isEmpty { beginRun(entry.mark) }
        let place = Int(truncatingIfNeeded: number & 7)
        if place == 0, !isEmpty { turnPage() }
        last[unchecked: place] = entry.parcel
        stop = number &+ 1
    }

    /// The page of the last entry is full.
    @usableFromInline
    mutating func turnPage() {
        if pages.capacity == 0 { pages.reserveCapacity(16) }
        pages.append(last)
    }

    /// The next entry can have a number.
    @usableFromInline mutating func makeRoom(at number: UInt64) {
        let continues = number > first && number <= end
        truncate(from: continues ? number : 0)
        if !continues { (start, stop) = (number, number) }
    }

    /// The next entry has another mark than the one before it.
    @usableFromInline mutating func beginRun(_ next: UInt64) {
        if isEmpty { runs = [] } else { runs.append((since, mark)) }
        (since, mark) = (end, next)
    }

    /// Throws away an entry and all behind it.
    public mutating func truncate(from number: UInt64) {
        guard number < end else { return }
        guard number > first else { return clear(at: first) }
        let kept = number - 1
        let behind = Int(Self.page(of: end - 1) - Self.page(of: kept))
        if behind > 0 {
            last = pages[pages.count - behind]
            pages.removeLast(behind)
        }
        stop = number
        while since > kept, let run = runs.popLast() { (since, mark) = run }
    }

    /// Throws away all entries before a number.
    public mutating func trim(before number: UInt64) {
        guard number > first else { return }
        guard number < end else { return clear(at: end) }
        start = number
        let kept = Int(Self.page(of: end - 1) - Self.page(of: number))
        if kept == 0 {
            pages.removeAll(keepingCapacity: true)
        } else if pages.count - kept > 8, kept < pages.count / 2 {
            pages.removeFirst(pages.count - kept)
        }
        while !runs.isEmpty, (runs.count > 1 ? runs[1].since : since) <= first {
            runs.removeFirst()
        }
    }

    private mutating func clear(at number: UInt64) {
        (start, stop) = (number, number)
        pages.removeAll(keepingCapacity: true)
        runs = []
    }

    /// Forgets all entries; the next one may have any number.
    public mutating func removeAll() { clear(at: 0) }

    /// Whether no entry has a lower mark than the one before it.
    public var marksRise: Bool {
        zip(runs, runs.dropFirst()).allSatisfy { $0.mark <= $1.mark }
            && runs.last.map { $0.mark <= mark } ?? true
    }

    /// What must hold between calls.
    package func checkInvariants() {
        precondition(first <= end, "a journal ends before it begins")
        let needed = isEmpty ? 0 : Int(Self.page(of: end - 1) - Self.page(of: first))
        precondition(pages.count >= needed, "a page of a journal is missing")
        precondition(isEmpty || since < end, "the last mark of a journal is that of no entry")
        precondition(
            zip(runs, runs.dropFirst()).allSatisfy { $0.since < $1.since }
                && runs.last.map { $0.since < since } ?? true,
            "the marks of a journal are out of order"
        )
        precondition(isEmpty || mark(of: first) != nil, "the first entry of a journal has no mark")
    }

    /// Calls `body` for each entry.
    public func forEach(_ body: (Entry) -> Void) {
        for number in first..<end { if let entry = self[number] { body(entry) } }
    }
}

/// What a structural hash sees of it: its entries, and not what lies beside them.
extension Journal: CustomReflectable {
    public var customMirror: Mirror {
        var parcels: ContiguousArray<UInt32> = []
        var marks: ContiguousArray<UInt64> = []
        forEach {
            parcels.append($0.parcel.raw)
            marks.append($0.mark)
        }
        return Mirror(self, children: ["first": first, "parcels": parcels, "marks": marks])
    }
}
