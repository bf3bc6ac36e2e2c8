import RabbitMQModel
import WarrenTopology

/// A short time to live behind a long one.
enum ExpiryBehindLonger: Rule {
    static let manual = Manual(
        "expiry-behind-longer",
        .warning,
        "messages with different times to live go into the same classic queue",
        why:
            "a classic queue looks at its head only: a message that expires soon waits behind one that expires late",
        remedy: "use one queue for each delay",
        source: "website docs/ttl, the section on caveats; RMQ-TTL",
        bad: .topology(
            "brokers:\n  main: { kind: rabbitmq, queues: { later: { dead_letter: { exchange: \"\", key: jobs } }, jobs: {} } }\nproducers:\n  slow: { to: later, expiration: 60s, arrivals: 1s, count: 1 }\n  quick: { to: later, expiration: 5s, arrivals: 1s, count: 1 }"
        ),
        good: .topology(
            "brokers:\n  main: { kind: rabbitmq, queues: { later: { message_ttl: 60s, dead_letter: { exchange: \"\", key: jobs } }, jobs: {} } }\nproducers:\n  slow: { to: later, arrivals: 1s, count: 1 }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        var lives: [Filled.Name: (length: Double, client: String)] = [:]
        for client in subject.clients(.producer) {
            guard let life = client.tree["expiration"]?.text.flatMap(Units.duration),
                let host = subject.host(client.target["vhost"]?.text ?? "/")
            else { continue }
            let exchange = client.target["exchange"]?.text ?? ""
            let key = client.target["queue"]?.text ?? client.target["key"]?.text
            for queue in subject.queues(from: exchange, key.map { .one($0) } ?? .any, in: host).list
            {
                let name = Filled.Name(vhost: host.name, queue: queue)
                guard let known = lives[name] else {
                    lives[name] = (life, client.name)
                    continue
                }
                guard known.length != life else { continue }
                report.add(
                    "'\(client.name)' and '\(known.client)' put messages with different times to live into '\(queue)'",
                    at: client.tree["expiration"]?.place,
                    object: Named.queue(queue, host.name)
                )
            }
        }
    }
}
