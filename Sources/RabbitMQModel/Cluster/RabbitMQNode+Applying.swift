import DequeModule
import WarrenKernel
import WarrenTrace

/// Committed entries of quorum queues take effect, the same on every member.
///
/// - Source: RMQ-QQ-25 to -39; rabbitmq/ra `ra_server.erl`.
extension RabbitMQNode {
    mutating func applyCommitted(_ member: MemberIndex, _ turn: inout Turn) {
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
        _ member: MemberIndex,
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
    private mutating func tellDone(_ batch: QuorumBatch, _ member: MemberIndex, _ turn: inout Turn)
    {
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
        _ member: MemberIndex,
        _ turn: inout Turn
    ) {
        let quorum = members[member].quorum
        let last = min(sequence, members[member].machine.last(of: client))
        if client == clientKey {
            finish(quorum, upTo: last, &turn)
        } else if let peer = reachable(client) {
            send(Words.Done(queue: symbol(quorum), last: last), toPeer: peer, &turn)
        }
    }

    /// The node of a client, if that life of it is in reach.
    func reachable(_ client: UInt64) -> PeerIndex? {
        let node = Self.node(ofClient: client)
        guard node != me, peers[node].isConnected,
            Self.clientKey(node, peers[node].life) == client
        else { return nil }
        return node
    }

    @inline(__always)
    private mutating func compact(_ member: MemberIndex, _ turn: inout Turn) {
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
        _ member: MemberIndex,
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
}
