import Foundation
import Support
import Synchronization
import Testing
import WarrenBroker
import WarrenCatalog
import WarrenSearch
import WarrenTopology

/// What a search keeps in a file, goes on from, and joins.
@Suite("Results of a search") struct ResultsTests {
    private static let text = """
        warren: 1
        name: t
        brokers: { main: { kind: rabbitmq, queues: { q: { durable: true } } } }
        producers: { p: { to: q, arrivals: { law: exponential, mean: 10ms }, count: 10, confirms: true, persistent: true } }
        consumers: { c: { from: q, service: { law: gamma, mean: 5ms, cv: 0.8 }, instances: 2, effect: charge } }
        expect: { never: { twice: effects(charge) per message_id > 1 } }
        """

    private static func read(_ text: String) -> Topology? { Simulate.read(text).topology }

    private static func options(_ change: (inout Search.Options) -> Void = { _ in })
        -> Search.Options
    {
        var options = Search.Options()
        options.runs = 300
        options.stopsAtFirst = false
        change(&options)
        return options
    }

    private static func search(
        _ options: Search.Options,
        from tally: Tally = Tally(),
        stopAfter most: Int = .max
    ) throws -> Tally {
        var search = Search(try #require(read(text)), models: Catalog.models, options)
        let asked = Atomic<Int>(0)
        return try search.run(
            from: tally,
            isStopped: { asked.wrappingAdd(1, ordering: .relaxed).newValue > most }
        ).tally
    }

    private static func kept(_ tally: Tally, _ options: Search.Options) throws -> Tally {
        let folder = try Scratch()
        let topology = try #require(read(text))
        let path = folder.path("r.sqlite")
        let heading = ResultsFile.Heading(version: "1", path: "t.yaml", text: text, options)
        try ResultsFile(creating: path, heading, first: options.first).save(tally)
        let file = try ResultsFile(opening: path)
        #expect(file.heading == heading)
        return try file.tally(topology, read: read)
    }

    /// All that a tally says, as a text.
    private static func words(_ tally: Tally) throws -> [String] {
        let file = CaseFile(try #require(read(text)))
        return tally.rows.map { "\($0)" } + tally.situations.map { "\($0)" }.sorted()
            + tally.telling.map { "\($0.run) \(file.with($0.schedule).text)" }
            + tally.hits.map { "\($0.run) \($0.times) \($0.kind) \($0.digest)" }
            + tally.faults.map { "\($0)" }.sorted() + tally.reached.map { "\($0)" }.sorted()
    }

    @Test(
        "are, for a search that was interrupted anywhere and went on from its file, those of one that was not"
    )
    func resume() throws {
        let whole = try Self.search(Self.options())
        #expect(whole.rows.count == 300)
        #expect(whole.hits.count > 2)
        #expect(whole.telling.count > 20)
        for stop in [2, 70, 201] {
            // Ctrl-C may come in the middle of a round.
            let part = try Self.search(Self.options(), stopAfter: stop)
            #expect(part.rows.count < 300 && !part.rows.isEmpty)
            let kept = try Self.kept(part, Self.options())
            let rest = try Self.search(Self.options(), from: kept)
            let other = zip(try Self.words(rest), try Self.words(whole)).first { $0 != $1 }
            #expect(other == nil, "after \(part.rows.count)")
        }
    }

    @Test("of shards have each run once, whatever the number of jobs") func shards() throws {
        var joined: Tally?
        for shard in [3, 1, 2] {
            let one = try Self.search(Self.options { ($0.shard, $0.shards) = (shard, 3) })
            let again = try Self.search(
                Self.options { ($0.shard, $0.shards, $0.jobs) = (shard, 3, 2) }
            )
            #expect(try Self.words(one) == Self.words(again))
            #expect(one.rows.map(\.number) == (0..<100).map { $0 * 3 + shard })
            let kept = try Self.kept(one, Self.options { ($0.shard, $0.shards) = (shard, 3) })
            guard var all = joined else {
                joined = kept
                continue
            }
            let isJoined = all.join(kept)
            #expect(isJoined)
            let isTwice = all.join(kept)
            #expect(!isTwice, "the same runs are not counted twice")
            joined = all
        }
        let all = try #require(joined)
        #expect(all.rows.map(\.number) == Array(1...300))
        #expect(all.hits.map(\.run) == all.hits.map(\.run).sorted())
        // What each shard counted is there as often.
        #expect(all.hits.reduce(0) { $0 + $1.times } >= all.hits.count)
        #expect(Set(all.situations.map(\.hash)).count == all.situations.count)
    }

    @Test("say why they cannot be joined with others") func strangers() throws {
        func heading(_ change: (inout Search.Options) -> Void, _ text: String = Self.text)
            -> ResultsFile.Heading
        {
            ResultsFile.Heading(version: "1", path: "t", text: text, Self.options(change))
        }
        let one = heading { ($0.shard, $0.shards) = (1, 2) }
        #expect(one.differs(from: heading { ($0.shard, $0.shards) = (2, 2) }) == nil)
        let others = [
            heading { ($0.shard, $0.shards) = (1, 2) },
            heading { ($0.shard, $0.shards) = (2, 3) },
            heading { ($0.shard, $0.shards, $0.seed) = (2, 2, 7) },
            heading { ($0.shard, $0.shards, $0.runs) = (2, 2, 7) },
            heading({ ($0.shard, $0.shards) = (2, 2) }, "another"),
        ]
        for other in others { #expect(one.differs(from: other) != nil) }
        let folder = try Scratch()
        let path = folder.path("no.sqlite")
        #expect(throws: ResultsFile.Failure.self) { try ResultsFile(opening: path) }
        #expect(!FileManager.default.fileExists(atPath: path))
        try Data("warren: 1\n".utf8).write(to: URL(fileURLWithPath: path))
        #expect(throws: ResultsFile.Failure.self) { try ResultsFile(opening: path) }
    }
}
