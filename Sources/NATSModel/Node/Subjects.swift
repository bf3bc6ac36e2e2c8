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
