public import WarrenBroker
import WarrenKernel
public import WarrenTopology
import WarrenTrace

/// RabbitMQ: the only type that the catalog sees.
public enum RabbitMQ: BrokerModel {
    /// At least once with acks after the work; what is simplified is listed here and said by a run.
    public static let features = Features(
        delivery: .atLeastOnce,
        approximations: [
            Features.Approximation(
                "the AMQP handshake (RMQ-CONN-01, -02)",
                instead: "one round trip from connection.open on"
            ),
            Features.Approximation(
                "fsync (RMQ-PUB-12)",
                instead: "a batch takes the same time whatever its size"
            ),
            Features.Approximation(
                "classic dead-lettering may lose messages in a crash (RMQ-DLX-28)",
                instead: "moving a message to its dead-letter queues is one step"
            ),
        ]
    )

    /// Adds the node of a broker.
    public static func build(_ broker: Topology.Broker, into blueprint: inout Blueprint) {
        let reader = DefinitionsReader(broker)
        let definitions = reader.read(&blueprint.findings)
        let symbol = blueprint.symbol(of: broker.name)
        if broker.nodes.count > 1 {
            blueprint.findings.append(
                Finding(
                    "not-modelled",
                    "clusters of several nodes are not modelled yet",
                    at: broker.tree["nodes"]?.place,
                    why: "one node would play all \(broker.nodes.count), and none could fail alone",
                    remedy: "name one node"
                )
            )
            return
        }
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
        let forgets = broker.forgetful.contains(broker.nodes[0])
        blueprint.addNode(broker.nodes[0], of: name, sync: law, forgets: forgets) { _ in
            RabbitMQNode(
                broker: symbol,
                name: name,
                definitions: definitions,
                settings: settings
            )
        }
    }

    /// Adds the instances of a client.
    public static func build(_ client: Topology.Client, into blueprint: inout Blueprint) {
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
