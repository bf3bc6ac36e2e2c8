package import WarrenKernel
import WarrenTrace

/// One member of a Raft group: terms, votes, a log, and what is committed of it.
///
/// It knows nothing of queues: an entry is a parcel. It neither sends nor writes; what it wants done
/// gathers in a ``Wishes``, and its owner does it. An entry counts as a member's own once the owner says
/// that it is on the disk, and a vote leaves only after it is written down.
///
///     follower ──the leader is gone──▶ preCandidate ──majority──▶ candidate ──majority──▶ leader
///         ▲                                  │                        │                      │
///         └────────── a newer term, or a leader speaks ◀──────────────┴──────────────────────┘
///
/// - Source: Ongaro and Ousterhout, *In Search of an Understandable Consensus Algorithm*, with the pre-vote
///   of Ongaro's thesis, 9.6; rabbitmq/ra `ra_server.erl`. RMQ-QQ-25, -31, -34.
/// - Differs: an entry is a batch of commands, or a change of the members.
package struct Raft: Sendable {
    package let me: PeerIndex
    /// Who leads, as far as it is known; none if it is not.
    package private(set) var leader = PeerIndex.none
    package private(set) var term: UInt64
    package private(set) var role = Role.follower
    /// Whether it leads, and has asked another member to do so: it makes no entries meanwhile, and hears of none.
    package private(set) var isYielding = false
    /// Whether its leader wants it to lead.
    private var isCalled = false
    package private(set) var votedFor = PeerIndex.none
    /// The last entry that is on this member's disk.
    package private(set) var durable: UInt64 = 0
    package private(set) var commit: UInt64 = 0
    /// The last entry that is known to be the same as the leader's.
    private var verified: UInt64 = 0
    package private(set) var log: RaftLog
    /// As the leader: how far each member is, in their order.
    private(set) var progress: ContiguousArray<Progress> = []
    /// How much is committed, as far as the others were told.
    private var told: UInt64 = 0
    /// The last entry that was there when this member began to lead.
    package private(set) var inherited: UInt64 = 0
    private var votes: Set<PeerIndex> = []
    /// How often something happened that cannot happen unless a disk breaks its word.
    package private(set) var violations = 0

    /// A member of a new group, in which everybody knows who leads.
    package init(members: [PeerIndex], me: PeerIndex, leader: PeerIndex, term: UInt64) {
        log = RaftLog(members: members)
        self.me = me
        self.term = term
        votedFor = leader
        self.leader = leader
        if leader == me { lead() }
    }

    /// A member that comes back with what its disk kept.
    package init(me: PeerIndex, term: UInt64, votedFor: PeerIndex, log: RaftLog) {
        self.me = me
        self.term = term
        self.votedFor = votedFor
        self.log = log
        commit = log.snapshotIndex
        verified = log.snapshotIndex
        durable = log.lastIndex
    }

    /// The members, by their number in the cluster.
    package var members: PeerSet { log.members.now }
    @inline(__always)
    package var lastIndex: UInt64 { log.lastIndex }
    package var majority: Int { members.count / 2 + 1 }
    package var isLeader: Bool { role == .leader }
    /// Entries that this leader appended and that are not committed.
    package var uncommitted: UInt64 { lastIndex - max(commit, inherited) }

    // MARK: Leading

    private mutating func lead() {
        assert(votedFor == me, "a member leads that did not vote for itself")
        role = .leader
        leader = me
        votes = []
        inherited = lastIndex
        isCalled = false
        progress = ContiguousArray(
            members.map {
                Progress(next: lastIndex + 1, match: $0 == me ? durable : 0, base: lastIndex)
            }
        )
        told = 0
    }

    /// Adds an entry, as the leader.
    package mutating func append(_ parcel: ParcelID, _ wishes: inout Wishes) {
        append(parcel, members: .none, &wishes)
    }

    private mutating func append(
        _ parcel: ParcelID,
        members wanted: PeerSet,
        _ wishes: inout Wishes
    ) {
        assert(role == .leader, "only the leader makes entries")
        precondition(isLeader, "only a leader appends to its log")
        log.append(Entry(term: term, parcel: parcel), members: wanted)
        wishes.entries.append(lastIndex)
        wishes.syncs.append(.entry(index: lastIndex, term: term))
        for member in members where member != me { feed(member, &wishes) }
    }

    /// Sends a member what it lacks, as far as the window allows.
    private mutating func feed(_ member: PeerIndex, _ wishes: inout Wishes) {
        assert(role == .leader, "only the leader feeds its followers")
        guard let place = members.place(of: member) else { return }
        while progress[place].mayBeSent(upTo: lastIndex), !isYielding {
            let next = progress[place].next
            guard next > log.snapshotIndex else { return sendSnapshot(member, place, &wishes) }
            wishes.sends.append((member, word(at: next)))
            progress[place].next += 1
        }
    }

    private mutating func sendSnapshot(
        _ member: PeerIndex,
        _ place: Int,
        _ wishes: inout Wishes
    ) {
        assert(log.snapshot != .none, "a snapshot is sent that is not there")
        let word = Message(
            kind: .snapshot,
            term: term,
            index: log.snapshotIndex,
            logTerm: log.snapshotTerm,
            commit: commit,
            parcel: log.snapshot,
            members: log.members.atSnapshot
        )
        wishes.sends.append((member, word))
        progress[place].next = log.snapshotIndex + 1
    }

    /// The word that carries the entry at `index`, or none if there is none.
    private func word(at index: UInt64) -> Message {
        let entry = log[index]
        return Message(
            kind: .append,
            term: term,
            index: index,
            logTerm: log.term(at: index - 1) ?? 0,
            entryTerm: entry?.term ?? 0,
            commit: commit,
            parcel: entry?.parcel ?? .none,
            members: log.members.change(at: index)
        )
    }

    /// Asks a member where it stands: it was away, or is to hear what is committed.
    package mutating func probe(_ member: PeerIndex, _ wishes: inout Wishes) {
        guard isLeader, member != me, let place = members.place(of: member) else { return }
        progress[place].probe(behind: lastIndex)
        wishes.sends.append((member, word(at: lastIndex + 1)))
    }

    /// Lets the others know what is committed, if nothing is under way that would tell them.
    ///
    /// - Source: rabbitmq/ra `ra_server.erl`, `make_pipelined_rpc_effects`: a peer that was told of an earlier
    ///   commit index gets a word without entries.
    package mutating func tellCommit(_ wishes: inout Wishes) {
        guard isLeader, told < commit, commit == lastIndex, !isYielding else { return }
        told = commit
        for (place, member) in members.enumerated()
        where member != me && progress[place].hasAll(upTo: lastIndex) {
            var notice = word(at: lastIndex + 1)
            notice.granted = true
            wishes.sends.append((member, notice))
        }
    }

    /// A member has everything up to an index on its disk.
    private mutating func matched(_ member: PeerIndex, _ index: UInt64) {
        guard isLeader, let place = members.place(of: member), progress[place].match < index else {
            return
        }
        progress[place].match = index
        guard !isYielding else { return }
        let agreed = progress.agreed
        // Only entries of its own term are committed by counting; the rest comes with them.
        if agreed > commit, log.term(at: agreed) == term { commit = agreed }
    }

    // MARK: Disks

    /// Something that was asked to be written is safe.
    package mutating func stored(_ sync: Wishes.Sync, _ wishes: inout Wishes) {
        switch sync {
        case .entry(let index, let entryTerm):
            guard log.term(at: index) == entryTerm, index > durable else { return }
            durable = index
            if isLeader {
                matched(me, index)
            } else if leader != .none {
                wishes.sends.append((leader, appended(min(durable, verified))))
            }
        case .vote(let member, let voteTerm):
            guard voteTerm == term, votedFor == member else { return }
            wishes.sends.append((member, Message(kind: .voted, term: term, granted: true)))
        case .candidacy(let candidacy):
            guard candidacy == term, role == .candidate else { return }
            votes = [me]
            ask(.vote, term, &wishes)
            winIfElected(&wishes)
        }
    }

    private func appended(_ index: UInt64, _ granted: Bool = true) -> Message {
        Message(kind: .appended, term: term, index: index, granted: granted)
    }

    // MARK: Elections

    /// Asks all others for their votes in a term.
    private func ask(_ kind: Message.Kind, _ wanted: UInt64, _ wishes: inout Wishes) {
        var word = Message(kind: kind, term: wanted, index: lastIndex, logTerm: log.lastTerm)
        word.granted = isCalled
        for member in members where member != me { wishes.sends.append((member, word)) }
    }

    /// The leader is gone, or nobody knows of one: asks whether an election would be won.
    package mutating func stand(_ wishes: inout Wishes) {
        guard role != .leader, members.contains(me) else { return }
        role = .preCandidate
        leader = .none
        votes = [me]
        ask(.preVote, term + 1, &wishes)
        wishes.election = true
        runIfWelcome(&wishes)
    }

    private mutating func runIfWelcome(_ wishes: inout Wishes) {
        guard role == .preCandidate, votes.count >= majority else { return }
        role = .candidate
        term += 1
        votedFor = me
        votes = []
        wishes.vote = true
        wishes.syncs.append(.candidacy(term: term))
        wishes.election = true
    }

    private mutating func winIfElected(_ wishes: inout Wishes) {
        guard role == .candidate, votes.count >= majority else { return }
        lead()
        wishes.election = false
        wishes.becameLeader = true
    }

    /// Follows a newer term.
    private mutating func follow(_ newer: UInt64, _ wishes: inout Wishes) {
        if role == .leader { wishes.lostLeadership = true }
        role = .follower
        (isYielding, isCalled) = (false, false)
        leader = .none
        term = newer
        votedFor = .none
        verified = commit
        wishes.vote = true
        wishes.election = true
    }

    /// Its leader is out of reach.
    package mutating func loseLeader(_ wishes: inout Wishes) {
        guard role == .follower else { return }
        leader = .none
        wishes.election = true
    }

    // MARK: Words

    /// Takes a word of another member.
    ///
    /// `leaderIsAlive` says whether this member still hears its leader: then it wants no election.
    package mutating func receive(
        _ word: Message,
        from member: PeerIndex,
        leaderIsAlive: Bool,
        _ wishes: inout Wishes
    ) {
        switch word.kind {
        case .preVote:
            var answer = Message(kind: .preVoted, term: word.term)
            answer.granted =
                word.term > term && isUpToDate(word) && (role != .leader || isYielding)
                && (leader == .none || leader == member || !leaderIsAlive || word.granted
                    || isYielding)
            // One that is behind may not even know the term.
            if !answer.granted { answer.term = term }
            wishes.sends.append((member, answer))
            // Who does not lead any more learns it from the one who leads.
            if role == .leader, !isYielding { probe(member, &wishes) }
        case .preVoted:
            if word.granted, role == .preCandidate, word.term == term + 1 {
                votes.insert(member)
                runIfWelcome(&wishes)
            } else if !word.granted, word.term > term {
                follow(word.term, &wishes)
            }
        case .vote:
            if word.term > term { follow(word.term, &wishes) }
            guard word.term == term, votedFor == .none || votedFor == member, isUpToDate(word),
                role != .leader
            else {
                return wishes.sends.append((member, Message(kind: .voted, term: term)))
            }
            votedFor = member
            wishes.vote = true
            wishes.syncs.append(.vote(to: member, term: term))
            wishes.election = true
        case .voted:
            if word.term > term { follow(word.term, &wishes) }
            if word.granted, word.term == term, role == .candidate {
                votes.insert(member)
                winIfElected(&wishes)
            }
        case .append: receiveEntry(word, member, &wishes)
        case .snapshot: receiveSnapshot(word, member, &wishes)
        case .appended: receiveAnswer(word, member, &wishes)
        case .lead:
            guard word.term == term, role == .follower else { return }
            isCalled = true
            stand(&wishes)
        }
    }

    private func isUpToDate(_ word: Message) -> Bool {
        word.logTerm > log.lastTerm || word.logTerm == log.lastTerm && word.index >= lastIndex
    }

    /// Whether `member` may lead in the term that it names; it does from now on.
    private mutating func accept(_ word: Message, _ member: PeerIndex, _ wishes: inout Wishes)
        -> Bool
    {
        guard word.term >= term else {
            wishes.sends.append((member, appended(0, false)))
            return false
        }
        if word.term > term { follow(word.term, &wishes) }
        guard role != .leader else {
            violations += 1
            return false
        }
        role = .follower
        isCalled = false
        leader = member
        wishes.election = false
        return true
    }

    private mutating func receiveEntry(
        _ word: Message,
        _ member: PeerIndex,
        _ wishes: inout Wishes
    ) {
        guard accept(word, member, &wishes) else { return }
        let before = word.index - 1
        guard before < log.snapshotIndex || log.term(at: before) == word.logTerm else {
            // What the leader takes for known is not: it goes back to what certainly is.
            let known = max(min(lastIndex, before - 1), commit)
            wishes.sends.append((member, appended(known, false)))
            return
        }
        var last = before
        if word.parcel != .none {
            last = word.index
            if word.index > log.snapshotIndex, log.term(at: word.index) != word.entryTerm {
                truncate(from: word.index, &wishes)
                let entry = Entry(term: word.entryTerm, parcel: word.parcel)
                log.append(entry, members: word.members)
                wishes.entries.append(word.index)
                wishes.syncs.append(.entry(index: word.index, term: word.entryTerm))
            }
        }
        verified = max(verified, last)
        commit = max(commit, min(word.commit, verified, lastIndex))
        if last <= durable, !word.granted { wishes.sends.append((member, appended(last))) }
    }

    private mutating func truncate(from index: UInt64, _ wishes: inout Wishes) {
        assert(index > commit, "what is committed is cut off")
        guard index <= lastIndex else { return }
        if index <= commit {
            violations += 1
            commit = index - 1
        }
        verified = min(verified, index - 1)
        wishes.erased.append((index, lastIndex + 1))
        log.truncate(from: index)
        durable = min(durable, index - 1)
    }

    private mutating func receiveSnapshot(
        _ word: Message,
        _ member: PeerIndex,
        _ wishes: inout Wishes
    ) {
        guard accept(word, member, &wishes) else { return }
        if word.index > commit {
            if lastIndex > log.snapshotIndex {
                wishes.erased.append((log.snapshotIndex + 1, lastIndex + 1))
            }
            log.install(word)
            wishes.snapshot = true
            durable = word.index
            commit = word.index
        }
        verified = max(verified, word.index)
        wishes.sends.append((member, appended(min(max(word.index, commit), durable))))
    }

    private mutating func receiveAnswer(
        _ word: Message,
        _ member: PeerIndex,
        _ wishes: inout Wishes
    ) {
        if word.term > term {
            return follow(word.term, &wishes)
        }
        guard isLeader, !isYielding, word.term == term, let place = members.place(of: member),
            progress[place].takes(word)
        else { return }
        if word.granted {
            matched(member, word.index)
            progress[place].grant(word.index)
            feed(member, &wishes)
            return
        }
        // Of all that was under way, each word is refused: the first refusal counts, and lower ones.
        guard word.index + 1 < progress[place].next else { return }
        if progress[place].refuse(word.index) { violations += 1 }
        if progress[place].next > log.snapshotIndex {
            wishes.sends.append((member, self.word(at: progress[place].next)))
        } else {
            progress[place].isProbing = false
            sendSnapshot(member, place, &wishes)
        }
    }

    // MARK: Snapshots and members

    /// Replaces all entries up to `index`, which is applied, by a snapshot.
    package mutating func compact(upTo index: UInt64, _ parcel: ParcelID, _ wishes: inout Wishes) {
        guard index > log.snapshotIndex, index <= durable else { return }
        wishes.erased.append((log.snapshotIndex + 1, index + 1))
        wishes.snapshot = true
        log.compact(upTo: index, parcel)
    }

    /// Whether this leader may have other members: what it inherited is committed, and so is the last change.
    ///
    /// - Source: rabbitmq/ra `ra_server.erl`, `cluster_change_permitted`.
    package var mayChangeMembers: Bool {
        isLeader && !isYielding && commit > inherited && log.members.lastChange <= commit
    }

    /// Goes on with one member more or one less, by an entry of its log, as the leader.
    package mutating func change(
        to wanted: [PeerIndex],
        by parcel: ParcelID,
        _ wishes: inout Wishes
    ) {
        precondition(mayChangeMembers, "members change one after the other")
        let wanted = PeerSet(wanted)
        progress = ContiguousArray(
            wanted.map { member in
                members.place(of: member).map { progress[$0] }
                    ?? Progress(next: lastIndex + 1, match: 0, base: lastIndex, isNew: true)
            }
        )
        append(parcel, members: wanted, &wishes)
    }

    // MARK: Another leader

    /// Asks another member to lead, as the leader; until it does, this one makes no entries.
    ///
    /// - Source: rabbitmq/ra `ra_server.erl`, `transfer_leadership` and `await_condition`.
    package mutating func transfer(to member: PeerIndex, _ wishes: inout Wishes) -> Transfer {
        assert(role == .leader, "only the leader hands over")
        guard member != me else { return .alreadyLeader }
        guard members.contains(member) else { return .unknownMember }
        isYielding = true
        wishes.sends.append((member, Message(kind: .lead, term: term)))
        return .asked
    }

    /// Nobody took over: it leads on, and asks where the others stand.
    package mutating func leadOn(_ wishes: inout Wishes) {
        guard isLeader, isYielding else { return }
        isYielding = false
        for member in members { probe(member, &wishes) }
    }
}
