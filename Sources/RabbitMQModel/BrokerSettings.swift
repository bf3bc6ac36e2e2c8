package import WarrenTrace

/// A user of a broker.
package struct User: Sendable, Hashable {
    /// The name.
    package var name: String
    /// The password.
    package var password: String
    /// Such as `administrator`, or `impersonator`, who may write anybody into `user_id`.
    package var tags: [String]

    /// A user.
    package init(name: String, password: String, tags: [String] = []) {
        self.name = name
        self.password = password
        self.tags = tags
    }
}

/// What a user may do in a virtual host: three regular expressions over names.
package struct UserPermissions: Sendable, Hashable {
    /// The user.
    package var user: String
    /// What they may declare and delete.
    package var configure: String
    /// Where they may publish, and what they may bind.
    package var write: String
    /// What they may consume, and bind to.
    package var read: String

    /// The permissions of a user.
    package init(user: String, configure: String = "", write: String = "", read: String = "") {
        self.user = user
        self.configure = configure
        self.write = write
        self.read = read
    }
}

/// Which routing keys a user may use on a topic exchange.
package struct TopicPermissions: Sendable, Hashable {
    /// The user.
    package var user: String
    /// The exchange.
    package var exchange: String
    /// Keys to publish with.
    package var write: String
    /// Keys to bind with.
    package var read: String

    /// The permissions of a user on an exchange.
    package init(user: String, exchange: String, write: String = ".*", read: String = ".*") {
        self.user = user
        self.exchange = exchange
        self.write = write
        self.read = read
    }
}

/// What is configured for a broker as a whole.
package struct BrokerSettings: Sendable, Hashable {
    /// Which behaviour to show.
    package var version = Version.v3_10
    /// The users.
    package var users = [User(name: "guest", password: "guest", tags: ["administrator"])]
    /// Whether anybody may do less than everything.
    package var hasRestrictions = false
    /// How long a delivery may stay unacknowledged; nil for ever.
    package var consumerTimeout: Interval? = .seconds(1800)
    /// How often the broker looks for such deliveries.
    package var channelTick = Interval.seconds(60)
    /// The bytes of memory at which publishers are blocked; nil for never.
    package var memoryLimit: UInt64?
    /// The largest body that is taken; nil for what the version says.
    package var maxMessageSize: UInt64?
    /// What tune offers.
    package var channelMax: UInt16 = 2047
    /// What tune offers, in bytes.
    package var frameMax: UInt32 = 131_072
    /// What tune offers, in seconds.
    package var heartbeat: UInt16 = 60

    /// The defaults of 3.10.
    package init() {}

    /// - Source: RMQ-CONN-33.
    var largestMessage: UInt64 {
        maxMessageSize ?? (version >= .v4_0 ? 16_777_216 : 134_217_728)
    }
}

/// A virtual host as the broker has it now.
struct VirtualHostState: Sendable, Hashable {
    var name: String
    var scope: Symbol
    var policies: [Policy] = []
    var operatorPolicies: [Policy] = []
    var permissions: [UserPermissions] = []
    var topicPermissions: [TopicPermissions] = []
    var maxQueues: Int64?
    var maxConnections: Int64?
    var relays = RelayDefinitions()
}

/// What an administrator does to a running broker.
package enum Administration: Sendable, Hashable {
    case setPolicy(Policy, vhost: String)
    case clearPolicy(String, vhost: String)
    case setOperatorPolicy(Policy, vhost: String)
    case clearOperatorPolicy(String, vhost: String)
    case setPermissions(UserPermissions, vhost: String)
    case clearPermissions(user: String, vhost: String)
    case setTopicPermissions(TopicPermissions, vhost: String)
    case setLimits(maxQueues: Int64?, maxConnections: Int64?, vhost: String)
    case setUpstream(Upstream, vhost: String)
    case clearUpstream(String, vhost: String)
    case setUpstreamSet(UpstreamSet, vhost: String)
    case clearUpstreamSet(String, vhost: String)
    case setShovel(Shovel, vhost: String)
    case clearShovel(String, vhost: String)
    /// A federation link uses another internal exchange; no operator says this.
    case setActiveExchange(RelayDefinitions.ActiveExchange, vhost: String)
    case deleteVirtualHost(String)
    /// Members of quorum queues come, go or lead.
    case quorum(QuorumOrder)
    case closeConnections(reason: String)
}
