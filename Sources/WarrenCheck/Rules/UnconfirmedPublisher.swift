import RabbitMQModel
import WarrenTopology

/// A publisher that never hears whether its messages are safe.
enum UnconfirmedPublisher: Rule {
    static let manual = Manual(
        "unconfirmed-publisher",
        .warning,
        "a producer publishes persistent messages without confirms",
        why:
            "a message on the wire, or in the memory of a node that dies, is gone, and the publisher goes on as if nothing "
            + "had happened",
        remedy: "add confirms: { timeout: 5s, retries: 3 }",
        source: "RMQ-PUB-12; Topologies/rabbitmq/losses/unconfirmed-publish.yaml, tried on 3.10.8",
        bad: .topology(
            "brokers:\n  main: { kind: rabbitmq, queues: { jobs: {} } }\nproducers:\n  shop: { to: jobs, persistent: true, arrivals: 1s, count: 1 }"
        ),
        good: .topology(
            "brokers:\n  main: { kind: rabbitmq, queues: { jobs: {} } }\nproducers:\n  shop: { to: jobs, persistent: true, confirms: true, arrivals: 1s, count: 1 }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for client in subject.clients(.producer) + subject.bridgesHere
        where client.tree["persistent"]?.text == "true" {
            let confirms = client.tree["confirms"]
            guard confirms == nil || confirms?.text == "false" else { continue }
            report.add(
                "'\(client.name)' publishes persistent messages and never asks for a confirm",
                at: (client.tree["persistent"] ?? client.target).place,
                object: "\(client.role.rawValue) '\(client.name)'"
            )
        }
    }
}
