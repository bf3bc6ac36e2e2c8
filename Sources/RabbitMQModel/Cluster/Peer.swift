import DequeModule
import WarrenKernel
package import WarrenTrace

/// What the nodes of a cluster say to each other, beside the methods of AMQP that a node uses on behalf of
/// its clients where a queue lives on another node.
///
/// - Differs: Erlang's distribution carries processes' messages; here it carries these.
package enum PeerWord: UInt16, Sendable, CaseIterable {
    /// Who speaks: `c` its number, `x` since when it runs, `d` how it stands.
    case hello = 400
    /// Nothing, so that silence means something.
    case tick
    /// A channel of a client wants to use queues here: `port` is its number, `c` its client, `subject` the
    /// scope of its virtual host.
    case open
    /// A channel is gone.
    case shut
    /// A method was refused: `subject` the text, `c` the code, `flags` whether the connection goes.
    case refused
    /// How many messages and consumers a queue has; and the answer.
    case count, counted
    /// A change of metadata is wanted; everybody is to make it; it was made; all made it.
    case wanted, change, changed, settled
    /// What the cluster's metadata are.
    case metadata
    /// A member of a Raft group to another.
    case raft
    /// A command for the leader of a quorum queue.
    case command
    /// The leader has applied all commands up to `x`.
    case done
    /// How full a quorum queue is that rejects publications.
    case filled
    /// The answer to a command.
    case answer
    /// A copy for basic.get.
    case fetched
    /// A copy for a consumer.
    case delivery
    /// Who leads a quorum queue.
    case leads
    /// Consumer `c` has every delivery up to `x`, and wants those behind it once more.
    case resume
    /// Consumer `c` has been sent all that it holds up to delivery `x`.
    case reached
    /// A node has a resource alarm, or none.
    case alarm
    /// A node begins to keep copies of a queue, and has none yet; `d` is the queue in all of these.
    case copyBegin
    /// A copy: its position in `port`.
    case copyPut
    /// A copy is done with: its position in `port`.
    case copyDrop
    /// Everything that the queue holds has been sent.
    case copyWhole
    /// All copies up to `port` are safe.
    case copyStored
    /// How far a replica of a stream reaches: `x`, with the epoch `y` of its last record; `port` is the epoch
    /// that it is in, and `flags` says whether it wants to be told the same.
    case copyEnd
    /// A replica of a stream wants to write: `port` the epoch.
    case copyAsk
    /// A replica takes nothing from writers before the epoch `port`.
    case copyPromise
    /// The copies that follow are records of the epoch `y`.
    case copyEpoch
    /// A delivery that was made before the queue moved is settled: `x` the message.
    case settleStale
    /// The node stops in good order: `x` how long it takes.
    case goodbye
    /// With whom a node was together while the cluster was partitioned: `x` a bit for each, `y` the
    /// connections of its clients.
    case side
    /// A node has lost another one, and finds out whether others have: `c` which one, `d` how far that is.
    case loss
    /// Who leads a quorum queue was heard; and is in the metadata of all nodes that are up.
    case heard, recorded
    /// A member of a quorum queue is to come, to go or to lead; what came of it; it is gone.
    case member, memberDone, memberGone
}

/// Another node of the cluster, as this one sees it.
package struct Peer: Sendable {
    /// How the other node stands.
    package enum Standing: UInt32, Sendable {
        /// It does not answer, or is held for down.
        case down = 0
        /// It is there, and waits to join.
        case waiting
        /// It serves.
        case running
    }

    let node: NodeID
    let name: String
    var connection = ConnectionID.none
    /// Whether the connection is open and the other side has spoken.
    var isConnected = false
    var standing = Standing.down
    /// Since when it runs; another life has another number.
    var life: UInt64 = 0
    var heardAt = Instant.zero
    /// When it was lost without a word; nil if it is there, or is known to be down.
    var lostAt: Instant?
    /// Whether it has been silent for so long that its leaderships are doubted.
    var isSuspect = false
    /// Whether each of the two went on without the other: RMQ-PART-02.
    var isPartitioned = false
    /// With whom it was together in a partition, a bit for each, and how many connections it had.
    var side: (nodes: UInt64, connections: UInt64) = (0, 0)
    var alarms: UInt8 = 0
    /// When it asked this node about another one that it had lost.
    var askedAt: Instant?
    /// How long it takes to stop, if it said that it does.
    var goodbye: Interval?
    /// While it stops: how far it has come.
    var ending: Ending?

    init(node: NodeID, name: String) {
        self.node = node
        self.name = name
    }

    var isRunning: Bool { standing == .running && isConnected }
    var saidGoodbye: Bool { goodbye != nil }
    /// Whether it stops, and its queues have yet to write down what they hold.
    var isSilent: Bool { ending?.refuses == false }
}

/// How far a node has come that is being stopped in good order, as another one sees it.
///
/// - Source: RMQ-CLUS-13.
struct Ending: BitwiseCopyable, Sendable {
    /// Until then its queues write down what they hold, and are silent.
    let silentUntil: Instant
    /// Until then they are gone and the node is not: what is published to them is refused.
    let refusesUntil: Instant
    /// Whether its queues are gone.
    var refuses = false

    /// Two thirds of the time are silence.
    init(from now: Instant, takes time: Interval) {
        silentUntil = now + Interval(nanoseconds: time.nanoseconds / 3 * 2)
        refusesUntil = now + time
    }

    /// When something happens next.
    var next: Instant { refuses ? refusesUntil : silentUntil }
}

/// What a node does that sees only part of its cluster.
///
/// - Source: RMQ-PART-02 to -04.
package enum PartitionHandling: String, Sendable, CaseIterable {
    /// It goes on, and so does the other part.
    case ignore
    /// It stops serving if it sees half of the cluster or less.
    case pauseMinority = "pause_minority"
    /// It goes on; when the parts meet again, all but one start anew.
    case autoheal
}

/// A broker's cluster, as it is built.
package struct ClusterPlan: Sendable {
    /// Erlang's names of the nodes: `rabbit@` and the name in the file.
    package var names: [String]
    package var nodes: [NodeID]
    package var handling = PartitionHandling.ignore
    /// After how much silence a peer counts as down, at the earliest: RMQ-PART-01.
    package var tickTime = Interval.seconds(60)
    /// How long a node takes from its start to its first word: RMQ-CLUS-10.
    package var bootTime = Interval.seconds(6)
    /// How long a node takes to stop in good order; nil if that follows from its queues: RMQ-CLUS-13.
    package var stopTime: Interval?
    /// Whether a disk may lose what it said was safe.
    var disksLie = false

    /// A cluster of these nodes, each with its name, that goes by RabbitMQ's defaults.
    package init(names: [String], nodes: [NodeID]) {
        (self.names, self.nodes) = (names, nodes)
    }

    /// A broker of one node.
    static func single(_ name: String) -> ClusterPlan { ClusterPlan(names: [name], nodes: []) }

    var count: Int { names.count }

    /// Erlang's name of a node.
    func name(of peer: PeerIndex) -> String { names[peer.place] }

    /// The node with a name in the file, or with Erlang's.
    func peer(named name: String) -> PeerIndex? {
        names.firstIndex { $0 == name || $0 == "rabbit@\(name)" }.map { PeerIndex($0) }
    }
}

/// How a node stands.
enum NodePhase: Sendable {
    /// It comes up.
    case booting
    /// It waits for the nodes that were running when it went: RMQ-CLUS-09.
    case waiting
    /// It has asked a peer for the metadata.
    case joining
    case running
}

/// Where a queue lives, and which nodes have a part of it.
struct QueuePlace: Hashable, Sendable {
    /// The node of a classic queue; the first leader of a replicated one.
    var home: PeerIndex
    /// The members of a quorum queue or stream, its first leader among them; empty for a classic one.
    var members: [PeerIndex] = []
    /// The nodes that have a copy of a mirrored queue or a stream, the longest first; not the home.
    var mirrors: [PeerIndex] = []
    /// Those that have all of it.
    var synced: [PeerIndex] = []
    /// Whether it belongs to a connection.
    var isExclusive = false
    /// Which history this is of all that bore the name.
    var epoch: UInt64 = 1
}

/// A queue as every node of the cluster knows it.
struct QueueRecord: Hashable, Sendable {
    var scope: Symbol
    var declaration: QueueDeclaration
    var place: QueuePlace
}

/// A change of what all nodes know.
enum MetadataChange: Hashable, Sendable {
    case addQueue(QueueRecord)
    case deleteQueue(name: String, scope: Symbol)
    case addExchange(ExchangeDeclaration, scope: Symbol)
    case deleteExchange(name: String, scope: Symbol)
    case addBinding(BindingDeclaration, scope: Symbol)
    case removeBinding(BindingDeclaration, scope: Symbol)
    case setVirtualHost(VirtualHostState)
    /// A quorum queue has a member more, or one less: others may change at the same time.
    case changeMembers(queue: String, scope: Symbol, PeerIndex, isAdded: Bool)
    case setPlace(queue: String, scope: Symbol, QueuePlace)
}

/// A change on its way through the cluster.
struct ChangeParcel: Sendable {
    var change: MetadataChange
    /// Who wants it, and under which number.
    var origin: PeerIndex
    var number: UInt64
}

/// Everything that all nodes know.
struct ClusterMetadata: Sendable {
    var queues: [QueueRecord] = []
    var exchanges: [Stored<ExchangeDeclaration>] = []
    var bindings: [Stored<BindingDeclaration>] = []
    var vhosts: [VirtualHostState] = []
}
