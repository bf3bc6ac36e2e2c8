import DequeModule
import WarrenKernel
import WarrenTrace

/// Queues with rules: times to live, limits, priorities, one active consumer.
///
/// A plain queue never comes here.
extension RabbitMQNode {
    /// How many milliseconds a message may stay in a queue.
    ///
    /// - Source: RMQ-TTL-03.
    func timeToLive(_ message: MessageRow, _ queue: QueueIndex, _ turn: Turn) -> UInt64? {
        var life = queues[queue].rules.ttl
        if message.parcel != .none, let properties: Properties = turn.parcels.get(message.parcel),
            let own = properties.expiration.flatMap({ UInt64($0) })
        {
            life = min(life ?? own, own)
        }
        return life
    }

    /// Drops from the head what would be too much together with a message that is about to come.
    ///
    /// A priority queue sorts first and drops then; a message larger than the limit is dropped last.
    ///
    /// - Returns: whether it dropped anything.
    mutating func makeRoom(_ size: UInt32, _ queue: QueueIndex, _ turn: inout Turn) -> Bool {
        let rules = queues[queue].rules
        guard rules.overflow == .dropHead, rules.maxPriority == 0 else { return false }
        let before = queues[queue].readyCount
        while queues[queue].readyCount > 0,
            UInt64(queues[queue].readyCount) >= rules.maxLength ?? .max
                || queues[queue].readyBytes + UInt64(size) > rules.maxBytes ?? .max
        {
            let taken = takeReady(queue)
            leave(taken, queue, .maxlen, &turn)
        }
        return queues[queue].readyCount < before
    }

    /// Drops from the head until the queue fits its limits.
    ///
    /// - Returns: whether it dropped anything.
    /// - Source: RMQ-LEN-01 to -05, -10, -11; RMQ-PRIO-09; RMQ-QQ-14.
    @discardableResult
    mutating func keepLimits(_ queue: QueueIndex, _ turn: inout Turn) -> Bool {
        let rules = queues[queue].rules
        guard rules.overflow == .dropHead, rules.maxLength != nil || rules.maxBytes != nil else {
            return false
        }
        let before = queues[queue].readyCount
        while queues[queue].readyCount > 0,
            UInt64(queues[queue].readyCount) > rules.maxLength ?? .max
                || queues[queue].readyBytes > rules.maxBytes ?? .max
        {
            let taken = takeReady(queue)
            leave(taken, queue, .maxlen, &turn)
        }
        return queues[queue].readyCount < before
    }

    /// Takes expired copies off the head, in order, and sees to the next.
    ///
    /// - Source: RMQ-TTL-04, -05; RMQ-DLX-20; RMQ-PRIO-08; RMQ-QQ-17.
    mutating func dropExpired(_ queue: QueueIndex, _ turn: inout Turn) {
        while let head = queues[queue].head, let expiry = queues[queue].expiries[head.position],
            expiry <= clock(turn.now)
        {
            let taken = takeReady(queue)
            leave(taken, queue, .expired, &turn)
        }
        watchHead(queue, &turn)
    }

    /// Sets the timer for the head of a queue.
    private mutating func watchHead(_ queue: QueueIndex, _ turn: inout Turn) {
        let wakes = queues[queue].head.flatMap { queues[queue].expiries[$0.position] }
        guard wakes != queues[queue].wakesAt else { return }
        queues[queue].wakesAt = wakes
        if let wakes {
            let now = clock(turn.now)
            let wait = wakes > now ? wakes - now : .zero
            turn.arm(NodeTimer.expiry(ofQueue: queue), after: wait)
        } else {
            turn.disarm(NodeTimer.expiry(ofQueue: queue))
        }
    }

    /// Takes the next ready copy, and keeps the books.
    mutating func takeReady(_ queue: QueueIndex) -> ReturnedEntry {
        assert(queues[queue].readyCount > 0, "nothing is ready to be taken")
        let taken = queues[queue].takeAny()
        queues[queue].readyBytes -= min(
            queues[queue].readyBytes,
            UInt64(messages[taken.entry.row].size)
        )
        return taken
    }

    /// A ready copy leaves its queue for another one, or for good.
    private mutating func leave(
        _ taken: ReturnedEntry,
        _ queue: QueueIndex,
        _ reason: DropReason,
        _ turn: inout Turn
    ) {
        eraseIfStored(taken.entry.row, queue, taken.position, &turn)
        queues[queue].forget(taken.position)
        deadLetter(taken.entry.row, queue, reason, from: .ready, &turn)
    }

    // MARK: Delivering

    /// Sends ready copies to consumers, by their priority and in turn.
    mutating func dispatchByRules(_ queue: QueueIndex, _ turn: inout Turn) {
        assert(queues[queue].quorum == .none, "the leader serves the consumers of a quorum queue")
        if queues[queue].rules.kind == .stream {
            readLog(queue, &turn)
            return
        }
        if copies.homes.isBlocked(queue) { return }
        while queues[queue].readyCount > 0, let consumer = nextConsumer(queue) {
            let taken = takeReady(queue)
            queues[queue].send(to: consumer, holds: !consumers[consumer].noAck)
            deliver(taken, messages[taken.entry.row], queue, consumer, &turn)
            dropExpired(queue, &turn)
        }
    }

    /// The consumer whose turn it is, taken from the rotation.
    ///
    /// - Source: RMQ-CONS-17 to -19 (priorities), RMQ-CONS-32, -35 (single active consumer).
    private mutating func nextConsumer(_ queue: QueueIndex) -> ConsumerIndex? {
        while let first = queues[queue].rotation.first {
            var best = 0
            var highest = consumers[first].priority
            for (index, consumer) in queues[queue].rotation.enumerated()
            where consumers[consumer].priority > highest {
                best = index
                highest = consumers[consumer].priority
            }
            let consumer = queues[queue].rotation.remove(at: best)
            if hasRoom(consumer) { return consumer }
            suspend(consumer)
        }
        return nil
    }

    // MARK: Settling

    /// A copy of a queue with rules has done its work.
    mutating func finishByRules(_ delivery: Unacked, _ channel: ChannelIndex, _ turn: inout Turn) {
        let queue = delivery.queue
        guard delivery.isHere else {
            settleElsewhere(delivery, channel, .basicAck, requeue: false, &turn)
            return
        }
        let hasRoom = delivery.consumer != .none && consumers[delivery.consumer].settleOne()
        if queues[queue].rules.kind == .stream {
            // RMQ-STREAM-08: an ack only gives back credit.
            guard queues[queue].exists else { return }
            // Retention may have taken it since it was sent.
            let record = queues[queue].log?[delivery.position]
            turn.record(
                .recordSettled,
                message: record.map { messages[$0.row].message } ?? .none,
                subject: queues[queue].symbol,
                peer: channels[channel].peer.raw,
                detail: delivery.position
            )
            queues[queue].unackedCount -= 1
            if hasRoom { queues[queue].rotation.append(delivery.consumer) }
            readLog(queue, &turn)
            return
        }
        eraseIfStored(delivery.row, queue, delivery.position, &turn)
        let row = messages.release(delivery.row)
        guard queues[queue].exists else { return }
        turn.record(
            .deliveryAcked,
            message: row.message,
            subject: queues[queue].symbol,
            peer: channels[channel].peer.raw
        )
        queues[queue].forget(delivery.position)
        if queues[queue].settleOne(hasRoom ? delivery.consumer : .none) { dispatch(queue, &turn) }
    }

    /// Deliveries of one queue come back to it.
    ///
    /// - Source: RMQ-REQ-01, RMQ-PRIO-06, RMQ-TTL-08, RMQ-LEN-05.
    mutating func comeBack(
        _ entries: [ReturnedEntry],
        _ queue: QueueIndex,
        _ reason: ReturnReason,
        _ turn: inout Turn
    ) {
        assert(queues[queue].quorum == .none, "what comes back to a quorum queue comes by its log")
        if queues[queue].isPlain {
            queues[queue].putBack(entries)
            return
        }
        for entry in entries {
            queues[queue].readyBytes += UInt64(messages[entry.entry.row].size)
        }
        if queues[queue].rules.maxPriority > 0 {
            for entry in entries {
                queues[queue].putBack(entry, messages[entry.entry.row])
            }
        } else {
            queues[queue].putBack(entries)
        }
        keepLimits(queue, &turn)
        dropExpired(queue, &turn)
    }

    // MARK: Policies

    /// The rules of a queue as its virtual host has them now.
    func rules(for declaration: QueueDeclaration, _ scope: Symbol) -> QueueRules {
        let vhost = vhosts.first { $0.scope == scope }
        func policy(_ policies: [Policy]?) -> Policy? {
            Policy.effective(
                policies ?? [],
                declaration.name,
                .queue(declaration.type),
                settings.version
            )
        }
        var rules = QueueRules(
            declaration,
            policy: policy(vhost?.policies),
            operatorPolicy: policy(vhost?.operatorPolicies),
            version: settings.version
        )
        if !isClustered { rules.mirroring = nil }
        rules.hasCopies =
            rules.mirroring != nil || isClustered && rules.kind == .stream && rules.groupSize != 1
        return rules
    }

    /// The alternate exchange of an exchange: its argument, or its policy's.
    ///
    /// - Source: RMQ-POL-04, -11.
    func alternate(for declaration: ExchangeDeclaration, _ scope: Symbol) -> String? {
        if let own = declaration.alternate { return own }
        let policies = vhosts.first { $0.scope == scope }?.policies ?? []
        guard !policies.isEmpty else { return nil }
        return Policy.effective(policies, declaration.name, .exchange, settings.version)?[
            "alternate-exchange"
        ]?.text
    }

    /// Has everything in a virtual host look at its policies again.
    ///
    /// - Source: RMQ-POL-01, -02, -12.
    mutating func applyPolicies(_ scope: Symbol, _ turn: inout Turn) {
        router.forget()
        for queue in queues.indices where queues[queue].exists && queues[queue].scope == scope {
            let rules = rules(for: queues[queue].declaration, scope)
            guard rules != queues[queue].rules else { continue }
            let hadCopies = queues[queue].rules.hasCopies
            let oldLife = queues[queue].rules.expires
            queues[queue].follow(rules, bytes: weighReady(queue))
            if hadCopies != rules.hasCopies { rewrite(queue, &turn) }
            refreshMirrors(queue, &turn)
            let quorum = queues[queue].quorum
            if quorum != .none, quorums[quorum].hasMember {
                quorums.act(quorum) { member, _ in member.configure() }
                expire(quorum: quorum, &turn)
            } else if isHere(queue) {
                keepLimits(queue, &turn)
            }
            if rules.expires != oldLife { touch(queue, &turn) }
        }
        for exchange in exchanges.indices where exchanges[exchange].scope == scope {
            exchanges[exchange].alternate = alternate(
                for: exchanges[exchange].declaration,
                scope
            )
        }
    }

    /// The body bytes of what is ready in a queue.
    func weighReady(_ queue: QueueIndex) -> UInt64 {
        queues[queue].readyEntries.reduce(0) { $0 + UInt64(messages[$1.entry.row].size) }
    }

    // MARK: Queues that expire

    /// The queue was used: its clock starts anew.
    ///
    /// A quorum queue keeps its own.
    ///
    /// - Source: RMQ-DECL-48 to -52, -61; RMQ-QQ-49.
    mutating func touch(_ queue: QueueIndex, _ turn: inout Turn) {
        guard queues[queue].rules.expires != nil else { return }
        queues[queue].lastUse = turn.now
        watchExpires(queue, &turn)
    }

    /// How often the leader of a quorum queue looks whether it has expired.
    private static let quorumTick = Interval.seconds(5)

    func watchExpires(_ queue: QueueIndex, _ turn: inout Turn) {
        guard let life = queues[queue].rules.expires else { return }
        let timer = NodeTimer.end(ofQueue: queue)
        guard queues[queue].quorum != .none else {
            let end = queues[queue].lastUse + Interval.milliseconds(life)
            turn.arm(timer, after: end - turn.now, background: true)
            return
        }
        guard let member = quorums.member(of: queues[queue].quorum), member.isLeader else { return }
        let tick = Self.quorumTick.nanoseconds
        let age = (turn.now - member.startedAt).nanoseconds
        let wait = Interval(nanoseconds: tick - age % tick)
        turn.arm(timer, after: wait, background: true)
    }

    /// The clock of a queue ran out, unless it was used meanwhile.
    mutating func expireQueue(_ queue: QueueIndex, _ turn: inout Turn) {
        assert(queues[queue].exists, "a queue that is gone expires")
        guard queues[queue].exists, decides(queue), let life = queues[queue].rules.expires else {
            return
        }
        if queues[queue].quorum != .none {
            let machine = quorums.member(of: queues[queue].quorum)?.queue(turn.parcels)
            if machine?.isUnused(for: .milliseconds(life), at: clock(turn.now)) == true {
                dropQueue(queue, &turn)
            } else {
                watchExpires(queue, &turn)
            }
            return
        }
        guard counts(of: queue, turn.parcels).consumers == 0 else { return }
        let end = queues[queue].lastUse + Interval.milliseconds(life)
        if end <= turn.now { dropQueue(queue, &turn) } else { watchExpires(queue, &turn) }
    }
}

/// The timers of a node: three for each queue, behind those of the node itself.
enum NodeTimer {
    /// Looks for deliveries that were unacknowledged for too long.
    static let tick = TimerID(0)
    /// Cuts connections that were told nothing.
    static let silentClose = TimerID(1)
    /// Heartbeats.
    static let heartbeat = TimerID(2)
    /// Asks the targets of dead copies again.
    static let discards = TimerID(4)
    /// Looks at the memory.
    static let memory = TimerID(3)

    /// Says something to the peers, and looks who is silent.
    static let pulse = TimerID(5)
    /// The node has come up.
    static let boot = TimerID(6)
    /// Calls of other nodes have waited for too long.
    static let calls = TimerID(7)

    /// The sides of a partition have told of themselves.
    static let heal = TimerID(8)

    /// Nodes have been asked in vain for what an operator wants.
    static let orders = TimerID(9)

    /// Something is due at nodes that are being stopped.
    static let endings = TimerID(10)

    private static let firstOfQueues: UInt32 = 16

    /// What a timer of a queue is for; the one of elections also ends the waiting of a queue that has no home, or is being
    /// copied, or whose leader has asked another one to lead.
    enum OfQueue: UInt32 { case expiry, end, election, repetition }

    static func expiry(ofQueue queue: QueueIndex) -> TimerID { timer(queue, .expiry) }
    static func end(ofQueue queue: QueueIndex) -> TimerID { timer(queue, .end) }
    static func election(ofQueue queue: QueueIndex) -> TimerID { timer(queue, .election) }

    /// Channels say again what they have published.
    static func repetition(ofQueue queue: QueueIndex) -> TimerID { timer(queue, .repetition) }

    private static func timer(_ queue: QueueIndex, _ what: OfQueue) -> TimerID {
        TimerID(firstOfQueues + queue.wire * 4 + what.rawValue)
    }

    /// The queue of a timer, and what it is for; nil for the node's own.
    static func queue(of timer: TimerID) -> (queue: QueueIndex, what: OfQueue)? {
        guard timer.raw >= firstOfQueues else { return nil }
        let number = timer.raw - firstOfQueues
        return (Index(Int(number / 4)), OfQueue(rawValue: number % 4) ?? .expiry)
    }
}
