import DequeModule
import WarrenKernel
import WarrenTrace

/// What becomes of a copy that its queue no longer wants.
extension RabbitMQNode {
    /// Where a dead message goes, and how it looks then.
    struct Death {
        var properties: Properties
        var exchange: ExchangeIndex
        var key: Symbol
        var targets: [QueueIndex]
        /// Why it goes nowhere, if it does.
        var hindrance = DropReason.noDeadLetterRoute
    }

    /// Moves a copy to the dead-letter exchange of its queue, or drops it if there is none.
    ///
    /// - Source: RMQ-DLX-01, -02, -05 to -08, -11 to -13, -16, -20 to -23, -26; RMQ-REQ-15; RMQ-TTL-10, -11.
    /// - Differs: nothing is lost between queues of one node here (RMQ-DLX-28).
    mutating func deadLetter(
        _ row: MessageIndex,
        _ queue: QueueIndex,
        _ reason: DropReason,
        from place: CopyPlace,
        _ turn: inout Turn
    ) {
        let message = messages[row]
        messages.release(row)
        bury(message, queue, reason, from: place, isNews: true, passesOn: true, &turn)
    }

    /// A copy is dead: it is told if that is news, and passed on by whoever does so.
    ///
    /// In a quorum queue that is the leader, which knows nothing of what the one before it may have passed on already.
    ///
    /// - Source: RMQ-QQ-51.
    mutating func bury(
        _ message: MessageRow,
        _ queue: QueueIndex,
        _ reason: DropReason,
        from place: CopyPlace,
        isNews: Bool,
        passesOn: Bool,
        _ turn: inout Turn
    ) {
        assert(isNews || passesOn, "a copy dies twice for nobody")
        let death = death(of: message, queue, reason, &turn)
        guard let death, !death.targets.isEmpty else {
            let reason = death?.hindrance ?? reason
            if isNews { recordGone(message.message, queue, reason, place, &turn) }
            return
        }
        if isNews {
            turn.record(
                .messageDeadLettered,
                message: message.message,
                subject: queues[queue].symbol,
                variant: reason.rawValue | (place == .unacked ? 128 : place == .door ? 64 : 0)
            )
        }
        if passesOn { passOn(message, death, &turn) }
    }

    private func death(
        of message: MessageRow,
        _ queue: QueueIndex,
        _ reason: DropReason,
        _ turn: inout Turn
    ) -> Death? {
        let rules = queues[queue].rules
        guard let exchangeName = rules.deadLetterExchange else { return nil }
        let exchange = exchangeIndex(exchangeName, queues[queue].scope, turn.names)
        var properties: Properties = turn.parcels.get(message.parcel) ?? Properties()
        let copies = (try? Self.carbonCopies(properties.headers)) ?? []
        let keys = [turn.names[message.key]] + copies
        properties.record(
            Properties.Death(
                queue: queues[queue].declaration.name,
                reason: reason,
                exchange: turn.names[message.exchange],
                keys: keys,
                seconds: clock(turn.now).nanoseconds / 1_000_000_000
            ),
            version: settings.version
        )
        let newKeys = properties.deathKeys(keys, rules.deadLetterKey)
        let newKey = rules.deadLetterKey.map { turn.names.intern(.key, $0) } ?? message.key
        var targets: [QueueIndex] = []
        if exchange != .none {
            targets = reach(
                from: exchange,
                keys: newKeys,
                properties: properties,
                turn.names
            )
        }
        // RMQ-DLX-11 to -13.
        var hindrance = DropReason.noDeadLetterRoute
        if targets.isEmpty, exchange != .none,
            isHindered(from: exchange, newKeys, properties, turn.names)
        {
            hindrance = .queueDown
        } else if reason != .rejected {
            targets.removeAll {
                guard properties.wouldGoRound(queues[$0].declaration.name) else {
                    return false
                }
                hindrance = .deadLetterCircle
                return true
            }
        }
        return Death(
            properties: properties,
            exchange: exchange,
            key: newKey,
            targets: targets,
            hindrance: hindrance
        )
    }

    /// Puts a dead message into the queues that it goes to.
    ///
    /// While a message is being handed to several queues its dead letters wait: it comes to all of them first.
    ///
    /// - Source: RMQ-DLX-30.
    private mutating func passOn(
        _ message: MessageRow,
        _ death: Death,
        _ turn: inout Turn
    ) {
        if deadLetters.postpone(message, death) { return }
        var dead = message
        dead.parcel = turn.parcels.put(death.properties)
        dead.exchange = exchanges[death.exchange].symbol
        dead.key = death.key
        hand(Packet(dead), to: death.targets, .none, .none, &turn)
    }

    /// A message has come to all queues that it reaches: what died of it follows.
    mutating func endDistribution(_ turn: inout Turn) {
        for (message, death) in deadLetters.end() { passOn(message, death, &turn) }
    }

    /// How long a dead copy waits before its targets are asked again.
    private static let discardPause = Interval.seconds(180)

    /// Hands the dead copies that a quorum queue keeps to their targets, as far as these take them.
    ///
    /// - Source: RMQ-QQ-20: at-least-once.
    mutating func passOnDiscards(_ quorum: QuorumIndex, _ turn: inout Turn) {
        assert(quorums.leads(quorum), "the leader passes on what is dead")
        let queue = quorums[quorum].queue
        while let dead = nextDiscard(quorum) {
            deadLetters.ask(wasTaken: false)
            let message = MessageRow(dead.copy)
            guard let death = death(of: message, queue, dead.reason, &turn),
                !death.targets.isEmpty,
                !death.targets.contains(where: { wouldOverflow($0, message.size) })
            else {
                turn.arm(NodeTimer.discards, after: Self.discardPause, background: true)
                continue
            }
            deadLetters.ask(wasTaken: true)
            quorums.act(quorum) { member, _ in member.passedOn(dead) }
            passOn(message, death, &turn)
            var command = QuorumCommand(kind: .settleDiscard)
            command.number = dead.copy.id
            submit(command, quorum, &turn)
        }
    }

    private mutating func nextDiscard(_ quorum: QuorumIndex) -> QuorumQueue.Dead? {
        var dead: QuorumQueue.Dead?
        quorums.act(quorum) { member, _ in dead = member.nextDiscard() }
        return dead
    }

    /// Asks the targets of all dead copies that wait once more.
    mutating func retryDiscards(_ turn: inout Turn) {
        for quorum in quorums.indices where quorums.leads(quorum) {
            quorums.act(quorum) { member, _ in member.forgetTries() }
            passOnDiscards(quorum, &turn)
        }
    }

    /// A copy is gone for good.
    mutating func drop(
        _ row: MessageIndex,
        _ queue: QueueIndex,
        _ reason: DropReason,
        _ place: CopyPlace,
        _ turn: inout Turn
    ) {
        assert(messages.isTaken(row), "a message is dropped that is not kept")
        turn.record(
            .messageDropped,
            message: messages[row].message,
            subject: queues[queue].symbol,
            variant: reason.rawValue,
            detail: place.rawValue
        )
        messages.release(row)
    }
}

extension DropReason {
    /// The word that RabbitMQ puts into x-death.
    package var deathWord: String {
        switch self {
        case .expired: "expired"
        case .maxlen: "maxlen"
        case .deliveryLimit: "delivery_limit"
        case .rejected, .purged, .queueDeleted, .nodeLost, .clientLost, .connectionLost,
            .unroutable, .noInterest, .slowConsumer, .noDeadLetterRoute, .deliveryUnwanted,
            .rolledBack, .queueDown, .deadLetterCircle:
            "rejected"
        }
    }

    /// The reason that a word in x-death stands for.
    package init?(deathWord: String) {
        let reasons: [DropReason] = [.rejected, .expired, .maxlen, .deliveryLimit]
        guard let reason = reasons.first(where: { $0.deathWord == deathWord }) else { return nil }
        self = reason
    }
}

extension Properties {
    /// What x-death says of one death.
    struct Death {
        var queue: String
        var reason: DropReason
        var exchange: String
        var keys: [String]
        /// Of simulated time.
        var seconds: UInt64
    }

    private var deaths: [[FieldValue.Field]] {
        guard case .array(let entries)? = header("x-death") else { return [] }
        return entries.compactMap { if case .table(let entry) = $0 { entry } else { nil } }
    }

    /// Adds a death to the x-death header, or counts up the entry of the same queue and reason.
    ///
    /// - Source: RMQ-DLX-01, -02, -09, -10, -14, -15, -25, -27; RMQ-TTL-11; the section on versions (4.0
    ///   forgets what a client wrote into x-death).
    mutating func record(_ death: Death, version: Version) {
        var deaths = version >= .v4_0 && !deathsAreOwn ? [] : deaths
        deathsAreOwn = true
        let word = death.reason.deathWord
        let isSame = { (entry: [FieldValue.Field]) in
            entry.contains { $0.name == "queue" && $0.value == .string(death.queue) }
                && entry.contains { $0.name == "reason" && $0.value == .string(word) }
        }
        if let index = deaths.firstIndex(where: isSame) {
            var entry = deaths.remove(at: index)
            for position in entry.indices where entry[position].name == "count" {
                if let count = entry[position].value.number {
                    entry[position].value = .integer(count + 1, .long)
                }
            }
            deaths.insert(entry, at: 0)
        } else {
            var entry = [
                FieldValue.Field("count", .integer(1, .long)),
                FieldValue.Field("reason", .string(word)),
                FieldValue.Field("queue", .string(death.queue)),
                FieldValue.Field("time", .timestamp(death.seconds)),
                FieldValue.Field("exchange", .string(death.exchange)),
                FieldValue.Field("routing-keys", .array(death.keys.map { .string($0) })),
            ]
            if let expiration {
                entry.append(FieldValue.Field("original-expiration", .string(expiration)))
            }
            deaths.insert(entry, at: 0)
        }
        expiration = nil
        setHeader("x-death", .array(deaths.map { .table($0) }))
        headers.removeAll { $0.name == "x-delivery-count" }
        if header("x-first-death-reason") == nil {
            setHeader("x-first-death-exchange", .string(death.exchange))
            setHeader("x-first-death-queue", .string(death.queue))
            setHeader("x-first-death-reason", .string(word))
        }
        guard version >= .v3_13 else { return }
        setHeader("x-last-death-reason", .string(word))
        setHeader("x-last-death-queue", .string(death.queue))
        setHeader("x-last-death-exchange", .string(death.exchange))
    }

    /// Whether a dead message would come to a queue where it died before, without a rejection on the way.
    ///
    /// - Source: RMQ-DLX-11 to -13.
    func wouldGoRound(_ queue: String) -> Bool {
        let deaths = deaths
        guard
            let index = deaths.firstIndex(where: { entry in
                entry.contains { $0.name == "queue" && $0.value == .string(queue) }
            })
        else { return false }
        return deaths[...index].allSatisfy { entry in
            !entry.contains { $0.name == "reason" && $0.value == .string("rejected") }
        }
    }
}
