/// What consumers say and hear: limits, consumers, acknowledgements.
extension Basic {
    /// Limits what is unacknowledged.
    public struct Qos: Sendable, Hashable {
        /// Octets; RabbitMQ knows only 0.
        public var prefetchSize: UInt32
        /// Deliveries; 0 for no limit.
        public var prefetchCount: UInt16
        /// For the channel as a whole (RabbitMQ).
        public var global: Bool

        /// The method; what is left out is as the protocol has it.
        public init(
            prefetchSize: UInt32 = 0,
            prefetchCount: UInt16 = 0,
            global: Bool = false
        ) {
            self.prefetchSize = prefetchSize
            self.prefetchCount = prefetchCount
            self.global = global
        }

        init(_ reader: inout WireReader) throws(WireError) {
            prefetchSize = try reader.uint32()
            prefetchCount = try reader.uint16()
            global = try reader.bit()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.uint32(prefetchSize)
            writer.uint16(prefetchCount)
            writer.bit(global)
        }
    }

    /// Begins to consume.
    public struct Consume: Sendable, Hashable {
        /// Reserved; 0.
        public var ticket: UInt16
        /// The queue; empty for the last declared one.
        public var queue: Octets
        /// The name of the consumer; empty to have one made.
        public var consumerTag: Octets
        /// Reserved by RabbitMQ.
        public var noLocal: Bool
        /// Whether a delivery is settled by sending it.
        public var noAck: Bool
        /// Whether nobody else may consume.
        public var exclusive: Bool
        /// Whether no answer is wanted.
        public var nowait: Bool
        /// Further arguments.
        public var arguments: FieldTable

        /// The method; what is left out is as the protocol has it.
        public init(
            ticket: UInt16 = 0,
            queue: Octets = "",
            consumerTag: Octets = "",
            noLocal: Bool = false,
            noAck: Bool = false,
            exclusive: Bool = false,
            nowait: Bool = false,
            arguments: FieldTable = [:]
        ) {
            self.ticket = ticket
            self.queue = queue
            self.consumerTag = consumerTag
            self.noLocal = noLocal
            self.noAck = noAck
            self.exclusive = exclusive
            self.nowait = nowait
            self.arguments = arguments
        }

        init(_ reader: inout WireReader) throws(WireError) {
            ticket = try reader.uint16()
            queue = try reader.shortString()
            consumerTag = try reader.shortString()
            noLocal = try reader.bit()
            noAck = try reader.bit()
            exclusive = try reader.bit()
            nowait = try reader.bit()
            arguments = try reader.table()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.uint16(ticket)
            try writer.shortString(queue)
            try writer.shortString(consumerTag)
            writer.bit(noLocal)
            writer.bit(noAck)
            writer.bit(exclusive)
            writer.bit(nowait)
            try writer.table(arguments)
        }
    }

    /// The consumer is there.
    public struct ConsumeOk: Sendable, Hashable {
        /// Its name.
        public var consumerTag: Octets

        /// The method; what is left out is as the protocol has it.
        public init(
            consumerTag: Octets = ""
        ) {
            self.consumerTag = consumerTag
        }

        init(_ reader: inout WireReader) throws(WireError) {
            consumerTag = try reader.shortString()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            try writer.shortString(consumerTag)
        }
    }

    /// Ends a consumer; RabbitMQ says it as well, when a queue goes.
    public struct Cancel: Sendable, Hashable {
        /// Its name.
        public var consumerTag: Octets
        /// Whether no answer is wanted.
        public var nowait: Bool

        /// The method; what is left out is as the protocol has it.
        public init(
            consumerTag: Octets = "",
            nowait: Bool = false
        ) {
            self.consumerTag = consumerTag
            self.nowait = nowait
        }

        init(_ reader: inout WireReader) throws(WireError) {
            consumerTag = try reader.shortString()
            nowait = try reader.bit()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            try writer.shortString(consumerTag)
            writer.bit(nowait)
        }
    }

    /// It is gone.
    public struct CancelOk: Sendable, Hashable {
        /// Its name.
        public var consumerTag: Octets

        /// The method; what is left out is as the protocol has it.
        public init(
            consumerTag: Octets = ""
        ) {
            self.consumerTag = consumerTag
        }

        init(_ reader: inout WireReader) throws(WireError) {
            consumerTag = try reader.shortString()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            try writer.shortString(consumerTag)
        }
    }

    /// Settles deliveries; RabbitMQ says it as well, to confirm.
    public struct Ack: Sendable, Hashable {
        /// The delivery, or the publication.
        public var deliveryTag: UInt64
        /// All up to this one.
        public var multiple: Bool

        /// The method; what is left out is as the protocol has it.
        public init(
            deliveryTag: UInt64 = 0,
            multiple: Bool = false
        ) {
            self.deliveryTag = deliveryTag
            self.multiple = multiple
        }

        init(_ reader: inout WireReader) throws(WireError) {
            deliveryTag = try reader.uint64()
            multiple = try reader.bit()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.uint64(deliveryTag)
            writer.bit(multiple)
        }
    }

    /// Refuses a delivery.
    public struct Reject: Sendable, Hashable {
        /// The delivery.
        public var deliveryTag: UInt64
        /// Whether it goes back to the queue.
        public var requeue: Bool

        /// The method; what is left out is as the protocol has it.
        public init(
            deliveryTag: UInt64 = 0,
            requeue: Bool = false
        ) {
            self.deliveryTag = deliveryTag
            self.requeue = requeue
        }

        init(_ reader: inout WireReader) throws(WireError) {
            deliveryTag = try reader.uint64()
            requeue = try reader.bit()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.uint64(deliveryTag)
            writer.bit(requeue)
        }
    }

    /// Has everything unacknowledged sent again, without an answer.
    public typealias RecoverAsync = Recover

    /// Has everything unacknowledged sent again.
    public struct Recover: Sendable, Hashable {
        /// Whether it goes back to the queue.
        public var requeue: Bool

        /// The method; what is left out is as the protocol has it.
        public init(
            requeue: Bool = false
        ) {
            self.requeue = requeue
        }

        init(_ reader: inout WireReader) throws(WireError) {
            requeue = try reader.bit()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.bit(requeue)
        }
    }

    /// Refuses deliveries; RabbitMQ says it as well, to refuse a publication (RabbitMQ).
    public struct Nack: Sendable, Hashable {
        /// The delivery, or the publication.
        public var deliveryTag: UInt64
        /// All up to this one.
        public var multiple: Bool
        /// Whether they go back to the queue.
        public var requeue: Bool

        /// The method; what is left out is as the protocol has it.
        public init(
            deliveryTag: UInt64 = 0,
            multiple: Bool = false,
            requeue: Bool = false
        ) {
            self.deliveryTag = deliveryTag
            self.multiple = multiple
            self.requeue = requeue
        }

        init(_ reader: inout WireReader) throws(WireError) {
            deliveryTag = try reader.uint64()
            multiple = try reader.bit()
            requeue = try reader.bit()
        }

        func write(_ writer: inout WireWriter) throws(WireError) {
            writer.uint64(deliveryTag)
            writer.bit(multiple)
            writer.bit(requeue)
        }
    }
}
