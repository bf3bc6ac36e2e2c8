import Foundation
import Support
import Testing

/// The rules of the house, read off the sources.
@Suite("The house")
struct HouseTests {
    private static let quiet = [
        "WarrenTrace", "WarrenKernel", "WarrenLedger", "WarrenBroker", "RabbitMQModel", "NATSModel",
        "WarrenView", "WarrenTopology", "WarrenCatalog", "WarrenWatch",
    ]

    private func lines(_ path: String) throws -> [(Int, String)] {
        try Repository.text(path).split(separator: "\n", omittingEmptySubsequences: false)
            .enumerated().map { ($0.offset + 1, String($0.element)) }
    }

    @Test(arguments: quiet)
    func `keeps the core quiet: no clock, no thread, no platform, no printing`(target: String)
        throws
    {
        let banned = [
            "import Foundation", "import Glibc", "import Dispatch", "import Synchronization",
            "SystemRandomNumberGenerator", ".random(in", "UUID()", "Date()", "Hasher()",
            "hashValue",
            "Task {", " async ", " actor ", "@unchecked Sendable", "nonisolated(unsafe)", " print(",
        ]
        for path in Repository.files(under: "Sources/\(target)", ending: ".swift") {
            for (number, line) in try lines(path) {
                let code = line.components(separatedBy: "//").first ?? ""
                for word in banned where code.contains(word) {
                    Issue.record("\(path):\(number): error: \(word) is banned in the core")
                }
            }
        }
    }

    @Test func `lets models know neither each other nor the store`() throws {
        for (target, others) in [
            ("RabbitMQModel", ["NATSModel", "WarrenStore"]),
            ("NATSModel", ["RabbitMQModel", "WarrenStore"]),
            ("WarrenKernel", ["RabbitMQModel", "NATSModel", "WarrenTopology", "WarrenLedger"]),
        ] {
            for path in Repository.files(under: "Sources/\(target)", ending: ".swift") {
                let text = try Repository.text(path)
                for other in others { #expect(!text.contains("import \(other)"), "\(path)") }
            }
        }
    }

    @Test func `does not teach the kernel a broker's words`() throws {
        for path in Repository.files(under: "Sources/WarrenKernel", ending: ".swift") {
            for (number, line) in try lines(path)
            where !line.contains("///") && !line.contains("Source:") {
                for word in ["exchange", "RabbitMQ", "NATS", "prefetch"] {
                    #expect(
                        !line.contains(word),
                        "\(path):\(number): error: the kernel knows '\(word)'"
                    )
                }
            }
        }
    }

    /// What somebody wrote down to look at it once.
    @Test func `writes nowhere but where it is told`() throws {
        let text = "\"/" + "tmp/"
        for folder in ["Sources", "Tests"] {
            for path in Repository.files(under: folder, ending: ".swift") {
                for (number, line) in try lines(path) {
                    #expect(!line.contains(text), "\(path):\(number): error: a path of one machine")
                }
            }
        }
    }

    @Test func `keeps files to a few pages`() throws {
        for path in Repository.files(under: "Sources", ending: ".swift") {
            let count = try lines(path).count - 1
            #expect(count <= 500, "\(path) has \(count) lines; split it by topic")
        }
    }

    /// A page for those who change the model is worth something as long as it is true.
    @Test func `how a message travels names functions that are there`() throws {
        let folder = "Sources/RabbitMQModel"
        let page = try Repository.text("\(folder)/RabbitMQModel.docc/HowAMessageTravels.md")
        let steps = page.matches(of: #/(?m)^\d+\. `([^`]+)` `(\w+)`/#)
        #expect(steps.count >= 45)
        for step in steps {
            let (path, name) = (String(step.output.1), String(step.output.2))
            let text = try Repository.text("\(folder)/\(path)")
            #expect(text.contains("func \(name)("), "\(path) has no \(name)")
        }
    }

    /// Dictionaries and sets come in another order in each process.
    @Test(arguments: quiet)
    func `goes through no dictionary in the core without saying that its order does not show`(
        target: String
    ) throws {
        let declaration =
            #/\b(?:var|let)\s+(\w+)\s*(?::\s*(?:\[[\w.\[\]]+\s*:|Set<)|=\s*(?:\[[\w.]+\s*:[^=]*\]\(|Set\(|Dictionary))/#
        for path in Repository.files(under: "Sources/\(target)", ending: ".swift") {
            let all = try lines(path)
            let names = Set(
                try Repository.text(path).matches(of: declaration).map { String($0.output.1) }
            )
            for (index, (number, line)) in all.enumerated() {
                let code = line.components(separatedBy: "//").first ?? ""
                guard
                    let loop = code.firstMatch(
                        of: #/\bin\s+(?:self\.)?(\w+)(?:\.(?:keys|values))?\s*(?:\{|where\b|$)/#
                    ),
                    names.contains(String(loop.output.1))
                else { continue }
                let above = index > 0 ? all[index - 1].1 : ""
                let isSaid = [above, line].contains { $0.contains("// In any order") }
                // Lists may have the name of a dictionary of another function.
                let isList = code.contains(".sorted") || Self.lists.contains(String(loop.output.1))
                #expect(
                    isSaid || isList,
                    "\(path):\(number): error: the order of \(loop.output.1) is another one each time; sort it, or say `// In any order: …`"
                )
            }
        }
    }

    /// Names that are lists in one function of the importer of definitions, and dictionaries in another.
    private static let lists: Set<String> = ["exchanges", "queues"]

    /// Of what only the modules of this package see, initialisers and operators say all by their parameters.
    private static func isOpenToModules(_ code: String) -> Bool {
        code.hasPrefix("package ") && !code.contains(/\binit[(?]/) && !code.contains("func < ")
    }

    @Test func `comments every name that other modules see`() throws {
        for path in Repository.files(under: "Sources", ending: ".swift") {
            let all = try lines(path)
            for (index, (number, line)) in all.enumerated() {
                let code = line.trimmingCharacters(in: .whitespaces)
                let declares =
                    (code.hasPrefix("public ") || Self.isOpenToModules(code))
                    && !code.contains(" import ")
                    && ["func ", "struct ", "enum ", "class ", "protocol ", "init("].contains {
                        code.contains($0)
                    }
                guard declares else { continue }
                var above = index - 1
                while above >= 0, all[above].1.trimmingCharacters(in: .whitespaces).hasPrefix("@") {
                    above -= 1
                }
                let comment = above >= 0 ? all[above].1.trimmingCharacters(in: .whitespaces) : ""
                #expect(
                    comment.hasPrefix("///"),
                    "\(path):\(number): error: no comment on \(code.prefix(60))"
                )
            }
        }
    }

    @Test func `documents every slug`() throws {
        let manual = try Repository.text("Sources/WarrenTopology/WarrenTopology.docc/Findings.md")
        let pattern = /Finding\(\s*"([a-z0-9-]+)"/
        var slugs: Set<String> = []
        for path in Repository.files(under: "Sources", ending: ".swift") {
            for match in try Repository.text(path).matches(of: pattern) {
                slugs.insert(String(match.1))
            }
        }
        #expect(slugs.count > 30)
        for slug in slugs.sorted() {
            #expect(manual.contains("`\(slug)`"), "\(slug) is not in Findings.md")
        }
    }

    @Test func `keeps the top level small`() throws {
        let allowed: Set<String> = [
            "Package.swift", "Sources", "Tests", "Topologies", "Labs", "README.md", "Makefile",
        ]
        let git = try Programs.run("/usr/bin/git", ["ls-files"], in: Repository.root.path)
        let names = Set(
            git.output.split(separator: "\n").map { String($0.split(separator: "/")[0]) }
        )
        for name in names.subtracting(allowed).sorted() { #expect(name.hasPrefix("."), "\(name)") }
    }
}
