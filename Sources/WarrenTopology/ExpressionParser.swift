/// Reads the small grammar of expectations.
///
///     either  = both { "or" both }
///     both    = one { "and" one }
///     one     = "not" one | "(" either ")" | comparison | term
///     term    = "confirmed" | "handled" [ "by" NAME ] | "in" "queue" "(" NAME ")" | …
///     comparison = quantity ("==" | "!=" | "<=" | ">=" | "<" | ">") (number | length of time | size)
///
/// A NAME with spaces, signs or the text of a word of the grammar stands in single or double quotes.
struct ExpressionParser {
    /// Why a text is not an expectation.
    struct Failure: Error {
        var sentence: String
        var column: Int
        var length: Int
        var remedy: String
    }

    private struct Token {
        var text: String
        var column: Int
        /// Whether it stood in quotes: then it is a name, whatever it says.
        var isName = false
        /// How many characters it takes in the file.
        var length: Int
    }

    private static let plainTerms: [(String, Expression.MessageTerm)] = [
        ("published", .published), ("confirmed", .confirmed), ("nacked", .nacked),
        ("returned", .returned), ("unknown", .unknown), ("unroutable", .unroutable),
        ("dead_lettered", .deadLettered), ("dropped", .dropped), ("expired", .expired),
        ("redelivered", .redelivered), ("delivered", .delivered), ("kept", .kept),
    ]
    private static let words =
        plainTerms.map(\.0) + [
            "handled", "in", "from", "key", "header", "not", "depth", "ready", "unacked", "lag",
            "effects",
            "answered", "failed", "out_of_order", "redeliveries", "queues", "connections",
            "channels", "mean", "max", "min", "p50", "p90", "p95", "p99", "p999",
        ]
    private static let series = [
        "wait", "depth", "unacked", "lag", "age", "rtt", "confirm", "work",
    ]

    private var tokens: [Token] = []
    private var next = 0
    private var depth = 0
    private let text: String

    static func parse(_ text: String) throws(Failure) -> Expression {
        var parser = try ExpressionParser(text)
        let expression = try parser.either()
        if let extra = parser.peek {
            throw parser.failure(
                "'\(extra.text)' is too much here",
                extra,
                "join with 'and' or 'or'"
            )
        }
        return expression
    }

    private init(_ text: String) throws(Failure) {
        self.text = text
        tokens = try Self.tokens(text)
        if tokens.count > Self.longest {
            throw Failure(
                sentence: "the expectation has more than \(Self.longest) words and signs",
                column: tokens[Self.longest].column,
                length: 1,
                remedy: "say it in several, each with a name"
            )
        }
        if tokens.isEmpty {
            throw Failure(
                sentence: "the expectation is empty",
                column: 0,
                length: 1,
                remedy: "write one such as \"depth(orders) <= 100\""
            )
        }
    }

    private static func tokens(_ text: String) throws(Failure) -> [Token] {
        let characters = Array(text)
        var tokens: [Token] = []
        var index = 0
        while index < characters.count {
            let character = characters[index]
            if " \n\t".contains(character) {
                index += 1
                continue
            }
            let start = index
            index += 1
            if "'\"".contains(character) {
                guard let end = characters[index...].firstIndex(of: character) else {
                    throw Failure(
                        sentence: "a name begins with \(character) and does not end",
                        column: start,
                        length: characters.count - start,
                        remedy: "close it with \(character)"
                    )
                }
                let name = String(characters[index..<end])
                index = end + 1
                let length = index - start
                tokens.append(Token(text: name, column: start, isName: true, length: length))
                continue
            }
            if "<>=!".contains(character) {
                if index < characters.count, characters[index] == "=" { index += 1 }
            } else if !"()".contains(character) {
                while index < characters.count, !" ()<>=!\n\t".contains(characters[index]) {
                    index += 1
                }
            }
            let word = String(characters[start..<index])
            tokens.append(Token(text: word, column: start, length: index - start))
        }
        return tokens
    }

    private var peek: Token? { next < tokens.count ? tokens[next] : nil }

    private func failure(_ sentence: String, _ token: Token?, _ remedy: String) -> Failure {
        Failure(
            sentence: sentence,
            column: token?.column ?? text.count,
            length: token?.length ?? 1,
            remedy: remedy
        )
    }

    private mutating func take(_ word: String) -> Bool {
        guard peek?.text == word, peek?.isName == false else { return false }
        next += 1
        return true
    }

    private mutating func expect(_ word: String) throws(Failure) {
        guard take(word) else {
            let seen = peek.map { "'\($0.text)'" } ?? "the end"
            throw failure("expected '\(word)' and found \(seen)", peek, "add '\(word)'")
        }
    }

    private mutating func name() throws(Failure) -> String {
        guard let token = peek, token.isName || !"()<>=!".contains(token.text) else {
            throw failure("a name is missing", peek, "name a queue, a client or an effect")
        }
        next += 1
        return token.text
    }

    private mutating func argument() throws(Failure) -> String {
        try expect("(")
        let argument = try name()
        try expect(")")
        return argument
    }

    private mutating func either() throws(Failure) -> Expression {
        var left = try both()
        while take("or") { left = .or(left, try both()) }
        return left
    }

    private mutating func both() throws(Failure) -> Expression {
        var left = try one()
        while take("and") { left = .and(left, try one()) }
        return left
    }

    private mutating func one() throws(Failure) -> Expression {
        if take("not") {
            try descend()
            let inner = try one()
            depth -= 1
            return .not(inner)
        }
        if take("(") {
            try descend()
            let inner = try either()
            depth -= 1
            try expect(")")
            return inner
        }
        if let quantity = try quantity() { return try comparison(quantity) }
        let term = try messageTerm()
        if let sign = peek, Expression.Comparison(rawValue: sign.text) != nil {
            return try comparison(.count(term))
        }
        return .message(term)
    }

    /// How many words and signs an expectation may have.
    private static let longest = 1000
    /// How deep brackets and `not` may stand within each other.
    private static let deepest = 100

    private mutating func descend() throws(Failure) {
        depth += 1
        guard depth <= Self.deepest else {
            throw failure(
                "brackets and `not` stand more than \(Self.deepest) deep within each other",
                next > 0 ? tokens[next - 1] : nil,
                "leave out those that change nothing"
            )
        }
    }

    private mutating func messageTerm() throws(Failure) -> Expression.MessageTerm {
        guard let token = peek else {
            throw failure("something is missing at the end", nil, "finish the sentence")
        }
        next += 1
        guard !token.isName else {
            throw failure(
                "a name stands alone",
                token,
                "say what is expected of it, such as \"depth('\(token.text)') == 0\""
            )
        }
        if let plain = Self.plainTerms.first(where: { $0.0 == token.text }) { return plain.1 }
        switch token.text {
        case "handled": return .handled(by: take("by") ? try name() : nil)
        case "from": return .from(try name())
        case "key":
            try expect("is")
            return .key(try name())
        case "header":
            let header = try name()
            try expect("is")
            return .header(header, try name())
        case "in":
            try expect("queue")
            return .inQueue(try argument())
        default:
            throw failure(
                "'\(token.text)' is not a word of expectations",
                token,
                DidYouMean.hint(token.text, in: Self.words)
            )
        }
    }

    private mutating func quantity() throws(Failure) -> Expression.Quantity? {
        guard let token = peek, !token.isName else { return nil }
        switch token.text {
        case "depth", "ready":
            next += 1
            return .depth(try argument())
        case "answered":
            next += 1
            return .answered(try argument())
        case "failed":
            next += 1
            return .failed(try argument())
        case "out_of_order":
            next += 1
            return .outOfOrder(try argument())
        case "redeliveries":
            next += 1
            return .redeliveries
        case "queues":
            next += 1
            return .queueCount
        case "connections":
            next += 1
            return .connectionCount
        case "channels":
            next += 1
            return .channelCount
        case "unacked":
            next += 1
            return .unacked(try argument())
        case "lag":
            next += 1
            return .lag(try argument())
        case "effects":
            next += 1
            let effect = try argument()
            if take("per") {
                try expect("message_id")
                return .effectsPerMessage(effect)
            }
            return .effects(effect)
        default:
            guard let statistic = Self.statistic(token.text) else { return nil }
            next += 1
            try expect("(")
            let series = try self.series()
            try expect(")")
            if statistic != .max, let word = series.ofWhichOnlyTheMostIsKnown {
                throw failure(
                    "of \(word) only the most is known",
                    token,
                    "write max(\(word)(…))"
                )
            }
            return .statistic(statistic, series)
        }
    }

    private static func statistic(_ word: String) -> Expression.Statistic? {
        switch word {
        case "mean": .mean
        case "max": .max
        case "min": .min
        case "p50": .percentile(500)
        case "p90": .percentile(900)
        case "p95": .percentile(950)
        case "p99": .percentile(990)
        case "p999": .percentile(999)
        default: nil
        }
    }

    private mutating func series() throws(Failure) -> Expression.Series {
        let token = peek
        switch try name() {
        case "wait": return .wait(try argument())
        case "depth": return .depth(try argument())
        case "unacked": return .unacked(try argument())
        case "lag": return .lag(try argument())
        case "age": return .age(try argument())
        case "rtt": return .roundTrip(try argument())
        case "confirm": return .confirm(try argument())
        case "work": return .work(try argument())
        default:
            throw failure(
                "'\(token?.text ?? "")' is not a series",
                token,
                DidYouMean.hint(token?.text ?? "", in: Self.series)
            )
        }
    }

    private mutating func comparison(_ quantity: Expression.Quantity) throws(Failure) -> Expression
    {
        guard let sign = peek, let comparison = Expression.Comparison(rawValue: sign.text) else {
            throw failure(
                "a comparison is missing after the quantity",
                peek,
                "go on with ==, !=, <, <=, > or >= and a number"
            )
        }
        next += 1
        guard let token = peek else {
            throw failure("a number is missing at the end", nil, "such as 100, 3s or 64KiB")
        }
        next += 1
        let value =
            Units.number(token.text) ?? Units.duration(token.text) ?? Units.size(token.text)
        guard let value else {
            throw failure("'\(token.text)' is not a number", token, "such as 100, 3s or 64KiB")
        }
        // Beyond that a number is no longer exactly what the file says.
        guard value <= 9_007_199_254_740_992 || quantity.isTime && value <= Units.longest else {
            throw failure(
                "\(token.text) is more than any run could count",
                token,
                "numbers reach up to 9007199254740992, and times up to 36500d"
            )
        }
        if quantity.isTime, Units.duration(token.text) == nil {
            throw failure(
                "'\(token.text)' is not a length of time",
                token,
                "give it a unit: 3s, 250ms"
            )
        }
        return .compare(quantity, comparison, value)
    }
}

extension Expression.Quantity {
    /// Whether it is a length of time.
    public var isTime: Bool {
        switch self {
        case .statistic(_, .depth), .statistic(_, .unacked), .statistic(_, .lag), .depth, .unacked,
            .lag, .count, .effects, .effectsPerMessage, .answered, .failed, .outOfOrder,
            .redeliveries, .queueCount,
            .connectionCount, .channelCount:
            false
        case .statistic: true
        }
    }
}
