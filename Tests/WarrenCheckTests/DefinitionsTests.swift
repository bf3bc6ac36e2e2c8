import Foundation
import RabbitMQModel
import Support
import Testing
import WarrenCatalog
import WarrenCheck
import WarrenTopology

/// Definitions files in the image of those that people have.
@Suite("A definitions file") struct DefinitionsTests {
    private static let folder = "Tests/WarrenCheckTests/Definitions/"
    static let readable = [
        "cluster-3.7", "cluster-3.10", "vhost", "cluster-4.1", "by-hand",
    ]
    static let torn = ["template", "cut-off"]

    private static func bytes(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: Repository.root.appending(path: "\(folder)\(name).json")))
    }

    /// A value as it stands, without the space between its parts.
    private static func spelled(_ value: JSONValue) -> String {
        switch value.kind {
        case .object:
            "{"
                + value.entries.map { "\(spelled($0.key)):\(spelled($0.value))" }.joined(
                    separator: ","
                )
                + "}"
        case .array: "[" + value.elements.map { spelled($0) }.joined(separator: ",") + "]"
        case .string: "\"\(value.text ?? "")\""
        default: value.source
        }
    }

    /// A topology as text that a definitions file becomes.
    private static func imported(_ name: String) throws -> String {
        let document = try DefinitionsText.read("\(name).json", try bytes(name), number: 0)
        return TreeWriter.yaml(
            DefinitionsText.topology(document, "\(name).json", reference: "\(name).json").0,
            comments: [:]
        )
    }

    private static func read(_ text: String, beside name: String) throws -> (
        subject: Subject, files: [SourceFile]
    ) {
        let own = try bytes(name)
        return try SubjectReader.read(
            "made.yaml",
            broker: nil,
            version: nil,
            vocabularies: Catalog.vocabularies,
            source: { $0 == "made.yaml" ? Array(text.utf8) : own },
            takesDrafts: true
        )
    }

    @Test(
        "imported and exported again is the same, in the same order, every number as it was written",
        arguments: readable
    )
    func roundTrip(_ name: String) throws {
        let document = try DefinitionsText.read("\(name).json", try Self.bytes(name), number: 0)
        let read = try Self.read(try Self.imported(name), beside: name)
        let base = DefinitionSet(document, version: read.subject.version)
        let text = DefinitionsExport(read.subject.set, base: base).text()
        let again = try DefinitionsText.read("again.json", Array(text.utf8), number: 0)
        #expect(Self.spelled(document.root) == Self.spelled(again.root))
    }

    @Test("that a topology was made of and that changed is exported with the change alone")
    func change() throws {
        let name = "cluster-3.7"
        var text = try Self.imported(name)
        #expect(text.contains("message_ttl: 1m"))
        text = text.replacing("message_ttl: 1m", with: "message_ttl: 2m")
        let read = try Self.read(text, beside: name)
        let document = try DefinitionsText.read("\(name).json", try Self.bytes(name), number: 0)
        let base = DefinitionSet(document, version: read.subject.version)
        let exported = DefinitionsExport(read.subject.set, base: base).text()
        let again = try DefinitionsText.read("again.json", Array(exported.utf8), number: 0)
        #expect(
            Self.spelled(again.root)
                == Self.spelled(document.root).replacing(
                    "\"x-message-ttl\":60000",
                    with: "\"x-message-ttl\":120000"
                )
        )
    }

    /// What a topology may say of relays, and the parameter that is made of it.
    private static let spoken: [(words: String, parameter: String)] = [
        (
            "federation: { upstreams: { far: { broker: east, max_hops: 2, expires: 1h } } }",
            #"{"vhost":"/","component":"federation-upstream","name":"far","value":{"uri":"amqp://east","max-hops":2,"expires":3600000}}"#
        ),
        (
            "federation: { upstreams: { far: { broker: east, vhost: v, queue: q, ack_mode: no-ack, prefetch_count: 5 } } }",
            #"{"vhost":"/","component":"federation-upstream","name":"far","value":{"uri":"amqp://east/v","queue":"q","ack-mode":"no-ack","prefetch-count":5}}"#
        ),
        (
            "shovels: { s: { from: { queue: a, delete_after: queue-length }, to: { broker: east, queue: b, add_forward_headers: true } } }",
            #"{"vhost":"/","component":"shovel","name":"s","value":{"src-uri":"amqp://","src-queue":"a","src-delete-after":"queue-length","dest-uri":"amqp://east","dest-queue":"b","dest-add-forward-headers":true}}"#
        ),
        (
            "shovels: { s: { from: { exchange: x, key: k, broker: east }, to: { exchange: y }, ack_mode: on-publish, reconnect_delay: 1s } }",
            #"{"vhost":"/","component":"shovel","name":"s","value":{"src-uri":"amqp://east","src-exchange":"x","src-exchange-key":"k","dest-uri":"amqp://","dest-exchange":"y","ack-mode":"on-publish","reconnect-delay":1}}"#
        ),
    ]

    @Test("says of upstreams and shovels what a topology does, and back", arguments: spoken)
    func relays(words: String, parameter: String) throws {
        func exported(_ broker: String) throws -> (text: String, document: JSONDocument) {
            let text =
                "warren: 1\nname: t\nbrokers: { west: { kind: rabbitmq, \(broker) } }\n"
            let subject = try SubjectReader.read(
                "t.yaml",
                broker: nil,
                version: nil,
                vocabularies: Catalog.vocabularies,
                source: { _ in Array(text.utf8) },
                takesDrafts: true
            ).subject
            let made = DefinitionsExport(subject.set, base: nil).text()
            return (made, try DefinitionsText.read("d.json", Array(made.utf8), number: 0))
        }
        let first = try exported(words)
        let parameters = try #require(first.document.root["parameters"])
        #expect(Self.spelled(parameters) == "[\(parameter)]")
        let again = DefinitionsText.topology(first.document, "d.json", reference: nil).0
        let yaml = TreeWriter.yaml(again, comments: [:])
        let section = words.prefix { $0 != ":" }
        #expect(yaml.contains("\(section):"), "\(yaml)")
        let broker = try #require(again["brokers"]?["main"])
        let said = try #require(broker[String(section)])
        let second = try exported("\(section): \(TreeWriter.line(said))")
        #expect(second.text == first.text)
    }

    @Test("shows no secret: not in findings, not in a topology", arguments: readable + torn)
    func secrets(_ name: String) throws {
        let bytes = try Self.bytes(name)
        let text = String(decoding: bytes, as: UTF8.self)
        let hidden = text.matches(of: #/hunter2[-a-z]*|aHVudGVyMi[A-Za-z0-9+=/]*/#).map {
            String($0.output)
        }
        #expect(name == "vhost" || name == "template" || !hidden.isEmpty)
        let checker = FileChecker(
            vocabularies: Catalog.vocabularies,
            version: nil,
            source: { _ in bytes },
            build: { _ in [] }
        )
        let checked = checker.check("\(name).json")
        var shown = checked.findings.map { $0.text(in: checked.files) + $0.why + $0.remedy }
        if Self.readable.contains(name) { shown.append(try Self.imported(name)) }
        for line in shown {
            #expect(!hidden.contains { line.contains($0) }, "\(line)")
            #expect(!line.contains("hunter2") && !line.contains("aHVudGVyMi"), "\(line)")
        }
    }

    @Test("that is no JSON is told so, with a place", arguments: torn)
    func unreadable(_ name: String) throws {
        let bytes = try Self.bytes(name)
        let checked = check(String(decoding: bytes, as: UTF8.self), "\(name).json")
        #expect(checked.isUnreadable)
        #expect(checked.findings.map(\.slug) == ["not-json"])
        #expect((checked.findings.first?.place?.line ?? 0) >= 3)
    }

    /// What each file says, so that a rule that falls silent or barks is seen.
    private static let slugs: [String: [String]] = [
        "cluster-3.7": [
            "policies-overlap", "mirrored-queue", "vanishing-queue", "expiry-loses-messages",
            "argument-instead-of-policy", "arguments-as-list", "queue-without-bindings",
            "missing-alternate-exchange", "arguments-as-list", "shadowed-binding",
            "arguments-as-list", "wildcard-never-matches",
        ],
        "cluster-3.10": [
            "unknown-parameter", "unknown-parameter", "overflow-loses-messages",
            "policy-key-without-effect", "unknown-policy-key", "argument-instead-of-policy",
            "delivery-limit-without-dead-letter", "guest-user",
        ],
        "vhost": [
            "missing-vhost", "queue-without-bindings", "argument-instead-of-policy",
            "argument-of-wrong-type",
        ],
        "cluster-4.1": [
            "delivery-limit-without-dead-letter", "argument-instead-of-policy",
            "unknown-exchange-type",
        ],
        "by-hand": [
            "not-strict-json", "plain-password", "queue-without-bindings", "unknown-argument",
            "transient-queue", "not-strict-json", "binding-to-nowhere", "wildcard-never-matches",
        ],
    ]

    @Test("is told what is odd about it, and nothing else", arguments: readable)
    func said(_ name: String) throws {
        let bytes = try Self.bytes(name)
        let checker = FileChecker(
            vocabularies: Catalog.vocabularies,
            version: nil,
            source: { _ in bytes },
            build: { _ in [] }
        )
        #expect(checker.check("\(name).json").findings.map(\.slug) == Self.slugs[name])
    }

    @Test("damaged in any way gets an answer", arguments: readable)
    func damaged(_ name: String) throws {
        let bytes = try Self.bytes(name)
        var dice = Dice(seed: 20_261_126)
        for _ in 0..<60 {
            var damaged = bytes
            for _ in 0...dice.below(4) {
                let at = dice.below(damaged.count)
                if dice.happens(50) {
                    damaged[at] = UInt8(32 + dice.below(95))
                } else {
                    damaged.removeSubrange(at..<min(damaged.count, at + 1 + dice.below(40)))
                }
            }
            let text = String(decoding: damaged, as: UTF8.self)
            let checked = check(text, "\(name).json")
            #expect(!checked.isUnreadable || !checked.findings.isEmpty, "\(text)")
            for finding in checked.findings { _ = finding.text(in: checked.files) }
        }
    }

    @Test("stands in for a broker's section of a topology")
    func reference() throws {
        let read = try Self.read(
            """
            warren: 1
            name: shop
            brokers: { main: { kind: rabbitmq, definitions: cluster-3.7.json } }
            """,
            beside: "cluster-3.7"
        )
        #expect(read.subject.set.queues.map(\.value.name).contains("shop.orders"))
        #expect(read.subject.set.bindings.count == 4)
        #expect(read.subject.set.policies.map(\.value.policy.name) == ["ha-all", "expire"])
    }
}
