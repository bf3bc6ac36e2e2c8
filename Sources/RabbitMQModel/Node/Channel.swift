import DequeModule
import WarrenKernel
import WarrenTrace

/// What a delivery holds.
enum Holding: BitwiseCopyable, Hashable, Sendable {
    /// A copy here, of the message in this row.
    case row(MessageIndex)
    /// A copy that another node has, of this message.
    case elsewhere(MessageID)
    /// What another node may have of this message, since the queue lost the home that delivered it: RMQ-MIR-06.
    case stale(MessageID)
    /// Nothing any more: the copy went down with the home of its queue.
    case nothing
}

/// A copy in a consumer's hands.
///
/// There are as many as messages are out: what it holds is packed, so that one takes half a cache line.
struct Unacked: BitwiseCopyable, Sendable {
    var readySince: Instant
    /// Which kind of ``Holding`` it is in the upper two bits, and the position.
    private var placed: UInt64
    /// The row or the message.
    private var held: UInt32
    /// The queue, or none once it was settled.
    var queue: QueueIndex
    /// The consumer, or none for basic.get.
    var consumer: ConsumerIndex
    /// When it was sent, in ticks of ``tick``: what the consumer timeout goes by.
    var sentAt: UInt32

    /// A delivery; positions are below 2^62.
    @inline(__always)
    init(
        readySince: Instant,
        position: UInt64,
        holding: Holding,
        queue: QueueIndex,
        consumer: ConsumerIndex,
        sentAt: UInt32
    ) {
        assert(position >> 62 == 0, "a queue has no positions over 2^62")
        self.readySince = readySince
        self.queue = queue
        self.consumer = consumer
        self.sentAt = sentAt
        placed = position
        held = 0
        self.holding = holding
    }

    /// Where the copy lay in its queue; elsewhere, the number of the delivery there.
    @inline(__always)
    var position: UInt64 { placed & (1 << 62 - 1) }

    /// What its settling takes effect on.
    @inline(__always)
    var holding: Holding {
        get {
            switch placed >> 62 {
            case 0: .row(MessageIndex(wire: held))
            case 1: .elsewhere(MessageID(held))
            case 2: .stale(MessageID(held))
            default: .nothing
            }
        }
        set {
            let kind: UInt64
            switch newValue {
            case .row(let row): (kind, held) = (0, row.wire)
            case .elsewhere(let message): (kind, held) = (1, message.raw)
            case .stale(let message): (kind, held) = (2, message.raw)
            case .nothing: (kind, held) = (3, 0)
            }
            placed = position | kind << 62
        }
    }

    /// Whether it waits to be settled, and holds a copy on this node.
    @inline(__always)
    var isHere: Bool {
        if case .row = holding { queue != .none } else { false }
    }

    /// Whether it waits to be settled, and holds a copy that `queue` has on this node.
    func isCopy(of queue: QueueIndex) -> Bool { self.queue == queue && isHere }

    /// The queue has lost its home: nobody's any more, but its tag stays good.
    ///
    /// - Source: RMQ-MIR-06.
    mutating func leaveHome() {
        consumer = .none
        switch holding {
        case .elsewhere(let message): holding = .stale(message)
        case .row, .nothing: holding = .nothing
        case .stale: break
        }
    }

    /// The copy's message; there must be a copy here.
    @inline(__always)
    var row: MessageIndex {
        guard case .row(let row) = holding else {
            preconditionFailure("a delivery holds no copy on this node")
        }
        return row
    }

    /// A tick is 2^24 nanoseconds, about 17 ms.
    @inline(__always)
    static func stamp(_ now: Instant) -> UInt32 {
        UInt32(truncatingIfNeeded: now.nanoseconds &>> 24)
    }
}

/// A channel of a connection.
package struct Channel: Sendable {
    /// The life of a channel.
    enum State: Sendable { case open, closing, closed }

    /// What a channel may wait for.
    enum Awaited: Hashable, Sendable {
        case nothing
        /// The node of a queue, or its leader.
        case queue(QueueIndex)
        /// A change of what all nodes know.
        case change
    }

    var connection: ConnectionID
    var session: SessionIndex
    /// The number as packets carry it.
    var port: UInt32
    var peer: NodeID
    var state = State.open
    /// When something came on it that took the short way.
    var heardAt = Instant.zero

    var number: UInt16 { UInt16(truncatingIfNeeded: port) }

    /// Prefetch of consumers that start from now on; 0 for no limit.
    var prefetch: UInt32 = 0
    /// The limit of the channel as a whole; 0 for none.
    private(set) var globalPrefetch: UInt32 = 0
    /// How much of that limit is used: what consumers were sent since it was set, and all that was out then.
    private var volume = 0
    var confirming = false
    var publishSequence: UInt64 = 0
    /// Deliveries by tag; the first has ``baseTag``.
    var unacked = Deque<Unacked>()
    var baseTag: UInt64 = 1
    var unackedCount: UInt32 = 0
    var consumers: [ConsumerIndex] = []
    /// The queue last declared here.
    var lastQueue: QueueIndex = .none
    /// What waits for tx.commit; nil while the channel is not transactional.
    var transaction: Transaction?
    /// The consumer of direct replies: its tag, and the name that answers go to.
    var replies: (tag: Symbol, name: Symbol)?
    /// The exchanges and queues that were used with success: RMQ-PERM-13.
    var granted: Set<Grant> = []
    /// What it waits for: what its client says meanwhile waits, too.
    var awaits = Awaited.nothing
    var isWaiting: Bool { awaits != .nothing }
    /// What it asked that node, to ask again if the queue moves.
    var asked = Packet()
    /// The quorum queues that take its next publication from nobody: their leaders could not be told who publishes.
    var refusedBy: [QueueIndex] = []
    /// Whether its client wants no answer to what it said last.
    var wantsNoAnswer = false
    /// What its client said meanwhile.
    var backlog = Deque<Packet>()
    /// Whether it is the first of its connection, which goes the short way.
    var isFirst = false
    /// Whether a packet is received again after a change of metadata.
    var isSecondTry = false
    /// The nodes that know it.
    var openedAt: Set<PeerIndex> = []
    /// The quorum queues that it fetched from.
    var fetchedFrom: Set<QuorumIndex> = []

    /// What must hold between turns, while it is open.
    func checkInvariants() {
        precondition(
            unacked.count { $0.queue != .none } == Int(unackedCount),
            "a channel miscounts what is unacknowledged"
        )
        precondition(
            unacked.first.map { $0.queue != .none } ?? true,
            "a channel keeps a delivery at its front that is settled"
        )
        precondition(baseTag > 0, "delivery tags begin with 1")
        precondition(
            backlog.isEmpty || isWaiting,
            "what a client said waits at a channel that waits for nothing"
        )
        precondition(!isSecondTry, "a packet is received again when the turn is over")
        precondition(
            transaction == nil || !confirming,
            "a channel is transactional and in confirm mode"
        )
    }

    init(connection: ConnectionID, session: SessionIndex, number: UInt16, peer: NodeID) {
        self.connection = connection
        self.session = session
        port = UInt32(number)
        self.peer = peer
    }

    /// Spends a tag on a delivery that is settled by sending: RMQ-GET-06.
    mutating func spendTag() {
        unacked.append(
            Unacked(
                readySince: .zero,
                position: 0,
                holding: .nothing,
                queue: .none,
                consumer: .none,
                sentAt: 0
            )
        )
        trim()
    }

    var nextTag: UInt64 { baseTag &+ UInt64(unacked.count) }

    /// Keeps a delivery and gives it the next tag.
    @inline(__always)
    mutating func hold(_ delivery: Unacked) {
        assert(state == .open, "a channel that is closed holds nothing")
        unackedCount &+= 1
        unacked.append(delivery)
        // A delivery to a consumer takes some of the window.
        if globalPrefetch != 0, delivery.consumer != .none { volume += 1 }
    }

    /// Settles the delivery with this tag, or nil if none waits under it.
    @inline(__always)
    mutating func settle(_ tag: UInt64) -> Unacked? {
        let index = Int(truncatingIfNeeded: tag &- baseTag)
        guard tag >= baseTag, index < unacked.count else { return nil }
        if index == 0 {
            let delivery = unacked.removeFirst()
            guard delivery.queue != .none else {
                unacked.prepend(delivery)
                return nil
            }
            baseTag &+= 1
            unackedCount &-= 1
            trim()
            return delivery
        }
        let delivery = unacked[index]
        guard delivery.queue != .none else { return nil }
        unacked[index].queue = .none
        unackedCount &-= 1
        return delivery
    }

    /// Notes that the client was heard, and settles a delivery unless there is more to it than that.
    @inline(__always)
    mutating func hear(ack tag: UInt64, at now: Instant) -> (delivery: Unacked, peer: NodeID)? {
        heardAt = now
        guard globalPrefetch == 0, transaction == nil, let delivery = settle(tag) else {
            return nil
        }
        return (delivery, peer)
    }

    /// Notes that the client was heard, and returns the number of its publication: 0 if it wants no confirm, nil
    /// if it waits for a commit.
    @inline(__always)
    mutating func hearPublish(at now: Instant) -> UInt64? {
        heardAt = now
        guard transaction == nil else { return nil }
        guard confirming else { return 0 }
        return publishSequence &+ 1
    }

    /// Settles everything that no transaction has settled.
    mutating func settleAll() -> [Unacked] {
        let tags = (baseTag..<nextTag).filter { transaction?.tags.contains($0) != true }
        return tags.compactMap { settle($0) }
    }

    // MARK: The window of the channel

    /// Sets the limit of the channel; 0 for none.
    ///
    /// What is out when there was no limit counts, whoever fetched it.
    ///
    /// - Source: RMQ-CONS-10, -44; `rabbit_limiter`.
    mutating func limit(to count: UInt32) {
        if globalPrefetch == 0 || count == 0 {
            let settledLater = transaction?.tags.count ?? 0
            volume = count == 0 ? 0 : Int(unackedCount) - settledLater
        }
        globalPrefetch = count
    }

    /// Whether the window of the channel is full.
    @inline(__always)
    var isFull: Bool { globalPrefetch != 0 && volume >= Int(globalPrefetch) }

    /// Deliveries are settled: those of consumers give back what they took of the window.
    mutating func widen(by deliveries: [Unacked]) {
        guard globalPrefetch != 0, volume != 0 else { return }
        volume -= deliveries.count { $0.consumer != .none }
    }

    /// Drops settled deliveries from the front.
    @inline(__always)
    mutating func trim() {
        while let first = unacked.first, first.queue == .none {
            unacked.removeFirst()
            baseTag &+= 1
        }
    }
}

/// A consumer of a channel.
package struct Consumer: Sendable {
    var queue: QueueIndex
    var channel: ChannelIndex
    var tag: Symbol
    var noAck: Bool
    var prefetch: UInt32
    var unacked: UInt32 = 0
    /// Whether it stands in the rotation of its queue.
    ///
    /// A consumer whose window is full leaves it when its turn comes: RMQ-CONS-43.
    var inRotation = true
    /// The number under which it left it, among all consumers of the node.
    var suspendedAs: UInt64 = 0
    var exists = true
    /// Whether another consumer is the active one, or its connection is at its end.
    var waits = false
    /// Whether its connection is at its end.
    var isEnding = false
    var isExclusive = false
    /// The higher come first.
    var priority: Int64 = 0
    /// For a stream: the offset of the next record.
    var offset: UInt64 = 0
    /// Its number at the node of its channel.
    var label: UInt32 = 0
    /// How a quorum queue names it.
    var atQuorum: QuorumConsumerID { QuorumConsumerID(wire: label) }
    /// Whether its client wants no answer.
    var isQuiet = false

    /// Counts one delivery.
    @inline(__always)
    mutating func holdOne() { unacked &+= 1 }

    /// Counts one delivery as settled; true if the consumer may join the rotation again.
    @inline(__always)
    mutating func settleOne() -> Bool {
        assert(unacked > 0, "a consumer settles what it does not hold")
        unacked &-= 1
        guard !inRotation, exists else { return false }
        inRotation = true
        return true
    }
}

/// Who speaks on a connection.
enum Speaker: Hashable, Sendable {
    /// Nobody, or nobody any more.
    case nobody
    case client(SessionIndex)
    /// Another node of the cluster.
    case peer(PeerIndex)
}

/// A connection as the broker sees it.
struct Session: Sendable {
    var connection: ConnectionID
    var peer: NodeID
    var scope: Symbol
    var vhost: String
    var isOpen = false
    /// Whether it stands for a client of another node.
    var isProxy = false
    /// Who it is.
    var user = "guest"
    /// Whether the client wants to hear that the broker cancelled a consumer: RMQ-CONS-26, -27.
    var hearsCancel = true
    /// Whether the client wants to hear that it is blocked: RMQ-ALARM-01.
    var hearsBlocked = true
    /// Whether it is not read because of an alarm, and what came meanwhile.
    var isBlocked = false
    var backlog: [Packet] = []
    /// Whether its client is gone, which nobody notices before it is read again.
    var hasLostClient = false
    /// How many channels it may have open at once: RMQ-CONN-07.
    var channelMax: UInt16 = 2047
    /// Seconds between heartbeats; 0 for none.
    var heartbeat: UInt16 = 0
    /// When something came from the client last, but for what took the short way.
    var heardAt = Instant.zero
    /// When the socket is cut without a word, if it is to be: RMQ-CONN-05, -08, -25.
    var cutAt: Instant?
    /// The channels by number; the hot path finds the usual one or two at once.
    var numbers: [UInt16] = []
    var indices: [ChannelIndex] = []
}
