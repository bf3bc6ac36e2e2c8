import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix

/// One request to a server on this machine, such as RabbitMQ's management plugin.
struct HTTPRequest {
    /// What the server answered.
    struct Answer: Sendable {
        /// The status, such as 200.
        var status: Int
        /// The body.
        var body: ByteBuffer
    }

    var method: HTTPMethod
    /// The path and what follows it, percent-encoded.
    var target: String
    var host = "127.0.0.1"
    var port: Int
    var user = "guest"
    var password = "guest"
    /// A body of JSON.
    var body: String?
    var timeout = TimeAmount.seconds(30)

    /// Sends it and waits for the answer.
    ///
    /// - Throws: what the system says if nobody answers.
    func send() async throws -> Answer {
        let request = self
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(timeout)
            .connect(host: host, port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    let promise = channel.eventLoop.makePromise(of: Answer.self)
                    try channel.pipeline.syncOperations.addHandler(AnswerHandler(promise))
                    return (channel, promise.futureResult)
                }
            }
        var head = HTTPRequestHead(version: .http1_1, method: request.method, uri: request.target)
        head.headers.add(name: "Host", value: "\(request.host):\(request.port)")
        head.headers.add(
            name: "Authorization",
            value: "Basic \(Data("\(user):\(password)".utf8).base64EncodedString())"
        )
        head.headers.add(name: "Connection", value: "close")
        let body = ByteBuffer(string: request.body ?? "")
        head.headers.add(name: "Content-Type", value: "application/json")
        head.headers.add(name: "Content-Length", value: "\(body.readableBytes)")
        channel.0.write(HTTPClientRequestPart.head(head), promise: nil)
        channel.0.write(HTTPClientRequestPart.body(.byteBuffer(body)), promise: nil)
        channel.0.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
        let deadline = channel.0.eventLoop.scheduleTask(in: timeout) {
            channel.0.close(promise: nil)
        }
        defer { deadline.cancel() }
        return try await channel.1.get()
    }

    /// A part of a path, with all but letters, digits and `-._~` percent-encoded.
    static func encode(_ part: String) -> String {
        let plain = CharacterSet(
            charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
        )
        return part.addingPercentEncoding(withAllowedCharacters: plain) ?? part
    }
}

/// Gathers an answer.
private final class AnswerHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart

    private let promise: EventLoopPromise<HTTPRequest.Answer>
    private var answer = HTTPRequest.Answer(status: 0, body: ByteBuffer())
    private var isDone = false

    init(_ promise: EventLoopPromise<HTTPRequest.Answer>) {
        self.promise = promise
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): answer.status = Int(head.status.code)
        case .body(var part): answer.body.writeBuffer(&part)
        case .end:
            isDone = true
            promise.succeed(answer)
            context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        finish(error)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { finish(ChannelError.eof) }

    /// A connection that never came to be.
    func handlerRemoved(context: ChannelHandlerContext) { finish(ChannelError.eof) }

    private func finish(_ error: any Error) {
        guard !isDone else { return }
        isDone = true
        promise.fail(error)
    }
}
