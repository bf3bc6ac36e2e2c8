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
        var reconnection: Reconnection
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

    private static let pace = TimerID(1)
    private static let deadline = TimerID(2)

    private let plan: Plan
    private var link: ClientConnection
    private var pacer: Pacer
    private var outgoing: Outgoing
    /// Those that wait for an answer, if it sends requests.
    private var calls: OpenCalls?

    init(_ plan: Plan) {
        self.plan = plan
        pacer = plan.pacer
        link = ClientConnection(plan.reconnection)
        outgoing = Outgoing(limit: plan.bufferBytes)
        calls = plan.timeout.map {
            OpenCalls(client: plan.client, timeout: $0, timer: Self.deadline)
        }
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
            pacer.arm(Self.pace, after: plan.startAfter, &turn)
        case .rang(let timer) where timer == Self.pace:
            publishNext(&turn)
        case .rang(let timer) where timer == Self.deadline:
            calls?.expire(&turn)
        case .rang, .accepted, .connected, .arrived, .closed, .stored, .ordered, .stopping:
            break
        }
    }

    private mutating func begin(_ turn: inout Turn) {
        if plan.timeout != nil {
            link.subscribe(to: plan.inbox, group: .none, for: plan.account, &turn)
        }
        outgoing.flush(link, &turn)
    }

    private mutating func publishNext(_ turn: inout Turn) {
        pacer.begin()
        pacer.arm(Self.pace, &turn)
        var packet = Packet(.pub)
        packet.message = turn.newMessage()
        packet.subject = plan.subjects.pick(&turn.chance)
        packet.size = UInt32(
            clamping: turn.chance.sample(plan.size, plan.sizeStream).nanoseconds
        )
        if calls != nil {
            packet.reply = plan.inbox
            packet.token = packet.message
            turn.record(.callStarted, message: packet.message, peer: plan.client.raw)
            calls?.begin(packet.message, &turn)
        }
        outgoing.publish(packet, on: link, &turn)
    }

    private mutating func receive(_ packet: Packet, _ turn: inout Turn) {
        switch packet.operation {
        case .noResponders:
            calls?.fail(packet.token, .nobodyThere, &turn)
        case .msg:
            answer(packet, &turn)
        case .connect, .ping, .pong, .sub, .unsub, .pub, .err, nil:
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
        calls?.answer(packet.message, to: packet.token, &turn)
    }

    mutating func perish(_ disk: Recovery, _ turn: inout Turn) { outgoing.perish(&turn) }
}
