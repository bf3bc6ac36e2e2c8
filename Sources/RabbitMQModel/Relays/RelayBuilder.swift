import WarrenBroker
import WarrenKernel
import WarrenTopology
import WarrenTrace

/// Adds the shovels and federation links of a broker to the world.
struct RelayBuilder {
    private let broker: Topology.Broker
    private let topology: Topology

    init(_ broker: Topology.Broker, _ topology: Topology) {
        self.broker = broker
        self.topology = topology
    }

    /// Adds a part to each node of a broker that has upstreams or shovels, or whose operators may set some.
    func build(into blueprint: inout Blueprint) {
        let scripted = setByScripts
        guard let all: [Definitions] = blueprint.kept(for: broker.name),
            all.contains(where: { !$0.relays.isEmpty }) || !scripted.isEmpty
        else { return }
        for (what, tree) in scripted {
            let ends = what == "shovel" ? [tree["from"], tree["to"]] : [tree]
            for end in ends.compactMap(\.self) {
                check(end, "the \(what) '\(tree["name"]?.text ?? "")'", &blueprint)
            }
        }
        for definitions in all {
            let tree =
                definitions.vhost == "/"
                ? broker.tree : broker.tree[path: ["vhosts", definitions.vhost]]
            check(tree, &blueprint)
            nameQueues(definitions, &blueprint)
        }
        let plan = RelayHost.Plan(
            node: .outside,
            cluster: broker.name,
            brokers: nodesByName(blueprint),
            order: blueprint.brokerNodes,
            draws: blueprint.stream("relays \(broker.name)")
        )
        for name in broker.nodes {
            let path = "\(broker.name)/\(name)"
            guard let node = blueprint.nodesByPath[path] else { continue }
            var own = plan
            own.node = node
            let fixed = own
            let shown = broker.nodes.count == 1 ? broker.name : path
            blueprint.addLodger("\(shown)/relays", at: node) { _ in RelayHost(fixed) }
        }
    }

    /// The upstreams and shovels that scripts set while the broker runs, each with what it is.
    private var setByScripts: [(what: String, tree: Tree)] {
        func orders(_ steps: Tree?) -> [(what: String, tree: Tree)] {
            (steps?.elements ?? []).flatMap { step in
                let set = ["upstream", "shovel"].compactMap { word in
                    step["administer"]?[word].map { (what: word, tree: $0) }
                }
                return set + orders(step["repeat"]?["steps"])
            }
        }
        return topology.clients.filter { $0.broker == broker.name }
            .flatMap { orders($0.tree["steps"]) }
    }

    private func nodesByName(_ blueprint: Blueprint) -> [String: [String: NodeID]] {
        var found: [String: [String: NodeID]] = [:]
        // In any order: each has its own place.
        for (path, node) in blueprint.nodesByPath {
            guard let slash = path.firstIndex(of: "/") else { continue }
            let name = String(path[..<slash])
            guard blueprint.kept(for: name, as: [Definitions].self) != nil else { continue }
            found[name, default: [:]][String(path[slash...].dropFirst())] = node
        }
        return found
    }

    // MARK: What is wrong

    private func check(_ tree: Tree?, _ blueprint: inout Blueprint) {
        let upstreams = tree?["federation"]?["upstreams"].named ?? []
        for entry in upstreams {
            if entry.value["broker"] == nil {
                blueprint.findings.append(
                    Finding(
                        "no-broker",
                        "the upstream '\(entry.key)' does not say where it is",
                        at: entry.place,
                        remedy: "name a broker of this file: `broker: east`"
                    )
                )
            }
            check(entry.value, "the upstream '\(entry.key)'", &blueprint)
        }
        for entry in tree?["federation"]?["sets"].named ?? [] {
            for element in entry.value.elements {
                let name = element["upstream"] ?? element
                let known = upstreams.map(\.key)
                guard let text = name.text, !known.contains(text) else { continue }
                blueprint.findings.append(
                    Finding(
                        "unknown-name",
                        "there is no upstream '\(text)' for the set '\(entry.key)'",
                        at: name.place,
                        label: DidYouMean.hint(text, in: known),
                        why: "the broker passes over it without a word"
                    )
                )
            }
        }
        for entry in tree?["shovels"].named ?? [] {
            for end in ["from", "to"] {
                if let address = entry.value[end] {
                    check(address, "the shovel '\(entry.key)'", &blueprint)
                }
            }
        }
    }

    /// Whether an address is that of a RabbitMQ in the file, and its nodes are there.
    private func check(_ address: Tree, _ what: String, _ blueprint: inout Blueprint) {
        let name = address["broker"]?.text ?? broker.name
        guard blueprint.kept(for: name, as: [Definitions].self) != nil else {
            let isThere = blueprint.brokers[name] != nil
            blueprint.findings.append(
                Finding(
                    isThere ? "wrong-kind" : "unknown-name",
                    isThere
                        ? "'\(name)' of \(what) is no RabbitMQ"
                        : "there is no broker '\(name)' for \(what)",
                    at: address["broker"]?.place ?? address.place,
                    label: DidYouMean.hint(name, in: blueprint.brokers.keys.sorted()),
                    why: isThere
                        ? "a relay speaks AMQP 0-9-1 at both of its ends"
                        : "it is tried for ever, and carries nothing",
                    severity: isThere ? .error : .warning
                )
            )
            return
        }
        for host in address["hosts"]?.elements ?? [] {
            guard let text = host.text, blueprint.nodesByPath["\(name)/\(text)"] == nil else {
                continue
            }
            blueprint.findings.append(
                Finding(
                    "unknown-name",
                    "'\(name)' has no node '\(text)' for \(what)",
                    at: host.place
                )
            )
        }
    }

    // MARK: Names

    /// Gets to know the queues that relays declare, so that an expectation can speak of them.
    private func nameQueues(_ definitions: Definitions, _ blueprint: inout Blueprint) {
        func note(_ queue: String, _ address: RelayAddress) {
            let name = address.broker ?? broker.name
            let scope = VirtualHost.scope(
                blueprint.symbol(of: name),
                name,
                address.vhost ?? definitions.vhost,
                in: &blueprint
            )
            _ = blueprint.world.intern(.queue, queue, in: scope)
        }
        for shovel in definitions.relays.shovels {
            if case .queue(let name) = shovel.source { note(name, shovel.from) }
            if case .queue(let name) = shovel.target { note(name, shovel.to) }
        }
        let version = Version(broker.version) ?? .v3_10
        for exchange in definitions.exchanges {
            for upstream in definitions.upstreams(of: exchange, version) {
                note(
                    ExchangeLink.queueName(
                        exchange.name,
                        definitions.vhost,
                        of: broker.name,
                        at: upstream.exchange ?? exchange.name,
                        upstream.address.vhost ?? definitions.vhost
                    ),
                    upstream.address
                )
            }
        }
        for queue in definitions.queues {
            for upstream in definitions.upstreams(of: queue, version) {
                note(upstream.queue ?? queue.name, upstream.address)
            }
        }
    }
}
