import RabbitMQModel
import WarrenTopology

/// Settings of classic mirrored queues and of lazy ones.
enum MirroredQueue: Rule {
    static let manual = Manual(
        "mirrored-queue",
        .warning,
        "a setting belongs to mirrored or lazy queues, which later versions do not have",
        why:
            "mirroring is deprecated since 3.9 and gone from 4.0 on, where its keys are refused; x-ha-policy has had no "
            + "effect since 3.0; lazy mode has had none since 3.12",
        remedy: "use quorum queues for what must survive a node; leave lazy mode out",
        source:
            "release notes of 3.0, 3.9, 3.12 and 4.0; rabbitmq.md, the section on versions; tried on 3.10.8, which takes them",
        bad: .broker(
            "queues: { jobs: {} }\npolicies:\n- { name: ha, pattern: \"^jobs\", definition: { ha-mode: all } }"
        ),
        good: .broker("queues: { jobs: { type: quorum } }")
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        let set = subject.set
        for item in set.policies where subject.version < Version(4, 0) {
            guard
                let field = item.value.policy.definition.first(where: {
                    $0.name.hasPrefix("ha-") || $0.name == "queue-master-locator"
                })
            else { continue }
            report.add(
                "the \(Named.policy(item)) is about mirrored queues",
                at: set.place(item.origin, "definition", field.name),
                object: Named.policy(item),
                outcome: .created
            )
        }
        for item in set.queues {
            let object = Named.queue(item.value.name, item.vhost)
            for name in ["x-ha-policy", "x-ha-policy-params", "x-ha-nodes"]
            where item.value[name] != nil {
                report.add(
                    "'\(name)' of the \(object) has no effect",
                    at: set.place(item.origin, "arguments", name),
                    object: object,
                    outcome: .ignored
                )
            }
            if item.value["x-queue-mode"]?.text == "lazy" {
                report.add(
                    "the \(object) is lazy",
                    at: set.place(item.origin, argument: "x-queue-mode"),
                    object: object,
                    severity: subject.version >= Version(3, 13) ? .warning : .note,
                    outcome: subject.version >= Version(3, 13) ? .ignored : .created
                )
            }
        }
    }
}
