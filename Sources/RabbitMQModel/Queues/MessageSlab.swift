import WarrenKernel
import WarrenTrace

/// A message as the broker keeps it, once for all its copies.
struct MessageRow: BitwiseCopyable, Sendable {
    var message: MessageID
    var parcel: ParcelID
    /// The exchange that it was published to.
    var exchange: Symbol
    var key: Symbol
    var size: UInt32
    var replyTo: Symbol
    var correlation: MessageID
    /// Copies that refer to it; the next free row when there are none.
    var references: UInt32
    var persistent: Bool
    /// What a priority queue goes by; 0 if the publisher said nothing.
    var priority: UInt8 = 0
    /// Whether the publisher said a priority.
    var hasPriority = false

    /// The message of a publication.
    @inline(__always)
    init(_ packet: Packet, references: Int32) {
        message = packet.message
        parcel = packet.parcel
        exchange = packet.subject
        key = packet.key
        size = packet.size
        replyTo = packet.replyTo
        correlation = packet.correlation
        self.references = UInt32(truncatingIfNeeded: references)
        persistent = packet.has(Flag.persistent)
    }

    @inline(__always)
    mutating func free(next: MessageIndex) {
        references = next.wire
        parcel = .none
        message = .none
    }
}

extension Packet {
    /// The publication of a message.
    init(_ message: MessageRow) {
        self.init(word: Method.basicPublish.rawValue)
        self.message = message.message
        parcel = message.parcel
        subject = message.exchange
        key = message.key
        size = message.size
        replyTo = message.replyTo
        correlation = message.correlation
        flags = message.persistent ? Flag.persistent : 0
    }
}

/// The messages of a broker; a row is freed with its last copy.
struct MessageSlab: Sendable {
    private(set) var rows: Table<MessageRow> = []
    private var free = MessageIndex.none

    /// How many messages are kept.
    private(set) var count = 0

    subscript(row: MessageIndex) -> MessageRow {
        @inline(__always) get { rows[row] }
    }

    /// Whether a row holds a message.
    func isTaken(_ row: MessageIndex) -> Bool { rows[row].message != .none }

    @inline(__always)
    mutating func put(_ message: MessageRow) -> MessageIndex {
        assert(message.references > 0, "a message is kept for nobody")
        count &+= 1
        if free != .none {
            let row = free
            free = MessageIndex(wire: rows[row].references)
            rows[row] = message
            return row
        }
        return rows.append(message)
    }

    mutating func setParcel(_ parcel: ParcelID, of row: MessageIndex) {
        assert(isTaken(row), "a message is changed that is not kept")
        rows[row].parcel = parcel
    }

    mutating func setPriority(_ priority: UInt8, of row: MessageIndex) {
        assert(isTaken(row), "a message is changed that is not kept")
        rows[row].priority = priority
        rows[row].hasPriority = true
    }

    /// Gives up one copy, and says what the message was.
    @inline(__always)
    @discardableResult
    mutating func release(_ row: MessageIndex) -> MessageRow {
        assert(isTaken(row), "a message is released that is not kept")
        let message = rows[row]
        if message.references > 1 {
            rows[row].references = message.references &- 1
            return message
        }
        rows[row].free(next: free)
        free = row
        count &-= 1
        return message
    }

    /// What must hold between turns; many messages are not counted again each time.
    func checkInvariants() {
        guard rows.count <= 1024 else { return }
        precondition(
            rows.indices.count { rows[$0].message != .none } == count,
            "the broker miscounts its messages"
        )
        var freed = 0
        var next = free
        while next != .none, freed <= rows.count {
            precondition(rows[next].message == .none, "a message is freed that is kept")
            next = MessageIndex(wire: rows[next].references)
            freed += 1
        }
        precondition(freed == rows.count - count, "a place for a message is neither free nor taken")
    }
}

extension MessageRow {
    /// The message of a copy of a quorum queue.
    init(_ copy: QuorumQueue.Copy) {
        self.init(copy.packet, references: 1)
        priority = copy.priority
        hasPriority = copy.hasPriority
    }
}
