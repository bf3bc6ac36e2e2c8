/// A topology file in the making: a tree of texts that can be written down, and made smaller piece by piece.
public indirect enum Document: Sendable, Hashable {
    /// A text or a number.
    case text(String)
    /// A list.
    case list([Document])
    /// A map; the order of its keys is that of the file.
    case map([Entry])

    /// A key and its value.
    public struct Entry: Sendable, Hashable {
        /// The key.
        public var key: String
        /// The value.
        public var value: Document

        /// An entry.
        public init(_ key: String, _ value: Document) {
            self.key = key
            self.value = value
        }
    }

    /// The value under a key.
    public subscript(key: String) -> Document? {
        guard case .map(let entries) = self else { return nil }
        return entries.first { $0.key == key }?.value
    }

    /// The document as YAML: a line for each entry of the first two levels, and the rest in braces.
    public var yaml: String {
        guard case .map(let entries) = self else { return flow + "\n" }
        return entries.map { entry in
            switch entry.value {
            case .map(let inner) where !inner.isEmpty:
                "\(entry.key):\n"
                    + inner.map { "  \(Self.scalar($0.key)): \($0.value.flow)\n" }.joined()
            case .list(let inner) where !inner.isEmpty:
                "\(entry.key):\n" + inner.map { "  - \($0.flow)\n" }.joined()
            case .text, .list, .map: "\(entry.key): \(entry.value.flow)\n"
            }
        }.joined()
    }

    private var flow: String {
        switch self {
        case .text(let text): Self.scalar(text)
        case .list(let elements): "[" + elements.map(\.flow).joined(separator: ", ") + "]"
        case .map(let entries):
            "{ "
                + entries.map { "\(Self.scalar($0.key)): \($0.value.flow)" }.joined(separator: ", ")
                + " }"
        }
    }

    private static func scalar(_ text: String) -> String {
        let isPlain =
            !text.isEmpty && text.first?.isLetter == true
            && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "_-./".contains($0)) }
        let isNumber = !text.isEmpty && text.allSatisfy { $0.isASCII && $0.isNumber }
        if isPlain, !["yes", "no", "on", "off", "null", "y", "n"].contains(text.lowercased()) {
            return text
        }
        return isNumber
            ? text : "\"\(text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\""
    }

    // MARK: Smaller

    /// Every document that lacks one entry or element of this one, the large pieces first.
    public var smaller: [Document] {
        switch self {
        case .text: []
        case .list(let elements):
            elements.indices.map { index in
                var rest = elements
                rest.remove(at: index)
                return .list(rest)
            }
                + elements.indices.flatMap { index in
                    elements[index].smaller.map { small in
                        var changed = elements
                        changed[index] = small
                        return .list(changed)
                    }
                }
        case .map(let entries):
            entries.indices.map { index in
                var rest = entries
                rest.remove(at: index)
                return .map(rest)
            }
                + entries.indices.flatMap { index in
                    entries[index].value.smaller.map { small in
                        var changed = entries
                        changed[index].value = small
                        return .map(changed)
                    }
                }
        }
    }

    /// The smallest document on the way down from this one that is still bad.
    ///
    /// `isBad` is asked at most `tries` times.
    public func shrunk(tries: Int = 2000, while isBad: (Document) -> Bool) -> Document {
        var best = self
        var left = tries
        var found = true
        while found {
            found = false
            for candidate in best.smaller {
                guard left > 0 else { return best }
                left -= 1
                if isBad(candidate) {
                    best = candidate
                    found = true
                    break
                }
            }
        }
        return best
    }
}
