import DequeModule
package import WarrenKernel
package import WarrenTrace

extension Raft {
    /// What a member is at the moment.
    package enum Role: Sendable { case follower, preCandidate, candidate, leader }

    /// One entry of the log.
    package struct Entry: BitwiseCopyable, Hashable, Sendable {
        package var term: UInt64
        package var parcel: ParcelID

        package init(term: UInt64, parcel: ParcelID) {
            self.term = term
            self.parcel = parcel
        }
    }

    /// What members say to each other.
    package struct Message: BitwiseCopyable, Hashable, Sendable {
        /// What a message asks or answers.
        package enum Kind: UInt8, BitwiseCopyable, CaseIterable, Sendable {
            case append, appended, preVote, preVoted, vote, voted, snapshot
            /// The leader wants a member to lead.
            case lead
        }

        package var kind: Kind
        package var term: UInt64
        /// append: the entry's index; votes: the index of the last entry; appended: what the follower has.
        package var index: UInt64 = 0
        /// append: the term of the entry before; votes: the term of the last entry.
        package var logTerm: UInt64 = 0
        package var entryTerm: UInt64 = 0
        package var commit: UInt64 = 0
        package var parcel = ParcelID.none
        /// appended, voted: yes; append without an entry: no answer is wanted; preVote, vote: the leader wants it.
        package var granted = false
        /// append: who is a member from this entry on, if it changes that; snapshot: who was a member.
        package var members = PeerSet.none

        package init(
            kind: Kind,
            term: UInt64,
            index: UInt64 = 0,
            logTerm: UInt64 = 0,
            entryTerm: UInt64 = 0,
            commit: UInt64 = 0,
            parcel: ParcelID = .none,
            granted: Bool = false,
            members: PeerSet = .none
        ) {
            self.kind = kind
            self.term = term
            self.index = index
            self.logTerm = logTerm
            self.entryTerm = entryTerm
            self.commit = commit
            self.parcel = parcel
            self.granted = granted
            self.members = members
        }
    }

    /// What becomes of the wish that another member lead.
    package enum Transfer: Sendable, Hashable { case asked, alreadyLeader, unknownMember }

    /// What the owner is to do.
    package struct Wishes: Sendable {
        /// How far the disk has come with what was written.
        package enum Sync: Sendable, Hashable {
            /// Then tell ``Raft/stored(_:_:_:)``.
            case entry(index: UInt64, term: UInt64)
            /// Then send the vote.
            case vote(to: PeerIndex, term: UInt64)
            /// Then ask for votes.
            case candidacy(term: UInt64)
        }

        package var sends: [(to: PeerIndex, message: Message)] = []
        /// Entries to write, and what waits for each.
        package var entries: [UInt64] = []
        /// Entries to erase: from the first up to, and not including, the second.
        package var erased: [(UInt64, UInt64)] = []
        /// Whether term and vote are to be written.
        package var vote = false
        /// Whether the snapshot is to be written.
        package var snapshot = false
        /// What waits for all that was asked to be written.
        package var syncs: [Sync] = []
        package var becameLeader = false
        package var lostLeadership = false
        /// Whether the timer for an election is to be set; nil leaves it as it is.
        package var election: Bool?

        package init() {}

        /// Forgets everything; asking first is cheaper than removing nothing.
        package mutating func clear() {
            if !sends.isEmpty { sends.removeAll(keepingCapacity: true) }
            if !entries.isEmpty { entries.removeAll(keepingCapacity: true) }
            if !erased.isEmpty { erased.removeAll(keepingCapacity: true) }
            if !syncs.isEmpty { syncs.removeAll(keepingCapacity: true) }
            vote = false
            snapshot = false
            becameLeader = false
            lostLeadership = false
            election = nil
        }
    }
}

extension Raft.Wishes {
    /// Whether nothing is wanted.
    package var isIdle: Bool {
        sends.isEmpty && entries.isEmpty && erased.isEmpty && syncs.isEmpty && !vote && !snapshot
            && !becameLeader && !lostLeadership && election == nil
    }
}

extension Packet {
    init(peerWord: PeerWord) { self.init(word: peerWord.rawValue) }

    /// A word of Raft as it travels.
    package init(_ message: Raft.Message, _ queue: Symbol) {
        precondition(
            message.term >> 24 == 0 && message.commit >> 40 == 0 && message.logTerm >> 32 == 0
                && message.entryTerm >> 32 == 0,
            "a word of Raft has room for terms of 24 bits and indices of 40"
        )
        self.init(peerWord: .raft)
        subject = queue
        flags = message.kind.rawValue << 1 | (message.granted ? 1 : 0)
        parcel = message.parcel
        x = message.index
        y = message.term << 40 | message.commit
        c = UInt32(message.logTerm)
        d = UInt32(message.entryTerm)
        setMembers(message.members)
    }

    /// The set of nodes that a packet between nodes carries beside its numbers.
    var members: PeerSet { PeerSet(bits: UInt64(key.raw) << 32 | UInt64(port)) }

    mutating func setMembers(_ members: PeerSet) {
        port = UInt32(truncatingIfNeeded: members.bits)
        key = Symbol(UInt32(truncatingIfNeeded: members.bits >> 32))
    }
}

extension Raft.Message {
    /// The word of Raft that a packet carries.
    package init?(_ packet: Packet) {
        guard packet.word == PeerWord.raft.rawValue, let kind = Kind(rawValue: packet.flags >> 1)
        else { return nil }
        self.init(
            kind: kind,
            term: packet.y >> 40,
            index: packet.x,
            logTerm: UInt64(packet.c),
            entryTerm: UInt64(packet.d),
            commit: packet.y & 0xFF_FFFF_FFFF,
            parcel: packet.parcel,
            granted: packet.flags & 1 != 0,
            members: packet.members
        )
    }
}
