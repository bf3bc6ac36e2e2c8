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
            let body = Self.json([("password", .string(user.password)), ("tags", .string(""))])
            manage("PUT", "/api/users/\(HTTPRequest.encode(user.name))", body)
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
        let (scope, path) = (scope, path("queues", "/"))
        for _ in 0..<100 {
            let body = try? self.await {
                try await scope.cluster.manage("GET", path, on: scope.node).body
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
            scope.giveUp("\(fault.rawValue): \(error)")
        }
    }

    private func control(_ words: [String]) {
        let scope = scope
        do { _ = try self.await { try await scope.cluster.control(words) } } catch {
            scope.giveUp("\(error)")
        }
    }

    /// The path of a virtual host's things.
    private func path(_ kind: String, _ vhost: String, _ name: String...) -> String {
        (["/api/\(kind)", HTTPRequest.encode(real(vhost))] + name.map { HTTPRequest.encode($0) })
            .joined(separator: "/")
    }

    private func administer(_ order: Administration) {
        switch order {
        case .setPolicy(let policy, let vhost):
            manage("PUT", path("policies", vhost, policy.name), Self.json(policy))
        case .clearPolicy(let name, let vhost): manage("DELETE", path("policies", vhost, name))
        case .setOperatorPolicy(let policy, let vhost):
            manage("PUT", path("operator-policies", vhost, policy.name), Self.json(policy))
        case .clearOperatorPolicy(let name, let vhost):
            manage("DELETE", path("operator-policies", vhost, name))
        case .setPermissions(let one, let vhost):
            let body = Self.json([
                ("configure", .string(one.configure)), ("write", .string(one.write)),
                ("read", .string(one.read)),
            ])
            manage("PUT", path("permissions", vhost, one.user), body)
        case .clearPermissions(let user, let vhost):
            manage("DELETE", path("permissions", vhost, user))
        case .setTopicPermissions(let one, let vhost):
            let body = Self.json([
                ("exchange", .string(one.exchange)), ("write", .string(one.write)),
                ("read", .string(one.read)),
            ])
            manage("PUT", path("topic-permissions", vhost, one.user), body)
        case .setLimits(let queues, let connections, let vhost):
            for (name, value) in [("max-queues", queues), ("max-connections", connections)] {
                guard let value else { continue }
                let body = Self.json([("value", .int(value))])
                manage("PUT", path("vhost-limits", vhost, name), body)
            }
        case .deleteVirtualHost(let vhost): manage("DELETE", path("vhosts", vhost))
        case .closeConnections(let reason):
            control(["close_all_connections", "--vhost", real("/"), reason])
        }
    }

    // MARK: JSON

    private static func json(_ policy: Policy) -> String {
        json([
            ("pattern", .string(policy.pattern)), ("apply-to", .string(policy.target.rawValue)),
            ("priority", .int(policy.priority)), ("definition", .table(policy.definition)),
        ])
    }

    private static func json(_ fields: [(String, FieldValue)]) -> String {
        json(.table(fields.map { FieldValue.Field($0.0, $0.1) }))
    }

    private static func json(_ value: FieldValue) -> String {
        switch value {
        case .void: "null"
        case .bool(let value): "\(value)"
        case .int(let value): "\(value)"
        case .double(let value): "\(value)"
        case .timestamp(let value): "\(value)"
        case .string(let text):
            (try? String(decoding: JSONEncoder().encode(text), as: UTF8.self)) ?? "\"\""
        case .array(let values): "[" + values.map(json).joined(separator: ",") + "]"
        case .table(let fields):
            "{"
                + fields.map { "\(json(.string($0.name))):\(json($0.value))" }.joined(
                    separator: ","
                )
                + "}"
        }
    }
}
