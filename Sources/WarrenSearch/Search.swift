public import WarrenBroker
import WarrenKernel
public import WarrenTopology
import WarrenTrace

/// A search for a schedule in which a topology breaks what it should keep.
///
/// Runs are numbered, and the schedule of each follows from the search's seed, its number, and what the rounds before its
/// own have shown: the result is the same for any number of jobs.
public struct Search {
    /// How a search is to be done.
    public struct Options: Sendable {
        /// How many runs at most.
        public var runs = 1000
        /// The seed of the search.
        public var seed: UInt64 = 1
        /// How many runs go on at once.
        public var jobs = 1
        /// Schedules that are played before all others.
        public var first: [Stage.Schedule] = []
        /// Whether it ends with the round in which something broke first.
        public var stopsAtFirst = true

        /// The usual options.
        public init() {}
    }

    /// A run that broke something.
    public struct Hit: Sendable {
        /// Its number, from 1.
        public var run: Int
        /// What it did differently from the file.
        public var schedule: Stage.Schedule
        /// What it broke.
        public var breach: Breach
        /// The fingerprint of the run.
        public var digest: String
    }

    /// What a search has seen.
    public struct Result: Sendable {
        /// The first run that broke each thing, in the order of their numbers.
        public var hits: [Hit] = []
        /// How many runs there were, and how many of them were different ones.
        public var runs = 0
        public var distinct = 0
        /// How many events in all.
        public var events: UInt64 = 0
        /// How many situations were seen, and in which run the last new one.
        public var situations = 0
        public var lastNew = 0
        /// Faults of the menu, by what they do, with how many runs had them; those of none are there as well.
        public var faults: [(words: String, runs: Int)] = []
        /// Queues that no message ever came to.
        public var queuesNeverReached: [String] = []
        /// Ways in which work may go wrong, and never did.
        public var failuresNeverReached: [String] = []
        /// Runs that were too long to be lived to their end.
        public var cutShort = 0
        /// The schedule of the first of them.
        public var firstCutShort: Stage.Schedule?
    }

    /// Runs are handed out in rounds of so many: what a round shows is used by the next.
    private static let round = 64

    private let topology: Topology
    private let models: [any BrokerModel.Type]
    private let options: Options
    private let menu: FaultMenu
    private var moments: [UInt64] = []
    private var longest: UInt64 = 0
    /// Schedules that came into situations that nobody had seen, the latest last.
    private var corpus: [Stage.Schedule] = []

    /// A search of a topology, whose expectations it is about.
    public init(_ topology: Topology, models: [any BrokerModel.Type], _ options: Options) {
        self.topology = topology
        self.models = models
        self.options = options
        menu = FaultMenu(topology)
    }

    /// Searches.
    ///
    /// - Parameters:
    ///   - isStopped: asked between rounds; true ends the search.
    ///   - progress: hears how many runs are done.
    /// - Returns: what broke, and what was seen.
    /// - Throws: ``Simulation/Rejection`` if the topology cannot be built.
    public mutating func run(
        isStopped: () -> Bool = { false },
        progress: (Result) -> Void = { _ in }
    ) throws(Simulation.Rejection) -> Result {
        let workers = try Workers(topology, models, jobs: options.jobs)
        var result = Result()
        var seen: Set<UInt64> = []
        var digests: Set<String> = []
        var hadFault = [Int](repeating: 0, count: menu.items.count)
        var reached: Set<String> = []
        var failed: Set<Failing> = []
        rehearse(workers.first)
        while result.runs < options.runs, !isStopped() {
            let count = min(Self.round, options.runs - result.runs)
            let plans = (0..<count).map { plan(result.runs + $0) }
            let lived = live(plans, workers)
            for (index, one) in lived.enumerated() {
                result.runs += 1
                result.events += one.observation.events
                if one.isCut {
                    result.cutShort += 1
                    result.firstCutShort = result.firstCutShort ?? plans[index]
                }
                digests.insert(one.digest)
                reached.formUnion(one.observation.queues)
                failed.formUnion(one.observation.failures)
                for fault in Set(plans[index].faults.compactMap(menu.index)) {
                    hadFault[fault] += 1
                }
                let new = one.observation.situations.subtracting(seen)
                if !new.isEmpty {
                    seen.formUnion(new)
                    result.lastNew = result.runs
                    corpus.append(plans[index])
                }
                for breach in one.observation.breaches
                where !result.hits.contains(where: { $0.breach.name == breach.name }) {
                    result.hits.append(
                        Hit(
                            run: result.runs,
                            schedule: plans[index],
                            breach: breach,
                            digest: one.digest
                        )
                    )
                }
            }
            result.distinct = digests.count
            result.situations = seen.count
            progress(result)
            if options.stopsAtFirst, !result.hits.isEmpty { break }
        }
        result.faults = menu.items.indices.map {
            (menu.items[$0].words, hadFault[$0])
        }
        result.queuesNeverReached = topology.brokers.flatMap { broker in
            (broker.tree["queues"]?.entries ?? []).map(\.key).filter { !reached.contains($0) }
        }
        result.failuresNeverReached = Failing.all(in: topology).filter { !failed.contains($0) }
            .map { "\($0.client): \($0.how.words)" }
        return result
    }

    // MARK: Plans

    /// Lives the file as it is, to learn how long that takes and when something happens.
    private mutating func rehearse(_ stage: Stage) {
        var observer = Observer(wantsMoments: true)
        var run = stage.begin(Stage.Schedule(seed: topology.seed))
        while run.advance({ observer.take($0) }) == .running {
            if run.world.eventCount > 2_000_000 { run.stop(because: "it is enough") }
        }
        longest = max(run.world.eventCount * 20, 200_000)
        var moments = Array(Set(observer.moments)).sorted()
        // More are not needed to hit one of each kind.
        if moments.count > 20_000 {
            let stride = moments.count / 20_000 + 1
            moments = moments.enumerated().filter { $0.offset % stride == 0 }.map(\.element)
        }
        self.moments = moments
    }

    /// The schedule of a run.
    private func plan(_ position: Int) -> Stage.Schedule {
        guard position >= options.first.count else { return options.first[position] }
        let number = position - options.first.count
        // The first is the file as it is.
        guard number > 0 else { return Stage.Schedule(seed: topology.seed) }
        var dice = Dice(options.seed &* 0x9E37_79B9_7F4A_7C15 ^ UInt64(number))
        var plan = Stage.Schedule(seed: topology.seed)
        // The moments that matter are those of the file's own seed.
        if dice.happens(50) { plan.seed = dice.next() >> 2 }
        plan.drawsTies = dice.happens(50)
        // What takes no time takes none in any law.
        let mean = topology.latency.mean
        switch mean > 0 ? dice.below(4) : 3 {
        case 0: plan.latency = .exponential(mean: mean)
        case 1: plan.latency = .uniform(low: 0, high: mean * 2)
        case 2: plan.latency = .constant(mean * 10)
        default: break
        }
        if dice.happens(25), let link = slowLink(&dice) { plan.links = [link] }
        if !corpus.isEmpty, dice.happens(35) {
            plan = dice.pick(corpus)
            mutate(&plan, &dice)
        } else if topology.search.atMost > 0, dice.happens(85) {
            for _ in 0..<(1 + dice.below(topology.search.atMost)) { addFault(&plan, &dice) }
        }
        return plan
    }

    /// A client whose way to its broker is longer than that of the others, so that it is late for whatever comes.
    private func slowLink(_ dice: inout Dice) -> Topology.Link? {
        let clients = topology.clients.filter { $0.role != .script }
        guard !clients.isEmpty, let first = topology.nodePaths.first else { return nil }
        let client = dice.pick(clients)
        let broker = topology.brokers.first { $0.name == client.broker }
        let node = broker.map { "\($0.name)/\(dice.pick($0.nodes))" } ?? first
        let delay = Double(dice.pick([1, 5, 20, 100])) * 1e6
        return Topology.Link(
            between: [client.name, node],
            latency: .constant(delay),
            place: client.place
        )
    }

    private func addFault(_ plan: inout Stage.Schedule, _ dice: inout Dice) {
        guard plan.faults.count < topology.search.atMost,
            var fault = menu.pick(&dice)
        else { return }
        fault.moment = .at(moment(&dice))
        fault.duration = duration(&dice)
        plan.faults.append(fault)
    }

    /// Another schedule near one that has shown something new.
    private func mutate(_ plan: inout Stage.Schedule, _ dice: inout Dice) {
        let count = plan.faults.count
        switch dice.below(5) {
        case 0 where count > 0: plan.faults.remove(at: dice.below(count))
        case 1 where count > 0: plan.faults[dice.below(count)].moment = .at(moment(&dice))
        case 2 where count > 0: plan.faults[dice.below(count)].duration = duration(&dice)
        case 3: plan.seed = dice.next() >> 2
        default: addFault(&plan, &dice)
        }
    }

    /// A moment about when something happens, or any.
    private func moment(_ dice: inout Dice) -> Double {
        // At the very first moment nothing is there that could break.
        let earliest = 1e6
        guard let last = moments.last, last > 0 else {
            return max(Double(dice.below(1_000_000_000)), earliest)
        }
        if dice.happens(25) { return max(Double(dice.next() % last), earliest) }
        let around = Double(moments[dice.below(moments.count)])
        let step = max(topology.latency.mean, 1000)
        let offset: Double
        switch dice.below(4) {
        case 0: offset = 0
        case 1: offset = step / 2
        case 2: offset = 1000
        default: offset = Double(dice.next() % UInt64(step * 10)) - step
        }
        return max(around + offset, earliest)
    }

    private func duration(_ dice: inout Dice) -> Double {
        Double(dice.pick([1, 5, 20, 100, 500, 1000, 2000, 5000, 10_000, 30_000])) * 1e6
    }

    // MARK: Runs

    private struct Lived: Sendable {
        var observation: Observation
        var digest: String
        var isCut: Bool
    }

    /// Lives schedules side by side; the order of the answers is theirs.
    private func live(_ schedules: [Stage.Schedule], _ workers: Workers) -> [Lived] {
        let longest = longest
        return workers.map(schedules.count) { Self.live(schedules[$0], $1, longest) }
    }

    private static func live(
        _ schedule: Stage.Schedule,
        _ stage: Stage,
        _ longest: UInt64
    ) -> Lived {
        var run = stage.begin(schedule)
        var observer = Observer()
        var isCut = false
        while run.advance({ observer.take($0) }) == .running {
            if run.world.eventCount > longest {
                isCut = true
                run.stop(because: "the search lives no run longer than this")
            }
        }
        var observation = observer.observe(run)
        // What was not lived to its end has not had its chance.
        if isCut { observation.breaches = [] }
        return Lived(observation: observation, digest: run.digest, isCut: isCut)
    }
}
