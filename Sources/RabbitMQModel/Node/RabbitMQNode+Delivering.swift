import DequeModule
import WarrenKernel
import WarrenTrace

/// From a queue to consumers: the rotation, prefetch, basic.get.
extension RabbitMQNode {
    /// A copy enters a queue, and leaves it at once if a consumer has room.
    @inline(__always)
    mutating func enqueue(
        _ row: MessageIndex,
        _ message: MessageRow,
        _ queue: QueueIndex,
        _ turn: inout Turn
    ) {
        assert(queues[queue].isPlain, "a queue with rules has another door")
        assert(messages.isTaken(row), "a message is enqueued that is not kept")
        turn.record(
            .messageRouted,
            message: message.message,
            subject: queues[queue].symbol,
            detail: UInt64(message.size)
        )
        let entry = Entry(readySince: turn.now, row: row, redelivered: false)
        if let next = queues[queue].nextInLine {
            if hasRoom(next) {
                let position = queues[queue].passThrough(holds: !consumers[next].noAck)
                let taken = ReturnedEntry(position: position, entry: entry)
                deliver(taken, message, queue, next, &turn)
                return
            }
            queues[queue].rotation.removeFirst()
            suspend(next)
        }
        if queues[queue].lineUp(entry) { dispatch(queue, &turn) }
    }

    /// Sends ready copies to consumers with room, one each in turn.
    ///
    /// - Source: RMQ-CONS-06, -07, -08, -15, -16.
    @inline(__always)
    mutating func dispatch(_ queue: QueueIndex, _ turn: inout Turn) {
        if !queues[queue].isPlain {
            dispatchByRules(queue, &turn)
            return
        }
        while queues[queue].readyCount > 0, let next = queues[queue].rotation.popFirst() {
            guard hasRoom(next) else {
                suspend(next)
                continue
            }
            let taken = queues[queue].take(for: next, holds: !consumers[next].noAck)
            deliver(taken, messages[taken.entry.row], queue, next, &turn)
        }
    }

    /// - Source: RMQ-CONS-08, -11, -12, -13.
    @inline(__always)
    func hasRoom(_ consumer: ConsumerIndex) -> Bool {
        if consumers[consumer].waits { return false }
        let prefetch = consumers[consumer].prefetch
        if prefetch != 0, consumers[consumer].unacked >= prefetch { return false }
        return !channels[consumers[consumer].channel].isFull
    }

    /// A consumer whose turn it was and who has no room leaves the rotation.
    ///
    /// - Source: RMQ-CONS-43.
    mutating func suspend(_ consumer: ConsumerIndex) {
        assert(consumers[consumer].exists, "a consumer that is gone is in no rotation")
        consumers[consumer].inRotation = false
        consumers[consumer].suspendedAs = numbers.nextSuspension()
    }

    /// Sends a copy to a consumer; its queue counts it already, and has the consumer in its rotation again.
    @inline(__always)
    mutating func deliver(
        _ taken: ReturnedEntry,
        _ message: MessageRow,
        _ queue: QueueIndex,
        _ consumer: ConsumerIndex,
        _ turn: inout Turn
    ) {
        assert(consumers[consumer].exists, "a consumer that is gone is sent nothing")
        assert(consumers[consumer].queue == queue, "a consumer is served by another queue")
        assert(
            channels[consumers[consumer].channel].state == .open,
            "a delivery on a channel that is closed"
        )
        let channel = consumers[consumer].channel
        var packet = deliveryPacket(.basicDeliver, message, taken.entry, queue, channel)
        let noAck = consumers[consumer].noAck
        // The consumer's number rides in the upper bits of the tag's word: the client knows it from
        // consume-ok, and tags never come near 2^40.
        packet.setDelivery(channels[channel].nextTag, consumer: consumers[consumer].label)
        let redelivered: UInt8 = taken.entry.redelivered ? 1 : 0
        turn.record(
            .deliverySent,
            message: message.message,
            subject: queues[queue].symbol,
            peer: channels[channel].peer.raw,
            variant: redelivered | (noAck ? 2 : 0),
            detail: (turn.now - taken.entry.readySince).nanoseconds
        )
        if noAck {
            packet.custody = 1
            settleBySending(taken, queue, channel, &turn)
        } else {
            let held = Unacked(
                readySince: taken.entry.readySince,
                position: taken.position,
                holding: .row(taken.entry.row),
                queue: queue,
                consumer: consumer,
                sentAt: Unacked.stamp(turn.now)
            )
            channels[channel].hold(held)
            consumers[consumer].holdOne()
        }
        turn.send(packet, on: channels[channel].connection)
    }

    @inline(__always)
    func deliveryPacket(
        _ method: Method,
        _ message: MessageRow,
        _ entry: Entry,
        _ queue: QueueIndex,
        _ channel: ChannelIndex
    ) -> Packet {
        Packet(
            word: method.rawValue,
            flags: (entry.redelivered ? Flag.redelivered : 0)
                | (message.persistent ? Flag.persistent : 0),
            port: channels[channel].port,
            message: message.message,
            parcel: message.parcel,
            subject: queues[queue].symbol,
            key: message.key,
            c: message.size,
            d: message.exchange.raw,
            y: UInt64(message.replyTo.raw) &<< 32 | UInt64(message.correlation.raw)
        )
    }

    private mutating func settleBySending(
        _ taken: ReturnedEntry,
        _ queue: QueueIndex,
        _ channel: ChannelIndex,
        _ turn: inout Turn
    ) {
        assert(messages.isTaken(taken.entry.row), "a message is settled that is not kept")
        channels[channel].spendTag()
        eraseIfStored(taken.entry.row, queue, taken.position, &turn)
        messages.release(taken.entry.row)
        if !queues[queue].isPlain { queues[queue].forget(taken.position) }
    }

    /// Takes a message off the disk, if it is there.
    mutating func eraseIfStored(
        _ row: MessageIndex,
        _ queue: QueueIndex,
        _ position: UInt64,
        _ turn: inout Turn
    ) {
        assert(messages.isTaken(row), "a message is erased that is not kept")
        if !queues[queue].isAlone { dropCopy(queue, position, &turn) }
        if queues[queue].keeps(messages[row].persistent) { erase(queue, position, &turn) }
    }

    /// Takes a message off the disk.
    func erase(_ queue: QueueIndex, _ position: UInt64, _ turn: inout Turn) {
        turn.erase(diskKey(queue, position))
    }

    /// - Source: RMQ-GET-01 to -07; RMQ-DECL-02.
    mutating func get(_ packet: Packet, _ channel: ChannelIndex, _ turn: inout Turn) throws(Refusal)
    {
        let queue = try queueToRead(packet.subject, channel, turn.names)
        let connection = channels[channel].connection
        try checkGet(queue)
        if !isHere(queue) {
            getElsewhere(packet, channel, queue, &turn)
            return
        }
        if !queues[queue].isPlain { touch(queue, &turn) }
        guard queues[queue].readyCount > 0 else {
            var answer = Packet(.basicGetEmpty, channel: 0)
            answer.port = channels[channel].port
            turn.send(answer, on: connection)
            return
        }
        let isPlain = queues[queue].isPlain
        let taken = isPlain ? queues[queue].take() : takeReady(queue)
        let message = messages[taken.entry.row]
        // Who fetches sees what is left after that: RMQ-TTL-13.
        if !isPlain { dropExpired(queue, &turn) }
        var answer = deliveryPacket(.basicGetOk, message, taken.entry, queue, channel)
        answer.setDelivery(channels[channel].nextTag, left: queues[queue].readyCount)
        let noAck = packet.has(Flag.noAck)
        turn.record(
            .deliverySent,
            message: answer.message,
            subject: queues[queue].symbol,
            peer: channels[channel].peer.raw,
            variant: (taken.entry.redelivered ? 1 : 0) | (noAck ? 2 : 0),
            detail: (turn.now - taken.entry.readySince).nanoseconds
        )
        if noAck {
            answer.custody = 1
            settleBySending(taken, queue, channel, &turn)
        } else {
            queues[queue].unackedCount += 1
            channels[channel].hold(
                Unacked(
                    readySince: taken.entry.readySince,
                    position: taken.position,
                    holding: .row(taken.entry.row),
                    queue: queue,
                    consumer: .none,
                    sentAt: Unacked.stamp(turn.now)
                )
            )
        }
        turn.send(answer, on: connection)
    }

    /// - Source: RMQ-STREAM-02, RMQ-QQ-41.
    private func checkGet(_ queue: QueueIndex) throws(Refusal) {
        try refuseForStream(queue, "basic.get")
        guard queues[queue].rules.kind == .quorum, queues[queue].rules.singleActive else { return }
        let vhost = vhostName(of: queues[queue].scope)
        throw .resourceLocked(
            "cannot obtain access to locked queue '\(queues[queue].declaration.name)' in vhost "
                + "'\(vhost)'. basic.get operations are not supported by quorum queues with single "
                + "active consumer"
        )
    }

    /// basic.get from a queue that is kept elsewhere, or by several nodes.
    private mutating func getElsewhere(
        _ packet: Packet,
        _ channel: ChannelIndex,
        _ queue: QueueIndex,
        _ turn: inout Turn
    ) {
        assert(!queues[queue].isHere, "a queue that lives here is read here")
        guard queues[queue].quorum != .none else {
            forward(packet, channel, queue, &turn)
            return
        }
        touch(queue, &turn)
        var command = QuorumCommand(kind: .get)
        command.consumer = QuorumConsumerID(fetching: channel)
        command.packet.c = channels[channel].peer.raw
        command.packet.flags = packet.flags & Flag.noAck
        call(.get, command, queues[queue].quorum, channel, &turn)
    }

    /// - Source: RMQ-CONS-09 to -12, -39; RMQ-CONS-14 (prefetch_size).
    mutating func setPrefetch(_ packet: Packet, _ channel: ChannelIndex, _ turn: inout Turn)
        throws(Refusal)
    {
        // RMQ-CONS-14: a limit in bytes is not there.
        if packet.d != 0 { throw .notImplemented("prefetch_size!=0 (\(packet.d))") }
        if packet.has(Flag.global) {
            channels[channel].limit(to: packet.c)
            for peer in channels[channel].openedAt.sorted() {
                var word = packet
                word.port = channel.wire
                send(word, toPeer: peer, &turn)
            }
        } else {
            channels[channel].prefetch = packet.c
            channels[channel].limit(to: 0)
        }
        reply(.basicQosOk, packet.channel, channels[channel].connection, &turn)
        offerAgain(channel, &turn)
    }

    /// A name as the broker makes them: 22 characters that fit into a URL.
    mutating func randomName(_ turn: inout Turn) -> String {
        let alphabet = Array(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        )
        let stream = turn.chance.stream("names \(setup.name)")
        return String((0..<22).map { _ in alphabet[Int(turn.chance.below(64, stream))] })
    }
}
