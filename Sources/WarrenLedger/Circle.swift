public import WarrenTrace

/// Dead letters since anything was published, worked on or dropped: whether they go round without end.
public struct Circle: Sendable {
    /// The queues that they leave, each once, the first one first.
    public private(set) var queues: [Symbol] = []
    /// How many dead letters there were.
    public private(set) var count: UInt64 = 0
    /// When the first of them came.
    public private(set) var since = Instant.zero
    private var progress: UInt64 = 0
    private var messages: Set<MessageID> = []

    /// How many messages they were.
    public var messageCount: Int { messages.count }

    /// Whether nothing else will come of it: each message went round so often that what may still end it would have.
    public var isSure: Bool { count >= 1000 && count >= 50 * UInt64(messages.count) }

    /// Takes in a dead letter; `progress` grows with everything that counts as something else.
    mutating func take(_ fact: Fact, progress now: UInt64) {
        if now != progress || count == 0 {
            self = Circle()
            progress = now
            since = fact.time
        }
        count += 1
        messages.insert(fact.message)
        if !queues.contains(fact.subject), queues.count < 20 { queues.append(fact.subject) }
    }
}
