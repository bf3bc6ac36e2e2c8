import Foundation
import RabbitMQModel
import WarrenGateway

/// What an operator does to a real broker: through the management plugin, or with rabbitmqctl where that is too
/// little.
extension RealArm {
    func configure(_ settings: BrokerSettings, _ definitions: Definitions) {
        var rest = settings
        rest.users = BrokerSettings().users
        rest.hasRestrictions = BrokerSettings().hasRestrictions
        if rest != BrokerSettings() { scope.giveUp("the broker is configured in another way") }
        for user in settings.users where user.name != "guest" {
            let management = scope.management
            manage { try await management.makeUser(user) }
        }
        var defined = definitions
        defined.policies = []
        defined.operatorPolicies = []
        defined.permissions = []
        defined.topicPermissions = []
        defined.maxQueues = nil
        defined.maxConnections = nil
        if defined != Definitions() { scope.giveUp("the broker begins with queues of its own") }
        for policy in definitions.policies { administer(.setPolicy(policy, vhost: "/")) }
        for policy in definitions.operatorPolicies {
            administer(.setOperatorPolicy(policy, vhost: "/"))
        }
        for one in definitions.permissions { administer(.setPermissions(one, vhost: "/")) }
        for one in definitions.topicPermissions {
            administer(.setTopicPermissions(one, vhost: "/"))
        }
        if definitions.maxQueues != nil || definitions.maxConnections != nil {
            administer(
                .setLimits(
                    maxQueues: definitions.maxQueues,
                    maxConnections: definitions.maxConnections,
                    vhost: "/"
                )
            )
        }
    }

    func operate(_ work: Operation) {
        switch work {
        case .administer(let order):
            administer(order)
            // Policies come into force a moment later.
            wait(150 * scope.pace)
        case .alarm(let memory, let isOn):
            guard isAlone() else { return }
            control(Self.alarm(memory, isOn))
            if isOn {
                scope.atEnd { [scope] in
                    _ = try? await scope.cluster.control(Self.alarm(memory, false))
                }
            }
            wait(50)
        case .kill:
            guard isAlone() else { return }
            // What was published without confirms, and who is registered where, is on disk by then: RMQ-STREAM-16.
            wait(1500)
            suffer(.kill)
            suffer(.start)
            awaitQueues()
        case .restart(let directory):
            guard directory == 0 else {
                scope.giveUp("it comes back under another name, where the virtual host is gone")
                return
            }
            guard isAlone() else { return }
            suffer(.stop)
            suffer(.start)
            awaitQueues()
        }
    }

    /// Streams need a moment to find their writer after a start; the management plugin says when.
    private func awaitQueues() {
        let management = scope.management
        let path = management.path("queues", real("/"))
        for _ in 0..<100 {
            let body = try? self.await {
                try await management.ask("GET", path).body
            }
            let isReady =
                body?.contains(#""state":"down""#) == false
                && body?.contains(#""state":"stopped""#) == false
                && body?.contains(#""online":[]"#) == false
            wait(isReady ? 1000 * scope.pace : 100)
            if isReady { return }
        }
    }

    private func isAlone() -> Bool {
        scope.wantToBeAlone()
        return !scope.isOver
    }

    private static func alarm(_ memory: Bool, _ isOn: Bool) -> [String] {
        memory
            ? ["set_vm_memory_high_watermark", isOn ? "0.00001" : "0.4"]
            : ["set_disk_free_limit", isOn ? "1000000GB" : "50MB"]
    }

    private func suffer(_ fault: LocalCluster.Fault) {
        let scope = scope
        do { try self.await { try await scope.cluster.suffer(fault) } } catch {
            scope.note(problem: "\(fault.rawValue): \(error)")
        }
    }

    private func control(_ words: [String]) {
        let scope = scope
        do { _ = try self.await { try await scope.cluster.control(words) } } catch {
            scope.note(problem: "\(error)")
        }
    }

    private func administer(_ order: Administration) {
        switch order {
        case .setPolicy(let policy, let vhost): ask(.setPolicy(policy, vhost: real(vhost)))
        case .clearPolicy(let name, let vhost): ask(.clearPolicy(name, vhost: real(vhost)))
        case .setOperatorPolicy(let policy, let vhost):
            ask(.setOperatorPolicy(policy, vhost: real(vhost)))
        case .clearOperatorPolicy(let name, let vhost):
            ask(.clearOperatorPolicy(name, vhost: real(vhost)))
        case .setPermissions(let one, let vhost): ask(.setPermissions(one, vhost: real(vhost)))
        case .clearPermissions(let user, let vhost):
            ask(.clearPermissions(user: user, vhost: real(vhost)))
        case .setTopicPermissions(let one, let vhost):
            ask(.setTopicPermissions(one, vhost: real(vhost)))
        case .setLimits(let queues, let connections, let vhost):
            ask(.setLimits(maxQueues: queues, maxConnections: connections, vhost: real(vhost)))
        case .deleteVirtualHost(let vhost): ask(.deleteVirtualHost(real(vhost)))
        case .closeConnections(let reason):
            control(["close_all_connections", "--vhost", real("/"), reason])
        case .setUpstream, .clearUpstream, .setUpstreamSet, .clearUpstreamSet, .setShovel,
            .clearShovel, .setActiveExchange:
            scope.giveUp("the plug-ins for shovels and federation are not enabled")
        case .quorum: scope.giveUp("a broker of one node has no members to add")
        }
    }

    private func ask(_ order: Administration) {
        let management = scope.management
        manage { try await management.administer(order) }
    }
}
