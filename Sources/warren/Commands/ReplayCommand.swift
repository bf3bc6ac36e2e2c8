import ArgumentParser
import Dispatch
import Foundation
import TextTable
import WarrenBroker
import WarrenCatalog
import WarrenGateway
import WarrenKernel
import WarrenTopology
import WarrenTrace
import WarrenView

struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Drives a scenario against a real RabbitMQ, and compares it with the model.",
        discussion: """
            The scenario is simulated first. Then the same clients, with the same seed, live in real time and speak to \
            the broker, in a virtual host that is made for them and removed afterwards. Each difference is a \
            divergence (the model is wrong) or a race (both are allowed).

            Exit codes: 0 no divergence, 1 a divergence, 2 the input is wrong, 3 the broker is not there or fails.

            Example: warren replay Topologies/rabbitmq/worker-queue.yaml --cluster
            """
    )

    @Argument(help: "The topology file.")
    var file: String

    @Option(help: "A broker that runs: amqp://USER:PASSWORD@HOST:PORT.")
    var against: String?

    @Flag(help: "Start a broker of its own from the installed rabbitmq-server, and take it down.")
    var cluster = false

    @Option(help: "The port of the management plugin of --against.")
    var management = 15672

    @Option(help: "How much faster than real time; times to live are shortened as well.")
    var speed = 1.0

    @Option(
        help: "Where to record what the broker did; a file that is there already gets one more run."
    )
    var trace: String?

    @Flag(help: "Record nothing.")
    var noTrace = false

    @Option(help: "How to print the result: text or json.")
    var format = OutputFormat.text

    @Option(help: "How many differences to print.")
    var show = 20

    func validate() throws {
        guard cluster != (against != nil) else {
            throw ValidationError(
                "say which broker: --cluster starts one, --against amqp://guest:guest@localhost:5672 takes one that runs"
            )
        }
        guard (0.001...1000).contains(speed) else {
            throw ValidationError("--speed \(speed); from 0.001 to 1000")
        }
        guard (1...65_535).contains(management) else {
            throw ValidationError("--management \(management) is no port; 1 to 65535 are")
        }
        guard show >= 0 else { throw ValidationError("--show \(show); say 0 or more") }
        if let against, Self.address(against) == nil {
            throw ValidationError(
                "--against '\(against)' is no address; amqp://USER:PASSWORD@HOST:PORT is one"
            )
        }
    }

    /// What an address names; ports and users have their defaults.
    private static func address(_ text: String) -> URLComponents? {
        guard let parts = URLComponents(string: text), parts.scheme == "amqp",
            parts.host?.isEmpty == false, (1...65_535).contains(parts.port ?? 5672)
        else { return nil }
        return parts
    }

    func run() throws {
        let topology = try Files.topology(file, format)
        var model: Simulation
        do { model = try Simulation(topology, models: Catalog.models) } catch {
            throw try Files.rejected(error.findings, topology.files, format)
        }
        do { try Replay.check(topology, mayBreak: cluster) } catch {
            throw Failure(code: Failure.input, text: "error: \(file): \(error)")
        }
        for warning in model.warnings { Console.error(warning.text(in: topology.files)) }
        let begun = DispatchTime.now().uptimeNanoseconds
        let said = Replay.live(&model)
        let time = DispatchTime.now().uptimeNanoseconds - begun
        tell(howLongItTakes: model)
        let command = self
        // The model has run to its end; the replay alone looks at it meanwhile.
        nonisolated(unsafe) let lived = model
        let deed = try Waiting.run { try await command.replay(lived, said) }
        let result = ReplayReport(
            deed.comparison,
            model: Report(model, wall: time, trace: nil),
            broker: deed.report,
            brokerName: deed.broker,
            shown: show
        )
        try Console.print(format == .json ? Report.json(of: result) : result.text)
        if deed.isStopped { throw ExitCode(Failure.outside) }
        if deed.comparison.count(.divergence) > 0 { throw ExitCode(Failure.broken) }
    }

    /// Says so if it takes more than a minute.
    private func tell(howLongItTakes model: Simulation) {
        let seconds = Double(model.world.now.nanoseconds) / 1e9 / speed
        guard seconds > 60 else { return }
        let minutes = Int((seconds / 60).rounded(.up))
        Console.error(
            "it takes about \(minutes) minute\(minutes == 1 ? "" : "s"): as long as the model lived; --speed, or "
                + "run: { for: … } in the file, shorten it"
        )
    }

    /// What a real run brought.
    private struct Deed: Sendable {
        var comparison: Comparison
        var report: Report
        var broker: String
        /// Whether it ended before its time.
        var isStopped: Bool
    }

    private func replay(_ model: Simulation, _ said: MessageFates) async throws -> Deed {
        var target = Replay.Target()
        var folder: String?
        var started: LocalCluster?
        if let parts = against.flatMap(Self.address) {
            target = Replay.Target(
                host: parts.host ?? "127.0.0.1",
                port: parts.port ?? 5672,
                user: parts.user ?? "guest",
                password: parts.password ?? "guest",
                managementPort: management
            )
        } else {
            let place = FileManager.default.temporaryDirectory
                .appending(path: "warren-replay-\(getpid())").path
            folder = place
            let cluster = try await LocalCluster.start(in: place) { Console.error($0) }
            started = cluster
            compareVersions(model.topology, cluster.version)
            let node = await cluster.nodes[0]
            target = Replay.Target(
                port: node.port,
                managementPort: node.managementPort,
                cluster: cluster
            )
        }
        defer { if let folder { LocalCluster.end(in: folder) } }
        let version = started.map { "RabbitMQ \($0.version)" } ?? "the broker"
        return try await live(model, said, target, version)
    }

    private func live(
        _ model: Simulation,
        _ said: MessageFates,
        _ target: Replay.Target,
        _ broker: String
    ) async throws -> Deed {
        let replay: Replay
        do { replay = try Replay(of: model, on: target, speed: speed) } catch {
            throw Failure(code: Failure.input, text: "error: \(error)")
        }
        var recorder: Recorder?
        if !noTrace {
            let path = trace ?? Recorder.defaultPath(model.topology.name + ".real")
            recorder = try Recorder(path: path, replay.simulation, schedule: "real: \(broker)")
        }
        var did = MessageFates()
        let begun = DispatchTime.now().uptimeNanoseconds
        var unrecorded: (any Error)?
        do {
            try await replay.run(isStopped: { Interrupt.happened }) { facts in
                did.take(facts, in: replay.simulation)
                do { try recorder?.take(facts) } catch { unrecorded = unrecorded ?? error }
            }
        } catch {
            throw Failure(code: Failure.outside, text: "error: \(error)\(Self.leftBehind(replay))")
        }
        let left = Self.leftBehind(replay)
        if !left.isEmpty { Console.error("warning:\(left)") }
        let wall = DispatchTime.now().uptimeNanoseconds - begun
        let report = Report(replay.simulation, wall: wall, trace: recorder?.path)
        if let unrecorded {
            Console.error("\(unrecorded)")
        } else {
            try recorder?.finish(replay.simulation, report)
        }
        return Deed(
            comparison: replay.compare(said, did),
            report: report,
            broker: broker,
            isStopped: replay.simulation.state != .ended
        )
    }
}

extension ReplayCommand {
    /// What could not be removed from the broker, as a line; empty if all was.
    private static func leftBehind(_ replay: Replay) -> String {
        guard !replay.leftBehind.isEmpty else { return "" }
        let names = replay.leftBehind.joined(separator: ", ")
        return "\n  left on the broker: \(names); the next replay from this machine removes it"
    }

    /// Says if the broker that is asked is of another version than the file's.
    private func compareVersions(_ topology: Topology, _ version: String) {
        guard let wanted = topology.brokers.first?.version,
            !version.hasPrefix(wanted + "."), version != wanted
        else { return }
        Console.error(
            "warning: the file says version \(wanted), and the broker is \(version): what changed between them differs"
        )
    }
}

/// The result of a replay, as JSON says it.
struct ReplayReport: Encodable {
    let comparison: Differences
    let broker_name: String
    let model, broker: Report

    init(
        _ comparison: Comparison,
        model: Report,
        broker: Report,
        brokerName: String,
        shown: Int
    ) {
        self.comparison = Differences(comparison, shown: shown)
        self.model = model
        self.broker = broker
        broker_name = brokerName
    }

    /// For people: both ledgers side by side, then the differences.
    var text: String {
        var lines = [
            Console.strong(model.topology)
                + "  \(FactText.length(Interval(nanoseconds: model.simulated_ns))) simulated; "
                + "\(broker_name) took \(FactText.length(Interval(nanoseconds: broker.wall_ns)))",
            "", ledgers,
        ]
        if !model.queues.isEmpty { lines += ["", waits] }
        for imbalance in broker.imbalances { lines.append(Console.bad("imbalance  \(imbalance)")) }
        lines.append("")
        if let stopped = broker.stopped {
            lines.append("\(Console.bad("stopped")): \(stopped); nothing was compared")
            if let trace = broker.trace { lines.append("trace  \(trace)") }
            return lines.joined(separator: "\n")
        }
        lines.append(comparison.text)
        if let trace = broker.trace { lines.append("trace  \(trace)") }
        return lines.joined(separator: "\n")
    }

    private var ledgers: String {
        let (one, other) = (model.messages, broker.messages)
        let rows: [(String, UInt64, UInt64)] = [
            ("published", one.published, other.published),
            ("confirmed", one.confirmed, other.confirmed), ("nacked", one.nacked, other.nacked),
            ("returned", one.returned, other.returned), ("unknown", one.unknown, other.unknown),
            ("routed copies", one.routed_copies, other.routed_copies),
            ("delivered", one.delivered, other.delivered),
            ("redelivered", one.redelivered, other.redelivered), ("acked", one.acked, other.acked),
            ("handled", one.handled, other.handled),
            ("dead-lettered", one.dead_lettered, other.dead_lettered),
            ("dropped", one.dropped, other.dropped),
            ("remaining", one.remaining, other.remaining),
            ("errors", model.errors, broker.errors),
        ].filter { $0.1 > 0 || $0.2 > 0 }
        let table = TextTable<(String, UInt64, UInt64)> { row in
            [
                Column(title: "", value: row.0),
                Column(title: "model", value: row.1, align: .right),
                Column(title: "broker", value: row.2, align: .right),
            ]
        }
        return table.string(for: rows, style: Style.plain) ?? ""
    }

    /// Times are shown, not judged.
    private var waits: String {
        let table = TextTable<(Report.QueueLine, Report.QueueLine?)> { pair in
            func time(_ nanoseconds: UInt64?) -> String {
                nanoseconds.map { FactText.length(Interval(nanoseconds: $0)) } ?? "-"
            }
            return [
                Column(title: "queue", value: pair.0.name),
                Column(title: "model p50", value: time(pair.0.wait_p50_ns), align: .right),
                Column(title: "broker p50", value: time(pair.1?.wait_p50_ns), align: .right),
                Column(title: "model p99", value: time(pair.0.wait_p99_ns), align: .right),
                Column(title: "broker p99", value: time(pair.1?.wait_p99_ns), align: .right),
            ]
        }
        let rows = model.queues.prefix(20).map { line in
            (line, broker.queues.first { $0.name == line.name && $0.broker == line.broker })
        }
        return table.string(for: rows, style: Style.plain) ?? ""
    }
}
