public import WarrenBroker
import WarrenKernel
import WarrenLedger
public import WarrenTopology

/// A topology lived by given schedules, each of which is held against its expectations.
public struct Trial: Sendable {
    /// A run of a trial.
    public struct Row: Sendable {
        /// The names of expectations that held.
        public var held: Set<String>
        /// The names of those that did not, in file order.
        public var broken: [String]
        /// Whether it was lived to its end.
        public var isWhole: Bool
        /// What the books of the run say against it; a fault of the model.
        public var imbalance: String?
        public var digest: String
    }

    /// The runs, in the order of their schedules; those that were not begun when it was stopped are left out.
    public let rows: [Row]

    /// Lives a topology once for each schedule.
    ///
    /// - Parameters:
    ///   - topology: what is lived; its faults are those of the file, and a schedule adds its own.
    ///   - models: the kinds of broker.
    ///   - schedules: how each run is lived.
    ///   - jobs: how many runs go on at once.
    ///   - longest: how many events a run may take.
    ///   - isStopped: asked between runs; true ends it.
    /// - Throws: ``Simulation/Rejection`` if the topology cannot be built.
    public init(
        _ topology: Topology,
        models: [any BrokerModel.Type],
        schedules: [Stage.Schedule],
        jobs: Int,
        longest: UInt64 = 100_000,
        isStopped: @escaping @Sendable () -> Bool = { false }
    ) throws(Simulation.Rejection) {
        let workers = try Workers(topology, models, jobs: jobs)
        rows = workers.map(schedules.count, isStopped: isStopped) { number, stage in
            var run = stage.begin(schedules[number])
            var isWhole = true
            while run.advance({ _ in }) == .running {
                guard run.world.eventCount <= longest else {
                    isWhole = false
                    break
                }
            }
            let verdicts = run.verdicts
            return Row(
                held: Set(verdicts.filter(\.held).map(\.name)),
                broken: verdicts.filter { !$0.held }.map(\.name),
                isWhole: isWhole,
                imbalance: run.state == .ended ? run.imbalances().first : nil,
                digest: run.digest
            )
        }
    }
}
