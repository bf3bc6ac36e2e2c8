import WarrenKernel
import WarrenTrace

/// What somebody may do to a queue or an exchange.
enum Permission: Sendable { case configure, write, read }

/// What a permission is about.
enum Resource: String, Sendable { case queue, exchange }

/// A permission that a channel has used with success.
struct Grant: Hashable, Sendable {
    var permission: Permission
    var resource: Resource
    var name: String
}

/// Users and what they may do; limits of virtual hosts.
///
/// - Source: RMQ-PERM-01 to RMQ-PERM-14.
extension RabbitMQNode {
    /// Refuses what the connection's user may not do.
    ///
    /// - Source: RMQ-PERM-02 to -07; RMQ-PERM-13 (a channel remembers what it was granted).
    mutating func permit(
        _ permission: Permission,
        _ resource: Resource,
        _ name: String,
        _ channel: ChannelIndex
    ) throws(Refusal) {
        // Who speaks for another node was asked there.
        guard settings.hasRestrictions, !sessions[channels[channel].session].isProxy else {
            return
        }
        let grant = Grant(permission: permission, resource: resource, name: name)
        if channels[channel].granted.contains(grant) { return }
        let session = sessions[channels[channel].session]
        let vhost = vhosts.first { $0.scope == session.scope }
        let rule = vhost?.permissions.first { $0.user == session.user }
        let pattern =
            switch permission {
            case .configure: rule?.configure
            case .write: rule?.write
            case .read: rule?.read
            }
        // RMQ-PERM-04: the default exchange goes by another name here.
        let checked = resource == .exchange && name.isEmpty ? "amq.default" : name
        guard let pattern, Self.matches(pattern, checked) else {
            throw .accessRefused(
                "access to \(resource.rawValue) '\(checked)' in vhost '\(session.vhost)' refused for user "
                    + "'\(session.user)'"
            )
        }
        channels[channel].granted.insert(grant)
    }

    /// - Source: RMQ-PERM-14.
    func permitTopic(
        _ write: Bool,
        _ exchange: ExchangeIndex,
        _ key: String,
        _ channel: ChannelIndex
    ) throws(Refusal) {
        guard settings.hasRestrictions, exchanges[exchange].declaration.type == "topic" else {
            return
        }
        let session = sessions[channels[channel].session]
        let name = exchanges[exchange].declaration.name
        let vhost = vhosts.first { $0.scope == session.scope }
        guard
            let rule = vhost?.topicPermissions.first(where: {
                $0.user == session.user && $0.exchange == name
            })
        else { return }
        guard Self.matches(write ? rule.write : rule.read, key) else {
            throw .accessRefused(
                "access to topic '\(key)' in exchange '\(name)' in vhost '\(session.vhost)' refused for "
                    + "user '\(session.user)'"
            )
        }
    }

    /// An empty pattern matches nothing but the empty name, as `^$` does.
    static func matches(_ pattern: String, _ name: String) -> Bool {
        if pattern.isEmpty { return name.isEmpty }
        if pattern == ".*" { return true }
        guard let regex = try? Regex(pattern) else { return false }
        return name.firstMatch(of: regex) != nil
    }

    /// What a new queue needs beside a good declaration.
    ///
    /// - Source: RMQ-PERM-07, -09; RMQ-DLX-29; the section on versions (4.3: transient queues).
    mutating func checkDeclare(
        _ wanted: QueueDeclaration,
        _ session: Session,
        _ channel: ChannelIndex
    )
        throws(Refusal)
    {
        if !wanted.durable, !wanted.exclusive, settings.version >= .v4_3 {
            throw .internalErrorBecause(
                "Feature `transient_nonexcl_queues` is deprecated. By default, this feature is not "
                    + "permitted anymore."
            )
        }
        try checkQueueLimit(wanted, session)
        try QueueArguments.checkDeadLetterExchange(wanted, session.vhost)
        if let exchange = wanted.deadLetterExchange {
            try permit(.read, .queue, wanted.name, channel)
            try permit(.write, .exchange, exchange, channel)
        }
        try QueueArguments.check(wanted, session.vhost, settings.version)
    }

    private func checkQueueLimit(_ wanted: QueueDeclaration, _ session: Session) throws(Refusal) {
        guard let limit = vhosts.first(where: { $0.scope == session.scope })?.maxQueues else {
            return
        }
        let count = queues.count { $0.exists && $0.scope == session.scope }
        if count >= Int(limit) {
            throw .preconditionFailed(
                "cannot declare queue '\(wanted.name)': queue limit in vhost '\(session.vhost)' "
                    + "(\(limit)) is reached"
            )
        }
    }
}
