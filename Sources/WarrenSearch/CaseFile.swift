public import WarrenBroker
public import WarrenTopology

/// A topology file with a schedule in it, as a tree that can be changed piece by piece and written out.
public struct CaseFile: Sendable {
    /// The file.
    public package(set) var tree: Tree

    /// The file of a topology, whole: what it includes and what its brokers' own files say stand in it.
    public init(_ topology: Topology) {
        var tree = topology.tree
        tree["include"] = nil
        for broker in topology.brokers {
            var whole = broker.tree
            whole["definitions"] = nil
            tree[path: ["brokers", broker.name]] = whole
        }
        self.tree = tree
    }

    /// The same with what a schedule does differently.
    public func with(_ schedule: Stage.Schedule) -> CaseFile {
        var file = self
        file.tree["seed"] = .plain("\(schedule.seed)")
        if !schedule.faults.isEmpty {
            let faults = (tree["faults"]?.elements ?? []) + schedule.faults.map(Self.tree)
            file.tree["faults"] = .list(faults)
        }
        if schedule.ties != .inOrder { schedule.ties.write(into: &file.tree) }
        if let latency = schedule.latency {
            file.tree[path: ["network", "default", "latency"]] = Self.tree(latency)
        }
        if !schedule.links.isEmpty {
            let links = (tree["network"]?["links"]?.elements ?? []) + schedule.links.map(Self.tree)
            file.tree[path: ["network", "links"]] = .list(links)
        }
        return file
    }

    /// The text of the file.
    public var text: String { TreeWriter.yaml(tree) }

    /// Adds what any topology should keep, if the file expects nothing.
    public mutating func expectTheObvious(_ topology: Topology) {
        guard topology.expectations.isEmpty else { return }
        var never: [(String, String)] = [
            (
                "confirmed_is_kept",
                "confirmed and not handled and not kept and not expired and not dead_lettered and not unroutable"
            )
        ]
        var effects: [String] = []
        for client in topology.clients {
            if let effect = client.effect, !effects.contains(effect) { effects.append(effect) }
        }
        for effect in effects {
            never.append(("once_\(effect)", "effects(\(Self.name(effect))) per message_id > 1"))
        }
        var eventually: [(String, String)] = []
        for client in topology.clients where client.role.works {
            guard let queue = client.target["queue"]?.text,
                topology.brokers.first(where: { $0.name == client.broker })?.tree["queues"]?[
                    queue
                ]?["type"]?
                .text != "stream",
                !eventually.contains(where: { $0.0 == "drained_\(queue)" })
            else { continue }
            eventually.append(
                (
                    "drained_\(queue)",
                    "depth(\(Self.name(queue))) == 0 and unacked(\(Self.name(queue))) == 0"
                )
            )
        }
        for (name, text) in never { tree[path: ["expect", "never", name]] = .quoted(text) }
        // Whoever publishes until the very end leaves something behind.
        guard topology.duration == nil else { return }
        for (name, text) in eventually {
            tree[path: ["expect", "eventually", name]] = .quoted(text)
        }
    }

    /// A name in quotes that it does not have itself.
    private static func name(_ text: String) -> String {
        text.contains("'") ? "\"\(text)\"" : "'\(text)'"
    }

    static func tree(_ fault: Topology.Fault) -> Tree {
        var entries: [(String, Tree)] = []
        if case .at(let moment) = fault.moment { entries.append(("at", .plain(length(moment)))) }
        entries.append(("do", .plain(fault.action.rawValue)))
        if let node = fault.node { entries.append(("node", .quoted(node))) }
        if let client = fault.client { entries.append(("client", .quoted(client))) }
        if let instance = fault.instance { entries.append(("instance", .plain("\(instance)"))) }
        if !fault.from.isEmpty { entries.append(("from", .list(fault.from.map { .quoted($0) }))) }
        if !fault.to.isEmpty { entries.append(("to", .list(fault.to.map { .quoted($0) }))) }
        if !fault.groups.isEmpty {
            entries.append(("groups", .list(fault.groups.map { .list($0.map { .quoted($0) }) })))
        }
        if fault.factor != 1 { entries.append(("factor", .plain("\(Int(fault.factor))"))) }
        if let length = fault.duration { entries.append(("for", .plain(self.length(length)))) }
        return .map(entries)
    }

    static func tree(_ link: Topology.Link) -> Tree {
        .map([
            ("between", .list(link.between.map { .quoted($0) })), ("latency", tree(link.latency)),
        ])
    }

    static func tree(_ law: LawSpec) -> Tree {
        switch law {
        case .constant(let value): .plain(length(value))
        case .uniform(let low, let high):
            .map([
                ("law", .plain("uniform")), ("min", .plain(length(low))),
                ("max", .plain(length(high))),
            ])
        case .exponential(let mean):
            .map([("law", .plain("exponential")), ("mean", .plain(length(mean)))])
        case .normal, .lognormal, .gamma, .empirical:
            preconditionFailure("a search draws latencies from plain laws")
        }
    }

    /// A length of time in the largest unit in which it is whole.
    static func length(_ nanoseconds: Double) -> String {
        let value = UInt64(max(nanoseconds, 0))
        for (size, unit) in [(1_000_000_000, "s"), (1_000_000, "ms"), (1000, "us")]
            as [(UInt64, String)]
        where value % size == 0 { return "\(value / size)\(unit)" }
        return "\(value)ns"
    }
}
