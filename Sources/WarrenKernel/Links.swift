import WarrenTrace

/// The network: one link per direction of each pair of nodes that talk, and the connections on them.
///
/// A connection keeps the order of what is sent on it, as TCP does: a packet that draws a shorter delay
/// than its forerunner arrives right behind it.
struct Links: Sendable {
    /// One direction between two nodes.
    struct Link: Sendable {
        var law: Law
        var stream: StreamID
        /// Delay in thousandths of what the law says.
        var factor: UInt64 = 1000
        /// How many faults cut it; nothing passes while there is one.
        var cuts: UInt32 = 0
        /// What happens to packets below TCP.
        var trouble = Trouble.none
    }

    /// What cannot pass: sent, and not arrived until the link is mended.
    struct Stall: Sendable {
        /// When the first of it was sent.
        var since: UInt64
        var events: [Pending]
    }

    /// A connection as its two ends see it.
    ///
    /// End 0 opened it, end 1 accepted it.
    struct Connection: BitwiseCopyable, Sendable {
        var a: NodeID
        var b: NodeID
        var outward: UInt32
        var homeward: UInt32
        /// The latest arrival at end 1 and at end 0, so that order is kept.
        var lastOut: UInt64 = 0
        var lastHome: UInt64 = 0
        var openA = true
        var openB = false
        /// The delays, where they never vary; nearly all packets of a run take this way.
        var fixedOut = UInt64.max
        var fixedHome = UInt64.max
        /// Whether the handshake is done.
        var established = false

        /// Where a packet of `node` goes: to which end, and after which constant delay, if it has one;
        /// nil if the node's end is closed.
        @inline(__always)
        func way(of node: NodeID) -> (outward: Bool, end: UInt32, delay: UInt64)? {
            if a == node, openA { return (true, b.raw, fixedOut) }
            if b == node, openB { return (false, a.raw, fixedHome) }
            return nil
        }

        /// The moment at which a packet arrives that would do so at `drawn`, alone on the link.
        ///
        /// `apart`: how long after the one before it at the earliest; 0 but where chance orders what comes at one moment.
        @inline(__always)
        mutating func arrive(_ drawn: UInt64, outward: Bool, apart: UInt64) -> UInt64 {
            if outward {
                lastOut = max(drawn, lastOut &+ apart)
                return lastOut
            }
            lastHome = max(drawn, lastHome &+ apart)
            return lastHome
        }
    }

    var defaultLaw = Law.constant(.microseconds(50))
    private var laws: [Pair: Law] = [:]
    private(set) var rows: ContiguousArray<Link> = []
    private var index: [Pair: UInt32] = [:]
    private var factors: [NodeID: UInt64] = [:]
    private var cuts: [Pair: UInt32] = [:]
    private var troubles: [Pair: Trouble] = [:]
    /// Of nodes that live at another one's place, whose links they use: which that is.
    private var places: [NodeID: NodeID] = [:]
    /// By connection and direction.
    private(set) var stalls: [Way: Stall] = [:]

    /// One direction of a connection.
    struct Way: Hashable, Sendable, Comparable {
        var connection: UInt32
        var outward: Bool

        static func < (one: Way, other: Way) -> Bool {
            one.connection == other.connection
                ? one.outward && !other.outward : one.connection < other.connection
        }
    }

    struct Pair: Hashable, Sendable {
        var from: NodeID
        var to: NodeID
    }

    mutating func setLaw(
        _ law: Law,
        from: NodeID,
        to: NodeID,
        _ connections: inout Rows<Connection>
    ) {
        laws[Pair(from: from, to: to)] = law
        if let row = index[Pair(from: from, to: to)] {
            rows[Int(row)].law = law
            refresh(&connections)
        }
    }

    /// Where a node is: at its own place, or at that of another one.
    func place(of node: NodeID) -> NodeID { places.isEmpty ? node : places[node] ?? node }

    /// Whether two nodes live at one place, with no network between them.
    @inline(__always)
    func areTogether(_ one: NodeID, _ other: NodeID) -> Bool {
        !places.isEmpty && place(of: one) == place(of: other)
    }

    /// A node lives at the place of another one from now on, and uses its links.
    ///
    /// Between the two there is no network: `law` is how long a word takes there.
    mutating func lodge(_ node: NodeID, at host: NodeID, _ law: Law) {
        assert(place(of: host) == host, "a node lodges with a lodger")
        places[node] = host
        laws[Pair(from: host, to: host)] = law
    }

    /// The link between the places of two nodes, in one direction, made on first use.
    mutating func link(from: NodeID, to: NodeID, _ chance: inout Chance, label: String) -> UInt32 {
        let pair = Pair(from: place(of: from), to: place(of: to))
        if let row = index[pair] { return row }
        let row = UInt32(rows.count)
        let factor = max(factors[from] ?? 1000, factors[to] ?? 1000)
        rows.append(
            Link(
                law: laws[pair] ?? defaultLaw,
                stream: chance.stream(label),
                factor: factor,
                cuts: cuts[pair] ?? 0,
                trouble: troubles[pair] ?? .none
            )
        )
        index[pair] = row
        return row
    }

    /// The delay of a link whose law is constant; `UInt64.max` if it varies.
    func fixedDelay(_ row: UInt32) -> UInt64 {
        let link = rows[Int(row)]
        guard link.law.kind == .constant, link.cuts == 0, link.trouble.isNone else { return .max }
        return Interval(clamping: link.law.p).times(thousandths: link.factor).nanoseconds
    }

    func isCut(_ row: UInt32) -> Bool { rows[Int(row)].cuts > 0 }

    /// What must hold between turns.
    func checkInvariants() {
        precondition(index.count == rows.count, "a link is not found under its ends")
        precondition(
            rows.allSatisfy { $0.factor >= 1 },
            "a link is faster than no time at all"
        )
        precondition(
            stalls.values.allSatisfy { !$0.events.isEmpty },
            "nothing is held where something cannot pass"
        )
    }

    /// Looks again at which connections have a constant delay.
    private func refresh(_ connections: inout Rows<Connection>) {
        for index in 0..<connections.count {
            connections[index].fixedOut = fixedDelay(connections[index].outward)
            connections[index].fixedHome = fixedDelay(connections[index].homeward)
        }
    }

    /// The delay of the next packet on a link; nil if it does not arrive, however often it is sent.
    @inline(__always)
    func delay(_ row: UInt32, _ chance: inout Chance) -> UInt64? {
        rows.withUnsafeBufferPointer { rows in
            let link = rows[Int(row)]
            let drawn = chance.sample(link.law, link.stream).nanoseconds
            let plain =
                link.factor == 1000
                ? drawn
                : Interval(nanoseconds: drawn).times(thousandths: link.factor).nanoseconds
            if link.trouble.isNone { return plain }
            return link.trouble.delay(plain, link.stream, &chance).map { plain.addingClamped($0) }
        }
    }

    /// Makes every link of a node slower by `factor` thousandths.
    mutating func slow(_ node: NodeID, factor: UInt64, _ connections: inout Rows<Connection>) {
        assert(factor > 0, "a network that takes no time")
        factors[node] = factor
        for number in 0..<connections.count {
            let connection = connections[number]
            let (one, other) = (place(of: connection.a), place(of: connection.b))
            guard one != other, one == node || other == node else { continue }
            rows[Int(connection.outward)].factor = factor
            rows[Int(connection.homeward)].factor = factor
        }
        refresh(&connections)
    }

    // MARK: Cuts

    /// Cuts the way from one node to the other, or mends one cut of it.
    ///
    /// - Returns: whether the way was open before and is cut now, or the other way round.
    mutating func cut(
        from: NodeID,
        to: NodeID,
        _ isCut: Bool,
        _ connections: inout Rows<Connection>
    ) -> Bool {
        assert(from != to, "a link from a node to itself")
        let pair = Pair(from: from, to: to)
        let before = cuts[pair] ?? 0
        let after = isCut ? before + 1 : before > 0 ? before - 1 : 0
        cuts[pair] = after
        if let row = index[pair] {
            rows[Int(row)].cuts = after
            refresh(&connections)
        }
        return (before == 0) != (after == 0)
    }

    /// Sets what happens to packets between two nodes, both ways.
    mutating func disturb(
        _ one: NodeID,
        _ other: NodeID,
        _ trouble: Trouble,
        _ connections: inout Rows<Connection>
    ) {
        assert(one != other, "a link from a node to itself")
        for pair in [Pair(from: one, to: other), Pair(from: other, to: one)] {
            troubles[pair] = trouble
            if let row = index[pair] { rows[Int(row)].trouble = trouble }
        }
        refresh(&connections)
    }

    /// Keeps what cannot pass.
    ///
    /// - Returns: whether it is the first on its way.
    mutating func hold(_ event: Pending, _ way: Way, _ now: UInt64) -> Bool {
        if stalls[way] != nil {
            stalls[way]?.events.append(event)
            return false
        }
        stalls[way] = Stall(since: now, events: [event])
        return true
    }

    /// Puts back what could not pass this time either; it waits as long as before.
    mutating func keep(_ stall: Stall, on way: Way) {
        assert(stalls[way] == nil, "something else waits on the way")
        stalls[way] = stall
    }

    /// Takes what could not pass on one way.
    mutating func release(_ way: Way) -> Stall? { stalls.removeValue(forKey: way) }

    /// The ways over the link from one node to another on which something waits, in order.
    func waysHeld(from: NodeID, to: NodeID, _ connections: borrowing Rows<Connection>) -> [Way] {
        guard let row = index[Pair(from: from, to: to)] else { return [] }
        return stalls.keys.sorted().filter {
            let connection = connections[Int($0.connection)]
            return ($0.outward ? connection.outward : connection.homeward) == row
        }
    }

    /// Makes the links between two nodes slower by `factor` thousandths.
    mutating func slow(
        between one: NodeID,
        and other: NodeID,
        factor: UInt64,
        _ connections: inout Rows<Connection>
    ) {
        for pair in [Pair(from: one, to: other), Pair(from: other, to: one)] {
            if let row = index[pair] { rows[Int(row)].factor = factor }
        }
        refresh(&connections)
    }
}
