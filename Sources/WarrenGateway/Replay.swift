import AMQPWire
import Foundation
import NIOCore
import RabbitMQModel
import Synchronization
public import WarrenBroker
import WarrenKernel
public import WarrenTopology
public import WarrenTrace

/// A scenario with a real broker: the modelled clients live in real time, and what they say goes over real
/// connections.
///
/// The clients are those of a simulation, with the same seed: what they publish, when, how large, how long they work
/// and where they fail is the same. The node of the broker is a port; what it hears is said to the real broker, and
/// what that says is told to them. What happens is recorded in the words of a simulation.
///
/// - Differs: a broker does not say where it puts a message: that a copy was routed is recorded when it comes out,
///   or is found in its queue at the end.
public final class Replay {
    /// The broker that is asked.
    public struct Target: Sendable {
        /// Where AMQP is spoken.
        public var host: String
        public var port: Int
        /// Who connects.
        public var user: String
        public var password: String
        /// Where the management plugin listens.
        public var managementPort: Int
        /// The cluster, if it was started for this: only such a one is broken.
        public var cluster: LocalCluster?

        /// A broker at this address.
        public init(
            host: String = "127.0.0.1",
            port: Int = 5672,
            user: String = "guest",
            password: String = "guest",
            managementPort: Int = 15672,
            cluster: LocalCluster? = nil
        ) {
            self.host = host
            self.port = port
            self.user = user
            self.password = password
            self.managementPort = managementPort
            self.cluster = cluster
        }

        var management: Management {
            Management(host: host, port: managementPort, user: user, password: password)
        }
    }

    /// What ended a replay before its time, with what was done and what was not.
    public struct Failure: Error, Sendable, CustomStringConvertible {
        /// A sentence.
        public var description: String
    }

    /// The run: its facts are those of the real broker.
    public internal(set) var simulation: Simulation

    let target: Target
    /// How much faster than real time.
    let speed: Double
    /// When the model was done.
    let modelEnd: Instant
    let mailbox = Mailbox()
    var links: [ConnectionID: Link] = [:]
    var seen = SeenCopies()
    var vhosts: [VHost] = []
    /// The users of the topology but for guest, and those that stand for them.
    var users: [(user: User, real: String)] = []
    let port: NodeID
    /// When the broker said something, or was told something, last.
    var lastNews = ContinuousClock.now
    /// Since when it takes no connections, and since when it reads no publications although the file has no alarm.
    var refusedSince, blockedSince: ContinuousClock.Instant?
    var faults: Task<Void, Never>?
    let faultsUnderWay = UnderWay()
    /// Those of them for which the world stands still.
    let pauses = UnderWay()
    /// Whether the node was started, and whether it has come back without its data.
    var hasStarted = false, hasBeenBlank = false
    /// What was made on the broker and could not be removed.
    public internal(set) var leftBehind: [String] = []

    /// A virtual host of the topology, and the one that stands for it.
    struct VHost {
        var name: String
        var real: String
        var scope: Symbol
        var definitions: Definitions
        /// Queues whose dead letters go somewhere.
        var deadLettering: Set<String> = []
    }

    /// Looks whether a topology can be replayed.
    ///
    /// - Parameters:
    ///   - topology: the topology.
    ///   - mayBreak: whether the broker was started for this, and may be broken.
    /// - Throws: ``Failure`` if it is not for one RabbitMQ node, or breaks a broker that may not be.
    public static func check(_ topology: Topology, mayBreak: Bool) throws(Failure) {
        guard topology.brokers.count == 1, let broker = topology.brokers.first,
            broker.kind == RabbitMQ.vocabulary.kind
        else {
            throw Failure(
                description: "only a topology with one broker, a RabbitMQ, can be replayed"
            )
        }
        guard broker.nodes.count == 1 else {
            throw Failure(
                description:
                    "'\(broker.name)' has \(broker.nodes.count) nodes; one can be replayed so far"
            )
        }
        if broker.tree["shovels"] != nil || broker.tree["federation"] != nil {
            throw Failure(
                description:
                    "`shovels:` and `federation:` need a second broker, which a replay does not start"
            )
        }
        for key in ["consumer_timeout", "max_message_size"]
        where broker.tree[key] != nil {
            throw Failure(
                description:
                    "`\(key):` is part of a broker's own configuration, which a replay leaves alone"
            )
        }
        let breaking = topology.faults.first { fault in
            [fault.node, fault.broker, fault.leaderOf].contains { $0 != nil }
        }
        let impossible: [FaultWord] = [.diskAlarm, .diskFull, .slowDisk, .clockJump, .upgrade]
        if let fault = topology.faults.first(where: { impossible.contains($0.action) }) {
            throw Failure(
                description: "`do: \(fault.action.rawValue)` cannot be done to a real broker so far"
            )
        }
        guard breaking == nil || mayBreak else {
            throw Failure(
                description:
                    "its faults break the broker, and a broker that others use is not broken. "
                    + "Try: --cluster, which starts one of its own"
            )
        }
    }

    /// Prepares a replay of a simulation that has run to its end.
    ///
    /// - Throws: ``Failure`` if the topology is not for one RabbitMQ node, or cannot be shown by a real one.
    public init(of model: Simulation, on target: Target, speed: Double = 1) throws {
        let topology = model.topology
        try Self.check(topology, mayBreak: target.cluster != nil)
        let broker = topology.brokers[0]
        self.target = target
        self.speed = speed
        modelEnd = model.world.now
        simulation = try Simulation(topology, models: [ReplayedRabbitMQ.self], seed: model.seed)
        guard let node = simulation.nodesByPath["\(broker.name)/\(broker.nodes[0])"] else {
            throw Failure(description: "'\(broker.name)' has no node")
        }
        port = node
        let base = "\(Self.prefix)\(getpid())-\(UInt32.random(in: 0 ... .max))"
        users = RabbitMQ.users(of: broker).filter { $0.name != "guest" }
            .map { (user: $0, real: "\(base)-\($0.name)") }
        for (number, definitions) in RabbitMQ.definitions(of: broker).enumerated() {
            let name = definitions.vhost
            let scope = simulation.world.intern(
                .broker,
                name == "/" ? broker.name : "\(broker.name)/\(name)"
            )
            vhosts.append(
                VHost(
                    name: name,
                    real: "\(base)-\(number)",
                    scope: scope,
                    definitions: definitions
                )
            )
        }
    }

    // MARK: Judging

    /// Lives a simulation to its end, and says what became of each message.
    public static func live(_ model: inout Simulation) -> MessageFates {
        var fates = MessageFates()
        var facts: [Fact] = []
        while model.state == .running {
            model.advance { facts.append(contentsOf: $0) }
            facts.withUnsafeBufferPointer { fates.take($0, in: model) }
            facts.removeAll(keepingCapacity: true)
        }
        return fates
    }

    /// Simulates a topology, drives it against a broker, and compares the two.
    ///
    /// - Throws: ``Failure``; `Simulation.Rejection`.
    public static func judge(
        _ topology: Topology,
        _ models: [any BrokerModel.Type],
        on target: Target,
        speed: Double
    ) async throws -> Comparison {
        var model = try Simulation(topology, models: models)
        let said = live(&model)
        let replay = try Replay(of: model, on: target, speed: speed)
        var did = MessageFates()
        try await replay.run(isStopped: { false }) { did.take($0, in: replay.simulation) }
        return replay.compare(said, did)
    }

    /// Compares what the model said with what the broker did here.
    public func compare(_ said: MessageFates, _ did: MessageFates) -> Comparison {
        Comparison(
            model: said,
            broker: did,
            leeway: Leeway(of: simulation.topology),
            name: { MessageFates.name(of: $0, in: self.simulation) }
        )
    }

    // MARK: Living

    /// Lives in real time until the scenario is over on both sides, and reads out the queues.
    ///
    /// - Parameters:
    ///   - isStopped: asked many times a second; true ends the run.
    ///   - sink: gets the facts.
    /// - Throws: ``Failure``; what was made on the broker is removed in any case.
    public func run(
        isStopped: () -> Bool,
        _ sink: (UnsafeBufferPointer<Fact>) -> Void
    ) async throws {
        try await removeLeftovers()
        do {
            try await setUp()
            try live(isStopped, sink)
            await faults?.value
            try checkFaults()
            try readOut(sink)
        } catch {
            for link in links.values { link.wire?.close() }
            await tearDown()
            throw error as? Failure ?? Failure(description: "\(error)")
        }
        for link in links.values { link.wire?.close() }
        await tearDown()
    }

    private func live(_ isStopped: () -> Bool, _ sink: (UnsafeBufferPointer<Fact>) -> Void)
        throws(Failure)
    {
        let clock = ContinuousClock()
        let start = clock.now
        lastNews = start
        // After the model's time the broker has a while to finish.
        let quiet = Duration.milliseconds(700)
        var facts: [Fact] = []
        var stood = Duration.zero
        var standsSince: ContinuousClock.Instant?
        while true {
            // In the model a node is up when it starts; a real one takes as long as its machine is busy.
            let now = clock.now
            if !pauses.isZero {
                standsSince = standsSince ?? now
            } else if let since = standsSince {
                stood += now - since
                standsSince = nil
                lastNews = now
            }
            let passed = ((standsSince ?? now) - start - stood) / .nanoseconds(1)
            let moment = Instant(nanoseconds: UInt64(passed * speed))
            let mails = mailbox.take()
            for mail in mails {
                if case .command = mail.event {
                    lastNews = clock.now
                    refusedSince = nil
                }
                open(mail)
            }
            if let refusedSince, target.cluster == nil, clock.now - refusedSince > .seconds(15) {
                let count = simulation.world.messageCount
                throw Failure(
                    description:
                        "\(target.host):\(target.port) takes no connections any more, for 15 seconds: "
                        + "\(count) messages were published until then, and nothing was compared"
                )
            }
            try checkFaults()
            if let blockedSince, clock.now - blockedSince > .seconds(15) {
                throw Failure(
                    description:
                        "\(target.host):\(target.port) is short of memory or disk, and has read no "
                        + "publications for 15 seconds: nothing was compared"
                )
            }
            simulation.live(until: moment) { facts.append(contentsOf: $0) }
            hand(&facts, to: sink)
            carryOut()
            if isStopped() {
                simulation.stop(because: "stopped by Ctrl-C")
                break
            }
            // What has come and was not looked at yet is no silence.
            if !mails.isEmpty || !mailbox.isEmpty { continue }
            if moment >= modelEnd, simulation.topology.duration != nil, faultsUnderWay.isZero {
                break
            }
            if moment >= modelEnd, clock.now - lastNews > quiet, faultsUnderWay.isZero,
                !simulation.world.isBusy, !seen.awaitsLetter(moment, within: longestLife)
            {
                break
            }
            if moment >= modelEnd, faultsUnderWay.isZero, clock.now - lastNews > .seconds(20) {
                break
            }
            mailbox.wait(atMost: 0.001)
        }
    }

    /// A fault that the broker did not suffer makes the comparison one of two stories.
    private func checkFaults() throws(Failure) {
        if let trouble = faultsUnderWay.trouble { throw Failure(description: trouble) }
    }

    /// The longest that a queue keeps a message, in the time of the world, and a second.
    private var longestLife: Interval {
        let lives = vhosts.flatMap { vhost in
            vhost.definitions.queues.map { $0["x-message-ttl"] }
                + vhost.definitions.policies.map { $0["message-ttl"] }
        }
        let longest = lives.reduce(Int64(0)) { longest, life in
            max(longest, life?.number ?? 0)
        }
        return Interval.milliseconds(UInt64(longest)) + Interval(nanoseconds: UInt64(1e9 * speed))
    }

    /// Hands facts on once nothing changes the simulation.
    func hand(_ facts: inout [Fact], to sink: (UnsafeBufferPointer<Fact>) -> Void) {
        guard !facts.isEmpty else { return }
        facts.withUnsafeBufferPointer {
            notice($0)
            sink($0)
        }
        facts.removeAll(keepingCapacity: true)
    }

    /// Says on the broker's behalf what is seen.
    func record(_ body: (inout Turn) -> Void) { simulation.world.speak(as: port, body) }

    /// Counts what is under way elsewhere, and keeps the first that failed.
    final class UnderWay: Sendable {
        private let state = Mutex((count: 0, trouble: String?.none))
        var isZero: Bool { state.withLock { $0.count == 0 } }
        var trouble: String? { state.withLock { $0.trouble } }
        func add(_ change: Int) { state.withLock { $0.count += change } }
        func note(_ trouble: String) { state.withLock { $0.trouble = $0.trouble ?? trouble } }
    }

    // MARK: Mail

    /// What the event loop has for the driver.
    struct Mail: Sendable {
        var connection: ConnectionID
        var event: AMQPLink.Event
    }

    /// Written by the event loop, read by the driver.
    final class Mailbox: Sendable {
        private let mails = Mutex<[Mail]>([])
        private let wires = Mutex<[ConnectionID: AMQPLink]>([:])
        private let orders = Mutex<[ConnectionID]>([])
        private let bell = DispatchSemaphore(value: 0)

        func put(_ mail: Mail) {
            let isFirst = mails.withLock { mails in
                mails.append(mail)
                return mails.count == 1
            }
            if isFirst { bell.signal() }
        }

        var isEmpty: Bool { mails.withLock { $0.isEmpty } }

        /// Keeps a socket until the driver wants it.
        func dialed(_ connection: ConnectionID, _ wire: AMQPLink) {
            wires.withLock { $0[connection] = wire }
            bell.signal()
        }

        /// What an operator wanted is done.
        func administered(_ connection: ConnectionID) {
            orders.withLock { $0.append(connection) }
            bell.signal()
        }

        func takeAdministered() -> [ConnectionID] {
            orders.withLock { orders in
                defer { orders = [] }
                return orders
            }
        }

        func takeWire(_ connection: ConnectionID) -> AMQPLink? {
            wires.withLock { $0.removeValue(forKey: connection) }
        }

        func take() -> [Mail] {
            mails.withLock { mails in
                defer { mails = [] }
                return mails
            }
        }

        func wait(atMost seconds: Double) { _ = bell.wait(timeout: .now() + seconds) }
    }
}
