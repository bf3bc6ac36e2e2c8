import DequeModule
import WarrenKernel
import WarrenTrace

/// Mirrors that get what a queue holds already (ha-sync-mode automatic): the queue does nothing else meanwhile.
///
/// How long it takes was measured with 3.10.8, three nodes on one machine: 3.3 s for 200,000 messages of 100 bytes, 2.7
/// and 4.0 s for 50,000 of 10 kB, and on another machine 8.3 s for 60,000. The size of a batch made no difference that
/// could be told.
/// - Source: RMQ-MIR-07; `rabbit_mirror_queue_sync`.
extension RabbitMQNode {
    /// What a message takes, and what a byte takes.
    private static let timePerMessage: UInt64 = 20_000
    private static let timePerByte: UInt64 = 8

    /// A queue is copied to mirrors that lack what it holds.
    mutating func synchronise(_ queue: QueueIndex, _ content: [ReturnedEntry], _ turn: inout Turn) {
        assert(queues[queue].isHere, "a queue is copied from where it lives")
        guard copies.homes.block(queue) else { return }
        let bytes = content.reduce(UInt64(0)) { $0 + UInt64(messages[$1.entry.row].size) }
        let time = UInt64(content.count) * Self.timePerMessage + bytes * Self.timePerByte
        turn.arm(NodeTimer.election(ofQueue: queue), after: Interval(nanoseconds: time))
    }

    /// All mirrors have what the queue holds: it goes on, first with what was said to it meanwhile.
    ///
    /// It may have been deleted, too.
    mutating func endSynchronising(_ queue: QueueIndex, _ turn: inout Turn) {
        guard copies.homes.isBlocked(queue) else { return }
        let held = copies.homes.unblock(queue)
        guard queues[queue].isHere else {
            for one in held { turn.loseUnsent(one.packet) }
            return
        }
        if queues[queue].exists {
            for view in copies.homes.views(of: queue) where view.missing > 0 {
                beginMirror(queue, view.peer, wasWhole: true, &turn)
            }
            tellPlace(queue, &turn)
        }
        for one in held {
            if peers[one.peer].connection == .none {
                turn.loseUnsent(one.packet)
            } else {
                receiveProxied(one.packet, one.peer, &turn)
            }
        }
        for channel in channels.indices
        where channels[channel].state == .open && channels[channel].awaits == .queue(queue) {
            resume(channel, with: channels[channel].asked, &turn)
        }
        if queues[queue].exists { dispatch(queue, &turn) }
    }

    /// Has a channel wait if it asks a queue for something that is being copied.
    ///
    /// - Returns: whether it waits.
    mutating func awaitsCopying(
        _ packet: Packet,
        _ method: Method,
        _ channel: ChannelIndex,
        _ turn: inout Turn
    ) -> Bool {
        var queue = QueueIndex.none
        switch method {
        case .basicGet, .basicConsume, .queuePurge, .queueDelete:
            queue = queueIndex(packet.subject)
        case .queueDeclare:
            guard let wanted: QueueDeclaration = turn.parcels.get(packet.parcel) else { break }
            let scope = sessions[channels[channel].session].scope
            queue = queueIndex(wanted.name, scope, turn.names)
        default: break
        }
        guard queue != .none, copies.homes.isBlocked(queue) else { return false }
        channels[channel].asked = packet
        wait(channel, for: .queue(queue))
        return true
    }
}
