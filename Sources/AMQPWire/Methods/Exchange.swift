/// Class 40: exchanges.
///
/// - Source: AMQP 0-9-1, class `exchange`, and RabbitMQ's extensions.
public enum Exchange: Sendable, Hashable {
    /// Makes an exchange, or asks whether it is there.
    case declare(Declare)
    /// It is there.
    case declareOk
    /// Deletes an exchange.
    case delete(Delete)
    /// It is gone.
    case deleteOk
    /// Binds an exchange to an exchange (RabbitMQ).
    case bind(Bind)
    /// It is bound (RabbitMQ).
    case bindOk
    /// Takes a binding between exchanges away (RabbitMQ).
    case unbind(Unbind)
    /// It is unbound (RabbitMQ); its number is 51.
    case unbindOk

    /// Makes an exchange, or asks whether it is there.
    public struct Declare: Sendable, Hashable {
        /// Reserved; 0.
        public var ticket: UInt16
        /// Its name.
        public var exchange: Octets
        /// Its type.
        public var type: Octets
        /// Only whether it is there.
        public var passive: Bool
        /// Whether it outlives the broker.
        public var durable: Bool
        /// Whether it goes with its last binding.
        public var autoDelete: Bool
        /// Whether clients may not publish to it.
        public var isInternal: Bool
        /// Whether no answer is wanted.
        public var nowait: Bool
        /// Further arguments.
        public var arguments: FieldTable

        /// The method; what is left out is as the protocol has it.
        public init(
            ticket: UInt16 = 0,
            exchange: Octets = "",
            type: Octets = "direct",
            passive: Bool = false,
            durable: Bool = false,
            autoDelete: Bool = false,
            isInternal: Bool = false,
            nowait: Bool = false,
            arguments: FieldTable = [:]
        ) {
            self.ticket = ticket
            self.exchange = exchange
            self.type = type
            self.passive = passive
            self.durable = durable
            self.autoDelete = autoDelete
            self.isInternal = isInternal
            self.nowait = nowait
            self.arguments = arguments
        }

        init(_ reader: inout WireReader) throws(WireError) {
            ticket = try reader.uint16()
            exchange = try reader.shortString()
            type = try reader.shortString()
            passive = try reader.bit()
            durable = try reader.bit()
            autoDelete = try reader.bit()
            isInternal = try reader.bit()
            nowait = try reader.bit()
            arguments = try reader.table()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.uint16(ticket)
            try writer.shortString(exchange)
            try writer.shortString(type)
            writer.bit(passive)
            writer.bit(durable)
            writer.bit(autoDelete)
            writer.bit(isInternal)
            writer.bit(nowait)
            try writer.table(arguments)
        }
    }

    /// Deletes an exchange.
    public struct Delete: Sendable, Hashable {
        /// Reserved; 0.
        public var ticket: UInt16
        /// Its name.
        public var exchange: Octets
        /// Only if nothing is bound to it.
        public var ifUnused: Bool
        /// Whether no answer is wanted.
        public var nowait: Bool

        /// The method; what is left out is as the protocol has it.
        public init(
            ticket: UInt16 = 0,
            exchange: Octets = "",
            ifUnused: Bool = false,
            nowait: Bool = false
        ) {
            self.ticket = ticket
            self.exchange = exchange
            self.ifUnused = ifUnused
            self.nowait = nowait
        }

        init(_ reader: inout WireReader) throws(WireError) {
            ticket = try reader.uint16()
            exchange = try reader.shortString()
            ifUnused = try reader.bit()
            nowait = try reader.bit()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.uint16(ticket)
            try writer.shortString(exchange)
            writer.bit(ifUnused)
            writer.bit(nowait)
        }
    }

    /// Binds an exchange to an exchange (RabbitMQ).
    public struct Bind: Sendable, Hashable {
        /// Reserved; 0.
        public var ticket: UInt16
        /// Where messages go.
        public var destination: Octets
        /// Where they come from.
        public var source: Octets
        /// The binding key.
        public var routingKey: Octets
        /// Whether no answer is wanted.
        public var nowait: Bool
        /// Further arguments.
        public var arguments: FieldTable

        /// The method; what is left out is as the protocol has it.
        public init(
            ticket: UInt16 = 0,
            destination: Octets = "",
            source: Octets = "",
            routingKey: Octets = "",
            nowait: Bool = false,
            arguments: FieldTable = [:]
        ) {
            self.ticket = ticket
            self.destination = destination
            self.source = source
            self.routingKey = routingKey
            self.nowait = nowait
            self.arguments = arguments
        }

        init(_ reader: inout WireReader) throws(WireError) {
            ticket = try reader.uint16()
            destination = try reader.shortString()
            source = try reader.shortString()
            routingKey = try reader.shortString()
            nowait = try reader.bit()
            arguments = try reader.table()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.uint16(ticket)
            try writer.shortString(destination)
            try writer.shortString(source)
            try writer.shortString(routingKey)
            writer.bit(nowait)
            try writer.table(arguments)
        }
    }

    /// Takes a binding between exchanges away (RabbitMQ).
    public typealias Unbind = Bind
}

extension Exchange {
    static var classID: UInt16 { 40 }

    var methodID: UInt16 {
        switch self {
        case .declare: 10
        case .declareOk: 11
        case .delete: 20
        case .deleteOk: 21
        case .bind: 30
        case .bindOk: 31
        case .unbind: 40
        case .unbindOk: 51
        }
    }

    init(methodID: UInt16, _ reader: inout WireReader) throws(WireError) {
        switch methodID {
        case 10: self = .declare(try Declare(&reader))
        case 11: self = .declareOk
        case 20: self = .delete(try Delete(&reader))
        case 21: self = .deleteOk
        case 30: self = .bind(try Bind(&reader))
        case 31: self = .bindOk
        case 40: self = .unbind(try Unbind(&reader))
        case 51: self = .unbindOk
        default: throw .unknownMethod(classID: Self.classID, methodID: methodID)
        }
    }

    func write(_ writer: inout WireWriter) throws(WireError) {
        switch self {
        case .declare(let method): try method.write(&writer)
        case .delete(let method): try method.write(&writer)
        case .bind(let method): try method.write(&writer)
        case .unbind(let method): try method.write(&writer)
        case .declareOk, .deleteOk, .bindOk, .unbindOk: break
        }
    }
}
