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
            var words: [(String, Tree)] = [
                ("broke", .quoted(entry.broke)), ("seed", .plain("\(entry.schedule.seed)")),
            ]
            if entry.schedule.drawsTies { words.append(("ties", .plain("drawn"))) }
            if let latency = entry.schedule.latency {
                words.append(("latency", CaseFile.tree(latency)))
            }
            if !entry.schedule.links.isEmpty {
                words.append(("links", .list(entry.schedule.links.map(CaseFile.tree))))
            }
            if !entry.schedule.faults.isEmpty {
                words.append(("faults", .list(entry.schedule.faults.map(CaseFile.tree))))
            }
            return Tree.map(words)
        }
        return "# Schedules that broke something: warren search plays them first.\n"
            + TreeWriter.yaml(.map([("schedules", .list(list))]))
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
            var file = CaseFile(topology)
            let faults = entry["faults"]?.elements ?? []
            file.tree["faults"] = .list((file.tree["faults"]?.elements ?? []) + faults)
            if let latency = entry["latency"] {
                file.tree[path: ["network", "default", "latency"]] = latency
            }
            let links = entry["links"]?.elements ?? []
            if !links.isEmpty {
                let all = (file.tree["network"]?["links"]?.elements ?? []) + links
                file.tree[path: ["network", "links"]] = .list(all)
            }
            guard let seed = entry["seed"]?.text.flatMap({ UInt64($0) }),
                let whole = read(file.text)
            else {
                unfit += 1
                continue
            }
            var schedule = Stage.Schedule(
                seed: seed,
                faults: Array(whole.faults.suffix(faults.count)),
                drawsTies: entry["ties"]?.text == "drawn",
                latency: entry["latency"] == nil ? nil : whole.latency
            )
            schedule.links = Array(whole.links.suffix(links.count))
            found.append(Entry(broke: entry["broke"]?.text ?? "", schedule: schedule))
        }
        return (found, unfit)
    }
}
