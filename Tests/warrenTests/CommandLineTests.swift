import Foundation
import Support
import Testing

@Suite("The command line")
struct CommandLineTests {
    private func warren(
        _ arguments: [String],
        in folder: String? = nil
    ) throws -> Programs.Outcome {
        try Programs.run(
            Programs.warren,
            arguments,
            in: folder ?? FileManager.default.temporaryDirectory.path
        )
    }

    private func topology(_ name: String) -> String {
        Repository.root.appending(path: "Topologies/\(name)").path
    }

    private func json(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    @Test(arguments: Repository.topologies)
    func `prints the same digest in two processes`(path: String) throws {
        let file = Repository.root.appending(path: path).path
        let digests = try (0..<2).map { _ in
            let outcome = try warren(["run", file, "--no-trace", "--format", "json"])
            #expect(outcome.code == 0, "\(outcome.errors)")
            return try json(outcome.output)["digest"] as? String
        }
        #expect(digests[0] != nil)
        #expect(digests[0] == digests[1])
    }

    /// Without fused multiply-add and wide vectors the C library computes other last bits.
    @Test func `prints the same digest on a processor that rounds otherwise`() throws {
        let file = topology("rabbitmq/order-pipeline.yaml")
        let digests = try ["", "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2"].map { tunables in
            let outcome = try Programs.run(
                Programs.warren,
                ["run", file, "--no-trace", "--format", "json"],
                environment: tunables.isEmpty ? [:] : ["GLIBC_TUNABLES": tunables]
            )
            return try json(outcome.output)["digest"] as? String
        }
        #expect(digests[0] != nil)
        #expect(digests[0] == digests[1])
    }

    @Test func `has a stable JSON shape`() throws {
        let outcome = try warren([
            "run", topology("rabbitmq/order-pipeline.yaml"), "--no-trace", "--format", "json",
        ])
        let report = try json(outcome.output)
        let top: Set<String> = [
            "topology", "seed", "digest", "version", "simulated_ns", "wall_ns", "events",
            "complete", "trace", "messages", "queues", "expectations", "timeline",
            "broker_errors", "idle",
        ]
        #expect(Set(report.keys).isSuperset(of: top))
        let messages = try #require(report["messages"] as? [String: Any])
        #expect(
            Set(messages.keys) == [
                "published", "confirmed", "nacked", "returned", "unknown", "routed_copies",
                "delivered", "redelivered", "acked", "handled", "dead_lettered", "dropped",
                "expired",
                "remaining", "unaccounted", "lost", "first_lost", "not_asked", "given_up",
                "awaited", "derived", "relayed", "records_read",
            ]
        )
        #expect(messages["unaccounted"] as? Int == 0)
        let queue = try #require((report["queues"] as? [[String: Any]])?.first)
        #expect(
            Set(queue.keys).isSuperset(of: [
                "name", "broker", "depth", "depth_max", "delivered", "wait_mean_ns", "wait_p50_ns",
                "wait_p99_ns", "log",
            ])
        )
        #expect(queue["log"] is NSNull)
        let line = try #require((report["expectations"] as? [[String: Any]])?.first)
        #expect(Set(line.keys).isSuperset(of: ["name", "kind", "held", "sentence"]))
    }

    @Test func `tells of a stream who is how far behind, in words and as JSON`() throws {
        let path = topology("rabbitmq/stream-readers.yaml")
        let words = try warren(["run", path, "--no-trace"]).output
        #expect(words.contains("9679 records read"))
        let rows = words.split(separator: "\n").filter { $0.hasPrefix("readings ") }
        #expect(rows.count == 3)
        #expect(rows.allSatisfy { $0.hasSuffix(" 0") && $0.contains("1280 3000") }, "\(rows)")
        let outcome = try warren(["run", path, "--no-trace", "--format", "json"])
        let json = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
        let queues = try #require((json as? [String: Any])?["queues"] as? [[String: Any]])
        let log = try #require(queues.first?["log"] as? [String: Any])
        #expect(log["first"] as? Int == 1280)
        #expect(log["end"] as? Int == 3000)
        #expect(log["lag_max"] as? Int == 1680)
        let readers = try #require(log["readers"] as? [[String: Any]])
        #expect(readers.compactMap { $0["name"] as? String } == ["alarm", "archive", "dashboard"])
        #expect(
            Set(readers.first?.keys.map(\.self) ?? [])
                == ["name", "read", "settled", "records", "lag", "away"]
        )
    }

    @Test func `greets without a verb, with three doors`() throws {
        let outcome = try warren([])
        #expect(outcome.code == 0)
        for door in ["learn", "rehearse", "search", "check"] {
            #expect(outcome.output.contains(door))
        }
    }

    /// Exit codes: what is done, the code, and a word of the sentence.
    @Test(arguments: [
        (["run", "none.yaml"], Int32(2), "no such file"),
        (["run", "."], 2, "it is a folder"),
        (["run"], 2, "file"),
        (["rnu", "x"], 2, "rnu"),
        (["run", "x.yaml", "--sede", "1"], 2, "sede"),
        (["run", "x.yaml", "--seed", "minus one"], 2, "minus one"),
        (["run", "x.yaml", "--trace", "t", "--no-trace"], 2, "exclude each other"),
        (["trace", "summary", "none.sqlite"], 2, "no such file"),
        (["trace", "message", "41x", "none.sqlite"], 2, "not a message"),
        (["trace", "at", "soon", "none.sqlite"], 2, "not a moment"),
        (["--version"], 0, ""), (["run", "--help"], 0, ""),
    ])
    func `ends with the code that scripts rely on`(arguments: [String], code: Int32, word: String)
        throws
    {
        let scratch = try Scratch()
        let outcome = try warren(arguments, in: scratch.folder)
        #expect(outcome.code == code, "\(outcome.errors)")
        #expect(word.isEmpty || outcome.errors.contains(word), "\(outcome.errors)")
        if code != 0 { #expect(outcome.output.isEmpty) }
    }

    @Test func `says a sentence about bytes that are no topology`() throws {
        let scratch = try Scratch()
        let cases: [(String, Data, String)] = [
            ("latin1.yaml", Data([0x6E, 0x61, 0x6D, 0x65, 0x3A, 0x20, 0xE9, 0x0A]), "not-utf8"),
            ("utf16.yaml", Data([0xFF, 0xFE, 0x77, 0x00]), "UTF-16"),
            ("nul.yaml", Data("name: \0\n".utf8), "bad-"),
            ("large.yaml", Data(repeating: 0x61, count: 50 << 20), "has 50 MiB"),
            ("empty.yaml", Data(), "empty-file"),
        ]
        for (name, bytes, word) in cases {
            try bytes.write(to: URL(filePath: scratch.path(name)))
            let outcome = try warren(["run", name, "--no-trace"], in: scratch.folder)
            #expect(outcome.code == 2, "\(name): \(outcome.code) \(outcome.errors.prefix(300))")
            #expect(outcome.errors.contains(word), "\(name): \(outcome.errors.prefix(300))")
        }
    }

    @Test func `ends with 1 when an expectation is broken, and names message, moment and command`()
        throws
    {
        let scratch = try Scratch()
        let file = try scratch.write(
            "broken.yaml",
            """
            warren: 1
            name: broken
            brokers: { main: { kind: rabbitmq, queues: { q: {} } } }
            producers: { p: { to: q, arrivals: 10ms, count: 50 } }
            expect: { always: { small: "depth(q) <= 20" } }
            """
        )
        let outcome = try warren(["run", file], in: scratch.folder)
        #expect(outcome.code == 1)
        #expect(outcome.output.contains("first by m21, at 210.050ms"))
        #expect(outcome.output.contains("warren trace message m21 broken.trace.sqlite"))
    }

    @Test func `ends with 3 and a sentence when the trace cannot be written`() throws {
        let scratch = try Scratch()
        let outcome = try warren([
            "run", topology("rabbitmq/queue.yaml"), "--trace",
            scratch.path("no/such/folder/t.sqlite"),
        ])
        #expect(outcome.code == 3)
        #expect(outcome.errors.contains("cannot be opened"))
        #expect(outcome.errors.contains("--no-trace"))
    }

    @Test func `tells the life of a redelivered message, and what was where at a moment`() throws {
        let scratch = try Scratch()
        #expect(
            try warren(["run", topology("rabbitmq/worker-queue.yaml")], in: scratch.folder).code
                == 0
        )
        let life = try warren(["trace", "message", "m1"], in: scratch.folder).output
        for word in [
            "web publishes it", "main sends it to worker#1", "its connection was lost",
            "again, redelivered, to worker#2", "worker#2 finishes its work",
            "worker#2 acknowledges it",
        ] {
            #expect(life.contains(word), "\(life)")
        }
        #expect(try warren(["trace", "at", "1s"], in: scratch.folder).output.contains("jobs"))
        #expect(try warren(["trace"], in: scratch.folder).output.contains("complete"))
        let sql = try warren(
            ["trace", "sql", "SELECT count(*) AS n FROM messages"],
            in: scratch.folder
        )
        #expect(sql.output == "n\n300\n")
        let csv = try warren(["trace", "export", "--format", "csv"], in: scratch.folder).output
        let jsonl = try warren(["trace", "export"], in: scratch.folder).output
        #expect(csv.split(separator: "\n").count == jsonl.split(separator: "\n").count + 1)
        for line in jsonl.split(separator: "\n").prefix(50) { _ = try json(String(line)) }
    }

    @Test func `leaves a readable trace that says it is incomplete when it is killed`() throws {
        let scratch = try Scratch()
        let file = try scratch.write(
            "long.yaml",
            """
            warren: 1
            name: long
            brokers: { main: { kind: rabbitmq, queues: { q: {} } } }
            producers: { p: { to: q, arrivals: 1ms, count: 400000000 } }
            consumers: { c: { from: q, prefetch: 10, service: 100us } }
            """
        )
        let process = Process()
        process.executableURL = URL(filePath: Programs.warren)
        process.arguments = ["run", file]
        process.currentDirectoryURL = URL(filePath: scratch.folder)
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        let trace = scratch.path("long.trace.sqlite")
        for _ in 0..<200 {
            let size =
                try? FileManager.default.attributesOfItem(atPath: trace + "-wal")[.size] as? Int
            if let size, size > 2_000_000 { break }
            Thread.sleep(forTimeInterval: 0.05)
        }
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        let summary = try warren(["trace", "summary", trace])
        #expect(summary.code == 0, "\(summary.errors)")
        #expect(summary.output.contains("incomplete"))
        #expect(try warren(["trace", "message", "m5", trace]).output.contains("acknowledges it"))
    }

    @Test func `ends cleanly at Ctrl-C, with the ledger so far`() throws {
        let scratch = try Scratch()
        let file = try scratch.write(
            "long.yaml",
            """
            warren: 1
            name: long
            brokers: { main: { kind: rabbitmq, queues: { q: {} } } }
            producers: { p: { to: q, arrivals: 1ms, count: 400000000 } }
            consumers: { c: { from: q, prefetch: 10, service: 100us } }
            """
        )
        let output = scratch.path("out")
        _ = FileManager.default.createFile(atPath: output, contents: nil)
        let process = Process()
        process.executableURL = URL(filePath: Programs.warren)
        process.arguments = ["run", file, "--format", "json"]
        process.currentDirectoryURL = URL(filePath: scratch.folder)
        process.standardOutput = FileHandle(forWritingAtPath: output)
        try process.run()
        Thread.sleep(forTimeInterval: 0.7)
        process.interrupt()
        process.waitUntilExit()
        #expect(process.terminationStatus == 3)
        let report = try json(String(contentsOfFile: output, encoding: .utf8))
        #expect(report["complete"] as? Bool == false)
        #expect(report["stopped"] as? String == "stopped by Ctrl-C")
        #expect((report["imbalances"] as? [String])?.isEmpty == true)
        #expect(
            try warren(["trace", "summary", scratch.path("long.trace.sqlite")]).output.contains(
                "incomplete"
            )
        )
    }

    @Test func `has two runs write one after the other into one trace`() throws {
        let scratch = try Scratch()
        let file = try scratch.write(
            "big.yaml",
            """
            warren: 1
            name: big
            brokers: { main: { kind: rabbitmq, queues: { q: {} } } }
            producers: { p: { to: q, arrivals: 5000/s, count: 20000, confirms: true } }
            consumers: { c: { from: q, instances: 4, service: 100us, prefetch: 20 } }
            """
        )
        let trace = scratch.path("t.sqlite")
        let processes = try ["1", "2"].map { seed in
            let process = Process()
            process.executableURL = URL(filePath: Programs.warren)
            process.arguments = ["run", file, "--seed", seed, "--trace", trace]
            process.standardOutput = FileHandle.nullDevice
            try process.run()
            return process
        }
        for process in processes {
            process.waitUntilExit()
            #expect(process.terminationStatus == 0)
        }
        for run in ["1", "2"] {
            let told = try warren(["trace", "summary", "--run", run, trace]).output
            #expect(told.contains("20000 published · 20000 confirmed · 20000 copies"))
        }
    }

    @Test(arguments: [
        ["--help"], ["schema"], ["scenario", "list"], ["run", "FILE", "--no-trace"],
        ["run", "FILE", "--no-trace", "--format", "json"],
    ])
    func `ends with 3 when its results cannot be written`(arguments: [String]) throws {
        let scratch = try Scratch()
        let file = Repository.root.appending(path: "Topologies/rabbitmq/queue.yaml").path
        let words = arguments.map { $0 == "FILE" ? file : $0 }
        for target in [">/dev/full", ">&-"] {
            let line = "'\(Programs.warren)' \(words.joined(separator: " ")) \(target)"
            let outcome = try Programs.run("/bin/sh", ["-c", line], in: scratch.folder)
            #expect(outcome.code == 3, "\(line)")
            #expect(outcome.errors.contains("standard output cannot be written"))
        }
    }

    @Test func `says of a path why it cannot be read`() throws {
        let scratch = try Scratch()
        try FileManager.default.createSymbolicLink(
            atPath: scratch.path("loop"),
            withDestinationPath: scratch.path("loop")
        )
        let reasons = [
            (scratch.folder, "folder"), (scratch.path("loop"), "in a circle"),
            (scratch.path(String(repeating: "x", count: 300)), "too long"),
            (scratch.path("none"), "no such file"),
        ]
        for (path, reason) in reasons {
            for words in [["run", path], ["trace", "summary", path]] {
                let outcome = try warren(words)
                #expect(outcome.code == 2)
                #expect(outcome.errors.contains(reason), "\(outcome.errors)")
            }
        }
        for trace in ["''", ":memory:", "/dev/null"] {
            let line =
                "'\(Programs.warren)' run \(Repository.root.path)/Topologies/rabbitmq/queue.yaml --trace \(trace)"
            #expect(try Programs.run("/bin/sh", ["-c", line], in: scratch.folder).code > 1)
        }
    }
}
