import ArgumentParser
import Foundation
import WarrenLab
import WarrenTopology

/// Whether a lesson tells the truth: what it hands out fails, what it calls right passes, what it calls wrong is told what the
/// lesson says of it, and what its text quotes is what comes.
struct LabProof {
    let lab: LabShelf.Lab
    let shelf: String
    /// How many schedules a model answer has to stand.
    let schedules: Int

    /// What is not so, in sentences; none if the lesson is true.
    func faults() throws -> [String] {
        try ofAnswers() + ofWrongAnswers() + ofHints() + ofText() + ofDoors() + ofQuotes()
    }

    private func verdict(_ text: String, _ schedules: Int = LabVerdict.schedules) throws
        -> LabVerdict
    {
        try LabVerdict(
            lab,
            answer: text,
            path: lab.folder + "/" + lab.lesson.file,
            schedules: schedules
        )
    }

    private func ofAnswers() throws -> [String] {
        var faults: [String] = []
        if try verdict(lab.start).isPassed { faults.append("what is handed out passes already") }
        let answer = try verdict(lab.answer, schedules)
        if !answer.isPassed {
            faults.append(
                "the model answer does not stand \(schedules) schedules:\n"
                    + answer.lines.joined(separator: "\n")
            )
        }
        for (name, text) in [("an empty file", ""), ("a file with nothing in it", "warren: 1\n")] {
            // A file that cannot be read passes nothing, either.
            let passes = (try? verdict(text).isPassed) ?? false
            if passes { faults.append("\(name) passes") }
        }
        return faults
    }

    private func ofWrongAnswers() throws -> [String] {
        var faults: [String] = []
        let known = lab.lesson.misconceptions.map(\.name)
        for name in known where !lab.wrong.contains(where: { $0.name == name }) {
            faults.append("the misconception \(name) has no file wrong/\(name).yaml")
        }
        for (name, text) in lab.wrong {
            guard known.contains(name) else {
                faults.append("wrong/\(name).yaml is no misconception of lab.yaml")
                continue
            }
            let verdict = try verdict(text)
            if verdict.isPassed { faults.append("the wrong answer \(name) passes") }
            if !verdict.isPassed, verdict.misconception?.name != name {
                let taken = verdict.misconception?.name ?? "nothing that is known"
                faults.append(
                    "the wrong answer \(name) is taken for \(taken); it breaks \(verdict.broken.joined(separator: ", "))\n"
                        + verdict.lines.joined(separator: "\n")
                )
            }
        }
        // What is handed out is not told what a wrong answer is told, unless the lesson says that it is one.
        return faults
    }

    private func ofHints() -> [String] {
        guard lab.lesson.hints.count == 3, let last = lab.lesson.hints.last else {
            return ["there are \(lab.lesson.hints.count) hints, not three"]
        }
        let quoted = last.split(separator: "`", omittingEmptySubsequences: false).enumerated()
            .filter { $0.offset % 2 == 1 }.map { String($0.element) }
        let isLine = quoted.contains { lab.answer.contains($0) != lab.start.contains($0) }
        return isLine
            ? []
            : ["the last hint quotes nothing (in `…`) in which the answer and the start differ"]
    }

    private static let headings = [
        "**What you will know**", "## The story", "## Predict", "## Run it", "## What happened",
        "## Mend it", "## Check", "## In the real world", "## Words", "## Next",
    ]

    private func ofText() throws -> [String] {
        var faults: [String] = []
        let text = try readme()
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        if lines.count > 91 { faults.append("README.md has \(lines.count) lines, more than 90") }
        // What is quoted is as long as it is.
        var isQuoted = false
        for line in lines {
            if line.hasPrefix("```") { isQuoted.toggle() }
            if !isQuoted, line.count > 100 {
                faults.append("README.md has a line of \(line.count) letters: \(line.prefix(40))…")
            }
        }
        faults += try ofWords(lines)
        let title = "# \(lab.lesson.number) \(lab.lesson.title)"
        if !text.hasPrefix(title + "\n") {
            faults.append("README.md does not begin with '\(title)'")
        }
        var from = text.startIndex
        for heading in Self.headings {
            guard let found = text.range(of: heading, range: from..<text.endIndex) else {
                faults.append("README.md has no '\(heading)', or not in its place")
                continue
            }
            from = found.upperBound
        }
        if lab.topology == nil, lab.start.split(separator: "\n").count > 26 {
            faults.append("topology.yaml has more than 25 lines")
        }
        if lab.topology == nil, !lab.start.contains("# yours") {
            faults.append("topology.yaml does not say what is `# yours`")
        }
        return faults
    }

    /// A word of the lesson is explained as the glossary of the shelf explains it, if there is one.
    private func ofWords(_ lines: [Substring]) throws -> [String] {
        guard let glossary = try? LabGlossary(shelf) else { return [] }
        return lines.filter { $0.hasPrefix("- **") }.compactMap { line in
            glossary.lines.contains(String(line))
                ? nil : "the glossary does not say '\(line)'"
        }
    }

    /// A `warren` command that leads out of the lesson is one that the program understands.
    private func ofDoors() throws -> [String] {
        try readme().split(separator: "\n").filter { $0.hasPrefix("warren ") }.compactMap { line in
            let words = line.prefix { $0 != "#" }.split(separator: " ").map(String.init)
            do {
                _ = try Warren.parseAsRoot(Array(words.dropFirst()))
                return nil
            } catch {
                return
                    "`\(words.joined(separator: " "))` in README.md: \(Warren.message(for: error))"
            }
        }
    }

    private func readme() throws -> String {
        do throws(ReadFailure) {
            return String(decoding: try Files.bytes(lab.folder + "/README.md"), as: UTF8.self)
        } catch {
            throw Failure(
                code: Failure.input,
                text: "error: \(lab.folder)/README.md: \(error.reason)"
            )
        }
    }

    // MARK: What is quoted

    /// Runs the commands of `console` blocks in a folder as a learner has it, and holds what comes against what is quoted:
    /// the same lines in the same order, with any number of lines at a `…`.
    private func ofQuotes() throws -> [String] {
        let scratch = FileManager.default.temporaryDirectory
            .appending(path: "warren-lab-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: scratch) }
        let folder = scratch + "/lab"
        try FileManager.default.createDirectory(
            atPath: scratch,
            withIntermediateDirectories: true
        )
        var faults: [String] = []
        let begun = try Self.run(
            "warren lab start \(lab.lesson.number) --into lab",
            in: scratch,
            state: scratch,
            labs: shelf
        )
        guard begun.hasPrefix(lab.lesson.number) else { return ["start fails: \(begun)"] }
        for block in try blocks() {
            if let text = block.file {
                try LabFolder.write(text, to: folder + "/" + lab.lesson.file)
            }
            for quote in block.quotes {
                let output = try Self.run(quote.command, in: folder, state: scratch, labs: shelf)
                if let fault = Self.difference(quote.lines, output) {
                    faults.append(
                        "`\(quote.command)` in README.md: \(fault)\nit printed:\n\(output)"
                    )
                }
            }
        }
        return faults
    }

    private struct Quote {
        var command: String
        var lines: [String] = []
    }

    private struct Block {
        var file: String?
        var quotes: [Quote] = []
    }

    private func blocks() throws -> [Block] {
        var blocks: [Block] = []
        var open: Block?
        var file: String?
        for line in try readme().split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("<!-- with ") {
                let name = line.dropFirst("<!-- with ".count).prefix { $0 != " " }
                switch name {
                case "start": file = lab.start
                case "answer": file = lab.answer
                default: file = lab.wrong.first { $0.name == name }?.text
                }
            } else if line == "```console" {
                open = Block(file: file)
                file = nil
            } else if line == "```", let block = open {
                blocks.append(block)
                open = nil
            } else if open != nil, line.hasPrefix("$ ") {
                open?.quotes.append(Quote(command: String(line.dropFirst(2))))
            } else if let last = open?.quotes.indices.last {
                open?.quotes[last].lines.append(String(line))
            }
        }
        return blocks
    }

    /// The first quoted line that did not come where it should; nil if all did.
    private static func difference(_ quoted: [String], _ output: String) -> String? {
        func bare(_ text: some StringProtocol) -> String {
            var text = String(text)
            while text.last?.isWhitespace == true { text.removeLast() }
            return text
        }
        let lines = output.split(separator: "\n", omittingEmptySubsequences: false).map(bare)
        var place = 0
        var isGap = false
        for line in quoted.map(bare) {
            if line == "…" {
                isGap = true
                continue
            }
            if isGap {
                guard let found = lines[place...].firstIndex(of: line) else {
                    return "'\(line)' does not come"
                }
                place = found + 1
                isGap = false
            } else {
                guard place < lines.count, lines[place] == line else {
                    return "'\(line)' does not come as line \(place + 1)"
                }
                place += 1
            }
        }
        let rest = lines[place...].filter { !$0.isEmpty }
        return isGap || rest.isEmpty ? nil : "more comes: '\(rest[rest.startIndex])'"
    }

    /// What a command line of a lesson prints, with this very program as `warren`.
    private static func run(
        _ command: String,
        in folder: String,
        state: String,
        labs: String
    ) throws -> String {
        guard let program = Bundle.main.executableURL?.resolvingSymlinksInPath() else { return "" }
        let process = Process()
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = ["-c", command + " 2>&1"]
        process.currentDirectoryURL = URL(filePath: folder)
        var environment = ProcessInfo.processInfo.environment
        environment["XDG_STATE_HOME"] = state
        environment["WARREN_LABS"] = URL(filePath: labs).path
        environment["PATH"] =
            program.deletingLastPathComponent().path + ":" + (environment["PATH"] ?? "")
        process.environment = environment
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self)
    }
}
