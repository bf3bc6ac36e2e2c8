/// Dead messages that wait to be passed on.
///
/// - Source: RMQ-DLX-30; RMQ-QQ-20.
struct DeadLetters: Sendable {
    private typealias Letter = (message: MessageRow, death: RabbitMQNode.Death)

    /// Whether a message is being handed to several queues: what dies of it meanwhile waits.
    private var isDistributing = false
    private var waiting: [Letter] = []
    /// Whether no target took any copy of a quorum queue when they were asked last.
    private(set) var areStuck = false

    /// A message comes to so many queues.
    @inline(__always)
    mutating func begin(targets: Int) { isDistributing = targets > 1 }

    /// A message died.
    ///
    /// - Returns: whether it must wait, and is kept.
    mutating func postpone(_ message: MessageRow, _ death: RabbitMQNode.Death) -> Bool {
        guard isDistributing else { return false }
        waiting.append((message, death))
        return true
    }

    /// The message has come to all its queues.
    ///
    /// - Returns: what died of it meanwhile, in order.
    mutating func end() -> [(message: MessageRow, death: RabbitMQNode.Death)] {
        isDistributing = false
        guard !waiting.isEmpty else { return [] }
        defer { waiting = [] }
        return waiting
    }

    /// The targets of a copy of a quorum queue were asked, and took it or not.
    mutating func ask(wasTaken: Bool) { areStuck = !wasTaken }

    /// What must hold between turns.
    func checkInvariants() {
        precondition(
            !isDistributing && waiting.isEmpty,
            "a turn ends while a message is on its way to several queues"
        )
    }
}
