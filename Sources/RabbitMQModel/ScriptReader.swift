import WarrenBroker
import WarrenKernel
import WarrenTopology
import WarrenTrace

/// Makes the steps of a script: exact actions in an exact order.
struct ScriptReader {
    let scope: Symbol
    /// The broker that it is a client of.
    let broker: String

    /// The step that a tree says.
    func step(_ tree: Tree, _ blueprint: inout Blueprint) -> ScriptClient.Step? {
        guard let entry = Self.word(of: tree) else {
            blueprint.findings.append(
                Finding(
                    "one-step",
                    "a step of a script says one thing",
                    at: tree.place,
                    remedy:
                        "write `- publish: { to: jobs }` and so on, one after the other; `name:` may stand beside it"
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
        case "bind":
            let packet = binding(value, .queueBind, .exchangeBind, &blueprint)
            return flag(value, "nowait") ? .say(packet) : .ask(packet)
        case "unbind":
            let packet = binding(value, .queueUnbind, .exchangeUnbind, &blueprint)
            // queue.unbind knows no nowait.
            let isQuiet = flag(value, "nowait") && value["destination"] != nil
            return isQuiet ? .say(packet) : .ask(packet)
        case "delete":
            let isQueue = value["queue"] != nil
            var packet = Packet(isQueue ? .queueDelete : .exchangeDelete, channel: 0)
            packet.subject = isQueue ? symbol(.queue, "queue") : symbol(.exchange, "exchange")
            packet.flags =
                (flag(value, "if_unused") ? Flag.ifUnused : 0)
                | (flag(value, "if_empty") ? Flag.ifEmpty : 0)
            return answered(packet, value)
        case "purge":
            var packet = Packet(.queuePurge, channel: 0)
            packet.subject =
                value["queue"] == nil
                ? blueprint.world.intern(.queue, text, in: scope) : symbol(.queue, "queue")
            return answered(packet, value)
        case "publish": return publish(value, &blueprint)
        case "consume": return consume(value, &blueprint)
        case "cancel":
            var packet = Packet(.basicCancel, channel: 0)
            packet.key = blueprint.world.intern(.text, value["tag"]?.text ?? text)
            return answered(packet, value)
        case "get":
            var packet = Packet(.basicGet, channel: 0)
            packet.subject = symbol(.queue, "queue")
            packet.flags = value["ack"]?.text == "automatic" ? Flag.noAck : 0
            return .ask(packet)
        case "ack": return settle(.basicAck, value)
        case "nack": return settle(.basicNack, value)
        case "reject": return settle(.basicReject, value)
        case "qos":
            var packet = Packet(.basicQos, channel: 0)
            packet.c = value["prefetch"]?.text.flatMap { UInt32($0) } ?? 0
            packet.flags = flag(value, "global") ? Flag.global : 0
            return .ask(packet)
        case "confirm":
            var packet = Packet(.confirmSelect, channel: 0)
            guard flag(value, "nowait") else { return .ask(packet) }
            packet.flags = Flag.nowait
            return .confirmAtOnce(packet)
        case "tx":
            let method =
                text == "commit"
                ? Method.txCommit : text == "rollback" ? .txRollback : .txSelect
            return .ask(Packet(method, channel: 0))
        case "recover":
            var packet = Packet(.basicRecover, channel: 0)
            packet.flags = text == "requeue" ? Flag.requeue : 0
            return .ask(packet)
        case "flow":
            var packet = Packet(.channelFlow, channel: 0)
            packet.c = text == "active" ? 1 : 0
            return .ask(packet)
        case "await":
            return value["deliveries"]?.text.flatMap { Int($0) }.map { .awaitDeliveries($0) }
                ?? .awaitConfirms
        case "wait":
            return .wait(Interval(clamping: Units.duration(text) ?? 0))
        case "at": return .waitUntil(.zero + Interval(clamping: Units.duration(text) ?? 0))
        case "cut": return .cut
        case "reconnect": return .reconnect
        case "administer": return administer(value, &blueprint)
        case "close": return text == "channel" ? .closeChannel : .closeConnection
        default: return nil
        }
    }

    private func flag(_ tree: Tree, _ key: String) -> Bool { tree[key]?.text == "true" }

    /// A method that is answered unless the script says otherwise.
    private func answered(_ packet: Packet, _ value: Tree) -> ScriptClient.Step {
        guard flag(value, "nowait") else { return .ask(packet) }
        var packet = packet
        packet.flags |= Flag.nowait
        return .say(packet)
    }

    private func settle(_ method: Method, _ value: Tree) -> ScriptClient.Step {
        var settlement = ScriptClient.Settlement(method: method, which: .last)
        if let tag = value["tag"]?.text.flatMap({ UInt64($0) }) {
            settlement.which = .tag(tag)
        } else if value["what"]?.text ?? value.text == "all", method != .basicReject {
            settlement.which = .all
        }
        settlement.isMultiple = flag(value, "multiple") && method != .basicReject
        settlement.requeue = flag(value, "requeue")
        return .settle(settlement)
    }

    private func consume(_ value: Tree, _ blueprint: inout Blueprint) -> ScriptClient.Step {
        var packet = Packet(.basicConsume, channel: 0)
        packet.subject = blueprint.world.intern(.queue, value["queue"]?.text ?? "", in: scope)
        packet.key = blueprint.world.intern(.text, value["tag"]?.text ?? "")
        packet.flags =
            (value["ack"]?.text == "automatic" ? Flag.noAck : 0)
            | (flag(value, "exclusive") ? Flag.exclusive : 0)
        var options = ConsumeOptions(nowait: flag(value, "nowait"))
        for (word, argument) in [("priority", "x-priority"), ("offset", "x-stream-offset")] {
            guard let given = value[word] else { continue }
            options.arguments.append(FieldValue.Field(argument, FieldValue(given)))
        }
        options.arguments += fields(value["arguments"])
        if !options.arguments.isEmpty || options.nowait {
            packet.parcel = blueprint.world.put(options)
        }
        return options.nowait ? .say(packet) : .ask(packet)
    }

    private func fields(_ tree: Tree?) -> [FieldValue.Field] {
        (tree?.entries ?? []).map { FieldValue.Field($0.key, FieldValue($0.value)) }
    }

    /// - Source: the management API, and rabbitmqctl.
    private func administer(_ value: Tree, _ blueprint: inout Blueprint) -> ScriptClient.Step? {
        let orders = value.entries.filter { $0.key != "vhost" && !$0.key.hasPrefix("x-") }
        guard let order = orders.first, orders.count == 1,
            let made = administration(order, value["vhost"]?.text ?? "/", &blueprint)
        else {
            blueprint.findings.append(
                Finding(
                    "one-step",
                    "an operator does one thing in a step",
                    at: value.place,
                    remedy: "write `- administer: { policy: { … } }` and so on, one after the other"
                )
            )
            return nil
        }
        var packet = Packet(.administer, channel: 0)
        packet.parcel = blueprint.world.put(made)
        return .administer(packet)
    }

    private func administration(
        _ order: Tree.Entry,
        _ vhost: String,
        _ blueprint: inout Blueprint
    ) -> Administration? {
        let value = order.value
        let text = value.text ?? ""
        func right(_ key: String) -> String { value[key]?.text ?? "" }
        func policy(isOperator: Bool) -> Policy {
            SettingsReader.policy(value, nil, isOperator: isOperator, &blueprint.findings)
        }
        switch order.key {
        case "policy": return .setPolicy(policy(isOperator: false), vhost: vhost)
        case "operator_policy": return .setOperatorPolicy(policy(isOperator: true), vhost: vhost)
        case "clear_policy": return .clearPolicy(text, vhost: vhost)
        case "clear_operator_policy": return .clearOperatorPolicy(text, vhost: vhost)
        case "permissions":
            let rights = UserPermissions(
                user: right("user"),
                configure: right("configure"),
                write: right("write"),
                read: right("read")
            )
            return .setPermissions(rights, vhost: vhost)
        case "clear_permissions": return .clearPermissions(user: text, vhost: vhost)
        case "topic_permissions":
            let rights = TopicPermissions(
                user: right("user"),
                exchange: right("exchange"),
                write: right("write"),
                read: right("read")
            )
            return .setTopicPermissions(rights, vhost: vhost)
        case "limits":
            return .setLimits(
                maxQueues: value["max_queues"]?.text.flatMap { Int64($0) },
                maxConnections: value["max_connections"]?.text.flatMap { Int64($0) },
                vhost: vhost
            )
        case "upstream":
            let upstream = RelayReader.upstream(right("name"), value)
            return .setUpstream(upstream, vhost: vhost)
        case "clear_upstream": return .clearUpstream(text, vhost: vhost)
        case "shovel":
            let shovel = RelayReader.shovel(right("name"), value, &blueprint.findings)
            return shovel.map { .setShovel($0, vhost: vhost) }
        case "clear_shovel": return .clearShovel(text, vhost: vhost)
        case "close_connections": return .closeConnections(reason: text)
        case "delete_vhost": return .deleteVirtualHost(text)
        default:
            guard let order = QuorumOrderReader.order(order.key, value, vhost) else { return nil }
            if let node = value["node"] { _ = blueprint.node(node, of: broker) }
            return .quorum(order)
        }
    }

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
        made.arguments = fields(value["headers"])
        made.nowait = flag(value, "nowait")
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
        let body = value["body"]?.text
        let size =
            value["size"]?.text.flatMap(Units.size) ?? body.map { Double($0.utf8.count) } ?? 1024
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
            | (flag(value, "immediate") ? Flag.immediate : 0)
        var properties = Properties()
        properties.headers = fields(value["headers"])
        properties.body = body
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
        let plain = value["properties"]
        properties.clusterID = plain?["cluster_id"]?.text
        if let expiration = plain?["expiration"]?.text { properties.expiration = expiration }
        if let mode = plain?["delivery_mode"]?.text.flatMap({ UInt8($0) }) {
            packet.flags = packet.flags & ~Flag.persistent | (mode == 2 ? Flag.persistent : 0)
            if mode != 2 { properties.deliveryMode = mode }
        }
        if properties != Properties() { packet.parcel = blueprint.world.put(properties) }
        return .publish(packet, times: value["times"]?.text.flatMap { Int($0) } ?? 1)
    }
}
