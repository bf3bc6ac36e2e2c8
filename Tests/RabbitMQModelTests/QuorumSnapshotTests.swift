import RabbitMQModel
import Support
import Testing
import WarrenBroker
import WarrenKernel
import WarrenLedger
import WarrenTrace

/// What followers of a quorum queue know that go through their log only when somebody asks.
@Suite("Snapshots of quorum queues") struct QuorumSnapshotTests {
    /// 400 messages in three nodes, of which a consumer takes half and keeps ten; `faults` are lines of the file.
    private func run(_ faults: String, until end: String = "60s") throws -> Simulation {
        var simulation = try Simulate.make(
            """
            warren: 1
            name: snapshots
            seed: 3
            brokers:
              main:
                kind: rabbitmq
                nodes: [r1, r2, r3]
                queues: { q: { type: quorum, node: r1 } }
            producers:
              p: { to: q, hosts: [r2], arrivals: 10ms, start: 2s, count: 400, size: 100B, confirms: { retries: 20 } }
            consumers:
              c: { from: q, hosts: [r3], prefetch: 10, service: 20ms }
            faults:
            \(faults)
            run: { for: \(end) }
            """
        )
        simulation.world.checksInvariants = true
        simulation.run()
        return simulation
    }

    /// The first entry behind the snapshot, and the last one that has taken effect, of each node that is up.
    private func logs(_ simulation: Simulation) -> [(first: UInt64, applied: UInt64)] {
        (UInt32(0)..<3).compactMap { node in
            guard simulation.world.isUp(NodeID(node)) else { return nil }
            return QuorumView(simulation.world.machine(NodeID(node)), queue: "q")
                .map { ($0.first, $0.applied) }
        }
    }

    @Test func `stand for the same entries on each member`() throws {
        let simulation = try run("  []")
        let logs = logs(simulation)
        #expect(logs.count == 3)
        #expect(logs.allSatisfy { $0.first > 300 && $0.applied == logs[0].applied }, "\(logs)")
        #expect(Set(logs.map(\.first)).count == 1, "\(logs)")
        #expect(simulation.imbalances().isEmpty)
    }

    /// Whoever leads next goes through what it has not looked at, in the middle of the run and twice.
    @Test func `do not keep a follower from knowing what it leads`() throws {
        let simulation = try run(
            """
              - { at: 3500ms, do: kill, leader_of: q, for: 20s }
              - { at: 5s, do: kill, node: main/r3, for: 15s }
              - { at: 30s, do: kill, leader_of: q, for: 5s }
            """
        )
        #expect(simulation.ledger.totals.published == 400)
        #expect(simulation.imbalances().isEmpty, "\(simulation.imbalances())")
        #expect(simulation.ledger.queues.first?.depth == 0)
        #expect(simulation.ledger.lost == 0)
    }

    /// Nobody leads any more: what the last follower holds is what the run tells, although it has not gone through it.
    @Test(arguments: ["4s", "5s", "6s"])
    func `let a follower say what it holds`(_ end: String) throws {
        let simulation = try run(
            """
              - { at: \(end), do: kill, node: main/r1, for: 10m }
              - { at: \(end), do: kill, node: main/r2, for: 10m }
            """,
            until: "\(end)"
        )
        #expect(logs(simulation).count == 1)
        #expect(simulation.imbalances().isEmpty, "\(simulation.imbalances())")
        #expect((simulation.ledger.queues.first?.depth ?? 0) > 50)
    }
}
