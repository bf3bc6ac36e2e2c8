import RabbitMQModel
import WarrenTopology

/// A quorum queue or stream that is to go.
enum ReplicatedQueueNotDurable: Rule {
    static let manual = Manual(
        "replicated-queue-not-durable",
        .error,
        "a quorum queue or stream is not durable, or deletes itself",
        outcome: .skipped,
        why:
            "a client that declares it is refused with 406; an import skips it without a word, and its bindings with it",
        remedy: "write durable: true and auto_delete: false, or take a classic queue",
        source: "tried on 3.10.8: 204, and no queue; RMQ-QQ-01, RMQ-STREAM-01",
        bad: .broker("queues:\n  jobs: { type: quorum, durable: false }"),
        good: .broker("queues:\n  jobs: { type: quorum }")
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for (item, refusal) in subject.refusals where Refusals.Sort(refusal) == .property {
            let object = Named.queue(item.value.name, item.vhost)
            report.add(
                "the \(object) is of type \(item.value.type), and \(item.value.durable ? "deletes itself" : "not durable")",
                at: subject.set.place(item.origin, item.value.durable ? "auto_delete" : "durable"),
                object: object,
                why:
                    "RabbitMQ answers a client 406 \(refusal.text); an import skips the queue without a word"
            )
        }
    }
}
