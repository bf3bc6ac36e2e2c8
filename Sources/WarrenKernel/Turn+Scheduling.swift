public import WarrenTrace

/// What a turn does with its machine's wishes: it writes them straight into the world's agenda.
///
/// A machine cannot see the difference to effects that are performed after the turn: nothing that it
/// asks for can reach it before the turn is over.
extension Turn {
    @inline(__always)
    mutating func push(_ event: Pending, at time: UInt64) {
        live &+= 1
        pending.add(slab.put(event), at: time, tie: tie())
    }

    @inline(__always)
    private mutating func tie() -> UInt64 {
        guard let tieStream else { return 0 }
        return chance.below(4095, tieStream) &+ 1
    }

    /// Sends a packet over a connection.
    ///
    /// It arrives after the link's delay, behind what was sent before on the same connection; on a
    /// connection that has ended it goes nowhere.
    public mutating func send(_ packet: Packet, on connection: ConnectionID) {
        let index = Int(connection.raw)
        guard index < links.connections.count, !isDead else { return }
        guard let way = links.connections[index].way(of: node) else {
            loseUnsent(packet)
            return
        }
        var delay = way.delay
        if delay == .max {
            let row = links.connections[index]
            delay = links.delay(way.outward ? row.outward : row.homeward, &chance)
        }
        let time = links.connections[index].arrive(now.nanoseconds &+ delay, outward: way.outward)
        push(
            Pending(
                kind: .packet,
                node: way.end,
                subject: connection.raw,
                variant: way.outward ? 0 : 1,
                cause: event,
                packet: packet
            ),
            at: time
        )
    }

    /// Arms a timer, or moves it if it is armed.
    ///
    /// A `background` timer does not keep a run alive.
    public mutating func arm(_ timer: TimerID, after delay: Interval, background: Bool = false) {
        let index = Int(timer.raw)
        guard !isDead else { return }
        if index >= timers[Int(node.raw)].count { growTimers(index) }
        var slot = timers[Int(node.raw)][index]
        if slot == .max {
            slot = slab.put(Pending(kind: .timer, node: node.raw, subject: timer.raw))
            timers[Int(node.raw)][index] = slot
        }
        let stamp = pending.add(slot, at: (now + delay).nanoseconds, tie: tie())
        live &+= slab.rows[Int(slot)].arm(stamp: stamp, cause: event, background: background)
    }

    private mutating func growTimers(_ index: Int) {
        let missing = index + 1 - timers[Int(node.raw)].count
        timers[Int(node.raw)].append(contentsOf: repeatElement(UInt32.max, count: missing))
    }

    /// Takes back a timer; harmless if it is not armed.
    public mutating func disarm(_ timer: TimerID) { disarm(timer, of: node) }

    mutating func disarm(_ timer: TimerID, of node: NodeID) {
        let index = Int(timer.raw)
        guard index < timers[Int(node.raw)].count else { return }
        let slot = timers[Int(node.raw)][index]
        guard slot != .max, slab.rows[Int(slot)].armed else { return }
        if !slab.rows[Int(slot)].background { live &-= 1 }
        slab.rows[Int(slot)].armed = false
    }

    /// Writes a record to the disk under `key`; the world answers `.stored(write)` when it is safe.
    public mutating func store(_ record: Packet, at key: UInt64, as write: WriteID) {
        guard !isDead else { return }
        disks[Int(node.raw)].add(.put(key, record, write))
        startBatch(node)
    }

    /// Removes a record from the disk.
    ///
    /// Nothing is answered.
    public mutating func erase(_ key: UInt64) {
        guard !isDead else { return }
        disks[Int(node.raw)].add(.erase(key))
        startBatch(node)
    }

    mutating func startBatch(_ node: NodeID) {
        guard disks[Int(node.raw)].begin() else { return }
        let delay = chance.sample(disks[Int(node.raw)].law, disks[Int(node.raw)].stream)
        push(
            Pending(
                kind: .stored,
                node: node.raw,
                generation: incarnations[Int(node.raw)],
                cause: event
            ),
            at: (now + delay).nanoseconds
        )
    }

    /// Asks for a connection.
    ///
    /// The world answers `.connected`, or `.closed` with `.refused`.
    public mutating func connect(to target: NodeID) -> ConnectionID {
        let connection = ConnectionID(UInt32(links.connections.count))
        let here = names[nodeNames[Int(node.raw)]]
        let there = names[nodeNames[Int(target.raw)]]
        let outward = links.link(from: node, to: target, &chance, label: "delay \(here)→\(there)")
        let homeward = links.link(from: target, to: node, &chance, label: "delay \(there)→\(here)")
        var row = Links.Connection(a: node, b: target, outward: outward, homeward: homeward)
        row.fixedOut = links.fixedDelay(outward)
        row.fixedHome = links.fixedDelay(homeward)
        links.connections.append(row)
        notify(.accepted, target, connection, variant: .closed)
        return connection
    }

    /// Closes a connection in good order: the other side hears of it behind what was sent before.
    public mutating func close(_ connection: ConnectionID) {
        let index = Int(connection.raw)
        guard index < links.connections.count else { return }
        if links.connections[index].a == node, links.connections[index].openA {
            links.connections[index].openA = false
            notify(.closed, links.connections[index].b, connection, variant: .closed)
        } else if links.connections[index].b == node, links.connections[index].openB {
            links.connections[index].openB = false
            notify(.closed, links.connections[index].a, connection, variant: .closed)
        } else {
            return
        }
        record(.connectionClosed, peer: UInt32.max, detail: UInt64(connection.raw))
    }

    /// Dies, as a process does that was killed, and comes back after `downtime` (never, if nil).
    public mutating func die(backAfter downtime: Interval?) {
        dies = true
        self.downtime = downtime
    }

    /// Schedules a word about a connection at one of its ends, behind what is on its way there.
    mutating func notify(
        _ kind: Pending.Kind,
        _ node: NodeID,
        _ connection: ConnectionID,
        variant: Closure
    ) {
        let index = Int(connection.raw)
        let toB = kind == .accepted || (links.connections[index].b == node && kind != .connected)
        let row = toB ? links.connections[index].outward : links.connections[index].homeward
        let drawn = now.nanoseconds + links.delay(row, &chance)
        push(
            Pending(
                kind: kind,
                node: node.raw,
                subject: connection.raw,
                generation: toB ? 1 : 0,
                variant: variant.rawValue,
                cause: event
            ),
            at: links.connections[index].arrive(drawn, outward: toB)
        )
    }

    /// A copy that was on the wire, or should have been, is gone.
    mutating func loseUnsent(_ packet: Packet) {
        guard packet.custody != 0 else { return }
        record(
            .messageDropped,
            message: packet.message,
            subject: packet.subject,
            variant: DropReason.connectionLost.rawValue,
            detail: CopyPlace.transit.rawValue
        )
    }
}
