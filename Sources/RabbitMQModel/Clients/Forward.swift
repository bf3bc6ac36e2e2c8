import WarrenBroker
import WarrenKernel
import WarrenTrace

/// What a consumer publishes because of a message that it had.
struct Forward: Sendable {
    /// Which headers of the message the new one has as well.
    enum Headers: Sendable {
        case all, none
        case without([String])
    }

    var exchange: Symbol
    /// Nil for the key of the message.
    var key: Symbol?
    var kept = Headers.all
    /// Headers that are added, or replace those of the message.
    var added: [FieldValue.Field] = []
    var expiration: String?
    /// Nil for as persistent as the message.
    var persistent: Bool?
    var mandatory = false
    /// Nil for as large as the message.
    var size: Law?
    var sizeStream = StreamID(0)

    /// A message in a consumer's hands, as far as one that follows from it takes after it.
    struct Origin: BitwiseCopyable, Sendable {
        var message: MessageID
        var queue: Symbol
        var key: Symbol
        var parcel: ParcelID
        var size: UInt32
        var isPersistent: Bool

        init(
            message: MessageID,
            queue: Symbol,
            key: Symbol,
            parcel: ParcelID,
            size: UInt32,
            isPersistent: Bool
        ) {
            self.message = message
            self.queue = queue
            self.key = key
            self.parcel = parcel
            self.size = size
            self.isPersistent = isPersistent
        }

        /// A message of which nothing else is known.
        init(of message: MessageID, _ queue: Symbol) {
            self.init(
                message: message,
                queue: queue,
                key: .none,
                parcel: .none,
                size: 0,
                isPersistent: false
            )
        }
    }

    /// The publication, and the properties that it needs.
    func packet(
        for origin: Origin,
        counting header: (name: String, value: Int64)?,
        _ turn: inout Turn
    ) -> Packet {
        var packet = Packet(.basicPublish, channel: ClientLink.channel)
        packet.message = turn.newMessage()
        packet.subject = exchange
        packet.key = key ?? origin.key
        packet.parcel = properties(of: origin, header, &turn)
        packet.size =
            size.map { UInt32(clamping: turn.chance.sample($0, sizeStream).nanoseconds) }
            ?? origin.size
        packet.flags =
            (persistent ?? origin.isPersistent ? Flag.persistent : 0)
            | (mandatory ? Flag.mandatory : 0)
        return packet
    }

    private func properties(
        of origin: Origin,
        _ header: (name: String, value: Int64)?,
        _ turn: inout Turn
    ) -> ParcelID {
        let old: Properties = turn.parcels.get(origin.parcel) ?? Properties()
        var made = old.asPublished
        switch kept {
        case .all: break
        case .none: made.headers = []
        case .without(let names): made.headers.removeAll { names.contains($0.name) }
        }
        for field in added { made.setHeader(field.name, field.value) }
        if let header { made.setHeader(header.name, .int(header.value)) }
        if let expiration { made.expiration = expiration }
        if made == old, origin.parcel != .none { return origin.parcel }
        return made == Properties() ? .none : turn.parcels.put(made)
    }
}

/// All that follows from a message, and in which order with its acknowledgement.
struct ForwardPlan: Sendable {
    var letters: [Forward]
    /// Whether the message is acknowledged first: what is lost then is lost, and nothing is doubled.
    var acknowledgesFirst = false
    /// Whether the consumer waits for confirms, and how long.
    var confirms: ConfirmPlan?
    /// How often a message goes this way, counted in a header; nil for always.
    var limit: (header: String, times: Int64)?
}

/// The publications of a consumer's channel.
///
/// - Source: RMQ-PUB-07, -08 and -10 for the numbers of confirms, RMQ-PUB-15 for refusals, RMQ-PUB-17 for what a lost
///   channel leaves open; `Topologies/rabbitmq/stories`, replayed on 3.10.8.
struct ForwardSender: Sendable {
    private struct Pending: BitwiseCopyable, Sendable {
        var sequence: UInt64
        var message: MessageID
        var publishedAt: Instant
        var wasReturned = false
    }

    /// What the broker said to what is waited for.
    enum Answer: Sendable { case nothing, allTaken, refused }

    private var sequence: UInt64 = 0
    private var pending: [Pending] = []
    private var isRefused = false

    var isWaiting: Bool { !pending.isEmpty }

    /// The channel is another one: its publications count from one.
    mutating func begin() {
        sequence = 0
        pending.removeAll()
        isRefused = false
    }

    /// Counts a publication that nobody waits for.
    mutating func count() { sequence += 1 }

    /// Publishes what follows from a message, and says which publication was the last.
    @discardableResult
    mutating func publish(
        _ plan: ForwardPlan,
        for origin: Forward.Origin,
        counted: Int64,
        _ client: Symbol,
        on connection: ConnectionID,
        _ turn: inout Turn
    ) -> MessageID {
        assert(!plan.letters.isEmpty, "nothing follows from a message")
        var last = origin.message
        for letter in plan.letters {
            let header = plan.limit.map { ($0.header, counted + 1) }
            let packet = letter.packet(for: origin, counting: header, &turn)
            turn.recordDerivation(
                of: packet.message,
                from: origin.message,
                in: origin.queue,
                by: client
            )
            turn.record(
                .messagePublished,
                message: packet.message,
                subject: packet.subject,
                peer: packet.key.raw,
                variant: plan.confirms == nil ? 0 : 1,
                detail: Fact.publication(
                    bodySize: packet.size,
                    headers: turn.headers(of: packet.parcel)
                )
            )
            turn.send(packet, on: connection)
            sequence += 1
            last = packet.message
            if plan.confirms != nil {
                pending.append(
                    Pending(sequence: sequence, message: packet.message, publishedAt: turn.now)
                )
            }
        }
        return last
    }

    /// A confirm, a refusal or a return came: what it says of all that is waited for.
    mutating func hear(_ packet: Packet, _ turn: inout Turn) -> Answer {
        let answers = answers(to: packet, &turn)
        if answers.contains(where: { !$0.isTaken }) { isRefused = true }
        guard pending.isEmpty, !answers.isEmpty else { return .nothing }
        defer { isRefused = false }
        return isRefused ? .refused : .allTaken
    }

    /// A confirm, a refusal or a return came: what it says of each publication.
    mutating func answers(to packet: Packet, _ turn: inout Turn) -> [(MessageID, isTaken: Bool)] {
        switch packet.method {
        case .basicReturn:
            turn.record(.messageReturned, message: packet.message, subject: packet.subject)
            if let index = pending.firstIndex(where: { $0.message == packet.message }) {
                pending[index].wasReturned = true
            }
            return []
        case .basicAck, .basicNack: break
        default: return []
        }
        guard isWaiting else { return [] }
        let isMultiple = packet.has(Flag.multiple)
        let settled = pending.filter {
            $0.sequence == packet.tag || isMultiple && $0.sequence < packet.tag
        }
        pending.removeAll { one in settled.contains { $0.sequence == one.sequence } }
        for one in settled where !one.wasReturned {
            if packet.method == .basicAck {
                turn.record(
                    .messageConfirmed,
                    message: one.message,
                    detail: (turn.now - one.publishedAt).nanoseconds
                )
            } else {
                turn.record(.messageNacked, message: one.message)
            }
        }
        return settled.map { ($0.message, packet.method == .basicAck || $0.wasReturned) }
    }

    /// What has waited for a confirm for so long is unknown; the moment at which the next one is.
    mutating func expire(_ timeout: Interval, _ turn: inout Turn) -> ([MessageID], next: Instant?) {
        let late = pending.filter { $0.publishedAt + timeout <= turn.now }
        pending.removeFirst(late.count)
        for one in late where !one.wasReturned {
            turn.record(.messageUnknown, message: one.message, variant: 0)
        }
        return (late.map(\.message), pending.first.map { $0.publishedAt + timeout })
    }

    /// Nobody waits any more: it took too long, or the connection is gone.
    mutating func giveUp(_ variant: UInt8, _ turn: inout Turn) {
        for one in pending where !one.wasReturned {
            turn.record(.messageUnknown, message: one.message, variant: variant)
        }
        pending.removeAll()
        isRefused = false
    }

    /// Publications that a confirm is waited for.
    var unconfirmed: UInt64 { UInt64(pending.count { !$0.wasReturned }) }
}
