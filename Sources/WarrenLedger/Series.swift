import Histogram

/// A series of lengths of time: its exact mean, and percentiles to three digits.
public struct Series: Sendable {
    /// How many numbers.
    public private(set) var count: UInt64 = 0
    private var sum: UInt64 = 0
    private var zeros: UInt64 = 0
    /// None until the first number above zero: most queues of a wide topology never need one.
    private var histograms: [Histogram<UInt32>] = []

    /// An empty series.
    public init() {}

    /// Adds a number, in nanoseconds.
    ///
    /// Zero costs a counter: most waits in a healthy topology are none.
    @inline(__always)
    mutating func add(_ value: UInt64) {
        count &+= 1
        if value == 0 {
            zeros &+= 1
        } else {
            addPositive(value)
        }
    }

    private mutating func addPositive(_ value: UInt64) {
        sum &+= value
        if histograms.isEmpty { histograms = [Histogram(numberOfSignificantValueDigits: .three)] }
        histograms[0].record(value)
    }

    /// The mean in nanoseconds; 0 for an empty series.
    public var mean: Double { count == 0 ? 0 : Double(sum) / Double(count) }

    /// The largest number.
    public var max: UInt64 { histograms.first?.max ?? 0 }

    /// The smallest number.
    public var min: UInt64 { zeros > 0 ? 0 : histograms.first?.min ?? 0 }

    /// The value that `share` of the series does not exceed; `share` from 0 to 1.
    public func percentile(_ share: Double) -> UInt64 {
        guard count > 0 else { return 0 }
        let rank = (share * Double(count)).rounded(.up)
        guard let histogram = histograms.first, rank > Double(zeros) else { return 0 }
        let rest = (rank - Double(zeros)) / Double(count - zeros)
        return Swift.min(histogram.valueAtPercentile(rest * 100), histogram.max)
    }
}
