import RabbitMQModel
import WarrenTopology

/// A headers binding that matches all, or nothing.
enum HeadersBinding: Rule {
    static let manual = Manual(
        "headers-binding",
        .warning,
        "a binding of a headers exchange names no header, or an x-match that RabbitMQ does not know",
        outcome: .created,
        why:
            "without headers to compare it matches every message with x-match: all, and none with x-match: any; with an "
            + "unknown x-match the import skips it without a word",
        remedy: "name the headers, and x-match: all, any, all-with-x or any-with-x",
        source: "tried on 3.10.8; RMQ-HDR-01 to -05; rabbit_exchange_type_headers:validate_binding",
        bad: .broker("queues: { jobs: { bind: { amq.headers: [{ match: all }] } } }"),
        good: .broker(
            "queues: { jobs: { bind: { amq.headers: [{ match: all, headers: { kind: invoice } }] } } }"
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for item in subject.set.bindings {
            guard let host = subject.host(item.vhost),
                host.type(ofExchange: item.value.source, in: subject.set) == "headers"
            else { continue }
            let place = subject.set.place(item.origin, "arguments")
            let match = item.value.arguments["x-match"]
            if let match, match.text.map({ HeadersExchange.Mode(rawValue: $0) == nil }) ?? true {
                report.add(
                    "the \(Named.binding(item)) has the unknown x-match '\(match.printed)'",
                    at: place,
                    object: Named.binding(item),
                    severity: .error,
                    outcome: .skipped
                )
                continue
            }
            let mode = HeadersExchange.Mode(of: item.value.arguments)
            let compared = item.value.arguments.filter {
                $0.name != "x-match" && (mode.takesX || !$0.name.hasPrefix("x-"))
            }
            guard compared.isEmpty else { continue }
            report.add(
                "the \(Named.binding(item)) matches \(mode.needsAll ? "every message" : "no message")",
                at: place,
                object: Named.binding(item),
                label: item.value.key.isEmpty ? "" : "a headers exchange does not look at the key"
            )
        }
    }
}
