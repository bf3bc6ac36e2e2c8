import Foundation
import Support
import Testing

/// What other tools read of a trace, read by programs that are not ours: Python's own readers of JSON and CSV.
@Suite("An export") struct TraceExportTests {
    private static let python = "/usr/bin/python3"
    private let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func warren(_ words: String...) throws -> Programs.Outcome {
        try Programs.run(Programs.warren, words, in: scratch.folder)
    }

    /// Exports a run of a topology in each format.
    private func export(_ topology: String) throws {
        let file = Repository.root.appending(path: "Topologies/\(topology).yaml").path
        _ = try warren("run", file, "--trace", "t.sqlite")
        for format in ["jsonl", "csv", "shiviz", "perfetto", "otlp"] {
            let made = try warren("trace", "export", "t.sqlite", "--format", format, "-o", format)
            try #require(made.code == 0, "\(made.errors)")
        }
    }

    private static let reader = """
        import csv, json, re, sqlite3, sys

        facts = sqlite3.connect("t.sqlite").execute("SELECT count(*) FROM facts").fetchone()[0]
        lines = [json.loads(line) for line in open("jsonl")]
        assert len(lines) == facts, (len(lines), facts)
        rows = list(csv.DictReader(open("csv", newline="")))
        assert len(rows) == facts
        for line, row in zip(lines, rows):
            assert str(line["fact"]) == row["fact"] and line["sentence"] == row["sentence"], row
            assert line.get("subject", "") == row["subject"], (line, row)

        # Clocks as vector clocks are: the own part counts, and nothing that is known is forgotten.
        log = open("shiviz").read().split("\\n")[:-1]
        assert len(log) == 2 * facts, len(log)
        seen = {}
        events = {}
        meetings = 0
        for number in range(0, len(log), 2):
            host, clock = re.fullmatch(r"(\\S*) ({.*})", log[number]).groups()
            clock = json.loads(clock)
            before = seen.get(host, {})
            assert clock[host] == before.get(host, 0) + 1, log[number]
            assert all(clock.get(other, 0) >= count for other, count in before.items()), log[number]
            for other, count in clock.items():
                if other != host and count > before.get(other, 0):
                    meetings += 1
                    theirs = events[other, count]
                    assert all(clock.get(third, 0) >= n for third, n in theirs.items()), log[number]
            seen[host] = events[host, clock[host]] = clock
        assert meetings > 10, meetings

        trace = json.load(open("perfetto"))["traceEvents"]
        assert {event["ph"] for event in trace} == {"M", "b", "e", "C", "i"}
        assert all(event["args"]["ready"] >= 0 for event in trace if event["ph"] == "C")
        begun, ended = ([e for e in trace if e["ph"] == phase] for phase in "be")
        assert len(begun) == len(ended) > 10
        for one, other in zip(begun, ended):
            assert (one["id"], one["cat"]) == (other["id"], other["cat"]) and one["ts"] <= other["ts"]

        spans, links = {}, 0
        for line in open("otlp"):
            for resource in json.loads(line)["resourceSpans"]:
                assert resource["resource"]["attributes"][0]["key"] == "service.name"
                for scope in resource["scopeSpans"]:
                    for span in scope["spans"]:
                        key = span["traceId"], span["spanId"]
                        assert key not in spans, key
                        assert re.fullmatch("[0-9a-f]{32}", key[0]) and re.fullmatch("[0-9a-f]{16}", key[1])
                        assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
                        names = {a["key"] for a in span["attributes"]}
                        assert {"messaging.system", "messaging.destination.name"} <= names
                        spans[key] = span
        for (trace, _), span in spans.items():
            if "parentSpanId" in span:
                assert (trace, span["parentSpanId"]) in spans, span
            for link in span.get("links", []):
                links += 1
                assert (link["traceId"], link["spanId"]) in spans, link
        published = sqlite3.connect("t.sqlite").execute(
            "SELECT count(*) FROM facts WHERE kind = 'message.published'").fetchone()[0]
        assert sum("parentSpanId" not in span for span in spans.values()) == published
        print(facts, links)
        """

    private static let hasPython = FileManager.default.isExecutableFile(atPath: python)

    @Test(
        "is read by programs that are not ours",
        .enabled(if: hasPython, "python3 is not installed; `make test` installs it"),
        arguments: [
            "rabbitmq/rpc", "rabbitmq/order-pipeline", "rabbitmq/hutch",
            "rabbitmq/cluster/split-brain",
            "nats/publish-subscribe",
        ]
    )
    func readers(_ topology: String) throws {
        try export(topology)
        let read = try Programs.run(Self.python, ["-c", Self.reader], in: scratch.folder)
        #expect(read.code == 0, "\(topology): \(read.errors)")
    }

    @Test(
        "links what a consumer publishes to what it had",
        .enabled(if: hasPython, "python3 is not installed; `make test` installs it")
    )
    func links() throws {
        let text = """
            warren: 1
            name: chain
            brokers: { main: { kind: rabbitmq, queues: { one: {}, two: {} } } }
            producers: { web: { to: one, arrivals: 50/s, count: 40, confirms: true } }
            consumers:
              first: { from: one, service: 1ms, then: { to: two } }
              second: { from: two, service: 1ms }
            """
        try text.write(toFile: scratch.path("chain.yaml"), atomically: true, encoding: .utf8)
        _ = try warren("run", "chain.yaml", "--trace", "t.sqlite")
        for format in ["jsonl", "csv", "shiviz", "perfetto", "otlp"] {
            _ = try warren("trace", "export", "t.sqlite", "--format", format, "-o", format)
        }
        let read = try Programs.run(Self.python, ["-c", Self.reader], in: scratch.folder)
        #expect(read.output.hasSuffix(" 40\n"), "\(read.output)\(read.errors)")
    }

    @Test func `says so when it cannot be written`() throws {
        let file = Repository.root.appending(path: "Topologies/rabbitmq/queue.yaml").path
        _ = try warren("run", file, "--trace", "t.sqlite")
        let failed = try warren("trace", "export", "t.sqlite", "-o", "no/such/folder")
        #expect(failed.code == 3 && failed.errors.contains("no/such/folder cannot be written"))
    }
}
