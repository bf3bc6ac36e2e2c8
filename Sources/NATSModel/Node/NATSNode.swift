import WarrenKernel
import WarrenTrace

/// A NATS server: subscriptions, and a copy of each message for each that matches.
///
/// It has no memory: what no subscription wants at the moment of publication is gone.
/// - Source: NATS-PUB-01, -03; NATS-QGR-01 to -05; NATS-REQ-01 to -05.
/// - Differs: the server's outbound buffers have no limit (NATS-SLW-02, -03 are not modelled), and the
///   handshake is one round trip.
struct NATSNode: Machine {
    private struct Subscription: BitwiseCopyable, Sendable {
        var connection: ConnectionID
        var sid: UInt32
        var pattern: Symbol
        /// The group, or none.
        var group: Symbol
        /// The client's symbol: the copies are counted under it.
        var client: Symbol
        var peer: NodeID
    }

    /// Who gets a message with a subject: each plain subscription, and one member of each group.
    private struct Interest: Sendable {
        var plain: [Int] = []
        var groups: [(name: Symbol, members: [Int])] = []
    }

    let broker: Symbol
    let maxPayload: UInt32
    let stream: StreamID

    private var subscriptions: [Subscription] = []
    private var peers: [ConnectionID: NodeID] = [:]
    /// By subject; forgotten when a subscription comes or goes.
    private var known: [Symbol: Interest] = [:]

    init(broker: Symbol, maxPayload: UInt32, stream: StreamID) {
        self.broker = broker
        self.maxPayload = maxPayload
        self.stream = stream
    }

    mutating func handle(_ event: Event, _ turn: inout Turn) {
        switch event {
        case .accepted(let connection, let peer):
            peers[connection] = peer
        case .arrived(let packet, let connection):
            receive(packet, connection, &turn)
        case .closed(let connection, _):
            forget(connection, &turn)
        case .stopping:
            for connection in peers.keys.sorted(by: { $0.raw < $1.raw }) { turn.close(connection) }
        case .started, .connected, .rang, .stored, .ordered:
            break
        }
    }

    private mutating func receive(
        _ packet: Packet,
        _ connection: ConnectionID,
        _ turn: inout Turn
    ) {
        switch packet.operation {
        case .connect, .ping:
            turn.send(Packet(.pong), on: connection)
        case .sub:
            subscribe(packet, connection, &turn)
        case .unsub:
            subscriptions.removeAll { $0.connection == connection && $0.sid == packet.sid }
            known = [:]
        case .pub:
            publish(packet, connection, &turn)
        case .pong, .msg, .err, .noResponders, nil:
            refuse("Unknown Protocol Operation", packet, connection, &turn)
        }
    }

    /// - Source: NATS-CON-04; NATS-PUB-06.
    private mutating func refuse(
        _ text: String,
        _ packet: Packet,
        _ connection: ConnectionID,
        _ turn: inout Turn
    ) {
        turn.record(
            .errorRaised,
            message: packet.message,
            subject: turn.names.intern(.text, "-ERR '\(text)'"),
            peer: peers[connection]?.raw ?? .max,
            variant: 1
        )
        turn.send(Packet(.err), on: connection)
        forget(connection, &turn)
        turn.close(connection)
    }

    /// - Source: NATS-SUB-04, -05, -11.
    private mutating func subscribe(
        _ packet: Packet,
        _ connection: ConnectionID,
        _ turn: inout Turn
    ) {
        assert(connection != .none, "a subscription of nobody")
        let isKnown = subscriptions.contains {
            $0.connection == connection && $0.sid == packet.sid
        }
        guard !isKnown, let peer = peers[connection] else { return }
        subscriptions.append(
            Subscription(
                connection: connection,
                sid: packet.sid,
                pattern: packet.subject,
                group: packet.reply,
                client: packet.key,
                peer: peer
            )
        )
        known = [:]
        turn.record(.consumerStarted, subject: packet.subject, peer: peer.raw)
    }

    private mutating func forget(_ connection: ConnectionID, _ turn: inout Turn) {
        guard let peer = peers.removeValue(forKey: connection) else { return }
        for subscription in subscriptions where subscription.connection == connection {
            turn.record(.consumerEnded, subject: subscription.pattern, peer: peer.raw)
        }
        subscriptions.removeAll { $0.connection == connection }
        known = [:]
    }

    private mutating func interest(in subject: Symbol, _ names: Names) -> Interest {
        if let interest = known[subject] { return interest }
        var interest = Interest()
        let text = names[subject]
        for (index, one) in subscriptions.enumerated()
        where Subject.matches(names[one.pattern], text) {
            if one.group == .none {
                interest.plain.append(index)
            } else if let group = interest.groups.firstIndex(where: { $0.name == one.group }) {
                // NATS-QGR-04: a group is its name, whatever the patterns of its members.
                interest.groups[group].members.append(index)
            } else {
                interest.groups.append((one.group, [index]))
            }
        }
        known[subject] = interest
        return interest
    }

    private mutating func publish(
        _ packet: Packet,
        _ connection: ConnectionID,
        _ turn: inout Turn
    ) {
        guard packet.size <= maxPayload else {
            refuse("Maximum Payload Violation", packet, connection, &turn)
            return
        }
        let interest = interest(in: packet.subject, turn.names)
        for index in interest.plain { deliver(packet, subscriptions[index], &turn) }
        for group in interest.groups {
            // NATS-QGR-02: any member, each time anew, however busy it is.
            let chosen = Int(turn.chance.below(UInt64(group.members.count), stream))
            deliver(packet, subscriptions[group.members[chosen]], &turn)
        }
        guard interest.plain.isEmpty, interest.groups.isEmpty else { return }
        turn.record(
            .messageUnroutable,
            message: packet.message,
            subject: packet.subject,
            variant: DropReason.noInterest.rawValue
        )
        if packet.reply != .none {
            // NATS-REQ-02: the requester hears at once that nobody answers.
            var answer = Packet(.noResponders)
            answer.token = packet.token
            turn.send(answer, on: connection)
        }
    }

    func checkInvariants() {
        precondition(
            subscriptions.allSatisfy { peers[$0.connection] == $0.peer },
            "a subscription is that of another client, or of none"
        )
        let names = subscriptions.map { UInt64($0.connection.raw) << 32 | UInt64($0.sid) }
        precondition(
            Set(names).count == names.count,
            "two subscriptions of a connection have one number"
        )
        // In any order: each is looked at.
        for interest in known.values {
            precondition(
                interest.plain.allSatisfy {
                    subscriptions.indices.contains($0) && subscriptions[$0].group == .none
                },
                "a subscription that is gone, or that of a group, gets a copy of its own"
            )
            for group in interest.groups {
                precondition(!group.members.isEmpty, "a group without members is asked")
                precondition(
                    group.members.allSatisfy {
                        subscriptions.indices.contains($0)
                            && subscriptions[$0].group == group.name
                    },
                    "a subscription gets what is for another group"
                )
            }
        }
    }

    private func deliver(_ packet: Packet, _ to: Subscription, _ turn: inout Turn) {
        assert(to.connection != .none, "a subscription of nobody")
        assert(peers[to.connection] != nil, "a subscription outlives its connection")
        assert(packet.size <= maxPayload, "a message that is too large was not refused")
        turn.record(
            .messageRouted,
            message: packet.message,
            subject: to.client,
            detail: UInt64(packet.size)
        )
        turn.record(
            .deliverySent,
            message: packet.message,
            subject: to.client,
            peer: to.peer.raw,
            variant: 2
        )
        var copy = packet
        copy.word = Operation.msg.rawValue
        copy.key = packet.subject
        copy.subject = to.client
        copy.sid = to.sid
        copy.custody = 1
        turn.send(copy, on: to.connection)
    }
}
