/// Why a file could not be had.
public struct ReadFailure: Error, Sendable {
    /// The reason in words.
    public var reason: String

    /// A failure.
    public init(_ reason: String) { self.reason = reason }
}

/// Reads topology files: YAML, includes, shapes, names.
public struct TopologyReader {
    /// Gives the bytes of a file.
    public typealias Source = (String) throws(ReadFailure) -> [UInt8]

    /// The outcome of reading.
    public struct Result: Sendable {
        /// The topology, unless there are errors.
        public var topology: Topology?
        /// What could be made of the file, errors or not; nil if it is no topology at all.
        public var draft: Topology?
        /// What there is to say, in file order.
        public var findings: [Finding]
        /// The files that were read.
        public var files: [SourceFile]
    }

    private let vocabularies: [Vocabulary]
    private let source: Source
    private var files: [SourceFile] = []
    /// Whether an included file could not be had: what is missing then may be in it.
    private var lacksAFile = false
    var findings: [Finding] = []

    private init(_ vocabularies: [Vocabulary], _ source: @escaping Source) {
        self.vocabularies = vocabularies
        self.source = source
    }

    /// Reads the file at `path` with the words of these kinds of broker.
    public static func read(
        _ path: String,
        vocabularies: [Vocabulary],
        source: @escaping Source
    ) -> Result {
        var reader = TopologyReader(vocabularies, source)
        var topology: Topology?
        if let tree = reader.load(path, from: nil, chain: []) {
            topology = reader.decode(tree)
        }
        reader.findings.sort { left, right in
            let a = left.place ?? Place(file: 0, line: 0, column: 0)
            let b = right.place ?? Place(file: 0, line: 0, column: 0)
            return (a.file, a.line, a.column) < (b.file, b.line, b.column)
        }
        let failed = reader.findings.contains { $0.severity == .error }
        return Result(
            topology: failed ? nil : topology,
            draft: topology,
            findings: reader.findings,
            files: reader.files
        )
    }

    // MARK: Files

    private mutating func load(_ path: String, from place: Place?, chain: [String]) -> Tree? {
        if chain.contains(path) {
            findings.append(
                Finding(
                    "include-cycle",
                    "\(path) includes itself: \((chain + [path]).joined(separator: " → "))",
                    at: place,
                    remedy: "move what both need into a third file"
                )
            )
            return nil
        }
        let bytes: [UInt8]
        do {
            bytes = try source(path)
        } catch {
            findings.append(
                Finding("unreadable-file", "\(path) cannot be read: \(error.reason)", at: place)
            )
            return nil
        }
        if chain.isEmpty, let tree = foreign(path, bytes) { return tree.isNothing ? nil : tree }
        if bytes.count > TreeReader.byteLimit {
            findings.append(
                Finding(
                    "too-large",
                    "\(path) has \(bytes.count >> 20) MiB, and a topology has at most 16",
                    at: place,
                    why:
                        "a file of that size is nearly always something else: a trace, a log, a dump",
                    remedy: "check the path"
                )
            )
            return nil
        }
        guard let text = decodeText(bytes, path) else { return nil }
        files.append(SourceFile(path: path, text: text))
        var reader = TreeReader(file: files[files.count - 1], number: files.count - 1)
        let read = reader.read()
        findings += reader.findings
        guard let tree = read else { return nil }
        guard case .map = tree.content else {
            findings.append(
                Finding(
                    "not-a-map",
                    "\(path) holds \(tree.description) and not a topology",
                    at: tree.place,
                    remedy: "begin with `warren: 1`, `name: …` and `brokers:`"
                )
            )
            return nil
        }
        return include(into: tree, path, chain + [path])
    }

    /// The topology that a broker's own file stands for; a tree of nothing if it is one and cannot be read.
    private mutating func foreign(_ path: String, _ bytes: [UInt8]) -> Tree? {
        for words in vocabularies {
            guard let reading = words.foreign?.topology(path, bytes, files.count) else { continue }
            if let file = reading.file { files.append(file) }
            findings += reading.findings
            return reading.tree ?? Tree(content: .scalar("", isPlain: true), place: .start(of: 0))
        }
        return nil
    }

    /// The section of a broker with what its own file says, if it names one.
    private mutating func joined(_ tree: Tree, _ words: Vocabulary) -> Tree {
        guard let reference = tree["definitions"], let name = reference.text,
            let foreign = words.foreign,
            case .map(var entries) = tree.content
        else { return tree }
        let from = reference.place.file < files.count ? files[reference.place.file].path : ""
        let folder = from.lastIndex(of: "/").map { String(from[...$0]) } ?? ""
        let path = Self.tidy(name.hasPrefix("/") ? name : folder + name)
        let bytes: [UInt8]
        do {
            bytes = try source(path)
        } catch {
            findings.append(
                Finding(
                    "unreadable-file",
                    "\(path) cannot be read: \(error.reason)",
                    at: reference.place
                )
            )
            return tree
        }
        let reading = foreign.section(path, bytes, files.count)
        if let file = reading.file { files.append(file) }
        findings += reading.findings
        for entry in reading.tree?.entries ?? [] { merge(entry, into: &entries) }
        return Tree(content: .map(entries), place: tree.place)
    }

    private mutating func decodeText(_ bytes: [UInt8], _ path: String) -> String? {
        var content = bytes[...]
        if content.starts(with: [0xEF, 0xBB, 0xBF]) { content = content.dropFirst(3) }
        guard let text = String(validating: content, as: UTF8.self) else {
            let utf16 = bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF])
            findings.append(
                Finding(
                    "not-utf8",
                    "\(path) is not UTF-8 text",
                    at: nil,
                    why: utf16
                        ? "it begins like UTF-16"
                        : "the bytes from number \(Self.firstBadByte(content)) on are no UTF-8",
                    remedy: "save it as UTF-8"
                )
            )
            return nil
        }
        return text
    }

    private static func firstBadByte(_ bytes: ArraySlice<UInt8>) -> Int {
        var low = 0
        var high = bytes.count
        // A prefix may end within a character: up to three bytes back is still fine.
        while low < high {
            let middle = (low + high + 1) / 2
            let fits = (0...3).contains { back in
                back <= middle
                    && String(validating: bytes.prefix(middle - back), as: UTF8.self) != nil
            }
            if fits { low = middle } else { high = middle - 1 }
        }
        return low + 1
    }

    private mutating func include(into tree: Tree, _ path: String, _ chain: [String]) -> Tree {
        guard let list = tree["include"], case .map(var entries) = tree.content else { return tree }
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
        for element in list.elements {
            guard let name = element.text else { continue }
            let target = name.hasPrefix("/") ? name : folder + name
            guard let other = load(Self.tidy(target), from: element.place, chain: chain) else {
                lacksAFile = true
                continue
            }
            for entry in other.entries where entry.key != "warren" && entry.key != "name" {
                merge(entry, into: &entries)
            }
        }
        return Tree(content: .map(entries), place: tree.place)
    }

    private static func tidy(_ path: String) -> String {
        var parts: [Substring] = []
        for part in path.split(separator: "/", omittingEmptySubsequences: false) {
            if part == "..", let last = parts.last, last != "..", !last.isEmpty {
                parts.removeLast()
            } else if part != "." {
                parts.append(part)
            }
        }
        return parts.joined(separator: "/")
    }

    private func includedTwice(_ entry: Tree.Entry, _ section: String) -> Finding {
        Finding(
            "included-twice",
            "'\(entry.key)' of \(section) is in an included file and in the one that includes it",
            at: entry.place,
            remedy: "keep one of them, or give it another name"
        )
    }

    /// Joins the names of a section; a name in both files is a finding, and so is a second value.
    private mutating func merge(_ entry: Tree.Entry, into entries: inout [Tree.Entry]) {
        guard let index = entries.firstIndex(where: { $0.key == entry.key }) else {
            entries.append(entry)
            return
        }
        switch (entries[index].value.content, entry.value.content) {
        case (.map(let mine), .map(let theirs)) where entry.key == "expect":
            // The expectations join by their own names, section by section.
            var sections = mine
            for other in theirs {
                guard let known = sections.firstIndex(where: { $0.key == other.key }),
                    case .map(let ours) = sections[known].value.content
                else {
                    sections.append(other)
                    continue
                }
                var names = ours
                for line in other.value.entries {
                    guard let twin = names.first(where: { $0.key == line.key }) else {
                        names.append(line)
                        continue
                    }
                    if Self.isSetting(line.key, in: other.key), twin.value.text == line.value.text {
                        continue
                    }
                    findings.append(includedTwice(line, other.key))
                }
                sections[known].value.content = .map(names)
            }
            entries[index].value.content = .map(sections)
        case (.map(var mine), .map(let theirs)):
            for other in theirs {
                if mine.contains(where: { $0.key == other.key }), entry.key != "run" {
                    findings.append(includedTwice(other, entry.key))
                } else if !mine.contains(where: { $0.key == other.key }) {
                    mine.append(other)
                }
            }
            entries[index].value.content = .map(mine)
        case (.list(let mine), .list(let theirs)):
            entries[index].value.content = .list(mine + theirs)
        case (.scalar, _), (.list, _), (.map, _):
            // The including file has the last word on plain values such as the seed.
            break
        }
    }

    // MARK: Shapes and names

    private mutating func decode(_ tree: Tree) -> Topology? {
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

    private mutating func check(
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

    private mutating func broker(_ entry: Tree.Entry) -> Topology.Broker? {
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

    private mutating func client(
        _ entry: Tree.Entry,
        _ role: Topology.Role,
        _ brokers: [Topology.Broker]
    ) -> Topology.Client? {
        let what = "\(role.section).\(entry.key)"
        let tree = entry.value
        let key = role == .producer || role == .caller ? "to" : "from"
        var target: Tree? = role == .script ? tree : tree[key]
        guard let broker = broker(for: target, entry, key, brokers),
            let words = vocabularies.first(where: { $0.kind == broker.kind })
        else { return nil }
        let fields: [Field]
        switch role {
        case .producer: fields = CommonShapes.producer(words)
        case .consumer: fields = CommonShapes.consumer(words)
        case .caller: fields = CommonShapes.caller(words)
        case .server: fields = CommonShapes.server(words)
        case .script: fields = CommonShapes.script(words)
        }
        check(tree, .record(fields), what)
        if let short = target, short.text != nil {
            let spelled = Tree.Entry(key: words.shortTarget, place: short.place, value: short)
            target = Tree(content: .map([spelled]), place: short.place)
        }
        guard var target else { return nil }
        // What stands beside `to:` and `from:` is the same as what stands in them.
        if let vhost = tree["vhost"], target["vhost"] == nil, role != .script {
            let entry = Tree.Entry(key: "vhost", place: vhost.place, value: vhost)
            target = Tree(content: .map(target.entries + [entry]), place: target.place)
        }
        func time(_ name: String) -> Double? { tree[name]?.text.flatMap(Units.duration) }
        func share(_ name: String) -> Double {
            tree["fails"]?[name]?.text.flatMap(Units.share) ?? 0
        }
        let restart = tree["fails"]?["restart_after"]?.text.flatMap(Units.duration)
        let size = tree[role == .server ? "reply_size" : "size"]
        let effect = tree["effect"]
        let idempotentBy = (effect?["idempotent_by"] ?? tree["idempotent_by"])?.text
        let poison = tree["fails"]?["poison"]
        let patience = tree["reconnect"]?.text
        let isSingle = tree["count"]?.text == "1"
        if role == .producer || role == .caller, tree["arrivals"] == nil, !isSingle {
            findings.append(
                Finding(
                    "missing-key",
                    "'\(entry.key)' does not say when it publishes",
                    at: entry.place,
                    remedy: "add `arrivals: 120/s`, or `count: 1` for a single message"
                )
            )
        }
        let arrivals =
            tree["arrivals"].flatMap { LawForm.arrivals($0) } ?? .constant(isSingle ? 0 : 1e9)
        if arrivals.mean == 0, tree["count"] == nil {
            findings.append(
                Finding(
                    "endless",
                    "'\(entry.key)' publishes without end and without a pause",
                    at: tree["arrivals"]?.place ?? entry.place,
                    why: "time would never move on",
                    remedy: "give it a `count:`, or gaps that are longer than nothing"
                )
            )
        }
        return Topology.Client(
            name: entry.key,
            place: entry.place,
            role: role,
            broker: broker.name,
            instances: tree["instances"]?.text.flatMap { Int($0) } ?? 1,
            connection: tree["connection"]?.text,
            channel: tree["channel"]?.text,
            target: target,
            reconnect: patience == "never" ? nil : patience.flatMap(Units.duration) ?? 5e9,
            start: time("start") ?? 0,
            arrivals: arrivals,
            count: tree["count"]?.text.flatMap { UInt64($0) },
            size: size.flatMap { LawForm.law($0, Units.size) } ?? .constant(1024),
            service: tree["service"].flatMap { LawForm.law($0, Units.duration) } ?? .constant(1e6),
            fails: Topology.Fails(
                error: share("error"),
                hang: share("hang"),
                crashAfterWork: share("crash_after_work_before_ack"),
                crashDuringWork: share("crash_during_work"),
                crashBetween: share("crash_between"),
                poison: (poison?["share"] ?? poison)?.text.flatMap(Units.share) ?? 0,
                poisonKills: poison?["kills"]?.text == "true",
                restartAfter: restart ?? 1e9
            ),
            effect: effect?.text ?? effect?["name"]?.text,
            idempotentBy: idempotentBy,
            timeout: time("timeout") ?? 5e9,
            tree: tree
        )
    }

    private mutating func broker(
        for target: Tree?,
        _ entry: Tree.Entry,
        _ key: String,
        _ brokers: [Topology.Broker]
    ) -> Topology.Broker? {
        guard let target else {
            findings.append(
                Finding(
                    "missing-key",
                    "'\(entry.key)' needs '\(key)'",
                    at: entry.place,
                    remedy: "say where it \(key == "to" ? "publishes" : "consumes"): `\(key): jobs`"
                )
            )
            return nil
        }
        guard let named = target["broker"] else {
            if brokers.count == 1 { return brokers[0] }
            if brokers.count > 1 {
                findings.append(
                    Finding(
                        "which-broker",
                        "'\(entry.key)' does not say which broker it talks to",
                        at: target.place,
                        label: "known here: \(brokers.map(\.name).joined(separator: ", "))",
                        remedy: "write `\(key): { broker: \(brokers[0].name), … }`"
                    )
                )
            }
            return nil
        }
        if let broker = brokers.first(where: { $0.name == named.text }) { return broker }
        findings.append(
            Finding(
                "unknown-broker",
                "there is no broker \(named.description)",
                at: named.place,
                label: DidYouMean.hint(named.text ?? "", in: brokers.map(\.name))
            )
        )
        return nil
    }

    private mutating func expectations(_ tree: Tree?) -> [Topology.Expectation] {
        guard let tree else { return [] }
        var found: [Topology.Expectation] = []
        var checked = tree
        if case .map(let entries) = tree.content {
            // `within` and `or_nothing` stand beside the names.
            checked.content = .map(
                entries.map { entry in
                    var bare = entry
                    if case .map(let lines) = entry.value.content {
                        bare.value.content = .map(
                            lines.filter { !Self.isSetting($0.key, in: entry.key) }
                        )
                    }
                    return bare
                }
            )
        }
        check(checked, CommonShapes.expect, "expect")
        for entry in tree.entries {
            guard let kind = Topology.ExpectationKind(rawValue: entry.key) else { continue }
            var within: Double?
            if let patience = entry.value["within"], kind == .eventually {
                check(patience, .duration, "expect.eventually.within")
                within = patience.text.flatMap(Units.duration)
            }
            if let word = entry.value["or_nothing"] {
                check(word, .boolean, "expect.\(entry.key).or_nothing")
            }
            for line in entry.value.entries
            where !line.key.hasPrefix("x-") && !Self.isSetting(line.key, in: entry.key) {
                guard let expression = expression(line.value, "expect.\(entry.key).\(line.key)")
                else { continue }
                refuseMisuse(expression, kind, line)
                found.append(
                    Topology.Expectation(
                        kind: kind,
                        name: line.key,
                        expression: expression,
                        within: within,
                        holdsOnNothing: entry.value["or_nothing"]?.text == "true",
                        place: line.place,
                        textPlace: line.value.place
                    )
                )
            }
        }
        return found
    }

    /// Whether a key of a section says something of all its expectations.
    private static func isSetting(_ key: String, in section: String) -> Bool {
        key == "or_nothing" || key == "within" && section == "eventually"
    }

    /// Marks the expectations that are meant to break.
    private mutating func markBroken(_ tree: Tree?, _ topology: inout Topology) {
        let known = topology.expectations.map(\.name)
        for element in tree?.elements ?? [] {
            guard let name = element.text else { continue }
            guard let index = known.firstIndex(of: name) else {
                resolve(element, "expectation", known)
                continue
            }
            topology.expectations[index].isMeantToBreak = true
        }
    }

    private mutating func refuseMisuse(
        _ expression: Expression,
        _ kind: Topology.ExpectationKind,
        _ line: Tree.Entry
    ) {
        if expression.isAboutMessages, kind != .never, kind != .always {
            findings.append(
                Finding(
                    "about-messages",
                    "'\(line.key)' speaks of single messages",
                    at: line.value.place,
                    why:
                        "`\(kind.rawValue)` looks at numbers; `never` and `always` look at each message",
                    remedy: "count them: `handled == 100`, or move it to `never`"
                )
            )
        }
    }

    private mutating func expression(_ tree: Tree, _ what: String) -> Expression? {
        guard let text = tree.text else { return nil }
        do {
            return try ExpressionParser.parse(text)
        } catch {
            var place = tree.place
            if case .scalar(_, let isPlain) = tree.content {
                place.column += error.column + (isPlain ? 0 : 1)
            }
            place.length = error.length
            findings.append(
                Finding(
                    "bad-expectation",
                    "\(what): \(error.sentence)",
                    at: place,
                    remedy: error.remedy
                )
            )
            return nil
        }
    }

    private mutating func links(_ tree: Tree?, _ topology: Topology) -> [Topology.Link] {
        (tree?.elements ?? []).compactMap { element -> Topology.Link? in
            guard let latency = element["latency"].flatMap({ LawForm.law($0, Units.duration) })
            else { return nil }
            let between = element["between"]?.elements ?? []
            if between.count != 2 {
                findings.append(
                    Finding(
                        "two-ends",
                        "a link has two ends, and here are \(between.count)",
                        at: element["between"]?.place ?? element.place
                    )
                )
            }
            for end in between { resolveEnd(end, topology) }
            return Topology.Link(
                between: between.compactMap(\.text),
                latency: latency,
                place: element.place
            )
        }
    }

    mutating func resolveEnd(_ end: Tree, _ topology: Topology) {
        guard let name = end.text else { return }
        let known =
            topology.nodePaths + topology.brokers.map(\.name) + topology.clients.map(\.name)
            + topology.connections
        if !known.contains(name) {
            findings.append(
                Finding(
                    "unknown-name",
                    "there is no node or client '\(name)'",
                    at: end.place,
                    label: DidYouMean.hint(name, in: known)
                )
            )
        }
    }

    private mutating func faults(_ tree: Tree?, _ topology: Topology) -> [Topology.Fault] {
        (tree?.elements ?? []).compactMap { fault($0, topology) }
    }

    private mutating func fault(_ tree: Tree, _ topology: Topology) -> Topology.Fault? {
        guard let action = tree["do"]?.text.flatMap({ FaultWord(rawValue: $0) }) else {
            return nil
        }
        let moment: Topology.Moment
        if let at = tree["at"]?.text.flatMap(Units.duration), tree["when"] == nil {
            moment = .at(at)
        } else if let when = tree["when"], tree["at"] == nil {
            guard let condition = expression(when, "faults.when") else { return nil }
            moment = .when(condition)
        } else {
            // A moment that is no length of time was said by its shape already.
            if tree["at"] != nil, tree["when"] == nil { return nil }
            findings.append(
                Finding(
                    "fault-moment",
                    "a fault needs a moment: either `at: 60s` or `when: \"depth(orders) > 100\"`",
                    at: tree.place
                )
            )
            return nil
        }
        if let node = tree["node"] { resolve(node, "node", topology.nodePaths) }
        if let client = tree["client"] {
            resolve(client, "client", topology.clients.map(\.name) + topology.connections)
        }
        for end in tree["between"]?.elements ?? [] { resolveEnd(end, topology) }
        for end in tree["from"]?.elements ?? [] { resolveEnd(end, topology) }
        for end in tree["to"]?.elements ?? [] { resolveEnd(end, topology) }
        for group in tree["groups"]?.elements ?? [] {
            for end in group.elements { resolveEnd(end, topology) }
        }
        if let broker = tree["broker"] {
            resolve(broker, "broker", topology.brokers.map(\.name))
        }
        let factor = tree["factor"]?.text.flatMap(Units.number) ?? 1
        if tree["factor"] != nil, factor <= 0 {
            findings.append(
                Finding(
                    "no-factor",
                    "`\(action.rawValue)` needs a factor above 0, such as `factor: 5`",
                    at: tree["factor"]?.place ?? tree.place
                )
            )
        }
        if let text = tree["factor"], factor > Units.largestFactor {
            findings.append(
                Finding(
                    "out-of-range",
                    "the factor of `\(action.rawValue)` is \(text.description)",
                    at: text.place,
                    label: "at most 1000000",
                    why: "what is slower than that has stopped"
                )
            )
        }
        let jump = tree["by"]?.text.flatMap(Self.signedDuration)
        if tree["by"] != nil, jump.map({ abs($0) > Units.longest }) ?? true {
            findings.append(
                Finding(
                    "bad-jump",
                    "a clock jumps by a length of time of at most 36500d, such as `by: 5s` or `by: -5s`",
                    at: tree["by"]?.place
                )
            )
        }
        let period = tree["every"]?.text.flatMap(Units.duration)
        let times = tree["times"]?.text.flatMap { Int($0) }
        if let period, period <= 0 || times == nil && topology.duration == nil {
            findings.append(
                Finding(
                    "endless",
                    "a fault that comes every so often needs an end",
                    at: tree["every"]?.place,
                    remedy: "give it `times: 5`, or the file `run: { for: 10m }`"
                )
            )
        }
        let instance = tree["instance"]?.text.flatMap { Int($0) }
        if let instance, let name = tree["client"]?.text,
            let count = topology.instances(of: name), instance > count
        {
            findings.append(
                Finding(
                    "no-instance",
                    "'\(name)' has \(count) instance\(count == 1 ? "" : "s"), and no number \(instance)",
                    at: tree["instance"]?.place
                )
            )
        }
        let hit = action.targets.filter { tree[$0] != nil }
        if hit.count > 1 {
            findings.append(
                Finding(
                    "fault-target",
                    "'\(action.rawValue)' names \(hit.map { "`\($0):`" }.joined(separator: " and "))",
                    at: tree[hit[1]]?.place ?? tree.place,
                    why: "a fault hits one thing, and it would be chosen in silence",
                    remedy: "keep one, and write another fault for the other"
                )
            )
        }
        if hit.isEmpty {
            let wanted = action.targets.map { "`\($0):`" }.joined(separator: " or ")
            findings.append(
                Finding(
                    "fault-target",
                    "'\(action.rawValue)' does not say what it hits",
                    at: tree["do"]?.place,
                    remedy: "add \(wanted)"
                )
            )
        }
        for key in action.needs where tree[key] == nil {
            findings.append(
                Finding(
                    key == "factor" ? "no-factor" : "fault-incomplete",
                    "'\(action.rawValue)' needs `\(key):`",
                    at: tree["do"]?.place,
                    remedy: Self.example(of: key)
                )
            )
        }
        var fault = Topology.Fault(action, at: 0, place: tree.place)
        fault.moment = moment
        fault.period = period
        if let times { fault.times = times }
        fault.node = tree["node"]?.text
        fault.leaderOf = tree["leader_of"]?.text
        fault.broker = tree["broker"]?.text
        fault.client = tree["client"]?.text
        fault.instance = instance
        fault.between = texts(tree["between"])
        fault.duration = tree["for"]?.text.flatMap(Units.duration)
        fault.factor = factor
        fault.groups = (tree["groups"]?.elements ?? []).map { texts($0) }
        fault.from = texts(tree["from"])
        fault.to = texts(tree["to"])
        fault.share = tree["share"]?.text.flatMap(Units.share) ?? 0
        fault.jump = jump ?? 0
        fault.version = tree["version"]?.text
        fault.renames = tree["hostname"]?.text == "random"
        return fault
    }

    private func texts(_ tree: Tree?) -> [String] { tree?.elements.compactMap(\.text) ?? [] }

    private static func signedDuration(_ text: String) -> Double? {
        text.hasPrefix("-")
            ? Units.duration(String(text.dropFirst())).map { -$0 } : Units.duration(text)
    }

    private static func example(of key: String) -> String {
        switch key {
        case "factor": "such as `factor: 5`"
        case "share": "such as `share: 5%`"
        case "by": "such as `by: -5s`"
        case "to": "such as `to: [main/rabbit-2]`"
        default: "such as `version: \"3.13\"`"
        }
    }

    private mutating func resolve(_ tree: Tree, _ kind: String, _ known: [String]) {
        guard let name = tree.text, !known.contains(name) else { return }
        findings.append(
            Finding(
                "unknown-name",
                "there is no \(kind) '\(name)'",
                at: tree.place,
                label: DidYouMean.hint(name, in: known)
            )
        )
    }
}
