import WarrenKernel
import WarrenTrace

/// What becomes of a copy that its queue no longer wants.
extension RabbitMQNode {
    /// Moves a copy to the dead-letter exchange of its queue, or drops it if there is none.
    ///
    /// - Source: RMQ-DLX-01, -02, -06, -07, -08, -16, -22, -23, -26; RMQ-REQ-15.
    /// - Differs: nothing is lost between the queues here (RMQ-DLX-28).
    mutating func deadLetter(
        _ row: UInt32,
        _ queue: Int,
        _ reason: DropReason,
        fromHand: Bool,
        _ turn: inout Turn
    ) {
        let declaration = queues[queue].declaration
        let message = messages[row]
        let place: CopyPlace = fromHand ? .unacked : .ready
        guard let name = declaration.deadLetterExchange else {
            drop(row, queue, reason, place, &turn)
            return
        }
        let exchange = exchangeIndex(name, queues[queue].scope, turn.names)
        var properties: Properties = turn.parcels.get(message.parcel) ?? Properties()
        let copies = (try? Self.carbonCopies(properties.headers)) ?? []
        let keys = [turn.names[message.key]] + copies
        properties.recordDeath(
            queue: declaration.name,
            reason: reason,
            exchange: turn.names[message.exchange],
            keys: keys,
            seconds: turn.now.nanoseconds / 1_000_000_000
        )
        var newKeys = keys
        var newKey = message.key
        if let key = declaration.deadLetterKey {
            properties.headers.removeAll { $0.name == "CC" }
            newKeys = [key]
            newKey = turn.names.intern(.key, key)
        }
        let targets =
            exchange < 0
            ? [] : reach(from: exchange, keys: newKeys, headers: properties.headers, turn.names)
        guard !targets.isEmpty else {
            drop(row, queue, .noDeadLetterRoute, place, &turn)
            return
        }
        turn.record(
            .messageDeadLettered,
            message: message.message,
            subject: queues[queue].symbol,
            variant: reason.rawValue | (fromHand ? 128 : 0)
        )
        var dead = message
        dead.parcel = turn.parcels.put(properties)
        dead.exchange = exchanges[exchange].symbol
        dead.key = newKey
        dead.references = UInt32(targets.count)
        messages.release(row)
        let newRow = messages.put(dead)
        if dead.persistent {
            for target in targets where queues[Int(target)].declaration.durable {
                writeCount += 1
                let key = DiskKey.message(
                    queues[Int(target)].symbol,
                    queues[Int(target)].tailPosition
                )
                turn.store(
                    diskPacket(newRow, redelivered: false),
                    at: key,
                    as: WriteID(writeCount)
                )
            }
        }
        for target in targets { enqueue(newRow, dead, Int(target), &turn) }
    }

    /// A copy is gone for good.
    mutating func drop(
        _ row: UInt32,
        _ queue: Int,
        _ reason: DropReason,
        _ place: CopyPlace,
        _ turn: inout Turn
    ) {
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
    var deathWord: String {
        switch self {
        case .expired: "expired"
        case .maxlen: "maxlen"
        case .deliveryLimit: "delivery_limit"
        case .rejected, .purged, .queueDeleted, .nodeLost, .clientLost, .connectionLost,
            .unroutable, .noInterest, .slowConsumer, .noDeadLetterRoute, .deliveryUnwanted:
            "rejected"
        }
    }
}

extension Properties {
    /// Adds a death to the x-death header, or counts up the entry of the same queue and reason.
    ///
    /// - Source: RMQ-DLX-01, -02, -09, -10, -14, -25, -27.
    mutating func recordDeath(
        queue: String,
        reason: DropReason,
        exchange: String,
        keys: [String],
        seconds: UInt64
    ) {
        var deaths: [[FieldValue.Field]] = []
        if case .array(let entries)? = header("x-death") {
            for case .table(let entry) in entries { deaths.append(entry) }
        }
        let word = reason.deathWord
        let isSame = { (entry: [FieldValue.Field]) in
            entry.contains { $0.name == "queue" && $0.value == .string(queue) }
                && entry.contains { $0.name == "reason" && $0.value == .string(word) }
        }
        if let index = deaths.firstIndex(where: isSame) {
            var entry = deaths.remove(at: index)
            for position in entry.indices where entry[position].name == "count" {
                if case .int(let count) = entry[position].value {
                    entry[position].value = .int(count + 1)
                }
            }
            deaths.insert(entry, at: 0)
        } else {
            deaths.insert(
                [
                    FieldValue.Field("count", .int(1)),
                    FieldValue.Field("reason", .string(word)),
                    FieldValue.Field("queue", .string(queue)),
                    FieldValue.Field("time", .timestamp(seconds)),
                    FieldValue.Field("exchange", .string(exchange)),
                    FieldValue.Field("routing-keys", .array(keys.map { .string($0) })),
                ],
                at: 0
            )
        }
        setHeader("x-death", .array(deaths.map { .table($0) }))
        if header("x-first-death-reason") == nil {
            setHeader("x-first-death-reason", .string(word))
            setHeader("x-first-death-queue", .string(queue))
            setHeader("x-first-death-exchange", .string(exchange))
        }
    }
}
