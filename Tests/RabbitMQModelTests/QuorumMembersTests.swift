import Support
import Testing
import WarrenBroker
import WarrenKernel
import WarrenLedger
import WarrenTopology
import WarrenTrace

/// Members of quorum queues that come and go, and leaders that move.
///
/// Asked of three nodes of 3.10.8 with `rabbitmq-queues`: `grow`, `leader_leaves`, `rescued`, `no_majority`, `rebalance`,
/// `rebalance_down`, `flapping` and `behind` of `Tests/RealCluster/ask.py`.
@Suite("Members of quorum queues") struct QuorumMembersTests {
    /// What an operator says and hears, and what becomes of the messages of one publisher meanwhile.
    private struct Run {
        let simulation: Simulation
        let facts: [Fact]

        /// `orders` are steps of the operator, who is connected to `node`; `faults` and `clients` are lines of the file.
        init(
            size: Int = 3,
            queues: String = "",
            publisher: String = "r1",
            operator node: String = "r1",
            faults: [String] = [],
            clients: String = "",
            for length: Int = 60,
            _ orders: [String]
        ) throws {
            var simulation = try Simulate.make(
                """
                warren: 1
                name: members
                seed: 5
                brokers:
                  main:
                    kind: rabbitmq
                    version: "3.10"
                    nodes: [r1, r2, r3]
                    net_ticktime: 60s
                    queues:
                      q: { type: quorum, initial_group_size: \(size) }
                      c: { type: classic }
                      \(queues)
                producers:
                  shop: { to: q, hosts: [\(publisher)], arrivals: 10ms, count: 3000, confirms: true }
                consumers:
                  worker: { from: q, hosts: [r3], prefetch: 5, service: 1ms }
                  \(clients)
                scripts:
                  operator:
                    hosts: [\(node)]
                    steps:
                \(orders.map { "      - \($0)" }.joined(separator: "\n"))
                faults: [\(faults.joined(separator: ", "))]
                run: { for: \(length)s }
                """
            )
            var facts: [Fact] = []
            simulation.run { facts += $0 }
            self.simulation = simulation
            self.facts = facts
        }

        /// What the operator was told, and when.
        var answers: [(at: Double, text: String)] {
            facts.filter { $0.kind == .methodReceived }.compactMap {
                fact -> (at: Double, text: String)? in
                let text = simulation.world.names[fact.subject]
                let opening = #"{"method":"administered","text":""#
                guard text.hasPrefix(opening) else { return nil }
                let said = text.dropFirst(opening.count).dropLast(2)
                return (Self.seconds(fact), String(said).replacing(#"\""#, with: "\""))
            }
        }

        var texts: [String] { answers.map(\.text) }

        /// How long the publisher waited for a confirm at most, in seconds.
        var longest: Double {
            var times = facts.filter { $0.kind == .messageConfirmed }.map { Self.seconds($0) }
            times.sort()
            return zip(times, times.dropFirst()).map { $1 - $0 }.max() ?? .infinity
        }

        var confirmed: Int { facts.count { $0.kind == .messageConfirmed } }

        var redelivered: Int {
            facts.count { $0.kind == .deliverySent && $0.variant & 1 != 0 }
        }

        /// The nodes whose members came and went, in order.
        func changes(_ kind: FactKind) -> [String] {
            facts.filter { $0.kind == kind }.map {
                simulation.world.names[simulation.world.name(of: NodeID($0.peer))]
            }
        }

        /// Who was elected for a queue after the beginning, and when.
        func leaders(of queue: String = "q") -> [(at: Double, node: String)] {
            facts.filter {
                $0.kind == .leaderElected && $0.time > .zero
                    && simulation.world.names[$0.subject] == queue
            }.map { (Self.seconds($0), simulation.world.names[simulation.world.name(of: $0.node)]) }
        }

        private static func seconds(_ fact: Fact) -> Double {
            Double(fact.time.nanoseconds) / 1e9
        }
    }

    private static func add(_ node: String, to queue: String = "q") -> String {
        "administer: { add_member: { queue: \(queue), node: \(node) } }"
    }

    private static func delete(_ node: String, from queue: String = "q") -> String {
        "administer: { delete_member: { queue: \(queue), node: \(node) } }"
    }

    @Test func `RMQ-QQ-57 a group grows while it is used, and lives on without its first node`()
        throws
    {
        let run = try Run(
            size: 1,
            publisher: "r3",
            operator: "r3",
            faults: ["{ at: 20s, do: kill, node: main/r1 }"],
            [
                "at: 5s", Self.add("r2"), Self.add("r2"),
                Self.add("r2", to: "none"),
                Self.add("r2", to: "c"), "wait: 1s",
                "administer: { grow: { node: r3, strategy: even, queues: '^q$' } }",
                "administer: { grow: { node: r3, strategy: even, queues: '^q$' } }",
            ]
        )
        #expect(
            run.texts == [
                "ok", "ok", "Error: not_found",
                "Error: Cannot add members to a classic queue", "q has 3: ok", "nothing to do",
            ]
        )
        #expect(run.changes(.memberAdded) == ["main/r2", "main/r3"])
        #expect(run.confirmed == 3000)
        #expect(run.longest < 0.6, "no longer than an election takes")
        #expect(run.redelivered == 0)
    }

    @Test func `RMQ-QQ-58 members are deleted but for the last one, each once`() throws {
        let run = try Run(
            queues: "s: { type: stream }",
            operator: "r3",
            [
                "at: 5s", Self.delete("r2"), "wait: 1s", Self.delete("r2"), Self.delete("r1"),
                "wait: 1s", Self.delete("r3"), "administer: { shrink: { node: r3 } }",
                Self.delete("r3", from: "c"), Self.delete("r3", from: "s"), Self.add("r1"),
            ]
        )
        #expect(
            run.texts == [
                "ok", "ok", "ok", "Error: last_node", "q has 1: Error: last_node",
                "Error: Cannot add members to a classic queue",
                "Error: {{:case_clause, {:ok, {:amqqueue, ...}}}, ...}", "ok",
            ]
        )
        #expect(run.changes(.memberDeleted) == ["main/r2", "main/r1"])
        #expect(run.changes(.memberAdded) == ["main/r1"])
        #expect(run.confirmed == 3000)
    }

    @Test func `RMQ-QQ-58 one change waits for another, and all for a leader`() throws {
        let run = try Run(
            faults: ["{ at: 5s, do: kill, node: main/r2 }", "{ at: 5s, do: kill, node: main/r3 }"],
            ["at: 10s", Self.delete("r2"), Self.delete("r3"), Self.add("r3")]
        )
        #expect(
            run.texts == [
                "ok",
                "Error: {:no_more_servers_to_try, [error: :nodedown, error: :cluster_change_not_permitted]}",
                "Error: node_not_running",
            ]
        )
        #expect(run.changes(.memberDeleted) == [], "none is committed")
        let orphaned = try Run(
            operator: "r3",
            faults: ["{ at: 5s, do: kill, node: main/r1 }", "{ at: 5s, do: kill, node: main/r2 }"],
            ["at: 10s", Self.delete("r2"), "administer: { shrink: { node: r2 } }"]
        )
        let text =
            #"{:no_more_servers_to_try, [timeout: {:"%2F_q", :"rabbit@r3"}, error: :nodedown, error: :nodedown]}"#
        #expect(orphaned.texts == ["Error: \(text)", "q has 3: Error: \(text)"])
        #expect(orphaned.answers.map { $0.at.rounded() } == [15, 20], "five seconds for each")
    }

    @Test(arguments: ["r1", "r2"])
    func `RMQ-QQ-59 when the leader's member is deleted another one leads at once`(
        publisher: String
    ) throws {
        let run = try Run(
            publisher: publisher,
            clients: "keeper: { from: q, hosts: [r1], prefetch: 5, service: 20s }",
            ["at: 10s", Self.delete("r1")]
        )
        let leaders = run.leaders()
        #expect(leaders.map(\.node) == ["main/r2"] || leaders.map(\.node) == ["main/r3"])
        #expect(leaders.allSatisfy { $0.at > 10 && $0.at < 10.12 })
        #expect(run.longest < 0.13)
        #expect(run.confirmed == 3000)
        #expect(run.redelivered == 0, "what its consumers hold stays theirs")
    }

    @Test func `RMQ-QQ-60 a third member rescues a group that has lost one of two`() throws {
        let run = try Run(
            size: 2,
            faults: ["{ at: 10s, do: kill, node: main/r2 }"],
            for: 40,
            ["at: 15s", Self.add("r3"), "wait: 1s", Self.delete("r2")]
        )
        #expect(run.texts == ["ok", "ok"])
        #expect(abs(run.longest - 5) < 0.1, "from the kill to the new member")
        #expect(run.confirmed == 3000)
    }

    @Test func `RMQ-QQ-61 leaders are spread, and nobody waits for long`() throws {
        let names = (0..<6).map { "b\($0)" }
        let run = try Run(
            queues: names.map { "\($0): { type: quorum }" }.joined(separator: "\n      "),
            [
                "at: 10s", "administer: { rebalance: {} }", "wait: 1s",
                "administer: { rebalance: {} }",
            ]
        )
        #expect(
            run.texts == [
                "rabbit@r1 leads 3, rabbit@r2 leads 2, rabbit@r3 leads 2",
                "rabbit@r1 leads 3, rabbit@r2 leads 2, rabbit@r3 leads 2",
            ]
        )
        #expect(names.count { !run.leaders(of: $0).isEmpty } == 4)
        #expect(run.longest < 0.06)
        #expect(run.redelivered == 0)
    }

    @Test
    func `RMQ-QQ-62 leaders that are asked to go to a node that is down stand still for 30 s`()
        throws
    {
        let run = try Run(
            queues: "q1: { type: quorum }\n      q2: { type: quorum }\n      q3: { type: quorum }",
            faults: ["{ at: 5s, do: kill, node: main/r2 }"],
            for: 90,
            ["at: 10s", "administer: { rebalance: {} }"]
        )
        #expect(run.texts == ["rabbit@r1 leads 4"])
        #expect(run.answers.map { $0.at.rounded() } == [30], "five seconds for each of four")
        #expect(abs(run.longest - 30) < 0.1)
        #expect(run.confirmed == 3000)
        #expect(run.leaders().isEmpty)
    }

    @Test(arguments: [(rate: "10ms", longest: 10.3), (rate: "100ms", longest: 1.1)])
    func `RMQ-QQ-63 whoever publishes much on a link that is lost says it again after 10 s`(
        rate: String,
        longest: Double
    ) throws {
        // The first node leaves the third, and the two do without each other for a second.
        var simulation = try Simulate.make(
            """
            warren: 1
            name: flap
            seed: 2
            brokers: { main: { kind: rabbitmq, version: "3.10", nodes: [r1, r2, r3], queues: { q: { type: quorum } } } }
            producers:
              busy: { to: q, hosts: [r1], arrivals: 2ms, count: 15000, confirms: true }
              shop: { to: q, hosts: [r3], arrivals: \(rate), count: 300, start: 9s, confirms: true }
            faults: [{ at: 10s, do: drop_connection, between: [main/r1, main/r2] }]
            run: { for: 60s }
            expect:
              measure: { all: "confirmed == 15300", wait: "max(confirm(shop)) < \(longest + 0.2)s", least: "max(confirm(shop)) > \(longest - 0.3)s" }
            """
        )
        simulation.run()
        for verdict in simulation.verdicts { #expect(verdict.held, "\(verdict.sentence)") }
    }

    @Test func `RMQ-QQ-64 a follower that falls behind holds nobody up, and gets a snapshot`()
        throws
    {
        let run = try Run(
            faults: [
                "{ at: 2s, do: kill, node: main/r2, for: 20s }",
                "{ at: 40s, do: kill, leader_of: q, for: 30s }",
            ],
            for: 60,
            ["at: 1s"]
        )
        let installed = run.facts.filter { $0.kind == .snapshotInstalled }
        #expect(
            installed.map { run.simulation.world.names[run.simulation.world.name(of: $0.node)] }
                == ["main/r2"]
        )
        #expect(run.longest < 0.6)
    }

    @Test func `RMQ-QQ-57 an answer that comes too late is not taken for the next one`() throws {
        let run = try Run(
            size: 1,
            queues: "r: { type: quorum, initial_group_size: 1 }",
            faults: ["{ at: 9s, do: slow, between: [main/r1, main/r2], factor: 80000, for: 40s }"],
            ["at: 10s", "administer: { grow: { node: r2 } }"]
        )
        #expect(run.texts == ["q has 1: Error: timeout; r has 1: Error: timeout"])
        #expect(run.answers.map { $0.at.rounded() } == [20], "five seconds for each")
        #expect(run.changes(.memberAdded) == [])
    }

    @Test func `a node that the broker does not have is a finding`() {
        let error = #expect(throws: Simulation.Rejection.self) {
            _ = try Run(["administer: { grow: { node: r9 } }"])
        }
        #expect(error?.findings.map(\.slug) == ["unknown-name"])
        #expect(error?.findings.first?.sentence == "'main' has no node 'r9'")
    }
}
