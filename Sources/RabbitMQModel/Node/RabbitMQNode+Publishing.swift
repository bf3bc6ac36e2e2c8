import DequeModule
import WarrenKernel
import WarrenTrace

/// A confirm that waits for disks.
struct PendingConfirm: BitwiseCopyable, Sendable {
    var channel: Int32
    var waiting: Int32
    var sequence: UInt64
    var message: MessageID
}

/// A write that a confirm waits for.
struct PendingWrite: BitwiseCopyable, Sendable {
    var write: UInt64
    var confirm: UInt32
}

/// basic.publish: routing, returns, confirms.
extension RabbitMQNode {
    /// The common publication: transient, without headers, to an exchange that is there and a key that
    /// was seen before; false if it is not that simple.
    @inline(__always)
    mutating func publishPlain(_ packet: Packet, _ channel: Int, _ turn: inout Turn) -> Bool {
        let exchange = exchangeIndex(packet.subject)
        guard packet.flags & (Flag.persistent | Flag.immediate) == 0, packet.parcel == .none,
            exchange >= 0, let span = router.find(exchange, packet.key), span.count > 0
        else { return false }
        let message = MessageRow(packet, references: span.count)
        let row = messages.put(message)
        // Every queue takes responsibility at once.
        var index = Int(span.first)
        let end = index &+ Int(span.count)
        while index < end {
            enqueue(row, message, Int(router.targets[index]), &turn)
            index &+= 1
        }
        if channels[channel].confirming {
            channels[channel].publishSequence &+= 1
            confirm(channel, channels[channel].publishSequence, packet.message, &turn)
        }
        return true
    }

    /// Any publication.
    ///
    /// - Source: RMQ-ROUTE-10, -11; RMQ-PUB-01 to -05, -14.
    mutating func publish(_ packet: Packet, _ channel: Int, _ turn: inout Turn) throws(Refusal) {
        if packet.has(Flag.immediate) { throw .notImplemented("immediate=true") }
        let exchange = exchangeIndex(packet.subject)
        if exchange < 0 { throw noExchange(packet.subject, channel, turn.names) }
        if exchanges[exchange].declaration.isInternal {
            let name = exchanges[exchange].declaration.name
            let vhost = sessions[Int(channels[channel].session)].vhost
            throw .accessRefused(
                "cannot publish to internal exchange '\(name)' in vhost '\(vhost)'"
            )
        }
        let span = try route(exchange, packet.key, packet.parcel, &turn)
        var sequence: UInt64 = 0
        if channels[channel].confirming {
            channels[channel].publishSequence &+= 1
            sequence = channels[channel].publishSequence
        }
        guard span.count > 0 else {
            publishUnroutable(packet, channel, &turn)
            if sequence > 0 { confirm(channel, sequence, packet.message, &turn) }
            return
        }
        let row = messages.put(MessageRow(packet, references: span.count))
        publishRare(row, span, channel, sequence, &turn)
    }

    private func noExchange(_ symbol: Symbol, _ channel: Int, _ names: Names) -> Refusal {
        let vhost = sessions[Int(channels[channel].session)].vhost
        return .notFound("no exchange '\(names[symbol])' in vhost '\(vhost)'")
    }

    /// - Source: RMQ-PUB-12, RMQ-PUB-14.
    /// - Differs: a message that is consumed and acked before it reached the disk is confirmed when it
    ///   would have reached it, and not at the ack.
    @inline(never)
    private mutating func publishRare(
        _ row: UInt32,
        _ span: RouteCache.Span,
        _ channel: Int,
        _ sequence: UInt64,
        _ turn: inout Turn
    ) {
        let targets = (span.first..<span.first + span.count).map { router.targets[Int($0)] }
        if messages[row].parcel != .none { removeBCC(row, &turn) }
        let isPersistent = messages[row].persistent
        let durable =
            isPersistent ? targets.count { queues[Int($0)].declaration.durable } : 0
        let message = messages[row].message
        var slot: UInt32 = .max
        if sequence > 0, durable > 0 {
            let waiting = PendingConfirm(
                channel: Int32(channel),
                waiting: Int32(durable),
                sequence: sequence,
                message: message
            )
            if let free = freeConfirms.popLast() {
                slot = free
                confirms[Int(free)] = waiting
            } else {
                slot = UInt32(confirms.count)
                confirms.append(waiting)
            }
        }
        for target in targets {
            if isPersistent, queues[Int(target)].declaration.durable {
                store(row, Int(target), slot, &turn)
            }
            enqueue(row, messages[row], Int(target), &turn)
        }
        if sequence > 0, durable == 0 { confirm(channel, sequence, message, &turn) }
    }

    private mutating func store(_ row: UInt32, _ queue: Int, _ slot: UInt32, _ turn: inout Turn) {
        writeCount += 1
        let key = DiskKey.message(queues[queue].symbol, queues[queue].tailPosition)
        turn.store(diskPacket(row, redelivered: false), at: key, as: WriteID(writeCount))
        if slot != .max { writes.append(PendingWrite(write: writeCount, confirm: slot)) }
    }

    /// What is written of a message.
    func diskPacket(_ row: UInt32, redelivered: Bool) -> Packet {
        let message = messages[row]
        var packet = Packet(.basicPublish, channel: 0)
        packet.message = message.message
        packet.parcel = message.parcel
        packet.subject = message.exchange
        packet.key = message.key
        packet.size = message.size
        packet.replyTo = message.replyTo
        packet.correlation = message.correlation
        packet.flags = Flag.persistent | (redelivered ? Flag.redelivered : 0)
        return packet
    }

    /// Confirms what has reached the disk.
    mutating func completeWrites(upTo write: WriteID, _ turn: inout Turn) {
        while let first = writes.first, first.write <= write.raw {
            writes.removeFirst()
            let slot = Int(first.confirm)
            confirms[slot].waiting -= 1
            guard confirms[slot].waiting == 0 else { continue }
            let done = confirms[slot]
            freeConfirms.append(first.confirm)
            confirm(Int(done.channel), done.sequence, done.message, &turn)
        }
    }

    @inline(__always)
    private func confirm(
        _ channel: Int,
        _ sequence: UInt64,
        _ message: MessageID,
        _ turn: inout Turn
    ) {
        guard channels[channel].state == .open else { return }
        var packet = Packet(.basicAck, channel: channels[channel].number)
        packet.tag = sequence
        packet.message = message
        turn.send(packet, on: channels[channel].connection)
    }

    /// - Source: RMQ-PUB-01, -02, -04: the return goes out before the confirm.
    @inline(never)
    private func publishUnroutable(_ packet: Packet, _ channel: Int, _ turn: inout Turn) {
        turn.record(
            .messageUnroutable,
            message: packet.message,
            subject: packet.subject,
            peer: packet.key.raw,
            variant: DropReason.unroutable.rawValue
        )
        guard packet.has(Flag.mandatory) else { return }
        var back = packet
        back.word = Method.basicReturn.rawValue
        back.d = 312
        turn.send(back, on: channels[channel].connection)
    }

    /// - Source: RMQ-ROUTE-29.
    private mutating func removeBCC(_ row: UInt32, _ turn: inout Turn) {
        guard let properties: Properties = turn.parcels.get(messages[row].parcel),
            properties.header("BCC") != nil
        else { return }
        var visible = properties
        visible.headers.removeAll { $0.name == "BCC" }
        messages.setParcel(turn.parcels.put(visible), of: row)
    }
}
