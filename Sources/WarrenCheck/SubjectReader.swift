package import RabbitMQModel
package import WarrenTopology

/// Reads a topology or a definitions file for a question about one broker.
package enum SubjectReader {
    /// Why there is nothing to ask about.
    package struct Failure: Error {
        package var findings: [Finding]
        package var files: [SourceFile]
    }

    /// What a file declares for a broker: the one that is named, or the only RabbitMQ.
    ///
    /// - Throws: what is wrong with the file.
    package static func read(
        _ path: String,
        broker name: String?,
        version: Version?,
        vocabularies: [Vocabulary],
        source: @escaping TopologyReader.Source,
        takesDrafts: Bool = false
    ) throws(Failure) -> (subject: Subject, files: [SourceFile]) {
        let bytes: [UInt8]
        do {
            bytes = try source(path)
        } catch {
            let finding = Finding(
                "unreadable-file",
                "\(path) cannot be read: \(error.reason)",
                at: nil
            )
            throw Failure(findings: [finding], files: [])
        }
        if DefinitionsText.looksLikeJSON(bytes, path) {
            let document: JSONDocument
            do {
                document = try DefinitionsText.read(path, bytes, number: 0)
            } catch {
                throw Failure(
                    findings: [error],
                    files: [DefinitionsText.file(path, bytes)].compactMap { $0 }
                )
            }
            if document.root["warren"] == nil {
                guard DefinitionSet.isDefinitions(document.root) else {
                    throw Failure(
                        findings: [DefinitionsText.stranger(document)],
                        files: [document.file]
                    )
                }
                return (Subject(DefinitionSet(document, version: version)), [document.file])
            }
        }
        let result = TopologyReader.read(path, vocabularies: vocabularies, source: source)
        guard let topology = takesDrafts ? result.draft : result.topology else {
            throw Failure(findings: result.findings, files: result.files)
        }
        let known = topology.brokers.filter { $0.kind == RabbitMQ.vocabulary.kind }
        guard var broker = known.first(where: { $0.name == name ?? $0.name }),
            name != nil || known.count == 1
        else {
            let names = known.map(\.name)
            let finding = Finding(
                "which-broker",
                name.map { "\(path) has no RabbitMQ '\($0)'" }
                    ?? (known.isEmpty ? "\(path) has no RabbitMQ" : "\(path) has several brokers"),
                at: nil,
                label: "",
                why: names.isEmpty ? "" : "known here: \(names.joined(separator: ", "))",
                remedy: names.isEmpty ? "name another file" : "--broker \(names[0])"
            )
            throw Failure(findings: [finding], files: topology.files)
        }
        if let version { broker.version = version.text }
        return (Subject(DefinitionSet(broker), topology: topology, broker: broker), topology.files)
    }
}
