import RabbitMQModel
import WarrenTopology

/// A delivery limit, and nowhere for what is over it.
enum DeliveryLimitWithoutDeadLetter: Rule {
    static let manual = Manual(
        "delivery-limit-without-dead-letter",
        .warning,
        "a quorum queue gives up on messages after some deliveries and has no dead-letter exchange",
        outcome: .created,
        why:
            "a message that comes back more often than the limit is dropped; from 4.0 on the limit is 20 unless one is set",
        remedy: "give it a dead-letter exchange with a queue",
        source: "RMQ-QQ-09; website docs/quorum-queues: the default of 20 from 4.0 on",
        bad: .broker("queues: { jobs: { type: quorum, delivery_limit: 5 } }"),
        good: .broker(
            "queues:\n  jobs: { type: quorum, delivery_limit: 5, dead_letter: { exchange: \"\", key: dead } }\n  dead: { type: quorum }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for (index, host) in subject.liveQueues {
            let rules = subject.rules(index, in: host)
            guard rules.kind == .quorum, let limit = rules.deliveryLimit,
                rules.deadLetterExchange == nil
            else { continue }
            let item = subject.set.queues[index]
            let object = Named.queue(item.value.name, item.vhost)
            report.add(
                "the \(object) drops a message that comes back more than \(limit) times",
                at: subject.place(ofSetting: "x-delivery-limit", index, in: host),
                object: object
            )
        }
    }
}
