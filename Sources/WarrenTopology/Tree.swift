/// A YAML document as a tree with places.
public struct Tree: Sendable, Hashable {
    /// What a node of the tree holds.
    public indirect enum Content: Sendable, Hashable {
        /// A text; `isPlain` if it was written without quotes.
        case scalar(String, isPlain: Bool)
        case list([Tree])
        case map([Entry])
    }

    /// A key and its value.
    public struct Entry: Sendable, Hashable {
        /// The key.
        public var key: String
        /// Where the key stands.
        public var place: Place
        /// The value.
        public var value: Tree

        /// A key and its value.
        public init(key: String, place: Place, value: Tree) {
            self.key = key
            self.place = place
            self.value = value
        }
    }

    /// What it holds.
    public var content: Content
    /// Where it begins.
    public var place: Place

    /// A tree.
    public init(content: Content, place: Place) {
        self.content = content
        self.place = place
    }

    /// Whether anything in it has this key and the value true.
    package func says(_ key: String) -> Bool {
        switch content {
        case .scalar: false
        case .list(let elements): elements.contains { $0.says(key) }
        case .map(let entries):
            entries.contains { $0.key == key && $0.value.text == "true" || $0.value.says(key) }
        }
    }

    /// The entries of a map; empty for anything else.
    public var entries: [Entry] {
        if case .map(let entries) = content { return entries }
        return []
    }

    /// The elements of a list; a scalar counts as a list of one.
    public var elements: [Tree] {
        switch content {
        case .list(let elements): elements
        case .scalar: isNothing ? [] : [self]
        case .map: []
        }
    }

    /// The text of a scalar.
    public var text: String? {
        if case .scalar(let text, _) = content { return text }
        return nil
    }

    /// Whether nothing stands here: an empty plain scalar, or `null`.
    public var isNothing: Bool {
        if case .scalar(let text, true) = content {
            return text.isEmpty || text == "~" || text == "null"
        }
        return false
    }

    /// The value under a key: set at its place or at the end, and taken away by nil.
    public subscript(key: String) -> Tree? {
        get { entries.first { $0.key == key }?.value }
        set {
            var all = entries
            if let index = all.firstIndex(where: { $0.key == key }) {
                if let newValue { all[index].value = newValue } else { all.remove(at: index) }
            } else if let newValue {
                all.append(Entry(key: key, place: newValue.place, value: newValue))
            }
            content = .map(all)
        }
    }

    /// The value at the end of a path of keys; maps are made on the way.
    public subscript(path path: [String]) -> Tree? {
        get { path.reduce(self) { tree, key in tree?[key] } }
        set {
            guard let first = path.first else { return }
            if path.count == 1 {
                self[first] = newValue
                return
            }
            var inner = self[first] ?? .map([])
            inner[path: Array(path.dropFirst())] = newValue
            self[first] = inner
        }
    }

    /// What it is, for a sentence.
    public var description: String {
        switch content {
        case .scalar(let text, _):
            isNothing ? "nothing" : "'\(text.count > 40 ? text.prefix(40) + "…" : text)'"
        case .list: "a list"
        case .map: "a map"
        }
    }
}

/// Trees that no file holds yet; without a place of their own they stand at the start of the first file.
extension Tree {
    /// A text without quotes.
    public static func plain(_ text: String, at place: Place = .start(of: 0)) -> Tree {
        Tree(content: .scalar(text, isPlain: true), place: place)
    }

    /// A text in quotes.
    public static func quoted(_ text: String, at place: Place = .start(of: 0)) -> Tree {
        Tree(content: .scalar(text, isPlain: false), place: place)
    }

    /// A list.
    public static func list(_ elements: [Tree], at place: Place = .start(of: 0)) -> Tree {
        Tree(content: .list(elements), place: place)
    }

    /// A map.
    public static func map(_ entries: [(String, Tree)], at place: Place = .start(of: 0)) -> Tree {
        Tree(
            content: .map(entries.map { Entry(key: $0.0, place: place, value: $0.1) }),
            place: place
        )
    }
}

extension Tree {
    /// The tree of a YAML text; nil if it is none.
    public static func read(_ text: String, path: String) -> Tree? {
        var reader = TreeReader(file: SourceFile(path: path, text: text), number: 0)
        let tree = reader.read()
        return reader.findings.contains { $0.severity == .error } ? nil : tree
    }
}
