import DequeModule
import WarrenKernel
import WarrenTrace

extension Raft {
    /// What members say to each other.
    struct Message: BitwiseCopyable, Sendable {
        enum Kind: UInt8 {
            case append, appended, preVote, preVoted, vote, voted, snapshot
        }

        var kind: Kind
        var term: UInt64
        /// append: the entry's index; votes: the index of the last entry; appended: what the follower has.
        var index: UInt64 = 0
        /// append: the term of the entry before; votes: the term of the last entry.
        var logTerm: UInt64 = 0
        var entryTerm: UInt64 = 0
        var commit: UInt64 = 0
        var parcel = ParcelID.none
        /// appended, voted: yes; append without an entry: no answer is wanted.
        var granted = false
    }

    /// What the owner is to do.
    struct Wishes: Sendable {
        enum Sync: Sendable, Hashable {
            /// Then tell ``Raft/stored(_:_:_:)``.
            case entry(index: UInt64, term: UInt64)
            /// Then send the vote.
            case vote(to: PeerIndex, term: UInt64)
            /// Then ask for votes.
            case candidacy(term: UInt64)
        }

        var sends: [(to: PeerIndex, message: Message)] = []
        /// Entries to write, and what waits for each.
        var entries: [UInt64] = []
        /// Entries to erase: from the first up to, and not including, the second.
        var erased: [(UInt64, UInt64)] = []
        /// Whether term and vote are to be written.
        var vote = false
        /// Whether the snapshot is to be written.
        var snapshot = false
        /// What waits for all that was asked to be written.
        var syncs: [Sync] = []
        var becameLeader = false
        var lostLeadership = false
        /// Whether the timer for an election is to be set; nil leaves it as it is.
        var election: Bool?

        /// Forgets everything; asking first is cheaper than removing nothing.
        mutating func clear() {
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
    var isIdle: Bool {
        sends.isEmpty && entries.isEmpty && erased.isEmpty && syncs.isEmpty && !vote && !snapshot
            && !becameLeader && !lostLeadership && election == nil
    }
}

extension Packet {
    init(peerWord: PeerWord) { self.init(word: peerWord.rawValue) }

    /// A word of Raft as it travels.
    init(_ message: Raft.Message, _ queue: Symbol) {
        self.init(peerWord: .raft)
        subject = queue
        flags = message.kind.rawValue << 1 | (message.granted ? 1 : 0)
        parcel = message.parcel
        x = message.index
        y = message.term << 40 | message.commit
        c = UInt32(truncatingIfNeeded: message.logTerm)
        d = UInt32(truncatingIfNeeded: message.entryTerm)
    }
}

extension Raft.Message {
    /// The word of Raft that a packet carries.
    init?(_ packet: Packet) {
        guard let kind = Kind(rawValue: packet.flags >> 1) else { return nil }
        self.init(
            kind: kind,
            term: packet.y >> 40,
            index: packet.x,
            logTerm: UInt64(packet.c),
            entryTerm: UInt64(packet.d),
            commit: packet.y & 0xFF_FFFF_FFFF,
            parcel: packet.parcel,
            granted: packet.flags & 1 != 0
        )
    }
}
