import DequeModule
import WarrenKernel
import WarrenTrace

/// Queues end: deleted by a client, unused, or with their connection.
extension RabbitMQNode {
    /// - Source: RMQ-DECL-24 to -27.
    mutating func deleteQueue(
        _ packet: Packet,
        _ channel: ChannelIndex,
        _ turn: inout Turn
    ) throws(Refusal) {
        let session = sessions[channels[channel].session]
        let name = try expandName(turn.names[packet.subject], channel).withoutLineBreaks
        var answer = Packet(.queueDeleteOk, channel: packet.channel)
        try permit(.configure, .queue, name, channel)
        let queue = queueIndex(name, session.scope, turn.names)
        if queue != .none {
            try checkAccess(queue, channel)
            try checkHome(queue)
            if !isHere(queue), queues[queue].quorum == .none {
                var word = packet
                word.subject = queues[queue].symbol
                forward(word, channel, queue, &turn)
                return
            }
            let (messages, consumers) = counts(of: queue, turn.parcels)
            try checkDeletion(queue, packet, messages, consumers, channel)
            if queues[queue].quorum != .none {
                deleteByLog(queues[queue].quorum, channel, messages, &turn)
                return
            }
            answer.c = messages
            confirmDeletion(of: queue, channel, answer, &turn)
            return
        }
        answer.port = channels[channel].port
        self.answer(answer, to: channel, &turn)
    }

    /// - Source: RMQ-DECL-25, -26, -27; RMQ-QQ-40; RMQ-STREAM-18. A stream is deleted whatever it holds.
    private func checkDeletion(
        _ queue: QueueIndex,
        _ packet: Packet,
        _ messages: UInt32,
        _ consumers: UInt32,
        _ channel: ChannelIndex
    ) throws(Refusal) {
        let vhost = sessions[channels[channel].session].vhost
        let what = "queue '\(queues[queue].declaration.name)' in vhost '\(vhost)'"
        switch queues[queue].rules.kind {
        case .stream: return
        case .quorum:
            for (flag, word) in [(Flag.ifUnused, "if-unused"), (Flag.ifEmpty, "if-empty")]
            where packet.has(flag) {
                throw .notImplemented(
                    "cannot delete \(what). queue.delete operations with \(word) flag set are not "
                        + "supported by quorum queues"
                )
            }
        case .classic:
            if packet.has(Flag.ifEmpty), messages > 0 {
                throw .preconditionFailed("\(what) not empty")
            }
            if packet.has(Flag.ifUnused), consumers > 0 {
                throw .preconditionFailed("\(what) in use")
            }
        }
    }

    /// Deletes a queue on all nodes, and then tells the channel that wanted it.
    mutating func confirmDeletion(
        of queue: QueueIndex,
        _ channel: ChannelIndex,
        _ answer: Packet,
        _ turn: inout Turn
    ) {
        var answer = answer
        answer.port = channels[channel].port
        let connection = channels[channel].connection
        let change = deletion(of: queue)
        let isProxy = sessions[channels[channel].session].isProxy
        if channels[channel].isWaiting { channels[channel].awaits = .change }
        deleteQueue(queue, &turn)
        guard isClustered else {
            self.answer(answer, to: channel, &turn)
            resume(channel, with: nil, &turn)
            return
        }
        if !isProxy, !channels[channel].isWaiting { wait(channel, for: .change) }
        let isWanted = isProxy || !channels[channel].wantsNoAnswer
        channels[channel].wantsNoAnswer = false
        propose(
            change,
            then: .say(
                isWanted ? answer : Packet(),
                connection,
                channel: isProxy ? .none : channel
            ),
            &turn
        )
    }

    private func deletion(of queue: QueueIndex) -> MetadataChange {
        .deleteQueue(name: queues[queue].declaration.name, scope: queues[queue].scope)
    }

    /// Deletes a queue by the broker's own decision, and lets the other nodes know.
    ///
    /// A quorum queue is deleted through its log first.
    mutating func dropQueue(_ queue: QueueIndex, _ turn: inout Turn) {
        guard queues[queue].exists else { return }
        if queues[queue].quorum != .none {
            tell(queues[queue].quorum, QuorumCommand(kind: .deleteQueue), &turn)
        } else {
            forgetEverywhere(queue, &turn)
        }
    }

    /// Deletes a queue here, and lets the other nodes know.
    mutating func forgetEverywhere(_ queue: QueueIndex, _ turn: inout Turn) {
        assert(queues[queue].exists, "a queue is forgotten twice")
        let change = deletion(of: queue)
        deleteQueue(queue, &turn)
        if isClustered, isServing { propose(change, then: .nothing, &turn) }
    }

    /// Whether this node decides what becomes of a queue: it keeps it, or leads it.
    func decides(_ queue: QueueIndex) -> Bool {
        guard queues[queue].quorum != .none else { return isHere(queue) }
        return quorums.leads(queues[queue].quorum)
    }

    /// An auto-delete queue goes with its last consumer.
    ///
    /// - Source: RMQ-DECL-17, -18, -19.
    mutating func deleteIfUnused(_ queue: QueueIndex, _ turn: inout Turn) {
        if isAutoDeleted(queue) { dropQueue(queue, &turn) }
    }

    /// Whether a queue goes now that its last consumer is gone.
    func isAutoDeleted(_ queue: QueueIndex) -> Bool {
        queues[queue].exists && isHere(queue) && queues[queue].declaration.autoDelete
            && queues[queue].consumers.isEmpty
    }

    /// Deletes a queue with all that it holds, and tells its consumers.
    ///
    /// - Source: RMQ-DECL-47; RMQ-CONS-26, -29; RMQ-DECL-40.
    mutating func deleteQueue(_ queue: QueueIndex, _ turn: inout Turn) {
        guard queues[queue].exists else { return }
        guard isHere(queue) else {
            forgetQueue(queue, &turn)
            return
        }
        let consumersBefore = queues[queue].consumers
        for consumer in consumersBefore {
            let channel = consumers[consumer].channel
            detach(consumer, &turn)
            channels[channel].consumers.removeAll { $0 == consumer }
            let session = channels[channel].session
            // RMQ-CONS-27: clients that did not ask for it are told nothing.
            guard channels[channel].state == .open, sessions[session].hearsCancel else { continue }
            var packet = Packet(.basicCancel, channel: 0)
            packet.port = channels[channel].port
            packet.key = consumers[consumer].tag
            turn.send(packet, on: channels[channel].connection)
        }
        let count = purge(queue, .queueDeleted, &turn)
        dropUnacked(queue, &turn)
        queues[queue].become(.deleted(wasHere: true))
        queues[queue].owner = .nobody
        queues.forget(queues[queue].symbol)
        router.forget()
        turn.erase(DiskKey.queue(queues[queue].symbol))
        removeBindings(to: .queue(queue), &turn)
        turn.record(
            .queueDeleted,
            subject: queues[queue].symbol,
            detail: UInt64(count)
        )
    }

    /// A queue that is kept elsewhere, or by several nodes, is deleted: its consumers here are told.
    private mutating func forgetQueue(_ queue: QueueIndex, _ turn: inout Turn) {
        cancelConsumers(of: queue, &turn)
        let isQuorum = queues[queue].quorum != .none
        if isQuorum { removeQuorum(queue, &turn) }
        queues[queue].become(.deleted(wasHere: false))
        queues[queue].owner = .nobody
        queues.forget(queues[queue].symbol)
        router.forget()
        turn.erase(DiskKey.queue(queues[queue].symbol))
        removeBindings(to: .queue(queue), &turn)
        if isQuorum, queues[queue].home == me {
            turn.record(.queueDeleted, subject: queues[queue].symbol)
        }
    }

    /// Deliveries of a deleted queue count as gone; their tags stay known to their channels.
    private mutating func dropUnacked(_ queue: QueueIndex, _ turn: inout Turn) {
        guard queues[queue].unackedCount > 0 else { return }
        for channel in channels where channel.state == .open {
            for delivery in channel.unacked
            where delivery.isCopy(of: queue) && queues[queue].rules.kind != .stream {
                eraseIfStored(delivery.row, queue, delivery.position, &turn)
                turn.record(
                    .messageDropped,
                    message: messages[delivery.row].message,
                    subject: queues[queue].symbol,
                    variant: DropReason.queueDeleted.rawValue,
                    detail: CopyPlace.unacked.rawValue
                )
            }
        }
        queues[queue].unackedCount = 0
    }
}
