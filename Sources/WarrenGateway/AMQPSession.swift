import AMQPWire
import Dispatch
import NIOCore
import Synchronization

/// A connection with one channel that is asked one thing after the other, and waits for each answer.
final class AMQPSession {
    /// How a server is reached.
    struct Address: Sendable {
        var host: String
        var port: Int
        var user: String
        var password: String
        var vhost: String
    }

    /// Why there is no answer.
    enum Failure: Error, CustomStringConvertible {
        case unreachable(String)
        case refused(code: UInt16, text: String)
        case ended(String)
        case silent(String)

        var description: String {
            switch self {
            case .unreachable(let why): "nobody answers: \(why)"
            case .refused(let code, let text): "the broker says \(code) \(text)"
            case .ended(let why): "the connection ended: \(why)"
            case .silent(let method): "no answer to \(method)"
            }
        }
    }

    /// Written by the event loop.
    private final class Inbox: Sendable {
        let arrivals = Mutex<[AMQPLink.Event]>([])
        let bell = DispatchSemaphore(value: 0)
    }

    private let inbox = Inbox()
    private var link: AMQPLink?
    private static let patience = DispatchTimeInterval.seconds(20)

    /// Connects, and opens channel 1.
    init(_ address: Address) throws(Failure) {
        let inbox = inbox
        do {
            link = try AMQPLink.connect(host: address.host, port: address.port) {
                event in
                inbox.arrivals.withLock { $0.append(event) }
                inbox.bell.signal()
            }.wait()
        } catch {
            throw .unreachable("\(error)")
        }
        _ = try hear("connection.start")
        try say(Handshake.startOk(user: address.user, password: address.password), channel: 0)
        guard case .connection(.tune(let tune)) = try hear("connection.tune").method else {
            throw .silent("connection.start-ok")
        }
        try say(Handshake.tuneOk(tune, heartbeat: 0), channel: 0)
        try ask(.connection(.open(.init(vhost: Octets(address.vhost)))), channel: 0)
        try ask(.channel(.open))
    }

    /// Says something and returns the answer.
    @discardableResult
    func ask(_ method: Method, channel: UInt16 = 1) throws(Failure) -> Command {
        try say(method, channel: channel)
        return try hear("\(method)")
    }

    private func say(_ method: Method, channel: UInt16) throws(Failure) {
        try say([method], channel: channel)
    }

    private func say(_ methods: [Method], channel: UInt16 = 1) throws(Failure) {
        do { try link?.send(methods.map { Command($0, channel: channel) }) } catch {
            throw .ended("\(error)")
        }
    }

    /// Opens the channel once more after a refusal.
    func reopen() throws(Failure) { try ask(.channel(.open)) }

    private func hear(_ question: String) throws(Failure) -> Command {
        while true {
            guard inbox.bell.wait(timeout: .now() + Self.patience) == .success else {
                throw .silent(question)
            }
            let event = inbox.arrivals.withLock { $0.isEmpty ? nil : $0.removeFirst() }
            switch event {
            case .command(let command):
                switch command.method {
                case .channel(.close(let close)):
                    try say(.channel(.closeOk), channel: command.channel)
                    throw .refused(code: close.code, text: close.text.text)
                case .connection(.close(let close)):
                    throw .refused(code: close.code, text: close.text.text)
                case .connection(.blocked), .connection(.unblocked): continue
                default: return command
                }
            case .ended(let end): throw .ended("\(end)")
            case .heartbeat, nil: continue
            }
        }
    }

    /// Takes everything out of a queue; many gets are under way at once.
    func drain(_ queue: String) throws(Failure) -> [Content] {
        let get = Method.basic(.get(.init(queue: Octets(queue), noAck: true)))
        var found: [Content] = []
        while true {
            let count = found.isEmpty ? 1 : 500
            try say(Array(repeating: get, count: count))
            var isEmpty = false
            for _ in 0..<count {
                guard let content = try hear("\(get)").content else {
                    isEmpty = true
                    continue
                }
                found.append(content)
            }
            if isEmpty { return found }
        }
    }

    /// Ends the connection.
    func close() {
        _ = try? ask(.connection(.close(.init(code: 200, text: "Goodbye"))), channel: 0)
        link?.close()
        link = nil
    }
}

/// What a client says while it connects.
enum Handshake {
    static func startOk(user: String, password: String) -> Method {
        let able: [Octets] = [
            "publisher_confirms", "consumer_cancel_notify", "exchange_exchange_bindings",
            "basic.nack",
            "connection.blocked", "authentication_failure_close",
        ]
        let capabilities = FieldTable(able.map { FieldTable.Field($0, .bool(true)) })
        return .connection(
            .startOk(
                .init(
                    clientProperties: [
                        "product": .longString("Warren"), "capabilities": .table(capabilities),
                    ],
                    response: Octets("\u{0}\(user)\u{0}\(password)")
                )
            )
        )
    }

    static func tuneOk(_ tune: Connection.Tune, heartbeat: UInt16) -> Method {
        .connection(
            .tuneOk(
                .init(
                    channelMax: tune.channelMax,
                    frameMax: AMQPLink.agree(to: tune.frameMax),
                    heartbeat: heartbeat
                )
            )
        )
    }
}
