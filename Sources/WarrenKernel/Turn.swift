public import WarrenTrace

/// What a machine may see, and what it asks for.
///
/// The world reuses one turn for the whole run: effects and facts are written into buffers that keep
/// their room, and no turn allocates.
@frozen
public struct Turn: Sendable {
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
    /// What this turn asks for, in order.
    @usableFromInline var effects: ContiguousArray<Effect>
    /// What happened and was not yet collected by the owner of the world.
    @usableFromInline var facts: ContiguousArray<Fact>
    @usableFromInline var nextConnection: UInt32
    @usableFromInline var nextMessage: UInt32

    init(seed: UInt64) {
        now = .zero
        node = .outside
        event = 0
        cause = 0
        chance = Chance(seed: seed)
        names = Names()
        parcels = Parcels()
        effects = []
        facts = []
        nextConnection = 0
        nextMessage = 1
    }

    /// Sends a packet over a connection. It arrives after the link's delay, behind what was sent
    /// before on the same connection; on a connection that has ended it goes nowhere.
    @inlinable
    public mutating func send(_ packet: Packet, on connection: ConnectionID) {
        effects.append(.send(packet, connection))
    }

    /// Arms a timer, or moves it if it is armed. A `background` timer does not keep a run alive.
    @inlinable
    public mutating func arm(_ timer: TimerID, after delay: Interval, background: Bool = false) {
        effects.append(.arm(timer, delay, background: background))
    }

    /// Takes back a timer; harmless if it is not armed.
    @inlinable
    public mutating func disarm(_ timer: TimerID) {
        effects.append(.disarm(timer))
    }

    /// Writes a record to the disk under `key`; the world answers `.stored(write)` when it is safe.
    @inlinable
    public mutating func store(_ record: Packet, at key: UInt64, as write: WriteID) {
        effects.append(.store(record, key, write))
    }

    /// Removes a record from the disk. Nothing is answered.
    @inlinable
    public mutating func erase(_ key: UInt64) {
        effects.append(.erase(key))
    }

    /// Asks for a connection. The world answers `.connected`, or `.closed` with `.refused`.
    @inlinable
    public mutating func connect(to node: NodeID) -> ConnectionID {
        let connection = ConnectionID(nextConnection)
        nextConnection += 1
        effects.append(.connect(connection, to: node))
        return connection
    }

    /// Closes a connection in good order: the other side hears of it behind what was sent before.
    @inlinable
    public mutating func close(_ connection: ConnectionID) {
        effects.append(.close(connection))
    }

    /// Dies, as a process does that was killed, and comes back after `downtime` (never, if nil).
    @inlinable
    public mutating func die(backAfter downtime: Interval?) {
        effects.append(.die(downtime))
    }

    /// A number for a new message.
    @inlinable
    public mutating func newMessage() -> MessageID {
        defer { nextMessage += 1 }
        return MessageID(nextMessage)
    }

    /// How many messages have been numbered so far.
    public var messageCount: UInt64 { UInt64(nextMessage) - 1 }

    /// Says what happened.
    @inlinable
    public mutating func record(
        _ kind: FactKind,
        message: MessageID = .none,
        subject: Symbol = .none,
        peer: UInt32 = 0,
        variant: UInt8 = 0,
        detail: UInt64 = 0
    ) {
        facts.append(
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

/// What a machine asks of the world.
public enum Effect: BitwiseCopyable, Sendable, Hashable {
    /// Send a packet over a connection.
    case send(Packet, ConnectionID)
    /// Arm a timer.
    case arm(TimerID, Interval, background: Bool)
    /// Take a timer back.
    case disarm(TimerID)
    /// Write a record.
    case store(Packet, UInt64, WriteID)
    /// Remove a record.
    case erase(UInt64)
    /// Open a connection.
    case connect(ConnectionID, to: NodeID)
    /// Close a connection.
    case close(ConnectionID)
    /// Be dropped as in a crash.
    case die(Interval?)
}
