import Support
import Testing
import WarrenBroker
import WarrenLedger

/// What expectations can ask, each with a run in which it is so and one in which it is not.
@Suite("The words of expectations") struct ExpectationWordsTests {
    private func held(_ expression: String, _ kind: String, _ clients: String) throws -> Bool {
        let ended = try Simulate.run(
            """
            warren: 1
            name: words
            seed: 3
            brokers:
              main: { kind: rabbitmq, exchanges: { e: { type: topic } }, queues: { q: { bind: { e: ["order.#"] } }, rpc: {} } }
            \(clients)
            run: { for: 20s }
            expect: { \(kind): { it: "\(expression)" } }
            """
        )
        #expect(ended.imbalances().isEmpty)
        return try #require(ended.verdicts.first).held
    }

    private static let orders = """
        producers: { p: { to: { exchange: e, key: { pick: { order.paid: 5, order.sent.eu: 5, other: 2 } } }, arrivals: 100/s, count: 100 } }
        """
    private static let one = orders + "\nconsumers: { c: { from: q, prefetch: 1, service: 4ms } }"
    private static let two =
        orders
        + "\nconsumers: { c: { from: q, instances: 2, prefetch: 10, service: { law: exponential, mean: 18ms } } }"
    private static let idle = orders + "\nconsumers: { c: { from: q, start: 1h } }"
    private static let headers =
        "producers: { p: { to: q, count: 1, headers: { kind: order, number: 7, a list: [one, two] } } }\n"
        + "consumers: { c: { from: q } }"
    private static let idleHeaders = headers.replacing("from: q", with: "from: q, start: 1h")
    private static let leaving =
        "scripts: { s: { steps: [ publish: { key: q }, channel: 2, close: connection ] } }"
    private static let calls =
        "callers: { web: { to: rpc, timeout: 1s, arrivals: 10/s, count: 10 } }\nservers: { s: { from: rpc } }"
    private static let unanswered =
        "callers: { web: { to: rpc, timeout: 1s, arrivals: 10/s, count: 10 } }"

    /// An expectation, its kind, clients of whom it is true, and clients of whom it is not.
    private static let cases: [(String, String, String, String)] = [
        ("not key is order.* or handled by c", "always", one, idle),
        ("not key is order.# or handled by c", "always", one, idle),
        ("not key is # or handled by c", "never", idle, one),
        ("kept", "never", one, orders),
        ("out_of_order(c) == 0", "measure", one, two),
        ("answered(web) == 10", "measure", calls, unanswered),
        ("failed(web) == 0", "measure", calls, unanswered),
        ("p99(age(c)) < 10ms", "measure", one, two),
        ("max(age(q)) < 1ms", "measure", one, one + "\nnetwork: { default: { latency: 5ms } }"),
        ("max(unacked(q)) <= 1", "measure", one, two),
        ("header kind is order and not handled", "never", headers, idleHeaders),
        ("header number is 7", "always", headers, one),
        ("not header 'a list' is two", "never", headers, one),
        (
            "header kind is two", "never", headers,
            "producers: { p: { to: q, count: 1, headers: { kind: two } } }"
        ),
        ("connections <= 2", "always", one, two),
        ("channels <= 2", "always", one, two),
        ("connections == 0", "measure", leaving, one),
        ("channels == 0", "measure", leaving, one),
        ("ready(q) <= 5", "always", one, orders),
        (
            "redeliveries <= 1", "measure",
            one,
            orders
                + "\nconsumers: { c: { from: q, prefetch: 1, fails: { poison: 5% }, on_error: { requeue: true } } }"
        ),
    ]

    @Test("are true where they are, and broken where they are not", arguments: cases.indices)
    func words(_ index: Int) throws {
        let (expression, kind, good, bad) = Self.cases[index]
        #expect(try held(expression, kind, good), "\(expression)")
        #expect(try !held(expression, kind, bad), "\(expression)")
    }

    @Test("tell 24 clients apart, and refuse more", arguments: [24, 25])
    func names(_ count: Int) throws {
        let clients = (1...count).map { "w\($0): { from: q, prefetch: 1 }" }
        let terms = (1...count).map { "handled by w\($0)" }
        let text = """
            warren: 1
            name: names
            brokers: { main: { kind: rabbitmq, queues: { q: {} } } }
            producers: { p: { to: q, arrivals: 10ms, count: 60 } }
            consumers: { \(clients.joined(separator: ", ")) }
            expect:
              always: { by_one: "\(terms.joined(separator: " or "))" }
              never: { by_the_last: "handled by w\(count) and from p" }
            """
        if count > Watch.mostClients {
            #expect(throws: Simulation.Rejection.self) { try Simulate.make(text) }
        } else {
            // Each of them has its turn, the last one too.
            #expect(try Simulate.run(text).verdicts.map(\.held) == [true, false])
        }
    }

    @Test(
        "name things with spaces, signs and words of the grammar in quotes",
        arguments: ["'", "\\\""]
    )
    func quotes(_ quote: String) throws {
        let name = { (text: String) in quote + text + quote }
        let ended = try Simulate.run(
            """
            warren: 1
            name: quotes
            brokers: { main: { kind: rabbitmq, queues: { "new orders": {}, "and": {}, "a(b)<=c": {} } } }
            producers:
              web shop: { to: "new orders", count: 3, arrivals: 10ms }
              not: { to: "and", count: 2, arrivals: 10ms }
              p: { to: "a(b)<=c", count: 1 }
            expect:
              measure:
                spaces: "depth(\(name("new orders"))) == 3"
                words: "depth(\(name("and"))) == 2"
                signs: "depth(\(name("a(b)<=c"))) == 1"
                wrong: "depth(\(name("new orders"))) == 2"
              never:
                lost: "from \(name("web shop")) and not in queue(\(name("new orders")))"
                there: "from \(name("not")) and in queue(\(name("and")))"
            """
        )
        #expect(ended.verdicts.map(\.held) == [true, true, true, false, true, false])
    }

    @Test("about what never happened do not hold, unless the file says so")
    func nothing() throws {
        for (more, isHeld) in [("", false), (", or_nothing: true", true)] {
            let ended = try Simulate.run(
                """
                warren: 1
                name: nothing
                brokers: { main: { kind: rabbitmq, queues: { q: {} } } }
                \(Self.unanswered.replacing("rpc", with: "q"))
                expect: { measure: { quick: "p99(rtt(web)) < 1s"\(more) } }
                """
            )
            #expect(ended.verdicts.map(\.held) == [isHeld])
        }
    }

    /// What an expectation needs to be put to the test, and how it ends without that and with it.
    struct Empty: Sendable, CustomTestStringConvertible {
        let expectation: String
        let publisher: String
        let reason: String

        var testDescription: String { expectation }
    }

    @Test(
        "do not hold when nobody asked for what they are about",
        arguments: [
            Empty(
                expectation: "never: { it: returned }",
                publisher: "mandatory: true",
                reason: "no publication is `mandatory`"
            ),
            Empty(
                expectation: "measure: { it: \"returned == 0\" }",
                publisher: "mandatory: true",
                reason: "no publication is `mandatory`"
            ),
            Empty(
                expectation: "never: { it: \"confirmed and not handled\" }",
                publisher: "confirms: true",
                reason: "no publication asked for a confirm"
            ),
            Empty(
                expectation: "always: { it: \"not nacked\" }",
                publisher: "confirms: true",
                reason: "no publication asked for a confirm"
            ),
        ]
    )
    func empty(_ empty: Empty) throws {
        func verdict(_ publisher: String) throws -> Verdict? {
            try Simulate.run(
                """
                warren: 1
                name: empty
                brokers: { main: { kind: rabbitmq, queues: { q: {} } } }
                producers: { p: { to: q, arrivals: 10ms, count: 10, \(publisher) } }
                consumers: { c: { from: q } }
                expect: { \(empty.expectation) }
                """
            ).verdicts.first
        }
        let without = try verdict("persistent: true")
        #expect(without?.held == false)
        #expect(without?.first?.seen.contains(empty.reason) == true)
        #expect(try verdict(empty.publisher)?.held == true)
    }

    @Test("that only partly go by what nobody asked for are put to the test")
    func partlyEmpty() throws {
        let ended = try Simulate.run(
            """
            warren: 1
            name: partly
            brokers: { main: { kind: rabbitmq, queues: { q: {} } } }
            producers: { p: { to: q, arrivals: 10ms, count: 10 } }
            consumers: { c: { from: q } }
            expect:
              never: { either: "returned or dropped", both: "returned and dropped" }
              always: { ends: "confirmed or handled", neither: "handled and not returned" }
              measure: { one: "handled == 10 or confirmed == 10", none: "confirmed == 10" }
            """
        )
        #expect(ended.verdicts.map(\.held) == [true, false, true, true, true, false])
        #expect(ended.verdicts.last?.first?.seen.hasPrefix("nothing was measured") == false)
    }
}
