import AMQPWire
import Foundation
import NIOCore
import RabbitMQModel
import Support
import Synchronization
import WarrenGateway

/// A real RabbitMQ, in a virtual host of the conversation's own.
final class RealArm: Arm {
    let scope: RealScope
    private let vhost: String
    private var links: [Link] = []
    private var hasReplicas = false
    private let clock = ContinuousClock()
    private static let number = Mutex(0)

    /// What came and was not looked at; written by the event loop.
    private final class Mailbox: Sendable {
        struct Mail {
            var arrivals: [Arrival] = []
            var last = ContinuousClock.now
            var hasEnded = false
        }
        let mail = Mutex(Mail())

        func put(_ event: AMQPLink.Event) {
            mail.withLock { mail in
                mail.last = .now
                switch event {
                case .command(let command): mail.arrivals.append(.command(command))
                case .heartbeat: mail.arrivals.append(.heartbeat)
                case .ended:
                    mail.hasEnded = true
                    mail.arrivals.append(.ended)
                }
            }
        }
    }

    private struct Link {
        var link: AMQPLink?
        var mailbox: Mailbox
        /// By channel: how many barriers wait for their answer.
        var barriers: [UInt16: Int] = [:]
        var openChannels: Set<UInt16> = []
        /// What was looked at to find an answer.
        var arrivals: [Arrival] = []
    }

    init(_ scope: RealScope, _ settings: BrokerSettings, _ definitions: Definitions) {
        self.scope = scope
        let number = Self.number.withLock { number in
            number += 1
            return number
        }
        vhost = "talk \(number)"
        let names = [vhost, other]
        let management = scope.management
        scope.atEnd {
            for name in names { _ = try? await management.administer(.deleteVirtualHost(name)) }
        }
        for name in names { manage { try await management.makeVirtualHost(name) } }
        configure(settings, definitions)
    }

    private var other: String { "\(vhost) other" }

    /// The virtual host that stands for one of the conversation.
    func real(_ name: String) -> String {
        switch name {
        case "/": vhost
        case "other": other
        default: name
        }
    }

    var seconds: UInt64 { UInt64(Date().timeIntervalSince1970) }

    var patience: UInt64 { scope.isOver ? 0 : 1500 * scope.pace }

    /// Waits for asynchronous work: a conversation has a thread of its own.
    func await<Value: Sendable>(
        _ work: @escaping @Sendable () async throws -> Value
    ) throws -> Value {
        let (done, box) = (DispatchSemaphore(value: 0), Box<Value>())
        Task.detached {
            do {
                let value = try await work()
                box.result.withLock { $0 = .success(value) }
            } catch {
                box.result.withLock { $0 = .failure(error) }
            }
            done.signal()
        }
        done.wait()
        guard let result = box.result.withLock({ $0 }) else { throw CancellationError() }
        return try result.get()
    }

    private final class Box<Value: Sendable>: Sendable {
        let result = Mutex<Result<Value, any Error>?>(nil)
    }

    /// Has the management plugin do something.
    func manage(_ work: @escaping @Sendable () async throws -> (status: Int, body: String)) {
        guard !scope.isOver else { return }
        do {
            let answer = try self.await(work)
            if answer.status == 400 {
                scope.giveUp("the management plugin refuses such a policy")
            } else if answer.status >= 300, answer.status != 404 {
                scope.note(problem: "the management plugin says \(answer.status): \(answer.body)")
            }
        } catch {
            scope.note(problem: "the management plugin does not answer: \(error)")
        }
    }

    // MARK: The wire

    func dial(node: Int, greeting: [UInt8]) -> Int {
        let mailbox = Mailbox()
        let future = AMQPLink.connect(
            host: "127.0.0.1",
            port: scope.node.port,
            greeting: greeting
        ) { mailbox.put($0) }
        let link = scope.isOver ? nil : try? future.wait()
        if link == nil { mailbox.put(.ended(.closed)) }
        links.append(Link(link: link, mailbox: mailbox))
        return links.count - 1
    }

    func say(_ command: Command, on link: Int) {
        guard !scope.isOver, let wire = links[link].link else { return }
        var commands = [put(command)]
        note(command, link)
        if Self.isAnswered(command) == false, links[link].openChannels.contains(command.channel) {
            // An answer to this one proves that what was said before it has been heard.
            let barrier = AMQPWire.Exchange.Declare(exchange: "amq.direct", passive: true)
            commands.append(Command(.exchange(.declare(barrier)), channel: command.channel))
            links[link].barriers[command.channel, default: 0] += 1
        }
        do { try wire.send(commands) } catch { scope.note(problem: "it cannot be said: \(error)") }
    }

    private func note(_ command: Command, _ link: Int) {
        switch command.method {
        case .channel(.open): links[link].openChannels.insert(command.channel)
        case .channel(.close), .channel(.closeOk):
            links[link].openChannels.remove(command.channel)
            links[link].barriers[command.channel] = 0
        case .connection(.close), .connection(.closeOk): links[link].openChannels = []
        case .queue(.declare(let declare)):
            if let type = declare.arguments["x-queue-type"], type != .longString("classic") {
                hasReplicas = true
            }
        default: break
        }
    }

    /// Whether the broker answers a method by itself.
    private static func isAnswered(_ command: Command) -> Bool {
        switch command.method {
        case .basic(.publish), .basic(.ack), .basic(.nack), .basic(.reject), .basic(.recoverAsync):
            false
        case .queue(.declare(let method)): !method.nowait
        case .exchange(.declare(let method)): !method.nowait
        default: true
        }
    }

    /// A command for the virtual host that stands for the one of the conversation.
    private func put(_ command: Command) -> Command {
        guard case .connection(.open(let open)) = command.method else { return command }
        return Command(.connection(.open(.init(vhost: Octets(real(open.vhost.text))))), channel: 0)
    }

    func beat(on link: Int) {
        guard !scope.isOver else { return }
        links[link].link?.beat()
    }

    func settle(_ depth: Settling) {
        guard !scope.isOver else { return }
        awaitBarriers()
        let quiet: Duration =
            switch depth {
            case .answer: .milliseconds(4)
            case .consumer: .milliseconds(hasReplicas ? 25 : 12)
            case .queues: .milliseconds(hasReplicas ? 30 : 14)
            }
        awaitQuiet(quiet * Int(scope.pace))
    }

    /// Waits until nothing has come for a while.
    private func awaitQuiet(_ time: Duration) {
        let start = clock.now
        let deadline = start + .seconds(5)
        while clock.now < deadline {
            let last = links.map { link in link.mailbox.mail.withLock { $0.last } }.max() ?? start
            let left = max(start, last) + time - clock.now
            if left <= .zero { return }
            Thread.sleep(forTimeInterval: left / .seconds(1))
        }
    }

    /// Waits for the answers to all barriers; one that never comes is forgotten after a second.
    private func awaitBarriers() {
        let deadline = clock.now + .seconds(Int(scope.pace))
        while links.contains(where: { link in link.barriers.values.contains { $0 > 0 } }) {
            for index in links.indices { collect(index) }
            guard clock.now < deadline else {
                for index in links.indices { links[index].barriers = [:] }
                return
            }
            Thread.sleep(forTimeInterval: 0.0005)
        }
    }

    /// Takes what came, without the answers to barriers.
    private func collect(_ index: Int) {
        let arrivals = links[index].mailbox.mail.withLock { mail in
            defer { mail.arrivals = [] }
            return mail.arrivals
        }
        for arrival in arrivals {
            guard case .command(let command) = arrival else {
                if case .ended = arrival { links[index].barriers = [:] }
                links[index].arrivals.append(arrival)
                continue
            }
            let channel = command.channel
            switch command.method {
            case .exchange(.declareOk) where links[index].barriers[channel, default: 0] > 0:
                links[index].barriers[channel, default: 0] -= 1
                continue
            case .channel(.close):
                links[index].barriers[channel] = 0
                links[index].openChannels.remove(channel)
            case .connection(.close): links[index].barriers = [:]
            default: break
            }
            links[index].arrivals.append(.command(mine(command)))
        }
    }

    func take(from link: Int) -> [Arrival] {
        collect(link)
        defer { links[link].arrivals = [] }
        return links[link].arrivals
    }

    /// A command as the conversation would hear it: its virtual host is `/`.
    private func mine(_ command: Command) -> Command {
        func mine(_ text: Octets) -> Octets {
            var text = text.text
            for (name, known) in [(other, "other"), (vhost, "/")] {
                text = text.replacing("vhost '\(name)'", with: "vhost '\(known)'")
                text = text.replacing("vhost \(name)", with: "vhost \(known)")
            }
            return Octets(text)
        }
        switch command.method {
        case .channel(.close(var close)):
            close.text = mine(close.text)
            return Command(.channel(.close(close)), channel: command.channel)
        case .connection(.close(var close)):
            close.text = mine(close.text)
            return Command(.connection(.close(close)), channel: 0)
        default: return command
        }
    }

    func wait(_ milliseconds: UInt64) {
        if milliseconds > 20_000 { scope.giveUp("it waits for more than twenty seconds") }
        guard !scope.isOver else { return }
        Thread.sleep(forTimeInterval: Double(milliseconds) / 1000)
    }

    func cut(_ link: Int) {
        guard !scope.isOver else { return }
        links[link].link?.cut()
        // The broker notices at once; what it does then takes a moment.
        Thread.sleep(forTimeInterval: 0.03 * Double(scope.pace))
    }

    func abandon(_ link: Int) {
        guard !scope.isOver else { return }
        links[link].link?.close()
        Thread.sleep(forTimeInterval: 0.03 * Double(scope.pace))
    }

    func end() {
        for link in links { link.link?.close() }
    }
}
