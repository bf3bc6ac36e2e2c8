import RabbitMQModel
import WarrenTopology

/// An argument that this kind of queue does not take.
enum ArgumentOfAnotherQueueType: Rule {
    static let manual = Manual(
        "argument-of-another-queue-type",
        .error,
        "a queue has an argument that only another type of queue takes",
        outcome: .refused,
        why: "RabbitMQ refuses to declare it, and an import creates nothing of what comes later",
        remedy: "leave the argument out, or change the type of the queue",
        source:
            "RMQ-DECL-23, QQ-01 to -03; rabbit_amqqueue:check_arguments_key; every argument tried on 3.10.8",
        bad: .broker("queues:\n  jobs: { type: quorum, max_priority: 5 }"),
        good: .broker("queues:\n  jobs: { max_priority: 5 }")
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for (item, refusal) in subject.refusals where Refusals.Sort(refusal) == .anotherType {
            Refusals.add(item, refusal, subject, &report)
        }
    }
}

/// What a broker answers to the declaration of each queue.
enum Refusals {
    /// Which rule speaks of a refusal.
    enum Sort {
        case anotherType, wrongValue, keyWithoutExchange, property

        init(_ refusal: Refusal) {
            if refusal.text.contains(" of queue type ") {
                self = .anotherType
            } else if refusal.text.contains("routing_key_but_no_dlx_defined") {
                self = .keyWithoutExchange
            } else if refusal.text.contains("invalid property") {
                self = .property
            } else {
                self = .wrongValue
            }
        }
    }

    static func all(_ subject: Subject) -> [(DefinitionSet.Item<QueueDeclaration>, Refusal)] {
        subject.set.queues.compactMap { item in
            // What is null is refused, and what is named amq.* skipped, before the broker looks at the arguments.
            guard !item.value.arguments.contains(where: { $0.value == .void }),
                !item.value.name.hasPrefix("amq.")
            else { return nil }
            do throws(Refusal) {
                try QueueArguments.check(item.value, item.vhost ?? "/", subject.version)
                return nil
            } catch {
                return (item, error)
            }
        }
    }

    static func add(
        _ item: DefinitionSet.Item<QueueDeclaration>,
        _ refusal: Refusal,
        _ subject: Subject,
        _ report: inout RuleReport
    ) {
        let object = Named.queue(item.value.name, item.vhost)
        // The argument stands in the text between the first pair of quotes.
        let word = refusal.text.split(separator: "'", maxSplits: 2).dropFirst().first.map(
            String.init
        )
        let argument = word.flatMap { item.value[$0] == nil ? nil : $0 }
        report.add(
            argument.map { "the \(object) cannot have '\($0)' as it stands" }
                ?? "the \(object) cannot be declared",
            at: argument.map { subject.set.place(item.origin, argument: $0) }
                ?? subject.set.place(item.origin),
            object: object,
            why: "RabbitMQ \(subject.version.text) answers \(refusal.code) \(refusal.text)"
        )
    }
}
