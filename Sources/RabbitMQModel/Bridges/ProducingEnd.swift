import WarrenBroker
import WarrenKernel
import WarrenTrace

/// The end of a bridge that publishes to an exchange; it waits for confirms if it is to.
///
/// - Source: RMQ-PUB-07, -08, -10, -15 and -17: as ``ConsumerClient`` with what follows from a message.
struct ProducingEnd: BridgeTarget {
    struct Plan: Sendable {
        var link: ClientLink.Plan
        var forward: ForwardPlan
    }

    private static let patience = TimerID(Bridge.targetTimers + 2)

    private let plan: Plan
    private var link: ClientLink
    private var sender = ForwardSender()

    init(_ plan: Plan) {
        self.plan = plan
        link = ClientLink(plan.link)
    }

    var confirms: Bool { plan.forward.confirms != nil }
    var unconfirmed: UInt64 { sender.unconfirmed }

    func isReady(for letter: BridgeLetter?) -> Bool { link.isReady }

    mutating func open(_ turn: inout Turn) { link.open(&turn) }

    mutating func handle(_ event: Event, _ turn: inout Turn) -> BridgeAnswer {
        if case .rang(let timer) = event, timer == Self.patience { return expire(&turn) }
        switch link.handle(event, &turn) {
        case .nothing: return .nothing
        case .ready:
            sender.begin()
            if confirms {
                turn.send(Packet(.confirmSelect, channel: ClientLink.channel), on: link.connection)
            }
            return .ready
        case .lost:
            turn.disarm(Self.patience)
            sender.giveUp(1, &turn)
            return .lost
        case .packet(let packet):
            let answers = sender.answers(to: packet, &turn)
            return answers.isEmpty ? .nothing : .answers(answers)
        }
    }

    mutating func publish(_ letter: BridgeLetter, by client: Symbol, _ turn: inout Turn)
        -> MessageID
    {
        assert(link.isReady, "a message is published on a link that is not ready")
        let key = turn.names.intern(.key, turn.names[letter.address])
        let origin = Forward.Origin(
            message: letter.message,
            queue: letter.place,
            key: key,
            parcel: letter.properties,
            size: letter.size,
            isPersistent: letter.isPersistent
        )
        let wasEmpty = !sender.isWaiting
        let last = sender.publish(
            plan.forward,
            for: origin,
            counted: 0,
            client,
            on: link.connection,
            &turn
        )
        if wasEmpty, let timeout = plan.forward.confirms?.timeout {
            turn.arm(Self.patience, after: timeout)
        }
        return last
    }

    /// What waited for too long counts as not taken.
    private mutating func expire(_ turn: inout Turn) -> BridgeAnswer {
        guard let timeout = plan.forward.confirms?.timeout else { return .nothing }
        let (late, next) = sender.expire(timeout, &turn)
        if let next { turn.arm(Self.patience, after: next - turn.now) }
        return late.isEmpty ? .nothing : .answers(late.map { ($0, isTaken: false) })
    }

    mutating func perish(_ turn: inout Turn) { sender.giveUp(1, &turn) }
}
