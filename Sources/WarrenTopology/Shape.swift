/// What may stand at a place of a topology file.
///
/// One description serves three readers: the parser, which says what is wrong; the JSON Schema, which
/// completes in editors; and the manual.
public indirect enum Shape: Sendable {
    /// Any text, such as a name.
    case text
    /// One of these words.
    case choice([String])
    /// `true` or `false`.
    case boolean
    /// A whole number in a range.
    case integer(ClosedRange<UInt64>)
    /// `250ms`.
    case duration
    /// `64KiB`.
    case size
    /// `120/s`.
    case rate
    /// `1%` or `0.01`.
    case share
    /// A length of time or its law.
    case timeLaw
    /// A size or its law.
    case sizeLaw
    /// A rate, a gap, or the law of the gaps.
    case arrivals
    /// An expectation in Warren's grammar.
    case expression
    /// Anything at all, such as a header's value.
    case anything
    /// A list; a single element may stand without brackets.
    case list(Shape)
    /// Names of the user's own, each with a value.
    case map(Shape)
    /// Known keys.
    case record([Field])
    /// One of several, told apart by being a text, a list or a map.
    case either([Shape])

    /// The largest whole number that a file may hold: what a double holds exactly.
    public static let anyCount: ClosedRange<UInt64> = 0...9_007_199_254_740_992

    /// What is expected, for a sentence.
    public var expectation: String {
        switch self {
        case .text: "a text"
        case .choice(let words): "one of \(words.joined(separator: ", "))"
        case .boolean: "true or false"
        case .integer(let range):
            range == Self.anyCount
                ? "a whole number"
                : "a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .duration: "a length of time such as 250ms or 5s"
        case .size: "a size such as 512B or 64KiB"
        case .rate: "a rate such as 120/s"
        case .share: "a share such as 1% or 0.01"
        case .timeLaw:
            "a length of time such as 40ms, or a law such as { law: gamma, mean: 40ms, cv: 0.8 }"
        case .sizeLaw:
            "a size such as 1KiB, or a law such as { law: lognormal, median: 1KiB, p99: 12KiB }"
        case .arrivals: "a rate such as 120/s, or a law such as { law: poisson, rate: 120/s }"
        case .expression: "an expectation such as \"depth(orders) <= 100\""
        case .anything: "a value"
        case .list(let element): "a list of which each is \(element.expectation)"
        case .map: "a map of names"
        case .record(let fields):
            "a map with \(fields.prefix(4).map(\.name).joined(separator: ", "))\(fields.count > 4 ? ", …" : "")"
        case .either(let shapes):
            shapes.map(\.expectation).joined(separator: ", or ")
        }
    }
}

/// A known key of a record.
public struct Field: Sendable {
    /// The key.
    public var name: String
    /// What may stand there.
    public var shape: Shape
    /// Whether it must be there.
    public var isRequired: Bool
    /// One line for the manual and the editor.
    public var help: String
    /// Why asking for it is an error, if Warren does not model it yet: the behaviours that are missing.
    public var notModelled: String?
    /// The arguments of the protocol that it stands for: under its own name, one of them is no note.
    public var arguments: [String] = []

    /// A key.
    public init(
        _ name: String,
        _ shape: Shape,
        _ help: String,
        required: Bool = false,
        notModelled: String? = nil,
        arguments: [String] = []
    ) {
        self.name = name
        self.shape = shape
        self.help = help
        isRequired = required
        self.notModelled = notModelled
        self.arguments = arguments
    }
}
