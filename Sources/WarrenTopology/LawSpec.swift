/// A law as a file says it, in nanoseconds or bytes.
public enum LawSpec: Sendable, Hashable {
    case constant(Double)
    case uniform(low: Double, high: Double)
    case exponential(mean: Double)
    case normal(mean: Double, deviation: Double)
    case lognormal(median: Double, p99: Double)
    case gamma(mean: Double, variation: Double)
    case empirical([Double])

    /// The mean, in the law's own unit; of a lognormal law its median, which is near enough to plan by.
    public var mean: Double {
        switch self {
        case .constant(let value): value
        case .uniform(let low, let high): (low + high) / 2
        case .exponential(let mean), .normal(let mean, _), .gamma(let mean, _): mean
        case .lognormal(let median, _): median
        case .empirical(let values): values.reduce(0, +) / Double(max(values.count, 1))
        }
    }
}

extension LawSpec {
    /// The law of a size, such as `1KiB`; nil if it is none.
    package static func size(_ tree: Tree) -> LawSpec? { LawForm.law(tree, Units.size) }
}

/// The laws of a topology file: their words and their numbers.
enum LawForm {
    /// What each law needs.
    static let parts: [(law: String, needs: [String])] = [
        ("constant", ["value"]),
        ("uniform", ["min", "max"]),
        ("exponential", ["mean"]),
        ("normal", ["mean", "deviation"]),
        ("lognormal", ["median", "p99"]),
        ("gamma", ["mean", "cv"]),
        ("empirical", ["values"]),
    ]

    static let names = parts.map(\.law)

    /// The law in a tree that fits its shape.
    static func law(_ tree: Tree, _ unit: (String) -> Double?) -> LawSpec? {
        if let text = tree.text { return unit(text).map { LawSpec.constant($0) } }
        func value(_ key: String) -> Double? { tree[key]?.text.flatMap(unit) }
        switch tree["law"]?.text {
        case "constant": return value("value").map { LawSpec.constant($0) }
        case "uniform":
            guard let low = value("min"), let high = value("max"), low <= high else { return nil }
            return .uniform(low: low, high: high)
        case "exponential": return value("mean").map { LawSpec.exponential(mean: $0) }
        case "normal":
            guard let mean = value("mean"), let deviation = value("deviation") else { return nil }
            return .normal(mean: mean, deviation: deviation)
        case "lognormal":
            guard let median = value("median"), let p99 = value("p99"), median > 0, p99 >= median
            else { return nil }
            return .lognormal(median: median, p99: p99)
        case "gamma":
            guard let mean = value("mean"), let cv = tree["cv"]?.text.flatMap(Units.number), cv > 0
            else { return nil }
            return .gamma(mean: mean, variation: cv)
        case "empirical":
            let values = tree["values"]?.elements.compactMap { $0.text.flatMap(unit) } ?? []
            return values.isEmpty ? nil : .empirical(values)
        default: return nil
        }
    }

    /// The gaps between arrivals.
    static func arrivals(_ tree: Tree) -> LawSpec? {
        if let text = tree.text {
            if let rate = Units.rate(text), rate > 0 { return .constant(1e9 / rate) }
            return Units.duration(text).map { LawSpec.constant($0) }
        }
        if let rate = tree["rate"]?.text.flatMap(Units.rate), rate > 0 {
            switch tree["law"]?.text {
            case "poisson", "exponential": return .exponential(mean: 1e9 / rate)
            case "constant", nil: return .constant(1e9 / rate)
            case "gamma":
                guard let cv = tree["cv"]?.text.flatMap(Units.number), cv > 0 else { return nil }
                return .gamma(mean: 1e9 / rate, variation: cv)
            default: return nil
            }
        }
        return law(tree, Units.duration)
    }
}

extension ShapeCheck {
    /// Checks a law: its word, and that its numbers are there and make sense.
    mutating func law(_ tree: Tree, _ shape: Shape, _ what: String) {
        let isSize: Bool
        let isArrivals: Bool
        switch shape {
        case .sizeLaw: (isSize, isArrivals) = (true, false)
        case .arrivals: (isSize, isArrivals) = (false, true)
        default: (isSize, isArrivals) = (false, false)
        }
        let unit = { (text: String) -> Double? in isSize ? Units.size(text) : Units.duration(text) }
        let parsed: LawSpec? = isArrivals ? LawForm.arrivals(tree) : LawForm.law(tree, unit)
        // A plain length or size is held to the same range as one within a law.
        let drawn: Shape = isSize ? .sizeLaw : .timeLaw
        let one: Shape = isSize ? .size : .duration
        guard case .map(let entries) = tree.content else {
            if parsed == nil {
                reject(tree, shape, what)
            } else if let text = tree.text {
                checkRange(tree, text, Units.rate(text) == nil ? drawn : .rate, what)
            }
            return
        }
        for entry in entries where entry.key == "cv" {
            let value = entry.value.text.flatMap(Units.number) ?? 1
            guard value > Units.largestVariation || value < 1 / Units.largestVariation else {
                continue
            }
            findings.append(
                Finding(
                    "out-of-range",
                    "\(what).cv is \(entry.value.description)",
                    at: entry.value.place,
                    label: "from 0.01 to 100",
                    why: "what is beyond that says nothing about any system"
                )
            )
        }
        var fields = [
            Field("law", .choice(LawForm.names + (isArrivals ? ["poisson"] : [])), "which law")
        ]
        for key in ["value", "min", "max", "mean", "deviation", "median", "p99"] {
            fields.append(Field(key, one, "a number of the law"))
        }
        fields.append(Field("cv", .text, "deviation over mean"))
        fields.append(Field("values", .list(one), "the samples"))
        if isArrivals { fields.append(Field("rate", .rate, "how many in a time")) }
        let before = findings.count
        check(tree, .record(fields), what)
        guard findings.count == before else { return }
        for entry in entries {
            for number in entry.value.elements
            where ["law", "cv", "rate"].contains(entry.key) == false {
                checkRange(number, number.text ?? "", drawn, "\(what).\(entry.key)")
            }
        }
        guard parsed == nil else { return }
        let word = tree["law"]?.text ?? "constant"
        let needs = LawForm.parts.first { $0.law == word }?.needs ?? ["rate"]
        let given = entries.map(\.key).filter { $0 != "law" }
        findings.append(
            Finding(
                "incomplete-law",
                "\(what): the law \(word) cannot be made from \(given.isEmpty ? "nothing" : given.joined(separator: ", "))",
                at: tree.place,
                label:
                    "it needs \(needs.joined(separator: " and "))\(isArrivals ? ", or a rate" : "")",
                remedy: "numbers must be positive, min at most max, and median at most p99"
            )
        )
    }
}

extension LawSpec {
    /// The law of lengths of time in a tree that fits ``Shape/timeLaw``; nil if it does not.
    public init?(_ tree: Tree) {
        guard let law = LawForm.law(tree, Units.duration) else { return nil }
        self = law
    }
}
