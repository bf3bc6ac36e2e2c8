import WarrenBroker
import WarrenKernel
public import WarrenLedger
import WarrenTopology
import WarrenTrace

/// Something that a run broke.
public struct Breach: Sendable, Hashable {
    /// The name of the expectation, or of the rule of the house.
    public var name: String
    /// What should hold.
    public var sentence: String
    /// When it was broken first, by which message, and what was seen instead.
    public var first: Watch.Broken?

    /// Something that a run broke.
    public init(name: String, sentence: String, first: Watch.Broken?) {
        self.name = name
        self.sentence = sentence
        self.first = first
    }
}

/// What was seen of a run, as far as a search wants to know it.
struct Observation: Sendable {
    var breaches: [Breach] = []
    var events: UInt64 = 0
    /// Situations that it came through, as hashes.
    var situations: Set<UInt64> = []
    /// Queues that had a message, and how the work of clients went wrong.
    var reached: Set<Tally.Reached> = []
}

/// A way in which the work of a client may go wrong.
struct Failing: Sendable, Hashable {
    var client: String
    var how: WorkFailure
    var words: String { "\(client): \(how.words)" }

    /// All that a topology says.
    static func all(in topology: Topology) -> [Failing] {
        topology.clients.flatMap { client -> [Failing] in
            let fails = client.fails
            let dies = fails.crashDuringWork > 0 || fails.poison > 0 && fails.poisonKills
            let ways: [(WorkFailure, Bool)] = [
                (.error, fails.error > 0 || fails.poison > 0 && !fails.poisonKills),
                (.hang, fails.hang > 0), (.crashAfterWork, fails.crashAfterWork > 0),
                (.crashDuringWork, dies), (.crashBetween, fails.crashBetween > 0),
            ]
            return ways.filter(\.1).map { Failing(client: client.name, how: $0.0) }
        }
    }
}

/// Watches a run from beside.
struct Observer {
    private var observation = Observation()
    /// By node: the rare thing that happened there last.
    private var latest: [UInt32: UInt64] = [:]
    private var leaders: [Leader: UInt32] = [:]
    private var twoLeaders: Fact?
    private let wantsMoments: Bool
    /// The moments at which something of weight happened.
    private(set) var moments: [UInt64] = []

    private var failed: Set<Failed> = []
    /// Where messages were published, with which key and headers; and queues that dead letters left.
    private var publications: Set<Publication> = []
    private var last = Publication()
    private var burials: Set<Symbol> = []

    private struct Publication: Hashable {
        var exchange = Symbol.none
        var key = Symbol.none
        var headers = Symbol.none
    }

    private struct Failed: Hashable {
        var client: UInt32
        var how: UInt8
    }

    private struct Leader: Hashable {
        var queue: Symbol
        var term: UInt64
    }

    init(wantsMoments: Bool = false) { self.wantsMoments = wantsMoments }

    mutating func take(_ facts: UnsafeBufferPointer<Fact>) {
        for fact in facts {
            if fact.kind == .messagePublished {
                let one = Publication(
                    exchange: fact.subject,
                    key: Symbol(fact.peer),
                    headers: fact.headers
                )
                if one != last {
                    publications.insert(one)
                    last = one
                }
            }
            switch fact.kind {
            case .messagePublished, .messageRouted, .deliverySent, .deliveryAcked,
                .messageConfirmed,
                .messageHandled:
                if wantsMoments, moments.last != fact.time.nanoseconds {
                    moments.append(fact.time.nanoseconds)
                }
            default: takeRare(fact)
            }
        }
    }

    private mutating func takeRare(_ fact: Fact) {
        if wantsMoments { moments.append(fact.time.nanoseconds) }
        if fact.kind == .messageDeadLettered { burials.insert(fact.subject) }
        if fact.kind == .workFailed { failed.insert(Failed(client: fact.peer, how: fact.variant)) }
        // A leader whose terms nobody counts is in term 0: that of a stream.
        if fact.kind == .leaderElected, fact.detail > 0 {
            let leader = Leader(queue: fact.subject, term: fact.detail)
            let other = leaders.updateValue(fact.node.raw, forKey: leader)
            if let other, other != fact.node.raw { twoLeaders = twoLeaders ?? fact }
        }
        let what = UInt64(fact.kind.rawValue) << 8 | UInt64(fact.variant)
        let before = latest.updateValue(what, forKey: fact.node.raw) ?? 0
        observation.situations.insert(Self.mix(what, before, UInt64(fact.node.raw)))
    }

    private static func mix(_ one: UInt64, _ two: UInt64, _ three: UInt64) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for part in [one, two, three] { hash = (hash ^ part) &* 0x100_0000_01B3 }
        return hash ^ hash >> 29
    }

    /// Adds what counts for what will be said of the run.
    func addState(to hash: inout StructuralHash) {
        hash.add(leaders)
        hash.add(twoLeaders != nil)
    }

    /// What was seen of a run that is over.
    func observe(_ run: Simulation) -> Observation {
        var seen = observation
        seen.events = run.world.eventCount
        let ledger = run.ledger
        let names = run.world.names
        for queue in ledger.queues {
            if queue.delivered > 0 || queue.depthMax > 0 {
                seen.reached.insert(Tally.Reached(.queue, names[queue.symbol]))
            }
            let depth = UInt64(64 - queue.depthMax.leadingZeroBitCount)
            let held = UInt64(64 - queue.unacked.leadingZeroBitCount)
            seen.situations.insert(Self.mix(UInt64(queue.symbol.raw) << 32, depth, held))
        }
        for one in publications {
            let parts = [
                Self.scope(one.exchange, names), names[one.exchange], names[one.key],
                names[one.headers],
            ]
            seen.reached.insert(Tally.Reached(.publication, parts.joined(separator: "\u{1F}")))
        }
        for queue in burials {
            let parts = [Self.scope(queue, names), names[queue]]
            seen.reached.insert(Tally.Reached(.burial, parts.joined(separator: "\u{1F}")))
        }
        for one in failed {
            guard let how = WorkFailure(rawValue: one.how) else { continue }
            let failing = Failing(client: names[Symbol(one.client)], how: how)
            seen.reached.insert(Tally.Reached(.failure, failing.words))
        }
        seen.breaches = breaches(run)
        return seen
    }

    /// The broker that a name belongs to, and its virtual host if that is not `/`.
    private static func scope(_ symbol: Symbol, _ names: Names) -> String {
        names[names.entries[Int(symbol.raw)].scope]
    }

    private func breaches(_ run: Simulation) -> [Breach] {
        // Where nothing was measured, nothing broke: `warren run` says so of the file.
        var found = run.verdicts.filter {
            !$0.held && !$0.isMeantToBreak
                && $0.first?.seen.hasPrefix("nothing was measured") != true
        }.map { Breach(name: $0.name, sentence: $0.sentence, first: $0.first) }
        if let fact = twoLeaders {
            found.append(
                Breach(
                    name: "one-leader-a-term",
                    sentence: "a quorum queue has at most one leader in a term",
                    first: Watch.Broken(
                        time: fact.time,
                        event: fact.event,
                        seen:
                            "two nodes lead \(run.world.names[fact.subject]) in term \(fact.detail)"
                    )
                )
            )
        }
        if run.state == .ended, let fault = run.imbalances().first {
            found.append(
                Breach(
                    name: "accounting",
                    sentence: "what the facts add up to is what the machines hold",
                    first: Watch.Broken(time: run.world.now, seen: fault)
                )
            )
        }
        return found
    }
}
