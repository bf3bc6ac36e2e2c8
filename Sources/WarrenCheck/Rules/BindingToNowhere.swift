import RabbitMQModel
import WarrenTopology

/// A binding whose destination does not exist.
enum BindingToNowhere: Rule {
    static let manual = Manual(
        "binding-to-nowhere",
        .error,
        "a binding leads to a queue or exchange that is not there",
        outcome: .skipped,
        why:
            "RabbitMQ skips the binding without a word: the import succeeds, and messages do not arrive",
        remedy: "add the destination, or mend its name or its type",
        source: "tried on 3.10.8: 204, and no binding",
        bad: .definitions(
            #"{"vhosts":[{"name":"/"}],"bindings":[{"source":"amq.topic","vhost":"/","destination":"jobs","destination_type":"queue","routing_key":"a","arguments":{}}]}"#
        ),
        good: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"jobs","vhost":"/","durable":true,"auto_delete":false,"arguments":{}}],"bindings":[{"source":"amq.topic","vhost":"/","destination":"jobs","destination_type":"queue","routing_key":"a","arguments":{}}]}"#
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for item in subject.set.bindings {
            let name = item.value.destination
            guard let host = subject.host(item.vhost),
                host.exchanges[item.value.source] != nil || host.queues[item.value.source] == nil
            else { continue }
            let isThere =
                item.value.toExchange
                ? host.hasExchange(name) : host.hasQueue(name)
            guard !isThere else { continue }
            let other = item.value.toExchange ? host.queues[name] != nil : host.hasExchange(name)
            let what = item.value.toExchange ? "exchange" : "queue"
            report.add(
                "the \(Named.binding(item)) leads to no \(what)",
                at: subject.set.place(item.origin, "destination"),
                object: Named.binding(item),
                label: other
                    ? "'\(name)' is \(item.value.toExchange ? "a queue" : "an exchange")"
                    : name.hasPrefix("amq.") && host.queues[name] != nil
                        ? "the import skips queues named amq.*"
                        : Hints.name(name, item.value.toExchange ? host.exchanges : host.queues)
            )
        }
    }
}
