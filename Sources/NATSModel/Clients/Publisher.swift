import DequeModule
import WarrenBroker
import WarrenKernel
import WarrenTrace

/// A client that publishes, or that sends requests and waits for answers.
///
/// While the connection is down, publications wait in the library's buffer and are sent later; what
/// does not fit is refused. - Source: NATS-PUB-09, NATS-CLI-04 to -06, NATS-REQ-07, -10, -12.
struct Publisher: Machine {
    struct Plan: Sendable {
        var client: Symbol
        var node: NodeID
        var reconnect: Interval?
        var startAfter: Interval
        var subjects: Picker<Symbol>
        var pacer: Pacer
        var size: Law
        var sizeStream: StreamID
        /// For requests: how long to wait for the answer.
        var timeout: Interval?
        /// For requests: where the answers go.
        var inbox: Symbol
        /// The symbol under which copies of answers are counted.
        var account: Symbol
        /// Bytes that wait at most while the connection is down.
        var bufferBytes: UInt64
    }

    private struct Call: BitwiseCopyable, Sendable {
        var request: MessageID
        var sentAt: Instant
        var deadline: Instant
    }

    private static let pace = TimerID(1)
    private static let deadline = TimerID(2)

    private let plan: Plan
    private var link: ClientConnection
    private var pacer: Pacer
    private var buffered = Deque<Packet>()
    private var bufferedBytes: UInt64 = 0
    private var calls = Deque<Call>()
    private var open: Set<UInt32> = []

    init(_ plan: Plan) {
        self.plan = plan
        pacer = plan.pacer
        link = ClientConnection(node: plan.node, reconnect: plan.reconnect)
    }

    mutating func handle(_ event: Event, _ turn: inout Turn) {
        switch link.handle(event, &turn) {
        case .packet(let packet): receive(packet, &turn)
        case .ready: begin(&turn)
        case .lost: break
        case .nothing: handleRest(event, &turn)
        }
    }

    private mutating func handleRest(_ event: Event, _ turn: inout Turn) {
        switch event {
        case .started:
            link.open(&turn)
            if let gap = pacer.next(&turn.chance) {
                let first = plan.startAfter + gap
                turn.arm(Self.pace, after: first)
            }
        case .rang(let timer) where timer == Self.pace:
            publishNext(&turn)
        case .rang(let timer) where timer == Self.deadline:
            expire(&turn)
        case .rang, .accepted, .connected, .arrived, .closed, .stored, .ordered, .stopping:
            break
        }
    }

    private mutating func begin(_ turn: inout Turn) {
        if plan.timeout != nil {
            var sub = Packet(.sub)
            sub.subject = plan.inbox
            sub.key = plan.account
            sub.sid = 1
            turn.send(sub, on: link.connection)
        }
        while let packet = buffered.popFirst() { turn.send(packet, on: link.connection) }
        bufferedBytes = 0
    }

    private mutating func publishNext(_ turn: inout Turn) {
        pacer.begin()
        if let gap = pacer.next(&turn.chance) { turn.arm(Self.pace, after: gap) }
        var packet = Packet(.pub)
        packet.message = turn.newMessage()
        packet.subject = plan.subjects.pick(&turn.chance)
        packet.size = UInt32(
            clamping: turn.chance.sample(plan.size, plan.sizeStream).nanoseconds
        )
        turn.record(
            .messagePublished,
            message: packet.message,
            subject: packet.subject,
            detail: UInt64(packet.size)
        )
        if let timeout = plan.timeout { call(&packet, timeout, &turn) }
        if link.isReady {
            turn.send(packet, on: link.connection)
        } else if bufferedBytes + UInt64(packet.size) <= plan.bufferBytes {
            bufferedBytes += UInt64(packet.size)
            buffered.append(packet)
        } else {
            turn.record(
                .messageUnroutable,
                message: packet.message,
                subject: packet.subject,
                variant: DropReason.connectionLost.rawValue
            )
        }
    }

    private mutating func call(_ packet: inout Packet, _ timeout: Interval, _ turn: inout Turn) {
        packet.reply = plan.inbox
        packet.token = packet.message
        turn.record(.callStarted, message: packet.message, peer: plan.client.raw)
        if calls.isEmpty { turn.arm(Self.deadline, after: timeout) }
        calls.append(
            Call(request: packet.message, sentAt: turn.now, deadline: turn.now + timeout)
        )
        open.insert(packet.message.raw)
    }

    private mutating func receive(_ packet: Packet, _ turn: inout Turn) {
        switch packet.operation {
        case .noResponders:
            if open.remove(packet.token.raw) != nil {
                turn.record(
                    .callFailed,
                    message: packet.token,
                    peer: plan.client.raw,
                    variant: 1
                )
                trim(&turn)
            }
        case .msg:
            answer(packet, &turn)
        case .connect, .pong, .sub, .unsub, .pub, .err, nil:
            break
        }
    }

    private mutating func answer(_ packet: Packet, _ turn: inout Turn) {
        turn.record(
            .messageHandled,
            message: packet.message,
            subject: packet.subject,
            peer: plan.client.raw,
            variant: 1
        )
        guard open.remove(packet.token.raw) != nil,
            let call = calls.first(where: { $0.request == packet.token })
        else {
            turn.record(.answerDiscarded, message: packet.message, peer: plan.client.raw)
            return
        }
        turn.record(
            .callAnswered,
            message: packet.token,
            peer: plan.client.raw,
            detail: (turn.now - call.sentAt).nanoseconds
        )
        trim(&turn)
    }

    private mutating func trim(_ turn: inout Turn) {
        while let first = calls.first, !open.contains(first.request.raw) { calls.removeFirst() }
        if calls.isEmpty { turn.disarm(Self.deadline) }
    }

    private mutating func expire(_ turn: inout Turn) {
        while let first = calls.first, first.deadline <= turn.now {
            calls.removeFirst()
            if open.remove(first.request.raw) != nil {
                turn.record(
                    .callFailed,
                    message: first.request,
                    peer: plan.client.raw,
                    variant: 0
                )
            }
        }
        trim(&turn)
        if let first = calls.first { turn.arm(Self.deadline, after: first.deadline - turn.now) }
    }
}
