package import WarrenTopology

extension DefinitionSet {
    /// What the section of a broker in a topology declares.
    package init(_ broker: Topology.Broker) {
        self.init(form: .topology, version: Version(broker.version) ?? .v3_10)
        statedVersion = broker.version
        var ignored: [Finding] = []
        let all = DefinitionsReader(broker).read(&ignored)
        let hosts =
            [("/", broker.tree, nil as Tree.Entry?)]
            + broker.tree["vhosts"].named.map { ($0.key, $0.value, $0) }
        for (definitions, (name, tree, entry)) in zip(all, hosts) {
            if let entry {
                vhosts.append(
                    Item(value: HostEntry(name: name), vhost: name, origin: origin(entry))
                )
            }
            add(definitions, name, tree)
        }
        for entry in broker.tree["users"].named {
            let tags = entry.value["tags"]?.elements.compactMap(\.text)
            users.append(
                Item(
                    value: UserEntry(name: entry.key, tags: tags, secret: .none),
                    vhost: nil,
                    origin: origin(entry)
                )
            )
        }
    }

    private mutating func addRelays(
        _ definitions: Definitions,
        _ vhost: String,
        _ tree: Tree
    ) {
        let places = [
            "federation-upstream": tree["federation"]?["upstreams"],
            "federation-upstream-set": tree["federation"]?["sets"], "shovel": tree["shovels"],
        ]
        for parameter in definitions.relays.parameters {
            let map = places[parameter.component] ?? nil
            guard let entry = map.named.first(where: { $0.key == parameter.name }) else { continue }
            parameters.append(Item(value: parameter, vhost: vhost, origin: origin(entry)))
        }
    }

    private mutating func add(_ definitions: Definitions, _ vhost: String, _ tree: Tree) {
        for (value, entry) in zip(definitions.exchanges, tree["exchanges"].named) {
            exchanges.append(Item(value: value, vhost: vhost, origin: origin(entry)))
        }
        for (value, entry) in zip(definitions.queues, tree["queues"].named) {
            queues.append(Item(value: value, vhost: vhost, origin: origin(entry)))
        }
        for (value, entry) in zip(definitions.bindings, definitions.bindingPlaces) {
            bindings.append(Item(value: value, vhost: vhost, origin: origin(entry)))
        }
        for (list, rules, isOperator) in [
            ("policies", definitions.policies, false),
            ("operator_policies", definitions.operatorPolicies, true),
        ] {
            for (policy, element) in zip(rules, tree[list]?.elements ?? []) {
                let entry = Tree.Entry(
                    key: policy.name,
                    place: element["name"]?.place ?? element.place,
                    value: element
                )
                policies.append(
                    Item(
                        value: PolicyEntry(
                            policy: policy,
                            target: policy.target.rawValue,
                            isOperator: isOperator
                        ),
                        vhost: vhost,
                        origin: origin(entry)
                    )
                )
            }
        }
        for (value, entry) in zip(definitions.permissions, tree["permissions"].named) {
            permissions.append(Item(value: value, vhost: vhost, origin: origin(entry)))
        }
        for (value, element) in zip(
            definitions.topicPermissions,
            tree["topic_permissions"]?.elements ?? []
        ) {
            let entry = Tree.Entry(key: value.user, place: element.place, value: element)
            topicPermissions.append(Item(value: value, vhost: vhost, origin: origin(entry)))
        }
        addRelays(definitions, vhost, tree)
        if let limits = tree["limits"] {
            var fields: [FieldValue.Field] = []
            if let count = definitions.maxQueues {
                fields.append(FieldValue.Field("max-queues", .int(count)))
            }
            if let count = definitions.maxConnections {
                fields.append(FieldValue.Field("max-connections", .int(count)))
            }
            let entry = Tree.Entry(key: "limits", place: limits.place, value: limits)
            parameters.append(
                Item(
                    value: Parameter(
                        component: "vhost-limits",
                        name: "limits",
                        value: .table(fields)
                    ),
                    vhost: vhost,
                    origin: origin(entry)
                )
            )
        }
    }
}
