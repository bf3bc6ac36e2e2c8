import RabbitMQModel
import WarrenKernel
import WarrenTrace

/// What was seen of the copies of messages in the queues of a real broker.
///
/// A broker does not say where it puts a message: that a copy came to a queue is known when it comes out.
struct SeenCopies {
    private struct Key: Hashable {
        var queue: Symbol
        var message: MessageID
    }

    /// Copies of one message in one queue.
    private struct Count {
        var ready = 0
        var held = 0
    }

    private var counts: [Key: Count] = [:]
    /// By message and queue: how many deaths of its x-death are told.
    private var deaths: [Key: [String: Int64]] = [:]
    /// When each message was published last.
    private var published: [MessageID: Instant] = [:]

    /// When each dead letter left that was not seen anywhere since.
    private var letters: [MessageID: Instant] = [:]

    /// Whether a dead letter that left less than `time` ago was not seen since: it may wait somewhere.
    func awaitsLetter(_ now: Instant, within time: Interval) -> Bool {
        letters.values.contains { $0 + time >= now }
    }

    /// What the queues are known to hold.
    var lines: [Inventory.Line] {
        var byQueue: [Symbol: (ready: UInt64, held: UInt64)] = [:]
        for (key, count) in counts {
            byQueue[key.queue, default: (0, 0)].ready += UInt64(max(count.ready, 0))
            byQueue[key.queue, default: (0, 0)].held += UInt64(max(count.held, 0))
        }
        return byQueue.sorted { $0.key.raw < $1.key.raw }.map {
            Inventory.Line(queue: $0.key, ready: $0.value.ready, unacked: $0.value.held)
        }
    }

    mutating func publish(_ message: MessageID, at now: Instant) { published[message] = now }

    /// Tells how a message came to its queue, as far as it is not told: through which queues it died, and that it
    /// is here.
    private mutating func arrive(
        _ message: MessageID,
        _ queue: Symbol,
        _ size: UInt32,
        _ stations: [Death],
        _ turn: inout Turn
    ) {
        // The oldest first, as they happened.
        for death in stations.reversed() {
            let key = Key(queue: death.queue, message: message)
            let told = deaths[key]?[death.reason.deathWord] ?? 0
            for _ in 0..<max(death.count - told, 0) {
                var count = counts[key] ?? Count()
                if count.ready == 0, count.held == 0 {
                    record(.messageRouted, key, &turn, detail: UInt64(size))
                    count.ready += 1
                }
                let wasHeld = count.ready == 0
                if wasHeld { count.held -= 1 } else { count.ready -= 1 }
                record(
                    .messageDeadLettered,
                    key,
                    &turn,
                    variant: death.reason.rawValue | (wasHeld ? 128 : 0)
                )
                counts[key] = count.ready == 0 && count.held == 0 ? nil : count
            }
            deaths[key, default: [:]][death.reason.deathWord] = max(death.count, told)
        }
        let key = Key(queue: queue, message: message)
        if counts[key, default: Count()].ready == 0 {
            record(.messageRouted, key, &turn, detail: UInt64(size))
            counts[key, default: Count()].ready += 1
        }
    }

    private func record(
        _ kind: FactKind,
        _ key: Key,
        _ turn: inout Turn,
        peer: UInt32 = 0,
        variant: UInt8 = 0,
        detail: UInt64 = 0
    ) {
        turn.record(
            kind,
            message: key.message,
            subject: key.queue,
            peer: peer,
            variant: variant,
            detail: detail
        )
    }

    /// A station of a dead letter.
    struct Death {
        var queue: Symbol
        var reason: DropReason
        var count: Int64
    }

    /// A copy came to a consumer, or was fetched.
    mutating func deliver(
        _ message: MessageID,
        _ queue: Symbol,
        to peer: NodeID,
        size: UInt32,
        redelivered: Bool,
        settled: Bool,
        deaths: [Death],
        _ turn: inout Turn
    ) {
        let key = Key(queue: queue, message: message)
        letters[message] = nil
        if redelivered, counts[key, default: Count()].ready == 0,
            counts[key, default: Count()].held > 0
        {
            requeue(message, queue, .connectionClosed, &turn)
        }
        arrive(message, queue, size, deaths, &turn)
        let since = published[message] ?? turn.now
        record(
            .deliverySent,
            key,
            &turn,
            peer: peer.raw,
            variant: (redelivered ? 1 : 0) | (settled ? 2 : 0),
            detail: turn.now > since ? (turn.now - since).nanoseconds : 0
        )
        counts[key, default: Count()].ready -= 1
        if !settled { counts[key, default: Count()].held += 1 }
        tidy(key)
    }

    /// A copy is in a queue at the end.
    mutating func remain(
        _ message: MessageID,
        _ queue: Symbol,
        size: UInt32,
        deaths: [Death],
        _ turn: inout Turn
    ) {
        arrive(message, queue, size, deaths, &turn)
    }

    /// A consumer has settled a copy.
    mutating func acknowledge(
        _ message: MessageID,
        _ queue: Symbol,
        by peer: NodeID,
        _ turn: inout Turn
    ) {
        let key = Key(queue: queue, message: message)
        guard counts[key, default: Count()].held > 0 else { return }
        record(.deliveryAcked, key, &turn, peer: peer.raw)
        counts[key, default: Count()].held -= 1
        tidy(key)
    }

    /// A consumer refuses a copy: it goes back, or dies; where it dies to is seen when it comes out there.
    mutating func reject(
        _ message: MessageID,
        _ queue: Symbol,
        by peer: NodeID,
        requeue: Bool,
        isDeadLettered: Bool,
        _ turn: inout Turn
    ) {
        let key = Key(queue: queue, message: message)
        guard counts[key, default: Count()].held > 0 else { return }
        record(.deliveryRejected, key, &turn, peer: peer.raw, variant: requeue ? 1 : 0)
        if requeue {
            self.requeue(message, queue, .nacked, &turn)
            return
        }
        if isDeadLettered {
            record(.messageDeadLettered, key, &turn, variant: DropReason.rejected.rawValue | 128)
            deaths[key, default: [:]][DropReason.rejected.deathWord, default: 0] += 1
            letters[message] = turn.now
        } else {
            record(
                .messageDropped,
                key,
                &turn,
                variant: DropReason.rejected.rawValue,
                detail: CopyPlace.unacked.rawValue
            )
        }
        counts[key, default: Count()].held -= 1
        tidy(key)
    }

    /// A copy goes back to its queue.
    mutating func requeue(
        _ message: MessageID,
        _ queue: Symbol,
        _ reason: ReturnReason,
        _ turn: inout Turn
    ) {
        let key = Key(queue: queue, message: message)
        guard counts[key, default: Count()].held > 0 else { return }
        record(.deliveryRequeued, key, &turn, variant: reason.rawValue)
        counts[key, default: Count()].held -= 1
        counts[key, default: Count()].ready += 1
    }

    /// What was told to be in a queue, and is not there at the end.
    mutating func miss(_ queue: Symbol, keeping found: Set<MessageID>, _ turn: inout Turn) {
        let missing = counts.filter {
            $0.key.queue == queue && $0.value.ready > 0 && !found.contains($0.key.message)
        }
        for (key, count) in missing.sorted(by: { $0.key.message.raw < $1.key.message.raw }) {
            for _ in 0..<count.ready {
                record(
                    .messageDropped,
                    key,
                    &turn,
                    variant: DropReason.expired.rawValue,
                    detail: CopyPlace.ready.rawValue
                )
            }
            counts[key]?.ready = 0
            tidy(key)
        }
    }

    private mutating func tidy(_ key: Key) {
        if let count = counts[key], count.ready == 0, count.held == 0 { counts[key] = nil }
    }
}
