import RabbitMQModel
import Support
import Testing
import WarrenBroker
import WarrenCatalog
import WarrenCheck
import WarrenKernel
import WarrenLedger
import WarrenTopology
import WarrenTrace

/// What `warren route` says, held against where the simulation puts the message.
@Suite("A route") struct RouteTests {
    /// Exchanges of every type, bound to queues and to each other, and a message for one of them.
    private struct Case {
        var topology: String
        var exchange: String
        var key: String
        var headers: [(String, String)]

        init(seed: UInt64) {
            var dice = Dice(seed: seed)
            let exchanges = (0..<dice.number(1...5)).map { "e\($0)" }
            let keys = ["a", "a.b", "a.b.c", "", "b", "*", "#.c", "b.a"]
            let patterns = keys + ["#", "a.*", "*.b", "#.b.#", "a.#", "*.*.*", "a*"]
            func bindings(_ dice: inout Dice, _ types: [String]) -> String {
                var list: [String] = []
                for source in exchanges.indices where dice.happens(45) {
                    var words: [String] = []
                    for _ in 0...dice.below(3) {
                        guard types[source] == "headers" else {
                            words.append("\"\(dice.pick(patterns))\"")
                            continue
                        }
                        let wanted = ["f: pdf", "n: 1", "f: txt, n: 1", "n: 2", "f:"]
                        words.append(
                            "{ match: \(dice.pick(["all", "any"])), headers: { \(dice.pick(wanted)) } }"
                        )
                    }
                    list.append("\(exchanges[source]): [\(words.joined(separator: ", "))]")
                }
                return "bind: { \(list.joined(separator: ", ")) }"
            }
            let types = exchanges.map { _ in dice.pick(["direct", "fanout", "topic", "headers"]) }
            var lines = ["exchanges:"]
            for (exchange, type) in zip(exchanges, types) {
                let alternate = dice.happens(25) ? ", alternate: \(dice.pick(exchanges))" : ""
                lines.append(
                    "  \(exchange): { type: \(type)\(alternate), \(bindings(&dice, types)) }"
                )
            }
            lines.append("queues:")
            for queue in 0..<dice.number(1...6) {
                lines.append("  q\(queue): { \(bindings(&dice, types)) }")
            }
            topology = Manual.Example.broker(lines.joined(separator: "\n")).text
            exchange = dice.pick(exchanges + [""])
            key = exchange.isEmpty ? dice.pick(["q0", "q9"]) : dice.pick(keys)
            headers = []
            if dice.happens(50) { headers.append(("f", dice.pick(["pdf", "txt"]))) }
            if dice.happens(50) { headers.append(("n", dice.pick(["1", "2"]))) }
        }

        /// The queues where the message lies once it is published.
        func simulated() throws -> [String] {
            let fields = headers.map { "\($0.0): \($0.1)" }.joined(separator: ", ")
            let text =
                topology + "\n"
                    + """
                    scripts:
                      s:
                        steps:
                          - publish: { exchange: "\(exchange)", key: "\(key)", headers: { \(fields) } }
                    """
            let ended = try Simulate.run(text)
            return ended.ledger.queues.filter { $0.ready > 0 }
                .map { ended.world.names[$0.symbol] }.sorted()
        }

        /// The queues that the route names.
        func walked() throws -> [String] {
            let text = topology
            let read = try SubjectReader.read(
                "case.yaml",
                broker: nil,
                version: nil,
                vocabularies: Catalog.vocabularies,
                source: { _ in Array(text.utf8) }
            )
            let host = try #require(read.subject.host("/"))
            let walk = RouteWalk(
                read.subject,
                from: exchange,
                key: key,
                headers: headers.map { name, value in
                    FieldValue.Field(name, Int64(value).map { .int($0) } ?? .string(value))
                },
                in: host
            )
            return walk.queues.sorted()
        }
    }

    @Test("leads where the simulation puts the message")
    func simulation() throws {
        var routed = 0
        for seed in UInt64(1)...400 {
            let one = Case(seed: seed)
            let (simulated, walked) = (try one.simulated(), try one.walked())
            #expect(simulated == walked, "seed \(seed)\n\(one)")
            routed += simulated.count
        }
        #expect(routed > 300)
    }

    /// A binding, a message that misses it, and the word that the reason must name.
    private static let near: [(type: String, bind: String, key: String, says: String)] = [
        ("topic", "\"order.paid.*\"", "order.sent.card", "word 2 is 'sent' and not 'paid'"),
        ("topic", "\"order.*\"", "order", "the key ends before word 2"),
        ("topic", "\"order.*\"", "order.paid.card", "the key has 3 words, and the pattern 2"),
        ("topic", "\"order*\"", "orders", "a wildcard within a word is a plain letter"),
        ("direct", "order.*", "order.paid", "a direct exchange has no wildcards"),
        ("headers", "{ headers: { format: pdf } }", "", "the header 'format' is missing"),
    ]

    @Test("says for what misses which word or header failed", arguments: near.indices)
    func misses(_ index: Int) throws {
        let (type, bind, key, says) = Self.near[index]
        let text = Manual.Example.broker(
            "exchanges: { e: { type: \(type) } }\nqueues: { jobs: { bind: { e: [\(bind)] } } }"
        ).text
        let read = try SubjectReader.read(
            "case.yaml",
            broker: nil,
            version: nil,
            vocabularies: Catalog.vocabularies,
            source: { _ in Array(text.utf8) }
        )
        let host = try #require(read.subject.host("/"))
        let walk = RouteWalk(read.subject, from: "e", key: key, headers: [], in: host)
        #expect(walk.queues.isEmpty)
        #expect(walk.misses.count == 1)
        #expect(walk.misses.first?.why.contains(says) ?? false, "\(walk.misses)")
    }
}
