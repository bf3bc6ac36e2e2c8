import DequeModule
import WarrenKernel
import WarrenTrace

/// Copies of queues on other nodes: mirrors of classic queues, replicas of streams.
///
/// The home of a queue sends what enters it, and what is done with, in order; a mirror confirms what is safe.
/// - Source: RMQ-MIR-01, -07, -11; RMQ-STREAM-14; rabbitmq-server `rabbit_mirror_queue_master.erl`, Osiris.
/// - Differs: a publisher's node sends to the home alone, and not to all mirrors as well; a queue that
///   synchronises a mirror goes on meanwhile.
extension RabbitMQNode {
    /// The key under which the disk has a message of a queue.
    func diskKey(_ queue: QueueIndex, _ position: UInt64) -> UInt64 {
        queues[queue].rules.hasCopies
            ? DiskKey.copy(queues[queue].symbol, position)
            : DiskKey.message(queues[queue].symbol, position)
    }

    /// A queue got mirrors, or has none any more: the disk names its messages by that.
    mutating func rewrite(_ queue: QueueIndex, _ turn: inout Turn) {
        guard queues[queue].isHere, queues[queue].declaration.durable else { return }
        let symbol = queues[queue].symbol
        var entries = queues[queue].readyEntries
        for channel in channels where channel.state == .open {
            for delivery in channel.unacked where delivery.isCopy(of: queue) {
                entries.append(takeBackEntry(delivery, turn.now))
            }
        }
        for one in entries where queues[queue].keeps(messages[one.entry.row].persistent) {
            turn.erase(DiskKey.message(symbol, one.position))
            turn.erase(DiskKey.copy(symbol, one.position))
            var packet = diskPacket(one.entry.row, redelivered: one.entry.redelivered)
            packet.x = queues[queue].expiries[one.position]?.nanoseconds ?? 0
            turn.store(packet, at: diskKey(queue, one.position), as: numbers.lastWrite)
        }
    }

    // MARK: Which nodes

    /// The nodes that should have copies of a queue, the home not among them.
    ///
    /// - Source: RMQ-MIR-01; of `exactly`, those that have one keep it.
    func mirrors(
        by rules: QueueRules,
        home: PeerIndex,
        among running: [PeerIndex],
        existing: [PeerIndex]
    ) -> [PeerIndex] {
        let kept = existing.filter { running.contains($0) && $0 != home }
        let fresh = running.sorted().filter { $0 != home && !kept.contains($0) }
        switch rules.mirroring {
        case .all: return kept + fresh
        case .exactly(let count): return Array((kept + fresh).prefix(max(0, count - 1)))
        case .nodes(let names):
            return (kept + fresh).filter { names.contains(peers.plan.name(of: $0)) }
        case nil: return []
        }
    }

    /// Has the right nodes keep copies of a queue that lives here.
    mutating func refreshMirrors(_ queue: QueueIndex, _ turn: inout Turn) {
        guard queues[queue].exists, queues[queue].isHere, queues[queue].quorum == .none, isServing,
            queues[queue].rules.hasCopies || !queues[queue].mirrors.isEmpty
        else { return }
        let known = queues[queue].mirrors
        let wanted =
            queues[queue].rules.kind == .stream
            ? reachableMembers(queue)
            : mirrors(by: queues[queue].rules, home: me, among: runningPeers, existing: known)
        guard wanted != known else { return }
        copies.homes.keep(wanted, of: queue)
        queues[queue].mirrors = wanted
        queues[queue].synced.removeAll { !wanted.contains($0) }
        for peer in wanted where !known.contains(peer) { beginMirror(queue, peer, &turn) }
        tellPlace(queue, &turn)
        settleCopyWaits(queue, &turn)
    }

    /// All nodes hear, and keep on their disks, where a queue lives and who has copies of it.
    mutating func tellPlace(_ queue: QueueIndex, _ turn: inout Turn) {
        storeQueue(queue, &turn)
        propose(
            .setPlace(
                queue: queues[queue].declaration.name,
                scope: queues[queue].scope,
                record(of: queue).place
            ),
            then: .nothing,
            &turn
        )
    }

    // MARK: At the home

    /// Everything that a queue holds, with its position.
    func content(of queue: QueueIndex) -> [ReturnedEntry] {
        if let log = queues[queue].log {
            return log.records.map {
                ReturnedEntry(
                    position: $0.position,
                    entry: Entry(readySince: $0.time, row: $0.row, redelivered: false)
                )
            }
        }
        var all = queues[queue].readyEntries
        for channel in channels where channel.state == .open {
            for delivery in channel.unacked where delivery.isCopy(of: queue) {
                all.append(takeBackEntry(delivery, delivery.readySince))
            }
        }
        return all.sorted { $0.position < $1.position }
    }

    /// A node begins to keep copies: of everything, or of what comes from now on.
    ///
    /// - Source: RMQ-MIR-07.
    mutating func beginMirror(
        _ queue: QueueIndex,
        _ peer: PeerIndex,
        wasWhole: Bool = false,
        _ turn: inout Turn
    ) {
        assert(peer != me, "a node keeps no copies of its own queues")
        assert(queues[queue].isHere, "a queue is copied from where it lives")
        let content = content(of: queue)
        let rules = queues[queue].rules
        let isWhole = wasWhole || rules.kind == .stream || content.isEmpty
        let tail = queues[queue].tailPosition
        if isWhole {
            copies.homes.open(peer, of: queue)
        } else {
            copies.homes.open(peer, of: queue, from: tail, missing: content.count)
        }
        let word = Words.CopyBegin(
            queue: queues[queue].symbol,
            position: rules.kind == .stream ? tail : 0,
            epoch: queues[queue].epoch
        )
        send(word, toPeer: peer, &turn)
        guard isWhole else {
            if rules.synchronises { synchronise(queue, content, &turn) }
            return
        }
        var epoch = queues[queue].epoch
        func tell(_ next: UInt32, _ turn: inout Turn) {
            guard next != epoch else { return }
            epoch = next
            let word = Words.CopyEpoch(queue: queues[queue].symbol, epoch: next)
            send(word, toPeer: peer, &turn)
        }
        for (index, one) in content.enumerated() {
            if let log = queues[queue].log { tell(log.records[index].epoch, &turn) }
            sendCopy(one, queue, to: peer, &turn)
        }
        tell(queues[queue].epoch, &turn)
        becomeWhole(queue, peer, &turn)
    }

    /// A mirror has all that the queue holds.
    private mutating func becomeWhole(_ queue: QueueIndex, _ peer: PeerIndex, _ turn: inout Turn) {
        assert(queues[queue].isHere, "a mirror is whole by what its home says")
        guard !queues[queue].synced.contains(peer) else { return }
        queues[queue].synced = (queues[queue].synced + [peer]).sorted()
        send(Words.CopyWhole(queue: queues[queue].symbol), toPeer: peer, &turn)
    }

    private func copyWord(
        _ one: ReturnedEntry,
        _ queue: QueueIndex,
        moment: UInt64
    ) -> Words.CopyPut {
        Words.CopyPut(
            queue: queues[queue].symbol,
            position: one.position,
            publication: diskPacket(one.entry.row, redelivered: one.entry.redelivered),
            moment: moment
        )
    }

    private func sendCopy(
        _ one: ReturnedEntry,
        _ queue: QueueIndex,
        to peer: PeerIndex,
        _ turn: inout Turn
    ) {
        let moment =
            queues[queue].log == nil
            ? queues[queue].expiries[one.position]?.nanoseconds ?? 0
            : one.entry.readySince.nanoseconds
        send(copyWord(one, queue, moment: moment), toPeer: peer, &turn)
    }

    /// A message enters a queue at a position: all nodes with copies get one.
    mutating func sendCopy(
        _ row: MessageIndex,
        _ queue: QueueIndex,
        _ position: UInt64,
        _ turn: inout Turn
    ) {
        assert(queues[queue].isHere, "copies come from where a queue lives")
        let views = copies.homes.views(of: queue)
        guard !views.isEmpty else { return }
        var moment: UInt64 = 0
        if queues[queue].log != nil {
            moment = turn.now.nanoseconds
        } else if let life = timeToLive(messages[row], queue, turn) {
            moment = (clock(turn.now) + Interval.milliseconds(life)).nanoseconds
        }
        let entry = Entry(readySince: turn.now, row: row, redelivered: false)
        let copy = ReturnedEntry(position: position, entry: entry)
        let packet = copyWord(copy, queue, moment: moment).packet
        for view in views { send(packet, toPeer: view.peer, &turn) }
    }

    /// A message is done with: nobody needs copies of it.
    mutating func dropCopy(_ queue: QueueIndex, _ position: UInt64, _ turn: inout Turn) {
        assert(queues[queue].isHere, "copies are dropped by where a queue lives")
        var isNews = false
        for view in copies.homes.views(of: queue) {
            switch copies.homes.drop(position, at: view.peer, of: queue) {
            case .nothing: break
            case .dropped:
                let word = Words.CopyDrop(queue: queues[queue].symbol, position: position)
                send(word, toPeer: view.peer, &turn)
            case .whole:
                becomeWhole(queue, view.peer, &turn)
                isNews = true
            }
        }
        if isNews { tellPlace(queue, &turn) }
    }

    /// A confirm waits until copies are safe.
    ///
    /// - Source: RMQ-MIR-11 (all mirrors), Osiris (a majority).
    mutating func awaitCopies(
        _ slot: ConfirmSlot,
        _ queue: QueueIndex,
        _ position: UInt64,
        _ turn: inout Turn
    ) {
        assert(position < queues[queue].tailPosition, "a confirm waits for what has not come")
        guard queues[queue].rules.hasCopies, !areSafe(queue, position) else { return }
        confirms.extend(slot)
        copies.homes.await(slot, queue, position)
    }

    /// Whether enough nodes have the copy at a position.
    private func areSafe(_ queue: QueueIndex, _ position: UInt64) -> Bool {
        if queues[queue].rules.kind == .stream {
            return (committedEnd(queue) ?? 0) > position
        }
        return copies.homes.isStored(position, of: queue)
    }

    /// How far consumers of a stream may read: what a majority has.
    func committedEnd(_ queue: QueueIndex) -> UInt64? {
        guard let next = queues[queue].log?.next else { return nil }
        let others = queues[queue].members.count / 2
        guard queues[queue].rules.hasCopies, others > 0 else { return next }
        let safe = copies.homes.end(of: queue, atLeast: others)
        return min(next, max(safe, queues[queue].committed))
    }

    mutating func settleCopyWaits(_ queue: QueueIndex, _ turn: inout Turn) {
        if queues[queue].log != nil {
            queues[queue].committed = max(queues[queue].committed, committedEnd(queue) ?? 0)
        }
        while let position = copies.homes.firstAwaited(queue), areSafe(queue, position),
            let slot = copies.homes.takeFirstWait(queue)
        {
            settleConfirm(slot, refused: false, &turn)
        }
        if queues[queue].log != nil { readLog(queue, &turn) }
    }

    // MARK: At a mirror

    mutating func receiveCopy(
        _ packet: Packet,
        _ word: PeerWord,
        _ peer: PeerIndex,
        _ turn: inout Turn
    ) {
        switch word {
        case .copyBegin:
            if let word = Words.CopyBegin(packet) { beginCopies(word, peer, &turn) }
        case .copyPut:
            if let word = Words.CopyPut(packet) { keepCopy(word, peer, &turn) }
        case .copyDrop:
            guard let word = Words.CopyDrop(packet),
                let gone = copies.kept.drop(word.position, of: word.queue)
            else { return }
            if gone.has(Flag.persistent) { turn.erase(DiskKey.copy(word.queue, word.position)) }
        case .copyWhole:
            guard let word = Words.CopyWhole(packet) else { return }
            turn.record(.mirrorSynchronised, subject: word.queue, peer: peers[peer].node.raw)
        case .copyStored:
            if let word = Words.CopyStored(packet) { hearStored(word, peer, &turn) }
        case .copyEpoch:
            if let word = Words.CopyEpoch(packet) { copies.kept.begin(word.epoch, of: word.queue) }
        case .copyEnd, .copyAsk, .copyPromise:
            if let word = Words.Replica(packet) { receive(word, peer, &turn) }
        default:
            if let word = Words.SettleStale(packet) { takeStale(word, &turn) }
        }
    }

    /// The home of a queue begins to send what it holds.
    private mutating func beginCopies(
        _ word: Words.CopyBegin,
        _ peer: PeerIndex,
        _ turn: inout Turn
    ) {
        let queue = queueIndex(word.queue)
        guard queue != .none, queues[queue].rules.kind == .stream else {
            if queue != .none, queues[queue].isHere { return }
            throwAwayCopies(of: word.queue, &turn)
            copies.kept.keep(Mirror(), of: word.queue)
            return
        }
        if word.epoch < queues[queue].epoch {
            // Somebody who writes on after others chose another writer.
            if queues[queue].isHere {
                beginMirror(queue, peer, &turn)
            } else {
                tellEnd(queue, to: peer, &turn)
            }
            return
        }
        follow(peer, queue, word.epoch, &turn)
        if queues[queue].isHere { return }
        // A replica keeps what it has, as far as the writer reaches.
        settleHoldings(queue, &turn)
        for gone in copies.kept.restart(word.queue, epoch: word.epoch, end: word.position) {
            turn.erase(DiskKey.copy(word.queue, gone))
        }
    }

    /// A node with copies has them on its disk up to a position.
    private mutating func hearStored(
        _ word: Words.CopyStored,
        _ peer: PeerIndex,
        _ turn: inout Turn
    ) {
        let queue = queueIndex(word.queue)
        guard queue != .none else { return }
        // Not what it says about what an earlier writer sent.
        if queues[queue].rules.kind == .stream, word.epoch != queues[queue].epoch { return }
        if copies.homes.store(word.position, at: peer, of: queue) {
            settleCopyWaits(queue, &turn)
        }
    }

    private mutating func keepCopy(
        _ word: Words.CopyPut,
        _ peer: PeerIndex,
        _ turn: inout Turn
    ) {
        let symbol = word.queue
        let queue = queueIndex(symbol)
        if queue != .none, queues[queue].isHere { return }
        let isStream = queue != .none && queues[queue].rules.kind == .stream
        if isStream, queues[queue].home != peer || queues[queue].isOrphan { return }
        var copy = word.publication
        copy.d = copies.kept[symbol]?.epoch ?? 1
        copy.x = word.moment
        copies.kept.put(copy, at: word.position, of: symbol)
        let isDurable = queue == .none || queues[queue].declaration.durable
        let isWritten = isDurable && (isStream || copy.has(Flag.persistent))
        if isWritten {
            turn.store(copy, at: DiskKey.copy(symbol, word.position), as: numbers.nextWrite())
        }
        if !copies.kept.await(
            isWritten ? numbers.lastWrite.raw : nil,
            for: word.position,
            of: symbol
        ) {
            sayStored(symbol, word.position, peer, &turn)
        }
    }

    private func sayStored(
        _ symbol: Symbol,
        _ position: UInt64,
        _ peer: PeerIndex,
        _ turn: inout Turn
    ) {
        let queue = queueIndex(symbol)
        let word = Words.CopyStored(
            queue: symbol,
            position: position,
            epoch: queue != .none ? queues[queue].epoch : 0
        )
        send(word, toPeer: peer, &turn)
    }

    /// The disk has taken copies: the homes of their queues hear of it.
    mutating func acknowledgeCopies(upTo write: UInt64, _ turn: inout Turn) {
        for safe in copies.kept.stored(upTo: write) {
            let queue = queueIndex(safe.queue)
            guard queue != .none, queues[queue].home != me else { continue }
            sayStored(safe.queue, safe.position, queues[queue].home, &turn)
        }
    }

    /// What the disk has of a queue that may live elsewhere by now.
    mutating func recoverCopy(_ record: Disk.Record, crashed: Bool) {
        var copy = record.packet
        if crashed { copy.flags |= Flag.redelivered }
        let symbol = DiskKey.queue(of: record.key)
        copies.kept.put(copy, at: DiskKey.position(of: record.key), of: symbol)
    }

    private mutating func throwAwayCopies(of symbol: Symbol, _ turn: inout Turn) {
        guard let mirror = copies.kept.take(symbol) else { return }
        for position in mirror.positions { turn.erase(DiskKey.copy(symbol, position)) }
    }

    /// The queue lives elsewhere now: what this node had of it is void.
    ///
    /// - Source: RMQ-MIR-08; RMQ-PART-04.
    mutating func throwAwayCopies(_ queue: QueueIndex, _ turn: inout Turn) {
        let symbol = queues[queue].symbol
        throwAwayCopies(of: symbol, &turn)
        settleHoldings(queue, &turn)
    }

    /// What this node held when it went down is no longer anybody's.
    mutating func settleHoldings(_ queue: QueueIndex, _ turn: inout Turn) {
        let symbol = queues[queue].symbol
        for one in turn.outside.takeOver(symbol, from: turn.node) {
            recordGoneCopy(one, symbol, &turn)
        }
    }

    func recordGoneCopy(_ one: Outside.Holding, _ symbol: Symbol, _ turn: inout Turn) {
        turn.record(
            .messageDropped,
            message: one.message,
            subject: symbol,
            variant: DropReason.nodeLost.rawValue,
            detail: one.isHeld ? CopyPlace.unacked.rawValue : CopyPlace.ready.rawValue
        )
    }

    /// The node goes down: those who watch know what its queues held, until somebody takes them over.
    func leaveHoldings(_ turn: inout Turn) {
        for index in queues.indices
        where queues[index].exists && queues[index].isHere && !queues[index].isAlone {
            var held: Set<UInt64> = []
            if queues[index].log == nil {
                for channel in channels where channel.state == .open {
                    for delivery in channel.unacked where delivery.isCopy(of: index) {
                        held.insert(delivery.position)
                    }
                }
            }
            let holdings = content(of: index).map {
                Outside.Holding(
                    number: $0.position,
                    message: messages[$0.entry.row].message,
                    isHeld: held.contains($0.position)
                )
            }
            turn.outside.leave(queues[index].symbol, by: turn.node, holdings)
        }
    }

    func copyParcels(_ holding: inout ParcelMarks) {
        copies.kept.parcels(&holding)
        remoteUse.parcels(&holding)
        for packet in copies.homes.held { holding.keep(packet.parcel) }
        for channel in channels where channel.isWaiting { holding.keep(channel.asked.parcel) }
    }
}
