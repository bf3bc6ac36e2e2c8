import ArgumentParser
import Foundation
import TextTable
import WarrenLab

struct LabReport: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "What was passed, with how many checks and hints, and what was predicted.",
        discussion:
            "For a teacher: wrong predictions that many share are worth a word; who made them is not."
    )

    @OptionGroup var options: LabOptions
    @Option(help: "How to print it: text or json.")
    var format = OutputFormat.text

    /// A lesson of the report; the shape is stable: keys are added, never renamed.
    private struct Line: Encodable {
        var number, title, state: String
        var checks, hints: Int
        var solved: Bool
        @OrNull var prediction: String?
        @OrNull var right: Bool?
    }

    func run() throws {
        let shelf = try options.shelf()
        let progress = try LabProgress()
        let lines = shelf.labs.map { lab -> Line in
            let record = progress.records[lab.lesson.number]
            return Line(
                number: lab.lesson.number,
                title: lab.lesson.title,
                state: record.map { $0.passed ? "passed" : "begun" } ?? "not begun",
                checks: record?.passedAt ?? record?.checks ?? 0,
                hints: record?.hints ?? 0,
                solved: record?.solved ?? false,
                prediction: record?.prediction,
                right: record?.wasRight
            )
        }
        if format == .json {
            try Console.print(Report.json(of: lines))
            return
        }
        let table = TextTable<Line> {
            [
                Column(title: "lesson", value: "\($0.number) \($0.title)"),
                Column(title: "", value: $0.state + ($0.solved ? ", its answer was shown" : "")),
                Column(title: "checks", value: "\($0.checks)", align: .right),
                Column(title: "hints", value: "\($0.hints)", align: .right),
                Column(title: "predicted", value: $0.prediction ?? ""),
                Column(title: "so it was", value: $0.right.map { $0 ? "yes" : "no" } ?? ""),
            ]
        }
        try Console.print(table.string(for: lines, style: Style.pipe) ?? "no lessons")
    }
}

struct LabWords: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "words",
        abstract: "The words of the course: all, or those in which a text comes.",
        discussion: "Example: warren lab words confirm"
    )

    @OptionGroup var options: LabOptions
    @Argument(help: "A word, or a part of one.")
    var word: String?

    func run() throws {
        let words = try LabGlossary(options.shelf().folder).words(word)
        guard !words.isEmpty else {
            throw Failure(
                code: Failure.input,
                text: "error: the glossary has no '\(word ?? "")'\n  try: warren lab words"
            )
        }
        let width = words.map(\.term.count).max() ?? 0
        for (term, meaning) in words {
            try Console.print(
                term.padding(toLength: width + 2, withPad: " ", startingAt: 0) + meaning
            )
        }
    }
}

struct LabNew: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "new",
        abstract: "Begins a lesson of your own: a folder with all files, which proves.",
        discussion:
            "Example: warren lab new MyLabs/01-our-orders, then warren lab prove 01 --labs MyLabs"
    )

    @Argument(help: "The folder, whose name begins with the number: MyLabs/01-our-orders.")
    var folder: String

    func run() throws {
        let name = URL(filePath: folder).lastPathComponent
        let number = String(name.prefix { $0.isNumber })
        guard number.count >= 2, name.dropFirst(number.count).first == "-", name.count > 3 else {
            throw Failure(
                code: Failure.input,
                text:
                    "error: the name '\(name)' does not begin with a number of two digits\n  try: warren lab new MyLabs/01-our-orders"
            )
        }
        guard !FileManager.default.fileExists(atPath: folder) else {
            throw Failure(
                code: Failure.input,
                text: "error: '\(folder)' is there already, and is not overwritten"
            )
        }
        let words = name.dropFirst(number.count + 1).replacing("-", with: " ")
        let title = words.prefix(1).uppercased() + words.dropFirst()
        for (path, text) in LabTemplate.files {
            let target = URL(filePath: folder).appending(path: path)
            do {
                try FileManager.default.createDirectory(
                    at: target.deletingLastPathComponent(),
                    withIntermediateDirectories: true
                )
            } catch {
                throw Failure(
                    code: Failure.outside,
                    text: "error: \(folder) cannot be made: \(error.localizedDescription)"
                )
            }
            let filled = text.replacing("{{number}}", with: number).replacing(
                "{{title}}",
                with: title
            )
            try LabFolder.write(filled, to: target.path)
        }
        let shelf = URL(filePath: folder).deletingLastPathComponent().relativePath
        try Console.print(
            "\(folder) is a lesson\nnext: warren lab prove \(number) --labs \(shelf.isEmpty ? "." : shelf)"
        )
    }
}

struct LabProve: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prove",
        abstract: "Whether lessons tell the truth, for those who write them.",
        discussion: """
            What is handed out must fail, the model answer stand 2000 schedules, each wrong answer be told \
            what the lesson says of it, an empty file pass nothing, and what README.md quotes in `console` \
            blocks be what comes.
            """
    )

    @OptionGroup var options: LabOptions
    @Argument(help: "The numbers of the lessons; all, if none is said.")
    var numbers: [String] = []
    @Option(help: "How many schedules the model answer has to stand.")
    var schedules = 2000

    func run() throws {
        let shelf = try options.shelf()
        let labs = try numbers.isEmpty ? shelf.labs : numbers.map { try shelf.lab($0) }
        var isTrue = true
        for lab in labs {
            let proof = LabProof(
                lab: lab,
                shelf: URL(filePath: shelf.folder).path,
                schedules: schedules
            )
            let faults = try proof.faults()
            isTrue = isTrue && faults.isEmpty
            try Console.print(
                "\(faults.isEmpty ? "✓" : "✕") \(lab.lesson.number) \(lab.lesson.title)"
            )
            for fault in faults { try Console.print("  \(fault)") }
        }
        if !isTrue { throw ExitCode(Failure.broken) }
    }
}
