import WarrenTopology

/// An argument with a value that RabbitMQ does not take.
enum ArgumentOfWrongType: Rule {
    static let manual = Manual(
        "argument-of-wrong-type",
        .error,
        "an argument of a queue has a value that RabbitMQ does not take",
        outcome: .refused,
        why: "RabbitMQ refuses to declare it, and an import creates nothing of what comes later",
        remedy:
            "numbers stand without quotes, without a point and not below zero; words as RabbitMQ spells them",
        source: "RMQ-DECL-08, -09, -53, -54; 53 values of each of 22 arguments tried on 3.10.8",
        bad: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"jobs","vhost":"/","durable":true,"auto_delete":false,"arguments":{"x-message-ttl":"60000"}}]}"#
        ),
        good: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"jobs","vhost":"/","durable":true,"auto_delete":false,"arguments":{"x-message-ttl":60000}}]}"#
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for (item, refusal) in subject.refusals where Refusals.Sort(refusal) == .wrongValue {
            Refusals.add(item, refusal, subject, &report)
        }
    }
}
