/// One thing that happened, in 48 bytes: when, what, where, to what, and why.
///
/// The same vocabulary serves every broker and a real one, so that two traces can be compared line
/// by line. What ``message``, ``subject``, ``peer`` and ``detail`` mean is said by each ``FactKind``.
@frozen
public struct Fact: BitwiseCopyable, Sendable, Hashable {
    /// When it happened.
    public var time: Instant
    /// The event whose turn produced it, counted from 1; in text `#41`.
    public var event: UInt64
    /// The event that caused that event; 0 for the world's own beginning.
    public var cause: UInt64
    /// A number whose meaning depends on the kind; 0 where there is none.
    public var detail: UInt64
    /// Where it happened.
    public var node: NodeID
    /// The message that it happened to.
    public var message: MessageID
    /// The queue, exchange, effect or other thing that it happened to.
    public var subject: Symbol
    /// The other side, or a second name.
    public var peer: UInt32
    /// What happened.
    public var kind: FactKind
    /// How, where a kind has variants: a ``DropReason``, or 1 for yes.
    public var variant: UInt8

    /// A fact with every part given.
    @inlinable
    public init(
        time: Instant,
        event: UInt64,
        cause: UInt64,
        kind: FactKind,
        node: NodeID,
        message: MessageID = .none,
        subject: Symbol = .none,
        peer: UInt32 = 0,
        variant: UInt8 = 0,
        detail: UInt64 = 0
    ) {
        self.time = time
        self.event = event
        self.cause = cause
        self.detail = detail
        self.node = node
        self.message = message
        self.subject = subject
        self.peer = peer
        self.kind = kind
        self.variant = variant
    }

    /// The detail of a publication: body bytes in its lower half, the symbol of its headers in the upper one.
    @inlinable
    public static func publication(bodySize: UInt32, headers: Symbol = .none) -> UInt64 {
        UInt64(headers.raw) << 32 | UInt64(bodySize)
    }

    /// Of a publication: body bytes.
    @inlinable public var bodySize: UInt32 { UInt32(truncatingIfNeeded: detail) }

    /// Of a publication: the text of its headers, a JSON list of name, type and value; none if it has none.
    @inlinable public var headers: Symbol { Symbol(UInt32(truncatingIfNeeded: detail >> 32)) }
}
