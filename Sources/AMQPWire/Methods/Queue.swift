/// Class 50: queues.
///
/// - Source: AMQP 0-9-1, class `queue`.
public enum Queue: Sendable, Hashable {
    /// Makes a queue, or asks how it is.
    case declare(Declare)
    /// It is there.
    case declareOk(DeclareOk)
    /// Binds a queue to an exchange.
    case bind(Bind)
    /// It is bound.
    case bindOk
    /// Drops what is ready in a queue.
    case purge(Purge)
    /// It is empty.
    case purgeOk(PurgeOk)
    /// Deletes a queue.
    case delete(Delete)
    /// It is gone.
    case deleteOk(DeleteOk)
    /// Takes a binding away.
    case unbind(Unbind)
    /// It is unbound.
    case unbindOk

    /// Makes a queue, or asks how it is.
    public struct Declare: Sendable, Hashable {
        /// Reserved; 0.
        public var ticket: UInt16
        /// Its name; empty to have one made.
        public var queue: Octets
        /// Only whether it is there.
        public var passive: Bool
        /// Whether it outlives the broker.
        public var durable: Bool
        /// Whether it belongs to this connection.
        public var exclusive: Bool
        /// Whether it goes with its last consumer.
        public var autoDelete: Bool
        /// Whether no answer is wanted.
        public var nowait: Bool
        /// Further arguments.
        public var arguments: FieldTable

        /// The method; what is left out is as the protocol has it.
        public init(
            ticket: UInt16 = 0,
            queue: Octets = "",
            passive: Bool = false,
            durable: Bool = false,
            exclusive: Bool = false,
            autoDelete: Bool = false,
            nowait: Bool = false,
            arguments: FieldTable = [:]
        ) {
            self.ticket = ticket
            self.queue = queue
            self.passive = passive
            self.durable = durable
            self.exclusive = exclusive
            self.autoDelete = autoDelete
            self.nowait = nowait
            self.arguments = arguments
        }

        init(_ reader: inout WireReader) throws(WireError) {
            ticket = try reader.uint16()
            queue = try reader.shortString()
            passive = try reader.bit()
            durable = try reader.bit()
            exclusive = try reader.bit()
            autoDelete = try reader.bit()
            nowait = try reader.bit()
            arguments = try reader.table()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.uint16(ticket)
            try writer.shortString(queue)
            writer.bit(passive)
            writer.bit(durable)
            writer.bit(exclusive)
            writer.bit(autoDelete)
            writer.bit(nowait)
            try writer.table(arguments)
        }
    }

    /// It is there.
    public struct DeclareOk: Sendable, Hashable {
        /// Its name.
        public var queue: Octets
        /// Messages ready in it.
        public var messageCount: UInt32
        /// Its consumers.
        public var consumerCount: UInt32

        /// The method; what is left out is as the protocol has it.
        public init(
            queue: Octets = "",
            messageCount: UInt32 = 0,
            consumerCount: UInt32 = 0
        ) {
            self.queue = queue
            self.messageCount = messageCount
            self.consumerCount = consumerCount
        }

        init(_ reader: inout WireReader) throws(WireError) {
            queue = try reader.shortString()
            messageCount = try reader.uint32()
            consumerCount = try reader.uint32()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            try writer.shortString(queue)
            writer.uint32(messageCount)
            writer.uint32(consumerCount)
        }
    }

    /// Binds a queue to an exchange.
    public struct Bind: Sendable, Hashable {
        /// Reserved; 0.
        public var ticket: UInt16
        /// Its name; empty for the last declared one.
        public var queue: Octets
        /// The exchange.
        public var exchange: Octets
        /// The binding key.
        public var routingKey: Octets
        /// Whether no answer is wanted.
        public var nowait: Bool
        /// Further arguments.
        public var arguments: FieldTable

        /// The method; what is left out is as the protocol has it.
        public init(
            ticket: UInt16 = 0,
            queue: Octets = "",
            exchange: Octets = "",
            routingKey: Octets = "",
            nowait: Bool = false,
            arguments: FieldTable = [:]
        ) {
            self.ticket = ticket
            self.queue = queue
            self.exchange = exchange
            self.routingKey = routingKey
            self.nowait = nowait
            self.arguments = arguments
        }

        init(_ reader: inout WireReader) throws(WireError) {
            ticket = try reader.uint16()
            queue = try reader.shortString()
            exchange = try reader.shortString()
            routingKey = try reader.shortString()
            nowait = try reader.bit()
            arguments = try reader.table()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.uint16(ticket)
            try writer.shortString(queue)
            try writer.shortString(exchange)
            try writer.shortString(routingKey)
            writer.bit(nowait)
            try writer.table(arguments)
        }
    }

    /// Drops what is ready in a queue.
    public struct Purge: Sendable, Hashable {
        /// Reserved; 0.
        public var ticket: UInt16
        /// Its name; empty for the last declared one.
        public var queue: Octets
        /// Whether no answer is wanted.
        public var nowait: Bool

        /// The method; what is left out is as the protocol has it.
        public init(
            ticket: UInt16 = 0,
            queue: Octets = "",
            nowait: Bool = false
        ) {
            self.ticket = ticket
            self.queue = queue
            self.nowait = nowait
        }

        init(_ reader: inout WireReader) throws(WireError) {
            ticket = try reader.uint16()
            queue = try reader.shortString()
            nowait = try reader.bit()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.uint16(ticket)
            try writer.shortString(queue)
            writer.bit(nowait)
        }
    }

    /// It is empty.
    public struct PurgeOk: Sendable, Hashable {
        /// Messages that were dropped.
        public var messageCount: UInt32

        /// The method; what is left out is as the protocol has it.
        public init(
            messageCount: UInt32 = 0
        ) {
            self.messageCount = messageCount
        }

        init(_ reader: inout WireReader) throws(WireError) {
            messageCount = try reader.uint32()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.uint32(messageCount)
        }
    }

    /// Deletes a queue.
    public struct Delete: Sendable, Hashable {
        /// Reserved; 0.
        public var ticket: UInt16
        /// Its name; empty for the last declared one.
        public var queue: Octets
        /// Only if it has no consumers.
        public var ifUnused: Bool
        /// Only if nothing is ready in it.
        public var ifEmpty: Bool
        /// Whether no answer is wanted.
        public var nowait: Bool

        /// The method; what is left out is as the protocol has it.
        public init(
            ticket: UInt16 = 0,
            queue: Octets = "",
            ifUnused: Bool = false,
            ifEmpty: Bool = false,
            nowait: Bool = false
        ) {
            self.ticket = ticket
            self.queue = queue
            self.ifUnused = ifUnused
            self.ifEmpty = ifEmpty
            self.nowait = nowait
        }

        init(_ reader: inout WireReader) throws(WireError) {
            ticket = try reader.uint16()
            queue = try reader.shortString()
            ifUnused = try reader.bit()
            ifEmpty = try reader.bit()
            nowait = try reader.bit()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.uint16(ticket)
            try writer.shortString(queue)
            writer.bit(ifUnused)
            writer.bit(ifEmpty)
            writer.bit(nowait)
        }
    }

    /// It is gone.
    public struct DeleteOk: Sendable, Hashable {
        /// Messages that went with it.
        public var messageCount: UInt32

        /// The method; what is left out is as the protocol has it.
        public init(
            messageCount: UInt32 = 0
        ) {
            self.messageCount = messageCount
        }

        init(_ reader: inout WireReader) throws(WireError) {
            messageCount = try reader.uint32()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.uint32(messageCount)
        }
    }

    /// Takes a binding away.
    public struct Unbind: Sendable, Hashable {
        /// Reserved; 0.
        public var ticket: UInt16
        /// Its name; empty for the last declared one.
        public var queue: Octets
        /// The exchange.
        public var exchange: Octets
        /// The binding key.
        public var routingKey: Octets
        /// Further arguments.
        public var arguments: FieldTable

        /// The method; what is left out is as the protocol has it.
        public init(
            ticket: UInt16 = 0,
            queue: Octets = "",
            exchange: Octets = "",
            routingKey: Octets = "",
            arguments: FieldTable = [:]
        ) {
            self.ticket = ticket
            self.queue = queue
            self.exchange = exchange
            self.routingKey = routingKey
            self.arguments = arguments
        }

        init(_ reader: inout WireReader) throws(WireError) {
            ticket = try reader.uint16()
            queue = try reader.shortString()
            exchange = try reader.shortString()
            routingKey = try reader.shortString()
            arguments = try reader.table()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.uint16(ticket)
            try writer.shortString(queue)
            try writer.shortString(exchange)
            try writer.shortString(routingKey)
            try writer.table(arguments)
        }
    }
}

extension Queue {
    static var classID: UInt16 { 50 }

    var methodID: UInt16 {
        switch self {
        case .declare: 10
        case .declareOk: 11
        case .bind: 20
        case .bindOk: 21
        case .purge: 30
        case .purgeOk: 31
        case .delete: 40
        case .deleteOk: 41
        case .unbind: 50
        case .unbindOk: 51
        }
    }

    init(methodID: UInt16, _ reader: inout WireReader) throws(WireError) {
        switch methodID {
        case 10: self = .declare(try Declare(&reader))
        case 11: self = .declareOk(try DeclareOk(&reader))
        case 20: self = .bind(try Bind(&reader))
        case 21: self = .bindOk
        case 30: self = .purge(try Purge(&reader))
        case 31: self = .purgeOk(try PurgeOk(&reader))
        case 40: self = .delete(try Delete(&reader))
        case 41: self = .deleteOk(try DeleteOk(&reader))
        case 50: self = .unbind(try Unbind(&reader))
        case 51: self = .unbindOk
        default: throw .unknownMethod(classID: Self.classID, methodID: methodID)
        }
    }

    func write(_ writer: inout WireWriter) throws(WireError) {
        switch self {
        case .declare(let method): try method.write(&writer)
        case .declareOk(let method): try method.write(&writer)
        case .bind(let method): try method.write(&writer)
        case .purge(let method): try method.write(&writer)
        case .purgeOk(let method): try method.write(&writer)
        case .delete(let method): try method.write(&writer)
        case .deleteOk(let method): try method.write(&writer)
        case .unbind(let method): try method.write(&writer)
        case .bindOk, .unbindOk: break
        }
    }
}
