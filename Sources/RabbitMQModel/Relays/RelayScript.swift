import WarrenKernel
import WarrenTrace

/// What a relay does and in which order, by its kind: what it declares, what it consumes, what it publishes.
struct RelayScript: Sendable {
    private enum Kind: Sendable {
        case shovel(Shovel, vhost: String)
        case exchange(Upstream, ExchangeLink)
        case queue(Upstream, QueueDeclaration)
    }

    private var kind: Kind
    let source: RelaySite
    let target: RelaySite
    /// Which connection is opened first.
    let first: Relay.Side
    let ackMode: RelayAckMode
    /// Nil for never.
    let reconnectDelay: Interval?
    /// What the broker that the relay runs on calls its cluster.
    private let cluster: String

    init(
        shovel: Shovel,
        _ vhost: String,
        _ source: RelaySite,
        _ target: RelaySite,
        _ cluster: String
    ) {
        kind = .shovel(shovel, vhost: vhost)
        (self.source, self.target, self.cluster) = (source, target, cluster)
        first = .source
        ackMode = shovel.ackMode
        reconnectDelay = shovel.reconnectDelay
    }

    init(
        exchange: ExchangeDeclaration,
        _ upstream: Upstream,
        _ source: RelaySite,
        _ target: RelaySite,
        _ cluster: String,
        usesA: Bool
    ) {
        let link = ExchangeLink(exchange, upstream, source, target, cluster, usesA: usesA)
        self.init(.exchange(upstream, link), upstream, source, target, cluster)
    }

    init(
        queue: QueueDeclaration,
        _ upstream: Upstream,
        _ source: RelaySite,
        _ target: RelaySite,
        _ cluster: String
    ) {
        self.init(.queue(upstream, queue), upstream, source, target, cluster)
    }

    private init(
        _ kind: Kind,
        _ upstream: Upstream,
        _ source: RelaySite,
        _ target: RelaySite,
        _ cluster: String
    ) {
        self.kind = kind
        (self.source, self.target, self.cluster) = (source, target, cluster)
        first = .target
        ackMode = upstream.ackMode
        reconnectDelay = upstream.reconnectDelay
    }

    /// Of the link of an exchange: whether its internal exchange is called A.
    var usesA: Bool? {
        if case .exchange(_, let link) = kind { link.isA } else { nil }
    }

    /// Whether it is told when a channel of it ends.
    ///
    /// - Source: RMQ-SHOV-06; `rabbit_amqp091_shovel:handle_dest`, which knows 406 only; `rabbit_federation_link_util:open`.
    var isMonitored: Bool {
        if case .shovel = kind { false } else { true }
    }

    // MARK: How much

    /// After how many messages it is done; nil if that is not known from the beginning.
    var count: UInt64? {
        if case .shovel(let shovel, _) = kind, case .after(let count) = shovel.end {
            count
        } else {
            nil
        }
    }

    /// Whether it is done after as many as its queue holds.
    var countsQueue: Bool {
        if case .shovel(let shovel, _) = kind { shovel.end == .queueLength } else { false }
    }

    // MARK: Before it runs

    /// What is asked for once both connections are open, one after the other.
    mutating func steps(_ wish: RelayWish, _ turn: inout Turn) -> [(
        side: Relay.Side, step: RelayEnd.Step
    )] {
        var steps: [(side: Relay.Side, step: RelayEnd.Step)] = []
        switch kind {
        case .shovel(let shovel, _):
            if !shovel.isStatic, case .queue(let name) = shovel.target {
                steps.append((.target, Self.ensureQueue(name, shovel.targetArguments, &turn)))
            }
            steps += confirming
            steps += shovelSource(shovel, &turn)
        case .exchange(let upstream, var link):
            steps += confirming
            steps += link.steps(wish, &turn).map { (.source, $0) }
            kind = .exchange(upstream, link)
        case .queue(let upstream, let queue):
            steps += confirming
            var wanted = queue
            wanted.name = upstream.queue ?? queue.name
            steps.append((.source, Self.ensure(wanted, &turn)))
            steps += limiting(upstream.prefetch)
        }
        return steps
    }

    private var confirming: [(side: Relay.Side, step: RelayEnd.Step)] {
        guard ackMode == .onConfirm else { return [] }
        return [(.target, .call(Packet(.confirmSelect, channel: RelayEnd.channel)))]
    }

    private func limiting(_ prefetch: UInt32) -> [(side: Relay.Side, step: RelayEnd.Step)] {
        guard ackMode != .noAck else { return [] }
        var qos = Packet(.basicQos, channel: RelayEnd.channel)
        qos.c = prefetch
        return [(.source, .call(qos))]
    }

    private func shovelSource(_ shovel: Shovel, _ turn: inout Turn) -> [(
        side: Relay.Side, step: RelayEnd.Step
    )] {
        var steps: [(side: Relay.Side, step: RelayEnd.Step)] = []
        var queue = ""
        switch shovel.source {
        case .queue(let name):
            queue = name
            if !shovel.isStatic {
                steps.append((.source, Self.ensureQueue(name, shovel.sourceArguments, &turn)))
            }
        case .exchange(let exchange, let key):
            var own = QueueDeclaration(name: "")
            own.durable = false
            own.exclusive = true
            steps.append((.source, .call(Self.declare(own, &turn))))
            let binding = BindingDeclaration(
                source: exchange ?? "",
                destination: "",
                key: key ?? ""
            )
            var bind = Packet(.queueBind, channel: RelayEnd.channel)
            bind.parcel = turn.parcels.put(binding)
            steps.append((.source, .call(bind)))
        }
        steps += limiting(shovel.prefetch)
        if countsQueue {
            var look = QueueDeclaration(name: queue)
            look.passive = true
            steps.append((.source, .call(Self.declare(look, &turn))))
        }
        steps.append((.source, .call(consume(queue, tag: "", priority: nil, &turn))))
        return steps
    }

    /// Looks whether a durable queue is there, on a channel of its own, and declares it if not.
    private static func ensureQueue(
        _ name: String,
        _ arguments: [FieldValue.Field],
        _ turn: inout Turn
    ) -> RelayEnd.Step {
        var wanted = QueueDeclaration(name: name)
        wanted.arguments = arguments
        return ensure(wanted, &turn)
    }

    private static func ensure(_ wanted: QueueDeclaration, _ turn: inout Turn) -> RelayEnd.Step {
        var look = wanted
        look.passive = true
        return .ensure(look: declare(look, &turn), make: declare(wanted, &turn))
    }

    static func declare(_ wanted: QueueDeclaration, _ turn: inout Turn) -> Packet {
        var packet = Packet(.queueDeclare, channel: RelayEnd.channel)
        packet.parcel = turn.parcels.put(wanted)
        return packet
    }

    private func consume(_ queue: String, tag: String, priority: Int64?, _ turn: inout Turn)
        -> Packet
    {
        var packet = Packet(.basicConsume, channel: RelayEnd.channel)
        packet.subject = turn.names.intern(.queue, queue, in: source.scope)
        packet.key = turn.names.intern(.text, tag)
        packet.flags = ackMode == .noAck ? Flag.noAck : 0
        if let priority {
            packet.parcel = turn.parcels.put(
                ConsumeOptions(
                    arguments: [FieldValue.Field("x-priority", .integer(priority, .long))],
                    nowait: true
                )
            )
        }
        return packet
    }

    // MARK: While it runs

    /// Begins or ends to consume from the upstream of a queue.
    ///
    /// - Source: RMQ-FED-06; `rabbit_federation_queue_link:consume`: the link comes after every consumer of its own kind.
    func consume(_ wants: Bool, _ turn: inout Turn) -> Packet {
        guard case .queue(let upstream, let queue) = kind else { return Packet() }
        let tag = "federation-link-\(upstream.name)"
        if wants {
            return consume(upstream.queue ?? queue.name, tag: tag, priority: -1, &turn)
        }
        var packet = Packet(.basicCancel, channel: RelayEnd.channel)
        packet.key = turn.names.intern(.text, tag)
        packet.flags = Flag.nowait
        return packet
    }

    /// What makes the bindings at the upstream those that another wish asks for.
    func changes(from before: RelayWish, to wish: RelayWish, _ turn: inout Turn) -> [Packet] {
        guard case .exchange(_, let link) = kind else { return [] }
        return link.changes(from: before, to: wish, &turn)
    }

    /// What takes away what a link has made at its upstream.
    func remains(_ turn: inout Turn) -> [Packet] {
        guard case .exchange(let upstream, let link) = kind, upstream.cleansUp else { return [] }
        return link.remains(&turn)
    }

    /// What is published of a delivery; nil if it goes no further.
    func letter(for packet: Packet, _ turn: inout Turn) -> Packet? {
        var letter = Packet(.basicPublish, channel: RelayEnd.channel)
        letter.message = packet.message
        letter.size = packet.size
        letter.y = packet.y
        letter.flags = packet.flags & Flag.persistent
        let old: Properties = turn.parcels.get(packet.parcel) ?? Properties()
        var made = old.asPublished
        let (exchange, key): (String, String?)
        switch kind {
        case .shovel(let shovel, let vhost):
            switch shovel.target {
            case .queue(let name): (exchange, key) = ("", name)
            case .exchange(let name, let wanted):
                (exchange, key) = (name ?? turn.names[packet.exchange], wanted)
            }
            stamp(&made, &letter, shovel, vhost, turn)
        case .exchange(let upstream, let link):
            guard link.passes(made.headers) else { return nil }
            (exchange, key) = (link.exchange.name, nil)
            made.headers = link.headers(made.headers, redelivered: packet.has(Flag.redelivered))
            if !upstream.trustsUser { made.userID = nil }
        case .queue(let upstream, let queue):
            (exchange, key) = ("", queue.name)
            made.headers = queueHeaders(made.headers, packet, queue.name, turn)
            if !upstream.trustsUser { made.userID = nil }
        }
        letter.subject = turn.names.intern(.exchange, exchange, in: target.scope)
        letter.key = key.map { turn.names.intern(.key, $0) } ?? packet.key
        if made == old, packet.parcel != .none {
            letter.parcel = packet.parcel
        } else if made != Properties() {
            letter.parcel = turn.parcels.put(made)
        }
        return letter
    }

    /// What a shovel writes on what it carries.
    ///
    /// - Source: RMQ-SHOV-01, -02; `rabbit_shovel_parameters:parse_amqp091_dest`.
    private func stamp(
        _ made: inout Properties,
        _ letter: inout Packet,
        _ shovel: Shovel,
        _ vhost: String,
        _ turn: borrowing Turn
    ) {
        for field in shovel.properties { made.set(field, &letter) }
        if shovel.addsForwardHeaders {
            var table = [
                ("shovelled-by", cluster), ("shovel-type", shovel.isStatic ? "static" : "dynamic"),
                ("shovel-name", shovel.name),
            ]
            if !shovel.isStatic { table.append(("shovel-vhost", vhost)) }
            table.append(("src-uri", shovel.from.uri(at: source.cluster)))
            table.append(("dest-uri", shovel.to.uri(at: target.cluster)))
            if !shovel.isStatic {
                table += shovel.source.words("src") + shovel.target.words("dest")
            }
            made.headers = made.headers.prepending(
                table.map { FieldValue.Field($0.0, .string($0.1)) },
                to: "x-shovelled"
            )
        }
        if shovel.addsTimestamp {
            let seconds = Int64(turn.now.nanoseconds / 1_000_000_000)
            made.headers = made.headers.setting("x-shovelled-timestamp", .integer(seconds, .long))
        }
    }

    /// - Source: `rabbit_federation_queue_link:update_headers`.
    private func queueHeaders(
        _ headers: [FieldValue.Field],
        _ packet: Packet,
        _ queue: String,
        _ turn: borrowing Turn
    ) -> [FieldValue.Field] {
        let uri = RelayAddress(broker: source.cluster).uri(at: source.cluster)
        let table = [
            FieldValue.Field("uri", .string(uri)), FieldValue.Field("queue", .string(queue)),
        ]
        var made = headers
        var visits: Int64 = 0
        if case .array(let been)? = headers["x-received-from"] {
            let (ours, others) = been.partitioned {
                $0["uri"] == .string(uri) && $0["queue"] == .string(queue)
            }
            visits = ours.first?["visit-count"]?.number ?? 0
            made = made.setting("x-received-from", .array(others))
        } else {
            made = made.setting("x-original-exchange", .string(turn.names[packet.exchange]))
            made = made.setting("x-original-routing-key", .string(turn.names[packet.key]))
        }
        if let index = made.firstIndex(where: { $0.name == "CC" }) {
            made[index].name = "x-original-cc"
        }
        return made.prepending(
            table + [
                FieldValue.Field("redelivered", .bool(packet.has(Flag.redelivered))),
                FieldValue.Field("visit-count", .integer(visits + 1, .long)),
            ],
            to: "x-received-from"
        )
    }
}

extension Shovel.Place {
    /// The place as the header `x-shovelled` names it.
    fileprivate func words(_ end: String) -> [(String, String)] {
        switch self {
        case .queue(let name): [("\(end)-queue", name)]
        case .exchange(let name, let key):
            (name.map { [("\(end)-exchange", $0)] } ?? [])
                + (key.map { [("\(end)-exchange-key", $0)] } ?? [])
        }
    }
}

extension Properties {
    /// Sets a property under its name in AMQP, and what of it a packet carries itself.
    ///
    /// - Source: `rabbit_shovel_parameters:validate_properties`, which knows these and no others.
    fileprivate mutating func set(_ field: FieldValue.Field, _ packet: inout Packet) {
        let text = field.value.text
        switch field.name {
        case "content_type": contentType = text
        case "content_encoding": contentEncoding = text
        case "priority": priority = field.value.number.map { UInt8(clamping: $0) }
        case "correlation_id":
            correlationID = text
            packet.correlation = .none
        case "reply_to":
            replyTo = text
            packet.replyTo = .none
        case "expiration": expiration = text
        case "message_id": messageID = text
        case "timestamp": timestamp = field.value.number.map { UInt64(clamping: $0) }
        case "type": type = text
        case "user_id": userID = text
        case "app_id": appID = text
        case "cluster_id": clusterID = text
        case "delivery_mode":
            let mode = field.value.number.map { UInt8(clamping: $0) }
            packet.flags = mode == 2 ? Flag.persistent : 0
            deliveryMode = mode == 2 ? nil : mode
        default: break
        }
    }
}

extension [FieldValue.Field] {
    /// With a field set, in the order of the names.
    ///
    /// - Source: `rabbit_misc:set_table_value`.
    func setting(_ name: String, _ value: FieldValue) -> [FieldValue.Field] {
        (filter { $0.name != name } + [FieldValue.Field(name, value)]).sortedByName
    }

    /// With a table as the first of those in a field.
    ///
    /// - Source: `rabbit_basic:prepend_table_header`.
    func prepending(_ table: [FieldValue.Field], to name: String) -> [FieldValue.Field] {
        var all: [FieldValue] = [.table(table)]
        if case .array(let before)? = self[name] { all += before }
        return setting(name, .array(all))
    }
}

extension FieldValue {
    /// A field of a table.
    subscript(name: String) -> FieldValue? {
        if case .table(let fields) = self { fields[name] } else { nil }
    }
}

extension [FieldValue] {
    /// Those that a rule holds for, and the others.
    fileprivate func partitioned(by holds: (FieldValue) -> Bool) -> (
        [FieldValue], [FieldValue]
    ) { (filter(holds), filter { !holds($0) }) }
}
