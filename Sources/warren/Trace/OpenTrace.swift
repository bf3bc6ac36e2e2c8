import WarrenStore
import WarrenTopology
import WarrenTrace
import WarrenView

/// A run of a trace, with its words.
struct OpenTrace {
    let reader: TraceReader
    let run: TraceReader.Run
    let names: Names
    let nodes: [String]
    let text: FactText

    init(_ options: TraceOptions) throws { try self.init(options.file, run: options.run) }

    /// Opens a run of a file; the newest file and its last run, if none are named.
    init(_ file: String?, run number: Int64?) throws {
        let reader = try TraceOptions.open(file)
        self.reader = reader
        let (run, names, nodes) = try TraceOptions.wrap {
            let run = try reader.run(number)
            return (run, try reader.names(of: run), try reader.nodes(of: run))
        }
        (self.run, self.names, self.nodes) = (run, names, nodes)
        text = FactText(names: names, nodes: nodes)
    }

    /// The topology of the run; nil if it cannot be read any more.
    var topology: Topology? {
        if let known = read.topology { return known }
        let made = Files.topology(of: run)
        read.topology = .some(made)
        return made
    }

    /// What was read once.
    private final class Read { var topology: Topology?? }
    private let read = Read()

    /// What a fault of the timeline does, in words.
    func faultWords() -> (Fact) -> String {
        let faults = topology?.faults ?? []
        return { fact in
            Int(fact.detail) < faults.count
                ? faults[Int(fact.detail)].words : "fault \(fact.detail + 1)"
        }
    }

    /// What a node can be.
    enum Role: String {
        case client, node
        var words: String { self == .client ? "a client" : "a node of a broker" }
    }

    /// What a node is: by the topology, or, where that cannot be read, by whether connections are opened to it.
    private func role(of name: String, _ servers: Set<String>) -> Role {
        guard let topology else { return servers.contains(name) ? .node : .client }
        let isServer = topology.brokers.contains { broker in
            name == broker.name || name.hasPrefix(broker.name + "/")
        }
        return isServer ? .node : .client
    }

    /// The nodes that a name means: one of that name, all instances of a client, all nodes of a broker.
    ///
    /// - Throws: ``Failure``, with what it may have meant.
    func nodes(named name: String, as role: Role) throws -> [NodeID] {
        let facts = topology == nil ? try TraceOptions.wrap { try reader.rareFacts(of: run) } : []
        let servers = Set(
            facts.filter { $0.kind == .connectionOpened }.map { text.node($0.node.raw) }
        )
        let named = nodes.indices.filter { index in
            nodes[index] == name || nodes[index].hasPrefix(name + "#")
                || nodes[index].hasPrefix(name + "/") || nodes[index].hasSuffix("/" + name)
        }
        let found = named.filter { self.role(of: nodes[$0], servers) == role }
        if !found.isEmpty { return found.map { NodeID(UInt32($0)) } }
        if let other = named.first.map({ self.role(of: nodes[$0], servers) }) {
            throw Failure(
                code: Failure.input,
                text: "error: '\(name)' is \(other.words)\n"
                    + "  try: warren trace \(other.rawValue) \(name)"
            )
        }
        let known = nodes.filter { self.role(of: $0, servers) == role }
        throw Failure(
            code: Failure.input,
            text: "error: run \(run.number) of \(run.name) has no \(role.rawValue) '\(name)'; "
                + DidYouMean.hint(name, in: known)
        )
    }

    /// A name of the run; nil if it came up later than a run that was killed wrote its names.
    func entry(of symbol: Symbol) -> Names.Entry? {
        Int(symbol.raw) < names.entries.count ? names.entries[Int(symbol.raw)] : nil
    }

    /// What messages wait in under a name: queues, and the buffers of subscribers, which bear their names.
    ///
    /// - Throws: ``Failure``, with what it may have meant.
    func queue(named name: String) throws -> [Symbol] {
        let buffers = Set(
            try TraceOptions.wrap { try reader.sums(of: run) }
                .filter { $0.key.kind == .messageRouted || $0.key.kind == .messageDropped }
                .map(\.key.subject)
        )
        var known: [String] = []
        var found: [Symbol] = []
        for (number, entry) in names.entries.enumerated() {
            let symbol = Symbol(UInt32(number))
            guard entry.kind == .queue || buffers.contains(symbol) else { continue }
            known.append(entry.text)
            if entry.text == name { found.append(symbol) }
        }
        if !found.isEmpty { return found }
        throw Failure(
            code: Failure.input,
            text: "error: run \(run.number) of \(run.name) has no queue '\(name)'; "
                + DidYouMean.hint(name, in: known.filter { !$0.hasPrefix("amq.gen-") })
        )
    }

    /// The number of a message that somebody wrote.
    ///
    /// - Throws: ``Failure`` if it is none.
    static func message(_ text: String) throws -> MessageID {
        let digits = text.hasPrefix("m") ? String(text.dropFirst()) : text
        guard digits.allSatisfy({ $0.isASCII && $0.isNumber }), let number = UInt32(digits),
            number > 0
        else {
            throw Failure(
                code: Failure.input,
                text: "error: '\(text)' is not a message; messages are written m1, m2, …"
            )
        }
        return MessageID(number)
    }

    /// A moment that somebody wrote.
    ///
    /// - Throws: ``Failure`` if it is none.
    static func moment(_ text: String) throws -> Instant {
        if text == "0" { return .zero }
        guard let nanoseconds = Units.duration(text) else {
            throw Failure(
                code: Failure.input,
                text: "error: '\(text)' is not a moment; write one such as 3.2s or 250ms"
            )
        }
        return nanoseconds < 0x1p63 ? Instant(nanoseconds: UInt64(nanoseconds)) : .never
    }
}

/// Something of a story, as JSON says it; the shape is stable: keys are added, never renamed.
struct StoryLine: Encodable {
    var time_ns: UInt64
    var sentence: String
    /// The event in which it happened, and the one that caused it; null for what no fact says.
    @OrNull var event: UInt64?
    @OrNull var cause: UInt64?
    @OrNull var message: String?

    init(_ fact: Fact, _ sentence: String) {
        time_ns = fact.time.nanoseconds
        self.sentence = sentence
        event = fact.event
        cause = fact.cause
        message = fact.message == .none ? nil : "m\(fact.message.raw)"
    }

    init(_ time: Instant, _ sentence: String) {
        time_ns = time.nanoseconds
        self.sentence = sentence
    }

    /// With the moment before it, set to the right of 11 columns.
    var text: String {
        let time = FactText.time(Instant(nanoseconds: time_ns))
        return String(repeating: " ", count: max(0, 11 - time.count)) + time + "  " + sentence
    }
}

extension [StoryLine] {
    /// The lines, without the middle of more than `most`.
    func texts(_ most: Int) -> [String] {
        guard count > most else { return map(\.text) }
        let head = most - most / 2
        let gap = Console.quiet("             … \(count - most) more; --show \(count) prints them")
        return prefix(head).map(\.text) + [gap] + suffix(most / 2).map(\.text)
    }
}
