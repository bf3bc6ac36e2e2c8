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

    @Test
    func `a consumer publishes on, and a line of messages is told from its first to its last`()
        throws
    {
        let simulation = try Simulate.run(
            """
            warren: 1
            name: t
            brokers: { n: { kind: nats } }
            producers: { p: { to: orders, start: 1s, arrivals: 10ms, count: 50, size: 2KiB } }
            consumers:
              shop: { from: orders, service: 1ms, fails: { error: 20% }, then: [ { to: paid }, { to: mails, size: 10B } ], on_error: { then: { to: failed } } }
              ship: { from: paid }
              mail: { from: mails, pending_limit: 1000 }
              desk: { from: failed }
            expect:
              always: { each_is_seen_through: "handled by ship and handled by mail or handled by desk or not from p" }
              measure: { quick: "max(age(ship)) < 5ms", some_failed: "handled by desk > 3" }
            """
        )
        #expect(simulation.verdicts.map(\.held) == [true, true, true])
        #expect(simulation.imbalances().isEmpty)
        let failed = simulation.ledger.failures[Int(WorkFailure.error.rawValue)]
        #expect(failed > 3)
        #expect(simulation.ledger.totals.derived == (50 - failed) * 2 + failed)
    }

    @Test
    func
        `NATS-CLI-04 what a consumer publishes while its connection is down waits, and what does not fit is refused`()
        throws
    {
        func run(_ buffer: String) throws -> Ledger {
            let simulation = try Simulate.run(
                """
                warren: 1
                name: t
                brokers: { n: { kind: nats } }
                producers: { p: { to: orders, start: 1s, arrivals: 1ms, count: 20, size: 1KiB } }
                consumers:
                  shop: { from: orders, service: 100ms, reconnect_buffer: \(buffer), then: { to: paid } }
                  ship: { from: paid }
                faults: [ { at: 1500ms, do: drop_connection, client: shop } ]
                """
            )
            #expect(simulation.imbalances().isEmpty)
            return simulation.ledger
        }
        let all = try run("8MiB")
        #expect(all.totals.handled == 40)
        #expect(all.totals.unroutable == 0)
        let few = try run("3KiB")
        let lost = few.unrouted[Int(DropReason.connectionLost.rawValue)]
        #expect(lost > 5)
        #expect(few.totals.handled == 40 - lost)
    }
}
