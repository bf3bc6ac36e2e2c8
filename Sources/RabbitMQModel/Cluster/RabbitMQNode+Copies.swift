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
        queues[queue].rules.isReplicated
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
        for one in entries where isStored(one.entry.row, queue) {
            turn.erase(DiskKey.message(symbol, one.position))
            turn.erase(DiskKey.copy(symbol, one.position))
            var packet = diskPacket(one.entry.row, redelivered: one.entry.redelivered)
            packet.x = queues[queue].expiries[one.position]?.nanoseconds ?? 0
            turn.store(packet, at: diskKey(queue, one.position), as: WriteID(writeCount))
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
        case .nodes(let names): return (kept + fresh).filter { names.contains(plan.name(of: $0)) }
        case nil: return []
        }
    }

    /// Has the right nodes keep copies of a queue that lives here.
    mutating func refreshMirrors(_ queue: QueueIndex, _ turn: inout Turn) {
        guard queues[queue].exists, queues[queue].isHere, queues[queue].quorum == .none, isServing,
            queues[queue].rules.isReplicated || !queues[queue].mirrors.isEmpty
        else { return }
        let known = queues[queue].mirrors
        let wanted =
            queues[queue].rules.kind == .stream
            ? reachableMembers(queue)
            : mirrors(by: queues[queue].rules, home: me, among: runningPeers, existing: known)
        guard wanted != known else { return }
        mirrorViews[queue]?.removeAll { !wanted.contains($0.peer) }
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

    /// A node has had copies from the beginning on.
    mutating func openMirror(_ queue: QueueIndex, _ peer: PeerIndex) {
        mirrorViews[queue, default: []].append(
            MirrorView(peer: peer, stored: 0, from: 0, missing: 0)
        )
    }

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
        let content = content(of: queue)
        let rules = queues[queue].rules
        let isWhole = wasWhole || rules.synchronises || rules.kind == .stream || content.isEmpty
        let tail = queues[queue].tailPosition
        var view = MirrorView(peer: peer, stored: 0, from: 0, missing: 0)
        if !isWhole {
            view.from = tail
            view.stored = tail
            view.missing = content.count
        }
        mirrorViews[queue]?.removeAll { $0.peer == peer }
        mirrorViews[queue, default: []].append(view)
        say(.copyBegin, queue, peer, rules.kind == .stream ? tail : 0, &turn)
        guard isWhole else { return }
        var epoch = queues[queue].epoch
        func tell(_ next: UInt32, _ turn: inout Turn) {
            guard next != epoch else { return }
            epoch = next
            var word = Packet(peerWord: .copyEpoch)
            word.d = queues[queue].symbol.raw
            word.y = UInt64(next)
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
        guard !queues[queue].synced.contains(peer) else { return }
        queues[queue].synced = (queues[queue].synced + [peer]).sorted()
        say(.copyWhole, queue, peer, 0, &turn)
    }

    private func say(
        _ word: PeerWord,
        _ queue: QueueIndex,
        _ peer: PeerIndex,
        _ position: UInt64,
        _ turn: inout Turn
    ) {
        var packet = Packet(peerWord: word)
        packet.d = queues[queue].symbol.raw
        packet.port = UInt32(truncatingIfNeeded: position)
        if word == .copyBegin { packet.y = UInt64(queues[queue].epoch) }
        send(packet, toPeer: peer, &turn)
    }

    func copyWord(_ row: MessageIndex, _ queue: QueueIndex, _ position: UInt64, redelivered: Bool)
        -> Packet
    {
        var packet = diskPacket(row, redelivered: redelivered)
        packet.word = PeerWord.copyPut.rawValue
        packet.d = queues[queue].symbol.raw
        packet.port = UInt32(truncatingIfNeeded: position)
        return packet
    }

    private func sendCopy(
        _ one: ReturnedEntry,
        _ queue: QueueIndex,
        to peer: PeerIndex,
        _ turn: inout Turn
    ) {
        var packet = copyWord(
            one.entry.row,
            queue,
            one.position,
            redelivered: one.entry.redelivered
        )
        packet.x = queues[queue].expiries[one.position]?.nanoseconds ?? 0
        if queues[queue].log != nil { packet.x = one.entry.readySince.nanoseconds }
        send(packet, toPeer: peer, &turn)
    }

    /// A message enters a queue at a position: all nodes with copies get one.
    mutating func sendCopy(
        _ row: MessageIndex,
        _ queue: QueueIndex,
        _ position: UInt64,
        _ turn: inout Turn
    ) {
        guard let views = mirrorViews[queue], !views.isEmpty else { return }
        var packet = copyWord(row, queue, position, redelivered: false)
        if queues[queue].log != nil {
            packet.x = turn.now.nanoseconds
        } else if let life = timeToLive(messages[row], queue, turn) {
            packet.x =
                (clock(turn.now) + Interval.milliseconds(life)).nanoseconds
        }
        for view in views { send(packet, toPeer: view.peer, &turn) }
    }

    /// A message is done with: nobody needs copies of it.
    mutating func dropCopy(_ queue: QueueIndex, _ position: UInt64, _ turn: inout Turn) {
        guard let views = mirrorViews[queue] else { return }
        var isNews = false
        for index in views.indices {
            if position >= views[index].from {
                say(.copyDrop, queue, views[index].peer, position, &turn)
            } else if views[index].missing > 0 {
                mirrorViews[queue]?[index].missing -= 1
                if views[index].missing == 1 {
                    // RMQ-MIR-07: what it lacked is gone.
                    becomeWhole(queue, views[index].peer, &turn)
                    isNews = true
                }
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
        guard queues[queue].rules.isReplicated, !areSafe(queue, position) else { return }
        confirms[slot].waiting += 1
        copyWaits[queue, default: []].append(CopyWait(position: position, slot: slot))
    }

    /// Whether enough nodes have the copy at a position.
    private func areSafe(_ queue: QueueIndex, _ position: UInt64) -> Bool {
        let views = mirrorViews[queue] ?? []
        if queues[queue].rules.kind == .stream {
            return (committedEnd(queue) ?? 0) > position
        }
        return views.allSatisfy { $0.stored > position }
    }

    /// How far consumers of a stream may read: what a majority has.
    func committedEnd(_ queue: QueueIndex) -> UInt64? {
        guard let next = queues[queue].log?.next else { return nil }
        let others = queues[queue].members.count / 2
        guard queues[queue].rules.isReplicated, others > 0 else { return next }
        let stored = (mirrorViews[queue] ?? []).map(\.stored).sorted(by: >)
        let safe = others <= stored.count ? stored[others - 1] : 0
        return min(next, max(safe, queues[queue].committed))
    }

    mutating func settleCopyWaits(_ queue: QueueIndex, _ turn: inout Turn) {
        if queues[queue].log != nil {
            queues[queue].committed = max(queues[queue].committed, committedEnd(queue) ?? 0)
        }
        while let first = copyWaits[queue]?.first, areSafe(queue, first.position) {
            copyWaits[queue]?.removeFirst()
            settleConfirm(first.slot, refused: false, &turn)
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
        let symbol = Symbol(packet.d)
        let position = UInt64(packet.port)
        let queue = queueIndex(symbol)
        switch word {
        case .copyBegin:
            let isStream = queue != .none && queues[queue].rules.kind == .stream
            if isStream, packet.y < UInt64(queues[queue].epoch) {
                // Somebody who writes on after others chose another writer.
                if queues[queue].isHere {
                    beginMirror(queue, peer, &turn)
                } else {
                    tellEnd(queue, to: peer, &turn)
                }
                return
            }
            if isStream {
                follow(peer, queue, UInt32(truncatingIfNeeded: packet.y), &turn)
            }
            if queue != .none, queues[queue].isHere { return }
            if isStream {
                // A replica keeps what it has, as far as the writer reaches.
                settleHoldings(queue, &turn)
                mirrors[symbol, default: Mirror()].epoch = UInt32(truncatingIfNeeded: packet.y)
                // What an earlier writer sent is nothing that this one has counted on.
                mirrors[symbol]?.unstored.removeAll()
                for gone in mirrors[symbol, default: Mirror()].truncate(to: position) {
                    turn.erase(DiskKey.copy(symbol, gone))
                }
                return
            }
            throwAwayCopies(of: symbol, &turn)
            mirrors[symbol] = Mirror()
        case .copyPut: keepCopy(packet, symbol, position, peer, &turn)
        case .copyDrop:
            guard let gone = mirrors[symbol]?.drop(position) else { return }
            if gone.has(Flag.persistent) { turn.erase(DiskKey.copy(symbol, position)) }
        case .copyWhole:
            turn.record(.mirrorSynchronised, subject: symbol, peer: peers[peer].node.raw)
        case .copyStored:
            guard queue != .none,
                let index = mirrorViews[queue]?.firstIndex(where: { $0.peer == peer })
            else { return }
            if queues[queue].rules.kind == .stream, packet.y != UInt64(queues[queue].epoch) {
                // It is about what an earlier writer sent.
                return
            }
            let known = mirrorViews[queue]?[index].stored ?? 0
            mirrorViews[queue]?[index].stored = max(known, position + 1)
            settleCopyWaits(queue, &turn)
        case .copyEpoch: mirrors[symbol]?.epoch = UInt32(truncatingIfNeeded: packet.y)
        case .copyEnd, .copyAsk, .copyPromise:
            if queue != .none { receiveAboutWriter(packet, word, queue, peer, &turn) }
        default:
            if queue != .none { takeStale(packet, queue, peer, &turn) }
        }
    }

    private mutating func keepCopy(
        _ packet: Packet,
        _ symbol: Symbol,
        _ position: UInt64,
        _ peer: PeerIndex,
        _ turn: inout Turn
    ) {
        let queue = queueIndex(symbol)
        if queue != .none, queues[queue].isHere { return }
        if queue != .none, queues[queue].rules.kind == .stream,
            queues[queue].home != peer || queues[queue].isOrphan
        {
            return
        }
        var copy = packet
        copy.word = Method.basicPublish.rawValue
        copy.d = mirrors[symbol]?.epoch ?? 1
        copy.port = 0
        mirrors[symbol, default: Mirror()].put(copy, at: position)
        let isStream = queue != .none && queues[queue].rules.kind == .stream
        let isDurable = queue == .none || queues[queue].declaration.durable
        if isDurable, isStream || packet.has(Flag.persistent) {
            writeCount += 1
            turn.store(copy, at: DiskKey.copy(symbol, position), as: WriteID(writeCount))
        }
        let write = mirrors[symbol]?.unstored.last?.write ?? 0
        let isWritten = isDurable && (isStream || packet.has(Flag.persistent))
        guard isWritten || write > 0 else {
            sayStored(symbol, position, peer, &turn)
            return
        }
        mirrors[symbol]?.unstored.append((position, isWritten ? writeCount : write))
    }

    private func sayStored(
        _ symbol: Symbol,
        _ position: UInt64,
        _ peer: PeerIndex,
        _ turn: inout Turn
    ) {
        var word = Packet(peerWord: .copyStored)
        word.d = symbol.raw
        word.port = UInt32(truncatingIfNeeded: position)
        let queue = queueIndex(symbol)
        word.y = queue != .none ? UInt64(queues[queue].epoch) : 0
        send(word, toPeer: peer, &turn)
    }

    /// The disk has taken copies: the homes of their queues hear of it.
    mutating func acknowledgeCopies(upTo write: UInt64, _ turn: inout Turn) {
        for symbol in mirrors.keys.sorted(by: { $0.raw < $1.raw }) {
            var last: UInt64?
            while let first = mirrors[symbol]?.unstored.first, first.write <= write {
                last = first.position
                mirrors[symbol]?.unstored.removeFirst()
            }
            let queue = queueIndex(symbol)
            guard let last, queue != .none, queues[queue].home != me else { continue }
            sayStored(symbol, last, queues[queue].home, &turn)
        }
    }

    /// What the disk has of a queue that may live elsewhere by now.
    mutating func recoverCopy(_ record: Disk.Record, crashed: Bool) {
        var copy = record.packet
        if crashed { copy.flags |= Flag.redelivered }
        let symbol = DiskKey.queue(of: record.key)
        mirrors[symbol, default: Mirror()].put(copy, at: DiskKey.position(of: record.key))
    }

    private mutating func throwAwayCopies(of symbol: Symbol, _ turn: inout Turn) {
        guard let mirror = mirrors.removeValue(forKey: symbol) else { return }
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
        for mirror in mirrors.values {
            for copy in mirror.copies.values { holding.keep(copy.parcel) }
        }
        for word in attachments.values { holding.keep(word.parcel) }
        for one in orphans { holding.keep(one.packet.parcel) }
        for peer in peers { for one in peer.inFlight { holding.keep(one.packet.parcel) } }
        for channel in channels where channel.isWaiting { holding.keep(channel.asked.parcel) }
    }
}
