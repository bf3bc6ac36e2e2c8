public import WarrenTrace

/// What happened to the system, as far as it is no message's affair: faults, nodes, leaders, alarms, clients that were cut,
/// queues without a consumer, and what the broker refused.
///
/// A fold over the rare facts; it costs the common ones nothing.
public struct Chronicle: Sendable {
    /// Something that a timeline tells.
    public enum Entry: Sendable, Hashable {
        /// What a fact says.
        case fact(Fact)
        /// A client lost connections: how many, and when all of them were back; nil if they never were.
        case cut(client: Symbol, count: Int, back: Instant?)
        /// A queue that had a consumer has none, until then; nil for the rest of the run.
        case deserted(queue: Symbol, until: Instant?)
    }

    /// An entry and its moment.
    public struct Moment: Sendable, Hashable {
        public var time: Instant
        public var entry: Entry
    }

    /// What the broker refused: the same words to the same client.
    public struct Refusal: Sendable, Hashable {
        /// What it said, and its code.
        public var text: Symbol
        public var code: UInt64
        /// The client, or none for a node of a broker.
        public var client: Symbol
        public var count: UInt64
        /// When first.
        public var first: Instant
        /// Whether whole connections were closed.
        public var closesConnection: Bool
    }

    private struct RefusalKey: Hashable {
        var text: Symbol
        var client: Symbol
    }

    /// More is not told.
    static let longest = 500

    /// What happened, in its order.
    public private(set) var moments: [Moment] = []
    /// What was refused, the first one first.
    public private(set) var refusals: [Refusal] = []
    /// How much more happened than is told.
    public private(set) var untold: UInt64 = 0
    private var refusalOf: [RefusalKey: Int] = [:]
    /// By client: the moment that tells of its connections that are gone, and how many of them are.
    private var cuts: [Symbol: (moment: Int, missing: Int)] = [:]
    /// By queue: its consumers, the moment that tells that it has none, and the node that told of them.
    private var consumers: [Symbol: (count: Int, moment: Int?, node: NodeID)] = [:]
    /// The client of each node.
    private var clientOfNode: [Symbol] = []
    private var leaders: [Symbol: NodeID] = [:]
    /// Those that are wanted, in their order, and those that have run.
    private var wanted: [Symbol] = []
    private var relays: Set<Symbol> = []
    /// Kinds of rare facts that came, by their numbers.
    private var kinds = [Bool](repeating: false, count: 256)
    private var connected: Set<Symbol> = []
    private var present: Set<Symbol> = []
    /// By connection: the node that holds it for open, and its channels.
    private var open: [UInt64: (node: NodeID, channels: Set<UInt16>)] = [:]

    /// Queues that there are.
    public var queueCount: Int { present.count }

    /// Connections that the brokers hold for open: one whose client died without a word is among them until its
    /// heartbeats are missed.
    public var connectionCount: Int { open.count }

    /// Channels of these connections.
    public var channelCount: Int { open.values.reduce(0) { $0 + $1.channels.count } }

    /// Whether a rare fact of a kind has come.
    public func hasSeen(_ kind: FactKind) -> Bool { kinds[Int(kind.rawValue)] }

    /// The relays that were wanted and never ran.
    public var idleRelays: [Symbol] { wanted.filter { !relays.contains($0) } }

    /// Whether a client ever had a connection.
    public func wasConnected(_ client: Symbol) -> Bool { connected.contains(client) }

    /// Names the clients of the nodes.
    mutating func setClients(_ clients: [Symbol]) { clientOfNode = clients }

    private func client(_ node: UInt32) -> Symbol {
        Int(node) < clientOfNode.count ? clientOfNode[Int(node)] : .none
    }

    private mutating func tell(_ entry: Entry, _ time: Instant) -> Int? {
        guard moments.count < Self.longest else {
            untold += 1
            return nil
        }
        moments.append(Moment(time: time, entry: entry))
        return moments.count - 1
    }

    /// Takes in a fact that is none of the common ones.
    mutating func take(_ fact: Fact) {
        kinds[Int(fact.kind.rawValue)] = true
        switch fact.kind {
        case .faultBegan, .faultEnded, .faultMissed, .nodeStopped, .nodeFrozen, .nodeThawed,
            .alarmRaised, .alarmCleared, .nodePaused, .nodeYielded, .mirrorPromoted, .clockJumped,
            .nodeCrashed, .linkDisturbed, .diskFilled, .relayStopped, .memberAdded, .memberDeleted:
            _ = tell(.fact(fact), fact.time)
            if fact.kind == .nodeCrashed { desert(fact) }
            if fact.kind == .nodeCrashed || fact.kind == .nodeStopped {
                open = open.filter { $0.value.node != fact.node }
            }
        case .nodeStarted where fact.variant == 1, .nodeJoined where fact.variant == 2,
            .peerFound where fact.variant == 1:
            _ = tell(.fact(fact), fact.time)
        case .relayWanted: if !wanted.contains(fact.subject) { wanted.append(fact.subject) }
        case .relayStarted:
            if !relays.insert(fact.subject).inserted { _ = tell(.fact(fact), fact.time) }
        case .leaderElected:
            let before = leaders.updateValue(fact.node, forKey: fact.subject)
            if let before, before != fact.node { _ = tell(.fact(fact), fact.time) }
        case .connectionClosed:
            // What its node does not know yet is still open there.
            if open[fact.detail]?.node == fact.node { open[fact.detail] = nil }
            if !isNextDoor(fact) { cut(fact) }
        case .connectionOpened:
            if isNextDoor(fact) {
                connected.insert(client(fact.peer))
            } else {
                open[fact.detail] = (fact.node, [])
                mend(fact)
            }
        case .channelOpened:
            open[fact.detail >> 16]?.channels.insert(UInt16(truncatingIfNeeded: fact.detail))
        case .channelClosed:
            open[fact.detail >> 16]?.channels.remove(UInt16(truncatingIfNeeded: fact.detail))
        case .consumerStarted: consumerStarted(fact)
        case .consumerEnded: consumerEnded(fact)
        case .queueDeclared: present.insert(fact.subject)
        case .queueDeleted:
            present.remove(fact.subject)
            forget(fact.subject)
        case .errorRaised: refuse(fact)
        default: break
        }
    }

    /// Whether a fact is about the way of a client to a connection that it shares with others.
    private func isNextDoor(_ fact: Fact) -> Bool {
        client(fact.node.raw) != .none && client(fact.peer) != .none
    }

    private mutating func cut(_ fact: Fact) {
        let client = client(fact.node.raw)
        // What was never there, or was closed by the client itself, is no loss.
        guard client != .none, fact.peer != .max,
            fact.variant != Closure.refused.rawValue
        else { return }
        if let open = cuts[client], case .cut(_, let count, _) = moments[open.moment].entry {
            moments[open.moment].entry = .cut(client: client, count: count + 1, back: nil)
            cuts[client] = (open.moment, open.missing + 1)
        } else if let moment = tell(.cut(client: client, count: 1, back: nil), fact.time) {
            cuts[client] = (moment, 1)
        }
    }

    private mutating func mend(_ fact: Fact) {
        let client = client(fact.peer)
        if client != .none { connected.insert(client) }
        guard let open = cuts[client], case .cut(_, let count, _) = moments[open.moment].entry
        else { return }
        if open.missing > 1 {
            cuts[client] = (open.moment, open.missing - 1)
        } else {
            moments[open.moment].entry = .cut(client: client, count: count, back: fact.time)
            cuts[client] = nil
        }
    }

    private mutating func consumerStarted(_ fact: Fact) {
        var known = consumers[fact.subject] ?? (0, nil, fact.node)
        known.count += 1
        known.node = fact.node
        if let moment = known.moment {
            moments[moment].entry = .deserted(queue: fact.subject, until: fact.time)
            known.moment = nil
        }
        consumers[fact.subject] = known
    }

    private mutating func consumerEnded(_ fact: Fact) {
        guard var known = consumers[fact.subject], known.count > 0 else { return }
        known.count -= 1
        if known.count == 0 {
            known.moment = tell(.deserted(queue: fact.subject, until: nil), fact.time)
        }
        consumers[fact.subject] = known
    }

    /// A node that dies tells nobody that its queues have no consumers any more.
    private mutating func desert(_ fact: Fact) {
        let queues = consumers.filter { $0.value.node == fact.node && $0.value.count > 0 }.keys
        for queue in queues.sorted(by: { $0.raw < $1.raw }) {
            let moment = tell(.deserted(queue: queue, until: nil), fact.time)
            consumers[queue] = (0, moment, fact.node)
        }
    }

    /// A queue that is gone misses nobody.
    private mutating func forget(_ queue: Symbol) {
        guard let known = consumers.removeValue(forKey: queue), let moment = known.moment,
            moment == moments.count - 1
        else { return }
        moments.removeLast()
    }

    private mutating func refuse(_ fact: Fact) {
        let key = RefusalKey(text: fact.subject, client: client(fact.peer))
        if let known = refusalOf[key] {
            refusals[known].count += 1
            return
        }
        guard refusals.count < Self.longest else {
            untold += 1
            return
        }
        refusalOf[key] = refusals.count
        refusals.append(
            Refusal(
                text: fact.subject,
                code: fact.detail,
                client: key.client,
                count: 1,
                first: fact.time,
                closesConnection: fact.variant == 1
            )
        )
    }
}
