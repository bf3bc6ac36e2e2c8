import DequeModule
import WarrenKernel
import WarrenTrace

/// Streams: a log that reading does not empty.
///
/// - Source: RMQ-STREAM-01 to RMQ-STREAM-15.
extension RabbitMQNode {
    mutating func appendToLog(
        _ row: MessageIndex,
        _ message: MessageRow,
        _ queue: QueueIndex,
        _ turn: inout Turn
    ) {
        assert(queues[queue].isHere, "a record is written where its stream lives")
        assert(queues[queue].log != nil, "a record comes to what is no stream")
        turn.record(
            .messageRouted,
            message: message.message,
            subject: queues[queue].symbol,
            variant: 2,
            detail: UInt64(message.size)
        )
        let record = StreamLog.Record(
            row: row,
            time: turn.now,
            size: message.size,
            epoch: queues[queue].epoch,
            position: queues[queue].skip()
        )
        if !queues[queue].isAlone { sendCopy(row, queue, record.position, &turn) }
        write(record, queue, &turn)
        readLog(queue, &turn)
    }

    /// Puts a record at the end of a log: what retention no longer allows goes.
    mutating func write(_ record: StreamLog.Record, _ queue: QueueIndex, _ turn: inout Turn) {
        assert(queues[queue].log != nil, "a record comes to what is no stream")
        let rules = queues[queue].rules
        for old in queues[queue].log?.append(record, rules) ?? [] {
            if !queues[queue].isAlone { dropCopy(queue, old.position, &turn) }
            erase(queue, old.position, &turn)
            drop(old.row, queue, .maxlen, .ready, &turn)
        }
    }

    /// Sends each consumer with room what follows its offset.
    mutating func readLog(_ queue: QueueIndex, _ turn: inout Turn) {
        guard let end = committedEnd(queue) else { return }
        var waiting = Deque<ConsumerIndex>()
        while let next = queues[queue].rotation.popFirst() {
            let consumer = next
            while hasRoom(consumer), consumers[consumer].offset < end {
                readOne(queue, consumer, &turn)
            }
            if hasRoom(consumer) {
                waiting.append(next)
            } else {
                suspend(next)
            }
        }
        queues[queue].rotation = waiting
    }

    /// - Source: RMQ-STREAM-04, -13.
    private mutating func readOne(
        _ queue: QueueIndex,
        _ consumer: ConsumerIndex,
        _ turn: inout Turn
    ) {
        assert(consumers[consumer].queue == queue, "a reader of another stream")
        assert(hasRoom(consumer), "a reader without room is sent a record")
        let first = queues[queue].log?.first ?? 0
        let offset = max(consumers[consumer].offset, first)
        consumers[consumer].offset = offset + 1
        guard let record = queues[queue].log?[offset] else { return }
        let channel = consumers[consumer].channel
        var message = messages[record.row]
        var properties: Properties = turn.parcels.get(message.parcel) ?? Properties()
        properties.setHeader("x-stream-offset", .integer(Int64(offset), .long))
        message.parcel = turn.parcels.put(properties)
        let entry = Entry(readySince: record.time, row: record.row, redelivered: false)
        var packet = deliveryPacket(.basicDeliver, message, entry, queue, channel)
        packet.setDelivery(channels[channel].nextTag, consumer: consumers[consumer].label)
        turn.record(
            .recordRead,
            message: message.message,
            subject: queues[queue].symbol,
            peer: channels[channel].peer.raw,
            detail: offset
        )
        channels[channel].hold(
            Unacked(
                readySince: record.time,
                position: offset,
                holding: .row(record.row),
                queue: queue,
                consumer: consumer,
                sentAt: Unacked.stamp(turn.now)
            )
        )
        queues[queue].unackedCount += 1
        consumers[consumer].holdOne()
        turn.send(packet, on: channels[channel].connection)
    }

    /// Where a consumer of a stream begins.
    ///
    /// - Source: RMQ-STREAM-05, -06, -11. Timestamps count seconds of simulated time.
    func firstOffset(_ queue: QueueIndex, _ wanted: FieldValue?, _ now: Instant) throws(Refusal)
        -> UInt64
    {
        guard let log = queues[queue].log else { return 0 }
        var wanted = wanted
        if case .bytes(let octets) = wanted {
            wanted = .string(String(decoding: octets, as: UTF8.self))
        }
        switch wanted {
        case nil, .string("next"): return log.next
        case .string("first"): return log.first
        case .string("last"): return log.next > log.first ? log.next - 1 : log.next
        case .integer(let number, _): return max(UInt64(max(number, 0)), log.first)
        case .timestamp(let seconds):
            return log.offset(at: .zero + .seconds(seconds))
        case .string(let age):
            guard let life = QueueArguments.milliseconds(ofAge: age) else { throw .internalError }
            return log.offset(at: .zero + ((now - .zero) - .milliseconds(life)))
        default: throw .internalError
        }
    }

    /// What a stream does not do.
    ///
    /// - Source: RMQ-STREAM-02, -07, -09, -12.
    func refuseForStream(_ queue: QueueIndex, _ what: String) throws(Refusal) {
        guard queues[queue].rules.kind == .stream else { return }
        let session = vhostName(of: queues[queue].scope)
        throw .notImplemented(
            "\(what) not supported by stream queues queue '\(queues[queue].declaration.name)' in "
                + "vhost '\(session)'"
        )
    }

    func vhostName(of scope: Symbol) -> String {
        vhosts.first { $0.scope == scope }?.name ?? "/"
    }
}
