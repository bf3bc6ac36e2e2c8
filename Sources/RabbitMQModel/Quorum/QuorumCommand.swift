package import WarrenKernel
package import WarrenTrace

/// What a quorum queue is told to do; an entry of its log is a batch of these.
package struct QuorumCommand: BitwiseCopyable, Hashable, Sendable {
    /// What a command does.
    package enum Kind: UInt8, BitwiseCopyable, CaseIterable, Sendable {
        /// A message comes.
        case enqueue
        /// A consumer is done with a copy; `number` is its delivery.
        case settle
        /// A consumer wants a copy back in its queue.
        case `return`
        /// A consumer rejects a copy.
        case discard
        /// A consumer begins; the packet says how.
        case checkout
        /// A consumer wants nothing more, and keeps what it holds.
        case cancel
        /// A consumer is gone, and what it held comes back; of a channel that fetched, the delivery `number`.
        case drop
        /// One message is wanted.
        case get
        /// All that is ready goes.
        case purge
        /// A node is out of reach: what its consumers held comes back.
        case nodeDown
        /// A node is there again, its consumers with it.
        case nodeUp
        /// A node has started anew: its consumers are gone.
        case nodeGone
        /// Time goes by: copies may have expired.
        case expire
        /// The targets of a dead copy have it; `number` is the copy.
        case settleDiscard
        /// Nothing; the first entry of a term.
        case nothing
        /// The queue goes, with all that it holds.
        case deleteQueue
        /// A channel is about to publish for the first time.
        case register

        /// Whether it settles a delivery.
        var settles: Bool { self == .settle || self == .return || self == .discard }
    }

    package var kind: Kind
    /// The node that says it, and since when it runs.
    package var client: UInt64 = 0
    /// The number of the command among those of this client, from 1; 0 if it needs no answer.
    package var sequence: UInt64 = 0
    /// The consumer's number on that node.
    package var consumer = QuorumConsumerID(wire: 0)
    /// enqueue: the milliseconds that the message may wait, or all ones.
    package var number: UInt64 = 0
    package var priority: UInt8 = 0
    package var hasPriority = false
    package var packet = Packet()

    package init(kind: Kind, client: UInt64 = 0) {
        self.kind = kind
        self.client = client
    }

    /// drop: another one of the same channel follows, and nothing is handed out before it.
    package static let more: UInt8 = 32
}

/// An entry of the log of a quorum queue.
struct QuorumBatch: ParcelBundle {
    /// What the leader's clock said.
    var time: Instant
    var commands: QuorumCommands
    /// By what the queue goes from here on, if that may have changed: the first entry of each leader says it.
    var configuration: QuorumConfiguration?
    /// Which member comes or goes, if one does.
    var change: MemberChange?

    func parcels(_ holding: inout ParcelMarks) {
        for command in commands { holding.keep(command.packet.parcel) }
    }

    /// Puts it where ``kept(_:in:)`` finds it.
    func keep(in parcels: inout Parcels) -> ParcelID {
        if case .one(let command) = commands, configuration == nil, change == nil {
            return parcels.put(plain: OneCommand(time: time, command: command))
        }
        return parcels.put(self)
    }

    /// The entry that was kept there; nil if it is something else.
    @inline(__always)
    static func kept(_ parcel: ParcelID, in parcels: borrowing Parcels) -> QuorumBatch? {
        if let one: OneCommand = parcels.get(plain: parcel) {
            return QuorumBatch(time: one.time, commands: .one(one.command))
        }
        return parcels.get(parcel)
    }

    /// An entry that is a command and nothing else, as nearly all are.
    private struct OneCommand: PlainParcel {
        var time: Instant
        var command: QuorumCommand

        func parcels(_ holding: inout ParcelMarks) { holding.keep(command.packet.parcel) }
    }
}

/// The commands of an entry, in their order: mostly one.
enum QuorumCommands: RandomAccessCollection, Sendable {
    case one(QuorumCommand)
    case many(ContiguousArray<QuorumCommand>)

    var startIndex: Int { 0 }

    @inline(__always)
    var endIndex: Int {
        switch self {
        case .one: 1
        case .many(let commands): commands.count
        }
    }

    @inline(__always)
    subscript(index: Int) -> QuorumCommand {
        switch self {
        case .one(let command):
            precondition(index == 0, "an entry has one command")
            return command
        case .many(let commands): return commands[index]
        }
    }
}

/// A member of a quorum queue comes or goes.
struct MemberChange: BitwiseCopyable, Sendable {
    var peer: PeerIndex
    var isAdded: Bool
    /// All members from here on.
    var members: PeerSet
}

/// By what a quorum queue goes.
///
/// It is part of the log, so that a log that is gone through once more, by a later version perhaps, comes to the
/// same end.
///
/// - Source: RabbitMQ's `update_config` command and Ra's machine versions, which are entries of the log as well.
package final class QuorumConfiguration: Sendable {
    let rules: QueueRules
    let honoursPriority: Bool

    package init(rules: QueueRules, honoursPriority: Bool) {
        self.rules = rules
        self.honoursPriority = honoursPriority
    }
}

/// The state of a quorum queue after an entry of its log.
struct QuorumSnapshot: ParcelBundle {
    var queue: QuorumQueue

    func parcels(_ holding: inout ParcelMarks) { queue.parcels(&holding) }
}

/// What follows from a command.
///
/// The leader sends what is to be sent; what has happened is told once, by the first member that applies the
/// command.
package enum QuorumEffect: Sendable {
    /// Whom an effect concerns: a consumer of a client.
    package struct Party: BitwiseCopyable, Hashable, Sendable {
        package var client: UInt64
        package var number: QuorumConsumerID
        /// The client's own node, as facts name it.
        package var peer: UInt32
    }

    case routed(MessageID, bytes: UInt32)
    case sent(QuorumQueue.Copy, Party, delivery: UInt64, settled: Bool)
    case fetched(
        QuorumQueue.Copy,
        Party,
        delivery: UInt64,
        settled: Bool,
        left: Int,
        answer: UInt64
    )
    case fetchedAgain(QuorumQueue.Copy, Party, delivery: UInt64, left: Int, answer: UInt64)
    case acked(MessageID, peer: UInt32)
    case rejected(MessageID, peer: UInt32, requeue: Bool)
    case requeued(MessageID, ReturnReason)
    case died(QuorumQueue.Copy, DropReason, CopyPlace)
    case discardTaken(MessageID, DropReason)
    case dropped(MessageID, DropReason, CopyPlace)
    /// A message came after the queue was deleted.
    case missed(Packet)
    case began(Party)
    case ended(Party)
    /// A command is done; `value` is what it asked for.
    case answered(client: UInt64, sequence: UInt64, value: UInt64)
    /// Whoever publishes is to know how full it is.
    case filled(QuorumQueue.Fullness)
}
