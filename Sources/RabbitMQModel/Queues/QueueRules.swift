import WarrenTrace

/// What a queue goes by: its arguments and its policies, taken together.
///
/// - Source: RMQ-POL-03 (numbers: the lower counts), RMQ-POL-04 (the rest: the argument wins), RMQ-POL-06, RMQ-POL-15
///   (what differs on quorum queues and streams).
package struct QueueRules: Hashable, Sendable {
    /// What kind of queue it is.
    package enum Kind: Sendable { case classic, quorum, stream }

    /// How a quorum queue goes by the priority of messages.
    ///
    /// - Source: the section on versions: 4.0 has two classes (0 to 4, 5 and up; about two high ones for one
    ///   normal one), 4.3 has 0 to 31, strictly, and takes 4 for an absent one.
    package enum QuorumPriorities: Sendable { case none, twoClasses, strict }

    /// What happens to a message that finds the queue full.
    package enum Overflow: String, Sendable {
        case dropHead = "drop-head"
        case rejectPublish = "reject-publish"
        case rejectPublishDLX = "reject-publish-dlx"
    }

    package var kind = Kind.classic
    /// Milliseconds.
    package var ttl: UInt64?
    /// Milliseconds.
    package var expires: UInt64?
    package var maxLength: UInt64?
    package var maxBytes: UInt64?
    /// Milliseconds; streams only.
    package var maxAge: UInt64?
    package var segmentBytes: UInt64 = 500_000_000
    package var overflow = Overflow.dropHead
    package var deadLetterExchange: String?
    package var deadLetterKey: String?
    package var deadLettersSafely = false
    package var deliveryLimit: UInt64?
    package var maxPriority: UInt8 = 0
    package var quorumPriorities = QuorumPriorities.none
    package var singleActive = false
    /// Which node a new queue goes to: RMQ-CLUS-08, RMQ-QQ-30.
    package enum Locator: Sendable {
        /// The one that is asked.
        case local
        /// The one with the fewest.
        case balanced
        /// Any; for classic queues alone.
        case random
    }

    package var locator = Locator.local
    /// How many members a replicated queue begins with: RMQ-QQ-38.
    package var groupSize: UInt64?

    /// Which nodes keep copies of a classic queue.
    ///
    /// - Source: RMQ-MIR-01.
    package enum Mirroring: Sendable, Hashable {
        case all
        case exactly(Int)
        case nodes([String])
    }

    /// Nil for a queue on one node.
    package var mirroring: Mirroring?
    /// Whether a new mirror gets what is there already: RMQ-MIR-07.
    package var synchronises = false
    /// Whether a mirror that lacks something may take over after a crash: RMQ-MIR-08, -09.
    package var promotesOnFailure = true
    /// Whether it may after a stop in good order: RMQ-MIR-10.
    package var promotesOnShutdown = false
    /// Whether other nodes keep copies, as mirrors or as replicas of a stream.
    package var hasCopies = false

    /// Whether nothing here concerns the common way of a message.
    var isPlain: Bool {
        kind == .classic && !hasCopies && ttl == nil && expires == nil && maxLength == nil
            && maxBytes == nil
            && maxPriority == 0 && !singleActive
    }

    /// The rules of a queue.
    ///
    /// - Source: RMQ-QQ-09 and the section on versions (4.0: a delivery limit of 20 unless one is set).
    package init(
        _ declaration: QueueDeclaration,
        policy: Policy?,
        operatorPolicy: Policy?,
        version: Version
    ) {
        func number(_ argument: String, _ key: String) -> UInt64? {
            let values = [
                declaration[argument]?.number, policy?[key]?.number, operatorPolicy?[key]?.number,
            ]
            return values.compactMap { $0 }.filter { $0 >= 0 }.min().map { UInt64($0) }
        }
        /// Where the policy comes before the argument.
        func policyNumber(_ argument: String, _ key: String) -> UInt64? {
            let values = [policy?[key]?.number, operatorPolicy?[key]?.number].compactMap { $0 }
            return (values.filter { $0 >= 0 }.min() ?? declaration[argument]?.number)
                .flatMap { UInt64(exactly: $0) }
        }
        func text(_ argument: String, _ key: String) -> String? {
            declaration[argument]?.text ?? policy?[key]?.text
        }
        func policyText(_ argument: String, _ key: String) -> String? {
            policy?[key]?.text ?? declaration[argument]?.text
        }
        switch declaration.type {
        case "quorum": kind = .quorum
        case "stream": kind = .stream
        default: kind = .classic
        }
        ttl = number("x-message-ttl", "message-ttl")
        expires =
            kind == .quorum
            ? policyNumber("x-expires", "expires") : number("x-expires", "expires")
        maxLength = number("x-max-length", "max-length")
        maxBytes =
            kind == .stream
            ? policyNumber("x-max-length-bytes", "max-length-bytes")
            : number("x-max-length-bytes", "max-length-bytes")
        maxAge = policyText("x-max-age", "max-age").flatMap(QueueArguments.milliseconds(ofAge:))
        segmentBytes =
            policyNumber("x-stream-max-segment-size-bytes", "stream-max-segment-size-bytes")
            ?? 500_000_000
        let overflowWord =
            kind == .quorum
            ? policyText("x-overflow", "overflow") : text("x-overflow", "overflow")
        overflow = overflowWord.flatMap { Overflow(rawValue: $0) } ?? .dropHead
        // RMQ-QQ-15: a quorum queue takes reject-publish-dlx for drop-head.
        if kind == .quorum, overflow == .rejectPublishDLX { overflow = .dropHead }
        deadLetterExchange = text("x-dead-letter-exchange", "dead-letter-exchange")
        deadLetterKey = text("x-dead-letter-routing-key", "dead-letter-routing-key")
        deadLettersSafely =
            kind == .quorum && overflow == .rejectPublish
            && text("x-dead-letter-strategy", "dead-letter-strategy") == "at-least-once"
        if kind == .quorum {
            quorumPriorities =
                version >= .v4_3 ? .strict : version >= .v4_0 ? .twoClasses : .none
            deliveryLimit = number("x-delivery-limit", "delivery-limit")
            let isUnlimited = declaration["x-delivery-limit"]?.number ?? 0 < 0
            if deliveryLimit == nil, version >= .v4_0, !isUnlimited { deliveryLimit = 20 }
        } else {
            maxPriority = UInt8(clamping: declaration["x-max-priority"]?.number ?? 0)
        }
        locator = Self.locator(
            kind,
            version,
            master: text("x-queue-master-locator", "queue-master-locator"),
            leader: policyText("x-queue-leader-locator", "queue-leader-locator")
        )
        switch kind {
        case .quorum:  // No policy says it.
            groupSize = declaration["x-quorum-initial-group-size"]?.number.flatMap {
                UInt64(exactly: $0)
            }
        case .stream: groupSize = policyNumber("x-initial-cluster-size", "initial-cluster-size")
        case .classic: break
        }
        singleActive = declaration["x-single-active-consumer"] == .bool(true)
        guard kind == .classic, !declaration.exclusive, version < .v4_0 else { return }
        switch (policy?["ha-mode"]?.text, policy?["ha-params"]) {
        case ("all", _): mirroring = .all
        case ("exactly", .integer(let count, _)?): mirroring = .exactly(Int(clamping: count))
        case ("nodes", .array(let names)?): mirroring = .nodes(names.compactMap(\.text))
        default: break
        }
        synchronises = policy?["ha-sync-mode"]?.text == "automatic"
        promotesOnFailure = policy?["ha-promote-on-failure"]?.text != "when-synced"
        promotesOnShutdown = policy?["ha-promote-on-shutdown"]?.text == "always"
    }

    /// What the words of an argument or policy mean.
    ///
    /// - Source: `rabbit_queue_location:leader_locator0`, `rabbit_queue_master_location_misc` of 3.10.8: to what is replicated a random
    ///   leader is a balanced one. From 3.13 on classic queues know both words.
    private static func locator(
        _ kind: Kind,
        _ version: Version,
        master: String?,
        leader: String?
    ) -> Locator {
        if kind == .classic, version < .v3_13 {
            return master == "min-masters" ? .balanced : master == "random" ? .random : .local
        }
        switch kind == .classic ? leader ?? master : leader {
        case "balanced", "random", "least-leaders", "min-masters": return .balanced
        default: return .local
        }
    }
}
