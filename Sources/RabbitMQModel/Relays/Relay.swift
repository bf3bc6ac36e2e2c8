import DequeModule
import WarrenKernel
import WarrenTrace

/// A shovel or a federation link: it consumes on one broker and publishes on another.
///
///     resting ──▶ connecting ──both are open──▶ preparing ──all is declared──▶ running
///        ▲                                                                       │
///        └────────── after the reconnect delay ◀── an end is lost ◀──────────────┘
///
/// - Source: RMQ-FED-01 to -07, RMQ-SHOV-01 to -05; rabbitmq_shovel and rabbitmq_federation 3.10.8,
///   `rabbit_shovel_worker`, `rabbit_federation_exchange_link`, `rabbit_federation_queue_link`. A supervisor starts what
///   ended once at once, and from then on after the delay (`supervisor2`).
struct Relay: Sendable {
    /// Where it stands.
    enum Phase: Sendable { case resting, connecting, preparing, running, dead }

    /// Which of its connections.
    enum Side: Sendable { case source, target }

    /// What became of it.
    enum Outcome: Sendable {
        case nothing
        /// It carries messages from now on.
        case began
        /// It has done what it was for.
        case finished
    }

    /// Why it stopped; the variant of ``FactKind/relayStopped``.
    enum Reason: UInt8, Sendable { case sourceLost = 0, targetLost, ended, finished, nodeStops }

    private let timer: TimerID
    private let draws: StreamID
    /// Its name in facts.
    private let symbol: Symbol
    private(set) var wish: RelayWish
    /// What it does, by its kind.
    private var script: RelayScript
    private(set) var phase = Phase.resting
    private var source: RelayEnd
    private var target: RelayEnd
    /// What is still to be asked for before it runs.
    private var steps = Deque<(side: Side, step: RelayEnd.Step)>()
    /// How often an end was lost.
    private var losses = 0
    /// Publications that no confirm has come for, by rising number, and the delivery that each is of.
    private var unsettled = Deque<(sequence: UInt64, tag: UInt64)>()
    private var sequence: UInt64 = 0
    /// How many are still to be carried, and to be published; nil for no end.
    private var remaining: UInt64?
    private var unpublished: UInt64?
    /// What was wanted when it began to prepare.
    private var prepared: RelayWish?
    /// Of the link of a queue: whether it consumes.
    private var consumes = false
    /// Of a shovel: whether its channel to the target is closed, which shows with the next publication.
    private var isDeaf = false

    init(
        _ wish: RelayWish,
        _ symbol: Symbol,
        _ script: RelayScript,
        firstTimer: UInt32,
        _ draws: StreamID
    ) {
        self.wish = wish
        self.symbol = symbol
        self.script = script
        self.draws = draws
        timer = TimerID(firstTimer)
        source = RelayEnd(script.source, TimerID(firstTimer + 1), TimerID(firstTimer + 2))
        target = RelayEnd(script.target, TimerID(firstTimer + 3), TimerID(firstTimer + 4))
    }

    /// Of the link of an exchange: whether its internal exchange is called A.
    var usesA: Bool? { script.usesA }

    /// How many timers a relay uses.
    static let timers: UInt32 = 5

    // MARK: Beginning and ending

    mutating func start(_ turn: inout Turn) {
        assert(phase == .resting, "a relay starts that has started")
        phase = .connecting
        connect(script.first, &turn)
    }

    private mutating func connect(_ side: Side, _ turn: inout Turn) {
        switch side {
        case .source: source.connect(draws, &turn)
        case .target: target.connect(draws, &turn)
        }
    }

    /// Ends for good; `cleansUp`: what it made at its upstream goes, if it can be reached.
    mutating func end(_ reason: Reason, cleansUp: Bool, _ turn: inout Turn) {
        if cleansUp, phase == .running {
            for packet in script.remains(&turn) { source.say(packet, &turn) }
        }
        rest(reason, &turn)
        phase = .dead
        turn.disarm(timer)
    }

    private mutating func rest(_ reason: Reason, _ turn: inout Turn) {
        if phase == .running {
            turn.record(.relayStopped, subject: symbol, variant: reason.rawValue)
        }
        source.close(&turn)
        target.close(&turn)
        phase = .resting
        steps.removeAll()
        unsettled.removeAll()
        consumes = false
        isDeaf = false
    }

    private mutating func lose(_ side: Side, _ turn: inout Turn) {
        rest(side == .source ? .sourceLost : .targetLost, &turn)
        losses += 1
        guard let delay = script.reconnectDelay else {
            phase = .dead
            return
        }
        turn.arm(timer, after: losses == 1 ? .zero : delay)
    }

    // MARK: Events

    /// Which of its connections an event is about; nil if it is about none.
    private func side(of event: Event) -> Side? {
        source.concerns(event) ? .source : target.concerns(event) ? .target : nil
    }

    func concerns(_ event: Event) -> Bool {
        if case .rang(let rung) = event, rung == timer { return true }
        return side(of: event) != nil
    }

    mutating func handle(_ event: Event, _ turn: inout Turn) -> Outcome {
        guard let side = side(of: event) else {
            if phase == .resting { start(&turn) }
            return .nothing
        }
        let signal =
            side == .source ? source.handle(event, &turn) : target.handle(event, &turn)
        switch signal {
        case .nothing: break
        case .opened: open(&turn)
        case .lost: lose(side, &turn)
        case .deaf:
            if script.isMonitored || side == .source {
                lose(side, &turn)
            } else {
                isDeaf = true
            }
        case .done(let answer): return proceed(after: answer, &turn)
        case .packet(let packet):
            switch packet.method {
            case .basicDeliver where side == .source: return forward(packet, &turn)
            case .basicAck where side == .target: return settle(packet, .basicAck, &turn)
            case .basicNack where side == .target: return settle(packet, .basicNack, &turn)
            default: break
            }
        }
        return .nothing
    }

    private mutating func open(_ turn: inout Turn) {
        guard source.isOpen, target.isOpen else {
            connect(source.isOpen ? .target : .source, &turn)
            return
        }
        phase = .preparing
        sequence = 0
        (remaining, unpublished) = (script.count, script.count)
        steps = Deque(script.steps(wish, &turn))
        prepared = wish
        takeStep(&turn)
    }

    private mutating func takeStep(_ turn: inout Turn) {
        guard let next = steps.first else {
            phase = .running
            turn.record(.relayStarted, subject: symbol)
            follow(wish, &turn)
            return
        }
        switch next.side {
        case .source: source.perform(next.step, &turn)
        case .target: target.perform(next.step, &turn)
        }
    }

    private mutating func proceed(after answer: Packet, _ turn: inout Turn) -> Outcome {
        guard phase == .preparing, !steps.isEmpty else { return .nothing }
        steps.removeFirst()
        if answer.method == .queueDeclareOk, script.countsQueue, answer.channel == RelayEnd.channel
        {
            (remaining, unpublished) = (UInt64(answer.c), UInt64(answer.c))
        }
        if remaining == 0 { return .finished }
        takeStep(&turn)
        return phase == .running ? .began : .nothing
    }

    /// Keeps what the steps that are still to come say.
    func parcels(_ holding: inout ParcelMarks) {
        for step in steps { step.step.parcels(&holding) }
    }

    // MARK: What it carries

    private mutating func forward(_ packet: Packet, _ turn: inout Turn) -> Outcome {
        // What is left over is neither published nor acknowledged.
        guard unpublished != 0 else { return .nothing }
        guard !isDeaf else {
            lose(.target, &turn)
            return .nothing
        }
        guard let letter = script.letter(for: packet, &turn) else {
            acknowledge(packet.deliveryTag, .basicAck, flags: 0, &turn)
            return .nothing
        }
        turn.record(
            .messageRelayed,
            message: packet.message,
            subject: letter.subject,
            peer: packet.subject.raw,
            variant: script.ackMode == .noAck ? 1 : 0
        )
        target.say(letter, &turn)
        sequence += 1
        unpublished = unpublished.map { $0 - 1 }
        switch script.ackMode {
        case .onConfirm: unsettled.append((sequence, packet.deliveryTag))
        case .onPublish:
            acknowledge(packet.deliveryTag, .basicAck, flags: 0, &turn)
            return count(1)
        case .noAck: return count(1)
        }
        return .nothing
    }

    private func acknowledge(
        _ tag: UInt64,
        _ method: Method,
        flags: UInt8,
        _ turn: inout Turn
    ) {
        guard script.ackMode != .noAck else { return }
        var packet = Packet(method, channel: RelayEnd.channel)
        packet.tag = tag
        packet.flags = flags
        source.say(packet, &turn)
    }

    /// A confirm becomes an ack, a refusal a nack, and the message goes back to where it comes from.
    private mutating func settle(_ packet: Packet, _ method: Method, _ turn: inout Turn) -> Outcome
    {
        guard script.ackMode == .onConfirm,
            let index = unsettled.firstIndex(where: { $0.sequence == packet.tag })
        else { return .nothing }
        let multiple = packet.flags & Flag.multiple
        let requeue = method == .basicNack ? Flag.requeue : 0
        acknowledge(unsettled[index].tag, method, flags: multiple | requeue, &turn)
        if multiple != 0 {
            unsettled.removeFirst(index + 1)
            return count(UInt64(index + 1))
        }
        unsettled.remove(at: index)
        return count(1)
    }

    private mutating func count(_ done: UInt64) -> Outcome {
        guard let left = remaining else { return .nothing }
        remaining = left - min(left, done)
        return remaining == 0 ? .finished : .nothing
    }

    // MARK: What is wanted of it

    /// Its node wants something else of it: other bindings, or that it consumes or does not.
    mutating func follow(_ wish: RelayWish, _ turn: inout Turn) {
        assert(self.wish.isSame(as: wish), "a relay is taken for another one")
        self.wish = wish
        guard phase == .running, let before = prepared else { return }
        prepared = wish
        for packet in script.changes(from: before, to: wish, &turn) { source.say(packet, &turn) }
        if case .queue(_, _, let wants) = wish.task, wants != consumes {
            consumes = wants
            source.say(script.consume(wants, &turn), &turn)
        }
    }
}
