import AMQPWire
import NIOCore
package import RabbitMQModel
import WarrenGateway

/// Publishing, consuming and settling.
extension Conversation {
    /// Publishes; to the default exchange with the name of a queue, unless another exchange is named.
    package func publish(
        _ body: String,
        to key: String,
        exchange: String = "",
        mandatory: Bool = false,
        immediate: Bool = false,
        persistent: Bool = false,
        headers: [RabbitMQModel.FieldValue.Field] = [],
        properties: Properties? = nil,
        on channel: Channel
    ) {
        var all = properties ?? Properties()
        all.headers += headers
        let publish = Basic.Publish(
            exchange: Octets(exchange),
            routingKey: Octets(key),
            mandatory: mandatory,
            immediate: immediate
        )
        let content = Content(
            properties: ModelValues.wire(all, persistent: persistent),
            body: ByteBuffer(string: body)
        )
        if let sequence = published[channel] {
            published[channel] = sequence + 1
            unconfirmed[channel, default: []].insert(sequence + 1)
        }
        say(.basic(.publish(publish)), channel, .queues, content)
        // A queue with a disk takes its time; one that answers never is waited for in vain.
        var waited: UInt64 = 0
        while waited < min(arm.patience, 300), closed[channel] == nil,
            unconfirmed[channel]?.isEmpty == false
        {
            arm.wait(5)
            waited += 5
            sortInboxes()
        }
    }

    /// Publishes several messages to a queue without waiting for anything between them.
    package func burst(_ bodies: [String], to key: String, on channel: Channel) {
        for body in bodies.dropLast() {
            if let sequence = published[channel] {
                published[channel] = sequence + 1
                unconfirmed[channel, default: []].insert(sequence + 1)
            }
            let publish = Basic.Publish(routingKey: Octets(key))
            let content = Content(body: ByteBuffer(string: body))
            arm.say(
                Command(.basic(.publish(publish)), channel: channel.number, content: content),
                on: channel.link
            )
        }
        if let last = bodies.last { publish(last, to: key, on: channel) }
    }

    /// Turns publisher confirms on.
    package func selectConfirms(nowait: Bool = false, on channel: Channel) throws(Closed) {
        if nowait {
            if published[channel] == nil { published[channel] = 0 }
            return say(.confirm(.select(.init(nowait: true))), channel)
        }
        try ask(.confirm(.select(.init())), channel, until: .confirm(.selectOk))
        if published[channel] == nil { published[channel] = 0 }
    }

    /// The sequence numbers that were confirmed since the last look, in order.
    package func takeConfirms(on channel: Channel) -> [UInt64] {
        take(channel) { method, _ in
            if case .ack(let ack) = method { ack.deliveryTag } else { nil }
        }
    }

    /// The sequence numbers that were refused since the last look, in order.
    package func takeNacks(on channel: Channel) -> [UInt64] {
        take(channel) { method, _ in
            if case .nack(let nack) = method { nack.deliveryTag } else { nil }
        }
    }

    /// Makes a channel transactional.
    package func selectTransactions(on channel: Channel) throws(Closed) {
        try ask(.tx(.select), channel, until: .tx(.selectOk))
    }

    /// Commits.
    package func commit(on channel: Channel) throws(Closed) {
        try ask(.tx(.commit), channel, .queues, until: .tx(.commitOk))
    }

    /// Rolls back.
    package func rollback(on channel: Channel) throws(Closed) {
        try ask(.tx(.rollback), channel, .queues, until: .tx(.rollbackOk))
    }

    /// The bodies that came back since the last look.
    package func takeReturns(on channel: Channel) -> [String] {
        take(channel) { method, content in
            if case .return = method { String(buffer: content?.body ?? ByteBuffer()) } else { nil }
        }
    }

    /// The names of what arrived since the last look, in order: `basicReturn`, `basicAck`, ….
    package func takeMethods(on channel: Channel) -> [String] {
        defer { inboxes[channel] = [] }
        return (inboxes[channel] ?? []).map { command in
            let words = "\(command.method)".split { $0 == "." || $0 == "-" }
            return words.dropFirst().reduce(String(words[0])) { name, word in
                name + word.prefix(1).uppercased() + word.dropFirst()
            }
        }
    }

    private func take<Value>(_ channel: Channel, _ pick: (Basic, Content?) -> Value?) -> [Value] {
        var left: [Command] = []
        var found: [Value] = []
        for command in inboxes[channel] ?? [] {
            if case .basic(let method) = command.method, let value = pick(method, command.content) {
                found.append(value)
            } else {
                left.append(command)
            }
        }
        inboxes[channel] = left
        return found
    }

    // MARK: Consuming

    /// Sets the prefetch.
    package func qos(
        _ count: UInt32,
        size: UInt32 = 0,
        global: Bool = false,
        on channel: Channel
    ) throws(Closed) {
        let qos = Basic.Qos(
            prefetchSize: size,
            prefetchCount: UInt16(count),
            global: global
        )
        try ask(.basic(.qos(qos)), channel, .queues, until: .basic(.qosOk))
    }

    /// Begins to consume; returns the consumer tag.
    @discardableResult
    package func consume(
        _ queue: String,
        tag: String = "",
        noAck: Bool = false,
        exclusive: Bool = false,
        arguments: [RabbitMQModel.FieldValue.Field] = [],
        on channel: Channel
    ) throws(Closed) -> String {
        let consume = Basic.Consume(
            queue: Octets(queue),
            consumerTag: Octets(tag),
            noAck: noAck,
            exclusive: exclusive,
            arguments: ModelValues.wire(arguments)
        )
        return try ask(.basic(.consume(consume)), channel, .consumer) { method -> String? in
            if case .basic(.consumeOk(let answer)) = method { answer.consumerTag.text } else { nil }
        }.answer
    }

    /// Stops consuming.
    package func cancel(_ tag: String, nowait: Bool = false, on channel: Channel) throws(Closed) {
        let cancel = Basic.Cancel(consumerTag: Octets(tag), nowait: nowait)
        if nowait { return say(.basic(.cancel(cancel)), channel) }
        try ask(.basic(.cancel(cancel)), channel, .queues) {
            method -> Bool? in
            if case .basic(.cancelOk) = method { true } else { nil }
        }
    }

    /// The tags of the consumers that the broker cancelled since the last look.
    package func takeCancellations(on channel: Channel) -> [String] {
        take(channel) { method, _ in
            if case .cancel(let cancel) = method { cancel.consumerTag.text } else { nil }
        }
    }

    /// What was delivered since the last look, in order.
    package func takeDeliveries(on channel: Channel) -> [Delivery] {
        take(channel) { method, content in
            guard case .deliver(let deliver) = method, let content else { return nil }
            return Delivery(
                body: String(buffer: content.body),
                tag: deliver.deliveryTag,
                redelivered: deliver.redelivered,
                exchange: deliver.exchange.text,
                key: deliver.routingKey.text,
                properties: ModelValues.model(content.properties),
                left: 0,
                consumer: deliver.consumerTag.text
            )
        }
    }

    /// Fetches one message.
    package func get(_ queue: String, noAck: Bool = false, on channel: Channel)
        throws(Closed) -> Delivery?
    {
        let get = Basic.Get(queue: Octets(queue), noAck: noAck)
        let (answer, content) = try ask(.basic(.get(get)), channel) { method -> Basic? in
            switch method {
            case .basic(let answer):
                switch answer {
                case .getOk, .getEmpty: answer
                default: nil
                }
            default: nil
            }
        }
        guard case .getOk(let got) = answer, let content else { return nil }
        return Delivery(
            body: String(buffer: content.body),
            tag: got.deliveryTag,
            redelivered: got.redelivered,
            exchange: got.exchange.text,
            key: got.routingKey.text,
            properties: ModelValues.model(content.properties),
            left: Int(got.messageCount),
            consumer: ""
        )
    }

    /// Acknowledges.
    package func ack(_ tag: UInt64, multiple: Bool = false, on channel: Channel) {
        say(.basic(.ack(.init(deliveryTag: tag, multiple: multiple))), channel)
    }

    /// Acknowledges, and has the node killed as soon as it heard it, before its disk knows.
    package func ackAndKill(_ tag: UInt64, on channel: Channel) {
        let ack = Command(.basic(.ack(.init(deliveryTag: tag))), channel: channel.number)
        model("no real node can be killed 60 µs after a word")?.sayAndKill(ack, on: channel.link)
        sortInboxes()
    }

    /// Refuses, and has it requeued or not.
    package func nack(
        _ tag: UInt64,
        multiple: Bool = false,
        requeue: Bool,
        on channel: Channel
    ) {
        let nack = Basic.Nack(deliveryTag: tag, multiple: multiple, requeue: requeue)
        say(.basic(.nack(nack)), channel)
    }

    /// Refuses one delivery.
    package func reject(_ tag: UInt64, requeue: Bool, on channel: Channel) {
        say(.basic(.reject(.init(deliveryTag: tag, requeue: requeue))), channel)
    }

    /// Has everything unacknowledged sent again.
    package func recover(requeue: Bool, on channel: Channel) {
        say(.basic(.recover(.init(requeue: requeue))), channel)
    }
}
