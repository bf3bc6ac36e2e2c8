import Foundation
import WarrenStore
import WarrenTrace
import WarrenView

/// What differs between two runs of the model: their files, what came of them, and where they part; the shape as JSON is
/// stable: keys are added, never renamed.
struct RunDifference: Encodable {
    /// A line of the files that only one has.
    struct FileLine: Encodable {
        /// `-` of the first run, `+` of the second.
        var sign: String
        var line: Int
        var text: String
    }

    /// Something that came of the runs.
    struct Verdict: Encodable {
        var name, first, second: String
    }

    /// Where the facts part: the first that is not the same, and what came before it with its message or node.
    struct Parting: Encodable {
        var fact: Int
        @OrNull var first: StoryLine?
        @OrNull var second: StoryLine?
        /// What both tell of its message, or of its node, before that.
        var before: [StoryLine]
    }

    private(set) var file: [FileLine] = []
    let verdicts: [Verdict]
    @OrNull private(set) var parting: Parting?
    let seeds: [String]

    /// Whether the two are the same run.
    var isNone: Bool { file.isEmpty && verdicts.isEmpty && parting == nil }

    init(_ one: OpenTrace, _ other: OpenTrace) throws {
        seeds = [one.run.seed, other.run.seed]
        file = Self.lines(one.run.topology, other.run.topology)
        verdicts = Self.verdicts(one, other)
        parting = try Self.parting(one, other)
    }

    private static func lines(_ one: String, _ other: String) -> [FileLine] {
        func lines(_ text: String) -> [Substring] {
            text.split(separator: "\n", omittingEmptySubsequences: false)
        }
        var found: [(line: Int, rank: Int, FileLine)] = []
        for change in lines(other).difference(from: lines(one)) {
            switch change {
            case .remove(let place, let text, _):
                found.append((place, 0, FileLine(sign: "-", line: place + 1, text: String(text))))
            case .insert(let place, let text, _):
                found.append((place, 1, FileLine(sign: "+", line: place + 1, text: String(text))))
            }
        }
        return found.sorted { ($0.line, $0.rank) < ($1.line, $1.rank) }.map(\.2)
    }

    // MARK: What came of them

    /// What a summary says, as a name and a value for each thing that two runs may differ in.
    private struct Summary: Decodable {
        struct Expectation: Decodable {
            var name: String
            var held: Bool
        }
        struct Queue: Decodable {
            var name: String
            var depth, depth_max, delivered: UInt64
        }

        var digest: String
        var simulated_ns: UInt64
        var messages: [String: Number]
        var expectations: [Expectation]
        var queues: [Queue]

        /// A number, or anything else that is not compared.
        struct Number: Decodable {
            var value: UInt64?
            init(from decoder: any Decoder) throws {
                value = try? decoder.singleValueContainer().decode(UInt64.self)
            }
        }

        var values: [(String, String)] {
            var all = [
                ("length", FactText.length(Interval(nanoseconds: simulated_ns)))
            ]
            all += expectations.map { ($0.name, $0.held ? "held" : "broken") }
            all += messages.sorted { $0.key < $1.key }.compactMap { key, number in
                number.value.map { ("messages \(key)", "\($0)") }
            }
            for queue in queues {
                all.append(("\(queue.name) left", "\(queue.depth)"))
                all.append(("\(queue.name) at most", "\(queue.depth_max)"))
            }
            return all
        }
    }

    private static func verdicts(_ one: OpenTrace, _ other: OpenTrace) -> [Verdict] {
        func values(_ open: OpenTrace) -> [(String, String)] {
            guard let text = open.run.summary,
                let summary = try? JSONDecoder().decode(Summary.self, from: Data(text.utf8))
            else { return [("complete", "no")] }
            return [("complete", "yes")] + summary.values
        }
        let (left, right) = (values(one), values(other))
        var found: [Verdict] = []
        for (name, first) in left {
            let second = right.first { $0.0 == name }?.1 ?? "none"
            if first != second { found.append(Verdict(name: name, first: first, second: second)) }
        }
        for (name, second) in right where !left.contains(where: { $0.0 == name }) {
            found.append(Verdict(name: name, first: "none", second: second))
        }
        return found
    }

    // MARK: Where they part

    /// A fact with names for numbers, which two files may give out otherwise.
    private static func isSame(_ one: Fact, _ left: OpenTrace, _ other: Fact, _ right: OpenTrace)
        -> Bool
    {
        guard one.time == other.time, one.kind == other.kind, one.variant == other.variant,
            one.message == other.message
        else { return false }
        if left.text.node(one.node.raw) != right.text.node(other.node.raw) { return false }
        if left.names[one.subject] != right.names[other.subject] { return false }
        if one.kind.columns.detail == .publication {
            guard one.bodySize == other.bodySize,
                left.names[one.headers] == right.names[other.headers]
            else { return false }
        } else if one.detail != other.detail {
            return false
        }
        switch one.kind.columns.peer {
        case .nothing: return true
        case .node: return left.text.node(one.peer) == right.text.node(other.peer)
        case .name: return left.names[Symbol(one.peer)] == right.names[Symbol(other.peer)]
        }
    }

    /// A fact in words; with the columns that its sentence does not tell, if the other one reads the same.
    private static func line(_ fact: Fact, _ open: OpenTrace, besides other: String?) -> StoryLine {
        let sentence = open.text.sentence(fact)
        guard StoryLine(fact, sentence).text == other else { return StoryLine(fact, sentence) }
        let columns = "(variant \(fact.variant), detail \(fact.detail))"
        return StoryLine(fact, "\(sentence) \(columns)")
    }

    private static func parting(_ one: OpenTrace, _ other: OpenTrace) throws -> Parting? {
        // Of both as many facts are kept as a chunk has: the longer run is read along with the shorter one.
        var place = 0
        let step = 16_384
        while true {
            let left = try one.reader.facts(of: one.run, from: place, count: step)
            let right = try other.reader.facts(of: other.run, from: place, count: step)
            let count = min(left.count, right.count)
            if let index = (0..<count).first(where: {
                !isSame(left[$0], one, right[$0], other)
            }) {
                return try parting(place + index, left[index], right[index], one, other)
            }
            if left.count != right.count {
                return try parting(
                    place + count,
                    left.count > count ? left[count] : nil,
                    right.count > count ? right[count] : nil,
                    one,
                    other
                )
            }
            if left.count < step { return nil }
            place += step
        }
    }

    private static func parting(
        _ place: Int,
        _ left: Fact?,
        _ right: Fact?,
        _ one: OpenTrace,
        _ other: OpenTrace
    ) throws -> Parting {
        guard let fact = left ?? right else { return Parting(fact: place + 1, before: []) }
        let open = left == nil ? other : one
        let story =
            fact.message == .none
            ? try open.reader.rareFacts(of: open.run, until: fact.time)
                .filter { $0.node == fact.node }
            : try open.reader.facts(of: open.run, message: fact.message)
        return Parting(
            fact: place + 1,
            first: left.map {
                line($0, one, besides: right.map { StoryLine($0, other.text.sentence($0)).text })
            },
            second: right.map {
                line($0, other, besides: left.map { StoryLine($0, one.text.sentence($0)).text })
            },
            before: story.filter { ($0.time, $0.event) < (fact.time, fact.event) }.suffix(8)
                .map { StoryLine($0, open.text.sentence($0)) }
        )
    }

    // MARK: For people

    /// At most `most` lines of files and of verdicts.
    func lines(_ most: Int) -> [String] {
        if isNone { return ["the same run: the same file, the same facts"] }
        var lines: [String] = []
        if seeds[0] != seeds[1] { lines.append("seeds \(seeds[0]) and \(seeds[1])") }
        if !file.isEmpty {
            lines.append(Console.strong("what differs in the files"))
            lines += file.prefix(most).map { "  \($0.sign) \($0.line)  \($0.text)" }
            if file.count > most { lines.append("  … and \(file.count - most) more lines") }
        }
        if !verdicts.isEmpty {
            lines.append(Console.strong("what came of them"))
            let width = verdicts.map(\.name.count).max() ?? 0
            for verdict in verdicts.prefix(most) {
                let padding = String(repeating: " ", count: width - verdict.name.count)
                lines.append("  \(verdict.name)\(padding)  \(verdict.first) → \(verdict.second)")
            }
            if verdicts.count > most { lines.append("  … and \(verdicts.count - most) more") }
        } else {
            lines.append("nothing else came of them")
        }
        guard let parting else { return lines + ["every fact is the same"] }
        lines.append(Console.strong("where they part: fact \(parting.fact)"))
        lines += parting.before.map(\.text)
        for (sign, line) in [("-", parting.first), ("+", parting.second)] {
            let message = line?.message.map { "\($0): " } ?? ""
            guard let line else {
                lines.append("\(sign)             the run is over")
                continue
            }
            let text = line.text
            lines.append(sign + text.dropFirst().prefix(12) + message + text.dropFirst(13))
        }
        return lines
    }
}
