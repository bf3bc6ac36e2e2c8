/// What the columns of a fact mean: data, which the views of a trace file, the sentences and the page read.
public struct FactColumns: Sendable, Hashable {
    /// What `peer` is.
    public enum Peer: String, Sendable, Hashable, CaseIterable {
        /// Always 0.
        case nothing
        /// The number of a node; ``NodeID/outside`` for none.
        case node
        /// A symbol.
        case name
    }

    /// What `detail` is.
    public enum Detail: String, Sendable, Hashable, CaseIterable {
        /// Always 0.
        case nothing
        /// A length of time in nanoseconds.
        case length
        /// How many times slower, in thousandths.
        case factor
        /// A number of messages or of tries, a term, an offset, a code, a step.
        case number
        /// The number of a fault in the file, from 0.
        case fault
        /// The size of a body in bytes.
        case bytes
        /// The number of a connection.
        case connection
        /// The number of a connection in the upper bits, of a channel in the lower 16.
        case channel
        /// The number of another message.
        case message
        /// ``Fact/bodySize`` and ``Fact/headers``.
        case publication
        /// A ``CopyPlace``.
        case place
    }

    /// What `peer` is.
    public let peer: Peer
    /// What `detail` is.
    public let detail: Detail

    init(_ peer: Peer = .nothing, _ detail: Detail = .nothing) {
        self.peer = peer
        self.detail = detail
    }
}

extension FactKind {
    /// What the columns of a fact of this kind mean.
    public var columns: FactColumns {
        switch self {
        case .nodeStarted, .nodeCrashed, .nodeStopped, .alarmRaised, .alarmCleared, .nodeFrozen,
            .nodeThawed, .diskFilled, .nodePaused, .nodeYielded, .nodeJoined, .faultMissed,
            .queueDeclared, .messageNacked, .messageReturned, .messageUnknown,
            .deliveryRequeued, .messageDeadLettered, .messageRecovered, .relayStarted, .relayWanted,
            .relayStopped:
            FactColumns()
        case .connectionOpened, .connectionClosed: FactColumns(.node, .connection)
        case .linkSlowed, .diskSlowed: FactColumns(.nothing, .factor)
        case .workSlowed: FactColumns(.name, .factor)
        case .faultBegan, .faultEnded: FactColumns(.nothing, .fault)
        case .errorRaised, .recordRead, .recordSettled, .consumerStarted, .memberAdded,
            .memberDeleted, .snapshotInstalled:
            FactColumns(.node, .number)
        case .channelOpened, .channelClosed: FactColumns(.node, .channel)
        case .linkCut, .linkMended, .linkDisturbed, .peerLost, .peerFound, .consumerEnded,
            .mirrorSynchronised, .deliveryAcked, .deliveryRejected:
            FactColumns(.node)
        case .deliverySent: FactColumns(.node, .length)
        case .queueDeleted, .queuePurged, .leaderElected, .mirrorPromoted, .messageRetried,
            .methodReceived, .stepBegan:
            FactColumns(.nothing, .number)
        case .clockJumped, .messageConfirmed: FactColumns(.nothing, .length)
        case .bindingCreated, .bindingDeleted, .publishFailed, .workFailed, .effectApplied,
            .effectSkipped, .callStarted, .callFailed, .answerDiscarded, .messageUnroutable,
            .messageRelayed:
            FactColumns(.name)
        case .messagePublished: FactColumns(.name, .publication)
        case .messageDerived: FactColumns(.name, .message)
        case .messageRouted: FactColumns(.nothing, .bytes)
        case .messageDropped: FactColumns(.nothing, .place)
        case .messageHandled, .callAnswered: FactColumns(.name, .length)
        }
    }
}
