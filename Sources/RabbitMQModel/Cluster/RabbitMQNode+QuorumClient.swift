import DequeModule
import WarrenKernel
import WarrenTrace

/// Quorum queues as a node uses them on behalf of its channels: commands to the leader, deliveries from it.
///
/// Commands have rising numbers and are said again to a new leader until they are done; deliveries have
/// rising numbers for each consumer and are asked for again when one is missing.
/// - Source: rabbitmq-server `rabbit_fifo_client.erl`; RMQ-QQ-05, -26, -31, -32, -34.
extension RabbitMQNode {
    /// Has the leader of a queue do something, now or when there is one.
    mutating func tell(
        _ quorum: Int,
        _ command: QuorumCommand,
        slot: UInt32 = .max,
        channel: Int = -1,
        _ turn: inout Turn
    ) {
        var command = command
        command.client = clientKey
        command.sequence = quorums[quorum].nextSequence
        quorums[quorum].nextSequence += 1
        quorums[quorum].pending.append(
            QuorumPart.Waiting(command: command, slot: slot, channel: Int32(channel))
        )
        pass(command, quorum, &turn)
    }

    mutating func pass(_ command: QuorumCommand, _ quorum: Int, _ turn: inout Turn) {
        let leader = quorums[quorum].leader
        if leader == me {
            submit(command, quorum, &turn)
        } else if leader >= 0, peers[leader].connection != .none {
            send(command, to: leader, quorum, &turn)
        }
    }

    /// A command as it travels: the client is who sends it.
    func send(
        _ command: QuorumCommand,
        to peer: Int,
        _ quorum: Int,
        _ turn: inout Turn
    ) {
        var word = command.packet
        word.word = PeerWord.command.rawValue
        word.custody = 0
        if command.kind == .enqueue { word.exchange = command.packet.subject }
        word.subject = symbol(quorum)
        word.x = command.sequence
        word.port = command.consumer
        if command.kind != .enqueue {
            word.key = Symbol(UInt32(command.kind.rawValue))
            if command.kind != .checkout { word.y = command.number }
        }
        word.flags = command.packet.flags | (command.kind == .enqueue ? Self.enqueueFlag : 0)
        send(word, toPeer: peer, &turn)
    }

    private static let enqueueFlag: UInt8 = 128

    mutating func receiveCommand(_ packet: Packet, _ peer: Int, _ turn: inout Turn) {
        let queue = queueIndex(packet.subject)
        guard queue >= 0, queues[queue].quorum >= 0 else { return }
        let quorum = queues[queue].quorum
        let member = quorums[quorum].member
        guard member >= 0, members[member].raft.isLeader else { return }
        let client = Self.clientKey(peer, peers[peer].life)
        var command: QuorumCommand
        if packet.has(Self.enqueueFlag) {
            var publication = packet
            publication.word = Method.basicPublish.rawValue
            publication.flags &= ~Self.enqueueFlag
            publication.subject = packet.exchange
            publication.exchange = .none
            publication.x = 0
            publication.port = 0
            command = enqueueCommand(publication, &turn)
        } else {
            guard
                let kind = QuorumCommand.Kind(rawValue: UInt8(truncatingIfNeeded: packet.key.raw))
            else { return }
            command = QuorumCommand(kind: kind)
            command.consumer = packet.port
            command.number = packet.y
            command.packet = packet
        }
        command.client = client
        command.sequence = packet.x
        submit(command, quorum, &turn)
    }

    func enqueueCommand(_ publication: Packet, _ turn: inout Turn) -> QuorumCommand {
        var command = QuorumCommand(kind: .enqueue)
        command.number = .max
        command.packet = publication
        if publication.parcel != .none,
            let properties: Properties = turn.parcels.get(publication.parcel)
        {
            if let priority = properties.priority {
                command.priority = priority
                command.hasPriority = true
            }
            if let life = properties.expiration.flatMap({ UInt64($0) }) { command.number = life }
        }
        return command
    }

    /// A message comes to a quorum queue.
    mutating func enqueue(
        _ publication: Packet,
        quorum: Int,
        slot: UInt32,
        _ turn: inout Turn
    ) {
        var packet = publication
        packet.x = 0
        packet.port = 0
        packet.d = 0
        packet.flags &= Flag.persistent
        tell(quorum, enqueueCommand(packet, &turn), slot: slot, &turn)
    }

    /// The leader has done everything up to a number.
    mutating func finish(_ quorum: Int, upTo sequence: UInt64, _ turn: inout Turn) {
        while let first = quorums[quorum].pending.first, first.command.sequence <= sequence {
            quorums[quorum].pending.removeFirst()
            complete(first, refused: false, &turn)
        }
    }

    mutating func complete(
        _ waiting: QuorumPart.Waiting,
        refused: Bool,
        _ turn: inout Turn
    ) {
        if waiting.slot != .max { settleConfirm(waiting.slot, refused: refused, &turn) }
    }

    /// The leader has no room for a message.
    mutating func refuse(_ quorum: Int, _ sequence: UInt64, _ turn: inout Turn) {
        let pending = quorums[quorum].pending
        guard let first = pending.first, sequence >= first.command.sequence else { return }
        let index = Int(sequence - first.command.sequence)
        guard index < pending.count, pending[index].slot != .max else { return }
        let slot = pending[index].slot
        quorums[quorum].pending[index].slot = .max
        settleConfirm(slot, refused: true, &turn)
    }

    /// Another node leads: what was not done is said again, in order.
    mutating func follow(
        _ leader: Int,
        _ term: UInt64,
        _ quorum: Int,
        _ turn: inout Turn
    ) {
        guard term >= quorums[quorum].leaderTerm else { return }
        let isSame = quorums[quorum].leader == leader && quorums[quorum].leaderTerm == term
        quorums[quorum].leader = leader
        quorums[quorum].leaderTerm = term
        if !isSame { sayAgain(quorum, &turn) }
    }

    mutating func sayAgain(_ quorum: Int, _ turn: inout Turn) {
        for waiting in quorums[quorum].pending { pass(waiting.command, quorum, &turn) }
        let leader = quorums[quorum].leader
        for consumer in quorums[quorum].latest.keys.sorted() {
            if leader == me {
                deliverAgain(quorum, clientKey, consumer, &turn)
            } else if leader >= 0 {
                var word = Packet(peerWord: .resume)
                word.subject = symbol(quorum)
                word.c = consumer
                send(word, toPeer: leader, &turn)
            }
        }
    }

    mutating func receiveFromQuorum(
        _ packet: Packet,
        _ word: PeerWord,
        _ peer: Int,
        _ turn: inout Turn
    ) {
        let queue = queueIndex(packet.subject)
        guard queue >= 0, queues[queue].quorum >= 0 else {
            if packet.custody != 0 { recordGone(packet.message, packet.subject, &turn) }
            return
        }
        let quorum = queues[queue].quorum
        switch word {
        case .done: finish(quorum, upTo: packet.x, &turn)
        case .full: refuse(quorum, packet.x, &turn)
        case .answer: answer(quorum, packet.x, packet.y, &turn)
        case .fetched: takeFetched(packet, quorum, &turn)
        case .delivery: takeDelivery(packet, quorum, &turn)
        case .leads: follow(peer, packet.x, quorum, &turn)
        default:
            let client = Self.clientKey(peer, peers[peer].life)
            deliverAgain(quorum, client, packet.c, &turn)
        }
    }

    func recordGone(_ message: MessageID, _ queue: Symbol, _ turn: inout Turn) {
        turn.record(
            .messageDropped,
            message: message,
            subject: queue,
            variant: DropReason.connectionLost.rawValue,
            detail: CopyPlace.transit.rawValue
        )
    }

    // MARK: At the consumer's node

    mutating func takeDelivery(_ packet: Packet, _ quorum: Int, _ turn: inout Turn) {
        let number = packet.port
        if number & QuorumTaker.fetching != 0 {
            takeFetched(packet, quorum, &turn)
            return
        }
        let consumer = Int(number)
        guard consumer < consumers.count, consumers[consumer].exists,
            channels[Int(consumers[consumer].channel)].state == .open
        else {
            if packet.custody != 0 { recordGone(packet.message, packet.subject, &turn) }
            return
        }
        let settled = packet.custody != 0
        let channel = Int(consumers[consumer].channel)
        if !settled {
            if packet.x > quorums[quorum].latest[number] ?? 0 {
                quorums[quorum].latest[number] = packet.x
            } else if knows(packet.x, consumer, quorum) {
                return
            }
        }
        var word = packet
        word.word = Method.basicDeliver.rawValue
        word.port = channels[channel].port
        word.x = channels[channel].nextTag | UInt64(consumer) &<< 40
        hold(packet.x, quorums[quorum].queue, channel, consumer, settled, &turn)
        turn.send(word, on: channels[channel].connection)
    }

    /// Whether a delivery that comes once more had come before: its consumer holds it, or has settled it and
    /// the leader has not done that yet.
    private func knows(_ delivery: UInt64, _ consumer: Int, _ quorum: Int) -> Bool {
        let queue = Int32(quorums[quorum].queue)
        return channels[Int(consumers[consumer].channel)].unacked.contains {
            $0.queue == queue && $0.consumer == Int32(consumer) && $0.position == delivery
        }
            || quorums[quorum].pending.contains {
                $0.command.consumer == UInt32(consumer) && $0.command.number == delivery
                    && $0.command.kind.settles
            }
    }

    mutating func hold(
        _ delivery: UInt64,
        _ queue: Int,
        _ channel: Int,
        _ consumer: Int,
        _ settled: Bool,
        _ turn: inout Turn
    ) {
        if settled {
            channels[channel].spendTag()
            return
        }
        if consumer >= 0 { _ = consumers[consumer].holdOne() }
        channels[channel].hold(
            Unacked(
                readySince: turn.now,
                position: delivery,
                row: 0,
                queue: Int32(queue),
                consumer: Int32(consumer),
                sentAt: Unacked.stamp(turn.now)
            )
        )
        ensureTick(&turn)
    }

    mutating func takeFetched(_ packet: Packet, _ quorum: Int, _ turn: inout Turn) {
        let channel = Int(packet.port & ~QuorumTaker.fetching)
        let delivery = packet.x & 0xFF_FFFF_FFFF
        guard channel < channels.count, channels[channel].state == .open,
            channels[channel].waitsFor == quorums[quorum].queue
        else {
            if packet.custody != 0 { recordGone(packet.message, packet.subject, &turn) }
            return
        }
        let settled = packet.custody != 0
        var word = packet
        word.word = Method.basicGetOk.rawValue
        word.port = channels[channel].port
        word.x = channels[channel].nextTag | packet.x & ~0xFF_FFFF_FFFF
        hold(delivery, quorums[quorum].queue, channel, -1, settled, &turn)
        if !settled { channels[channel].fetchedFrom.insert(quorum) }
        turn.send(word, on: channels[channel].connection)
        resume(channel, with: nil, &turn)
    }

    /// A command that somebody waits for was done.
    mutating func answer(
        _ quorum: Int,
        _ sequence: UInt64,
        _ value: UInt64,
        _ turn: inout Turn
    ) {
        guard
            let waiting = quorums[quorum].pending.first(where: {
                $0.command.sequence == sequence
            }), waiting.channel >= 0
        else { return }
        let channel = Int(waiting.channel)
        guard channels[channel].state == .open,
            channels[channel].waitsFor == quorums[quorum].queue
        else { return }
        let connection = channels[channel].connection
        switch waiting.command.kind {
        case .get:
            var word = Packet(.basicGetEmpty, channel: channels[channel].number)
            word.port = channels[channel].port
            turn.send(word, on: connection)
        case .checkout:
            let consumer = Int(waiting.command.consumer)
            var word = Packet(.basicConsumeOk, channel: channels[channel].number)
            word.key = consumers[consumer].tag
            word.c = UInt32(consumer)
            if !consumers[consumer].isQuiet { turn.send(word, on: connection) }
        case .purge:
            var word = Packet(.queuePurgeOk, channel: channels[channel].number)
            word.c = UInt32(truncatingIfNeeded: value)
            turn.send(word, on: connection)
        default: return
        }
        resume(channel, with: nil, &turn)
    }
}
