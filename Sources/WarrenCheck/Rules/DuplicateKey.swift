import RabbitMQModel
import WarrenTopology

/// The same key twice in an object of JSON.
enum DuplicateKey: Rule {
    static let manual = Manual(
        "duplicate-key",
        .warning,
        "a key stands twice in the same object",
        outcome: .ignored,
        why:
            "JSON does not say which of the two counts; RabbitMQ takes the last one and says nothing",
        remedy: "remove one of them",
        source: "tried on 3.10.8 (two lists of queues: those of the first are not created)",
        bad: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"lost","vhost":"/","durable":true,"auto_delete":false,"arguments":{}}],"queues":[]}"#
        ),
        good: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"kept","vhost":"/","durable":true,"auto_delete":false,"arguments":{}}]}"#
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for flaw in subject.set.flaws {
            guard case .twice(let key) = flaw.kind else { continue }
            report.add(
                "\"\(key)\" stands twice in \(flaw.object == "the file" ? "" : "the ")\(flaw.object)",
                at: flaw.place,
                object: flaw.object
            )
        }
    }
}
