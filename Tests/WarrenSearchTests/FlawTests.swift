import Foundation
import Support
import Testing
import WarrenBroker
import WarrenCatalog
import WarrenKernel
import WarrenLedger
import WarrenSearch
import WarrenTopology

/// The flaws that are planted in `Topologies/rabbitmq/flaws`, and what their mended twins stand.
@Suite("A planted flaw") struct FlawTests {
    private static let folder = Repository.root.appending(path: "Topologies/rabbitmq/flaws")

    private static var names: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [])
            .filter { $0.hasSuffix(".yaml") && !$0.hasSuffix("-mended.yaml") }
            .map { String($0.dropLast(5)) }.sorted()
    }

    private static func topology(_ name: String) throws -> Topology {
        try #require(Simulate.topology(folder.appending(path: "\(name).yaml").path))
    }

    private static func search(_ name: String, runs: Int, seed: UInt64 = 1, jobs: Int = 2) throws
        -> Search.Result
    {
        var options = Search.Options()
        options.runs = runs
        options.seed = seed
        options.jobs = jobs
        var search = Search(try topology(name), models: Catalog.models, options)
        return try search.run()
    }

    /// In how many events a person told the story, as the file says.
    private static func byHand(_ name: String) throws -> UInt64 {
        let text = try String(contentsOf: folder.appending(path: "\(name).yaml"), encoding: .utf8)
        let number = try #require(text.firstMatch(of: #/# By hand: ([0-9]+) events/#)?.output.1)
        return try #require(UInt64(number))
    }

    @Test("there are a dozen, each with a mended twin") func dozen() throws {
        #expect(Self.names.count >= 12)
        for name in Self.names {
            #expect(
                FileManager.default.fileExists(
                    atPath: Self.folder.appending(path: "\(name)-mended.yaml").path
                )
            )
            #expect(try Self.byHand(name) > 0)
        }
    }

    @Test("is found, and its story made short enough to be told", arguments: names)
    func found(_ name: String) throws {
        let result = try Self.search(name, runs: 1000)
        let hit = try #require(result.hits.first)
        let topology = try Self.topology(name)
        let file = CaseFile(topology)
        let found = try #require(
            Shrinker(file, hit.schedule, breaking: hit.breach.name, models: Catalog.models) {
                Simulate.read($0).topology
            }
        )
        // The file that is written down plays to the same fingerprint as the run of the search.
        #expect(found.outcome.digest == hit.digest)
        var shrinker = found
        shrinker.run()
        #expect(shrinker.outcome.breach.name == hit.breach.name)
        #expect(try shrinker.outcome.events <= Self.byHand(name))
        #expect(shrinker.outcome.events <= 400)
        let again = try Simulate.run(shrinker.best.text)
        #expect(again.digest == shrinker.outcome.digest)
        #expect(again.verdicts.contains { $0.name == hit.breach.name && !$0.held })
    }

    @Test("that is mended is not found any more", .tags(.slow), .unlessQuick, arguments: names)
    func mended(_ name: String) throws {
        let result = try Self.search(name + "-mended", runs: 128)
        #expect(result.hits.map(\.breach.name) == [])
        #expect(result.cutShort == 0)
        #expect(result.runs == 128)
    }

    @Test("is found in the same run, by the same schedule, whatever the number of jobs")
    func jobs() throws {
        for name in ["two-of-a-kind", "expired-and-gone"] {
            let results = try [1, 2, 5].map { try Self.search(name, runs: 300, jobs: $0) }
            for other in results.dropFirst() {
                #expect(other.hits.map(\.run) == results[0].hits.map(\.run))
                #expect(other.hits.map(\.digest) == results[0].hits.map(\.digest))
                #expect(other.events == results[0].events)
                #expect(other.distinct == results[0].distinct)
                #expect(other.situations == results[0].situations)
            }
        }
    }
}
