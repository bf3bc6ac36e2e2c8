public import WarrenBroker
import WarrenKernel
public import WarrenTopology

/// Makes a case shorter for as long as it breaks the same thing.
public struct Shrinker {
    /// How a case of a file ended.
    public struct Outcome: Sendable {
        /// What it broke, if that is what is looked for.
        public var breach: Breach
        /// How many events it took.
        public var events: UInt64
        /// The fingerprint of the run.
        public var digest: String
    }

    private let models: [any BrokerModel.Type]
    private let read: (String) -> Topology?
    private let name: String
    private let longest: UInt64
    /// What the file was before the schedule: its faults and all that chance does are as there in a calm case.
    private let calm: Tree
    /// Whether the file breaks it calmly as well: then there is nothing to keep.
    private let isBrokenCalmly: Bool
    /// How many more cases are tried, and how many events they may take in all.
    private(set) var budget: Int
    private var eventsLeft: UInt64 = 60_000_000
    /// How many were tried.
    public private(set) var tried = 0
    /// The shortest case so far, and how it ended.
    public private(set) var best: CaseFile
    public private(set) var outcome: Outcome
    private var known: Set<String> = []

    /// A case that breaks the expectation `name`; nil if it does not when it is read and played.
    ///
    /// - Parameters:
    ///   - file: the file that was searched, without a schedule.
    ///   - schedule: the schedule that breaks it.
    ///   - name: the name of what it breaks.
    ///   - models: the kinds of broker.
    ///   - budget: how many shorter cases are tried at most.
    ///   - read: makes a topology of the text of a file.
    public init?(
        _ file: CaseFile,
        _ schedule: Stage.Schedule,
        breaking name: String,
        models: [any BrokerModel.Type],
        budget: Int = 2000,
        read: @escaping (String) -> Topology?
    ) {
        self.models = models
        self.read = read
        self.name = name
        self.budget = budget
        calm = file.tree
        best = file.with(schedule)
        guard let first = Self.play(best, name, models, read, .max).outcome else { return nil }
        outcome = first
        longest = max(first.events * 2, 10_000)
        isBrokenCalmly = Self.play(file, name, models, read, .max).outcome != nil
    }

    /// The sections of clients whose failures are made more frequent to need fewer messages.
    static let failing = [Topology.Role.consumer.section, Topology.Role.bridge.section]

    /// The case without what the schedule brought: a shorter story that breaks like this tells of something else.
    private func calmed(_ file: CaseFile) -> CaseFile {
        var file = file
        for key in ["faults", "seed", "network"] { file.tree[key] = calm[key] }
        // Failures that were made more frequent belong to the story, as faults do.
        for section in Self.failing {
            for client in file.tree[section]?.entries ?? [] {
                let path = [section, client.key, "fails"]
                if file.tree[path: path] != calm[path: path] { file.tree[path: path] = nil }
            }
        }
        file.tree[path: ["run", "ties"]] = calm[path: ["run", "ties"]]
        if file.tree["run"]?.entries.isEmpty == true { file.tree["run"] = nil }
        return file
    }

    /// The moments at which something of weight happens in a calm life of a case.
    func moments(of file: CaseFile) -> [UInt64] {
        guard let topology = read(calmed(file).text),
            var run = try? Simulation(topology, models: models)
        else { return [] }
        var observer = Observer(wantsMoments: true)
        while run.advance({ observer.take($0) }) == .running {
            if run.world.eventCount > longest { break }
        }
        return Array(Set(observer.moments)).sorted()
    }

    /// Plays a case: whether it was lived to its end, and how it broke, if it did.
    private static func play(
        _ file: CaseFile,
        _ name: String,
        _ models: [any BrokerModel.Type],
        _ read: (String) -> Topology?,
        _ longest: UInt64
    ) -> (isWhole: Bool, outcome: Outcome?) {
        guard let topology = read(file.text),
            var run = try? Simulation(topology, models: models)
        else { return (false, nil) }
        var observer = Observer()
        while run.advance({ observer.take($0) }) == .running {
            if run.world.eventCount > longest { return (false, nil) }
        }
        let seen = observer.observe(run)
        guard let breach = seen.breaches.first(where: { $0.name == name }) else {
            return (true, nil)
        }
        return (true, Outcome(breach: breach, events: seen.events, digest: run.digest))
    }

    /// Shrinks to a case of which nothing that is tried can be left out.
    public mutating func run(isStopped: () -> Bool = { false }) {
        var isShorter = true
        while isShorter, budget > 0, !isStopped() {
            isShorter = false
            for pass in Pass.allCases where budget > 0 && !isStopped() {
                if perform(pass) { isShorter = true }
            }
        }
    }

    /// Takes a change if the case still breaks the same thing, in no more events, and does not do so calmly.
    ///
    /// What leaves something out may take a few events more; what only changes something has to take fewer.
    mutating func attempt(inFewerEvents: Bool = false, _ change: (inout Tree) -> Void) -> Bool {
        guard budget > 0, eventsLeft > 0 else { return false }
        var candidate = best
        change(&candidate.tree)
        let text = candidate.text
        guard candidate.tree != best.tree, known.insert(text).inserted else { return false }
        budget -= 1
        tried += 1
        // What is not lived to its end, or is calm, costs about as much as the best so far.
        eventsLeft -= min(eventsLeft, outcome.events)
        guard let played = Self.play(candidate, name, models, read, longest).outcome,
            inFewerEvents
                ? played.events < outcome.events
                : played.events <= outcome.events + outcome.events / 20
        else { return false }
        if !isBrokenCalmly {
            eventsLeft -= min(eventsLeft, outcome.events)
            let calm = Self.play(calmed(candidate), name, models, read, longest)
            guard calm.isWhole, calm.outcome == nil else { return false }
        }
        best = candidate
        outcome = played
        return true
    }
}
