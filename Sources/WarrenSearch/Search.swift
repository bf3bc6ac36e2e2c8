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
        /// Which part of the runs is lived here: the `shard`-th of `shards`, from 1.
        public var shard = 1
        public var shards = 1

        /// The usual options.
        public init() {}

        /// How many of the runs are lived here.
        var share: Int { runs / shards + (runs % shards >= shard ? 1 : 0) }

        /// The number of the run at a position of this shard: shards take turns.
        func number(at position: Int) -> Int { position * shards + shard }

        func position(of number: Int) -> Int { (number - 1) / shards }
    }

    /// What a search has seen, put together.
    public struct Result: Sendable {
        /// Run by run.
        public let tally: Tally
        /// The first run that broke each thing, or broke it in each way if the search went on, in the order in which they
        /// came.
        public let hits: [Tally.Hit]
        /// Faults of the menu, by what they do, with how many runs had them; those of none are there as well.
        public let faults: [(words: String, runs: Int)]
        /// Queues that no message ever came to.
        public let queuesNeverReached: [String]
        /// Ways in which work may go wrong, and never did.
        public let failuresNeverReached: [String]

        /// How many runs there were.
        public var runs: Int { tally.rows.count }
        /// How many runs were different ones.
        public var distinct: Int { tally.distinct }
        /// How many events in all.
        public var events: UInt64 { tally.events }
        /// How many situations were seen, and in which run the last new one.
        public var situations: Int { tally.situations.count }
        public var lastNew: Int { tally.lastNew }
        /// How many runs were too long to be lived to their end.
        public var cutShort: Int { tally.cutShort }

        /// What the runs of a search of a topology have shown.
        ///
        /// - Parameters:
        ///   - tally: run by run.
        ///   - topology: the topology that was searched.
        ///   - each: whether each way in which something broke is a hit of its own.
        public init(_ tally: Tally, of topology: Topology, each: Bool = true) {
            self.tally = tally
            var names: Set<String> = []
            hits = tally.hits.filter { names.insert(each ? $0.kind : $0.breach.name).inserted }
            faults = FaultMenu(topology).items.map { ($0.words, tally.faults[$0.words] ?? 0) }
            queuesNeverReached = topology.brokers.flatMap { broker in
                (broker.tree["queues"]?.entries ?? []).map(\.key)
                    .filter { !tally.reached.contains(Tally.Reached(.queue, $0)) }
            }
            failuresNeverReached = Failing.all(in: topology).map(\.words)
                .filter { !tally.reached.contains(Tally.Reached(.failure, $0)) }
        }
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
    private var corpus: ArraySlice<(run: Int, schedule: Stage.Schedule)> = []

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
    ///   - before: what the same search has shown already: it goes on from there, as if it had not been interrupted.
    ///   - isStopped: asked between runs; true ends the search.
    ///   - progress: hears what was seen so far, after each round.
    /// - Returns: what broke, and what was seen.
    /// - Throws: ``Simulation/Rejection`` if the topology cannot be built.
    public mutating func run(
        from before: Tally = Tally(),
        isStopped: @escaping @Sendable () -> Bool = { false },
        progress: (Tally) -> Void = { _ in }
    ) throws(Simulation.Rejection) -> Result {
        let workers = try Workers(topology, models, jobs: options.jobs)
        var tally = before
        rehearse(workers.first)
        while tally.rows.count < options.share, !isStopped() {
            if options.stopsAtFirst, !tally.hits.isEmpty { break }
            let done = tally.rows.count
            // A round that was interrupted goes on with what it knew at its beginning.
            let start = done - done % Self.round
            let told = tally.telling.firstIndex { options.position(of: $0.run) >= start }
            corpus = tally.telling.prefix(told ?? tally.telling.count)
            let count = min(start + Self.round, options.share) - done
            let numbers = (0..<count).map { options.number(at: done + $0) }
            let plans = numbers.map { plan($0) }
            let lived = live(plans, workers, isStopped)
            for (index, one) in lived.enumerated() {
                tally.take(
                    numbers[index],
                    plans[index],
                    one.observation,
                    one.digest,
                    isCut: one.isCut
                )
            }
            progress(tally)
        }
        return Result(tally, of: topology, each: !options.stopsAtFirst)
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

    /// The schedule of the run with a number, from 1.
    private func plan(_ run: Int) -> Stage.Schedule {
        guard run > options.first.count else { return options.first[run - 1] }
        let number = run - 1 - options.first.count
        // The first is the file as it is.
        guard number > 0 else { return Stage.Schedule(seed: topology.seed) }
        var dice = Dice(options.seed &* 0x9E37_79B9_7F4A_7C15 ^ UInt64(number))
        var plan = Stage.Schedule(seed: topology.seed)
        // The moments that matter are those of the file's own seed.
        if dice.happens(50) { plan.seed = dice.next() >> 2 }
        plan.ties = dice.pick([.inOrder, .inOrder, .drawn, .ranked])
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
            plan = corpus[corpus.startIndex + dice.below(corpus.count)].schedule
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
        case 1: offset = (step / 2).rounded()
        case 2: offset = 1000
        default: offset = Double(dice.next() % UInt64(step * 10)) - step.rounded()
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
    private func live(
        _ schedules: [Stage.Schedule],
        _ workers: Workers,
        _ isStopped: @Sendable () -> Bool
    ) -> [Lived] {
        let longest = longest
        return workers.map(schedules.count, isStopped: isStopped) {
            Self.live(schedules[$0], $1, longest)
        }
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
