import WarrenKernel
import WarrenTrace

/// What must hold of a member of a Raft group, whatever comes in.
extension Raft {
    /// What must hold between inputs.
    package func checkInvariants() {
        precondition(commit <= lastIndex, "more is committed than there is")
        precondition(durable <= lastIndex, "more is on the disk than there is")
        precondition(log.snapshotIndex <= commit, "a snapshot holds what is not committed")
        precondition(log.snapshotIndex <= durable, "a snapshot holds what is not on the disk")
        precondition(log.lastTerm <= term, "a log has an entry of a term that has not begun")
        log.checkInvariants()
        precondition(
            role != .leader || progress.count == members.count,
            "a leader knows of other members than there are"
        )
        precondition(role == .leader || !isYielding, "a member hands over that does not lead")
        precondition(
            votedFor == .none || term > 0,
            "a vote was given before there was a term"
        )
    }
}
