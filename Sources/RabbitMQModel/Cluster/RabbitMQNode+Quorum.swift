import DequeModule
import WarrenKernel
import WarrenTrace

/// A quorum queue as a node sees it that uses it: who leads, and what the leader has not done yet.
struct QuorumPart: Sendable {
    /// What the leader is to do; it is told again if another one leads.
    struct Waiting: BitwiseCopyable, Sendable {
        var command: QuorumCommand
        /// The confirm that waits for it, or all ones.
        var slot: UInt32
        /// The channel that waits for it, or -1.
        var channel: Int32
    }

    let queue: Int
    /// The queue's name.
    let symbol: Symbol
    var members: [Int]
    /// Which history this is of all that bore the queue's name.
    let epoch: UInt64
    /// The same for those who watch the run.
    let history: Outside.HistoryID
    /// Who leads, or -1.
    var leader: Int
    var leaderTerm: UInt64 = 0
    var nextSequence: UInt64 = 1
    var pending = Deque<Waiting>()
    /// The row of this node's own member, or -1.
    var member: Int = -1
    /// The latest delivery of each consumer here, and of each channel that fetches.
    var latest: [UInt32: UInt64] = [:]
    /// The consumers here that have asked for what they lack, and wait for it.
    var asking: Set<UInt32> = []
    /// The channels here that publish to it, if it rejects publications.
    var publishers = QuorumPublishers()
}

/// Which channels of a node may publish to a quorum queue that rejects what is too much.
///
/// - Source: RMQ-QQ-16, -46; `rabbit_fifo_client:enqueue`.
struct QuorumPublishers: Sendable {
    private var fullness = QuorumQueue.Fullness.open
    private var known: Set<Int32> = []
    private var stopped: Set<Int32> = []

    /// Whether what comes to the queue now and then would be refused.
    var isStopped: Bool { fullness != .open }

    /// The leader says how full the queue is.
    mutating func hear(_ fullness: QuorumQueue.Fullness) {
        self.fullness = fullness
        switch fullness {
        case .full: stopped = known
        case .easing: break
        case .open: stopped = []
        }
    }

    /// Whether a channel may publish; one that was not heard before is asked in at the door.
    mutating func mayPublish(_ channel: Int32) -> Bool {
        if known.insert(channel).inserted, fullness == .full { stopped.insert(channel) }
        return !stopped.contains(channel)
    }

    /// A channel is gone.
    mutating func forget(_ channel: Int32) {
        known.remove(channel)
        stopped.remove(channel)
    }
}

/// A member of the Raft group of a quorum queue.
struct QuorumMember: Sendable {
    let quorum: Int
    var raft: Raft
    var machine: QuorumQueue
    /// Since when it ticks.
    let startedAt: Instant
    var applied: UInt64 = 0
    /// Commands that will be the next entry.
    var gathering = ContiguousArray<QuorumCommand>()
    var isApplying = false
    /// Whether the next entry says by what the queue goes.
    var mustConfigure = true
    /// Whether it has seen, as the leader that it is, which clients are there.
    var knowsClients = false
    /// Dead copies that their targets have, and that the log does not know yet; and all that they were asked
    /// about since they were asked last.
    var discardsUnderWay: Set<UInt64> = []
    var triedDiscards: Set<UInt64> = []
    /// When its timer for expired copies rings, if it leads.
    var wakesAt: UInt64?

    /// How many entries may be under way before commands gather.
    static let window: UInt64 = 2
    /// After how many entries a snapshot is taken, at least.
    static let snapshotInterval = 128
}

/// Quorum queues: commands in, commits, effects out.
///
/// - Source: rabbitmq-server `rabbit_quorum_queue.erl`, `rabbit_fifo_client.erl`; RMQ-QQ-25 to -39.
extension RabbitMQNode {
    // MARK: Making them

    /// Gives a queue its Raft group; the members here begin with a leader that all know.
    mutating func addQuorum(_ queue: Int, _ place: QueuePlace, _ turn: inout Turn) {
        let quorum = quorums.count
        queues[queue].quorum = quorum
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

    mutating func addMember(_ quorum: Int, _ raft: Raft, _ turn: inout Turn) {
        let queue = quorums[quorum].queue
        quorums[quorum].member = members.count
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
    func symbol(_ quorum: Int) -> Symbol { quorums[quorum].symbol }

    /// Forgets a queue that is deleted, with all that it holds.
    mutating func removeQuorum(_ queue: Int, _ turn: inout Turn) {
        let quorum = queues[queue].quorum
        let member = quorums[quorum].member
        let pending = quorums[quorum].pending
        quorums[quorum].pending = []
        for waiting in pending { abandon(waiting, of: queue, &turn) }
        guard member >= 0 else { return }
        let symbol = symbol(quorum)
        turn.truncate(symbol.raw, from: 0)
        turn.erase(DiskKey.vote(symbol))
        turn.erase(DiskKey.snapshot(symbol))
        turn.disarm(NodeTimer.election(ofQueue: queue))
        turn.disarm(NodeTimer.expiry(ofQueue: queue))
        quorums[quorum].member = -1
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
        _ queue: Int,
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

    mutating func submit(_ command: QuorumCommand, _ quorum: Int, _ turn: inout Turn) {
        let member = quorums[quorum].member
        guard member >= 0, members[member].raft.isLeader else { return }
        members[member].gathering.append(command)
        flush(member, &turn)
    }

    /// Makes an entry of what has gathered, unless enough entries are under way.
    mutating func flush(_ member: Int, _ turn: inout Turn) {
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
    mutating func lead(_ quorum: Int, _ turn: inout Turn) {
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
    mutating func greetClients(_ member: Int, _ turn: inout Turn) {
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

    func announce(_ quorum: Int, _ term: UInt64, _ turn: inout Turn) {
        var word = Packet(peerWord: .leads)
        word.subject = symbol(quorum)
        word.x = term
        for peer in peers.indices where peer != me && peers[peer].connection != .none {
            send(word, toPeer: peer, &turn)
        }
    }

    // MARK: Raft

    /// Does what a member wants done, then applies what is committed.
    mutating func carryOut(_ member: Int, _ turn: inout Turn) {
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
    mutating func adoptLeader(_ member: Int, _ turn: inout Turn) {
        let quorum = members[member].quorum
        let leader = members[member].raft.leader
        if leader >= 0, leader != me { follow(leader, members[member].raft.term, quorum, &turn) }
    }

    mutating func storeVote(_ quorum: Int, _ turn: inout Turn) {
        let raft = members[quorums[quorum].member].raft
        writeCount += 1
        var packet = Packet()
        packet.x = raft.term
        packet.y = UInt64(bitPattern: Int64(raft.votedFor))
        packet.d = UInt32(truncatingIfNeeded: quorums[quorum].epoch)
        turn.store(packet, at: DiskKey.vote(symbol(quorum)), as: WriteID(writeCount))
    }

    mutating func storeSnapshot(_ member: Int, _ symbol: Symbol, _ turn: inout Turn) {
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
            guard member >= 0 else { continue }
            members[member].raft.stored(first.sync, &wishes)
            carryOut(member, &turn)
        }
    }

    mutating func receiveRaft(_ packet: Packet, _ peer: Int, _ turn: inout Turn) {
        let queue = queueIndex(packet.subject)
        guard queue >= 0, queues[queue].quorum >= 0, let message = Raft.Message(packet) else {
            return
        }
        let member = quorums[queues[queue].quorum].member
        guard member >= 0 else { return }
        let leader = members[member].raft.leader
        let isAlive =
            leader == me
            || leader >= 0 && peers[leader].isConnected && !peers[leader].isSuspect
        members[member].raft.receive(
            message,
            from: peer,
            leaderIsAlive: isAlive,
            &wishes
        )
        carryOut(member, &turn)
    }

    /// - Source: RMQ-QQ-31: about a quarter of a second after a kill.
    func setElection(_ quorum: Int, _ isWanted: Bool, _ turn: inout Turn) {
        let timer = NodeTimer.election(ofQueue: quorums[quorum].queue)
        guard isWanted else {
            turn.disarm(timer)
            return
        }
        let role = members[quorums[quorum].member].raft.role
        let stream = turn.chance.stream("elections \(plan.names[me])")
        let least: UInt64 = role == .follower ? 100 : 300
        let delay = Interval.milliseconds(least + turn.chance.below(least, stream))
        // Those who cannot win go on trying; nobody waits for that.
        turn.arm(timer, after: delay, background: role != .follower)
    }

    mutating func holdElection(_ queue: Int, _ turn: inout Turn) {
        let quorum = queues[queue].quorum
        guard quorum >= 0, quorums[quorum].member >= 0 else { return }
        let member = quorums[quorum].member
        members[member].raft.stand(&wishes)
        carryOut(member, &turn)
    }

    // MARK: Applying

    mutating func applyCommitted(_ member: Int, _ turn: inout Turn) {
        guard !members[member].isApplying else { return }
        members[member].isApplying = true
        let history = quorums[members[member].quorum].history
        while members[member].applied < members[member].raft.commit {
            let index = members[member].applied + 1
            guard let entry = members[member].raft[index],
                let batch: QuorumBatch = turn.parcels.get(entry.parcel)
            else { break }
            members[member].applied = index
            let news = turn.outside.news(of: history, term: entry.term, index: index)
            let isNews = news != .known
            if news == .instead { tellLoss(member, &turn) }
            let mark = turn.factCount
            apply(batch, member, isNews, &turn)
            if isNews, plan.disksLie {
                turn.count(history, of: symbol(members[member].quorum), from: mark)
            }
            // What an earlier leader was told is told again to this one, and answered then.
            if members[member].raft.isLeader, entry.term == members[member].raft.term {
                tellDone(batch, member, &turn)
            }
            if isNews {
                turn.outside.note(
                    history,
                    ready: UInt64(members[member].machine.presentCount),
                    unacked: UInt64(members[member].machine.unackedCount)
                )
            }
        }
        members[member].isApplying = false
        if !deletionsDone.isEmpty { finishDeletions(&turn) }
        guard quorums[members[member].quorum].member == member else { return }
        compact(member, &turn)
        if members[member].raft.isLeader {
            let inherited = members[member].raft.inherited
            if !members[member].knowsClients, members[member].applied > inherited {
                greetClients(member, &turn)
            }
            watchExpiry(member, &turn)
            flush(member, &turn)
            members[member].raft.tellCommit(&wishes)
            if !wishes.isIdle { carryOut(member, &turn) }
        }
    }

    mutating func apply(
        _ batch: QuorumBatch,
        _ member: Int,
        _ isNews: Bool,
        _ turn: inout Turn
    ) {
        // What is sent depends on who leads, and what is told on what is known: a leader that goes through
        // what it inherited sends it once more, and whoever got it before knows it by its number.
        let leads = members[member].raft.isLeader
        if let configuration = batch.configuration {
            members[member].machine.follow(configuration, at: batch.time)
        }
        for command in batch.commands {
            members[member].machine.apply(command, at: batch.time, &effects)
            if isNews || leads, !effects.isEmpty {
                var todo: [QuorumEffect] = []
                swap(&todo, &effects)
                for effect in todo {
                    if isNews { tell(effect, member, &turn) }
                    if leads { bringAbout(effect, isNews, member, &turn) }
                }
                todo.removeAll(keepingCapacity: true)
                if effects.isEmpty { swap(&todo, &effects) }
            }
            if !effects.isEmpty { effects.removeAll(keepingCapacity: true) }
        }
        if leads, members[member].applied > members[member].raft.inherited,
            !members[member].machine.discards.isEmpty
        {
            passOnDiscards(member, &turn)
        }
    }

    /// Tells the clients of a batch how far they are done.
    private mutating func tellDone(_ batch: QuorumBatch, _ member: Int, _ turn: inout Turn) {
        guard let last = batch.commands.last else { return }
        if batch.commands.count == 1 {
            if last.sequence > 0 { tellDone(last.client, last.sequence, member, &turn) }
            return
        }
        // By client: the last of its commands in this batch. Later ones may be known already, from an
        // earlier leader, but what they asked for has yet to be answered.
        var done = ContiguousArray<(client: UInt64, sequence: UInt64)>()
        for command in batch.commands where command.sequence > 0 {
            if let index = done.firstIndex(where: { $0.client == command.client }) {
                done[index].sequence = command.sequence
            } else {
                done.append((command.client, command.sequence))
            }
        }
        for (client, sequence) in done { tellDone(client, sequence, member, &turn) }
    }

    private mutating func tellDone(
        _ client: UInt64,
        _ sequence: UInt64,
        _ member: Int,
        _ turn: inout Turn
    ) {
        let quorum = members[member].quorum
        let last = min(sequence, members[member].machine.last(of: client))
        if client == clientKey {
            finish(quorum, upTo: last, &turn)
        } else if let peer = reachable(client) {
            var word = Packet(peerWord: .done)
            word.subject = symbol(quorum)
            word.x = last
            send(word, toPeer: peer, &turn)
        }
    }

    /// The node of a client, if that life of it is in reach.
    func reachable(_ client: UInt64) -> Int? {
        let node = Self.node(ofClient: client)
        guard node != me, peers[node].isConnected,
            Self.clientKey(node, peers[node].life) == client
        else { return nil }
        return node
    }

    @inline(__always)
    private mutating func compact(_ member: Int, _ turn: inout Turn) {
        let applied = members[member].applied
        guard
            applied
                >= members[member].raft.snapshotIndex &+ UInt64(QuorumMember.snapshotInterval)
        else { return }
        compactIfWorth(member, applied, &turn)
    }

    /// Takes a snapshot once the log is longer than what it would save.
    @inline(never)
    private mutating func compactIfWorth(
        _ member: Int,
        _ applied: UInt64,
        _ turn: inout Turn
    ) {
        let held = members[member].machine.presentCount + members[member].machine.unackedCount
        guard applied - members[member].raft.snapshotIndex >= UInt64(2 * held),
            applied <= members[member].raft.durable
        else { return }
        let parcel = turn.parcels.put(QuorumSnapshot(queue: members[member].machine))
        members[member].raft.compact(upTo: applied, parcel, &wishes)
        carryOut(member, &turn)
    }

    // MARK: Time

    /// Sets the leader's timer for the next copy that expires.
    mutating func watchExpiry(_ member: Int, _ turn: inout Turn) {
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

    mutating func expire(quorum: Int, _ turn: inout Turn) {
        let member = quorums[quorum].member
        guard member >= 0, members[member].raft.isLeader else { return }
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
    mutating func greetQuorums(_ peer: Int, isSameLife: Bool, _ turn: inout Turn) {
        let key = Self.clientKey(peer, peers[peer].life)
        for quorum in quorums.indices where quorums[quorum].member >= 0 {
            let member = quorums[quorum].member
            guard members[member].raft.isLeader else { continue }
            var word = Packet(peerWord: .leads)
            word.subject = symbol(quorum)
            word.x = members[member].raft.term
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
    mutating func leaveQuorums(_ peer: Int, _ turn: inout Turn) {
        let key = Self.clientKey(peer, peers[peer].life)
        for quorum in quorums.indices {
            if quorums[quorum].leader == peer { quorums[quorum].leader = -1 }
            let member = quorums[quorum].member
            guard member >= 0 else { continue }
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
    mutating func doubtLeader(_ peer: Int, _ turn: inout Turn) {
        for quorum in quorums.indices where quorums[quorum].member >= 0 {
            let member = quorums[quorum].member
            guard members[member].raft.leader == peer else { continue }
            setElection(quorum, true, &turn)
        }
    }

    /// A node that has joined looks for leaders, and stands where there is none.
    mutating func wakeQuorums(_ turn: inout Turn) {
        for quorum in quorums.indices where quorums[quorum].member >= 0 {
            let member = quorums[quorum].member
            if !members[member].raft.isLeader, members[member].raft.leader < 0 {
                if members[member].raft.members.count == 1 {
                    holdElection(quorums[quorum].queue, &turn)
                } else {
                    setElection(quorum, true, &turn)
                }
            }
        }
    }

    /// Goes on with other members; one that is new begins empty and is brought up to date.
    mutating func setMembers(of queue: Int, _ wanted: [Int], _ turn: inout Turn) {
        let quorum = queues[queue].quorum
        guard quorum >= 0, quorums[quorum].members != wanted else { return }
        quorums[quorum].members = wanted
        let member = quorums[quorum].member
        if member >= 0, wanted.contains(me) {
            members[member].raft.setMembers(wanted)
            carryOut(member, &turn)
        } else if member >= 0 {
            turn.disarm(NodeTimer.election(ofQueue: queue))
            turn.erase(DiskKey.vote(symbol(quorum)))
            quorums[quorum].member = -1
        } else if wanted.contains(me) {
            let raft = Raft(
                members: wanted,
                me: me,
                term: 0,
                votedFor: -1,
                snapshot: (0, 0, .none),
                log: []
            )
            addMember(quorum, raft, &turn)
            storeVote(quorum, &turn)
        }
    }

    // MARK: The disk

    /// Makes a member again from what its disk kept.
    mutating func recoverQuorum(_ queue: Int, _ recovery: Recovery, _ turn: inout Turn) {
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
            votedFor: Int(Int64(bitPattern: vote.packet.y)),
            snapshot: snapshot,
            log: log
        )
        addMember(quorum, raft, &turn)
        quorums[quorum].leader = -1
        let member = quorums[quorum].member
        if let kept: QuorumSnapshot = turn.parcels.get(snapshot.parcel) {
            members[member].machine = kept.queue
            members[member].applied = snapshot.index
        }
    }
}

extension Raft.Wishes {
    /// Whether nothing is wanted.
    var isIdle: Bool {
        sends.isEmpty && entries.isEmpty && erased.isEmpty && syncs.isEmpty && !vote && !snapshot
            && !becameLeader && !lostLeadership && election == nil
    }
}

extension Packet {
    init(peerWord: PeerWord) { self.init(word: peerWord.rawValue) }

    /// A word of Raft as it travels.
    init(_ message: Raft.Message, _ queue: Symbol) {
        self.init(peerWord: .raft)
        subject = queue
        flags = message.kind.rawValue << 1 | (message.granted ? 1 : 0)
        parcel = message.parcel
        x = message.index
        y = message.term << 40 | message.commit
        c = UInt32(truncatingIfNeeded: message.logTerm)
        d = UInt32(truncatingIfNeeded: message.entryTerm)
    }
}

extension Raft.Message {
    /// The word of Raft that a packet carries.
    init?(_ packet: Packet) {
        guard let kind = Kind(rawValue: packet.flags >> 1) else { return nil }
        self.init(
            kind: kind,
            term: packet.y >> 40,
            index: packet.x,
            logTerm: UInt64(packet.c),
            entryTerm: UInt64(packet.d),
            commit: packet.y & 0xFF_FFFF_FFFF,
            parcel: packet.parcel,
            granted: packet.flags & 1 != 0
        )
    }
}
