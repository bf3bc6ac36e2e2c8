/// What a file says of links and faults.
extension TopologyReader {
    mutating func links(_ tree: Tree?, _ topology: Topology) -> [Topology.Link] {
        (tree?.elements ?? []).compactMap { element -> Topology.Link? in
            guard let latency = element["latency"].flatMap({ LawForm.law($0, Units.duration) })
            else { return nil }
            let between = element["between"]?.elements ?? []
            if between.count != 2 {
                findings.append(
                    Finding(
                        "two-ends",
                        "a link has two ends, and here are \(between.count)",
                        at: element["between"]?.place ?? element.place
                    )
                )
            }
            for end in between { resolveEnd(end, topology) }
            return Topology.Link(
                between: between.compactMap(\.text),
                latency: latency,
                place: element.place
            )
        }
    }

    mutating func resolveEnd(_ end: Tree, _ topology: Topology) {
        guard let name = end.text else { return }
        let known =
            topology.nodePaths + topology.brokers.map(\.name) + topology.clients.map(\.name)
            + topology.connections
        if !known.contains(name) {
            findings.append(
                Finding(
                    "unknown-name",
                    "there is no node or client '\(name)'",
                    at: end.place,
                    label: DidYouMean.hint(name, in: known)
                )
            )
        }
    }

    mutating func faults(_ tree: Tree?, _ topology: Topology) -> [Topology.Fault] {
        (tree?.elements ?? []).compactMap { fault($0, topology) }
    }

    mutating func fault(_ tree: Tree, _ topology: Topology) -> Topology.Fault? {
        guard let action = tree["do"]?.text.flatMap({ FaultWord(rawValue: $0) }) else {
            return nil
        }
        let moment: Topology.Moment
        if let at = tree["at"]?.text.flatMap(Units.duration), tree["when"] == nil {
            moment = .at(at)
        } else if let when = tree["when"], tree["at"] == nil {
            guard let condition = expression(when, "faults.when") else { return nil }
            moment = .when(condition)
        } else {
            // A moment that is no length of time was said by its shape already.
            if tree["at"] != nil, tree["when"] == nil { return nil }
            findings.append(
                Finding(
                    "fault-moment",
                    "a fault needs a moment: either `at: 60s` or `when: \"depth(orders) > 100\"`",
                    at: tree.place
                )
            )
            return nil
        }
        if let node = tree["node"] { resolve(node, "node", topology.nodePaths) }
        if let client = tree["client"] {
            resolve(client, "client", topology.clients.map(\.name) + topology.connections)
        }
        for end in tree["between"]?.elements ?? [] { resolveEnd(end, topology) }
        for end in tree["from"]?.elements ?? [] { resolveEnd(end, topology) }
        for end in tree["to"]?.elements ?? [] { resolveEnd(end, topology) }
        for group in tree["groups"]?.elements ?? [] {
            for end in group.elements { resolveEnd(end, topology) }
        }
        if let broker = tree["broker"] {
            resolve(broker, "broker", topology.brokers.map(\.name))
        }
        let factor = tree["factor"]?.text.flatMap(Units.number) ?? 1
        if tree["factor"] != nil, factor <= 0 {
            findings.append(
                Finding(
                    "no-factor",
                    "`\(action.rawValue)` needs a factor above 0, such as `factor: 5`",
                    at: tree["factor"]?.place ?? tree.place
                )
            )
        }
        if let text = tree["factor"], factor > Units.largestFactor {
            findings.append(
                Finding(
                    "out-of-range",
                    "the factor of `\(action.rawValue)` is \(text.description)",
                    at: text.place,
                    label: "at most 1000000",
                    why: "what is slower than that has stopped"
                )
            )
        }
        let jump = tree["by"]?.text.flatMap(Self.signedDuration)
        if tree["by"] != nil, jump.map({ abs($0) > Units.longest }) ?? true {
            findings.append(
                Finding(
                    "bad-jump",
                    "a clock jumps by a length of time of at most 36500d, such as `by: 5s` or `by: -5s`",
                    at: tree["by"]?.place
                )
            )
        }
        let period = tree["every"]?.text.flatMap(Units.duration)
        let times = tree["times"]?.text.flatMap { Int($0) }
        if let period, period <= 0 || times == nil && topology.duration == nil {
            findings.append(
                Finding(
                    "endless",
                    "a fault that comes every so often needs an end",
                    at: tree["every"]?.place,
                    remedy: "give it `times: 5`, or the file `run: { for: 10m }`"
                )
            )
        }
        let instance = tree["instance"]?.text.flatMap { Int($0) }
        if let instance, let name = tree["client"]?.text,
            let count = topology.instances(of: name), instance > count
        {
            findings.append(
                Finding(
                    "no-instance",
                    "'\(name)' has \(count) instance\(count == 1 ? "" : "s"), and no number \(instance)",
                    at: tree["instance"]?.place
                )
            )
        }
        let hit = action.targets.filter { tree[$0] != nil }
        if hit.count > 1 {
            findings.append(
                Finding(
                    "fault-target",
                    "'\(action.rawValue)' names \(hit.map { "`\($0):`" }.joined(separator: " and "))",
                    at: tree[hit[1]]?.place ?? tree.place,
                    why: "a fault hits one thing, and it would be chosen in silence",
                    remedy: "keep one, and write another fault for the other"
                )
            )
        }
        if hit.isEmpty {
            let wanted = action.targets.map { "`\($0):`" }.joined(separator: " or ")
            findings.append(
                Finding(
                    "fault-target",
                    "'\(action.rawValue)' does not say what it hits",
                    at: tree["do"]?.place,
                    remedy: "add \(wanted)"
                )
            )
        }
        for key in action.needs where tree[key] == nil {
            findings.append(
                Finding(
                    key == "factor" ? "no-factor" : "fault-incomplete",
                    "'\(action.rawValue)' needs `\(key):`",
                    at: tree["do"]?.place,
                    remedy: Self.example(of: key)
                )
            )
        }
        var fault = Topology.Fault(action, at: 0, place: tree.place)
        fault.moment = moment
        fault.period = period
        if let times { fault.times = times }
        fault.node = tree["node"]?.text
        fault.leaderOf = tree["leader_of"]?.text
        fault.broker = tree["broker"]?.text
        fault.client = tree["client"]?.text
        fault.instance = instance
        fault.between = texts(tree["between"])
        fault.duration = tree["for"]?.text.flatMap(Units.duration)
        fault.factor = factor
        fault.groups = (tree["groups"]?.elements ?? []).map { texts($0) }
        fault.from = texts(tree["from"])
        fault.to = texts(tree["to"])
        fault.share = tree["share"]?.text.flatMap(Units.share) ?? 0
        fault.jump = jump ?? 0
        fault.version = tree["version"]?.text
        fault.renames = tree["hostname"]?.text == "random"
        return fault
    }

    func texts(_ tree: Tree?) -> [String] { tree?.elements.compactMap(\.text) ?? [] }

    static func signedDuration(_ text: String) -> Double? {
        text.hasPrefix("-")
            ? Units.duration(String(text.dropFirst())).map { -$0 } : Units.duration(text)
    }

    static func example(of key: String) -> String {
        switch key {
        case "factor": "such as `factor: 5`"
        case "share": "such as `share: 5%`"
        case "by": "such as `by: -5s`"
        case "to": "such as `to: [main/rabbit-2]`"
        default: "such as `version: \"3.13\"`"
        }
    }

    mutating func resolve(_ tree: Tree, _ kind: String, _ known: [String]) {
        guard let name = tree.text, !known.contains(name) else { return }
        findings.append(
            Finding(
                "unknown-name",
                "there is no \(kind) '\(name)'",
                at: tree.place,
                label: DidYouMean.hint(name, in: known)
            )
        )
    }
}
