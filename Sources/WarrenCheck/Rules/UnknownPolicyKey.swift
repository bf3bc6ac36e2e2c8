import RabbitMQModel
import WarrenTopology

/// A key that policies of this version do not have.
enum UnknownPolicyKey: Rule {
    static let manual = Manual(
        "unknown-policy-key",
        .error,
        "a policy has a key that RabbitMQ does not know",
        outcome: .refused,
        why:
            "RabbitMQ refuses the file with `not recognised policy settings`, and creates no queue and no binding",
        remedy:
            "mend the key: policies have no x- in front; what a queue is, such as its type, no policy can say",
        source: "tried on 3.10.8; RMQ-POL-07, -14; rabbit_policies.erl",
        bad: .broker(
            "policies:\n- { name: cap, pattern: \".*\", definition: { x-max-length: 10 } }"
        ),
        good: .broker(
            "queues: { jobs: {} }\npolicies:\n- { name: cap, pattern: \".*\", definition: { max-length: 10 } }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for item in subject.set.policies {
            for field in item.value.policy.definition
            where subject.set.form != .topology && field.name.hasPrefix("federation-upstream") {
                report.add(
                    "the key '\(field.name)' of the \(Named.policy(item)) needs the plug-in rabbitmq_federation",
                    at: subject.set.place(item.origin, "definition", field.name),
                    object: Named.policy(item),
                    remedy: "rabbitmq-plugins enable rabbitmq_federation",
                    severity: .note
                )
            }
            guard let fault = Faults.of(item, subject.version), Faults.Sort(fault) == .key else {
                continue
            }
            let strangers = item.value.policy.definition.filter {
                fault.contains("<<\"\($0.name)\">>,")
            }
            for field in strangers {
                let isMirroring = field.name.hasPrefix("ha-")
                let since = Faults.later[field.name]
                report.add(
                    "the \(Named.policy(item)) has the unknown key '\(field.name)'",
                    at: subject.set.place(item.origin, "definition", field.name),
                    object: Named.policy(item),
                    label: isMirroring
                        ? "mirrored queues are gone from 4.0 on"
                        : since.map { "known from \($0.text) on" }
                            ?? (item.value.isOperator && Policy.keys.contains(field.name)
                                ? "an operator policy cannot say it"
                                : DidYouMean.nearest(to: field.name, in: Policy.keys).map {
                                    "did you mean '\($0)'?"
                                } ?? ""),
                    why: "RabbitMQ \(subject.version.text) answers 400: \(fault)"
                )
            }
        }
    }
}
