import ArgumentParser
import Foundation
import WarrenLab
import WarrenTopology

struct LabCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lab",
        abstract: "The course: lessons that check themselves, over many schedules.",
        discussion: """
            A lesson is a folder with a file to mend. `start` copies it and says what to do, `check` lives \
            your file by 200 schedules - seeds, delays, moments of failure - and tells the first in which \
            something breaks as the story of one message.

            Progress is kept in the folder for the state of programs ($XDG_STATE_HOME, or ~/.local/state).

            Example: warren lab start 01
            """,
        subcommands: [
            LabList.self, LabStart.self, LabCheck.self, LabHint.self, LabSolve.self,
            LabWatch.self, LabReport.self, LabReset.self, LabWords.self,
            LabNew.self, LabProve.self,
        ],
        defaultSubcommand: LabList.self
    )
}

/// Where the lessons lie.
struct LabOptions: ParsableArguments {
    @Option(help: "The folder of lessons; the nearest Labs, or WARREN_LABS, if it is not said.")
    var labs: String?

    func shelf() throws -> LabShelf { try LabShelf(labs) }
}

/// A lesson that was begun, as commands name it.
struct BegunLesson: ParsableArguments {
    @OptionGroup var options: LabOptions
    @Argument(help: "The number of the lesson; that of this folder, if it is not said.")
    var number: String?

    func begun() throws -> BegunLab { try BegunLab(number, options) }
}

/// A lesson that was begun: the named one, that of the current folder, or the latest.
struct BegunLab {
    let shelf: LabShelf
    let lab: LabShelf.Lab
    var progress: LabProgress
    let record: LabProgress.Record

    /// The file to mend.
    var path: String { record.folder + "/" + lab.lesson.file }

    init(_ word: String?, _ options: LabOptions) throws {
        shelf = try options.shelf()
        progress = try LabProgress()
        let here = URL(filePath: FileManager.default.currentDirectoryPath).path
        let ofHere = progress.records.filter { URL(filePath: $0.value.folder).path == here }.keys
            .min()
        guard let named = word ?? ofHere ?? progress.latest else {
            throw Failure(
                code: Failure.input,
                text: "error: no lesson was begun\n  try: warren lab start 01"
            )
        }
        lab = try shelf.lab(named)
        guard let record = progress.records[lab.lesson.number] else {
            throw Failure(
                code: Failure.input,
                text:
                    "error: lesson \(lab.lesson.number) was not begun\n  try: warren lab start \(lab.lesson.number)"
            )
        }
        self.record = record
        if record.digest != lab.digest {
            Console.error(
                "lesson \(lab.lesson.number) was changed since you began it; `warren lab reset \(lab.lesson.number)` begins anew"
            )
        }
    }

    /// What the learner's file says.
    func text() throws -> String {
        do throws(ReadFailure) {
            return String(decoding: try Files.bytes(path), as: UTF8.self)
        } catch {
            throw Failure(
                code: Failure.input,
                text:
                    "error: \(path) cannot be read: \(error.reason)\n  try: warren lab reset \(lab.lesson.number)"
            )
        }
    }

    /// Holds the learner's file against the lesson, says what there is to say, and remembers it.
    mutating func check() throws -> Bool {
        // Where the file to mend is no topology, the prediction stands in the topology beside it.
        let beside = FileManager.default.contents(atPath: record.folder + "/topology.yaml")
        let verdict = try LabVerdict(
            lab,
            answer: try text(),
            path: path,
            predicting: beside.map { String(decoding: $0, as: UTF8.self) }
        )
        let number = lab.lesson.number
        let story = record.folder + "/counterexample.yaml"
        if let counterexample = verdict.counterexample {
            try LabFolder.write(counterexample, to: story)
        } else {
            try? FileManager.default.removeItem(atPath: story)
        }
        let wasRight = verdict.prediction.map { $0 == lab.lesson.prediction?.right }
        try progress.update(number) { record in
            record.checks += 1
            if verdict.isPassed && !record.passed { record.passedAt = record.checks }
            record.passed = record.passed || verdict.isPassed
            // The first prediction is the one that counts, if it is one.
            let letters = lab.lesson.prediction?.answers.map(\.letter) ?? []
            if record.prediction == nil, verdict.prediction.map(letters.contains) == true {
                record.prediction = verdict.prediction
                record.wasRight = wasRight
            }
        }
        try say(verdict, story)
        return verdict.isPassed
    }

    private func say(_ verdict: LabVerdict, _ story: String) throws {
        let lesson = lab.lesson
        for line in verdict.lines {
            try Console.print(
                line.hasPrefix("✓")
                    ? Console.good(line) : line.hasPrefix("✕") ? Console.bad(line) : line
            )
        }
        if verdict.counterexample != nil {
            try Console.print("play it: warren run \(LabFolder.shown(story))")
        }
        if let misconception = verdict.misconception {
            try Console.print("\n\(misconception.say)")
        }
        if let words = Self.words(lesson.prediction, verdict.prediction) {
            try Console.print("\n\(words)")
        }
        if verdict.isPassed {
            try Console.print("\n\(lesson.surprise)")
            let next = shelf.next(after: lab).map { "warren lab start \($0.lesson.number)" }
            try Console.print(
                "\na model answer is open now: warren lab solve \(lesson.number)\nnext: \(next ?? "warren lab report")"
            )
        } else {
            let hints = progress.records[lesson.number]?.hints ?? 0
            try Console.print(
                hints < lesson.hints.count
                    ? "\nnext: warren lab hint \(lesson.number)    (\(hints) of \(lesson.hints.count) taken)"
                    : "\nnext: look at the hints once more, or warren lab solve \(lesson.number)"
            )
        }
    }

    /// What was predicted, and what it was.
    private static func words(_ prediction: Lesson.Prediction?, _ given: String?) -> String? {
        guard let prediction else { return nil }
        let right = prediction.answers.first { $0.letter == prediction.right }?.text ?? ""
        guard let given else {
            return "You predicted nothing: `x-predict:` in topology.yaml takes a letter."
        }
        guard let said = prediction.answers.first(where: { $0.letter == given })?.text else {
            let letters = prediction.answers.map(\.letter).joined(separator: ", ")
            return "You predicted '\(given)', which is none of \(letters)."
        }
        return given == prediction.right
            ? "You said \(given), \(said): so it is."
            : "You said \(given), \(said). It is \(prediction.right), \(right)."
    }
}

struct LabList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "The lessons, and how far you are."
    )

    @OptionGroup var options: LabOptions

    func run() throws {
        let shelf = try options.shelf()
        let progress = try LabProgress()
        var lines: [String] = []
        for lab in shelf.labs {
            let lesson = lab.lesson
            let record = progress.records[lesson.number]
            let mark =
                record.map { $0.passed ? ($0.solved ? "◐" : "✓") : "·" } ?? " "
            lines.append("\(mark) \(lesson.number)  \(lesson.title)")
        }
        let done = progress.records.values.count { $0.passed }
        let next = shelf.labs.first { progress.records[$0.lesson.number]?.passed != true }
        try Console.print(lines.joined(separator: "\n"))
        try Console.print(
            "\n\(done) of \(shelf.labs.count) passed   ✓ passed  ◐ passed after its answer was shown  · begun"
        )
        if let next { try Console.print("next: warren lab start \(next.lesson.number)") }
    }
}

struct LabStart: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start",
        abstract: "Copies a lesson into a folder here, and says what to do."
    )

    @OptionGroup var options: LabOptions
    @Argument(help: "The number of the lesson, such as 01.")
    var number: String
    @Option(help: "The folder to copy it to; lab-NN-name here, if it is not said.")
    var into: String?

    func run() throws {
        let lab = try options.shelf().lab(number)
        var progress = try LabProgress()
        let folder = URL(filePath: into ?? "lab-\(lab.lesson.folder)").path
        try LabFolder.copy(lab, to: folder)
        try progress.update(lab.lesson.number) { record in
            record.folder = folder
            record.digest = lab.digest
        }
        let shown = LabFolder.shown(folder)
        try Console.print(
            """
            \(Console.strong("\(lab.lesson.number) \(lab.lesson.title)"))    about \(lab.lesson.minutes) minutes
            \(lab.lesson.idea)

              read    \(shown)/README.md, and run its commands in \(shown)
              mend    \(shown)/\(lab.lesson.file)\(lab.topology == nil ? ", where it says `# yours`" : "")
              check   warren lab check \(lab.lesson.number)
            """
        )
        if let prediction = lab.lesson.prediction {
            let answers = prediction.answers.map { "  \($0.letter)  \($0.text)" }
            try Console.print(
                "\nFirst predict: \(prediction.question)\n\(answers.joined(separator: "\n"))\nWrite the letter behind `x-predict:` in topology.yaml; nobody marks it."
            )
        }
    }
}

struct LabCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Lives your file by 200 schedules and tells the first that breaks something.",
        discussion: "Exit codes: 0 passed, 1 not yet, 2 the file cannot be read."
    )

    @OptionGroup var lesson: BegunLesson

    func run() throws {
        var begun = try lesson.begun()
        if try !begun.check() { throw ExitCode(Failure.broken) }
    }
}

struct LabHint: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hint",
        abstract: "The next of three hints: where to look, the idea, the line."
    )

    @OptionGroup var lesson: BegunLesson

    func run() throws {
        var begun = try lesson.begun()
        let hints = begun.lab.lesson.hints
        let shown = min((begun.record.hints) + 1, hints.count)
        try begun.progress.update(begun.lab.lesson.number) { $0.hints = shown }
        for (index, hint) in hints.prefix(shown).enumerated() {
            try Console.print("\(index + 1). \(hint)")
        }
        let left = hints.count - shown
        try Console.print(
            left > 0
                ? "\n\(left == 1 ? "one more hint is" : "\(left) more hints are") left"
                : "\nthat was the last; `warren lab solve \(begun.lab.lesson.number)` shows a model answer, and is remembered"
        )
    }
}

struct LabSolve: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "solve",
        abstract: "A model answer beside yours; shown before you passed, it is remembered."
    )

    @OptionGroup var lesson: BegunLesson

    func run() throws {
        var begun = try lesson.begun()
        if !begun.record.passed {
            try begun.progress.update(begun.lab.lesson.number) { $0.solved = true }
        }
        let mine = try begun.text().split(separator: "\n", omittingEmptySubsequences: false)
        let model = begun.lab.answer.split(separator: "\n", omittingEmptySubsequences: false)
        try Console.print(
            "A model answer; - is yours, + the model's, and there may be other right ones.\n"
        )
        for line in LabFolder.difference(mine, model) { try Console.print(line) }
    }
}

struct LabWatch: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Checks again each time you save, until Ctrl-C."
    )

    @OptionGroup var lesson: BegunLesson

    func run() throws {
        var begun = try lesson.begun()
        let interrupt = Interrupt.watch()
        defer { interrupt.cancel() }
        var last: String?
        while !Interrupt.happened {
            let text = try begun.text()
            if text != last {
                last = text
                do {
                    try Console.print("— \(LabFolder.shown(begun.path))")
                    if try begun.check() { return }
                } catch let failure as Failure {
                    // A file in the middle of a change is no reason to end.
                    Console.error(failure.text)
                }
            }
            Thread.sleep(forTimeInterval: 0.2)
        }
    }
}

struct LabReset: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reset",
        abstract: "Begins a lesson anew; your file is kept beside."
    )

    @OptionGroup var lesson: BegunLesson

    func run() throws {
        var begun = try lesson.begun()
        let folder = begun.record.folder
        let kept = try LabFolder.written(of: begun.lab).compactMap {
            try LabFolder.setAside(folder + "/" + $0)
        }
        try LabFolder.copy(begun.lab, to: folder, isAnew: true)
        try begun.progress.forget(begun.lab.lesson.number)
        try begun.progress.update(begun.lab.lesson.number) { record in
            record.folder = folder
            record.digest = begun.lab.digest
        }
        for path in kept { try Console.print("what you had is in \(LabFolder.shown(path))") }
        try Console.print("lesson \(begun.lab.lesson.number) is as it was handed out")
    }
}
