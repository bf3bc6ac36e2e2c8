public import WarrenBroker
import WarrenKernel
public import WarrenTopology
import WarrenTrace

/// A search of a small world that leaves nothing out up to a bound: every order in which what happens to a node at one
/// moment may happen to it, and every fault of the menu just before everything that happens to whom it hits.
///
/// Runs branch where there is something to choose: each branch goes on from a copy of the run up to there. States that
/// were seen before, by all that counts for what is still to come, are not lived again. Latencies, arrivals, service
/// times and failures are those of the file's seed.
public struct Exhaustion {
    /// What was seen, and whether it was all.
    public struct Result: Sendable {
        /// Run by run, as of any search.
        public var tally = Tally()
        /// By how many faults: how many runs there were, and whether they were all that there are.
        public var levels: [(runs: Int, isWhole: Bool)] = []
        /// How many states with a choice there were, and how many of them had been seen before.
        public var states = 0
        public var merged = 0
        /// Among how many things one had to choose at most.
        public var widest = 1
        /// States in which runs ended, as hashes.
        public var ends: Set<UInt64> = []

        fileprivate mutating func take(_ end: End) {
            tally.take(tally.rows.count + 1, end.schedule, end.seen, end.digest, isCut: end.isCut)
            ends.insert(end.state)
        }
    }

    /// How long faults last, each of them once.
    static let lengths: [Double] = [100e6, 5e9]
    /// Branches that are kept until they are lived; what comes beyond is given up, and said.
    private static let mostKept = 100_000
    /// So many branches are lived side by side before it is seen what they have shown.
    private static let batch = 16

    private let topology: Topology
    private let models: [any BrokerModel.Type]
    private let options: Search.Options
    private let menu: FaultMenu
    private let mergesStates: Bool

    /// A search of all that can happen to a topology.
    ///
    /// - Parameters:
    ///   - topology: the topology, whose expectations it is about.
    ///   - models: the kinds of broker.
    ///   - options: how many runs at most, how many at once, and whether the first thing that broke ends it.
    ///   - mergesStates: whether states that were seen are not lived again; not, to see that nothing is missed by it.
    public init(
        _ topology: Topology,
        models: [any BrokerModel.Type],
        _ options: Search.Options,
        mergesStates: Bool = true
    ) {
        self.mergesStates = mergesStates
        self.topology = topology
        self.models = models
        self.options = options
        menu = FaultMenu(topology)
    }

    /// A run up to a place where it branches, and the branch to take.
    ///
    /// Branches share what they have in common, and each copies it before it lives on: several may do so at once.
    private struct Branch: @unchecked Sendable {
        var run: Simulation
        var observer: Observer
        var faults: [Topology.Fault]
        /// What to do first: a choice, or a fault at a moment.
        var choice: Int?
        var fault: (Topology.Fault, Instant)?
        /// No fault before this moment: those were tried elsewhere.
        var after: Instant
    }

    /// What a branch came to: more branches, or an end.
    private struct Grown: Sendable {
        var state: UInt64?
        var choices: [Branch] = []
        var faults: [Branch] = []
        var end: End?
    }

    fileprivate struct End: Sendable {
        var seen: Observation
        var schedule: Stage.Schedule
        var digest: String
        var state: UInt64
        var isCut: Bool
    }

    /// Searches.
    ///
    /// - Parameters:
    ///   - isStopped: asked between branches; true ends the search.
    ///   - progress: hears what was seen so far.
    /// - Returns: what broke, what was seen, and whether it was everything.
    /// - Throws: ``Simulation/Rejection`` if the topology cannot be built.
    public func run(
        isStopped: @escaping @Sendable () -> Bool = { false },
        progress: (Result) -> Void = { _ in }
    ) throws(Simulation.Rejection) -> Result {
        let workers = try Workers(topology, models, jobs: options.jobs)
        var result = Result()
        var seen: Set<UInt64> = []
        let schedule = Stage.Schedule(seed: topology.seed)
        let root = Branch(
            run: workers.first.begin(schedule, asks: true),
            observer: Observer(),
            faults: [],
            after: .zero
        )
        let grower = Grower(topology: topology, menu: menu)
        var line = [root]
        for level in 0...topology.search.atMost {
            var next: [Branch] = []
            var runs = 0
            var isWhole = true
            while !line.isEmpty, result.tally.rows.count < options.runs, !isStopped() {
                if options.stopsAtFirst, !result.tally.hits.isEmpty { break }
                let batch = Array(line.suffix(Self.batch))
                line.removeLast(batch.count)
                let canFail = level < topology.search.atMost
                for grown in workers.map(
                    batch.count,
                    { index, _ in
                        grower.grow(batch[index], canFail: canFail)
                    }
                ) {
                    if mergesStates, let state = grown.state {
                        guard seen.insert(state).inserted else {
                            result.merged += 1
                            next += grown.faults
                            continue
                        }
                        result.states += 1
                        result.widest = max(result.widest, grown.choices.count)
                    }
                    line += grown.choices.reversed()
                    next += grown.faults
                    guard let end = grown.end else { continue }
                    runs += 1
                    result.take(end)
                    if end.isCut { isWhole = false }
                }
                if next.count > Self.mostKept {
                    next.removeLast(next.count - Self.mostKept)
                    isWhole = false
                }
                progress(result)
            }
            result.levels.append((runs, isWhole && line.isEmpty))
            guard line.isEmpty, isWhole else { break }
            line = next.reversed()
        }
        return result
    }

    /// Lives branches.
    private struct Grower: Sendable {
        let topology: Topology
        let menu: FaultMenu

        /// Lives a branch up to the next choice, and notes each fault that could come on the way.
        func grow(_ branch: Branch, canFail: Bool) -> Grown {
            var grown = Grown()
            var now = branch
            if let choice = now.choice { now.run.choose(next: choice) }
            if let (fault, moment) = now.fault {
                now.run.add(fault, at: moment)
                now.faults = Array(now.run.topology.faults.dropFirst(topology.faults.count))
            }
            now.choice = nil
            now.fault = nil
            while true {
                if let count = now.run.openChoice {
                    for choice in 0..<count {
                        var other = now
                        other.choice = choice
                        grown.choices.append(other)
                    }
                    grown.state = state(&now)
                    return grown
                }
                if canFail, let next = now.run.next() { fail(&now, next, &grown) }
                let state = now.run.advance(events: 1) { now.observer.take($0) }
                let isLong = now.run.world.eventCount > Self.longest
                guard state != .running || isLong else { continue }
                if isLong { now.run.stop(because: "the search lives no run longer than this") }
                var seen = now.observer.observe(now.run)
                if isLong { seen.breaches = [] }
                grown.end = End(
                    seen: seen,
                    schedule: schedule(of: now),
                    digest: now.run.digest,
                    state: hash(&now).value,
                    isCut: isLong
                )
                return grown
            }
        }

        /// A small world has fewer events than this.
        private static let longest: UInt64 = 200_000

        /// Adds a branch for each fault that may come just before what happens next.
        private func fail(
            _ now: inout Branch,
            _ next: (moment: Instant, node: NodeID),
            _ grown: inout Grown
        ) {
            // Before the first millisecond nothing is there that could break.
            guard next.moment > now.run.world.now, next.moment > now.after,
                next.moment.nanoseconds > 1_000_000
            else { return }
            now.after = next.moment
            let moment = Instant(nanoseconds: next.moment.nanoseconds - 1)
            for item in menu.items where now.run.nodes(of: item).contains(next.node) {
                for length in Exhaustion.lengths {
                    var fault = item
                    fault.moment = .at(Double(moment.nanoseconds))
                    fault.duration = length
                    var other = now
                    other.fault = (fault, moment)
                    grown.faults.append(other)
                    // What has no length is the same for each.
                    if item.action == .dropConnection { break }
                }
            }
        }

        /// The hash of a state with a choice; nil if it could not be looked into.
        private func state(_ branch: inout Branch) -> UInt64? {
            let hash = hash(&branch)
            return hash.isBlind ? nil : hash.value
        }

        private func hash(_ branch: inout Branch) -> StructuralHash {
            var hash = StructuralHash()
            branch.run.addState(to: &hash)
            hash.add(UInt64(branch.faults.count))
            branch.observer.addState(to: &hash)
            return hash
        }

        /// What plays a branch that has come to its end.
        private func schedule(of branch: Branch) -> Stage.Schedule {
            var choices = branch.run.choicesMade
            while choices.last == 0 { choices.removeLast() }
            return Stage.Schedule(
                seed: topology.seed,
                faults: branch.faults,
                ties: choices.isEmpty ? .inOrder : .chosen(choices)
            )
        }
    }
}
