import ArgumentParser
import Foundation
import TextTable
import WarrenLedger
import WarrenStore
import WarrenTopology
import WarrenTrace
import WarrenView

struct TraceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace",
        abstract: "Looks into a recorded run.",
        discussion: "Example: warren trace message m41 order-pipeline.trace.sqlite",
        subcommands: [
            TraceSummary.self, TraceMessage.self, TraceWhy.self, TraceClient.self, TraceQueue.self,
            TraceNode.self,
            TraceAt.self, TraceTimeline.self, TraceSequence.self, TraceSQL.self, TraceExport.self,
            TraceDiff.self,
        ],
        defaultSubcommand: TraceSummary.self
    )
}

/// What every look into a trace needs: the file and the run.
struct TraceOptions: ParsableArguments {
    @Argument(help: "The trace file; the newest *.trace.sqlite in this folder if left out.")
    var file: String?

    @Option(help: "Which run of the file; the last one if left out.")
    var run: Int64?

    /// Opens the trace, or says why it cannot be.
    func open() throws -> TraceReader { try Self.open(file) }

    /// Opens a trace, the newest one if none is named, or says why it cannot be.
    static func open(_ file: String?) throws -> TraceReader {
        let path = try file ?? newest()
        if let reason = Files.obstacle(path) {
            throw Failure(
                code: Failure.input,
                text: "error: the trace \(path) cannot be read: \(reason)\n"
                    + "  try: warren run FILE, which writes one"
            )
        }
        return try wrap { try TraceReader(path: path) }
    }

    private static func newest() throws -> String {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: ".")) ?? []
        let traces = names.filter { $0.hasSuffix(".trace.sqlite") }.sorted()
        let dated = traces.map { name -> (String, Date) in
            let attributes = try? FileManager.default.attributesOfItem(atPath: name)
            return (name, attributes?[.modificationDate] as? Date ?? .distantPast)
        }
        guard let newest = dated.max(by: { $0.1 < $1.1 }) else {
            throw Failure(
                code: Failure.input,
                text:
                    "error: no trace in this folder\n  try: warren run FILE, or name the trace file"
            )
        }
        return newest.0
    }

    /// Turns an error of the store into a sentence and a code.
    static func wrap<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as StoreError {
            throw Failure(code: code(of: error), text: "error: \(error)")
        }
    }

    /// Whether an error of the store lies in what was asked for, or outside.
    static func code(of error: any Error) -> Int32 {
        switch error as? StoreError {
        case .badSQL, .noRun, .notATrace: Failure.input
        case .cannotOpen, .cannotWrite, .busy, .fromTheFuture, nil: Failure.outside
        }
    }
}

struct TraceSummary: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "summary",
        abstract: "Says which runs a trace holds and how the last one ended.",
        discussion: "Example: warren trace summary order-pipeline.trace.sqlite"
    )

    @OptionGroup var options: TraceOptions

    @Option(help: "How to print: text or json.")
    var format = OutputFormat.text

    func run() throws {
        let reader = try options.open()
        let runs = try TraceOptions.wrap { try reader.runs() }
        let run = try TraceOptions.wrap { try reader.run(options.run) }
        if format == .json {
            try Console.print(run.summary ?? "{\"complete\": false, \"events\": \(run.events)}")
            return
        }
        for one in runs {
            let length = FactText.length(Interval(nanoseconds: one.simulated))
            let facts = one.rows.map { $0.upperBound - $0.lowerBound + 1 } ?? 0
            let state = one.complete ? "complete" : "incomplete"
            try Console.print(
                "run \(one.number)  \(one.name)  seed \(one.seed)  \(length)  \(one.events) events  "
                    + "\(facts) facts  \(state)  digest \(one.digest ?? "none")"
            )
        }
        let totals = try Totals(reader, run)
        try Console.print("")
        let source = run.complete ? "as it added up" : "as its facts tell it"
        try Console.print("run \(run.number), \(source):")
        try Console.print(
            "\(totals.published) published · \(totals.confirmed) confirmed · \(totals.routed_copies) copies · "
                + "\(totals.delivered) deliveries, \(totals.redelivered) redelivered · \(totals.acked) acked · "
                + "\(totals.dead_lettered) dead-lettered · \(totals.dropped) dropped · \(totals.remaining) remaining"
        )
        if totals.lost > 0 {
            try Console.print(
                "lost: \(totals.lost) confirmed messages of which no copy is anywhere; the first is "
                    + (totals.first_lost ?? "unknown")
            )
        }
        if !run.complete {
            try Console.print(
                "The run did not come to its end: this is what was written until then."
            )
        }
    }
}

/// What the facts of a run add up to: as its writer summed them up, if it came to its end; else they are read.
private struct Totals: Decodable {
    var published, confirmed, routed_copies, delivered, redelivered, acked, dead_lettered, dropped,
        remaining, lost: UInt64
    var first_lost: String?

    private struct Summary: Decodable { var messages: Totals }

    init(_ reader: TraceReader, _ run: TraceReader.Run) throws {
        if run.complete, let text = run.summary,
            let summary = try? JSONDecoder().decode(Summary.self, from: Data(text.utf8))
        {
            self = summary.messages
            return
        }
        var ledger = Ledger()
        try TraceOptions.wrap { try reader.forEachFact(of: run) { ledger.take($0) } }
        let totals = ledger.totals
        published = totals.published
        confirmed = totals.confirmed
        routed_copies = totals.routedCopies
        delivered = totals.delivered
        redelivered = totals.redelivered
        acked = totals.acked
        dead_lettered = totals.deadLettered
        dropped = totals.dropped
        remaining = ledger.remaining
        lost = ledger.lost
        first_lost = ledger.lost > 0 ? "m\(ledger.firstLost.raw)" : nil
    }
}

struct TraceMessage: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "message",
        abstract: "Tells the whole life of a message.",
        discussion: "Example: warren trace message m41 order-pipeline.trace.sqlite"
    )

    @Argument(help: "The message, such as m41.")
    var message: String

    @OptionGroup var options: TraceOptions

    @Option(help: "How to print: text or json.")
    var format = OutputFormat.text

    func run() throws {
        let number = try OpenTrace.message(message)
        let open = try OpenTrace(options)
        let (reader, run) = (open.reader, open.run)
        try TraceOptions.wrap {
            let messages = try [number] + reader.followers(of: number, in: run)
            let facts = try reader.facts(of: run, messages: messages)
            guard !facts.isEmpty else {
                throw StoreError.noRun("run \(run.number) tells nothing of m\(number.raw)")
            }
            var story = try MessageStory(messages, facts, open.text, reader, run)
            story.request = try reader.request(of: number, in: run)
            story.replies = try reader.replies(to: number, in: run)
            if format == .json { return try Console.print(story.json(number)) }
            try Console.print("m\(number.raw) in run \(run.number) of \(run.name):")
            for line in story.lines { try Console.print(line) }
        }
    }
}

struct TraceAt: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "at",
        abstract: "Shows what every queue held at a moment.",
        discussion: "Example: warren trace at 3.2s order-pipeline.trace.sqlite"
    )

    @Argument(help: "The moment, such as 3.2s or 250ms.")
    var time: String

    @OptionGroup var options: TraceOptions

    @Option(help: "How to print: text or json.")
    var format = OutputFormat.text

    func run() throws {
        let moment = try OpenTrace.moment(time)
        let open = try OpenTrace(options)
        let names = open.names
        let state = try TraceOptions.wrap { try open.reader.state(of: open.run, at: moment) }
        if format == .json {
            return try Console.print(Report.json(of: StateLines(state, moment, open)))
        }
        try Console.print("at \(FactText.time(moment)):")
        let table = TextTable<RunState.Queue> { account in
            [
                Column(title: "queue", value: names[account.symbol]),
                Column(title: "depth", value: Self.depth(account), align: .right),
                Column(title: "unacked", value: account.unacked, align: .right),
                Column(
                    title: "acknowledged, not yet worked on",
                    value: account.transit,
                    align: .right
                ),
                Column(title: "delivered", value: account.delivered, align: .right),
            ]
        }
        try Console.print(
            table.string(for: state.queues, style: Style.plain) ?? "no queue was there yet"
        )
        for account in state.queues where !account.sides.isEmpty {
            let sides = account.sides.map { "\(open.text.node($0.node.raw)) has \($0.depth)" }
            try Console.print("\(names[account.symbol]): \(sides.joined(separator: ", "))")
        }
        try Console.print(
            "\(state.published) published, \(state.acked) acknowledged, \(state.dropped) dropped until then"
        )
    }

    /// What is ready in a queue, by side where it has several masters.
    private static func depth(_ queue: RunState.Queue) -> String {
        queue.sides.isEmpty
            ? "\(queue.depth)" : queue.sides.map { "\($0.depth)" }.joined(separator: " + ")
    }
}

/// What queues held, as JSON says it; the shape is stable: keys are added, never renamed.
private struct StateLines: Encodable {
    struct Queue: Encodable {
        var name: String
        var ready, unacknowledged, settled_unworked, delivered: UInt64
        /// Of a queue with several masters: what each of them has of what is ready.
        var sides: [Report.SideLine]?
    }

    let time_ns, published, acknowledged, dropped: UInt64
    let queues: [Queue]

    init(_ state: RunState, _ moment: Instant, _ open: OpenTrace) {
        time_ns = moment.nanoseconds
        published = state.published
        acknowledged = state.acked
        dropped = state.dropped
        queues = state.queues.map {
            Queue(
                name: open.names[$0.symbol],
                ready: $0.depth,
                unacknowledged: $0.unacked,
                settled_unworked: $0.transit,
                delivered: $0.delivered,
                sides: $0.sides.isEmpty
                    ? nil
                    : $0.sides.map {
                        Report.SideLine(node: open.text.node($0.node.raw), depth: $0.depth)
                    }
            )
        }
    }
}

struct TraceSQL: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sql",
        abstract: "Asks a trace a question in SQL.",
        discussion: """
            Views: facts, messages, deliveries, queue_depths, faults, sums, slices, runs.

            Example: warren trace sql "SELECT message, deliveries FROM messages WHERE redeliveries > 0"
            """
    )

    @Argument(help: "A SELECT statement.")
    var statement: String

    @OptionGroup var options: TraceOptions

    @Option(help: "How to print: text, with a tab between columns, or json.")
    var format = OutputFormat.text

    func run() throws {
        let reader = try options.open()
        let table = try TraceOptions.wrap { try reader.query(statement) }
        if table.isCut {
            Console.error(
                "warning: more than \(table.rows.count) rows; the rest is left out\n"
                    + "  try: LIMIT and OFFSET, or warren trace export"
            )
        }
        if format == .json { return try Console.print(json(table)) }
        try Console.print(table.columns.joined(separator: "\t"))
        for row in table.rows { try Console.print(row.map(\.text).joined(separator: "\t")) }
    }

    /// A list of objects, one for each row, with the columns in their order.
    private func json(_ table: TraceReader.Table) -> String {
        let rows = table.rows.map { row in
            let fields = zip(table.columns, row).map { name, value in
                "\(JSONQuoting.quoted(name)): \(value.json)"
            }
            return "  {" + fields.joined(separator: ", ") + "}"
        }
        return rows.isEmpty ? "[]" : "[\n" + rows.joined(separator: ",\n") + "\n]"
    }
}
