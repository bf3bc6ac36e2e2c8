import WarrenTrace

/// An event that is still to come, in its slot.
struct Pending: BitwiseCopyable, Sendable {
    /// What will happen.
    enum Kind: UInt8, BitwiseCopyable, Sendable {
        case packet, timer, accepted, connected, closed, stored, action, start, givenUp
    }

    /// The packet, for an arrival.
    var packet: Packet
    /// The event in whose turn this one was asked for.
    var cause: UInt64
    /// The node that it happens to.
    var node: UInt32
    /// The connection, timer or action, by kind.
    var subject: UInt32
    /// The incarnation of a node, or the end of a connection.
    var generation: UInt32
    /// What will happen.
    var kind: Kind
    /// How, by kind.
    var variant: UInt8
    /// For a timer: whether it is armed, and whether it keeps the run alive.
    var armed = false
    var background = false

    /// For a timer: the stamp of its latest arming; an earlier one has gone stale.
    var stamp: UInt64 {
        get { packet.x }
        set { packet.x = newValue }
    }

    /// Arms a timer; returns by how much the number of events that keep the run alive changes.
    @inline(__always)
    mutating func arm(stamp: UInt64, cause: UInt64, background: Bool) -> Int {
        let before = armed && !self.background ? 1 : 0
        armed = true
        self.background = background
        self.cause = cause
        packet.x = stamp
        return (background ? 0 : 1) &- before
    }

    init(
        kind: Kind,
        node: UInt32,
        subject: UInt32 = 0,
        generation: UInt32 = 0,
        variant: UInt8 = 0,
        cause: UInt64 = 0,
        packet: Packet = Packet()
    ) {
        self.packet = packet
        self.cause = cause
        self.node = node
        self.subject = subject
        self.generation = generation
        self.kind = kind
        self.variant = variant
    }
}

/// Rows of a fixed size that are reused; a row keeps its number for its life.
struct PendingSlab: ~Copyable {
    var rows = Rows<Pending>()
    /// The first free row; each names the next in its `subject`.
    private var free: UInt32 = .max

    func copy() -> PendingSlab {
        var other = PendingSlab()
        other.rows = rows.copy()
        other.free = free
        return other
    }

    @inline(__always)
    mutating func put(_ event: Pending) -> UInt32 {
        let slot = free
        if slot != .max {
            free = rows[Int(slot)].subject
            rows[Int(slot)] = event
            return slot
        }
        return add(event)
    }

    @inline(never)
    private mutating func add(_ event: Pending) -> UInt32 {
        precondition(rows.count < 1 << 28, "more than 268 million events are pending at once")
        rows.append(event)
        return UInt32(rows.count - 1)
    }

    @inline(__always)
    mutating func release(_ slot: Int) {
        assert(slot >= 0 && slot < rows.count, "an event is released that there is not")
        rows[slot].subject = free
        free = UInt32(truncatingIfNeeded: slot)
    }
}
