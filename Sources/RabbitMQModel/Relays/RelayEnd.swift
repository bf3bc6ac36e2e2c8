import DequeModule
import WarrenKernel
import WarrenTrace

/// Where an end of a relay connects to.
struct RelaySite: Sendable {
    /// The nodes, one of which is drawn at each try.
    var nodes: [NodeID]
    /// What the broker calls its cluster.
    var cluster: String
    var vhost: String
    /// The scope of the names there.
    var scope: Symbol
    /// Who connects; none for guest.
    var user: Symbol
    /// Whether it is the node that the relay runs on: there is no network between them.
    var isLocal: Bool
}

/// One of the two connections of a relay.
///
///     down ──connect──▶ connecting ──connected──▶ opening ──open-ok──▶ openingChannel ──open-ok──▶ open
///      ▲                                                                                            │
///      └──────────────────────────── lost, refused, or a channel of it closed ◀─────────────────────┘
///
/// - Source: amqp_client 3.10.8: a minute for a connection, heartbeats of ten seconds, none without a network.
struct RelayEnd: Sendable {
    /// Where the connection stands.
    enum Phase: Sendable { case down, connecting, opening, openingChannel, open }

    /// Something that is asked for and waited for.
    enum Step: Sendable {
        /// A method with an answer.
        case call(Packet)
        /// Looks for something on a channel of its own, and makes it if there is none.
        case ensure(look: Packet, make: Packet)

        func parcels(_ holding: inout ParcelMarks) {
            switch self {
            case .call(let packet): holding.keep(packet.parcel)
            case .ensure(let look, let make):
                holding.keep(look.parcel)
                holding.keep(make.parcel)
            }
        }
    }

    /// What an event means for the relay.
    enum Signal: Sendable {
        case nothing
        /// The channel is open.
        case opened
        /// The step is done; its answer.
        case done(Packet)
        /// A delivery or a confirm.
        case packet(Packet)
        /// The connection is gone, or a channel of it.
        case lost
        /// The broker closed the channel for messages, and nobody minds before the next one.
        case deaf
    }

    /// The channel for messages, the one for what is declared, and one that is used once.
    static let channel: UInt16 = 1
    static let commands: UInt16 = 2
    private static let disposable: UInt16 = 3

    private static let patience = Interval.seconds(60)
    private static let heartbeat: UInt16 = 10

    private let patienceTimer: TimerID
    private let pulseTimer: TimerID
    private var heartbeat: Heartbeat
    private(set) var connection = ConnectionID.none
    private(set) var phase = Phase.down
    /// What is waited for, and whether its own channel is open.
    private var step: Step?
    private var isLooking = false
    private(set) var site: RelaySite

    /// An end that is down, and uses two timers.
    init(_ site: RelaySite, _ patience: TimerID, _ pulse: TimerID) {
        self.site = site
        patienceTimer = patience
        pulseTimer = pulse
        heartbeat = Heartbeat(every: site.isLocal ? 0 : Self.heartbeat, pulse)
    }

    var isOpen: Bool { phase == .open }

    // MARK: Opening and closing

    mutating func connect(_ draws: StreamID, _ turn: inout Turn) {
        assert(phase == .down, "a connection is opened twice")
        guard !site.nodes.isEmpty else { return }
        let one = Int(turn.chance.below(UInt64(site.nodes.count), draws))
        connection = turn.connect(to: site.nodes[one])
        phase = .connecting
        turn.arm(patienceTimer, after: Self.patience)
    }

    /// Closes the connection in good order, if it is open.
    mutating func close(_ turn: inout Turn) {
        if isOpen { turn.send(Packet(.connectionClose, channel: 0), on: connection) }
        turn.close(connection)
        fall(&turn)
    }

    private mutating func fall(_ turn: inout Turn) {
        phase = .down
        connection = .none
        step = nil
        isLooking = false
        heartbeat.end(&turn)
        turn.disarm(patienceTimer)
    }

    // MARK: Events

    /// Whether an event is about this end.
    func concerns(_ event: Event) -> Bool {
        switch event {
        case .arrived(_, let from): from == connection
        case .connected(let opened): opened == connection
        case .closed(let ended, _): ended == connection
        case .rang(let timer): timer == patienceTimer || timer == pulseTimer
        case .started, .accepted, .stored, .ordered, .stopping: false
        }
    }

    mutating func handle(_ event: Event, _ turn: inout Turn) -> Signal {
        switch event {
        case .connected:
            phase = .opening
            var packet = Packet(.connectionOpen, channel: 0)
            packet.key = turn.names.intern(.text, site.vhost)
            packet.subject = site.user
            packet.c = site.isLocal ? 0 : UInt32(Self.heartbeat)
            turn.send(packet, on: connection)
            return .nothing
        case .arrived(let packet, _):
            heartbeat.hear(turn.now)
            return receive(packet, &turn)
        case .closed:
            fall(&turn)
            return .lost
        case .rang(let timer) where timer == pulseTimer:
            guard isOpen, !heartbeat.beat(connection, &turn) else { return .nothing }
            fall(&turn)
            return .lost
        case .rang:
            guard phase != .down, phase != .open else { return .nothing }
            turn.close(connection, .reset)
            fall(&turn)
            return .lost
        case .started, .accepted, .stored, .ordered, .stopping: return .nothing
        }
    }

    private mutating func receive(_ packet: Packet, _ turn: inout Turn) -> Signal {
        switch packet.method {
        case .connectionOpenOk:
            phase = .openingChannel
            turn.send(Packet(.channelOpen, channel: Self.channel), on: connection)
        case .channelOpenOk where phase == .openingChannel && packet.channel == Self.channel:
            phase = .open
            turn.disarm(patienceTimer)
            heartbeat.begin(&turn)
            return .opened
        case .basicDeliver, .basicAck, .basicNack: return .packet(packet)
        case .heartbeat, .connectionBlocked, .connectionUnblocked, .basicReturn: break
        case .connectionClose:
            turn.send(Packet(.connectionCloseOk, channel: 0), on: connection)
            turn.close(connection)
            fall(&turn)
            return .lost
        case .channelClose:
            turn.send(Packet(.channelCloseOk, channel: packet.channel), on: connection)
            if packet.channel == Self.disposable, packet.c == 404, isLooking,
                case .ensure(_, let make)? = step
            {
                isLooking = false
                perform(.call(make), &turn)
                return .nothing
            }
            // Only a channel that is closed with 406, or while something is asked for, is noticed at once.
            if packet.channel == Self.channel, packet.c != 406, step == nil { return .deaf }
            close(&turn)
            return .lost
        case .basicCancel:
            close(&turn)
            return .lost
        default: return answer(packet, &turn)
        }
        return .nothing
    }

    // MARK: Steps

    /// Asks for something; what comes of it is a signal.
    mutating func perform(_ step: Step, _ turn: inout Turn) {
        assert(isOpen, "something is asked for on a connection that is not open")
        self.step = step
        switch step {
        case .call(let packet): turn.send(packet, on: connection)
        case .ensure:
            isLooking = true
            turn.send(Packet(.channelOpen, channel: Self.disposable), on: connection)
        }
    }

    private mutating func answer(_ packet: Packet, _ turn: inout Turn) -> Signal {
        switch step {
        case .call(let call)? where call.channel == packet.channel:
            step = nil
            return .done(packet)
        case .ensure(let look, _)? where packet.channel == Self.disposable:
            switch packet.method {
            case .channelOpenOk:
                var asked = look
                asked.port = UInt32(Self.disposable)
                turn.send(asked, on: connection)
            case .channelCloseOk:
                step = nil
                isLooking = false
                return .done(packet)
            default: turn.send(Packet(.channelClose, channel: Self.disposable), on: connection)
            }
        default: break
        }
        return .nothing
    }

    /// Says something whose answer nobody waits for.
    func say(_ packet: Packet, _ turn: inout Turn) { turn.send(packet, on: connection) }
}
