/// One side ends a connection or a channel, and says why.
///
/// - Source: AMQP 0-9-1, `connection.close` and `channel.close`, which have the same fields.
public struct Close: Sendable, Hashable {
    /// The reply code.
    public var code: UInt16
    /// The reply text.
    public var text: Octets
    /// The class of the method that was to blame, or 0.
    public var classID: UInt16
    /// That method, or 0.
    public var methodID: UInt16

    /// The method; what is left out is as the protocol has it.
    public init(
        code: UInt16 = 0,
        text: Octets = "",
        classID: UInt16 = 0,
        methodID: UInt16 = 0
    ) {
        self.code = code
        self.text = text
        self.classID = classID
        self.methodID = methodID
    }

    init(_ reader: inout WireReader) throws(WireError) {
        code = try reader.uint16()
        text = try reader.shortString()
        classID = try reader.uint16()
        methodID = try reader.uint16()
    }

    func write(_ writer: inout WireWriter) throws(WireError) {
        writer.uint16(code)
        try writer.shortString(text)
        writer.uint16(classID)
        writer.uint16(methodID)
    }
}
