import Support
import Testing
import WarrenBroker
import WarrenKernel
import WarrenTrace

/// What the others see of a node that is stopped in good order and takes its time.
///
/// Asked of three nodes of 3.10.8: `stopped` of `Tests/RealCluster/ask.py`.
@Suite("A node stopped in good order") struct ClusterStopTests {
    /// A hundred publications a second from r2 to a queue on r1, which is restarted after two seconds.
    private struct Run {
        let simulation: Simulation
        let facts: [Fact]

        init(
            _ broker: String,
            queue: String = "node: r1",
            asks: [String] = [],
            away: String = "4s",
            others: Int = 0
        ) throws {
            let scripts = asks.map {
                "a\($0): { hosts: [r3], steps: [at: \($0), declare: { queue: q, passive: true }] }"
            }
            let more = (0..<others).map { "o\($0): { node: r1 }, " }.joined()
            var simulation = try Simulate.make(
                """
                warren: 1
                name: stop
                seed: 2
                brokers:
                  main:
                    kind: rabbitmq
                    version: "3.10"
                    nodes: [r1, r2, r3]
                    boot_time: 1s
                    \(broker)
                    policies: [{ name: ha, pattern: "^m", definition: { ha-mode: all } }]
                    queues: { \(more) q: { \(queue) }, mq: { \(queue) } }
                producers:
                  shop: { to: q, hosts: [r2], arrivals: 10ms, start: 1s, count: 600, confirms: true }
                  mall: { to: mq, hosts: [r2], arrivals: 10ms, start: 1s, count: 600, confirms: true }
                consumers:
                  worker: { from: q, hosts: [r3], reconnect: never }
                scripts: { \(scripts.joined(separator: ", ")) }
                faults: [{ at: 2s, do: restart, node: main/r1, for: \(away) }]
                run: { for: 9s }
                """
            )
            simulation.world.checksInvariants = others == 0
            var facts: [Fact] = []
            simulation.run { facts += $0 }
            self.simulation = simulation
            self.facts = facts
        }

        /// When facts of a kind came about what a producer published, in milliseconds.
        func times(_ kind: FactKind, _ producer: String = "shop") -> [Double] {
            let node = (0..<simulation.world.nodeCount).map { NodeID(UInt32($0)) }
                .first { simulation.world.names[simulation.world.name(of: $0)] == producer }
            let messages = Set(
                facts.filter { $0.kind == .messagePublished && $0.node == node }.map(\.message)
            )
            return facts.filter { $0.kind == kind && messages.contains($0.message) }
                .map { Double($0.time.nanoseconds) / 1e6 }
        }

        /// What scripts were told that were refused something, and when, in milliseconds.
        var refusals: [(at: Int, text: String)] {
            facts.filter { $0.kind == .methodReceived }.compactMap { fact in
                let text = simulation.world.names[fact.subject]
                guard let start = text.firstRange(of: "NOT_FOUND") else { return nil }
                let words = text[start.lowerBound...].dropLast(2)
                return (Int(fact.time.nanoseconds / 1_000_000), String(words))
            }
        }
    }

    @Test func `has publications wait, then nacks them, and then they lead nowhere, RMQ-CLUS-13`()
        throws
    {
        let run = try Run("stop_time: 3s")
        let nacks = run.times(.messageNacked)
        #expect(nacks.count >= 298 && nacks.count <= 302, "\(nacks.count)")
        // What waited was said in the first two seconds, and is nacked at their end.
        #expect(nacks.count { $0 >= 4000 && $0 < 4002 } > 195)
        #expect(nacks.allSatisfy { $0 >= 4000 && $0 <= 5002 })
        let confirms = run.times(.messageConfirmed)
        #expect(confirms.allSatisfy { $0 < 2005 || $0 > 5000 })
        #expect(confirms.count + nacks.count == 600)
        // Whoever takes from it is told when it is gone; and its queue is there again with its node.
        let ends = run.facts.filter {
            $0.kind == .connectionClosed
                && run.simulation.world.names[run.simulation.world.name(of: $0.node)] == "worker"
        }
        #expect(ends.map { $0.time.nanoseconds / 1_000_000 } == [4000])
        #expect(run.simulation.imbalances().isEmpty, "\(run.simulation.imbalances())")
    }

    @Test func `has its mirrors take over when its queues have ended`() throws {
        let run = try Run("stop_time: 3s")
        let confirms = run.times(.messageConfirmed, "mall")
        #expect(run.times(.messageNacked, "mall").isEmpty)
        #expect(confirms.count == 600)
        #expect(confirms.allSatisfy { $0 < 2005 || $0 > 4000 })
        #expect(confirms.count { $0 > 4000 && $0 < 4010 } > 195)
    }

    @Test(arguments: ["quorum", "stream"], ["0s", "40ms", "3s"])
    func `leaves what has members elsewhere to the others, however long it takes`(
        _ type: String,
        _ time: String
    ) throws {
        let run = try Run("stop_time: \(time)", queue: "type: \(type), node: r1")
        #expect(run.times(.messageNacked).isEmpty)
        let gap = run.times(.messageConfirmed).first { $0 > 2006 } ?? 0
        #expect(gap > 2050 && gap < 2700, "\(gap)")
    }

    @Test func `is not waited for when it is back before that`() throws {
        let run = try Run("stop_time: 8s", away: "2s")
        let nacks = run.times(.messageNacked)
        // It serves again after three seconds.
        #expect(nacks.allSatisfy { $0 >= 4900 && $0 <= 5200 }, "\(nacks.min() ?? 0)")
        #expect(run.times(.messageConfirmed).contains { $0 > 5000 && $0 < 5400 })
        #expect(run.simulation.imbalances().isEmpty, "\(run.simulation.imbalances())")
    }

    @Test(arguments: [(0, 22), (200, 236)])
    func `takes a millisecond for each of its classic queues`(_ others: Int, _ length: Int) throws {
        let run = try Run("net_ticktime: 60s", others: others)
        let nacks = run.times(.messageNacked)
        let end = 2000 + Double(length)
        #expect(nacks.allSatisfy { $0 < end }, "\(nacks.max() ?? 0)")
        #expect(nacks.contains { $0 > end - 12 }, "\(nacks.max() ?? 0)")
    }

    @Test
    func
        `says of a queue there that its process is stopped, and then that its node is down, RMQ-CLUS-13`()
        throws
    {
        let run = try Run("stop_time: 3s", asks: ["2500ms", "4500ms", "5500ms"])
        let refusals = run.refusals
        let stopped = "NOT_FOUND - queue 'q' in vhost '/' process is stopped by supervisor"
        #expect(refusals.map(\.at) == [4000, 4500, 5500])
        #expect(
            refusals.map(\.text) == [
                stopped, stopped,
                "NOT_FOUND - home node 'rabbit@r1' of durable queue 'q' in vhost '/' is down or inaccessible",
            ]
        )
    }
}
