import WarrenTrace

/// A policy, or an operator policy.
///
/// - Source: RMQ-POL-01 to RMQ-POL-14.
package struct Policy: Sendable, Hashable {
    /// What it applies to.
    package enum Target: String, Sendable, CaseIterable {
        case all, queues, exchanges
        case classicQueues = "classic_queues"
        case quorumQueues = "quorum_queues"
        case streams
    }

    /// Its name.
    package var name: String
    /// A regular expression that is looked for anywhere in a name.
    package var pattern: String
    /// What it applies to.
    package var target = Target.all
    /// The highest that matches counts.
    package var priority: Int64 = 0
    /// What it says, such as `max-length`.
    package var definition: [FieldValue.Field] = []

    /// A policy for all queues and exchanges whose names match.
    package init(name: String, pattern: String) {
        self.name = name
        self.pattern = pattern
    }

    /// What it says under a key, or nil.
    package subscript(key: String) -> FieldValue? {
        definition.first { $0.name == key }?.value
    }

    private static let numbers = [
        "message-ttl", "expires", "max-length", "max-length-bytes", "max-in-memory-length",
        "max-in-memory-bytes", "delivery-limit", "stream-max-segment-size-bytes", "queue-version",
        "ha-sync-batch-size",
    ]
    private static let texts = [
        "overflow", "dead-letter-exchange", "dead-letter-routing-key", "dead-letter-strategy",
        "queue-mode", "queue-leader-locator", "queue-master-locator", "max-age",
        "alternate-exchange", "ha-mode", "ha-sync-mode", "ha-promote-on-failure",
        "ha-promote-on-shutdown", "federation-upstream", "federation-upstream-set",
    ]
    private static let others = ["ha-params"]
    /// - Source: RMQ-POL-07.
    private static let forOperators = [
        "message-ttl", "expires", "max-length", "max-length-bytes", "max-in-memory-length",
        "max-in-memory-bytes", "delivery-limit",
    ]

    /// Every key that a policy may have.
    ///
    /// - Source: RMQ-POL-14.
    package static let keys = numbers + texts + others

    /// What the broker would find wrong with it, as the management API says it; nil if nothing.
    ///
    /// Of a version from 4.0 on, mirrored queues are no longer known.
    ///
    /// - Source: RMQ-POL-07, -08; the texts about `ha-` and federation are those of 3.10.8.
    package func fault(isOperator: Bool, version: Version? = nil) -> String? {
        guard (try? Regex(pattern)) != nil else {
            return "pattern should be regular expression but is invalid"
        }
        let isNew = version.map { $0 >= .v4_0 } ?? false
        let allowed = (isOperator ? Self.forOperators : Self.keys).filter {
            !isNew || !$0.hasPrefix("ha-")
        }
        let strangers = definition.filter { !allowed.contains($0.name) }
        if !strangers.isEmpty {
            let list = strangers.map { "{<<\"\($0.name)\">>,\($0.value.term)}" }
            return "[\(list.joined(separator: ","))] are not recognised policy settings"
        }
        if let fault = definition.lazy.compactMap({ Self.fault($0) }).first { return fault }
        return mirroringFault ?? federationFault
    }

    private var mirroringFault: String? {
        guard let mode = self["ha-mode"] else {
            let needs = ["ha-params", "ha-sync-mode", "ha-promote-on-shutdown"]
            guard definition.contains(where: { needs.contains($0.name) }) else { return nil }
            return
                "ha-mode must be specified to specify ha-params, ha-sync-mode or ha-promote-on-shutdown"
        }
        if let fault = paramsFault(mode.text ?? "") { return fault }
        let choices = [
            ("ha-sync-mode", ["manual", "automatic"]),
            ("ha-promote-on-shutdown", ["always", "when-synced"]),
            ("ha-promote-on-failure", ["always", "when-synced"]),
        ]
        for (key, allowed) in choices {
            if let value = self[key], !allowed.contains(value.text ?? "") {
                let list = allowed.map { "\"\($0)\"" }.joined(separator: " or ")
                return "\(key) must be \(list), got \(value.term)"
            }
        }
        if let size = self["ha-sync-batch-size"], size.number ?? 0 < 1 {
            return "ha-sync-batch-size takes an integer greater than 0, \(size.term) given"
        }
        return nil
    }

    private func paramsFault(_ mode: String) -> String? {
        let params = self["ha-params"]
        switch (mode, params) {
        case ("all", nil): return nil
        case ("all", _): return "ha-mode=\"all\" does not take parameters"
        case ("exactly", .integer(let count, _)?) where count > 0: return nil
        case ("exactly", _):
            let given = params.map { $0.term } ?? "none"
            return "ha-mode=\"exactly\" takes an integer, \(given) given"
        case ("nodes", .array(let names)?):
            if names.isEmpty { return "ha-mode=\"nodes\" list must be non-empty" }
            let strangers = names.filter { $0.text == nil }
            if strangers.isEmpty { return nil }
            let list = strangers.map { $0.term }.joined(separator: ",")
            return "ha-mode=\"nodes\" takes a list of strings, [\(list)] was not a string"
        case ("nodes", _):
            let given = params.map { $0.term } ?? "none"
            return "ha-mode=\"nodes\" takes a list, \(given) given"
        default: return "<<\"\(mode)\">> is not a valid ha-mode value"
        }
    }

    private var federationFault: String? {
        for key in ["federation-upstream", "federation-upstream-set"] {
            if let value = self[key], value.text == nil {
                return "\(value.term) is not a valid federation upstream name"
            }
        }
        if self["federation-upstream"] != nil, self["federation-upstream-set"] != nil {
            return "cannot specify federation-upstream, federation-upstream-set or "
                + "federation-upstream-pattern together"
        }
        return nil
    }

    /// What the broker finds wrong with the value of a key; nil if nothing.
    ///
    /// - Source: `rabbit_policies:validate_policy0` of 3.10.8.
    private static func fault(_ field: FieldValue.Field) -> String? {
        func number(_ range: PartialRangeFrom<Int64>, _ words: String) -> String? {
            field.value.number.map { range.contains($0) } ?? false
                ? nil : "\(field.value.term) is not a valid \(words)"
        }
        func text(_ allowed: [String]?, _ words: String) -> String? {
            field.value.text.map { allowed?.contains($0) ?? true } ?? false
                ? nil : "\(field.value.term) is not a valid \(words)"
        }
        switch field.name {
        case "alternate-exchange": return text(nil, "alternate exchange name")
        case "dead-letter-exchange": return text(nil, "dead letter exchange name")
        case "dead-letter-routing-key": return text(nil, "dead letter routing key")
        case "dead-letter-strategy":
            return text(["at-most-once", "at-least-once"], "dead letter strategy")
        case "message-ttl": return number(0..., "message TTL")
        case "expires": return number(1..., "queue expiry")
        case "max-length": return number(0..., "maximum length")
        case "max-length-bytes": return number(0..., "maximum length in bytes")
        case "max-in-memory-length", "max-in-memory-bytes":
            return number(0..., "maximum memory in bytes")
        case "queue-mode": return text(["default", "lazy"], "queue-mode value")
        case "queue-version":
            return [1, 2].contains(field.value.number)
                ? nil : "\(field.value.term) is not a valid queue-version value"
        case "overflow":
            return text(["drop-head", "reject-publish", "reject-publish-dlx"], "overflow value")
        case "delivery-limit": return number(0..., "delivery limit")
        case "max-age":
            let isAge =
                field.value.text.map { QueueArguments.milliseconds(ofAge: $0) != nil } ?? false
            return isAge ? nil : "\(field.value.term) is not a valid max age"
        case "queue-leader-locator":
            return text(
                ["client-local", "balanced", "random", "least-leaders"],
                "queue leader locator value"
            )
        case "initial-cluster-size": return number(0..., "cluster size")
        case "stream-max-segment-size-bytes":
            return field.value.number.map { (0...3_000_000_000).contains($0) } ?? false
                ? nil : "\(field.value.term) is not a valid segment size"
        default: return nil
        }
    }

    /// What a policy is asked for.
    package enum Subject: Sendable {
        case exchange
        /// A queue of a kind: `classic`, `quorum` or `stream`.
        case queue(String)

        var targets: [Target] {
            switch self {
            case .exchange: [.exchanges]
            case .queue("quorum"): [.queues, .quorumQueues]
            case .queue("stream"): [.queues, .streams]
            case .queue: [.queues, .classicQueues]
            }
        }

        /// The keys that the kind of queue does not support.
        ///
        /// - Source: `capabilities()` of the kinds of 3.10.8; from 3.13 on a classic queue has a leader locator.
        func unsupported(_ version: Version) -> [String] {
            switch self {
            case .exchange: []
            case .queue("quorum"): Self.unsupportedByQuorum
            case .queue("stream"): Self.unsupportedByStream
            case .queue:
                Self.unsupportedByClassic + (version < .v3_13 ? ["queue-leader-locator"] : [])
            }
        }

        private static let mirroring = [
            "ha-mode", "ha-params", "ha-sync-mode", "ha-promote-on-shutdown",
            "ha-promote-on-failure", "queue-master-locator",
        ]
        private static let unsupportedByClassic = [
            "max-age", "stream-max-segment-size-bytes", "initial-cluster-size", "delivery-limit",
            "dead-letter-strategy",
        ]
        private static let unsupportedByQuorum =
            mirroring + [
                "max-priority", "queue-mode", "single-active-consumer", "max-age",
                "stream-max-segment-size-bytes", "initial-cluster-size",
            ]
        private static let unsupportedByStream =
            mirroring + [
                "expires", "message-ttl", "dead-letter-exchange", "dead-letter-routing-key",
                "max-length", "max-in-memory-length", "max-in-memory-bytes", "max-priority",
                "overflow", "queue-mode", "single-active-consumer", "delivery-limit",
                "dead-letter-strategy",
            ]
    }

    /// Whether it speaks of a queue or exchange of this name.
    ///
    /// A policy with a key that the kind of queue does not support is passed over as a whole.
    ///
    /// - Source: RMQ-POL-10, -16.
    private func applies(to name: String, _ subject: Subject, _ version: Version) -> Bool {
        guard subject.targets.contains(target) || target == .all else { return false }
        let unsupported = subject.unsupported(version)
        guard !definition.contains(where: { unsupported.contains($0.name) }),
            let regex = try? Regex(pattern)
        else { return false }
        return name.firstMatch(of: regex) != nil
    }

    /// The one policy that counts: the highest priority, the first name among equals.
    ///
    /// - Source: RMQ-POL-05.
    package static func effective(
        _ policies: [Policy],
        _ name: String,
        _ subject: Subject,
        _ version: Version
    ) -> Policy? {
        var best: Policy?
        for policy in policies where policy.applies(to: name, subject, version) {
            if let known = best, known.priority >= policy.priority { continue }
            best = policy
        }
        return best
    }
}
