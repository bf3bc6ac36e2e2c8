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

            Exit codes: 0 nothing broke, 1 something did, 2 the input is wrong, 3 Ctrl-C ended it before \
            anything broke, or something outside failed.

            Example: warren search Topologies/rabbitmq/worker-queue.yaml --runs 2000
            """
    )

    @Argument(help: "The topology file.")
    var file: String

    @Option(help: "How many runs at most; 1000, or with --for as many as there is time for.")
    var runs: Int?

    @Option(name: .customLong("for"), help: "How long to search at most, such as 60s.")
    var length: String?

    @Option(help: "How many runs go on at once; as many as there are cores.")
    var jobs: Int?

    @Option(help: "The seed of the search.")
    var seed: UInt64 = 1

    @Flag(help: "Go on after the first thing that broke.")
    var all = false

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
        if let runs, runs < 1 {
            throw ValidationError("--runs \(runs) is no number of runs; say 1000")
        }
        if let jobs, !(1...1024).contains(jobs) {
            throw ValidationError("--jobs \(jobs) is no number from 1 to 1024")
        }
        if let length, Units.duration(length) == nil {
            throw ValidationError("--for \(length) is no length of time; say 60s")
        }
    }

    func run() throws {
        let topology = try whole(Files.topology(file, format))
        var options = Search.Options()
        options.runs = runs ?? (length == nil ? 1000 : .max)
        options.seed = seed
        options.jobs = jobs ?? ProcessInfo.processInfo.activeProcessorCount
        options.stopsAtFirst = !all
        let remembered = try remembered(topology)
        options.first = remembered.map(\.schedule)
        let interrupt = Interrupt.watch()
        defer { interrupt.cancel() }
        let clock = ContinuousClock()
        let started = clock.now
        let limit = length.flatMap(Units.duration).map { Duration.nanoseconds(Int64($0)) }
        var search = Search(topology, models: Catalog.models, options)
        let result: Search.Result
        do {
            result = try search.run(
                isStopped: {
                    Interrupt.happened || limit.map { clock.now - started > $0 } ?? false
                },
                progress: { result in
                    guard Console.isTerminal else { return }
                    Console.progress(
                        "\(result.runs) runs, \(result.situations) situations seen · Ctrl-C ends it"
                    )
                }
            )
        } catch {
            throw try Files.rejected(error.findings, topology.files, format)
        }
        if Console.isTerminal { Console.progress("") }
        let stories = try result.hits.map { try story(of: $0, topology) }
        var longRun: String?
        if let schedule = result.firstCutShort {
            longRun = path(topology, "too-long")
            try write(CaseFile(topology).with(schedule).text, to: longRun ?? "")
        }
        try remember(remembered, result, topology)
        let report = SearchReport(
            topology,
            file: file,
            result,
            stories,
            longRun: longRun,
            memory: result.hits.isEmpty ? nil : memory(of: topology),
            seconds: (clock.now - started) / .seconds(1)
        )
        switch shape {
        case .text: try Console.print(report.text)
        case .json: try Console.print(report.json)
        case .junit: try Console.print(report.junit, terminator: "")
        case .github: try Console.print(report.github, terminator: "")
        }
        if !stories.isEmpty { throw ExitCode(Failure.broken) }
        if Interrupt.happened { throw ExitCode(Failure.outside) }
    }

    // MARK: What broke before

    private func memory(of topology: Topology) -> String {
        path(topology, "schedules")
    }

    /// The schedules that broke something in an earlier search.
    private func remembered(_ topology: Topology) throws -> [Remembered.Entry] {
        let path = memory(of: topology)
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        guard let data = FileManager.default.contents(atPath: path),
            let tree = Tree.read(String(decoding: data, as: UTF8.self), path: path)
        else {
            Console.error("\(path) cannot be read; what broke before is not played first")
            return []
        }
        let (fit, unfit) = Remembered.entries(tree, topology) { Self.read($0, file) }
        if unfit > 0 {
            Console.error(
                "\(unfit) of the schedules in \(path) do not fit the file any more, and are left out"
            )
        }
        return fit
    }

    /// Keeps the schedules that broke something, old and new.
    private func remember(
        _ old: [Remembered.Entry],
        _ result: Search.Result,
        _ topology: Topology
    ) throws {
        let new = result.hits.filter { $0.run > old.count }.map {
            Remembered.Entry(broke: $0.breach.name, schedule: $0.schedule)
        }
        guard !new.isEmpty else { return }
        let all = (new + old).prefix(100)
        try write(Remembered.text(Array(all)), to: memory(of: topology))
    }

    /// The topology with what it should keep, if it expects nothing.
    private func whole(_ topology: Topology) throws -> Topology {
        guard topology.expectations.isEmpty else { return topology }
        var file = CaseFile(topology)
        file.expectTheObvious(topology)
        guard let whole = Self.read(file.text, self.file) else {
            throw Failure(
                code: Failure.outside,
                text:
                    "error: \(self.file) expects nothing, and what any topology should keep cannot be added: "
                    + "this is a fault of warren\n  try: an `expect:` of your own"
            )
        }
        return whole
    }

    private static func read(_ text: String, _ path: String) -> Topology? {
        TopologyReader.read(path, vocabularies: Catalog.vocabularies) { _ throws(ReadFailure) in
            Array(text.utf8)
        }.topology
    }

    /// Makes what was found as short as it can be, and writes it down.
    private func story(of hit: Search.Hit, _ topology: Topology) throws -> SearchReport.Story {
        let shrinker = Shrinker(
            CaseFile(topology),
            hit.schedule,
            breaking: hit.breach.name,
            models: Catalog.models
        ) { Self.read($0, file) }
        guard var shrinker else {
            let path = self.path(topology, hit.breach.name)
            try write(CaseFile(topology).with(hit.schedule).text, to: path)
            throw Failure(
                code: Failure.outside,
                text:
                    "error: run \(hit.run) breaks \(hit.breach.name), and its file \(path) does not: this is a fault of warren"
            )
        }
        shrinker.run { Interrupt.happened }
        let text = Self.header(hit, shrinker) + shrinker.best.text
        guard let short = Self.read(text, file),
            var run = try? Simulation(short, models: Catalog.models)
        else {
            throw Failure(
                code: Failure.outside,
                text: "error: the file of run \(hit.run) cannot be read"
            )
        }
        let story = SearchStory(&run, shrinker.outcome.breach)
        let path = self.path(topology, hit.breach.name)
        try write(text, to: path)
        return SearchReport.Story(
            hit: hit,
            breach: shrinker.outcome.breach,
            story: story,
            path: path,
            events: shrinker.outcome.events,
            digest: shrinker.outcome.digest,
            tried: shrinker.tried,
            isReplayable: (try? Replay.check(short, mayBreak: true)) != nil
        )
    }

    /// A file of this search, under a name that any shell takes as it is.
    private func path(_ topology: Topology, _ name: String) -> String {
        let plain = "\(topology.name).\(name)".map { character in
            character.isLetter || character.isNumber || "._-".contains(character) ? character : "-"
        }
        return "\(out)/\(String(plain)).yaml"
    }

    private func write(_ text: String, to path: String) throws {
        do { try Data(text.utf8).write(to: URL(fileURLWithPath: path)) } catch {
            throw Failure(
                code: Failure.outside,
                text:
                    "error: \(path) cannot be written: \(SystemReason.words(for: errno))\n  try: --out with a folder that is there"
            )
        }
    }

    private static func header(_ hit: Search.Hit, _ shrinker: Shrinker) -> String {
        """
        # Found by warren search in run \(hit.run), and made as short as it can be.
        # It breaks \(hit.breach.name): \(shrinker.outcome.breach.sentence).

        """
    }
}
