import DequeModule

/// The copies of a quorum queue that could go out, the next one first.
///
/// Those that came back go first, in the order in which they came back; then those that were never out, by priority.
///
/// - Source: rabbit_fifo's `returns` and `messages`; RMQ-QQ-09 to -11, -22, -24.
struct QuorumMessages: Sendable {
    typealias Copy = QuorumQueue.Copy

    private var returns = Deque<Copy>()
    /// Copies that were never out: of the lowest priority, or of all if there are none, and by priority above it.
    private var lowest = Deque<Copy>()
    private var higher: [Deque<Copy>]
    private var laneCount = 0
    /// The body bytes of all.
    private(set) var bytes: UInt64 = 0
    /// How many copies of higher lanes went out in a row.
    private var highServed = 0
    private var priorities: QueueRules.QuorumPriorities

    init(_ priorities: QueueRules.QuorumPriorities) {
        self.priorities = priorities
        higher = Array(repeating: Deque(), count: Self.laneCount(priorities) - 1)
    }

    private static func laneCount(_ priorities: QueueRules.QuorumPriorities) -> Int {
        switch priorities {
        case .none: 1
        case .twoClasses: 2
        case .strict: 32
        }
    }

    @inline(__always)
    var count: Int { returns.count + laneCount }

    /// The next to go out.
    var first: Copy? {
        if returns.isEmpty, higher.isEmpty { return lowest.first }
        let lane = nextLane
        return returns.first ?? (lane == 0 ? lowest.first : higher[lane - 1].first)
    }

    /// All copies, the next to go out first.
    var all: [Copy] { Array(returns) + higher.reversed().flatMap { $0 } + lowest }

    /// Goes by other priorities from now on; what waits is sorted in anew.
    mutating func follow(_ priorities: QueueRules.QuorumPriorities) {
        self.priorities = priorities
        guard higher.count != Self.laneCount(priorities) - 1 else { return }
        let waiting = (lowest + higher.flatMap { $0 }).sorted { $0.id < $1.id }
        lowest = []
        higher = Array(repeating: Deque(), count: Self.laneCount(priorities) - 1)
        for copy in waiting { stand(copy) }
        highServed = 0
    }

    /// A copy that was never out, or counts as such, waits behind all of its priority.
    mutating func append(_ copy: Copy) {
        stand(copy)
        laneCount += 1
        bytes += UInt64(copy.packet.size)
    }

    private mutating func stand(_ copy: Copy) {
        let lane = lane(of: copy)
        if lane == 0 { lowest.append(copy) } else { higher[lane - 1].append(copy) }
    }

    /// A copy came back: it goes before all that were never out.
    mutating func putBack(_ copy: Copy) {
        returns.append(copy)
        bytes += UInt64(copy.packet.size)
    }

    /// Takes the next copy; nil if there is none.
    mutating func popFirst() -> Copy? {
        if let first = returns.popFirst() {
            bytes -= UInt64(first.packet.size)
            return first
        }
        let lane = nextLane
        guard let copy = lane == 0 ? lowest.popFirst() : higher[lane - 1].popFirst() else {
            return nil
        }
        if lane == 0 { lowest.beginAnew() }
        laneCount -= 1
        highServed = lane == 0 ? 0 : highServed + 1
        bytes -= UInt64(copy.packet.size)
        return copy
    }

    private func lane(of copy: Copy) -> Int {
        assert(
            higher.count == Self.laneCount(priorities) - 1,
            "there are other lanes than priorities"
        )
        return switch priorities {
        case .none: 0
        case .twoClasses: copy.priority >= 5 ? 1 : 0
        case .strict: copy.hasPriority ? min(Int(copy.priority), 31) : 4
        }
    }

    /// The lane that is served next: the highest, but of two classes the lower one every third time.
    private var nextLane: Int {
        if higher.isEmpty { return 0 }
        let highest = higher.lastIndex { !$0.isEmpty }.map { $0 + 1 } ?? 0
        let isTurnOfLower = priorities == .twoClasses && highServed >= 2
        return isTurnOfLower && !lowest.isEmpty ? 0 : highest
    }

    /// What must hold after each command.
    func checkInvariants() {
        precondition(
            laneCount == lowest.count + higher.reduce(0) { $0 + $1.count },
            "a quorum queue miscounts what is ready"
        )
        precondition(
            bytes == all.reduce(0) { $0 + UInt64($1.packet.size) },
            "a quorum queue miscounts the bytes of what is ready"
        )
    }
}

extension Deque {
    /// What comes next to an empty deque goes to the beginning of its room, which was used last, and not behind.
    @inline(__always)
    mutating func beginAnew() {
        if isEmpty { removeAll(keepingCapacity: true) }
    }
}
