package import WarrenTopology
import WarrenTrace

/// Makes upstreams and shovels out of the section of a broker.
struct RelayReader {
    private static let modes = RelayAckMode.allCases.map(\.rawValue)

    private static let address = [
        Field("broker", .text, "a broker of this file"),
        Field("hosts", .list(.text), "the nodes that it connects to; all"),
        Field("vhost", .text, "the virtual host; that of the relay"),
        Field("user", .text, "who connects; guest"),
    ]

    private static let ackMode = Field(
        "ack_mode",
        .choice(modes),
        "when a message is acknowledged where it comes from; on-confirm"
    )
    private static let delay = Field(
        "reconnect_delay",
        .duration,
        "how long it waits before it connects again; 5s"
    )
    private static let prefetch = Field(
        "prefetch_count",
        .integer(0...65_535),
        "how many messages may be under way; 1000"
    )

    private static let upstream = Shape.record(
        address + [
            Field("exchange", .text, "the exchange there; that of the same name"),
            Field("queue", .text, "the queue there; that of the same name"),
            ackMode, prefetch, delay,
            Field("max_hops", .integer(1...1000), "over how many links a message may go; 1"),
            Field(
                "expires",
                .duration,
                "how long the queue there stays without its link; for ever"
            ),
            Field("message_ttl", .duration, "how long messages wait there; for ever"),
            Field("trust_user_id", .boolean, "whether user_id is passed on; false"),
            Field(
                "resource_cleanup_mode",
                .choice(["default", "never"]),
                "whether the queue there goes with its link; default"
            ),
        ]
    )

    private static let member = Shape.either([
        .record([
            Field("upstream", .text, "the upstream", required: true),
            Field("exchange", .text, "the exchange there"),
            Field("queue", .text, "the queue there"),
        ]), .text,
    ])

    private static func place(_ name: String, _ key: String, _ more: [Field]) -> Field {
        Field(
            name,
            .record(
                [
                    Field("queue", .text, "a queue, which it declares if it is missing"),
                    Field("exchange", .text, "an exchange"), Field("key", .text, key),
                    Field("arguments", .map(.anything), "x-arguments of the queue"),
                ] + address + more
            ),
            name == "from" ? "where it takes messages from" : "where it publishes them",
            required: true
        )
    }

    private static let shovel = Shape.record([
        place(
            "from",
            "the binding key of its own queue",
            [
                prefetch,
                Field(
                    "delete_after",
                    .text,
                    "a number of messages, or queue-length, after which it is done; never"
                ),
            ]
        ),
        place(
            "to",
            "the routing key; that of the message",
            [
                Field("add_forward_headers", .boolean, "writes x-shovelled; false"),
                Field("add_timestamp_header", .boolean, "writes x-shovelled-timestamp; false"),
                Field(
                    "publish_properties",
                    .map(.anything),
                    "properties instead of the message's own, such as delivery_mode"
                ),
            ]
        ), ackMode, delay,
        Field(
            "type",
            .choice(["dynamic", "static"]),
            "whether it is a parameter, or stands in the configuration; dynamic"
        ),
    ])

    /// What a virtual host, or the broker's own, may say of them.
    static let fields = [
        Field(
            "federation",
            .record([
                Field("upstreams", .map(upstream), "brokers that exchanges and queues draw from"),
                Field("sets", .map(.list(member)), "several upstreams under one name"),
            ]),
            "upstreams; a policy with federation_upstream or federation_upstream_set uses them"
        ), Field("shovels", .map(shovel), "what moves messages to another broker"),
    ]

    /// What an operator may say of them in a script.
    static let orders = [
        Field("upstream", named(upstream), "sets a federation upstream"),
        Field("clear_upstream", .text, "takes an upstream away"),
        Field("shovel", named(shovel), "sets a dynamic shovel"),
        Field("clear_shovel", .text, "takes a shovel away"),
    ]

    private static func named(_ shape: Shape) -> Shape {
        guard case .record(let fields) = shape else { return shape }
        return .record([Field("name", .text, "its name", required: true)] + fields)
    }

    // MARK: Reading

    /// What a section says.
    static func read(_ tree: Tree, _ findings: inout [Finding]) -> RelayDefinitions {
        var made = RelayDefinitions()
        for entry in tree["federation"]?["upstreams"].named ?? [] {
            made.upstreams.append(upstream(entry.key, entry.value))
        }
        for entry in tree["federation"]?["sets"].named ?? [] {
            let members = entry.value.elements.map {
                UpstreamSet.Member(
                    upstream: $0["upstream"]?.text ?? $0.text ?? "",
                    exchange: $0["exchange"]?.text,
                    queue: $0["queue"]?.text
                )
            }
            made.sets.append(UpstreamSet(name: entry.key, members: members))
        }
        for entry in tree["shovels"].named {
            if let shovel = shovel(entry.key, entry.value, &findings) {
                made.shovels.append(shovel)
            }
        }
        return made
    }

    private static func address(_ tree: Tree?) -> RelayAddress {
        RelayAddress(
            broker: tree?["broker"]?.text,
            vhost: tree?["vhost"]?.text,
            hosts: tree?["hosts"]?.elements.compactMap(\.text) ?? [],
            user: tree?["user"]?.text
        )
    }

    private static func milliseconds(_ tree: Tree?) -> Int64? {
        tree?.text.flatMap(Units.duration).map { Int64($0 / 1e6) }
    }

    private static func arguments(_ tree: Tree?) -> [FieldValue.Field] {
        (tree?.entries ?? []).map { FieldValue.Field($0.key, FieldValue($0.value)) }
    }

    /// An upstream.
    static func upstream(_ name: String, _ tree: Tree) -> Upstream {
        var made = Upstream(name: name)
        made.address = address(tree)
        made.exchange = tree["exchange"]?.text
        made.queue = tree["queue"]?.text
        made.ackMode = tree["ack_mode"]?.text.flatMap { RelayAckMode(rawValue: $0) } ?? .onConfirm
        made.prefetch = tree["prefetch_count"]?.text.flatMap { UInt32($0) } ?? 1000
        if let delay = tree["reconnect_delay"]?.text.flatMap(Units.duration) {
            made.reconnectDelay = Interval(clamping: delay)
        }
        made.maxHops = tree["max_hops"]?.text.flatMap { Int64($0) } ?? 1
        made.expires = milliseconds(tree["expires"])
        made.messageTTL = milliseconds(tree["message_ttl"])
        made.trustsUser = tree["trust_user_id"]?.text == "true"
        made.cleansUp = tree["resource_cleanup_mode"]?.text != "never"
        return made
    }

    /// A shovel; nil if the broker would not have it, which is a finding.
    static func shovel(_ name: String, _ tree: Tree, _ findings: inout [Finding]) -> Shovel? {
        var made = Shovel(name: name)
        made.isStatic = tree["type"]?.text == "static"
        made.ackMode = tree["ack_mode"]?.text.flatMap { RelayAckMode(rawValue: $0) } ?? .onConfirm
        if let delay = tree["reconnect_delay"]?.text.flatMap(Units.duration) {
            // A delay of nothing is one that never ends: the supervisor does not start it again.
            made.reconnectDelay = delay == 0 ? nil : Interval(clamping: delay)
        }
        let (from, to) = (tree["from"], tree["to"])
        made.from = address(from)
        made.to = address(to)
        made.prefetch = from?["prefetch_count"]?.text.flatMap { UInt32($0) } ?? 1000
        made.sourceArguments = arguments(from?["arguments"])
        made.targetArguments = arguments(to?["arguments"])
        made.addsForwardHeaders = to?["add_forward_headers"]?.text == "true"
        made.addsTimestamp = to?["add_timestamp_header"]?.text == "true"
        made.properties = arguments(to?["publish_properties"])
        guard let source = place(from, name, isSource: true, &findings),
            let target = place(to, name, isSource: false, &findings),
            let end = end(from?["delete_after"], made, tree, &findings)
        else { return nil }
        (made.source, made.target, made.end) = (source, target, end)
        return made
    }

    private static func place(
        _ tree: Tree?,
        _ name: String,
        isSource: Bool,
        _ findings: inout [Finding]
    ) -> Shovel.Place? {
        let (queue, exchange) = (tree?["queue"]?.text, tree?["exchange"]?.text)
        if queue != nil, exchange != nil || !isSource && tree?["key"] != nil {
            refuse(
                "the shovel '\(name)' names a queue and an exchange or key",
                tree,
                isSource
                    ? "it answers 400: Cannot specify 'src-exchange' and 'src-queue'"
                    : "the queue would count and the exchange would not, without a word",
                &findings
            )
            return nil
        }
        if let queue { return .queue(queue) }
        if isSource, exchange == nil {
            refuse(
                "the shovel '\(name)' does not say where it takes messages from",
                tree,
                "it answers 400: Must specify 'src-exchange' or 'src-queue'",
                &findings
            )
            return nil
        }
        return .exchange(exchange, key: tree?["key"]?.text)
    }

    private static func end(
        _ tree: Tree?,
        _ shovel: Shovel,
        _ whole: Tree,
        _ findings: inout [Finding]
    ) -> Shovel.End? {
        guard let text = tree?.text else { return .never }
        if text == "never" { return .never }
        if text == "queue-length" { return .queueLength }
        guard let count = UInt64(text) else {
            refuse(
                "the shovel '\(shovel.name)' is to be deleted after '\(text)'",
                tree,
                "it answers 400: delete-after should be a number greater than or equal to 0, \"never\" or "
                    + "\"queue-length\"",
                &findings
            )
            return nil
        }
        if shovel.ackMode == .noAck {
            refuse(
                "the shovel '\(shovel.name)' cannot count what it does not acknowledge",
                whole["ack_mode"],
                "it answers 400: Cannot specify 'no-ack' and numerical 'delete-after'",
                &findings
            )
            return nil
        }
        return .after(count)
    }

    private static func refuse(
        _ what: String,
        _ tree: Tree?,
        _ why: String,
        _ findings: inout [Finding]
    ) { findings.append(Finding("refused-shovel", what, at: tree?.place, why: why)) }
}

extension RabbitMQ {
    /// The queues of a broker from which shovels take, of this broker or of another one in the file, and those that a queue of
    /// another one draws from, each with its virtual host.
    package static func queuesCarriedAway(from broker: String, in topology: Topology) -> [(
        vhost: String, queue: String
    )] {
        var found: [(vhost: String, queue: String)] = []
        for one in topology.brokers where one.kind == vocabulary.kind {
            let version = Version(one.version) ?? .v3_10
            for definitions in definitions(of: one) {
                func isHere(_ address: RelayAddress) -> Bool {
                    address.broker ?? one.name == broker
                }
                for shovel in definitions.relays.shovels where isHere(shovel.from) {
                    guard case .queue(let queue) = shovel.source else { continue }
                    found.append((shovel.from.vhost ?? definitions.vhost, queue))
                }
                for queue in definitions.queues {
                    for upstream in definitions.upstreams(of: queue, version)
                    where isHere(upstream.address) {
                        let vhost = upstream.address.vhost ?? definitions.vhost
                        found.append((vhost, upstream.queue ?? queue.name))
                    }
                }
            }
        }
        return found
    }
}
