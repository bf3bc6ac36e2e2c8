import Foundation
import Support
import Testing
import WarrenCatalog
import WarrenTopology

/// A JSON Schema validator that is not ours, if the machine has it.
enum Validator {
    static let python: String? = ["/usr/bin/python3", "/usr/local/bin/python3"].first { path in
        guard FileManager.default.isExecutableFile(atPath: path) else { return false }
        return (try? Programs.run(path, ["-c", "import jsonschema, yaml"]))?.code == 0
    }

    /// Whether each file fits the schema, by file name.
    static func verdicts(_ files: [String], _ schema: String) throws -> [String: Bool] {
        let program = """
            import json, sys, yaml, jsonschema
            schema = json.load(open(sys.argv[1]))
            jsonschema.Draft7Validator.check_schema(schema)
            check = jsonschema.Draft7Validator(schema)
            for path in sys.argv[2:]:
                try:
                    bad = next(check.iter_errors(yaml.safe_load(open(path))), None)
                except yaml.YAMLError:
                    bad = True
                print(path, bad is None, sep="\\t")
            """
        let scratch = try Scratch()
        let path = try scratch.write("schema.json", schema)
        let outcome = try Programs.run(try #require(python), ["-c", program, path] + files)
        try #require(outcome.code == 0, "\(outcome.errors)")
        var verdicts: [String: Bool] = [:]
        for line in outcome.output.split(separator: "\n") {
            let parts = line.split(separator: "\t")
            verdicts[String(parts[0])] = parts[1] == "True"
        }
        return verdicts
    }
}

@Suite(
    "The JSON Schema",
    .enabled(if: Validator.python != nil, "python3-jsonschema and python3-yaml are not installed")
)
struct SchemaTests {
    private let schema = JSONSchema.text(for: Catalog.vocabularies)

    @Test func `accepts every topology of the repository`() throws {
        let files = Repository.topologies.map { Repository.root.appending(path: $0).path }
        #expect(files.count >= 25)
        for (file, fits) in try Validator.verdicts(files, schema) { #expect(fits, "\(file)") }
    }

    /// What only a parser can know: names, cycles, and what YAML itself hides.
    private static let beyondSchemas: Set<String> = [
        "unknown-name", "unknown-broker", "same-name", "endless", "incomplete-law",
        "bad-expectation", "about-messages", "duplicate-key", "reserved-name", "fault-moment",
        "fault-target", "no-brokers", "invalid-subject", "refused-declaration", "refused-policy",
        "refused-shovel", "no-broker", "wrong-kind",
        "bad-priority", "one-step", "long-name", "fault-incomplete", "bad-jump", "unknown-version",
        "too-many-nodes", "argument-as-note", "out-of-range", "empty-expectation",
    ]

    @Test func `rejects what the parser rejects, where a schema can say it`() throws {
        let scratch = try Scratch()
        var names: [String: FindingTests.Wrong] = [:]
        for (number, wrong) in FindingTests.wrong.enumerated()
        where !Self.beyondSchemas.contains(wrong.slug) {
            // Faults, types and arguments that come later are words of the format already.
            if wrong.slug == "not-modelled", !wrong.words.contains("NATS-STR") { continue }
            names[try scratch.write("\(number).yaml", wrong.text)] = wrong
        }
        #expect(names.count > 15)
        for (file, fits) in try Validator.verdicts(names.keys.sorted(), schema) {
            #expect(!fits, "\(names[file]?.text ?? file)")
        }
    }
}
