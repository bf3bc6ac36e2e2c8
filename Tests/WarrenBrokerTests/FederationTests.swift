import Foundation
import Support
import Testing
import WarrenBroker
import WarrenKernel
import WarrenLedger
import WarrenTopology
import WarrenTrace

/// Federated exchanges and queues, as a topology has them.
@Suite("A federation") struct FederationTests {
    /// Two brokers with an exchange of events, of which east draws from west what it has bindings for.
    private static func exchange(
        upstream: String = "broker: west",
        policies: String =
            "{ name: fed, pattern: \"^events$\", apply_to: exchanges, federation_upstream: west }",
        keys: String = "{ pick: { order.new: 1, user.new: 1 } }",
        _ rest: String = ""
    ) -> String {
        """
        warren: 1
        name: federation
        seed: 5
        brokers:
          west:
            kind: rabbitmq
            exchanges: { events: { type: topic } }
            queues: { all: { bind: { events: ["#"] } } }
          east:
            kind: rabbitmq
            exchanges: { events: { type: topic } }
            queues: { orders: { bind: { events: ["order.*"] } } }
            federation: { upstreams: { west: { \(upstream) } } }
            policies: [ \(policies) ]
        producers:
          shop: { to: { broker: west, exchange: events, key: \(keys) }, start: 1s, arrivals: 100/s, count: 100, confirms: true, persistent: true }
        \(rest)
        run: { for: 60s }
        """
    }

    private static let link = "federation: events -> east"

    @Test func `RMQ-FED-01 and 02 what the downstream has bindings for crosses, and nothing else`()
        throws
    {
        let ended = try RelayRun(Self.exchange())
        let names = ended.simulation.world.names
        let orders = ended.facts.count {
            $0.kind == .messagePublished && names[Symbol($0.peer)] == "order.new"
        }
        #expect(orders > 20 && orders < 80)
        #expect(ended.depth("east/orders") == UInt64(orders))
        #expect(ended.depth("west/all") == 100)
        #expect(ended.depth("west/\(Self.link)") == 0)
        #expect(ended.totals.relayed == UInt64(orders))
    }

    @Test
    func
        `RMQ-FED-01, 05 and 09 it says where it was, who sent it is forgotten, and nothing goes up`()
        throws
    {
        let ended = try RelayRun(
            """
            warren: 1
            name: federation
            brokers:
              west: { kind: rabbitmq, exchanges: { events: { type: topic } }, queues: { all: { bind: { events: ["#"] } } } }
              east:
                kind: rabbitmq
                exchanges: { events: { type: topic } }
                queues: { orders: { bind: { events: ["order.*"] } } }
                federation: { upstreams: { west: { broker: west } } }
                policies: [ { name: fed, pattern: "^events$", apply_to: exchanges, federation_upstream_set: all } ]
            scripts:
              writer:
                broker: west
                steps: [ wait: 1s, publish: { exchange: events, key: order.new, user_id: guest, headers: { z: 1, b: two } } ]
              reader:
                broker: east
                steps: [ wait: 2s, get: { queue: orders, ack: automatic }, publish: { exchange: events, key: order.local } ]
              looker:
                broker: west
                steps:
                  - declare: { exchange: "federation: events -> east B", passive: true }
                  - wait: 1s
                  - declare: { exchange: "federation: events -> east B", passive: true }
                  - wait: 100ms
            """
        )
        let heard = ended.heard("basic.get-ok")
        #expect(heard.contains(#""exchange":"events","key":"order.new""#), "\(heard)")
        #expect(!heard.contains("user_id"))
        let places = [
            "b", "x-received-from", "uri", "amqp://west", "exchange", "events", "redelivered",
            "cluster-name", "west", "vhost", "/", "z",
        ]
        var rest = heard[...]
        for place in places {
            let found = try #require(rest.range(of: "\"\(place)\""), "\(place) in \(heard)")
            rest = rest[found.upperBound...]
        }
        #expect(ended.depth("west/all") == 1)
        #expect(ended.depth("east/orders") == 1)
        // Before the link there is no internal exchange, and afterwards there is.
        #expect(ended.heard("channel.close").contains("no exchange 'federation: events -> east B'"))
        let bound = ended.facts.filter { $0.kind == .bindingCreated }
            .map { ended.simulation.world.names[Symbol($0.peer)] }
        #expect(
            bound.contains { $0.contains("x-bound-from") && $0.contains("order.*") },
            "\(bound)"
        )
    }

    /// How far a message may go around a ring of three, and how many of them get it.
    @Test(arguments: [(1, 2), (2, 3), (5, 3)])
    func `RMQ-FED-03 a message crosses no more links than it may, and comes nowhere twice`(
        hops: Int,
        reached: Int
    ) throws {
        let cities = ["oslo", "bern", "rome"]
        let brokers = cities.enumerated().map { number, city in
            """
              \(city):
                kind: rabbitmq
                exchanges: { news: { type: fanout } }
                queues: { readers: { bind: { news: [""] } } }
                federation: { upstreams: { before: { broker: \(cities[(number + 2) % 3]), max_hops: \(hops) } } }
                policies: [ { name: ring, pattern: "^news$", federation_upstream: before } ]
            """
        }
        let ended = try RelayRun(
            """
            warren: 1
            name: ring
            brokers:
            \(brokers.joined(separator: "\n"))
            producers:
              writer: { to: { broker: oslo, exchange: news }, start: 1s, arrivals: 100/s, count: 10, confirms: true }
            """
        )
        let counts = cities.map { ended.depth("\($0)/readers") ?? 0 }
        #expect(counts == cities.indices.map { $0 < reached ? 10 : 0 })
    }

    /// An ack mode, and whether a link that breaks loses what is under way.
    @Test(arguments: [("on-confirm", false), ("on-publish", false), ("no-ack", true)])
    func `RMQ-FED-04 a link that breaks loses what was settled by sending`(
        mode: String,
        loses: Bool
    ) throws {
        let ended = try RelayRun(
            Self.exchange(
                upstream: "broker: west, ack_mode: \(mode), reconnect_delay: 1s",
                keys: "order.new",
                "faults: [{ at: 1505ms, do: cut, from: [west], to: [east], for: 50s }]"
            ).replacing("for: 60s", with: "for: 300s")
        )
        let arrived = try #require(ended.depth("east/orders"))
        #expect(loses ? arrived < 100 : arrived >= 100, "\(arrived)")
        #expect(ended.depth("west/all") == 100)
    }

    @Test func `RMQ-FED-02 and 08 what waits upstream is there when the downstream is back`() throws
    {
        for fault in ["kill", "stop"] {
            let ended = try RelayRun(
                Self.exchange(
                    keys: "order.new",
                    "faults: [{ at: 1505ms, do: \(fault), node: east/east, for: 10s }]"
                )
            )
            #expect(try #require(ended.depth("east/orders")) >= 100)
            #expect(ended.simulation.ledger.lost == 0)
        }
    }

    @Test func `RMQ-FED-08 when the policy goes, what waits upstream goes with it`() throws {
        let text = Self.exchange(
            keys: "order.new",
            """
            network: { links: [ { between: [west, east], latency: 10ms } ] }
            scripts: { operator: { broker: east, steps: [ wait: 1600ms, administer: { clear_policy: fed }, wait: 1s ] } }
            """
        )
        let ended = try RelayRun(text)
        #expect(try #require(ended.depth("east/orders")) < 60)
        let names = ended.simulation.world.names
        let gone = ended.facts.filter { $0.kind == .queueDeleted }.map { names[$0.subject] }
        #expect(gone == [Self.link])
    }

    @Test func `RMQ-FED-07 a binding reaches the upstream after a while`() throws {
        let ended = try RelayRun(
            """
            warren: 1
            name: federation
            brokers:
              west: { kind: rabbitmq, exchanges: { events: { type: topic } } }
              east:
                kind: rabbitmq
                exchanges: { events: { type: topic } }
                queues: { late: {} }
                federation: { upstreams: { west: { broker: west } } }
                policies: [ { name: fed, pattern: "^events$", apply_to: exchanges, federation_upstream: west } ]
            network: { links: [ { between: [west, east], latency: 10ms } ] }
            scripts:
              binder: { broker: east, steps: [ wait: 1s, bind: { queue: late, exchange: events, key: a }, wait: 1s, unbind: { queue: late, exchange: events, key: a } ] }
              writer:
                broker: west
                steps:
                  - wait: 1001ms
                  - publish: { exchange: events, key: a }
                  - wait: 500ms
                  - publish: { exchange: events, key: a }
                  - wait: 1s
                  - publish: { exchange: events, key: a }
                  - wait: 1s
            """
        )
        #expect(ended.depth("east/late") == 1)
        #expect(ended.totals.unroutable == 2)
    }

    @Test
    func `RMQ-FED-09 a link that comes back makes the other exchange before it takes one away`()
        throws
    {
        let ended = try RelayRun(
            Self.exchange(
                keys: "order.new",
                """
                network: { links: [ { between: [west, east], latency: 5ms } ] }
                faults: [ { at: 1305ms, do: restart, node: east/east, for: 200ms } ]
                """
            )
        )
        #expect(ended.times(.relayStarted).count == 2)
        #expect(ended.totals.unroutable == 0)
        #expect(ended.depth("east/orders") == 100)
        #expect(ended.simulation.ledger.lost == 0)
    }

    // MARK: Queues

    private static func queue(_ rest: String, type: String = "classic") -> String {
        """
        warren: 1
        name: federation
        seed: 5
        brokers:
          west: { kind: rabbitmq, queues: { jobs: { type: \(type) } } }
          east:
            kind: rabbitmq
            queues: { jobs: { type: \(type) } }
            federation: { upstreams: { west: { broker: west, prefetch_count: 20 } } }
            policies: [ { name: fed, pattern: "^jobs$", apply_to: queues, federation_upstream: west } ]
        producers:
          shop: { to: { broker: west, queue: jobs }, arrivals: 100/s, count: 100, confirms: true, persistent: true }
        \(rest)
        run: { for: 60s }
        """
    }

    @Test func `RMQ-FED-06 nothing moves while nobody consumes downstream`() throws {
        let ended = try RelayRun(Self.queue(""))
        #expect(ended.depth("west/jobs") == 100)
        #expect(ended.totals.relayed == 0)
    }

    @Test(arguments: ["classic", "quorum"])
    func `RMQ-FED-06 a consumer that waits draws messages, more than it can take`(type: String)
        throws
    {
        // It holds the first for ever, and could hold four more.
        let ended = try RelayRun(
            Self.queue(
                "consumers: { c: { from: { broker: east, queue: jobs }, start: 5s, prefetch: 5, service: 1h } }",
                type: type
            )
        )
        let moved = ended.totals.relayed
        #expect(moved >= 20 && moved <= 40)
        #expect(ended.depth("west/jobs") == 100 - moved)
        #expect(ended.depth("east/jobs") == moved - 5)
    }

    @Test func `RMQ-FED-06 a consumer of the upstream goes first, and nothing is handled twice`()
        throws
    {
        let ended = try RelayRun(
            Self.queue(
                """
                consumers:
                  near: { from: { broker: west, queue: jobs }, prefetch: 1, service: 1ms }
                  far: { from: { broker: east, queue: jobs }, prefetch: 1, service: 1ms }
                """
            )
        )
        #expect(ended.totals.handled == 100)
        #expect(ended.totals.relayed == 0)
    }

    /// A type of queue, and whether a consumer that two local messages have filled still draws.
    @Test(arguments: [("classic", true), ("quorum", false)])
    func `RMQ-FED-06 a consumer that was just filled counts at a classic queue`(
        type: String,
        draws: Bool
    ) throws {
        let ended = try RelayRun(
            Self.queue(
                """
                scripts: { local: { broker: east, steps: [ publish: { to: jobs, times: 2 }, wait: 1s ] } }
                consumers: { c: { from: { broker: east, queue: jobs }, start: 5s, prefetch: 2, service: 1h } }
                """,
                type: type
            )
        )
        #expect((ended.totals.relayed > 0) == draws)
        #expect(ended.totals.relayed <= 40)
    }

    @Test func `a queue that holds something of its own draws nothing`() throws {
        let ended = try RelayRun(
            Self.queue(
                """
                scripts: { local: { broker: east, steps: [ publish: { to: jobs, times: 3 }, wait: 1s ] } }
                consumers: { c: { from: { broker: east, queue: jobs }, start: 5s, prefetch: 1, service: 1h } }
                """
            )
        )
        #expect(ended.totals.relayed == 0)
    }
}
