public import WarrenTrace

/// A user of a broker.
public struct User: Sendable, Hashable {
    /// The name.
    public var name: String
    /// The password.
    public var password: String
    /// Such as `administrator`, or `impersonator`, who may write anybody into `user_id`.
    public var tags: [String]

    /// A user.
    public init(name: String, password: String, tags: [String] = []) {
        self.name = name
        self.password = password
        self.tags = tags
    }
}

/// What a user may do in a virtual host: three regular expressions over names.
public struct UserPermissions: Sendable, Hashable {
    /// The user.
    public var user: String
    /// What they may declare and delete.
    public var configure: String
    /// Where they may publish, and what they may bind.
    public var write: String
    /// What they may consume, and bind to.
    public var read: String

    /// The permissions of a user.
    public init(user: String, configure: String = "", write: String = "", read: String = "") {
        self.user = user
        self.configure = configure
        self.write = write
        self.read = read
    }
}

/// Which routing keys a user may use on a topic exchange.
public struct TopicPermissions: Sendable, Hashable {
    /// The user.
    public var user: String
    /// The exchange.
    public var exchange: String
    /// Keys to publish with.
    public var write: String
    /// Keys to bind with.
    public var read: String

    /// The permissions of a user on an exchange.
    public init(user: String, exchange: String, write: String = ".*", read: String = ".*") {
        self.user = user
        self.exchange = exchange
        self.write = write
        self.read = read
    }
}

/// What is configured for a broker as a whole.
public struct BrokerSettings: Sendable, Hashable {
    /// Which behaviour to show.
    public var version = Version.v3_10
    /// The users.
    public var users = [User(name: "guest", password: "guest", tags: ["administrator"])]
    /// Whether anybody may do less than everything.
    public var hasRestrictions = false
    /// How long a delivery may stay unacknowledged; nil for ever.
    public var consumerTimeout: Interval? = .seconds(1800)
    /// How often the broker looks for such deliveries.
    public var channelTick = Interval.seconds(60)
    /// The bytes of memory at which publishers are blocked; nil for never.
    public var memoryLimit: UInt64?
    /// The largest body that is taken; nil for what the version says.
    public var maxMessageSize: UInt64?
    /// What tune offers.
    public var channelMax: UInt16 = 2047
    /// What tune offers, in bytes.
    public var frameMax: UInt32 = 131_072
    /// What tune offers, in seconds.
    public var heartbeat: UInt16 = 60

    /// The defaults of 3.10.
    public init() {}

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
}

/// What an administrator does to a running broker.
public enum Administration: Sendable, Hashable {
    case setPolicy(Policy, vhost: String)
    case clearPolicy(String, vhost: String)
    case setOperatorPolicy(Policy, vhost: String)
    case clearOperatorPolicy(String, vhost: String)
    case setPermissions(UserPermissions, vhost: String)
    case clearPermissions(user: String, vhost: String)
    case setTopicPermissions(TopicPermissions, vhost: String)
    case setLimits(maxQueues: Int64?, maxConnections: Int64?, vhost: String)
    case deleteVirtualHost(String)
    case closeConnections(reason: String)
}
