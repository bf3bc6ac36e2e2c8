import Foundation
import WarrenBroker
import WarrenCheck
import WarrenTopology

/// What a check found, and how it is printed.
struct CheckReport {
    /// Of the same rule in the same file so many are shown as text; all of them in every other format.
    private static let shown = 20

    var files: [CheckedFile] = []
    /// How many findings a baseline took out.
    var known = 0

    /// How many findings are of a severity.
    func count(_ severity: Finding.Severity) -> Int {
        files.reduce(0) { $0 + $1.findings.count { $0.severity == severity } }
    }

    /// The sentence that a broker's doing is said in.
    static func words(for outcome: Finding.Outcome?, _ version: String?) -> String? {
        let broker = "RabbitMQ \(version ?? "")".trimmingCharacters(in: .whitespaces)
        switch outcome {
        case .refused?: return "\(broker) refuses it, and an import ends there"
        case .skipped?: return "\(broker) leaves it out in silence"
        case .ignored?: return "\(broker) accepts it, and it has no effect"
        case .created?: return "\(broker) creates it as it stands"
        case nil: return nil
        }
    }

    // MARK: Text

    func text(strict: Bool) -> String {
        var parts: [String] = []
        for file in files {
            var counts: [String: Int] = [:]
            for finding in file.findings {
                counts[finding.slug, default: 0] += 1
                guard counts[finding.slug] ?? 0 <= Self.shown else { continue }
                var text = finding.text(in: file.files)
                if let words = Self.words(for: finding.outcome, file.version) {
                    text += "\n  broker: \(words)"
                }
                parts.append(text)
            }
            let more = counts.filter { $0.value > Self.shown }.sorted { $0.key < $1.key }
            for (slug, count) in more {
                parts.append(
                    "… and \(count - Self.shown) more of [\(slug)] in \(file.path); --format json shows all"
                )
            }
        }
        return (parts + [summary]).joined(separator: "\n\n") + "\n"
    }

    private var summary: String {
        func plural(_ count: Int, _ word: String) -> String {
            "\(count) \(word)\(count == 1 ? "" : "s")"
        }
        var line = plural(files.count, "file") + ": "
        let found = [
            (count(.error), "error"), (count(.warning), "warning"), (count(.note), "note"),
        ].filter { $0.0 > 0 }.map { plural($0.0, $0.1) }
        line += found.isEmpty ? Console.good("nothing to say") : found.joined(separator: ", ")
        let versions = Set(files.compactMap(\.version)).sorted()
        if !versions.isEmpty {
            line += ", as RabbitMQ \(versions.joined(separator: " and ")) behaves"
        }
        let suppressed = files.reduce(0) { $0 + $1.suppressed.count }
        if suppressed > 0 { line += "; \(suppressed) meant by the file" }
        if known > 0 { line += "; \(known) in the baseline" }
        if let first = files.flatMap(\.findings).min(by: { $0.severity < $1.severity }),
            Check.manual(first.slug) != nil
        {
            line += "\nnext: warren check --explain \(first.slug)"
        }
        return line
    }

    /// The manual of a rule.
    static func text(of manual: Manual) -> String {
        func indented(_ text: String) -> String {
            text.split(separator: "\n", omittingEmptySubsequences: false).map { "    \($0)" }
                .joined(separator: "\n")
        }
        var lines = ["\(manual.slug)  (\(manual.severity.rawValue))", "", "  \(manual.title)", ""]
        if let words = words(for: manual.outcome, nil) { lines.append("  broker: \(words)") }
        lines += [
            "  why: \(manual.why)", "  try: \(manual.remedy)", "  source: \(manual.source)", "",
        ]
        lines += ["  wrong:", indented(manual.bad.shown), "  right:", indented(manual.good.shown)]
        return lines.joined(separator: "\n")
    }

    // MARK: JSON

    struct ManualLine: Encodable {
        let slug, severity, title, why, remedy, source, bad, good: String
        @OrNull private(set) var outcome: String?

        init(_ manual: Manual) {
            slug = manual.slug
            severity = manual.severity.rawValue
            title = manual.title
            why = manual.why
            remedy = manual.remedy
            source = manual.source
            bad = manual.bad.shown
            good = manual.good.shown
            outcome = manual.outcome?.rawValue
        }
    }

    private struct Whole: Encodable {
        struct File: Encodable {
            var path, kind: String
            @OrNull var version: String?
            var readable: Bool
        }

        struct Meant: Encodable {
            var finding: FindingLine
            var reason: String
        }

        var files: [File]
        var findings: [FindingLine]
        var suppressed: [Meant]
        var errors, warnings, notes, known: Int
    }

    var json: String {
        Report.json(
            of: Whole(
                files: files.map {
                    Whole.File(
                        path: $0.path,
                        kind: $0.kind.rawValue,
                        version: $0.version,
                        readable: !$0.isUnreadable
                    )
                },
                findings: files.flatMap { file in
                    file.findings.map { FindingLine($0, in: file.files) }
                },
                suppressed: files.flatMap { file in
                    file.suppressed.map {
                        Whole.Meant(
                            finding: FindingLine($0.finding, in: file.files),
                            reason: $0.reason
                        )
                    }
                },
                errors: count(.error),
                warnings: count(.warning),
                notes: count(.note),
                known: known
            )
        )
    }

    // MARK: JUnit and GitHub

    /// One suite for each file; each finding is a case, and errors are failures.
    var junit: String {
        var lines = ["<?xml version=\"1.0\" encoding=\"UTF-8\"?>"]
        let all = files.reduce(0) { $0 + max(1, $1.findings.count) }
        lines.append(
            "<testsuites name=\"warren check\" tests=\"\(all)\" failures=\"\(count(.error))\">"
        )
        for file in files {
            let errors = file.findings.count { $0.severity == .error }
            lines.append(
                "  <testsuite name=\"\(CIText.xml(file.path))\" tests=\"\(max(1, file.findings.count))\" failures=\"\(errors)\">"
            )
            if file.findings.isEmpty {
                lines.append(
                    "    <testcase classname=\"\(CIText.xml(file.path))\" name=\"check\"/>"
                )
            }
            for finding in file.findings {
                let line = finding.place.map { " line=\"\($0.line)\"" } ?? ""
                let name = CIText.xml("\(finding.slug): \(finding.sentence)")
                lines.append(
                    "    <testcase classname=\"\(CIText.xml(file.path))\" name=\"\(name)\"\(line)>"
                )
                let text = CIText.xml(finding.text(in: file.files))
                if finding.severity == .error {
                    lines.append(
                        "      <failure type=\"\(finding.slug)\" message=\"\(CIText.xml(finding.sentence))\">\(text)</failure>"
                    )
                } else {
                    lines.append("      <system-out>\(text)</system-out>")
                }
                lines.append("    </testcase>")
            }
            lines.append("  </testsuite>")
        }
        lines.append("</testsuites>")
        return lines.joined(separator: "\n") + "\n"
    }

    /// Workflow commands, one line for each finding.
    var github: String {
        let lines = files.flatMap { file in
            file.findings.map { finding in
                let command = finding.severity == .note ? "notice" : finding.severity.rawValue
                var properties: [String] = []
                if let place = finding.place, place.file < file.files.count {
                    properties = [
                        "file=\(CIText.property(file.files[place.file].path))",
                        "line=\(place.line)",
                        "col=\(place.column)",
                    ]
                } else {
                    properties = ["file=\(CIText.property(file.path))"]
                }
                properties.append("title=\(CIText.property(finding.slug))")
                let text = [
                    finding.sentence, finding.why.isEmpty ? "" : "why: \(finding.why)",
                    finding.remedy.isEmpty ? "" : "try: \(finding.remedy)",
                ]
                .filter { !$0.isEmpty }.joined(separator: "\n")
                return "::\(command) \(properties.joined(separator: ","))::\(CIText.message(text))"
            }
        }
        return lines.isEmpty ? "" : lines.joined(separator: "\n") + "\n"
    }
}
