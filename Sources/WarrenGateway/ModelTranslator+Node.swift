package import AMQPWire
package import NIOCore
import RabbitMQModel
package import WarrenKernel
package import WarrenTrace

/// From the node to its client.
extension ModelTranslator {
    /// The model's words for a client; nil for what a client does not hear.
    package mutating func command(
        _ packet: Packet,
        in world: World,
        _ bodies: [MessageID: ByteBuffer]
    ) -> Command? {
        guard let method = packet.method else { return nil }
        switch method {
        case .basicDeliver, .basicGetOk, .basicReturn:
            return message(packet, method, world, bodies)
        case .connectionClose, .connectionCloseOk, .connectionTune, .connectionOpenOk,
            .connectionBlocked, .connectionUnblocked:
            return connection(packet, method, world)
        default:
            let spoken =
                plain(method) ?? channel(packet, method, world.names)
                ?? queue(packet, method, world.names) ?? basic(packet, method, world.names)
            return spoken.map { Command($0, channel: packet.channel) }
        }
    }

    /// Answers that say nothing but that something is done.
    private func plain(_ method: RabbitMQModel.Method) -> AMQPWire.Method? {
        switch method {
        case .channelOpenOk: .channel(.openOk)
        case .channelCloseOk: .channel(.closeOk)
        case .channelFlowOk: .channel(.flowOk(.init(active: true)))
        case .exchangeDeclareOk: .exchange(.declareOk)
        case .exchangeDeleteOk: .exchange(.deleteOk)
        case .exchangeBindOk: .exchange(.bindOk)
        case .exchangeUnbindOk: .exchange(.unbindOk)
        case .queueBindOk: .queue(.bindOk)
        case .queueUnbindOk: .queue(.unbindOk)
        case .basicQosOk: .basic(.qosOk)
        case .basicGetEmpty: .basic(.getEmpty)
        case .basicRecoverOk: .basic(.recoverOk)
        case .confirmSelectOk: .confirm(.selectOk)
        case .txSelectOk: .tx(.selectOk)
        case .txCommitOk: .tx(.commitOk)
        case .txRollbackOk: .tx(.rollbackOk)
        default: nil
        }
    }

    private func connection(_ packet: Packet, _ method: RabbitMQModel.Method, _ world: World)
        -> Command?
    {
        let text = Octets(world.names[packet.subject])
        let spoken: Connection
        switch method {
        case .connectionTune:
            guard let offer: ServerOffer = world.parcel(packet.parcel) else { return nil }
            spoken = .tune(
                .init(
                    channelMax: offer.channelMax,
                    frameMax: offer.frameMax,
                    heartbeat: offer.heartbeat
                )
            )
        case .connectionOpenOk: spoken = .openOk
        case .connectionClose: spoken = .close(.init(code: UInt16(packet.c), text: text))
        case .connectionCloseOk: spoken = .closeOk
        case .connectionBlocked: spoken = .blocked(.init(reason: text))
        default: spoken = .unblocked
        }
        return Command(.connection(spoken), channel: 0)
    }

    private func channel(_ packet: Packet, _ method: RabbitMQModel.Method, _ names: Names)
        -> AMQPWire.Method?
    {
        guard method == .channelClose else { return nil }
        let text = Octets(names[packet.subject])
        return .channel(.close(.init(code: UInt16(packet.c), text: text)))
    }

    private func queue(_ packet: Packet, _ method: RabbitMQModel.Method, _ names: Names)
        -> AMQPWire.Method?
    {
        switch method {
        case .queueDeclareOk:
            .queue(
                .declareOk(
                    .init(
                        queue: Octets(names[packet.subject]),
                        messageCount: packet.c,
                        consumerCount: packet.d
                    )
                )
            )
        case .queuePurgeOk: .queue(.purgeOk(.init(messageCount: packet.c)))
        case .queueDeleteOk: .queue(.deleteOk(.init(messageCount: packet.c)))
        default: nil
        }
    }

    private mutating func basic(
        _ packet: Packet,
        _ method: RabbitMQModel.Method,
        _ names: Names
    ) -> AMQPWire.Method? {
        let tag = Octets(names[packet.key])
        let isMultiple = packet.has(Flag.multiple)
        switch method {
        case .basicConsumeOk:
            consumerTags[packet.c] = packet.key
            return .basic(.consumeOk(.init(consumerTag: tag)))
        case .basicCancel: return .basic(.cancel(.init(consumerTag: tag, nowait: true)))
        case .basicCancelOk: return .basic(.cancelOk(.init(consumerTag: tag)))
        case .basicAck:
            return .basic(.ack(.init(deliveryTag: packet.tag, multiple: isMultiple)))
        case .basicNack:
            return .basic(.nack(.init(deliveryTag: packet.tag, multiple: isMultiple)))
        default: return nil
        }
    }

    private func message(
        _ packet: Packet,
        _ method: RabbitMQModel.Method,
        _ world: World,
        _ bodies: [MessageID: ByteBuffer]
    ) -> Command {
        let names = world.names
        let key = Octets(names[packet.key])
        let properties: Properties? = world.parcel(packet.parcel)
        let content = Content(
            properties: ModelValues.wire(
                properties ?? Properties(),
                persistent: packet.has(Flag.persistent)
            ),
            body: bodies[packet.message] ?? ByteBuffer()
        )
        let spoken: Basic
        switch method {
        case .basicDeliver:
            let tag = consumerTags[packet.consumerNumber].map { names[$0] } ?? ""
            spoken = .deliver(
                .init(
                    consumerTag: Octets(tag),
                    deliveryTag: packet.deliveryTag,
                    redelivered: packet.has(Flag.redelivered),
                    exchange: Octets(names[packet.exchange]),
                    routingKey: key
                )
            )
        case .basicGetOk:
            spoken = .getOk(
                .init(
                    deliveryTag: packet.deliveryTag,
                    redelivered: packet.has(Flag.redelivered),
                    exchange: Octets(names[packet.exchange]),
                    routingKey: key,
                    messageCount: packet.consumerNumber
                )
            )
        default:
            spoken = .return(
                .init(
                    code: 312,
                    text: "NO_ROUTE",
                    exchange: Octets(names[packet.subject]),
                    routingKey: key
                )
            )
        }
        return Command(.basic(spoken), channel: packet.channel, content: content)
    }
}
