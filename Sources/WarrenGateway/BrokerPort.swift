import RabbitMQModel
import WarrenBroker
import WarrenKernel
import WarrenTopology
import WarrenTrace

/// What stands for a node of a broker in a world whose broker is a real one: it keeps what it hears.
struct BrokerPort: Machine {
    /// What the world told it and nobody took yet, in order.
    var outbox: [Event] = []
    /// What the queues of the real broker are known to hold.
    var lines: [Inventory.Line] = []

    mutating func handle(_ event: Event, _ turn: inout Turn) { outbox.append(event) }

    func inventory(_ report: inout Inventory) {
        for line in lines {
            report.add(queue: line.queue, ready: line.ready, unacked: line.unacked)
        }
    }

    func parcels(_ holding: inout ParcelMarks) {
        for case .arrived(let packet, _) in outbox { holding.keep(packet.parcel) }
    }
}

/// RabbitMQ, with a real broker behind its nodes.
enum ReplayedRabbitMQ: BrokerModel {
    static var vocabulary: Vocabulary { RabbitMQ.vocabulary }
    /// The broker is real: nothing of it is simplified.
    static var features: Features {
        var features = RabbitMQ.features
        features.approximations = []
        return features
    }

    static func build(_ broker: Topology.Broker, into blueprint: inout Blueprint) {
        RabbitMQ.build(broker, into: &blueprint) { _ in BrokerPort() }
    }

    static func build(_ client: Topology.Client, into blueprint: inout Blueprint) {
        RabbitMQ.build(client, into: &blueprint)
    }
}
