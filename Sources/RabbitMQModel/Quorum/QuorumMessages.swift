import DequeModule

/// The copies of a quorum queue that could go out, the next one first.
///
/// Those that came back go first, in the order in which they came back; then those that were never out, by priority.
///
/// - Source: rabbit_fifo's `returns` and `messages`; RMQ-QQ-09 to -11, -22, -24.
struct QuorumMessages: Sendable {
    typealias Copy = QuorumQueue.Copy

    private var returns = Deque<Copy>()
    /// Copies that were never out, by priority.
    private var lanes: [Deque<Copy>]
    private var laneCount = 0
    /// How many copies of higher lanes went out in a row.
    private var highServed = 0
    private var priorities: QueueRules.QuorumPriorities
    /// The body bytes of all.
    private(set) var bytes: UInt64 = 0

    init(_ priorities: QueueRules.QuorumPriorities) {
        self.priorities = priorities
        lanes = Array(repeating: Deque(), count: Self.laneCount(priorities))
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
    var first: Copy? { returns.first ?? lanes[nextLane].first }

    /// All copies, the next to go out first.
    var all: [Copy] { Array(returns) + lanes.reversed().flatMap { $0 } }

    /// Goes by other priorities from now on; what waits is sorted in anew.
    mutating func follow(_ priorities: QueueRules.QuorumPriorities) {
        self.priorities = priorities
        guard lanes.count != Self.laneCount(priorities) else { return }
        let waiting = lanes.flatMap { $0 }.sorted { $0.id < $1.id }
        lanes = Array(repeating: Deque(), count: Self.laneCount(priorities))
        for copy in waiting { lanes[lane(of: copy)].append(copy) }
        highServed = 0
    }

    /// A copy that was never out, or counts as such, waits behind all of its priority.
    mutating func append(_ copy: Copy) {
        lanes[lane(of: copy)].append(copy)
        laneCount += 1
        bytes += UInt64(copy.packet.size)
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
        guard let copy = lanes[lane].popFirst() else { return nil }
        laneCount -= 1
        highServed = lane == 0 ? 0 : highServed + 1
        bytes -= UInt64(copy.packet.size)
        return copy
    }

    private func lane(of copy: Copy) -> Int {
        assert(lanes.count == Self.laneCount(priorities), "there are other lanes than priorities")
        return switch priorities {
        case .none: 0
        case .twoClasses: copy.priority >= 5 ? 1 : 0
        case .strict: copy.hasPriority ? min(Int(copy.priority), 31) : 4
        }
    }

    /// The lane that is served next: the highest, but of two classes the lower one every third time.
    private var nextLane: Int {
        if lanes.count == 1 { return 0 }
        let highest = lanes.lastIndex { !$0.isEmpty } ?? 0
        let isTurnOfLower = priorities == .twoClasses && highServed >= 2
        return isTurnOfLower && !lanes[0].isEmpty ? 0 : highest
    }

    /// What must hold after each command.
    func checkInvariants() {
        precondition(
            laneCount == lanes.reduce(0) { $0 + $1.count },
            "a quorum queue miscounts what is ready"
        )
        precondition(
            bytes == all.reduce(0) { $0 + UInt64($1.packet.size) },
            "a quorum queue miscounts the bytes of what is ready"
        )
    }
}
