import WarrenKernel

/// Who the members of a Raft group are: as of the snapshot, and as entries behind it changed that.
///
/// A change holds as soon as it is in the log, committed or not, and no longer than it stays there.
///
/// - Source: Ongaro's thesis, 4.1; rabbitmq/ra `ra_server.erl`, `append_cluster_change` and `pre_append_log_follower`.
package struct MemberLog: Sendable {
    /// The members now.
    private(set) var now: PeerSet
    private var founders: PeerSet
    /// By rising index.
    private var changes: [(index: UInt64, members: PeerSet)] = []

    package init(_ founders: [PeerIndex]) {
        self.founders = PeerSet(founders)
        now = self.founders
    }

    /// The index of the last change, or 0.
    var lastChange: UInt64 { changes.last?.index ?? 0 }

    /// Who is a member from the entry at `index` on, if it changes that.
    func change(at index: UInt64) -> PeerSet {
        if changes.isEmpty { return .none }
        return changes.first { $0.index == index }?.members ?? .none
    }

    /// The members as of the snapshot.
    var atSnapshot: PeerSet { founders }

    /// The entry at `index` is in the log now.
    mutating func note(_ members: PeerSet, at index: UInt64) {
        assert(!members.isEmpty, "a group of nobody")
        assert(index > lastChange, "members change in the order of the log")
        changes.append((index, members))
        now = members
    }

    /// The log ends before `index`: what was changed from there on is taken back.
    mutating func truncate(from index: UInt64) {
        guard lastChange >= index else { return }
        changes.removeAll { $0.index >= index }
        now = changes.last?.members ?? founders
    }

    /// A snapshot stands for all up to `index`.
    mutating func compact(upTo index: UInt64) {
        while let first = changes.first, first.index <= index {
            founders = first.members
            changes.removeFirst()
        }
    }

    /// A snapshot of others stands for the whole log.
    mutating func install(_ members: PeerSet) {
        founders = members
        changes = []
        now = members
    }

    /// What must hold between inputs.
    func checkInvariants(snapshot: UInt64, end: UInt64) {
        precondition(
            zip(changes, changes.dropFirst()).allSatisfy { $0.index < $1.index },
            "members change out of order"
        )
        precondition(
            changes.allSatisfy { $0.index > snapshot && $0.index <= end },
            "members change by an entry that is not there"
        )
        precondition(
            now == changes.last?.members ?? founders,
            "the members are not those of the log"
        )
    }
}
