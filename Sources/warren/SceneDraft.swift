import Foundation
import RabbitMQModel
import WarrenCatalog
import WarrenCheck
import WarrenTopology
import WarrenTrace
import WarrenView

/// What stands in the picture of a run: what its topology says, and what its facts say where that says nothing.
struct SceneDraft {
    private let names: Names
    private let nodes: [String]
    private let ways: Scene.Ways
    private var objects: [Scene.Object] = []
    private var edges: [Scene.Edge] = []
    private var known: Set<[Int]> = []
    private var brokers: [(name: String, note: String, nodes: [UInt32])] = []
    private var bySymbol: [UInt32: Int] = [:]
    private var byNode: [UInt32: Int] = [:]

    init(_ topology: Topology?, _ names: Names, _ nodes: [String], _ ways: Scene.Ways) {
        self.names = names
        self.nodes = nodes
        self.ways = ways
        if let topology {
            for broker in topology.brokers { add(broker, topology) }
            for client in topology.clients { add(client, topology) }
        }
        addSeen()
    }

    /// The scene.
    var scene: Scene { Scene(objects, edges, brokers: brokers) }

    // MARK: What the file says

    private mutating func add(_ broker: Topology.Broker, _ topology: Topology) {
        let inside = nodes.indices.filter { index in
            broker.nodes.contains { nodes[index] == $0 || nodes[index] == "\(broker.name)/\($0)" }
                || nodes[index] == broker.name
        }
        let count = broker.nodes.count
        let version = broker.tree["version"]?.text.map { " \($0)" } ?? ""
        let kind =
            broker.kind == "rabbitmq" ? "RabbitMQ" : broker.kind == "nats" ? "NATS" : broker.kind
        brokers.append(
            (
                broker.name, "\(kind)\(version)" + (count > 1 ? ", \(count) nodes" : ""),
                inside.map(UInt32.init)
            )
        )
        guard broker.kind == RabbitMQ.vocabulary.kind else { return }
        let set = DefinitionSet(broker)
        let subject = Subject(set, topology: topology, broker: broker)
        for item in set.exchanges where !item.value.name.isEmpty {
            let symbol = find(.exchange, item.value.name, broker, item.vhost)
            addObject(
                Scene.Object(
                    .exchange,
                    item.value.name,
                    note: item.value.type,
                    symbols: symbol.map { [$0] } ?? []
                )
            )
        }
        for item in set.queues {
            guard let symbol = find(.queue, item.value.name, broker, item.vhost) else { continue }
            var object = Scene.Object(.queue, item.value.name, symbols: [symbol])
            object.note = "\(item.value.type)\(item.value.durable ? ", durable" : "")"
            addObject(object)
        }
        for item in set.bindings {
            let kind: NameKind = item.value.toExchange ? .exchange : .queue
            guard let from = place(.exchange, item.value.source, broker, item.vhost),
                let to = place(kind, item.value.destination, broker, item.vhost)
            else { continue }
            let words = item.value.arguments.isEmpty ? item.value.key : "headers"
            addEdge(from, to, .message, words)
        }
        for (index, item) in set.exchanges.enumerated() {
            guard let host = subject.host(item.vhost), host.exchanges[item.value.name] == index,
                let from = place(.exchange, item.value.name, broker, item.vhost),
                let alternate = subject.alternate(index, in: host),
                let to = place(.exchange, alternate, broker, item.vhost), to != from
            else { continue }
            addEdge(from, to, .alternate, "alternate")
        }
        for (index, item) in set.queues.enumerated() {
            guard let host = subject.host(item.vhost), host.queues[item.value.name] == index,
                let from = place(.queue, item.value.name, broker, item.vhost)
            else { continue }
            let rules = subject.rules(index, in: host)
            objects[from].room = rules.maxLength.map { Int(clamping: $0) } ?? 0
            guard let exchange = rules.deadLetterExchange else { continue }
            let key = rules.deadLetterKey ?? ""
            let to =
                exchange.isEmpty
                ? place(.queue, key, broker, item.vhost)
                : place(.exchange, exchange, broker, item.vhost)
            if let to, to != from { addEdge(from, to, .deadLetter, key) }
        }
    }

    private mutating func add(_ client: Topology.Client, _ topology: Topology) {
        let mine = nodes.indices.filter {
            nodes[$0] == client.name || nodes[$0].hasPrefix("\(client.name)#")
        }
        .map(UInt32.init)
        if let queue = client.target["queue"]?.text { targets[client.name] = queue }
        let isSource = client.role == .producer || client.role == .caller || client.role == .script
        let prefetch = client.tree["prefetch"]?.text.flatMap { Int($0) } ?? 0
        addObject(
            Scene.Object(
                isSource ? .producer : .consumer,
                client.name,
                note: client.role.rawValue,
                nodes: mine,
                prefetch: prefetch
            )
        )
    }

    private func find(_ kind: NameKind, _ name: String, _ broker: Topology.Broker, _ vhost: String?)
        -> UInt32?
    {
        let scope = vhost == nil || vhost == "/" ? broker.name : "\(broker.name)/\(vhost ?? "")"
        guard let scope = names.find(.broker, scope) else { return nil }
        return names.find(kind, name, in: scope)?.raw
    }

    private func place(
        _ kind: NameKind,
        _ name: String,
        _ broker: Topology.Broker,
        _ vhost: String?
    ) -> Int? {
        find(kind, name, broker, vhost).flatMap { bySymbol[$0] }
    }

    // MARK: What facts say

    /// Objects and ways that messages took and the file does not name, such as queues that clients declare.
    private mutating func addSeen() {
        for way in ways.publications.sorted(by: Self.isBefore) {
            let symbol = Symbol(way[1])
            guard let from = object(ofNode: way[0], .producer) else { continue }
            // The default exchange is no object: a message goes to its queue.
            if names.kind(of: symbol) == .exchange, names[symbol].isEmpty { continue }
            if let to = object(of: symbol) { addEdge(from, to, .message, "") }
        }
        for way in ways.routes.sorted(by: Self.isBefore) {
            guard let to = object(of: Symbol(way[1])) else { continue }
            let from = Symbol(way[0])
            if names.kind(of: from) == .exchange, names[from].isEmpty {
                for publication in ways.publications.sorted(by: Self.isBefore)
                where publication[1] == way[0] {
                    if let client = object(ofNode: publication[0], .producer), sends(client, to) {
                        addEdge(client, to, .message, "default exchange")
                    }
                }
            } else if let from = object(of: from), from != to,
                !edges.contains(where: {
                    $0.to == to && $0.kind == .message && isReached($0.from, from)
                })
            {
                addEdge(from, to, .message, "")
            }
        }
        for way in ways.deliveries.sorted(by: Self.isBefore) {
            guard let from = object(of: Symbol(way[0])), let to = object(ofNode: way[1], .consumer)
            else { continue }
            addEdge(from, to, .message, "")
        }
        for way in ways.burials.sorted(by: Self.isBefore) {
            guard let from = object(of: Symbol(way[0])), let to = object(of: Symbol(way[1])),
                from != to,
                !edges.contains(where: { $0.from == from && $0.kind == .deadLetter })
            else { continue }
            addEdge(from, to, .deadLetter, "")
        }
    }

    /// Whether a client may send to a queue by its name: the facts tell who published to the default exchange, and not whose
    /// message came where; where the file names its target, that counts.
    private func sends(_ client: Int, _ queue: Int) -> Bool {
        targets[objects[client].name].map { $0 == objects[queue].name } ?? true
    }

    private var targets: [String: String] = [:]

    private func isReached(_ one: Int, _ other: Int) -> Bool {
        one == other || edges.contains { $0.from == other && $0.to == one }
    }

    private static func isBefore(_ one: [UInt32], _ other: [UInt32]) -> Bool {
        (one[0], one[1]) < (other[0], other[1])
    }

    private mutating func object(of symbol: Symbol) -> Int? {
        if let known = bySymbol[symbol.raw] { return known }
        let kind = names.kind(of: symbol)
        guard kind == .queue || kind == .exchange || kind == .subject || kind == .client else {
            return nil
        }
        addObject(
            Scene.Object(
                kind == .queue || kind == .client ? .queue : .exchange,
                names[symbol],
                symbols: [symbol.raw]
            )
        )
        return bySymbol[symbol.raw]
    }

    private mutating func object(ofNode node: UInt32, _ kind: Scene.Kind) -> Int? {
        if let known = byNode[node] { return known }
        guard Int(node) < nodes.count else { return nil }
        let name = nodes[Int(node)].split(separator: "#").first.map(String.init) ?? nodes[Int(node)]
        let mine = nodes.indices.filter { nodes[$0] == name || nodes[$0].hasPrefix("\(name)#") }
        addObject(Scene.Object(kind, name, nodes: mine.map(UInt32.init)))
        return byNode[node]
    }

    private mutating func addObject(_ object: Scene.Object) {
        for symbol in object.symbols { bySymbol[symbol] = objects.count }
        for node in object.nodes { byNode[node] = objects.count }
        objects.append(object)
    }

    private mutating func addEdge(_ from: Int, _ to: Int, _ kind: Scene.Edge.Kind, _ label: String)
    {
        let number = kind == .message ? 0 : kind == .deadLetter ? 1 : 2
        if known.insert([from, to, number]).inserted {
            edges.append(Scene.Edge(from: from, to: to, kind: kind, label: label))
        } else if !label.isEmpty,
            let index = edges.firstIndex(where: {
                $0.from == from && $0.to == to && $0.kind == kind
            })
        {
            let parts = edges[index].label.components(separatedBy: ", ")
            if parts.contains(label) || edges[index].label.contains(" more") { return }
            edges[index].label += parts.count < 2 ? ", \(label)" : " and more"
        }
    }
}
