import RabbitMQModel
import WarrenTopology

/// Two queues, or two exchanges, of the same name.
enum DuplicateObject: Rule {
    static let manual = Manual(
        "duplicate-object",
        .warning,
        "two queues, or two exchanges, have the same name in the same virtual host",
        why:
            "RabbitMQ creates one of them, whichever comes first, and skips the other without a word, also where they "
            + "differ",
        remedy: "remove one, or give it another name",
        source:
            "tried on 3.10.8: rabbit_definitions.erl asks whether the object exists, and imports concurrently",
        bad: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"jobs","vhost":"/","durable":true,"auto_delete":false,"arguments":{}},{"name":"jobs","vhost":"/","durable":false,"auto_delete":false,"arguments":{}}]}"#
        ),
        good: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"jobs","vhost":"/","durable":true,"auto_delete":false,"arguments":{}}]}"#
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        let set = subject.set
        for (index, item) in set.queues.enumerated() {
            guard let host = subject.host(item.vhost), let first = host.queues[item.value.name],
                first != index
            else { continue }
            tell(
                Named.queue(item.value.name, item.vhost),
                set.queues[first].value == item.value,
                set.place(set.queues[first].origin),
                set.place(item.origin),
                &report
            )
        }
        for (index, item) in set.exchanges.enumerated() {
            guard let host = subject.host(item.vhost), let first = host.exchanges[item.value.name],
                first != index
            else { continue }
            tell(
                Named.exchange(item.value.name, item.vhost),
                set.exchanges[first].value == item.value,
                set.place(set.exchanges[first].origin),
                set.place(item.origin),
                &report
            )
        }
    }

    private static func tell(
        _ object: String,
        _ isSame: Bool,
        _ first: Place?,
        _ place: Place?,
        _ report: inout RuleReport
    ) {
        report.add(
            "the \(object) stands twice in the file\(isSame ? "" : ", and differs")",
            at: place,
            object: object,
            label: first.map { "first on line \($0.line)" } ?? "",
            severity: isSame ? .note : .warning
        )
    }
}
