import DequeModule
import WarrenBroker
package import WarrenKernel
package import WarrenTrace

/// The connection of a process whose roles share it.
///
/// To its roles it is a broker next door, to the broker it is one client: each role opens a connection to it that takes
/// no time, and has a channel of its own on the one to the broker, or shares that as well. What ends it ends it for
/// all: a role whose channel is closed and that begins anew, a lost packet too many, a kill. Then each role waits as long
/// as it says, and the first one that comes back opens it again.
///
/// - Source: RMQ-CONN-17 for what an error of a channel closes, RMQ-PUB-07 and -08 for confirms counted by channel,
///   RMQ-CONS-09 for a prefetch that counts by consumer; a shared channel with four roles and
///   `stories/acks-behind-an-alarm.yaml`, replayed on 3.10.8.
struct SharedConnection: Machine {
    /// What a role says about itself when it opens its connection.
    struct Place: BitwiseCopyable, Sendable, Hashable {
        /// The channel, from 1.
        var channel: UInt16
        /// Whether others are on it.
        var isShared: Bool
    }

    private enum Phase: Sendable { case down, connecting, opening, open }

    /// A role that is connected.
    private struct Role: Sendable {
        let connection: ConnectionID
        let node: NodeID
        var place = Place(channel: 1, isShared: false)
        /// The number of its last publication on a shared channel, if it asked for confirms.
        var sequence: UInt64?
    }

    private let plan: ClientLink.Plan
    private var phase = Phase.down
    private var host = 0
    private var connection = ConnectionID.none
    private var heartbeat: Heartbeat
    private var roles: [Role] = []
    private var channels: [UInt16: SharedChannel] = [:]

    init(_ plan: ClientLink.Plan) {
        self.plan = plan
        heartbeat = Heartbeat(every: plan.heartbeat, TimerID(0))
    }

    mutating func handle(_ event: Event, _ turn: inout Turn) {
        switch event {
        case .accepted(let opened, let node):
            roles.append(Role(connection: opened, node: node))
        case .arrived(let packet, let from) where from == connection:
            heartbeat.hear(turn.now)
            hear(packet, &turn)
        case .arrived(let packet, let from):
            guard let role = roles.firstIndex(where: { $0.connection == from }) else { return }
            take(packet, role, &turn)
        case .connected(let opened) where opened == connection:
            phase = .opening
            var open = Packet(.connectionOpen, channel: 0)
            open.key = plan.vhost
            open.subject = plan.user
            open.c = UInt32(plan.heartbeat)
            turn.send(open, on: connection)
        case .closed(let ended, let how) where ended == connection:
            endRoles(how, &turn)
        case .closed(let ended, let how):
            guard roles.contains(where: { $0.connection == ended }) else { return }
            roles.removeAll { $0.connection == ended }
            turn.close(connection, how == .closed ? .closed : .reset)
            endRoles(.reset, &turn)
        case .rang: beat(&turn)
        case .started, .connected, .stored, .ordered, .stopping: break
        }
    }

    // MARK: The connection

    private mutating func connect(_ turn: inout Turn) {
        phase = .connecting
        connection = turn.connect(to: plan.hosts[host])
    }

    /// All that was on the connection is gone.
    private mutating func endRoles(_ how: Closure, _ turn: inout Turn) {
        phase = .down
        connection = .none
        heartbeat.end(&turn)
        host = (host + 1) % plan.hosts.count
        channels = [:]
        let ended = roles
        roles = []
        for role in ended { turn.close(role.connection, how) }
    }

    private mutating func beat(_ turn: inout Turn) {
        guard phase == .open, !heartbeat.beat(connection, &turn) else { return }
        endRoles(.reset, &turn)
    }

    // MARK: From a role

    private mutating func take(_ packet: Packet, _ role: Int, _ turn: inout Turn) {
        switch packet.method {
        case .connectionOpen:
            roles[role].place = packet.place
            switch phase {
            case .open:
                turn.send(Packet(.connectionOpenOk, channel: 0), on: roles[role].connection)
            case .down: connect(&turn)
            case .connecting, .opening: break
            }
        case .channelOpen: openChannel(role, &turn)
        // What the broker closes is answered here, once for all.
        case .channelCloseOk, .connectionCloseOk, .heartbeat: break
        default: pass(packet, role, &turn)
        }
    }

    private mutating func openChannel(_ role: Int, _ turn: inout Turn) {
        let place = roles[role].place
        let member = roles[role].connection
        guard channels[place.channel] == nil else {
            channels[place.channel]?.members.append(member)
            if channels[place.channel]?.isOpen == true {
                turn.send(Packet(.channelOpenOk, channel: ClientLink.channel), on: member)
            }
            return
        }
        channels[place.channel] = SharedChannel(members: [member])
        var open = Packet(.channelOpen, channel: place.channel)
        if !place.isShared { open.channelOwner = roles[role].node }
        turn.send(open, on: connection)
    }

    private mutating func pass(_ packet: Packet, _ role: Int, _ turn: inout Turn) {
        let place = roles[role].place
        guard channels[place.channel]?.isOpen == true else { return turn.loseUnsent(packet) }
        if place.isShared {
            if packet.method == .confirmSelect { roles[role].sequence = 0 }
            if packet.method == .basicPublish, let sequence = roles[role].sequence {
                roles[role].sequence = sequence + 1
            }
            channels[place.channel]?.note(
                packet,
                from: roles[role].connection,
                roles[role].sequence
            )
        }
        var packet = packet
        packet.port = UInt32(place.channel)
        turn.send(packet, on: connection)
    }

    // MARK: From the broker

    private mutating func hear(_ packet: Packet, _ turn: inout Turn) {
        switch packet.method {
        case .connectionOpenOk:
            phase = .open
            heartbeat.begin(&turn)
            for role in roles { turn.send(packet, on: role.connection) }
        case .heartbeat: break
        case .connectionClose:
            turn.send(Packet(.connectionCloseOk, channel: 0), on: connection)
            turn.close(connection)
            // They close their side themselves when they have read why.
            for role in roles { turn.send(packet, on: role.connection) }
            roles = []
            endRoles(.closed, &turn)
        case .connectionBlocked, .connectionUnblocked:
            for role in roles { turn.send(packet, on: role.connection) }
        default: hearOnChannel(packet, &turn)
        }
    }

    private mutating func hearOnChannel(_ packet: Packet, _ turn: inout Turn) {
        let number = packet.channel
        guard let members = channels[number]?.members else { return turn.loseUnsent(packet) }
        var packet = packet
        packet.port = UInt32(ClientLink.channel)
        switch packet.method {
        case .channelOpenOk:
            channels[number]?.isOpen = true
            for member in members { turn.send(packet, on: member) }
        case .channelClose:
            turn.send(Packet(.channelCloseOk, channel: number), on: connection)
            channels[number] = nil
            for member in members { turn.send(packet, on: member) }
        default:
            guard roles.first(where: { $0.connection == members[0] })?.place.isShared == true else {
                return turn.send(packet, on: members[0])
            }
            let found = channels[number]?.share(packet) ?? []
            if found.isEmpty { turn.loseUnsent(packet) }
            for (member, part) in found { turn.send(part, on: member) }
        }
    }
}

/// A channel of a shared connection, and what of it is whose if several roles are on it.
private struct SharedChannel: Sendable {
    /// A publication that waits for its confirm, and its number there.
    private struct Waiting: Sendable {
        var member: ConnectionID
        var sequence: UInt64
    }

    /// More publications than that are not on their way at once.
    private static let longest = 1 << 16

    /// The connections of its roles, the first one first.
    var members: [ConnectionID]
    var isOpen = false
    private var isConfirming = false
    private var sequence: UInt64 = 0
    private var firstWaiting: UInt64 = 1
    private var waiting: [UInt64: Waiting] = [:]
    /// What may be returned, in its order.
    private var mandatory = Deque<(message: MessageID, member: ConnectionID)>()
    /// Who asked what, in its order.
    ///
    /// The answers need not come in it: consume-ok comes from the queue, and what the channel answers itself overtakes it,
    /// as a replay on 3.10.8 showed.
    private var requests: [(method: Method, member: ConnectionID)] = []
    private var consumers: [UInt32: ConnectionID] = [:]
    private var tags: [Symbol: ConnectionID] = [:]

    init(members: [ConnectionID]) { self.members = members }

    /// Notes what a role says; `own`: the number of its publication, if it asked for confirms.
    mutating func note(_ packet: Packet, from member: ConnectionID, _ own: UInt64?) {
        switch packet.method {
        case .basicPublish:
            if packet.has(Flag.mandatory) {
                mandatory.append((packet.message, member))
                if mandatory.count > Self.longest { mandatory.removeFirst() }
            }
            guard isConfirming else { return }
            sequence += 1
            if let own { waiting[sequence] = Waiting(member: member, sequence: own) }
        case .basicAck, .basicNack, .basicReject: break
        case .confirmSelect:
            isConfirming = true
            requests.append((.confirmSelect, member))
        default: if let method = packet.method { requests.append((method, member)) }
        }
    }

    /// Who hears what the broker says, and in which words.
    mutating func share(_ packet: Packet) -> [(ConnectionID, Packet)] {
        switch packet.method {
        case .basicDeliver: return consumers[packet.consumerNumber].map { [($0, packet)] } ?? []
        case .basicCancel: return tags[packet.key].map { [($0, packet)] } ?? []
        case .basicReturn:
            // Returns come in the order of publication.
            while let next = mandatory.popFirst() {
                if next.message == packet.message { return [(next.member, packet)] }
            }
            return []
        case .basicAck, .basicNack: return settle(packet)
        default:
            let request = requests.firstIndex { packet.word == $0.method.rawValue + 1 }
            guard let member = request.map({ requests.remove(at: $0).member }) else { return [] }
            if packet.method == .basicConsumeOk {
                consumers[packet.c] = member
                tags[packet.key] = member
            }
            return [(member, packet)]
        }
    }

    /// A confirm is told to each role whose publications it covers, one by one and by its own numbers.
    private mutating func settle(_ packet: Packet) -> [(ConnectionID, Packet)] {
        let first = packet.has(Flag.multiple) ? firstWaiting : packet.tag
        guard packet.tag <= sequence, first <= packet.tag else { return [] }
        var told: [(ConnectionID, Packet)] = []
        for number in first...packet.tag {
            guard let one = waiting.removeValue(forKey: number) else { continue }
            var part = packet
            part.flags &= ~Flag.multiple
            part.tag = one.sequence
            told.append((one.member, part))
        }
        if packet.has(Flag.multiple) { firstWaiting = packet.tag + 1 }
        return told
    }
}

extension Packet {
    /// connection.open: where on a shared connection its role is.
    var place: SharedConnection.Place {
        get { SharedConnection.Place(channel: UInt16(truncatingIfNeeded: d), isShared: x & 1 == 1) }
        set {
            d = UInt32(newValue.channel)
            x = newValue.isShared ? 1 : 0
        }
    }

    /// channel.open: the node of the client that it is for, where that is not the one that connected.
    package var channelOwner: NodeID? {
        get { d == 0 ? nil : NodeID(d - 1) }
        set { d = newValue.map { $0.raw + 1 } ?? 0 }
    }
}
