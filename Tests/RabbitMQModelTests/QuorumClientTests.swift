import DequeModule
import RabbitMQModel
import Testing
import WarrenKernel
import WarrenTrace

/// What a node remembers of a quorum queue that it uses: commands that are not done, deliveries that came.
@Suite("A client of a quorum queue") struct QuorumClientTests {
    private static let first = PeerIndex(0)
    private static let second = PeerIndex(1)
    private static let five = QuorumConsumerID(ConsumerIndex(5))

    /// A client that a test speaks to, and that must be whole after each word.
    private final class Bench {
        private(set) var client = QuorumClient(leader: first)

        func say<Answer>(_ body: (inout QuorumClient) -> Answer) -> Answer {
            defer { client.checkInvariants() }
            return body(&client)
        }
    }

    private static func at(_ seconds: UInt64) -> Instant {
        Instant(nanoseconds: seconds * 1_000_000_000)
    }

    @Test func `numbers its commands, and forgets them in order when they are done`() {
        let bench = Bench()
        let sequences = (1...3).map { _ in
            bench.say { $0.remember(QuorumCommand(kind: .enqueue)).sequence }
        }
        #expect(sequences == [1, 2, 3])
        #expect(bench.say { $0.nextDone(upTo: 2) }?.command.sequence == 1)
        #expect(bench.say { $0.nextDone(upTo: 2) }?.command.sequence == 2)
        #expect(
            bench.say { $0.nextDone(upTo: 2) }?.command.sequence == nil,
            "the third is not done"
        )
        #expect(bench.client.undone.map(\.command.sequence) == [3])
    }

    @Test func `says what is not done again to a new leader, and to no old one`() {
        let bench = Bench()
        _ = bench.say { $0.remember(QuorumCommand(kind: .enqueue), slot: ConfirmSlot(7)) }
        #expect(
            bench.say { $0.follow(Self.second, 2) } == .leader,
            "another node leads in a later term"
        )
        #expect(bench.say { $0.follow(Self.second, 2) } == .none, "that is known")
        #expect(bench.say { $0.follow(Self.first, 1) } == .none, "whoever led before is void")
        #expect(bench.client.leader == Self.second)
        #expect(bench.client.undone.map(\.slot) == [ConfirmSlot(7)])
    }

    @Test func `has no leader while the one it had is out of reach`() {
        let bench = Bench()
        bench.say { $0.lose(Self.second) }
        #expect(bench.client.leader == Self.first, "somebody else is gone")
        bench.say { $0.lose(Self.first) }
        #expect(bench.client.leader == .none)
        #expect(
            bench.say { $0.follow(Self.first, 0) } == .link,
            "it is back, and what was said to it may be lost"
        )
    }

    @Test func `RMQ-QQ-63 waits once a channel has said 32 things in vain`() {
        let bench = Bench()
        let (one, other) = (ChannelIndex(1), ChannelIndex(2))
        bench.say { $0.lose(Self.first) }
        for second in 1...31 {
            bench.say { $0.hold(one, at: Self.at(UInt64(second))) }
            bench.say { $0.hold(other, at: Self.at(UInt64(second))) }
        }
        #expect(bench.client.stuckSince == nil, "each channel by itself")
        bench.say { $0.hold(one, at: Self.at(40)) }
        bench.say { $0.hold(other, at: Self.at(50)) }
        #expect(bench.client.stuckSince == Self.at(40), "the first")
        bench.say { $0.forgetLoss() }
        #expect(bench.client.stuckSince == nil)
    }

    @Test func `takes each delivery once, and in order`() {
        let bench = Bench()
        bench.say { $0.begin(Self.five) }
        #expect(bench.say { $0.arrive(1, for: Self.five, mayBeFirst: false) } == .taken)
        #expect(bench.say { $0.arrive(1, for: Self.five, mayBeFirst: false) } == .known)
        #expect(
            bench.say { $0.arrive(3, for: Self.five, mayBeFirst: false) } == .early,
            "the second was lost"
        )
        #expect(bench.client.latest(for: Self.five) == 1, "what is early is not taken")
        #expect(bench.say { $0.arrive(2, for: Self.five, mayBeFirst: false) } == .taken)
        #expect(
            bench.say { $0.arrive(5, for: Self.five, mayBeFirst: true) } == .taken,
            "the others are settled"
        )
        #expect(bench.say { $0.arrive(4, for: Self.five, mayBeFirst: true) } == .known)
    }

    @Test func `asks once for what is missing, until it has come or another one leads`() {
        let bench = Bench()
        bench.say { $0.begin(Self.five) }
        #expect(bench.say { $0.ask(Self.five) })
        #expect(!bench.say { $0.ask(Self.five) }, "it waits for an answer")
        bench.say { $0.reach(8, for: Self.five) }
        #expect(bench.client.latest(for: Self.five) == 8)
        #expect(bench.say { $0.ask(Self.five) }, "it was answered")
        bench.say { $0.forgetQuestions() }
        #expect(bench.say { $0.ask(Self.five) }, "nobody is there who could answer")
    }

    @Test func `knows takers by rising number, and forgets those that are gone`() {
        let bench = Bench()
        for number: UInt32 in [9, 2, 5] { bench.say { $0.begin(QuorumConsumerID(wire: number)) } }
        bench.say { $0.end(Self.five) }
        #expect(bench.client.consumers.map(\.wire) == [2, 9])
        #expect(bench.client.latest(for: Self.five) == 0)
    }

    @Test
    func `stops whoever published before the queue was full, and lets new ones in when it eases`() {
        let bench = Bench()
        let (old, new) = (ChannelIndex(1), ChannelIndex(2))
        #expect(bench.say { $0.mayPublish(old) })
        bench.say { $0.hear(.full) }
        #expect(!bench.say { $0.mayPublish(old) })
        #expect(bench.client.isStopped)
        bench.say { $0.hear(.easing) }
        #expect(!bench.say { $0.mayPublish(old) }, "it was stopped")
        #expect(bench.say { $0.mayPublish(new) }, "it was not")
        bench.say { $0.hear(.open) }
        #expect(bench.say { $0.mayPublish(old) })
        #expect(!bench.client.isStopped)
    }

    @Test
    func `has who never used the queue ask whom the metadata name, and who did whom it heard`() {
        let bench = Bench()
        let (old, new) = (ChannelIndex(1), ChannelIndex(2))
        bench.say { $0.serve(old) }
        bench.say { $0.lose(Self.first) }
        #expect(bench.client.leader == .none)
        #expect(bench.client.server(for: old) == Self.first, "nobody else has led")
        bench.say { _ = $0.follow(PeerIndex(2), 3) }
        #expect(bench.client.server(for: old) == PeerIndex(2))
        #expect(bench.client.server(for: new) == Self.first, "the metadata do not say it yet")
        bench.say { $0.record(PeerIndex(2), 3) }
        bench.say { $0.record(Self.first, 2) }
        #expect(bench.client.server(for: new) == PeerIndex(2), "what is older is void")
        bench.say { $0.register(new, isStopped: true) }
        #expect(bench.client.isPublisher(new) && !bench.client.isPublisher(old))
        #expect(!bench.say { $0.mayPublish(new) })
        bench.say { $0.forget(new) }
        #expect(!bench.client.isPublisher(new))
    }

    @Test func `is in the metadata when all have heard of it, or all but some`() {
        let bench = Bench()
        let third = PeerIndex(2)
        #expect(bench.say { $0.awaitHearing([], butFor: 0) })
        #expect(bench.say { !$0.awaitHearing([Self.second, third], butFor: 0) })
        #expect(bench.say { !$0.hear(by: third) })
        #expect(bench.say { !$0.hear(by: third) }, "it had heard before")
        #expect(bench.say { $0.hear(by: Self.second) })
        #expect(bench.say { !$0.awaitHearing([Self.second, third], butFor: 1) })
        #expect(bench.say { $0.hear(by: third) })
        #expect(bench.say { !$0.hear(by: Self.second) }, "that is enough once")
    }

    @Test func `tells whoever waits when the queue is gone`() {
        let bench = Bench()
        _ = bench.say { $0.remember(QuorumCommand(kind: .purge), channel: ChannelIndex(4)) }
        #expect(bench.client.command(1)?.channel == ChannelIndex(4))
        #expect(bench.say { $0.abandon() }.map(\.command.kind) == [.purge])
        #expect(bench.client.undone.isEmpty)
        #expect(bench.client.command(1)?.channel == nil)
    }
}
