public import NIOCore

/// A message: properties and a body.
public struct Content: Sendable, Hashable {
    /// Its properties.
    public var properties: BasicProperties
    /// Its body.
    public var body: ByteBuffer

    /// A message.
    public init(properties: BasicProperties = BasicProperties(), body: ByteBuffer = ByteBuffer()) {
        self.properties = properties
        self.body = body
    }
}

/// What one side says to the other: a method, and the message that belongs to it.
public struct Command: Sendable, Hashable {
    /// The channel; 0 for the connection.
    public var channel: UInt16
    /// The method.
    public var method: Method
    /// The message, if the method has one.
    public var content: Content?

    /// A command; a method with content gets an empty message if none is given.
    public init(_ method: Method, channel: UInt16, content: Content? = nil) {
        self.method = method
        self.channel = channel
        self.content = method.hasContent ? content ?? Content() : nil
    }
}

/// Makes commands of the frames of one channel.
///
/// - Source: AMQP 0-9-1, section 2.3.5.2 (content framing); rabbitmq-server `rabbit_command_assembler.erl`.
public struct CommandAssembler: Sendable {
    /// What comes next.
    private enum Expectation: Sendable { case method, header, body }

    /// How large a body may be, in octets.
    public var bodyMax: UInt64
    private var expectation = Expectation.method
    /// The method whose content comes, and as much of it as has come.
    private var method: Method?
    private var content = Content()
    /// How much of the body is missing.
    private var missing: UInt64 = 0

    /// An assembler of a channel on which nothing was said.
    ///
    /// `bodyMax` is 128 MiB unless it is given, as a RabbitMQ's.
    public init(bodyMax: UInt64 = 134_217_728) {
        self.bodyMax = bodyMax
    }

    /// Takes a frame of the channel.
    ///
    /// - Returns: the command that it completes, if it does.
    public mutating func take(_ frame: Frame) throws(WireError) -> Command? {
        switch (frame.kind, expectation) {
        case (.method, .method):
            let method = try Method(payload: frame.payload)
            if case .connection = method {
                guard frame.channel == 0 else { throw .wrongChannel(frame.channel) }
            } else if frame.channel == 0 {
                throw .wrongChannel(0)
            }
            guard method.hasContent else { return Command(method, channel: frame.channel) }
            self.method = method
            expectation = .header
            return nil
        case (.header, .header):
            try begin(frame)
            return missing == 0 ? finish(frame.channel) : nil
        case (.body, .body):
            let count = UInt64(frame.payload.readableBytes)
            guard count <= missing else {
                throw .bodyTooLong(UInt64(content.body.readableBytes) + missing)
            }
            if content.body.readableBytes == 0 {
                content.body = frame.payload
            } else {
                content.body.writeImmutableBuffer(frame.payload)
            }
            missing -= count
            return missing == 0 ? finish(frame.channel) : nil
        case (.method, _), (.header, _), (.body, _), (.heartbeat, _):
            throw .unexpectedFrame(frame.kind)
        }
    }

    private mutating func begin(_ frame: Frame) throws(WireError) {
        var reader = WireReader(frame.payload)
        let classID = try reader.uint16()
        guard classID == method?.classID else { throw .wrongContentClass(classID) }
        // The weight, which is always 0 and looked at by nobody.
        _ = try reader.uint16()
        let size = try reader.uint64()
        guard size <= bodyMax else { throw .bodyTooLarge(size: size, limit: bodyMax) }
        content.properties = try BasicProperties(&reader)
        try reader.end()
        missing = size
        expectation = .body
    }

    /// The command that is complete; the next one begins.
    private mutating func finish(_ channel: UInt16) -> Command? {
        guard let method = method.take() else { return nil }
        expectation = .method
        defer { content = Content() }
        return Command(method, channel: channel, content: content)
    }
}

extension ByteBuffer {
    /// Writes a command as frames.
    ///
    /// - Parameters:
    ///   - command: what to say.
    ///   - frameMax: how large a frame may be, with its header and end; 0 for no limit. Bodies are cut
    ///     accordingly, methods and headers cannot be.
    /// - Throws: if a short string is too long, tables are too deep, or a method or a header does not fit into a
    ///   frame; nothing is written then.
    public mutating func write(_ command: Command, frameMax: UInt32) throws(WireError) {
        var writer = WireWriter(self)
        // The writer has the only reference while it writes.
        self = ByteBuffer()
        let start = writer.buffer.writerIndex
        do {
            try writer.frame(.method, command.channel, frameMax) { writer throws(WireError) in
                try command.method.write(&writer)
            }
            if let content = command.content {
                try writer.frame(.header, command.channel, frameMax) { writer throws(WireError) in
                    writer.uint16(command.method.classID)
                    writer.uint16(0)
                    writer.uint64(UInt64(content.body.readableBytes))
                    try content.properties.write(&writer)
                }
                writer.body(content.body, command.channel, frameMax)
            }
            self = writer.buffer
        } catch {
            self = writer.buffer
            moveWriterIndex(to: start)
            throw error
        }
    }

    /// Writes a heartbeat.
    public mutating func writeHeartbeat() {
        writeBytes([FrameKind.heartbeat.rawValue, 0, 0, 0, 0, 0, 0, Frame.end])
    }
}

extension WireWriter {
    fileprivate mutating func frame(
        _ kind: FrameKind,
        _ channel: UInt16,
        _ frameMax: UInt32,
        _ write: (inout WireWriter) throws(WireError) -> Void
    ) throws(WireError) {
        uint8(kind.rawValue)
        uint16(channel)
        let place = beginLength()
        try write(&self)
        endLength(place)
        uint8(Frame.end)
        let size = buffer.writerIndex - place + 3
        guard frameMax == 0 || size <= Int(frameMax) else {
            throw .frameTooLarge(size: UInt64(size), limit: UInt64(frameMax))
        }
    }

    fileprivate mutating func body(_ body: ByteBuffer, _ channel: UInt16, _ frameMax: UInt32) {
        var body = body
        let most = frameMax == 0 ? Int(UInt32.max) : max(Int(frameMax) - Frame.overhead, 1)
        while let part = body.readSlice(length: min(most, body.readableBytes)),
            part.readableBytes > 0
        {
            uint8(FrameKind.body.rawValue)
            uint16(channel)
            uint32(UInt32(part.readableBytes))
            buffer.writeImmutableBuffer(part)
            uint8(Frame.end)
        }
    }
}
