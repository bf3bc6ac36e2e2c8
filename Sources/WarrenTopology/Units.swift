/// The texts of lengths of time, sizes, rates and shares.
public enum Units {
    private static let durations: [(String, Double)] = [
        ("ns", 1), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9),
        ("d", 86400e9),
    ]
    private static let sizes: [(String, Double)] = [
        ("B", 1), ("KiB", 1024), ("MiB", 1_048_576), ("GiB", 1_073_741_824), ("kB", 1000),
        ("MB", 1e6), ("GB", 1e9),
    ]
    private static let rates: [(String, Double)] = [
        ("/s", 1), ("/m", 1 / 60.0), ("/h", 1 / 3600.0),
    ]

    /// The longest length of time that a file may say: a hundred years.
    public static let longest = 36_500 * 86_400e9
    /// The longest that may be drawn again and again: of work, links, disks and gaps.
    public static let longestDraw = 1000 * 86_400e9
    /// The largest size that a file may say: 1024 TiB.
    public static let largest = 0x1p50
    /// The largest body.
    public static let largestBody = 0x1p30
    /// The largest coefficient of variation.
    public static let largestVariation = 100.0
    /// The rates that a file may say, per second.
    public static let ratesAllowed = 1e9 / longestDraw...1e9
    /// The largest factor by which anything may become slower.
    public static let largestFactor = 1e6

    /// The words of the units of time.
    public static var durationUnits: [String] { durations.map(\.0) }
    /// The words of the units of size.
    public static var sizeUnits: [String] { sizes.map(\.0) }
    /// The words of the units of rate.
    public static var rateUnits: [String] { rates.map(\.0) }

    /// `250ms` in nanoseconds; nil if it is not a length of time.
    public static func duration(_ text: String) -> Double? { parse(text, durations) }

    /// `64KiB` in bytes; nil if it is not a size.
    public static func size(_ text: String) -> Double? { parse(text, sizes) }

    /// `120/s` per second; nil if it is not a rate.
    public static func rate(_ text: String) -> Double? { parse(text, rates) }

    /// `1%` or `0.01` as 0.01; nil if it is not a share from 0 to 1.
    public static func share(_ text: String) -> Double? {
        let value =
            text.hasSuffix("%")
            ? number(String(text.dropLast())).map { $0 / 100 } : number(text)
        return value.flatMap { $0 <= 1 ? $0 : nil }
    }

    /// A number without sign or unit.
    public static func number(_ text: String) -> Double? {
        guard let first = text.first, first.isASCII, first.isNumber,
            text.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }), text.last != "."
        else { return nil }
        return Double(text)
    }

    private static func parse(_ text: String, _ units: [(String, Double)]) -> Double? {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unit = text.dropFirst(digits.count).drop { $0 == " " }
        guard let factor = units.first(where: { $0.0 == unit })?.1,
            let value = number(String(digits))
        else { return nil }
        let product = value * factor
        return product.isFinite ? product : nil
    }
}
