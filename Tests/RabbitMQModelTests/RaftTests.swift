import DequeModule
import RabbitMQModel
import Testing
import WarrenKernel

/// A member of a Raft group as a machine: what comes in, what it wants done.
@Suite("A member of a Raft group") struct RaftTests {
    private static let three = [PeerIndex(0), PeerIndex(1), PeerIndex(2)]

    /// A member that was started for a group and knows nothing of it.
    private static func newcomer(_ place: Int) -> Raft {
        Raft(me: PeerIndex(place), term: 0, votedFor: .none, log: RaftLog(members: []))
    }

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

        /// A group of one, and others that know nothing.
        convenience init(alone count: Int) {
            self.init(
                (0..<count).map { place in
                    place == 0
                        ? Raft(
                            members: [PeerIndex(0)],
                            me: PeerIndex(0),
                            leader: PeerIndex(0),
                            term: 1
                        )
                        : newcomer(place)
                }
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

    // MARK: Members

    @Test func `RMQ-QQ-57 goes on with a member more as soon as that is in its log`() {
        let group = Group(alone: 3)
        group.append(7)
        group.settle()
        #expect(group.members[0].commit == 1)
        group.turn(0) { $0.change(to: [PeerIndex(0), PeerIndex(1)], by: ParcelID(8), &$1) }
        #expect(group.members[0].members.peers == [PeerIndex(0), PeerIndex(1)])
        group.sync(0)
        #expect(group.members[0].commit == 1, "one of two is no majority")
        #expect(!group.members[0].mayChangeMembers, "the change is not committed")
        group.settle()
        #expect(group.members[0].commit == 2)
        #expect(group.parcels(1) == [7, 8], "it gets what it lacks")
        #expect(group.members[1].members.peers == [PeerIndex(0), PeerIndex(1)])
        #expect(group.members[0].mayChangeMembers)
    }

    @Test func `RMQ-QQ-60 a member that is added makes a majority with a leader that has none`() {
        let two = [PeerIndex(0), PeerIndex(1)]
        let group = Group(
            [0, 1].map { Raft(members: two, me: PeerIndex($0), leader: PeerIndex(0), term: 1) }
                + [Self.newcomer(2)]
        )
        group.append(7)
        group.settle()
        group.append(8)
        group.settle(without: [1])
        #expect(group.members[0].commit == 1)
        group.turn(0) { $0.change(to: Self.three, by: ParcelID(9), &$1) }
        group.settle(without: [1])
        #expect(group.members[0].commit == 3)
    }

    @Test func `takes a change back that a later leader does not have`() {
        let group = Group()
        group.append(1)
        group.settle()
        group.turn(0) { $0.change(to: [PeerIndex(0), PeerIndex(2)], by: ParcelID(2), &$1) }
        group.words = []
        group.sync(0)
        #expect(group.members[0].members.count == 2)
        group.turn(1) { $0.stand(&$1) }
        group.settle(without: [0], leaderIsAlive: false)
        group.append(3, to: 1)
        group.settle()
        group.turn(1) { $0.probe(PeerIndex(0), &$1) }
        group.settle()
        #expect(group.parcels(0) == [1, 3])
        #expect(group.members[0].members.peers == Self.three)
        #expect(group.members.allSatisfy { $0.violations == 0 })
    }

    @Test func `believes no answer of a member that was there before`() {
        let group = Group()
        group.append(1)
        group.settle()
        group.turn(0) { $0.change(to: [PeerIndex(0), PeerIndex(1)], by: ParcelID(2), &$1) }
        group.settle()
        group.turn(0) { $0.change(to: Self.three, by: ParcelID(3), &$1) }
        group.words = []
        // What the old member said of its log arrives late.
        var stale = Raft.Message(kind: .appended, term: 1, index: 3)
        stale.granted = true
        group.turn(0) { $0.receive(stale, from: PeerIndex(2), leaderIsAlive: true, &$1) }
        group.sync(0)
        #expect(group.members[0].commit == 2, "only the leader has the third")
        group.members[2] = Self.newcomer(2)
        group.turn(0) { $0.probe(PeerIndex(2), &$1) }
        group.settle(without: [1])
        #expect(group.members[0].commit == 3)
        #expect(group.parcels(2) == [1, 2, 3])
    }

    @Test func `a snapshot says who the members are`() {
        let group = Group()
        group.append(1)
        group.settle(without: [2])
        group.turn(0) { $0.change(to: [PeerIndex(0), PeerIndex(1)], by: ParcelID(2), &$1) }
        group.settle(without: [2])
        group.turn(0) { $0.change(to: Self.three, by: ParcelID(3), &$1) }
        group.settle(without: [2])
        group.turn(0) { $0.compact(upTo: 2, ParcelID(99), &$1) }
        #expect(group.members[0].log.entries.count == 1)
        group.members[2] = Self.newcomer(2)
        group.turn(0) { $0.probe(PeerIndex(2), &$1) }
        group.settle()
        #expect(group.members[2].log.snapshot == ParcelID(99))
        #expect(group.members[2].members.peers == Self.three)
        #expect(group.members[2].log.lastIndex == 3)
    }

    // MARK: Another leader

    @Test func `RMQ-QQ-61 asks another member to lead, and does nothing meanwhile`() {
        let group = Group()
        group.append(1)
        group.settle()
        group.turn(0) {
            let outcome = $0.transfer(to: PeerIndex(2), &$1)
            #expect(outcome == .asked)
        }
        #expect(group.members[0].isYielding)
        #expect(!group.members[0].mayChangeMembers)
        // The others hear their leader, and vote all the same: it wants it.
        group.settle(leaderIsAlive: true)
        #expect(group.members[2].isLeader)
        #expect(group.members[2].term == 2)
        #expect(group.members[0].role == .follower)
        #expect(!group.members[0].isYielding)
    }

    @Test func `RMQ-QQ-62 leads on if nobody takes over`() {
        let group = Group()
        group.turn(0) { _ = $0.transfer(to: PeerIndex(2), &$1) }
        group.settle(without: [2])
        #expect(group.members[0].isYielding)
        group.turn(0) { $0.leadOn(&$1) }
        #expect(!group.members[0].isYielding)
        group.append(1)
        group.settle(without: [2])
        #expect(group.members[0].commit == 1)
        group.turn(0) {
            let (own, unknown) = (
                $0.transfer(to: PeerIndex(0), &$1), $0.transfer(to: PeerIndex(7), &$1)
            )
            #expect(own == .alreadyLeader)
            #expect(unknown == .unknownMember)
        }
        #expect(!group.members[0].isYielding)
    }
}
