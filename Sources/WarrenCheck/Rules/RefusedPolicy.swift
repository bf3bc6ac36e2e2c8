import RabbitMQModel
import WarrenTopology

/// A policy that RabbitMQ does not take.
enum RefusedPolicy: Rule {
    static let manual = Manual(
        "refused-policy",
        .error,
        "a policy has a value that RabbitMQ does not take",
        outcome: .refused,
        why: "RabbitMQ refuses the file there, and creates no queue and no binding",
        remedy: "numbers stand without quotes and not below zero; words as RabbitMQ spells them",
        source: "tried on 3.10.8; RMQ-POL-08; rabbit_policies.erl",
        bad: .broker(
            "policies:\n- { name: cap, pattern: \".*\", definition: { max-length: \"many\" } }"
        ),
        good: .broker(
            "queues: { jobs: {} }\npolicies:\n- { name: cap, pattern: \".*\", definition: { max-length: 10 } }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for item in subject.set.policies {
            if item.value.hasOddPriority {
                report.add(
                    "the priority of the \(Named.policy(item)) is no number",
                    at: subject.set.place(item.origin, "priority"),
                    object: Named.policy(item)
                )
            }
            guard let fault = Faults.of(item, subject.version), Faults.Sort(fault) == .value else {
                continue
            }
            report.add(
                "the \(Named.policy(item)) is refused",
                at: subject.set.place(item.origin, "definition"),
                object: Named.policy(item),
                why: "RabbitMQ \(subject.version.text) answers 400: \(fault)"
            )
        }
    }
}

/// What a broker finds wrong with a policy.
enum Faults {
    /// Which rule speaks of a fault.
    enum Sort {
        case pattern, key, value

        init(_ fault: String) {
            if fault.hasPrefix("pattern should be") {
                self = .pattern
            } else if fault.hasSuffix("are not recognised policy settings") {
                self = .key
            } else {
                self = .value
            }
        }
    }

    /// What versions after the judge take, and since when.
    ///
    /// - Source: release notes of RabbitMQ 3.12 (consumer-timeout), 3.13 (stream filters), 4.0 (target group size).
    static let later = [
        "consumer-timeout": Version(3, 13), "stream-filter-size-bytes": Version(3, 13),
        "target-group-size": Version(4, 0), "initial-cluster-size": Version(3, 13),
        "queue-leader-locator": Version(3, 10),
    ]
    /// What a plug-in knows, so that it is refused only where that is not enabled.
    static let ofPlugins = [
        "federation-upstream-pattern", "sharded", "shards-per-node", "routing-key",
        "message-interceptors",
        "message-deduplication", "x-message-deduplication", "lvc",
    ]

    static func of(_ item: DefinitionSet.Item<DefinitionSet.PolicyEntry>, _ version: Version)
        -> String?
    {
        var policy = item.value.policy
        policy.definition.removeAll {
            (later[$0.name].map { version >= $0 } ?? false) && !Policy.keys.contains($0.name)
                || ofPlugins.contains($0.name)
        }
        return policy.fault(isOperator: item.value.isOperator, version: version)
    }
}
