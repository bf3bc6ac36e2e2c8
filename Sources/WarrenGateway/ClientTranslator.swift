import AMQPWire
import NIOCore
import RabbitMQModel
import WarrenKernel
import WarrenTrace

/// Speaks for one connection between a modelled client and a real broker.
///
/// The other way round is ``ModelTranslator``.
struct ClientTranslator {
    /// What the modelled clients never say.
    struct Untranslatable: Error, CustomStringConvertible {
        var description: String
    }

    /// A consumer of this connection.
    struct Consumer {
        var label: UInt32
        var queue: Symbol
        var noAck: Bool
    }

    /// Where names belong.
    let scope: Symbol
    /// By tag.
    private(set) var consumers: [String: Consumer] = [:]
    private var nextLabel: UInt32 = 1
    /// By channel: the queues of gets that wait for their answers.
    private var gets: [UInt16: [(queue: Symbol, noAck: Bool)]] = [:]

    init(scope: Symbol) { self.scope = scope }

    // MARK: To the broker

    /// A modelled client's words for the broker; nil for what a real connection says by itself.
    ///
    /// `times` is by how much times are shortened.
    mutating func command(_ packet: Packet, in world: World, times: Double)
        throws(Untranslatable) -> Command?
    {
        guard let method = packet.method else { return nil }
        let names = world.names
        func name(_ symbol: Symbol) -> Octets { Octets(names[symbol]) }
        func say(_ method: AMQPWire.Method, _ content: Content? = nil) -> Command {
            Command(method, channel: packet.channel, content: content)
        }
        switch method {
        case .channelOpen: return say(.channel(.open))
        case .channelClose: return say(.channel(.close(.init(code: 200, text: "Goodbye"))))
        case .channelCloseOk: return say(.channel(.closeOk))
        case .channelFlow: return say(.channel(.flow(.init(active: packet.c != 0))))
        case .connectionClose: return say(.connection(.close(.init(code: 200, text: "Goodbye"))))
        case .connectionCloseOk: return say(.connection(.closeOk))
        case .confirmSelect: return say(.confirm(.select(.init())))
        case .txSelect: return say(.tx(.select))
        case .txCommit: return say(.tx(.commit))
        case .txRollback: return say(.tx(.rollback))
        case .exchangeDeclare, .exchangeBind, .exchangeUnbind, .queueDeclare, .queueBind,
            .queueUnbind:
            return try declare(packet, method, in: world, times: times).map { say($0) }
        case .exchangeDelete:
            return say(
                .exchange(
                    .delete(
                        .init(
                            exchange: name(packet.subject),
                            ifUnused: packet.has(Flag.ifUnused),
                            nowait: packet.has(Flag.nowait)
                        )
                    )
                )
            )
        case .queueDelete:
            return say(
                .queue(
                    .delete(
                        .init(
                            queue: name(packet.subject),
                            ifUnused: packet.has(Flag.ifUnused),
                            ifEmpty: packet.has(Flag.ifEmpty),
                            nowait: packet.has(Flag.nowait)
                        )
                    )
                )
            )
        case .queuePurge:
            let nowait = packet.has(Flag.nowait)
            return say(.queue(.purge(.init(queue: name(packet.subject), nowait: nowait))))
        case .basicPublish:
            return say(
                .basic(
                    .publish(
                        .init(
                            exchange: name(packet.subject),
                            routingKey: name(packet.key),
                            mandatory: packet.has(Flag.mandatory),
                            immediate: packet.has(Flag.immediate)
                        )
                    )
                ),
                content(packet, in: world, times: times)
            )
        case .basicQos, .basicConsume, .basicCancel, .basicGet, .basicAck, .basicNack,
            .basicReject, .basicRecover:
            return say(.basic(consume(packet, method, in: world)))
        case .heartbeat, .connectionOpen, .connectionStartOk, .connectionTuneOk: return nil
        default: throw Untranslatable(description: "a client said \(method)")
        }
    }

    private func declare(
        _ packet: Packet,
        _ method: RabbitMQModel.Method,
        in world: World,
        times: Double
    ) throws(Untranslatable) -> AMQPWire.Method? {
        switch method {
        case .exchangeDeclare:
            guard let one: ExchangeDeclaration = world.parcel(packet.parcel) else { return nil }
            return .exchange(.declare(Declarations.declare(one)))
        case .queueDeclare:
            guard let one: QueueDeclaration = world.parcel(packet.parcel) else { return nil }
            return .queue(.declare(Declarations.declare(one, times: times)))
        default:
            guard let one: BindingDeclaration = world.parcel(packet.parcel) else { return nil }
            return Declarations.bind(
                one,
                isGone: method == .exchangeUnbind || method == .queueUnbind
            )
        }
    }

    private mutating func consume(
        _ packet: Packet,
        _ method: RabbitMQModel.Method,
        in world: World
    ) -> Basic {
        let names = world.names
        let queue = names[packet.subject]
        switch method {
        case .basicQos:
            return .qos(
                .init(
                    prefetchSize: packet.d,
                    prefetchCount: UInt16(clamping: packet.c),
                    global: packet.has(Flag.global)
                )
            )
        case .basicConsume:
            let label = nextLabel
            nextLabel += 1
            let asked = packet.key == .none ? "" : names[packet.key]
            let tag = asked.isEmpty ? "warren-\(label)" : asked
            consumers[tag] = Consumer(
                label: label,
                queue: packet.subject,
                noAck: packet.has(Flag.noAck)
            )
            let options: ConsumeOptions? = world.parcel(packet.parcel)
            return .consume(
                .init(
                    queue: Octets(queue),
                    consumerTag: Octets(tag),
                    noAck: packet.has(Flag.noAck),
                    exclusive: packet.has(Flag.exclusive),
                    nowait: options?.nowait ?? false,
                    arguments: ModelValues.wire(options?.arguments ?? [])
                )
            )
        case .basicCancel:
            let nowait = packet.has(Flag.nowait)
            return .cancel(.init(consumerTag: Octets(names[packet.key]), nowait: nowait))
        case .basicGet:
            let noAck = packet.has(Flag.noAck)
            gets[packet.channel, default: []].append((packet.subject, noAck))
            return .get(.init(queue: Octets(queue), noAck: noAck))
        case .basicAck:
            return .ack(.init(deliveryTag: packet.tag, multiple: packet.has(Flag.multiple)))
        case .basicNack:
            return .nack(
                .init(
                    deliveryTag: packet.tag,
                    multiple: packet.has(Flag.multiple),
                    requeue: packet.has(Flag.requeue)
                )
            )
        case .basicReject:
            return .reject(.init(deliveryTag: packet.tag, requeue: packet.has(Flag.requeue)))
        default: return .recover(.init(requeue: packet.has(Flag.requeue)))
        }
    }

    /// A body that names its message, and the properties; a request's number is in its correlation-id.
    private func content(_ packet: Packet, in world: World, times: Double) -> Content {
        let model: Properties? = world.parcel(packet.parcel)
        var properties = ModelValues.wire(
            model ?? Properties(),
            persistent: packet.has(Flag.persistent)
        )
        if let life = properties.expiration.flatMap({ Double($0.text) }), times != 1 {
            properties.expiration = Octets("\(UInt64(life / times))")
        }
        if packet.replyTo != .none { properties.replyTo = Octets(world.names[packet.replyTo]) }
        if packet.correlation != .none {
            properties.correlationID = Octets("\(packet.correlation.raw)")
        }
        return Content(
            properties: properties,
            body: MessageBody.body(of: packet.message, size: Int(packet.size))
        )
    }

    // MARK: From the broker

    /// What a message of the broker says.
    struct Message {
        var packet: Packet
        /// The queue that it came from; none for a return.
        var queue: Symbol
        /// Whether it is settled by sending.
        var isSettled: Bool
        var properties: BasicProperties
    }

    /// The broker's words for a modelled client; nil for what it does not hear.
    mutating func packet(_ command: Command, in world: inout World) -> Packet? {
        func packet(_ method: RabbitMQModel.Method) -> Packet {
            Packet(method, channel: command.channel)
        }
        func closed(_ method: RabbitMQModel.Method, _ code: UInt16, _ text: Octets) -> Packet {
            var packet = packet(method)
            packet.c = UInt32(code)
            packet.subject = world.intern(.text, text.text)
            return packet
        }
        switch command.method {
        case .channel(.openOk): return packet(.channelOpenOk)
        case .channel(.closeOk): return packet(.channelCloseOk)
        case .channel(.flowOk): return packet(.channelFlowOk)
        case .channel(.close(let close)): return closed(.channelClose, close.code, close.text)
        case .connection(.close(let close)): return closed(.connectionClose, close.code, close.text)
        case .connection(.closeOk): return packet(.connectionCloseOk)
        case .connection(.blocked(let blocked)):
            return closed(.connectionBlocked, 0, blocked.reason)
        case .connection(.unblocked): return packet(.connectionUnblocked)
        case .confirm(.selectOk): return packet(.confirmSelectOk)
        case .tx(.selectOk): return packet(.txSelectOk)
        case .tx(.commitOk): return packet(.txCommitOk)
        case .tx(.rollbackOk): return packet(.txRollbackOk)
        case .exchange(.declareOk): return packet(.exchangeDeclareOk)
        case .exchange(.deleteOk): return packet(.exchangeDeleteOk)
        case .exchange(.bindOk): return packet(.exchangeBindOk)
        case .exchange(.unbindOk): return packet(.exchangeUnbindOk)
        case .queue(let method): return queue(method, packet, &world)
        case .basic(let method): return basic(method, packet, &world)
        default: return nil
        }
    }

    private func queue(
        _ method: AMQPWire.Queue,
        _ packet: (RabbitMQModel.Method) -> Packet,
        _ world: inout World
    ) -> Packet? {
        switch method {
        case .declareOk(let answer):
            var packet = packet(.queueDeclareOk)
            packet.subject = world.intern(.queue, answer.queue.text, in: scope)
            packet.c = answer.messageCount
            packet.d = answer.consumerCount
            return packet
        case .bindOk: return packet(.queueBindOk)
        case .unbindOk: return packet(.queueUnbindOk)
        case .purgeOk(let answer):
            var packet = packet(.queuePurgeOk)
            packet.c = answer.messageCount
            return packet
        case .deleteOk(let answer):
            var packet = packet(.queueDeleteOk)
            packet.c = answer.messageCount
            return packet
        default: return nil
        }
    }

    private func basic(
        _ method: Basic,
        _ packet: (RabbitMQModel.Method) -> Packet,
        _ world: inout World
    ) -> Packet? {
        switch method {
        case .qosOk: return packet(.basicQosOk)
        case .consumeOk(let answer):
            guard let consumer = consumers[answer.consumerTag.text] else { return nil }
            var packet = packet(.basicConsumeOk)
            packet.key = world.intern(.text, answer.consumerTag.text)
            packet.c = consumer.label
            return packet
        case .cancel(let cancel):
            var packet = packet(.basicCancel)
            packet.key = world.intern(.text, cancel.consumerTag.text)
            return packet
        case .cancelOk(let answer):
            var packet = packet(.basicCancelOk)
            packet.key = world.intern(.text, answer.consumerTag.text)
            return packet
        case .recoverOk: return packet(.basicRecoverOk)
        case .ack(let ack):
            var packet = packet(.basicAck)
            packet.tag = ack.deliveryTag
            packet.flags = ack.multiple ? Flag.multiple : 0
            return packet
        case .nack(let nack):
            var packet = packet(.basicNack)
            packet.tag = nack.deliveryTag
            packet.flags = nack.multiple ? Flag.multiple : 0
            return packet
        default: return nil
        }
    }

    /// A delivery, a fetched message or a return; nil for anything else, and for get-empty.
    mutating func message(_ command: Command, in world: inout World) -> Message? {
        guard case .basic(let method) = command.method, let content = command.content else {
            return nil
        }
        var packet: Packet
        var queue = Symbol.none
        var isSettled = false
        let (exchange, key): (Octets, Octets)
        switch method {
        case .deliver(let deliver):
            packet = Packet(.basicDeliver, channel: command.channel)
            guard let consumer = consumers[deliver.consumerTag.text] else { return nil }
            packet.x = deliver.deliveryTag | UInt64(consumer.label) << 40
            packet.flags = deliver.redelivered ? Flag.redelivered : 0
            (queue, isSettled) = (consumer.queue, consumer.noAck)
            (exchange, key) = (deliver.exchange, deliver.routingKey)
        case .getOk(let got):
            packet = Packet(.basicGetOk, channel: command.channel)
            packet.x = got.deliveryTag | UInt64(got.messageCount) << 40
            packet.flags = got.redelivered ? Flag.redelivered : 0
            if let get = takeGet(command.channel) { (queue, isSettled) = get }
            (exchange, key) = (got.exchange, got.routingKey)
        case .return(let returned):
            packet = Packet(.basicReturn, channel: command.channel)
            (exchange, key) = (returned.exchange, returned.routingKey)
        default: return nil
        }
        let source = world.intern(.exchange, exchange.text, in: scope)
        packet.key = world.intern(.key, key.text)
        packet.message = MessageBody.message(of: content.body)
        packet.size = UInt32(content.body.readableBytes)
        packet.exchange = source
        packet.subject = queue == .none ? source : queue
        if case .return(let returned) = method { packet.d = UInt32(returned.code) }
        if content.properties.deliveryMode == 2 { packet.flags |= Flag.persistent }
        if isSettled { packet.custody = 1 }
        if let reply = content.properties.replyTo {
            packet.replyTo = world.intern(.key, reply.text)
        }
        if let request = content.properties.correlationID.flatMap({ UInt32($0.text) }) {
            packet.correlation = MessageID(request)
        }
        let model = ModelValues.model(content.properties)
        if model != Properties() { packet.parcel = world.put(model) }
        return Message(
            packet: packet,
            queue: queue,
            isSettled: isSettled,
            properties: content.properties
        )
    }

    /// The get whose answer comes now.
    mutating func takeGet(_ channel: UInt16) -> (queue: Symbol, noAck: Bool)? {
        guard gets[channel]?.isEmpty == false else { return nil }
        return gets[channel]?.removeFirst()
    }
}

/// A body that says which message it is: `m` and its number, padded to its size.
///
/// - Differs: a body of fewer octets than that is longer than it should be.
enum MessageBody {
    static func body(of message: MessageID, size: Int) -> ByteBuffer {
        let name = "m\(message.raw)."
        var body = ByteBuffer()
        body.writeString(name)
        if size > name.utf8.count { body.writeRepeatingByte(0x2E, count: size - name.utf8.count) }
        return body
    }

    /// The message that a body names; none for a body from elsewhere.
    static func message(of body: ByteBuffer) -> MessageID {
        var octets = body.readableBytesView[...]
        guard octets.popFirst() == UInt8(ascii: "m") else { return .none }
        var number: UInt32 = 0
        while let octet = octets.popFirst(), (48...57).contains(octet) {
            let (tens, isTooLarge) = number.multipliedReportingOverflow(by: 10)
            guard !isTooLarge else { return .none }
            number = tens &+ UInt32(octet - 48)
        }
        return MessageID(number)
    }
}
