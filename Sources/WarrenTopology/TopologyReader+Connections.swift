/// Connections that several clients share.
extension TopologyReader {
    /// A connection has a name of its own and goes to one broker, and a channel belongs to a connection.
    mutating func checkConnections(
        _ clients: [Topology.Client],
        _ brokers: [Topology.Broker]
    ) {
        let taken = clients.map(\.name) + brokers.map(\.name)
        for client in clients {
            guard let connection = client.connection else {
                if let channel = client.tree["channel"] {
                    findings.append(
                        Finding(
                            "channel-alone",
                            "'\(client.name)' shares a channel and no connection",
                            at: channel.place,
                            why: "a channel is part of a connection",
                            remedy: "add `connection: shop`, to each role that is on it"
                        )
                    )
                }
                continue
            }
            let place = client.tree["connection"]?.place
            if taken.contains(connection) {
                findings.append(
                    Finding(
                        "same-name",
                        "the connection '\(connection)' has the name of a client or broker",
                        at: place,
                        why: "faults and the trace name connections",
                        remedy: "give it another name, such as '\(connection)-process'"
                    )
                )
            }
            let others = clients.filter { $0.connection == connection }
            if let first = others.first, first.broker != client.broker {
                findings.append(
                    Finding(
                        "connection-differs",
                        "'\(client.name)' and '\(first.name)' share the connection '\(connection)', and talk to two brokers",
                        at: place,
                        remedy: "give each broker a connection"
                    )
                )
            }
        }
    }
}

extension Topology {
    /// The names of the connections that clients share, each once, in file order.
    public var connections: [String] {
        var names: [String] = []
        for client in clients {
            if let name = client.connection, !names.contains(name) { names.append(name) }
        }
        return names
    }

    /// How many instances a client has, or a connection that clients share; nil for other names.
    public func instances(of name: String) -> Int? {
        clients.first { $0.name == name }?.instances
            ?? clients.filter { $0.connection == name }.map(\.instances).max()
    }

    /// Every node as `broker/node`.
    public var nodePaths: [String] {
        brokers.flatMap { broker in broker.nodes.map { "\(broker.name)/\($0)" } }
    }
}
