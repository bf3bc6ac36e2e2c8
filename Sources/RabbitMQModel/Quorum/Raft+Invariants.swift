import WarrenKernel
import WarrenTrace

/// What must hold of a member of a Raft group, whatever comes in.
extension Raft {
    /// What must hold between inputs.
    package func checkInvariants() {
        precondition(commit <= lastIndex, "more is committed than there is")
        precondition(durable <= lastIndex, "more is on the disk than there is")
        precondition(snapshotIndex <= commit, "a snapshot holds what is not committed")
        precondition(snapshotIndex <= durable, "a snapshot holds what is not on the disk")
        precondition((snapshotIndex == 0) == (snapshot == .none), "a snapshot of nothing")
        precondition(
            lastIndex == snapshotIndex + UInt64(log.count),
            "a log does not begin behind its snapshot"
        )
        precondition(
            zip(log, log.dropFirst()).allSatisfy { $0.term <= $1.term },
            "terms run backwards in a log"
        )
        precondition(
            log.first.map { snapshotTerm <= $0.term } ?? true,
            "a log begins in a term before that of its snapshot"
        )
        precondition(
            log.last.map { $0.term <= term } ?? (snapshotTerm <= term),
            "a log has an entry of a term that has not begun"
        )
        precondition(Set(members).count == members.count, "a member is counted twice")
        precondition(
            votedFor == .none || term > 0,
            "a vote was given before there was a term"
        )
    }
}
