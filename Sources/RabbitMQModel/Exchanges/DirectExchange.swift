/// Routes by a key that is equal, byte for byte.
///
/// - Source: RMQ-ROUTE-03, RMQ-ROUTE-04, RMQ-ROUTE-05.
struct DirectExchange: ExchangeType {
    private var table: [String: [Destination]] = [:]

    mutating func bind(_ key: String, _ arguments: [FieldValue.Field], to destination: Destination)
    {
        table[key, default: []].append(destination)
    }

    mutating func unbind(
        _ key: String,
        _ arguments: [FieldValue.Field],
        from destination: Destination
    ) {
        guard let index = table[key]?.firstIndex(of: destination) else { return }
        table[key]?.remove(at: index)
    }

    func routes(for letter: Letter, into targets: inout [Destination]) {
        targets += table[letter.key] ?? []
    }
}
