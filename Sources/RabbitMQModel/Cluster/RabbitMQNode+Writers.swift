import DequeModule
import WarrenKernel
import WarrenTrace

/// Which replica of a stream writes.
///
/// A replica without a writer says how far it reaches to all that it can speak to. The one that reaches
/// farthest asks for the next epoch; whoever promises it, and has written that down, takes nothing from
/// earlier writers any more; and with a majority of promises it writes.
/// - Source: RMQ-STREAM-14; rabbitmq-server `rabbit_stream_coordinator.erl`, Osiris.
/// - Differs: real replicas ask a coordinator, which is a Raft group of its own; here they ask each other.
extension RabbitMQNode {
    /// The replicas of a stream tell each other how far they reach.
    mutating func tellEnd(_ queue: QueueIndex, _ turn: inout Turn) {
        assert(queues[queue].rules.kind == .stream, "only streams choose a writer")
        guard queues[queue].members.contains(me) else { return }
        let mine = reach(queue)
        copies.elections.hear(mine, of: me, queue)
        for peer in reachableMembers(queue) { tellEnd(queue, to: peer, wantsAnswer: true, &turn) }
        chooseWriter(queue, &turn)
    }

    /// The writer of a stream is down: it takes its coordinator a moment to have another one, and first a leader of its
    /// own if it led on the same node.
    ///
    /// - Source: RMQ-STREAM-20.
    /// - Differs: the coordinator leads where the first stream has its writer.
    mutating func awaitCoordinator(
        _ queue: QueueIndex,
        after peer: PeerIndex,
        _ turn: inout Turn
    ) {
        assert(queues[queue].isOrphan, "a stream with a writer needs no other one")
        let stream = turn.chance.stream("streams \(peers.plan.name(of: me))")
        var delay = 75 + turn.chance.below(50, stream)
        let first = queues.indices.first { queues[$0].exists && queues[$0].rules.kind == .stream }
        if let first, queues[first].home == peer { delay += 140 + turn.chance.below(200, stream) }
        turn.arm(NodeTimer.election(ofQueue: queue), after: .milliseconds(delay))
    }

    /// The coordinator has had its moment.
    mutating func lookForWriter(of queue: QueueIndex, _ turn: inout Turn) {
        guard queues[queue].isOrphan, queues[queue].rules.kind == .stream, phase == .running else {
            return
        }
        tellEnd(queue, &turn)
    }

    /// The other nodes that have a replica of a stream and can be spoken to: a partition that is mended
    /// does not matter to streams.
    func reachableMembers(_ queue: QueueIndex) -> [PeerIndex] {
        queues[queue].members.filter { $0 != me && isReachable($0, queue) }
    }

    /// Whether another node can be asked to do something with a queue.
    func isReachable(_ peer: PeerIndex, _ queue: QueueIndex) -> Bool {
        peers[peer].isRunning
            || queues[queue].rules.kind == .stream && peers[peer].isConnected
                && peers[peer].isPartitioned
    }

    private func reach(_ queue: QueueIndex) -> Reach {
        if queues[queue].isHere, let log = queues[queue].log {
            return Reach(epoch: log.records.last?.epoch ?? 0, end: queues[queue].tailPosition)
        }
        return copies.kept[queues[queue].symbol]?.reach ?? Reach(epoch: 0, end: 0)
    }

    private func about(_ queue: QueueIndex, _ purpose: Words.Replica.Purpose) -> Words.Replica {
        Words.Replica(
            queue: queues[queue].symbol,
            purpose: purpose,
            reach: reach(queue),
            epoch: queues[queue].epoch
        )
    }

    func tellEnd(
        _ queue: QueueIndex,
        to peer: PeerIndex,
        wantsAnswer: Bool = false,
        _ turn: inout Turn
    ) {
        send(about(queue, .end(wantsAnswer: wantsAnswer)), toPeer: peer, &turn)
    }

    mutating func receive(_ word: Words.Replica, _ peer: PeerIndex, _ turn: inout Turn) {
        let queue = queueIndex(word.queue)
        guard queue != .none, phase == .running, queues[queue].rules.kind == .stream else { return }
        switch word.purpose {
        case .end(let wantsAnswer):
            hearEnd(word.reach, word.epoch, queue, peer, &turn)
            guard wantsAnswer else { return }
            if queues[queue].isHere {
                // It looks for the writer, and this is the one.
                beginMirror(queue, peer, &turn)
            } else if queues[queue].isOrphan {
                tellEnd(queue, to: peer, &turn)
            }
        case .ask: promise(word.epoch, to: peer, word.reach, queue, &turn)
        case .promise:
            if copies.elections.promise(word.epoch, by: peer, queue) { countPromises(queue, &turn) }
        }
    }

    /// A replica says how far it reaches, since nobody writes as far as it knows, and in which epoch it is.
    private mutating func hearEnd(
        _ reach: Reach,
        _ epoch: UInt32,
        _ queue: QueueIndex,
        _ peer: PeerIndex,
        _ turn: inout Turn
    ) {
        if queues[queue].isHere, epoch > queues[queue].epoch {
            // Others chose another writer, who is gone as well.
            stepDown(queue, &turn)
            queues[queue].move(to: peer, isHere: false)
        }
        guard !queues[queue].isHere else { return }
        queues[queue].epoch = max(queues[queue].epoch, epoch)
        if queues[queue].home == peer, !queues[queue].isOrphan {
            orphan(queue, &turn)
            copies.elections.forget(queue)
            copies.elections.hear(reach, of: peer, queue)
            tellEnd(queue, &turn)
            return
        }
        guard queues[queue].isOrphan else { return }
        copies.elections.hear(reach, of: peer, queue)
        copies.elections.hear(self.reach(queue), of: me, queue)
        chooseWriter(queue, &turn)
    }

    /// A node can be spoken to again: the replicas of streams without a writer look for one with it.
    mutating func lookForWriters(_ turn: inout Turn) {
        for queue in queues.indices
        where queues[queue].exists && queues[queue].isOrphan && queues[queue].rules.kind == .stream
        {
            tellEnd(queue, &turn)
        }
    }

    /// Of a majority of replicas, the one that reaches farthest asks to be the writer.
    private mutating func chooseWriter(_ queue: QueueIndex, _ turn: inout Turn) {
        guard queues[queue].isOrphan, phase == .running, queues[queue].members.contains(me)
        else { return }
        let others = reachableMembers(queue)
        let here = [me] + others
        guard here.count * 2 > queues[queue].members.count else { return }
        let before = queues[queue].epoch
        let best = copies.elections.farthest(among: here, of: queue, unlessAsked: before, others)
        guard best == me else { return }
        queues[queue].epoch += 1
        copies.elections.ask(queues[queue].epoch, others, queue)
        for peer in others { send(about(queue, .ask), toPeer: peer, &turn) }
        keepPromise(queue, to: me, &turn)
    }

    /// Another replica wants to write: this one takes nothing from earlier writers any more, unless it
    /// reaches farther.
    private mutating func promise(
        _ epoch: UInt32,
        to peer: PeerIndex,
        _ reach: Reach,
        _ queue: QueueIndex,
        _ turn: inout Turn
    ) {
        guard epoch > queues[queue].epoch, !(reach < self.reach(queue)) else {
            if queues[queue].isHere {
                beginMirror(queue, peer, &turn)
            } else {
                tellEnd(queue, to: peer, &turn)
            }
            return
        }
        if queues[queue].isHere {
            stepDown(queue, &turn)
            queues[queue].move(to: peer, isHere: false)
        }
        queues[queue].epoch = epoch
        if !queues[queue].isOrphan { orphan(queue, &turn) }
        keepPromise(queue, to: peer, &turn)
    }

    /// A promise counts when the disk has it.
    private mutating func keepPromise(_ queue: QueueIndex, to peer: PeerIndex, _ turn: inout Turn) {
        assert(queues[queue].isOrphan, "a replica with a writer promises nothing")
        numbers.nextWrite()
        storeQueue(queue, &turn)
        copies.elections.await(numbers.lastWrite.raw, to: peer, queue, queues[queue].epoch)
    }

    /// The disk has taken promises.
    mutating func completePromises(upTo write: UInt64, _ turn: inout Turn) {
        while let first = copies.elections.nextStored(upTo: write) {
            guard phase == .running, queues[first.queue].exists,
                queues[first.queue].epoch == first.epoch
            else { continue }
            if first.peer == me {
                if copies.elections.promise(first.epoch, by: me, first.queue) {
                    countPromises(first.queue, &turn)
                }
            } else {
                send(about(first.queue, .promise), toPeer: first.peer, &turn)
            }
        }
    }

    private mutating func countPromises(_ queue: QueueIndex, _ turn: inout Turn) {
        guard queues[queue].isOrphan,
            copies.elections.isWon(
                queues[queue].epoch,
                of: queue,
                by: me,
                members: queues[queue].members.count
            )
        else { return }
        promote(queue, &turn)
    }

    /// Another replica of a stream writes, of a later epoch: this node follows it.
    mutating func follow(
        _ peer: PeerIndex,
        _ queue: QueueIndex,
        _ epoch: UInt32,
        _ turn: inout Turn
    ) {
        if queues[queue].isHere { stepDown(queue, &turn) }
        copies.elections.forget(queue)
        var place = record(of: queue).place
        place.home = peer
        place.epoch = UInt64(epoch)
        relocate(queue, place, &turn)
    }

    /// The writer of a stream learns that there is a later one: its records are copies from now on.
    private mutating func stepDown(_ queue: QueueIndex, _ turn: inout Turn) {
        assert(queues[queue].isHere, "only the writer steps down")
        assert(queues[queue].log != nil, "only streams have a writer")
        let symbol = queues[queue].symbol
        var mirror = Mirror(epoch: queues[queue].epoch)
        for record in queues[queue].log?.records ?? [] {
            var copy = diskPacket(record.row, redelivered: false)
            copy.d = record.epoch
            copy.x = record.time.nanoseconds
            mirror.put(copy, at: record.position)
            let left = Outside.Holding(
                number: record.position,
                message: copy.message,
                isHeld: false
            )
            recordGoneCopy(left, symbol, &turn)
            messages.release(record.row)
        }
        for consumer in queues[queue].consumers {
            let channel = consumers[consumer].channel
            if sessions[channels[channel].session].isProxy {
                consumers[consumer].exists = false
                channels[channel].consumers.removeAll { $0 == consumer }
                continue
            }
            var word = Packet(.basicConsume, channel: 0)
            word.subject = symbol
            word.key = consumers[consumer].tag
            word.c = consumers[consumer].label
            word.d = consumers[consumer].prefetch
            remoteUse.attach(consumer, by: word)
        }
        queues[queue].consumers = []
        queues[queue].rotation.removeAll()
        queues[queue].unackedCount = 0
        queues[queue].log = StreamLog()
        for slot in copies.homes.end(queue) { settleConfirm(slot, refused: true, &turn) }
        leaveDeliveries(of: queue)
        copies.kept.keep(mirror, of: symbol)
        queues[queue].move(to: .none, isHere: false)
    }
}
