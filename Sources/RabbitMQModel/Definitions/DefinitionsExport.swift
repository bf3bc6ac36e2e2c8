import WarrenTrace
import WarrenTopology

/// Writes definitions files.
///
/// An object that a topology was imported with and that is the same still is written as it stood, in its place: its
/// numbers, its order, its unknown keys. What the topology has no words for is kept. The rest is written as a broker
/// writes it.
package struct DefinitionsExport {
    private let set: DefinitionSet
    private let base: DefinitionSet?
    /// What the definitions file has, by virtual host and name.
    private let queues: Set<String>
    private let exchanges: Set<String>

    /// What is to be written, and the definitions file that it was made of.
    package init(_ set: DefinitionSet, base: DefinitionSet?) {
        self.set = set
        self.base = base
        queues = Set((base?.queues ?? []).map { "\($0.vhost ?? "")\u{0}\($0.value.name)" })
        exchanges = Set((base?.exchanges ?? []).map { "\($0.vhost ?? "")\u{0}\($0.value.name)" })
    }

    /// The lists of the file, in the order in which a broker writes them.
    private static let order = [
        "users", "vhosts", "permissions", "topic_permissions", "parameters", "global_parameters",
        "policies", "queues",
        "exchanges", "bindings",
    ]

    /// The text of the file.
    package func text() -> String {
        var parts: [String] = []
        let root = base?.document?.root
        var written: Set<String> = []
        for (key, value) in root?.entries ?? JSONDocument.empty.root.entries {
            let name = key.text ?? ""
            // Of a key that stands twice the last one counts.
            guard written.insert(name).inserted else { continue }
            let lines = Self.order.contains(name) && value.kind == .array ? list(name) : nil
            parts.append("  \(key.source): \(lines ?? (root?[name] ?? value).source)")
        }
        if root == nil {
            parts.append("  \"rabbit_version\": \(JSONQuoting.quoted(set.version.text + ".0"))")
        }
        for name in Self.order where !written.contains(name) {
            guard let lines = list(name), lines != "[]" || root == nil else { continue }
            parts.append("  \(JSONQuoting.quoted(name)): \(lines)")
        }
        return "{\n" + parts.joined(separator: ",\n") + "\n}\n"
    }

    private func list(_ name: String) -> String? {
        let objects: [String]
        switch name {
        case "queues":
            objects = merged(
                "queues",
                set.queues,
                base?.queues,
                key: { "\($0.vhost ?? "")\u{0}\($0.value.name)" },
                same: Self.same,
                write: queue
            )
        case "exchanges":
            objects = merged(
                "exchanges",
                set.exchanges,
                base?.exchanges,
                key: { "\($0.vhost ?? "")\u{0}\($0.value.name)" },
                same: Self.same,
                write: exchange
            )
        case "bindings":
            objects = merged(
                "bindings",
                set.bindings,
                base?.bindings,
                key: Self.identity,
                same: { _, _ in true },
                write: binding
            )
        case "policies":
            objects = merged(
                "policies",
                set.policies.filter { !$0.value.isOperator },
                base?.policies.filter { !$0.value.isOperator },
                key: { "\($0.vhost ?? "")\u{0}\($0.value.policy.name)" },
                same: Self.same,
                write: policy
            )
        case "permissions":
            objects = merged(
                "permissions",
                set.permissions,
                base?.permissions,
                key: { "\($0.vhost ?? "")\u{0}\($0.value.user)" },
                same: { $0.value == $1.value },
                write: permission
            )
        case "topic_permissions":
            objects = merged(
                "topic_permissions",
                set.topicPermissions,
                base?.topicPermissions,
                key: { "\($0.vhost ?? "")\u{0}\($0.value.user)\u{0}\($0.value.exchange)" },
                same: { $0.value == $1.value },
                write: topicPermission
            )
        case "users":
            objects = merged(
                "users",
                set.users,
                base?.users,
                key: { $0.value.name },
                same: { ($0.value.tags ?? []) == ($1.value.tags ?? []) },
                write: user
            )
        case "vhosts": objects = vhosts()
        case "parameters": objects = parameters()
        default: return nil
        }
        return objects.isEmpty
            ? "[]" : "[\n" + objects.map { "    \($0)" }.joined(separator: ",\n") + "\n  ]"
    }

    /// The objects that are there still, as they stood, and then the new ones.
    private func merged<Value>(
        _ section: String,
        _ items: [DefinitionSet.Item<Value>],
        _ old: [DefinitionSet.Item<Value>]?,
        key: (DefinitionSet.Item<Value>) -> String,
        same: (DefinitionSet.Item<Value>, DefinitionSet.Item<Value>) -> Bool,
        write: (DefinitionSet.Item<Value>) -> String
    ) -> [String] {
        guard let old, let base, let list = base.document?.root[section] else {
            return items.map(write)
        }
        var waiting: [String: [Int]] = [:]
        for (index, item) in items.enumerated() { waiting[key(item), default: []].append(index) }
        var known: [DefinitionSet.Origin: DefinitionSet.Item<Value>] = [:]
        for item in old { known[item.origin] = item }
        var used: Set<Int> = []
        var found: [String] = []
        for element in list.elements {
            // What could not be read is kept as it stands.
            guard let item = known[base.origin(element)] else {
                found.append(element.source)
                continue
            }
            let name = key(item)
            guard
                let index = waiting[name]?.first(where: { !used.contains($0) })
                    ?? waiting[name]?.first
            else {
                // What a topology cannot hold, because a broker skips it, is kept.
                if isBeyondWords(item.value, item.vhost) { found.append(element.source) }
                continue
            }
            // A second one of the same name is nothing that a topology knows.
            guard used.insert(index).inserted else {
                found.append(element.source)
                continue
            }
            found.append(
                same(items[index], item)
                    ? element.source : Weaving.weave(write(items[index]), into: element)
            )
        }
        return found
            + items.enumerated().filter { !used.contains($0.offset) }.map { write($0.element) }
    }

    /// Whether an object of a definitions file is one that a topology leaves out, because a broker does.
    private func isBeyondWords(_ value: some Sendable, _ vhost: String?) -> Bool {
        guard let vhost else { return true }
        switch value {
        case let queue as QueueDeclaration:
            return queue.name.hasPrefix("amq.") || queue.name.isEmpty
        case let exchange as ExchangeDeclaration:
            return exchange.name.hasPrefix("amq.") || exchange.name.isEmpty
        case let binding as BindingDeclaration:
            if let match = binding.arguments["x-match"],
                match.text.map({ HeadersExchange.Mode(rawValue: $0) == nil }) ?? true
            {
                return true
            }
            let ends = binding.toExchange ? exchanges : queues
            return binding.source.isEmpty || !exchanges.contains("\(vhost)\u{0}\(binding.source)")
                || !ends.contains("\(vhost)\u{0}\(binding.destination)")
        case let user as DefinitionSet.UserEntry: return user.name == "guest"
        default: return false
        }
    }

    // MARK: Sameness

    private static func sorted(_ fields: [FieldValue.Field]) -> [FieldValue.Field] {
        fields.sortedByName
    }

    private static func same(
        _ one: DefinitionSet.Item<QueueDeclaration>,
        _ other: DefinitionSet.Item<QueueDeclaration>
    ) -> Bool {
        one.value.durable == other.value.durable && one.value.autoDelete == other.value.autoDelete
            && plain(one.value.arguments) == plain(other.value.arguments)
    }

    /// The arguments without a type that says what every queue is.
    private static func plain(_ fields: [FieldValue.Field]) -> [FieldValue.Field] {
        sorted(fields.filter { $0 != FieldValue.Field("x-queue-type", .string("classic")) })
    }

    private static func same(
        _ one: DefinitionSet.Item<ExchangeDeclaration>,
        _ other: DefinitionSet.Item<ExchangeDeclaration>
    ) -> Bool {
        var (mine, theirs) = (one.value, other.value)
        mine.arguments = sorted(mine.arguments)
        theirs.arguments = sorted(theirs.arguments)
        return mine == theirs
    }

    private static func same(
        _ one: DefinitionSet.Item<DefinitionSet.PolicyEntry>,
        _ other: DefinitionSet.Item<DefinitionSet.PolicyEntry>
    ) -> Bool {
        let (mine, theirs) = (one.value.policy, other.value.policy)
        return mine.pattern == theirs.pattern && mine.priority == theirs.priority
            && one.value.target == other.value.target
            && sorted(mine.definition) == sorted(theirs.definition)
    }

    private static func identity(_ item: DefinitionSet.Item<BindingDeclaration>) -> String {
        let value = item.value
        return [
            item.vhost ?? "", value.source, value.destination, value.toExchange ? "e" : "q",
            value.key, sorted(value.arguments).json,
        ].joined(separator: "\u{0}")
    }

    // MARK: Objects

    private func named(_ fields: [(String, String)]) -> String {
        "{" + fields.map { "\(JSONQuoting.quoted($0.0)): \($0.1)" }.joined(separator: ", ") + "}"
    }

    private func vhost(_ name: String?) -> [(String, String)] {
        base?.form == .virtualHost ? [] : [("vhost", JSONQuoting.quoted(name ?? "/"))]
    }

    private func queue(_ item: DefinitionSet.Item<QueueDeclaration>) -> String {
        named(
            [("name", JSONQuoting.quoted(item.value.name))] + vhost(item.vhost) + [
                ("durable", "\(item.value.durable)"), ("auto_delete", "\(item.value.autoDelete)"),
                ("arguments", item.value.arguments.object),
            ]
        )
    }

    private func exchange(_ item: DefinitionSet.Item<ExchangeDeclaration>) -> String {
        let value = item.value
        let alternate =
            value.alternate.map { [FieldValue.Field("alternate-exchange", .string($0))] } ?? []
        return named(
            [("name", JSONQuoting.quoted(value.name))] + vhost(item.vhost) + [
                ("type", JSONQuoting.quoted(value.type)), ("durable", "\(value.durable)"),
                ("auto_delete", "\(value.autoDelete)"), ("internal", "\(value.isInternal)"),
                ("arguments", (alternate + value.arguments).object),
            ]
        )
    }

    private func binding(_ item: DefinitionSet.Item<BindingDeclaration>) -> String {
        let value = item.value
        return named(
            [("source", JSONQuoting.quoted(value.source))] + vhost(item.vhost) + [
                ("destination", JSONQuoting.quoted(value.destination)),
                ("destination_type", value.toExchange ? "\"exchange\"" : "\"queue\""),
                ("routing_key", JSONQuoting.quoted(value.key)),
                ("arguments", value.arguments.object),
            ]
        )
    }

    private func policy(_ item: DefinitionSet.Item<DefinitionSet.PolicyEntry>) -> String {
        named(
            vhost(item.vhost) + [("name", JSONQuoting.quoted(item.value.policy.name))]
                + rule(item.value)
        )
    }

    private func rule(_ entry: DefinitionSet.PolicyEntry) -> [(String, String)] {
        [
            ("pattern", JSONQuoting.quoted(entry.policy.pattern)),
            ("apply-to", JSONQuoting.quoted(entry.target)),
            ("definition", entry.policy.definition.object),
            ("priority", "\(entry.policy.priority)"),
        ]
    }

    private func permission(_ item: DefinitionSet.Item<UserPermissions>) -> String {
        named(
            [("user", JSONQuoting.quoted(item.value.user))] + vhost(item.vhost) + [
                ("configure", JSONQuoting.quoted(item.value.configure)),
                ("write", JSONQuoting.quoted(item.value.write)),
                ("read", JSONQuoting.quoted(item.value.read)),
            ]
        )
    }

    private func topicPermission(_ item: DefinitionSet.Item<TopicPermissions>) -> String {
        named(
            [("user", JSONQuoting.quoted(item.value.user))] + vhost(item.vhost) + [
                ("exchange", JSONQuoting.quoted(item.value.exchange)),
                ("write", JSONQuoting.quoted(item.value.write)),
                ("read", JSONQuoting.quoted(item.value.read)),
            ]
        )
    }

    /// A user without a password: RabbitMQ gives one that nobody knows.
    private func user(_ item: DefinitionSet.Item<DefinitionSet.UserEntry>) -> String {
        let tags = (item.value.tags ?? []).map { JSONQuoting.quoted($0) }.joined(separator: ", ")
        return named([("name", JSONQuoting.quoted(item.value.name)), ("tags", "[\(tags)]")])
    }

    private func vhosts() -> [String] {
        var found: [String] = []
        var written: Set<String> = []
        let wanted =
            set.form == .topology
            ? ["/"] + set.vhosts.map(\.value.name) : set.vhosts.map(\.value.name)
        for item in base?.vhosts ?? [] where wanted.contains(item.value.name) {
            written.insert(item.value.name)
            if let json = base?.json(item.origin) { found.append(json.source) }
        }
        // What is always there, or was there before without a word, needs none.
        let spoken = Set(
            (base?.queues.compactMap(\.vhost) ?? []) + (base?.exchanges.compactMap(\.vhost) ?? [])
                + (base?.permissions.compactMap(\.vhost) ?? [])
                + (base?.policies.compactMap(\.vhost) ?? [])
                + (base?.parameters.compactMap(\.vhost) ?? [])
                + (base?.topicPermissions.compactMap(\.vhost) ?? [])
        )
        for name in wanted
        where !written.contains(name) && !spoken.contains(name) && !(name == "/" && base != nil) {
            found.append(named([("name", JSONQuoting.quoted(name))]))
        }
        return found
    }

    /// Parameters as they stood; limits and operator policies as they are now.
    private func parameters() -> [String] {
        var found: [String] = []
        var operators = set.policies.filter(\.value.isOperator)
        var limits = set.parameters.filter { $0.value.component == "vhost-limits" }
        for element in base?.document?.root["parameters"]?.elements.map({ $0 }) ?? [] {
            let name = element["name"]?.text
            let host = element["vhost"]?.text ?? (base?.form == .virtualHost ? "/" : nil)
            switch element["component"]?.text {
            case "operator_policy"?:
                guard
                    let index = operators.firstIndex(where: {
                        $0.vhost == host && $0.value.policy.name == name
                    })
                else { continue }
                let now = operators.remove(at: index)
                let before = base?.policies.first {
                    $0.vhost == host && $0.value.isOperator && $0.value.policy.name == name
                }
                found.append(
                    before.map { Self.same(now, $0) } ?? false
                        ? element.source : operatorPolicy(now)
                )
            case "vhost-limits"?:
                let now = limits.firstIndex { $0.vhost == host }.map { limits.remove(at: $0) }
                guard let now else {
                    // A limit that is none has no word in a topology.
                    if base.map({ !Self.hasLimits($0, host) }) ?? false {
                        found.append(element.source)
                    }
                    continue
                }
                let isSame =
                    base?.parameters.contains {
                        $0.vhost == host && $0.value.component == "vhost-limits"
                            && Self.limits($0.value.value) == Self.limits(now.value.value)
                    } ?? false
                found.append(isSame ? element.source : limit(now))
            default: found.append(element.source)
            }
        }
        return found + operators.map(operatorPolicy) + limits.map(limit) + relays
    }

    /// Upstreams and shovels that the old file does not have; those that it has stay as they stand there.
    private var relays: [String] {
        let kinds = ["federation-upstream", "federation-upstream-set", "shovel"]
        let known = base?.parameters ?? []
        let new = set.parameters.filter { item in
            guard kinds.contains(item.value.component) else { return false }
            return !known.contains {
                $0.vhost == item.vhost && $0.value.component == item.value.component
                    && $0.value.name == item.value.name
            }
        }
        return new.map { item in
            named(
                vhost(item.vhost) + [
                    ("component", JSONQuoting.quoted(item.value.component)),
                    ("name", JSONQuoting.quoted(item.value.name)),
                    ("value", item.value.value.definition),
                ]
            )
        }
    }

    private static func limits(_ value: FieldValue) -> [FieldValue.Field] {
        guard case .table(let fields) = value else { return [] }
        return sorted(
            fields.filter { $0.value.number.map { (0...1_000_000).contains($0) } ?? false }
        )
    }

    private static func hasLimits(_ set: DefinitionSet, _ host: String?) -> Bool {
        set.parameters.contains {
            $0.vhost == host && $0.value.component == "vhost-limits"
                && !limits($0.value.value).isEmpty
        }
    }

    private func operatorPolicy(_ item: DefinitionSet.Item<DefinitionSet.PolicyEntry>) -> String {
        named(
            vhost(item.vhost) + [
                ("component", "\"operator_policy\""),
                ("name", JSONQuoting.quoted(item.value.policy.name)),
                ("value", named(rule(item.value))),
            ]
        )
    }

    private func limit(_ item: DefinitionSet.Item<DefinitionSet.Parameter>) -> String {
        named(
            vhost(item.vhost) + [
                ("component", "\"vhost-limits\""), ("name", "\"limits\""),
                ("value", Self.limits(item.value.value).object),
            ]
        )
    }
}

extension [FieldValue.Field] {
    /// A JSON object as a definitions file has it.
    var object: String {
        "{"
            + map { "\(JSONQuoting.quoted($0.name)): \($0.value.definition)" }.joined(
                separator: ", "
            ) + "}"
    }
}

extension FieldValue {
    /// The value as a definitions file has it.
    fileprivate var definition: String {
        switch self {
        case .void: "null"
        case .bool(let flag): "\(flag)"
        case .integer(let number, _): "\(number)"
        case .float(let number): "\(number)"
        case .double(let number): "\(number)"
        case .decimal(let scale, let number):
            "\(Double(number) / (0..<scale).reduce(1.0) { product, _ in product * 10 })"
        case .timestamp(let seconds): "\(seconds)"
        case .string(let text): JSONQuoting.quoted(text)
        case .bytes(let bytes): JSONQuoting.quoted(String(decoding: bytes, as: UTF8.self))
        case .array(let values): "[" + values.map(\.definition).joined(separator: ", ") + "]"
        case .table(let fields): fields.object
        }
    }
}
