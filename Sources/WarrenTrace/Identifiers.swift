/// A node of a run: a broker node, a client instance, a port.
@frozen
public struct NodeID: BitwiseCopyable, Sendable, Hashable {
    /// The position of the node in its world, from 0.
    public var raw: UInt32

    /// The node at position `raw`.
    @inlinable
    public init(_ raw: UInt32) { self.raw = raw }

    /// The operator: whoever kills, slows and restarts nodes.
    @inlinable
    public static var outside: NodeID { NodeID(.max) }
}

/// A message, numbered in the order of publication from 1; in text `m7`.
@frozen
public struct MessageID: BitwiseCopyable, Sendable, Hashable {
    /// The number, 0 for none.
    public var raw: UInt32

    /// The message with number `raw`.
    @inlinable
    public init(_ raw: UInt32) { self.raw = raw }

    /// No message.
    @inlinable
    public static var none: MessageID { MessageID(0) }
}

/// A name that was interned at the door; see ``Names``.
@frozen
public struct Symbol: BitwiseCopyable, Sendable, Hashable {
    /// The position in the table of names, 0 for none.
    public var raw: UInt32

    /// The symbol at position `raw`.
    @inlinable
    public init(_ raw: UInt32) { self.raw = raw }

    /// No name.
    @inlinable
    public static var none: Symbol { Symbol(0) }
}
