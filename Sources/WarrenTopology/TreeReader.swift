import Yams

/// Reads YAML into trees, and turns what is wrong into findings.
struct TreeReader {
    /// More nodes than any topology has; an alias that multiplies itself reaches it at once.
    static let nodeLimit = 2_000_000
    /// Files beyond this are something else than a topology.
    static let byteLimit = 16 << 20

    let file: SourceFile
    let number: Int
    var findings: [Finding] = []
    private var nodeCount = 0
    private var lines: [[Character]] = []

    init(file: SourceFile, number: Int) {
        self.file = file
        self.number = number
    }

    /// The tree of the file, or nil; ``findings`` says why.
    mutating func read() -> Tree? {
        lines = file.text.split(separator: "\n", omittingEmptySubsequences: false).map(Array.init)
        let meaningful = lines.contains { line in
            guard let first = line.first(where: { !$0.isWhitespace }) else { return false }
            return first != "#"
        }
        guard meaningful else {
            findings.append(
                Finding(
                    "empty-file",
                    "\(file.path) holds no topology",
                    at: nil,
                    why: "an empty file cannot be told from a mistake",
                    remedy: "begin with `warren: 1`, `name: …` and `brokers:`"
                )
            )
            return nil
        }
        var text = file.text
        // Yams stops at the first map with a duplicate key; each is said, renamed, and read past.
        for attempt in 0..<100 {
            do {
                guard let root = try Parser(yaml: text).singleRoot() else { return nil }
                return convert(root)
            } catch let error as YamlError {
                if case .duplicatedKeysInMapping(let keys, let context) = error,
                    let patched = patch(text, keys, context.mark, attempt)
                {
                    text = patched
                    continue
                }
                findings.append(finding(for: error))
                return nil
            } catch {
                findings.append(
                    Finding("unreadable", "\(file.path) cannot be read: \(error)", at: nil)
                )
                return nil
            }
        }
        return nil
    }

    private mutating func convert(_ node: Node) -> Tree? {
        nodeCount += 1
        guard nodeCount <= Self.nodeLimit else {
            if nodeCount == Self.nodeLimit + 1 {
                findings.append(
                    Finding(
                        "too-large",
                        "\(file.path) stands for more than two million values",
                        at: nil,
                        why: "aliases that refer to aliases multiply themselves",
                        remedy: "write the repeated parts once, or use `include:`"
                    )
                )
            }
            return nil
        }
        var place = Place.start(of: number)
        if let mark = node.mark {
            place = Place(file: number, line: mark.line, column: mark.column)
        }
        switch node {
        case .scalar(let scalar):
            place.length = max(1, scalar.string.count + (scalar.style == .plain ? 0 : 2))
            let isPlain = scalar.style == .plain || scalar.style == .any
            return Tree(content: .scalar(scalar.string, isPlain: isPlain), place: place)
        case .sequence(let sequence):
            return Tree(content: .list(sequence.compactMap { convert($0) }), place: place)
        case .mapping(let mapping):
            var entries: [Tree.Entry] = []
            for (key, value) in mapping {
                guard let name = key.string, let child = convert(value) else {
                    if key.string == nil { rejectKey(key) }
                    continue
                }
                var keyPlace = place
                if let mark = key.mark {
                    keyPlace = Place(
                        file: number,
                        line: mark.line,
                        column: mark.column,
                        length: max(1, name.count)
                    )
                }
                entries.append(Tree.Entry(key: name, place: keyPlace, value: child))
            }
            return Tree(content: .map(entries), place: place)
        case .alias:
            return nil
        }
    }

    private mutating func rejectKey(_ key: Node) {
        let mark = key.mark
        findings.append(
            Finding(
                "key-not-text",
                "a key must be a text",
                at: mark.map { Place(file: number, line: $0.line, column: $0.column) },
                remedy: "quote it if it holds brackets or braces"
            )
        )
    }

    /// Says where keys of a map stand twice, and renames all but the first of each so that reading can go on.
    ///
    /// Yams sorts the keys, and marks one place of the first of them; the others are in the same map.
    private mutating func patch(_ text: String, _ keys: [String], _ mark: Mark, _ attempt: Int)
        -> String?
    {
        var rows = text.split(separator: "\n", omittingEmptySubsequences: false).map(Array.init)
        guard mark.line >= 1, mark.line <= rows.count, mark.column >= 1 else { return nil }
        let (row, column) = (mark.line - 1, mark.column - 1)
        var twins: [(row: Int, column: Int, length: Int)] = []
        for key in Set(keys).sorted() {
            // In braces on one line, or below each other at the same column.
            let inLine = Self.places(of: key, in: rows[row], rows[row].indices).map {
                (row, $0, $1)
            }
            var found = inLine
            if found.count < 2 {
                found = Self.block(rows, around: row, column).flatMap { other in
                    Self.places(of: key, in: rows[other], column..<column + 1).map {
                        (other, $0, $1)
                    }
                }
            }
            guard let first = found.first else { continue }
            for twin in found.dropFirst() {
                findings.append(duplicate(key, at: twin, first: first.0 + 1))
                twins.append(twin)
            }
        }
        guard !twins.isEmpty else { return nil }
        twins.sort { ($0.row, $0.column) > ($1.row, $1.column) }
        for (number, twin) in twins.enumerated() {
            let name = "x-duplicate-\(attempt)-\(number)"
            rows[twin.row].replaceSubrange(
                twin.column..<twin.column + twin.length,
                with: Array(name)
            )
        }
        return rows.map { String($0) }.joined(separator: "\n")
    }

    private func duplicate(_ key: String, at place: (Int, Int, Int), first: Int) -> Finding {
        Finding(
            "duplicate-key",
            "the key '\(key)' stands twice in the same map",
            at: Place(file: number, line: place.0 + 1, column: place.1 + 1, length: place.2),
            label: "first on line \(first)",
            why: "one of the two would be ignored, and nothing would say which",
            remedy: "remove one, or give it another name"
        )
    }

    /// The rows around one that belong to its map: those that begin no further to the left.
    private static func block(_ rows: [[Character]], around row: Int, _ column: Int) -> Range<Int> {
        func belongs(_ row: Int) -> Bool {
            let indent = rows[row].firstIndex { $0 != " " && $0 != "-" } ?? column
            return indent >= column || rows[row][indent] == "#" || rows[row][indent] == "\r"
        }
        var first = row
        while first > 0, belongs(first - 1) { first -= 1 }
        var end = row + 1
        while end < rows.count, belongs(end) { end += 1 }
        return first..<end
    }

    /// Where a key stands in a row, and how many characters it takes there.
    private static func places(of key: String, in row: [Character], _ columns: Range<Int>)
        -> [(Int, Int)]
    {
        let spellings = [key, "\"\(key)\"", "'\(key)'"].map(Array.init)
        return columns.compactMap { column in
            guard column < row.count else { return nil }
            let before = column == 0 ? " " : row[column - 1]
            guard before == " " || before == "{" || before == "," || before == "-" else {
                return nil
            }
            return spellings.first { spelling in
                guard column + spelling.count < row.count,
                    row[column..<column + spelling.count].elementsEqual(spelling)
                else { return false }
                return row[(column + spelling.count)...].first { $0 != " " } == ":"
            }.map { (column, $0.count) }
        }
    }

    private func finding(for error: YamlError) -> Finding {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return syntax(problem, mark)
        case .reader(let problem, _, let value, _):
            return Finding(
                "bad-character",
                "\(file.path) holds a character that YAML does not allow"
                    + (value > 0 ? " (\(value))" : ""),
                at: nil,
                why: problem
            )
        case .duplicatedKeysInMapping(let keys, let context):
            return duplicate(
                keys.first ?? "",
                at: (max(context.mark.line, 1) - 1, max(context.mark.column, 1) - 1, 1),
                first: context.mark.line
            )
        case .no, .memory, .writer, .emitter, .representer, .dataCouldNotBeDecoded:
            return Finding("bad-yaml", "\(file.path) is not YAML: \(error)", at: nil)
        }
    }

    private func syntax(_ problem: String, _ mark: Mark) -> Finding {
        let place = Place(file: number, line: mark.line, column: mark.column)
        // A bracket that a comment swallowed is missed where the next value begins, some lines later.
        let around = max(0, mark.line - 4)..<max(0, min(lines.count, mark.line))
        let near = around.map { String(lines[$0]) }
        if near.contains(where: { $0.contains("\t") }) {
            let row = around.last { lines[$0].contains("\t") } ?? 0
            let column = (lines[row].firstIndex(of: "\t") ?? 0) + 1
            return Finding(
                "tab",
                "a tab stands in the indentation",
                at: Place(file: number, line: row + 1, column: column),
                why: "YAML counts spaces, and editors disagree about the width of a tab",
                remedy: "use spaces"
            )
        }
        for row in around.reversed() {
            let line = String(lines[row])
            for sign in ["#", "*"] {
                guard let column = Self.bareSign(Character(sign), in: lines[row]) else { continue }
                return Finding(
                    "unquoted-\(sign == "#" ? "hash" : "star")",
                    "an unquoted \(sign) stands in '\(line.filter { $0 != "\r" }.drop { $0 == " " })'",
                    at: Place(file: number, line: row + 1, column: column + 1),
                    why: sign == "#"
                        ? "to YAML, everything from there to the end of the line is a comment"
                        : "to YAML, a star refers to an anchor",
                    remedy: "quote the key: \"\(sign)\""
                )
            }
        }
        return Finding(
            "bad-yaml",
            "this is not YAML: \(problem)",
            at: place,
            remedy: "look at the brackets, quotes and indentation just before"
        )
    }

    /// Where a sign stands that should have been quoted: after a bracket, a comma, a colon or a dot.
    private static func bareSign(_ sign: Character, in line: [Character]) -> Int? {
        var quote: Character?
        for (column, character) in line.enumerated() {
            if let open = quote {
                if character == open { quote = nil }
            } else if character == "\"" || character == "'" {
                quote = character
            } else if character == sign {
                let before = line[..<column].last { $0 != " " }
                if let before, "[,:{.-".contains(before) { return column }
            }
        }
        return nil
    }
}
