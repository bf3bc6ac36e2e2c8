import RabbitMQModel
import WarrenTopology

/// What a queue or exchange really gets: its arguments, the policy that counts, and what a version does by itself.
///
/// - Source: RMQ-POL-01 to -16; the rules are those that the simulation goes by.
package struct Resolved: Sendable {
    /// A setting in force, or one that is not.
    package struct Setting: Sendable {
        package var name: String
        package var value: String
        /// Where it comes from: an argument, a policy by its name, or the version.
        package var source: String
        /// Why it has no effect; nil if it has.
        package var without: String?
    }

    /// What is known of one queue or exchange.
    package struct Object: Sendable {
        package var kind: String
        package var name: String
        package var vhost: String
        package var type: String
        package var traits: [String]
        package var policy: String?
        package var operatorPolicy: String?
        /// Policies that match too, and why each of them does not count.
        package var hidden: [(name: String, why: String)]
        package var settings: [Setting]
    }

    package let objects: [Object]

    package init(_ subject: Subject) {
        objects =
            subject.liveExchanges.map { Self.exchange($0.index, $0.host, subject) }
            + subject.liveQueues.map { Self.queue($0.index, $0.host, subject) }
    }

    // MARK: Queues

    private static func queue(_ index: Int, _ host: Host, _ subject: Subject) -> Object {
        let queue = subject.set.queues[index].value
        let kind = Policy.Subject.queue(queue.type)
        let own = host.table.matching(queue.name, kind)
        let operators = host.operatorTable.matching(queue.name, kind)
        let policy = subject.policy(queue.name, kind, in: host).map {
            subject.set.policies[$0].value.policy
        }
        let limits = subject.operatorPolicy(queue.name, kind, in: host).map {
            subject.set.policies[$0].value.policy
        }
        var traits = [queue.durable ? "durable" : "transient"]
        if queue.autoDelete { traits.append("auto-delete") }
        if queue.exclusive { traits.append("exclusive") }
        var object = Object(
            kind: "queue",
            name: queue.name,
            vhost: host.name,
            type: queue.type,
            traits: traits,
            policy: policy?.name,
            operatorPolicy: limits?.name,
            hidden: hidden(own, host.policies, subject)
                + hidden(operators, host.operatorPolicies, subject),
            settings: []
        )
        let rules = subject.rules(index, in: host)
        object.settings = settings(queue, policy, limits, rules, subject.version)
        return object
    }

    private static func hidden(
        _ matches: [(number: Int, unsupported: String?)],
        _ numbers: [Int],
        _ subject: Subject
    ) -> [(name: String, why: String)] {
        let winner = matches.first { $0.unsupported == nil }
        return matches.filter { $0.number != winner?.number }.map { match in
            let policy = subject.set.policies[numbers[match.number]].value.policy
            if let key = match.unsupported {
                return (policy.name, "this type of queue does not support '\(key)'")
            }
            let first = winner.map { subject.set.policies[numbers[$0.number]].value.policy }
            let isTie = first?.priority == policy.priority
            return (
                policy.name,
                "priority \(policy.priority) \(isTie ? "as" : "below that of") '\(first?.name ?? "")'"
            )
        }
    }

    /// Where a policy key may stand as an argument too.
    private static func argument(_ key: String) -> String { "x-" + key }

    private static func settings(
        _ queue: QueueDeclaration,
        _ policy: Policy?,
        _ limits: Policy?,
        _ rules: QueueRules,
        _ version: Version
    ) -> [Setting] {
        var found: [Setting] = []
        let effective = Effective(rules)
        let known = Set(QueueArguments.known(to: queue.type, version) + QueueArguments.names)
        var told: Set<String> = []
        func add(_ key: String, _ value: FieldValue, _ source: String) {
            var setting = Setting(name: key, value: value.printed, source: source)
            if let now = effective[key] {
                // The first that says what is in force is where it comes from.
                if now != value.printed || !told.insert(key).inserted {
                    setting.without = "'\(now)' counts"
                }
            } else if effective.isSpoken(of: key) {
                setting.without = "a \(queue.type) queue does not go by it"
            }
            found.append(setting)
        }
        for field in queue.arguments where field.name != "x-queue-type" {
            let key = field.name.hasPrefix("x-") ? String(field.name.dropFirst(2)) : field.name
            if known.contains(field.name) {
                add(key, field.value, "argument")
            } else {
                found.append(
                    Setting(
                        name: field.name,
                        value: field.value.printed,
                        source: "argument",
                        without: "RabbitMQ does not know it"
                    )
                )
            }
        }
        for (rule, word) in [(policy, "policy"), (limits, "operator policy")] {
            for field in rule?.definition ?? [] {
                add(field.name, field.value, "\(word) '\(rule?.name ?? "")'")
            }
        }
        for (key, value) in effective.all where !told.contains(key) {
            guard let reason = effective.isDefault(key, value, version) else { continue }
            found.append(Setting(name: key, value: value, source: reason))
        }
        return found
    }

    // MARK: Exchanges

    private static func exchange(_ index: Int, _ host: Host, _ subject: Subject) -> Object {
        let exchange = subject.set.exchanges[index].value
        let policy = subject.policy(exchange.name, .exchange, in: host).map {
            subject.set.policies[$0].value.policy
        }
        var traits = [exchange.durable ? "durable" : "transient"]
        if exchange.autoDelete { traits.append("auto-delete") }
        if exchange.isInternal { traits.append("internal") }
        var settings: [Setting] = []
        if let alternate = exchange.alternate {
            settings.append(
                Setting(name: "alternate-exchange", value: alternate, source: "argument")
            )
        }
        for field in exchange.arguments {
            settings.append(
                Setting(name: field.name, value: field.value.printed, source: "argument")
            )
        }
        for field in policy?.definition ?? [] {
            var setting = Setting(
                name: field.name,
                value: field.value.printed,
                source: "policy '\(policy?.name ?? "")'"
            )
            if field.name == "alternate-exchange" {
                if let own = exchange.alternate { setting.without = "the argument '\(own)' counts" }
            } else if !field.name.hasPrefix("federation-") {
                setting.without = "an exchange does not go by it"
            }
            settings.append(setting)
        }
        return Object(
            kind: "exchange",
            name: exchange.name,
            vhost: host.name,
            type: exchange.type,
            traits: traits,
            policy: policy?.name,
            operatorPolicy: nil,
            hidden: hidden(host.table.matching(exchange.name, .exchange), host.policies, subject),
            settings: settings
        )
    }
}

/// What is in force for a queue, under the keys of policies.
private struct Effective {
    /// In a fixed order.
    let all: [(key: String, value: String)]
    private let values: [String: String]

    init(_ rules: QueueRules) {
        var found: [(key: String, value: String)] = []
        func add(_ key: String, _ value: (some CustomStringConvertible)?) {
            if let value { found.append((key, value.description)) }
        }
        if rules.kind != .stream {
            add("message-ttl", rules.ttl)
            add("expires", rules.expires)
            add("max-length", rules.maxLength)
            let isBounded = rules.maxLength != nil || rules.maxBytes != nil
            add("overflow", isBounded ? rules.overflow.rawValue : nil)
            add("dead-letter-exchange", rules.deadLetterExchange)
            if rules.deadLetterExchange != nil {
                add("dead-letter-routing-key", rules.deadLetterKey)
            }
        }
        add("max-length-bytes", rules.maxBytes)
        switch rules.kind {
        case .quorum:
            add("delivery-limit", rules.deliveryLimit)
            if rules.deadLetterExchange != nil {
                add(
                    "dead-letter-strategy",
                    rules.deadLettersSafely ? "at-least-once" : "at-most-once"
                )
            }
        case .stream:
            add("max-age", rules.maxAge.map { Words.time($0) })
            add("stream-max-segment-size-bytes", rules.segmentBytes)
        case .classic:
            if rules.maxPriority > 0 { add("max-priority", rules.maxPriority) }
        }
        if rules.kind != .stream, rules.singleActive { add("single-active-consumer", true) }
        all = found
        values = Dictionary(uniqueKeysWithValues: found.map { ($0.key, $0.value) })
    }

    subscript(key: String) -> String? {
        // An age is written in another way than it is kept.
        key == "max-age" ? nil : values[key]
    }

    /// Whether a queue of another type, or with another setting, would go by it.
    func isSpoken(of key: String) -> Bool {
        [
            "message-ttl", "expires", "max-length", "max-length-bytes", "overflow",
            "dead-letter-exchange",
            "dead-letter-routing-key", "delivery-limit", "dead-letter-strategy", "max-priority",
        ].contains(key)
    }

    /// Why something is in force that nobody said; nil if it goes without saying.
    func isDefault(_ key: String, _ value: String, _ version: Version) -> String? {
        switch key {
        case "overflow", "dead-letter-strategy", "delivery-limit", "stream-max-segment-size-bytes":
            "default of \(version.text)"
        default: nil
        }
    }
}
