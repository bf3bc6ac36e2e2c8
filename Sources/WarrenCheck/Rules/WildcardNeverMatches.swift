import RabbitMQModel
import WarrenTopology

/// A wildcard where none is understood.
enum WildcardNeverMatches: Rule {
    static let manual = Manual(
        "wildcard-never-matches",
        .warning,
        "a binding key has a wildcard where RabbitMQ reads a plain letter",
        outcome: .created,
        why:
            "`*` stands for a whole word between two dots and `#` for any number of them, and only for a topic exchange; "
            + "elsewhere they are letters that no message has in its key",
        remedy:
            "make the exchange a topic exchange, or write the key in whole words: `order.*` and not `order*`",
        source: "RMQ-TOPIC-01 to -04, RMQ-ROUTE-03",
        bad: .broker("queues: { jobs: { bind: { amq.topic: [\"order*\"] } } }"),
        good: .broker("queues: { jobs: { bind: { amq.topic: [\"order.*\"] } } }")
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for item in subject.set.bindings {
            let key = item.value.key
            guard key.utf8.contains(where: { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "#") }),
                let host = subject.host(item.vhost),
                let type = host.type(ofExchange: item.value.source, in: subject.set)
            else { continue }
            let words = TopicExchange.words(of: key)
            let odd = words.first { $0.count > 1 && $0.contains { $0 == "*" || $0 == "#" } }
            let isDirect = type == "direct"
            guard type == "topic" && odd != nil || isDirect && !item.value.source.isEmpty else {
                continue
            }
            report.add(
                isDirect
                    ? "the direct exchange '\(item.value.source)' takes '\(key)' letter by letter"
                    : "'\(odd ?? key)' in the key '\(key)' is a plain word",
                at: subject.set.place(
                    item.origin,
                    subject.set.form == .topology ? "key" : "routing_key"
                ),
                object: Named.binding(item)
            )
        }
    }
}
