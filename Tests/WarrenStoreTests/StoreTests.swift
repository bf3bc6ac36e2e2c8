import Foundation
import Support
import Testing
import WarrenBroker
import WarrenKernel
import WarrenLedger
import WarrenStore
import WarrenTrace

@Suite("A trace")
struct StoreTests {
    private static let text = """
        warren: 1
        name: stored
        brokers: { main: { kind: rabbitmq, queues: { q: {} } } }
        producers: { p: { to: q, arrivals: { law: poisson, rate: 100/s }, count: 300 } }
        consumers: { c: { from: q, prefetch: 2, service: 8ms, fails: { error: 5% }, on_error: { requeue: true } } }
        """

    /// Runs the topology into a file, in chunks of so many facts; returns its facts.
    private func record(
        _ path: String,
        seed: UInt64 = 1,
        finishes: Bool = true,
        text: String = Self.text,
        chunk: Int = .max
    ) throws -> [Fact] {
        var simulation = try Simulate.make(text, seed: seed)
        let writer = try TraceWriter(
            path: path,
            heading: .init(name: "stored", topology: text, seed: seed, version: "t"),
            names: simulation.world.names,
            nodes: (0..<simulation.world.nodeCount).map {
                simulation.world.name(of: NodeID(UInt32($0)))
            }
        )
        var facts: [Fact] = []
        simulation.run { facts += $0 }
        for start in stride(from: 0, to: facts.count, by: min(chunk, facts.count)) {
            try writer.append(Array(facts[start...].prefix(chunk)))
        }
        if finishes {
            try writer.finish(
                .init(
                    digest: simulation.digest,
                    simulated: simulation.world.now.nanoseconds,
                    events: simulation.world.eventCount,
                    messages: 300,
                    complete: true,
                    summary: "{}"
                ),
                names: simulation.world.names
            )
        }
        return facts
    }

    @Test func `gives back every fact, and holds several runs`() throws {
        let scratch = try Scratch()
        let path = scratch.path("t.sqlite")
        let first = try record(path)
        let second = try record(path, seed: 2)
        let reader = try TraceReader(path: path)
        #expect(try reader.runs().map(\.number) == [1, 2])
        for (number, facts) in [(Int64(1), first), (2, second)] {
            let run = try reader.run(number)
            #expect(run.complete)
            var back: [Fact] = []
            try reader.forEachFact(of: run) { back.append($0) }
            #expect(back == facts)
        }
        #expect(first != second)
    }

    @Test func `tells the life of one message, and reads up to a moment`() throws {
        let scratch = try Scratch()
        let facts = try record(scratch.path("t.sqlite"))
        let reader = try TraceReader(path: scratch.path("t.sqlite"))
        let run = try reader.run(nil)
        let message = MessageID(17)
        #expect(
            try reader.facts(of: run, message: message) == facts.filter { $0.message == message }
        )
        let end = Instant(nanoseconds: 1_000_000_000)
        var back: [Fact] = []
        try reader.forEachFact(of: run, until: end) { back.append($0) }
        #expect(back == facts.filter { $0.time <= end })
    }

    @Test func `has views that a person can read`() throws {
        let scratch = try Scratch()
        let facts = try record(scratch.path("t.sqlite"))
        let reader = try TraceReader(path: scratch.path("t.sqlite"))
        func one(_ sql: String) throws -> String {
            try reader.query(sql).rows.first?.map(\.text).joined(separator: " ") ?? "none"
        }
        #expect(try one("SELECT count(*) FROM facts") == "\(facts.count)")
        #expect(try one("SELECT count(*), sum(handled) FROM messages") == "300 300")
        let redelivered = facts.count { $0.kind == .deliverySent && $0.variant & 1 == 1 }
        #expect(redelivered > 0)
        #expect(try one("SELECT sum(redeliveries) FROM messages") == "\(redelivered)")
        #expect(try one("SELECT sum(redelivered) FROM deliveries") == "\(redelivered)")
        #expect(try one("SELECT DISTINCT queue, consumer FROM deliveries") == "q c")
        let most = try one("SELECT max(depth), min(depth) FROM queue_depths WHERE queue = 'q'")
        #expect(most.hasSuffix(" 0") && most != "0 0", "\(most)")
        #expect(try one("SELECT message, exchange, routing_key FROM messages LIMIT 1") == "m1  q")
        #expect(throws: StoreError.self) { try reader.query("SELECT nonsense") }
        #expect(throws: StoreError.self) { try reader.query("DELETE FROM runs") }
    }

    /// Two masters after a partition; the second one is killed where a mirror of its side follows it, or gives way.
    @Test(
        "tells what each of two masters has, and never the sum",
        arguments: [
            ("stay", ["main/rabbit-1 500 0", "main/rabbit-2 500 0"]),
            ("kill", ["main/rabbit-1 500 0", "main/rabbit-2 500 1", "main/rabbit-3 500 0"]),
            ("autoheal", ["main/rabbit-1 500 500", "main/rabbit-2 500 1"]),
        ]
    )
    func twoMasters(_ ending: String, _ sides: [String]) throws {
        let scratch = try Scratch()
        let path = scratch.path("t.sqlite")
        let file = Repository.root.appending(path: "Topologies/rabbitmq/cluster/split-brain.yaml")
        var text = try String(contentsOf: file, encoding: .utf8)
        if ending == "kill" {
            text = text.replacing("start: 40s", with: "start: 70s")
            let fault = "faults:\n  - { at: 50s, do: kill, node: main/rabbit-2, for: 100s }"
            text = text.replacing("faults:", with: fault)
        } else if ending == "autoheal" {
            text = text.replacing("start: 40s", with: "start: 70s")
            text = text.replacing("ignore", with: "autoheal").replacing(
                "for: 60s",
                with: "for: 25s"
            )
        }
        // The copies of the second master come back in a chunk that is written before its promotion is known.
        let facts = try record(path, text: text, chunk: 700)
        let reader = try TraceReader(path: path)
        func all(_ sql: String) throws -> [String] {
            try reader.query(sql).rows.map { $0.map(\.text).joined(separator: " ") }
        }
        #expect(
            try all(
                """
                SELECT node, max(depth), min(depth) FROM queue_depths WHERE node IS NOT NULL
                GROUP BY node ORDER BY node
                """
            ) == sides
        )
        #expect(try all("SELECT max(depth) FROM queue_depths") == ["500"])
        #expect(
            try all("SELECT max(deepest), max(depth) FROM slices WHERE queue = 'orders'")
                == ["500 500"]
        )
        // Fact by fact what the account of the run says of the side that changed.
        var ledger = Ledger()
        var told: [String] = []
        for (number, fact) in facts.enumerated() {
            ledger.take(fact)
            guard fact.kind == .deliverySent, let found = ledger.masters.sides[fact.subject],
                let side = found.first(where: { $0.node == fact.node.raw })
            else { continue }
            told.append("\(number + 1) \(side.depth)")
        }
        let sent = "fact IN (SELECT fact FROM facts WHERE kind = 'delivery.sent')"
        #expect(
            try all("SELECT fact, depth FROM queue_depths WHERE node IS NOT NULL AND \(sent)")
                == told
        )
        #expect(told.isEmpty == (ending == "autoheal"))
        // At any moment the same masters have the same.
        for seconds in [5.0, 28, 40.1, 50.001, 56, 61.5, 70.1, 90] {
            let moment = Instant(nanoseconds: UInt64(seconds * 1e9))
            var ledger = Ledger()
            for fact in facts where fact.time <= moment { ledger.take(fact) }
            let state = try reader.state(of: reader.run(nil), at: moment)
            for queue in state.queues {
                let known = ledger.masters.sides[queue.symbol] ?? []
                let depths = known.sorted { $0.node < $1.node }.map { "\($0.node) \($0.depth)" }
                #expect(queue.sides.map { "\($0.node.raw) \($0.depth)" } == depths, "\(seconds)")
                #expect(queue.depth == ledger.account(of: queue.symbol)?.depth)
            }
        }
        if ending == "autoheal" {
            let last = try all("SELECT depth, node FROM queue_depths WHERE time_ns < 65000000000")
            #expect(last.last?.hasPrefix("500") == true && last.last?.contains("rabbit") == false)
        }
    }

    @Test func `takes at most forty bytes a fact`() throws {
        let scratch = try Scratch()
        let path = scratch.path("t.sqlite")
        var count = 0
        for seed in 1...20 { count += try record(path, seed: UInt64(seed)).count }
        let pages = try TraceReader(path: path).query(
            "SELECT sum(pgsize) FROM dbstat WHERE name = 'fact_rows'"
        ).rows.first?.first?.text
        let bytes = try #require(pages.flatMap { Int($0) })
        #expect(bytes / count <= 40, "\(bytes / count) bytes a fact")
    }

    @Test func `is readable when the run never finished`() throws {
        let scratch = try Scratch()
        let path = scratch.path("t.sqlite")
        _ = try record(path, finishes: false)
        let run = try TraceReader(path: path).run(nil)
        #expect(!run.complete)
        #expect(run.digest == nil)
    }

    @Test func `refuses the database of somebody else`() throws {
        let scratch = try Scratch()
        let path = try scratch.write(
            "notes.sqlite",
            "this is not a database, it is a note to myself"
        )
        #expect(throws: StoreError.self) { try record(path) }
        #expect(throws: StoreError.self) { try TraceReader(path: path) }
    }

    @Test
    func `is one plain file when it is complete, and can be read where nothing may be written`()
        throws
    {
        let scratch = try Scratch()
        let path = scratch.path("t.sqlite")
        let facts = try record(path)
        let names = { try FileManager.default.contentsOfDirectory(atPath: scratch.folder) }
        #expect(try names() == ["t.sqlite"])
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o555],
            ofItemAtPath: scratch.folder
        )
        defer {
            try? FileManager.default.setAttributes(
                [.posixPermissions: 0o755],
                ofItemAtPath: scratch.folder
            )
        }
        let reader = try TraceReader(path: path)
        var count = 0
        try reader.forEachFact(of: try reader.run(nil)) { _ in count += 1 }
        #expect(count == facts.count)
        #expect(try names() == ["t.sqlite"])
    }

    @Test func `is finished although somebody reads in it at that moment`() throws {
        let scratch = try Scratch()
        let path = scratch.path("t.sqlite")
        _ = try record(path, finishes: false)
        let reader = try TraceReader(path: path)
        // The writer has a thread of its own.
        while try reader.run(nil).rows == nil { usleep(10_000) }
        try reader.forEachFact(of: try reader.run(nil)) { fact in
            // Another run is written and ended while this cursor is open.
            if fact.kind == .queueDeclared { _ = try record(path, seed: 2) }
        }
        let after = try TraceReader(path: path).runs().map(\.complete)
        #expect(after == [false, true])
    }

    @Test func `leaves the file of somebody else as it was`() throws {
        let scratch = try Scratch()
        let path = scratch.path("foreign.sqlite")
        let made = try Programs.run(
            "/usr/bin/env",
            [
                "python3", "-c",
                "import sqlite3; sqlite3.connect('\(path)').execute('create table t(a)')",
            ]
        )
        try #require(made.code == 0)
        let before = try Data(contentsOf: URL(filePath: path))
        #expect(throws: StoreError.self) { try record(path) }
        #expect(throws: StoreError.self) { try TraceReader(path: path) }
        #expect(try Data(contentsOf: URL(filePath: path)) == before)
    }
}
