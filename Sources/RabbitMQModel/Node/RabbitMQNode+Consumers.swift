import DequeModule
import WarrenKernel
import WarrenTrace

/// What basic.consume says beside the queue and its flags.
package struct ConsumeOptions: Sendable {
    package var arguments: [FieldValue.Field]
    package var nowait: Bool

    package init(arguments: [FieldValue.Field] = [], nowait: Bool = false) {
        self.arguments = arguments
        self.nowait = nowait
    }

    subscript(name: String) -> FieldValue? { arguments.first { $0.name == name }?.value }
}

/// Who consumes: exclusive, by priority, one at a time, and for how long.
extension RabbitMQNode {
    /// - Source: RMQ-CONS-21, -22, -36; RMQ-QQ-12, -23; RMQ-STREAM-03, -07.
    func checkConsume(_ queue: QueueIndex, _ channel: ChannelIndex, exclusive: Bool, noAck: Bool)
        throws(Refusal)
    {
        let name = queues[queue].declaration.name
        let what = "queue '\(name)' in vhost '\(vhostName(of: queues[queue].scope))'"
        switch queues[queue].rules.kind {
        case .quorum:
            if channels[channel].globalPrefetch > 0 {
                throw .notImplemented("\(what) does not support global qos")
            }
        case .stream:
            if channels[channel].prefetch == 0 {
                throw .preconditionFailed("consumer prefetch count is not set for '\(what)'")
            }
            if noAck { try refuseForStream(queue, "automatic acknowledgement") }
            if channels[channel].globalPrefetch > 0 {
                throw .notImplemented("\(what) does not support global qos")
            }
        case .classic:
            let isTaken = queues[queue].exclusiveConsumer != .none
            let isAlone = queues[queue].consumers.isEmpty && !queues[queue].rules.singleActive
            if isTaken || exclusive && !isAlone {
                throw .accessRefused("\(what) in exclusive use")
            }
        }
    }

    /// Gives a new consumer its place in the line of its queue.
    ///
    /// - Source: RMQ-CONS-32.
    mutating func place(
        _ consumer: ConsumerIndex,
        _ queue: QueueIndex,
        exclusive: Bool,
        _ turn: inout Turn
    ) {
        assert(queues[queue].isHere, "a consumer is placed where its queue lives")
        if exclusive, queues[queue].rules.kind == .classic {
            queues[queue].exclusiveConsumer = consumer
        }
        if consumers[consumer].priority != 0 {
            queues[queue].honourPriorities(bytes: weighReady(queue))
            router.forget()
        }
        touch(queue, &turn)
        guard queues[queue].rules.singleActive else {
            queues[queue].rotation.append(consumer)
            return
        }
        if queues[queue].active == .none {
            activate(consumer, queue)
        } else if honoursPriority(queue),
            consumers[consumer].priority > consumers[queues[queue].active].priority
        {
            // From 4.0 on a higher priority takes over at once; what the other holds stays with it.
            let old = queues[queue].active
            queues[queue].rotation.removeAll { $0 == old }
            consumers[old].inRotation = false
            consumers[old].waits = true
            activate(consumer, queue)
        } else {
            consumers[consumer].waits = true
            consumers[consumer].inRotation = false
        }
    }

    /// - Source: the section on versions: single active consumers and priorities.
    private func honoursPriority(_ queue: QueueIndex) -> Bool {
        queues[queue].rules.kind == .quorum && settings.version >= .v4_0
    }

    private mutating func activate(_ consumer: ConsumerIndex, _ queue: QueueIndex) {
        assert(
            queues[queue].rules.singleActive,
            "only a queue with one active consumer activates it"
        )
        queues[queue].active = consumer
        consumers[consumer].waits = false
        if hasRoom(consumer) {
            consumers[consumer].inRotation = true
            queues[queue].rotation.append(consumer)
        } else {
            consumers[consumer].inRotation = false
        }
    }

    /// The active consumer is gone: the next in the order of subscription takes over.
    ///
    /// - Source: RMQ-CONS-33, -34, -38.
    mutating func succeed(_ gone: ConsumerIndex, _ queue: QueueIndex, _ turn: inout Turn) {
        if queues[queue].consumers.isEmpty { touch(queue, &turn) }
        guard queues[queue].active == gone else { return }
        queues[queue].active = .none
        let candidates = queues[queue].consumers.filter { !consumers[$0].isEnding }
        var next = candidates.first
        if honoursPriority(queue) {
            for other in candidates
            where consumers[other].priority > consumers[next ?? other].priority {
                next = other
            }
        }
        if let next { activate(next, queue) }
    }

    // MARK: The consumer timeout

    /// Deliveries are looked at every so often from the first consumer on.
    func ensureTick(_ turn: inout Turn) {
        guard settings.consumerTimeout != nil, channels.count > 0 else { return }
        turn.arm(NodeTimer.tick, after: settings.channelTick, background: true)
    }

    /// Whether something will happen by itself although no message moves.
    package var isWaiting: Bool {
        let onlyQuorum = settings.version >= .v4_3
        let somebodyHolds =
            settings.consumerTimeout != nil
            && channels.contains { channel in
                channel.state == .open && channel.unackedCount > 0
                    && (!onlyQuorum
                        || channel.unacked.contains {
                            $0.queue != .none && queues[$0.queue].rules.kind == .quorum
                        })
            }
        return somebodyHolds
            || queues.contains {
                $0.exists
                    && ($0.rules.expires != nil && ($0.readyCount > 0 || holdsReady($0.quorum))
                        || $0.quorum != .none && holdsDiscards($0.quorum) && !deadLetters.areStuck)
            } || isWaitingForQuorum
    }

    private func holdsReady(_ quorum: QuorumIndex) -> Bool {
        guard quorum != .none, quorums.leads(quorum) else { return false }
        return quorums[member: quorum].machine.readyCount > 0
    }

    private func holdsDiscards(_ quorum: QuorumIndex) -> Bool {
        quorums.leads(quorum) && !quorums[member: quorum].machine.discards.isEmpty
    }

    /// Whether a quorum queue owes an answer, and enough of its members can be reached to give it.
    private var isWaitingForQuorum: Bool {
        guard isClustered, phase != .booting else { return false }
        if peers.isSeeking { return true }
        return quorums.indices.contains { quorum in
            let members = quorums[quorum].members
            return !quorums[quorum].client.undone.isEmpty
                && members.count { $0 == me || peers[$0].isConnected } >= members.count / 2 + 1
        }
    }

    /// Closes channels whose deliveries were held for too long.
    ///
    /// - Source: RMQ-CONS-40; the section on versions (4.3: quorum queues cancel the consumer, the others
    ///   time out no more).
    mutating func lookForTimeouts(_ turn: inout Turn) {
        guard let timeout = settings.consumerTimeout, turn.now.nanoseconds > timeout.nanoseconds
        else {
            ensureTick(&turn)
            return
        }
        let limit = Unacked.stamp(
            Instant(nanoseconds: turn.now.nanoseconds - timeout.nanoseconds)
        )
        for channel in channels.indices where channels[channel].state == .open {
            let cancels = settings.version >= .v4_3
            guard
                let late = channels[channel].unacked.first(where: {
                    $0.queue != .none && $0.sentAt < limit
                        && (!cancels || queues[$0.queue].rules.kind == .quorum)
                })
            else { continue }
            if cancels {
                cancelForTimeout(late, channel, &turn)
                continue
            }
            let number = channels[channel].number
            let text =
                "delivery acknowledgement on channel \(number) timed out. Timeout value used: "
                + "\(timeout.nanoseconds / 1_000_000) ms. This timeout value can be configured, see "
                + "consumers doc guide to learn more"
            refuse(
                .preconditionFailed(text),
                Packet(.channelClose, channel: number),
                channel,
                channels[channel].session,
                &turn
            )
        }
        ensureTick(&turn)
    }

    private mutating func cancelForTimeout(
        _ late: Unacked,
        _ channel: ChannelIndex,
        _ turn: inout Turn
    ) {
        let queue = late.queue
        guard queues[queue].rules.kind == .quorum, late.consumer != .none else { return }
        for index in channels[channel].unacked.indices
        where channels[channel].unacked[index].consumer == late.consumer
            && channels[channel].unacked[index].queue != .none
        {
            channels[channel].unacked[index].queue = .none
            channels[channel].unackedCount -= 1
        }
        channels[channel].trim()
        let consumer = late.consumer
        detach(consumer, &turn)
        consumers[consumer].unacked = 0
        channels[channel].consumers.removeAll { $0 == late.consumer }
        var packet = Packet(.basicCancel, channel: channels[channel].number)
        packet.key = consumers[consumer].tag
        turn.send(packet, on: channels[channel].connection)
    }
}
