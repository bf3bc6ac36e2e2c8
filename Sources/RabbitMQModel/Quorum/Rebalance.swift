import WarrenKernel
import WarrenTrace

/// Which leader goes where, so that no node has many more than another.
///
/// - Source: `rabbit_amqqueue:iterative_rebalance`, `maybe_migrate` of 3.10.8.
struct Rebalance: Sendable {
    /// A queue: how much its log holds, and whether it has been looked at.
    struct Entry: Sendable {
        var length: Int
        var queue: Symbol
        var replicas: [PeerIndex]
        var isDone = false
    }

    /// By name of the node, those with nothing left out; the next to go first.
    private var nodes: [(node: PeerIndex, entries: [Entry])]
    private let most: Int

    /// `nodes` by their names, with the queues that they lead; `running` of them serve.
    init(_ nodes: [(node: PeerIndex, entries: [Entry])], running: Int) {
        self.nodes = nodes.map { place in
            let entries = place.entries.enumerated().sorted {
                ($0.element.length, $0.offset) < ($1.element.length, $1.offset)
            }
            return (place.node, entries.map(\.element))
        }
        let count = nodes.reduce(0) { $0 + $1.entries.count }
        most = count / max(running, 1) + (count % max(running, 1) == 0 ? 0 : 1)
    }

    /// The next queue whose leader is to go, and where to; nil if all is done.
    ///
    /// A replica whose node is down is as good as any: it leads nothing.
    mutating func next() -> (queue: Symbol, to: PeerIndex)? {
        for place in nodes.indices {
            while let first = nodes[place].entries.first, !first.isDone,
                nodes[place].entries.count > most
            {
                let node = nodes[place].node
                let goals = first.replicas.filter { $0 != node }
                guard let goal = goals.enumerated().min(by: { isBefore($0, $1) })?.element else {
                    turnOver(place)
                    continue
                }
                return (first.queue, goal)
            }
        }
        return nil
    }

    private func isBefore(
        _ one: (offset: Int, element: PeerIndex),
        _ other: (offset: Int, element: PeerIndex)
    ) -> Bool { (load(one.element), one.offset) < (load(other.element), other.offset) }

    private func load(_ node: PeerIndex) -> Int {
        nodes.first { $0.node == node }?.entries.count ?? 0
    }

    /// The queue that was to go has gone to `goal`, or stays if that is nil.
    mutating func note(_ queue: Symbol, wentTo goal: PeerIndex?) {
        guard let place = nodes.firstIndex(where: { $0.entries.first?.queue == queue }) else {
            return
        }
        guard let goal else { return turnOver(place) }
        var moved = nodes[place].entries.removeFirst()
        moved.isDone = true
        if let target = nodes.firstIndex(where: { $0.node == goal }) {
            nodes[target].entries.append(moved)
        } else {
            nodes.append((goal, [moved]))
        }
    }

    private mutating func turnOver(_ place: Int) {
        var first = nodes[place].entries.removeFirst()
        first.isDone = true
        nodes[place].entries.append(first)
    }

    /// How many each node leads now.
    var counts: [(node: PeerIndex, count: Int)] {
        nodes.map { ($0.node, $0.entries.count) }.filter { $0.count > 0 }
    }
}
