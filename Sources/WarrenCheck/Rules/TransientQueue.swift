import RabbitMQModel
import WarrenTopology

/// A queue that does not survive a restart and belongs to nobody.
enum TransientQueue: Rule {
    static let manual = Manual(
        "transient-queue",
        .note,
        "a queue is not durable and not exclusive",
        outcome: .created,
        why:
            "it is gone, with all that is in it, when its node restarts; such queues are deprecated since 3.12 and refused from 4.3 on unless the configuration permits them",
        remedy: "make it durable, or let the client that needs it declare it exclusive",
        source:
            "RMQ-LIFE; `transient_nonexcl_queues` among the deprecated features; release notes of 4.3.0",
        bad: .broker("queues: { jobs: { durable: false } }"),
        good: .broker("queues: { jobs: {} }")
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for item in subject.set.queues
        where !item.value.durable && !item.value.exclusive && item.value.type == "classic" {
            let object = Named.queue(item.value.name, item.vhost)
            report.add(
                "the \(object) is not durable",
                at: subject.set.place(item.origin, "durable"),
                object: object,
                severity: subject.version >= Version(4, 3)
                    ? .error : subject.version >= Version(4, 0) ? .warning : .note,
                outcome: subject.version >= Version(4, 3) ? .refused : .created
            )
        }
    }
}
