import DequeModule
import WarrenKernel
import WarrenTrace

/// Connections and channels: how they open, fail and end.
extension RabbitMQNode {
    func reply(
        _ method: Method,
        _ channel: UInt16,
        _ connection: ConnectionID,
        _ turn: inout Turn
    ) {
        turn.send(Packet(method, channel: channel), on: connection)
    }

    /// Answers what was said on a channel last, unless its client wants no answer.
    ///
    /// - Source: RMQ-DECL-45.
    mutating func answer(_ packet: Packet, to channel: ChannelIndex, _ turn: inout Turn) {
        guard !channels[channel].wantsNoAnswer else {
            channels[channel].wantsNoAnswer = false
            return
        }
        turn.send(packet, on: channels[channel].connection)
    }

    /// - Source: RMQ-CONN-06; RMQ-PERM-01, -10.
    mutating func openConnection(_ packet: Packet, _ session: SessionIndex, _ turn: inout Turn) {
        let vhost = turn.names[packet.key]
        if packet.subject != .none { sessions[session].user = turn.names[packet.subject] }
        guard let known = vhosts.first(where: { $0.name == vhost }) else {
            refuse(.notAllowed("vhost \(vhost) not found"), packet, .none, session, &turn)
            return
        }
        let user = sessions[session].user
        let refused = "access to vhost '\(vhost)' refused for user '\(user)'"
        if settings.hasRestrictions, !known.permissions.contains(where: { $0.user == user }) {
            refuse(.notAllowed(refused), packet, .none, session, &turn)
            return
        }
        if let limit = known.maxConnections, limit >= 0,
            sessions.count(where: { $0.isOpen && $0.scope == known.scope }) >= Int(limit)
        {
            let reached = "\(refused): connection limit (\(limit)) is reached"
            refuse(.notAllowed(reached), packet, .none, session, &turn)
            return
        }
        sessions[session].vhost = known.name
        sessions[session].scope = known.scope
        sessions[session].isOpen = true
        if packet.c > 0 { setHeartbeat(UInt16(clamping: packet.c), session, &turn) }
        reply(.connectionOpenOk, 0, sessions[session].connection, &turn)
    }

    /// `owner`: the client that it is for, on a connection that several share.
    mutating func openChannel(
        _ number: UInt16,
        owner: NodeID?,
        _ session: SessionIndex,
        _ turn: inout Turn
    ) {
        assert(number > 0, "channel 0 is the connection's own")
        let connection = sessions[session].connection
        // RMQ-CONN-02, RMQ-CONN-07: the count is limited, not the number.
        let limit = sessions[session].channelMax
        if limit > 0, sessions[session].numbers.count >= Int(limit) {
            let text =
                "number of channels opened (\(limit)) has reached the negotiated channel_max "
                + "(\(limit))"
            refuse(
                .notAllowed(text),
                Packet(.channelOpen, channel: number),
                .none,
                session,
                &turn
            )
            return
        }
        if sessions[session].numbers.isEmpty {
            connections.shorten(channels.endIndex, on: connection)
        }
        sessions[session].numbers.append(number)
        sessions[session].indices.append(channels.endIndex)
        channels.append(
            Channel(
                connection: connection,
                session: session,
                number: number,
                peer: owner ?? sessions[session].peer
            )
        )
        turn.record(
            .channelOpened,
            peer: (owner ?? sessions[session].peer).raw,
            detail: UInt64(connection.raw) << 16 | UInt64(number)
        )
        reply(.channelOpenOk, number, connection, &turn)
    }

    /// Frees the number of a channel that is closed.
    mutating func forget(_ channel: ChannelIndex, _ session: SessionIndex) {
        let number = channels[channel].number
        guard let index = sessions[session].numbers.firstIndex(of: number) else { return }
        sessions[session].numbers.remove(at: index)
        sessions[session].indices.remove(at: index)
        channels[channel].state = .closed
        let connection = sessions[session].connection
        connections.lengthen(channel, on: connection)
    }

    /// Tells a client that it did something wrong, and closes what the error says.
    func errorPacket(_ refusal: Refusal, _ method: Method, _ channel: UInt16, _ turn: inout Turn)
        -> Packet
    {
        var packet = Packet(method, channel: channel)
        packet.c = UInt32(refusal.code)
        packet.subject = turn.names.intern(.text, refusal.text)
        return packet
    }

    /// - Source: RMQ-CONN-17, RMQ-CONN-26.
    mutating func refuse(
        _ refusal: Refusal,
        _ packet: Packet,
        _ channel: ChannelIndex,
        _ session: SessionIndex,
        _ turn: inout Turn
    ) {
        let connection = sessions[session].connection
        let hard = refusal.isHard || channel == .none
        turn.record(
            .errorRaised,
            message: packet.message,
            subject: turn.names.intern(.text, refusal.text),
            peer: (channel == .none ? sessions[session].peer : channels[channel].peer).raw,
            variant: hard ? 1 : 0,
            detail: UInt64(refusal.code)
        )
        if hard {
            let word = errorPacket(refusal, .connectionClose, 0, &turn)
            endSession(session, .connectionClosed, &turn)
            turn.send(word, on: connection)
        } else {
            let word = errorPacket(refusal, .channelClose, channels[channel].number, &turn)
            endChannel(channel, .channelClosed, &turn)
            channels[channel].state = .closing
            turn.send(word, on: connection)
        }
    }

    /// Ends a channel: its consumers go, and what was unacknowledged returns in order.
    ///
    /// - Source: RMQ-REQ-05, RMQ-REQ-17, RMQ-DLX-24.
    mutating func endChannel(_ channel: ChannelIndex, _ reason: ReturnReason, _ turn: inout Turn) {
        assert(
            channels[channel].state != .closed || channels[channel].unacked.isEmpty,
            "a channel that is closed holds nothing"
        )
        guard channels[channel].state == .open else { return }
        channels[channel].state = .closed
        turn.record(
            .channelClosed,
            peer: channels[channel].peer.raw,
            detail: UInt64(channels[channel].connection.raw) << 16
                | UInt64(channels[channel].number)
        )
        returnAll(of: channel, &turn)
        var touched: [QueueIndex] = []
        // RMQ-DECL-60: a queue that nobody consumed from does not go with who fetched from it.
        var left: Set<QueueIndex> = []
        for consumer in channels[channel].consumers {
            let queue = consumers[consumer].queue
            detach(consumer, &turn)
            if isHere(queue), !touched.contains(queue) { touched.append(queue) }
            left.insert(queue)
        }
        channels[channel].consumers = []
        endElsewhere(channel, &turn)
        let unacked = channels[channel].unacked
        channels[channel].unacked.removeAll()
        channels[channel].unackedCount = 0
        var returns: [QueueIndex: [ReturnedEntry]] = [:]
        for delivery in unacked where delivery.isHere {
            let isStream = queues[delivery.queue].rules.kind == .stream
            guard queues[delivery.queue].exists, !isStream else {
                if isStream {
                    queues[delivery.queue].unackedCount -= 1
                } else {
                    messages.release(delivery.row)
                }
                continue
            }
            if returns[delivery.queue] == nil, !touched.contains(delivery.queue) {
                touched.append(delivery.queue)
            }
            returns[delivery.queue, default: []].append(
                takeBack(delivery, reason, &turn)
            )
        }
        for queue in touched {
            let goes = left.contains(queue) && isAutoDeleted(queue)
            if let entries = returns[queue] {
                // RMQ-DECL-62: a queue that goes takes with it what comes back.
                if goes {
                    queues[queue].putBack(entries)
                } else {
                    comeBack(entries, queue, reason, &turn)
                }
            }
            if goes { dropQueue(queue, &turn) }
        }
        for queue in touched where queues[queue].exists { dispatch(queue, &turn) }
    }

    /// A consumer whose connection is at its end gets nothing more.
    private mutating func stop(_ consumer: ConsumerIndex) {
        let queue = consumers[consumer].queue
        guard consumers[consumer].exists, isHere(queue) else { return }
        consumers[consumer].inRotation = false
        consumers[consumer].waits = true
        consumers[consumer].isEnding = true
        queues[queue].rotation.removeAll { $0 == consumer }
    }

    /// Ends all that a connection owns.
    ///
    /// - Source: RMQ-CONN-24, RMQ-DECL-16.
    mutating func endSession(_ session: SessionIndex, _ reason: ReturnReason, _ turn: inout Turn) {
        assert(
            !sessions[session].isProxy || isClustered,
            "a session of another node, of which there is none"
        )
        guard case .client = connections[sessions[session].connection] else { return }
        // Nothing goes to a consumer of the same connection: they all end at once.
        for index in sessions[session].indices {
            for consumer in channels[index].consumers { stop(consumer) }
        }
        for index in sessions[session].indices { endChannel(index, reason, &turn) }
        sessions[session].numbers = []
        sessions[session].indices = []
        sessions[session].isOpen = false
        for queue in queues.indices where queues[queue].owner == .session(session) {
            dropQueue(queue, &turn)
        }
    }
}

/// Virtual hosts, as scopes of names.
enum VirtualHost {
    /// The scope of the names of a virtual host: the broker itself for `/`.
    static func scope(_ broker: Symbol, _ name: String, _ vhost: String, _ names: inout Names)
        -> Symbol
    { vhost == "/" ? broker : names.intern(.broker, "\(name)/\(vhost)") }
}
