package import WarrenKernel

/// The log of a member of a Raft group: a snapshot, the entries behind it, and who the members are by both.
///
/// It holds what it is given, in order; what is committed of it and what is on the disk is its owner's matter.
package struct RaftLog: Sendable {
    /// The entries behind the snapshot; their marks are terms.
    private var journal = Journal()
    package private(set) var snapshotIndex: UInt64 = 0
    package private(set) var snapshotTerm: UInt64 = 0
    package private(set) var snapshot = ParcelID.none
    private(set) var members: MemberLog

    /// An empty log of a group with these members.
    package init(members: [PeerIndex]) { self.members = MemberLog(members) }

    /// What a disk kept: the members as of the snapshot, or of the beginning, and what the entries say of them.
    package init(
        members: [PeerIndex],
        changes: [(index: UInt64, members: PeerSet)] = [],
        snapshot: (index: UInt64, term: UInt64, parcel: ParcelID) = (0, 0, .none),
        entries: [Raft.Entry]
    ) {
        self.init(members: members)
        (snapshotIndex, snapshotTerm, self.snapshot) = snapshot
        for entry in entries { append(entry) }
        for change in changes { self.members.note(change.members, at: change.index) }
    }

    @inline(__always)
    package var lastIndex: UInt64 { snapshotIndex &+ UInt64(truncatingIfNeeded: journal.count) }
    @inline(__always)
    package var lastTerm: UInt64 { journal.lastMark ?? snapshotTerm }
    /// How many entries lie behind the snapshot.
    package var count: Int { journal.count }
    /// A copy of the entries behind the snapshot.
    package var entries: [Raft.Entry] {
        var entries: [Raft.Entry] = []
        journal.forEach { entries.append(Raft.Entry(term: $0.mark, parcel: $0.parcel)) }
        return entries
    }

    /// The entry at an index behind the snapshot.
    @inline(__always)
    package subscript(index: UInt64) -> Raft.Entry? {
        guard let entry = journal[index] else { return nil }
        return Raft.Entry(term: entry.mark, parcel: entry.parcel)
    }

    /// The term of an entry, as far as it is known.
    @inline(__always)
    func term(at index: UInt64) -> UInt64? {
        index == snapshotIndex ? snapshotTerm : journal.mark(of: index)
    }

    /// Adds an entry, from which on others may be members.
    mutating func append(_ entry: Raft.Entry, members wanted: PeerSet = .none) {
        assert(lastTerm <= entry.term, "terms run backwards in a log")
        journal.put(Journal.Entry(parcel: entry.parcel, mark: entry.term), at: lastIndex &+ 1)
        if !wanted.isEmpty { members.note(wanted, at: lastIndex) }
    }

    /// Names the parcels that it holds.
    func parcels(_ holding: inout ParcelMarks) {
        journal.forEach { holding.keep($0.parcel) }
        holding.keep(snapshot)
    }

    /// Forgets all entries from an index on, with what they said of the members.
    mutating func truncate(from index: UInt64) {
        assert(index > snapshotIndex, "a log is cut off within its snapshot")
        guard index <= lastIndex else { return }
        journal.truncate(from: index)
        members.truncate(from: index)
    }

    /// A snapshot stands for all entries up to `index`.
    mutating func compact(upTo index: UInt64, _ parcel: ParcelID) {
        assert(index > snapshotIndex && index <= lastIndex, "a snapshot of what is not there")
        let term = term(at: index) ?? snapshotTerm
        journal.trim(before: index + 1)
        members.compact(upTo: index)
        (snapshotIndex, snapshotTerm, snapshot) = (index, term, parcel)
    }

    /// Another member's snapshot stands for everything.
    mutating func install(_ word: Raft.Message) {
        journal.removeAll()
        members.install(word.members)
        (snapshotIndex, snapshotTerm, snapshot) = (word.index, word.logTerm, word.parcel)
    }

    /// What must hold between inputs.
    func checkInvariants() {
        precondition((snapshotIndex == 0) == (snapshot == .none), "a snapshot of nothing")
        precondition(
            journal.isEmpty || journal.first == snapshotIndex + 1,
            "a log does not begin behind its snapshot"
        )
        precondition(journal.marksRise, "terms run backwards in a log")
        precondition(
            journal.mark(of: journal.first).map { snapshotTerm <= $0 } ?? true,
            "a log begins in a term before that of its snapshot"
        )
        members.checkInvariants(snapshot: snapshotIndex, end: lastIndex)
    }
}
