/// Who leads each queue, as facts tell it, and which queues have several masters, each with messages of its own.
///
/// A mirror that becomes master while the one before is up parts a queue: what each of the two has is counted by itself from then on.
/// A master that is down or yields leaves what it had to the mirror of its side that is promoted, or it lies there until it is
/// dropped; then the queue has one master again.
public struct Masters: Sendable {
    /// A master of several, and what it has ready; whether it has gone, so that nobody serves that.
    public typealias Side = (node: UInt32, depth: Int, isGone: Bool)

    /// Nodes that are down.
    public private(set) var down: Set<UInt32> = []
    /// Who leads what: the symbol of the queue and the node.
    public private(set) var leaders: [Symbol: UInt32] = [:]
    /// Where each queue was declared that a mirror of was promoted.
    public private(set) var promoted: [Symbol: UInt32] = [:]
    /// The masters of each queue that has several, in the order in which they came to be.
    public private(set) var sides: [Symbol: [Side]] = [:]
    private var homes: [Symbol: UInt32] = [:]
    /// The copies that came back to life last, at one node and in one event.
    private var back = (event: UInt64(0), symbol: Symbol.none, node: UInt32(0), count: 0)

    /// Nobody yet.
    public init() {}

    /// Whether a copy that comes back to life is the first of its node and event.
    public func isFirstBack(_ fact: Fact) -> Bool {
        back.event != fact.event || back.symbol != fact.subject || back.node != fact.node.raw
    }

    /// Takes in a fact about a queue or a node.
    ///
    /// `depth`: what is ready in the queue that it is about, when it has happened.
    public mutating func take(_ fact: Fact, depth: Int) {
        switch fact.kind {
        case .messageRecovered where fact.variant == 1:
            if isFirstBack(fact) { back = (fact.event, fact.subject, fact.node.raw, 0) }
            back.count += 1
        case .queueDeclared: homes[fact.subject] = homes[fact.subject] ?? fact.node.raw
        case .nodeStarted: down.remove(fact.node.raw)
        case .nodeCrashed, .nodeStopped:
            down.insert(fact.node.raw)
            endSides(of: fact.node.raw)
        case .nodeYielded: endSides(of: fact.node.raw)
        case .leaderElected: leaders[fact.subject] = fact.node.raw
        case .mirrorPromoted: promote(fact, depth)
        default: break
        }
    }

    /// A mirror becomes master: if the one before is up, each side has messages of its own from now on.
    private mutating func promote(_ fact: Fact, _ depth: Int) {
        let (symbol, node) = (fact.subject, fact.node.raw)
        promoted[symbol] = homes[symbol]
        succeed(symbol, node)
        if let before = leaders[symbol] ?? homes[symbol], before != node, !down.contains(before),
            sides[symbol] == nil
        {
            // Its own copies came back to life just before, in the same event.
            let own = isFirstBack(fact) ? 0 : back.count
            sides[symbol] = [(before, depth - own, false), (node, own, false)]
        }
        leaders[symbol] = node
    }

    /// What a master that has gone had is a new master's, if it is the one that led last, or no other one has gone.
    private mutating func succeed(_ symbol: Symbol, _ node: UInt32) {
        guard var found = sides[symbol] else { return }
        let gone = found.indices.filter { found[$0].isGone }
        guard let place = gone.first(where: { found[$0].node == leaders[symbol] }) ?? gone.first
        else { return }
        found[place].node = node
        found[place].isGone = false
        // What came back to life with it was counted before it was master.
        if let other = found.indices.first(where: { $0 != place && found[$0].node == node }) {
            found[place].depth += found[other].depth
            found.remove(at: other)
        }
        sides[symbol] = found
    }

    /// Nobody serves what a node had; if it led last, another master does.
    private mutating func endSides(of node: UInt32) {
        // In any order: each is changed by itself.
        for (symbol, var found) in sides {
            for place in found.indices where found[place].node == node {
                found[place].isGone = true
            }
            if leaders[symbol] == node, let other = found.first(where: { !$0.isGone }) {
                leaders[symbol] = other.node
            }
            keep(found, of: symbol)
        }
    }

    /// Sides that have gone and have nothing are none.
    private mutating func keep(_ found: [Side], of symbol: Symbol) {
        let left = found.filter { !$0.isGone || $0.depth > 0 }
        sides[symbol] = left.count < 2 ? nil : left
    }

    /// A queue that has several masters has more or less ready at one of them.
    public mutating func change(_ symbol: Symbol, at node: UInt32, by change: Int) {
        guard var found = sides[symbol], change != 0 else { return }
        if let place = found.firstIndex(where: { $0.node == node }) {
            found[place].depth += change
        } else {
            found.append((node, change, false))
        }
        keep(found, of: symbol)
    }

    /// The most that one master of a queue has ready; nil if it has no two.
    public func deepest(_ symbol: Symbol) -> Int? { sides[symbol]?.map(\.depth).max() }
}
