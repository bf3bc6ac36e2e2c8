import DequeModule
public import WarrenKernel
public import WarrenTrace

/// The calls of a client that wait for their answers, each with the moment at which it is given up.
public struct OpenCalls: Sendable {
    /// Why a call failed; the variant of ``FactKind/callFailed``.
    public enum Failure: UInt8, Sendable {
        case timedOut = 0
        case nobodyThere
        case connectionLost
    }

    private struct Call: BitwiseCopyable, Sendable {
        var request: MessageID
        var sentAt: Instant
        var deadline: Instant
    }

    private let client: Symbol
    private let timeout: Interval
    private let timer: TimerID
    private var calls = Deque<Call>()
    private var open: Set<UInt32> = []

    /// No calls yet of a client that waits so long for each; `timer` rings when the first is due.
    public init(client: Symbol, timeout: Interval, timer: TimerID) {
        self.client = client
        self.timeout = timeout
        self.timer = timer
    }

    /// A call begins.
    public mutating func begin(_ request: MessageID, _ turn: inout Turn) {
        if calls.isEmpty { turn.arm(timer, after: timeout) }
        calls.append(Call(request: request, sentAt: turn.now, deadline: turn.now + timeout))
        open.insert(request.raw)
    }

    /// An answer came: it ends the call, or nobody waits for it any more.
    public mutating func answer(_ answer: MessageID, to request: MessageID, _ turn: inout Turn) {
        guard open.remove(request.raw) != nil,
            let call = calls.first(where: { $0.request == request })
        else {
            turn.record(.answerDiscarded, message: answer, peer: client.raw)
            return
        }
        turn.record(
            .callAnswered,
            message: request,
            peer: client.raw,
            detail: (turn.now - call.sentAt).nanoseconds
        )
        trim(&turn)
    }

    /// A call cannot be answered any more.
    public mutating func fail(_ request: MessageID, _ failure: Failure, _ turn: inout Turn) {
        guard open.remove(request.raw) != nil else { return }
        record(failure, of: request, &turn)
        trim(&turn)
    }

    /// The timer rang: those that are due are given up.
    public mutating func expire(_ turn: inout Turn) {
        while let first = calls.first, first.deadline <= turn.now {
            calls.removeFirst()
            if open.remove(first.request.raw) != nil { record(.timedOut, of: first.request, &turn) }
        }
        trim(&turn)
        if let first = calls.first { turn.arm(timer, after: first.deadline - turn.now) }
    }

    /// None of them can be answered any more.
    public mutating func failAll(_ failure: Failure, _ turn: inout Turn) {
        for call in calls where open.remove(call.request.raw) != nil {
            record(failure, of: call.request, &turn)
        }
        trim(&turn)
    }

    /// A call that failed before it began.
    public func record(_ failure: Failure, of request: MessageID, _ turn: inout Turn) {
        turn.record(
            .callFailed,
            message: request,
            peer: client.raw,
            variant: failure.rawValue
        )
    }

    private mutating func trim(_ turn: inout Turn) {
        while let first = calls.first, !open.contains(first.request.raw) { calls.removeFirst() }
        if calls.isEmpty { turn.disarm(timer) }
    }
}
