import WarrenLedger
public import WarrenTrace

/// How often the same thing happened, and when first and last.
public struct FactSum: Sendable, Hashable {
    /// What is the same.
    public struct Key: Sendable, Hashable {
        public var kind: FactKind
        public var node: NodeID
        public var subject: Symbol
        /// As in the facts; 0 where it is a routing key, of which there may be any number.
        public var peer: UInt32
        public var variant: UInt8
    }

    /// What happened.
    public var key: Key
    /// How often.
    public var count: UInt64
    public var first: Instant
    public var last: Instant
    /// The sum of the details, where they are lengths of time: nanoseconds.
    public var total: UInt64
}

/// What a trace says of a run as a whole, summed up while its facts are written, so that nobody has to read a million of
/// them for it.
struct RunSums {
    /// What a stretch of rows holds: which messages, and what every queue held at its end.
    struct Chunk {
        var first: Instant
        var last: Instant
        /// The messages that it tells of: each number less the one before it.
        var messages: [UInt8] = []
        /// ``RunState``, after the last fact.
        var state: [UInt8]
        /// How many facts of the run came before.
        var start = 0
        /// What each master of a queue that has several has ready, whenever that changes.
        var sides: [SideDepths.Row] = []
    }

    private var ledger = Ledger()
    private var sums: [FactSum] = []
    private var places: [FactSum.Key: Int] = [:]
    /// Where the sum of a key was that had this number: most facts are like one that came not long before.
    private var lately = [Int32](repeating: 0, count: 1024)
    private(set) var slices = Slices()
    private var sides = SideDepths()
    private var taken = 0

    /// What happened, in an order that does not depend on the run.
    var factSums: [FactSum] {
        sums.sorted {
            let (one, other) = ($0.key, $1.key)
            return (
                one.kind.rawValue, one.node.raw, one.subject.raw, one.peer, one.variant
            ) < (other.kind.rawValue, other.node.raw, other.subject.raw, other.peer, other.variant)
        }
    }

    /// Takes in facts, in their order, and says what they hold; nil of none.
    mutating func take(_ facts: [Fact]) -> Chunk? {
        guard let first = facts.first, let last = facts.last else { return nil }
        let start = taken
        for fact in facts { take(fact) }
        var chunk = Chunk(
            first: first.time,
            last: last.time,
            state: RunState(ledger).bytes
        )
        chunk.messages = Self.steps(facts)
        chunk.start = start
        chunk.sides = sides.takeRows()
        return chunk
    }

    /// The messages that facts tell of, each as its distance from the one before it.
    ///
    /// They lie close together, so that marking them in a row of bits is many times faster than sorting them.
    private static func steps(_ facts: [Fact]) -> [UInt8] {
        var (low, high) = (UInt32.max, UInt32.zero)
        for fact in facts where fact.message != .none {
            low = min(low, fact.message.raw)
            high = max(high, fact.message.raw)
        }
        var steps: [UInt8] = []
        var before: UInt32 = 0
        func add(_ message: UInt32) {
            Varints.append(UInt64(message - before), to: &steps)
            before = message
        }
        guard low <= high else { return steps }
        if high - low > 1 << 22 {
            for message in facts.map(\.message.raw).sorted() where message != before {
                add(message)
            }
            return steps
        }
        var marks = [UInt64](repeating: 0, count: Int(high - low) / 64 + 1)
        for fact in facts where fact.message != .none {
            let place = fact.message.raw - low
            marks[Int(place / 64)] |= 1 << UInt64(place % 64)
        }
        for (index, word) in marks.enumerated() {
            var rest = word
            while rest != 0 {
                add(low + UInt32(index * 64 + rest.trailingZeroBitCount))
                rest &= rest - 1
            }
        }
        return steps
    }

    /// Takes in one fact.
    mutating func take(_ fact: Fact) {
        defer { taken += 1 }
        if fact.kind.isRare {
            takeRare(fact)
            return
        }
        count(fact)
        let change: Slices.Change
        switch fact.kind {
        case .messageRouted: change = fact.variant != 1 ? .came : .other
        case .messageRecovered where fact.variant == 1:
            change = .came
            sides.recover(
                taken,
                isFirst: ledger.masters.isFirstBack(fact),
                slice: slices.last(of: fact.subject, at: fact.time)
            )
        case .messagePublished: change = .published
        case .deliverySent: change = .sent
        case .deliveryAcked: change = .acked
        case .deliveryRequeued, .messageDeadLettered, .messageDropped: change = .other
        default:
            ledger.take(fact)
            return
        }
        let before = ledger.held(in: fact.subject).depth
        let wasParted =
            !ledger.masters.sides.isEmpty && ledger.masters.sides[fact.subject] != nil
        ledger.take(fact)
        slices.take(
            change,
            fact.subject,
            at: fact.time,
            before: before,
            depth: ledger.held(in: fact.subject).depth,
            deepest: ledger.masters.deepest(fact.subject).map { UInt64(max($0, 0)) }
        )
        guard wasParted else { return }
        if ledger.masters.sides[fact.subject] == nil {
            sides.unite(fact.subject, taken, depth: ledger.held(in: fact.subject).depth)
        } else {
            sides.change(fact, taken, ledger.masters)
        }
    }

    /// Takes in what may part a queue, or unite it.
    private mutating func takeRare(_ fact: Fact) {
        let parted = ledger.masters.sides
        ledger.take(fact)
        let masters = ledger.masters
        guard !parted.isEmpty || !masters.sides.isEmpty else { return }
        if fact.kind == .mirrorPromoted, let deepest = masters.deepest(fact.subject) {
            let isNew = parted[fact.subject] == nil
            let before = sides.part(fact, taken, masters, isNew: isNew)
            slices.part(fact.subject, before: before, deepest: UInt64(max(deepest, 0)), fact.time)
        }
        for queue in parted.keys.sorted(by: { $0.raw < $1.raw }) where masters.sides[queue] == nil {
            let depth = ledger.held(in: queue).depth
            sides.unite(queue, taken, depth: depth)
            slices.unite(queue, depth: depth)
        }
    }

    private mutating func count(_ fact: Fact) {
        let isKey = fact.kind == .messagePublished || fact.kind == .messageUnroutable
        let key = FactSum.Key(
            kind: fact.kind,
            node: fact.node,
            // What a script hears is another text each time.
            subject: fact.kind == .methodReceived ? .none : fact.subject,
            peer: isKey ? 0 : fact.peer,
            variant: fact.variant
        )
        let place = place(of: key, fact.time)
        sums[place].count &+= 1
        sums[place].last = fact.time
        if fact.kind.columns.detail == .length { sums[place].total &+= fact.detail }
    }

    private mutating func place(of key: FactSum.Key, _ time: Instant) -> Int {
        var number = UInt32(key.kind.rawValue) &+ key.node.raw &* 31 &+ key.subject.raw &* 131
        number = number &+ key.peer &* 521 &+ UInt32(key.variant) &* 17
        let slot = Int(number & 1023)
        let guess = Int(lately[slot])
        if guess < sums.count, sums[guess].key == key { return guess }
        let place = places[key] ?? sums.count
        if place == sums.count {
            places[key] = place
            sums.append(FactSum(key: key, count: 0, first: time, last: time, total: 0))
        }
        lately[slot] = Int32(truncatingIfNeeded: place)
        return place
    }
}
