/// Class 85: publisher confirms (RabbitMQ).
///
/// - Source: AMQP 0-9-1, class `confirm`, and RabbitMQ's extensions.
public enum Confirm: Sendable, Hashable {
    /// Asks for confirms.
    case select(Select)
    /// There will be confirms.
    case selectOk

    /// Asks for confirms.
    public struct Select: Sendable, Hashable {
        /// Whether no answer is wanted.
        public var nowait: Bool

        /// The method; what is left out is as the protocol has it.
        public init(
            nowait: Bool = false
        ) {
            self.nowait = nowait
        }

        init(_ reader: inout WireReader) throws(WireError) {
            nowait = try reader.bit()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.bit(nowait)
        }
    }
}

extension Confirm {
    static var classID: UInt16 { 85 }

    var methodID: UInt16 {
        switch self {
        case .select: 10
        case .selectOk: 11
        }
    }

    init(methodID: UInt16, _ reader: inout WireReader) throws(WireError) {
        switch methodID {
        case 10: self = .select(try Select(&reader))
        case 11: self = .selectOk
        default: throw .unknownMethod(classID: Self.classID, methodID: methodID)
        }
    }

    func write(_ writer: inout WireWriter) throws(WireError) {
        switch self {
        case .select(let method): try method.write(&writer)
        case .selectOk: break
        }
    }
}
