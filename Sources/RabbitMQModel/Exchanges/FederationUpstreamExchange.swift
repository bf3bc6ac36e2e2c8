import WarrenTrace

/// The internal exchange of a federation link: to every binding, unless the message was where it would go, or has come far
/// enough.
///
/// - Source: RMQ-FED-03; rabbitmq_federation 3.10.8, `rabbit_federation_upstream_exchange`.
struct FederationUpstreamExchange: ExchangeType {
    static let name = "x-federation-upstream"

    private var all = FanoutExchange()
    private let maxHops: Int64
    private let cluster: String
    private let vhost: String

    init(_ arguments: [FieldValue.Field]) {
        maxHops = arguments["x-max-hops"]?.number ?? 1
        cluster = arguments["x-downstream-name"]?.text ?? ""
        vhost = arguments["x-downstream-vhost"]?.text ?? ""
    }

    mutating func bind(_ key: String, _ arguments: [FieldValue.Field], to destination: Destination)
    { all.bind(key, arguments, to: destination) }

    mutating func unbind(
        _ key: String,
        _ arguments: [FieldValue.Field],
        from destination: Destination
    ) { all.unbind(key, arguments, from: destination) }

    func routes(for letter: Letter, into targets: inout [Destination]) {
        guard ExchangeLink.passes(letter.headers, maxHops, cluster, vhost) else { return }
        all.routes(for: letter, into: &targets)
    }
}
