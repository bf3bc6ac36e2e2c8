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
