/// A regular expression over names, made ready once: nearly all of them are a plain beginning, a plain end, or `.*`.
///
/// - Source: RMQ-POL-01: it is looked for anywhere in a name.
package struct NamePattern {
    private enum Form {
        case everything
        /// A text that is looked for, at the beginning, at the end, or anywhere.
        case literal([UInt8], atStart: Bool, atEnd: Bool)
        /// Anything else, and with what a name must begin for it to be worth the search.
        case expression(Regex<AnyRegexOutput>, start: [UInt8])
    }

    private let form: Form

    /// Nil if it is no regular expression.
    package init?(_ pattern: String) {
        if let literal = Self.literal(pattern) {
            form = literal
        } else if let regex = try? Regex(pattern) {
            form = .expression(regex, start: Self.start(of: pattern))
        } else {
            return nil
        }
    }

    /// Whether it is found in a name.
    package func matches(_ name: String) -> Bool {
        switch form {
        case .everything: true
        case .literal(let bytes, let atStart, let atEnd):
            switch (atStart, atEnd) {
            case (true, true): name.utf8.elementsEqual(bytes)
            case (true, false): name.utf8.starts(with: bytes)
            case (false, true): name.utf8.reversed().starts(with: bytes.reversed())
            case (false, false): Self.contains(Array(name.utf8), bytes)
            }
        case .expression(let regex, let start):
            name.utf8.starts(with: start) && name.firstMatch(of: regex) != nil
        }
    }

    private static func contains(_ name: [UInt8], _ part: [UInt8]) -> Bool {
        guard part.count <= name.count else { return false }
        return (0...name.count - part.count).contains {
            name[$0..<$0 + part.count].elementsEqual(part)
        }
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case 48...57, 65...90, 97...122, 45, 95, 47, 58, 32: true
        default: false
        }
    }

    /// The plain letters after a `^` at the start, without the last: a quantifier may follow that one.
    private static func start(of pattern: String) -> [UInt8] {
        let bytes = Array(pattern.utf8)
        guard bytes.first == UInt8(ascii: "^"), !bytes.contains(UInt8(ascii: "|")) else {
            return []
        }
        let plain = bytes.dropFirst().prefix { isPlain($0) }
        return Array(plain.count + 1 < bytes.count ? plain.dropLast() : plain)
    }

    private static func literal(_ pattern: String) -> Form? {
        var rest = Array(pattern.utf8)[...]
        var atStart = false
        var atEnd = false
        if rest.first == UInt8(ascii: "^") {
            atStart = true
            rest = rest.dropFirst()
        }
        if rest.last == UInt8(ascii: "$"), rest.dropLast().last != UInt8(ascii: "\\") {
            atEnd = true
            rest = rest.dropLast()
        }
        let any = Array(".*".utf8)
        if rest.starts(with: any) {
            atStart = false
            rest = rest.dropFirst(2)
        }
        if rest.suffix(2).elementsEqual(any), rest.dropLast(2).last != UInt8(ascii: "\\") {
            atEnd = false
            rest = rest.dropLast(2)
        }
        var bytes: [UInt8] = []
        var index = rest.startIndex
        while index < rest.endIndex {
            let byte = rest[index]
            switch byte {
            case _ where isPlain(byte): bytes.append(byte)
            case UInt8(ascii: "["):
                // A class of one letter, as in `[.]`.
                guard index + 2 < rest.endIndex, rest[index + 2] == UInt8(ascii: "]"),
                    isPlain(rest[index + 1]) || rest[index + 1] == UInt8(ascii: ".")
                else { return nil }
                bytes.append(rest[index + 1])
                index += 2
            case UInt8(ascii: "\\"):
                index += 1
                guard index < rest.endIndex, rest[index] == UInt8(ascii: ".") else { return nil }
                bytes.append(rest[index])
            default: return nil
            }
            index += 1
        }
        // `.*` does not match a line break, and a name with one is rare enough to be looked at in earnest.
        return bytes.isEmpty && !(atStart && atEnd)
            ? .everything : .literal(bytes, atStart: atStart, atEnd: atEnd)
    }
}

/// The policies of a virtual host, made ready to be asked for many names.
package struct PolicyTable {
    private final class Row {
        let policy: Policy
        let pattern: NamePattern
        let number: Int

        init(policy: Policy, pattern: NamePattern, number: Int) {
            self.policy = policy
            self.pattern = pattern
            self.number = number
        }
    }

    private let rows: [Row]
    private let version: Version

    /// The policies that can match at all, each with its place in `policies`.
    package init(_ policies: [Policy], _ version: Version) {
        self.version = version
        rows = policies.enumerated().compactMap { number, policy in
            NamePattern(policy.pattern).map { Row(policy: policy, pattern: $0, number: number) }
        }
        .enumerated().sorted {
            ($1.element.policy.priority, $0.offset) < ($0.element.policy.priority, $1.offset)
        }.map(\.element)
    }

    /// The policies whose pattern and target fit a name, the one that counts first; those that a queue of its kind passes
    /// over because of a key come with that key.
    package func matching(_ name: String, _ subject: Policy.Subject) -> [(
        number: Int, unsupported: String?
    )] {
        var found: [(number: Int, unsupported: String?)] = []
        guard !rows.isEmpty else { return found }
        let (targets, unsupported) = (subject.targets, subject.unsupported(version))
        for row in rows {
            guard row.policy.target == .all || targets.contains(row.policy.target),
                row.pattern.matches(name)
            else { continue }
            let key = row.policy.definition.first { unsupported.contains($0.name) }?.name
            found.append((row.number, key))
        }
        return found
    }

    /// The one that counts, as its place among those that the table was made of.
    package func effective(_ name: String, _ subject: Policy.Subject) -> Int? {
        matching(name, subject).first { $0.unsupported == nil }?.number
    }
}
