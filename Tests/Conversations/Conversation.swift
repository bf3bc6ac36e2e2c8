import AMQPWire
import NIOCore
package import RabbitMQModel
import WarrenKernel
package import WarrenTrace

/// A broker and clients that are held by hand, one method at a time.
///
/// Each call says something to the broker and lives on until nothing is left to happen; what came back
/// waits to be looked at. Tests read as conversations; each is held with the model and, if its suite says
/// `.heldWithBoth` and one node can show it, with a real RabbitMQ as well.
///
///     let talk = Conversation()
///     let channel = talk.openChannel()
///     try talk.declareQueue("q", on: channel)
///     talk.publish("hello", to: "q", on: channel)
///     try talk.get("q", on: channel)?.body   // "hello"
package final class Conversation {
    /// A channel of a connection of its own, or of another channel's connection.
    package struct Channel: Sendable, Hashable {
        let link: Int
        let number: UInt16
    }

    /// What the broker said when it closed a channel or a connection.
    package struct Closed: Error, Sendable, Hashable {
        /// The reply code, such as 404.
        package var code: UInt16
        /// The reply text, such as "NOT_FOUND - no queue 'q' in vhost '/'".
        package var text: String
        /// Whether the whole connection is gone.
        package var connection: Bool

        /// What a broker would say.
        package init(code: UInt16, text: String, connection: Bool) {
            self.code = code
            self.text = text
            self.connection = connection
        }
    }

    /// A message as a client gets it.
    package struct Delivery: Sendable, Hashable {
        /// The body.
        package var body: String
        /// The delivery tag.
        package var tag: UInt64
        /// Whether it was sent before.
        package var redelivered: Bool
        /// The exchange that it was published to.
        package var exchange: String
        /// The routing key that it was published with.
        package var key: String
        /// Its properties.
        package var properties: Properties
        /// Its headers.
        package var headers: [RabbitMQModel.FieldValue.Field] { properties.headers }
        /// For basic.get: how many are left.
        package var left: Int
        /// For a consumer: its tag.
        package var consumer: String
    }

    /// What declare-ok says.
    package struct QueueState: Sendable, Hashable {
        /// Its name.
        package var name: String
        /// Copies ready in it.
        package var messages: Int
        /// Its consumers.
        package var consumers: Int

        /// What declare-ok would say.
        package init(name: String, messages: Int, consumers: Int) {
            self.name = name
            self.messages = messages
            self.consumers = consumers
        }
    }

    /// Whom it is held with.
    let arm: any Arm
    var inboxes: [Channel: [Command]] = [:]
    var closed: [Channel: Closed] = [:]
    private var numbers: [Int: UInt16] = [:]
    private var ended: Set<Int> = []
    private var beats: [Int: Int] = [:]
    /// By channel in confirm mode: how many publications it has had, and which wait for a confirm.
    var published: [Channel: UInt64] = [:]
    var unconfirmed: [Channel: Set<UInt64>] = [:]

    /// A broker with nothing but what every broker has, and clients that are not connected.
    ///
    /// `change` may configure it, and say what it begins with. A second virtual host, `other`, is always there.
    package init(
        nodes count: Int = 1,
        handling: PartitionHandling = .ignore,
        seed: UInt64 = 1,
        _ change: (inout BrokerSettings, inout Definitions) -> Void = { _, _ in }
    ) {
        var settings = BrokerSettings()
        var definitions = Definitions()
        change(&settings, &definitions)
        if let scope = RealScope.current {
            let arm = RealArm(scope, settings, definitions)
            if count > 1 { scope.giveUp("it needs a cluster of \(count) nodes") }
            self.arm = arm
        } else {
            arm = ModelArm(
                nodes: count,
                handling: handling,
                seed: seed,
                settings,
                definitions
            )
        }
    }

    deinit { arm.end() }

    /// The model, for what only it can show; nil if a real broker is asked, which then does not count.
    func model(_ why: String) -> ModelArm? {
        if let model = arm as? ModelArm { return model }
        RealScope.current?.giveUp(why)
        return nil
    }

    /// Holds conversations with the model, whoever else is asked.
    package static func withModel<Result>(_ body: () throws -> Result) rethrows -> Result {
        try RealScope.$current.withValue(nil) { try body() }
    }

    /// Whether it is held with a real broker.
    package var isReal: Bool { arm is RealArm }

    /// Says that a real node shows something else, and that the catalogue says so.
    package func keepToModel(_ why: String) { _ = model(why) }

    /// Seconds since 1970, where the conversation is held.
    package var seconds: UInt64 { arm.seconds }

    /// The simulated time.
    package var now: Instant { model("it asks for the simulated time")?.world.now ?? .zero }

    /// All that has happened in the model.
    package var facts: [Fact] { model("it looks at the model's facts")?.facts ?? [] }

    // MARK: The wire

    /// Lives on until all has come that follows from the last words.
    package func settle() { settle(.queues) }

    /// Lives on until nothing is left to happen, and sorts what arrived.
    func settle(_ depth: Settling) {
        arm.settle(depth)
        sortInboxes()
    }

    /// Lets time pass.
    package func wait(_ milliseconds: UInt64) {
        arm.wait(milliseconds)
        sortInboxes()
    }

    func sortInboxes() {
        for link in numbers.keys.sorted() {
            for arrival in arm.take(from: link) {
                switch arrival {
                case .ended: ended.insert(link)
                case .heartbeat: beats[link, default: 0] += 1
                case .command(let command):
                    sort(command, Channel(link: link, number: command.channel))
                }
            }
        }
    }

    private func sort(_ command: Command, _ channel: Channel) {
        switch command.method {
        case .channel(.close(let close)):
            closed[channel] = Closed(code: close.code, text: close.text.text, connection: false)
            arm.say(Command(.channel(.closeOk), channel: channel.number), on: channel.link)
        case .connection(.close(let close)):
            let word = Closed(code: close.code, text: close.text.text, connection: true)
            for other in inboxes.keys.sorted(by: { $0.number < $1.number })
            where other.link == channel.link {
                closed[other] = word
            }
            arm.say(Command(.connection(.closeOk), channel: 0), on: channel.link)
        case .basic(.ack(let ack)): confirm(ack.deliveryTag, ack.multiple, true, channel)
        case .basic(.nack(let nack)): confirm(nack.deliveryTag, nack.multiple, false, channel)
        default: inboxes[channel, default: []].append(command)
        }
    }

    /// Confirms come one by one or several at once, as the broker likes: RMQ-PUB-10, -11.
    private func confirm(_ tag: UInt64, _ multiple: Bool, _ isGood: Bool, _ channel: Channel) {
        var tags = [tag]
        if multiple {
            tags = unconfirmed[channel, default: []].filter { tag == 0 || $0 <= tag }.sorted()
        }
        for tag in tags {
            unconfirmed[channel]?.remove(tag)
            let word: Basic =
                isGood ? .ack(.init(deliveryTag: tag)) : .nack(.init(deliveryTag: tag))
            inboxes[channel, default: []].append(Command(.basic(word), channel: channel.number))
        }
    }

    /// Says something and waits for everything that follows from it.
    func say(
        _ method: AMQPWire.Method,
        _ channel: Channel,
        _ depth: Settling = .queues,
        _ content: Content? = nil
    ) {
        arm.say(Command(method, channel: channel.number, content: content), on: channel.link)
        settle(depth)
    }

    /// Says something that the broker answers, or refuses; returns what `pick` takes for the answer.
    @discardableResult
    func ask<Answer>(
        _ method: AMQPWire.Method,
        _ channel: Channel,
        _ depth: Settling = .answer,
        _ pick: (AMQPWire.Method) -> Answer?
    ) throws(Closed) -> (answer: Answer, content: Content?) {
        arm.say(Command(method, channel: channel.number), on: channel.link)
        arm.settle(depth)
        var waited: UInt64 = 0
        while true {
            sortInboxes()
            if let word = closed[channel] { throw word }
            for (index, command) in (inboxes[channel] ?? []).enumerated() {
                guard let answer = pick(command.method) else { continue }
                inboxes[channel]?.remove(at: index)
                if waited > 0 { settle(depth) }
                return (answer, command.content)
            }
            guard waited < arm.patience, !ended.contains(channel.link) else {
                throw Closed(code: 0, text: "no answer", connection: true)
            }
            arm.wait(5)
            waited += 5
        }
    }

    /// Asks for an answer that says nothing else.
    func ask(
        _ method: AMQPWire.Method,
        _ channel: Channel,
        _ depth: Settling = .answer,
        until answer: AMQPWire.Method
    ) throws(Closed) {
        try ask(method, channel, depth) { $0 == answer ? true : nil }
    }

    // MARK: Connections and channels

    private func dial(_ number: Int = 1, greeting: [UInt8] = ProtocolHeader.bytes) -> Channel {
        let link = arm.dial(node: number - 1, greeting: greeting)
        numbers[link] = 0
        let zero = Channel(link: link, number: 0)
        inboxes[zero] = []
        settle(.answer)
        return zero
    }

    /// Opens a connection with one channel.
    package func openChannel(on number: Int = 1) -> Channel {
        let parameters = ConnectionParameters()
        let zero = dial(number)
        // Who is refused notices when he says something.
        _ = try? shake(zero, parameters)
        return openChannel(beside: zero)
    }

    /// Connects as a client that says all that there is to say; returns the connection's channel 0 and
    /// what the server offered.
    ///
    /// - Throws: ``Closed`` with the code 0 if the server says nothing, or cuts the socket.
    package func connect(_ change: (inout ConnectionParameters) -> Void = { _ in })
        throws(Closed) -> (zero: Channel, offer: ServerOffer)
    {
        var parameters = ConnectionParameters()
        change(&parameters)
        let zero = dial(greeting: Array(parameters.protocolHeader.utf8))
        return (zero, try shake(zero, parameters))
    }

    private func shake(_ zero: Channel, _ parameters: ConnectionParameters) throws(Closed)
        -> ServerOffer
    {
        let start = try hear(zero) { method -> Connection.Start? in
            if case .connection(.start(let start)) = method { start } else { nil }
        }
        let capabilities = parameters.capabilities.map { FieldTable.Field(Octets($0), .bool(true)) }
        let startOk = Connection.StartOk(
            clientProperties: ["capabilities": .table(FieldTable(capabilities))],
            mechanism: Octets(parameters.mechanism),
            response: Octets("\u{0}\(parameters.user)\u{0}\(parameters.password)")
        )
        let tune = try ask(.connection(.startOk(startOk)), zero) { method -> Connection.Tune? in
            if case .connection(.tune(let tune)) = method { tune } else { nil }
        }.answer
        let tuneOk = Connection.TuneOk(
            channelMax: parameters.channelMax,
            frameMax: parameters.frameMax,
            heartbeat: parameters.heartbeat
        )
        say(.connection(.tuneOk(tuneOk)), zero, .answer)
        let open = Connection.Open(vhost: Octets(parameters.vhost))
        try ask(.connection(.open(open)), zero, until: .connection(.openOk))
        var offer = ServerOffer(
            channelMax: tune.channelMax,
            frameMax: tune.frameMax,
            heartbeat: tune.heartbeat
        )
        offer.mechanisms = start.mechanisms.text.split(separator: " ").map(String.init).sorted()
        if case .table(let table)? = start.serverProperties["capabilities"] {
            offer.capabilities = table.fields.map(\.name.text)
        }
        return offer
    }

    /// Waits for what the broker says by itself.
    private func hear<Answer>(_ channel: Channel, _ pick: (AMQPWire.Method) -> Answer?)
        throws(Closed) -> Answer
    {
        var waited: UInt64 = 0
        while true {
            sortInboxes()
            for (index, command) in (inboxes[channel] ?? []).enumerated() {
                guard let answer = pick(command.method) else { continue }
                inboxes[channel]?.remove(at: index)
                return answer
            }
            guard waited < arm.patience, !ended.contains(channel.link) else {
                throw Closed(code: 0, text: "no answer", connection: true)
            }
            arm.wait(5)
            waited += 5
        }
    }

    /// Whether the connection of a channel is still there.
    package func isConnected(_ channel: Channel) -> Bool { !ended.contains(channel.link) }

    /// What arrived for a connection as a whole since the last look, in order, by name; heartbeats last.
    package func takeConnectionMethods(of channel: Channel) -> [String] {
        let count = beats.removeValue(forKey: channel.link) ?? 0
        return takeMethods(on: Channel(link: channel.link, number: 0))
            + Array(repeating: "heartbeat", count: count)
    }

    /// Says that the client is alive.
    package func beat(_ channel: Channel) {
        arm.beat(on: channel.link)
        settle(.answer)
    }

    /// Asks for deliveries to stop or go on.
    package func flow(_ active: Bool, on channel: Channel) throws(Closed) {
        try ask(.channel(.flow(.init(active: active))), channel) { method -> Bool? in
            if case .channel(.flowOk) = method { true } else { nil }
        }
    }

    // MARK: The operator

    /// Does what an administrator does.
    package func administer(_ order: Administration) {
        arm.operate(.administer(order))
        sortInboxes()
    }

    /// Has the node run short of memory or disk, or have enough again.
    package func setAlarm(memory: Bool, _ isOn: Bool) {
        arm.operate(.alarm(memory: memory, isOn: isOn))
        sortInboxes()
    }

    /// Opens a further channel on the connection of `channel`.
    package func openChannel(beside channel: Channel, number: UInt16? = nil) -> Channel {
        let number = number ?? (numbers[channel.link] ?? 0) + 1
        numbers[channel.link] = number
        let new = Channel(link: channel.link, number: number)
        reopen(new)
        return new
    }

    /// Opens the number of a channel that is closed once more.
    package func reopen(_ channel: Channel) {
        closed[channel] = nil
        inboxes[channel] = []
        published[channel] = nil
        unconfirmed[channel] = nil
        // What is refused shows when it is asked for.
        _ = try? ask(.channel(.open), channel, until: .channel(.openOk))
    }

    /// Closes a channel in good order.
    package func close(_ channel: Channel) throws(Closed) {
        let close = AMQPWire.Channel.Close(code: 200, text: "Goodbye")
        try ask(.channel(.close(close)), channel, .queues, until: .channel(.closeOk))
    }

    /// Closes the connection of a channel in good order.
    package func closeConnection(_ channel: Channel) {
        let close = Connection.Close(code: 200, text: "Goodbye")
        say(.connection(.close(close)), Channel(link: channel.link, number: 0))
    }

    /// Ends the connection of a channel without a word, as a process that is killed does.
    package func abandon(_ channel: Channel) {
        arm.abandon(channel.link)
        sortInboxes()
    }

    /// Cuts the connection of a channel, as a reset does.
    package func cut(_ channel: Channel) {
        arm.cut(channel.link)
        settle(.queues)
    }

    /// What the broker said when it closed this channel; nil while it is open.
    package func refusal(of channel: Channel) -> Closed? { closed[channel] }

    /// Kills the node and starts it again.
    package func kill() {
        arm.operate(.kill)
        sortInboxes()
    }

    /// Stops the node in good order and starts it again, with the data directory of this number.
    ///
    /// The directory is named after the node: another number stands for another name.
    package func restart(directory: UInt32 = 0) {
        arm.operate(.restart(directory: directory))
        sortInboxes()
    }
}
