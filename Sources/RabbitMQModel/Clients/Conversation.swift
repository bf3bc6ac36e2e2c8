import WarrenBroker
public import WarrenKernel
import WarrenTopology
public import WarrenTrace

/// A broker and clients that are held by hand, one method at a time.
///
/// Each call says something to the broker and lives on until nothing is left to happen; what came back
/// waits to be looked at. Tests read as conversations, and the same conversation can be held with a
/// real broker.
///
///     let talk = Conversation()
///     let channel = talk.openChannel()
///     try talk.declareQueue("q", on: channel)
///     talk.publish("hello", to: "q", on: channel)
///     try talk.get("q", on: channel)?.body   // "hello"
public final class Conversation {
    /// A channel of a connection of its own, or of another channel's connection.
    public struct Channel: Sendable, Hashable {
        let port: NodeID
        let connection: ConnectionID
        let number: UInt16
    }

    /// What the broker said when it closed a channel or a connection.
    public struct Closed: Error, Sendable, Hashable {
        /// The reply code, such as 404.
        public var code: UInt16
        /// The reply text, such as "NOT_FOUND - no queue 'q' in vhost '/'".
        public var text: String
        /// Whether the whole connection is gone.
        public var connection: Bool

        /// What a broker would say.
        public init(code: UInt16, text: String, connection: Bool) {
            self.code = code
            self.text = text
            self.connection = connection
        }
    }

    /// A message as a client gets it.
    public struct Delivery: Sendable, Hashable {
        /// The body.
        public var body: String
        /// The delivery tag.
        public var tag: UInt64
        /// Whether it was sent before.
        public var redelivered: Bool
        /// The exchange that it was published to.
        public var exchange: String
        /// The routing key that it was published with.
        public var key: String
        /// Its properties.
        public var properties: Properties
        /// Its headers.
        public var headers: [FieldValue.Field] { properties.headers }
        /// For basic.get: how many are left.
        public var left: Int
        /// For a consumer: its tag.
        public var consumer: String
    }

    /// What declare-ok says.
    public struct QueueState: Sendable, Hashable {
        /// Its name.
        public var name: String
        /// Copies ready in it.
        public var messages: Int
        /// Its consumers.
        public var consumers: Int

        /// What declare-ok would say.
        public init(name: String, messages: Int, consumers: Int) {
            self.name = name
            self.messages = messages
            self.consumers = consumers
        }
    }

    /// The world, to be looked at.
    public internal(set) var world: World
    /// All that has happened.
    public private(set) var facts: [Fact] = []

    private let broker: Symbol
    /// The nodes of the broker.
    let nodes: [NodeID]
    private var node: NodeID { nodes[0] }
    private var ports: [NodeID] = []
    private var bodies: [MessageID: String] = [:]
    private var inboxes: [Channel: [Packet]] = [:]
    private var closed: [Channel: Closed] = [:]
    private var consumerTags: [UInt32: String] = [:]
    private var numbers: [ConnectionID: UInt16] = [:]
    private var ended: Set<ConnectionID> = []
    /// The virtual hosts of connections that are not in `/`.
    private var scopes: [ConnectionID: Symbol] = [:]
    private static let portCount = 16

    /// A broker with nothing but what every broker has, and sixteen clients that are not connected.
    ///
    /// `change` may configure it, and say what it begins with. A broker of several nodes calls them `r1`,
    /// `r2` and so on; silence is noticed after two seconds, and a node takes one to come up.
    public init(
        nodes count: Int = 1,
        handling: PartitionHandling = .ignore,
        seed: UInt64 = 1,
        _ change: (inout BrokerSettings, inout Definitions) -> Void = { _, _ in }
    ) {
        var settings = BrokerSettings()
        var definitions = Definitions()
        change(&settings, &definitions)
        let (fixed, defined) = (settings, definitions)
        world = World(seed: seed)
        world.checksInvariants = true
        broker = world.intern(.broker, "main")
        let symbol = broker
        var plan = ClusterPlan(
            names: count == 1 ? ["main"] : (1...count).map { "rabbit@r\($0)" },
            nodes: (0..<UInt32(count)).map { NodeID($0) }
        )
        plan.handling = handling
        plan.tickTime = .seconds(2)
        plan.bootTime = .seconds(1)
        let built = plan
        nodes = plan.nodes
        for number in 0..<count {
            world.add(count == 1 ? "main" : "r\(number + 1)", scope: broker) { _ in
                RabbitMQNode(
                    broker: symbol,
                    name: "main",
                    definitions: [defined] + Self.others,
                    settings: fixed,
                    plan: built,
                    me: number
                )
            }
        }
        for number in 1...Self.portCount {
            ports.append(world.add("port \(number)") { _ in Port() })
        }
        world.boot()
        settle()
    }

    /// A second virtual host, `other`, is always there.
    private static let others: [Definitions] = {
        var other = Definitions()
        other.vhost = "other"
        return [other]
    }()

    // MARK: The wire

    /// How long a word and all that follows from it may take.
    private static let patience = Interval.milliseconds(40)

    /// Lives on until nothing is left to happen, or forty milliseconds, and sorts what arrived.
    func settle() {
        world.run(until: world.now + Self.patience, events: 1_000_000)
        sortInboxes()
    }

    /// Lets time pass.
    public func wait(_ milliseconds: UInt64) {
        world.wait(until: world.now + .milliseconds(milliseconds))
        sortInboxes()
    }

    private func sortInboxes() {
        facts += world.takeFacts()
        for port in ports {
            let events = world.with(port, as: Port.self) { port in
                defer { port.inbox = [] }
                return port.inbox
            }
            for event in events ?? [] {
                if case .closed(let connection, _) = event { ended.insert(connection) }
                guard case .arrived(let packet, let connection) = event else { continue }
                sort(packet, Channel(port: port, connection: connection, number: packet.channel))
            }
        }
    }

    private func sort(_ packet: Packet, _ channel: Channel) {
        let text = world.names[packet.subject]
        if packet.method == .channelClose {
            closed[channel] = Closed(code: UInt16(packet.c), text: text, connection: false)
            speak(Packet(.channelCloseOk, channel: channel.number), channel)
        } else if packet.method == .connectionClose {
            let word = Closed(code: UInt16(packet.c), text: text, connection: true)
            for other in inboxes.keys.sorted(by: { $0.number < $1.number })
            where other.connection == channel.connection {
                closed[other] = word
            }
            speak(Packet(.connectionCloseOk, channel: 0), channel)
        } else {
            if packet.method == .basicConsumeOk {
                consumerTags[packet.c] = world.names[packet.key]
            }
            inboxes[channel, default: []].append(packet)
        }
    }

    private func speak(_ packet: Packet, _ channel: Channel) {
        world.speak(as: channel.port) { $0.send(packet, on: channel.connection) }
    }

    /// Says something and waits for everything that follows from it.
    private func say(_ packet: Packet, _ channel: Channel) {
        speak(packet, channel)
        settle()
    }

    /// Says something that the broker answers with `method`, or with a refusal.
    @discardableResult
    private func ask(_ packet: Packet, _ channel: Channel, _ method: Method)
        throws(Closed) -> Packet
    {
        say(packet, channel)
        if let word = closed[channel] { throw word }
        guard let index = inboxes[channel]?.firstIndex(where: { $0.method == method }),
            let answer = inboxes[channel]?.remove(at: index)
        else { throw Closed(code: 0, text: "no answer", connection: true) }
        return answer
    }

    private func packet(_ method: Method, _ channel: Channel) -> Packet {
        Packet(method, channel: channel.number)
    }

    private func parcel(_ value: some Sendable) -> ParcelID { world.put(value) }

    private func symbol(_ kind: NameKind, _ name: String, _ channel: Channel) -> Symbol {
        world.intern(kind, name, in: scopes[channel.connection] ?? broker)
    }

    // MARK: Connections and channels

    private func dial(_ number: Int = 1) -> Channel {
        let port = ports[numbers.count % Self.portCount]
        let target = nodes[number - 1]
        let connection = world.speak(as: port) { $0.connect(to: target) }
        numbers[connection] = 0
        settle()
        let zero = Channel(port: port, connection: connection, number: 0)
        inboxes[zero] = []
        return zero
    }

    /// Opens a connection with one channel.
    public func openChannel(on number: Int = 1) -> Channel {
        let zero = dial(number)
        var open = Packet(.connectionOpen, channel: 0)
        open.key = world.intern(.text, "/")
        say(open, zero)
        return openChannel(beside: zero)
    }

    /// Connects as a client that says all that there is to say; returns the connection's channel 0 and
    /// what the server offered.
    ///
    /// - Throws: ``Closed`` with the code 0 if the server says nothing, or cuts the socket.
    public func connect(_ change: (inout ConnectionParameters) -> Void = { _ in })
        throws(Closed) -> (zero: Channel, offer: ServerOffer)
    {
        var parameters = ConnectionParameters()
        change(&parameters)
        let zero = dial()
        var start = Packet(.connectionStartOk, channel: 0)
        start.parcel = parcel(parameters)
        let tune = try ask(start, zero, .connectionTune)
        guard let offer: ServerOffer = world.parcel(tune.parcel) else {
            throw Closed(code: 0, text: "no offer", connection: true)
        }
        var answer = Packet(.connectionTuneOk, channel: 0)
        answer.parcel = start.parcel
        say(answer, zero)
        var open = Packet(.connectionOpen, channel: 0)
        open.key = world.intern(.text, parameters.vhost)
        try ask(open, zero, .connectionOpenOk)
        if parameters.vhost != "/" {
            scopes[zero.connection] = world.intern(.broker, "main/\(parameters.vhost)")
        }
        return (zero, offer)
    }

    /// Whether the connection of a channel is still there.
    public func isConnected(_ channel: Channel) -> Bool { !ended.contains(channel.connection) }

    /// What arrived for a connection as a whole since the last look, in order, by name.
    public func takeConnectionMethods(of channel: Channel) -> [String] {
        takeMethods(on: Channel(port: channel.port, connection: channel.connection, number: 0))
    }

    /// Says that the client is alive.
    public func beat(_ channel: Channel) { say(Packet(.heartbeat, channel: 0), channel) }

    /// Asks for deliveries to stop or go on.
    public func flow(_ active: Bool, on channel: Channel) throws(Closed) {
        var packet = packet(.channelFlow, channel)
        packet.c = active ? 1 : 0
        try ask(packet, channel, .channelFlowOk)
    }

    // MARK: The operator

    /// Does what an administrator does.
    public func administer(_ order: Administration) {
        var packet = Packet(word: NodeOrder.administer.rawValue)
        packet.parcel = parcel(order)
        world.plan(.order(node, packet), at: world.now)
        settle()
    }

    /// Has the node run short of memory or disk, or have enough again.
    public func setAlarm(memory: Bool, _ isOn: Bool) {
        let word = memory ? NodeOrder.memoryAlarm : .diskAlarm
        let packet = Packet(word: word.rawValue, x: isOn ? 1 : 0)
        world.plan(.order(node, packet), at: world.now)
        settle()
    }

    /// Opens a further channel on the connection of `channel`.
    public func openChannel(beside channel: Channel, number: UInt16? = nil) -> Channel {
        let number = number ?? (numbers[channel.connection] ?? 0) + 1
        numbers[channel.connection] = number
        let new = Channel(port: channel.port, connection: channel.connection, number: number)
        inboxes[new] = []
        say(Packet(.channelOpen, channel: number), new)
        inboxes[new]?.removeAll { $0.method == .channelOpenOk }
        return new
    }

    /// Opens the number of a channel that is closed once more.
    public func reopen(_ channel: Channel) {
        closed[channel] = nil
        inboxes[channel] = []
        say(Packet(.channelOpen, channel: channel.number), channel)
        inboxes[channel]?.removeAll { $0.method == .channelOpenOk }
    }

    /// Closes a channel in good order.
    public func close(_ channel: Channel) throws(Closed) {
        try ask(packet(.channelClose, channel), channel, .channelCloseOk)
    }

    /// Closes the connection of a channel in good order.
    public func closeConnection(_ channel: Channel) {
        say(Packet(.connectionClose, channel: 0), channel)
    }

    /// Cuts the connection of a channel, as a reset does.
    public func cut(_ channel: Channel) {
        world.plan(.sever(channel.port), at: world.now)
        settle()
    }

    /// What the broker said when it closed this channel; nil while it is open.
    public func refusal(of channel: Channel) -> Closed? { closed[channel] }

    /// Kills the node and starts it again.
    public func kill() {
        world.plan(.crash(node), at: world.now)
        settle()
        world.plan(.start(node), at: world.now)
        settle()
    }

    /// Stops the node in good order and starts it again, with the data directory of this number.
    ///
    /// The directory is named after the node: another number stands for another name.
    public func restart(directory: UInt32 = 0) {
        world.plan(.stop(node), at: world.now)
        settle()
        world.plan(.mount(node, directory: directory), at: world.now)
        settle()
        world.plan(.start(node), at: world.now)
        settle()
    }

    // MARK: Declarations

    /// Declares a queue; an empty name has the broker make one.
    @discardableResult
    public func declareQueue(
        _ name: String,
        on channel: Channel,
        _ change: (inout QueueDeclaration) -> Void = { _ in }
    ) throws(Closed) -> QueueState {
        var declaration = QueueDeclaration(name: name)
        change(&declaration)
        var packet = packet(.queueDeclare, channel)
        packet.parcel = parcel(declaration)
        if declaration.nowait {
            say(packet, channel)
            return QueueState(name: name, messages: 0, consumers: 0)
        }
        let answer = try ask(packet, channel, .queueDeclareOk)
        return QueueState(
            name: world.names[answer.subject],
            messages: Int(answer.c),
            consumers: Int(answer.d)
        )
    }

    /// Declares an exchange.
    public func declareExchange(
        _ name: String,
        _ type: String,
        on channel: Channel,
        _ change: (inout ExchangeDeclaration) -> Void = { _ in }
    ) throws(Closed) {
        var declaration = ExchangeDeclaration(name: name, type: type)
        change(&declaration)
        var packet = packet(.exchangeDeclare, channel)
        packet.parcel = parcel(declaration)
        if declaration.nowait {
            say(packet, channel)
        } else {
            try ask(packet, channel, .exchangeDeclareOk)
        }
    }

    /// Binds a queue to an exchange.
    public func bind(
        _ queue: String,
        to exchange: String,
        key: String = "",
        arguments: [FieldValue.Field] = [],
        on channel: Channel
    ) throws(Closed) {
        var binding = BindingDeclaration(source: exchange, destination: queue, key: key)
        binding.arguments = arguments
        try send(binding, .queueBind, .queueBindOk, channel)
    }

    /// Takes a binding of a queue away.
    public func unbind(
        _ queue: String,
        from exchange: String,
        key: String = "",
        on channel: Channel
    ) throws(Closed) {
        let binding = BindingDeclaration(source: exchange, destination: queue, key: key)
        try send(binding, .queueUnbind, .queueUnbindOk, channel)
    }

    /// Binds an exchange to an exchange.
    public func bindExchange(
        _ destination: String,
        to source: String,
        key: String = "",
        on channel: Channel
    ) throws(Closed) {
        var binding = BindingDeclaration(source: source, destination: destination, key: key)
        binding.toExchange = true
        try send(binding, .exchangeBind, .exchangeBindOk, channel)
    }

    /// Takes a binding between exchanges away.
    public func unbindExchange(
        _ destination: String,
        from source: String,
        key: String = "",
        on channel: Channel
    ) throws(Closed) {
        var binding = BindingDeclaration(source: source, destination: destination, key: key)
        binding.toExchange = true
        try send(binding, .exchangeUnbind, .exchangeUnbindOk, channel)
    }

    private func send(
        _ binding: BindingDeclaration,
        _ method: Method,
        _ answer: Method,
        _ channel: Channel
    ) throws(Closed) {
        var packet = packet(method, channel)
        packet.parcel = parcel(binding)
        try ask(packet, channel, answer)
    }

    /// Deletes a queue; returns how many messages were ready in it.
    @discardableResult
    public func deleteQueue(
        _ name: String,
        ifUnused: Bool = false,
        ifEmpty: Bool = false,
        on channel: Channel
    ) throws(Closed) -> Int {
        var packet = packet(.queueDelete, channel)
        packet.subject = symbol(.queue, name, channel)
        packet.flags = (ifUnused ? Flag.ifUnused : 0) | (ifEmpty ? Flag.ifEmpty : 0)
        return Int(try ask(packet, channel, .queueDeleteOk).c)
    }

    /// Drops what is ready in a queue; returns how many that were.
    @discardableResult
    public func purge(_ name: String, on channel: Channel) throws(Closed) -> Int {
        var packet = packet(.queuePurge, channel)
        packet.subject = symbol(.queue, name, channel)
        return Int(try ask(packet, channel, .queuePurgeOk).c)
    }

    /// Deletes an exchange.
    public func deleteExchange(
        _ name: String,
        ifUnused: Bool = false,
        on channel: Channel
    ) throws(Closed) {
        var packet = packet(.exchangeDelete, channel)
        packet.subject = symbol(.exchange, name, channel)
        packet.flags = ifUnused ? Flag.ifUnused : 0
        try ask(packet, channel, .exchangeDeleteOk)
    }

    // MARK: Publishing

    /// Publishes; to the default exchange with the name of a queue, unless another exchange is named.
    public func publish(
        _ body: String,
        to key: String,
        exchange: String = "",
        mandatory: Bool = false,
        immediate: Bool = false,
        persistent: Bool = false,
        headers: [FieldValue.Field] = [],
        properties: Properties? = nil,
        on channel: Channel
    ) {
        var packet = packet(.basicPublish, channel)
        packet.message = world.speak(as: channel.port) { $0.newMessage() }
        bodies[packet.message] = body
        packet.subject = symbol(.exchange, exchange, channel)
        packet.key = world.intern(.key, key)
        packet.size = UInt32(body.utf8.count)
        packet.flags =
            (mandatory ? Flag.mandatory : 0) | (immediate ? Flag.immediate : 0)
            | (persistent ? Flag.persistent : 0)
        if properties != nil || !headers.isEmpty {
            var all = properties ?? Properties()
            all.headers += headers
            packet.parcel = parcel(all)
        }
        say(packet, channel)
    }

    /// Turns publisher confirms on.
    public func selectConfirms(on channel: Channel) throws(Closed) {
        try ask(packet(.confirmSelect, channel), channel, .confirmSelectOk)
    }

    /// The sequence numbers that were confirmed since the last look, in order.
    public func takeConfirms(on channel: Channel) -> [UInt64] {
        take(.basicAck, channel).map(\.tag)
    }

    /// The sequence numbers that were refused since the last look, in order.
    public func takeNacks(on channel: Channel) -> [UInt64] {
        take(.basicNack, channel).map(\.tag)
    }

    /// Makes a channel transactional.
    public func selectTransactions(on channel: Channel) throws(Closed) {
        try ask(packet(.txSelect, channel), channel, .txSelectOk)
    }

    /// Commits.
    public func commit(on channel: Channel) throws(Closed) {
        try ask(packet(.txCommit, channel), channel, .txCommitOk)
    }

    /// Rolls back.
    public func rollback(on channel: Channel) throws(Closed) {
        try ask(packet(.txRollback, channel), channel, .txRollbackOk)
    }

    /// The bodies that came back since the last look, with the reply code.
    public func takeReturns(on channel: Channel) -> [String] {
        take(.basicReturn, channel).map { bodies[$0.message] ?? "" }
    }

    /// The names of what arrived since the last look, in order: `basicReturn`, `basicAck`, ….
    public func takeMethods(on channel: Channel) -> [String] {
        defer { inboxes[channel] = [] }
        return (inboxes[channel] ?? []).compactMap { $0.method.map { "\($0)" } }
    }

    private func take(_ method: Method, _ channel: Channel) -> [Packet] {
        let found = (inboxes[channel] ?? []).filter { $0.method == method }
        inboxes[channel]?.removeAll { $0.method == method }
        return found
    }

    // MARK: Consuming

    /// Sets the prefetch.
    public func qos(
        _ count: UInt32,
        size: UInt32 = 0,
        global: Bool = false,
        on channel: Channel
    ) throws(Closed) {
        var packet = packet(.basicQos, channel)
        packet.c = count
        packet.d = size
        packet.flags = global ? Flag.global : 0
        try ask(packet, channel, .basicQosOk)
    }

    /// Begins to consume; returns the consumer tag.
    @discardableResult
    public func consume(
        _ queue: String,
        tag: String = "",
        noAck: Bool = false,
        exclusive: Bool = false,
        arguments: [FieldValue.Field] = [],
        on channel: Channel
    ) throws(Closed) -> String {
        var packet = packet(.basicConsume, channel)
        packet.subject = symbol(.queue, queue, channel)
        packet.key = world.intern(.text, tag)
        packet.flags = (noAck ? Flag.noAck : 0) | (exclusive ? Flag.exclusive : 0)
        if !arguments.isEmpty { packet.parcel = parcel(ConsumeOptions(arguments: arguments)) }
        let answer = try ask(packet, channel, .basicConsumeOk)
        return world.names[answer.key]
    }

    /// Stops consuming.
    public func cancel(_ tag: String, on channel: Channel) throws(Closed) {
        var packet = packet(.basicCancel, channel)
        packet.key = world.intern(.text, tag)
        try ask(packet, channel, .basicCancelOk)
    }

    /// The tags of the consumers that the broker cancelled since the last look.
    public func takeCancellations(on channel: Channel) -> [String] {
        take(.basicCancel, channel).map { world.names[$0.key] }
    }

    /// What was delivered since the last look, in order.
    public func takeDeliveries(on channel: Channel) -> [Delivery] {
        take(.basicDeliver, channel).map { delivery($0) }
    }

    /// Fetches one message.
    public func get(_ queue: String, noAck: Bool = false, on channel: Channel)
        throws(Closed) -> Delivery?
    {
        var packet = packet(.basicGet, channel)
        packet.subject = symbol(.queue, queue, channel)
        packet.flags = noAck ? Flag.noAck : 0
        say(packet, channel)
        if let word = closed[channel] { throw word }
        if !take(.basicGetEmpty, channel).isEmpty { return nil }
        return take(.basicGetOk, channel).first.map { delivery($0) }
    }

    private func delivery(_ packet: Packet) -> Delivery {
        let properties: Properties? = world.parcel(packet.parcel)
        return Delivery(
            body: bodies[packet.message] ?? "",
            tag: packet.deliveryTag,
            redelivered: packet.has(Flag.redelivered),
            exchange: world.names[packet.exchange],
            key: world.names[packet.key],
            properties: properties ?? Properties(),
            left: packet.method == .basicGetOk ? Int(packet.consumerNumber) : 0,
            consumer: consumerTags[packet.consumerNumber] ?? ""
        )
    }

    /// Acknowledges.
    public func ack(_ tag: UInt64, multiple: Bool = false, on channel: Channel) {
        settle(.basicAck, tag, multiple ? Flag.multiple : 0, channel)
    }

    /// Acknowledges, and has the node killed as soon as it heard it, before its disk knows.
    public func ackAndKill(_ tag: UInt64, on channel: Channel) {
        var packet = packet(.basicAck, channel)
        packet.tag = tag
        speak(packet, channel)
        world.plan(.crash(node), at: world.now + .microseconds(60))
        world.plan(.start(node), at: world.now + .milliseconds(20))
        settle()
    }

    /// Refuses, and has it requeued or not.
    public func nack(
        _ tag: UInt64,
        multiple: Bool = false,
        requeue: Bool,
        on channel: Channel
    ) {
        let flags = (multiple ? Flag.multiple : 0) | (requeue ? Flag.requeue : 0)
        settle(.basicNack, tag, flags, channel)
    }

    /// Refuses one delivery.
    public func reject(_ tag: UInt64, requeue: Bool, on channel: Channel) {
        settle(.basicReject, tag, requeue ? Flag.requeue : 0, channel)
    }

    /// Has everything unacknowledged sent again.
    public func recover(requeue: Bool, on channel: Channel) {
        settle(.basicRecover, 0, requeue ? Flag.requeue : 0, channel)
    }

    private func settle(
        _ method: Method,
        _ tag: UInt64,
        _ flags: UInt8,
        _ channel: Channel
    ) {
        var packet = packet(method, channel)
        packet.tag = tag
        packet.flags = flags
        say(packet, channel)
    }
}
