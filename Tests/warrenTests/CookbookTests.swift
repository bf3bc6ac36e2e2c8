import Foundation
import Support
import Testing

/// The page of queries: each is asked, and what comes is what stands under it.
@Suite("The cookbook") struct CookbookTests {
    private static let path = "Sources/WarrenStore/WarrenStore.docc/Cookbook.md"
    private static let topologies = [
        "order-pipeline": "rabbitmq/order-pipeline",
        "transient-message": "rabbitmq/losses/transient-message",
    ]

    private let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func record(_ run: String) throws {
        let topology = try #require(Self.topologies[run], "the cookbook knows no run '\(run)'")
        let file = Repository.root.appending(path: "Topologies/\(topology).yaml").path
        _ = try Programs.run(
            Programs.warren,
            ["run", file, "--trace", "\(run).sqlite"],
            in: scratch.folder
        )
    }

    private func answer(_ query: String, _ run: String) throws -> [String] {
        let asked = try Programs.run(
            Programs.warren,
            ["trace", "sql", query, "\(run).sqlite"],
            in: scratch.folder
        )
        try #require(asked.code == 0, "\(query)\n\(asked.errors)")
        return asked.output.split(separator: "\n").map {
            String($0).replacing("\t", with: "  ")
        }
    }

    @Test("answers each question as it says") func page() throws {
        var made: [String] = []
        var run = ""
        var query: [String] = []
        var isQuery = false
        var isAnswer = false
        var known: Set<String> = []
        var asked = 0
        let text = try Repository.text(Self.path)
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
            if line == "```text" { isAnswer = true }
            if isAnswer {
                if line == "```" { isAnswer = false }
                continue
            }
            made.append(line)
            if line.hasPrefix("<!-- ") {
                run = String(line.dropFirst(5).prefix { $0 != " " })
                if known.insert(run).inserted { try record(run) }
            } else if line == "```sql" {
                isQuery = true
                query = []
            } else if line == "```", isQuery {
                isQuery = false
                let lines = try answer(query.joined(separator: "\n"), run)
                // A question to which nothing comes teaches nothing.
                #expect(lines.count > 1, "nothing comes of \(query)")
                made += ["```text"] + lines + ["```"]
                asked += 1
            } else if isQuery {
                query.append(line)
            }
        }
        #expect(asked >= 10)
        let page = made.joined(separator: "\n")
        if ProcessInfo.processInfo.environment["WARREN_WRITE"] != nil {
            try page.write(
                to: Repository.root.appending(path: Self.path),
                atomically: true,
                encoding: .utf8
            )
        }
        #expect(try Repository.text(Self.path) == page, "make it anew with WARREN_WRITE=1")
    }
}

/// The page about the terminal: each command is typed, and what comes is what stands under it.
@Suite("The page of the terminal") struct TerminalPageTests {
    private static let path = "Sources/WarrenWatch/WarrenWatch.docc/Terminal.md"

    @Test("shows what comes") func page() throws {
        let scratch = try Scratch()
        let folder = scratch.path("work")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            atPath: folder + "/Topologies",
            withDestinationPath: Repository.root.appending(path: "Topologies").path
        )
        let bin = URL(filePath: Programs.warren).deletingLastPathComponent().path
        var made: [String] = []
        var isQuoted = false
        var typed = 0
        let text = try Repository.text(Self.path)
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
            if line == "```console" { isQuoted = true } else if line == "```" { isQuoted = false }
            if isQuoted, line != "```console", !line.hasPrefix("$ ") { continue }
            made.append(line)
            guard isQuoted, line.hasPrefix("$ ") else { continue }
            let told = try Programs.run(
                "/bin/sh",
                ["-c", String(line.dropFirst(2))],
                in: folder,
                environment: ["PATH": bin + ":/usr/bin:/bin"]
            )
            // How long a run took is not the same each time.
            let output = told.output.replacing(
                #/simulated in [0-9.]+.s, ([0-9]+) events, .*/#,
                with: { "simulated, \($0.output.1) events" }
            )
            #expect(!output.isEmpty, "\(line)\n\(told.errors)")
            made += output.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
                .map { line in String(line.reversed().drop { $0 == " " }.reversed()) }
            typed += 1
        }
        #expect(typed >= 8)
        let page = made.joined(separator: "\n")
        if ProcessInfo.processInfo.environment["WARREN_WRITE"] != nil {
            try page.write(
                to: Repository.root.appending(path: Self.path),
                atomically: true,
                encoding: .utf8
            )
        }
        #expect(try Repository.text(Self.path) == page, "make it anew with WARREN_WRITE=1")
    }
}
