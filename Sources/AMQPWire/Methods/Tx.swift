/// Class 90: transactions.
///
/// - Source: AMQP 0-9-1, class `tx`.
public enum Tx: Sendable, Hashable {
    /// Makes a channel transactional.
    case select
    /// It is.
    case selectOk
    /// Commits.
    case commit
    /// It is done.
    case commitOk
    /// Rolls back.
    case rollback
    /// It is undone.
    case rollbackOk

}

extension Tx {
    static var classID: UInt16 { 90 }

    var methodID: UInt16 {
        switch self {
        case .select: 10
        case .selectOk: 11
        case .commit: 20
        case .commitOk: 21
        case .rollback: 30
        case .rollbackOk: 31
        }
    }

    init(methodID: UInt16, _ reader: inout WireReader) throws(WireError) {
        switch methodID {
        case 10: self = .select
        case 11: self = .selectOk
        case 20: self = .commit
        case 21: self = .commitOk
        case 30: self = .rollback
        case 31: self = .rollbackOk
        default: throw .unknownMethod(classID: Self.classID, methodID: methodID)
        }
    }

    func write(_ writer: inout WireWriter) throws(WireError) {
        switch self {
        case .select, .selectOk, .commit, .commitOk, .rollback, .rollbackOk: break
        }
    }
}
