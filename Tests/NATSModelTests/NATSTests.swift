import Support
import Testing
import WarrenBroker
import WarrenKernel
import WarrenLedger
import WarrenTrace

@Suite("NATS core")
struct NATSTests {
    /// One message to a subject, and whether a subscription to a pattern gets it.
    @Test(arguments: [
        ("a.b", "a.b", true), ("a.b", "a", false), ("a.b", "a.B", false), ("*.c", "a.c", true),
        ("*.c", "a.b.c", false), ("a.*", "a", false), ("p.>", "p.a", true), ("p.>", "p.a.b", true),
        ("p.>", "p", false), ("p.*.>", "p.a", false), ("a*", "ab", false), ("a*", "a*", true),
        (">", "any.thing", true), ("p.*", "p.*", true),
    ])
    func `NATS-SUB-01 to 08 matches subjects token by token`(
        pattern: String,
        subject: String,
        matches: Bool
    ) throws {
        let simulation = try Simulate.run(
            """
            warren: 1
            name: t
            brokers: { n: { kind: nats } }
            producers: { p: { to: { subject: "\(subject)" }, start: 1s, arrivals: 1ms, count: 1 } }
            consumers: { c: { from: { subject: "\(pattern)" } } }
            """
        )
        #expect(simulation.ledger.totals.handled == (matches ? 1 : 0))
        #expect(simulation.ledger.totals.unroutable == (matches ? 0 : 1))
        #expect(simulation.imbalances().isEmpty)
    }

    @Test
    func
        `NATS-QGR-01 to 04 one member of each group, picked at random, and each plain subscription`()
        throws
    {
        let simulation = try Simulate.run(
            """
            warren: 1
            name: t
            brokers: { n: { kind: nats } }
            producers: { p: { to: a.b, start: 1s, arrivals: 1ms, count: 900 } }
            consumers:
              one: { from: { subject: a.b, group: g }, service: 0ms }
              two: { from: { subject: "a.*", group: g }, service: 0ms }
              three: { from: { subject: ">", group: g }, service: 0ms }
              plain: { from: a.b, instances: 2, service: 0ms }
            """
        )
        let counts = Dictionary(
            uniqueKeysWithValues: simulation.ledger.queues.map {
                (simulation.world.names[$0.symbol], $0.delivered)
            }
        )
        #expect(counts["plain"] == 1800)
        let members = ["one", "two", "three"].map { counts[$0] ?? 0 }
        #expect(members.reduce(0, +) == 900)
        for count in members { #expect((240...360).contains(count), "\(members)") }
    }

    @Test func `NATS-REQ-02 and 05 no responders is heard at once, a silent one only by timeout`()
        throws
    {
        let text = """
            warren: 1
            name: t
            brokers: { n: { kind: nats } }
            callers: { c: { to: prices, start: 1s, timeout: 2s, arrivals: 10ms, count: 5 } }
            """
        let alone = try Simulate.facts(text).filter { $0.kind == .callFailed }
        #expect(alone.map(\.variant) == [1, 1, 1, 1, 1])
        // A plain subscriber never answers.
        let silent = try Simulate.facts(text + "\nconsumers: { s: { from: prices } }\n")
            .filter { $0.kind == .callFailed }
        #expect(silent.map(\.variant) == [0, 0, 0, 0, 0])
        #expect(silent.first?.time == Instant(nanoseconds: 3_010_000_000))
    }

    @Test func `NATS-PUB-06 a message over max_payload costs the connection`() throws {
        let simulation = try Simulate.run(
            """
            warren: 1
            name: t
            brokers: { n: { kind: nats, max_payload: 1KiB } }
            producers:
              p: { to: a, start: 1s, arrivals: 1s, count: 1, size: 1KiB }
              big: { to: a, start: 1s, arrivals: 1s, count: 1, size: 1025B }
            consumers: { c: { from: a } }
            """
        )
        #expect(simulation.ledger.totals.errors == 1)
        #expect(simulation.ledger.totals.handled == 1)
    }

    @Test func `NATS-CLI-04 what is published while the server is away is sent when it is back`()
        throws
    {
        let simulation = try Simulate.run(
            """
            warren: 1
            name: t
            brokers: { n: { kind: nats } }
            producers: { p: { to: a, start: 1s, arrivals: 100ms, count: 50, reconnect: 2s } }
            consumers: { c: { from: a, reconnect: 500ms, service: 0ms } }
            faults: [{ at: 3050ms, do: restart, node: n/n, for: 1s }]
            """
        )
        let totals = simulation.ledger.totals
        #expect(
            totals.handled + simulation.ledger.unrouted[Int(DropReason.noInterest.rawValue)] == 50
        )
        #expect(totals.handled >= 49)
        #expect(simulation.imbalances().isEmpty)
    }
}
