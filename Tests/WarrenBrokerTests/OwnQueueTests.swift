import Support
import Testing
import WarrenBroker
import WarrenKernel
import WarrenLedger
import WarrenTopology
import WarrenTrace

/// Queues that clients declare for themselves, and what their libraries do when the connection is back.
@Suite("A queue of a client's own") struct OwnQueueTests {
    private func run(_ own: String, _ more: String = "", instances: Int = 1) throws -> Simulation {
        let ended = try Simulate.run(
            """
            warren: 1
            name: own
            brokers: { main: { kind: rabbitmq, exchanges: { events: { type: fanout } } } }
            producers: { p: { to: { exchange: events }, arrivals: 100/s, count: 300, confirms: true } }
            consumers:
              screen: { from: { own: { bind: { events: [""] }, \(own) } }, instances: \(instances), reconnect: 500ms, \(more) }
            faults: [{ at: 1s, do: drop_connection, client: screen }]
            """
        )
        #expect(ended.imbalances().isEmpty, "\(ended.imbalances())")
        return ended
    }

    @Test("is one for each instance, and misses what is published while nobody is there")
    func exclusive() throws {
        let ended = try run("exclusive: true", instances: 3)
        // Three before the cut, three after.
        #expect(ended.ledger.queues.count == 6)
        #expect((700...800).contains(ended.ledger.totals.handled))
    }

    @Test("keeps what comes meanwhile if it has a name and stays")
    func named() throws {
        let ended = try run("name: screen, again: same")
        #expect(ended.ledger.queues.count == 1)
        #expect(ended.ledger.totals.handled == 300)
    }

    @Test("is gone for a library that consumes again without declaring it: nobody hears any more")
    func deaf() throws {
        let ended = try run("exclusive: true, again: never", "recovery: bunny")
        #expect((90...105).contains(ended.ledger.totals.handled))
        let refusal = try #require(ended.ledger.chronicle.refusals.first)
        #expect(ended.world.names[refusal.text].contains("NOT_FOUND - no queue 'amq.gen-"))
    }

    @Test("cannot be had again under a name that the server gave, which is reserved")
    func reserved() throws {
        let ended = try run("exclusive: true, again: same", "recovery: bunny")
        let refusal = try #require(ended.ledger.chronicle.refusals.first)
        #expect(refusal.code == 403)
    }

    @Test("for each call stays behind, unless it expires")
    func perCall() throws {
        for (replies, isLeaking) in [("per: call", true), ("per: call, expires: 1s", false)] {
            let ended = try Simulate.run(
                """
                warren: 1
                name: calls
                brokers: { main: { kind: rabbitmq, queues: { prices: {} } } }
                callers: { shop: { to: prices, replies: { \(replies) }, arrivals: 20/s, count: 60, timeout: 1s } }
                servers: { pricing: { from: prices, service: 1ms } }
                expect: { never: { too_many: "queues > 50" }, measure: { all: "answered(shop) == 60" } }
                """
            )
            #expect(ended.imbalances().isEmpty, "\(ended.imbalances())")
            #expect(ended.verdicts.map(\.held) == [!isLeaking, true])
        }
    }

    @Test("is lost with its connection: a caller fails at once, or waits until its timeout")
    func losses() throws {
        for (habit, seconds) in [("fail", 1...2), ("wait", 5...6)] {
            let ended = try Simulate.run(
                """
                warren: 1
                name: losses
                brokers: { main: { kind: rabbitmq, queues: { prices: {} } } }
                callers: { shop: { to: prices, count: 1, timeout: 5s, on_loss: \(habit), reconnect: never, start: 100ms } }
                faults: [{ at: 1s, do: drop_connection, client: shop }]
                """
            )
            #expect(ended.ledger.totals.callsFailed == 1)
            #expect(seconds.contains(Int(ended.world.now.nanoseconds / 1_000_000_000)))
        }
    }

    @Test("needs a source, and only one")
    func sources() throws {
        for from in ["{ vhost: \"/\" }", "{ queue: q, own: {} }"] {
            #expect(throws: Simulation.Rejection.self) {
                try Simulate.make(
                    """
                    warren: 1
                    name: sources
                    brokers: { main: { kind: rabbitmq, queues: { q: {} } } }
                    consumers: { c: { from: \(from) } }
                    """
                )
            }
        }
    }

    @Test("has neighbours that publish once, and are of another virtual host")
    func single() throws {
        let ended = try Simulate.run(
            """
            warren: 1
            name: single
            brokers: { main: { kind: rabbitmq, vhosts: { v: { queues: { q: {} } } } } }
            producers: { p: { vhost: v, to: q, count: 1, start: 1s } }
            consumers: { c: { vhost: v, from: q } }
            """
        )
        #expect(ended.ledger.totals.handled == 1)
        #expect(
            Simulate.read(
                "warren: 1\nname: x\nbrokers: { main: { kind: rabbitmq, queues: { q: {} } } }\nproducers: { p: { to: q, count: 2 } }"
            ).findings.contains { $0.slug == "missing-key" }
        )
    }
}
