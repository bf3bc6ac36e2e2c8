import WarrenBroker
import WarrenKernel
import WarrenTopology
import WarrenTrace

/// Connections that several clients share.
extension ClientBuilder {
    /// Where the instances of a client are on the connections that they share with others.
    struct Sharing {
        /// By instance: the node of its connection.
        var carriers: [NodeID]
        var place: SharedConnection.Place
    }

    /// What the clients on a connection have in common.
    private struct Common: Sendable {
        /// The first client that named it, and what it says of how it connects.
        var first: String
        var words: [String: String]
        /// The numbers of the channels that have a name, and how many there are.
        var named: [String: UInt16] = [:]
        var channels: UInt16 = 0
    }

    /// What the roles of one process must agree about: they have one connection, and one library.
    private static let agreed = [
        "vhost", "user", "hosts", "heartbeat", "reconnect", "recovery", "backoff",
        "connect_timeout",
    ]

    /// Finds the connection that the client shares, or makes it; nil if it has one of its own.
    func sharing(_ vhost: String, _ blueprint: inout Blueprint) -> Sharing? {
        guard let name = client.connection else { return nil }
        let shelf = "\(client.broker)/\(name)"
        var words: [String: String] = [:]
        for key in Self.agreed {
            let tree = key == "vhost" ? client.target[key] : nil
            words[key] = (tree ?? client.tree[key]).map(TreeWriter.line)
        }
        var common: Common =
            blueprint.kept(for: shelf) ?? Common(first: client.name, words: words)
        if let key = Self.agreed.first(where: { common.words[$0] != words[$0] }) {
            blueprint.findings.append(
                Finding(
                    "connection-differs",
                    "'\(client.name)' and '\(common.first)' share the connection '\(name)', and differ in `\(key):`",
                    at: client.tree[key]?.place ?? client.tree["connection"]?.place,
                    why: "one connection is opened once, by one user, to one virtual host",
                    remedy: "say the same of both, or nothing"
                )
            )
        }
        var number = client.channel.flatMap { common.named[$0] }
        if number == nil {
            common.channels += 1
            number = common.channels
            if let channel = client.channel { common.named[channel] = common.channels }
        }
        blueprint.keep(common, for: shelf)
        let plan = linkPlan(vhost, &blueprint)
        return Sharing(
            carriers: blueprint.connections(name, count: client.instances) { _ in
                SharedConnection(plan)
            },
            place: SharedConnection.Place(channel: number ?? 1, isShared: client.channel != nil)
        )
    }

    /// How an instance connects: to its broker, or to the connection that it shares.
    func linkPlan(
        _ vhost: String,
        _ sharing: Sharing?,
        _ number: Int,
        _ blueprint: inout Blueprint
    ) -> ClientLink.Plan {
        var plan = linkPlan(vhost, &blueprint)
        guard let sharing else { return plan }
        plan.hosts = [sharing.carriers[number - 1]]
        plan.heartbeat = 0
        plan.place = sharing.place
        return plan
    }
}
