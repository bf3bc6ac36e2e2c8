import AMQPWire
import RabbitMQModel

/// The model's declarations as methods.
enum Declarations {
    static func declare(_ one: ExchangeDeclaration) -> AMQPWire.Exchange.Declare {
        var arguments = ModelValues.wire(one.arguments)
        if let alternate = one.alternate {
            arguments.fields.append(.init("alternate-exchange", .longString(Octets(alternate))))
        }
        return .init(
            exchange: Octets(one.name),
            type: Octets(one.type),
            passive: one.passive,
            durable: one.durable,
            autoDelete: one.autoDelete,
            isInternal: one.isInternal,
            nowait: one.nowait,
            arguments: arguments
        )
    }

    /// Shortens the times among some values by the factor `times`.
    private static func shorten(_ fields: [RabbitMQModel.FieldValue.Field], times: Double)
        -> [RabbitMQModel.FieldValue.Field]
    {
        let lengths: Set = ["x-message-ttl", "x-expires", "message-ttl", "expires"]
        return fields.map { field in
            guard times != 1, lengths.contains(field.name), let length = field.value.number
            else { return field }
            return .init(field.name, .int(Int64(Double(length) / times)))
        }
    }

    /// A policy whose times are shortened by the factor `times`.
    static func shorten(_ policy: Policy, times: Double) -> Policy {
        var shorter = policy
        shorter.definition = shorten(policy.definition, times: times)
        return shorter
    }

    /// Times among the arguments are shortened by the factor `times`.
    static func declare(_ one: QueueDeclaration, times: Double) -> AMQPWire.Queue.Declare {
        let arguments = shorten(one.arguments, times: times)
        return .init(
            queue: Octets(one.name),
            passive: one.passive,
            durable: one.durable,
            exclusive: one.exclusive,
            autoDelete: one.autoDelete,
            nowait: one.nowait,
            arguments: ModelValues.wire(arguments)
        )
    }

    static func bind(_ one: BindingDeclaration, isGone: Bool) -> AMQPWire.Method {
        let (destination, source) = (Octets(one.destination), Octets(one.source))
        let (key, arguments) = (Octets(one.key), ModelValues.wire(one.arguments))
        switch (one.toExchange, isGone) {
        case (true, false):
            return .exchange(
                .bind(
                    .init(
                        destination: destination,
                        source: source,
                        routingKey: key,
                        nowait: one.nowait,
                        arguments: arguments
                    )
                )
            )
        case (true, true):
            return .exchange(
                .unbind(
                    .init(
                        destination: destination,
                        source: source,
                        routingKey: key,
                        arguments: arguments
                    )
                )
            )
        case (false, false):
            return .queue(
                .bind(
                    .init(
                        queue: destination,
                        exchange: source,
                        routingKey: key,
                        nowait: one.nowait,
                        arguments: arguments
                    )
                )
            )
        case (false, true):
            return .queue(
                .unbind(
                    .init(
                        queue: destination,
                        exchange: source,
                        routingKey: key,
                        arguments: arguments
                    )
                )
            )
        }
    }
}
