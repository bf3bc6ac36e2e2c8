import RabbitMQModel
import WarrenTopology

/// A policy that says nothing.
enum EmptyPolicy: Rule {
    static let manual = Manual(
        "empty-policy",
        .error,
        "a policy has an empty definition",
        outcome: .refused,
        why:
            "RabbitMQ refuses the file with `no policy provided`, and creates no queue and no binding",
        remedy:
            "remove the policy; if its keys for mirrored queues were removed, it has nothing left to say",
        source: "tried on 3.10.8; website docs/definitions.md",
        bad: .definitions(
            #"{"vhosts":[{"name":"/"}],"policies":[{"vhost":"/","name":"all","pattern":".*","apply-to":"all","definition":{},"priority":0}]}"#
        ),
        good: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"jobs","vhost":"/","durable":true,"auto_delete":false,"arguments":{}}],"policies":[{"vhost":"/","name":"all","pattern":".*","apply-to":"all","definition":{"max-length":10},"priority":0}]}"#
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for item in subject.set.policies where item.value.policy.definition.isEmpty {
            // What lacks a definition altogether, or has one of another sort, is spoken of elsewhere.
            if let json = subject.set.json(item.origin),
                (json["definition"] ?? json["value"]?["definition"])?.kind != .object
            {
                continue
            }
            report.add(
                "the \(Named.policy(item)) says nothing",
                at: subject.set.place(item.origin, "definition"),
                object: Named.policy(item)
            )
        }
    }
}
