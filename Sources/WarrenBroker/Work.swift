public import WarrenKernel
public import WarrenTrace

/// What a consumer does with a message, and how that goes wrong.
public struct WorkPlan: Sendable {
    /// How the work of one message ends.
    public enum Outcome: Sendable, Hashable {
        case done, error, hang, crashAfterWork, crashDuringWork
        /// Between what follows from the work and the acknowledgement.
        case crashBetween
    }

    /// How long the work takes.
    public var service: Law
    /// Where the lengths come from.
    public var serviceStream: StreamID
    /// How often the work throws an error.
    public var error: Share
    /// How often it never ends.
    public var hang: Share
    /// How often the client dies when the work is done and nothing was acknowledged yet.
    public var crashAfterWork: Share
    /// How often the client dies half-way.
    public var crashDuringWork: Share
    /// How often the client dies between a publication that follows from the work and the acknowledgement.
    public var crashBetween = Share.never
    /// How many messages fail each time.
    public var poison: Share
    /// Whether such a message takes its client down.
    public var poisonKills = false
    /// Where failures come from.
    public var failureStream: StreamID
    /// How long a client that died stays down.
    public var restartAfter: Interval
    /// What the work changes outside, if anything.
    public var effect: Symbol
    /// What tells that an effect took place already.
    public enum Identity: String, Sendable, Hashable, CaseIterable {
        /// The property `message_id`; messages without one have an id of their own, which what follows from them keeps.
        case messageID = "message_id"
        /// Warren's own number: each publication is another message.
        case message
    }

    /// What the effect is applied once for, whatever is delivered how often; nil if it is applied each time.
    public var idempotentBy: Identity?

    /// A plan without failures and effects.
    public init(
        service: Law,
        serviceStream: StreamID,
        failureStream: StreamID,
        error: Share = .never,
        hang: Share = .never,
        crashAfterWork: Share = .never,
        crashDuringWork: Share = .never,
        poison: Share = .never,
        restartAfter: Interval = .seconds(1),
        effect: Symbol = .none,
        idempotentBy: Identity? = nil
    ) {
        self.service = service
        self.serviceStream = serviceStream
        self.failureStream = failureStream
        self.error = error
        self.hang = hang
        self.crashAfterWork = crashAfterWork
        self.crashDuringWork = crashDuringWork
        self.poison = poison
        self.restartAfter = restartAfter
        self.effect = effect
        self.idempotentBy = idempotentBy
    }

    /// Whether work may go wrong at all.
    public var canFail: Bool {
        [error, hang, crashAfterWork, crashDuringWork, crashBetween, poison].contains {
            $0 != .never
        }
    }

    /// Decides how the work of the next message ends.
    ///
    /// Costs nothing where nothing can fail.
    public func outcome(_ message: MessageID, _ turn: inout Turn) -> Outcome {
        if poison != .never, isPoison(turn.outside.origin(of: message), &turn) {
            return poisonKills ? .crashDuringWork : .error
        }
        return outcome(&turn.chance)
    }

    /// Whether the work of a message fails each time, whoever tries.
    private func isPoison(_ message: MessageID, _ turn: inout Turn) -> Bool {
        if let known = turn.outside.poison[message] { return known }
        let isPoison = turn.chance.happens(poison, failureStream)
        turn.outside.poison[message] = isPoison
        return isPoison
    }

    private func outcome(_ chance: inout Chance) -> Outcome {
        if chance.happens(error, failureStream) { return .error }
        if chance.happens(hang, failureStream) { return .hang }
        if chance.happens(crashAfterWork, failureStream) { return .crashAfterWork }
        if chance.happens(crashDuringWork, failureStream) { return .crashDuringWork }
        if chance.happens(crashBetween, failureStream) { return .crashBetween }
        return .done
    }

    /// Records the effect of one finished piece of work.
    ///
    /// `id`: the property `message_id` of the message, if it has one.
    public func applyEffect(
        _ message: MessageID,
        id: String? = nil,
        peer: UInt32,
        _ turn: inout Turn
    ) {
        guard effect != .none else { return }
        var first = true
        switch idempotentBy {
        case nil: break
        case .message?: first = turn.outside.applyOnce(effect, key: message.raw)
        case .messageID?:
            if let id {
                let name = turn.names.intern(.text, id)
                first = turn.outside.applyOnce(effect, key: name.raw, isName: true)
            } else {
                first = turn.outside.applyOnce(effect, key: turn.outside.origin(of: message).raw)
            }
        }
        turn.record(
            first ? .effectApplied : .effectSkipped,
            message: message,
            subject: effect,
            peer: peer
        )
    }
}

/// What the operator may say to any broker node; the word of an ``Event/ordered(_:)`` packet.
public enum NodeOrder: UInt16, Sendable {
    /// The node runs short of memory (`x` is not 0), or has enough again.
    case memoryAlarm = 1
    /// The node runs short of disk (`x` is not 0), or has enough again.
    case diskAlarm
    /// What the parcel says, in the words of the model.
    case administer
    /// The node's clock jumps by `x` nanoseconds, taken as a signed number.
    case clockJump
}

/// What the operator may say to any client; the word of an ``Event/ordered(_:)`` packet.
public enum ClientOrder: UInt16, Sendable {
    /// Work slower: `x` is the factor in thousandths.
    case slowWork = 1
}
