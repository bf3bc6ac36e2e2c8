/// What cannot be read from the wire, or not be written to it.
///
/// - Source: AMQP 0-9-1, "General protocol rules"; the reply codes are in ``replyCode``.
public enum WireError: Error, Sendable, Hashable {
    /// A value ends before its length says so.
    case truncated
    /// A method or a header has more octets than its fields.
    case trailingOctets(Int)
    /// A frame of a type that is not 1, 2, 3 or 8.
    case unknownFrameType(UInt8)
    /// A frame does not end with 206.
    case missingFrameEnd(UInt8)
    /// A frame with its header and end is larger than frame_max.
    case frameTooLarge(size: UInt64, limit: UInt64)
    /// What came first is not the protocol's header; the octets that came.
    case notTheProtocol([UInt8])
    /// A class and method that AMQP 0-9-1 and RabbitMQ do not have.
    case unknownMethod(classID: UInt16, methodID: UInt16)
    /// A field of a table or array of a type that RabbitMQ does not know.
    case unknownFieldType(UInt8)
    /// A table or an array does not end where its length says.
    case lengthDoesNotFit
    /// Tables in tables, too deep.
    case tooDeep(limit: Int)
    /// A content header of another class than its method.
    case wrongContentClass(UInt16)
    /// A content header whose property flags say more than the class has.
    case unknownPropertyFlags(UInt16)
    /// A frame that does not fit what came before it on its channel.
    case unexpectedFrame(FrameKind)
    /// A body larger than its header says.
    case bodyTooLong(UInt64)
    /// A body larger than the limit.
    case bodyTooLarge(size: UInt64, limit: UInt64)
    /// A method frame on a channel that it does not belong to: connection methods are on channel 0 only.
    case wrongChannel(UInt16)
    /// A short string of more than 255 octets.
    case shortStringTooLong(Int)

    /// The reply code that a peer would close the connection with.
    ///
    /// - Source: AMQP 0-9-1, "Reply codes"; rabbitmq-server `rabbit_reader.erl`, `rabbit_command_assembler.erl`.
    public var replyCode: UInt16 {
        switch self {
        case .truncated, .trailingOctets, .lengthDoesNotFit, .unknownFieldType, .shortStringTooLong,
            .tooDeep, .unknownPropertyFlags:
            502
        case .unknownFrameType, .missingFrameEnd, .frameTooLarge, .notTheProtocol, .bodyTooLong,
            .bodyTooLarge:
            501
        case .unknownMethod: 503
        case .wrongContentClass, .unexpectedFrame: 505
        case .wrongChannel: 504
        }
    }
}

/// A sentence.
extension WireError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .truncated: "a value ends before its length says so"
        case .trailingOctets(let count): "\(count) octets follow the last field"
        case .unknownFrameType(let type): "frame type \(type) does not exist"
        case .missingFrameEnd(let octet): "a frame ends with \(octet) instead of 206"
        case .frameTooLarge(let size, let limit):
            "a frame of \(size) octets, where \(limit) are the most"
        case .notTheProtocol(let octets): "\(octets) is not the header of AMQP 0-9-1"
        case .unknownMethod(let classID, let methodID):
            "class \(classID) has no method \(methodID)"
        case .unknownFieldType(let type):
            "field type '\(Character(Unicode.Scalar(type)))' (\(type)) does not exist"
        case .lengthDoesNotFit: "a table or an array does not end where its length says"
        case .tooDeep(let limit): "tables and arrays more than \(limit) deep"
        case .wrongContentClass(let classID): "class \(classID) has no content"
        case .unknownPropertyFlags(let flags): "property flags \(flags) do not exist"
        case .unexpectedFrame(let kind): "a \(kind) frame does not fit what came before it"
        case .bodyTooLong(let size): "more body than the \(size) octets of its header"
        case .bodyTooLarge(let size, let limit):
            "a body of \(size) octets, where \(limit) are the most"
        case .wrongChannel(let channel): "the method does not belong on channel \(channel)"
        case .shortStringTooLong(let count):
            "a short string of \(count) octets, where 255 are the most"
        }
    }
}
