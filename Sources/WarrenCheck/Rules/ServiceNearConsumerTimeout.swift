import RabbitMQModel
import WarrenTopology

/// Work that takes about as long as a delivery may be held.
enum ServiceNearConsumerTimeout: Rule {
    static let manual = Manual(
        "service-near-consumer-timeout",
        .warning,
        "a consumer may hold a delivery for longer than the broker waits",
        why:
            "a delivery that is not acknowledged in time, 30 minutes by default, closes the channel: all that the consumer "
            + "holds is delivered again, and its work is done twice",
        remedy: "lower the prefetch, acknowledge earlier, or raise consumer_timeout",
        source: "website docs/consumers, delivery acknowledgement timeout; RMQ-CONS",
        bad: .topology(
            "brokers:\n  main: { kind: rabbitmq, queues: { jobs: {} } }\nconsumers:\n  worker: { from: jobs, prefetch: 10, service: 5m }"
        ),
        good: .topology(
            "brokers:\n  main: { kind: rabbitmq, queues: { jobs: {} } }\nconsumers:\n  worker: { from: jobs, prefetch: 1, service: 5m }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        let stated = subject.broker?.tree["consumer_timeout"]?.text.flatMap(Units.duration)
        let timeout = stated ?? 1800e9
        for client in subject.clients(.consumer, .server, .bridge)
        where client.tree["ack"]?.text ?? "after" == "after" {
            let prefetch = client.tree["prefetch"]?.text.flatMap { Double($0) } ?? 1
            let held = client.service.mean * max(1, prefetch)
            guard held > timeout * 0.8 else { continue }
            report.add(
                "'\(client.name)' holds a delivery for about \(Words.time(UInt64(held / 1e6))), and the broker waits \(Words.time(UInt64(timeout / 1e6)))",
                at: client.tree["service"]?.place ?? client.place,
                object: "\(client.role.rawValue) '\(client.name)'",
                label: prefetch > 1 ? "\(Int(prefetch)) at a time" : ""
            )
        }
    }
}
