import WarrenLedger
import WarrenTrace

/// What each of several masters of a queue has ready, fact by fact, while a queue has several.
///
/// The copies of a second master come back to life just before it is promoted, in the same event: only the promotion says that
/// they are its own.
struct SideDepths {
    /// What a master has ready after a fact; without a node: what the one has that is left.
    struct Row {
        /// The place of the fact among all of the run, from 0.
        var place: Int
        var queue: Symbol
        var node: UInt32?
        var depth: Int
    }

    /// What is new since it was asked for last.
    private var rows: [Row] = []
    /// The places of the copies that came back to life last, in one event, and the queue's slice before them.
    private var back: [Int] = []
    private var before: Slice?

    /// What is new.
    mutating func takeRows() -> [Row] {
        defer { rows = [] }
        return rows
    }

    /// A copy comes back to life, maybe at a second master; `slice` is that of its queue before.
    mutating func recover(_ place: Int, isFirst: Bool, slice: @autoclosure () -> Slice?) {
        if isFirst {
            back = []
            before = slice()
        }
        back.append(place)
    }

    /// A queue that has several masters has changed at one of them.
    mutating func change(_ fact: Fact, _ place: Int, _ masters: Masters) {
        // A side that has gone has nothing after its last copy.
        let side = masters.sides[fact.subject]?.first { $0.node == fact.node.raw }
        let (node, depth) = (fact.node.raw, side?.depth ?? 0)
        rows.append(Row(place: place, queue: fact.subject, node: node, depth: depth))
    }

    /// A queue is parted by the promotion of a mirror, or one of its sides has another master.
    ///
    /// - Returns: its slice as it was before the copies of the second master came back, if any did.
    mutating func part(_ fact: Fact, _ place: Int, _ masters: Masters, isNew: Bool) -> Slice? {
        for side in masters.sides[fact.subject] ?? [] {
            rows.append(Row(place: place, queue: fact.subject, node: side.node, depth: side.depth))
        }
        guard isNew, !masters.isFirstBack(fact) else { return nil }
        for (count, place) in back.enumerated() {
            let node = fact.node.raw
            rows.append(Row(place: place, queue: fact.subject, node: node, depth: count + 1))
        }
        return before
    }

    /// A queue has one master again, with so many ready.
    mutating func unite(_ queue: Symbol, _ place: Int, depth: UInt64) {
        rows.append(Row(place: place, queue: queue, depth: Int(clamping: depth)))
    }
}
