import WarrenKernel
import WarrenTrace

/// The cluster as one of its nodes sees it: how it stands itself, and how each of its peers stands.
///
///     booting ──found its disk──▶ waiting ──a peer serves──▶ joining ──has the metadata──▶ running
///                                    │                          │                             │
///                                    └── nobody else was running ──────────────────────▶      │
///                                    ◀───────────────── in a minority, or gives way ──────────┘
///
/// - Source: RMQ-CLUS-04 to -06, -09, -10; RMQ-PART-01 to -04; rabbitmq-server `rabbit_node_monitor.erl`, Erlang's
///   `net_kernel`.
struct Membership: Sendable {
    /// What a peer's hello comes to.
    struct Greeting: Sendable {
        /// Whether it is the first one on its connection.
        let isNew: Bool
        /// Whether the peer is in the life in which it was known; also if it was not known at all.
        let isSameLife: Bool
        /// Whether each of the two went on without the other: RMQ-PART-02.
        let isReunion: Bool
        /// Whether it serves now, and did not before.
        let isFound: Bool
    }

    /// What a peer's silence means: RMQ-PART-01, -06.
    enum Silence: Sendable {
        case none
        /// Its leaderships are doubted.
        case suspicious
        /// It counts as down.
        case tooLong
    }

    let plan: ClusterPlan
    /// Which of its nodes this is.
    let me: PeerIndex
    private(set) var phase = NodePhase.running
    /// Since when it runs: another life has another number.
    private(set) var life: UInt64 = 0
    /// Whether it is a broker of its own: it came up with an empty disk while its cluster was there already.
    private(set) var isAlone = false
    /// Whether it looks for a peer that it lost.
    private(set) var isSeeking = false
    /// What the disk kept, while the node comes up.
    private(set) var delayedRecovery: Recovery?
    /// The nodes that were running when this one went down, a bit for each.
    private var lastRunning: UInt64 = 0
    /// All nodes; the place of this one stays unused.
    private var peers: Table<Peer>

    /// After how much silence a leader is doubted: the poll of Ra's failure detector.
    private static let doubt = Interval.seconds(5)
    /// How long a node that leaves another one stays away from it.
    private static let leave = Interval.seconds(1)
    /// How long a run goes on for a node that looks for one that it lost, though nothing else happens.
    private static let search = Interval.seconds(30)

    init(_ plan: ClusterPlan, me: PeerIndex) {
        self.plan = plan
        self.me = me
        peers = Table(
            plan.names.indices.map {
                Peer(
                    node: $0 < plan.nodes.count ? plan.nodes[$0] : .outside,
                    name: plan.names[$0]
                )
            }
        )
    }

    // MARK: Looking

    /// All nodes, this one among them.
    var indices: Table<Peer>.Indices { peers.indices }

    var count: Int { peers.count }

    /// A node as this one sees it.
    subscript(peer: PeerIndex) -> Peer {
        @inline(__always)
        unsafeAddress { unsafe peers.address(of: peer) }
    }

    /// Which of the nodes this is of the world's; nil if it is none of them.
    func index(of node: NodeID) -> PeerIndex? { peers.firstIndex { $0.node == node } }

    /// The nodes that run, this one apart.
    var running: [PeerIndex] { peers.indices.filter { $0 != me && peers[$0].isRunning } }

    /// Those of which this one believes that they run, a bit for each, itself apart.
    var runningMask: UInt64 {
        peers.indices.reduce(0) {
            $1 != me && peers[$1].standing == .running ? $0 | $1.bit : $0
        }
    }

    /// How often it says that it is there.
    var pulse: Interval {
        Interval(nanoseconds: min(1_000_000_000, max(plan.tickTime.nanoseconds / 4, 1_000_000)))
    }

    /// How it tells others that it stands.
    var standing: Peer.Standing {
        switch phase {
        case .running: .running
        case .booting, .waiting, .joining: .waiting
        }
    }

    // MARK: This node

    /// A life begins; `isStranger` says that it begins with another disk than the one that was set up with the
    /// cluster.
    mutating func begin(at now: Instant, isStranger: Bool) {
        life = now.nanoseconds + 1
        isAlone = plan.count > 1 && isStranger
    }

    /// The cluster's first start: everybody is there.
    mutating func findAll() {
        for peer in peers.indices where peer != me { peers[peer].standing = .running }
    }

    /// It comes up, and looks at its disk later.
    mutating func boot(later recovery: Recovery) {
        phase = .booting
        delayedRecovery = recovery
    }

    /// It has come up.
    ///
    /// - Returns: what its disk kept; nil if it does not come up.
    mutating func finishBooting() -> Recovery? {
        guard phase == .booting else { return nil }
        defer { delayedRecovery = nil }
        return delayedRecovery
    }

    /// Who was running when it went down, as its disk says.
    mutating func recall(running mask: UInt64) { lastRunning = mask }

    /// It looks for its cluster.
    mutating func seek(at now: Instant) {
        phase = .waiting
        for peer in peers.indices where peer != me { peers[peer].lostAt = now }
        isSeeking = true
    }

    /// It serves.
    mutating func serve() { phase = .running }

    /// It serves no more, and waits for others.
    mutating func giveWay() {
        precondition(phase != .booting, "a node gives way that has not come up")
        phase = .waiting
    }

    /// Whether a node that waits, and found nobody who serves, may go on by itself: nobody else was running when it
    /// went; or all that were are back and wait as well, and it is the lowest.
    ///
    /// - Source: RMQ-CLUS-09.
    var mayBegin: Bool {
        guard phase == .waiting else { return false }
        if plan.handling == .pauseMinority {
            // Who pauses in a minority does not begin in one.
            let here = peers.indices.filter { $0 == me || peers[$0].isConnected }
            return here.count * 2 > plan.count && here.first == me
        }
        let wanted = peers.indices.filter { $0 != me && lastRunning & $0.bit != 0 }
        let areHere = wanted.allSatisfy { peers[$0].isConnected }
        let isFirst = wanted.allSatisfy { me < $0 || peers[$0].standing != .waiting }
        return wanted.isEmpty || areHere && isFirst
    }

    // MARK: Connections

    /// There is a connection to a peer, on which it has yet to speak.
    mutating func connect(_ peer: PeerIndex, by connection: ConnectionID) {
        assert(peer != me && connection != .none, "a node is connected to others")
        peers[peer].connection = connection
        peers[peer].isConnected = false
    }

    /// The connection to a peer ended, or was never opened.
    ///
    /// - Returns: whether the peer was there.
    mutating func disconnect(_ peer: PeerIndex, _ how: Closure) -> Bool {
        if how == .refused { peers[peer].lostAt = nil }
        let wasThere = peers[peer].isConnected || peers[peer].standing == .running
        peers[peer].connection = .none
        peers[peer].isConnected = false
        return wasThere
    }

    /// Whether of two connections, of which either node opened one, that of this node stays: that of the lower one
    /// does.
    func keepsOwnConnection(to peer: PeerIndex) -> Bool { !peers[peer].isConnected && me < peer }

    // MARK: What peers say

    /// A peer has said something.
    @inline(__always)
    mutating func hear(_ peer: PeerIndex, at now: Instant) {
        peers[peer].heardAt = now
        if peers[peer].isSuspect { peers[peer].isSuspect = false }
    }

    /// A peer says who it is and how it stands.
    mutating func hear(_ hello: Words.Hello, from peer: PeerIndex) -> Greeting {
        let isNew = !peers[peer].isConnected
        let before = peers[peer].standing
        let wasKnown = peers[peer].life != 0
        let isSameLife = peers[peer].life == hello.life
        peers[peer].isConnected = true
        peers[peer].lostAt = nil
        peers[peer].life = hello.life
        peers[peer].goodbye = nil
        // Each went on without the other: they do not trust each other's metadata any more.
        if hello.standing == .running, phase == .running, before == .down, wasKnown, isSameLife,
            isNew
        {
            return Greeting(isNew: true, isSameLife: true, isReunion: true, isFound: false)
        }
        if !isSameLife { peers[peer].isPartitioned = false }
        peers[peer].standing = peers[peer].isPartitioned ? .down : hello.standing
        return Greeting(
            isNew: isNew,
            isSameLife: isSameLife || !wasKnown,
            isReunion: false,
            isFound: peers[peer].standing == .running && before != .running
        )
    }

    /// A peer serves: a node that waits joins it.
    mutating func join() {
        if phase == .waiting { phase = .joining }
    }

    /// A peer stops in good order.
    mutating func hear(_ goodbye: Words.Goodbye, from peer: PeerIndex) {
        peers[peer].goodbye = goodbye.takes
    }

    /// A peer that said goodbye is lost: it is being stopped from now on.
    mutating func beginEnding(of peer: PeerIndex, at now: Instant) {
        assert(peers[peer].saidGoodbye, "a peer that was lost takes no time to stop")
        peers[peer].ending = peers[peer].goodbye.map { Ending(from: now, takes: $0) }
    }

    /// The queues of a peer that stops are gone.
    mutating func refuse(_ peer: PeerIndex) { peers[peer].ending?.refuses = true }

    /// A peer that stops is gone.
    mutating func depart(_ peer: PeerIndex) { peers[peer].ending = nil }

    /// A peer says with whom it was together in a partition.
    mutating func hear(_ side: Words.Side, from peer: PeerIndex) {
        peers[peer].side = (side.nodes, side.connections)
    }

    /// What peers said of their sides is of no use any more.
    mutating func forgetSides() {
        for peer in peers.indices { peers[peer].side = (0, 0) }
    }

    /// Each of the two went on without the other.
    mutating func part(from peer: PeerIndex) { peers[peer].isPartitioned = true }

    /// A peer has lost another node, which it may be that this one can see.
    mutating func hearLoss(from peer: PeerIndex, at now: Instant) { peers[peer].askedAt = now }

    /// Whether a peer that breaks its connection leaves this node, because this one sees whom it has lost.
    func isLeaving(_ peer: PeerIndex, at now: Instant) -> Bool {
        peers[peer].askedAt.map { (now - $0).nanoseconds < Self.leave.nanoseconds } ?? false
    }

    // MARK: Silence

    /// What it means how long a peer has said nothing; what is suspicious is so once.
    ///
    /// - Source: RMQ-PART-01, -06: a peer is down after net_ticktime to 1.25 times it; a leader is doubted
    ///   earlier.
    mutating func judge(_ peer: PeerIndex, at now: Instant) -> Silence {
        guard peers[peer].isConnected || peers[peer].standing == .running else { return .none }
        let quarter = max(plan.tickTime.nanoseconds / 4, 1)
        // Erlang looks four times in a tick time, and wants four silent looks in a row.
        let looks = now.nanoseconds / quarter
        if looks > peers[peer].heardAt.nanoseconds / quarter + 4 { return .tooLong }
        let silence = (now - peers[peer].heardAt).nanoseconds
        guard silence >= min(Self.doubt.nanoseconds, plan.tickTime.nanoseconds / 2),
            !peers[peer].isSuspect
        else { return .none }
        peers[peer].isSuspect = true
        return .suspicious
    }

    /// A peer is down, as far as this node can tell.
    ///
    /// - Returns: whether it was there before.
    mutating func lose(_ peer: PeerIndex, at now: Instant) -> Bool {
        let wasThere = peers[peer].standing == .running || peers[peer].isPartitioned
        peers[peer].standing = .down
        peers[peer].isConnected = false
        peers[peer].isSuspect = false
        peers[peer].lostAt = now
        isSeeking = true
        return wasThere
    }

    /// A node that was about to join waits again.
    mutating func waitAgain() {
        if phase == .joining { phase = .waiting }
    }

    /// Looks for those that were lost lately, and for no others.
    mutating func seekLately(at now: Instant) {
        isSeeking = peers.contains {
            $0.lostAt.map { (now - $0).nanoseconds < Self.search.nanoseconds } ?? false
        }
    }

    // MARK: Alarms

    /// A peer has these resource alarms.
    ///
    /// - Returns: whether that is news.
    mutating func hear(alarms: UInt8, from peer: PeerIndex) -> Bool {
        guard peers[peer].alarms != alarms else { return false }
        peers[peer].alarms = alarms
        return true
    }

    /// The alarms of all peers, a bit for each kind.
    var alarms: UInt8 { peers.reduce(0) { $0 | $1.alarms } }

    /// What must hold between turns.
    func checkInvariants() {
        for index in peers.indices where index != me {
            precondition(
                peers[index].connection != .none || !peers[index].isConnected,
                "a peer is connected without a connection"
            )
            precondition(
                !peers[index].isPartitioned || peers[index].standing == .down,
                "a peer that went its own way counts as one of the cluster"
            )
        }
        precondition(
            (phase == .booting) == (delayedRecovery != nil),
            "a node has a disk to look at exactly while it comes up"
        )
    }
}
