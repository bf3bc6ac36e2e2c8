import WarrenBroker
import WarrenKernel
import WarrenTrace

/// The shovels and federation links of a node: a part of its process that speaks to it, and to others, as a client does.
///
/// The node says what it wants carried (``RelayOrders``). Where it goes down, its relays go with it; what they had under
/// way comes back at its source, or is lost, as their ack mode says.
struct RelayHost: Machine {
    /// What it has from the file.
    struct Plan: Sendable {
        /// The node that it belongs to.
        var node: NodeID
        /// What that broker calls its cluster.
        var cluster: String
        /// The nodes of each RabbitMQ of the file, by name.
        var brokers: [String: [String: NodeID]]
        /// The nodes of each broker in their order.
        var order: [String: [NodeID]]
        /// By which a node is drawn where there are several.
        var draws: StreamID
    }

    private static let again = TimerID(0)
    /// How long it waits for its node to serve.
    private static let patience = Interval.milliseconds(100)

    private let plan: Plan
    private var control = ConnectionID.none
    /// The internal exchanges that links use, or used last.
    private var active: [RelayDefinitions.ActiveExchange] = []
    /// What cannot be carried, because a broker that it names is not in the file.
    private var nowhere: [RelayWish] = []
    /// Each keeps its place, and so its timers; nil where one has ended.
    private var relays: [Relay?] = []

    init(_ plan: Plan) { self.plan = plan }

    mutating func handle(_ event: Event, _ turn: inout Turn) {
        switch event {
        case .started: control = turn.connect(to: plan.node)
        case .rang(let timer) where timer == Self.again:
            if control == .none { control = turn.connect(to: plan.node) }
        case .connected(let opened) where opened == control:
            turn.send(Packet(.superviseRelays, channel: 0), on: control)
        case .closed(let ended, _) where ended == control:
            control = .none
            endAll(&turn)
            turn.arm(Self.again, after: Self.patience, background: true)
        case .arrived(let packet, let from) where from == control:
            if let orders: RelayOrders = turn.parcels.get(packet.parcel) { obey(orders, &turn) }
        case .stopping: endAll(&turn)
        case .connected, .closed, .arrived, .rang: pass(event, &turn)
        case .accepted, .stored, .ordered: break
        }
    }

    func parcels(_ holding: inout ParcelMarks) {
        for relay in relays { relay?.parcels(&holding) }
    }

    private mutating func pass(_ event: Event, _ turn: inout Turn) {
        for index in relays.indices where relays[index]?.concerns(event) == true {
            switch relays[index]?.handle(event, &turn) {
            case .finished?: finish(index, &turn)
            case .began?: note(index, &turn)
            case .nothing?, nil: break
            }
            return
        }
    }

    /// A link has made another internal exchange: its broker keeps that.
    private func note(_ index: Int, _ turn: inout Turn) {
        guard let relay = relays[index], let isA = relay.usesA else { return }
        let now = RelayDefinitions.ActiveExchange(link: relay.wish.name, isA: isA)
        var packet = Packet(.administer, channel: 0)
        packet.parcel = turn.parcels.put(
            Administration.setActiveExchange(now, vhost: relay.wish.vhost)
        )
        turn.send(packet, on: control)
    }

    /// A shovel is done: it deletes itself, by the parameter that it was made of.
    ///
    /// - Source: `rabbit_shovel_worker:terminate({shutdown, autodelete}, …)`.
    private mutating func finish(_ index: Int, _ turn: inout Turn) {
        guard let relay = relays[index], case .shovel(let shovel) = relay.wish.task else { return }
        relays[index]?.end(.finished, cleansUp: false, &turn)
        relays[index] = nil
        var packet = Packet(.administer, channel: 0)
        packet.parcel = turn.parcels.put(
            Administration.clearShovel(shovel.name, vhost: relay.wish.vhost)
        )
        turn.send(packet, on: control)
    }

    // MARK: Orders

    /// The node is going down: what relays have made elsewhere stays.
    ///
    /// - Source: RMQ-FED-08.
    private mutating func endAll(_ turn: inout Turn) {
        for index in relays.indices {
            relays[index]?.end(.nodeStops, cleansUp: false, &turn)
            relays[index] = nil
        }
    }

    private mutating func obey(_ orders: RelayOrders, _ turn: inout Turn) {
        active = orders.active
        nowhere.removeAll { wish in !orders.wishes.contains { $0.isSame(as: wish) } }
        for index in relays.indices {
            guard let relay = relays[index],
                !orders.wishes.contains(where: { $0.isSame(as: relay.wish) })
            else { continue }
            relays[index]?.end(.ended, cleansUp: true, &turn)
            relays[index] = nil
        }
        for wish in orders.wishes {
            if let index = relays.firstIndex(where: { $0?.wish.isSame(as: wish) == true }) {
                relays[index]?.follow(wish, &turn)
            } else {
                begin(wish, &turn)
            }
        }
    }

    private mutating func begin(_ wish: RelayWish, _ turn: inout Turn) {
        guard !nowhere.contains(where: { $0.isSame(as: wish) }) else { return }
        let symbol = turn.names.intern(.text, wish.name)
        turn.record(.relayWanted, subject: symbol)
        guard let script = script(for: wish, &turn) else { return nowhere.append(wish) }
        let place = relays.firstIndex { $0 == nil } ?? relays.endIndex
        if place == relays.endIndex { relays.append(nil) }
        var relay = Relay(
            wish,
            symbol,
            script,
            firstTimer: 1 + UInt32(place) * Relay.timers,
            plan.draws
        )
        relay.start(&turn)
        relays[place] = relay
    }

    /// What a relay does; nil if a broker that it names is not in the file.
    private func script(for wish: RelayWish, _ turn: inout Turn) -> RelayScript? {
        let here = RelayAddress()
        switch wish.task {
        case .shovel(let shovel):
            guard let source = site(shovel.from, wish.vhost, &turn),
                let target = site(shovel.to, wish.vhost, &turn)
            else { return nil }
            return RelayScript(shovel: shovel, wish.vhost, source, target, plan.cluster)
        case .exchange(let upstream, let exchange, _):
            guard let source = site(upstream.address, wish.vhost, &turn),
                let target = site(here, wish.vhost, &turn)
            else { return nil }
            return RelayScript(
                exchange: exchange,
                upstream,
                source,
                target,
                plan.cluster,
                usesA: active.first { $0.link == wish.name }?.isA ?? true
            )
        case .queue(let upstream, let queue, _):
            guard let source = site(upstream.address, wish.vhost, &turn),
                let target = site(here, wish.vhost, &turn)
            else { return nil }
            return RelayScript(queue: queue, upstream, source, target, plan.cluster)
        }
    }

    private func site(_ address: RelayAddress, _ vhost: String, _ turn: inout Turn) -> RelaySite? {
        let name = address.broker ?? plan.cluster
        guard let nodes = plan.brokers[name] else { return nil }
        let isLocal = name == plan.cluster
        let vhost = address.vhost ?? vhost
        let broker = turn.names.intern(.broker, name)
        let chosen =
            address.hosts.isEmpty
            ? plan.order[name] ?? [] : address.hosts.compactMap { nodes[$0] }
        return RelaySite(
            nodes: isLocal ? [plan.node] : chosen,
            cluster: name,
            vhost: vhost,
            scope: VirtualHost.scope(broker, name, vhost, &turn.names),
            user: address.user.map { turn.names.intern(.text, $0) } ?? .none,
            isLocal: isLocal
        )
    }
}
