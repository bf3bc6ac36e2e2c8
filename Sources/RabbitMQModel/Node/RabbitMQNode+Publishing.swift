import DequeModule
import WarrenKernel
import WarrenTrace

/// basic.publish: routing, returns, confirms.
extension RabbitMQNode {
    /// The common publication: transient, without headers, to an exchange that is there and a key that
    /// was seen before; false if it is not that simple.
    @inline(__always)
    mutating func publishPlain(_ packet: Packet, _ channel: ChannelIndex, _ turn: inout Turn)
        -> Bool
    {
        let exchange = exchangeIndex(packet.subject)
        guard let sequence = channels[channel].hearPublish(at: turn.now),
            packet.flags & (Flag.persistent | Flag.immediate) == 0, packet.parcel == .none,
            packet.replyTo == .none, exchange != .none,
            let span = router.find(exchange, packet.key), span.count > 0, span.isPlain
        else { return false }
        let message = MessageRow(packet, references: span.count)
        let row = messages.put(message)
        // Every queue takes responsibility at once.
        var index = Int(span.first)
        let end = index &+ Int(span.count)
        while index < end {
            enqueue(row, message, router.targets[index], &turn)
            index &+= 1
        }
        if sequence > 0 {
            channels[channel].publishSequence = sequence
            confirm(channel, sequence, packet.message, &turn)
        }
        return true
    }

    /// Any publication.
    ///
    /// - Source: RMQ-ROUTE-10, -11; RMQ-PUB-01 to -05, -14.
    mutating func publish(_ packet: Packet, _ channel: ChannelIndex, _ turn: inout Turn)
        throws(Refusal)
    {
        if packet.has(Flag.immediate) { throw .notImplemented("immediate=true") }
        try checkSize(packet)
        let exchange = exchangeIndex(packet.subject)
        let name = turn.names[packet.subject]
        try permit(.write, .exchange, name, channel)
        if exchange == .none { throw noExchange(packet.subject, channel, turn.names) }
        if exchanges[exchange].declaration.isInternal {
            let vhost = sessions[channels[channel].session].vhost
            throw .accessRefused(
                "cannot publish to internal exchange '\(name)' in vhost '\(vhost)'"
            )
        }
        try permitTopic(true, exchange, turn.names[packet.key], channel)
        var packet = packet
        try rewriteReplyTo(&packet, channel, &turn)
        try checkProperties(packet, channel, turn)
        let span = try route(exchange, packet.key, packet.parcel, &turn)
        if span.count == 1, channels[channel].transaction == nil,
            queues[router.targets[Int(span.first)]].quorum != .none
        {
            let queue = router.targets[Int(span.first)]
            publishToQuorum(packet, queue, channel, &turn)
            return
        }
        let targets = (span.first..<span.first + span.count).map { router.targets[Int($0)] }
        if channels[channel].transaction != nil {
            channels[channel].transaction?.publications.append(
                Transaction.Publication(packet: packet, targets: targets)
            )
            return
        }
        var sequence: UInt64 = 0
        if channels[channel].confirming {
            channels[channel].publishSequence &+= 1
            sequence = channels[channel].publishSequence
        }
        distribute(packet, targets, channel, sequence, &turn)
    }

    /// - Source: RMQ-CONN-33.
    private func checkSize(_ packet: Packet) throws(Refusal) {
        guard UInt64(packet.size) > settings.largestMessage else { return }
        throw .preconditionFailed(
            "message size \(packet.size) is larger than configured max size "
                + "\(settings.largestMessage)"
        )
    }

    /// - Source: RMQ-PUB-30, -31.
    private func checkProperties(_ packet: Packet, _ channel: ChannelIndex, _ turn: Turn)
        throws(Refusal)
    {
        guard packet.parcel != .none, let properties: Properties = turn.parcels.get(packet.parcel)
        else { return }
        let user = sessions[channels[channel].session].user
        if let claimed = properties.userID, claimed != user,
            settings.users.first(where: { $0.name == user })?.tags.contains("impersonator") != true
        {
            throw .preconditionFailed(
                "user_id property set to '\(claimed)' but authenticated user was '\(user)'"
            )
        }
        if let text = properties.expiration, let fault = Self.expirationFault(text) {
            throw .preconditionFailed("invalid expiration '\(text)': \(fault)")
        }
    }

    /// - Source: RMQ-PUB-31; the texts are those of 3.10.8.
    private static func expirationFault(_ text: String) -> String? {
        var rest = text[...]
        let sign = rest.first == "-" || rest.first == "+" ? String(rest.removeFirst()) : ""
        let digits = rest.prefix { $0.isASCII && $0.isNumber }
        guard !digits.isEmpty else { return "no_integer" }
        let left = rest.dropFirst(digits.count)
        if !left.isEmpty { return "{leftover_string,\"\(left)\"}" }
        if sign == "-", Int64(digits) != 0 { return "{value_negative,-\(digits)}" }
        guard let number = Int64(digits), number <= QueueArguments.longestTTL else {
            return "{value_too_large,\(digits)}"
        }
        return nil
    }

    private func noExchange(_ symbol: Symbol, _ channel: ChannelIndex, _ names: Names) -> Refusal {
        let vhost = sessions[channels[channel].session].vhost
        return .notFound("no exchange '\(names[symbol])' in vhost '\(vhost)'")
    }

    /// Hands a message to the queues that it reaches, or says that there are none.
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
        if targets.contains(where: { !queues[$0].isAlone }) {
            distributeWidely(packet, targets, channel, sequence, &turn)
            return
        }
        let row = messages.put(MessageRow(packet, references: Int32(targets.count)))
        if packet.parcel != .none { prepare(row, targets, &turn) }
        let message = messages[row]
        let taken = targets.filter { !wouldOverflow($0, message.size) }
        let stored = taken.count { isStored(row, $0) }
        var slot: ConfirmSlot = .none
        if sequence > 0, stored > 0, taken.count == targets.count {
            slot = confirms.open(channel, sequence, message.message, answers: stored)
        }
        var isRejected = false
        deadLetters.begin(targets: targets.count)
        for target in targets {
            let queue = target
            if isStored(row, queue), !wouldOverflow(queue, message.size) {
                store(row, message, queue, slot, &turn)
            }
            if !enter(row, message, queue, &turn) { isRejected = true }
        }
        endDistribution(&turn)
        guard sequence > 0 else { return }
        if isRejected {
            confirm(channel, sequence, message.message, as: .basicNack, &turn)
        } else if slot == .none {
            confirm(channel, sequence, message.message, &turn)
        }
    }

    /// Hands a message to one quorum queue, the common case of a replicated topology.
    private mutating func publishToQuorum(
        _ packet: Packet,
        _ queue: QueueIndex,
        _ channel: ChannelIndex,
        _ turn: inout Turn
    ) {
        var slot: ConfirmSlot = .none
        if channels[channel].confirming {
            channels[channel].publishSequence &+= 1
            slot = confirms.open(
                channel,
                channels[channel].publishSequence,
                packet.message,
                answers: 1
            )
        }
        if refuseIfFull(packet, queue, channel, slot: slot, &turn) { return }
        enqueue(
            withoutBCC(packet, &turn),
            quorum: queues[queue].quorum,
            slot: slot,
            &turn
        )
    }

    /// Hands a message to queues of which some are kept elsewhere, or by several nodes.
    ///
    /// - Source: RMQ-PUB-12, -14: the confirm comes when all of them have it.
    private mutating func distributeWidely(
        _ packet: Packet,
        _ targets: [QueueIndex],
        _ channel: ChannelIndex,
        _ sequence: UInt64,
        _ turn: inout Turn
    ) {
        let packet = withoutBCC(packet, &turn)
        var slot: ConfirmSlot = .none
        if sequence > 0 {
            // One more than there are targets: nothing is over before all were told.
            slot = confirms.open(channel, sequence, packet.message, answers: targets.count + 1)
        }
        let here = targets.filter { isHere($0) }
        deadLetters.begin(targets: targets.count)
        if !here.isEmpty {
            let row = messages.put(MessageRow(packet, references: Int32(here.count)))
            if packet.parcel != .none { prepare(row, here, &turn) }
            for target in here {
                let position = queues[target].tailPosition
                let isTaken = enterAndStore(row, target, slot, &turn)
                if slot != .none, isTaken != nil {
                    settleConfirm(slot, refused: isTaken == false, &turn)
                }
                if slot != .none, isTaken != false {
                    awaitCopies(slot, target, position, &turn)
                }
            }
        }
        for target in targets where !isHere(target) {
            publishElsewhere(packet, target, channel, slot, &turn)
        }
        endDistribution(&turn)
        if slot != .none { settleConfirm(slot, refused: false, &turn) }
    }

    /// Puts a copy into a queue of this node.
    ///
    /// - Returns: whether the queue took it; nil if it did and the disk has yet to confirm it.
    mutating func enterAndStore(
        _ row: MessageIndex,
        _ queue: QueueIndex,
        _ slot: ConfirmSlot,
        _ turn: inout Turn
    ) -> Bool? {
        let message = messages[row]
        let isWritten = isStored(row, queue) && !wouldOverflow(queue, message.size)
        if isWritten { store(row, message, queue, slot, &turn) }
        guard enter(row, message, queue, &turn) else { return false }
        return isWritten ? nil : true
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

    /// Takes in what the properties of a publication mean for the broker.
    private mutating func prepare(_ row: MessageIndex, _ targets: [QueueIndex], _ turn: inout Turn)
    {
        removeBCC(row, &turn)
        guard let properties: Properties = turn.parcels.get(messages[row].parcel) else { return }
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

    /// Confirms what has reached the disk.
    mutating func completeWrites(upTo write: WriteID, _ turn: inout Turn) {
        while let slot = confirms.nextStored(upTo: write) {
            settleConfirm(slot, refused: false, &turn)
        }
    }

    @inline(__always)
    func confirm(
        _ channel: ChannelIndex,
        _ sequence: UInt64,
        _ message: MessageID,
        as method: Method = .basicAck,
        _ turn: inout Turn
    ) {
        guard channels[channel].state == .open else { return }
        var packet = Packet(method, channel: 0)
        packet.port = channels[channel].port
        packet.tag = sequence
        packet.message = message
        turn.send(packet, on: channels[channel].connection)
    }

    /// - Source: RMQ-PUB-01, -02, -04: the return goes out before the confirm.
    @inline(never)
    private func publishUnroutable(_ packet: Packet, _ channel: ChannelIndex, _ turn: inout Turn) {
        turn.record(
            .messageUnroutable,
            message: packet.message,
            subject: packet.subject,
            peer: packet.key.raw,
            variant: (isHindered(packet, turn) ? DropReason.queueDown : .unroutable).rawValue
        )
        if packet.has(Flag.mandatory) { sendBack(packet, channel, &turn) }
    }

    private func isHindered(_ packet: Packet, _ turn: borrowing Turn) -> Bool {
        guard hasDownQueues else { return false }
        let exchange = exchangeIndex(packet.subject)
        let properties: Properties? = turn.parcels.get(packet.parcel)
        let copies = (try? Self.carbonCopies(properties?.headers ?? [])) ?? []
        let keys = [turn.names[packet.key]] + copies
        return exchange != .none && isHindered(from: exchange, keys, properties, turn.names)
    }

    private var hasDownQueues: Bool {
        peers.count > 1 && queues.contains { $0.exists && $0.isDown }
    }

    /// Whether what goes to no queue would go to one whose node is down.
    ///
    /// - Source: RMQ-PUB-36, RMQ-CLUS-03: nothing is stored, and the message counts as unroutable.
    func isHindered(
        from exchange: ExchangeIndex,
        _ keys: [String],
        _ properties: Properties?,
        _ names: Names
    ) -> Bool {
        guard hasDownQueues else { return false }
        let all = reach(
            from: exchange,
            keys: keys,
            properties: properties,
            includingDown: true,
            names
        )
        return !all.isEmpty
    }

    /// basic.return.
    func sendBack(_ packet: Packet, _ channel: ChannelIndex, _ turn: inout Turn) {
        var back = packet
        back.word = Method.basicReturn.rawValue
        back.d = 312
        turn.send(back, on: channels[channel].connection)
    }

    /// - Source: RMQ-ROUTE-29.
    private mutating func removeBCC(_ row: MessageIndex, _ turn: inout Turn) {
        guard let properties: Properties = turn.parcels.get(messages[row].parcel),
            properties.header("BCC") != nil
        else { return }
        var visible = properties
        visible.hideBCC()
        messages.setParcel(turn.parcels.put(visible), of: row)
    }
}
