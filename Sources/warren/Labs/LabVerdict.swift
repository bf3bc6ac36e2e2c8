import Foundation
import WarrenBroker
import WarrenCatalog
import WarrenCheck
import WarrenLab
import WarrenLedger
import WarrenSearch
import WarrenTopology
import WarrenTrace

/// An answer to a lesson, held against it: what is said, and whether it passed.
struct LabVerdict {
    /// How many schedules an answer has to stand.
    static let schedules = 200

    let isPassed: Bool
    /// The wrong answer that it is, if it is a known one.
    let misconception: Lesson.Misconception?
    /// The names of what was broken.
    let broken: [String]
    /// What is said of it, line by line.
    private(set) var lines: [String] = []
    /// The whole file with the first schedule that broke something, if one did.
    let counterexample: String?
    let prediction: String?
    let check: LessonCheck?

    /// Holds an answer against a lesson.
    ///
    /// - Throws: ``Failure`` with code 2 if the file cannot be read.
    init(
        _ lab: LabShelf.Lab,
        answer text: String,
        path: String,
        predicting topologyText: String? = nil,
        schedules: Int = Self.schedules
    ) throws {
        let start = Tree.read(lab.start, path: "topology.yaml") ?? .map([])
        let tree = Tree.read(text, path: path) ?? .map([])
        let answer = Answer(tree)
        let beside = topologyText.flatMap { Tree.read($0, path: path) }
        prediction = beside.map(Answer.init)?.prediction ?? answer.prediction
        let topology = try lab.topology(text, at: path)
        let loosened = answer.loosened(lab.lesson.pins, start: start)
        guard loosened.isEmpty else {
            (isPassed, misconception, broken, counterexample, check) = (false, nil, [], nil, nil)
            lines = loosened.flatMap { Self.words($0, path) }
            return
        }
        let check: LessonCheck
        do throws(Simulation.Rejection) {
            check = try LessonCheck(
                topology,
                lab.lesson,
                models: Catalog.models,
                count: schedules,
                jobs: ProcessInfo.processInfo.activeProcessorCount
            )
        } catch {
            throw try Files.rejected(error.findings, topology.files)
        }
        self.check = check
        let findings = lab.lesson.isSilent ? Self.findings(text, path) : []
        isPassed = check.isPassed && findings.isEmpty
        broken = check.broken.map(\.name) + findings.map(\.slug)
        let wrong = Set(broken).union(check.unseen.map(\.name))
        misconception =
            isPassed ? nil : answer.misconception(lab.lesson.misconceptions, broken: wrong)
        if let first = check.first {
            var tree = LessonCheck.whole(topology, lab.lesson)
            first.schedule.write(into: &tree)
            counterexample = TreeWriter.yaml(tree)
        } else {
            counterexample = nil
        }
        lines =
            isPassed
            ? Self.passed(check)
            : findings.map { "✕ warren check says: \($0.sentence)  [\($0.slug)]" }
                + (try Self.failed(check, topology))
    }

    /// What `warren check` finds in a file, but for notes.
    private static func findings(_ text: String, _ path: String) -> [Finding] {
        FileChecker(
            vocabularies: Catalog.vocabularies,
            version: nil,
            source: { _ in Array(text.utf8) },
            build: { _ in [] }
        ).check(path).findings.filter { $0.severity != .note }
    }

    private static func words(_ one: Answer.Loosened, _ path: String) -> [String] {
        let place = one.line.map { "line \($0) of \(path)" } ?? path
        return [
            "✕ \(one.path) is not as it was handed out: \(place)",
            "  it was   \(short(one.was))", "  it is    \(short(one.now))",
            "  it stays, because \(one.why)",
        ]
    }

    private static func short(_ text: String?) -> String {
        guard let text else { return "nothing" }
        return text.count > 100 ? text.prefix(100) + "…" : text
    }

    private static func passed(_ check: LessonCheck) -> [String] {
        ["✓ all \(check.schedules) schedules keep \(check.held.joined(separator: ", "))"]
    }

    private static func failed(_ check: LessonCheck, _ topology: Topology) throws -> [String] {
        var lines: [String] = []
        if let fault = check.imbalance {
            lines.append("✕ the books of a run do not balance, a fault of Warren: \(fault)")
        }
        if check.endless > 0 {
            lines.append(
                "✕ \(check.endless) of \(check.schedules) schedules come to no end: something goes round for ever"
            )
        }
        for one in check.broken {
            let count =
                one.schedules == check.schedules
                ? "all \(check.schedules) schedules break"
                : "\(one.schedules) of \(check.schedules) schedules break"
            lines.append("✕ \(count) \(one.name)")
        }
        for witness in check.unseen where check.failing == 0 && check.endless == 0 {
            lines.append(
                "✕ in none of \(check.schedules) schedules was \(witness.name) seen: \(witness.expression)"
            )
            lines.append("  what the lesson is about does not happen any more")
        }
        guard let first = check.first else { return lines }
        lines += try story(first, topology)
        if !check.held.isEmpty {
            lines.append("kept in all: \(check.held.joined(separator: ", "))")
        }
        return lines
    }

    /// The first schedule that broke something, told by what became of one message.
    private static func story(
        _ first: (schedule: LessonSchedule, broken: [String]),
        _ topology: Topology
    ) throws -> [String] {
        var bare = topology
        bare.faults = []
        let stage: Stage
        do throws(Simulation.Rejection) {
            stage = try Stage(bare, models: Catalog.models)
        } catch {
            throw try Files.rejected(error.findings, topology.files)
        }
        var run = stage.begin(first.schedule.schedule)
        run.run()
        let verdicts = run.verdicts.filter { first.broken.contains($0.name) && !$0.held }
        // The story is of a message; what is a number of the whole run comes second.
        let verdict =
            verdicts.first { $0.first.map { $0.message != .none } ?? false } ?? verdicts[0]
        let breach = Breach(name: verdict.name, sentence: verdict.sentence, first: verdict.first)
        var again = stage.begin(first.schedule.schedule)
        let story = SearchStory(&again, breach, keepsToTheMessage: true)
        let words = first.schedule.words
        let seen = verdict.first.map { " (\($0.seen))" } ?? ""
        var lines = [
            "  the first is number \(first.schedule.number)\(words.isEmpty ? "" : ": \(words)")",
            "  \(verdict.sentence)\(verdict.first.map { $0.message == .none } ?? true ? seen : "")",
            "",
            story.text, "",
        ]
        lines.removeAll { $0.isEmpty && story.text.isEmpty }
        return lines
    }
}
