import WarrenKernel
import WarrenTrace

/// Mirrored queues whose node is down, and that no mirror may take over.
///
/// - Source: RMQ-MIR-09, -10, -12, -13.
extension RabbitMQNode {
    /// How often a method for a queue without a home is tried again, and how long that takes: 2,000 times 30 ms, and
    /// what the tries take.
    ///
    /// - Source: RMQ-MIR-12; `rabbit_amqqueue:with`.
    static let homePatience = Interval.seconds(62)

    /// How many publications of a channel a queue without a home takes in: as many as were nacked in the run that was
    /// watched, of two windows of 400.
    ///
    /// - Source: RMQ-MIR-13.
    private static let windowsOfCredit = 704

    /// No mirror may take over: the queue waits for its node.
    ///
    /// - Source: RMQ-MIR-09, -10, -12, -13.
    mutating func strand(_ queue: QueueIndex, _ turn: inout Turn) {
        let isStopped = peers[queues[queue].home].saidGoodbye
        queues[queue].become(.stranded(stopped: isStopped))
        if isStopped { refuseOrphans(queue, &turn) }
        turn.arm(NodeTimer.election(ofQueue: queue), after: Self.homePatience)
    }

    /// A queue has waited for its node for as long as its consumers do.
    mutating func tireOfWaiting(for queue: QueueIndex, _ turn: inout Turn) {
        guard queues[queue].isStranded else { return }
        for consumer in consumers.indices
        where consumers[consumer].exists && consumers[consumer].queue == queue {
            let channel = channels[consumers[consumer].channel]
            // Who began since then waits on its own account.
            let isBeginning =
                channel.awaits == .queue(queue) && channel.asked.method == .basicConsume
                && channel.asked.c == consumer.wire
            if !isBeginning { cancelByBroker(consumer, &turn) }
        }
    }

    /// The queue waits no longer.
    func endWaiting(for queue: QueueIndex, _ turn: inout Turn) {
        if queues[queue].isStranded { turn.disarm(NodeTimer.election(ofQueue: queue)) }
    }

    /// Has a channel wait until a queue without a home has one, or until it has waited for too long.
    mutating func awaitHome(
        _ queue: QueueIndex,
        _ packet: Packet,
        _ channel: ChannelIndex,
        _ turn: inout Turn
    ) {
        assert(queues[queue].isOrphan, "a queue that is somewhere is waited for")
        channels[channel].asked = packet
        wait(channel, for: .queue(queue))
        guard queues[queue].rules.kind == .classic else { return }
        let name = queues[queue].declaration.name
        let vhost = vhostName(of: queues[queue].scope)
        let refusal = Refusal.notFound(
            "failed to perform operation on queue '\(name)' in vhost '\(vhost)' due to timeout"
        )
        let due = turn.now + Self.homePatience
        begin(RemoteUse.Call(.method, refusal: refusal, due: due), by: channel, &turn)
    }

    /// Whether a publication must wait: one of its queues is being copied, or its channel has said as much to a queue that
    /// waits for its node as two windows of credit allow, that of the queue and its own.
    ///
    /// - Source: RMQ-MIR-07, -13.
    mutating func isStalled(
        _ publication: Packet,
        _ targets: [QueueIndex],
        _ channel: ChannelIndex,
        _ turn: inout Turn
    ) -> Bool {
        guard
            let queue = targets.first(where: {
                copies.homes.isBlocked($0)
                    || queues[$0].isStranded && !queues[$0].isStopped
                        && remoteUse.countWaiting(for: $0, from: channel) >= Self.windowsOfCredit
            })
        else { return false }
        channels[channel].asked = publication
        wait(channel, for: .queue(queue))
        return true
    }
}
