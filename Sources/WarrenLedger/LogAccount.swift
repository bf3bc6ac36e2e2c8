public import WarrenTrace

/// What the facts say about a log: what it keeps, whoever reads it, and how far its readers have come.
///
/// A log is a stream of RabbitMQ. A record in it is not ready for anybody, it is there; what counts is who has not come
/// to it yet.
public struct LogAccount: Sendable, Hashable {
    /// One that reads a log: a client's node, with all its consumers there.
    public struct Reader: Sendable, Hashable {
        /// The client's node.
        public let node: NodeID
        /// The offset after the last record that it was sent.
        public fileprivate(set) var read: UInt64
        /// The offset after the last record that it is done with: it has acknowledged or committed it.
        public fileprivate(set) var settled: UInt64
        /// How many records it was sent, those that it was sent again counted again.
        public fileprivate(set) var records: UInt64 = 0
        /// Whether it reads now; one that is away falls behind until it is back.
        public fileprivate(set) var isPresent = true
    }

    /// The offset of the oldest record.
    public private(set) var first: UInt64 = 0
    /// The offset that the next record will have.
    public private(set) var end: UInt64 = 0
    /// Who has read it, in the order in which they began.
    public private(set) var readers: [Reader] = []
    /// The most records that a reader was behind.
    public private(set) var lagMax: UInt64 = 0
    /// The least offset that a reader has come to; the end if nobody reads.
    private var slowest = UInt64.max

    init() {}

    /// How many records it keeps.
    public var count: UInt64 { end - first }

    /// How many records that it keeps a reader is not done with.
    public func lag(of reader: Reader) -> UInt64 {
        let next = max(reader.settled, first)
        return end > next ? end - next : 0
    }

    /// How many records the slowest reader is not done with: of those that it ever had, also one that is away; nothing
    /// without a reader.
    public var lag: UInt64 {
        let next = max(slowest, first)
        return end > next ? end - next : 0
    }

    // MARK: Facts

    /// A record came to its end.
    mutating func append() {
        end &+= 1
        lagMax = max(lagMax, lag)
    }

    /// A record went: retention takes the oldest, and what a lost writer had not passed on was the newest.
    ///
    /// - Returns: false if there was none.
    mutating func remove(_ reason: DropReason?) -> Bool {
        guard end > first else { return false }
        if reason == .nodeLost { end &-= 1 } else { first &+= 1 }
        return true
    }

    /// A reader begins, or is back, at an offset.
    mutating func begin(_ node: NodeID, at offset: UInt64) {
        if let place = place(of: node) {
            readers[place].read = offset
            readers[place].settled = offset
            readers[place].isPresent = true
        } else {
            readers.append(Reader(node: node, read: offset, settled: offset))
        }
        findSlowest()
        lagMax = max(lagMax, lag)
    }

    /// A reader goes away.
    mutating func end(_ node: NodeID) {
        if let place = place(of: node) { readers[place].isPresent = false }
    }

    /// A reader was sent a record.
    mutating func read(_ node: NodeID, _ offset: UInt64) {
        if place(of: node) == nil { begin(node, at: offset) }
        guard let place = place(of: node) else { return }
        readers[place].read = max(readers[place].read, offset &+ 1)
        readers[place].records &+= 1
    }

    /// A reader is done with a record.
    mutating func settle(_ node: NodeID, _ offset: UInt64) {
        guard let place = place(of: node), readers[place].settled <= offset else { return }
        let wasSlowest = readers[place].settled == slowest
        readers[place].settled = offset &+ 1
        if wasSlowest { findSlowest() }
    }

    /// It is deleted: another one of its name begins anew.
    mutating func delete() {
        let most = lagMax
        self = LogAccount()
        lagMax = most
    }

    private func place(of node: NodeID) -> Int? { readers.firstIndex { $0.node == node } }

    private mutating func findSlowest() { slowest = readers.map(\.settled).min() ?? .max }
}
