import RabbitMQModel
import WarrenTopology

/// A queue from which nobody takes anything.
enum QueueNobodyConsumes: Rule {
    static let manual = Manual(
        "queue-nobody-consumes",
        .note,
        "a queue has no consumer in the file",
        why: "it grows until the disk is full, unless it has a limit or its messages expire",
        remedy: "add a consumer, or a limit; if its consumers live elsewhere, all is well",
        source: "RMQ-LEN",
        bad: .topology(
            "brokers:\n  main: { kind: rabbitmq, queues: { jobs: {}, audit: {} } }\nproducers:\n  shop: { to: audit, arrivals: 1s, count: 1 }\nconsumers:\n  worker: { from: jobs }"
        ),
        good: .topology(
            "brokers:\n  main: { kind: rabbitmq, queues: { jobs: {} } }\nproducers:\n  shop: { to: jobs, arrivals: 1s, count: 1 }\nconsumers:\n  worker: { from: jobs }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        let takers = subject.clients(.consumer, .server, .bridge)
        // Scripts consume as they like, and a file without consumers speaks of none.
        guard !takers.isEmpty, subject.clients(.script).isEmpty else { return }
        var taken = Set(
            takers.compactMap { taker in
                taker.target["queue"]?.text.map {
                    Filled.Name(vhost: taker.target["vhost"]?.text ?? "/", queue: $0)
                }
            }
        )
        if let topology = subject.topology, let broker = subject.broker {
            // A shovel, or a queue of another broker, takes what comes.
            for one in RabbitMQ.queuesCarriedAway(from: broker.name, in: topology) {
                taken.insert(Filled.Name(vhost: one.vhost, queue: one.queue))
            }
        }
        let replies = Set(subject.clients(.caller).compactMap { $0.tree["replies"]?.text })
        var buried: Set<Filled.Name> = []
        for (index, host) in subject.liveQueues {
            let rules = subject.rules(index, in: host)
            guard let exchange = rules.deadLetterExchange else { continue }
            let name = subject.set.queues[index].value.name
            for keys in rules.deadLetterKey.map({ [Keys.one($0)] })
                ?? subject.keys(into: name, in: host)
            {
                let queues = subject.queues(from: exchange, keys, in: host).list
                host.reach.spend(queues.count)
                for queue in queues { buried.insert(Filled.Name(vhost: host.name, queue: queue)) }
            }
        }
        for (index, host) in subject.liveQueues {
            let item = subject.set.queues[index]
            let rules = subject.rules(index, in: host)
            let name = Filled.Name(vhost: host.name, queue: item.value.name)
            guard !taken.contains(name), !buried.contains(name), !replies.contains(name.queue),
                rules.kind != .stream,
                rules.ttl == nil, rules.maxLength == nil, rules.maxBytes == nil,
                rules.expires == nil
            else { continue }
            let object = Named.queue(item.value.name, item.vhost)
            report.add(
                "nobody consumes from the \(object), and it has no limit",
                at: subject.set.place(item.origin),
                object: object
            )
        }
    }
}
