import RabbitMQModel
import WarrenTopology

/// Limits that stand in queues and could stand in a policy.
enum ArgumentInsteadOfPolicy: Rule {
    static let manual = Manual(
        "argument-instead-of-policy",
        .note,
        "queues have limits among their arguments, where a policy would do",
        outcome: .created,
        why:
            "arguments cannot be changed: a client that declares the queue with another limit is refused with 406, and the "
            + "queue must be deleted first; a policy can be changed while it is used",
        remedy: "move time to live, lengths and dead-letter targets into a policy",
        source: "RMQ-DECL-08; messaging-topology-operator#40, #175, #822",
        bad: .broker("queues: { jobs: { max_length: 1000, overflow: reject-publish } }"),
        good: .broker(
            "queues: { jobs: {} }\npolicies:\n- { name: cap, pattern: \"^jobs$\", max_length: 1000, overflow: reject-publish }"
        )
    )

    private static let movable = [
        "x-message-ttl", "x-expires", "x-max-length", "x-max-length-bytes", "x-overflow",
        "x-dead-letter-exchange",
        "x-dead-letter-routing-key", "x-delivery-limit", "x-max-age",
    ]

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        // Once for a virtual host: it is a habit, and not a slip.
        for host in subject.hosts {
            let found = host.queues.values.sorted().filter { index in
                movable.contains { subject.set.queues[index].value[$0] != nil }
            }
            guard let first = found.first else { continue }
            let item = subject.set.queues[first]
            let argument = movable.first { item.value[$0] != nil } ?? ""
            report.add(
                "\(found.count) queue\(found.count == 1 ? "" : "s") in '\(host.name)' \(found.count == 1 ? "has" : "have") limits among the arguments, such as '\(item.value.name)'",
                at: subject.set.place(item.origin, argument: argument),
                object: Named.queue(item.value.name, item.vhost)
            )
        }
    }
}
