import DequeModule
import WarrenKernel
import WarrenTrace

/// What a transactional channel keeps until it commits.
struct Transaction: Sendable {
    /// A publication with the way that it will take: it was found when it came (RMQ-PUB-27).
    struct Publication: Sendable {
        var packet: Packet
        var targets: [QueueIndex]
    }

    /// An ack or a rejection with the deliveries that it spoke of when it came.
    struct Settlement: Sendable {
        var packet: Packet
        var tags: [UInt64]
    }

    var publications: [Publication] = []
    /// Acks and rejections, in order.
    var settlements: [Settlement] = []
    /// The tags that they speak of: out of reach of other words until the rollback.
    var tags: Set<UInt64> = []
}

/// tx.select, tx.commit, tx.rollback.
///
/// - Source: RMQ-PUB-18, -21 to -27, -39.
extension RabbitMQNode {
    mutating func receiveTransactionMethod(
        _ packet: Packet,
        _ method: Method,
        _ channel: ChannelIndex,
        _ turn: inout Turn
    ) throws(Refusal) {
        let connection = channels[channel].connection
        switch method {
        case .txSelect:
            if channels[channel].confirming {
                throw .preconditionFailed("cannot switch from confirm to tx mode")
            }
            if channels[channel].transaction == nil {
                channels[channel].transaction = Transaction()
            }
            reply(.txSelectOk, packet.channel, connection, &turn)
        case .txCommit:
            guard let work = channels[channel].transaction else {
                throw .preconditionFailed("channel is not transactional")
            }
            channels[channel].transaction = nil
            for publication in work.publications {
                distribute(publication.packet, publication.targets, channel, 0, &turn)
            }
            for settlement in work.settlements {
                let deliveries = settlement.tags.compactMap { channels[channel].settle($0) }
                if settlement.packet.method == .basicAck {
                    acknowledge(deliveries, channel, &turn)
                } else {
                    let requeue = settlement.packet.has(Flag.requeue)
                    try reject(deliveries, requeue: requeue, channel, &turn)
                }
            }
            channels[channel].transaction = Transaction()
            reply(.txCommitOk, packet.channel, connection, &turn)
        default:
            guard let work = channels[channel].transaction else {
                throw .preconditionFailed("channel is not transactional")
            }
            for publication in work.publications {
                turn.record(
                    .messageUnroutable,
                    message: publication.packet.message,
                    subject: publication.packet.subject,
                    peer: publication.packet.key.raw,
                    variant: DropReason.rolledBack.rawValue
                )
            }
            channels[channel].transaction = Transaction()
            reply(.txRollbackOk, packet.channel, connection, &turn)
        }
    }

    /// Keeps an ack or a rejection for the commit; its tag must be good now.
    mutating func settleLater(_ packet: Packet, _ channel: ChannelIndex) throws(Refusal) {
        assert(channels[channel].transaction != nil, "only a transaction puts off what it settles")
        let base = channels[channel].baseTag
        let last = packet.tag == 0 ? channels[channel].nextTag - 1 : packet.tag
        var tags: [UInt64] = []
        if packet.has(Flag.multiple) {
            tags = last < base ? [] : (base...last).filter { isOutstanding($0, channel) }
            if packet.tag != 0, tags.last != packet.tag { throw unknownTag(packet.tag) }
        } else {
            guard isOutstanding(packet.tag, channel) else { throw unknownTag(packet.tag) }
            tags = [packet.tag]
        }
        channels[channel].transaction?.tags.formUnion(tags)
        channels[channel].transaction?.settlements.append(
            Transaction.Settlement(packet: packet, tags: tags)
        )
    }

    private func isOutstanding(_ tag: UInt64, _ channel: ChannelIndex) -> Bool {
        let base = channels[channel].baseTag
        guard tag >= base, Int(tag - base) < channels[channel].unacked.count else { return false }
        return channels[channel].unacked[Int(tag - base)].queue != .none
            && channels[channel].transaction?.tags.contains(tag) == false
    }
}
