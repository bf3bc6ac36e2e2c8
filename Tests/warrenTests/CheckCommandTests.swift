import Foundation
import Support
import Testing

/// `check`, `route`, `show`, `import` and `export` as people and CI systems call them.
@Suite("The command line of checks") struct CheckCommandTests {
    private let scratch: Scratch
    private let bad: String
    private let good: String

    init() throws {
        scratch = try Scratch()
        bad = try scratch.write(
            "bad.json",
            """
            {
              "vhosts": [{ "name": "/" }],
              "users": [{ "name": "shop", "password": "hunter2-secret", "tags": "" }],
              "queues": [
                { "name": "jobs", "vhost": "/", "durable": true, "auto_delete": false, "arguments": { "x-message-ttl": "5" } }
              ]
            }
            """
        )
        good = try scratch.write(
            "good.yaml",
            """
            warren: 1
            name: good
            brokers: { main: { kind: rabbitmq, queues: { jobs: { bind: { amq.topic: [a] } } } } }
            producers: { p: { to: { exchange: amq.topic, key: a }, count: 3, confirms: true, arrivals: 10/s } }
            consumers: { c: { from: jobs, prefetch: 5, service: 1ms } }
            """
        )
    }

    private func warren(_ arguments: String...) throws -> Programs.Outcome {
        try Programs.run(Programs.warren, arguments, in: scratch.folder)
    }

    private func object(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    @Test(
        "ends with 0, 1 for errors, with --strict for warnings too, and 2 for what cannot be read"
    )
    func codes() throws {
        #expect(try warren("check", good).code == 0)
        #expect(try warren("check", bad).code == 1)
        let warned = try scratch.write(
            "warned.yaml",
            "warren: 1\nname: w\nbrokers: { main: { kind: rabbitmq, queues: { jobs: { bind: { amq.topic: [\"a*\"] } } } } }"
        )
        #expect(try warren("check", warned).code == 0)
        #expect(try warren("check", "--strict", warned).code == 1)
        let torn = try scratch.write("torn.json", "{ \"queues\": [")
        #expect(try warren("check", torn).code == 2)
        #expect(try warren("check", scratch.path("nowhere.json")).code == 2)
        #expect(try warren("check").code == 2)
    }

    @Test("says where, what the broker does, why and what to try, and no secret")
    func text() throws {
        let outcome = try warren("check", "bad.json")
        #expect(outcome.output.contains("bad.json:5:"))
        #expect(outcome.output.contains("[argument-of-wrong-type]"))
        #expect(
            outcome.output.contains("broker: RabbitMQ 3.10 refuses it, and an import ends there")
        )
        #expect(outcome.output.contains("[plain-password]"))
        #expect(!outcome.output.contains("hunter2"))
        #expect(outcome.output.contains("next: warren check --explain argument-of-wrong-type"))
    }

    @Test("prints JSON, also for what cannot be read")
    func json() throws {
        for path in [bad, try scratch.write("torn.json", "{ \"queues\": [")] {
            let all = try object(try warren("check", path, "--format", "json").output)
            let findings = try #require(all["findings"] as? [[String: Any]])
            #expect(!findings.isEmpty)
            for finding in findings {
                #expect(finding["slug"] is String && finding["severity"] is String)
                #expect(finding["line"] is Int && finding["column"] is Int)
            }
        }
    }

    @Test("prints SARIF with a rule for each result and places that count from one")
    func sarif() throws {
        let log = try object(try warren("check", bad, good, "--format", "sarif").output)
        #expect(log["version"] as? String == "2.1.0")
        let run = try #require((log["runs"] as? [[String: Any]])?.first)
        let driver = try #require((run["tool"] as? [String: Any])?["driver"] as? [String: Any])
        let rules = try #require(driver["rules"] as? [[String: Any]])
        let results = try #require(run["results"] as? [[String: Any]])
        #expect(!results.isEmpty)
        for result in results {
            let index = try #require(result["ruleIndex"] as? Int)
            #expect(rules[index]["id"] as? String == result["ruleId"] as? String)
            #expect(["error", "warning", "note"].contains(result["level"] as? String))
            let location = try #require((result["locations"] as? [[String: Any]])?.first)
            let physical = try #require(location["physicalLocation"] as? [String: Any])
            let region = try #require(physical["region"] as? [String: Int])
            #expect((region["startLine"] ?? 0) >= 1 && (region["startColumn"] ?? 0) >= 1)
            #expect((region["endColumn"] ?? 0) > (region["startColumn"] ?? 0))
        }
    }

    @Test("prints JUnit and workflow commands that their readers understand")
    func others() throws {
        let junit = try warren("check", bad, good, "--format", "junit").output
        let program = """
            import sys, xml.etree.ElementTree as tree
            root = tree.fromstring(sys.argv[1].encode())
            print(len(root.findall("testsuite")), len(root.findall(".//failure")))
            """
        let counted = try Programs.run("/usr/bin/env", ["python3", "-c", program, junit])
        #expect(counted.output.split(separator: " ").first == "2", "\(counted.errors) \(junit)")
        #expect(counted.output != "2 0\n")
        let github = try warren("check", "bad.json", "--format", "github").output
        let lines = github.split(separator: "\n")
        #expect(lines.contains { $0.hasPrefix("::error file=bad.json,line=5,col=") })
        #expect(lines.allSatisfy { $0.hasPrefix("::") })
    }

    @Test("leaves out what a baseline knows, and fails again for what is new")
    func baseline() throws {
        let file = scratch.path("baseline.json")
        #expect(try warren("check", bad, "--write-baseline", file).code == 0)
        let quiet = try warren("check", bad, "--baseline", file)
        #expect(quiet.code == 0 && quiet.output.contains("in the baseline"))
        let text = try String(contentsOfFile: bad, encoding: .utf8)
        _ = try scratch.write("bad.json", text.replacing("jobs", with: "work"))
        #expect(try warren("check", bad, "--baseline", file).code == 1)
    }

    @Test("passes over what a file says is meant, with a reason, and tells of a word about nothing")
    func suppressions() throws {
        let file = try scratch.write(
            "meant.yaml",
            """
            warren: 1
            name: meant
            brokers: { main: { kind: rabbitmq, queues: { jobs: { bind: { amq.topic: ["a*"] } } } } }
            check:
              ignore:
                - { slug: wildcard-never-matches, reason: "the star is a letter here" }
                - { slug: exchange-loop, reason: "there is none" }
            """
        )
        let outcome = try warren("check", file)
        #expect(!outcome.output.contains("[wildcard-never-matches]"))
        #expect(outcome.output.contains("1 meant by the file"))
        #expect(outcome.output.contains("[unused-suppression]"))
    }

    @Test("takes folders and several files at once")
    func folders() throws {
        let outcome = try warren("check", ".", "--format", "json")
        let files = try #require(try object(outcome.output)["files"] as? [[String: Any]])
        #expect(
            files.compactMap { ($0["path"] as? String)?.split(separator: "/").last } == [
                "bad.json", "good.yaml",
            ]
        )
        #expect(outcome.code == 1)
    }

    @Test("explains every rule, and guesses what was meant by a wrong word")
    func explain() throws {
        let outcome = try warren("check", "--explain", "wildcard-never-matches")
        for word in ["why:", "try:", "source:", "wrong:", "right:"] {
            #expect(outcome.output.contains(word))
        }
        let wrong = try warren("check", "--explain", "wildcard-never-match")
        #expect(wrong.code == 2 && wrong.errors.contains("wildcard-never-matches"))
    }

    @Test("routes a message, and ends with 1 if nobody gets it")
    func route() throws {
        let there = try warren("route", good, "--exchange", "amq.topic", "--key", "a")
        #expect(there.code == 0 && there.output.contains("jobs"))
        let nowhere = try warren("route", good, "--exchange", "amq.topic", "--key", "b")
        #expect(nowhere.code == 1 && nowhere.output.contains("word 1 is 'b' and not 'a'"))
        let wrong = try warren("route", good, "--exchange", "amq.topics", "--key", "b")
        #expect(wrong.code == 2 && wrong.errors.contains("amq.topic"))
    }

    @Test("shows which policy counts, what it hides, and what has no effect")
    func show() throws {
        let file = try scratch.write(
            "policies.yaml",
            """
            warren: 1
            name: policies
            brokers:
              main:
                kind: rabbitmq
                queues: { jobs: { type: quorum, max_length: 50 }, plain: {} }
                policies:
                  - { name: low, pattern: "^jobs", priority: 1, max_length: 10 }
                  - { name: high, pattern: "jobs", priority: 5, max_length: 100, overflow: reject-publish }
                operator_policies: [{ name: ceiling, pattern: ".*", max_length: 20 }]
            """
        )
        let outcome = try warren("show", file, "--resolved", "--format", "json")
        let objects = try #require(try object(outcome.output)["objects"] as? [[String: Any]])
        let jobs = try #require(objects.first { $0["name"] as? String == "jobs" })
        #expect(jobs["policy"] as? String == "high")
        #expect(jobs["operator_policy"] as? String == "ceiling")
        let hidden = try #require(jobs["hidden_policies"] as? [[String: String]])
        #expect(hidden.map { $0["name"] } == ["low"])
        let settings = try #require(jobs["settings"] as? [[String: Any]])
        let lengths = settings.filter { $0["name"] as? String == "max-length" }
        #expect(lengths.map { $0["value"] as? String } == ["50", "100", "20"])
        #expect(lengths.map { $0["has_effect"] as? Bool } == [false, false, true])
        let plain = try #require(objects.first { $0["name"] as? String == "plain" })
        #expect(plain["policy"] is NSNull)
    }

    @Test("imports definitions, runs them, and exports them as they were")
    func importing() throws {
        let source = Repository.root.appending(
            path: "Tests/WarrenCheckTests/Definitions/cluster-3.10.json"
        ).path
        let made = scratch.path("made.yaml")
        #expect(try warren("import", source, "-o", made).code == 0)
        let text = try String(contentsOfFile: made, encoding: .utf8)
        #expect(text.contains("Guesses") && !text.contains("hunter2"))
        let out = scratch.path("out.json")
        #expect(try warren("export", made, "-o", out).code == 0)
        let exported =
            try JSONSerialization.jsonObject(
                with: Data(contentsOf: URL(filePath: out))
            ) as? NSDictionary
        let own =
            try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: source)))
            as? NSDictionary
        #expect(exported != nil && exported == own)
    }

    @Test("runs a definitions file with clients that it calls guesses, and records no secret")
    func run() throws {
        let file = try scratch.write(
            "prod.json",
            """
            { "vhosts": [{ "name": "/" }],
              "users": [{ "name": "guest", "password_hash": "aHVudGVyMi1ndWVzdA==", "tags": "" }],
              "exchanges": [{ "name": "in", "vhost": "/", "type": "fanout", "durable": true, "auto_delete": false, "internal": false, "arguments": {} }],
              "queues": [{ "name": "jobs", "vhost": "/", "durable": true, "auto_delete": false, "arguments": {} }],
              "parameters": [{ "component": "federation-upstream", "name": "up", "vhost": "/", "value": { "uri": "amqp://u:hunter2@far" } }],
              "bindings": [{ "source": "in", "vhost": "/", "destination": "jobs", "destination_type": "queue", "routing_key": "", "arguments": {} }] }
            """
        )
        let trace = scratch.path("prod.trace.sqlite")
        let outcome = try warren("run", file, "--trace", trace)
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(outcome.errors.contains("guessed-clients"))
        let recorded = try Data(contentsOf: URL(filePath: trace))
        for secret in ["hunter2", "aHVudGVyMi"] {
            #expect(!outcome.output.contains(secret) && !outcome.errors.contains(secret))
            #expect(recorded.range(of: Data(secret.utf8)) == nil)
        }
    }
}
