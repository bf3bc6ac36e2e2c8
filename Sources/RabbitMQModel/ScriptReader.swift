import WarrenBroker
import WarrenKernel
import WarrenTopology
import WarrenTrace

/// Makes the steps of a script: exact actions in an exact order.
struct ScriptReader {
    private static let destination = [
        Field("to", .text, "a queue, through the default exchange"),
        Field("exchange", .text, "the exchange"),
        Field("key", .text, "the routing key; empty"),
    ]

    private static let binding = Shape.record([
        Field("queue", .text, "the queue that is bound"),
        Field("destination", .text, "or the exchange that is bound"),
        Field("exchange", .text, "the exchange that messages come from", required: true),
        Field("key", .text, "the binding key; empty"),
        Field("headers", .map(.anything), "the arguments of the binding"),
    ])

    private static let deletion = [
        Field("queue", .text, "a queue"), Field("exchange", .text, "or an exchange"),
        Field("if_unused", .boolean, "only if nobody uses it; false"),
        Field("if_empty", .boolean, "only if it holds nothing; false"),
    ]

    private static let settlement = Shape.either([
        .choice(["last", "all"]),
        .record([
            Field("what", .choice(["last", "all"]), "the last delivery, or all so far; last"),
            Field("requeue", .boolean, "back to the queue; false"),
        ]),
    ])

    /// The steps, by their words.
    static let steps = [
        Field("channel", .integer(1...2047), "opens this channel if it is not open, and uses it"),
        Field(
            "declare",
            .record(
                [
                    Field("queue", .text, "the name of a queue"),
                    Field("exchange", .text, "or of an exchange"),
                    Field("passive", .boolean, "only look; false"),
                    Field("nowait", .boolean, "do not wait for an answer; false"),
                    Field("internal", .boolean, "for an exchange; false"),
                    Field("alternate", .text, "for an exchange"),
                ]
                    + QueueReader.fields.map { field in
                        field.name == "type"
                            ? Field("type", .text, "of the queue or the exchange") : field
                    }
            ),
            "queue.declare or exchange.declare"
        ),
        Field("bind", binding, "queue.bind or exchange.bind"),
        Field("unbind", binding, "queue.unbind or exchange.unbind"),
        Field("delete", .record(deletion), "queue.delete or exchange.delete"),
        Field("purge", .text, "queue.purge"),
        Field(
            "publish",
            .record(
                destination + [
                    Field("size", .size, "the size of the body; 1KiB"),
                    Field("times", .integer(1...1_000_000), "how many; 1"),
                    Field("persistent", .boolean, "delivery mode 2; false"),
                    Field("mandatory", .boolean, "have it returned if no queue gets it; false"),
                    Field("headers", .map(.anything), "its headers"),
                    Field("priority", .integer(0...255), "its priority"),
                    Field("expiration", .duration, "how long it may wait"),
                    Field("content_type", .text, "a property"),
                    Field("content_encoding", .text, "a property"),
                    Field("correlation_id", .text, "a property"),
                    Field("reply_to", .text, "a property"),
                    Field("message_id", .text, "a property"),
                    Field("timestamp", .integer(0...UInt64(Int64.max)), "a property, in seconds"),
                    Field("type", .text, "a property"),
                    Field("user_id", .text, "a property"),
                    Field("app_id", .text, "a property"),
                ]
            ),
            "basic.publish"
        ),
        Field(
            "consume",
            .record([
                Field("queue", .text, "the queue", required: true),
                Field("tag", .text, "the consumer tag; the broker makes one"),
                Field("ack", .choice(["automatic", "manual"]), "who acknowledges; manual"),
                Field("exclusive", .boolean, "nobody else may consume; false"),
                Field("priority", .text, "a whole number; 0"),
                Field("offset", .text, "for streams"),
            ]),
            "basic.consume"
        ),
        Field("cancel", .text, "basic.cancel, of a tag"),
        Field(
            "get",
            .record([
                Field("queue", .text, "the queue", required: true),
                Field("ack", .choice(["automatic", "manual"]), "who acknowledges; manual"),
            ]),
            "basic.get"
        ),
        Field("ack", .choice(["last", "all"]), "basic.ack"),
        Field("nack", settlement, "basic.nack"),
        Field("reject", settlement, "basic.reject, of the last delivery"),
        Field(
            "qos",
            .record([
                Field("prefetch", .integer(0...65_535), "how many", required: true),
                Field("global", .boolean, "for the channel as a whole; false"),
            ]),
            "basic.qos"
        ),
        Field("confirm", .choice(["select"]), "confirm.select"),
        Field(
            "tx",
            .choice(["select", "commit", "rollback"]),
            "tx.select, tx.commit, tx.rollback"
        ),
        Field("recover", .choice(["requeue"]), "basic.recover"),
        Field(
            "await",
            .either([
                .choice(["confirms"]),
                .record([Field("deliveries", .integer(1...1_000_000), "so many", required: true)]),
            ]),
            "waits for all confirms, or until so many deliveries came in all"
        ),
        Field("wait", .duration, "lets time pass"),
        Field("close", .choice(["channel", "connection"]), "closes in good order"),
    ]

    let scope: Symbol

    /// The step that a tree says.
    func step(_ tree: Tree, _ blueprint: inout Blueprint) -> ScriptClient.Step? {
        guard let entry = tree.entries.first, tree.entries.count == 1 else {
            blueprint.findings.append(
                Finding(
                    "one-step",
                    "a step of a script says one thing",
                    at: tree.place,
                    remedy: "write `- publish: { to: jobs }` and so on, one after the other"
                )
            )
            return nil
        }
        let value = entry.value
        let text = value.text ?? ""
        func symbol(_ kind: NameKind, _ key: String) -> Symbol {
            blueprint.world.intern(kind, value[key]?.text ?? "", in: scope)
        }
        switch entry.key {
        case "channel": return .channel(UInt16(text) ?? 1)
        case "declare": return declare(entry, &blueprint)
        case "bind": return .ask(binding(value, .queueBind, .exchangeBind, &blueprint))
        case "unbind": return .ask(binding(value, .queueUnbind, .exchangeUnbind, &blueprint))
        case "delete":
            let isQueue = value["queue"] != nil
            var packet = Packet(isQueue ? .queueDelete : .exchangeDelete, channel: 0)
            packet.subject = isQueue ? symbol(.queue, "queue") : symbol(.exchange, "exchange")
            packet.flags =
                (flag(value, "if_unused") ? Flag.ifUnused : 0)
                | (flag(value, "if_empty") ? Flag.ifEmpty : 0)
            return .ask(packet)
        case "purge":
            var packet = Packet(.queuePurge, channel: 0)
            packet.subject = blueprint.world.intern(.queue, text, in: scope)
            return .ask(packet)
        case "publish": return publish(value, &blueprint)
        case "consume":
            var packet = Packet(.basicConsume, channel: 0)
            packet.subject = symbol(.queue, "queue")
            packet.key = blueprint.world.intern(.text, value["tag"]?.text ?? "")
            packet.flags =
                (value["ack"]?.text == "automatic" ? Flag.noAck : 0)
                | (flag(value, "exclusive") ? Flag.exclusive : 0)
            var options = ConsumeOptions()
            for (word, argument) in [("priority", "x-priority"), ("offset", "x-stream-offset")] {
                guard let given = value[word] else { continue }
                options.arguments.append(FieldValue.Field(argument, FieldValue(given)))
            }
            if !options.arguments.isEmpty { packet.parcel = blueprint.world.put(options) }
            return .ask(packet)
        case "cancel":
            var packet = Packet(.basicCancel, channel: 0)
            packet.key = blueprint.world.intern(.text, text)
            return .ask(packet)
        case "get":
            var packet = Packet(.basicGet, channel: 0)
            packet.subject = symbol(.queue, "queue")
            packet.flags = value["ack"]?.text == "automatic" ? Flag.noAck : 0
            return .ask(packet)
        case "ack": return .settle(.basicAck, all: text == "all", requeue: false)
        case "nack", "reject":
            let word = entry.key == "nack" ? Method.basicNack : .basicReject
            let all = (value["what"]?.text ?? text) == "all" && entry.key == "nack"
            return .settle(word, all: all, requeue: flag(value, "requeue"))
        case "qos":
            var packet = Packet(.basicQos, channel: 0)
            packet.c = value["prefetch"]?.text.flatMap { UInt32($0) } ?? 0
            packet.flags = flag(value, "global") ? Flag.global : 0
            return .ask(packet)
        case "confirm": return .ask(Packet(.confirmSelect, channel: 0))
        case "tx":
            let method =
                text == "commit"
                ? Method.txCommit : text == "rollback" ? .txRollback : .txSelect
            return .ask(Packet(method, channel: 0))
        case "recover":
            var packet = Packet(.basicRecover, channel: 0)
            packet.flags = Flag.requeue
            return .ask(packet)
        case "await":
            return value["deliveries"]?.text.flatMap { Int($0) }.map { .awaitDeliveries($0) }
                ?? .awaitConfirms
        case "wait":
            return .wait(Interval(clamping: Units.duration(text) ?? 0))
        case "close": return text == "channel" ? .closeChannel : .closeConnection
        default: return nil
        }
    }

    private func flag(_ tree: Tree, _ key: String) -> Bool { tree[key]?.text == "true" }

    private func declare(_ entry: Tree.Entry, _ blueprint: inout Blueprint) -> ScriptClient.Step {
        let value = entry.value
        if let name = value["exchange"]?.text {
            var made = ExchangeDeclaration(name: name, type: value["type"]?.text ?? "direct")
            made.durable = value["durable"]?.text != "false"
            made.autoDelete = flag(value, "auto_delete")
            made.isInternal = flag(value, "internal")
            made.alternate = value["alternate"]?.text
            made.passive = flag(value, "passive")
            made.nowait = flag(value, "nowait")
            DefinitionsReader.addArguments(value, to: &made)
            var packet = Packet(.exchangeDeclare, channel: 0)
            packet.parcel = blueprint.world.put(made)
            return made.nowait ? .say(packet) : .ask(packet)
        }
        let name = value["queue"]?.text ?? ""
        _ = blueprint.world.intern(.queue, name, in: scope)
        // What the broker would refuse is for the run to show: a script may be about the refusal.
        let reader = QueueReader(vhost: "/", version: .v3_10)
        var made = reader.declaration(name, value, &blueprint.findings)
        made.exclusive = flag(value, "exclusive")
        made.passive = flag(value, "passive")
        made.nowait = flag(value, "nowait")
        var packet = Packet(.queueDeclare, channel: 0)
        packet.parcel = blueprint.world.put(made)
        return made.nowait ? .say(packet) : .ask(packet)
    }

    private func binding(
        _ value: Tree,
        _ ofQueue: Method,
        _ ofExchange: Method,
        _ blueprint: inout Blueprint
    ) -> Packet {
        let toExchange = value["destination"] != nil
        var made = BindingDeclaration(
            source: value["exchange"]?.text ?? "",
            destination: value["queue"]?.text ?? value["destination"]?.text ?? "",
            key: value["key"]?.text ?? ""
        )
        made.toExchange = toExchange
        made.arguments = (value["headers"]?.entries ?? []).map {
            FieldValue.Field($0.key, FieldValue($0.value))
        }
        var packet = Packet(toExchange ? ofExchange : ofQueue, channel: 0)
        packet.parcel = blueprint.world.put(made)
        return packet
    }

    private func publish(_ value: Tree, _ blueprint: inout Blueprint) -> ScriptClient.Step {
        var packet = Packet(.basicPublish, channel: 0)
        let exchange = value["to"] == nil ? value["exchange"]?.text ?? "" : ""
        packet.subject = blueprint.world.intern(.exchange, exchange, in: scope)
        packet.key = blueprint.world.intern(
            .key,
            value["to"]?.text ?? value["key"]?.text ?? ""
        )
        let size = value["size"]?.text.flatMap(Units.size) ?? 1024
        if let given = value["size"], size > Units.largestBody {
            blueprint.findings.append(
                Finding(
                    "out-of-range",
                    "a body of \(given.description)",
                    at: given.place,
                    label: "at most 1GiB",
                    why: "no broker takes more"
                )
            )
        }
        packet.size = UInt32(min(size, Units.largestBody))
        packet.flags =
            (flag(value, "persistent") ? Flag.persistent : 0)
            | (flag(value, "mandatory") ? Flag.mandatory : 0)
        var properties = Properties()
        properties.headers = (value["headers"]?.entries ?? []).map {
            FieldValue.Field($0.key, FieldValue($0.value))
        }
        properties.priority = value["priority"]?.text.flatMap { UInt8($0) }
        properties.expiration = value["expiration"]?.text.flatMap(Units.duration)
            .map { String(Int64($0 / 1e6)) }
        properties.contentType = value["content_type"]?.text
        properties.contentEncoding = value["content_encoding"]?.text
        properties.correlationID = value["correlation_id"]?.text
        properties.replyTo = value["reply_to"]?.text
        properties.messageID = value["message_id"]?.text
        properties.timestamp = value["timestamp"]?.text.flatMap { UInt64($0) }
        properties.type = value["type"]?.text
        properties.userID = value["user_id"]?.text
        properties.appID = value["app_id"]?.text
        if properties != Properties() { packet.parcel = blueprint.world.put(properties) }
        return .publish(packet, times: value["times"]?.text.flatMap { Int($0) } ?? 1)
    }
}
