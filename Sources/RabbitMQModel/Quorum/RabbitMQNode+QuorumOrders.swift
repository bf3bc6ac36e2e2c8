import WarrenKernel
import WarrenTrace

/// Members of quorum queues come and go, and leaders move, as an operator wants it: at the node that the operator asks.
///
/// It has a new member started, asks the leader, and has all nodes know: a change counts as done when the leader has it in
/// its log, committed or not.
///
/// - Source: `rabbit_quorum_queue` and `rabbit_amqqueue` of 3.10.8, and `ra_server`; RMQ-QQ-57 to -62.
extension RabbitMQNode {
    /// Takes an order, and answers when it is done.
    mutating func obey(
        _ order: QuorumOrder,
        for connection: ConnectionID,
        _ turn: inout Turn
    ) {
        var tasks: [QuorumOrders.Task] = []
        var rebalance: Rebalance?
        var namesQueues = true
        switch order {
        case .addMember(let name, let vhost, let node),
            .deleteMember(let name, let vhost, let node):
            namesQueues = false
            var kind = Words.Member.Kind.add
            if case .deleteMember = order { kind = .delete }
            switch task(kind, name, vhost, node, turn.names) {
            case .task(let task): tasks = [task]
            case .said(let text): return answer(text, connection, &turn)
            }
        case .grow(let node, let evenOnly, let vhosts, let queues):
            guard let peer = peers.plan.peer(named: node), isInReach(peer) else { break }
            tasks = quorumQueues(vhosts, queues, turn.names)
                .filter {
                    let members = quorums[$0].members
                    return !members.contains(peer) && (!evenOnly || members.count % 2 == 0)
                }
                .map { QuorumOrders.Task(kind: .add, queue: symbol($0), node: peer) }
        case .shrink(let node):
            guard let peer = peers.plan.peer(named: node) else { break }
            tasks = quorumQueues(".*", ".*", turn.names)
                .filter { quorums[$0].members.contains(peer) }
                .map { QuorumOrders.Task(kind: .delete, queue: symbol($0), node: peer) }
        case .rebalance(let vhosts, let queues):
            var made = self.rebalance(quorumQueues(vhosts, queues, turn.names))
            if let (queue, goal) = made.next() {
                tasks = [QuorumOrders.Task(kind: .lead, queue: queue, node: goal)]
            }
            rebalance = made
        }
        guard !tasks.isEmpty else {
            return answer(rebalance.map(summary) ?? "nothing to do", connection, &turn)
        }
        let number = quorumOrders.add(tasks, rebalance, for: connection, namesQueues: namesQueues)
        beginTask(of: number, &turn)
    }

    private enum Checked {
        case task(QuorumOrders.Task)
        case said(String)
    }

    /// What is to be done with one queue, or what is said at once.
    private func task(
        _ kind: Words.Member.Kind,
        _ name: String,
        _ vhost: String,
        _ node: String,
        _ names: Names
    ) -> Checked {
        guard let scope = vhosts.first(where: { $0.name == vhost })?.scope else {
            return .said("Error: not_found")
        }
        let queue = queueIndex(name, scope, names)
        guard queue != .none else { return .said("Error: not_found") }
        guard queues[queue].quorum != .none else {
            // The tool says so of a member that is to go, too, and knows nothing of streams.
            return .said(
                queues[queue].rules.kind == .stream
                    ? "Error: {{:case_clause, {:ok, {:amqqueue, ...}}}, ...}"
                    : "Error: Cannot add members to a classic queue"
            )
        }
        let members = quorums[queues[queue].quorum].members
        guard let peer = peers.plan.peer(named: node), kind == .delete || isInReach(peer) else {
            return .said(kind == .add ? "Error: node_not_running" : "ok")
        }
        guard members.contains(peer) == (kind == .delete) else { return .said("ok") }
        return .task(QuorumOrders.Task(kind: kind, queue: queues[queue].symbol, node: peer))
    }

    private func isInReach(_ peer: PeerIndex) -> Bool { peer == me || peers[peer].isRunning }

    /// Quorum queues whose names two patterns are found in, by their names.
    private func quorumQueues(_ vhosts: String, _ queues: String, _ names: Names) -> [QuorumIndex] {
        let inVHost = NamePattern(vhosts)
        let inQueue = NamePattern(queues)
        return self.queues.indices
            .filter { index in
                let queue = self.queues[index]
                return queue.exists && queue.quorum != .none
                    && inVHost?.matches(vhostName(of: queue.scope)) ?? false
                    && inQueue?.matches(queue.declaration.name) ?? false
            }
            .sorted {
                let one = self.queues[$0]
                let other = self.queues[$1]
                return (vhostName(of: one.scope), one.declaration.name)
                    < (vhostName(of: other.scope), other.declaration.name)
            }
            .map { self.queues[$0].quorum }
    }

    private func rebalance(_ all: [QuorumIndex]) -> Rebalance {
        let nodes = byName(Array(peers.indices))
        return Rebalance(
            nodes.compactMap { node in
                let led = all.filter { quorums[$0].client.recorded == node }
                return led.isEmpty
                    ? nil
                    : (
                        node,
                        led.map {
                            Rebalance.Entry(
                                length: quorums.member(of: $0)?.raft.log.count ?? 0,
                                queue: symbol($0),
                                replicas: quorums[$0].members
                            )
                        }
                    )
            },
            running: nodes.count(where: isInReach)
        )
    }

    private func summary(_ rebalance: Rebalance) -> String {
        rebalance.counts.map { "\(peers.plan.name(of: $0.node)) leads \($0.count)" }
            .joined(separator: ", ")
    }

    private func answer(_ text: String, _ connection: ConnectionID, _ turn: inout Turn) {
        guard connection != .none else { return }
        var packet = Packet(.administered, channel: 0)
        packet.subject = turn.names.intern(.text, text)
        turn.send(packet, on: connection)
    }

    // MARK: One queue after the other

    private mutating func beginTask(of number: UInt64, _ turn: inout Turn) {
        guard var order = quorumOrders[number], let task = order.tasks.first else { return }
        let quorum = quorum(of: task.queue)
        guard quorum != .none else { return endTask(of: number, "Error: not_found", &turn) }
        if task.kind == .delete, quorums[quorum].members == [task.node] {
            return endTask(of: number, "Error: last_node", &turn)
        }
        let first = quorums[quorum].client.recorded
        order.servers = (first == .none ? [] : [first])
        order.servers += quorums[quorum].members.filter { $0 != first }
        if task.kind == .lead { order.servers = [first].filter { $0 != .none } }
        order.errors = []
        order.stage = task.kind == .add ? .starting : .none
        quorumOrders[number] = order
        if task.kind == .add {
            ask(.start, task, number, task.node, &turn)
        } else {
            seekLeader(number, &turn)
        }
    }

    func quorum(of queue: Symbol) -> QuorumIndex {
        let index = queueIndex(queue)
        return index == .none ? .none : queues[index].quorum
    }

    /// Has a node do something for an order, and gives it its time.
    private mutating func ask(
        _ kind: Words.Member.Kind,
        _ task: QuorumOrders.Task,
        _ number: UInt64,
        _ peer: PeerIndex,
        _ turn: inout Turn
    ) {
        let due = turn.now + QuorumOrders.patience
        let question = quorumOrders.ask(for: number, until: due)
        let word = Words.Member(kind, of: task.queue, node: task.node, number: question)
        watchOrders(&turn)
        if peer != me {
            send(word, toPeer: peer, &turn)
        } else if let outcome = take(word, &turn) {
            hear(Words.MemberDone(number: question, outcome), &turn)
        }
    }

    /// Asks the next of the members for the leader, or the leader itself if it is known.
    private mutating func seekLeader(_ number: UInt64, _ turn: inout Turn) {
        guard let order = quorumOrders[number], let task = order.tasks.first else { return }
        let quorum = quorum(of: task.queue)
        guard quorum != .none else { return endTask(of: number, "Error: not_found", &turn) }
        guard let server = order.servers.first else {
            let errors = order.errors.joined(separator: ", ")
            return endTask(of: number, "Error: {:no_more_servers_to_try, [\(errors)]}", &turn)
        }
        guard isInReach(server) else { return fail(number, "error: :nodedown", &turn) }
        let leader = quorums[quorum].client.leader
        if leader != .none, isInReach(leader) {
            quorumOrders[number]?.stage = .asking(server: server, leader: leader)
            ask(task.kind, task, number, leader, &turn)
        } else {
            quorumOrders[number]?.stage = .seeking(server: server)
            quorumOrders[number]?.due = turn.now + QuorumOrders.patience
            watchOrders(&turn)
        }
    }

    /// One of the members could not help: the next one is asked.
    private mutating func fail(_ number: UInt64, _ error: String, _ turn: inout Turn) {
        guard var order = quorumOrders[number] else { return }
        if !order.servers.isEmpty { order.servers.removeFirst() }
        order.errors.insert(error, at: 0)
        (order.stage, order.question, order.due) = (.none, 0, nil)
        quorumOrders[number] = order
        seekLeader(number, &turn)
    }

    /// A queue is done, without an error if `error` is empty.
    mutating func endTask(of number: UInt64, _ error: String, _ turn: inout Turn) {
        guard var order = quorumOrders[number], let task = order.tasks.first else { return }
        order.tasks.removeFirst()
        (order.question, order.due) = (0, nil)
        let quorum = quorum(of: task.queue)
        if !error.isEmpty, task.kind == .add, order.stage != .starting {
            // What was started for it goes; but not what was there, and may be a member by now.
            let word = Words.Member(.stop, of: task.queue, node: task.node, number: 0)
            if task.node == me {
                _ = take(word, &turn)
            } else {
                send(word, toPeer: task.node, &turn)
            }
        }
        if order.namesQueues, task.kind != .lead, quorum != .none {
            let queue = queues[quorums[quorum].queue]
            let outcome = error.isEmpty ? "ok" : error
            let size = quorums[quorum].members.count
            order.said.append("\(queue.declaration.name) has \(size): \(outcome)")
        } else if task.kind != .lead {
            order.said.append(error.isEmpty ? "ok" : error)
        }
        if var rebalance = order.rebalance {
            rebalance.note(task.queue, wentTo: error.isEmpty ? task.node : nil)
            if let (queue, goal) = rebalance.next() {
                order.tasks = [QuorumOrders.Task(kind: .lead, queue: queue, node: goal)]
            } else {
                order.said.append(summary(rebalance))
            }
            order.rebalance = rebalance
        }
        if order.tasks.isEmpty {
            quorumOrders[number] = nil
            answer(order.said.joined(separator: "; "), order.connection, &turn)
        } else {
            quorumOrders[number] = order
            beginTask(of: number, &turn)
        }
        watchOrders(&turn)
    }

    // MARK: What others say

    mutating func receiveAboutMember(
        _ packet: Packet,
        _ word: PeerWord,
        _ peer: PeerIndex,
        _ turn: inout Turn
    ) {
        switch word {
        case .member:
            guard let word = Words.Member(packet), let outcome = take(word, &turn) else { return }
            send(Words.MemberDone(number: word.number, outcome), toPeer: peer, &turn)
        case .memberDone:
            if let word = Words.MemberDone(packet) { hear(word, &turn) }
        default:
            guard let word = Words.MemberGone(packet) else { return }
            let quorum = quorum(of: word.queue)
            if quorum != .none { loseMember(of: peer, quorum, &turn) }
        }
    }

    private mutating func hear(_ word: Words.MemberDone, _ turn: inout Turn) {
        guard let order = quorumOrders.order(asking: word.number), let task = order.tasks.first
        else { return }
        let number = order.number
        switch (order.stage, word.outcome) {
        case (.starting, .done): seekLeader(number, &turn)
        case (.starting, _): endTask(of: number, "Error: already_started", &turn)
        case (.asking(_, let leader), .done): accept(task, number, leader, &turn)
        case (.asking(let server, _), .notLeader):
            // It has heard of another one, or soon will; so does this node.
            quorumOrders[number]?.stage = .seeking(server: server)
        case (.asking, let outcome): fail(number, "error: :\(outcome.name)", &turn)
        case (.none, _), (.seeking, _), (.yielding, _), (.recording, _): break
        }
    }

    /// The leader has done it.
    private mutating func accept(
        _ task: QuorumOrders.Task,
        _ number: UInt64,
        _ leader: PeerIndex,
        _ turn: inout Turn
    ) {
        if task.kind == .lead {
            quorumOrders[number]?.stage = .yielding(leader: leader)
            quorumOrders[number]?.due = turn.now + QuorumOrders.patience
            watchOrders(&turn)
            return
        }
        let quorum = quorum(of: task.queue)
        guard quorum != .none else { return endTask(of: number, "Error: not_found", &turn) }
        let index = quorums[quorum].queue
        quorumOrders[number]?.stage = .recording
        quorumOrders[number]?.due = nil
        watchOrders(&turn)
        propose(
            .changeMembers(
                queue: queues[index].declaration.name,
                scope: queues[index].scope,
                task.node,
                isAdded: task.kind == .add
            ),
            then: .order(number),
            &turn
        )
    }

    /// A leader is known that was not: whoever waits for one goes on.
    mutating func goOnWithOrders(of quorum: QuorumIndex, _ turn: inout Turn) {
        for number in quorumOrders.numbers {
            guard let order = quorumOrders[number],
                order.tasks.first?.queue == symbol(quorum)
            else { continue }
            switch order.stage {
            case .seeking: seekLeader(number, &turn)
            case .yielding(let leader) where quorums[quorum].client.leader != leader:
                endTask(of: number, "", &turn)
            default: break
            }
        }
    }

    /// A node is down that was asked.
    mutating func failOrders(to peer: PeerIndex, _ quorum: QuorumIndex, _ turn: inout Turn) {
        for number in quorumOrders.numbers {
            guard let order = quorumOrders[number], let task = order.tasks.first,
                task.queue == symbol(quorum)
            else { continue }
            switch order.stage {
            case .starting where task.node == peer:
                endTask(of: number, "Error: {:badrpc, :nodedown}", &turn)
            case .seeking(peer), .asking(_, peer): fail(number, "error: :nodedown", &turn)
            default: break
            }
        }
    }

    /// Nobody answered in time.
    mutating func expireOrders(_ turn: inout Turn) {
        for number in quorumOrders.numbers {
            guard let order = quorumOrders[number], let task = order.tasks.first,
                let due = order.due, due <= turn.now
            else { continue }
            switch order.stage {
            case .seeking(let server), .asking(let server, _):
                fail(number, "timeout: \(process(of: task.queue, at: server))", &turn)
            case .starting: endTask(of: number, "Error: timeout", &turn)
            case .yielding: endTask(of: number, "ra_members_timeout", &turn)
            case .none, .recording: break
            }
        }
        watchOrders(&turn)
    }

    private func watchOrders(_ turn: inout Turn) {
        guard let due = quorumOrders.nextDue else { return turn.disarm(NodeTimer.orders) }
        turn.arm(
            NodeTimer.orders,
            after: due > turn.now ? due - turn.now : Interval(nanoseconds: 0)
        )
    }

    /// A member's process, as Elixir writes it.
    private func process(of queue: Symbol, at peer: PeerIndex) -> String {
        let index = queueIndex(queue)
        let vhost = vhostName(of: queues[index].scope)
        let name = "\(vhost == "/" ? "%2F" : vhost)_\(queues[index].declaration.name)"
        return "{:\"\(name)\", :\"\(peers.plan.name(of: peer))\"}"
    }
}

extension Words.MemberDone.Outcome {
    /// Erlang's word for it.
    fileprivate var name: String {
        switch self {
        case .done: "ok"
        case .notPermitted: "cluster_change_not_permitted"
        case .alreadyMember: "already_member"
        case .notMember: "not_member"
        case .alreadyLeader: "already_leader"
        case .unknownMember: "unknown_member"
        case .notLeader: "not_leader"
        }
    }
}
