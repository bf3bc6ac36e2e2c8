import RabbitMQModel
import WarrenTopology

/// A binding on the default exchange.
enum BindingOnDefaultExchange: Rule {
    static let manual = Manual(
        "binding-on-default-exchange",
        .warning,
        "a binding comes from the default exchange",
        outcome: .skipped,
        why:
            "the default exchange is bound to every queue by its name and to nothing else; RabbitMQ skips the binding",
        remedy: "remove it, or bind an exchange of your own",
        source: "tried on 3.10.8: 204, and no binding; RMQ-ROUTE-01",
        bad: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"jobs","vhost":"/","durable":true,"auto_delete":false,"arguments":{}}],"bindings":[{"source":"","vhost":"/","destination":"jobs","destination_type":"queue","routing_key":"a","arguments":{}}]}"#
        ),
        good: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"jobs","vhost":"/","durable":true,"auto_delete":false,"arguments":{}}],"bindings":[{"source":"amq.direct","vhost":"/","destination":"jobs","destination_type":"queue","routing_key":"a","arguments":{}}]}"#
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for item in subject.set.bindings
        where item.value.source.isEmpty && subject.set.form != .topology {
            let isOwn = item.value.key == item.value.destination && !item.value.toExchange
            report.add(
                "the \(Named.binding(item)) is on the default exchange",
                at: subject.set.place(item.origin, "source"),
                object: Named.binding(item),
                why: isOwn ? "it is there for every queue already, and skipped" : nil,
                severity: isOwn ? .note : .warning
            )
        }
    }
}
