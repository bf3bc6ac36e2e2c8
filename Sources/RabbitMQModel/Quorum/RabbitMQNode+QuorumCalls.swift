import WarrenKernel
import WarrenTrace

/// What channels ask of a quorum queue and wait for: basic.get, basic.consume, queue.purge, and the first publication of
/// each channel, before which its leader has to know who publishes.
///
/// A channel that used the queue before asks the node of which it heard that it leads; another one asks the node that the
/// metadata name. A node that is down is asked in vain, at once; of any other an answer is awaited for net_ticktime and
/// five seconds. Only what is told without waiting, publications and settlements, is said again to a later leader.
/// - Source: RMQ-QQ-52 to -55; `rabbit_fifo_client` and `ra_server_proc` of 3.10.8.
extension RabbitMQNode {
    /// Has the leader of a quorum queue do something for a channel, which waits for the answer.
    mutating func call(
        _ kind: RemoteUse.Call.Kind,
        _ command: QuorumCommand,
        _ quorum: QuorumIndex,
        _ channel: ChannelIndex,
        _ turn: inout Turn
    ) {
        assert(!channels[channel].isWaiting, "a channel asks for one thing at a time")
        guard let server = server(for: kind, quorum, channel) else {
            failCall(kind, quorum, channel, &turn)
            return
        }
        let isHeld = isHeld(by: server, quorum)
        var patience = patience(kind)
        if kind == .consume {
            let count = quorums[quorum].members.count { isReachable($0, quorum) }
            patience = Interval(nanoseconds: patience.nanoseconds * UInt64(max(count, 1)))
        }
        let call = RemoteUse.Call(
            kind,
            quorum: quorum,
            server: server,
            held: isHeld ? command : nil,
            refusal: lateRefusal(kind, quorum, server),
            due: turn.now + patience
        )
        wait(channel, for: .queue(quorums[quorum].queue))
        begin(call, by: channel, &turn)
        if !isHeld { tell(quorum, command, channel: channel, &turn) }
    }

    /// A channel waits for an answer no longer than its call says.
    mutating func begin(_ call: RemoteUse.Call, by channel: ChannelIndex, _ turn: inout Turn) {
        if remoteUse.begin(call, by: channel) {
            turn.arm(NodeTimer.calls, after: call.due - turn.now)
        }
    }

    /// A channel has its answer, or wants none any more.
    @discardableResult
    mutating func endCall(of channel: ChannelIndex, _ turn: inout Turn) -> RemoteUse.Call? {
        guard let call = remoteUse.end(channel) else { return nil }
        if !remoteUse.hasCalls { turn.disarm(NodeTimer.calls) }
        return call
    }

    private func patience(_ kind: RemoteUse.Call.Kind) -> Interval {
        kind == .purge ? .seconds(30) : peers.plan.tickTime + .seconds(5)
    }

    // MARK: Who is asked

    private func isReachable(_ peer: PeerIndex, _ quorum: QuorumIndex) -> Bool {
        peer == me || peer == quorums[quorum].client.leader || peers[peer].isConnected
    }

    /// The node that a channel asks, or none if nobody ever led; nil if it is down.
    ///
    /// Whoever consumes asks one member after the other.
    private func server(
        for kind: RemoteUse.Call.Kind,
        _ quorum: QuorumIndex,
        _ channel: ChannelIndex
    ) -> PeerIndex? {
        let client = quorums[quorum].client
        let first = kind == .purge ? client.recorded : client.server(for: channel)
        if first == .none || isReachable(first, quorum) { return first }
        return kind == .consume ? nextServer(quorum) : nil
    }

    private func nextServer(_ quorum: QuorumIndex) -> PeerIndex? {
        quorums[quorum].members.first { isReachable($0, quorum) }
    }

    /// Whether a call cannot be said yet: it is for a node of which others know that it does not lead any more.
    private func isHeld(by server: PeerIndex, _ quorum: QuorumIndex) -> Bool {
        let leader = quorums[quorum].client.leader
        return server != .none && server != me && leader != .none && server != leader
    }

    /// Nodes have heard who leads: what is asked of them is asked of the leader.
    mutating func askHeld(_ quorum: QuorumIndex, by nodes: UInt64, _ turn: inout Turn) {
        for channel in remoteUse.channels(holding: quorum) {
            guard var call = endCall(of: channel, &turn) else { continue }
            let command = call.held
            if nodes & call.server.bit != 0 {
                call.server = quorums[quorum].client.leader
                call.held = nil
            }
            begin(call, by: channel, &turn)
            if call.held == nil, let command { tell(quorum, command, channel: channel, &turn) }
        }
    }

    // MARK: What the metadata say

    /// This node leads: it says so, and has the metadata say so when all that are up have heard it.
    ///
    /// With Khepri a majority is enough.
    mutating func announce(_ quorum: QuorumIndex, _ term: UInt64, _ turn: inout Turn) {
        let word = Words.Leads(queue: symbol(quorum), term: term)
        // One that is dialled may be down: it hears of it when it is there.
        let there = peers.indices.filter { $0 != me && peers[$0].isConnected }
        let spared = usesKhepri ? there.count - min(peers.count / 2, there.count) : 0
        let isHeard = quorums[quorum].client.awaitHearing(there, butFor: spared)
        for peer in peers.indices where peer != me && peers[peer].connection != .none {
            send(word, toPeer: peer, &turn)
        }
        if isHeard { record(quorum, &turn) }
    }

    /// A node has heard that this one leads, or is down.
    mutating func takeHearing(
        _ term: UInt64,
        of peer: PeerIndex,
        _ quorum: QuorumIndex,
        _ turn: inout Turn
    ) {
        guard quorums.leads(quorum), quorums[member: quorum].raft.term == term else { return }
        if quorums[quorum].client.hear(by: peer) { record(quorum, &turn) }
    }

    /// This node leads, and the metadata of all nodes that are up say so.
    ///
    /// - Source: RMQ-QQ-55.
    private mutating func record(_ quorum: QuorumIndex, _ turn: inout Turn) {
        assert(quorums.leads(quorum), "a node has it recorded that it leads, and does not")
        let term = quorums[member: quorum].raft.term
        quorums[quorum].client.record(me, term)
        let others = peers.indices.filter { $0 != me && peers[$0].connection != .none }
        for peer in others { tellRecord(quorum, toPeer: peer, &turn) }
        askHeld(quorum, by: listeners(of: quorum), &turn)
    }

    /// Tells a node that this one leads, as the metadata have it.
    func tellRecord(_ quorum: QuorumIndex, toPeer peer: PeerIndex, _ turn: inout Turn) {
        let word = Words.Recorded(
            queue: symbol(quorum),
            term: quorums[member: quorum].raft.term,
            nodes: listeners(of: quorum)
        )
        send(word, toPeer: peer, &turn)
    }

    private func listeners(of quorum: QuorumIndex) -> UInt64 {
        peers.indices.reduce(0) { nodes, peer in
            let isAware = peers[peer].connection != .none && quorums[quorum].client.isAware(peer)
            return peer == me || isAware ? nodes | peer.bit : nodes
        }
    }

    // MARK: Who gets no answer

    /// A node is down: calls that were for it have failed, unless there are others to ask.
    mutating func failCalls(to peer: PeerIndex, _ quorum: QuorumIndex, _ turn: inout Turn) {
        for channel in remoteUse.channels(asking: peer, about: quorum) {
            guard var call = endCall(of: channel, &turn) else { continue }
            let asksOthers = call.kind == .consume || call.kind == .register && call.held == nil
            guard asksOthers, let next = nextServer(quorum) else {
                failCall(call.kind, quorum, channel, mayBeDone: call.held == nil, &turn)
                continue
            }
            // What was said to the one that is gone is said to the next leader, as soon as there is one.
            call.server = next
            let command = call.held
            if !isHeld(by: next, quorum) { call.held = nil }
            begin(call, by: channel, &turn)
            if call.held == nil, let command { tell(quorum, command, channel: channel, &turn) }
        }
    }

    /// The node that a channel asks is down.
    private mutating func failCall(
        _ kind: RemoteUse.Call.Kind,
        _ quorum: QuorumIndex,
        _ channel: ChannelIndex,
        mayBeDone: Bool = false,
        _ turn: inout Turn
    ) {
        let refusal =
            kind == .get ? getRefusal(quorum, "nodedown") : lateRefusal(kind, quorum, .none)
        giveUp(kind, quorum, channel, refusal, mayBeDone: mayBeDone, &turn)
    }

    /// Calls have waited for too long.
    mutating func expireCalls(_ turn: inout Turn) {
        for channel in remoteUse.overdue(at: turn.now) {
            guard let call = endCall(of: channel, &turn), channels[channel].state == .open else {
                continue
            }
            if case .delete(let count) = call.kind {
                let deletion = Deletion(channel: channel, count: count)
                finish([deletion], of: call.quorum, &turn)
                continue
            }
            giveUp(
                call.kind,
                call.quorum,
                channel,
                call.refusal,
                mayBeDone: call.held == nil,
                &turn
            )
        }
        if let next = remoteUse.nextLook() { turn.arm(NodeTimer.calls, after: next - turn.now) }
    }

    private mutating func giveUp(
        _ kind: RemoteUse.Call.Kind,
        _ quorum: QuorumIndex,
        _ channel: ChannelIndex,
        _ refusal: Refusal?,
        mayBeDone: Bool,
        _ turn: inout Turn
    ) {
        // What it would have fetched goes back when the channel does.
        if kind == .get, mayBeDone { channels[channel].fetchedFrom.insert(quorum) }
        if let refusal {
            refuseWaiting(refusal, channel, &turn)
            return
        }
        channels[channel].refusedBy.append(quorums[quorum].queue)
        resume(channel, with: channels[channel].asked, &turn)
    }

    /// What a channel is told if nobody answers in time; nil for a publication, which is refused at that queue.
    private func lateRefusal(
        _ kind: RemoteUse.Call.Kind,
        _ quorum: QuorumIndex,
        _ server: PeerIndex
    ) -> Refusal? {
        switch kind {
        case .register, .delete: return nil
        case .purge, .consume, .declare, .method: return .internalError
        case .get:
            let queue = quorums[quorum].queue
            let name = queues[queue].declaration.name
            let vhost = vhostName(of: queues[queue].scope)
            let server = server == .none ? me : server
            let process = "'\(vhost == "/" ? "%2F" : vhost)_\(name)'"
            return getRefusal(quorum, "{timeout,{\(process),\(peers.plan.name(of: server))}}")
        }
    }

    /// The words of 3.10.8, which name the queue twice.
    private func getRefusal(_ quorum: QuorumIndex, _ reason: String) -> Refusal {
        let queue = quorums[quorum].queue
        let name = queues[queue].declaration.name
        let vhost = vhostName(of: queues[queue].scope)
        return .internalErrorBecause(
            "Cannot get a message from queue 'queue '\(name)' in vhost '\(vhost)'': \(reason)"
        )
    }

    // MARK: Deletions

    /// Deletes a quorum queue: with all members through its log, else by force when they had their time.
    ///
    /// - Source: RMQ-QQ-56.
    mutating func deleteByLog(
        _ quorum: QuorumIndex,
        _ channel: ChannelIndex,
        _ count: UInt32,
        _ turn: inout Turn
    ) {
        wait(channel, for: .queue(quorums[quorum].queue))
        if quorums[quorum].members.allSatisfy({ isReachable($0, quorum) }) {
            tell(quorum, QuorumCommand(kind: .deleteQueue), channel: channel, &turn)
            return
        }
        let call = RemoteUse.Call(
            .delete(count: count),
            quorum: quorum,
            refusal: nil,
            due: turn.now + .seconds(5)
        )
        begin(call, by: channel, &turn)
    }

    // MARK: Publishers

    /// Has the leaders of quorum queues know that a channel publishes, before it does so for the first time.
    ///
    /// - Returns: whether the channel waits for that, and the publication with it.
    /// - Source: RMQ-QQ-46, -54.
    mutating func registersFirst(
        _ publication: Packet,
        _ targets: [QueueIndex],
        _ channel: ChannelIndex,
        _ turn: inout Turn
    ) -> Bool {
        for target in targets where queues[target].quorum != .none {
            let quorum = queues[target].quorum
            guard !quorums[quorum].client.isPublisher(channel),
                !channels[channel].refusedBy.contains(target)
            else { continue }
            channels[channel].asked = publication
            guard server(for: .register, quorum, channel) != nil else {
                channels[channel].refusedBy.append(target)
                continue
            }
            call(.register, QuorumCommand(kind: .register), quorum, channel, &turn)
            return true
        }
        return false
    }

    /// The leader knows that a channel publishes, and has it begin or wait.
    mutating func takeRegistration(
        _ quorum: QuorumIndex,
        _ channel: ChannelIndex,
        isStopped: Bool,
        _ turn: inout Turn
    ) {
        quorums[quorum].client.register(channel, isStopped: isStopped)
        resume(channel, with: channels[channel].asked, &turn)
    }
}
