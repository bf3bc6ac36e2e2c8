import WarrenKernel
import WarrenTrace

/// A client's connection with one channel, and the will to open it again.
///
///     down ──connect──▶ connecting ──connected──▶ opening ──open-ok──▶ openingChannel
///      ▲                                                                     │
///      └──────────────── lost, refused, closed by the broker ◀── ready ◀─────┘
struct ClientLink: Sendable {
    /// Where the connection stands.
    enum Phase: Sendable { case down, connecting, opening, openingChannel, ready }

    /// What an event means for the client.
    enum Signal: Sendable {
        /// The channel is open.
        case ready
        /// The connection or the channel is gone; what was in flight on it is, too.
        case lost
        /// A packet for the client.
        case packet(Packet)
        /// Nothing.
        case nothing
    }

    /// The timer that the link uses; clients use others.
    static let timer = TimerID(0)
    static let channel: UInt16 = 1

    let node: NodeID
    let vhost: Symbol
    /// Who connects; none for guest.
    let user: Symbol
    /// How long to wait before connecting again; nil for never.
    let reconnect: Interval?
    private(set) var connection = ConnectionID.none
    private(set) var phase = Phase.down

    init(node: NodeID, vhost: Symbol, user: Symbol, reconnect: Interval?) {
        self.user = user
        self.node = node
        self.vhost = vhost
        self.reconnect = reconnect
    }

    @inline(__always)
    var isReady: Bool { phase == .ready }

    mutating func open(_ turn: inout Turn) {
        connection = turn.connect(to: node)
        phase = .connecting
    }

    @inline(__always)
    mutating func handle(_ event: Event, _ turn: inout Turn) -> Signal {
        if case .arrived(let packet, let from) = event, from == connection, phase == .ready,
            packet.word != Method.channelClose.rawValue,
            packet.word != Method.connectionClose.rawValue
        {
            return .packet(packet)
        }
        return handleRare(event, &turn)
    }

    @inline(never)
    private mutating func handleRare(_ event: Event, _ turn: inout Turn) -> Signal {
        switch event {
        case .connected(let opened) where opened == connection:
            phase = .opening
            var packet = Packet(.connectionOpen, channel: 0)
            packet.key = vhost
            packet.subject = user
            turn.send(packet, on: connection)
            return .nothing
        case .arrived(let packet, let from) where from == connection:
            return handle(packet, &turn)
        case .closed(let ended, _) where ended == connection:
            return lose(&turn)
        case .rang(let timer) where timer == Self.timer && phase == .down:
            open(&turn)
            return .nothing
        case .started, .accepted, .connected, .arrived, .closed, .rang, .stored, .ordered,
            .stopping:
            return .nothing
        }
    }

    private mutating func handle(_ packet: Packet, _ turn: inout Turn) -> Signal {
        switch packet.method {
        case .connectionOpenOk:
            phase = .openingChannel
            turn.send(Packet(.channelOpen, channel: Self.channel), on: connection)
            return .nothing
        case .channelOpenOk:
            phase = .ready
            return .ready
        case .connectionClose:
            turn.send(Packet(.connectionCloseOk, channel: 0), on: connection)
            turn.close(connection)
            return lose(&turn)
        case .channelClose:
            turn.send(Packet(.channelCloseOk, channel: Self.channel), on: connection)
            turn.close(connection)
            return lose(&turn)
        default:
            return phase == .ready ? .packet(packet) : .nothing
        }
    }

    private mutating func lose(_ turn: inout Turn) -> Signal {
        let wasReady = phase == .ready
        phase = .down
        connection = .none
        if let reconnect { turn.arm(Self.timer, after: reconnect) }
        return wasReady ? .lost : .nothing
    }
}
