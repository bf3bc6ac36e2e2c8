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
        #expect(none.code == 2 && none.errors.contains("tells nothing of that"))
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
}
