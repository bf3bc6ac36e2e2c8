import DequeModule
import WarrenKernel
import WarrenTrace

/// What others may look at, and what must hold between turns.
extension RabbitMQNode {
    func inventory(_ report: inout Inventory) {
        // What a node that comes up has not looked at yet is where it was.
        if let delayedRecovery { inventory(onDisk: delayedRecovery.records, &report) }
        for queue in queues where queue.exists && queue.isHere {
            report.add(
                queue: queue.symbol,
                ready: UInt64(queue.log?.records.count ?? queue.readyCount),
                unacked: queue.log == nil ? UInt64(queue.unackedCount) : 0
            )
        }
        for part in quorums where part.member != .none {
            let member = members[part.member]
            report.add(
                replicaOf: part.symbol,
                epoch: part.epoch,
                index: member.applied,
                ready: UInt64(member.machine.presentCount),
                unacked: UInt64(member.machine.unackedCount)
            )
        }
    }

    func inventory(onDisk records: [Disk.Record], _ report: inout Inventory) {
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

    func parcels(_ holding: inout ParcelMarks) {
        for row in messages.rows { holding.keep(row.parcel) }
        for member in members {
            member.machine.parcels(&holding)
            for entry in member.raft.log { holding.keep(entry.parcel) }
            holding.keep(member.raft.snapshot)
            for command in member.gathering { holding.keep(command.packet.parcel) }
        }
        for part in quorums {
            for waiting in part.pending { holding.keep(waiting.command.packet.parcel) }
        }
        copyParcels(&holding)
        // In any order: each is kept.
        for change in wanted.values { holding.keep(change.parcel) }
        for channel in channels { for packet in channel.backlog { holding.keep(packet.parcel) } }
        for session in sessions { for packet in session.backlog { holding.keep(packet.parcel) } }
        for record in delayedRecovery?.records ?? [] { holding.keep(record.packet.parcel) }
    }

    func checkInvariants() {
        confirms.checkInvariants()
        var unacked = 0
        for channel in channels where channel.state == .open {
            unacked += channel.unacked.count { $0.queue != .none }
            precondition(
                channel.unacked.count { $0.queue != .none } == Int(channel.unackedCount),
                "a channel miscounts what is unacknowledged"
            )
        }
        for queue in queues where queue.exists { queue.checkInvariants() }
        for part in quorums where part.member != .none {
            members[part.member].raft.checkInvariants()
            members[part.member].machine.checkInvariants()
        }
        let counted = queues.reduce(0) { $0 + ($1.exists ? $1.unackedCount : 0) }
        precondition(unacked >= counted, "queues count more unacknowledged than channels hold")
    }
}
