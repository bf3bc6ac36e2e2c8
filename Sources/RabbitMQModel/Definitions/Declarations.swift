import WarrenTopology
import WarrenTrace

/// What a client, or the topology file, says about an exchange.
package struct ExchangeDeclaration: Sendable, Hashable {
    /// Its name.
    package var name: String
    /// `direct`, `fanout`, `topic` or `headers`.
    package var type: String
    /// Whether it survives a restart.
    package var durable = true
    /// Whether it goes with its last binding.
    package var autoDelete = false
    /// Whether clients may not publish to it.
    package var isInternal = false
    /// Where messages go that it cannot route.
    package var alternate: String?
    /// What a plugin's type wants to know, such as `hash-header`.
    package var arguments: [FieldValue.Field] = []
    /// Whether to look only, and declare nothing.
    package var passive = false
    /// Whether the broker is not to answer.
    package var nowait = false

    /// A durable exchange.
    package init(name: String, type: String) {
        self.name = name
        self.type = type
    }
}

/// What a client, or the topology file, says about a queue.
package struct QueueDeclaration: Sendable, Hashable {
    /// Its name; empty for one that the broker makes.
    package var name: String
    /// Whether it survives a restart.
    package var durable = true
    /// Whether it belongs to the connection that declares it.
    package var exclusive = false
    /// Whether it goes with its last consumer.
    package var autoDelete = false
    /// Its x-arguments, word for word.
    package var arguments: [FieldValue.Field] = []
    /// Whether to look only, and declare nothing.
    package var passive = false
    /// Whether the broker is not to answer.
    package var nowait = false

    /// A durable queue.
    package init(name: String) { self.name = name }

    /// An argument, or nil; setting nil takes it away.
    package subscript(argument: String) -> FieldValue? {
        get { arguments.first { $0.name == argument }?.value }
        set {
            arguments.removeAll { $0.name == argument }
            if let newValue { arguments.append(FieldValue.Field(argument, newValue)) }
        }
    }

    /// Where dead messages go.
    package var deadLetterExchange: String? {
        get { self["x-dead-letter-exchange"]?.text }
        set { self["x-dead-letter-exchange"] = newValue.map { .string($0) } }
    }

    /// Under which key; their own if nil.
    package var deadLetterKey: String? {
        get { self["x-dead-letter-routing-key"]?.text }
        set { self["x-dead-letter-routing-key"] = newValue.map { .string($0) } }
    }

    /// What kind of queue it is: `classic`, `quorum` or `stream`.
    package var type: String { self["x-queue-type"]?.text ?? "classic" }
}

/// A binding from an exchange to a queue or another exchange.
package struct BindingDeclaration: Sendable, Hashable {
    /// The exchange that messages come from.
    package var source: String
    /// The queue or exchange that they go to.
    package var destination: String
    /// Whether the destination is an exchange.
    package var toExchange = false
    /// The binding key.
    package var key: String
    /// What a headers exchange compares.
    package var arguments: [FieldValue.Field] = []
    /// Whether the broker is not to answer.
    package var nowait = false

    /// A binding to a queue.
    package init(source: String, destination: String, key: String) {
        self.source = source
        self.destination = destination
        self.key = key
    }
}

/// What a broker starts with.
package struct Definitions: Sendable, Hashable {
    /// The exchanges, beside the predeclared ones.
    package var exchanges: [ExchangeDeclaration] = []
    /// The queues.
    package var queues: [QueueDeclaration] = []
    /// The bindings, beside those of the default exchange.
    package var bindings: [BindingDeclaration] = []
    /// Where each binding stands in a topology.
    var bindingPlaces: [Tree.Entry] = []
    /// On which node of a cluster a queue is declared, by name; the first one for those left out.
    var homes: [String: Int] = [:]
    /// The virtual host.
    package var vhost = "/"
    /// Its policies.
    package var policies: [Policy] = []
    /// Its operator policies.
    package var operatorPolicies: [Policy] = []
    /// Who may do what in it; all users everything if nobody is named.
    package var permissions: [UserPermissions] = []
    /// Who may use which routing keys.
    package var topicPermissions: [TopicPermissions] = []
    /// How many queues it may have.
    package var maxQueues: Int64?
    /// How many connections it may have.
    package var maxConnections: Int64?
    /// Its upstreams and shovels.
    package var relays = RelayDefinitions()

    /// Nothing but what every broker has.
    package init() {}

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
        state.relays = relays
        return state
    }
}
