import Foundation
import GRDBSQLite

/// What a plain prepared one-row insert loop reaches with rows like ours: the yardstick of the recorder.
enum RawInsert {
    static func run(_ rows: Int, _ path: String) -> Sample {
        var database: OpaquePointer?
        var statement: OpaquePointer?
        sqlite3_open_v2(
            path,
            &database,
            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
            nil
        )
        sqlite3_exec(
            database,
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
            nil,
            nil,
            nil
        )
        sqlite3_exec(
            database,
            "CREATE TABLE f (a, b, c, d, e, f, g, h, i, j)",
            nil,
            nil,
            nil
        )
        sqlite3_prepare_v2(
            database,
            "INSERT INTO f VALUES (?,?,?,?,?,?,?,?,?,?)",
            -1,
            &statement,
            nil
        )
        let seconds = Clock.seconds {
            sqlite3_exec(database, "BEGIN", nil, nil, nil)
            for row in 0..<Int64(rows) {
                sqlite3_bind_int64(statement, 1, row * 131_072)
                sqlite3_bind_int64(statement, 2, 60 + row % 5)
                sqlite3_bind_int64(statement, 3, 0)
                sqlite3_bind_int64(statement, 4, row % 17)
                sqlite3_bind_int64(statement, 5, row / 8)
                sqlite3_bind_int64(statement, 6, 20 + row % 3)
                sqlite3_bind_int64(statement, 7, row % 13)
                sqlite3_bind_int64(statement, 8, row)
                sqlite3_bind_int64(statement, 9, row % 40)
                sqlite3_bind_int64(statement, 10, row % 1000)
                sqlite3_step(statement)
                sqlite3_reset(statement)
            }
            sqlite3_exec(database, "COMMIT", nil, nil, nil)
        }
        sqlite3_finalize(statement)
        sqlite3_close(database)
        return Sample(count: rows, seconds: seconds)
    }
}
