import DequeModule
import WarrenKernel
import WarrenTrace

/// A node's member of the Raft group of a quorum queue: a log, the queue that comes of it, and what gathers for the
/// next entry.
///
/// It neither sends nor writes nor tells: what is to be done comes out as ``Raft/Wishes`` and as ``QuorumEffect``s.
///
///     commands ──gather──▶ nextBatch ──append──▶ log ──committed──▶ nextStep ──apply──▶ effects
///
/// - Source: rabbitmq/ra `ra_server.erl`; RMQ-QQ-25 to -39.
struct QuorumMember: Sendable {
    /// An entry that is committed and takes effect.
    struct Step: Sendable {
        let index: UInt64
        let term: UInt64
        let parcel: ParcelID
        /// Whether this node leads, and in the term of the entry: then it answers those who asked.
        let isOwn: Bool
    }

    /// What is to be done about the timer for copies that expire.
    enum Alarm: Sendable {
        case set(nanoseconds: UInt64)
        case off
    }

    // What is looked at in each turn comes first: a thousand members do not fit into a processor's cache.
    /// The last entry that has taken effect.
    private(set) var applied: UInt64
    /// The last entry that the queue has seen.
    ///
    /// On a follower of which everybody knows what its entries do, the queue sees them when somebody asks for it, many at a
    /// time: one by one they would touch the memory of each queue on each of its members. They are in the log until then.
    private var seen: UInt64
    /// Commands that will be the next entry.
    private var gathering = ContiguousArray<QuorumCommand>()
    /// When its timer for expired copies rings, if it leads.
    private var wakesAt: UInt64?
    /// Whether the next entry says by what the queue goes.
    private(set) var mustConfigure = true
    /// Whether it has seen, as the leader that it is, which clients are there.
    private var knowsClients = false
    private(set) var raft: Raft
    /// The queue after the entry ``seen``: what a leader has, or a member that tells what an entry does.
    private(set) var machine: QuorumQueue
    /// Since when it ticks.
    let startedAt: Instant
    /// Dead copies that their targets have, and that the log does not know yet; and all that they were asked
    /// about since they were asked last.
    private var discardsUnderWay: Set<UInt64> = []
    private var triedDiscards: Set<UInt64> = []

    /// How many entries may be under way before commands gather.
    private static let window: UInt64 = 2
    /// After how many entries a snapshot is taken, at least.
    private static let snapshotInterval: UInt64 = 128
    /// How many dead copies of a queue are under way at once; those behind them wait, also for those that
    /// nobody takes.
    ///
    /// - Source: rabbitmq-server `rabbit_fifo_dlx_worker.erl`, its prefetch; not asked of a real broker here.
    private static let discardWindow = 32

    /// A member whose queue is as its snapshot kept it, or empty.
    init(_ raft: Raft, _ queue: QuorumQueue, startedAt: Instant, snapshot: QuorumSnapshot? = nil) {
        self.raft = raft
        machine = snapshot?.queue ?? queue
        self.startedAt = startedAt
        applied = snapshot == nil ? 0 : raft.log.snapshotIndex
        seen = applied
    }

    @inline(__always)
    var isLeader: Bool { raft.isLeader }

    // MARK: The queue

    /// The queue, as all that has taken effect makes it: a copy, for what is rare.
    func queue(_ parcels: borrowing Parcels) -> QuorumQueue {
        guard seen < applied else { return machine }
        var member = self
        member.catchUp(upTo: applied, parcels)
        return member.machine
    }

    /// The queue sees all entries up to one that has taken effect.
    @inline(__always)
    mutating func catchUp(upTo index: UInt64, _ parcels: borrowing Parcels) {
        if seen < index { replay(upTo: index, parcels) }
    }

    private mutating func replay(upTo index: UInt64, _ parcels: borrowing Parcels) {
        assert(index <= applied, "the queue sees what has not taken effect")
        var effects: [QuorumEffect] = []
        while seen < index {
            seen += 1
            guard let entry = raft.log[seen],
                let batch = QuorumBatch.kept(entry.parcel, in: parcels)
            else { preconditionFailure("what is postponed is in the log") }
            if let configuration = batch.configuration {
                machine.follow(configuration, at: batch.time)
            }
            for command in batch.commands {
                machine.apply(command, at: batch.time, &effects)
                effects.removeAll(keepingCapacity: true)
            }
        }
    }

    /// A word may take from the log what the queue has yet to see, if a disk has broken its word.
    @inline(__always)
    mutating func beware(of word: Raft.Message, _ parcels: borrowing Parcels) {
        guard seen < applied, word.kind == .append, word.index <= applied else { return }
        replay(upTo: applied, parcels)
    }

    // MARK: Commands

    /// A command will be part of the next entry.
    mutating func gather(_ command: QuorumCommand) { gathering.append(command) }

    /// Whether a command may be the next entry, as the leader, without waiting for others.
    @inline(__always)
    var mayAppendAtOnce: Bool { gathering.isEmpty && mayAppend }

    /// Whether what has gathered may be the next entry, as the leader.
    @inline(__always)
    var mayAppendGathered: Bool { !gathering.isEmpty && mayAppend }

    @inline(__always)
    private var mayAppend: Bool {
        isLeader && raft.uncommitted < Self.window && !raft.isYielding
    }

    /// What has gathered, which it does no longer.
    mutating func takeGathered() -> QuorumCommands {
        defer { gathering = [] }
        return gathering.count == 1 ? .one(gathering[0]) : .many(gathering)
    }

    /// The queue goes by other rules: the next entry says so.
    mutating func configure() { mustConfigure = true }

    /// Adds an entry, as the leader; it says by what the queue goes if ``mustConfigure``.
    mutating func append(_ parcel: ParcelID, _ wishes: inout Raft.Wishes) {
        assert(raft.role == .leader, "only the leader makes entries")
        mustConfigure = false
        raft.append(parcel, &wishes)
    }

    // MARK: Raft

    mutating func receive(
        _ message: Raft.Message,
        from peer: PeerIndex,
        leaderIsAlive: Bool,
        _ wishes: inout Raft.Wishes
    ) {
        raft.receive(message, from: peer, leaderIsAlive: leaderIsAlive, &wishes)
        if wishes.lostLeadership { gathering = [] }
    }

    mutating func stored(_ sync: Raft.Wishes.Sync, _ wishes: inout Raft.Wishes) {
        raft.stored(sync, &wishes)
    }

    mutating func stand(_ wishes: inout Raft.Wishes) { raft.stand(&wishes) }

    mutating func loseLeader(_ wishes: inout Raft.Wishes) { raft.loseLeader(&wishes) }

    mutating func probe(_ peer: PeerIndex, _ wishes: inout Raft.Wishes) {
        raft.probe(peer, &wishes)
    }

    /// Goes on with one member more or one less, as the leader, which it must be allowed.
    mutating func change(
        to members: [PeerIndex],
        by parcel: ParcelID,
        _ wishes: inout Raft.Wishes
    ) {
        raft.change(to: members, by: parcel, &wishes)
    }

    mutating func transfer(to peer: PeerIndex, _ wishes: inout Raft.Wishes) -> Raft.Transfer {
        raft.transfer(to: peer, &wishes)
    }

    mutating func leadOn(_ wishes: inout Raft.Wishes) { raft.leadOn(&wishes) }

    mutating func tellCommit(_ wishes: inout Raft.Wishes) { raft.tellCommit(&wishes) }

    /// It leads from now on: its first entry says by what the queue goes, and commits what it inherited.
    mutating func beginTerm(_ parcels: borrowing Parcels) {
        assert(raft.role == .leader, "only the leader begins a term")
        precondition(isLeader, "a member begins a term that does not lead")
        catchUp(upTo: applied, parcels)
        gathering = [QuorumCommand(kind: .nothing)]
        mustConfigure = true
        knowsClients = false
    }

    /// The clients that its queue knows: it has applied all that it inherited, and sees who of them is there.
    mutating func clientsToGreet() -> Set<UInt64> {
        assert(raft.role == .leader, "only the leader greets")
        knowsClients = true
        return machine.clients
    }

    // MARK: What is committed

    /// The next entry that is committed and has not taken effect, which it does now.
    @inline(__always)
    mutating func nextStep() -> Step? {
        guard applied < raft.commit, let entry = raft.log[applied + 1] else { return nil }
        applied += 1
        return Step(
            index: applied,
            term: entry.term,
            parcel: entry.parcel,
            isOwn: isLeader && entry.term == raft.term
        )
    }

    /// The queue sees an entry, the next one, command by command.
    mutating func see(_ step: Step) {
        assert(seen + 1 == step.index, "the queue sees an entry out of order")
        seen = step.index
    }

    mutating func follow(_ configuration: QuorumConfiguration, at time: Instant) {
        machine.follow(configuration, at: time)
    }

    @inline(__always)
    mutating func apply(
        _ command: QuorumCommand,
        at time: Instant,
        _ effects: inout [QuorumEffect]
    ) {
        machine.apply(command, at: time, &effects)
    }

    /// A snapshot, as the leader, if one is worth it: the log is longer than what it would save.
    mutating func snapshotIfWorth() -> QuorumSnapshot? {
        assert(seen == applied, "a leader has not seen all")
        let length = applied - raft.log.snapshotIndex
        guard length >= UInt64(2 * (machine.presentCount + machine.unackedCount)),
            applied <= raft.durable
        else { return nil }
        return QuorumSnapshot(queue: machine)
    }

    /// Whether something is committed that has not taken effect.
    @inline(__always)
    var hasSteps: Bool { applied < raft.commit }

    /// All that has taken effect is in a snapshot from now on.
    mutating func compact(_ parcel: ParcelID, _ wishes: inout Raft.Wishes) {
        assert(parcel != .none, "a snapshot lies somewhere")
        assert(seen == applied, "a snapshot stands for what the queue has not seen")
        raft.compact(upTo: applied, parcel, &wishes)
    }

    /// Puts the snapshot that a leader has taken last in the place of the entries that it stands for, as a follower that has
    /// them all; if it has yet to come that far, it waits.
    ///
    /// An entry's index and term say what all before it are, and what they come to is the same everywhere: there is no need to
    /// find it once more.
    mutating func compact(
        by known: Outside.Snapshot,
        _ parcels: borrowing Parcels,
        _ wishes: inout Raft.Wishes
    ) {
        assert(!isLeader, "a leader finds its snapshots itself")
        guard known.index > raft.log.snapshotIndex, known.index <= applied,
            known.index <= raft.durable, raft.log.term(at: known.index) == known.term,
            let snapshot: QuorumSnapshot = parcels.get(known.parcel)
        else { return }
        if seen < known.index { (machine, seen) = (snapshot.queue, known.index) }
        raft.compact(upTo: known.index, known.parcel, &wishes)
    }

    /// Takes over the leader's snapshot, if that is ahead.
    mutating func adopt(_ snapshot: QuorumSnapshot) {
        guard raft.log.snapshotIndex > applied else { return }
        machine = snapshot.queue
        applied = raft.log.snapshotIndex
        seen = applied
    }

    // MARK: Chores

    /// What is to be done after entries have taken effect, or others have joined the log.
    struct Chores: OptionSet, Sendable {
        let rawValue: UInt8

        /// It may be worth a snapshot: see ``snapshotIfWorth()`` and ``compact(by:_:_:)``.
        static let snapshot = Chores(rawValue: 1)
        /// It leads, and has yet to see who of its clients is there.
        static let greeting = Chores(rawValue: 2)
        /// It leads, and its timer for expired copies is not right.
        static let alarm = Chores(rawValue: 4)
        /// It leads, and something has gathered.
        static let entry = Chores(rawValue: 8)
        /// It leads, and the others may not know what is committed.
        static let commit = Chores(rawValue: 16)
    }

    /// What is to be done now.
    ///
    /// It is mutating in name only: a row as large as this would be copied for a call that is not.
    @inline(__always)
    mutating func chores() -> Chores {
        var chores: Chores = []
        if applied &- raft.log.snapshotIndex >= Self.snapshotInterval { chores.insert(.snapshot) }
        guard isLeader else { return chores }
        if !knowsClients, applied > raft.inherited { chores.insert(.greeting) }
        if machine.nextExpiry != wakesAt { chores.insert(.alarm) }
        if !gathering.isEmpty { chores.insert(.entry) }
        if raft.commit == raft.lastIndex { chores.insert(.commit) }
        return chores
    }

    // MARK: Time

    /// What is to be done about the timer for the next copy that expires; nil if it is right.
    mutating func nextAlarm() -> Alarm? {
        let next = machine.nextExpiry
        guard next != wakesAt else { return nil }
        wakesAt = next
        return next.map { .set(nanoseconds: $0) } ?? .off
    }

    /// The timer for expired copies rang.
    mutating func wake() { wakesAt = nil }

    // MARK: Dead copies that it keeps

    /// The next dead copy whose targets have not been asked lately; nil also before all is applied that this node
    /// inherited as the leader.
    mutating func nextDiscard() -> QuorumQueue.Dead? {
        assert(raft.role == .leader, "only the leader passes on what is dead")
        guard isLeader, applied > raft.inherited else { return nil }
        for dead in machine.discards.prefix(Self.discardWindow)
        where triedDiscards.insert(dead.copy.id).inserted {
            return dead
        }
        if machine.discards.isEmpty {
            triedDiscards = []
            discardsUnderWay = []
        }
        return nil
    }

    /// The targets of a dead copy have it.
    mutating func passedOn(_ dead: QuorumQueue.Dead) { discardsUnderWay.insert(dead.copy.id) }

    /// The targets are asked once more.
    mutating func forgetTries() { triedDiscards = discardsUnderWay }

    // MARK: Looking

    func parcels(_ holding: inout ParcelMarks) {
        machine.parcels(&holding)
        raft.log.parcels(&holding)
        for command in gathering { holding.keep(command.packet.parcel) }
    }

    func checkInvariants() {
        precondition(applied <= raft.commit, "a member has applied what is not committed")
        precondition(
            discardsUnderWay.isSubset(of: triedDiscards),
            "a dead copy is under way that nobody was asked about"
        )
        raft.checkInvariants()
        precondition(seen == applied || seen < applied && !isLeader, "a leader has not seen all")
        precondition(
            seen == applied || seen >= raft.log.snapshotIndex && applied <= raft.log.lastIndex,
            "what the queue has yet to see is not in the log"
        )
        machine.checkInvariants()
    }
}
