public import WarrenTrace

/// The page of a run, made of its facts: windows of facts with what queues held before each, and summaries for the far view.
///
/// The facts are handed over in their order; the page is then put together with the ``Scene`` of the run.
public struct RunPage {
    /// What is known of a run beside its facts.
    public struct Heading: Sendable {
        /// The name of the topology, the seed, the digest and the version of Warren.
        public var name, seed, digest, version: String
        /// Whether the run came to its end, and how long it was.
        public var isComplete: Bool
        public var end: Instant
        /// Why it ended before its end, if it is known.
        public var note: String
        /// The names of the run, and its nodes by number.
        public var names: Names
        public var nodes: [String]
        /// What the file expects, in file order.
        public var verdicts: [Verdict]
        /// What the faults of the file do, by number.
        public var faults: [String]

        /// What is known of a run.
        public init(
            name: String,
            seed: String,
            digest: String,
            version: String,
            isComplete: Bool,
            end: Instant,
            note: String,
            names: Names,
            nodes: [String],
            verdicts: [Verdict],
            faults: [String]
        ) {
            self.name = name
            self.seed = seed
            self.digest = digest
            self.version = version
            self.isComplete = isComplete
            self.end = end
            self.note = note
            self.names = names
            self.nodes = nodes
            self.verdicts = verdicts
            self.faults = faults
        }
    }

    /// What became of an expectation.
    public struct Verdict: Sendable {
        /// Its name and kind, and the sentence that it is.
        public var name, kind, sentence: String
        /// Whether it held, and whether the file means it to break.
        public var held, isMeantToBreak: Bool
        /// When it was broken first, by which message, and what was seen.
        public var time: Instant?
        public var message, seen: String?

        /// A verdict.
        public init(
            name: String,
            kind: String,
            sentence: String,
            held: Bool,
            isMeantToBreak: Bool,
            time: Instant?,
            message: String?,
            seen: String?
        ) {
            self.name = name
            self.kind = kind
            self.sentence = sentence
            self.held = held
            self.isMeantToBreak = isMeantToBreak
            self.time = time
            self.message = message
            self.seen = seen
        }
    }

    /// Facts in a window.
    static let windowSize = 8192

    private let heading: Heading
    private let text: FactText
    private var window: [Fact] = []
    private var windows:
        [(facts: String, snapshot: String?, firstEvent: UInt64, firstTime: UInt64)] = []
    private var holdings = Holdings()
    private var snapshot: String?
    private var factsSinceSnapshot = 0
    private var count = 0
    private var lastEvent: UInt64 = 0
    private var lastTime: UInt64 = 0
    private var eventCount = 0
    private var samples: [UInt32: Fact] = [:]
    private var firsts: [UInt64] = []
    private var sizes: [Int] = []
    private var lanes: Lanes
    private var ways = Scene.Ways()

    /// An empty page.
    public init(_ heading: Heading) {
        self.heading = heading
        text = FactText(names: heading.names, nodes: heading.nodes)
        lanes = Lanes(end: heading.end)
        window.reserveCapacity(Self.windowSize)
        snapshot = Self.snapshot(of: holdings)
    }

    /// The ways that messages took, for the ``Scene``.
    public var waysTaken: Scene.Ways { ways }

    /// Takes in a fact.
    public mutating func take(_ fact: Fact) {
        // A window begins with an event: to step back is to go to the beginning of one.
        if window.count >= Self.windowSize, fact.event != lastEvent { close() }
        if fact.event != lastEvent { eventCount += 1 }
        lastEvent = fact.event
        lastTime = fact.time.nanoseconds
        let kind =
            UInt32(fact.kind.rawValue) << 16 | UInt32(fact.variant) << 8
            | UInt32(text.sentenceClass(fact))
        if samples[kind] == nil { samples[kind] = fact }
        let message = Int(fact.message.raw)
        if fact.message != .none, firsts.count <= message {
            while firsts.count < message { firsts.append(UInt64(count)) }
            firsts.append(UInt64(count))
        }
        window.append(fact)
        count += 1
        holdings.take(fact)
        lanes.take(fact, depth: holdings.depth(of: fact.subject))
        ways.take(fact)
    }

    private mutating func close() {
        guard let first = window.first else { return }
        let packed = Self.pack(window)
        windows.append((packed, snapshot, first.event, first.time.nanoseconds))
        sizes.append(window.count)
        factsSinceSnapshot += packed.utf8.count
        window.removeAll(keepingCapacity: true)
        let next = Self.snapshot(of: holdings)
        // Snapshots take no more than a quarter of what the facts take.
        if next.utf8.count * 4 <= factsSinceSnapshot {
            snapshot = next
            factsSinceSnapshot = 0
        } else {
            snapshot = nil
        }
    }

    /// A window: how many facts, then one column after the other.
    private static func pack(_ facts: [Fact]) -> String {
        var packing = Packing()
        packing.add(UInt64(facts.count))
        packing.add(differences: facts.lazy.map(\.time.nanoseconds))
        packing.add(differences: facts.lazy.map(\.event))
        for fact in facts { packing.add(fact.event &- fact.cause) }
        for fact in facts { packing.add(UInt64(fact.kind.rawValue)) }
        for fact in facts { packing.add(UInt64(fact.node.raw &+ 1)) }
        packing.add(differences: facts.lazy.map { UInt64($0.message.raw) })
        for fact in facts { packing.add(UInt64(fact.subject.raw)) }
        for fact in facts { packing.add(UInt64(fact.peer &+ 1)) }
        for fact in facts { packing.add(UInt64(fact.variant)) }
        for fact in facts { packing.add(fact.detail) }
        return packing.text
    }

    /// What queues and clients held at a moment.
    private static func snapshot(of holdings: Holdings) -> String {
        var packing = Packing()
        packing.add(UInt64(holdings.queues.count))
        for (symbol, queue) in holdings.queues {
            packing.add(UInt64(symbol.raw))
            packing.add(UInt64(queue.nextPlace))
            packing.add(UInt64(queue.depth))
            packing.add(differences: queue.waiting.lazy.map { $0 >> 32 })
            packing.add(differences: queue.waiting.lazy.map { $0 & 0xFFFF_FFFF })
            packing.add(UInt64(queue.held.count))
            for one in queue.held {
                packing.add(UInt64(one.message))
                packing.add(UInt64(one.peer))
                packing.add(UInt64(one.place))
            }
        }
        packing.add(UInt64(holdings.masters.down.count))
        for node in holdings.masters.down.sorted() { packing.add(UInt64(node)) }
        packing.add(UInt64(holdings.masters.leaders.count))
        for (queue, node) in holdings.masters.leaders.sorted(by: { $0.key.raw < $1.key.raw }) {
            packing.add(UInt64(queue.raw))
            packing.add(UInt64(node))
        }
        packing.add(UInt64(holdings.faults.count))
        for fault in holdings.faults.sorted() { packing.add(fault) }
        packing.add(UInt64(holdings.connections.count))
        for (connection, ends) in holdings.connections.sorted(by: { $0.key < $1.key }) {
            packing.add(connection)
            packing.add(UInt64(ends.client))
            packing.add(UInt64(ends.node))
        }
        packing.add(UInt64(holdings.masters.sides.count))
        for (queue, sides) in holdings.masters.sides.sorted(by: { $0.key.raw < $1.key.raw }) {
            packing.add(UInt64(queue.raw))
            packing.add(UInt64(sides.count))
            for side in sides {
                packing.add(UInt64(side.node))
                packing.add(UInt64(max(side.depth, 0)))
                packing.add(side.isGone ? 1 : 0)
            }
        }
        return packing.text
    }

    // MARK: The page

    /// The page as HTML, with another run beside this one if there is one.
    public mutating func html(_ scene: Scene, _ comparison: SideBySide? = nil) -> String {
        close()
        let title = "\(heading.name), seed \(heading.seed)"
        var page = PageParts.text("page.html")
            .replacing("{{title}}", with: Self.escaped(title))
            .replacing("{{style}}", with: PageParts.text("page.css"))
            .replacing("{{verdicts}}", with: plainVerdicts)
        var data =
            "<script type=\"application/json\" id=\"run\">\(description(scene, comparison).text)</script>\n"
        for (number, window) in windows.enumerated() {
            data += "<script type=\"text/plain\" id=\"w\(number)\">\(window.facts)</script>\n"
            if let snapshot = window.snapshot {
                data += "<script type=\"text/plain\" id=\"s\(number)\">\(snapshot)</script>\n"
            }
        }
        data += "<script type=\"text/plain\" id=\"lanes\">\(lanes.text)</script>\n"
        var index = Packing()
        index.add(UInt64(firsts.count))
        index.add(differences: firsts)
        data += "<script type=\"text/plain\" id=\"firsts\">\(index.text)</script>\n"
        let code = PageParts.scripts.map { "// \($0)\n\(PageParts.text($0))" }.joined(
            separator: "\n"
        )
        page += data + "<script>\n\"use strict\";\n\(code)</script>\n</body>\n</html>\n"
        return page
    }

    /// The verdicts for a browser that runs no script.
    private var plainVerdicts: String {
        heading.verdicts.map { verdict in
            "<li>\(verdict.held ? "held" : "broken"): \(Self.escaped(verdict.name)): \(Self.escaped(verdict.sentence))</li>"
        }
        .joined()
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(
            "\"",
            with: "&quot;"
        )
    }

    private func description(_ scene: Scene, _ comparison: SideBySide?) -> JSONText {
        .map([
            ("name", .string(heading.name)), ("seed", .string(heading.seed)),
            ("digest", .string(heading.digest)), ("version", .string(heading.version)),
            ("complete", .bool(heading.isComplete)), ("note", .string(heading.note)),
            ("end", .number(Double(max(heading.end.nanoseconds, lastTime)))),
            ("facts", .int(count)), ("events", .int(eventCount)),
            ("lastEvent", .number(Double(lastEvent))),
            ("nodes", .list(heading.nodes.map { .string($0) })),
            (
                "names",
                .list(
                    heading.names.entries.map { .list([.string($0.kind.word), .string($0.text)]) }
                )
            ),
            (
                "kinds",
                .map(FactKind.allCases.map { ("\($0.rawValue)", .string($0.name)) })
            ),
            (
                "columns",
                .map(
                    FactKind.allCases.map { kind in
                        let columns = kind.columns
                        let words = [columns.peer.rawValue, columns.detail.rawValue]
                        return ("\(kind.rawValue)", .list(words.map { .string($0) }))
                    }
                )
            ),
            (
                "homes",
                .map(
                    holdings.masters.promoted.sorted { $0.key.raw < $1.key.raw }.map {
                        ("\($0.key.raw)", .int(Int($0.value)))
                    }
                )
            ),
            ("sentences", sentences), ("scene", scene.json),
            ("faults", .list(heading.faults.map { .string($0) })),
            ("verdicts", .list(heading.verdicts.map(Self.json))),
            (
                "windows",
                .list(
                    windows.map {
                        .list([.number(Double($0.firstEvent)), .number(Double($0.firstTime))])
                    }
                )
            ),
            ("windowStarts", .list(starts.map { .int($0) })),
            ("compare", comparison?.json ?? .null), ("marks", .list(lanes.marks.map(\.json))),
            ("deepest", .int(lanes.deepest)), ("deepestAt", .number(Double(lanes.deepestAt))),
        ])
    }

    /// The first fact of each window; windows end with an event and are not all of one size.
    private var starts: [Int] { sizes.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1) } }

    static func json(_ verdict: Verdict) -> JSONText {
        .map([
            ("name", .string(verdict.name)), ("kind", .string(verdict.kind)),
            ("sentence", .string(verdict.sentence)), ("held", .bool(verdict.held)),
            ("meant", .bool(verdict.isMeantToBreak)),
            ("time", verdict.time.map { .number(Double($0.nanoseconds)) } ?? .null),
            ("message", verdict.message.map { .string($0) } ?? .null),
            ("seen", verdict.seen.map { .string($0) } ?? .null),
        ])
    }

    /// The sentences that the facts of this run need, with places for what each says.
    private var sentences: JSONText {
        .map(
            samples.sorted { $0.key < $1.key }.map { key, fact in
                let pieces = text.pieces(fact).pieces.map { piece -> JSONText in
                    switch piece {
                    case .text(let text): .string(text)
                    case .field(let field): .list([.string(field.rawValue)])
                    }
                }
                return ("\(key)", .list(pieces))
            }
        )
    }
}
