import ArgumentParser
import WarrenBroker

struct ScenarioCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scenario",
        abstract: "Lists the ready stories of failure that any topology can be run with.",
        discussion: "Example: warren run FILE --scenario leader-kill",
        subcommands: [List.self],
        defaultSubcommand: List.self
    )

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lists them, each with a sentence.",
            discussion: "Example: warren scenario list"
        )

        @Option(help: "How to print them: text or json.")
        var format = OutputFormat.text

        func run() throws {
            if format == .json {
                let rows = Scenario.allCases.map { Row(name: $0.rawValue, summary: $0.summary) }
                try Console.print(Report.json(of: rows))
                return
            }
            let width = Scenario.allCases.map(\.rawValue.count).max() ?? 0
            for scenario in Scenario.allCases {
                let gap = String(repeating: " ", count: width - scenario.rawValue.count)
                try Console.print("\(scenario.rawValue)\(gap)  \(scenario.summary)")
            }
            try Console.print("\nnext: warren run FILE --scenario \(Scenario.leaderKill.rawValue)")
        }

        private struct Row: Encodable {
            var name, summary: String
        }
    }
}
