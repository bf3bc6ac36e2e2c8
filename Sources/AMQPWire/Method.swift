public import NIOCore

/// A method of AMQP 0-9-1 or of RabbitMQ's extensions.
///
/// - Source: the specification `amqp0-9-1.extended.xml`; the classes are in files of their own.
public enum Method: Sendable, Hashable {
    case connection(Connection)
    case channel(Channel)
    case access(Access)
    case exchange(Exchange)
    case queue(Queue)
    case basic(Basic)
    case confirm(Confirm)
    case tx(Tx)

    /// The number of its class.
    public var classID: UInt16 {
        switch self {
        case .connection: Connection.classID
        case .channel: Channel.classID
        case .access: Access.classID
        case .exchange: Exchange.classID
        case .queue: Queue.classID
        case .basic: Basic.classID
        case .confirm: Confirm.classID
        case .tx: Tx.classID
        }
    }

    /// Its number in its class.
    public var methodID: UInt16 {
        switch self {
        case .connection(let method): method.methodID
        case .channel(let method): method.methodID
        case .access(let method): method.methodID
        case .exchange(let method): method.methodID
        case .queue(let method): method.methodID
        case .basic(let method): method.methodID
        case .confirm(let method): method.methodID
        case .tx(let method): method.methodID
        }
    }

    /// Whether a header and a body follow it.
    public var hasContent: Bool {
        guard case .basic(let method) = self else { return false }
        return switch method {
        case .publish, .return, .deliver, .getOk: true
        default: false
        }
    }

    /// Reads the payload of a method frame.
    public init(payload: ByteBuffer) throws(WireError) {
        var reader = WireReader(payload)
        let classID = try reader.uint16()
        let methodID = try reader.uint16()
        switch classID {
        case Connection.classID:
            self = .connection(try Connection(methodID: methodID, &reader))
        case Channel.classID: self = .channel(try Channel(methodID: methodID, &reader))
        case Access.classID: self = .access(try Access(methodID: methodID, &reader))
        case Exchange.classID: self = .exchange(try Exchange(methodID: methodID, &reader))
        case Queue.classID: self = .queue(try Queue(methodID: methodID, &reader))
        case Basic.classID: self = .basic(try Basic(methodID: methodID, &reader))
        case Confirm.classID: self = .confirm(try Confirm(methodID: methodID, &reader))
        case Tx.classID: self = .tx(try Tx(methodID: methodID, &reader))
        default: throw .unknownMethod(classID: classID, methodID: methodID)
        }
        try reader.end()
    }

    /// Writes the payload of a method frame.
    func write(_ writer: inout WireWriter) throws(WireError) {
        writer.uint16(classID)
        writer.uint16(methodID)
        switch self {
        case .connection(let method): try method.write(&writer)
        case .channel(let method): try method.write(&writer)
        case .access(let method): try method.write(&writer)
        case .exchange(let method): try method.write(&writer)
        case .queue(let method): try method.write(&writer)
        case .basic(let method): try method.write(&writer)
        case .confirm(let method): try method.write(&writer)
        case .tx(let method): try method.write(&writer)
        }
        writer.flushBits()
    }
}

/// Its name, as RabbitMQ writes it: `basic.publish`, `queue.declare-ok`.
extension Method: CustomStringConvertible {
    public var description: String {
        let (group, method): (String, String) =
            switch self {
            case .connection(let method): ("connection", "\(method)")
            case .channel(let method): ("channel", "\(method)")
            case .access(let method): ("access", "\(method)")
            case .exchange(let method): ("exchange", "\(method)")
            case .queue(let method): ("queue", "\(method)")
            case .basic(let method): ("basic", "\(method)")
            case .confirm(let method): ("confirm", "\(method)")
            case .tx(let method): ("tx", "\(method)")
            }
        let word = method.prefix { $0 != "(" }
        let words = word.flatMap { $0.isUppercase ? "-" + $0.lowercased() : String($0) }
        return "\(group).\(String(words))"
    }
}
