import DequeModule
import WarrenKernel
import WarrenTrace

/// Queues: declared, bound, purged, deleted.
extension RabbitMQNode {
    /// The name of the queue that a method speaks of: an empty one is that last declared on the channel.
    ///
    /// - Source: RMQ-DECL-02, -03, -57; RMQ-CONS-04; RMQ-GET-03.
    func expandName(_ name: String, _ channel: ChannelIndex) throws(Refusal) -> String {
        guard name.isEmpty else { return name }
        let last = channels[channel].lastQueue
        guard last != .none else { throw .notFound("no previously declared queue") }
        return queues[last].declaration.name
    }

    /// The queue that a method speaks of, if the channel's user may use it at all.
    ///
    /// Who may not read it does not learn whether it is there.
    ///
    /// - Source: RMQ-PERM-15.
    mutating func queueToRead(_ symbol: Symbol, _ channel: ChannelIndex, _ names: Names)
        throws(Refusal)
        -> QueueIndex
    {
        let name = try expandName(names[symbol], channel)
        try permit(.read, .queue, name, channel)
        let queue = try findQueue(name, channel, names)
        try checkAccess(queue, channel)
        return queue
    }

    /// The queue of this name.
    func findQueue(_ name: String, _ channel: ChannelIndex, _ names: Names) throws(Refusal)
        -> QueueIndex
    {
        let session = sessions[channels[channel].session]
        let queue = queueIndex(name, session.scope, names)
        guard queue != .none else {
            throw .notFound("no queue '\(name)' in vhost '\(session.vhost)'")
        }
        try checkHome(queue)
        return queue
    }

    /// - Source: RMQ-DECL-13, -15.
    func checkAccess(_ queue: QueueIndex, _ channel: ChannelIndex) throws(Refusal) {
        guard queues[queue].owner != .nobody,
            queues[queue].owner != .session(channels[channel].session)
        else {
            return
        }
        throw locked(queues[queue].declaration.name, channel)
    }

    private func locked(_ name: String, _ channel: ChannelIndex) -> Refusal {
        let vhost = sessions[channels[channel].session].vhost
        return .resourceLocked(
            "cannot obtain exclusive access to locked queue '\(name)' in vhost '\(vhost)'. It could "
                + "be originally declared on another connection or the exclusive property value does "
                + "not match that of the original declaration."
        )
    }

    mutating func receiveQueueMethod(
        _ packet: Packet,
        _ method: Method,
        _ channel: ChannelIndex,
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
        _ channel: ChannelIndex,
        _ turn: inout Turn
    ) throws(Refusal) {
        guard var wanted: QueueDeclaration = turn.parcels.get(packet.parcel) else { return }
        let session = sessions[channels[channel].session]
        wanted.name = wanted.name.withoutLineBreaks
        wanted.durable = wanted.durable && !wanted.exclusive
        if try answerForReplies(wanted, channel, &turn) { return }
        if !wanted.passive { try name(&wanted, channel, &turn) }
        var queue = queueIndex(wanted.name, session.scope, turn.names)
        if queue != .none {
            try checkHome(queue)
            if queues[queue].isOrphan, queues[queue].rules.kind == .classic {
                awaitHome(queue, packet, channel, &turn)
                return
            }
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
                owner: wanted.exclusive ? .session(channels[channel].session) : .nobody,
                &turn
            )
            storeQueue(queue, &turn)
            if isClustered { propose(.addQueue(record(of: queue)), then: .nothing, &turn) }
        }
        touch(queue, &turn)
        channels[channel].lastQueue = queue
        guard !wanted.nowait else { return }
        if let node = counter(of: queue) {
            let question = Words.Count(channel: channel, queue: queues[queue].symbol)
            wait(channel, for: .queue(queue))
            send(question, toPeer: node, &turn)
            return
        }
        var answer = Packet(.queueDeclareOk, channel: packet.channel)
        answer.subject = queues[queue].symbol
        (answer.c, answer.d) = counts(of: queue, turn.parcels)
        turn.send(answer, on: channels[channel].connection)
    }

    /// Finds out under which name a queue is to be declared, and whether that may be.
    ///
    /// - Source: RMQ-DECL-01, -05, -53, -55.
    private mutating func name(
        _ wanted: inout QueueDeclaration,
        _ channel: ChannelIndex,
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
    private mutating func declareInCluster(
        _ wanted: QueueDeclaration,
        _ packet: Packet,
        _ channel: ChannelIndex,
        _ turn: inout Turn
    ) throws(Refusal) {
        // It was made and is gone again already.
        if channels[channel].isSecondTry { throw .internalError }
        let scope = sessions[channels[channel].session].scope
        var place = place(for: wanted, rules(for: wanted, scope))
        let symbol = turn.names.intern(.queue, wanted.name, in: scope)
        place.epoch = turn.outside.nextEpoch(of: symbol)
        wait(channel, for: .change)
        if let lack = lackOfNodes(wanted, place, scope) {
            let call = RemoteUse.Call(.declare, refusal: lack.refusal, due: turn.now + lack.after)
            begin(call, by: channel, &turn)
            return
        }
        var again = packet
        again.parcel = turn.parcels.put(wanted)
        let record = QueueRecord(scope: scope, declaration: wanted, place: place)
        propose(.addQueue(record), then: .again(channel: channel, again), &turn)
    }

    /// What a queue without enough nodes is refused with, and how long that takes; nil if there are enough.
    ///
    /// Streams are made by their coordinator, whose members are all nodes from the first stream on.
    ///
    /// - Source: RMQ-QQ-36; RMQ-STREAM-19.
    private func lackOfNodes(
        _ wanted: QueueDeclaration,
        _ place: QueuePlace,
        _ scope: Symbol
    ) -> (refusal: Refusal, after: Interval)? {
        func isThere(_ peer: PeerIndex) -> Bool { peer == me || peers[peer].isRunning }
        let vhost = vhostName(of: scope)
        let here = peers.plan.name(of: me)
        if wanted.type == "quorum",
            place.members.count(where: isThere) < place.members.count / 2 + 1
        {
            let refusal = Refusal.internalErrorBecause(
                "Cannot declare quorum queue '\(wanted.name)' in vhost '\(vhost)' on node '\(here)' with "
                    + "leader on node '\(peers.plan.name(of: place.home))': cluster_not_formed"
            )
            return (refusal, .seconds(15))
        }
        guard wanted.type == "stream",
            queues.indices.contains(where: { queues[$0].rules.kind == .stream }),
            peers.indices.count(where: isThere) < peers.count / 2 + 1
        else { return nil }
        let refusal = Refusal.internalErrorBecause(
            "Cannot declare a queue 'queue '\(wanted.name)' in vhost '\(vhost)'' on node '\(here)': "
                + "{error,coordinator_unavailable}"
        )
        return (refusal, .seconds(30))
    }

    /// A queue as all nodes know it.
    func record(of queue: QueueIndex) -> QueueRecord {
        QueueRecord(
            scope: queues[queue].scope,
            declaration: queues[queue].declaration,
            place: QueuePlace(
                home: queues[queue].home,
                members: queues[queue].quorum != .none
                    ? quorums[queues[queue].quorum].members : queues[queue].members,
                mirrors: queues[queue].mirrors,
                synced: queues[queue].synced,
                isExclusive: queues[queue].owner != .nobody,
                epoch: queues[queue].quorum != .none
                    ? quorums[queues[queue].quorum].epoch : UInt64(queues[queue].epoch)
            )
        )
    }

    private mutating func purgeElsewhere(
        _ packet: Packet,
        _ channel: ChannelIndex,
        _ queue: QueueIndex,
        _ turn: inout Turn
    ) {
        guard queues[queue].quorum != .none else {
            var word = packet
            word.subject = queues[queue].symbol
            forward(word, channel, queue, &turn)
            return
        }
        call(.purge, QuorumCommand(kind: .purge), queues[queue].quorum, channel, &turn)
    }

    /// Makes a queue.
    mutating func addQueue(
        _ declaration: QueueDeclaration,
        _ scope: Symbol,
        owner: Queue.Owner,
        place given: QueuePlace? = nil,
        isRecovered: Bool = false,
        _ turn: inout Turn
    ) -> QueueIndex {
        let rules = rules(for: declaration, scope)
        var place = given ?? place(for: declaration, rules)
        let isQuorum = rules.kind == .quorum
        let symbol = turn.names.intern(.queue, declaration.name, in: scope)
        // A queue that bears an old name begins a history of its own.
        if given == nil { place.epoch = turn.outside.nextEpoch(of: symbol) }
        let queue = queues.append(
            Queue(
                symbol: symbol,
                scope: scope,
                declaration: declaration,
                rules: rules,
                owner: owner,
                home: place.home,
                isHere: place.home == me && !isQuorum && !(isRecovered && rules.hasCopies)
            ),
            named: symbol
        )
        if !isQuorum {
            queues[queue].members = place.members
            queues[queue].epoch = UInt32(place.epoch)
            queues[queue].mirrors = place.mirrors
            queues[queue].synced = place.synced
            if queues[queue].isHere {
                for mirror in place.mirrors { copies.homes.open(mirror, of: queue) }
            }
        }
        router.forget()
        if place.home == me { turn.record(.queueDeclared, subject: symbol) }
        if isQuorum, isRecovered {
            knowQuorum(queue, place, leader: .none, &turn)
        } else if isQuorum {
            addQuorum(queue, place, &turn)
        } else if isHere(queue) {
            touch(queue, &turn)
        }
        return queue
    }

    /// Exclusive and transient queues do not survive: RMQ-DUR-03, -04.
    func storeQueue(_ queue: QueueIndex, _ turn: inout Turn) {
        assert(queues[queue].exists, "a queue is written that is gone")
        guard queues[queue].declaration.durable, queues[queue].owner == .nobody else { return }
        var packet = Packet()
        packet.parcel = turn.parcels.put(record(of: queue))
        turn.store(packet, at: DiskKey.queue(queues[queue].symbol), as: numbers.lastWrite)
    }

    /// Drops what is ready; what is with consumers stays.
    ///
    /// - Source: RMQ-DECL-28; RMQ-DLX-19 (no dead-lettering).
    mutating func purge(_ queue: QueueIndex, _ reason: DropReason, _ turn: inout Turn) -> Int {
        assert(queues[queue].quorum == .none, "the log of a quorum queue purges it")
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
}
