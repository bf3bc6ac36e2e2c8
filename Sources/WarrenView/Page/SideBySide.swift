public import WarrenTrace

/// Two runs beside each other: what differs in their files, in what held, and the facts in which they part.
///
/// Facts are held side by side by what the sentence about each says, its message and its moment: runs of one seed are the same
/// up to the first thing that a change of the file brought about.
public struct SideBySide: Sendable {
    /// One of the two runs.
    public struct Side: Sendable {
        var heading: RunPage.Heading
        var topology: String
        var facts: [Fact]

        /// A run with the text of its topology and all its facts.
        public init(_ heading: RunPage.Heading, topology: String, facts: [Fact]) {
            self.heading = heading
            self.topology = topology
            self.facts = facts
        }

        var text: FactText { FactText(names: heading.names, nodes: heading.nodes) }
    }

    /// A stretch in which the runs differ: what only the first has, and what only the second has.
    public struct Difference: Sendable, Hashable {
        public var first: Range<Int>
        public var second: Range<Int>
    }

    private let first: Side
    private let second: Side
    /// Where they differ, in the order of the runs.
    public private(set) var differences: [Difference] = []
    /// Whether they never meet again after the last of these.
    public private(set) var isApart = false
    /// What differs in the files: lines of the first with a minus, of the second with a plus.
    public private(set) var lines: [String] = []

    /// More differences are not looked for, and runs that go different ways for longer have parted.
    private static let mostDifferences = 1000
    private static let reach = 400
    /// So many are shown with what stands around them.
    private static let mostShown = 50

    /// Holds two runs side by side.
    public init(_ first: Side, _ second: Side) {
        self.first = first
        self.second = second
        compare(Self.keys(first), Self.keys(second))
        let (old, new) = (Self.lines(first.topology), Self.lines(second.topology))
        for change in new.difference(from: old) {
            switch change {
            case .remove(_, let line, _): lines.append("- \(line)")
            case .insert(_, let line, _): lines.append("+ \(line)")
            }
        }
    }

    /// The lines of a file that say something.
    private static func lines(_ text: String) -> [String] {
        text.split(separator: "\n").map(String.init).filter { line in
            let rest = line.drop { $0 == " " }
            return !rest.isEmpty && !rest.hasPrefix("#")
        }
    }

    private static func keys(_ side: Side) -> [UInt64] {
        let text = side.text
        return side.facts.map { fact in
            var hash: UInt64 = 0xCBF2_9CE4_8422_2325
            func add(_ number: UInt64) { hash = (hash ^ number) &* 0x100_0000_01B3 }
            add(fact.time.nanoseconds)
            add(UInt64(fact.message.raw))
            add(UInt64(fact.kind.rawValue))
            for byte in text.sentence(fact).utf8 { add(UInt64(byte)) }
            return hash ^ hash >> 29
        }
    }

    private mutating func compare(_ one: [UInt64], _ other: [UInt64]) {
        var (i, j) = (0, 0)
        while i < one.count || j < other.count {
            if i < one.count, j < other.count, one[i] == other[j] {
                (i, j) = (i + 1, j + 1)
                continue
            }
            guard let (k, l) = meeting(one, i, other, j), differences.count < Self.mostDifferences
            else {
                differences.append(Difference(first: i..<one.count, second: j..<other.count))
                isApart = i < one.count && j < other.count
                return
            }
            differences.append(Difference(first: i..<k, second: j..<l))
            (i, j) = (k, l)
        }
    }

    /// Where two runs meet again: the nearest place from which on they say the same.
    private func meeting(_ one: [UInt64], _ i: Int, _ other: [UInt64], _ j: Int) -> (Int, Int)? {
        var places: [UInt64: Int] = [:]
        for l in (j..<min(j + Self.reach, other.count)).reversed() { places[other[l]] = l }
        var best: (Int, Int)?
        for k in i..<min(i + Self.reach, one.count) {
            guard let l = places[one[k]] else { continue }
            if let best, k - i + l - j >= best.0 - i + best.1 - j { continue }
            best = (k, l)
        }
        // Where one of them is over, the other goes on alone.
        if best == nil, i == one.count || j == other.count { return (one.count, other.count) }
        return best
    }

    // MARK: The page

    package var json: JSONText {
        .map([
            ("sides", .list([json(first), json(second)])),
            ("lines", .list(lines.map { .string($0) })),
            ("count", .int(differences.count)), ("apart", .bool(isApart)),
            ("facts", .list([.int(first.facts.count), .int(second.facts.count)])),
            (
                "differences",
                .list(
                    differences.prefix(Self.mostShown).map { one in
                        .map([
                            (
                                "at",
                                .list([.int(one.first.lowerBound), .int(one.second.lowerBound)])
                            ),
                            ("time", .number(Double(moment(of: one)))),
                            ("rows", .list([rows(first, one.first), rows(second, one.second)])),
                            ("story", .list([story(first, one.first), story(second, one.second)])),
                        ])
                    }
                )
            ),
        ])
    }

    private func moment(of one: Difference) -> UInt64 {
        let moments = [
            one.first.isEmpty ? nil : first.facts[one.first.lowerBound].time,
            one.second.isEmpty ? nil : second.facts[one.second.lowerBound].time,
        ]
        return moments.compactMap { $0?.nanoseconds }.min() ?? 0
    }

    private func json(_ side: Side) -> JSONText {
        .map([
            ("name", .string(side.heading.name)), ("seed", .string(side.heading.seed)),
            ("digest", .string(side.heading.digest)),
            ("verdicts", .list(side.heading.verdicts.map(RunPage.json))),
        ])
    }

    /// The facts around a difference, each with whether it is of this side alone.
    private func rows(_ side: Side, _ range: Range<Int>) -> JSONText {
        let text = side.text
        let low = max(range.lowerBound - 5, 0)
        let high = min(max(range.upperBound + 4, range.lowerBound), side.facts.count)
        return .list(
            (low..<high).prefix(24).map { index in
                row(side.facts[index], text, isOwn: range.contains(index), number: index + 1)
            }
        )
    }

    /// What happened before to the message that the first different fact is about.
    private func story(_ side: Side, _ range: Range<Int>) -> JSONText {
        let text = side.text
        let about =
            range.lowerBound < side.facts.count ? side.facts[range.lowerBound].message : .none
        guard about != .none else { return .list([]) }
        let end = min(range.upperBound + 1, side.facts.count)
        let told = side.facts[..<end].enumerated().filter { $0.element.message == about }.suffix(14)
        return .list(
            told.map {
                row($0.element, text, isOwn: range.contains($0.offset), number: $0.offset + 1)
            }
        )
    }

    private func row(_ fact: Fact, _ text: FactText, isOwn: Bool, number: Int) -> JSONText {
        let message = fact.message == .none ? "" : "m\(fact.message.raw): "
        return .list([
            .int(number), .number(Double(fact.time.nanoseconds)),
            .string(message + text.sentence(fact)), .bool(isOwn), .number(Double(fact.event)),
        ])
    }
}
