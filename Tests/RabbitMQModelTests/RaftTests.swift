import DequeModule
import RabbitMQModel
import Testing
import WarrenKernel

/// A member of a Raft group as a machine: what comes in, what it wants done.
@Suite("A member of a Raft group") struct RaftTests {
    private static let three = [PeerIndex(0), PeerIndex(1), PeerIndex(2)]

    /// Three members whose words and disks go as the test says.
    private final class Group {
        var members: [Raft]
        /// Words under way, oldest first.
        var words: [(from: Int, to: Int, word: Raft.Message)] = []
        /// What each disk has yet to take.
        var disks: [[Raft.Wishes.Sync]]
        var wishes = Raft.Wishes()

        init(_ members: [Raft]) {
            self.members = members
            disks = members.map { _ in [] }
        }

        /// A new group that 0 leads in term 1.
        convenience init() {
            self.init(
                three.map { Raft(members: three, me: $0, leader: PeerIndex(0), term: 1) }
            )
        }

        /// Has a member do something, and notes what it wants.
        func turn(_ member: Int, _ body: (inout Raft, inout Raft.Wishes) -> Void) {
            wishes.clear()
            body(&members[member], &wishes)
            for (peer, word) in wishes.sends { words.append((member, peer.place, word)) }
            disks[member] += wishes.syncs
            members[member].checkInvariants()
        }

        func append(_ parcel: UInt32, to leader: Int = 0) {
            turn(leader) { $0.append(ParcelID(parcel), &$1) }
        }

        /// A disk takes all that it was given.
        func sync(_ member: Int) {
            let pending = disks[member]
            disks[member] = []
            for sync in pending { turn(member) { $0.stored(sync, &$1) } }
        }

        /// Words arrive until none is left, but those to or from `lost`.
        func deliver(without lost: Set<Int> = [], leaderIsAlive: Bool = true) {
            while !words.isEmpty {
                let (from, to, word) = words.removeFirst()
                if lost.contains(from) || lost.contains(to) { continue }
                turn(to) {
                    $0.receive(word, from: PeerIndex(from), leaderIsAlive: leaderIsAlive, &$1)
                }
            }
        }

        /// Everything happens that can, but for members that are lost.
        func settle(without lost: Set<Int> = [], leaderIsAlive: Bool = true) {
            repeat {
                deliver(without: lost, leaderIsAlive: leaderIsAlive)
                for member in members.indices where !lost.contains(member) { sync(member) }
            } while !words.isEmpty
        }

        func parcels(_ member: Int) -> [UInt32] { members[member].log.entries.map(\.parcel.raw) }
    }

    @Test func `commits an entry when a majority has it on its disk, and not before`() {
        let group = Group()
        group.append(7)
        group.deliver()
        #expect(group.members[0].commit == 0, "it is under way")
        group.sync(0)
        #expect(group.members[0].commit == 0, "only the leader has it")
        group.sync(1)
        group.deliver()
        #expect(group.members[0].commit == 1)
        #expect(group.members[1].commit == 0, "nobody told it yet")
        group.turn(0) { $0.tellCommit(&$1) }
        group.deliver()
        #expect(group.members[1].commit == 1)
        #expect(group.members[2].commit == 1, "a majority has it, whatever its own disk does")
        #expect(group.members[2].durable == 0)
        group.settle()
        #expect(group.parcels(2) == [7])
    }

    @Test func `asks first, and raises its term only when it would win`() {
        let group = Group()
        group.turn(1) { $0.stand(&$1) }
        #expect(group.members[1].role == .preCandidate)
        #expect(group.members[1].term == 1)
        group.deliver(without: [0], leaderIsAlive: false)
        #expect(group.members[1].role == .candidate)
        #expect(group.members[1].term == 2)
        #expect(group.words.isEmpty, "it asks for votes when its own is written down")
        group.sync(1)
        group.deliver(without: [0])
        #expect(group.members[1].role == .candidate, "the vote of 2 is not on its disk yet")
        group.settle(without: [0])
        #expect(group.members[1].role == .leader)
        #expect(group.members[2].leader == .none, "it has voted, and not heard of a leader yet")
    }

    @Test func `wants no election while it hears its leader`() {
        let group = Group()
        group.turn(1) { $0.stand(&$1) }
        group.deliver(without: [0], leaderIsAlive: true)
        #expect(group.members[1].role == .preCandidate)
        #expect(group.members[2].term == 1)
    }

    @Test func `gives one vote in a term`() {
        let group = Group()
        let ask = Raft.Message(kind: .vote, term: 2)
        group.turn(2) { $0.receive(ask, from: PeerIndex(1), leaderIsAlive: false, &$1) }
        group.sync(2)
        #expect(group.words.last?.word.granted == true)
        group.turn(2) { $0.receive(ask, from: PeerIndex(0), leaderIsAlive: false, &$1) }
        #expect(group.words.last?.word.granted == false)
        #expect(group.members[2].votedFor == PeerIndex(1))
    }

    @Test func `does not elect a member whose log is behind`() {
        let group = Group()
        group.append(7)
        group.settle(without: [2])
        group.turn(2) { $0.stand(&$1) }
        group.deliver(without: [0], leaderIsAlive: false)
        #expect(group.members[2].role == .preCandidate)
        group.turn(1) { $0.stand(&$1) }
        group.settle(without: [0], leaderIsAlive: false)
        #expect(group.members[1].isLeader)
        #expect(group.members[1].inherited == 1)
    }

    @Test func `commits what it inherited only with an entry of its own term`() {
        let group = Group()
        group.append(7)
        // The entry reaches 1, and the leader dies before it hears so.
        group.deliver(without: [2])
        group.sync(1)
        group.words = []
        group.turn(1) { $0.stand(&$1) }
        group.settle(without: [0], leaderIsAlive: false)
        #expect(group.members[1].isLeader)
        group.turn(1) { $0.probe(PeerIndex(2), &$1) }
        group.settle(without: [0])
        #expect(group.parcels(2) == [7], "a majority has it")
        #expect(group.members[1].commit == 0)
        group.append(8, to: 1)
        group.settle(without: [0])
        #expect(group.members[1].commit == 2)
    }

    @Test func `drops what a later leader does not have`() {
        let group = Group()
        group.append(7)
        group.words = []
        group.sync(0)
        group.turn(1) { $0.stand(&$1) }
        group.settle(without: [0], leaderIsAlive: false)
        group.append(8, to: 1)
        group.settle(without: [0])
        group.turn(1) { $0.probe(PeerIndex(0), &$1) }
        group.settle()
        #expect(group.members[0].role == .follower)
        #expect(group.parcels(0) == [8])
        #expect(group.members.allSatisfy { $0.violations == 0 })
    }

    @Test func `sends a snapshot to a member that lacks what is compacted`() {
        let group = Group()
        for parcel in UInt32(1)...4 { group.append(parcel) }
        group.settle(without: [2])
        #expect(group.members[0].commit == 4)
        group.turn(0) { $0.compact(upTo: 3, ParcelID(99), &$1) }
        #expect(group.wishes.snapshot)
        #expect(group.parcels(0) == [4])
        group.turn(0) { $0.probe(PeerIndex(2), &$1) }
        group.settle()
        #expect(group.members[2].log.snapshotIndex == 3)
        #expect(group.members[2].log.snapshot == ParcelID(99))
        #expect(group.parcels(2) == [4])
        #expect(group.members[2].commit >= 3)
    }

    @Test func `steps down when it hears of a later term`() {
        let group = Group()
        var word = Raft.Message(kind: .appended, term: 5)
        word.granted = false
        group.turn(0) { $0.receive(word, from: PeerIndex(1), leaderIsAlive: false, &$1) }
        #expect(group.wishes.lostLeadership)
        #expect(group.wishes.vote, "the term is to be written down")
        #expect(group.members[0].role == .follower)
        #expect(group.members[0].term == 5)
        #expect(group.members[0].leader == .none)
    }

    @Test func `comes back with what its disk kept, and has committed nothing of it`() {
        let back = Raft(
            me: PeerIndex(1),
            term: 3,
            votedFor: PeerIndex(2),
            log: RaftLog(
                members: Self.three,
                snapshot: (index: 2, term: 1, parcel: ParcelID(9)),
                entries: [
                    Raft.Entry(term: 2, parcel: ParcelID(4)),
                    Raft.Entry(term: 3, parcel: ParcelID(5)),
                ]
            )
        )
        back.checkInvariants()
        #expect(back.lastIndex == 4)
        #expect(back.log.lastTerm == 3)
        #expect(back.durable == 4)
        #expect(back.commit == 2)
        #expect(back.leader == .none)
        #expect(back.log[3]?.parcel == ParcelID(4))
        #expect(back.log[2] == nil, "it is in the snapshot")
    }
}
