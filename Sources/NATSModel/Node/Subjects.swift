/// Subjects, and the patterns that subscriptions have for them.
///
/// - Source: NATS-SUB-01 to -06, -08.
enum Subject {
    /// Whether a pattern matches a published subject, token by token.
    static func matches(_ pattern: String, _ subject: String) -> Bool {
        let wanted = pattern.split(separator: ".", omittingEmptySubsequences: false)
        let tokens = subject.split(separator: ".", omittingEmptySubsequences: false)
        for (index, word) in wanted.enumerated() {
            // `>` stands for one or more tokens, and only at the end.
            if word == ">", index == wanted.count - 1 { return index < tokens.count }
            guard index < tokens.count else { return false }
            if word != "*", word != tokens[index] { return false }
        }
        return wanted.count == tokens.count
    }

    /// Why a pattern does not match a published subject, in words; nil if it does.
    ///
    /// - Source: NATS-SUB-01 to -03, -06.
    static func miss(_ pattern: String, _ subject: String) -> String? {
        if matches(pattern, subject) { return nil }
        let wanted = pattern.split(separator: ".", omittingEmptySubsequences: false)
        let tokens = subject.split(separator: ".", omittingEmptySubsequences: false)
        for (index, token) in wanted.enumerated() {
            guard index < tokens.count else {
                return "the subject ends before token \(index + 1), '\(token)'"
            }
            if token != "*", token != tokens[index] {
                return "token \(index + 1) is '\(tokens[index])' and not '\(token)'"
            }
        }
        return "the subject has \(tokens.count) tokens, and the pattern \(wanted.count)"
    }

    /// Whether a library can publish to this subject; what is between its dots the server does not look at.
    ///
    /// - Source: NATS-SUB-07, -13.
    static func canBePublishedTo(_ subject: String) -> Bool {
        !subject.isEmpty && !subject.contains(where: \.isWhitespace)
    }

    /// Why a subscription to this pattern is refused; nil if it is fine.
    ///
    /// - Source: NATS-SUB-04, -05.
    static func fault(in pattern: String) -> String? {
        let words = pattern.split(separator: ".", omittingEmptySubsequences: false)
        if words.contains("") { return "it has an empty token" }
        if words.dropLast().contains(">") { return "> stands before the end" }
        return nil
    }
}

extension NATS {
    /// Why a pattern of a subscription does not match a published subject, in words; nil if it does.
    package static func miss(_ pattern: String, _ subject: String) -> String? {
        Subject.miss(pattern, subject)
    }
}
