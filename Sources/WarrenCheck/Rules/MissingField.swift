import RabbitMQModel
import WarrenTopology

/// A field that RabbitMQ needs and does not ask for.
enum MissingField: Rule {
    static let manual = Manual(
        "missing-field",
        .error,
        "an object lacks a field that RabbitMQ needs",
        outcome: .refused,
        why:
            "the import breaks there, with `function_clause` or a 500 and no word about the place, and creates nothing "
            + "of what comes later",
        remedy: "add the field",
        source:
            "tried on 3.10.8: a queue without `durable` or `auto_delete`, an exchange without `type`, a user without "
            + "`tags`; a binding without `routing_key` is created with the key 'undefined'",
        bad: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"jobs","vhost":"/","auto_delete":false,"arguments":{}}]}"#
        ),
        good: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"jobs","vhost":"/","durable":true,"auto_delete":false,"arguments":{}}]}"#
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for flaw in subject.set.flaws {
            guard case .missing(let field) = flaw.kind else { continue }
            let outcome = subject.outcome(of: flaw)
            report.add(
                "the \(flaw.object) has no \"\(field)\"",
                at: flaw.place,
                object: flaw.object,
                why: Self.why(outcome, field),
                severity: outcome == .ignored && field == "auto_delete" ? .warning : .error,
                outcome: outcome
            )
        }
        for item in subject.set.users where item.value.tags == nil && subject.set.document != nil {
            report.add(
                "the user '\(item.value.name)' has no \"tags\"",
                at: subject.set.place(item.origin),
                object: Named.user(item.value.name),
                why: "RabbitMQ refuses the file with `tags_not_present`"
            )
        }
    }

    private static func why(_ outcome: Finding.Outcome, _ field: String) -> String? {
        switch outcome {
        case .skipped: "RabbitMQ skips it without a word"
        case .ignored where field == "auto_delete": "RabbitMQ creates it, and it stays"
        case .ignored: "RabbitMQ puts the word 'undefined' in its place"
        case .refused, .created: nil
        }
    }
}
