import Foundation
import Support
import Testing

/// The course as learners, teachers and authors meet it: by the program.
@Suite("The course") struct LabTests {
    private let scratch: Scratch
    private static let labs = Repository.root.appending(path: "Labs").path

    init() throws { scratch = try Scratch() }

    private static var numbers: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: labs)) ?? [])
            .filter { $0.first?.isNumber == true }.map { String($0.prefix { $0 != "-" }) }.sorted()
    }

    private func lab(_ words: String..., in folder: String? = nil) throws -> Programs.Outcome {
        try Programs.run(
            Programs.warren,
            ["lab"] + words,
            in: folder ?? scratch.folder,
            environment: ["XDG_STATE_HOME": scratch.path("state"), "WARREN_LABS": Self.labs]
        )
    }

    private func begin(_ number: String) throws -> String {
        let begun = try lab("start", number, "--into", "work")
        try #require(begun.code == 0, "\(begun.errors)")
        return scratch.path("work/topology.yaml")
    }

    private func change(_ path: String, _ old: String, _ new: String) throws {
        let text = try String(contentsOfFile: path, encoding: .utf8)
        try #require(text.contains(old))
        try text.replacing(old, with: new).write(toFile: path, atomically: true, encoding: .utf8)
    }

    // All of them, for as long as they are said to stand, in release mode.
    #if DEBUG
        private static let schedules = "200"
        private static let proved = ["01", "03", "13"]
    #else
        private static let schedules = "2000"
        private static let proved = numbers
    #endif

    @Test(
        "tells the truth: starts fail, answers stand, wrong ones are told theirs, what is quoted comes",
        arguments: proved
    )
    func truth(_ number: String) throws {
        let proof = try lab("prove", number, "--schedules", Self.schedules)
        #expect(proof.code == 0, "\(proof.output)\(proof.errors)")
    }

    @Test("has lessons that stand only on lessons before them") func order() throws {
        var seen: Set<String> = []
        for number in Self.numbers {
            let folder = try #require(
                try FileManager.default.contentsOfDirectory(atPath: Self.labs)
                    .first { $0.hasPrefix(number + "-") }
            )
            let text = try String(
                contentsOfFile: Self.labs + "/\(folder)/lab.yaml",
                encoding: .utf8
            )
            let line = try #require(
                text.split(separator: "\n").first { $0.hasPrefix("stands_on:") }
            )
            for word in line.matches(of: #/"([0-9]{2})"/#) {
                #expect(
                    seen.contains(String(word.output.1)),
                    "\(folder) stands on \(word.output.1)"
                )
            }
            seen.insert(number)
        }
        #expect(Self.numbers.count >= 20)
    }

    @Test("leads from a failed check by its hints to one that passes, and remembers the way")
    func way() throws {
        let path = try begin("03")
        try change(path, "x-predict: \"?\"", "x-predict: b")
        let failed = try lab("check")
        #expect(failed.code == 1)
        #expect(failed.output.contains("schedules break every_job_is_done"))
        #expect(failed.output.contains("You said b, the one under way. It is c"))
        #expect(failed.output.contains("next: warren lab hint 03    (0 of 3 taken)"))
        // The counterexample is a file that plays to the same end.
        let played = try Programs.run(
            Programs.warren,
            ["run", "work/counterexample.yaml", "--no-trace"],
            in: scratch.folder
        )
        #expect(played.code == 1)
        #expect(played.output.contains("broken  every_job_is_done"))
        for number in 1...3 { #expect(try lab("hint").output.contains("\(number). ")) }
        #expect(try lab("hint").output.contains("that was the last"))
        try change(path, "ack: automatic", "ack: after")
        let passed = try lab("check")
        #expect(passed.code == 0, "\(passed.output)")
        #expect(passed.output.contains("next: warren lab start 04"))
        #expect(!FileManager.default.fileExists(atPath: scratch.path("work/counterexample.yaml")))
        #expect(try lab("list").output.contains("✓ 03  A worker dies"))
        let report = try lab("report", "--format", "json")
        let lines = try #require(
            try JSONSerialization.jsonObject(with: Data(report.output.utf8)) as? [[String: Any]]
        )
        let line = try #require(lines.first { $0["number"] as? String == "03" })
        #expect(line["state"] as? String == "passed")
        #expect(line["checks"] as? Int == 2)
        #expect(line["hints"] as? Int == 3)
        #expect(line["prediction"] as? String == "b")
        #expect(line["right"] as? Bool == false)
        // What was passed is shown without being held against anybody.
        #expect(try lab("solve").output.contains("A model answer"))
        #expect(try lab("list").output.contains("✓ 03"))
    }

    @Test("says which line was changed that has to stay, and why") func pins() throws {
        let path = try begin("02")
        try change(path, "instances: 3", "instances: 10")
        let verdict = try lab("check", "02")
        #expect(verdict.code == 1)
        #expect(verdict.output.contains("✕ consumers.worker.instances is not as it was handed out"))
        #expect(verdict.output.contains("there is money for three workers"))
    }

    @Test("remembers that an answer was looked at before it was found") func solved() throws {
        _ = try begin("01")
        let shown = try lab("solve")
        #expect(shown.output.contains("+     to: { exchange: \"\", key: tasks }"))
        let path = scratch.path("work/topology.yaml")
        try change(path, "key: task }", "key: tasks }")
        #expect(try lab("check").code == 0)
        #expect(try lab("list").output.contains("◐ 01"))
    }

    @Test("overwrites nothing: a lesson that was begun stays, and reset keeps what was there")
    func safety() throws {
        let path = try begin("01")
        try change(path, "key: task }", "key: mine }")
        let again = try lab("start", "01", "--into", "work")
        #expect(again.code == 2)
        #expect(again.errors.contains("is not overwritten"))
        let reset = try lab("reset", "01")
        #expect(reset.output.contains("work/topology.before-1.yaml"))
        let kept = try String(
            contentsOfFile: scratch.path("work/topology.before-1.yaml"),
            encoding: .utf8
        )
        #expect(kept.contains("key: mine }"))
        #expect(try String(contentsOfFile: path, encoding: .utf8).contains("key: task }"))
    }

    @Test("says that a file goes round for ever, and ends itself") func endless() throws {
        #expect(try lab("new", "mine/01-our-orders").code == 0)
        let folder = scratch.path("mine/01-our-orders")
        try change(folder + "/lab.yaml", "  consumers.worker.service: the work", "  x: the work")
        #expect(try lab("start", "01", "--into", "work", "--labs", "mine").code == 0)
        let loop = "fails: { error: 100% }\n    on_error: { requeue: true }\n    service: 1us"
        let path = scratch.path("work/topology.yaml")
        try change(path, "ack: automatic", "ack: after")
        try change(path, "service: { law: exponential, mean: 20ms }", loop)
        let verdict = try lab("check", "--labs", "mine")
        #expect(verdict.code == 1, "\(verdict.errors)")
        #expect(verdict.output.contains("schedules come to no end"))
        #expect(!verdict.output.contains("kept in all"))
    }

    @Test("does not write over another lesson in the same folder") func sharing() throws {
        let path = try begin("01")
        try change(path, "key: task }", "key: mine }")
        let other = try lab("start", "22", "--into", "work")
        #expect(other.code == 2)
        #expect(other.errors.contains("is there already"))
        #expect(try String(contentsOfFile: path, encoding: .utf8).contains("key: mine }"))
    }

    @Test("gives clear errors for what is not there, damaged or unreadable") func errors() throws {
        #expect(try lab("check").errors.contains("no lesson was begun"))
        #expect(try lab("start", "77").errors.contains("there is no lesson '77'"))
        let path = try begin("01")
        try "warren: 1\nbrokers: [".write(toFile: path, atomically: true, encoding: .utf8)
        let broken = try lab("check")
        #expect(broken.code == 2)
        #expect(broken.errors.contains("topology.yaml"))
        try FileManager.default.removeItem(atPath: path)
        #expect(try lab("check").errors.contains("warren lab reset 01"))
        try "{".write(
            toFile: scratch.path("state/warren/labs.json"),
            atomically: true,
            encoding: .utf8
        )
        let damaged = try lab("list")
        #expect(damaged.code == 3)
        #expect(damaged.errors.contains("labs.json"))
    }

    @Test(
        "lets a teacher begin a lesson that proves, and says what is wrong with one that does not"
    )
    func authoring() throws {
        let made = try lab("new", "mine/01-our-orders")
        #expect(made.code == 0, "\(made.errors)")
        let proof = try lab("prove", "--labs", "mine", "--schedules", "200")
        #expect(proof.code == 0, "\(proof.output)\(proof.errors)")
        let folder = scratch.path("mine/01-our-orders")
        // Who has begun it is told when it changes.
        #expect(try lab("start", "01", "--into", "work", "--labs", "mine").code == 0)
        #expect(try lab("check", "--labs", "mine").errors == "")
        try change(folder + "/README.md", "one sentence", "another sentence")
        #expect(try lab("check", "--labs", "mine").errors.contains("was changed since you began"))
        try change(folder + "/lab.yaml", "right: c", "right: x")
        #expect(try lab("list", "--labs", "mine").errors.contains("predict.right"))
        try change(folder + "/lab.yaml", "right: x", "right: c")
        try change(folder + "/README.md", "✓ all 200 schedules", "✓ all 300 schedules")
        try change(folder + "/wrong/ack-before.yaml", "ack: before", "ack: after")
        let lies = try lab("prove", "--labs", "mine", "--schedules", "200")
        #expect(lies.code == 1)
        #expect(lies.output.contains("the wrong answer ack-before passes"))
        #expect(lies.output.contains("'✓ all 300 schedules"))
    }

    @Test("explains its words, in one wording") func words() throws {
        #expect(try lab("words", "prefetch").output.contains("how many unacknowledged messages"))
        #expect(try lab("words", "elephant").errors.contains("no 'elephant'"))
    }
}
