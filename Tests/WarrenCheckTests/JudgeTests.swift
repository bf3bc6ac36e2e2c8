import Foundation
import RabbitMQModel
import Support
import Testing
import WarrenCatalog
import WarrenCheck
import WarrenGateway
import WarrenTopology

/// What a check says that a broker does, held against what a real 3.10.8 does with the same file.
@Suite("A real RabbitMQ", .serialized, .tags(.slow), .realBroker, .unlessQuick) struct JudgeTests {
    /// A broker with an administrator whom no file changes.
    private struct Judge {
        let management: Management
        private(set) var count = 0

        init(port: Int) async throws {
            let guest = Management(host: "127.0.0.1", port: port)
            let body = #"{"password":"judge","tags":"administrator"}"#
            _ = try await guest.ask("PUT", "/api/users/judge", body: body)
            management = Management(host: "127.0.0.1", port: port, user: "judge", password: "judge")
        }

        /// Imports a file into a virtual host of its own, and says where what was predicted did not come.
        mutating func hold(_ text: String, _ name: String) async throws -> [String] {
            count += 1
            let vhost = "case\(count)"
            let text = Self.moved(text, to: vhost)
            let checked = check(text, "\(name).json", version: .v3_10)
            let document = try DefinitionsText.read("\(name).json", Array(text.utf8), number: 0)
            let set = DefinitionSet(document, version: .v3_10)
            let body = #"{"configure":".*","write":".*","read":".*"}"#
            _ = try await management.ask("PUT", "/api/vhosts/\(vhost)")
            _ = try await management.ask("PUT", "/api/permissions/\(vhost)/judge", body: body)
            let answer = try await management.ask("POST", "/api/definitions", body: text)
            for user in set.users {
                _ = try await management.ask("DELETE", "/api/users/\(user.value.name)")
            }
            // Of two objects of one name whichever comes first is created, and the other not looked at.
            guard !checked.findings.contains(where: { $0.slug == "duplicate-object" }) else {
                return []
            }
            let refused = checked.findings.filter { $0.outcome == .refused }
            guard (answer.status >= 400) == !refused.isEmpty else {
                return [
                    "\(name): predicted \(refused.map(\.slug)), and it answered \(answer.status) \(answer.body)"
                ]
            }
            guard let there = try await objects(vhost) else { return [] }
            var faults: [String] = []
            for object in Self.declared(set, vhost) {
                let mine = checked.findings.filter { $0.object.hasPrefix(object.prefix) }
                let isAbsent = mine.contains { $0.outcome == .skipped || $0.outcome == .refused }
                // After a refusal nobody knows how far the import came.
                if isAbsent == there.contains(object.identity), isAbsent || refused.isEmpty {
                    faults.append(
                        "\(name): \(object.identity) is \(isAbsent ? "there" : "not there"), "
                            + "and the check says \(mine.map { "\($0.slug) \($0.outcome.map(\.rawValue) ?? "")" })"
                    )
                }
            }
            return faults
        }

        /// The text with its virtual host exchanged for another.
        private static func moved(_ text: String, to vhost: String) -> String {
            text.replacing(#/("vhost": ?)"\//#) { "\($0.output.1)\"\(vhost)" }
                .replacing(#/("vhosts": ?\[\s*\{"name": ?)"\//#) { "\($0.output.1)\"\(vhost)" }
        }

        private struct Object {
            /// How findings name it, and how the broker lists it.
            var prefix: String
            var identity: String
        }

        private static func declared(_ set: DefinitionSet, _ vhost: String) -> [Object] {
            set.queues.filter { $0.vhost == vhost }.map {
                Object(prefix: "queue '\($0.value.name)' in ", identity: "queue \($0.value.name)")
            }
                + set.exchanges.filter {
                    $0.vhost == vhost && Host.predeclared[$0.value.name] == nil
                }.map {
                    Object(
                        prefix: "exchange '\($0.value.name)' in ",
                        identity: "exchange \($0.value.name)"
                    )
                }
                + set.bindings.filter { $0.vhost == vhost && $0.value.source != "" }.map {
                    let kind = $0.value.toExchange ? "exchange" : "queue"
                    return Object(
                        prefix:
                            "binding from '\($0.value.source)' to \(kind) '\($0.value.destination)' with '\($0.value.key)' in ",
                        identity:
                            "binding \($0.value.source) \(kind) \($0.value.destination) \($0.value.key)"
                    )
                }
        }

        /// What is there; nil if the broker itself breaks over what it took.
        private func objects(_ vhost: String) async throws -> Set<String>? {
            var found: Set<String> = []
            for kind in ["queues", "exchanges", "bindings", "policies"] {
                let answer = try await management.ask("GET", "/api/\(kind)/\(vhost)")
                guard answer.status == 200,
                    let document = try? DefinitionsText.read(
                        "answer.json",
                        Array(answer.body.utf8),
                        number: 0
                    )
                else { return nil }
                for object in document.root.elements {
                    switch kind {
                    case "bindings":
                        let words = ["source", "destination_type", "destination", "routing_key"].map
                        { object[$0]?.text ?? "" }
                        found.insert("binding " + words.joined(separator: " "))
                    default: found.insert("\(kind.dropLast()) \(object["name"]?.text ?? "")")
                    }
                }
            }
            return found
        }
    }

    /// The definitions that an example stands for; nil if it is about clients.
    private static func definitions(_ example: Manual.Example) throws -> String? {
        switch example {
        case .definitions(let text): return text
        case .topology: return nil
        case .broker:
            let text = example.text
            let read = try SubjectReader.read(
                "example.yaml",
                broker: nil,
                version: nil,
                vocabularies: Catalog.vocabularies,
                source: { _ in Array(text.utf8) },
                takesDrafts: true
            )
            return DefinitionsExport(read.subject.set, base: nil).text()
        }
    }

    @Test("does what the check says, with the examples of every rule and with damaged files")
    func judge() async throws {
        let folder = NSTemporaryDirectory() + "warren-judge-\(UUID().uuidString)"
        let cluster = try await LocalCluster.start(in: folder)
        defer { LocalCluster.end(in: folder) }
        var judge = try await Judge(port: cluster.nodes[0].managementPort)
        var held = 0
        for manual in Check.rules.map({ $0.manual }) {
            for (word, example) in [("bad", manual.bad), ("good", manual.good)] {
                guard let text = try Self.definitions(example) else { continue }
                for fault in try await judge.hold(text, "\(manual.slug) \(word)") {
                    Issue.record("\(fault)")
                }
                held += 1
            }
        }
        #expect(held > 90)
        let environment = ProcessInfo.processInfo.environment
        let seed = environment["WARREN_SEED"].flatMap { UInt64($0) } ?? 1
        let count = environment["WARREN_DEFINITIONS"].flatMap { UInt64($0) } ?? 150
        for number in seed..<seed + count {
            var random = RandomDefinitions(seed: number)
            let text = random.text()
            for fault in try await judge.hold(text, "seed \(number)") {
                Issue.record("\(fault)\n\(text)")
            }
        }
    }
}
