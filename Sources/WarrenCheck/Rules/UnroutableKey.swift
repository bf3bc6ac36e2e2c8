import RabbitMQModel
import WarrenTopology

/// A producer whose messages reach no queue.
enum UnroutableKey: Rule {
    static let manual = Manual(
        "unroutable-key",
        .error,
        "a producer publishes with a key that reaches no queue",
        why:
            "the exchange takes the message, finds no binding, and drops it; only `mandatory` or an alternate exchange tells",
        remedy: "bind a queue with that key, or mend the key; `warren route` shows the near misses",
        source: "RMQ-PUB on unroutable messages; rabbitmq-server#3093",
        bad: .topology(
            "brokers:\n  main: { kind: rabbitmq, queues: { jobs: { bind: { amq.topic: [\"order.*\"] } } } }\nproducers:\n  shop: { to: { exchange: amq.topic, key: refund.created }, arrivals: 1s, count: 1 }"
        ),
        good: .topology(
            "brokers:\n  main: { kind: rabbitmq, queues: { jobs: { bind: { amq.topic: [\"order.*\"] } } } }\nproducers:\n  shop: { to: { exchange: amq.topic, key: order.created }, arrivals: 1s, count: 1 }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        // A bridge that names no key passes on that of each message.
        let bridges = subject.bridgesHere.filter {
            $0.target["queue"] != nil || $0.target["key"] != nil
        }
        for client in subject.clients(.producer, .caller) + bridges {
            guard let host = subject.host(client.target["vhost"]?.text ?? "/") else { continue }
            let exchange = client.target["exchange"]?.text ?? ""
            guard host.hasExchange(exchange) else { continue }
            let type = host.type(ofExchange: exchange, in: subject.set)
            guard type != "headers" else { continue }
            let picks = client.target["key"]?["pick"]?.entries ?? []
            let keys =
                picks.isEmpty
                ? [
                    (
                        client.target["queue"]?.text ?? client.target["key"]?.text ?? "",
                        client.target["key"]?.place ?? client.target.place
                    )
                ]
                : picks.filter { $0.value.text != "0" }.map { ($0.key, $0.place) }
            for (key, place) in keys where !subject.reachesQueue(exchange, .one(key), in: host) {
                report.add(
                    "'\(client.name)' publishes with '\(key)' to '\(exchange)', and no queue gets it",
                    at: place,
                    object: "\(client.role.rawValue) '\(client.name)'",
                    severity: client.tree["mandatory"]?.text == "true" ? .warning : .error
                )
            }
        }
    }
}
