import WarrenKernel
import WarrenTrace

/// What the link of a federated exchange does at its upstream: a queue that buffers, an internal exchange that knows where
/// a message has been, and the bindings of the exchange, carried there.
///
/// - Source: RMQ-FED-01 to -03, -07; rabbitmq_federation 3.10.8, `rabbit_federation_exchange_link`.
struct ExchangeLink: Sendable {
    let exchange: ExchangeDeclaration
    private let upstream: Upstream
    private let source: RelaySite
    private let target: RelaySite
    private let cluster: String
    /// Whether the internal exchange is called A, and not B: a link that comes back makes another one.
    private(set) var isA: Bool

    init(
        _ exchange: ExchangeDeclaration,
        _ upstream: Upstream,
        _ source: RelaySite,
        _ target: RelaySite,
        _ cluster: String,
        usesA: Bool
    ) {
        isA = usesA
        self.exchange = exchange
        self.upstream = upstream
        self.source = source
        self.target = target
        self.cluster = cluster
    }

    // MARK: Names

    private var upstreamName: String { upstream.exchange ?? exchange.name }

    /// The queue at the upstream: `federation: X -> cluster`, and where the exchange is if it is not at the same place.
    private var queue: String {
        Self.queueName(exchange.name, target.vhost, of: cluster, at: upstreamName, source.vhost)
    }

    /// - Source: RMQ-FED-02; `rabbit_federation_exchange_link:upstream_queue_name`.
    static func queueName(
        _ exchange: String,
        _ vhost: String,
        of cluster: String,
        at upstream: String,
        _ upstreamVhost: String
    ) -> String {
        let place =
            vhost != upstreamVhost
            ? ":\(vhost):\(exchange)" : exchange != upstream ? ":\(exchange)" : ""
        return "federation: \(upstream) -> \(cluster)\(place)"
    }

    private var internalExchange: String { "\(queue) \(isA ? "A" : "B")" }

    // MARK: What is declared

    /// What is asked for before the link runs.
    mutating func steps(_ wish: RelayWish, _ turn: inout Turn) -> [RelayEnd.Step] {
        let old = internalExchange
        isA.toggle()
        var steps: [RelayEnd.Step] = [
            .call(Packet(.channelOpen, channel: RelayEnd.commands)), declareQueue(&turn),
        ]
        if upstream.ackMode != .noAck {
            var qos = Packet(.basicQos, channel: RelayEnd.channel)
            qos.c = upstream.prefetch
            steps.append(.call(qos))
        }
        var consume = Packet(.basicConsume, channel: RelayEnd.channel)
        consume.subject = turn.names.intern(.queue, queue, in: source.scope)
        consume.flags = upstream.ackMode == .noAck ? Flag.noAck : 0
        steps.append(.call(consume))
        steps += declareExchanges(&turn)
        var bind = Packet(.queueBind, channel: RelayEnd.commands)
        bind.parcel = turn.parcels.put(
            BindingDeclaration(source: internalExchange, destination: queue, key: "")
        )
        steps.append(.call(bind))
        for binding in bindings(wish) {
            steps.append(.call(packet(.exchangeBind, binding, &turn)))
        }
        steps.append(.call(delete(old, &turn)))
        return steps
    }

    private func declareQueue(_ turn: inout Turn) -> RelayEnd.Step {
        var wanted = QueueDeclaration(name: queue)
        if let expires = upstream.expires {
            wanted.arguments.append(FieldValue.Field("x-expires", .integer(expires, .long)))
        }
        if let ttl = upstream.messageTTL {
            wanted.arguments.append(FieldValue.Field("x-message-ttl", .integer(ttl, .long)))
        }
        wanted.arguments.append(Self.purpose)
        return .call(RelayScript.declare(wanted, &turn))
    }

    private static let purpose = FieldValue.Field("x-internal-purpose", .string("federation"))

    /// The exchange of the upstream, if it is missing, and an internal one instead of the last.
    private func declareExchanges(_ turn: inout Turn) -> [RelayEnd.Step] {
        var wanted = exchange
        wanted.name = upstreamName
        var look = wanted
        look.passive = true
        var inner = ExchangeDeclaration(
            name: internalExchange,
            type: FederationUpstreamExchange.name
        )
        inner.isInternal = true
        inner.autoDelete = true
        inner.arguments = [
            FieldValue.Field("x-max-hops", .integer(upstream.maxHops, .long)),
            FieldValue.Field("x-downstream-name", .string(cluster)),
            FieldValue.Field("x-downstream-vhost", .string(target.vhost)), Self.purpose,
        ]
        return [
            .ensure(look: declare(look, &turn), make: declare(wanted, &turn)),
            .call(delete(internalExchange, &turn)), .call(declare(inner, &turn)),
        ]
    }

    private func declare(_ wanted: ExchangeDeclaration, _ turn: inout Turn) -> Packet {
        var packet = Packet(.exchangeDeclare, channel: RelayEnd.commands)
        packet.parcel = turn.parcels.put(wanted)
        return packet
    }

    private func delete(_ name: String, _ turn: inout Turn) -> Packet {
        var packet = Packet(.exchangeDelete, channel: RelayEnd.commands)
        packet.subject = turn.names.intern(.exchange, name, in: source.scope)
        return packet
    }

    /// What takes the queue and the internal exchange away.
    func remains(_ turn: inout Turn) -> [Packet] {
        var packet = Packet(.queueDelete, channel: RelayEnd.commands)
        packet.subject = turn.names.intern(.queue, queue, in: source.scope)
        return [packet, delete(internalExchange, &turn)]
    }

    // MARK: Bindings

    /// The bindings at the upstream that those of the exchange ask for, each once.
    private func bindings(_ wish: RelayWish) -> [BindingDeclaration] {
        guard case .exchange(_, _, let all) = wish.task else { return [] }
        var made: [BindingDeclaration] = []
        for binding in all {
            guard let arguments = carried(binding.arguments) else { continue }
            var wanted = BindingDeclaration(
                source: upstreamName,
                destination: internalExchange,
                key: binding.key
            )
            wanted.toExchange = true
            wanted.arguments = arguments
            if !made.contains(wanted) { made.append(wanted) }
        }
        return made
    }

    /// The arguments of a binding, with where it comes from; nil if it has come far enough, or back to where it was.
    private func carried(_ arguments: [FieldValue.Field]) -> [FieldValue.Field]? {
        var hops = upstream.maxHops
        if case .array(let before)? = arguments["x-bound-from"] {
            if Self.hasSeen(before, source.cluster, source.vhost) { return nil }
            hops = min((before.first?["hops"]?.number ?? 0) - 1, hops)
        }
        guard hops > 0 else { return nil }
        let place = "\(target.vhost):\(exchange.name) \(isA ? "A" : "B")"
        return arguments.prepending(
            [
                FieldValue.Field("cluster-name", .string(cluster)),
                FieldValue.Field("vhost", .string(target.vhost)),
                FieldValue.Field("exchange", .string(place)),
                FieldValue.Field("hops", .integer(hops, .short)),
            ],
            to: "x-bound-from"
        )
    }

    private func packet(_ method: Method, _ binding: BindingDeclaration, _ turn: inout Turn)
        -> Packet
    {
        var packet = Packet(method, channel: RelayEnd.commands)
        packet.parcel = turn.parcels.put(binding)
        return packet
    }

    /// What makes the bindings those of another wish.
    func changes(from before: RelayWish, to wish: RelayWish, _ turn: inout Turn) -> [Packet] {
        let (old, new) = (bindings(before), bindings(wish))
        guard old != new else { return [] }
        let gone = old.filter { !new.contains($0) }.map { packet(.exchangeUnbind, $0, &turn) }
        return gone + new.filter { !old.contains($0) }.map { packet(.exchangeBind, $0, &turn) }
    }

    // MARK: Messages

    /// Whether a message with these headers may come here.
    func passes(_ headers: [FieldValue.Field]) -> Bool {
        Self.passes(headers, upstream.maxHops, cluster, target.vhost)
    }

    /// Whether a message may go to a cluster: it has not crossed too many links, and was not there before.
    ///
    /// - Source: RMQ-FED-03; `rabbit_federation_util:should_forward`.
    static func passes(
        _ headers: [FieldValue.Field],
        _ maxHops: Int64,
        _ cluster: String,
        _ vhost: String
    ) -> Bool {
        guard case .array(let been)? = headers["x-received-from"] else { return true }
        return been.count < maxHops && !hasSeen(been, cluster, vhost)
    }

    private static func hasSeen(_ been: [FieldValue], _ cluster: String, _ vhost: String) -> Bool {
        been.contains { $0["cluster-name"] == .string(cluster) && $0["vhost"] == .string(vhost) }
    }

    /// The headers of a message that comes from the upstream.
    ///
    /// - Source: RMQ-FED-01; `rabbit_federation_exchange_link:update_routing_headers`.
    func headers(_ headers: [FieldValue.Field], redelivered: Bool) -> [FieldValue.Field] {
        let uri = upstream.address.uri(at: source.cluster)
        return headers.prepending(
            [
                FieldValue.Field("uri", .string(uri)),
                FieldValue.Field("exchange", .string(exchange.name)),
                FieldValue.Field("redelivered", .bool(redelivered)),
                FieldValue.Field("cluster-name", .string(source.cluster)),
                FieldValue.Field("vhost", .string(source.vhost)),
            ],
            to: "x-received-from"
        )
    }
}
