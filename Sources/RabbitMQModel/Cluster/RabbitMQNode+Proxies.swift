import DequeModule
import WarrenKernel
import WarrenTrace

/// Channels of other nodes' clients at the node of a queue, and what comes back to the node of the channel.
extension RabbitMQNode {
    // MARK: At the queue's node

    mutating func openProxy(_ word: Words.Open, _ peer: PeerIndex) {
        assert(peer != me, "a node needs no proxy of its own channels")
        assert(remoteUse.proxy(word.channel, of: peer) == nil, "a channel has one proxy here")
        var session = Session(
            connection: peers[peer].connection,
            peer: word.client,
            scope: word.scope,
            vhost: vhostName(of: word.scope)
        )
        session.isProxy = true
        session.isOpen = true
        var channel = Channel(
            connection: peers[peer].connection,
            session: sessions.endIndex,
            number: 0,
            peer: word.client
        )
        channel.port = word.channel.wire | Self.answerBit
        channel.limit(to: word.prefetch)
        remoteUse.open(word.channel, of: peer, as: channels.endIndex)
        sessions.append(session)
        channels.append(channel)
    }

    mutating func endProxy(_ channel: ChannelIndex, _ turn: inout Turn) {
        assert(sessions[channels[channel].session].isProxy, "a client's channel is no proxy")
        endChannel(channel, .connectionClosed, &turn)
        sessions[channels[channel].session].isOpen = false
    }

    /// A peer is gone, with all channels that it used queues for.
    mutating func endProxies(_ peer: PeerIndex, _ turn: inout Turn) {
        assert(peer != me, "a node is no proxy of its own channels")
        for proxy in remoteUse.shutAll(of: peer) { endProxy(proxy, &turn) }
    }

    /// A method of AMQP, from the node of a channel or to it.
    mutating func receiveProxied(_ packet: Packet, _ peer: PeerIndex, _ turn: inout Turn) {
        if packet.port & Self.answerBit != 0, packet.port != .max {
            receiveAnswer(packet, peer, &turn)
            return
        }
        guard let method = packet.method else { return }
        if copies.homes.isBlocking, let queue = blockedQueue(packet, method) {
            copies.homes.hold(packet, from: peer, for: queue)
            return
        }
        if method == .basicPublish {
            takePublication(packet, peer, &turn)
            return
        }
        guard let channel = remoteUse.proxy(ChannelIndex(wire: packet.port), of: peer) else {
            return
        }
        do throws(Refusal) {
            switch method {
            case .basicAck: try acknowledge(packet, channel, &turn)
            case .basicNack, .basicReject: try reject(packet, channel, &turn)
            case .basicGet: try get(packet, channel, &turn)
            case .basicConsume: try attach(packet, channel, &turn)
            case .basicQos:
                channels[channel].limit(to: packet.c)
                offerAgain(channel, &turn)
            case .basicCancel:
                if let consumer = channels[channel].consumers.first(where: {
                    consumers[$0].label == packet.c
                }) {
                    endConsumer(consumer, channel, &turn)
                }
            case .queuePurge:
                let queue = try findQueue(turn.names[packet.subject], channel, turn.names)
                try refuseForStream(queue, "queue.purge")
                var answer = Packet(.queuePurgeOk, channel: 0)
                answer.port = channels[channel].port
                answer.c = UInt32(purge(queue, .purged, &turn))
                turn.send(answer, on: channels[channel].connection)
            case .queueDelete: try deleteQueue(packet, channel, &turn)
            default: return
            }
        } catch {
            let word = Words.Refused(
                channel: ChannelIndex(wire: packet.port),
                code: error.code,
                text: turn.names.intern(.text, error.text),
                isHard: error.isHard
            )
            send(word, toPeer: peer, &turn)
        }
    }

    /// The queue that another node says something to, if it is being copied.
    private func blockedQueue(_ packet: Packet, _ method: Method) -> QueueIndex? {
        let name: Symbol
        switch method {
        case .basicPublish: name = Words.Publication(travelling: packet)?.queue ?? .none
        case .basicGet, .basicConsume, .queuePurge, .queueDelete: name = packet.subject
        default: return nil
        }
        let queue = queueIndex(name)
        return queue != .none && copies.homes.isBlocked(queue) ? queue : nil
    }

    private mutating func takePublication(_ packet: Packet, _ peer: PeerIndex, _ turn: inout Turn) {
        guard let word = Words.Publication(travelling: packet) else { return }
        let queue = queueIndex(word.queue)
        let number = word.number
        let channel = remoteUse.proxy(word.channel, of: peer) ?? .none
        guard queue != .none, isHere(queue) else {
            // It was deleted meanwhile, which is no loss; or it lives elsewhere now, and nobody has the message.
            recordUnrouted(packet, queue == .none ? .unroutable : .queueDown, &turn)
            if number > 0, channel != .none {
                let word: Method = queue == .none ? .basicAck : .basicNack
                confirm(channel, number, packet.message, as: word, &turn)
            }
            return
        }
        if word.isResent, copies.homes.had(packet.message, queue) {
            // It came before the queue moved here.
            if number > 0, channel != .none { confirm(channel, number, packet.message, &turn) }
            return
        }
        distribute(word.packet, [queue], channel, number, &turn)
    }

    // MARK: Back at the channel's node

    private mutating func receiveAnswer(_ packet: Packet, _ peer: PeerIndex, _ turn: inout Turn) {
        let channel = ChannelIndex(wire: packet.port & ~Self.answerBit)
        guard let method = packet.method, channels.has(channel) else { return }
        if method == .basicAck || method == .basicNack {
            let slot = ConfirmSlot(wire: UInt32(truncatingIfNeeded: packet.tag - 1))
            guard remoteUse.answer(slot, by: peer) else { return }
            settleConfirm(slot, refused: method == .basicNack, &turn)
            return
        }
        guard channels[channel].state == .open else {
            if packet.custody != 0 { turn.loseUnsent(packet) }
            return
        }
        var word = packet
        word.port = channels[channel].port
        let connection = channels[channel].connection
        switch method {
        case .basicDeliver, .basicGetOk:
            let isGet = method == .basicGetOk
            let consumer = isGet ? .none : ConsumerIndex(wire: packet.consumerNumber)
            let queue = queueIndex(packet.subject)
            word.setTag(channels[channel].nextTag, of: packet)
            let hasCopies = queue != .none && queues[queue].rules.hasCopies
            if hasCopies, queues[queue].isHere || queues[queue].home != peer {
                // A home of before, which does not know that there is another one.
                if packet.custody != 0 { turn.loseUnsent(packet) }
                channels[channel].openedAt.remove(peer)
                send(Words.Shut(channel: channel), toPeer: peer, &turn)
                return
            }
            if hasCopies, queues[queue].rules.kind == .stream, consumer != .none {
                noteOffset(packet, consumer, turn)
            }
            if packet.custody != 0 {
                channels[channel].spendTag()
            } else {
                if consumer != .none { consumers[consumer].holdOne() }
                channels[channel].hold(
                    Unacked(
                        readySince: turn.now,
                        position: packet.deliveryTag,
                        holding: .elsewhere(packet.message),
                        queue: queue,
                        consumer: consumer,
                        sentAt: Unacked.stamp(turn.now)
                    )
                )
            }
            turn.send(word, on: connection)
            if isGet { resume(channel, with: nil, &turn) }
        case .basicConsumeOk:
            let consumer = ConsumerIndex(wire: packet.c)
            word.key = consumers[consumer].tag
            if !consumers[consumer].isQuiet { turn.send(word, on: connection) }
            resume(channel, with: nil, &turn)
        case .basicCancel:
            if let consumer = channels[channel].consumers.first(where: {
                consumers[$0].tag == packet.key
            }) {
                cancelByBroker(consumer, &turn)
            }
        case .basicGetEmpty, .queuePurgeOk, .queueDeleteOk:
            answer(word, to: channel, &turn)
            resume(channel, with: nil, &turn)
        default: break
        }
    }
}
