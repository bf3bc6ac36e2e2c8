public import WarrenTrace

/// The world outside the run: where effects land that no crash takes back, such as a database.
///
/// It is asked and told within a turn, so looking and writing are one step.
/// - Differs: a real store of processed ids can itself be slow, or fail between looking and writing.
public struct Outside: Sendable {
    private var applied: Set<UInt64> = []
    /// The messages whose work fails each time, and those that were found to be good.
    public var poison: [MessageID: Bool] = [:]
    private var witnessed: ContiguousArray<Witness> = []

    private var left: [(subject: Symbol, node: NodeID, holdings: [Holding])] = []

    /// One of the things that a node held when it went down.
    public struct Holding: BitwiseCopyable, Sendable {
        /// Its place in the replicated thing.
        public var number: UInt64
        /// The message.
        public var message: MessageID
        /// Whether a consumer had it.
        public var isHeld: Bool

        /// A holding.
        public init(number: UInt64, message: MessageID, isHeld: Bool) {
            self.number = number
            self.message = message
            self.isHeld = isHeld
        }
    }

    /// Notes what a node that goes down held of a thing that others keep copies of.
    ///
    /// It counts as held until somebody takes it over: what the taker lacks is lost only then.
    public mutating func leave(_ subject: Symbol, by node: NodeID, _ holdings: [Holding]) {
        left.removeAll { $0.subject == subject && $0.node == node }
        left.append((subject, node, holdings))
    }

    /// What a node left behind of a thing, which is the taker's from now on.
    public mutating func takeOver(_ subject: Symbol, from node: NodeID) -> [Holding] {
        guard let index = left.firstIndex(where: { $0.subject == subject && $0.node == node })
        else { return [] }
        return left.remove(at: index).holdings
    }

    /// Adds what was left behind, and what nobody has taken over.
    func inventory(_ report: inout Inventory) {
        for one in left {
            let held = UInt64(one.holdings.count { $0.isHeld })
            let all = UInt64(one.holdings.count)
            report.add(queue: one.subject, ready: all - held, unacked: held)
        }
    }

    /// How far the history of a replicated thing is known to those who watch the run.
    public struct Witness: Sendable, Hashable {
        /// The term and the index of the last entry that took effect anywhere.
        public var term: UInt64 = 0
        /// The index.
        public var index: UInt64 = 0
        /// What the thing held then.
        public var ready: UInt64 = 0
        /// What its consumers held then.
        public var unacked: UInt64 = 0
    }

    /// Says that an entry of a replicated history took effect on some node.
    ///
    /// Each entry takes effect on every replica; what happens is told, and done, the first time.
    ///
    /// - Returns: whether it is the first time.
    public mutating func isNews(of subject: Symbol, term: UInt64, index: UInt64) -> Bool {
        let row = Int(subject.raw)
        while witnessed.count <= row { witnessed.append(Witness()) }
        let known = witnessed[row]
        guard term > known.term || term == known.term && index > known.index else { return false }
        witnessed[row].term = term
        witnessed[row].index = index
        return true
    }

    /// Notes what a replicated thing holds after its last entry.
    public mutating func note(_ subject: Symbol, ready: UInt64, unacked: UInt64) {
        let row = Int(subject.raw)
        while witnessed.count <= row { witnessed.append(Witness()) }
        witnessed[row].ready = ready
        witnessed[row].unacked = unacked
    }

    /// How far a history is known.
    public func witness(of subject: Symbol) -> Witness {
        Int(subject.raw) < witnessed.count ? witnessed[Int(subject.raw)] : Witness()
    }

    /// Applies an effect once per key.
    ///
    /// - Returns: whether it is the first time.
    public mutating func applyOnce(_ effect: Symbol, key: UInt32) -> Bool {
        applied.insert(UInt64(effect.raw) << 32 | UInt64(key)).inserted
    }
}
