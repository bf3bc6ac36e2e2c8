package import DequeModule
package import WarrenKernel
package import WarrenTrace

/// A quorum queue as each of its members has it: a pure machine of commands and effects.
///
/// The same commands make the same queue on every member. It knows no time but that of the batch, no
/// chance and no network.
///
/// - Source: rabbitmq-server `rabbit_fifo.erl`; RMQ-QQ-04 to -28, -32, -33.
/// - Differs: a delivery that is settled by sending is settled when the leader sends it.
package struct QuorumQueue: Sendable {
    /// A copy of a message.
    package struct Copy: BitwiseCopyable, Sendable {
        package var id: UInt64
        /// The publication.
        package var packet: Packet
        package var readySince: Instant
        /// When it expires, in nanoseconds; all ones for never.
        package var expiry: UInt64
        /// How often it came back.
        package var returns: UInt32 = 0
        package var priority: UInt8
        package var hasPriority: Bool
    }

    /// A copy in a consumer's hands.
    package struct Held: BitwiseCopyable, Sendable {
        package var delivery: UInt64
        package var copy: Copy
    }

    /// A consumer, or a channel that fetches.
    package struct Taker: Sendable {
        package var party: QuorumEffect.Party
        package var prefetch: UInt32
        package var settlesBySending: Bool
        package var priority: Int64
        package var held = Deque<Held>()
        package var nextDelivery: UInt64 = 1
        package var inRotation = false
        package var wantsMore = true
        /// Whether its node is out of reach.
        package var isSuspect = false
        package var isGone = false

        /// How many deliveries may be out to a consumer that says nothing of it: RMQ-QQ-48.
        static let unlimited: UInt32 = 2000

        package var hasRoom: Bool {
            wantsMore && !isSuspect && !isGone
                && held.count < (prefetch == 0 ? Self.unlimited : prefetch)
        }
    }

    /// A dead copy that waits for a target: RMQ-QQ-20.
    package struct Dead: BitwiseCopyable, Sendable {
        package var copy: Copy
        package var reason: DropReason
    }

    /// How full a queue that rejects publications is.
    ///
    /// It takes what comes all the same: publishers are told, and stop.
    ///
    /// - Source: RMQ-QQ-16, -46; `rabbit_fifo:evaluate_limit`.
    package enum Fullness: UInt8, Sendable {
        /// Below four fifths of its limits, or never above them.
        case open
        /// No longer above its limits: new publishers may begin, those that were stopped may not go on.
        case easing
        /// Above its limits.
        case full
    }

    package private(set) var rules: QueueRules
    package private(set) var fullness = Fullness.open
    /// Copies that came back, the next to go out first.
    private var returned = Deque<Copy>()
    /// Copies that were never out, by priority.
    private var lanes: [Deque<Copy>]
    private var laneCount = 0
    private var highServed = 0
    private var bytes: UInt64 = 0
    private var nextID: UInt64 = 1
    package private(set) var takers: [Taker] = []
    private var rotation = Deque<Int>()
    private var order: [Int] = []
    private var active = -1
    private var hasPriorities = false
    package private(set) var discards = Deque<Dead>()
    private var discardBytes: UInt64 = 0
    /// The last command of each client.
    private var lastOf: [(client: UInt64, sequence: UInt64)] = []
    private var heldCount = 0
    /// Whether it is gone, and only its members do not know yet.
    private var isDeleted = false
    private var honoursPriority: Bool

    /// When it was made, given other rules, fetched from, or left by a consumer: RMQ-QQ-49.
    private var lastActive: Instant

    package init(_ rules: QueueRules, honoursPriority: Bool, createdAt: Instant) {
        self.rules = rules
        lastActive = createdAt
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
    package var readyCount: Int { returned.count + laneCount }
    /// Copies with consumers.
    package var unackedCount: Int { heldCount }
    /// Consumers as the broker counts them: those that hold something although they were cancelled, and each delivery
    /// that was fetched, are among them, those that wait for an active one to leave are not.
    ///
    /// - Source: RMQ-QQ-50; `rabbit_fifo:query_stat`.
    package var consumerCount: Int {
        takers.enumerated().reduce(0) { count, taker in
            let (index, one) = taker
            if one.isGone { return count }
            if one.party.number & QuorumTaker.fetching != 0 { return count + one.held.count }
            let counts = one.wantsMore ? !rules.singleActive || index == active : !one.held.isEmpty
            return count + (counts ? 1 : 0)
        }
    }
    /// Everything but what consumers hold.
    package var presentCount: Int { readyCount + discards.count }

    /// Goes by other rules; the limits are looked at with the next command.
    package mutating func follow(_ configuration: QuorumConfiguration, at time: Instant) {
        if configuration.rules != rules { lastActive = time }
        rules = configuration.rules
        honoursPriority = configuration.honoursPriority
        guard lanes.count != Self.laneCount(rules) else { return }
        let waiting = lanes.flatMap { $0 }.sorted { $0.id < $1.id }
        lanes = Array(repeating: Deque(), count: Self.laneCount(rules))
        for copy in waiting { lanes[lane(of: copy)].append(copy) }
        highServed = 0
    }

    /// When the next copy expires, in nanoseconds; nil if none does.
    package var nextExpiry: UInt64? { head.flatMap { $0.expiry == .max ? nil : $0.expiry } }

    // MARK: Commands

    package mutating func apply(
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
            if let taker = taker(of: command) { stop(taker, time, &effects) }
        case .drop:
            if let taker = taker(of: command) {
                drop(taker, command, time, &effects)
            }
            if command.packet.has(QuorumCommand.more) { return }
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
                discardBytes -= UInt64(dead.copy.packet.size)
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

    /// - Source: RMQ-QQ-17.
    private mutating func enqueue(
        _ command: QuorumCommand,
        _ time: Instant,
        _ effects: inout [QuorumEffect]
    ) {
        guard !isDeleted else {
            effects.append(.missed(command.packet))
            return
        }
        effects.append(.routed(command.packet.message, bytes: command.packet.size))
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

    /// Notices whether it has become fuller or emptier than those who publish know.
    private mutating func tellFullness(_ effects: inout [QuorumEffect]) {
        guard rules.overflow == .rejectPublish, rules.maxLength != nil || rules.maxBytes != nil
        else { return }
        let (count, weight) = (UInt64(presentCount), bytes + discardBytes)
        let next: Fullness =
            if count > rules.maxLength ?? .max || weight > rules.maxBytes ?? .max {
                .full
            } else if fullness == .open
                || count <= Self.soft(rules.maxLength)
                    && weight <= Self.soft(rules.maxBytes)
            {
                .open
            } else {
                .easing
            }
        guard next != fullness else { return }
        fullness = next
        effects.append(.filled(next))
    }

    /// Four fifths of a limit.
    private static func soft(_ limit: UInt64?) -> UInt64 {
        limit.map { $0 / 5 * 4 + $0 % 5 * 4 / 5 } ?? .max
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
        // RMQ-QQ-43: under its old tag a consumer goes on with what it holds.
        if let old = self.taker(of: command) {
            takers[old].prefetch = taker.prefetch
            takers[old].settlesBySending = taker.settlesBySending
            takers[old].priority = taker.priority
            takers[old].wantsMore = true
            return old
        }
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
        lastActive = time
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
            forget(taker, time)
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
    private mutating func stop(
        _ taker: Int,
        _ time: Instant,
        _ effects: inout [QuorumEffect]
    ) {
        guard takers[taker].wantsMore else { return }
        takers[taker].wantsMore = false
        effects.append(.ended(takers[taker].party))
        step(down: taker)
        if takers[taker].held.isEmpty { forget(taker, time) }
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

    private mutating func forget(_ taker: Int, _ time: Instant) {
        takers[taker].isGone = true
        lastActive = time
    }

    /// Whether nobody has consumed from it, or fetched, for so long.
    ///
    /// - Source: RMQ-QQ-49; `rabbit_fifo:is_expired`.
    package func isUnused(for life: Interval, at time: Instant) -> Bool {
        let isUsed = takers.contains {
            !$0.isGone && !$0.isSuspect && ($0.wantsMore || !$0.held.isEmpty)
        }
        return !isUsed && time > lastActive + life
    }

    /// A channel is gone: a consumer of it, or one of its deliveries that were fetched.
    ///
    /// - Source: RMQ-QQ-44.
    private mutating func drop(
        _ taker: Int,
        _ command: QuorumCommand,
        _ time: Instant,
        _ effects: inout [QuorumEffect]
    ) {
        guard command.number > 0 else {
            leave(taker, .connectionClosed, time, &effects)
            return
        }
        guard let held = takeHeld(command.number, taker) else { return }
        comeBack(held.copy, .connectionClosed, time, &effects)
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
        forget(taker, time)
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
            lastActive = time
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
        tellFullness(&effects)
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
        var dying: [Copy] = []
        while readyCount > 0,
            UInt64(readyCount) > rules.maxLength ?? .max || bytes > rules.maxBytes ?? .max,
            let copy = take()
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
        discardBytes += UInt64(copy.packet.size)
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
        discardBytes = 0
        for taker in takers.indices where !takers[taker].isGone {
            for held in takers[taker].held {
                effects.append(.dropped(held.copy.packet.message, .queueDeleted, .unacked))
            }
            heldCount -= takers[taker].held.count
            takers[taker].held = []
            if takers[taker].wantsMore { effects.append(.ended(takers[taker].party)) }
            takers[taker].wantsMore = false
            takers[taker].isGone = true
        }
        order = []
        rotation.removeAll()
        active = -1
        return count
    }

    // MARK: Looking

    /// Every copy that is not with a consumer, the next to go out first.
    package var presentCopies: [Copy] {
        Array(returned) + lanes.reversed().flatMap { $0 } + discards.map(\.copy)
    }

    /// Every copy that a consumer holds.
    package var heldCopies: [(copy: Copy, party: QuorumEffect.Party)] {
        takers.filter { !$0.isGone }.flatMap { taker in
            taker.held.map { ($0.copy, taker.party) }
        }
    }

    /// What a consumer holds: it may not have arrived.
    package func held(by client: UInt64, _ number: UInt32) -> Deque<Held> {
        taker(client, number).map { takers[$0].held } ?? []
    }

    /// The number of the last delivery to a consumer; nil if there is no such consumer.
    package func lastDelivery(to client: UInt64, _ number: UInt32) -> UInt64? {
        taker(client, number).map { takers[$0].nextDelivery - 1 }
    }

    /// The last command of a client that was applied.
    package func last(of client: UInt64) -> UInt64 {
        lastOf.first { $0.client == client }?.sequence ?? 0
    }

    /// The clients that have consumers here.
    package var clients: Set<UInt64> { Set(takers.filter { !$0.isGone }.map(\.party.client)) }

    package func parcels(_ holding: inout ParcelMarks) {
        for copy in presentCopies { holding.keep(copy.packet.parcel) }
        for held in heldCopies { holding.keep(held.copy.packet.parcel) }
    }

    package func checkInvariants() {
        precondition(
            laneCount == lanes.reduce(0) { $0 + $1.count },
            "a quorum queue miscounts what is ready"
        )
        precondition(
            discardBytes == discards.reduce(0) { $0 + UInt64($1.copy.packet.size) },
            "a quorum queue miscounts what waits for its targets"
        )
        precondition(
            heldCount == takers.reduce(0) { $0 + $1.held.count },
            "a quorum queue miscounts what its consumers hold"
        )
        precondition(
            rotation.allSatisfy { takers[$0].inRotation },
            "a consumer of a quorum queue is in line and does not know it"
        )
    }
}

/// Numbers of those who take from a quorum queue.
package enum QuorumTaker {
    /// Marks a channel that fetches; the rest is the channel.
    package static let fetching: UInt32 = 1 << 31
}
