import Histogram

/// A series of lengths of time: its exact mean, and percentiles that are exact for a thousand numbers and
/// good to three digits for more.
public struct Series: Sendable {
    /// How many numbers.
    public private(set) var count: UInt64 = 0
    private var sum: UInt64 = 0
    /// How often the sum was more than 64 bits hold.
    private var carries: UInt64 = 0
    private var zeros: UInt64 = 0
    /// The numbers themselves, while they are few: a wide topology has thousands of short series, and a
    /// histogram takes as much room as ten thousand numbers.
    private var few: ContiguousArray<UInt64> = []
    /// None while the numbers are few.
    private var histograms: [Histogram<UInt32>] = []

    /// How many numbers are few.
    private static let fewest = 1024

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
        let (total, overflow) = sum.addingReportingOverflow(value)
        sum = total
        if overflow { carries += 1 }
        if histograms.isEmpty {
            few.append(value)
            if few.count == Self.fewest { makeHistogram() }
        } else {
            histograms[0].record(value)
        }
    }

    private mutating func makeHistogram() {
        // Growing step by step costs far more than beginning with room.
        var histogram = Histogram<UInt32>(
            highestTrackableValue: Swift.max(4096, Swift.min(few.max() ?? 0, 1 << 60) * 4),
            numberOfSignificantValueDigits: .three
        )
        histogram.autoResize = true
        for value in few { histogram.record(value) }
        histograms = [histogram]
        few = []
    }

    /// The mean in nanoseconds; 0 for an empty series.
    public var mean: Double {
        count == 0 ? 0 : (Double(sum) + Double(carries) * 0x1p64) / Double(count)
    }

    /// The largest number.
    public var max: UInt64 { histograms.first?.max ?? few.max() ?? 0 }

    /// The smallest number.
    public var min: UInt64 { zeros > 0 ? 0 : histograms.first?.min ?? few.min() ?? 0 }

    /// The value that `share` of the series does not exceed; `share` from 0 to 1.
    public func percentile(_ share: Double) -> UInt64 {
        guard count > 0 else { return 0 }
        let rank = (share * Double(count)).rounded(.up)
        guard rank > Double(zeros) else { return 0 }
        let rest = rank - Double(zeros)
        guard let histogram = histograms.first else {
            return few.isEmpty ? 0 : few.sorted()[Swift.min(few.count, Int(rest)) - 1]
        }
        let value = histogram.valueAtPercentile(rest / Double(count - zeros) * 100)
        return Swift.min(value, histogram.max)
    }
}
