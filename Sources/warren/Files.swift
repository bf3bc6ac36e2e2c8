import Foundation
import RabbitMQModel
import Synchronization
import WarrenBroker
import WarrenCatalog
import WarrenCheck
import WarrenStore
import WarrenTopology

/// Reading what the user names.
enum Files {
    /// The bytes of a file, or why they cannot be had.
    static func bytes(_ path: String) throws(ReadFailure) -> [UInt8] {
        if let reason = obstacle(path) { throw ReadFailure(reason) }
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw ReadFailure(SystemReason.words(for: errno))
        }
        defer { try? handle.close() }
        // One byte more than a file may have is enough to know that it is too large.
        guard let data = try? handle.read(upToCount: JSONReader.byteLimit + 1) else { return [] }
        return [UInt8](data)
    }

    /// Why a path cannot be read, as far as can be seen without opening it; nil if nothing is in the way.
    static func obstacle(_ path: String) -> String? {
        var status = stat()
        guard stat(path, &status) == 0 else { return SystemReason.words(for: errno) }
        if status.st_mode & S_IFMT == S_IFDIR {
            return "it is a folder; name one of the files in it"
        }
        return access(path, R_OK) == 0 ? nil : SystemReason.words(for: errno)
    }

    /// Reads a topology and says on standard error what there is to say.
    ///
    /// - Throws: ``Failure`` with code 2 if there are errors.
    static func topology(_ path: String, _ format: OutputFormat = .text) throws -> Topology {
        let result = TopologyReader.read(
            path,
            vocabularies: Catalog.vocabularies,
            source: Files.bytes
        )
        guard let topology = result.topology else {
            throw try rejected(result.findings, result.files, format)
        }
        for finding in result.findings { Console.error(finding.text(in: result.files)) }
        return topology
    }

    /// What stands between the files of a topology in a trace.
    static let fileGap = "\n---\n"

    /// The topology of the text that a trace holds, as if it lay at a path; nil if something is wrong with it.
    ///
    /// Files that it includes stand after it, in the order in which they are asked for.
    static func topology(of text: String, at path: String) -> Topology? {
        let parts = Mutex(Array(text.split(separator: fileGap, omittingEmptySubsequences: false)))
        let read = TopologyReader.read(path, vocabularies: Catalog.vocabularies) {
            _ throws(ReadFailure) in
            let next = parts.withLock { $0.isEmpty ? nil : $0.removeFirst() }
            guard let next else { throw ReadFailure("the trace does not have it") }
            return Array(next.utf8)
        }
        if let topology = read.topology { return topology }
        // What looks like a gap may be a line of the only file.
        return TopologyReader.read(path, vocabularies: Catalog.vocabularies) {
            _ throws(ReadFailure) in Array(text.utf8)
        }.topology
    }

    /// The topology of a recorded run, with the ready story that it was run with; nil if it cannot be read any more.
    static func topology(of run: TraceReader.Run) -> Topology? {
        guard let topology = topology(of: run.topology, at: run.name) else { return nil }
        let mark = run.schedule.range(of: scheduleOfScenario)
        guard let name = mark.map({ String(run.schedule[$0.upperBound...]) }) else {
            return topology
        }
        return Scenario(rawValue: name).flatMap { try? $0.applied(to: topology) }
    }

    /// What stands before the name of a ready story in the schedule of a run.
    static let scheduleOfScenario = ", scenario "

    /// What a topology or a definitions file declares for a broker.
    ///
    /// - Throws: ``Failure`` with code 2 if it cannot be read.
    static func subject(
        _ path: String,
        _ broker: String?,
        _ version: String?,
        _ format: OutputFormat,
        takesDrafts: Bool = false
    ) throws -> Subject {
        let known = version.flatMap { Version.nearest(to: $0) }
        if let version, known == nil {
            throw Failure(
                code: Failure.input,
                text: "error: the version '\(version)' is none\n  try: one of "
                    + Version.known.joined(separator: ", ")
            )
        }
        do throws(SubjectReader.Failure) {
            return try SubjectReader.read(
                path,
                broker: broker,
                version: known,
                vocabularies: Catalog.vocabularies,
                source: Files.bytes,
                takesDrafts: takesDrafts
            ).subject
        } catch {
            throw try rejected(error.findings, error.files, format)
        }
    }

    /// Why nothing is simulated: the findings as text, or as JSON on standard output.
    static func rejected(
        _ findings: [Finding],
        _ files: [SourceFile],
        _ format: OutputFormat = .text
    ) throws -> Failure {
        let errors = findings.count { $0.severity == .error }
        let count = errors == 1 ? "1 error" : "\(errors) errors"
        if format == .json {
            let lines = findings.map { FindingLine($0, in: files) }
            try Console.print(Report.json(of: Rejected(complete: false, findings: lines)))
        }
        let texts = findings.map { $0.text(in: files) }.joined(separator: "\n\n")
        return Failure(code: Failure.input, text: "\(texts)\n\n\(count); nothing was simulated")
    }

    private struct Rejected: Encodable {
        var complete: Bool
        var findings: [FindingLine]
    }
}

/// A finding as JSON says it; the shape is stable: keys are added, never renamed.
struct FindingLine: Encodable {
    let slug, severity, sentence: String
    @OrNull private(set) var file: String?
    @OrNull private(set) var line: Int?
    @OrNull private(set) var column: Int?
    let label, why, remedy: String
    /// What it is about, such as `queue 'jobs' in '/'`; empty if that is no object of a broker.
    let object: String
    /// What a broker does with it: created, refused, skipped or ignored.
    @OrNull private(set) var outcome: String?

    init(_ finding: Finding, in files: [SourceFile]) {
        slug = finding.slug
        severity = finding.severity.rawValue
        sentence = finding.sentence
        if let place = finding.place, place.file < files.count {
            file = files[place.file].path
            line = place.line
            column = place.column
        } else {
            file = nil
            line = nil
            column = nil
        }
        label = finding.label
        why = finding.why
        remedy = finding.remedy
        object = finding.object
        outcome = finding.outcome?.rawValue
    }
}
