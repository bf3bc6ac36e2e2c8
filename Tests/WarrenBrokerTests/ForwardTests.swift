import Support
import Testing
import WarrenBroker
import WarrenKernel
import WarrenLedger
import WarrenTrace

/// Consumers that publish, and what each order of publication and acknowledgement costs.
@Suite("A consumer that publishes") struct ForwardTests {
    /// One service that passes orders on to another; `billing` is what is tried.
    private func run(
        _ billing: String,
        _ more: String = "",
        queue: String = "",
        slow: String = "1ms",
        _ look: (Fact) -> Void = { _ in }
    ) throws -> Simulation {
        var simulation = try Simulate.make(
            """
            warren: 1
            name: forward
            seed: 7
            brokers:
              main:
                kind: rabbitmq
                exchanges: { events: { type: headers } }
                queues: { orders: {}, invoices: { \(queue) }, errors: {}, reports: { bind: { events: [{ headers: { by: billing } }] } } }
            producers:
              shop: { to: orders, arrivals: 200/s, count: 200, headers: { tenant: a, round: 1 }, persistent: true }
            consumers:
              billing: { from: orders, prefetch: 5, service: 2ms, effect: charge, \(billing) }
              invoicing: { from: invoices, prefetch: 1, service: \(slow), effect: send }
            \(more)
            """
        )
        simulation.run { for fact in $0 { look(fact) } }
        return simulation
    }

    private func held(_ simulation: Simulation) -> [String: Bool] {
        Dictionary(uniqueKeysWithValues: simulation.verdicts.map { ($0.name, $0.held) })
    }

    private static let expectations = """
        expect:
          always: { passed_on: "not from shop or handled by invoicing" }
          never: { sent_twice: "effects(send) per message_id > 1" }
        """

    @Test("loses nothing and doubles nothing as long as nobody dies")
    func peace() throws {
        for order in ["true", "false"] {
            let ended = try run("then: { to: invoices, before_ack: \(order) }", Self.expectations)
            #expect(held(ended) == ["passed_on": true, "sent_twice": true])
            #expect(ended.ledger.totals.derived == 200)
            #expect(ended.imbalances().isEmpty)
        }
    }

    @Test(
        "doubles if it dies after the publication and before the ack, and loses the other way round"
    )
    func orders() throws {
        let plan = "fails: { crash_between: 5%, restart_after: 10ms }, reconnect: 10ms"
        let first = try run("\(plan), then: { to: invoices }", Self.expectations)
        #expect(held(first) == ["passed_on": true, "sent_twice": false])
        let last = try run("\(plan), then: { to: invoices, before_ack: false }", Self.expectations)
        #expect(held(last) == ["passed_on": false, "sent_twice": true])
        for ended in [first, last] {
            #expect(ended.imbalances().isEmpty, "\(ended.imbalances())")
            #expect(ended.ledger.phantoms.count == 0)
            #expect(ended.ledger.failures[Int(WorkFailure.crashBetween.rawValue)] > 2)
        }
    }

    @Test("waits for the confirm, and has the message again if it is refused")
    func refusal() throws {
        let ended = try run(
            "then: { to: invoices, confirms: true }",
            "run: { for: 20s }\n" + Self.expectations,
            queue: "max_length: 1, overflow: reject-publish",
            slow: "6ms"
        )
        #expect(ended.ledger.totals.nacked > 0)
        #expect(ended.ledger.totals.requeued >= ended.ledger.totals.nacked)
        #expect(held(ended)["passed_on"] == true)
        #expect(ended.imbalances().isEmpty, "\(ended.imbalances())")
        let careless = try run(
            "then: { to: invoices }",
            Self.expectations,
            queue: "max_length: 1, overflow: reject-publish",
            slow: "6ms"
        )
        #expect(held(careless)["passed_on"] == false)
    }

    @Test("keeps, adds and drops headers, and keeps the key")
    func headers() throws {
        var published: [Fact] = []
        let ended = try run(
            "then: [{ to: { exchange: events }, headers: { by: billing } }, { to: { exchange: events }, drop: all }]",
            """
            expect: { measure: { one_each: "dropped == 0 and unroutable == 200" } }
            """
        ) { if $0.kind == .messagePublished { published.append($0) } }
        #expect(held(ended) == ["one_each": true])
        #expect(ended.ledger.totals.derived == 400)
        let reports = ended.ledger.queues.first { ended.world.names[$0.symbol] == "reports" }
        #expect(reports?.ready == 200)
        // What is passed on bears the key of the order, which went through the default exchange.
        let names = ended.world.names
        let passed = published.filter { names[$0.subject] == "events" }
        #expect(passed.count == 400)
        #expect(passed.allSatisfy { names[Symbol($0.peer)] == "orders" })
    }

    @Test("tries again by publishing, so often as it says, and gives up then")
    func retries() throws {
        let ended = try run(
            "fails: { poison: 10% }, on_error: { then: { to: orders, retries: 3 } }",
            Self.expectations
        )
        let poisoned = ended.ledger.drops[Int(DropReason.rejected.rawValue)]
        #expect(poisoned > 5)
        // Three publications and a rejection for each.
        #expect(ended.ledger.totals.derived == 3 * poisoned)
        #expect(ended.ledger.failures[Int(WorkFailure.error.rawValue)] == 4 * poisoned)
        #expect(ended.imbalances().isEmpty)
    }

    @Test("that a message kills takes its neighbours down with it")
    func poison() throws {
        let ended = try run(
            "fails: { poison: { share: 2%, kills: true }, restart_after: 50ms }, reconnect: 50ms",
            "run: { for: 5s }"
        )
        let crashes = ended.ledger.failures[Int(WorkFailure.crashDuringWork.rawValue)]
        #expect(crashes > 10)
        #expect(ended.ledger.totals.redelivered > crashes)
    }

    @Test("counts an effect once per message_id, or once per publication")
    func identities() throws {
        func effects(_ by: String) throws -> UInt64 {
            try Simulate.run(
                """
                warren: 1
                name: identities
                brokers: { main: { kind: rabbitmq, queues: { q: {} } } }
                scripts:
                  s:
                    steps:
                      - publish: { to: q, message_id: a }
                      - publish: { to: q, message_id: a }
                      - publish: { to: q, message_id: b }
                consumers: { c: { from: q, effect: { name: charge, idempotent_by: \(by) } } }
                """
            ).ledger.totals.effects
        }
        #expect(try effects("message_id") == 2)
        #expect(try effects("message") == 3)
    }

    @Test("that acknowledges when its work begins loses one, and on arrival all that it holds")
    func acknowledgements() throws {
        func lost(_ ack: String) throws -> UInt64 {
            let ended = try Simulate.run(
                """
                warren: 1
                name: acknowledgements
                brokers: { main: { kind: rabbitmq, queues: { q: {} } } }
                producers: { p: { to: q, arrivals: 1ms, count: 20 } }
                consumers: { c: { from: q, prefetch: 8, ack: \(ack), service: 20ms, start: 100ms, reconnect: 10ms } }
                faults: [{ at: 150ms, do: kill, client: c, for: 100ms }]
                """
            )
            #expect(ended.imbalances().isEmpty, "\(ended.imbalances())")
            return 20 - ended.ledger.totals.handled
        }
        #expect(try lost("after") == 0)
        #expect(try lost("start") == 1)
        #expect(try lost("before") > 5)
    }
}
