import Foundation
import WarrenBroker
import WarrenCatalog
import WarrenLab
import WarrenTopology

/// The folder of lessons, and what lies in it.
struct LabShelf {
    /// A lesson and its files.
    struct Lab {
        var lesson: Lesson
        /// The folder that holds them.
        var folder: String
        var start: String
        var checks: String
        /// The topology, where it is not the file to mend.
        var topology: String?
        var answer: String
        /// Wrong answers, by the name of their misconception.
        var wrong: [(name: String, text: String)]
        /// A fingerprint of all files, to tell whether they were changed.
        var digest: String
    }

    let folder: String
    let labs: [Lab]

    /// The shelf in a folder, or in the `Labs` that is nearest: above the current folder, or above the program.
    init(_ named: String?) throws {
        let manager = FileManager.default
        let environment = ProcessInfo.processInfo.environment["WARREN_LABS"]
        guard let folder = named ?? environment ?? Self.nearest() else {
            throw Failure(
                code: Failure.input,
                text:
                    "error: there is no folder Labs here, above, or above the program\n  try: --labs with the Labs of Warren's repository"
            )
        }
        guard let names = try? manager.contentsOfDirectory(atPath: folder) else {
            throw Failure(
                code: Failure.input,
                text:
                    "error: '\(folder)' is no folder of lessons\n  try: --labs with the Labs of Warren's repository"
            )
        }
        self.folder = folder
        labs = try names.filter {
            $0.first?.isNumber == true && manager.fileExists(atPath: "\(folder)/\($0)/lab.yaml")
        }.sorted().map { try Self.lab(folder + "/" + $0) }
        if labs.isEmpty {
            throw Failure(
                code: Failure.input,
                text:
                    "error: no lesson lies in '\(folder)'\n  try: `warren lab new \(folder)/01-my-first`"
            )
        }
    }

    private static func nearest() -> String? {
        let manager = FileManager.default
        let program = Bundle.main.executableURL?.resolvingSymlinksInPath()
            .deletingLastPathComponent().path
        for start in [manager.currentDirectoryPath, program].compactMap(\.self) {
            var url = URL(filePath: start)
            while url.path != "/" {
                let labs = url.appending(path: "Labs")
                if manager.fileExists(atPath: labs.appending(path: "01-one-queue/lab.yaml").path) {
                    return labs.path
                }
                url.deleteLastPathComponent()
            }
        }
        return nil
    }

    /// The lesson of a folder.
    static func lab(_ folder: String) throws -> Lab {
        var digest: UInt64 = 0xCBF2_9CE4_8422_2325
        func text(_ name: String) throws -> String {
            let bytes: [UInt8]
            do throws(ReadFailure) {
                bytes = try Files.bytes(folder + "/" + name)
            } catch {
                throw Failure(
                    code: Failure.input,
                    text: "error: \(folder)/\(name) cannot be read: \(error.reason)"
                )
            }
            for byte in bytes { digest = (digest ^ UInt64(byte)) &* 0x100_0000_01B3 }
            return String(decoding: bytes, as: UTF8.self)
        }
        let name = URL(filePath: folder).lastPathComponent
        let lesson: Lesson
        let path = folder + "/lab.yaml"
        // The text is no part of the check, and of what may change underneath.
        _ = try text("README.md")
        let yaml = try text("lab.yaml")
        do throws(LessonReader.Failure) {
            lesson = try LessonReader.read(yaml, path: path, folder: name)
        } catch {
            throw Failure(code: Failure.input, text: error.text)
        }
        let kind = String(lesson.file.drop { $0 != "." })
        let wrong =
            ((try? FileManager.default.contentsOfDirectory(atPath: folder + "/wrong")) ?? [])
            .filter { $0.hasSuffix(kind) }.sorted()
        return Lab(
            lesson: lesson,
            folder: folder,
            start: try text(lesson.file),
            checks: try text("checks.yaml"),
            topology: lesson.file == "topology.yaml" ? nil : try text("topology.yaml"),
            answer: try text("answer" + kind),
            wrong: try wrong.map {
                (String($0.dropLast(kind.count)), try text("wrong/" + $0))
            },
            digest: String(digest, radix: 16)
        )
    }

    /// The lesson with a number, such as `3` or `03`, or a name, such as `a-worker-dies`.
    func lab(_ word: String) throws -> Lab {
        let found = labs.first {
            $0.lesson.number == word || Int($0.lesson.number) == Int(word) && Int(word) != nil
                || $0.lesson.folder == word || $0.lesson.folder.hasSuffix("-" + word)
        }
        guard let found else {
            throw Failure(
                code: Failure.input,
                text:
                    "error: there is no lesson '\(word)'\n  try: `warren lab list`; they go from \(labs[0].lesson.number) to \(labs[labs.count - 1].lesson.number)"
            )
        }
        return found
    }

    /// The lesson after one.
    func next(after lab: Lab) -> Lab? {
        labs.firstIndex { $0.lesson.folder == lab.lesson.folder }
            .flatMap { labs.indices.contains($0 + 1) ? labs[$0 + 1] : nil }
    }
}

extension LabShelf.Lab {
    /// Reads an answer together with the checks, which are those of the lesson whatever lies beside the answer.
    ///
    /// - Throws: ``Failure`` with code 2 if the file cannot be read.
    func topology(_ answer: String, at path: String) throws -> Topology {
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
        func source(_ asked: String) throws(ReadFailure) -> [UInt8] {
            switch asked.split(separator: "/").last.map(String.init) {
            case "checks.yaml": return Array(checks.utf8)
            case lesson.file: return Array(answer.utf8)
            case "topology.yaml": return Array((topology ?? "").utf8)
            default: throw ReadFailure("the lesson has no such file")
            }
        }
        let asked = TopologyReader.read(
            folder + "checks.yaml",
            vocabularies: Catalog.vocabularies,
            source: source
        )
        guard let made = asked.topology else {
            throw try Files.rejected(asked.findings, asked.files)
        }
        if let beyond = lesson.variations.first(where: { $0.fault > made.faults.count }) {
            throw Failure(
                code: Failure.input,
                text:
                    "error: vary speaks of fault \(beyond.fault), and there are \(made.faults.count)\n  in \(self.folder)/lab.yaml"
            )
        }
        // What cannot be built is said with the places of the learner's own file.
        do throws(Simulation.Rejection) {
            _ = try Stage(made, models: Catalog.models)
        } catch {
            throw try Files.rejected(error.findings, made.files)
        }
        let whole = LessonCheck.whole(made, lesson)
        let text = TreeWriter.yaml(whole)
        let whereItStands = folder + "checks.yaml"
        let result = TopologyReader.read(whereItStands, vocabularies: Catalog.vocabularies) {
            _ throws(ReadFailure) in
            Array(text.utf8)
        }
        guard let read = result.topology else {
            Console.error("lesson \(lesson.number) with its witnesses cannot be read")
            throw try Files.rejected(result.findings, result.files)
        }
        return read
    }
}
