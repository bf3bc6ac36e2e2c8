import RabbitMQModel
import WarrenTopology

/// Arguments in a list, as some old exports and scripts write them.
enum ArgumentsAsList: Rule {
    static let manual = Manual(
        "arguments-as-list",
        .error,
        "arguments are a list and not an object",
        outcome: .refused,
        why:
            "an empty list is taken for no arguments; one that holds something breaks the import with `badarg`",
        remedy: "write them as an object: { \"x-max-length\": 100 }",
        source: "tried on 3.10.8; rabbitmq-server#2400, #2668",
        bad: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"jobs","vhost":"/","durable":true,"auto_delete":false,"arguments":[{"x-max-length":100}]}]}"#
        ),
        good: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"jobs","vhost":"/","durable":true,"auto_delete":false,"arguments":{"x-max-length":100}}]}"#
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for flaw in subject.set.flaws {
            guard case .listOfArguments(let isEmpty) = flaw.kind else { continue }
            report.add(
                "the arguments of the \(flaw.object) are \(isEmpty ? "an empty list" : "a list")",
                at: flaw.place,
                object: flaw.object,
                severity: isEmpty ? .note : .error,
                outcome: isEmpty ? .created : .refused
            )
        }
    }
}
