import Foundation
import WarrenBroker
import WarrenLedger
import WarrenSearch
import WarrenTopology
import WarrenTrace
import WarrenView

/// What a search found, and what it looked at.
struct SearchReport {
    /// Something that broke, told in the shortest way.
    struct Story {
        var hit: Tally.Hit
        var breach: Breach
        var story: SearchStory
        /// The file that plays it.
        var path: String
        var events: UInt64
        var digest: String
        /// How many shorter cases were tried.
        var tried: Int
        /// Whether one real node can be asked.
        var isReplayable: Bool
    }

    private let topology: Topology
    private let file: String
    private let result: Search.Result
    private let stories: [Story]
    private let longRun: String?
    private let memory: String?
    private let results: String?
    private let missing: String?
    private let bound: [String]
    private let seconds: Double?

    init(
        _ topology: Topology,
        file: String,
        _ result: Search.Result,
        _ stories: [Story],
        longRun: String?,
        memory: String?,
        results: String?,
        missing: String? = nil,
        bound: [String] = [],
        seconds: Double?
    ) {
        self.topology = topology
        self.file = file
        self.result = result
        self.stories = stories
        self.longRun = longRun
        self.memory = memory
        self.results = results
        self.missing = missing
        self.bound = bound
        self.seconds = seconds
    }

    /// Prints it.
    func print(as shape: SearchCommand.Format) throws {
        switch shape {
        case .text: try Console.print(text)
        case .json: try Console.print(json)
        case .junit: try Console.print(junit, terminator: "")
        case .github: try Console.print(github, terminator: "")
        }
    }

    var text: String {
        var parts = stories.map { text(of: $0) }
        if stories.isEmpty {
            parts.append(
                "\(topology.name)  \(Console.good("nothing broke")) in \(result.runs) runs"
            )
        }
        parts.append(coverage)
        return parts.joined(separator: "\n\n")
    }

    private func text(of story: Story) -> String {
        let breach = story.breach
        var lines = [
            "\(topology.name)  \(Console.bad("broken")) in run \(story.hit.run): \(Console.strong(breach.name))",
            "  \(breach.sentence)",
        ]
        if let seen = breach.first?.seen, !seen.isEmpty { lines.append("  seen: \(seen)") }
        if story.hit.times > 1 { lines.append("  \(story.hit.times) runs broke it in this way") }
        lines += ["", story.story.text, "", story.story.diagram.text, ""]
        lines.append("play    warren run \(story.path)")
        if story.isReplayable { lines.append("try     warren replay \(story.path) --cluster") }
        lines.append(
            Console.quiet(
                "        \(story.events) events, digest \(story.digest), the shortest of \(story.tried) that were tried"
            )
        )
        return lines.joined(separator: "\n")
    }

    /// How much of all there is was seen.
    static func bound(of seen: Exhaustion.Result) -> [String] {
        let levels = seen.levels.enumerated().map { count, level in
            let faults = count == 0 ? "no fault" : count == 1 ? "1 fault" : "\(count) faults"
            return level.isWhole
                ? "with \(faults) all \(level.runs)" : "with \(faults) \(level.runs), and not all"
        }
        let choices =
            seen.states == 0
            ? "nothing to choose: no node ever had two things before it at one moment"
            : "\(seen.states) states with up to \(seen.widest) things to choose from, come to again \(seen.merged) times"
        let isWhole = seen.levels.allSatisfy(\.isWhole)
        return [
            "all       \(isWhole ? Console.good("everything was seen") : Console.bad("not everything was seen")): "
                + "runs \(levels.joined(separator: ", "))",
            "          \(choices)",
        ]
    }

    /// What was asked of each run; what is meant to break is not.
    private var asked: [String] {
        topology.expectations.filter { !$0.isMeantToBreak }.map(\.name)
    }

    /// How many situations came up for the first time in the last tenth of the runs: whether more runs would see more.
    private var lateSituations: Int {
        let last = result.tally.rows.map(\.number).max() ?? 0
        return result.tally.situations.count { $0.run > last - max(last / 10, 1) }
    }

    private var bindingsNeverUsed: [String] {
        BindingCoverage(topology, result.tally.reached).neverUsed
    }

    /// How much of what could happen was seen.
    private var coverage: String {
        var lines = [
            "searched  \(result.runs) runs\(seconds.map { String(format: " in %.1fs", $0) } ?? ""), \(result.distinct) of them different; "
                + "\(result.situations) situations, the last new one in run \(result.lastNew), \(lateSituations) in the last tenth of the runs",
            "asked     " + (asked + ["that the books balance"]).joined(separator: ", "),
        ]
        lines += bound
        if let missing { lines.append("missing   \(missing)") }
        if let results { lines.append("results   \(results)") }
        if let memory { lines.append("kept      \(memory), which is played first the next time") }
        let untried = result.faults.filter { $0.runs == 0 }.map(\.words)
        if topology.search.atMost == 0 || result.faults.isEmpty {
            lines.append("no faults were tried: the file allows none")
        } else if !untried.isEmpty {
            lines.append("not tried \(untried.joined(separator: "; "))")
        }
        if !result.queuesNeverReached.isEmpty {
            lines.append(
                "no message ever came to \(result.queuesNeverReached.joined(separator: ", "))"
            )
        }
        if !bindingsNeverUsed.isEmpty {
            let few = bindingsNeverUsed.prefix(10)
            let more = bindingsNeverUsed.count - few.count
            lines.append(
                "no message ever went along \(few.joined(separator: ", "))\(more > 0 ? ", and \(more) more" : "")"
            )
        }
        if !result.failuresNeverReached.isEmpty {
            lines.append("never happened  \(result.failuresNeverReached.joined(separator: "; "))")
        }
        if result.cutShort > 0 {
            lines.append(
                "\(result.cutShort) \(result.cutShort == 1 ? "run was" : "runs were") too long to be lived to the end, and say nothing; "
                    + "the first: \(longRun ?? "")"
            )
        }
        if stories.isEmpty, !bound.isEmpty {
            lines.append(
                Console.quiet(
                    "of the file's seed: its latencies, arrivals, service times and failures; faults last 100ms and 5s"
                )
            )
        } else if stories.isEmpty {
            lines.append(
                Console.quiet(
                    "what did not break in these runs may break in others; more runs and another --seed see more"
                )
            )
        }
        return lines.joined(separator: "\n")
    }

    // MARK: CI

    /// A test case for each expectation, and each fault that broke one.
    var junit: String {
        let names = topology.expectations.map(\.name)
        let extra = stories.map(\.breach.name).filter { !names.contains($0) }
        let cases = (names + extra).map { name -> String in
            let open =
                "    <testcase classname=\"\(CIText.xml(file))\" name=\"\(CIText.xml(name))\""
            guard let story = stories.first(where: { $0.breach.name == name }) else {
                return open + "/>"
            }
            let text = "\(story.story.text)\n\nwarren run \(story.path)"
            return
                "\(open)>\n      <failure type=\"broken\" message=\"\(CIText.xml(story.breach.sentence))\">"
                + "\(CIText.xml(text))</failure>\n    </testcase>"
        }
        let counts = "tests=\"\(cases.count)\" failures=\"\(stories.count)\""
        return """
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites name="warren search" \(counts)>
              <testsuite name="\(CIText.xml(topology.name))" \(counts)>
            \(cases.joined(separator: "\n"))
              </testsuite>
            </testsuites>

            """
    }

    /// A workflow command for each that broke, at its line in the file.
    var github: String {
        stories.map { story in
            let expectation = topology.expectations.first { $0.name == story.breach.name }
            let line = expectation.map { ",line=\($0.textPlace.line)" } ?? ""
            let text =
                "\(story.breach.sentence)\n\(story.story.text)\nplay: warren run \(story.path)"
            let title = CIText.property("broken: \(story.breach.name)")
            return
                "::error file=\(CIText.property(file))\(line),title=\(title)::\(CIText.message(text))\n"
        }
        .joined()
    }

    // MARK: JSON

    private struct Line: Encodable {
        var expectation: String
        var sentence: String
        var seen: String?
        var run: Int
        var runs: Int
        var file: String
        var digest: String
        var events: UInt64
        var story: [Sentence]
        var mermaid: String
    }

    private struct Sentence: Encodable {
        var time_ns: UInt64
        var sentence: String
    }

    private struct Fault: Encodable {
        var fault: String
        var runs: Int
    }

    private struct Whole: Encodable {
        var topology: String
        var asked: [String]
        var found: [Line]
        var runs: Int
        var distinct_runs: Int
        var events: UInt64
        var situations: Int
        var last_new_situation: Int
        var situations_in_last_tenth: Int
        var faults: [Fault]
        var queues_never_reached: [String]
        var bindings_never_used: [String]
        var failures_never_reached: [String]
        var cut_short: Int
    }

    var json: String {
        Report.json(
            of: Whole(
                topology: topology.name,
                asked: asked,
                found: stories.map { story in
                    Line(
                        expectation: story.breach.name,
                        sentence: story.breach.sentence,
                        seen: story.breach.first?.seen,
                        run: story.hit.run,
                        runs: story.hit.times,
                        file: story.path,
                        digest: story.digest,
                        events: story.events,
                        story: story.story.lines.map {
                            Sentence(time_ns: $0.time.nanoseconds, sentence: $0.sentence)
                        },
                        mermaid: story.story.diagram.mermaid
                    )
                },
                runs: result.runs,
                distinct_runs: result.distinct,
                events: result.events,
                situations: result.situations,
                last_new_situation: result.lastNew,
                situations_in_last_tenth: lateSituations,
                faults: result.faults.map { Fault(fault: $0.words, runs: $0.runs) },
                queues_never_reached: result.queuesNeverReached,
                bindings_never_used: bindingsNeverUsed,
                failures_never_reached: result.failuresNeverReached,
                cut_short: result.cutShort
            )
        )
    }
}
