import AMQPWire
import NIOCore
import Support

/// Any command with any values.
struct RandomCommand {
    var dice: Dice

    init(seed: UInt64) { dice = Dice(seed: seed) }

    mutating func command() -> Command {
        let method = method()
        let channel: UInt16 = method.classID == 10 ? 0 : UInt16(dice.number(1...2047))
        var content: Content?
        if method.hasContent {
            content = Content(properties: properties(), body: ByteBuffer(bytes: octets(to: 3000)))
        }
        return Command(method, channel: channel, content: content)
    }

    // MARK: Values

    private mutating func bit() -> Bool { dice.happens(50) }
    private mutating func short() -> UInt16 { UInt16(truncatingIfNeeded: dice.next()) }
    private mutating func long() -> UInt32 { UInt32(truncatingIfNeeded: dice.next()) }

    private mutating func octets(to most: Int) -> [UInt8] {
        let count = dice.happens(20) ? most : dice.scale(0...most)
        return (0..<count).map { _ in UInt8(truncatingIfNeeded: dice.next()) }
    }

    /// Mostly text; composed and decomposed letters among it.
    private mutating func string() -> Octets {
        switch dice.below(5) {
        case 0: Octets("")
        case 1: Octets(octets(to: 255))
        case 2: Octets(dice.pick(["é", "e\u{301}", "größe", "日本", "👩‍👩‍👧"]))
        default: Octets("a.\(dice.below(1000)).name of some length")
        }
    }

    mutating func table(_ depth: Int = 0) -> FieldTable {
        FieldTable(
            (0..<dice.scale(0...8)).map { _ in FieldTable.Field(string(), value(depth + 1)) }
        )
    }

    mutating func value(_ depth: Int) -> FieldValue {
        switch dice.below(depth > 4 ? 15 : 17) {
        case 0: .bool(bit())
        case 1: .int8(Int8(truncatingIfNeeded: dice.next()))
        case 2: .uint8(UInt8(truncatingIfNeeded: dice.next()))
        case 3: .int16(Int16(truncatingIfNeeded: dice.next()))
        case 4: .uint16(short())
        case 5: .int32(Int32(truncatingIfNeeded: dice.next()))
        case 6: .uint32(long())
        case 7: .int64(Int64(bitPattern: dice.next()))
        case 8: .float(Float(dice.below(1000)) / 8)
        case 9: .double(Double(dice.below(1000)) / 8)
        case 10: .decimal(scale: UInt8(dice.below(256)), value: long())
        case 11: .longString(Octets(octets(to: 400)))
        case 12: .byteArray(octets(to: 400))
        case 13: .timestamp(dice.next())
        case 14: .void
        case 15: .array((0..<dice.scale(0...6)).map { _ in value(depth + 1) })
        default: .table(table(depth + 1))
        }
    }

    mutating func properties() -> BasicProperties {
        var properties = BasicProperties()
        if bit() { properties.contentType = string() }
        if bit() { properties.contentEncoding = string() }
        if bit() { properties.headers = table() }
        if bit() { properties.deliveryMode = UInt8(dice.below(256)) }
        if bit() { properties.priority = UInt8(dice.below(256)) }
        if bit() { properties.correlationID = string() }
        if bit() { properties.replyTo = string() }
        if bit() { properties.expiration = string() }
        if bit() { properties.messageID = string() }
        if bit() { properties.timestamp = dice.next() }
        if bit() { properties.type = string() }
        if bit() { properties.userID = string() }
        if bit() { properties.appID = string() }
        if bit() { properties.clusterID = string() }
        return properties
    }

    // MARK: Methods

    private mutating func method() -> Method {
        switch dice.below(8) {
        case 0: .connection(connection())
        case 1: .channel(channel())
        case 2: .access(access())
        case 3: .exchange(exchange())
        case 4: .queue(queue())
        case 5: dice.happens(50) ? .confirm(.select(.init(nowait: bit()))) : .confirm(.selectOk)
        case 6:
            .tx(dice.pick([.select, .selectOk, .commit, .commitOk, .rollback, .rollbackOk]))
        default: .basic(dice.happens(50) ? message() : consuming())
        }
    }

    private mutating func connection() -> Connection {
        switch dice.below(14) {
        case 0:
            .start(
                .init(
                    versionMajor: UInt8(dice.below(256)),
                    versionMinor: UInt8(dice.below(256)),
                    serverProperties: table(),
                    mechanisms: string(),
                    locales: string()
                )
            )
        case 1:
            .startOk(
                .init(
                    clientProperties: table(),
                    mechanism: string(),
                    response: string(),
                    locale: string()
                )
            )
        case 2: .secure(.init(challenge: string()))
        case 3: .secureOk(.init(response: string()))
        case 4: .tune(.init(channelMax: short(), frameMax: long(), heartbeat: short()))
        case 5: .tuneOk(.init(channelMax: short(), frameMax: long(), heartbeat: short()))
        case 6: .open(.init(vhost: string()))
        case 7: .openOk
        case 8:
            .close(.init(code: short(), text: string(), classID: short(), methodID: short()))
        case 9: .closeOk
        case 10: .blocked(.init(reason: string()))
        case 11: .unblocked
        case 12: .updateSecret(.init(newSecret: string(), reason: string()))
        default: .updateSecretOk
        }
    }

    private mutating func channel() -> AMQPWire.Channel {
        switch dice.below(6) {
        case 0: .open
        case 1: .openOk
        case 2: .flow(.init(active: bit()))
        case 3: .flowOk(.init(active: bit()))
        case 4:
            .close(.init(code: short(), text: string(), classID: short(), methodID: short()))
        default: .closeOk
        }
    }

    private mutating func access() -> Access {
        if bit() { return .requestOk(.init(ticket: short())) }
        return .request(
            .init(
                realm: string(),
                exclusive: bit(),
                passive: bit(),
                active: bit(),
                write: bit(),
                read: bit()
            )
        )
    }

    private mutating func exchange() -> Exchange {
        switch dice.below(8) {
        case 0:
            .declare(
                .init(
                    ticket: short(),
                    exchange: string(),
                    type: string(),
                    passive: bit(),
                    durable: bit(),
                    autoDelete: bit(),
                    isInternal: bit(),
                    nowait: bit(),
                    arguments: table()
                )
            )
        case 1: .declareOk
        case 2: .delete(.init(exchange: string(), ifUnused: bit(), nowait: bit()))
        case 3: .deleteOk
        case 4:
            .bind(
                .init(
                    destination: string(),
                    source: string(),
                    routingKey: string(),
                    nowait: bit(),
                    arguments: table()
                )
            )
        case 5: .bindOk
        case 6:
            .unbind(
                .init(
                    destination: string(),
                    source: string(),
                    routingKey: string(),
                    nowait: bit(),
                    arguments: table()
                )
            )
        default: .unbindOk
        }
    }

    private mutating func queue() -> Queue {
        switch dice.below(10) {
        case 0:
            .declare(
                .init(
                    queue: string(),
                    passive: bit(),
                    durable: bit(),
                    exclusive: bit(),
                    autoDelete: bit(),
                    nowait: bit(),
                    arguments: table()
                )
            )
        case 1:
            .declareOk(.init(queue: string(), messageCount: long(), consumerCount: long()))
        case 2:
            .bind(
                .init(
                    queue: string(),
                    exchange: string(),
                    routingKey: string(),
                    nowait: bit(),
                    arguments: table()
                )
            )
        case 3: .bindOk
        case 4: .purge(.init(queue: string(), nowait: bit()))
        case 5: .purgeOk(.init(messageCount: long()))
        case 6:
            .delete(.init(queue: string(), ifUnused: bit(), ifEmpty: bit(), nowait: bit()))
        case 7: .deleteOk(.init(messageCount: long()))
        case 8:
            .unbind(
                .init(
                    queue: string(),
                    exchange: string(),
                    routingKey: string(),
                    arguments: table()
                )
            )
        default: .unbindOk
        }
    }

    private mutating func message() -> Basic {
        switch dice.below(6) {
        case 0:
            .publish(
                .init(
                    exchange: string(),
                    routingKey: string(),
                    mandatory: bit(),
                    immediate: bit()
                )
            )
        case 1:
            .return(
                .init(code: short(), text: string(), exchange: string(), routingKey: string())
            )
        case 2:
            .deliver(
                .init(
                    consumerTag: string(),
                    deliveryTag: dice.next(),
                    redelivered: bit(),
                    exchange: string(),
                    routingKey: string()
                )
            )
        case 3: .get(.init(queue: string(), noAck: bit()))
        case 4:
            .getOk(
                .init(
                    deliveryTag: dice.next(),
                    redelivered: bit(),
                    exchange: string(),
                    routingKey: string(),
                    messageCount: long()
                )
            )
        default: .getEmpty
        }
    }

    private mutating func consuming() -> Basic {
        switch dice.below(12) {
        case 0:
            .qos(.init(prefetchSize: long(), prefetchCount: short(), global: bit()))
        case 1: .qosOk
        case 2:
            .consume(
                .init(
                    queue: string(),
                    consumerTag: string(),
                    noLocal: bit(),
                    noAck: bit(),
                    exclusive: bit(),
                    nowait: bit(),
                    arguments: table()
                )
            )
        case 3: .consumeOk(.init(consumerTag: string()))
        case 4: .cancel(.init(consumerTag: string(), nowait: bit()))
        case 5: .cancelOk(.init(consumerTag: string()))
        case 6: .ack(.init(deliveryTag: dice.next(), multiple: bit()))
        case 7: .reject(.init(deliveryTag: dice.next(), requeue: bit()))
        case 8: .recoverAsync(.init(requeue: bit()))
        case 9: .recover(.init(requeue: bit()))
        case 10: .recoverOk
        default: .nack(.init(deliveryTag: dice.next(), multiple: bit(), requeue: bit()))
        }
    }
}
