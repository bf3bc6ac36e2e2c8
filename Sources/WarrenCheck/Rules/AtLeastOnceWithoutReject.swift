import RabbitMQModel
import WarrenTopology

/// Dead-lettering at least once, on a queue that may not.
enum AtLeastOnceWithoutReject: Rule {
    static let manual = Manual(
        "at-least-once-without-reject-publish",
        .warning,
        "a quorum queue wants dead letters at least once, and does not reject when it is full",
        outcome: .ignored,
        why:
            "without overflow: reject-publish RabbitMQ falls back to at-most-once, with a line in the log",
        remedy: "add overflow: reject-publish",
        source: "RMQ-QQ; website docs/quorum-queues, the section on dead-letter strategies",
        bad: .broker(
            "queues:\n  dead: {}\n  jobs: { type: quorum, dead_letter: { exchange: \"\", key: dead, strategy: at-least-once } }"
        ),
        good: .broker(
            "queues:\n  dead: {}\n  jobs: { type: quorum, overflow: reject-publish, dead_letter: { exchange: \"\", key: dead, strategy: at-least-once } }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for (index, host) in subject.liveQueues {
            let rules = subject.rules(index, in: host)
            let item = subject.set.queues[index]
            let policy = subject.policy(item.value.name, .queue(item.value.type), in: host)
            let wanted =
                item.value["x-dead-letter-strategy"]?.text
                ?? policy.flatMap {
                    subject.set.policies[$0].value.policy["dead-letter-strategy"]?.text
                }
            guard rules.kind == .quorum, wanted == "at-least-once", !rules.deadLettersSafely else {
                continue
            }
            let object = Named.queue(item.value.name, item.vhost)
            report.add(
                "the \(object) dead-letters at most once all the same",
                at: subject.place(ofSetting: "x-dead-letter-strategy", index, in: host),
                object: object
            )
        }
    }
}
