import GRDB
import WarrenTrace

/// The tables and views of a trace file.
///
/// `application_id` is 0x57617272 ("Warr"), `user_version` is the number of the last migration.
enum Schema {
    static let applicationID = 0x5761_7272
    static let version = 5

    /// Brings a file up to date.
    ///
    /// - Throws: ``StoreError`` if the file is something else or comes from a later Warren.
    static func migrate(_ database: Database, path: String) throws {
        let application = try Int.fetchOne(database, sql: "PRAGMA application_id") ?? 0
        let version = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        let objects = try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_master") ?? 0
        if application != applicationID && objects > 0 { throw StoreError.notATrace(path) }
        if version > Self.version { throw StoreError.fromTheFuture(path, version) }
        guard version < Self.version else { return }
        if version < 1 {
            try database.execute(sql: tables)
            try database.execute(sql: "PRAGMA application_id = \(applicationID)")
        }
        if version < 2 {
            try database.execute(sql: meanings)
        }
        if version < 3 { try database.execute(sql: sums) }
        if version < 4 { try database.execute(sql: index) }
        if version < 5 { try database.execute(sql: sides) }
        try database.execute(sql: views)
        try database.execute(sql: "PRAGMA user_version = \(Self.version)")
    }

    /// Writes the words of facts, those too that an older Warren did not know.
    static func writeWords(_ database: Database) throws {
        for kind in FactKind.allCases {
            try database.execute(
                sql:
                    "INSERT OR REPLACE INTO fact_kinds (kind, name, peer, detail) VALUES (?, ?, ?, ?)",
                arguments: [
                    Int(kind.rawValue), kind.name, kind.columns.peer.rawValue,
                    kind.columns.detail.rawValue,
                ]
            )
        }
        for reason in DropReason.allCases {
            try database.execute(
                sql: "INSERT OR IGNORE INTO drop_reasons (reason, name) VALUES (?, ?)",
                arguments: [Int(reason.rawValue), "\(reason)"]
            )
        }
    }

    /// The first version: the tables.
    private static let tables = """
        CREATE TABLE runs (
            run INTEGER PRIMARY KEY,
            name TEXT NOT NULL,
            topology TEXT NOT NULL,
            seed TEXT NOT NULL,
            version TEXT NOT NULL,
            schedule TEXT NOT NULL,
            first_fact INTEGER NOT NULL,
            last_fact INTEGER,
            digest TEXT,
            simulated_ns INTEGER,
            events INTEGER,
            messages INTEGER,
            complete INTEGER NOT NULL DEFAULT 0,
            summary TEXT
        );
        CREATE TABLE symbols (
            run INTEGER NOT NULL, symbol INTEGER NOT NULL, kind TEXT NOT NULL,
            scope INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (run, symbol)
        ) WITHOUT ROWID;
        CREATE TABLE nodes (
            run INTEGER NOT NULL, node INTEGER NOT NULL, name TEXT NOT NULL,
            PRIMARY KEY (run, node)
        ) WITHOUT ROWID;
        CREATE TABLE fact_kinds (kind INTEGER PRIMARY KEY, name TEXT NOT NULL);
        CREATE TABLE drop_reasons (reason INTEGER PRIMARY KEY, name TEXT NOT NULL);
        CREATE TABLE fact_rows (
            time_ns INTEGER NOT NULL, kind INTEGER NOT NULL, variant INTEGER NOT NULL,
            node INTEGER NOT NULL, message INTEGER NOT NULL, subject INTEGER NOT NULL,
            peer INTEGER NOT NULL, event INTEGER NOT NULL, lag INTEGER NOT NULL,
            detail INTEGER NOT NULL
        );
        """

    /// The second version: what the columns of each kind mean.
    private static let meanings = """
        ALTER TABLE fact_kinds ADD COLUMN peer TEXT NOT NULL DEFAULT 'nothing';
        ALTER TABLE fact_kinds ADD COLUMN detail TEXT NOT NULL DEFAULT 'nothing';
        """

    /// The third version: what is summed up while a run is written, and where rare facts are.
    ///
    /// Runs of an older file have none of it, nor has one that was killed but for its chunks: then facts are read.
    private static let sums = """
        CREATE TABLE chunks (
            first_fact INTEGER PRIMARY KEY, last_fact INTEGER NOT NULL, run INTEGER NOT NULL,
            first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL, messages BLOB NOT NULL,
            state BLOB NOT NULL
        );
        CREATE TABLE sum_rows (
            run INTEGER NOT NULL, kind INTEGER NOT NULL, node INTEGER NOT NULL,
            subject INTEGER NOT NULL, peer INTEGER NOT NULL, variant INTEGER NOT NULL,
            count INTEGER NOT NULL, first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL,
            total_ns INTEGER NOT NULL,
            PRIMARY KEY (run, kind, node, subject, peer, variant)
        ) WITHOUT ROWID;
        CREATE TABLE slice_rows (
            run INTEGER NOT NULL, subject INTEGER NOT NULL, start_ns INTEGER NOT NULL,
            width_ns INTEGER NOT NULL, came INTEGER NOT NULL, sent INTEGER NOT NULL,
            acked INTEGER NOT NULL, depth INTEGER NOT NULL, deepest INTEGER NOT NULL,
            deepest_ns INTEGER NOT NULL,
            PRIMARY KEY (run, subject, start_ns)
        ) WITHOUT ROWID;
        CREATE INDEX derived_facts ON fact_rows (detail)
            WHERE kind = \(FactKind.messageDerived.rawValue);
        """

    /// Which facts are rare, as a condition.
    ///
    /// A query says it in the same words, or the index is of no use to it.
    static let rare =
        "(kind < \(FactKind.messagePublished.rawValue) OR kind >= \(FactKind.relayStarted.rawValue) "
        + "AND kind < \(FactKind.messageRouted.rawValue))"

    /// The fourth version: relays and members are rare facts as well.
    private static let index = """
        DROP INDEX IF EXISTS rare_facts;
        CREATE INDEX rare_facts ON fact_rows (kind) WHERE \(rare);
        """

    /// The fifth version: what each of several masters of a queue has ready, by the row of the fact that changed it.
    ///
    /// Node -1 has all: the queue has one master again.
    private static let sides = """
        CREATE TABLE side_rows (
            fact INTEGER NOT NULL, subject INTEGER NOT NULL, node INTEGER NOT NULL,
            depth INTEGER NOT NULL, PRIMARY KEY (fact, subject, node)
        ) WITHOUT ROWID;
        """

    /// The numbers of kinds, as a list.
    private static func kinds(_ isOne: (FactColumns) -> Bool) -> String {
        FactKind.allCases.filter { isOne($0.columns) }.map { "\($0.rawValue)" }
            .joined(separator: ", ")
    }

    /// The views, which are made anew by a version that says them differently.
    private static let views = """
        DROP VIEW IF EXISTS slices;
        DROP VIEW IF EXISTS sums;
        DROP VIEW IF EXISTS faults;
        DROP VIEW IF EXISTS queue_depths;
        DROP VIEW IF EXISTS deliveries;
        DROP VIEW IF EXISTS messages;
        DROP VIEW IF EXISTS facts;
        DROP VIEW IF EXISTS run_ranges;
        CREATE VIEW run_ranges AS
            SELECT run, name, first_fact,
                coalesce(last_fact,
                    (SELECT min(later.first_fact) - 1 FROM runs later WHERE later.run > runs.run),
                    9223372036854775807) AS last_fact
            FROM runs;
        CREATE VIEW facts AS
            SELECT r.run AS run, f.rowid - r.first_fact + 1 AS fact, f.time_ns AS time_ns,
                f.event AS event, f.event - f.lag AS cause, n.name AS node, k.name AS kind,
                CASE f.message WHEN 0 THEN NULL ELSE 'm' || f.message END AS message,
                s.text AS subject,
                CASE WHEN f.kind IN (\(kinds { $0.peer == .node }))
                    THEN (SELECT name FROM nodes p WHERE p.run = r.run AND p.node = f.peer)
                    WHEN f.kind IN (\(kinds { $0.peer == .name })) AND f.peer > 0
                    THEN (SELECT text FROM symbols p WHERE p.run = r.run AND p.symbol = f.peer)
                END AS peer,
                f.variant AS variant,
                CASE f.kind WHEN 40 THEN f.detail & 4294967295 ELSE f.detail END AS detail,
                CASE f.kind WHEN 40 THEN
                    (SELECT text FROM symbols h WHERE h.run = r.run AND h.symbol = f.detail >> 32
                        AND h.symbol > 0)
                    END AS headers
            FROM fact_rows f
            JOIN run_ranges r ON f.rowid BETWEEN r.first_fact AND r.last_fact
            JOIN fact_kinds k ON k.kind = f.kind
            LEFT JOIN nodes n ON n.run = r.run AND n.node = f.node
            LEFT JOIN symbols s ON s.run = r.run AND s.symbol = f.subject AND f.subject > 0;
        CREATE VIEW messages AS
            SELECT r.run AS run, 'm' || f.message AS message,
                max(CASE f.kind WHEN 40 THEN f.time_ns END) AS published_ns,
                max(CASE f.kind WHEN 40 THEN f.detail & 4294967295 END) AS size,
                max(CASE f.kind WHEN 40 THEN
                    (SELECT text FROM symbols s WHERE s.run = r.run AND s.symbol = f.subject)
                    END) AS exchange,
                max(CASE f.kind WHEN 40 THEN
                    (SELECT text FROM symbols s WHERE s.run = r.run AND s.symbol = f.peer)
                    END) AS routing_key,
                max(CASE f.kind WHEN 40 THEN
                    (SELECT text FROM symbols s WHERE s.run = r.run AND s.symbol = f.detail >> 32
                        AND s.symbol > 0)
                    END) AS headers,
                CASE WHEN sum(f.kind = 43) > 0 THEN 'returned' WHEN sum(f.kind = 41) > 0
                    THEN 'confirmed' WHEN sum(f.kind = 42) > 0 THEN 'nacked' ELSE 'unknown' END
                    AS outcome,
                sum(f.kind = 60) AS copies, sum(f.kind = 61) AS deliveries,
                sum(f.kind = 61 AND f.variant & 1) AS redeliveries, sum(f.kind = 62) AS acks,
                sum(f.kind = 80) AS handled, sum(f.kind = 64) AS dead_lettered,
                sum(f.kind = 65) AS dropped
            FROM fact_rows f
            JOIN run_ranges r ON f.rowid BETWEEN r.first_fact AND r.last_fact
            WHERE f.message > 0
            GROUP BY r.run, f.message
            HAVING published_ns IS NOT NULL;
        CREATE VIEW deliveries AS
            SELECT run, fact, time_ns, message, subject AS queue, peer AS consumer,
                detail AS waited_ns, variant & 1 AS redelivered, (variant >> 1) & 1 AS settled
            FROM facts WHERE kind = 'delivery.sent';
        CREATE VIEW queue_depths AS
            WITH summed AS (SELECT r.run AS run, f.time_ns AS time_ns, f.subject AS subject,
                sum(CASE WHEN f.kind = 63 OR (f.kind = 60 AND f.variant <> 1)
                            OR (f.kind = 67 AND f.variant = 1) THEN 1
                         WHEN f.kind = 61 THEN -1
                         WHEN f.kind = 64 AND f.variant < 64 THEN -1
                         WHEN f.kind = 65 AND f.detail = 0 THEN -1 ELSE 0 END)
                    OVER (PARTITION BY r.run, f.subject ORDER BY f.rowid) AS depth,
                f.rowid AS fact, r.first_fact AS first_fact
            FROM fact_rows f
            JOIN run_ranges r ON f.rowid BETWEEN r.first_fact AND r.last_fact
            WHERE f.kind IN (61, 63) OR (f.kind = 60 AND f.variant <> 1)
                OR (f.kind = 67 AND f.variant = 1)
                OR (f.kind = 64 AND f.variant < 64)
                OR (f.kind = 65 AND f.detail = 0)),
            told AS (SELECT run, time_ns, subject, depth, fact, first_fact, NULL AS node FROM summed
                WHERE NOT EXISTS
                    (SELECT 1 FROM side_rows d
                        WHERE d.fact = summed.fact AND d.subject = summed.subject)
            UNION ALL
            SELECT r.run, f.time_ns, d.subject, d.depth, d.fact, r.first_fact, d.node
            FROM side_rows d
            JOIN fact_rows f ON f.rowid = d.fact
            JOIN run_ranges r ON d.fact BETWEEN r.first_fact AND r.last_fact)
            SELECT t.run AS run, t.time_ns AS time_ns, s.text AS queue, t.depth AS depth,
                t.fact - t.first_fact + 1 AS fact, n.name AS node
            FROM told t
            JOIN symbols s ON s.run = t.run AND s.symbol = t.subject
            LEFT JOIN nodes n ON n.run = t.run AND n.node = t.node
            ORDER BY t.fact;
        CREATE VIEW faults AS
            SELECT run, fact, time_ns, kind, node, detail AS number FROM facts
            WHERE kind IN ('fault.began', 'fault.ended', 'node.crashed', 'node.stopped',
                'node.started', 'link.slowed', 'work.slowed', 'alarm.raised',
                'alarm.cleared');
        CREATE VIEW sums AS
            SELECT t.run AS run, k.name AS kind, n.name AS node, s.text AS subject,
                CASE WHEN t.kind IN (\(kinds { $0.peer == .node }))
                    THEN (SELECT name FROM nodes p WHERE p.run = t.run AND p.node = t.peer)
                    WHEN t.kind IN (\(kinds { $0.peer == .name })) AND t.peer > 0
                    THEN (SELECT text FROM symbols p WHERE p.run = t.run AND p.symbol = t.peer)
                END AS peer,
                t.variant AS variant, t.count AS count, t.first_ns AS first_ns,
                t.last_ns AS last_ns, t.total_ns AS total_ns
            FROM sum_rows t
            JOIN fact_kinds k ON k.kind = t.kind
            LEFT JOIN nodes n ON n.run = t.run AND n.node = t.node
            LEFT JOIN symbols s ON s.run = t.run AND s.symbol = t.subject AND t.subject > 0;
        CREATE VIEW slices AS
            SELECT c.run AS run, s.text AS queue, c.start_ns AS start_ns, c.width_ns AS width_ns,
                c.came AS came, c.sent AS sent, c.acked AS acked, c.depth AS depth,
                c.deepest AS deepest, c.deepest_ns AS deepest_ns
            FROM slice_rows c
            LEFT JOIN symbols s ON s.run = c.run AND s.symbol = c.subject AND c.subject > 0;
        """
}
