import RabbitMQModel
import WarrenTopology

/// A pattern that is no regular expression.
enum PolicyPatternInvalid: Rule {
    static let manual = Manual(
        "policy-pattern-invalid",
        .error,
        "the pattern of a policy is no regular expression",
        outcome: .refused,
        why:
            "RabbitMQ refuses the file with `pattern should be regular expression`, and creates no queue and no binding",
        remedy:
            "look at its brackets; a pattern is no wildcard: write `^orders\\.` and not `orders.*`, `.*` and not `*`",
        source: "tried on 3.10.8; RMQ-POL-08",
        bad: .definitions(
            #"{"vhosts":[{"name":"/"}],"policies":[{"vhost":"/","name":"all","pattern":"*","apply-to":"all","definition":{"max-length":10},"priority":0}]}"#
        ),
        good: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"jobs","vhost":"/","durable":true,"auto_delete":false,"arguments":{}}],"policies":[{"vhost":"/","name":"all","pattern":".*","apply-to":"all","definition":{"max-length":10},"priority":0}]}"#
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for item in subject.set.policies where NamePattern(item.value.policy.pattern) == nil {
            report.add(
                "the pattern '\(item.value.policy.pattern)' of the \(Named.policy(item)) is no regular expression",
                at: subject.set.place(item.origin, "pattern"),
                object: Named.policy(item),
                label: item.value.policy.pattern.hasPrefix("*")
                    ? "nothing stands before the `*`" : ""
            )
        }
    }
}
