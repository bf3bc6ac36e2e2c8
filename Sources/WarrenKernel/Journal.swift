/// A part of a disk that grows at its end: entries under consecutive numbers.
///
/// Cheaper than records under keys for what is written in order and thrown away in order, such as a log.
public struct Journal: Sendable {
    /// One entry: a parcel, and a number of the owner's.
    public struct Entry: BitwiseCopyable, Sendable {
        /// What was written.
        public var parcel: ParcelID
        /// The owner's number, such as a term.
        public var mark: UInt64

        /// An entry.
        public init(parcel: ParcelID, mark: UInt64) {
            self.parcel = parcel
            self.mark = mark
        }
    }

    /// The number of the first entry.
    public private(set) var first: UInt64 = 0
    private var entries: ContiguousArray<Entry> = []
    /// Entries at the front that are gone, and whose room is not freed yet.
    private var gone = 0

    /// An empty journal.
    public init() {}

    /// How many entries there are.
    public var count: Int { entries.count - gone }
    /// The number behind the last entry.
    public var end: UInt64 { first + UInt64(count) }

    /// The entry with a number, or nil.
    public subscript(number: UInt64) -> Entry? {
        number >= first && number < end ? entries[gone + Int(number - first)] : nil
    }

    /// Writes an entry; what had this number or a later one is gone.
    ///
    /// After a gap the journal begins anew.
    mutating func put(_ entry: Entry, at number: UInt64) {
        assert(number > 0, "entries are numbered from 1")
        if number == end, count > 0 {
            entries.append(entry)
            return
        }
        if number >= first, number < end { truncate(from: number) } else { truncate(from: 0) }
        if count == 0 { first = number }
        entries.append(entry)
    }

    /// Throws away an entry and all behind it.
    mutating func truncate(from number: UInt64) {
        guard number < end else { return }
        let kept = number > first ? Int(number - first) : 0
        entries.removeLast(count - kept)
    }

    /// Throws away all entries before a number.
    mutating func trim(before number: UInt64) {
        guard number > first else { return }
        let dropped = Int(min(number, end) - first)
        gone += dropped
        first += UInt64(dropped)
        if gone > 64, gone > entries.count / 2 {
            entries.removeFirst(gone)
            gone = 0
        }
    }

    func checkInvariants() {
        precondition(gone <= entries.count, "more entries of a journal are gone than there were")
        precondition(count == 0 || self[first] != nil, "the first entry of a journal is missing")
        precondition(count == 0 || self[end - 1] != nil, "the last entry of a journal is missing")
        precondition(self[end] == nil, "a journal has an entry behind its end")
    }

    /// Calls `body` for each entry.
    func forEach(_ body: (Entry) -> Void) {
        for index in gone..<entries.count { body(entries[index]) }
    }
}
