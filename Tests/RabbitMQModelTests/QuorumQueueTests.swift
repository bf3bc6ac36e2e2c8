import RabbitMQModel
import Testing
import WarrenKernel
import WarrenTrace

/// A quorum queue as a machine: a command goes in, effects come out.
@Suite("A quorum queue as a machine") struct QuorumQueueTests {
    /// One queue, and what became of its commands.
    private final class Bench {
        var queue: QuorumQueue
        var effects: [QuorumEffect] = []
        private var now = Instant.zero
        private var sequences: [UInt64: UInt64] = [:]
        private var messages: UInt32 = 0

        init(_ change: (inout QueueRules) -> Void = { _ in }) {
            var declaration = QueueDeclaration(name: "q")
            declaration.arguments = [FieldValue.Field("x-queue-type", .string("quorum"))]
            var rules = QueueRules(
                declaration,
                policy: nil,
                operatorPolicy: nil,
                version: .v3_10
            )
            change(&rules)
            queue = QuorumQueue(rules, honoursPriority: false, createdAt: .zero)
        }

        /// What follows from a command of a client, in words.
        @discardableResult
        func apply(
            _ kind: QuorumCommand.Kind,
            client: UInt64 = 1,
            consumer: UInt32 = 0,
            number: UInt64 = 0,
            again: Bool = false,
            after milliseconds: UInt64 = 0,
            _ change: (inout QuorumCommand) -> Void = { _ in }
        ) -> [String] {
            var command = QuorumCommand(kind: kind, client: client)
            if !again { sequences[client, default: 0] += 1 }
            command.sequence = sequences[client, default: 0]
            command.consumer = QuorumConsumerID(wire: consumer)
            command.number = number
            change(&command)
            now = now + .milliseconds(milliseconds)
            effects = []
            queue.apply(command, at: now, &effects)
            queue.checkInvariants()
            return effects.map(Self.word)
        }

        @discardableResult
        func publish(size: UInt32 = 1, expiration: UInt64 = .max, again: Bool = false) -> [String] {
            if !again { messages += 1 }
            return apply(.enqueue, number: expiration, again: again) {
                $0.packet.message = MessageID(messages)
                $0.packet.size = size
            }
        }

        @discardableResult
        func consume(_ consumer: UInt32, prefetch: UInt32 = 10, client: UInt64 = 1) -> [String] {
            apply(.checkout, client: client, consumer: consumer) { $0.packet.d = prefetch }
        }

        private static func word(_ effect: QuorumEffect) -> String {
            switch effect {
            case .routed(let message, _): "routed \(message.raw)"
            case .sent(let copy, let party, let delivery, _):
                "sent \(copy.packet.message.raw) to \(party.number.wire) as \(delivery)"
            case .fetched(let copy, _, _, _, let left, _):
                "fetched \(copy.packet.message.raw), \(left) left"
            case .fetchedAgain(let copy, _, _, _, _): "fetched \(copy.packet.message.raw) again"
            case .acked(let message, _): "acked \(message.raw)"
            case .rejected(let message, _, let requeue):
                requeue ? "nacked \(message.raw)" : "rejected \(message.raw)"
            case .requeued(let message, _): "requeued \(message.raw)"
            case .died(let copy, let reason, _): "\(copy.packet.message.raw) died: \(reason)"
            case .discardTaken(let message, _): "\(message.raw) was taken"
            case .dropped(let message, let reason, _): "dropped \(message.raw): \(reason)"
            case .missed: "missed"
            case .began(let party): "began \(party.number.wire)"
            case .ended(let party): "ended \(party.number.wire)"
            case .answered(_, _, let value): "answered \(value)"
            case .filled(let fullness): "\(fullness)"
            }
        }
    }

    @Test func `keeps what nobody takes, in order`() {
        let bench = Bench()
        #expect(bench.publish() == ["routed 1"])
        #expect(bench.publish() == ["routed 2"])
        #expect(bench.queue.readyCount == 2)
        #expect(
            bench.consume(7) == ["began 7", "answered 0", "sent 1 to 7 as 1", "sent 2 to 7 as 2"]
        )
        #expect(bench.queue.unackedCount == 2)
    }

    @Test func `hands out no more than a consumer has room for`() {
        let bench = Bench()
        bench.consume(7, prefetch: 2)
        #expect(bench.publish() == ["routed 1", "sent 1 to 7 as 1"])
        #expect(bench.publish() == ["routed 2", "sent 2 to 7 as 2"])
        #expect(bench.publish() == ["routed 3"])
        #expect(bench.apply(.settle, consumer: 7, number: 1) == ["acked 1", "sent 3 to 7 as 3"])
    }

    @Test func `serves its consumers in turn`() {
        let bench = Bench()
        bench.consume(7)
        bench.consume(8)
        let sent = (1...4).flatMap { _ in bench.publish() }.filter { $0.hasPrefix("sent") }
        #expect(
            sent == [
                "sent 1 to 7 as 1", "sent 2 to 8 as 1", "sent 3 to 7 as 2", "sent 4 to 8 as 2",
            ]
        )
    }

    @Test
    func
        `RMQ-QQ-09 and 11 puts what is given back at the end, unless it may come back but so often`()
    {
        let bench = Bench()
        bench.consume(7, prefetch: 1)
        bench.publish()
        bench.publish()
        #expect(
            bench.apply(.return, consumer: 7, number: 1)
                == ["nacked 1", "requeued 1", "sent 2 to 7 as 2"]
        )
        let limited = Bench { $0.deliveryLimit = 2 }
        limited.consume(7, prefetch: 1)
        limited.publish()
        limited.publish()
        #expect(
            limited.apply(.return, consumer: 7, number: 1)
                == ["nacked 1", "requeued 1", "sent 1 to 7 as 2"]
        )
        #expect(limited.queue.heldCopies.map(\.copy.returns) == [1])
    }

    @Test func `lets a message die that came back too often`() {
        let bench = Bench { $0.deliveryLimit = 1 }
        bench.consume(7)
        bench.publish()
        #expect(bench.apply(.return, consumer: 7, number: 1).last == "sent 1 to 7 as 2")
        #expect(
            bench.apply(.return, consumer: 7, number: 2)
                == ["nacked 1", "requeued 1", "1 died: deliveryLimit"]
        )
    }

    @Test func `does a command that is said twice once`() {
        let bench = Bench()
        #expect(bench.publish() == ["routed 1"])
        #expect(bench.publish(again: true) == [])
        #expect(bench.queue.readyCount == 1)
    }

    @Test func `answers a fetch that is asked twice with the same message`() {
        let bench = Bench()
        bench.publish()
        bench.publish()
        let number = QuorumConsumerID(fetching: ChannelIndex(5)).wire
        #expect(bench.apply(.get, consumer: number) == ["fetched 1, 1 left"])
        #expect(bench.apply(.get, consumer: number, again: true) == ["fetched 1 again"])
        #expect(bench.queue.readyCount == 1)
    }

    @Test func `answers a fetch of an empty queue`() {
        let bench = Bench()
        #expect(
            bench.apply(.get, consumer: QuorumConsumerID(fetching: ChannelIndex(5)).wire) == [
                "answered 0"
            ]
        )
    }

    @Test func `gives back in order what a consumer held that is gone`() {
        let bench = Bench()
        bench.consume(7)
        for _ in 1...3 { bench.publish() }
        let left = bench.apply(.drop, consumer: 7)
        #expect(
            left.filter { $0.hasPrefix("requeued") } == ["requeued 1", "requeued 2", "requeued 3"]
        )
        #expect(bench.queue.presentCopies.map(\.packet.message.raw) == [1, 2, 3])
        #expect(bench.queue.unackedCount == 0)
    }

    @Test func `serves nobody on a node that is out of reach, until it is back`() {
        let bench = Bench()
        bench.consume(7, client: 2)
        bench.publish()
        #expect(bench.apply(.nodeDown, client: 2).contains("requeued 1"))
        #expect(bench.publish() == ["routed 2"])
        let served = bench.apply(.nodeUp, client: 2)
        #expect(served.filter { $0.hasPrefix("sent") }.count == 2)
    }

    @Test func `lets one consumer at a time take, if it is to be so`() {
        let bench = Bench { $0.singleActive = true }
        bench.consume(7)
        bench.consume(8)
        #expect(bench.publish().last == "sent 1 to 7 as 1")
        #expect(bench.publish().last == "sent 2 to 7 as 2")
        let gone = bench.apply(.drop, consumer: 7)
        #expect(gone.filter { $0.hasPrefix("sent") } == ["sent 1 to 8 as 1", "sent 2 to 8 as 2"])
    }

    @Test func `drops the oldest when it is longer than it may be`() {
        let bench = Bench { $0.maxLength = 2 }
        bench.publish()
        bench.publish()
        #expect(bench.publish() == ["routed 3", "1 died: maxlen"])
        #expect(bench.queue.presentCopies.map(\.packet.message.raw) == [2, 3])
    }

    @Test func `RMQ-QQ-46 tells publishers when it is full, and when it has room again`() {
        let bench = Bench {
            $0.maxLength = 5
            $0.overflow = .rejectPublish
        }
        for _ in 1...5 { #expect(!bench.publish().contains("full")) }
        #expect(bench.publish() == ["routed 6", "full"])
        let fetch = QuorumConsumerID(fetching: ChannelIndex(5)).wire
        #expect(bench.apply(.get, consumer: fetch).last == "easing")
        #expect(bench.apply(.get, consumer: fetch).last == "open")
    }

    @Test func `lets messages die whose time is over`() {
        let bench = Bench()
        bench.publish(expiration: 10)
        bench.publish()
        #expect(bench.queue.nextExpiry == 10_000_000)
        #expect(bench.apply(.expire, after: 9) == [])
        #expect(bench.apply(.expire, after: 1) == ["1 died: expired"])
        #expect(bench.queue.nextExpiry == nil)
    }

    @Test func `says how many it purged, and misses what comes when it is deleted`() {
        let bench = Bench()
        for _ in 1...3 { bench.publish() }
        #expect(bench.apply(.purge).last == "answered 3")
        bench.publish()
        #expect(bench.apply(.deleteQueue).last == "answered 1")
        #expect(bench.publish() == ["missed"])
        #expect(bench.queue.presentCount == 0)
    }

    @Test(arguments: 1...20)
    func `the same commands make the same queue on every member`(seed: Int) {
        var state = UInt64(seed)
        func draw(_ count: UInt64) -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 33) % count
        }
        let benches = [Bench { $0.deliveryLimit = 3 }, Bench { $0.deliveryLimit = 3 }]
        let kinds: [QuorumCommand.Kind] = [
            .enqueue, .enqueue, .enqueue, .settle, .return, .discard, .checkout, .cancel, .drop,
            .get, .nodeDown, .nodeUp, .expire, .nothing,
        ]
        for step in 1...300 {
            let kind = kinds[Int(draw(UInt64(kinds.count)))]
            let (client, consumer, number) = (1 + draw(2), UInt32(draw(3)), 1 + draw(8))
            let told = benches.map { bench in
                bench.apply(
                    kind,
                    client: client,
                    consumer: kind == .get
                        ? QuorumConsumerID(fetching: ChannelIndex(wire: consumer)).wire : consumer,
                    number: kind == .enqueue ? .max : number
                ) {
                    $0.packet.message = MessageID(UInt32(step))
                    $0.packet.d = 2
                }
            }
            #expect(told[0] == told[1], "seed \(seed), step \(step)")
        }
        let ids = benches.map { bench in
            bench.queue.presentCopies.map(\.id) + bench.queue.heldCopies.map(\.copy.id)
        }
        #expect(ids[0] == ids[1], "seed \(seed)")
        // Nothing comes from nowhere, and nothing is there twice.
        #expect(Set(ids[0]).count == ids[0].count, "seed \(seed)")
    }
}
