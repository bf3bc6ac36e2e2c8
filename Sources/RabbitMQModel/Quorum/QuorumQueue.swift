package import DequeModule
import WarrenKernel
package import WarrenTrace

/// A quorum queue as each of its members has it: a pure machine of commands and effects.
///
/// The same commands make the same queue on every member. It knows no time but that of the batch, no
/// chance and no network.
///
/// - Source: rabbitmq-server `rabbit_fifo.erl`; RMQ-QQ-04 to -28, -32, -33.
/// - Differs: a delivery that is settled by sending is settled when the leader sends it.
package struct QuorumQueue: Sendable {
    // What each command looks at comes first, the rules last: most queues have none that a message must be held to.
    private var nextID: UInt64 = 1
    /// What the rules have to say of each message.
    private var duties: Duties
    package private(set) var fullness = Fullness.open
    /// Whether it is gone, and only its members do not know yet.
    private var isDeleted = false
    /// The last command of each client.
    private var lastOf: [(client: UInt64, sequence: UInt64)] = []
    private var messages: QuorumMessages
    private var consumers: QuorumConsumers
    package private(set) var discards = Deque<Dead>()
    private var discardBytes: UInt64 = 0
    /// When it was made, given other rules, fetched from, or left by a consumer: RMQ-QQ-49.
    private var lastActive: Instant
    package private(set) var rules: QueueRules {
        didSet { duties = Duties(rules) }
    }

    package init(_ rules: QueueRules, honoursPriority: Bool, createdAt: Instant) {
        self.rules = rules
        duties = Duties(rules)
        lastActive = createdAt
        messages = QuorumMessages(rules.quorumPriorities)
        consumers = QuorumConsumers(single: rules.singleActive, honoursPriority: honoursPriority)
    }

    /// Copies that could go out.
    package var readyCount: Int { messages.count }
    /// Copies with consumers.
    package var unackedCount: Int { consumers.heldCount }
    /// Consumers as the broker counts them: see ``QuorumConsumers/count``.
    package var consumerCount: Int { consumers.count }
    /// Whether consumers wait in vain: RMQ-FED-06.
    package var wantsMore: Bool { readyCount == 0 && consumers.couldTake }
    /// Everything but what consumers hold.
    package var presentCount: Int { readyCount + discards.count }

    /// Goes by other rules; the limits are looked at with the next command.
    package mutating func follow(_ configuration: QuorumConfiguration, at time: Instant) {
        if configuration.rules != rules { lastActive = time }
        rules = configuration.rules
        messages.follow(rules.quorumPriorities)
        consumers.follow(
            single: rules.singleActive,
            honoursPriority: configuration.honoursPriority
        )
    }

    /// When the next copy expires, in nanoseconds; nil if none does.
    package var nextExpiry: UInt64? {
        messages.first.flatMap { $0.expiry == .max ? nil : $0.expiry }
    }

    // MARK: Commands

    /// Lets a command take effect, and says what follows from it.
    package mutating func apply(
        _ command: QuorumCommand,
        at time: Instant,
        _ effects: inout [QuorumEffect]
    ) {
        if command.sequence > 0 {
            let place = note(of: command.client)
            let last = lastOf[place].sequence
            guard command.sequence == last + 1 else {
                // Said before, and done: only the answer may not have arrived.
                if command.sequence <= last { repeatAnswer(command, &effects) }
                return
            }
            lastOf[place].sequence = command.sequence
        }
        switch command.kind {
        case .enqueue: enqueue(command, time, &effects)
        case .settle, .return, .discard: settle(command, time, &effects)
        case .checkout: checkout(command, &effects)
        case .get: get(command, time, &effects)
        case .cancel:
            if let consumer = place(of: command) { stop(consumer, time, &effects) }
        case .drop:
            if let consumer = place(of: command) { drop(consumer, command, time, &effects) }
            if command.packet.has(QuorumCommand.more) { return }
        case .purge:
            answer(command, UInt64(purge(.purged, &effects)), &effects)
        case .nodeDown: suspect(command, time, &effects)
        case .nodeUp:
            for consumer in consumers.places(of: command.client) { consumers.trust(consumer) }
        case .nodeGone:
            for consumer in consumers.places(of: command.client) {
                leave(consumer, .connectionClosed, time, &effects)
            }
            lastOf.removeAll { $0.client == command.client }
        case .settleDiscard:
            if let index = discards.firstIndex(where: { $0.copy.id == command.number }) {
                let dead = discards.remove(at: index)
                discardBytes -= UInt64(dead.copy.packet.size)
                effects.append(.discardTaken(dead.copy.packet.message, dead.reason))
            }
        case .deleteQueue:
            answer(command, UInt64(delete(&effects)), &effects)
        case .register: answer(command, fullness == .full ? 1 : 0, &effects)
        case .expire, .nothing: break
        }
        serve(time, &effects)
    }

    /// Where the last command of a client is noted; there are as few clients as nodes.
    private mutating func note(of client: UInt64) -> Int {
        if let place = lastOf.firstIndex(where: { $0.client == client }) { return place }
        lastOf.append((client, 0))
        return lastOf.count - 1
    }

    private func place(of command: QuorumCommand) -> QuorumConsumers.Place? {
        consumers.place(command.client, command.consumer)
    }

    /// - Source: RMQ-QQ-17.
    private mutating func enqueue(
        _ command: QuorumCommand,
        _ time: Instant,
        _ effects: inout [QuorumEffect]
    ) {
        assert(command.packet.message != .none, "a message without a number comes")
        guard !isDeleted else {
            effects.append(.missed(command.packet))
            return
        }
        effects.append(.routed(command.packet.message, bytes: command.packet.size))
        let life =
            duties.contains(.expire) ? min(command.number, rules.ttl ?? .max) : command.number
        let copy = Copy(
            id: nextID,
            packet: command.packet,
            readySince: time,
            expiry: life == .max ? .max : (time + .milliseconds(life)).nanoseconds,
            priority: command.priority,
            hasPriority: command.hasPriority
        )
        nextID += 1
        messages.append(copy)
    }

    /// Notices whether it has become fuller or emptier than those who publish know.
    private mutating func tellFullness(_ effects: inout [QuorumEffect]) {
        guard duties.contains(.reject) else { return }
        let (count, weight) = (UInt64(presentCount), messages.bytes + discardBytes)
        let next: Fullness =
            if count > rules.maxLength ?? .max || weight > rules.maxBytes ?? .max {
                .full
            } else if fullness == .open
                || count <= Fullness.soft(rules.maxLength)
                    && weight <= Fullness.soft(rules.maxBytes)
            {
                .open
            } else {
                .easing
            }
        guard next != fullness else { return }
        fullness = next
        effects.append(.filled(next))
    }

    // MARK: Consumers

    private mutating func checkout(
        _ command: QuorumCommand,
        _ effects: inout [QuorumEffect]
    ) {
        let consumer = consumers.checkout(command)
        effects.append(.began(consumers.party(consumer)))
        answer(command, 0, &effects)
    }

    private func answer(
        _ command: QuorumCommand,
        _ value: UInt64,
        _ effects: inout [QuorumEffect]
    ) {
        effects.append(
            .answered(client: command.client, sequence: command.sequence, value: value)
        )
    }

    /// - Source: RMQ-QQ-05; RMQ-GET-01 to -07.
    private mutating func get(
        _ command: QuorumCommand,
        _ time: Instant,
        _ effects: inout [QuorumEffect]
    ) {
        lastActive = time
        dropExpired(time, fresh: true, &effects)
        guard let copy = messages.popFirst() else {
            return answer(command, 0, &effects)
        }
        let fetched = consumers.fetch(copy, by: command)
        effects.append(
            .fetched(
                copy,
                fetched.party,
                delivery: fetched.delivery,
                settled: fetched.settled,
                left: readyCount,
                answer: command.sequence
            )
        )
    }

    /// The answer to a command that was done before, once more.
    private func repeatAnswer(_ command: QuorumCommand, _ effects: inout [QuorumEffect]) {
        switch command.kind {
        case .get:
            if let consumer = place(of: command), let last = consumers.held(consumer).last,
                last.delivery == consumers.lastDelivery(consumer)
            {
                effects.append(
                    .fetchedAgain(
                        last.copy,
                        consumers.party(consumer),
                        delivery: last.delivery,
                        left: readyCount,
                        answer: command.sequence
                    )
                )
            } else {
                fallthrough
            }
        case .checkout, .purge, .deleteQueue:
            answer(command, 0, &effects)
        case .register: answer(command, fullness == .full ? 1 : 0, &effects)
        case .enqueue, .settle, .return, .discard, .cancel, .drop, .nodeDown, .nodeUp,
            .nodeGone, .expire, .settleDiscard, .nothing:
            break
        }
    }

    private mutating func settle(
        _ command: QuorumCommand,
        _ time: Instant,
        _ effects: inout [QuorumEffect]
    ) {
        // What came back meanwhile is no longer this consumer's: RMQ-QQ-33.
        guard let consumer = place(of: command),
            let held = consumers.take(command.number, from: consumer)
        else { return }
        let message = held.copy.packet.message
        let peer = consumers.party(consumer).peer
        consumers.offer(consumer)
        switch command.kind {
        case .settle: effects.append(.acked(message, peer: peer))
        case .discard:
            effects.append(.rejected(message, peer: peer, requeue: false))
            die(held.copy, .rejected, .unacked, &effects)
        default:
            effects.append(.rejected(message, peer: peer, requeue: true))
            comeBack(held.copy, .nacked, time, &effects)
        }
        if consumers.forgetIfDone(consumer) { lastActive = time }
    }

    /// A consumer wants nothing more; what it holds it keeps.
    private mutating func stop(
        _ consumer: QuorumConsumers.Place,
        _ time: Instant,
        _ effects: inout [QuorumEffect]
    ) {
        let (consumed, isGone) = consumers.stop(consumer)
        if consumed { effects.append(.ended(consumers.party(consumer))) }
        if isGone { lastActive = time }
    }

    /// Whether nobody has consumed from it, or fetched, for so long.
    ///
    /// - Source: RMQ-QQ-49; `rabbit_fifo:is_expired`.
    package func isUnused(for life: Interval, at time: Instant) -> Bool {
        !consumers.areUsed && time > lastActive + life
    }

    /// A channel is gone: a consumer of it, or one of its deliveries that were fetched.
    ///
    /// - Source: RMQ-QQ-44.
    private mutating func drop(
        _ consumer: QuorumConsumers.Place,
        _ command: QuorumCommand,
        _ time: Instant,
        _ effects: inout [QuorumEffect]
    ) {
        guard command.number > 0 else {
            return leave(consumer, .connectionClosed, time, &effects)
        }
        guard let held = consumers.take(command.number, from: consumer) else { return }
        comeBack(held.copy, .connectionClosed, time, &effects)
    }

    private mutating func leave(
        _ consumer: QuorumConsumers.Place,
        _ reason: ReturnReason,
        _ time: Instant,
        _ effects: inout [QuorumEffect]
    ) {
        let (consumed, held) = consumers.leave(consumer)
        if consumed { effects.append(.ended(consumers.party(consumer))) }
        for one in held { comeBack(one.copy, reason, time, &effects) }
        lastActive = time
    }

    private mutating func suspect(
        _ command: QuorumCommand,
        _ time: Instant,
        _ effects: inout [QuorumEffect]
    ) {
        for consumer in consumers.places(of: command.client) {
            for one in consumers.suspect(consumer) {
                comeBack(one.copy, .connectionClosed, time, &effects)
            }
            consumers.passOn(consumer)
            lastActive = time
        }
    }

    /// - Source: RMQ-QQ-06, -08 to -11, -27, -28.
    private mutating func comeBack(
        _ copy: Copy,
        _ reason: ReturnReason,
        _ time: Instant,
        _ effects: inout [QuorumEffect]
    ) {
        var copy = copy
        copy.returns += 1
        copy.readySince = time
        effects.append(.requeued(copy.packet.message, reason))
        if let limit = rules.deliveryLimit, UInt64(copy.returns) > limit {
            die(copy, .deliveryLimit, .ready, &effects)
        } else if reason == .nacked, rules.deliveryLimit == nil {
            messages.append(copy)
        } else {
            messages.putBack(copy)
        }
    }

    // MARK: Serving

    /// Hands out what can go out, drops what must go.
    private mutating func serve(_ time: Instant, _ effects: inout [QuorumEffect]) {
        if duties.contains(.expire) || nextExpiry != nil {
            dropExpired(time, fresh: false, &effects)
        }
        while readyCount > 0, let consumer = consumers.popNext() {
            guard let copy = messages.popFirst() else { break }
            let (delivery, settled) = consumers.send(copy, to: consumer)
            effects.append(
                .sent(copy, consumers.party(consumer), delivery: delivery, settled: settled)
            )
            if nextExpiry != nil { dropExpired(time, fresh: false, &effects) }
        }
        keepLimits(&effects)
        tellFullness(&effects)
        if nextExpiry != nil { dropExpired(time, fresh: true, &effects) }
    }

    /// - Source: RMQ-QQ-14, -15.
    private mutating func keepLimits(_ effects: inout [QuorumEffect]) {
        guard duties.contains(.dropHead) else { return }
        var dying: [Copy] = []
        while readyCount > 0,
            UInt64(readyCount) > rules.maxLength ?? .max || messages.bytes > rules.maxBytes ?? .max,
            let copy = messages.popFirst()
        {
            dying.append(copy)
        }
        // RMQ-QQ-45: of several at once the last one is dead-lettered first.
        for copy in dying.reversed() { die(copy, .maxlen, .ready, &effects) }
    }

    /// Takes expired copies off the head.
    ///
    /// One that has never been out is given the chance to go out at the moment at which it expires,
    /// unless `fresh` says that it had it.
    private mutating func dropExpired(
        _ time: Instant,
        fresh: Bool,
        _ effects: inout [QuorumEffect]
    ) {
        while let next = messages.first, next.expiry <= time.nanoseconds,
            fresh || next.returns > 0 || next.expiry < time.nanoseconds,
            let copy = messages.popFirst()
        {
            die(copy, .expired, .ready, &effects)
        }
    }

    /// A copy leaves for the dead-letter exchange, if there is one.
    private mutating func die(
        _ copy: Copy,
        _ reason: DropReason,
        _ place: CopyPlace,
        _ effects: inout [QuorumEffect]
    ) {
        assert(copy.id > 0, "copies are numbered from 1")
        guard rules.deadLettersSafely, rules.deadLetterExchange != nil else {
            effects.append(.died(copy, reason, place))
            return
        }
        // RMQ-QQ-20: it stays until its targets have it.
        if place == .unacked {
            effects.append(.requeued(copy.packet.message, .keptForDeadLetter))
        }
        discards.append(Dead(copy: copy, reason: reason))
        discardBytes += UInt64(copy.packet.size)
    }

    private mutating func purge(_ reason: DropReason, _ effects: inout [QuorumEffect]) -> Int {
        var count = 0
        while let copy = messages.popFirst() {
            count += 1
            effects.append(.dropped(copy.packet.message, reason, .ready))
        }
        return count
    }

    /// Everything goes: what is ready, what waits for a target, what consumers hold, and they themselves.
    ///
    /// - Returns: how many messages were ready.
    private mutating func delete(_ effects: inout [QuorumEffect]) -> Int {
        isDeleted = true
        let count = purge(.queueDeleted, &effects)
        for dead in discards {
            effects.append(.dropped(dead.copy.packet.message, .queueDeleted, .ready))
        }
        discards.removeAll()
        discardBytes = 0
        for (party, held, consumed) in consumers.removeAll() {
            for one in held {
                effects.append(.dropped(one.copy.packet.message, .queueDeleted, .unacked))
            }
            if consumed { effects.append(.ended(party)) }
        }
        return count
    }

    // MARK: Looking

    /// Every copy that is not with a consumer, the next to go out first.
    package var presentCopies: [Copy] { messages.all + discards.map(\.copy) }

    /// Every copy that a consumer holds.
    package var heldCopies: [(copy: Copy, party: QuorumEffect.Party)] {
        consumers.present.flatMap { one in one.held.map { ($0.copy, one.party) } }
    }

    /// Those that hold something.
    package var holders: [QuorumEffect.Party] {
        consumers.present.filter { !$0.held.isEmpty }.map(\.party)
    }

    /// What a consumer holds: it may not have arrived.
    package func held(
        by client: UInt64,
        _ number: QuorumConsumerID
    ) -> Deque<QuorumConsumers.Held> {
        consumers.place(client, number).map { consumers.held($0) } ?? []
    }

    /// The number of the last delivery to a consumer; nil if there is no such consumer.
    package func lastDelivery(to client: UInt64, _ number: QuorumConsumerID) -> UInt64? {
        consumers.place(client, number).map { consumers.lastDelivery($0) }
    }

    /// The last command of a client that was applied.
    package func last(of client: UInt64) -> UInt64 {
        lastOf.first { $0.client == client }?.sequence ?? 0
    }

    /// The clients that have consumers here.
    package var clients: Set<UInt64> { Set(consumers.present.map(\.party.client)) }

    /// What must hold between entries.
    package func checkInvariants() {
        messages.checkInvariants()
        consumers.checkInvariants()
        precondition(
            discardBytes == discards.reduce(0) { $0 + UInt64($1.copy.packet.size) },
            "a quorum queue miscounts what waits for its targets"
        )
    }
}
