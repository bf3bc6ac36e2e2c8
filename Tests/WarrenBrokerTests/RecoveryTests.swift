import Support
import Testing
import WarrenBroker
import WarrenKernel
import WarrenLedger
import WarrenTrace

/// Clients that live on when nodes and links do not.
@Suite("Clients that recover")
struct RecoveryTests {
    private func text(
        _ clients: String,
        queue: String = "type: quorum",
        faults: String
    ) -> String {
        """
        warren: 1
        name: recovery
        brokers:
          main:
            kind: rabbitmq
            nodes: [r1, r2, r3]
            net_ticktime: 4s
            queues: { q: { \(queue) } }
        \(clients)
        faults: [\(faults)]
        run: { for: 120s }

        """
    }

    private func connections(_ text: String, _ client: String) throws -> [(Double, String)] {
        var simulation = try Simulate.make(text)
        var facts: [Fact] = []
        simulation.run { facts += $0 }
        let names = simulation.world.names
        let node = simulation.clients.first { $0.name == client }?.nodes[0].raw
        return facts.filter { $0.kind == .connectionOpened && $0.peer == node }.map {
            (Double($0.time.nanoseconds) / 1e9, names[simulation.world.name(of: $0.node)])
        }
    }

    private let web =
        "producers: { web: { to: q, arrivals: 100ms, count: 300, confirms: { retries: 3 }"

    @Test
    func
        `RMQ-CLUS-07 connect to the next of their hosts, and publish again what was not confirmed`()
        throws
    {
        let text = text(
            "\(web), hosts: [r2, r3, r1] } }",
            faults: "{ at: 10s, do: kill, node: main/r2 }"
        )
        let seen = try connections(text, "web")
        #expect(seen.map(\.1) == ["main/r2", "main/r3"])
        #expect(seen[1].0 > 14.9 && seen[1].0 < 15.2)
        let simulation = try Simulate.run(text)
        #expect(simulation.ledger.totals.confirmed == 300)
        #expect(simulation.imbalances() == [])
    }

    @Test func `wait longer with each try in vain, if they back off`() throws {
        let text = text(
            "\(web), reconnect: 1s, backoff: { factor: 2, max: 6s }, hosts: [r1] } }",
            faults: "{ at: 10s, do: kill, node: main/r1, for: 40s }"
        )
        var simulation = try Simulate.make(text)
        var facts: [Fact] = []
        simulation.run { facts += $0 }
        let web = simulation.clients[0].nodes[0]
        let refused = facts.filter {
            $0.kind == .connectionClosed && $0.node == web
                && $0.variant == Closure.refused.rawValue
        }.map { ($0.time.nanoseconds + 500_000_000) / 1_000_000_000 }
        #expect(refused == [11, 13, 17, 23, 29, 35, 41, 47, 53])
    }

    @Test func `notice by heartbeats that nobody is there any more`() throws {
        let text = text(
            "\(web), heartbeat: 4s, hosts: [r1, r2] } }",
            faults: "{ at: 10s, do: partition, groups: [[web], [main/r1]] }"
        )
        let seen = try connections(text, "web")
        #expect(seen.map(\.1) == ["main/r1", "main/r2"])
        // Between one and two intervals of silence, a pulse, and five seconds.
        #expect(seen[1].0 > 18 && seen[1].0 < 26)
    }

    @Test(arguments: [("supervised", true), ("bunny", false), ("java", false)])
    func `begin anew after the broker cancelled them only if somebody starts them anew`(
        recovery: String,
        isBack: Bool
    ) throws {
        let clients = """
            producers: { web: { to: q, arrivals: 100ms, count: 600, hosts: [r1] } }
            consumers: { worker: { from: q, hosts: [r2], recovery: \(recovery) } }
            """
        let simulation = try Simulate.run(
            text(
                clients,
                queue: "",
                faults: "{ at: 10s, do: restart, node: main/r1, for: 1s }"
            )
        )
        let handled = simulation.ledger.totals.handled
        #expect(isBack ? handled > 400 : handled < 110, "\(handled)")
    }

    @Test func `declare what they use, if they are told to, when its node is gone`() throws {
        let clients = """
            producers: { web: { to: q, arrivals: 100ms, count: 600, hosts: [r2] } }
            consumers: { worker: { from: q, hosts: [r2], declares: true } }
            """
        let simulation = try Simulate.run(
            text(
                clients,
                queue: "durable: false",
                faults: "{ at: 10s, do: kill, node: main/r1 }"
            )
        )
        #expect(simulation.ledger.totals.handled > 500)
        #expect(simulation.imbalances() == [])
    }

    @Test func `come to nothing under none`() throws {
        let text = text(
            "\(web), recovery: none } }",
            faults: "{ at: 10s, do: drop_connection, client: web }"
        )
        #expect(try connections(text, "web").count == 1)
    }
}

/// The ready stories.
@Suite("A scenario")
struct ScenarioStoryTests {
    private let text = """
        warren: 1
        name: shop
        brokers:
          main:
            kind: rabbitmq
            nodes: [r1, r2, r3]
            net_ticktime: 8s
            queues: { orders: { type: quorum }, mails: {} }
        producers:
          web: { to: orders, arrivals: 50ms, count: 400, confirms: { timeout: 60s, retries: 5 } }
        consumers:
          billing: { from: orders, instances: 2, prefetch: 5, service: 20ms }
        expect:
          never: { lost: "confirmed and not handled and not in queue(orders)" }

        """

    @Test(arguments: Scenario.allCases)
    func `is told to its end, and a quorum queue loses nothing that was confirmed`(
        scenario: Scenario
    ) throws {
        let topology = try scenario.applied(to: try Simulate.make(text).topology)
        var simulation = try Simulate.make(topology)
        simulation.run()
        #expect(simulation.state == .ended)
        #expect(simulation.imbalances() == [])
        if scenario != .poisonMessage { #expect(simulation.verdicts[0].held) }
        let faults = simulation.ledger.totals
        #expect(faults.published == 400)
    }

    @Test func `says what a topology lacks`() throws {
        let single = try Simulate.make(text.replacing("[r1, r2, r3]", with: "[r1]")).topology
        #expect(throws: Scenario.Unfit.self) { try Scenario.partitionMinority.applied(to: single) }
    }
}
