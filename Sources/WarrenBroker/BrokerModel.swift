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

    /// The node of a broker that leads a queue at the moment, or keeps it; nil if none does.
    static func leader(of queue: String, among nodes: [NodeID], in world: World) -> NodeID?

    /// Adds the instances of a client to the world; the nodes of its broker are there already.
    static func build(_ client: Topology.Client, into blueprint: inout Blueprint)
}

extension BrokerModel {
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
    /// What is simplified.
    public var approximations: [Approximation]

    /// Promises.
    public init(delivery: Delivery, approximations: [Approximation]) {
        self.delivery = delivery
        self.approximations = approximations
    }
}
