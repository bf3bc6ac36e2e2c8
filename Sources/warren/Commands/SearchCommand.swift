import ArgumentParser
import Foundation
import WarrenBroker
import WarrenCatalog
import WarrenGateway
import WarrenLedger
import WarrenSearch
import WarrenStore
import WarrenTopology
import WarrenTrace

struct SearchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "search",
        abstract:
            "Lives a topology many times, each time differently, and shows the shortest story in which it breaks.",
        discussion: """
            Seeds, latencies, the order of what happens at the same moment, and faults about the moments \
            that matter are tried; `search:` in the file says which. What breaks an expectation is made \
            as short as it can be and written as a file that `warren run` plays. A file that expects \
            nothing should lose no confirmed message, apply no effect twice and drain its queues.

            With --results all that was seen is kept in an SQLite file: --resume goes on with it as if \
            nothing had come between, --shard 3/64 lives each 64th run, on as many machines, and \
            `warren search merge shard-*.sqlite` joins what they have seen, and tells it.

            Exit codes: 0 nothing broke, 1 something did, 2 the input is wrong, 3 Ctrl-C ended it before \
            anything broke, or something outside failed. Ctrl-C and SIGTERM lose nothing that was seen.

            Example: warren search Topologies/rabbitmq/worker-queue.yaml --runs 2000
            """
    )

    @Argument(help: "The topology file; or merge, and files of results.")
    var files: [String]

    private var merges: Bool { files.first == "merge" }

    @Option(help: "How many runs at most; 1000, or with --for as many as there is time for.")
    var runs: Int?

    @Option(name: .customLong("for"), help: "How long to search at most, such as 60s.")
    var length: String?

    @Option(help: "How many runs go on at once; as many as there are cores.")
    var jobs: Int?

    @Option(help: "The seed of the search.")
    var seed: UInt64 = 1

    @Flag(
        help: "Go on after the first thing that broke, and tell each way in which something does."
    )
    var all = false

    @Flag(
        help:
            "Leave nothing out: every order of what comes at one moment, and every fault before all that it can hit; for small worlds."
    )
    var exhaustive = false

    @Option(help: "An SQLite file for all that is seen.")
    var results: String?

    @Flag(
        help:
            "Go on with the --results of a search that was interrupted, or had fewer --runs; from the beginning if there are none."
    )
    var resume = false

    @Option(help: "Live one part of the runs, such as 3/64: the third of 64.")
    var shard: String?

    @Option(help: "The folder for what is found.")
    var out = "."

    /// How the result is printed.
    enum Format: String, ExpressibleByArgument, CaseIterable {
        case text, json, junit, github
    }

    @Option(
        name: .customLong("format"),
        help: "How to print the result: text, json, junit or github."
    )
    var shape = Format.text

    /// How errors are printed.
    private var format: OutputFormat { shape == .json ? .json : .text }

    func validate() throws {
        if merges {
            guard files.count > 1 else {
                throw ValidationError(
                    "merge needs files of results; say `warren search merge shard-*.sqlite`"
                )
            }
            if runs != nil || length != nil || resume || shard != nil || all {
                throw ValidationError(
                    "merge joins what was searched, and takes --results, --out and --format"
                )
            }
            return
        }
        if files.count != 1 {
            throw ValidationError(
                "one topology is searched at a time, and these are \(files.count) files"
            )
        }
        if let runs, runs < 1 {
            throw ValidationError("--runs \(runs) is no number of runs; say 1000")
        }
        if let jobs, !(1...1024).contains(jobs) {
            throw ValidationError("--jobs \(jobs) is no number from 1 to 1024")
        }
        if let length, Units.duration(length) == nil {
            throw ValidationError("--for \(length) is no length of time; say 60s")
        }
        if let shard, Self.shard(shard) == nil {
            throw ValidationError("--shard \(shard) is none; say 3/64 for the third of 64")
        }
        if shard != nil, length != nil, runs == nil {
            throw ValidationError("--shard needs --runs: how many all shards together live")
        }
        if exhaustive, results != nil || shard != nil {
            throw ValidationError(
                "--exhaustive goes through one small world, without --results and --shard"
            )
        }
        if resume, results == nil {
            throw ValidationError("--resume needs --results with the file to go on with")
        }
    }

    /// The third of 64 parts, for 3/64.
    private static func shard(_ text: String) -> (Int, Int)? {
        let parts = text.split(separator: "/").compactMap { Int($0) }
        guard parts.count == 2, parts[1] <= 1_000_000, parts[0] >= 1, parts[0] <= parts[1] else {
            return nil
        }
        return (parts[0], parts[1])
    }

    func run() throws {
        if merges {
            try SearchMerge(
                files: Array(files.dropFirst()),
                results: results,
                out: out,
                shape: shape
            ).run()
            return
        }
        let file = files[0]
        let writer = StoryWriter(
            try whole(Files.topology(file, format), file),
            file: file,
            out: out
        )
        var options = Search.Options()
        options.runs = runs ?? (length == nil ? 1000 : .max)
        options.seed = seed
        options.jobs = jobs ?? ProcessInfo.processInfo.activeProcessorCount
        options.stopsAtFirst = !all
        if let shard = shard.flatMap(Self.shard) { (options.shard, options.shards) = shard }
        // A shard is the same on every machine, whatever broke there before.
        let remembered = shard == nil && !exhaustive ? try writer.remembered() : []
        options.first = remembered.map(\.schedule)
        var before = Tally()
        let kept = try keep(writer, &options, &before)
        let interrupt = Interrupt.watch()
        defer { interrupt.cancel() }
        let started = ContinuousClock().now
        var bound: [String] = []
        let result =
            exhaustive
            ? try exhaust(writer, options, &bound, since: started)
            : try search(writer, options, before, kept, since: started)
        let stories = try writer.stories(of: result)
        // What a shard or a search of everything finds is the same the next time.
        let remembers = shard == nil && !exhaustive
        if remembers { try writer.remember(remembered, stories, played: options.first.count) }
        let report = SearchReport(
            writer.topology,
            file: file,
            result,
            stories,
            longRun: try writer.longRun(of: result),
            memory: result.hits.isEmpty || !remembers ? nil : writer.memory,
            results: results,
            bound: bound,
            seconds: (ContinuousClock().now - started) / .seconds(1)
        )
        try report.print(as: shape)
        if !stories.isEmpty { throw ExitCode(Failure.broken) }
        if Interrupt.happened { throw ExitCode(Failure.outside) }
    }

    private func exhaust(
        _ writer: StoryWriter,
        _ options: Search.Options,
        _ bound: inout [String],
        since started: ContinuousClock.Instant
    ) throws -> Search.Result {
        var options = options
        if runs == nil { options.runs = .max }
        let seen: Exhaustion.Result
        do throws(Simulation.Rejection) {
            seen = try Exhaustion(writer.topology, models: Catalog.models, options).run(
                isStopped: isOver(since: started),
                progress: { seen in
                    guard Console.isTerminal else { return }
                    Console.progress(
                        "\(seen.tally.rows.count) runs, \(seen.states) states with a choice · Ctrl-C ends it"
                    )
                }
            )
        } catch {
            throw try Files.rejected(error.findings, writer.topology.files, format)
        }
        if Console.isTerminal { Console.progress("") }
        bound = SearchReport.bound(of: seen)
        return Search.Result(seen.tally, of: writer.topology, each: all)
    }

    /// Whether Ctrl-C or the end of `--for` has come.
    private func isOver(since started: ContinuousClock.Instant) -> @Sendable () -> Bool {
        let limit = length.flatMap(Units.duration).map { Duration.nanoseconds(Int64($0)) }
        return {
            Interrupt.happened || limit.map { ContinuousClock().now - started > $0 } ?? false
        }
    }

    private func search(
        _ writer: StoryWriter,
        _ options: Search.Options,
        _ before: Tally,
        _ kept: ResultsFile?,
        since started: ContinuousClock.Instant
    ) throws -> Search.Result {
        let clock = ContinuousClock()
        var search = Search(writer.topology, models: Catalog.models, options)
        var saved = started
        var trouble: (any Error)?
        let result: Search.Result
        do throws(Simulation.Rejection) {
            result = try search.run(
                from: before,
                isStopped: isOver(since: started),
                progress: { tally in
                    if let kept, trouble == nil, clock.now - saved > .seconds(1) {
                        do { try kept.save(tally) } catch { trouble = error }
                        saved = clock.now
                    }
                    guard Console.isTerminal else { return }
                    Console.progress(
                        "\(tally.rows.count) runs, \(tally.situations.count) situations seen · Ctrl-C ends it"
                    )
                }
            )
        } catch {
            throw try Files.rejected(error.findings, writer.topology.files, format)
        }
        if Console.isTerminal { Console.progress("") }
        if trouble == nil {
            do { try kept?.save(result.tally) } catch { trouble = error }
        }
        if let trouble {
            let words = (trouble as? ResultsFile.Failure)?.text ?? "\(trouble)"
            throw Failure(code: Failure.outside, text: "error: \(words)")
        }
        return result
    }

    /// The file for what is seen, with what a search before this one has seen if this one goes on.
    private func keep(
        _ writer: StoryWriter,
        _ options: inout Search.Options,
        _ before: inout Tally
    ) throws -> ResultsFile? {
        guard let results else { return nil }
        let heading = ResultsFile.Heading(
            version: Simulation.version,
            path: writer.file,
            text: CaseFile(writer.topology).text,
            options
        )
        do {
            guard resume, FileManager.default.fileExists(atPath: results) else {
                return try ResultsFile(creating: results, heading, first: options.first)
            }
            let kept = try ResultsFile(opening: results)
            var asked = heading
            asked.firstCount = kept.heading.firstCount
            asked.runs = kept.heading.runs
            asked.parts = kept.heading.parts == heading.parts ? [] : kept.heading.parts
            if let reason = kept.heading.differs(from: asked) {
                throw Failure(
                    code: Failure.input,
                    text: "error: \(results) cannot be gone on with: \(reason)\n"
                        + "  try: the file, --seed and --shard that it was begun with, or another --results"
                )
            }
            options.first = try kept.first(writer.topology, read: writer.read)
            before = try kept.tally(writer.topology, read: writer.read)
            if runs == nil, length == nil { options.runs = kept.heading.runs }
            try kept.setRuns(options.runs)
            return kept
        } catch let failure as ResultsFile.Failure {
            throw Failure(code: Failure.input, text: "error: \(failure.text)")
        }
    }

    /// The topology with what it should keep, if it expects nothing.
    private func whole(_ topology: Topology, _ path: String) throws -> Topology {
        guard topology.expectations.isEmpty else { return topology }
        var file = CaseFile(topology)
        file.expectTheObvious(topology)
        guard let whole = Files.topology(of: file.text, at: path) else {
            throw Failure(
                code: Failure.outside,
                text:
                    "error: \(path) expects nothing, and what any topology should keep cannot be added: "
                    + "this is a fault of warren\n  try: an `expect:` of your own"
            )
        }
        return whole
    }
}
