import WarrenBroker
package import WarrenTopology

extension RabbitMQ {
    /// The words of `kind: rabbitmq`.
    package static let vocabulary = Vocabulary(
        kind: "rabbitmq",
        versions: Version.known,
        broker: [
            Field("exchanges", .map(exchange), "the exchanges, beside the predeclared ones"),
            Field("queues", .map(queue), "the queues"),
            Field(
                "vhosts",
                .map(
                    .record(
                        [
                            Field("exchanges", .map(exchange), "the exchanges"),
                            Field("queues", .map(queue), "the queues"),
                        ] + SettingsReader.ofVirtualHost
                    )
                ),
                "further virtual hosts"
            ),
            Field(
                "disk",
                .record(ClusterReader.disk),
                "the disk of each node"
            ),
        ] + ClusterReader.fields + SettingsReader.ofVirtualHost + SettingsReader.ofBroker,
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
            Field("queue", .text, "the queue"),
            Field(
                "own",
                .record(
                    [
                        Field(
                            "name",
                            .text,
                            "its name, with the instance's number; the server's choice"
                        ),
                        Field(
                            "again",
                            .choice(OwnQueue.Habit.allCases.map(\.rawValue)),
                            "what is declared when the connection is back; new"
                        ),
                        bind,
                    ] + QueueReader.fields.filter { $0.name != "node" && $0.name != "bind" }
                ),
                "a queue of each instance's own, declared at each connect"
            ),
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
                        Field("pause", .duration, "how long to wait before that after a nack; 0s"),
                    ]), .boolean,
                ]),
                "publisher confirms; false"
            ),
            Field(
                "priority",
                .either([
                    .record([
                        Field(
                            "pick",
                            .map(.integer(0...1_000_000)),
                            "priorities and weights",
                            required: true
                        )
                    ]), .integer(0...255),
                ]),
                "the priority, or several with their weights; none"
            ),
            Field("expiration", .duration, "how long each message may wait in a queue"),
            user, vhost,
        ] + sharing + recovering,
        consumer: consuming,
        caller: [
            Field(
                "replies",
                .either([
                    .record([
                        Field(
                            "per",
                            .choice(["call"]),
                            "a queue for each call, which stays",
                            required: true
                        ),
                        Field("expires", .duration, "how long one stays unused; for ever"),
                    ]), .text,
                ]),
                "exclusive, direct, the name of a queue, or a queue per call; exclusive"
            ),
            Field(
                "on_loss",
                .choice(["fail", "wait"]),
                "whether open calls fail when the connection is lost, or wait until their timeout; fail"
            ),
            user, vhost,
            Field("mandatory", .boolean, "have it returned if no queue gets it; false"),
            Field("persistent", .boolean, "delivery mode 2; false"),
        ] + sharing + recovering,
        server: consuming,
        bridgeFrom: [
            Field("queue", .text, "the queue", required: true),
            prefetch,
            Field(
                "ack",
                .choice(BridgeAck.allCases.map(\.rawValue)),
                "after (the other broker has it), before (it publishes), or automatic; after"
            ),
            Field(
                "on_error",
                .record([requeue]),
                "what a failed piece of work does to its message"
            ),
            user, vhost,
        ] + recovering,
        bridgeTo: destination + properties + [
            Field(
                "confirms",
                waiting,
                "waits for the confirm before it acknowledges; false"
            ),
            user, vhost,
        ] + recovering,
        script: [
            heartbeat,
            Field(
                "hosts",
                .list(.text),
                "the nodes that it connects to, one after the other; the first"
            ),
        ],
        steps: ScriptReader.steps,
        foreign: DefinitionsText.foreign
    )

    private static let forward: [Field] =
        [
            Field(
                "to",
                .either([.record(destination), .text]),
                "where it publishes",
                required: true
            )
        ] + properties

    private static let destination = [
        Field("exchange", .text, "the exchange"),
        Field("queue", .text, "a queue, through the default exchange"),
        Field("key", .text, "the routing key; that of the message"),
    ]

    /// What a message that follows from another has of it.
    private static let properties: [Field] = [
        Field(
            "headers",
            .map(.anything),
            "headers that are added, or replace those of the message"
        ),
        Field(
            "drop",
            .list(.text),
            "headers of the message that the new one does not have, such as x-death; or all"
        ),
        Field("persistent", .boolean, "delivery mode 2; as the message"),
        Field("mandatory", .boolean, "have it returned if no queue gets it; false"),
        Field("expiration", .duration, "how long it may wait in a queue"),
        Field("size", .sizeLaw, "body sizes; as the message"),
    ]

    private static let order: [Field] = [
        Field(
            "before_ack",
            .boolean,
            "publishes first, and acknowledges then: what a crash in between doubles; or the other way round: what it "
                + "loses; true"
        ),
        Field(
            "confirms",
            waiting,
            "waits for the confirm before the ack and the next message; false"
        ),
    ]

    private static let waiting = Shape.either([
        .record([Field("timeout", .duration, "how long to wait; for ever")]), .boolean,
    ])

    private static let passing = Shape.either([
        .list(.record(forward + order)), .record(forward + order),
    ])

    private static let failing = Shape.either([
        .list(.record(forward + order + counting)), .record(forward + order + counting),
    ])

    private static let counting: [Field] = [
        Field("retries", .integer(1...1000), "how often; after that `requeue:` counts; always"),
        Field("count_in", .text, "the header that counts; x-retries"),
    ]

    private static let prefetch = Field(
        "prefetch",
        .integer(0...65_535),
        "unacknowledged deliveries at most; 0 for no limit"
    )
    private static let requeue = Field(
        "requeue",
        .boolean,
        "back to the queue instead of rejecting; false"
    )

    private static let consuming =
        [
            prefetch,
            Field(
                "ack",
                .choice(AckMode.allCases.map(\.rawValue)),
                "automatic, before (on arrival), start (when its work begins) or after the work; after"
            ),
            Field(
                "on_error",
                .record([
                    requeue,
                    Field("then", failing, "what it publishes instead, with an ack"),
                ]),
                "what a failed piece of work does to its message"
            ),
            Field("then", passing, "what it publishes when the work is done"),
            Field("priority", .text, "who gets messages first; a whole number, 0"),
            Field("exclusive", .boolean, "nobody else may consume; false"),
            Field(
                "offset",
                .text,
                "for streams: first, last, next, a number, or an age such as 1h; next"
            ),
            user, vhost,
            Field(
                "declares",
                .boolean,
                "declares its queue and bindings before it consumes; false"
            ),
        ] + sharing + recovering

    private static let sharing = [
        Field(
            "connection",
            .text,
            "the connection that it shares with the roles that name it too; one of its own"
        ),
        Field(
            "channel",
            .text,
            "the channel of that connection that it shares as well; one of its own"
        ),
    ]

    private static let recovering = [
        Field("hosts", .list(.text), "the nodes that it may connect to, in its order; all"),
        Field(
            "recovery",
            .choice(ClientLink.Recovery.allCases.map(\.rawValue)),
            "what comes back after a loss; supervised"
        ),
        Field(
            "backoff",
            .record([
                Field("factor", .text, "by how much the wait grows with each try; 2"),
                Field("max", .duration, "the longest wait; 60s"),
            ]),
            "how the wait before connecting grows; it stays the same"
        ),
        Field("connect_timeout", .duration, "how long a try to connect may take; 30s"),
        heartbeat,
    ]

    private static let heartbeat = Field(
        "heartbeat",
        .duration,
        "how often both sides say that they are there; 60s, 0s for never"
    )

    private static let user = Field("user", .text, "who it connects as; guest")
    private static let vhost = Field("vhost", .text, "the virtual host that it connects to; /")

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
        Field(
            "alternate",
            .text,
            "the exchange for what it cannot route",
            arguments: ["x-alternate-exchange"]
        ),
        bind,
        Field("hash_header", .text, "for x-consistent-hash: hash this header instead of the key"),
        Field(
            "hash_property",
            .choice(ConsistentHashExchange.properties),
            "for x-consistent-hash: hash this property instead of the key"
        ),
        Field("arguments", .map(.anything), "arguments, word for word"),
    ])

    private static let queue = Shape.record([bind] + QueueReader.fields)
}
