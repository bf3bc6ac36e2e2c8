import RabbitMQModel
import WarrenTopology

/// Several consumers where only one works.
enum IdleConsumers: Rule {
    static let manual = Manual(
        "idle-consumers",
        .note,
        "several instances consume from a queue that serves one at a time",
        why:
            "with a single active consumer the others wait; with an exclusive one they are refused with 403",
        remedy: "keep one as a spare, or take the restriction away; more speed needs more queues",
        source: "RMQ-SAC; RMQ-CONS on exclusive consumers",
        bad: .topology(
            "brokers:\n  main: { kind: rabbitmq, queues: { jobs: { single_active_consumer: true } } }\nconsumers:\n  worker: { from: jobs, instances: 3 }"
        ),
        good: .topology(
            "brokers:\n  main: { kind: rabbitmq, queues: { jobs: {} } }\nconsumers:\n  worker: { from: jobs, instances: 3 }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for client in subject.clients(.consumer, .server, .bridge) where client.instances > 1 {
            guard let name = client.target["queue"]?.text,
                let host = subject.host(client.target["vhost"]?.text ?? "/"),
                let queue = host.queues[name]
            else { continue }
            let isExclusive = client.tree["exclusive"]?.text == "true"
            guard isExclusive || subject.rules(queue, in: host).singleActive else { continue }
            report.add(
                "of the \(client.instances) instances of '\(client.name)' one works at a time",
                at: client.tree["instances"]?.place ?? client.place,
                object: "\(client.role.rawValue) '\(client.name)'",
                severity: isExclusive ? .warning : .note
            )
        }
    }
}
