import RabbitMQModel
import WarrenTopology

/// Dead letters for an exchange that does not exist.
enum MissingDeadLetterExchange: Rule {
    static let manual = Manual(
        "missing-dead-letter-exchange",
        .warning,
        "the dead-letter exchange of a queue is not there",
        outcome: .created,
        why:
            "RabbitMQ accepts it; a classic queue drops every dead letter, and a quorum queue that dead-letters at least "
            + "once keeps them and grows",
        remedy: "add the exchange, or mend its name",
        source: "tried on 3.10.8; rabbitmq-server#1792, #12625; RMQ-DLX",
        bad: .broker("queues: { jobs: { dead_letter: { exchange: dead } } }"),
        good: .broker(
            "exchanges: { dead: { type: fanout } }\nqueues:\n  jobs: { dead_letter: { exchange: dead } }\n  buried: { bind: { dead: [\"\"] } }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for (index, host) in subject.liveQueues {
            guard let exchange = subject.rules(index, in: host).deadLetterExchange,
                !host.hasExchange(exchange)
            else { continue }
            let item = subject.set.queues[index]
            let object = Named.queue(item.value.name, item.vhost)
            report.add(
                "the dead-letter exchange '\(exchange)' of the \(object) does not exist",
                at: subject.place(ofSetting: "x-dead-letter-exchange", index, in: host),
                object: object,
                label: Hints.name(exchange, host.exchanges)
            )
        }
    }
}
