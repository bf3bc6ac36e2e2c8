import RabbitMQModel
import WarrenTopology

/// A pattern that matches in the middle of a name.
enum PolicyUnanchored: Rule {
    static let manual = Manual(
        "policy-unanchored",
        .note,
        "the pattern of a policy matches in the middle of a name",
        outcome: .created,
        why:
            "RabbitMQ looks for the pattern anywhere in a name: 'orders' also matches 'dead.orders.old'",
        remedy: "begin the pattern with ^, and end it with $ where it should end",
        source: "RMQ-POL-01",
        bad: .broker(
            "queues: { orders: {}, old.orders: {} }\npolicies:\n- { name: cap, pattern: \"orders\", definition: { max-length: 10 } }"
        ),
        good: .broker(
            "queues: { orders: {}, old.orders: {} }\npolicies:\n- { name: cap, pattern: \"^orders\", definition: { max-length: 10 } }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for item in subject.set.policies {
            let text = item.value.policy.pattern
            guard let host = subject.host(item.vhost), text.first?.isLetter ?? false,
                text.allSatisfy({ $0.isLetter || $0.isNumber || "-_.".contains($0) }),
                let anchored = NamePattern("^" + text), let free = NamePattern(text)
            else { continue }
            let names = item.value.policy.target == .exchanges ? host.exchanges : host.queues
            let strays = names.keys.filter { free.matches($0) && !anchored.matches($0) }
            guard let stray = strays.min(), names.keys.contains(where: { anchored.matches($0) })
            else { continue }
            report.add(
                "the pattern '\(text)' of the \(Named.policy(item)) also matches '\(stray)'",
                at: subject.set.place(item.origin, "pattern"),
                object: Named.policy(item)
            )
        }
    }
}
