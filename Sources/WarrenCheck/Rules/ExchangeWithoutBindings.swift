import RabbitMQModel
import WarrenTopology

/// An exchange from which nothing leads anywhere.
enum ExchangeWithoutBindings: Rule {
    static let manual = Manual(
        "exchange-without-bindings",
        .warning,
        "an exchange has no binding and no alternate exchange",
        outcome: .created,
        why: "every message to it is lost, and only publishers that set `mandatory` hear of it",
        remedy:
            "bind a queue to it; if consumers bind their own queues, publishers must come after them",
        source: "RMQ-ROUTE; rabbitmq-server#3093",
        bad: .broker("exchanges: { events: { type: topic } }"),
        good: .broker(
            "exchanges: { events: { type: topic } }\nqueues: { jobs: { bind: { events: [\"#\"] } } }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        // Scripts bind as they like.
        guard subject.clients(.script).isEmpty else { return }
        // A shovel binds a queue of its own to the exchange that it takes from.
        let shovelled = Set(
            subject.set.parameters.compactMap { item -> String? in
                guard case .table(let value) = item.value.value else { return nil }
                return value["src-exchange"]?.text
            }
        )
        for (index, host) in subject.liveExchanges {
            let item = subject.set.exchanges[index]
            guard (host.from[item.value.name] ?? []).isEmpty,
                !shovelled.contains(item.value.name),
                subject.alternate(index, in: host) == nil
            else { continue }
            let object = Named.exchange(item.value.name, item.vhost)
            report.add(
                "the \(object) leads nowhere",
                at: subject.set.place(item.origin),
                object: object,
                // Where no queue is declared either, clients bring their own and bind them.
                severity: host.queues.isEmpty ? .note : .warning
            )
        }
    }
}
