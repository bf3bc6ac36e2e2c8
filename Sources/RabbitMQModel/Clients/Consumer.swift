import WarrenBroker
import WarrenKernel
import WarrenTrace

/// A client that consumes: one instance, one connection, one channel, one piece of work at a time.
struct ConsumerClient: Machine {
    struct Plan: Sendable {
        var client: Symbol
        var link: ClientLink.Plan
        var startAfter: Interval
        /// None for one of its own.
        var queue: Symbol
        var own: OwnQueue?
        var prefetch: UInt32
        var ack: AckMode
        var exclusive: Bool
        /// What it declares before it consumes.
        var declarations: [Packet]
        /// What basic.consume says beside its flags; none if it says nothing.
        var options: ParcelID
        var work: WorkPlan
        var requeueOnError: Bool
        /// What it publishes when the work is done, and when it failed.
        var then: ForwardPlan?
        var onError: ForwardPlan?
        /// Whether nothing follows from a message, and nobody asks for more of it than its number.
        var isPlain: Bool { then == nil && onError == nil && work.idempotentBy == nil }
        /// For a server: how large its answers are.
        ///
        /// It publishes them to this exchange.
        var replies: Reply?
    }

    struct Reply: Sendable {
        var exchange: Symbol
        var size: Law
        var sizeStream: StreamID
    }

    private struct Delivery: BitwiseCopyable, Sendable {
        var tag: UInt64
        var message: MessageID
        var queue: Symbol
        var replyTo: Symbol
        var correlation: MessageID
        /// The connection that it came on: an ack on another one would be an error.
        var connection: ConnectionID

        var identity: Identity { Identity(connection: connection, tag: tag) }
    }

    /// What tells a delivery from every other of this client.
    private struct Identity: Hashable {
        var connection: ConnectionID
        var tag: UInt64
    }

    /// A piece of work that is done, and waits for the confirms of what followed from it.
    private struct Passing: Sendable {
        var delivery: Delivery
        /// Whether it is acknowledged when they are there.
        var isSettledAfter: Bool
    }

    private static let work = TimerID(1)
    private static let begin = TimerID(2)
    private static let patience = TimerID(3)

    private let plan: Plan
    private let isPlain: Bool
    /// Whether its work changes something, and whether it is answered.
    private let hasEffect, isServer: Bool
    private let ack: AckMode
    private let client: Symbol
    private var link: ClientLink
    private var bench: WorkBench<Delivery>
    private var sender = ForwardSender()
    /// Of each delivery in its hands, what a message that follows from it takes over.
    private var origins: [Identity: Forward.Origin] = [:]
    private var passing: Passing?
    /// What it was working on when that killed it.
    private var heldAtDeath: Delivery?
    /// The queue that it declared for itself.
    private var mine = Symbol.none

    init(_ plan: Plan) {
        self.plan = plan
        isPlain = plan.isPlain
        // What each message needs lies together: the plan is large.
        hasEffect = plan.work.effect != .none
        isServer = plan.replies != nil
        ack = plan.ack
        client = plan.client
        bench = WorkBench(plan.work)
        link = ClientLink(plan.link)
    }

    mutating func handle(_ event: Event, _ turn: inout Turn) {
        if case .rang(let timer) = event, timer == Self.work {
            finish(&turn)
            return
        }
        if case .arrived(let packet, let connection) = event, connection == link.connection,
            link.isReady, packet.word == Method.basicDeliver.rawValue
        {
            link.hear(turn.now)
            receive(packet, &turn)
            return
        }
        switch link.handle(event, &turn) {
        case .packet(let packet): receiveRare(packet, &turn)
        case .ready: subscribe(&turn)
        case .lost: lose(&turn)
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
        case .rang(let timer) where timer == Self.patience:
            sender.giveUp(0, &turn)
            endPassing(isTaken: false, &turn)
        case .ordered(let packet) where packet.word == ClientOrder.slowWork.rawValue:
            bench.slow(packet, client, &turn)
        case .rang, .accepted, .connected, .arrived, .closed, .stored, .ordered, .stopping:
            break
        }
    }

    /// The broker cancelled the subscription: a supervisor begins anew, a library does nothing.
    ///
    /// - Source: RMQ-CONS-26; RMQ-CLUS-05.
    private mutating func receiveRare(_ packet: Packet, _ turn: inout Turn) {
        switch packet.method {
        case .basicAck, .basicNack, .basicReturn:
            switch sender.hear(packet, &turn) {
            case .nothing: break
            case .allTaken: endPassing(isTaken: true, &turn)
            case .refused: endPassing(isTaken: false, &turn)
            }
        case .queueDeclareOk where plan.own != nil:
            mine = packet.subject
            for bind in plan.own?.bind(mine, &turn) ?? [] { turn.send(bind, on: link.connection) }
            consume(mine, &turn)
        case .basicCancel where plan.link.recovery == .supervised:
            if case .lost = link.restart(&turn) { lose(&turn) }
        default: break
        }
    }

    private mutating func subscribe(_ turn: inout Turn) {
        sender.begin()
        if plan.then?.confirms != nil || plan.onError?.confirms != nil {
            turn.send(Packet(.confirmSelect, channel: ClientLink.channel), on: link.connection)
        }
        for declaration in plan.declarations { turn.send(declaration, on: link.connection) }
        guard let own = plan.own else { return consume(plan.queue, &turn) }
        if mine != .none, own.habit == .never {
            consume(mine, &turn)
        } else {
            turn.send(own.declare(mine, &turn), on: link.connection)
        }
    }

    private func consume(_ queue: Symbol, _ turn: inout Turn) {
        link.consume(
            queue,
            prefetch: plan.prefetch,
            flags: (plan.ack == .automatic ? Flag.noAck : 0)
                | (plan.exclusive ? Flag.exclusive : 0),
            options: plan.options,
            &turn
        )
    }

    @inline(__always)
    private mutating func receive(_ packet: Packet, _ turn: inout Turn) {
        let delivery = Delivery(
            tag: packet.deliveryTag,
            message: packet.message,
            queue: packet.subject,
            replyTo: packet.replyTo,
            correlation: packet.correlation,
            connection: link.connection
        )
        if !isPlain { keepOrigin(packet, delivery) }
        if ack == .before { settle(delivery, .basicAck, flags: 0, &turn) }
        if !bench.isBusy, isPlain || passing == nil {
            start(delivery, &turn)
        } else {
            bench.put(delivery)
        }
    }

    @inline(never)
    private mutating func keepOrigin(_ packet: Packet, _ delivery: Delivery) {
        origins[delivery.identity] = Forward.Origin(
            message: packet.message,
            queue: packet.subject,
            key: packet.key,
            parcel: packet.parcel,
            size: packet.size,
            isPersistent: packet.has(Flag.persistent)
        )
    }

    @inline(__always)
    private mutating func start(_ delivery: Delivery, _ turn: inout Turn) {
        if ack == .start { settle(delivery, .basicAck, flags: 0, &turn) }
        if bench.begin(delivery, delivery.message, plan.work, Self.work, &turn) == .hang {
            fail(delivery, .hang, &turn)
        }
    }

    @inline(__always)
    private mutating func finish(_ turn: inout Turn) {
        guard let delivery = bench.end() else { return }
        if bench.outcome == .done, isPlain {
            complete(delivery, &turn)
            if ack == .after { settle(delivery, .basicAck, flags: 0, &turn) }
        } else if !finishRare(delivery, &turn) {
            return
        }
        if let next = bench.next() { start(next, &turn) }
    }

    /// The end of work that failed, or that something follows from; false if there is no next piece of work now.
    @inline(never)
    private mutating func finishRare(_ delivery: Delivery, _ turn: inout Turn) -> Bool {
        switch bench.outcome {
        case .done, .crashBetween:
            complete(delivery, &turn)
            if let then = plan.then {
                guard pass(delivery, then, counted: 0, &turn) else { return false }
            } else if plan.ack == .after {
                settle(delivery, .basicAck, flags: 0, &turn)
            }
        case .error:
            fail(delivery, .error, &turn)
            if let then = plan.onError, let counted = count(delivery, then, turn) {
                guard pass(delivery, then, counted: counted, &turn) else { return false }
            } else if plan.ack == .after {
                let flags = plan.requeueOnError ? Flag.requeue : 0
                settle(delivery, .basicReject, flags: flags, &turn)
            } else {
                giveUp(delivery, &turn)
            }
        case .crashAfterWork:
            complete(delivery, &turn)
            fail(delivery, .crashAfterWork, &turn)
            turn.die(backAfter: plan.work.restartAfter)
            return false
        case .crashDuringWork:
            fail(delivery, .crashDuringWork, &turn)
            heldAtDeath = delivery
            turn.die(backAfter: plan.work.restartAfter)
            return false
        case .hang:
            return false
        }
        if !isPlain { origins[delivery.identity] = nil }
        return true
    }

    private func fail(_ delivery: Delivery, _ failure: WorkFailure, _ turn: inout Turn) {
        turn.recordFailure(failure, of: delivery.message, from: delivery.queue, by: client)
    }

    @inline(__always)
    private mutating func complete(_ delivery: Delivery, _ turn: inout Turn) {
        turn.record(
            .messageHandled,
            message: delivery.message,
            subject: delivery.queue,
            peer: client.raw,
            variant: ack == .automatic ? 1 : 0,
            detail: (turn.now - bench.startedAt).nanoseconds
        )
        if hasEffect { applyEffect(delivery, &turn) }
        if isServer { answer(delivery, &turn) }
    }

    private func applyEffect(_ delivery: Delivery, _ turn: inout Turn) {
        var id: String?
        if plan.work.idempotentBy != nil, let parcel = origins[delivery.identity]?.parcel {
            id = (turn.parcels.get(parcel) as Properties?)?.messageID
        }
        plan.work.applyEffect(delivery.message, id: id, peer: plan.client.raw, &turn)
    }

    private mutating func answer(_ delivery: Delivery, _ turn: inout Turn) {
        guard let reply = plan.replies, delivery.replyTo != .none, link.isReady else { return }
        var packet = Packet(.basicPublish, channel: ClientLink.channel)
        packet.message = turn.newMessage()
        packet.subject = reply.exchange
        packet.key = delivery.replyTo
        packet.size = UInt32(
            clamping: turn.chance.sample(reply.size, reply.sizeStream).nanoseconds
        )
        packet.correlation = delivery.correlation
        turn.record(
            .messagePublished,
            message: packet.message,
            subject: reply.exchange,
            peer: delivery.replyTo.raw,
            detail: UInt64(packet.size)
        )
        turn.send(packet, on: link.connection)
        sender.count()
    }

    // MARK: What follows from a message

    /// How often a message went this way already; nil if that was often enough.
    private func count(_ delivery: Delivery, _ then: ForwardPlan, _ turn: borrowing Turn) -> Int64?
    {
        guard let limit = then.limit else { return 0 }
        let parcel = origins[delivery.identity]?.parcel ?? .none
        let properties: Properties? = turn.parcels.get(parcel)
        let counted = properties?.header(limit.header)?.number ?? 0
        return counted < limit.times ? counted : nil
    }

    /// Publishes what follows from a message and settles it, in the order that the plan says; false if the next piece of
    /// work must wait.
    private mutating func pass(
        _ delivery: Delivery,
        _ then: ForwardPlan,
        counted: Int64,
        _ turn: inout Turn
    ) -> Bool {
        let settles = plan.ack == .after
        if settles, then.acknowledgesFirst { settle(delivery, .basicAck, flags: 0, &turn) }
        if bench.outcome == .crashBetween, then.acknowledgesFirst || !settles {
            return die(delivery, &turn)
        }
        guard link.isReady else {
            // A library throws when it is to publish on a closed channel, and the message comes again if it may.
            for letter in then.letters {
                turn.record(
                    .publishFailed,
                    message: delivery.message,
                    subject: letter.exchange,
                    peer: plan.client.raw
                )
            }
            return true
        }
        sender.publish(
            then,
            for: origins[delivery.identity] ?? Forward.Origin(of: delivery.message, delivery.queue),
            counted: counted,
            plan.client,
            on: link.connection,
            &turn
        )
        if bench.outcome == .crashBetween { return die(delivery, &turn) }
        let isSettledAfter = settles && !then.acknowledgesFirst
        guard let confirms = then.confirms else {
            if isSettledAfter { settle(delivery, .basicAck, flags: 0, &turn) }
            return true
        }
        passing = Passing(delivery: delivery, isSettledAfter: isSettledAfter)
        if let timeout = confirms.timeout { turn.arm(Self.patience, after: timeout) }
        return false
    }

    private func die(_ delivery: Delivery, _ turn: inout Turn) -> Bool {
        fail(delivery, .crashBetween, &turn)
        turn.die(backAfter: plan.work.restartAfter)
        return false
    }

    /// What followed was confirmed, or it was not: then the message goes back, and is tried again.
    private mutating func endPassing(isTaken: Bool, _ turn: inout Turn) {
        assert(passing == nil || !isPlain, "nothing follows from a plain message")
        guard let ended = passing else { return }
        passing = nil
        origins[ended.delivery.identity] = nil
        turn.disarm(Self.patience)
        if ended.isSettledAfter {
            settle(
                ended.delivery,
                isTaken ? .basicAck : .basicReject,
                flags: isTaken ? 0 : Flag.requeue,
                &turn
            )
        }
        if let next = bench.next() { start(next, &turn) }
    }

    @inline(__always)
    private func settle(
        _ delivery: Delivery,
        _ method: Method,
        flags: UInt8,
        _ turn: inout Turn
    ) {
        link.settle(
            delivery.message,
            delivery.tag,
            on: delivery.connection,
            method,
            flags: flags,
            &turn
        )
    }

    /// A failed piece of work that nobody will ever see again: it was settled before.
    private func giveUp(_ delivery: Delivery, _ turn: inout Turn) {
        guard plan.ack == .automatic else { return }
        turn.recordLoss(.rejected, of: delivery.message, from: delivery.queue)
    }

    /// What was delivered and not acknowledged will come again; what was settled by sending stays.
    ///
    /// - Source: RMQ-REQ-06, -07.
    private mutating func lose(_ turn: inout Turn) {
        if plan.ack == .after || plan.ack == .start {
            bench.clear()
            let held = bench.current?.identity
            origins = origins.filter { $0.key == held }
        }
        sender.giveUp(1, &turn)
        endPassing(isTaken: false, &turn)
    }

    func parcels(_ holding: inout ParcelMarks) {
        holding.keep(plan.options)
        // In any order: each is kept.
        for origin in origins.values { holding.keep(origin.parcel) }
        for declaration in plan.declarations { holding.keep(declaration.parcel) }
    }

    func inventory(_ report: inout Inventory) {
        report.unconfirmed += sender.unconfirmed
        guard plan.ack == .automatic else { return }
        report.inHand += UInt64(bench.count)
    }

    mutating func perish(_ disk: Recovery, _ turn: inout Turn) {
        sender.giveUp(1, &turn)
        guard plan.ack == .automatic else { return }
        for delivery in [heldAtDeath].compactMap(\.self) + bench.items {
            turn.recordLoss(.clientLost, of: delivery.message, from: delivery.queue)
        }
    }
}
