public import WarrenTrace

/// What a turn does with its machine's wishes: it writes them straight into the world's agenda.
///
/// A machine cannot see the difference to effects that are performed after the turn: nothing that it
/// asks for can reach it before the turn is over.
extension Turn {
    /// The delay of links that have no law of their own; if it is constant, packets stand in a lane.
    mutating func setDefaultLatency(_ law: Law) {
        links.defaultLaw = law
        agenda.pointee.laneDelay =
            law.kind == .constant && tieStream == nil ? UInt64(law.p) : Agenda.noLane
    }

    @inline(__always)
    mutating func push(_ event: Pending, at time: UInt64) {
        assert(time >= now.nanoseconds, "an event before now")
        assert(time >= now.nanoseconds, "an event is due in the past")
        let tie = tie(event.node)
        agenda.pointee.live &+= 1
        let slot = agenda.pointee.slab.put(event)
        agenda.pointee.pending.add(slot, at: time, tie: tie)
    }

    /// Schedules what the operator does: before all else of its moment, and in its order, however ties are drawn.
    mutating func pushInOrder(_ event: Pending, at time: UInt64) {
        assert(time >= now.nanoseconds, "an event before now")
        assert(time >= now.nanoseconds, "an event is due in the past")
        agenda.pointee.live &+= 1
        let slot = agenda.pointee.slab.put(event)
        agenda.pointee.pending.add(slot, at: time)
    }

    /// How far apart packets of one connection arrive: where ties are drawn, what comes later must not come first.
    @inline(__always)
    private var apart: UInt64 { tieStream == nil ? 0 : 1 }

    @inline(__always)
    private mutating func tie(_ node: UInt32) -> UInt64 {
        guard let tieStream else { return 0 }
        return drawTie(node, tieStream)
    }

    @inline(never)
    private mutating func drawTie(_ node: UInt32, _ stream: StreamID) -> UInt64 {
        guard Int(node) < ranks.count else { return chance.below(4095, stream) &+ 1 }
        if chance.below(Self.rankLasts, stream) == 0 { drawRank(Int(node)) }
        return ranks[Int(node)]
    }

    /// After so many events of a node, in the mean, it gets another rank.
    private static var rankLasts: UInt64 { 64 }

    mutating func drawRank(_ node: Int) {
        guard let tieStream else { return }
        ranks[node] = chance.below(4095, tieStream) &+ 1
    }

    /// Sends a packet over a connection.
    ///
    /// It arrives after the link's delay, behind what was sent before on the same connection; on a
    /// connection that has ended it goes nowhere.
    public mutating func send(_ packet: Packet, on connection: ConnectionID) {
        assert(packet.custody <= 2, "a packet in the hands of nobody known")
        let index = Int(connection.raw)
        guard index < agenda.pointee.connections.count, !isDead else { return }
        guard let way = agenda.pointee.connections[index].way(of: node) else {
            loseUnsent(packet)
            return
        }
        let event = Pending(
            kind: .packet,
            node: way.end,
            subject: connection.raw,
            variant: way.outward ? 0 : 1,
            cause: event,
            packet: packet
        )
        if way.delay == agenda.pointee.laneDelay {
            let due = now.nanoseconds &+ way.delay
            let time = agenda.pointee.connections[index].arrive(
                due,
                outward: way.outward,
                apart: apart
            )
            agenda.pointee.live &+= 1
            let slot = agenda.pointee.slab.put(event)
            agenda.pointee.pending.addInOrder(slot, at: time)
        } else {
            sendFar(event, way.delay, outward: way.outward)
        }
    }

    /// The way of packets whose delay is drawn, or is not the usual one.
    @inline(never)
    private mutating func sendFar(_ event: Pending, _ fixed: UInt64, outward: Bool) {
        let index = Int(event.subject)
        var delay = fixed
        if delay == .max {
            let connection = agenda.pointee.connections[index]
            let row = outward ? connection.outward : connection.homeward
            if isStalled(row, event.subject, outward) {
                hold(event, outward: outward)
                return
            }
            guard let drawn = links.delay(row, &chance) else {
                hold(event, outward: outward)
                return
            }
            delay = drawn
        }
        let due = now.nanoseconds.addingClamped(delay)
        push(
            event,
            at: agenda.pointee.connections[index].arrive(due, outward: outward, apart: apart)
        )
    }

    /// Arms a timer, or moves it if it is armed.
    ///
    /// A `background` timer does not keep a run alive.
    public mutating func arm(_ timer: TimerID, after delay: Interval, background: Bool = false) {
        guard !isDead else { return }
        let slot = slot(of: timer)
        let tie = tie(node.raw)
        let stamp = agenda.pointee.pending.add(slot, at: (now + delay).nanoseconds, tie: tie)
        agenda.pointee.live &+= agenda.pointee.slab.rows[Int(slot)].arm(
            stamp: stamp,
            cause: event,
            background: background
        )
    }

    /// The slot of a timer of this node, made at its first arming.
    @inline(__always)
    private mutating func slot(of timer: TimerID) -> UInt32 {
        let timers = agenda.pointee.timers[Int(node.raw)]
        if timer.raw < timers.count {
            let slot = agenda.pointee.timerSlots[Int(timers.first &+ timer.raw)]
            if slot != .max { return slot }
        }
        return makeSlot(of: timer)
    }

    @inline(never)
    private mutating func makeSlot(of timer: TimerID) -> UInt32 {
        if timer.raw >= agenda.pointee.timers[Int(node.raw)].count {
            agenda.pointee.growTimers(of: Int(node.raw), to: Int(timer.raw))
        }
        let slot = agenda.pointee.slab.put(
            Pending(kind: .timer, node: node.raw, subject: timer.raw)
        )
        agenda.pointee.timerSlots[Int(agenda.pointee.timers[Int(node.raw)].first + timer.raw)] =
            slot
        return slot
    }

    /// Takes back a timer; harmless if it is not armed.
    public mutating func disarm(_ timer: TimerID) { disarm(timer, of: node) }

    mutating func disarm(_ timer: TimerID, of node: NodeID) {
        let timers = agenda.pointee.timers[Int(node.raw)]
        guard timer.raw < timers.count else { return }
        let slot = Int(agenda.pointee.timerSlots[Int(timers.first + timer.raw)])
        guard slot != UInt32.max, agenda.pointee.slab.rows[slot].armed else { return }
        if !agenda.pointee.slab.rows[slot].background { agenda.pointee.live -= 1 }
        agenda.pointee.slab.rows[slot].armed = false
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

    /// Writes an entry to a journal of the disk, behind all that have lower numbers.
    ///
    /// The world answers `.stored(write)` when it is safe.
    public mutating func append(
        _ entry: Journal.Entry,
        to journal: UInt32,
        at number: UInt64,
        as write: WriteID
    ) {
        guard !isDead else { return }
        disks[Int(node.raw)].add(.append(journal, number, entry, write))
        startBatch(node)
    }

    /// Throws away the end of a journal, from a number on.
    public mutating func truncate(_ journal: UInt32, from number: UInt64) {
        guard !isDead else { return }
        disks[Int(node.raw)].add(.truncate(journal, number))
        startBatch(node)
    }

    /// Throws away the beginning of a journal, up to but without a number.
    public mutating func trim(_ journal: UInt32, before number: UInt64) {
        guard !isDead else { return }
        disks[Int(node.raw)].add(.trim(journal, number))
        startBatch(node)
    }

    mutating func startBatch(_ node: NodeID) {
        guard disks[Int(node.raw)].begin() else { return }
        var delay = chance.sample(disks[Int(node.raw)].law, disks[Int(node.raw)].stream)
        let factor = disks[Int(node.raw)].factor
        if factor != 1000 { delay = delay.times(thousandths: factor) }
        // What is written before time moves on was there before: a world begins with what its nodes declare.
        if now == .zero { delay = .zero }
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
        let connection = ConnectionID(UInt32(agenda.pointee.connections.count))
        let here = names[nodeNames[Int(links.place(of: node).raw)]]
        let there = names[nodeNames[Int(links.place(of: target).raw)]]
        let outward = links.link(from: node, to: target, &chance, label: "delay \(here)→\(there)")
        let homeward = links.link(from: target, to: node, &chance, label: "delay \(there)→\(here)")
        var row = Links.Connection(a: node, b: target, outward: outward, homeward: homeward)
        row.fixedOut = links.fixedDelay(outward)
        row.fixedHome = links.fixedDelay(homeward)
        agenda.pointee.connections.append(row)
        notify(.accepted, target, connection, variant: .closed)
        return connection
    }

    /// Closes a connection: the other side hears of it behind what was sent before.
    ///
    /// In good order, unless it is said how: a peer that is not ready refuses, a broken one resets.
    public mutating func close(_ connection: ConnectionID, _ how: Closure = .closed) {
        let index = Int(connection.raw)
        guard index < agenda.pointee.connections.count else { return }
        if agenda.pointee.connections[index].a == node, agenda.pointee.connections[index].openA {
            agenda.pointee.connections[index].openA = false
            notify(.closed, agenda.pointee.connections[index].b, connection, variant: how)
        } else if agenda.pointee.connections[index].b == node,
            agenda.pointee.connections[index].openB
        {
            agenda.pointee.connections[index].openB = false
            notify(.closed, agenda.pointee.connections[index].a, connection, variant: how)
        } else {
            return
        }
        dropStalled(connection)
        let row = agenda.pointee.connections[index]
        if links.areTogether(row.a, row.b) { return }
        record(.connectionClosed, peer: UInt32.max, detail: UInt64(connection.raw))
    }

    // MARK: What cannot pass

    /// Whether what is sent now has to wait: the link is cut, or something waits on it already, lost so far.
    private func isStalled(_ row: UInt32, _ connection: UInt32, _ outward: Bool) -> Bool {
        links.isCut(row)
            || links.stalls[Links.Way(connection: connection, outward: outward)] != nil
    }

    private mutating func hold(_ event: Pending, outward: Bool) {
        let way = Links.Way(connection: event.subject, outward: outward)
        guard links.hold(event, way, now.nanoseconds) else { return }
        // TCP gives up at last; nobody waits for that.
        let end = Pending(
            kind: .givenUp,
            node: event.node,
            subject: event.subject,
            variant: outward ? 0 : 1,
            cause: self.event
        )
        push(end, at: now.nanoseconds.addingClamped(Trouble.patience))
        agenda.pointee.live -= 1
    }

    /// Sends what waited on a way that is open again, when TCP tries it next; it may be lost again.
    mutating func resume(_ way: Links.Way) {
        let row = agenda.pointee.connections[Int(way.connection)]
        let link = way.outward ? row.outward : row.homeward
        guard !links.isCut(link), let stall = links.release(way) else { return }
        guard let delay = links.delay(link, &chance) else {
            links.keep(stall, on: way)
            return
        }
        let due =
            Trouble.nextTry(stall.since, notBefore: now.nanoseconds).addingClamped(delay)
        for event in stall.events {
            let time = agenda.pointee.connections[Int(way.connection)].arrive(
                due,
                outward: way.outward,
                apart: apart
            )
            push(event, at: time)
        }
    }

    /// What waits on its way to an end that is closed never arrives.
    mutating func dropStalled(_ connection: ConnectionID) {
        guard !links.stalls.isEmpty else { return }
        let row = agenda.pointee.connections[Int(connection.raw)]
        for (outward, isOpen) in [(true, row.openB || !row.established), (false, row.openA)]
        where !isOpen {
            let way = Links.Way(connection: connection.raw, outward: outward)
            for event in links.release(way)?.events ?? [] where event.kind == .packet {
                loseUnsent(event.packet)
            }
        }
    }

    /// Dies, as a process does that was killed, and comes back after `downtime` (never, if nil).
    public mutating func die(backAfter downtime: Interval?) {
        dies = true
        self.downtime = downtime
    }

    /// Stops in good order after this turn, and starts again after `downtime`.
    public mutating func restart(after downtime: Interval) {
        dies = true
        isOrderly = true
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
        let toB =
            kind == .accepted || (agenda.pointee.connections[index].b == node && kind != .connected)
        let row =
            toB
            ? agenda.pointee.connections[index].outward : agenda.pointee.connections[index].homeward
        let word = Pending(
            kind: kind,
            node: node.raw,
            subject: connection.raw,
            generation: toB ? 1 : 0,
            variant: variant.rawValue,
            cause: event
        )
        if isStalled(row, connection.raw, toB) {
            hold(word, outward: toB)
            return
        }
        guard let delay = links.delay(row, &chance) else {
            hold(word, outward: toB)
            return
        }
        let due = now.nanoseconds.addingClamped(delay)
        push(word, at: agenda.pointee.connections[index].arrive(due, outward: toB, apart: apart))
    }

    /// A copy that was on the wire, or should have been, is gone.
    public mutating func loseUnsent(_ packet: Packet) {
        guard packet.custody != 0 else { return }
        if packet.custody == 2 {
            record(
                .messageUnroutable,
                message: packet.message,
                subject: packet.subject,
                peer: packet.key.raw,
                variant: DropReason.connectionLost.rawValue
            )
            return
        }
        record(
            .messageDropped,
            message: packet.message,
            subject: packet.subject,
            variant: DropReason.connectionLost.rawValue,
            detail: CopyPlace.transit.rawValue
        )
    }
}

extension UInt64 {
    /// The sum, or the largest number if that is larger.
    func addingClamped(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
