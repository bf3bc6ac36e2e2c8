import DequeModule
import WarrenBroker
import WarrenKernel
import WarrenTrace

/// The end of a bridge that subscribes: what it is sent counts as settled.
///
/// - Source: NATS-SLW-01, NATS-QGR-01, as ``Subscriber``.
struct SubscribingEnd: BridgeSource {
    struct Plan: Sendable {
        var account: Symbol
        var reconnection: Reconnection
        var pattern: Symbol
        var group: Symbol
        var pendingLimit: Int
    }

    private let plan: Plan
    private var link: ClientConnection

    init(_ plan: Plan) {
        self.plan = plan
        link = ClientConnection(plan.reconnection, timer: TimerID(Bridge.sourceTimers))
    }

    var ack: BridgeAck { .automatic }
    var room: Int { plan.pendingLimit }

    mutating func open(_ turn: inout Turn) { link.open(&turn) }

    mutating func handle(_ event: Event, _ turn: inout Turn) -> BridgeArrival {
        switch link.handle(event, &turn) {
        case .nothing: return .nothing
        case .lost: return .lost
        case .ready:
            link.subscribe(to: plan.pattern, group: plan.group, for: plan.account, &turn)
            return .nothing
        case .packet(let packet):
            guard packet.operation == .msg else { return .nothing }
            return .letter(
                BridgeLetter(
                    packet.message,
                    from: plan.account,
                    to: packet.key,
                    size: packet.size,
                    on: link.connection
                )
            )
        }
    }

    func settle(_ letter: BridgeLetter, _ settlement: BridgeSettlement, _ turn: inout Turn) {}
}

/// The end of a bridge that publishes: into the library's buffer while the connection is down, or, if it flushes, when
/// the connection is there, and then it asks whether the server has read it.
///
/// - Source: NATS-PUB-09, NATS-CLI-04 to -06, as ``Publisher``; NATS-CON-08: a PING is answered when all before it was read.
struct PublishingEnd: BridgeTarget {
    struct Plan: Sendable {
        var reconnection: Reconnection
        /// None for the address of the message.
        var subject: Symbol
        /// Whether each publication is followed by a PING.
        var flushes: Bool
        var bufferBytes: UInt64
    }

    private let plan: Plan
    private var link: ClientConnection
    private var outgoing: Outgoing
    /// Publications whose PING was not answered yet.
    private var flushing = Deque<MessageID>()
    private var wasReady = false

    init(_ plan: Plan) {
        self.plan = plan
        link = ClientConnection(plan.reconnection, timer: TimerID(Bridge.targetTimers))
        outgoing = Outgoing(limit: plan.bufferBytes)
    }

    var confirms: Bool { plan.flushes }
    var unconfirmed: UInt64 { 0 }

    func isReady(for letter: BridgeLetter?) -> Bool {
        if link.isReady { return true }
        return !plan.flushes && wasReady && outgoing.hasRoom(for: letter?.size ?? 0)
    }

    mutating func open(_ turn: inout Turn) { link.open(&turn) }

    mutating func handle(_ event: Event, _ turn: inout Turn) -> BridgeAnswer {
        switch link.handle(event, &turn) {
        case .nothing: return .nothing
        case .ready:
            wasReady = true
            outgoing.flush(link, &turn)
            return .ready
        case .lost:
            flushing.removeAll()
            return .lost
        case .packet(let packet):
            guard packet.operation == .pong, let first = flushing.popFirst() else {
                return .nothing
            }
            return .answers([(first, isTaken: true)])
        }
    }

    func hasAddress(for letter: BridgeLetter, _ names: Names) -> Bool {
        plan.subject != .none || Subject.canBePublishedTo(names[letter.address])
    }

    mutating func publish(_ letter: BridgeLetter, by client: Symbol, _ turn: inout Turn)
        -> MessageID
    {
        let subject =
            plan.subject == .none
            ? turn.names.intern(.subject, turn.names[letter.address]) : plan.subject
        var packet = Packet(.pub)
        packet.message = turn.newMessage()
        packet.subject = subject
        packet.size = letter.size
        turn.recordDerivation(
            of: packet.message,
            from: letter.message,
            in: letter.place,
            by: client
        )
        outgoing.publish(packet, on: link, &turn)
        if plan.flushes {
            turn.send(Packet(.ping), on: link.connection)
            flushing.append(packet.message)
        }
        return packet.message
    }

    mutating func perish(_ turn: inout Turn) { outgoing.perish(&turn) }
}
