import Foundation
import RabbitMQModel
import Support
import Testing

/// The coverage page: the catalogue, the exceptions in the code, and the tests that carry numbers.
@Suite("The coverage of RabbitMQ")
struct CoverageTests {
    private static let folder = "Sources/RabbitMQModel/RabbitMQModel.docc"
    private static let page = "\(folder)/Coverage.md"

    private struct Behaviour {
        var number: String
        var group: String
        var sentence: String
    }

    /// Every number of the catalogue, in its order.
    private func catalogue() throws -> [Behaviour] {
        try Repository.text("\(Self.folder)/Behaviours.md").split(separator: "\n").compactMap {
            line in
            guard let match = line.firstMatch(of: /^- \*\*(RMQ-([A-Z]+)-\d\d)\*\* (.*)$/) else {
                return nil
            }
            return Behaviour(
                number: String(match.1),
                group: String(match.2),
                sentence: String(match.3)
            )
        }
    }

    /// The tests by the numbers that their names carry: "RMQ-PUB-07 to 09", "RMQ-DECL-04, 41 and 44".
    private func tests() throws -> [String: [String]] {
        var found: [String: [String]] = [:]
        for path in Repository.files(under: "Tests", ending: ".swift") {
            for name in try Repository.text(path).matches(of: /func\s+`([^`]+)`/).map(\.1) {
                for match in name.matches(of: /RMQ-([A-Z]+)-(\d\d)((?:(?:,| and| to) \d\d)*)/) {
                    for number in numbers(String(match.2), String(match.3)) {
                        let text = number < 10 ? "0\(number)" : "\(number)"
                        found["RMQ-\(match.1)-\(text)", default: []].append(String(name))
                    }
                }
            }
        }
        return found
    }

    private func numbers(_ first: String, _ rest: String) -> [Int] {
        var numbers = [Int(first) ?? 0]
        for match in rest.matches(of: /(,| and| to) (\d\d)/) {
            let number = Int(match.2) ?? 0
            if match.1 == " to" {
                numbers +=
                    (numbers[numbers.count - 1] + 1)..<max(number, numbers[numbers.count - 1] + 1)
            }
            numbers.append(number)
        }
        return numbers
    }

    private func text() throws -> String {
        let tests = try tests()
        let all = try catalogue()
        var lines: [String] = []
        var summary = [
            "| group | numbers | modelled | approximated | not modelled |"
        ]
        summary.append("|---|---|---|---|---|")
        for group in Coverage.groups {
            let members = all.filter { $0.group == group }
            var counts = [0, 0, 0]
            lines += ["", "## \(group)", "", "| number | | test or reason |", "|---|---|---|"]
            for member in members {
                let names = (tests[member.number] ?? []).sorted().prefix(2)
                let shown = names.map { "`\($0)`" }.joined(separator: "; ")
                switch Coverage.exceptions[member.number] {
                case nil:
                    counts[0] += 1
                    lines.append("| \(member.number) | modelled | \(shown) |")
                case .approximated(let instead):
                    counts[1] += 1
                    lines.append("| \(member.number) | approximated: \(instead) | \(shown) |")
                case .notModelled(let reason):
                    counts[2] += 1
                    lines.append("| \(member.number) | not modelled | \(reason) |")
                }
            }
            let cells = counts.map(String.init).joined(separator: " | ")
            summary.append("| \(group) | \(members.count) | \(cells) |")
        }
        let others = Set(all.map(\.group)).subtracting(Coverage.groups).sorted()
        let intro = [
            "# RabbitMQ: coverage, number by number", "",
            "Made from <doc:Behaviours>, the exceptions in `Coverage.swift` and the names of the tests; a test holds",
            "them together. To make it anew: `WARREN_WRITE=1 make test`. The groups \(others.joined(separator: ", ")) are not",
            "modelled yet; a topology that asks for them is refused by name.",
            "",
        ]
        return (intro + summary + lines).joined(separator: "\n") + "\n"
    }

    @Test func `is the page that the code, the catalogue and the tests make`() throws {
        let made = try text()
        if ProcessInfo.processInfo.environment["WARREN_WRITE"] != nil {
            let file = Repository.root.appending(path: Self.page)
            try made.write(to: file, atomically: true, encoding: .utf8)
        }
        let page = try Repository.text(Self.page)
        #expect(page == made, "make it anew with WARREN_WRITE=1 make test")
    }

    @Test func `has a test for every number that it calls modelled or approximated`() throws {
        let tests = try tests()
        for behaviour in try catalogue() where Coverage.groups.contains(behaviour.group) {
            if case .notModelled = Coverage.exceptions[behaviour.number] { continue }
            #expect(tests[behaviour.number] != nil, "\(behaviour.number) \(behaviour.sentence)")
        }
    }

    @Test func `models at least 95 in a hundred of the groups that it is held to`() throws {
        let numbers = try catalogue().filter { Coverage.groups.contains($0.group) }.map(\.number)
        let missing = numbers.filter {
            if case .notModelled = Coverage.exceptions[$0] { true } else { false }
        }
        #expect(numbers.count > 400)
        #expect(Double(missing.count) <= 0.05 * Double(numbers.count), "\(missing)")
        let known = Set(numbers)
        for number in Coverage.exceptions.keys.sorted() {
            #expect(known.contains(number), "\(number) is no number of the catalogue")
        }
    }

    @Test func `cites only numbers that are in the catalogue`() throws {
        let known = Set(try catalogue().map(\.number))
        for path in Repository.files(under: "Sources", ending: ".swift") {
            for match in try Repository.text(path).matches(of: /RMQ-[A-Z]+-\d\d/) {
                #expect(known.contains(String(match.0)), "\(path) cites \(match.0)")
            }
        }
    }
}
