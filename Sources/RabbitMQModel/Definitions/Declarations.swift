import WarrenTopology
import WarrenTrace

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
    /// What a plugin's type wants to know, such as `hash-header`.
    public var arguments: [FieldValue.Field] = []
    /// Whether to look only, and declare nothing.
    public var passive = false
    /// Whether the broker is not to answer.
    public var nowait = false

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
    /// Its x-arguments, word for word.
    public var arguments: [FieldValue.Field] = []
    /// Whether to look only, and declare nothing.
    public var passive = false
    /// Whether the broker is not to answer.
    public var nowait = false

    /// A durable queue.
    public init(name: String) { self.name = name }

    /// An argument, or nil; setting nil takes it away.
    public subscript(argument: String) -> FieldValue? {
        get { arguments.first { $0.name == argument }?.value }
        set {
            arguments.removeAll { $0.name == argument }
            if let newValue { arguments.append(FieldValue.Field(argument, newValue)) }
        }
    }

    /// Where dead messages go.
    public var deadLetterExchange: String? {
        get { self["x-dead-letter-exchange"]?.text }
        set { self["x-dead-letter-exchange"] = newValue.map { .string($0) } }
    }

    /// Under which key; their own if nil.
    public var deadLetterKey: String? {
        get { self["x-dead-letter-routing-key"]?.text }
        set { self["x-dead-letter-routing-key"] = newValue.map { .string($0) } }
    }

    /// What kind of queue it is: `classic`, `quorum` or `stream`.
    public var type: String { self["x-queue-type"]?.text ?? "classic" }
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
    /// Whether the broker is not to answer.
    public var nowait = false

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
    /// Where each binding stands in a topology.
    var bindingPlaces: [Tree.Entry] = []
    /// On which node of a cluster a queue is declared, by name; the first one for those left out.
    var homes: [String: Int] = [:]
    /// The virtual host.
    public var vhost = "/"
    /// Its policies.
    public var policies: [Policy] = []
    /// Its operator policies.
    public var operatorPolicies: [Policy] = []
    /// Who may do what in it; all users everything if nobody is named.
    public var permissions: [UserPermissions] = []
    /// Who may use which routing keys.
    public var topicPermissions: [TopicPermissions] = []
    /// How many queues it may have.
    public var maxQueues: Int64?
    /// How many connections it may have.
    public var maxConnections: Int64?

    /// Nothing but what every broker has.
    public init() {}

    /// The virtual host as it is at the first start.
    func state(_ scope: Symbol, _ users: [User]) -> VirtualHostState {
        var state = VirtualHostState(name: vhost, scope: scope)
        state.policies = policies
        state.operatorPolicies = operatorPolicies
        state.permissions =
            permissions.isEmpty
            ? users.map {
                UserPermissions(user: $0.name, configure: ".*", write: ".*", read: ".*")
            } : permissions
        state.topicPermissions = topicPermissions
        state.maxQueues = maxQueues
        state.maxConnections = maxConnections
        return state
    }
}
