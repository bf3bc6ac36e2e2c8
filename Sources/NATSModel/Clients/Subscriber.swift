import DequeModule
import WarrenBroker
import WarrenKernel
import WarrenTrace

/// A client that subscribes and works on one message at a time; a responder answers, too.
///
/// What arrives while it works waits in the library's buffer; when that is full, the newest is dropped
/// and the connection stays. - Source: NATS-SLW-01, NATS-QGR-05, NATS-CLI-05.
struct Subscriber: Machine {
    struct Plan: Sendable {
        var client: Symbol
        var account: Symbol
        var node: NodeID
        var reconnect: Interval?
        var startAfter: Interval
        var pattern: Symbol
        var group: Symbol
        var pendingLimit: Int
        var work: WorkPlan
        /// For a responder: how large its answers are.
        var answers: (size: Law, stream: StreamID)?
    }

    private struct Delivery: BitwiseCopyable, Sendable {
        var message: MessageID
        var reply: Symbol
        var token: MessageID
        var startedAt = Instant.zero
    }

    private static let work = TimerID(1)
    private static let begin = TimerID(2)

    private let plan: Plan
    private var link: ClientConnection
    private var buffer = Deque<Delivery>()
    private var current: Delivery?
    private var outcome = WorkPlan.Outcome.done
    private var slowness: UInt64 = 1000

    init(_ plan: Plan) {
        self.plan = plan
        link = ClientConnection(node: plan.node, reconnect: plan.reconnect)
    }

    mutating func handle(_ event: Event, _ turn: inout Turn) {
        switch link.handle(event, &turn) {
        case .packet(let packet): receive(packet, &turn)
        case .ready: subscribe(&turn)
        case .lost: break
        case .nothing: handleRest(event, &turn)
        }
    }

    private mutating func handleRest(_ event: Event, _ turn: inout Turn) {
        switch event {
        case .started:
            if plan.startAfter == .zero {
                link.open(&turn)
            } else {
                turn.arm(Self.begin, after: plan.startAfter)
            }
        case .rang(let timer) where timer == Self.begin:
            link.open(&turn)
        case .rang(let timer) where timer == Self.work:
            finish(&turn)
        case .ordered(let packet) where packet.word == ClientOrder.slowWork.rawValue:
            slowness = packet.x
            turn.record(.workSlowed, peer: plan.client.raw, detail: slowness)
        case .rang, .accepted, .connected, .arrived, .closed, .stored, .ordered, .stopping:
            break
        }
    }

    private func subscribe(_ turn: inout Turn) {
        var sub = Packet(.sub)
        sub.subject = plan.pattern
        sub.key = plan.account
        sub.reply = plan.group
        sub.sid = 1
        turn.send(sub, on: link.connection)
    }

    private mutating func receive(_ packet: Packet, _ turn: inout Turn) {
        guard packet.operation == .msg else { return }
        let delivery = Delivery(
            message: packet.message,
            reply: packet.reply,
            token: packet.token
        )
        if current == nil {
            start(delivery, &turn)
        } else if buffer.count < plan.pendingLimit {
            buffer.append(delivery)
        } else {
            lose(delivery, .slowConsumer, &turn)
        }
    }

    private func lose(_ delivery: Delivery, _ reason: DropReason, _ turn: inout Turn) {
        turn.record(
            .messageDropped,
            message: delivery.message,
            subject: plan.account,
            variant: reason.rawValue,
            detail: CopyPlace.transit.rawValue
        )
    }

    private mutating func start(_ delivery: Delivery, _ turn: inout Turn) {
        current = delivery
        current?.startedAt = turn.now
        outcome = plan.work.outcome(delivery.message, &turn)
        var time = turn.chance.sample(plan.work.service, plan.work.serviceStream)
        if slowness != 1000 { time = time.times(thousandths: slowness) }
        if outcome == .crashDuringWork { time.nanoseconds /= 2 }
        if outcome == .hang {
            fail(delivery, .hang, &turn)
        } else {
            turn.arm(Self.work, after: time)
        }
    }

    private func fail(_ delivery: Delivery, _ failure: WorkFailure, _ turn: inout Turn) {
        turn.record(
            .workFailed,
            message: delivery.message,
            subject: plan.account,
            peer: plan.client.raw,
            variant: failure.rawValue
        )
    }

    private mutating func finish(_ turn: inout Turn) {
        guard let delivery = current else { return }
        switch outcome {
        case .done, .crashBetween:
            current = nil
            complete(delivery, &turn)
        case .error:
            current = nil
            fail(delivery, .error, &turn)
            lose(delivery, .rejected, &turn)
        case .crashAfterWork:
            current = nil
            complete(delivery, &turn)
            fail(delivery, .crashAfterWork, &turn)
            turn.die(backAfter: plan.work.restartAfter)
            return
        case .crashDuringWork:
            fail(delivery, .crashDuringWork, &turn)
            turn.die(backAfter: plan.work.restartAfter)
            return
        case .hang:
            return
        }
        if let next = buffer.popFirst() { start(next, &turn) }
    }

    private func complete(_ delivery: Delivery, _ turn: inout Turn) {
        turn.record(
            .messageHandled,
            message: delivery.message,
            subject: plan.account,
            peer: plan.client.raw,
            variant: 1,
            detail: (turn.now - delivery.startedAt).nanoseconds
        )
        plan.work.applyEffect(delivery.message, peer: plan.client.raw, &turn)
        guard let answers = plan.answers, delivery.reply != .none, link.isReady else { return }
        var packet = Packet(.pub)
        packet.message = turn.newMessage()
        packet.subject = delivery.reply
        packet.token = delivery.token
        packet.size = UInt32(
            clamping: turn.chance.sample(answers.size, answers.stream).nanoseconds
        )
        turn.record(
            .messagePublished,
            message: packet.message,
            subject: packet.subject,
            detail: UInt64(packet.size)
        )
        turn.send(packet, on: link.connection)
    }

    func inventory(_ report: inout Inventory) {
        report.inHand += UInt64(buffer.count) + (current == nil ? 0 : 1)
    }

    mutating func perish(_ disk: Recovery, _ turn: inout Turn) {
        for delivery in [current].compactMap({ $0 }) + buffer {
            lose(delivery, .clientLost, &turn)
        }
    }
}
