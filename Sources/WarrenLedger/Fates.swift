import WarrenTrace

/// What the ledger knows of each single message, whatever a file expects.
///
/// How many copies there are, how many deliveries nobody has worked on, and whether it may be missed: four bytes
/// a message.
struct Fates: Sendable {
    private static let copyMask: UInt32 = 0x3FFF
    private static let confirmed: UInt32 = 1 << 14
    /// Somebody had it, or a rule took it away: it is not lost.
    private static let explained: UInt32 = 1 << 15
    /// The upper half counts deliveries; all ones are more than anybody counts.
    private static let delivery: UInt32 = 1 << 16
    private static let deliveries: UInt32 = 0xFFFF << 16

    /// By message.
    private(set) var rows = ContiguousArray<UInt32>(repeating: 0, count: 1024)
    /// Pieces of work that no delivery explains.
    private(set) var phantoms: UInt64 = 0
    /// The first of them.
    private(set) var firstPhantom = MessageID.none
    private var last = 0
    /// The nodes that relay messages: whoever has one there has it to pass it on.
    private var relays: Set<NodeID> = []

    /// Whether any node relays messages.
    var hasRelays: Bool { !relays.isEmpty }

    /// Makes room for a message.
    mutating func grow(to message: MessageID) {
        let number = Int(message.raw)
        last = max(last, number)
        guard number >= rows.count else { return }
        rows.append(contentsOf: repeatElement(0, count: max(rows.count, number + 1 - rows.count)))
    }

    /// Lends the rows to the common path, which keeps to messages that have one.
    @inline(__always)
    mutating func withRows<Result>(_ body: (UnsafeMutableBufferPointer<UInt32>) -> Result) -> Result
    {
        rows.withUnsafeMutableBufferPointer { body($0) }
    }

    // MARK: One message

    @inline(__always)
    static func addCopy(_ row: inout UInt32) {
        if row & copyMask < copyMask { row &+= 1 }
    }

    /// More than anybody counts stays more.
    @inline(__always)
    static func removeCopy(_ row: inout UInt32) {
        if (row & copyMask) &- 1 < copyMask &- 1 { row &-= 1 }
    }

    @inline(__always)
    static func deliver(_ row: inout UInt32) {
        if row < deliveries { row &+= delivery }
    }

    @inline(__always)
    static func confirm(_ row: inout UInt32) { row |= confirmed }

    @inline(__always)
    static func explain(_ row: inout UInt32) { row |= explained }

    /// Somebody works on it; false if there is no delivery for that.
    @inline(__always)
    static func work(_ row: inout UInt32) -> Bool {
        if row < delivery { return false }
        if row < deliveries { row &-= delivery }
        return true
    }

    /// Work was done without a delivery.
    mutating func note(phantom message: MessageID) {
        if phantoms == 0 { firstPhantom = message }
        phantoms += 1
    }

    /// Takes in any fact.
    mutating func take(_ fact: Fact) {
        if fact.kind == .relayStarted { relays.insert(fact.node) }
        guard fact.message != .none else { return }
        grow(to: fact.message)
        let number = Int(fact.message.raw)
        switch fact.kind {
        case .messageConfirmed: Self.confirm(&rows[number])
        case .messageRouted: Self.addCopy(&rows[number])
        case .messageRecovered: if fact.variant == 1 { Self.addCopy(&rows[number]) }
        case .deliverySent, .recordRead: Self.deliver(&rows[number])
        case .deliveryAcked:
            Self.removeCopy(&rows[number])
            if !hasRelays || !relays.contains(NodeID(fact.peer)) { Self.explain(&rows[number]) }
        case .messageRelayed: if fact.variant & 1 == 1 { Self.removeCopy(&rows[number]) }
        case .messageHandled:
            if !Self.work(&rows[number]) { note(phantom: fact.message) }
            if fact.variant & 1 == 1 { Self.removeCopy(&rows[number]) }
            Self.explain(&rows[number])
        // A crash after the work was told as work before.
        case .workFailed
        where fact.variant != WorkFailure.crashAfterWork.rawValue
            && fact.variant != WorkFailure.crashBetween.rawValue:
            if !Self.work(&rows[number]) { note(phantom: fact.message) }
        case .messageDeadLettered:
            Self.removeCopy(&rows[number])
            Self.explain(&rows[number])
        case .messageDropped:
            Self.removeCopy(&rows[number])
            if DropReason(rawValue: fact.variant)?.isRule ?? true { Self.explain(&rows[number]) }
        default: break
        }
    }

    /// How many messages were confirmed, of which nobody had a copy and no rule took one away, and of which
    /// there is none any more; and the first of them.
    var lost: (count: UInt64, first: MessageID) {
        var count: UInt64 = 0
        var first = MessageID.none
        for number in rows.indices.prefix(last + 1)
        where rows[number] & (Self.copyMask | Self.confirmed | Self.explained) == Self.confirmed {
            if count == 0 { first = MessageID(UInt32(number)) }
            count += 1
        }
        return (count, first)
    }

    /// Whether a message is lost.
    func isLost(_ message: MessageID) -> Bool {
        let number = Int(message.raw)
        guard number < rows.count else { return false }
        return rows[number] & (Self.copyMask | Self.confirmed | Self.explained) == Self.confirmed
    }
}

extension DropReason {
    /// Whether a rule that somebody wrote down took the copy, and no accident.
    var isRule: Bool {
        switch self {
        case .rejected, .expired, .maxlen, .deliveryLimit, .purged, .queueDeleted, .slowConsumer,
            .noDeadLetterRoute, .deliveryUnwanted, .rolledBack, .noInterest, .deadLetterCircle:
            true
        case .nodeLost, .clientLost, .connectionLost, .unroutable, .queueDown: false
        }
    }
}
