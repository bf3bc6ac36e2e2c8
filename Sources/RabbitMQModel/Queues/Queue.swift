import DequeModule
import WarrenTrace

/// One copy of a message, ready in a queue.
struct Entry: BitwiseCopyable, Sendable {
    /// When it became ready.
    var readySince: Instant
    /// The message, in the broker's slab.
    var row: MessageIndex
    /// Whether it was sent to a consumer before.
    var redelivered: Bool
}

/// A copy that came back, with the position that it goes back to.
struct ReturnedEntry: BitwiseCopyable, Sendable {
    var position: UInt64
    var entry: Entry
}

/// A queue as a node knows it; the copies of a classic queue, if it lives here.
///
/// Copies have positions that count up for the life of the queue. Ready copies that were never taken
/// lie in a ring, where the position is implied; copies that came back lie beside it, sorted, and are
/// all older than the ring's head.
/// - Source: RMQ-REQ-01, RMQ-REQ-02 (back to the original position).
package struct Queue: Sendable {
    /// Where a queue lives, as a node sees it.
    enum Placement: Hashable, Sendable {
        /// On this node, which takes and hands out its messages.
        case here
        /// On another node, which is there.
        case elsewhere
        /// On a node that is down, and for which it waits: RMQ-CLUS-02.
        case down
        /// Its node is down and another one is to take over: whoever uses it waits.
        case orphan
        /// Its node is down, and no mirror may take over: it waits for that node. If it was stopped in good order, its
        /// mirrors stopped as well, and take nothing.
        case stranded(stopped: Bool)
        /// On a node that is being stopped in good order: what is published to it waits, or is refused.
        case ending(refuses: Bool)
        /// On a majority of its members.
        case quorum(QuorumIndex)
        /// Nowhere any more; deliveries of one that was here still hold their copies.
        case deleted(wasHere: Bool)
    }

    /// To whom a queue belongs.
    enum Owner: Hashable, Sendable {
        /// To nobody: anyone may use it.
        case nobody
        /// An exclusive one, to a connection of this node.
        case session(SessionIndex)
        /// An exclusive one, to a connection of another node.
        case elsewhere
    }

    var symbol: Symbol
    var scope: Symbol
    var declaration: QueueDeclaration
    /// Who may use it.
    var owner: Owner
    /// The node that it lives on; of a replicated queue the one that led first.
    private(set) var home: PeerIndex
    private(set) var placement: Placement
    /// Whether no other node keeps a copy of what it holds.
    private(set) var isAlone: Bool
    /// The nodes that have a copy of it, the one that has had it longest first.
    var mirrors: [PeerIndex] = []
    /// Those of them that have all of it.
    var synced: [PeerIndex] = []
    /// How often it has found a new home: RMQ-STREAM-14.
    var epoch: UInt32 = 1
    /// Behind the last record of a stream that a majority is known to have.
    var committed: UInt64 = 0
    /// The nodes that may keep a stream.
    var members: [PeerIndex] = []
    var ready = Deque<Entry>()
    /// The position of the ring's head.
    var headPosition: UInt64 = 0
    /// Copies that came back, the oldest last.
    var returned: [ReturnedEntry] = []
    /// Consumers that have room, the next in turn first.
    var rotation = Deque<ConsumerIndex>()
    /// All consumers in the order of their subscription.
    var consumers: [ConsumerIndex] = []
    var unackedCount = 0

    /// What its arguments and policies say.
    private(set) var rules: QueueRules
    /// Whether none of what follows is in use: the common queue pays nothing for the rest.
    private(set) var isPlain: Bool
    /// When copies expire, by position; those of deliveries stay until they are settled.
    var expiries: [UInt64: Instant] = [:]
    /// Ready copies by priority; a priority queue keeps all of them here.
    private(set) var lanes: [Deque<ReturnedEntry>] = []
    private(set) var laneCount = 0
    /// Body bytes of the ready copies; not kept for a plain queue.
    var readyBytes: UInt64 = 0
    /// The consumer that gets everything, or none; single active consumer only.
    var active: ConsumerIndex = .none
    /// The exclusive consumer, or none.
    var exclusiveConsumer: ConsumerIndex = .none
    /// Whether a consumer said that it comes before or after others.
    private var hasPriorities = false
    /// Whether a message said when it expires.
    private var hasExpirations = false
    /// When it was last declared, fetched from, or left by its last consumer: RMQ-DECL-48 to -52.
    var lastUse = Instant.zero
    /// When its timer for expired copies rings.
    var wakesAt: Instant?
    /// What was published to it, if it is a stream.
    var log: StreamLog?

    init(
        symbol: Symbol,
        scope: Symbol,
        declaration: QueueDeclaration,
        rules: QueueRules,
        owner: Owner = .nobody,
        home: PeerIndex = Index(0),
        isHere: Bool = true
    ) {
        self.home = home
        placement = isHere ? .here : .elsewhere
        isAlone = isHere && !rules.hasCopies
        self.symbol = symbol
        self.scope = scope
        self.declaration = declaration
        self.owner = owner
        self.rules = rules
        isPlain = rules.isPlain && isHere
        if rules.maxPriority > 0 {
            lanes = Array(repeating: Deque(), count: Int(rules.maxPriority) + 1)
        }
        if rules.kind == .stream { log = StreamLog() }
    }

    @inline(__always)
    var readyCount: Int { ready.count &+ returned.count &+ laneCount }

    /// Whether it is there, wherever.
    @inline(__always)
    var exists: Bool {
        if case .deleted = placement { false } else { true }
    }

    /// Whether its node is down, and it waits for it.
    var isDown: Bool { placement == .down }

    /// Whether its node is down or stops, and who uses it waits: for another one that is to take over, or for it.
    var isOrphan: Bool {
        switch placement {
        case .orphan, .stranded, .ending: true
        default: false
        }
    }

    /// Whether it waits for its node although there are mirrors.
    var isStranded: Bool {
        if case .stranded = placement { true } else { false }
    }

    /// Whether its node is being stopped, and it is gone before it.
    var hasEnded: Bool { placement == .ending(refuses: true) }

    /// Whether neither its node nor a mirror takes anything.
    var isStopped: Bool {
        placement == .stranded(stopped: true) || hasEnded
    }

    /// Whether it is this node that takes and hands out its messages, or did until it was deleted.
    @inline(__always)
    var isHere: Bool { placement == .here || placement == .deleted(wasHere: true) }

    /// Its part in ``RabbitMQNode/quorums``, or none.
    @inline(__always)
    var quorum: QuorumIndex {
        if case .quorum(let quorum) = placement { quorum } else { .none }
    }

    /// Its home, another node, is there again, or gone; or it turns out to be a quorum queue, or to be deleted.
    mutating func become(_ placement: Placement) {
        precondition(exists, "a deleted queue stays deleted")
        precondition(placement != .here, "a queue moves to its home")
        precondition(
            self.placement != .here || placement == .deleted(wasHere: true),
            "the home of a queue is where it lives"
        )
        self.placement = placement
    }

    /// Lives somewhere else from now on.
    mutating func move(to home: PeerIndex, isHere: Bool) {
        precondition(exists && quorum == .none, "no other queue moves")
        self.home = home
        placement = isHere ? .here : .elsewhere
        follow(rules, bytes: readyBytes)
    }

    /// Whether a message in it is on its disk, and so outlives its node: what is asked when it is written, when it is
    /// erased, and when the node goes down.
    ///
    /// - Source: RMQ-DUR-03 to -05; RMQ-STREAM-01.
    @inline(__always)
    func keeps(_ isPersistent: Bool) -> Bool {
        declaration.durable && (isPersistent || rules.kind == .stream)
    }

    /// Goes by other rules from now on; `bytes` is what the ready copies weigh.
    mutating func follow(_ rules: QueueRules, bytes: UInt64) {
        self.rules = rules
        isAlone = isHere && !rules.hasCopies
        isPlain = rules.isPlain && isHere && !hasPriorities && !hasExpirations
        readyBytes = bytes
    }

    /// A consumer with a priority came.
    mutating func honourPriorities(bytes: UInt64) {
        hasPriorities = true
        follow(rules, bytes: bytes)
    }

    /// A message that says when it expires came.
    mutating func honourExpirations(bytes: UInt64) {
        hasExpirations = true
        follow(rules, bytes: bytes)
    }

    // MARK: Copies of a queue that is not plain

    /// Puts a new copy at the end, or at the end of its priority.
    ///
    /// - Returns: its position.
    mutating func append(_ entry: Entry, _ message: MessageRow) -> UInt64 {
        guard !lanes.isEmpty else {
            ready.append(entry)
            return tailPosition - 1
        }
        let position = skip()
        lanes[lane(of: message)].append(
            ReturnedEntry(position: position, entry: entry)
        )
        laneCount += 1
        return position
    }

    /// The lane that a message belongs into.
    private func lane(of message: MessageRow) -> Int {
        min(Int(message.priority), lanes.count - 1)
    }

    /// The lane that is served next: the highest that holds something.
    private var nextLane: Int { lanes.lastIndex { !$0.isEmpty } ?? 0 }

    /// The copy that would be taken next.
    var head: ReturnedEntry? {
        if let last = returned.last { return last }
        if laneCount > 0 { return lanes[nextLane].first }
        return ready.first.map { ReturnedEntry(position: headPosition, entry: $0) }
    }

    /// Takes the next copy of a priority queue.
    private mutating func takeFromLanes() -> ReturnedEntry {
        laneCount -= 1
        return lanes[nextLane].removeFirst()
    }

    /// Takes the next copy, whatever the queue.
    mutating func takeAny() -> ReturnedEntry {
        assert(readyCount > 0, "nothing is ready to be taken")
        return returned.isEmpty && laneCount > 0 ? takeFromLanes() : take()
    }

    /// Puts a copy back to its place within its priority.
    ///
    /// - Source: RMQ-PRIO-06.
    mutating func putBack(_ returned: ReturnedEntry, _ message: MessageRow) {
        let lane = lane(of: message)
        let index = lanes[lane].firstIndex { $0.position > returned.position }
        lanes[lane].insert(returned, at: index ?? lanes[lane].count)
        laneCount += 1
    }

    /// Forgets what was known of a copy that is gone.
    mutating func forget(_ position: UInt64) { expiries[position] = nil }

    /// Drops all ready copies from the books.
    mutating func removeAllReady() {
        headPosition += UInt64(ready.count)
        ready.removeAll()
        returned = []
        for lane in lanes.indices { lanes[lane].removeAll() }
        laneCount = 0
        readyBytes = 0
    }

    /// The position of the next copy that arrives.
    var tailPosition: UInt64 { headPosition + UInt64(ready.count) }

    /// Takes the oldest ready copy.
    ///
    /// There must be one.
    @inline(__always)
    mutating func take() -> ReturnedEntry {
        assert(readyCount > 0, "nothing is ready to be taken")
        if !returned.isEmpty { return returned.removeLast() }
        let entry = ready.removeFirst()
        defer { headPosition &+= 1 }
        return ReturnedEntry(position: headPosition, entry: entry)
    }

    /// The copy that is served next goes to a consumer, which is the last in the rotation now.
    ///
    /// There must be one.
    @inline(__always)
    mutating func take(for consumer: ConsumerIndex, holds: Bool) -> ReturnedEntry {
        let taken = take()
        send(to: consumer, holds: holds)
        return taken
    }

    /// A copy takes its place behind all others.
    ///
    /// - Returns: whether there is somebody in the rotation who may take what is ready.
    @inline(__always)
    mutating func lineUp(_ entry: Entry) -> Bool {
        ready.append(entry)
        return !rotation.isEmpty
    }

    /// The consumer whose turn it is, if nothing stands in line before a copy that arrives now.
    @inline(__always)
    var nextInLine: ConsumerIndex? { readyCount == 0 ? rotation.first : nil }

    /// A copy goes straight to the consumer whose turn it is, which is the last in the rotation now.
    ///
    /// - Returns: the position of the copy, which never joins the ring.
    @inline(__always)
    mutating func passThrough(holds: Bool) -> UInt64 {
        assert(readyCount == 0 && !rotation.isEmpty, "a copy passes those that stand in line")
        if rotation.count > 1 { rotation.append(rotation.removeFirst()) }
        if holds { unackedCount &+= 1 }
        return skip()
    }

    /// The position of a copy that never joins the ring.
    @inline(__always)
    mutating func skip() -> UInt64 {
        defer { headPosition &+= 1 }
        return headPosition
    }

    /// A copy goes to a consumer, which is the last in the rotation now.
    @inline(__always)
    mutating func send(to consumer: ConsumerIndex, holds: Bool) {
        if holds { unackedCount &+= 1 }
        rotation.append(consumer)
    }

    /// Counts one delivery as settled and lets its consumer, if it is one, join the rotation.
    ///
    /// - Returns: whether there is something to deliver and somebody to take it.
    @inline(__always)
    mutating func settleOne(_ consumer: ConsumerIndex) -> Bool {
        assert(unackedCount > 0, "a queue settles what nobody holds")
        unackedCount &-= 1
        if consumer != .none { rotation.append(consumer) }
        return readyCount > 0 && !rotation.isEmpty
    }

    /// Puts copies back to where they were.
    mutating func putBack(_ entries: [ReturnedEntry]) {
        if entries.count == 1 {
            let position = entries[0].position
            var index = returned.count
            while index > 0, returned[index - 1].position < position { index -= 1 }
            returned.insert(entries[0], at: index)
        } else {
            returned += entries
            returned.sort { $0.position > $1.position }
        }
    }

    /// Every ready copy with its position, the oldest first.
    var readyEntries: [ReturnedEntry] {
        if laneCount > 0 { return returned.reversed() + lanes.reversed().flatMap { $0 } }
        return returned.reversed()
            + ready.enumerated().map {
                ReturnedEntry(position: headPosition + UInt64($0.offset), entry: $0.element)
            }
    }

    func checkInvariants() {
        precondition(
            laneCount == lanes.reduce(0) { $0 + $1.count },
            "a priority queue miscounts what is ready"
        )
        log?.checkInvariants()
        precondition((log != nil) == (rules.kind == .stream), "a stream has a log, and nobody else")
        guard rules.kind == .classic else { return }
        precondition(
            zip(returned, returned.dropFirst()).allSatisfy { $0.position > $1.position },
            "returned copies are not in order"
        )
        precondition(
            returned.allSatisfy { $0.position < headPosition },
            "a returned copy is younger than the ring's head"
        )
        precondition(
            readyCount == 0 || rotation.isEmpty || !isPlain,
            "a consumer with room waits beside a ready message"
        )
    }
}
