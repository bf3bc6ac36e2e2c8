import DequeModule
package import WarrenKernel
import WarrenTrace

/// What others may look at, and what must hold between turns.
extension RabbitMQNode {
    /// Adds what its queues hold.
    package func inventory(_ report: inout Inventory) {
        // What a node that comes up has not looked at yet is where it was.
        if let waiting = peers.delayedRecovery { inventory(onDisk: waiting.records, &report) }
        for queue in queues where queue.exists && queue.isHere {
            report.add(
                queue: queue.symbol,
                ready: UInt64(queue.log?.records.count ?? queue.readyCount),
                unacked: queue.log == nil ? UInt64(queue.unackedCount) : 0
            )
        }
        for quorum in quorums.indices {
            guard let member = quorums.member(of: quorum) else { continue }
            let machine = member.queue(report.parcels)
            report.add(
                replicaOf: quorums[quorum].symbol,
                epoch: quorums[quorum].epoch,
                index: member.applied,
                ready: UInt64(machine.presentCount),
                unacked: UInt64(machine.unackedCount)
            )
        }
    }

    /// Adds what a node that is down has on its disk.
    package func inventory(onDisk records: [Disk.Record], _ report: inout Inventory) {
        var counts: [Symbol: UInt64] = [:]
        var order: [Symbol] = []
        for record in records {
            if DiskKey.kind(of: record.key) == .vote {
                let queue = Symbol(UInt32(truncatingIfNeeded: record.key))
                report.add(
                    replicaOf: queue,
                    epoch: UInt64(record.packet.d),
                    index: 0,
                    ready: 0,
                    unacked: 0
                )
            }
            guard DiskKey.kind(of: record.key) == .message else { continue }
            let queue = DiskKey.queue(of: record.key)
            if counts[queue] == nil { order.append(queue) }
            counts[queue, default: 0] += 1
        }
        for queue in order { report.add(queue: queue, ready: counts[queue] ?? 0, unacked: 0) }
    }

    /// Keeps every parcel that the node still needs.
    package func parcels(_ holding: inout ParcelMarks) {
        for row in messages.rows { holding.keep(row.parcel) }
        quorums.parcels(&holding)
        copyParcels(&holding)
        metadataLog.parcels(&holding)
        for channel in channels { for packet in channel.backlog { holding.keep(packet.parcel) } }
        for session in sessions { for packet in session.backlog { holding.keep(packet.parcel) } }
        for record in peers.delayedRecovery?.records ?? [] { holding.keep(record.packet.parcel) }
    }

    /// What must hold between turns, of each part and between them.
    package func checkInvariants() {
        confirms.checkInvariants()
        messages.checkInvariants()
        for channel in channels where channel.state == .open { channel.checkInvariants() }
        for index in queues.indices where queues[index].exists { checkInvariants(of: index) }
        for index in channels.indices where channels[index].state == .open {
            precondition(
                channels[index].consumers.allSatisfy { consumers[$0].channel == index },
                "a channel has a consumer of another one"
            )
        }
        for index in exchanges.indices where exchanges[index].exists {
            precondition(
                exchanges.index(of: exchanges[index].symbol) == index,
                "an exchange is not found under its name"
            )
        }
        quorums.checkInvariants()
        quorumOrders.checkInvariants()
        deadLetters.checkInvariants()
        metadataLog.checkInvariants()
        remoteUse.checkInvariants()
        peers.checkInvariants()
    }

    private func checkInvariants(of index: QueueIndex) {
        let queue = queues[index]
        queue.checkInvariants()
        precondition(queues.index(of: queue.symbol) == index, "a queue is not found under its name")
        if queue.quorum != .none {
            precondition(quorums[queue.quorum].queue == index, "a group is that of another queue")
        }
        guard queue.isHere else { return }
        precondition(queue.home == me, "a queue is here whose home is elsewhere")
        precondition(
            queue.consumers.allSatisfy { consumers[$0].queue == index && consumers[$0].exists },
            "a queue has a consumer that is gone, or another queue's"
        )
        precondition(
            Set(queue.consumers).count == queue.consumers.count,
            "a consumer is twice at its queue"
        )
        precondition(
            Set(queue.rotation).isSubset(of: Set(queue.consumers)),
            "somebody stands in the rotation who does not consume"
        )
        precondition(
            queue.active == .none || queue.consumers.contains(queue.active),
            "the active consumer does not consume"
        )
        let held = channels.reduce(0) { sum, channel in
            channel.state == .open ? sum + channel.unacked.count { $0.isCopy(of: index) } : sum
        }
        precondition(held == queue.unackedCount, "a queue miscounts what is unacknowledged")
    }
}
