public import WarrenTrace

/// What the facts say about one queue.
public struct QueueAccount: Sendable {
    /// The queue.
    public let symbol: Symbol
    /// Copies ready now.
    public internal(set) var ready: UInt64 = 0
    /// Copies with consumers, not yet acknowledged.
    public internal(set) var unacked: UInt64 = 0
    /// Copies that counted as settled when sent, and are not worked on yet.
    public internal(set) var transit: UInt64 = 0
    /// The most copies that were ready at once.
    public private(set) var depthMax: UInt64 = 0
    /// How many deliveries were sent.
    public internal(set) var delivered: UInt64 = 0
    /// From ready to sent.
    public internal(set) var wait = Series()
    private var area: Double = 0
    private var since: UInt64 = 0

    init(symbol: Symbol) { self.symbol = symbol }

    /// What a queue held at a moment; what was before is left out.
    package init(
        symbol: Symbol,
        ready: UInt64,
        unacked: UInt64,
        transit: UInt64,
        delivered: UInt64
    ) {
        self.symbol = symbol
        self.ready = ready
        self.unacked = unacked
        self.transit = transit
        self.delivered = delivered
        depthMax = ready
    }

    /// The depth changes at `time`.
    @inline(__always)
    mutating func add(_ time: Instant) {
        flow(to: time)
        ready &+= 1
        if ready > depthMax { depthMax = ready }
    }

    @inline(__always)
    mutating func remove(_ time: Instant) -> Bool {
        guard ready > 0 else { return false }
        flow(to: time)
        ready &-= 1
        return true
    }

    /// Signed whole numbers become floating point in one instruction, unsigned ones do not.
    @inline(__always)
    private mutating func flow(to time: Instant) {
        let stretch = Int64(bitPattern: time.nanoseconds &- since)
        area += Double(Int64(bitPattern: ready)) * Double(stretch)
        since = time.nanoseconds
    }

    /// The depth, averaged over the time from the start to `end`.
    public func depthMean(at end: Instant) -> Double {
        guard end.nanoseconds > 0 else { return 0 }
        let last = Double(ready) * Double((end - Instant(nanoseconds: since)).nanoseconds)
        return (area + last) / Double(end.nanoseconds)
    }
}
