import DequeModule
import WarrenKernel
import WarrenTrace

/// Deliveries of quorum queues at their consumers' node, and the answers to its commands.
extension RabbitMQNode {
    mutating func takeDelivery(_ packet: Packet, _ quorum: QuorumIndex, _ turn: inout Turn) {
        let number = QuorumConsumerID(wire: packet.port)
        if number.isFetching {
            takeFetched(packet, quorum, &turn)
            return
        }
        let consumer = number.consumer
        let settled = packet.has(Flag.settled)
        guard isConsumer(number, of: quorum),
            channels[consumers[consumer].channel].state == .open
        else {
            if settled { loseSettled(packet, &turn) } else { sendBack(packet, quorum, &turn) }
            return
        }
        let channel = consumers[consumer].channel
        let arrival = quorums[quorum].client.arrive(
            packet.deliveryTag,
            for: number,
            mayBeFirst: settled || packet.has(Flag.again)
        )
        switch arrival {
        case .known: return loseSettled(packet, &turn)
        case .early: return askAgain(number, quorum, &turn)
        case .taken: break
        }
        var word = taken(packet, &turn)
        word.word = Method.basicDeliver.rawValue
        word.flags &= ~Flag.again
        word.port = channels[channel].port
        word.setDelivery(channels[channel].nextTag, consumer: consumer.wire)
        hold(
            packet.deliveryTag,
            packet.message,
            quorums[quorum].queue,
            channel,
            consumer,
            settled,
            &turn
        )
        turn.send(word, on: channels[channel].connection)
    }

    /// A copy that was settled by sending comes to nobody; if it was sent a second time, the first one is told of.
    private func loseSettled(_ packet: Packet, _ turn: inout Turn) {
        if packet.custody != 0 { recordGone(packet.message, packet.subject, &turn) }
    }

    /// A copy as it goes on to its consumer.
    ///
    /// One that was settled by sending may come from a new leader although its first delivery was lost with the one
    /// before: then it is back.
    private func taken(_ packet: Packet, _ turn: inout Turn) -> Packet {
        var word = packet
        word.flags &= ~Flag.settled
        guard packet.has(Flag.settled), packet.custody == 0 else { return word }
        word.custody = 1
        turn.record(.messageRecovered, message: packet.message, subject: packet.subject, variant: 1)
        turn.record(
            .deliverySent,
            message: packet.message,
            subject: packet.subject,
            peer: channels[channel(of: packet)].peer.raw,
            variant: (packet.has(Flag.redelivered) ? 1 : 0) | 2
        )
        return word
    }

    private func channel(of packet: Packet) -> ChannelIndex {
        let number = QuorumConsumerID(wire: packet.port)
        return number.isFetching ? number.channel : consumers[number.consumer].channel
    }

    /// What comes for a consumer that was cancelled meanwhile goes back.
    ///
    /// - Source: `rabbit_fifo_client:handle_delivery`.
    private mutating func sendBack(_ packet: Packet, _ quorum: QuorumIndex, _ turn: inout Turn) {
        let number = QuorumConsumerID(wire: packet.port)
        let consumer = number.consumer
        guard consumers.has(consumer),
            consumers[consumer].queue == quorums[quorum].queue,
            channels[consumers[consumer].channel].state == .open,
            quorums[quorum].client.arrive(packet.deliveryTag, for: number, mayBeFirst: true)
                == .taken
        else { return }
        var command = QuorumCommand(kind: .return)
        command.consumer = number
        command.number = packet.deliveryTag
        tell(quorum, command, &turn)
    }

    func isConsumer(_ number: QuorumConsumerID, of quorum: QuorumIndex) -> Bool {
        let consumer = number.consumer
        return consumers.has(consumer) && consumers[consumer].exists
            && consumers[consumer].queue == quorums[quorum].queue
    }

    /// A consumer here has been sent all that it holds up to a number.
    mutating func takeReach(_ last: UInt64, of consumer: QuorumConsumerID, _ quorum: QuorumIndex) {
        guard isConsumer(consumer, of: quorum) else { return }
        quorums[quorum].client.reach(last, for: consumer)
    }

    mutating func hold(
        _ delivery: UInt64,
        _ message: MessageID,
        _ queue: QueueIndex,
        _ channel: ChannelIndex,
        _ consumer: ConsumerIndex,
        _ settled: Bool,
        _ turn: inout Turn
    ) {
        if settled {
            channels[channel].spendTag()
            return
        }
        if consumer != .none { consumers[consumer].holdOne() }
        channels[channel].hold(
            Unacked(
                readySince: turn.now,
                position: delivery,
                holding: .elsewhere(message),
                queue: queue,
                consumer: consumer,
                sentAt: Unacked.stamp(turn.now)
            )
        )
        ensureTick(&turn)
    }

    mutating func takeFetched(_ packet: Packet, _ quorum: QuorumIndex, _ turn: inout Turn) {
        let number = QuorumConsumerID(wire: packet.port)
        let channel = number.channel
        let delivery = packet.deliveryTag
        guard channels.has(channel), channels[channel].state == .open,
            channels[channel].awaits == .queue(quorums[quorum].queue)
        else {
            loseSettled(packet, &turn)
            return
        }
        quorums[quorum].client.serve(channel)
        let settled = packet.has(Flag.settled)
        guard
            quorums[quorum].client.arrive(delivery, for: number, mayBeFirst: true) == .taken
        else { return loseSettled(packet, &turn) }
        var word = taken(packet, &turn)
        word.word = Method.basicGetOk.rawValue
        word.port = channels[channel].port
        word.setTag(channels[channel].nextTag, of: packet)
        hold(delivery, packet.message, quorums[quorum].queue, channel, .none, settled, &turn)
        if !settled { channels[channel].fetchedFrom.insert(quorum) }
        turn.send(word, on: channels[channel].connection)
        resume(channel, with: nil, &turn)
    }

    /// A command that somebody waits for was done.
    ///
    /// - Returns: the deletion, if it was one: the queue must be forgotten.
    mutating func answer(
        _ quorum: QuorumIndex,
        _ sequence: UInt64,
        _ value: UInt64,
        _ turn: inout Turn
    ) -> Deletion? {
        guard let waiting = quorums[quorum].client.command(sequence) else { return nil }
        let channel = waiting.channel
        guard waiting.command.kind != .deleteQueue else {
            return Deletion(channel: channel, count: UInt32(clamping: value))
        }
        guard channel != .none, channels[channel].state == .open,
            channels[channel].awaits == .queue(quorums[quorum].queue)
        else { return nil }
        if waiting.command.kind == .register {
            // An answer that comes too late, to a channel that asks for something else now, says nothing.
            guard remoteUse.registers(channel, at: quorum) else { return nil }
            takeRegistration(quorum, channel, isStopped: value != 0, &turn)
            return nil
        }
        quorums[quorum].client.serve(channel)
        answer(waiting.command, channel, value, &turn)
        resume(channel, with: nil, &turn)
        return nil
    }

    private mutating func answer(
        _ command: QuorumCommand,
        _ channel: ChannelIndex,
        _ value: UInt64,
        _ turn: inout Turn
    ) {
        let connection = channels[channel].connection
        switch command.kind {
        case .get:
            var word = Packet(.basicGetEmpty, channel: channels[channel].number)
            word.port = channels[channel].port
            turn.send(word, on: connection)
        case .checkout:
            let consumer = command.consumer.consumer
            var word = Packet(.basicConsumeOk, channel: channels[channel].number)
            word.key = consumers[consumer].tag
            word.c = consumer.wire
            if !consumers[consumer].isQuiet { turn.send(word, on: connection) }
        case .purge:
            var word = Packet(.queuePurgeOk, channel: channels[channel].number)
            word.c = UInt32(truncatingIfNeeded: value)
            answer(word, to: channel, &turn)
        case .enqueue, .settle, .return, .discard, .cancel, .drop, .nodeDown, .nodeUp, .nodeGone,
            .expire, .settleDiscard, .nothing, .deleteQueue, .register:
            preconditionFailure("nobody waits for an answer to \(command.kind)")
        }
    }

    /// The log of a quorum queue says that it is deleted: all nodes forget it.
    mutating func finish(
        _ deletions: [Deletion],
        of quorum: QuorumIndex,
        _ turn: inout Turn
    ) {
        let queue = quorums[quorum].queue
        for one in deletions where queues[queue].exists {
            let isWanted =
                one.channel != .none && channels[one.channel].state == .open
                && channels[one.channel].awaits == .queue(queue)
            guard isWanted else {
                forgetEverywhere(queue, &turn)
                continue
            }
            var answer = Packet(.queueDeleteOk, channel: channels[one.channel].number)
            answer.c = one.count
            confirmDeletion(of: queue, one.channel, answer, &turn)
        }
    }
}
