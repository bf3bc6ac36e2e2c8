import WarrenKernel
import WarrenTrace

/// Exchanges and bindings: declared, bound, deleted.
extension RabbitMQNode {
    mutating func receiveExchangeMethod(
        _ packet: Packet,
        _ method: Method,
        _ channel: ChannelIndex,
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
            answer(Packet(.exchangeDeleteOk, channel: packet.channel), to: channel, &turn)
        case .exchangeBind, .exchangeUnbind:
            guard let binding: BindingDeclaration = turn.parcels.get(packet.parcel) else { return }
            if method == .exchangeBind {
                try bind(binding, channel, &turn)
                if binding.nowait || channels[channel].isWaiting { return }
                reply(.exchangeBindOk, packet.channel, connection, &turn)
            } else {
                try unbind(binding, channel, &turn)
                if binding.nowait || channels[channel].isWaiting { return }
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
        _ channel: ChannelIndex,
        _ turn: inout Turn
    ) throws(Refusal) {
        let session = sessions[channels[channel].session]
        var wanted = wanted
        wanted.name = wanted.name.withoutLineBreaks
        if !wanted.passive, Exchange.type(named: wanted.type) == nil {
            throw .commandInvalid("unknown exchange type '\(wanted.type)'")
        }
        try refuseDefault(wanted.name)
        let known = exchangeIndex(wanted.name, session.scope, turn.names)
        if wanted.passive {
            guard known != .none else {
                throw .notFound("no exchange '\(wanted.name)' in vhost '\(session.vhost)'")
            }
            return
        }
        try permit(.configure, .exchange, wanted.name, channel)
        if known != .none {
            try compare(wanted, exchanges[known].declaration, session.vhost)
            return
        }
        if wanted.name.hasPrefix("amq.") {
            throw .accessRefused(
                "exchange name '\(wanted.name)' contains reserved prefix 'amq.*'"
            )
        }
        try checkAlternate(wanted, session.vhost)
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

    private func refuseDefault(_ name: String) throws(Refusal) {
        if name.isEmpty {
            throw .accessRefused("operation not permitted on the default exchange")
        }
    }

    private func checkAlternate(_ wanted: ExchangeDeclaration, _ vhost: String) throws(Refusal) {
        let name = "alternate-exchange"
        guard let value = wanted.arguments[name], value.text == nil else { return }
        throw .preconditionFailed(
            "invalid type '\(value.typeWord)' for arg '\(name)' in exchange '\(wanted.name)' in "
                + "vhost '\(vhost)'"
        )
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
        try check("type", Erlang.atom(wanted.type), Erlang.atom(current.type))
        try check("durable", "\(wanted.durable)", "\(current.durable)")
        try check("auto_delete", "\(wanted.autoDelete)", "\(current.autoDelete)")
        try check("internal", "\(wanted.isInternal)", "\(current.isInternal)")
        try QueueArguments.compare(
            "alternate-exchange",
            wanted.alternate.map { .string($0) } ?? wanted.arguments["alternate-exchange"],
            current.alternate.map { .string($0) } ?? current.arguments["alternate-exchange"],
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
        var made = Exchange(symbol: symbol, scope: scope, declaration: declaration, type: type)
        made.alternate = alternate(for: declaration, scope)
        _ = exchanges.append(made, named: symbol)
        router.forget()
    }

    func storeExchange(_ declaration: ExchangeDeclaration, _ scope: Symbol, _ turn: inout Turn) {
        guard declaration.durable else { return }
        let symbol = turn.names.intern(.exchange, declaration.name, in: scope)
        var packet = Packet()
        packet.parcel = turn.parcels.put(Stored(scope: scope, value: declaration))
        turn.store(packet, at: DiskKey.exchange(symbol), as: numbers.lastWrite)
    }

    /// - Source: RMQ-DECL-35 to -37.
    private mutating func deleteExchange(
        _ packet: Packet,
        _ channel: ChannelIndex,
        _ turn: inout Turn
    ) throws(Refusal) {
        let session = sessions[channels[channel].session]
        let name = turn.names[packet.subject].withoutLineBreaks
        try refuseDefault(name)
        if name.hasPrefix("amq.") {
            throw .accessRefused(
                "deletion of system exchange '\(name)' in vhost '\(session.vhost)' not allowed"
            )
        }
        try permit(.configure, .exchange, name, channel)
        let exchange = exchangeIndex(name, session.scope, turn.names)
        guard exchange != .none else { return }
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
        _ channel: ChannelIndex,
        _ turn: inout Turn
    ) {
        guard !channels[channel].isSecondTry else { return }
        wait(channel, for: .change)
        propose(change, then: .again(channel: channel, packet), &turn)
    }

    mutating func removeExchange(_ exchange: ExchangeIndex, _ turn: inout Turn) {
        guard exchanges[exchange].exists else { return }
        exchanges[exchange].exists = false
        exchanges.forget(exchanges[exchange].symbol)
        for binding in exchanges[exchange].bindings {
            turn.erase(binding.diskKey)
            if !isClustered { tellRemoval(binding, exchange, &turn) }
        }
        exchanges[exchange].removeAll()
        turn.erase(DiskKey.exchange(exchanges[exchange].symbol))
        router.forget()
        removeBindings(to: .exchange(exchange), &turn)
    }

    /// The two ends of a binding.
    private struct Ends {
        var source: ExchangeIndex
        var destination: Destination
    }

    /// A binding as the broker keeps it: names without line breaks, arguments sorted, and an empty key for the queue
    /// last declared, if that is meant, its name.
    ///
    /// - Source: RMQ-DECL-04; `rabbit_channel:expand_shortcuts`, `binding_action`.
    private func complete(_ wanted: BindingDeclaration, _ channel: ChannelIndex) throws(Refusal)
        -> BindingDeclaration
    {
        var binding = wanted
        if !wanted.toExchange, wanted.destination.isEmpty {
            binding.destination = try expandName("", channel)
            if wanted.key.isEmpty { binding.key = binding.destination }
        }
        binding.source = binding.source.withoutLineBreaks
        binding.destination = binding.destination.withoutLineBreaks
        binding.arguments = binding.arguments.sortedByName
        return binding
    }

    /// Refuses who may not bind, and what nobody may bind; looks at whether the ends are there.
    ///
    /// - Returns: the ends, or the first that is not there.
    /// - Source: RMQ-PERM-05, -14, -15; RMQ-DECL-41.
    private mutating func findEnds(
        _ binding: BindingDeclaration,
        _ channel: ChannelIndex,
        _ names: Names
    ) throws(Refusal) -> Result<Ends, Refusal> {
        let session = sessions[channels[channel].session]
        try permit(
            .write,
            binding.toExchange ? .exchange : .queue,
            binding.destination,
            channel
        )
        if binding.toExchange { try refuseDefault(binding.destination) }
        try refuseDefault(binding.source)
        try permit(.read, .exchange, binding.source, channel)
        let source = exchangeIndex(binding.source, session.scope, names)
        guard source != .none else {
            return .failure(
                .notFound("no exchange '\(binding.source)' in vhost '\(session.vhost)'")
            )
        }
        try permitTopic(false, source, binding.key, channel)
        if binding.toExchange {
            let other = exchangeIndex(binding.destination, session.scope, names)
            guard other != .none else {
                return .failure(
                    .notFound("no exchange '\(binding.destination)' in vhost '\(session.vhost)'")
                )
            }
            return .success(Ends(source: source, destination: .exchange(other)))
        }
        do throws(Refusal) {
            let queue = try findQueue(binding.destination, channel, names)
            return .success(Ends(source: source, destination: .queue(queue)))
        } catch {
            return .failure(error)
        }
    }

    /// Only the connection that owns an exclusive queue may bind it.
    private func checkAccess(_ destination: Destination, _ channel: ChannelIndex) throws(Refusal) {
        if case .queue(let queue) = destination { try checkAccess(queue, channel) }
    }

    /// - Source: RMQ-HDR-02.
    private func checkMatch(_ arguments: [FieldValue.Field]) throws(Refusal) {
        switch arguments["x-match"] {
        case nil: return
        case .string(let mode)?:
            if HeadersExchange.Mode(rawValue: mode) != nil { return }
            throw .preconditionFailed(
                "Invalid x-match field value \(FieldValue.string(mode).term); "
                    + "expected all, any, all-with-x, or any-with-x"
            )
        case let value?:
            throw .preconditionFailed(
                "Invalid x-match field type \(value.typeWord) (value \(value.term)); "
                    + "expected longstr"
            )
        }
    }

    /// - Source: RMQ-DECL-04, -41, -44; RMQ-ROUTE-07, -08, -19; RMQ-HDR-02.
    mutating func bind(_ wanted: BindingDeclaration, _ channel: ChannelIndex, _ turn: inout Turn)
        throws(Refusal)
    {
        let binding = try complete(wanted, channel)
        let ends = try findEnds(binding, channel, turn.names).get()
        let (source, destination) = (ends.source, ends.destination)
        if exchanges[source].declaration.type == "x-consistent-hash" {
            // RMQ-CHASH-02.
            guard let weight = Int(binding.key) else {
                let printed = binding.key.isEmpty ? "<<>>" : "<<\"\(binding.key)\">>"
                throw .preconditionFailed("The binding key must be an integer: \(printed)")
            }
            if weight < 1 { throw .preconditionFailed("The binding key must be greater than 0") }
        }
        if exchanges[source].declaration.type == "headers" { try checkMatch(binding.arguments) }
        try checkAccess(destination, channel)
        if isClustered {
            guard !exchanges[source].has(binding, destination) else { return }
            tell(.bindingCreated, binding, source, &turn)
            let method: Method = wanted.toExchange ? .exchangeBind : .queueBind
            var packet = Packet(method, channel: channels[channel].number)
            packet.parcel = turn.parcels.put(binding)
            change(
                .addBinding(binding, scope: exchanges[source].scope),
                packet,
                channel,
                &turn
            )
            return
        }
        if !exchanges[source].has(binding, destination) {
            tell(.bindingCreated, binding, source, &turn)
        }
        addBinding(binding, source, destination, &turn)
    }

    private func tell(
        _ kind: FactKind,
        _ binding: BindingDeclaration,
        _ source: ExchangeIndex,
        _ turn: inout Turn
    ) {
        var text = JSONFields()
        text.add(binding.toExchange ? "exchange" : "queue", binding.destination)
        text.add("key", binding.key)
        if !binding.arguments.isEmpty { text.add("arguments", json: binding.arguments.json) }
        turn.record(
            kind,
            subject: exchanges[source].symbol,
            peer: turn.names.intern(.text, text.text).raw
        )
    }

    mutating func addBinding(
        _ binding: BindingDeclaration,
        _ source: ExchangeIndex,
        _ destination: Destination,
        _ turn: inout Turn
    ) {
        assert(exchanges[source].exists, "an exchange is bound that is gone")
        let diskKey = DiskKey.binding(numbers.nextBinding)
        let isNew = exchanges[source].add(
            Exchange.Binding(
                key: binding.key,
                arguments: binding.arguments.sortedByName,
                destination: destination,
                diskKey: diskKey
            )
        )
        guard isNew else { return }
        numbers.takeBinding()
        router.forget()
        guard exchanges[source].declaration.durable, isDurable(destination) else { return }
        var stored = binding
        if case .queue(let queue) = destination {
            stored.destination = queues[queue].declaration.name
        }
        var packet = Packet()
        let scope = turn.names.entries[Int(exchanges[source].symbol.raw)].scope
        packet.parcel = turn.parcels.put(Stored(scope: scope, value: stored))
        turn.store(packet, at: diskKey, as: numbers.lastWrite)
    }

    private func isDurable(_ destination: Destination) -> Bool {
        switch destination {
        case .queue(let queue):
            queues[queue].declaration.durable && queues[queue].owner == .nobody
        case .exchange(let exchange):
            exchanges[exchange].declaration.durable
        }
    }

    /// Takes a binding away; what is not there need not be taken away, and is nobody's to lock.
    ///
    /// - Source: RMQ-DECL-39, -42, -43.
    mutating func unbind(_ wanted: BindingDeclaration, _ channel: ChannelIndex, _ turn: inout Turn)
        throws(Refusal)
    {
        let binding = try complete(wanted, channel)
        guard case .success(let ends) = try findEnds(binding, channel, turn.names) else { return }
        let (source, destination) = (ends.source, ends.destination)
        guard
            let index = exchanges[source].bindings.firstIndex(where: {
                $0.key == binding.key && $0.arguments == binding.arguments
                    && $0.destination == destination
            })
        else { return }
        try checkAccess(destination, channel)
        if isClustered {
            tell(.bindingDeleted, binding, source, &turn)
            let method: Method = binding.toExchange ? .exchangeUnbind : .queueUnbind
            var packet = Packet(method, channel: channels[channel].number)
            packet.parcel = turn.parcels.put(binding)
            change(
                .removeBinding(binding, scope: exchanges[source].scope),
                packet,
                channel,
                &turn
            )
            return
        }
        removeBinding(index, of: source, &turn)
    }

    mutating func removeBinding(_ index: Int, of source: ExchangeIndex, _ turn: inout Turn) {
        let binding = exchanges[source].remove(at: index)
        turn.erase(binding.diskKey)
        if !isClustered { tellRemoval(binding, source, &turn) }
        router.forget()
        // RMQ-DECL-39: an auto-delete exchange goes with its last outgoing binding.
        if exchanges[source].declaration.autoDelete, exchanges[source].bindings.isEmpty {
            removeExchange(source, &turn)
        }
    }

    /// - Differs: in a cluster it is told only of what a client unbinds.
    private func tellRemoval(
        _ binding: Exchange.Binding,
        _ source: ExchangeIndex,
        _ turn: inout Turn
    ) {
        var gone = BindingDeclaration(source: "", destination: "", key: binding.key)
        gone.arguments = binding.arguments
        switch binding.destination {
        case .queue(let queue): gone.destination = queues[queue].declaration.name
        case .exchange(let exchange):
            gone.destination = exchanges[exchange].declaration.name
            gone.toExchange = true
        }
        tell(.bindingDeleted, gone, source, &turn)
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
