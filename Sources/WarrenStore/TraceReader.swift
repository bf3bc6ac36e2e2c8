import GRDB
import GRDBSQLite
public import WarrenTrace

/// Reads a trace file.
public final class TraceReader: Sendable {
    /// A run of the file.
    public struct Run: Sendable {
        /// Its number.
        public var number: Int64
        /// The name of its topology.
        public var name: String
        /// The text of its topology.
        public var topology: String
        /// Its seed, as text.
        public var seed: String
        /// The version of Warren that wrote it.
        public var version: String
        /// How it came to be: `seed N`, or `real: …` with a broker.
        public var schedule: String
        /// Its digest, if it came to an end.
        public var digest: String?
        /// Whether it came to its end.
        public var complete: Bool
        /// How long it was, in nanoseconds.
        public var simulated: UInt64
        /// How many events, as far as written.
        public var events: UInt64
        /// Its first and last row.
        public var rows: ClosedRange<Int64>?
        /// The summary as JSON, if it came to an end.
        public var summary: String?
    }

    /// A table of texts.
    public struct Table: Sendable {
        /// The names of the columns.
        public var columns: [String]
        /// The rows.
        public var rows: [[Value]]
        /// Whether there are more rows than were asked for.
        public var isCut = false
    }

    /// A value of a table.
    public enum Value: Sendable, Hashable {
        case null
        case integer(Int64)
        case real(Double)
        case text(String)
        /// So many bytes.
        case bytes(Int)

        /// For people: nothing for null.
        public var text: String {
            switch self {
            case .null: ""
            case .integer(let number): String(number)
            case .real(let number): String(number)
            case .text(let text): text
            case .bytes(let count): "\(count) bytes"
            }
        }

        /// For programs.
        public var json: String {
            switch self {
            case .null: "null"
            case .integer(let number): String(number)
            case .real(let number): number.isFinite ? String(number) : "null"
            case .text(let text): JSONQuoting.quoted(text)
            case .bytes: JSONQuoting.quoted(text)
            }
        }
    }

    let database: DatabaseQueue
    private let path: String

    /// Opens a trace for reading.
    ///
    /// - Throws: ``StoreError``.
    public init(path: String) throws {
        self.path = path
        do {
            switch try TraceFile.content(of: path) {
            case .nothing, .foreign: throw StoreError.notATrace(path)
            case .trace(let version):
                guard version <= Schema.version else {
                    throw StoreError.fromTheFuture(path, version)
                }
            }
            database = try Self.open(path)
        } catch let error as StoreError {
            throw error
        } catch {
            throw StoreError.cannotOpen(path, StoreError.reason(error))
        }
    }

    /// Opens the file; where nothing may be written, as it lies there.
    private static func open(_ path: String) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.readonly = true
        // A run that begins or ends keeps the file to itself for a moment.
        configuration.busyMode = .timeout(5)
        do {
            let database = try DatabaseQueue(path: path, configuration: configuration)
            _ = try database.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM runs") }
            return database
        } catch let error as DatabaseError
            where [.SQLITE_CANTOPEN, .SQLITE_READONLY].contains(error.resultCode)
        {
            let name = path.utf8.map { byte in
                let isPlain =
                    UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 32
                    || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
                    || [UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "-")].contains(byte)
                let digits = String(byte, radix: 16, uppercase: true)
                return isPlain
                    ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + digits
            }.joined()
            return try DatabaseQueue(
                path: "file:\(name)?immutable=1",
                configuration: configuration
            )
        }
    }

    func read<Value>(_ body: (Database) throws -> Value) throws -> Value {
        do {
            return try database.read(body)
        } catch let error as StoreError {
            throw error
        } catch {
            throw StoreError.cannotOpen(path, StoreError.reason(error))
        }
    }

    /// The runs of the file, the first one first.
    public func runs() throws -> [Run] {
        try read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT runs.*, run_ranges.last_fact AS last_row FROM runs
                    JOIN run_ranges USING (run) ORDER BY run
                    """
            ).map { row in
                let first: Int64 = row["first_fact"]
                let bound: Int64 = row["last_row"]
                let highest =
                    try Int64.fetchOne(database, sql: "SELECT max(rowid) FROM fact_rows") ?? 0
                let last = min(bound, highest)
                let end = try Row.fetchOne(
                    database,
                    sql: "SELECT time_ns, event FROM fact_rows WHERE rowid = ?",
                    arguments: [last]
                )
                let simulated: Int64 = row["simulated_ns"] ?? end?["time_ns"] ?? 0
                let events: Int64 = row["events"] ?? end?["event"] ?? 0
                return Run(
                    number: row["run"],
                    name: row["name"],
                    topology: row["topology"],
                    seed: row["seed"],
                    version: row["version"],
                    schedule: row["schedule"],
                    digest: row["digest"],
                    complete: row["complete"],
                    simulated: UInt64(simulated),
                    events: UInt64(events),
                    rows: first <= last ? first...last : nil,
                    summary: row["summary"]
                )
            }
        }
    }

    /// The run with this number, or the last one.
    ///
    /// - Throws: ``StoreError/noRun(_:)``.
    public func run(_ number: Int64?) throws -> Run {
        let runs = try runs()
        guard let last = runs.last else {
            throw StoreError.noRun(
                "\(path) holds no run; `warren run FILE --trace \(path)` adds one"
            )
        }
        guard let number else { return last }
        if let run = runs.first(where: { $0.number == number }) { return run }
        throw StoreError.noRun(
            "\(path) has no run \(number); its runs are \(runs.map { String($0.number) }.joined(separator: ", "))"
        )
    }

    /// The names of a run.
    ///
    /// A run that was killed has those that were known at its start.
    public func names(of run: Run) throws -> Names {
        try read { database in
            var names = Names()
            let rows = try Row.fetchAll(
                database,
                sql:
                    "SELECT kind, scope, text FROM symbols WHERE run = ? AND symbol > 0 ORDER BY symbol",
                arguments: [run.number]
            )
            for row in rows {
                let word: String = row["kind"]
                let kind = NameKind.allCases.first { $0.word == word } ?? .text
                let scope: Int64 = row["scope"]
                _ = names.intern(kind, row["text"], in: Symbol(UInt32(scope)))
            }
            return names
        }
    }

    /// The names of the nodes of a run, by number.
    public func nodes(of run: Run) throws -> [String] {
        try read {
            try String.fetchAll(
                $0,
                sql: "SELECT name FROM nodes WHERE run = ? ORDER BY node",
                arguments: [run.number]
            )
        }
    }

    /// Everything that happened to a message.
    public func facts(of run: Run, message: MessageID) throws -> [Fact] {
        try facts(of: run, messages: [message])
    }

    /// Everything that happened to some messages, in the order in which it did.
    ///
    /// Only the chunks that tell of them are read, where the file says which do.
    public func facts(of run: Run, messages: [MessageID]) throws -> [Fact] {
        let list = messages.map { "\($0.raw)" }.joined(separator: ", ")
        return try rows(of: run, tellingOf: messages).flatMap { rows in
            try facts(in: rows, where: "message IN (\(list))", [])
        }
    }

    /// The messages that clients published because of this one, and because of those, in the order of their coming.
    public func followers(of message: MessageID, in run: Run) throws -> [MessageID] {
        var found: [MessageID] = []
        var open = [message]
        while let parent = open.popLast() {
            let made = try facts(
                of: run,
                where: "kind = \(FactKind.messageDerived.rawValue) AND detail = ?",
                [Int64(parent.raw)]
            )
            found += made.map(\.message)
            open += made.map(\.message)
        }
        return found.sorted { $0.raw < $1.raw }
    }

    /// When a node died.
    public func deaths(of node: NodeID, in run: Run) throws -> [Fact] {
        try facts(
            of: run,
            // In the words of the index of rare facts.
            where: "\(Schema.rare) "
                + "AND kind = \(FactKind.nodeCrashed.rawValue) AND node = ?",
            [Int64(node.raw)]
        )
    }

    /// The facts of a run that fulfil a condition for which there is an index: the sign before the row's number keeps
    /// SQLite from going through all of them instead.
    func facts(of run: Run, where condition: String, _ values: [Int64]) throws -> [Fact] {
        guard let rows = run.rows else { return [] }
        return try facts(in: rows, by: "+rowid", where: condition, values)
    }

    /// The facts of some rows that fulfil a condition.
    func facts(
        in rows: ClosedRange<Int64>,
        by row: String = "rowid",
        where condition: String,
        _ values: [Int64]
    ) throws -> [Fact] {
        var found: [Fact] = []
        try step(
            "SELECT \(Fact.columns) FROM fact_rows WHERE \(row) BETWEEN ? AND ? AND \(condition) ORDER BY \(row)",
            [rows.lowerBound, rows.upperBound] + values
        ) { fact in
            found.append(fact)
            return true
        }
        return found
    }

    /// Calls `body` with each fact that a statement finds, until it says that this is enough.
    ///
    /// A million rows are read on SQLite's own handle, as they were written.
    private func step(_ sql: String, _ values: [Int64], _ body: (Fact) throws -> Bool) throws {
        try read { database in
            let statement = try database.makeStatement(sql: sql)
            statement.arguments = StatementArguments(values)
            let handle = statement.sqliteStatement
            defer { sqlite3_reset(handle) }
            while true {
                let code = sqlite3_step(handle)
                guard code == SQLITE_ROW else {
                    guard code == SQLITE_DONE else {
                        throw DatabaseError(resultCode: ResultCode(rawValue: code))
                    }
                    return
                }
                if let fact = Fact(handle), try !body(fact) { return }
            }
        }
    }

    /// So many facts of a run, from a place in it on, which is counted from 0; fewer at its end.
    public func facts(of run: Run, from place: Int, count: Int) throws -> [Fact] {
        guard let rows = run.rows, count > 0 else { return [] }
        let first = rows.lowerBound + Int64(place)
        guard first <= rows.upperBound else { return [] }
        return try facts(
            in: first...min(rows.upperBound, first + Int64(count) - 1),
            where: "1",
            []
        )
    }

    /// Calls `body` with every fact of a run up to a moment, in order.
    public func forEachFact(
        of run: Run,
        until end: Instant = .never,
        _ body: (Fact) throws -> Void
    ) throws {
        guard let rows = run.rows else { return }
        try forEachFact(in: rows, until: end, body)
    }

    /// Calls `body` with the facts of some rows up to a moment, in order.
    func forEachFact(
        in rows: ClosedRange<Int64>,
        until end: Instant,
        _ body: (Fact) throws -> Void
    ) throws {
        try step(
            "SELECT \(Fact.columns) FROM fact_rows WHERE rowid BETWEEN ? AND ? ORDER BY rowid",
            [rows.lowerBound, rows.upperBound]
        ) { fact in
            if fact.time > end { return false }
            try body(fact)
            return true
        }
    }

    /// Runs a statement that a person wrote; it may only read.
    ///
    /// - Throws: ``StoreError/badSQL(_:)``.
    public func query(_ sql: String, limit: Int = 100_000) throws -> Table {
        do {
            return try database.read { database in
                let statement = try database.makeStatement(sql: sql)
                let cursor = try Row.fetchCursor(statement)
                var table = Table(columns: statement.columnNames, rows: [])
                while let row = try cursor.next() {
                    guard table.rows.count < limit else {
                        table.isCut = true
                        break
                    }
                    table.rows.append(row.databaseValues.map(Self.value))
                }
                return table
            }
        } catch {
            throw StoreError.badSQL(
                (error as? DatabaseError)?.message ?? StoreError.reason(error)
            )
        }
    }

    private static func value(_ value: DatabaseValue) -> Value {
        switch value.storage {
        case .null: .null
        case .int64(let number): .integer(number)
        case .double(let number): .real(number)
        case .string(let text): .text(text)
        case .blob(let data): .bytes(data.count)
        }
    }
}

extension Fact {
    fileprivate static let columns =
        "time_ns, kind, variant, node, message, subject, peer, event, lag, detail"

    /// A fact as it lies in the file; nil for a kind that this version does not know.
    fileprivate init?(_ handle: OpaquePointer) {
        func column(_ number: Int32) -> UInt64 {
            UInt64(bitPattern: sqlite3_column_int64(handle, number))
        }
        guard let kind = FactKind(rawValue: UInt8(truncatingIfNeeded: column(1))) else {
            return nil
        }
        self.init(
            time: Instant(nanoseconds: column(0)),
            event: column(7),
            cause: column(7) &- column(8),
            kind: kind,
            node: NodeID(UInt32(truncatingIfNeeded: column(3))),
            message: MessageID(UInt32(truncatingIfNeeded: column(4))),
            subject: Symbol(UInt32(truncatingIfNeeded: column(5))),
            peer: UInt32(truncatingIfNeeded: column(6)),
            variant: UInt8(truncatingIfNeeded: column(2)),
            detail: column(9)
        )
    }
}
