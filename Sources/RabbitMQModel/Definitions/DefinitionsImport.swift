package import WarrenTopology

/// Says in the words of a topology what a definitions file declares.
///
/// What a broker would skip is left out with a warning. What a topology has no words for (who may log in with what, and
/// the parameters of plug-ins) stays in the file, which ``DefinitionsExport`` reads again.
package struct DefinitionsImport {
    private let set: DefinitionSet
    private let hosts: [String]
    /// What was left out, and why.
    package private(set) var findings: [Finding] = []
    private let queues: Set<Name>
    private let exchanges: Set<Name>

    private struct Name: Hashable {
        var vhost: String
        var name: String
    }

    /// What is in each virtual host, in file order.
    private let exchangesOf: [String?: [DefinitionSet.Item<ExchangeDeclaration>]]
    private let queuesOf: [String?: [DefinitionSet.Item<QueueDeclaration>]]
    private let bindingsOf: [String?: [DefinitionSet.Item<BindingDeclaration>]]

    package init(_ set: DefinitionSet) {
        self.set = set
        var hosts: [String] = []
        var seen: Set<String> = []
        let named =
            set.queues.compactMap(\.vhost) + set.exchanges.compactMap(\.vhost)
            + set.policies.compactMap(\.vhost) + set.permissions.compactMap(\.vhost)
            + set.topicPermissions.compactMap(\.vhost) + set.parameters.compactMap(\.vhost)
        for name in ["/"] + set.vhosts.map(\.value.name) + named
        where seen.insert(name).inserted {
            hosts.append(name)
        }
        self.hosts = hosts
        exchangesOf = Dictionary(grouping: set.exchanges, by: \.vhost)
        queuesOf = Dictionary(grouping: set.queues, by: \.vhost)
        bindingsOf = Dictionary(grouping: set.bindings, by: \.vhost)
        queues = Set(
            set.queues.compactMap { item in
                item.vhost.map { Name(vhost: $0, name: item.value.name) }
            }
        )
        exchanges = Set(
            set.exchanges.compactMap { item in
                item.vhost.map { Name(vhost: $0, name: item.value.name) }
            }
        )
    }

    // MARK: The broker

    /// The section of the broker.
    ///
    /// `reference`: the path of the definitions file as the topology is to name it; nil if it is not to.
    package mutating func section(reference: String?) -> Tree {
        var map = MapBuilder(.start(of: set.document?.number ?? 0))
        map.add("kind", word("rabbitmq"))
        map.add("version", text(set.version.text))
        if let reference { map.add("imported_from", text(reference)) }
        let users = set.users.filter { $0.value.name != "guest" }
        if !users.isEmpty {
            map.add(
                "users",
                named(users) {
                    $0.value.name
                } value: { item in
                    Self.map([("tags", Self.list((item.value.tags ?? []).map { text($0) }))])
                }
            )
        }
        add("/", to: &map)
        var others = MapBuilder(map.place)
        for vhost in hosts where vhost != "/" {
            var inside = MapBuilder(map.place)
            add(vhost, to: &inside)
            others.add(Self.key(vhost), inside.tree)
        }
        if !others.isEmpty { map.add("vhosts", others.tree) }
        return map.tree
    }

    private mutating func add(_ vhost: String, to map: inout MapBuilder) {
        var lists = bindings(in: vhost)
        let exchanges = first(exchangesOf[vhost] ?? []) { $0.value.name }
        let queues = first(queuesOf[vhost] ?? []) { $0.value.name }
        var made = MapBuilder(map.place)
        for item in exchanges where keeps(item.value.name, "exchange", item.origin) {
            made.add(
                Self.key(item.value.name),
                exchange(item, lists.toExchange.removeValue(forKey: item.value.name)),
                at: set.place(item.origin)
            )
        }
        if !made.isEmpty { map.add("exchanges", made.tree) }
        made = MapBuilder(map.place)
        for item in queues where keeps(item.value.name, "queue", item.origin) {
            made.add(
                Self.key(item.value.name),
                queue(item, lists.toQueue.removeValue(forKey: item.value.name)),
                at: set.place(item.origin)
            )
        }
        if !made.isEmpty { map.add("queues", made.tree) }
        if !lists.rest.isEmpty { map.add("bindings", Self.list(lists.rest)) }
        for (word, isOperator) in [("policies", false), ("operator_policies", true)] {
            let rules = set.policies.filter {
                $0.vhost == vhost && $0.value.isOperator == isOperator
            }
            if !rules.isEmpty { map.add(word, Self.list(rules.map { policy($0) })) }
        }
        let permissions = first(set.permissions.filter { $0.vhost == vhost }) { $0.value.user }
        if !permissions.isEmpty {
            map.add(
                "permissions",
                named(permissions) {
                    $0.value.user
                } value: {
                    Self.map([
                        ("configure", text($0.value.configure)), ("write", text($0.value.write)),
                        ("read", text($0.value.read)),
                    ])
                }
            )
        }
        let topics = set.topicPermissions.filter { $0.vhost == vhost }
        if !topics.isEmpty {
            map.add(
                "topic_permissions",
                Self.list(
                    topics.map {
                        Self.map([
                            ("user", text($0.value.user)), ("exchange", text($0.value.exchange)),
                            ("write", text($0.value.write)), ("read", text($0.value.read)),
                        ])
                    }
                )
            )
        }
        addLimits(vhost, to: &map)
        let relays = RelayImport(
            set.parameters.filter { $0.vhost == vhost },
            map.place,
            tree: Self.tree
        )
        for (item, why) in relays.add(to: &map, at: { set.place($0) }) {
            skip("the \(item.value.component) '\(item.value.name)' is left out", item.origin, why)
        }
    }

    private mutating func skip(_ what: String, _ origin: DefinitionSet.Origin, _ why: String) {
        findings.append(
            Finding("skipped", what, at: set.place(origin), why: why, severity: .warning)
        )
    }

    private func addLimits(_ vhost: String, to map: inout MapBuilder) {
        var limits = MapBuilder(map.place)
        for item in set.parameters
        where item.vhost == vhost && item.value.component == "vhost-limits" {
            guard case .table(let fields) = item.value.value else { continue }
            for (key, word) in [
                ("max-queues", "max_queues"), ("max-connections", "max_connections"),
            ] {
                // Less than nothing stands for no limit.
                if let number = fields[key]?.number, (0...1_000_000).contains(number) {
                    limits.add(word, Self.plain("\(number)"))
                }
            }
        }
        if !limits.isEmpty { map.add("limits", limits.tree) }
    }

    // MARK: Objects

    /// Whether an object can be declared; what the import skips is said.
    private mutating func keeps(_ name: String, _ what: String, _ origin: DefinitionSet.Origin)
        -> Bool
    {
        guard name.hasPrefix("amq.") || name.isEmpty else { return true }
        if what == "exchange",
            name.isEmpty
                || ["amq.direct", "amq.fanout", "amq.topic", "amq.headers", "amq.match"].contains(
                    name
                )
        {
            return false
        }
        skip("the \(what) '\(name)' has a reserved name", origin)
        return false
    }

    private mutating func skip(_ sentence: String, _ origin: DefinitionSet.Origin) {
        var finding = Finding(
            "skipped",
            sentence,
            at: set.place(origin),
            why: "RabbitMQ skips it in silence when it imports the file, and so does Warren, aloud",
            severity: .warning
        )
        finding.outcome = .skipped
        findings.append(finding)
    }

    private func exchange(
        _ item: DefinitionSet.Item<ExchangeDeclaration>,
        _ bindings: [Tree]?
    ) -> Tree {
        let value = item.value
        var map = MapBuilder(set.place(item.origin) ?? place)
        if value.type != "direct" { map.add("type", text(value.type)) }
        if !value.durable { map.add("durable", word("false")) }
        if value.autoDelete { map.add("auto_delete", word("true")) }
        if value.isInternal { map.add("internal", word("true")) }
        if let alternate = value.alternate { map.add("alternate", text(alternate)) }
        if !value.arguments.isEmpty { map.add("arguments", fields(value.arguments)) }
        addBindings(bindings, to: &map)
        return map.tree
    }

    private func queue(_ item: DefinitionSet.Item<QueueDeclaration>, _ bindings: [Tree]?) -> Tree {
        let value = item.value
        var map = MapBuilder(set.place(item.origin) ?? place)
        var rest = value.arguments
        if !value.durable { map.add("durable", word("false")) }
        if value.autoDelete { map.add("auto_delete", word("true")) }
        for (argument, word) in QueueReader.exactWords {
            guard let index = rest.firstIndex(where: { $0.name == argument }),
                rest.filter({ $0.name == argument }).count == 1,
                let said = spoken(rest[index], word)
            else { continue }
            rest.remove(at: index)
            map.add(word, said, at: set.place(item.origin, argument: argument))
        }
        if let exchange = rest["x-dead-letter-exchange"]?.text {
            var letter = MapBuilder(place)
            letter.add(
                "exchange",
                text(exchange),
                at: set.place(item.origin, argument: "x-dead-letter-exchange")
            )
            rest.removeAll { $0.name == "x-dead-letter-exchange" }
            if let key = rest["x-dead-letter-routing-key"]?.text {
                letter.add(
                    "key",
                    text(key),
                    at: set.place(item.origin, argument: "x-dead-letter-routing-key")
                )
                rest.removeAll { $0.name == "x-dead-letter-routing-key" }
            }
            map.add("dead_letter", letter.tree)
        }
        if !rest.isEmpty {
            var arguments = MapBuilder(place)
            for field in rest {
                arguments.add(
                    field.name,
                    Self.tree(field.value),
                    at: set.place(item.origin, argument: field.name)
                )
            }
            map.add("arguments", arguments.tree)
        }
        addBindings(bindings, to: &map)
        return map.tree
    }

    /// An argument in the word that a topology has for it, if that says exactly the same.
    private func spoken(_ field: FieldValue.Field, _ word: String) -> Tree? {
        switch (word, field.value) {
        case ("message_ttl", .integer(let number, _)), ("expires", .integer(let number, _)):
            (0...315_360_000_000).contains(number) ? Self.plain(Self.time(number)) : nil
        case ("max_length_bytes", .integer(let number, _)):
            (0...1_000_000_000_000).contains(number) ? Self.plain("\(number)B") : nil
        case ("max_length", .integer(let number, _)), ("delivery_limit", .integer(let number, _)):
            (0...4_000_000_000).contains(number) ? Self.plain("\(number)") : nil
        case ("max_priority", .integer(let number, _)):
            (0...255).contains(number) ? Self.plain("\(number)") : nil
        case ("single_active_consumer", .bool(let flag)): Self.plain("\(flag)")
        case ("type", .string(let kind)): kind == "quorum" || kind == "stream" ? text(kind) : nil
        case ("overflow", .string(let kind)):
            ["drop-head", "reject-publish", "reject-publish-dlx"].contains(kind) ? text(kind) : nil
        case ("max_age", .string(let age)): text(age)
        default: nil
        }
    }

    private static func time(_ milliseconds: Int64) -> String {
        for (unit, size) in [
            ("d", 86_400_000 as Int64), ("h", 3_600_000), ("m", 60_000), ("s", 1000),
        ]
        where milliseconds >= size && milliseconds.isMultiple(of: size) {
            return "\(milliseconds / size)\(unit)"
        }
        return "\(milliseconds)ms"
    }

    private func policy(_ item: DefinitionSet.Item<DefinitionSet.PolicyEntry>) -> Tree {
        let policy = item.value.policy
        var map = MapBuilder(set.place(item.origin) ?? place)
        map.add("name", text(policy.name), at: set.place(item.origin))
        map.add("pattern", text(policy.pattern))
        if item.value.target != "all" { map.add("apply_to", text(item.value.target)) }
        if policy.priority != 0 { map.add("priority", Self.plain("\(policy.priority)")) }
        map.add("definition", fields(policy.definition))
        return map.tree
    }

    // MARK: Bindings

    private struct Lists {
        var toQueue: [String: [Tree]] = [:]
        var toExchange: [String: [Tree]] = [:]
        /// Those whose destination is always there, so that nothing in the file can say `bind:`.
        var rest: [Tree] = []
    }

    private mutating func bindings(in vhost: String) -> Lists {
        var lists = Lists()
        for item in bindingsOf[vhost] ?? [] {
            let value = item.value
            guard !value.source.isEmpty, has(value.source, vhost) else {
                // Every queue is bound to the default exchange by its name.
                if !value.source.isEmpty {
                    skip(
                        "a binding to '\(value.destination)' comes from '\(value.source)', which is not there",
                        item.origin
                    )
                }
                continue
            }
            let isThere =
                value.toExchange
                ? has(value.destination, vhost)
                : queues.contains(Name(vhost: vhost, name: value.destination))
                    && !value.destination.hasPrefix("amq.")
            guard isThere else {
                skip(
                    "a binding from '\(value.source)' leads to '\(value.destination)', which is not there",
                    item.origin
                )
                continue
            }
            if let match = value.arguments["x-match"],
                match.text.map({ HeadersExchange.Mode(rawValue: $0) == nil }) ?? true
            {
                skip(
                    "a binding from '\(value.source)' has an x-match that nobody knows",
                    item.origin
                )
                continue
            }
            var map = MapBuilder(set.place(item.origin) ?? place)
            if value.toExchange, value.destination.hasPrefix("amq.") {
                map.add("from", text(value.source))
                map.add("exchange", text(value.destination))
                map.add("key", text(value.key))
                addArguments(value.arguments, to: &map)
                lists.rest.append(map.tree)
                continue
            }
            map.add("\u{0}source", text(value.source))
            map.add("key", text(value.key), at: set.place(item.origin, "routing_key"))
            addArguments(value.arguments, to: &map)
            if value.toExchange {
                lists.toExchange[value.destination, default: []].append(map.tree)
            } else {
                lists.toQueue[value.destination, default: []].append(map.tree)
            }
        }
        return lists
    }

    private func has(_ exchange: String, _ vhost: String) -> Bool {
        exchanges.contains(Name(vhost: vhost, name: exchange)) && !exchange.hasPrefix("amq.")
            || ["amq.direct", "amq.fanout", "amq.topic", "amq.headers", "amq.match"].contains(
                exchange
            )
    }

    private func addArguments(_ arguments: [FieldValue.Field], to map: inout MapBuilder) {
        if let match = arguments["x-match"] { map.add("match", Self.tree(match)) }
        let headers = arguments.filter { $0.name != "x-match" }
        if !headers.isEmpty { map.add("headers", fields(headers)) }
    }

    /// The bindings of a destination by their sources; a binding that is but a key stands as that.
    private func addBindings(_ bindings: [Tree]?, to map: inout MapBuilder) {
        guard let bindings else { return }
        var order: [String] = []
        var lists: [String: [Tree]] = [:]
        for binding in bindings {
            let source = binding["\u{0}source"]?.text ?? ""
            if lists[source] == nil { order.append(source) }
            let rest = binding.entries.dropFirst()
            let isKey = rest.count == 1
            lists[source, default: []].append(
                isKey
                    ? rest.first?.value ?? binding
                    : Tree(content: .map(Array(rest)), place: binding.place)
            )
        }
        var made = MapBuilder(map.place)
        for source in order { made.add(Self.key(source), Self.list(lists[source] ?? [])) }
        map.add("bind", made.tree)
    }

    // MARK: Trees

    private var place: Place { .start(of: set.document?.number ?? 0) }

    private func first<Value>(
        _ items: [DefinitionSet.Item<Value>],
        by name: (DefinitionSet.Item<Value>) -> String
    ) -> [DefinitionSet.Item<Value>] {
        var seen: Set<String> = []
        return items.filter { seen.insert(name($0)).inserted }
    }

    private func named<Value>(
        _ items: [DefinitionSet.Item<Value>],
        by name: (DefinitionSet.Item<Value>) -> String,
        value: (DefinitionSet.Item<Value>) -> Tree
    ) -> Tree {
        var map = MapBuilder(place)
        for item in first(items, by: name) {
            map.add(Self.key(name(item)), value(item), at: set.place(item.origin))
        }
        return map.tree
    }

    private func fields(_ fields: [FieldValue.Field]) -> Tree {
        var map = MapBuilder(place)
        for field in fields { map.add(field.name, Self.tree(field.value)) }
        return map.tree
    }

    private static func key(_ name: String) -> String { name.hasPrefix("x-") ? "\\" + name : name }

    private func word(_ text: String) -> Tree { Self.plain(text) }
    private func text(_ text: String) -> Tree { .quoted(text, at: place) }
    private static func plain(_ text: String) -> Tree { .plain(text) }
    private static func list(_ elements: [Tree]) -> Tree {
        .list(elements, at: elements.first?.place ?? .start(of: 0))
    }
    private static func map(_ entries: [(String, Tree)]) -> Tree {
        var map = MapBuilder(entries.first?.1.place ?? .start(of: 0))
        for (key, value) in entries { map.add(key, value) }
        return map.tree
    }

    /// A value as a topology writes it.
    static func tree(_ value: FieldValue) -> Tree {
        func text(_ text: String) -> Tree { .quoted(text) }
        switch value {
        case .void: return plain("null")
        case .bool(let flag): return plain("\(flag)")
        case .integer(let number, _): return plain("\(number)")
        case .float(let number): return map([("!float", plain("\(number)"))])
        case .double(let number):
            let written = "\(number)"
            return written.contains("e") || !written.contains(".")
                ? map([("!double", plain(written))]) : plain(written)
        case .decimal(let scale, let number):
            let digits = "\(number)"
            let padded =
                String(repeating: "0", count: max(0, Int(scale) + 1 - digits.count)) + digits
            return map([
                ("!decimal", text(padded.dropLast(Int(scale)) + "." + padded.suffix(Int(scale))))
            ])
        case .timestamp(let seconds): return map([("!timestamp", plain("\(seconds)"))])
        case .string(let string): return text(string)
        case .bytes(let bytes):
            return map([("!binary", text(String(decoding: bytes, as: UTF8.self)))])
        case .array(let values): return list(values.map { tree($0) })
        case .table(let fields): return map(fields.map { ($0.name, tree($0.value)) })
        }
    }
}
