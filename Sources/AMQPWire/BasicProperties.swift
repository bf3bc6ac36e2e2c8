/// The properties of a message, each only if it was given.
///
/// - Source: AMQP 0-9-1, class `basic`; all fourteen, in the order of the wire.
public struct BasicProperties: Sendable, Hashable {
    public var contentType: Octets?
    public var contentEncoding: Octets?
    public var headers: FieldTable?
    /// 1 for transient, 2 for persistent.
    public var deliveryMode: UInt8?
    public var priority: UInt8?
    public var correlationID: Octets?
    public var replyTo: Octets?
    /// Milliseconds, as text.
    public var expiration: Octets?
    public var messageID: Octets?
    /// Seconds since 1970.
    public var timestamp: UInt64?
    public var type: Octets?
    public var userID: Octets?
    public var appID: Octets?
    /// Reserved by the protocol, passed on by RabbitMQ.
    public var clusterID: Octets?

    /// No property.
    public init() {}

    /// Whether there is none.
    public var isEmpty: Bool { flags == 0 }

    /// One bit a property, the first in the highest bit.
    private var flags: UInt16 {
        var flags: UInt16 = 0
        func note(_ isThere: Bool, _ bit: UInt16) { if isThere { flags |= 1 << bit } }
        note(contentType != nil, 15)
        note(contentEncoding != nil, 14)
        note(headers != nil, 13)
        note(deliveryMode != nil, 12)
        note(priority != nil, 11)
        note(correlationID != nil, 10)
        note(replyTo != nil, 9)
        note(expiration != nil, 8)
        note(messageID != nil, 7)
        note(timestamp != nil, 6)
        note(type != nil, 5)
        note(userID != nil, 4)
        note(appID != nil, 3)
        note(clusterID != nil, 2)
        return flags
    }

    init(_ reader: inout WireReader) throws(WireError) {
        let flags = try reader.uint16()
        guard flags & 0b11 == 0 else { throw .unknownPropertyFlags(flags) }
        func has(_ bit: UInt16) -> Bool { flags & 1 << bit != 0 }
        if has(15) { contentType = try reader.shortString() }
        if has(14) { contentEncoding = try reader.shortString() }
        if has(13) { headers = try reader.table() }
        if has(12) { deliveryMode = try reader.uint8() }
        if has(11) { priority = try reader.uint8() }
        if has(10) { correlationID = try reader.shortString() }
        if has(9) { replyTo = try reader.shortString() }
        if has(8) { expiration = try reader.shortString() }
        if has(7) { messageID = try reader.shortString() }
        if has(6) { timestamp = try reader.uint64() }
        if has(5) { type = try reader.shortString() }
        if has(4) { userID = try reader.shortString() }
        if has(3) { appID = try reader.shortString() }
        if has(2) { clusterID = try reader.shortString() }
    }

    func write(_ writer: inout WireWriter) throws(WireError) {
        writer.uint16(flags)
        func string(_ value: Octets?) throws(WireError) {
            if let value { try writer.shortString(value) }
        }
        try string(contentType)
        try string(contentEncoding)
        if let headers { try writer.table(headers) }
        if let deliveryMode { writer.uint8(deliveryMode) }
        if let priority { writer.uint8(priority) }
        try string(correlationID)
        try string(replyTo)
        try string(expiration)
        try string(messageID)
        if let timestamp { writer.uint64(timestamp) }
        try string(type)
        try string(userID)
        try string(appID)
        try string(clusterID)
    }
}
