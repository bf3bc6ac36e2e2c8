package import RabbitMQModel
package import WarrenTopology

/// A file with all that there is to say about it.
package struct CheckedFile: Sendable {
    /// What kind of file it is.
    package enum Kind: String, Sendable { case topology, definitions, unknown }

    /// The path as it was given.
    package var path: String
    package var kind: Kind
    /// What is to be said, in the order of the file.
    package var findings: [Finding] = []
    /// What the file says is meant.
    var suppressions: [Suppression] = []
    /// Findings that the file says are meant, each with the reason.
    package var suppressed: [(finding: Finding, reason: String)] = []
    /// The files that it was read from.
    package var files: [SourceFile] = []
    /// The version of the broker that was asked about.
    package var version: String?
    /// Whether it could not be read as what it is, so that no rule was asked.
    package var isUnreadable = false
}

/// Reads files and holds them against the rules.
package struct FileChecker {
    /// What building the nodes and clients of a topology finds.
    package typealias Build = (Topology) -> [Finding]

    private let vocabularies: [Vocabulary]
    private let version: Version?
    private let source: TopologyReader.Source
    private let build: Build

    /// A checker of files.
    ///
    /// `version`: whose behaviour is asked for, what each file says if nil; `source` gives the bytes of a file; `build`
    /// says what building a topology finds.
    package init(
        vocabularies: [Vocabulary],
        version: Version?,
        source: @escaping TopologyReader.Source,
        build: @escaping Build
    ) {
        self.vocabularies = vocabularies
        self.version = version
        self.source = source
        self.build = build
    }

    /// What there is to say about a file.
    package func check(_ path: String) -> CheckedFile {
        let bytes: [UInt8]
        do {
            bytes = try source(path)
        } catch {
            var file = CheckedFile(path: path, kind: .unknown, isUnreadable: true)
            file.findings = [
                Finding("unreadable-file", "\(path) cannot be read: \(error.reason)", at: nil)
            ]
            return file
        }
        var checked =
            DefinitionsText.looksLikeJSON(bytes, path) ? definitions(path, bytes) : topology(path)
        suppress(&checked)
        return checked
    }

    private func definitions(_ path: String, _ bytes: [UInt8]) -> CheckedFile {
        var checked = CheckedFile(path: path, kind: .definitions)
        let document: JSONDocument
        do {
            document = try DefinitionsText.read(path, bytes, number: 0)
        } catch {
            checked.isUnreadable = true
            checked.files = [DefinitionsText.file(path, bytes)].compactMap { $0 }
            checked.findings = [error]
            return checked
        }
        // A topology may be written as JSON too.
        if document.root["warren"] != nil { return topology(path) }
        checked.files = [document.file]
        guard DefinitionSet.isDefinitions(document.root) else {
            checked.kind = .unknown
            checked.isUnreadable = true
            checked.findings = [DefinitionsText.stranger(document)]
            return checked
        }
        let set = DefinitionSet(document, version: version)
        checked.version = set.version.text
        checked.findings = Check.findings(Subject(set))
        checked.suppressions = DefinitionsText.suppressions(document)
        return checked
    }

    private func topology(_ path: String) -> CheckedFile {
        let result = TopologyReader.read(path, vocabularies: vocabularies, source: source)
        var checked = CheckedFile(path: path, kind: .topology)
        checked.files = result.files
        checked.suppressions = result.draft?.suppressions ?? []
        guard let draft = result.draft else {
            checked.isUnreadable = true
            checked.findings = result.findings
            return checked
        }
        var found: [Finding] = []
        for broker in draft.brokers where broker.kind == RabbitMQ.vocabulary.kind {
            var broker = broker
            if let version { broker.version = version.text }
            checked.version = broker.version
            found += Check.findings(Subject(DefinitionSet(broker), topology: draft, broker: broker))
        }
        // What the rules say in full, reading and building have said in short.
        let short = result.findings + (result.topology.map(build) ?? [])
        let told = Set(found.compactMap { $0.place.map { Line($0) } })
        let kept = short.filter { finding in
            guard Self.covered.contains(finding.slug), let place = finding.place else {
                return true
            }
            return !told.contains(Line(place))
        }
        checked.findings = Check.sorted(Self.unique(kept) + found)
        return checked
    }

    /// What reading a topology says of things that a rule speaks of as well.
    private static let covered: Set<String> = [
        "missing-exchange", "reserved-name", "refused-declaration", "refused-policy",
        "unknown-argument", "long-name",
    ]

    private struct Line: Hashable {
        var file: Int
        var line: Int

        init(_ place: Place) {
            file = place.file
            line = place.line
        }
    }

    /// Takes away what the file says is meant; a word that is about nothing is a finding itself.
    private func suppress(_ checked: inout CheckedFile) {
        var used = checked.suppressions.map { _ in false }
        var left: [Finding] = []
        for finding in checked.findings {
            guard
                let index = checked.suppressions.firstIndex(where: {
                    $0.covers(finding) && !$0.reason.isEmpty
                })
            else {
                left.append(finding)
                continue
            }
            used[index] = true
            checked.suppressed.append((finding, checked.suppressions[index].reason))
        }
        for (suppression, isUsed) in zip(checked.suppressions, used) where !isUsed {
            let isKnown = Check.manual(suppression.slug) != nil
            left.append(
                Finding(
                    "unused-suppression",
                    suppression.reason.isEmpty
                        ? "'\(suppression.slug)' is to be passed over, and no reason is given"
                        : "'\(suppression.slug)' is to be passed over, and there is nothing of it",
                    at: suppression.place,
                    label: isKnown
                        ? ""
                        : DidYouMean.hint(suppression.slug, in: Check.rules.map { $0.manual.slug }),
                    why: suppression.reason.isEmpty
                        ? "without a reason nobody knows later whether it still holds, so it is not passed over"
                        : "what is passed over in silence and is not there hides what comes later",
                    remedy: suppression.reason.isEmpty ? "add `reason:`" : "remove it",
                    severity: .warning
                )
            )
        }
        checked.findings = Check.sorted(left)
    }

    private static func unique(_ findings: [Finding]) -> [Finding] {
        var seen: Set<Finding> = []
        return findings.filter { seen.insert($0).inserted }
    }
}
