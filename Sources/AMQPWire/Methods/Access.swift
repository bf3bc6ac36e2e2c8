/// Class 30: access tickets, which RabbitMQ grants and forgets.
///
/// - Source: AMQP 0-9-1, class `access`.
public enum Access: Sendable, Hashable {
    /// The client asks for a ticket.
    case request(Request)
    /// It has one.
    case requestOk(RequestOk)

    /// The client asks for a ticket.
    public struct Request: Sendable, Hashable {
        /// For what.
        public var realm: Octets
        /// Alone.
        public var exclusive: Bool
        /// To look.
        public var passive: Bool
        /// To do.
        public var active: Bool
        /// To write.
        public var write: Bool
        /// To read.
        public var read: Bool

        /// The method; what is left out is as the protocol has it.
        public init(
            realm: Octets = "",
            exclusive: Bool = false,
            passive: Bool = true,
            active: Bool = true,
            write: Bool = true,
            read: Bool = true
        ) {
            self.realm = realm
            self.exclusive = exclusive
            self.passive = passive
            self.active = active
            self.write = write
            self.read = read
        }

        init(_ reader: inout WireReader) throws(WireError) {
            realm = try reader.shortString()
            exclusive = try reader.bit()
            passive = try reader.bit()
            active = try reader.bit()
            write = try reader.bit()
            read = try reader.bit()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            try writer.shortString(realm)
            writer.bit(exclusive)
            writer.bit(passive)
            writer.bit(active)
            writer.bit(write)
            writer.bit(read)
        }
    }

    /// It has one.
    public struct RequestOk: Sendable, Hashable {
        /// The ticket.
        public var ticket: UInt16

        /// The method; what is left out is as the protocol has it.
        public init(
            ticket: UInt16 = 1
        ) {
            self.ticket = ticket
        }

        init(_ reader: inout WireReader) throws(WireError) {
            ticket = try reader.uint16()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.uint16(ticket)
        }
    }
}

extension Access {
    static var classID: UInt16 { 30 }

    var methodID: UInt16 {
        switch self {
        case .request: 10
        case .requestOk: 11
        }
    }

    init(methodID: UInt16, _ reader: inout WireReader) throws(WireError) {
        switch methodID {
        case 10: self = .request(try Request(&reader))
        case 11: self = .requestOk(try RequestOk(&reader))
        default: throw .unknownMethod(classID: Self.classID, methodID: methodID)
        }
    }

    func write(_ writer: inout WireWriter) throws(WireError) {
        switch self {
        case .request(let method): try method.write(&writer)
        case .requestOk(let method): try method.write(&writer)
        }
    }
}
