import RabbitMQModel
import WarrenTopology

/// Work that counts, acknowledged before it is done.
enum AutomaticAckWithEffect: Rule {
    static let manual = Manual(
        "automatic-ack-with-effect",
        .warning,
        "a consumer whose work has an effect acknowledges before the work is done",
        why:
            "the broker forgets the message when it is sent: if the consumer dies the work is never done",
        remedy: "write ack: after, and make the effect idempotent",
        source: "RMQ-CONS on acknowledgement modes",
        bad: .topology(
            "brokers:\n  main: { kind: rabbitmq, queues: { jobs: {} } }\nconsumers:\n  worker: { from: jobs, ack: automatic, effect: ledger }"
        ),
        good: .topology(
            "brokers:\n  main: { kind: rabbitmq, queues: { jobs: {} } }\nconsumers:\n  worker: { from: jobs, ack: after, effect: ledger }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for client in subject.clients(.consumer) where client.effect != nil {
            guard let ack = client.tree["ack"]?.text, ack != "after" else { continue }
            report.add(
                "'\(client.name)' changes '\(client.effect ?? "")' and acknowledges \(ack == "automatic" ? "when it is sent to" : "before the work")",
                at: client.tree["ack"]?.place,
                object: "consumer '\(client.name)'"
            )
        }
    }
}
