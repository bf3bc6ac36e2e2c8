import DequeModule
import WarrenKernel
import WarrenTrace

/// Quorum queues: commands in, commits, effects out.
///
/// - Source: rabbitmq-server `rabbit_quorum_queue.erl`, `rabbit_fifo_client.erl`; RMQ-QQ-25 to -39.
extension RabbitMQNode {
    // MARK: Making them

    /// Gives a queue its Raft group; the members here begin with a leader that all know.
    mutating func addQuorum(_ queue: QueueIndex, _ place: QueuePlace, _ turn: inout Turn) {
        assert(place.members.contains(place.home), "a leader is one of the members")
        assert(place.members == place.members.sorted(), "members are named in their order")
        let quorum = knowQuorum(queue, place, leader: place.home, &turn)
        guard place.members.contains(me) else { return }
        let raft = Raft(
            members: place.members,
            me: me,
            leader: place.home,
            term: place.epoch
        )
        join(quorum, raft, &turn)
        storeVote(quorum, &turn)
        if place.home == me { lead(quorum, &turn) }
    }

    /// Gets to know a quorum queue, of which this node may have a member.
    @discardableResult
    mutating func knowQuorum(
        _ queue: QueueIndex,
        _ place: QueuePlace,
        leader: PeerIndex,
        _ turn: inout Turn
    ) -> QuorumIndex {
        let symbol = queues[queue].symbol
        let quorum = quorums.add(
            QuorumGroup(
                queue: queue,
                symbol: symbol,
                epoch: place.epoch,
                history: turn.outside.history(of: symbol, epoch: place.epoch),
                members: place.members,
                leader: leader
            )
        )
        queues[queue].become(.quorum(quorum))
        return quorum
    }

    mutating func join(
        _ quorum: QuorumIndex,
        _ raft: Raft,
        _ turn: inout Turn
    ) {
        let empty = QuorumQueue(
            queues[quorums[quorum].queue].rules,
            honoursPriority: settings.version >= .v4_0,
            createdAt: clock(turn.now)
        )
        let snapshot: QuorumSnapshot? = turn.parcels.get(raft.log.snapshot)
        quorums.join(
            quorum,
            QuorumMember(raft, empty, startedAt: turn.now, snapshot: snapshot)
        )
    }

    @inline(__always)
    func symbol(_ quorum: QuorumIndex) -> Symbol { quorums[quorum].symbol }

    /// Forgets a queue that is deleted, with all that it holds.
    mutating func removeQuorum(_ queue: QueueIndex, _ turn: inout Turn) {
        assert(queues[queue].quorum != .none, "a queue that is no quorum queue has no members")
        let quorum = queues[queue].quorum
        quorums.forget(quorum)
        for waiting in quorums[quorum].client.abandon() { abandon(waiting, of: queue, &turn) }
        guard let member = quorums.member(of: quorum) else { return }
        eraseMember(of: quorum, &turn)
        turn.disarm(NodeTimer.repetition(ofQueue: queue))
        // A deletion that went through the log has emptied it; any other is told once, by a member that
        // has all that is known.
        guard turn.outside.end(quorums[quorum].history, index: member.applied) else { return }
        let machine = member.queue(turn.parcels)
        for copy in machine.presentCopies {
            recordGone(copy.packet.message, queue, .queueDeleted, .ready, &turn)
        }
        for held in machine.heldCopies {
            recordGone(held.copy.packet.message, queue, .queueDeleted, .unacked, &turn)
        }
    }

    /// This node has no member any more, and nothing of it on its disk.
    mutating func eraseMember(of quorum: QuorumIndex, _ turn: inout Turn) {
        let symbol = symbol(quorum)
        quorums.leave(quorum)
        turn.truncate(symbol.raw, from: 0)
        turn.erase(DiskKey.vote(symbol))
        turn.erase(DiskKey.snapshot(symbol))
        turn.disarm(NodeTimer.election(ofQueue: quorums[quorum].queue))
        turn.disarm(NodeTimer.expiry(ofQueue: quorums[quorum].queue))
    }

    func recordGone(
        _ message: MessageID,
        _ queue: QueueIndex,
        _ reason: DropReason,
        _ place: CopyPlace,
        _ turn: inout Turn
    ) {
        turn.record(
            .messageDropped,
            message: message,
            subject: queues[queue].symbol,
            variant: reason.rawValue,
            detail: place.rawValue
        )
    }

    // MARK: As the leader

    /// Makes a command part of the log, if this node leads.
    mutating func submit(_ command: QuorumCommand, _ quorum: QuorumIndex, _ turn: inout Turn) {
        guard quorums.leads(quorum) else { return }
        if quorums[member: quorum].mayAppendAtOnce {
            return append(.one(command), quorum, &turn)
        }
        quorums.act(quorum) { member, _ in member.gather(command) }
        flush(quorum, &turn)
    }

    /// Makes an entry of what has gathered, unless enough entries are under way.
    mutating func flush(_ quorum: QuorumIndex, _ turn: inout Turn) {
        assert(quorums[quorum].hasMember, "a node without a member makes no entries")
        guard quorums[member: quorum].mayAppendGathered else { return }
        var commands = QuorumCommands.many([])
        quorums.act(quorum) { member, _ in commands = member.takeGathered() }
        append(commands, quorum, &turn)
    }

    private mutating func append(
        _ commands: QuorumCommands,
        _ quorum: QuorumIndex,
        _ turn: inout Turn
    ) {
        var batch = QuorumBatch(time: clock(turn.now), commands: commands)
        if quorums[member: quorum].mustConfigure {
            batch.configuration = configuration(of: quorum)
        }
        let parcel = batch.keep(in: &turn.parcels)
        quorums.act(quorum) { $0.append(parcel, &$1) }
        fulfil(quorum, &turn)
    }

    private func configuration(of quorum: QuorumIndex) -> QuorumConfiguration {
        QuorumConfiguration(
            rules: queues[quorums[quorum].queue].rules,
            honoursPriority: settings.version >= .v4_0
        )
    }

    /// This node leads from now on: it says so, and commits an entry of its own term.
    private mutating func lead(_ quorum: QuorumIndex, _ turn: inout Turn) {
        assert(quorums.leads(quorum), "a node says that it leads, and does not")
        let term = quorums[member: quorum].raft.term
        if isClustered { turn.record(.leaderElected, subject: symbol(quorum), detail: term) }
        quorums.act(quorum) { member, _ in member.beginTerm(turn.parcels) }
        announce(quorum, term, &turn)
        flush(quorum, &turn)
        follow(me, term, quorum, &turn)
        watchExpiry(quorum, &turn)
        watchExpires(quorums[quorum].queue, &turn)
    }

    /// A leader that has applied all that it inherited sees who of its clients is there.
    mutating func greetClients(of quorum: QuorumIndex, _ turn: inout Turn) {
        assert(quorums.leads(quorum), "the leader greets the clients")
        var known: Set<UInt64> = []
        quorums.act(quorum) { member, _ in known = member.clientsToGreet() }
        func gather(_ kind: QuorumCommand.Kind, _ client: UInt64) {
            quorums.act(quorum) { member, _ in
                member.gather(QuorumCommand(kind: kind, client: client))
            }
        }
        for peer in peers.indices where peer != me {
            let key = Self.clientKey(peer, peers[peer].life)
            known.remove(key)
            gather(peers[peer].isConnected || turn.now == .zero ? .nodeUp : .nodeDown, key)
        }
        // The last leader may have held this node for down.
        if known.remove(clientKey) != nil { gather(.nodeUp, clientKey) }
        for key in known.sorted() {
            let node = Self.node(ofClient: key)
            gather(peers[node].isConnected || node == me ? .nodeGone : .nodeDown, key)
        }
        guard let queue = quorums.member(of: quorum)?.machine else { return }
        announce(queue.fullness, quorum, &turn)
        // What the last leader sent may not have arrived, and whoever asked for it asked too early.
        for party in queue.holders { deliverAgain(quorum, party.client, party.number, &turn) }
    }

    // MARK: What members want

    /// Does what a member wants done after an input, and all that follows from it.
    mutating func carryOut(_ quorum: QuorumIndex, _ turn: inout Turn) {
        assert(quorums[quorum].hasMember, "nobody wants anything done")
        let becameLeader = quorums.wishes.becameLeader
        fulfil(quorum, &turn)
        if becameLeader { lead(quorum, &turn) }
        adoptLeader(quorum, &turn)
        applyCommitted(quorum, &turn)
    }

    /// Writes and sends what a member wants written and sent; nothing follows from that before the disk or another
    /// node answers.
    mutating func fulfil(_ quorum: QuorumIndex, _ turn: inout Turn) {
        assert(quorums[quorum].hasMember, "nobody wants anything done")
        let symbol = symbol(quorum)
        if quorums.wishes.vote { storeVote(quorum, &turn) }
        if quorums.wishes.snapshot { storeSnapshot(quorum, &turn) }
        if !quorums.wishes.erased.isEmpty { erase(quorum, &turn) }
        if !quorums.wishes.entries.isEmpty { write(quorum, &turn) }
        if !quorums.wishes.sends.isEmpty {
            for (peer, message) in quorums.wishes.sends where peers[peer].connection != .none {
                send(Packet(message, symbol), toPeer: peer, &turn)
            }
        }
        if let isWanted = quorums.wishes.election { setElection(quorum, isWanted, &turn) }
        quorums.fulfil(quorum, writtenUpTo: numbers.lastWrite.raw)
    }

    private mutating func write(_ quorum: QuorumIndex, _ turn: inout Turn) {
        for index in quorums.wishes.entries {
            guard let entry = quorums[member: quorum].raft.log[index] else { continue }
            turn.append(
                Journal.Entry(parcel: entry.parcel, mark: entry.term),
                to: symbol(quorum).raw,
                at: index,
                as: numbers.nextWrite()
            )
        }
    }

    private func erase(_ quorum: QuorumIndex, _ turn: inout Turn) {
        let symbol = symbol(quorum)
        for (first, end) in quorums.wishes.erased where first < end {
            // What goes is either the end of the log or its beginning.
            if end > quorums[member: quorum].raft.lastIndex {
                turn.truncate(symbol.raw, from: first)
            } else {
                turn.trim(symbol.raw, before: end)
            }
        }
    }

    /// What a member knows of the leader is known to this node as a client, too.
    private mutating func adoptLeader(_ quorum: QuorumIndex, _ turn: inout Turn) {
        let leader = quorums[member: quorum].raft.leader
        guard leader != .none, leader != me else { return }
        follow(leader, quorums[member: quorum].raft.term, quorum, &turn)
    }

    mutating func storeVote(_ quorum: QuorumIndex, _ turn: inout Turn) {
        var packet = Packet()
        packet.x = quorums[member: quorum].raft.term
        packet.y = UInt64(quorums[member: quorum].raft.votedFor.wire)
        packet.d = UInt32(truncatingIfNeeded: quorums[quorum].epoch)
        packet.setMembers(quorums[member: quorum].raft.log.members.atSnapshot)
        turn.store(packet, at: DiskKey.vote(symbol(quorum)), as: numbers.nextWrite())
    }

    private mutating func storeSnapshot(_ quorum: QuorumIndex, _ turn: inout Turn) {
        let log = quorums[member: quorum].raft.log
        let parcel = log.snapshot
        var packet = Packet()
        packet.parcel = parcel
        packet.x = log.snapshotIndex
        packet.y = log.snapshotTerm
        packet.setMembers(log.members.atSnapshot)
        turn.store(packet, at: DiskKey.snapshot(symbol(quorum)), as: numbers.nextWrite())
        guard log.snapshotIndex > quorums[member: quorum].applied,
            let snapshot: QuorumSnapshot = turn.parcels.get(parcel)
        else { return }
        quorums.act(quorum) { member, _ in member.adopt(snapshot) }
        turn.record(
            .snapshotInstalled,
            subject: symbol(quorum),
            peer: peers[quorums[member: quorum].raft.leader].node.raw,
            detail: log.snapshotIndex
        )
    }

    // MARK: Raft

    /// Something that members waited for has reached the disk.
    mutating func completeSyncs(upTo write: UInt64, _ turn: inout Turn) {
        while let quorum = quorums.nextStored(upTo: write) { carryOut(quorum, &turn) }
    }

    mutating func receiveRaft(_ packet: Packet, _ peer: PeerIndex, _ turn: inout Turn) {
        assert(peer != me, "a member hears others")
        let quorum = quorums.index(of: packet.subject)
        guard quorum != .none, quorums[quorum].hasMember, let message = Raft.Message(packet) else {
            return
        }
        let leader = quorums[member: quorum].raft.leader
        let isAlive =
            leader == me
            || leader != .none && peers[leader].isConnected && !peers[leader].isSuspect
        quorums.act(quorum) { member, wishes in
            member.beware(of: message, turn.parcels)
            member.receive(message, from: peer, leaderIsAlive: isAlive, &wishes)
        }
        carryOut(quorum, &turn)
    }

    /// `isAtOnce` says that the leader's process is gone while its node is there.
    ///
    /// - Source: RMQ-QQ-31: about a quarter of a second after a kill; RMQ-QQ-59; `ra_server_proc`, its timeouts.
    mutating func setElection(
        _ quorum: QuorumIndex,
        _ isWanted: Bool,
        isAtOnce: Bool = false,
        _ turn: inout Turn
    ) {
        let timer = NodeTimer.election(ofQueue: quorums[quorum].queue)
        guard isWanted else {
            if quorums[quorum].awaitsElection { turn.disarm(timer) }
            quorums[quorum].awaitsElection = false
            return
        }
        quorums[quorum].awaitsElection = true
        let role = quorums[member: quorum].raft.role
        let stream = turn.chance.stream("elections \(peers.plan.name(of: me))")
        let least: UInt64 = isAtOnce ? 1 : role == .follower ? 100 : 300
        let span: UInt64 = isAtOnce ? 100 : least
        let delay = Interval.milliseconds(least + turn.chance.below(span, stream))
        // Those who cannot win go on trying; nobody waits for that.
        turn.arm(timer, after: delay, background: role != .follower)
    }

    mutating func holdElection(_ queue: QueueIndex, _ turn: inout Turn) {
        let quorum = queues[queue].quorum
        guard quorum != .none, quorums[quorum].hasMember else { return }
        quorums.act(quorum) { member, wishes in
            if member.isLeader { member.leadOn(&wishes) } else { member.stand(&wishes) }
        }
        carryOut(quorum, &turn)
    }

    // MARK: Time

    /// Sets the leader's timer for the next copy that expires.
    mutating func watchExpiry(_ quorum: QuorumIndex, _ turn: inout Turn) {
        var alarm: QuorumMember.Alarm?
        quorums.act(quorum) { member, _ in alarm = member.nextAlarm() }
        guard let alarm else { return }
        let timer = NodeTimer.expiry(ofQueue: quorums[quorum].queue)
        switch alarm {
        case .off: turn.disarm(timer)
        case .set(let next):
            let now = clock(turn.now).nanoseconds
            turn.arm(timer, after: Interval(nanoseconds: next > now ? next - now : 0))
        }
    }

    mutating func expire(quorum: QuorumIndex, _ turn: inout Turn) {
        guard quorums.leads(quorum) else { return }
        quorums.act(quorum) { member, _ in member.wake() }
        submit(QuorumCommand(kind: .expire), quorum, &turn)
    }

    /// Followers that have gone quiet hear what is committed.
    mutating func tellCommits(_ turn: inout Turn) {
        guard isClustered else { return }
        for quorum in quorums.indices where quorums.leads(quorum) {
            for peer in quorums[member: quorum].raft.members
            where peer != me && peers[peer].connection != .none {
                quorums.act(quorum) { $0.probe(peer, &$1) }
            }
            carryOut(quorum, &turn)
        }
    }

    // MARK: Peers come and go

    /// A peer is connected, perhaps for the first time in this life of it.
    mutating func greetQuorums(_ peer: PeerIndex, isSameLife: Bool, _ turn: inout Turn) {
        let key = Self.clientKey(peer, peers[peer].life)
        for quorum in quorums.indices {
            guard let member = quorums.member(of: quorum), member.isLeader else { continue }
            let word = Words.Leads(queue: symbol(quorum), term: member.raft.term)
            send(word, toPeer: peer, &turn)
            if quorums[quorum].client.recorded == me { tellRecord(quorum, toPeer: peer, &turn) }
            let fullness = member.machine.fullness
            if fullness != .open { tell(fullness, quorum, toPeer: peer, &turn) }
            if turn.now > .zero, member.raft.commit > 0 {
                let olds = member.machine.clients.sorted().filter {
                    Self.node(ofClient: $0) == peer && $0 != key
                }
                quorums.act(quorum) { member, _ in
                    for old in olds { member.gather(QuorumCommand(kind: .nodeGone, client: old)) }
                    member.gather(QuorumCommand(kind: .nodeUp, client: key))
                }
                flush(quorum, &turn)
            }
            quorums.act(quorum) { $0.probe(peer, &$1) }
            carryOut(quorum, &turn)
        }
        // What was said to it before may have been lost with the old connection.
        for quorum in quorums.indices
        where quorums[quorum].client.leader == peer && !quorums[quorum].client.undone.isEmpty {
            sayAgain(quorum, &turn)
        }
    }

    /// A peer is gone: its leaderships are open, and what its consumers held comes back.
    mutating func leaveQuorums(_ peer: PeerIndex, _ turn: inout Turn) {
        let key = Self.clientKey(peer, peers[peer].life)
        for quorum in quorums.indices {
            quorums[quorum].client.lose(peer)
            if let term = quorums.member(of: quorum)?.raft.term {
                takeHearing(term, of: peer, quorum, &turn)
            }
            failCalls(to: peer, quorum, &turn)
            failOrders(to: peer, quorum, &turn)
            guard let raft = quorums.member(of: quorum)?.raft else { continue }
            if raft.leader == peer {
                quorums.act(quorum) { $0.loseLeader(&$1) }
                carryOut(quorum, &turn)
            } else if raft.isLeader {
                submit(QuorumCommand(kind: .nodeDown, client: key), quorum, &turn)
            }
        }
    }

    /// A peer has been silent for some time: its leaderships are doubted.
    mutating func doubtLeader(_ peer: PeerIndex, _ turn: inout Turn) {
        for quorum in quorums.indices where quorums.member(of: quorum)?.raft.leader == peer {
            setElection(quorum, true, &turn)
        }
    }

    /// A node that has joined looks for leaders, and stands where there is none.
    mutating func wakeQuorums(_ turn: inout Turn) {
        for quorum in quorums.indices {
            guard let raft = quorums.member(of: quorum)?.raft, !raft.isLeader, raft.leader == .none
            else { continue }
            if raft.members.count == 1 {
                holdElection(quorums[quorum].queue, &turn)
            } else {
                setElection(quorum, true, &turn)
            }
        }
    }

    // MARK: The disk

    /// Makes a member again from what its disk kept.
    mutating func recoverQuorum(_ queue: QueueIndex, _ recovery: Recovery, _ turn: inout Turn) {
        let symbol = queues[queue].symbol
        guard let vote = recovery.record(DiskKey.vote(symbol)) else { return }
        let quorum = queues[queue].quorum
        var snapshot: (index: UInt64, term: UInt64, parcel: ParcelID) = (0, 0, .none)
        var founders = vote.packet.members
        if let stored = recovery.record(DiskKey.snapshot(symbol)) {
            snapshot = (stored.packet.x, stored.packet.y, stored.packet.parcel)
            founders = stored.packet.members
        }
        var entries: [Raft.Entry] = []
        var changes: [(index: UInt64, members: PeerSet)] = []
        var index = snapshot.index + 1
        // A hole means that what lies behind it was never acknowledged.
        let journal = recovery.journal(symbol.raw)
        while let entry = journal[index] {
            entries.append(Raft.Entry(term: entry.mark, parcel: entry.parcel))
            if let change = QuorumBatch.kept(entry.parcel, in: turn.parcels)?.change {
                changes.append((index, change.members))
            }
            index += 1
        }
        let raft = Raft(
            me: me,
            term: vote.packet.x,
            votedFor: PeerIndex(wire: UInt32(truncatingIfNeeded: vote.packet.y)),
            log: RaftLog(
                members: founders.peers,
                changes: changes,
                snapshot: snapshot,
                entries: entries
            )
        )
        join(quorum, raft, &turn)
        quorums[quorum].client.forgetLeader()
    }
}
