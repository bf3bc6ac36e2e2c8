/// A topology with its scenario, read and checked.
public struct Topology: Sendable {
    /// A broker.
    public struct Broker: Sendable {
        /// Its name.
        public var name: String
        /// Where the name stands.
        public var place: Place
        /// Its kind, such as `rabbitmq`.
        public var kind: String
        /// The version whose behaviour is simulated, as text.
        public var version: String
        /// Its nodes.
        public var nodes: [String]
        /// Those that find an empty data directory at each start.
        public var forgetful: [String] = []
        /// All of its section, for the model.
        public var tree: Tree
    }

    /// What a client does.
    public enum Role: String, Sendable, CaseIterable {
        case producer, consumer, caller, server, bridge, script

        /// The section of the file.
        public var section: String { rawValue + "s" }

        /// Whether it takes messages and works on them.
        public var works: Bool {
            switch self {
            case .consumer, .server, .bridge: true
            case .producer, .caller, .script: false
            }
        }
    }

    /// A client.
    public struct Client: Sendable {
        /// Its name.
        public var name: String
        /// Where the name stands.
        public var place: Place
        /// What it does.
        public var role: Role
        /// The broker that it talks to; of a bridge, the one that it takes messages from.
        public var broker: String
        /// Where a bridge publishes; nil for others.
        public var onward: End?
        /// How many instances.
        public var instances: Int
        /// The connection that it shares with others, and the channel; nil if it has one of its own.
        public var connection: String?
        public var channel: String?
        /// `to` or `from`, a map: the short form is spelled out.
        public var target: Tree
        /// How long it waits before it connects again, in nanoseconds; nil for never.
        public var reconnect: Double?
        /// When it begins, in nanoseconds.
        public var start: Double
        /// The gaps between its messages, for producers and callers.
        public var arrivals: LawSpec
        /// How many messages each instance sends.
        public var count: UInt64?
        /// Body sizes: of messages, or of a server's answers.
        public var size: LawSpec
        /// How long its work takes, for consumers and servers.
        public var service: LawSpec
        /// How its work goes wrong.
        public var fails: Fails
        /// What its work changes.
        public var effect: String?
        /// What the effect is applied once for: `message_id` or `message`; nil if each time.
        public var idempotentBy: String?
        /// How long a caller waits, in nanoseconds.
        public var timeout: Double
        /// All of its section, for the model.
        public var tree: Tree

        /// The end of a bridge that takes messages, as a client of that broker alone: what it says of itself stands in `from:`.
        public var source: Client {
            guard onward != nil else { return self }
            var end = self
            end.tree = target
            end.onward = nil
            return end
        }

        /// The end of a bridge that publishes, as a client of that broker alone; nil for others.
        public var destination: Client? {
            guard let onward else { return nil }
            var end = self
            end.broker = onward.broker
            end.target = onward.target
            end.tree = onward.target
            end.onward = nil
            return end
        }

        /// A broker, and what a client does there.
        public struct End: Sendable {
            /// The broker.
            public var broker: String
            /// `to:` or `from:`, a map.
            public var target: Tree
        }
    }

    /// How often work goes wrong, as shares from 0 to 1.
    public struct Fails: Sendable, Hashable {
        public var error = 0.0
        public var hang = 0.0
        public var crashAfterWork = 0.0
        public var crashDuringWork = 0.0
        /// Between a publication that follows from the work and the ack.
        public var crashBetween = 0.0
        /// Messages whose work fails each time.
        public var poison = 0.0
        /// Whether such a message takes its client down.
        public var poisonKills = false
        /// Nanoseconds.
        public var restartAfter = 1e9
    }

    /// What `warren search` may do to it.
    public struct Search: Sendable, Hashable {
        /// What may go wrong; nil for all that it allows.
        public var faults: [FaultWord]?
        /// How many faults in one run.
        public var atMost = 3
        /// Which nodes and clients they may hit; nil for all.
        public var hits: [String]?
    }

    /// A link with a law of its own.
    public struct Link: Sendable {
        /// The names of its two ends.
        public var between: [String]
        /// The delay one way.
        public var latency: LawSpec
        /// Where it stands.
        public var place: Place

        /// A link between two ends.
        public init(between: [String], latency: LawSpec, place: Place) {
            self.between = between
            self.latency = latency
            self.place = place
        }
    }

    /// When a fault begins.
    public enum Moment: Sendable {
        /// Nanoseconds from the start.
        case at(Double)
        /// The first moment at which this holds.
        case when(Expression)
    }

    /// A fault.
    public struct Fault: Sendable {
        /// When.
        public var moment: Moment
        /// How long until it happens again, in nanoseconds; nil for once.
        public var period: Double?
        /// How often in all.
        public var times: Int
        /// What.
        public var action: FaultWord
        /// The node, as `broker/node`.
        public var node: String?
        /// The queue whose leader it hits.
        public var leaderOf: String?
        /// The broker, for what goes from node to node.
        public var broker: String?
        /// The client.
        public var client: String?
        /// Which instance, from 1; nil for all.
        public var instance: Int?
        /// The two ends of a link.
        public var between: [String]
        /// How long, in nanoseconds.
        public var duration: Double?
        /// How many times slower.
        public var factor: Double
        /// Who reaches whom in a partition.
        public var groups: [[String]]
        /// Who is not heard.
        public var from: [String]
        /// By whom.
        public var to: [String]
        /// How many packets, from 0 to 1.
        public var share: Double
        /// How far a clock jumps, in nanoseconds.
        public var jump: Double
        /// The version that nodes are upgraded to.
        public var version: String?
        /// Whether a node comes back under another name.
        public var renames: Bool
        /// Where it stands.
        public var place: Place

        /// A fault that happens once at a moment, in nanoseconds, and hits nothing yet.
        public init(_ action: FaultWord, at moment: Double, place: Place) {
            self.moment = .at(moment)
            self.action = action
            times = .max
            between = []
            factor = 1
            groups = []
            from = []
            to = []
            share = 0
            jump = 0
            renames = false
            self.place = place
        }

        /// What it does to whom, as in `kill worker#2`.
        public var words: String {
            let ends: [String?] = [
                node, leaderOf.map { "the leader of \($0)" },
                client.map { name in instance.map { "\(name)#\($0)" } ?? name }, broker,
                between.isEmpty ? nil : between.joined(separator: " and "),
                from.isEmpty
                    ? nil : "\(from.joined(separator: ", ")) to \(to.joined(separator: ", "))",
                groups.isEmpty
                    ? nil : groups.map { $0.joined(separator: ", ") }.joined(separator: " | "),
            ]
            let what = action.rawValue.replacing("_", with: " ")
            return ([what] + ends.compactMap(\.self)).joined(separator: " ")
        }
    }

    /// How an expectation is meant.
    public enum ExpectationKind: String, Sendable, CaseIterable {
        case never, always, eventually, measure
    }

    /// Something that must hold.
    public struct Expectation: Sendable {
        /// How it is meant.
        public var kind: ExpectationKind
        /// Its name.
        public var name: String
        /// What it says.
        public var expression: Expression
        /// Whether the file teaches by breaking it.
        public var isMeantToBreak = false
        /// For `eventually`: how long after the last publication and fault, in nanoseconds.
        public var within: Double?
        /// Whether it holds where nothing was measured.
        public var holdsOnNothing = false
        /// Where its name stands.
        public var place: Place
        /// Where what it says begins.
        public var textPlace: Place
    }

    /// What it is called.
    public var name: String
    /// One line about it.
    public var title: String
    /// The seed in the file.
    public var seed: UInt64
    /// The brokers, in file order.
    public var brokers: [Broker]
    /// The clients: producers, consumers, callers, servers, each in file order.
    public var clients: [Client]
    /// The delay of links without a law of their own.
    public var latency: LawSpec
    /// The links with one.
    public var links: [Link]
    /// The faults, in file order.
    public var faults: [Fault]
    /// The expectations, in file order.
    public var expectations: [Expectation]
    /// How long to simulate at most, in nanoseconds.
    public var duration: Double?
    /// The files that it was read from, the first one first.
    public var files: [SourceFile]
    /// What a check is to pass over.
    public var suppressions: [Suppression] = []
    /// Who is first of what happens at the same moment.
    public var ties = Ties.inOrder
    /// What `warren search` may do to it.
    public var search = Search()
    /// The whole file, with what it includes.
    public var tree = Tree(content: .map([]), place: .start(of: 0))
}
