import RabbitMQModel
import WarrenTopology

/// An alternate exchange that does not exist.
enum MissingAlternateExchange: Rule {
    static let manual = Manual(
        "missing-alternate-exchange",
        .warning,
        "the alternate exchange of an exchange is not there",
        outcome: .created,
        why: "RabbitMQ accepts it, and drops what the exchange cannot route as if there were none",
        remedy: "add the exchange, or mend its name",
        source: "tried on 3.10.8; RMQ-AE",
        bad: .broker(
            "exchanges: { events: { type: topic, alternate: unrouted } }\nqueues: { jobs: { bind: { events: [\"a\"] } } }"
        ),
        good: .broker(
            "exchanges: { events: { type: topic, alternate: unrouted }, unrouted: { type: fanout } }\nqueues: { jobs: { bind: { events: [\"a\"] } }, rest: { bind: { unrouted: [\"\"] } } }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for (index, host) in subject.liveExchanges {
            guard let alternate = subject.alternate(index, in: host), !host.hasExchange(alternate)
            else { continue }
            let item = subject.set.exchanges[index]
            let object = Named.exchange(item.value.name, item.vhost)
            report.add(
                "the alternate exchange '\(alternate)' of the \(object) does not exist",
                at: Alternates.place(index, subject),
                object: object,
                label: Hints.name(alternate, host.exchanges)
            )
        }
    }
}

/// Where an exchange says what its alternate is.
enum Alternates {
    static func place(_ index: Int, _ subject: Subject) -> Place? {
        let origin = subject.set.exchanges[index].origin
        return subject.set.form == .topology
            ? subject.set.place(origin, "alternate")
            : subject.set.place(origin, "arguments", "alternate-exchange")
    }
}
