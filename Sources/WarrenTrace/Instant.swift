/// A moment of simulated time: nanoseconds since the run began.
///
/// It moves only between turns, and it is an integer: two moments are equal or they are not.
@frozen
public struct Instant: BitwiseCopyable, Sendable, Hashable, Comparable {
    /// Nanoseconds since the run began.
    public var nanoseconds: UInt64

    /// The moment `nanoseconds` after the start of the run.
    @inlinable
    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// The start of the run.
    @inlinable
    public static var zero: Instant { Instant(nanoseconds: 0) }

    /// A moment that no run reaches.
    @inlinable
    public static var never: Instant { Instant(nanoseconds: .max) }

    /// Earlier moments come first.
    @inlinable
    public static func < (left: Instant, right: Instant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// The moment `interval` later; at most ``never``.
    @inlinable
    public static func + (moment: Instant, interval: Interval) -> Instant {
        let (sum, overflow) = moment.nanoseconds.addingReportingOverflow(interval.nanoseconds)
        return Instant(nanoseconds: overflow ? .max : sum)
    }

    /// The time from `right` to `left`; zero if `right` is the later one.
    @inlinable
    public static func - (left: Instant, right: Instant) -> Interval {
        Interval(
            nanoseconds: left.nanoseconds > right.nanoseconds
                ? left.nanoseconds &- right.nanoseconds : 0
        )
    }
}

/// A length of simulated time in nanoseconds, never negative.
///
/// The standard library's `Duration` counts attoseconds in 128 bits; the event loop adds lengths of
/// time several times per event, so Warren keeps its own 64 bits.
@frozen
public struct Interval: BitwiseCopyable, Sendable, Hashable, Comparable {
    /// The length in nanoseconds.
    public var nanoseconds: UInt64

    /// A length of `nanoseconds`.
    @inlinable
    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// No time at all.
    @inlinable
    public static var zero: Interval { Interval(nanoseconds: 0) }

    /// A length in whole microseconds.
    public static func microseconds(_ count: UInt64) -> Interval {
        Interval(nanoseconds: count * 1_000)
    }

    /// A length in whole milliseconds.
    public static func milliseconds(_ count: UInt64) -> Interval {
        Interval(nanoseconds: count * 1_000_000)
    }

    /// A length in whole seconds.
    public static func seconds(_ count: UInt64) -> Interval {
        Interval(nanoseconds: count * 1_000_000_000)
    }

    /// The length in seconds, for people and formulas; never for deciding order.
    public var seconds: Double { Double(nanoseconds) * 1e-9 }

    /// Shorter lengths come first.
    @inlinable
    public static func < (left: Interval, right: Interval) -> Bool {
        left.nanoseconds < right.nanoseconds
    }
}
