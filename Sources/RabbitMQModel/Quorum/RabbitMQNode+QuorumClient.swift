import DequeModule
import WarrenKernel
import WarrenTrace

/// Quorum queues as a node uses them on behalf of its channels: commands to the leader, deliveries from it.
///
/// Commands have rising numbers and are said again to a new leader until they are done; deliveries have
/// rising numbers for each consumer, are taken in that order and once, and are asked for again when one is
/// missing.
/// - Source: rabbitmq-server `rabbit_fifo_client.erl`; RMQ-QQ-05, -26, -31, -32, -34.
extension RabbitMQNode {
    /// Has the leader of a queue do something, now or when there is one.
    mutating func tell(
        _ quorum: QuorumIndex,
        _ command: QuorumCommand,
        slot: ConfirmSlot = .none,
        channel: ChannelIndex = .none,
        _ turn: inout Turn
    ) {
        var command = command
        command.client = clientKey
        command = quorums[quorum].client.remember(command, slot: slot, channel: channel)
        if quorums[quorum].client.stuckSince == nil { pass(command, quorum, &turn) }
    }

    mutating func pass(_ command: QuorumCommand, _ quorum: QuorumIndex, _ turn: inout Turn) {
        let leader = quorums[quorum].client.leader
        if leader == me {
            submit(command, quorum, &turn)
        } else if leader != .none, peers[leader].connection != .none {
            send(command, to: leader, quorum, &turn)
        }
    }

    /// A command as it travels: the client is who sends it.
    func send(
        _ command: QuorumCommand,
        to peer: PeerIndex,
        _ quorum: QuorumIndex,
        _ turn: inout Turn
    ) {
        send(Words.Command(queue: symbol(quorum), command: command), toPeer: peer, &turn)
    }

    mutating func receiveCommand(_ packet: Packet, _ peer: PeerIndex, _ turn: inout Turn) {
        guard let word = Words.Command(packet) else { return }
        let queue = queueIndex(word.queue)
        guard queue != .none, queues[queue].quorum != .none else { return }
        let quorum = queues[queue].quorum
        guard quorums.leads(quorum) else { return }
        var command = word.command
        if command.kind == .enqueue {
            command = enqueueCommand(command.packet, &turn)
            command.sequence = word.command.sequence
        }
        command.client = Self.clientKey(peer, peers[peer].life)
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

    /// A message goes to a quorum queue, unless that told its channel to stop.
    mutating func publishToQuorum(
        _ publication: Packet,
        _ queue: QueueIndex,
        _ channel: ChannelIndex,
        _ slot: ConfirmSlot,
        _ turn: inout Turn
    ) {
        assert(queues[queue].quorum != .none, "a command to what is no quorum queue")
        if refuseAtDoor(publication, queue, channel, slot: slot, &turn) { return }
        var packet = publication
        packet.x = 0
        packet.port = 0
        packet.d = 0
        packet.flags &= Flag.persistent
        let quorum = queues[queue].quorum
        if quorums[quorum].client.leader == .none {
            quorums[quorum].client.hold(channel, at: turn.now)
        }
        tell(quorum, enqueueCommand(packet, &turn), slot: slot, &turn)
    }

    /// The leader has done everything up to a number.
    mutating func finish(_ quorum: QuorumIndex, upTo sequence: UInt64, _ turn: inout Turn) {
        while let done = quorums[quorum].client.nextDone(upTo: sequence) {
            complete(done, refused: false, &turn)
        }
    }

    private mutating func complete(
        _ waiting: QuorumClient.Waiting,
        refused: Bool,
        _ turn: inout Turn
    ) {
        if waiting.slot != .none { settleConfirm(waiting.slot, refused: refused, &turn) }
    }

    /// The queue is gone: whoever waits for something of it is told.
    mutating func abandon(
        _ waiting: QuorumClient.Waiting,
        of queue: QueueIndex,
        _ turn: inout Turn
    ) {
        complete(waiting, refused: true, &turn)
        let channel = waiting.channel
        guard channel != .none, channels[channel].state == .open,
            channels[channel].awaits == .queue(queue)
        else { return }
        if waiting.command.kind == .register {
            guard remoteUse.registers(channel, at: queues[queue].quorum) else { return }
            channels[channel].refusedBy.append(queue)
            resume(channel, with: channels[channel].asked, &turn)
            return
        }
        guard waiting.command.kind == .deleteQueue else {
            let name = queues[queue].declaration.name
            let vhost = vhostName(of: queues[queue].scope)
            refuseWaiting(.notFound("no queue '\(name)' in vhost '\(vhost)'"), channel, &turn)
            return
        }
        var answer = Packet(.queueDeleteOk, channel: channels[channel].number)
        answer.port = channels[channel].port
        self.answer(answer, to: channel, &turn)
        resume(channel, with: nil, &turn)
    }

    /// The leader tells all nodes how full its queue is.
    mutating func announce(
        _ fullness: QuorumQueue.Fullness,
        _ quorum: QuorumIndex,
        _ turn: inout Turn
    ) {
        quorums[quorum].client.hear(fullness)
        for peer in peers.indices where peer != me && peers[peer].connection != .none {
            tell(fullness, quorum, toPeer: peer, &turn)
        }
    }

    mutating func tell(
        _ fullness: QuorumQueue.Fullness,
        _ quorum: QuorumIndex,
        toPeer peer: PeerIndex,
        _ turn: inout Turn
    ) {
        let word = Words.Filled(queue: symbol(quorum), fullness: fullness)
        send(word, toPeer: peer, &turn)
    }

    /// Refuses a message for a queue that told its channel to stop, or that could not be told of it.
    ///
    /// - Returns: whether it was refused.
    /// - Source: RMQ-QQ-16, -46, -54; RMQ-QQ-47 (what no channel publishes is not refused).
    private mutating func refuseAtDoor(
        _ packet: Packet,
        _ queue: QueueIndex,
        _ channel: ChannelIndex,
        slot: ConfirmSlot,
        _ turn: inout Turn
    ) -> Bool {
        assert(queues[queue].quorum != .none, "a command to what is no quorum queue")
        guard channel != .none else { return false }
        let isUnknown = channels[channel].refusedBy.contains(queue)
        let quorum = queues[queue].quorum
        let isStopped =
            queues[queue].rules.overflow == .rejectPublish
            && !quorums[quorum].client.mayPublish(channel)
        guard isUnknown || isStopped else { return false }
        turn.record(
            .messageRouted,
            message: packet.message,
            subject: queues[queue].symbol,
            variant: 1,
            detail: UInt64(packet.size)
        )
        recordGone(packet.message, queue, isUnknown ? .queueDown : .maxlen, .door, &turn)
        if slot != .none { settleConfirm(slot, refused: true, &turn) }
        return true
    }

    /// Another node leads: what was not done is said again, in order.
    mutating func follow(
        _ leader: PeerIndex,
        _ term: UInt64,
        _ quorum: QuorumIndex,
        _ turn: inout Turn
    ) {
        switch quorums[quorum].client.follow(leader, term) {
        case .none: return
        case .leader: sayAgain(quorum, &turn)
        case .link: doubtLink(quorum, &turn)
        }
        goOnWithOrders(of: quorum, &turn)
    }

    /// The leader is in reach again that was lost, and what was said to it may be lost as well: a channel that has much to
    /// say again does so 10 s after it had.
    ///
    /// - Source: RMQ-QQ-63.
    /// - Differs: a real channel waits by itself; here all of a node do, for the queue. One that has little to say again
    ///   does so at once, and a real one with its next publication.
    private mutating func doubtLink(_ quorum: QuorumIndex, _ turn: inout Turn) {
        guard let since = quorums[quorum].client.stuckSince else { return sayAgain(quorum, &turn) }
        askForMissing(quorum, &turn)
        let due = since + .seconds(10)
        let timer = NodeTimer.repetition(ofQueue: quorums[quorum].queue)
        turn.arm(timer, after: due > turn.now ? due - turn.now : Interval(nanoseconds: 0))
    }

    /// Channels that wait for what they have published say it again.
    mutating func repeatPublications(to queue: QueueIndex, _ turn: inout Turn) {
        let quorum = queues[queue].quorum
        guard quorum != .none, quorums[quorum].client.stuckSince != nil else { return }
        if quorums[quorum].client.leader == .none {
            turn.arm(NodeTimer.repetition(ofQueue: queue), after: .seconds(10))
        } else {
            sayAgain(quorum, &turn)
        }
    }

    mutating func sayAgain(_ quorum: QuorumIndex, _ turn: inout Turn) {
        if quorums[quorum].client.stuckSince != nil {
            turn.disarm(NodeTimer.repetition(ofQueue: quorums[quorum].queue))
        }
        quorums[quorum].client.forgetLoss()
        for waiting in quorums[quorum].client.undone { pass(waiting.command, quorum, &turn) }
        askForMissing(quorum, &turn)
    }

    private mutating func askForMissing(_ quorum: QuorumIndex, _ turn: inout Turn) {
        quorums[quorum].client.forgetQuestions()
        for consumer in quorums[quorum].client.consumers where !consumer.isFetching {
            askAgain(consumer, quorum, &turn)
        }
    }

    /// Asks the leader for what a consumer may not have got.
    mutating func askAgain(_ consumer: QuorumConsumerID, _ quorum: QuorumIndex, _ turn: inout Turn)
    {
        guard isConsumer(consumer, of: quorum) else { return }
        let leader = quorums[quorum].client.leader
        let latest = quorums[quorum].client.latest(for: consumer)
        if leader == me {
            deliverAgain(quorum, clientKey, consumer, after: latest, &turn)
        } else if leader != .none, quorums[quorum].client.ask(consumer) {
            let word = Words.Resume(queue: symbol(quorum), consumer: consumer, last: latest)
            send(word, toPeer: leader, &turn)
        }
    }

    mutating func receiveFromQuorum(
        _ packet: Packet,
        _ word: PeerWord,
        _ peer: PeerIndex,
        _ turn: inout Turn
    ) {
        let quorum = quorums.index(of: packet.subject)
        guard quorum != .none else {
            if packet.custody != 0 { recordGone(packet.message, packet.subject, &turn) }
            return
        }
        switch word {
        case .done:
            if let word = Words.Done(packet) { finish(quorum, upTo: word.last, &turn) }
        case .filled:
            if let word = Words.Filled(packet) { quorums[quorum].client.hear(word.fullness) }
        case .answer:
            if let word = Words.Answer(packet),
                let deletion = answer(quorum, word.sequence, word.value, &turn)
            {
                finish([deletion], of: quorum, &turn)
            }
        case .fetched: takeFetched(packet, quorum, &turn)
        case .delivery: takeDelivery(packet, quorum, &turn)
        case .leads:
            guard let word = Words.Leads(packet) else { return }
            follow(peer, word.term, quorum, &turn)
            send(Words.Heard(queue: word.queue, term: word.term), toPeer: peer, &turn)
        case .heard:
            if let word = Words.Heard(packet) { takeHearing(word.term, of: peer, quorum, &turn) }
        case .recorded:
            guard let word = Words.Recorded(packet) else { return }
            quorums[quorum].client.record(peer, word.term)
            askHeld(quorum, by: word.nodes, &turn)
        case .reached:
            if let word = Words.Reached(packet) { takeReach(word.last, of: word.consumer, quorum) }
        default:
            guard let word = Words.Resume(packet) else { return }
            let client = Self.clientKey(peer, peers[peer].life)
            deliverAgain(quorum, client, word.consumer, after: word.last, &turn)
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

    /// A channel is gone: what it held of quorum queues goes back, one consumer after the other by their tags, what
    /// was fetched under the number of its delivery.
    ///
    /// - Source: RMQ-QQ-08, -28, -42, -44.
    mutating func returnAll(of channel: ChannelIndex, _ turn: inout Turn) {
        var leaving: [QuorumIndex: [(tag: String, command: QuorumCommand)]] = [:]
        var seen: Set<ConsumerIndex> = []
        func drop(
            _ queue: QueueIndex,
            _ number: QuorumConsumerID,
            _ tag: String,
            delivery: UInt64 = 0
        ) {
            var command = QuorumCommand(kind: .drop)
            command.consumer = number
            command.number = delivery
            leaving[queues[queue].quorum, default: []].append((tag, command))
        }
        func leave(_ consumer: ConsumerIndex, _ queue: QueueIndex) {
            guard seen.insert(consumer).inserted else { return }
            let made = consumers[consumer]
            drop(queue, made.atQuorum, turn.names[made.tag])
        }
        for consumer in channels[channel].consumers {
            let queue = consumers[consumer].queue
            guard queues[queue].exists, queues[queue].quorum != .none else { continue }
            leave(consumer, queue)
        }
        for (offset, delivery) in channels[channel].unacked.enumerated()
        where delivery.queue != .none {
            let queue = delivery.queue
            guard queues[queue].exists, queues[queue].quorum != .none else { continue }
            if delivery.consumer != .none {
                leave(delivery.consumer, queue)
            } else {
                let tag = channels[channel].baseTag + UInt64(offset)
                let number = QuorumConsumerID(fetching: channel)
                drop(queue, number, "\(tag)", delivery: delivery.position)
            }
        }
        for quorum in leaving.keys.sorted() {
            var all = (leaving[quorum] ?? []).sorted { $0.tag.utf8.precedes($1.tag.utf8) }
            for index in all.indices.dropLast() {
                all[index].command.packet.flags |= QuorumCommand.more
            }
            for one in all {
                tell(quorum, one.command, &turn)
                quorums[quorum].client.end(one.command.consumer)
            }
        }
        for consumer in seen.sorted() { consumers[consumer].exists = false }
    }
}
