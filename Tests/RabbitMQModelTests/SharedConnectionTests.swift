import RabbitMQModel
import Support
import Testing
import WarrenBroker
import WarrenKernel
import WarrenLedger
import WarrenTopology
import WarrenTrace

/// Clients that share a connection, or a channel as well.
@Suite("A connection that clients share") struct SharedConnectionTests {
    private struct Life {
        var simulation: Simulation
        var facts: [Fact]

        func times(_ kind: FactKind, of name: String) -> [UInt64] {
            facts.filter { $0.kind == kind && self.name($0.node.raw) == name }
                .map { $0.time.nanoseconds / 1_000_000 }
        }

        func peers(_ kind: FactKind) -> Set<String> {
            Set(facts.filter { $0.kind == kind }.map { name($0.peer) })
        }

        private func name(_ node: UInt32) -> String {
            simulation.world.names[simulation.world.name(of: NodeID(node))]
        }
    }

    private func live(_ clients: String, broker: String = "queues: { q: {}, done: {} }") throws
        -> Life
    {
        var simulation = try Simulate.make(
            """
            warren: 1
            name: shared
            brokers: { main: { kind: rabbitmq, \(broker) } }
            \(clients)
            run: { for: 40s }
            """
        )
        var facts: [Fact] = []
        var audit = DeliveryAudit(of: simulation)
        simulation.run {
            facts += $0
            audit.take($0)
        }
        #expect(audit.fault == nil)
        #expect(simulation.imbalances().isEmpty)
        return Life(simulation: simulation, facts: facts)
    }

    private func two(_ more: String, faults: String = "") -> String {
        """
        producers: { web: { to: q, arrivals: 10ms, count: 200, confirms: { retries: 5 }, connection: shop\(more) } }
        consumers: { worker: { from: q, prefetch: 3, connection: shop\(more), then: { to: done, confirms: true } } }
        \(faults)
        """
    }

    @Test(
        "is one for the broker, with a channel for each of them or for all",
        arguments: ["", ", channel: one"]
    )
    func one(_ more: String) throws {
        let life = try live(two(more))
        #expect(life.facts.count { $0.kind == .connectionOpened && $0.node == NodeID(0) } == 1)
        #expect(life.peers(.connectionOpened) == ["shop", "web", "worker"])
        #expect(life.facts.count { $0.kind == .channelOpened } == (more.isEmpty ? 2 : 1))
        // Who shares only the connection is known to the broker's facts by its own name.
        #expect(life.peers(.deliverySent) == [more.isEmpty ? "worker" : "shop"])
        let totals = life.simulation.ledger.totals
        #expect(totals.confirmed == 400)
        #expect(totals.handled == 200)
        #expect(totals.acked == 200)
    }

    @Test("is lost and found by all of them together", arguments: ["web", "worker", "shop"])
    func lost(_ victim: String) throws {
        let faults = "faults: [ { at: 1s, do: drop_connection, client: \(victim) } ]"
        let life = try live(two("", faults: faults))
        for client in ["web", "worker"] {
            #expect(life.times(.connectionClosed, of: client) == [1000])
        }
        #expect(life.facts.count { $0.kind == .connectionOpened && $0.node == NodeID(0) } == 2)
        #expect(life.simulation.ledger.totals.handled >= 200)
        #expect(life.simulation.ledger.totals.published >= 400)
        // The client's restart begins nothing anew: it published its two hundred once.
        #expect(life.times(.messagePublished, of: "web").count == 200)
    }

    @Test("is a process: what kills one of them kills all, and they come back together")
    func killed() throws {
        let faults = "faults: [ { at: 1s, do: kill, client: worker, for: 3s } ]"
        let life = try live(two("", faults: faults))
        for node in ["web", "worker", "shop"] {
            #expect(life.times(.nodeCrashed, of: node) == [1000])
            #expect(life.times(.nodeStarted, of: node) == [0, 4000])
        }
    }

    @Test("dies with the consumer whose work kills it")
    func crashes() throws {
        let life = try live(
            """
            producers: { web: { to: q, arrivals: 10ms, count: 100, connection: shop } }
            consumers: { worker: { from: q, prefetch: 3, connection: shop, fails: { crash_during_work: 2%, restart_after: 2s } } }
            """
        )
        let deaths = life.times(.nodeCrashed, of: "worker")
        #expect(!deaths.isEmpty)
        #expect(life.times(.nodeCrashed, of: "web") == deaths)
        #expect(life.times(.nodeCrashed, of: "shop") == deaths)
    }

    @Test(
        "closes for all when one of them begins anew, and stays for the others if a library leaves a channel closed"
    )
    func refused() throws {
        // The queue is gone for one of them: 404 closes its channel.
        let clients = """
            producers: { web: { to: q, arrivals: 100ms, count: 100, connection: shopRECOVERY } }
            consumers: { worker: { from: done, connection: shopRECOVERY } }
            scripts: { s: { steps: [ { at: 2s }, { delete: { queue: done } }, { wait: 20s }, { declare: { queue: done } } ] } }
            """
        let broker = "queues: { q: {}, done: {} }"
        let anew = try live(clients.replacing("RECOVERY", with: ""), broker: broker)
        #expect(anew.times(.connectionClosed, of: "web").count >= 2)
        #expect(anew.times(.messagePublished, of: "web").count == 100)
        let stays = try live(
            clients.replacing("RECOVERY", with: ", recovery: java"),
            broker: broker
        )
        #expect(stays.times(.connectionClosed, of: "web").isEmpty)
    }

    @Test("tells each role on a shared channel what is its own: confirms, returns, deliveries")
    func shares() throws {
        let life = try live(
            """
            producers:
              a: { to: q, arrivals: 3ms, count: 300, confirms: true, connection: shop, channel: one }
              b: { to: nowhere, mandatory: true, arrivals: 7ms, count: 100, connection: shop, channel: one }
              c: { to: done, arrivals: 5ms, count: 200, confirms: { timeout: 10s }, connection: shop, channel: one }
            consumers:
              w: { from: q, prefetch: 5, service: 1ms, connection: shop, channel: one }
              v: { from: done, prefetch: 1, service: 4ms, connection: shop, channel: one }
            """,
            broker: "queues: { q: {}, done: {} }"
        )
        let totals = life.simulation.ledger.totals
        #expect(totals.confirmed == 500)
        #expect(totals.returned == 100)
        #expect(totals.handled == 500)
        #expect(Set(life.times(.messageReturned, of: "b")).count == 100)
        #expect(life.times(.messageConfirmed, of: "a").count == 300)
        #expect(life.times(.messageConfirmed, of: "c").count == 200)
        #expect(life.times(.messageHandled, of: "w").count == 300)
        #expect(life.times(.messageHandled, of: "v").count == 200)
    }

    @Test("blocks what consumes with what publishes when the node runs short of memory")
    func blocked() throws {
        // RMQ-ALARM-02 and -03: a connection that publishes is read no more, and its acks wait as well.
        func worked(_ own: String) throws -> Int {
            try live(
                """
                producers:
                  fill: { to: q, arrivals: 1ms, count: 500 }
                  web: { to: done, arrivals: 100ms, count: 300, connection: shop }
                consumers: { worker: { from: q, prefetch: 1, service: 10ms\(own) } }
                faults: [ { at: 1s, do: memory_alarm, node: main/main, for: 20s } ]
                """
            )
            .times(.messageHandled, of: "worker").count { $0 > 1200 && $0 < 20_000 }
        }
        #expect(try worked(", connection: shop") <= 1)
        #expect(try worked("") > 300)
    }

    @Test(
        "is refused where its roles do not agree, or a name is taken",
        arguments: [
            ("web: { to: q, count: 1, connection: main }", "same-name"),
            ("web: { to: q, count: 1, connection: web }", "same-name"),
            ("web: { to: q, count: 1, channel: one }", "channel-alone"),
            (
                "web: { to: q, count: 1, connection: shop }, app: { to: q, count: 1, connection: shop, user: eve }",
                "connection-differs"
            ),
            (
                "web: { to: q, count: 1, connection: shop }, app: { to: q, count: 1, connection: shop, heartbeat: 5s }",
                "connection-differs"
            ),
        ]
    )
    func refuses(_ producers: String, _ slug: String) throws {
        let failure = #expect(throws: Simulation.Rejection.self) {
            try live("producers: { \(producers) }")
        }
        #expect(failure?.findings.map(\.slug) == [slug])
    }

    @Test("has an instance for each number of its roles")
    func instances() throws {
        let life = try live(
            """
            producers: { web: { to: q, arrivals: 10ms, count: 50, instances: 3, connection: shop } }
            consumers: { worker: { from: q, instances: 2, connection: shop } }
            faults: [ { at: 200ms, do: kill, client: shop, instance: 2, for: 1s } ]
            """
        )
        for node in ["web#2", "worker#2", "shop#2"] {
            #expect(life.times(.nodeCrashed, of: node) == [200])
        }
        for node in ["web#1", "web#3", "worker#1", "shop", "shop#3"] {
            #expect(life.times(.nodeCrashed, of: node).isEmpty)
        }
        #expect(life.facts.count { $0.kind == .connectionOpened && $0.node == NodeID(0) } == 4)
    }
}
