import Foundation
import GRDB
import Support
import Testing
import WarrenBroker
import WarrenKernel
import WarrenLedger
import WarrenStore
import WarrenTrace

/// What a trace says of a run as a whole is what its facts add up to, with the sums of its writer and without.
@Suite("The sums of a trace") struct SumsTests {
    private let scratch: Scratch
    private let path: String
    private let facts: [Fact]
    private let length: UInt64

    /// A run in several chunks, with a death, dead letters and messages that nobody wants.
    init() throws {
        scratch = try Scratch()
        path = scratch.path("sums.sqlite")
        var simulation = try Simulate.make(
            """
            warren: 1
            name: sums
            brokers:
              main:
                kind: rabbitmq
                queues: { jobs: { arguments: { x-dead-letter-exchange: "", x-dead-letter-routing-key: dead } }, dead: {} }
            producers:
              web: { to: jobs, arrivals: { law: poisson, rate: 500/s }, count: 6000, confirms: true }
              lost: { to: nowhere, arrivals: 10/s, count: 50 }
            consumers:
              worker: { from: jobs, prefetch: 5, service: 2ms, instances: 2, fails: { error: 2% }, on_error: { requeue: false } }
            faults: [{ at: 4s, do: kill, client: worker, for: 2s }]
            """
        )
        let writer = try TraceWriter(
            path: path,
            heading: .init(name: "sums", topology: "", seed: 1, version: "t"),
            names: simulation.world.names,
            nodes: (0..<simulation.world.nodeCount).map {
                simulation.world.name(of: NodeID(UInt32($0)))
            }
        )
        var facts: [Fact] = []
        simulation.run { facts += $0 }
        for start in stride(from: 0, to: facts.count, by: 5000) {
            try writer.append(Array(facts[start..<min(start + 5000, facts.count)]))
        }
        length = simulation.world.now.nanoseconds
        try writer.finish(
            .init(
                digest: "",
                simulated: length,
                events: 0,
                messages: 0,
                complete: true,
                summary: "{}"
            ),
            names: simulation.world.names
        )
        self.facts = facts
    }

    /// The file as it is, and a copy whose sums are gone, as in a file of an older Warren.
    private func readers() throws -> [TraceReader] {
        let bare = scratch.path("bare.sqlite")
        try? FileManager.default.removeItem(atPath: bare)
        try FileManager.default.copyItem(atPath: path, toPath: bare)
        try DatabaseQueue(path: bare).write { database in
            for table in ["chunks", "sum_rows", "slice_rows"] {
                try database.execute(sql: "DROP TABLE \(table)")
            }
            try database.execute(sql: "DROP INDEX rare_facts")
            try database.execute(sql: "DROP INDEX derived_facts")
        }
        return [try TraceReader(path: path), try TraceReader(path: bare)]
    }

    @Test func `find a message among chunks that do not tell of it`() throws {
        #expect(facts.count > 15_000)
        for reader in try readers() {
            let run = try reader.run(nil)
            for number in [UInt32(1), 17, 2003, 6050, 7000] {
                let own = facts.filter { $0.message == MessageID(number) }
                #expect(try reader.facts(of: run, message: MessageID(number)) == own, "m\(number)")
            }
            let both = facts.filter { [MessageID(3), MessageID(5900)].contains($0.message) }
            let found = try reader.facts(of: run, messages: [MessageID(5900), MessageID(3)])
            #expect(found == both)
        }
    }

    @Test func `say what queues held at any moment`() throws {
        let moments = [0, 1, 1_999_999_999, 4_000_000_000, 5_500_000_000, length, length * 2]
        for reader in try readers() {
            let run = try reader.run(nil)
            for moment in moments.map({ Instant(nanoseconds: $0) }) {
                var ledger = Ledger()
                for fact in facts where fact.time <= moment { ledger.take(fact) }
                #expect(try reader.state(of: run, at: moment) == RunState(ledger), "\(moment)")
            }
        }
    }

    @Test func `rare is what tells of no message, relays and members among it`() {
        let rare: [FactKind] = [.nodeStarted, .bindingDeleted, .relayWanted, .snapshotInstalled]
        #expect(rare.allSatisfy { $0.isRare })
        let others: [FactKind] = [
            .messagePublished, .messageRelayed, .messageRouted, .deliverySent,
        ]
        #expect(others.allSatisfy { !$0.isRare })
    }

    @Test func `count what happened, and find the rare things`() throws {
        let rare = facts.filter(\.kind.isRare)
        for reader in try readers() {
            let run = try reader.run(nil)
            let sums = try reader.sums(of: run)
            #expect(
                sums.reduce(0) { $0 + $1.count } == UInt64(facts.count - rare.count)
            )
            let acked = sums.filter { $0.key.kind == .deliveryAcked }
            #expect(
                acked.reduce(0) { $0 + $1.count }
                    == UInt64(facts.count { $0.kind == .deliveryAcked })
            )
            let sent = facts.filter { $0.kind == .deliverySent }
            let ours = sums.filter { $0.key.kind == .deliverySent }
            #expect(ours.reduce(0) { $0 + $1.total } == sent.reduce(0) { $0 + $1.detail })
            #expect(ours.map(\.first).min() == sent.first?.time)
            #expect(ours.map(\.last).max() == sent.last?.time)
            #expect(try reader.rareFacts(of: run) == rare)
            let soon = Instant(nanoseconds: 5_000_000_000)
            #expect(try reader.rareFacts(of: run, until: soon) == rare.filter { $0.time <= soon })
        }
    }

    @Test func `cut the run into slices that add up`() throws {
        let all = try readers().map { reader in
            try reader.slices(of: reader.run(nil)).queues.map { "\($0.queue) \($0.slices)" }
        }
        #expect(all[0] == all[1])
        let reader = try TraceReader(path: path)
        let (width, queues) = try reader.slices(of: reader.run(nil))
        let slices = try #require(queues.first { $0.queue == .none }).slices
        #expect(slices.count <= 256 && slices.count > 100)
        #expect(slices.reduce(0) { $0 + $1.came } == 6050)
        #expect(
            slices.reduce(0) { $0 + $1.sent } == UInt64(facts.count { $0.kind == .deliverySent })
        )
        #expect(slices.allSatisfy { $0.start.nanoseconds % width.nanoseconds == 0 })
        let names = try reader.names(of: reader.run(nil))
        let jobs = try #require(queues.first { names[$0.queue] == "jobs" }).slices
        // What waited while the workers were dead was the most that ever did.
        var ledger = Ledger()
        var deepest: (UInt64, Instant) = (0, .zero)
        for fact in facts {
            ledger.take(fact)
            let ready = ledger.queues.first { names[$0.symbol] == "jobs" }?.ready ?? 0
            if ready > deepest.0 { deepest = (ready, fact.time) }
        }
        let most = try #require(jobs.max { $0.deepest < $1.deepest })
        #expect(most.deepest == deepest.0 && most.deepestAt == deepest.1)
        #expect(deepest.0 > 500)
    }

    @Test func `are there in a run that was killed, as far as it came`() throws {
        let cut = scratch.path("cut.sqlite")
        let writer = try TraceWriter(
            path: cut,
            heading: .init(name: "cut", topology: "", seed: 1, version: "t"),
            names: Names(),
            nodes: []
        )
        try writer.append(Array(facts[..<6000]))
        try writer.append(Array(facts[6000..<9000]))
        // Nothing is finished; what was handed over is waited for.
        var run = try TraceReader(path: cut).run(nil)
        for _ in 0..<200 where run.rows?.count != 9000 {
            usleep(10_000)
            run = try TraceReader(path: cut).run(nil)
        }
        let reader = try TraceReader(path: cut)
        #expect(run.rows?.count == 9000 && !run.complete)
        var ledger = Ledger()
        for fact in facts[..<9000] { ledger.take(fact) }
        #expect(try reader.state(of: run, at: .never) == RunState(ledger))
        let own = facts[..<9000].filter { $0.message == MessageID(900) }
        #expect(try reader.facts(of: run, message: MessageID(900)) == own)
        #expect(
            try reader.sums(of: run).first { $0.key.kind == .messagePublished } != nil
        )
    }
}
