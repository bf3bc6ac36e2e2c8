import Foundation
import Support
import Testing

/// `search` and runs of many seeds, as people and CI systems call them.
@Suite("The command line of searches") struct SearchCommandTests {
    private let scratch: Scratch
    private let flaw: String
    private let good: String

    init() throws {
        scratch = try Scratch()
        let text = """
            warren: 1
            name: shop
            brokers: { main: { kind: rabbitmq, queues: { orders: {} } } }
            producers: { web: { to: orders, arrivals: 20ms, count: 10, persistent: true, confirms: { retries: 9 } } }
            consumers: { worker: { from: orders, ack: before, prefetch: 2, service: 10ms } }
            search: { faults: [kill], hits: [worker], at_most: 1 }
            expect:
              never: { lost: "confirmed and not handled" }

            """
        flaw = try scratch.write("flaw.yaml", text)
        good = try scratch.write("good.yaml", text.replacing("ack: before", with: "ack: after"))
    }

    private func warren(_ arguments: String...) throws -> Programs.Outcome {
        try Programs.run(Programs.warren, arguments, in: scratch.folder)
    }

    @Test("shows the shortest story, and writes it as a file that plays to the same digest")
    func story() throws {
        let found = try warren("search", flaw, "--runs", "300")
        #expect(found.code == 1)
        #expect(found.output.contains("broken in run"))
        #expect(found.output.contains("m1: web publishes it"))
        #expect(found.output.contains("worker is killed"))
        #expect(found.output.contains("play    warren run ./shop.lost.yaml"))
        let digest = try #require(found.output.firstMatch(of: #/digest ([0-9a-f]+)/#)?.output.1)
        let played = try warren("run", "shop.lost.yaml", "--no-trace")
        #expect(played.code == 1)
        #expect(played.output.contains("digest \(digest)"))
        #expect(played.output.contains("broken  lost"))
    }

    @Test("plays what broke before first, as long as it fits") func memory() throws {
        let first = try warren("search", flaw, "--runs", "300", "--seed", "3")
        let run = try #require(first.output.firstMatch(of: #/broken in run ([0-9]+)/#)?.output.1)
        #expect(run != "1")
        let again = try warren("search", flaw, "--runs", "300", "--seed", "99")
        #expect(again.output.contains("broken in run 1:"))
        // The same names, and the flaw is mended: it is played, and does not break.
        let mended = try warren("search", good, "--runs", "100")
        #expect(mended.code == 0)
        // A client that is gone cannot be killed.
        let other = try scratch.write(
            "other.yaml",
            """
            warren: 1
            name: shop
            brokers: { main: { kind: rabbitmq, queues: { orders: {} } } }
            producers: { web: { to: orders, count: 3, arrivals: 10ms } }
            consumers: { somebody: { from: orders } }
            expect: { never: { lost: "confirmed and not handled" } }

            """
        )
        let unfit = try warren("search", other, "--runs", "10")
        #expect(unfit.errors.contains("do not fit the file any more"))
    }

    @Test("writes under names that any shell takes, whatever the file is called") func names()
        throws
    {
        let odd = try scratch.write(
            "odd.yaml",
            String(contentsOfFile: flaw, encoding: .utf8).replacing(
                "name: shop",
                with: "name: a/b c"
            )
            .replacing("lost:", with: "it's/gone:")
        )
        #expect(try warren("search", odd, "--runs", "300").code == 1)
        #expect(try warren("run", "a-b-c.it-s-gone.yaml", "--no-trace").code == 1)
    }

    @Test("says of a clean result what was looked at, and ends with 0") func clean() throws {
        let clean = try warren("search", good, "--runs", "200", "--jobs", "2")
        #expect(clean.code == 0)
        #expect(clean.output.contains("nothing broke in 200 runs"))
        #expect(clean.output.contains("situations, the last new one in run"))
    }

    @Test("speaks to CI systems") func formats() throws {
        let json = try warren("search", flaw, "--runs", "300", "--format", "json")
        let whole = try #require(
            try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any]
        )
        let found = try #require(whole["found"] as? [[String: Any]])
        #expect(found.map { $0["expectation"] as? String } == ["lost"])
        let junit = try warren("search", flaw, "--runs", "300", "--format", "junit")
        #expect(junit.output.contains("tests=\"1\" failures=\"1\""))
        let program = """
            import sys, xml.etree.ElementTree as tree
            print(len(tree.fromstring(sys.argv[1].encode()).findall(".//failure")))
            """
        let counted = try Programs.run("/usr/bin/env", ["python3", "-c", program, junit.output])
        #expect(counted.output == "1\n")
        let github = try warren("search", flaw, "--runs", "300", "--format", "github")
        #expect(github.output.hasPrefix("::error file="))
        #expect(github.output.contains(",line=8,title=broken%3A lost::"))
    }

    @Test(
        "refuses what it cannot do",
        arguments: [
            ["search", "nobody.yaml"], ["search", "flaw.yaml", "--runs", "0"],
            ["search", "flaw.yaml", "--for", "soon"], ["search", "flaw.yaml", "--jobs", "0"],
            ["run", "flaw.yaml", "--seeds", "9..1"],
            ["run", "flaw.yaml", "--seeds", "1..3", "--seed", "4"],
            ["run", "flaw.yaml", "--seeds", "1..3", "--trace", "t.sqlite"],
        ]
    )
    func refusals(_ arguments: [String]) throws {
        #expect(try Programs.run(Programs.warren, arguments, in: scratch.folder).code == 2)
    }

    @Test("lives many seeds and all stories in one table") func tables() throws {
        let seeds = try warren("run", good, "--seeds", "1..20")
        #expect(seeds.code == 0)
        #expect(seeds.output.contains("held    lost in all 20"))
        let stories = try warren("run", flaw, "--scenario", "all", "--format", "json")
        let rows = try #require(
            try JSONSerialization.jsonObject(with: Data(stories.output.utf8)) as? [[String: Any]]
        )
        #expect(rows.count == 8)
        #expect(rows.first?["label"] as? String == "rolling-restart")
    }

    @Test("draws the story, and says along which bindings no message went") func coverage() throws {
        let found = try warren("search", flaw, "--runs", "300")
        #expect(found.output.contains("│─ publish m1 ─▶│"))
        let routes = try scratch.write(
            "routes.yaml",
            """
            warren: 1
            name: routes
            brokers:
              main:
                kind: rabbitmq
                queues: { q: { dead_letter: { exchange: e, key: a.dead } }, r: {}, dead: {} }
                exchanges: { e: { type: topic }, h: { type: headers } }
                bindings:
                  - { from: e, queue: q, key: a.* }
                  - { from: e, queue: q, key: b.# }
                  - { from: e, queue: dead, key: "*.dead" }
                  - { from: e, queue: r, key: never }
                  - { from: h, queue: r, headers: { kind: order } }
                  - { from: h, queue: q, headers: { kind: bill } }
            producers:
              p: { to: { exchange: e, key: a.b }, count: 3, arrivals: 1ms }
              g: { to: { exchange: h }, headers: { kind: order }, count: 3, arrivals: 1ms }
            consumers:
              c: { from: q, service: 1ms, fails: { error: 50% }, on_error: { requeue: false } }
              d: { from: r, service: 1ms }
            expect: { measure: { all: published == 6 } }
            """
        )
        let searched = try warren("search", routes, "--runs", "64")
        #expect(
            searched.output.contains(
                "no message ever went along e → q 'b.#', e → r 'never', h → q '' with headers"
            ),
            "\(searched.output)"
        )
    }

    @Test("lives shards on many machines, and joins what they saw") func shards() throws {
        for shard in 1...2 {
            let part = try warren(
                "search",
                good,
                "--runs",
                "100",
                "--shard",
                "\(shard)/2",
                "--results",
                "\(shard).sqlite"
            )
            #expect(part.code == 0)
            #expect(part.output.contains("in 50 runs"))
        }
        let half = try warren("search", "merge", "1.sqlite", "--results", "half.sqlite")
        #expect(half.output.contains("missing   shard 2 of 2"))
        let whole = try warren("search", "merge", "half.sqlite", "2.sqlite", "--format", "json")
        #expect(whole.code == 0)
        #expect(whole.output.contains("\"runs\" : 100"))
        let twice = try warren("search", "merge", "half.sqlite", "1.sqlite")
        #expect(twice.code == 2)
        #expect(twice.errors.contains("shard 1 is in it and in another file"))
        let alone = try warren("search", "merge")
        #expect(alone.code == 2)
        #expect(try warren("search", good, "--shard", "3/2").code == 2)
        #expect(try warren("search", good, "--resume").code == 2)
    }

    @Test("leaves alone what was kept of other searches, where it goes through everything")
    func keeping() throws {
        _ = try warren("search", flaw, "--runs", "300")
        let kept = scratch.path("shop.schedules.yaml")
        let before = try String(contentsOfFile: kept, encoding: .utf8)
        #expect(before.contains("broke: lost"))
        let found = try warren("search", flaw, "--exhaustive", "--runs", "500")
        #expect(found.code == 1)
        #expect(!found.output.contains("kept "))
        #expect(try String(contentsOfFile: kept, encoding: .utf8) == before)
    }

    @Test("of a small world says that everything was seen") func exhaustive() throws {
        let small = try scratch.write(
            "small.yaml",
            """
            warren: 1
            name: small
            brokers: { main: { kind: rabbitmq, queues: { q: {} } } }
            producers: { a: { to: q, arrivals: 1ms, count: 4 }, b: { to: q, arrivals: 1ms, count: 4 } }
            search: { at_most: 0 }
            expect: { never: { lost: dropped } }
            """
        )
        let seen = try warren("search", small, "--exhaustive")
        #expect(seen.code == 0)
        #expect(seen.output.contains("everything was seen: runs with no fault all "))
        let some = try warren("search", small, "--exhaustive", "--runs", "1")
        #expect(some.output.contains("not everything was seen"))
    }
}
