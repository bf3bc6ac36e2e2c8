public import WarrenTrace

/// How a world is made, and what is planned in it.
extension World {
    /// Adds a node.
    ///
    /// `sync` is how long its disk takes to make a batch of writes safe.
    @discardableResult
    public mutating func add(
        _ name: String,
        scope: Symbol = .none,
        kind: NameKind = .node,
        sync: Law = .constant(.milliseconds(1)),
        diskFaults: Disk.Faults = .none,
        _ factory: @escaping Factory
    ) -> NodeID {
        let node = NodeID(UInt32(nodes.count))
        let symbol = turn.names.intern(kind, name, in: scope)
        nodes.append(
            Node(name: symbol, factory: factory)
        )
        turn.own()
        turn.owner.append(.make(Absent()))
        turn.agenda.pointee.timers.append(Agenda.Timers())
        turn.nodeNames.append(symbol)
        turn.incarnations.append(0)
        turn.disks.append(
            Disk(law: sync, stream: turn.chance.stream("disk \(name)"), faults: diskFaults)
        )
        return node
    }

    /// Makes nodes parts of one process: whatever takes one of them down or up does it to all.
    ///
    /// They start in this order.
    public mutating func unite(_ process: [NodeID]) {
        for node in process {
            precondition(nodes[Int(node.raw)].process.isEmpty, "a node is part of one process")
            nodes[Int(node.raw)].process = process
        }
    }

    /// Lets a node live at the place of another one: they are one process and have the same network, which is not between
    /// them.
    ///
    /// A word from one to the other takes as good as no time.
    public mutating func lodge(_ lodger: NodeID, at host: NodeID) {
        turn.own()
        unite([host, lodger])
        turn.links.lodge(lodger, at: host, .constant(Interval(nanoseconds: 1)))
    }

    func process(of node: NodeID) -> [NodeID] {
        let process = nodes[Int(node.raw)].process
        return process.isEmpty ? [node] : process
    }

    /// Has a node find an empty data directory at each start, as a container without a volume does.
    public mutating func setForgetful(_ node: NodeID) { nodes[Int(node.raw)].forgets = true }

    /// Gives the table of names to whoever builds the world.
    public mutating func intern(_ kind: NameKind, _ text: String, in scope: Symbol = .none)
        -> Symbol
    { turn.names.intern(kind, text, in: scope) }

    /// The chance of the world, for those who build it.
    public mutating func withChance<Result>(_ body: (inout Chance) -> Result) -> Result {
        body(&turn.chance)
    }

    /// Keeps a parcel for those who build the world; what is kept before ``boot()`` is never swept.
    public mutating func put<Value: Sendable>(_ value: Value) -> ParcelID {
        turn.parcels.put(value)
    }

    /// The delay of links that have no law of their own.
    ///
    /// Set it before nodes connect.
    public mutating func setLatency(_ law: Law) {
        turn.own()
        turn.setDefaultLatency(law)
    }

    /// The delay from one node to another.
    public mutating func setLatency(_ law: Law, from: NodeID, to: NodeID) {
        turn.own()
        turn.links.setLaw(law, from: from, to: to, &turn.agenda.pointee.connections)
    }

    /// Lets chance decide between events of the same moment, instead of their sequence.
    public mutating func drawTies() {
        turn.own()
        turn.tieStream = turn.chance.stream("ties")
        turn.agenda.pointee.laneDelay = Agenda.noLane
    }

    /// Lets ranks decide between events of the same moment: each node has one that is drawn, and drawn anew now and then, so
    /// that for a while a node is late for whatever comes.
    ///
    /// - Source: Burckhardt, Kothari, Musuvathi, Nagarakatte, "A Randomized Scheduler with Probabilistic Guarantees of
    ///   Finding Bugs" (2010): few changes of priority find what few orderings break.
    public mutating func rankTies() {
        drawTies()
        for _ in nodes { turn.ranks.append(0) }
        for index in nodes.indices { turn.drawRank(index) }
    }

    /// Gives a world that has not been booted another seed, as if it had been built with it.
    public mutating func reseed(_ seed: UInt64) {
        precondition(eventCount == 0, "a world is reseeded before anything happens in it")
        turn.chance.reseed(seed)
    }

    /// Starts every node, in the order they were added, at the present moment.
    public mutating func boot() {
        parcelsOfBuilders = turn.parcels.capacity
        for index in nodes.indices { start(NodeID(UInt32(index)), at: now) }
    }

    /// Starts one node at `moment`.
    public mutating func start(_ node: NodeID, at moment: Instant) {
        turn.own()
        turn.pushInOrder(
            Pending(
                kind: .start,
                node: node.raw,
                generation: turn.incarnations[Int(node.raw)],
                cause: turn.event
            ),
            at: moment.nanoseconds
        )
    }

    /// Plans an action of the operator.
    public mutating func plan(_ action: Action, at moment: Instant) {
        turn.own()
        actions.append(action)
        turn.pushInOrder(
            Pending(
                kind: .action,
                node: .max,
                subject: UInt32(actions.count - 1),
                cause: 0
            ),
            at: max(moment, now).nanoseconds
        )
    }
}
