import RabbitMQModel
import WarrenTopology

/// A policy that matches no queue and no exchange of the file.
enum PolicyMatchesNothing: Rule {
    static let manual = Manual(
        "policy-matches-nothing",
        .note,
        "a policy matches nothing in the file",
        outcome: .created,
        why: "it is created and has no effect until something comes whose name fits",
        remedy:
            "look at its pattern and at what it applies to; if clients declare the queues, all is well",
        source: "RMQ-POL-01, -05",
        bad: .broker(
            "queues: { jobs: {} }\npolicies:\n- { name: cap, pattern: \"^orders\", definition: { max-length: 10 } }"
        ),
        good: .broker(
            "queues: { jobs: {} }\npolicies:\n- { name: cap, pattern: \"^jobs\", definition: { max-length: 10 } }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for item in subject.set.policies {
            guard let host = subject.host(item.vhost),
                let pattern = NamePattern(item.value.policy.pattern)
            else { continue }
            let target = item.value.policy.target
            let isForExchanges = target == .all || target == .exchanges
            let kinds: [Policy.Target: String] = [
                .classicQueues: "classic", .quorumQueues: "quorum", .streams: "stream",
            ]
            let hits =
                host.queues.contains { name, index in
                    let kind = subject.set.queues[index].value.type
                    return target != .exchanges && (kinds[target].map { $0 == kind } ?? true)
                        && pattern.matches(name)
                }
                || isForExchanges
                    && (host.exchanges.keys.contains { pattern.matches($0) }
                        || Host.predeclared.keys.contains { !$0.isEmpty && pattern.matches($0) })
            if hits { continue }
            report.add(
                "the pattern '\(item.value.policy.pattern)' of the \(Named.policy(item)) matches nothing here",
                at: subject.set.place(item.origin, "pattern"),
                object: Named.policy(item)
            )
        }
    }
}
