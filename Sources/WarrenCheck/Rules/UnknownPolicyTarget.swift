import RabbitMQModel
import WarrenTopology

/// A policy for things that this version cannot name.
enum UnknownPolicyTarget: Rule {
    static let manual = Manual(
        "unknown-policy-target",
        .error,
        "a policy is for something that RabbitMQ does not know",
        outcome: .refused,
        why:
            "RabbitMQ refuses the file with `apply-to … unrecognised`, and creates no queue and no binding",
        remedy:
            "write all, queues or exchanges; from 3.12 on also classic_queues, quorum_queues or streams",
        source: "tried on 3.10.8, which refuses classic_queues; release notes of 3.12",
        bad: .definitions(
            #"{"vhosts":[{"name":"/"}],"policies":[{"vhost":"/","name":"all","pattern":".*","apply-to":"everything","definition":{"max-length":10},"priority":0}]}"#
        ),
        good: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"jobs","vhost":"/","durable":true,"auto_delete":false,"arguments":{}}],"policies":[{"vhost":"/","name":"all","pattern":".*","apply-to":"queues","definition":{"max-length":10},"priority":0}]}"#
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        let old = ["all", "queues", "exchanges"]
        let known =
            subject.version >= Version(3, 13)
            ? old + ["classic_queues", "quorum_queues", "streams"] : old
        for item in subject.set.policies where !known.contains(item.value.target) {
            report.add(
                "the \(Named.policy(item)) applies to '\(item.value.target)'",
                at: subject.set.place(
                    item.origin,
                    subject.set.form == .topology ? "apply_to" : "apply-to"
                ),
                object: Named.policy(item),
                label: DidYouMean.hint(item.value.target, in: known)
            )
        }
    }
}
