import RabbitMQModel
public import WarrenTopology

/// What a topology leaves to the moment, so that two runs may differ in it.
public struct Leeway: Sendable {
    /// By queue: why its messages may come out in another order at another time.
    var unordered: [String: String] = [:]
    /// By queue: why it is a matter of the moment which messages it keeps.
    var losing: [String: String] = [:]
    /// Whether the run ends at a moment, whatever is under way.
    var isCut = false
    /// Whether there is one client and no fault, so that what it hears is no matter of the moment.
    var isAlone = false

    /// Queues with a consumer that settles what it has not worked on and that a fault hits: what it holds then is lost,
    /// and who holds what depends on the moment.
    var losingHands: Set<String> = []
    /// Clients whose messages expire before the run is over.
    var expiring: Set<String> = []

    /// Nothing is left to the moment.
    public init() {}

    /// What a topology with one RabbitMQ leaves to the moment.
    public init(of topology: Topology) {
        isCut = topology.duration != nil
        isAlone =
            topology.clients.reduce(0) { $0 + $1.instances } == 1 && topology.faults.isEmpty
        for client in topology.clients {
            if let queue = client.target["queue"]?.text,
                ["automatic", "before"].contains(client.tree["ack"]?.text ?? ""),
                topology.faults.contains(where: { $0.client == client.name })
            {
                losingHands.insert(queue)
            }
            if let wait = client.tree["expiration"]?.text.flatMap(Units.duration),
                wait < topology.duration ?? .infinity
            {
                expiring.insert(client.name)
            }
        }
        for broker in topology.brokers where broker.kind == RabbitMQ.vocabulary.kind {
            for definitions in RabbitMQ.definitions(of: broker) {
                for queue in definitions.queues { add(queue, definitions) }
            }
        }
    }

    private mutating func add(_ queue: QueueDeclaration, _ definitions: Definitions) {
        let policies = [definitions.policies, definitions.operatorPolicies].compactMap {
            Policy.effective($0, queue.name, .queue(queue.type), .v3_10)
        }
        func has(_ key: String) -> Bool {
            queue["x-" + key] != nil || policies.contains { $0[key] != nil }
        }
        if queue["x-max-priority"] != nil {
            unordered[queue.name] = "which of several priorities waits depends on the moment"
        }
        if has("max-length") || has("max-length-bytes") {
            losing[queue.name] = "whether a queue is full depends on the moment"
        } else if has("message-ttl") {
            losing[queue.name] = "it expired about when a consumer had room"
        }
    }
}
