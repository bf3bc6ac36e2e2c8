public import WarrenTrace

/// What the operator does to a world: the faults and the mending of faults.
public enum Action: Sendable, Hashable {
    /// Kill a node: drop its machine, keep its disk, reset its connections.
    case crash(NodeID)
    /// Stop a node in good order.
    case stop(NodeID)
    /// Start a node that is down, with what its disk kept.
    case start(NodeID)
    /// Give a node that is down the data directory of this number; 0 is its first. One that it never had
    /// is empty, and one that it had before is as it was left.
    case mount(NodeID, directory: UInt32)
    /// Reset every connection of a node.
    case sever(NodeID)
    /// Make every link of a node slower; thousandths of the usual delay.
    case slow(NodeID, factor: UInt64)
    /// Make the links between two nodes slower; thousandths of the usual delay.
    case slowBetween(NodeID, NodeID, factor: UInt64)
    /// Say something to a machine.
    case order(NodeID, Packet)
    /// Record a fact about the timeline: a fault began or ended. The number is the fault's.
    case mark(FactKind, UInt64)
}
