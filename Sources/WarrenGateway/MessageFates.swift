public import WarrenBroker
import WarrenKernel
public import WarrenTrace

/// What became of each message of a run, in words that two runs of the same scenario share.
public struct MessageFates: Sendable {
    /// A message by its publisher and its number there: the same in both runs, whatever else came between.
    public struct Key: Hashable, Sendable, Comparable {
        /// The publisher's node.
        public var publisher: UInt32
        /// Its number among those of this publisher, from 1.
        public var number: UInt32

        /// By publisher, then by number.
        public static func < (one: Key, other: Key) -> Bool {
            (one.publisher, one.number) < (other.publisher, other.number)
        }
    }

    /// What its publisher knows.
    public enum Outcome: String, Sendable {
        case unasked = "never asked"
        case waiting = "waiting for its confirm"
        case confirmed, nacked, returned
        case unknown = "of unknown outcome"
    }

    /// What became of a message in one queue.
    public struct Passage: Sendable, Hashable {
        /// Copies that came.
        public var routed = 0
        /// Times it went out, and those of them that were marked as redelivered.
        public var delivered = 0
        public var redelivered = 0
        /// Copies that were settled.
        public var acked = 0
        /// Copies that died, by reason, and those that are gone.
        public var deadLettered: [String: Int] = [:]
        public var dropped: [String: Int] = [:]
        /// Copies that are there at the end.
        public var left = 0
    }

    /// What became of a message.
    public struct Fate: Sendable, Hashable {
        public var outcome = Outcome.unasked
        /// By queue.
        public var passages: [String: Passage] = [:]
        /// Pieces of work that were done on it, and those that went wrong.
        public var handled = 0
        public var failed = 0
        /// Whether a connection ended while it was out, or it was sent again.
        public var wasInterrupted = false
        public var wasRetried = false
        /// Whether its publisher's connection ended before anything was seen of it, or of one that came after it.
        public var wasOnItsWay = false
        /// Whether it was published so shortly before that end that the next connection may have carried it.
        var mayHaveWaited = false
        var publishedAt = Instant.zero
        /// How many of its publisher's connections had ended when it was published: two messages of the same number were
        /// carried by the same connection, be it the one that was open then or a later one.
        var connectionsBefore: UInt32 = 0
        /// Whether it reached an exchange, and no queue.
        public var wasUnroutable = false
    }

    /// An error that a client was told.
    public struct Refusal: Sendable, Hashable {
        public var client: String
        public var code: UInt64
        public var text: String
    }

    /// By message.
    public private(set) var fates: [Key: Fate] = [:]
    /// By queue: the messages in the order in which they came out first.
    public private(set) var order: [String: [Key]] = [:]
    /// By queue: who got something from it.
    public private(set) var takers: [String: Set<UInt32>] = [:]
    /// In the order in which they came.
    public private(set) var refusals: [Refusal] = []
    /// By script: what it heard, in its order.
    public private(set) var heard: [String: [String]] = [:]

    /// When queues and bindings came and went, but for those that were there from the start; in their order.
    private var changes: [Instant] = []
    /// Shorter than that is "about when": a real client needs some round trips for what it declares.
    private static let about: UInt64 = 50_000_000

    /// Whether a queue or binding came or went about then.
    func changed(about moment: Instant) -> Bool {
        // The first change that is not too long before.
        var low = 0
        var high = changes.count
        while low < high {
            let middle = (low + high) / 2
            if changes[middle].nanoseconds &+ Self.about < moment.nanoseconds {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low < changes.count && changes[low].nanoseconds <= moment.nanoseconds &+ Self.about
    }

    private var keys: [MessageID: Key] = [:]
    private var counts: [UInt32: UInt32] = [:]
    private var cameOut: Set<Exit> = []
    /// By publisher: the last of its messages that is known to have come.
    private var arrived: [UInt32: UInt32] = [:]
    /// By publisher: the first of its messages that its present connection may have carried.
    private var carried: [UInt32: UInt32] = [:]
    /// By publisher: how many of its connections ended.
    private var ended: [UInt32: UInt32] = [:]

    private struct Exit: Hashable {
        var queue: Symbol
        var message: MessageID
    }

    /// Nothing happened yet.
    public init() {}

    /// Takes in facts of a run.
    public mutating func take(_ facts: UnsafeBufferPointer<Fact>, in run: Simulation) {
        let names = run.world.names
        for fact in facts { take(fact, names) { Self.name(of: $0, in: run) } }
    }

    /// A client's or a node's name.
    static func name(of node: UInt32, in run: Simulation) -> String {
        run.world.names[run.world.name(of: NodeID(node))]
    }

    /// Takes in one fact, with the names of its run and those of its nodes.
    public mutating func take(_ fact: Fact, _ names: Names, _ client: (UInt32) -> String) {
        switch fact.kind {
        case .messagePublished:
            counts[fact.node.raw, default: 0] += 1
            let key = Key(publisher: fact.node.raw, number: counts[fact.node.raw] ?? 0)
            keys[fact.message] = key
            var fate = Fate()
            fate.publishedAt = fact.time
            fate.connectionsBefore = ended[key.publisher] ?? 0
            if fact.variant & 1 == 1 { fate.outcome = .waiting }
            fates[key] = fate
            return
        case .queueDeclared, .queueDeleted, .bindingCreated, .bindingDeleted:
            if fact.time != .zero { changes.append(fact.time) }
            return
        case .connectionClosed, .nodeCrashed:
            // A process that dies does not see its connections end.
            leaveOnItsWay(fact.node.raw, fact.time)
            return
        case .errorRaised:
            refusals.append(
                Refusal(
                    client: client(fact.peer),
                    code: fact.detail,
                    text: Self.withoutMadeUpNames(names[fact.subject])
                )
            )
            return
        case .methodReceived:
            heard[client(fact.node.raw), default: []].append(Self.comparable(names[fact.subject]))
            return
        default: break
        }
        guard let key = keys[fact.message] else { return }
        take(fact, key, names)
    }

    /// A text without the names that a broker makes up.
    private static func withoutMadeUpNames(_ text: String) -> String {
        text.replacing(#/amq\.(gen|ctag)-[A-Za-z0-9_-]+/#) { "amq.\($0.output.1)-_" }
    }

    /// What a script heard without what differs from run to run: names that a broker makes up, the time of a death, and
    /// the body, which says something else to a real broker.
    private static func comparable(_ text: String) -> String {
        var text = text.replacing(#/"body":"(?:[^"\\]|\\.)*",/#, with: "")
        text = text.replacing(#/"size":[0-9]+/#, with: #""size":_"#)
        text = text.replacing(#/\["time","timestamp",[0-9]+\]/#, with: #"["time","timestamp",_]"#)
        text = withoutMadeUpNames(text)
        return text.replacing(
            #/"consumer":"(?:warren-[0-9]+|amq\.ctag-_)"/#,
            with: #""consumer":"_""#
        )
    }

    /// A queue's name without what a broker makes up: its own names differ from run to run.
    private static func shared(_ name: String) -> String {
        for prefix in ["amq.gen-", "amq.rabbitmq.reply-to"] where name.hasPrefix(prefix) {
            return prefix + "*"
        }
        return name
    }

    /// A connection of a publisher ended: what came after the last message that was seen to arrive may have been on it.
    private mutating func leaveOnItsWay(_ publisher: UInt32, _ time: Instant) {
        ended[publisher, default: 0] += 1
        guard let last = counts[publisher] else { return }
        let first = max((arrived[publisher] ?? 0) + 1, carried[publisher] ?? 1)
        if first <= last {
            for number in first...last {
                let key = Key(publisher: publisher, number: number)
                fates[key]?.wasOnItsWay = true
                // A client that writes to a broken connection learns of it a moment later.
                if let published = fates[key]?.publishedAt,
                    (time - published).nanoseconds <= 10_000_000
                {
                    fates[key]?.mayHaveWaited = true
                }
            }
        }
        carried[publisher] = last + 1
    }

    /// A message came: so did those that the same connection carried before it, but not those of an earlier one.
    private mutating func arrive(_ key: Key) {
        let last = arrived[key.publisher] ?? 0
        guard key.number > last else { return }
        arrived[key.publisher] = key.number
        guard let fate = fates[key], fate.wasOnItsWay else { return }
        if fate.mayHaveWaited {
            fates[key]?.wasOnItsWay = false
            return
        }
        for number in (last + 1...key.number).reversed() {
            let before = Key(publisher: key.publisher, number: number)
            guard fates[before]?.wasOnItsWay == true,
                fates[before]?.connectionsBefore == fate.connectionsBefore
            else { break }
            fates[before]?.wasOnItsWay = false
        }
    }

    private mutating func take(_ fact: Fact, _ key: Key, _ names: Names) {
        let queue = Self.shared(names[fact.subject])
        func change(_ body: (inout Passage) -> Void) {
            body(&fates[key, default: Fate()].passages[queue, default: Passage()])
        }
        let reason = DropReason(rawValue: fact.variant & 63).map { "\($0)" } ?? "?"
        switch fact.kind {
        case .messageConfirmed: fates[key]?.outcome = .confirmed
        case .messageNacked: fates[key]?.outcome = .nacked
        case .messageReturned: fates[key]?.outcome = .returned
        case .messageUnknown: fates[key]?.outcome = .unknown
        case .messageRetried: fates[key]?.wasRetried = true
        case .messageUnroutable:
            fates[key]?.wasUnroutable = true
            arrive(key)
        case .messageRouted:
            arrive(key)
            change {
                $0.routed += 1
                $0.left += 1
            }
        case .messageRecovered where fact.variant == 1: change { $0.left += 1 }
        case .deliverySent:
            // What comes as redelivered for the first time was on its way to somebody who was gone.
            if fact.variant & 1 != 0, (fates[key]?.passages[queue]?.delivered ?? 0) == 0 {
                fates[key]?.wasInterrupted = true
            }
            change {
                $0.delivered += 1
                $0.redelivered += Int(fact.variant & 1)
                if fact.variant & 2 != 0 { $0.left -= 1 }
            }
            if cameOut.insert(Exit(queue: fact.subject, message: fact.message)).inserted {
                order[queue, default: []].append(key)
                takers[queue, default: []].insert(fact.peer)
            }
        case .deliveryAcked:
            change {
                $0.acked += 1
                $0.left -= 1
            }
        case .deliveryRequeued:
            if fact.variant != ReturnReason.nacked.rawValue { fates[key]?.wasInterrupted = true }
        case .messageDeadLettered:
            change {
                $0.deadLettered[reason, default: 0] += 1
                $0.left -= 1
            }
        case .messageDropped where fact.detail != CopyPlace.transit.rawValue:
            change {
                $0.dropped[reason, default: 0] += 1
                $0.left -= 1
            }
        case .messageHandled: fates[key]?.handled += 1
        case .workFailed: fates[key]?.failed += 1
        default: break
        }
    }
}
