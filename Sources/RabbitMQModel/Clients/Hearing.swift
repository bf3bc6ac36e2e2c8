import WarrenKernel
import WarrenTrace

/// What a script hears from the broker, as facts: a method a fact, its fields as JSON.
///
/// Headers and arguments are lists of name, type and value, as RabbitMQ itself has them.
struct Hearing: Sendable {
    /// How many methods of a script are told.
    private static let limit = 10_000

    private var count = 0
    /// The tags of the consumers, by the number that consume-ok gave them.
    private var tags: [UInt32: Symbol] = [:]

    /// Tells what came.
    ///
    /// Confirms and heartbeats are not told: the first have facts of their own.
    mutating func record(_ packet: Packet, _ turn: inout Turn) {
        guard let method = packet.method else { return }
        switch method {
        case .basicAck, .basicNack, .heartbeat: return
        case .administered: if packet.subject == .none { return }
        case .basicConsumeOk: tags[packet.c] = packet.key
        default: break
        }
        guard count <= Self.limit else { return }
        count += 1
        var text = JSONFields()
        if count > Self.limit {
            text.add("more", "not told after \(Self.limit) methods")
        } else {
            text.add("method", method.wireName)
            describe(packet, method, turn, &text)
        }
        turn.record(
            .methodReceived,
            message: packet.message,
            subject: turn.names.intern(.text, text.text),
            detail: UInt64(packet.channel)
        )
    }

    private func describe(
        _ packet: Packet,
        _ method: Method,
        _ turn: Turn,
        _ text: inout JSONFields
    ) {
        let names = turn.names
        switch method {
        case .queueDeclareOk:
            text.add("queue", names[packet.subject])
            text.add("messages", number: UInt64(packet.c))
            text.add("consumers", number: UInt64(packet.d))
        case .queuePurgeOk, .queueDeleteOk: text.add("messages", number: UInt64(packet.c))
        case .basicConsumeOk, .basicCancel, .basicCancelOk: text.add("consumer", names[packet.key])
        case .basicDeliver, .basicGetOk:
            text.add("tag", number: packet.deliveryTag)
            if method == .basicDeliver {
                text.add("consumer", tags[packet.consumerNumber].map { names[$0] } ?? "")
            } else {
                text.add("messages", number: UInt64(packet.consumerNumber))
            }
            text.add("queue", names[packet.subject])
            text.add("redelivered", flag: packet.has(Flag.redelivered))
            addContent(packet, exchange: packet.exchange, turn, &text)
        case .basicReturn:
            // RMQ-PUB-01: there is no other reason.
            text.add("code", number: 312)
            text.add("text", "NO_ROUTE")
            addContent(packet, exchange: packet.subject, turn, &text)
        case .channelClose, .connectionClose:
            text.add("code", number: UInt64(packet.c))
            text.add("text", names[packet.subject])
        case .administered: text.add("text", names[packet.subject])
        case .connectionBlocked: text.add("reason", names[packet.subject])
        default: break
        }
    }

    private func addContent(
        _ packet: Packet,
        exchange: Symbol,
        _ turn: Turn,
        _ text: inout JSONFields
    ) {
        let names = turn.names
        text.add("exchange", names[exchange])
        text.add("key", names[packet.key])
        let properties: Properties = turn.parcels.get(packet.parcel) ?? Properties()
        if let body = properties.body { text.add("body", body) }
        text.add("size", number: UInt64(packet.size))
        let mode = properties.deliveryMode ?? (packet.has(Flag.persistent) ? 2 : nil)
        if let mode { text.add("delivery_mode", number: UInt64(mode)) }
        for (name, value) in properties.texts { if let value { text.add(name, value) } }
        if let priority = properties.priority { text.add("priority", number: UInt64(priority)) }
        if let time = properties.timestamp { text.add("timestamp", number: time) }
        if packet.replyTo != .none, properties.replyTo == nil {
            text.add("reply_to", names[packet.replyTo])
        }
        if !properties.headers.isEmpty { text.add("headers", json: properties.headers.json) }
    }
}

extension Properties {
    /// The properties that are texts, under their names in AMQP.
    fileprivate var texts: [(String, String?)] {
        [
            ("content_type", contentType), ("content_encoding", contentEncoding),
            ("correlation_id", correlationID), ("reply_to", replyTo), ("expiration", expiration),
            ("message_id", messageID), ("type", type), ("user_id", userID), ("app_id", appID),
            ("cluster_id", clusterID),
        ]
    }
}

extension Method {
    /// Its name in AMQP, such as `queue.declare-ok`.
    var wireName: String {
        var name = ""
        for letter in "\(self)" {
            if letter.isUppercase {
                name += (name.contains(".") ? "-" : ".") + letter.lowercased()
            } else {
                name.append(letter)
            }
        }
        return name
    }
}
