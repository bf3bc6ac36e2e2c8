import RabbitMQModel
import WarrenTopology

/// A shovel that shovels in a circle, or loses what it carries.
enum ShovelLoop: Rule {
    static let manual = Manual(
        "shovel-loop",
        .warning,
        "a shovel ends where it begins, or acknowledges before a message has arrived",
        why:
            "a shovel from a queue to itself never ends; with ack-mode no-ack what is on its way is lost when a link breaks",
        remedy: "let it end elsewhere, and keep the ack-mode on-confirm",
        source: "RMQ-SHOV-04; website docs/shovel-dynamic",
        bad: .definitions(
            #"{"vhosts":[{"name":"/"}],"parameters":[{"vhost":"/","component":"shovel","name":"round","value":{"src-uri":"amqp://","src-queue":"jobs","dest-uri":"amqp://","dest-queue":"jobs"}}]}"#
        ),
        good: .definitions(
            #"{"vhosts":[{"name":"/"}],"parameters":[{"vhost":"/","component":"shovel","name":"away","value":{"src-uri":"amqp://","src-queue":"jobs","dest-uri":"amqp://other","dest-queue":"jobs"}}]}"#
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for item in subject.set.parameters where item.value.component == "shovel" {
            guard case .table(let value) = item.value.value else { continue }
            func first(_ key: String) -> FieldValue? {
                if case .array(let all)? = value[key] { return all.first }
                return value[key]
            }
            let object = "shovel '\(item.value.name)'"
            if first("src-uri") == first("dest-uri"), let queue = value["src-queue"],
                queue == value["dest-queue"]
            {
                report.add(
                    "the \(object) takes from '\(queue.printed)' and puts there",
                    at: subject.set.place(item.origin, "value"),
                    object: object
                )
            }
            if value["ack-mode"]?.text == "no-ack" {
                report.add(
                    "the \(object) loses what is on its way",
                    at: subject.set.place(item.origin, "value", "ack-mode"),
                    object: object
                )
            }
        }
    }
}
