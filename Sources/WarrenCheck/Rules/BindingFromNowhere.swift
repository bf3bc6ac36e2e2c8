import RabbitMQModel
import WarrenTopology

/// A binding whose source does not exist.
enum BindingFromNowhere: Rule {
    static let manual = Manual(
        "binding-from-nowhere",
        .error,
        "a binding comes from an exchange that is not there",
        outcome: .skipped,
        why:
            "RabbitMQ skips the binding without a word: the import succeeds, and messages do not arrive",
        remedy: "add the exchange, or mend its name",
        source:
            "tried on 3.10.8: 204, and no binding; rabbit_definitions.erl drops what rabbit_binding:add answers",
        bad: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"jobs","vhost":"/","durable":true,"auto_delete":false,"arguments":{}}],"bindings":[{"source":"events","vhost":"/","destination":"jobs","destination_type":"queue","routing_key":"a","arguments":{}}]}"#
        ),
        good: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"jobs","vhost":"/","durable":true,"auto_delete":false,"arguments":{}}],"bindings":[{"source":"amq.topic","vhost":"/","destination":"jobs","destination_type":"queue","routing_key":"a","arguments":{}}]}"#
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        let set = subject.set
        for item in set.bindings {
            let source = item.value.source
            guard let host = subject.host(item.vhost), !source.isEmpty, !host.hasExchange(source),
                host.queues[source] == nil
            else { continue }
            report.add(
                "the \(Named.binding(item)) has no source",
                at: set.place(item.origin, "source"),
                object: Named.binding(item),
                label: source.hasPrefix("amq.") && host.exchanges[source] != nil
                    ? "the import skips exchanges named amq.*" : Hints.name(source, host.exchanges)
            )
        }
    }
}

/// Did-you-mean among many names, without looking at all of them.
enum Hints {
    static func name(_ name: String, _ known: [String: Int]) -> String {
        guard known.count <= 500 else { return "" }
        return DidYouMean.nearest(to: name, in: known.keys.sorted()).map { "did you mean '\($0)'?" }
            ?? ""
    }
}
