import WarrenBroker
import WarrenKernel
import WarrenTopology
import WarrenTrace

/// Reads what a consumer publishes because of a message: `then:`.
struct ForwardReader {
    let client: Topology.Client
    let scope: Symbol

    /// Says what is wrong with the sections, once for all instances.
    func check(_ blueprint: inout Blueprint) {
        for section in [client.tree["then"], client.tree["on_error"]?["then"]] {
            let letters = Self.letters(section)
            for letter in letters {
                guard let target = letter["to"] else { continue }
                check(target, &blueprint)
            }
            for key in ["before_ack", "confirms", "retries", "count_in"] {
                let said = Set(letters.map { Self.spelled($0[key]) })
                guard said.count > 1, let place = letters.compactMap({ $0[key] }).first?.place
                else {
                    continue
                }
                blueprint.findings.append(
                    Finding(
                        "said-twice",
                        "'\(client.name)' says `\(key)` differently for messages that go out together",
                        at: place,
                        why:
                            "a message is acknowledged once, before or after all that follows from it",
                        remedy: "say the same for each of them"
                    )
                )
            }
        }
    }

    func check(_ target: Tree, _ blueprint: inout Blueprint) {
        let builder = ClientBuilder(client)
        let queue = target.text == nil ? target["queue"] : target
        if let queue {
            builder.check(queue, .queue, scope, &blueprint, isTarget: true)
            guard let second = target["exchange"] ?? target["key"] else { return }
            blueprint.findings.append(
                Finding(
                    "said-twice",
                    "'\(client.name)' passes messages on to a queue and to an exchange or key",
                    at: second.place,
                    why: "a queue is reached through the default exchange by its own name",
                    remedy: "keep `queue:`, or `exchange:` and `key:`"
                )
            )
        } else if let exchange = target["exchange"] {
            let name = exchange.text ?? ""
            if !name.isEmpty, !name.hasPrefix("amq.") {
                builder.check(exchange, .exchange, scope, &blueprint)
            }
        } else {
            blueprint.findings.append(
                Finding(
                    "no-destination",
                    "'\(client.name)' does not say where it passes messages on to",
                    at: target.place,
                    remedy: "name `exchange: events`, with or without a `key:`, or `queue: jobs`"
                )
            )
        }
    }

    private static func letters(_ section: Tree?) -> [Tree] {
        guard let section else { return [] }
        return section.entries.isEmpty ? section.elements : [section]
    }

    private static func spelled(_ tree: Tree?) -> String {
        guard let tree else { return "" }
        return tree.text
            ?? tree.entries.map { "\($0.key)=\($0.value.text ?? "")" }.joined(separator: ",")
    }

    /// What a section says; nil if there is none.
    func plan(_ section: Tree?, _ name: String, _ blueprint: inout Blueprint) -> ForwardPlan? {
        let letters = Self.letters(section)
        guard let first = letters.first else { return nil }
        var plan = ForwardPlan(letters: letters.map { letter($0, name, &blueprint) })
        plan.acknowledgesFirst = first["before_ack"]?.text == "false"
        plan.confirms = ClientBuilder.confirmPlan(first["confirms"])
        if let times = first["retries"]?.text.flatMap({ Int64($0) }) {
            plan.limit = (first["count_in"]?.text ?? "x-retries", times)
        }
        return plan
    }

    private func letter(_ tree: Tree, _ name: String, _ blueprint: inout Blueprint) -> Forward {
        let target = tree["to"]
        let queue = target?.text ?? target?["queue"]?.text
        let exchange = queue == nil ? target?["exchange"]?.text ?? "" : ""
        var made = Forward(
            exchange: blueprint.world.intern(.exchange, exchange, in: scope),
            key: (queue ?? target?["key"]?.text).map { blueprint.world.intern(.key, $0) }
        )
        let dropped = tree["drop"]?.elements.compactMap(\.text) ?? []
        if dropped == ["all"] {
            made.kept = .none
        } else if !dropped.isEmpty {
            made.kept = .without(dropped)
        }
        made.added = (tree["headers"]?.entries ?? []).map {
            FieldValue.Field($0.key, FieldValue($0.value))
        }
        made.persistent = tree["persistent"]?.text.map { $0 == "true" }
        made.mandatory = tree["mandatory"]?.text == "true"
        made.expiration = tree["expiration"]?.text.flatMap(Units.duration).map {
            String(Int64($0 / 1e6))
        }
        if let size = tree["size"].flatMap({ LawSpec.size($0) }) {
            made.size = blueprint.law(size)
            made.sizeStream = blueprint.stream("then size \(name)")
        }
        return made
    }
}
