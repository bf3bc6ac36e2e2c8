import RabbitMQModel
import WarrenTopology

/// A runtime parameter of a component that nobody knows, or that a plug-in brings.
enum UnknownParameter: Rule {
    static let manual = Manual(
        "unknown-parameter",
        .warning,
        "a runtime parameter belongs to a component that RabbitMQ does not know by itself",
        outcome: .refused,
        why:
            "RabbitMQ refuses the file with `component … not found`, and creates no queue and no binding",
        remedy: "enable the plug-in before the import, or remove the parameter",
        source: "tried on 3.10.8: federation-upstream and shovel without their plug-ins",
        bad: .definitions(
            #"{"vhosts":[{"name":"/"}],"parameters":[{"vhost":"/","component":"federation-upstream","name":"origin","value":{"uri":"amqp://localhost"}}]}"#
        ),
        good: .definitions(
            #"{"vhosts":[{"name":"/"}],"parameters":[{"vhost":"/","component":"vhost-limits","name":"limits","value":{"max-queues":100}}]}"#
        )
    )

    private static let plugins = [
        "federation-upstream": "rabbitmq_federation",
        "federation-upstream-set": "rabbitmq_federation",
        "federation": "rabbitmq_federation", "shovel": "rabbitmq_shovel",
        "mqtt_default_vhosts": "rabbitmq_mqtt",
        "mqtt_port_to_vhost_mapping": "rabbitmq_mqtt",
    ]

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        // What a topology asks for is there.
        guard subject.set.form != .topology else { return }
        for item in subject.set.parameters
        where !["vhost-limits", "policy", "operator_policy"].contains(item.value.component) {
            let plugin = plugins[item.value.component]
            report.add(
                plugin.map { "the parameter '\(item.value.name)' needs the plug-in \($0)" }
                    ?? "the component '\(item.value.component)' of the parameter '\(item.value.name)' is unknown",
                at: subject.set.place(item.origin, "component"),
                object: "parameter '\(item.value.component)/\(item.value.name)'",
                remedy: plugin.map { "rabbitmq-plugins enable \($0)" },
                severity: plugin == nil ? .warning : .note
            )
        }
    }
}
