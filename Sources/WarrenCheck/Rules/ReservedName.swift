import RabbitMQModel
import WarrenTopology

/// A name that RabbitMQ keeps for itself.
enum ReservedName: Rule {
    static let manual = Manual(
        "reserved-name",
        .warning,
        "a queue or exchange has a name that begins with 'amq.'",
        outcome: .skipped,
        why:
            "the import skips it with a line in the log; a client that declares it is refused with 403",
        remedy: "give it another name; what the broker names itself (amq.gen-…) belongs in no file",
        source: "tried on 3.10.8; rabbit_definitions.erl, add_queue_int and add_exchange_int",
        bad: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"amq.jobs","vhost":"/","durable":true,"auto_delete":false,"arguments":{}}]}"#
        ),
        good: .definitions(
            #"{"vhosts":[{"name":"/"}],"queues":[{"name":"jobs","vhost":"/","durable":true,"auto_delete":false,"arguments":{}}]}"#
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        let set = subject.set
        for item in set.queues where item.value.name.hasPrefix("amq.") {
            let object = Named.queue(item.value.name, item.vhost)
            report.add(
                "the \(object) has a reserved name",
                at: set.place(item.origin),
                object: object
            )
        }
        for item in set.exchanges where item.value.name.hasPrefix("amq.") || item.value.name.isEmpty
        {
            let object = Named.exchange(item.value.name, item.vhost)
            let isOwn = Host.predeclared[item.value.name] == item.value.type
            report.add(
                "the \(object) \(item.value.name.isEmpty ? "is the default exchange" : "has a reserved name")",
                at: set.place(item.origin),
                object: object,
                why: isOwn ? "every virtual host has it; the import skips it" : nil,
                severity: isOwn ? .note : nil
            )
        }
    }
}
