import WarrenKernel
import WarrenTrace

/// Members of quorum queues come and go, and leaders move, as an operator wants it: at the nodes of the members.
///
/// - Source: `ra_server` of 3.10.8, `append_cluster_change`, `transfer_leadership`; RMQ-QQ-57 to -62.
extension RabbitMQNode {
    /// How long a leader waits for another one to lead: ra's await_condition_timeout.
    private static var handover: Interval { .seconds(30) }

    /// Does what an order wants of this node; nil if it does not answer.
    mutating func take(_ word: Words.Member, _ turn: inout Turn)
        -> Words.MemberDone.Outcome?
    {
        let quorum = quorum(of: word.queue)
        guard quorum != .none else { return .notLeader }
        switch word.kind {
        case .start:
            guard !quorums[quorum].hasMember else { return .alreadyMember }
            startMember(of: quorum, &turn)
            return .done
        case .stop:
            dropMember(of: quorum, &turn)
            return nil
        case .add, .delete: return change(word, quorum, &turn)
        case .lead:
            guard quorums.leads(quorum) else { return .notLeader }
            var outcome = Raft.Transfer.asked
            quorums.act(quorum) { outcome = $0.transfer(to: word.node, &$1) }
            carryOut(quorum, &turn)
            switch outcome {
            case .alreadyLeader: return .alreadyLeader
            case .unknownMember: return .unknownMember
            case .asked: break
            }
            let timer = NodeTimer.election(ofQueue: quorums[quorum].queue)
            turn.arm(timer, after: Self.handover)
            quorums[quorum].awaitsElection = true
            return .done
        }
    }

    /// As the leader, goes on with one member more or one less.
    private mutating func change(
        _ word: Words.Member,
        _ quorum: QuorumIndex,
        _ turn: inout Turn
    ) -> Words.MemberDone.Outcome? {
        guard quorums.leads(quorum) else { return .notLeader }
        let raft = quorums[member: quorum].raft
        guard !raft.isYielding else { return nil }
        guard raft.mayChangeMembers else { return .notPermitted }
        let isAdded = word.kind == .add
        guard raft.members.contains(word.node) != isAdded else {
            return isAdded ? .alreadyMember : .notMember
        }
        let members = raft.members.peers.filter { $0 != word.node } + (isAdded ? [word.node] : [])
        // The metadata may know of more members than the log.
        guard !members.isEmpty else { return .notPermitted }
        var batch = QuorumBatch(time: clock(turn.now), commands: .many([]))
        batch.change = MemberChange(
            peer: word.node,
            isAdded: isAdded,
            members: PeerSet(members)
        )
        let parcel = batch.keep(in: &turn.parcels)
        quorums.act(quorum) { $0.change(to: members, by: parcel, &$1) }
        carryOut(quorum, &turn)
        return .done
    }

    private mutating func startMember(of quorum: QuorumIndex, _ turn: inout Turn) {
        join(
            quorum,
            Raft(me: me, term: 0, votedFor: .none, log: RaftLog(members: [])),
            &turn
        )
        storeVote(quorum, &turn)
    }

    /// This node's member is no more; if it led, the others hear of it.
    private mutating func dropMember(of quorum: QuorumIndex, _ turn: inout Turn) {
        guard quorums[quorum].hasMember else { return }
        let led = quorums.leads(quorum)
        eraseMember(of: quorum, &turn)
        guard led else { return }
        loseMember(of: me, quorum, &turn)
        for peer in peers.indices where peer != me && peers[peer].connection != .none {
            send(Words.MemberGone(queue: symbol(quorum)), toPeer: peer, &turn)
        }
    }

    /// The member of a node is gone: if it led, nobody does.
    mutating func loseMember(
        of peer: PeerIndex,
        _ quorum: QuorumIndex,
        _ turn: inout Turn
    ) {
        quorums[quorum].client.lose(peer)
        guard quorums[quorum].hasMember, quorums[member: quorum].raft.leader == peer else { return }
        quorums.act(quorum) { $0.loseLeader(&$1) }
        carryOut(quorum, &turn)
        setElection(quorum, true, isAtOnce: true, &turn)
    }

    /// All nodes know that a queue has other members.
    mutating func setMembers(of queue: QueueIndex, _ wanted: [PeerIndex], _ turn: inout Turn) {
        let quorum = queues[queue].quorum
        guard quorum != .none, quorums[quorum].members != wanted else { return }
        quorums.setMembers(wanted, of: quorum)
        storeQueue(queue, &turn)
        let isMember = quorums[quorum].hasMember
        if isMember, !wanted.contains(me) {
            dropMember(of: quorum, &turn)
        } else if !isMember, wanted.contains(me) {
            startMember(of: quorum, &turn)
        }
    }

    /// Tells that a member came or went, once that is committed.
    func tell(_ change: MemberChange, _ quorum: QuorumIndex, _ turn: inout Turn) {
        turn.record(
            change.isAdded ? .memberAdded : .memberDeleted,
            subject: symbol(quorum),
            peer: peers[change.peer].node.raw,
            detail: UInt64(change.members.peers.count)
        )
    }
}
