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
        assert(channels[channel].state == .open, "a publication on a channel that is closed")
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
        let publication = packet
        if !channels[channel].isSecondTry, !channels[channel].refusedBy.isEmpty {
            channels[channel].refusedBy = []
        }
        var packet = packet
        try rewriteReplyTo(&packet, channel, &turn)
        try checkProperties(packet, channel, turn)
        let span = try route(exchange, packet.key, packet.parcel, &turn)
        let targets = (span.first..<span.first + span.count).map { router.targets[Int($0)] }
        if channels[channel].transaction != nil {
            channels[channel].transaction?.publications.append(
                Transaction.Publication(packet: packet, targets: targets)
            )
            return
        }
        if registersFirst(publication, targets, channel, &turn)
            || isStalled(publication, targets, channel, &turn)
        {
            return
        }
        var sequence: UInt64 = 0
        if channels[channel].confirming {
            channels[channel].publishSequence &+= 1
            sequence = channels[channel].publishSequence
        }
        distribute(packet, targets, channel, sequence, &turn)
        channels[channel].refusedBy = []
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
    func publishUnroutable(_ packet: Packet, _ channel: ChannelIndex, _ turn: inout Turn) {
        assert(channel == .none || channels.has(channel), "a publication of no channel")
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
}
