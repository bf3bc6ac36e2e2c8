import Support
import Testing
import WarrenBroker
import WarrenKernel
import WarrenLedger
import WarrenTrace

/// What the ledger keeps of a log: offsets, readers and how far they are behind.
@Suite("The account of a log") struct LogAccountTests {
    private static let log = Symbol(7)
    private static let (fast, slow) = (NodeID(1), NodeID(2))

    private static func fact(
        _ kind: FactKind,
        _ reader: NodeID = NodeID(0),
        variant: UInt8 = 0,
        _ detail: UInt64 = 0
    ) -> Fact {
        Fact(
            time: Instant(nanoseconds: 1),
            event: 1,
            cause: 0,
            kind: kind,
            node: NodeID(0),
            message: kind == .consumerStarted || kind == .consumerEnded ? .none : MessageID(1),
            subject: log,
            peer: reader.raw,
            variant: variant,
            detail: detail
        )
    }

    private static func ledger(_ facts: [Fact]) -> Ledger {
        var ledger = Ledger()
        for fact in facts { ledger.take(fact) }
        return ledger
    }

    private static func written(_ count: Int) -> [Fact] {
        (0..<count).map { _ in fact(.messageRouted, variant: 2, 10) }
    }

    @Test func `a record is kept, and is not ready`() throws {
        let ledger = Self.ledger(Self.written(3))
        let account = try #require(ledger.account(of: Self.log))
        #expect((account.depth, account.ready) == (3, 0))
        #expect(ledger.log(of: Self.log)?.end == 3)
        #expect(ledger.remaining == 3)
        #expect(ledger.unaccounted == 0)
    }

    @Test func `the slowest reader says how far readers are behind, also while it is away`() throws
    {
        var facts = [
            Self.fact(.consumerStarted, Self.fast, variant: 1, 0),
            Self.fact(.consumerStarted, Self.slow, variant: 1, 0),
        ]
        facts += Self.written(4)
        facts += (0..<4).flatMap {
            [Self.fact(.recordRead, Self.fast, $0), Self.fact(.recordSettled, Self.fast, $0)]
        }
        facts += [
            Self.fact(.recordRead, Self.slow, 0), Self.fact(.recordRead, Self.slow, 1),
            Self.fact(.recordSettled, Self.slow, 0), Self.fact(.consumerEnded, Self.slow),
        ]
        let account = try #require(Self.ledger(facts).log(of: Self.log))
        #expect(account.lag == 3)
        #expect(account.lagMax == 4)
        #expect(account.readers.map(\.node) == [Self.fast, Self.slow])
        #expect(account.readers.map(\.read) == [4, 2])
        #expect(account.readers.map(\.settled) == [4, 1])
        #expect(account.readers.map(\.isPresent) == [true, false])
        #expect(account.readers.map { account.lag(of: $0) } == [0, 3])
    }

    @Test func `a reader that comes back at the end is no longer behind`() throws {
        let facts =
            [Self.fact(.consumerStarted, Self.slow, variant: 1, 0)] + Self.written(9)
            + [
                Self.fact(.consumerEnded, Self.slow),
                Self.fact(.consumerStarted, Self.slow, variant: 1, 9),
            ]
        let account = try #require(Self.ledger(facts).log(of: Self.log))
        #expect((account.lag, account.lagMax, account.readers.count) == (0, 9, 1))
    }

    @Test func `retention takes the oldest record, and a lost writer the newest`() throws {
        let retained = Self.fact(.messageDropped, variant: DropReason.maxlen.rawValue)
        let lost = Self.fact(.messageDropped, variant: DropReason.nodeLost.rawValue)
        let ledger = Self.ledger(Self.written(5) + [retained, retained, lost])
        let account = try #require(ledger.log(of: Self.log))
        #expect((account.first, account.end, account.count) == (2, 4, 2))
        #expect(ledger.misfits == 0)
        #expect(Self.ledger(Self.written(1) + [lost, lost]).misfits > 0)
    }

    @Test func `what retention took is not what a reader is behind`() throws {
        let retained = Self.fact(.messageDropped, variant: DropReason.maxlen.rawValue)
        let facts =
            [Self.fact(.consumerStarted, Self.slow, variant: 1, 0)] + Self.written(5)
            + [retained, retained]
        let account = try #require(Self.ledger(facts).log(of: Self.log))
        #expect(account.lag == 3)
    }

    // MARK: Runs

    private static func run(_ clients: String, _ expect: String) throws -> Simulation {
        try Simulate.run(
            """
            warren: 1
            name: log
            seed: 4
            brokers: { main: { kind: rabbitmq, queues: { s: { type: stream, max_length_bytes: 3kB, max_segment_size: 1kB }, q: {} } } }
            producers: { p: { to: s, arrivals: 1ms, count: 100, size: 100B, confirms: true } }
            \(clients)
            run: { for: 30s }
            expect: { \(expect) }
            """
        )
    }

    /// An expectation, and whether it holds with a reader that takes 5 ms for a record that comes each millisecond.
    @Test(arguments: [
        ("measure: { a: \"max(lag(s)) >= 10\" }", true),
        ("always: { a: \"lag(s) < 10\" }", false),
        ("eventually: { a: \"lag(s) == 0\" }", true),
        ("measure: { a: \"lag(s) > 0\" }", false),
        ("never: { a: \"confirmed and not delivered and not dropped\" }", true),
    ])
    func `lag can be expected of a log`(_ expect: String, _ holds: Bool) throws {
        let ended = try Self.run(
            "consumers: { c: { from: s, offset: first, prefetch: 10, service: 5ms } }",
            expect
        )
        #expect(ended.imbalances().isEmpty)
        #expect(ended.verdicts.map(\.held) == [holds])
    }

    @Test(arguments: ["lag(s) == 0", "max(lag(s)) == 0", "lag(q) == 0"])
    func `without a reader of a log nothing is measured`(_ expression: String) throws {
        let ended = try Self.run("", "measure: { a: \"\(expression)\" }")
        #expect(ended.verdicts.first?.held == false)
        #expect(ended.verdicts.first?.first?.seen.hasPrefix("nothing was measured") == true)
    }

    @Test func `offsets go on after a restart, also behind what retention took`() throws {
        let ended = try Self.run(
            """
            consumers: { c: { from: s, offset: first, start: 10s, prefetch: 10 } }
            faults: [ { at: 5s, do: restart, node: main/main, for: 1s } ]
            """,
            "measure: { a: \"published == 100\" }"
        )
        #expect(ended.imbalances().isEmpty)
        let symbol = try #require(
            ended.ledger.queues.first { ended.world.names[$0.symbol] == "s" }?.symbol
        )
        let log = try #require(ended.ledger.log(of: symbol))
        #expect(log.end == 100)
        #expect(log.first > 0)
        let reader = try #require(log.readers.first)
        #expect((reader.read, reader.settled, reader.records) == (100, 100, log.count))
    }
}
