import Foundation
import Support
import Testing

/// What the program tells of a recorded run.
@Suite("The story of a trace") struct TraceStoryTests {
    private let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func warren(_ words: String...) throws -> Programs.Outcome {
        try Programs.run(Programs.warren, words, in: scratch.folder)
    }

    /// Runs a topology of the repository into a trace of this name.
    private func record(_ topology: String, _ trace: String) throws {
        let file = Repository.root.appending(path: "Topologies/\(topology).yaml").path
        _ = try warren("run", file, "--trace", trace)
        try #require(FileManager.default.fileExists(atPath: scratch.path(trace)))
    }

    private func list(_ text: String) throws -> [[String: Any]] {
        try #require(
            try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]],
            "\(text)"
        )
    }

    private func object(_ text: String) throws -> [String: Any] {
        try #require(
            try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any],
            "\(text)"
        )
    }

    @Test func `says which word or header of a binding failed`() throws {
        try record("rabbitmq/headers", "h.sqlite")
        let miss = try warren("trace", "why", "m2", "pdf-reports", "h.sqlite")
        #expect(miss.code == 1)
        #expect(miss.output.contains("the header 'format' is <<\"html\">> and not <<\"pdf\">>"))
        let hit = try warren("trace", "why", "m2", "printable", "h.sqlite")
        #expect(hit.code == 0)
        #expect(hit.output.contains("m2 came into printable at 50.050ms, by x-match=any"))
        let json = try object(
            warren("trace", "why", "m2", "signed", "h.sqlite", "--format", "json").output
        )
        #expect(json["copies"] as? Int == 0)
        #expect(
            (json["misses"] as? [[String: Any]])?.first?["failed"] as? String
                == "the header 'signature' is missing"
        )
        let typo = try warren("trace", "why", "m2", "printabel", "h.sqlite")
        #expect(typo.code == 2 && typo.errors.contains("did you mean 'printable'?"))
    }

    @Test func `goes by the bindings of the moment, not by those of the file`() throws {
        let text = """
            warren: 1
            name: bound
            brokers:
              main:
                kind: rabbitmq
                exchanges: { events: { type: topic } }
                queues: { late: {} }
            producers: { web: { to: { exchange: events, key: a.b }, arrivals: 1/s, start: 0.5s, count: 3 } }
            scripts:
              hand:
                steps:
                  - wait: 2s
                  - bind: { queue: late, exchange: events, key: "a.*" }
            """
        try text.write(toFile: scratch.path("bound.yaml"), atomically: true, encoding: .utf8)
        let run = try warren("run", "bound.yaml", "--trace", "b.sqlite")
        try #require(run.code == 0, "\(run.output)\(run.errors)")
        let early = try warren("trace", "why", "m1", "late", "b.sqlite")
        #expect(early.output.contains("no binding leads from events to it"), "\(early.output)")
        let late = try warren("trace", "why", "m3", "late", "b.sqlite")
        #expect(late.output.contains("by 'a.*'"), "\(late.output)")
        #expect(late.code == 0)
    }

    @Test func `says which token of a subscription failed`() throws {
        try record("nats/publish-subscribe", "n.sqlite")
        let miss = try warren("trace", "why", "m2", "mailer", "n.sqlite")
        #expect(miss.output.contains("token 2 is 'login' and not 'signup'"), "\(miss.output)")
        #expect(try warren("trace", "why", "m1", "mailer", "n.sqlite").code == 0)
    }

    @Test func `tells of a client, a queue and a node`() throws {
        try record("rabbitmq/order-pipeline", "o.sqlite")
        let client = try warren("trace", "client", "billing#3", "o.sqlite").output
        #expect(client.contains("10.000s  billing#3 is killed"), "\(client)")
        #expect(client.contains("begins to consume from billing.orders"))
        #expect(client.contains("pieces of work"))
        let all = try list(
            warren("trace", "client", "billing", "o.sqlite", "--format", "json").output
        )
        #expect(all.count == 6)
        let queue = try list(
            warren("trace", "queue", "billing.orders", "o.sqlite", "--format", "json").output
        )
        let told = try #require(queue.first)
        let deepest = try #require(told["deepest"] as? [String: Any])
        let report = try object(
            warren("trace", "summary", "o.sqlite", "--format", "json").output
        )
        let line = (report["queues"] as? [[String: Any]])?
            .first { $0["name"] as? String == "billing.orders" }
        #expect(deepest["ready"] as? Int == line?["depth_max"] as? Int)
        let consumers = try #require(told["consumers"] as? [[String: Any]])
        let sent = consumers.filter {
            $0["kind"] as? String == "delivery.sent"
                && ($0["sentence"] as? String)?.contains("was sent") == true
        }
        .compactMap { $0["count"] as? Int }.reduce(0, +)
        #expect(sent == line?["delivered"] as? Int)
        let node = try warren("trace", "node", "rabbit-1", "o.sqlite").output
        #expect(node.contains("25.000s  main/rabbit-1 is stopped in good order"), "\(node)")
        let unknown = try warren("trace", "client", "biling", "o.sqlite")
        #expect(unknown.code == 2 && unknown.errors.contains("known here"))
    }

    @Test func `names the request of an answer, and the answer of a request`() throws {
        for topology in ["rabbitmq/rpc", "rabbitmq/rpc-direct", "nats/request-reply"] {
            try? FileManager.default.removeItem(atPath: scratch.path("r.sqlite"))
            try record(topology, "r.sqlite")
            let request = try object(
                warren("trace", "message", "m1", "r.sqlite", "--format", "json").output
            )
            let reply = try #require(
                (request["replies"] as? [String])?.first,
                "\(topology): \(request)"
            )
            let back = try object(
                warren("trace", "message", reply, "r.sqlite", "--format", "json").output
            )
            #expect(back["request"] as? String == "m1", "\(topology)")
            #expect(request["request"] is NSNull)
        }
    }

    @Test func `draws a timeline as wide as it is asked to`() throws {
        try record("rabbitmq/order-pipeline", "o.sqlite")
        for width in [60, 80, 200] {
            let drawn = try warren("trace", "timeline", "o.sqlite", "--width", "\(width)").output
            let rows = drawn.split(separator: "\n").filter { $0.contains("│") }
            #expect(rows.count >= 6)
            #expect(rows.allSatisfy { $0.count <= width }, "\(drawn)")
        }
        let json = try object(
            warren("trace", "timeline", "o.sqlite", "--format", "json").output
        )
        let rates = try #require(json["rates"] as? [[String: Any]])
        let column = try #require(json["column_ns"] as? Double) / 1e9
        let published = try #require(
            (rates.first { $0["name"] as? String == "published/s" })?["values"] as? [Double]
        )
        // A rate times its time is what was published.
        let report = try object(
            warren("trace", "summary", "o.sqlite", "--format", "json").output
        )
        let count = try #require((report["messages"] as? [String: Any])?["published"] as? Double)
        #expect(abs(published.reduce(0, +) * column - count) < 2)
    }

    @Test func `draws a sequence of messages in three languages`() throws {
        try record("rabbitmq/rpc", "r.sqlite")
        let text = try warren("trace", "sequence", "m1", "r.sqlite").output
        #expect(text.contains("publish m1") && text.contains("deliver m2"), "\(text)")
        let mermaid = try warren("trace", "sequence", "m1", "r.sqlite", "--format", "mermaid")
        #expect(mermaid.output.hasPrefix("sequenceDiagram\n"))
        let plant = try warren("trace", "sequence", "m1", "r.sqlite", "--format", "plantuml")
        #expect(plant.output.hasPrefix("@startuml\n") && plant.output.hasSuffix("@enduml\n"))
        let json = try object(
            warren("trace", "sequence", "m1", "r.sqlite", "--format", "json").output
        )
        #expect((json["lifelines"] as? [String])?.contains("pricing") == true)
        let cut = try warren("trace", "sequence", "r.sqlite", "--until", "60ms", "--show", "4")
        #expect(cut.code == 0 && cut.output.contains("deliver m1"), "\(cut.output)")
        let none = try warren("trace", "sequence", "m99999", "r.sqlite")
        #expect(none.code == 2 && none.errors.contains("tells nothing of m99999"))
    }

    @Test func `answers SQL with the types that the columns have`() throws {
        try record("rabbitmq/rpc", "r.sqlite")
        let rows = try list(
            warren(
                "trace",
                "sql",
                "SELECT 1 AS a, 'x\"y' AS b, 0.5 AS c, NULL AS d",
                "r.sqlite",
                "--format",
                "json"
            ).output
        )
        #expect(rows.count == 1)
        #expect(rows[0]["a"] as? Int == 1 && rows[0]["b"] as? String == "x\"y")
        #expect(rows[0]["c"] as? Double == 0.5 && rows[0]["d"] is NSNull)
        let state = try object(
            warren("trace", "at", "1s", "r.sqlite", "--format", "json").output
        )
        #expect(state["time_ns"] as? Int == 1_000_000_000)
    }

    @Test(
        "takes odd words for what they are",
        arguments: [
            (["at", "99999999999999999s", "r.sqlite"], Int32(0), "published"),
            (["at", "0", "r.sqlite"], 0, "prices"),
            (["message", "m+5", "r.sqlite"], 2, "not a message"),
            (["sequence", "r.sqlite", "--show", "9223372036854775807"], 2, "--show"),
            (["sequence", "m1", "m4000000000", "r.sqlite"], 2, "tells nothing of m4000000000"),
            (["client", "main", "r.sqlite"], 2, "try: warren trace node main"),
            (["node", "pricing", "r.sqlite"], 2, "try: warren trace client pricing"),
            (["node", "mian", "r.sqlite"], 2, "did you mean 'main'?"),
        ]
    )
    func odd(_ words: [String], _ code: Int32, _ told: String) throws {
        try record("rabbitmq/rpc", "r.sqlite")
        let outcome = try Programs.run(Programs.warren, ["trace"] + words, in: scratch.folder)
        let text = outcome.output + outcome.errors
        #expect(text.contains(told), "\(words): \(text)")
        #expect(outcome.code == code, "\(words): \(outcome.code)")
    }

    private func run(_ name: String, _ text: String) throws {
        try text.write(toFile: scratch.path("\(name).yaml"), atomically: true, encoding: .utf8)
        let outcome = try warren("run", "\(name).yaml", "--trace", "\(name).sqlite")
        try #require(outcome.code == 0, "\(outcome.errors)")
    }

    @Test func `leaves names as they are, whatever signs are in them`() throws {
        try run(
            "odd",
            """
            warren: 1
            name: odd
            brokers: { main: { kind: rabbitmq, queues: { "50% ~off": {} } } }
            producers: { web: { to: "50% ~off", arrivals: 10/s, count: 5 } }
            consumers: { worker: { from: "50% ~off", service: 1ms } }
            """
        )
        let told = try warren("trace", "client", "worker", "odd.sqlite").output
        #expect(told.contains("is sent 5 from 50% ~off, after"), "\(told)")
        #expect(told.contains("acknowledges 5 of 50% ~off"), "\(told)")
    }

    @Test func `sees that two runs part in a key, a size or a header`() throws {
        func text(_ publication: String) -> String {
            """
            warren: 1
            name: parts
            brokers: { main: { kind: rabbitmq, queues: { q: { bind: { amq.fanout: [""] } } } } }
            producers: { web: { to: { exchange: amq.fanout }, \(publication), arrivals: 10/s, count: 5 } }
            """
        }
        try run("one", text("size: 100B, headers: { a: b }"))
        for (name, other) in [
            ("two", "size: 200B, headers: { a: b }"), ("three", "size: 100B, headers: { a: c }"),
        ] {
            try run(name, text(other))
            let told = try warren("trace", "diff", "one.sqlite", "\(name).sqlite").output
            #expect(told.contains("- 100.000ms  m1: web publishes it"), "\(told)")
            #expect(told.contains("+ 100.000ms  m1: web publishes it"), "\(told)")
        }
        try run(
            "four",
            text("size: 100B, headers: { a: b }").replacing(
                "exchange: amq.fanout",
                with: "exchange: amq.fanout, key: k"
            )
        )
        let told = try warren("trace", "diff", "one.sqlite", "four.sqlite").output
        #expect(told.contains("with the key k"), "\(told)")
    }

    @Test func `tells the faults of the ready story that it was run with`() throws {
        let file = Repository.root.appending(path: "Topologies/rabbitmq/cluster/split-brain.yaml")
            .path
        _ = try warren("run", file, "--scenario", "leader-kill", "--trace", "s.sqlite")
        let told = try warren("trace", "timeline", "s.sqlite").output
        #expect(told.contains("fault 1: kill"), "\(told)")
        #expect(!told.contains("partition"), "\(told)")
    }

    @Test(
        "answers as far as a killed run tells",
        .enabled(
            if: FileManager.default.isExecutableFile(atPath: "/usr/bin/python3"),
            "python3 is not installed; `make test` installs it"
        )
    )
    func killed() throws {
        try record("rabbitmq/rpc", "k.sqlite")
        let cut = """
            import sqlite3
            file = sqlite3.connect("k.sqlite")
            file.execute("UPDATE runs SET complete = 0, last_fact = NULL, summary = NULL, digest = NULL")
            file.execute("DELETE FROM symbols WHERE symbol > 8")
            file.execute("DELETE FROM sum_rows")
            file.execute("DELETE FROM slice_rows")
            file.commit()
            """
        _ = try Programs.run("/usr/bin/python3", ["-c", cut], in: scratch.folder)
        for words in [
            ["why", "m2", "prices"], ["message", "m2"], ["client", "pricing"], ["queue", "prices"],
            ["node", "main"], ["timeline"], ["sequence", "m1"], ["summary"], ["at", "1s"],
            ["export", "--format", "otlp"], ["export", "--format", "shiviz"],
        ] {
            let told = try Programs.run(
                Programs.warren,
                ["trace"] + words + ["k.sqlite"],
                in: scratch.folder
            )
            #expect((0...1).contains(told.code), "\(words): \(told.code) \(told.errors)")
            #expect(!told.output.isEmpty, "\(words)")
        }
    }

    @Test func `tells of a node whom it led and whom it followed`() throws {
        try record("rabbitmq/cluster/quorum-leader-killed", "q.sqlite")
        let told = try warren("trace", "node", "rabbit-1", "q.sqlite").output
        let lines = told.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
        for (moment, event) in [
            ("0s", "rabbit-1 leads orders, in term 1"), ("10.000s", "rabbit-1 is killed"),
            ("10.1", "rabbit-2 leads orders, in term 2"), ("18.000s", "rabbit-1 is back"),
            ("24.00", "rabbit-1 is in its cluster and serves"),
        ] {
            let isTold = lines.contains { $0.hasPrefix(moment) && $0.hasSuffix("main/\(event)") }
            #expect(isTold, "\(moment) \(event): \(told)")
        }
    }

    @Test func `tells of a queue which members came and went`() throws {
        try record("rabbitmq/cluster/grow", "g.sqlite")
        let told = try warren("trace", "queue", "orders", "g.sqlite").output
        for sentence in [
            "the member of orders on main/rabbit-2 gets a snapshot of main/rabbit-1, up to entry ",
            "orders has a member on main/rabbit-2, and 2 in all",
            "orders has a member on main/rabbit-3, and 3 in all",
            "orders has no member on main/rabbit-1 any more, and 2 in all",
        ] { #expect(told.contains(sentence), "\(sentence): \(told)") }
        let marks = try warren("trace", "timeline", "g.sqlite").output
        #expect(marks.contains("orders has no member on main/rabbit-1 any more"), "\(marks)")
    }
}
