import RabbitMQModel
import WarrenTopology

/// A binding of a consistent hash exchange whose key is no weight.
enum BadHashWeight: Rule {
    static let manual = Manual(
        "bad-hash-weight",
        .error,
        "the key of a binding to a consistent hash exchange is no whole number",
        outcome: .skipped,
        why:
            "the key is the weight of the queue; the import skips the binding without a word, and a client is refused with 406",
        remedy: "write a number such as \"1\"",
        source: "tried on 3.10.8; RMQ-CHASH-01",
        bad: .broker(
            "exchanges: { spread: { type: x-consistent-hash } }\nqueues: { jobs: { bind: { spread: [jobs] } } }"
        ),
        good: .broker(
            "exchanges: { spread: { type: x-consistent-hash } }\nqueues: { jobs: { bind: { spread: [\"1\"] } } }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for item in subject.set.bindings {
            guard let host = subject.host(item.vhost),
                host.type(ofExchange: item.value.source, in: subject.set) == "x-consistent-hash",
                ConsistentHashExchange.weight(item.value.key) == nil
            else { continue }
            report.add(
                "the weight '\(item.value.key)' of the \(Named.binding(item)) is no number above 0",
                at: subject.set.place(
                    item.origin,
                    subject.set.form == .topology ? "key" : "routing_key"
                ),
                object: Named.binding(item)
            )
        }
    }
}
