import WarrenKernel
import WarrenLedger
import WarrenTopology
import WarrenTrace

/// A fault that is still to come.
struct PendingFault: Sendable {
    /// Its number in the file.
    var number: Int
    var moment: Instant
    /// How often it will still happen.
    var left: Int
}

/// What goes wrong, and how it is mended.
extension Simulation {
    /// Notes when a fault begins, and begins again.
    mutating func schedule(_ number: Int, _ fault: Topology.Fault, from moment: Instant) {
        let times = fault.period == nil ? 1 : max(fault.times, 1)
        // What nobody has to be asked about is planned at once, so that it happens in its order.
        guard fault.leaderOf != nil || times > 1 else {
            plan(fault, number, at: moment)
            return
        }
        pendingFaults.append(PendingFault(number: number, moment: moment, left: times))
    }

    /// Begins the faults whose moment has come.
    mutating func beginFaults(at moment: Instant) {
        for index in pendingFaults.indices.reversed() where pendingFaults[index].moment <= moment {
            let number = pendingFaults[index].number
            let fault = topology.faults[number]
            pendingFaults[index].left -= 1
            if let period = fault.period, pendingFaults[index].left > 0 {
                pendingFaults[index].moment =
                    moment + Interval(clamping: max(period, 1))
            } else {
                pendingFaults.remove(at: index)
            }
            plan(fault, number, at: moment)
        }
    }

    /// Begins the faults whose condition has come true.
    mutating func beginConditionalFaults() {
        for index in conditions.indices.reversed()
        where ledger.watch.hasHappened(conditions[index].watched) {
            let number = conditions.remove(at: index).fault
            schedule(number, topology.faults[number], from: world.now)
        }
    }

    // MARK: One fault

    mutating func plan(_ fault: Topology.Fault, _ number: Int, at moment: Instant) {
        world.plan(.mark(.faultBegan, UInt64(number)), at: moment)
        let lasting = fault.duration.map { Interval(clamping: $0) }
        let mends: [Action]
        switch fault.action {
        case .rollingRestart, .upgrade:
            roll(fault, number, lasting ?? .seconds(10), at: moment)
            return
        case .restart:
            let back = moment + (lasting ?? .seconds(5))
            for node in targets(fault) {
                if fault.renames { world.plan(.leave(node), at: moment) }
                world.plan(.stop(node), at: moment)
                world.plan(.start(node), at: back)
            }
            world.plan(.mark(.faultEnded, UInt64(number)), at: back)
            return
        default: mends = begin(fault, at: moment)
        }
        guard let lasting else { return }
        for mend in mends { world.plan(mend, at: moment + lasting) }
        world.plan(.mark(.faultEnded, UInt64(number)), at: moment + lasting)
    }

    /// Plans what a fault does; returns what mends it.
    private mutating func begin(_ fault: Topology.Fault, at moment: Instant) -> [Action] {
        var mends: [Action] = []
        func each(_ nodes: [NodeID], _ begin: (NodeID) -> Action, _ mend: (NodeID) -> Action?) {
            for node in nodes {
                world.plan(begin(node), at: moment)
                if let mend = mend(node) { mends.append(mend) }
            }
        }
        let hit = targets(fault)
        switch fault.action {
        case .kill: each(hit, { .crash($0) }, { .start($0) })
        case .stop: each(hit, { .stop($0) }, { .start($0) })
        case .pause: each(hit, { .freeze($0) }, { .thaw($0) })
        case .memoryAlarm:
            each(hit, { order($0, .memoryAlarm, 1) }, { order($0, .memoryAlarm, 0) })
        case .diskAlarm:
            each(hit, { order($0, .diskAlarm, 1) }, { order($0, .diskAlarm, 0) })
        case .diskFull:
            each(hit, { .fillDisk($0, true) }, { .fillDisk($0, false) })
            each(hit, { order($0, .diskAlarm, 1) }, { order($0, .diskAlarm, 0) })
        case .slowDisk:
            let factor = thousandths(fault)
            each(hit, { .slowDisk($0, factor: factor) }, { .slowDisk($0, factor: 1000) })
        case .clockJump:
            let jump = UInt64(bitPattern: Int64(fault.jump))
            each(hit, { order($0, .clockJump, jump) }, { _ in nil })
        case .dropConnection: drop(fault, hit, at: moment)
        case .partition: mends = cut(apart(fault.groups), at: moment)
        case .cut:
            let ways = fault.from.flatMap { one in
                fault.to.flatMap { other in pairs(ends(one), ends(other)) }
            }
            mends = cut(ways, at: moment)
        case .lose, .duplicate, .reorder: mends = disturb(fault, at: moment)
        case .slow: mends = slow(fault, at: moment)
        case .restart, .rollingRestart, .upgrade: break
        }
        return mends
    }

    private func order(_ node: NodeID, _ word: NodeOrder, _ value: UInt64) -> Action {
        .order(node, Packet(word: word.rawValue, x: value))
    }

    private func thousandths(_ fault: Topology.Fault) -> UInt64 {
        UInt64(min(max(fault.factor * 1000, 1), 0x1p62))
    }

    // MARK: Links

    private func pairs(_ ones: [NodeID], _ others: [NodeID]) -> [(NodeID, NodeID)] {
        ones.flatMap { one in others.filter { $0 != one }.map { (one, $0) } }
    }

    /// Both directions between members of different groups.
    private func apart(_ groups: [[String]]) -> [(NodeID, NodeID)] {
        var found: [(NodeID, NodeID)] = []
        for (index, group) in groups.enumerated() {
            for (other, far) in groups.enumerated() where other != index {
                for one in group {
                    for name in far { found += pairs(ends(one), ends(name)) }
                }
            }
        }
        return found
    }

    private mutating func cut(_ pairs: [(NodeID, NodeID)], at moment: Instant) -> [Action] {
        for (one, other) in pairs { world.plan(.cut(one, other), at: moment) }
        return pairs.map { .mend($0.0, $0.1) }
    }

    private mutating func disturb(_ fault: Topology.Fault, at moment: Instant) -> [Action] {
        var trouble = Trouble()
        switch fault.action {
        case .lose: trouble.loss = Share(fault.share)
        case .duplicate: trouble.duplication = Share(fault.share)
        default: trouble.reordering = Share(fault.share)
        }
        guard fault.between.count == 2 else { return [] }
        let hit = pairs(ends(fault.between[0]), ends(fault.between[1]))
        for (one, other) in hit { world.plan(.disturb(one, other, trouble), at: moment) }
        return hit.map { .disturb($0.0, $0.1, .none) }
    }

    /// A client loses all its connections; a node those of its clients, and keeps its peers.
    private mutating func drop(_ fault: Topology.Fault, _ hit: [NodeID], at moment: Instant) {
        guard fault.client == nil else {
            for node in hit { world.plan(.sever(carrier(of: node)), at: moment) }
            return
        }
        if fault.between.count == 2 {
            for (one, other) in pairs(ends(fault.between[0]), ends(fault.between[1])) {
                world.plan(.severBetween(one, other), at: moment)
            }
        }
        for node in hit {
            for client in clients.flatMap(\.carriers) {
                world.plan(.severBetween(node, client), at: moment)
            }
        }
    }

    /// Slows a client's work, a node's links, or one link; returns what makes it fast again.
    private mutating func slow(_ fault: Topology.Fault, at moment: Instant) -> [Action] {
        let factor = thousandths(fault)
        var mends: [Action] = []
        if fault.client != nil {
            for node in targets(fault) {
                let word = ClientOrder.slowWork.rawValue
                world.plan(.order(node, Packet(word: word, x: factor)), at: moment)
                mends.append(.order(node, Packet(word: word, x: 1000)))
            }
        } else if fault.between.count == 2 {
            for (one, other) in pairs(ends(fault.between[0]), ends(fault.between[1])) {
                world.plan(.slowBetween(one, other, factor: factor), at: moment)
                mends.append(.slowBetween(one, other, factor: 1000))
            }
        } else {
            for node in targets(fault) {
                world.plan(.slow(node, factor: factor), at: moment)
                mends.append(.slow(node, factor: 1000))
            }
        }
        return mends
    }

    /// The node whose links are those of a client's instance.
    private func carrier(of node: NodeID) -> NodeID {
        for client in clients {
            if let index = client.nodes.firstIndex(of: node) { return client.carriers[index] }
        }
        return node
    }

    // MARK: One node after another

    /// How long a node has, once it is started, before the next one goes.
    private static let gap = Interval.seconds(20)

    private mutating func roll(
        _ fault: Topology.Fault,
        _ number: Int,
        _ downtime: Interval,
        at moment: Instant
    ) {
        guard let broker = topology.brokers.first(where: { $0.name == fault.broker }) else {
            return
        }
        var time = moment
        for name in broker.nodes {
            guard let node = nodesByPath["\(broker.name)/\(name)"] else { continue }
            world.plan(.stop(node), at: time)
            if let version = fault.version {
                let symbol = world.intern(.text, version)
                world.plan(.configure(node, Packet(subject: symbol)), at: time)
            }
            world.plan(.start(node), at: time + downtime)
            time = time + downtime + Self.gap
        }
        world.plan(.mark(.faultEnded, UInt64(number)), at: time)
    }

    // MARK: Whom it hits

    func targets(_ fault: Topology.Fault) -> [NodeID] {
        if let path = fault.node { return nodesByPath[path].map { [$0] } ?? [] }
        if let queue = fault.leaderOf { return leader(of: queue).map { [$0] } ?? [] }
        let nodes = clients.first { $0.name == fault.client }?.nodes ?? []
        guard let instance = fault.instance else { return nodes }
        return instance <= nodes.count ? [nodes[instance - 1]] : []
    }

    /// The node that leads a queue now, or the node that it lives on.
    private func leader(of queue: String) -> NodeID? {
        for broker in topology.brokers {
            let model = models.first { $0.vocabulary.kind == broker.kind }
            let nodes = broker.nodes.compactMap { nodesByPath["\(broker.name)/\($0)"] }
            let name =
                queue.hasPrefix("\(broker.name)/")
                ? String(queue.dropFirst(broker.name.count + 1)) : queue
            if let leader = model?.leader(of: name, among: nodes, in: world) { return leader }
        }
        return nil
    }

    func ends(_ name: String) -> [NodeID] {
        Self.ends(name, nodesByPath, clients, topology)
    }
}
