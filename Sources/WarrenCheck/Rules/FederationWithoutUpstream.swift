import RabbitMQModel
import WarrenTopology

/// A policy for federation that names nothing to federate with.
enum FederationWithoutUpstream: Rule {
    static let manual = Manual(
        "federation-without-upstream",
        .warning,
        "a policy names a federation upstream that is not in the file",
        why: "the policy applies, no link starts, and nothing says so but a line in the log",
        remedy: "add the parameter `federation-upstream` of that name to the same virtual host",
        source:
            "website docs/federation; rabbitmq-federation#81; rabbit_federation_upstream.erl",
        bad: .definitions(
            #"{"vhosts":[{"name":"/"}],"policies":[{"vhost":"/","name":"fed","pattern":"^fed","apply-to":"exchanges","definition":{"federation-upstream":"origin"},"priority":0}]}"#
        ),
        good: .definitions(
            #"{"vhosts":[{"name":"/"}],"parameters":[{"vhost":"/","component":"federation-upstream","name":"origin","value":{"uri":"amqp://localhost"}}],"policies":[{"vhost":"/","name":"fed","pattern":"^fed","apply-to":"exchanges","definition":{"federation-upstream":"origin"},"priority":0}]}"#
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        for item in subject.set.policies {
            for (key, component) in [
                ("federation-upstream", "federation-upstream"),
                ("federation-upstream-set", "federation-upstream-set"),
            ] {
                guard let name = item.value.policy[key]?.text,
                    name != "all" || key == "federation-upstream"
                else { continue }
                let known = subject.set.parameters.filter {
                    $0.vhost == item.vhost && $0.value.component == component
                }.map(\.value.name)
                guard !known.contains(name) else { continue }
                report.add(
                    "the \(Named.policy(item)) names '\(name)', and there is no such \(component)",
                    at: subject.set.place(item.origin, "definition", key),
                    object: Named.policy(item),
                    label: DidYouMean.nearest(to: name, in: known).map { "did you mean '\($0)'?" }
                        ?? ""
                )
            }
        }
    }
}
