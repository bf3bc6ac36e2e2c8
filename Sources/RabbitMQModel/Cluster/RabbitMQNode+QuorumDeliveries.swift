import DequeModule
import WarrenKernel
import WarrenTrace

/// Deliveries of quorum queues at their consumers' node, and the answers to its commands.
extension RabbitMQNode {
    mutating func takeDelivery(_ packet: Packet, _ quorum: QuorumIndex, _ turn: inout Turn) {
        let number = packet.port
        if number & QuorumTaker.fetching != 0 {
            takeFetched(packet, quorum, &turn)
            return
        }
        let consumer = ConsumerIndex(wire: number)
        guard isConsumer(number, of: quorum),
            channels[consumers[consumer].channel].state == .open
        else {
            if packet.custody != 0 {
                recordGone(packet.message, packet.subject, &turn)
            } else {
                giveBack(packet, quorum, &turn)
            }
            return
        }
        let settled = packet.custody != 0
        let channel = consumers[consumer].channel
        let latest = quorums[quorum].latest[number] ?? 0
        // A leader that has come to lead sends what the one before it may have sent.
        guard packet.deliveryTag > latest else { return }
        if !settled, packet.deliveryTag > latest + 1, !packet.has(Flag.again) {
            // One before it was lost with a connection, and comes with it once more.
            askAgain(number, quorum, &turn)
            return
        }
        quorums[quorum].latest[number] = packet.deliveryTag
        var word = packet
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

    /// What comes for a consumer that was cancelled meanwhile goes back.
    ///
    /// - Source: `rabbit_fifo_client:handle_delivery`.
    private mutating func giveBack(_ packet: Packet, _ quorum: QuorumIndex, _ turn: inout Turn) {
        let consumer = ConsumerIndex(wire: packet.port)
        guard consumers.has(consumer),
            consumers[consumer].queue == quorums[quorum].queue,
            channels[consumers[consumer].channel].state == .open,
            packet.deliveryTag > quorums[quorum].latest[packet.port] ?? 0
        else { return }
        quorums[quorum].latest[packet.port] = packet.deliveryTag
        var command = QuorumCommand(kind: .giveBack)
        command.consumer = packet.port
        command.number = packet.deliveryTag
        tell(quorum, command, &turn)
    }

    func isConsumer(_ number: UInt32, of quorum: QuorumIndex) -> Bool {
        let consumer = ConsumerIndex(wire: number)
        return consumers.has(consumer) && consumers[consumer].exists
            && consumers[consumer].queue == quorums[quorum].queue
    }

    /// A consumer here has been sent all that it holds up to a number.
    mutating func takeReach(_ last: UInt64, of consumer: UInt32, _ quorum: QuorumIndex) {
        guard isConsumer(consumer, of: quorum) else { return }
        quorums[quorum].asking.remove(consumer)
        quorums[quorum].latest[consumer] = max(quorums[quorum].latest[consumer] ?? 0, last)
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
        let channel = ChannelIndex(wire: packet.port & ~QuorumTaker.fetching)
        let delivery = packet.deliveryTag
        guard channels.has(channel), channels[channel].state == .open,
            channels[channel].awaits == .queue(quorums[quorum].queue)
        else {
            if packet.custody != 0 { recordGone(packet.message, packet.subject, &turn) }
            return
        }
        let settled = packet.custody != 0
        guard delivery > quorums[quorum].latest[packet.port] ?? 0 else { return }
        quorums[quorum].latest[packet.port] = delivery
        var word = packet
        word.word = Method.basicGetOk.rawValue
        word.port = channels[channel].port
        word.setTag(channels[channel].nextTag, of: packet)
        hold(delivery, packet.message, quorums[quorum].queue, channel, .none, settled, &turn)
        if !settled { channels[channel].fetchedFrom.insert(quorum) }
        turn.send(word, on: channels[channel].connection)
        resume(channel, with: nil, &turn)
    }

    /// A command that somebody waits for was done.
    mutating func answer(
        _ quorum: QuorumIndex,
        _ sequence: UInt64,
        _ value: UInt64,
        _ turn: inout Turn
    ) {
        guard
            let waiting = quorums[quorum].pending.first(where: {
                $0.command.sequence == sequence
            })
        else { return }
        let channel = waiting.channel
        if waiting.command.kind == .deleteQueue {
            deletionsDone.append((quorums[quorum].queue, channel, UInt32(clamping: value)))
            let member = quorums[quorum].member
            if member == .none || !members[member].isApplying { finishDeletions(&turn) }
            return
        }
        guard channel != .none else { return }
        guard channels[channel].state == .open,
            channels[channel].awaits == .queue(quorums[quorum].queue)
        else { return }
        let connection = channels[channel].connection
        switch waiting.command.kind {
        case .get:
            var word = Packet(.basicGetEmpty, channel: channels[channel].number)
            word.port = channels[channel].port
            turn.send(word, on: connection)
        case .checkout:
            let consumer = ConsumerIndex(wire: waiting.command.consumer)
            var word = Packet(.basicConsumeOk, channel: channels[channel].number)
            word.key = consumers[consumer].tag
            word.c = consumer.wire
            if !consumers[consumer].isQuiet { turn.send(word, on: connection) }
        case .purge:
            var word = Packet(.queuePurgeOk, channel: channels[channel].number)
            word.c = UInt32(truncatingIfNeeded: value)
            self.answer(word, to: channel, &turn)
        default: return
        }
        resume(channel, with: nil, &turn)
    }

    /// The logs of quorum queues say that they are deleted: all nodes forget them.
    mutating func finishDeletions(_ turn: inout Turn) {
        let done = deletionsDone
        deletionsDone = []
        for one in done where queues[one.queue].exists {
            let isWanted =
                one.channel != .none && channels[one.channel].state == .open
                && channels[one.channel].awaits == .queue(one.queue)
            guard isWanted else {
                forgetEverywhere(one.queue, &turn)
                continue
            }
            var answer = Packet(.queueDeleteOk, channel: channels[one.channel].number)
            answer.c = one.count
            confirmDeletion(of: one.queue, one.channel, answer, &turn)
        }
    }
}
