import WarrenBroker
import WarrenCheck
import WarrenTopology

/// The parts of SARIF 2.1.0 that a check needs.
///
/// - Source: OASIS, *Static Analysis Results Interchange Format 2.1.0*.
private enum SARIF {
    struct Log: Encodable {
        var version = "2.1.0"
        var schema = "https://json.schemastore.org/sarif-2.1.0.json"
        var runs: [Run]

        enum CodingKeys: String, CodingKey {
            case version, runs
            case schema = "$schema"
        }
    }

    struct Run: Encodable {
        var tool: Tool
        var results: [Result]
        var columnKind = "unicodeCodePoints"
    }

    struct Tool: Encodable {
        struct Driver: Encodable {
            var name = "warren"
            var version: String
            var rules: [Rule]
        }

        var driver: Driver
    }

    struct Text: Encodable { var text: String }

    struct Rule: Encodable {
        struct Configuration: Encodable { var level: String }

        var id: String
        var shortDescription, fullDescription, help: Text
        var defaultConfiguration: Configuration
    }

    struct Result: Encodable {
        var ruleId: String
        var ruleIndex: Int?
        var level: String
        var message: Text
        var locations: [Location]
        var partialFingerprints: [String: String]
        var suppressions: [Suppression]?
    }

    struct Suppression: Encodable {
        var kind = "inSource"
        var justification: String
    }

    struct Location: Encodable {
        struct Physical: Encodable {
            struct Artifact: Encodable { var uri: String }
            struct Region: Encodable { var startLine, startColumn, endColumn: Int }

            var artifactLocation: Artifact
            var region: Region?
        }

        struct Logical: Encodable { var fullyQualifiedName: String }

        var physicalLocation: Physical
        var logicalLocations: [Logical]?
    }
}

extension CheckReport {
    /// The findings as SARIF 2.1.0, those that the file means among them as suppressed.
    var sarif: String {
        let slugs = Check.rules.map { $0.manual.slug }
        let index = Dictionary(uniqueKeysWithValues: slugs.enumerated().map { ($1, $0) })
        let rules = Check.rules.map { rule in
            SARIF.Rule(
                id: rule.manual.slug,
                shortDescription: SARIF.Text(text: rule.manual.title),
                fullDescription: SARIF.Text(text: rule.manual.why),
                help: SARIF.Text(text: Self.text(of: rule.manual)),
                defaultConfiguration: SARIF.Rule.Configuration(level: rule.manual.severity.rawValue)
            )
        }
        let results = files.flatMap { file in
            file.findings.map { Self.result($0, file, index, nil) }
                + file.suppressed.map { Self.result($0.finding, file, index, $0.reason) }
        }
        let driver = SARIF.Tool.Driver(version: Simulation.version, rules: rules)
        return Report.json(
            of: SARIF.Log(runs: [SARIF.Run(tool: SARIF.Tool(driver: driver), results: results)])
        )
    }

    private static func result(
        _ finding: Finding,
        _ file: CheckedFile,
        _ index: [String: Int],
        _ reason: String?
    ) -> SARIF.Result {
        var path = file.path
        var region: SARIF.Location.Physical.Region?
        if let place = finding.place, place.file < file.files.count {
            path = file.files[place.file].path
            region = SARIF.Location.Physical.Region(
                startLine: place.line,
                startColumn: place.column,
                endColumn: place.column + max(1, place.length)
            )
        }
        let parts = [
            finding.sentence, finding.label, finding.why,
            words(for: finding.outcome, file.version) ?? "",
            finding.remedy.isEmpty ? "" : "Try: \(finding.remedy)",
        ]
        return SARIF.Result(
            ruleId: finding.slug,
            ruleIndex: index[finding.slug],
            level: finding.severity.rawValue,
            message: SARIF.Text(text: parts.filter { !$0.isEmpty }.joined(separator: ". ")),
            locations: [
                SARIF.Location(
                    physicalLocation: SARIF.Location.Physical(
                        artifactLocation: SARIF.Location.Physical.Artifact(uri: uri(path)),
                        region: region
                    ),
                    logicalLocations: finding.object.isEmpty
                        ? nil : [SARIF.Location.Logical(fullyQualifiedName: finding.object)]
                )
            ],
            partialFingerprints: ["warren/v1": "\(finding.slug)|\(finding.object)"],
            suppressions: reason.map { [SARIF.Suppression(justification: $0)] }
        )
    }

    /// A path as a reference of a URI: what is no plain letter there is escaped.
    private static func uri(_ path: String) -> String {
        let plain = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/".utf8)
        var result = path.hasPrefix("/") ? "file://" : ""
        for byte in path.utf8 {
            if plain.contains(byte) {
                result.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let code = String(byte, radix: 16, uppercase: true)
                result += "%" + (code.count == 1 ? "0" + code : code)
            }
        }
        return result
    }
}
