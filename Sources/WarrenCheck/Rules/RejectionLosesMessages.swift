import RabbitMQModel
import WarrenTopology

/// Work that fails, and nowhere for what is rejected.
enum RejectionLosesMessages: Rule {
    static let manual = Manual(
        "rejection-loses-messages",
        .warning,
        "a consumer rejects messages whose work fails, and its queue has no dead-letter exchange",
        why: "a rejected message that is not put back is dropped, and nobody hears of it",
        remedy:
            "give the queue a dead-letter exchange with a queue, or write on_error: { requeue: true } with a delivery limit",
        source: "RMQ-DLX; RMQ-ACK on basic.reject",
        bad: .topology(
            "brokers:\n  main: { kind: rabbitmq, queues: { jobs: {} } }\nconsumers:\n  worker: { from: jobs, fails: { error: 1% } }"
        ),
        good: .topology(
            "brokers:\n  main: { kind: rabbitmq, queues: { jobs: { dead_letter: { exchange: \"\", key: dead } }, dead: {} } }\nconsumers:\n  worker: { from: jobs, fails: { error: 1% } }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for client in subject.clients(.consumer, .server, .bridge)
        where client.fails.error > 0 || client.fails.poison > 0 {
            guard client.tree["ack"]?.text ?? "after" == "after",
                client.tree["on_error"]?["requeue"]?.text != "true",
                let name = client.target["queue"]?.text,
                let host = subject.host(client.target["vhost"]?.text ?? "/"),
                let queue = host.queues[name]
            else { continue }
            let rules = subject.rules(queue, in: host)
            guard rules.deadLetterExchange == nil, rules.kind != .stream else { continue }
            report.add(
                "'\(client.name)' rejects what fails, and '\(name)' drops it",
                at: client.tree["fails"]?.place ?? client.place,
                object: "\(client.role.rawValue) '\(client.name)'"
            )
        }
    }
}
