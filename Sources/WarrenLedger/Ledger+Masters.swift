import WarrenTrace

/// Queues that several nodes hold for theirs.
extension Ledger {
    /// Takes in what is told of who leads a queue, or of a node.
    mutating func takeMasters(_ fact: Fact) {
        let parted = masters.sides
        masters.take(fact, depth: account(of: fact.subject).map { Int($0.depth) } ?? 0)
        guard !masters.sides.isEmpty || !parted.isEmpty else { return }
        if fact.kind == .mirrorPromoted {
            // Copies that came back to life with the second master are no more of one than there were.
            let before =
                masters.isFirstBack(fact) ? account(of: fact.subject)?.depthMax : mostBefore
            noteSides(of: fact.subject, before: before ?? 0)
        }
        // In any order: each is united by itself.
        for symbol in parted.keys where masters.sides[symbol] == nil {
            queues[Int(queueOf[Int(symbol.raw)])].unite()
        }
    }

    /// Notes the most that one of several masters has.
    ///
    /// `before`: the most that the queue held before it had several; only asked for at first.
    mutating func noteSides(of symbol: Symbol, before: UInt64 = 0) {
        guard let deepest = masters.deepest(symbol) else { return }
        let index = Int(queueOf[Int(symbol.raw)])
        queues[index].part(UInt64(max(deepest, 0)), before: before)
    }
}
