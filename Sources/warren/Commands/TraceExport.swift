import ArgumentParser
import Foundation
import Glibc
import WarrenStore
import WarrenTopology
import WarrenTrace
import WarrenView

/// The formats of an export.
enum ExportFormat: String, ExpressibleByArgument, CaseIterable {
    case jsonl, csv, shiviz, perfetto, otlp
}

struct TraceExport: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Writes every fact of a run in a form that another tool opens.",
        discussion: """
            jsonl     one JSON object to a line, for jq, DuckDB or a program of your own
            csv       a table, for a spreadsheet
            shiviz    a log with vector clocks, for ShiViz
            perfetto  Chrome's trace events as JSON, for ui.perfetto.dev
            otlp      spans of OpenTelemetry as JSON, one request to a line, for a collector or Jaeger

            Example: warren trace export --format csv order-pipeline.trace.sqlite > facts.csv
            Example: warren trace export --format perfetto -o run.json
            """
    )

    @OptionGroup var options: TraceOptions

    @Option(help: "jsonl, csv, shiviz, perfetto or otlp.")
    var format = ExportFormat.jsonl

    @Option(name: .shortAndLong, help: "Where to write it; standard output if left out.")
    var output: String?

    func run() throws {
        let open = try OpenTrace(options)
        var export = Self.export(format, of: open)
        let sink = try Sink(output)
        var text = export.begin()
        var number = 0
        try TraceOptions.wrap {
            try open.reader.forEachFact(of: open.run) { fact in
                number += 1
                export.add(fact, number: number, to: &text)
                if text.utf8.count > 1 << 16 {
                    try sink.write(text)
                    text = ""
                }
            }
        }
        try sink.write(text + export.end())
    }

    private static func export(_ format: ExportFormat, of open: OpenTrace) -> any FactExport {
        let faults = open.topology?.faults.map(\.words) ?? []
        let heading = ExportHeading(
            names: open.names,
            nodes: open.nodes,
            topology: open.run.name,
            seed: open.run.seed
        ) { fact in
            Int(fact.detail) < faults.count ? faults[Int(fact.detail)] : "it begins"
        }
        switch format {
        case .jsonl: return JSONLinesExport(heading)
        case .csv: return CSVExport(heading)
        case .shiviz: return ShiVizExport(heading)
        case .perfetto: return PerfettoExport(heading)
        case .otlp:
            let systems = systems(of: open)
            return OpenTelemetryExport(heading) { node in
                Int(node) < systems.count ? systems[Int(node)] : "warren"
            }
        }
    }

    /// The kind of broker that each node is or speaks to, in the words of the semantic conventions.
    private static func systems(of open: OpenTrace) -> [String] {
        guard let topology = open.topology else {
            return open.nodes.map { _ in "warren" }
        }
        return open.nodes.map { node in
            let client = topology.clients.first { node == $0.name || node.hasPrefix($0.name + "#") }
            let broker = topology.brokers.first { one in
                client.map { $0.broker == one.name }
                    ?? (node == one.name || node.hasPrefix(one.name + "/"))
            }
            return broker?.kind ?? topology.brokers.first?.kind ?? "warren"
        }
    }

    /// Where an export goes.
    private struct Sink {
        private let file: FileHandle?
        private let path: String

        init(_ path: String?) throws {
            self.path = path ?? ""
            guard let path else {
                file = nil
                return
            }
            let handle = Glibc.open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
            guard handle >= 0 else {
                throw Failure(
                    code: Failure.outside,
                    text: "error: \(path) cannot be written: \(SystemReason.words(for: errno))\n"
                        + "  try: -o with a folder that is there"
                )
            }
            file = FileHandle(fileDescriptor: handle, closeOnDealloc: true)
        }

        func write(_ text: String) throws {
            guard let file else { return try Console.print(text, terminator: "") }
            do { try file.write(contentsOf: Data(text.utf8)) } catch {
                throw Failure(
                    code: Failure.outside,
                    text: "error: \(path) cannot be written: \(SystemReason.words(for: errno))"
                )
            }
        }
    }
}
