import ArgumentParser
import Foundation
import RabbitMQModel
import WarrenBroker
import WarrenCatalog
import WarrenCheck
import WarrenTopology

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Says what is wrong with topologies and definitions files, without a broker.",
        discussion: """
            Takes Warren topologies, definitions files of RabbitMQ (of a cluster or of one virtual \
            host), and folders of both. Each finding says what a broker will do with the object, \
            why it matters and what to try; it has a slug, and --explain SLUG says more.

            A file says what is meant: `check: { ignore: [{ slug: …, object: …, reason: … }] }` in \
            a topology, "x-warren": { "ignore": [ … ] } in a definitions file.

            Exit codes: 0 no errors, 1 errors (with --strict: warnings too), 2 a file cannot be read.

            Example: warren check definitions.json --broker-version 4.0
            """
    )

    /// How findings are printed.
    enum Format: String, ExpressibleByArgument, CaseIterable {
        case text, json, sarif, junit, github
    }

    @Argument(help: "Topologies, definitions files, or folders of them.")
    var files: [String] = []

    @Option(help: "How to print the findings: text, json, sarif, junit or github.")
    var format = Format.text

    @ArgumentParser.Flag(help: "Fail on warnings too.")
    var strict = false

    @Option(help: "Leave out what is less than this: error, warning or note.")
    var severity = "note"

    @Option(help: "The version of the broker to check for, such as 4.0; what each file says.")
    var brokerVersion: String?

    @Option(help: "Findings that are known already, as --write-baseline wrote them, are left out.")
    var baseline: String?

    @Option(help: "Write the findings to this file, to be left out from now on.")
    var writeBaseline: String?

    @Option(help: "Print the manual of a rule, or of every one with `all`.")
    var explain: String?

    func validate() throws {
        if explain == nil, files.isEmpty {
            throw ValidationError(
                "name a file to check, such as definitions.json, or --explain SLUG"
            )
        }
        if Finding.Severity(rawValue: severity) == nil {
            throw ValidationError("--severity is '\(severity)'; it may be error, warning or note")
        }
        if let brokerVersion, Version.nearest(to: brokerVersion) == nil {
            throw ValidationError(
                "the version '\(brokerVersion)' is none; write it as \(Version.known.joined(separator: ", "))"
            )
        }
    }

    func run() throws {
        if let explain { return try print(manualsOf: explain) }
        let version = brokerVersion.flatMap { Version.nearest(to: $0) }
        let checker = FileChecker(
            vocabularies: Catalog.vocabularies,
            version: version,
            source: Files.bytes,
            build: Self.build
        )
        let known = try baseline.map { try Baseline(reading: $0) }
        let least = Finding.Severity(rawValue: severity) ?? .note
        var report = CheckReport()
        for path in try CheckedPaths.expand(files) {
            var file = checker.check(path)
            file.findings.removeAll { $0.severity > least }
            if let known { report.known += known.remove(from: &file) }
            report.files.append(file)
        }
        if let writeBaseline { try Baseline(report.files).write(to: writeBaseline) }
        try Console.print(text(of: report), terminator: "")
        if report.files.contains(where: \.isUnreadable) { throw ExitCode(Failure.input) }
        if report.count(.error) > 0 || strict && report.count(.warning) > 0 {
            if writeBaseline == nil { throw ExitCode(Failure.broken) }
        }
    }

    private func text(of report: CheckReport) -> String {
        switch format {
        case .text: report.text(strict: strict)
        case .json: report.json + "\n"
        case .sarif: report.sarif + "\n"
        case .junit: report.junit
        case .github: report.github
        }
    }

    /// What building the nodes and clients of a topology finds.
    private static func build(_ topology: Topology) -> [Finding] {
        do throws(Simulation.Rejection) {
            return try Simulation(topology, models: Catalog.models).warnings
        } catch {
            return error.findings
        }
    }

    private func print(manualsOf slug: String) throws {
        if slug == "all" {
            return try Console.print(
                Check.rules.map { CheckReport.text(of: $0.manual) }.joined(separator: "\n\n")
            )
        }
        guard let manual = Check.manual(slug) else {
            let known = Check.rules.map { $0.manual.slug }
            throw Failure(
                code: Failure.input,
                text: "error: there is no rule '\(slug)'; \(DidYouMean.hint(slug, in: known))\n"
                    + "  try: warren check --explain all"
            )
        }
        if format == .json {
            try Console.print(Report.json(of: CheckReport.ManualLine(manual)))
        } else {
            try Console.print(CheckReport.text(of: manual))
        }
    }
}

/// The files that a command line means.
enum CheckedPaths {
    /// Files as they are; of folders all that look like topologies or definitions, in the order of their names.
    static func expand(_ paths: [String]) throws -> [String] {
        var found: [String] = []
        for path in paths {
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder),
                isFolder.boolValue
            else {
                found.append(path)
                continue
            }
            let inside =
                (FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? [])
                .sorted()
            let files = inside.map { path.hasSuffix("/") ? path + $0 : path + "/" + $0 }.filter(
                isMeant
            )
            if files.isEmpty {
                throw Failure(
                    code: Failure.input,
                    text: "error: '\(path)' holds no topology and no definitions file\n"
                        + "  why: topologies end in .yaml or .yml and begin with `warren: 1`; definitions end in .json"
                )
            }
            found += files
        }
        var seen: Set<String> = []
        return found.filter { seen.insert($0).inserted }
    }

    private static func isMeant(_ path: String) -> Bool {
        let name = path.lowercased()
        guard name.hasSuffix(".json") || name.hasSuffix(".yaml") || name.hasSuffix(".yml"),
            !path.split(separator: "/").contains(where: {
                $0.hasPrefix(".") && $0 != "." && $0 != ".."
            }),
            let bytes = try? Files.bytes(path)
        else { return false }
        if name.hasSuffix(".json") {
            guard let document = try? DefinitionsText.read(path, bytes, number: 0) else {
                // What cannot be read may well be meant: it is said, if it speaks of queues.
                return String(decoding: bytes, as: UTF8.self).contains("\"queues\"")
            }
            return DefinitionSet.isDefinitions(document.root)
                && document.root.entries.contains { _ in true }
                || document.root["warren"] != nil
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").contains {
            $0.hasPrefix("warren:")
        }
    }
}

/// Findings that are known, counted by what they are about and not by where they stand.
struct Baseline: Codable {
    private struct Line: Codable, Hashable {
        var file, slug, object: String
    }

    private struct Row: Codable {
        var file, slug, object: String
        var count: Int
    }

    private var findings: [Row]

    init(_ files: [CheckedFile]) {
        var counts: [Line: Int] = [:]
        for file in files {
            for finding in file.findings {
                counts[
                    Line(file: file.path, slug: finding.slug, object: finding.object),
                    default: 0
                ] += 1
            }
        }
        findings = counts.map {
            Row(file: $0.key.file, slug: $0.key.slug, object: $0.key.object, count: $0.value)
        }
        .sorted { ($0.file, $0.slug, $0.object) < ($1.file, $1.slug, $1.object) }
    }

    init(reading path: String) throws {
        let bytes: [UInt8]
        do throws(ReadFailure) {
            bytes = try Files.bytes(path)
        } catch {
            throw Failure(
                code: Failure.input,
                text: "error: the baseline \(path) cannot be read: \(error.reason)"
            )
        }
        guard let read = try? JSONDecoder().decode(Baseline.self, from: Data(bytes)) else {
            throw Failure(
                code: Failure.input,
                text:
                    "error: \(path) is no baseline\n  try: warren check FILE --write-baseline \(path)"
            )
        }
        self = read
    }

    func write(to path: String) throws {
        do {
            try Data((Report.json(of: self) + "\n").utf8).write(to: URL(fileURLWithPath: path))
        } catch {
            throw Failure(
                code: Failure.outside,
                text: "error: \(path) cannot be written: \(error.localizedDescription)"
            )
        }
    }

    /// Takes what is known out of a file's findings, and says how much that was.
    func remove(from file: inout CheckedFile) -> Int {
        var counts: [Line: Int] = [:]
        for row in findings where row.file == file.path {
            counts[Line(file: row.file, slug: row.slug, object: row.object)] = row.count
        }
        let before = file.findings.count
        file.findings.removeAll { finding in
            let line = Line(file: file.path, slug: finding.slug, object: finding.object)
            guard let left = counts[line], left > 0 else { return false }
            counts[line] = left - 1
            return true
        }
        return before - file.findings.count
    }
}
