public import WarrenTrace

/// Which of the things that a node has before it at one moment goes first: said from outside, where there is a choice.
struct Choices: Sendable {
    /// The choices that are made, in the order in which they come up; each counts from 0.
    var made: [Int] = []
    /// How many of them were used.
    var used = 0
    /// Whether the world stands still where the next one is not made; it goes on in order otherwise.
    var asks = false
    /// Among how many the next one is, if the world stands still for it.
    var open: Int?
}

extension World {
    /// Says which of the things that a node has before it at the same moment goes first, where there are several.
    ///
    /// What came over one connection keeps its order, and so do different nodes: what one does at a moment reaches another
    /// only later, where links take time.
    ///
    /// - Parameters:
    ///   - choices: the choices in the order in which they come up, each from 0; those that are too large are the last.
    ///   - asks: whether ``run(until:facts:events:)`` comes back with ``Stop/choice`` when they are used up; it goes on in
    ///     order otherwise.
    public mutating func choose(_ choices: [Int], asks: Bool = false) {
        turn.own()
        turn.agenda.pointee.laneDelay = Agenda.noLane
        self.choices = Choices(made: choices, asks: asks)
    }

    /// Among how many things the world waits for a choice, if it does.
    public var openChoice: Int? { choices?.open }

    /// The choices that were made so far.
    public var choicesMade: [Int] { choices?.made ?? [] }

    /// Makes the choice that the world waits for.
    public mutating func choose(next choice: Int) {
        choices?.made.append(choice)
        choices?.open = nil
    }

    /// When the next thing happens, and to whom; nil if nothing is left to happen.
    public mutating func next() -> (moment: Instant, node: NodeID)? {
        turn.own()
        guard turn.agenda.pointee.live > 0 || isWaiting,
            let time = turn.agenda.pointee.pending.nextTime
        else { return nil }
        let line = turn.agenda.pointee.pending.stamps(at: time)
        let stamp = line.first { !isStale($0) } ?? line[0]
        let node = turn.agenda.pointee.slab.rows[PendingSet.slot(of: stamp)].node
        return (Instant(nanoseconds: time), NodeID(node))
    }

    /// ``run(until:facts:events:)`` where choices are made.
    mutating func runChoosing(
        until end: Instant,
        facts factLimit: Int,
        events eventLimit: UInt64
    ) -> Stop {
        var handled: UInt64 = 0
        while true {
            if turn.agenda.pointee.facts.count >= factLimit { return .facts }
            if handled >= eventLimit { return .events }
            guard turn.agenda.pointee.live > 0 || isWaiting,
                let time = turn.agenda.pointee.pending.nextTime
            else {
                return .idle
            }
            guard time <= end.nanoseconds else { return .time }
            guard let stamp = chosen(at: time) else { return .choice }
            turn.agenda.pointee.pending.remove(stamp)
            if dispatch(stamp, at: time) { handled &+= 1 }
        }
    }

    /// The event that goes first at a moment; nil if nobody has chosen yet.
    private mutating func chosen(at time: UInt64) -> UInt64? {
        let line = turn.agenda.pointee.pending.stamps(at: time)
        let rows = line.map { turn.agenda.pointee.slab.rows[PendingSet.slot(of: $0)] }
        // The operator goes first, and what has gone stale happens to nobody.
        if let action = rows.firstIndex(where: { $0.kind == .action }) { return line[action] }
        if let stale = line.first(where: isStale) { return stale }
        var before: Set<UInt32> = []
        var candidates: [UInt64] = []
        for (stamp, row) in zip(line, rows) where row.node == rows[0].node {
            switch row.kind {
            case .packet, .accepted, .connected, .closed, .givenUp:
                if before.insert(row.subject).inserted { candidates.append(stamp) }
            case .timer, .stored, .action, .start:
                candidates.append(stamp)
            }
        }
        guard candidates.count > 1, var choices else { return line[0] }
        if choices.used == choices.made.count {
            guard choices.asks else { return line[0] }
            choices.open = candidates.count
            self.choices = choices
            return nil
        }
        let choice = min(choices.made[choices.used], candidates.count - 1)
        choices.used += 1
        self.choices = choices
        return candidates[choice]
    }

    /// Whether an event will happen to nobody: a timer that was moved, or a packet for an end that is closed.
    func isStale(_ stamp: UInt64) -> Bool {
        let row = turn.agenda.pointee.slab.rows[PendingSet.slot(of: stamp)]
        switch row.kind {
        case .timer: return row.stamp != stamp || !row.armed
        case .packet:
            let connection = turn.agenda.pointee.connections[Int(row.subject)]
            return row.variant == 0 ? !connection.openB : !connection.openA
        default: return false
        }
    }
}

extension PendingSet {
    /// The stamps of all events that are due at a moment, in order.
    func stamps(at time: UInt64) -> [UInt64] {
        var found: [UInt64] = []
        for index in 0..<keys.count where keys[index].time == time {
            found.append(keys[index].order)
        }
        for index in 0..<lane.count where lane[index].time == time {
            found.append(lane[index].order)
        }
        return found.sorted()
    }

    /// Visits the moment and the stamp of every pending event, in no useful order.
    func forEachKey(_ body: (UInt64, UInt64) -> Void) {
        for index in 0..<keys.count { body(keys[index].time, keys[index].order) }
        for index in 0..<lane.count { body(lane[index].time, lane[index].order) }
    }

    /// Takes out an event; the set has no lane.
    mutating func remove(_ stamp: UInt64) {
        precondition(!hole && lane.count == 0, "an event is taken out of a heap without a hole")
        guard let place = (0..<keys.count).first(where: { keys[$0].order == stamp }) else { return }
        let last = keys.removeLast()
        guard place < keys.count else { return }
        // A search of a small world: the heap is made anew.
        var rest: [Key] = [last]
        for index in 0..<keys.count where index != place { rest.append(keys[index]) }
        keys.removeAll()
        for key in rest { rise(key) }
    }
}
