/// A value in a table of headers or arguments.
///
/// - Source: RabbitMQ's AMQP 0-9-1 field types (`rabbit_binary_parser`); RMQ-HDR-01 for how they compare.
package enum FieldValue: Sendable, Hashable {
    case void
    case bool(Bool)
    case integer(Int64, IntegerType)
    case float(Float)
    case double(Double)
    case decimal(scale: UInt8, value: UInt32)
    case timestamp(UInt64)
    case string(String)
    case bytes([UInt8])
    case array([FieldValue])
    case table([Field])

    /// The types of whole numbers, under the broker's own words for them.
    package enum IntegerType: String, Sendable {
        case byte, unsignedbyte, short, unsignedshort, signedint, unsignedint, long
    }

    /// One entry of a table.
    package struct Field: Sendable, Hashable {
        /// Its name; case matters.
        package var name: String
        /// Its value.
        package var value: FieldValue

        /// An entry.
        package init(_ name: String, _ value: FieldValue) {
            self.name = name
            self.value = value
        }
    }

    /// A whole number of the type that most clients choose: `signedint` where it fits, else `long`.
    package static func int(_ value: Int64) -> FieldValue {
        .integer(value, Int32(exactly: value) == nil ? .long : .signedint)
    }

    /// The text, if it is one.
    package var text: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// The whole number, if it is one.
    package var number: Int64? {
        if case .integer(let number, _) = self { number } else { nil }
    }

    /// The broker's own word for the type.
    package var typeWord: String {
        switch self {
        case .void: "void"
        case .bool: "bool"
        case .integer(_, let type): type.rawValue
        case .float: "float"
        case .double: "double"
        case .decimal: "decimal"
        case .timestamp: "timestamp"
        case .string: "longstr"
        case .bytes: "binary"
        case .array: "array"
        case .table: "table"
        }
    }

    /// The value as the broker prints it into an error: a text as it is, all else as Erlang writes it.
    package var printed: String { text ?? term }

    /// The value as Erlang writes it.
    ///
    /// - Differs: what is longer than a line is not broken into several.
    package var term: String {
        switch self {
        case .void: "undefined"
        case .bool(let value): "\(value)"
        case .integer(let value, _): "\(value)"
        case .float(let value): Erlang.float(Double(value))
        case .double(let value): Erlang.float(value)
        case .decimal(let scale, let value): "{\(scale),\(value)}"
        case .timestamp(let value): "\(value)"
        case .string(let value): Erlang.binary(Array(value.utf8))
        case .bytes(let value): Erlang.binary(value)
        case .array(let values):
            "[" + values.map { "{\($0.typeWord),\($0.term)}" }.joined(separator: ",") + "]"
        case .table(let fields): Self.term(fields)
        }
    }

    /// A table as Erlang writes it.
    private static func term(_ fields: [Field]) -> String {
        let entries = fields.map {
            "{\(Erlang.binary(Array($0.name.utf8))),\($0.value.typeWord),\($0.value.term)}"
        }
        return "[" + entries.joined(separator: ",") + "]"
    }

    /// Whether two values are the same to the broker: by value, not by type of field.
    ///
    /// What is nested in arrays and tables is compared with its type. `exactly`: whether a whole number differs from a
    /// fraction of its size.
    ///
    /// - Source: RMQ-HDR-01, RMQ-HDR-05, RMQ-HDR-06; Erlang's `==` and `=:=` between decoded values.
    package func matches(_ other: FieldValue, exactly: Bool = false) -> Bool {
        if let mine = fraction, let theirs = other.fraction { return mine == theirs }
        if let mine = wholeNumber, let theirs = other.wholeNumber { return mine == theirs }
        if let mine = wholeNumber ?? other.wholeNumber, let theirs = fraction ?? other.fraction {
            return !exactly && Int128(exactly: theirs) == mine
        }
        if let mine = octets, let theirs = other.octets { return mine == theirs }
        switch (self, other) {
        // Both are the empty list.
        case (.array(let values), .table(let fields)), (.table(let fields), .array(let values)):
            return values.isEmpty && fields.isEmpty
        default: return self == other
        }
    }

    private var wholeNumber: Int128? {
        switch self {
        case .integer(let value, _): Int128(value)
        case .timestamp(let value): Int128(value)
        default: nil
        }
    }

    private var fraction: Double? {
        switch self {
        case .float(let value): Double(value)
        case .double(let value): value
        default: nil
        }
    }

    private var octets: [UInt8]? {
        switch self {
        case .string(let text): Array(text.utf8)
        case .bytes(let octets): octets
        default: nil
        }
    }

    /// Whether a queue or an exchange that was declared with one of them may be declared again with the other.
    ///
    /// - Source: `rabbit_misc:assert_args_equivalence`, `type_class`.
    func isEquivalent(to other: FieldValue) -> Bool {
        typeClass == other.typeClass && matches(other) || matches(other, exactly: true)
    }

    private var typeClass: String {
        switch self {
        case .integer, .decimal: "int"
        case .float, .double: "float"
        default: typeWord
        }
    }
}

extension [FieldValue.Field] {
    /// The entries in the order of their names, by octets; those of the same name stay as they are.
    ///
    /// - Source: `rabbit_misc:sort_field_table`.
    package var sortedByName: [FieldValue.Field] {
        if zip(self, dropFirst()).allSatisfy({ !$1.name.utf8.precedes($0.name.utf8) }) {
            return self
        }
        return enumerated().sorted {
            if $0.element.name.utf8.precedes($1.element.name.utf8) { return true }
            if $1.element.name.utf8.precedes($0.element.name.utf8) { return false }
            return $0.offset < $1.offset
        }.map(\.element)
    }

    /// The first value of this name.
    package subscript(name: String) -> FieldValue? { first { $0.name == name }?.value }
}

extension String.UTF8View {
    /// Whether this comes first in the order of octets.
    func precedes(_ other: String.UTF8View) -> Bool { lexicographicallyPrecedes(other) }
}
