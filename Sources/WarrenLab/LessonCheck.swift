public import WarrenBroker
import WarrenSearch
public import WarrenTopology

/// An answer lived by many schedules.
public struct LessonCheck: Sendable {
    /// An expectation, and in how many schedules it was broken.
    public struct Count: Sendable {
        public var name: String
        public var schedules: Int
    }

    /// How many schedules there were.
    public let schedules: Int
    /// How many broke something.
    public let failing: Int
    /// What was broken, in file order, and what never was.
    public let broken: [Count]
    public let held: [String]
    /// The first schedule that broke something, and what.
    public let first: (schedule: LessonSchedule, broken: [String])?
    /// What should have happened in at least one schedule, and did in none.
    public let unseen: [Lesson.Witness]
    /// Schedules that did not come to an end.
    public let endless: Int
    /// What the books of a run say against it: a fault of the model.
    public let imbalance: String?

    /// Whether it is right.
    public var isPassed: Bool {
        failing == 0 && unseen.isEmpty && endless == 0 && imbalance == nil
    }

    /// What has to be read so that the checks see the witnesses: the whole file, with them among the expectations.
    public static func whole(_ topology: Topology, _ lesson: Lesson) -> Tree {
        var tree = CaseFile(topology).tree
        for witness in lesson.witnesses {
            tree[path: ["expect", "measure", witness.name]] = .quoted(witness.expression)
        }
        return tree
    }

    /// Lives an answer by the first so many schedules.
    ///
    /// - Parameters:
    ///   - topology: the whole file, as ``whole(_:_:)`` gives it.
    ///   - lesson: what varies, and what has to be seen.
    ///   - models: the kinds of broker.
    ///   - count: how many schedules.
    ///   - jobs: how many runs go on at once.
    /// - Throws: ``Simulation/Rejection`` if the topology cannot be built.
    public init(
        _ topology: Topology,
        _ lesson: Lesson,
        models: [any BrokerModel.Type],
        count: Int,
        jobs: Int
    ) throws(Simulation.Rejection) {
        var bare = topology
        bare.faults = []
        let all = (1...max(count, 1)).map {
            LessonSchedule(UInt64($0), of: lesson, topology.faults)
        }
        func live(_ some: ArraySlice<LessonSchedule>) throws(Simulation.Rejection) -> Trial {
            try Trial(bare, models: models, schedules: some.map(\.schedule), jobs: jobs)
        }
        // What goes round for ever does so in the first few as well: nobody has to wait for the others.
        var trial = try live(all.prefix(8))
        if trial.rows.contains(where: \.isWhole) { trial = try live(all[...]) }
        let witnesses = Set(lesson.witnesses.map(\.name))
        let musts = topology.expectations.map(\.name).filter { !witnesses.contains($0) }
        // Of a run that came to no end nothing can be said but that.
        let broken = trial.rows.map { row in
            row.isWhole ? row.broken.filter { !witnesses.contains($0) } : []
        }
        let counts = musts.map { name in
            Count(name: name, schedules: broken.count { $0.contains(name) })
        }
        schedules = trial.rows.count
        failing = broken.count { !$0.isEmpty }
        self.broken = counts.filter { $0.schedules > 0 }
        let isAnyWhole = trial.rows.contains(where: \.isWhole)
        held = isAnyWhole ? counts.filter { $0.schedules == 0 }.map(\.name) : []
        first = broken.firstIndex { !$0.isEmpty }.map { (all[$0], broken[$0]) }
        unseen = lesson.witnesses.filter { witness in
            !trial.rows.contains { $0.isWhole && $0.held.contains(witness.name) }
        }
        endless = trial.rows.count { !$0.isWhole }
        imbalance = trial.rows.lazy.compactMap(\.imbalance).first
    }
}
