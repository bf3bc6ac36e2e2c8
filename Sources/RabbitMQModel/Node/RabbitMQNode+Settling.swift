import DequeModule
import WarrenKernel
import WarrenTrace

/// Acknowledgements, rejections, and what becomes of a copy after them.
extension RabbitMQNode {
    /// The common ack, of one delivery; false if it is not that simple.
    @inline(__always)
    mutating func acknowledgeOne(_ tag: UInt64, _ channel: ChannelIndex, _ turn: inout Turn) -> Bool
    {
        guard let (delivery, peer) = channels[channel].hear(ack: tag, at: turn.now) else {
            return false
        }
        finish(delivery, channel, peer, &turn)
        return true
    }

    /// - Source: RMQ-ACK-01 to -13.
    mutating func acknowledge(_ packet: Packet, _ channel: ChannelIndex, _ turn: inout Turn)
        throws(Refusal)
    {
        if channels[channel].transaction != nil {
            try settleLater(packet, channel)
            return
        }
        acknowledge(try collect(packet, channel), channel, &turn)
    }

    /// Deliveries have done their work.
    mutating func acknowledge(_ deliveries: [Unacked], _ channel: ChannelIndex, _ turn: inout Turn)
    {
        for delivery in deliveries { finish(delivery, channel, &turn) }
        channels[channel].widen(by: deliveries)
        if deliveries.count > 1 || channels[channel].globalPrefetch != 0 {
            offerAgain(channel, &turn)
        }
    }

    func unknownTag(_ tag: UInt64) -> Refusal {
        .preconditionFailed("unknown delivery tag \(tag)")
    }

    /// The deliveries that an ack or nack speaks of; they are settled from now on.
    mutating func collect(_ packet: Packet, _ channel: ChannelIndex) throws(Refusal) -> [Unacked] {
        guard packet.has(Flag.multiple) else {
            guard let delivery = channels[channel].settle(packet.tag) else {
                throw unknownTag(packet.tag)
            }
            return [delivery]
        }
        let base = channels[channel].baseTag
        var last = packet.tag
        if last == 0 {
            last = channels[channel].nextTag - 1
        } else {
            let index = last >= base ? Int(last - base) : -1
            guard index >= 0, index < channels[channel].unacked.count,
                channels[channel].unacked[index].queue != .none
            else { throw unknownTag(last) }
        }
        var collected: [Unacked] = []
        while channels[channel].baseTag <= last, let first = channels[channel].unacked.popFirst() {
            channels[channel].baseTag += 1
            if first.queue != .none { collected.append(first) }
        }
        channels[channel].trim()
        channels[channel].unackedCount -= UInt32(collected.count)
        return collected
    }

    /// A copy has done its work.
    ///
    /// A consumer that has room again joins the end of the rotation.
    ///
    /// - Source: RMQ-CONS-16.
    @inline(__always)
    private mutating func finish(_ delivery: Unacked, _ channel: ChannelIndex, _ turn: inout Turn) {
        finish(delivery, channel, channels[channel].peer, &turn)
    }

    @inline(__always)
    private mutating func finish(
        _ delivery: Unacked,
        _ channel: ChannelIndex,
        _ peer: NodeID,
        _ turn: inout Turn
    ) {
        let queue = delivery.queue
        guard queues[queue].isPlain, case .row(let held) = delivery.holding else {
            finishByRules(delivery, channel, &turn)
            return
        }
        let row = messages.release(held)
        let hasRoom = delivery.consumer != .none && consumers[delivery.consumer].settleOne()
        guard queues[queue].exists else { return }
        turn.record(
            .deliveryAcked,
            message: row.message,
            subject: queues[queue].symbol,
            peer: peer.raw
        )
        if row.persistent, queues[queue].keeps(true) { erase(queue, delivery.position, &turn) }
        if queues[queue].settleOne(hasRoom ? delivery.consumer : .none) { dispatch(queue, &turn) }
    }

    /// Puts every consumer of a channel that has room back into its rotation.
    mutating func offerAgain(_ channel: ChannelIndex, _ turn: inout Turn) {
        assert(channels[channel].state == .open, "a channel that is closed has no room")
        let suspended = channels[channel].consumers.filter {
            !consumers[$0].inRotation && hasRoom($0)
                && isHere(consumers[$0].queue)
        }
        for consumer in suspended.sorted(by: {
            consumers[$0].suspendedAs < consumers[$1].suspendedAs
        }) {
            consumers[consumer].inRotation = true
            queues[consumers[consumer].queue].rotation.append(consumer)
        }
        for consumer in channels[channel].consumers
        where isHere(consumers[consumer].queue) {
            dispatch(consumers[consumer].queue, &turn)
        }
    }

    /// basic.nack and basic.reject.
    ///
    /// - Source: RMQ-REQ-01 to -04, -10, -15, -16; RMQ-DLX-01, -03, -04.
    mutating func reject(_ packet: Packet, _ channel: ChannelIndex, _ turn: inout Turn)
        throws(Refusal)
    {
        var single = packet
        if packet.method == .basicReject { single.flags &= ~Flag.multiple }
        if channels[channel].transaction != nil {
            try settleLater(single, channel)
            return
        }
        let deliveries = try collect(single, channel)
        try reject(deliveries, requeue: packet.has(Flag.requeue), channel, &turn)
    }

    /// Deliveries are rejected.
    mutating func reject(
        _ deliveries: [Unacked],
        requeue: Bool,
        _ channel: ChannelIndex,
        _ turn: inout Turn
    ) throws(Refusal) {
        var touched: [QueueIndex] = []
        var returns: [QueueIndex: [ReturnedEntry]] = [:]
        for delivery in deliveries {
            let queue = delivery.queue
            guard delivery.isHere else {
                let method: Method = requeue ? .basicNack : .basicReject
                settleElsewhere(delivery, channel, method, requeue: requeue, &turn)
                continue
            }
            guard queues[queue].exists else {
                if delivery.consumer != .none { consumers[delivery.consumer].unacked &-= 1 }
                messages.release(delivery.row)
                continue
            }
            if queues[queue].rules.kind == .stream {
                // The connection ends over this; what it held is no longer held.
                queues[queue].unackedCount -= 1
                try refuseForStream(queue, "basic.nack and basic.reject")
            }
            turn.record(
                .deliveryRejected,
                message: messages[delivery.row].message,
                subject: queues[queue].symbol,
                peer: channels[channel].peer.raw,
                variant: requeue ? 1 : 0
            )
            if delivery.consumer != .none { consumers[delivery.consumer].unacked &-= 1 }
            if requeue {
                if !touched.contains(delivery.queue) { touched.append(delivery.queue) }
                returns[delivery.queue, default: []].append(takeBack(delivery, .nacked, &turn))
            } else {
                queues[queue].unackedCount -= 1
                eraseIfStored(delivery.row, queue, delivery.position, &turn)
                if !queues[queue].isPlain { queues[queue].forget(delivery.position) }
                deadLetter(delivery.row, queue, .rejected, from: .unacked, &turn)
            }
        }
        for queue in touched { comeBack(returns[queue] ?? [], queue, .nacked, &turn) }
        channels[channel].widen(by: deliveries)
        offerAgain(channel, &turn)
        for queue in touched { dispatch(queue, &turn) }
    }

    /// - Source: RMQ-REQ-12, -13.
    mutating func recover(_ packet: Packet, _ channel: ChannelIndex, _ turn: inout Turn)
        throws(Refusal)
    {
        guard packet.has(Flag.requeue) else { throw .notImplemented("requeue=false") }
        let deliveries = channels[channel].settleAll()
        var touched: [QueueIndex] = []
        for delivery in deliveries {
            guard delivery.isHere else {
                settleElsewhere(delivery, channel, .basicNack, requeue: true, &turn)
                continue
            }
            if delivery.consumer != .none { consumers[delivery.consumer].unacked &-= 1 }
            guard queues[delivery.queue].exists else {
                messages.release(delivery.row)
                continue
            }
            let entry = takeBack(delivery, .recovered, &turn)
            comeBack([entry], delivery.queue, .recovered, &turn)
            if !touched.contains(delivery.queue) { touched.append(delivery.queue) }
        }
        reply(.basicRecoverOk, packet.channel, channels[channel].connection, &turn)
        channels[channel].widen(by: deliveries)
        offerAgain(channel, &turn)
        for queue in touched { dispatch(queue, &turn) }
    }

    /// The entry with which a delivery goes back to its queue.
    func takeBackEntry(_ delivery: Unacked, _ now: Instant) -> ReturnedEntry {
        ReturnedEntry(
            position: delivery.position,
            entry: Entry(readySince: now, row: delivery.row, redelivered: true)
        )
    }

    /// A delivery goes back to its queue, and is redelivered from now on.
    mutating func takeBack(_ delivery: Unacked, _ reason: ReturnReason, _ turn: inout Turn)
        -> ReturnedEntry
    {
        queues[delivery.queue].unackedCount -= 1
        turn.record(
            .deliveryRequeued,
            message: messages[delivery.row].message,
            subject: queues[delivery.queue].symbol,
            variant: reason.rawValue
        )
        return takeBackEntry(delivery, turn.now)
    }
}
