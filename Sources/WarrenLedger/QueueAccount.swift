public import WarrenTrace

/// What the facts say about one queue.
public struct QueueAccount: Sendable {
    /// The queue.
    public let symbol: Symbol
    /// Copies that lie in it now: ready, or records of a log.
    public private(set) var depth: UInt64 = 0
    /// Copies with consumers, not yet acknowledged.
    public internal(set) var unacked: UInt64 = 0
    /// Copies that counted as settled when sent, and are not worked on yet.
    public internal(set) var transit: UInt64 = 0
    private var highest: UInt64 = 0
    /// The most that lay at one of several masters, while it has them.
    private var sideMax: UInt64?
    /// The most copies that lay in it at once; where it had several masters, at one of them.
    public var depthMax: UInt64 { sideMax ?? highest }
    /// How many deliveries were sent.
    public internal(set) var delivered: UInt64 = 0
    /// From ready to sent.
    public internal(set) var wait = Series()
    private var area: Double = 0
    private var since: UInt64 = 0
    /// Whether it is a log, of which ``Ledger/log(of:)`` knows more.
    public internal(set) var isLog = false

    init(symbol: Symbol) { self.symbol = symbol }

    /// Copies that are ready now: a record of a log is not.
    public var ready: UInt64 { isLog ? 0 : depth }

    /// What a queue held at a moment; what was before is left out.
    package init(
        symbol: Symbol,
        depth: UInt64,
        unacked: UInt64,
        transit: UInt64,
        delivered: UInt64
    ) {
        self.symbol = symbol
        self.depth = depth
        self.unacked = unacked
        self.transit = transit
        self.delivered = delivered
        highest = depth
    }

    /// The depth changes at `time`.
    @inline(__always)
    mutating func add(_ time: Instant) {
        flow(to: time)
        depth &+= 1
        if depth > highest { highest = depth }
    }

    /// It has several masters, of which one holds so much.
    ///
    /// `before`: the most that it held before the second one told what it has.
    mutating func part(_ deepest: UInt64, before: UInt64) {
        sideMax = max(sideMax ?? before, deepest)
    }

    /// It has one master again.
    mutating func unite() {
        guard let most = sideMax else { return }
        (highest, sideMax) = (most, nil)
    }

    @inline(__always)
    mutating func remove(_ time: Instant) -> Bool {
        guard depth > 0 else { return false }
        flow(to: time)
        depth &-= 1
        return true
    }

    /// Signed whole numbers become floating point in one instruction, unsigned ones do not.
    @inline(__always)
    private mutating func flow(to time: Instant) {
        let stretch = Int64(bitPattern: time.nanoseconds &- since)
        area += Double(Int64(bitPattern: depth)) * Double(stretch)
        since = time.nanoseconds
    }

    /// The depth, averaged over the time from the start to `end`.
    public func depthMean(at end: Instant) -> Double {
        guard end.nanoseconds > 0 else { return 0 }
        let last = Double(depth) * Double((end - Instant(nanoseconds: since)).nanoseconds)
        return (area + last) / Double(end.nanoseconds)
    }
}
