public import WarrenKernel
public import WarrenLedger
public import WarrenTopology
public import WarrenTrace

/// A topology that runs: its world, its faults, its ledger and its judge.
///
///     var simulation = try Simulation(topology, models: Catalog.models)
///     while simulation.advance() == .running {}
///     print(simulation.verdicts)
public struct Simulation {
    /// The version that is part of every digest: a change of behaviour changes it.
    public static let version = "0.1.0"

    /// How a run stands.
    public enum State: Sendable, Hashable {
        /// There is more to come.
        case running
        /// It ended as the file says: nothing is left to happen, or the time is over.
        case ended
        /// It was stopped before; the sentence says why.
        case stopped(String)
    }

    /// What is wrong with a topology once its brokers and clients are looked at.
    public struct Rejection: Error, Sendable {
        /// The findings.
        public var findings: [Finding]

        /// A rejection for these reasons.
        public init(findings: [Finding]) { self.findings = findings }
    }

    /// The topology.
    public internal(set) var topology: Topology
    /// The seed of this run.
    public internal(set) var seed: UInt64
    /// The world.
    public package(set) var world: World
    /// The account.
    public private(set) var ledger: Ledger
    /// How the run stands.
    public private(set) var state = State.running
    /// What is not wrong and still worth saying.
    public let warnings: [Finding]
    /// The clients and their nodes.
    public let clients: [Blueprint.ClientNodes]
    /// What the models of this topology simplify.
    private let simplified: [Features.Approximation]
    /// What the models simplify, as far as the run so far rests on it.
    public var approximations: [Features.Approximation] {
        simplified.filter { one in
            one.touchedBy.isEmpty || one.touchedBy.contains { ledger.chronicle.hasSeen($0) }
        }
    }

    private var judge = Judge()
    var conditions: [(fault: Int, watched: Int)] = []
    /// Faults that begin at a moment, or begin again.
    var pendingFaults: [PendingFault] = []
    package let nodesByPath: [String: NodeID]
    let models: [any BrokerModel.Type]
    private let end: Instant
    private var instant = Instant.zero
    private var eventsAtInstant: UInt64 = 0

    /// Without `run: for:` a run that never falls silent is stopped this long after its last
    /// publication or fault.
    static let patience = Interval.seconds(24 * 3600)

    /// After so many events at one moment a run stands still: more than any burst that time moves on after,
    /// and few enough that what goes round has not filled the memory.
    private static let standstill: UInt64 = 3_000_000

    /// Builds the world of a topology, and begins its run.
    ///
    /// - Throws: ``Rejection`` if a model cannot build what the file asks for.
    public init(
        _ topology: Topology,
        models: [any BrokerModel.Type],
        seed: UInt64? = nil
    ) throws(Rejection) {
        self = try Simulation(building: topology, models, seed)
        begin()
    }

    /// The world of a topology before anything happens in it.
    init(
        building topology: Topology,
        _ models: [any BrokerModel.Type],
        _ seed: UInt64?
    ) throws(Rejection) {
        self.topology = topology
        self.seed = seed ?? topology.seed
        var blueprint = Blueprint(seed: self.seed)
        let kinds = Dictionary(
            uniqueKeysWithValues: topology.brokers.map { ($0.name, $0.kind) }
        )
        func model(_ kind: String?) -> (any BrokerModel.Type)? {
            models.first { $0.vocabulary.kind == kind }
        }
        let latency = blueprint.law(topology.latency)
        blueprint.world.setLatency(latency)
        var simplified: [Features.Approximation] = []
        for broker in topology.brokers {
            guard let model = model(broker.kind) else { continue }
            model.build(broker, into: &blueprint)
            for one in model.features.approximations where !simplified.contains(one) {
                simplified.append(one)
            }
        }
        for broker in topology.brokers {
            model(broker.kind)?.connect(broker, of: topology, into: &blueprint)
        }
        for client in topology.clients {
            guard let own = model(kinds[client.broker]) else { continue }
            if let other = client.onward.flatMap({ model(kinds[$0.broker]) }) {
                BridgeBuilder(client: client, source: own, target: other).build(into: &blueprint)
            } else {
                own.build(client, into: &blueprint)
            }
        }
        blueprint.uniteProcesses()
        Self.checkEnds(topology, &blueprint)
        Self.checkUpgrades(topology, models, &blueprint)

        var watch = Watch()
        watch.setClients(blueprint.clientOfNode)
        judge.asksForReturns = topology.clients.contains { $0.tree.says("mandatory") }
        for expectation in topology.expectations {
            let names = Self.resolve(
                expectation.expression,
                expectation.textPlace,
                topology.files,
                &blueprint
            )
            judge.add(expectation, names: names, in: &watch)
        }
        for (number, fault) in topology.faults.enumerated() {
            guard case .when(let condition) = fault.moment else { continue }
            let names = Self.resolve(condition, fault.place, topology.files, &blueprint)
            let watched = watch.addCondition(Watched(condition, names: names))
            conditions.append((number, watched))
        }
        if watch.namesTooMany, let last = topology.expectations.last {
            blueprint.findings.append(
                Finding(
                    "too-many-names",
                    "the expectations name more than \(Watch.mostClients) clients after `by` or `from`",
                    at: last.place,
                    why: "more cannot be told apart, and a verdict might be about another client",
                    remedy: "name fewer, or put several roles into one client with `instances:`"
                )
            )
        }
        let errors = blueprint.findings.filter { $0.severity == .error }
        guard errors.isEmpty else { throw Rejection(findings: blueprint.findings) }
        warnings = blueprint.findings
        ledger = Ledger(watch: watch)
        world = blueprint.world
        self.models = models
        clients = blueprint.clients
        nodesByPath = blueprint.nodesByPath
        self.simplified = simplified
        end = topology.duration.map { Instant(nanoseconds: UInt64($0)) } ?? .never
        for link in topology.links { setLatency(of: link) }
    }

    /// Begins the run.
    mutating func begin() {
        world.setTies(topology.ties)
        world.boot()
        for (number, fault) in topology.faults.enumerated() {
            if case .at(let moment) = fault.moment {
                schedule(number, fault, from: Instant(nanoseconds: UInt64(moment)))
            }
        }
    }

    /// Whether each machine looks at its own rules after each turn, and stops the program if one is broken;
    /// for tests and searches.
    public var checksInvariants: Bool {
        get { world.checksInvariants }
        set { world.checksInvariants = newValue }
    }

    // MARK: Running

    /// Lives on until about `facts` facts or `events` events have happened, hands the facts to `sink`, and
    /// says how it stands.
    @discardableResult
    public mutating func advance(
        facts limit: Int = 1024,
        events most: UInt64 = 1_000_000,
        _ sink: (UnsafeBufferPointer<Fact>) -> Void = { _ in }
    ) -> State {
        guard state == .running else { return state }
        // A condition must be looked at after every turn; everything else can wait for a full buffer.
        let before = world.eventCount
        let horizon = end == .never ? ledger.lastStir + Self.patience : end
        let due = pendingFaults.map(\.moment).min() ?? .never
        let stop = world.run(
            until: min(horizon, due),
            facts: conditions.isEmpty ? limit : 1,
            events: most
        )
        take(sink)
        let isDue = due <= horizon && (stop == .idle || stop == .time)
        // Until a fault comes the world may be idle, but for clocks that go on ticking.
        if isDue, world.wait(until: due, facts: limit, events: most) { beginFaults(at: due) }
        if world.parcelsAreMany { world.sweepParcels() }
        switch stop {
        case .idle: if !hasPendingFault, !isDue { state = .ended }
        case .time where isDue: break
        case .time:
            if end == .never {
                state = .stopped(
                    "nothing was published for 24 simulated hours, and it is still busy; say "
                        + "`run: { for: 10m }` to end it yourself"
                )
            } else {
                state = .ended
            }
        case .facts, .events, .choice: watchForStandstill(world.eventCount - before)
        }
        if state == .running, end == .never, !hasPendingFault, ledger.circle.isSure { endCircle() }
        return state
    }

    /// Ends a run in which dead letters go round for ever.
    private mutating func endCircle() {
        let circle = ledger.circle
        let queues = circle.queues.map { world.names[$0] }
        let way = (queues + [queues.first ?? ""]).joined(separator: " → ")
        let messages =
            circle.messageCount == 1
            ? "one message circles" : "\(circle.messageCount) messages circle"
        state = .stopped(
            "\(messages) \(way), \(circle.count) times by now, and nothing else happens any more; say "
                + "`run: { for: 10m }` to see it go on"
        )
    }

    /// Lives on until a moment of a clock outside, whether anything happens until then or not.
    package mutating func live(
        until moment: Instant,
        _ sink: (UnsafeBufferPointer<Fact>) -> Void = { _ in }
    ) {
        guard state == .running else { return }
        // Clients from outside do as they like.
        judge.asksForReturns = true
        repeat {
            let due = pendingFaults.map(\.moment).min() ?? .never
            let next = min(moment, due)
            world.wait(until: next, facts: conditions.isEmpty ? .max : 1)
            take(sink)
            if due <= next, world.now >= due { beginFaults(at: due) }
        } while world.now < moment
        if world.parcelsAreMany { world.sweepParcels() }
    }

    /// Takes in what has happened since the last look.
    package mutating func take(_ sink: (UnsafeBufferPointer<Fact>) -> Void) {
        var account = Ledger()
        swap(&account, &ledger)
        if account.watch.wantsNames { account.lend(world.names) }
        world.drainFacts { facts in
            account.take(facts)
            sink(facts)
        }
        if account.watch.wantsNames { account.lend(nil) }
        swap(&account, &ledger)
        beginConditionalFaults()
    }

    /// Ends a run that is paced from outside.
    package mutating func finish() { if state == .running { state = .ended } }

    private var hasPendingFault: Bool {
        conditions.contains { ledger.watch.hasHappened($0.watched) }
    }

    /// Runs to the end.
    public mutating func run(_ sink: (UnsafeBufferPointer<Fact>) -> Void = { _ in }) {
        while advance(sink) == .running {}
    }

    /// Stops the run here, as Ctrl-C does.
    public mutating func stop(because reason: String) {
        if state == .running { state = .stopped(reason) }
    }

    private mutating func watchForStandstill(_ handled: UInt64) {
        if world.now != instant {
            instant = world.now
            eventsAtInstant = 0
        }
        eventsAtInstant += handled
        if eventsAtInstant > Self.standstill {
            state = .stopped(
                "3 million events happened without time moving on: a message goes round in a circle "
                    + "of links and work that take no time"
            )
        }
    }

    // MARK: Building

    /// The nodes that a name in the file stands for: a node, a client's instances, or a whole broker.
    static func ends(
        _ name: String,
        _ nodesByPath: [String: NodeID],
        _ clients: [Blueprint.ClientNodes],
        _ topology: Topology
    ) -> [NodeID] {
        if let node = nodesByPath[name] { return [node] }
        if let client = clients.first(where: { $0.name == name }) { return client.carriers }
        guard let broker = topology.brokers.first(where: { $0.name == name }) else { return [] }
        return broker.nodes.compactMap { nodesByPath["\(name)/\($0)"] }
    }

    /// Gives a link a delay of its own, in both directions.
    mutating func setLatency(of link: Topology.Link) {
        guard link.between.count == 2 else { return }
        let law = world.law(link.latency)
        for one in Self.ends(link.between[0], nodesByPath, clients, topology) {
            for other in Self.ends(link.between[1], nodesByPath, clients, topology) {
                world.setLatency(law, from: one, to: other)
                world.setLatency(law, from: other, to: one)
            }
        }
    }

    // MARK: The verdict

    /// The verdicts on the expectations so far, in file order.
    public var verdicts: [Verdict] { judge.verdicts(ledger) }

    /// The fingerprint of the run so far, its version, its names and its seed included.
    public var digest: String {
        var digest = ledger.digest
        digest.add(Self.version)
        digest.add(String(seed))
        for entry in world.names.entries { digest.add(entry.text) }
        return digest.text
    }

    /// What the file's faults did not do, in sentences: those that never began, and those that hit nothing.
    public var idleFaults: [String] {
        var found: [String] = []
        for (number, fault) in topology.faults.enumerated() {
            let what = "fault \(number + 1) (\(fault.action.rawValue))"
            switch fault.moment {
            case .when:
                if conditions.contains(where: { $0.fault == number }) {
                    found.append("\(what) never began: its condition did not come true")
                }
            case .at(let moment):
                if Instant.zero + Interval(clamping: moment) > world.now {
                    found.append("\(what) never began: the run was over before")
                }
            }
        }
        let missed = ledger.totals.missedFaults
        if missed > 0 {
            found.append(
                "\(missed) \(missed == 1 ? "fault" : "faults") hit nothing: what they named was down already"
            )
        }
        return found
    }

    /// The clients that never had a connection.
    public var idleClients: [String] {
        clients.filter { !ledger.chronicle.wasConnected($0.symbol) }.map(\.name)
    }

    /// Something that does not add up.
    public struct Imbalance: Sendable, Hashable {
        /// How many copies, publications or pieces of work it is about.
        public var count: UInt64
        /// What it is.
        public var sentence: String
    }

    /// What does not add up, in sentences; empty if all is well.
    public func imbalances() -> [String] { balance().map(\.sentence) }

    /// What does not add up: between the facts themselves, and between them and the machines.
    ///
    /// Empty if all is well.
    public func balance() -> [Imbalance] {
        var found: [Imbalance] = []
        func say(_ count: UInt64, _ sentence: String) {
            found.append(Imbalance(count: max(count, 1), sentence: sentence))
        }
        func apart(_ one: UInt64, _ other: UInt64) -> UInt64 {
            one > other ? one - other : other - one
        }
        if ledger.misfits > 0, let fact = ledger.firstMisfit {
            say(
                ledger.misfits,
                "\(ledger.misfits) facts fit no copy; the first is \(fact.kind.name) of "
                    + "m\(fact.message.raw) in '\(world.names[fact.subject])' at event \(fact.event)"
            )
        }
        if ledger.unaccounted > 0 {
            say(ledger.unaccounted, "\(ledger.unaccounted) copies are unaccounted for")
        }
        let phantoms = ledger.phantoms
        if phantoms.count > 0 {
            say(
                phantoms.count,
                "\(phantoms.count) pieces of work were done without a delivery; the first is on "
                    + "m\(phantoms.first.raw)"
            )
        }
        let inventory = world.inventory()
        var counted: Set<Symbol> = []
        for line in inventory.lines {
            counted.insert(line.queue)
            let account = ledger.account(of: line.queue)
            let depth = account?.depth ?? 0
            let unacked = account?.unacked ?? 0
            if depth != line.ready || unacked != line.unacked {
                say(
                    apart(depth, line.ready) + apart(unacked, line.unacked),
                    "'\(world.names[line.queue])' holds \(line.ready) ready and \(line.unacked) "
                        + "unacknowledged, and the facts say \(depth) and \(unacked)"
                )
            }
        }
        for account in ledger.queues where !counted.contains(account.symbol) {
            guard account.depth + account.unacked > 0 else { continue }
            say(
                account.depth + account.unacked,
                "'\(world.names[account.symbol])' is nowhere, and the facts say that it holds "
                    + "\(account.depth) ready and \(account.unacked) unacknowledged"
            )
        }
        let transit = ledger.queues.reduce(0) { $0 + $1.transit }
        let held = inventory.inHand + world.copiesOnTheWire
        if transit != held {
            say(
                apart(held, transit),
                "\(held) settled copies wait in clients or on the wire, and the facts say \(transit)"
            )
        }
        let settled =
            ledger.totals.confirmed + ledger.totals.nacked + ledger.totals.gaveUp
            + ledger.totals.returned
        if settled + inventory.unconfirmed < ledger.totals.askedConfirm {
            let missing = ledger.totals.askedConfirm - settled - inventory.unconfirmed
            say(missing, "\(missing) publications wait for a confirm that nobody keeps")
        }
        return found
    }
}
