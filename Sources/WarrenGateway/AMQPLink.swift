public import AMQPWire
public import NIOCore
import NIOPosix

/// A connection to a broker, as octets: it cuts them into commands, and knows nothing of what they mean.
public final class AMQPLink: Sendable {
    /// What comes over it.
    public enum Event: Sendable {
        /// The broker says something.
        case command(Command)
        /// The broker says that it lives.
        case heartbeat
        /// Nothing more comes, for this reason; the last event.
        case ended(End)
    }

    /// Why a link ended.
    public enum End: Error, Sendable {
        /// The other side closed the socket.
        case closed
        /// The socket failed, as by a reset; what the system said.
        case failed(String)
        /// What came was not AMQP.
        case unreadable(WireError)
    }

    /// The largest frame that is agreed to, in octets.
    public static let largestFrame: UInt32 = 131_072

    /// The frame size that is agreed to when a server offers one, 0 for any.
    static func agree(to offer: UInt32) -> UInt32 {
        offer == 0 ? largestFrame : min(offer, largestFrame)
    }

    private let channel: any NIOCore.Channel

    private init(_ channel: any NIOCore.Channel) {
        self.channel = channel
    }

    /// Connects and says the protocol's header.
    ///
    /// `receive` is called on the link's event loop, in the order of the wire.
    ///
    /// - Throws: what the system says if nobody is there.
    public static func connect(
        host: String,
        port: Int,
        timeout: TimeAmount = .seconds(10),
        greeting: [UInt8] = ProtocolHeader.bytes,
        receive: @escaping @Sendable (Event) -> Void
    ) -> EventLoopFuture<AMQPLink> {
        ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(timeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            // The text of a close may be read after a write failed.
            .channelOption(.allowRemoteHalfClosure, value: false)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(LinkHandler(receive))
                }
            }
            .connect(host: host, port: port)
            .flatMap { channel in
                channel.writeAndFlush(ByteBuffer(bytes: greeting)).map { AMQPLink(channel) }
            }
    }

    /// Says something.
    ///
    /// - Throws: ``WireError`` if it cannot be written; nothing is sent then.
    public func send(_ commands: [Command], frameMax: UInt32 = AMQPLink.largestFrame)
        throws(WireError)
    {
        var buffer = channel.allocator.buffer(capacity: 256)
        for command in commands { try buffer.write(command, frameMax: frameMax) }
        send(octets: buffer)
    }

    /// Sends octets as they are.
    public func send(octets: ByteBuffer) {
        channel.writeAndFlush(octets, promise: nil)
    }

    /// Says that this side lives.
    public func beat() {
        var buffer = channel.allocator.buffer(capacity: Frame.overhead)
        buffer.writeHeartbeat()
        send(octets: buffer)
    }

    /// Closes the socket after what was sent.
    public func close() {
        channel.flush()
        channel.close(promise: nil)
    }

    /// Cuts the socket as a crash does: the broker gets a reset.
    public func cut() {
        let channel = channel
        guard let socket = channel as? any SocketOptionProvider else { return close() }
        socket.unsafeSetSocketOption(
            level: .socket,
            name: .so_linger,
            value: Lingering(isOn: 1, seconds: 0)
        )
        .whenComplete { _ in channel.close(promise: nil) }
    }

    /// `struct linger` of the system's `setsockopt`.
    private struct Lingering {
        var isOn: Int32
        var seconds: Int32
    }
}

/// Cuts what comes into commands.
private final class LinkHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let receive: (AMQPLink.Event) -> Void
    private var decoder = FrameDecoder(frameMax: AMQPLink.largestFrame)
    private var assemblers: [UInt16: CommandAssembler] = [:]
    private var end: AMQPLink.End?

    init(_ receive: @escaping (AMQPLink.Event) -> Void) {
        self.receive = receive
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard end == nil else { return }
        decoder.append(unwrapInboundIn(data))
        do throws(WireError) {
            while let frame = try decoder.next() {
                if frame.kind == .heartbeat {
                    receive(.heartbeat)
                    continue
                }
                var assembler = assemblers.removeValue(forKey: frame.channel) ?? CommandAssembler()
                let command = try assembler.take(frame)
                assemblers[frame.channel] = assembler
                if let command { receive(.command(command)) }
            }
        } catch {
            end = .unreadable(error)
            context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end = end ?? .failed("\(error)")
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        receive(.ended(end ?? .closed))
    }
}
