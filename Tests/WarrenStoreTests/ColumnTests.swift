import Foundation
import Support
import Testing
import WarrenBroker
import WarrenKernel
import WarrenStore
import WarrenTrace

/// What the columns of facts are said to mean, and what stands in them.
@Suite("The columns of a fact") struct ColumnTests {
    /// What a fact holds that its kind says nothing of.
    private static func surprise(_ fact: Fact, _ world: World) -> String? {
        let columns = fact.kind.columns
        switch columns.peer {
        case .nothing: if fact.peer != 0 { return "peer is \(fact.peer)" }
        case .node:
            if fact.peer != .max, Int(fact.peer) >= world.nodeCount { return "no such node" }
        case .name: if Int(fact.peer) >= world.names.entries.count { return "no such name" }
        }
        switch columns.detail {
        case .nothing: if fact.detail != 0 { return "detail is \(fact.detail)" }
        case .factor: if fact.detail == 0 { return "no factor" }
        case .place: if CopyPlace(rawValue: fact.detail) == nil { return "no such place" }
        case .publication:
            if Int(fact.headers.raw) >= world.names.entries.count { return "no such headers" }
        case .length, .number, .fault, .bytes, .connection, .channel, .message: break
        }
        return nil
    }

    @Test("hold what their kind says, in every topology of the repository")
    func hold() throws {
        var seen: Set<FactKind> = []
        for path in Repository.topologies {
            guard let run = try? Simulate.make(file: path) else { continue }
            var simulation = run
            var surprises: [String] = []
            var isGoing = true
            while isGoing {
                var taken: [Fact] = []
                let state = simulation.advance { taken += $0 }
                for fact in taken {
                    seen.insert(fact.kind)
                    guard surprises.count < 3, let words = Self.surprise(fact, simulation.world)
                    else { continue }
                    surprises.append("\(path): \(fact.kind.name): \(words)")
                }
                isGoing = state == .running && simulation.world.eventCount < 20_000
            }
            #expect(surprises == [])
        }
        #expect(seen.count > 45)
    }

    private func query(_ path: String, _ sql: String) throws -> String {
        let script = """
            import sqlite3, sys
            c = sqlite3.connect(sys.argv[1])
            print(' '.join(str(r[0]) for r in c.executescript(sys.argv[3]).execute(sys.argv[2])))
            c.commit()
            """
        let parts = sql.components(separatedBy: ";;")
        let made = try Programs.run(
            "/usr/bin/env",
            [
                "python3", "-c", script, path, parts[parts.count - 1],
                parts.count > 1 ? parts[0] : "",
            ]
        )
        try #require(made.code == 0, "\(made.errors)")
        return made.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func record(_ path: String) throws {
        let file = "Topologies/rabbitmq/cluster/pause-minority.yaml"
        var simulation = try Simulate.make(file: file)
        let world = simulation.world
        let writer = try TraceWriter(
            path: path,
            heading: .init(name: "c", topology: "", seed: 1, version: "t"),
            names: world.names,
            nodes: (0..<world.nodeCount).map { world.name(of: NodeID(UInt32($0))) }
        )
        var facts: [Fact] = []
        simulation.run { facts += $0 }
        try writer.append(facts)
        try writer.finish(
            .init(
                digest: simulation.digest,
                simulated: simulation.world.now.nanoseconds,
                events: simulation.world.eventCount,
                messages: 1,
                complete: true,
                summary: "{}"
            ),
            names: simulation.world.names
        )
    }

    @Test("are names of nodes in SQL where they are nodes, and an older file is brought up to date")
    func views() throws {
        let scratch = try Scratch()
        let path = scratch.path("t.sqlite")
        try record(path)
        let strangers = """
            SELECT count(*) FROM facts WHERE kind IN ('peer.lost', 'link.cut', 'delivery.sent')
            AND peer NOT IN (SELECT name FROM nodes)
            """
        let lost = "SELECT count(*) > 0 FROM facts WHERE kind = 'peer.lost' AND peer IS NOT NULL"
        #expect(try query(path, lost) == "1")
        #expect(try query(path, strangers) == "0")
        let old = """
            ALTER TABLE fact_kinds DROP COLUMN peer; ALTER TABLE fact_kinds DROP COLUMN detail;
            DROP VIEW sums; DROP VIEW slices; DROP INDEX rare_facts; DROP INDEX derived_facts;
            DROP TABLE chunks; DROP TABLE sum_rows; DROP TABLE slice_rows; DROP TABLE side_rows;
            DROP VIEW queue_depths;
            PRAGMA user_version = 1
            """
        #expect(try query(path, old + ";;SELECT count(*) FROM runs") == "1")
        try record(path)
        #expect(try query(path, "PRAGMA user_version") == "5")
        #expect(try query(path, "SELECT count(*) > 0 FROM sums WHERE run = 2") == "1")
        #expect(
            try query(path, "SELECT detail FROM fact_kinds WHERE name = 'delivery.sent'")
                == "length"
        )
        #expect(try query(path, strangers) == "0")
    }
}
