import WarrenKernel
import WarrenTrace

/// From an exchange to queues: bindings between exchanges, alternates, carbon copies.
extension RabbitMQNode {
    func exchangeIndex(_ symbol: Symbol) -> ExchangeIndex {
        exchanges.index(of: symbol)
    }

    func queueIndex(_ symbol: Symbol) -> QueueIndex {
        queues.index(of: symbol)
    }

    func exchangeIndex(_ name: String, _ scope: Symbol, _ names: Names) -> ExchangeIndex {
        names.find(.exchange, name, in: scope).map(exchangeIndex) ?? .none
    }

    func queueIndex(_ name: String, _ scope: Symbol, _ names: Names) -> QueueIndex {
        names.find(.queue, name, in: scope).map(queueIndex) ?? .none
    }

    /// The queues that a message reaches, each once.
    ///
    /// - Source: RMQ-ROUTE-06, -13 to -17 (exchange to exchange), -21 to -28 (alternates), -29 to -33
    ///   (CC and BCC).
    ///
    /// `includingDown`: with queues whose node is down, which get nothing.
    func reach(
        from exchange: ExchangeIndex,
        keys: [String],
        properties: Properties?,
        includingDown: Bool = false,
        _ names: Names
    ) -> [QueueIndex] {
        let headers = properties?.headers ?? []
        var reached: [QueueIndex] = []
        var seenQueues: Set<QueueIndex> = []
        var seenExchanges: Set<ExchangeIndex> = [exchange]
        var line = [exchange]
        var next = 0
        while next < line.count {
            let current = line[next]
            next += 1
            var targets: [Destination] = []
            for key in keys {
                if exchanges[current].declaration.name.isEmpty {
                    // RMQ-ROUTE-01: the default exchange knows every queue by its name.
                    let queue = queueIndex(
                        key,
                        names.entries[Int(exchanges[current].symbol.raw)].scope,
                        names
                    )
                    if queue != .none { targets.append(.queue(queue)) }
                } else {
                    let letter = Letter(
                        key: key,
                        headers: headers,
                        properties: properties,
                        version: settings.version
                    )
                    exchanges[current].type.routes(for: letter, into: &targets)
                }
            }
            if targets.isEmpty, let alternate = exchanges[current].alternate {
                let scope = names.entries[Int(exchanges[current].symbol.raw)].scope
                let index = exchangeIndex(alternate, scope, names)
                if index != .none { targets.append(.exchange(index)) }
            }
            for target in targets {
                switch target {
                case .queue(let queue):
                    // RMQ-PUB-36, RMQ-CLUS-03: a queue whose node is down takes nothing.
                    if seenQueues.insert(queue).inserted,
                        includingDown || !queues[queue].isDown
                    {
                        reached.append(queue)
                    }
                case .exchange(let other):
                    if seenExchanges.insert(other).inserted { line.append(other) }
                }
            }
        }
        return reached
    }

    private mutating func isHeaderDependent(_ exchange: ExchangeIndex, _ names: Names) -> Bool {
        var cache = RouteCache()
        swap(&cache, &router)
        defer { swap(&cache, &router) }
        return cache.dependsOnHeaders(exchange) { dependsOnHeaders(exchange, names) }
    }

    /// Whether the way from an exchange depends on anything but the key.
    private func dependsOnHeaders(_ exchange: ExchangeIndex, _ names: Names) -> Bool {
        var seen: Set<ExchangeIndex> = [exchange]
        var line = [exchange]
        while let current = line.popLast() {
            let type = exchanges[current].declaration.type
            if ["headers", "x-consistent-hash", FederationUpstreamExchange.name].contains(type) {
                return true
            }
            var others = exchanges[current].bindings.compactMap { binding -> ExchangeIndex? in
                guard case .exchange(let index) = binding.destination else { return nil }
                return index
            }
            if let alternate = exchanges[current].alternate {
                let scope = names.entries[Int(exchanges[current].symbol.raw)].scope
                others.append(exchangeIndex(alternate, scope, names))
            }
            for other in others where other != .none && seen.insert(other).inserted {
                line.append(other)
            }
        }
        return false
    }

    /// The queues that a message reaches, from memory if it can be.
    @inline(__always)
    mutating func route(
        _ exchange: ExchangeIndex,
        _ key: Symbol,
        _ parcel: ParcelID,
        _ turn: inout Turn
    )
        throws(Refusal) -> RouteCache.Span
    {
        if parcel == .none, let span = router.find(exchange, key) { return span }
        return try routeAnew(exchange, key, parcel, &turn)
    }

    @inline(never)
    private mutating func routeAnew(
        _ exchange: ExchangeIndex,
        _ key: Symbol,
        _ parcel: ParcelID,
        _ turn: inout Turn
    ) throws(Refusal) -> RouteCache.Span {
        var keys = [turn.names[key]]
        let properties: Properties? = turn.parcels.get(parcel)
        if let properties {
            keys += try Self.carbonCopies(properties.headers)
            try Self.checkMode(properties.deliveryMode)
        }
        let dependent = isHeaderDependent(exchange, turn.names)
        if keys.count == 1, !dependent, let span = router.find(exchange, key) { return span }
        let queues = reach(from: exchange, keys: keys, properties: properties, turn.names)
        if keys.count == 1, !dependent {
            let isPlain = queues.allSatisfy { self.queues[$0].isPlain }
            return router.keep(queues, exchange, key, isPlain: isPlain)
        }
        return router.lend(queues)
    }

    /// - Source: RMQ-PUB-40; `rabbit_basic:is_message_persistent`.
    private static func checkMode(_ mode: UInt8?) throws(Refusal) {
        guard let mode, mode != 1, mode != 2 else { return }
        throw .preconditionFailed("invalid message: {delivery_mode_unknown,\(mode)}")
    }

    /// The further keys that a message names in its headers.
    ///
    /// - Source: RMQ-ROUTE-29, -30, -32, -33.
    static func carbonCopies(_ headers: [FieldValue.Field]) throws(Refusal) -> [String] {
        var keys: [String] = []
        for name in ["CC", "BCC"] {
            guard let value = headers.first(where: { $0.name == name })?.value else { continue }
            guard case .array(let elements) = value else {
                throw .preconditionFailed(
                    "invalid message: {unacceptable_type_in_header,\"\(name)\",\(value.typeWord)}"
                )
            }
            for case .string(let key) in elements { keys.append(key) }
        }
        return keys
    }
}
