package import DequeModule
package import WarrenTrace

/// A quorum queue as a node uses it on behalf of its channels: what its leader is to do, and what has come of it.
///
/// Commands have rising numbers and are said again to a new leader until they are done. Deliveries have rising
/// numbers for each consumer, are taken in that order and once, and are asked for again when one is missing. It
/// neither sends nor records: its owner does, with what the inputs return.
///
/// - Source: rabbitmq-server `rabbit_fifo_client.erl`; RMQ-QQ-05, -16, -26, -31, -32, -34, -46.
package struct QuorumClient: Sendable {
    /// What the leader is to do; it is told again if another one leads.
    package struct Waiting: BitwiseCopyable, Sendable {
        /// With its number.
        package let command: QuorumCommand
        /// The confirm that waits for it, or none.
        package let slot: ConfirmSlot
        /// The channel that waits for it, or none.
        package let channel: ChannelIndex
    }

    /// What is to become of a delivery that has come.
    package enum Arrival: Sendable {
        /// It is the consumer's.
        case taken
        /// It came before: nothing.
        case known
        /// One before it was lost on the way, and comes with it once more when it is asked for.
        case early
    }

    /// Who leads, or none.
    package private(set) var leader: PeerIndex
    /// Who led last, as it was heard.
    private var heard: PeerIndex
    private var leaderTerm: UInt64 = 0
    private var nextSequence: UInt64 = 1
    private var pending = Deque<Waiting>()
    /// The latest delivery of each consumer here, and of each channel that fetches.
    private var latest: [QuorumConsumerID: UInt64] = [:]
    /// The consumers here that have asked for what they lack, and wait for it.
    private var asking: Set<QuorumConsumerID> = []
    /// The channels here that have used it, and hear who leads.
    private var users: Set<ChannelIndex> = []
    /// The channels here that publish to it.
    private var publishers = Publishers()

    /// What was said on a link that was lost, if anything was.
    private var link = LostLink()
    /// Who leads, as the metadata have it.
    package private(set) var recorded: PeerIndex
    private var recordedTerm: UInt64 = 0
    /// Of a leader that wants to be in the metadata: the nodes that are up and have not heard of it.
    private var unaware: Set<PeerIndex> = []
    /// How many of them need not.
    private var spared = 0

    /// A client that knows who leads, or not.
    package init(leader: PeerIndex) {
        self.leader = leader
        heard = leader
        recorded = leader
    }

    // MARK: Commands

    /// Gives a command its number, and remembers it until it is done.
    package mutating func remember(
        _ command: QuorumCommand,
        slot: ConfirmSlot = .none,
        channel: ChannelIndex = .none
    ) -> QuorumCommand {
        var command = command
        command.sequence = nextSequence
        nextSequence += 1
        pending.append(Waiting(command: command, slot: slot, channel: channel))
        return command
    }

    /// The next of the commands up to `sequence`, all of which the leader has done; nil if there is none.
    package mutating func nextDone(upTo sequence: UInt64) -> Waiting? {
        guard let first = pending.first, first.command.sequence <= sequence else { return nil }
        return pending.removeFirst()
    }

    /// The command with a number, unless it is done.
    package func command(_ sequence: UInt64) -> Waiting? {
        pending.first { $0.command.sequence == sequence }
    }

    /// What the leader has not done, in order.
    package var undone: Deque<Waiting> { pending }

    /// The queue is gone: nobody will do anything any more.
    ///
    /// - Returns: what was not done, in order.
    package mutating func abandon() -> Deque<Waiting> {
        defer { pending = [] }
        return pending
    }

    // MARK: The leader

    /// What it means that a node says it leads.
    package enum News: Sendable {
        /// It was known.
        case none
        /// There is another leader: everything that was not done must be said again.
        case leader
        /// The leader is in reach again, and what was said meanwhile, or before, may be lost.
        case link
    }

    /// A node leads in a term, as one says that knows; what an earlier leader says is void.
    package mutating func follow(_ peer: PeerIndex, _ term: UInt64) -> News {
        guard term >= leaderTerm else { return .none }
        let isSame = heard == peer && leaderTerm == term
        guard leader != peer || !isSame else { return .none }
        leader = peer
        heard = peer
        leaderTerm = term
        return isSame ? .link : .leader
    }

    // MARK: A lost link

    /// Since when a channel waits in vain for what it has published; nil if none does.
    @inline(__always)
    package var stuckSince: Instant? { link.stuckSince }

    /// A channel publishes while nobody leads that is in reach.
    package mutating func hold(_ channel: ChannelIndex, at time: Instant) {
        link.hold(channel, at: time)
    }

    /// Everything that is not done is said again.
    package mutating func forgetLoss() { link = LostLink() }

    /// A node is out of reach; if it led, nobody does.
    package mutating func lose(_ peer: PeerIndex) {
        assert(peer != .none, "nobody is lost")
        if leader == peer { leader = .none }
    }

    /// Nobody leads, as far as it is known.
    package mutating func forgetLeader() { leader = .none }

    /// The node that a channel asks for something: that which it heard leads, or which the metadata name if it never
    /// used the queue before; none if nobody ever led.
    package func server(for channel: ChannelIndex) -> PeerIndex {
        users.contains(channel) ? heard : recorded
    }

    /// The metadata say that a node leads in a term.
    package mutating func record(_ peer: PeerIndex, _ term: UInt64) {
        guard term >= recordedTerm else { return }
        recorded = peer
        recordedTerm = term
    }

    /// This node leads, and has the metadata say so when these nodes have heard of it, but for some.
    ///
    /// - Returns: whether there is nobody to wait for.
    package mutating func awaitHearing(_ peers: [PeerIndex], butFor spared: Int) -> Bool {
        unaware = Set(peers)
        self.spared = spared
        return peers.count <= spared
    }

    /// A node has heard that this one leads, or is down and need not.
    ///
    /// - Returns: whether enough have now, that had not before.
    package mutating func hear(by peer: PeerIndex) -> Bool {
        unaware.remove(peer) != nil && unaware.count == spared
    }

    /// Whether a node has heard that this one leads, as far as it had to.
    package func isAware(_ peer: PeerIndex) -> Bool { !unaware.contains(peer) }

    /// A channel has been answered, and hears who leads from now on.
    package mutating func serve(_ channel: ChannelIndex) { users.insert(channel) }

    // MARK: Deliveries

    /// A consumer, or a channel that fetches, has begun: its first delivery has the number 1.
    package mutating func begin(_ consumer: QuorumConsumerID) { latest[consumer] = 0 }

    /// A consumer, or a channel that fetches, is gone.
    package mutating func end(_ consumer: QuorumConsumerID) { latest[consumer] = nil }

    /// A delivery has come for a consumer; it is noted if it is taken.
    ///
    /// `mayBeFirst` says that what is missing before it does not matter: it was settled when it was sent, or goes
    /// back, or comes again because it was asked for.
    package mutating func arrive(
        _ delivery: UInt64,
        for consumer: QuorumConsumerID,
        mayBeFirst: Bool
    ) -> Arrival {
        assert(delivery > 0, "deliveries are numbered from 1")
        let before = latest[consumer] ?? 0
        // A leader that has come to lead sends what the one before it may have sent.
        guard delivery > before else { return .known }
        guard mayBeFirst || delivery == before + 1 else { return .early }
        latest[consumer] = delivery
        return .taken
    }

    /// The latest delivery of a consumer that came; 0 if none did.
    package func latest(for consumer: QuorumConsumerID) -> UInt64 { latest[consumer] ?? 0 }

    /// The consumers that have begun, by rising number.
    package var consumers: [QuorumConsumerID] { latest.keys.sorted() }

    /// A consumer asks the leader for what it lacks.
    ///
    /// - Returns: whether it did not ask before.
    package mutating func ask(_ consumer: QuorumConsumerID) -> Bool {
        asking.insert(consumer).inserted
    }

    /// Whoever asked an earlier leader asks again.
    package mutating func forgetQuestions() { asking = [] }

    /// A consumer has been sent all that it holds up to a number.
    package mutating func reach(_ last: UInt64, for consumer: QuorumConsumerID) {
        asking.remove(consumer)
        latest[consumer] = max(latest[consumer] ?? 0, last)
    }

    // MARK: Publishers

    /// Whether what comes to the queue now and then would be refused.
    package var isStopped: Bool { publishers.isStopped }

    /// The leader says how full the queue is.
    package mutating func hear(_ fullness: QuorumQueue.Fullness) { publishers.hear(fullness) }

    /// Whether the leader knows that a channel publishes.
    package func isPublisher(_ channel: ChannelIndex) -> Bool { publishers.isKnown(channel) }

    /// The leader knows that a channel publishes, and has it begin or wait.
    package mutating func register(_ channel: ChannelIndex, isStopped: Bool) {
        users.insert(channel)
        publishers.register(channel, isStopped: isStopped)
    }

    /// Whether a channel may publish; one that is not known goes by what was heard last.
    package mutating func mayPublish(_ channel: ChannelIndex) -> Bool {
        publishers.mayPublish(channel)
    }

    /// A channel is gone.
    package mutating func forget(_ channel: ChannelIndex) {
        users.remove(channel)
        publishers.forget(channel)
    }

    /// What must hold between turns.
    package func checkInvariants() {
        precondition(
            zip(pending, pending.dropFirst()).allSatisfy {
                $0.command.sequence + 1 == $1.command.sequence
            },
            "commands for a quorum queue are not remembered in their order"
        )
        precondition(
            pending.last.map { $0.command.sequence + 1 == nextSequence } ?? true,
            "the last command for a quorum queue is forgotten"
        )
        publishers.checkInvariants()
    }
}

/// What a node has said of a queue while its leader was out of reach.
///
/// - Source: `rabbit_fifo_client:enqueue`, `seq_applied`: a channel with 32 publications that are not done reads nothing
///   more, and says them again after 10 s; RMQ-QQ-63.
private struct LostLink: Sendable {
    /// How many publications make a channel wait.
    private static let softLimit = 32

    private(set) var stuckSince: Instant?
    private var held: [ChannelIndex: Int] = [:]

    mutating func hold(_ channel: ChannelIndex, at time: Instant) {
        guard stuckSince == nil else { return }
        held[channel, default: 0] += 1
        if held[channel] == Self.softLimit { stuckSince = time }
    }
}

/// Which channels of a node may publish to a quorum queue that rejects what is too much.
///
/// - Source: RMQ-QQ-16, -46; `rabbit_fifo_client:enqueue`.
private struct Publishers: Sendable {
    private var fullness = QuorumQueue.Fullness.open
    private var known: Set<ChannelIndex> = []
    private var stopped: Set<ChannelIndex> = []

    var isStopped: Bool { fullness != .open }

    mutating func hear(_ fullness: QuorumQueue.Fullness) {
        self.fullness = fullness
        switch fullness {
        case .full: stopped = known
        case .easing: break
        case .open: stopped = []
        }
    }

    func isKnown(_ channel: ChannelIndex) -> Bool { known.contains(channel) }

    mutating func register(_ channel: ChannelIndex, isStopped: Bool) {
        known.insert(channel)
        if isStopped { stopped.insert(channel) } else { stopped.remove(channel) }
    }

    mutating func mayPublish(_ channel: ChannelIndex) -> Bool {
        if known.insert(channel).inserted, fullness == .full { stopped.insert(channel) }
        return !stopped.contains(channel)
    }

    mutating func forget(_ channel: ChannelIndex) {
        known.remove(channel)
        stopped.remove(channel)
    }

    func checkInvariants() {
        precondition(stopped.isSubset(of: known), "a publisher was stopped that is not known")
    }
}
