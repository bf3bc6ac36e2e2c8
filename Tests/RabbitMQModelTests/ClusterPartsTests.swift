import RabbitMQModel
import Testing
import WarrenKernel
import WarrenTrace

/// The parts of a node that deal with other nodes, each by itself: what goes in, what comes out.
@Suite("The parts of a node in a cluster") struct ClusterPartsTests {
    private static let (me, second, third) = (PeerIndex(0), PeerIndex(1), PeerIndex(2))

    /// Something of a part that a test speaks to.
    private final class Bench<Part> {
        private var part: Part
        private let check: (Part) -> Void

        init(_ part: Part, _ check: @escaping (Part) -> Void = { _ in }) {
            self.part = part
            self.check = check
        }

        @discardableResult
        func say<Answer>(_ body: (inout Part) -> Answer) -> Answer {
            defer { check(part) }
            return body(&part)
        }
    }

    // MARK: The metadata log

    private func log() -> Bench<MetadataLog> { Bench(MetadataLog()) { $0.checkInvariants() } }

    @Test func `a change is made for good when all who are there have made it`() {
        let log = log()
        let wanted = log.say { $0.want(then: .nothing) { ParcelID(UInt32($0) + 40) } }
        #expect(wanted.parcel == ParcelID(41))
        let number = log.say {
            $0.order(wanted.number, of: Self.me, among: [Self.second, Self.third])
        }
        #expect(log.say { $0.settle(number, enough: nil) } == nil)
        log.say { $0.made(number, by: Self.second) }
        #expect(log.say { $0.settle(number, enough: nil) } == nil, "the third has not made it")
        log.say { $0.made(number, by: Self.third) }
        #expect(log.say { $0.settle(number, enough: nil) }?.number == wanted.number)
        #expect(log.say { $0.settle(number, enough: nil) } == nil, "it is said once")
    }

    @Test func `a majority is enough for Khepri`() {
        let log = log()
        let number = log.say { $0.order(9, of: Self.second, among: [Self.second, Self.third]) }
        log.say { $0.made(number, by: Self.third) }
        let settled = log.say { $0.settle(number, enough: 2) }
        #expect(settled?.origin == Self.second)
        #expect(settled?.number == 9)
    }

    @Test func `nobody waits for a node that is down`() {
        let log = log()
        let number = log.say { $0.order(1, of: Self.me, among: [Self.second]) }
        #expect(log.say { $0.lose(Self.second) } == [number])
        #expect(log.say { $0.settle(number, enough: nil) }?.origin == Self.me)
    }

    @Test func `what was wanted goes on once, and stays wanted until then`() {
        let log = log()
        let first = log.say { $0.want(then: .nothing) { _ in ParcelID(1) } }
        let second = log.say { $0.want(then: .nothing) { _ in ParcelID(2) } }
        #expect(log.say { $0.made(second.number) != nil })
        #expect(log.say { $0.made(second.number) == nil })
        #expect(log.say { $0.unmade.map(\.number) } == [first.number])
    }

    // MARK: What clients have elsewhere

    private func use() -> Bench<RemoteUse> { Bench(RemoteUse(nodes: 3)) { $0.checkInvariants() } }

    private func call(_ kind: RemoteUse.Call.Kind, of node: Int, due: UInt64) -> RemoteUse.Call {
        RemoteUse.Call(
            kind,
            quorum: Index(0),
            server: PeerIndex(node),
            refusal: nil,
            due: Instant(nanoseconds: due)
        )
    }

    @Test func `calls are over at their moment, and the clock is set for the first of them`() {
        let use = use()
        let (early, late) = (Instant(nanoseconds: 5), Instant(nanoseconds: 9))
        #expect(use.say { $0.begin(call(.get, of: 1, due: 9), by: ChannelIndex(4)) })
        #expect(use.say { $0.begin(call(.purge, of: 2, due: 5), by: ChannelIndex(3)) })
        #expect(use.say { !$0.begin(call(.consume, of: 1, due: 12), by: ChannelIndex(1)) })
        #expect(use.say { $0.overdue(at: early) } == [ChannelIndex(3)])
        #expect(use.say { $0.end(ChannelIndex(3))?.kind } == .purge)
        #expect(use.say { $0.nextLook() } == late)
        #expect(use.say { $0.overdue(at: late) } == [ChannelIndex(4)])
        #expect(use.say { $0.channels(asking: PeerIndex(1), about: Index(0)) }.count == 2)
        #expect(use.say { $0.end(ChannelIndex(4)) } != nil)
        #expect(use.say { $0.end(ChannelIndex(4)) } == nil, "it has its answer already")
        #expect(use.say { $0.end(ChannelIndex(1)) } != nil)
        #expect(use.say { !$0.hasCalls && $0.nextLook() == nil })
    }

    private func publication(_ slot: ConfirmSlot, _ queue: UInt32 = 7) -> RemoteUse.Publication {
        RemoteUse.Publication(
            queue: QueueIndex(wire: queue),
            channel: ChannelIndex(1),
            slot: slot,
            packet: Packet()
        )
    }

    @Test func `a node answers a confirm as often as it was asked, and not once more`() {
        let use = use()
        for _ in 0..<2 {
            use.say { $0.send(publication(ConfirmSlot(5)), to: Self.second, canMove: false) }
        }
        #expect(use.say { $0.answer(ConfirmSlot(5), by: Self.third) } == false)
        #expect(use.say { $0.answer(ConfirmSlot(5), by: Self.second) })
        #expect(use.say { $0.answer(ConfirmSlot(5), by: Self.second) })
        #expect(use.say { $0.answer(ConfirmSlot(5), by: Self.second) } == false)
    }

    @Test func `a node that goes down refuses what cannot move, and keeps what can`() {
        let use = use()
        use.say { $0.send(publication(ConfirmSlot(8)), to: Self.second, canMove: false) }
        use.say { $0.send(publication(ConfirmSlot(5)), to: Self.second, canMove: true) }
        use.say { $0.send(publication(ConfirmSlot(2)), to: Self.second, canMove: false) }
        #expect(use.say { $0.lose(Self.second) } == [ConfirmSlot(2), ConfirmSlot(8)])
        let waiting = use.say { $0.takePublications(for: QueueIndex(7)) }
        #expect(waiting.map(\.slot) == [ConfirmSlot(5)])
        #expect(use.say { $0.takePublications(for: QueueIndex(7)).count } == 0, "they are taken")
        #expect(use.say { $0.answer(ConfirmSlot(5), by: Self.second) } == false)
    }

    @Test func `what waits for a home waits in order, each queue by itself`() {
        let use = use()
        use.say { $0.wait(publication(ConfirmSlot(1), 7)) }
        use.say { $0.wait(publication(ConfirmSlot(2), 8)) }
        use.say { $0.wait(publication(ConfirmSlot(3), 7)) }
        let mine = use.say { $0.takePublications(for: QueueIndex(7)) }
        #expect(mine.map(\.slot) == [ConfirmSlot(1), ConfirmSlot(3)])
        #expect(use.say { $0.takePublications(for: QueueIndex(8)).count } == 1)
    }

    @Test func `channels of a node that is gone go by their number there`() {
        let use = use()
        use.say { $0.open(ChannelIndex(9), of: Self.second, as: ChannelIndex(20)) }
        use.say { $0.open(ChannelIndex(4), of: Self.second, as: ChannelIndex(21)) }
        use.say { $0.open(ChannelIndex(4), of: Self.third, as: ChannelIndex(22)) }
        #expect(use.say { $0.proxy(ChannelIndex(4), of: Self.third) } == ChannelIndex(22))
        #expect(
            use.say { $0.shutAll(of: Self.second) } == [ChannelIndex(21), ChannelIndex(20)]
        )
        #expect(use.say { $0.proxy(ChannelIndex(4), of: Self.second) } == nil)
        #expect(use.say { $0.shut(ChannelIndex(4), of: Self.third) } == ChannelIndex(22))
    }

    // MARK: Copies

    @Test func `a mirror that lacks old copies is whole when the last of them is gone`() {
        let homes = Bench(MirroredQueues())
        let queue = QueueIndex(1)
        homes.say { $0.open(Self.second, of: queue, from: 10, missing: 2) }
        #expect(homes.say { $0.drop(12, at: Self.second, of: queue) } == .dropped)
        #expect(homes.say { $0.drop(3, at: Self.second, of: queue) } == .nothing)
        #expect(homes.say { $0.drop(4, at: Self.second, of: queue) } == .whole)
        #expect(homes.say { $0.drop(5, at: Self.second, of: queue) } == .nothing)
        #expect(homes.say { $0.drop(5, at: Self.third, of: queue) } == .nothing)
    }

    @Test func `a copy is stored when all mirrors have it, or as many as are asked for`() {
        let homes = Bench(MirroredQueues())
        let queue = QueueIndex(1)
        homes.say { $0.open(Self.second, of: queue) }
        homes.say { $0.open(Self.third, of: queue) }
        homes.say { $0.await(ConfirmSlot(6), queue, 4) }
        #expect(homes.say { $0.store(4, at: Self.second, of: queue) })
        #expect(homes.say { $0.isStored(4, of: queue) } == false)
        #expect(homes.say { $0.end(of: queue, atLeast: 1) } == 5)
        #expect(homes.say { $0.end(of: queue, atLeast: 2) } == 0)
        #expect(homes.say { $0.end(of: queue, atLeast: 3) } == 0, "there are two")
        homes.say { $0.keep([Self.second], of: queue) }
        #expect(homes.say { $0.isStored(4, of: queue) }, "the third keeps none any more")
        #expect(homes.say { $0.firstAwaited(queue) } == 4)
        #expect(homes.say { $0.takeFirstWait(queue) } == ConfirmSlot(6))
        #expect(homes.say { $0.store(4, at: Self.third, of: queue) } == false)
    }

    @Test func `copies are safe in the order of the writes, those without a write after them`() {
        let mirrors = Bench(Mirrors())
        let queue = Symbol(3)
        #expect(mirrors.say { $0.await(nil, for: 0, of: queue) } == false, "nothing is kept")
        mirrors.say { $0.put(Packet(), at: 0, of: queue) }
        #expect(mirrors.say { $0.await(nil, for: 0, of: queue) } == false, "no write is before it")
        #expect(mirrors.say { $0.await(11, for: 1, of: queue) })
        #expect(mirrors.say { $0.await(nil, for: 2, of: queue) })
        #expect(mirrors.say { $0.await(12, for: 3, of: queue) })
        #expect(mirrors.say { $0.stored(upTo: 10) } == [])
        #expect(mirrors.say { $0.stored(upTo: 11).map(\.position) } == [2])
        #expect(mirrors.say { $0.stored(upTo: 12).map(\.position) } == [3])
    }

    @Test func `a writer of a later epoch ends what an earlier one sent`() {
        let mirrors = Bench(Mirrors())
        let queue = Symbol(3)
        for position: UInt64 in 0..<5 { mirrors.say { $0.put(Packet(), at: position, of: queue) } }
        mirrors.say { _ = $0.await(7, for: 4, of: queue) }
        #expect(mirrors.say { $0.restart(queue, epoch: 2, end: 3) } == [3, 4])
        #expect(mirrors.say { $0[queue]?.end } == 3)
        #expect(mirrors.say { $0[queue]?.epoch } == 2)
        #expect(mirrors.say { $0.stored(upTo: 7) } == [], "the writer did not count on it")
    }

    // MARK: Streams without a writer

    @Test func `the replica that reaches farthest is chosen, of several the lowest`() {
        let elections = Bench(StreamElections())
        let queue = QueueIndex(1)
        let all = [Self.me, Self.second, Self.third]
        func farthest() -> PeerIndex? {
            elections.say {
                $0.farthest(among: all, of: queue, unlessAsked: 4, [Self.second, Self.third])
            }
        }
        elections.say { $0.hear(Reach(epoch: 3, end: 9), of: Self.me, queue) }
        elections.say { $0.hear(Reach(epoch: 3, end: 9), of: Self.third, queue) }
        #expect(farthest() == nil, "one has not spoken")
        elections.say { $0.hear(Reach(epoch: 2, end: 50), of: Self.second, queue) }
        #expect(farthest() == Self.me)
        elections.say { $0.hear(Reach(epoch: 3, end: 10), of: Self.third, queue) }
        #expect(farthest() == Self.third)
        elections.say { $0.ask(4, [Self.second, Self.third], queue) }
        #expect(farthest() == nil, "the same ones were asked")
    }

    @Test func `an election is won by one's own promise and those of a majority`() {
        let elections = Bench(StreamElections())
        let queue = QueueIndex(1)
        func isWon() -> Bool {
            elections.say { $0.isWon(5, of: queue, by: Self.me, members: 3) }
        }
        elections.say { $0.hear(Reach(epoch: 1, end: 1), of: Self.me, queue) }
        elections.say { $0.ask(5, [Self.second, Self.third], queue) }
        #expect(elections.say { $0.promise(4, by: Self.second, queue) } == false)
        #expect(elections.say { $0.promise(5, by: Self.second, queue) })
        #expect(elections.say { $0.promise(5, by: Self.third, queue) })
        #expect(!isWon(), "this node's disk has not taken its own promise")
        elections.say { $0.await(30, to: Self.me, queue, 5) }
        #expect(elections.say { $0.nextStored(upTo: 29)?.peer } == nil)
        #expect(elections.say { $0.nextStored(upTo: 30)?.peer } == Self.me)
        #expect(elections.say { $0.promise(5, by: Self.me, queue) })
        #expect(isWon())
        elections.say { $0.forget(Self.second, queue) }
        #expect(isWon())
        elections.say { $0.forget(Self.third, queue) }
        #expect(!isWon())
    }
}
