/// Routes to every binding, whatever the key.
///
/// - Source: RMQ-ROUTE-09.
struct FanoutExchange: ExchangeType {
    private var destinations: [Destination] = []

    mutating func bind(_ key: String, _ arguments: [FieldValue.Field], to destination: Destination)
    {
        destinations.append(destination)
    }

    mutating func unbind(
        _ key: String,
        _ arguments: [FieldValue.Field],
        from destination: Destination
    ) {
        guard let index = destinations.firstIndex(of: destination) else { return }
        destinations.remove(at: index)
    }

    func routes(for letter: Letter, into targets: inout [Destination]) { targets += destinations }
}
