/// Routes by the headers of a message.
///
/// - Source: RMQ-HDR-01, RMQ-HDR-03, RMQ-HDR-04.
struct HeadersExchange: ExchangeType {
    private struct Row: Hashable, Sendable {
        var arguments: [FieldValue.Field]
        var destination: Destination
    }

    private var rows: [Row] = []

    mutating func bind(_ key: String, _ arguments: [FieldValue.Field], to destination: Destination)
    {
        rows.append(Row(arguments: arguments, destination: destination))
    }

    mutating func unbind(
        _ key: String,
        _ arguments: [FieldValue.Field],
        from destination: Destination
    ) {
        let row = Row(arguments: arguments, destination: destination)
        guard let index = rows.firstIndex(of: row) else { return }
        rows.remove(at: index)
    }

    func routes(for letter: Letter, into targets: inout [Destination]) {
        for row in rows
        where Self.matches(row.arguments, letter.headers, exactly: letter.version >= .v4_0) {
            targets.append(row.destination)
        }
    }

    /// Whether headers satisfy the arguments of a binding.
    ///
    /// - Source: RMQ-HDR-05: from 4.0 on a whole number is not equal to a fraction.
    static func matches(
        _ arguments: [FieldValue.Field],
        _ headers: [FieldValue.Field],
        exactly: Bool = false
    ) -> Bool {
        let mode = mode(of: arguments)
        let withX = mode == "all-with-x" || mode == "any-with-x"
        let wanted = arguments.filter { argument in
            argument.name != "x-match" && (withX || !argument.name.hasPrefix("x-"))
        }
        let hit = { (argument: FieldValue.Field) in
            guard let header = headers.first(where: { $0.name == argument.name }) else {
                return false
            }
            return argument.value == .void
                || argument.value.matches(header.value, exactly: exactly)
        }
        return mode.hasPrefix("any") ? wanted.contains(where: hit) : wanted.allSatisfy(hit)
    }

    /// How many must match: `all` unless the binding says otherwise.
    static func mode(of arguments: [FieldValue.Field]) -> String {
        guard case .string(let mode)? = arguments.first(where: { $0.name == "x-match" })?.value
        else { return "all" }
        return mode
    }
}
