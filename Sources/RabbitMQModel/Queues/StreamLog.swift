import DequeModule
import WarrenTrace

/// What was published to a stream, in segments.
///
/// - Source: RMQ-STREAM-04 to -06, -14.
/// - Differs: a chunk is one message; a real one holds what was written together.
struct StreamLog: Sendable {
    /// One message of a stream.
    struct Record: BitwiseCopyable, Sendable {
        var row: MessageIndex
        var time: Instant
        var size: UInt32
        /// Which writer wrote it.
        var epoch: UInt32
        /// The key of the queue's records on disk.
        var position: UInt64
    }

    private(set) var records = Deque<Record>()
    /// The offset of the oldest record.
    private(set) var first: UInt64 = 0
    /// Bytes in the segment that is being written, and in all.
    private var segmentSizes = Deque<(bytes: UInt64, count: Int)>()
    private(set) var bytes: UInt64 = 0

    /// A log whose oldest record will have this offset.
    init(first: UInt64 = 0) { self.first = first }

    /// The offset that the next record will have.
    var next: UInt64 { first + UInt64(records.count) }

    /// The record at an offset, if it is there.
    subscript(offset: UInt64) -> Record? {
        offset >= first && offset < next ? records[Int(offset - first)] : nil
    }

    /// The first offset that was published at `time` or later.
    func offset(at time: Instant) -> UInt64 {
        first + UInt64(records.firstIndex { $0.time >= time } ?? records.count)
    }

    /// Adds a record, and drops whole segments that a limit no longer allows.
    ///
    /// - Returns: what was dropped.
    mutating func append(_ record: Record, _ rules: QueueRules) -> [Record] {
        assert(
            records.last.map { $0.position < record.position } ?? true,
            "a record comes before the one before it"
        )
        assert(
            records.last.map { $0.epoch <= record.epoch } ?? true,
            "a record of a writer that was there before"
        )
        var dropped: [Record] = []
        if segmentSizes.last.map({ $0.bytes + UInt64(record.size) > rules.segmentBytes }) ?? true {
            dropped = retain(rules, record.time)
            segmentSizes.append((0, 0))
        }
        records.append(record)
        bytes += UInt64(record.size)
        segmentSizes[segmentSizes.count - 1].bytes += UInt64(record.size)
        segmentSizes[segmentSizes.count - 1].count += 1
        return dropped
    }

    /// Retention looks at whole segments, when a new one is begun, and keeps the newest.
    private mutating func retain(_ rules: QueueRules, _ now: Instant) -> [Record] {
        assert(segmentSizes.allSatisfy { $0.count > 0 }, "a segment holds nothing")
        var dropped: [Record] = []
        while segmentSizes.count > 1, let oldest = segmentSizes.first {
            let isTooLarge = rules.maxBytes.map { bytes > $0 } ?? false
            let newest = records[oldest.count - 1].time
            let isTooOld =
                rules.maxAge.map { .milliseconds($0) < now - newest } ?? false
            guard isTooLarge || isTooOld else { break }
            for _ in 0..<oldest.count { dropped.append(records.removeFirst()) }
            first += UInt64(oldest.count)
            bytes -= oldest.bytes
            segmentSizes.removeFirst()
        }
        return dropped
    }

    /// What must hold between turns; many records are not counted again each time.
    func checkInvariants() {
        guard records.count <= 1024 else { return }
        precondition(
            segmentSizes.reduce(0) { $0 + $1.count } == records.count,
            "a stream's segments do not hold its records"
        )
        precondition(
            bytes == records.reduce(0) { $0 + UInt64($1.size) }
                && bytes == segmentSizes.reduce(0) { $0 + $1.bytes },
            "a stream miscounts its bytes"
        )
        precondition(
            zip(records, records.dropFirst()).allSatisfy {
                $0.epoch <= $1.epoch && $0.position < $1.position
            },
            "a stream's records are not in their order"
        )
    }
}
