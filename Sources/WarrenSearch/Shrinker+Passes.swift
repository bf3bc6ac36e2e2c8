import WarrenTopology

/// What a case can do without.
extension Shrinker {
    /// What is tried, in this order, over and over.
    enum Pass: CaseIterable {
        case faults, calm, counts, clients, instances, draws, luck, moments, durations, queues,
            length
    }

    /// Tries to leave out what a pass is about; true if something was.
    mutating func perform(_ pass: Pass) -> Bool {
        switch pass {
        case .faults: dropEach(["faults"]) || keepOneFault()
        case .calm: calm()
        case .clients: Topology.Role.allCases.map { dropEach([$0.section]) }.contains(true)
        case .counts: eachClient { $0.lowerCount(of: $1) }
        case .instances: eachClient { $0.lower($1 + ["instances"], to: 1) }
        case .moments: eachFault { $0.round($1, "at") }
        case .durations: eachFault { $0.shorten($1) }
        case .draws: eachClient { $0.rest($1) }
        case .luck: eachClient { $0.hasten($1) } || tryOtherSeeds()
        case .queues: dropQueues()
        case .length: shortenRun()
        }
    }

    // MARK: Leaving out

    /// Finds one fault that does it alone, at a moment of its own.
    private mutating func keepOneFault() -> Bool {
        guard let faults = best.tree["faults"]?.elements, faults.count > 1 else { return false }
        for fault in faults where retime({ $0["faults"] = .list([fault]) }) {
            return true
        }
        return false
    }

    /// Leaves out the elements of a list, or the entries of a map, one by one from the end.
    private mutating func dropEach(_ path: [String]) -> Bool {
        guard let tree = best.tree[path: path] else { return false }
        var isShorter = false
        if case .list(let elements) = tree.content {
            for index in elements.indices.reversed() {
                let dropped = attempt { tree in
                    guard var left = tree[path: path]?.elements, index < left.count else { return }
                    left.remove(at: index)
                    tree[path: path] = left.isEmpty ? nil : .list(left)
                }
                isShorter = isShorter || dropped
            }
            return isShorter
        }
        for key in tree.entries.map(\.key).reversed() {
            let dropped = attempt { tree in
                tree[path: path + [key]] = nil
                if tree[path: path]?.entries.isEmpty == true { tree[path: path] = nil }
            }
            isShorter = isShorter || dropped
        }
        return isShorter
    }

    private mutating func dropQueues() -> Bool {
        let brokers = best.tree["brokers"]?.entries.map(\.key) ?? []
        return brokers.map { broker in
            ["queues", "exchanges", "bindings", "policies"].map { section in
                dropEach(["brokers", broker, section])
            }.contains(true)
        }.contains(true)
    }

    /// What chance does beside the file is left to rest.
    private mutating func calm() -> Bool {
        let changes: [(inout Tree) -> Void] = [
            { tree in
                tree[path: ["run", "ties"]] = nil
                if tree["run"]?.entries.isEmpty == true { tree["run"] = nil }
            },
            { $0[path: ["network", "default"]] = nil },
            { $0[path: ["network", "links"]] = nil },
            { $0["network"] = nil },
            { if $0["seed"]?.text != "1" { $0["seed"] = .plain("1") } },
        ]
        return changes.map { change in attempt(change) }.contains(true)
    }

    // MARK: Clients

    /// Does something to each client; its path is handed over.
    private mutating func eachClient(_ body: (inout Shrinker, [String]) -> Bool) -> Bool {
        var isShorter = false
        for role in Topology.Role.allCases {
            for entry in best.tree[role.section]?.entries ?? []
            where body(&self, [role.section, entry.key]) { isShorter = true }
        }
        return isShorter
    }

    /// Finds the smallest count of messages that still breaks it.
    private mutating func lowerCount(of client: [String]) -> Bool {
        let path = client + ["count"]
        guard let text = best.tree[path: path]?.text, var count = UInt64(text) else { return false }
        var isShorter = false
        for candidate in [UInt64(1), 2, 3, 5, 10] where candidate < count {
            let fewer = { (tree: inout Tree) in tree[path: path] = .plain("\(candidate)") }
            if attempt(fewer) || retime(fewer)
                || attempt({ Self.fail(&$0, fewer) })
            {
                return true
            }
        }
        while count > 1 {
            let half = count / 2
            if attempt({ $0[path: path] = .plain("\(half)") }) {
                count = half
                isShorter = true
                continue
            }
            let less = count - max(count / 8, 1)
            guard attempt({ $0[path: path] = .plain("\(less)") }) else { break }
            count = less
            isShorter = true
        }
        return isShorter
    }

    /// Fewer messages, each of which goes wrong in the way that one of many did.
    private static func fail(_ tree: inout Tree, _ fewer: (inout Tree) -> Void) {
        fewer(&tree)
        for path in drawnFailures(tree) {
            // Half of them, where what failed has to be tried again.
            tree[path: path] = .plain(path.last == "poison" ? "100%" : "50%")
        }
    }

    /// The paths of all failures of clients that happen now and then.
    private static func drawnFailures(_ tree: Tree) -> [[String]] {
        failing.flatMap { section in
            (tree[section]?.entries ?? []).flatMap { client in
                (client.value["fails"]?.entries ?? []).filter {
                    $0.value.text?.hasSuffix("%") == true
                }.map { [section, client.key, "fails", $0.key] }
            }
        }
    }

    private mutating func lower(_ path: [String], to least: Int) -> Bool {
        guard let text = best.tree[path: path]?.text, let value = Int(text), value > least else {
            return false
        }
        if attempt({ $0[path: path] = .plain("\(least)") }) { return true }
        return value > least + 1 && attempt { $0[path: path] = .plain("\(value - 1)") }
    }

    /// Lets draws rest: lengths that vary become what they are on average, and failures that are not needed go.
    private mutating func rest(_ client: [String]) -> Bool {
        var isShorter = false
        for key in ["arrivals", "service", "size"] {
            let path = client + [key]
            guard let law = best.tree[path: path], !law.entries.isEmpty else { continue }
            let plain = ["mean", "median", "value", "min", "rate"].compactMap { law[$0] }.first
            if let plain, attempt({ $0[path: path] = plain }) { isShorter = true }
        }
        for failure in best.tree[path: client + ["fails"]]?.entries ?? [] {
            let path = client + ["fails", failure.key]
            if attempt({ $0[path: path] = nil }) { isShorter = true }
        }
        if best.tree[path: client + ["fails"]]?.entries.isEmpty == true {
            _ = attempt { $0[path: client + ["fails"]] = nil }
        }
        return isShorter
    }

    /// Lets messages come right after one another: less lies between them.
    private mutating func hasten(_ client: [String]) -> Bool {
        let path = client + ["arrivals"]
        guard let gap = best.tree[path: path]?.text.flatMap(Units.duration), gap > 1e6 else {
            return false
        }
        return attempt(inFewerEvents: true) { $0[path: path] = .plain("1ms") }
    }

    /// What fails now and then fails at better moments, after fewer tries, with another seed.
    private mutating func tryOtherSeeds() -> Bool {
        guard !Self.drawnFailures(best.tree).isEmpty else { return false }
        return (1...40).map { seed in
            attempt(inFewerEvents: true) { $0["seed"] = .plain("\(seed)") }
        }.contains(true)
    }

    // MARK: Faults

    /// Moves the faults to where something happens in a world that was changed: alone, or all of them by as much;
    /// as long as they were, or so shortly that they hit nothing else.
    private mutating func retime(_ change: (inout Tree) -> Void) -> Bool {
        var changed = best
        change(&changed.tree)
        let faults = changed.tree["faults"]?.elements ?? []
        let old = faults.map { $0["at"]?.text.flatMap(Units.duration) ?? 0 }
        guard let first = old.min(), faults.count <= 3 else { return false }
        var moments = self.moments(of: changed)
        if moments.count > 40 {
            let stride = moments.count / 40 + 1
            moments = moments.enumerated().filter { $0.offset % stride == 0 }.map(\.element)
        }
        for moment in moments {
            for offset in [0.0, 1000, 25_000] {
                let start = Double(moment) + offset
                for lasting in [nil, "10ms"] as [String?] {
                    let moved = faults.indices.map { index in
                        var fault = faults[index]
                        fault["at"] = .plain(CaseFile.length(start + old[index] - first))
                        if let lasting, fault["for"] != nil { fault["for"] = .plain(lasting) }
                        return fault
                    }
                    let isBroken = attempt { tree in
                        change(&tree)
                        tree["faults"] = .list(moved)
                    }
                    if isBroken { return true }
                }
            }
        }
        return false
    }

    private mutating func eachFault(_ body: (inout Shrinker, Int) -> Bool) -> Bool {
        var isShorter = false
        for index in (best.tree["faults"]?.elements ?? []).indices where body(&self, index) {
            isShorter = true
        }
        return isShorter
    }

    private mutating func change(_ fault: Int, _ key: String, _ value: Tree?) -> Bool {
        attempt { tree in
            guard var faults = tree["faults"]?.elements, fault < faults.count else { return }
            faults[fault][key] = value
            tree["faults"] = .list(faults)
        }
    }

    private func length(_ fault: Int, _ key: String) -> Double? {
        guard let faults = best.tree["faults"]?.elements, fault < faults.count else { return nil }
        return faults[fault][key]?.text.flatMap(Units.duration)
    }

    /// Says a moment in the roundest way.
    private mutating func round(_ fault: Int, _ key: String) -> Bool {
        guard let moment = length(fault, key) else { return false }
        for unit in [1e9, 100e6, 10e6, 1e6, 100e3, 10e3, 1e3] {
            for candidate in [(moment / unit).rounded(.down), (moment / unit).rounded(.up)] {
                // What is as round as that already stays.
                guard candidate * unit != moment else { return false }
                if change(fault, key, .plain(CaseFile.length(candidate * unit))) { return true }
            }
        }
        return false
    }

    /// Ends a fault as early as it may.
    private mutating func shorten(_ fault: Int) -> Bool {
        guard let lasting = length(fault, "for") else { return false }
        // What is over at once needs no end.
        let action = best.tree["faults"]?.elements.dropFirst(fault).first?["do"]?.text
        if action == FaultWord.dropConnection.rawValue, change(fault, "for", nil) { return true }
        for candidate in [1e6, 10e6, 100e6, 1e9, 5e9] where candidate < lasting {
            if change(fault, "for", .plain(CaseFile.length(candidate))) { return true }
        }
        return false
    }

    /// Ends the run as early as it may.
    private mutating func shortenRun() -> Bool {
        guard let text = best.tree[path: ["run", "for"]]?.text,
            let length = Units.duration(text)
        else { return false }
        for candidate in [100e6, 1e9, 5e9, 10e9, 30e9, 60e9, length / 2] where candidate < length {
            let whole = (candidate / 1e6).rounded() * 1e6
            if attempt({ $0[path: ["run", "for"]] = .plain(CaseFile.length(whole)) }) {
                return true
            }
        }
        return false
    }
}
