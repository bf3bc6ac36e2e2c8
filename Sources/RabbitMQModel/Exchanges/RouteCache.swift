import WarrenTrace

/// The queues that a key reaches from an exchange, remembered once per distinct key.
///
/// Any change of a queue, an exchange or a binding forgets them all: declarations are rare beside
/// publications.
struct RouteCache: Sendable {
    /// A stretch of ``targets``; -1 if not known yet.
    struct Span: BitwiseCopyable, Sendable {
        var first: Int32 = -1
        var count: Int32 = 0
        /// Whether all of them are plain queues.
        var isPlain = false
    }

    /// How often what it knew was forgotten: as often as an exchange, a binding or a policy changed.
    private(set) var changes: UInt64 = 0
    private(set) var targets: ContiguousArray<QueueIndex> = []
    /// By exchange, then by key.
    private var spans: ContiguousArray<ContiguousArray<Span>> = []
    /// By exchange: whether the way from it depends on headers, once somebody asked.
    private var headers: [ExchangeIndex: Bool] = [:]
    private var lentAt: Int32 = 0
    private var lent = 0

    mutating func forget() {
        changes &+= 1
        targets.removeAll(keepingCapacity: true)
        spans.removeAll(keepingCapacity: true)
        headers.removeAll(keepingCapacity: true)
        lent = 0
    }

    /// Whether the way from an exchange depends on headers; `look` is asked once.
    mutating func dependsOnHeaders(_ exchange: ExchangeIndex, _ look: () -> Bool) -> Bool {
        if let known = headers[exchange] { return known }
        let answer = look()
        headers[exchange] = answer
        return answer
    }

    @inline(__always)
    func find(_ exchange: ExchangeIndex, _ key: Symbol) -> Span? {
        guard exchange.place < spans.count, Int(key.raw) < spans[exchange.place].count else {
            return nil
        }
        let span = spans[exchange.place][Int(key.raw)]
        return span.first < 0 ? nil : span
    }

    /// Lends a place for an answer that holds for one message only; the next one overwrites it.
    mutating func lend(_ queues: [QueueIndex]) -> Span {
        assert(Set(queues).count == queues.count, "a route reaches a queue twice")
        if lent > 0, Int(lentAt) + lent == targets.count { targets.removeLast(lent) }
        lentAt = Int32(targets.count)
        lent = queues.count
        targets.append(contentsOf: queues)
        return Span(first: lentAt, count: Int32(lent))
    }

    mutating func keep(
        _ queues: [QueueIndex],
        _ exchange: ExchangeIndex,
        _ key: Symbol,
        isPlain: Bool
    ) -> Span {
        assert(exchange != .none, "a route from no exchange")
        while spans.count <= exchange.place { spans.append([]) }
        let missing = Int(key.raw) + 1 - spans[exchange.place].count
        if missing > 0 {
            spans[exchange.place].append(contentsOf: repeatElement(Span(), count: missing))
        }
        let span = Span(
            first: Int32(targets.count),
            count: Int32(queues.count),
            isPlain: isPlain
        )
        targets.append(contentsOf: queues)
        spans[exchange.place][Int(key.raw)] = span
        return span
    }
}
