import ArgumentParser
import RabbitMQModel
import WarrenCheck
import WarrenTopology

struct ShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract:
            "Shows what each queue and exchange really gets: arguments, policies and defaults together.",
        discussion: """
            For every queue and exchange: the policy that counts and those that it hides, operator \
            policies, the defaults of the version, and which keys have no effect on that type.

            Example: warren show definitions.json --resolved --broker-version 4.0
            """
    )

    @Argument(help: "A topology or a definitions file.")
    var file: String

    @ArgumentParser.Flag(help: "Apply policies and defaults; what is shown today, with or without.")
    var resolved = false

    @Option(help: "Which broker of a topology, if there are several.")
    var broker: String?

    @Option(help: "The version of the broker; what the file says.")
    var brokerVersion: String?

    @Option(help: "Only queues and exchanges with this in their names.")
    var name: String?

    @Option(help: "How to print the result: text or json.")
    var format = OutputFormat.text

    func run() throws {
        let subject = try Files.subject(file, broker, brokerVersion, format)
        let objects = Resolved(subject).objects.filter { object in
            name.map { object.name.contains($0) } ?? true
        }
        if format == .json {
            return try Console.print(
                Report.json(
                    of: Lines(version: subject.version.text, objects: objects.map { Line($0) })
                )
            )
        }
        guard !objects.isEmpty else {
            return try Console.print(
                name.map { "no queue and no exchange has '\($0)' in its name" }
                    ?? "\(file) declares no queue and no exchange"
            )
        }
        try Console.print(objects.map { text($0) }.joined(separator: "\n"))
        try Console.print(Console.quiet("as RabbitMQ \(subject.version.text) behaves"))
    }

    private func text(_ object: Resolved.Object) -> String {
        let place = object.vhost == "/" ? "" : " in \(object.vhost)"
        var lines = [
            "\(object.kind) \(Console.strong(object.name))\(place): \(object.type), \(object.traits.joined(separator: ", "))"
        ]
        if let policy = object.policy { lines.append("  policy            \(policy)") }
        for hidden in object.hidden {
            lines.append("  hidden policy     \(hidden.name)  \(Console.quiet(hidden.why))")
        }
        if let policy = object.operatorPolicy { lines.append("  operator policy   \(policy)") }
        let width = max(28, object.settings.map(\.name.count).max() ?? 0) + 2
        for setting in object.settings {
            let gap = String(repeating: " ", count: width - setting.name.count)
            let line =
                "  \(setting.name)\(gap)\(setting.value.isEmpty ? "''" : setting.value)  \(Console.quiet("(\(setting.source))"))"
            lines.append(
                setting.without.map { line + "  " + Console.bad("no effect: ") + $0 } ?? line
            )
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private struct Lines: Encodable {
        var version: String
        var objects: [Line]
    }

    private struct Line: Encodable {
        struct Hidden: Encodable { var name, why: String }

        struct Setting: Encodable {
            var name, value, source: String
            var has_effect: Bool
            @OrNull var without_effect_because: String?
        }

        let kind, name, vhost, type: String
        let traits: [String]
        @OrNull private(set) var policy: String?
        @OrNull private(set) var operator_policy: String?
        let hidden_policies: [Hidden]
        let settings: [Setting]

        init(_ object: Resolved.Object) {
            kind = object.kind
            name = object.name
            vhost = object.vhost
            type = object.type
            traits = object.traits
            policy = object.policy
            operator_policy = object.operatorPolicy
            hidden_policies = object.hidden.map { Hidden(name: $0.name, why: $0.why) }
            settings = object.settings.map {
                Setting(
                    name: $0.name,
                    value: $0.value,
                    source: $0.source,
                    has_effect: $0.without == nil,
                    without_effect_because: $0.without
                )
            }
        }
    }
}
