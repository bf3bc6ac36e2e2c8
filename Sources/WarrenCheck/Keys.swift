import RabbitMQModel

/// The keys that a message may have: one, or all that a pattern of words describes.
///
/// - Source: RMQ-TOPIC-01 to -04 for the words of patterns.
enum Keys: Hashable {
    case one(String)
    case pattern([String])
    /// Nothing is known of them.
    case any

    /// The keys that a binding lets through.
    init(binding key: String, exchangeType: String) {
        switch exchangeType {
        case "direct": self = .one(key)
        case "topic":
            let words = TopicExchange.words(of: key)
            self = words.contains { $0 == "*" || $0 == "#" } ? .pattern(words) : .one(key)
        default: self = .any
        }
    }

    /// Whether some key is among both.
    func overlaps(_ other: Keys) -> Bool {
        switch (self, other) {
        case (.any, _), (_, .any): true
        case (.one(let mine), .one(let theirs)): mine == theirs
        case (.one(let key), .pattern(let words)), (.pattern(let words), .one(let key)):
            Self.meet(words[...], TopicExchange.words(of: key)[...], isKey: true)
        case (.pattern(let mine), .pattern(let theirs)):
            Self.meet(mine[...], theirs[...], isKey: false)
        }
    }

    /// Whether some key matches both patterns; wildcards of a key are plain words.
    private static func meet(_ one: ArraySlice<String>, _ other: ArraySlice<String>, isKey: Bool)
        -> Bool
    {
        // Row by row over the words of both: at most a few dozen.
        let (a, b) = (Array(one), Array(other))
        var row = [Bool](repeating: false, count: b.count + 1)
        for i in stride(from: a.count, through: 0, by: -1) {
            var next = row
            for j in stride(from: b.count, through: 0, by: -1) {
                let mine = i < a.count ? a[i] : nil
                let theirs = j < b.count ? b[j] : nil
                var meets = mine == nil && theirs == nil
                if mine == "#" { meets = meets || row[j] || (j < b.count && next[j + 1]) }
                if theirs == "#", !isKey {
                    meets = meets || (j < b.count && next[j + 1]) || row[j] && i < a.count
                }
                if let mine, let theirs {
                    let fits = mine == "*" || (theirs == "*" && !isKey) || mine == theirs
                    let hasHash = mine == "#" || (theirs == "#" && !isKey)
                    if fits, !hasHash { meets = meets || row[j + 1] }
                }
                next[j] = meets
            }
            row = next
        }
        return row[0]
    }

    /// Whether every key of a pattern is one of another.
    static func covers(_ wide: [String], _ narrow: [String]) -> Bool {
        guard let first = wide.first else { return narrow.isEmpty }
        let rest = Array(wide.dropFirst())
        if first == "#" {
            return covers(rest, narrow)
                || !narrow.isEmpty && covers(wide, Array(narrow.dropFirst()))
        }
        guard let word = narrow.first, word != "#" else { return false }
        return (first == "*" || first == word) && covers(rest, Array(narrow.dropFirst()))
    }
}
