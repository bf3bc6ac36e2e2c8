import Conversations
import RabbitMQModel

/// A conversation on one channel: what most behaviours need.
struct Talk {
    let talk: Conversation
    let channel: Conversation.Channel

    init(_ change: (inout BrokerSettings, inout Definitions) -> Void = { _, _ in }) {
        talk = Conversation(change)
        channel = talk.openChannel()
    }

    /// Declares a queue with these arguments.
    @discardableResult
    func queue(
        _ name: String,
        _ arguments: [(String, FieldValue)] = [],
        _ change: (inout QueueDeclaration) -> Void = { _ in }
    ) throws -> Conversation.QueueState {
        try talk.declareQueue(name, on: channel) {
            $0.arguments = arguments.map { FieldValue.Field($0.0, $0.1) }
            change(&$0)
        }
    }

    func publish(_ bodies: String..., to queue: String, _ properties: Properties? = nil) {
        for body in bodies {
            talk.publish(body, to: queue, properties: properties, on: channel)
        }
    }

    /// Fetches and settles everything in a queue.
    func drain(_ queue: String) throws -> [Conversation.Delivery] {
        var found: [Conversation.Delivery] = []
        while let next = try talk.get(queue, noAck: true, on: channel) { found.append(next) }
        return found
    }

    func bodies(_ queue: String) throws -> [String] { try drain(queue).map(\.body) }

    /// How many messages are ready.
    func depth(_ queue: String) throws -> Int {
        try talk.depth(of: queue, on: talk.openChannel())
    }

    /// What the broker says when `body` goes too far.
    func refusal(_ body: (Conversation.Channel) throws -> Void) -> Conversation.Closed? {
        let other = talk.openChannel()
        do { try body(other) } catch let closed as Conversation.Closed { return closed } catch {}
        return talk.refusal(of: other)
    }
}

extension Properties {
    /// Properties with some of them set.
    static func with(_ change: (inout Properties) -> Void) -> Properties {
        var properties = Properties()
        change(&properties)
        return properties
    }

    static func expiring(_ text: String) -> Properties { with { $0.expiration = text } }
    static func priority(_ priority: UInt8) -> Properties { with { $0.priority = priority } }
}

extension Conversation.Delivery {
    /// The entries of x-death, the latest first.
    var deaths: [[String: FieldValue]] {
        guard case .array(let entries)? = properties.header("x-death") else { return [] }
        return entries.map { entry in
            guard case .table(let fields) = entry else { return [:] }
            return Dictionary(uniqueKeysWithValues: fields.map { ($0.name, $0.value) })
        }
    }
}
