/// Routes by the headers of a message.
///
/// - Source: RMQ-HDR-01, RMQ-HDR-03, RMQ-HDR-04.
package struct HeadersExchange: ExchangeType {
    /// How many must match, and whether names that begin with `x-` take part.
    package enum Mode: String, Sendable {
        case all, any
        case allWithX = "all-with-x"
        case anyWithX = "any-with-x"

        /// `all` unless the binding says otherwise.
        package init(of arguments: [FieldValue.Field]) {
            self = arguments["x-match"]?.text.flatMap { Mode(rawValue: $0) } ?? .all
        }

        package var needsAll: Bool { self == .all || self == .allWithX }
        package var takesX: Bool { self == .allWithX || self == .anyWithX }
    }

    private struct Row: Hashable, Sendable {
        var arguments: [FieldValue.Field]
        var destination: Destination
    }

    private var rows: [Row] = []

    /// Adds a binding.
    package mutating func bind(
        _ key: String,
        _ arguments: [FieldValue.Field],
        to destination: Destination
    ) {
        rows.append(Row(arguments: arguments.sortedByName, destination: destination))
    }

    /// Takes a binding away.
    package mutating func unbind(
        _ key: String,
        _ arguments: [FieldValue.Field],
        from destination: Destination
    ) {
        let row = Row(arguments: arguments.sortedByName, destination: destination)
        guard let index = rows.firstIndex(of: row) else { return }
        rows.remove(at: index)
    }

    /// Adds the targets of a message.
    package func routes(for letter: Letter, into targets: inout [Destination]) {
        let headers = letter.headers.sortedByName
        for row in rows
        where Self.matches(row.arguments, headers, exactly: letter.version >= .v4_0) {
            targets.append(row.destination)
        }
    }

    /// Whether headers satisfy the arguments of a binding; both sorted by name.
    ///
    /// The two are gone through side by side, so that of a name that stands there twice each is used once.
    ///
    /// - Source: RMQ-HDR-05: from 4.0 on a whole number is not equal to a fraction.
    package static func matches(
        _ arguments: [FieldValue.Field],
        _ headers: [FieldValue.Field],
        exactly: Bool = false
    ) -> Bool {
        let mode = Mode(of: arguments)
        var next = headers.startIndex
        for wanted in arguments
        where wanted.name != "x-match" && (mode.takesX || !wanted.name.hasPrefix("x-")) {
            while next < headers.endIndex, headers[next].name.utf8.precedes(wanted.name.utf8) {
                next += 1
            }
            var isHit = false
            if next < headers.endIndex, headers[next].name == wanted.name {
                isHit =
                    wanted.value == .void
                    || wanted.value.matches(headers[next].value, exactly: exactly)
                next += 1
            }
            if isHit != mode.needsAll { return isHit }
        }
        return mode.needsAll
    }
}
