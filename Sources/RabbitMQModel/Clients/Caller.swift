import DequeModule
import WarrenBroker
import WarrenKernel
import WarrenTrace

/// A client that sends requests and waits for answers on a callback queue of its own.
///
/// It does not wait for one answer before it sends the next request: what a person calls "blocked"
/// is a caller with `arrivals` slower than the answers.
struct Caller: Machine {
    struct Plan: Sendable {
        var client: Symbol
        var link: ClientLink.Plan
        var startAfter: Interval
        var exchange: Symbol
        var keys: Picker<Symbol>
        var pacer: Pacer
        var size: Law
        var sizeStream: StreamID
        var flags: UInt8
        var timeout: Interval
        /// The callback queue; nil for an exclusive one that the broker names.
        var replyQueue: Symbol?
        /// A queue for each call, which the caller leaves behind.
        var perCall: PerCall?
        /// Whether it waits until its timeout when its connection is lost.
        var waitsOut = false
    }

    /// Queues that the broker names, one a call; nobody deletes them.
    ///
    /// - Source: RMQ-DECL-48 and -61 for `expires`; `stories/reply-queues-pile-up.yaml`, replayed on 3.10.8.
    struct PerCall: Sendable {
        /// How long one stays when nobody uses it; nil for ever.
        var expires: Interval?
    }

    /// A request that waits for the name of its queue.
    private struct Request: BitwiseCopyable, Sendable {
        var message: MessageID
        var key: Symbol
        var size: UInt32
    }

    private static let pace = TimerID(1)
    private static let deadline = TimerID(2)

    private let plan: Plan
    private var link: ClientLink
    private var pacer: Pacer
    private var replyTo = Symbol.none
    private var consuming = false
    private var calls: OpenCalls
    private var unnamed = Deque<Request>()

    init(_ plan: Plan) {
        self.plan = plan
        pacer = plan.pacer
        link = ClientLink(plan.link)
        calls = OpenCalls(client: plan.client, timeout: plan.timeout, timer: Self.deadline)
    }

    mutating func handle(_ event: Event, _ turn: inout Turn) {
        if case .rang(let timer) = event, timer == Self.pace {
            callNext(&turn)
            return
        }
        switch link.handle(event, &turn) {
        case .packet(let packet): receive(packet, &turn)
        case .ready: prepare(&turn)
        case .lost: loseCalls(&turn)
        case .nothing: handleRest(event, &turn)
        }
    }

    private mutating func handleRest(_ event: Event, _ turn: inout Turn) {
        switch event {
        case .started:
            link.open(&turn)
            pacer.arm(Self.pace, after: plan.startAfter, &turn)
        case .rang(let timer) where timer == Self.deadline:
            calls.expire(&turn)
        case .rang, .accepted, .connected, .arrived, .closed, .stored, .ordered, .stopping:
            break
        }
    }

    private mutating func prepare(_ turn: inout Turn) {
        consuming = plan.perCall != nil
        if plan.perCall == nil {
            if let queue = plan.replyQueue { consume(queue, &turn) } else { declare(&turn) }
        }
    }

    /// Asks for a queue that the broker names.
    private func declare(_ turn: inout Turn) {
        var queue = QueueDeclaration(name: "")
        queue.durable = false
        queue.exclusive = plan.perCall == nil
        if let expires = plan.perCall?.expires {
            queue["x-expires"] = .int(Int64(expires.nanoseconds / 1_000_000))
        }
        var packet = Packet(.queueDeclare, channel: ClientLink.channel)
        packet.parcel = turn.parcels.put(queue)
        turn.send(packet, on: link.connection)
    }

    private mutating func consume(_ queue: Symbol, _ turn: inout Turn) {
        // With direct replies the broker writes the true name where this one stands.
        replyTo = turn.names.intern(.key, turn.names[queue])
        var packet = Packet(.basicConsume, channel: ClientLink.channel)
        packet.subject = queue
        packet.flags = Flag.noAck
        // The tag is the queue's name, so that the consumer of a call is known when its answer is there.
        if plan.perCall != nil { packet.key = turn.names.intern(.text, turn.names[queue]) }
        turn.send(packet, on: link.connection)
    }

    private mutating func receive(_ packet: Packet, _ turn: inout Turn) {
        switch packet.method {
        case .queueDeclareOk:
            consume(packet.subject, &turn)
            if let request = unnamed.popFirst() { send(request, &turn) }
        case .basicConsumeOk: consuming = true
        case .basicDeliver: answer(packet, &turn)
        case .basicReturn:
            turn.record(.messageReturned, message: packet.message, subject: packet.subject)
            calls.fail(packet.message, .nobodyThere, &turn)
        default: break
        }
    }

    private mutating func callNext(_ turn: inout Turn) {
        pacer.begin()
        pacer.arm(Self.pace, &turn)
        let request = turn.newMessage()
        let key = plan.keys.pick(&turn.chance)
        let size = UInt32(
            clamping: turn.chance.sample(plan.size, plan.sizeStream).nanoseconds
        )
        turn.record(.callStarted, message: request, peer: plan.client.raw)
        guard link.isReady, consuming else {
            calls.record(.connectionLost, of: request, &turn)
            return
        }
        let wanted = Request(message: request, key: key, size: size)
        if plan.perCall == nil {
            send(wanted, &turn)
        } else {
            unnamed.append(wanted)
            declare(&turn)
        }
        calls.begin(request, &turn)
    }

    private func send(_ request: Request, _ turn: inout Turn) {
        turn.record(
            .messagePublished,
            message: request.message,
            subject: plan.exchange,
            peer: request.key.raw,
            detail: UInt64(request.size)
        )
        var packet = Packet(.basicPublish, channel: ClientLink.channel)
        packet.message = request.message
        packet.subject = plan.exchange
        packet.key = request.key
        packet.size = request.size
        packet.flags = plan.flags
        packet.replyTo = replyTo
        packet.correlation = request.message
        turn.send(packet, on: link.connection)
    }

    private mutating func answer(_ packet: Packet, _ turn: inout Turn) {
        turn.record(
            .messageHandled,
            message: packet.message,
            subject: packet.subject,
            peer: plan.client.raw,
            variant: 1
        )
        if plan.perCall != nil {
            var cancel = Packet(.basicCancel, channel: ClientLink.channel)
            cancel.key = turn.names.intern(.text, turn.names[packet.subject])
            turn.send(cancel, on: link.connection)
        }
        calls.answer(packet.message, to: packet.correlation, &turn)
    }

    private mutating func loseCalls(_ turn: inout Turn) {
        consuming = false
        unnamed.removeAll()
        // Whoever waits for an answer need not notice that it cannot come any more.
        if plan.waitsOut { return }
        calls.failAll(.connectionLost, &turn)
    }
}
