import WarrenBroker
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

    private let timer: TimerID
    private var reconnection: Reconnection
    private(set) var connection = ConnectionID.none
    private(set) var isReady = false
    private var isOpening = false

    /// `timer`: the one that it uses of its client's.
    init(_ reconnection: Reconnection, timer: TimerID = TimerID(0)) {
        self.reconnection = reconnection
        self.timer = timer
    }

    mutating func open(_ turn: inout Turn) {
        isOpening = true
        connection = turn.connect(to: reconnection.host)
    }

    /// Subscribes.
    ///
    /// `account`: what copies for the client are counted under.
    func subscribe(to pattern: Symbol, group: Symbol, for account: Symbol, _ turn: inout Turn) {
        assert(isReady, "a subscription on a connection that is not ready")
        var sub = Packet(.sub)
        sub.subject = pattern
        sub.key = account
        sub.reply = group
        sub.sid = 1
        turn.send(sub, on: connection)
    }

    mutating func handle(_ event: Event, _ turn: inout Turn) -> Signal {
        switch event {
        case .connected(let opened) where opened == connection:
            turn.send(Packet(.connect), on: connection)
            return .nothing
        case .arrived(let packet, let from) where from == connection:
            if packet.operation == .pong, !isReady {
                isReady = true
                reconnection.succeed()
                return .ready
            }
            return .packet(packet)
        case .closed(let ended, _) where ended == connection:
            let wasReady = isReady
            isReady = false
            isOpening = false
            connection = .none
            if let wait = reconnection.fail() { turn.arm(self.timer, after: wait) }
            return wasReady ? .lost : .nothing
        case .rang(let timer) where timer == self.timer && !isOpening:
            open(&turn)
            return .nothing
        case .started, .accepted, .connected, .arrived, .closed, .rang, .stored, .ordered,
            .stopping:
            return .nothing
        }
    }
}
