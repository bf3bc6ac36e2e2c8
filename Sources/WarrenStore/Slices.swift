public import WarrenTrace

/// What came and went in a stretch of time, of one queue or of the whole run.
public struct Slice: Sendable, Hashable {
    /// When it begins.
    public var start: Instant
    /// Copies that came into the queue; of the whole run: publications.
    public var came: UInt64 = 0
    /// Deliveries that were sent.
    public var sent: UInt64 = 0
    /// Copies that were acknowledged.
    public var acked: UInt64 = 0
    /// Copies that were ready at its end; of a queue with several masters, those of the fullest.
    public var depth: UInt64 = 0
    /// The most that were ready at once, and when they were first.
    public var deepest: UInt64 = 0
    public var deepestAt: Instant

    init(start: Instant, depth: UInt64) {
        self.start = start
        self.depth = depth
        deepest = depth
        deepestAt = start
    }
}

/// The time of a run in at most 256 stretches of one length, which doubles when they do not suffice: how long a run will
/// be is not known while it goes on.
struct Slices: Sendable {
    private static let most: UInt64 = 256

    /// How long each is, in nanoseconds.
    private(set) var width: UInt64 = 1_000_000
    /// By symbol, the whole run at 0: those in which something happened, in order.
    private var rows: [[Slice]] = []
    private var ready: UInt64 = 0

    /// Those of each queue, and of the whole run under ``Symbol/none``.
    var all: [(queue: Symbol, slices: [Slice])] {
        rows.enumerated().filter { !$0.element.isEmpty }
            .map { (Symbol(UInt32($0.offset)), $0.element) }
    }

    /// What a fact does to a slice.
    enum Change { case came, published, sent, acked, other }

    /// Takes in a fact about a queue that holds `depth` ready copies after it and held `before`; if it has several
    /// masters, the fullest of them holds `deepest`.
    mutating func take(
        _ change: Change,
        _ queue: Symbol,
        at time: Instant,
        before: UInt64,
        depth: UInt64,
        deepest: UInt64? = nil
    ) {
        while time.nanoseconds / width >= Self.most { double() }
        ready = ready &+ depth &- before
        if queue != .none, change != .published { note(change, queue, time, deepest ?? depth) }
        note(change == .came ? .other : change, .none, time, ready)
    }

    /// The slice of a queue in which a moment lies.
    mutating func last(of queue: Symbol, at time: Instant) -> Slice? {
        while time.nanoseconds / width >= Self.most { double() }
        guard Int(queue.raw) < rows.count, let last = rows[Int(queue.raw)].last else { return nil }
        let start = Instant(nanoseconds: time.nanoseconds / width * width)
        return last.start == start ? last : Slice(start: start, depth: last.depth)
    }

    /// A queue has several masters, the fullest of which holds `deepest`.
    ///
    /// `before`: its slice before copies came back to life at the second one, if any did.
    mutating func part(_ queue: Symbol, before: Slice?, deepest: UInt64, _ time: Instant) {
        guard Int(queue.raw) < rows.count, var last = rows[Int(queue.raw)].popLast() else { return }
        if let before {
            last.deepest = before.deepest
            last.deepestAt = before.deepestAt
        }
        last.depth = deepest
        if deepest > last.deepest { (last.deepest, last.deepestAt) = (deepest, time) }
        rows[Int(queue.raw)].append(last)
    }

    /// A queue has one master again, with `depth` ready copies.
    mutating func unite(_ queue: Symbol, depth: UInt64) {
        guard Int(queue.raw) < rows.count, !rows[Int(queue.raw)].isEmpty else { return }
        rows[Int(queue.raw)][rows[Int(queue.raw)].count - 1].depth = depth
    }

    private mutating func note(_ change: Change, _ row: Symbol, _ time: Instant, _ depth: UInt64) {
        let start = Instant(nanoseconds: time.nanoseconds / width * width)
        func add(_ slices: inout [Slice]) {
            if slices.last.map({ $0.start != start }) ?? true {
                slices.append(Slice(start: start, depth: slices.last?.depth ?? 0))
            }
            let last = slices.count - 1
            switch change {
            case .came, .published: slices[last].came += 1
            case .sent: slices[last].sent += 1
            case .acked: slices[last].acked += 1
            case .other: break
            }
            slices[last].depth = depth
            if depth > slices[last].deepest {
                slices[last].deepest = depth
                slices[last].deepestAt = time
            }
        }
        while rows.count <= Int(row.raw) { rows.append([]) }
        add(&rows[Int(row.raw)])
    }

    private mutating func double() {
        width *= 2
        for row in rows.indices {
            var merged: [Slice] = []
            for slice in rows[row] {
                let start = Instant(nanoseconds: slice.start.nanoseconds / width * width)
                guard let last = merged.indices.last, merged[last].start == start else {
                    var first = slice
                    first.start = start
                    merged.append(first)
                    continue
                }
                merged[last].came += slice.came
                merged[last].sent += slice.sent
                merged[last].acked += slice.acked
                merged[last].depth = slice.depth
                if slice.deepest > merged[last].deepest {
                    merged[last].deepest = slice.deepest
                    merged[last].deepestAt = slice.deepestAt
                }
            }
            rows[row] = merged
        }
    }
}
