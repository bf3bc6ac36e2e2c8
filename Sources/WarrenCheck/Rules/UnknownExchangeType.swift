import RabbitMQModel
import WarrenTopology

/// A type of exchange that nobody knows, or that a plug-in brings.
enum UnknownExchangeType: Rule {
    static let manual = Manual(
        "unknown-exchange-type",
        .error,
        "an exchange has a type that RabbitMQ does not know by itself",
        outcome: .refused,
        why:
            "RabbitMQ refuses the file with `unknown exchange type`, and creates no queue and no binding",
        remedy: "use direct, fanout, topic or headers, or enable the plug-in before the import",
        source: "tried on 3.10.8; rabbit_exchange:check_type",
        bad: .definitions(
            #"{"vhosts":[{"name":"/"}],"exchanges":[{"name":"later","vhost":"/","type":"x-delayed-message","durable":true,"auto_delete":false,"arguments":{"x-delayed-type":"direct"}}]}"#
        ),
        good: .definitions(
            #"{"vhosts":[{"name":"/"}],"exchanges":[{"name":"now","vhost":"/","type":"direct","durable":true,"auto_delete":false,"arguments":{}}]}"#
        )
    )

    private static let plugins = [
        "x-consistent-hash": "rabbitmq_consistent_hash_exchange",
        "x-random": "rabbitmq_random_exchange",
        "x-delayed-message": "rabbitmq_delayed_message_exchange",
        "x-modulus-hash": "rabbitmq_sharding",
        "x-recent-history": "rabbitmq_recent_history_exchange",
        "x-jms-topic": "rabbitmq_jms_topic_exchange",
        "x-event": "rabbitmq_event_exchange", "x-rtopic": "rabbitmq_rtopic_exchange",
        "x-message-deduplication": "rabbitmq_message_deduplication",
        "x-lvc": "rabbitmq_lvc_exchange",
    ]
    /// Those that come with RabbitMQ and need only be enabled.
    private static let bundled: Set<String> = [
        "x-consistent-hash", "x-random", "x-modulus-hash", "x-recent-history", "x-jms-topic",
        "x-event",
    ]

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        let known =
            ["direct", "fanout", "topic", "headers"]
            + (subject.version >= Version(4, 0) ? ["x-local-random"] : [])
        for item in subject.set.exchanges
        where !known.contains(item.value.type) && !item.value.type.isEmpty
            && !item.value.name.hasPrefix("amq.") && !item.value.name.isEmpty
        {
            let type = item.value.type
            let plugin = plugins[type]
            let isBundled = bundled.contains(type)
            let object = Named.exchange(item.value.name, item.vhost)
            report.add(
                plugin == nil
                    ? "the \(object) has the unknown type '\(type)'"
                    : "the type '\(type)' of the \(object) needs the plug-in \(plugin ?? "")",
                at: subject.set.place(item.origin, "type"),
                object: object,
                label: plugin == nil
                    ? DidYouMean.hint(type, in: known + plugins.keys.sorted()) : "",
                remedy: plugin.map {
                    isBundled
                        ? "rabbitmq-plugins enable \($0)"
                        : "install \($0), which does not come with RabbitMQ, and enable it"
                },
                severity: plugin == nil ? .error : isBundled ? .note : .warning,
                // Where it is enabled the exchange is created, and nobody can tell from a file.
                outcome: isBundled ? .created : .refused
            )
        }
    }
}
