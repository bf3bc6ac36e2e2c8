/// What a client, or the topology file, says about an exchange.
public struct ExchangeDeclaration: Sendable, Hashable {
    /// Its name.
    public var name: String
    /// `direct`, `fanout`, `topic` or `headers`.
    public var type: String
    /// Whether it survives a restart.
    public var durable = true
    /// Whether it goes with its last binding.
    public var autoDelete = false
    /// Whether clients may not publish to it.
    public var isInternal = false
    /// Where messages go that it cannot route.
    public var alternate: String?
    /// Whether to look only, and declare nothing.
    public var passive = false

    /// A durable exchange.
    public init(name: String, type: String) {
        self.name = name
        self.type = type
    }
}

/// What a client, or the topology file, says about a queue.
public struct QueueDeclaration: Sendable, Hashable {
    /// Its name; empty for one that the broker makes.
    public var name: String
    /// Whether it survives a restart.
    public var durable = true
    /// Whether it belongs to the connection that declares it.
    public var exclusive = false
    /// Whether it goes with its last consumer.
    public var autoDelete = false
    /// Where rejected messages go.
    public var deadLetterExchange: String?
    /// Under which key; their own if nil.
    public var deadLetterKey: String?
    /// Whether to look only, and declare nothing.
    public var passive = false

    /// A durable queue.
    public init(name: String) { self.name = name }
}

/// A binding from an exchange to a queue or another exchange.
public struct BindingDeclaration: Sendable, Hashable {
    /// The exchange that messages come from.
    public var source: String
    /// The queue or exchange that they go to.
    public var destination: String
    /// Whether the destination is an exchange.
    public var toExchange = false
    /// The binding key.
    public var key: String
    /// What a headers exchange compares.
    public var arguments: [FieldValue.Field] = []

    /// A binding to a queue.
    public init(source: String, destination: String, key: String) {
        self.source = source
        self.destination = destination
        self.key = key
    }
}

/// What a broker starts with.
public struct Definitions: Sendable, Hashable {
    /// The exchanges, beside the predeclared ones.
    public var exchanges: [ExchangeDeclaration] = []
    /// The queues.
    public var queues: [QueueDeclaration] = []
    /// The bindings, beside those of the default exchange.
    public var bindings: [BindingDeclaration] = []
    /// The one virtual host.
    public var vhost = "/"

    /// Nothing but what every broker has.
    public init() {}
}
