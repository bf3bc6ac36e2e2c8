import RabbitMQModel
import WarrenTopology

/// The same binding twice.
enum DuplicateBinding: Rule {
    static let manual = Manual(
        "duplicate-binding",
        .note,
        "a binding stands twice in the file",
        outcome: .created,
        why: "RabbitMQ keeps one of them; the second changes nothing",
        remedy: "remove it",
        source: "RMQ-ROUTE-07",
        bad: .broker("queues: { jobs: { bind: { amq.topic: [a, a] } } }"),
        good: .broker("queues: { jobs: { bind: { amq.topic: [a, b] } } }")
    )

    private struct Identity: Hashable {
        var vhost: String?
        var binding: BindingDeclaration
    }

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        var seen: Set<Identity> = []
        seen.reserveCapacity(subject.set.bindings.count)
        for item in subject.set.bindings
        where !seen.insert(Identity(vhost: item.vhost, binding: item.value)).inserted {
            report.add(
                "the \(Named.binding(item)) stands twice",
                at: subject.set.place(
                    item.origin,
                    subject.set.form == .topology ? "key" : "routing_key"
                ),
                object: Named.binding(item)
            )
        }
    }
}
