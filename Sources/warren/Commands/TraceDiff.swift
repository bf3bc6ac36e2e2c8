import ArgumentParser
import WarrenCatalog
import WarrenGateway
import WarrenStore
import WarrenTopology
import WarrenTrace
import WarrenView

struct TraceDiff: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Says what differs between two runs.",
        discussion: """
            Of two runs of the model: what differs in their files, what came of them, and the first fact that is not the \
            same. If one is of a real broker: what became of each message in both, as `warren replay` says it. The \
            last run of each file is taken, unless --runs names two.

            Exit codes: 0 nothing differs, or only races; 1 something does; 2 the input is wrong.

            Example: warren trace diff charged-twice.trace.sqlite charged-twice-mended.trace.sqlite
            Example: warren trace diff worker-queue.trace.sqlite worker-queue.real.trace.sqlite
            """
    )

    @Argument(help: "A trace.")
    var model: String

    @Argument(help: "The trace of another run; the same file if left out, with --runs.")
    var real: String?

    @Option(help: "Which runs, such as 1,2: of the two files, or of the one.")
    var runs: String?

    @Flag(help: "Compare what became of each message, although both are of the model.")
    var fates = false

    @Option(help: "How to print: text or json.")
    var format = OutputFormat.text

    @Option(help: "How many differences to print.")
    var show = 20

    func validate() throws {
        guard show >= 0 else { throw ValidationError("--show \(show); say 0 or more") }
        if let runs, numbers(runs) == nil {
            throw ValidationError("--runs '\(runs)'; write two numbers, such as 1,2")
        }
        if real == nil, runs == nil {
            throw ValidationError("name two traces, or two runs of one: --runs 1,2")
        }
    }

    private func numbers(_ text: String) -> [Int64]? {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        let found = parts.compactMap { Int64($0) }
        return parts.count == 2 && found.count == 2 ? found : nil
    }

    func run() throws {
        let which = runs.flatMap(numbers)
        let one = try open(model, which?[0])
        let other = try open(real ?? model, which?[1])
        let isReal = [one, other].contains { $0.run.schedule.hasPrefix("real") }
        if isReal || fates { return try compareFates(one, other) }
        let difference = try TraceOptions.wrap { try RunDifference(one, other) }
        try Console.print(
            format == .json
                ? Report.json(of: difference) : difference.lines(show).joined(separator: "\n")
        )
        if !difference.isNone { throw ExitCode(Failure.broken) }
    }

    private func open(_ path: String, _ run: Int64?) throws -> OpenTrace {
        if let reason = Files.obstacle(path) {
            throw Failure(
                code: Failure.input,
                text: "error: the trace \(path) cannot be read: \(reason)\n"
                    + "  try: warren run FILE and warren replay FILE, which write one each"
            )
        }
        return try OpenTrace(path, run: run)
    }

    /// A run as the comparison sees it.
    private struct Side {
        var run: TraceReader.Run
        var fates: MessageFates
        var nodes: [String]
    }

    private func side(_ open: OpenTrace) throws -> Side {
        var fates = MessageFates()
        try TraceOptions.wrap {
            try open.reader.forEachFact(of: open.run) { fact in
                fates.take(fact, open.names) { open.text.node($0) }
            }
        }
        return Side(run: open.run, fates: fates, nodes: open.nodes)
    }

    private func compareFates(_ left: OpenTrace, _ right: OpenTrace) throws {
        guard left.run.topology == right.run.topology, left.nodes == right.nodes else {
            throw Failure(
                code: Failure.input,
                text: "error: \(model) and \(real ?? model) hold runs of different topologies: "
                    + "'\(left.run.name)' and '\(right.run.name)'\n  try: two runs of one file"
            )
        }
        let (one, other) = (try side(left), try side(right))
        if one.run.seed != other.run.seed {
            Console.error("warning: the seeds differ: \(one.run.seed) and \(other.run.seed)")
        }
        let topology = left.topology
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
