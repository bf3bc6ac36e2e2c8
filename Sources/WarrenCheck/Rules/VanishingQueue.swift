import RabbitMQModel
import WarrenTopology

/// A durable queue that deletes itself.
enum VanishingQueue: Rule {
    static let manual = Manual(
        "vanishing-queue",
        .warning,
        "a durable queue deletes itself",
        outcome: .created,
        why:
            "it goes with its last consumer, or when nobody uses it for a while, and takes its messages along; what is "
            + "published meanwhile is unroutable",
        remedy:
            "leave auto-delete and x-expires out where messages must wait for a consumer that is away",
        source: "RMQ-LIFE; RMQ-TTL on x-expires",
        bad: .broker("queues: { jobs: { expires: 30m } }"),
        good: .broker("queues: { jobs: {} }")
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for (index, host) in subject.liveQueues {
            let item = subject.set.queues[index]
            guard item.value.durable, item.value.type != "stream" else { continue }
            let object = Named.queue(item.value.name, item.vhost)
            if item.value.autoDelete {
                report.add(
                    "the \(object) is durable and goes with its last consumer",
                    at: subject.set.place(item.origin, "auto_delete"),
                    object: object
                )
            } else if let expires = subject.rules(index, in: host).expires {
                report.add(
                    "the \(object) is durable and goes after \(Words.time(expires)) without use",
                    at: subject.place(ofSetting: "x-expires", index, in: host),
                    object: object
                )
            }
        }
    }
}

/// Numbers with units, for sentences.
enum Words {
    /// Milliseconds in the largest unit that divides them.
    static func time(_ milliseconds: UInt64) -> String {
        for (unit, size) in [
            ("d", 86_400_000 as UInt64), ("h", 3_600_000), ("min", 60_000), ("s", 1000),
        ]
        where milliseconds >= size && milliseconds % size == 0 {
            return "\(milliseconds / size) \(unit)"
        }
        return "\(milliseconds) ms"
    }
}
