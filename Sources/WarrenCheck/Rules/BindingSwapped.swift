import RabbitMQModel
import WarrenTopology

/// A binding with its ends exchanged.
enum BindingSwapped: Rule {
    static let manual = Manual(
        "binding-swapped",
        .error,
        "the source of a binding is a queue",
        outcome: .skipped,
        why: "messages go from an exchange to a queue; RabbitMQ skips the binding without a word",
        remedy: "exchange source and destination",
        source: "tried on 3.10.8: 204, and no binding",
        bad: .definitions(
            #"{"vhosts":[{"name":"/"}],"exchanges":[{"name":"events","vhost":"/","type":"topic","durable":true,"auto_delete":false,"arguments":{}}],"queues":[{"name":"jobs","vhost":"/","durable":true,"auto_delete":false,"arguments":{}}],"bindings":[{"source":"jobs","vhost":"/","destination":"events","destination_type":"queue","routing_key":"a","arguments":{}}]}"#
        ),
        good: .definitions(
            #"{"vhosts":[{"name":"/"}],"exchanges":[{"name":"events","vhost":"/","type":"topic","durable":true,"auto_delete":false,"arguments":{}}],"queues":[{"name":"jobs","vhost":"/","durable":true,"auto_delete":false,"arguments":{}}],"bindings":[{"source":"events","vhost":"/","destination":"jobs","destination_type":"queue","routing_key":"a","arguments":{}}]}"#
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for item in subject.set.bindings {
            let source = item.value.source
            guard let host = subject.host(item.vhost), !source.isEmpty, !host.hasExchange(source),
                host.queues[source] != nil
            else { continue }
            report.add(
                "the source of the \(Named.binding(item)) is a queue",
                at: subject.set.place(item.origin, "source"),
                object: Named.binding(item)
            )
        }
    }
}
