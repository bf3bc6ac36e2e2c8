package import WarrenKernel
package import WarrenTrace

/// What an AMQP 0-9-1 peer says.
///
/// The names are the protocol's own.
package enum Method: UInt16, Sendable {
    case connectionOpen = 1
    case connectionOpenOk, connectionClose, connectionCloseOk
    case channelOpen, channelOpenOk, channelClose, channelCloseOk
    case exchangeDeclare, exchangeDeclareOk, exchangeDelete, exchangeDeleteOk
    case exchangeBind, exchangeBindOk, exchangeUnbind, exchangeUnbindOk
    case queueDeclare, queueDeclareOk, queueBind, queueBindOk, queueUnbind, queueUnbindOk
    case queuePurge, queuePurgeOk, queueDelete, queueDeleteOk
    case basicQos, basicQosOk, basicConsume, basicConsumeOk, basicCancel, basicCancelOk
    case basicPublish, basicReturn, basicDeliver
    case basicGet, basicGetOk, basicGetEmpty
    case basicAck, basicNack, basicReject, basicRecover, basicRecoverOk
    case confirmSelect, confirmSelectOk
    case txSelect, txSelectOk, txCommit, txCommitOk, txRollback, txRollbackOk
    case channelFlow, channelFlowOk
    case connectionBlocked, connectionUnblocked
    case connectionStart, connectionStartOk, connectionTune, connectionTuneOk
    case heartbeat
    /// What the management plugin does for an operator, and that it is done: no methods of AMQP.
    case administer, administered
    /// What the shovels and federation links of a node are told, and that they listen: no methods of AMQP either.
    case superviseRelays, relayOrders
}

/// The bits of a packet's flags, by method.
package enum Flag {
    /// publish: return it if no queue gets it.
    package static let mandatory: UInt8 = 1
    /// publish, deliver: delivery mode 2.
    package static let persistent: UInt8 = 2
    /// publish: accepted by the protocol and refused by RabbitMQ.
    package static let immediate: UInt8 = 4
    /// deliver, get-ok: it was sent before.
    package static let redelivered: UInt8 = 8
    /// deliver, between nodes: it is sent once more, and what was sent before it and has not come never will.
    package static let again: UInt8 = 4
    /// deliver, get-ok, between nodes: it is settled by sending.
    package static let settled: UInt8 = 16
    /// ack, nack: all up to this tag.
    package static let multiple: UInt8 = 1
    /// nack, reject, recover: back to the queue.
    package static let requeue: UInt8 = 2
    /// consume, get: settled by sending.
    package static let noAck: UInt8 = 1
    /// consume: nobody else may consume.
    package static let exclusive: UInt8 = 2
    /// consume, between nodes: the queue moved, and nobody waits for an answer.
    package static let quiet: UInt8 = 4
    /// qos: one limit for the channel.
    package static let global: UInt8 = 1
    /// delete: only if it has no consumers (queue) or bindings (exchange).
    package static let ifUnused: UInt8 = 1
    /// delete: only if it holds nothing.
    package static let ifEmpty: UInt8 = 2
    /// delete, purge, cancel, confirm.select: without an answer.
    package static let nowait: UInt8 = 16
}

/// Typed views of a packet.
extension Packet {
    package init(_ method: Method, channel: UInt16) {
        self.init(word: method.rawValue, port: UInt32(channel))
    }

    package var method: Method? { Method(rawValue: word) }
    package var channel: UInt16 { UInt16(truncatingIfNeeded: port) }

    /// publish and deliver: body bytes.
    package var size: UInt32 {
        get { c }
        set { c = newValue }
    }

    /// deliver, ack, nack, reject, confirms: the tag.
    package var tag: UInt64 {
        get { x }
        set { x = newValue }
    }

    /// deliver: the tag without the consumer's number.
    package var deliveryTag: UInt64 { x & 0xFF_FFFF_FFFF }

    /// deliver: the consumer, as consume-ok named it.
    ///
    /// Get-ok: how many are left.
    package var consumerNumber: UInt32 { UInt32(truncatingIfNeeded: x &>> 40) }

    /// deliver: the exchange that it was published to.
    ///
    /// The packet's subject is the queue.
    package var exchange: Symbol {
        get { Symbol(d) }
        set { d = newValue.raw }
    }

    /// publish, deliver: the queue that wants the answer.
    package var replyTo: Symbol {
        get { Symbol(UInt32(truncatingIfNeeded: y &>> 32)) }
        set { y = UInt64(newValue.raw) &<< 32 | y & 0xFFFF_FFFF }
    }

    /// publish, deliver: the request that an answer belongs to.
    package var correlation: MessageID {
        get { MessageID(UInt32(truncatingIfNeeded: y)) }
        set { y = y & ~0xFFFF_FFFF | UInt64(newValue.raw) }
    }

    /// Whether a flag is set.
    package func has(_ flag: UInt8) -> Bool { flags & flag != 0 }
}
