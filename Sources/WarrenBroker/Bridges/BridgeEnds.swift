public import WarrenKernel
import WarrenTopology
public import WarrenTrace

/// A message in the hands of a bridge, as its two ends must know it.
public struct BridgeLetter: BitwiseCopyable, Sendable {
    /// Warren's number of it.
    public var message: MessageID
    /// The queue that it was taken from, or under which copies of such messages are counted.
    public var place: Symbol
    /// Its routing key or subject, as the broker has it that it comes from.
    public var address: Symbol
    /// Its properties, in the words of that broker; none if it has none.
    public var properties: ParcelID
    /// Octets of its body.
    public var size: UInt32
    /// Whether it is to survive a restart of that broker.
    public var isPersistent: Bool
    /// How its source tells it from others.
    public var tag: UInt64
    /// The connection that it came on: it is settled on no other one.
    public var connection: ConnectionID

    /// A letter.
    public init(
        _ message: MessageID,
        from place: Symbol,
        to address: Symbol,
        properties: ParcelID = .none,
        size: UInt32,
        isPersistent: Bool = false,
        tag: UInt64 = 0,
        on connection: ConnectionID
    ) {
        self.message = message
        self.place = place
        self.address = address
        self.properties = properties
        self.size = size
        self.isPersistent = isPersistent
        self.tag = tag
        self.connection = connection
    }
}

/// When a bridge acknowledges what it took.
public enum BridgeAck: String, Sendable, CaseIterable {
    /// When the other broker has it: what a crash before doubles.
    case after
    /// Before it publishes: what a crash between loses.
    case before
    /// Never: the delivery counts as acknowledged when it is sent.
    case automatic
}

/// What becomes of a message at its source.
public enum BridgeSettlement: Sendable {
    /// It is done with.
    case taken
    /// It was not taken over there, and is to come again.
    case back
    /// The bridge could make nothing of it.
    case failed
}

/// The end of a bridge that takes messages: a client of one broker.
///
/// Its timers are from ``Bridge/sourceTimers`` on.
public protocol BridgeSource: Sendable {
    /// When it acknowledges; ``BridgeAck/automatic`` where there are no acks.
    var ack: BridgeAck { get }

    /// How many messages may wait for the bridge; the newest beyond is dropped.
    var room: Int { get }

    /// Connects, and subscribes or consumes when it is connected.
    mutating func open(_ turn: inout Turn)

    /// Takes an event; of those that are not about it nothing comes.
    mutating func handle(_ event: Event, _ turn: inout Turn) -> BridgeArrival

    /// Says what became of a message; nothing happens if its connection is gone.
    mutating func settle(
        _ letter: BridgeLetter,
        _ settlement: BridgeSettlement,
        _ turn: inout Turn
    )
}

/// What comes from the source of a bridge.
public enum BridgeArrival: Sendable {
    case nothing
    /// A message.
    case letter(BridgeLetter)
    /// The connection is gone; what was not acknowledged comes again, if anything does.
    case lost
}

/// The end of a bridge that publishes: a client of the other broker.
///
/// Its timers are from ``Bridge/targetTimers`` on.
public protocol BridgeTarget: Sendable {
    /// Whether the broker says that it has a message.
    var confirms: Bool { get }

    /// Publications of which the broker has not said yet whether it has them.
    var unconfirmed: UInt64 { get }

    /// Whether it can publish a letter now, or its library can keep it for later; nil for any letter at all.
    func isReady(for letter: BridgeLetter?) -> Bool

    /// Connects.
    mutating func open(_ turn: inout Turn)

    /// Takes an event; of those that are not about it nothing comes.
    mutating func handle(_ event: Event, _ turn: inout Turn) -> BridgeAnswer

    /// Whether there is a way to publish a letter at all, wherever it is addressed to.
    func hasAddress(for letter: BridgeLetter, _ names: Names) -> Bool

    /// Publishes a message that follows from a letter, and records both.
    mutating func publish(_ letter: BridgeLetter, by client: Symbol, _ turn: inout Turn)
        -> MessageID

    /// Records what its client leaves open as it dies.
    mutating func perish(_ turn: inout Turn)
}

/// What comes from the target of a bridge.
public enum BridgeAnswer: Sendable {
    case nothing
    /// It can publish.
    case ready
    /// The connection is gone; nothing is known of what was published and not confirmed.
    case lost
    /// The broker has these publications, or it has not; in the order in which it said so.
    case answers([(MessageID, isTaken: Bool)])
}

extension BridgeSource {
    /// As many as come.
    public var room: Int { .max }
}

extension BridgeTarget {
    /// Every address will do.
    public func hasAddress(for letter: BridgeLetter, _ names: Names) -> Bool { true }
}

/// Makes the ends of the instances of a bridge; each is asked for by the name of the instance.
public typealias BridgeSourceFactory = (inout Blueprint, String) -> any BridgeSource
public typealias BridgeTargetFactory = (inout Blueprint, String) -> any BridgeTarget

/// Adds the bridges of a topology to its world.
struct BridgeBuilder {
    let client: Topology.Client
    let source: any BrokerModel.Type
    let target: any BrokerModel.Type

    func build(into blueprint: inout Blueprint) {
        guard let destination = client.destination else { return }
        let makeSource = source.bridgeSource(client.source, into: &blueprint)
        let makeTarget = target.bridgeTarget(destination, into: &blueprint)
        guard let makeSource, let makeTarget else { return }
        blueprint.addClient(client) { blueprint, symbol, name, _ in
            let plan = Bridge.Plan(
                client: symbol,
                startAfter: client.startInterval,
                work: blueprint.workPlan(client, name)
            )
            let source = makeSource(&blueprint, name)
            let target = makeTarget(&blueprint, name)
            return { _ in Bridge(plan, source, target) }
        }
    }
}
