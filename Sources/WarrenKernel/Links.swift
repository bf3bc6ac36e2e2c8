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
        @inline(__always)
        mutating func arrive(_ drawn: UInt64, outward: Bool) -> UInt64 {
            if outward {
                lastOut = max(drawn, lastOut)
                return lastOut
            }
            lastHome = max(drawn, lastHome)
            return lastHome
        }
    }

    var defaultLaw = Law.constant(.microseconds(50))
    private var laws: [Pair: Law] = [:]
    private(set) var rows: ContiguousArray<Link> = []
    private var index: [Pair: UInt32] = [:]
    private var factors: [NodeID: UInt64] = [:]

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

    /// The link from one node to another, made on first use.
    mutating func link(from: NodeID, to: NodeID, _ chance: inout Chance, label: String) -> UInt32 {
        let pair = Pair(from: from, to: to)
        if let row = index[pair] { return row }
        let row = UInt32(rows.count)
        let factor = max(factors[from] ?? 1000, factors[to] ?? 1000)
        rows.append(
            Link(law: laws[pair] ?? defaultLaw, stream: chance.stream(label), factor: factor)
        )
        index[pair] = row
        return row
    }

    /// The delay of a link whose law is constant; `UInt64.max` if it varies.
    func fixedDelay(_ row: UInt32) -> UInt64 {
        let link = rows[Int(row)]
        return link.law.kind == .constant ? UInt64(link.law.p) * link.factor / 1000 : .max
    }

    /// Looks again at which connections have a constant delay.
    private func refresh(_ connections: inout Rows<Connection>) {
        for index in 0..<connections.count {
            connections[index].fixedOut = fixedDelay(connections[index].outward)
            connections[index].fixedHome = fixedDelay(connections[index].homeward)
        }
    }

    /// The delay of the next packet on a link.
    @inline(__always)
    func delay(_ row: UInt32, _ chance: inout Chance) -> UInt64 {
        rows.withUnsafeBufferPointer { rows in
            let link = rows[Int(row)]
            let drawn = chance.sample(link.law, link.stream).nanoseconds
            return link.factor == 1000 ? drawn : drawn * link.factor / 1000
        }
    }

    /// Makes every link of a node slower by `factor` thousandths.
    mutating func slow(_ node: NodeID, factor: UInt64, _ connections: inout Rows<Connection>) {
        factors[node] = factor
        for number in 0..<connections.count {
            let connection = connections[number]
            guard connection.a == node || connection.b == node else { continue }
            rows[Int(connection.outward)].factor = factor
            rows[Int(connection.homeward)].factor = factor
        }
        refresh(&connections)
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
