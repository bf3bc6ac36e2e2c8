import AMQPWire
import NIOCore
import RabbitMQModel
import WarrenGateway
import WarrenKernel
import WarrenTrace

/// The model: a world with a broker, and sixteen clients that are held by hand.
final class ModelArm: Arm {
    var world: World
    private(set) var facts: [Fact] = []
    let nodes: [NodeID]
    let patience: UInt64 = 0
    var seconds: UInt64 { world.now.nanoseconds / 1_000_000_000 }

    private let broker: Symbol
    private var node: NodeID { nodes[0] }
    private var ports: [NodeID] = []
    private var bodies: [MessageID: ByteBuffer] = [:]
    private var links: [Link] = []
    private static let portCount = 16

    private struct Link {
        var port: NodeID
        var connection: ConnectionID
        var translator: ModelTranslator
        var inbox: [Arrival] = []
    }

    /// A broker of several nodes calls them `r1`, `r2` and so on; silence is noticed after two seconds, and a
    /// node takes one to come up.
    init(
        nodes count: Int,
        handling: PartitionHandling,
        seed: UInt64,
        _ settings: BrokerSettings,
        _ definitions: Definitions
    ) {
        world = World(seed: seed)
        world.checksInvariants = true
        broker = world.intern(.broker, "main")
        var other = Definitions()
        other.vhost = "other"
        nodes = RabbitMQ.addNodes(
            count,
            of: broker,
            handling: handling,
            settings: settings,
            definitions: [definitions, other],
            to: &world
        )
        for number in 1...Self.portCount {
            ports.append(world.add("port \(number)") { _ in Port() })
        }
        world.boot()
        settle(.queues)
    }

    func dial(node: Int, greeting: [UInt8]) -> Int {
        let port = ports[links.count % Self.portCount]
        let target = nodes[node]
        let connection = world.speak(as: port) { $0.connect(to: target) }
        let translator = ModelTranslator(broker: broker)
        var link = Link(port: port, connection: connection, translator: translator)
        if let start = translator.greeting(greeting) {
            link.inbox.append(.command(start))
        } else {
            var parameters = ConnectionParameters()
            parameters.protocolHeader = String(decoding: greeting, as: UTF8.self)
            let parcel = world.put(parameters)
            world.speak(as: port) {
                $0.send(ModelTranslator.stranger(parcel), on: connection)
            }
        }
        links.append(link)
        settle(.answer)
        return links.count - 1
    }

    func say(_ command: Command, on link: Int) {
        do {
            let packet = try links[link].translator.packet(
                command,
                as: links[link].port,
                in: &world,
                &bodies
            )
            send(packet, on: link)
        } catch {
            preconditionFailure("\(error)")
        }
    }

    private func send(_ packet: Packet, on link: Int) {
        let connection = links[link].connection
        world.speak(as: links[link].port) { $0.send(packet, on: connection) }
    }

    func beat(on link: Int) { send(ModelTranslator.heartbeat, on: link) }

    /// How long a word and all that follows from it may take.
    private static let settlingTime = Interval.milliseconds(40)

    func settle(_ depth: Settling) {
        world.run(until: world.now + Self.settlingTime, events: 1_000_000)
        sort()
    }

    func wait(_ milliseconds: UInt64) {
        world.wait(until: world.now + .milliseconds(milliseconds))
        sort()
    }

    private func sort() {
        facts += world.takeFacts()
        for port in ports {
            let events = world.with(port, as: Port.self) { port in
                defer { port.inbox = [] }
                return port.inbox
            }
            for event in events ?? [] {
                switch event {
                case .closed(let connection, _):
                    guard let link = links.firstIndex(where: { $0.connection == connection })
                    else { continue }
                    links[link].inbox.append(.ended)
                case .arrived(let packet, let connection):
                    guard let link = links.firstIndex(where: { $0.connection == connection })
                    else { continue }
                    if ModelTranslator.isHeartbeat(packet) { links[link].inbox.append(.heartbeat) }
                    guard
                        let command = links[link].translator.command(packet, in: world, bodies)
                    else { continue }
                    links[link].inbox.append(.command(command))
                default: continue
                }
            }
        }
    }

    func take(from link: Int) -> [Arrival] {
        defer { links[link].inbox = [] }
        return links[link].inbox
    }

    func cut(_ link: Int) { perform(.sever(links[link].port)) }

    func abandon(_ link: Int) { perform(.crash(links[link].port)) }

    func perform(_ actions: Action...) {
        perform(actions)
    }

    func perform(_ actions: [Action]) {
        for action in actions { world.plan(action, at: world.now) }
        settle(.queues)
    }

    func operate(_ work: Operation) {
        switch work {
        case .administer(let order):
            perform(.order(node, RabbitMQ.order(order, in: &world)))
        case .alarm(let memory, let isOn):
            perform(.order(node, RabbitMQ.alarm(memory: memory, isOn: isOn)))
        case .kill:
            perform(.crash(node))
            perform(.start(node))
        case .restart(let directory):
            perform(.stop(node))
            perform(.mount(node, directory: directory))
            perform(.start(node))
        }
    }

    /// Says something, and has the node killed as soon as it heard it, before its disk knows.
    func sayAndKill(_ command: Command, on link: Int) {
        say(command, on: link)
        world.plan(.crash(node), at: world.now + .microseconds(60))
        world.plan(.start(node), at: world.now + .milliseconds(20))
        settle(.queues)
    }

    func end() {}
}
