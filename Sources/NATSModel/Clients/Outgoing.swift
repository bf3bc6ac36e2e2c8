import DequeModule
import WarrenKernel
import WarrenTrace

/// What a client library has to say: while the connection is down it waits, and what does not fit is refused.
///
/// - Source: NATS-PUB-09, NATS-CLI-04 to -06.
struct Outgoing: Sendable {
    /// Octets that wait at most.
    private let limit: UInt64
    private var waiting = Deque<Packet>()
    private var octets: UInt64 = 0

    init(limit: UInt64) { self.limit = limit }

    /// Whether so many octets may still wait.
    func hasRoom(for size: UInt32) -> Bool { octets + UInt64(size) <= limit }

    /// Publishes now, or when the connection is back.
    mutating func publish(_ packet: Packet, on link: ClientConnection, _ turn: inout Turn) {
        turn.record(
            .messagePublished,
            message: packet.message,
            subject: packet.subject,
            detail: UInt64(packet.size)
        )
        if link.isReady {
            turn.send(packet, on: link.connection)
        } else if hasRoom(for: packet.size) {
            octets += UInt64(packet.size)
            waiting.append(packet)
        } else {
            refuse(packet, .connectionLost, &turn)
        }
    }

    /// The connection is there: what waited goes out.
    mutating func flush(_ link: ClientConnection, _ turn: inout Turn) {
        assert(link.isReady, "what waits is sent on a link that is not ready")
        while let packet = waiting.popFirst() { turn.send(packet, on: link.connection) }
        octets = 0
    }

    /// Its client died, and what waited with it.
    mutating func perish(_ turn: inout Turn) {
        for packet in waiting { refuse(packet, .clientLost, &turn) }
        waiting.removeAll()
    }

    private func refuse(_ packet: Packet, _ reason: DropReason, _ turn: inout Turn) {
        turn.record(
            .messageUnroutable,
            message: packet.message,
            subject: packet.subject,
            variant: reason.rawValue
        )
    }
}
