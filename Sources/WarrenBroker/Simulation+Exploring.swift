public import WarrenKernel
public import WarrenTopology
public import WarrenTrace

/// What a search does to a run that goes on: a run is a value, and a copy of it is a checkpoint.
extension Simulation {
    /// Among how many things the run waits for a choice of which goes first, if it does.
    public var openChoice: Int? { world.openChoice }

    /// The choices that were made so far.
    public var choicesMade: [Int] { world.choicesMade }

    /// Makes the choice that the run waits for, from 0.
    public mutating func choose(next choice: Int) { world.choose(next: choice) }

    /// When the next thing happens, and to whom.
    public mutating func next() -> (moment: Instant, node: NodeID)? { world.next() }

    /// Has the operator do something now.
    public mutating func plan(_ action: Action) { world.plan(action, at: world.now) }

    /// Adds a fault at a moment that is still to come.
    public mutating func add(_ fault: Topology.Fault, at moment: Instant) {
        precondition(moment >= world.now, "what is over cannot be changed")
        var fault = fault
        fault.moment = .at(Double(moment.nanoseconds))
        topology.faults.append(fault)
        schedule(topology.faults.count - 1, fault, from: moment)
    }

    /// The nodes that a fault is about.
    public func nodes(of fault: Topology.Fault) -> [NodeID] {
        targets(fault) + (fault.from + fault.to + fault.groups.flatMap(\.self)).flatMap { ends($0) }
    }

    /// Adds all that counts for what is still to come, and for what will be said of it.
    public mutating func addState(to hash: inout StructuralHash) {
        world.addState(to: &hash)
        for fault in pendingFaults {
            hash.add(UInt64(fault.number))
            hash.add(fault.moment.nanoseconds)
        }
        // How the account came to be does not count: in which order of facts, by which events.
        var account = StructuralHash(ignoring: ["digest", "event", "fact", "cause"])
        account.add(ledger)
        hash.add(account)
    }
}
