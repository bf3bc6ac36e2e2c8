import WarrenKernel
import WarrenTrace

/// Direct reply-to: answers that pass no queue.
///
/// - Source: RMQ-DRT-01 to RMQ-DRT-13.
enum DirectReply {
    /// What a client consumes from, and names in `reply_to`.
    static let pseudoQueue = "amq.rabbitmq.reply-to"

    static func isReplyName(_ name: String) -> Bool { name.hasPrefix(pseudoQueue + ".") }
}

extension RabbitMQNode {
    mutating func consumeReplies(
        _ packet: Packet,
        _ options: ConsumeOptions,
        _ channel: ChannelIndex,
        _ turn: inout Turn
    ) throws(Refusal) {
        if channels[channel].replies != nil {
            throw .preconditionFailed("reply consumer already set")
        }
        guard packet.has(Flag.noAck) else {
            throw .preconditionFailed("reply consumer cannot acknowledge")
        }
        var tag = packet.key
        if turn.names[tag].isEmpty {
            tag = turn.names.intern(.text, "amq.ctag-\(randomName(&turn))")
        }
        let scope = sessions[channels[channel].session].scope
        let name = "\(DirectReply.pseudoQueue).g1.\(randomName(&turn))"
        let symbol = turn.names.intern(.queue, name, in: scope)
        channels[channel].replies = (tag, symbol)
        connections.awaitReplies(channel, under: symbol)
        var answer = Packet(.basicConsumeOk, channel: packet.channel)
        answer.key = tag
        answer.c = UInt32.max
        if !options.nowait { turn.send(answer, on: channels[channel].connection) }
    }

    /// The channel that waits for answers under a name, or none.
    private func replyChannel(_ symbol: Symbol) -> ChannelIndex {
        let channel = connections.replier(symbol)
        guard channel != .none, channels[channel].state == .open,
            channels[channel].replies?.name == symbol
        else { return .none }
        return channel
    }

    /// Puts the name of the channel's reply consumer where the client wrote the pseudo-queue's.
    ///
    /// - Source: RMQ-DRT-01, -04, -05.
    func rewriteReplyTo(_ packet: inout Packet, _ channel: ChannelIndex, _ turn: inout Turn)
        throws(Refusal)
    {
        var properties: Properties? = turn.parcels.get(packet.parcel)
        let isAsked =
            properties?.replyTo == DirectReply.pseudoQueue
            || packet.replyTo != .none && turn.names[packet.replyTo] == DirectReply.pseudoQueue
        guard isAsked else { return }
        guard let replies = channels[channel].replies else {
            throw .preconditionFailed("fast reply consumer does not exist")
        }
        let name = turn.names[replies.name]
        packet.replyTo = turn.names.intern(.key, name)
        if properties?.replyTo != nil {
            properties?.replyTo = name
            if let properties { packet.parcel = turn.parcels.put(properties) }
        }
    }

    /// Sends an answer to the channel that waits for it; false if the key is not such a name.
    ///
    /// - Source: RMQ-DRT-06, -07, -10, -12, -13.
    mutating func answerDirectly(
        _ packet: Packet,
        _ exchange: ExchangeIndex,
        _ channel: ChannelIndex,
        _ turn: inout Turn
    ) -> Bool {
        guard exchanges[exchange].declaration.name.isEmpty,
            DirectReply.isReplyName(turn.names[packet.key])
        else { return false }
        let scope = sessions[channels[channel].session].scope
        let symbol = turn.names.intern(.queue, turn.names[packet.key], in: scope)
        let target = replyChannel(symbol)
        guard target != .none else { return false }
        turn.record(
            .messageRouted,
            message: packet.message,
            subject: symbol,
            detail: UInt64(packet.size)
        )
        turn.record(
            .deliverySent,
            message: packet.message,
            subject: symbol,
            peer: channels[target].peer.raw,
            variant: 2
        )
        var delivery = packet
        delivery.word = Method.basicDeliver.rawValue
        delivery.flags = packet.flags & Flag.persistent
        delivery.port = UInt32(channels[target].number)
        delivery.custody = 1
        delivery.subject = symbol
        delivery.exchange = packet.subject
        delivery.setDelivery(channels[target].nextTag, consumer: Packet.noConsumer)
        turn.send(delivery, on: channels[target].connection)
        // RMQ-DRT-07: before 4.2 mandatory brings it back although it was delivered.
        if packet.has(Flag.mandatory), settings.version < .v4_2 {
            sendBack(packet, channel, &turn)
        }
        return true
    }

    /// Answers a declaration of the pseudo-queue or of a reply name; false for any other queue.
    ///
    /// - Source: RMQ-DRT-08, -09.
    mutating func answerForReplies(
        _ wanted: QueueDeclaration,
        _ channel: ChannelIndex,
        _ turn: inout Turn
    ) throws(Refusal) -> Bool {
        let session = sessions[channels[channel].session]
        let isPlainName = wanted.name == DirectReply.pseudoQueue
        guard isPlainName || DirectReply.isReplyName(wanted.name) else { return false }
        let symbol = turn.names.intern(.queue, wanted.name, in: session.scope)
        if !isPlainName, replyChannel(symbol) == .none {
            throw .notFound("no queue '\(wanted.name)' in vhost '\(session.vhost)'")
        }
        guard !wanted.nowait else { return true }
        var answer = Packet(.queueDeclareOk, channel: channels[channel].number)
        answer.subject = symbol
        answer.d = isPlainName ? 0 : 1
        turn.send(answer, on: channels[channel].connection)
        return true
    }
}
