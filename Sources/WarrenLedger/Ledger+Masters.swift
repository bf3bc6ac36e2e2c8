import WarrenTrace

/// Queues that several nodes hold for theirs.
extension Ledger {
    /// Takes in what is told of who leads a queue, or of a node.
    mutating func takeMasters(_ fact: Fact) {
        let parted = masters.sides
        masters.take(fact, depth: account(of: fact.subject).map { Int($0.depth) } ?? 0)
        guard !masters.sides.isEmpty || !parted.isEmpty else { return }
        if fact.kind == .mirrorPromoted { noteSides(of: fact.subject) }
        // In any order: each is united by itself.
        for symbol in parted.keys where masters.sides[symbol] == nil {
            queues[Int(queueOf[Int(symbol.raw)])].unite()
        }
    }

    mutating func noteSides(of symbol: Symbol) {
        guard let deepest = masters.deepest(symbol) else { return }
        let index = Int(queueOf[Int(symbol.raw)])
        queues[index].part(UInt64(max(deepest, 0)), before: mostBefore)
    }
}
