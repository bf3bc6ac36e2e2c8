public import WarrenTopology

extension RabbitMQ {
    /// The words of `kind: rabbitmq`.
    public static let vocabulary = Vocabulary(
        kind: "rabbitmq",
        versions: ["3.10"],
        broker: [
            Field("exchanges", .map(exchange), "the exchanges, beside the predeclared ones"),
            Field("queues", .map(queue), "the queues"),
            Field(
                "vhosts",
                .map(
                    .record([
                        Field("exchanges", .map(exchange), "the exchanges"),
                        Field("queues", .map(queue), "the queues"),
                    ])
                ),
                "further virtual hosts"
            ),
            Field(
                "disk",
                .record([Field("sync", .timeLaw, "how long a batch of writes takes; 1ms")]),
                "the node's disk"
            ),
            later("policies", "RMQ-POL"), later("operator_policies", "RMQ-POL"),
            later("users", "RMQ-PERM"), later("permissions", "RMQ-PERM"),
            later("partition_handling", "RMQ-PART"), later("limits", "RMQ-PERM"),
            later("memory", "RMQ-ALARM"), later("federation", "RMQ-FED"),
            later("shovels", "RMQ-SHOV"),
        ],
        to: [
            Field("exchange", .text, "the exchange"),
            Field("queue", .text, "a queue, through the default exchange"),
            Field("vhost", .text, "the virtual host; /"),
            Field(
                "key",
                .either([
                    .record([
                        Field(
                            "pick",
                            .map(.integer(0...1_000_000)),
                            "keys and weights",
                            required: true
                        )
                    ]), .text,
                ]),
                "the routing key, or several with their weights"
            ),
        ],
        from: [
            Field("queue", .text, "the queue", required: true),
            Field("vhost", .text, "the virtual host; /"),
        ],
        shortTarget: "queue",
        producer: [
            Field("headers", .map(.anything), "the headers of each message"),
            Field("persistent", .boolean, "delivery mode 2; false"),
            Field("mandatory", .boolean, "have it returned if no queue gets it; false"),
            Field(
                "confirms",
                .either([
                    .record([
                        Field("timeout", .duration, "how long to wait; for ever"),
                        Field("retries", .integer(0...1000), "how often to publish again; 0"),
                    ]), .boolean,
                ]),
                "publisher confirms; false"
            ),
            later("priority", "RMQ-PRIO"), later("expiration", "RMQ-TTL"),
            later("connection", "clients that share connections"),
            later("channel", "clients that share connections"),
        ],
        consumer: consuming,
        caller: [
            Field("replies", .text, "exclusive, or the name of a queue; exclusive"),
            Field("mandatory", .boolean, "have it returned if no queue gets it; false"),
            Field("persistent", .boolean, "delivery mode 2; false"),
        ],
        server: consuming
    )

    private static let consuming = [
        Field(
            "prefetch",
            .integer(0...65_535),
            "unacknowledged deliveries at most; 0 for no limit"
        ),
        Field(
            "ack",
            .choice(AckMode.allCases.map(\.rawValue)),
            "automatic, before or after the work; after"
        ),
        Field(
            "on_error",
            .record([Field("requeue", .boolean, "back to the queue instead of rejecting; false")]),
            "what a failed piece of work does to its message"
        ),
        later("priority", "RMQ-CONS-17"), later("exclusive", "RMQ-CONS-21"),
        later("connection", "clients that share connections"),
        later("channel", "clients that share connections"),
    ]

    private static func later(_ name: String, _ numbers: String) -> Field {
        Field(name, .anything, "", notModelled: numbers)
    }

    private static let binding = Shape.list(
        .either([
            .record([
                Field("key", .text, "the binding key"),
                Field(
                    "match",
                    .choice(["all", "any", "all-with-x", "any-with-x"]),
                    "how many headers; all"
                ),
                Field(
                    "headers",
                    .map(.anything),
                    "the headers to match; an empty value means presence"
                ),
            ]), .text,
        ])
    )

    private static let bind = Field(
        "bind",
        .map(binding),
        "exchanges to bind to, each with its keys or headers"
    )

    private static let exchange = Shape.record([
        Field(
            "type",
            .choice(["direct", "fanout", "topic", "headers", "x-consistent-hash"]),
            "how it routes; direct"
        ),
        Field("durable", .boolean, "survives a restart; true"),
        Field("auto_delete", .boolean, "goes with its last binding; false"),
        Field("internal", .boolean, "clients may not publish to it; false"),
        Field("alternate", .text, "the exchange for what it cannot route"),
        bind,
        later("arguments", "RMQ-CHASH"),
    ])

    private static let queue = Shape.record([
        Field("type", .choice(["classic", "quorum", "stream"]), "classic"),
        Field("durable", .boolean, "survives a restart; true"),
        Field("exclusive", .boolean, "belongs to one connection; false"),
        Field("auto_delete", .boolean, "goes with its last consumer; false"),
        bind,
        Field(
            "dead_letter",
            .record([
                Field("exchange", .text, "where rejected messages go", required: true),
                Field("key", .text, "under which key; their own"),
            ]),
            "what becomes of rejected messages"
        ),
        Field("arguments", .map(.anything), "x-arguments, word for word"),
        later("message_ttl", "RMQ-TTL"), later("expires", "RMQ-DECL-48"),
        later("max_length", "RMQ-LEN"), later("max_length_bytes", "RMQ-LEN"),
        later("overflow", "RMQ-LEN"), later("max_priority", "RMQ-PRIO"),
        later("single_active_consumer", "RMQ-CONS-32"), later("delivery_limit", "RMQ-QQ"),
        later("mode", "RMQ-PRIO-11"), later("leader_locator", "RMQ-CLUS"),
        later("initial_group_size", "RMQ-QQ"),
    ])
}
