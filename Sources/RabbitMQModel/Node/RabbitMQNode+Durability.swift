import DequeModule
package import WarrenKernel
import WarrenTrace

/// A declaration as it lies on the disk.
struct Stored<Value: Sendable>: Sendable {
    var scope: Symbol
    var value: Value
}

/// Start, stop and crash: what a node keeps.
extension RabbitMQNode {
    mutating func boot(_ recovery: Recovery, _ turn: inout Turn) {
        for definition in setup.definitions {
            let scope = VirtualHost.scope(setup.broker, setup.name, definition.vhost, &turn.names)
            vhosts.append(definition.state(scope, settings.users))
            addPredeclared(scope, &turn)
        }
        alarms.restrict(settings.hasRestrictions)
        lookAtMemory(&turn)
        peers.recall(running: recovery.record(DiskKey.cluster)?.packet.x ?? 0)
        if recovery.first {
            // What the file declares was declared once: a node that comes up empty later has nothing of it.
            guard recovery.directory == 0 else {
                for (symbol, holdings) in turn.outside.abandon(by: turn.node) {
                    for one in holdings { recordGoneCopy(one, symbol, &turn) }
                }
                return
            }
            for definition in setup.definitions { declare(definition, &turn) }
        } else {
            recover(recovery, &turn)
        }
    }

    /// - Source: RMQ-DECL-36; RMQ-ROUTE-01.
    private mutating func addPredeclared(_ scope: Symbol, _ turn: inout Turn) {
        let predeclared = [
            ("", "direct"), ("amq.direct", "direct"), ("amq.fanout", "fanout"),
            ("amq.topic", "topic"), ("amq.headers", "headers"), ("amq.match", "headers"),
        ]
        for (name, type) in predeclared {
            addExchange(ExchangeDeclaration(name: name, type: type), scope, turn: &turn)
        }
        var tracing = ExchangeDeclaration(name: "amq.rabbitmq.trace", type: "topic")
        tracing.isInternal = true
        addExchange(tracing, scope, turn: &turn)
    }

    /// Makes what the topology file says, as an import of definitions does.
    private mutating func declare(_ definition: Definitions, _ turn: inout Turn) {
        let scope = VirtualHost.scope(setup.broker, setup.name, definition.vhost, &turn.names)
        for exchange in definition.exchanges {
            addExchange(exchange, scope, turn: &turn)
            storeExchange(exchange, scope, &turn)
        }
        for queue in definition.queues {
            let index = addQueue(
                queue,
                scope,
                owner: .nobody,
                place: place(
                    for: queue,
                    rules(for: queue, scope),
                    on: Index(definition.homes[queue.name] ?? 0)
                ),
                &turn
            )
            storeQueue(index, &turn)
        }
        for binding in definition.bindings { restore(binding, scope, &turn) }
    }

    mutating func restore(
        _ binding: BindingDeclaration,
        _ scope: Symbol,
        _ turn: inout Turn
    ) {
        let source = exchangeIndex(binding.source, scope, turn.names)
        let destination: Destination
        if binding.toExchange {
            let index = exchangeIndex(binding.destination, scope, turn.names)
            guard index != .none else { return }
            destination = .exchange(index)
        } else {
            let index = queueIndex(binding.destination, scope, turn.names)
            guard index != .none else { return }
            destination = .queue(index)
        }
        guard source != .none else { return }
        addBinding(binding, source, destination, &turn)
    }

    /// Reads the disk.
    ///
    /// - Source: RMQ-DUR-01 to -06, -08 to -11.
    private mutating func recover(_ recovery: Recovery, _ turn: inout Turn) {
        for record in recovery.records {
            switch DiskKey.kind(of: record.key) {
            case .vhost:
                guard let stored: VirtualHostState = turn.parcels.get(record.packet.parcel),
                    let index = vhosts.firstIndex(where: { $0.scope == stored.scope })
                else { continue }
                vhosts[index] = stored
            case .exchange:
                guard
                    let stored: Stored<ExchangeDeclaration> = turn.parcels.get(
                        record.packet.parcel
                    )
                else { continue }
                if exchangeIndex(stored.value.name, stored.scope, turn.names) == .none {
                    addExchange(stored.value, stored.scope, turn: &turn)
                }
            case .queue:
                guard let stored: QueueRecord = turn.parcels.get(record.packet.parcel) else {
                    continue
                }
                let queue = addQueue(
                    stored.declaration,
                    stored.scope,
                    owner: .nobody,
                    place: stored.place,
                    isRecovered: true,
                    &turn
                )
                if queues[queue].quorum != .none { recoverQuorum(queue, recovery, &turn) }
            case .binding:
                guard
                    let stored: Stored<BindingDeclaration> = turn.parcels.get(
                        record.packet.parcel
                    )
                else { continue }
                turn.erase(record.key)
                restore(stored.value, stored.scope, &turn)
            case .message:
                recoverMessage(record, crashed: recovery.crashed, &turn)
            case .copy:
                recoverCopy(record, crashed: recovery.crashed)
            case .vote, .snapshot, .cluster, nil:
                continue
            }
        }
        for queue in queues.indices where isHere(queue) {
            // Records came by rising position, and the oldest copy stands last.
            queues[queue].returned.reverse()
            guard !queues[queue].isPlain else { continue }
            queues[queue].follow(queues[queue].rules, bytes: weighReady(queue))
            keepLimits(queue, &turn)
            dropExpired(queue, &turn)
            touch(queue, &turn)
        }
    }

    private mutating func recoverMessage(
        _ record: Disk.Record,
        crashed: Bool,
        _ turn: inout Turn
    ) {
        let queue = queueIndex(DiskKey.queue(of: record.key))
        guard queue != .none else { return }
        let packet = record.packet
        let row = messages.put(
            MessageRow(packet, references: 1)
        )
        // Positions start anew behind the recovered ones; each recovered copy keeps its own.
        let position = DiskKey.position(of: record.key)
        queues[queue].headPosition = max(queues[queue].headPosition, position + 1)
        turn.record(
            .messageRecovered,
            message: packet.message,
            subject: queues[queue].symbol
        )
        let rules = queues[queue].rules
        if rules.kind == .stream {
            let copy = StreamLog.Record(
                row: row,
                time: turn.now,
                size: packet.size,
                epoch: packet.d,
                position: position
            )
            // Offsets go on where they were, also behind what retention took.
            if queues[queue].log?.records.isEmpty == true {
                queues[queue].log = StreamLog(first: position)
            }
            write(copy, queue, &turn)
            return
        }
        // RMQ-DUR-10: after a kill, all that comes back to a classic queue counts as delivered before.
        let redelivered = crashed || packet.has(Flag.redelivered)
        let properties: Properties? = turn.parcels.get(packet.parcel)
        if let priority = properties?.priority { messages.setPriority(priority, of: row) }
        if packet.x != 0 {
            if queues[queue].isPlain { queues[queue].honourExpirations(bytes: 0) }
            queues[queue].expiries[position] = Instant(nanoseconds: packet.x)
        }
        let entry = ReturnedEntry(
            position: position,
            entry: Entry(readySince: turn.now, row: row, redelivered: redelivered)
        )
        if rules.maxPriority > 0 {
            queues[queue].putBack(entry, messages[row])
        } else {
            queues[queue].returned.append(entry)
        }
    }

    /// The last turn of a node that is stopped in good order.
    ///
    /// - Source: RMQ-CONN-31; RMQ-DUR-09 (the redelivered flags are exact after a clean stop).
    mutating func shutDown(_ turn: inout Turn) {
        for session in sessions.indices
        where sessions[session].isOpen && !sessions[session].isProxy {
            let word = errorPacket(.shutdown, .connectionClose, 0, &turn)
            turn.send(word, on: sessions[session].connection)
            endSession(session, .connectionClosed, &turn)
        }
        let goodbye = Words.Goodbye(takes: stopTime)
        for peer in peers.indices where peer != me {
            endProxies(peer, &turn)
            if peers[peer].isConnected { send(goodbye, toPeer: peer, &turn) }
        }
        for queue in queues where queue.exists && queue.declaration.durable && queue.isHere {
            for entry in queue.readyEntries
            where entry.entry.redelivered && queue.keeps(messages[entry.entry.row].persistent) {
                let key =
                    queue.rules.hasCopies
                    ? DiskKey.copy(queue.symbol, entry.position)
                    : DiskKey.message(queue.symbol, entry.position)
                var packet = diskPacket(entry.entry.row, redelivered: true)
                packet.x = queue.expiries[entry.position]?.nanoseconds ?? 0
                turn.store(packet, at: key, as: numbers.lastWrite)
            }
        }
    }

    /// Says what the disk does not have: transient messages, transient queues, unsynced writes.
    package mutating func perish(_ disk: Recovery, _ turn: inout Turn) {
        if let waiting = peers.delayedRecovery {
            leaveUntouched(waiting, disk, &turn)
            return
        }
        leaveHoldings(&turn)
        for packet in copies.homes.held { turn.loseUnsent(packet) }
        for channel in channels where channel.state == .open {
            for delivery in channel.unacked where delivery.isHere {
                let queue = queues[delivery.queue]
                guard queue.exists, queue.isAlone, queue.rules.kind != .stream else { continue }
                let message = messages[delivery.row].message
                if survives(delivery.row, queue, delivery.position, disk) {
                    turn.record(
                        .deliveryRequeued,
                        message: message,
                        subject: queue.symbol,
                        variant: ReturnReason.connectionClosed.rawValue
                    )
                } else {
                    recordLoss(message, queue.symbol, .unacked, &turn)
                }
            }
        }
        for queue in queues where queue.exists && queue.isAlone {
            for entry in queue.readyEntries
            where !survives(entry.entry.row, queue, entry.position, disk) {
                recordLoss(messages[entry.entry.row].message, queue.symbol, .ready, &turn)
            }
            for record in queue.log?.records ?? []
            where !survives(record.row, queue, record.position, disk) {
                recordLoss(messages[record.row].message, queue.symbol, .ready, &turn)
            }
        }
        recordResurrections(disk, &turn)
        perishQuorums(disk, &turn)
    }

    /// Whoever goes down while it comes up has not touched anything: only what it will not find again is lost, if
    /// it comes back on another disk.
    private func leaveUntouched(_ waiting: Recovery, _ disk: Recovery, _ turn: inout Turn) {
        for record in waiting.records
        where DiskKey.kind(of: record.key) == .message && disk.record(record.key) == nil {
            let queue = DiskKey.queue(of: record.key)
            guard waiting.record(DiskKey.queue(queue)) != nil else { continue }
            recordLoss(record.packet.message, queue, .ready, &turn)
        }
    }

    /// A quorum queue lives on its other members; if this was the only one, its disk decides.
    private func perishQuorums(_ disk: Recovery, _ turn: inout Turn) {
        for quorum in quorums.indices where quorums[quorum].members == [me] {
            let symbol = symbol(quorum)
            guard let lost = quorums.member(of: quorum)?.queue(turn.parcels),
                queues[quorums[quorum].queue].exists,
                disk.record(DiskKey.queue(symbol)) == nil
            else { continue }
            for copy in lost.presentCopies {
                recordLoss(copy.packet.message, symbol, .ready, &turn)
            }
            for held in lost.heldCopies {
                recordLoss(held.copy.packet.message, symbol, .unacked, &turn)
            }
            turn.outside.note(quorums[quorum].history, ready: 0, unacked: 0)
        }
    }

    /// What was settled, but is still on the disk, comes back.
    ///
    /// - Source: RMQ-DUR-14: acks are not confirmed, so a kill may undo the last of them.
    private func recordResurrections(_ disk: Recovery, _ turn: inout Turn) {
        var held: Set<UInt64> = []
        for channel in channels where channel.state == .open {
            for delivery in channel.unacked
            where delivery.isHere && queues[delivery.queue].rules.kind != .stream {
                let symbol = queues[delivery.queue].symbol
                held.insert(DiskKey.message(symbol, delivery.position))
            }
        }
        for queue in queues where queue.exists {
            for entry in queue.readyEntries {
                held.insert(DiskKey.message(queue.symbol, entry.position))
            }
            for record in queue.log?.records ?? [] {
                held.insert(DiskKey.message(queue.symbol, record.position))
            }
        }
        for record in disk.records
        where DiskKey.kind(of: record.key) == .message && !held.contains(record.key) {
            let queue = DiskKey.queue(of: record.key)
            // Without its queue nobody finds it.
            guard disk.record(DiskKey.queue(queue)) != nil else { continue }
            turn.record(
                .messageRecovered,
                message: record.packet.message,
                subject: queue,
                variant: 1
            )
        }
    }

    private func survives(_ row: MessageIndex, _ queue: Queue, _ position: UInt64, _ disk: Recovery)
        -> Bool
    {
        queue.keeps(messages[row].persistent)
            && disk.record(DiskKey.message(queue.symbol, position)) != nil
            && disk.record(DiskKey.queue(queue.symbol)) != nil
    }

    private func recordLoss(
        _ message: MessageID,
        _ queue: Symbol,
        _ place: CopyPlace,
        _ turn: inout Turn
    ) {
        turn.record(
            .messageDropped,
            message: message,
            subject: queue,
            variant: DropReason.nodeLost.rawValue,
            detail: place.rawValue
        )
    }
}
