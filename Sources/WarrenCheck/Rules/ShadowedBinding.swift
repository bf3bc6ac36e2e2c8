import RabbitMQModel
import WarrenTopology

/// A binding that another one of the same queue makes pointless.
enum ShadowedBinding: Rule {
    static let manual = Manual(
        "shadowed-binding",
        .note,
        "a binding lets nothing through that another one of the same destination does not",
        outcome: .created,
        why:
            "a message reaches a queue once, however many bindings fit: the narrower binding does nothing, and to remove "
            + "it changes nothing",
        remedy: "remove one of the two",
        source: "RMQ-TOPIC; RMQ-ROUTE-09 for fanout",
        bad: .broker("queues: { jobs: { bind: { amq.topic: [\"#\", order.created] } } }"),
        good: .broker("queues: { jobs: { bind: { amq.topic: [\"order.*\", refund.created] } } }")
    )

    /// Groups beyond that are looked at for `#` alone.
    private static let largestGroup = 64

    private struct Pair: Hashable {
        var vhost: String
        var source: String
        var destination: String
        var toExchange: Bool
    }

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        let set = subject.set
        var groups: [Pair: [Int]] = [:]
        var order: [Pair] = []
        for (index, item) in set.bindings.enumerated() {
            guard let host = subject.host(item.vhost),
                let type = host.type(ofExchange: item.value.source, in: set),
                type == "topic" || type == "fanout"
            else { continue }
            let pair = Pair(
                vhost: host.name,
                source: item.value.source,
                destination: item.value.destination,
                toExchange: item.value.toExchange
            )
            if groups[pair] == nil { order.append(pair) }
            groups[pair, default: []].append(index)
        }
        for pair in order {
            guard let group = groups[pair], group.count > 1, let host = subject.host(pair.vhost)
            else { continue }
            let isFanout = host.type(ofExchange: pair.source, in: set) == "fanout"
            look(group, isFanout, subject, &report)
        }
    }

    private static func look(
        _ group: [Int],
        _ isFanout: Bool,
        _ subject: Subject,
        _ report: inout RuleReport
    ) {
        let set = subject.set
        let words = group.map { TopicExchange.words(of: set.bindings[$0].value.key) }
        for (position, index) in group.enumerated() {
            let item = set.bindings[index]
            let cover = group.indices.first { other in
                guard other != position, set.bindings[group[other]].value.key != item.value.key
                else { return false }
                if isFanout { return other < position }
                if group.count > largestGroup { return words[other] == ["#"] }
                return Keys.covers(words[other], words[position])
                    && !(other > position && Keys.covers(words[position], words[other]))
            }
            guard let cover else { continue }
            report.add(
                "the \(Named.binding(item)) is covered by '\(set.bindings[group[cover]].value.key)'",
                at: set.place(item.origin, set.form == .topology ? "key" : "routing_key"),
                object: Named.binding(item),
                label: isFanout ? "a fanout exchange does not look at keys" : ""
            )
        }
    }
}
