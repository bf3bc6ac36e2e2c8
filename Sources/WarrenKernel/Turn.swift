public import WarrenTrace

/// What a machine may see, and what it asks for.
///
/// The world reuses one turn for the whole run: wishes and facts are written into buffers that keep
/// their room, and no turn allocates.
public struct Turn {
    /// The moment of this turn.
    public internal(set) var now: Instant
    /// Whose turn it is.
    public internal(set) var node: NodeID
    /// The number of the event that is being handled.
    public internal(set) var event: UInt64
    /// The number of the event that caused it.
    public internal(set) var cause: UInt64
    /// Labelled draws.
    public var chance: Chance
    /// The names of the run.
    public var names: Names
    /// What rides with packets.
    public var parcels: Parcels
    /// Where effects land.
    public var outside: Outside
    var nextMessage: UInt32

    /// Keeps the agenda alive; changes hands in `World.own()`.
    private(set) var owner: AgendaOwner
    /// What the world has yet to do: machines write into it through the methods of the turn.
    @usableFromInline private(set) var agenda: UnsafeMutablePointer<Agenda>
    var links = Links()
    var disks: ContiguousArray<Disk> = []
    var nodeNames: ContiguousArray<Symbol> = []
    /// How often each node went down; what was meant for an earlier life is stale.
    var incarnations: ContiguousArray<UInt32> = []
    var tieStream: StreamID?
    /// By node, where ranks order what happens at the same moment: 1 to 4095, the least first.
    var ranks: ContiguousArray<UInt64> = []
    /// Set when the machine asks for its own death.
    var dies = false
    /// Whether it goes in good order.
    var isOrderly = false
    var downtime: Interval?
    /// Whether the machine is dead and may only record facts.
    var isDead = false

    init(seed: UInt64) {
        now = .zero
        node = .outside
        event = 0
        cause = 0
        chance = Chance(seed: seed)
        names = Names()
        parcels = Parcels()
        outside = Outside()
        nextMessage = 1
        owner = AgendaOwner()
        agenda = owner.agenda
        setDefaultLatency(links.defaultLaw)
    }

    /// Makes this turn the only user of its agenda and machines.
    mutating func own() {
        guard !isKnownUniquelyReferenced(&owner) else { return }
        owner = owner.copy()
        agenda = owner.agenda
    }

    /// A number for a new message.
    public mutating func newMessage() -> MessageID {
        defer { nextMessage += 1 }
        return MessageID(nextMessage)
    }

    /// How many messages have been numbered so far.
    public var messageCount: UInt64 { UInt64(nextMessage) - 1 }

    /// Says what happened.
    @inlinable
    @inline(__always)
    public mutating func record(
        _ kind: FactKind,
        message: MessageID = .none,
        subject: Symbol = .none,
        peer: UInt32 = 0,
        variant: UInt8 = 0,
        detail: UInt64 = 0
    ) {
        agenda.pointee.facts.append(
            Fact(
                time: now,
                event: event,
                cause: cause,
                kind: kind,
                node: node,
                message: message,
                subject: subject,
                peer: peer,
                variant: variant,
                detail: detail
            )
        )
    }
}
