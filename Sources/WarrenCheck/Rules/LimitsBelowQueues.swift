import RabbitMQModel
import WarrenTopology

/// A limit of a virtual host that its own queues exceed.
enum LimitsBelowQueues: Rule {
    static let manual = Manual(
        "limits-below-queues",
        .warning,
        "a virtual host has more queues in the file than its limit allows",
        outcome: .created,
        why:
            "a first import goes through, because it does not count what it creates itself; a second one of a larger file, or "
            + "a client that declares a queue, is refused",
        remedy: "raise max-queues, or remove queues",
        source: "tried on 3.10.8; rabbit_definitions:validate_limits; rabbitmq-management#423",
        bad: .broker("limits: { max_queues: 1 }\nqueues: { jobs: {}, mails: {} }"),
        good: .broker("limits: { max_queues: 2 }\nqueues: { jobs: {}, mails: {} }")
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for item in subject.set.parameters where item.value.component == "vhost-limits" {
            guard let host = subject.host(item.vhost), case .table(let limits) = item.value.value,
                let most = limits["max-queues"]?.number, most >= 0, host.queues.count > most
            else { continue }
            report.add(
                "the virtual host '\(host.name)' has \(host.queues.count) queues here, and a limit of \(most)",
                at: subject.set.form == .topology
                    ? subject.set.place(item.origin, "max_queues")
                    : subject.set.place(item.origin, "value", "max-queues"),
                object: "virtual host '\(host.name)'"
            )
        }
    }
}
