import RabbitMQModel
import WarrenTopology

/// A queue that only the default exchange can reach.
enum QueueWithoutBindings: Rule {
    static let manual = Manual(
        "queue-without-bindings",
        .note,
        "a queue is bound to nothing",
        outcome: .created,
        why:
            "only publishers that name it, through the default exchange, and dead letters that do, can reach it",
        remedy: "bind it, or remove it if nobody publishes to it by name",
        source: "RMQ-ROUTE-01",
        bad: .broker("queues: { jobs: { bind: { amq.topic: [a] } }, forgotten: {} }"),
        good: .broker("queues: { jobs: { bind: { amq.topic: [a] } } }")
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        // A file without any binding works through the default exchange throughout.
        guard !subject.set.bindings.isEmpty else { return }
        let named = Filled.byName(subject)
        for (index, host) in subject.liveQueues {
            let item = subject.set.queues[index]
            guard host.toQueue[item.value.name] == nil,
                !named.contains(Filled.Name(vhost: host.name, queue: item.value.name))
            else { continue }
            let object = Named.queue(item.value.name, item.vhost)
            report.add(
                "the \(object) is bound to nothing",
                at: subject.set.place(item.origin),
                object: object
            )
        }
    }
}

/// The queues that something fills by their name.
enum Filled {
    struct Name: Hashable {
        var vhost: String
        var queue: String
    }

    static func byName(_ subject: Subject) -> Set<Name> {
        var found: Set<Name> = []
        for (index, host) in subject.liveQueues {
            let rules = subject.rules(index, in: host)
            guard rules.deadLetterExchange == "" else { continue }
            found.insert(
                Name(
                    vhost: host.name,
                    queue: rules.deadLetterKey ?? subject.set.queues[index].value.name
                )
            )
        }
        for client in subject.clients(.producer, .caller) + subject.bridgesHere {
            let vhost = client.target["vhost"]?.text ?? "/"
            if let queue = client.target["queue"]?.text {
                found.insert(Name(vhost: vhost, queue: queue))
            }
            if let replies = client.tree["replies"]?.text {
                found.insert(Name(vhost: vhost, queue: replies))
            }
            if client.target["exchange"]?.text == "", let key = client.target["key"]?.text {
                found.insert(Name(vhost: vhost, queue: key))
            }
        }
        return found
    }
}
