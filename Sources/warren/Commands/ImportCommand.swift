import ArgumentParser
import Foundation
import RabbitMQModel
import WarrenCatalog
import WarrenCheck
import WarrenTopology

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Makes a topology of a definitions file of RabbitMQ.",
        discussion: """
            Producers and consumers are guesses, and marked as such: say there who really \
            publishes and consumes. Password hashes and passwords of upstreams and shovels are not copied, \
            and the host of a URI becomes the name of a broker: the topology names the file that it was made of, and `warren export` takes them from there, \
            and writes what has not changed as it stood.

            Example: warren import definitions.json -o shop.yaml
            """
    )

    @Argument(help: "A definitions file, of a cluster or of one virtual host.")
    var file: String

    @Option(name: .shortAndLong, help: "Where to write the topology; standard output if left out.")
    var output: String?

    @ArgumentParser.Flag(help: "Name the file in the topology, and spell nothing out.")
    var byReference = false

    func run() throws {
        let bytes: [UInt8]
        do throws(ReadFailure) {
            bytes = try Files.bytes(file)
        } catch {
            throw Failure(
                code: Failure.input,
                text: "error: \(file) cannot be read: \(error.reason)"
            )
        }
        let document: JSONDocument
        do throws(Finding) {
            document = try DefinitionsText.read(file, bytes, number: 0)
            guard DefinitionSet.isDefinitions(document.root) else {
                throw DefinitionsText.stranger(document)
            }
        } catch {
            let files = [DefinitionsText.file(file, bytes)].compactMap { $0 }
            throw Failure(
                code: Failure.input,
                text: error.text(in: files) + "\n\nnothing was imported"
            )
        }
        let reference = RelativePath.from(folderOf: output, to: file)
        var (tree, findings) = DefinitionsText.topology(document, file, reference: reference)
        if byReference { tree = Self.referring(to: reference, tree) }
        for finding in findings { Console.error(finding.text(in: [document.file]) + "\n") }
        let guess =
            "Guesses: a definitions file says what there is, and not who uses it. Mend them."
        var comments: [String: String] = [:]
        for section in ["producers", "consumers"] where tree[section] != nil {
            comments[section] = guess
            if tree[section]?.entries.count ?? 0 >= 50 {
                comments[section]? += "\nThere are 50; the file has more."
            }
        }
        let text = TreeWriter.yaml(tree, comments: comments)
        try verify(text)
        guard let output else { return try Console.print(text, terminator: "") }
        do {
            try Data(text.utf8).write(to: URL(fileURLWithPath: output))
        } catch {
            throw Failure(
                code: Failure.outside,
                text: "error: \(output) cannot be written: \(error.localizedDescription)"
            )
        }
        try Console.print("\(output)\nnext: warren check \(output) && warren run \(output)")
    }

    /// The topology with the file in place of what it declares.
    private static func referring(to path: String, _ tree: Tree) -> Tree {
        let broker = tree["brokers"]?["main"]
        let section = Tree.map(
            ["kind", "version"].compactMap { key in broker?[key].map { (key, $0) } }
                + [("definitions", .quoted(path, at: tree.place))],
            at: tree.place
        )
        var entries = tree.entries
        for index in entries.indices where entries[index].key == "brokers" {
            entries[index].value = .map([("main", section)], at: tree.place)
        }
        return Tree(content: .map(entries), place: tree.place)
    }

    /// What was written must be read back.
    private func verify(_ text: String) throws {
        let folder = (output ?? "./x").split(separator: "/", omittingEmptySubsequences: false)
            .dropLast().joined(separator: "/")
        let path = folder.isEmpty ? "imported.yaml" : folder + "/imported.yaml"
        let result = TopologyReader.read(path, vocabularies: Catalog.vocabularies) {
            name throws(ReadFailure) in
            name == path ? Array(text.utf8) : try Files.bytes(name)
        }
        for finding in result.findings where finding.severity == .error {
            Console.error(
                "note: a broker, or Warren, will not take this as it stands\n"
                    + finding.text(in: result.files) + "\n"
            )
        }
    }
}

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Writes what a topology declares as a definitions file of RabbitMQ.",
        discussion: """
            What a topology was imported with and has not changed is written as it stood there, in \
            the same order, every number as it was. New users get no password: RabbitMQ gives \
            them one that nobody knows.

            Example: warren export shop.yaml -o definitions.json
            """
    )

    @Argument(help: "A topology.")
    var file: String

    @Option(
        name: .shortAndLong,
        help: "Where to write the definitions; standard output if left out."
    )
    var output: String?

    @Option(help: "Which broker, if there are several.")
    var broker: String?

    func run() throws {
        // What a broker, or Warren, would refuse can be written all the same.
        let subject = try Files.subject(file, broker, nil, .text, takesDrafts: true)
        let text: String
        if let document = subject.set.document {
            text =
                document.file.text.hasSuffix("\n") ? document.file.text : document.file.text + "\n"
        } else {
            text = DefinitionsExport(subject.set, base: try base(subject)).text()
        }
        guard let output else { return try Console.print(text, terminator: "") }
        do {
            try Data(text.utf8).write(to: URL(fileURLWithPath: output))
        } catch {
            throw Failure(
                code: Failure.outside,
                text: "error: \(output) cannot be written: \(error.localizedDescription)"
            )
        }
        try Console.print("\(output)\nnext: warren check \(output)")
    }

    /// The definitions file that the topology names.
    private func base(_ subject: Subject) throws -> DefinitionSet? {
        guard
            let reference = subject.broker?.tree["imported_from"]
                ?? subject.broker?.tree["definitions"], let name = reference.text
        else { return nil }
        let files = subject.topology?.files ?? []
        let from = reference.place.file < files.count ? files[reference.place.file].path : file
        let folder = from.lastIndex(of: "/").map { String(from[...$0]) } ?? ""
        let path = name.hasPrefix("/") ? name : folder + name
        do throws(ReadFailure) {
            let bytes = try Files.bytes(path)
            do throws(Finding) {
                return DefinitionSet(
                    try DefinitionsText.read(path, bytes, number: 0),
                    version: subject.version
                )
            } catch {
                throw ReadFailure(error.sentence)
            }
        } catch {
            throw Failure(
                code: Failure.input,
                text: "error: \(path), which \(file) was made of, cannot be read: \(error.reason)\n"
                    + "  why: users' passwords, parameters and the order of things stand there alone\n"
                    + "  try: put it back, or remove `imported_from:` to export without them"
            )
        }
    }
}

/// Paths as one file names another.
enum RelativePath {
    /// How a file in the folder of `output`, or in this one, names `target`.
    static func from(folderOf output: String?, to target: String) -> String {
        guard !target.hasPrefix("/") else { return target }
        let folder = (output ?? "").split(separator: "/", omittingEmptySubsequences: false)
            .dropLast()
        if output?.hasPrefix("/") ?? false {
            return FileManager.default.currentDirectoryPath + "/" + target
        }
        let steps = folder.filter { $0 != "." && !$0.isEmpty }
        // Upwards out of a folder that is itself reached upwards cannot be said without knowing where it is.
        if steps.contains("..") { return FileManager.default.currentDirectoryPath + "/" + target }
        var own = target.split(separator: "/").filter { $0 != "." }
        var rest = steps[...]
        while let first = rest.first, first == own.first, own.count > 1 {
            rest = rest.dropFirst()
            own.removeFirst()
        }
        return (rest.map { _ in ".." } + own.map(String.init)).joined(separator: "/")
    }
}
