/// Something to say about a file: what was seen, where, why it matters, what to do, and a slug.
public struct Finding: Sendable, Hashable, Error {
    /// How bad it is.
    public enum Severity: String, Sendable, Hashable, CaseIterable, Comparable {
        case error, warning, note

        /// Errors first.
        public static func < (one: Severity, other: Severity) -> Bool {
            allCases.firstIndex(of: one) ?? 0 < allCases.firstIndex(of: other) ?? 0
        }
    }

    /// What a broker does with the object that a finding is about.
    public enum Outcome: String, Sendable, Hashable, CaseIterable {
        /// It is there afterwards, and does what it says.
        case created
        /// The whole file is refused at this point: what comes later is not created.
        case refused
        /// It is left out, and nothing but a line of the log says so.
        case skipped
        /// It is stored, and part of it has no effect.
        case ignored
    }

    /// How bad it is.
    public var severity: Severity
    /// A stable word to search for.
    public var slug: String
    /// What was seen: a sentence without a capital and without a full stop.
    public var sentence: String
    /// Where.
    public var place: Place?
    /// A few words under the place.
    public var label: String
    /// Why it matters.
    public var why: String
    /// What to try.
    public var remedy: String
    /// What it is about, such as `queue 'jobs' in '/'`; empty if that is no object of a broker.
    public var object = ""
    /// What a broker does with it, if that is known.
    public var outcome: Outcome?

    /// A finding.
    public init(
        _ slug: String,
        _ sentence: String,
        at place: Place?,
        label: String = "",
        why: String = "",
        remedy: String = "",
        severity: Severity = .error
    ) {
        self.severity = severity
        self.slug = slug
        self.sentence = sentence
        self.place = place
        self.label = label
        self.why = why
        self.remedy = remedy
    }

    /// The finding as text of several lines, with the offending part of the file underlined.
    public func text(in files: [SourceFile]) -> String {
        var lines = ["\(severity.rawValue): \(sentence)  [\(slug)]"]
        if let place, place.file < files.count {
            let file = files[place.file]
            lines.append("  \(file.path):\(place.line):\(place.column)")
            // A long line is shown around the place.
            if let (window, from) = file.window(
                line: place.line,
                around: place.column,
                width: 120
            ), !window.isEmpty {
                let number = String(place.line)
                let shown = window.map { $0 == "\t" ? " " : String($0) }.joined()
                let indent = String(repeating: " ", count: max(0, place.column - from))
                let room = max(1, min(place.length, max(1, shown.count - indent.count)))
                let under = String(repeating: "^", count: room)
                lines.append("   \(number) │ \(shown)")
                let gutter = String(repeating: " ", count: number.count)
                lines.append("   \(gutter) │ \(indent)\(under)\(label.isEmpty ? "" : " " + label)")
            }
        }
        if !why.isEmpty { lines.append("  why: \(why)") }
        if !remedy.isEmpty { lines.append("  try: \(remedy)") }
        return lines.joined(separator: "\n")
    }
}

/// The known word that is nearest to a wrong one.
public enum DidYouMean {
    /// The nearest of `known`, if it is near enough to be meant.
    public static func nearest(to word: String, in known: [String]) -> String? {
        let lowered = word.lowercased()
        var best: (distance: Int, word: String)?
        for candidate in known {
            let distance = distance(lowered, candidate.lowercased())
            if best.map({ distance < $0.distance }) ?? true { best = (distance, candidate) }
        }
        guard let best, best.distance <= max(1, min(word.count, best.word.count) / 3) else {
            return nil
        }
        return best.word
    }

    /// "did you mean 'x'?" or the list of what is known.
    public static func hint(_ word: String, in known: [String]) -> String {
        if let near = nearest(to: word, in: known) { return "did you mean '\(near)'?" }
        if known.isEmpty { return "none is known here" }
        guard known.count > 24 else { return "known here: \(known.joined(separator: ", "))" }
        // Of many, those that are most alike, whatever letter they begin with.
        let likely = known.enumerated().map {
            (distance(word.lowercased(), $1.lowercased()), $0, $1)
        }
        .sorted { ($0.0, $0.1) < ($1.0, $1.1) }.prefix(8).map(\.2)
        return "known here, of \(known.count): \(likely.joined(separator: ", ")), …"
    }

    /// How many letters must change, with neighbours swapped counting as one.
    static func distance(_ left: String, _ right: String) -> Int {
        let a = Array(left)
        let b = Array(right)
        if a.isEmpty || b.isEmpty { return max(a.count, b.count) }
        var rows = [[Int]](
            repeating: [Int](repeating: 0, count: b.count + 1),
            count: a.count + 1
        )
        for i in 0...a.count { rows[i][0] = i }
        for j in 0...b.count { rows[0][j] = j }
        for i in 1...a.count {
            for j in 1...b.count {
                let cost = a[i - 1] == b[j - 1] ? 0 : 1
                var best = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + cost)
                if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
                    best = min(best, rows[i - 2][j - 2] + 1)
                }
                rows[i][j] = best
            }
        }
        return rows[a.count][b.count]
    }
}
