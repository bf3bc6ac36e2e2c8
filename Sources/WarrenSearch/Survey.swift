public import WarrenBroker
import WarrenKernel
import WarrenLedger
public import WarrenTopology

/// Many runs side by side: of many seeds, or of many stories of failure.
public struct Survey: Sendable {
    /// A run of a survey.
    public struct Row: Sendable {
        /// Which one it is: a seed, or a scenario.
        public var label: String
        /// The expectations in file order, and whether each was as the file means it to be.
        public var verdicts: [(name: String, isAsMeant: Bool)]
        /// What the books of the run say against it; a fault of the model.
        public var imbalance: String?
        public var events: UInt64
        public var digest: String
        /// How much went wrong: expectations that were not as meant.
        public var broken: [String] { verdicts.filter { !$0.isAsMeant }.map(\.name) }
    }

    /// The runs, in their order.
    public let rows: [Row]

    /// Lives a topology once for each seed.
    ///
    /// - Throws: ``Simulation/Rejection`` if the topology cannot be built.
    public init(
        _ topology: Topology,
        models: [any BrokerModel.Type],
        seeds: ClosedRange<UInt64>,
        jobs: Int,
        isStopped: @escaping @Sendable () -> Bool = { false }
    ) throws(Simulation.Rejection) {
        let count = Int(clamping: seeds.upperBound - seeds.lowerBound) + 1
        rows = try Workers(topology, models, jobs: jobs).map(count, isStopped: isStopped) {
            let seed = seeds.lowerBound + UInt64($0)
            return Self.row("\(seed)", $1.begin(Stage.Schedule(seed: seed)))
        }
    }

    /// Lives each of some topologies once.
    ///
    /// - Throws: ``Simulation/Rejection`` if one cannot be built.
    public init(
        _ stories: [(label: String, topology: Topology)],
        models: [any BrokerModel.Type],
        seed: UInt64?,
        isStopped: @escaping @Sendable () -> Bool = { false }
    ) throws(Simulation.Rejection) {
        var rows: [Row] = []
        for story in stories where !isStopped() {
            let run = try Simulation(story.topology, models: models, seed: seed)
            rows.append(Self.row(story.label, run))
        }
        self.rows = rows
    }

    private static func row(_ label: String, _ begun: Simulation) -> Row {
        var run = begun
        run.run()
        return Row(
            label: label,
            verdicts: run.verdicts.map { ($0.name, $0.isAsMeant) },
            imbalance: run.state == .ended ? run.imbalances().first : nil,
            events: run.world.eventCount,
            digest: run.digest
        )
    }
}
