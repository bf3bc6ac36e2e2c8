import WarrenTrace

/// Where a binding leads.
package enum Destination: Hashable, Sendable {
    case queue(QueueIndex)
    case exchange(ExchangeIndex)
}

/// What an exchange looks at in a message.
package struct Letter {
    package var key: String
    package var headers: [FieldValue.Field]
    var properties: Properties?
    package var version = Version.v3_10

    init(
        key: String,
        headers: [FieldValue.Field],
        properties: Properties? = nil,
        version: Version = .v3_10
    ) {
        self.key = key
        self.headers = headers
        self.properties = properties
        self.version = version
    }

    /// A message with a key and headers.
    package init(key: String, headers: [FieldValue.Field] = [], for version: Version) {
        self.init(key: key, headers: headers, version: version)
    }
}

/// A way of choosing among bindings; one file for each.
package protocol ExchangeType: Sendable {
    /// Adds a binding. Adding one that is there changes nothing.
    mutating func bind(_ key: String, _ arguments: [FieldValue.Field], to destination: Destination)
    /// Takes a binding away.
    mutating func unbind(
        _ key: String,
        _ arguments: [FieldValue.Field],
        from destination: Destination
    )
    /// Where a message goes; a destination may be named more than once.
    func routes(for letter: Letter, into targets: inout [Destination])
}

/// An exchange of a broker, with its bindings.
package struct Exchange: Sendable {
    var symbol: Symbol
    var scope: Symbol
    var declaration: ExchangeDeclaration
    /// The alternate exchange: its argument, or its policy's.
    var alternate: String?
    var type: any ExchangeType
    private(set) var bindings: [Binding] = []
    /// The same bindings, to be asked whether one is there.
    private var known: Set<Identity> = []
    /// False once it was deleted; its place is not used again.
    var exists = true

    private struct Identity: Hashable, Sendable {
        var key: String
        var arguments: [FieldValue.Field]
        var destination: Destination
    }

    struct Binding: Hashable, Sendable {
        var key: String
        var arguments: [FieldValue.Field]
        var destination: Destination
        var diskKey: UInt64
    }

    init(
        symbol: Symbol,
        scope: Symbol,
        declaration: ExchangeDeclaration,
        type: any ExchangeType
    ) {
        self.symbol = symbol
        self.scope = scope
        self.declaration = declaration
        self.type = type
    }

    /// Adds a binding; false if it was there already.
    ///
    /// - Source: RMQ-ROUTE-07, RMQ-ROUTE-08.
    mutating func add(_ binding: Binding) -> Bool {
        let identity = Identity(
            key: binding.key,
            arguments: binding.arguments,
            destination: binding.destination
        )
        guard known.insert(identity).inserted else { return false }
        bindings.append(binding)
        type.bind(binding.key, binding.arguments, to: binding.destination)
        return true
    }

    /// Whether a binding is there.
    func has(_ binding: BindingDeclaration, _ destination: Destination) -> Bool {
        known.contains(
            Identity(
                key: binding.key,
                arguments: binding.arguments,
                destination: destination
            )
        )
    }

    /// Takes a binding away.
    mutating func remove(at index: Int) -> Binding {
        assert(bindings.indices.contains(index), "a binding is removed that is not there")
        let binding = bindings.remove(at: index)
        known.remove(
            Identity(
                key: binding.key,
                arguments: binding.arguments,
                destination: binding.destination
            )
        )
        type.unbind(binding.key, binding.arguments, from: binding.destination)
        return binding
    }

    /// Takes all bindings away.
    mutating func removeAll() {
        bindings = []
        known = []
    }

    /// The type of this name, or nil.
    package static func type(named name: String, _ arguments: [FieldValue.Field] = [])
        -> (any ExchangeType)?
    {
        switch name {
        case "x-consistent-hash": ConsistentHashExchange(arguments)
        case FederationUpstreamExchange.name: FederationUpstreamExchange(arguments)
        case "direct": DirectExchange()
        case "fanout": FanoutExchange()
        case "topic": TopicExchange()
        case "headers": HeadersExchange()
        default: nil
        }
    }
}
