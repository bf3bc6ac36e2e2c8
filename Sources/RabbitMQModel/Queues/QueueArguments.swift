/// The x-arguments of a queue: which there are, what they may be, and when two sets are the same.
///
/// - Source: RMQ-DECL-08 to -10, -23; RMQ-QQ-01 to -03; RMQ-STREAM-01, -10. The texts are those of 3.10.8.
enum QueueArguments {
    private enum Check {
        case natural, positive, priority, text, flag, overflow, mode, version, strategy, kind
        case deadLetterKey, age, anything
    }

    private static let checks: [(name: String, check: Check)] = [
        ("x-expires", .positive), ("x-message-ttl", .natural),
        ("x-dead-letter-exchange", .text), ("x-dead-letter-routing-key", .deadLetterKey),
        ("x-dead-letter-strategy", .strategy), ("x-max-length", .natural),
        ("x-max-length-bytes", .natural), ("x-max-in-memory-length", .natural),
        ("x-max-in-memory-bytes", .natural), ("x-max-priority", .priority),
        ("x-overflow", .overflow), ("x-queue-mode", .mode), ("x-queue-version", .version),
        ("x-single-active-consumer", .flag), ("x-queue-type", .kind),
        ("x-quorum-initial-group-size", .positive), ("x-initial-cluster-size", .positive),
        ("x-max-age", .age), ("x-stream-max-segment-size-bytes", .natural),
        ("x-delivery-limit", .anything), ("x-queue-leader-locator", .anything),
        ("x-queue-master-locator", .anything),
    ]

    private static let common = ["x-queue-type", "x-queue-leader-locator"]
    private static let classic =
        common + [
            "x-expires", "x-message-ttl", "x-dead-letter-exchange", "x-dead-letter-routing-key",
            "x-max-length", "x-max-length-bytes", "x-max-priority", "x-overflow", "x-queue-mode",
            "x-queue-version", "x-single-active-consumer", "x-queue-master-locator",
        ]
    private static let quorum =
        common + [
            "x-expires", "x-message-ttl", "x-dead-letter-exchange", "x-dead-letter-routing-key",
            "x-dead-letter-strategy", "x-max-length", "x-max-length-bytes",
            "x-max-in-memory-length", "x-max-in-memory-bytes", "x-overflow",
            "x-single-active-consumer", "x-quorum-initial-group-size", "x-delivery-limit",
        ]
    private static let stream =
        common + [
            "x-max-length-bytes", "x-max-age", "x-stream-max-segment-size-bytes",
            "x-initial-cluster-size",
        ]

    /// The arguments that 3.10 knows, for did-you-mean.
    static let names = checks.map(\.name)

    /// The longest time to live: ten years of milliseconds.
    static let longestTTL: Int64 = 315_360_000_000

    /// Refuses what the broker refuses at declare.
    static func check(_ wanted: QueueDeclaration, _ vhost: String) throws(Refusal) {
        let what = "queue '\(wanted.name)' in vhost '\(vhost)'"
        for (name, check) in checks {
            guard let value = wanted[name] else { continue }
            if name == "x-dead-letter-exchange", value.text == nil {
                throw .preconditionFailed(
                    "invalid type '\(value.typeWord)' for arg '\(name)' in \(what)"
                )
            }
            if let fault = fault(check, value, wanted) {
                throw .preconditionFailed("invalid arg '\(name)' for \(what): \(fault)")
            }
        }
        try checkKind(wanted, what)
    }

    private static func checkKind(_ wanted: QueueDeclaration, _ what: String) throws(Refusal) {
        let (allowed, kind) =
            switch wanted.type {
            case "quorum": (quorum, "rabbit_quorum_queue")
            case "stream": (stream, "rabbit_stream_queue")
            default: (classic, "rabbit_classic_queue")
            }
        for (name, _) in checks where wanted[name] != nil && !allowed.contains(name) {
            throw .preconditionFailed("invalid arg '\(name)' for \(what) of queue type \(kind)")
        }
        if let value = wanted["x-queue-leader-locator"],
            !["client-local", "balanced", "random", "least-leaders"].contains(value.text ?? "")
        {
            throw .preconditionFailed(
                "invalid arg 'x-queue-leader-locator' for \(what) of queue type \(kind)"
            )
        }
        // The older word for the same is not checked, and breaks the server.
        if let value = wanted["x-queue-master-locator"],
            !["min-masters", "client-local", "random"].contains(value.text ?? "")
        {
            throw .internalError
        }
        guard wanted.type != "classic" else { return }
        if !wanted.durable {
            throw .preconditionFailed("invalid property 'non-durable' for \(what)")
        }
        if wanted.autoDelete {
            throw .preconditionFailed("invalid property 'auto-delete' for \(what)")
        }
        if wanted.exclusive {
            throw .preconditionFailed("invalid property 'exclusive-owner' for \(what)")
        }
        // A server bug of 3.10.8: a 406 is intended.
        if let age = wanted["x-max-age"]?.text, milliseconds(ofAge: age) == nil {
            throw .internalError
        }
    }

    private static func fault(_ check: Check, _ value: FieldValue, _ wanted: QueueDeclaration)
        -> String?
    {
        switch check {
        case .natural, .positive, .priority, .version:
            guard let number = value.number else {
                return "\"expected integer, got \(value.typeWord)\""
            }
            if number < 0 { return "{value_negative,\(number)}" }
            if check == .positive, number == 0 { return "{value_zero,0}" }
            if check == .priority, number > 255 { return "{max_value_exceeded,\(number)}" }
            if check == .version, number != 1, number != 2 {
                return "\"unsupported queue version '\(number)'\""
            }
            return number > longestTTL ? "{value_too_large,\(number)}" : nil
        case .text, .deadLetterKey, .age:
            guard value.text != nil else { return "{unacceptable_type,\(value.typeWord)}" }
            if check == .deadLetterKey, wanted.deadLetterExchange == nil {
                return "routing_key_but_no_dlx_defined"
            }
            return nil
        case .flag:
            if case .bool = value { return nil }
            return "{unacceptable_type,\(value.typeWord)}"
        case .overflow:
            return word(
                value,
                ["drop-head", "reject-publish", "reject-publish-dlx"],
                "invalid_overflow"
            )
        case .strategy:
            return word(value, ["at-most-once", "at-least-once"], "invalid_dlx_strategy")
        case .mode:
            let mode = value.text ?? ""
            return word(value, ["default", "lazy"], "\"unsupported queue mode '\(mode)'\"")
        case .kind:
            let kind = value.text ?? ""
            return word(
                value,
                ["classic", "quorum", "stream"],
                "\"unsupported queue type '\(kind)'\""
            )
        case .anything:
            return nil
        }
    }

    private static func word(_ value: FieldValue, _ words: [String], _ fault: String) -> String? {
        guard let text = value.text else { return "{unacceptable_type,\(value.typeWord)}" }
        return words.contains(text) ? nil : fault
    }

    /// An age such as `7D` or `1h` in milliseconds, or nil.
    static func milliseconds(ofAge age: String) -> UInt64? {
        let units: [Character: UInt64] = [
            "Y": 31_536_000, "M": 2_592_000, "D": 86_400, "h": 3600, "m": 60, "s": 1,
        ]
        guard let last = age.last, let unit = units[last], let count = UInt64(age.dropLast()),
            !count.multipliedReportingOverflow(by: unit * 1000).overflow
        else { return nil }
        return count * unit * 1000
    }

    /// Refuses a declaration that differs from the queue that is there.
    ///
    /// - Source: RMQ-DECL-06, -08, -09, -10.
    static func compare(_ wanted: QueueDeclaration, _ current: QueueDeclaration, _ vhost: String)
        throws(Refusal)
    {
        let what = "queue '\(wanted.name)' in vhost '\(vhost)'"
        for (name, received, known) in [
            ("durable", wanted.durable, current.durable),
            ("auto_delete", wanted.autoDelete, current.autoDelete),
        ] where received != known {
            throw .preconditionFailed(
                "inequivalent arg '\(name)' for \(what): received '\(received)' but current is "
                    + "'\(known)'"
            )
        }
        for (name, _) in checks {
            if name == "x-queue-type", wanted.type == current.type { continue }
            try compare(name, wanted[name], current[name], what)
        }
    }

    /// - Source: `rabbit_misc:assert_args_equivalence`.
    static func compare(
        _ name: String,
        _ received: FieldValue?,
        _ known: FieldValue?,
        _ what: String
    ) throws(Refusal) {
        func described(_ value: FieldValue) -> String {
            "the value '\(value.printed)' of type '\(value.typeWord)'"
        }
        let difference: String
        switch (received, known) {
        case (nil, nil): return
        case (let received?, nil):
            difference = "received \(described(received)) but current is none"
        case (nil, let known?):
            difference = "received none but current is \(described(known))"
        case (let received?, let known?):
            if received == known { return }
            difference = "received '\(received.printed)' but current is '\(known.printed)'"
        }
        throw .preconditionFailed("inequivalent arg '\(name)' for \(what): \(difference)")
    }
}
