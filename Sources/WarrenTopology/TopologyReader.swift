/// Why a file could not be had.
public struct ReadFailure: Error, Sendable {
    /// The reason in words.
    public var reason: String

    /// A failure.
    public init(_ reason: String) { self.reason = reason }
}

/// Reads topology files: YAML, includes, shapes, names.
public struct TopologyReader {
    /// Gives the bytes of a file.
    public typealias Source = (String) throws(ReadFailure) -> [UInt8]

    /// The outcome of reading.
    public struct Result: Sendable {
        /// The topology, unless there are errors.
        public var topology: Topology?
        /// What could be made of the file, errors or not; nil if it is no topology at all.
        public var draft: Topology?
        /// What there is to say, in file order.
        public var findings: [Finding]
        /// The files that were read.
        public var files: [SourceFile]
    }

    let vocabularies: [Vocabulary]
    private let source: Source
    var files: [SourceFile] = []
    /// Whether an included file could not be had: what is missing then may be in it.
    var lacksAFile = false
    var findings: [Finding] = []

    private init(_ vocabularies: [Vocabulary], _ source: @escaping Source) {
        self.vocabularies = vocabularies
        self.source = source
    }

    /// Reads the file at `path` with the words of these kinds of broker.
    public static func read(
        _ path: String,
        vocabularies: [Vocabulary],
        source: @escaping Source
    ) -> Result {
        var reader = TopologyReader(vocabularies, source)
        var topology: Topology?
        if let tree = reader.load(path, from: nil, chain: []) {
            topology = reader.decode(tree)
        }
        reader.findings.sort { left, right in
            let a = left.place ?? Place(file: 0, line: 0, column: 0)
            let b = right.place ?? Place(file: 0, line: 0, column: 0)
            return (a.file, a.line, a.column) < (b.file, b.line, b.column)
        }
        let failed = reader.findings.contains { $0.severity == .error }
        return Result(
            topology: failed ? nil : topology,
            draft: topology,
            findings: reader.findings,
            files: reader.files
        )
    }

    // MARK: Files

    private mutating func load(_ path: String, from place: Place?, chain: [String]) -> Tree? {
        if chain.contains(path) {
            findings.append(
                Finding(
                    "include-cycle",
                    "\(path) includes itself: \((chain + [path]).joined(separator: " → "))",
                    at: place,
                    remedy: "move what both need into a third file"
                )
            )
            return nil
        }
        let bytes: [UInt8]
        do {
            bytes = try source(path)
        } catch {
            findings.append(
                Finding("unreadable-file", "\(path) cannot be read: \(error.reason)", at: place)
            )
            return nil
        }
        if chain.isEmpty, let tree = foreign(path, bytes) { return tree.isNothing ? nil : tree }
        if bytes.count > TreeReader.byteLimit {
            findings.append(
                Finding(
                    "too-large",
                    "\(path) has \(bytes.count >> 20) MiB, and a topology has at most 16",
                    at: place,
                    why:
                        "a file of that size is nearly always something else: a trace, a log, a dump",
                    remedy: "check the path"
                )
            )
            return nil
        }
        guard let text = decodeText(bytes, path) else { return nil }
        files.append(SourceFile(path: path, text: text))
        var reader = TreeReader(file: files[files.count - 1], number: files.count - 1)
        let read = reader.read()
        findings += reader.findings
        guard let tree = read else { return nil }
        guard case .map = tree.content else {
            findings.append(
                Finding(
                    "not-a-map",
                    "\(path) holds \(tree.description) and not a topology",
                    at: tree.place,
                    remedy: "begin with `warren: 1`, `name: …` and `brokers:`"
                )
            )
            return nil
        }
        return include(into: tree, path, chain + [path])
    }

    /// The topology that a broker's own file stands for; a tree of nothing if it is one and cannot be read.
    private mutating func foreign(_ path: String, _ bytes: [UInt8]) -> Tree? {
        for words in vocabularies {
            guard let reading = words.foreign?.topology(path, bytes, files.count) else { continue }
            if let file = reading.file { files.append(file) }
            findings += reading.findings
            return reading.tree ?? Tree(content: .scalar("", isPlain: true), place: .start(of: 0))
        }
        return nil
    }

    /// The section of a broker with what its own file says, if it names one.
    mutating func joined(_ tree: Tree, _ words: Vocabulary) -> Tree {
        guard let reference = tree["definitions"], let name = reference.text,
            let foreign = words.foreign,
            case .map(var entries) = tree.content
        else { return tree }
        let from = reference.place.file < files.count ? files[reference.place.file].path : ""
        let folder = from.lastIndex(of: "/").map { String(from[...$0]) } ?? ""
        let path = Self.tidy(name.hasPrefix("/") ? name : folder + name)
        let bytes: [UInt8]
        do {
            bytes = try source(path)
        } catch {
            findings.append(
                Finding(
                    "unreadable-file",
                    "\(path) cannot be read: \(error.reason)",
                    at: reference.place
                )
            )
            return tree
        }
        let reading = foreign.section(path, bytes, files.count)
        if let file = reading.file { files.append(file) }
        findings += reading.findings
        for entry in reading.tree?.entries ?? [] { merge(entry, into: &entries) }
        return Tree(content: .map(entries), place: tree.place)
    }

    private mutating func decodeText(_ bytes: [UInt8], _ path: String) -> String? {
        var content = bytes[...]
        if content.starts(with: [0xEF, 0xBB, 0xBF]) { content = content.dropFirst(3) }
        guard let text = String(validating: content, as: UTF8.self) else {
            let utf16 = bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF])
            findings.append(
                Finding(
                    "not-utf8",
                    "\(path) is not UTF-8 text",
                    at: nil,
                    why: utf16
                        ? "it begins like UTF-16"
                        : "the bytes from number \(Self.firstBadByte(content)) on are no UTF-8",
                    remedy: "save it as UTF-8"
                )
            )
            return nil
        }
        return text
    }

    private static func firstBadByte(_ bytes: ArraySlice<UInt8>) -> Int {
        var low = 0
        var high = bytes.count
        // A prefix may end within a character: up to three bytes back is still fine.
        while low < high {
            let middle = (low + high + 1) / 2
            let fits = (0...3).contains { back in
                back <= middle
                    && String(validating: bytes.prefix(middle - back), as: UTF8.self) != nil
            }
            if fits { low = middle } else { high = middle - 1 }
        }
        return low + 1
    }

    private mutating func include(into tree: Tree, _ path: String, _ chain: [String]) -> Tree {
        guard let list = tree["include"], case .map(var entries) = tree.content else { return tree }
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
        for element in list.elements {
            guard let name = element.text else { continue }
            let target = name.hasPrefix("/") ? name : folder + name
            guard let other = load(Self.tidy(target), from: element.place, chain: chain) else {
                lacksAFile = true
                continue
            }
            for entry in other.entries where entry.key != "warren" && entry.key != "name" {
                merge(entry, into: &entries)
            }
        }
        return Tree(content: .map(entries), place: tree.place)
    }

    private static func tidy(_ path: String) -> String {
        var parts: [Substring] = []
        for part in path.split(separator: "/", omittingEmptySubsequences: false) {
            if part == "..", let last = parts.last, last != "..", !last.isEmpty {
                parts.removeLast()
            } else if part != "." {
                parts.append(part)
            }
        }
        return parts.joined(separator: "/")
    }

    private func includedTwice(_ entry: Tree.Entry, _ section: String) -> Finding {
        Finding(
            "included-twice",
            "'\(entry.key)' of \(section) is in an included file and in the one that includes it",
            at: entry.place,
            remedy: "keep one of them, or give it another name"
        )
    }

    /// Joins the names of a section; a name in both files is a finding, and so is a second value.
    private mutating func merge(_ entry: Tree.Entry, into entries: inout [Tree.Entry]) {
        guard let index = entries.firstIndex(where: { $0.key == entry.key }) else {
            entries.append(entry)
            return
        }
        switch (entries[index].value.content, entry.value.content) {
        case (.map(let mine), .map(let theirs)) where entry.key == "expect":
            // The expectations join by their own names, section by section.
            var sections = mine
            for other in theirs {
                guard let known = sections.firstIndex(where: { $0.key == other.key }),
                    case .map(let ours) = sections[known].value.content
                else {
                    sections.append(other)
                    continue
                }
                var names = ours
                for line in other.value.entries {
                    guard let twin = names.first(where: { $0.key == line.key }) else {
                        names.append(line)
                        continue
                    }
                    if Self.isSetting(line.key, in: other.key), twin.value.text == line.value.text {
                        continue
                    }
                    findings.append(includedTwice(line, other.key))
                }
                sections[known].value.content = .map(names)
            }
            entries[index].value.content = .map(sections)
        case (.map(var mine), .map(let theirs)):
            for other in theirs {
                if mine.contains(where: { $0.key == other.key }), entry.key != "run" {
                    findings.append(includedTwice(other, entry.key))
                } else if !mine.contains(where: { $0.key == other.key }) {
                    mine.append(other)
                }
            }
            entries[index].value.content = .map(mine)
        case (.list(let mine), .list(let theirs)):
            entries[index].value.content = .list(mine + theirs)
        case (.scalar, _), (.list, _), (.map, _):
            // The including file has the last word on plain values such as the seed.
            break
        }
    }
}
