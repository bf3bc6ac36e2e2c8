public import WarrenBroker
import WarrenLedger
import WarrenTopology

/// What the runs of a search have shown, run by run: all that it needs to go on, and all that is joined of several.
public struct Tally: Sendable {
    /// One run.
    public struct Row: Sendable, Hashable {
        /// Its number, from 1; the shards of a search share one row of numbers.
        public var number: Int
        /// The first half of its fingerprint.
        public var fingerprint: UInt64
        public var events: UInt64
        /// Whether it was too long to be lived to its end.
        public var isCut: Bool
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
        /// How many runs broke it in this way.
        public var times = 1

        /// A run that broke something.
        public init(
            run: Int,
            schedule: Stage.Schedule,
            breach: Breach,
            digest: String,
            times: Int = 1
        ) {
            self.run = run
            self.schedule = schedule
            self.breach = breach
            self.digest = digest
            self.times = times
        }

        /// What it broke, and what was seen without the numbers in it, after which faults: hits of one kind are counted
        /// together.
        public var kind: String {
            let seen = (breach.first?.seen ?? "").filter { !$0.isNumber }
            let faults = Set(schedule.faults.map(\.action.rawValue)).sorted()
            return ([breach.name, seen] + faults).joined(separator: "|")
        }
    }

    /// Something that messages came through, or that went wrong.
    public struct Reached: Sendable, Hashable {
        /// Of what kind it is.
        public enum Kind: String, Sendable { case queue, failure, publication, burial }

        /// Of what kind it is, and its name.
        public var kind: Kind
        /// Its name in the file.
        public var name: String

        /// Something that was reached.
        public init(_ kind: Kind, _ name: String) {
            self.kind = kind
            self.name = name
        }
    }

    /// All runs, in the order in which they were lived.
    public private(set) var rows: [Row] = []
    /// Runs that came into situations that none before had seen, with their schedules.
    public private(set) var telling: [(run: Int, schedule: Stage.Schedule)] = []
    /// Situations in the order in which they were seen first, as hashes, with the run of each.
    public private(set) var situations: [(hash: UInt64, run: Int)] = []
    /// The first run of each kind that broke something, in the order in which they were found.
    public private(set) var hits: [Hit] = []
    /// By fault of the menu: how many runs had it.
    public private(set) var faults: [String: Int] = [:]
    public private(set) var reached: Set<Reached> = []
    /// The first run that was too long to be lived to its end.
    public private(set) var firstCut: (run: Int, schedule: Stage.Schedule)?
    private var known: Set<UInt64> = []
    private var places: [String: Int] = [:]

    /// Nothing yet.
    public init() {}

    /// How many events in all.
    public var events: UInt64 { rows.reduce(0) { $0 + $1.events } }
    /// How many runs were different ones.
    public var distinct: Int { Set(rows.map(\.fingerprint)).count }
    /// The last run that came into a new situation; 0 if none did.
    public var lastNew: Int { situations.map(\.run).max() ?? 0 }
    /// How many runs were too long.
    public var cutShort: Int { rows.count(where: \.isCut) }

    // MARK: Runs

    mutating func take(
        _ number: Int,
        _ schedule: Stage.Schedule,
        _ seen: Observation,
        _ digest: String,
        isCut: Bool
    ) {
        add(
            Row(
                number: number,
                fingerprint: Self.fingerprint(digest),
                events: seen.events,
                isCut: isCut
            )
        )
        if isCut, firstCut == nil { firstCut = (number, schedule) }
        for fault in Set(schedule.faults.map(\.words)) { faults[fault, default: 0] += 1 }
        reached.formUnion(seen.reached)
        // In an order of their own: a set has none that is the same twice.
        let new = seen.situations.subtracting(known).sorted()
        if !new.isEmpty {
            known.formUnion(new)
            situations += new.map { ($0, number) }
            telling.append((number, schedule))
        }
        for breach in seen.breaches {
            add(Hit(run: number, schedule: schedule, breach: breach, digest: digest))
        }
    }

    static func fingerprint(_ digest: String) -> UInt64 {
        UInt64(digest.prefix(16), radix: 16) ?? 0
    }

    // MARK: What was kept

    /// Adds a run.
    public mutating func add(_ row: Row) { rows.append(row) }

    /// Adds a hit, or counts it with those of its kind.
    public mutating func add(_ hit: Hit) {
        guard let place = places[hit.kind] else {
            places[hit.kind] = hits.count
            hits.append(hit)
            return
        }
        let times = hits[place].times + hit.times
        if hit.run < hits[place].run { hits[place] = hit }
        hits[place].times = times
    }

    /// Adds a situation, unless it is known.
    public mutating func add(situation hash: UInt64, run: Int) {
        if known.insert(hash).inserted { situations.append((hash, run)) }
    }

    /// Adds a run that told something new.
    public mutating func add(telling run: Int, _ schedule: Stage.Schedule) {
        telling.append((run, schedule))
    }

    /// Counts runs that had a fault.
    public mutating func add(fault words: String, runs: Int) { faults[words, default: 0] += runs }

    /// Adds something that was reached.
    public mutating func add(_ reached: Reached) { self.reached.insert(reached) }

    /// Says which run was too long.
    public mutating func add(cut run: Int, _ schedule: Stage.Schedule) {
        if firstCut.map({ run < $0.run }) ?? true { firstCut = (run, schedule) }
    }

    /// Joins what another part of the same search has shown.
    ///
    /// - Returns: false, and nothing is joined, if the two have runs in common.
    public mutating func join(_ other: Tally) -> Bool {
        guard Set(rows.map(\.number)).isDisjoint(with: other.rows.map(\.number)) else {
            return false
        }
        rows = (rows + other.rows).sorted { $0.number < $1.number }
        // A situation belongs to the least run that saw it, wherever that was lived.
        var first: [UInt64: Int] = [:]
        for one in situations + other.situations {
            first[one.hash] = min(first[one.hash] ?? .max, one.run)
        }
        situations = first.map { (hash: $0.key, run: $0.value) }
            .sorted { ($0.run, $0.hash) < ($1.run, $1.hash) }
        known = Set(first.keys)
        telling = (telling + other.telling).sorted { $0.run < $1.run }
        for hit in other.hits { add(hit) }
        hits.sort { ($0.run, $0.breach.name) < ($1.run, $1.breach.name) }
        places = Dictionary(
            uniqueKeysWithValues: hits.enumerated().map { ($0.element.kind, $0.offset) }
        )
        for (words, runs) in other.faults { faults[words, default: 0] += runs }
        reached.formUnion(other.reached)
        if let cut = other.firstCut { add(cut: cut.run, cut.schedule) }
        return true
    }
}
