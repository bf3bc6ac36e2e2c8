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

    /// The text, if it is one.
    var text: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// The whole number, if it is one.
    var number: Int64? {
        if case .int(let number) = self { number } else { nil }
    }

    /// The value as the broker prints it into an error.
    var printed: String {
        switch self {
        case .void: "undefined"
        case .bool(let value): "\(value)"
        case .int(let value): "\(value)"
        case .double(let value): "\(value)"
        case .timestamp(let value): "\(value)"
        case .string(let value): value
        case .array, .table: "a \(typeWord)"
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
    public func matches(_ other: FieldValue, exactly: Bool = false) -> Bool {
        switch (self, other) {
        case (.int(let a), .double(let b)), (.double(let b), .int(let a)):
            !exactly && Double(a) == b
        case (.int(let a), .timestamp(let b)), (.timestamp(let b), .int(let a)):
            a >= 0 && UInt64(a) == b
        case (.array(let a), .array(let b)):
            a.count == b.count && zip(a, b).allSatisfy { $0.matches($1, exactly: exactly) }
        case (.table(let a), .table(let b)):
            a.count == b.count
                && zip(a, b).allSatisfy {
                    $0.name == $1.name && $0.value.matches($1.value, exactly: exactly)
                }
        case (.void, _), (.bool, _), (.int, _), (.double, _), (.timestamp, _), (.string, _),
            (.array, _), (.table, _):
            self == other
        }
    }
}

/// The properties of a message that are neither on the hot path nor the same for all.
///
/// What a publisher leaves out stays out: nothing is filled in (RMQ-PUB-28, RMQ-PUB-29).
public struct Properties: Sendable, Hashable {
    /// Headers in their order.
    public var headers: [FieldValue.Field]
    /// A word such as `application/json`; the broker never reads it.
    public var contentType: String?
    /// A word such as `gzip`; the broker never reads it.
    public var contentEncoding: String?
    /// 0 to 255; what a priority queue goes by.
    public var priority: UInt8?
    /// Whatever the peers agree on.
    public var correlationID: String?
    /// Where the answer should go.
    public var replyTo: String?
    /// Time to live in milliseconds, as a text: RMQ-TTL-02.
    public var expiration: String?
    /// Whatever the publisher says.
    public var messageID: String?
    /// Seconds since 1970, whatever the publisher says.
    public var timestamp: UInt64?
    /// Whatever the publisher says.
    public var type: String?
    /// The name of the connection's user, or nothing: RMQ-PUB-30.
    public var userID: String?
    /// Whatever the publisher says.
    public var appID: String?
    /// Deprecated; carried as it is.
    public var clusterID: String?
    /// Whether the deaths in x-death were recorded by this broker; 4.0 forgets what a client claims.
    var deathsAreOwn = false

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
