import RabbitMQModel
import WarrenTopology

/// A queue, exchange, binding, policy or permission that names no virtual host, in a file for a whole cluster.
enum MissingVhost: Rule {
    static let manual = Manual(
        "missing-vhost",
        .error,
        "an object of a cluster-wide file names no virtual host",
        outcome: .refused,
        why:
            "RabbitMQ refuses the file there with `no_such_vhost`, and creates nothing of what comes later; a binding "
            + "without a virtual host it skips",
        remedy: "add \"vhost\": \"/\", or import the file into one virtual host",
        source: "tried on 3.10.8; rabbit_definitions.erl",
        bad: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"jobs","durable":true,"auto_delete":false,"arguments":{}}]}"#
        ),
        good: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"jobs","vhost":"/","durable":true,"auto_delete":false,"arguments":{}}]}"#
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        let set = subject.set
        if set.form == .virtualHost,
            let item = set.queues.first.map({ $0.origin }) ?? set.exchanges.first?.origin
        {
            report.add(
                "the file names no virtual host anywhere: it is for one of them",
                at: set.place(item),
                object: "the file",
                why:
                    "RabbitMQ takes it for a virtual host that the import names, and refuses it otherwise",
                remedy:
                    "POST it to /api/definitions/VHOST, or rabbitmqctl import_definitions for a whole cluster's file",
                severity: .note,
                outcome: .created
            )
        }
        func add(_ object: String, _ origin: DefinitionSet.Origin, _ outcome: Finding.Outcome) {
            report.add(
                "the \(object) names no virtual host",
                at: set.place(origin),
                object: object,
                outcome: outcome
            )
        }
        for item in set.exchanges where item.vhost == nil {
            add(Named.exchange(item.value.name, nil), item.origin, .refused)
        }
        for item in set.queues where item.vhost == nil {
            add(Named.queue(item.value.name, nil), item.origin, .refused)
        }
        for item in set.policies where item.vhost == nil {
            add(Named.policy(item), item.origin, .refused)
        }
        for item in set.bindings where item.vhost == nil {
            add(Named.binding(item), item.origin, .skipped)
        }
        for item in set.permissions where item.vhost == nil {
            add("permission of '\(item.value.user)'", item.origin, .refused)
        }
    }
}
