package import WarrenBroker
package import WarrenKernel
package import WarrenTopology
package import WarrenTrace

/// RabbitMQ: the only type that the catalog sees.
package enum RabbitMQ: BrokerModel {
    /// At least once with acks after the work; what is simplified is listed here and said by a run.
    package static let features = Features(
        delivery: .atLeastOnce,
        capabilities: [
            .keepsForLater, .sharesWork, .returnsUnfinished, .confirms, .survivesRestart,
            .answersRequests,
        ],
        approximations: [
            Features.Approximation(
                "the AMQP handshake (RMQ-CONN-01, -02)",
                instead: "one round trip from connection.open on"
            ),
            Features.Approximation(
                "fsync (RMQ-PUB-12)",
                instead: "a batch takes the same time whatever its size",
                touchedBy: [.messageConfirmed, .messageRecovered]
            ),
            Features.Approximation(
                "classic dead-lettering may lose messages in a crash (RMQ-DLX-28)",
                instead: "moving a message to its dead-letter queues is one step",
                touchedBy: [.messageDeadLettered]
            ),
        ]
    )

    /// Adds the nodes of a broker.
    package static func build(_ broker: Topology.Broker, into blueprint: inout Blueprint) {
        build(broker, into: &blueprint, as: nil)
    }

    /// What a broker begins with, virtual host by virtual host.
    package static func definitions(of broker: Topology.Broker) -> [Definitions] {
        var findings: [Finding] = []
        return DefinitionsReader(broker).read(&findings)
    }

    /// The users of a broker.
    package static func users(of broker: Topology.Broker) -> [User] {
        SettingsReader.settings(broker).users
    }

    /// Adds the nodes of a broker, or what stands for each.
    package static func build(
        _ broker: Topology.Broker,
        into blueprint: inout Blueprint,
        as substitute: World.Factory?
    ) {
        let reader = DefinitionsReader(broker)
        let definitions = reader.read(&blueprint.findings)
        let symbol = blueprint.symbol(of: broker.name)
        for definition in definitions {
            let scope = VirtualHost.scope(symbol, broker.name, definition.vhost, in: &blueprint)
            for exchange in definition.exchanges {
                _ = blueprint.world.intern(.exchange, exchange.name, in: scope)
            }
            for queue in definition.queues {
                _ = blueprint.world.intern(.queue, queue.name, in: scope)
            }
        }
        let sync = broker.tree["disk"]?["sync"].flatMap { LawSpec($0) } ?? .constant(1e6)
        let law = blueprint.law(sync)
        let name = broker.name
        let settings = SettingsReader.settings(broker)
        blueprint.keep(definitions, for: broker.name)
        let first = UInt32(blueprint.world.nodeCount)
        var plan = ClusterReader.plan(broker, first)
        ClusterReader.check(broker, definitions, &blueprint.findings)
        if broker.nodes.count == 1 { plan.nodes = [] }
        let fixed = plan
        for (number, node) in broker.nodes.enumerated() {
            blueprint.addNode(
                node,
                of: name,
                sync: law,
                diskFaults: ClusterReader.diskFaults(broker),
                forgets: broker.forgetful.contains(node),
                substitute ?? { _ in
                    RabbitMQNode(
                        broker: symbol,
                        name: name,
                        definitions: definitions,
                        settings: settings,
                        plan: fixed,
                        me: Index(number)
                    )
                }
            )
        }
    }

    /// Adds the shovels and federation links of a broker, if it has any.
    package static func connect(
        _ broker: Topology.Broker,
        of topology: Topology,
        into blueprint: inout Blueprint
    ) {
        RelayBuilder(broker, topology).build(into: &blueprint)
    }

    /// The end of a bridge that consumes.
    package static func bridgeSource(_ end: Topology.Client, into blueprint: inout Blueprint)
        -> BridgeSourceFactory?
    { ClientBuilder(end).bridgeSource(&blueprint) }

    /// The end of a bridge that publishes.
    package static func bridgeTarget(_ end: Topology.Client, into blueprint: inout Blueprint)
        -> BridgeTargetFactory?
    { ClientBuilder(end).bridgeTarget(&blueprint) }

    /// The nodes that may keep a quorum queue or stream, counted from 0; nil if none of these knows it.
    package static func members(of queue: String, among nodes: [NodeID], in world: World) -> [Int]?
    {
        for node in nodes {
            guard let machine = world.machine(node) as? RabbitMQNode else { continue }
            for row in machine.queues where row.exists && row.declaration.name == queue {
                return machine.members(of: row).map(\.place)
            }
        }
        return nil
    }

    /// The leader of a quorum queue, or the node of a classic one, in the first virtual host that has it.
    package static func leader(of queue: String, among nodes: [NodeID], in world: World) -> NodeID?
    {
        var home: NodeID?
        for node in nodes {
            guard let machine = world.machine(node) as? RabbitMQNode else { continue }
            for row in machine.queues where row.exists && row.declaration.name == queue {
                if row.quorum != .none {
                    if machine.quorums.leads(row.quorum) { return node }
                } else if row.isHere {
                    home = node
                }
            }
        }
        return home
    }

    /// Adds the instances of a client.
    package static func build(_ client: Topology.Client, into blueprint: inout Blueprint) {
        ClientBuilder(client).build(into: &blueprint)
    }
}

extension VirtualHost {
    static func scope(
        _ broker: Symbol,
        _ name: String,
        _ vhost: String,
        in blueprint: inout Blueprint
    ) -> Symbol {
        vhost == "/" ? broker : blueprint.world.intern(.broker, "\(name)/\(vhost)")
    }
}
