import WarrenKernel
import WarrenTrace

/// What a node has told its shovels and federation links.
struct RelayDesk: Sendable {
    private var connection = ConnectionID.none
    private var told: RelayOrders?
    /// What the last orders were made of.
    private var stamp = Stamp()

    private struct Stamp: Equatable, Sendable {
        var changes: UInt64 = 0
        var running: UInt64 = 0
        var queues: [QueueIndex] = []
        var wants: [Bool] = []
    }

    /// The queues that a policy federates, wherever they are served, as of a state of exchanges, queues and policies.
    private(set) var federated: [QueueIndex] = []
    private var federatedAsOf: UInt64?

    /// Whether somebody carries what the node wants carried.
    @inline(__always)
    var isAttended: Bool { connection != .none }

    /// The relays of this node listen.
    mutating func begin(_ connection: ConnectionID) {
        self.connection = connection
        told = nil
    }

    /// A connection is gone; with it, perhaps, those who listened.
    mutating func end(_ connection: ConnectionID) {
        if self.connection == connection { self.connection = .none }
    }

    /// Looks anew which queues are federated, if anything has changed that it depends on.
    mutating func lookForQueues(_ changes: UInt64, _ look: () -> [QueueIndex]) {
        guard federatedAsOf != changes else { return }
        federatedAsOf = changes
        federated = look()
    }

    /// Whether what orders are made of has changed.
    mutating func hasNews(
        _ changes: UInt64,
        _ running: UInt64,
        _ queues: [QueueIndex],
        _ wants: [Bool]
    ) -> Bool {
        let now = Stamp(changes: changes, running: running, queues: queues, wants: wants)
        defer { stamp = now }
        return told == nil || now != stamp
    }

    /// Tells orders, unless they are those of before.
    mutating func tell(_ orders: RelayOrders, _ turn: inout Turn) {
        guard orders != told else { return }
        told = orders
        var packet = Packet(.relayOrders, channel: 0)
        packet.parcel = turn.parcels.put(orders)
        turn.send(packet, on: connection)
    }
}

/// Which shovels and federation links a node wants.
extension RabbitMQNode {
    /// Tells its relays what it wants carried, if that has changed.
    ///
    /// - Source: `rabbit_federation_exchange`, `rabbit_federation_queue`: the decorators that the broker calls.
    @inline(never)
    mutating func tellRelays(_ turn: inout Turn) {
        let all = federatedQueues
        relays.lookForQueues(router.changes, all)
        let federated = relays.federated.filter { isServedHere($0) }
        let wants = federated.map { wantsMore($0) }
        guard relays.hasNews(router.changes, peers.runningMask, federated, wants) else { return }
        var wishes: [RelayWish] = []
        for vhost in vhosts {
            if isFirst {
                wishes += vhost.relays.shovels.map {
                    RelayWish(vhost: vhost.name, task: .shovel($0))
                }
                wishes += exchangeLinks(vhost)
            }
            wishes += queueLinks(vhost, federated, wants)
        }
        relays.tell(
            RelayOrders(wishes: wishes, active: vhosts.flatMap(\.relays.active)),
            &turn
        )
    }

    /// Whether this node runs what one node of a cluster runs.
    ///
    /// - Source: `mirrored_supervisor`: one node has a child, and another one takes it over when that node is down.
    /// - Differs: the first node that runs has them all; a real one is whichever came first.
    private var isFirst: Bool { peers.isAlone || peers.runningMask & (me.bit &- 1) == 0 }

    private func exchangeLinks(_ vhost: VirtualHostState) -> [RelayWish] {
        guard !vhost.relays.upstreams.isEmpty else { return [] }
        var wishes: [RelayWish] = []
        for exchange in exchanges where exchange.exists && exchange.scope == vhost.scope {
            let declaration = exchange.declaration
            guard !declaration.name.isEmpty, declaration.arguments["x-internal-purpose"] == nil
            else { continue }
            let upstreams = vhost.relays.upstreams(
                of: declaration.name,
                .exchange,
                vhost.policies,
                settings.version
            )
            guard !upstreams.isEmpty else { continue }
            let bindings = exchange.bindings.map { binding in
                var made = BindingDeclaration(
                    source: declaration.name,
                    destination: name(of: binding.destination),
                    key: binding.key
                )
                if case .exchange = binding.destination { made.toExchange = true }
                made.arguments = binding.arguments
                return made
            }
            wishes += upstreams.map {
                RelayWish(
                    vhost: vhost.name,
                    task: .exchange($0, declaration, bindings: bindings)
                )
            }
        }
        return wishes
    }

    private func name(of destination: Destination) -> String {
        switch destination {
        case .queue(let queue): queues[queue].declaration.name
        case .exchange(let exchange): exchanges[exchange].declaration.name
        }
    }

    // MARK: Queues

    /// The queues that a policy federates.
    private func federatedQueues() -> [QueueIndex] {
        guard vhosts.contains(where: { !$0.relays.upstreams.isEmpty }) else { return [] }
        return queues.indices.filter { queue in
            guard queues[queue].exists,
                queues[queue].declaration["x-internal-purpose"] == nil,
                let vhost = vhosts.first(where: { $0.scope == queues[queue].scope })
            else { return false }
            return !upstreams(of: queue, vhost).isEmpty
        }
    }

    private func upstreams(of queue: QueueIndex, _ vhost: VirtualHostState) -> [Upstream] {
        let declaration = queues[queue].declaration
        return vhost.relays.upstreams(
            of: declaration.name,
            .queue(declaration.type),
            vhost.policies,
            settings.version
        )
    }

    private func isServedHere(_ queue: QueueIndex) -> Bool {
        let quorum = queues[queue].quorum
        return quorum != .none ? quorums.leads(quorum) : isHere(queue)
    }

    /// Whether consumers of a queue wait for more than it has: it holds nothing that is ready, and somebody who is no link
    /// could take something.
    ///
    /// Of a classic queue a consumer that was filled counts until the next delivery passes it over.
    ///
    /// - Source: RMQ-FED-06; `rabbit_federation_queue:consumer_state_changed`.
    private func wantsMore(_ queue: QueueIndex) -> Bool {
        let quorum = queues[queue].quorum
        if quorum != .none {
            return quorums.leads(quorum) && quorums[member: quorum].machine.wantsMore
        }
        return queues[queue].readyCount == 0
            && queues[queue].rotation.contains { consumers[$0].priority >= 0 }
    }

    private func queueLinks(
        _ vhost: VirtualHostState,
        _ federated: [QueueIndex],
        _ wants: [Bool]
    ) -> [RelayWish] {
        var wishes: [RelayWish] = []
        for (queue, wants) in zip(federated, wants) where queues[queue].scope == vhost.scope {
            let declaration = queues[queue].declaration
            wishes += upstreams(of: queue, vhost).map {
                RelayWish(vhost: vhost.name, task: .queue($0, declaration, wants: wants))
            }
        }
        return wishes
    }
}

extension Array {
    /// Puts an element in the place of the one with the same key, or at the end.
    mutating func replace<Key: Equatable>(_ element: Element, _ key: (Element) -> Key) {
        if let index = firstIndex(where: { key($0) == key(element) }) {
            self[index] = element
        } else {
            append(element)
        }
    }
}
