package import RabbitMQModel
import WarrenBroker
package import WarrenKernel
package import WarrenTrace

/// Brokers for those who hold them by hand instead of describing them in a file.
extension RabbitMQ {
    /// Adds the nodes of a broker to a world; several are called `r1`, `r2` and so on, one is called as its broker.
    ///
    /// Silence is noticed after two seconds, and a node takes one to come up.
    package static func addNodes(
        _ count: Int,
        of broker: Symbol,
        handling: PartitionHandling,
        settings: BrokerSettings,
        definitions: [Definitions],
        to world: inout World
    ) -> [NodeID] {
        let name = world.names[broker]
        var plan = ClusterPlan(
            names: count == 1 ? [name] : (1...count).map { "rabbit@r\($0)" },
            nodes: (0..<UInt32(count)).map { NodeID($0) }
        )
        plan.handling = handling
        plan.tickTime = .seconds(2)
        plan.bootTime = .seconds(1)
        let built = plan
        for number in 0..<count {
            world.add(count == 1 ? name : "r\(number + 1)", scope: broker) { _ in
                RabbitMQNode(
                    broker: broker,
                    name: name,
                    definitions: definitions,
                    settings: settings,
                    plan: built,
                    me: Index(number)
                )
            }
        }
        return built.nodes
    }

    /// An administrator's order, as a node takes it.
    package static func order(_ order: Administration, in world: inout World) -> Packet {
        var packet = Packet(word: NodeOrder.administer.rawValue)
        packet.parcel = world.put(order)
        return packet
    }

    /// That a node runs short of memory or disk, or has enough again.
    package static func alarm(memory: Bool, isOn: Bool) -> Packet {
        let word = memory ? NodeOrder.memoryAlarm : .diskAlarm
        return Packet(word: word.rawValue, x: isOn ? 1 : 0)
    }
}
