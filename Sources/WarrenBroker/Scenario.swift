public import WarrenTopology

/// A ready story of failure that fits any topology which has what it needs.
public enum Scenario: String, Sendable, CaseIterable {
    case rollingRestart = "rolling-restart"
    case partitionMinority = "partition-minority"
    case partitionOneWay = "partition-one-way"
    case leaderKill = "leader-kill"
    case nodeLost = "node-lost"
    case diskAlarm = "disk-alarm"
    case slowConsumer = "slow-consumer"
    case poisonMessage = "poison-message"
    case connectionStorm = "connection-storm"
    case renamedContainer = "renamed-container"

    /// What happens in it, as a sentence.
    public var summary: String {
        switch self {
        case .rollingRestart: "every node is stopped and started, one after the other"
        case .partitionMinority: "one node is cut off from the others, and comes back"
        case .partitionOneWay: "one node hears the others and is not heard by them"
        case .leaderKill: "the node that leads the first queue is killed, and comes back"
        case .nodeLost: "the last node is killed and never comes back"
        case .diskAlarm: "the first node runs short of disk"
        case .slowConsumer: "every consumer works twenty times slower for a while"
        case .poisonMessage: "one message in a hundred makes its consumer fail each time"
        case .connectionStorm: "all clients lose their connections at once, five times"
        case .renamedContainer:
            "the first node comes back under another name: alone, empty, a stranger"
        }
    }

    /// What a topology must have for it; nil if it has.
    func obstacle(in topology: Topology) -> String? {
        let nodes = topology.brokers.first?.nodes.count ?? 0
        let consumers = topology.clients.contains(where: \.role.works)
        switch self {
        case .partitionMinority, .partitionOneWay:
            return nodes >= 2 ? nil : "its first broker has one node, and needs two or more"
        case .slowConsumer, .poisonMessage: return consumers ? nil : "nobody consumes in it"
        case .leaderKill:
            return queue(of: topology) == nil ? "its first broker declares no queue" : nil
        case .rollingRestart, .nodeLost, .diskAlarm, .connectionStorm, .renamedContainer: return nil
        }
    }

    /// The first quorum queue of the first broker, or its first queue of any kind.
    private func queue(of topology: Topology) -> String? {
        let queues = topology.brokers.first?.tree["queues"]?.entries ?? []
        return (queues.first { $0.value["type"]?.text == "quorum" } ?? queues.first)?.key
    }

    /// The topology with this story instead of its own faults.
    ///
    /// The story begins when a quarter of the messages should be on their way, and what can be mended is
    /// mended after another quarter, but not before one second and after thirty.
    ///
    /// - Throws: ``Unfit`` if the topology lacks what the story needs.
    public func applied(to topology: Topology) throws(Unfit) -> Topology {
        if let obstacle = obstacle(in: topology) { throw Unfit(scenario: self, why: obstacle) }
        var told = topology
        told.faults = []
        let length = Self.activity(of: topology)
        let start = length / 4
        let lasting = min(max(length / 4, 1e9), 30e9)
        guard let broker = topology.brokers.first else { return told }
        let paths = broker.nodes.map { "\(broker.name)/\($0)" }
        func add(_ action: FaultWord, _ change: (inout Topology.Fault) -> Void) {
            var fault = Topology.Fault(action, at: start, place: broker.place)
            change(&fault)
            told.faults.append(fault)
        }
        switch self {
        case .rollingRestart:
            add(.rollingRestart) {
                $0.broker = broker.name
                $0.duration = min(lasting, 10e9)
            }
        case .partitionMinority:
            add(.partition) {
                $0.groups = [[paths[0]], Array(paths.dropFirst())]
                $0.duration = lasting
            }
        case .partitionOneWay:
            add(.cut) {
                $0.from = [paths[0]]
                $0.to = Array(paths.dropFirst())
                $0.duration = lasting
            }
        case .leaderKill:
            add(.kill) {
                $0.leaderOf = queue(of: topology)
                $0.duration = lasting
            }
        case .nodeLost: add(.kill) { $0.node = paths.last }
        case .diskAlarm:
            add(.diskAlarm) {
                $0.node = paths[0]
                $0.duration = lasting
            }
        case .slowConsumer:
            for client in topology.clients where client.role.works {
                add(.slow) {
                    $0.client = client.name
                    $0.factor = 20
                    $0.duration = lasting
                }
            }
        case .poisonMessage:
            for index in told.clients.indices { told.clients[index].fails.poison = 0.01 }
        case .connectionStorm:
            for client in topology.clients {
                add(.dropConnection) {
                    $0.client = client.name
                    $0.period = max(lasting / 5, 1e9)
                    $0.times = 5
                }
            }
        case .renamedContainer:
            add(.restart) {
                $0.node = paths[0]
                $0.duration = min(lasting, 5e9)
                $0.renames = true
            }
        }
        return told
    }

    /// How long clients publish, in nanoseconds, as far as the file says it.
    private static func activity(of topology: Topology) -> Double {
        let lengths = topology.clients.compactMap { client -> Double? in
            guard client.role == .producer || client.role == .caller, let count = client.count
            else { return nil }
            return client.start + Double(count) * client.arrivals.mean
        }
        let longest = lengths.max() ?? 20e9
        return max(topology.duration.map { min($0, longest) } ?? longest, 1e9)
    }

    /// Why a story does not fit a topology.
    public struct Unfit: Error, Sendable {
        /// The story.
        public var scenario: Scenario
        /// What is missing.
        public var why: String
    }
}
