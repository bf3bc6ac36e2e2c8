/// Writes trees as YAML that reads back as the same trees.
public enum TreeWriter {
    /// A map that fits on a line of so many characters is written in braces.
    private static let width = 110

    /// The YAML of a map, with a comment in front of some of its keys.
    public static func yaml(_ tree: Tree, comments: [String: String] = [:]) -> String {
        var out = ""
        for entry in tree.entries {
            if let comment = comments[entry.key] {
                out += comment.split(separator: "\n").map { "# \($0)\n" }.joined()
            }
            write(entry, 0, &out)
        }
        return out
    }

    /// A tree on one line, in braces.
    public static func line(_ tree: Tree) -> String { flow(tree) }

    private static func write(_ entry: Tree.Entry, _ indent: Int, _ out: inout String) {
        let start = String(repeating: " ", count: indent) + quoted(entry.key) + ":"
        let short = flow(entry.value)
        let isTop = indent == 0 && !entry.value.entries.isEmpty
        if !isTop, start.count + 1 + short.count <= width {
            out += start + " " + short + "\n"
            return
        }
        out += start + "\n"
        block(entry.value, indent + 2, &out)
    }

    private static func block(_ tree: Tree, _ indent: Int, _ out: inout String) {
        let space = String(repeating: " ", count: indent)
        switch tree.content {
        case .map(let entries):
            if entries.isEmpty { out += space + "{}\n" }
            for entry in entries { write(entry, indent, &out) }
        case .list(let elements):
            if elements.isEmpty { out += space + "[]\n" }
            for element in elements {
                let short = flow(element)
                if indent + 2 + short.count <= width || element.entries.isEmpty {
                    out += space + "- " + short + "\n"
                    continue
                }
                var inner = ""
                for entry in element.entries { write(entry, indent + 2, &inner) }
                // The first key stands behind the dash.
                out += space + "- " + inner.dropFirst(indent + 2)
            }
        case .scalar: out += space + flow(tree) + "\n"
        }
    }

    private static func flow(_ tree: Tree) -> String {
        switch tree.content {
        case .scalar(let text, let isPlain): isPlain ? (text.isEmpty ? "null" : text) : quoted(text)
        case .list(let elements): "[" + elements.map(flow).joined(separator: ", ") + "]"
        case .map(let entries):
            entries.isEmpty
                ? "{}"
                : "{ "
                    + entries.map { "\(quoted($0.key)): \(flow($0.value))" }.joined(separator: ", ")
                    + " }"
        }
    }

    private static let words: Set<String> = [
        "true", "false", "null", "yes", "no", "on", "off", "y", "n", "~", "",
    ]

    /// A text as YAML: without quotes where it reads as a text all the same.
    static func quoted(_ text: String) -> String {
        let isSafe =
            (text.unicodeScalars.first?.properties.isAlphabetic ?? false)
            && text.unicodeScalars.allSatisfy {
                $0.isASCII
                    && ($0.properties.isAlphabetic || ("0"..."9").contains($0)
                        || "._-/".unicodeScalars.contains($0))
            } && !words.contains(text.lowercased())
        if isSafe { return text }
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            case "\0"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{2028}", "\u{2029}", "\u{FEFF}",
                "\u{FFFE}", "\u{FFFF}":
                let code = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - code.count) + code
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
