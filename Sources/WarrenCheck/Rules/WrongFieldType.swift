import RabbitMQModel
import WarrenTopology

/// A field of the wrong sort of value.
enum WrongFieldType: Rule {
    static let manual = Manual(
        "wrong-field-type",
        .error,
        "a field holds another sort of value than RabbitMQ takes",
        outcome: .refused,
        why:
            "the import breaks there, with `function_clause` or a 500 and no word about the place, and creates nothing "
            + "of what comes later",
        remedy:
            "write it as the export of a broker does: true and false without quotes, lists in brackets",
        source:
            "tried on 3.10.8: `\"durable\": \"true\"`, `\"queues\": {}`, an argument that is null (`null_not_allowed`)",
        bad: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"jobs","vhost":"/","durable":"true","auto_delete":false,"arguments":{}}]}"#
        ),
        good: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"jobs","vhost":"/","durable":true,"auto_delete":false,"arguments":{}}]}"#
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for flaw in subject.set.flaws {
            switch flaw.kind {
            case .wrong(let field, let expected, let found):
                let outcome = subject.outcome(of: flaw)
                report.add(
                    "\"\(field)\" of the \(flaw.object) is \(found)",
                    at: flaw.place,
                    object: flaw.object,
                    label: "expected \(expected)",
                    why: outcome == .skipped
                        ? "RabbitMQ skips it without a word"
                        : outcome == .ignored
                            ? "RabbitMQ takes it as it is, and nobody can say what comes of it"
                            : nil,
                    outcome: outcome
                )
            case .nullArgument(let name):
                report.add(
                    "the argument '\(name)' of the \(flaw.object) is null",
                    at: flaw.place,
                    object: flaw.object,
                    why: "RabbitMQ refuses the file with `null_not_allowed`",
                    remedy: "leave the argument out"
                )
            case .missing, .listOfArguments, .twice: continue
            }
        }
    }
}
