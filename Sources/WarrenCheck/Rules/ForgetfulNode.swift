import RabbitMQModel
import WarrenTopology

/// A node that comes back empty.
enum ForgetfulNode: Rule {
    static let manual = Manual(
        "forgetful-node",
        .warning,
        "a node has no fixed host name or no volume, and keeps durable queues",
        why:
            "the data directory is named after the host: after a restart under another name, or without a volume, the node "
            + "comes up empty, and everything durable is gone",
        remedy: "give the container a fixed host name and a volume",
        source: "RMQ-PERSIST on the data directory; Docker guides",
        bad: .broker("nodes: [{ name: rabbit, hostname: random }]\nqueues: { jobs: {} }"),
        good: .broker("nodes: [{ name: rabbit, hostname: fixed }]\nqueues: { jobs: {} }")
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        guard let broker = subject.broker,
            let queue = subject.set.queues.first(where: { $0.value.durable })
        else { return }
        for node in broker.forgetful {
            let place = broker.tree["nodes"]?.elements.first { $0["name"]?.text == node }
            report.add(
                "the node '\(node)' comes back empty after a restart, without '\(queue.value.name)'",
                at: (place?["hostname"] ?? place?["data"] ?? place)?.place,
                object: "node '\(node)'"
            )
        }
    }
}
