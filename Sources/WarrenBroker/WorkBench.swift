public import DequeModule
public import WarrenKernel
public import WarrenTrace

/// Where a client works: on one thing at a time, while what comes meanwhile waits.
///
/// `Item` is what the client must know of a message to end its work.
@frozen
public struct WorkBench<Item: BitwiseCopyable & Sendable>: Sendable {
    @usableFromInline var lying: Item?
    @usableFromInline var since = Instant.zero
    @usableFromInline var ending = WorkPlan.Outcome.done
    @usableFromInline var line = Deque<Item>()

    // What each message needs lies together: a plan is large.
    @usableFromInline let service: Law
    @usableFromInline let stream: StreamID
    @usableFromInline let canFail: Bool
    @usableFromInline var slowness: UInt64 = 1000

    /// An empty bench for work of this plan.
    public init(_ plan: WorkPlan) {
        service = plan.service
        stream = plan.serviceStream
        canFail = plan.canFail
    }

    /// What lies on the bench.
    @inlinable public var current: Item? { lying }

    /// When the work on it began, or on what lay there last.
    @inlinable public var startedAt: Instant { since }

    /// How the work on it will end, or has ended.
    @inlinable public var outcome: WorkPlan.Outcome { ending }

    /// Whether something lies on it.
    @inlinable public var isBusy: Bool { lying != nil }

    /// How much waits.
    public var waitingCount: Int { line.count }

    /// What it holds in all.
    public var count: Int { line.count + (lying == nil ? 0 : 1) }

    /// All that it holds, what is worked on first.
    public var items: [Item] { [lying].compactMap(\.self) + line }

    /// Lets something wait for its turn.
    @inlinable
    public mutating func put(_ item: Item) { line.append(item) }

    /// Begins to work on something, and arms the timer of its end.
    ///
    /// The bench must be empty, and the plan be the one that it was made for. `message` tells poison; the timer rings when
    /// the work is over or kills its client, and never if it hangs.
    ///
    /// - Returns: how it will end.
    @inlinable
    @inline(__always)
    public mutating func begin(
        _ item: Item,
        _ message: MessageID,
        _ plan: borrowing WorkPlan,
        _ timer: TimerID,
        _ turn: inout Turn
    ) -> WorkPlan.Outcome {
        lying = item
        since = turn.now
        ending = canFail ? plan.outcome(message, &turn) : .done
        var time = turn.chance.sample(service, stream)
        if slowness != 1000 { time = time.times(thousandths: slowness) }
        switch ending {
        case .done, .error, .crashAfterWork, .crashBetween: turn.arm(timer, after: time)
        case .crashDuringWork:
            turn.arm(timer, after: Interval(nanoseconds: time.nanoseconds / 2))
        case .hang: break
        }
        return ending
    }

    /// Takes what was worked on from the bench.
    @inlinable
    public mutating func end() -> Item? {
        defer { lying = nil }
        return lying
    }

    /// What is next, if nothing lies on the bench.
    @inlinable
    public mutating func next() -> Item? { lying == nil ? line.popFirst() : nil }

    /// Throws away what waits.
    public mutating func clear() { line.removeAll() }

    /// Works slower from now on, or as fast as before, as the operator says; of a ``ClientOrder/slowWork`` packet.
    public mutating func slow(_ packet: Packet, _ client: Symbol, _ turn: inout Turn) {
        slowness = packet.x
        turn.record(.workSlowed, peer: client.raw, detail: slowness)
    }
}

/// What clients of every broker tell of their work.
extension Turn {
    /// The work on a message went wrong.
    public mutating func recordFailure(
        _ failure: WorkFailure,
        of message: MessageID,
        from place: Symbol,
        by client: Symbol
    ) {
        record(
            .workFailed,
            message: message,
            subject: place,
            peer: client.raw,
            variant: failure.rawValue
        )
    }

    /// A copy that counted as settled when it was sent is gone.
    public mutating func recordLoss(
        _ reason: DropReason,
        of message: MessageID,
        from place: Symbol
    ) {
        record(
            .messageDropped,
            message: message,
            subject: place,
            variant: reason.rawValue,
            detail: CopyPlace.transit.rawValue
        )
    }

    /// A message is about to be published because of another one.
    public mutating func recordDerivation(
        of message: MessageID,
        from origin: MessageID,
        in place: Symbol,
        by client: Symbol
    ) {
        outside.derive(message, from: origin)
        record(
            .messageDerived,
            message: message,
            subject: place,
            peer: client.raw,
            detail: UInt64(origin.raw)
        )
    }
}
