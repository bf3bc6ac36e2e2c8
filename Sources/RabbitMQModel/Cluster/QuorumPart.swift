import DequeModule
import WarrenKernel
import WarrenTrace

/// A quorum queue as a node sees it that uses it: who leads, and what the leader has not done yet.
struct QuorumPart: Sendable {
    /// What the leader is to do; it is told again if another one leads.
    struct Waiting: BitwiseCopyable, Sendable {
        var command: QuorumCommand
        /// The confirm that waits for it, or all ones.
        var slot: ConfirmSlot
        /// The channel that waits for it, or none.
        var channel: ChannelIndex
    }

    let queue: QueueIndex
    /// The queue's name.
    let symbol: Symbol
    var members: [PeerIndex]
    /// Which history this is of all that bore the queue's name.
    let epoch: UInt64
    /// The same for those who watch the run.
    let history: Outside.HistoryID
    /// Who leads, or none.
    var leader: PeerIndex
    var leaderTerm: UInt64 = 0
    var nextSequence: UInt64 = 1
    var pending = Deque<Waiting>()
    /// The row of this node's own member, or none.
    var member: MemberIndex = .none
    /// The latest delivery of each consumer here, and of each channel that fetches.
    var latest: [UInt32: UInt64] = [:]
    /// The consumers here that have asked for what they lack, and wait for it.
    var asking: Set<UInt32> = []
    /// The channels here that publish to it, if it rejects publications.
    var publishers = QuorumPublishers()
}

/// Which channels of a node may publish to a quorum queue that rejects what is too much.
///
/// - Source: RMQ-QQ-16, -46; `rabbit_fifo_client:enqueue`.
struct QuorumPublishers: Sendable {
    private var fullness = QuorumQueue.Fullness.open
    private var known: Set<ChannelIndex> = []
    private var stopped: Set<ChannelIndex> = []

    /// Whether what comes to the queue now and then would be refused.
    var isStopped: Bool { fullness != .open }

    /// The leader says how full the queue is.
    mutating func hear(_ fullness: QuorumQueue.Fullness) {
        self.fullness = fullness
        switch fullness {
        case .full: stopped = known
        case .easing: break
        case .open: stopped = []
        }
    }

    /// Whether a channel may publish; one that was not heard before is asked in at the door.
    mutating func mayPublish(_ channel: ChannelIndex) -> Bool {
        if known.insert(channel).inserted, fullness == .full { stopped.insert(channel) }
        return !stopped.contains(channel)
    }

    /// A channel is gone.
    mutating func forget(_ channel: ChannelIndex) {
        known.remove(channel)
        stopped.remove(channel)
    }
}

/// A member of the Raft group of a quorum queue.
struct QuorumMember: Sendable {
    let quorum: QuorumIndex
    var raft: Raft
    var machine: QuorumQueue
    /// Since when it ticks.
    let startedAt: Instant
    var applied: UInt64 = 0
    /// Commands that will be the next entry.
    var gathering = ContiguousArray<QuorumCommand>()
    var isApplying = false
    /// Whether the next entry says by what the queue goes.
    var mustConfigure = true
    /// Whether it has seen, as the leader that it is, which clients are there.
    var knowsClients = false
    /// Dead copies that their targets have, and that the log does not know yet; and all that they were asked
    /// about since they were asked last.
    var discardsUnderWay: Set<UInt64> = []
    var triedDiscards: Set<UInt64> = []
    /// When its timer for expired copies rings, if it leads.
    var wakesAt: UInt64?

    /// How many entries may be under way before commands gather.
    static let window: UInt64 = 2
    /// After how many entries a snapshot is taken, at least.
    static let snapshotInterval = 128
}
