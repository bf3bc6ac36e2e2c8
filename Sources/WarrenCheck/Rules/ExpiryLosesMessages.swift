import RabbitMQModel
import WarrenTopology

/// Messages that expire, and nowhere for them.
enum ExpiryLosesMessages: Rule {
    static let manual = Manual(
        "expiry-loses-messages",
        .note,
        "messages of a queue expire, and it has no dead-letter exchange",
        outcome: .created,
        why: "what waits longer than its time to live is gone, and nobody hears of it",
        remedy: "give it a dead-letter exchange, unless old messages are worth nothing",
        source: "RMQ-TTL; RMQ-DLX",
        bad: .broker("queues: { jobs: { message_ttl: 1h } }"),
        good: .broker(
            "queues:\n  jobs: { message_ttl: 1h, dead_letter: { exchange: \"\", key: late } }\n  late: {}"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for (index, host) in subject.liveQueues {
            let rules = subject.rules(index, in: host)
            guard rules.kind != .stream, let ttl = rules.ttl, rules.deadLetterExchange == nil else {
                continue
            }
            let item = subject.set.queues[index]
            let object = Named.queue(item.value.name, item.vhost)
            report.add(
                "what waits \(Words.time(ttl)) in the \(object) is gone",
                at: subject.place(ofSetting: "x-message-ttl", index, in: host),
                object: object
            )
        }
    }
}
