import ArgumentParser
import WarrenCatalog
import WarrenGateway
import WarrenStore
import WarrenTopology
import WarrenTrace

struct TraceDiff: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Compares two runs of one scenario: what the model said and what the broker did.",
        discussion: """
            The last run of each file is taken. Exit code 1 if there is a divergence.

            Example: warren trace diff worker-queue.trace.sqlite worker-queue.real.trace.sqlite
            """
    )

    @Argument(help: "The trace of `warren run`.")
    var model: String

    @Argument(help: "The trace of `warren replay`, or of another run.")
    var real: String

    @Option(help: "How to print: text or json.")
    var format = OutputFormat.text

    @Option(help: "How many differences to print.")
    var show = 20

    func validate() throws {
        guard show >= 0 else { throw ValidationError("--show \(show); say 0 or more") }
    }

    /// A run as the comparison sees it.
    private struct Side {
        var run: TraceReader.Run
        var fates: MessageFates
        var nodes: [String]
    }

    private func side(_ path: String) throws -> Side {
        if let reason = Files.obstacle(path) {
            throw Failure(
                code: Failure.input,
                text: "error: the trace \(path) cannot be read: \(reason)\n"
                    + "  try: warren run FILE and warren replay FILE, which write one each"
            )
        }
        return try TraceOptions.wrap {
            let reader = try TraceReader(path: path)
            let run = try reader.run(nil)
            let names = try reader.names(of: run)
            let nodes = try reader.nodes(of: run)
            var fates = MessageFates()
            try reader.forEachFact(of: run) { fact in
                fates.take(fact, names) { node in
                    Int(node) < nodes.count ? nodes[Int(node)] : "node \(node)"
                }
            }
            return Side(run: run, fates: fates, nodes: nodes)
        }
    }

    func run() throws {
        let (one, other) = (try side(model), try side(real))
        guard one.run.topology == other.run.topology, one.nodes == other.nodes else {
            throw Failure(
                code: Failure.input,
                text: "error: \(model) and \(real) hold runs of different topologies: "
                    + "'\(one.run.name)' and '\(other.run.name)'\n  try: two runs of one file"
            )
        }
        if one.run.seed != other.run.seed {
            Console.error("warning: the seeds differ: \(one.run.seed) and \(other.run.seed)")
        }
        let topology = TopologyReader.read(one.run.name, vocabularies: Catalog.vocabularies) {
            _ throws(ReadFailure) in Array(one.run.topology.utf8)
        }.topology
        if topology == nil {
            Console.error(
                "warning: the topology of the runs cannot be read alone; what its limits leave to the moment is taken for a divergence"
            )
        }
        let comparison = Comparison(
            model: one.fates,
            broker: other.fates,
            leeway: topology.map { Leeway(of: $0) } ?? Leeway(),
            name: { Int($0) < one.nodes.count ? one.nodes[Int($0)] : "node \($0)" }
        )
        let lines = Differences(comparison, shown: show)
        try Console.print(format == .json ? Report.json(of: lines) : lines.text)
        if comparison.count(.divergence) > 0 { throw ExitCode(Failure.broken) }
    }
}

/// What differs between two runs, as JSON says it.
struct Differences: Encodable, Sendable {
    struct Line: Encodable, Sendable {
        var kind, subject, model, broker: String
        @OrNull var why: String?
    }

    let compared: Int
    let divergences, races, known: Int
    let differences: [Line]
    private let shown: Int

    private enum CodingKeys: String, CodingKey {
        case compared, divergences, races, known, differences
    }

    init(_ comparison: Comparison, shown: Int) {
        compared = comparison.messages
        divergences = comparison.count(.divergence)
        races = comparison.count(.race)
        known = comparison.count(.known)
        differences = comparison.differences.map {
            Line(
                kind: $0.kind.rawValue,
                subject: $0.subject,
                model: $0.model,
                broker: $0.broker,
                why: $0.why
            )
        }
        self.shown = shown
    }

    /// For people: the differences, divergences first, and the verdict.
    var text: String {
        var lines: [String] = []
        for one in differences.prefix(shown) {
            let word = one.kind == "divergence" ? Console.bad(one.kind) : one.kind
            lines.append("\(word)  \(one.subject)")
            lines.append("    model said  \(one.model)")
            lines.append("    broker did  \(one.broker)")
            if let why = one.why { lines.append("    why         \(why)") }
        }
        if differences.count > shown {
            let count = differences.count
            lines.append("… and \(count - shown) more; --show \(count) prints them")
        }
        if !differences.isEmpty { lines.append("") }
        func count(_ number: Int, _ word: String) -> String {
            "\(number) \(word)\(number == 1 ? "" : "s")"
        }
        let verdict =
            divergences == 0
            ? Console.good("no divergence") : Console.bad(count(divergences, "divergence"))
        lines.append(
            "\(verdict) in \(count(compared, "message")); \(count(races, "race")), \(known) known"
        )
        return lines.joined(separator: "\n")
    }
}
