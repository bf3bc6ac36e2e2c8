import WarrenTrace

/// What the operator does, and what becomes of nodes and connections.
extension World {
    mutating func perform(_ action: Action) {
        switch action {
        case .crash(let node):
            if !missed(node) { for part in process(of: node) { crash(part) } }
        case .stop(let node):
            if !missed(node) { for part in process(of: node) { stop(part) } }
        case .start(let node):
            for part in process(of: node) where !nodes[Int(part.raw)].up {
                turn.node = part
                startNow(part)
            }
        case .mount(let node, let directory):
            mount(node, directory)
        case .leave(let node):
            // Who is down already is not renamed by a restart that finds nobody to stop.
            nodes[Int(node.raw)].leaves = nodes[Int(node.raw)].up
        case .sever(let node):
            sever(node, from: nil)
        case .severBetween(let node, let other):
            sever(node, from: other)
        case .configure(let node, let packet):
            nodes[Int(node.raw)].configuration = packet
        case .slow(let node, let factor):
            turn.links.slow(node, factor: factor, &turn.agenda.pointee.connections)
            turn.node = node
            turn.record(.linkSlowed, detail: factor)
        case .slowBetween(let one, let other, let factor):
            turn.links.slow(
                between: one,
                and: other,
                factor: factor,
                &turn.agenda.pointee.connections
            )
            turn.node = one
            turn.record(.linkSlowed, peer: other.raw, detail: factor)
        case .cut(let one, let other): cut(one, other, true)
        case .mend(let one, let other): cut(one, other, false)
        case .disturb(let one, let other, let trouble):
            turn.links.disturb(one, other, trouble, &turn.agenda.pointee.connections)
            turn.node = one
            turn.record(.linkDisturbed, peer: other.raw, variant: trouble.isNone ? 0 : 1)
            resume(from: one, to: other)
            resume(from: other, to: one)
        case .freeze(let node):
            guard !missed(node) else { return }
            for part in process(of: node) where !(machine(part) is Frozen) {
                setMachine(part, Frozen(machine(part)))
                turn.node = part
                turn.record(.nodeFrozen)
            }
        case .thaw(let node):
            for part in process(of: node) { thaw(part) }
        case .slowDisk(let node, let factor):
            turn.disks[Int(node.raw)].factor = factor
            turn.node = node
            turn.record(.diskSlowed, detail: factor)
        case .fillDisk(let node, let isFull):
            turn.disks[Int(node.raw)].isFull = isFull
            turn.node = node
            turn.record(.diskFilled, variant: isFull ? 1 : 0)
            if !isFull { turn.startBatch(node) }
        case .order(let node, let packet):
            guard nodes[Int(node.raw)].up else { return }
            turn.node = node
            handle(.ordered(packet), node)
        case .mark(let kind, let number):
            turn.record(kind, detail: number)
        }
    }

    /// Whether a node is down already, which is said.
    mutating func missed(_ node: NodeID) -> Bool {
        guard !nodes[Int(node.raw)].up else { return false }
        turn.node = node
        turn.record(.faultMissed)
        return true
    }

    mutating func cut(_ one: NodeID, _ other: NodeID, _ isCut: Bool) {
        turn.node = one
        let isNew = turn.links.cut(
            from: one,
            to: other,
            isCut,
            &turn.agenda.pointee.connections
        )
        guard isNew else { return }
        turn.record(isCut ? .linkCut : .linkMended, peer: other.raw)
        if !isCut { resume(from: one, to: other) }
    }

    /// What could not pass on a link is tried again.
    private mutating func resume(from one: NodeID, to other: NodeID) {
        let ways = turn.links.waysHeld(
            from: one,
            to: other,
            turn.agenda.pointee.connections
        )
        for way in ways { turn.resume(way) }
    }

    /// Hands a frozen machine what has gathered, one turn each, in the order of arrival.
    mutating func thaw(_ node: NodeID) {
        guard let frozen = machine(node) as? Frozen else { return }
        setMachine(node, frozen.inner)
        turn.node = node
        turn.record(.nodeThawed)
        for held in frozen.held where nodes[Int(node.raw)].up {
            begin(node, at: now.nanoseconds, cause: held.cause)
            handle(held.event, node)
        }
    }

    mutating func crash(_ node: NodeID) {
        guard nodes[Int(node.raw)].up else { return }
        turn.disks[Int(node.raw)].crash(&turn.chance)
        turn.node = node
        turn.record(.nodeCrashed)
        let recovery = Recovery(
            first: false,
            crashed: true,
            records: nodes[Int(node.raw)].losesDisk ? [] : turn.disks[Int(node.raw)].records
        )
        turn.isDead = true
        turn.owner.machines[Int(node.raw)].perish(recovery, &turn)
        turn.isDead = false
        nodes[Int(node.raw)].crashed = true
        goDown(node, .died)
    }

    mutating func stop(_ node: NodeID) {
        guard nodes[Int(node.raw)].up else { return }
        thaw(node)
        turn.node = node
        handle(.stopping, node)
        turn.disks[Int(node.raw)].flush()
        turn.record(.nodeStopped)
        let recovery = Recovery(
            first: false,
            crashed: false,
            records: nodes[Int(node.raw)].losesDisk ? [] : turn.disks[Int(node.raw)].records
        )
        turn.isDead = true
        turn.owner.machines[Int(node.raw)].perish(recovery, &turn)
        turn.isDead = false
        goDown(node, .closed)
    }

    mutating func goDown(_ node: NodeID, _ closure: Closure) {
        let index = Int(node.raw)
        nodes[index].up = false
        turn.incarnations[index] += 1
        if nodes[index].leaves {
            nodes[index].leaves = false
            mount(node, .max)
        }
        setMachine(node, Absent())
        for timer in 0..<turn.agenda.pointee.timers[index].count {
            turn.disarm(TimerID(timer), of: node)
        }
        for number in 0..<turn.agenda.pointee.connections.count {
            let connection = ConnectionID(UInt32(number))
            if turn.agenda.pointee.connections[number].a == node,
                turn.agenda.pointee.connections[number].openA
            {
                turn.agenda.pointee.connections[number].openA = false
                turn.notify(
                    .closed,
                    turn.agenda.pointee.connections[number].b,
                    connection,
                    variant: closure
                )
                turn.dropStalled(connection)
            }
            if turn.agenda.pointee.connections[number].b == node,
                turn.agenda.pointee.connections[number].openB
            {
                turn.agenda.pointee.connections[number].openB = false
                turn.notify(
                    .closed,
                    turn.agenda.pointee.connections[number].a,
                    connection,
                    variant: closure
                )
                turn.dropStalled(connection)
            }
        }
    }

    /// Resets every connection of a node: both ends hear of it, and what was on the wire is gone.
    mutating func sever(_ node: NodeID, from other: NodeID?) {
        for number in 0..<turn.agenda.pointee.connections.count {
            let row = turn.agenda.pointee.connections[number]
            let ends = [turn.links.place(of: row.a), turn.links.place(of: row.b)]
            guard ends.contains(node), ends[0] != ends[1], row.openA || row.openB else { continue }
            if let other, !ends.contains(other) { continue }
            reset(number)
        }
    }

    /// Tells both ends of a connection that it is gone.
    mutating func reset(_ number: Int) {
        let row = turn.agenda.pointee.connections[number]
        for (end, isB) in [(row.a, false), (row.b, true)] {
            turn.push(
                Pending(
                    kind: .closed,
                    node: end.raw,
                    subject: UInt32(number),
                    generation: isB ? 1 : 0,
                    variant: Closure.reset.rawValue,
                    cause: turn.event
                ),
                at: turn.now.nanoseconds
            )
        }
    }
}
