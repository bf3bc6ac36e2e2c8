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

    /// A length of so many nanoseconds, rounded down; what is no length at all is zero, and what is too long
    /// is as long as can be.
    public init(clamping nanoseconds: Double) {
        guard nanoseconds >= 0 else {
            self.nanoseconds = 0
            return
        }
        self.nanoseconds = nanoseconds < 0x1p64 ? UInt64(nanoseconds) : .max
    }

    /// No time at all.
    @inlinable
    public static var zero: Interval { Interval(nanoseconds: 0) }

    /// A length in whole microseconds.
    public static func microseconds(_ count: UInt64) -> Interval {
        Interval(nanoseconds: count).times(1_000)
    }

    /// A length in whole milliseconds.
    public static func milliseconds(_ count: UInt64) -> Interval {
        Interval(nanoseconds: count).times(1_000_000)
    }

    /// A length in whole seconds.
    public static func seconds(_ count: UInt64) -> Interval {
        Interval(nanoseconds: count).times(1_000_000_000)
    }

    /// The length in seconds, for people and formulas; never for deciding order.
    public var seconds: Double { Double(nanoseconds) * 1e-9 }

    /// So many times this length; at most as long as can be.
    @inlinable
    public func times(_ count: UInt64) -> Interval {
        let (product, overflow) = nanoseconds.multipliedReportingOverflow(by: count)
        return Interval(nanoseconds: overflow ? .max : product)
    }

    /// So many thousandths of this length; at most as long as can be.
    @inlinable
    public func times(thousandths: UInt64) -> Interval {
        let product = nanoseconds.multipliedFullWidth(by: thousandths)
        guard product.high < 1000 else { return Interval(nanoseconds: .max) }
        return Interval(nanoseconds: UInt64(1000).dividingFullWidth(product).quotient)
    }

    /// Both lengths, one after the other; at most as long as can be.
    @inlinable
    public static func + (left: Interval, right: Interval) -> Interval {
        let (sum, overflow) = left.nanoseconds.addingReportingOverflow(right.nanoseconds)
        return Interval(nanoseconds: overflow ? .max : sum)
    }

    /// What is left of a length; nothing if the other is longer.
    @inlinable
    public static func - (left: Interval, right: Interval) -> Interval {
        Interval(
            nanoseconds: left.nanoseconds > right.nanoseconds
                ? left.nanoseconds &- right.nanoseconds : 0
        )
    }

    /// Shorter lengths come first.
    @inlinable
    public static func < (left: Interval, right: Interval) -> Bool {
        left.nanoseconds < right.nanoseconds
    }
}
