import DequeModule
import WarrenKernel
import WarrenTrace

/// Queues that live on another node: this node uses them there on behalf of its clients' channels.
///
/// Each such channel has a proxy at the queue's node: a channel like any other, whose packets go to this
/// node. So the queue's node treats remote consumers as it treats its own.
/// - Source: RMQ-CLUS-01 to -06; RMQ-PART-05.
/// - Differs: a limit for the channel as a whole (RMQ-CONS-11) counts separately on each node.
extension RabbitMQNode {
    /// Marks packets from the queue's node to the channel's node.
    private static let answerBit: UInt32 = 1 << 31
    /// Marks publications that are sent once more, after their queue moved.
    static let resentBit: UInt64 = 1 << 63

    /// Whether a queue is kept on this node alone.
    @inline(__always)
    func isHere(_ queue: Int) -> Bool { queues[queue].isHere }

    // MARK: Waiting

    /// The channel waits for another node: what its client says meanwhile waits, too.
    mutating func wait(_ channel: Int, for queue: Int) {
        channels[channel].isWaiting = true
        channels[channel].waitsFor = queue
        let connection = Int(channels[channel].connection.raw)
        if Int(firstChannel[connection]) == channel {
            firstChannel[connection] = -1
            channels[channel].isFirst = true
        }
    }

    /// The channel goes on, with this packet first.
    mutating func resume(_ channel: Int, with packet: Packet?, _ turn: inout Turn) {
        guard channels[channel].isWaiting else { return }
        channels[channel].isWaiting = false
        channels[channel].waitsFor = -1
        guard channels[channel].state == .open else { return }
        if channels[channel].isFirst {
            channels[channel].isFirst = false
            firstChannel[Int(channels[channel].connection.raw)] = Int32(channel)
        }
        let session = Int(channels[channel].session)
        if let packet {
            channels[channel].isSecondTry = true
            receive(packet, session, &turn)
            channels[channel].isSecondTry = false
        }
        while !channels[channel].isWaiting, channels[channel].state == .open,
            let next = channels[channel].backlog.popFirst()
        {
            receive(next, session, &turn)
        }
    }

    // MARK: At the channel's node

    /// - Source: RMQ-CLUS-02.
    func checkHome(_ queue: Int) throws(Refusal) {
        guard queues[queue].isDown else { return }
        let name = queues[queue].declaration.name
        let vhost = vhostName(of: queues[queue].scope)
        throw .notFound(
            "home node '\(plan.names[queues[queue].home])' of durable queue '\(name)' in vhost "
                + "'\(vhost)' is down or inaccessible"
        )
    }

    /// Has the queue's node do something for a channel.
    mutating func forward(
        _ packet: Packet,
        _ channel: Int,
        _ queue: Int,
        waiting: Bool = true,
        _ turn: inout Turn
    ) {
        let home = queues[queue].home
        if waiting { channels[channel].asked = packet }
        if queues[queue].isOrphan {
            if waiting { wait(channel, for: queue) }
            return
        }
        if channels[channel].openedAt.insert(home).inserted {
            var word = Packet(peerWord: .open)
            word.port = UInt32(channel)
            word.c = channels[channel].peer.raw
            word.d = channels[channel].globalPrefetch
            word.subject = sessions[Int(channels[channel].session)].scope
            send(word, toPeer: home, &turn)
        }
        var word = packet
        word.port = UInt32(channel)
        send(word, toPeer: home, &turn)
        if waiting { wait(channel, for: queue) }
    }

    /// Settles a delivery with the queue's node, or with the leader of its queue.
    mutating func settleElsewhere(
        _ delivery: Unacked,
        _ channel: Int,
        _ method: Method,
        requeue: Bool,
        _ turn: inout Turn
    ) {
        let queue = Int(delivery.queue)
        if queues[queue].ghostOf >= 0 {
            settleStale(delivery, queues[queue].ghostOf, method, requeue: requeue, &turn)
            return
        }
        if delivery.consumer >= 0 { consumers[Int(delivery.consumer)].unacked &-= 1 }
        // What was delivered before the queue's node went down is nobody's any more.
        guard delivery.row != .max, queues[queue].exists else { return }
        if queues[queue].quorum >= 0 {
            var command = QuorumCommand(
                kind: method == .basicAck ? .settle : requeue ? .giveBack : .discard
            )
            command.consumer =
                delivery.consumer >= 0
                ? UInt32(delivery.consumer) : UInt32(channel) | QuorumTaker.fetching
            command.number = delivery.position
            tell(queues[queue].quorum, command, &turn)
            return
        }
        guard !queues[queue].isDown else { return }
        var packet = Packet(method, channel: 0)
        packet.tag = delivery.position
        packet.flags = requeue ? Flag.requeue : 0
        forward(packet, channel, queue, waiting: false, &turn)
    }

    /// A message goes to a queue that is not kept here.
    mutating func publishElsewhere(
        _ packet: Packet,
        _ queue: Int,
        _ channel: Int,
        _ slot: UInt32,
        _ turn: inout Turn
    ) {
        if queues[queue].quorum >= 0 {
            if refuseIfFull(packet, queue, channel, slot: slot, &turn) { return }
            enqueue(packet, quorum: queues[queue].quorum, slot: slot, &turn)
            return
        }
        let home = queues[queue].home
        if queues[queue].isOrphan {
            orphans.append((queue, channel, slot, packet))
            return
        }
        var word = packet
        word.word = Method.basicPublish.rawValue
        word.d = queues[queue].symbol.raw
        word.x = (slot == .max ? 0 : UInt64(slot) + 1) | packet.x & Self.resentBit
        word.custody = Packet.unrouted
        word.port = channel < 0 ? .max : UInt32(channel)
        guard peers[home].connection != .none else {
            if slot != .max { settleConfirm(slot, refused: true, &turn) }
            recordUnrouted(packet, .queueDown, &turn)
            return
        }
        if slot != .max {
            outstanding[home][slot, default: 0] += 1
            if queues[queue].rules.isReplicated {
                peers[home].inFlight.append((slot, queue, channel, packet))
            }
        }
        if channel >= 0 {
            forward(word, channel, queue, waiting: false, &turn)
        } else {
            send(word, toPeer: home, &turn)
        }
    }

    func recordUnrouted(_ packet: Packet, _ reason: DropReason, _ turn: inout Turn) {
        turn.record(
            .messageUnroutable,
            message: packet.message,
            subject: packet.subject,
            peer: packet.key.raw,
            variant: reason.rawValue
        )
    }

    /// One of those that a confirm waits for has answered.
    mutating func settleConfirm(_ slot: UInt32, refused: Bool, _ turn: inout Turn) {
        let index = Int(slot)
        confirms[index].waiting -= 1
        if refused { confirms[index].isRefused = true }
        guard confirms[index].waiting == 0 else { return }
        let done = confirms[index]
        freeConfirms.append(slot)
        confirm(
            Int(done.channel),
            done.sequence,
            done.message,
            as: done.isRefused ? .basicNack : .basicAck,
            &turn
        )
    }

    /// A channel is gone: its proxies go, and what it has of quorum queues goes back.
    mutating func endElsewhere(_ channel: Int, _ turn: inout Turn) {
        for peer in channels[channel].openedAt.sorted() {
            var word = Packet(peerWord: .shut)
            word.port = UInt32(channel)
            send(word, toPeer: peer, &turn)
        }
        channels[channel].openedAt = []
        for quorum in quorums.indices { quorums[quorum].publishers.forget(Int32(channel)) }
        for quorum in channels[channel].fetchedFrom.sorted() {
            var command = QuorumCommand(kind: .drop)
            command.consumer = UInt32(channel) | QuorumTaker.fetching
            tell(quorum, command, &turn)
        }
        channels[channel].fetchedFrom = []
        channels[channel].backlog = []
    }

    /// A node is down: whoever waits for it is told, and what it delivered is void.
    ///
    /// - Source: RMQ-CLUS-02, -05; RMQ-PART-05 (a nack, although the message may be there).
    mutating func failRemote(_ peer: Int, _ turn: inout Turn) {
        for channel in channels.indices where channels[channel].state == .open {
            channels[channel].openedAt.remove(peer)
            for index in channels[channel].unacked.indices {
                let queue = Int(channels[channel].unacked[index].queue)
                if queue >= 0, queues[queue].home == peer, queues[queue].quorum < 0,
                    !queues[queue].rules.isReplicated
                {
                    channels[channel].unacked[index].row = .max
                }
            }
        }
        keepInFlight(peer)
        for slot in outstanding[peer].keys.sorted() {
            let count = outstanding[peer][slot] ?? 0
            for _ in 0..<count { settleConfirm(slot, refused: true, &turn) }
        }
        outstanding[peer] = [:]
    }

    /// The queues of a node that is down: durable ones wait for it, the others are gone.
    ///
    /// - Source: RMQ-CLUS-02, -04, -05; RMQ-DUR-03, -04.
    mutating func loseQueues(of peer: Int, _ turn: inout Turn) {
        for queue in queues.indices
        where queues[queue].exists && queues[queue].home == peer && queues[queue].quorum < 0 {
            if queues[queue].rules.isReplicated {
                orphan(queue, &turn)
            } else if queues[queue].declaration.durable, queues[queue].owner == -1 {
                queues[queue].isDown = true
                cancelConsumers(of: queue, &turn)
            } else {
                deleteQueue(queue, &turn)
            }
        }
        router.forget()
        for channel in channels.indices
        where channels[channel].state == .open && channels[channel].isWaiting {
            let queue = channels[channel].waitsFor
            guard queue >= 0, queues[queue].home == peer, queues[queue].quorum < 0,
                !queues[queue].isOrphan, !queues[queue].isHere
            else { continue }
            let name = queues[queue].declaration.name
            let vhost = vhostName(of: queues[queue].scope)
            let refusal: Refusal =
                queues[queue].exists
                ? .notFound(
                    "home node '\(plan.names[peer])' of durable queue '\(name)' in vhost "
                        + "'\(vhost)' is down or inaccessible"
                ) : .notFound("no queue '\(name)' in vhost '\(vhost)'")
            refuseWaiting(refusal, channel, &turn)
        }
    }

    mutating func refuseWaiting(
        _ refusal: Refusal,
        _ channel: Int,
        _ turn: inout Turn
    ) {
        channels[channel].isWaiting = false
        refuse(
            refusal,
            Packet(.channelClose, channel: channels[channel].number),
            channel,
            Int(channels[channel].session),
            &turn
        )
    }

    /// The clients of this node that consume from a queue are told that it is over.
    mutating func cancelConsumers(of queue: Int, _ turn: inout Turn) {
        for consumer in consumers.indices
        where consumers[consumer].exists && consumers[consumer].queue == Int32(queue) {
            cancelByBroker(consumer, &turn)
        }
    }

    /// - Source: RMQ-CONS-26, -27.
    mutating func cancelByBroker(_ consumer: Int, _ turn: inout Turn) {
        let channel = Int(consumers[consumer].channel)
        consumers[consumer].exists = false
        consumers[consumer].inRotation = false
        channels[channel].consumers.removeAll { $0 == Int32(consumer) }
        let session = Int(channels[channel].session)
        guard channels[channel].state == .open, sessions[session].hearsCancel else { return }
        var packet = Packet(.basicCancel, channel: channels[channel].number)
        packet.port = channels[channel].port
        packet.key = consumers[consumer].tag
        turn.send(packet, on: channels[channel].connection)
    }

    // MARK: Words about channels

    mutating func receiveAboutChannel(
        _ packet: Packet,
        _ word: PeerWord,
        _ peer: Int,
        _ turn: inout Turn
    ) {
        switch word {
        case .open: openProxy(packet, peer)
        case .shut:
            guard let proxy = peers[peer].proxies.removeValue(forKey: packet.port) else { return }
            endProxy(Int(proxy), &turn)
        case .refused:
            let channel = Int(packet.port & ~Self.answerBit)
            guard channels[channel].state == .open else { return }
            let text = turn.names[packet.subject]
            channels[channel].isWaiting = false
            refuse(
                Refusal(code: UInt16(packet.c), text: text, isHard: packet.flags != 0),
                packet,
                channel,
                Int(channels[channel].session),
                &turn
            )
        case .count:
            let queue = queueIndex(packet.subject)
            var answer = Packet(peerWord: .counted)
            answer.port = packet.port
            answer.subject = packet.subject
            if queue >= 0 { (answer.c, answer.d) = counts(of: queue) }
            send(answer, toPeer: peer, &turn)
        default:
            let channel = Int(packet.port)
            let queue = queueIndex(packet.subject)
            guard channels[channel].state == .open, queue >= 0,
                channels[channel].waitsFor == queue
            else { return }
            var answer = Packet(.queueDeclareOk, channel: channels[channel].number)
            answer.port = channels[channel].port
            answer.subject = packet.subject
            answer.c = packet.c
            answer.d = packet.d
            turn.send(answer, on: channels[channel].connection)
            resume(channel, with: nil, &turn)
        }
    }

    /// How many messages are ready in a queue, and how many consumers it has, as this node sees it.
    func counts(of queue: Int) -> (messages: UInt32, consumers: UInt32) {
        if queues[queue].quorum >= 0 {
            let member = quorums[queues[queue].quorum].member
            guard member >= 0 else { return (0, 0) }
            let machine = members[member].machine
            return (UInt32(machine.readyCount), UInt32(machine.consumerCount))
        }
        let ready = queues[queue].log?.records.count ?? queues[queue].readyCount
        return (UInt32(ready), UInt32(queues[queue].consumers.count))
    }

    /// The node that knows the counts of a queue: its home, or its leader.
    func counter(of queue: Int) -> Int? {
        let quorum = queues[queue].quorum
        let node = quorum >= 0 ? quorums[quorum].leader : queues[queue].home
        return node >= 0 && node != me && peers[node].isConnected ? node : nil
    }

    // MARK: At the queue's node

    private mutating func openProxy(_ packet: Packet, _ peer: Int) {
        var session = Session(
            connection: peers[peer].connection,
            peer: NodeID(packet.c),
            scope: packet.subject,
            vhost: vhostName(of: packet.subject)
        )
        session.isProxy = true
        session.isOpen = true
        var channel = Channel(
            connection: peers[peer].connection,
            session: Int32(sessions.count),
            number: 0,
            peer: NodeID(packet.c)
        )
        channel.port = packet.port | Self.answerBit
        channel.limit(to: packet.d)
        peers[peer].proxies[packet.port] = Int32(channels.count)
        sessions.append(session)
        channels.append(channel)
    }

    private mutating func endProxy(_ channel: Int, _ turn: inout Turn) {
        endChannel(channel, .connectionClosed, &turn)
        sessions[Int(channels[channel].session)].isOpen = false
    }

    /// A peer is gone, with all channels that it used queues for.
    mutating func endProxies(_ peer: Int, _ turn: inout Turn) {
        for port in peers[peer].proxies.keys.sorted() {
            if let proxy = peers[peer].proxies[port] { endProxy(Int(proxy), &turn) }
        }
        peers[peer].proxies = [:]
    }

    /// A method of AMQP, from the node of a channel or to it.
    mutating func receiveProxied(_ packet: Packet, _ peer: Int, _ turn: inout Turn) {
        if packet.port & Self.answerBit != 0, packet.port != .max {
            receiveAnswer(packet, peer, &turn)
            return
        }
        guard let method = packet.method else { return }
        if method == .basicPublish {
            takePublication(packet, peer, &turn)
            return
        }
        guard let proxy = peers[peer].proxies[packet.port] else { return }
        let channel = Int(proxy)
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
                    consumers[Int($0)].label == packet.c
                }) {
                    endConsumer(Int(consumer), channel, &turn)
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
            var word = Packet(peerWord: .refused)
            word.port = channels[channel].port
            word.c = UInt32(error.code)
            word.flags = error.isHard ? 1 : 0
            word.subject = turn.names.intern(.text, error.text)
            send(word, toPeer: peer, &turn)
        }
    }

    private mutating func takePublication(_ packet: Packet, _ peer: Int, _ turn: inout Turn) {
        let queue = queueIndex(Symbol(packet.d))
        var publication = packet
        publication.custody = 0
        publication.d = 0
        publication.x = 0
        let number = packet.x & ~Self.resentBit
        let channel = peers[peer].proxies[packet.port].map { Int($0) } ?? -1
        guard queue >= 0, isHere(queue) else {
            // It was deleted meanwhile, which is no loss; or it lives elsewhere now, and nobody has the message.
            recordUnrouted(packet, queue < 0 ? .unroutable : .queueDown, &turn)
            if number > 0, channel >= 0 {
                let word: Method = queue < 0 ? .basicAck : .basicNack
                confirm(channel, number, packet.message, as: word, &turn)
            }
            return
        }
        if packet.x & Self.resentBit != 0, wasCopied(packet.message, queue) {
            // It came before the queue moved here.
            if number > 0, channel >= 0 { confirm(channel, number, packet.message, &turn) }
            return
        }
        distribute(publication, [Int32(queue)], channel, number, &turn)
    }

    // MARK: Back at the channel's node

    private mutating func receiveAnswer(_ packet: Packet, _ peer: Int, _ turn: inout Turn) {
        let channel = Int(packet.port & ~Self.answerBit)
        guard let method = packet.method, channel < channels.count else { return }
        if method == .basicAck || method == .basicNack {
            let slot = UInt32(truncatingIfNeeded: packet.tag - 1)
            guard let count = outstanding[peer][slot] else { return }
            if let index = peers[peer].inFlight.firstIndex(where: { $0.slot == slot }) {
                peers[peer].inFlight.remove(at: index)
            }
            outstanding[peer][slot] = count > 1 ? count - 1 : nil
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
            let consumer = isGet ? -1 : Int(packet.consumerNumber)
            let queue = queueIndex(packet.subject)
            word.x = channels[channel].nextTag | packet.x & ~0xFF_FFFF_FFFF
            let isReplicated = queue >= 0 && queues[queue].rules.isReplicated
            if isReplicated, queues[queue].isHere || queues[queue].home != peer {
                // A home of before, which does not know that there is another one.
                if packet.custody != 0 { turn.loseUnsent(packet) }
                channels[channel].openedAt.remove(peer)
                var shut = Packet(peerWord: .shut)
                shut.port = UInt32(channel)
                send(shut, toPeer: peer, &turn)
                return
            }
            if isReplicated, queues[queue].rules.kind == .stream, consumer >= 0 {
                noteOffset(packet, consumer, turn)
            }
            if packet.custody != 0 {
                channels[channel].spendTag()
            } else {
                if consumer >= 0 { consumers[consumer].holdOne() }
                channels[channel].hold(
                    Unacked(
                        readySince: turn.now,
                        position: packet.deliveryTag,
                        row: isReplicated ? packet.message.raw : 0,
                        queue: Int32(queue),
                        consumer: Int32(consumer),
                        sentAt: Unacked.stamp(turn.now)
                    )
                )
            }
            turn.send(word, on: connection)
            if isGet { resume(channel, with: nil, &turn) }
        case .basicConsumeOk:
            let consumer = Int(packet.c)
            word.key = consumers[consumer].tag
            if !consumers[consumer].isQuiet { turn.send(word, on: connection) }
            resume(channel, with: nil, &turn)
        case .basicCancel:
            if let consumer = channels[channel].consumers.first(where: {
                consumers[Int($0)].tag == packet.key
            }) {
                cancelByBroker(Int(consumer), &turn)
            }
        case .basicGetEmpty, .queuePurgeOk, .queueDeleteOk:
            answer(word, to: channel, &turn)
            resume(channel, with: nil, &turn)
        default: break
        }
    }
}

extension Packet {
    /// The custody of a publication that is on its way between nodes and in no queue yet.
    static let unrouted: UInt8 = 2
}
