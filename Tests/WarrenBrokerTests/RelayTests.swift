import Foundation
import Support
import Testing
import WarrenBroker
import WarrenKernel
import WarrenLedger
import WarrenTopology
import WarrenTrace

/// A run to its end, and its facts.
struct RelayRun {
    var simulation: Simulation
    var facts: [Fact]

    init(_ text: String) throws {
        simulation = try Simulate.make(text)
        simulation.checksInvariants = true
        var facts: [Fact] = []
        simulation.run { facts += $0 }
        self.facts = facts
        #expect(simulation.imbalances() == [])
    }

    var totals: Ledger.Totals { simulation.ledger.totals }

    /// How much a queue holds: `west/jobs`.
    func depth(_ path: String) -> UInt64? {
        let names = simulation.world.names
        return simulation.ledger.queues.first {
            "\(names[names.entries[Int($0.symbol.raw)].scope])/\(names[$0.symbol])" == path
        }?.depth
    }

    /// The times at which relays stopped and started, in milliseconds.
    func times(_ kind: FactKind) -> [UInt64] {
        facts.filter { $0.kind == kind }.map { $0.time.nanoseconds / 1_000_000 }
    }

    /// What a script heard last of a kind, as JSON.
    func heard(_ method: String) -> String {
        let names = simulation.world.names
        return facts.filter { $0.kind == .methodReceived }.map { names[$0.subject] }
            .last { $0.contains("\"\(method)\"") } ?? ""
    }
}

/// Shovels between brokers, as a topology has them.
@Suite("A relay") struct RelayTests {
    /// Two brokers, of which west has a queue of jobs that somebody fills, and what is said beside it.
    private static func shovel(
        _ shovel: String,
        east: String = "queues: { jobs: {} }",
        west: String = "queues: { jobs: {} }",
        _ rest: String = "",
        count: Int = 100,
        length: String = "60s"
    ) -> String {
        """
        warren: 1
        name: relay
        seed: 5
        brokers:
          west: { kind: rabbitmq, \(west), shovels: { s: { \(shovel) } } }
          east: { kind: rabbitmq, \(east) }
        producers:
          shop: { to: { broker: west, queue: jobs }, arrivals: 100/s, count: \(count), confirms: true, persistent: true }
        \(rest)
        run: { for: \(length) }
        """
    }

    private static let toEast = "from: { queue: jobs }, to: { broker: east, queue: jobs }"

    // MARK: Shovels

    @Test func `RMQ-SHOV-01 a shovel moves what its queue holds to the other broker`() throws {
        let ended = try RelayRun(Self.shovel(Self.toEast))
        #expect(ended.depth("west/jobs") == 0)
        #expect(ended.depth("east/jobs") == 100)
        #expect(ended.totals.relayed == 100)
        #expect(ended.totals.confirmed == 100)
        #expect(ended.simulation.ledger.lost == 0)
    }

    @Test func `RMQ-SHOV-01 it declares the queues that are missing, durable`() throws {
        let ended = try RelayRun(
            Self.shovel(
                "from: { queue: jobs }, to: { broker: east, queue: new }",
                "faults: [{ at: 10s, do: kill, node: east/east, for: 1s }]"
            )
        )
        #expect(ended.depth("east/new") == 100)
    }

    @Test func `RMQ-SHOV-01, 02 and 03 headers and properties are kept, and the key is lost`()
        throws
    {
        let ended = try RelayRun(
            """
            warren: 1
            name: relay
            brokers:
              west:
                kind: rabbitmq
                exchanges: { x: { type: topic } }
                queues: { h: { bind: { x: ["#"] } } }
                shovels:
                  s:
                    from: { queue: h }
                    to: { broker: east, queue: h, add_forward_headers: true, publish_properties: { type: t } }
              east: { kind: rabbitmq, queues: { h: {} } }
            scripts:
              writer:
                broker: west
                steps: [ publish: { exchange: x, key: a.b, message_id: m, headers: { z: 1, b: two } } ]
              reader:
                broker: east
                steps: [ wait: 1s, get: { queue: h, ack: automatic } , wait: 1s ]
            """
        )
        let heard = ended.heard("basic.get-ok")
        #expect(heard.contains(#""exchange":"","key":"h""#), "\(heard)")
        #expect(heard.contains(#""message_id":"m""#))
        #expect(heard.contains(#""type":"t""#))
        let names = ["b", "x-shovelled", "shovelled-by", "west", "dynamic", "src-queue", "z"]
        var rest = heard[...]
        for name in names {
            let found = try #require(rest.range(of: "\"\(name)\""), "\(name) in \(heard)")
            rest = rest[found.upperBound...]
        }
    }

    private static let cut =
        "faults: [{ at: 305ms, do: partition, groups: [[west], [east]], for: 50s }]"

    /// An ack mode, and whether a link that breaks loses or doubles what is under way.
    @Test(arguments: [("on-confirm", false), ("on-publish", true), ("no-ack", true)])
    func `RMQ-SHOV-04 a link that breaks loses what was not to be confirmed`(
        mode: String,
        loses: Bool
    ) throws {
        let ended = try RelayRun(Self.shovel(Self.toEast + ", ack_mode: \(mode)", Self.cut))
        #expect(ended.simulation.ledger.lost == (loses ? 70 : 0))
        #expect(ended.depth("east/jobs") == (loses ? 30 : 100))
        #expect(ended.depth("west/jobs") == 0)
    }

    @Test func `RMQ-SHOV-04 what was confirmed and not acknowledged comes twice`() throws {
        // The confirms of the other side are what cannot pass.
        let ended = try RelayRun(
            Self.shovel(
                Self.toEast,
                "faults: [{ at: 300ms, do: cut, from: [east], to: [west], for: 50s }]"
            )
        )
        #expect(ended.simulation.ledger.lost == 0)
        #expect(try #require(ended.depth("east/jobs")) > 150)
    }

    @Test func `RMQ-SHOV-09 a target that refuses sends messages back to the source`() throws {
        let ended = try RelayRun(
            Self.shovel(
                Self.toEast,
                east: "queues: { jobs: { max_length: 5, overflow: reject-publish } }",
                "network: { default: { latency: 10ms } }",
                count: 20,
                length: "5s"
            )
        )
        #expect(ended.depth("east/jobs") == 5)
        #expect(ended.totals.acked == 5)
        #expect(ended.totals.requeued > 100)
        #expect(ended.simulation.ledger.lost == 0)
    }

    @Test func `RMQ-SHOV-05 it starts again at once when it ends first, and then after its delay`()
        throws
    {
        let drop = "do: drop_connection, between: [west, east]"
        let ended = try RelayRun(
            Self.shovel(
                Self.toEast + ", reconnect_delay: 3s",
                "faults: [{ at: 10s, \(drop) }, { at: 20s, \(drop) }, { at: 30s, \(drop) }]"
            )
        )
        #expect(ended.times(.relayStopped) == [10_000, 20_000, 30_000])
        #expect(ended.times(.relayStarted) == [0, 10_000, 23_000, 33_000])
    }

    @Test func `RMQ-SHOV-06 a target without the exchange is not noticed before the next message`()
        throws
    {
        let ended = try RelayRun(
            Self.shovel(
                "from: { queue: jobs }, to: { broker: east, exchange: missing, key: k }",
                "",
                count: 1
            )
        )
        // It runs on with what it has, unacknowledged, although its channel is closed.
        #expect(ended.times(.relayStopped) == [])
        #expect(ended.totals.errors == 1)
        #expect(ended.totals.acked == 0)
        #expect(ended.totals.delivered == 1)
    }

    @Test func `RMQ-SHOV-06 with the next message it ends, and begins anew`() throws {
        let ended = try RelayRun(
            Self.shovel(
                "from: { queue: jobs }, to: { broker: east, exchange: missing, key: k }",
                "",
                count: 3
            )
        )
        #expect(ended.times(.relayStopped).count >= 1)
        #expect(ended.simulation.ledger.lost == 0)
        #expect(ended.totals.acked == 0)
    }

    /// When it is to end, how many it moves, and how many stay.
    @Test(arguments: [("queue-length", UInt64(20)), ("5", 5), ("0", 0)])
    func `RMQ-SHOV-07 a shovel that is done deletes itself`(after: String, moved: UInt64) throws {
        let ended = try RelayRun(
            """
            warren: 1
            name: relay
            brokers:
              west: { kind: rabbitmq, queues: { jobs: {} } }
              east: { kind: rabbitmq, queues: { jobs: {} } }
            scripts:
              operator:
                broker: west
                steps:
                  - repeat: { times: 20, steps: [ publish: { to: jobs } ] }
                  - wait: 1s
                  - administer: { shovel: { name: s, from: { queue: jobs, delete_after: "\(after)" }, to: { broker: east, queue: jobs } } }
                  - wait: 1s
                  - publish: { to: jobs }
            """
        )
        #expect(ended.depth("west/jobs") == 21 - moved)
        #expect(ended.depth("east/jobs") == moved)
        let stops = ended.facts.filter { $0.kind == .relayStopped }.map(\.variant)
        #expect(stops == (moved == 0 ? [] : [3]))
    }

    @Test func `a shovel that a script sets in a repeated step runs, and one to nowhere is said`()
        throws
    {
        let steps = { (broker: String) in
            """
            warren: 1
            name: relay
            brokers:
              west: { kind: rabbitmq, queues: { jobs: {} } }
              east: { kind: rabbitmq, queues: { jobs: {} } }
            scripts:
              operator:
                broker: west
                steps:
                  - repeat: { times: 1, steps: [ administer: { shovel: { name: s, from: { queue: jobs }, to: { broker: \(broker), queue: jobs } } } ] }
                  - wait: 1s
                  - publish: { to: jobs }
                  - wait: 1s
            """
        }
        #expect(try RelayRun(steps("east")).depth("east/jobs") == 1)
        let lost = try RelayRun(steps("easy"))
        #expect(lost.depth("west/jobs") == 1)
        #expect(lost.facts.count { $0.kind == .relayWanted } == 1)
        #expect(lost.simulation.ledger.chronicle.idleRelays.count == 1)
        let warnings = lost.simulation.warnings.map(\.sentence)
        #expect(warnings.contains("there is no broker 'easy' for the shovel 's'"), "\(warnings)")
    }

    @Test func `RMQ-SHOV-07 what the target refuses counts as carried, and stays`() throws {
        let ended = try RelayRun(
            Self.shovel(
                "from: { queue: jobs, delete_after: 20 }, to: { broker: east, queue: jobs }",
                east: "queues: { jobs: { max_length: 5, overflow: reject-publish } }",
                count: 20
            )
        )
        #expect(ended.depth("east/jobs") == 5)
        #expect(ended.depth("west/jobs") == 15)
        #expect(ended.facts.filter { $0.kind == .relayStopped }.map(\.variant) == [3])
    }

    @Test func `RMQ-SHOV-08 a queue that is deleted under it is declared anew`() throws {
        let ended = try RelayRun(
            """
            warren: 1
            name: relay
            brokers:
              west: { kind: rabbitmq, queues: { jobs: {} }, shovels: { s: { \(Self.toEast) } } }
              east: { kind: rabbitmq, queues: { jobs: {} } }
            scripts:
              operator:
                broker: west
                steps: [ wait: 1s, delete: { queue: jobs }, wait: 1s, publish: { to: jobs }, wait: 1s ]
            """
        )
        #expect(ended.depth("east/jobs") == 1)
        #expect(ended.times(.relayStarted).count == 2)
    }

    @Test func `a shovel of an exchange binds a queue of its own, which goes with it`() throws {
        let ended = try RelayRun(
            """
            warren: 1
            name: relay
            brokers:
              west:
                kind: rabbitmq
                exchanges: { x: { type: topic } }
                shovels: { s: { from: { exchange: x, key: "a.#" }, to: { broker: east, exchange: y } } }
              east: { kind: rabbitmq, exchanges: { y: { type: topic } }, queues: { q: { bind: { y: ["#"] } } } }
            producers:
              shop: { to: { broker: west, exchange: x, key: { pick: { a.b: 1, c.d: 1 } } }, start: 1s, arrivals: 100/s, count: 100 }
            """
        )
        let names = ended.simulation.world.names
        let sent = ended.facts.filter {
            $0.kind == .messagePublished && names[Symbol($0.peer)] == "a.b"
        }
        #expect(sent.count > 20 && sent.count < 80)
        #expect(ended.depth("east/q") == UInt64(sent.count))
    }

    @Test func `in a cluster one node has the shovel, and another one takes it over`() throws {
        let ended = try RelayRun(
            """
            warren: 1
            name: relay
            brokers:
              west:
                kind: rabbitmq
                nodes: [w1, w2, w3]
                queues: { jobs: { type: quorum } }
                shovels: { s: { from: { queue: jobs }, to: { broker: east, queue: jobs } } }
              east: { kind: rabbitmq, queues: { jobs: {} } }
            producers:
              shop: { to: { broker: west, queue: jobs }, hosts: [w2], arrivals: 10/s, count: 200, confirms: true, persistent: true }
            faults: [{ at: 5s, do: kill, node: west/w1 }]
            run: { for: 5m }
            """
        )
        let nodes = ended.facts.filter { $0.kind == .relayStarted }.map {
            ended.simulation.world.names[ended.simulation.world.name(of: $0.node)]
        }
        #expect(nodes == ["west/w1/relays", "west/w2/relays"])
        #expect(try #require(ended.depth("east/jobs")) >= 200)
        #expect(ended.simulation.ledger.lost == 0)
    }

    // MARK: What is lost

    @Test func `what a relay acknowledges is not explained by that`() throws {
        let ended = try RelayRun(
            Self.shovel(Self.toEast + ", ack_mode: no-ack", Self.cut)
                .replacing(
                    "run:",
                    with: "consumers: { c: { from: { broker: east, queue: jobs } } }\nrun:"
                )
        )
        #expect(ended.totals.handled == 30)
        #expect(ended.simulation.ledger.lost == 70)
    }
}
