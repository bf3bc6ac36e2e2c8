import RabbitMQModel
import WarrenTopology

/// Somebody whose permissions do not cover what they do.
enum UserShutOut: Rule {
    static let manual = Manual(
        "user-shut-out",
        .error,
        "a user may not do what a client of theirs does, or may do nothing at all",
        why:
            "RabbitMQ answers 403 ACCESS_REFUSED when the client publishes or consumes, and closes its channel",
        remedy:
            "widen the pattern: `write` covers exchanges to publish to, `read` queues to consume from",
        source: "RMQ-PERM",
        bad: .topology(
            "brokers:\n  main:\n    kind: rabbitmq\n    users: { shop: { tags: [] } }\n    permissions: { shop: { configure: \"^$\", write: \"^orders\", read: \"^$\" } }\n    queues: { jobs: { bind: { amq.topic: [a] } } }\nproducers:\n  shop: { to: { exchange: amq.topic, key: a }, user: shop, arrivals: 1s, count: 1 }"
        ),
        good: .topology(
            "brokers:\n  main:\n    kind: rabbitmq\n    users: { shop: { tags: [] } }\n    permissions: { shop: { configure: \"^$\", write: \"^amq\\\\.topic$\", read: \"^$\" } }\n    queues: { jobs: { bind: { amq.topic: [a] } } }\nproducers:\n  shop: { to: { exchange: amq.topic, key: a }, user: shop, arrivals: 1s, count: 1 }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        let set = subject.set
        let readers = subject.clients(.consumer, .server, .bridge).map { ($0, isWriting: false) }
        let writers = subject.clients(.producer, .caller) + subject.bridgesHere
        for (client, isWriting) in writers.map({ ($0, isWriting: true) }) + readers
        where !set.permissions.isEmpty {
            let vhost = client.target["vhost"]?.text ?? "/"
            let here = set.permissions.filter { $0.vhost == vhost }
            guard !here.isEmpty else { continue }
            let user = client.tree["user"]?.text ?? "guest"
            // The default exchange is `amq.default` to permissions.
            let name =
                isWriting
                ? client.target["exchange"]?.text.map { $0.isEmpty ? "amq.default" : $0 }
                    ?? "amq.default"
                : client.target["queue"]?.text ?? ""
            let own = here.first { $0.value.user == user }
            let pattern = own.map { isWriting ? $0.value.write : $0.value.read }
            // An empty pattern is a shortcut for "nothing".
            if let pattern, !pattern.isEmpty, NamePattern(pattern)?.matches(name) ?? false {
                continue
            }
            report.add(
                "'\(user)' may not \(isWriting ? "write to" : "read from") '\(name)', and '\(client.name)' does",
                at: client.tree["user"]?.place ?? client.place,
                object: "\(client.role.rawValue) '\(client.name)'",
                label: pattern.map { "its pattern is '\($0)'" } ?? "no permissions in '\(vhost)'"
            )
        }
        guard set.form == .cluster, set.document.hasList("permissions") else { return }
        let allowed = Set(set.permissions.map(\.value.user))
        for item in set.users where !allowed.contains(item.value.name) {
            report.add(
                "the user '\(item.value.name)' has no permissions in any virtual host",
                at: set.place(item.origin),
                object: Named.user(item.value.name),
                why: "it can connect to no virtual host",
                remedy: "add permissions, or remove the user if it is for management alone",
                severity: .note
            )
        }
    }
}
