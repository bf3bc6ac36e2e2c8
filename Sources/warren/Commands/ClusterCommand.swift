public import ArgumentParser
import Foundation
public import WarrenGateway

struct ClusterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster",
        abstract: "Starts a real RabbitMQ on this machine, breaks it, and takes it down.",
        discussion: """
            The nodes run from the installed rabbitmq-server, in a folder of their own, on free ports of the \
            loopback interface; nothing of them is left behind by `down`.

            Example: warren cluster up && warren cluster fault kill && warren cluster down
            """,
        subcommands: [Up.self, Down.self, Status.self, Logs.self, FaultCommand.self]
    )

    /// Where the cluster is.
    struct Place: ParsableArguments {
        @Option(help: "The folder of the cluster.")
        var folder = ".warren-cluster"
    }

    struct Up: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Starts nodes, and returns when clients can connect.",
            discussion: "Example: warren cluster up --nodes 3"
        )

        @OptionGroup var place: Place

        @Option(help: "How many nodes, from 1 to 9.")
        var nodes = 1

        func validate() throws {
            guard (1...9).contains(nodes) else {
                throw ValidationError("a cluster of \(nodes) nodes; 1 to 9 can be started")
            }
        }

        func run() throws {
            let (count, folder) = (nodes, place.folder)
            let cluster = try Waiting.run {
                try await LocalCluster.start(count, in: folder, lasts: true) { Console.error($0) }
            }
            let nodes = try Waiting.run { await cluster.nodes }
            try Console.print("RabbitMQ \(cluster.version) in \(cluster.folder)")
            for node in nodes {
                try Console.print("  \(node.name)  amqp://guest:guest@127.0.0.1:\(node.port)")
                let port = node.managementPort
                try Console.print(
                    "  \(Console.quiet("management   http://127.0.0.1:\(port)  guest guest"))"
                )
            }
            try Console.print("\nnext: warren cluster down")
        }
    }

    struct Down: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Ends all nodes and removes their folder.",
            discussion: "Example: warren cluster down"
        )

        @OptionGroup var place: Place

        func run() throws {
            let ended = LocalCluster.end(in: place.folder)
            try Console.print(ended ? "ended" : "nothing ran in '\(place.folder)'")
        }
    }

    struct Status: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Says which nodes run and where.",
            discussion: "Example: warren cluster status --format json"
        )

        @OptionGroup var place: Place

        @Option(help: "How to print it: text or json.")
        var format = OutputFormat.text

        private struct Row: Encodable {
            var name: String
            var up: Bool
            var port, management: Int
            var log: String
        }

        func run() throws {
            let folder = place.folder
            let rows = try Waiting.run {
                let cluster = try LocalCluster.find(in: folder)
                var rows: [Row] = []
                for (number, node) in await cluster.nodes.enumerated() {
                    rows.append(
                        Row(
                            name: node.name,
                            up: await cluster.isUp(number),
                            port: node.port,
                            management: node.managementPort,
                            log: node.log
                        )
                    )
                }
                return rows
            }
            if format == .json {
                try Console.print(Report.json(of: rows))
                return
            }
            for row in rows {
                let state = row.up ? Console.good("up  ") : Console.bad("down")
                try Console.print("\(row.name)  \(state)  amqp://guest:guest@127.0.0.1:\(row.port)")
            }
        }
    }

    struct Logs: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Prints the end of each node's log.",
            discussion: "Example: warren cluster logs --lines 50"
        )

        @OptionGroup var place: Place

        @Option(help: "How many lines of each, 1 to 1000000.")
        var lines = 20

        func validate() throws {
            guard (1...1_000_000).contains(lines) else {
                throw ValidationError("--lines \(lines); 1 to 1000000 can be printed")
            }
        }

        func run() throws {
            let folder = place.folder
            let nodes = try Waiting.run { try await LocalCluster.find(in: folder).nodes }
            for node in nodes {
                if nodes.count > 1 { try Console.print(Console.strong(node.name)) }
                let text = (try? String(contentsOfFile: node.log, encoding: .utf8)) ?? ""
                let end = text.split(separator: "\n", omittingEmptySubsequences: false)
                    .suffix(lines + 1).joined(separator: "\n")
                try Console.print(end, terminator: end.hasSuffix("\n") ? "" : "\n")
            }
        }
    }

    struct FaultCommand: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "fault",
            abstract: "Does something to a node.",
            discussion: """
                The faults: \(LocalCluster.Fault.allCases.map(\.rawValue).joined(separator: ", ")).

                Example: warren cluster fault freeze --node r2
                """
        )

        @OptionGroup var place: Place

        @Argument(help: "What to do.")
        var fault: LocalCluster.Fault

        @Option(help: "To which node.")
        var node = "r1"

        func run() throws {
            let (folder, fault, name) = (place.folder, fault, node)
            try Waiting.run {
                let cluster = try LocalCluster.find(in: folder)
                let nodes = await cluster.nodes
                guard
                    let number = nodes.firstIndex(where: {
                        $0.name == name || $0.folder.hasSuffix("/\(name)")
                    })
                else {
                    let names = nodes.map { String($0.name.prefix { $0 != "@" }) }
                    throw Failure(
                        code: Failure.input,
                        text:
                            "error: there is no node '\(name)'; there is \(names.joined(separator: ", "))"
                    )
                }
                try await cluster.suffer(fault, node: number)
            }
        }
    }
}

extension LocalCluster.Fault: ExpressibleByArgument {}
