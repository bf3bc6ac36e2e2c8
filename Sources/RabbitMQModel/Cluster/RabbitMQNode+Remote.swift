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
    static let answerBit: UInt32 = 1 << 31

    /// Whether a queue is kept on this node alone.
    @inline(__always)
    func isHere(_ queue: QueueIndex) -> Bool { queues[queue].isHere }

    // MARK: Waiting

    /// The channel waits for another node: what its client says meanwhile waits, too.
    mutating func wait(_ channel: ChannelIndex, for awaited: Channel.Awaited) {
        assert(!channels[channel].isWaiting, "a channel waits for one thing at a time")
        assert(awaited != .nothing, "a channel waits for nothing")
        channels[channel].awaits = awaited
        let connection = channels[channel].connection
        if connections.lengthen(channel, on: connection) { channels[channel].isFirst = true }
    }

    /// The channel goes on, with this packet first.
    mutating func resume(_ channel: ChannelIndex, with packet: Packet?, _ turn: inout Turn) {
        guard channels[channel].isWaiting else { return }
        channels[channel].awaits = .nothing
        endCall(of: channel, &turn)
        guard channels[channel].state == .open else { return }
        if channels[channel].isFirst {
            channels[channel].isFirst = false
            connections.shorten(channel, on: channels[channel].connection)
        }
        let session = channels[channel].session
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
    func checkHome(_ queue: QueueIndex) throws(Refusal) {
        if queues[queue].isDown || queues[queue].hasEnded { throw homeless(queue) }
    }

    /// What is said of a queue whose home is down, or goes down without it.
    ///
    /// - Source: RMQ-CLUS-02, -13.
    private func homeless(_ queue: QueueIndex) -> Refusal {
        let name = queues[queue].declaration.name
        let vhost = vhostName(of: queues[queue].scope)
        guard queues[queue].exists else {
            return .notFound("no queue '\(name)' in vhost '\(vhost)'")
        }
        if queues[queue].hasEnded {
            return .notFound(
                "queue '\(name)' in vhost '\(vhost)' process is stopped by supervisor"
            )
        }
        let home = peers.plan.name(of: queues[queue].home)
        return .notFound(
            "home node '\(home)' of durable queue '\(name)' in vhost '\(vhost)' is down or inaccessible"
        )
    }

    /// Has the queue's node do something for a channel.
    mutating func forward(
        _ packet: Packet,
        _ channel: ChannelIndex,
        _ queue: QueueIndex,
        waiting: Bool = true,
        _ turn: inout Turn
    ) {
        assert(!queues[queue].isHere, "a queue that lives here is used here")
        assert(queues[queue].quorum == .none, "a quorum queue gets commands, and no methods")
        let home = queues[queue].home
        if queues[queue].isOrphan {
            if waiting { awaitHome(queue, packet, channel, &turn) }
            return
        }
        if waiting { channels[channel].asked = packet }
        if peers[home].connection == .none {
            // The cluster stands, and its nodes have yet to find each other: a client may be faster.
            guard waiting else { return }
            remoteUse.keep(channel, for: home)
            wait(channel, for: .queue(queue))
            return
        }
        if channels[channel].openedAt.insert(home).inserted {
            let word = Words.Open(
                channel: channel,
                client: channels[channel].peer,
                prefetch: channels[channel].globalPrefetch,
                scope: sessions[channels[channel].session].scope
            )
            send(word, toPeer: home, &turn)
        }
        var word = packet
        word.port = channel.wire
        send(word, toPeer: home, &turn)
        if waiting { wait(channel, for: .queue(queue)) }
    }

    /// Says to a peer what channels have asked for before it was there.
    mutating func sayUnsaid(_ peer: PeerIndex, _ turn: inout Turn) {
        for channel in remoteUse.takeUnsaid(for: peer)
        where channels[channel].state == .open {
            guard case .queue(let queue) = channels[channel].awaits, queues[queue].home == peer,
                queues[queue].placement == .elsewhere
            else { continue }
            channels[channel].awaits = .nothing
            forward(channels[channel].asked, channel, queue, &turn)
        }
    }

    /// Settles a delivery with the queue's node, or with the leader of its queue.
    mutating func settleElsewhere(
        _ delivery: Unacked,
        _ channel: ChannelIndex,
        _ method: Method,
        requeue: Bool,
        _ turn: inout Turn
    ) {
        assert(!delivery.isHere, "what is here is settled here")
        let queue = delivery.queue
        if case .stale(let message) = delivery.holding {
            settleStale(message, queue, method, requeue: requeue, &turn)
            return
        }
        if delivery.consumer != .none { consumers[delivery.consumer].unacked &-= 1 }
        // What was delivered before the queue's node went down is nobody's any more.
        guard delivery.holding != .nothing, queues[queue].exists else { return }
        if queues[queue].quorum != .none {
            var command = QuorumCommand(
                kind: method == .basicAck ? .settle : requeue ? .return : .discard
            )
            command.consumer =
                delivery.consumer != .none
                ? QuorumConsumerID(delivery.consumer) : QuorumConsumerID(fetching: channel)
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
        _ queue: QueueIndex,
        _ channel: ChannelIndex,
        _ slot: ConfirmSlot,
        again: Bool = false,
        _ turn: inout Turn
    ) {
        assert(queues[queue].quorum == .none, "a quorum queue gets commands, and no publications")
        let home = queues[queue].home
        let publication = RemoteUse.Publication(
            queue: queue,
            channel: channel,
            slot: slot,
            packet: packet
        )
        if queues[queue].isOrphan, !queues[queue].isStopped {
            remoteUse.wait(publication)
            return
        }
        let word = Words.Publication(
            queue: queues[queue].symbol,
            packet: packet,
            slot: slot,
            isResent: again,
            channel: channel
        )
        guard !queues[queue].isStopped, peers[home].connection != .none else {
            if slot != .none { settleConfirm(slot, refused: true, &turn) }
            recordUnrouted(packet, .queueDown, &turn)
            return
        }
        remoteUse.send(publication, to: home, canMove: queues[queue].rules.hasCopies)
        if channel != .none {
            forward(word.travelling, channel, queue, waiting: false, &turn)
        } else {
            send(word.travelling, toPeer: home, &turn)
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
    mutating func settleConfirm(_ slot: ConfirmSlot, refused: Bool, _ turn: inout Turn) {
        assert(slot != .none, "a confirm that nobody asked for is settled")
        guard let done = confirms.settle(slot, refused: refused) else { return }
        confirm(
            done.channel,
            done.sequence,
            done.message,
            as: done.isRefused ? .basicNack : .basicAck,
            &turn
        )
    }

    /// A channel is gone: its proxies go, and what it has of quorum queues goes back.
    mutating func endElsewhere(_ channel: ChannelIndex, _ turn: inout Turn) {
        for peer in channels[channel].openedAt.sorted() {
            send(Words.Shut(channel: channel), toPeer: peer, &turn)
        }
        channels[channel].openedAt = []
        if let call = endCall(of: channel, &turn), call.kind == .get, call.held == nil {
            channels[channel].fetchedFrom.insert(call.quorum)
        }
        quorums.forget(channel)
        for quorum in channels[channel].fetchedFrom.sorted() {
            var command = QuorumCommand(kind: .drop)
            command.consumer = QuorumConsumerID(fetching: channel)
            tell(quorum, command, &turn)
        }
        channels[channel].fetchedFrom = []
        channels[channel].backlog = []
    }

    /// A node is down: whoever waits for it is told, and what it delivered is void.
    ///
    /// - Source: RMQ-CLUS-02, -05; RMQ-PART-05 (a nack, although the message may be there).
    mutating func failRemote(_ peer: PeerIndex, _ turn: inout Turn) {
        assert(peer != me, "a node does not fail itself")
        for channel in channels.indices where channels[channel].state == .open {
            channels[channel].openedAt.remove(peer)
            for index in channels[channel].unacked.indices {
                let queue = channels[channel].unacked[index].queue
                guard case .elsewhere = channels[channel].unacked[index].holding else { continue }
                if queue != .none, queues[queue].home == peer, queues[queue].quorum == .none,
                    !queues[queue].rules.hasCopies
                {
                    channels[channel].unacked[index].holding = .nothing
                }
            }
        }
        if peers[peer].ending != nil {
            remoteUse.moveOn(from: peer)
        } else {
            for slot in remoteUse.lose(peer) { settleConfirm(slot, refused: true, &turn) }
        }
    }

    /// The queues of a node that is down: durable ones wait for it, the others are gone.
    ///
    /// - Source: RMQ-CLUS-02, -04, -05; RMQ-DUR-03, -04.
    mutating func loseQueues(of peer: PeerIndex, _ turn: inout Turn) {
        assert(peer != me, "a node does not lose its own queues")
        for queue in queues.indices
        where queues[queue].exists && queues[queue].home == peer && queues[queue].quorum == .none {
            if queues[queue].rules.hasCopies {
                orphan(queue, &turn)
            } else if queues[queue].declaration.durable, queues[queue].owner == .nobody {
                if peers[peer].ending != nil {
                    queues[queue].become(.ending(refuses: false))
                    continue
                }
                queues[queue].become(.down)
                cancelConsumers(of: queue, &turn)
            } else {
                deleteQueue(queue, &turn)
            }
        }
        router.forget()
        refuseThoseWhoWait(for: peer, &turn)
    }

    /// Whoever waits for a queue of a node that has gone is told.
    mutating func refuseThoseWhoWait(for peer: PeerIndex, _ turn: inout Turn) {
        for channel in channels.indices
        where channels[channel].state == .open && channels[channel].isWaiting {
            guard case .queue(let queue) = channels[channel].awaits, queues[queue].home == peer,
                queues[queue].quorum == .none,
                !queues[queue].isOrphan || queues[queue].hasEnded, !queues[queue].isHere
            else { continue }
            refuseWaiting(homeless(queue), channel, &turn)
        }
    }

    mutating func refuseWaiting(
        _ refusal: Refusal,
        _ channel: ChannelIndex,
        _ turn: inout Turn
    ) {
        channels[channel].awaits = .nothing
        endCall(of: channel, &turn)
        refuse(
            refusal,
            Packet(.channelClose, channel: channels[channel].number),
            channel,
            channels[channel].session,
            &turn
        )
    }

    /// The clients of this node that consume from a queue are told that it is over.
    mutating func cancelConsumers(of queue: QueueIndex, _ turn: inout Turn) {
        for consumer in consumers.indices
        where consumers[consumer].exists && consumers[consumer].queue == queue {
            cancelByBroker(consumer, &turn)
        }
    }

    /// - Source: RMQ-CONS-26, -27.
    mutating func cancelByBroker(_ consumer: ConsumerIndex, _ turn: inout Turn) {
        let channel = consumers[consumer].channel
        consumers[consumer].exists = false
        consumers[consumer].inRotation = false
        remoteUse.detach(consumer)
        channels[channel].consumers.removeAll { $0 == consumer }
        let session = channels[channel].session
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
        _ peer: PeerIndex,
        _ turn: inout Turn
    ) {
        switch word {
        case .open:
            if let word = Words.Open(packet) { openProxy(word, peer) }
        case .shut:
            guard let word = Words.Shut(packet),
                let proxy = remoteUse.shut(word.channel, of: peer)
            else { return }
            endProxy(proxy, &turn)
        case .refused:
            guard let word = Words.Refused(packet) else { return }
            let channel = word.channel
            guard channels[channel].state == .open else { return }
            let text = turn.names[word.text]
            channels[channel].awaits = .nothing
            refuse(
                Refusal(code: word.code, text: text, isHard: word.isHard),
                packet,
                channel,
                channels[channel].session,
                &turn
            )
        case .count:
            guard let word = Words.Count(packet) else { return }
            let queue = queueIndex(word.queue)
            let (messages, consumers) = queue == .none ? (0, 0) : counts(of: queue, turn.parcels)
            let answer = Words.Counted(
                channel: word.channel,
                queue: word.queue,
                messages: messages,
                consumers: consumers
            )
            send(answer, toPeer: peer, &turn)
        default:
            guard let word = Words.Counted(packet) else { return }
            let channel = word.channel
            let queue = queueIndex(word.queue)
            guard channels[channel].state == .open, queue != .none,
                channels[channel].awaits == .queue(queue)
            else { return }
            var answer = Packet(.queueDeclareOk, channel: channels[channel].number)
            answer.port = channels[channel].port
            answer.subject = word.queue
            answer.c = word.messages
            answer.d = word.consumers
            turn.send(answer, on: channels[channel].connection)
            resume(channel, with: nil, &turn)
        }
    }

    /// How many messages are ready in a queue, and how many consumers it has, as this node sees it.
    func counts(
        of queue: QueueIndex,
        _ parcels: borrowing Parcels
    ) -> (messages: UInt32, consumers: UInt32) {
        if queues[queue].quorum != .none {
            // A node that is asked for them and does not answer is said to have none: RMQ-QQ-35.
            let quorum = queues[queue].quorum
            let asked = quorums[quorum].client.recorded
            guard asked == me || asked == .none || quorums.leads(quorum),
                let machine = quorums.member(of: quorum)?.queue(parcels)
            else { return (0, 0) }
            return (UInt32(machine.readyCount), UInt32(machine.consumerCount))
        }
        let ready = queues[queue].log?.records.count ?? queues[queue].readyCount
        return (UInt32(ready), UInt32(queues[queue].consumers.count))
    }

    /// The node that knows the counts of a queue: its home, or its leader.
    func counter(of queue: QueueIndex) -> PeerIndex? {
        let quorum = queues[queue].quorum
        let node = quorum != .none ? quorums[quorum].client.leader : queues[queue].home
        return node != .none && node != me && peers[node].isConnected ? node : nil
    }
}

extension Packet {
    /// The custody of a publication that is on its way between nodes and in no queue yet.
    static let unrouted: UInt8 = 2
}
