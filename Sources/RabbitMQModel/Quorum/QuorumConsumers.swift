package import DequeModule
import WarrenKernel

/// The consumers of a quorum queue, and the channels that fetch from it: what each holds, who is served next, and of
/// those where only one is served, which.
///
/// It hands out what it is given, and keeps it until it is settled or comes back. Copies that come back are returned to
/// the caller, who knows where they go.
///
/// - Source: rabbit_fifo's `consumers`, `service_queue` and `waiting_consumers`; RMQ-CONS-17 to -19; RMQ-QQ-22, -28,
///   -33, -43, -48.
package struct QuorumConsumers: Sendable {
    package typealias Copy = QuorumQueue.Copy

    /// A copy in a consumer's hands.
    package struct Held: BitwiseCopyable, Sendable {
        package let delivery: UInt64
        package let copy: Copy
    }

    /// A consumer, or a channel that fetches.
    package struct Consumer: Sendable {
        package fileprivate(set) var party: QuorumEffect.Party
        fileprivate var prefetch: UInt32
        fileprivate var settlesBySending: Bool
        fileprivate var priority: Int64
        package fileprivate(set) var held = Deque<Held>()
        fileprivate var nextDelivery: UInt64 = 1
        fileprivate var inRotation = false
        fileprivate var wantsMore = true
        /// Whether its node is out of reach.
        fileprivate var isSuspect = false
        fileprivate(set) var isGone = false

        /// How many deliveries may be out to a consumer that says nothing of it: RMQ-QQ-48.
        private static let unlimited: UInt32 = 2000

        fileprivate init(_ command: QuorumCommand) {
            party = QuorumEffect.Party(
                client: command.client,
                number: command.consumer,
                peer: command.packet.c
            )
            prefetch = command.packet.d
            settlesBySending = command.packet.has(Flag.noAck)
            priority = Int64(bitPattern: command.packet.y)
        }

        fileprivate var hasRoom: Bool {
            wantsMore && !isSuspect && !isGone
                && held.count < (prefetch == 0 ? Self.unlimited : prefetch)
        }
    }

    /// The place of a consumer among all that there were; a place is given to another one in time.
    typealias Place = Index<Consumer>

    /// Whether only one consumer is served, and whether that is the one of the highest priority.
    private var isSingle: Bool
    private var honoursPriority: Bool
    private var consumers: Table<Consumer> = []
    /// Those that have room, the next one first.
    private var rotation = Deque<Place>()
    /// All that consume, the longest first.
    private var order: [Place] = []
    /// The one that is served where only one is, or none.
    private var active = Place.none
    private var hasPriorities = false
    /// How many copies are out.
    private(set) var heldCount = 0

    init(single isSingle: Bool, honoursPriority: Bool) {
        self.isSingle = isSingle
        self.honoursPriority = honoursPriority
    }

    /// Goes by other rules from now on.
    mutating func follow(single isSingle: Bool, honoursPriority: Bool) {
        self.isSingle = isSingle
        self.honoursPriority = honoursPriority
    }

    // MARK: Looking

    /// The place of a consumer of a client; nil if there is none.
    func place(_ client: UInt64, _ number: QuorumConsumerID) -> Place? {
        // By place: a row that is passed to a closure would be copied.
        for place in consumers.indices
        where consumers[place].party.number == number
            && consumers[place].party.client == client && !consumers[place].isGone
        {
            return place
        }
        return nil
    }

    /// Whom a place belongs to.
    func party(_ place: Place) -> QuorumEffect.Party { consumers[place].party }

    /// Those that are there.
    package var present: [Consumer] { consumers.filter { !$0.isGone } }

    /// The number of the last delivery to a consumer.
    func lastDelivery(_ place: Place) -> UInt64 { consumers[place].nextDelivery - 1 }

    /// What a consumer holds.
    func held(_ place: Place) -> Deque<Held> { consumers[place].held }

    /// Consumers as the broker counts them: those that hold something although they were cancelled, and each delivery
    /// that was fetched, are among them, those that wait for an active one to leave are not.
    ///
    /// - Source: RMQ-QQ-50; `rabbit_fifo:query_stat`.
    var count: Int {
        consumers.indices.reduce(0) { count, place in
            let one = consumers[place]
            if one.isGone { return count }
            if one.party.number.isFetching { return count + one.held.count }
            let counts = one.wantsMore ? !isSingle || place == active : !one.held.isEmpty
            return count + (counts ? 1 : 0)
        }
    }

    /// Whether somebody who is no federation link could take something.
    var couldTake: Bool { consumers.contains { $0.inRotation && $0.hasRoom && $0.priority >= 0 } }

    /// Whether somebody who can be reached consumes, or holds something.
    var areUsed: Bool {
        consumers.contains { !$0.isGone && !$0.isSuspect && ($0.wantsMore || !$0.held.isEmpty) }
    }

    // MARK: Coming

    /// A consumer begins, or goes on under its old tag with what it holds: RMQ-QQ-43.
    mutating func checkout(_ command: QuorumCommand) -> Place {
        let place = add(command)
        order.append(place)
        if consumers[place].priority != 0 { hasPriorities = true }
        guard isSingle else {
            offer(place)
            return place
        }
        if active == .none {
            active = place
            offer(place)
        } else if honoursPriority, consumers[place].priority > consumers[active].priority {
            // From 4.0 on a higher priority takes over at once; what the other holds stays with it.
            leaveRotation(active)
            active = place
            offer(place)
        }
        return place
    }

    private mutating func add(_ command: QuorumCommand) -> Place {
        let made = Consumer(command)
        if let old = place(command.client, command.consumer) {
            consumers[old].prefetch = made.prefetch
            consumers[old].settlesBySending = made.settlesBySending
            consumers[old].priority = made.priority
            consumers[old].wantsMore = true
            return old
        }
        guard let free = consumers.firstIndex(where: { $0.isGone }), !rotation.contains(free)
        else { return consumers.append(made) }
        consumers[free] = made
        return free
    }

    /// A channel fetches a copy, which it holds unless it settles it at once.
    ///
    /// - Returns: who fetched, and the number of the delivery.
    mutating func fetch(
        _ copy: Copy,
        by command: QuorumCommand
    ) -> (party: QuorumEffect.Party, delivery: UInt64, settled: Bool) {
        let place = place(command.client, command.consumer) ?? add(command)
        consumers[place].wantsMore = false
        let settled = command.packet.has(Flag.noAck)
        return (consumers[place].party, hand(copy, to: place, settled), settled)
    }

    // MARK: Serving

    /// A consumer may have room again.
    mutating func offer(_ place: Place) {
        assert(!consumers[place].isGone, "a consumer that is gone is offered something")
        guard !consumers[place].inRotation, consumers[place].hasRoom,
            !isSingle || place == active
        else { return }
        consumers[place].inRotation = true
        rotation.append(place)
    }

    /// The consumer that is served next, which leaves the rotation for that; nil if nobody has room.
    ///
    /// - Source: RMQ-CONS-17 to -19; RMQ-QQ-22.
    mutating func popNext() -> Place? {
        guard hasPriorities else {
            while let place = rotation.popFirst() {
                rotation.beginAnew()
                if consumers[place].hasRoom { return place }
                consumers[place].inRotation = false
            }
            return nil
        }
        var best: Int?
        var index = 0
        while index < rotation.count {
            let place = rotation[index]
            guard consumers[place].hasRoom else {
                consumers[place].inRotation = false
                rotation.remove(at: index)
                continue
            }
            if best.map({ consumers[place].priority > consumers[rotation[$0]].priority }) ?? true {
                best = index
            }
            index += 1
        }
        return best.map { rotation.remove(at: $0) }
    }

    /// A copy goes to the consumer that ``popNext()`` said, which is in the rotation again if it has room for more.
    ///
    /// - Returns: the number of the delivery, and whether it is settled by that.
    mutating func send(_ copy: Copy, to place: Place) -> (delivery: UInt64, settled: Bool) {
        assert(consumers[place].hasRoom, "a consumer gets more than it has room for")
        assert(!isSingle || place == active, "a consumer is served that waits for another one")
        let settled = consumers[place].settlesBySending
        let delivery = hand(copy, to: place, settled)
        if consumers[place].hasRoom {
            rotation.append(place)
        } else {
            consumers[place].inRotation = false
        }
        return (delivery, settled)
    }

    private mutating func hand(_ copy: Copy, to place: Place, _ settled: Bool) -> UInt64 {
        assert(!consumers[place].isGone, "a consumer that is gone gets a copy")
        assert(consumers[place].nextDelivery > 0, "deliveries are numbered from 1")
        assert(
            consumers[place].held.last.map { $0.delivery < consumers[place].nextDelivery } ?? true,
            "deliveries are not in order"
        )
        let delivery = consumers[place].nextDelivery
        consumers[place].nextDelivery += 1
        if !settled {
            consumers[place].held.append(Held(delivery: delivery, copy: copy))
            heldCount += 1
        }
        return delivery
    }

    // MARK: Settling

    /// A consumer is done with a delivery, or it is taken from it; nil if it does not hold it.
    mutating func take(_ delivery: UInt64, from place: Place) -> Held? {
        assert(!consumers[place].isGone, "a consumer that is gone settles something")
        if let first = consumers[place].held.first, first.delivery == delivery {
            heldCount -= 1
            consumers[place].held.removeFirst()
            consumers[place].held.beginAnew()
            return first
        }
        let held = consumers[place].held
        var low = 0
        var high = held.count
        while low < high {
            let middle = (low + high) / 2
            if held[middle].delivery < delivery { low = middle + 1 } else { high = middle }
        }
        guard low < held.count, held[low].delivery == delivery else { return nil }
        heldCount -= 1
        return consumers[place].held.remove(at: low)
    }

    /// Forgets a consumer that was cancelled and has settled its last delivery.
    ///
    /// - Returns: whether it was one.
    mutating func forgetIfDone(_ place: Place) -> Bool {
        assert(!consumers[place].isGone, "a consumer is forgotten twice")
        let one = consumers[place]
        guard !one.wantsMore, one.held.isEmpty, !one.inRotation, !one.party.number.isFetching
        else { return false }
        consumers[place].isGone = true
        return true
    }

    // MARK: Going

    /// A consumer wants nothing more; what it holds it keeps.
    ///
    /// - Returns: whether it consumed, and whether it is gone by that.
    mutating func stop(_ place: Place) -> (consumed: Bool, isGone: Bool) {
        assert(!consumers[place].isGone, "a consumer that is gone stops")
        guard consumers[place].wantsMore else { return (false, false) }
        consumers[place].wantsMore = false
        stepDown(place)
        guard consumers[place].held.isEmpty else { return (true, false) }
        consumers[place].isGone = true
        return (true, true)
    }

    /// A consumer is gone.
    ///
    /// - Returns: whether it consumed, and what it held, which comes back.
    mutating func leave(_ place: Place) -> (consumed: Bool, held: Deque<Held>) {
        assert(!consumers[place].isGone, "a consumer goes twice")
        let consumed = consumers[place].wantsMore
        consumers[place].wantsMore = false
        stepDown(place)
        let held = letGo(place)
        consumers[place].isGone = true
        return (consumed, held)
    }

    /// The consumers of a client, by their place.
    func places(of client: UInt64) -> [Place] {
        consumers.indices.filter { !consumers[$0].isGone && consumers[$0].party.client == client }
    }

    /// A consumer's node is out of reach: it stays in line, behind those that can be reached.
    ///
    /// - Returns: what it held, which comes back.
    mutating func suspect(_ place: Place) -> Deque<Held> {
        assert(!consumers[place].isGone, "a consumer that is gone is out of reach")
        consumers[place].isSuspect = true
        leaveRotation(place)
        return letGo(place)
    }

    /// Somebody else is served where only one is, if it was this one: what it held has come back.
    mutating func passOn(_ place: Place) {
        guard active == place else { return }
        order.removeAll { $0 == place }
        stepDown(place)
        order.append(place)
    }

    /// A consumer's node can be reached again.
    mutating func trust(_ place: Place) {
        guard consumers[place].isSuspect else { return }
        consumers[place].isSuspect = false
        offer(place)
    }

    /// All go at once.
    ///
    /// - Returns: each that was there, with what it held, and whether it consumed.
    mutating func removeAll() -> [(party: QuorumEffect.Party, held: Deque<Held>, consumed: Bool)] {
        var gone: [(party: QuorumEffect.Party, held: Deque<Held>, consumed: Bool)] = []
        for place in consumers.indices where !consumers[place].isGone {
            let held = letGo(place)
            gone.append((consumers[place].party, held, consumers[place].wantsMore))
            consumers[place].wantsMore = false
            consumers[place].isGone = true
        }
        order = []
        rotation.removeAll()
        active = .none
        return gone
    }

    private mutating func letGo(_ place: Place) -> Deque<Held> {
        let held = consumers[place].held
        consumers[place].held = []
        heldCount -= held.count
        return held
    }

    private mutating func leaveRotation(_ place: Place) {
        rotation.removeAll { $0 == place }
        consumers[place].inRotation = false
    }

    /// Takes a consumer out of the line, and lets the next one be active.
    private mutating func stepDown(_ place: Place) {
        order.removeAll { $0 == place }
        leaveRotation(place)
        guard active == place else { return }
        active = .none
        let candidates = order.filter { !consumers[$0].isSuspect }
        guard var next = candidates.first else { return }
        if honoursPriority {
            for other in candidates where consumers[other].priority > consumers[next].priority {
                next = other
            }
        }
        active = next
        offer(next)
    }

    /// What must hold after each command.
    func checkInvariants() {
        precondition(
            heldCount == consumers.reduce(0) { $0 + $1.held.count },
            "a quorum queue miscounts what its consumers hold"
        )
        precondition(
            rotation.allSatisfy { consumers[$0].inRotation },
            "a consumer of a quorum queue is in line and does not know it"
        )
        precondition(
            consumers.allSatisfy { !$0.isGone || $0.held.isEmpty },
            "a consumer of a quorum queue is gone, and holds something"
        )
        precondition(
            active == .none || order.contains(active),
            "the active consumer of a quorum queue does not consume"
        )
        precondition(
            consumers.allSatisfy { one in
                zip(one.held, one.held.dropFirst()).allSatisfy { $0.delivery < $1.delivery }
            },
            "deliveries of a quorum queue are not held in their order"
        )
    }
}
