import DequeModule
import WarrenKernel
import WarrenTrace

/// What a quorum queue is told to do; an entry of its log is a batch of these.
struct QuorumCommand: BitwiseCopyable, Sendable {
    enum Kind: UInt8 {
        /// A message comes.
        case enqueue
        /// A consumer is done with a copy; `number` is its delivery.
        case settle
        /// A consumer wants a copy back in its queue.
        case giveBack
        /// A consumer rejects a copy.
        case discard
        /// A consumer begins; the packet says how.
        case checkout
        /// A consumer wants nothing more, and keeps what it holds.
        case cancel
        /// A consumer is gone, and what it held comes back.
        case drop
        /// One message is wanted.
        case get
        /// All that is ready goes.
        case purge
        /// A node is out of reach: what its consumers held comes back.
        case nodeDown
        /// A node is there again, its consumers with it.
        case nodeUp
        /// A node has started anew: its consumers are gone.
        case nodeGone
        /// Time goes by: copies may have expired.
        case expire
        /// The targets of a dead copy have it; `number` is the copy.
        case settleDiscard
        /// Nothing; the first entry of a term.
        case nothing
        /// The queue goes, with all that it holds.
        case deleteQueue

        /// Whether it settles a delivery.
        var settles: Bool { self == .settle || self == .giveBack || self == .discard }
    }

    var kind: Kind
    /// The node that says it, and since when it runs.
    var client: UInt64 = 0
    /// The number of the command among those of this client, from 1; 0 if it needs no answer.
    var sequence: UInt64 = 0
    /// The consumer's number on that node.
    var consumer: UInt32 = 0
    /// enqueue: the milliseconds that the message may wait, or all ones.
    var number: UInt64 = 0
    var priority: UInt8 = 0
    var hasPriority = false
    var packet = Packet()
}

/// An entry of the log of a quorum queue.
struct QuorumBatch: ParcelBundle {
    /// What the leader's clock said.
    var time: Instant
    var commands: ContiguousArray<QuorumCommand>
    /// By what the queue goes from here on, if that may have changed: the first entry of each leader says it.
    var configuration: QuorumConfiguration?

    func parcels(_ holding: inout ParcelMarks) {
        for command in commands { holding.keep(command.packet.parcel) }
    }
}

/// By what a quorum queue goes.
///
/// It is part of the log, so that a log that is gone through once more, by a later version perhaps, comes to the
/// same end.
///
/// - Source: RabbitMQ's `update_config` command and Ra's machine versions, which are entries of the log as well.
final class QuorumConfiguration: Sendable {
    let rules: QueueRules
    let honoursPriority: Bool

    init(rules: QueueRules, honoursPriority: Bool) {
        self.rules = rules
        self.honoursPriority = honoursPriority
    }
}

/// The state of a quorum queue after an entry of its log.
struct QuorumSnapshot: ParcelBundle {
    var queue: QuorumQueue

    func parcels(_ holding: inout ParcelMarks) { queue.parcels(&holding) }
}

/// What follows from a command.
///
/// The leader sends what is to be sent; what has happened is told once, by the first member that applies the
/// command.
enum QuorumEffect: Sendable {
    /// Whom an effect concerns: a consumer of a client.
    struct Party: BitwiseCopyable, Sendable {
        var client: UInt64
        var number: UInt32
        /// The client's own node, as facts name it.
        var peer: UInt32
    }

    case routed(MessageID, bytes: UInt32, refused: Bool)
    case sent(QuorumQueue.Copy, Party, delivery: UInt64, settled: Bool)
    case fetched(
        QuorumQueue.Copy,
        Party,
        delivery: UInt64,
        settled: Bool,
        left: Int,
        answer: UInt64
    )
    case fetchedAgain(QuorumQueue.Copy, Party, delivery: UInt64, left: Int, answer: UInt64)
    case acked(MessageID, peer: UInt32)
    case rejected(MessageID, peer: UInt32, requeue: Bool)
    case requeued(MessageID, ReturnReason)
    case died(QuorumQueue.Copy, DropReason, CopyPlace)
    case discardTaken(MessageID, DropReason)
    case dropped(MessageID, DropReason, CopyPlace)
    /// A message came after the queue was deleted.
    case missed(Packet)
    case began(Party)
    case ended(Party)
    /// A command is done; `value` is what it asked for.
    case answered(client: UInt64, sequence: UInt64, value: UInt64)
    case refused(client: UInt64, sequence: UInt64)
}

/// A quorum queue as each of its members has it: a pure machine of commands and effects.
///
/// The same commands make the same queue on every member. It knows no time but that of the batch, no
/// chance and no network.
///
/// - Source: rabbitmq-server `rabbit_fifo.erl`; RMQ-QQ-04 to -28, -32, -33.
/// - Differs: a delivery that is settled by sending is settled when the leader sends it.
struct QuorumQueue: Sendable {
    /// A copy of a message.
    struct Copy: BitwiseCopyable, Sendable {
        var id: UInt64
        /// The publication.
        var packet: Packet
        var readySince: Instant
        /// When it expires, in nanoseconds; all ones for never.
        var expiry: UInt64
        /// How often it came back.
        var returns: UInt32 = 0
        var priority: UInt8
        var hasPriority: Bool
    }

    /// A copy in a consumer's hands.
    struct Held: BitwiseCopyable, Sendable {
        var delivery: UInt64
        var copy: Copy
    }

    /// A consumer, or a channel that fetches.
    struct Taker: Sendable {
        var party: QuorumEffect.Party
        var prefetch: UInt32
        var settlesBySending: Bool
        var priority: Int64
        var held = Deque<Held>()
        var nextDelivery: UInt64 = 1
        var inRotation = false
        var wantsMore = true
        /// Whether its node is out of reach.
        var isSuspect = false
        var isGone = false

        var hasRoom: Bool {
            wantsMore && !isSuspect && !isGone && (prefetch == 0 || held.count < prefetch)
        }
    }

    /// A dead copy that waits for a target: RMQ-QQ-20.
    struct Dead: BitwiseCopyable, Sendable {
        var copy: Copy
        var reason: DropReason
    }

    private(set) var rules: QueueRules
    /// Copies that came back, the next to go out first.
    private var returned = Deque<Copy>()
    /// Copies that were never out, by priority.
    private var lanes: [Deque<Copy>]
    private var laneCount = 0
    private var highServed = 0
    private var bytes: UInt64 = 0
    private var nextID: UInt64 = 1
    private(set) var takers: [Taker] = []
    private var rotation = Deque<Int>()
    private var order: [Int] = []
    private var active = -1
    private var hasPriorities = false
    private(set) var discards = Deque<Dead>()
    /// The last command of each client.
    private var lastOf: [(client: UInt64, sequence: UInt64)] = []
    private var heldCount = 0
    /// Whether it is gone, and only its members do not know yet.
    private var isDeleted = false
    private var honoursPriority: Bool

    init(_ rules: QueueRules, honoursPriority: Bool) {
        self.rules = rules
        self.honoursPriority = honoursPriority
        lanes = Array(repeating: Deque(), count: Self.laneCount(rules))
    }

    private static func laneCount(_ rules: QueueRules) -> Int {
        switch rules.quorumPriorities {
        case .none: 1
        case .twoClasses: 2
        case .strict: 32
        }
    }

    /// Copies that could go out.
    var readyCount: Int { returned.count + laneCount }
    /// Copies with consumers.
    var unackedCount: Int { heldCount }
    /// Consumers, without those that fetch.
    var consumerCount: Int { takers.count { !$0.isGone && $0.wantsMore } }
    /// Everything but what consumers hold.
    var presentCount: Int { readyCount + discards.count }

    /// Goes by other rules; the limits are looked at with the next command.
    mutating func follow(_ configuration: QuorumConfiguration) {
        rules = configuration.rules
        honoursPriority = configuration.honoursPriority
        guard lanes.count != Self.laneCount(rules) else { return }
        let waiting = lanes.flatMap { $0 }.sorted { $0.id < $1.id }
        lanes = Array(repeating: Deque(), count: Self.laneCount(rules))
        for copy in waiting { lanes[lane(of: copy)].append(copy) }
        highServed = 0
    }

    /// When the next copy expires, in nanoseconds; nil if none does.
    var nextExpiry: UInt64? { head.flatMap { $0.expiry == .max ? nil : $0.expiry } }

    // MARK: Commands

    mutating func apply(
        _ command: QuorumCommand,
        at time: Instant,
        _ effects: inout [QuorumEffect]
    ) {
        if command.sequence > 0 {
            let place = place(of: command.client)
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
        case .settle, .giveBack, .discard: settle(command, time, &effects)
        case .checkout: checkout(command, time, &effects)
        case .get: get(command, time, &effects)
        case .cancel:
            if let taker = taker(of: command) { stop(taker, &effects) }
        case .drop:
            if let taker = taker(of: command) {
                leave(taker, .connectionClosed, time, &effects)
            }
        case .purge:
            let count = purge(.purged, &effects)
            effects.append(
                .answered(client: command.client, sequence: command.sequence, value: UInt64(count))
            )
        case .nodeDown: suspect(command, time, &effects)
        case .nodeUp:
            for taker in takers.indices
            where takers[taker].party.client == command.client && takers[taker].isSuspect {
                takers[taker].isSuspect = false
                offer(taker)
            }
        case .nodeGone:
            for taker in takers.indices
            where !takers[taker].isGone && takers[taker].party.client == command.client {
                leave(taker, .connectionClosed, time, &effects)
            }
            lastOf.removeAll { $0.client == command.client }
        case .settleDiscard:
            if let index = discards.firstIndex(where: { $0.copy.id == command.number }) {
                let dead = discards.remove(at: index)
                effects.append(.discardTaken(dead.copy.packet.message, dead.reason))
            }
        case .deleteQueue:
            let count = delete(&effects)
            effects.append(
                .answered(client: command.client, sequence: command.sequence, value: UInt64(count))
            )
        case .expire, .nothing: break
        }
        serve(time, &effects)
    }

    /// Where the last command of a client is noted; there are as few clients as nodes.
    private mutating func place(of client: UInt64) -> Int {
        if let place = lastOf.firstIndex(where: { $0.client == client }) { return place }
        lastOf.append((client, 0))
        return lastOf.count - 1
    }

    private func taker(of command: QuorumCommand) -> Int? {
        taker(command.client, command.consumer)
    }

    private func taker(_ client: UInt64, _ number: UInt32) -> Int? {
        takers.withUnsafeBufferPointer { takers in
            takers.firstIndex {
                $0.party.number == number && $0.party.client == client && !$0.isGone
            }
        }
    }

    /// - Source: RMQ-QQ-16 (one more than the limit gets in), RMQ-QQ-17.
    private mutating func enqueue(
        _ command: QuorumCommand,
        _ time: Instant,
        _ effects: inout [QuorumEffect]
    ) {
        guard !isDeleted else {
            effects.append(.missed(command.packet))
            return
        }
        let message = command.packet.message
        let size = command.packet.size
        let isRefused = isFull
        effects.append(.routed(message, bytes: size, refused: isRefused))
        if isRefused {
            effects.append(.dropped(message, .maxlen, .door))
            effects.append(.refused(client: command.client, sequence: command.sequence))
            return
        }
        let life = min(command.number, rules.ttl ?? .max)
        let copy = Copy(
            id: nextID,
            packet: command.packet,
            readySince: time,
            expiry: life == .max ? .max : (time + .milliseconds(life)).nanoseconds,
            priority: command.priority,
            hasPriority: command.hasPriority
        )
        nextID += 1
        append(copy)
    }

    /// Whether the queue refuses what comes.
    var isFull: Bool {
        guard rules.overflow == .rejectPublish else { return false }
        if let limit = rules.maxLength, UInt64(readyCount) > limit { return true }
        if let limit = rules.maxBytes, bytes > limit { return true }
        return false
    }

    private mutating func append(_ copy: Copy) {
        lanes[lane(of: copy)].append(copy)
        laneCount += 1
        bytes += UInt64(copy.packet.size)
    }

    private func lane(of copy: Copy) -> Int {
        switch rules.quorumPriorities {
        case .none: 0
        case .twoClasses: copy.priority >= 5 ? 1 : 0
        case .strict: copy.hasPriority ? min(Int(copy.priority), 31) : 4
        }
    }

    /// The lane that is served next: the highest, but of two classes the lower one every third time.
    private var nextLane: Int {
        if lanes.count == 1 { return 0 }
        let highest = lanes.lastIndex { !$0.isEmpty } ?? 0
        let isTurnOfLower = rules.quorumPriorities == .twoClasses && highServed >= 2
        return isTurnOfLower && !lanes[0].isEmpty ? 0 : highest
    }

    private var head: Copy? { returned.first ?? lanes[nextLane].first }

    private mutating func take() -> Copy? {
        if let first = returned.popFirst() {
            bytes -= UInt64(first.packet.size)
            return first
        }
        let lane = nextLane
        guard let copy = lanes[lane].popFirst() else { return nil }
        laneCount -= 1
        highServed = lane == 0 ? 0 : highServed + 1
        bytes -= UInt64(copy.packet.size)
        return copy
    }

    // MARK: Consumers

    private mutating func addTaker(_ command: QuorumCommand) -> Int {
        let party = QuorumEffect.Party(
            client: command.client,
            number: command.consumer,
            peer: command.packet.c
        )
        let taker = Taker(
            party: party,
            prefetch: command.packet.d,
            settlesBySending: command.packet.has(Flag.noAck),
            priority: Int64(bitPattern: command.packet.y)
        )
        var index = takers.firstIndex { $0.isGone } ?? takers.count
        if index < takers.count, rotation.contains(index) { index = takers.count }
        if index == takers.count { takers.append(taker) } else { takers[index] = taker }
        return index
    }

    private mutating func checkout(
        _ command: QuorumCommand,
        _ time: Instant,
        _ effects: inout [QuorumEffect]
    ) {
        let taker = addTaker(command)
        order.append(taker)
        if takers[taker].priority != 0 { hasPriorities = true }
        effects.append(.began(takers[taker].party))
        effects.append(
            .answered(client: command.client, sequence: command.sequence, value: 0)
        )
        guard rules.singleActive else {
            offer(taker)
            return
        }
        if active < 0 {
            active = taker
            offer(taker)
        } else if honoursPriority, takers[taker].priority > takers[active].priority {
            // From 4.0 on a higher priority takes over at once; what the other holds stays with it.
            rotation.removeAll { $0 == active }
            takers[active].inRotation = false
            active = taker
            offer(taker)
        }
    }

    private mutating func offer(_ taker: Int) {
        guard !takers[taker].inRotation, takers[taker].hasRoom,
            !rules.singleActive || taker == active
        else { return }
        takers[taker].inRotation = true
        rotation.append(taker)
    }

    /// - Source: RMQ-QQ-05; RMQ-GET-01 to -07.
    private mutating func get(
        _ command: QuorumCommand,
        _ time: Instant,
        _ effects: inout [QuorumEffect]
    ) {
        dropExpired(time, fresh: true, &effects)
        guard let copy = take() else {
            effects.append(
                .answered(client: command.client, sequence: command.sequence, value: 0)
            )
            return
        }
        let taker = taker(of: command) ?? addTaker(command)
        takers[taker].wantsMore = false
        let settled = command.packet.has(Flag.noAck)
        let delivery = takers[taker].nextDelivery
        takers[taker].nextDelivery += 1
        if !settled {
            takers[taker].held.append(Held(delivery: delivery, copy: copy))
            heldCount += 1
        }
        effects.append(
            .fetched(
                copy,
                takers[taker].party,
                delivery: delivery,
                settled: settled,
                left: readyCount,
                answer: command.sequence
            )
        )
    }

    /// The answer to a command that was done before, once more.
    private func repeatAnswer(_ command: QuorumCommand, _ effects: inout [QuorumEffect]) {
        switch command.kind {
        case .get:
            if let taker = taker(of: command), let last = takers[taker].held.last,
                last.delivery == takers[taker].nextDelivery - 1
            {
                effects.append(
                    .fetchedAgain(
                        last.copy,
                        takers[taker].party,
                        delivery: last.delivery,
                        left: readyCount,
                        answer: command.sequence
                    )
                )
            } else {
                fallthrough
            }
        case .checkout, .purge, .deleteQueue:
            effects.append(
                .answered(client: command.client, sequence: command.sequence, value: 0)
            )
        case .enqueue, .settle, .giveBack, .discard, .cancel, .drop, .nodeDown, .nodeUp,
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
        guard let taker = taker(of: command), let held = takeHeld(command.number, taker)
        else { return }
        let message = held.copy.packet.message
        let peer = takers[taker].party.peer
        offer(taker)
        switch command.kind {
        case .settle: effects.append(.acked(message, peer: peer))
        case .discard:
            effects.append(.rejected(message, peer: peer, requeue: false))
            die(held.copy, .rejected, .unacked, &effects)
        default:
            effects.append(.rejected(message, peer: peer, requeue: true))
            comeBack(held.copy, .nacked, time, &effects)
        }
        if !takers[taker].wantsMore, takers[taker].held.isEmpty, !takers[taker].inRotation,
            takers[taker].party.number & QuorumTaker.fetching == 0
        {
            forget(taker)
        }
    }

    private mutating func takeHeld(_ delivery: UInt64, _ taker: Int) -> Held? {
        if let first = takers[taker].held.first, first.delivery == delivery {
            heldCount -= 1
            return takers[taker].held.removeFirst()
        }
        let held = takers[taker].held
        var low = 0
        var high = held.count
        while low < high {
            let middle = (low + high) / 2
            if held[middle].delivery < delivery { low = middle + 1 } else { high = middle }
        }
        guard low < held.count, held[low].delivery == delivery else { return nil }
        heldCount -= 1
        return takers[taker].held.remove(at: low)
    }

    /// A consumer wants nothing more; what it holds it keeps.
    private mutating func stop(_ taker: Int, _ effects: inout [QuorumEffect]) {
        guard takers[taker].wantsMore else { return }
        takers[taker].wantsMore = false
        effects.append(.ended(takers[taker].party))
        step(down: taker)
        if takers[taker].held.isEmpty { forget(taker) }
    }

    /// Takes a consumer out of the line, and lets the next one be active.
    private mutating func step(down taker: Int) {
        order.removeAll { $0 == taker }
        rotation.removeAll { $0 == taker }
        takers[taker].inRotation = false
        guard active == taker else { return }
        active = -1
        let candidates = order.filter { !takers[$0].isSuspect }
        var next = candidates.first
        if honoursPriority {
            for other in candidates
            where takers[other].priority > takers[next ?? other].priority { next = other }
        }
        if let next {
            active = next
            offer(next)
        }
    }

    private mutating func forget(_ taker: Int) {
        takers[taker].isGone = true
    }

    private mutating func leave(
        _ taker: Int,
        _ reason: ReturnReason,
        _ time: Instant,
        _ effects: inout [QuorumEffect]
    ) {
        if takers[taker].wantsMore { effects.append(.ended(takers[taker].party)) }
        takers[taker].wantsMore = false
        step(down: taker)
        returnAll(taker, reason, time, &effects)
        forget(taker)
    }

    private mutating func returnAll(
        _ taker: Int,
        _ reason: ReturnReason,
        _ time: Instant,
        _ effects: inout [QuorumEffect]
    ) {
        let held = takers[taker].held
        takers[taker].held = []
        heldCount -= held.count
        for one in held { comeBack(one.copy, reason, time, &effects) }
    }

    private mutating func suspect(
        _ command: QuorumCommand,
        _ time: Instant,
        _ effects: inout [QuorumEffect]
    ) {
        for taker in takers.indices
        where !takers[taker].isGone && takers[taker].party.client == command.client {
            takers[taker].isSuspect = true
            rotation.removeAll { $0 == taker }
            takers[taker].inRotation = false
            returnAll(taker, .connectionClosed, time, &effects)
            if active == taker {
                // It stays in line, behind those that can be reached.
                order.removeAll { $0 == taker }
                step(down: taker)
                order.append(taker)
            }
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
            append(copy)
        } else {
            returned.append(copy)
            bytes += UInt64(copy.packet.size)
        }
    }

    // MARK: Serving

    /// Hands out what can go out, drops what must go.
    private mutating func serve(_ time: Instant, _ effects: inout [QuorumEffect]) {
        if rules.ttl != nil || head?.expiry ?? .max != .max {
            dropExpired(time, fresh: false, &effects)
        }
        while readyCount > 0, let taker = nextTaker() {
            guard let copy = take() else { break }
            send(copy, taker, &effects)
            if head?.expiry ?? .max != .max { dropExpired(time, fresh: false, &effects) }
        }
        keepLimits(&effects)
        if head?.expiry ?? .max != .max { dropExpired(time, fresh: true, &effects) }
    }

    private mutating func send(_ copy: Copy, _ taker: Int, _ effects: inout [QuorumEffect]) {
        let delivery = takers[taker].nextDelivery
        takers[taker].nextDelivery += 1
        let settled = takers[taker].settlesBySending
        if !settled {
            takers[taker].held.append(Held(delivery: delivery, copy: copy))
            heldCount += 1
        }
        effects.append(
            .sent(copy, takers[taker].party, delivery: delivery, settled: settled)
        )
        if takers[taker].hasRoom {
            rotation.append(taker)
        } else {
            takers[taker].inRotation = false
        }
    }

    /// - Source: RMQ-CONS-17 to -19; RMQ-QQ-22.
    private mutating func nextTaker() -> Int? {
        guard hasPriorities else {
            while let taker = rotation.popFirst() {
                if takers[taker].hasRoom { return taker }
                takers[taker].inRotation = false
            }
            return nil
        }
        var best = -1
        var index = 0
        while index < rotation.count {
            let taker = rotation[index]
            guard takers[taker].hasRoom else {
                takers[taker].inRotation = false
                rotation.remove(at: index)
                continue
            }
            if best < 0 || takers[taker].priority > takers[rotation[best]].priority {
                best = index
            }
            index += 1
        }
        return best < 0 ? nil : rotation.remove(at: best)
    }

    /// - Source: RMQ-QQ-14, -15.
    private mutating func keepLimits(_ effects: inout [QuorumEffect]) {
        guard rules.overflow == .dropHead, rules.maxLength != nil || rules.maxBytes != nil else {
            return
        }
        while readyCount > 0,
            UInt64(readyCount) > rules.maxLength ?? .max || bytes > rules.maxBytes ?? .max,
            let copy = take()
        {
            die(copy, .maxlen, .ready, &effects)
        }
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
        while let next = head, next.expiry <= time.nanoseconds,
            fresh || next.returns > 0 || next.expiry < time.nanoseconds, let copy = take()
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
        guard rules.deadLettersSafely, rules.deadLetterExchange != nil else {
            effects.append(.died(copy, reason, place))
            return
        }
        // RMQ-QQ-20: it stays until its targets have it.
        if place == .unacked {
            effects.append(.requeued(copy.packet.message, .keptForDeadLetter))
        }
        discards.append(Dead(copy: copy, reason: reason))
    }

    private mutating func purge(_ reason: DropReason, _ effects: inout [QuorumEffect]) -> Int {
        var count = 0
        while let copy = take() {
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
        for taker in takers.indices where !takers[taker].isGone {
            for held in takers[taker].held {
                effects.append(.dropped(held.copy.packet.message, .queueDeleted, .unacked))
            }
            heldCount -= takers[taker].held.count
            takers[taker].held = []
            if takers[taker].wantsMore { effects.append(.ended(takers[taker].party)) }
            takers[taker].wantsMore = false
            forget(taker)
        }
        order = []
        rotation.removeAll()
        active = -1
        return count
    }

    // MARK: Looking

    /// Every copy that is not with a consumer, the next to go out first.
    var presentCopies: [Copy] {
        Array(returned) + lanes.reversed().flatMap { $0 } + discards.map(\.copy)
    }

    /// Every copy that a consumer holds.
    var heldCopies: [(copy: Copy, party: QuorumEffect.Party)] {
        takers.filter { !$0.isGone }.flatMap { taker in
            taker.held.map { ($0.copy, taker.party) }
        }
    }

    /// What a consumer holds: it may not have arrived.
    func held(by client: UInt64, _ number: UInt32) -> Deque<Held> {
        taker(client, number).map { takers[$0].held } ?? []
    }

    /// The number of the last delivery to a consumer; nil if there is no such consumer.
    func lastDelivery(to client: UInt64, _ number: UInt32) -> UInt64? {
        taker(client, number).map { takers[$0].nextDelivery - 1 }
    }

    /// The last command of a client that was applied.
    func last(of client: UInt64) -> UInt64 {
        lastOf.first { $0.client == client }?.sequence ?? 0
    }

    /// The clients that have consumers here.
    var clients: Set<UInt64> { Set(takers.filter { !$0.isGone }.map(\.party.client)) }

    func parcels(_ holding: inout ParcelMarks) {
        for copy in presentCopies { holding.keep(copy.packet.parcel) }
        for held in heldCopies { holding.keep(held.copy.packet.parcel) }
    }

    func checkInvariants() {
        precondition(
            laneCount == lanes.reduce(0) { $0 + $1.count },
            "a quorum queue miscounts what is ready"
        )
        precondition(
            heldCount == takers.reduce(0) { $0 + $1.held.count },
            "a quorum queue miscounts what its consumers hold"
        )
        precondition(
            takers.allSatisfy { $0.prefetch == 0 || $0.held.count <= $0.prefetch || !$0.wantsMore },
            "a consumer of a quorum queue holds more than its prefetch"
        )
    }
}

/// Numbers of those who take from a quorum queue.
enum QuorumTaker {
    /// Marks a channel that fetches; the rest is the channel.
    static let fetching: UInt32 = 1 << 31
}
