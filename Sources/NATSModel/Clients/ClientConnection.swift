import WarrenKernel
import WarrenTrace

/// A client library's connection: connect, subscribe again after a loss, try again for ever.
///
/// - Source: NATS-CLI-03, -04 (subscriptions are sent before what was buffered).
struct ClientConnection: Sendable {
    /// What an event means for the client.
    enum Signal: Sendable {
        case ready
        case lost
        case packet(Packet)
        case nothing
    }

    static let timer = TimerID(0)

    let node: NodeID
    /// How long to wait before connecting again; nil for never.
    let reconnect: Interval?
    private(set) var connection = ConnectionID.none
    private(set) var isReady = false
    private var isOpening = false

    init(node: NodeID, reconnect: Interval?) {
        self.node = node
        self.reconnect = reconnect
    }

    mutating func open(_ turn: inout Turn) {
        isOpening = true
        connection = turn.connect(to: node)
    }

    mutating func handle(_ event: Event, _ turn: inout Turn) -> Signal {
        switch event {
        case .connected(let opened) where opened == connection:
            turn.send(Packet(.connect), on: connection)
            return .nothing
        case .arrived(let packet, let from) where from == connection:
            if packet.operation == .pong, !isReady {
                isReady = true
                return .ready
            }
            return .packet(packet)
        case .closed(let ended, _) where ended == connection:
            let wasReady = isReady
            isReady = false
            isOpening = false
            connection = .none
            if let reconnect { turn.arm(Self.timer, after: reconnect) }
            return wasReady ? .lost : .nothing
        case .rang(let timer) where timer == Self.timer && !isOpening:
            open(&turn)
            return .nothing
        case .started, .accepted, .connected, .arrived, .closed, .rang, .stored, .ordered,
            .stopping:
            return .nothing
        }
    }
}
