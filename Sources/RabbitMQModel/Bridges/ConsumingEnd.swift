import WarrenBroker
import WarrenKernel
import WarrenTrace

/// The end of a bridge that consumes from a queue.
///
/// - Source: RMQ-ACK-01, RMQ-REQ-06, -07: as ``ConsumerClient``.
struct ConsumingEnd: BridgeSource {
    struct Plan: Sendable {
        var link: ClientLink.Plan
        var queue: Symbol
        var prefetch: UInt32
        var ack: BridgeAck
        var requeuesOnError: Bool
    }

    private let plan: Plan
    private var link: ClientLink

    init(_ plan: Plan) {
        self.plan = plan
        link = ClientLink(plan.link)
    }

    var ack: BridgeAck { plan.ack }

    mutating func open(_ turn: inout Turn) { link.open(&turn) }

    mutating func handle(_ event: Event, _ turn: inout Turn) -> BridgeArrival {
        switch link.handle(event, &turn) {
        case .nothing: return .nothing
        case .lost: return .lost
        case .ready:
            link.consume(
                plan.queue,
                prefetch: plan.prefetch,
                flags: plan.ack == .automatic ? Flag.noAck : 0,
                &turn
            )
            return .nothing
        case .packet(let packet): return receive(packet, &turn)
        }
    }

    private mutating func receive(_ packet: Packet, _ turn: inout Turn) -> BridgeArrival {
        switch packet.method {
        case .basicDeliver:
            return .letter(
                BridgeLetter(
                    packet.message,
                    from: packet.subject,
                    to: packet.key,
                    properties: packet.parcel,
                    size: packet.size,
                    isPersistent: packet.has(Flag.persistent),
                    tag: packet.deliveryTag,
                    on: link.connection
                )
            )
        case .basicCancel where plan.link.recovery == .supervised:
            if case .lost = link.restart(&turn) { return .lost }
        default: break
        }
        return .nothing
    }

    func settle(_ letter: BridgeLetter, _ settlement: BridgeSettlement, _ turn: inout Turn) {
        let requeues: Bool
        switch settlement {
        case .taken:
            link.settle(
                letter.message,
                letter.tag,
                on: letter.connection,
                .basicAck,
                flags: 0,
                &turn
            )
            return
        case .back: requeues = true
        case .failed: requeues = plan.requeuesOnError
        }
        link.settle(
            letter.message,
            letter.tag,
            on: letter.connection,
            .basicReject,
            flags: requeues ? Flag.requeue : 0,
            &turn
        )
    }
}
