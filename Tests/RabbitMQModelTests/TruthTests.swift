import Support
import Testing
import WarrenBroker
import WarrenKernel
import WarrenLedger
import WarrenTrace

@Suite("What a cluster does not make up")
struct TruthTests {
    private func run(_ text: String, seed: UInt64 = 1) throws -> Simulation {
        var simulation = try Simulate.make("warren: 1\nname: t\n" + text, seed: seed)
        var audit = DeliveryAudit(of: simulation)
        simulation.run { audit.take($0) }
        #expect(audit.fault == nil)
        #expect(simulation.imbalances() == [])
        return simulation
    }

    @Test func `a producer pauses before it publishes again what was nacked`() throws {
        let facts = try Simulate.facts(
            """
            warren: 1
            name: t
            brokers:
              main: { kind: rabbitmq, queues: { q: { max_length: 0, overflow: reject-publish } } }
            producers:
              w: { to: q, arrivals: 5ms, count: 2, confirms: { retries: 3, pause: 100ms } }
            run: { for: 5s }

            """
        )
        let retried = facts.filter { $0.kind == .messageRetried }
        #expect(retried.map(\.detail) == [2, 2, 3, 3, 4, 4])
        let nacked = facts.filter { $0.kind == .messageNacked }.map(\.time)
        #expect(nacked.count == 2)
        #expect(nacked.allSatisfy { (300...320).contains($0.nanoseconds / 1_000_000) })
    }

    @Test(arguments: [200, 500, 900, 1400], 1...3)
    func `RMQ-QQ-32 what was acked is not worked on again when the leader dies`(
        milliseconds: Int,
        host: Int
    ) throws {
        let simulation = try run(
            """
            brokers:
              main: { kind: rabbitmq, nodes: [c1, c2, c3], queues: { orders: { type: quorum } } }
            producers: { w: { to: orders, hosts: [c2], arrivals: 5ms, count: 20, confirms: true } }
            consumers: { c: { from: orders, hosts: [c\(host)], service: 3ms, effect: charge, instances: 2 } }
            faults: [ { at: \(milliseconds)ms, do: kill, node: main/c1 } ]
            run: { for: 5s }

            """
        )
        let totals = simulation.ledger.totals
        #expect(totals.handled == 20)
        #expect(totals.delivered == 20)
        #expect(totals.acked == 20)
    }

    @Test(arguments: 1...5 as ClosedRange<UInt64>)
    func `a consumer that survives three leaders is sent each message once`(seed: UInt64) throws {
        let simulation = try run(
            """
            brokers:
              main: { kind: rabbitmq, nodes: [c1, c2, c3], boot_time: 1s, queues: { orders: { type: quorum } } }
            network: { default: { latency: { law: lognormal, median: 300us, p99: 5ms } } }
            producers: { w: { to: orders, hosts: [c3], arrivals: 2ms, count: 3000, confirms: true } }
            consumers: { c: { from: orders, hosts: [c3], prefetch: 50, service: 1ms, effect: charge } }
            faults:
              - { at: 1s, do: kill, node: main/c1, for: 1s }
              - { at: 4s, do: kill, node: main/c2, for: 1s }
              - { at: 8s, do: kill, node: main/c1, for: 1s }
            run: { for: 60s }
            expect: { never: { twice: "effects(charge) per message_id > 1" } }

            """,
            seed: seed
        )
        #expect(simulation.verdicts.allSatisfy { $0.held })
        #expect(simulation.ledger.totals.handled == 3000)
    }

    @Test func `a node under another name is alone, empty, and in nobody's way`() throws {
        let simulation = try run(
            """
            brokers:
              main: { kind: rabbitmq, nodes: [c1, c2, c3], queues: { orders: { type: quorum, node: c1 } } }
            producers:
              w: { to: orders, hosts: [c1], persistent: true, arrivals: 100ms, count: 300, confirms: { retries: 30 }, reconnect: 1s }
              stray: { to: orders, hosts: [c2], start: 20s, arrivals: 1s, count: 3, confirms: true }
              returned: { to: orders, hosts: [c2], start: 20s, arrivals: 1s, count: 3, confirms: true, mandatory: true }
            consumers:
              lost: { from: orders, hosts: [c2], start: 20s, reconnect: never }
            faults:
              - { at: 5s, do: restart, node: main/c2, hostname: random, for: 1s }
              - { at: 30s, do: restart, node: main/c2, for: 1s }
            run: { for: 60s }
            expect: { always: { kept: "not from w or confirmed and in queue(orders)" } }

            """
        )
        #expect(simulation.verdicts.allSatisfy { $0.held })
        let totals = simulation.ledger.totals
        #expect(totals.returned == 3)
        #expect(totals.unroutable == 6)
        #expect(totals.confirmed == 303)
        #expect(totals.errors == 1)
    }

    @Test func `a single node under another name has nothing of what the file declared`() throws {
        let simulation = try run(
            """
            brokers: { main: { kind: rabbitmq, queues: { q: { type: quorum } } } }
            producers: { w: { to: q, arrivals: 100ms, count: 100, confirms: true } }
            faults: [ { at: 2s, do: restart, node: main/main, hostname: random, for: 1s } ]
            run: { for: 60s }

            """
        )
        #expect(simulation.ledger.totals.unroutable > 60)
        #expect(simulation.ledger.drops[Int(DropReason.nodeLost.rawValue)] > 10)
    }

    @Test(
        arguments: [
            (
                "q: {}, q2: {}", "p: { to: { exchange: amq.direct, key: nowhere }, count: 5 }",
                .unroutable
            ),
            ("q: { node: b }", "p: { to: q, count: 5, start: 5s, hosts: [a] }", .queueDown),
            (
                "q: { node: b, bind: { amq.topic: ['x.#'] } }",
                "p: { to: { exchange: amq.topic, key: x.y }, count: 5, start: 5s, hosts: [a] }",
                .queueDown
            ),
            (
                "d: { message_ttl: 1s, dead_letter: { exchange: '', key: q } }, q: { node: b }",
                "p: { to: d, count: 5, start: 5s, hosts: [a] }", .queueDown
            ),
            (
                "q: { message_ttl: 1s, dead_letter: { exchange: '', key: q } }",
                "p: { to: q, count: 5, hosts: [a] }", .deadLetterCircle
            ),
            (
                "q: { message_ttl: 1s, dead_letter: { exchange: '', key: nowhere } }",
                "p: { to: q, count: 5, hosts: [a] }", .noDeadLetterRoute
            ),
        ] as [(String, String, DropReason)]
    )
    func `why a message goes nowhere is said`(
        queues: String,
        producer: String,
        reason: DropReason
    ) throws {
        let ledger = try run(
            """
            brokers: { main: { kind: rabbitmq, nodes: [a, b], queues: { \(queues) } } }
            producers: { \(producer.dropLast()), arrivals: 10ms } }
            faults: [ { at: 4s, do: kill, node: main/b, for: 1m } ]
            run: { for: 30s }

            """
        ).ledger
        let place = Int(reason.rawValue)
        #expect(ledger.drops[place] + ledger.unrouted[place] == 5)
        #expect((ledger.drops + ledger.unrouted).reduce(0, +) == 5)
    }

    @Test func `RMQ-CONN-20 to 22 each connection has an interval of its own`() throws {
        let simulation = try run(
            """
            brokers: { main: { kind: rabbitmq, queues: { q: {} } } }
            producers:
              slow: { to: q, arrivals: 100ms, count: 600, confirms: true }
              quick: { to: q, start: 2s, arrivals: 20s, count: 3, heartbeat: 1s }
              never: { to: q, start: 2s, arrivals: 20s, count: 3, heartbeat: 0s }
            consumers:
              c: { from: q, start: 1s, prefetch: 10, service: 1ms, heartbeat: 5s, reconnect: 1s }
              idle: { from: q, start: 3s, priority: -1, heartbeat: 2s, reconnect: never }
            run: { for: 120s }

            """
        )
        #expect(simulation.ledger.totals.redelivered == 0)
        #expect(simulation.ledger.totals.handled == 606)
        #expect(simulation.ledger.totals.delivered == 606)
    }

    @Test(arguments: ["memory_alarm", "disk_alarm"], ["r1", "r2", "r3"])
    func `an alarm that is on while a node joins ends when it ends`(alarm: String, node: String)
        throws
    {
        let simulation = try run(
            """
            brokers:
              main: { kind: rabbitmq, nodes: [r1, r2, r3], queues: { q: { type: quorum } } }
            producers:
              p: { to: q, reconnect: 1s, arrivals: 10/s, count: 300, confirms: { timeout: 5s, retries: 9 } }
            consumers: { c: { from: q, reconnect: 1s, prefetch: 10 } }
            faults:
              - { at: 5s, do: restart, node: main/\(node), for: 1s }
              - { at: 10s, do: \(alarm), node: main/r2, for: 5s }
            run: { for: 120s }
            expect: { always: { all_handled: "handled" } }

            """
        )
        #expect(simulation.verdicts.allSatisfy { $0.held })
    }

    @Test func `RMQ-ROUTE-02 a producer may publish to a queue that is not there, with a warning`()
        throws
    {
        let text = """
            warren: 1
            name: t
            brokers: { main: { kind: rabbitmq } }
            producers:
              asks: { to: nowhere, arrivals: 1s, count: 3, confirms: true }
              wants: { to: nowhere, arrivals: 1s, count: 3, mandatory: true }

            """
        var simulation = try Simulate.make(text)
        simulation.run { _ in }
        #expect(simulation.ledger.totals.confirmed == 3)
        #expect(simulation.ledger.totals.returned == 3)
        #expect(simulation.ledger.totals.unroutable == 6)
        #expect(simulation.ledger.totals.errors == 0)
    }

    /// A transient message waits for no disk: once it is published again, it waits for the copies alone.
    @Test(arguments: [false, true], 0..<6)
    func `RMQ-MIR-11 what is published again to a promoted mirror waits for the others`(
        isPersistent: Bool,
        shift: Int
    ) throws {
        let simulation = try run(
            """
            brokers:
              main:
                kind: rabbitmq
                nodes: [r1, r2, r3]
                queues: { q: { node: r1 } }
                policies: [ { name: all, pattern: "^q$", apply_to: queues, definition: { ha-mode: all } } ]
            producers: { p: { to: q, hosts: [r2], arrivals: 300us, count: 1000, persistent: \(isPersistent), confirms: { timeout: 20s } } }
            network: { default: { latency: 2ms } }
            faults: [ { at: \(150 + shift)ms, do: kill, node: main/r1 } ]
            run: { for: 60s }

            """
        )
        let totals = simulation.ledger.totals
        #expect(totals.published == 1000)
        #expect(totals.confirmed > 500)
        #expect(totals.confirmed + totals.nacked == 1000)
        #expect(simulation.ledger.lost == 0)
    }

    /// How often each message came to the dead-letter queue of a quorum queue while all is rejected, and its leader dies
    /// before the others hear of its last commits.
    private func deadLetters(killedAt milliseconds: Int?) throws -> [Int] {
        let faults = milliseconds.map {
            """
              - { at: \($0)ms, do: cut, from: [main/c1], to: [main/c2, main/c3] }
              - { at: \($0 + 12)ms, do: kill, node: main/c1 }
            """
        }
        let text = """
            warren: 1
            name: t
            brokers:
              main:
                kind: rabbitmq
                nodes: [c1, c2, c3, c4]
                queues: { q: { type: quorum, node: c1, dead_letter: { exchange: "", key: d } }, d: { node: c4 } }
            producers: { p: { to: q, hosts: [c2], arrivals: 200us, count: 2000 } }
            consumers: { c: { from: q, hosts: [c2], prefetch: 100, service: 10us, fails: { error: 100% }, on_error: { requeue: false } } }
            network: { default: { latency: 3ms } }
            faults:
            \(faults ?? "  []")
            run: { for: 20s }

            """
        var simulation = try Simulate.make(text)
        var dead: [UInt32: Int] = [:]
        var came: [Symbol: [UInt32: Int]] = [:]
        simulation.run { facts in
            for fact in facts {
                if fact.kind == .messageDeadLettered { dead[fact.message.raw, default: 0] += 1 }
                guard fact.kind == .messageRouted else { continue }
                came[fact.subject, default: [:]][fact.message.raw, default: 0] += 1
            }
        }
        #expect(simulation.imbalances() == [])
        #expect(dead.count == 2000)
        #expect(dead.values.allSatisfy { $0 == 1 }, "each death is told once")
        let target = came.first { simulation.world.names[$0.key] == "d" }
        return target.map { Array($0.value.values) } ?? []
    }

    @Test func `RMQ-QQ-51 a new leader dead-letters once more what it inherits`() throws {
        #expect(try deadLetters(killedAt: nil) == [Int](repeating: 1, count: 2000))
        let killed = try [300, 302, 304, 306].map { try deadLetters(killedAt: $0) }
        #expect(killed.allSatisfy { $0.count == 2000 })
        #expect(killed.contains { $0.contains(2) }, "at one moment or another the window is open")
        #expect(killed.allSatisfy { $0.allSatisfy { $0 <= 2 } })
    }

    /// A consumer at a node that hears of deliveries and not of commits, or of neither until the link is mended.
    @Test(arguments: ["c2", "c3", "c4"], [true, false])
    func `RMQ-QQ-51 what was settled by sending is sent once more, and worked on once`(
        host: String,
        isKilled: Bool
    ) throws {
        let simulation = try run(
            """
            brokers: { main: { kind: rabbitmq, nodes: [c1, c2, c3, c4], queues: { q: { type: quorum, node: c1 } } } }
            producers: { p: { to: q, hosts: [c4], arrivals: 200us, count: 2000 } }
            consumers: { c: { from: q, hosts: [\(host)], ack: automatic, service: 10us, effect: charge } }
            network: { default: { latency: 3ms } }
            faults:
              - { at: 300ms, do: cut, from: [main/c1], to: [main/c2, main/c3], for: 12s }
              \(isKilled ? "- { at: 312ms, do: kill, node: main/c1, for: 5s }" : "")
            run: { for: 60s }
            expect: { measure: { once: "effects(charge) per message_id == 1" } }

            """
        )
        #expect(simulation.verdicts.map(\.held) == [true])
        let totals = simulation.ledger.totals
        #expect(totals.handled == 2000)
        // At the node that hears of nothing the second delivery is the one that is worked on.
        #expect((totals.resurrected > 0) == (host != "c4"))
        #expect(totals.dropped == totals.resurrected)
    }

    @Test func `a script that is cut off is missed, and what it holds goes on`() throws {
        let simulation = try run(
            """
            brokers: { main: { kind: rabbitmq, queues: { jobs: {} } } }
            producers: { web: { to: jobs, arrivals: 1s, count: 10 } }
            scripts:
              dead:
                steps:
                  - qos: { prefetch: 5 }
                  - consume: { queue: jobs, tag: a, ack: manual }
                  - await: { deliveries: 100 }
            consumers: { alive: { from: jobs, start: 5s, prefetch: 1, service: 1ms } }
            faults: [ { at: 8s, do: partition, groups: [[main, web, alive], [dead]] } ]
            run: { for: 10m }
            expect: { always: { all: "handled" } }

            """
        )
        #expect(simulation.verdicts.allSatisfy { $0.held })
    }
}
