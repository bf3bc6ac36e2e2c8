import RabbitMQModel
import WarrenTopology

/// Exchanges bound in a ring.
enum ExchangeLoop: Rule {
    static let manual = Manual(
        "exchange-loop",
        .warning,
        "exchanges are bound to each other in a ring",
        outcome: .created,
        why:
            "within a broker a message goes through each exchange once, so that the ring is work for nothing; over "
            + "federation it does not end",
        remedy: "remove the binding that leads back",
        source: "RMQ-ROUTE on bindings between exchanges; rabbit_exchange:route",
        bad: .broker(
            "exchanges:\n  a: { type: fanout, bind: { b: [\"\"] } }\n  b: { type: fanout, bind: { a: [\"\"] } }"
        ),
        good: .broker(
            "exchanges:\n  a: { type: fanout }\n  b: { type: fanout, bind: { a: [\"\"] } }\nqueues: { jobs: { bind: { b: [\"\"] } } }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for host in subject.hosts {
            // Only exchanges that lead to an exchange can be in a ring; each is coloured once.
            var state: [String: Bool] = [:]
            for (_, indexes) in host.from.sorted(by: { $0.key < $1.key }) {
                for index in indexes where subject.set.bindings[index].value.toExchange {
                    var way: [String] = []
                    walk(
                        subject.set.bindings[index].value.source,
                        &way,
                        &state,
                        subject,
                        host,
                        &report
                    )
                }
            }
        }
    }

    /// Goes along bindings between exchanges, without recursion deeper than there are exchanges in a chain.
    private static func walk(
        _ name: String,
        _ way: inout [String],
        _ state: inout [String: Bool],
        _ subject: Subject,
        _ host: Host,
        _ report: inout RuleReport
    ) {
        guard way.count < 500, state[name] == nil else { return }
        state[name] = false
        way.append(name)
        for index in host.from[name] ?? [] where subject.set.bindings[index].value.toExchange {
            let item = subject.set.bindings[index]
            let next = item.value.destination
            if state[next] == false, let start = way.firstIndex(of: next) {
                report.add(
                    "exchanges go round: \((way[start...] + [next]).joined(separator: " → "))",
                    at: subject.set.place(item.origin, "source"),
                    object: Named.binding(item)
                )
            } else {
                walk(next, &way, &state, subject, host, &report)
            }
        }
        way.removeLast()
        state[name] = true
    }
}
