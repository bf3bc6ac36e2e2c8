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
    /// is empty, and one that it had before is as it was left; the largest number stands for a new one.
    case mount(NodeID, directory: UInt32)
    /// Have a node leave its data directory behind when it goes down next: it comes back to an empty one.
    case leave(NodeID)
    /// Reset every connection of a node.
    case sever(NodeID)
    /// Reset every connection between two nodes.
    case severBetween(NodeID, NodeID)
    /// Tell a node that is down something that it finds at its next start.
    case configure(NodeID, Packet)
    /// Make every link of a node slower; thousandths of the usual delay.
    case slow(NodeID, factor: UInt64)
    /// Make the links between two nodes slower; thousandths of the usual delay.
    case slowBetween(NodeID, NodeID, factor: UInt64)
    /// Let nothing pass from one node to the other; the way back is another matter.
    case cut(NodeID, NodeID)
    /// Let packets pass again; what was sent meanwhile arrives when TCP tries again.
    case mend(NodeID, NodeID)
    /// Trouble below TCP between two nodes, both ways.
    case disturb(NodeID, NodeID, Trouble)
    /// Freeze a node, as SIGSTOP does: nothing that reaches it is handled.
    case freeze(NodeID)
    /// Let a frozen node go on with what has gathered.
    case thaw(NodeID)
    /// Make the disk of a node slower; thousandths of the usual time.
    case slowDisk(NodeID, factor: UInt64)
    /// Fill the disk of a node: no write ends before there is room again.
    case fillDisk(NodeID, Bool)
    /// Say something to a machine.
    case order(NodeID, Packet)
    /// Record a fact about the timeline: a fault began or ended. The number is the fault's.
    case mark(FactKind, UInt64)
}
