public import WarrenBroker
public import WarrenTopology

/// Schedules that broke something once, as a file beside what a search found: they are played first the next time.
public enum Remembered {
    /// A schedule, and what it broke.
    public struct Entry: Sendable {
        /// The name of what it broke.
        public var broke: String
        public var schedule: Stage.Schedule

        /// A schedule that broke something.
        public init(broke: String, schedule: Stage.Schedule) {
            self.broke = broke
            self.schedule = schedule
        }
    }

    /// The text of a file of schedules.
    public static func text(_ entries: [Entry]) -> String {
        let list = entries.map { entry in
            Tree.map([("broke", .quoted(entry.broke))] + words(entry.schedule))
        }
        return "# Schedules that broke something: warren search plays them first.\n"
            + TreeWriter.yaml(.map([("schedules", .list(list))]))
    }

    /// The text of one schedule.
    static func text(_ schedule: Stage.Schedule) -> String {
        TreeWriter.yaml(.map(words(schedule)))
    }

    private static func words(_ schedule: Stage.Schedule) -> [(String, Tree)] {
        var words: [(String, Tree)] = [("seed", .plain("\(schedule.seed)"))]
        var run = Tree.map([])
        schedule.ties.write(into: &run)
        words += (run["run"]?.entries ?? []).map { ($0.key, $0.value) }
        if let latency = schedule.latency { words.append(("latency", CaseFile.tree(latency))) }
        if !schedule.links.isEmpty {
            words.append(("links", .list(schedule.links.map(CaseFile.tree))))
        }
        if !schedule.faults.isEmpty {
            words.append(("faults", .list(schedule.faults.map(CaseFile.tree))))
        }
        return words
    }

    /// The schedules of a file, as far as they fit a topology.
    ///
    /// - Parameters:
    ///   - tree: the file.
    ///   - topology: the topology, which may have changed since.
    ///   - read: makes a topology of the text of a file.
    /// - Returns: the schedules, and how many do not fit any more.
    public static func entries(
        _ tree: Tree,
        _ topology: Topology,
        read: (String) -> Topology?
    ) -> (fit: [Entry], unfit: Int) {
        var found: [Entry] = []
        var unfit = 0
        for entry in tree["schedules"]?.elements ?? [] {
            guard let schedule = schedule(entry, topology, read: read) else {
                unfit += 1
                continue
            }
            found.append(Entry(broke: entry["broke"]?.text ?? "", schedule: schedule))
        }
        return (found, unfit)
    }

    /// The schedule of a text, if it fits a topology.
    static func schedule(
        _ text: String,
        _ topology: Topology,
        read: (String) -> Topology?
    ) -> Stage.Schedule? {
        Tree.read(text, path: topology.name).flatMap { schedule($0, topology, read: read) }
    }

    private static func schedule(
        _ entry: Tree,
        _ topology: Topology,
        read: (String) -> Topology?
    ) -> Stage.Schedule? {
        var file = CaseFile(topology)
        let faults = entry["faults"]?.elements ?? []
        let links = entry["links"]?.elements ?? []
        guard let seed = entry["seed"]?.text.flatMap({ UInt64($0) }) else { return nil }
        var schedule = Stage.Schedule(seed: seed, ties: Ties(entry))
        // Most schedules bring nothing that the topology has to know.
        guard !faults.isEmpty || !links.isEmpty || entry["latency"] != nil else { return schedule }
        file.tree["faults"] = .list((file.tree["faults"]?.elements ?? []) + faults)
        if let latency = entry["latency"] {
            file.tree[path: ["network", "default", "latency"]] = latency
        }
        if !links.isEmpty {
            let all = (file.tree["network"]?["links"]?.elements ?? []) + links
            file.tree[path: ["network", "links"]] = .list(all)
        }
        guard let whole = read(file.text) else { return nil }
        schedule.faults = Array(whole.faults.suffix(faults.count))
        schedule.links = Array(whole.links.suffix(links.count))
        schedule.latency = entry["latency"] == nil ? nil : whole.latency
        return schedule
    }
}
