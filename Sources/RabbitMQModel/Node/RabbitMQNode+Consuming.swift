import DequeModule
import WarrenKernel
import WarrenTrace

/// basic.consume and basic.cancel: consumers come to a queue, here or on another node, and leave it.
extension RabbitMQNode {
    /// - Source: RMQ-CONS-01 to -05.
    /// - Differs: consume-ok comes in the order of the requests; a real one comes from the queue, and a qos-ok that was asked
    ///   for later may overtake it.
    mutating func consume(_ packet: Packet, _ channel: ChannelIndex, _ turn: inout Turn)
        throws(Refusal)
    {
        let options: ConsumeOptions = turn.parcels.get(packet.parcel) ?? ConsumeOptions()
        if turn.names[packet.subject] == DirectReply.pseudoQueue {
            try consumeReplies(packet, options, channel, &turn)
            return
        }
        // Without a queue nothing else is looked at.
        _ = try expandName(turn.names[packet.subject], channel)
        var tag = packet.key
        if channels[channel].consumers.contains(where: { consumers[$0].tag == tag }) {
            throw .notAllowed("attempt to reuse consumer tag '\(turn.names[tag])'")
        }
        let queue = try queueToRead(packet.subject, channel, turn.names)
        let noAck = packet.has(Flag.noAck)
        try QueueArguments.checkConsumer(
            options.arguments,
            of: queues[queue].declaration,
            sessions[channels[channel].session].vhost
        )
        try checkConsume(queue, channel, exclusive: packet.has(Flag.exclusive), noAck: noAck)
        if turn.names[tag].isEmpty {
            tag = turn.names.intern(.text, "amq.ctag-\(randomName(&turn))")
        }
        var made = Consumer(
            queue: queue,
            channel: channel,
            tag: tag,
            noAck: noAck,
            prefetch: channels[channel].prefetch
        )
        made.priority = options["x-priority"]?.number ?? 0
        made.label = consumers.endIndex.wire
        made.isQuiet = options.nowait
        if !isHere(queue) {
            consumeElsewhere(made, packet, channel, queue, &turn)
            return
        }
        if queues[queue].rules.kind == .stream {
            made.offset = try firstOffset(queue, options["x-stream-offset"], turn.now)
        }
        begin(made, channel, queue, exclusive: packet.has(Flag.exclusive), &turn)
    }

    /// A consumer begins at a queue of this node.
    private mutating func begin(
        _ made: Consumer,
        _ channel: ChannelIndex,
        _ queue: QueueIndex,
        exclusive: Bool,
        _ turn: inout Turn
    ) {
        assert(queues[queue].isHere, "a consumer begins where its queue lives")
        assert(channels[channel].state == .open, "a consumer begins on a channel that is closed")
        let consumer = consumers.endIndex
        consumers.append(made)
        channels[channel].consumers.append(consumer)
        queues[queue].consumers.append(consumer)
        place(consumer, queue, exclusive: exclusive, &turn)
        turn.record(
            .consumerStarted,
            subject: queues[queue].symbol,
            peer: channels[channel].peer.raw,
            variant: queues[queue].log == nil ? 0 : 1,
            detail: made.offset
        )
        var answer = Packet(.basicConsumeOk, channel: 0)
        answer.port = channels[channel].port
        answer.key = made.tag
        answer.c = made.label
        if !made.isQuiet { turn.send(answer, on: channels[channel].connection) }
        ensureTick(&turn)
        dispatch(queue, &turn)
    }

    /// A consumer of a client here wants a queue that is kept elsewhere, or by several nodes.
    private mutating func consumeElsewhere(
        _ made: Consumer,
        _ packet: Packet,
        _ channel: ChannelIndex,
        _ queue: QueueIndex,
        _ turn: inout Turn
    ) {
        assert(!queues[queue].isHere, "a consumer of a queue here begins here")
        var made = made
        made.inRotation = false
        let old = cancelled(made.tag, queue, channel)
        let consumer = old ?? consumers.endIndex
        if let old {
            made.label = old.wire
            made.unacked = consumers[old].unacked
            consumers[old] = made
        } else {
            consumers.append(made)
        }
        channels[channel].consumers.append(consumer)
        var word = packet
        word.key = made.tag
        word.c = made.label
        word.d = made.prefetch
        let quorum = queues[queue].quorum
        guard quorum != .none else {
            word.subject = queues[queue].symbol
            // Also of a queue without copies: a policy may give it some.
            remoteUse.attach(consumer, by: word)
            forward(word, channel, queue, &turn)
            return
        }
        touch(queue, &turn)
        if old == nil { quorums[quorum].client.begin(made.atQuorum) }
        var command = QuorumCommand(kind: .checkout)
        command.consumer = made.atQuorum
        command.packet.c = channels[channel].peer.raw
        command.packet.d = made.prefetch
        command.packet.flags = packet.flags & Flag.noAck
        command.packet.y = UInt64(bitPattern: made.priority)
        call(.consume, command, quorum, channel, &turn)
    }

    /// The cancelled consumer of a quorum queue that still holds something under a tag, if there is one.
    ///
    /// - Source: RMQ-QQ-43.
    private func cancelled(_ tag: Symbol, _ queue: QueueIndex, _ channel: ChannelIndex)
        -> ConsumerIndex?
    {
        guard queues[queue].quorum != .none else { return nil }
        return channels[channel].unacked.first {
            $0.queue == queue && $0.consumer != .none
                && !consumers[$0.consumer].exists && consumers[$0.consumer].tag == tag
        }?.consumer
    }

    /// A consumer of another node begins at a queue of this one.
    mutating func attach(_ packet: Packet, _ channel: ChannelIndex, _ turn: inout Turn)
        throws(Refusal)
    {
        let options: ConsumeOptions = turn.parcels.get(packet.parcel) ?? ConsumeOptions()
        let queue = try findQueue(turn.names[packet.subject], channel, turn.names)
        // It has moved meanwhile: the consumer's node will hear where to, and attach it there.
        guard queues[queue].isHere else { return }
        let isExclusive = packet.has(Flag.exclusive)
        let noAck = packet.has(Flag.noAck)
        channels[channel].prefetch = packet.d
        try checkConsume(queue, channel, exclusive: isExclusive, noAck: noAck)
        var made = Consumer(
            queue: queue,
            channel: channel,
            tag: packet.key,
            noAck: noAck,
            prefetch: packet.d
        )
        made.priority = options["x-priority"]?.number ?? 0
        made.label = packet.c
        made.isQuiet = packet.has(Flag.quiet)
        if queues[queue].rules.kind == .stream {
            made.offset = try firstOffset(queue, options["x-stream-offset"], turn.now)
        }
        begin(made, channel, queue, exclusive: isExclusive, &turn)
    }

    /// - Source: RMQ-CONS-24, -25.
    mutating func cancel(_ packet: Packet, _ channel: ChannelIndex, _ turn: inout Turn) {
        if channels[channel].replies?.tag == packet.key {
            // RMQ-DRT-11.
            channels[channel].replies = nil
        } else if let index = channels[channel].consumers.firstIndex(where: {
            consumers[$0].tag == packet.key
        }) {
            let consumer = channels[channel].consumers[index]
            endConsumer(consumer, channel, &turn)
        }
        var answer = Packet(.basicCancelOk, channel: packet.channel)
        answer.key = packet.key
        self.answer(answer, to: channel, &turn)
    }

    /// A consumer ends, and its queue with it if nobody else uses it.
    mutating func endConsumer(
        _ consumer: ConsumerIndex,
        _ channel: ChannelIndex,
        _ turn: inout Turn
    ) {
        channels[channel].consumers.removeAll { $0 == consumer }
        let queue = consumers[consumer].queue
        guard isHere(queue) else {
            cancelElsewhere(consumer, channel, queue, &turn)
            return
        }
        // RMQ-CONS-41: who takes over is not served by that.
        detach(consumer, &turn)
        deleteIfUnused(queue, &turn)
    }

    private mutating func cancelElsewhere(
        _ consumer: ConsumerIndex,
        _ channel: ChannelIndex,
        _ queue: QueueIndex,
        _ turn: inout Turn
    ) {
        consumers[consumer].exists = false
        remoteUse.detach(consumer)
        guard queues[queue].exists else { return }
        if queues[queue].quorum != .none {
            var command = QuorumCommand(kind: .cancel)
            command.consumer = consumers[consumer].atQuorum
            tell(queues[queue].quorum, command, &turn)
        } else if !queues[queue].isDown {
            var word = Packet(.basicCancel, channel: 0)
            word.c = consumers[consumer].label
            forward(word, channel, queue, waiting: false, &turn)
        }
    }

    /// Takes a consumer off its queue.
    mutating func detach(_ consumer: ConsumerIndex, _ turn: inout Turn) {
        guard consumers[consumer].exists else { return }
        let queue = consumers[consumer].queue
        consumers[consumer].exists = false
        consumers[consumer].inRotation = false
        remoteUse.detach(consumer)
        guard isHere(queue) else {
            leaveQuorum(consumer, queue, &turn)
            return
        }
        queues[queue].consumers.removeAll { $0 == consumer }
        queues[queue].rotation.removeAll { $0 == consumer }
        if !queues[queue].isPlain { succeed(consumer, queue, &turn) }
        if queues[queue].exclusiveConsumer == consumer {
            queues[queue].exclusiveConsumer = .none
        }
        turn.record(
            .consumerEnded,
            subject: queues[queue].symbol,
            peer: channels[consumers[consumer].channel].peer.raw
        )
    }

    /// A channel is gone, and its consumer of a quorum queue with it: what it held goes back.
    ///
    /// - Source: RMQ-QQ-08, -28.
    private mutating func leaveQuorum(
        _ consumer: ConsumerIndex,
        _ queue: QueueIndex,
        _ turn: inout Turn
    ) {
        assert(!consumers[consumer].exists, "a consumer leaves that is still there")
        guard queues[queue].exists, queues[queue].quorum != .none else { return }
        var command = QuorumCommand(kind: .drop)
        command.consumer = consumers[consumer].atQuorum
        tell(queues[queue].quorum, command, &turn)
        quorums[queues[queue].quorum].client.end(consumers[consumer].atQuorum)
    }
}
