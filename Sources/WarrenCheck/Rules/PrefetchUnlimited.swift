import RabbitMQModel
import WarrenTopology

/// A consumer that takes all there is, or far too little.
enum PrefetchUnlimited: Rule {
    static let manual = Manual(
        "prefetch-unlimited",
        .note,
        "a consumer has no prefetch, or one of 1 over a link that is slower than its work",
        why:
            "without a limit the first consumer gets the whole queue, the others nothing, and its memory holds it all; with 1 "
            + "it waits for the way of each ack and of the next message",
        remedy: "set a prefetch of a few times what is worked on during one round trip: 10 to 300",
        source: "website docs/consumer-prefetch; RMQ-CONS on prefetch",
        bad: .topology(
            "brokers:\n  main: { kind: rabbitmq, queues: { jobs: {} } }\nconsumers:\n  worker: { from: jobs }"
        ),
        good: .topology(
            "brokers:\n  main: { kind: rabbitmq, queues: { jobs: {} } }\nconsumers:\n  worker: { from: jobs, prefetch: 20 }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for client in subject.clients(.consumer, .server, .bridge)
        where client.tree["ack"]?.text != "automatic" {
            let prefetch = client.tree["prefetch"]?.text.flatMap { Int($0) } ?? 0
            let object = "\(client.role.rawValue) '\(client.name)'"
            if prefetch == 0 {
                report.add(
                    "'\(client.name)' takes as many messages as there are",
                    at: client.tree["prefetch"]?.place ?? client.place,
                    object: object
                )
            } else if prefetch == 1, let latency = subject.topology?.latency.mean,
                latency * 2 > client.service.mean
            {
                report.add(
                    "'\(client.name)' waits longer for its next message than it works on one",
                    at: client.tree["prefetch"]?.place,
                    object: object,
                    label: "the way takes longer than the work"
                )
            }
        }
    }
}
