import Support
import Testing
import WarrenBroker
import WarrenKernel
import WarrenLedger
import WarrenTopology
import WarrenTrace

/// Bridges between brokers of one kind and of two, as a topology has them.
@Suite("A bridge") struct BridgeTests {
    /// A queue of RabbitMQ, and a listener on NATS.
    private static func outward(
        from: String = "queue: jobs, prefetch: 10",
        to: String = "subject: jobs.new",
        bridge: String = "",
        _ rest: String = "",
        count: Int = 100
    ) -> String {
        """
        warren: 1
        name: bridge
        seed: 5
        brokers:
          rabbit: { kind: rabbitmq, queues: { jobs: {} } }
          nats: { kind: nats }
        producers:
          shop: { to: { broker: rabbit, queue: jobs }, arrivals: 100/s, count: \(count), confirms: true, persistent: true }
        bridges:
          b: { from: { broker: rabbit, \(from) }, to: { broker: nats, \(to) }, \(bridge) }
        consumers:
          listener: { from: { broker: nats, subject: "jobs.>" }, effect: { name: heard, idempotent_by: message_id } }
        \(rest)
        expect:
          never:
            lost: "confirmed and not handled by listener and not in queue(jobs)"
            twice: "effects(heard) per message_id > 1"
        run: { for: 60s }
        """
    }

    /// A subject of NATS, and a queue of RabbitMQ.
    private static func inward(
        to: String = "queue: jobs",
        bridge: String = "",
        _ rest: String = "",
        producers: String = "arrivals: 100/s, count: 100",
        nats: String = ""
    ) -> String {
        """
        warren: 1
        name: bridge
        seed: 5
        brokers:
          nats: { kind: nats\(nats) }
          rabbit: { kind: rabbitmq, queues: { jobs: {} }, exchanges: { all: { type: topic } } }
        producers:
          sensor: { to: { broker: nats, subject: t.hall }, \(producers) }
        bridges:
          b: { from: { broker: nats, subject: "t.*" }, to: { broker: rabbit, \(to) }, \(bridge) }
        \(rest)
        run: { for: 60s }
        """
    }

    private func isBroken(_ run: RelayRun, _ name: String) -> Bool {
        run.simulation.verdicts.first { $0.name == name }?.held == false
    }

    // MARK: From RabbitMQ to NATS

    @Test func `a message of a queue is published on the other broker, and followed there`() throws
    {
        let run = try RelayRun(Self.outward())
        #expect(run.depth("rabbit/jobs") == 0)
        #expect(run.totals.derived == 100)
        #expect(run.totals.acked == 100)
        // Each by the bridge and by the listener.
        #expect(run.totals.handled == 200)
        #expect(!isBroken(run, "lost"))
        #expect(!isBroken(run, "twice"))
    }

    @Test func `without a subject the routing key is the subject`() throws {
        let run = try RelayRun(Self.outward(to: "flush: true"))
        let names = run.simulation.world.names
        let subjects = Set(
            run.facts.filter {
                $0.kind == .messagePublished && names.kind(of: $0.subject) == .subject
            }
            .map { names[$0.subject] }
        )
        #expect(subjects == ["jobs"])
        // "jobs.>" is not "jobs": nobody is interested.
        #expect(run.totals.unroutable == 100)
    }

    @Test func `a bridge that dies after the publication publishes again, and loses nothing`()
        throws
    {
        let run = try RelayRun(
            Self.outward(bridge: "fails: { crash_between: 5%, restart_after: 1s }")
        )
        #expect(run.totals.derived > 100)
        #expect(run.totals.redelivered > 0)
        #expect(run.depth("rabbit/jobs") == 0)
        #expect(!isBroken(run, "lost"))
    }

    @Test func `a bridge that acknowledges first loses what it dies with, and doubles nothing`()
        throws
    {
        let run = try RelayRun(
            Self.outward(
                from: "queue: jobs, prefetch: 10, ack: before",
                bridge: "fails: { crash_between: 5%, restart_after: 1s }"
            )
        )
        #expect(run.totals.derived < 100)
        #expect(isBroken(run, "lost"))
        #expect(run.totals.derived + UInt64(run.facts.count { $0.kind == .workFailed }) == 100)
    }

    /// What a server that is killed has not read, by whether the bridge asks.
    @Test(arguments: [(false, true), (true, false)])
    func `NATS-CON-08 a bridge that flushes acknowledges what the server has read`(
        flushes: Bool,
        loses: Bool
    ) throws {
        // Publications are on the way for 40 ms when the server dies.
        let run = try RelayRun(
            Self.outward(
                to: "subject: jobs.new, flush: \(flushes)",
                bridge: "service: 1ms, reconnect: 1s",
                """
                network: { links: [{ between: [b, nats/nats], latency: 40ms }] }
                faults: [{ at: 505ms, do: kill, node: nats/nats, for: 1s }]
                """
            )
        )
        #expect(run.depth("rabbit/jobs") == 0)
        // The listener is back after 5 s: what is published until then nobody hears, so only the bridge's part is looked at.
        let read = Set(
            run.facts.filter {
                $0.kind == .messageRouted || $0.kind == .messageUnroutable
            }.map(\.message)
        )
        let crossed = Set(
            run.facts.filter { $0.kind == .messageDerived && read.contains($0.message) }.map(
                \.detail
            )
        )
        #expect((crossed.count < 100) == loses, "\(crossed.count) were read by the server")
    }

    @Test func `a failed piece of work is dropped, or comes again if it is to`() throws {
        let dropped = try RelayRun(Self.outward(bridge: "fails: { error: 20% }"))
        #expect(dropped.totals.derived < 100)
        #expect(isBroken(dropped, "lost"))
        let again = try RelayRun(
            Self.outward(
                from: "queue: jobs, prefetch: 10, on_error: { requeue: true }",
                bridge: "fails: { error: 20% }"
            )
        )
        #expect(again.totals.derived == 100)
        #expect(!isBroken(again, "lost"))
    }

    @Test(arguments: ["after", "before", "automatic"])
    func `NATS-SUB-13 a message whose key is no subject cannot be published`(ack: String) throws {
        let run = try RelayRun(
            """
            warren: 1
            name: bridge
            brokers:
              rabbit: { kind: rabbitmq, queues: { jobs: { bind: { amq.fanout: [""] } } } }
              nats: { kind: nats }
            producers:
              shop: { to: { broker: rabbit, exchange: amq.fanout }, arrivals: 100/s, count: 10 }
              good: { to: { broker: rabbit, exchange: amq.fanout, key: k }, arrivals: 100/s, count: 10 }
            bridges:
              b: { from: { broker: rabbit, queue: jobs, ack: \(ack) }, to: { broker: nats } }
            run: { for: 60s }
            """
        )
        #expect(run.depth("rabbit/jobs") == 0)
        #expect(run.totals.derived == 10)
        #expect(run.facts.count { $0.kind == .workFailed } == 10)
        #expect(run.totals.errors == 0)
        #expect(run.facts.count { $0.kind == .consumerStarted } == 1)
    }

    @Test func `NATS-PUB-06 a message that the server refuses comes again for ever`() throws {
        let text = Self.outward(to: "subject: jobs.new, flush: true", bridge: "reconnect: 1s")
            .replacing("nats: { kind: nats }", with: "nats: { kind: nats, max_payload: 100B }")
        let run = try RelayRun(text)
        let names = run.simulation.world.names
        let refusals = run.facts.filter {
            $0.kind == .errorRaised && names[$0.subject].contains("Maximum Payload Violation")
        }
        #expect(refusals.count > 20)
        #expect(run.totals.acked == 0)
    }

    @Test
    func `a bridge takes nothing before it can publish, and holds what it has while it cannot`()
        throws
    {
        let run = try RelayRun(
            Self.outward(
                to: "subject: jobs.new, flush: true",
                bridge: "reconnect: 1s",
                "faults: [{ at: 0s, do: kill, node: nats/nats, for: 10s }]"
            )
        )
        let first = try #require(run.facts.first { $0.kind == .deliverySent })
        #expect(first.time.nanoseconds > 10_000_000_000)
        #expect(run.depth("rabbit/jobs") == 0)
    }

    // MARK: From NATS to RabbitMQ

    @Test func `a message of a subject is confirmed by the other broker`() throws {
        let run = try RelayRun(Self.inward(to: "queue: jobs, persistent: true, confirms: true"))
        #expect(run.depth("rabbit/jobs") == 100)
        #expect(run.totals.confirmed == 100)
    }

    @Test func `without a key the subject is the routing key`() throws {
        let run = try RelayRun(
            Self.inward(to: "exchange: all").replacing(
                "jobs: {}",
                with: "jobs: { bind: { all: [\"t.#\"] } }"
            )
        )
        #expect(run.depth("rabbit/jobs") == 100)
    }

    @Test func `what a bridge from NATS holds when it dies is lost`() throws {
        let run = try RelayRun(
            Self.inward(
                bridge: "service: 50ms",
                "faults: [{ at: 505ms, do: kill, client: b, for: 100ms }]"
            )
        )
        let dropped = run.totals.dropped
        #expect(dropped > 30)
        // And what comes while nobody listens.
        #expect(dropped + run.totals.unroutable + run.totals.derived == 100)
    }

    @Test func `NATS-SLW-01 what a bridge has no room for is dropped, the newest first`() throws {
        let run = try RelayRun(
            Self.inward(bridge: "service: 100ms").replacing(
                "subject: \"t.*\"",
                with: "subject: \"t.*\", pending_limit: 5"
            )
        )
        #expect(run.totals.dropped > 80)
        #expect(run.totals.dropped + run.totals.derived == 100)
    }

    @Test func `two instances without a group publish each message twice, and with one once`()
        throws
    {
        let alone = try RelayRun(Self.inward(bridge: "instances: 2"))
        #expect(alone.depth("rabbit/jobs") == 200)
        let grouped = try RelayRun(
            Self.inward(bridge: "instances: 2").replacing(
                "subject: \"t.*\"",
                with: "subject: \"t.*\", group: g"
            )
        )
        #expect(grouped.depth("rabbit/jobs") == 100)
    }

    @Test func `while RabbitMQ is away the messages wait in the bridge`() throws {
        let run = try RelayRun(
            Self.inward(
                to: "queue: jobs, persistent: true, confirms: true",
                bridge: "reconnect: 1s",
                "faults: [{ at: 505ms, do: restart, node: rabbit/rabbit, for: 10s }]"
            )
        )
        #expect((run.depth("rabbit/jobs") ?? 0) + run.totals.gaveUp >= 100)
        #expect(run.totals.confirmed + run.totals.gaveUp == 100)
    }

    @Test func `a confirm that is waited for in vain gives the message back`() throws {
        let text = """
            warren: 1
            name: bridge
            brokers:
              west: { kind: rabbitmq, queues: { jobs: {} } }
              east: { kind: rabbitmq, queues: { jobs: {} } }
            producers:
              shop: { to: { broker: west, queue: jobs }, arrivals: 100/s, count: 10 }
            bridges:
              b:
                from: { broker: west, queue: jobs, prefetch: 10 }
                to: { broker: east, queue: jobs, confirms: { timeout: 1s } }
            faults: [{ at: 50ms, do: pause, node: east/east, for: 3s }]
            run: { for: 60s }
            """
        let run = try RelayRun(text)
        #expect(run.totals.gaveUp > 0)
        #expect(run.totals.derived > 10)
        #expect(run.depth("west/jobs") == 0)
        #expect(run.depth("east/jobs") == run.totals.derived)
    }

    // MARK: Between two of a kind

    @Test func `between two of RabbitMQ properties and headers are kept, and more are added`()
        throws
    {
        let run = try RelayRun(
            """
            warren: 1
            name: bridge
            brokers:
              west: { kind: rabbitmq, queues: { jobs: {} } }
              east: { kind: rabbitmq, queues: { jobs: {} } }
            bridges:
              b:
                from: { broker: west, queue: jobs }
                to: { broker: east, queue: jobs, headers: { by: b }, drop: [secret] }
            scripts:
              writer:
                broker: west
                steps: [ publish: { exchange: "", key: jobs, message_id: m, headers: { z: 1, secret: x } } ]
              reader:
                broker: east
                steps: [ wait: 1s, get: { queue: jobs, ack: automatic }, wait: 1s ]
            run: { for: 10s }
            """
        )
        let heard = run.heard("basic.get-ok")
        #expect(heard.contains(#""message_id":"m""#), "\(heard)")
        #expect(heard.contains(#""by","longstr","b""#))
        #expect(heard.contains(#""z","signedint","#))
        #expect(!heard.contains("secret"))
    }

    @Test func `between two of NATS nothing is kept for later`() throws {
        let run = try RelayRun(
            """
            warren: 1
            name: bridge
            brokers: { a: { kind: nats }, b: { kind: nats } }
            producers:
              p: { to: { broker: a, subject: x.y }, arrivals: 100/s, count: 100 }
            bridges:
              over: { from: { broker: a, subject: "x.>" }, to: { broker: b } }
            consumers:
              c: { from: { broker: b, subject: "x.y" } }
            faults: [{ at: 505ms, do: pause, client: c, for: 100ms }]
            run: { for: 10s }
            """
        )
        #expect(run.totals.derived == 100)
        #expect(run.totals.handled == 200)
    }

    // MARK: What is wrong with it

    @Test(arguments: [
        ("from: { broker: rabbit, queue: jbos }", "unknown-name"),
        ("from: { broker: rabit, queue: jobs }", "unknown-broker"),
        ("from: { broker: rabbit, exchange: jobs }", "unknown-key"),
        ("from: { broker: rabbit, queue: jobs, ack: start }", "unknown-word"),
        ("from: { broker: nats, subject: \"a.>.b\" }", "invalid-subject"),
        ("", "missing-key"),
    ]) func `a source that is not there is said`(from: String, slug: String) {
        let text = """
            warren: 1
            name: bridge
            brokers: { rabbit: { kind: rabbitmq, queues: { jobs: {} } }, nats: { kind: nats } }
            bridges:
              b: { \(from.isEmpty ? "" : from + ",") to: { broker: nats, subject: a } }
            run: { for: 1s }
            """
        #expect(findings(text).contains(slug), "\(findings(text))")
    }

    @Test(arguments: [
        ("to: { broker: rabbit, exchange: nowhere }", "unknown-name"),
        ("to: { broker: rabbit, key: k }", "no-destination"),
        ("to: { broker: rabbit, queue: jobs, key: k }", "said-twice"),
        ("to: { broker: nats, subject: \"a b\" }", "invalid-subject"),
        ("to: { broker: nats, subject: { pick: { a: 1 } } }", "wrong-type"),
        ("to: jobs", "which-broker"),
        ("", "missing-key"),
    ]) func `a target that is not there is said`(to: String, slug: String) {
        let text = """
            warren: 1
            name: bridge
            brokers: { rabbit: { kind: rabbitmq, queues: { jobs: {} } }, nats: { kind: nats } }
            bridges:
              b: { from: { broker: nats, subject: a } \(to.isEmpty ? "" : ", " + to) }
            run: { for: 1s }
            """
        #expect(findings(text).contains(slug), "\(findings(text))")
    }

    private func findings(_ text: String) -> [String] {
        do {
            return try Simulate.make(text).warnings.map(\.slug)
        } catch let rejection as Simulation.Rejection {
            return rejection.findings.map(\.slug)
        } catch { return ["\(error)"] }
    }
}
