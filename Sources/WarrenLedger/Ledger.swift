public import WarrenTrace

/// The account of a run: a fold over its facts, the same for every broker and for a real one.
///
/// It knows nothing of the models. That is its use: at the end, what the facts add up to is held
/// against what the machines say they hold.
public struct Ledger: Sendable {
    /// The counters.
    public private(set) var totals = Totals()
    /// The queues that facts spoke of, in the order of their first fact.
    public internal(set) var queues: [QueueAccount] = []
    /// How many copies were dropped, by reason.
    public private(set) var drops = [UInt64](repeating: 0, count: 32)
    /// How many messages found nobody at all, by reason.
    public private(set) var unrouted = [UInt64](repeating: 0, count: 32)
    /// How many pieces of work went wrong, by ``WorkFailure``.
    public private(set) var failures = [UInt64](repeating: 0, count: 8)
    /// Facts that fit no copy that the ledger knew of: always a bug of a model.
    public private(set) var misfits: UInt64 = 0
    /// The first of them.
    public private(set) var firstMisfit: Fact?
    /// How many facts.
    public private(set) var factCount: UInt64 = 0
    /// When the last fact happened.
    public private(set) var now = Instant.zero
    /// When the last message was published or the last fault began or ended.
    public private(set) var lastStir = Instant.zero
    /// From request to answer, by caller; from publication to confirm, by node; work, by client.
    public private(set) var roundTrips: [Symbol: Series] = [:]
    public private(set) var confirmWaits: [NodeID: Series] = [:]
    public private(set) var work: [Symbol: Series] = [:]
    /// The fingerprint of all facts so far.
    public private(set) var digest = Digest()

    /// Looked up by name, and never gone through.
    private var logs: [Symbol: LogAccount] = [:]
    var queueOf: ContiguousArray<Int32> = []
    private var fates = Fates()
    /// Who leads what, and what each of several masters of a queue has.
    public internal(set) var masters = Masters()
    /// The most that a queue held before copies came back to life.
    var mostBefore: UInt64 = 0

    /// The expectations that are watched while the run goes on.
    public internal(set) var watch: Watch
    private let isWatching: Bool
    private let wantsSeries: Bool
    /// What happened beside the messages.
    public private(set) var chronicle = Chronicle()
    /// Dead letters that go round without anything else coming of it.
    public private(set) var circle = Circle()

    /// An account that looks at what `watch` asks for while the run goes on.
    ///
    /// Round trips, confirm waits and work are kept by client only if an expectation asks for one.
    public init(watch: Watch = Watch()) {
        self.watch = watch
        chronicle.setClients(watch.clientOfNode)
        isWatching = watch.isActive
        wantsSeries = watch.wantsSeries
    }

    /// An account that goes on from what queues held at a moment: only they, and the three sums, know what was before.
    package init(
        resuming accounts: [QueueAccount],
        published: UInt64,
        acked: UInt64,
        dropped: UInt64
    ) {
        self.init()
        for account in accounts {
            _ = addQueue(account.symbol)
            queues[queues.count - 1] = account
        }
        totals.published = published
        totals.acked = acked
        totals.dropped = dropped
    }

    /// Lends the texts of names, for expectations about keys, until they are taken back.
    public mutating func lend(_ names: Names?) { watch.names = names }

    /// Takes in facts, in their order.
    public mutating func take(_ facts: UnsafeBufferPointer<Fact>) {
        var sum = digest
        for fact in facts { sum.add(fact) }
        digest = sum
        guard !isWatching else { return takeWatched(facts) }
        var next = 0
        while next < facts.count {
            // What two masters have is told apart fact by fact.
            if masters.sides.isEmpty { next = takeCommon(facts, from: next) }
            guard next < facts.count else { break }
            fold(facts[next])
            next += 1
        }
    }

    /// Takes in facts one by one, and lets the watch look at the ledger, which does not hold it meanwhile.
    private mutating func takeWatched(_ facts: UnsafeBufferPointer<Fact>) {
        var looking = Watch()
        swap(&looking, &watch)
        for fact in facts {
            fold(fact)
            looking.take(fact, &self)
        }
        swap(&looking, &watch)
    }

    /// Takes in facts of the common kinds about queues that are known, up to the first that is not one.
    ///
    /// - Returns: its index.
    private mutating func takeCommon(_ facts: UnsafeBufferPointer<Fact>, from start: Int) -> Int {
        var next = start
        var sums = totals
        let queueOf = queueOf
        let hasRelays = fates.hasRelays
        queues.withUnsafeMutableBufferPointer { queues in
            fates.withRows { fates in
                loop: while next < facts.count {
                    let fact = facts[next]
                    let message = Int(fact.message.raw)
                    guard message < fates.count else { break }
                    if fact.kind == .messagePublished {
                        sums.published &+= 1
                        sums.askedConfirm &+= UInt64(fact.variant & 1)
                        lastStir = fact.time
                        next &+= 1
                        continue
                    }
                    let raw = Int(fact.subject.raw)
                    guard raw < queueOf.count, queueOf[raw] >= 0 else {
                        guard fact.kind == .messageConfirmed, !wantsSeries else { break }
                        sums.confirmed &+= 1
                        Fates.confirm(&fates[message])
                        next &+= 1
                        continue
                    }
                    let index = Int(queueOf[raw])
                    switch fact.kind {
                    case .messageRouted:
                        guard fact.variant == 0 else { break loop }
                        sums.routedCopies &+= 1
                        Fates.addCopy(&fates[message])
                        queues[index].add(fact.time)
                    case .deliverySent:
                        guard fact.variant & 2 == 0, queues[index].remove(fact.time) else {
                            break loop
                        }
                        sums.delivered &+= 1
                        sums.redelivered &+= UInt64(fact.variant & 1)
                        queues[index].delivered &+= 1
                        queues[index].wait.add(fact.detail)
                        queues[index].unacked &+= 1
                        Fates.deliver(&fates[message])
                    case .deliveryAcked:
                        guard queues[index].unacked > 0, !hasRelays else { break loop }
                        sums.acked &+= 1
                        Fates.removeCopy(&fates[message])
                        Fates.explain(&fates[message])
                        queues[index].unacked &-= 1
                    case .messageHandled:
                        guard fact.variant & 1 == 0, !wantsSeries, Fates.work(&fates[message])
                        else { break loop }
                        Fates.explain(&fates[message])
                        sums.handled &+= 1
                    default:
                        break loop
                    }
                    next &+= 1
                }
            }
        }
        totals = sums
        if next > start {
            factCount &+= UInt64(next - start)
            now = facts[next - 1].time
        }
        return next
    }

    /// Takes in one fact.
    ///
    /// The digest is that of the facts that came as buffers.
    public mutating func take(_ fact: Fact) {
        fold(fact)
        guard isWatching else { return }
        var looking = Watch()
        swap(&looking, &watch)
        looking.take(fact, &self)
        swap(&looking, &watch)
    }

    private mutating func fold(_ fact: Fact) {
        guard !masters.sides.isEmpty, masters.sides[fact.subject] != nil else { return add(fact) }
        let index = queue(fact)
        let before = queues[index].depth
        add(fact)
        let change = Int(queues[index].depth) - Int(before)
        masters.change(fact.subject, at: fact.node.raw, by: change)
        if masters.sides[fact.subject] == nil { return queues[index].unite() }
        noteSides(of: fact.subject)
    }

    private mutating func add(_ fact: Fact) {
        factCount &+= 1
        now = fact.time
        fates.take(fact)
        switch fact.kind {
        case .messageRouted:
            totals.routedCopies &+= 1
            let index = queue(fact)
            switch fact.variant {
            case 0: queues[index].add(fact.time)
            case 2:
                queues[index].add(fact.time)
                changeLog(fact.subject) { $0.append() }
            default: break
            }
        case .deliverySent:
            totals.delivered &+= 1
            totals.redelivered &+= UInt64(fact.variant & 1)
            send(fact)
        case .deliveryAcked:
            totals.acked &+= 1
            settle(fact)
        case .messageHandled:
            handle(fact)
        case .messagePublished:
            totals.published &+= 1
            totals.askedConfirm &+= UInt64(fact.variant & 1)
            lastStir = fact.time
        default:
            takeRare(fact)
        }
    }

    private mutating func queue(_ fact: Fact) -> Int {
        let raw = Int(fact.subject.raw)
        if raw < queueOf.count, queueOf[raw] >= 0 { return Int(queueOf[raw]) }
        return addQueue(fact.subject)
    }

    private mutating func addQueue(_ symbol: Symbol) -> Int {
        while queueOf.count <= Int(symbol.raw) { queueOf.append(-1) }
        queueOf[Int(symbol.raw)] = Int32(queues.count)
        queues.append(QueueAccount(symbol: symbol))
        return queues.count - 1
    }

    /// The account of a queue, if any fact spoke of it.
    public func account(of symbol: Symbol) -> QueueAccount? {
        let raw = Int(symbol.raw)
        guard raw < queueOf.count, queueOf[raw] >= 0 else { return nil }
        return queues[Int(queueOf[raw])]
    }

    /// How many messages lie in a queue, and how many are unacknowledged.
    package mutating func held(in symbol: Symbol) -> (depth: UInt64, unacked: UInt64) {
        let raw = Int(symbol.raw)
        guard raw < queueOf.count, queueOf[raw] >= 0 else { return (0, 0) }
        let index = Int(queueOf[raw])
        return (queues[index].depth, queues[index].unacked)
    }

    /// What is kept of a log; nil if no fact spoke of it as one.
    public func log(of symbol: Symbol) -> LogAccount? { logs[symbol] }

    private mutating func changeLog(_ symbol: Symbol, _ body: (inout LogAccount) -> Void) {
        body(&logs[symbol, default: LogAccount()])
        if Int(symbol.raw) >= queueOf.count || queueOf[Int(symbol.raw)] < 0 { _ = addQueue(symbol) }
        queues[Int(queueOf[Int(symbol.raw)])].isLog = true
    }

    private mutating func send(_ fact: Fact) {
        let index = queue(fact)
        if !queues[index].remove(fact.time) { misfit(fact) }
        queues[index].delivered &+= 1
        queues[index].wait.add(fact.detail)
        if fact.variant & 2 == 0 {
            queues[index].unacked &+= 1
        } else {
            queues[index].transit &+= 1
        }
    }

    private mutating func settle(_ fact: Fact) {
        let index = queue(fact)
        if queues[index].unacked > 0 {
            queues[index].unacked &-= 1
        } else {
            misfit(fact)
        }
    }

    private mutating func handle(_ fact: Fact) {
        totals.handled &+= 1
        if fact.variant & 1 == 1 {
            totals.handledSettled &+= 1
            let index = queue(fact)
            if queues[index].transit > 0 {
                queues[index].transit &-= 1
            } else {
                misfit(fact)
            }
        }
        if wantsSeries { work[Symbol(fact.peer), default: Series()].add(fact.detail) }
    }

    /// A message goes to another broker; where it comes from it may be gone with that.
    private mutating func relay(_ fact: Fact) {
        totals.relayed += 1
        guard fact.variant & 1 == 1 else { return }
        totals.relayedSettled += 1
        let raw = Int(fact.peer)
        guard raw < queueOf.count, queueOf[raw] >= 0, queues[Int(queueOf[raw])].transit > 0 else {
            return misfit(fact)
        }
        queues[Int(queueOf[raw])].transit -= 1
    }

    private mutating func misfit(_ fact: Fact) {
        misfits += 1
        if firstMisfit == nil { firstMisfit = fact }
    }

    private mutating func takeRare(_ fact: Fact) {
        chronicle.take(fact)
        switch fact.kind {
        case .messageDerived: totals.derived += 1
        case .messageRelayed: relay(fact)
        case .messageConfirmed:
            totals.confirmed += 1
            if wantsSeries { confirmWaits[fact.node, default: Series()].add(fact.detail) }
        case .messageNacked: totals.nacked += 1
        case .messageReturned: totals.returned += 1
        case .messageUnknown: totals.gaveUp += 1
        case .messageRetried: totals.retried += 1
        case .messageUnroutable:
            totals.unroutable += 1
            unrouted[Int(fact.variant & 31)] += 1
        case .deliveryRequeued:
            totals.requeued += 1
            settle(fact)
            queues[queue(fact)].add(fact.time)
        case .deliveryRejected: totals.rejected += 1
        case .messageDeadLettered:
            totals.deadLettered += 1
            circle.take(fact, progress: totals.published &+ totals.handled &+ totals.dropped)
            if fact.variant & 63 == DropReason.expired.rawValue { totals.expired += 1 }
            leave(
                fact,
                fact.variant & 128 != 0 ? .unacked : fact.variant & 64 != 0 ? .door : .ready
            )
        case .messageDropped:
            totals.dropped += 1
            drops[Int(fact.variant & 31)] += 1
            if fact.variant == DropReason.expired.rawValue { totals.expired += 1 }
            leave(fact, CopyPlace(rawValue: fact.detail) ?? .ready)
            if logs[fact.subject]?.remove(DropReason(rawValue: fact.variant)) == false {
                misfit(fact)
            }
        case .workFailed: failures[Int(fact.variant & 7)] += 1
        case .effectApplied: totals.effects += 1
        case .callStarted:
            totals.calls += 1
        case .callAnswered:
            totals.answered += 1
            if wantsSeries { roundTrips[Symbol(fact.peer), default: Series()].add(fact.detail) }
        case .callFailed: totals.callsFailed += 1
        case .errorRaised: totals.errors += 1
        case .faultBegan, .faultEnded: lastStir = fact.time
        case .faultMissed: totals.missedFaults += 1
        case .queueDeclared:
            _ = queue(fact)
            takeMasters(fact)
        case .queueDeleted: logs[fact.subject]?.delete()
        case .consumerStarted where fact.variant == 1:
            changeLog(fact.subject) { $0.begin(NodeID(fact.peer), at: fact.detail) }
        case .consumerEnded: logs[fact.subject]?.end(NodeID(fact.peer))
        case .recordRead:
            totals.recordsRead += 1
            logs[fact.subject]?.read(NodeID(fact.peer), fact.detail)
        case .recordSettled: logs[fact.subject]?.settle(NodeID(fact.peer), fact.detail)
        case .messageRecovered where fact.variant == 1:
            totals.resurrected += 1
            totals.routedCopies += 1
            if masters.isFirstBack(fact) { mostBefore = queues[queue(fact)].depthMax }
            queues[queue(fact)].add(fact.time)
            logs[fact.subject]?.append()
            takeMasters(fact)
        case .nodeStarted, .nodeCrashed, .nodeStopped, .nodeYielded, .leaderElected,
            .mirrorPromoted:
            takeMasters(fact)
        case .connectionOpened, .connectionClosed,
            .linkCut, .linkMended, .linkDisturbed, .nodeFrozen, .nodeThawed, .diskSlowed,
            .diskFilled, .peerLost, .peerFound, .nodePaused, .mirrorSynchronised, .clockJumped,
            .nodeJoined,
            .linkSlowed, .workSlowed, .alarmRaised, .alarmCleared, .channelOpened,
            .channelClosed, .bindingCreated, .bindingDeleted, .methodReceived,
            .relayWanted, .relayStarted, .relayStopped, .memberAdded, .memberDeleted,
            .snapshotInstalled, .stepBegan,
            .publishFailed, .consumerStarted, .queuePurged, .messageRecovered,
            .effectSkipped,
            .answerDiscarded:
            break
        case .messageRouted, .deliverySent, .deliveryAcked, .messageHandled, .messagePublished:
            preconditionFailure("the common facts are taken in take")
        }
    }

    private mutating func leave(_ fact: Fact, _ place: CopyPlace) {
        let index = queue(fact)
        switch place {
        case .ready:
            if !queues[index].remove(fact.time) { misfit(fact) }
        case .unacked:
            settle(fact)
        case .door:
            break
        case .transit:
            if queues[index].transit > 0 { queues[index].transit -= 1 } else { misfit(fact) }
        }
    }

    // MARK: The balance

    /// Copies that are still somewhere.
    public var remaining: UInt64 {
        queues.reduce(0) { $0 + $1.depth + $1.unacked + $1.transit }
    }

    /// Messages that were confirmed, and of which no copy is anywhere, although nobody had one and no rule took
    /// one away: what a publisher was promised and will not get.
    public var lost: UInt64 { fates.lost.count }

    /// The first message that is lost; none if none is.
    public var firstLost: MessageID { fates.lost.first }

    /// Whether a message is lost.
    public func isLost(_ message: MessageID) -> Bool { fates.isLost(message) }

    /// Pieces of work that no delivery explains: always a bug of a model; and the first message of them.
    public var phantoms: (count: UInt64, first: MessageID) {
        (fates.phantoms, fates.firstPhantom)
    }

    /// Publications of which nobody knows what became: without a confirm, or given up.
    public var unknown: UInt64 {
        let known = totals.confirmed + totals.nacked + totals.returned
        return totals.published - min(known, totals.published)
    }

    /// Copies that came to be and of which the facts do not say what became.
    public var unaccounted: UInt64 {
        let ended =
            totals.acked + totals.handledSettled + totals.relayedSettled + totals.deadLettered
            + totals.dropped + remaining
        return ended > totals.routedCopies
            ? ended - totals.routedCopies : totals.routedCopies - ended
    }
}
