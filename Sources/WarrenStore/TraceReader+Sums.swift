import Foundation
import GRDB
import WarrenLedger
public import WarrenTrace

/// What is known of a run without reading all of its facts.
///
/// A file of an older Warren, or a run that was killed, has no sums: then its facts are read, and the answer is the same.
extension TraceReader {
    /// A stretch of rows of a run, as its writer summed them up.
    private struct Chunk {
        var rows: ClosedRange<Int64>
        var bytes: Data
    }

    /// The chunks of a run, with one of their two columns of bytes.
    private func chunks(of run: Run, _ column: String, until end: Instant = .never) throws
        -> [Chunk]
    {
        try read { database in
            guard try database.tableExists("chunks") else { return [] }
            return try Row.fetchAll(
                database,
                sql: """
                    SELECT first_fact, last_fact, \(column) AS bytes FROM chunks
                    WHERE run = ? AND last_ns <= ? ORDER BY first_fact
                    """,
                arguments: [run.number, Int64(clamping: end.nanoseconds)]
            ).map { row in
                let (first, last): (Int64, Int64) = (row["first_fact"], row["last_fact"])
                return Chunk(rows: first...max(first, last), bytes: row["bytes"])
            }
        }
    }

    /// The rows among which those that tell of some messages are.
    func rows(of run: Run, tellingOf messages: [MessageID]) throws -> [ClosedRange<Int64>] {
        guard let all = run.rows else { return [] }
        let chunks = try chunks(of: run, "messages")
        guard let last = chunks.last, chunks.first?.rows.lowerBound == all.lowerBound else {
            return [all]
        }
        let wanted = Set(messages.map { UInt64($0.raw) })
        let most = wanted.max() ?? 0
        var found: [ClosedRange<Int64>] = []
        for chunk in chunks {
            var number: UInt64 = 0
            var isTold = false
            chunk.bytes.withUnsafeBytes { bytes in
                Varints.forEach(in: bytes) { step in
                    number &+= step
                    isTold = wanted.contains(number)
                    return !isTold && number < most
                }
            }
            guard isTold else { continue }
            if let before = found.last, before.upperBound + 1 == chunk.rows.lowerBound {
                found[found.count - 1] = before.lowerBound...chunk.rows.upperBound
            } else {
                found.append(chunk.rows)
            }
        }
        // What was written after the last chunk was summed up.
        if last.rows.upperBound < all.upperBound {
            found.append(last.rows.upperBound + 1...all.upperBound)
        }
        return found
    }

    /// What every queue held at a moment.
    public func state(of run: Run, at moment: Instant) throws -> RunState {
        guard let all = run.rows else { return RunState() }
        // The chunk that the moment lies in is read, from where the one before it ended.
        let before = try chunks(of: run, "state", until: moment).last
        let known = before.flatMap { $0.bytes.withUnsafeBytes { RunState($0) } } ?? RunState()
        let next = before.map { $0.rows.upperBound + 1 } ?? all.lowerBound
        var state = known
        if next <= all.upperBound {
            var ledger = known.ledger
            try forEachFact(in: next...all.upperBound, until: moment) { ledger.take($0) }
            state = RunState(ledger)
        }
        let sides = try sides(in: all, until: moment)
        for place in state.queues.indices {
            let found = sides[state.queues[place].symbol] ?? [:]
            state.queues[place].sides = found.keys.sorted().map {
                RunState.Side(node: NodeID(UInt32($0)), depth: found[$0] ?? 0)
            }
        }
        return state
    }

    /// What each of several masters of a queue had at a moment, by the symbol and the number of the node.
    ///
    /// A fact that says more than one of them says all that there are.
    private func sides(in rows: ClosedRange<Int64>, until moment: Instant) throws
        -> [Symbol: [Int64: Int]]
    {
        try read { database in
            guard try database.tableExists("side_rows") else { return [:] }
            let told = try Row.fetchAll(
                database,
                sql: """
                    SELECT d.fact, d.subject, d.node, d.depth FROM side_rows d
                    JOIN fact_rows f ON f.rowid = d.fact
                    WHERE d.fact BETWEEN ? AND ? AND f.time_ns <= ? ORDER BY d.fact, d.subject
                    """,
                arguments: [
                    rows.lowerBound, rows.upperBound, Int64(clamping: moment.nanoseconds),
                ]
            )
            var sides: [Symbol: [Int64: Int]] = [:]
            var start = 0
            while start < told.count {
                let (fact, subject): (Int64, Int64) = (told[start]["fact"], told[start]["subject"])
                let group = told[start...].prefix { $0["fact"] == fact && $0["subject"] == subject }
                let depths = group.reduce(into: [Int64: Int]()) { $0[$1["node"]] = $1["depth"] }
                start = group.endIndex
                let queue = Symbol(UInt32(truncatingIfNeeded: subject))
                if depths[-1] != nil {
                    sides[queue] = nil
                } else if depths.count > 1 {
                    sides[queue] = depths
                } else {
                    sides[queue, default: [:]].merge(depths) { $1 }
                }
            }
            return sides
        }
    }

    /// What did not happen to a message: nodes, connections, queues, bindings, errors, faults; in its order.
    public func rareFacts(of run: Run, until end: Instant = .never) throws -> [Fact] {
        try facts(
            of: run,
            where: "\(Schema.rare) AND time_ns <= ?",
            [Int64(clamping: end.nanoseconds)]
        )
    }

    /// What happened in the same events as some facts of one run do: no matter to whom.
    func facts(of run: Run, inEventsOf facts: [Fact]) throws -> [Fact] {
        guard let all = run.rows else { return [] }
        return try facts.flatMap { fact in
            // Events are in order, so that only the chunks of that moment are looked at.
            let chunks = try read { database in
                guard try database.tableExists("chunks") else { return [all] }
                let rows = try Row.fetchAll(
                    database,
                    sql: """
                        SELECT first_fact, last_fact FROM chunks
                        WHERE run = ? AND first_ns <= ? AND last_ns >= ? ORDER BY first_fact
                        """,
                    arguments: [
                        run.number, Int64(clamping: fact.time.nanoseconds),
                        Int64(clamping: fact.time.nanoseconds),
                    ]
                ).map { row -> ClosedRange<Int64> in
                    let (first, last): (Int64, Int64) = (row["first_fact"], row["last_fact"])
                    return first...max(first, last)
                }
                return rows.isEmpty ? [all] : rows
            }
            return try chunks.flatMap {
                try self.facts(in: $0, where: "event = ?", [Int64(clamping: fact.event)])
            }
        }
    }

    /// The answers that were given to a request, in the order of their coming; none if it is none.
    ///
    /// Whoever works on a request answers it in the moment in which the work ends.
    public func replies(to message: MessageID, in run: Run) throws -> [MessageID] {
        let own = try facts(of: run, message: message)
        guard own.contains(where: { $0.kind == .callStarted }) else { return [] }
        let work = own.filter { $0.kind == .messageHandled }
        var found: [MessageID] = []
        for fact in try facts(of: run, inEventsOf: work)
        where fact.kind == .messagePublished && fact.message != message
            && work.contains(where: { $0.event == fact.event && $0.node == fact.node })
            && !found.contains(fact.message)
        {
            found.append(fact.message)
        }
        return found
    }

    /// The request that a message answers; nil if it answers none.
    public func request(of message: MessageID, in run: Run) throws -> MessageID? {
        let births = try facts(of: run, message: message).filter { $0.kind == .messagePublished }
        let beside = try facts(of: run, inEventsOf: births).filter { fact in
            fact.kind == .messageHandled && fact.message != message
                && births.contains { $0.event == fact.event && $0.node == fact.node }
        }
        for fact in beside {
            let theirs = try facts(of: run, message: fact.message)
            if theirs.contains(where: { $0.kind == .callStarted }) { return fact.message }
        }
        return nil
    }

    /// How often which thing happened to messages, and when first and last; in the order of kinds.
    public func sums(of run: Run) throws -> [FactSum] {
        let written = try read { database in
            guard run.complete, try database.tableExists("sum_rows") else { return [FactSum]() }
            return try Row.fetchAll(
                database,
                sql:
                    "SELECT * FROM sum_rows WHERE run = ? ORDER BY kind, node, subject, peer, variant",
                arguments: [run.number]
            ).compactMap(FactSum.init(row:))
        }
        if !written.isEmpty { return written }
        return try summedUp(run).factSums
    }

    /// What came and went in each of at most 256 stretches of a run.
    ///
    /// Of each queue, and of the whole run under ``Symbol/none``; stretches in which nothing happened are left out.
    public func slices(of run: Run) throws -> (
        width: Interval, queues: [(queue: Symbol, slices: [Slice])]
    ) {
        let written = try read { database in
            guard run.complete, try database.tableExists("slice_rows") else { return [Row]() }
            return try Row.fetchAll(
                database,
                sql: "SELECT * FROM slice_rows WHERE run = ? ORDER BY subject, start_ns",
                arguments: [run.number]
            )
        }
        guard let first = written.first else {
            let sums = try summedUp(run)
            return (Interval(nanoseconds: sums.slices.width), sums.slices.all)
        }
        var queues: [(queue: Symbol, slices: [Slice])] = []
        for row in written {
            let subject: Int64 = row["subject"]
            let queue = Symbol(UInt32(truncatingIfNeeded: subject))
            if queues.last?.queue != queue { queues.append((queue, [])) }
            queues[queues.count - 1].slices.append(Slice(row: row))
        }
        let width: Int64 = first["width_ns"]
        return (Interval(nanoseconds: UInt64(max(width, 0))), queues)
    }

    /// The sums of a run whose file has none.
    private func summedUp(_ run: Run) throws -> RunSums {
        var sums = RunSums()
        try forEachFact(of: run) { sums.take($0) }
        return sums
    }
}

extension FactSum {
    fileprivate init?(row: Row) {
        func column(_ name: String) -> UInt64 {
            let value: Int64 = row[name]
            return UInt64(bitPattern: value)
        }
        guard let kind = FactKind(rawValue: UInt8(truncatingIfNeeded: column("kind"))) else {
            return nil
        }
        self.init(
            key: Key(
                kind: kind,
                node: NodeID(UInt32(truncatingIfNeeded: column("node"))),
                subject: Symbol(UInt32(truncatingIfNeeded: column("subject"))),
                peer: UInt32(truncatingIfNeeded: column("peer")),
                variant: UInt8(truncatingIfNeeded: column("variant"))
            ),
            count: column("count"),
            first: Instant(nanoseconds: column("first_ns")),
            last: Instant(nanoseconds: column("last_ns")),
            total: column("total_ns")
        )
    }
}

extension Slice {
    fileprivate init(row: Row) {
        func column(_ name: String) -> UInt64 {
            let value: Int64 = row[name]
            return UInt64(bitPattern: value)
        }
        self.init(start: Instant(nanoseconds: column("start_ns")), depth: column("depth"))
        came = column("came")
        sent = column("sent")
        acked = column("acked")
        deepest = column("deepest")
        deepestAt = Instant(nanoseconds: column("deepest_ns"))
    }
}
