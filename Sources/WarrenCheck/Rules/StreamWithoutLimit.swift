import RabbitMQModel
import WarrenTopology

/// A stream that only grows.
enum StreamWithoutLimit: Rule {
    static let manual = Manual(
        "stream-without-limit",
        .warning,
        "a stream has no limit of age or size",
        outcome: .created,
        why: "nothing is taken out of a stream by reading it: it grows until the disk is full",
        remedy: "set max_age or max_length_bytes, or a policy that does",
        source: "RMQ-STREAM on retention",
        bad: .broker("queues: { log: { type: stream } }"),
        good: .broker("queues: { log: { type: stream, max_age: 7D } }")
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for (index, host) in subject.liveQueues {
            let rules = subject.rules(index, in: host)
            guard rules.kind == .stream, rules.maxAge == nil, rules.maxBytes == nil else {
                continue
            }
            let item = subject.set.queues[index]
            let object = Named.queue(item.value.name, item.vhost)
            report.add(
                "the stream '\(item.value.name)' has no limit",
                at: subject.set.place(item.origin),
                object: object
            )
        }
    }
}
