import Support
import Testing
import WarrenGateway
import WarrenTopology
import WarrenTrace

/// What of a difference is the model's fault, and what was a matter of the moment.
@Suite("A comparison") struct ComparisonTests {
    private static let publisher = NodeID(1)
    private static let broker = NodeID(2)

    /// The fates of three messages of one publisher whose connection ended after the last of them.
    ///
    /// `step`: nanoseconds from one thing to the next; `earlierEnd`: a message after which a connection ended before.
    private static func fates(
        arrived: Set<UInt32>,
        connectionEnds: Bool,
        step: UInt64,
        earlierEnd: UInt32 = 0,
        ending: FactKind = .connectionClosed
    ) -> MessageFates {
        var names = Names()
        let queue = names.intern(.queue, "jobs")
        var fates = MessageFates()
        var moment: UInt64 = 0
        func take(_ kind: FactKind, _ node: NodeID, _ message: UInt32) {
            moment += 1
            let fact = Fact(
                time: Instant(nanoseconds: moment * step),
                event: moment,
                cause: 0,
                kind: kind,
                node: node,
                message: MessageID(message),
                subject: queue
            )
            fates.take(fact, names) { "node \($0)" }
        }
        for message in UInt32(1)...3 {
            take(.messagePublished, publisher, message)
            if message == earlierEnd { take(.connectionClosed, publisher, 0) }
        }
        if connectionEnds { take(ending, publisher, 0) }
        // What a real broker was sent is seen when it comes out: later than the end of the connection.
        for message in arrived.sorted() { take(.messageRouted, broker, message) }
        return fates
    }

    private static func compare(
        model: Set<UInt32>,
        broker: Set<UInt32>,
        connectionEnds: Bool = true,
        step: UInt64 = 20_000_000,
        ending: FactKind = .connectionClosed
    ) -> [Comparison.Difference] {
        func side(_ arrived: Set<UInt32>) -> MessageFates {
            fates(arrived: arrived, connectionEnds: connectionEnds, step: step, ending: ending)
        }
        return Comparison(model: side(model), broker: side(broker), leeway: Leeway()) { _ in "web" }
            .differences
    }

    @Test(
        "that finds the last message of a broken connection missing calls it a race",
        arguments: [FactKind.connectionClosed, .nodeCrashed]
    )
    func lastOfAConnection(_ ending: FactKind) throws {
        for (model, broker) in [([1, 2, 3], [1, 2]), ([1], [1, 2, 3])]
            as [(Set<UInt32>, Set<UInt32>)]
        {
            let found = Self.compare(model: model, broker: broker, ending: ending)
            #expect(!found.isEmpty)
            #expect(found.allSatisfy { $0.kind == .race })
            #expect(found.first?.why == "its publisher's connection ended while it was on its way")
        }
    }

    @Test("that finds a message missing before one that came calls it a divergence")
    func gap() {
        let found = Self.compare(model: [1, 2, 3], broker: [1, 3])
        #expect(found.map(\.kind) == [.divergence])
        #expect(found.first?.subject == "message 2 of web")
    }

    @Test(
        "that finds one missing before one that the next connection may have carried calls it a race"
    )
    func waited() {
        // The third was published within a moment of the end, so that nobody knows which connection carried it.
        let found = Self.compare(model: [1, 2, 3], broker: [1, 3], step: 1000)
        #expect(found.map(\.kind) == [.race])
    }

    @Test(
        "that finds one missing that an earlier connection carried calls it a race, also when what waited comes late"
    )
    func earlierConnection() {
        // The second connection breaks before anything is seen of it; the third carries all that waited.
        func fates(_ arrived: Set<UInt32>, after message: UInt32) -> MessageFates {
            Self.fates(
                arrived: arrived,
                connectionEnds: true,
                step: 20_000_000,
                earlierEnd: message
            )
        }
        for (end, kind) in [(UInt32(1), Comparison.Kind.race), (0, .divergence)] {
            let found = Comparison(
                model: fates([1, 2, 3], after: end),
                broker: fates([2, 3], after: end),
                leeway: Leeway()
            ) { _ in "web" }.differences
            #expect(found.map(\.kind) == [kind])
        }
    }

    @Test(
        "that finds a message missing about when a queue came calls it a race, and later a divergence"
    )
    func queueComes() {
        func fates(arrived: Set<UInt32>) -> MessageFates {
            var names = Names()
            let queue = names.intern(.queue, "own")
            var fates = MessageFates()
            func take(_ kind: FactKind, _ milliseconds: UInt64, _ message: UInt32 = 0) {
                let fact = Fact(
                    time: Instant(nanoseconds: milliseconds * 1_000_000),
                    event: 1,
                    cause: 0,
                    kind: kind,
                    node: Self.publisher,
                    message: MessageID(message),
                    subject: queue
                )
                fates.take(fact, names) { "node \($0)" }
            }
            take(.queueDeclared, 5)
            for (message, moment) in [(UInt32(1), UInt64(10)), (2, 500)] {
                take(.messagePublished, moment, message)
                if arrived.contains(message) { take(.messageRouted, moment + 1, message) }
            }
            return fates
        }
        for (arrived, kind) in [(Set<UInt32>([2]), Comparison.Kind.race), ([1], .divergence)] {
            let found = Comparison(
                model: fates(arrived: [1, 2]),
                broker: fates(arrived: arrived),
                leeway: Leeway()
            ) { _ in "web" }.differences
            #expect(found.map(\.kind) == [kind])
        }
    }

    @Test("that finds a message missing though no connection ended calls it a divergence")
    func calm() {
        let found = Self.compare(model: [1, 2, 3], broker: [1, 2], connectionEnds: false)
        #expect(found.map(\.kind) == [.divergence])
    }

    /// One message that was published and then went through some facts: each a kind, a variant and a detail.
    private static func fates(_ facts: [(FactKind, UInt8)]) -> MessageFates {
        var names = Names()
        let queue = names.intern(.queue, "jobs")
        var fates = MessageFates()
        for (number, (kind, variant)) in ([(.messagePublished, 0)] + facts).enumerated() {
            let fact = Fact(
                time: Instant(nanoseconds: UInt64(number + 1) * 1_000_000),
                event: UInt64(number + 1),
                cause: 0,
                kind: kind,
                node: kind == .messagePublished ? publisher : broker,
                message: MessageID(1),
                subject: queue,
                peer: 3,
                variant: variant
            )
            fates.take(fact, names) { "node \($0)" }
        }
        return fates
    }

    private static func leeway(_ worker: String, faults: String = "[]", expiration: String = "")
        throws -> Leeway
    {
        let text = """
            warren: 1
            name: leeway
            brokers: { main: { kind: rabbitmq, queues: { jobs: {} } } }
            producers: { web: { to: jobs, arrivals: 1ms, count: 1\(expiration) } }
            consumers: { worker: { from: jobs\(worker) } }
            faults: \(faults)
            """
        return Leeway(of: try #require(Simulate.read(text).topology))
    }

    @Test("that finds other work done when a consumer died with what was settled calls it a race")
    func hands() throws {
        let worked = Self.fates([(.messageRouted, 0), (.deliverySent, 2), (.messageHandled, 0)])
        let lost = Self.fates([(.messageRouted, 0), (.deliverySent, 2)])
        let death = "[{ at: 1ms, do: kill, client: worker, for: 1s }]"
        for (worker, faults, kind) in [
            (", ack: automatic", death, Comparison.Kind.race),
            (", ack: automatic", "[]", .divergence), ("", death, .divergence),
        ] {
            let leeway = try Self.leeway(worker, faults: faults)
            let found = Comparison(model: worked, broker: lost, leeway: leeway) { _ in "web" }
            #expect(found.differences.map(\.kind) == [kind])
        }
    }

    @Test("that finds nothing of what expired while the rest was read out calls it a race")
    func readOut() throws {
        let left = Self.fates([(.messageRouted, 0)])
        for (expiration, kind) in [(", expiration: 1ms", Comparison.Kind.race), ("", .divergence)] {
            let leeway = try Self.leeway("", expiration: expiration)
            let found = Comparison(model: left, broker: Self.fates([]), leeway: leeway) { _ in
                "web"
            }
            #expect(found.differences.map(\.kind) == [kind])
        }
    }
}
