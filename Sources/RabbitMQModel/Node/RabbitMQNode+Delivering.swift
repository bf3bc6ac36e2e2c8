import DequeModule
import WarrenKernel
import WarrenTrace

/// From a queue to consumers: the rotation, prefetch, basic.get.
extension RabbitMQNode {
    /// A copy enters a queue, and leaves it at once if a consumer has room.
    @inline(__always)
    mutating func enqueue(_ row: UInt32, _ message: MessageRow, _ queue: Int, _ turn: inout Turn) {
        turn.record(
            .messageRouted,
            message: message.message,
            subject: queues[queue].symbol,
            detail: UInt64(message.size)
        )
        let entry = Entry(readySince: turn.now, row: row, redelivered: false)
        if let next = queues[queue].passThrough() {
            if hasRoom(Int(next)) {
                let taken = ReturnedEntry(position: queues[queue].skip(), entry: entry)
                deliver(taken, message, queue, next, &turn)
                return
            }
            suspend(next)
        }
        queues[queue].ready.append(entry)
        dispatch(queue, &turn)
    }

    /// Sends ready copies to consumers with room, one each in turn.
    ///
    /// - Source: RMQ-CONS-06, -07, -08, -15, -16.
    @inline(__always)
    mutating func dispatch(_ queue: Int, _ turn: inout Turn) {
        if !queues[queue].isPlain {
            dispatchByRules(queue, &turn)
            return
        }
        while queues[queue].readyCount > 0, let next = queues[queue].rotation.popFirst() {
            guard hasRoom(Int(next)) else {
                suspend(next)
                continue
            }
            let taken = queues[queue].take()
            deliver(taken, messages[taken.entry.row], queue, next, &turn)
        }
    }

    /// - Source: RMQ-CONS-08, -11, -12, -13.
    @inline(__always)
    func hasRoom(_ consumer: Int) -> Bool {
        if consumers[consumer].waits { return false }
        let prefetch = consumers[consumer].prefetch
        if prefetch != 0, consumers[consumer].unacked >= prefetch { return false }
        return !channels[Int(consumers[consumer].channel)].isFull
    }

    /// A consumer whose turn it was and who has no room leaves the rotation.
    ///
    /// - Source: RMQ-CONS-43.
    mutating func suspend(_ consumer: Int32) {
        suspensions &+= 1
        consumers[Int(consumer)].inRotation = false
        consumers[Int(consumer)].suspendedAs = suspensions
    }

    /// Sends a copy to the consumer that was taken from the head of the rotation.
    @inline(__always)
    mutating func deliver(
        _ taken: ReturnedEntry,
        _ message: MessageRow,
        _ queue: Int,
        _ next: Int32,
        _ turn: inout Turn
    ) {
        let consumer = Int(next)
        let channel = Int(consumers[consumer].channel)
        var packet = deliveryPacket(.basicDeliver, message, taken.entry, queue, channel)
        let noAck = consumers[consumer].noAck
        // The consumer's number rides in the upper bits of the tag's word: the client knows it from
        // consume-ok, and tags never come near 2^40.
        packet.x = channels[channel].nextTag | UInt64(consumers[consumer].label) &<< 40
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
                row: taken.entry.row,
                queue: Int32(truncatingIfNeeded: queue),
                consumer: next,
                sentAt: Unacked.stamp(turn.now)
            )
            channels[channel].hold(held)
            channels[channel].narrow()
            consumers[consumer].holdOne()
            queues[queue].unackedCount &+= 1
        }
        queues[queue].rotation.append(next)
        turn.send(packet, on: channels[channel].connection)
    }

    @inline(__always)
    func deliveryPacket(
        _ method: Method,
        _ message: MessageRow,
        _ entry: Entry,
        _ queue: Int,
        _ channel: Int
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
        _ queue: Int,
        _ channel: Int,
        _ turn: inout Turn
    ) {
        channels[channel].spendTag()
        eraseIfStored(taken.entry.row, queue, taken.position, &turn)
        messages.release(taken.entry.row)
        if !queues[queue].isPlain { queues[queue].forget(taken.position) }
    }

    /// Takes a message off the disk, if it is there.
    mutating func eraseIfStored(
        _ row: UInt32,
        _ queue: Int,
        _ position: UInt64,
        _ turn: inout Turn
    ) {
        if !queues[queue].isAlone { dropCopy(queue, position, &turn) }
        if messages[row].persistent || !queues[queue].isPlain { erase(queue, position, &turn) }
    }

    /// Takes a persistent message off the disk.
    func erase(_ queue: Int, _ position: UInt64, _ turn: inout Turn) {
        if queues[queue].declaration.durable {
            turn.erase(diskKey(queue, position))
        }
    }

    /// - Source: RMQ-GET-01 to -07; RMQ-DECL-02.
    mutating func get(_ packet: Packet, _ channel: Int, _ turn: inout Turn) throws(Refusal) {
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
        answer.x = channels[channel].nextTag | UInt64(queues[queue].readyCount) << 40
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
                    row: taken.entry.row,
                    queue: Int32(queue),
                    consumer: -1,
                    sentAt: Unacked.stamp(turn.now)
                )
            )
        }
        turn.send(answer, on: connection)
    }

    /// - Source: RMQ-STREAM-02, RMQ-QQ-41.
    private func checkGet(_ queue: Int) throws(Refusal) {
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
        _ channel: Int,
        _ queue: Int,
        _ turn: inout Turn
    ) {
        guard queues[queue].quorum >= 0 else {
            forward(packet, channel, queue, &turn)
            return
        }
        touch(queue, &turn)
        var command = QuorumCommand(kind: .get)
        command.consumer = UInt32(channel) | QuorumTaker.fetching
        command.packet.c = channels[channel].peer.raw
        command.packet.flags = packet.flags & Flag.noAck
        wait(channel, for: queue)
        tell(queues[queue].quorum, command, channel: channel, &turn)
    }

    /// - Source: RMQ-CONS-09 to -12, -39; RMQ-CONS-14 (prefetch_size).
    mutating func setPrefetch(_ packet: Packet, _ channel: Int, _ turn: inout Turn)
        throws(Refusal)
    {
        // RMQ-CONS-14: a limit in bytes is not there.
        if packet.d != 0 { throw .notImplemented("prefetch_size!=0 (\(packet.d))") }
        if packet.has(Flag.global) {
            channels[channel].limit(to: packet.c)
            for peer in channels[channel].openedAt.sorted() {
                var word = packet
                word.port = UInt32(channel)
                send(word, toPeer: peer, &turn)
            }
        } else {
            channels[channel].prefetch = packet.c
            channels[channel].limit(to: 0)
        }
        reply(.basicQosOk, packet.channel, channels[channel].connection, &turn)
        offerAgain(channel, &turn)
    }

    /// - Source: RMQ-CONS-01 to -05.
    /// - Differs: consume-ok comes in the order of the requests; a real one comes from the queue, and a qos-ok that was asked
    ///   for later may overtake it.
    mutating func consume(_ packet: Packet, _ channel: Int, _ turn: inout Turn) throws(Refusal) {
        let options: ConsumeOptions = turn.parcels.get(packet.parcel) ?? ConsumeOptions()
        if turn.names[packet.subject] == DirectReply.pseudoQueue {
            try consumeReplies(packet, options, channel, &turn)
            return
        }
        // Without a queue nothing else is looked at.
        _ = try expandName(turn.names[packet.subject], channel)
        var tag = packet.key
        if channels[channel].consumers.contains(where: { consumers[Int($0)].tag == tag }) {
            throw .notAllowed("attempt to reuse consumer tag '\(turn.names[tag])'")
        }
        let queue = try queueToRead(packet.subject, channel, turn.names)
        let noAck = packet.has(Flag.noAck)
        try QueueArguments.checkConsumer(
            options.arguments,
            of: queues[queue].declaration,
            sessions[Int(channels[channel].session)].vhost
        )
        try checkConsume(queue, channel, exclusive: packet.has(Flag.exclusive), noAck: noAck)
        if turn.names[tag].isEmpty {
            tag = turn.names.intern(.text, "amq.ctag-\(randomName(&turn))")
        }
        var made = Consumer(
            queue: Int32(queue),
            channel: Int32(channel),
            tag: tag,
            noAck: noAck,
            prefetch: channels[channel].prefetch
        )
        made.priority = options["x-priority"]?.number ?? 0
        made.label = UInt32(consumers.count)
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
        _ channel: Int,
        _ queue: Int,
        exclusive: Bool,
        _ turn: inout Turn
    ) {
        let consumer = Int32(consumers.count)
        consumers.append(made)
        channels[channel].consumers.append(consumer)
        queues[queue].consumers.append(consumer)
        place(consumer, queue, exclusive: exclusive, &turn)
        turn.record(
            .consumerStarted,
            subject: queues[queue].symbol,
            peer: channels[channel].peer.raw
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
        _ channel: Int,
        _ queue: Int,
        _ turn: inout Turn
    ) {
        var made = made
        made.inRotation = false
        let old = cancelled(made.tag, queue, channel)
        let consumer = old ?? Int32(consumers.count)
        if let old {
            made.label = UInt32(old)
            made.unacked = consumers[Int(old)].unacked
            consumers[Int(old)] = made
        } else {
            consumers.append(made)
        }
        channels[channel].consumers.append(consumer)
        var word = packet
        word.key = made.tag
        word.c = made.label
        word.d = made.prefetch
        let quorum = queues[queue].quorum
        guard quorum >= 0 else {
            word.subject = queues[queue].symbol
            if queues[queue].rules.isReplicated { attachments[consumer] = word }
            forward(word, channel, queue, &turn)
            return
        }
        touch(queue, &turn)
        if old == nil { quorums[quorum].latest[made.label] = 0 }
        var command = QuorumCommand(kind: .checkout)
        command.consumer = made.label
        command.packet.c = channels[channel].peer.raw
        command.packet.d = made.prefetch
        command.packet.flags = packet.flags & Flag.noAck
        command.packet.y = UInt64(bitPattern: made.priority)
        wait(channel, for: queue)
        tell(quorum, command, channel: channel, &turn)
    }

    /// The cancelled consumer of a quorum queue that still holds something under a tag, if there is one.
    ///
    /// - Source: RMQ-QQ-43.
    private func cancelled(_ tag: Symbol, _ queue: Int, _ channel: Int) -> Int32? {
        guard queues[queue].quorum >= 0 else { return nil }
        return channels[channel].unacked.first {
            $0.queue == Int32(queue) && $0.consumer >= 0
                && !consumers[Int($0.consumer)].exists && consumers[Int($0.consumer)].tag == tag
        }?.consumer
    }

    /// A consumer of another node begins at a queue of this one.
    mutating func attach(_ packet: Packet, _ channel: Int, _ turn: inout Turn) throws(Refusal) {
        let options: ConsumeOptions = turn.parcels.get(packet.parcel) ?? ConsumeOptions()
        let queue = try findQueue(turn.names[packet.subject], channel, turn.names)
        let isExclusive = packet.has(Flag.exclusive)
        let noAck = packet.has(Flag.noAck)
        channels[channel].prefetch = packet.d
        try checkConsume(queue, channel, exclusive: isExclusive, noAck: noAck)
        var made = Consumer(
            queue: Int32(queue),
            channel: Int32(channel),
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
    mutating func cancel(_ packet: Packet, _ channel: Int, _ turn: inout Turn) {
        if channels[channel].replies?.tag == packet.key {
            // RMQ-DRT-11.
            channels[channel].replies = nil
        } else if let index = channels[channel].consumers.firstIndex(where: {
            consumers[Int($0)].tag == packet.key
        }) {
            let consumer = Int(channels[channel].consumers[index])
            endConsumer(consumer, channel, &turn)
        }
        var answer = Packet(.basicCancelOk, channel: packet.channel)
        answer.key = packet.key
        self.answer(answer, to: channel, &turn)
    }

    /// A consumer ends, and its queue with it if nobody else uses it.
    mutating func endConsumer(_ consumer: Int, _ channel: Int, _ turn: inout Turn) {
        channels[channel].consumers.removeAll { $0 == Int32(consumer) }
        let queue = Int(consumers[consumer].queue)
        guard isHere(queue) else {
            cancelElsewhere(consumer, channel, queue, &turn)
            return
        }
        // RMQ-CONS-41: who takes over is not served by that.
        detach(consumer, &turn)
        deleteIfUnused(queue, &turn)
    }

    private mutating func cancelElsewhere(
        _ consumer: Int,
        _ channel: Int,
        _ queue: Int,
        _ turn: inout Turn
    ) {
        consumers[consumer].exists = false
        attachments[Int32(consumer)] = nil
        guard queues[queue].exists else { return }
        if queues[queue].quorum >= 0 {
            var command = QuorumCommand(kind: .cancel)
            command.consumer = consumers[consumer].label
            tell(queues[queue].quorum, command, &turn)
        } else if !queues[queue].isDown {
            var word = Packet(.basicCancel, channel: 0)
            word.c = consumers[consumer].label
            forward(word, channel, queue, waiting: false, &turn)
        }
    }

    /// Takes a consumer off its queue.
    mutating func detach(_ consumer: Int, _ turn: inout Turn) {
        guard consumers[consumer].exists else { return }
        let queue = Int(consumers[consumer].queue)
        consumers[consumer].exists = false
        consumers[consumer].inRotation = false
        if !attachments.isEmpty { attachments[Int32(consumer)] = nil }
        guard isHere(queue) else {
            leaveQuorum(consumer, queue, &turn)
            return
        }
        queues[queue].consumers.removeAll { $0 == Int32(consumer) }
        queues[queue].rotation.removeAll { $0 == Int32(consumer) }
        if !queues[queue].isPlain { succeed(consumer, queue, &turn) }
        if queues[queue].exclusiveConsumer == Int32(consumer) {
            queues[queue].exclusiveConsumer = -1
        }
        turn.record(
            .consumerEnded,
            subject: queues[queue].symbol,
            peer: channels[Int(consumers[consumer].channel)].peer.raw
        )
    }

    /// A channel is gone, and its consumer of a quorum queue with it: what it held goes back.
    ///
    /// - Source: RMQ-QQ-08, -28.
    private mutating func leaveQuorum(_ consumer: Int, _ queue: Int, _ turn: inout Turn) {
        guard queues[queue].exists, queues[queue].quorum >= 0 else { return }
        var command = QuorumCommand(kind: .drop)
        command.consumer = consumers[consumer].label
        tell(queues[queue].quorum, command, &turn)
        quorums[queues[queue].quorum].latest[consumers[consumer].label] = nil
    }

    /// A name as the broker makes them: 22 characters that fit into a URL.
    mutating func randomName(_ turn: inout Turn) -> String {
        let alphabet = Array(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        )
        let stream = turn.chance.stream("names \(brokerName)")
        return String((0..<22).map { _ in alphabet[Int(turn.chance.below(64, stream))] })
    }
}
