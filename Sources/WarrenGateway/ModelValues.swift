package import AMQPWire
package import RabbitMQModel

/// Values of the wire as the model knows them, and back.
///
/// - Differs: the model keeps texts as UTF-8; octets that are none are replaced.
package enum ModelValues {
    /// A value of the wire for the model.
    package static func model(_ value: AMQPWire.FieldValue) -> RabbitMQModel.FieldValue {
        switch value {
        case .bool(let value): .bool(value)
        case .int8(let value): .integer(Int64(value), .byte)
        case .uint8(let value): .integer(Int64(value), .unsignedbyte)
        case .int16(let value): .integer(Int64(value), .short)
        case .uint16(let value): .integer(Int64(value), .unsignedshort)
        case .int32(let value): .integer(Int64(value), .signedint)
        case .uint32(let value): .integer(Int64(value), .unsignedint)
        case .int64(let value): .integer(value, .long)
        case .float(let value): .float(value)
        case .double(let value): .double(value)
        case .decimal(let scale, let value): .decimal(scale: scale, value: value)
        case .longString(let text): .string(text.text)
        case .byteArray(let octets): .bytes(octets)
        case .array(let values): .array(values.map(model))
        case .timestamp(let value): .timestamp(value)
        case .table(let table): .table(model(table))
        case .void: .void
        }
    }

    /// A table of the wire for the model.
    package static func model(_ table: FieldTable) -> [RabbitMQModel.FieldValue.Field] {
        table.fields.map { RabbitMQModel.FieldValue.Field($0.name.text, model($0.value)) }
    }

    /// A value of the model for the wire.
    package static func wire(_ value: RabbitMQModel.FieldValue) -> AMQPWire.FieldValue {
        switch value {
        case .void: .void
        case .bool(let value): .bool(value)
        case .integer(let value, let type): wire(value, type)
        case .float(let value): .float(value)
        case .decimal(let scale, let value): .decimal(scale: scale, value: value)
        case .bytes(let octets): .byteArray(octets)
        case .double(let value): .double(value)
        case .timestamp(let value): .timestamp(value)
        case .string(let text): .longString(Octets(text))
        case .array(let values): .array(values.map(wire))
        case .table(let fields): .table(wire(fields))
        }
    }

    /// A number that is too large for its type is cut off.
    private static func wire(_ value: Int64, _ type: RabbitMQModel.FieldValue.IntegerType)
        -> AMQPWire.FieldValue
    {
        switch type {
        case .byte: .int8(Int8(truncatingIfNeeded: value))
        case .unsignedbyte: .uint8(UInt8(truncatingIfNeeded: value))
        case .short: .int16(Int16(truncatingIfNeeded: value))
        case .unsignedshort: .uint16(UInt16(truncatingIfNeeded: value))
        case .signedint: .int32(Int32(truncatingIfNeeded: value))
        case .unsignedint: .uint32(UInt32(truncatingIfNeeded: value))
        case .long: .int64(value)
        }
    }

    /// A table of the model for the wire.
    package static func wire(_ fields: [RabbitMQModel.FieldValue.Field]) -> FieldTable {
        FieldTable(fields.map { FieldTable.Field(Octets($0.name), wire($0.value)) })
    }

    /// Properties of the wire for the model, which keeps the delivery mode 2 elsewhere.
    package static func model(_ wire: BasicProperties) -> Properties {
        var properties = Properties(headers: wire.headers.map { model($0) } ?? [])
        properties.contentType = wire.contentType?.text
        properties.contentEncoding = wire.contentEncoding?.text
        properties.priority = wire.priority
        properties.deliveryMode = wire.deliveryMode == 2 ? nil : wire.deliveryMode
        properties.correlationID = wire.correlationID?.text
        properties.replyTo = wire.replyTo?.text
        properties.expiration = wire.expiration?.text
        properties.messageID = wire.messageID?.text
        properties.timestamp = wire.timestamp
        properties.type = wire.type?.text
        properties.userID = wire.userID?.text
        properties.appID = wire.appID?.text
        properties.clusterID = wire.clusterID?.text
        return properties
    }

    /// Properties of the model for the wire.
    package static func wire(_ model: Properties, persistent: Bool) -> BasicProperties {
        var properties = BasicProperties()
        if !model.headers.isEmpty { properties.headers = wire(model.headers) }
        properties.deliveryMode = model.deliveryMode ?? (persistent ? 2 : nil)
        properties.contentType = model.contentType.map { Octets($0) }
        properties.contentEncoding = model.contentEncoding.map { Octets($0) }
        properties.priority = model.priority
        properties.correlationID = model.correlationID.map { Octets($0) }
        properties.replyTo = model.replyTo.map { Octets($0) }
        properties.expiration = model.expiration.map { Octets($0) }
        properties.messageID = model.messageID.map { Octets($0) }
        properties.timestamp = model.timestamp
        properties.type = model.type.map { Octets($0) }
        properties.userID = model.userID.map { Octets($0) }
        properties.appID = model.appID.map { Octets($0) }
        properties.clusterID = model.clusterID.map { Octets($0) }
        return properties
    }
}
