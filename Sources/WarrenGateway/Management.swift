import Foundation
import NIOCore
import NIOHTTP1
package import RabbitMQModel

/// RabbitMQ's management plugin, for what AMQP has no words for.
package struct Management: Sendable {
    package var host: String
    package var port: Int
    package var user: String
    package var password: String

    package init(host: String, port: Int, user: String = "guest", password: String = "guest") {
        self.host = host
        self.port = port
        self.user = user
        self.password = password
    }

    /// Asks for something; the path begins with `/api`, percent-encoded.
    package func ask(_ method: String, _ path: String, body: String? = nil) async throws
        -> (status: Int, body: String)
    {
        var request = HTTPRequest(method: .RAW(value: method), target: path, port: port, body: body)
        request.host = host
        request.user = user
        request.password = password
        let answer = try await request.send()
        return (answer.status, String(decoding: answer.body.readableBytesView, as: UTF8.self))
    }

    /// Makes a virtual host, in which this user may do everything.
    package func makeVirtualHost(_ name: String) async throws -> (status: Int, body: String) {
        let path = HTTPRequest.encode(name)
        let answer = try await ask("PUT", "/api/vhosts/\(path)")
        guard answer.status < 300 else { return answer }
        let all = UserPermissions(user: user, configure: ".*", write: ".*", read: ".*")
        return try await administer(.setPermissions(all, vhost: name))
    }

    /// Makes a user without tags.
    package func makeUser(_ user: User) async throws -> (status: Int, body: String) {
        let body = Self.json([("password", .string(user.password)), ("tags", .string(""))])
        return try await ask("PUT", "/api/users/\(HTTPRequest.encode(user.name))", body: body)
    }

    /// Removes a user.
    package func deleteUser(_ name: String) async throws -> (status: Int, body: String) {
        try await ask("DELETE", "/api/users/\(HTTPRequest.encode(name))")
    }

    /// Does what an administrator does; connections are closed with rabbitmqctl instead.
    package func administer(_ order: Administration) async throws -> (status: Int, body: String) {
        switch order {
        case .setPolicy(let policy, let vhost):
            return try await ask(
                "PUT",
                path("policies", vhost, policy.name),
                body: Self.json(policy)
            )
        case .clearPolicy(let name, let vhost):
            return try await ask("DELETE", path("policies", vhost, name))
        case .setOperatorPolicy(let policy, let vhost):
            return try await ask(
                "PUT",
                path("operator-policies", vhost, policy.name),
                body: Self.json(policy)
            )
        case .clearOperatorPolicy(let name, let vhost):
            return try await ask("DELETE", path("operator-policies", vhost, name))
        case .setPermissions(let one, let vhost):
            let body = Self.json([
                ("configure", .string(one.configure)), ("write", .string(one.write)),
                ("read", .string(one.read)),
            ])
            return try await ask("PUT", path("permissions", vhost, one.user), body: body)
        case .clearPermissions(let user, let vhost):
            return try await ask("DELETE", path("permissions", vhost, user))
        case .setTopicPermissions(let one, let vhost):
            let body = Self.json([
                ("exchange", .string(one.exchange)), ("write", .string(one.write)),
                ("read", .string(one.read)),
            ])
            return try await ask("PUT", path("topic-permissions", vhost, one.user), body: body)
        case .setLimits(let queues, let connections, let vhost):
            var last = (status: 204, body: "")
            for (name, value) in [("max-queues", queues), ("max-connections", connections)] {
                guard let value else { continue }
                let body = Self.json([("value", .int(value))])
                last = try await ask("PUT", path("vhost-limits", vhost, name), body: body)
            }
            return last
        case .deleteVirtualHost(let vhost): return try await ask("DELETE", path("vhosts", vhost))
        case .closeConnections:
            return (501, "the management plugin closes one connection at a time")
        case .setUpstream, .clearUpstream, .setUpstreamSet, .clearUpstreamSet, .setShovel,
            .clearShovel, .setActiveExchange:
            return (501, "upstreams and shovels are not set on a real broker")
        case .quorum:
            return (501, "members of quorum queues come and go with rabbitmq-queues alone")
        }
    }

    /// The path of a virtual host's things.
    package func path(_ kind: String, _ vhost: String, _ name: String...) -> String {
        (["/api/\(kind)", HTTPRequest.encode(vhost)] + name.map { HTTPRequest.encode($0) })
            .joined(separator: "/")
    }

    // MARK: JSON

    private static func json(_ policy: Policy) -> String {
        json([
            ("pattern", .string(policy.pattern)), ("apply-to", .string(policy.target.rawValue)),
            ("priority", .int(policy.priority)), ("definition", .table(policy.definition)),
        ])
    }

    private static func json(_ fields: [(String, FieldValue)]) -> String {
        let table = object(.table(fields.map { FieldValue.Field($0.0, $0.1) }))
        let data = try? JSONSerialization.data(withJSONObject: table)
        return String(decoding: data ?? Data(), as: UTF8.self)
    }

    /// A value as Foundation's JSON has it.
    private static func object(_ value: FieldValue) -> Any {
        switch value {
        case .void: NSNull()
        case .bool(let value): value
        case .integer(let value, _): value
        case .float(let value): value
        case .decimal(let scale, let value): Decimal(value) / pow(Decimal(10), Int(scale))
        case .double(let value): value
        case .timestamp(let value): value
        case .string(let text): text
        case .bytes(let octets): String(decoding: octets, as: UTF8.self)
        case .array(let values): values.map(object)
        case .table(let fields):
            Dictionary(fields.map { ($0.name, object($0.value)) }) { _, last in last }
        }
    }
}
