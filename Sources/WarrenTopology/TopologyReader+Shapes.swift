/// What a file says of brokers, and the shapes of all sections.
extension TopologyReader {
    mutating func decode(_ tree: Tree) -> Topology? {
        var fields = CommonShapes.top
        for section in CommonShapes.sections {
            fields.append(Field(section, .map(.anything), "named \(section)"))
        }
        check(tree, .record(fields), "", except: "expect")
        let expectations = expectations(tree["expect"])
        let brokers = (tree["brokers"]?.entries ?? []).filter { !$0.key.hasPrefix("x-") }
            .compactMap { broker($0) }
        if !lacksAFile, tree["brokers"]?.entries.isEmpty ?? true {
            findings.append(
                Finding(
                    "no-brokers",
                    "the topology has no broker",
                    at: tree["brokers"]?.place ?? tree.place,
                    remedy: "add `brokers: { main: { kind: rabbitmq, queues: { jobs: {} } } }`"
                )
            )
        }
        var clients: [Topology.Client] = []
        for role in Topology.Role.allCases {
            for entry in tree[role.section]?.entries ?? [] where !entry.key.hasPrefix("x-") {
                if let twin = clients.first(where: { $0.name == entry.key }) {
                    findings.append(
                        Finding(
                            "same-name",
                            "the \(role.rawValue) '\(entry.key)' has the name of a \(twin.role.rawValue)",
                            at: entry.place,
                            why: "faults and expectations name clients",
                            remedy: "give one of them another name"
                        )
                    )
                }
                if let client = client(entry, role, brokers) { clients.append(client) }
            }
        }
        checkConnections(clients, brokers)
        let latency = tree["network"]?["default"]?["latency"]
        var topology = Topology(
            name: tree["name"]?.text ?? "",
            title: tree["title"]?.text ?? "",
            seed: tree["seed"]?.text.flatMap { UInt64($0) } ?? 1,
            brokers: brokers,
            clients: clients,
            latency: latency.flatMap { LawForm.law($0, Units.duration) } ?? .constant(50_000),
            links: [],
            faults: [],
            expectations: expectations,
            duration: tree["run"]?["for"]?.text.flatMap(Units.duration),
            files: files
        )
        topology.links = links(tree["network"]?["links"], topology)
        topology.faults = faults(tree["faults"], topology)
        markBroken(tree["expect_broken"], &topology)
        topology.ties = Ties(tree["run"])
        topology.search = search(tree["search"], topology)
        topology.tree = tree
        topology.suppressions = (tree["check"]?["ignore"]?.elements ?? []).map { Suppression($0) }
        return topology
    }

    mutating func check(
        _ tree: Tree,
        _ shape: Shape,
        _ what: String,
        except: String? = nil
    ) {
        var checker = ShapeCheck()
        var seen = tree
        if let except, case .map(let entries) = tree.content {
            seen.content = .map(entries.filter { $0.key != except })
        }
        checker.check(seen, shape, what)
        findings += checker.findings
    }

    mutating func broker(_ entry: Tree.Entry) -> Topology.Broker? {
        let what = "brokers.\(entry.key)"
        let written = entry.value
        guard case .map = written.content else {
            check(written, .record([Field("kind", .text, "")]), what)
            return nil
        }
        let kinds = vocabularies.map(\.kind)
        guard let kind = written["kind"] else {
            findings.append(
                Finding(
                    "missing-key",
                    "\(what) needs 'kind'",
                    at: entry.place,
                    label: "one of \(kinds.joined(separator: ", "))",
                    remedy: "add `kind: rabbitmq`"
                )
            )
            return nil
        }
        guard let words = vocabularies.first(where: { $0.kind == kind.text }) else {
            let later = Vocabulary.knownKinds.contains(kind.text ?? "")
            findings.append(
                Finding(
                    later ? "not-modelled" : "unknown-kind",
                    later
                        ? "brokers of the kind '\(kind.text ?? "")' are not modelled yet"
                        : "\(kind.description) is not a kind of broker",
                    at: kind.place,
                    label: DidYouMean.hint(kind.text ?? "", in: kinds),
                    why: "each kind has its own behaviour; there is no general broker"
                )
            )
            return nil
        }
        let fields =
            [
                Field("kind", .choice(kinds), "the kind of broker", required: true),
                Field("version", .choice(words.versions), "whose behaviour; \(words.versions[0])"),
                Field("nodes", .list(CommonShapes.node), "its nodes; one, called as the broker"),
            ] + words.broker
        check(written, .record(fields), what)
        let tree = joined(written, words)
        let nodes = tree["nodes"]?.elements.compactMap { $0.text ?? $0["name"]?.text } ?? []
        for (index, element) in (tree["nodes"]?.elements ?? []).enumerated() {
            guard let name = element.text ?? element["name"]?.text,
                nodes.prefix(index).contains(name)
            else { continue }
            findings.append(
                Finding(
                    "same-name",
                    "'\(entry.key)' has two nodes that are called '\(name)'",
                    at: element.place,
                    why: "faults and clients name nodes",
                    remedy: "give one of them another name"
                )
            )
        }
        return Topology.Broker(
            name: entry.key,
            place: entry.place,
            kind: words.kind,
            version: tree["version"]?.text ?? words.versions[0],
            nodes: nodes.isEmpty ? [entry.key] : nodes,
            forgetful: (tree["nodes"]?.elements ?? []).filter {
                $0["hostname"]?.text == "random" || $0["data"]?.text == "none"
            }.compactMap { $0["name"]?.text },
            tree: tree
        )
    }
}
