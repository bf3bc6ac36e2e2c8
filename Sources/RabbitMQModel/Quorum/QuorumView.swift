package import WarrenKernel

/// What one node knows of the Raft group of a quorum queue; for tests, searches and pictures.
package struct QuorumView: Sendable, Hashable {
    /// One entry of its log.
    package struct Entry: Sendable, Hashable {
        /// The term in which it was appended.
        package var term: UInt64
        /// What it carries.
        package var parcel: ParcelID
    }

    /// Its term.
    package let term: UInt64
    /// Whether it leads in that term.
    package let isLeader: Bool
    /// The last entry that it holds for committed.
    package let commit: UInt64
    /// The last entry that its queue has seen.
    package let applied: UInt64
    /// The first entry behind its snapshot.
    package let first: UInt64
    /// How often something happened that cannot happen unless a disk breaks its word.
    package let violations: Int
    private let raft: RaftLog

    private struct RaftLog: Sendable, Hashable {
        var entries: [Entry]
    }

    /// What `machine` knows of `queue`, or nil if it is no RabbitMQ node, is down, or has no member of it.
    ///
    /// `from` leaves out the log before that entry.
    package init?(_ machine: any Machine, queue: String, from start: UInt64 = 1) {
        guard let node = machine as? RabbitMQNode,
            let row = node.queues.first(where: { $0.exists && $0.declaration.name == queue }),
            row.quorum != .none, let member = node.quorums.member(of: row.quorum)
        else { return nil }
        term = member.raft.term
        isLeader = member.raft.isLeader
        commit = member.raft.commit
        applied = member.applied
        first = max(member.raft.log.snapshotIndex + 1, start)
        violations = member.raft.violations
        var entries: [Entry] = []
        if first <= commit {
            for index in first...commit {
                guard let entry = member.raft.log[index] else { break }
                entries.append(Entry(term: entry.term, parcel: entry.parcel))
            }
        }
        raft = RaftLog(entries: entries)
    }

    /// The committed entry with this index, unless it lies in the snapshot.
    package subscript(index: UInt64) -> Entry? {
        index >= first && index - first < UInt64(raft.entries.count)
            ? raft.entries[Int(index - first)] : nil
    }
}
