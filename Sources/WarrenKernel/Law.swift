public import WarrenTrace

/// How a length of time, or a size, varies: a law and its numbers.
///
/// A plain value of fixed size; the samples of an empirical law lie in the ``Chance`` that made it.
/// Whatever the law, a draw is at least 0 and is rounded to the nearest whole unit.
@frozen
public struct Law: BitwiseCopyable, Sendable, Hashable {
    /// Which law.
    @frozen
    public enum Kind: UInt8, BitwiseCopyable, Sendable, Hashable {
        case constant, uniform, exponential, normal, lognormal, gamma, empirical
    }

    /// Which law.
    public private(set) var kind: Kind
    @usableFromInline var p: Double
    @usableFromInline var q: Double
    @usableFromInline var first: UInt32 = 0
    @usableFromInline var count: UInt32 = 0

    private init(_ kind: Kind, _ p: Double, _ q: Double = 0) {
        self.kind = kind
        self.p = p
        self.q = q
    }

    /// Always the same.
    public static func constant(_ value: Interval) -> Law {
        Law(.constant, Double(value.nanoseconds))
    }

    /// Always the same number of units.
    public static func constant(units: Double) -> Law { Law(.constant, units) }

    /// Anything from `low` to `high`, each as likely.
    public static func uniform(_ low: Double, _ high: Double) -> Law {
        Law(.uniform, low, high - low)
    }

    /// Without memory, with this mean: the gaps of a Poisson stream.
    public static func exponential(mean: Double) -> Law { Law(.exponential, mean) }

    /// The bell curve; draws below 0 count as 0.
    public static func normal(mean: Double, deviation: Double) -> Law {
        Law(.normal, mean, deviation)
    }

    /// Skewed to the right, as latencies are, from its median and its 99th percentile.
    public static func lognormal(median: Double, p99: Double) -> Law {
        // 2.3263... is the 99th percentile of the standard normal law.
        Law(
            .lognormal,
            ExactMath.log(median),
            ExactMath.log(p99 / median) / 2.3263478740408408
        )
    }

    /// From its mean and its coefficient of variation (deviation over mean).
    public static func gamma(mean: Double, variation: Double) -> Law {
        let square = variation * variation
        return Law(.gamma, 1 / square, mean * square)
    }

    /// One of the given values, each as likely.
    public static func empirical(_ values: [Double], in chance: inout Chance) -> Law {
        var law = Law(.empirical, 0)
        law.first = UInt32(chance.samples.count)
        law.count = UInt32(values.count)
        chance.samples.append(contentsOf: values)
        return law
    }
}
