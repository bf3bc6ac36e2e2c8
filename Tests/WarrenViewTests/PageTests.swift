import Support
import Testing
import WarrenBroker
import WarrenKernel
import WarrenLedger
import WarrenTrace
import WarrenView

/// What the page of a run is made of, without a browser.
@Suite("The parts of a page") struct PagePartTests {
    private static let paths = [
        "rabbitmq/worker-queue.yaml", "rabbitmq/retry-backoff.yaml", "rabbitmq/poison-message.yaml",
        "rabbitmq/priority-queue.yaml", "rabbitmq/memory-alarm.yaml", "rabbitmq/rpc.yaml",
        "rabbitmq/losses/autoheal-losing-side.yaml",
    ]

    @Test("hold in queues what the ledger counts, whatever happened", arguments: paths)
    func holdings(path: String) throws {
        var run = try Simulate.make(
            file: "Topologies/\(path)"
        )
        var holdings = Holdings()
        var checked = 0
        while run.advance({ for fact in $0 { holdings.take(fact) } }) == .running {
            // Copies of a quorum queue on several sides are counted as one queue by both.
            for (symbol, queue) in holdings.queues {
                let account = run.ledger.account(of: symbol)
                #expect(queue.depth == Int(account?.ready ?? 0), "\(run.world.names[symbol])")
                #expect(
                    queue.held.count == Int(account?.unacked ?? 0),
                    "\(run.world.names[symbol])"
                )
                checked += 1
            }
        }
        #expect(checked > 0)
    }

    @Test("write JSON that ends no element of the page") func json() {
        let text = JSONText.map([
            ("</script>\"\\\n\u{1}\u{2028}", .list([.number(1.5), .int(-3), .bool(true), .null]))
        ])
        .text
        #expect(text == #"{"\u003c/script>\"\\\n\u0001\u2028":[1.5,-3,true,null]}"#)
    }

    @Test("pack numbers of any size, and their differences") func packing() {
        var packing = Packing()
        packing.add(300)
        packing.add(signed: -1)
        packing.add(differences: [5, 3, .max])
        #expect(packing.bytes.prefix(3) == [0xAC, 0x02, 0x01])
        #expect(Base64.text([1, 2, 3, 4]) == "AQIDBA==")
        #expect(Base64.text([]).isEmpty)
        #expect(Packing.deflated(Array(repeating: 7, count: 100_000)).count < 200)
    }

    @Test("stand in layers, none upon another, and the same each time") func layout() {
        let objects = [
            Scene.Object(.producer, "a"), Scene.Object(.exchange, "events"),
            Scene.Object(.exchange, "dead"), Scene.Object(.queue, "q"), Scene.Object(.queue, "r"),
            Scene.Object(.queue, "d"), Scene.Object(.consumer, "c", nodes: [1, 2, 3]),
        ]
        let edges = [
            Scene.Edge(from: 0, to: 1), Scene.Edge(from: 1, to: 3, label: "order.#"),
            Scene.Edge(from: 1, to: 4), Scene.Edge(from: 3, to: 2, kind: .deadLetter),
            Scene.Edge(from: 2, to: 5), Scene.Edge(from: 3, to: 6), Scene.Edge(from: 4, to: 6),
        ]
        let scene = Scene(objects, edges, brokers: [])
        let placed = scene.objects
        for edge in edges where edge.kind == .message {
            #expect(placed[edge.from].x + placed[edge.from].width < placed[edge.to].x)
        }
        for one in placed.indices {
            for other in placed.indices where other > one {
                let (a, b) = (placed[one], placed[other])
                let apart =
                    a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y
                    || b.y + b.height <= a.y
                #expect(apart, "\(a.name) and \(b.name)")
            }
        }
        // What takes dead letters stands below what feeds it.
        #expect(placed[5].y > placed[3].y)
        #expect(scene.json.text == Scene(objects, edges, brokers: []).json.text)
    }

    @Test("say of each fact what the terminal says, in pieces that facts of a kind share")
    func sentences() throws {
        var run = try Simulate.make(
            file: "Topologies/rabbitmq/order-pipeline.yaml"
        )
        var facts: [Fact] = []
        run.run { facts += $0 }
        let world = run.world
        let text = FactText(
            names: world.names,
            nodes: (0..<world.nodeCount).map { world.names[world.name(of: NodeID(UInt32($0)))] }
        )
        var pieces: [[UInt8]: Sentence] = [:]
        for fact in facts {
            let key = [fact.kind.rawValue, fact.variant, text.sentenceClass(fact)]
            let sentence = text.pieces(fact)
            #expect(pieces[key, default: sentence] == sentence)
            pieces[key] = sentence
        }
        #expect(pieces.count > 20)
    }

    @Test("count what each of two masters has, from when a partition made the second one")
    func sides() throws {
        var run = try Simulate.make(file: "Topologies/rabbitmq/cluster/split-brain.yaml")
        var facts: [Fact] = []
        run.run { facts += $0 }
        var holdings = Holdings()
        var most: [UInt32: Int] = [:]
        for fact in facts {
            holdings.take(fact)
            for (symbol, sides) in holdings.masters.sides {
                let queue = try #require(holdings.queues.first { $0.symbol == symbol }?.queue)
                #expect(sides.reduce(0) { $0 + $1.depth } == queue.depth)
                #expect(sides.allSatisfy { $0.depth >= 0 })
                for side in sides { most[side.node] = max(most[side.node] ?? 0, side.depth) }
            }
        }
        // Both have all that was published before.
        #expect(most == [0: 500, 1: 500])
        #expect(holdings.masters.sides.count == 1)
        // The account tells the same, and no sum of the two.
        let account = try #require(run.ledger.queues.first)
        #expect(account.depthMax == 500)
        #expect(run.ledger.masters.sides[account.symbol]?.map(\.depth) == [0, 0])
    }

    @Test("fold what has names of one pattern, where it would be too much") func folding() {
        var objects = [Scene.Object(.exchange, "events")]
        var edges: [Scene.Edge] = []
        for department in ["billing", "fraud"] {
            for tenant in 1...50 {
                edges.append(Scene.Edge(from: 0, to: objects.count))
                objects.append(
                    Scene.Object(
                        .queue,
                        "\(department).tenant-\(tenant)",
                        symbols: [UInt32(objects.count)]
                    )
                )
            }
        }
        for name in ["unrouted", "dead"] { objects.append(Scene.Object(.queue, name)) }
        let folded = Scene(objects, edges, brokers: [])
        #expect(
            folded.objects.map(\.name) == [
                "events", "billing.tenant-*", "fraud.tenant-*", "unrouted", "dead",
            ]
        )
        #expect(folded.objects.map(\.members) == [1, 50, 50, 1, 1])
        #expect(folded.objects[1].symbols == Array(1...50))
        #expect(folded.edges.map(\.label) == ["50 ways", "50 ways"])
        // Few things are drawn one by one.
        let few = Scene(Array(objects.prefix(10)), Array(edges.prefix(9)), brokers: [])
        #expect(few.objects.count == 10)
    }
}
