public import WarrenBroker
import WarrenKernel
public import WarrenTrace

/// A run that is stepped through, in both directions: each step is one event that facts tell of, or several of one moment.
///
/// Back means back: a run is a value, and copies of it are kept on the way; from the last one before a step the run is lived
/// again, with everything that was done to it by hand, which gives the same run to the bit. Whatever is done at a step then
/// begins another future, and the one that was there before is forgotten.
public struct Playback {
    /// Something that is done to the run by hand.
    public enum Intervention: Sendable, Hashable {
        /// A node or client dies.
        case kill(NodeID)
        /// A node or client that is down starts.
        case start(NodeID)
        /// A node or client hangs, or goes on.
        case freeze(NodeID)
        case thaw(NodeID)
        /// All chance from here on is another one.
        case reseed(UInt64)

        /// What tells that it is done.
        fileprivate var fact: (NodeID, FactKind)? {
            switch self {
            case .kill(let node): (node, .nodeCrashed)
            case .start(let node): (node, .nodeStarted)
            case .freeze(let node): (node, .nodeFrozen)
            case .thaw(let node): (node, .nodeThawed)
            case .reseed: nil
            }
        }
    }

    /// The run at a step.
    private struct Point {
        var step: Int
        var run: Simulation
        /// How many facts were there.
        var facts: Int
        /// By node: messages that it published, and pieces of work that it finished.
        var published: [UInt64]
        var handled: [UInt64]
        var frozen: Set<UInt32> = []
        var isOver = false
        /// Where the facts of the last step begin.
        var began = 0
    }

    private var now: Point
    private var points: [Point]
    private var interventions: [(step: Int, intervention: Intervention)] = []
    private var told: [Fact] = []
    private var spacing = 32
    private var futures: UInt64 = 0
    /// How many copies of the run are kept at most.
    private let most: Int

    /// A run from its beginning on.
    ///
    /// `copies`: how many copies of it are kept at most; with fewer, back takes longer.
    public init(_ run: Simulation, copies: Int = 128) {
        precondition(copies >= 2, "back needs a copy to begin from, and one to go on with")
        let nothing = [UInt64](repeating: 0, count: run.world.nodeCount)
        now = Point(step: 0, run: run, facts: 0, published: nothing, handled: nothing)
        points = [now]
        most = copies
    }

    /// The run as it stands.
    public var run: Simulation { now.run }
    /// How many steps it has gone.
    public var step: Int { now.step }
    /// What happened until now, in its order.
    public var facts: ArraySlice<Fact> { told[..<now.facts] }
    /// Whether nothing is left to happen.
    public var isOver: Bool { now.isOver }
    /// What was done by hand until now.
    public var done: [(step: Int, intervention: Intervention)] {
        interventions.filter { $0.step < now.step }
    }

    /// Messages that a node published until now.
    public func published(by node: NodeID) -> UInt64 { now.published[Int(node.raw)] }
    /// Pieces of work that a node finished until now.
    public func handled(by node: NodeID) -> UInt64 { now.handled[Int(node.raw)] }
    /// Whether a node hangs.
    public func isFrozen(_ node: NodeID) -> Bool { now.frozen.contains(node.raw) }

    // MARK: Going on

    /// Goes one step further; nothing happens if the run is over.
    ///
    /// - Returns: the facts of the step.
    @discardableResult
    public mutating func forward() -> ArraySlice<Fact> {
        guard !isOver else { return [] }
        var awaited: [(NodeID, FactKind)] = []
        for (step, intervention) in interventions where step == now.step {
            perform(intervention)
            if let fact = intervention.fact { awaited.append(fact) }
        }
        let before = now.facts
        let moment = now.run.world.now
        // What comes again is the same: the facts that are known are written over.
        told.removeSubrange(before...)
        // A step has something to tell; a run in which nothing but clocks tick is left after so many events.
        var quiet = 0
        var seen = before
        while told.count == before || !awaited.isEmpty, quiet < 1000 {
            now.isOver = now.run.advance(facts: 1, events: 256) { told += $0 } != .running
            quiet += 1
            // What was done by hand is part of the step: other things may happen in the same moment first.
            for fact in told[seen...] {
                awaited.removeAll { $0.0 == fact.node && $0.1 == fact.kind }
            }
            seen = told.count
            if now.isOver || now.run.world.now > moment { awaited = [] }
            if now.isOver { break }
        }
        note(told[before...])
        now.began = before
        now.facts = told.count
        now.step += 1
        if now.step % spacing == 0, points.last.map({ $0.step < now.step }) ?? true { keep() }
        return told[before...]
    }

    private mutating func note(_ facts: ArraySlice<Fact>) {
        for fact in facts where Int(fact.node.raw) < now.published.count {
            switch fact.kind {
            case .messagePublished: now.published[Int(fact.node.raw)] += 1
            case .messageHandled: now.handled[Int(fact.node.raw)] += 1
            case .nodeFrozen: now.frozen.insert(fact.node.raw)
            case .nodeThawed, .nodeCrashed: now.frozen.remove(fact.node.raw)
            default: break
            }
        }
    }

    /// Keeps a copy; of too many every second one goes.
    private mutating func keep() {
        points.append(now)
        guard points.count > most else { return }
        spacing *= 2
        points.removeAll { $0.step % spacing != 0 }
    }

    /// Goes on until something is told that `isIt` takes, or the run is over, or `most` steps were gone.
    ///
    /// - Returns: whether it was found.
    @discardableResult
    public mutating func forward(most: Int, to isIt: (Fact) -> Bool) -> Bool {
        for _ in 0..<most where !isOver {
            if forward().contains(where: isIt) { return true }
        }
        return false
    }

    // MARK: Going back

    /// Goes to a step that was there already, or as far as the run goes.
    public mutating func go(to step: Int) {
        let step = max(0, step)
        if step < now.step, let point = points.last(where: { $0.step <= step }) { now = point }
        while now.step < step, !isOver { forward() }
    }

    /// Goes back to the last step before this one that told of something that `isIt` takes, or to the beginning.
    public mutating func back(to isIt: (Fact) -> Bool) {
        guard let place = told[..<now.facts].dropLast(lastStep.count).lastIndex(where: isIt) else {
            return go(to: 0)
        }
        // The steps from the last copy before it are gone once more, to the one that tells it.
        let end = now.step
        now = points.last { $0.facts <= place } ?? points[0]
        while now.facts <= place, now.step < end { forward() }
    }

    /// What the last step told.
    public var lastStep: ArraySlice<Fact> { told[now.began..<now.facts] }

    // MARK: Another future

    /// Does something to the run at this step, and goes one step further.
    ///
    /// What was to come until now is forgotten.
    public mutating func act(_ intervention: Intervention) {
        guard !isOver else { return }
        interventions.removeAll { $0.step >= now.step }
        points.removeAll { $0.step > now.step }
        told.removeSubrange(now.facts...)
        interventions.append((now.step, intervention))
        forward()
    }

    /// Lets all chance be another one from here on; each time another.
    public mutating func reseed() {
        futures += 1
        act(.reseed(now.run.seed &+ futures &* 0x9E37_79B9_7F4A_7C15))
    }

    private mutating func perform(_ intervention: Intervention) {
        switch intervention {
        case .kill(let node): now.run.plan(.crash(node))
        case .start(let node): now.run.plan(.start(node))
        case .freeze(let node): now.run.plan(.freeze(node))
        case .thaw(let node): now.run.plan(.thaw(node))
        case .reseed(let seed): now.run.world.withChance { $0.reseed(seed) }
        }
    }
}
