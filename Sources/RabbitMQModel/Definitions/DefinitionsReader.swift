import WarrenTopology

/// Makes declarations out of the section of a broker.
struct DefinitionsReader {
    private let broker: Topology.Broker

    init(_ broker: Topology.Broker) { self.broker = broker }

    /// The definitions of each virtual host, `/` first.
    func read(_ findings: inout [Finding]) -> [Definitions] {
        var all = [definitions("/", broker.tree, &findings)]
        for entry in broker.tree["vhosts"].named {
            all.append(definitions(entry.key, entry.value, &findings))
        }
        return all
    }

    private static let predeclared = [
        "", "amq.direct", "amq.fanout", "amq.topic", "amq.headers", "amq.match",
    ]

    private func definitions(_ vhost: String, _ tree: Tree, _ findings: inout [Finding])
        -> Definitions
    {
        var made = Definitions()
        made.vhost = vhost
        let exchanges = tree["exchanges"].named
        let queues = tree["queues"].named
        let known = Known(exchanges.map(\.key) + Self.predeclared.dropFirst())
        for entry in exchanges { made.exchanges.append(exchange(entry, known, &findings)) }
        for entry in queues {
            made.queues.append(queue(entry, vhost, known, &findings))
            let node = entry.value["node"]?.text
            made.homes[entry.key] = node.flatMap { broker.nodes.firstIndex(of: $0) }
        }
        for (entries, toExchange) in [(exchanges, true), (queues, false)] {
            for entry in entries {
                for (binding, place) in bindings(entry, toExchange, known, &findings) {
                    made.bindings.append(binding)
                    made.bindingPlaces.append(place)
                }
            }
        }
        addBindings(tree["bindings"], Known(queues.map(\.key)), known, to: &made, &findings)
        SettingsReader.add(tree, Version(broker.version), to: &made, &findings)
        return made
    }

    /// Names that something may refer to.
    private struct Known {
        let names: [String]
        private let set: Set<String>

        init(_ names: [String]) {
            self.names = names
            set = Set(names)
        }

        func contains(_ name: String) -> Bool { set.contains(name) }

        /// Did-you-mean, unless there are so many that a near one says nothing.
        func hint(_ name: String) -> String {
            names.count > 500 ? "" : DidYouMean.hint(name, in: names)
        }
    }

    private func flag(_ tree: Tree, _ key: String, _ fallback: Bool) -> Bool {
        tree[key]?.text.map { $0 == "true" } ?? fallback
    }

    private func exchange(_ entry: Tree.Entry, _ known: Known, _ findings: inout [Finding])
        -> ExchangeDeclaration
    {
        var made = ExchangeDeclaration(
            name: entry.key,
            type: entry.value["type"]?.text ?? "direct"
        )
        reserve(entry, "exchange", &findings)
        made.durable = flag(entry.value, "durable", true)
        made.autoDelete = flag(entry.value, "auto_delete", false)
        made.isInternal = flag(entry.value, "internal", false)
        made.alternate = entry.value["alternate"]?.text
        for (word, argument) in [
            ("hash_header", "hash-header"), ("hash_property", "hash-property"),
        ] {
            if let text = entry.value[word]?.text {
                made.arguments.append(FieldValue.Field(argument, .string(text)))
            }
        }
        if let alternate = entry.value["alternate"] {
            warn(alternate, known, "alternate", &findings)
        }
        Self.addArguments(entry.value, to: &made)
        return made
    }

    /// What an exchange says word for word.
    static func addArguments(_ tree: Tree, to made: inout ExchangeDeclaration) {
        for argument in tree["arguments"]?.entries ?? [] {
            if argument.key == "alternate-exchange" {
                made.alternate = argument.value.text
            } else {
                made.arguments.append(FieldValue.Field(argument.key, FieldValue(argument.value)))
            }
        }
    }

    private func reserve(_ entry: Tree.Entry, _ what: String, _ findings: inout [Finding]) {
        if entry.key.utf8.count > 255 {
            findings.append(
                Finding(
                    "long-name",
                    "the \(what) '\(entry.key.prefix(20))…' has a name of \(entry.key.utf8.count) bytes",
                    at: entry.place,
                    why: "a name takes at most 255 bytes on the wire (RMQ-DECL-22)",
                    remedy: "choose a shorter name"
                )
            )
        }
        guard entry.key.hasPrefix("amq.") || entry.key.isEmpty else { return }
        findings.append(
            Finding(
                "reserved-name",
                "the \(what) '\(entry.key)' has a name that RabbitMQ keeps for itself",
                at: entry.place,
                why: "the broker answers 403 ACCESS_REFUSED: names beginning 'amq.' are reserved",
                remedy: "choose another name"
            )
        )
    }

    /// The broker accepts an exchange that is missing and drops what should go there.
    private func warn(_ tree: Tree, _ known: Known, _ what: String, _ findings: inout [Finding]) {
        guard let name = tree.text, !known.contains(name) else { return }
        findings.append(
            Finding(
                "missing-exchange",
                "the \(what) exchange '\(name)' does not exist",
                at: tree.place,
                label: known.hint(name),
                why: "RabbitMQ accepts this and drops every message that should go there",
                severity: .warning
            )
        )
    }

    private func queue(
        _ entry: Tree.Entry,
        _ vhost: String,
        _ known: Known,
        _ findings: inout [Finding]
    ) -> QueueDeclaration {
        reserve(entry, "queue", &findings)
        let tree = entry.value
        if flag(tree, "exclusive", false) {
            findings.append(
                Finding(
                    "exclusive-without-owner",
                    "the queue '\(entry.key)' is exclusive and no connection declares it",
                    at: tree["exclusive"]?.place,
                    why:
                        "an exclusive queue belongs to the connection that declares it and goes with it",
                    remedy: "leave it out here: callers with `replies: exclusive` declare their own"
                )
            )
        }
        let letter =
            tree["dead_letter"]?["exchange"] ?? tree["arguments"]?["x-dead-letter-exchange"]
        if let letter, letter.text != "" { warn(letter, known, "dead-letter", &findings) }
        checkPlace(entry, &findings)
        return QueueReader(vhost: vhost, version: Version(broker.version) ?? .v3_10).read(
            entry,
            &findings
        )
    }

    /// Where a queue is to live, and whether it can.
    private func checkPlace(_ entry: Tree.Entry, _ findings: inout [Finding]) {
        if let node = entry.value["node"], let name = node.text, !broker.nodes.contains(name) {
            findings.append(
                Finding(
                    "unknown-name",
                    "'\(broker.name)' has no node '\(name)' for the queue '\(entry.key)'",
                    at: node.place,
                    label: DidYouMean.hint(name, in: broker.nodes)
                )
            )
        }
    }

    /// The bindings that stand in a list of their own.
    private func addBindings(
        _ list: Tree?,
        _ queues: Known,
        _ exchanges: Known,
        to made: inout Definitions,
        _ findings: inout [Finding]
    ) {
        for element in list?.elements ?? [] {
            let toExchange = element["exchange"] != nil
            guard let source = element["from"],
                let target = element["queue"] ?? element["exchange"],
                element["queue"] == nil || !toExchange
            else {
                findings.append(
                    Finding(
                        "missing-key",
                        "a binding needs `from:`, and either `queue:` or `exchange:`",
                        at: element.place
                    )
                )
                continue
            }
            var isWhole = true
            for (end, known) in [(source, exchanges), (target, toExchange ? exchanges : queues)] {
                guard let name = end.text, !known.contains(name) else { continue }
                isWhole = false
                findings.append(
                    Finding(
                        "unknown-name",
                        "a binding names '\(name)', and there is none",
                        at: end.place,
                        label: known.hint(name)
                    )
                )
            }
            guard isWhole else { continue }
            var binding = BindingDeclaration(
                source: source.text ?? "",
                destination: target.text ?? "",
                key: element["key"]?.text ?? ""
            )
            binding.toExchange = toExchange
            binding.arguments = Self.arguments(element)
            made.bindings.append(binding)
            made.bindingPlaces.append(
                Tree.Entry(key: binding.source, place: element.place, value: element)
            )
        }
    }

    /// What a binding compares.
    private static func arguments(_ element: Tree) -> [FieldValue.Field] {
        var made: [FieldValue.Field] = []
        if let match = element["match"]?.text {
            made.append(FieldValue.Field("x-match", .string(match)))
        }
        made += (element["headers"]?.entries ?? []).map {
            FieldValue.Field($0.key, FieldValue($0.value))
        }
        return made
    }

    private func bindings(
        _ entry: Tree.Entry,
        _ toExchange: Bool,
        _ known: Known,
        _ findings: inout [Finding]
    ) -> [(BindingDeclaration, Tree.Entry)] {
        var made: [(BindingDeclaration, Tree.Entry)] = []
        for source in entry.value["bind"].named {
            guard known.contains(source.key) else {
                findings.append(
                    Finding(
                        "unknown-name",
                        "'\(entry.key)' is bound to the exchange '\(source.key)', and there is none",
                        at: source.place,
                        label: known.hint(source.key)
                    )
                )
                continue
            }
            made += Self.bindings(from: source, to: entry.key).map { binding, element in
                var binding = binding
                binding.toExchange = toExchange
                return (binding, element)
            }
        }
        return made
    }

    /// The bindings from one exchange under `bind:`.
    static func bindings(
        from source: Tree.Entry,
        to destination: String
    ) -> [(BindingDeclaration, Tree.Entry)] {
        let elements = source.value.isNothing ? [source.value] : source.value.elements
        return (elements.isEmpty ? [source.value] : elements).map { element in
            var binding = BindingDeclaration(
                source: source.key,
                destination: destination,
                key: element.isNothing ? "" : element.text ?? element["key"]?.text ?? ""
            )
            binding.arguments = Self.arguments(element)
            return (binding, Tree.Entry(key: source.key, place: element.place, value: element))
        }
    }
}

extension Tree? {
    /// The entries of a map of names: notes are left out, and a backslash in front of a name such as `x-jobs` says that
    /// it is none.
    var named: [Tree.Entry] {
        (self?.entries ?? []).compactMap { entry in
            guard !entry.key.hasPrefix("x-") else { return nil }
            guard entry.key.hasPrefix("\\x-") else { return entry }
            return Tree.Entry(
                key: String(entry.key.dropFirst()),
                place: entry.place,
                value: entry.value
            )
        }
    }
}

extension FieldValue {
    /// A value of a file as RabbitMQ would carry it.
    init(_ tree: Tree) {
        switch tree.content {
        case .scalar(let text, let isPlain):
            if !isPlain {
                self = .string(text)
            } else if tree.isNothing {
                self = .void
            } else if text == "true" || text == "false" {
                self = .bool(text == "true")
            } else if let number = Int64(text) {
                self = .int(number)
            } else if let number = Double(text), text.contains(".") {
                self = .double(number)
            } else {
                self = .string(text)
            }
        case .list(let elements): self = .array(elements.map { FieldValue($0) })
        case .map(let entries):
            if entries.count == 1, let typed = FieldValue(typed: entries[0]) {
                self = typed
            } else {
                self = .table(entries.map { Field($0.key, FieldValue($0.value)) })
            }
        }
    }

    /// A value with the type that it is to have, such as `{ "!short": 7 }`; nil if it is none.
    private init?(typed entry: Tree.Entry) {
        guard entry.key.first == "!" else { return nil }
        let word = String(entry.key.dropFirst())
        let text = entry.value.text ?? ""
        if let type = IntegerType(rawValue: word), let number = Int64(text) {
            self = .integer(number, type)
            return
        }
        switch word {
        case "float": self = .float(Float(text) ?? 0)
        case "double": self = .double(Double(text) ?? 0)
        case "timestamp": self = .timestamp(UInt64(text) ?? 0)
        case "longstr": self = .string(text)
        case "binary": self = .bytes(Array(text.utf8))
        case "void": self = .void
        case "decimal":
            let parts = text.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count <= 2, let value = UInt32(parts.joined()) else { return nil }
            self = .decimal(
                scale: UInt8(clamping: parts.count == 2 ? parts[1].count : 0),
                value: value
            )
        default: return nil
        }
    }
}
