import Support
import Testing
import WarrenBroker
import WarrenCatalog
import WarrenTopology

/// Wrong files, and what is said about each.
@Suite("A topology file")
struct FindingTests {
    /// A file, the slug of its finding, the line it is on, and words that must be in it.
    struct Wrong: Sendable, CustomTestStringConvertible {
        var text: String
        var slug: String
        var line: Int?
        var words: [String]

        var testDescription: String { "\(slug): \(words.first ?? "")" }
    }

    static let head =
        "warren: 1\nname: t\nbrokers:\n  main:\n    kind: rabbitmq\n    queues: { q: {} }\n"

    static let wrong: [Wrong] = [
        Wrong(
            text:
                "warren: 1\nname: t\nbrokers:\n  main:\n    kind: rabbitmq\n    queues: { q: { x-max-length: 5, x-note: 1 } }\n",
            slug: "argument-as-note",
            line: 6,
            words: ["'x-max-length'", "write `max_length:`, or `arguments: { x-max-length: … }`"]
        ),
        Wrong(
            text: "warren: 1\nname: t\nbrokers: { main: { kind: rabbitmq, nodes: [a, b, a] } }\n",
            slug: "same-name",
            line: 3,
            words: ["two nodes that are called 'a'"]
        ),
        Wrong(
            text: head + "network: { default: { latency: 1001d } }\n",
            slug: "out-of-range",
            line: 7,
            words: ["at most 1000d"]
        ),
        Wrong(
            text: head + "producers: { p: { to: q, arrivals: 0.00000000005/s, count: 3 } }\n",
            slug: "out-of-range",
            line: 7,
            words: ["from one in 1000d"]
        ),
        Wrong(
            text: head + "producers: { p: { to: q, arrivals: 0ns } }\nrun: { for: 1m }\n",
            slug: "endless",
            line: 7,
            words: ["without a pause"]
        ),
        Wrong(
            text: head
                + "consumers: { c: { from: q } }\nfaults: [{ at: 1s, do: kill, node: main/main, client: c }]\n",
            slug: "fault-target",
            line: 8,
            words: ["`node:` and `client:`"]
        ),
        Wrong(
            text: head
                + "expect: { measure: { x: \"\(String(repeating: "(", count: 20000))handled > 0\" } }\n",
            slug: "bad-expectation",
            line: 7,
            words: ["more than 1000 words"]
        ),
        Wrong(
            text: head
                + "expect: { measure: { x: \"\(String(repeating: "(", count: 101))handled > 0\" } }\n",
            slug: "bad-expectation",
            line: 7,
            words: ["more than 100 deep"]
        ),
        Wrong(
            text: head + "expect: { measure: { x: \"handled < 10000000000000000\" } }\n",
            slug: "bad-expectation",
            line: 7,
            words: ["more than any run could count"]
        ),
        Wrong(text: "", slug: "empty-file", line: nil, words: ["holds no topology"]),
        Wrong(
            text: "# only a comment\n",
            slug: "empty-file",
            line: nil,
            words: ["holds no topology"]
        ),
        Wrong(text: "- a\n- b\n", slug: "not-a-map", line: 1, words: ["a list"]),
        Wrong(text: "just text\n", slug: "not-a-map", line: 1, words: ["'just text'"]),
        Wrong(text: "warren: 1\nname: t\n", slug: "no-brokers", line: 1, words: ["has no broker"]),
        Wrong(
            text: "warren: 2\nname: t\nbrokers: {}\n",
            slug: "unknown-word",
            line: 1,
            words: ["'2'"]
        ),
        Wrong(
            text: head + "prodcuers: {}\n",
            slug: "unknown-key",
            line: 7,
            words: ["'prodcuers'", "did you mean 'producers'?"]
        ),
        Wrong(
            text: "warren: 1\nname: t\nbrokers: { main: { kind: rabitmq } }\n",
            slug: "unknown-kind",
            line: 3,
            words: ["'rabitmq'", "did you mean 'rabbitmq'?"]
        ),
        Wrong(
            text: "warren: 1\nname: t\nbrokers: { main: { kind: kafka } }\n",
            slug: "not-modelled",
            line: 3,
            words: ["'kafka'"]
        ),
        Wrong(
            text: "warren: 1\nname: t\nbrokers: { main: { queues: {} } }\n",
            slug: "missing-key",
            line: 3,
            words: ["needs 'kind'"]
        ),
        Wrong(
            text: "warren: 1\nname: t\nbrokers: { main: { kind: rabbitmq, version: \"9.9\" } }\n",
            slug: "unknown-word",
            line: 3,
            words: ["'9.9'", "3.10"]
        ),
        Wrong(
            text: head + "producers: { p: { to: q, arrivals: 10, count: 1 } }\n",
            slug: "wrong-unit",
            line: 7,
            words: ["'10'", "bare number"]
        ),
        Wrong(
            text: head + "producers: { p: { to: q, arrivals: 10/x, count: 1 } }\n",
            slug: "wrong-unit",
            line: 7,
            words: ["'10/x'", "/s"]
        ),
        Wrong(
            text: head + "producers: { p: { to: q, arrivals: 1/s, count: many } }\n",
            slug: "wrong-type",
            line: 7,
            words: ["'many'", "whole number"]
        ),
        Wrong(
            text: head + "producers: { p: { to: q, arrivals: 1/s, count: 1, size: 4KB } }\n",
            slug: "wrong-unit",
            line: 7,
            words: ["'4KB'", "KiB"]
        ),
        Wrong(
            text: head
                + "producers: { p: { to: q, arrivals: { law: lognormal, median: 5ms }, count: 1 } }\n",
            slug: "incomplete-law",
            line: 7,
            words: ["median and p99"]
        ),
        Wrong(
            text: head
                + "producers: { p: { to: q, arrivals: { law: poison, rate: 5/s }, count: 1 } }\n",
            slug: "unknown-word",
            line: 7,
            words: ["did you mean 'poisson'?"]
        ),
        Wrong(
            text: head + "producers: { p: { to: q, arrivals: 1/s } }\n",
            slug: "endless",
            line: 7,
            words: ["without end"]
        ),
        Wrong(
            text: head + "consumers: { c: { from: jobs } }\n",
            slug: "unknown-name",
            line: 7,
            words: ["no queue 'jobs'"]
        ),
        Wrong(
            text: head
                + "producers: { p: { to: { broker: mian, queue: q }, arrivals: 1/s, count: 1 } }\n",
            slug: "unknown-broker",
            line: 7,
            words: ["did you mean 'main'?"]
        ),
        Wrong(
            text: head + "consumers: { c: { from: q, ack: afterwards } }\n",
            slug: "unknown-word",
            line: 7,
            words: ["'afterwards'"]
        ),
        Wrong(
            text: head + "consumers: { c: { from: q, fails: { error: 150% } } }\n",
            slug: "wrong-type",
            line: 7,
            words: ["'150%'"]
        ),
        Wrong(
            text: head
                + "consumers: { q1: { from: q } }\nproducers: { q1: { to: q, arrivals: 1/s, count: 1 } }\n",
            slug: "same-name",
            line: nil,
            words: ["'q1'"]
        ),
        Wrong(
            text: head + "faults: [{ at: 1s, do: explode, node: main/main }]\n",
            slug: "unknown-word",
            line: 7,
            words: ["'explode'"]
        ),
        Wrong(
            text: head + "faults: [{ at: 1s, do: partition, node: main/main }]\n",
            slug: "fault-target",
            line: 7,
            words: ["'partition'", "`groups:`"]
        ),
        Wrong(
            text: head + "faults: [{ at: 1s, do: clock_jump, node: main/main }]\n",
            slug: "fault-incomplete",
            line: 7,
            words: ["`by:`", "by: -5s"]
        ),
        Wrong(
            text: head + "faults: [{ at: 1s, do: clock_jump, node: main/main, by: soon }]\n",
            slug: "bad-jump",
            line: 7,
            words: ["by: -5s"]
        ),
        Wrong(
            text: head + "faults: [{ at: 1s, do: upgrade, broker: main, version: \"3.9\" }]\n",
            slug: "unknown-version",
            line: 7,
            words: ["3.9", "3.10"]
        ),
        Wrong(
            text: head
                + "faults: [{ at: 1s, every: 5s, do: drop_connection, node: main/main }]\n",
            slug: "endless",
            line: 7,
            words: ["times: 5"]
        ),
        Wrong(
            text: head + "expect: { measure: { deep: \"depth(q) >= 0\" } }\n",
            slug: "empty-expectation",
            line: 7,
            words: ["the depth of q is at least 0 is always so"]
        ),
        Wrong(
            text: head
                + "expect: { eventually: { none: \"not handled < 0 and depth(q) == 0\" } }\n",
            slug: "empty-expectation",
            line: 7,
            words: ["never so"]
        ),
        Wrong(
            text: head + "expect_broken: [lost]\n",
            slug: "unknown-name",
            line: 7,
            words: ["expectation 'lost'"]
        ),
        Wrong(
            text: head.replacing(
                "{ q: {} }",
                with: "{ q: {} }\n    nodes: [\((1...65).map { "n\($0)" }.joined(separator: ", "))]"
            ),
            slug: "too-many-nodes",
            line: 7,
            words: ["65 nodes"]
        ),
        Wrong(
            text: head + "faults: [{ do: kill, node: main/main }]\n",
            slug: "fault-moment",
            line: 7,
            words: ["at: 60s"]
        ),
        Wrong(
            text: head + "faults: [{ at: 1s, do: kill, node: main/other }]\n",
            slug: "unknown-name",
            line: 7,
            words: ["'main/other'"]
        ),
        Wrong(
            text: head + "faults: [{ at: 1s, do: kill }]\n",
            slug: "fault-target",
            line: 7,
            words: []
        ),
        Wrong(
            text: head + "expect: { never: { x: \"confirmd\" } }\n",
            slug: "bad-expectation",
            line: 7,
            words: ["did you mean 'confirmed'?"]
        ),
        Wrong(
            text: head + "expect: { always: { x: \"depth(q) <= \" } }\n",
            slug: "bad-expectation",
            line: 7,
            words: ["a number is missing"]
        ),
        Wrong(
            text: head + "expect: { measure: { x: \"p99(wait(q)) < 3\" } }\n",
            slug: "bad-expectation",
            line: 7,
            words: ["not a length of time"]
        ),
        Wrong(
            text: head + "expect: { always: { x: \"depth(nowhere) == 0\" } }\n",
            slug: "unknown-name",
            line: 7,
            words: ["a queue 'nowhere'"]
        ),
        Wrong(
            text: head + "expect: { measure: { x: \"confirmed and handled\" } }\n",
            slug: "about-messages",
            line: 7,
            words: ["single messages"]
        ),
        Wrong(
            text: "warren: 1\nname: t\nname: u\nbrokers: { main: { kind: rabbitmq } }\n",
            slug: "duplicate-key",
            line: 3,
            words: ["'name'", "line 2"]
        ),
        Wrong(
            text: "warren: 1\nname: t\nbrokers: { main: { kind: rabbitmq, kind: nats } }\n",
            slug: "duplicate-key",
            line: 3,
            words: ["'kind'"]
        ),
        Wrong(
            text: "warren: 1\nname: t\nbrokers:\n\tmain: { kind: rabbitmq }\n",
            slug: "tab",
            line: 4,
            words: ["use spaces"]
        ),
        Wrong(
            text: head.replacing("{ q: {} }", with: "\n      q: { bind: { amq.topic: [#] } }"),
            slug: "unquoted-hash",
            line: 7,
            words: ["comment"]
        ),
        Wrong(
            text: head.replacing("{ q: {} }", with: "\n      q: { bind: { amq.topic: [*.a] } }"),
            slug: "unquoted-star",
            line: 7,
            words: ["anchor"]
        ),
        Wrong(
            text: "warren: 1\nname: [t\nbrokers: {}\n",
            slug: "bad-yaml",
            line: nil,
            words: ["not YAML"]
        ),
        Wrong(
            text: head.replacing("{ q: {} }", with: "{ q: { bind: { evnts: [a] } } }"),
            slug: "unknown-name",
            line: 6,
            words: ["'evnts'"]
        ),
        Wrong(
            text: head.replacing("{ q: {} }", with: "{ q: { type: quorum, durable: false } }"),
            slug: "refused-declaration",
            line: 6,
            words: ["406 PRECONDITION_FAILED", "non-durable"]
        ),
        Wrong(
            text: head.replacing("{ q: {} }", with: "{ q: { arguments: { x-expires: 0 } } }"),
            slug: "refused-declaration",
            line: 6,
            words: ["{value_zero,0}"]
        ),
        Wrong(
            text: "warren: 1\nname: t\nbrokers: { main: { kind: nats, streams: {} } }\n",
            slug: "not-modelled",
            line: 3,
            words: ["NATS-STR"]
        ),
        Wrong(
            text:
                "warren: 1\nname: t\nbrokers: { main: { kind: rabbitmq, federation: { upstreams: { far: {} } } } }\n",
            slug: "no-broker",
            line: 3,
            words: ["'far' does not say where it is"]
        ),
        Wrong(
            text: "warren: 1\nname: t\nbrokers: { main: { kind: rabbitmq, shovels: "
                + "{ s: { from: { queue: q }, to: { broker: bus, queue: q } } } }, bus: { kind: nats } }\n",
            slug: "wrong-kind",
            line: 3,
            words: ["'bus' of the shovel 's' is no RabbitMQ"]
        ),
        Wrong(
            text: "warren: 1\nname: t\nbrokers: { main: { kind: rabbitmq, shovels: "
                + "{ s: { from: { queue: q, exchange: e }, to: { queue: p } } } } }\n",
            slug: "refused-shovel",
            line: 3,
            words: ["Cannot specify 'src-exchange' and 'src-queue'"]
        ),
        Wrong(
            text: "warren: 1\nname: t\nbrokers: { main: { kind: rabbitmq, policies: "
                + "[{ name: p, pattern: q, definition: { foo: 1 } }] } }\n",
            slug: "refused-policy",
            line: 3,
            words: ["not recognised policy settings"]
        ),
        Wrong(
            text: head + "scripts: { a: { steps: [{ publish: { to: q }, wait: 1s }] } }\n",
            slug: "one-step",
            line: 7,
            words: ["one thing"]
        ),
        Wrong(
            text: head + "scripts: { a: { steps: [{ publsh: { to: q } }] } }\n",
            slug: "unknown-key",
            line: 7,
            words: ["publish"]
        ),
        Wrong(
            text: "warren: 1\nname: t\nbrokers: { main: { kind: nats } }\n"
                + "scripts: { a: { steps: [] } }\n",
            slug: "not-modelled",
            line: 4,
            words: ["scripts for nats"]
        ),
        Wrong(
            text: head + "consumers: { c: { from: q, priority: high } }\n",
            slug: "bad-priority",
            line: 7,
            words: ["RMQ-CONS-20"]
        ),
        Wrong(
            text: head.replacing(
                "{ q: {} }",
                with: "{ q: {}, \(String(repeating: "x", count: 300)): {} }"
            ),
            slug: "long-name",
            line: 6,
            words: ["300 bytes"]
        ),
        Wrong(
            text: head.replacing("{ q: {} }", with: "{ amq.q: {} }"),
            slug: "reserved-name",
            line: 6,
            words: ["403 ACCESS_REFUSED"]
        ),
        Wrong(
            text: head.replacing("{ q: {} }", with: "{ q: { durable: perhaps } }"),
            slug: "wrong-type",
            line: 6,
            words: ["true or false"]
        ),
        Wrong(
            text:
                "warren: 1\nname: t\nbrokers: { n: { kind: nats } }\nconsumers: { c: { from: \"a.>.b\" } }\n",
            slug: "invalid-subject",
            line: 4,
            words: ["Invalid Subject"]
        ),
    ]

    @Test(arguments: wrong)
    func `says what is wrong, where, and what to try`(wrong: Wrong) throws {
        let result = Simulate.read(wrong.text)
        var findings = result.findings
        if result.topology != nil {
            do {
                _ = try Simulate.make(wrong.text)
            } catch let rejection as Simulation.Rejection {
                findings += rejection.findings
            }
        }
        let finding = try #require(
            findings.first { $0.slug == wrong.slug && $0.severity == .error },
            "found \(findings.map(\.slug))"
        )
        let text = finding.text(in: result.files)
        for word in wrong.words { #expect(text.contains(word), "\(text)") }
        if let line = wrong.line { #expect(finding.place?.line == line, "\(text)") }
    }

    @Test func `has its finding underlined in the line`() throws {
        let result = Simulate.read(Self.head + "prodcuers: {}\n")
        let text = try #require(result.findings.first).text(in: result.files)
        #expect(
            text == """
                error: a topology has no key 'prodcuers'  [unknown-key]
                  test.yaml:7:1
                   7 │ prodcuers: {}
                     │ ^^^^^^^^^ did you mean 'producers'?
                  why: an unknown key would be ignored in silence
                  try: for notes of your own, begin the key with `x-`
                """
        )
    }

    @Test func `gets all of its findings at once, in file order`() {
        let text = """
            warren: 1
            name: t
            brokers:
              main: { kind: rabbitmq, quues: {} }
            producers:
              p: { to: q, arrivals: 5, coun: 3 }
            faults:
              - { at: soon, do: kill, node: main/main }
            """
        let lines = Simulate.read(text).findings.compactMap { $0.place?.line }
        #expect(lines.count >= 4)
        #expect(lines == lines.sorted())
        #expect(Set(lines).isSuperset(of: [4, 6, 8]))
    }

    @Test func `may hold notes under keys that begin with x-`() {
        let text =
            Self.head
            + "x-author: me\nproducers: { x-note: hi, p: { to: q, arrivals: 1/s, count: 1, x-why: because } }\n"
        #expect(Simulate.read(text).findings.isEmpty)
    }

    @Test func `is refused if it stands for millions of values`() {
        var text = "warren: 1\nname: t\nx-0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
        for level in 1...9 {
            let parts = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            text += "x-\(level): &a\(level) [\(parts)]\n"
        }
        #expect(Simulate.read(text).findings.contains { $0.slug == "too-large" })
    }
}
