public import WarrenTrace

/// What was told of the copies of one message in one queue.
public struct Told: BitwiseCopyable, Sendable, Hashable {
    /// Copies that are ready.
    public var ready: Int32
    /// Copies that a consumer has.
    public var unacked: Int32

    /// So many copies.
    public init(ready: Int32 = 0, unacked: Int32 = 0) {
        self.ready = ready
        self.unacked = unacked
    }

    /// Changes with a fact about the message in the queue.
    mutating func take(_ fact: Fact) {
        switch fact.kind {
        case .messageRouted: ready += 1
        case .messageRecovered: if fact.variant == 1 { ready += 1 }
        case .deliverySent:
            ready -= 1
            if fact.variant & 2 == 0 { unacked += 1 }
        case .deliveryAcked: unacked -= 1
        case .deliveryRequeued:
            unacked -= 1
            ready += 1
        case .messageDeadLettered:
            leave(fact.variant & 128 != 0 ? .unacked : fact.variant & 64 != 0 ? .door : .ready)
        case .messageDropped: leave(CopyPlace(rawValue: fact.detail) ?? .ready)
        default: break
        }
    }

    private mutating func leave(_ place: CopyPlace) {
        switch place {
        case .ready: ready -= 1
        case .unacked: unacked -= 1
        case .door: ready -= 1
        case .transit: break
        }
    }
}

extension Turn {
    /// How many facts there are of this turn and of those since they were last fetched.
    public var factCount: Int { agenda.pointee.facts.count }

    /// Notes what the facts from number `mark` on say about a replicated thing.
    public mutating func count(_ history: Outside.HistoryID, of subject: Symbol, from mark: Int) {
        for index in mark..<agenda.pointee.facts.count {
            let fact = agenda.pointee.facts[index]
            if fact.subject == subject, fact.message != .none { outside.count(history, fact) }
        }
    }
}
