package import WarrenKernel
package import WarrenTrace

/// What the clients of a node have of queues that live on other nodes: consumers that were attached there,
/// publications without an answer, calls for which a time is set, and what waits for a queue that has no home at the
/// moment; and the channels of other nodes that use queues here.
///
/// - Source: RMQ-CLUS-01 to -06; RMQ-MIR-03 to -06; RMQ-PART-05.
package struct RemoteUse: Sendable {
    /// A publication for a queue that lives elsewhere.
    package struct Publication: Sendable {
        package let queue: QueueIndex
        package let channel: ChannelIndex
        /// The confirm that waits for it, or none.
        package let slot: ConfirmSlot
        package let packet: Packet

        package init(
            queue: QueueIndex,
            channel: ChannelIndex,
            slot: ConfirmSlot,
            packet: Packet
        ) {
            self.queue = queue
            self.channel = channel
            self.slot = slot
            self.packet = packet
        }
    }

    /// What a channel asked other nodes for, and waits for no longer than until a moment.
    package struct Call: Sendable {
        /// What is asked for.
        package enum Kind: Hashable, Sendable {
            /// basic.get, queue.purge and basic.consume of a quorum queue.
            case get, purge, consume
            /// The first publication to a quorum queue.
            case register
            /// The declaration of a quorum queue or a stream, for which too few nodes are there.
            case declare
            /// A method for a queue without a home.
            case method
            /// The deletion of a quorum queue that had so many messages, which is done when the time is over.
            case delete(count: UInt32)
        }

        package let kind: Kind
        /// The quorum queue; none for a declaration.
        package let quorum: QuorumIndex
        /// The node that was asked, or none if it does not matter.
        package var server: PeerIndex
        /// What its leader is to do, if that could not be said yet: the node that is asked does not lead.
        package var held: QuorumCommand?
        /// What the channel is told if the time is over; nil for what is no refusal of a method.
        package let refusal: Refusal?
        /// When the time is over.
        package let due: Instant

        package init(
            _ kind: Kind,
            quorum: QuorumIndex = .none,
            server: PeerIndex = .none,
            held: QuorumCommand? = nil,
            refusal: Refusal?,
            due: Instant
        ) {
            self.kind = kind
            self.quorum = quorum
            self.server = server
            self.held = held
            self.refusal = refusal
            self.due = due
        }
    }

    /// What there is between this node and another one.
    private struct Between {
        /// The confirms that wait for it, and how often.
        var confirms: [ConfirmSlot: UInt32] = [:]
        /// Publications for queues with copies: if the node goes down, they are said again to another one.
        var publications: [Publication] = []
        /// Channels that wait for an answer to what could not be said yet, in order.
        var unsaid: [ChannelIndex] = []
        /// Its channels that use queues here, by their number there.
        var proxies: [ChannelIndex: ChannelIndex] = [:]
    }

    /// By consumer of a queue elsewhere: how it was attached.
    private var attachments: [ConsumerIndex: Packet] = [:]
    /// By node.
    private var between: ContiguousArray<Between>
    /// Publications for queues that have no home at the moment.
    private var orphans: [Publication] = []
    /// Settlements of deliveries of an earlier home, for queues that have none at the moment.
    private var stale: [(queue: QueueIndex, word: Words.SettleStale)] = []
    /// By the channel that waits.
    private var calls: [ChannelIndex: Call] = [:]
    /// No call is due before this.
    private var looksAt: Instant?

    /// Nobody uses anything, in a cluster of so many nodes.
    package init(nodes: Int) {
        between = ContiguousArray(repeating: Between(), count: nodes)
    }

    // MARK: Consumers

    /// A consumer is attached to its queue elsewhere, by this basic.consume.
    package mutating func attach(_ consumer: ConsumerIndex, by packet: Packet) {
        assert(consumer != .none, "nobody consumes elsewhere")
        attachments[consumer] = packet
    }

    /// A consumer is gone, or its queue lives here.
    package mutating func detach(_ consumer: ConsumerIndex) {
        if !attachments.isEmpty { attachments[consumer] = nil }
    }

    /// How a consumer was attached; nil if it was not.
    package func attachment(of consumer: ConsumerIndex) -> Packet? { attachments[consumer] }

    // MARK: Publications

    /// A publication goes to a node, whose answer a confirm waits for.
    ///
    /// `canMove` says whether the queue has copies, and may live elsewhere if the node goes down.
    package mutating func send(
        _ publication: Publication,
        to peer: PeerIndex,
        canMove: Bool
    ) {
        guard publication.slot != .none else { return }
        between[peer.place].confirms[publication.slot, default: 0] += 1
        if canMove { between[peer.place].publications.append(publication) }
    }

    /// A node answers.
    ///
    /// - Returns: whether the confirm waited for it.
    package mutating func answer(_ slot: ConfirmSlot, by peer: PeerIndex) -> Bool {
        guard between[peer.place].confirms[slot] != nil else { return false }
        if let index = between[peer.place].publications.firstIndex(where: { $0.slot == slot }) {
            between[peer.place].publications.remove(at: index)
        }
        takeOff(slot, peer)
        return true
    }

    private mutating func takeOff(_ slot: ConfirmSlot, _ peer: PeerIndex) {
        assert(slot != .none, "a confirm that nobody asked for is settled")
        guard let count = between[peer.place].confirms[slot] else { return }
        between[peer.place].confirms[slot] = count > 1 ? count - 1 : nil
    }

    /// A node is down: what can be said again to another one waits for it.
    ///
    /// - Returns: the confirms that will get no answer, each as often as it waited, by rising slot.
    package mutating func lose(_ peer: PeerIndex) -> [ConfirmSlot] {
        moveOn(from: peer)
        let refused = between[peer.place].confirms.sorted { $0.key < $1.key }.flatMap {
            Array(repeating: $0.key, count: Int($0.value))
        }
        between[peer.place].confirms = [:]
        between[peer.place].unsaid = []
        return refused
    }

    /// A node stops: what can be said again to another one waits for it, and the rest goes on waiting for this one.
    package mutating func moveOn(from peer: PeerIndex) {
        for one in between[peer.place].publications {
            takeOff(one.slot, peer)
            orphans.append(one)
        }
        between[peer.place].publications = []
    }

    /// A channel has asked a node for something that is not connected yet.
    package mutating func keep(_ channel: ChannelIndex, for peer: PeerIndex) {
        between[peer.place].unsaid.append(channel)
    }

    /// A node is connected: who waits for it, in order.
    package mutating func takeUnsaid(for peer: PeerIndex) -> [ChannelIndex] {
        defer { if !between[peer.place].unsaid.isEmpty { between[peer.place].unsaid = [] } }
        return between[peer.place].unsaid
    }

    // MARK: Channels of other nodes

    /// A channel of a peer uses queues here, through one of this node's own.
    package mutating func open(
        _ channel: ChannelIndex,
        of peer: PeerIndex,
        as proxy: ChannelIndex
    ) {
        assert(channel != .none && proxy != .none, "a proxy of nothing")
        between[peer.place].proxies[channel] = proxy
    }

    /// The channel here that stands for one of a peer; nil if there is none.
    package func proxy(_ channel: ChannelIndex, of peer: PeerIndex) -> ChannelIndex? {
        between[peer.place].proxies[channel]
    }

    /// A channel of a peer is gone.
    ///
    /// - Returns: the one that stood for it.
    package mutating func shut(_ channel: ChannelIndex, of peer: PeerIndex) -> ChannelIndex? {
        between[peer.place].proxies.removeValue(forKey: channel)
    }

    /// A peer is gone, with all its channels.
    ///
    /// - Returns: those that stood for them, by their number there.
    package mutating func shutAll(of peer: PeerIndex) -> [ChannelIndex] {
        defer { between[peer.place].proxies = [:] }
        return between[peer.place].proxies.sorted { $0.key < $1.key }.map(\.value)
    }

    // MARK: Queues without a home

    /// A publication waits until its queue has a home.
    package mutating func wait(_ publication: Publication) { orphans.append(publication) }

    /// A settlement waits until its queue has a home.
    package mutating func wait(_ word: Words.SettleStale, for queue: QueueIndex) {
        stale.append((queue, word))
    }

    /// How many publications of a channel wait for a queue.
    package func countWaiting(for queue: QueueIndex, from channel: ChannelIndex) -> Int {
        orphans.isEmpty ? 0 : orphans.count { $0.queue == queue && $0.channel == channel }
    }

    /// A queue has a home, or will have none: what waited for it, in order.
    package mutating func takePublications(for queue: QueueIndex) -> [Publication] {
        let mine = orphans.filter { $0.queue == queue }
        if !mine.isEmpty { orphans.removeAll { $0.queue == queue } }
        return mine
    }

    /// A queue has a home, or will have none: the settlements that waited for it, in order.
    package mutating func takeSettlements(for queue: QueueIndex) -> [Words.SettleStale] {
        let mine = stale.filter { $0.queue == queue }.map(\.word)
        if !mine.isEmpty { stale.removeAll { $0.queue == queue } }
        return mine
    }

    // MARK: Calls

    /// A channel waits for an answer.
    ///
    /// - Returns: whether no call is due before it.
    package mutating func begin(_ call: Call, by channel: ChannelIndex) -> Bool {
        assert(calls[channel] == nil, "a channel waits for one answer at a time")
        calls[channel] = call
        guard looksAt.map({ call.due < $0 }) ?? true else { return false }
        looksAt = call.due
        return true
    }

    /// A channel waits no longer.
    ///
    /// - Returns: what it waited for; nil if no time was set for that.
    @discardableResult
    package mutating func end(_ channel: ChannelIndex) -> Call? {
        guard !calls.isEmpty, let call = calls.removeValue(forKey: channel) else { return nil }
        if calls.isEmpty { looksAt = nil }
        return call
    }

    /// Whether a channel waits to be known to the leader of a quorum queue.
    package func registers(_ channel: ChannelIndex, at quorum: QuorumIndex) -> Bool {
        guard !calls.isEmpty, let call = calls[channel] else { return false }
        return call.kind == .register && call.quorum == quorum
    }

    /// Whether somebody waits for an answer.
    package var hasCalls: Bool { !calls.isEmpty }

    /// The channels whose calls have waited for too long, by rising number.
    package func overdue(at now: Instant) -> [ChannelIndex] { channels { $0.due <= now } }

    /// When to look again for calls that have waited for too long; nil if none waits.
    package mutating func nextLook() -> Instant? {
        looksAt = calls.values.lazy.map(\.due).min()
        return looksAt
    }

    /// The channels with calls about a quorum queue that are for a node, by rising number.
    package func channels(asking server: PeerIndex, about quorum: QuorumIndex) -> [ChannelIndex] {
        channels { $0.quorum == quorum && $0.server == server }
    }

    /// The channels with calls about a quorum queue that could not be said yet, by rising number.
    package func channels(holding quorum: QuorumIndex) -> [ChannelIndex] {
        channels { $0.quorum == quorum && $0.held != nil }
    }

    private func channels(where isWanted: (Call) -> Bool) -> [ChannelIndex] {
        calls.isEmpty ? [] : calls.filter { isWanted($0.value) }.keys.sorted()
    }

    /// Names what it holds.
    package func parcels(_ holding: inout ParcelMarks) {
        // In any order: each is kept.
        for word in attachments.values { holding.keep(word.parcel) }
        for one in orphans { holding.keep(one.packet.parcel) }
        for peer in between {
            for one in peer.publications { holding.keep(one.packet.parcel) }
        }
    }

    /// What must hold between turns.
    package func checkInvariants() {
        for peer in between {
            precondition(
                peer.publications.allSatisfy { peer.confirms[$0.slot] != nil },
                "a publication is under way whose confirm waits for nobody"
            )
            precondition(
                peer.confirms.values.allSatisfy { $0 > 0 },
                "a confirm waits for a node no times"
            )
        }
    }
}
