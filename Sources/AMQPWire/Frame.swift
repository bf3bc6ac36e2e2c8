public import NIOCore

/// The types of frames.
public enum FrameKind: UInt8, Sendable, Hashable {
    case method = 1
    case header = 2
    case body = 3
    case heartbeat = 8
}

/// A frame, without its header and end.
public struct Frame: Sendable, Hashable {
    /// What it carries.
    public var kind: FrameKind
    /// The channel; 0 for the connection.
    public var channel: UInt16
    /// What it carries.
    public var payload: ByteBuffer

    /// Octets around a payload: type, channel, length, and the end.
    public static let overhead = 8
    /// The last octet of each frame.
    static let end: UInt8 = 206
}

/// What a client says first: "AMQP", 0, 0, 9, 1.
public enum ProtocolHeader {
    /// The octets.
    public static let bytes: [UInt8] = [0x41, 0x4D, 0x51, 0x50, 0, 0, 9, 1]
}

/// Takes octets as they come and gives frames.
///
/// It holds at most one frame that is not complete, and what came with it.
public struct FrameDecoder: Sendable {
    /// How large a frame may be, with its header and end; 0 for the most that a length can say.
    public var frameMax: UInt32
    private var buffer = ByteBuffer()
    private var failure: WireError?

    /// A decoder that has seen nothing.
    public init(frameMax: UInt32) {
        self.frameMax = frameMax
    }

    /// Octets that wait for the rest of their frame.
    public var pending: Int { buffer.readableBytes }

    /// Takes in octets.
    public mutating func append(_ bytes: ByteBuffer) {
        var bytes = bytes
        if buffer.readableBytes == 0 {
            buffer = bytes
        } else {
            buffer.discardReadBytes()
            buffer.writeBuffer(&bytes)
        }
    }

    /// The first octets if they are the header of the protocol; nil if there are not enough yet.
    ///
    /// - Throws: ``WireError/notTheProtocol(_:)``.
    public mutating func protocolHeader() throws(WireError) -> Bool {
        let wanted = ProtocolHeader.bytes
        let got = buffer.readableBytesView.prefix(wanted.count)
        guard wanted.starts(with: got) else { throw .notTheProtocol(Array(got)) }
        guard got.count == wanted.count else { return false }
        buffer.moveReaderIndex(forwardBy: wanted.count)
        return true
    }

    /// The next frame, or nil if it is not complete.
    ///
    /// After an error the decoder gives the same error for ever: nobody knows where the next frame begins.
    public mutating func next() throws(WireError) -> Frame? {
        if let failure { throw failure }
        do {
            return try take()
        } catch {
            failure = error
            buffer = ByteBuffer()
            throw error
        }
    }

    private mutating func take() throws(WireError) -> Frame? {
        let start = buffer.readerIndex
        guard let type: UInt8 = buffer.getInteger(at: start) else { return nil }
        guard let kind = FrameKind(rawValue: type) else { throw .unknownFrameType(type) }
        guard let channel: UInt16 = buffer.getInteger(at: start + 1),
            let length: UInt32 = buffer.getInteger(at: start + 3)
        else { return nil }
        let size = UInt64(length) + UInt64(Frame.overhead)
        guard frameMax == 0 || size <= UInt64(frameMax) else {
            throw .frameTooLarge(size: size, limit: UInt64(frameMax))
        }
        guard UInt64(buffer.readableBytes) >= size,
            let payload = buffer.getSlice(at: start + 7, length: Int(length)),
            let end: UInt8 = buffer.getInteger(at: start + 7 + Int(length))
        else { return nil }
        guard end == Frame.end else { throw .missingFrameEnd(end) }
        buffer.moveReaderIndex(forwardBy: Int(size))
        return Frame(kind: kind, channel: channel, payload: payload)
    }
}
