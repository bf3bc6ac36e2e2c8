import WarrenTopology

/// Makes a queue's declaration out of its section: plain words become x-arguments.
struct QueueReader {
    /// How a plain word becomes an argument.
    private enum Sort { case milliseconds, number, bytes, text, flag }

    private static let plain: [(word: String, argument: String, sort: Sort)] = [
        ("message_ttl", "x-message-ttl", .milliseconds), ("expires", "x-expires", .milliseconds),
        ("max_length", "x-max-length", .number), ("max_length_bytes", "x-max-length-bytes", .bytes),
        ("overflow", "x-overflow", .text), ("max_priority", "x-max-priority", .number),
        ("single_active_consumer", "x-single-active-consumer", .flag),
        ("delivery_limit", "x-delivery-limit", .number), ("mode", "x-queue-mode", .text),
        ("max_age", "x-max-age", .text), ("type", "x-queue-type", .text),
        ("max_segment_size", "x-stream-max-segment-size-bytes", .bytes),
        ("initial_group_size", "x-quorum-initial-group-size", .number),
        ("leader_locator", "x-queue-leader-locator", .text),
    ]

    /// The arguments that a word says exactly, in the order in which they read well.
    static let exactWords = [
        ("x-queue-type", "type"), ("x-message-ttl", "message_ttl"), ("x-expires", "expires"),
        ("x-max-length", "max_length"), ("x-max-length-bytes", "max_length_bytes"),
        ("x-overflow", "overflow"),
        ("x-delivery-limit", "delivery_limit"), ("x-max-priority", "max_priority"),
        ("x-single-active-consumer", "single_active_consumer"), ("x-max-age", "max_age"),
    ]

    /// Where a topology says what an argument says, if it has a word for it.
    static func word(for argument: String) -> [String]? {
        switch argument {
        case "x-dead-letter-exchange": ["dead_letter", "exchange"]
        case "x-dead-letter-routing-key": ["dead_letter", "key"]
        case "x-dead-letter-strategy": ["dead_letter", "strategy"]
        default: plain.first { $0.argument == argument }.map { [$0.word] }
        }
    }

    /// What an argument and a policy say alike.
    static let limits = [
        Field("message_ttl", .duration, "how long a message may wait"),
        Field("expires", .duration, "how long the queue may be without use"),
        Field("max_length", .integer(0...4_000_000_000), "ready messages at most"),
        Field("max_length_bytes", .size, "bytes of ready bodies at most"),
        Field(
            "overflow",
            .choice(["drop-head", "reject-publish", "reject-publish-dlx"]),
            "what gives way when it is full; drop-head"
        ),
        Field("delivery_limit", .integer(0...4_000_000_000), "how often a message may come back"),
        Field("max_age", .text, "for streams: how old a segment may grow, such as 7D or 1h"),
    ]

    /// The keys of a queue, each with the argument that it stands for.
    static let fields = described.map { field in
        var field = field
        field.arguments = plain.filter { $0.word == field.name }.map(\.argument)
        switch field.name {
        case "dead_letter":
            field.arguments = [
                "x-dead-letter-exchange", "x-dead-letter-routing-key", "x-dead-letter-strategy",
            ]
        case "arguments":
            let spoken = Set(plain.map(\.argument))
            field.arguments = QueueArguments.names.filter { !spoken.contains($0) }
        default: break
        }
        return field
    }

    private static let described =
        limits + [
            Field("type", .choice(["classic", "quorum", "stream"]), "classic"),
            Field("node", .text, "the node of a cluster that it is declared on; the first"),
            Field("durable", .boolean, "survives a restart; true"),
            Field("exclusive", .boolean, "belongs to one connection; false"),
            Field("auto_delete", .boolean, "goes with its last consumer; false"),
            Field(
                "dead_letter",
                .record([
                    Field("exchange", .text, "where dead messages go", required: true),
                    Field("key", .text, "under which key; their own"),
                    Field(
                        "strategy",
                        .choice(["at-most-once", "at-least-once"]),
                        "how safely, for quorum queues; at-most-once"
                    ),
                ]),
                "what becomes of messages that are rejected, expired or in excess"
            ),
            Field("max_priority", .integer(0...255), "the highest priority; none"),
            Field("single_active_consumer", .boolean, "one consumer at a time; false"),
            Field("mode", .choice(["default", "lazy"]), "where it keeps messages; default"),
            Field("max_segment_size", .size, "for streams: the size of a segment; 500MB"),
            Field("initial_group_size", .integer(1...99), "for quorum queues: how many members; 3"),
            Field(
                "leader_locator",
                .choice(["client-local", "balanced"]),
                "where its leader goes"
            ),
            Field("arguments", .map(.anything), "x-arguments, word for word"),
        ]

    let vhost: String
    let version: Version

    /// The declaration of one queue; what the broker would refuse is a finding.
    func read(_ entry: Tree.Entry, _ findings: inout [Finding]) -> QueueDeclaration {
        let made = declaration(entry.key, entry.value, &findings)
        do throws(Refusal) {
            try QueueArguments.check(made, vhost, version)
        } catch {
            findings.append(
                Finding(
                    "refused-declaration",
                    "RabbitMQ refuses to declare '\(entry.key)'",
                    at: entry.place,
                    why: "it answers \(error.code) \(error.text)"
                )
            )
        }
        return made
    }

    /// What a section says of a queue, good or not.
    func declaration(_ name: String, _ tree: Tree, _ findings: inout [Finding]) -> QueueDeclaration
    {
        var made = QueueDeclaration(name: name)
        made.durable = tree["durable"]?.text != "false"
        made.autoDelete = tree["auto_delete"]?.text == "true"
        for (word, argument, sort) in Self.plain {
            guard let value = tree[word] else { continue }
            if word == "type", value.text == "classic" { continue }
            made[argument] = Self.value(value, sort)
        }
        if let letter = tree["dead_letter"] {
            made.deadLetterExchange = letter["exchange"]?.text
            made.deadLetterKey = letter["key"]?.text
            made["x-dead-letter-strategy"] = letter["strategy"]?.text.map { .string($0) }
        }
        for argument in tree["arguments"]?.entries ?? [] { add(argument, to: &made, &findings) }
        return made
    }

    private static func value(_ tree: Tree, _ sort: Sort) -> FieldValue? {
        guard let text = tree.text else { return nil }
        switch sort {
        case .milliseconds: return Units.duration(text).map { .int(Int64($0 / 1e6)) }
        case .number: return Int64(text).map { .int($0) }
        case .bytes: return Units.size(text).map { .int(Int64($0)) }
        case .text: return .string(text)
        case .flag: return .bool(text == "true")
        }
    }

    private func add(
        _ argument: Tree.Entry,
        to made: inout QueueDeclaration,
        _ findings: inout [Finding]
    ) {
        if made[argument.key] != nil {
            let word = Self.plain.first { $0.argument == argument.key }?.word ?? "dead_letter"
            findings.append(
                Finding(
                    "said-twice",
                    "'\(argument.key)' says what `\(word)` says already",
                    at: argument.place,
                    remedy: "keep one of them"
                )
            )
            return
        }
        if !QueueArguments.names.contains(argument.key) {
            findings.append(
                Finding(
                    "unknown-argument",
                    "RabbitMQ knows no argument '\(argument.key)'",
                    at: argument.place,
                    label: DidYouMean.hint(argument.key, in: QueueArguments.names),
                    why: "it stores it and does nothing with it (RMQ-DECL-10)",
                    severity: .warning
                )
            )
        }
        made[argument.key] = FieldValue(argument.value)
    }
}
