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
        let quorum = quorums.endIndex
        queues[queue].become(.quorum(quorum))
        quorums.append(
            QuorumPart(
                queue: queue,
                symbol: queues[queue].symbol,
                members: place.members,
                epoch: place.epoch,
                history: turn.outside.history(
                    of: queues[queue].symbol,
                    epoch: place.epoch
                ),
                leader: place.home
            )
        )
        guard place.members.contains(me) else { return }
        let raft = Raft(
            members: place.members,
            me: me,
            leader: place.home,
            term: place.epoch
        )
        addMember(quorum, raft, &turn)
        storeVote(quorum, &turn)
        if place.home == me { lead(quorum, &turn) }
    }

    mutating func addMember(_ quorum: QuorumIndex, _ raft: Raft, _ turn: inout Turn) {
        let queue = quorums[quorum].queue
        quorums[quorum].member = members.endIndex
        members.append(
            QuorumMember(
                quorum: quorum,
                raft: raft,
                machine: QuorumQueue(
                    queues[queue].rules,
                    honoursPriority: settings.version >= .v4_0,
                    createdAt: clock(turn.now)
                ),
                startedAt: turn.now
            )
        )
    }

    @inline(__always)
    func symbol(_ quorum: QuorumIndex) -> Symbol { quorums[quorum].symbol }

    /// Forgets a queue that is deleted, with all that it holds.
    mutating func removeQuorum(_ queue: QueueIndex, _ turn: inout Turn) {
        let quorum = queues[queue].quorum
        let member = quorums[quorum].member
        let pending = quorums[quorum].pending
        quorums[quorum].pending = []
        for waiting in pending { abandon(waiting, of: queue, &turn) }
        guard member != .none else { return }
        let symbol = symbol(quorum)
        turn.truncate(symbol.raw, from: 0)
        turn.erase(DiskKey.vote(symbol))
        turn.erase(DiskKey.snapshot(symbol))
        turn.disarm(NodeTimer.election(ofQueue: queue))
        turn.disarm(NodeTimer.expiry(ofQueue: queue))
        quorums[quorum].member = .none
        // A deletion that went through the log has emptied it; any other is told once, by a member that
        // has all that is known.
        guard turn.outside.end(quorums[quorum].history, index: members[member].applied) else {
            return
        }
        for copy in members[member].machine.presentCopies {
            recordGone(copy.packet.message, queue, .queueDeleted, .ready, &turn)
        }
        for held in members[member].machine.heldCopies {
            recordGone(held.copy.packet.message, queue, .queueDeleted, .unacked, &turn)
        }
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

    mutating func submit(_ command: QuorumCommand, _ quorum: QuorumIndex, _ turn: inout Turn) {
        let member = quorums[quorum].member
        guard member != .none, members[member].raft.isLeader else { return }
        members[member].gathering.append(command)
        flush(member, &turn)
    }

    /// Makes an entry of what has gathered, unless enough entries are under way.
    mutating func flush(_ member: MemberIndex, _ turn: inout Turn) {
        guard members[member].raft.isLeader, !members[member].gathering.isEmpty,
            members[member].raft.uncommitted < QuorumMember.window
        else { return }
        var commands = ContiguousArray<QuorumCommand>()
        swap(&commands, &members[member].gathering)
        var batch = QuorumBatch(time: clock(turn.now), commands: commands)
        if members[member].mustConfigure {
            members[member].mustConfigure = false
            batch.configuration = QuorumConfiguration(
                rules: queues[quorums[members[member].quorum].queue].rules,
                honoursPriority: settings.version >= .v4_0
            )
        }
        members[member].raft.append(turn.parcels.put(batch), &wishes)
        carryOut(member, &turn)
    }

    /// This node leads from now on: it says so, and commits an entry of its own term.
    mutating func lead(_ quorum: QuorumIndex, _ turn: inout Turn) {
        let member = quorums[quorum].member
        let term = members[member].raft.term
        members[member].gathering = []
        if isClustered { turn.record(.leaderElected, subject: symbol(quorum), detail: term) }
        members[member].gathering.append(QuorumCommand(kind: .nothing))
        members[member].mustConfigure = true
        members[member].knowsClients = false
        announce(quorum, term, &turn)
        flush(member, &turn)
        follow(me, term, quorum, &turn)
        watchExpiry(member, &turn)
        watchExpires(quorums[quorum].queue, &turn)
    }

    /// A leader that has applied all that it inherited sees who of its clients is there.
    mutating func greetClients(_ member: MemberIndex, _ turn: inout Turn) {
        members[member].knowsClients = true
        var known = members[member].machine.clients
        for peer in peers.indices where peer != me {
            let key = Self.clientKey(peer, peers[peer].life)
            known.remove(key)
            if peers[peer].isConnected || turn.now == .zero {
                members[member].gathering.append(QuorumCommand(kind: .nodeUp, client: key))
            } else {
                members[member].gathering.append(QuorumCommand(kind: .nodeDown, client: key))
            }
        }
        if known.remove(clientKey) != nil {
            // The last leader may have held this node for down.
            members[member].gathering.append(QuorumCommand(kind: .nodeUp, client: clientKey))
        }
        for key in known.sorted() {
            let kind: QuorumCommand.Kind =
                peers[Self.node(ofClient: key)].isConnected
                    || Self.node(ofClient: key) == me ? .nodeGone : .nodeDown
            members[member].gathering.append(QuorumCommand(kind: kind, client: key))
        }
        let fullness = members[member].machine.fullness
        announce(fullness, members[member].quorum, &turn)
        // What the last leader sent may not have arrived, and whoever asked for it asked too early.
        let quorum = members[member].quorum
        for taker in members[member].machine.takers where !taker.isGone && !taker.held.isEmpty {
            deliverAgain(quorum, taker.party.client, taker.party.number, &turn)
        }
    }

    func announce(_ quorum: QuorumIndex, _ term: UInt64, _ turn: inout Turn) {
        let word = Words.Leads(queue: symbol(quorum), term: term)
        for peer in peers.indices where peer != me && peers[peer].connection != .none {
            send(word, toPeer: peer, &turn)
        }
    }

    // MARK: Raft

    /// Does what a member wants done, then applies what is committed.
    mutating func carryOut(_ member: MemberIndex, _ turn: inout Turn) {
        let quorum = members[member].quorum
        let symbol = symbol(quorum)
        var todo = Raft.Wishes()
        swap(&todo, &wishes)
        if todo.vote { storeVote(quorum, &turn) }
        if todo.snapshot { storeSnapshot(member, symbol, &turn) }
        for (first, end) in todo.erased where first < end {
            // What goes is either the end of the log or its beginning.
            if end > members[member].raft.lastIndex {
                turn.truncate(symbol.raw, from: first)
            } else {
                turn.trim(symbol.raw, before: end)
            }
        }
        for index in todo.entries {
            guard let entry = members[member].raft[index] else { continue }
            writeCount += 1
            turn.append(
                Journal.Entry(parcel: entry.parcel, mark: entry.term),
                to: symbol.raw,
                at: index,
                as: WriteID(writeCount)
            )
        }
        for sync in todo.syncs {
            syncs.append(PendingSync(write: writeCount, quorum: quorum, sync: sync))
        }
        for (peer, message) in todo.sends where peers[peer].connection != .none {
            send(Packet(message, symbol), toPeer: peer, &turn)
        }
        if let isWanted = todo.election { setElection(quorum, isWanted, &turn) }
        let becameLeader = todo.becameLeader
        if todo.lostLeadership { members[member].gathering = [] }
        todo.clear()
        if wishes.isIdle { swap(&todo, &wishes) }
        if becameLeader { lead(quorum, &turn) }
        adoptLeader(member, &turn)
        applyCommitted(member, &turn)
    }

    /// What a member knows of the leader is known to this node as a client, too.
    mutating func adoptLeader(_ member: MemberIndex, _ turn: inout Turn) {
        let quorum = members[member].quorum
        let leader = members[member].raft.leader
        if leader != .none, leader != me {
            follow(leader, members[member].raft.term, quorum, &turn)
        }
    }

    mutating func storeVote(_ quorum: QuorumIndex, _ turn: inout Turn) {
        let raft = members[quorums[quorum].member].raft
        writeCount += 1
        var packet = Packet()
        packet.x = raft.term
        packet.y = UInt64(raft.votedFor.wire)
        packet.d = UInt32(truncatingIfNeeded: quorums[quorum].epoch)
        turn.store(packet, at: DiskKey.vote(symbol(quorum)), as: WriteID(writeCount))
    }

    mutating func storeSnapshot(_ member: MemberIndex, _ symbol: Symbol, _ turn: inout Turn) {
        let raft = members[member].raft
        writeCount += 1
        var packet = Packet()
        packet.parcel = raft.snapshot
        packet.x = raft.snapshotIndex
        packet.y = raft.snapshotTerm
        turn.store(packet, at: DiskKey.snapshot(symbol), as: WriteID(writeCount))
        if raft.snapshotIndex > members[member].applied,
            let snapshot: QuorumSnapshot = turn.parcels.get(raft.snapshot)
        {
            members[member].machine = snapshot.queue
            members[member].applied = raft.snapshotIndex
        }
    }

    /// Something that members waited for has reached the disk.
    mutating func completeSyncs(upTo write: UInt64, _ turn: inout Turn) {
        while let first = syncs.first, first.write <= write {
            syncs.removeFirst()
            let member = quorums[first.quorum].member
            guard member != .none else { continue }
            members[member].raft.stored(first.sync, &wishes)
            carryOut(member, &turn)
        }
    }

    mutating func receiveRaft(_ packet: Packet, _ peer: PeerIndex, _ turn: inout Turn) {
        let queue = queueIndex(packet.subject)
        guard queue != .none, queues[queue].quorum != .none, let message = Raft.Message(packet)
        else {
            return
        }
        let member = quorums[queues[queue].quorum].member
        guard member != .none else { return }
        let leader = members[member].raft.leader
        let isAlive =
            leader == me
            || leader != .none && peers[leader].isConnected && !peers[leader].isSuspect
        members[member].raft.receive(
            message,
            from: peer,
            leaderIsAlive: isAlive,
            &wishes
        )
        carryOut(member, &turn)
    }

    /// - Source: RMQ-QQ-31: about a quarter of a second after a kill.
    func setElection(_ quorum: QuorumIndex, _ isWanted: Bool, _ turn: inout Turn) {
        let timer = NodeTimer.election(ofQueue: quorums[quorum].queue)
        guard isWanted else {
            turn.disarm(timer)
            return
        }
        let role = members[quorums[quorum].member].raft.role
        let stream = turn.chance.stream("elections \(plan.name(of: me))")
        let least: UInt64 = role == .follower ? 100 : 300
        let delay = Interval.milliseconds(least + turn.chance.below(least, stream))
        // Those who cannot win go on trying; nobody waits for that.
        turn.arm(timer, after: delay, background: role != .follower)
    }

    mutating func holdElection(_ queue: QueueIndex, _ turn: inout Turn) {
        let quorum = queues[queue].quorum
        guard quorum != .none, quorums[quorum].member != .none else { return }
        let member = quorums[quorum].member
        members[member].raft.stand(&wishes)
        carryOut(member, &turn)
    }

    // MARK: Time

    /// Sets the leader's timer for the next copy that expires.
    mutating func watchExpiry(_ member: MemberIndex, _ turn: inout Turn) {
        let next = members[member].machine.nextExpiry
        guard next != members[member].wakesAt else { return }
        members[member].wakesAt = next
        let timer = NodeTimer.expiry(ofQueue: quorums[members[member].quorum].queue)
        if let next {
            let now = clock(turn.now).nanoseconds
            turn.arm(timer, after: Interval(nanoseconds: next > now ? next - now : 0))
        } else {
            turn.disarm(timer)
        }
    }

    mutating func expire(quorum: QuorumIndex, _ turn: inout Turn) {
        let member = quorums[quorum].member
        guard member != .none, members[member].raft.isLeader else { return }
        members[member].wakesAt = nil
        submit(QuorumCommand(kind: .expire), quorum, &turn)
    }

    /// Followers that have gone quiet hear what is committed.
    mutating func tellCommits(_ turn: inout Turn) {
        guard isClustered else { return }
        for member in members.indices where members[member].raft.isLeader {
            guard quorums[members[member].quorum].member == member else { continue }
            for peer in members[member].raft.members
            where peer != me && peers[peer].connection != .none {
                members[member].raft.probe(peer, &wishes)
            }
            carryOut(member, &turn)
        }
    }

    // MARK: Peers come and go

    /// A peer is connected, perhaps for the first time in this life of it.
    mutating func greetQuorums(_ peer: PeerIndex, isSameLife: Bool, _ turn: inout Turn) {
        let key = Self.clientKey(peer, peers[peer].life)
        for quorum in quorums.indices where quorums[quorum].member != .none {
            let member = quorums[quorum].member
            guard members[member].raft.isLeader else { continue }
            let word = Words.Leads(queue: symbol(quorum), term: members[member].raft.term)
            send(word, toPeer: peer, &turn)
            let fullness = members[member].machine.fullness
            if fullness != .open { tell(fullness, quorum, toPeer: peer, &turn) }
            if turn.now > .zero, members[member].raft.commit > 0 {
                for old in members[member].machine.clients.sorted()
                where Self.node(ofClient: old) == peer && old != key {
                    members[member].gathering.append(
                        QuorumCommand(kind: .nodeGone, client: old)
                    )
                }
                members[member].gathering.append(QuorumCommand(kind: .nodeUp, client: key))
                flush(member, &turn)
            }
            members[member].raft.probe(peer, &wishes)
            carryOut(member, &turn)
        }
        // What was said to it before may have been lost with the old connection.
        for quorum in quorums.indices
        where quorums[quorum].leader == peer && !quorums[quorum].pending.isEmpty {
            sayAgain(quorum, &turn)
        }
    }

    /// A peer is gone: its leaderships are open, and what its consumers held comes back.
    mutating func leaveQuorums(_ peer: PeerIndex, _ turn: inout Turn) {
        let key = Self.clientKey(peer, peers[peer].life)
        for quorum in quorums.indices {
            if quorums[quorum].leader == peer { quorums[quorum].leader = .none }
            let member = quorums[quorum].member
            guard member != .none else { continue }
            if members[member].raft.leader == peer {
                members[member].raft.loseLeader(&wishes)
                carryOut(member, &turn)
            } else if members[member].raft.isLeader {
                members[member].gathering.append(QuorumCommand(kind: .nodeDown, client: key))
                flush(member, &turn)
            }
        }
    }

    /// A peer has been silent for some time: its leaderships are doubted.
    mutating func doubtLeader(_ peer: PeerIndex, _ turn: inout Turn) {
        for quorum in quorums.indices where quorums[quorum].member != .none {
            let member = quorums[quorum].member
            guard members[member].raft.leader == peer else { continue }
            setElection(quorum, true, &turn)
        }
    }

    /// A node that has joined looks for leaders, and stands where there is none.
    mutating func wakeQuorums(_ turn: inout Turn) {
        for quorum in quorums.indices where quorums[quorum].member != .none {
            let member = quorums[quorum].member
            if !members[member].raft.isLeader, members[member].raft.leader == .none {
                if members[member].raft.members.count == 1 {
                    holdElection(quorums[quorum].queue, &turn)
                } else {
                    setElection(quorum, true, &turn)
                }
            }
        }
    }

    /// Goes on with other members; one that is new begins empty and is brought up to date.
    mutating func setMembers(of queue: QueueIndex, _ wanted: [PeerIndex], _ turn: inout Turn) {
        let quorum = queues[queue].quorum
        guard quorum != .none, quorums[quorum].members != wanted else { return }
        quorums[quorum].members = wanted
        let member = quorums[quorum].member
        if member != .none, wanted.contains(me) {
            members[member].raft.setMembers(wanted)
            carryOut(member, &turn)
        } else if member != .none {
            turn.disarm(NodeTimer.election(ofQueue: queue))
            turn.erase(DiskKey.vote(symbol(quorum)))
            quorums[quorum].member = .none
        } else if wanted.contains(me) {
            let raft = Raft(
                members: wanted,
                me: me,
                term: 0,
                votedFor: .none,
                snapshot: (0, 0, .none),
                log: []
            )
            addMember(quorum, raft, &turn)
            storeVote(quorum, &turn)
        }
    }

    // MARK: The disk

    /// Makes a member again from what its disk kept.
    mutating func recoverQuorum(_ queue: QueueIndex, _ recovery: Recovery, _ turn: inout Turn) {
        let symbol = queues[queue].symbol
        guard let vote = recovery.record(DiskKey.vote(symbol)) else { return }
        let quorum = queues[queue].quorum
        var snapshot: (index: UInt64, term: UInt64, parcel: ParcelID) = (0, 0, .none)
        if let stored = recovery.record(DiskKey.snapshot(symbol)) {
            snapshot = (stored.packet.x, stored.packet.y, stored.packet.parcel)
        }
        var log = Deque<Raft.Entry>()
        var index = snapshot.index + 1
        // A hole means that what lies behind it was never acknowledged.
        let journal = recovery.journal(symbol.raw)
        while let entry = journal[index] {
            log.append(Raft.Entry(term: entry.mark, parcel: entry.parcel))
            index += 1
        }
        let raft = Raft(
            members: quorums[quorum].members,
            me: me,
            term: vote.packet.x,
            votedFor: PeerIndex(wire: UInt32(truncatingIfNeeded: vote.packet.y)),
            snapshot: snapshot,
            log: log
        )
        addMember(quorum, raft, &turn)
        quorums[quorum].leader = .none
        let member = quorums[quorum].member
        if let kept: QuorumSnapshot = turn.parcels.get(snapshot.parcel) {
            members[member].machine = kept.queue
            members[member].applied = snapshot.index
        }
    }
}
