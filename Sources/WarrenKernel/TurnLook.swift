public import WarrenTrace

extension Turn {
    /// What this turn asked for so far, in order; for tests of a single machine.
    public var wishes: ContiguousArray<Effect> { effects }

    /// What was recorded and not yet collected by the owner of the world.
    public var recorded: ContiguousArray<Fact> { facts }
}
