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
        var reconnection: Reconnection
        var startAfter: Interval
        var pattern: Symbol
        var group: Symbol
        var pendingLimit: Int
        var work: WorkPlan
        /// For a responder: how large its answers are.
        var answers: (size: Law, stream: StreamID)?
        /// What it publishes when the work is done, and when it failed.
        var then: [Onward] = []
        var onError: [Onward] = []
        /// Octets that wait at most while the connection is down.
        var bufferBytes: UInt64
    }

    /// A publication that follows from a message.
    struct Onward: Sendable {
        var subject: Symbol
        /// Nil for as large as the message.
        var size: Law?
        var stream: StreamID
    }

    private struct Delivery: BitwiseCopyable, Sendable {
        var message: MessageID
        var reply: Symbol
        var token: MessageID
        var size: UInt32
    }

    private static let work = TimerID(1)
    private static let begin = TimerID(2)

    private let plan: Plan
    private var link: ClientConnection
    private var bench: WorkBench<Delivery>
    private var outgoing: Outgoing

    init(_ plan: Plan) {
        self.plan = plan
        link = ClientConnection(plan.reconnection)
        bench = WorkBench(plan.work)
        outgoing = Outgoing(limit: plan.bufferBytes)
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
            bench.slow(packet, plan.client, &turn)
        case .rang, .accepted, .connected, .arrived, .closed, .stored, .ordered, .stopping:
            break
        }
    }

    private mutating func subscribe(_ turn: inout Turn) {
        link.subscribe(to: plan.pattern, group: plan.group, for: plan.account, &turn)
        outgoing.flush(link, &turn)
    }

    private mutating func receive(_ packet: Packet, _ turn: inout Turn) {
        guard packet.operation == .msg else { return }
        let delivery = Delivery(
            message: packet.message,
            reply: packet.reply,
            token: packet.token,
            size: packet.size
        )
        if !bench.isBusy {
            start(delivery, &turn)
        } else if bench.waitingCount < plan.pendingLimit {
            bench.put(delivery)
        } else {
            turn.recordLoss(.slowConsumer, of: delivery.message, from: plan.account)
        }
    }

    private mutating func start(_ delivery: Delivery, _ turn: inout Turn) {
        assert(!bench.isBusy, "one piece of work at a time")
        if bench.begin(delivery, delivery.message, plan.work, Self.work, &turn) == .hang {
            fail(delivery, .hang, &turn)
        }
    }

    private func fail(_ delivery: Delivery, _ failure: WorkFailure, _ turn: inout Turn) {
        turn.recordFailure(failure, of: delivery.message, from: plan.account, by: plan.client)
    }

    private mutating func finish(_ turn: inout Turn) {
        guard let delivery = bench.current else { return }
        if bench.outcome != .crashDuringWork { _ = bench.end() }
        switch bench.outcome {
        case .done:
            complete(delivery, &turn)
            publish(plan.then, after: delivery, &turn)
        case .crashBetween:
            complete(delivery, &turn)
            publish(plan.then, after: delivery, &turn)
            // Where nothing follows there is nothing to die behind.
            guard !plan.then.isEmpty else { break }
            fail(delivery, .crashBetween, &turn)
            turn.die(backAfter: plan.work.restartAfter)
            return
        case .error:
            fail(delivery, .error, &turn)
            turn.recordLoss(.rejected, of: delivery.message, from: plan.account)
            publish(plan.onError, after: delivery, &turn)
        case .crashAfterWork:
            complete(delivery, &turn)
            fail(delivery, .crashAfterWork, &turn)
            turn.die(backAfter: plan.work.restartAfter)
            return
        case .crashDuringWork:
            fail(delivery, .crashDuringWork, &turn)
            turn.die(backAfter: plan.work.restartAfter)
            return
        case .hang: return
        }
        if let next = bench.next() { start(next, &turn) }
    }

    /// Publishes what follows from a message.
    private mutating func publish(
        _ letters: [Onward],
        after delivery: Delivery,
        _ turn: inout Turn
    ) {
        for letter in letters {
            var packet = Packet(.pub)
            packet.message = turn.newMessage()
            packet.subject = letter.subject
            packet.size =
                letter.size.map {
                    UInt32(clamping: turn.chance.sample($0, letter.stream).nanoseconds)
                }
                ?? delivery.size
            turn.recordDerivation(
                of: packet.message,
                from: delivery.message,
                in: plan.account,
                by: plan.client
            )
            outgoing.publish(packet, on: link, &turn)
        }
    }

    private mutating func complete(_ delivery: Delivery, _ turn: inout Turn) {
        turn.record(
            .messageHandled,
            message: delivery.message,
            subject: plan.account,
            peer: plan.client.raw,
            variant: 1,
            detail: (turn.now - bench.startedAt).nanoseconds
        )
        plan.work.applyEffect(delivery.message, peer: plan.client.raw, &turn)
        guard let answers = plan.answers, delivery.reply != .none else { return }
        var packet = Packet(.pub)
        packet.message = turn.newMessage()
        packet.subject = delivery.reply
        packet.token = delivery.token
        packet.size = UInt32(
            clamping: turn.chance.sample(answers.size, answers.stream).nanoseconds
        )
        outgoing.publish(packet, on: link, &turn)
    }

    func inventory(_ report: inout Inventory) { report.inHand += UInt64(bench.count) }

    mutating func perish(_ disk: Recovery, _ turn: inout Turn) {
        for delivery in bench.items {
            turn.recordLoss(.clientLost, of: delivery.message, from: plan.account)
        }
        outgoing.perish(&turn)
    }
}
