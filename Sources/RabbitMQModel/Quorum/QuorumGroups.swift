import DequeModule
import WarrenKernel
import WarrenTrace

/// A quorum queue that a node knows.
package struct QuorumGroup: Sendable {
    // What is looked at in each turn comes first.
    let queue: QueueIndex
    /// The queue's name.
    let symbol: Symbol
    /// This node's own member, or none.
    fileprivate var member: MemberIndex = .none
    /// Its history for those who watch the run.
    let history: Outside.HistoryID
    /// Whether the timer for an election may be set.
    var awaitsElection = false
    /// The queue as this node uses it.
    var client: QuorumClient
    /// Which history this is of all that bore the queue's name.
    let epoch: UInt64
    /// The nodes with a member, as the metadata have it.
    fileprivate(set) var members: [PeerIndex]

    init(
        queue: QueueIndex,
        symbol: Symbol,
        epoch: UInt64,
        history: Outside.HistoryID,
        members: [PeerIndex],
        leader: PeerIndex
    ) {
        self.queue = queue
        self.symbol = symbol
        self.epoch = epoch
        self.history = history
        self.members = members
        client = QuorumClient(leader: leader)
    }

    /// Whether this node has a member.
    @inline(__always)
    var hasMember: Bool { member != .none }
}

/// The quorum queues that a node knows: of all it is a client, of some a member.
///
/// What a member wants done gathers in one list of wishes for all of them. The owner does it after each input, says
/// under which number it was written, and hears of what waits for the disk by asking ``nextStored(upTo:)``.
struct QuorumGroups: Sendable {
    /// What waits for a write.
    private struct Pending: Sendable {
        var write: UInt64
        var quorum: QuorumIndex
        var sync: Raft.Wishes.Sync
    }

    private var groups: Table<QuorumGroup> = []
    /// By name of the queue.
    private var places = Directory<Symbol, QuorumIndex>(.none)
    /// Beside the groups and not inside them: a row that is there or not would be copied to look at it.
    private var members: Table<QuorumMember> = []
    /// Places of members that are gone.
    private var free: [MemberIndex] = []
    /// By rising number of the write.
    private var pending = Deque<Pending>()
    /// What the member that was spoken to last wants done.
    private(set) var wishes = Raft.Wishes()
    /// A list for the effects of one command, used again and again.
    private var spare: [QuorumEffect] = []

    var indices: Table<QuorumGroup>.Indices { groups.indices }

    /// The group at `quorum`; its client is changed through here, its member by ``act(_:_:)``.
    subscript(quorum: QuorumIndex) -> QuorumGroup {
        @inline(__always)
        unsafeAddress { unsafe groups.address(of: quorum) }
        @inline(__always)
        unsafeMutableAddress { unsafe groups.mutableAddress(of: quorum) }
    }

    /// The node's member of a group, which must have one.
    subscript(member quorum: QuorumIndex) -> QuorumMember {
        @inline(__always)
        unsafeAddress { unsafe members.address(of: groups[quorum].member) }
    }

    /// A copy of the node's member of a group, if it has one: for what is rare.
    func member(of quorum: QuorumIndex) -> QuorumMember? {
        groups[quorum].hasMember ? members[groups[quorum].member] : nil
    }

    /// Whether the node leads a group.
    @inline(__always)
    func leads(_ quorum: QuorumIndex) -> Bool {
        groups[quorum].hasMember && members[groups[quorum].member].isLeader
    }

    /// The quorum queue of a name, or none.
    @inline(__always)
    func index(of symbol: Symbol) -> QuorumIndex { places[symbol] }

    /// Gets to know a quorum queue.
    mutating func add(_ group: QuorumGroup) -> QuorumIndex {
        places[group.symbol] = groups.endIndex
        return groups.append(group)
    }

    /// The queue is deleted: nothing that is said of its name is about this one any more.
    mutating func forget(_ quorum: QuorumIndex) {
        let symbol = groups[quorum].symbol
        if places[symbol] == quorum { places[symbol] = .none }
    }

    /// The node has a member from now on.
    mutating func join(_ quorum: QuorumIndex, _ member: QuorumMember) {
        precondition(!groups[quorum].hasMember, "a node has one member of a group")
        if let place = free.popLast() {
            members[place] = member
            groups[quorum].member = place
        } else {
            groups[quorum].member = members.append(member)
        }
    }

    /// The node has no member any more; what it waited for does not matter.
    mutating func leave(_ quorum: QuorumIndex) {
        assert(groups[quorum].hasMember, "a member leaves that is not there")
        precondition(groups[quorum].hasMember, "a node leaves a group that it has no member of")
        free.append(groups[quorum].member)
        groups[quorum].member = .none
        pending.removeAll { $0.quorum == quorum }
    }

    /// The group has other members.
    mutating func setMembers(_ members: [PeerIndex], of quorum: QuorumIndex) {
        groups[quorum].members = members
    }

    /// Has the node's member do something; what it wants done is in ``wishes``.
    @inline(__always)
    mutating func act(
        _ quorum: QuorumIndex,
        _ body: (inout QuorumMember, inout Raft.Wishes) -> Void
    ) {
        assert(groups[quorum].hasMember, "a node without a member has nothing to act for")
        guard groups[quorum].hasMember else { return }
        body(&members[groups[quorum].member], &wishes)
    }

    /// All that was to be written of one input has the numbers up to `write`, and all else is done.
    mutating func fulfil(_ quorum: QuorumIndex, writtenUpTo write: UInt64) {
        if !wishes.syncs.isEmpty {
            for sync in wishes.syncs {
                pending.append(Pending(write: write, quorum: quorum, sync: sync))
            }
        }
        wishes.clear()
    }

    /// The next group whose member waited for one of the writes up to `write`, and has heard now that it is on the
    /// disk; nil if there is none.
    mutating func nextStored(upTo write: UInt64) -> QuorumIndex? {
        while let first = pending.first, first.write <= write {
            pending.removeFirst()
            guard groups[first.quorum].hasMember else { continue }
            act(first.quorum) { $0.stored(first.sync, &$1) }
            return first.quorum
        }
        return nil
    }

    /// An empty list for the effects of commands; it is given back when they have been dealt with.
    mutating func borrowEffects() -> [QuorumEffect] {
        assert(spare.isEmpty, "effects are lent that were not done")
        var lent: [QuorumEffect] = []
        swap(&lent, &spare)
        return lent
    }

    mutating func giveBack(_ effects: [QuorumEffect]) { spare = effects }

    /// A channel is gone, with all that it published.
    mutating func forget(_ channel: ChannelIndex) {
        for quorum in groups.indices { groups[quorum].client.forget(channel) }
    }

    func parcels(_ holding: inout ParcelMarks) {
        for group in groups {
            if group.hasMember { members[group.member].parcels(&holding) }
            for waiting in group.client.undone { holding.keep(waiting.command.packet.parcel) }
        }
    }

    /// What must hold between turns.
    func checkInvariants() {
        precondition(wishes.isIdle, "a turn ends while something is wished")
        precondition(
            zip(pending, pending.dropFirst()).allSatisfy { $0.write <= $1.write },
            "what quorum queues wait for is not in the order of the writes"
        )
        precondition(
            groups.count { $0.hasMember } + free.count == members.count,
            "a member of a group is neither there nor gone"
        )
        for group in groups {
            group.client.checkInvariants()
            if group.hasMember { members[group.member].checkInvariants() }
        }
    }
}
