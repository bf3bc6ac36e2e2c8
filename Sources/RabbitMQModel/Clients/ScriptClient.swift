import DequeModule
import WarrenKernel
import WarrenTrace

/// A client that does exactly what its script says, one step after the other.
///
/// A step that the broker answers waits for the answer. When the broker closes a channel the script goes on
/// at the next step that opens one; when the connection is gone, at the next step that makes another. What it hears
/// is in the trace, word for word.
struct ScriptClient: Machine {
    struct Plan: Sendable {
        var client: Symbol
        /// Where it connects to: the first time, the second time and so on, from the beginning when they are over.
        var hosts: [NodeID]
        var vhost: Symbol
        var user: Symbol
        var startAfter: Interval
        /// Seconds between heartbeats; 0 for none.
        var heartbeat: UInt16
        var steps: [Step]
        /// What the trace calls each step.
        var labels: [Symbol]
    }

    /// A publication that waits for its confirm.
    private struct Outstanding: Sendable {
        var message: MessageID
        var publishedAt: Instant
        var wasReturned = false
        var isSettled = false
    }

    /// The publications of a channel that wait, in order: confirms find theirs by its number.
    private struct Ledger: Sendable {
        /// The number of the first.
        var first: UInt64 = 1
        var waiting = Deque<Outstanding>()

        /// What a confirm is about.
        mutating func settle(_ tag: UInt64, multiple: Bool) -> [Outstanding] {
            guard tag >= first, tag - first < UInt64(waiting.count) else { return [] }
            let last = Int(tag - first)
            var done: [Outstanding] = []
            for index in (multiple ? 0 : last)...last where !waiting[index].isSettled {
                waiting[index].isSettled = true
                done.append(waiting[index])
            }
            while waiting.first?.isSettled == true {
                waiting.removeFirst()
                first += 1
            }
            return done
        }
    }

    /// A delivery that was not acknowledged.
    private struct Held: Sendable {
        var channel: UInt16
        var tag: UInt64
        var message: MessageID
        var queue: Symbol
    }

    private enum Waiting: Sendable, Equatable {
        case nothing, connection, answer, confirms, time
        case deliveries(Int)
    }

    private static let timer = TimerID(1)
    private static let pulse = TimerID(2)

    private let plan: Plan
    private var next = 0
    private var waiting = Waiting.nothing
    private var connection = ConnectionID.none
    /// How often it has connected.
    private var connects = 0
    private var channel: UInt16 = 1
    private var open: Set<UInt16> = []
    /// What waits for confirms, by channel that was asked for them.
    private var ledgers: [UInt16: Ledger] = [:]
    private var unconfirmed = 0
    private var held: [Held] = []
    private var delivered = 0
    private var heartbeat: Heartbeat
    private var hearing = Hearing()

    init(_ plan: Plan) {
        self.plan = plan
        heartbeat = Heartbeat(every: plan.heartbeat, Self.pulse)
    }

    mutating func handle(_ event: Event, _ turn: inout Turn) {
        switch event {
        case .started:
            waiting = .connection
            if plan.startAfter == .zero {
                connect(&turn)
            } else {
                turn.arm(Self.timer, after: plan.startAfter)
            }
        case .rang(Self.pulse): beat(&turn)
        case .rang:
            if connection == .none, next == 0 {
                connect(&turn)
            } else if waiting == .time {
                goOn(&turn)
            }
        case .connected(let opened) where opened == connection:
            var packet = Packet(.connectionOpen, channel: 0)
            packet.key = plan.vhost
            packet.subject = plan.user
            packet.c = UInt32(plan.heartbeat)
            heartbeat.hear(turn.now)
            heartbeat.begin(&turn)
            turn.send(packet, on: connection)
        case .arrived(let packet, let from) where from == connection:
            receive(packet, &turn)
        case .closed(let ended, _) where ended == connection:
            end(&turn)
        case .accepted, .connected, .arrived, .closed, .stored, .ordered, .stopping:
            break
        }
    }

    // MARK: What comes

    private mutating func receive(_ packet: Packet, _ turn: inout Turn) {
        heartbeat.hear(turn.now)
        hearing.record(packet, &turn)
        switch packet.method {
        case .heartbeat, .connectionBlocked, .connectionUnblocked: break
        case .connectionOpenOk: turn.send(Packet(.channelOpen, channel: 1), on: connection)
        case .channelOpenOk:
            open.insert(packet.channel)
            goOn(&turn)
        case .basicDeliver: take(packet, &turn)
        case .basicGetOk:
            take(packet, &turn)
            goOn(&turn)
        case .basicAck, .basicNack: confirm(packet, packet.method == .basicAck, &turn)
        case .basicReturn:
            turn.record(.messageReturned, message: packet.message, subject: packet.subject)
            // Returns come in the order of publication, ahead of their confirms.
            if let index = ledgers[packet.channel]?.waiting.firstIndex(where: {
                $0.message == packet.message
            }) {
                ledgers[packet.channel]?.waiting[index].wasReturned = true
            }
        case .basicCancel: break
        case .channelClose:
            turn.send(Packet(.channelCloseOk, channel: packet.channel), on: connection)
            lose(packet.channel, &turn)
            // Who sleeps does not notice.
            if packet.channel == channel, waiting != .time { goOn(&turn) }
        case .connectionClose:
            turn.send(Packet(.connectionCloseOk, channel: 0), on: connection)
            turn.close(connection)
            end(&turn)
        case .basicConsumeOk: goOn(&turn)
        case .confirmSelectOk:
            if ledgers[packet.channel] == nil { ledgers[packet.channel] = Ledger() }
            goOn(&turn)
        case .channelCloseOk:
            lose(packet.channel, &turn)
            goOn(&turn)
        case .connectionCloseOk: end(&turn)
        default: if waiting == .answer { goOn(&turn) }
        }
    }

    /// What comes is settled already if the broker has no copy any more: of a consumer that acknowledges
    /// by itself, and of a direct reply.
    private mutating func take(_ packet: Packet, _ turn: inout Turn) {
        delivered += 1
        if packet.custody != 0 {
            turn.record(
                .messageHandled,
                message: packet.message,
                subject: packet.subject,
                peer: plan.client.raw,
                variant: 1
            )
        } else {
            held.append(
                Held(
                    channel: packet.channel,
                    tag: packet.deliveryTag,
                    message: packet.message,
                    queue: packet.subject
                )
            )
        }
        if case .deliveries(let count) = waiting, delivered >= count { goOn(&turn) }
    }

    private mutating func confirm(_ packet: Packet, _ isGood: Bool, _ turn: inout Turn) {
        let done =
            ledgers[packet.channel]?.settle(packet.tag, multiple: packet.has(Flag.multiple)) ?? []
        unconfirmed -= done.count
        for one in done {
            if !isGood {
                turn.record(.messageNacked, message: one.message)
            } else if !one.wasReturned {
                turn.record(
                    .messageConfirmed,
                    message: one.message,
                    detail: (turn.now - one.publishedAt).nanoseconds
                )
            }
        }
        if waiting == .confirms, unconfirmed == 0 { goOn(&turn) }
    }

    /// A channel is gone, and with it what it held and waited for.
    private mutating func lose(_ number: UInt16, _ turn: inout Turn) {
        open.remove(number)
        held.removeAll { $0.channel == number }
        for one in ledgers.removeValue(forKey: number)?.waiting ?? [] where !one.isSettled {
            unconfirmed -= 1
            if !one.wasReturned { turn.record(.messageUnknown, message: one.message, variant: 1) }
        }
    }

    private mutating func end(_ turn: inout Turn) {
        for number in open.sorted() { lose(number, &turn) }
        connection = .none
        heartbeat.end(&turn)
        let comesBack = plan.steps[next...].contains {
            if case .reconnect = $0 { true } else { false }
        }
        if !comesBack {
            next = plan.steps.count
            waiting = .nothing
        } else if waiting != .time {
            goOn(&turn)
        }
    }

    // MARK: The connection

    private mutating func connect(_ turn: inout Turn) {
        waiting = .connection
        channel = 1
        connection = turn.connect(to: plan.hosts[connects % plan.hosts.count])
        connects += 1
    }

    private mutating func beat(_ turn: inout Turn) {
        guard connection != .none, !heartbeat.beat(connection, &turn) else { return }
        end(&turn)
    }

    // MARK: What the script says

    private mutating func goOn(_ turn: inout Turn) {
        waiting = .nothing
        while waiting == .nothing, next < plan.steps.count {
            next += 1
            perform(plan.steps[next - 1], &turn)
        }
    }

    private func onChannel(_ packet: Packet) -> Packet {
        var packet = packet
        packet.port = UInt32(channel)
        return packet
    }

    /// Says which step begins, or that nothing can be said on a channel that is closed.
    private func announce(_ step: Step, _ turn: inout Turn) {
        let isMute =
            switch step {
            case .wait, .waitUntil, .reconnect: false
            case .cut, .closeConnection, .administer, .channel: connection == .none
            default: !open.contains(channel)
            }
        turn.record(
            .stepBegan,
            subject: plan.labels[next - 1],
            variant: isMute ? 1 : 0,
            detail: UInt64(next)
        )
    }

    private mutating func perform(_ step: Step, _ turn: inout Turn) {
        announce(step, &turn)
        switch step {
        case .wait(let length): wait(length, &turn)
        case .waitUntil(let moment):
            if moment > turn.now { wait(moment - turn.now, &turn) }
        case .reconnect:
            if connection != .none {
                turn.close(connection, .reset)
                for number in open.sorted() { lose(number, &turn) }
            }
            connect(&turn)
        case .cut, .closeConnection, .administer, .channel: performOnConnection(step, &turn)
        default:
            // On a channel that the broker closed nothing can be said.
            if open.contains(channel) { performOnChannel(step, &turn) }
        }
    }

    private mutating func wait(_ length: Interval, _ turn: inout Turn) {
        turn.arm(Self.timer, after: length)
        waiting = .time
    }

    private mutating func performOnConnection(_ step: Step, _ turn: inout Turn) {
        guard connection != .none else { return }
        switch step {
        case .channel(let number):
            channel = number
            guard !open.contains(number) else { return }
            turn.send(Packet(.channelOpen, channel: number), on: connection)
            waiting = .answer
        case .administer(let packet):
            turn.send(packet, on: connection)
            waiting = .answer
        case .cut:
            turn.close(connection, .reset)
            waiting = .answer
            end(&turn)
        default:
            turn.send(Packet(.connectionClose, channel: 0), on: connection)
            waiting = .answer
        }
    }

    private mutating func performOnChannel(_ step: Step, _ turn: inout Turn) {
        switch step {
        case .ask(let packet):
            turn.send(onChannel(packet), on: connection)
            waiting = .answer
        case .say(let packet): turn.send(onChannel(packet), on: connection)
        case .confirmAtOnce(let packet):
            if ledgers[channel] == nil { ledgers[channel] = Ledger() }
            turn.send(onChannel(packet), on: connection)
        case .publish(let packet, let times): for _ in 0..<times { publish(packet, &turn) }
        case .settle(let settlement): settle(settlement, &turn)
        case .awaitConfirms: if unconfirmed > 0 { waiting = .confirms }
        case .awaitDeliveries(let count): if delivered < count { waiting = .deliveries(count) }
        case .closeChannel:
            turn.send(Packet(.channelClose, channel: channel), on: connection)
            waiting = .answer
        case .channel, .wait, .waitUntil, .closeConnection, .administer, .cut, .reconnect: break
        }
    }

    private mutating func publish(_ template: Packet, _ turn: inout Turn) {
        var packet = onChannel(template)
        packet.message = turn.newMessage()
        let isConfirmed = ledgers[channel] != nil
        turn.record(
            .messagePublished,
            message: packet.message,
            subject: packet.subject,
            peer: packet.key.raw,
            variant: isConfirmed ? 1 : 0,
            detail: Fact.publication(
                bodySize: packet.size,
                headers: turn.headers(of: packet.parcel)
            )
        )
        if isConfirmed {
            ledgers[channel]?.waiting.append(
                Outstanding(message: packet.message, publishedAt: turn.now)
            )
            unconfirmed += 1
        }
        turn.send(packet, on: connection)
    }

    private mutating func settle(_ settlement: Settlement, _ turn: inout Turn) {
        let mine = held.filter { $0.channel == channel }
        var packet = Packet(settlement.method, channel: channel)
        let isMultiple: Bool
        if case .tag(let tag) = settlement.which {
            packet.tag = tag
            isMultiple = settlement.isMultiple
        } else {
            guard let last = mine.last else { return }
            packet.tag = last.tag
            if case .all = settlement.which { isMultiple = true } else { isMultiple = false }
        }
        let settled = mine.filter {
            $0.tag == packet.tag || isMultiple && (packet.tag == 0 || $0.tag < packet.tag)
        }
        if settlement.method == .basicAck {
            for one in settled {
                turn.record(
                    .messageHandled,
                    message: one.message,
                    subject: one.queue,
                    peer: plan.client.raw
                )
            }
        }
        packet.message = settled.last?.message ?? .none
        packet.flags =
            (isMultiple ? Flag.multiple : 0)
            | (settlement.requeue && settlement.method != .basicAck ? Flag.requeue : 0)
        let tags = Set(settled.map(\.tag))
        held.removeAll { $0.channel == channel && tags.contains($0.tag) }
        turn.send(packet, on: connection)
    }

    // MARK: Looking

    func inventory(_ report: inout Inventory) {
        // In any order: it is a sum.
        for ledger in ledgers.values {
            report.unconfirmed += UInt64(ledger.waiting.count { !$0.isSettled && !$0.wasReturned })
        }
    }

    mutating func perish(_ disk: Recovery, _ turn: inout Turn) {
        for number in ledgers.keys.sorted() {
            for one in ledgers[number]?.waiting ?? [] where !one.isSettled && !one.wasReturned {
                turn.record(.messageUnknown, message: one.message, variant: 1)
            }
        }
    }

    func parcels(_ holding: inout ParcelMarks) {
        for step in plan.steps { holding.keep(step.parcel) }
    }
}
