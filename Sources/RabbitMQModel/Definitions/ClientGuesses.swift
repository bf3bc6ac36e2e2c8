package import WarrenTopology

/// Producers and consumers for a file that names none, marked as guesses.
///
/// Somebody publishes to each exchange, and somebody consumes from each queue.
struct ClientGuesses {
    /// More clients than that say nothing.
    static let most = 50

    private let set: DefinitionSet
    private let place: Place

    init(_ set: DefinitionSet) {
        self.set = set
        place = .start(of: set.document?.number ?? 0)
    }

    /// The sections `producers` and `consumers`, as far as there is something to guess.
    func sections() -> [(String, Tree)] {
        var producers = MapBuilder(place)
        var consumers = MapBuilder(place)
        let buried = deadLetterExchanges()
        var filled: Set<String> = []
        var bySource: [String: [DefinitionSet.Item<BindingDeclaration>]] = [:]
        var bound: Set<String> = []
        for item in set.bindings {
            guard let vhost = item.vhost else { continue }
            bySource[vhost + "\u{0}" + item.value.source, default: []].append(item)
            if !item.value.toExchange { bound.insert(vhost + "\u{0}" + item.value.destination) }
        }
        for item in set.exchanges where producers.count < Self.most {
            guard let vhost = item.vhost, !item.value.isInternal,
                !buried.contains(vhost + "\u{0}" + item.value.name)
            else { continue }
            guard let bindings = bySource[vhost + "\u{0}" + item.value.name] else { continue }
            for binding in bindings where !binding.value.toExchange {
                filled.insert(vhost + "\u{0}" + binding.value.destination)
            }
            producers.addNamed(
                "to-\(item.value.name)",
                producer(item.value, vhost, bindings.map(\.value))
            )
        }
        for item in set.queues where consumers.count < Self.most {
            guard let vhost = item.vhost, !item.value.name.hasPrefix("amq."),
                !item.value.name.isEmpty
            else { continue }
            let isBound = bound.contains(vhost + "\u{0}" + item.value.name)
            if !isBound, producers.count < Self.most, !buried.contains(vhost + "\u{0}") {
                producers.addNamed(
                    "to-\(item.value.name)",
                    publishing(to: [("queue", text(item.value.name))], vhost)
                )
            }
            // What is only filled with dead letters waits for somebody to look at it.
            guard !isBound || filled.contains(vhost + "\u{0}" + item.value.name),
                item.value["x-message-ttl"] == nil || item.value.deadLetterExchange == nil
            else { continue }
            consumers.addNamed("of-\(item.value.name)", consumer(item.value, vhost))
        }
        return [("producers", producers), ("consumers", consumers)].filter { !$0.1.isEmpty }.map {
            ($0.0, $0.1.tree)
        }
    }

    private func deadLetterExchanges() -> Set<String> {
        var found: Set<String> = []
        for item in set.queues {
            if let exchange = item.value.deadLetterExchange {
                found.insert("\(item.vhost ?? "")\u{0}\(exchange)")
            }
        }
        for item in set.exchanges {
            if let exchange = item.value.alternate {
                found.insert("\(item.vhost ?? "")\u{0}\(exchange)")
            }
        }
        for item in set.policies {
            for key in ["dead-letter-exchange", "alternate-exchange"] {
                if let exchange = item.value.policy[key]?.text {
                    found.insert("\(item.vhost ?? "")\u{0}\(exchange)")
                }
            }
        }
        return found
    }

    private func text(_ text: String) -> Tree { .quoted(text, at: place) }
    private func plain(_ text: String) -> Tree { .plain(text, at: place) }

    /// Somebody in the virtual host who may do it: permissions shut out who has none.
    private func addUser(_ vhost: String, _ name: String, isWriting: Bool, to map: inout MapBuilder)
    {
        let here = set.permissions.filter { $0.vhost == vhost }
        guard !here.isEmpty, !here.contains(where: { $0.value.user == "guest" }) else { return }
        let fitting = here.first {
            NamePattern(isWriting ? $0.value.write : $0.value.read)?.matches(name) ?? false
        }
        if let user = (fitting ?? here.first)?.value.user { map.add("user", text(user)) }
    }

    private func producer(
        _ exchange: ExchangeDeclaration,
        _ vhost: String,
        _ bindings: [BindingDeclaration]
    ) -> Tree {
        var to: [(String, Tree)] = [("exchange", text(exchange.name))]
        var headers: [FieldValue.Field] = []
        switch exchange.type {
        case "fanout": break
        case "headers":
            headers = bindings.first?.arguments.filter { !$0.name.hasPrefix("x-") } ?? []
        default:
            var keys: [String] = []
            for binding in bindings.prefix(100) {
                let key = exchange.type == "topic" ? Self.example(of: binding.key) : binding.key
                if !keys.contains(key), keys.count < 8 { keys.append(key) }
            }
            if keys.count == 1 {
                to.append(("key", text(keys[0])))
            } else {
                var pick = MapBuilder(place)
                for key in keys { pick.add(key, plain("1")) }
                var map = MapBuilder(place)
                map.add("pick", pick.tree)
                to.append(("key", map.tree))
            }
        }
        return publishing(to: to, vhost, headers)
    }

    /// A key that a pattern lets through.
    private static func example(of pattern: String) -> String {
        TopicExchange.words(of: pattern).map { $0 == "*" || $0 == "#" ? "any" : $0 }.joined(
            separator: "."
        )
    }

    private func publishing(
        to: [(String, Tree)],
        _ vhost: String,
        _ headers: [FieldValue.Field] = []
    ) -> Tree {
        var target = MapBuilder(place)
        for (key, value) in to { target.add(key, value) }
        if vhost != "/" { target.add("vhost", text(vhost)) }
        var map = MapBuilder(place)
        map.add("x-guess", plain("true"))
        map.add("to", target.tree)
        map.add("arrivals", plain("10/s"))
        map.add("count", plain("100"))
        if !headers.isEmpty {
            var fields = MapBuilder(place)
            for field in headers {
                fields.add(
                    field.name,
                    DefinitionsImport.tree(field.value == .void ? .string("any") : field.value)
                )
            }
            map.add("headers", fields.tree)
        }
        addUser(
            vhost,
            to.first { $0.0 == "exchange" }?.1.text ?? "amq.default",
            isWriting: true,
            to: &map
        )
        return map.tree
    }

    private func consumer(_ queue: QueueDeclaration, _ vhost: String) -> Tree {
        var from = MapBuilder(place)
        from.add("queue", text(queue.name))
        if vhost != "/" { from.add("vhost", text(vhost)) }
        var map = MapBuilder(place)
        map.add("x-guess", plain("true"))
        map.add("from", from.tree)
        map.add("prefetch", plain("20"))
        map.add("service", plain("10ms"))
        if queue.type == "stream" { map.add("offset", text("first")) }
        addUser(vhost, queue.name, isWriting: false, to: &map)
        return map.tree
    }
}

extension DefinitionsText {
    /// How topologies read definitions files.
    static let foreign = ForeignFile(
        topology: { path, bytes, number in
            guard looksLikeJSON(bytes, path) else { return nil }
            return reading(path, bytes, number) { document in
                // A topology may be written as JSON too.
                document.root["warren"] != nil ? nil : topology(document, path, reference: nil)
            }
        },
        section: { path, bytes, number in
            let made = reading(path, bytes, number) { document in
                var reading = DefinitionsImport(DefinitionSet(document))
                let section = reading.section(reference: nil)
                let entries = section.entries.filter { $0.key != "kind" && $0.key != "version" }
                return (Tree(content: .map(entries), place: section.place), reading.findings)
            }
            return made ?? ForeignFile.Reading(file: nil, tree: nil, findings: [])
        }
    )

    private static func reading(
        _ path: String,
        _ bytes: [UInt8],
        _ number: Int,
        _ make: (JSONDocument) -> (Tree, [Finding])?
    ) -> ForeignFile.Reading? {
        do throws(Finding) {
            let document = try read(path, bytes, number: number)
            guard document.root["warren"] != nil || DefinitionSet.isDefinitions(document.root)
            else {
                return ForeignFile.Reading(
                    file: document.file,
                    tree: nil,
                    findings: [stranger(document)]
                )
            }
            return make(document).map {
                ForeignFile.Reading(file: document.file, tree: $0.0, findings: $0.1)
            }
        } catch {
            return ForeignFile.Reading(file: file(path, bytes), tree: nil, findings: [error])
        }
    }

    /// A topology made of a definitions file, with clients that are guesses.
    ///
    /// `reference`: the path of the file as the topology is to name it.
    package static func topology(_ document: JSONDocument, _ path: String, reference: String?) -> (
        Tree, [Finding]
    ) {
        let set = DefinitionSet(document)
        var reading = DefinitionsImport(set)
        let section = reading.section(reference: reference)
        var map = MapBuilder(.start(of: document.number))
        let name = path.split(separator: "/").last.map(String.init) ?? path
        map.add("warren", Tree(content: .scalar("1", isPlain: true), place: map.place))
        let stem = name.lowercased().hasSuffix(".json") ? String(name.dropLast(5)) : name
        map.add(
            "name",
            Tree(
                content: .scalar(stem.isEmpty ? "definitions" : stem, isPlain: false),
                place: map.place
            )
        )
        var brokers = MapBuilder(map.place)
        brokers.add("main", section)
        map.add("brokers", brokers.tree)
        let guesses = ClientGuesses(set).sections()
        for (key, tree) in guesses { map.add(key, tree) }
        var findings = reading.findings
        let words = guesses.map { name, section in
            let count = section.entries.count
            return "\(count) \(count == 1 ? String(name.dropLast()) : name)"
        }.joined(separator: " and ")
        if reference == nil, !words.isEmpty {
            findings.append(
                Finding(
                    "guessed-clients",
                    "\(path) names no clients; guessed: \(words)",
                    at: nil,
                    why: "a definitions file says what there is, and not who uses it",
                    remedy:
                        "warren import \(path) -o \(stem).yaml, and say there who publishes and who consumes",
                    severity: .warning
                )
            )
        }
        return (map.tree, findings)
    }
}
