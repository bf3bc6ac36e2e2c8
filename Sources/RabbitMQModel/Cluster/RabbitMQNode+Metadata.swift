import WarrenKernel
import WarrenTrace

/// What all nodes of a cluster know: queues, exchanges, bindings, virtual hosts.
///
/// The lowest running node orders the changes; each is made everywhere before the one who wanted it goes on.
/// Where the metadata store is Khepri, a majority must have made it.
/// - Source: RMQ-CLUS-01; RMQ-QQ-35 to -37; RMQ-PART-08; Mnesia's transactions.
/// - Differs: Mnesia locks records and commits in two phases, Khepri is a Raft group; here one node gives the
///   order and waits for the others.
extension RabbitMQNode {
    /// Who orders the changes of metadata.
    private var sequencer: PeerIndex {
        peers.indices.first { $0 == me || peers[$0].isRunning } ?? me
    }

    /// Whether metadata live in Khepri.
    var usesKhepri: Bool { settings.version >= .v4_2 }

    /// Has all nodes make a change, and goes on when they have.
    ///
    /// A broker of one node makes it at once, and nothing follows.
    mutating func propose(
        _ change: MetadataChange,
        then: MetadataLog.Then,
        _ turn: inout Turn
    ) {
        let me = me
        let wanted = metadataLog.want(then: then) {
            turn.parcels.put(ChangeParcel(change: change, origin: me, number: $0))
        }
        order(wanted, &turn)
    }

    private mutating func order(_ wanted: MetadataLog.Wanted, _ turn: inout Turn) {
        let first = sequencer
        if first == me {
            spread(wanted.parcel, &turn)
        } else {
            let word = Words.Wanted(change: wanted.parcel, number: wanted.number)
            send(word, toPeer: first, &turn)
        }
    }

    /// Makes a change here and has everybody else make it.
    private mutating func spread(_ parcel: ParcelID, _ turn: inout Turn) {
        guard let wanted: ChangeParcel = turn.parcels.get(parcel) else { return }
        let others = runningPeers
        let number = metadataLog.order(wanted.number, of: wanted.origin, among: others)
        let word = Words.Change(change: parcel, number: number)
        for peer in others { send(word, toPeer: peer, &turn) }
        // What follows from the change here must not overtake it.
        make(wanted.change, &turn)
        settle(number, &turn)
    }

    private mutating func settle(_ number: UInt64, _ turn: inout Turn) {
        let enough = usesKhepri ? peers.count / 2 + 1 : nil
        guard let one = metadataLog.settle(number, enough: enough) else { return }
        if one.origin == me {
            goOn(one.number, &turn)
        } else {
            send(Words.Settled(number: one.number), toPeer: one.origin, &turn)
        }
    }

    private mutating func goOn(_ number: UInt64, _ turn: inout Turn) {
        guard let then = metadataLog.made(number) else { return }
        switch then {
        case .nothing: break
        case .order(let number): endTask(of: number, "", &turn)
        case .again(let channel, let packet): resume(channel, with: packet, &turn)
        case .say(let packet, let connection, let channel):
            if packet.method != nil { turn.send(packet, on: connection) }
            if channel != .none { resume(channel, with: nil, &turn) }
        }
    }

    mutating func receiveChange(
        _ packet: Packet,
        _ word: PeerWord,
        _ peer: PeerIndex,
        _ turn: inout Turn
    ) {
        switch word {
        case .wanted:
            if let word = Words.Wanted(packet) { spread(word.change, &turn) }
        case .change:
            guard let word = Words.Change(packet),
                let wanted: ChangeParcel = turn.parcels.get(word.change)
            else { return }
            make(wanted.change, &turn)
            send(Words.Changed(number: word.number), toPeer: peer, &turn)
        case .changed:
            guard let word = Words.Changed(packet) else { return }
            metadataLog.made(word.number, by: peer)
            settle(word.number, &turn)
        default:
            if let word = Words.Settled(packet) { goOn(word.number, &turn) }
        }
    }

    /// Nobody waits any longer for a peer that is down; what it ordered is ordered anew.
    mutating func dropFromChanges(_ peer: PeerIndex, _ turn: inout Turn) {
        for number in metadataLog.lose(peer) { settle(number, &turn) }
        for wanted in metadataLog.unmade { order(wanted, &turn) }
    }

    // MARK: Making a change

    /// Makes a change; one that was made before changes nothing.
    private mutating func make(_ change: MetadataChange, _ turn: inout Turn) {
        switch change {
        case .addQueue(let record): addQueue(record, &turn)
        case .deleteQueue(let name, let scope):
            let queue = queueIndex(name, scope, turn.names)
            if queue != .none { deleteQueue(queue, &turn) }
        case .addExchange(let declaration, let scope):
            guard exchangeIndex(declaration.name, scope, turn.names) == .none else { return }
            addExchange(declaration, scope, turn: &turn)
            storeExchange(declaration, scope, &turn)
        case .deleteExchange(let name, let scope):
            let exchange = exchangeIndex(name, scope, turn.names)
            if exchange != .none { removeExchange(exchange, &turn) }
        case .addBinding(let binding, let scope): restore(binding, scope, &turn)
        case .removeBinding(let binding, let scope): removeBinding(binding, scope, &turn)
        case .setVirtualHost(let state): setVirtualHost(state, &turn)
        case .changeMembers(let name, let scope, let peer, let isAdded):
            let queue = queueIndex(name, scope, turn.names)
            guard queue != .none, queues[queue].quorum != .none else { return }
            let others = quorums[queues[queue].quorum].members.filter { $0 != peer }
            setMembers(of: queue, PeerSet(others + (isAdded ? [peer] : [])).peers, &turn)
        case .setPlace(let name, let scope, let place):
            let queue = queueIndex(name, scope, turn.names)
            if queue != .none { relocate(queue, place, &turn) }
        }
    }

    mutating func addQueue(_ record: QueueRecord, _ turn: inout Turn) {
        guard queueIndex(record.declaration.name, record.scope, turn.names) == .none else { return }
        let queue = addQueue(
            record.declaration,
            record.scope,
            owner: record.place.isExclusive ? .elsewhere : .nobody,
            place: record.place,
            &turn
        )
        storeQueue(queue, &turn)
    }

    private func removingIndex(
        _ binding: BindingDeclaration,
        _ source: ExchangeIndex,
        _ names: Names
    )
        -> Int?
    {
        let scope = exchanges[source].scope
        let destination: Destination
        if binding.toExchange {
            let other = exchangeIndex(binding.destination, scope, names)
            guard other != .none else { return nil }
            destination = .exchange(other)
        } else {
            let queue = queueIndex(binding.destination, scope, names)
            guard queue != .none else { return nil }
            destination = .queue(queue)
        }
        return exchanges[source].bindings.firstIndex {
            $0.key == binding.key && $0.arguments == binding.arguments
                && $0.destination == destination
        }
    }

    private mutating func removeBinding(
        _ binding: BindingDeclaration,
        _ scope: Symbol,
        _ turn: inout Turn
    ) {
        let source = exchangeIndex(binding.source, scope, turn.names)
        guard source != .none, let index = removingIndex(binding, source, turn.names) else {
            return
        }
        removeBinding(index, of: source, &turn)
    }

    // MARK: Joining

    /// Everything that all nodes know.
    func metadata() -> ClusterMetadata {
        var all = ClusterMetadata()
        all.vhosts = vhosts
        for queue in queues where queue.exists {
            all.queues.append(record(of: queueIndex(queue.symbol)))
        }
        for exchange in exchanges where exchange.exists {
            all.exchanges.append(
                Stored(scope: exchange.scope, value: exchange.declaration)
            )
            for binding in exchange.bindings {
                var told = BindingDeclaration(
                    source: exchange.declaration.name,
                    destination: "",
                    key: binding.key
                )
                told.arguments = binding.arguments
                switch binding.destination {
                case .queue(let queue): told.destination = queues[queue].declaration.name
                case .exchange(let other):
                    told.destination = exchanges[other].declaration.name
                    told.toExchange = true
                }
                all.bindings.append(Stored(scope: exchange.scope, value: told))
            }
        }
        return all
    }

    func sendMetadata(to peer: PeerIndex, _ turn: inout Turn) {
        assert(phase == .running, "a node that does not serve knows nothing that counts")
        send(Words.Metadata(all: turn.parcels.put(metadata())), toPeer: peer, &turn)
    }

    /// Takes over what the cluster knows: what this node had beside it is gone.
    ///
    /// - Source: RMQ-DUR-07; RMQ-PART-04.
    mutating func adopt(_ parcel: ParcelID, _ turn: inout Turn) {
        guard phase == .waiting || phase == .joining,
            let all: ClusterMetadata = turn.parcels.get(parcel)
        else { return }
        vhosts = all.vhosts
        var known: Set<Symbol> = []
        for record in all.queues {
            known.insert(turn.names.intern(.queue, record.declaration.name, in: record.scope))
        }
        for queue in queues.indices
        where queues[queue].exists && !known.contains(queues[queue].symbol) {
            deleteQueue(queue, &turn)
        }
        var exchangesKnown: Set<Symbol> = []
        for stored in all.exchanges {
            exchangesKnown.insert(
                turn.names.intern(.exchange, stored.value.name, in: stored.scope)
            )
        }
        for exchange in exchanges.indices
        where exchanges[exchange].exists && !exchangesKnown.contains(exchanges[exchange].symbol) {
            removeExchange(exchange, &turn)
        }
        for stored in all.exchanges {
            make(.addExchange(stored.value, scope: stored.scope), &turn)
        }
        for record in all.queues {
            let queue = queueIndex(record.declaration.name, record.scope, turn.names)
            if queue != .none {
                move(queue, to: record.place, &turn)
            } else {
                addQueue(record, &turn)
            }
        }
        replaceBindings(all.bindings, &turn)
        for vhost in vhosts { applyPolicies(vhost.scope, &turn) }
        beginToServe(&turn)
    }

    private mutating func replaceBindings(
        _ wanted: [Stored<BindingDeclaration>],
        _ turn: inout Turn
    ) {
        let mine = metadata().bindings
        let wantedSet = Set(wanted.map { StoredBinding($0) })
        for stored in mine where !wantedSet.contains(StoredBinding(stored)) {
            removeBinding(stored.value, stored.scope, &turn)
        }
        for stored in wanted { restore(stored.value, stored.scope, &turn) }
    }

    private struct StoredBinding: Hashable {
        var scope: Symbol
        var value: BindingDeclaration

        init(_ stored: Stored<BindingDeclaration>) {
            scope = stored.scope
            value = stored.value
        }
    }

    /// A queue that this node knows lives somewhere else now, or has begun anew.
    private mutating func move(_ queue: QueueIndex, to place: QueuePlace, _ turn: inout Turn) {
        let known = record(of: queue)
        if queues[queue].rules.hasCopies {
            // A replica of a stream is worth something until its writer says otherwise.
            if place.home != me, queues[queue].rules.kind != .stream {
                throwAwayCopies(queue, &turn)
            }
            relocate(queue, place, &turn)
            return
        }
        if known.place.home != place.home || known.place.epoch != place.epoch {
            deleteQueue(queue, &turn)
            addQueue(
                QueueRecord(
                    scope: known.scope,
                    declaration: known.declaration,
                    place: place
                ),
                &turn
            )
        } else if known.place.members != place.members {
            setMembers(of: queue, place.members, &turn)
        }
    }
}
