import RabbitMQModel
import WarrenTopology

/// A topic permission for an exchange that is not there, or is none.
enum TopicPermissionWithoutExchange: Rule {
    static let manual = Manual(
        "topic-permission-without-exchange",
        .warning,
        "a topic permission is for an exchange that is not there, or not a topic exchange",
        outcome: .ignored,
        why: "RabbitMQ stores it, and it restricts nobody",
        remedy: "mend the name of the exchange",
        source: "tried on 3.10.8; RMQ-PERM on topics",
        bad: .broker(
            "users: { shop: { tags: [] } }\ntopic_permissions: [{ user: shop, exchange: event, write: \"^shop\" }]"
        ),
        good: .broker(
            "users: { shop: { tags: [] } }\ntopic_permissions: [{ user: shop, exchange: amq.topic, write: \"^shop\" }]"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for item in subject.set.topicPermissions {
            guard let host = subject.host(item.vhost) else { continue }
            let name = item.value.exchange
            let type = host.type(ofExchange: name, in: subject.set)
            guard type != "topic" else { continue }
            report.add(
                "the topic permission of '\(item.value.user)' is for '\(name)', \(type.map { "which is a \($0) exchange" } ?? "and there is no such exchange")",
                at: subject.set.place(item.origin, "exchange"),
                object: "topic permission of '\(item.value.user)'",
                label: type == nil ? Hints.name(name, host.exchanges) : "",
                severity: name.isEmpty ? .note : nil
            )
        }
    }
}
