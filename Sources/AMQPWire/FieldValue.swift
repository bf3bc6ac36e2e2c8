/// A value of a table, with the type that it has on the wire.
///
/// - Source: RabbitMQ's errata to AMQP 0-9-1, section 3 (field types); rabbitmq-server
///   `rabbit_binary_parser.erl`.
public indirect enum FieldValue: Sendable, Hashable {
    /// `t`.
    case bool(Bool)
    /// `b`.
    case int8(Int8)
    /// `B`.
    case uint8(UInt8)
    /// `s`.
    case int16(Int16)
    /// `u`.
    case uint16(UInt16)
    /// `I`.
    case int32(Int32)
    /// `i`.
    case uint32(UInt32)
    /// `l`.
    case int64(Int64)
    /// `f`.
    case float(Float)
    /// `d`.
    case double(Double)
    /// `D`: `value` divided by ten to the power of `scale`.
    case decimal(scale: UInt8, value: UInt32)
    /// `S`.
    case longString(Octets)
    /// `x`.
    case byteArray([UInt8])
    /// `A`.
    case array([FieldValue])
    /// `T`: seconds since 1970.
    case timestamp(UInt64)
    /// `F`.
    case table(FieldTable)
    /// `V`.
    case void
}

/// A table of named values, in the order of the wire; a name may stand there twice.
public struct FieldTable: Sendable, Hashable {
    /// One entry.
    public struct Field: Sendable, Hashable {
        /// At most 255 octets.
        public var name: Octets
        /// The value.
        public var value: FieldValue

        /// An entry.
        public init(_ name: Octets, _ value: FieldValue) {
            self.name = name
            self.value = value
        }
    }

    /// The entries.
    public var fields: [Field]

    /// A table of these entries.
    public init(_ fields: [Field] = []) {
        self.fields = fields
    }

    /// Whether there is none.
    public var isEmpty: Bool { fields.isEmpty }

    /// The first value of this name.
    public subscript(name: Octets) -> FieldValue? {
        fields.first { $0.name == name }?.value
    }
}

/// Written as names and values.
extension FieldTable: ExpressibleByDictionaryLiteral {
    /// A table of these entries.
    public init(dictionaryLiteral pairs: (Octets, FieldValue)...) {
        fields = pairs.map { Field($0.0, $0.1) }
    }
}

extension WireReader {
    /// How deep tables and arrays may be in one another.
    ///
    /// - Differs: RabbitMQ has no limit.
    static var depthLimit: Int { 128 }

    mutating func table(depth: Int = 0) throws(WireError) -> FieldTable {
        guard depth < Self.depthLimit else { throw .tooDeep(limit: Self.depthLimit) }
        var inner = try part(Int(try uint32()))
        var fields: [FieldTable.Field] = []
        while !inner.isAtEnd {
            let name = try inner.inside { reader throws(WireError) in try reader.shortString() }
            let value = try inner.inside { reader throws(WireError) in
                try reader.fieldValue(depth: depth)
            }
            fields.append(FieldTable.Field(name, value))
        }
        return FieldTable(fields)
    }

    private mutating func array(depth: Int) throws(WireError) -> [FieldValue] {
        guard depth < Self.depthLimit else { throw .tooDeep(limit: Self.depthLimit) }
        var inner = try part(Int(try uint32()))
        var values: [FieldValue] = []
        while !inner.isAtEnd {
            values.append(
                try inner.inside { reader throws(WireError) in
                    try reader.fieldValue(depth: depth)
                }
            )
        }
        return values
    }

    /// What ends too early inside a table is the table's fault.
    private mutating func inside<Value>(
        _ read: (inout WireReader) throws(WireError) -> Value
    ) throws(WireError) -> Value {
        do {
            return try read(&self)
        } catch {
            throw error == .truncated ? .lengthDoesNotFit : error
        }
    }

    private mutating func fieldValue(depth: Int) throws(WireError) -> FieldValue {
        let type = try uint8()
        switch type {
        case UInt8(ascii: "t"): return .bool(try uint8() != 0)
        case UInt8(ascii: "b"): return .int8(Int8(bitPattern: try uint8()))
        case UInt8(ascii: "B"): return .uint8(try uint8())
        case UInt8(ascii: "s"): return .int16(Int16(bitPattern: try uint16()))
        case UInt8(ascii: "u"): return .uint16(try uint16())
        case UInt8(ascii: "I"): return .int32(Int32(bitPattern: try uint32()))
        case UInt8(ascii: "i"): return .uint32(try uint32())
        case UInt8(ascii: "l"): return .int64(Int64(bitPattern: try uint64()))
        case UInt8(ascii: "f"): return .float(Float(bitPattern: try uint32()))
        case UInt8(ascii: "d"): return .double(Double(bitPattern: try uint64()))
        case UInt8(ascii: "D"): return .decimal(scale: try uint8(), value: try uint32())
        case UInt8(ascii: "S"): return .longString(try longString())
        case UInt8(ascii: "x"): return .byteArray(try longString().bytes)
        case UInt8(ascii: "A"): return .array(try array(depth: depth + 1))
        case UInt8(ascii: "T"): return .timestamp(try uint64())
        case UInt8(ascii: "F"): return .table(try table(depth: depth + 1))
        case UInt8(ascii: "V"): return .void
        default: throw .unknownFieldType(type)
        }
    }
}

extension WireWriter {
    mutating func table(_ table: FieldTable, depth: Int = 0) throws(WireError) {
        guard depth < WireReader.depthLimit else { throw .tooDeep(limit: WireReader.depthLimit) }
        let place = beginLength()
        for field in table.fields {
            try shortString(field.name)
            try fieldValue(field.value, depth)
        }
        endLength(place)
    }

    private mutating func fieldValue(_ value: FieldValue, _ depth: Int) throws(WireError) {
        func type(_ letter: Unicode.Scalar) -> UInt8 { UInt8(ascii: letter) }
        switch value {
        case .bool(let value):
            uint8(type("t"))
            uint8(value ? 1 : 0)
        case .int8(let value):
            uint8(type("b"))
            uint8(UInt8(bitPattern: value))
        case .uint8(let value):
            uint8(type("B"))
            uint8(value)
        case .int16(let value):
            uint8(type("s"))
            uint16(UInt16(bitPattern: value))
        case .uint16(let value):
            uint8(type("u"))
            uint16(value)
        case .int32(let value):
            uint8(type("I"))
            uint32(UInt32(bitPattern: value))
        case .uint32(let value):
            uint8(type("i"))
            uint32(value)
        case .int64(let value):
            uint8(type("l"))
            uint64(UInt64(bitPattern: value))
        case .float(let value):
            uint8(type("f"))
            uint32(value.bitPattern)
        case .double(let value):
            uint8(type("d"))
            uint64(value.bitPattern)
        case .decimal(let scale, let value):
            uint8(type("D"))
            uint8(scale)
            uint32(value)
        case .longString(let value):
            uint8(type("S"))
            longString(value)
        case .byteArray(let value):
            uint8(type("x"))
            uint32(UInt32(value.count))
            bytes(value)
        case .array(let values): try array(values, depth + 1)
        case .timestamp(let value):
            uint8(type("T"))
            uint64(value)
        case .table(let value):
            uint8(type("F"))
            try table(value, depth: depth + 1)
        case .void: uint8(type("V"))
        }
    }

    private mutating func array(_ values: [FieldValue], _ depth: Int) throws(WireError) {
        guard depth < WireReader.depthLimit else { throw .tooDeep(limit: WireReader.depthLimit) }
        uint8(UInt8(ascii: "A"))
        let place = beginLength()
        for value in values { try fieldValue(value, depth) }
        endLength(place)
    }
}
