public import WarrenTrace

/// A whole simulation: machines, time, order, links, disks and chance, in one value.
///
/// The world pops the least `(time, tie, sequence)`, gives the machine its turn, then performs the
/// turn's effects in order. A copy of a world is a checkpoint of it; two worlds that were built alike
/// with the same seed live the same life. Copies share their storage until one of them lives on. A
/// world belongs to one thread at a time; a task that wants one builds it or is handed it whole.
///
///     var world = World(seed: 1)
///     let server = world.add("server") { _ in Server() }
///     world.boot()
///     while world.run(until: .never, facts: 1024) == .facts { digest(world.takeFacts()) }
public struct World {
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
        /// A node has several things before it, and nobody has said which goes first; see ``World/choose(_:asks:)``.
        case choice
    }

    /// Makes the machine of a node at its first start and after each crash.
    public typealias Factory = @Sendable (NodeID) -> any Machine

    struct Node {
        var name: Symbol
        var factory: Factory
        var up = false
        var starts: UInt32 = 0
        var crashed = false
        /// The data directory in use, and those that lie aside.
        var directory: UInt32 = 0
        var aside: [UInt32: Disk] = [:]
        /// Whether the next start finds an empty directory.
        var isEmpty = true
        /// Whether each start finds an empty directory.
        var forgets = false
        /// Whether it leaves its directory behind when it goes down.
        var leaves = false
        /// What the operator told it while it was down.
        var configuration: Packet?
        /// The nodes of its process, in the order in which they start; itself alone, if empty.
        var process: [NodeID] = []

        /// Whether nobody finds again what its disk holds.
        var losesDisk: Bool { forgets || leaves }
    }

    /// The moment of the last event.
    public var now: Instant { turn.now }
    /// Whose turn the last event was.
    public var lastNode: NodeID { turn.node }
    /// How many events have been handled.
    public private(set) var eventCount: UInt64 = 0

    var turn: Turn
    var nodes: ContiguousArray<Node> = []
    var actions: ContiguousArray<Action> = []
    var choices: Choices?
    var parcelLimit = 4096
    /// How many parcels there were when the world was booted: machines that start anew name them again.
    var parcelsOfBuilders = 0
    /// Whether the world lives on for background timers alone, as a clock does.
    public var runsInBackground = false
    /// Runs `checkInvariants()` of the machine after each turn.
    ///
    /// For tests and searches.
    public var checksInvariants = false

    /// An empty world.
    ///
    /// Nodes are added, then ``boot()`` starts them.
    public init(seed: UInt64) { turn = Turn(seed: seed) }

    // MARK: Looking

    /// Whether something is left to happen, clocks that tick by themselves aside.
    package var isBusy: Bool { turn.agenda.pointee.live > 0 }

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
    public func machine(_ node: NodeID) -> any Machine {
        turn.owner.machines[Int(node.raw)].machine
    }

    /// How many messages were published.
    public var messageCount: UInt64 { turn.messageCount }

    /// A parcel, to be looked at.
    public func parcel<Value: Sendable>(_ id: ParcelID, as type: Value.Type = Value.self) -> Value?
    {
        turn.parcels.get(id)
    }

    /// What all machines hold, and what lies on the disks of those that are down.
    public func inventory() -> Inventory {
        var report = Inventory(turn.parcels)
        for index in nodes.indices {
            if nodes[index].up {
                turn.owner.machines[index].machine.inventory(&report)
            } else if nodes[index].starts > 0, !nodes[index].forgets {
                let fresh = nodes[index].factory(NodeID(UInt32(index)))
                fresh.inventory(onDisk: turn.disks[index].records, &report)
            }
        }
        turn.outside.inventory(&report)
        report.joinReplicas(turn.outside)
        return report
    }

    /// What waits on the disk of a node, for machines that are down.
    public func diskRecords(of node: NodeID) -> [Disk.Record] { turn.disks[Int(node.raw)].records }

    /// Copies of messages that are on the wire and nowhere else.
    ///
    /// Those on their way to an end that is closed are among them: that they are gone is said when they arrive.
    public var copiesOnTheWire: UInt64 {
        var count: UInt64 = 0
        turn.agenda.pointee.pending.forEach { stamp in
            let event = turn.agenda.pointee.slab.rows[PendingSet.slot(of: stamp)]
            if event.kind == .packet, event.packet.custody == 1 { count += 1 }
        }
        for stall in turn.links.stalls.values {
            count += UInt64(stall.events.count { $0.kind == .packet && $0.packet.custody == 1 })
        }
        return count
    }

    /// Hands over the facts since the last call.
    public mutating func takeFacts() -> ContiguousArray<Fact> {
        var taken = ContiguousArray<Fact>()
        drainFacts { taken.append(contentsOf: $0) }
        return taken
    }

    /// Lends the facts since the last call, then forgets them and keeps their room.
    public mutating func drainFacts(_ body: (UnsafeBufferPointer<Fact>) -> Void) {
        turn.own()
        body(
            UnsafeBufferPointer(
                start: turn.agenda.pointee.facts.base,
                count: turn.agenda.pointee.facts.count
            )
        )
        turn.agenda.pointee.facts.removeAll()
    }

    // MARK: Running

    /// Handles events until one of the reasons of ``Stop`` holds.
    @discardableResult
    public mutating func run(
        until end: Instant = .never,
        facts factLimit: Int = .max,
        events eventLimit: UInt64 = .max
    ) -> Stop {
        turn.own()
        if choices != nil { return runChoosing(until: end, facts: factLimit, events: eventLimit) }
        var handled: UInt64 = 0
        while true {
            if turn.agenda.pointee.facts.count >= factLimit { return .facts }
            if handled >= eventLimit { return .events }
            guard turn.agenda.pointee.live > 0 || isWaiting,
                let time = turn.agenda.pointee.pending.nextTime
            else {
                return .idle
            }
            guard time <= end.nanoseconds else { return .time }
            let counted = dispatch(turn.agenda.pointee.pending.take().stamp, at: time)
            turn.agenda.pointee.pending.settle()
            if counted { handled &+= 1 }
        }
    }

    /// Lets a port speak: `body` takes a turn as `node` at the present moment.
    ///
    /// This is how packets come from outside: a test, a socket, a person.
    public mutating func speak<Result>(as node: NodeID, _ body: (inout Turn) -> Result) -> Result {
        turn.own()
        begin(node, at: now.nanoseconds, cause: 0)
        let result = body(&turn)
        endTurn(node)
        return result
    }

    /// Moves an idle world's clock forward, for a world that is paced from outside.
    ///
    /// - Returns: whether the moment is reached; not if there were as many facts or events on the way as are
    ///   allowed.
    @discardableResult
    public mutating func wait(
        until moment: Instant,
        facts factLimit: Int = .max,
        events eventLimit: UInt64 = .max
    ) -> Bool {
        let before = runsInBackground
        runsInBackground = true
        let stop = run(until: moment, facts: factLimit, events: eventLimit)
        runsInBackground = before
        guard stop == .idle || stop == .time else { return false }
        if turn.now < moment { turn.now = moment }
        return true
    }

    /// Lets `body` change the machine of a node, if it is a `M`; for ports and tests.
    public mutating func with<M: Machine, Result>(
        _ node: NodeID,
        as type: M.Type,
        _ body: (inout M) -> Result
    ) -> Result? {
        turn.own()
        guard var machine = self.machine(node) as? M else { return nil }
        setMachine(node, Absent())
        let result = body(&machine)
        setMachine(node, machine)
        return result
    }

    // MARK: The loop's parts

    /// Whether background timers matter although nothing else is left to happen.
    var isWaiting: Bool {
        runsInBackground || turn.owner.machines.contains { $0.isWaiting }
    }

    mutating func setMachine(_ node: NodeID, _ machine: any Machine) {
        turn.owner.replace(Int(node.raw), by: .make(machine))
    }

    @inline(__always)
    mutating func begin(_ node: NodeID, at time: UInt64, cause: UInt64) {
        assert(time >= turn.now.nanoseconds, "a turn before the one before it")
        assert(time >= turn.now.nanoseconds, "time runs backwards")
        assert(cause <= eventCount, "an event follows from a later one")
        eventCount &+= 1
        turn.now = Instant(nanoseconds: time)
        turn.node = node
        turn.event = eventCount
        turn.cause = cause
    }

    @inline(__always)
    mutating func handle(_ event: Event, _ node: NodeID) {
        turn.agenda.pointee.machines[Int(node.raw)]._withUnsafeGuaranteedRef {
            $0.handle(event, &turn)
        }
        if checksInvariants { checkInvariants(of: node) }
        if turn.dies { endTurn(node) }
    }

    /// Lets a machine go that asked for its own death.
    mutating func endTurn(_ node: NodeID) {
        assert(turn.node == node, "a turn ends that another node took")
        guard turn.dies else { return }
        turn.dies = false
        let downtime = turn.downtime
        if turn.isOrderly {
            turn.isOrderly = false
            for part in process(of: node) { stop(part) }
        } else {
            for part in process(of: node) { crash(part) }
        }
        turn.node = node
        if let downtime { start(node, at: now + downtime) }
    }

    /// Gives one event to its machine; false if it had gone stale.
    @inline(__always)
    mutating func dispatch(_ stamp: UInt64, at time: UInt64) -> Bool {
        let slot = PendingSet.slot(of: stamp)
        let node = NodeID(turn.agenda.pointee.slab.rows[slot].node)
        switch turn.agenda.pointee.slab.rows[slot].kind {
        case .timer:
            guard turn.agenda.pointee.slab.rows[slot].stamp == stamp,
                turn.agenda.pointee.slab.rows[slot].armed
            else { return false }
            turn.agenda.pointee.slab.rows[slot].armed = false
            if !turn.agenda.pointee.slab.rows[slot].background { turn.agenda.pointee.live &-= 1 }
            begin(node, at: time, cause: turn.agenda.pointee.slab.rows[slot].cause)
            handle(.rang(TimerID(turn.agenda.pointee.slab.rows[slot].subject)), node)
            return true

        case .packet:
            turn.agenda.pointee.live &-= 1
            let connection = turn.agenda.pointee.slab.rows[slot].subject
            let isOpen =
                turn.agenda.pointee.slab.rows[slot].variant == 0
                ? turn.agenda.pointee.connections[Int(connection)].openB
                : turn.agenda.pointee.connections[Int(connection)].openA
            guard isOpen else {
                let event = turn.agenda.pointee.slab.rows[slot]
                turn.agenda.pointee.slab.release(slot)
                lose(event, at: time)
                return false
            }
            begin(node, at: time, cause: turn.agenda.pointee.slab.rows[slot].cause)
            let event = Event.arrived(
                turn.agenda.pointee.slab.rows[slot].packet,
                on: ConnectionID(connection)
            )
            turn.agenda.pointee.slab.release(slot)
            handle(event, node)
            return true

        case .accepted, .connected, .closed, .stored, .action, .start, .givenUp:
            if turn.agenda.pointee.slab.rows[slot].kind != .givenUp {
                turn.agenda.pointee.live &-= 1
            }
            let event = turn.agenda.pointee.slab.rows[slot]
            turn.agenda.pointee.slab.release(slot)
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
            guard turn.agenda.pointee.connections[index].openA else { return false }
            begin(node, at: time, cause: event.cause)
            guard nodes[Int(node.raw)].up else {
                turn.notify(
                    .closed,
                    turn.agenda.pointee.connections[index].a,
                    connection,
                    variant: .refused
                )
                return true
            }
            turn.agenda.pointee.connections[index].openB = true
            let opener = turn.agenda.pointee.connections[index].a
            if !turn.links.areTogether(opener, node) {
                let number = UInt64(connection.raw)
                turn.record(.connectionOpened, peer: opener.raw, detail: number)
            }
            turn.notify(
                .connected,
                turn.agenda.pointee.connections[index].a,
                connection,
                variant: .closed
            )
            handle(.accepted(connection, from: opener), node)
            return true

        case .connected:
            guard turn.agenda.pointee.connections[index].openA else { return false }
            turn.agenda.pointee.connections[index].established = true
            begin(node, at: time, cause: event.cause)
            handle(.connected(connection), node)
            return true

        case .closed:
            let isA = turn.agenda.pointee.connections[index].a == node && event.generation == 0
            guard
                isA
                    ? turn.agenda.pointee.connections[index].openA
                    : turn.agenda.pointee.connections[index].openB
            else {
                return false
            }
            if isA {
                turn.agenda.pointee.connections[index].openA = false
            } else {
                turn.agenda.pointee.connections[index].openB = false
            }
            begin(node, at: time, cause: event.cause)
            let other =
                isA
                ? turn.agenda.pointee.connections[index].b
                : turn.agenda.pointee.connections[index].a
            if !turn.links.areTogether(node, other) {
                turn.record(
                    .connectionClosed,
                    peer: other.raw,
                    variant: event.variant,
                    detail: UInt64(connection.raw)
                )
            }
            turn.dropStalled(connection)
            handle(.closed(connection, Closure(rawValue: event.variant) ?? .reset), node)
            return true

        case .givenUp:
            let way = Links.Way(connection: event.subject, outward: event.variant == 0)
            guard let stall = turn.links.stalls[way],
                stall.since + Trouble.patience <= time
            else { return false }
            begin(.outside, at: time, cause: event.cause)
            reset(index)
            return true

        case .stored:
            guard event.generation == turn.incarnations[Int(node.raw)] else { return false }
            begin(node, at: time, cause: event.cause)
            if let write = turn.disks[Int(node.raw)].finish(&turn.chance) {
                handle(.stored(write), node)
            }
            turn.startBatch(node)
            return true

        case .action:
            begin(.outside, at: time, cause: event.cause)
            perform(actions[index])
            return true

        case .start:
            guard !nodes[Int(node.raw)].up,
                event.generation == turn.incarnations[Int(node.raw)]
            else { return false }
            for part in process(of: node) where !nodes[Int(part.raw)].up {
                begin(part, at: time, cause: event.cause)
                startNow(part)
            }
            return true
        }
    }

    /// Puts another data directory under a node that is down.
    mutating func mount(_ node: NodeID, _ directory: UInt32) {
        let index = Int(node.raw)
        var directory = directory
        if directory == .max {
            let taken = nodes[index].aside.keys.max() ?? 0
            directory = max(taken, nodes[index].directory) + 1
        }
        guard !nodes[index].up, nodes[index].directory != directory else { return }
        let disk = turn.disks[index]
        nodes[index].aside[nodes[index].directory] = disk
        nodes[index].directory = directory
        let known = nodes[index].aside.removeValue(forKey: directory)
        nodes[index].isEmpty = known == nil
        turn.disks[index] = known ?? disk.blank
    }

    mutating func startNow(_ node: NodeID) {
        assert(!nodes[Int(node.raw)].up, "a node comes up twice")
        let index = Int(node.raw)
        if nodes[index].forgets, nodes[index].starts > 0 {
            mount(node, nodes[index].directory + 1)
            nodes[index].aside = [:]
        }
        var recovery = Recovery(
            first: nodes[index].isEmpty,
            crashed: nodes[index].crashed,
            records: turn.disks[index].records,
            configuration: nodes[index].configuration
        )
        recovery.journals = turn.disks[index].journals
        recovery.directory = nodes[index].directory
        nodes[index].up = true
        nodes[index].isEmpty = false
        nodes[index].starts += 1
        nodes[index].crashed = false
        setMachine(node, nodes[index].factory(node))
        turn.record(.nodeStarted, variant: nodes[index].starts == 1 ? 0 : 1)
        handle(.started(recovery), node)
    }

    /// A copy went down with its packet.
    mutating func lose(_ event: Pending, at time: UInt64) {
        guard event.packet.custody != 0 else { return }
        begin(NodeID(event.node), at: time, cause: event.cause)
        turn.loseUnsent(event.packet)
    }
}

/// The machine of a node that is down: nothing reaches it.
struct Absent: Machine {
    mutating func handle(_ event: Event, _ turn: inout Turn) {}
}
