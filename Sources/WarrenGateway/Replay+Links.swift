import AMQPWire
import NIOCore
import RabbitMQModel
import WarrenBroker
import WarrenKernel
import WarrenTrace

/// The connections of the clients.
extension Replay {
    /// A connection of a modelled client, and the real one that stands for it.
    struct Link {
        enum Phase { case dialing, started, opening, open, over }

        let connection: ConnectionID
        /// The client's node.
        let peer: NodeID
        var phase = Phase.dialing
        var wire: AMQPLink?
        var frameMax = AMQPLink.largestFrame
        /// What the client said when it opened the connection.
        var wish: Packet?
        var vhost = 0
        var translator: ClientTranslator?
        /// By channel: the client that it is for, if several share the connection.
        var owners: [UInt16: NodeID] = [:]
        /// By channel: what its consumers hold, by tag.
        var unacked: [UInt16: [UInt64: (message: MessageID, queue: Symbol)]] = [:]
        /// What is to be sent.
        var commands: [Command] = []
    }

    /// How many words of a client go out at once, at most.
    private static let batch = 256

    // MARK: From the clients

    /// Says to the broker what the clients said.
    func carryOut() {
        let events = simulation.world.with(port, as: BrokerPort.self) { port in
            defer { port.outbox = [] }
            return port.outbox
        }
        for event in events ?? [] { hear(event) }
        for connection in mailbox.takeAdministered() {
            inject(Packet(.administered, channel: 0), connection)
        }
        for connection in links.keys.sorted(by: { $0.raw < $1.raw }) {
            if let wire = mailbox.takeWire(connection) { links[connection]?.wire = wire }
            flush(connection)
        }
    }

    private func flush(_ connection: ConnectionID) {
        guard let commands = links[connection]?.commands, !commands.isEmpty,
            let wire = links[connection]?.wire
        else { return }
        links[connection]?.commands = []
        // Writing much takes its time: the silence begins after it.
        defer { if links[connection]?.phase == .open { lastNews = .now } }
        do {
            try wire.send(commands, frameMax: links[connection]?.frameMax ?? AMQPLink.largestFrame)
        } catch {
            lose(connection, because: "\(error)")
        }
    }

    private func hear(_ event: Event) {
        switch event {
        case .accepted(let connection, let peer):
            links[connection] = Link(connection: connection, peer: peer)
            let mailbox = mailbox
            AMQPLink.connect(host: target.host, port: target.port) {
                mailbox.put(Mail(connection: connection, event: $0))
            }
            .whenComplete { result in
                switch result {
                case .success(let wire): mailbox.dialed(connection, wire)
                case .failure(let error):
                    mailbox.put(
                        Mail(connection: connection, event: .ended(.failed("\(error)")))
                    )
                }
            }
        case .arrived(let packet, let connection): say(packet, connection)
        case .closed(let connection, let how):
            guard let link = links[connection], link.phase != .over else { return }
            flush(connection)
            if how == .reset { link.wire?.cut() } else { link.wire?.close() }
            endDeliveries(connection)
            links[connection]?.phase = .over
        case .ordered(let packet): order(packet)
        case .started(let recovery): comeBack(recovery)
        default: break
        }
    }

    private func say(_ packet: Packet, _ connection: ConnectionID) {
        // A link is changed in its place: a copy of it would make each change copy what waits to be sent.
        guard let phase = links[connection]?.phase, phase != .over else { return }
        switch packet.method {
        case .connectionOpen:
            links[connection]?.wish = packet
            let vhost = vhosts.firstIndex { $0.name == simulation.world.names[packet.key] } ?? 0
            links[connection]?.vhost = vhost
            links[connection]?.translator = ClientTranslator(scope: vhosts[vhost].scope)
            answerStart(connection)
        case .heartbeat: links[connection]?.wire?.beat()
        case .administer: administer(packet, connection)
        default:
            note(packet, connection)
            do {
                let command = try links[connection]?.translator?.command(
                    packet,
                    in: simulation.world,
                    times: speed
                )
                guard let command else { return }
                links[connection]?.commands.append(command)
                // A burst goes out while it is still being translated.
                if links[connection]?.commands.count ?? 0 >= Self.batch { flush(connection) }
            } catch {
                faultsUnderWay.note("\(error), which cannot be said to a real broker yet")
                lose(connection, because: "\(error)")
            }
        }
    }

    /// Says who connects, once both sides have said their first word.
    private func answerStart(_ connection: ConnectionID) {
        guard let link = links[connection], link.phase == .started, let wish = link.wish else {
            return
        }
        let name = simulation.world.names[wish.subject]
        let known = wish.subject == .none ? nil : users.first { $0.user.name == name }
        let startOk = Handshake.startOk(
            user: known?.real ?? target.user,
            password: known?.user.password ?? target.password
        )
        links[connection]?.commands.append(Command(startOk, channel: 0))
        links[connection]?.phase = .opening
    }

    /// What a client's word means for its deliveries.
    private func note(_ packet: Packet, _ connection: ConnectionID) {
        guard let client = links[connection]?.peer, let vhost = links[connection]?.vhost else {
            return
        }
        let channel = packet.channel
        let peer = links[connection]?.owners[packet.channel] ?? client
        switch packet.method {
        case .channelOpen: links[connection]?.owners[packet.channel] = packet.channelOwner
        case .basicPublish: seen.publish(packet.message, at: simulation.world.now)
        case .basicAck:
            for (message, queue) in take(packet, connection) {
                record { seen.acknowledge(message, queue, by: peer, &$0) }
            }
        case .basicNack, .basicReject:
            let requeue = packet.has(Flag.requeue)
            for (message, queue) in take(packet, connection) {
                let isDeadLettered = vhosts[vhost].deadLettering.contains(
                    simulation.world.names[queue]
                )
                record {
                    seen.reject(
                        message,
                        queue,
                        by: peer,
                        requeue: requeue,
                        isDeadLettered: isDeadLettered,
                        &$0
                    )
                }
            }
        case .basicRecover, .channelClose:
            endDeliveries(connection, channel: channel, .recovered)
        default: break
        }
    }

    /// The deliveries that a word of a client settles, in their order.
    private func take(_ packet: Packet, _ connection: ConnectionID)
        -> [(message: MessageID, queue: Symbol)]
    {
        let channel = packet.channel
        var tags = [packet.tag]
        if packet.has(Flag.multiple), packet.method != .basicReject {
            tags = (links[connection]?.unacked[channel] ?? [:]).keys
                .filter { packet.tag == 0 || $0 <= packet.tag }.sorted()
        }
        return tags.compactMap { links[connection]?.unacked[channel]?.removeValue(forKey: $0) }
    }

    /// What was out on a connection goes back.
    private func endDeliveries(
        _ connection: ConnectionID,
        channel: UInt16? = nil,
        _ reason: ReturnReason = .connectionClosed
    ) {
        let channels = channel.map { [$0] } ?? (links[connection]?.unacked.keys.sorted() ?? [])
        for channel in channels {
            let held = links[connection]?.unacked[channel] ?? [:]
            links[connection]?.unacked[channel] = [:]
            for (_, one) in held.sorted(by: { $0.key < $1.key }) {
                record { seen.requeue(one.message, one.queue, reason, &$0) }
            }
        }
    }

    // MARK: From the broker

    /// Tells a client what the broker says.
    func open(_ mail: Mail) {
        let connection = mail.connection
        guard links[connection] != nil else { return }
        if let wire = mailbox.takeWire(connection) { links[connection]?.wire = wire }
        guard links[connection]?.phase != .over else {
            links[connection]?.wire?.close()
            return
        }
        switch mail.event {
        case .heartbeat:
            inject(Packet(.heartbeat, channel: 0), connection)
        case .ended(let end): lose(connection, because: "\(end)")
        case .command(let command): hear(command, connection)
        }
    }

    private func hear(_ command: Command, _ connection: ConnectionID) {
        guard let link = links[connection] else { return }
        switch command.method {
        case .connection(.start):
            links[connection]?.phase = .started
            answerStart(connection)
        case .connection(.tune(let tune)):
            let heartbeat = UInt16(clamping: link.wish?.c ?? 0)
            let tuneOk = Handshake.tuneOk(tune, heartbeat: heartbeat)
            let vhost = Octets(vhosts[link.vhost].real)
            links[connection]?.frameMax = AMQPLink.agree(to: tune.frameMax)
            links[connection]?.commands += [
                Command(tuneOk, channel: 0),
                Command(.connection(.open(.init(vhost: vhost))), channel: 0),
            ]
        case .connection(.openOk):
            links[connection]?.phase = .open
            inject(Packet(.connectionOpenOk, channel: 0), connection)
        case .connection(.close(let close)) where close.code == 530 && hasBeenBlank:
            // A blank node that does not have its virtual host yet, which a blank broker would have.
            lose(connection, because: close.text.text)
        case .connection(.close(let close)):
            refuse(close.code, close.text.text, connection)
            endDeliveries(connection)
            translate(command, connection)
        case .channel(.close(let close)):
            refuse(close.code, close.text.text, connection, channel: command.channel)
            endDeliveries(connection, channel: command.channel, .channelClosed)
            translate(command, connection)
        case .connection(.blocked):
            if !hasAlarms { blockedSince = blockedSince ?? .now }
            translate(command, connection)
        case .connection(.unblocked):
            blockedSince = nil
            translate(command, connection)
        case .basic(.consumeOk(let answer)):
            if let consumer = link.translator?.consumers[answer.consumerTag.text] {
                let peer = link.owners[command.channel] ?? link.peer
                record { $0.record(.consumerStarted, subject: consumer.queue, peer: peer.raw) }
            }
            translate(command, connection)
        case .basic(.getEmpty):
            _ = links[connection]?.translator?.takeGet(command.channel)
            inject(Packet(.basicGetEmpty, channel: command.channel), connection)
        case .basic(.deliver), .basic(.getOk), .basic(.return): deliver(command, connection)
        default: translate(command, connection)
        }
    }

    private func translate(_ command: Command, _ connection: ConnectionID) {
        let packet = links[connection]?.translator?.packet(mine(command), in: &simulation.world)
        if let packet { inject(packet, connection) }
    }

    /// A message for a client.
    private func deliver(_ command: Command, _ connection: ConnectionID) {
        guard let link = links[connection] else { return }
        let found = links[connection]?.translator?.message(command, in: &simulation.world)
        guard let found else { return }
        let deaths = deaths(command.content, link.vhost)
        let packet = found.packet
        if found.queue == .none {
            record {
                $0.record(
                    .messageUnroutable,
                    message: packet.message,
                    subject: packet.subject,
                    variant: DropReason.unroutable.rawValue
                )
            }
        } else if packet.message != .none {
            record {
                seen.deliver(
                    packet.message,
                    found.queue,
                    to: link.owners[command.channel] ?? link.peer,
                    size: packet.size,
                    redelivered: packet.has(Flag.redelivered),
                    settled: found.isSettled,
                    deaths: deaths,
                    &$0
                )
            }
            if !found.isSettled {
                links[connection]?.unacked[command.channel, default: [:]][packet.deliveryTag] =
                    (packet.message, found.queue)
            }
        }
        inject(packet, connection)
    }

    /// The stations that x-death names, the latest first.
    func deaths(_ content: Content?, _ vhost: Int) -> [SeenCopies.Death] {
        guard case .array(let entries)? = content?.properties.headers?["x-death"] else { return [] }
        return entries.compactMap { entry -> SeenCopies.Death? in
            guard case .table(let table) = entry, case .longString(let queue)? = table["queue"],
                case .longString(let word)? = table["reason"],
                let reason = DropReason(deathWord: word.text)
            else { return nil }
            var count: Int64 = 1
            if case .int64(let number)? = table["count"] { count = number }
            let symbol = simulation.world.intern(.queue, queue.text, in: vhosts[vhost].scope)
            return SeenCopies.Death(queue: symbol, reason: reason, count: count)
        }
    }

    private func inject(_ packet: Packet, _ connection: ConnectionID) {
        record { $0.send(packet, on: connection) }
    }

    /// `channel`: the one that is closed; nil for the whole connection.
    private func refuse(
        _ code: UInt16,
        _ text: String,
        _ connection: ConnectionID,
        channel: UInt16? = nil
    ) {
        // A node that is stopped says so to all; that is the fault's doing, and no refusal.
        guard let link = links[connection], code != 320 else { return }
        let peer = channel.flatMap { link.owners[$0] } ?? link.peer
        let text = mine(text)
        record {
            $0.record(
                .errorRaised,
                subject: $0.names.intern(.text, text),
                peer: peer.raw,
                variant: channel == nil ? 1 : 0,
                detail: UInt64(code)
            )
        }
    }

    /// A connection is gone: its client notices.
    private func lose(_ connection: ConnectionID, because why: String) {
        guard links[connection]?.phase != .over else { return }
        let wasDialing = links[connection]?.phase == .dialing
        if wasDialing { refusedSince = refusedSince ?? .now }
        links[connection]?.phase = .over
        links[connection]?.wire?.close()
        endDeliveries(connection)
        record { $0.close(connection, wasDialing ? .refused : .reset) }
    }

    /// A text of the broker with the names of the topology.
    func mine(_ text: String) -> String {
        let text = vhosts.reduce(text) { $0.replacing($1.real, with: $1.name) }
        return users.reduce(text) { $0.replacing($1.real, with: $1.user.name) }
    }

    private func mine(_ command: Command) -> Command {
        switch command.method {
        case .channel(.close(var close)):
            close.text = Octets(mine(close.text.text))
            return Command(.channel(.close(close)), channel: command.channel)
        case .connection(.close(var close)):
            close.text = Octets(mine(close.text.text))
            return Command(.connection(.close(close)), channel: 0)
        default: return command
        }
    }
}
