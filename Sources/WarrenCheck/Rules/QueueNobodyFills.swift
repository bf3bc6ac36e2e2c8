import RabbitMQModel
import WarrenTopology

/// A consumer on a queue into which nothing comes.
enum QueueNobodyFills: Rule {
    static let manual = Manual(
        "queue-nobody-fills",
        .warning,
        "a consumer waits on a queue into which nothing comes",
        why:
            "the queue is bound to nothing, nobody publishes to it by name, and no dead letter goes there",
        remedy: "bind the queue, or mend the name that the consumer or the producer uses",
        source: "RMQ-ROUTE-01",
        bad: .topology(
            "brokers:\n  main: { kind: rabbitmq, queues: { jobs: {}, job: {} } }\nproducers:\n  shop: { to: job, arrivals: 1s, count: 1 }\nconsumers:\n  worker: { from: jobs }"
        ),
        good: .topology(
            "brokers:\n  main: { kind: rabbitmq, queues: { jobs: {} } }\nproducers:\n  shop: { to: jobs, arrivals: 1s, count: 1 }\nconsumers:\n  worker: { from: jobs }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        guard !subject.clients(.producer, .caller).isEmpty || !subject.bridgesHere.isEmpty,
            subject.clients(.script).isEmpty
        else { return }
        let named = Filled.byName(subject)
        for client in subject.clients(.consumer, .server, .bridge) {
            let vhost = client.target["vhost"]?.text ?? "/"
            guard let queue = client.target["queue"]?.text, let host = subject.host(vhost),
                host.queues[queue] != nil,
                host.toQueue[queue] == nil, !named.contains(Filled.Name(vhost: vhost, queue: queue))
            else { continue }
            report.add(
                "'\(client.name)' waits on '\(queue)', and nothing comes into it",
                at: client.target["queue"]?.place ?? client.place,
                object: "\(client.role.rawValue) '\(client.name)'"
            )
        }
    }
}
