import Support
import Testing
import WarrenTopology

/// JSON as people write it, and what is said of it.
@Suite("JSON") struct JSONReaderTests {
    private static func read(_ text: String) throws(Finding) -> JSONDocument {
        try JSONReader.read(SourceFile(path: "x.json", text: text), number: 0)
    }

    private static func finding(_ text: String) -> Finding? {
        do throws(Finding) {
            _ = try read(text)
            return nil
        } catch {
            return error
        }
    }

    /// A text, the place where it is wrong, and a word of the sentence or of the remedy.
    private static let texts: [(String, Int, Int, String)] = [
        ("", 1, 1, "empty"),
        ("{\"a\": 1", 1, 8, "'{' of line 1"),
        ("{\n\"a\": [\n1", 3, 2, "'[' of line 2"),
        ("{\"a\": [1, 2}", 1, 12, "']'"),
        ("{\n  \"a\": 1\n  \"b\": 2\n}", 3, 3, "comma"),
        ("{\"a\" 1}", 1, 6, "colon"),
        ("{a: 1}", 1, 2, "quotes"),
        ("{\"a\": tru}", 1, 7, "tru"),
        ("{\"a\": True}", 1, 7, "true"),
        ("{\"a\": 01}", 1, 7, "zeros"),
        ("{\"a\": 1.}", 1, 7, "digit"),
        ("{\"a\": \"x\n\"}", 1, 7, "closed"),
        ("{\"a\": 1} {\"b\": 2}", 1, 10, "two files"),
        ("{\"a\": 1}}", 1, 9, "bracket"),
        ("{\"a\": {{ .Values.x }}}", 1, 8, "key"),
        ("{\"a\": NaN}", 1, 7, "NaN"),
        ("{\"é\": 1,\n\t\"b\": }", 2, 7, "value"),
    ]

    @Test(
        "that nobody can read is told with its line, its column and the usual cause",
        arguments: texts.indices
    )
    func broken(_ index: Int) throws {
        let (text, line, column, word) = Self.texts[index]
        let finding = try #require(Self.finding(text), "\(text)")
        let place = try #require(finding.place)
        #expect(
            place.line == line && place.column == column,
            "\(text): \(place) \(finding.sentence)"
        )
        let words = [finding.sentence, finding.label, finding.remedy].joined(separator: " ")
        #expect(words.contains(word), "\(text): \(words)")
        #expect(finding.slug == "not-json" && !finding.remedy.isEmpty)
    }

    @Test("keeps numbers as they are written, keys in their order, and both of two alike")
    func faithful() throws {
        let document = try Self.read(#"{"b": 1.50, "a": -0, "b": 1e4, "c": 12345678901234567890}"#)
        let entries = document.root.entries.map { ($0.key.text ?? "", $0.value.source) }
        #expect(entries.map(\.0) == ["b", "a", "b", "c"])
        #expect(entries.map(\.1) == ["1.50", "-0", "1e4", "12345678901234567890"])
        #expect(document.root["a"]?.integer == 0)
        #expect(document.root["c"]?.integer == nil)
    }

    @Test("decodes what is escaped")
    func escapes() throws {
        let document = try Self.read(#"["a\"\\\/\b\f\n\r\té😀"]"#)
        let text = document.root.elements.first { _ in true }?.text
        #expect(text == "a\"\\/\u{8}\u{c}\n\r\té😀")
    }

    @Test(
        "takes what RabbitMQ takes, and says that it is odd",
        arguments: [
            "{\"a\": 1,}", "[1, 2,]", "{ // one\n\"a\": 1}", "{ /* one */ \"a\": 1}", "{'a': 'b'}",
        ]
    )
    func odd(_ text: String) throws {
        let document = try Self.read(text)
        #expect(!document.oddities.isEmpty)
    }

    @Test("of a thousand levels is refused, and nothing falls")
    func deep() throws {
        for bracket in ["[", "{\"a\":"] {
            let finding = try #require(
                Self.finding(String(repeating: bracket, count: 100_000))
            )
            #expect(finding.sentence.contains("200 levels"))
        }
    }

    @Test("with any octet changed is read or refused with a place within")
    func mutated() throws {
        let path = "Tests/WarrenCheckTests/Definitions/cluster-3.10.json"
        let bytes = Array(try Repository.text(path).utf8)
        var dice = Dice(seed: 4711)
        for _ in 0..<3000 {
            var damaged = bytes
            for _ in 0...dice.below(3) {
                let at = dice.below(damaged.count)
                switch dice.below(3) {
                case 0: damaged[at] = UInt8(32 + dice.below(95))
                case 1: damaged.remove(at: at)
                default: damaged.removeSubrange(at..<min(damaged.count, at + dice.below(200)))
                }
                if damaged.isEmpty { damaged = [0x7B] }
            }
            guard let text = String(validating: damaged, as: UTF8.self) else { continue }
            if let finding = Self.finding(text) {
                let place = try #require(finding.place, "seed 4711: \(finding.sentence)")
                #expect(place.line >= 1 && place.column >= 1 && place.column <= text.utf8.count + 1)
            }
        }
    }
}
