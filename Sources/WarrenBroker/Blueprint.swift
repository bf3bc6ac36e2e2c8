public import WarrenKernel
public import WarrenTopology
public import WarrenTrace

/// A world in the making: models add their nodes to it.
public struct Blueprint {
    /// A client and its instances.
    public struct ClientNodes: Sendable {
        /// Its name.
        public var name: String
        /// Its symbol in facts.
        public var symbol: Symbol
        /// Its instances, the first one first.
        public var nodes: [NodeID]
        /// The nodes whose links are those of its instances: of a connection that it shares, or its own.
        public var carriers: [NodeID]
    }

    /// The world.
    public var world: World
    /// What is wrong with the topology.
    public var findings: [Finding] = []
    /// The symbol of each broker.
    public private(set) var brokers: [String: Symbol] = [:]
    /// The nodes of each broker.
    public private(set) var brokerNodes: [String: [NodeID]] = [:]
    /// Every node by its path, `broker/node`.
    public private(set) var nodesByPath: [String: NodeID] = [:]
    /// The clients, in file order.
    public private(set) var clients: [ClientNodes] = []
    /// The client of each node; none for brokers.
    public private(set) var clientOfNode: [Symbol] = []

    /// An empty world with this seed.
    public init(seed: UInt64) { world = World(seed: seed) }

    /// What the models keep of each broker for its clients.
    private var shelf: [String: any Sendable] = [:]

    /// Keeps something of a broker until its clients are built.
    public mutating func keep(_ value: some Sendable, for broker: String) { shelf[broker] = value }

    /// What was kept of a broker, if it is a `Value`.
    public func kept<Value: Sendable>(for broker: String, as type: Value.Type = Value.self)
        -> Value?
    { shelf[broker] as? Value }

    /// The symbol of a broker.
    public mutating func symbol(of broker: String) -> Symbol {
        let symbol = world.intern(.broker, broker)
        brokers[broker] = symbol
        return symbol
    }

    /// Adds a node of a broker.
    public mutating func addNode(
        _ name: String,
        of broker: String,
        sync: Law,
        diskFaults: Disk.Faults = .none,
        forgets: Bool = false,
        _ factory: @escaping World.Factory
    ) {
        let scope = symbol(of: broker)
        let path = "\(broker)/\(name)"
        let shown = name == broker ? name : path
        let node = world.add(
            shown,
            scope: scope,
            sync: sync,
            diskFaults: diskFaults,
            factory
        )
        if forgets { world.setForgetful(node) }
        brokerNodes[broker, default: []].append(node)
        nodesByPath[path] = node
        clientOfNode.append(.none)
    }

    /// Adds a part of the process of a broker's node: it lives where the node does, and speaks as a client.
    public mutating func addLodger(
        _ name: String,
        at host: NodeID,
        _ factory: @escaping World.Factory
    ) {
        let node = world.add(name, factory)
        clientOfNode.append(.none)
        world.lodge(node, at: host)
    }

    /// Adds the instances of a client; `make` gets the name of the instance and its number from 1.
    ///
    /// `carriers`: the connections that its instances share with those of other clients, by ``connections(_:count:_:)``.
    public mutating func addClient(
        _ client: Topology.Client,
        sharing carriers: [NodeID] = [],
        _ make: (inout Blueprint, Symbol, String, Int) -> World.Factory
    ) {
        let symbol = world.intern(.client, client.name)
        var nodes: [NodeID] = []
        for number in 1...client.instances {
            let name = client.instances == 1 ? client.name : "\(client.name)#\(number)"
            let factory = make(&self, symbol, name, number)
            nodes.append(world.add(name, factory))
            clientOfNode.append(symbol)
        }
        for (node, carrier) in zip(nodes, carriers) {
            world.setLatency(Self.nextDoor, from: node, to: carrier)
            world.setLatency(Self.nextDoor, from: carrier, to: node)
            processes[carrier, default: []].append(node)
        }
        clients.append(
            ClientNodes(
                name: client.name,
                symbol: symbol,
                nodes: nodes,
                carriers: carriers.isEmpty ? nodes : carriers
            )
        )
    }

    /// From a role to the connection of its process: as good as nothing, and never the same moment.
    private static let nextDoor = Law.constant(Interval(nanoseconds: 1))

    /// By the node of a shared connection: the roles of its process.
    private var processes: [NodeID: [NodeID]] = [:]

    /// The connections of a name that clients share, one an instance, added where they are missing.
    public mutating func connections(
        _ name: String,
        count: Int,
        _ factory: @escaping World.Factory
    ) -> [NodeID] {
        let index =
            clients.firstIndex { $0.name == name }
            ?? {
                let symbol = world.intern(.client, name)
                clients.append(ClientNodes(name: name, symbol: symbol, nodes: [], carriers: []))
                return clients.count - 1
            }()
        while clients[index].nodes.count < count {
            let number = clients[index].nodes.count + 1
            let node = world.add(number == 1 ? name : "\(name)#\(number)", factory)
            clientOfNode.append(clients[index].symbol)
            clients[index].nodes.append(node)
            clients[index].carriers.append(node)
        }
        return Array(clients[index].nodes.prefix(count))
    }

    /// Makes each shared connection and its roles one process.
    mutating func uniteProcesses() {
        for client in clients {
            for node in client.nodes {
                if let roles = processes[node] { world.unite([node] + roles) }
            }
        }
    }

    /// The kernel's law for a law of a file.
    public mutating func law(_ spec: LawSpec) -> Law { world.law(spec) }

    /// A stream of chance with this label.
    public mutating func stream(_ label: String) -> StreamID {
        world.withChance { $0.stream(label) }
    }

    /// What a consumer does with a message.
    public mutating func workPlan(_ client: Topology.Client, _ name: String) -> WorkPlan {
        var plan = WorkPlan(
            service: law(client.service),
            serviceStream: stream("service \(name)"),
            failureStream: stream("failure \(name)"),
            error: Share(client.fails.error),
            hang: Share(client.fails.hang),
            crashAfterWork: Share(client.fails.crashAfterWork),
            crashDuringWork: Share(client.fails.crashDuringWork),
            poison: Share(client.fails.poison),
            restartAfter: Interval(clamping: client.fails.restartAfter),
            effect: client.effect.map { world.intern(.effect, $0) } ?? .none,
            idempotentBy: client.idempotentBy.flatMap { WorkPlan.Identity(rawValue: $0) }
        )
        plan.crashBetween = Share(client.fails.crashBetween)
        plan.poisonKills = client.fails.poisonKills
        return plan
    }

    /// When a client publishes.
    public mutating func pacer(_ client: Topology.Client, _ name: String) -> Pacer {
        Pacer(law: law(client.arrivals), stream: stream("arrivals \(name)"), count: client.count)
    }
}

extension Topology.Client {
    /// How long it waits before it connects again; nil for never.
    public var reconnectInterval: Interval? {
        reconnect.map { Interval(clamping: $0) }
    }

    /// When it begins.
    public var startInterval: Interval { Interval(clamping: start) }
}
