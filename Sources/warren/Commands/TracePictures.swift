import ArgumentParser
import Foundation
import WarrenStore
import WarrenTrace
import WarrenView

struct TraceTimeline: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "timeline",
        abstract: "Draws depths, rates and faults along the time of a run.",
        discussion: """
            The height of a bar is a share of the most in its row, which stands at its end. ▲ marks a moment at which \
            something was done to the run, ◆ several.

            Example: warren trace timeline order-pipeline.trace.sqlite
            """
    )

    @OptionGroup var options: TraceOptions

    @Option(help: "How many columns wide; the width of the terminal, or 80.")
    var width: Int?

    @Option(help: "How many queues to draw: those that were deepest.")
    var queues = 12

    @OptionGroup var printing: StoryOptions

    func validate() throws {
        if let width, !(40...1000).contains(width) {
            throw ValidationError("--width \(width); say 40 to 1000")
        }
        guard queues >= 1 else { throw ValidationError("--queues \(queues); say 1 or more") }
    }

    func run() throws {
        let open = try OpenTrace(options)
        let columns = (width ?? Console.size.width) - Timeline.margin
        let timeline = try TraceOptions.wrap { try Timeline(open, columns: max(8, columns)) }
        if printing.format == .json { return try Console.print(Report.json(of: timeline)) }
        try Console.print(
            timeline.lines(queues, marks: printing.show).joined(separator: "\n")
        )
    }
}

/// The formats of a sequence diagram.
enum SequenceFormat: String, ExpressibleByArgument, CaseIterable {
    case text, json, mermaid, plantuml
}

struct TraceSequence: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sequence",
        abstract: "Draws what went between clients and nodes, time going down.",
        discussion: """
            With messages: what happened to them and to what followed from them, and the faults meanwhile. Without: \
            the whole run, or what is between --from and --until.

            Example: warren trace sequence m41 order-pipeline.trace.sqlite
            Example: warren trace sequence --until 100ms --format mermaid > story.mmd
            """
    )

    @Argument(help: "Messages, such as m41; and the trace file.")
    var words: [String] = []

    @Option(name: .customLong("run"), help: "Which run of the file; the last one if left out.")
    var number: Int64?

    @Option(help: "From which moment on, such as 3.2s.")
    var from: String?

    @Option(help: "Until which moment.")
    var until: String?

    @Option(help: "How many steps to draw at most.")
    var show = 200

    @Option(help: "What to write: text, json, mermaid or plantuml.")
    var format = SequenceFormat.text

    func validate() throws {
        guard (2...100_000).contains(show) else {
            throw ValidationError("--show \(show); say 2 to 100000")
        }
    }

    func run() throws {
        var words = words
        // What is no message can only be the file, and comes last.
        let file = words.last.flatMap { Self.isMessage($0) ? nil : $0 }
        if file != nil { words.removeLast() }
        let open = try OpenTrace(file, run: number)
        let messages = try words.map(OpenTrace.message)
        let (begin, end) = (try from.map(OpenTrace.moment), try until.map(OpenTrace.moment))
        if let begin, let end, end < begin {
            throw Failure(
                code: Failure.input,
                text: "error: --until \(until ?? "") is before --from \(from ?? "")"
            )
        }
        let facts = try TraceOptions.wrap {
            try Self.facts(open, messages, begin ?? .zero, end ?? .never)
        }
        var diagram = SequenceDiagram(facts, open.text, fault: open.faultWords())
        diagram.shorten(to: show)
        guard !diagram.steps.isEmpty else {
            throw Failure(
                code: Failure.input,
                text: "error: run \(open.run.number) of \(open.run.name) tells nothing of that\n"
                    + "  try: warren trace summary, which says how long it was"
            )
        }
        let text =
            switch format {
            case .text: diagram.text + "\n"
            case .mermaid: diagram.mermaid
            case .plantuml: diagram.plantUML
            case .json: Report.json(of: SequenceLines(diagram)) + "\n"
            }
        try Console.print(text, terminator: "")
    }

    private static func isMessage(_ word: String) -> Bool {
        (try? OpenTrace.message(word)) != nil
    }

    /// More facts than that are not drawn.
    private static let most = 500_000

    /// What is to be drawn, in its order.
    private static func facts(
        _ open: OpenTrace,
        _ messages: [MessageID],
        _ begin: Instant,
        _ end: Instant
    ) throws -> [Fact] {
        guard !messages.isEmpty else {
            var facts: [Fact] = []
            try open.reader.forEachFact(of: open.run, until: end) { fact in
                if fact.time >= begin, facts.count <= most { facts.append(fact) }
            }
            if facts.count > most {
                Console.error(
                    "warning: only the first \(most) facts are drawn\n  try: messages, or --from and --until"
                )
            }
            return Array(facts.prefix(most))
        }
        var all = messages
        for message in messages {
            if try open.reader.facts(of: open.run, message: message).isEmpty {
                throw StoreError.noRun("run \(open.run.number) tells nothing of m\(message.raw)")
            }
            for one in try open.reader.followers(of: message, in: open.run)
                + open.reader.replies(to: message, in: open.run) where !all.contains(one)
            {
                all.append(one)
            }
        }
        let told = try open.reader.facts(of: open.run, messages: all)
            .filter { (begin...end).contains($0.time) }
        guard let first = told.first, let last = told.last else { return [] }
        let kinds: Set<FactKind> = [
            .faultBegan, .nodeCrashed, .nodeStopped, .nodeFrozen, .nodeThawed, .nodeStarted,
            .leaderElected, .mirrorPromoted, .nodePaused, .nodeYielded, .alarmRaised,
            .alarmCleared,
        ]
        let around = try open.reader.rareFacts(of: open.run, until: last.time).filter {
            $0.time >= first.time && kinds.contains($0.kind)
        }
        // Both are in order already; what happened in one event stays so.
        return (around + told).enumerated().sorted {
            ($0.element.event, $0.offset) < ($1.element.event, $1.offset)
        }
        .map(\.element)
    }
}

/// A sequence diagram as JSON says it; the shape is stable: keys are added, never renamed.
private struct SequenceLines: Encodable {
    struct Step: Encodable {
        var time_ns: UInt64
        /// arrow, note or band.
        var kind: String
        /// Lifelines, as places in the list; null where there is none.
        @OrNull var from: Int?
        @OrNull var to: Int?
        var label: String
    }

    let lifelines: [String]
    let steps: [Step]

    init(_ diagram: SequenceDiagram) {
        lifelines = diagram.lifelines
        steps = diagram.steps.map { time, step in
            switch step {
            case .arrow(let from, let to, let label):
                Step(time_ns: time.nanoseconds, kind: "arrow", from: from, to: to, label: label)
            case .note(let place, let label):
                Step(time_ns: time.nanoseconds, kind: "note", from: place, to: nil, label: label)
            case .band(let label):
                Step(time_ns: time.nanoseconds, kind: "band", from: nil, to: nil, label: label)
            }
        }
    }
}
