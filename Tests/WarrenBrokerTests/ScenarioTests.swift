import Support
import Testing
import WarrenBroker
import WarrenKernel
import WarrenLedger
import WarrenTrace

@Suite("A scenario")
struct ScenarioTests {
    private static let head = """
        warren: 1
        name: t
        brokers: { main: { kind: rabbitmq, queues: { q: {} } } }

        """

    private func check(_ text: String) throws -> Simulation {
        let simulation = try Simulate.run(Self.head + text)
        #expect(simulation.imbalances().isEmpty, "\(simulation.imbalances())")
        return simulation
    }

    @Test func `loses nothing when a worker with manual acks dies, and does some work twice`()
        throws
    {
        let run = try check(
            """
            producers: { p: { to: q, arrivals: { law: poisson, rate: 200/s }, count: 2000 } }
            consumers:
              c:
                from: q
                instances: 3
                prefetch: 10
                service: { law: exponential, mean: 8ms }
                fails: { crash_after_work_before_ack: 1%, restart_after: 200ms }
                effect: money
            """
        )
        let totals = run.ledger.totals
        #expect(totals.acked == 2000)
        #expect(totals.redelivered > 0)
        #expect(
            totals.effects == 2000 + run.ledger.failures[Int(WorkFailure.crashAfterWork.rawValue)]
        )
    }

    @Test func `charges once when the effect is idempotent`() throws {
        let run = try check(
            """
            producers: { p: { to: q, arrivals: 100/s, count: 500 } }
            consumers:
              c:
                from: q
                prefetch: 5
                service: 2ms
                fails: { crash_after_work_before_ack: 5%, restart_after: 10ms }
                effect: { name: money, idempotent_by: message_id }
            expect: { never: { twice: "effects(money) per message_id > 1" } }
            """
        )
        #expect(run.ledger.totals.effects == 500)
        #expect(run.ledger.totals.handled > 500)
        #expect(run.verdicts.allSatisfy { $0.held })
    }

    @Test func `loses what a worker with automatic acks held when it died`() throws {
        let run = try check(
            """
            producers: { p: { to: q, arrivals: 1000/s, count: 1000 } }
            consumers: { c: { from: q, ack: automatic, service: 5ms, reconnect: 100ms } }
            faults: [{ at: 500ms, do: kill, client: c, for: 200ms }]
            expect: { never: { lost: "dropped" } }
            """
        )
        #expect(run.ledger.drops[Int(DropReason.clientLost.rawValue)] > 100)
        #expect(run.ledger.totals.acked == 0)
        let verdict = try #require(run.verdicts.first)
        #expect(!verdict.held)
        #expect(verdict.first?.message != MessageID.none)
    }

    @Test func `acks before the work lose what was not finished`() throws {
        let run = try check(
            """
            producers: { p: { to: q, arrivals: 100/s, count: 200 } }
            consumers:
              c: { from: q, ack: before, prefetch: 1, service: 5ms, fails: { crash_during_work: 10%, restart_after: 1ms } }
            """
        )
        #expect(run.ledger.totals.handled < 200)
        #expect(run.ledger.totals.acked == 200)
    }

    @Test(arguments: [(true, true), (true, false), (false, true), (false, false)])
    func `keeps over a kill what is durable and persistent, both`(durable: Bool, persistent: Bool)
        throws
    {
        let run = try Simulate.run(
            """
            warren: 1
            name: t
            brokers: { main: { kind: rabbitmq, queues: { q: { durable: \(durable) } } } }
            producers: { p: { to: q, arrivals: 100/s, count: 100, persistent: \(persistent), reconnect: never } }
            faults: [{ at: 2s, do: kill, node: main/main, for: 1s }]
            """
        )
        #expect(run.imbalances().isEmpty, "\(run.imbalances())")
        #expect(run.ledger.remaining == (durable && persistent ? 100 : 0))
        #expect(run.ledger.totals.dropped == (durable && persistent ? 0 : 100))
    }

    @Test func `has confirmed messages survive a kill, and unconfirmed ones published again`()
        throws
    {
        let run = try check(
            """
            producers:
              p: { to: q, arrivals: { law: poisson, rate: 4000/s }, count: 30000, persistent: true, confirms: { timeout: 1s, retries: 5 }, reconnect: 500ms }
            consumers: { c: { from: q, prefetch: 10, service: 100us, reconnect: 500ms } }
            faults:
              - { at: 2s, do: kill, node: main/main, for: 1s }
              - { at: 4s, do: drop_connection, client: p }
            expect: { never: { lost: "confirmed and not handled" } }
            """
        )
        #expect(run.verdicts.allSatisfy { $0.held })
        #expect(run.ledger.totals.confirmed == 30000)
        #expect(run.ledger.totals.retried > 0)
        #expect(run.ledger.unknown == 0)
    }

    @Test func `leaves unconfirmed messages unknown when nothing is retried`() throws {
        let run = try check(
            """
            producers:
              p: { to: q, arrivals: 1000/s, count: 3000, persistent: true, confirms: true, reconnect: 500ms }
            faults: [{ at: 1s, do: drop_connection, client: p }]
            """
        )
        #expect(run.ledger.totals.gaveUp > 0)
        #expect(run.ledger.totals.confirmed + run.ledger.totals.gaveUp == 3000)
    }

    @Test func `starts a fault when its condition holds for the first time`() throws {
        let facts = try Simulate.facts(
            Self.head + """
                producers: { p: { to: q, arrivals: 100/s, count: 100 } }
                faults: [{ when: "depth(q) >= 10", do: drop_connection, client: p }]
                """
        )
        let fault = try #require(facts.firstIndex { $0.kind == .faultBegan })
        #expect(facts[..<fault].count { $0.kind == .messageRouted } == 10)
    }

    @Test func `makes work slower for a while`() throws {
        let text = """
            producers: { p: { to: q, arrivals: 100/s, count: 200 } }
            consumers: { c: { from: q, prefetch: 1, service: 5ms } }

            """
        let usual = try check(text)
        let slow = try check(
            text + "faults: [{ at: 500ms, do: slow, client: c, factor: 10, for: 500ms }]"
        )
        #expect(slow.ledger.queues[0].depthMax > usual.ledger.queues[0].depthMax + 20)
        #expect(slow.ledger.totals.acked == 200)
    }

    @Test func `is stopped with a sentence when a message goes round without end`() throws {
        var run = try Simulate.make(
            """
            warren: 1
            name: t
            brokers: { main: { kind: rabbitmq, queues: { q: {} } } }
            network: { default: { latency: 0ms } }
            producers: { p: { to: q, arrivals: 1s, count: 1 } }
            consumers: { c: { from: q, prefetch: 1, service: 0ms, fails: { error: 100% }, on_error: { requeue: true } } }
            """
        )
        run.run()
        guard case .stopped(let reason) = run.state else {
            Issue.record("it ended")
            return
        }
        #expect(reason.contains("without time moving on"))
    }

    @Test func `ends at the time that the file says`() throws {
        let run = try check(
            "producers: { p: { to: q, arrivals: 100/s } }\nrun: { for: 3s }"
        )
        #expect(run.state == .ended)
        #expect(run.ledger.totals.published == 300)
    }

    @Test func `names the first moment at which an expectation was broken`() throws {
        let run = try check(
            """
            producers: { p: { to: q, arrivals: 10ms, count: 100 } }
            expect:
              always: { small: "depth(q) <= 20" }
              eventually: { empty: "depth(q) == 0" }
              measure: { few: "published <= 10" }
            """
        )
        let verdicts = run.verdicts
        #expect(verdicts.map(\.held) == [false, false, false])
        let first = try #require(verdicts[0].first)
        #expect(first.message == MessageID(21))
        #expect(first.seen == "the depth of q was 21")
        // The 21st publication, and one link of 50 microseconds.
        #expect(first.time == Instant(nanoseconds: 210_050_000))
    }

    @Test func `keeps the promise of eventually only if it is kept in time`() throws {
        let text = """
            producers: { p: { to: q, arrivals: 10ms, count: 100 } }
            consumers: { c: { from: q, prefetch: 1, service: 20ms } }
            expect: { eventually: { empty: "depth(q) == 0", within: WITHIN } }
            """
        let patient = try check(text.replacing("WITHIN", with: "2s"))
        let hasty = try check(text.replacing("WITHIN", with: "100ms"))
        #expect(patient.verdicts[0].held)
        #expect(!hasty.verdicts[0].held)
    }

    @Test(arguments: [
        "measure: { it: \"p99(rtt(web)) < 1s\" }", "always: { it: \"max(wait(r)) < 1s\" }",
        "eventually: { it: \"mean(work(idle)) < 1s\" }",
    ])
    func `does not hold what was never measured`(expectation: String) throws {
        let run = try Simulate.run(
            """
            warren: 1
            name: t
            brokers: { main: { kind: rabbitmq, queues: { q: {}, r: {} } } }
            callers: { web: { to: q, timeout: 1s, arrivals: 10/s, count: 20 } }
            consumers: { idle: { from: r } }
            expect: { \(expectation) }

            """
        )
        #expect(run.verdicts.map(\.held) == [false])
        #expect(run.verdicts.first?.first?.seen.hasPrefix("nothing was measured") == true)
    }

    @Test func `says what was confirmed and is nowhere, whatever the file expects`() throws {
        let lost = try check(
            """
            producers: { p: { to: q, arrivals: 10ms, count: 100, persistent: true, confirms: true } }
            faults: [{ at: 2s, do: restart, node: main/main, hostname: random }]
            run: { for: 20s }

            """
        ).ledger
        #expect(lost.lost == 100)
        #expect(lost.firstLost == MessageID(1))
        let kept = try check(
            """
            producers: { p: { to: q, arrivals: 10ms, count: 100, persistent: true, confirms: true } }
            faults: [{ at: 2s, do: kill, node: main/main, for: 1s }]
            run: { for: 20s }

            """
        ).ledger
        #expect(kept.lost == 0)
        let full = try Simulate.run(
            """
            warren: 1
            name: t
            brokers: { main: { kind: rabbitmq, queues: { q: { max_length: 10 } } } }
            producers: { p: { to: q, arrivals: 10ms, count: 100, confirms: true } }

            """
        ).ledger
        #expect(full.lost == 0)
        #expect(full.drops[Int(DropReason.maxlen.rawValue)] == 90)
    }

    @Test(.timeLimit(.minutes(1)))
    func `hears a stop although nothing is left but clocks until the next fault`() throws {
        var run = try Simulate.make(
            """
            warren: 1
            name: t
            brokers: { main: { kind: rabbitmq, nodes: [a, b, c], queues: { q: {} } } }
            producers: { p: { to: q, arrivals: 10ms, count: 3 } }
            faults: [{ at: 1s, do: drop_connection, client: p, every: 900d, times: 3 }]
            run: { for: 3000d }

            """
        )
        for _ in 0..<20 { run.advance(events: 1000) }
        #expect(run.state == .running)
        #expect(run.world.eventCount < 30_000)
    }

    @Test func `says which faults never began, and which hit nothing`() throws {
        let run = try check(
            """
            producers: { p: { to: q, arrivals: 100ms, count: 3 } }
            faults:
              - { at: 100ms, do: kill, node: main/main, for: 1s }
              - { at: 200ms, do: stop, node: main/main }
              - { at: 900s, do: kill, node: main/main }
              - { when: "depth(q) > 100", do: kill, node: main/main }
            run: { for: 20s }

            """
        )
        #expect(
            run.idleFaults == [
                "fault 3 (kill) never began: the run was over before",
                "fault 4 (kill) never began: its condition did not come true",
                "1 fault hit nothing: what they named was down already",
            ]
        )
    }

    @Test func `counts what a script takes without an ack, direct replies too`() throws {
        let run = try Simulate.run(
            """
            warren: 1
            name: t
            brokers: { main: { kind: rabbitmq, queues: { rpc: {} } } }
            servers: { s: { from: rpc } }
            scripts:
              x:
                steps:
                  - consume: { queue: amq.rabbitmq.reply-to, ack: automatic }
                  - publish: { to: rpc, reply_to: amq.rabbitmq.reply-to, times: 3 }
                  - await: { deliveries: 3 }
                  - close: connection

            """
        )
        #expect(run.imbalances() == [])
        #expect(run.ledger.totals.handled == 6)
        #expect(run.ledger.remaining == 0)
    }
}
