import ArgumentParser
import Dispatch
import Foundation
import WarrenBroker
import WarrenCatalog
import WarrenKernel
import WarrenSearch
import WarrenStore
import WarrenTopology
import WarrenTrace
import WarrenWatch

/// How results are printed.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case text, json
}

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Simulates a topology and its scenario, and says which expectations held.",
        discussion: """
            Every step is recorded in an SQLite file, NAME.trace.sqlite in this folder unless \
            --trace says otherwise; `warren trace` looks into it.

            Example: warren run Topologies/rabbitmq/order-pipeline.yaml --seed 7
            """
    )

    @Argument(help: "The topology file.")
    var file: String

    @Option(
        name: .customLong("seed"),
        parsing: .unconditional,
        help: "The seed of the run, a whole number, instead of the one in the file."
    )
    var seedText: String?

    @Option(help: "Where to record the run; a file that is there already gets one more run.")
    var trace: String?

    @Option(
        help: "Make a page of the run as well, to be looked at in a browser; see `warren view`."
    )
    var view: String?

    @Flag(help: "Record nothing.")
    var noTrace = false

    @Option(help: "How to print the result: text or json.")
    var format = OutputFormat.text

    @Flag(
        help:
            "Fail as well if something that the file speaks of did nothing: a fault, a client, a policy."
    )
    var strict = false

    @Flag(
        help:
            "Step through the run in the terminal, forwards and back, and break it by hand; nothing is recorded."
    )
    var watch = false

    @Option(
        help:
            "A ready story of failure instead of the file's faults, or all of them in one table; see `warren scenario`."
    )
    var scenario: String?

    @Option(
        name: .customLong("seeds"),
        help: "Many seeds in one table, such as 1..100; nothing is recorded."
    )
    var seedsText: String?

    @Option(help: "With --seeds: how many runs go on at once; as many as there are cores.")
    var jobs: Int?

    /// The seeds that were asked for.
    private var seeds: ClosedRange<UInt64>? {
        guard let parts = seedsText?.components(separatedBy: ".."), parts.count == 2,
            let first = UInt64(parts[0]), let last = UInt64(parts[1]), first <= last,
            last - first < 10_000_000
        else { return nil }
        return first...last
    }

    /// The seed that was asked for.
    private var seed: UInt64? { seedText.flatMap { UInt64($0) } }

    func validate() throws {
        if let seedText, seed == nil {
            throw ValidationError(
                "the seed '\(seedText)' is no whole number from 0 to \(UInt64.max)"
            )
        }
        if let seedsText, seeds == nil {
            throw ValidationError(
                "--seeds '\(seedsText)' is no range of seeds; say 1..100, at most ten million of them"
            )
        }
        if seedsText != nil || scenario == "all", trace != nil {
            throw ValidationError(
                "many runs are not recorded; leave --trace out, and record the one that you want to see"
            )
        }
        if seedsText != nil, seedText != nil || scenario == "all" {
            throw ValidationError("--seeds stands alone; leave out --seed, and `all` as a scenario")
        }
        if let jobs, !(1...1024).contains(jobs) {
            throw ValidationError("--jobs \(jobs) is no number from 1 to 1024")
        }
        if watch, trace != nil || view != nil || seedsText != nil || scenario == "all" || strict {
            throw ValidationError(
                "--watch shows one run and records none; leave out --trace, --view, --seeds, --strict and `all`"
            )
        }
        if view != nil, noTrace || seedsText != nil || scenario == "all" {
            throw ValidationError(
                "--view makes a page of one recorded run; leave out what forbids one"
            )
        }
        if noTrace, trace != nil {
            throw ValidationError("--trace and --no-trace exclude each other; keep one of them")
        }
        if let trace, trace.isEmpty || trace == ":memory:" || trace.hasPrefix("file:") {
            throw ValidationError(
                "--trace '\(trace)' names no file; name one, or say --no-trace to record nothing"
            )
        }
    }

    func run() throws {
        if scenario == "all" { return try surveyScenarios() }
        let topology = try told(try Files.topology(file, format))
        if let seeds { return try survey(topology, seeds) }
        var simulation: Simulation
        do {
            simulation = try Simulation(topology, models: Catalog.models, seed: seed)
        } catch {
            throw try Files.rejected(error.findings, topology.files, format)
        }
        for warning in simulation.warnings { Console.error(warning.text(in: topology.files)) }
        if watch { return try Watching.run(Playback(simulation)) }
        var unrecorded: Failure?
        var recorder: Recorder?
        do {
            let story = scenario.map { "seed \(simulation.seed)\(Files.scheduleOfScenario)\($0)" }
            if !noTrace { recorder = try Recorder(path: trace, simulation, schedule: story) }
        } catch let failure as Failure where failure.isPassing {
            // Somebody keeps the trace: the run is lived all the same.
            Console.error("\(failure.text)\n  the run goes on, and is not recorded")
            unrecorded = failure
        }
        let interrupt = Interrupt.watch()
        defer { interrupt.cancel() }
        let started = DispatchTime.now().uptimeNanoseconds
        if let failure = live(&simulation, recorder) { unrecorded = failure }
        let wall = DispatchTime.now().uptimeNanoseconds - started
        let report = Report(simulation, wall: wall, trace: recorder?.path)
        // Whatever becomes of the trace, the run was lived, and its report is printed.
        if unrecorded == nil {
            do { try recorder?.finish(simulation, report) } catch {
                unrecorded = error as? Failure
            }
        }
        try Console.print(format == .json ? report.json : report.text(for: file))
        if let unrecorded { throw unrecorded }
        if let view, let recorder {
            let reader = try TraceOptions.wrap { try TraceReader(path: recorder.path) }
            let run = try TraceOptions.wrap { try reader.run(nil) }
            _ = try ViewCommand.write(reader, run, topology, to: view)
            if format == .text { try Console.print("page \(view)") }
        }
        if Interrupt.happened, !report.complete { throw ExitCode(Failure.outside) }
        if strict, !report.idle.isEmpty { throw ExitCode(Failure.broken) }
        if !report.imbalances.isEmpty || report.expectations.contains(where: { !$0.isAsMeant }) {
            throw ExitCode(Failure.broken)
        }
    }

    /// One table of many seeds.
    private func survey(_ topology: Topology, _ seeds: ClosedRange<UInt64>) throws {
        try show("seed", topology) { () throws(Simulation.Rejection) in
            try Survey(
                topology,
                models: Catalog.models,
                seeds: seeds,
                jobs: jobs ?? ProcessInfo.processInfo.activeProcessorCount,
                isStopped: { Interrupt.happened }
            )
        } command: {
            "warren run \(file) --seed \($0)" + (scenario.map { " --scenario \($0)" } ?? "")
        }
    }

    /// One table of every story that fits.
    private func surveyScenarios() throws {
        let topology = try Files.topology(file, format)
        var stories: [(label: String, topology: Topology)] = []
        for scenario in Scenario.allCases {
            do { stories.append((scenario.rawValue, try scenario.applied(to: topology))) } catch {
                Console.error("\(scenario.rawValue) does not fit: \(error.why)")
            }
        }
        try show("scenario", topology) { () throws(Simulation.Rejection) in
            try Survey(
                stories,
                models: Catalog.models,
                seed: seed,
                isStopped: { Interrupt.happened }
            )
        } command: {
            "warren run \(file) --scenario \($0)" + (seedText.map { " --seed \($0)" } ?? "")
        }
    }

    /// Lives many runs until Ctrl-C, and prints their table; `command` plays one of them.
    private func show(
        _ kind: String,
        _ topology: Topology,
        _ live: () throws(Simulation.Rejection) -> Survey,
        command: @escaping (String) -> String
    ) throws {
        let interrupt = Interrupt.watch()
        defer { interrupt.cancel() }
        let survey: Survey
        do { survey = try live() } catch {
            throw try Files.rejected(error.findings, topology.files, format)
        }
        let report = SurveyReport(survey, kind: kind, file: file, command)
        try Console.print(format == .json ? report.json : report.text)
        if Interrupt.happened { throw ExitCode(Failure.outside) }
        if report.isBroken { throw ExitCode(Failure.broken) }
    }

    /// The topology with the story that was asked for.
    private func told(_ topology: Topology) throws -> Topology {
        guard let scenario else { return topology }
        guard let known = Scenario(rawValue: scenario) else {
            let names = Scenario.allCases.map(\.rawValue)
            let hint = DidYouMean.hint(scenario, in: names)
            throw Failure(
                code: Failure.input,
                text:
                    "error: there is no scenario '\(scenario)'\(hint.isEmpty ? "" : "; \(hint)")\n"
                    + "  try: warren scenario list"
            )
        }
        do {
            return try known.applied(to: topology)
        } catch {
            throw Failure(
                code: Failure.input,
                text: "error: '\(scenario)' does not fit \(file): \(error.why)\n"
                    + "  try: warren scenario list"
            )
        }
    }

    /// Lives to the end; what cannot be recorded is said, and ends the recording alone.
    private func live(_ simulation: inout Simulation, _ recorder: Recorder?) -> Failure? {
        var progress = Progress()
        var failure: Failure?
        while simulation.state == .running {
            simulation.advance { facts in
                guard failure == nil else { return }
                do { try recorder?.take(facts) } catch {
                    failure = Failure(code: Failure.outside, text: "error: \(error)")
                }
            }
            if Interrupt.happened { simulation.stop(because: "stopped by Ctrl-C") }
            progress.show(simulation)
        }
        progress.end()
        return failure
    }
}

/// The line that shows how far a long run has come; only on a terminal.
private struct Progress {
    private let started = DispatchTime.now().uptimeNanoseconds
    private var last: UInt64 = 0
    private var shown = false

    mutating func show(_ simulation: Simulation) {
        guard Console.isTerminal else { return }
        let now = DispatchTime.now().uptimeNanoseconds - started
        guard now > 1_000_000_000, now - last > 200_000_000 else { return }
        last = now
        shown = true
        let seconds = Double(now) * 1e-9
        let events = simulation.world.eventCount
        let rate = Double(events) / seconds / 1e6
        let simulated = Double(simulation.world.now.nanoseconds) * 1e-9
        Console.progress(
            String(
                format: "%.1fs simulated in %.1fs · %llu events · %.1f million/s · Ctrl-C ends it",
                simulated,
                seconds,
                events,
                rate
            )
        )
    }

    func end() {
        if shown { Console.progress("") }
    }
}
