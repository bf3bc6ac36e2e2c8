/// The disk of a node: records under keys, written in batches.
///
/// Writes join the next batch; one batch is written and synced at a time, and takes as long as the
/// disk's law says. What was not synced when the node crashes is lost.
///
/// - Source: RabbitMQ, *Publisher Confirms*: fsyncs are batched; RMQ-PUB-12.
/// - Differs: a batch takes the same time whatever its size; erasures join a batch like any write.
public struct Disk: Sendable {
    /// One record.
    public struct Record: BitwiseCopyable, Sendable {
        /// Its key; recovery hands records over by rising key.
        public var key: UInt64
        /// What was written.
        public var packet: Packet

        /// A record under a key.
        public init(key: UInt64, packet: Packet) {
            self.key = key
            self.packet = packet
        }
    }

    /// How a disk breaks its word when its node is killed.
    public struct Faults: Sendable, Hashable {
        /// How often a batch that was under way is on the disk in part: its first records.
        public var torn = Share.never
        /// How often a batch that counts as synced lies in a cache, and is gone unless a later batch
        /// was synced.
        public var lost = Share.never

        /// A disk that keeps its word.
        public static let none = Faults()

        /// A disk that keeps its word.
        public init() {}
    }

    enum Write: BitwiseCopyable, Sendable {
        case put(UInt64, Packet, WriteID)
        case erase(UInt64)
        case append(UInt32, UInt64, Journal.Entry, WriteID)
        case truncate(UInt32, UInt64)
        case trim(UInt32, UInt64)

        /// The number under which its owner asked for it; nil if nobody waits for it.
        var id: WriteID? {
            switch self {
            case .put(_, _, let id), .append(_, _, _, let id): id
            case .erase, .truncate, .trim: nil
            }
        }
    }

    /// How long a batch takes.
    let law: Law
    let stream: StreamID
    let faults: Faults
    /// The time of a batch, in thousandths of what the law says.
    var factor: UInt64 = 1000
    /// Whether there is no room: batches wait.
    var isFull = false
    private(set) var durable: [UInt64: Packet] = [:]
    /// By number; most numbers have none.
    private(set) var journals: ContiguousArray<Journal> = []
    private(set) var waiting: ContiguousArray<Write> = []
    private(set) var writing: ContiguousArray<Write> = []
    /// Whether a batch is on its way to the disk.
    private(set) var busy = false
    /// What the records were before a batch that lies in a cache; nil for none.
    private var before: [(key: UInt64, packet: Packet?)] = []
    /// What journals were then.
    private var journalsBefore: [(number: UInt32, journal: Journal)] = []

    init(law: Law, stream: StreamID, faults: Faults = .none) {
        self.law = law
        self.stream = stream
        self.faults = faults
    }

    /// An empty disk of the same make.
    var blank: Disk { Disk(law: law, stream: stream, faults: faults) }

    mutating func add(_ write: Write) { waiting.append(write) }

    /// Begins the next batch; returns false if there is nothing to write or a batch is under way.
    mutating func begin() -> Bool {
        assert(busy || writing.isEmpty, "a batch is left over")
        guard !busy, !waiting.isEmpty, !isFull else { return false }
        swap(&waiting, &writing)
        busy = true
        return true
    }

    /// Ends the batch; the last write that wanted to know of it, if any.
    mutating func finish(_ chance: inout Chance) -> WriteID? {
        assert(busy, "a batch ends that did not begin")
        if !before.isEmpty { before.removeAll(keepingCapacity: true) }
        if !journalsBefore.isEmpty { journalsBefore.removeAll() }
        let lies = chance.happens(faults.lost, stream)
        var last: WriteID?
        for write in writing {
            if lies { remember(write) }
            if let id = apply(write) { last = id }
        }
        writing.removeAll(keepingCapacity: true)
        busy = false
        return last
    }

    private mutating func apply(_ write: Write) -> WriteID? {
        switch write {
        case .put(let key, let packet, let id):
            durable[key] = packet
            return id
        case .erase(let key):
            durable[key] = nil
            return nil
        case .append(let number, let index, let entry, let id):
            while journals.count <= Int(number) { journals.append(Journal()) }
            journals[Int(number)].put(entry, at: index)
            return id
        case .truncate(let number, let index):
            if Int(number) < journals.count { journals[Int(number)].truncate(from: index) }
            return nil
        case .trim(let number, let index):
            if Int(number) < journals.count { journals[Int(number)].trim(before: index) }
            return nil
        }
    }

    /// What must hold between turns.
    func checkInvariants() {
        precondition(busy || writing.isEmpty, "a batch lies there that nobody writes")
        guard writing.count + waiting.count <= 1024 else { return }
        let order = (writing + waiting).compactMap(\.id)
        precondition(
            zip(order, order.dropFirst()).allSatisfy { $0.raw <= $1.raw },
            "writes are not in the order of their numbers"
        )
        for journal in journals { journal.checkInvariants() }
    }

    /// The journal with a number.
    func journal(_ number: UInt32) -> Journal {
        Int(number) < journals.count ? journals[Int(number)] : Journal()
    }

    private mutating func remember(_ write: Write) {
        switch write {
        case .put(let key, _, _), .erase(let key):
            before.append((key, durable[key]))
        case .append(let number, _, _, _), .truncate(let number, _), .trim(let number, _):
            guard !journalsBefore.contains(where: { $0.number == number }) else { return }
            journalsBefore.append((number, journal(number)))
        }
    }

    /// Loses what was not synced.
    mutating func crash(_ chance: inout Chance) {
        for one in before.reversed() { durable[one.key] = one.packet }
        before = []
        for one in journalsBefore where Int(one.number) < journals.count {
            journals[Int(one.number)] = one.journal
        }
        journalsBefore = []
        if !writing.isEmpty, chance.happens(faults.torn, stream) {
            let count = Int(chance.below(UInt64(writing.count), stream))
            for write in writing[..<count] { _ = apply(write) }
        }
        waiting.removeAll()
        writing.removeAll()
        busy = false
    }

    /// Writes everything out, as a stop in good order does.
    mutating func flush() {
        before = []
        journalsBefore = []
        for write in writing { _ = apply(write) }
        for write in waiting { _ = apply(write) }
        writing.removeAll()
        waiting.removeAll()
        busy = false
    }

    /// What is on the disk, by rising key.
    var records: [Record] {
        durable.map { Record(key: $0.key, packet: $0.value) }.sorted { $0.key < $1.key }
    }
}
