package import DequeModule
package import WarrenKernel

/// The log of a member of a Raft group: a snapshot, the entries behind it, and who the members are by both.
///
/// It holds what it is given, in order; what is committed of it and what is on the disk is its owner's matter.
package struct RaftLog: Sendable {
    /// The entries behind the snapshot.
    package private(set) var entries = Deque<Raft.Entry>()
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
        entries: Deque<Raft.Entry>
    ) {
        self.init(members: members)
        (snapshotIndex, snapshotTerm, self.snapshot) = snapshot
        self.entries = entries
        for change in changes { self.members.note(change.members, at: change.index) }
    }

    @inline(__always)
    package var lastIndex: UInt64 { snapshotIndex &+ UInt64(truncatingIfNeeded: entries.count) }
    package var lastTerm: UInt64 { entries.last?.term ?? snapshotTerm }

    /// The entry at an index behind the snapshot.
    @inline(__always)
    package subscript(index: UInt64) -> Raft.Entry? {
        index > snapshotIndex && index <= lastIndex
            ? entries[Int(truncatingIfNeeded: index &- snapshotIndex &- 1)] : nil
    }

    /// The term of an entry, as far as it is known.
    @inline(__always)
    func term(at index: UInt64) -> UInt64? {
        index == snapshotIndex ? snapshotTerm : self[index]?.term
    }

    /// Adds an entry, from which on others may be members.
    mutating func append(_ entry: Raft.Entry, members wanted: PeerSet = .none) {
        assert(lastTerm <= entry.term, "terms run backwards in a log")
        entries.append(entry)
        if !wanted.isEmpty { members.note(wanted, at: lastIndex) }
    }

    /// Forgets all entries from an index on, with what they said of the members.
    mutating func truncate(from index: UInt64) {
        assert(index > snapshotIndex, "a log is cut off within its snapshot")
        guard index <= lastIndex else { return }
        entries.removeLast(Int(lastIndex - index + 1))
        members.truncate(from: index)
    }

    /// A snapshot stands for all entries up to `index`.
    mutating func compact(upTo index: UInt64, _ parcel: ParcelID) {
        assert(index > snapshotIndex && index <= lastIndex, "a snapshot of what is not there")
        let term = term(at: index) ?? snapshotTerm
        entries.removeFirst(Int(index - snapshotIndex))
        members.compact(upTo: index)
        (snapshotIndex, snapshotTerm, snapshot) = (index, term, parcel)
    }

    /// Another member's snapshot stands for everything.
    mutating func install(_ word: Raft.Message) {
        entries.removeAll()
        members.install(word.members)
        (snapshotIndex, snapshotTerm, snapshot) = (word.index, word.logTerm, word.parcel)
    }

    /// What must hold between inputs.
    func checkInvariants() {
        precondition((snapshotIndex == 0) == (snapshot == .none), "a snapshot of nothing")
        precondition(
            zip(entries, entries.dropFirst()).allSatisfy { $0.term <= $1.term },
            "terms run backwards in a log"
        )
        precondition(
            entries.first.map { snapshotTerm <= $0.term } ?? true,
            "a log begins in a term before that of its snapshot"
        )
        members.checkInvariants(snapshot: snapshotIndex, end: lastIndex)
    }
}
