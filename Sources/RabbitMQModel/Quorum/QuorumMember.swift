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
        let batch: QuorumBatch
        /// Whether this node leads, and in the term of the entry: then it answers those who asked.
        let isOwn: Bool
    }

    /// What is to be done about the timer for copies that expire.
    enum Alarm: Sendable {
        case set(nanoseconds: UInt64)
        case off
    }

    private(set) var raft: Raft
    private(set) var queue: QuorumQueue
    /// Since when it ticks.
    let startedAt: Instant
    /// The last entry that has taken effect.
    private(set) var applied: UInt64
    /// Commands that will be the next entry.
    private var gathering = ContiguousArray<QuorumCommand>()
    /// Whether the next entry says by what the queue goes.
    private var mustConfigure = true
    /// Whether it has seen, as the leader that it is, which clients are there.
    private var knowsClients = false
    /// Dead copies that their targets have, and that the log does not know yet; and all that they were asked
    /// about since they were asked last.
    private var discardsUnderWay: Set<UInt64> = []
    private var triedDiscards: Set<UInt64> = []
    /// When its timer for expired copies rings, if it leads.
    private var wakesAt: UInt64?

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
        self.queue = snapshot?.queue ?? queue
        self.startedAt = startedAt
        applied = snapshot == nil ? 0 : raft.log.snapshotIndex
    }

    @inline(__always)
    var isLeader: Bool { raft.isLeader }

    // MARK: Commands

    /// A command will be part of the next entry.
    mutating func gather(_ command: QuorumCommand) { gathering.append(command) }

    /// What has gathered, as the leader's next entry, and whether the entry must say by what the queue goes; nil unless
    /// there is something, and few enough are under way.
    mutating func nextBatch(at time: Instant) -> (batch: QuorumBatch, mustConfigure: Bool)? {
        guard isLeader, !gathering.isEmpty, raft.uncommitted < Self.window, !raft.isYielding else {
            return nil
        }
        var commands = ContiguousArray<QuorumCommand>()
        swap(&commands, &gathering)
        defer { mustConfigure = false }
        return (QuorumBatch(time: time, commands: commands), mustConfigure)
    }

    /// The queue goes by other rules: the next entry says so.
    mutating func configure() { mustConfigure = true }

    /// Adds an entry, as the leader.
    mutating func append(_ parcel: ParcelID, _ wishes: inout Raft.Wishes) {
        assert(raft.role == .leader, "only the leader makes entries")
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
    mutating func beginTerm() {
        assert(raft.role == .leader, "only the leader begins a term")
        precondition(isLeader, "a member begins a term that does not lead")
        gathering = [QuorumCommand(kind: .nothing)]
        mustConfigure = true
        knowsClients = false
    }

    /// The clients that its queue knows: it has applied all that it inherited, and sees who of them is there.
    mutating func clientsToGreet() -> Set<UInt64> {
        assert(raft.role == .leader, "only the leader greets")
        knowsClients = true
        return queue.clients
    }

    // MARK: What is committed

    /// The next entry that is committed and has not taken effect, which it does now.
    @inline(__always)
    mutating func nextStep(_ parcels: borrowing Parcels) -> Step? {
        guard applied < raft.commit, let entry = raft.log[applied + 1],
            let batch: QuorumBatch = parcels.get(entry.parcel)
        else { return nil }
        applied += 1
        return Step(
            index: applied,
            term: entry.term,
            batch: batch,
            isOwn: isLeader && entry.term == raft.term
        )
    }

    mutating func follow(_ configuration: QuorumConfiguration, at time: Instant) {
        queue.follow(configuration, at: time)
    }

    @inline(__always)
    mutating func apply(
        _ command: QuorumCommand,
        at time: Instant,
        _ effects: inout [QuorumEffect]
    ) {
        queue.apply(command, at: time, &effects)
    }

    /// A snapshot, if one is worth it: the log is longer than what it would save.
    var snapshotIfWorth: QuorumSnapshot? {
        let length = applied - raft.log.snapshotIndex
        guard length >= UInt64(2 * (queue.presentCount + queue.unackedCount)),
            applied <= raft.durable
        else { return nil }
        return QuorumSnapshot(queue: queue)
    }

    /// Whether something is committed that has not taken effect.
    @inline(__always)
    var hasSteps: Bool { applied < raft.commit }

    /// All that has taken effect is in a snapshot from now on.
    mutating func compact(_ parcel: ParcelID, _ wishes: inout Raft.Wishes) {
        assert(parcel != .none, "a snapshot lies somewhere")
        raft.compact(upTo: applied, parcel, &wishes)
    }

    /// Takes over the leader's snapshot, if that is ahead.
    mutating func adopt(_ snapshot: QuorumSnapshot) {
        guard raft.log.snapshotIndex > applied else { return }
        queue = snapshot.queue
        applied = raft.log.snapshotIndex
    }

    // MARK: Chores

    /// What is to be done after entries have taken effect, or others have joined the log.
    struct Chores: OptionSet, Sendable {
        let rawValue: UInt8

        /// It may be worth a snapshot: see ``snapshotIfWorth()``.
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
        if queue.nextExpiry != wakesAt { chores.insert(.alarm) }
        if !gathering.isEmpty { chores.insert(.entry) }
        if raft.commit == raft.lastIndex { chores.insert(.commit) }
        return chores
    }

    // MARK: Time

    /// What is to be done about the timer for the next copy that expires; nil if it is right.
    mutating func nextAlarm() -> Alarm? {
        let next = queue.nextExpiry
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
        for dead in queue.discards.prefix(Self.discardWindow)
        where triedDiscards.insert(dead.copy.id).inserted {
            return dead
        }
        if queue.discards.isEmpty {
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
        queue.parcels(&holding)
        for entry in raft.log.entries { holding.keep(entry.parcel) }
        holding.keep(raft.log.snapshot)
        for command in gathering { holding.keep(command.packet.parcel) }
    }

    func checkInvariants() {
        precondition(applied <= raft.commit, "a member has applied what is not committed")
        precondition(
            discardsUnderWay.isSubset(of: triedDiscards),
            "a dead copy is under way that nobody was asked about"
        )
        raft.checkInvariants()
        queue.checkInvariants()
    }
}
