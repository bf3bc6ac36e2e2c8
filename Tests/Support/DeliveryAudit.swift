public import WarrenBroker
public import WarrenTrace

/// Holds the work of clients against what they were sent: no work without a delivery, each delivery once.
public struct DeliveryAudit {
    private struct Receipt: Hashable {
        var message: MessageID
        var node: UInt32
    }

    private var sent: [Receipt: Int] = [:]
    /// By node of a client: that of the connection that it shares with others, which stands for all of them.
    private var carriers: [UInt32: UInt32] = [:]
    /// The first piece of work that no delivery explains.
    public private(set) var fault: String?

    /// An audit of nothing yet.
    public init(of simulation: Simulation) {
        for client in simulation.clients {
            for (node, carrier) in zip(client.nodes, client.carriers) {
                carriers[node.raw] = carrier.raw
            }
        }
    }

    private func receipt(_ message: MessageID, _ node: UInt32) -> Receipt {
        Receipt(message: message, node: carriers[node] ?? node)
    }

    /// Takes in facts, in their order.
    public mutating func take(_ facts: UnsafeBufferPointer<Fact>) {
        for fact in facts { take(fact) }
    }

    private mutating func take(_ fact: Fact) {
        switch fact.kind {
        case .deliverySent, .recordRead:
            sent[receipt(fact.message, fact.peer), default: 0] += 1
        case .messageHandled: use(fact)
        // Of a crash behind the work it was said already that the work is done.
        case .workFailed where !Self.behind.contains(fact.variant): use(fact)
        default: break
        }
    }

    private static let behind: Set<UInt8> = [
        WorkFailure.crashAfterWork.rawValue, WorkFailure.crashBetween.rawValue,
    ]

    private mutating func use(_ fact: Fact) {
        let receipt = receipt(fact.message, fact.node.raw)
        let left = sent[receipt, default: 0]
        sent[receipt] = left - 1
        if left <= 0, fault == nil {
            fault = "m\(fact.message.raw) is worked on at \(fact.time) without a delivery"
        }
    }
}
