import DequeModule
import WarrenKernel
import WarrenTrace

/// Committed entries of quorum queues take effect, the same on every member.
///
/// - Source: RMQ-QQ-25 to -39; rabbitmq/ra `ra_server.erl`.
extension RabbitMQNode {
    /// A queue whose log says that it is deleted, and the channel that asked for it.
    struct Deletion {
        var channel: ChannelIndex
        /// How many messages were ready.
        var count: UInt32
    }

    /// Lets everything take effect that is committed, and makes an entry of what has gathered meanwhile.
    mutating func applyCommitted(_ quorum: QuorumIndex, _ turn: inout Turn) {
        assert(quorums[quorum].hasMember, "a node without a member applies nothing")
        let history = quorums[quorum].history
        var deletions: [Deletion] = []
        while quorums[member: quorum].hasSteps, let step = nextStep(quorum) {
            let news = turn.outside.news(of: history, term: step.term, index: step.index)
            if news == .known, !quorums.leads(quorum) { continue }
            quorums.act(quorum) { member, _ in
                member.catchUp(upTo: step.index - 1, turn.parcels)
                member.see(step)
            }
            let isNews = news != .known
            if news == .instead { tellLoss(quorum, &turn) }
            let mark = turn.factCount
            guard let batch = QuorumBatch.kept(step.parcel, in: turn.parcels) else {
                preconditionFailure("an entry takes effect that lies nowhere")
            }
            apply(batch, quorum, isNews, &deletions, &turn)
            if isNews, peers.plan.disksLie { turn.count(history, of: symbol(quorum), from: mark) }
            // What an earlier leader was told is told again to this one, and answered then.
            if step.isOwn { tellDone(batch, quorum, &turn) }
            if isNews {
                turn.outside.note(
                    history,
                    ready: UInt64(quorums[member: quorum].machine.presentCount),
                    unacked: UInt64(quorums[member: quorum].machine.unackedCount)
                )
            }
        }
        if !deletions.isEmpty { finish(deletions, of: quorum, &turn) }
        guard quorums[quorum].hasMember else { return }
        var chores: QuorumMember.Chores = []
        quorums.act(quorum) { member, _ in chores = member.chores() }
        if !chores.isEmpty { dispose(chores, of: quorum, &turn) }
    }

    private mutating func dispose(
        _ chores: QuorumMember.Chores,
        of quorum: QuorumIndex,
        _ turn: inout Turn
    ) {
        if chores.contains(.snapshot) { compact(quorum, &turn) }
        if chores.contains(.greeting) { greetClients(of: quorum, &turn) }
        if chores.contains(.alarm) { watchExpiry(quorum, &turn) }
        if !chores.isDisjoint(with: [.entry, .greeting]) { flush(quorum, &turn) }
        if chores.contains(.commit) {
            quorums.act(quorum) { $0.tellCommit(&$1) }
            if !quorums.wishes.isIdle { fulfil(quorum, &turn) }
        }
    }

    @inline(__always)
    private mutating func nextStep(_ quorum: QuorumIndex) -> QuorumMember.Step? {
        var step: QuorumMember.Step?
        quorums.act(quorum) { member, _ in step = member.nextStep() }
        return step
    }

    private mutating func apply(
        _ batch: QuorumBatch,
        _ quorum: QuorumIndex,
        _ isNews: Bool,
        _ deletions: inout [Deletion],
        _ turn: inout Turn
    ) {
        // What is sent depends on who leads, and what is told on what is known: a leader that goes through
        // what it inherited sends it once more, and whoever got it before knows it by its number.
        let leads = quorums.leads(quorum)
        if let configuration = batch.configuration {
            quorums.act(quorum) { member, _ in member.follow(configuration, at: batch.time) }
        }
        if isNews, let change = batch.change { tell(change, quorum, &turn) }
        var effects = quorums.borrowEffects()
        for command in batch.commands {
            quorums.act(quorum) { member, _ in member.apply(command, at: batch.time, &effects) }
            for effect in effects {
                if isNews { tell(effect, quorum, leads: leads, &turn) }
                if leads { bringAbout(effect, isNews, quorum, &deletions, &turn) }
            }
            if !effects.isEmpty { effects.removeAll(keepingCapacity: true) }
        }
        quorums.giveBack(effects)
        if leads, !quorums[member: quorum].machine.discards.isEmpty {
            passOnDiscards(quorum, &turn)
        }
    }

    /// Tells the clients of a batch how far they are done.
    private mutating func tellDone(
        _ batch: QuorumBatch,
        _ quorum: QuorumIndex,
        _ turn: inout Turn
    ) {
        guard let last = batch.commands.last else { return }
        if batch.commands.count == 1 {
            if last.sequence > 0 { tellDone(last.client, last.sequence, quorum, &turn) }
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
        for (client, sequence) in done { tellDone(client, sequence, quorum, &turn) }
    }

    private mutating func tellDone(
        _ client: UInt64,
        _ sequence: UInt64,
        _ quorum: QuorumIndex,
        _ turn: inout Turn
    ) {
        let last = min(sequence, quorums[member: quorum].machine.last(of: client))
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

    /// Takes a snapshot once the log is longer than what it would save, as the leader; followers take over what it found.
    ///
    /// - Differs: in rabbitmq/ra each member takes its own, by the same rule.
    private mutating func compact(_ quorum: QuorumIndex, _ turn: inout Turn) {
        let history = quorums[quorum].history
        guard quorums.leads(quorum) else {
            let known = turn.outside.snapshot(of: history)
            quorums.act(quorum) { $0.compact(by: known, turn.parcels, &$1) }
            return fulfil(quorum, &turn)
        }
        var snapshot: QuorumSnapshot?
        quorums.act(quorum) { member, _ in snapshot = member.snapshotIfWorth() }
        guard let snapshot else { return }
        let parcel = turn.parcels.put(snapshot)
        quorums.act(quorum) { $0.compact(parcel, &$1) }
        let log = quorums[member: quorum].raft.log
        turn.outside.keep(
            Outside.Snapshot(index: log.snapshotIndex, term: log.snapshotTerm, parcel: parcel),
            of: history
        )
        fulfil(quorum, &turn)
    }
}
