import GRDB

/// Why a trace cannot be written or read.
public enum StoreError: Error, CustomStringConvertible, Sendable {
    /// The file cannot be opened.
    case cannotOpen(String, String)
    /// Writing failed half-way.
    case cannotWrite(String, String)
    /// Another program keeps it locked.
    case busy(String)
    /// It is an SQLite file of somebody else.
    case notATrace(String)
    /// It was written by a later Warren.
    case fromTheFuture(String, Int)
    /// It has no run, or not the one that was asked for.
    case noRun(String)
    /// A statement that a person wrote is wrong.
    case badSQL(String)

    /// The sentence.
    public var description: String {
        switch self {
        case .cannotOpen(let path, let reason):
            "the trace \(path) cannot be opened: \(reason)"
        case .cannotWrite(let path, let reason):
            "the trace \(path) cannot be written: \(reason); what was written so far is readable"
        case .busy(let path):
            "the trace \(path) is held by another program that reads or writes it"
        case .notATrace(let path):
            "\(path) is not a trace of Warren; choose another path"
        case .fromTheFuture(let path, let version):
            "\(path) was written by a later Warren (format \(version)); this one reads up to \(Schema.version)"
        case .noRun(let what):
            what
        case .badSQL(let reason):
            "the statement failed: \(reason)"
        }
    }

    static func reason(_ error: any Error) -> String {
        guard let error = error as? DatabaseError else { return "\(error)" }
        switch error.resultCode {
        case .SQLITE_FULL: return "the disk is full"
        case .SQLITE_READONLY, .SQLITE_PERM: return "it may not be written"
        case .SQLITE_CANTOPEN: return "the folder does not exist or may not be written"
        case .SQLITE_NOTADB: return "it is not an SQLite file"
        case .SQLITE_IOERR: return "the disk reports an error"
        default: return error.message ?? "\(error.resultCode)"
        }
    }
}
