import RabbitMQModel
import WarrenTopology

/// An argument that RabbitMQ stores and does not know.
enum UnknownArgument: Rule {
    static let manual = Manual(
        "unknown-argument",
        .warning,
        "an argument has a name that RabbitMQ does not know",
        outcome: .ignored,
        why: "RabbitMQ stores it and does nothing with it, and a misspelt limit is no limit",
        remedy: "mend its name: nearly all begin with x-",
        source: "tried on 3.10.8; RMQ-DECL-10; rabbitmq-server#12346",
        bad: .broker("queues:\n  jobs: { arguments: { message-ttl: 60000 } }"),
        good: .broker("queues:\n  jobs: { arguments: { x-message-ttl: 60000 } }")
    )

    /// What later versions know, and since when.
    private static let later = [
        "x-stream-filter-size-bytes": Version(3, 13), "x-consumer-timeout": Version(3, 13),
        "x-quorum-target-group-size": Version(4, 0),
    ]
    private static let ofExchanges = [
        "alternate-exchange", "hash-header", "hash-property", "x-delayed-type",
        "x-recent-history-length",
        "x-recent-history-no-store", "x-cache-size", "x-cache-ttl", "x-cache-persistence",
        "x-message-deduplication",
        "x-internal-purpose",
    ]
    /// What a plug-in puts there and reads again.
    private static let ofPlugins = [
        "x-internal-purpose", "x-message-deduplication", "x-cache-size", "x-cache-ttl",
    ]

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        let set = subject.set
        let known =
            QueueArguments.names + [
                "x-queue-master-locator", "x-ha-policy", "x-ha-policy-params", "x-ha-nodes",
            ]
        let names = Set(known + ofPlugins)
        for item in set.queues {
            for field in item.value.arguments where !names.contains(field.name) {
                let since = later[field.name]
                if let since, subject.version >= since { continue }
                tell(
                    field.name,
                    Named.queue(item.value.name, item.vhost),
                    set.place(item.origin, "arguments", field.name),
                    known,
                    since.map { "RabbitMQ knows it from \($0.text) on" },
                    &report
                )
            }
        }
        for item in set.exchanges {
            for field in item.value.arguments where !ofExchanges.contains(field.name) {
                tell(
                    field.name,
                    Named.exchange(item.value.name, item.vhost),
                    set.place(item.origin, "arguments", field.name),
                    ofExchanges,
                    nil,
                    &report
                )
            }
        }
    }

    private static func tell(
        _ name: String,
        _ object: String,
        _ place: Place?,
        _ known: [String],
        _ since: String?,
        _ report: inout RuleReport
    ) {
        let near =
            known.first { $0 == "x-" + name || "x-" + $0 == name }
            ?? DidYouMean.nearest(to: name, in: known)
        report.add(
            "the argument '\(name)' of the \(object) is unknown",
            at: place,
            object: object,
            label: since ?? near.map { "did you mean '\($0)'?" } ?? "",
            severity: near == nil && since == nil ? .note : .warning
        )
    }
}
