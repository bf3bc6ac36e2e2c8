package import AMQPWire
package import NIOCore
import RabbitMQModel
package import WarrenKernel
package import WarrenTrace

/// Speaks for one connection between a client that speaks AMQP and a modelled node.
package struct ModelTranslator {
    /// What the model has no word for.
    package struct Untranslatable: Error, CustomStringConvertible {
        /// The method.
        package var method: AMQPWire.Method

        package var description: String { "the model does not know \(method)" }
    }

    private let broker: Symbol
    /// Where names belong: the virtual host of the connection.
    private var scope: Symbol
    private var parameters = ConnectionParameters()
    var consumerTags: [UInt32: Symbol] = [:]

    /// A translator for a connection to a broker.
    package init(broker: Symbol) {
        self.broker = broker
        scope = broker
    }

    /// What the server says first; nil if the client began with something else than the protocol's header, and
    /// the node is to hear that.
    package func greeting(_ bytes: [UInt8]) -> Command? {
        guard bytes == ProtocolHeader.bytes else { return nil }
        let offer = ServerOffer(channelMax: 0, frameMax: 0, heartbeat: 0)
        let capabilities = offer.capabilities.map {
            FieldTable.Field(Octets($0), .bool(true))
        }
        let start = Connection.Start(
            serverProperties: [
                "capabilities": .table(FieldTable(capabilities)),
                "product": .longString("RabbitMQ"),
            ],
            mechanisms: Octets(offer.mechanisms.joined(separator: " "))
        )
        return Command(.connection(.start(start)), channel: 0)
    }

    /// What a node hears of a client that began with something else; the parcel holds its parameters.
    package static func stranger(_ parameters: ParcelID) -> Packet {
        var packet = Packet(.connectionStartOk, channel: 0)
        packet.parcel = parameters
        return packet
    }

    /// What a node hears of a client that says that it lives.
    package static var heartbeat: Packet { Packet(.heartbeat, channel: 0) }

    /// Whether a node says that it lives.
    package static func isHeartbeat(_ packet: Packet) -> Bool { packet.method == .heartbeat }

    // MARK: From the client

    /// A client's words for the model.
    ///
    /// `bodies` gets the body of a publication under the number that it has in the model.
    package mutating func packet(
        _ command: Command,
        as port: NodeID,
        in world: inout World,
        _ bodies: inout [MessageID: ByteBuffer]
    ) throws(Untranslatable) -> Packet {
        switch command.method {
        case .connection(let method): try connection(method, &world)
        case .channel(let method): try channel(method, command, &world)
        case .exchange(let method): try exchange(method, command, &world)
        case .queue(let method): try queue(method, command, &world)
        case .basic(let method):
            try basic(method, command, port, &world, &bodies)
        case .confirm(.select(let select)): packet(.confirmSelect, command, nowait: select.nowait)
        case .tx(.select): packet(.txSelect, command)
        case .tx(.commit): packet(.txCommit, command)
        case .tx(.rollback): packet(.txRollback, command)
        case .access, .confirm, .tx: throw Untranslatable(method: command.method)
        }
    }

    private func packet(
        _ method: RabbitMQModel.Method,
        _ command: Command,
        nowait: Bool = false
    ) -> Packet {
        var packet = Packet(method, channel: command.channel)
        if nowait { packet.flags = Flag.nowait }
        return packet
    }

    private func symbol(_ kind: NameKind, _ name: Octets, _ world: inout World) -> Symbol {
        world.intern(kind, name.text, in: scope)
    }

    private mutating func connection(_ method: Connection, _ world: inout World)
        throws(Untranslatable) -> Packet
    {
        switch method {
        case .startOk(let start):
            parameters.mechanism = start.mechanism.text
            let parts = start.response.bytes.split(separator: 0, omittingEmptySubsequences: false)
            if parts.count == 3 {
                parameters.user = String(decoding: parts[1], as: UTF8.self)
                parameters.password = String(decoding: parts[2], as: UTF8.self)
            }
            parameters.capabilities = []
            if case .table(let table)? = start.clientProperties["capabilities"] {
                parameters.capabilities = table.fields.filter { $0.value == .bool(true) }
                    .map(\.name.text)
            }
            var packet = Packet(.connectionStartOk, channel: 0)
            packet.parcel = world.put(parameters)
            return packet
        case .tuneOk(let tune):
            parameters.channelMax = tune.channelMax
            parameters.frameMax = tune.frameMax
            parameters.heartbeat = tune.heartbeat
            var packet = Packet(.connectionTuneOk, channel: 0)
            packet.parcel = world.put(parameters)
            return packet
        case .open(let open):
            parameters.vhost = open.vhost.text
            if parameters.vhost != "/" {
                let name = world.names[broker]
                scope = world.intern(.broker, "\(name)/\(parameters.vhost)")
            }
            var packet = Packet(.connectionOpen, channel: 0)
            packet.key = world.intern(.text, parameters.vhost)
            return packet
        case .close: return Packet(.connectionClose, channel: 0)
        case .closeOk: return Packet(.connectionCloseOk, channel: 0)
        case .start, .secure, .secureOk, .tune, .openOk, .blocked, .unblocked, .updateSecret,
            .updateSecretOk:
            throw Untranslatable(method: .connection(method))
        }
    }

    private func channel(_ method: AMQPWire.Channel, _ command: Command, _ world: inout World)
        throws(Untranslatable) -> Packet
    {
        switch method {
        case .open: return packet(.channelOpen, command)
        case .flow(let flow):
            var packet = packet(.channelFlow, command)
            packet.c = flow.active ? 1 : 0
            return packet
        case .flowOk: return packet(.channelFlowOk, command)
        case .close: return packet(.channelClose, command)
        case .closeOk: return packet(.channelCloseOk, command)
        case .openOk: throw Untranslatable(method: command.method)
        }
    }

    private func exchange(_ method: AMQPWire.Exchange, _ command: Command, _ world: inout World)
        throws(Untranslatable) -> Packet
    {
        switch method {
        case .declare(let method):
            var declaration = ExchangeDeclaration(
                name: method.exchange.text,
                type: method.type.text
            )
            declaration.durable = method.durable
            declaration.autoDelete = method.autoDelete
            declaration.isInternal = method.isInternal
            declaration.passive = method.passive
            declaration.nowait = method.nowait
            declaration.arguments = ModelValues.model(method.arguments)
            if let index = declaration.arguments.firstIndex(where: {
                $0.name == "alternate-exchange"
            }), case .string(let name) = declaration.arguments[index].value {
                declaration.alternate = name
                declaration.arguments.remove(at: index)
            }
            return parcel(declaration, .exchangeDeclare, command, &world)
        case .delete(let method):
            var packet = packet(.exchangeDelete, command)
            packet.subject = symbol(.exchange, method.exchange, &world)
            packet.flags =
                (method.ifUnused ? Flag.ifUnused : 0) | (method.nowait ? Flag.nowait : 0)
            return packet
        case .bind(let method):
            return parcel(binding(method), .exchangeBind, command, &world)
        case .unbind(let method):
            return parcel(binding(method), .exchangeUnbind, command, &world)
        case .declareOk, .deleteOk, .bindOk, .unbindOk:
            throw Untranslatable(method: command.method)
        }
    }

    private func binding(_ method: AMQPWire.Exchange.Bind) -> BindingDeclaration {
        var binding = BindingDeclaration(
            source: method.source.text,
            destination: method.destination.text,
            key: method.routingKey.text
        )
        binding.toExchange = true
        binding.nowait = method.nowait
        binding.arguments = ModelValues.model(method.arguments)
        return binding
    }

    private func parcel(
        _ value: some Sendable,
        _ method: RabbitMQModel.Method,
        _ command: Command,
        _ world: inout World
    ) -> Packet {
        var packet = packet(method, command)
        packet.parcel = world.put(value)
        return packet
    }

    private func queue(_ method: AMQPWire.Queue, _ command: Command, _ world: inout World)
        throws(Untranslatable) -> Packet
    {
        switch method {
        case .declare(let method):
            var declaration = QueueDeclaration(name: method.queue.text)
            declaration.durable = method.durable
            declaration.exclusive = method.exclusive
            declaration.autoDelete = method.autoDelete
            declaration.passive = method.passive
            declaration.nowait = method.nowait
            declaration.arguments = ModelValues.model(method.arguments)
            return parcel(declaration, .queueDeclare, command, &world)
        case .bind(let method):
            var binding = BindingDeclaration(
                source: method.exchange.text,
                destination: method.queue.text,
                key: method.routingKey.text
            )
            binding.nowait = method.nowait
            binding.arguments = ModelValues.model(method.arguments)
            return parcel(binding, .queueBind, command, &world)
        case .unbind(let method):
            var binding = BindingDeclaration(
                source: method.exchange.text,
                destination: method.queue.text,
                key: method.routingKey.text
            )
            binding.arguments = ModelValues.model(method.arguments)
            return parcel(binding, .queueUnbind, command, &world)
        case .purge(let method):
            var packet = packet(.queuePurge, command, nowait: method.nowait)
            packet.subject = symbol(.queue, method.queue, &world)
            return packet
        case .delete(let method):
            var packet = packet(.queueDelete, command)
            packet.subject = symbol(.queue, method.queue, &world)
            packet.flags =
                (method.ifUnused ? Flag.ifUnused : 0) | (method.ifEmpty ? Flag.ifEmpty : 0)
                | (method.nowait ? Flag.nowait : 0)
            return packet
        case .declareOk, .bindOk, .purgeOk, .deleteOk, .unbindOk:
            throw Untranslatable(method: command.method)
        }
    }

    private func basic(
        _ method: Basic,
        _ command: Command,
        _ port: NodeID,
        _ world: inout World,
        _ bodies: inout [MessageID: ByteBuffer]
    ) throws(Untranslatable) -> Packet {
        switch method {
        case .publish(let method): return publish(method, command, port, &world, &bodies)
        case .qos(let method):
            var packet = packet(.basicQos, command)
            packet.c = UInt32(method.prefetchCount)
            packet.d = method.prefetchSize
            packet.flags = method.global ? Flag.global : 0
            return packet
        case .consume(let method):
            var packet = packet(.basicConsume, command)
            packet.subject = symbol(.queue, method.queue, &world)
            packet.key = world.intern(.text, method.consumerTag.text)
            packet.flags =
                (method.noAck ? Flag.noAck : 0) | (method.exclusive ? Flag.exclusive : 0)
            if !method.arguments.isEmpty || method.nowait {
                let options = ConsumeOptions(
                    arguments: ModelValues.model(method.arguments),
                    nowait: method.nowait
                )
                packet.parcel = world.put(options)
            }
            return packet
        case .cancel(let method):
            var packet = packet(.basicCancel, command, nowait: method.nowait)
            packet.key = world.intern(.text, method.consumerTag.text)
            return packet
        case .get(let method):
            var packet = packet(.basicGet, command)
            packet.subject = symbol(.queue, method.queue, &world)
            packet.flags = method.noAck ? Flag.noAck : 0
            return packet
        case .ack(let method):
            return settle(.basicAck, method.deliveryTag, method.multiple, false, command)
        case .nack(let method):
            return settle(
                .basicNack,
                method.deliveryTag,
                method.multiple,
                method.requeue,
                command
            )
        case .reject(let method):
            return settle(.basicReject, method.deliveryTag, false, method.requeue, command)
        case .recover(let method):
            return settle(.basicRecover, 0, false, method.requeue, command)
        case .cancelOk: throw Untranslatable(method: command.method)
        case .qosOk, .consumeOk, .return, .deliver, .getOk, .getEmpty, .recoverAsync, .recoverOk:
            throw Untranslatable(method: command.method)
        }
    }

    private func settle(
        _ method: RabbitMQModel.Method,
        _ tag: UInt64,
        _ multiple: Bool,
        _ requeue: Bool,
        _ command: Command
    ) -> Packet {
        var packet = packet(method, command)
        packet.tag = tag
        packet.flags = (multiple ? Flag.multiple : 0) | (requeue ? Flag.requeue : 0)
        return packet
    }

    private func publish(
        _ method: Basic.Publish,
        _ command: Command,
        _ port: NodeID,
        _ world: inout World,
        _ bodies: inout [MessageID: ByteBuffer]
    ) -> Packet {
        let content = command.content ?? Content()
        var packet = packet(.basicPublish, command)
        packet.message = world.speak(as: port) { $0.newMessage() }
        bodies[packet.message] = content.body
        packet.subject = symbol(.exchange, method.exchange, &world)
        packet.key = world.intern(.key, method.routingKey.text)
        packet.size = UInt32(content.body.readableBytes)
        packet.flags =
            (method.mandatory ? Flag.mandatory : 0) | (method.immediate ? Flag.immediate : 0)
            | (content.properties.deliveryMode == 2 ? Flag.persistent : 0)
        let properties = ModelValues.model(content.properties)
        if properties != Properties() { packet.parcel = world.put(properties) }
        return packet
    }
}
