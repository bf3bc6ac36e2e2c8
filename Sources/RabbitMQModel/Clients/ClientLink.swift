import WarrenBroker
import WarrenKernel
import WarrenTrace

/// A client's connection with one channel, and the will to open it again.
///
///     down ──connect──▶ connecting ──connected──▶ opening ──open-ok──▶ openingChannel
///      ▲                                                                     │
///      └──────────────── lost, refused, closed by the broker ◀── ready ◀─────┘
struct ClientLink: Sendable {
    /// Where the connection stands.
    enum Phase: Sendable { case down, connecting, opening, openingChannel, ready, dead }

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

    static let channel: UInt16 = 1

    /// What a client library does when something is lost.
    ///
    /// - Source: RMQ-CLUS-07; Bunny 2.19 `recover_from_connection_close`, the Java client's automatic recovery: both
    ///   open the connection, its channels and their consumers again, and leave a channel closed that the
    ///   broker closed over an error.
    enum Recovery: String, Sendable, CaseIterable {
        /// Whoever runs the client starts it anew, whatever was lost.
        case supervised
        case bunny, java
        /// Nothing comes back.
        case none
    }

    /// How a client connects, and connects again.
    struct Plan: Sendable {
        /// The nodes that it may connect to, in its order.
        var hosts: [NodeID]
        var vhost: Symbol
        /// Who connects; none for guest.
        var user: Symbol
        /// How long to wait before connecting again; nil for never.
        var reconnect: Interval?
        /// By how much the wait grows with each try in vain, in thousandths, and its end.
        var backoff: (factor: UInt64, longest: Interval) = (1000, .seconds(5))
        var recovery = Recovery.supervised
        /// How long a try may take.
        var connectTimeout = Interval.seconds(30)
        /// Seconds between heartbeats; 0 for none.
        var heartbeat: UInt16 = 60
        /// Where on a connection that it shares with others it is; nil if it has one of its own.
        var place: SharedConnection.Place?
        /// The timers that the link uses of its client's.
        var timer = TimerID(0)
        var pulse = TimerID(6)
    }

    let plan: Plan
    private var reconnection: Reconnection
    private var heartbeat: Heartbeat
    private(set) var connection = ConnectionID.none
    private(set) var phase = Phase.down

    init(_ plan: Plan) {
        self.plan = plan
        heartbeat = Heartbeat(every: plan.heartbeat, plan.pulse)
        reconnection = Reconnection(
            hosts: plan.hosts,
            wait: plan.recovery == .none ? nil : plan.reconnect,
            backoff: plan.backoff
        )
    }

    @inline(__always)
    var isReady: Bool { phase == .ready }

    mutating func open(_ turn: inout Turn) {
        connection = turn.connect(to: reconnection.host)
        phase = .connecting
        turn.arm(plan.timer, after: plan.connectTimeout)
    }

    /// Gives the connection up and begins anew, as a supervisor does.
    mutating func restart(_ turn: inout Turn) -> Signal {
        turn.close(connection)
        return lose(&turn)
    }

    @inline(__always)
    mutating func handle(_ event: Event, _ turn: inout Turn) -> Signal {
        if case .arrived(let packet, let from) = event, from == connection, phase == .ready,
            packet.word != Method.channelClose.rawValue,
            packet.word != Method.connectionClose.rawValue,
            packet.word != Method.heartbeat.rawValue
        {
            hear(turn.now)
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
            packet.key = plan.vhost
            packet.subject = plan.user
            packet.c = UInt32(plan.heartbeat)
            if let place = plan.place { packet.place = place }
            turn.send(packet, on: connection)
            return .nothing
        case .arrived(let packet, let from) where from == connection:
            return handle(packet, &turn)
        case .closed(let ended, _) where ended == connection:
            return lose(&turn)
        case .rang(let timer) where timer == plan.timer: return ring(&turn)
        case .rang(let timer) where timer == plan.pulse: return beat(&turn)
        case .started, .accepted, .connected, .arrived, .closed, .rang, .stored, .ordered,
            .stopping:
            return .nothing
        }
    }

    private mutating func ring(_ turn: inout Turn) -> Signal {
        switch phase {
        case .down:
            open(&turn)
            return .nothing
        case .connecting, .opening, .openingChannel:
            turn.close(connection, .reset)
            return lose(&turn)
        case .ready, .dead: return .nothing
        }
    }

    // MARK: Heartbeats

    /// Something came from the broker: whatever it is, it is a sign of life.
    @inline(__always)
    mutating func hear(_ now: Instant) { heartbeat.hear(now) }

    private mutating func beat(_ turn: inout Turn) -> Signal {
        guard phase == .ready, !heartbeat.beat(connection, &turn) else { return .nothing }
        return lose(&turn)
    }

    private mutating func handle(_ packet: Packet, _ turn: inout Turn) -> Signal {
        hear(turn.now)
        switch packet.method {
        case .connectionOpenOk:
            phase = .openingChannel
            turn.send(Packet(.channelOpen, channel: Self.channel), on: connection)
            return .nothing
        case .channelOpenOk:
            phase = .ready
            reconnection.succeed()
            turn.disarm(plan.timer)
            heartbeat.begin(&turn)
            return .ready
        case .heartbeat: return .nothing
        case .connectionClose:
            turn.send(Packet(.connectionCloseOk, channel: 0), on: connection)
            turn.close(connection)
            return lose(&turn)
        case .channelClose:
            turn.send(Packet(.channelCloseOk, channel: Self.channel), on: connection)
            guard plan.recovery == .supervised else {
                // The library leaves the channel closed, and the program hears of it once.
                phase = .dead
                return .lost
            }
            turn.close(connection)
            return lose(&turn)
        default:
            return phase == .ready ? .packet(packet) : .nothing
        }
    }

    // MARK: What consumers say

    /// Consumes from a queue.
    ///
    /// `options`: what basic.consume says beside its flags.
    func consume(
        _ queue: Symbol,
        prefetch: UInt32,
        flags: UInt8,
        options: ParcelID = .none,
        _ turn: inout Turn
    ) {
        var qos = Packet(.basicQos, channel: Self.channel)
        qos.c = prefetch
        turn.send(qos, on: connection)
        var consume = Packet(.basicConsume, channel: Self.channel)
        consume.subject = queue
        consume.flags = flags
        consume.parcel = options
        turn.send(consume, on: connection)
    }

    /// Acknowledges or rejects a delivery, on the connection that it came on or nowhere.
    @inline(__always)
    func settle(
        _ message: MessageID,
        _ tag: UInt64,
        on origin: ConnectionID,
        _ method: Method,
        flags: UInt8,
        _ turn: inout Turn
    ) {
        guard origin == connection, isReady else { return }
        var packet = Packet(method, channel: Self.channel)
        packet.message = message
        packet.tag = tag
        packet.flags = flags
        turn.send(packet, on: connection)
    }

    private mutating func lose(_ turn: inout Turn) -> Signal {
        let wasReady = phase == .ready
        let wasDead = phase == .dead
        phase = .down
        connection = .none
        heartbeat.end(&turn)
        turn.disarm(plan.timer)
        if !wasDead, let wait = reconnection.fail() {
            turn.arm(plan.timer, after: wait)
        } else {
            phase = .dead
        }
        return wasReady ? .lost : .nothing
    }
}
