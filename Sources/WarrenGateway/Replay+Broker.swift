import AMQPWire
import Foundation
import NIOCore
import RabbitMQModel
import WarrenBroker
import WarrenKernel
import WarrenTopology
import WarrenTrace

/// What is made on the broker, broken, read out, and removed.
extension Replay {
    /// The prefix of each virtual host and user that a replay on this machine makes.
    ///
    /// The process and a random number follow. Another machine's are not looked at: nobody here knows whether their process lives.
    static let prefix =
        "warren-replay-" + ProcessInfo.processInfo.hostName.filter { $0.isLetter || $0.isNumber }
        + "-"

    // MARK: Before and after

    /// Removes what a replay that crashed has left: virtual hosts whose process is no more.
    func removeLeftovers() async throws {
        let answer: (status: Int, body: String)
        do { answer = try await target.management.ask("GET", "/api/vhosts") } catch {
            throw Failure(
                description:
                    "the management plugin does not answer on \(target.host):\(target.managementPort): "
                    + "\(error)\n  it makes the virtual host of a replay. Try: rabbitmq-plugins enable "
                    + "rabbitmq_management, or say where it is with --management PORT"
            )
        }
        guard answer.status == 200 else {
            throw Failure(
                description:
                    "the management plugin refuses '\(target.user)' with \(answer.status): "
                    + "the user and password in --against must be those of an administrator"
            )
        }
        for name in Self.orphans(answer.body) {
            _ = try await target.management.administer(.deleteVirtualHost(name))
        }
        for name in Self.orphans(try await target.management.ask("GET", "/api/users").body) {
            _ = try await target.management.deleteUser(name)
        }
    }

    /// The names in a list that a replay has made whose process is no more.
    private static func orphans(_ list: String) -> [String] {
        struct Row: Decodable { var name: String }
        let rows = (try? JSONDecoder().decode([Row].self, from: Data(list.utf8))) ?? []
        return rows.map(\.name).filter { name in
            guard name.hasPrefix(prefix) else { return false }
            let process = name.dropFirst(prefix.count).prefix { $0.isNumber }
            guard let pid = Int32(process), pid != getpid() else { return false }
            return kill(pid, 0) != 0 && errno == ESRCH
        }
    }

    /// Makes the users, the virtual hosts, and what is in them.
    func setUp() async throws {
        for (user, real) in users {
            let made = User(name: real, password: user.password)
            try await demand(target.management.makeUser(made), "the user '\(user.name)'")
        }
        for index in vhosts.indices {
            let vhost = vhosts[index]
            let definitions = vhost.definitions
            try await demand(target.management.makeVirtualHost(vhost.real), "the virtual host")
            for policy in definitions.policies {
                let policy = Declarations.shorten(policy, times: speed)
                try await demand(
                    .setPolicy(policy, vhost: vhost.real),
                    "the policy '\(policy.name)'"
                )
            }
            for policy in definitions.operatorPolicies {
                let policy = Declarations.shorten(policy, times: speed)
                try await demand(
                    .setOperatorPolicy(policy, vhost: vhost.real),
                    "the operator policy '\(policy.name)'"
                )
            }
            for one in permissions(in: vhost) {
                try await demand(
                    .setPermissions(one, vhost: vhost.real),
                    "what '\(mine(one.user))' may do"
                )
            }
            for var one in definitions.topicPermissions {
                one.user = users.first { $0.user.name == one.user }?.real ?? target.user
                try await demand(
                    .setTopicPermissions(one, vhost: vhost.real),
                    "the topics of '\(mine(one.user))'"
                )
            }
            let limits = (definitions.maxQueues, definitions.maxConnections)
            try await demand(
                .setLimits(maxQueues: limits.0, maxConnections: limits.1, vhost: vhost.real),
                "the limits of the virtual host"
            )
            try declare(index)
        }
    }

    private func demand(_ order: Administration, _ what: String) async throws {
        try await demand(target.management.administer(order), what)
    }

    /// What the topology's users may do in a virtual host: everything, unless the file says something.
    private func permissions(in vhost: VHost) -> [UserPermissions] {
        let said = vhost.definitions.permissions
        guard !said.isEmpty else {
            return users.map {
                UserPermissions(user: $0.real, configure: ".*", write: ".*", read: ".*")
            }
        }
        return said.compactMap { one in
            guard let known = users.first(where: { $0.user.name == one.user }) else { return nil }
            var mine = one
            mine.user = known.real
            return mine
        }
    }

    private func demand(_ answer: (status: Int, body: String), _ what: String) throws {
        guard answer.status >= 300 else { return }
        throw Failure(description: "\(what) is refused with \(answer.status): \(answer.body)")
    }

    private func session(_ vhost: VHost) throws -> AMQPSession {
        do {
            return try AMQPSession(
                AMQPSession.Address(
                    host: target.host,
                    port: target.port,
                    user: target.user,
                    password: target.password,
                    vhost: vhost.real
                )
            )
        } catch {
            let count = simulation.world.messageCount
            let done = count == 0 ? "nothing was" : "\(count) messages were"
            throw Failure(
                description:
                    "\(target.host):\(target.port): \(error)\n  \(done) published until then"
            )
        }
    }

    private func declare(_ index: Int) throws {
        let vhost = vhosts[index]
        let session = try session(vhost)
        defer { session.close() }
        do {
            for one in vhost.definitions.exchanges {
                try session.ask(.exchange(.declare(Declarations.declare(one))))
            }
            for one in vhost.definitions.queues {
                try session.ask(.queue(.declare(Declarations.declare(one, times: speed))))
                let queue = simulation.world.intern(.queue, one.name, in: vhost.scope)
                record { $0.record(.queueDeclared, subject: queue) }
                let policy = Policy.effective(
                    vhost.definitions.policies,
                    one.name,
                    .queue(one.type),
                    .v3_10
                )
                if one.deadLetterExchange != nil || policy?["dead-letter-exchange"] != nil {
                    vhosts[index].deadLettering.insert(one.name)
                }
            }
            for one in vhost.definitions.bindings {
                try session.ask(Declarations.bind(one, isGone: false))
            }
        } catch {
            throw Failure(description: "the topology cannot be declared: \(mine("\(error)"))")
        }
    }

    /// Finds what is left in the queues, and takes it.
    func readOut(_ sink: (UnsafeBufferPointer<Fact>) -> Void) throws {
        for index in vhosts.indices {
            let vhost = vhosts[index]
            let session = try session(vhost)
            defer { session.close() }
            for one in vhost.definitions.queues where one.type != "stream" {
                let queue = simulation.world.intern(.queue, one.name, in: vhost.scope)
                do {
                    var found: Set<MessageID> = []
                    for content in try session.drain(one.name) {
                        let message = MessageBody.message(of: content.body)
                        guard message != .none else { continue }
                        found.insert(message)
                        let deaths = deaths(content, index)
                        let size = UInt32(content.body.readableBytes)
                        record {
                            seen.remain(message, queue, size: size, deaths: deaths, &$0)
                        }
                    }
                    record { seen.miss(queue, keeping: found, &$0) }
                } catch AMQPSession.Failure.refused {
                    // A queue that is gone holds nothing; one that cannot be fetched from is not looked into.
                    try session.reopen()
                }
            }
        }
        let lines = seen.lines
        _ = simulation.world.with(port, as: BrokerPort.self) { $0.lines = lines }
        var facts: [Fact] = []
        simulation.take { facts.append(contentsOf: $0) }
        hand(&facts, to: sink)
        simulation.finish()
    }

    /// Removes what was made, and notes what cannot be removed.
    func tearDown() async {
        for vhost in vhosts {
            let answer = try? await target.management.administer(.deleteVirtualHost(vhost.real))
            if answer?.status != 204, answer?.status != 404 { leftBehind.append(vhost.real) }
        }
        for user in users {
            let answer = try? await target.management.deleteUser(user.real)
            if answer?.status != 204, answer?.status != 404 { leftBehind.append(user.real) }
        }
    }

    /// Whether the file has the broker run short of something.
    var hasAlarms: Bool {
        simulation.topology.faults.contains {
            [.memoryAlarm, .diskAlarm, .diskFull].contains($0.action)
        }
    }

    // MARK: Faults

    /// Does to the real node what is done to the one of the world.
    func notice(_ facts: UnsafeBufferPointer<Fact>) {
        for fact in facts where fact.node == port {
            switch fact.kind {
            case .nodeCrashed: suffer(.kill)
            case .nodeStopped: suffer(.stop)
            case .nodeFrozen: suffer(.freeze)
            case .nodeThawed: suffer(.thaw)
            default: break
            }
        }
    }

    /// The node comes back: with its data, or as a blank one, which knows the virtual hosts and nothing in them.
    func comeBack(_ recovery: Recovery) {
        // At the first start the broker is there already.
        guard hasStarted else {
            hasStarted = true
            return
        }
        guard recovery.first, let cluster = target.cluster else {
            suffer(.start)
            return
        }
        hasBeenBlank = true
        let (management, names) = (target.management, vhosts.map(\.real))
        begin("a start without data", pausing: true) {
            try await cluster.startAnew(0)
            for name in names {
                let answer = try await management.makeVirtualHost(name)
                if answer.status >= 300 { throw Failure(description: answer.body) }
            }
        }
    }

    /// What an operator orders.
    func order(_ packet: Packet) {
        guard packet.word == NodeOrder.memoryAlarm.rawValue else { return }
        suffer(packet.x == 1 ? .memoryAlarm : .endMemoryAlarm)
    }

    /// Does what an operator of the topology does, in the virtual hosts and with the users that stand for its own.
    func administer(_ packet: Packet, _ connection: ConnectionID) {
        guard let order: Administration = simulation.world.parcel(packet.parcel) else { return }
        let (management, mailbox, mine) = (target.management, mailbox, real(order))
        begin("what an operator does") {
            let answer = try await management.administer(mine)
            if answer.status >= 300 {
                throw Failure(description: "\(answer.status) \(answer.body)")
            }
            mailbox.administered(connection)
        }
    }

    private func real(_ order: Administration) -> Administration {
        func host(_ name: String) -> String { vhosts.first { $0.name == name }?.real ?? name }
        func user(_ name: String) -> String {
            users.first { $0.user.name == name }?.real ?? target.user
        }
        switch order {
        case .setPolicy(let policy, let vhost): return .setPolicy(policy, vhost: host(vhost))
        case .clearPolicy(let name, let vhost): return .clearPolicy(name, vhost: host(vhost))
        case .setOperatorPolicy(let policy, let vhost):
            return .setOperatorPolicy(policy, vhost: host(vhost))
        case .clearOperatorPolicy(let name, let vhost):
            return .clearOperatorPolicy(name, vhost: host(vhost))
        case .setPermissions(var rights, let vhost):
            rights.user = user(rights.user)
            return .setPermissions(rights, vhost: host(vhost))
        case .clearPermissions(let name, let vhost):
            return .clearPermissions(user: user(name), vhost: host(vhost))
        case .setTopicPermissions(var rights, let vhost):
            rights.user = user(rights.user)
            return .setTopicPermissions(rights, vhost: host(vhost))
        case .setLimits(let queues, let connections, let vhost):
            return .setLimits(maxQueues: queues, maxConnections: connections, vhost: host(vhost))
        case .deleteVirtualHost(let vhost): return .deleteVirtualHost(host(vhost))
        case .closeConnections, .setUpstream, .clearUpstream, .setUpstreamSet, .clearUpstreamSet,
            .setShovel, .clearShovel, .setActiveExchange, .quorum:
            return order
        }
    }

    private func suffer(_ fault: LocalCluster.Fault) {
        guard let cluster = target.cluster else { return }
        begin(fault.rawValue, pausing: Self.pausing.contains(fault)) {
            try await cluster.suffer(fault)
        }
    }

    /// Faults that take no time in the model, and on a busy machine many seconds.
    ///
    /// Not a stop: a node that stops waits for its clients to answer.
    private static let pausing: Set<LocalCluster.Fault> = [.start, .memoryAlarm, .endMemoryAlarm]

    /// One fault after the other; the clients live on meanwhile, or stand still.
    private func begin(
        _ name: String,
        pausing: Bool = false,
        _ work: @escaping @Sendable () async throws -> Void
    ) {
        let (before, underWay, pauses) = (faults, faultsUnderWay, pauses)
        underWay.add(1)
        if pausing { pauses.add(1) }
        faults = Task {
            await before?.value
            do { try await work() } catch { underWay.note("\(name) cannot be done: \(error)") }
            if pausing { pauses.add(-1) }
            underWay.add(-1)
        }
    }
}
