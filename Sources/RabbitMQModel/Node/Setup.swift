import WarrenTrace

/// What a node was built from, and what operators have changed of it since: its version and its clock.
struct Setup: Sendable {
    /// The broker's name, as facts have it.
    let broker: Symbol
    let name: String
    let definitions: [Definitions]
    private(set) var settings: BrokerSettings
    /// How far the clock is off, in nanoseconds.
    private var clockOffset: Int64 = 0

    /// A clock may be off by a hundred years, and no more.
    private static let furthestClock: Int64 = 3_153_600_000_000_000_000

    init(
        broker: Symbol,
        name: String,
        definitions: [Definitions],
        settings: BrokerSettings
    ) {
        self.broker = broker
        self.name = name
        self.definitions = definitions
        self.settings = settings
    }

    /// The node has come up with another version.
    mutating func upgrade(to version: Version) { settings.version = version }

    /// Somebody may not do everything from now on.
    mutating func restrict() { settings.hasRestrictions = true }

    /// What the node's clock says; copies expire by it.
    @inline(__always)
    func clock(_ now: Instant) -> Instant {
        Instant(nanoseconds: UInt64(max(Int64(now.nanoseconds) + clockOffset, 0)))
    }

    /// The clock jumps, by nanoseconds.
    mutating func jump(_ nanoseconds: Int64) {
        let (sum, overflow) = clockOffset.addingReportingOverflow(nanoseconds)
        if overflow { return }
        clockOffset = min(max(sum, -Self.furthestClock), Self.furthestClock)
    }
}
