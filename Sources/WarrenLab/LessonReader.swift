import WarrenTopology

/// Reads `lab.yaml`.
public struct LessonReader {
    /// What is wrong with a lesson, and where.
    public struct Failure: Error, Sendable, Hashable {
        /// What, where and what to try.
        public var text: String
    }

    private let path: String
    private let text: String

    /// Reads the lesson of a folder such as `03-a-worker-dies`.
    ///
    /// - Throws: ``Failure`` that names the line and says what belongs there.
    public static func read(_ text: String, path: String, folder: String) throws(Failure) -> Lesson
    {
        try LessonReader(path: path, text: text).lesson(folder)
    }

    private static let keys = [
        "file", "findings", "title", "idea", "surprise", "stands_on", "minutes", "vary", "latency",
        "pins", "witness",
        "predict", "misconceptions", "hints",
    ]

    private func fail(_ what: String, _ tree: Tree?, _ remedy: String) -> Failure {
        let line = tree.map { ":\($0.place.line)" } ?? ""
        return Failure(text: "error: \(what)\n  in \(path)\(line)\n  try: \(remedy)")
    }

    private func lesson(_ folder: String) throws(Failure) -> Lesson {
        guard let tree = Tree.read(text, path: path) else {
            throw fail("the lesson is no YAML", nil, "`warren lab new` for one to begin with")
        }
        for entry in tree.entries where !Self.keys.contains(entry.key) {
            let known = Self.keys.joined(separator: ", ")
            throw fail("a lesson has no '\(entry.key)'", entry.value, "one of \(known)")
        }
        let number = String(folder.prefix { $0 != "-" })
        guard !number.isEmpty, number.allSatisfy(\.isNumber) else {
            throw fail(
                "the folder '\(folder)' does not begin with a number",
                nil,
                "a name such as 03-a-worker-dies"
            )
        }
        let minutes = tree["minutes"]?.text.flatMap { Int($0) }
        if let asked = tree["minutes"], minutes == nil {
            throw fail("minutes is no number", asked, "`minutes: 10`")
        }
        var hints: [String] = []
        for hint in tree["hints"]?.elements ?? [] { hints.append(try word(hint, "a hint")) }
        if let findings = tree["findings"], findings.text != "none" {
            throw fail("findings is \(findings.description)", findings, "`findings: none`")
        }
        return Lesson(
            file: tree["file"]?.text ?? "topology.yaml",
            isSilent: tree["findings"] != nil,
            number: number,
            folder: folder,
            title: try word(tree["title"], "title"),
            idea: try word(tree["idea"], "idea"),
            surprise: try word(tree["surprise"], "surprise"),
            standsOn: (tree["stands_on"]?.elements ?? []).compactMap(\.text),
            minutes: minutes ?? 10,
            variations: try variations(tree["vary"]),
            latency: try lengths(tree["latency"], "latency"),
            pins: try pairs(tree["pins"], "pins").map { Lesson.Pin(path: $0.0, why: $0.1) },
            witnesses: try pairs(tree["witness"], "witness").map {
                Lesson.Witness(name: $0.0, expression: $0.1)
            },
            prediction: try prediction(tree["predict"]),
            misconceptions: try misconceptions(tree["misconceptions"]),
            hints: hints
        )
    }

    private func word(_ tree: Tree?, _ key: String) throws(Failure) -> String {
        guard let text = tree?.text, !text.isEmpty else {
            throw fail("\(key) is missing or no text", tree, "a sentence")
        }
        return text
    }

    private func pairs(_ tree: Tree?, _ key: String) throws(Failure) -> [(String, String)] {
        var pairs: [(String, String)] = []
        for entry in tree?.entries ?? [] {
            pairs.append((entry.key, try word(entry.value, "\(key).\(entry.key)")))
        }
        return pairs
    }

    private func lengths(_ tree: Tree?, _ key: String) throws(Failure) -> ClosedRange<Double>? {
        guard let tree else { return nil }
        let ends = tree.elements.map { $0.text.flatMap(Units.duration) }
        guard ends.count == 2, let low = ends[0], let high = ends[1], low <= high else {
            throw fail("\(key) is no range of time", tree, "two ends, such as [100ms, 350ms]")
        }
        return low...high
    }

    private func variations(_ tree: Tree?) throws(Failure) -> [Lesson.Variation] {
        var variations: [Lesson.Variation] = []
        for element in tree?.elements ?? [] {
            for entry in element.entries
            where !["fault", "at", "for", "instance", "node", "do"].contains(entry.key) {
                throw fail(
                    "vary has no '\(entry.key)'",
                    entry.value,
                    "fault, at, for, instance, node or do"
                )
            }
            guard let fault = element["fault"]?.text.flatMap({ Int($0) }), fault > 0 else {
                throw fail("vary does not say which fault", element, "`fault: 1` for the first")
            }
            var instance: ClosedRange<Int>?
            if let range = element["instance"] {
                let ends = range.elements.compactMap { $0.text.flatMap { Int($0) } }
                guard ends.count == 2, ends[0] >= 1, ends[0] <= ends[1] else {
                    throw fail("instance is no range", range, "two ends, such as [1, 3]")
                }
                instance = ends[0]...ends[1]
            }
            for action in element["do"]?.elements ?? []
            where FaultWord(rawValue: action.text ?? "") == nil {
                throw fail("\(action.description) is no fault", action, "kill or restart")
            }
            variations.append(
                Lesson.Variation(
                    fault: fault,
                    at: try lengths(element["at"], "at"),
                    lasting: try lengths(element["for"], "for"),
                    instance: instance,
                    nodes: (element["node"]?.elements ?? []).compactMap(\.text),
                    actions: (element["do"]?.elements ?? []).compactMap(\.text)
                )
            )
        }
        return variations
    }

    private func prediction(_ tree: Tree?) throws(Failure) -> Lesson.Prediction? {
        guard let tree else { return nil }
        let right = try word(tree["right"], "predict.right")
        var answers: [(letter: String, text: String)] = []
        for entry in tree.entries where entry.key.count == 1 {
            answers.append((entry.key, try word(entry.value, "predict.\(entry.key)")))
        }
        guard answers.contains(where: { $0.letter == right }) else {
            throw fail("predict.right is none of the answers", tree, "one of their letters")
        }
        return Lesson.Prediction(
            question: try word(tree["question"], "predict.question"),
            answers: answers,
            right: right
        )
    }

    private func misconceptions(_ tree: Tree?) throws(Failure) -> [Lesson.Misconception] {
        var found: [Lesson.Misconception] = []
        for entry in tree?.entries ?? [] {
            for line in entry.value.entries where !["when", "broken", "say"].contains(line.key) {
                throw fail(
                    "a misconception has no '\(line.key)'",
                    line.value,
                    "when, broken or say"
                )
            }
            var values: [(path: String, value: String)] = []
            for line in entry.value["when"]?.entries ?? [] {
                values.append((line.key, try word(line.value, "when.\(line.key)")))
            }
            found.append(
                Lesson.Misconception(
                    name: entry.key,
                    values: values,
                    broken: (entry.value["broken"]?.elements ?? []).compactMap(\.text),
                    say: try word(entry.value["say"], "misconceptions.\(entry.key).say")
                )
            )
        }
        return found
    }
}
