import DequeModule
import WarrenKernel
import WarrenTrace

/// Queues: declared, bound, purged, deleted.
extension RabbitMQNode {
    /// The queue that a method speaks of: an empty name is the queue last declared on the channel.
    ///
    /// - Source: RMQ-DECL-02, -03; RMQ-CONS-04; RMQ-GET-03.
    func expandQueue(_ symbol: Symbol, _ channel: Int, _ names: Names) throws(Refusal) -> Int {
        let name = names[symbol]
        if name.isEmpty {
            let last = Int(channels[channel].lastQueue)
            guard last >= 0, queues[last].exists else {
                throw .notFound("no previously declared queue")
            }
            return last
        }
        let session = sessions[Int(channels[channel].session)]
        let queue = queueIndex(name, session.scope, names)
        guard queue >= 0 else {
            throw .notFound("no queue '\(name)' in vhost '\(session.vhost)'")
        }
        return queue
    }

    /// - Source: RMQ-DECL-13, -15.
    func checkAccess(_ queue: Int, _ channel: Int) throws(Refusal) {
        guard queues[queue].owner >= 0, queues[queue].owner != channels[channel].session else {
            return
        }
        throw locked(queues[queue].declaration.name, channel)
    }

    private func locked(_ name: String, _ channel: Int) -> Refusal {
        let vhost = sessions[Int(channels[channel].session)].vhost
        return .resourceLocked(
            "cannot obtain exclusive access to locked queue '\(name)' in vhost '\(vhost)'. It could "
                + "be originally declared on another connection or the exclusive property value does "
                + "not match that of the original declaration."
        )
    }

    mutating func receiveQueueMethod(
        _ packet: Packet,
        _ method: Method,
        _ channel: Int,
        _ turn: inout Turn
    ) throws(Refusal) {
        let connection = channels[channel].connection
        switch method {
        case .queueDeclare:
            try declareQueue(packet, channel, &turn)
        case .queueBind, .queueUnbind:
            guard let binding: BindingDeclaration = turn.parcels.get(packet.parcel) else { return }
            if method == .queueBind {
                try bind(binding, channel, &turn)
                if binding.nowait { return }
                reply(.queueBindOk, packet.channel, connection, &turn)
            } else {
                try unbind(binding, channel, &turn)
                reply(.queueUnbindOk, packet.channel, connection, &turn)
            }
        case .queuePurge:
            let queue = try expandQueue(packet.subject, channel, turn.names)
            try permit(.read, .queue, queues[queue].declaration.name, channel)
            try checkAccess(queue, channel)
            try refuseForStream(queue, "queue.purge")
            var answer = Packet(.queuePurgeOk, channel: packet.channel)
            answer.c = UInt32(purge(queue, .purged, &turn))
            turn.send(answer, on: connection)
        case .queueDelete:
            try deleteQueue(packet, channel, &turn)
        default:
            preconditionFailure("\(method) is not a queue method")
        }
    }

    /// - Source: RMQ-DECL-01, -05 to -13, -20, -30, -46.
    private mutating func declareQueue(
        _ packet: Packet,
        _ channel: Int,
        _ turn: inout Turn
    ) throws(Refusal) {
        guard var wanted: QueueDeclaration = turn.parcels.get(packet.parcel) else { return }
        let session = sessions[Int(channels[channel].session)]
        wanted.name.removeAll { $0 == "\r" || $0 == "\n" || $0 == "\r\n" }
        if try answerForReplies(wanted, channel, &turn) { return }
        if !wanted.passive {
            if wanted.name.isEmpty, wanted.type != "classic" {
                throw .preconditionFailed(
                    "Cannot declare a server-named queue for type rabbit_\(wanted.type)_queue"
                )
            }
            try permit(.configure, .queue, wanted.name, channel)
        }
        if wanted.passive, wanted.name.isEmpty {
            wanted.name = queues[try expandQueue(.none, channel, turn.names)].declaration.name
        }
        if wanted.name.isEmpty { wanted.name = "amq.gen-\(randomName(&turn))" }
        var queue = queueIndex(wanted.name, session.scope, turn.names)
        if queue >= 0 {
            if !wanted.passive {
                // RMQ-DECL-07: another exclusive flag is 405 and never 406.
                if wanted.exclusive != queues[queue].declaration.exclusive {
                    throw locked(wanted.name, channel)
                }
                try checkAccess(queue, channel)
                try QueueArguments.compare(wanted, queues[queue].declaration, session.vhost)
            } else {
                try checkAccess(queue, channel)
            }
        } else {
            if wanted.passive {
                throw .notFound("no queue '\(wanted.name)' in vhost '\(session.vhost)'")
            }
            if wanted.name.hasPrefix("amq."), !wanted.name.hasPrefix("amq.gen-") {
                throw .accessRefused(
                    "queue name '\(wanted.name)' contains reserved prefix 'amq.*'"
                )
            }
            try checkDeclare(wanted, session, channel)
            queue = addQueue(
                wanted,
                session.scope,
                owner: wanted.exclusive ? channels[channel].session : -1,
                &turn
            )
            storeQueue(queue, &turn)
        }
        touch(queue, &turn)
        channels[channel].lastQueue = Int32(queue)
        guard !wanted.nowait else { return }
        var answer = Packet(.queueDeclareOk, channel: packet.channel)
        answer.subject = queues[queue].symbol
        answer.c = UInt32(queues[queue].log?.records.count ?? queues[queue].readyCount)
        answer.d = UInt32(queues[queue].consumers.count)
        turn.send(answer, on: channels[channel].connection)
    }

    /// Makes a queue.
    mutating func addQueue(
        _ declaration: QueueDeclaration,
        _ scope: Symbol,
        owner: Int32,
        _ turn: inout Turn
    ) -> Int {
        let symbol = turn.names.intern(.queue, declaration.name, in: scope)
        let queue = queues.count
        queues.append(
            Queue(
                symbol: symbol,
                scope: scope,
                declaration: declaration,
                rules: rules(for: declaration, scope),
                owner: owner
            )
        )
        while queueOf.count <= Int(symbol.raw) { queueOf.append(-1) }
        queueOf[Int(symbol.raw)] = Int32(queue)
        router.forget()
        turn.record(.queueDeclared, subject: symbol)
        return queue
    }

    /// Exclusive and transient queues do not survive: RMQ-DUR-03, -04.
    func storeQueue(_ queue: Int, _ turn: inout Turn) {
        guard queues[queue].declaration.durable, queues[queue].owner < 0 else { return }
        var packet = Packet()
        packet.parcel = turn.parcels.put(
            Stored(scope: queues[queue].scope, value: queues[queue].declaration)
        )
        turn.store(packet, at: DiskKey.queue(queues[queue].symbol), as: WriteID(writeCount))
    }

    /// Drops what is ready; what is with consumers stays.
    ///
    /// - Source: RMQ-DECL-28; RMQ-DLX-19 (no dead-lettering).
    mutating func purge(_ queue: Int, _ reason: DropReason, _ turn: inout Turn) -> Int {
        var entries = queues[queue].readyEntries
        if reason == .queueDeleted {
            entries = queues[queue].presentEntries
            queues[queue].discards = []
        }
        if let log = queues[queue].log {
            entries = log.records.map {
                ReturnedEntry(
                    position: $0.position,
                    entry: Entry(readySince: $0.time, row: $0.row, redelivered: false)
                )
            }
            queues[queue].log = StreamLog()
        }
        queues[queue].removeAllReady()
        for entry in entries {
            queues[queue].forget(entry.position)
            eraseIfStored(entry.entry.row, queue, entry.position, &turn)
            drop(entry.entry.row, queue, reason, .ready, &turn)
        }
        if reason == .purged {
            turn.record(
                .queuePurged,
                subject: queues[queue].symbol,
                detail: UInt64(entries.count)
            )
        }
        return entries.count
    }

    /// - Source: RMQ-DECL-24 to -27.
    private mutating func deleteQueue(
        _ packet: Packet,
        _ channel: Int,
        _ turn: inout Turn
    ) throws(Refusal) {
        let session = sessions[Int(channels[channel].session)]
        let name = turn.names[packet.subject]
        var answer = Packet(.queueDeleteOk, channel: packet.channel)
        try permit(.configure, .queue, name, channel)
        let queue = queueIndex(name, session.scope, turn.names)
        if queue >= 0 {
            try checkAccess(queue, channel)
            if packet.has(Flag.ifUnused), !queues[queue].consumers.isEmpty {
                throw .preconditionFailed("queue '\(name)' in vhost '\(session.vhost)' in use")
            }
            if packet.has(Flag.ifEmpty), queues[queue].readyCount > 0 {
                throw .preconditionFailed("queue '\(name)' in vhost '\(session.vhost)' not empty")
            }
            answer.c = UInt32(queues[queue].readyCount)
            deleteQueue(queue, &turn)
        }
        turn.send(answer, on: channels[channel].connection)
    }

    /// An auto-delete queue goes with its last consumer.
    ///
    /// - Source: RMQ-DECL-17, -18, -19.
    mutating func deleteIfUnused(_ queue: Int, _ turn: inout Turn) {
        guard queues[queue].exists, queues[queue].declaration.autoDelete,
            queues[queue].consumers.isEmpty
        else { return }
        deleteQueue(queue, &turn)
    }

    /// Deletes a queue with all that it holds, and tells its consumers.
    ///
    /// - Source: RMQ-DECL-47; RMQ-CONS-26, -29; RMQ-DECL-40.
    mutating func deleteQueue(_ queue: Int, _ turn: inout Turn) {
        guard queues[queue].exists else { return }
        let consumersBefore = queues[queue].consumers
        for consumer in consumersBefore {
            let channel = Int(consumers[Int(consumer)].channel)
            detach(Int(consumer), &turn)
            channels[channel].consumers.removeAll { $0 == consumer }
            let session = Int(channels[channel].session)
            // RMQ-CONS-27: clients that did not ask for it are told nothing.
            guard channels[channel].state == .open, sessions[session].hearsCancel else { continue }
            var packet = Packet(.basicCancel, channel: channels[channel].number)
            packet.key = consumers[Int(consumer)].tag
            turn.send(packet, on: channels[channel].connection)
        }
        let count = purge(queue, .queueDeleted, &turn)
        dropUnacked(queue, &turn)
        queues[queue].exists = false
        queues[queue].owner = -1
        queueOf[Int(queues[queue].symbol.raw)] = -1
        router.forget()
        turn.erase(DiskKey.queue(queues[queue].symbol))
        removeBindings(to: .queue(Int32(queue)), &turn)
        turn.record(
            .queueDeleted,
            subject: queues[queue].symbol,
            detail: UInt64(count)
        )
    }

    /// Deliveries of a deleted queue count as gone; their tags stay known to their channels.
    private mutating func dropUnacked(_ queue: Int, _ turn: inout Turn) {
        guard queues[queue].unackedCount > 0 else { return }
        for channel in channels where channel.state == .open {
            for delivery in channel.unacked
            where delivery.queue == Int32(queue) && queues[queue].rules.kind != .stream {
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
