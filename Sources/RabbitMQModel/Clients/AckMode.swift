/// When a consumer acknowledges.
enum AckMode: String, Sendable, CaseIterable {
    /// The delivery counts as acknowledged when it is sent.
    case automatic
    /// When it arrives, before the work.
    case before
    /// When its own work begins; until then it waits in the client's hands.
    case start
    /// After the work.
    case after
}
