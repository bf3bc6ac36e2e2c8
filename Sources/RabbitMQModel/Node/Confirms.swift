import DequeModule
package import WarrenKernel
package import WarrenTrace

/// The confirms of a node that wait: for its disk, for other nodes, for the leaders of quorum queues.
///
/// A confirm is opened with the number of those that it waits for, and is over when all of them have answered; its
/// place is given to another one then. It knows neither channels nor queues: who is told, and how, is the node's to do.
///
/// - Source: RMQ-PUB-12, -14; rabbitmq-server `rabbit_channel.erl`, `unconfirmed_messages.erl`.
package struct Confirms: Sendable {
    /// A publication whose confirm waits.
    package struct Pending: BitwiseCopyable, Sendable {
        package var channel: ChannelIndex
        package var message: MessageID
        /// Its number on the channel.
        package var sequence: UInt64
        /// How many have yet to answer, and one for those who tell them; 0 for a place that is free.
        fileprivate var waiting: UInt32
        /// Whether one of them refused the message.
        package fileprivate(set) var isRefused = false
        /// Whether all of them were told.
        fileprivate var isClosed = false
        /// Whether the publisher has its answer.
        fileprivate var isAnswered = false
    }

    /// A write that a confirm waits for.
    private struct Write: BitwiseCopyable, Sendable {
        var id: WriteID
        var confirm: ConfirmSlot
    }

    private var rows: Table<Pending> = []
    private var free: ContiguousArray<ConfirmSlot> = []
    /// By rising number of the write.
    private var writes = Deque<Write>()

    /// No confirm waits.
    package init() {}

    /// How many confirms wait.
    package var count: Int { rows.count - free.count }

    /// Begins to wait for `answers`, of which there must be one at least, and for one more: that of whoever tells them,
    /// who closes it then.
    package mutating func open(
        _ channel: ChannelIndex,
        _ sequence: UInt64,
        _ message: MessageID,
        answers: Int
    ) -> ConfirmSlot {
        precondition(answers > 0, "a confirm waits for somebody")
        let pending = Pending(
            channel: channel,
            message: message,
            sequence: sequence,
            waiting: UInt32(answers) + 1
        )
        guard let slot = free.popLast() else { return rows.append(pending) }
        rows[slot] = pending
        return slot
    }

    /// Waits for one more.
    package mutating func extend(_ slot: ConfirmSlot) {
        precondition(rows[slot].waiting > 0, "a confirm that is over waits for nobody")
        rows[slot].waiting += 1
    }

    /// All that a confirm waits for were told; what it waited for besides has yet to be settled.
    package mutating func close(_ slot: ConfirmSlot) {
        assert(rows[slot].waiting > 0, "a confirm is closed that is over")
        precondition(!rows[slot].isClosed, "a confirm is closed once")
        rows[slot].isClosed = true
    }

    /// One of those that a confirm waits for has answered.
    ///
    /// - Returns: the publication, if that decides it: one refusal does, whatever the others say later
    ///   (`unconfirmed_messages:reject_msg`).
    package mutating func settle(_ slot: ConfirmSlot, refused: Bool) -> Pending? {
        precondition(rows[slot].waiting > 0, "a confirm that is over is settled again")
        rows[slot].waiting -= 1
        if refused { rows[slot].isRefused = true }
        let isOver = rows[slot].waiting == 0
        if isOver { free.append(slot) }
        guard !rows[slot].isAnswered, isOver || rows[slot].isRefused && rows[slot].isClosed
        else { return nil }
        rows[slot].isAnswered = true
        return rows[slot]
    }

    /// A confirm waits for a write, the youngest so far.
    package mutating func await(_ write: WriteID, _ slot: ConfirmSlot) {
        assert(writes.last.map { $0.id.raw < write.raw } ?? true, "writes come in order")
        writes.append(Write(id: write, confirm: slot))
    }

    /// The next confirm whose write is among those up to `write`, which are on the disk; nil if there is none.
    package mutating func nextStored(upTo write: WriteID) -> ConfirmSlot? {
        guard let first = writes.first, first.id.raw <= write.raw else { return nil }
        writes.removeFirst()
        return first.confirm
    }

    /// What must hold between turns.
    package func checkInvariants() {
        precondition(
            rows.indices.count { rows[$0].waiting == 0 } == free.count,
            "a place of a confirm is neither free nor taken"
        )
        precondition(
            writes.allSatisfy { rows[$0.confirm].waiting > 0 },
            "a write is to settle a confirm that is over"
        )
        precondition(
            zip(writes, writes.dropFirst()).allSatisfy { $0.id.raw < $1.id.raw },
            "writes that confirms wait for are not in order"
        )
    }
}
