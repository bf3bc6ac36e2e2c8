/// The x-arguments of a queue and of its consumers: which there are, what they may be, in which order they are looked
/// at, and when two sets are the same.
///
/// - Source: RMQ-DECL-08 to -10, -23, -53, -54; RMQ-QQ-01 to -03; RMQ-STREAM-01, -10. The texts and the order are
///   those of 3.10.8.
package enum QueueArguments {
    private enum Check {
        case integer, natural, lifetime, expiry, positive, priority, version, flag
        case text, deadLetterKey, age, offset
        /// One of a few words; what the broker says of another one.
        case word([String], String)
        /// One of a few words; the broker names the other one after these words.
        case named([String], String)
    }

    /// In the order in which the broker looks at them.
    private static let checks: [(name: String, check: Check)] = [
        ("x-expires", .expiry), ("x-message-ttl", .lifetime),
        ("x-dead-letter-exchange", .text), ("x-dead-letter-routing-key", .deadLetterKey),
        (
            "x-dead-letter-strategy",
            .word(["at-most-once", "at-least-once"], "invalid_dlx_strategy")
        ),
        ("x-max-length", .natural), ("x-max-length-bytes", .natural),
        ("x-max-in-memory-length", .natural), ("x-max-in-memory-bytes", .natural),
        ("x-max-priority", .priority),
        (
            "x-overflow",
            .word(["drop-head", "reject-publish", "reject-publish-dlx"], "invalid_overflow")
        ),
        ("x-queue-mode", .named(["default", "lazy"], "unsupported queue mode")),
        ("x-queue-version", .version), ("x-single-active-consumer", .flag),
        typeCheck,
        ("x-quorum-initial-group-size", .positive), ("x-max-age", .age),
        ("x-stream-max-segment-size-bytes", .natural), ("x-initial-cluster-size", .positive),
        (
            "x-queue-leader-locator",
            .word(
                ["client-local", "balanced", "random", "least-leaders"],
                "invalid_queue_locator_arg"
            )
        ),
    ]
    private static let typeCheck: (name: String, check: Check) = (
        "x-queue-type", .named(["classic", "quorum", "stream"], "unsupported queue type")
    )

    /// What each kind of queue knows, in the order in which a second declaration is compared with the first.
    private static let classic = [
        "x-expires", "x-message-ttl", "x-dead-letter-exchange", "x-dead-letter-routing-key",
        "x-max-length", "x-max-length-bytes", "x-max-priority", "x-overflow", "x-queue-mode",
        "x-queue-version", "x-single-active-consumer", "x-queue-type", "x-queue-master-locator",
    ]
    private static let quorum = [
        "x-dead-letter-exchange", "x-dead-letter-routing-key", "x-dead-letter-strategy",
        "x-expires", "x-max-length", "x-max-length-bytes", "x-max-in-memory-length",
        "x-max-in-memory-bytes", "x-overflow", "x-single-active-consumer", "x-queue-type",
        "x-quorum-initial-group-size", "x-delivery-limit", "x-message-ttl",
        "x-queue-leader-locator",
    ]
    private static let stream = [
        "x-max-length-bytes", "x-queue-type", "x-max-age", "x-stream-max-segment-size-bytes",
        "x-initial-cluster-size", "x-queue-leader-locator",
    ]

    /// What `basic.consume` may say, in the order in which the broker looks at it.
    private static let consumerChecks: [(name: String, check: Check)] = [
        ("x-priority", .integer), ("x-cancel-on-ha-failover", .flag), ("x-stream-offset", .offset),
    ]

    /// The arguments that 3.10 knows, for did-you-mean.
    package static let names =
        checks.map(\.name) + ["x-delivery-limit", "x-queue-master-locator"]

    /// The longest time to live: ten years of milliseconds.
    static let longestTTL: Int64 = 315_360_000_000

    /// From 3.13 on a classic queue takes the word of the others for its place as well.
    package static func known(to kind: String, _ version: Version) -> [String] {
        switch kind {
        case "quorum": quorum
        case "stream": stream
        default: version >= .v3_13 ? classic + ["x-queue-leader-locator"] : classic
        }
    }

    private static func knownToConsumers(of kind: String) -> [String] {
        switch kind {
        case "quorum": ["x-priority", "x-credit"]
        case "stream": ["x-stream-offset", "x-credit"]
        default: ["x-cancel-on-ha-failover", "x-priority", "x-credit"]
        }
    }

    /// Refuses a dead-letter exchange that is no text: the broker looks at it before all else.
    static func checkDeadLetterExchange(_ wanted: QueueDeclaration, _ vhost: String) throws(Refusal)
    {
        let name = "x-dead-letter-exchange"
        guard let value = wanted[name], value.text == nil else { return }
        throw .preconditionFailed(
            "invalid type '\(value.typeWord)' for arg '\(name)' in queue '\(wanted.name)' in vhost "
                + "'\(vhost)'"
        )
    }

    /// Refuses what the broker refuses when it makes a queue.
    package static func check(_ wanted: QueueDeclaration, _ vhost: String, _ version: Version)
        throws(Refusal)
    {
        let what = "queue '\(wanted.name)' in vhost '\(vhost)'"
        try checkDeadLetterExchange(wanted, vhost)
        try check(typeCheck, wanted.arguments, what)
        let own = known(to: wanted.type, version)
        for check in checks where own.contains(check.name) {
            try Self.check(check, wanted.arguments, what)
        }
        try refuseForeign(wanted.arguments, own, classic + quorum + stream, wanted.type, what)
        try checkKind(wanted, what)
    }

    /// Refuses what the broker refuses when somebody wants to consume.
    static func checkConsumer(
        _ arguments: [FieldValue.Field],
        of queue: QueueDeclaration,
        _ vhost: String
    ) throws(Refusal) {
        let what = "queue '\(queue.name)' in vhost '\(vhost)'"
        let own = knownToConsumers(of: queue.type)
        for check in consumerChecks where own.contains(check.name) {
            try Self.check(check, arguments, what)
        }
        let all = consumerChecks.map(\.name) + ["x-credit"]
        try refuseForeign(arguments, own, all, queue.type, what)
    }

    private static func check(
        _ check: (name: String, check: Check),
        _ arguments: [FieldValue.Field],
        _ what: String
    ) throws(Refusal) {
        guard let value = arguments[check.name],
            let fault = try fault(check.check, value, arguments)
        else { return }
        throw .preconditionFailed("invalid arg '\(check.name)' for \(what): \(fault)")
    }

    /// What another kind of queue knows is refused; what none knows is not looked at.
    private static func refuseForeign(
        _ arguments: [FieldValue.Field],
        _ own: [String],
        _ all: [String],
        _ kind: String,
        _ what: String
    ) throws(Refusal) {
        for field in arguments where all.contains(field.name) && !own.contains(field.name) {
            throw .preconditionFailed(
                "invalid arg '\(field.name)' for \(what) of queue type rabbit_\(kind)_queue"
            )
        }
    }

    private static func checkKind(_ wanted: QueueDeclaration, _ what: String) throws(Refusal) {
        guard wanted.type != "classic" else {
            // The older word for a place is not checked, and breaks the server.
            if let value = wanted["x-queue-master-locator"],
                !["min-masters", "client-local", "random"].contains(value.text ?? "")
            {
                throw .internalError
            }
            return
        }
        if wanted.autoDelete {
            throw .preconditionFailed("invalid property 'auto-delete' for \(what)")
        }
        if wanted.exclusive {
            throw .preconditionFailed("invalid property 'exclusive-owner' for \(what)")
        }
        if !wanted.durable {
            throw .preconditionFailed("invalid property 'non-durable' for \(what)")
        }
        let segment = "x-stream-max-segment-size-bytes"
        if wanted.type == "stream", wanted[segment]?.number ?? 0 > 3_000_000_000 {
            throw .preconditionFailed("Exceeded max value for \(segment)")
        }
    }

    /// What the broker finds wrong with a value, as it prints it; nil if nothing.
    private static func fault(
        _ check: Check,
        _ value: FieldValue,
        _ arguments: [FieldValue.Field]
    ) throws(Refusal) -> String? {
        switch check {
        case .integer, .natural, .lifetime, .expiry, .positive, .priority, .version:
            return numberFault(check, value)
        case .text:
            return value.text == nil ? unacceptable(value) : nil
        case .deadLetterKey:
            if value.text == nil { return unacceptable(value) }
            return arguments["x-dead-letter-exchange"] == nil
                ? "routing_key_but_no_dlx_defined" : nil
        case .flag:
            if case .bool = value { return nil }
            return unacceptable(value)
        case .age:
            guard let text = value.text else { return unacceptable(value) }
            return try isAge(text) ? nil : "invalid_max_age"
        case .offset:
            guard let text = value.text, !["first", "last", "next"].contains(text) else {
                return nil
            }
            return try isAge(text) ? nil : "{invalid_stream_offset_arg,{longstr,\(value.term)}}"
        case .word(let words, let fault):
            guard let text = value.text else { return unacceptable(value) }
            return words.contains(text) ? nil : fault
        case .named(let words, let fault):
            guard let text = value.text else { return unacceptable(value) }
            return words.contains(text) ? nil : Erlang.list("\(fault) '\(text)'")
        }
    }

    /// A server bug of 3.10.8: an age without digits breaks it.
    private static func isAge(_ text: String) throws(Refusal) -> Bool {
        guard text.utf8.first.map({ (48...57).contains($0) }) ?? false else {
            throw .internalError
        }
        return milliseconds(ofAge: text) != nil
    }

    private static func unacceptable(_ value: FieldValue) -> String {
        "{unacceptable_type,\(value.typeWord)}"
    }

    private static func numberFault(_ check: Check, _ value: FieldValue) -> String? {
        guard let number = value.number else {
            return Erlang.list("expected integer, got \(value.typeWord)")
        }
        if case .integer = check { return nil }
        if number < 0 { return "{value_negative,\(number)}" }
        switch check {
        case .expiry where number == 0, .positive where number == 0: return "{value_zero,0}"
        case .expiry where number > longestTTL, .lifetime where number > longestTTL:
            return "{value_too_large,\(number)}"
        case .priority where number > 255: return "{max_value_exceeded,\(number)}"
        case .version where number != 1 && number != 2:
            return Erlang.list("unsupported queue version '\(number)'")
        default: return nil
        }
    }

    /// An age such as `7D` or `1h` in milliseconds, or nil.
    package static func milliseconds(ofAge age: String) -> UInt64? {
        let units: [Character: UInt64] = [
            "Y": 31_536_000, "M": 2_592_000, "D": 86_400, "h": 3600, "m": 60, "s": 1,
        ]
        let digits = age.utf8.dropLast()
        guard let last = age.last, let unit = units[last], !digits.isEmpty,
            digits.allSatisfy({ (48...57).contains($0) })
        else { return nil }
        let count = UInt64(age.dropLast()) ?? .max
        guard count > 0 else { return nil }
        let (life, isTooLong) = count.multipliedReportingOverflow(by: unit * 1000)
        return isTooLong ? .max : life
    }

    /// Refuses a declaration that differs from the queue that is there.
    ///
    /// - Source: RMQ-DECL-06, -08, -09, -10, -54.
    static func compare(
        _ wanted: QueueDeclaration,
        _ current: QueueDeclaration,
        _ vhost: String,
        _ version: Version
    ) throws(Refusal) {
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
        for name in known(to: current.type, version) {
            try compare(name, wanted[name], current[name], what)
        }
    }

    /// A value without its type in a text about a difference.
    ///
    /// A server bug of 3.10.8: it takes a decimal for a type and a value, and breaks.
    ///
    /// - Source: `rabbit_misc:val`.
    private static func quoted(_ value: FieldValue) throws(Refusal) -> String {
        switch value {
        case .void: return "none"
        case .decimal: throw .internalError
        default: return "'\(value.printed)'"
        }
    }

    /// - Source: `rabbit_misc:assert_args_equivalence`, `assert_field_equivalence`.
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
        case (.string("classic")?, nil) where name == "x-queue-type",
            (nil, .string("classic")?) where name == "x-queue-type":
            return
        case (let received?, nil):
            difference = "received \(described(received)) but current is none"
        case (nil, let known?):
            difference = "received none but current is \(described(known))"
        case (let received?, let known?):
            if received.isEquivalent(to: known) { return }
            difference = "received \(try quoted(received)) but current is \(try quoted(known))"
        }
        throw .preconditionFailed("inequivalent arg '\(name)' for \(what): \(difference)")
    }
}
