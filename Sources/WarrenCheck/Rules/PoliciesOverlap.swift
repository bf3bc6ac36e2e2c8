import RabbitMQModel
import WarrenTopology

/// Two policies that match the same object.
enum PoliciesOverlap: Rule {
    static let manual = Manual(
        "policies-overlap",
        .note,
        "two policies match the same object, and only one of them counts",
        outcome: .ignored,
        why:
            "policies are not merged: the one with the highest priority applies alone, and of equal ones nobody says which",
        remedy:
            "put all that is to hold into one policy, or give them different priorities and say so in their names",
        source: "RMQ-POL-05",
        bad: .broker(
            "queues: { jobs: {} }\npolicies:\n- { name: cap, pattern: \"^jobs\", max_length: 10 }\n- { name: age, pattern: \".*\", message_ttl: 1h }"
        ),
        good: .broker(
            "queues: { jobs: {} }\npolicies:\n- { name: cap, pattern: \"^jobs\", max_length: 10, message_ttl: 1h }"
        )
    )

    private struct Pair: Hashable {
        var winner: Int
        var loser: Int
    }

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        var pairs: [Pair: (first: String, count: Int)] = [:]
        for (index, host) in subject.liveQueues
        where host.policies.count > 1 || host.operatorPolicies.count > 1 {
            let queue = subject.set.queues[index].value
            for (table, numbers) in [
                (host.table, host.policies), (host.operatorTable, host.operatorPolicies),
            ] {
                let matches = table.matching(queue.name, .queue(queue.type)).filter {
                    $0.unsupported == nil
                }
                guard let winner = matches.first else { continue }
                for loser in matches.dropFirst() {
                    pairs[
                        Pair(winner: numbers[winner.number], loser: numbers[loser.number]),
                        default: (queue.name, 0)
                    ].count += 1
                }
            }
        }
        for (pair, seen) in pairs.sorted(by: {
            ($0.key.loser, $0.key.winner) < ($1.key.loser, $1.key.winner)
        }) {
            let (winner, loser) = (
                subject.set.policies[pair.winner], subject.set.policies[pair.loser]
            )
            let isTie = winner.value.policy.priority == loser.value.policy.priority
            let more = seen.count > 1 ? " and \(seen.count - 1) more" : ""
            report.add(
                "the \(Named.policy(loser)) is hidden by '\(winner.value.policy.name)' on the queue '\(seen.first)'\(more)",
                at: subject.set.place(loser.origin),
                object: Named.policy(loser),
                label: isTie ? "both have priority \(loser.value.policy.priority)" : "",
                severity: isTie ? .warning : .note
            )
        }
    }
}
