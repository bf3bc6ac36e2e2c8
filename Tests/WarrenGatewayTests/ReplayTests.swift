import Foundation
import Support
import Synchronization
import Testing
import WarrenBroker
import WarrenCatalog
import WarrenGateway
import WarrenTopology
import WarrenTrace

/// Every topology of the repository that one 3.10.8 node can run, with the model and with the broker.
///
/// `WARREN_WRITE=1 swift test --filter ReplayTests` writes the page "How true is it?".
@Suite("A replay", .serialized, .tags(.slow), .realBroker, .unlessQuick) struct ReplayTests {
    /// What one node of 3.10.8 cannot show.
    private static let others = [
        "losses/autoheal-losing-side": "a cluster of three nodes",
        "losses/unsynchronised-mirror-promoted": "a cluster of two nodes",
    ]

    /// Those that break their broker, each on a broker of its own and in real time.
    private static let breaking: Set<String> = [
        "lost-hostname", "memory-alarm", "order-pipeline", "persistence",
        "losses/single-node-disk-lost", "losses/transient-message", "losses/unconfirmed-publish",
        "stories/acks-behind-an-alarm",
    ]

    private static var files: [String] {
        let folder = Repository.root.appending(path: "Topologies/rabbitmq").path
        let names = ["", "losses/", "stories/"].flatMap { part in
            ((try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/\(part)")) ?? [])
                .filter { $0.hasSuffix(".yaml") }.map { part + $0.dropLast(5) }
        }
        return names.filter { others[$0] == nil }.sorted()
    }

    /// A row of the table.
    private struct Row: Sendable {
        var name: String
        var messages: Int
        var divergences, races, known: Int
    }
    private static let rows = Mutex<[Row]>([])

    @Test("of every topology that one node can run has no divergence", arguments: files)
    func topologies(_ name: String) async throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "warren replay \(getpid()) \(name.hashValue)").path
        var target: Replay.Target
        if Self.breaking.contains(name) {
            target = try await Self.target(LocalCluster.start(in: folder))
        } else {
            target = try await Self.target(Shared.cluster.value)
            target.cluster = nil
        }
        defer { LocalCluster.end(in: folder) }
        // Stories are about times.
        let isTimed = Self.breaking.contains(name) || name.hasPrefix("stories/")
        let speed = isTimed ? 1.0 : 4
        let comparison = try await Self.compare(name, target, speed)
        let differences = comparison.differences.filter { $0.kind == .divergence }
        #expect(
            differences.isEmpty,
            "\(name): \(differences.prefix(5).map { "\($0.subject): \($0.model) / \($0.broker)" })"
        )
        #expect(comparison.messages > 0)
        Self.note(
            Row(
                name: name,
                messages: comparison.messages,
                divergences: comparison.count(.divergence),
                races: comparison.count(.race),
                known: comparison.count(.known)
            )
        )
    }

    /// Lessons that neither stop their broker nor need more than one node of RabbitMQ, as they are handed out.
    private static var labs: [String] {
        let others: Set<String> = ["11", "12", "17", "18", "19", "21", "25"]
        return Repository.files(under: "Labs", ending: "checks.yaml").filter { path in
            !others.contains(String(path.dropFirst("Labs/".count).prefix(2)))
        }
    }

    @Test("of what a lesson hands out has no divergence", arguments: labs)
    func lessons(_ path: String) async throws {
        var target = try await Self.target(Shared.cluster.value)
        target.cluster = nil
        let topology = try #require(
            Simulate.topology(Repository.root.appending(path: path).path)
        )
        let comparison = try await Replay.judge(topology, Catalog.models, on: target, speed: 1)
        let differences = comparison.differences.filter { $0.kind == .divergence }
        #expect(
            differences.isEmpty,
            "\(path): \(differences.prefix(5).map { "\($0.subject): \($0.model) / \($0.broker)" })"
        )
        #expect(comparison.messages > 0)
    }

    /// The commands of RabbitMQ's own tools that lessons name, in the order of the lessons.
    private static func doors() throws -> [[String]] {
        try Repository.files(under: "Labs", ending: "README.md").flatMap { path in
            try String(contentsOf: Repository.root.appending(path: path), encoding: .utf8)
                .split(separator: "\n").filter { $0.starts(with: "rabbitmq") }
                .map { $0.prefix { $0 != "#" }.split(separator: " ").map(String.init) }
        }
    }

    @Test("has every command of RabbitMQ's tools that a lesson names") func commands() async throws
    {
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "warren doors \(getpid())"
        )
        let cluster = try await LocalCluster.start(in: folder.path)
        defer { LocalCluster.end(in: folder.path) }
        // The one that asks for a queue of the lesson comes when it is there.
        let doors = try Self.doors()
        let asking = doors.filter { $0.contains("orders") }
        #expect(!asking.isEmpty && doors.count > 20)
        for door in doors.filter({ !$0.contains("orders") }) {
            let words = door.dropFirst().map { word in
                word.hasSuffix(".json") ? folder.appending(path: word).path : word
            }
            try await cluster.control(words, with: door[0])
        }
        let queues = """
            {"vhosts": [{"name": "/"}], "queues": [{"name": "orders", "vhost": "/", "durable": true, \
            "auto_delete": false, "arguments": {"x-queue-type": "quorum"}}]}
            """
        let file = folder.appending(path: "orders.json")
        try queues.write(to: file, atomically: true, encoding: .utf8)
        try await cluster.control(["import_definitions", file.path])
        for door in asking {
            let said = try await cluster.control(Array(door.dropFirst()), with: door[0])
            #expect(said.contains("leader"), "\(door): \(said)")
        }
    }

    /// A broker that all may use.
    private enum Shared {
        static let cluster = Task {
            try await LocalCluster.start(
                in: FileManager.default.temporaryDirectory
                    .appending(path: "warren replays \(getpid())").path
            )
        }
    }

    private static func target(_ cluster: LocalCluster) async throws -> Replay.Target {
        let node = await cluster.nodes[0]
        return Replay.Target(
            port: node.port,
            managementPort: node.managementPort,
            cluster: cluster
        )
    }

    private static func compare(_ name: String, _ target: Replay.Target, _ speed: Double)
        async throws -> Comparison
    {
        let path = Repository.root.appending(path: "Topologies/rabbitmq/\(name).yaml").path
        let topology = try #require(Simulate.topology(path))
        return try await Replay.judge(topology, Catalog.models, on: target, speed: speed)
    }

    private static func note(_ row: Row) {
        let all = rows.withLock { rows in
            rows.append(row)
            return rows
        }
        print(
            "\(row.name): \(row.messages) messages, \(row.divergences) divergences, \(row.races) races"
        )
        guard all.count == files.count, ProcessInfo.processInfo.environment["WARREN_WRITE"] != nil
        else { return }
        let page = Repository.root
            .appending(path: "Sources/WarrenGateway/WarrenGateway.docc/HowTrue.md")
        try? Self.page(all).write(to: page, atomically: true, encoding: .utf8)
    }

    private static func page(_ rows: [Row]) -> String {
        var text = """
            # How true is it?

            Every topology of the repository that one node of RabbitMQ \(Installation.find()?.version ?? "") can run, \
            simulated and then driven against that node by the same clients with the same seed. A divergence would \
            mean that the model is wrong; a race, that both are allowed, because it depends on who was first. \
            `warren replay FILE --cluster` shows the differences of one of them.

            This page is written by

                WARREN_WRITE=1 swift test --filter ReplayTests

            The races differ from run to run. What three nodes do, with the model beside it: <doc:Clusters>.

            Beside that every conversation of the model's tests that one node can show is held with the same node, \
            word for word; every argument of a queue and of a consumer with every sort of value is asked of it (4,000 \
            answers, kept in `Tests/RabbitMQModelTests/Answers`); and random conversations of three clients are, \
            thousands before a change of the model is committed and sixty in each run of the tests:

                WARREN_SEED=1000 WARREN_CONVERSATIONS=1000 swift test --filter RandomConversationTests

            | topology | messages | divergences | races | known |
            |---|---:|---:|---:|---:|

            """
        for row in rows.sorted(by: { $0.name < $1.name }) {
            text +=
                "| \(row.name) | \(row.messages) | \(row.divergences) | \(row.races) | \(row.known) |\n"
        }
        text += "\nNot replayed, because one node cannot show them:\n\n"
        for (name, why) in others.sorted(by: { $0.key < $1.key }) {
            text += "- \(name): \(why)\n"
        }
        return text
    }
}

@Suite("A replay that cannot be") struct ReplayTroubleTests {
    private let file = Repository.root.appending(path: "Topologies/rabbitmq/queue.yaml").path

    private func replay(_ arguments: String...) throws -> Programs.Outcome {
        let scratch = try Scratch()
        return try Programs.run(
            Programs.warren,
            ["replay", file, "--no-trace"] + arguments,
            in: scratch.path("")
        )
    }

    @Test("says that nobody is there, and what was not done") func nobody() throws {
        let outcome = try replay("--against", "amqp://guest:guest@127.0.0.1:1", "--management", "1")
        #expect(outcome.code == 3)
        #expect(outcome.errors.contains("the management plugin does not answer on 127.0.0.1:1"))
        #expect(outcome.errors.contains("Try:"))
    }

    @Test("wants to know which broker, and an address that is one") func address() throws {
        let nothing = try replay()
        #expect(nothing.code == 2)
        #expect(nothing.errors.contains("say which broker"))
        let both = try replay("--cluster", "--against", "amqp://localhost")
        #expect(both.code == 2)
        let wrong = try replay("--against", "http://localhost")
        #expect(wrong.code == 2)
        #expect(wrong.errors.contains("is no address"))
    }
}

@Suite("Two traces of one scenario") struct TraceDiffTests {
    private static let text = """
        warren: 1
        name: picks
        brokers: { main: { kind: rabbitmq, queues: { a: { bind: { amq.direct: [a] } }, b: { bind: { amq.direct: [b] } } } } }
        producers: { p: { to: { exchange: amq.direct, key: { pick: { a: 1, b: 1 } } }, arrivals: 1ms, count: 50 } }
        consumers: { c: { from: a } }
        """

    private func diff(_ seeds: [String], _ texts: [String], _ options: [String] = ["--fates"])
        throws
        -> Programs.Outcome
    {
        let scratch = try Scratch()
        var traces: [String] = []
        for (number, (seed, text)) in zip(seeds, texts).enumerated() {
            let file = try scratch.write("\(number).yaml", text)
            let trace = scratch.path("\(number).trace.sqlite")
            let run = try Programs.run(
                Programs.warren,
                ["run", file, "--seed", seed, "--trace", trace]
            )
            #expect(run.code == 0)
            traces.append(trace)
        }
        return try Programs.run(Programs.warren, ["trace", "diff"] + traces + options)
    }

    @Test("do not differ if they are the same run") func same() throws {
        let outcome = try diff(["1", "1"], [Self.text, Self.text])
        #expect(outcome.code == 0)
        #expect(outcome.output == "no divergence in 50 messages; 0 races, 0 known\n")
    }

    @Test("differ where messages went elsewhere") func elsewhere() throws {
        let outcome = try diff(["1", "2"], [Self.text, Self.text])
        #expect(outcome.code == 1)
        #expect(outcome.output.contains("model said  1 in a, out 1, acked 1"))
        #expect(outcome.output.contains("broker did  never in a"))
        #expect(outcome.errors.contains("the seeds differ"))
    }

    @Test("differ in what is no matter of when the run ended, although it ends at a moment")
    func cut() throws {
        let text = Self.text + "\nrun: { for: 10s }\n"
        let outcome = try diff(["1", "2"], [text, text])
        #expect(outcome.code == 1)
        #expect(outcome.output.contains("divergence  message"))
    }

    @Test("say where they part, if both are of the model") func parting() throws {
        let same = try diff(["1", "1"], [Self.text, Self.text], [])
        #expect(same.code == 0 && same.output.contains("the same run"), "\(same.output)")
        let seeds = try diff(["1", "2"], [Self.text, Self.text], [])
        #expect(seeds.code == 1 && seeds.output.contains("seeds 1 and 2"), "\(seeds.output)")
        #expect(seeds.output.contains("where they part: fact"))
        let other = Self.text.replacing("count: 50", with: "count: 51")
        let files = try diff(["1", "1"], [Self.text, other], ["--format", "json"])
        let told = try #require(
            JSONSerialization.jsonObject(with: Data(files.output.utf8)) as? [String: Any]
        )
        let lines = try #require(told["file"] as? [[String: Any]])
        #expect(lines.map { $0["sign"] as? String } == ["-", "+"])
        let verdicts = try #require(told["verdicts"] as? [[String: Any]])
        #expect(
            verdicts.contains {
                $0["name"] as? String == "messages published" && $0["first"] as? String == "50"
                    && $0["second"] as? String == "51"
            }
        )
        let parting = try #require(told["parting"] as? [String: Any])
        #expect((parting["second"] as? [String: Any])?["message"] as? String == "m51")
    }

    @Test("of two scenarios are not compared") func others() throws {
        let other = Self.text.replacing("count: 50", with: "count: 51")
        let outcome = try diff(["1", "1"], [Self.text, other])
        #expect(outcome.code == 2)
        #expect(outcome.errors.contains("different topologies"))
    }
}

@Suite("A replay with a broker in trouble", .realBroker, .unlessQuick, .tags(.slow), .serialized)
struct ReplayRefusalTests {
    @Test("says what is refused, and leaves nothing behind") func refusals() async throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "warren refusals \(getpid())").path
        let cluster = try await LocalCluster.start(in: folder)
        let node = await cluster.nodes[0]
        let queue = Repository.root.appending(path: "Topologies/rabbitmq/queue.yaml").path
        let persistence = Repository.root.appending(path: "Topologies/rabbitmq/persistence.yaml")
            .path
        let scratch = try Scratch()
        func replay(_ file: String, _ user: String) throws -> Programs.Outcome {
            try Programs.run(
                Programs.warren,
                [
                    "replay", file, "--no-trace", "--speed", "10", "--against",
                    "amqp://\(user)@127.0.0.1:\(node.port)", "--management",
                    "\(node.managementPort)",
                ],
                in: scratch.path("")
            )
        }
        let stranger = try replay(queue, "guest:wrong")
        #expect(stranger.code == 3)
        #expect(stranger.errors.contains("refuses 'guest' with 401"))
        let breaking = try replay(persistence, "guest:guest")
        #expect(breaking.code == 2)
        #expect(breaking.errors.contains("--cluster"))
        let fine = try replay(queue, "guest:guest")
        #expect(fine.code == 0)
        #expect(fine.output.contains("no divergence"))
        let management = Management(host: "127.0.0.1", port: node.managementPort)
        let hosts = try await management.ask("GET", "/api/vhosts").body
        #expect(!hosts.contains("warren-replay"))
        await cluster.end()
    }
}
