import WarrenTopology

/// Makes declarations out of the section of a broker.
struct DefinitionsReader {
    private let broker: Topology.Broker

    init(_ broker: Topology.Broker) { self.broker = broker }

    /// The definitions of each virtual host, `/` first.
    func read(_ findings: inout [Finding]) -> [Definitions] {
        var all = [definitions("/", broker.tree, &findings)]
        for entry in broker.tree["vhosts"]?.entries ?? [] where !entry.key.hasPrefix("x-") {
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
        let exchanges = named(tree["exchanges"])
        let queues = named(tree["queues"])
        let known = exchanges.map(\.key) + Self.predeclared.dropFirst()
        for entry in exchanges { made.exchanges.append(exchange(entry, known, &findings)) }
        for entry in queues { made.queues.append(queue(entry, known, &findings)) }
        for (entries, toExchange) in [(exchanges, true), (queues, false)] {
            for entry in entries {
                made.bindings += bindings(entry, toExchange, known, &findings)
            }
        }
        return made
    }

    private func named(_ tree: Tree?) -> [Tree.Entry] {
        (tree?.entries ?? []).filter { !$0.key.hasPrefix("x-") }
    }

    private func flag(_ tree: Tree, _ key: String, _ fallback: Bool) -> Bool {
        tree[key]?.text.map { $0 == "true" } ?? fallback
    }

    private func exchange(_ entry: Tree.Entry, _ known: [String], _ findings: inout [Finding])
        -> ExchangeDeclaration
    {
        var made = ExchangeDeclaration(
            name: entry.key,
            type: entry.value["type"]?.text ?? "direct"
        )
        if made.type == "x-consistent-hash" {
            findings.append(
                notModelled("the consistent-hash exchange", "RMQ-CHASH", entry.value["type"])
            )
        }
        reserve(entry, "exchange", &findings)
        made.durable = flag(entry.value, "durable", true)
        made.autoDelete = flag(entry.value, "auto_delete", false)
        made.isInternal = flag(entry.value, "internal", false)
        made.alternate = entry.value["alternate"]?.text
        if let alternate = entry.value["alternate"] {
            warn(alternate, known, "alternate", &findings)
        }
        return made
    }

    private func reserve(_ entry: Tree.Entry, _ what: String, _ findings: inout [Finding]) {
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

    private func notModelled(_ what: String, _ number: String, _ tree: Tree?) -> Finding {
        Finding(
            "not-modelled",
            "\(what) is not modelled yet",
            at: tree?.place,
            why: "the model would behave as if it were not there; it belongs to \(number)",
            remedy: "leave it out to simulate the rest"
        )
    }

    /// The broker accepts an exchange that is missing and drops what should go there.
    private func warn(_ tree: Tree, _ known: [String], _ what: String, _ findings: inout [Finding])
    {
        guard let name = tree.text, !known.contains(name) else { return }
        findings.append(
            Finding(
                "missing-exchange",
                "the \(what) exchange '\(name)' does not exist",
                at: tree.place,
                label: DidYouMean.hint(name, in: known),
                why: "RabbitMQ accepts this and drops every message that should go there",
                severity: .warning
            )
        )
    }

    private func queue(_ entry: Tree.Entry, _ known: [String], _ findings: inout [Finding])
        -> QueueDeclaration
    {
        var made = QueueDeclaration(name: entry.key)
        let tree = entry.value
        reserve(entry, "queue", &findings)
        if let type = tree["type"], type.text != "classic" {
            let group = type.text == "quorum" ? "RMQ-QQ" : "RMQ-STREAM"
            findings.append(notModelled("the queue type '\(type.text ?? "")'", group, type))
        }
        made.durable = flag(tree, "durable", true)
        made.autoDelete = flag(tree, "auto_delete", false)
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
        if let letter = tree["dead_letter"] {
            made.deadLetterExchange = letter["exchange"]?.text
            made.deadLetterKey = letter["key"]?.text
            if let exchange = letter["exchange"] {
                warn(exchange, known, "dead-letter", &findings)
            }
        }
        arguments(tree, &made, known, &findings)
        return made
    }

    private func arguments(
        _ tree: Tree,
        _ made: inout QueueDeclaration,
        _ known: [String],
        _ findings: inout [Finding]
    ) {
        for entry in tree["arguments"]?.entries ?? [] {
            switch entry.key {
            case "x-dead-letter-exchange":
                if made.deadLetterExchange != nil { twice(entry, "dead_letter", &findings) }
                made.deadLetterExchange = entry.value.text
                warn(entry.value, known, "dead-letter", &findings)
            case "x-dead-letter-routing-key":
                if made.deadLetterKey != nil { twice(entry, "dead_letter", &findings) }
                made.deadLetterKey = entry.value.text
            case "x-queue-type" where entry.value.text == "classic":
                continue
            default:
                findings.append(
                    Finding(
                        "not-modelled",
                        "the argument '\(entry.key)' of '\(made.name)' is not modelled yet",
                        at: entry.place,
                        why: "the model would behave as if it were not there",
                        remedy: "leave it out to simulate the rest"
                    )
                )
            }
        }
        if made.deadLetterKey != nil, made.deadLetterExchange == nil {
            findings.append(
                Finding(
                    "key-without-exchange",
                    "'\(made.name)' has a dead-letter routing key and no dead-letter exchange",
                    at: tree.place,
                    why: "the broker answers 406 PRECONDITION_FAILED (RMQ-DLX-18)",
                    remedy: "add the exchange, or remove the key"
                )
            )
        }
    }

    private func twice(_ entry: Tree.Entry, _ plain: String, _ findings: inout [Finding]) {
        findings.append(
            Finding(
                "said-twice",
                "'\(entry.key)' says what `\(plain)` says already",
                at: entry.place,
                remedy: "keep one of them"
            )
        )
    }

    private func bindings(
        _ entry: Tree.Entry,
        _ toExchange: Bool,
        _ known: [String],
        _ findings: inout [Finding]
    ) -> [BindingDeclaration] {
        var made: [BindingDeclaration] = []
        for source in named(entry.value["bind"]) {
            guard known.contains(source.key) else {
                findings.append(
                    Finding(
                        "unknown-name",
                        "'\(entry.key)' is bound to the exchange '\(source.key)', and there is none",
                        at: source.place,
                        label: DidYouMean.hint(source.key, in: known)
                    )
                )
                continue
            }
            let elements = source.value.isNothing ? [source.value] : source.value.elements
            for element in elements.isEmpty ? [source.value] : elements {
                var binding = BindingDeclaration(
                    source: source.key,
                    destination: entry.key,
                    key: element.isNothing ? "" : element.text ?? element["key"]?.text ?? ""
                )
                binding.toExchange = toExchange
                if let headers = element["headers"] {
                    binding.arguments = headers.entries.map {
                        FieldValue.Field($0.key, FieldValue($0.value))
                    }
                }
                if let match = element["match"]?.text {
                    binding.arguments.insert(
                        FieldValue.Field("x-match", .string(match)),
                        at: 0
                    )
                }
                made.append(binding)
            }
        }
        return made
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
        case .map(let entries): self = .table(entries.map { Field($0.key, FieldValue($0.value)) })
        }
    }
}
