public import WarrenTrace

/// A whole simulation: machines, time, order, links, disks and chance, in one value.
///
/// The world pops the least `(time, tie, sequence)`, gives the machine its turn, then performs the
/// turn's effects in order. A copy of a world is a checkpoint of it; two worlds that were built alike
/// with the same seed live the same life.
///
///     var world = World(seed: 1)
///     let server = world.add("server") { _ in Server() }
///     world.boot()
///     while world.run(until: .never, facts: 1024) == .facts { digest(world.takeFacts()) }
public struct World: Sendable {
    /// Why ``run(until:facts:events:)`` came back.
    public enum Stop: Sendable, Hashable {
        /// Nothing is left to happen.
        case idle
        /// The next event lies beyond the given moment.
        case time
        /// As many facts as asked for wait to be taken.
        case facts
        /// As many events as asked for have been handled.
        case events
    }

    /// Makes the machine of a node at its first start and after each crash.
    public typealias Factory = @Sendable (NodeID) -> any Machine

    struct Node: Sendable {
        var name: Symbol
        var factory: Factory
        var disk = Disk()
        var diskLaw: Law
        var diskStream: StreamID
        var incarnation: UInt32 = 0
        var up = false
        var starts: UInt32 = 0
        var crashed = false
    }

    /// The moment of the last event.
    public var now: Instant { turn.now }
    /// How many events have been handled.
    public private(set) var eventCount: UInt64 = 0

    var turn: Turn
    var pending = PendingSet()
    var nodes: ContiguousArray<Node> = []
    var machines: ContiguousArray<any Machine> = []
    private var slab = PendingSlab()
    /// The slot of each timer of each node; `UInt32.max` before its first arming.
    private var timers: ContiguousArray<ContiguousArray<UInt32>> = []
    var links = Links()
    var actions: ContiguousArray<Action> = []
    /// Events that keep the run alive: all pending ones but stale and background ones.
    private var live = 0
    private var parcelLimit = 4096
    private var tieStream: StreamID?
    /// Runs `checkInvariants()` of the machine after each turn. For tests and searches.
    public var checksInvariants = false

    /// An empty world. Nodes are added, then ``boot()`` starts them.
    public init(seed: UInt64) { turn = Turn(seed: seed) }

    // MARK: Building

    /// Adds a node. `sync` is how long its disk takes to make a batch of writes safe.
    @discardableResult
    public mutating func add(
        _ name: String,
        scope: Symbol = .none,
        kind: NameKind = .node,
        sync: Law = .constant(.milliseconds(1)),
        _ factory: @escaping Factory
    ) -> NodeID {
        let node = NodeID(UInt32(nodes.count))
        let symbol = turn.names.intern(kind, name, in: scope)
        nodes.append(
            Node(
                name: symbol,
                factory: factory,
                diskLaw: sync,
                diskStream: turn.chance.stream("disk \(name)")
            )
        )
        machines.append(Absent())
        timers.append([])
        return node
    }

    /// Gives the table of names to whoever builds the world.
    public mutating func intern(_ kind: NameKind, _ text: String, in scope: Symbol = .none)
        -> Symbol
    { turn.names.intern(kind, text, in: scope) }

    /// The chance of the world, for those who build it.
    public mutating func withChance<Result>(_ body: (inout Chance) -> Result) -> Result {
        body(&turn.chance)
    }

    /// Keeps a parcel for those who build the world; it is never swept if a machine names it.
    public mutating func put(_ value: some Sendable) -> ParcelID { turn.parcels.put(value) }

    /// The delay of links that have no law of their own. Set it before nodes connect.
    public mutating func setLatency(_ law: Law) { links.defaultLaw = law }

    /// The delay from one node to another.
    public mutating func setLatency(_ law: Law, from: NodeID, to: NodeID) {
        links.setLaw(law, from: from, to: to)
    }

    /// Lets chance decide between events of the same moment, instead of their sequence.
    public mutating func shuffleTies() { tieStream = turn.chance.stream("ties") }

    /// Starts every node, in the order they were added, at the present moment.
    public mutating func boot() {
        for index in nodes.indices { start(NodeID(UInt32(index)), at: now) }
    }

    /// Starts one node at `moment`.
    public mutating func start(_ node: NodeID, at moment: Instant) {
        push(
            Pending(
                kind: .start,
                node: node.raw,
                generation: nodes[Int(node.raw)].incarnation,
                cause: turn.event
            ),
            at: moment.nanoseconds
        )
    }

    /// Plans an action of the operator.
    public mutating func plan(_ action: Action, at moment: Instant) {
        actions.append(action)
        push(
            Pending(
                kind: .action,
                node: .max,
                subject: UInt32(actions.count - 1),
                cause: 0
            ),
            at: max(moment, now).nanoseconds
        )
    }

    // MARK: Looking

    /// The names of the run.
    public var names: Names { turn.names }

    /// The chance of the run.
    public var chance: Chance { turn.chance }

    /// The name of a node.
    public func name(of node: NodeID) -> Symbol {
        Int(node.raw) < nodes.count ? nodes[Int(node.raw)].name : .none
    }

    /// How many nodes there are.
    public var nodeCount: Int { nodes.count }

    /// Whether a node is up.
    public func isUp(_ node: NodeID) -> Bool { nodes[Int(node.raw)].up }

    /// The machine of a node, to be looked at.
    public func machine(_ node: NodeID) -> any Machine { machines[Int(node.raw)] }

    /// How many messages were published.
    public var messageCount: UInt64 { turn.messageCount }

    /// What all machines that are up hold.
    public func inventory() -> Inventory {
        var report = Inventory()
        for index in machines.indices { machines[index].inventory(&report) }
        return report
    }

    /// What waits on the disk of a node, for machines that are down.
    public func diskRecords(of node: NodeID) -> [Disk.Record] { nodes[Int(node.raw)].disk.records }

    /// Copies of messages that are on the wire and nowhere else.
    public var copiesOnTheWire: UInt64 {
        var count: UInt64 = 0
        pending.forEach { stamp in
            let event = slab.rows[PendingSet.slot(of: stamp)]
            if event.kind == .packet, event.packet.custody != 0, reaches(event) { count += 1 }
        }
        return count
    }

    private func reaches(_ event: Pending) -> Bool {
        let connection = links.connections[Int(event.subject)]
        return event.variant == 0 ? connection.openB : connection.openA
    }

    /// Hands over the facts since the last call.
    public mutating func takeFacts() -> ContiguousArray<Fact> {
        var facts = ContiguousArray<Fact>()
        swap(&facts, &turn.facts)
        return facts
    }

    /// Lends the facts since the last call, then forgets them and keeps their room.
    public mutating func drainFacts(_ body: (UnsafeBufferPointer<Fact>) -> Void) {
        turn.facts.withUnsafeBufferPointer(body)
        turn.facts.removeAll(keepingCapacity: true)
    }

    // MARK: Running

    /// Handles events until one of the reasons of ``Stop`` holds.
    @discardableResult
    public mutating func run(
        until end: Instant = .never,
        facts factLimit: Int = .max,
        events eventLimit: UInt64 = .max
    ) -> Stop {
        var handled: UInt64 = 0
        while true {
            if turn.facts.count >= factLimit { return .facts }
            if handled >= eventLimit { return .events }
            guard live > 0, let time = pending.nextTime else {
                return .idle
            }
            guard time <= end.nanoseconds else { return .time }
            let counted = dispatch(pending.take().stamp, at: time)
            pending.settle()
            if counted { handled &+= 1 }
        }
    }

    /// Lets a port speak: `body` takes a turn as `node` at the present moment.
    ///
    /// This is how packets come from outside: a test, a socket, a person.
    public mutating func speak<Result>(as node: NodeID, _ body: (inout Turn) -> Result) -> Result {
        begin(node, at: now.nanoseconds, cause: 0)
        let result = body(&turn)
        perform(node)
        return result
    }

    /// Moves an idle world's clock forward, for a world that is paced from outside.
    public mutating func wait(until moment: Instant) {
        run(until: moment)
        if turn.now < moment { turn.now = moment }
    }

    /// Lets `body` change the machine of a node, if it is a `M`; for ports and tests.
    public mutating func with<M: Machine, Result>(
        _ node: NodeID,
        as type: M.Type,
        _ body: (inout M) -> Result
    ) -> Result? {
        guard var machine = machines[Int(node.raw)] as? M else { return nil }
        machines[Int(node.raw)] = Absent()
        let result = body(&machine)
        machines[Int(node.raw)] = machine
        return result
    }

    // MARK: The loop's parts

    @inline(__always)
    private mutating func begin(_ node: NodeID, at time: UInt64, cause: UInt64) {
        eventCount &+= 1
        turn.now = Instant(nanoseconds: time)
        turn.node = node
        turn.event = eventCount
        turn.cause = cause
    }

    @inline(__always)
    private mutating func handle(_ event: Event, _ node: NodeID) {
        machines[Int(node.raw)].handle(event, &turn)
        if checksInvariants { machines[Int(node.raw)].checkInvariants() }
        perform(node)
    }

    /// Gives one event to its machine; false if it had gone stale.
    @inline(__always)
    private mutating func dispatch(_ stamp: UInt64, at time: UInt64) -> Bool {
        let slot = PendingSet.slot(of: stamp)
        let node = NodeID(slab.rows[slot].node)
        switch slab.rows[slot].kind {
        case .timer:
            guard slab.rows[slot].stamp == stamp, slab.rows[slot].armed else { return false }
            slab.rows[slot].armed = false
            if !slab.rows[slot].background { live &-= 1 }
            begin(node, at: time, cause: slab.rows[slot].cause)
            handle(.rang(TimerID(slab.rows[slot].subject)), node)
            return true

        case .packet:
            live &-= 1
            let event = slab.rows[slot]
            slab.release(slot)
            guard reaches(event) else {
                lose(event, at: time)
                return false
            }
            begin(node, at: time, cause: event.cause)
            handle(.arrived(event.packet, on: ConnectionID(event.subject)), node)
            return true

        case .accepted, .connected, .closed, .stored, .action, .start:
            live &-= 1
            let event = slab.rows[slot]
            slab.release(slot)
            return dispatchRare(event, at: time)
        }
    }

    @inline(never)
    private mutating func dispatchRare(_ event: Pending, at time: UInt64) -> Bool {
        let node = NodeID(event.node)
        let connection = ConnectionID(event.subject)
        let index = Int(event.subject)
        switch event.kind {
        case .timer, .packet:
            preconditionFailure("the common events are handled in dispatch")

        case .accepted:
            guard links.connections[index].openA else { return false }
            begin(node, at: time, cause: event.cause)
            guard nodes[Int(node.raw)].up else {
                notify(.closed, links.connections[index].a, connection, variant: .refused)
                return true
            }
            links.connections[index].openB = true
            turn.record(
                .connectionOpened,
                peer: links.connections[index].a.raw,
                detail: UInt64(connection.raw)
            )
            notify(.connected, links.connections[index].a, connection, variant: .closed)
            handle(.accepted(connection, from: links.connections[index].a), node)
            return true

        case .connected:
            guard links.connections[index].openA else { return false }
            links.connections[index].established = true
            begin(node, at: time, cause: event.cause)
            handle(.connected(connection), node)
            return true

        case .closed:
            let isA = links.connections[index].a == node && event.generation == 0
            guard isA ? links.connections[index].openA : links.connections[index].openB else {
                return false
            }
            if isA {
                links.connections[index].openA = false
            } else {
                links.connections[index].openB = false
            }
            begin(node, at: time, cause: event.cause)
            let other = isA ? links.connections[index].b : links.connections[index].a
            turn.record(
                .connectionClosed,
                peer: other.raw,
                variant: event.variant,
                detail: UInt64(connection.raw)
            )
            handle(.closed(connection, Closure(rawValue: event.variant) ?? .reset), node)
            return true

        case .stored:
            guard event.generation == nodes[Int(node.raw)].incarnation else { return false }
            begin(node, at: time, cause: event.cause)
            if let write = nodes[Int(node.raw)].disk.finish() {
                handle(.stored(write), node)
            }
            startBatch(node)
            return true

        case .action:
            begin(.outside, at: time, cause: event.cause)
            perform(actions[index])
            return true

        case .start:
            guard !nodes[Int(node.raw)].up,
                event.generation == nodes[Int(node.raw)].incarnation
            else { return false }
            begin(node, at: time, cause: event.cause)
            startNow(node)
            return true
        }
    }

    private mutating func startNow(_ node: NodeID) {
        let index = Int(node.raw)
        let recovery = Recovery(
            first: nodes[index].starts == 0,
            crashed: nodes[index].crashed,
            records: nodes[index].disk.records
        )
        nodes[index].up = true
        nodes[index].starts += 1
        nodes[index].crashed = false
        machines[index] = nodes[index].factory(node)
        turn.record(.nodeStarted, variant: recovery.first ? 0 : 1)
        handle(.started(recovery), node)
    }

    @inline(__always)
    private mutating func push(_ event: Pending, at time: UInt64) {
        live &+= 1
        pending.add(slab.put(event), at: time, tie: tie())
    }

    @inline(__always)
    private mutating func tie() -> UInt64 {
        guard let tieStream else { return 0 }
        return turn.chance.below(4095, tieStream) &+ 1
    }

    /// Performs the effects of the turn that has just ended, in order.
    @inline(__always)
    private mutating func perform(_ node: NodeID) {
        let count = turn.effects.count
        var index = 0
        while index < count {
            switch turn.effects[index] {
            case .send(let packet, let connection):
                send(packet, on: connection, from: node)
            case .arm(let timer, let delay, let background):
                arm(timer, delay, background, node)
            case .disarm(let timer):
                disarm(timer, node)
            case .store, .erase, .connect, .close, .die:
                performRare(turn.effects[index], node)
            }
            index &+= 1
        }
        turn.effects.removeAll(keepingCapacity: true)
    }

    @inline(__always)
    private mutating func send(_ packet: Packet, on connection: ConnectionID, from node: NodeID) {
        let index = Int(connection.raw)
        let row = links.connections[index]
        let outward = row.a == node && row.openA
        let end = outward ? row.b : row.a
        guard outward || row.openB && row.b == node else {
            loseUnsent(packet)
            return
        }
        let drawn =
            turn.now.nanoseconds
            &+ links.delay(outward ? row.outward : row.homeward, &turn.chance)
        let time: UInt64
        if outward {
            time = max(drawn, row.lastOut)
            links.connections[index].lastOut = time
        } else {
            time = max(drawn, row.lastHome)
            links.connections[index].lastHome = time
        }
        push(
            Pending(
                kind: .packet,
                node: end.raw,
                subject: connection.raw,
                variant: outward ? 0 : 1,
                cause: turn.event,
                packet: packet
            ),
            at: time
        )
    }

    @inline(__always)
    private mutating func arm(
        _ timer: TimerID,
        _ delay: Interval,
        _ background: Bool,
        _ node: NodeID
    ) {
        let index = Int(timer.raw)
        if index >= timers[Int(node.raw)].count { growTimers(node, index) }
        var slot = timers[Int(node.raw)][index]
        if slot == .max {
            slot = slab.put(Pending(kind: .timer, node: node.raw, subject: timer.raw))
            timers[Int(node.raw)][index] = slot
        }
        let row = Int(slot)
        if slab.rows[row].armed && !slab.rows[row].background { live &-= 1 }
        if !background { live &+= 1 }
        slab.rows[row].armed = true
        slab.rows[row].background = background
        slab.rows[row].cause = turn.event
        slab.rows[row].stamp =
            pending.add(slot, at: (turn.now + delay).nanoseconds, tie: tie())
    }

    private mutating func growTimers(_ node: NodeID, _ index: Int) {
        let missing = index + 1 - timers[Int(node.raw)].count
        timers[Int(node.raw)].append(contentsOf: repeatElement(UInt32.max, count: missing))
    }

    private mutating func disarm(_ timer: TimerID, _ node: NodeID) {
        let index = Int(timer.raw)
        guard index < timers[Int(node.raw)].count else { return }
        let slot = timers[Int(node.raw)][index]
        guard slot != .max, slab.rows[Int(slot)].armed else { return }
        if !slab.rows[Int(slot)].background { live &-= 1 }
        slab.rows[Int(slot)].armed = false
    }

    @inline(never)
    private mutating func performRare(_ effect: Effect, _ node: NodeID) {
        switch effect {
        case .send, .arm, .disarm:
            preconditionFailure("the common effects are performed in perform")
        case .store(let packet, let key, let write):
            nodes[Int(node.raw)].disk.add(.put(key, packet, write))
            startBatch(node)
        case .erase(let key):
            nodes[Int(node.raw)].disk.add(.erase(key))
            startBatch(node)
        case .connect(let connection, let target):
            open(connection, from: node, to: target)
        case .close(let connection):
            close(connection, by: node)
        case .die(let downtime):
            crash(node)
            if let downtime { start(node, at: now + downtime) }
        }
    }

    private mutating func startBatch(_ node: NodeID) {
        guard nodes[Int(node.raw)].disk.begin() else { return }
        let delay = turn.chance.sample(nodes[Int(node.raw)].diskLaw, nodes[Int(node.raw)].diskStream)
        push(
            Pending(
                kind: .stored,
                node: node.raw,
                generation: nodes[Int(node.raw)].incarnation,
                cause: turn.event
            ),
            at: (turn.now + delay).nanoseconds
        )
    }

    // MARK: Connections

    private mutating func open(_ connection: ConnectionID, from: NodeID, to: NodeID) {
        precondition(Int(connection.raw) == links.connections.count, "connections open in order")
        let source = label(from)
        let target = label(to)
        let outward = links.link(
            from: from, to: to, &turn.chance, label: "delay \(source)→\(target)")
        let homeward = links.link(
            from: to, to: from, &turn.chance, label: "delay \(target)→\(source)")
        links.connections.append(
            Links.Connection(a: from, b: to, outward: outward, homeward: homeward)
        )
        notify(.accepted, to, connection, variant: .closed)
    }

    private func label(_ node: NodeID) -> String { turn.names[nodes[Int(node.raw)].name] }

    /// Schedules a word about a connection at one of its ends, behind what is on its way there.
    private mutating func notify(
        _ kind: Pending.Kind,
        _ node: NodeID,
        _ connection: ConnectionID,
        variant: Closure
    ) {
        let index = Int(connection.raw)
        let toB = kind == .accepted || (links.connections[index].b == node && kind != .connected)
        let row = toB ? links.connections[index].outward : links.connections[index].homeward
        let drawn = turn.now.nanoseconds + links.delay(row, &turn.chance)
        let time: UInt64
        if toB {
            time = max(drawn, links.connections[index].lastOut)
            links.connections[index].lastOut = time
        } else {
            time = max(drawn, links.connections[index].lastHome)
            links.connections[index].lastHome = time
        }
        push(
            Pending(
                kind: kind,
                node: node.raw,
                subject: connection.raw,
                generation: toB ? 1 : 0,
                variant: variant.rawValue,
                cause: turn.event
            ),
            at: time
        )
    }

    private mutating func close(_ connection: ConnectionID, by node: NodeID) {
        let index = Int(connection.raw)
        if links.connections[index].a == node, links.connections[index].openA {
            links.connections[index].openA = false
            notify(.closed, links.connections[index].b, connection, variant: .closed)
        } else if links.connections[index].b == node, links.connections[index].openB {
            links.connections[index].openB = false
            notify(.closed, links.connections[index].a, connection, variant: .closed)
        } else {
            return
        }
        turn.record(.connectionClosed, peer: UInt32.max, detail: UInt64(connection.raw))
    }

    /// A copy went down with its packet.
    private mutating func lose(_ event: Pending, at time: UInt64) {
        guard event.packet.custody != 0 else { return }
        begin(NodeID(event.node), at: time, cause: event.cause)
        loseUnsent(event.packet)
    }

    private mutating func loseUnsent(_ packet: Packet) {
        guard packet.custody != 0 else { return }
        turn.record(
            .messageDropped,
            message: packet.message,
            subject: packet.subject,
            variant: DropReason.connectionLost.rawValue,
            detail: CopyPlace.transit.rawValue
        )
    }

    // MARK: The operator

    private mutating func perform(_ action: Action) {
        switch action {
        case .crash(let node):
            crash(node)
        case .stop(let node):
            stop(node)
        case .start(let node):
            if !nodes[Int(node.raw)].up {
                turn.node = node
                startNow(node)
            }
        case .sever(let node):
            sever(node)
        case .slow(let node, let factor):
            links.slow(node, factor: factor)
            turn.node = node
            turn.record(.linkSlowed, detail: factor)
        case .slowBetween(let one, let other, let factor):
            links.slow(between: one, and: other, factor: factor)
            turn.node = one
            turn.record(.linkSlowed, peer: other.raw, detail: factor)
        case .order(let node, let packet):
            guard nodes[Int(node.raw)].up else { return }
            turn.node = node
            handle(.ordered(packet), node)
        case .mark(let kind, let number):
            turn.record(kind, detail: number)
        }
    }

    private mutating func crash(_ node: NodeID) {
        guard nodes[Int(node.raw)].up else { return }
        nodes[Int(node.raw)].disk.crash()
        turn.node = node
        turn.record(.nodeCrashed)
        let recovery = Recovery(
            first: false,
            crashed: true,
            records: nodes[Int(node.raw)].disk.records
        )
        machines[Int(node.raw)].perish(recovery, &turn)
        turn.effects.removeAll(keepingCapacity: true)
        nodes[Int(node.raw)].crashed = true
        goDown(node, .reset)
    }

    private mutating func stop(_ node: NodeID) {
        guard nodes[Int(node.raw)].up else { return }
        turn.node = node
        handle(.stopping, node)
        nodes[Int(node.raw)].disk.flush()
        turn.record(.nodeStopped)
        let recovery = Recovery(
            first: false,
            crashed: false,
            records: nodes[Int(node.raw)].disk.records
        )
        machines[Int(node.raw)].perish(recovery, &turn)
        turn.effects.removeAll(keepingCapacity: true)
        goDown(node, .closed)
    }

    private mutating func goDown(_ node: NodeID, _ closure: Closure) {
        let index = Int(node.raw)
        nodes[index].up = false
        nodes[index].incarnation += 1
        machines[index] = Absent()
        for timer in timers[index].indices { disarm(TimerID(UInt32(timer)), node) }
        for number in links.connections.indices {
            let connection = ConnectionID(UInt32(number))
            if links.connections[number].a == node, links.connections[number].openA {
                links.connections[number].openA = false
                notify(.closed, links.connections[number].b, connection, variant: closure)
            }
            if links.connections[number].b == node, links.connections[number].openB {
                links.connections[number].openB = false
                notify(.closed, links.connections[number].a, connection, variant: closure)
            }
        }
    }

    /// Resets every connection of a node: both ends hear of it, and what was on the wire is gone.
    private mutating func sever(_ node: NodeID) {
        for number in links.connections.indices {
            let row = links.connections[number]
            guard row.a == node || row.b == node, row.openA || row.openB else { continue }
            for (end, isB) in [(row.a, false), (row.b, true)] {
                push(
                    Pending(
                        kind: .closed,
                        node: end.raw,
                        subject: UInt32(number),
                        generation: isB ? 1 : 0,
                        variant: Closure.reset.rawValue,
                        cause: turn.event
                    ),
                    at: turn.now.nanoseconds
                )
            }
        }
    }

    // MARK: Parcels

    /// Frees the parcels that no machine, packet or disk holds. Called by whoever runs the world, at
    /// the same moments of every run; see ``parcelsAreMany``.
    public mutating func sweepParcels() {
        var marks = ParcelMarks(capacity: turn.parcels.capacity)
        for index in machines.indices { machines[index].parcels(&marks) }
        pending.forEach { marks.keep(slab.rows[PendingSet.slot(of: $0)].packet.parcel) }
        for node in nodes {
            for packet in node.disk.durable.values { marks.keep(packet.parcel) }
            for write in node.disk.waiting + node.disk.writing {
                if case .put(_, let packet, _) = write { marks.keep(packet.parcel) }
            }
        }
        for action in actions {
            if case .order(_, let packet) = action { marks.keep(packet.parcel) }
        }
        turn.parcels.sweep(keeping: marks.alive)
        parcelLimit = max(4096, turn.parcels.count * 2)
    }

    /// Whether a sweep is worth its time.
    public var parcelsAreMany: Bool { turn.parcels.count > parcelLimit }
}

/// The machine of a node that is down: nothing reaches it.
struct Absent: Machine {
    mutating func handle(_ event: Event, _ turn: inout Turn) {}
}
