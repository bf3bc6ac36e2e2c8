public import WarrenKernel
public import WarrenTopology
public import WarrenTrace

/// A kind of broker that Warren can simulate.
///
/// A model is found through one line in the catalog; nothing else knows that it exists.
public protocol BrokerModel: Sendable {
    /// Its words in topology files; the kind among them.
    static var vocabulary: Vocabulary { get }

    /// What it promises and what it leaves out.
    static var features: Features { get }

    /// Adds the nodes of a broker to the world. What is wrong goes into the blueprint's findings.
    static func build(_ broker: Topology.Broker, into blueprint: inout Blueprint)

    /// Adds what connects a broker to others, once the nodes of all of them are there.
    static func connect(
        _ broker: Topology.Broker,
        of topology: Topology,
        into blueprint: inout Blueprint
    )

    /// The node of a broker that leads a queue at the moment, or keeps it; nil if none does.
    static func leader(of queue: String, among nodes: [NodeID], in world: World) -> NodeID?

    /// Adds the instances of a client to the world; the nodes of its broker are there already.
    static func build(_ client: Topology.Client, into blueprint: inout Blueprint)

    /// What takes messages for a bridge: its end here, as a client. Nil if it cannot; why is in the blueprint's findings.
    static func bridgeSource(_ end: Topology.Client, into blueprint: inout Blueprint)
        -> BridgeSourceFactory?

    /// What publishes messages for a bridge; as ``bridgeSource(_:into:)``.
    static func bridgeTarget(_ end: Topology.Client, into blueprint: inout Blueprint)
        -> BridgeTargetFactory?
}

extension BrokerModel {
    /// It is connected to no other broker.
    public static func connect(
        _ broker: Topology.Broker,
        of topology: Topology,
        into blueprint: inout Blueprint
    ) {}

    /// No bridge takes anything here: a topology file that says so is refused as it is read.
    public static func bridgeSource(_ end: Topology.Client, into blueprint: inout Blueprint)
        -> BridgeSourceFactory?
    { nil }

    /// No bridge publishes here.
    public static func bridgeTarget(_ end: Topology.Client, into blueprint: inout Blueprint)
        -> BridgeTargetFactory?
    { nil }

    /// No node leads anything.
    public static func leader(of queue: String, among nodes: [NodeID], in world: World) -> NodeID? {
        nil
    }
}

/// What a model promises, and how true it is.
public struct Features: Sendable {
    /// How often a message is handled when things go wrong.
    public enum Delivery: String, Sendable {
        case atMostOnce = "at most once"
        case atLeastOnce = "at least once"
    }

    /// Something that brokers differ in, and that the contract of the models checks of each.
    public enum Capability: String, Sendable, CaseIterable {
        /// What nobody takes waits for somebody.
        case keepsForLater = "keeps for later what nobody takes"
        /// Consumers of one queue, or of one group, share its messages.
        case sharesWork = "shares messages among consumers"
        /// What a consumer had and did not finish when it died comes back.
        case returnsUnfinished = "returns what a consumer did not finish"
        /// A publisher hears that its message is safe.
        case confirms = "confirms publications"
        /// What was confirmed is there again after the node was killed.
        case survivesRestart = "survives a restart of its node"
        /// Requests are answered.
        case answersRequests = "answers requests"
    }

    /// A simplification that a run should speak of.
    public struct Approximation: Sendable, Hashable {
        /// The behaviour, with its number in the catalogue if it has one.
        public var behaviour: String
        /// What the model does instead.
        public var instead: String

        /// What must have happened for a run to rest on it; empty if every run does.
        public var touchedBy: [FactKind]

        /// An approximation.
        public init(_ behaviour: String, instead: String, touchedBy: [FactKind] = []) {
            self.behaviour = behaviour
            self.instead = instead
            self.touchedBy = touchedBy
        }
    }

    /// How often a message is handled when its consumer acknowledges after the work.
    public var delivery: Delivery
    /// What it can do; what is not here it cannot.
    public var capabilities: Set<Capability>
    /// What is simplified.
    public var approximations: [Approximation]

    /// Promises.
    public init(
        delivery: Delivery,
        capabilities: Set<Capability>,
        approximations: [Approximation]
    ) {
        self.delivery = delivery
        self.capabilities = capabilities
        self.approximations = approximations
    }
}
