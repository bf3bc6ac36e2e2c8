import RabbitMQModel
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
