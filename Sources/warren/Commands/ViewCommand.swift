import ArgumentParser
import Foundation
import WarrenCatalog
import WarrenStore
import WarrenTopology
import WarrenTrace
import WarrenView

struct ViewCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "view",
        abstract: "Makes one page of a recorded run, to be wound back and forth in any browser.",
        discussion: """
            The page is one file that needs no network: it can be sent to a colleague, and its address \
            holds the moment that is looked at. Payloads are not in it.

            Exit codes: 0 the page is written, 2 the trace is none, 3 the page cannot be written.

            Example: warren view order-pipeline.trace.sqlite -o order-pipeline.html
            """
    )

    @OptionGroup var trace: TraceOptions

    @Option(help: "Another trace, to be shown beside the first with all in which they differ.")
    var compare: String?

    @Option(name: [.short, .customLong("output")], help: "The page; NAME.html if left out.")
    var output: String?

    func run() throws {
        let reader = try trace.open()
        let run = try TraceOptions.wrap { try reader.run(trace.run) }
        let path = output ?? Self.path(of: run.name)
        let bytes = try Self.write(reader, run, nil, beside: try compare.map(Self.other), to: path)
        try Console.print("\(path)  \(Self.size(bytes)); open it in a browser")
    }

    /// A trace to be held beside the first.
    private static func other(_ path: String) throws -> (TraceReader, TraceReader.Run) {
        var options = TraceOptions()
        options.file = path
        let reader = try options.open()
        return (reader, try TraceOptions.wrap { try reader.run(nil) })
    }

    static func path(of name: String) -> String {
        Recorder.defaultPath(name).replacing(".trace.sqlite", with: ".html")
    }

    private static func size(_ bytes: Int) -> String {
        bytes < 1_000_000
            ? "\(bytes / 1000) kB" : String(format: "%.1f MB", Double(bytes) / 1e6)
    }

    /// What the page wants to know of the summary.
    private struct Summary: Decodable {
        struct First: Decodable {
            var time_ns: UInt64
            var message: String?
            var seen: String
        }

        struct Expectation: Decodable {
            var name, kind, sentence: String
            var held, meant_to_break: Bool
            var first: First?
        }

        var expectations: [Expectation]
        var stopped: String?
    }

    /// Writes the page of a run.
    ///
    /// The topology is that of the trace, unless it is known better.
    ///
    /// - Returns: how many bytes it has.
    /// - Throws: ``Failure`` if the trace cannot be read, or the page cannot be written.
    static func write(
        _ reader: TraceReader,
        _ run: TraceReader.Run,
        _ topology: Topology?,
        beside other: (reader: TraceReader, run: TraceReader.Run)? = nil,
        to path: String
    ) throws -> Int {
        let topology = topology ?? Files.topology(of: run)
        let heading = try heading(reader, run, topology)
        var page = RunPage(heading)
        var facts: [Fact] = []
        try TraceOptions.wrap {
            try reader.forEachFact(of: run) { fact in
                page.take(fact)
                if other != nil { facts.append(fact) }
            }
        }
        var comparison: SideBySide?
        if let other {
            var theirs: [Fact] = []
            try TraceOptions.wrap {
                try other.reader.forEachFact(of: other.run) { theirs.append($0) }
            }
            let second = Files.topology(of: other.run)
            comparison = SideBySide(
                SideBySide.Side(heading, topology: run.topology, facts: facts),
                SideBySide.Side(
                    try Self.heading(other.reader, other.run, second),
                    topology: other.run.topology,
                    facts: theirs
                )
            )
        }
        let scene = SceneDraft(topology, heading.names, heading.nodes, page.waysTaken).scene
        let html = Data(page.html(scene, comparison).utf8)
        do { try html.write(to: URL(fileURLWithPath: path)) } catch {
            throw Failure(
                code: Failure.outside,
                text:
                    "error: \(path) cannot be written: \(SystemReason.words(for: errno))\n  try: -o with a folder that is there"
            )
        }
        return html.count
    }

    /// What a trace knows of a run beside its facts.
    private static func heading(
        _ reader: TraceReader,
        _ run: TraceReader.Run,
        _ topology: Topology?
    ) throws -> RunPage.Heading {
        let summary = run.summary.flatMap {
            try? JSONDecoder().decode(Summary.self, from: Data($0.utf8))
        }
        let names = try TraceOptions.wrap { try reader.names(of: run) }
        let nodes = try TraceOptions.wrap { try reader.nodes(of: run) }
        return RunPage.Heading(
            name: run.name,
            seed: run.seed,
            digest: run.digest ?? "",
            version: run.version,
            isComplete: run.complete,
            end: Instant(nanoseconds: run.simulated),
            note: summary?.stopped ?? "",
            names: names,
            nodes: nodes,
            verdicts: (summary?.expectations ?? []).map { one in
                RunPage.Verdict(
                    name: one.name,
                    kind: one.kind,
                    sentence: one.sentence,
                    held: one.held,
                    isMeantToBreak: one.meant_to_break,
                    time: one.first.map { Instant(nanoseconds: $0.time_ns) },
                    message: one.first?.message,
                    seen: one.first?.seen
                )
            },
            faults: topology?.faults.map(\.words) ?? []
        )
    }
}
