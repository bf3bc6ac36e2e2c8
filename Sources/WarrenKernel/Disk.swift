/// The disk of a node: records under keys, written in batches.
///
/// Writes join the next batch; one batch is written and synced at a time, and takes as long as the
/// disk's law says. What was not synced when the node crashes is lost.
///
/// - Source: RabbitMQ, *Publisher Confirms*: fsyncs are batched; RMQ-PUB-12.
/// - Differs: a batch takes the same time whatever its size.
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

    enum Write: BitwiseCopyable, Sendable {
        case put(UInt64, Packet, WriteID)
        case erase(UInt64)
    }

    /// How long a batch takes.
    let law: Law
    let stream: StreamID
    private(set) var durable: [UInt64: Packet] = [:]
    private(set) var waiting: ContiguousArray<Write> = []
    private(set) var writing: ContiguousArray<Write> = []
    /// Whether a batch is on its way to the disk.
    private(set) var busy = false

    init(law: Law, stream: StreamID) {
        self.law = law
        self.stream = stream
    }

    mutating func add(_ write: Write) { waiting.append(write) }

    /// Begins the next batch; returns false if there is nothing to write or a batch is under way.
    mutating func begin() -> Bool {
        guard !busy, !waiting.isEmpty else { return false }
        swap(&waiting, &writing)
        busy = true
        return true
    }

    /// Ends the batch; the last write that wanted to know of it, if any.
    mutating func finish() -> WriteID? {
        var last: WriteID?
        for write in writing {
            switch write {
            case .put(let key, let packet, let id):
                durable[key] = packet
                last = id
            case .erase(let key):
                durable[key] = nil
            }
        }
        writing.removeAll(keepingCapacity: true)
        busy = false
        return last
    }

    /// Loses what was not synced.
    mutating func crash() {
        waiting.removeAll()
        writing.removeAll()
        busy = false
    }

    /// Writes everything out, as a stop in good order does.
    mutating func flush() {
        _ = finish()
        swap(&waiting, &writing)
        _ = finish()
    }

    /// What is on the disk, by rising key.
    var records: [Record] {
        durable.map { Record(key: $0.key, packet: $0.value) }.sorted { $0.key < $1.key }
    }
}
