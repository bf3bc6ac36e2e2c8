public import WarrenTrace

/// What the world has yet to do: pending events, their slots, timers, connections, fresh facts.
///
/// The part of a world that changes in every turn, in memory that only ``AgendaOwner`` copies.
@usableFromInline
struct Agenda: ~Copyable {
    /// The timers of a node: a stretch of ``Agenda/timerSlots``.
    struct Timers: BitwiseCopyable {
        var first: UInt32 = 0
        var count: UInt32 = 0
    }

    var pending: PendingSet
    var slab: PendingSlab
    /// What happened and was not yet collected by the owner of the world.
    @usableFromInline var facts: Rows<Fact>
    var connections: Rows<Links.Connection>
    /// By node.
    var timers: Rows<Timers>
    /// The slot of each timer; `UInt32.max` before its first arming.
    var timerSlots: Rows<UInt32>
    /// The machines, kept alive by the owner.
    var machines: Rows<Unmanaged<MachineBox>>
    /// Events that keep the run alive: all pending ones but stale and background ones.
    var live = 0
    /// The delay of packets that may stand in the lane; ``noLane`` if it varies, or if ties are drawn.
    var laneDelay = noLane

    /// No delay: neither that of a packet, nor the mark of one that is drawn, which is all ones.
    static let noLane = UInt64.max - 1

    init() {
        pending = PendingSet()
        slab = PendingSlab()
        facts = Rows()
        connections = Rows()
        timers = Rows()
        timerSlots = Rows()
        machines = Rows()
    }

    func copy() -> Agenda {
        var other = Agenda()
        other.pending = pending.copy()
        other.slab = slab.copy()
        other.facts = facts.copy()
        other.connections = connections.copy()
        other.timers = timers.copy()
        other.timerSlots = timerSlots.copy()
        other.live = live
        other.laneDelay = laneDelay
        return other
    }

    /// Makes room for one more timer number of a node: its stretch moves to the end and doubles.
    @inline(never)
    mutating func growTimers(of node: Int, to index: Int) {
        let old = timers[node]
        let count = max(Int(old.count) * 2, index + 1)
        let first = timerSlots.count
        timerSlots.append(UInt32.max, times: count)
        for number in 0..<Int(old.count) {
            timerSlots[first + number] = timerSlots[Int(old.first) + number]
        }
        timers[node] = Timers(first: UInt32(first), count: UInt32(count))
    }
}

/// Owns an agenda and the machines: what makes a world a value.
///
/// Worlds that were copied share their owner until one of them lives on; see `World.own()`.
@usableFromInline
final class AgendaOwner {
    @usableFromInline let agenda: UnsafeMutablePointer<Agenda>
    private(set) var machines: ContiguousArray<MachineBox>

    init() {
        agenda = .allocate(capacity: 1)
        agenda.initialize(to: Agenda())
        machines = []
    }

    private init(copying other: AgendaOwner) {
        agenda = .allocate(capacity: 1)
        agenda.initialize(to: other.agenda.pointee.copy())
        machines = []
        for machine in other.machines { append(machine.copy()) }
    }

    deinit {
        agenda.deinitialize(count: 1)
        agenda.deallocate()
    }

    func copy() -> AgendaOwner { AgendaOwner(copying: self) }

    func append(_ machine: MachineBox) {
        machines.append(machine)
        agenda.pointee.machines.append(.passUnretained(machine))
    }

    func replace(_ index: Int, by machine: MachineBox) {
        agenda.pointee.machines[index] = .passUnretained(machine)
        machines[index] = machine
    }
}
