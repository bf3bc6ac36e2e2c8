import Foundation
import RabbitMQModel
import Support
import Testing
import WarrenCatalog
import WarrenCheck
import WarrenTopology

/// What a check says of a text.
func check(_ text: String, _ path: String? = nil, version: Version? = nil) -> CheckedFile {
    let name = path ?? (text.hasPrefix("{") ? "example.json" : "example.yaml")
    let checker = FileChecker(
        vocabularies: Catalog.vocabularies,
        version: version,
        source: { _ in Array(text.utf8) },
        build: { _ in [] }
    )
    return checker.check(name)
}

/// Each rule with its own two examples.
@Suite("A rule") struct RuleTests {
    @Test(
        "finds its bad example, and nothing in its good one",
        arguments: Check.rules.map { $0.manual.slug }
    )
    func examples(_ slug: String) throws {
        let manual = try #require(Check.manual(slug))
        let bad = check(manual.bad.text)
        #expect(
            bad.findings.contains { $0.slug == slug },
            "\(bad.findings.map { $0.text(in: bad.files) })"
        )
        #expect(
            bad.findings.filter { $0.slug == slug }.allSatisfy {
                $0.place != nil && !$0.object.isEmpty
            }
        )
        let good = check(manual.good.text)
        #expect(
            !good.findings.contains { $0.slug == slug },
            "\(good.findings.map { $0.text(in: good.files) })"
        )
        #expect(
            !good.findings.contains { $0.severity == .error },
            "\(good.findings.map { $0.text(in: good.files) })"
        )
    }

    @Test("has a slug of its own, and says why, what to do and where that stands")
    func manuals() {
        let slugs = Check.rules.map { $0.manual.slug }
        #expect(Set(slugs).count == slugs.count)
        for manual in Check.rules.map({ $0.manual }) {
            #expect(!manual.why.isEmpty && !manual.remedy.isEmpty && !manual.source.isEmpty)
            #expect(!manual.title.hasSuffix("."))
        }
    }
}

/// The page of the rules, made of their manuals.
@Suite("The page of rules") struct RulePageTests {
    private static let path = "Sources/WarrenCheck/WarrenCheck.docc/Rules.md"

    private static func words(_ outcome: Finding.Outcome?) -> String {
        switch outcome {
        case .created?: "created"
        case .refused?: "refused"
        case .skipped?: "skipped in silence"
        case .ignored?: "accepted, no effect"
        case nil: "as said"
        }
    }

    private static var made: String {
        let manuals = Check.rules.map { $0.manual }.sorted { $0.slug < $1.slug }
        var lines = [
            "# Rules", "",
            "What `warren check` looks for, and what RabbitMQ does with such an object. `warren check --explain SLUG` prints a",
            "rule with a wrong and a right example. Every example is imported into a real 3.10.8 by the tests, together with",
            "files damaged at random, and what happened to each object is held against what the check said; what is said of",
            "other versions stands written where `source` says. `WARREN_WRITE=1 swift test --filter RulePageTests` makes this",
            "page anew.", "",
            "| rule | | the broker | what it finds |", "|---|---|---|---|",
        ]
        lines += manuals.map {
            "| [`\($0.slug)`](#\($0.slug)) | \($0.severity.rawValue) | \(words($0.outcome)) | \($0.title) |"
        }
        lines += [
            "", "## What no file can tell", "",
            "Whether consumers keep up, whether queues grow, whether a plug-in is installed, whether nodes have the memory and",
            "the disk that their watermarks assume, and whether an upstream of a federation points back: that needs the broker.",
            "",
        ]
        for manual in manuals {
            lines += [
                "## \(manual.slug)", "",
                "\(manual.title.prefix(1).uppercased())\(manual.title.dropFirst()).",
                "", "- why: \(manual.why)", "- try: \(manual.remedy)", "- source: \(manual.source)",
                "",
            ]
        }
        return lines.joined(separator: "\n")
    }

    @Test("is what the rules say")
    func page() throws {
        let made = Self.made
        if ProcessInfo.processInfo.environment["WARREN_WRITE"] != nil {
            try made.write(
                to: Repository.root.appending(path: Self.path),
                atomically: true,
                encoding: .utf8
            )
        }
        #expect(try Repository.text(Self.path) == made, "make it anew with WARREN_WRITE=1")
    }
}
