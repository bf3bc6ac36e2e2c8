import WarrenTopology
import WarrenTrace

/// Makes settings, policies and permissions out of the section of a broker.
struct SettingsReader {
    static let policy = Shape.record(
        QueueReader.limits + [
            Field("name", .text, "its name", required: true),
            Field("pattern", .text, "a regular expression, looked for in names", required: true),
            Field(
                "apply_to",
                .choice(Policy.Target.allCases.map(\.rawValue)),
                "what it is for; all"
            ),
            Field("priority", .text, "a whole number: the highest that matches counts; 0"),
            Field("dead_letter_exchange", .text, "where dead messages go"),
            Field("dead_letter_routing_key", .text, "under which key"),
            Field("dead_letter_strategy", .text, "how safely"),
            Field("alternate_exchange", .text, "for exchanges: where the rest goes"),
            Field("queue_mode", .choice(["default", "lazy"]), "where queues keep messages"),
            Field("federation_upstream", .text, "the upstream that what matches draws from"),
            Field("federation_upstream_set", .text, "or several of them; all for every one"),
            Field("definition", .map(.anything), "keys, word for word, such as max-length"),
        ]
    )

    /// A binding in a list of its own, for what `bind:` cannot say.
    private static let binding = Shape.record([
        Field("from", .text, "the exchange that messages come from", required: true),
        Field("queue", .text, "the queue where they go"),
        Field("exchange", .text, "or the exchange"),
        Field("key", .text, "the binding key"),
        Field(
            "match",
            .choice(["all", "any", "all-with-x", "any-with-x"]),
            "how many headers; all"
        ),
        Field("headers", .map(.anything), "the headers to match, or other arguments"),
    ])

    /// What a virtual host, or the broker's own, may say beside queues and exchanges.
    static let ofVirtualHost =
        [
            Field("bindings", .list(binding), "bindings, also to exchanges that are always there"),
            Field("policies", .list(policy), "policies"),
            Field("operator_policies", .list(policy), "operator policies"),
            Field(
                "permissions",
                .map(
                    .record([
                        Field("configure", .text, "a regular expression over names"),
                        Field("write", .text, "a regular expression over names"),
                        Field("read", .text, "a regular expression over names"),
                    ])
                ),
                "users and what they may do; everybody everything"
            ),
            Field(
                "topic_permissions",
                .list(
                    .record([
                        Field("user", .text, "the user", required: true),
                        Field("exchange", .text, "the topic exchange", required: true),
                        Field("write", .text, "a regular expression over keys"),
                        Field("read", .text, "a regular expression over keys"),
                    ])
                ),
                "which routing keys a user may use"
            ),
            Field(
                "limits",
                .record([
                    Field("max_queues", .integer(0...1_000_000), "how many queues"),
                    Field("max_connections", .integer(0...1_000_000), "how many connections"),
                ]),
                "limits of the virtual host"
            ),
        ] + RelayReader.fields

    /// What a broker may say as a whole.
    static let ofBroker = [
        Field(
            "definitions",
            .text,
            "a definitions file of RabbitMQ; what it declares joins what stands here"
        ),
        Field(
            "imported_from",
            .text,
            "the definitions file that this was made of; `warren export` keeps what it says besides"
        ),
        Field(
            "users",
            .map(.record([Field("tags", .list(.text), "such as administrator, impersonator")])),
            "users beside guest"
        ),
        Field(
            "memory",
            .record([Field("limit", .size, "above it publishers are blocked", required: true)]),
            "the memory alarm"
        ),
        Field("consumer_timeout", .duration, "how long a delivery may be held; 30m"),
        Field("max_message_size", .size, "the largest body; what the version says"),
    ]

    static func settings(_ broker: Topology.Broker) -> BrokerSettings {
        var settings = BrokerSettings()
        settings.version = Version(broker.version) ?? .v3_10
        for user in broker.tree["users"].named {
            let tags = user.value["tags"]?.elements.compactMap(\.text) ?? []
            settings.users.append(User(name: user.key, password: user.key, tags: tags))
        }
        settings.memoryLimit = broker.tree["memory"]?["limit"]?.text.flatMap(Units.size)
            .map { UInt64($0) }
        if let text = broker.tree["consumer_timeout"]?.text, let length = Units.duration(text) {
            settings.consumerTimeout = Interval(clamping: length)
        }
        settings.maxMessageSize = broker.tree["max_message_size"]?.text.flatMap(Units.size)
            .map { UInt64($0) }
        let hosts = [broker.tree] + (broker.tree["vhosts"]?.entries.map(\.value) ?? [])
        settings.hasRestrictions = hosts.contains {
            $0["permissions"] != nil || $0["topic_permissions"] != nil
        }
        return settings
    }

    /// Adds what a virtual host says beside its queues and exchanges.
    static func add(
        _ tree: Tree,
        _ version: Version?,
        to made: inout Definitions,
        _ findings: inout [Finding]
    ) {
        made.policies = policies(tree["policies"], version, isOperator: false, &findings)
        made.operatorPolicies = policies(
            tree["operator_policies"],
            version,
            isOperator: true,
            &findings
        )
        for entry in tree["permissions"].named {
            made.permissions.append(
                UserPermissions(
                    user: entry.key,
                    configure: entry.value["configure"]?.text ?? "",
                    write: entry.value["write"]?.text ?? "",
                    read: entry.value["read"]?.text ?? ""
                )
            )
        }
        for rule in tree["topic_permissions"]?.elements ?? [] {
            made.topicPermissions.append(
                TopicPermissions(
                    user: rule["user"]?.text ?? "",
                    exchange: rule["exchange"]?.text ?? "",
                    write: rule["write"]?.text ?? ".*",
                    read: rule["read"]?.text ?? ".*"
                )
            )
        }
        made.maxQueues = tree["limits"]?["max_queues"]?.text.flatMap { Int64($0) }
        made.maxConnections = tree["limits"]?["max_connections"]?.text.flatMap { Int64($0) }
        made.relays = RelayReader.read(tree, &findings)
    }

    private static let lengths = ["message_ttl", "expires"]
    private static let sizes = ["max_length_bytes"]
    private static let own = ["name", "pattern", "apply_to", "priority", "definition"]

    private static func policies(
        _ tree: Tree?,
        _ version: Version?,
        isOperator: Bool,
        _ findings: inout [Finding]
    ) -> [Policy] {
        (tree?.elements ?? []).map { policy($0, version, isOperator: isOperator, &findings) }
    }

    /// A policy; what the broker would refuse is a finding.
    static func policy(
        _ element: Tree,
        _ version: Version?,
        isOperator: Bool,
        _ findings: inout [Finding]
    ) -> Policy {
        var policy = Policy(
            name: element["name"]?.text ?? "",
            pattern: element["pattern"]?.text ?? ""
        )
        policy.target =
            element["apply_to"]?.text.flatMap { Policy.Target(rawValue: $0) } ?? .all
        policy.priority = element["priority"]?.text.flatMap { Int64($0) } ?? 0
        if let text = element["priority"]?.text, Int64(text) == nil {
            findings.append(
                Finding(
                    "wrong-type",
                    "the priority of the policy '\(policy.name)' is '\(text)'",
                    at: element["priority"]?.place,
                    label: "expected a whole number"
                )
            )
        }
        for entry in element.entries
        where !own.contains(entry.key) && !entry.key.hasPrefix("x-") {
            let key = entry.key.replacing("_", with: "-")
            policy.definition.append(FieldValue.Field(key, value(entry)))
        }
        for entry in element["definition"]?.entries ?? [] {
            policy.definition.append(FieldValue.Field(entry.key, FieldValue(entry.value)))
        }
        if let fault = policy.fault(isOperator: isOperator, version: version) {
            findings.append(
                Finding(
                    "refused-policy",
                    "RabbitMQ refuses the policy '\(policy.name)'",
                    at: element.place,
                    why: "it answers 400: \(fault)"
                )
            )
        }
        return policy
    }

    private static func value(_ entry: Tree.Entry) -> FieldValue {
        let text = entry.value.text ?? ""
        if lengths.contains(entry.key), let length = Units.duration(text) {
            return .int(Int64(length / 1e6))
        }
        if sizes.contains(entry.key), let size = Units.size(text) { return .int(Int64(size)) }
        return FieldValue(entry.value)
    }
}
