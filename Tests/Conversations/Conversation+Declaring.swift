import AMQPWire
package import RabbitMQModel
import WarrenGateway

/// Queues, exchanges and bindings.
extension Conversation {
    /// Declares a queue; an empty name has the broker make one.
    @discardableResult
    package func declareQueue(
        _ name: String,
        on channel: Channel,
        _ change: (inout QueueDeclaration) -> Void = { _ in }
    ) throws(Closed) -> QueueState {
        var declaration = QueueDeclaration(name: name)
        change(&declaration)
        let declare = AMQPWire.Queue.Declare(
            queue: Octets(declaration.name),
            passive: declaration.passive,
            durable: declaration.durable,
            exclusive: declaration.exclusive,
            autoDelete: declaration.autoDelete,
            nowait: declaration.nowait,
            arguments: ModelValues.wire(declaration.arguments)
        )
        if declaration.nowait {
            say(.queue(.declare(declare)), channel)
            return QueueState(name: name, messages: 0, consumers: 0)
        }
        let answer = try ask(.queue(.declare(declare)), channel) {
            method -> AMQPWire.Queue.DeclareOk? in
            if case .queue(.declareOk(let answer)) = method { answer } else { nil }
        }.answer
        return QueueState(
            name: answer.queue.text,
            messages: Int(answer.messageCount),
            consumers: Int(answer.consumerCount)
        )
    }

    /// How many messages are ready in a queue.
    ///
    /// A real queue answers this before it handles what was published: it is asked until it says the same again.
    package func depth(of queue: String, on channel: Channel) throws(Closed) -> Int {
        func ask() throws(Closed) -> Int {
            try declareQueue(queue, on: channel) { $0.passive = true }.messages
        }
        var depth = try ask()
        var same = 0
        while arm.patience > 0, same < 2 {
            arm.wait(20)
            let next = try ask()
            same = next == depth ? same + 1 : 0
            depth = next
        }
        return depth
    }

    /// Declares an exchange.
    package func declareExchange(
        _ name: String,
        _ type: String,
        on channel: Channel,
        _ change: (inout ExchangeDeclaration) -> Void = { _ in }
    ) throws(Closed) {
        var declaration = ExchangeDeclaration(name: name, type: type)
        change(&declaration)
        if let alternate = declaration.alternate {
            declaration.arguments.append(.init("alternate-exchange", .string(alternate)))
        }
        let declare = AMQPWire.Exchange.Declare(
            exchange: Octets(declaration.name),
            type: Octets(declaration.type),
            passive: declaration.passive,
            durable: declaration.durable,
            autoDelete: declaration.autoDelete,
            isInternal: declaration.isInternal,
            nowait: declaration.nowait,
            arguments: ModelValues.wire(declaration.arguments)
        )
        if declaration.nowait {
            say(.exchange(.declare(declare)), channel)
        } else {
            try ask(.exchange(.declare(declare)), channel, until: .exchange(.declareOk))
        }
    }

    /// Binds a queue to an exchange.
    package func bind(
        _ queue: String,
        to exchange: String,
        key: String = "",
        arguments: [RabbitMQModel.FieldValue.Field] = [],
        nowait: Bool = false,
        on channel: Channel
    ) throws(Closed) {
        let bind = AMQPWire.Queue.Bind(
            queue: Octets(queue),
            exchange: Octets(exchange),
            routingKey: Octets(key),
            nowait: nowait,
            arguments: ModelValues.wire(arguments)
        )
        if nowait { return say(.queue(.bind(bind)), channel) }
        try ask(.queue(.bind(bind)), channel, until: .queue(.bindOk))
    }

    /// Takes a binding of a queue away.
    package func unbind(
        _ queue: String,
        from exchange: String,
        key: String = "",
        on channel: Channel
    ) throws(Closed) {
        let unbind = AMQPWire.Queue.Unbind(
            queue: Octets(queue),
            exchange: Octets(exchange),
            routingKey: Octets(key)
        )
        try ask(.queue(.unbind(unbind)), channel, until: .queue(.unbindOk))
    }

    /// Binds an exchange to an exchange.
    package func bindExchange(
        _ destination: String,
        to source: String,
        key: String = "",
        on channel: Channel
    ) throws(Closed) {
        let bind = AMQPWire.Exchange.Bind(
            destination: Octets(destination),
            source: Octets(source),
            routingKey: Octets(key)
        )
        try ask(.exchange(.bind(bind)), channel, until: .exchange(.bindOk))
    }

    /// Takes a binding between exchanges away.
    package func unbindExchange(
        _ destination: String,
        from source: String,
        key: String = "",
        on channel: Channel
    ) throws(Closed) {
        let unbind = AMQPWire.Exchange.Unbind(
            destination: Octets(destination),
            source: Octets(source),
            routingKey: Octets(key)
        )
        try ask(.exchange(.unbind(unbind)), channel, until: .exchange(.unbindOk))
    }

    /// Deletes a queue; returns how many messages were ready in it.
    @discardableResult
    package func deleteQueue(
        _ name: String,
        ifUnused: Bool = false,
        ifEmpty: Bool = false,
        nowait: Bool = false,
        on channel: Channel
    ) throws(Closed) -> Int {
        let delete = AMQPWire.Queue.Delete(
            queue: Octets(name),
            ifUnused: ifUnused,
            ifEmpty: ifEmpty,
            nowait: nowait
        )
        if nowait {
            say(.queue(.delete(delete)), channel)
            return 0
        }
        let count = try ask(.queue(.delete(delete)), channel, .queues) { method -> UInt32? in
            if case .queue(.deleteOk(let answer)) = method { answer.messageCount } else { nil }
        }.answer
        return Int(count)
    }

    /// Drops what is ready in a queue; returns how many that were.
    @discardableResult
    package func purge(_ name: String, nowait: Bool = false, on channel: Channel) throws(Closed)
        -> Int
    {
        let purge = AMQPWire.Queue.Purge(queue: Octets(name), nowait: nowait)
        if nowait {
            say(.queue(.purge(purge)), channel)
            return 0
        }
        let count = try ask(.queue(.purge(purge)), channel, .queues) { method -> UInt32? in
            if case .queue(.purgeOk(let answer)) = method { answer.messageCount } else { nil }
        }.answer
        return Int(count)
    }

    /// Deletes an exchange.
    package func deleteExchange(
        _ name: String,
        ifUnused: Bool = false,
        nowait: Bool = false,
        on channel: Channel
    ) throws(Closed) {
        let delete = AMQPWire.Exchange.Delete(
            exchange: Octets(name),
            ifUnused: ifUnused,
            nowait: nowait
        )
        if nowait { return say(.exchange(.delete(delete)), channel) }
        try ask(.exchange(.delete(delete)), channel, until: .exchange(.deleteOk))
    }
}
