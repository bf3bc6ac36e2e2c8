import WarrenTrace

/// Upstreams and shovels as the runtime parameters that a broker keeps of them.
extension RelayDefinitions {
    /// The parameters: sets after the upstreams, shovels last.
    ///
    /// A static shovel is none: it stands in the configuration.
    var parameters: [DefinitionSet.Parameter] {
        upstreams.map {
            DefinitionSet.Parameter(
                component: "federation-upstream",
                name: $0.name,
                value: $0.value
            )
        }
            + sets.map {
                DefinitionSet.Parameter(
                    component: "federation-upstream-set",
                    name: $0.name,
                    value: $0.value
                )
            }
            + shovels.filter { !$0.isStatic }.map {
                DefinitionSet.Parameter(component: "shovel", name: $0.name, value: $0.value)
            }
    }
}

extension RelayAddress {
    /// The address as a URI: the broker's name in the place of its host.
    fileprivate var value: FieldValue { .string(uri(at: broker)) }
}

extension Upstream {
    /// What is not as it is by default.
    fileprivate var value: FieldValue {
        var fields = Fields()
        fields.add("uri", address.value)
        fields.add("exchange", exchange)
        fields.add("queue", queue)
        if ackMode != .onConfirm { fields.add("ack-mode", ackMode.rawValue) }
        if prefetch != 1000 { fields.add("prefetch-count", number: Int64(prefetch)) }
        if reconnectDelay != .seconds(5) { fields.add("reconnect-delay", reconnectDelay) }
        if maxHops != 1 { fields.add("max-hops", number: maxHops) }
        if let expires { fields.add("expires", number: expires) }
        if let messageTTL { fields.add("message-ttl", number: messageTTL) }
        if trustsUser { fields.add("trust-user-id", .bool(true)) }
        if !cleansUp { fields.add("resource-cleanup-mode", "never") }
        return .table(fields.all)
    }
}

extension UpstreamSet {
    fileprivate var value: FieldValue {
        .array(
            members.map { member in
                var fields = Fields()
                fields.add("upstream", member.upstream)
                fields.add("exchange", member.exchange)
                fields.add("queue", member.queue)
                return .table(fields.all)
            }
        )
    }
}

extension Shovel {
    fileprivate var value: FieldValue {
        var fields = Fields()
        fields.add("src-uri", from.value)
        fields.add(source, "src")
        if !sourceArguments.isEmpty { fields.add("src-queue-args", .table(sourceArguments)) }
        if prefetch != 1000 { fields.add("src-prefetch-count", number: Int64(prefetch)) }
        switch end {
        case .never: break
        case .queueLength: fields.add("src-delete-after", "queue-length")
        case .after(let count): fields.add("src-delete-after", number: Int64(clamping: count))
        }
        fields.add("dest-uri", to.value)
        fields.add(target, "dest")
        if !targetArguments.isEmpty { fields.add("dest-queue-args", .table(targetArguments)) }
        if addsForwardHeaders { fields.add("dest-add-forward-headers", .bool(true)) }
        if addsTimestamp { fields.add("dest-add-timestamp-header", .bool(true)) }
        if !properties.isEmpty { fields.add("dest-publish-properties", .table(properties)) }
        if ackMode != .onConfirm { fields.add("ack-mode", ackMode.rawValue) }
        if reconnectDelay != .seconds(5) { fields.add("reconnect-delay", reconnectDelay ?? .zero) }
        return .table(fields.all)
    }
}

/// The fields of a parameter in the making.
private struct Fields {
    private(set) var all: [FieldValue.Field] = []

    mutating func add(_ name: String, _ value: FieldValue) {
        all.append(FieldValue.Field(name, value))
    }

    mutating func add(_ name: String, _ text: String?) {
        if let text { add(name, .string(text)) }
    }

    mutating func add(_ name: String, number: Int64) { add(name, .int(number)) }

    /// Seconds, whole if they are.
    mutating func add(_ name: String, _ delay: Interval) {
        let seconds = Double(delay.nanoseconds) / 1e9
        add(name, Int64(exactly: seconds).map { .int($0) } ?? .double(seconds))
    }

    mutating func add(_ place: Shovel.Place, _ end: String) {
        switch place {
        case .queue(let name): add("\(end)-queue", name)
        case .exchange(let name, let key):
            add("\(end)-exchange", name)
            add("\(end)-exchange-key", key)
        }
    }
}
