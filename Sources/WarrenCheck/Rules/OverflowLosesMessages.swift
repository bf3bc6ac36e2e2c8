import RabbitMQModel
import WarrenTopology

/// A limit that drops the oldest messages, and nowhere for them.
enum OverflowLosesMessages: Rule {
    static let manual = Manual(
        "overflow-loses-messages",
        .note,
        "a full queue drops its oldest messages, and it has no dead-letter exchange",
        outcome: .created,
        why:
            "unless it says otherwise a queue that is full makes room at its head: publishers are confirmed, and the oldest "
            + "messages are gone",
        remedy:
            "write overflow: reject-publish and let publishers wait for confirms, or give it a dead-letter exchange",
        source: "RMQ-LEN; RMQ-DLX",
        bad: .broker("queues: { jobs: { max_length: 1000 } }"),
        good: .broker("queues: { jobs: { max_length: 1000, overflow: reject-publish } }")
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for (index, host) in subject.liveQueues {
            let rules = subject.rules(index, in: host)
            guard rules.kind != .stream, rules.overflow == .dropHead,
                rules.deadLetterExchange == nil,
                rules.maxLength != nil || rules.maxBytes != nil
            else { continue }
            let item = subject.set.queues[index]
            let object = Named.queue(item.value.name, item.vhost)
            let limit =
                rules.maxLength.map { "\($0) messages" } ?? rules.maxBytes.map { "\($0) bytes" }
                ?? ""
            report.add(
                "the \(object) drops its oldest messages beyond \(limit)",
                at: subject.place(
                    ofSetting: rules.maxLength == nil ? "x-max-length-bytes" : "x-max-length",
                    index,
                    in: host
                ),
                object: object
            )
        }
    }
}
