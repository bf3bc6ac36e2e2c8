import ArgumentParser
import WarrenBroker

@main
struct Warren: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "warren",
        abstract:
            "Simulates message brokers in memory, breaks them on purpose, and shows every step.",
        discussion: """
            Exit codes: 0 all held, 1 an expectation or check failed, 2 the input or the command line \
            is wrong, 3 something outside failed.
            """,
        version: Simulation.version,
        subcommands: [
            LabCommand.self, RunCommand.self, ViewCommand.self, SearchCommand.self,
            CheckCommand.self,
            RouteCommand.self,
            ShowCommand.self, ImportCommand.self, ExportCommand.self, TraceCommand.self,
            ScenarioCommand.self,
            ReplayCommand.self,
            ClusterCommand.self,
            SchemaCommand.self,
        ]
    )

    /// Without a verb: four doors, and the next command for each.
    func run() throws {
        try Console.print(
            """
            Warren lives an hour of your traffic in a few seconds, breaks it on purpose, and shows you
            every step of every message.

              learn      warren lab start 01
              rehearse   warren run Topologies/rabbitmq/order-pipeline.yaml
              search     warren search Topologies/rabbitmq/flaws/charged-twice.yaml
              check      warren check YOUR-DEFINITIONS.json

            `warren help run` says more; `warren schema` completes topology files in an editor.
            """
        )
    }

    static func main() {
        Console.keepStreams()
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let failure as Failure {
            fail(failure)
        } catch let code as ExitCode {
            Foundation_exit(code.rawValue)
        } catch {
            // Asked-for help and version are no failure; everything else is a wrong command line.
            let code = exitCode(for: error)
            if code == .success {
                // What was asked for goes the way of all results.
                do { try Console.print(fullMessage(for: error)) } catch { fail(error) }
                Foundation_exit(0)
            }
            Console.error(fullMessage(for: error))
            Foundation_exit(2)
        }
    }

    /// Says why the program ends, and ends it.
    private static func fail(_ error: any Error) -> Never {
        let failure = error as? Failure
        Console.error(failure?.text ?? "error: \(error)")
        Foundation_exit(failure?.code ?? Failure.outside)
    }
}
