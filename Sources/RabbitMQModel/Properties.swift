/// A value in a table of headers or arguments.
///
/// - Source: RabbitMQ's AMQP 0-9-1 field types; RMQ-HDR-01 for how they compare.
public enum FieldValue: Sendable, Hashable {
    case void
    case bool(Bool)
    case int(Int64)
    case double(Double)
    case timestamp(UInt64)
    case string(String)
    case array([FieldValue])
    case table([Field])

    /// One entry of a table.
    public struct Field: Sendable, Hashable {
        /// Its name; case matters.
        public var name: String
        /// Its value.
        public var value: FieldValue

        /// An entry.
        public init(_ name: String, _ value: FieldValue) {
            self.name = name
            self.value = value
        }
    }

    /// The broker's own word for the type.
    var typeWord: String {
        switch self {
        case .void: "void"
        case .bool: "bool"
        case .int: "signedint"
        case .double: "double"
        case .timestamp: "timestamp"
        case .string: "longstr"
        case .array: "array"
        case .table: "table"
        }
    }

    /// Whether two values are the same to a headers exchange: by value, not by type of field.
    ///
    /// - Source: RMQ-HDR-01, RMQ-HDR-05 (integer and float are equal before 4.0), RMQ-HDR-06.
    public func matches(_ other: FieldValue) -> Bool {
        switch (self, other) {
        case (.int(let a), .double(let b)), (.double(let b), .int(let a)):
            Double(a) == b
        case (.int(let a), .timestamp(let b)), (.timestamp(let b), .int(let a)):
            a >= 0 && UInt64(a) == b
        case (.array(let a), .array(let b)):
            a.count == b.count && zip(a, b).allSatisfy { $0.matches($1) }
        case (.table(let a), .table(let b)):
            a.count == b.count
                && zip(a, b).allSatisfy { $0.name == $1.name && $0.value.matches($1.value) }
        case (.void, _), (.bool, _), (.int, _), (.double, _), (.timestamp, _), (.string, _),
            (.array, _), (.table, _):
            self == other
        }
    }
}

/// The properties of a message that are neither on the hot path nor the same for all: its headers.
public struct Properties: Sendable, Hashable {
    /// Headers in their order.
    public var headers: [FieldValue.Field]

    /// Properties with these headers.
    public init(headers: [FieldValue.Field] = []) { self.headers = headers }

    /// The first header of this name.
    public func header(_ name: String) -> FieldValue? {
        headers.first { $0.name == name }?.value
    }

    /// Replaces a header, or adds it at the end.
    public mutating func setHeader(_ name: String, _ value: FieldValue) {
        if let index = headers.firstIndex(where: { $0.name == name }) {
            headers[index].value = value
        } else {
            headers.append(FieldValue.Field(name, value))
        }
    }
}
