import Dispatch
import Foundation
import GRDB
import Glibc
import GRDBSQLite
import Synchronization
public import WarrenTrace

/// Writes a run into a trace file while it goes on.
///
/// Facts are handed over in chunks to a second thread; when eight chunks wait, the run waits, too, so
/// that memory stays bounded. A run that is killed leaves a readable file that says it is incomplete.
public final class TraceWriter: Sendable {
    /// What is known of a run before it begins.
    public struct Heading: Sendable {
        /// The name of the topology.
        public var name: String
        /// Its text, files that it includes one after the other.
        public var topology: String
        /// The seed.
        public var seed: UInt64
        /// The version of Warren.
        public var version: String
        /// How the run came to be: from its seed, or with a real broker.
        public var schedule: String

        /// A heading; a run comes from its seed unless something else is said.
        public init(
            name: String,
            topology: String,
            seed: UInt64,
            version: String,
            schedule: String? = nil
        ) {
            self.name = name
            self.topology = topology
            self.seed = seed
            self.version = version
            self.schedule = schedule ?? "seed \(seed)"
        }
    }

    /// What is known of a run when it is over.
    public struct Ending: Sendable {
        /// Its digest.
        public var digest: String
        /// How long it was.
        public var simulated: UInt64
        /// How many events.
        public var events: UInt64
        /// How many messages.
        public var messages: UInt64
        /// Whether it came to its end.
        public var complete: Bool
        /// The summary as JSON.
        public var summary: String

        /// An ending.
        public init(
            digest: String,
            simulated: UInt64,
            events: UInt64,
            messages: UInt64,
            complete: Bool,
            summary: String
        ) {
            self.digest = digest
            self.simulated = simulated
            self.events = events
            self.messages = messages
            self.complete = complete
            self.summary = summary
        }
    }

    /// Facts per chunk.
    public static let chunkSize = 16_384

    /// Where it writes.
    public let path: String
    /// The number of the run in the file.
    public let run: Int64

    /// Held until the database is closed: it is declared before it.
    private let lock: TraceLock
    private let database: DatabaseQueue
    private let line = DispatchQueue(label: "warren.trace")
    private let places = DispatchSemaphore(value: 8)
    private let failure = Mutex<StoreError?>(nil)

    /// Opens or makes the file at `path` and begins a run in it.
    ///
    /// - Throws: ``StoreError``.
    public init(path: String, heading: Heading, names: Names, nodes: [Symbol]) throws {
        self.path = path
        do {
            switch try TraceFile.content(of: path) {
            case .nothing: break
            case .trace(let version) where version <= Schema.version: break
            case .trace(let version): throw StoreError.fromTheFuture(path, version)
            case .foreign: throw StoreError.notATrace(path)
            }
            lock = try TraceLock(path: path)
            database = try Self.open(path)
            run = try database.write { database in
                let last =
                    try Int64.fetchOne(database, sql: "SELECT max(rowid) FROM fact_rows") ?? 0
                try database.execute(
                    sql: """
                        INSERT INTO runs (name, topology, seed, version, schedule, first_fact)
                        VALUES (?, ?, ?, ?, ?, ?)
                        """,
                    arguments: [
                        heading.name, heading.topology, String(heading.seed), heading.version,
                        heading.schedule, last + 1,
                    ]
                )
                return database.lastInsertedRowID
            }
            let run = run
            try database.write { database in
                try Self.write(names.entries[...], from: 0, run, database)
                for (number, symbol) in nodes.enumerated() {
                    try database.execute(
                        sql: "INSERT INTO nodes VALUES (?, ?, ?)",
                        arguments: [run, number, names[symbol]]
                    )
                }
            }
        } catch let error as StoreError {
            throw error
        } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY {
            throw StoreError.busy(path)
        } catch {
            throw StoreError.cannotOpen(path, StoreError.reason(error))
        }
        known = Mutex(names.count)
    }

    private let known: Mutex<Int>
    private let sums = Mutex(RunSums())

    /// Takes a trace away, once no run is being written into it; nothing happens if there is none.
    ///
    /// - Throws: ``StoreError``, if it is somebody else's file.
    public static func remove(path: String) throws {
        switch try TraceFile.content(of: path) {
        case .nothing: return
        case .foreign: throw StoreError.notATrace(path)
        case .trace: break
        }
        let lock = try TraceLock(path: path)
        withExtendedLifetime(lock) {
            for suffix in ["", "-wal", "-shm"] { unlink(path + suffix) }
        }
    }

    private static func open(_ path: String) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        let database = try DatabaseQueue(path: path, configuration: configuration)
        // A new file is a trace before anything else can go wrong with it.
        try database.write { database in
            try Schema.migrate(database, path: path)
            try Schema.writeWords(database)
        }
        try database.writeWithoutTransaction { database in
            try database.execute(sql: "PRAGMA journal_mode = WAL")
            try database.execute(sql: "PRAGMA synchronous = NORMAL")
        }
        return database
    }

    private static func write(
        _ entries: ArraySlice<Names.Entry>,
        from first: Int,
        _ run: Int64,
        _ database: Database
    ) throws {
        for (offset, entry) in entries.enumerated() {
            try database.execute(
                sql: "INSERT INTO symbols VALUES (?, ?, ?, ?, ?)",
                arguments: [run, first + offset, entry.kind.word, Int(entry.scope.raw), entry.text]
            )
        }
    }

    /// Hands over a chunk; waits if eight are still to be written.
    ///
    /// - Throws: the failure of an earlier chunk.
    public func append(_ facts: [Fact]) throws {
        if let error = failure.withLock({ $0 }) { throw error }
        places.wait()
        line.async { [self] in
            defer { places.signal() }
            guard failure.withLock({ $0 }) == nil else { return }
            do {
                try sums.withLock { sums in
                    try database.write { database in
                        try Self.insert(facts, database)
                        try Self.insert(sums.take(facts), facts.count, run, database)
                    }
                }
            } catch {
                failure.withLock { $0 = .cannotWrite(path, StoreError.reason(error)) }
            }
        }
    }

    /// Waits for the last chunk, and writes what is known at the end.
    ///
    /// - Throws: ``StoreError``.
    public func finish(_ ending: Ending, names: Names) throws {
        line.sync {}
        if let error = failure.withLock({ $0 }) { throw error }
        let first = known.withLock { $0 }
        do {
            try database.write { database in
                try Self.write(names.entries[first...], from: first, run, database)
                try sums.withLock { try Self.write($0, run, database) }
                let last =
                    try Int64.fetchOne(database, sql: "SELECT max(rowid) FROM fact_rows") ?? 0
                try database.execute(
                    sql: """
                        UPDATE runs SET last_fact = max(?, first_fact - 1), digest = ?,
                            simulated_ns = ?, events = ?, messages = ?, complete = ?, summary = ?
                        WHERE run = ?
                        """,
                    arguments: [
                        last, ending.digest, Int64(clamping: ending.simulated),
                        Int64(clamping: ending.events), Int64(clamping: ending.messages),
                        ending.complete, ending.summary, run,
                    ]
                )
            }
        } catch {
            throw StoreError.cannotWrite(path, StoreError.reason(error))
        }
        fold()
    }

    /// Makes one plain file of the trace, which can be read where nothing may be written.
    ///
    /// Whoever reads it at this moment keeps it from that, and the next run folds it; nothing is lost meanwhile.
    private func fold() {
        try? database.writeWithoutTransaction { database in
            try database.execute(sql: "PRAGMA busy_timeout = 200")
            _ = try database.checkpoint(.truncate)
            try database.execute(sql: "PRAGMA journal_mode = DELETE")
        }
    }

    // MARK: Sums

    /// Notes which of the last `count` rows hold what.
    private static func insert(
        _ chunk: RunSums.Chunk?,
        _ count: Int,
        _ run: Int64,
        _ database: Database
    ) throws {
        guard let chunk else { return }
        // One run writes at a time, so that they lie side by side.
        let last = database.lastInsertedRowID
        try database.execute(
            sql: "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?)",
            arguments: [
                last - Int64(count) + 1, last, run, Int64(clamping: chunk.first.nanoseconds),
                Int64(clamping: chunk.last.nanoseconds), Data(chunk.messages), Data(chunk.state),
            ]
        )
        for side in chunk.sides {
            try database.execute(
                sql: "INSERT OR REPLACE INTO side_rows VALUES (?, ?, ?, ?)",
                arguments: [
                    last - Int64(count) + 1 + Int64(side.place - chunk.start), Int(side.queue.raw),
                    side.node.map { Int64($0) } ?? -1, side.depth,
                ]
            )
        }
    }

    private static func write(_ sums: RunSums, _ run: Int64, _ database: Database) throws {
        let tally = try database.makeStatement(
            sql: "INSERT INTO sum_rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        )
        for one in sums.factSums {
            try tally.execute(arguments: [
                run, Int(one.key.kind.rawValue), Int(one.key.node.raw), Int(one.key.subject.raw),
                Int(one.key.peer), Int(one.key.variant), Int64(clamping: one.count),
                Int64(clamping: one.first.nanoseconds), Int64(clamping: one.last.nanoseconds),
                Int64(clamping: one.total),
            ])
        }
        let slice = try database.makeStatement(
            sql: "INSERT INTO slice_rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        )
        for (queue, slices) in sums.slices.all {
            for one in slices {
                try slice.execute(arguments: [
                    run, Int(queue.raw), Int64(clamping: one.start.nanoseconds),
                    Int64(clamping: sums.slices.width), Int64(clamping: one.came),
                    Int64(clamping: one.sent), Int64(clamping: one.acked),
                    Int64(clamping: one.depth), Int64(clamping: one.deepest),
                    Int64(clamping: one.deepestAt.nanoseconds),
                ])
            }
        }
    }

    // MARK: Rows

    private static let columns = 10
    /// A divisor of ``chunkSize``.
    private static let batch = 128
    private static let insertBatch = sql(batch)
    private static let insertOne = sql(1)

    private static func sql(_ rows: Int) -> String {
        let one = "(" + Array(repeating: "?", count: columns).joined(separator: ",") + ")"
        return "INSERT INTO fact_rows VALUES "
            + Array(repeating: one, count: rows).joined(separator: ",")
    }

    /// Inserts facts, 128 rows to a statement, bound on SQLite's own handle.
    static func insert(_ facts: [Fact], _ database: Database) throws {
        let many = try database.cachedStatement(sql: insertBatch).sqliteStatement
        let one = try database.cachedStatement(sql: insertOne).sqliteStatement
        var next = 0
        while next < facts.count {
            let count = facts.count - next >= batch ? batch : 1
            let handle = count == batch ? many : one
            bind(facts[next..<next + count], handle)
            next += count
            let code = sqlite3_step(handle)
            sqlite3_reset(handle)
            guard code == SQLITE_DONE else {
                throw DatabaseError(resultCode: ResultCode(rawValue: code))
            }
        }
    }

    private static func bind(_ facts: ArraySlice<Fact>, _ handle: OpaquePointer) {
        var index: Int32 = 1
        for fact in facts {
            let values:
                (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (
                    fact.time.nanoseconds, UInt64(fact.kind.rawValue), UInt64(fact.variant),
                    UInt64(fact.node.raw), UInt64(fact.message.raw), UInt64(fact.subject.raw),
                    UInt64(fact.peer), fact.event, fact.event &- fact.cause, fact.detail
                )
            sqlite3_bind_int64(handle, index, Int64(bitPattern: values.0))
            sqlite3_bind_int64(handle, index &+ 1, Int64(bitPattern: values.1))
            sqlite3_bind_int64(handle, index &+ 2, Int64(bitPattern: values.2))
            sqlite3_bind_int64(handle, index &+ 3, Int64(bitPattern: values.3))
            sqlite3_bind_int64(handle, index &+ 4, Int64(bitPattern: values.4))
            sqlite3_bind_int64(handle, index &+ 5, Int64(bitPattern: values.5))
            sqlite3_bind_int64(handle, index &+ 6, Int64(bitPattern: values.6))
            sqlite3_bind_int64(handle, index &+ 7, Int64(bitPattern: values.7))
            sqlite3_bind_int64(handle, index &+ 8, Int64(bitPattern: values.8))
            sqlite3_bind_int64(handle, index &+ 9, Int64(bitPattern: values.9))
            index &+= 10
        }
    }
}
