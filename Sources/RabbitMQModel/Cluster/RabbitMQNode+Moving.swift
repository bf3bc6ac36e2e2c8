import DequeModule
import WarrenKernel
import WarrenTrace

/// A queue with copies loses its home, and lives on elsewhere.
///
/// - Source: RMQ-MIR-02 to -06, -08 to -10; rabbitmq-server `rabbit_mirror_queue_misc.erl`.
extension RabbitMQNode {
    // MARK: Without a home

    /// The home of a queue with copies is down.
    mutating func orphan(_ queue: QueueIndex, _ turn: inout Turn) {
        assert(queues[queue].home != me, "a node is no orphan of itself")
        assert(queues[queue].quorum == .none, "a quorum queue has a leader, and no home")
        queues[queue].become(.orphan)
        copies.elections.forget(queue)
        leaveDeliveries(of: queue)
        let survivors = queues[queue].mirrors.filter { $0 == me || peers[$0].isRunning }
        if survivors.isEmpty, queues[queue].rules.kind == .classic {
            queues[queue].become(.elsewhere)
            loseForGood(queue, &turn)
        } else if queues[queue].rules.kind == .classic, successors(of: queue).isEmpty {
            strand(queue, &turn)
        }
    }

    /// Nobody has a copy: the queue is what one without copies would be.
    private mutating func loseForGood(_ queue: QueueIndex, _ turn: inout Turn) {
        refuseOrphans(queue, &turn)
        if queues[queue].declaration.durable, queues[queue].owner == .nobody {
            queues[queue].become(.down)
            cancelConsumers(of: queue, &turn)
        } else {
            deleteQueue(queue, &turn)
        }
    }

    mutating func refuseOrphans(_ queue: QueueIndex, _ turn: inout Turn) {
        _ = remoteUse.takeSettlements(for: queue)
        for one in remoteUse.takePublications(for: queue) {
            recordUnrouted(one.packet, .queueDown, &turn)
            if one.slot != .none { settleConfirm(one.slot, refused: true, &turn) }
        }
    }

    /// A peer is down: queues that live here have a copy less, and those without a home look for one.
    mutating func loseMirrors(on peer: PeerIndex, _ turn: inout Turn) {
        guard phase == .running else { return }
        for queue in queues.indices where queues[queue].exists {
            copies.elections.forget(peer, queue)
            if queues[queue].isHere {
                refreshMirrors(queue, &turn)
            } else if queues[queue].isOrphan, queues[queue].rules.kind == .stream {
                awaitCoordinator(queue, after: peer, &turn)
            } else if queues[queue].isOrphan, !peers[queues[queue].home].isSilent {
                findHome(queue, &turn)
            }
        }
    }

    /// Takes over a queue without a home if it is this node's to do.
    mutating func findHome(_ queue: QueueIndex, _ turn: inout Turn) {
        guard queues[queue].isOrphan, phase == .running else { return }
        if queues[queue].rules.kind == .stream {
            tellEnd(queue, &turn)
            return
        }
        // The one that has had its copy longest.
        if successors(of: queue).first == me { promote(queue, &turn) }
    }

    /// The nodes that may take over a mirrored queue whose home is down.
    func successors(of queue: QueueIndex) -> [PeerIndex] {
        let rules = queues[queue].rules
        let running = queues[queue].mirrors.filter { $0 == me || peers[$0].isRunning }
        let mayLack =
            peers[queues[queue].home].saidGoodbye
            ? rules.promotesOnShutdown : rules.promotesOnFailure
        return mayLack ? running : running.filter { queues[queue].synced.contains($0) }
    }

    /// The node serves: its own queues with copies live here again, unless another node has them.
    mutating func takeUpQueues(_ turn: inout Turn) {
        for queue in queues.indices
        where queues[queue].exists && queues[queue].rules.hasCopies
            && queues[queue].quorum == .none && !queues[queue].isHere
        {
            if queues[queue].home == me {
                queues[queue].become(.orphan)
                if queues[queue].rules.kind == .stream {
                    findHome(queue, &turn)
                } else {
                    promote(queue, &turn)
                }
            } else if queues[queue].isOrphan {
                findHome(queue, &turn)
            }
        }
    }

    // MARK: A new home

    /// This node becomes the home of a queue, with the copies that it has.
    mutating func promote(_ queue: QueueIndex, _ turn: inout Turn) {
        assert(phase == .running, "a node takes over a queue that does not serve")
        assert(queues[queue].quorum == .none, "a quorum queue has a leader, and no home")
        let symbol = queues[queue].symbol
        let mirror = copies.kept.take(symbol) ?? Mirror()
        let before = queues[queue].home
        let isReturn = before == me
        let isWhole = isReturn || queues[queue].synced.contains(me)
        endWaiting(for: queue, &turn)
        queues[queue].move(to: me, isHere: true)
        copies.homes.begin(queue, with: queues[queue].log == nil ? mirror.known : mirror.held)
        copies.elections.forget(queue)
        let lost = reconcile(queue, mirror, from: before, &turn)
        fill(queue, mirror, isReturn: isReturn, &turn)
        if !isReturn {
            turn.record(
                queues[queue].log == nil ? .mirrorPromoted : .leaderElected,
                subject: symbol,
                variant: queues[queue].log == nil && !isWhole ? 1 : 0,
                detail: UInt64(lost)
            )
        }
        let others = queues[queue].mirrors.filter { $0 != me && peers[$0].isRunning }
        let whole = queues[queue].synced
        queues[queue].mirrors = others
        queues[queue].synced = []
        for peer in others { beginMirror(queue, peer, wasWhole: whole.contains(peer), &turn) }
        followHome(queue, &turn)
        tellPlace(queue, &turn)
        refreshMirrors(queue, &turn)
        guard queues[queue].exists else { return }
        if queues[queue].log == nil {
            keepLimits(queue, &turn)
            dropExpired(queue, &turn)
            touch(queue, &turn)
        }
        dispatch(queue, &turn)
    }

    /// Says what became of the messages of the old home: those that this one lacks are lost.
    ///
    /// - Returns: how many are lost.
    private func reconcile(
        _ queue: QueueIndex,
        _ mirror: Mirror,
        from before: PeerIndex,
        _ turn: inout Turn
    ) -> Int {
        let symbol = queues[queue].symbol
        var left = turn.outside.takeOver(symbol, from: turn.node)
        // Of a stream there is one writer: what all others left behind is void.
        for peer in queues[queue].log == nil ? [before] : Array(peers.indices) where peer != me {
            left += turn.outside.takeOver(symbol, from: peers[peer].node)
        }
        var known: Set<UInt64> = []
        var lost = 0
        for one in left {
            if !known.insert(one.number).inserted || mirror.copies[one.number] == nil {
                recordGoneCopy(one, symbol, &turn)
                lost += 1
            } else if one.isHeld {
                turn.record(
                    .deliveryRequeued,
                    message: one.message,
                    subject: symbol,
                    variant: ReturnReason.connectionClosed.rawValue
                )
            }
        }
        for position in mirror.positions where !known.contains(position) {
            guard let copy = mirror.copies[position] else { continue }
            turn.record(.messageRecovered, message: copy.message, subject: symbol, variant: 1)
        }
        return lost
    }

    /// - Source: RMQ-MIR-04: all that a promoted mirror has counts as delivered before.
    private mutating func fill(
        _ queue: QueueIndex,
        _ mirror: Mirror,
        isReturn: Bool,
        _ turn: inout Turn
    ) {
        assert(queues[queue].isHere, "a queue is filled where it lives")
        assert(queues[queue].readyCount == 0, "a queue is filled that holds something")
        let positions = mirror.positions
        queues[queue].headPosition = mirror.end
        if queues[queue].log != nil {
            queues[queue].log = StreamLog(first: positions.first ?? mirror.end)
            // What a majority has is found out anew: its end may be known to this node alone.
            queues[queue].committed = min(queues[queue].committed, mirror.end)
        }
        for position in positions {
            guard let copy = mirror.copies[position] else { continue }
            let row = messages.put(MessageRow(copy, references: 1))
            if queues[queue].log != nil {
                let record = StreamLog.Record(
                    row: row,
                    time: copy.x == 0 ? turn.now : Instant(nanoseconds: copy.x),
                    size: copy.size,
                    epoch: position + 1 == mirror.end ? queues[queue].epoch : copy.d,
                    position: position
                )
                write(record, queue, &turn)
                continue
            }
            let properties: Properties? = turn.parcels.get(copy.parcel)
            if let priority = properties?.priority { messages.setPriority(priority, of: row) }
            if copy.x != 0 { queues[queue].expiries[position] = Instant(nanoseconds: copy.x) }
            let entry = ReturnedEntry(
                position: position,
                entry: Entry(
                    readySince: turn.now,
                    row: row,
                    redelivered: !isReturn || copy.has(Flag.redelivered)
                )
            )
            if queues[queue].rules.maxPriority > 0 {
                queues[queue].putBack(entry, messages[row])
            } else {
                queues[queue].returned.append(entry)
            }
        }
        if queues[queue].log != nil, let last = positions.last, var copy = mirror.copies[last] {
            // From here on it reaches as far as its epoch.
            copy.d = queues[queue].epoch
            turn.store(copy, at: DiskKey.copy(queues[queue].symbol, last), as: numbers.lastWrite)
        }
        queues[queue].returned.sort { $0.position > $1.position }
        queues[queue].follow(queues[queue].rules, bytes: weighReady(queue))
    }

    /// A queue lives somewhere else now, or has other copies.
    mutating func relocate(_ queue: QueueIndex, _ place: QueuePlace, _ turn: inout Turn) {
        assert(queues[queue].quorum == .none, "a quorum queue is where its members are")
        guard queues[queue].rules.hasCopies || !queues[queue].mirrors.isEmpty,
            !queues[queue].isHere,
            queues[queue].rules.kind != .stream || place.epoch >= UInt64(queues[queue].epoch)
        else { return }
        let before = queues[queue].home
        let wasStranded = queues[queue].isStranded
        queues[queue].mirrors = place.mirrors
        queues[queue].synced = place.synced
        queues[queue].epoch = UInt32(truncatingIfNeeded: place.epoch)
        let isNew = place.home != before
        let isBack =
            queues[queue].isOrphan && place.home != me && isReachable(place.home, queue)
        if isNew || isBack { endWaiting(for: queue, &turn) }
        if isNew {
            if !queues[queue].isOrphan { leaveDeliveries(of: queue) }
            queues[queue].move(to: place.home, isHere: false)
            if place.home != me, !isReachable(place.home, queue) { queues[queue].become(.orphan) }
        } else if isBack {
            queues[queue].become(.elsewhere)
        }
        storeQueue(queue, &turn)
        guard (isNew || isBack) && !queues[queue].isOrphan, place.home != me else { return }
        if queues[queue].isDown { queues[queue].become(.elsewhere) }
        router.forget()
        // The mirrors that took them have begun anew, as copies of what the old home has.
        if wasStranded, !isNew { refuseOrphans(queue, &turn) }
        followHome(queue, &turn)
    }

    /// Has everything of this node that used a queue use it at its new home.
    ///
    /// - Source: RMQ-MIR-03 to -05.
    private mutating func followHome(_ queue: QueueIndex, _ turn: inout Turn) {
        router.forget()
        for consumer in consumers.indices
        where consumers[consumer].exists && consumers[consumer].queue == queue {
            attachAgain(consumer, queue, &turn)
        }
        for channel in channels.indices
        where channels[channel].awaits == .queue(queue)
            && channels[channel].state == .open
        {
            let asked = channels[channel].asked
            if asked.method == .basicConsume {
                var answer = Packet(.basicConsumeOk, channel: channels[channel].number)
                answer.port = channels[channel].port
                answer.key = asked.key
                answer.c = asked.c
                let consumer = ConsumerIndex(wire: asked.c)
                if !consumers[consumer].isQuiet {
                    turn.send(answer, on: channels[channel].connection)
                }
                resume(channel, with: nil, &turn)
            } else {
                var again = asked
                again.port = channels[channel].port
                resume(channel, with: again, &turn)
            }
        }
        for one in remoteUse.takePublications(for: queue) { publishAgain(one, &turn) }
        for word in remoteUse.takeSettlements(for: queue) { sendStale(word, queue, &turn) }
    }

    private mutating func publishAgain(
        _ publication: RemoteUse.Publication,
        _ turn: inout Turn
    ) {
        assert(
            queues[publication.queue].quorum == .none,
            "commands are said again, and not publications"
        )
        let (queue, slot) = (publication.queue, publication.slot)
        let packet = publication.packet
        guard queues[queue].isHere else {
            publishElsewhere(packet, queue, publication.channel, slot, again: true, &turn)
            return
        }
        if copies.homes.had(packet.message, queue) {
            guard slot != .none else { return }
            // First what it waits for, then what it no longer waits for: else it is confirmed between the two.
            if queues[queue].log != nil {
                awaitCopies(slot, queue, queues[queue].tailPosition - 1, &turn)
            }
            settleConfirm(slot, refused: false, &turn)
            return
        }
        handAgain(packet, to: queue, slot, &turn)
    }

    private mutating func attachAgain(
        _ consumer: ConsumerIndex,
        _ queue: QueueIndex,
        _ turn: inout Turn
    ) {
        guard var word = remoteUse.attachment(of: consumer) else { return }
        let channel = consumers[consumer].channel
        var options: ConsumeOptions = turn.parcels.get(word.parcel) ?? ConsumeOptions()
        if options["x-cancel-on-ha-failover"] == .bool(true) {
            remoteUse.detach(consumer)
            cancelByBroker(consumer, &turn)
            return
        }
        if queues[queue].log != nil, consumers[consumer].offset > 0 {
            options.arguments.removeAll { $0.name == "x-stream-offset" }
            options.arguments.append(
                .init("x-stream-offset", .int(Int64(consumers[consumer].offset)))
            )
            word.parcel = turn.parcels.put(options)
        }
        consumers[consumer].unacked = 0
        guard queues[queue].isHere else {
            word.flags |= Flag.quiet
            forward(word, channel, queue, waiting: false, &turn)
            return
        }
        remoteUse.detach(consumer)
        if queues[queue].log != nil {
            consumers[consumer].offset =
                (try? firstOffset(queue, options["x-stream-offset"], turn.now)) ?? 0
        }
        consumers[consumer].inRotation = true
        queues[queue].consumers.append(consumer)
        place(consumer, queue, exclusive: word.has(Flag.exclusive), &turn)
    }

    /// What a client has read of a stream that lives elsewhere, in case it moves.
    mutating func noteOffset(_ packet: Packet, _ consumer: ConsumerIndex, _ turn: Turn) {
        let properties: Properties? = turn.parcels.get(packet.parcel)
        if let offset = properties?.header("x-stream-offset")?.number {
            consumers[consumer].offset = UInt64(offset) + 1
        }
    }

    // MARK: Deliveries of the old home

    /// Deliveries of a queue that lost its home are nobody's any more, but their tags stay good.
    ///
    /// - Source: RMQ-MIR-06.
    mutating func leaveDeliveries(of queue: QueueIndex) {
        for channel in channels.indices where channels[channel].state == .open {
            for index in channels[channel].unacked.indices
            where channels[channel].unacked[index].queue == queue {
                channels[channel].unacked[index].leaveHome()
            }
        }
    }

    /// A client settles a delivery of the old home.
    mutating func settleStale(
        _ message: MessageID,
        _ queue: QueueIndex,
        _ method: Method,
        requeue: Bool,
        _ turn: inout Turn
    ) {
        guard queues[queue].exists, queues[queue].log == nil else { return }
        let word = Words.SettleStale(
            queue: queues[queue].symbol,
            message: message,
            settlement: method == .basicAck ? .ack : requeue ? .requeue : .reject
        )
        if queues[queue].isOrphan {
            remoteUse.wait(word, for: queue)
        } else {
            sendStale(word, queue, &turn)
        }
    }

    private mutating func sendStale(
        _ word: Words.SettleStale,
        _ queue: QueueIndex,
        _ turn: inout Turn
    ) {
        if queues[queue].isHere {
            takeStale(word, &turn)
        } else if !queues[queue].isDown {
            send(word, toPeer: queues[queue].home, &turn)
        }
    }

    /// An old tag takes effect on the message if it is in somebody's hands again; else it has none.
    ///
    /// Whoever has it now may settle it, too, and nothing more happens.
    mutating func takeStale(_ word: Words.SettleStale, _ turn: inout Turn) {
        let queue = queueIndex(word.queue)
        guard queue != .none, queues[queue].isHere else { return }
        let message = word.message
        for channel in channels.indices where channels[channel].state == .open {
            for index in channels[channel].unacked.indices {
                let delivery = channels[channel].unacked[index]
                guard delivery.isCopy(of: queue), messages[delivery.row].message == message else {
                    continue
                }
                channels[channel].unacked[index].consumer = .none
                channels[channel].unacked[index].holding = .stale(message)
                settleAnyway(delivery, channel, word.settlement, &turn)
                return
            }
        }
    }

    private mutating func settleAnyway(
        _ delivery: Unacked,
        _ channel: ChannelIndex,
        _ settlement: Words.SettleStale.Settlement,
        _ turn: inout Turn
    ) {
        let queue = delivery.queue
        if settlement == .ack {
            finishByRules(delivery, channel, &turn)
            return
        }
        let requeue = settlement == .requeue
        turn.record(
            .deliveryRejected,
            message: messages[delivery.row].message,
            subject: queues[queue].symbol,
            peer: channels[channel].peer.raw,
            variant: requeue ? 1 : 0
        )
        if delivery.consumer != .none { consumers[delivery.consumer].unacked &-= 1 }
        if requeue {
            comeBack([takeBack(delivery, .nacked, &turn)], queue, .nacked, &turn)
        } else {
            queues[queue].unackedCount -= 1
            eraseIfStored(delivery.row, queue, delivery.position, &turn)
            queues[queue].forget(delivery.position)
            deadLetter(delivery.row, queue, .rejected, from: .unacked, &turn)
        }
        offerAgain(channel, &turn)
        dispatch(queue, &turn)
    }
}
