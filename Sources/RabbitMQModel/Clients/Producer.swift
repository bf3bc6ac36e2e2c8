import DequeModule
import WarrenBroker
import WarrenKernel
import WarrenTrace

/// What a producer waits for after a publication.
struct ConfirmPlan: Sendable {
    /// How long it waits; nil for ever.
    var timeout: Interval?
    /// How often it sends a message again that was nacked, timed out or cut off.
    var retries: UInt32
    /// How long it waits before that if it was nacked.
    var pause: Interval = .zero
}

/// A client that publishes.
struct Producer: Machine {
    struct Plan: Sendable {
        var client: Symbol
        var link: ClientLink.Plan
        var startAfter: Interval
        var exchange: Symbol
        var keys: Picker<Symbol>
        var pacer: Pacer
        var size: Law
        var sizeStream: StreamID
        /// The properties of a message: one set, or several with their weights.
        var loads: Picker<Load>
        var flags: UInt8
        var confirms: ConfirmPlan?
    }

    /// Properties, and the text of their headers.
    struct Load: BitwiseCopyable, Sendable {
        var parcel = ParcelID.none
        var headers = Symbol.none
    }

    /// A publication that the broker has not settled.
    private struct Outstanding: BitwiseCopyable, Sendable {
        var letter: Letter
        var deadline: Instant
        var isSettled = false
        var wasReturned = false
    }

    /// A message to be published.
    private struct Letter: BitwiseCopyable, Sendable {
        var message: MessageID
        var key: Symbol
        var parcel: ParcelID
        var size: UInt32
        var attempt: UInt32
        var publishedAt: Instant
    }

    private static let pace = TimerID(1)
    private static let deadline = TimerID(2)
    private static let again = TimerID(3)

    private let plan: Plan
    private var link: ClientLink
    private var pacer: Pacer
    private var outstanding = Deque<Outstanding>()
    private var baseSequence: UInt64 = 1
    /// What could not be published yet because the connection is down.
    private var waiting = Deque<Letter>()
    /// What was nacked and is to be published again, by rising moment.
    private var pausing = Deque<(due: Instant, letter: Letter)>()
    private var selected = false

    init(_ plan: Plan) {
        self.plan = plan
        pacer = plan.pacer
        link = ClientLink(plan.link)
    }

    mutating func handle(_ event: Event, _ turn: inout Turn) {
        if case .rang(let timer) = event, timer == Self.pace {
            publishNext(&turn)
            return
        }
        switch link.handle(event, &turn) {
        case .packet(let packet): receive(packet, &turn)
        case .ready: begin(&turn)
        case .lost: loseOutstanding(&turn)
        case .nothing: handleRest(event, &turn)
        }
    }

    private mutating func handleRest(_ event: Event, _ turn: inout Turn) {
        switch event {
        case .started:
            link.open(&turn)
            pacer.arm(Self.pace, after: plan.startAfter, &turn)
        case .rang(let timer) where timer == Self.deadline:
            expire(&turn)
        case .rang(let timer) where timer == Self.again:
            endPauses(&turn)
        case .rang, .accepted, .connected, .arrived, .closed, .stored, .ordered, .stopping:
            break
        }
    }

    private mutating func begin(_ turn: inout Turn) {
        baseSequence = 1
        if plan.confirms != nil {
            selected = false
            turn.send(
                Packet(.confirmSelect, channel: ClientLink.channel),
                on: link.connection
            )
        } else {
            selected = true
            publishWaiting(&turn)
        }
    }

    private mutating func publishWaiting(_ turn: inout Turn) {
        while selected, link.isReady, let letter = waiting.popFirst() { publish(letter, &turn) }
    }

    private mutating func publishNext(_ turn: inout Turn) {
        pacer.begin()
        let message = turn.newMessage()
        let key = plan.keys.pick(&turn.chance)
        let load = plan.loads.pick(&turn.chance)
        let letter = Letter(
            message: message,
            key: key,
            parcel: load.parcel,
            size: UInt32(
                clamping: turn.chance.sample(plan.size, plan.sizeStream).nanoseconds
            ),
            attempt: 1,
            publishedAt: turn.now
        )
        turn.record(
            .messagePublished,
            message: letter.message,
            subject: plan.exchange,
            peer: letter.key.raw,
            variant: plan.confirms == nil ? 0 : 1,
            detail: Fact.publication(bodySize: letter.size, headers: load.headers)
        )
        if link.isReady, selected {
            publish(letter, &turn)
        } else {
            waiting.append(letter)
        }
        pacer.arm(Self.pace, &turn)
    }

    private mutating func publish(_ letter: Letter, _ turn: inout Turn) {
        assert(link.isReady && selected, "a message is published on a link that is not ready")
        assert(letter.attempt > 0, "a message is published before its first try")
        var packet = Packet(.basicPublish, channel: ClientLink.channel)
        packet.message = letter.message
        packet.parcel = letter.parcel
        packet.subject = plan.exchange
        packet.key = letter.key
        packet.size = letter.size
        packet.flags = plan.flags
        turn.send(packet, on: link.connection)
        guard let confirms = plan.confirms else { return }
        var deadline = Instant.never
        if let timeout = confirms.timeout {
            deadline = turn.now + timeout
            if outstanding.isEmpty { turn.arm(Self.deadline, after: timeout) }
        }
        outstanding.append(Outstanding(letter: letter, deadline: deadline))
    }

    private mutating func receive(_ packet: Packet, _ turn: inout Turn) {
        switch packet.method {
        case .basicAck:
            settle(packet, confirmed: true, &turn)
        case .basicNack:
            settle(packet, confirmed: false, &turn)
        case .basicReturn:
            turn.record(
                .messageReturned,
                message: packet.message,
                subject: packet.subject
            )
            // Returns come in the order of publication, ahead of their confirms.
            if let index = outstanding.firstIndex(where: {
                $0.letter.message == packet.message && !$0.isSettled
            }) {
                outstanding[index].wasReturned = true
            }
        case .confirmSelectOk:
            selected = true
            publishWaiting(&turn)
        default:
            break
        }
    }

    private mutating func settle(_ packet: Packet, confirmed: Bool, _ turn: inout Turn) {
        guard packet.tag >= baseSequence else { return }
        let last = Int(packet.tag - baseSequence)
        guard last < outstanding.count else { return }
        for index in (packet.has(Flag.multiple) ? 0 : last)...last
        where !outstanding[index].isSettled {
            outstanding[index].isSettled = true
            let done = outstanding[index]
            if confirmed {
                if !done.wasReturned {
                    turn.record(
                        .messageConfirmed,
                        message: done.letter.message,
                        detail: (turn.now - done.letter.publishedAt).nanoseconds
                    )
                }
            } else if !retry(done.letter, after: plan.confirms?.pause ?? .zero, &turn) {
                turn.record(.messageNacked, message: done.letter.message)
            }
        }
        trim(&turn)
    }

    private mutating func trim(_ turn: inout Turn) {
        assert(baseSequence > 0, "confirms are numbered from 1")
        while let first = outstanding.first, first.isSettled {
            outstanding.removeFirst()
            baseSequence += 1
        }
        if outstanding.isEmpty, plan.confirms?.timeout != nil { turn.disarm(Self.deadline) }
    }

    /// Sends a message once more, if it may; false if its tries are spent.
    private mutating func retry(
        _ letter: Letter,
        after pause: Interval = .zero,
        _ turn: inout Turn
    ) -> Bool {
        assert(letter.attempt > 0, "a message is published again before its first try")
        guard let confirms = plan.confirms, letter.attempt <= confirms.retries else { return false }
        var again = letter
        again.attempt += 1
        guard pause == .zero else {
            if pausing.isEmpty { turn.arm(Self.again, after: pause) }
            pausing.append((turn.now + pause, letter))
            return true
        }
        turn.record(.messageRetried, message: letter.message, detail: UInt64(again.attempt))
        if link.isReady, selected {
            publish(again, &turn)
        } else {
            waiting.append(again)
        }
        return true
    }

    /// What has paused for long enough is sent once more.
    private mutating func endPauses(_ turn: inout Turn) {
        while let first = pausing.first, first.due <= turn.now {
            pausing.removeFirst()
            _ = retry(first.letter, &turn)
        }
        if let next = pausing.first { turn.arm(Self.again, after: next.due - turn.now) }
    }

    private mutating func expire(_ turn: inout Turn) {
        var index = 0
        while index < outstanding.count, outstanding[index].deadline <= turn.now {
            if !outstanding[index].isSettled {
                outstanding[index].isSettled = true
                let letter = outstanding[index].letter
                if !retry(letter, &turn) {
                    turn.record(.messageUnknown, message: letter.message, variant: 0)
                }
            }
            index += 1
        }
        trim(&turn)
        if let first = outstanding.first {
            turn.arm(Self.deadline, after: first.deadline - turn.now)
        }
    }

    private mutating func loseOutstanding(_ turn: inout Turn) {
        selected = false
        let lost = outstanding
        outstanding.removeAll()
        turn.disarm(Self.deadline)
        for one in lost where !one.isSettled {
            if !retry(one.letter, &turn) {
                turn.record(.messageUnknown, message: one.letter.message, variant: 1)
            }
        }
    }

    func inventory(_ report: inout Inventory) {
        guard plan.confirms != nil else { return }
        report.unconfirmed += UInt64(outstanding.count { !$0.isSettled && !$0.wasReturned })
        report.unconfirmed += UInt64(waiting.count + pausing.count)
    }

    /// What a dead producer had not settled is unknown.
    mutating func perish(_ disk: Recovery, _ turn: inout Turn) {
        guard plan.confirms != nil else { return }
        for one in outstanding where !one.isSettled && !one.wasReturned {
            turn.record(.messageUnknown, message: one.letter.message, variant: 1)
        }
        for letter in waiting + pausing.map(\.letter) {
            turn.record(.messageUnknown, message: letter.message, variant: 1)
        }
    }

    func parcels(_ holding: inout ParcelMarks) {
        for load in plan.loads.elements { holding.keep(load.parcel) }
    }
}
