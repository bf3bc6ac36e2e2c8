import Support
import Testing
import WarrenBroker
import WarrenCatalog
import WarrenKernel
import WarrenLedger
import WarrenSearch
import WarrenTopology

/// A search that leaves nothing out.
@Suite("A search of all there is") struct ExhaustionTests {
    private static func topology(_ text: String) throws -> Topology {
        try #require(Simulate.read(text).topology)
    }

    private static func search(
        _ text: String,
        jobs: Int = 2,
        mergesStates: Bool = true
    ) throws -> Exhaustion.Result {
        var options = Search.Options()
        options.runs = 100_000
        options.jobs = jobs
        options.stopsAtFirst = false
        return try Exhaustion(
            try topology(text),
            models: Catalog.models,
            options,
            mergesStates: mergesStates
        ).run()
    }

    /// Two publishers whose messages arrive at one moment.
    private static let race = """
        warren: 1
        name: race
        brokers: { main: { kind: rabbitmq, queues: { q: {} } } }
        producers: { a: { to: q, arrivals: 10ms, count: 1 }, b: { to: q, arrivals: 10ms, count: 1 } }
        search: { at_most: 0 }

        """

    /// One message, and whatever may go wrong with it.
    private static let one = """
        warren: 1
        name: one
        brokers: { main: { kind: rabbitmq, queues: { q: { durable: true } } } }
        producers: { a: { to: q, arrivals: 10ms, count: 1, confirms: true, persistent: true } }
        consumers: { c: { from: q, service: 1ms } }
        search: { faults: [kill, drop_connection], at_most: 1 }
        expect: { never: { twice: redelivered } }

        """

    @Test("comes to the same ends whether states that were seen are lived again or not")
    func merging() throws {
        let text = Self.race
        let all = try Self.search(text, mergesStates: false)
        let some = try Self.search(text)
        #expect(all.levels.map(\.isWhole) == [true])
        #expect(some.levels.map(\.isWhole) == [true])
        #expect(all.ends == some.ends)
        #expect(all.ends.count > 1)
        #expect(some.merged > 0)
        #expect(some.tally.rows.count < all.tally.rows.count)
        // Orders that are different ones are different runs.
        #expect(some.tally.distinct == some.tally.rows.count)
    }

    @Test("is the same for any number of jobs") func jobs() throws {
        let text = Self.one
        let one = try Self.search(text, jobs: 1)
        let two = try Self.search(text, jobs: 2)
        #expect(one.tally.rows == two.tally.rows)
        #expect(one.ends == two.ends)
        #expect(one.levels.count == 2 && one.levels.allSatisfy(\.isWhole))
        #expect(one.levels[1].runs > one.levels[0].runs)
        #expect(one.tally.faults.values.reduce(0, +) == one.levels[1].runs)
        #expect((one.tally.faults["kill c"] ?? 0) > 1)
        #expect(one.tally.hits.count > 1)
    }

    @Test("finds what breaks in one order only, and its file plays it") func order() throws {
        // In order, the message of a is there first, and makes place for that of b.
        let text = """
            warren: 1
            name: race
            brokers: { main: { kind: rabbitmq, queues: { q: { max_length: 1 } } } }
            producers: { a: { to: q, arrivals: 10ms, count: 1 }, b: { to: q, arrivals: 10ms, count: 1 } }
            search: { at_most: 0 }
            expect: { never: { b_makes_place: dropped and from b } }
            """
        #expect(try Simulate.run(text).verdicts.map(\.held) == [true])
        let result = try Self.search(text)
        #expect(result.levels.map(\.isWhole) == [true])
        #expect(result.tally.hits.map(\.breach.name) == ["b_makes_place"])
        let hit = try #require(result.tally.hits.first)
        let played = try Simulate.run(CaseFile(try Self.topology(text)).with(hit.schedule).text)
        #expect(played.digest == hit.digest)
        #expect(played.verdicts.map(\.held) == [false])
    }

    @Test("plays each of its runs again from the file, to the same digest") func replay() throws {
        let text = Self.one
        let topology = try Self.topology(text)
        let result = try Self.search(text)
        let stage = try Stage(topology, models: Catalog.models)
        var played = 0
        for (run, schedule) in result.tally.telling {
            var again = stage.begin(schedule)
            again.run()
            let row = try #require(result.tally.rows.first { $0.number == run })
            #expect(again.world.eventCount == row.events)
            let whole = try Simulate.run(CaseFile(topology).with(schedule).text)
            #expect(whole.digest == again.digest)
            #expect(UInt64(again.digest, radix: 16) == row.fingerprint, "run \(run)")
            played += 1
        }
        #expect(played > 5)
    }

    @Test("says of a world whether everything was seen") func bounds() throws {
        var options = Search.Options()
        options.runs = 10
        let result = try Exhaustion(try Self.topology(Self.one), models: Catalog.models, options)
            .run()
        #expect(result.levels.last?.isWhole == false)
    }
}
