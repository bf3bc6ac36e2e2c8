import DequeModule
import WarrenKernel
import WarrenTrace

/// Queues: declared, bound, purged, deleted.
extension RabbitMQNode {
    /// The name of the queue that a method speaks of: an empty one is that last declared on the channel.
    ///
    /// - Source: RMQ-DECL-02, -03, -57; RMQ-CONS-04; RMQ-GET-03.
    func expandName(_ name: String, _ channel: Int) throws(Refusal) -> String {
        guard name.isEmpty else { return name }
        let last = Int(channels[channel].lastQueue)
        guard last >= 0 else { throw .notFound("no previously declared queue") }
        return queues[last].declaration.name
    }

    /// The queue that a method speaks of, if the channel's user may use it at all.
    ///
    /// Who may not read it does not learn whether it is there.
    ///
    /// - Source: RMQ-PERM-15.
    mutating func queueToRead(_ symbol: Symbol, _ channel: Int, _ names: Names) throws(Refusal)
        -> Int
    {
        let name = try expandName(names[symbol], channel)
        try permit(.read, .queue, name, channel)
        let queue = try findQueue(name, channel, names)
        try checkAccess(queue, channel)
        return queue
    }

    /// The queue of this name.
    func findQueue(_ name: String, _ channel: Int, _ names: Names) throws(Refusal) -> Int {
        let session = sessions[Int(channels[channel].session)]
        let queue = queueIndex(name, session.scope, names)
        guard queue >= 0 else {
            throw .notFound("no queue '\(name)' in vhost '\(session.vhost)'")
        }
        try checkHome(queue)
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
                if binding.nowait || channels[channel].isWaiting { return }
                reply(.queueBindOk, packet.channel, connection, &turn)
            } else {
                try unbind(binding, channel, &turn)
                if channels[channel].isWaiting { return }
                reply(.queueUnbindOk, packet.channel, connection, &turn)
            }
        case .queuePurge:
            let queue = try queueToRead(packet.subject, channel, turn.names)
            try refuseForStream(queue, "queue.purge")
            if !isHere(queue) {
                purgeElsewhere(packet, channel, queue, &turn)
                return
            }
            var answer = Packet(.queuePurgeOk, channel: packet.channel)
            answer.c = UInt32(purge(queue, .purged, &turn))
            self.answer(answer, to: channel, &turn)
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
        wanted.name = wanted.name.withoutLineBreaks
        wanted.durable = wanted.durable && !wanted.exclusive
        if try answerForReplies(wanted, channel, &turn) { return }
        if !wanted.passive { try name(&wanted, channel, &turn) }
        var queue = queueIndex(wanted.name, session.scope, turn.names)
        if queue >= 0 {
            try checkHome(queue)
            if !wanted.passive {
                // RMQ-DECL-07: another exclusive flag is 405 and never 406.
                if wanted.exclusive != queues[queue].declaration.exclusive {
                    throw locked(wanted.name, channel)
                }
                try checkAccess(queue, channel)
                try QueueArguments.compare(
                    wanted,
                    queues[queue].declaration,
                    session.vhost,
                    settings.version
                )
            } else {
                try checkAccess(queue, channel)
            }
        } else {
            if wanted.passive {
                throw .notFound("no queue '\(wanted.name)' in vhost '\(session.vhost)'")
            }
            try checkDeclare(wanted, session, channel)
            if isClustered, !wanted.exclusive {
                try declareInCluster(wanted, packet, channel, &turn)
                return
            }
            queue = addQueue(
                wanted,
                session.scope,
                owner: wanted.exclusive ? channels[channel].session : -1,
                &turn
            )
            storeQueue(queue, &turn)
            if isClustered { propose(.addQueue(record(of: queue)), then: .nothing, &turn) }
        }
        touch(queue, &turn)
        channels[channel].lastQueue = Int32(queue)
        guard !wanted.nowait else { return }
        if let node = counter(of: queue) {
            var question = Packet(peerWord: .count)
            question.port = UInt32(channel)
            question.subject = queues[queue].symbol
            wait(channel, for: queue)
            send(question, toPeer: node, &turn)
            return
        }
        var answer = Packet(.queueDeclareOk, channel: packet.channel)
        answer.subject = queues[queue].symbol
        (answer.c, answer.d) = counts(of: queue)
        turn.send(answer, on: channels[channel].connection)
    }

    /// Finds out under which name a queue is to be declared, and whether that may be.
    ///
    /// - Source: RMQ-DECL-01, -05, -53, -55.
    private mutating func name(
        _ wanted: inout QueueDeclaration,
        _ channel: Int,
        _ turn: inout Turn
    ) throws(Refusal) {
        if wanted.name.isEmpty {
            guard wanted.type == "classic" else {
                throw .preconditionFailed(
                    "Cannot declare a server-named queue for type rabbit_\(wanted.type)_queue"
                )
            }
            wanted.name = "amq.gen-\(randomName(&turn))"
        } else if wanted.name.hasPrefix("amq."), !channels[channel].isSecondTry {
            throw .accessRefused("queue name '\(wanted.name)' contains reserved prefix 'amq.*'")
        }
        try permit(.configure, .queue, wanted.name, channel)
    }

    /// Has all nodes know a new queue, then declares it once more.
    ///
    /// - Source: RMQ-QQ-36: without a majority a quorum queue is refused after fifteen seconds.
    private mutating func declareInCluster(
        _ wanted: QueueDeclaration,
        _ packet: Packet,
        _ channel: Int,
        _ turn: inout Turn
    ) throws(Refusal) {
        // It was made and is gone again already.
        if channels[channel].isSecondTry { throw .internalError }
        let scope = sessions[Int(channels[channel].session)].scope
        var place = place(for: wanted, rules(for: wanted, scope))
        let symbol = turn.names.intern(.queue, wanted.name, in: scope)
        place.epoch = turn.outside.nextEpoch(of: symbol)
        let reachable = place.members.count { $0 == me || peers[$0].isRunning }
        wait(channel, for: -2)
        if !place.members.isEmpty, reachable < place.members.count / 2 + 1 {
            let pause = Interval.seconds(15)
            refusals.append((turn.now + pause, channel))
            turn.arm(NodeTimer.refusals, after: pause)
            return
        }
        var again = packet
        again.parcel = turn.parcels.put(wanted)
        let record = QueueRecord(scope: scope, declaration: wanted, place: place)
        propose(.addQueue(record), then: .again(channel: channel, again), &turn)
    }

    /// - Source: RMQ-QQ-36.
    mutating func refuseLate(_ turn: inout Turn) {
        while let first = refusals.first, first.moment <= turn.now {
            refusals.removeFirst()
            guard channels[first.channel].isWaiting, channels[first.channel].state == .open else {
                continue
            }
            channels[first.channel].isWaiting = false
            refuse(
                .internalErrorBecause("Cannot declare a queue: cluster_not_formed"),
                Packet(.queueDeclare, channel: channels[first.channel].number),
                first.channel,
                Int(channels[first.channel].session),
                &turn
            )
        }
        if let next = refusals.first {
            turn.arm(NodeTimer.refusals, after: next.moment - turn.now)
        }
    }

    /// A queue as all nodes know it.
    func record(of queue: Int) -> QueueRecord {
        QueueRecord(
            scope: queues[queue].scope,
            declaration: queues[queue].declaration,
            place: QueuePlace(
                home: queues[queue].home,
                members: queues[queue].quorum >= 0
                    ? quorums[queues[queue].quorum].members : queues[queue].members,
                mirrors: queues[queue].mirrors,
                synced: queues[queue].synced,
                isExclusive: queues[queue].owner != -1,
                epoch: queues[queue].quorum >= 0
                    ? quorums[queues[queue].quorum].epoch : UInt64(queues[queue].epoch)
            )
        )
    }

    private mutating func purgeElsewhere(
        _ packet: Packet,
        _ channel: Int,
        _ queue: Int,
        _ turn: inout Turn
    ) {
        guard queues[queue].quorum >= 0 else {
            var word = packet
            word.subject = queues[queue].symbol
            forward(word, channel, queue, &turn)
            return
        }
        wait(channel, for: queue)
        tell(queues[queue].quorum, QuorumCommand(kind: .purge), channel: channel, &turn)
    }

    /// Makes a queue.
    mutating func addQueue(
        _ declaration: QueueDeclaration,
        _ scope: Symbol,
        owner: Int32,
        place given: QueuePlace? = nil,
        isRecovered: Bool = false,
        _ turn: inout Turn
    ) -> Int {
        let rules = rules(for: declaration, scope)
        var place = given ?? place(for: declaration, rules)
        let isQuorum = rules.kind == .quorum
        let symbol = turn.names.intern(.queue, declaration.name, in: scope)
        // A queue that bears an old name begins a history of its own.
        if given == nil { place.epoch = turn.outside.nextEpoch(of: symbol) }
        let queue = queues.count
        queues.append(
            Queue(
                symbol: symbol,
                scope: scope,
                declaration: declaration,
                rules: rules,
                owner: owner,
                home: place.home,
                isHere: place.home == me && !isQuorum && !(isRecovered && rules.isReplicated)
            )
        )
        if !isQuorum {
            queues[queue].members = place.members
            queues[queue].epoch = UInt32(place.epoch)
            queues[queue].mirrors = place.mirrors
            queues[queue].synced = place.synced
            if queues[queue].isHere { for mirror in place.mirrors { openMirror(queue, mirror) } }
        }
        while queueOf.count <= Int(symbol.raw) { queueOf.append(-1) }
        queueOf[Int(symbol.raw)] = Int32(queue)
        router.forget()
        if place.home == me { turn.record(.queueDeclared, subject: symbol) }
        if isQuorum, isRecovered {
            queues[queue].quorum = quorums.count
            quorums.append(
                QuorumPart(
                    queue: queue,
                    symbol: symbol,
                    members: place.members,
                    epoch: place.epoch,
                    history: turn.outside.history(of: symbol, epoch: place.epoch),
                    leader: -1
                )
            )
        } else if isQuorum {
            addQuorum(queue, place, &turn)
        } else if isHere(queue) {
            touch(queue, &turn)
        }
        return queue
    }

    /// Exclusive and transient queues do not survive: RMQ-DUR-03, -04.
    func storeQueue(_ queue: Int, _ turn: inout Turn) {
        guard queues[queue].declaration.durable, queues[queue].owner == -1 else { return }
        var packet = Packet()
        packet.parcel = turn.parcels.put(record(of: queue))
        turn.store(packet, at: DiskKey.queue(queues[queue].symbol), as: WriteID(writeCount))
    }

    /// Drops what is ready; what is with consumers stays.
    ///
    /// - Source: RMQ-DECL-28; RMQ-DLX-19 (no dead-lettering).
    mutating func purge(_ queue: Int, _ reason: DropReason, _ turn: inout Turn) -> Int {
        var entries = queues[queue].readyEntries
        if reason == .queueDeleted {
            entries = queues[queue].readyEntries
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
    mutating func deleteQueue(
        _ packet: Packet,
        _ channel: Int,
        _ turn: inout Turn
    ) throws(Refusal) {
        let session = sessions[Int(channels[channel].session)]
        let name = try expandName(turn.names[packet.subject], channel).withoutLineBreaks
        var answer = Packet(.queueDeleteOk, channel: packet.channel)
        try permit(.configure, .queue, name, channel)
        let queue = queueIndex(name, session.scope, turn.names)
        if queue >= 0 {
            try checkAccess(queue, channel)
            try checkHome(queue)
            if !isHere(queue), queues[queue].quorum < 0 {
                var word = packet
                word.subject = queues[queue].symbol
                forward(word, channel, queue, &turn)
                return
            }
            let (messages, consumers) = counts(of: queue)
            try checkDeletion(queue, packet, messages, consumers, channel)
            if queues[queue].quorum >= 0 {
                wait(channel, for: queue)
                tell(
                    queues[queue].quorum,
                    QuorumCommand(kind: .deleteQueue),
                    channel: channel,
                    &turn
                )
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
        _ queue: Int,
        _ packet: Packet,
        _ messages: UInt32,
        _ consumers: UInt32,
        _ channel: Int
    ) throws(Refusal) {
        let vhost = sessions[Int(channels[channel].session)].vhost
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
        of queue: Int,
        _ channel: Int,
        _ answer: Packet,
        _ turn: inout Turn
    ) {
        var answer = answer
        answer.port = channels[channel].port
        let connection = channels[channel].connection
        let change = deletion(of: queue)
        let isProxy = sessions[Int(channels[channel].session)].isProxy
        if channels[channel].isWaiting { channels[channel].waitsFor = -2 }
        deleteQueue(queue, &turn)
        guard isClustered else {
            self.answer(answer, to: channel, &turn)
            resume(channel, with: nil, &turn)
            return
        }
        if !isProxy { wait(channel, for: -2) }
        let isWanted = isProxy || !channels[channel].wantsNoAnswer
        channels[channel].wantsNoAnswer = false
        propose(
            change,
            then: .say(isWanted ? answer : Packet(), connection, channel: isProxy ? -1 : channel),
            &turn
        )
    }

    private func deletion(of queue: Int) -> MetadataChange {
        .deleteQueue(name: queues[queue].declaration.name, scope: queues[queue].scope)
    }

    /// Deletes a queue by the broker's own decision, and lets the other nodes know.
    ///
    /// A quorum queue is deleted through its log first.
    mutating func dropQueue(_ queue: Int, _ turn: inout Turn) {
        guard queues[queue].exists else { return }
        if queues[queue].quorum >= 0 {
            tell(queues[queue].quorum, QuorumCommand(kind: .deleteQueue), &turn)
        } else {
            forgetEverywhere(queue, &turn)
        }
    }

    /// Deletes a queue here, and lets the other nodes know.
    mutating func forgetEverywhere(_ queue: Int, _ turn: inout Turn) {
        let change = deletion(of: queue)
        deleteQueue(queue, &turn)
        if isClustered, isServing { propose(change, then: .nothing, &turn) }
    }

    /// Whether this node decides what becomes of a queue: it keeps it, or leads it.
    func decides(_ queue: Int) -> Bool {
        guard queues[queue].quorum >= 0 else { return isHere(queue) }
        let member = quorums[queues[queue].quorum].member
        return member >= 0 && members[member].raft.isLeader
    }

    /// An auto-delete queue goes with its last consumer.
    ///
    /// - Source: RMQ-DECL-17, -18, -19.
    mutating func deleteIfUnused(_ queue: Int, _ turn: inout Turn) {
        if isAutoDeleted(queue) { dropQueue(queue, &turn) }
    }

    /// Whether a queue goes now that its last consumer is gone.
    func isAutoDeleted(_ queue: Int) -> Bool {
        queues[queue].exists && isHere(queue) && queues[queue].declaration.autoDelete
            && queues[queue].consumers.isEmpty
    }

    /// Deletes a queue with all that it holds, and tells its consumers.
    ///
    /// - Source: RMQ-DECL-47; RMQ-CONS-26, -29; RMQ-DECL-40.
    mutating func deleteQueue(_ queue: Int, _ turn: inout Turn) {
        guard queues[queue].exists else { return }
        guard isHere(queue) else {
            forgetQueue(queue, &turn)
            return
        }
        let consumersBefore = queues[queue].consumers
        for consumer in consumersBefore {
            let channel = Int(consumers[Int(consumer)].channel)
            detach(Int(consumer), &turn)
            channels[channel].consumers.removeAll { $0 == consumer }
            let session = Int(channels[channel].session)
            // RMQ-CONS-27: clients that did not ask for it are told nothing.
            guard channels[channel].state == .open, sessions[session].hearsCancel else { continue }
            var packet = Packet(.basicCancel, channel: 0)
            packet.port = channels[channel].port
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

    /// A queue that is kept elsewhere, or by several nodes, is deleted: its consumers here are told.
    private mutating func forgetQueue(_ queue: Int, _ turn: inout Turn) {
        cancelConsumers(of: queue, &turn)
        if queues[queue].quorum >= 0 { removeQuorum(queue, &turn) }
        queues[queue].exists = false
        queues[queue].owner = -1
        queueOf[Int(queues[queue].symbol.raw)] = -1
        router.forget()
        turn.erase(DiskKey.queue(queues[queue].symbol))
        removeBindings(to: .queue(Int32(queue)), &turn)
        if queues[queue].quorum >= 0, queues[queue].home == me {
            turn.record(.queueDeleted, subject: queues[queue].symbol)
        }
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
