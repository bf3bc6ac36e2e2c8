package import AMQPWire
package import RabbitMQModel

/// Values of the wire as the model knows them, and back.
///
/// - Differs: the model knows one type of whole number and one of fractions; what comes out of it is `I` where it
///   fits and `l` elsewhere, and `d`. Octets that are no UTF-8 are replaced.
package enum ModelValues {
    /// A value of the wire for the model.
    package static func model(_ value: AMQPWire.FieldValue) -> RabbitMQModel.FieldValue {
        switch value {
        case .bool(let value): .bool(value)
        case .int8(let value): .int(Int64(value))
        case .uint8(let value): .int(Int64(value))
        case .int16(let value): .int(Int64(value))
        case .uint16(let value): .int(Int64(value))
        case .int32(let value): .int(Int64(value))
        case .uint32(let value): .int(Int64(value))
        case .int64(let value): .int(value)
        case .float(let value): .double(Double(value))
        case .double(let value): .double(value)
        case .decimal(let scale, let value):
            .double((0..<scale).reduce(Double(value)) { number, _ in number / 10 })
        case .longString(let text): .string(text.text)
        case .byteArray(let octets): .string(String(decoding: octets, as: UTF8.self))
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
        case .int(let value): Int32(exactly: value).map { .int32($0) } ?? .int64(value)
        case .double(let value): .double(value)
        case .timestamp(let value): .timestamp(value)
        case .string(let text): .longString(Octets(text))
        case .array(let values): .array(values.map(wire))
        case .table(let fields): .table(wire(fields))
        }
    }

    /// A table of the model for the wire.
    package static func wire(_ fields: [RabbitMQModel.FieldValue.Field]) -> FieldTable {
        FieldTable(fields.map { FieldTable.Field(Octets($0.name), wire($0.value)) })
    }

    /// Properties of the wire for the model, which keeps the delivery mode elsewhere.
    package static func model(_ wire: BasicProperties) -> Properties {
        var properties = Properties(headers: wire.headers.map { model($0) } ?? [])
        properties.contentType = wire.contentType?.text
        properties.contentEncoding = wire.contentEncoding?.text
        properties.priority = wire.priority
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
        if persistent { properties.deliveryMode = 2 }
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
