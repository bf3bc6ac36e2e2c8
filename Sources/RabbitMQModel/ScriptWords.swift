import WarrenTopology

/// The words of a script.
extension ScriptReader {
    private static let destination = [
        Field("to", .text, "a queue, through the default exchange"),
        Field("exchange", .text, "the exchange"),
        Field("key", .text, "the routing key; empty"),
    ]

    private static let binding = Shape.record([
        Field("queue", .text, "the queue that is bound"),
        Field("destination", .text, "or the exchange that is bound"),
        Field("exchange", .text, "the exchange that messages come from", required: true),
        Field("key", .text, "the binding key; empty"),
        Field("headers", .map(.anything), "the arguments of the binding"),
        nowait,
    ])

    private static let deletion = [
        Field("queue", .text, "a queue"), Field("exchange", .text, "or an exchange"),
        Field("if_unused", .boolean, "only if nobody uses it; false"),
        Field("if_empty", .boolean, "only if it holds nothing; false"),
        nowait,
    ]

    private static let nowait = Field("nowait", .boolean, "without an answer; false")

    private static let settlement = Shape.either([
        .choice(["last", "all"]),
        .record([
            Field("what", .choice(["last", "all"]), "the last delivery, or all so far; last"),
            Field("tag", .integer(Shape.anyCount), "or this delivery tag, held or not"),
            Field("multiple", .boolean, "all up to the tag; false"),
            Field("requeue", .boolean, "back to the queue; false"),
        ]),
    ])

    /// The steps, by their words.
    private static let single = [
        Field("channel", .integer(1...2047), "opens this channel if it is not open, and uses it"),
        Field(
            "declare",
            .record(
                [
                    Field("queue", .text, "the name of a queue"),
                    Field("exchange", .text, "or of an exchange"),
                    Field("passive", .boolean, "only look; false"),
                    Field("nowait", .boolean, "do not wait for an answer; false"),
                    Field("internal", .boolean, "for an exchange; false"),
                    Field("alternate", .text, "for an exchange"),
                ]
                    + QueueReader.fields.map { field in
                        field.name == "type"
                            ? Field("type", .text, "of the queue or the exchange") : field
                    }
            ),
            "queue.declare or exchange.declare"
        ),
        Field("bind", binding, "queue.bind or exchange.bind"),
        Field("unbind", binding, "queue.unbind or exchange.unbind"),
        Field("delete", .record(deletion), "queue.delete or exchange.delete"),
        Field(
            "purge",
            .either([.text, .record([Field("queue", .text, "the queue", required: true), nowait])]),
            "queue.purge, of a queue"
        ),
        Field(
            "publish",
            .record(
                destination + [
                    Field("body", .text, "what the body says, for the trace"),
                    Field("size", .size, "the size of the body; that of what it says, or 1KiB"),
                    Field("times", .integer(1...1_000_000), "how many; 1"),
                    Field("persistent", .boolean, "delivery mode 2; false"),
                    Field("mandatory", .boolean, "have it returned if no queue gets it; false"),
                    Field("immediate", .boolean, "which no broker of this kind does; false"),
                    Field("headers", .map(.anything), "its headers"),
                    Field(
                        "properties",
                        .record(properties),
                        "properties as they stand on the wire"
                    ),
                    Field("priority", .integer(0...255), "its priority"),
                    Field("expiration", .duration, "how long it may wait"),
                    Field("content_type", .text, "a property"),
                    Field("content_encoding", .text, "a property"),
                    Field("correlation_id", .text, "a property"),
                    Field("reply_to", .text, "a property"),
                    Field("message_id", .text, "a property"),
                    Field("timestamp", .integer(0...UInt64(Int64.max)), "a property, in seconds"),
                    Field("type", .text, "a property"),
                    Field("user_id", .text, "a property"),
                    Field("app_id", .text, "a property"),
                ]
            ),
            "basic.publish"
        ),
        Field(
            "consume",
            .record([
                Field("queue", .text, "the queue", required: true),
                Field("tag", .text, "the consumer tag; the broker makes one"),
                Field("ack", .choice(["automatic", "manual"]), "who acknowledges; manual"),
                Field("exclusive", .boolean, "nobody else may consume; false"),
                Field("priority", .text, "a whole number; 0"),
                Field("offset", .text, "for streams"),
                Field("arguments", .map(.anything), "x-arguments, word for word"),
                nowait,
            ]),
            "basic.consume"
        ),
        Field(
            "cancel",
            .either([
                .text, .record([Field("tag", .text, "the consumer tag", required: true), nowait]),
            ]),
            "basic.cancel, of a tag"
        ),
        Field(
            "get",
            .record([
                Field("queue", .text, "the queue", required: true),
                Field("ack", .choice(["automatic", "manual"]), "who acknowledges; manual"),
            ]),
            "basic.get"
        ),
        Field("ack", settlement, "basic.ack"),
        Field("nack", settlement, "basic.nack"),
        Field("reject", settlement, "basic.reject, of the last delivery"),
        Field(
            "qos",
            .record([
                Field("prefetch", .integer(0...65_535), "how many", required: true),
                Field("global", .boolean, "for the channel as a whole; false"),
            ]),
            "basic.qos"
        ),
        Field(
            "confirm",
            .either([.choice(["select"]), .record([nowait])]),
            "confirm.select"
        ),
        Field(
            "tx",
            .choice(["select", "commit", "rollback"]),
            "tx.select, tx.commit, tx.rollback"
        ),
        Field("recover", .choice(["requeue", "no_requeue"]), "basic.recover"),
        Field("flow", .choice(["active", "inactive"]), "channel.flow"),
        Field(
            "await",
            .either([
                .choice(["confirms"]),
                .record([Field("deliveries", .integer(1...1_000_000), "so many", required: true)]),
            ]),
            "waits for all confirms, or until so many deliveries came in all"
        ),
        Field("wait", .duration, "lets time pass"),
        Field("at", .duration, "waits until this moment of the run"),
        Field("close", .choice(["channel", "connection"]), "closes in good order"),
        Field("cut", .choice(["connection"]), "ends the connection without a word"),
        Field("reconnect", .choice(["now"]), "connects anew, with channel 1 open"),
        Field("administer", .record(administration), "what an operator does meanwhile"),
    ]

    private static let name = Field("name", .text, "what the trace calls the step; what it says")

    /// The steps of a script.
    static let steps =
        single + [
            name,
            Field(
                "repeat",
                .record([
                    Field("times", .integer(1...10_000), "how often", required: true),
                    Field(
                        "steps",
                        .list(.record(single + [name])),
                        "what, in order",
                        required: true
                    ),
                ]),
                "says the same several times"
            ),
        ]

    /// What a step says, without its name.
    static func word(of step: Tree) -> Tree.Entry? {
        let words = step.entries.filter { $0.key != name.name }
        return words.count == 1 ? words[0] : nil
    }

    /// What the trace calls a step: its name, or what it says, as far as it fits on a line.
    static func label(of step: Tree) -> String {
        if let name = step[name.name]?.text { return name }
        guard let word = word(of: step) else { return "" }
        let line = "\(word.key): \(TreeWriter.line(word.value))"
        return line.count <= longestLabel ? line : line.prefix(longestLabel - 1) + "…"
    }

    private static let longestLabel = 100

    /// How many steps a script has at most, once what repeats is written out.
    private static let longest = 100_000

    /// The steps with what repeats written out.
    static func unrolled(_ steps: [Tree], _ client: String, _ findings: inout [Finding]) -> [Tree] {
        var all: [Tree] = []
        for step in steps {
            guard let again = word(of: step)?.value, step["repeat"] != nil else {
                all.append(step)
                continue
            }
            let inner = again["steps"]?.elements ?? []
            let times = again["times"]?.text.flatMap { Int($0) } ?? 0
            guard inner.count * times + all.count <= longest else {
                findings.append(
                    Finding(
                        "too-large",
                        "the script '\(client)' has more than \(longest) steps, once what repeats is written out",
                        at: again.place,
                        remedy: "repeat less, or use a producer: it publishes without end"
                    )
                )
                return all
            }
            for _ in 0..<times { all += inner }
        }
        return all
    }

    /// Properties that the other words cannot say.
    private static let properties = [
        Field("delivery_mode", .integer(0...255), "2 for persistent"),
        Field("expiration", .text, "milliseconds as a text, good or bad"),
        Field("cluster_id", .text, "which nobody uses"),
    ]

    private static let rights = [
        Field("user", .text, "the user", required: true),
        Field("configure", .text, "a regular expression over names"),
        Field("write", .text, "a regular expression over names, or keys"),
        Field("read", .text, "a regular expression over names, or keys"),
    ]

    private static let administration =
        [
            Field("vhost", .text, "in which virtual host; /"),
            Field("policy", SettingsReader.policy, "sets a policy"),
            Field("clear_policy", .text, "takes a policy away"),
            Field("operator_policy", SettingsReader.policy, "sets an operator policy"),
            Field("clear_operator_policy", .text, "takes an operator policy away"),
            Field("permissions", .record(rights), "what a user may do from now on"),
            Field("clear_permissions", .text, "takes all permissions of a user away"),
            Field(
                "topic_permissions",
                .record(rights + [Field("exchange", .text, "the exchange", required: true)]),
                "which routing keys a user may use from now on"
            ),
            Field(
                "limits",
                .record([
                    Field("max_queues", .integer(0...1_000_000), "how many queues; any number"),
                    Field(
                        "max_connections",
                        .integer(0...1_000_000),
                        "how many connections; any number"
                    ),
                ]),
                "sets the limits of the virtual host"
            ),
            Field("close_connections", .text, "closes all connections, for this reason"),
            Field("delete_vhost", .text, "deletes a virtual host"),
        ] + RelayReader.orders + QuorumOrderReader.fields
}
