/// Class 60: messages.
///
/// - Source: AMQP 0-9-1, class `basic`, and RabbitMQ's extensions.
public enum Basic: Sendable, Hashable {
    /// Limits what is unacknowledged.
    case qos(Qos)
    /// The limit holds.
    case qosOk
    /// Begins to consume.
    case consume(Consume)
    /// The consumer is there.
    case consumeOk(ConsumeOk)
    /// Ends a consumer; RabbitMQ says it as well, when a queue goes.
    case cancel(Cancel)
    /// It is gone.
    case cancelOk(CancelOk)
    /// Publishes a message; content follows.
    case publish(Publish)
    /// A message comes back; content follows.
    case `return`(Return)
    /// A consumer gets a message; content follows.
    case deliver(Deliver)
    /// Fetches one message.
    case get(Get)
    /// There is one; content follows.
    case getOk(GetOk)
    /// There is none.
    case getEmpty
    /// Settles deliveries; RabbitMQ says it as well, to confirm.
    case ack(Ack)
    /// Refuses a delivery.
    case reject(Reject)
    /// Has everything unacknowledged sent again, without an answer.
    case recoverAsync(RecoverAsync)
    /// Has everything unacknowledged sent again.
    case recover(Recover)
    /// It is on its way.
    case recoverOk
    /// Refuses deliveries; RabbitMQ says it as well, to refuse a publication (RabbitMQ).
    case nack(Nack)

    /// Publishes a message; content follows.
    public struct Publish: Sendable, Hashable {
        /// Reserved; 0.
        public var ticket: UInt16
        /// The exchange; empty for the default one.
        public var exchange: Octets
        /// The routing key.
        public var routingKey: Octets
        /// Whether it comes back if no queue gets it.
        public var mandatory: Bool
        /// Refused by RabbitMQ.
        public var immediate: Bool

        /// The method; what is left out is as the protocol has it.
        public init(
            ticket: UInt16 = 0,
            exchange: Octets = "",
            routingKey: Octets = "",
            mandatory: Bool = false,
            immediate: Bool = false
        ) {
            self.ticket = ticket
            self.exchange = exchange
            self.routingKey = routingKey
            self.mandatory = mandatory
            self.immediate = immediate
        }

        init(_ reader: inout WireReader) throws(WireError) {
            ticket = try reader.uint16()
            exchange = try reader.shortString()
            routingKey = try reader.shortString()
            mandatory = try reader.bit()
            immediate = try reader.bit()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.uint16(ticket)
            try writer.shortString(exchange)
            try writer.shortString(routingKey)
            writer.bit(mandatory)
            writer.bit(immediate)
        }
    }

    /// A message comes back; content follows.
    public struct Return: Sendable, Hashable {
        /// The reply code.
        public var code: UInt16
        /// The reply text.
        public var text: Octets
        /// Where it was published.
        public var exchange: Octets
        /// With which key.
        public var routingKey: Octets

        /// The method; what is left out is as the protocol has it.
        public init(
            code: UInt16 = 0,
            text: Octets = "",
            exchange: Octets = "",
            routingKey: Octets = ""
        ) {
            self.code = code
            self.text = text
            self.exchange = exchange
            self.routingKey = routingKey
        }

        init(_ reader: inout WireReader) throws(WireError) {
            code = try reader.uint16()
            text = try reader.shortString()
            exchange = try reader.shortString()
            routingKey = try reader.shortString()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.uint16(code)
            try writer.shortString(text)
            try writer.shortString(exchange)
            try writer.shortString(routingKey)
        }
    }

    /// A consumer gets a message; content follows.
    public struct Deliver: Sendable, Hashable {
        /// The consumer.
        public var consumerTag: Octets
        /// The number of the delivery on its channel, from 1.
        public var deliveryTag: UInt64
        /// Whether it was out before.
        public var redelivered: Bool
        /// Where it was published.
        public var exchange: Octets
        /// With which key.
        public var routingKey: Octets

        /// The method; what is left out is as the protocol has it.
        public init(
            consumerTag: Octets = "",
            deliveryTag: UInt64 = 0,
            redelivered: Bool = false,
            exchange: Octets = "",
            routingKey: Octets = ""
        ) {
            self.consumerTag = consumerTag
            self.deliveryTag = deliveryTag
            self.redelivered = redelivered
            self.exchange = exchange
            self.routingKey = routingKey
        }

        init(_ reader: inout WireReader) throws(WireError) {
            consumerTag = try reader.shortString()
            deliveryTag = try reader.uint64()
            redelivered = try reader.bit()
            exchange = try reader.shortString()
            routingKey = try reader.shortString()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            try writer.shortString(consumerTag)
            writer.uint64(deliveryTag)
            writer.bit(redelivered)
            try writer.shortString(exchange)
            try writer.shortString(routingKey)
        }
    }

    /// Fetches one message.
    public struct Get: Sendable, Hashable {
        /// Reserved; 0.
        public var ticket: UInt16
        /// The queue; empty for the last declared one.
        public var queue: Octets
        /// Whether it is settled by sending it.
        public var noAck: Bool

        /// The method; what is left out is as the protocol has it.
        public init(
            ticket: UInt16 = 0,
            queue: Octets = "",
            noAck: Bool = false
        ) {
            self.ticket = ticket
            self.queue = queue
            self.noAck = noAck
        }

        init(_ reader: inout WireReader) throws(WireError) {
            ticket = try reader.uint16()
            queue = try reader.shortString()
            noAck = try reader.bit()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.uint16(ticket)
            try writer.shortString(queue)
            writer.bit(noAck)
        }
    }

    /// There is one; content follows.
    public struct GetOk: Sendable, Hashable {
        /// The number of the delivery on its channel, from 1.
        public var deliveryTag: UInt64
        /// Whether it was out before.
        public var redelivered: Bool
        /// Where it was published.
        public var exchange: Octets
        /// With which key.
        public var routingKey: Octets
        /// Messages that are left.
        public var messageCount: UInt32

        /// The method; what is left out is as the protocol has it.
        public init(
            deliveryTag: UInt64 = 0,
            redelivered: Bool = false,
            exchange: Octets = "",
            routingKey: Octets = "",
            messageCount: UInt32 = 0
        ) {
            self.deliveryTag = deliveryTag
            self.redelivered = redelivered
            self.exchange = exchange
            self.routingKey = routingKey
            self.messageCount = messageCount
        }

        init(_ reader: inout WireReader) throws(WireError) {
            deliveryTag = try reader.uint64()
            redelivered = try reader.bit()
            exchange = try reader.shortString()
            routingKey = try reader.shortString()
            messageCount = try reader.uint32()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.uint64(deliveryTag)
            writer.bit(redelivered)
            try writer.shortString(exchange)
            try writer.shortString(routingKey)
            writer.uint32(messageCount)
        }
    }
}

extension Basic {
    static var classID: UInt16 { 60 }

    var methodID: UInt16 {
        switch self {
        case .qos: 10
        case .qosOk: 11
        case .consume: 20
        case .consumeOk: 21
        case .cancel: 30
        case .cancelOk: 31
        case .publish: 40
        case .return: 50
        case .deliver: 60
        case .get: 70
        case .getOk: 71
        case .getEmpty: 72
        case .ack: 80
        case .reject: 90
        case .recoverAsync: 100
        case .recover: 110
        case .recoverOk: 111
        case .nack: 120
        }
    }

    init(methodID: UInt16, _ reader: inout WireReader) throws(WireError) {
        switch methodID {
        case 10: self = .qos(try Qos(&reader))
        case 11: self = .qosOk
        case 20: self = .consume(try Consume(&reader))
        case 21: self = .consumeOk(try ConsumeOk(&reader))
        case 30: self = .cancel(try Cancel(&reader))
        case 31: self = .cancelOk(try CancelOk(&reader))
        case 40: self = .publish(try Publish(&reader))
        case 50: self = .return(try Return(&reader))
        case 60: self = .deliver(try Deliver(&reader))
        case 70: self = .get(try Get(&reader))
        case 71: self = .getOk(try GetOk(&reader))
        case 72:
            _ = try reader.shortString()
            self = .getEmpty
        case 80: self = .ack(try Ack(&reader))
        case 90: self = .reject(try Reject(&reader))
        case 100: self = .recoverAsync(try RecoverAsync(&reader))
        case 110: self = .recover(try Recover(&reader))
        case 111: self = .recoverOk
        case 120: self = .nack(try Nack(&reader))
        default: throw .unknownMethod(classID: Self.classID, methodID: methodID)
        }
    }

    func write(_ writer: inout WireWriter) throws(WireError) {
        switch self {
        case .qos(let method): try method.write(&writer)
        case .consume(let method): try method.write(&writer)
        case .consumeOk(let method): try method.write(&writer)
        case .cancel(let method): try method.write(&writer)
        case .cancelOk(let method): try method.write(&writer)
        case .publish(let method): try method.write(&writer)
        case .return(let method): try method.write(&writer)
        case .deliver(let method): try method.write(&writer)
        case .get(let method): try method.write(&writer)
        case .getOk(let method): try method.write(&writer)
        case .getEmpty:
            try writer.shortString("")
        case .ack(let method): try method.write(&writer)
        case .reject(let method): try method.write(&writer)
        case .recoverAsync(let method): try method.write(&writer)
        case .recover(let method): try method.write(&writer)
        case .nack(let method): try method.write(&writer)
        case .qosOk, .recoverOk: break
        }
    }
}
