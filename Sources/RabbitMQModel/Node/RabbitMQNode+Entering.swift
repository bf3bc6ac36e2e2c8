import DequeModule
import WarrenKernel
import WarrenTrace

/// The door of a queue: what becomes of a message there is decided once for each queue, and then done.
///
/// All that comes to a queue comes through here: publications, transactions, dead letters, what another node passes on.
/// Only ``publishPlain(_:_:_:)`` goes past it, where the route says that the answer is ``Admission/ready``.
extension RabbitMQNode {
    /// What becomes of a message at the door of a queue of this node; of others, their node decides.
    enum Admission {
        /// The queue takes it, and has it in memory.
        case ready
        /// The queue takes it, and writes it to its disk.
        case stored
        /// The queue is full, and refuses it.
        case refused
    }

    private func admission(isPersistent: Bool, size: UInt32, to queue: QueueIndex) -> Admission {
        assert(queues[queue].exists, "a message comes to a queue that is gone")
        assert(queues[queue].isHere, "a queue that is elsewhere has no door here")
        if queues[queue].isPlain { return queues[queue].keeps(isPersistent) ? .stored : .ready }
        if wouldOverflow(queue, size) { return .refused }
        return queues[queue].keeps(isPersistent) ? .stored : .ready
    }

    /// Hands a publication to the queues that it reaches, or says that there are none.
    ///
    /// - Source: RMQ-PUB-12, -14 to -16, -19.
    /// - Differs: a message that is consumed and acked before it reached the disk is confirmed when it
    ///   would have reached it, and not at the ack.
    mutating func distribute(
        _ packet: Packet,
        _ targets: [QueueIndex],
        _ channel: ChannelIndex,
        _ sequence: UInt64,
        _ turn: inout Turn
    ) {
        guard !targets.isEmpty else {
            let exchange = exchangeIndex(packet.subject)
            if exchange == .none || !answerDirectly(packet, exchange, channel, &turn) {
                publishUnroutable(packet, channel, &turn)
            }
            if sequence > 0 { confirm(channel, sequence, packet.message, &turn) }
            return
        }
        var slot: ConfirmSlot = .none
        if sequence > 0 {
            slot = confirms.open(channel, sequence, packet.message, answers: targets.count)
        }
        deadLetters.begin(targets: targets.count)
        hand(withoutBCC(packet, &turn), to: targets, channel, slot, &turn)
        endDistribution(&turn)
        if slot != .none {
            confirms.close(slot)
            settleConfirm(slot, refused: false, &turn)
        }
    }

    /// Hands a message to queues: first to those that are here, then to the others.
    mutating func hand(
        _ packet: Packet,
        to targets: [QueueIndex],
        _ channel: ChannelIndex,
        _ slot: ConfirmSlot,
        _ turn: inout Turn
    ) {
        assert(Set(targets).count == targets.count, "a queue gets one copy of a message")
        let isPersistent = packet.has(Flag.persistent)
        var here: Int32 = 0
        for target in targets where isHere(target) { here += 1 }
        if here > 0 {
            let row = messages.put(MessageRow(packet, references: here))
            if packet.parcel != .none { heed(packet.parcel, row, targets, &turn) }
            for target in targets where isHere(target) {
                let admission = admission(isPersistent: isPersistent, size: packet.size, to: target)
                admit(row, target, admission, slot, &turn)
            }
        }
        guard here < targets.count else { return }
        for target in targets where !isHere(target) {
            if queues[target].quorum != .none {
                publishToQuorum(packet, target, channel, slot, &turn)
            } else {
                publishElsewhere(packet, target, channel, slot, &turn)
            }
        }
    }

    /// A message that another node was to have comes to a queue that is here now.
    mutating func handAgain(
        _ packet: Packet,
        to queue: QueueIndex,
        _ slot: ConfirmSlot,
        _ turn: inout Turn
    ) {
        let isPersistent = packet.has(Flag.persistent)
        let row = messages.put(MessageRow(packet, references: 1))
        let admission = admission(isPersistent: isPersistent, size: packet.size, to: queue)
        admit(row, queue, admission, slot, &turn)
    }

    /// Does what was decided, at a queue of this node.
    private mutating func admit(
        _ row: MessageIndex,
        _ queue: QueueIndex,
        _ admission: Admission,
        _ slot: ConfirmSlot,
        _ turn: inout Turn
    ) {
        let message = messages[row]
        let position = queues[queue].tailPosition
        switch admission {
        case .refused:
            refuse(row, message, queue, &turn)
            if slot != .none { settleConfirm(slot, refused: true, &turn) }
            return
        case .stored: store(row, message, queue, slot, &turn)
        case .ready: break
        }
        if queues[queue].isPlain {
            enqueue(row, message, queue, &turn)
        } else if queues[queue].log != nil {
            appendToLog(row, message, queue, &turn)
        } else {
            enqueueByRules(row, message, queue, &turn)
        }
        guard slot != .none else { return }
        // First what it waits for, then what it no longer waits for: else it is over between the two.
        awaitCopies(slot, queue, position, &turn)
        if admission == .ready { settleConfirm(slot, refused: false, &turn) }
    }

    /// - Source: RMQ-LEN-08, -09: only reject-publish-dlx keeps what it refuses, somewhere else.
    private mutating func refuse(
        _ row: MessageIndex,
        _ message: MessageRow,
        _ queue: QueueIndex,
        _ turn: inout Turn
    ) {
        assert(!queues[queue].isPlain, "a plain queue refuses nothing")
        assert(queues[queue].rules.overflow != .dropHead, "a queue makes room instead of refusing")
        recordRouted(message, queue, refused: true, &turn)
        if queues[queue].rules.overflow == .rejectPublishDLX {
            deadLetter(row, queue, .maxlen, from: .door, &turn)
        } else {
            drop(row, queue, .maxlen, .door, &turn)
        }
    }

    private func recordRouted(
        _ message: MessageRow,
        _ queue: QueueIndex,
        refused: Bool,
        _ turn: inout Turn
    ) {
        turn.record(
            .messageRouted,
            message: message.message,
            subject: queues[queue].symbol,
            variant: refused ? 1 : 0,
            detail: UInt64(message.size)
        )
    }

    /// Whether a queue would refuse a message of this size.
    ///
    /// - Source: RMQ-LEN-07, -12; RMQ-PUB-15. Publishers of a quorum queue are told to stop: RMQ-QQ-46.
    func wouldOverflow(_ queue: QueueIndex, _ size: UInt32) -> Bool {
        let rules = queues[queue].rules
        guard rules.overflow != .dropHead else { return false }
        if queues[queue].quorum != .none {
            return quorums[queues[queue].quorum].client.isStopped
        }
        guard isHere(queue) else { return false }
        let count = UInt64(queues[queue].readyCount)
        if let limit = rules.maxLength, count + 1 > limit { return true }
        guard let limit = rules.maxBytes else { return false }
        return queues[queue].readyBytes + UInt64(size) > limit
    }

    /// A copy enters a queue with rules.
    ///
    /// - Source: RMQ-TTL-01 to -07; RMQ-LEN-01 to -12; RMQ-PRIO-01 to -03.
    private mutating func enqueueByRules(
        _ row: MessageIndex,
        _ message: MessageRow,
        _ queue: QueueIndex,
        _ turn: inout Turn
    ) {
        assert(!queues[queue].isPlain, "a plain queue has another door")
        assert(queues[queue].log == nil, "a stream has another door")
        let madeRoom = makeRoom(message.size, queue, &turn)
        recordRouted(message, queue, refused: false, &turn)
        let entry = Entry(readySince: turn.now, row: row, redelivered: false)
        if !queues[queue].isAlone { sendCopy(row, queue, queues[queue].tailPosition, &turn) }
        let position = queues[queue].append(entry, message)
        queues[queue].readyBytes += UInt64(message.size)
        if let life = timeToLive(message, queue, turn) {
            queues[queue].expiries[position] =
                clock(turn.now) + Interval.milliseconds(life)
        }
        // A copy that goes straight to a consumer neither expires nor fills the queue: RMQ-TTL-06, LEN-06.
        // What comes to a queue with others in it is not offered at once: RMQ-CONS-41.
        if !queues[queue].rules.singleActive || queues[queue].readyCount == 1 {
            dispatchByRules(queue, &turn)
        }
        // What does not change the head is not looked at: a copy with a high priority may outlive its time.
        if keepLimits(queue, &turn) || madeRoom || queues[queue].readyCount == 1 {
            dropExpired(queue, &turn)
        }
    }

    /// A publication as its receivers may see it.
    private func withoutBCC(_ packet: Packet, _ turn: inout Turn) -> Packet {
        guard packet.parcel != .none, var properties: Properties = turn.parcels.get(packet.parcel),
            properties.header("BCC") != nil
        else { return packet }
        var visible = packet
        properties.hideBCC()
        visible.parcel = turn.parcels.put(properties)
        return visible
    }

    /// Takes in what the properties of a publication mean for the queues here.
    private mutating func heed(
        _ parcel: ParcelID,
        _ row: MessageIndex,
        _ targets: [QueueIndex],
        _ turn: inout Turn
    ) {
        guard let properties: Properties = turn.parcels.get(parcel) else { return }
        if let priority = properties.priority { messages.setPriority(priority, of: row) }
        guard properties.expiration != nil else { return }
        for target in targets where queues[target].isPlain {
            queues[target].honourExpirations(bytes: weighReady(target))
            router.forget()
        }
    }

    /// Writes a message that is about to enter a queue.
    mutating func store(
        _ row: MessageIndex,
        _ message: MessageRow,
        _ queue: QueueIndex,
        _ slot: ConfirmSlot,
        _ turn: inout Turn
    ) {
        assert(
            queues[queue].keeps(message.persistent),
            "a message is written that its disk does not keep"
        )
        numbers.nextWrite()
        let key = diskKey(queue, queues[queue].tailPosition)
        var packet = diskPacket(row, redelivered: false)
        if queues[queue].log != nil { packet.d = queues[queue].epoch }
        if !queues[queue].isPlain, let life = timeToLive(message, queue, turn) {
            packet.x =
                (clock(turn.now) + Interval.milliseconds(life)).nanoseconds
        }
        turn.store(packet, at: key, as: numbers.lastWrite)
        if slot != .none { confirms.await(numbers.lastWrite, slot) }
    }

    /// What is written of a message.
    func diskPacket(_ row: MessageIndex, redelivered: Bool) -> Packet {
        var packet = Packet(messages[row])
        if redelivered { packet.flags |= Flag.redelivered }
        return packet
    }
}
