import RabbitMQModel
import WarrenTopology

/// Alternate exchanges that lead back.
enum AlternateExchangeLoop: Rule {
    static let manual = Manual(
        "alternate-exchange-loop",
        .warning,
        "alternate exchanges lead back to where they began",
        outcome: .created,
        why:
            "RabbitMQ goes through each exchange once: what none of them can route is dropped, and the loop hides that",
        remedy: "let the last one be a fanout exchange with a queue",
        source: "RMQ-AE; rabbit_exchange:route goes through no exchange twice",
        bad: .broker("exchanges: { a: { alternate: b }, b: { alternate: a } }"),
        good: .broker(
            "exchanges: { a: { alternate: b }, b: { type: fanout } }\nqueues: { jobs: { bind: { a: [x] } }, rest: { bind: { b: [\"\"] } } }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        var told: Set<[String]> = []
        for (index, host) in subject.liveExchanges {
            var way = [subject.set.exchanges[index].value.name]
            var at = index
            while let next = subject.alternate(at, in: host), let number = host.exchanges[next] {
                if next == way[0] {
                    guard told.insert([host.name] + way.sorted()).inserted else { break }
                    let object = Named.exchange(way[0], host.name)
                    report.add(
                        "the alternate of the \(object) leads back: \((way + [next]).joined(separator: " → "))",
                        at: Alternates.place(index, subject),
                        object: object
                    )
                    break
                }
                if way.contains(next) { break }
                way.append(next)
                at = number
            }
        }
    }
}
