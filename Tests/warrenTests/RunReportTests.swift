import Foundation
import Support
import Testing

/// What a run says beside its numbers.
@Suite("The report of a run") struct RunReportTests {
    private func run(_ text: String, _ more: String...) throws -> Programs.Outcome {
        let scratch = try Scratch()
        let file = try scratch.write("it.yaml", "warren: 1\nname: it\n" + text)
        return try Programs.run(Programs.warren, ["run", file, "--no-trace"] + more)
    }

    @Test("names what the broker refused, in its words, how often, to whom and when first")
    func refusals() throws {
        let outcome = try run(
            """
            brokers: { main: { kind: rabbitmq, queues: { q: { message_ttl: 5s } } } }
            scripts: { web: { start: 1s, steps: [{ declare: { queue: q, message_ttl: 6s } }] } }
            consumers: { c: { from: q } }
            """
        )
        #expect(
            outcome.output.contains(
                "406 PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': "
                    + "received '6000' but current is '5000' - once, to web, first at 1.000s"
            ),
            "\(outcome.output)"
        )
    }

    @Test("tells the depth of a queue with two masters by side, and the most of one of them")
    func sides() throws {
        let outcome = try run(
            """
            brokers:
              m:
                kind: rabbitmq
                nodes: [n1, n2]
                net_ticktime: 4s
                queues: { q: {}, r: {} }
                policies: [{ name: ha, pattern: "", definition: { ha-mode: all } }]
            producers:
              left: { to: q, hosts: [n1], arrivals: 10/s, count: 500, reconnect: 1s }
              right: { to: q, hosts: [n2], arrivals: 5/s, count: 250, reconnect: 1s }
            faults: [{ at: 10s, do: partition, groups: [[m/n1, left], [m/n2, right]], for: 10m }]
            run: { for: 60s }
            """
        )
        // Of 150 messages that both had, and what came to each after that.
        let line = try #require(outcome.output.split(separator: "\n").first { $0.hasPrefix("q ") })
        let words = line.split(separator: " ").map(String.init)
        #expect(words[2] == "+", "\(line)")
        let (here, there) = (Int(words[1]) ?? 0, Int(words[3]) ?? 0)
        #expect((540...550).contains(here) && (320...350).contains(there), "\(line)")
        #expect(Int(words[4]) == max(here, there), "\(line)")
        let empty = try #require(outcome.output.split(separator: "\n").first { $0.hasPrefix("r ") })
        #expect(
            empty.split(separator: " ").prefix(5) == ["r", "0", "+", "0", "0"],
            "\(empty)"
        )
    }

    @Test("tells each fault, whom it hit, and who came back when")
    func timeline() throws {
        let outcome = try run(
            """
            brokers: { main: { kind: rabbitmq, queues: { q: {} } } }
            producers: { p: { to: q, arrivals: 10/s, count: 50, reconnect: never } }
            consumers: { c: { from: q, instances: 2, reconnect: 1s } }
            faults: [{ at: 2s, do: kill, node: main/main, for: 3s }]
            """
        )
        for line in [
            "2.000s  fault 1: kill main/main", "main is killed",
            "p loses its connection, and is not back",
            "c loses 2 connections, and is back after", "q has no consumer for", "fault 1 is over",
        ] { #expect(outcome.output.contains(line), "\(line)\n\(outcome.output)") }
    }

    @Test("names what did nothing, and fails for it if it is to be strict")
    func idle() throws {
        let text = """
            brokers: { main: { kind: rabbitmq, queues: { q: {} }, policies: [{ name: p, pattern: "^nothing", max_length: 1 }] } }
            producers: { p: { to: q, arrivals: 10/s, count: 5 } }
            consumers: { c: { from: q, start: 1h } }
            faults: [{ at: 20s, do: kill, client: p }]
            run: { for: 10s }
            """
        let outcome = try run(text)
        #expect(outcome.code == 0)
        for line in [
            "fault 1 (kill) never began", "'c' never had a connection", "policy 'p'",
        ] { #expect(outcome.output.contains(line), "\(line)\n\(outcome.output)") }
        #expect(try run(text, "--strict").code == 1)
    }

    @Test("names simplifications only where the run rests on them")
    func approximations() throws {
        let quiet = try run(
            "brokers: { main: { kind: rabbitmq, queues: { q: {} } } }\nproducers: { p: { to: q, arrivals: 10/s, count: 5 } }"
        )
        #expect(quiet.output.contains("the AMQP handshake"))
        #expect(!quiet.output.contains("dead-lettering") && !quiet.output.contains("fsync"))
    }
}
