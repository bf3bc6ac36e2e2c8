import WarrenBroker
import WarrenKernel
import WarrenTopology
import WarrenTrace

/// Connections that several clients share.
extension ClientBuilder {
    /// Where the instances of a client are on the connections that they share with others.
    private struct Sharing {
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
    private func sharing(_ vhost: String, _ blueprint: inout Blueprint) -> Sharing? {
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

    /// An instance of a client, and how it connects: to its broker, or to the connection that it shares.
    struct Instance {
        var client: Symbol
        var name: String
        /// From 1.
        var number: Int
        var link: ClientLink.Plan
    }

    /// Adds the instances of the client.
    func addInstances(
        _ vhost: String,
        _ blueprint: inout Blueprint,
        _ make: (inout Blueprint, Instance) -> World.Factory
    ) {
        let sharing = sharing(vhost, &blueprint)
        blueprint.addClient(client, sharing: sharing?.carriers ?? []) {
            blueprint,
            symbol,
            name,
            number in
            var link = linkPlan(vhost, &blueprint)
            if let sharing {
                link.hosts = [sharing.carriers[number - 1]]
                link.heartbeat = 0
                link.place = sharing.place
            }
            let instance = Instance(client: symbol, name: name, number: number, link: link)
            return make(&blueprint, instance)
        }
    }
}
