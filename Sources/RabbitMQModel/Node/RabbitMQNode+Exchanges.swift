import WarrenKernel
import WarrenTrace

/// Exchanges and bindings: declared, bound, deleted.
extension RabbitMQNode {
    mutating func receiveExchangeMethod(
        _ packet: Packet,
        _ method: Method,
        _ channel: Int,
        _ turn: inout Turn
    ) throws(Refusal) {
        let connection = channels[channel].connection
        switch method {
        case .exchangeDeclare:
            guard let wanted: ExchangeDeclaration = turn.parcels.get(packet.parcel) else { return }
            try declareExchange(wanted, packet, channel, &turn)
            if wanted.nowait || channels[channel].isWaiting { return }
            reply(.exchangeDeclareOk, packet.channel, connection, &turn)
        case .exchangeDelete:
            try deleteExchange(packet, channel, &turn)
            if channels[channel].isWaiting { return }
            reply(.exchangeDeleteOk, packet.channel, connection, &turn)
        case .exchangeBind, .exchangeUnbind:
            guard let binding: BindingDeclaration = turn.parcels.get(packet.parcel) else { return }
            if method == .exchangeBind {
                try bind(binding, channel, &turn)
                if channels[channel].isWaiting { return }
                reply(.exchangeBindOk, packet.channel, connection, &turn)
            } else {
                try unbind(binding, channel, &turn)
                if channels[channel].isWaiting { return }
                reply(.exchangeUnbindOk, packet.channel, connection, &turn)
            }
        default:
            preconditionFailure("\(method) is not an exchange method")
        }
    }

    /// - Source: RMQ-DECL-21, -31 to -35.
    private mutating func declareExchange(
        _ wanted: ExchangeDeclaration,
        _ packet: Packet,
        _ channel: Int,
        _ turn: inout Turn
    ) throws(Refusal) {
        let session = sessions[Int(channels[channel].session)]
        if wanted.name.isEmpty {
            throw .accessRefused("operation not permitted on the default exchange")
        }
        let known = exchangeIndex(wanted.name, session.scope, turn.names)
        if wanted.passive {
            guard known >= 0 else {
                throw .notFound("no exchange '\(wanted.name)' in vhost '\(session.vhost)'")
            }
            return
        }
        guard Exchange.type(named: wanted.type) != nil else {
            throw .commandInvalid("unknown exchange type '\(wanted.type)'")
        }
        try permit(.configure, .exchange, wanted.name, channel)
        if known >= 0 {
            try compare(wanted, exchanges[known].declaration, session.vhost)
            return
        }
        if wanted.name.hasPrefix("amq.") {
            throw .accessRefused(
                "exchange name '\(wanted.name)' contains reserved prefix 'amq.*'"
            )
        }
        if let alternate = wanted.alternate {
            try permit(.read, .exchange, wanted.name, channel)
            try permit(.write, .exchange, alternate, channel)
        }
        try checkHashArguments(wanted)
        if isClustered {
            change(.addExchange(wanted, scope: session.scope), packet, channel, &turn)
            return
        }
        addExchange(wanted, session.scope, turn: &turn)
        storeExchange(wanted, session.scope, &turn)
    }

    private func compare(
        _ wanted: ExchangeDeclaration,
        _ current: ExchangeDeclaration,
        _ vhost: String
    ) throws(Refusal) {
        func check(_ name: String, _ received: String, _ known: String) throws(Refusal) {
            guard received != known else { return }
            throw .preconditionFailed(
                "inequivalent arg '\(name)' for exchange '\(wanted.name)' in vhost '\(vhost)': "
                    + "received '\(received)' but current is '\(known)'"
            )
        }
        try check("type", wanted.type, current.type)
        try check("durable", "\(wanted.durable)", "\(current.durable)")
        try check("auto_delete", "\(wanted.autoDelete)", "\(current.autoDelete)")
        try check("internal", "\(wanted.isInternal)", "\(current.isInternal)")
        try QueueArguments.compare(
            "alternate-exchange",
            wanted.alternate.map { .string($0) },
            current.alternate.map { .string($0) },
            "exchange '\(wanted.name)' in vhost '\(vhost)'"
        )
    }

    /// - Source: RMQ-CHASH-03; the texts are those of the plugin for 3.10.8.
    private func checkHashArguments(_ wanted: ExchangeDeclaration) throws(Refusal) {
        guard wanted.type == "x-consistent-hash" else { return }
        let header = wanted.arguments.first { $0.name == "hash-header" }
        let property = wanted.arguments.first { $0.name == "hash-property" }
        if header != nil, property != nil {
            throw .preconditionFailed("hash-header and hash-property are mutually exclusive")
        }
        if let name = property?.value.text, !ConsistentHashExchange.properties.contains(name) {
            throw .preconditionFailed("Unsupported property: \(name)")
        }
    }

    mutating func addExchange(
        _ declaration: ExchangeDeclaration,
        _ scope: Symbol,
        turn: inout Turn
    ) {
        let symbol = turn.names.intern(.exchange, declaration.name, in: scope)
        let type =
            Exchange.type(named: declaration.type, declaration.arguments) ?? DirectExchange()
        while exchangeOf.count <= Int(symbol.raw) { exchangeOf.append(-1) }
        exchangeOf[Int(symbol.raw)] = Int32(exchanges.count)
        var made = Exchange(symbol: symbol, scope: scope, declaration: declaration, type: type)
        made.alternate = alternate(for: declaration, scope)
        exchanges.append(made)
        router.forget()
    }

    func storeExchange(_ declaration: ExchangeDeclaration, _ scope: Symbol, _ turn: inout Turn) {
        guard declaration.durable else { return }
        let symbol = turn.names.intern(.exchange, declaration.name, in: scope)
        var packet = Packet()
        packet.parcel = turn.parcels.put(Stored(scope: scope, value: declaration))
        turn.store(packet, at: DiskKey.exchange(symbol), as: WriteID(writeCount))
    }

    /// - Source: RMQ-DECL-35 to -37.
    private mutating func deleteExchange(
        _ packet: Packet,
        _ channel: Int,
        _ turn: inout Turn
    ) throws(Refusal) {
        let session = sessions[Int(channels[channel].session)]
        let name = turn.names[packet.subject]
        if name.isEmpty {
            throw .accessRefused("operation not permitted on the default exchange")
        }
        if name.hasPrefix("amq.") {
            throw .accessRefused("exchange name '\(name)' contains reserved prefix 'amq.*'")
        }
        try permit(.configure, .exchange, name, channel)
        let exchange = exchangeIndex(name, session.scope, turn.names)
        guard exchange >= 0 else { return }
        if packet.has(Flag.ifUnused), !exchanges[exchange].bindings.isEmpty {
            throw .preconditionFailed("exchange '\(name)' in vhost '\(session.vhost)' in use")
        }
        if isClustered {
            change(.deleteExchange(name: name, scope: session.scope), packet, channel, &turn)
            return
        }
        removeExchange(exchange, &turn)
    }

    /// Has all nodes make a change, and receives what asked for it once more.
    private mutating func change(
        _ change: MetadataChange,
        _ packet: Packet,
        _ channel: Int,
        _ turn: inout Turn
    ) {
        guard !channels[channel].isSecondTry else { return }
        wait(channel, for: -2)
        propose(change, then: .again(channel: channel, packet), &turn)
    }

    mutating func removeExchange(_ exchange: Int, _ turn: inout Turn) {
        guard exchanges[exchange].exists else { return }
        exchanges[exchange].exists = false
        exchangeOf[Int(exchanges[exchange].symbol.raw)] = -1
        for binding in exchanges[exchange].bindings { turn.erase(binding.diskKey) }
        exchanges[exchange].removeAll()
        turn.erase(DiskKey.exchange(exchanges[exchange].symbol))
        router.forget()
        removeBindings(to: .exchange(Int32(exchange)), &turn)
    }

    /// The two ends of a binding, or the broker's refusal.
    private func ends(_ binding: BindingDeclaration, _ channel: Int, _ names: Names)
        throws(Refusal) -> (source: Int, destination: Destination)
    {
        let session = sessions[Int(channels[channel].session)]
        if binding.source.isEmpty || binding.toExchange && binding.destination.isEmpty {
            throw .accessRefused("operation not permitted on the default exchange")
        }
        let source = exchangeIndex(binding.source, session.scope, names)
        guard source >= 0 else {
            throw .notFound("no exchange '\(binding.source)' in vhost '\(session.vhost)'")
        }
        if binding.toExchange {
            let other = exchangeIndex(binding.destination, session.scope, names)
            guard other >= 0 else {
                throw .notFound("no exchange '\(binding.destination)' in vhost '\(session.vhost)'")
            }
            return (source, .exchange(Int32(other)))
        }
        let symbol = names.find(.queue, binding.destination, in: session.scope) ?? .none
        let queue: Int
        if binding.destination.isEmpty {
            queue = try expandQueue(.none, channel, names)
        } else {
            queue = queueIndex(symbol)
            guard queue >= 0 else {
                throw .notFound("no queue '\(binding.destination)' in vhost '\(session.vhost)'")
            }
            try checkHome(queue)
        }
        try checkAccess(queue, channel)
        return (source, .queue(Int32(queue)))
    }

    /// - Source: RMQ-DECL-04, -41, -44; RMQ-ROUTE-07, -08, -19; RMQ-HDR-02.
    mutating func bind(_ wanted: BindingDeclaration, _ channel: Int, _ turn: inout Turn)
        throws(Refusal)
    {
        let (source, destination) = try ends(wanted, channel, turn.names)
        try permitBinding(source, destination, wanted.key, channel)
        var binding = wanted
        if case .queue(let queue) = destination, wanted.destination.isEmpty, wanted.key.isEmpty {
            binding.key = queues[Int(queue)].declaration.name
        }
        if exchanges[source].declaration.type == "x-consistent-hash" {
            // RMQ-CHASH-02.
            guard let weight = Int(binding.key) else {
                let printed = binding.key.isEmpty ? "<<>>" : "<<\"\(binding.key)\">>"
                throw .preconditionFailed("The binding key must be an integer: \(printed)")
            }
            if weight < 1 { throw .preconditionFailed("The binding key must be greater than 0") }
        }
        if exchanges[source].declaration.type == "headers" {
            let mode = HeadersExchange.mode(of: binding.arguments)
            let isText = binding.arguments.allSatisfy {
                if $0.name != "x-match" { return true }
                if case .string = $0.value { return true }
                return false
            }
            guard isText, ["all", "any", "all-with-x", "any-with-x"].contains(mode) else {
                throw .preconditionFailed(
                    "Invalid x-match field value <<\"\(mode)\">>; "
                        + "expected all, any, all-with-x, or any-with-x"
                )
            }
        }
        if isClustered {
            if case .queue(let queue) = destination {
                binding.destination = queues[Int(queue)].declaration.name
            }
            guard !exchanges[source].has(binding, destination) else { return }
            let method: Method = wanted.toExchange ? .exchangeBind : .queueBind
            var packet = Packet(method, channel: channels[channel].number)
            packet.parcel = turn.parcels.put(wanted)
            change(
                .addBinding(binding, scope: exchanges[source].scope),
                packet,
                channel,
                &turn
            )
            return
        }
        addBinding(binding, source, destination, &turn)
    }

    /// - Source: RMQ-PERM-05, -14.
    private mutating func permitBinding(
        _ source: Int,
        _ destination: Destination,
        _ key: String,
        _ channel: Int
    ) throws(Refusal) {
        switch destination {
        case .queue(let queue):
            try permit(.write, .queue, queues[Int(queue)].declaration.name, channel)
        case .exchange(let exchange):
            try permit(.write, .exchange, exchanges[Int(exchange)].declaration.name, channel)
        }
        try permit(.read, .exchange, exchanges[source].declaration.name, channel)
        try permitTopic(false, source, key, channel)
    }

    mutating func addBinding(
        _ binding: BindingDeclaration,
        _ source: Int,
        _ destination: Destination,
        _ turn: inout Turn
    ) {
        let diskKey = DiskKey.binding(bindingCount + 1)
        let isNew = exchanges[source].add(
            Exchange.Binding(
                key: binding.key,
                arguments: binding.arguments,
                destination: destination,
                diskKey: diskKey
            )
        )
        guard isNew else { return }
        bindingCount += 1
        router.forget()
        guard exchanges[source].declaration.durable, isDurable(destination) else { return }
        var stored = binding
        if case .queue(let queue) = destination {
            stored.destination = queues[Int(queue)].declaration.name
        }
        var packet = Packet()
        let scope = turn.names.entries[Int(exchanges[source].symbol.raw)].scope
        packet.parcel = turn.parcels.put(Stored(scope: scope, value: stored))
        turn.store(packet, at: diskKey, as: WriteID(writeCount))
    }

    private func isDurable(_ destination: Destination) -> Bool {
        switch destination {
        case .queue(let queue):
            queues[Int(queue)].declaration.durable && queues[Int(queue)].owner == -1
        case .exchange(let exchange):
            exchanges[Int(exchange)].declaration.durable
        }
    }

    /// - Source: RMQ-DECL-39, -42, -43.
    mutating func unbind(_ binding: BindingDeclaration, _ channel: Int, _ turn: inout Turn)
        throws(Refusal)
    {
        let session = sessions[Int(channels[channel].session)]
        if binding.source.isEmpty {
            throw .accessRefused("operation not permitted on the default exchange")
        }
        // RMQ-DECL-43: an exchange that does not exist is no error here.
        guard exchangeIndex(binding.source, session.scope, turn.names) >= 0 else { return }
        let (source, destination) = try ends(binding, channel, turn.names)
        guard
            let index = exchanges[source].bindings.firstIndex(where: {
                $0.key == binding.key && $0.arguments == binding.arguments
                    && $0.destination == destination
            })
        else { return }
        if isClustered {
            var told = binding
            if case .queue(let queue) = destination {
                told.destination = queues[Int(queue)].declaration.name
            }
            let method: Method = binding.toExchange ? .exchangeUnbind : .queueUnbind
            var packet = Packet(method, channel: channels[channel].number)
            packet.parcel = turn.parcels.put(binding)
            change(
                .removeBinding(told, scope: exchanges[source].scope),
                packet,
                channel,
                &turn
            )
            return
        }
        removeBinding(index, of: source, &turn)
    }

    mutating func removeBinding(_ index: Int, of source: Int, _ turn: inout Turn) {
        let binding = exchanges[source].remove(at: index)
        turn.erase(binding.diskKey)
        router.forget()
        // RMQ-DECL-39: an auto-delete exchange goes with its last outgoing binding.
        if exchanges[source].declaration.autoDelete, exchanges[source].bindings.isEmpty {
            removeExchange(source, &turn)
        }
    }

    /// Takes away every binding that leads to what is being deleted.
    ///
    /// - Source: RMQ-DECL-40, -47; RMQ-ROUTE-18.
    mutating func removeBindings(to destination: Destination, _ turn: inout Turn) {
        for source in exchanges.indices where exchanges[source].exists {
            while let index = exchanges[source].bindings.firstIndex(where: {
                $0.destination == destination
            }) {
                removeBinding(index, of: source, &turn)
            }
        }
    }
}
