public import WarrenTrace

/// The world outside the run: where effects land that no crash takes back, such as a database.
///
/// It is asked and told within a turn, so looking and writing are one step.
/// - Differs: a real store of processed ids can itself be slow, or fail between looking and writing.
public struct Outside: Sendable {
    private var applied: Set<UInt64> = []
    /// The messages whose work fails each time, and those that were found to be good.
    public var poison: [MessageID: Bool] = [:]
    /// The message that a client published another because of.
    private var parents: [MessageID: MessageID] = [:]
    private var histories: ContiguousArray<History> = []
    /// By subject and epoch: the number of the history.
    private var historyOf: [UInt64: HistoryID] = [:]

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

    /// What a node left behind that comes back without it, and that nobody has taken over.
    public mutating func abandon(by node: NodeID) -> [(subject: Symbol, holdings: [Holding])] {
        let gone = left.filter { $0.node == node }.map { ($0.subject, $0.holdings) }
        left.removeAll { $0.node == node }
        return gone
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

    /// One history of all that a name has had: the name of a queue that was deleted may be used again, and
    /// two brokers that no longer know each other may use it at the same time.
    private struct History: Sendable {
        var subject: Symbol
        var epoch: UInt64
        var witness = Witness()
        /// Whether the thing is deleted: nothing takes effect any more.
        var isOver = false
        var snapshot = Snapshot()
        /// By message: what was told of it; kept only where a disk may lose what it has promised to keep.
        var told: [MessageID: Told] = [:]
    }

    /// What a history came to after one of its entries, as one replica found it.
    ///
    /// Each replica would find the same: those that come by can take it over.
    public struct Snapshot: BitwiseCopyable, Sendable {
        /// The entry.
        public var index: UInt64 = 0
        /// Its term.
        public var term: UInt64 = 0
        /// Where it lies; none if there is none.
        public var parcel = ParcelID.none

        /// No snapshot.
        public init() {}

        /// A snapshot after an entry.
        public init(index: UInt64, term: UInt64, parcel: ParcelID) {
            self.index = index
            self.term = term
            self.parcel = parcel
        }
    }

    /// A history, by its number.
    public struct HistoryID: BitwiseCopyable, Sendable, Hashable {
        let raw: UInt32
    }

    /// The history of a name that bears this epoch; it begins when it is asked for first.
    public mutating func history(of subject: Symbol, epoch: UInt64) -> HistoryID {
        let key = UInt64(subject.raw) << 32 | epoch & 0xFFFF_FFFF
        if let known = historyOf[key] { return known }
        let fresh = HistoryID(raw: UInt32(histories.count))
        histories.append(History(subject: subject, epoch: epoch))
        historyOf[key] = fresh
        return fresh
    }

    /// An epoch that no history of a name has had, above all of their terms.
    ///
    /// Linear in the number of histories.
    public func nextEpoch(of subject: Symbol) -> UInt64 {
        histories.reduce(1) { next, history in
            history.subject == subject
                ? max(next, history.epoch + 1, history.witness.term + 1) : next
        }
    }

    /// What it means to those who watch that an entry took effect on some node.
    public enum News: Sendable {
        /// It took effect elsewhere before.
        case known
        /// It is the next one.
        case next
        /// It stands in the place of one that took effect before: those who had that one have lost it.
        case instead
    }

    /// Says that an entry of a replicated history took effect on some node.
    ///
    /// Each entry takes effect on every replica; that it happened is told the first time.
    public mutating func news(of history: HistoryID, term: UInt64, index: UInt64) -> News {
        let row = Int(history.raw)
        let known = histories[row].witness
        guard !histories[row].isOver,
            term > known.term || term == known.term && index > known.index
        else { return .known }
        histories[row].witness.term = term
        histories[row].witness.index = index
        return index > known.index ? .next : .instead
    }

    /// Changes what was told of a message of a history.
    mutating func count(_ history: HistoryID, _ fact: Fact) {
        let row = Int(history.raw)
        var told = histories[row].told[fact.message] ?? Told()
        told.take(fact)
        histories[row].told[fact.message] = told == Told() ? nil : told
    }

    /// Each message of which something was told to be there, in the order of their numbers.
    public func told(of history: HistoryID) -> [(message: MessageID, told: Told)] {
        histories[Int(history.raw)].told.sorted { $0.key.raw < $1.key.raw }
            .map { ($0.key, $0.value) }
    }

    /// Notes what a replicated thing holds after its last entry.
    public mutating func note(_ history: HistoryID, ready: UInt64, unacked: UInt64) {
        histories[Int(history.raw)].witness.ready = ready
        histories[Int(history.raw)].witness.unacked = unacked
    }

    /// Ends a history with what one replica of it holds.
    ///
    /// - Returns: whether that is what those who watch the run know of it, and it was not over before.
    public mutating func end(_ history: HistoryID, index: UInt64) -> Bool {
        let row = Int(history.raw)
        guard !histories[row].isOver, histories[row].witness.index == index else { return false }
        histories[row].isOver = true
        histories[row].snapshot = Snapshot()
        note(history, ready: 0, unacked: 0)
        return true
    }

    /// Keeps what a history came to, in the place of what was kept before.
    public mutating func keep(_ snapshot: Snapshot, of history: HistoryID) {
        guard !histories[Int(history.raw)].isOver else { return }
        histories[Int(history.raw)].snapshot = snapshot
    }

    /// What was kept last of a history.
    public func snapshot(of history: HistoryID) -> Snapshot {
        histories[Int(history.raw)].snapshot
    }

    /// Names the parcels of what is kept.
    func parcels(_ holding: inout ParcelMarks) {
        for history in histories { holding.keep(history.snapshot.parcel) }
    }

    /// How far a history is known.
    public func witness(of history: HistoryID) -> Witness { histories[Int(history.raw)].witness }

    /// How far the history of a name that bears this epoch is known.
    func witness(of subject: Symbol, epoch: UInt64) -> Witness {
        let key = UInt64(subject.raw) << 32 | epoch & 0xFFFF_FFFF
        return historyOf[key].map { witness(of: $0) } ?? Witness()
    }

    /// Applies an effect once per key, which is a message's number or, with `isName`, that of a symbol.
    ///
    /// - Returns: whether it is the first time.
    public mutating func applyOnce(_ effect: Symbol, key: UInt32, isName: Bool = false) -> Bool {
        let kind: UInt64 = isName ? 1 << 63 : 0
        return applied.insert(kind | UInt64(effect.raw) << 32 | UInt64(key)).inserted
    }

    /// A client published a message because of another.
    public mutating func derive(_ message: MessageID, from parent: MessageID) {
        parents[message] = parent
    }

    /// The message at the beginning of a chain of publications.
    public func origin(of message: MessageID) -> MessageID {
        guard !parents.isEmpty else { return message }
        var at = message
        while let parent = parents[at] { at = parent }
        return at
    }
}
