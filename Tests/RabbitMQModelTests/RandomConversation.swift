import Conversations
import RabbitMQModel
import Support

/// Three clients who say random things to a few queues, one after the other.
///
/// Every step has all its consequences before the next one is said; messages are known by their bodies.
struct RandomConversation: Sendable {
    /// What one client says.
    struct Step: Sendable, CustomStringConvertible {
        enum Word: Sendable {
            case publish(exchange: String, key: String, Properties, mandatory: Bool)
            case get(String, noAck: Bool)
            case consume(String, tag: String, noAck: Bool, exclusive: Bool, priority: Int64?)
            case cancel(String)
            case qos(UInt32, global: Bool)
            /// The delivery at this place among those that the client holds, by their bodies; none of them if it is
            /// beyond.
            case settle(Settling, Int, multiple: Bool)
            case recover
            case select, commit, rollback, confirm
            case purge(String)
            case delete(String, ifUnused: Bool, ifEmpty: Bool)
            case look(String)
            case bind(String, key: String), unbind(String, key: String)
            case declareAgain(QueueDeclaration)
            case policy(Policy), clearPolicy(String)
            case close
            /// The connection ends, in good order or not.
            case leave(politely: Bool)
        }
        enum Settling: String, Sendable { case ack, nack, reject, requeue }

        var number: Int
        var client: Int
        var word: Word

        var description: String { "\(number). \(["a", "b", "c"][client]) \(word.text)" }
    }

    var queues: [QueueDeclaration]
    /// Beside the broker's own: `x` (direct, what it cannot route goes to amq.fanout), `t` (topic), `h` (headers).
    var bindings: [BindingDeclaration] = []
    var steps: [Step]

    /// A conversation; the same seed makes the same one.
    init(seed: UInt64) {
        var dice = Dice(seed: seed)
        queues = (0..<dice.number(1...3)).map { Self.queue($0, &dice) }
        queues.append(QueueDeclaration(name: "d"))
        let names = queues.map(\.name)
        for _ in 0..<dice.below(6) { bindings.append(Self.binding(dice.pick(names), &dice)) }
        let declared = queues
        steps = []
        for number in 0..<dice.number(4...22) {
            let client = dice.below(3)
            let word =
                dice.happens(6)
                ? Self.rareWord(declared, &dice) : Self.word(names, number, client, &dice)
            steps.append(Step(number: number, client: client, word: word))
        }
    }

    private static func queue(_ number: Int, _ dice: inout Dice) -> QueueDeclaration {
        var queue = QueueDeclaration(name: "q\(number)")
        func maybe(_ percent: Int, _ name: String, _ value: FieldValue) {
            if dice.happens(percent) { queue[name] = value }
        }
        let isQuorum = dice.happens(40)
        maybe(25, "x-max-length", .int(Int64(dice.below(4))))
        maybe(10, "x-max-length-bytes", .int(Int64(dice.number(0...30))))
        maybe(20, "x-single-active-consumer", .bool(true))
        maybe(15, "x-message-ttl", .int(dice.happens(50) ? 0 : 3_600_000))
        if dice.happens(50) {
            queue.deadLetterExchange = ""
            queue.deadLetterKey = "d"
        }
        let overflow = dice.pick(["drop-head", "reject-publish", "reject-publish-dlx"])
        maybe(30, "x-overflow", .string(overflow))
        if isQuorum {
            queue["x-queue-type"] = .string("quorum")
            maybe(30, "x-delivery-limit", .int(Int64(dice.below(3))))
        } else {
            maybe(15, "x-max-priority", .int(3))
            queue.autoDelete = dice.happens(10)
        }
        return queue
    }

    private static func binding(_ queue: String, _ dice: inout Dice) -> BindingDeclaration {
        let source = dice.pick(["x", "t", "h", "amq.fanout"])
        let key = source == "t" ? dice.pick(["a.*", "#", "a.#", "*.b", "a.b", ""]) : queue
        var binding = BindingDeclaration(source: source, destination: queue, key: key)
        if source == "h" {
            binding.arguments = [.init("x-match", .string(dice.pick(["all", "any"])))]
            for name in ["n", "m"] where dice.happens(60) {
                let value = dice.pick([FieldValue.int(1), .double(1), .string("1"), .void])
                binding.arguments.append(.init(name, value))
            }
        }
        return binding
    }

    private static func rareWord(_ queues: [QueueDeclaration], _ dice: inout Dice) -> Step.Word {
        var queue = dice.pick(queues)
        switch dice.below(3) {
        case 0:
            if dice.happens(60) {
                queue[dice.pick(["x-max-length", "x-message-ttl", "x-expires"])] =
                    dice.happens(50) ? nil : .int(3_600_000)
            }
            return .declareAgain(queue)
        case 1: return .clearPolicy(dice.pick(["p", "r"]))
        default:
            var policy = Policy(
                name: dice.pick(["p", "r"]),
                pattern: dice.pick(["^q0$", "^q", "."])
            )
            policy.priority = Int64(dice.below(3))
            policy.target = dice.pick([.queues, .all])
            let keys: [(String, FieldValue)] = [
                ("max-length", .int(Int64(dice.below(4)))),
                ("overflow", .string(dice.pick(["drop-head", "reject-publish"]))),
                ("dead-letter-exchange", .string("")), ("dead-letter-routing-key", .string("d")),
                ("message-ttl", .int(3_600_000)), ("delivery-limit", .int(Int64(dice.below(3)))),
                ("queue-mode", .string("lazy")), ("alternate-exchange", .string("amq.fanout")),
            ]
            policy.definition = keys.filter { _ in dice.happens(25) }.map { .init($0.0, $0.1) }
            if policy.definition.isEmpty { policy.definition = [.init("max-length", .int(2))] }
            return .policy(policy)
        }
    }

    private static func word(
        _ names: [String],
        _ number: Int,
        _ client: Int,
        _ dice: inout Dice
    ) -> Step.Word {
        let queue = dice.pick(names)
        switch dice.below(100) {
        case 0..<30:
            var properties = Properties()
            if dice.happens(15) { properties.priority = UInt8(dice.below(5)) }
            if dice.happens(8) { properties.expiration = dice.pick(["0", "3600000"]) }
            if dice.happens(8) {
                let key = dice.pick(["CC", "BCC"])
                properties.headers = [.init(key, .array([.string(dice.pick(names))]))]
            }
            let exchange =
                dice.happens(35)
                ? dice.pick(["amq.fanout", "amq.direct", "none", "x", "t", "h"]) : ""
            for name in ["m", "n"] where exchange == "h" && dice.happens(60) {
                let value = dice.pick([FieldValue.int(1), .double(1), .string("1")])
                properties.headers.append(.init(name, value))
            }
            return .publish(
                exchange: exchange,
                key: exchange == "t"
                    ? dice.pick(["a.b", "a", "b.b", ""]) : dice.happens(5) ? "nowhere" : queue,
                properties,
                mandatory: dice.happens(15)
            )
        case 30..<38: return .get(queue, noAck: dice.happens(30))
        case 38..<48:
            return .consume(
                queue,
                tag: dice.happens(20) ? "again" : "t\(number)",
                noAck: dice.happens(25),
                exclusive: dice.happens(10),
                priority: dice.happens(15) ? Int64(dice.number(-1...2)) : nil
            )
        case 48..<51: return .cancel(dice.happens(30) ? "again" : "t\(dice.below(number + 1))")
        case 51..<57: return .qos(UInt32(dice.below(4)), global: dice.happens(35))
        case 57..<75:
            return .settle(
                dice.pick([.ack, .ack, .nack, .reject, .requeue, .requeue]),
                dice.below(5),
                multiple: dice.happens(20)
            )
        case 75..<78: return .recover
        case 78..<80: return .select
        case 80..<82: return dice.happens(70) ? .commit : .rollback
        case 82..<84: return .confirm
        case 84..<86: return .purge(queue)
        case 86..<88:
            return .delete(queue, ifUnused: dice.happens(40), ifEmpty: dice.happens(40))
        case 88..<92: return .look(queue)
        case 92..<94: return .bind(queue, key: queue)
        case 94..<95: return .unbind(queue, key: queue)
        case 95..<98: return .close
        default: return .leave(politely: dice.happens(50))
        }
    }

    // MARK: Holding it

    /// What was heard, step by step.
    func transcript() -> [String] {
        var speaker = Speaker(self)
        return speaker.hold()
    }

    /// The same with fewer steps, as small as `isWanted` allows.
    func shrunk(while isWanted: (RandomConversation) -> Bool) -> RandomConversation {
        var best = self
        var index = best.steps.count - 1
        while index >= 0 {
            var smaller = best
            smaller.steps.remove(at: index)
            if isWanted(smaller) { best = smaller }
            index -= 1
        }
        for index in best.bindings.indices.reversed() {
            var smaller = best
            smaller.bindings.remove(at: index)
            if isWanted(smaller) { best = smaller }
        }
        for index in best.queues.indices.dropLast() {
            for name in best.queues[index].arguments.map(\.name) {
                var smaller = best
                smaller.queues[index][name] = nil
                if isWanted(smaller) { best = smaller }
            }
        }
        return best
    }
}

extension RandomConversation.Step.Word {
    /// What is said, in short.
    fileprivate var text: String {
        switch self {
        case .publish(let exchange, let key, let properties, let mandatory):
            var text = "publishes to \(exchange.isEmpty ? "" : exchange + " ")\(key)"
            if let priority = properties.priority { text += ", priority \(priority)" }
            if let life = properties.expiration { text += ", expiration \(life)" }
            for header in properties.headers { text += ", \(header.name) \(header.value)" }
            return mandatory ? text + ", mandatory" : text
        case .settle(let how, let place, let multiple):
            return "\(how)s its delivery \(place)\(multiple ? ", all" : "")"
        case .policy(let policy):
            let keys = policy.definition.map { "\($0.name): \($0.value)" }.joined(separator: ", ")
            return
                "policy \(policy.name) \(policy.pattern) \(policy.target) \(policy.priority) {\(keys)}"
        case .declareAgain(let queue):
            let keys = queue.arguments.map { "\($0.name): \($0.value)" }.joined(separator: ", ")
            return "declares \(queue.name) {\(keys)}"
        default: return "\(self)"
        }
    }
}

/// Holds a random conversation.
private struct Speaker {
    private struct Held: Hashable {
        var body: String
        var tag: UInt64
    }

    private let conversation: RandomConversation
    private let talk = Conversation()
    private var channels: [Conversation.Channel] = []
    private var held: [[Held]] = [[], [], []]
    private var lines: [String] = []

    init(_ conversation: RandomConversation) { self.conversation = conversation }

    mutating func hold() -> [String] {
        let first = talk.openChannel()
        channels = [first, talk.openChannel(beside: first), talk.openChannel()]
        for queue in conversation.queues {
            note("declare \(queue.name)") { talk, channel in
                let state = try talk.declareQueue(queue.name, on: channel) {
                    $0.arguments = queue.arguments
                    $0.autoDelete = queue.autoDelete
                }
                return "\(state.messages) \(state.consumers)"
            }
        }
        declareRest()
        for step in conversation.steps {
            reopen(step.client)
            perform(step)
            // What follows from a channel that the broker closed comes once the client has said so, too.
            if channels.contains(where: { talk.refusal(of: $0) != nil }) { talk.settle() }
            listen(step)
        }
        readOut()
        return lines
    }

    private mutating func declareRest() {
        note("exchanges") { talk, channel in
            try talk.declareExchange("x", "direct", on: channel) { $0.alternate = "amq.fanout" }
            try talk.declareExchange("t", "topic", on: channel)
            try talk.declareExchange("h", "headers", on: channel)
            return nil
        }
        for binding in conversation.bindings {
            note("\(binding)") { talk, channel in
                try talk.bind(
                    binding.destination,
                    to: binding.source,
                    key: binding.key,
                    arguments: binding.arguments,
                    on: channel
                )
                return nil
            }
        }
    }

    private mutating func note(
        _ what: String,
        _ client: Int = 0,
        _ body: (Conversation, Conversation.Channel) throws -> String?
    ) {
        do {
            if let said = try body(talk, channels[client]) { lines.append("\(what): \(said)") }
        } catch {
            let text = (error as? Conversation.Closed).map { "\($0.code) \($0.text)" } ?? "\(error)"
            lines.append("\(what): \(text)")
        }
    }

    /// A client whose channel or connection is closed opens another one.
    private mutating func reopen(_ client: Int) {
        guard let closed = talk.refusal(of: channels[client]) else {
            if !talk.isConnected(channels[client]) { connect(client) }
            return
        }
        held[client] = []
        if closed.connection || !talk.isConnected(channels[client]) {
            connect(client)
        } else {
            talk.reopen(channels[client])
        }
    }

    private mutating func connect(_ client: Int) {
        held[client] = []
        channels[client] = talk.openChannel()
        guard client < 2 else { return }
        // The other one was on the same connection.
        held[1 - client] = []
        channels[1 - client] = talk.openChannel(beside: channels[client])
    }

    private mutating func perform(_ step: RandomConversation.Step) {
        let client = step.client
        let channel = channels[client]
        switch step.word {
        case .publish(let exchange, let key, let properties, let mandatory):
            talk.publish(
                "m\(step.number)",
                to: key,
                exchange: exchange,
                mandatory: mandatory,
                properties: properties,
                on: channel
            )
        case .get(let queue, let noAck):
            var got: Held?
            note("\(step)", client) { talk, channel in
                guard let found = try talk.get(queue, noAck: noAck, on: channel) else {
                    return "empty"
                }
                if !noAck { got = Held(body: found.body, tag: found.tag) }
                return Self.words(found) + " left \(found.left)"
            }
            if let got { held[client].append(got) }
        case .settle(let how, let place, let multiple): settle(how, place, multiple, client)
        case .recover:
            talk.recover(requeue: true, on: channel)
            held[client] = []
        case .close:
            note("\(step)", client) { talk, channel in
                try talk.close(channel)
                talk.reopen(channel)
                return nil
            }
            held[client] = []
        case .policy(let policy):
            talk.administer(.setPolicy(policy, vhost: "/"))
            talk.wait(60)
        case .clearPolicy(let name):
            talk.administer(.clearPolicy(name, vhost: "/"))
            talk.wait(60)
        case .leave(let politely):
            // Two channels that die at once return what they hold in any order.
            guard client == 2 else { return }
            if politely { talk.closeConnection(channel) } else { talk.abandon(channel) }
            connect(client)
        default: performAsking(step)
        }
    }

    private mutating func performAsking(_ step: RandomConversation.Step) {
        note("\(step)", step.client) { talk, channel in
            switch step.word {
            case .consume(let queue, let tag, let noAck, let exclusive, let priority):
                try talk.consume(
                    queue,
                    tag: tag,
                    noAck: noAck,
                    exclusive: exclusive,
                    arguments: priority.map { [.init("x-priority", .int($0))] } ?? [],
                    on: channel
                )
            case .cancel(let tag): try talk.cancel(tag, on: channel)
            case .qos(let count, let global): try talk.qos(count, global: global, on: channel)
            case .select: try talk.selectTransactions(on: channel)
            case .commit: try talk.commit(on: channel)
            case .rollback: try talk.rollback(on: channel)
            case .confirm: try talk.selectConfirms(on: channel)
            case .purge(let queue): return "\(try talk.purge(queue, on: channel))"
            case .delete(let queue, let ifUnused, let ifEmpty):
                let count = try talk.deleteQueue(
                    queue,
                    ifUnused: ifUnused,
                    ifEmpty: ifEmpty,
                    on: channel
                )
                return "\(count)"
            case .look(let queue):
                let state = try talk.declareQueue(queue, on: channel) { $0.passive = true }
                return "\(state.messages) \(state.consumers)"
            case .declareAgain(let queue):
                let state = try talk.declareQueue(queue.name, on: channel) {
                    $0.arguments = queue.arguments
                    $0.autoDelete = queue.autoDelete
                }
                return "\(state.messages) \(state.consumers)"
            case .bind(let queue, let key):
                try talk.bind(
                    queue,
                    to: key < "q1" ? "amq.fanout" : "amq.direct",
                    key: key,
                    on: channel
                )
            case .unbind(let queue, let key):
                try talk.unbind(
                    queue,
                    from: key < "q1" ? "amq.fanout" : "amq.direct",
                    key: key,
                    on: channel
                )
            default: return nil
            }
            return "ok"
        }
    }

    private mutating func settle(
        _ how: RandomConversation.Step.Settling,
        _ place: Int,
        _ multiple: Bool,
        _ client: Int
    ) {
        // The order of tags of several queues is not fixed: all, or one.
        let sorted = held[client].sorted { ($0.body, $0.tag) < ($1.body, $1.tag) }
        guard !sorted.isEmpty else { return }
        let isWrong = place >= sorted.count
        if isWrong, place < 4 { return }
        let tag = isWrong ? 999 : multiple ? 0 : sorted[place].tag
        if isWrong || multiple {
            held[client] = []
        } else {
            held[client].removeAll { $0.tag == tag }
        }
        let channel = channels[client]
        switch how {
        case .ack: talk.ack(tag, multiple: multiple && !isWrong, on: channel)
        case .nack: talk.nack(tag, multiple: multiple && !isWrong, requeue: false, on: channel)
        case .requeue: talk.nack(tag, multiple: multiple && !isWrong, requeue: true, on: channel)
        case .reject: talk.reject(tag == 0 ? sorted[0].tag : tag, requeue: false, on: channel)
        }
        if how == .reject, tag == 0 { held[client] = sorted.filter { $0.tag != sorted[0].tag } }
    }

    /// Writes down what has come since.
    private mutating func listen(_ step: RandomConversation.Step) {
        for (client, channel) in channels.enumerated() {
            let name = ["a", "b", "c"][client]
            var found: [String] = []
            let deliveries = talk.takeDeliveries(on: channel)
            for (tag, group) in Dictionary(grouping: deliveries, by: \.consumer).sorted(by: {
                $0.key < $1.key
            }) {
                found.append("\(tag) gets \(group.map(Self.words).joined(separator: ", "))")
            }
            held[client] += deliveries.map { Held(body: $0.body, tag: $0.tag) }
            let returns = talk.takeReturns(on: channel)
            if !returns.isEmpty { found.append("returned \(returns)") }
            let confirms = talk.takeConfirms(on: channel).sorted()
            if !confirms.isEmpty { found.append("confirmed \(confirms)") }
            let nacks = talk.takeNacks(on: channel).sorted()
            if !nacks.isEmpty { found.append("nacked \(nacks)") }
            let cancels = talk.takeCancellations(on: channel).sorted()
            if !cancels.isEmpty { found.append("cancelled \(cancels)") }
            _ = talk.takeMethods(on: channel)
            if let closed = talk.refusal(of: channel) {
                found.append("closed \(closed.code) \(closed.text)")
                held[client] = []
            }
            if !found.isEmpty {
                lines.append("\(step) - \(name): \(found.joined(separator: "; "))")
            }
        }
    }

    private static func words(_ delivery: Conversation.Delivery) -> String {
        var text = delivery.body
        if delivery.redelivered { text += "*" }
        if delivery.exchange != "" || delivery.key.first != "q" {
            text += " (\(delivery.exchange) \(delivery.key))"
        }
        if let count = delivery.properties.header("x-delivery-count") { text += " \(count)" }
        for death in delivery.deaths {
            let parts = ["queue", "reason", "count", "exchange", "routing-keys"].map {
                death[$0].map { "\($0)" } ?? "-"
            }
            text += " †\(parts.joined(separator: " "))"
        }
        return text
    }

    /// What lies in the queues once all clients are gone.
    private mutating func readOut() {
        if talk.refusal(of: channels[1]) == nil { try? talk.close(channels[1]) }
        for channel in [channels[2], channels[0]] where talk.isConnected(channel) {
            talk.closeConnection(channel)
        }
        for queue in conversation.queues {
            channels[0] = talk.openChannel()
            note("left in \(queue.name)") { talk, channel in
                guard queue["x-single-active-consumer"] == .bool(true) else {
                    var all: [String] = []
                    while all.count < 40,
                        let found = try talk.get(queue.name, noAck: true, on: channel)
                    {
                        all.append(Self.words(found))
                    }
                    return all.joined(separator: ", ")
                }
                try talk.consume(queue.name, noAck: true, on: channel)
                talk.wait(50)
                return talk.takeDeliveries(on: channel).map(Self.words).joined(separator: ", ")
            }
        }
    }
}
