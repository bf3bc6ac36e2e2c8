import RabbitMQModel
import WarrenTopology

/// A virtual host that the file does not create.
enum UnknownVhost: Rule {
    static let manual = Manual(
        "unknown-vhost",
        .error,
        "an object lies in a virtual host that the file does not create",
        outcome: .refused,
        why:
            "RabbitMQ refuses the file with `no_such_vhost` unless the virtual host is there already, and creates "
            + "nothing of what comes later; a binding in it is skipped",
        remedy: "add the virtual host to \"vhosts\", or create it before the import",
        source: "tried on 3.10.8; rabbit_definitions.erl, format({no_such_vhost, …})",
        bad: .definitions(
            #"{"vhosts":[{"name":"/"}],"exchanges":[{"name":"events","vhost":"shop","type":"topic","durable":true,"auto_delete":false,"arguments":{}}]}"#
        ),
        good: .definitions(
            #"{"vhosts":[{"name":"/"},{"name":"shop"}],"exchanges":[{"name":"events","vhost":"shop","type":"topic","durable":true,"auto_delete":false,"arguments":{}}]}"#
        )
    )

    static func check(_ subject: Subject, _ report: inout RuleReport) {
        let set = subject.set
        guard set.form == .cluster else { return }
        let known = Set(set.vhosts.map(\.value.name))
        var strangers:
            [(name: String, place: Place?, object: String, count: Int, onlyBindings: Bool)] = []
        func see(
            _ vhost: String?,
            _ origin: DefinitionSet.Origin,
            _ object: @autoclosure () -> String,
            isBinding: Bool = false
        ) {
            guard let vhost, !known.contains(vhost), known.isEmpty == false || vhost != "/" else {
                return
            }
            if let index = strangers.firstIndex(where: { $0.name == vhost }) {
                strangers[index].count += 1
                strangers[index].onlyBindings = strangers[index].onlyBindings && isBinding
            } else {
                strangers.append((vhost, set.place(origin, "vhost"), object(), 1, isBinding))
            }
        }
        for item in set.permissions {
            see(item.vhost, item.origin, "permission of '\(item.value.user)'")
        }
        for item in set.exchanges {
            see(item.vhost, item.origin, Named.exchange(item.value.name, item.vhost))
        }
        for item in set.policies { see(item.vhost, item.origin, Named.policy(item)) }
        for item in set.parameters {
            see(item.vhost, item.origin, "parameter '\(item.value.name)'")
        }
        for item in set.queues {
            see(item.vhost, item.origin, Named.queue(item.value.name, item.vhost))
        }
        for item in set.bindings {
            see(item.vhost, item.origin, Named.binding(item), isBinding: true)
        }
        for stranger in strangers {
            let isListed = !set.vhosts.isEmpty
            report.add(
                "the virtual host '\(stranger.name)' of \(stranger.count) object\(stranger.count == 1 ? "" : "s") is not in the file",
                at: stranger.place,
                object: stranger.object,
                label: isListed
                    ? DidYouMean.hint(stranger.name, in: known.sorted())
                    : "the file creates no virtual host",
                severity: stranger.name == "/" ? .note : isListed ? .error : .warning,
                // A fresh broker has `/`.
                outcome: stranger.name == "/"
                    ? .created : stranger.onlyBindings ? .skipped : .refused
            )
        }
    }
}
