public import WarrenTopology

/// A file that somebody hands in: what stands in it, held against what was handed out.
public struct Answer: Sendable {
    /// Something that had to stay, and did not.
    public struct Loosened: Sendable, Hashable {
        /// The path, and why it is kept.
        public var path: String
        public var why: String
        /// What stood there, and what does now; nil for nothing.
        public var was: String?
        public var now: String?
        /// The line of what stands there now.
        public var line: Int?
    }

    private let tree: Tree

    /// The answer in a tree of `topology.yaml`.
    public init(_ tree: Tree) { self.tree = tree }

    /// What was predicted, by letter.
    public var prediction: String? {
        tree["x-predict"]?.text.flatMap { $0 == "?" ? nil : $0.lowercased() }
    }

    /// What had to stay as it was in the file that was handed out, and did not.
    public func loosened(_ pins: [Lesson.Pin], start: Tree) -> [Loosened] {
        pins.compactMap { pin in
            let (was, now) = (Self.value(pin.path, in: start), Self.value(pin.path, in: tree))
            let (before, after) = (was.map(TreeWriter.line), now.map(TreeWriter.line))
            guard before != after else { return nil }
            return Loosened(
                path: pin.path,
                why: pin.why,
                was: before,
                now: after,
                line: now?.place.line
            )
        }
    }

    /// The first of some wrong answers that this one is.
    public func misconception(
        _ all: [Lesson.Misconception],
        broken: Set<String>
    ) -> Lesson.Misconception? {
        all.first { one in
            one.broken.allSatisfy(broken.contains)
                && one.values.allSatisfy { path, wanted in
                    let found = Self.value(path, in: tree)
                    switch wanted {
                    case "any": return found != nil
                    case "none": return found == nil
                    default:
                        let text = found?.text ?? found.map(TreeWriter.line)
                        return wanted.hasPrefix("~")
                            ? text?.contains(wanted.dropFirst()) == true : text == wanted
                    }
                }
        }
    }

    /// What stands at a path of keys with dots between them; keys may have dots in them, too.
    static func value(_ path: String, in tree: Tree) -> Tree? {
        guard !path.isEmpty else { return tree }
        let fitting = tree.entries.filter { path == $0.key || path.hasPrefix($0.key + ".") }
        guard let entry = fitting.max(by: { $0.key.count < $1.key.count }) else { return nil }
        return value(String(path.dropFirst(entry.key.count + 1)), in: entry.value)
    }
}
