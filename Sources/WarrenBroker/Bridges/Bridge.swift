import DequeModule
public import WarrenKernel
public import WarrenTrace

/// A client of two brokers: it takes a message here, works on it, and publishes what follows from it there.
///
///     taken ──work──▶ worked on ──publish──▶ open ──confirm──▶ acknowledged     (ack: after)
///     taken ──work──▶ acknowledged ──publish──▶ open ──confirm──▶ done          (ack: before)
///
/// It takes nothing until it can publish. It works on one message at a time, and goes on while the other broker has not
/// confirmed those before. Where it dies it forgets what it had: what it had not acknowledged comes again and is published
/// twice, what it had acknowledged and not published is lost.
public struct Bridge: Machine {
    /// What a bridge does.
    public struct Plan: Sendable {
        /// Its name in facts.
        public var client: Symbol
        /// When it begins.
        public var startAfter: Interval
        /// What it does with a message before it publishes.
        public var work: WorkPlan

        /// A plan.
        public init(client: Symbol, startAfter: Interval, work: WorkPlan) {
            self.client = client
            self.startAfter = startAfter
            self.work = work
        }
    }

    /// The first timers that its ends may use, ten each.
    public static let sourceTimers: UInt32 = 10
    public static let targetTimers: UInt32 = 20

    private static let begin = TimerID(1)
    private static let work = TimerID(2)

    private let plan: Plan
    private var source: any BridgeSource
    private var target: any BridgeTarget
    private var bench: WorkBench<BridgeLetter>
    /// What is worked on, and waits for the target; with it all that comes waits.
    private var held: BridgeLetter?
    /// What was published and not confirmed, in the order of publication.
    private var open = Deque<(publication: MessageID, letter: BridgeLetter)>()
    private var takes = false

    init(_ plan: Plan, _ source: any BridgeSource, _ target: any BridgeTarget) {
        self.plan = plan
        self.source = source
        self.target = target
        bench = WorkBench(plan.work)
    }

    /// Takes an event to the end that it is about.
    public mutating func handle(_ event: Event, _ turn: inout Turn) {
        switch event {
        case .started:
            if plan.startAfter == .zero {
                target.open(&turn)
            } else {
                turn.arm(Self.begin, after: plan.startAfter)
            }
        case .rang(let timer) where timer == Self.begin: target.open(&turn)
        case .rang(let timer) where timer == Self.work: finish(&turn)
        case .ordered(let packet) where packet.word == ClientOrder.slowWork.rawValue:
            bench.slow(packet, plan.client, &turn)
        case .rang, .connected, .arrived, .closed:
            switch source.handle(event, &turn) {
            case .nothing: break
            case .letter(let letter): return take(letter, &turn)
            case .lost: return loseSource()
            }
            answer(target.handle(event, &turn), &turn)
        case .accepted, .stored, .ordered, .stopping: break
        }
    }

    // MARK: What it takes

    private mutating func take(_ letter: BridgeLetter, _ turn: inout Turn) {
        if !bench.isBusy, held == nil {
            start(letter, &turn)
        } else if bench.waitingCount < source.room {
            bench.put(letter)
        } else {
            turn.recordLoss(.slowConsumer, of: letter.message, from: letter.place)
        }
    }

    private mutating func start(_ letter: BridgeLetter, _ turn: inout Turn) {
        assert(held == nil, "a bridge works on while a message waits to be published")
        if bench.begin(letter, letter.message, plan.work, Self.work, &turn) == .hang {
            fail(letter, .hang, &turn)
        }
    }

    private func fail(_ letter: BridgeLetter, _ failure: WorkFailure, _ turn: inout Turn) {
        turn.recordFailure(failure, of: letter.message, from: letter.place, by: plan.client)
    }

    /// What waits and was not acknowledged comes again; what is worked on or published is not called back.
    private mutating func loseSource() { if source.ack != .automatic { bench.clear() } }

    // MARK: What it publishes

    private mutating func finish(_ turn: inout Turn) {
        guard let letter = bench.current else { return }
        switch bench.outcome {
        case .crashDuringWork, .crashAfterWork:
            // Its end is told by ``perish(_:_:)``.
            fail(letter, .crashDuringWork, &turn)
            turn.die(backAfter: plan.work.restartAfter)
            return
        case .hang: return
        case .error: giveUp(letter, &turn)
        case .done, .crashBetween:
            guard target.hasAddress(for: letter, turn.names) else {
                giveUp(letter, &turn)
                break
            }
            _ = bench.end()
            turn.record(
                .messageHandled,
                message: letter.message,
                subject: letter.place,
                peer: plan.client.raw,
                variant: source.ack == .automatic ? 1 : 0,
                detail: (turn.now - bench.startedAt).nanoseconds
            )
            if source.ack == .before { source.settle(letter, .taken, &turn) }
            if bench.outcome == .crashBetween, source.ack != .after {
                return die(letter, &turn)
            }
            guard target.isReady(for: letter) else {
                held = letter
                return
            }
            guard publish(letter, &turn) else { return }
        }
        if let next = bench.next() { start(next, &turn) }
    }

    /// The work on a letter failed, or nothing can come of it.
    private mutating func giveUp(_ letter: BridgeLetter, _ turn: inout Turn) {
        _ = bench.end()
        fail(letter, .error, &turn)
        settle(letter, .failed, &turn)
    }

    /// Publishes a letter; false if the bridge died of it.
    private mutating func publish(_ letter: BridgeLetter, _ turn: inout Turn) -> Bool {
        assert(target.isReady(for: letter), "a bridge publishes where it cannot")
        let publication = target.publish(letter, by: plan.client, &turn)
        if target.confirms { open.append((publication, letter)) }
        if bench.outcome == .crashBetween {
            die(letter, &turn)
            return false
        }
        if !target.confirms, source.ack == .after { source.settle(letter, .taken, &turn) }
        return true
    }

    private func die(_ letter: BridgeLetter, _ turn: inout Turn) {
        fail(letter, .crashBetween, &turn)
        turn.die(backAfter: plan.work.restartAfter)
    }

    private mutating func settle(
        _ letter: BridgeLetter,
        _ settlement: BridgeSettlement,
        _ turn: inout Turn
    ) {
        switch source.ack {
        case .after: source.settle(letter, settlement, &turn)
        case .before:
            // A failed piece of work was not acknowledged yet; what was published is settled.
            if case .failed = settlement { source.settle(letter, settlement, &turn) }
        case .automatic:
            if case .failed = settlement {
                turn.recordLoss(.rejected, of: letter.message, from: letter.place)
            }
        }
    }

    // MARK: What the other broker says

    private mutating func answer(_ answer: BridgeAnswer, _ turn: inout Turn) {
        switch answer {
        case .nothing: break
        case .ready: resume(&turn)
        case .lost:
            let lost = open
            open.removeAll()
            for one in lost { settle(one.letter, .back, &turn) }
        case .answers(let answers):
            for (publication, isTaken) in answers {
                guard let index = open.firstIndex(where: { $0.publication == publication }) else {
                    continue
                }
                let letter = open.remove(at: index).letter
                settle(letter, isTaken ? .taken : .back, &turn)
            }
            resume(&turn)
        }
    }

    /// The target can publish: what waited for it goes on.
    private mutating func resume(_ turn: inout Turn) {
        if !takes, target.isReady(for: nil) {
            takes = true
            source.open(&turn)
        }
        guard let letter = held, target.isReady(for: letter) else { return }
        held = nil
        guard publish(letter, &turn) else { return }
        if let next = bench.next() { start(next, &turn) }
    }

    // MARK: The rest

    /// Says what it holds.
    public func inventory(_ report: inout Inventory) {
        report.unconfirmed += target.unconfirmed
        guard source.ack == .automatic else { return }
        report.inHand += UInt64(bench.count)
    }

    /// Records what is lost with it.
    public mutating func perish(_ disk: Recovery, _ turn: inout Turn) {
        target.perish(&turn)
        guard source.ack == .automatic else { return }
        for letter in bench.items {
            turn.recordLoss(.clientLost, of: letter.message, from: letter.place)
        }
    }

    /// Keeps the properties of what it holds.
    public func parcels(_ holding: inout ParcelMarks) {
        for letter in bench.items + [held].compactMap(\.self) { holding.keep(letter.properties) }
    }

    /// What waits for the target is no longer on the bench, and nothing is open twice.
    public func checkInvariants() {
        precondition(held == nil || !bench.isBusy, "a bridge works on while a message waits")
        precondition(
            Set(open.map(\.publication)).count == open.count,
            "a publication is open twice"
        )
        precondition(open.isEmpty || target.confirms, "nobody confirms what is open")
    }
}
