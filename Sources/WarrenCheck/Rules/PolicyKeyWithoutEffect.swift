import RabbitMQModel
import WarrenTopology

/// A policy that a queue passes over because of one key.
enum PolicyKeyWithoutEffect: Rule {
    static let manual = Manual(
        "policy-key-without-effect",
        .warning,
        "a policy has a key that a type of queue does not support, and is passed over as a whole",
        outcome: .ignored,
        why:
            "RabbitMQ does not apply the policy to such queues at all: its other keys have no effect either",
        remedy:
            "write a policy of its own for each type of queue, with a pattern that matches only those",
        source:
            "RMQ-POL-10, -16; `unsupported_policies` of rabbit_classic_queue and rabbit_quorum_queue, tried on 3.10.8",
        bad: .broker(
            "queues: { jobs: {} }\npolicies:\n- { name: cap, pattern: \"^jobs\", delivery_limit: 5, max_length: 10 }"
        ),
        good: .broker(
            "queues: { jobs: { type: quorum } }\npolicies:\n- { name: cap, pattern: \"^jobs\", delivery_limit: 5, max_length: 10 }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        var told: [Int: (key: String, first: String, kind: String, count: Int)] = [:]
        for (index, host) in subject.liveQueues {
            let queue = subject.set.queues[index].value
            for (table, numbers) in [
                (host.table, host.policies), (host.operatorTable, host.operatorPolicies),
            ] {
                for match in table.matching(queue.name, .queue(queue.type)) {
                    guard let key = match.unsupported else { continue }
                    told[numbers[match.number], default: (key, queue.name, queue.type, 0)].count +=
                        1
                }
            }
        }
        for (index, told) in told.sorted(by: { $0.key < $1.key }) {
            let item = subject.set.policies[index]
            let more = told.count > 1 ? " and \(told.count - 1) more" : ""
            report.add(
                "the \(Named.policy(item)) does not apply to the \(told.kind) queue '\(told.first)'\(more) because of '\(told.key)'",
                at: subject.set.place(item.origin, "definition", told.key),
                object: Named.policy(item)
            )
        }
    }
}
