import WarrenKernel
public import WarrenTopology

/// A topology whose world is built and has not begun: runs of many seeds and faults begin from it, each as if its world
/// had been built for it alone.
///
/// Not safe to be used by several threads at once: each needs one of its own.
public struct Stage {
    /// What one run does differently from what the file says.
    public struct Schedule: Sendable {
        /// The seed of the run.
        public var seed: UInt64
        /// Faults beside those of the file.
        public var faults: [Topology.Fault]
        /// Who is first of what happens at the same moment; in order is what the file says.
        public var ties: Ties
        /// The delay of links that the file says nothing of; nil for what the file says.
        public var latency: LawSpec?
        /// Links with a delay of their own, beside those of the file.
        public var links: [Topology.Link] = []

        /// A schedule of this seed, and in all else as the file says.
        public init(
            seed: UInt64,
            faults: [Topology.Fault] = [],
            ties: Ties = .inOrder,
            latency: LawSpec? = nil
        ) {
            self.seed = seed
            self.faults = faults
            self.ties = ties
            self.latency = latency
        }
    }

    private let base: Simulation

    /// Builds the world of a topology.
    ///
    /// - Throws: ``Simulation/Rejection`` if a model cannot build what the file asks for.
    public init(
        _ topology: Topology,
        models: [any BrokerModel.Type]
    ) throws(Simulation.Rejection) {
        base = try Simulation(building: topology, models, nil)
    }

    /// The topology.
    public var topology: Topology { base.topology }

    /// A run from its beginning.
    ///
    /// With `asks` it stands still where a node has several things before it and the schedule does not say which goes
    /// first; see ``Simulation/openChoice``.
    public func begin(_ schedule: Schedule, asks: Bool = false) -> Simulation {
        var run = base
        run.seed = schedule.seed
        run.topology.seed = schedule.seed
        run.topology.faults += schedule.faults
        if schedule.ties != .inOrder { run.topology.ties = schedule.ties }
        if let latency = schedule.latency {
            run.topology.latency = latency
            run.world.setLatency(run.world.law(latency))
        }
        run.topology.links += schedule.links
        for link in schedule.links { run.setLatency(of: link) }
        run.world.reseed(schedule.seed)
        if asks { run.world.choose([], asks: true) }
        run.begin()
        return run
    }
}

extension World {
    /// Says who is first of what happens at the same moment.
    mutating func setTies(_ ties: Ties) {
        switch ties {
        case .inOrder: break
        case .drawn: drawTies()
        case .ranked: rankTies()
        case .chosen(let choices): choose(choices)
        }
    }

    /// The kernel's law for a law of a file.
    mutating func law(_ spec: LawSpec) -> Law {
        switch spec {
        case .constant(let value): .constant(units: value)
        case .uniform(let low, let high): .uniform(low, high)
        case .exponential(let mean): .exponential(mean: mean)
        case .normal(let mean, let deviation): .normal(mean: mean, deviation: deviation)
        case .lognormal(let median, let p99): .lognormal(median: median, p99: p99)
        case .gamma(let mean, let variation): .gamma(mean: mean, variation: variation)
        case .empirical(let values): withChance { .empirical(values, in: &$0) }
        }
    }
}
