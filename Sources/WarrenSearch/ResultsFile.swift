import GRDB
import Glibc
public import WarrenBroker
import WarrenLedger
public import WarrenTopology
import WarrenTrace

/// What a search has shown, as an SQLite file: to go on from, to join with others, and to ask with SQL.
public final class ResultsFile {
    /// What a search is, apart from what it has shown.
    public struct Heading: Sendable, Equatable {
        /// The version of Warren.
        public var version: String
        /// Where the topology was read from, and its text, whole.
        public var path: String
        public var text: String
        /// The seed of the search.
        public var seed: UInt64
        /// How many runs at most, in all shards together.
        public var runs: Int
        /// In how many shards, and which of them are in the file.
        public var shards: Int
        public var parts: [Int]
        /// Whether it ends where something broke first.
        public var stopsAtFirst: Bool
        /// How many schedules of an earlier search are played first.
        public var firstCount: Int

        /// A search.
        public init(
            version: String,
            path: String,
            text: String,
            _ options: Search.Options
        ) {
            self.version = version
            self.path = path
            self.text = text
            seed = options.seed
            runs = options.runs
            shards = options.shards
            parts = [options.shard]
            stopsAtFirst = options.stopsAtFirst
            firstCount = options.first.count
        }

        /// Why results of this search can not be joined with those of another; nil if they can.
        public func differs(from other: Heading) -> String? {
            if version != other.version {
                return "it is of Warren \(other.version), and the others of \(version)"
            }
            if text != other.text { return "it is of another topology, or of another state of it" }
            if seed != other.seed { return "its --seed was \(other.seed), and not \(seed)" }
            if shards != other.shards {
                return "it is one of \(other.shards) shards, and the others of \(shards)"
            }
            if runs != other.runs {
                return "its --runs were \(other.runs) in all shards, and not \(runs)"
            }
            if firstCount != other.firstCount {
                return
                    "it began with \(other.firstCount) schedules that had broken something, the others with \(firstCount)"
            }
            let both = parts.filter(other.parts.contains)
            return both.isEmpty ? nil : "shard \(both[0]) is in it and in another file"
        }
    }

    /// Why a file of results cannot be used.
    public struct Failure: Error, Sendable {
        /// The sentence.
        public var text: String
    }

    /// ‘WRSR’: SQLite files of others are told apart by it.
    private static let application = 0x5752_5352
    private static let format = 1

    /// What the search is.
    public let heading: Heading
    private let path: String
    private let database: DatabaseQueue
    private var savedRuns = 0
    private var savedSituations = 0

    /// Makes a file.
    ///
    /// - Throws: ``Failure`` if there is one already, or it cannot be written.
    public init(creating path: String, _ heading: Heading, first: [Stage.Schedule]) throws {
        self.path = path
        self.heading = heading
        database = try Self.open(path)
        let isEmpty = try Self.reading(path, database) {
            try Int.fetchOne($0, sql: "SELECT count(*) FROM sqlite_master") == 0
        }
        guard isEmpty else {
            throw Failure(text: "\(path) is there already; --resume goes on with it")
        }
        try Self.writing(path, database) { database in
            try database.execute(sql: Self.schema)
            try database.execute(sql: "PRAGMA application_id = \(Self.application)")
            try database.execute(sql: "PRAGMA user_version = \(Self.format)")
            try database.execute(
                sql: "INSERT INTO search VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                arguments: [
                    heading.version, heading.path, heading.text, String(heading.seed),
                    heading.runs, heading.shards, heading.stopsAtFirst, heading.firstCount,
                ]
            )
            for part in heading.parts {
                try database.execute(sql: "INSERT INTO parts VALUES (?)", arguments: [part])
            }
            for (number, schedule) in first.enumerated() {
                try database.execute(
                    sql: "INSERT INTO first_schedules VALUES (?, ?)",
                    arguments: [number + 1, Remembered.text(schedule)]
                )
            }
        }
    }

    /// Opens a file that is there.
    ///
    /// - Throws: ``Failure`` if it is none of results.
    public init(opening path: String) throws {
        self.path = path
        // SQLite would make a file that is not there.
        guard access(path, R_OK) == 0 else {
            throw Failure(
                text: "\(path) cannot be opened: there is no such file, or it may not be read"
            )
        }
        guard let handle = try? DatabaseQueue(path: path, configuration: Self.patient) else {
            throw Failure(text: "\(path) cannot be opened: it is no SQLite file")
        }
        database = handle
        heading = try Self.reading(path, database) { database in
            guard try Int.fetchOne(database, sql: "PRAGMA application_id") == Self.application
            else {
                throw Failure(text: "\(path) is no file of search results")
            }
            let format = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
            guard format <= Self.format,
                let row = try Row.fetchOne(database, sql: "SELECT * FROM search")
            else {
                throw Failure(
                    text:
                        "\(path) was written by a later Warren (format \(format)); this one reads up to \(Self.format)"
                )
            }
            var options = Search.Options()
            options.seed = UInt64(row["seed"] as String) ?? 0
            options.runs = row["runs"]
            options.shards = row["shards"]
            options.stopsAtFirst = row["stops_at_first"]
            var heading = Heading(
                version: row["warren"],
                path: row["file"],
                text: row["topology"],
                options
            )
            heading.firstCount = row["first_schedules"]
            heading.parts = try Int.fetchAll(
                database,
                sql: "SELECT shard FROM parts ORDER BY shard"
            )
            return heading
        }
    }

    private static var patient: Configuration {
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        configuration.prepareDatabase { database in
            _ = try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_master")
        }
        return configuration
    }

    private static func open(_ path: String) throws -> DatabaseQueue {
        do {
            let database = try DatabaseQueue(path: path)
            try database.writeWithoutTransaction { database in
                try database.execute(sql: "PRAGMA journal_mode = WAL")
                try database.execute(sql: "PRAGMA synchronous = NORMAL")
            }
            return database
        } catch { throw Failure(text: "\(path) cannot be written: \(error)") }
    }

    private static func reading<Value>(
        _ path: String,
        _ database: DatabaseQueue,
        _ body: (Database) throws -> Value
    ) throws -> Value {
        do { return try database.read(body) } catch let failure as Failure { throw failure } catch {
            throw Failure(text: "\(path) cannot be read: \(error)")
        }
    }

    private static func writing(
        _ path: String,
        _ database: DatabaseQueue,
        _ body: (Database) throws -> Void
    ) throws {
        do { try database.write(body) } catch {
            throw Failure(text: "\(path) cannot be written: \(error)")
        }
    }

    private static let schema = """
        CREATE TABLE search (warren TEXT, file TEXT, topology TEXT, seed TEXT, runs INTEGER, shards INTEGER,
            stops_at_first INTEGER, first_schedules INTEGER);
        CREATE TABLE parts (shard INTEGER PRIMARY KEY);
        CREATE TABLE first_schedules (number INTEGER PRIMARY KEY, schedule TEXT);
        CREATE TABLE runs (number INTEGER PRIMARY KEY, digest TEXT, events INTEGER, cut_short INTEGER);
        CREATE TABLE telling (number INTEGER PRIMARY KEY, schedule TEXT);
        CREATE TABLE too_long (number INTEGER PRIMARY KEY, schedule TEXT);
        CREATE TABLE situations (hash INTEGER PRIMARY KEY, run INTEGER);
        CREATE TABLE found (run INTEGER, expectation TEXT, sentence TEXT, seen TEXT, time_ns INTEGER, digest TEXT,
            times INTEGER, schedule TEXT);
        CREATE TABLE faults (fault TEXT PRIMARY KEY, runs INTEGER);
        CREATE TABLE reached (kind TEXT, name TEXT, PRIMARY KEY (kind, name));
        """

    // MARK: What was shown

    /// Says that the search goes on to this number of runs.
    ///
    /// - Throws: ``Failure`` if it cannot be written.
    public func setRuns(_ runs: Int) throws {
        try Self.writing(path, database) {
            try $0.execute(sql: "UPDATE search SET runs = ?", arguments: [runs])
        }
    }

    /// Writes what was shown since the last time.
    ///
    /// - Throws: ``Failure`` if it cannot be written.
    public func save(_ tally: Tally) throws {
        try Self.writing(path, database) { database in
            for row in tally.rows[savedRuns...] {
                try database.execute(
                    sql: "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?)",
                    arguments: [
                        row.number, Digest.text(row.fingerprint), Int64(clamping: row.events),
                        row.isCut,
                    ]
                )
            }
            for one in tally.situations[savedSituations...] {
                try database.execute(
                    sql: "INSERT OR REPLACE INTO situations VALUES (?, ?)",
                    arguments: [Int64(bitPattern: one.hash), one.run]
                )
            }
            for one in tally.telling where one.run > lastTelling {
                try database.execute(
                    sql: "INSERT OR REPLACE INTO telling VALUES (?, ?)",
                    arguments: [one.run, Remembered.text(one.schedule)]
                )
            }
            if let cut = tally.firstCut {
                try database.execute(
                    sql: "INSERT OR REPLACE INTO too_long VALUES (?, ?)",
                    arguments: [cut.run, Remembered.text(cut.schedule)]
                )
            }
            try Self.replace(tally, database)
        }
        savedRuns = tally.rows.count
        savedSituations = tally.situations.count
        lastTelling = tally.telling.map(\.run).max() ?? 0
    }

    private var lastTelling = 0

    /// Writes what is small anew.
    private static func replace(_ tally: Tally, _ database: Database) throws {
        try database.execute(sql: "DELETE FROM found; DELETE FROM faults; DELETE FROM reached")
        for hit in tally.hits {
            try database.execute(
                sql: "INSERT INTO found VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                arguments: [
                    hit.run, hit.breach.name, hit.breach.sentence, hit.breach.first?.seen,
                    hit.breach.first.map { Int64(clamping: $0.time.nanoseconds) }, hit.digest,
                    hit.times, Remembered.text(hit.schedule),
                ]
            )
        }
        for (fault, runs) in tally.faults.sorted(by: { $0.key < $1.key }) {
            try database.execute(sql: "INSERT INTO faults VALUES (?, ?)", arguments: [fault, runs])
        }
        for one in tally.reached.sorted(by: {
            ($0.kind.rawValue, $0.name) < ($1.kind.rawValue, $1.name)
        }) {
            try database.execute(
                sql: "INSERT INTO reached VALUES (?, ?)",
                arguments: [one.kind.rawValue, one.name]
            )
        }
    }

    /// Reads what was shown.
    ///
    /// - Parameters:
    ///   - topology: the topology of the search.
    ///   - read: makes a topology of the text of a file.
    /// - Returns: what was shown, run by run.
    /// - Throws: ``Failure`` if it does not fit.
    public func tally(_ topology: Topology, read: (String) -> Topology?) throws -> Tally {
        let path = path
        func schedule(_ text: String) throws -> Stage.Schedule {
            guard let schedule = Remembered.schedule(text, topology, read: read) else {
                throw Failure(
                    text: "\(path) holds a schedule that does not fit the topology: \(text)"
                )
            }
            return schedule
        }
        let tally = try Self.reading(path, database) { database in
            var tally = Tally()
            for row in try Row.fetchAll(database, sql: "SELECT * FROM runs ORDER BY number") {
                tally.add(
                    Tally.Row(
                        number: row["number"],
                        fingerprint: Tally.fingerprint(row["digest"]),
                        events: UInt64(row["events"] as Int64),
                        isCut: row["cut_short"]
                    )
                )
            }
            for row in try Row.fetchAll(
                database,
                sql: "SELECT * FROM situations ORDER BY run, hash"
            ) {
                tally.add(situation: UInt64(bitPattern: row["hash"] as Int64), run: row["run"])
            }
            for row in try Row.fetchAll(database, sql: "SELECT * FROM telling ORDER BY number") {
                tally.add(telling: row["number"], try schedule(row["schedule"]))
            }
            for row in try Row.fetchAll(database, sql: "SELECT * FROM too_long ORDER BY number") {
                tally.add(cut: row["number"], try schedule(row["schedule"]))
            }
            for row in try Row.fetchAll(database, sql: "SELECT * FROM found ORDER BY rowid") {
                let time = (row["time_ns"] as Int64?).map { Instant(nanoseconds: UInt64($0)) }
                let first = time.map { Watch.Broken(time: $0, seen: row["seen"] ?? "") }
                tally.add(
                    Tally.Hit(
                        run: row["run"],
                        schedule: try schedule(row["schedule"]),
                        breach: Breach(
                            name: row["expectation"],
                            sentence: row["sentence"],
                            first: first
                        ),
                        digest: row["digest"],
                        times: row["times"]
                    )
                )
            }
            for row in try Row.fetchAll(database, sql: "SELECT * FROM faults") {
                tally.add(fault: row["fault"], runs: row["runs"])
            }
            for row in try Row.fetchAll(database, sql: "SELECT * FROM reached") {
                guard let kind = Tally.Reached.Kind(rawValue: row["kind"]) else { continue }
                tally.add(Tally.Reached(kind, row["name"]))
            }
            return tally
        }
        savedRuns = tally.rows.count
        savedSituations = tally.situations.count
        lastTelling = tally.telling.map(\.run).max() ?? 0
        return tally
    }

    /// The schedules that the search began with.
    ///
    /// - Throws: ``Failure`` if they do not fit.
    public func first(_ topology: Topology, read: (String) -> Topology?) throws -> [Stage.Schedule]
    {
        let path = path
        return try Self.reading(path, database) { database in
            try String.fetchAll(
                database,
                sql: "SELECT schedule FROM first_schedules ORDER BY number"
            ).map { text in
                guard let schedule = Remembered.schedule(text, topology, read: read) else {
                    throw Failure(text: "\(path) holds a schedule that does not fit: \(text)")
                }
                return schedule
            }
        }
    }
}
