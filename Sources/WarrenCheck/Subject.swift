package import RabbitMQModel
package import WarrenTopology

/// What a check looks at: what a file declares for one broker, who uses it, and how it hangs together.
package struct Subject {
    /// What is declared.
    package let set: DefinitionSet
    /// The topology around it; nil for a definitions file.
    package let topology: Topology?
    /// The broker of the topology.
    package let broker: Topology.Broker?
    /// The virtual hosts by name, in the order in which the file comes to speak of them.
    package let hosts: [Host]
    private let hostNumbers: [String: Int]
    /// The queues that are there, the first of each name, with their virtual hosts, in file order; the same for exchanges.
    let liveQueues: [(index: Int, host: Host)]
    let liveExchanges: [(index: Int, host: Host)]
    /// What was asked for once.
    private let answers = Answers()
    /// The broker's version for a sentence.
    package var version: Version { self.set.version }

    package init(_ set: DefinitionSet, topology: Topology? = nil, broker: Topology.Broker? = nil) {
        self.set = set
        self.topology = topology
        self.broker = broker
        var builder = HostBuilder(set)
        builder.build()
        hosts = builder.hosts
        hostNumbers = builder.numbers
        let (hosts, numbers) = (builder.hosts, builder.numbers)
        liveQueues = set.queues.enumerated().compactMap { index, item in
            let name = item.value.name
            guard let host = item.vhost.flatMap({ numbers[$0] }).map({ hosts[$0] }),
                host.queues[name] == index, !name.hasPrefix("amq.")
            else { return nil }
            return (index, host)
        }
        liveExchanges = set.exchanges.enumerated().compactMap { index, item in
            let name = item.value.name
            guard let host = item.vhost.flatMap({ numbers[$0] }).map({ hosts[$0] }),
                host.exchanges[name] == index, !name.hasPrefix("amq."), !name.isEmpty
            else { return nil }
            return (index, host)
        }
    }

    private final class Answers {
        var refusals: [(DefinitionSet.Item<QueueDeclaration>, Refusal)]?
    }

    /// The queues that the broker refuses, and its words.
    var refusals: [(DefinitionSet.Item<QueueDeclaration>, Refusal)] {
        if let known = answers.refusals { return known }
        let made = Refusals.all(self)
        answers.refusals = made
        return made
    }

    /// The virtual host of this name.
    package func host(_ name: String?) -> Host? {
        name.flatMap { hostNumbers[$0] }.map { hosts[$0] }
    }

    /// The clients of the broker in a role; of a bridge, its end that takes messages.
    func clients(_ roles: Topology.Role...) -> [Topology.Client] {
        let found = topology?.clients.filter {
            $0.broker == broker?.name && roles.contains($0.role)
        }
        return found?.map(\.source) ?? []
    }

    /// The ends of bridges that publish here.
    var bridgesHere: [Topology.Client] {
        topology?.clients.compactMap(\.destination).filter { $0.broker == broker?.name } ?? []
    }

    /// Whether the file says who publishes and who consumes.
    var hasClients: Bool {
        topology?.clients.contains {
            $0.broker == broker?.name || $0.onward?.broker == broker?.name
        } ?? false
    }
}

/// A virtual host: what is in it, by name.
package final class Host {
    package let name: String
    /// The first exchange of each name, as a place in ``DefinitionSet/exchanges``; the same for queues.
    package var exchanges: [String: Int] = [:]
    package var queues: [String: Int] = [:]
    /// The bindings from an exchange and to a queue or an exchange, as places in ``DefinitionSet/bindings``.
    package var from: [String: [Int]] = [:]
    package var toQueue: [String: [Int]] = [:]
    package var toExchange: [String: [Int]] = [:]
    /// Places in ``DefinitionSet/policies``.
    var policies: [Int] = []
    var operatorPolicies: [Int] = []
    var table = PolicyTable([], .v3_10)
    var operatorTable = PolicyTable([], .v3_10)
    /// By queue: what it goes by, made when it is asked for.
    fileprivate var settings: [Int: QueueRules] = [:]
    /// Where its messages may come to.
    let reach = Reach()

    init(_ name: String) { self.name = name }

    /// The exchanges that every virtual host has, with their types.
    package static let predeclared = [
        "": "direct", "amq.direct": "direct", "amq.fanout": "fanout", "amq.topic": "topic",
        "amq.headers": "headers", "amq.match": "headers", "amq.rabbitmq.trace": "topic",
        "amq.rabbitmq.log": "topic",
    ]

    /// The queues that an import skips: what is to be replicated and would go by itself.
    var skipped: Set<String> = []

    /// Whether a queue is there after an import.
    func hasQueue(_ name: String) -> Bool {
        queues[name] != nil && !name.hasPrefix("amq.") && !skipped.contains(name)
    }

    /// Whether an exchange is there.
    package func hasExchange(_ name: String) -> Bool {
        exchanges[name] != nil && !name.hasPrefix("amq.") || Self.predeclared[name] != nil
    }

    /// How an exchange routes; nil if it is not there.
    package func type(ofExchange name: String, in set: DefinitionSet) -> String? {
        Self.predeclared[name] ?? exchanges[name].map { set.exchanges[$0].value.type }
    }
}

private struct HostBuilder {
    let set: DefinitionSet
    var hosts: [Host] = []
    var numbers: [String: Int] = [:]

    init(_ set: DefinitionSet) { self.set = set }

    private mutating func number(_ name: String) -> Int {
        if let known = numbers[name] { return known }
        numbers[name] = hosts.count
        hosts.append(Host(name))
        return hosts.count - 1
    }

    mutating func build() {
        for host in set.vhosts { _ = number(host.value.name) }
        if set.form != .cluster { _ = number("/") }
        for (index, item) in set.exchanges.enumerated() {
            guard let vhost = item.vhost else { continue }
            let host = number(vhost)
            if hosts[host].exchanges[item.value.name] == nil {
                hosts[host].exchanges[item.value.name] = index
            }
        }
        for (index, item) in set.queues.enumerated() {
            guard let vhost = item.vhost else { continue }
            let host = number(vhost)
            if hosts[host].queues[item.value.name] == nil {
                hosts[host].queues[item.value.name] = index
            }
        }
        for item in set.queues {
            let isLasting = item.value.durable && !item.value.autoDelete
            guard let vhost = item.vhost, !isLasting,
                ["quorum", "stream"].contains(item.value.type)
            else { continue }
            hosts[number(vhost)].skipped.insert(item.value.name)
        }
        for (index, item) in set.bindings.enumerated() {
            guard let vhost = item.vhost else { continue }
            let host = number(vhost)
            hosts[host].from[item.value.source, default: []].append(index)
            if item.value.toExchange {
                hosts[host].toExchange[item.value.destination, default: []].append(index)
            } else {
                hosts[host].toQueue[item.value.destination, default: []].append(index)
            }
        }
        for (index, item) in set.policies.enumerated() {
            guard let vhost = item.vhost else { continue }
            let host = number(vhost)
            if item.value.isOperator {
                hosts[host].operatorPolicies.append(index)
            } else {
                hosts[host].policies.append(index)
            }
        }
        for index in hosts.indices {
            hosts[index].table = PolicyTable(
                hosts[index].policies.map { set.policies[$0].value.policy },
                set.version
            )
            hosts[index].operatorTable = PolicyTable(
                hosts[index].operatorPolicies.map { set.policies[$0].value.policy },
                set.version
            )
        }
    }
}

extension Subject {
    /// The policy that counts for a queue or exchange, as a place in ``DefinitionSet/policies``.
    package func policy(_ name: String, _ kind: Policy.Subject, in host: Host) -> Int? {
        host.table.effective(name, kind).map { host.policies[$0] }
    }

    /// The operator policy that counts.
    package func operatorPolicy(_ name: String, _ kind: Policy.Subject, in host: Host) -> Int? {
        host.operatorTable.effective(name, kind).map { host.operatorPolicies[$0] }
    }

    /// What a queue goes by: its arguments and the policies that count.
    package func rules(_ queue: Int, in host: Host) -> QueueRules {
        if let known = host.settings[queue] { return known }
        let declaration = set.queues[queue].value
        let kind = Policy.Subject.queue(declaration.type)
        let made = QueueRules(
            declaration,
            policy: policy(declaration.name, kind, in: host).map { set.policies[$0].value.policy },
            operatorPolicy: operatorPolicy(declaration.name, kind, in: host).map {
                set.policies[$0].value.policy
            },
            version: version
        )
        host.settings[queue] = made
        return made
    }

    /// Where an exchange sends what it cannot route: its argument, or its policy's.
    package func alternate(_ exchange: Int, in host: Host) -> String? {
        let declaration = set.exchanges[exchange].value
        if let own = declaration.alternate { return own }
        return policy(declaration.name, .exchange, in: host).flatMap {
            set.policies[$0].value.policy["alternate-exchange"]?.text
        }
    }

    /// Where a setting of a queue comes from: its argument, or else the policy that counts.
    func place(ofSetting argument: String, _ queue: Int, in host: Host) -> Place? {
        let item = set.queues[queue]
        if item.value[argument] != nil { return set.place(item.origin, argument: argument) }
        let key = String(argument.dropFirst(2))
        let kind = Policy.Subject.queue(item.value.type)
        for index in [
            operatorPolicy(item.value.name, kind, in: host),
            policy(item.value.name, kind, in: host),
        ] {
            guard let index, set.policies[index].value.policy[key] != nil else { continue }
            return set.place(set.policies[index].origin, "definition", key)
        }
        return set.place(item.origin)
    }

    /// What the broker does with a thing of that form: a topic exchange breaks over a key that is no text, the others
    /// take it.
    ///
    /// - Source: tried on 3.10.8: `{"routing_key": 1}` and none at all, for each type of exchange.
    func outcome(of flaw: DefinitionSet.Flaw) -> Finding.Outcome {
        guard let number = flaw.keyOfBinding, let host = host(set.bindings[number].vhost) else {
            return flaw.outcome
        }
        let binding = set.bindings[number].value
        let isThere =
            binding.toExchange
            ? host.hasExchange(binding.destination) : host.hasQueue(binding.destination)
        return isThere && host.type(ofExchange: binding.source, in: set) == "topic"
            ? .refused : flaw.outcome
    }
}
