import WarrenTopology

/// A key for dead letters, and no exchange for them.
enum DeadLetterKeyWithoutExchange: Rule {
    static let manual = Manual(
        "dead-letter-key-without-exchange",
        .error,
        "a queue has a dead-letter routing key and no dead-letter exchange",
        outcome: .refused,
        why: "RabbitMQ refuses to declare it: `routing_key_but_no_dlx_defined`",
        remedy: "add x-dead-letter-exchange; \"\" is the default exchange",
        source: "tried on 3.10.8; rabbit_amqqueue:check_dlxrk_arg",
        bad: .broker("queues:\n  jobs: { arguments: { x-dead-letter-routing-key: dead } }"),
        good: .broker("queues:\n  dead: {}\n  jobs: { dead_letter: { exchange: \"\", key: dead } }")
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for (item, refusal) in subject.refusals
        where Refusals.Sort(refusal) == .keyWithoutExchange {
            Refusals.add(item, refusal, subject, &report)
        }
    }
}
