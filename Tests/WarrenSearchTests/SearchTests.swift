import Foundation
import Support
import Testing
import WarrenBroker
import WarrenCatalog
import WarrenKernel
import WarrenLedger
import WarrenSearch
import WarrenTopology

/// What a search may do, and what it says.
@Suite("A search") struct SearchTests {
    private static let queue = """
        warren: 1
        name: t
        brokers: { main: { kind: rabbitmq, queues: { q: {}, idle: {} } } }
        producers: { p: { to: q, arrivals: { law: exponential, mean: 10ms }, count: 20, confirms: true } }
        consumers: { c: { from: q, service: { law: gamma, mean: 5ms, cv: 0.8 }, instances: 2 } }

        """

    private static func topology(_ more: String) throws -> Topology {
        try #require(Simulate.read(queue + more).topology)
    }

    private static func search(_ more: String, runs: Int = 128) throws -> Search.Result {
        var options = Search.Options()
        options.runs = runs
        options.stopsAtFirst = false
        var search = Search(try topology(more), models: Catalog.models, options)
        return try search.run()
    }

    @Test("begins each run as if its world had been built for it alone") func stages() throws {
        let topology = try Self.topology("")
        let stage = try Stage(topology, models: Catalog.models)
        let menu = FaultMenu(topology)
        for seed in UInt64(1)...12 {
            var fault = menu.items[Int(seed) % menu.items.count]
            fault.moment = .at(Double(seed) * 7e6)
            fault.duration = 1e9
            var schedule = Stage.Schedule(
                seed: seed,
                faults: [fault],
                ties: seed % 2 == 0 ? .drawn : seed % 3 == 0 ? .ranked : .inOrder,
                latency: seed % 3 == 0 ? .exponential(mean: 80_000) : nil
            )
            if seed % 4 == 0 {
                schedule.links = [
                    Topology.Link(
                        between: ["c", "main/main"],
                        latency: .constant(5e6),
                        place: fault.place
                    )
                ]
            }
            var one = stage.begin(schedule)
            one.run()
            let other = try Simulate.run(CaseFile(topology).with(schedule).text)
            #expect(one.digest == other.digest, "seed \(seed)")
            #expect(one.world.eventCount == other.world.eventCount)
        }
    }

    @Test("keeps the order of what goes over one connection, however ties are drawn") func ties()
        throws
    {
        // All packets of a burst arrive at one moment: without an order of their own, confirms would be of others.
        let burst = """
            warren: 1
            name: t
            brokers: { main: { kind: rabbitmq, queues: { q: {} } } }
            network: { default: { latency: 0s } }
            producers: { p: { to: q, arrivals: 0s, count: 50, confirms: true } }
            consumers: { c: { from: q, prefetch: 7, service: 0s } }
            run: { ties: drawn }
            expect: { measure: { in_order: "out_of_order(c) == 0", all: "confirmed == 50 and handled == 50" } }
            """
        var digests: Set<String> = []
        for seed in UInt64(1)...20 {
            let run = try Simulate.run(burst, seed: seed)
            #expect(run.verdicts.map(\.held) == [true, true])
            #expect(run.imbalances().isEmpty)
            digests.insert(run.digest)
        }
        #expect(digests.count == 20)
    }

    @Test("writes files that stand alone: of a broker's own file nothing but what it says is left")
    func definitions() throws {
        let path = Repository.root.appending(path: "Topologies/rabbitmq/definitions.yaml").path
        let topology = try #require(Simulate.topology(path))
        var run = try Stage(topology, models: Catalog.models).begin(Stage.Schedule(seed: 4))
        run.run()
        let text = CaseFile(topology).with(Stage.Schedule(seed: 4)).text
        #expect(!text.contains("definitions.json"))
        #expect(try Simulate.run(text).digest == run.digest)
    }

    @Test("tries what the file allows, on whom it allows") func menus() throws {
        let all = FaultMenu(try Self.topology(""))
        #expect(all.items.count > 10)
        #expect(!all.items.contains { $0.action == .kill && $0.client == "p" })
        let some = FaultMenu(
            try Self.topology("search: { faults: [kill, drop_connection], hits: [c], at_most: 2 }")
        )
        #expect(
            some.items.map(\.words) == [
                "kill c#1", "kill c#2", "drop connection c#1", "drop connection c#2",
            ]
        )
        #expect(try Self.topology("search: { at_most: 2 }").search.atMost == 2)
        let named = FaultMenu(try Self.topology("search: { faults: [kill], hits: [p] }"))
        #expect(named.items.map(\.words) == ["kill p"])
        #expect(Simulate.read(Self.queue + "search: { hits: [nobody] }").topology == nil)
        #expect(Simulate.read(Self.queue + "search: { faults: [upgrade] }").topology == nil)
    }

    @Test("of a file that expects nothing asks for the obvious") func obvious() throws {
        let topology = try Self.topology("")
        var file = CaseFile(topology)
        file.expectTheObvious(topology)
        let whole = try #require(Simulate.read(file.text).topology)
        #expect(whole.expectations.map(\.name) == ["confirmed_is_kept", "drained_q"])
        // Transient messages do not outlive their broker: that is found, and nothing else.
        var options = Search.Options()
        options.runs = 512
        var search = Search(whole, models: Catalog.models, options)
        #expect(try search.run().hits.map(\.breach.name) == ["confirmed_is_kept"])
    }

    @Test("asks the obvious of names with quotes in them, and of links that take no time")
    func odd() throws {
        let text = """
            warren: 1
            name: odd
            brokers: { main: { kind: rabbitmq, queues: { "it's": {} } } }
            network: { default: { latency: 0s } }
            producers: { p: { to: "it's", arrivals: 10ms, count: 5, persistent: true, confirms: true } }
            consumers: { c: { from: "it's", effect: "o'clock", service: 3ms } }
            """
        var file = CaseFile(try #require(Simulate.read(text).topology))
        file.expectTheObvious(try #require(Simulate.read(text).topology))
        let whole = try #require(Simulate.read(file.text).topology)
        #expect(
            whole.expectations.map(\.name) == ["confirmed_is_kept", "once_o'clock", "drained_it's"]
        )
        var search = Search(whole, models: Catalog.models, Search.Options())
        let hit = try #require(try search.run().hits.first { $0.breach.name == "once_o'clock" })
        // What was found is found again from its file.
        let found = Shrinker(
            CaseFile(whole),
            hit.schedule,
            breaking: hit.breach.name,
            models: Catalog.models
        ) { Simulate.read($0).topology }
        #expect(found?.outcome.digest == hit.digest)
    }

    @Test("says what it saw and what it did not") func coverage() throws {
        let result = try Self.search(
            "search: { faults: [kill], hits: [c], at_most: 1 }\nexpect: { never: { lost: confirmed and not handled } }"
        )
        #expect(result.hits.isEmpty)
        #expect(result.runs == 128)
        #expect(result.distinct > 100)
        #expect(result.situations > 10)
        #expect(result.lastNew > 0)
        #expect(result.queuesNeverReached == ["idle"])
        #expect(result.failuresNeverReached == [])
        #expect(result.faults.map(\.words) == ["kill c#1", "kill c#2"])
        #expect(result.faults.allSatisfy { $0.runs > 10 })
    }

    @Test("names the failures that never happened") func failures() throws {
        let text = Self.queue.replacing(
            "instances: 2",
            with: "instances: 2, fails: { error: 30%, hang: 0.0000001%, crash_during_work: 5% }"
        )
        var search = Search(
            try #require(Simulate.read(text).topology),
            models: Catalog.models,
            Search.Options()
        )
        let never = try search.run().failuresNeverReached
        #expect(never.count == 1)
        #expect(never.first?.hasPrefix("c: ") == true)
    }

    @Test("does not take for broken what was never measured") func nothing() throws {
        let result = try Self.search(
            "expect: { measure: { quick: \"p99(wait(idle)) < 1s\" } }",
            runs: 64
        )
        #expect(result.hits.isEmpty)
    }
}
