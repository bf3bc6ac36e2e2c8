import RabbitMQModel
import WarrenTopology

/// A dead-letter exchange from which no dead letter of the queue reaches a queue.
enum DeadLetterUnroutable: Rule {
    static let manual = Manual(
        "dead-letter-unroutable",
        .warning,
        "dead letters reach an exchange and no queue",
        outcome: .created,
        why:
            "the exchange is there, and no binding of it fits the key of the dead letters: RabbitMQ drops them and says nothing",
        remedy:
            "bind a queue to the exchange with the dead-letter routing key, or with the keys that messages come with",
        source:
            "RMQ-DLX: the key stays what it was unless x-dead-letter-routing-key says another one",
        bad: .broker(
            "exchanges: { dead: {} }\nqueues:\n  jobs: { dead_letter: { exchange: dead, key: jobs } }\n  buried: { bind: { dead: [other] } }"
        ),
        good: .broker(
            "exchanges: { dead: {} }\nqueues:\n  jobs: { dead_letter: { exchange: dead, key: jobs } }\n  buried: { bind: { dead: [jobs] } }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for (index, host) in subject.liveQueues {
            let rules = subject.rules(index, in: host)
            guard let exchange = rules.deadLetterExchange, host.hasExchange(exchange) else {
                continue
            }
            let item = subject.set.queues[index]
            let keys =
                rules.deadLetterKey.map { [Keys.one($0)] }
                ?? subject.keys(into: item.value.name, in: host)
            if keys.contains(where: { subject.reachesQueue(exchange, $0, in: host) }) { continue }
            let object = Named.queue(item.value.name, item.vhost)
            let isBound = !(host.from[exchange] ?? []).isEmpty || exchange.isEmpty
            report.add(
                "no dead letter of the \(object) reaches a queue from '\(exchange)'",
                at: subject.place(
                    ofSetting: rules.deadLetterKey == nil
                        ? "x-dead-letter-exchange" : "x-dead-letter-routing-key",
                    index,
                    in: host
                ),
                object: object,
                label: isBound
                    ? rules.deadLetterKey.map { "no binding for '\($0)'" }
                        ?? "no binding for the keys of its messages" : "nothing is bound to it"
            )
        }
    }
}
