import WarrenKernel

/// Where a new queue comes to lie.
///
/// - Source: RMQ-CLUS-01, -08, -11, -12; RMQ-QQ-30, -38; rabbitmq_server 3.10.8, `rabbit_queue_location`,
///   `rabbit_queue_location_min_masters`; asked by `Tests/RealCluster/ask.py places`.
/// - Differs: from 1,000 queues on the broker draws the nodes that Warren goes on to count for; a classic queue that is to lie anywhere
///   at random goes by its name.
extension RabbitMQNode {
    /// The nodes of a queue that is declared on a node: this one, unless it is said.
    func place(
        for declaration: QueueDeclaration,
        _ rules: QueueRules,
        on node: PeerIndex? = nil
    ) -> QueuePlace {
        let running = byName(clusterMembers.filter { isRunning($0) })
        let local = node ?? me
        guard rules.kind != .classic else {
            let home = declaration.exclusive ? local : master(declaration, rules, local, running)
            guard rules.mirroring != nil else { return QueuePlace(home: home) }
            let mirrors = mirrors(by: rules, home: home, among: running, existing: [])
            return QueuePlace(home: home, mirrors: mirrors, synced: mirrors.sorted())
        }
        let members = replicas(rules, local)
        var home = local
        if rules.locator != .local {
            let able = byName(members.filter { isRunning($0) })
            let counts = counts(on: able.isEmpty ? byName(members) : able, of: [rules.kind]) {
                [leader(of: $0)]
            }
            home = Self.least(counts) ?? local
        }
        guard rules.kind == .stream else { return QueuePlace(home: home, members: members) }
        let mirrors = members.filter { $0 != home && isRunning($0) }
        return QueuePlace(home: home, members: members, mirrors: mirrors, synced: mirrors)
    }

    private func isRunning(_ node: PeerIndex) -> Bool {
        node == me || peers[node].standing == .running
    }

    /// Nodes in the order of their names, in which the broker settles ties.
    func byName(_ nodes: [PeerIndex]) -> [PeerIndex] {
        peers.isAlone ? nodes : nodes.sorted { peers.plan.name(of: $0) < peers.plan.name(of: $1) }
    }

    /// The node of a classic queue: the one that is asked, the one with the fewest masters, or any.
    private func master(
        _ declaration: QueueDeclaration,
        _ rules: QueueRules,
        _ local: PeerIndex,
        _ running: [PeerIndex]
    ) -> PeerIndex {
        var able = running
        if case .nodes(let names) = rules.mirroring {
            let named = running.filter { names.contains(peers.plan.name(of: $0)) }
            if !named.isEmpty { able = named }
        }
        switch rules.locator {
        case .local: return local
        case .balanced:
            // Whatever has a process is a master to it: streams too, and no quorum queue.
            let kinds: [QueueRules.Kind] =
                settings.version < .v3_13 ? [.classic, .stream] : [.classic]
            return Self.least(counts(on: able, of: kinds) { [$0.home] }) ?? local
        case .random:
            var hash: UInt64 = 0xCBF2_9CE4_8422_2325
            for byte in declaration.name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
            return able.isEmpty ? local : able[Int(hash % UInt64(able.count))]
        }
    }

    /// The members of a new quorum queue or stream: the node that is asked, and those that have the fewest of this kind, those that
    /// run before the others.
    private func replicas(_ rules: QueueRules, _ local: PeerIndex) -> [PeerIndex] {
        let all = clusterMembers
        let usual = rules.kind == .stream ? all.count : min(3, all.count)
        let size = max(Int(clamping: min(rules.groupSize ?? UInt64(usual), UInt64(all.count))), 1)
        guard size < all.count else { return all.sorted() }
        let others = byName(all.filter { $0 != local })
        let counts = counts(on: others, of: [rules.kind]) { members(of: $0) }
        let order = counts.indices.sorted { left, right in
            let (a, b) = (counts[left], counts[right])
            let (aRuns, bRuns) = (isRunning(a.node), isRunning(b.node))
            return (aRuns ? 0 : 1, a.count, left) < (bRuns ? 0 : 1, b.count, right)
        }
        return ([local] + order.prefix(size - 1).map { counts[$0].node }).sorted()
    }

    /// How many queues of some kinds are on each of some nodes.
    private func counts(
        on nodes: [PeerIndex],
        of kinds: [QueueRules.Kind],
        _ places: (Queue) -> [PeerIndex]
    ) -> [(node: PeerIndex, count: Int)] {
        var counts = nodes.map { (node: $0, count: 0) }
        for queue in queues where queue.exists && kinds.contains(queue.rules.kind) {
            for place in places(queue) {
                guard let index = nodes.firstIndex(of: place) else { continue }
                counts[index].count += 1
            }
        }
        return counts
    }

    /// The first of those with the fewest.
    private static func least(_ counts: [(node: PeerIndex, count: Int)]) -> PeerIndex? {
        counts.min { $0.count < $1.count }?.node
    }

    /// The leader of a replicated queue, as the metadata have it.
    private func leader(of queue: Queue) -> PeerIndex {
        queue.quorum == .none ? queue.home : quorums[queue.quorum].client.recorded
    }

    /// The nodes that may keep a replicated queue.
    func members(of queue: Queue) -> [PeerIndex] {
        queue.quorum == .none ? queue.members : quorums[queue.quorum].members
    }
}
