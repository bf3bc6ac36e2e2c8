import WarrenTrace

extension World {
    /// What must hold after a turn of a node.
    @inline(never)
    func checkInvariants(of node: NodeID) {
        machine(node).checkInvariants()
        turn.disks[Int(node.raw)].checkInvariants()
        turn.links.checkInvariants()
        precondition(turn.node == node, "a turn is checked that another node took")
        precondition(
            nodes.count == turn.disks.count,
            "a node has no disk of its own"
        )
    }
}
