import WarrenBroker
import WarrenKernel
import WarrenTopology
import WarrenTrace

/// Makes the machines of a client.
struct ClientBuilder {
    let client: Topology.Client

    init(_ client: Topology.Client) { self.client = client }

    func build(into blueprint: inout Blueprint) {
        guard let node = blueprint.brokerNodes[client.broker]?.first else { return }
        let (vhost, scope) = virtualHost(&blueprint)
        switch client.role {
        case .producer: addProducer(vhost, scope, &blueprint)
        case .consumer, .server: addConsumer(vhost, scope, &blueprint)
        case .caller: addCaller(vhost, scope, &blueprint)
        case .script: addScript(node, vhost, scope, &blueprint)
        case .bridge: break
        }
    }

    private func flag(_ key: String) -> Bool { client.tree[key]?.text == "true" }

    private var flags: UInt8 {
        (flag("persistent") ? Flag.persistent : 0) | (flag("mandatory") ? Flag.mandatory : 0)
    }

    /// Where a producer or caller publishes: its exchange and its keys.
    private func destination(_ scope: Symbol, _ blueprint: inout Blueprint)
        -> (exchange: Symbol, keys: [(Symbol, weight: UInt64)])?
    {
        let target = client.target
        if let queue = target["queue"] {
            if target["exchange"] != nil || target["key"] != nil {
                blueprint.findings.append(
                    Finding(
                        "said-twice",
                        "'\(client.name)' names a queue and an exchange or key",
                        at: queue.place,
                        why: "a queue is reached through the default exchange by its own name",
                        remedy: "keep `queue:`, or `exchange:` and `key:`"
                    )
                )
            }
            check(queue, .queue, scope, &blueprint, isTarget: true)
            let key = blueprint.world.intern(.key, queue.text ?? "")
            return (blueprint.world.intern(.exchange, "", in: scope), [(key, weight: 1)])
        }
        guard let exchange = target["exchange"] else {
            blueprint.findings.append(
                Finding(
                    "no-destination",
                    "'\(client.name)' does not say where it publishes",
                    at: target.place,
                    remedy: "name `exchange: events` and a `key:`, or `queue: jobs`"
                )
            )
            return nil
        }
        let name = exchange.text ?? ""
        if !name.isEmpty, !name.hasPrefix("amq.") { check(exchange, .exchange, scope, &blueprint) }
        let symbol = blueprint.world.intern(.exchange, name, in: scope)
        let picks = target["key"]?["pick"]?.entries ?? []
        guard !picks.isEmpty else {
            let key = blueprint.world.intern(.key, target["key"]?.text ?? "")
            return (symbol, [(key, weight: 1)])
        }
        let keys = picks.map { pick in
            (blueprint.world.intern(.key, pick.key), weight: UInt64(pick.value.text ?? "") ?? 0)
        }
        if keys.allSatisfy({ $0.weight == 0 }) {
            blueprint.findings.append(
                Finding(
                    "no-weight",
                    "all keys of '\(client.name)' have the weight 0",
                    at: target["key"]?.place,
                    remedy: "give at least one a weight above 0"
                )
            )
            return nil
        }
        return (symbol, keys)
    }

    /// Says so if a queue or exchange does not exist.
    ///
    /// `isTarget`: whether it is a queue that is published to, which nobody minds (RMQ-ROUTE-02).
    func check(
        _ tree: Tree,
        _ kind: NameKind,
        _ scope: Symbol,
        _ blueprint: inout Blueprint,
        isTarget: Bool = false
    ) {
        let names = blueprint.world.names
        guard let name = tree.text, names.find(kind, name, in: scope) == nil else { return }
        let known = names.entries.filter {
            $0.kind == kind && $0.scope == scope && !$0.text.isEmpty
        }
        blueprint.findings.append(
            Finding(
                "unknown-name",
                "there is no \(kind.word) '\(name)' for '\(client.name)'",
                at: tree.place,
                label: DidYouMean.hint(name, in: known.map(\.text)),
                why: isTarget
                    ? "the default exchange drops the message, confirms it if asked, and returns it if it is "
                        + "mandatory (RMQ-ROUTE-02)"
                    : "the broker would close its channel with 404 NOT_FOUND",
                severity: isTarget ? .warning : .error
            )
        )
    }

    /// How the client connects, and connects again.
    func linkPlan(_ vhost: String, _ blueprint: inout Blueprint) -> ClientLink.Plan {
        func length(_ tree: Tree?) -> Interval? {
            tree?.text.flatMap(Units.duration).map { Interval(clamping: $0) }
        }
        var plan = ClientLink.Plan(
            hosts: hosts(&blueprint),
            vhost: blueprint.world.intern(.text, vhost),
            user: user(&blueprint),
            reconnect: client.reconnectInterval
        )
        if let text = client.tree["recovery"]?.text,
            let recovery = ClientLink.Recovery(rawValue: text)
        {
            plan.recovery = recovery
        }
        if let backoff = client.tree["backoff"] {
            let factor = backoff["factor"].map { $0.text.flatMap(Units.number) } ?? 2
            if factor.map({ $0 >= 1 && $0 <= 1000 }) != true {
                blueprint.findings.append(
                    Finding(
                        "out-of-range",
                        "the factor of the backoff of '\(client.name)' is no number from 1 to 1000",
                        at: backoff["factor"]?.place,
                        remedy: "such as `factor: 2`: each wait is twice as long as the one before"
                    )
                )
            }
            let thousandths = UInt64(min(max(factor ?? 1, 1), 1000) * 1000)
            plan.backoff = (thousandths, length(backoff["max"]) ?? .seconds(60))
        }
        if let timeout = length(client.tree["connect_timeout"]) { plan.connectTimeout = timeout }
        if let heartbeat = length(client.tree["heartbeat"]) {
            plan.heartbeat = UInt16(clamping: heartbeat.nanoseconds / 1_000_000_000)
        }
        return plan
    }

    /// The nodes that the client may connect to: those that it names, or all, the first one first.
    private func hosts(_ blueprint: inout Blueprint) -> [NodeID] {
        let all = blueprint.brokerNodes[client.broker] ?? []
        guard let wanted = client.tree["hosts"]?.elements, !wanted.isEmpty else { return all }
        return wanted.compactMap { blueprint.node($0, of: client.broker) }
    }

    /// The queue and its bindings as the file has them, for a client that declares what it uses.
    private func declarations(
        _ queue: String,
        _ vhost: String,
        _ blueprint: inout Blueprint
    ) -> [Packet] {
        guard flag("declares"), let all: [Definitions] = blueprint.kept(for: client.broker),
            let definition = all.first(where: { $0.vhost == vhost }),
            let declared = definition.queues.first(where: { $0.name == queue })
        else { return [] }
        var packets: [Packet] = []
        func add(_ method: Method, _ parcel: ParcelID) {
            var packet = Packet(method, channel: ClientLink.channel)
            packet.parcel = parcel
            packets.append(packet)
        }
        add(.queueDeclare, blueprint.world.put(declared))
        for binding in definition.bindings
        where !binding.toExchange && binding.destination == queue {
            add(.queueBind, blueprint.world.put(binding))
        }
        return packets
    }

    private func user(_ blueprint: inout Blueprint) -> Symbol {
        client.tree["user"]?.text.map { blueprint.world.intern(.text, $0) } ?? .none
    }

    /// The properties of a producer's messages: one set, or one for each priority.
    private func loads(_ blueprint: inout Blueprint) -> [(Producer.Load, weight: UInt64)] {
        var properties = Properties()
        properties.headers = (client.tree["headers"]?.entries ?? []).map {
            FieldValue.Field($0.key, FieldValue($0.value))
        }
        if let text = client.tree["expiration"]?.text, let length = Units.duration(text) {
            properties.expiration = String(Int64(length / 1e6))
        }
        if let priority = client.tree["priority"]?.text.flatMap({ UInt8($0) }) {
            properties.priority = priority
        }
        let picks = client.tree["priority"]?["pick"]?.entries ?? []
        guard !picks.isEmpty else {
            return [(load(properties, &blueprint), weight: 1)]
        }
        return picks.map { pick in
            guard let priority = UInt8(pick.key) else {
                blueprint.findings.append(
                    Finding(
                        "bad-priority",
                        "'\(pick.key)' is no priority",
                        at: pick.place,
                        remedy: "write whole numbers from 0 to 255"
                    )
                )
                return (Producer.Load(), weight: 1)
            }
            properties.priority = priority
            return (load(properties, &blueprint), weight: UInt64(pick.value.text ?? "") ?? 0)
        }
    }

    private func load(_ properties: Properties, _ blueprint: inout Blueprint) -> Producer.Load {
        guard properties != Properties() else { return Producer.Load() }
        return Producer.Load(
            parcel: blueprint.world.put(properties),
            headers: properties.headerText.map { blueprint.world.intern(.text, $0) } ?? .none
        )
    }

    /// What basic.consume says beside its flags.
    private func consumeOptions(_ blueprint: inout Blueprint) -> ParcelID {
        var options = ConsumeOptions()
        if let tree = client.tree["priority"] {
            if let number = tree.text.flatMap({ Int64($0) }) {
                options.arguments.append(FieldValue.Field("x-priority", .int(number)))
            } else {
                blueprint.findings.append(
                    Finding(
                        "bad-priority",
                        "the priority of '\(client.name)' is no whole number",
                        at: tree.place,
                        why: "the broker would close its channel with 406 (RMQ-CONS-20)"
                    )
                )
            }
        }
        if let offset = client.tree["offset"] {
            options.arguments.append(FieldValue.Field("x-stream-offset", FieldValue(offset)))
        }
        return options.arguments.isEmpty ? .none : blueprint.world.put(options)
    }

    private func confirmPlan() -> ConfirmPlan? { Self.confirmPlan(client.tree["confirms"]) }

    static func confirmPlan(_ tree: Tree?) -> ConfirmPlan? {
        guard let tree, tree.text != "false" else { return nil }
        let timeout = tree["timeout"]?.text.flatMap(Units.duration)
        return ConfirmPlan(
            timeout: timeout.map { Interval(clamping: $0) },
            retries: tree["retries"]?.text.flatMap { UInt32($0) } ?? 0,
            pause: Interval(clamping: tree["pause"]?.text.flatMap(Units.duration) ?? 0)
        )
    }

    private func addScript(
        _ node: NodeID,
        _ vhost: String,
        _ scope: Symbol,
        _ blueprint: inout Blueprint
    ) {
        let reader = ScriptReader(scope: scope, broker: client.broker)
        let written = client.tree["steps"]?.elements ?? []
        var steps: [ScriptClient.Step] = []
        var labels: [Symbol] = []
        for tree in ScriptReader.unrolled(written, client.name, &blueprint.findings) {
            guard let step = reader.step(tree, &blueprint) else { continue }
            steps.append(step)
            labels.append(blueprint.world.intern(.text, ScriptReader.label(of: tree)))
        }
        let heartbeat = client.tree["heartbeat"]?.text.flatMap(Units.duration)
        blueprint.addClient(client) { blueprint, symbol, _, _ in
            let plan = ScriptClient.Plan(
                client: symbol,
                hosts: client.tree["hosts"] == nil ? [node] : hosts(&blueprint),
                vhost: blueprint.world.intern(.text, vhost),
                user: user(&blueprint),
                startAfter: client.startInterval,
                heartbeat: UInt16(clamping: Int64((heartbeat ?? 60e9) / 1e9)),
                steps: steps,
                labels: labels
            )
            return { _ in ScriptClient(plan) }
        }
    }

    private func addProducer(
        _ vhost: String,
        _ scope: Symbol,
        _ blueprint: inout Blueprint
    ) {
        guard let (exchange, keys) = destination(scope, &blueprint) else { return }
        let loads = loads(&blueprint)
        addInstances(vhost, &blueprint) { blueprint, instance in
            let name = instance.name
            let plan = Producer.Plan(
                client: instance.client,
                link: instance.link,
                startAfter: client.startInterval,
                exchange: exchange,
                keys: Picker(keys, stream: blueprint.stream("key \(name)")),
                pacer: blueprint.pacer(client, name),
                size: blueprint.law(client.size),
                sizeStream: blueprint.stream("size \(name)"),
                loads: Picker(loads, stream: blueprint.stream("priority \(name)")),
                flags: flags,
                confirms: confirmPlan()
            )
            return { _ in Producer(plan) }
        }
    }

    private func addConsumer(
        _ vhost: String,
        _ scope: Symbol,
        _ blueprint: inout Blueprint
    ) {
        let queue = client.target["queue"]
        let own = client.target["own"]
        if let queue { check(queue, .queue, scope, &blueprint) }
        guard (queue == nil) != (own == nil) else {
            blueprint.findings.append(
                Finding(
                    queue == nil ? "no-source" : "said-twice",
                    queue == nil
                        ? "'\(client.name)' does not say what it consumes"
                        : "'\(client.name)' names a queue, and one of its own",
                    at: own?.place ?? client.target.place,
                    remedy:
                        "name `queue: jobs`, or `own: { exclusive: true, bind: { events: [\"#\"] } }`"
                )
            )
            return
        }
        // What is wrong with it is said once, and not by each instance.
        if own != nil {
            _ = ownQueue(vhost, scope, 1, &blueprint, telling: true)
        }
        let ack = client.tree["ack"]?.text.flatMap { AckMode(rawValue: $0) } ?? .after
        let forwards = ForwardReader(client: client, scope: scope)
        forwards.check(&blueprint)
        addInstances(vhost, &blueprint) { blueprint, instance in
            let name = instance.name
            var reply: ConsumerClient.Reply?
            if client.role == .server {
                reply = ConsumerClient.Reply(
                    exchange: blueprint.world.intern(.exchange, "", in: scope),
                    size: blueprint.law(client.size),
                    sizeStream: blueprint.stream("size \(name)")
                )
            }
            let plan = ConsumerClient.Plan(
                client: instance.client,
                link: instance.link,
                startAfter: client.startInterval,
                queue: queue.map { blueprint.world.intern(.queue, $0.text ?? "", in: scope) }
                    ?? .none,
                own: ownQueue(vhost, scope, instance.number, &blueprint, telling: false),
                prefetch: client.tree["prefetch"]?.text.flatMap { UInt32($0) } ?? 0,
                ack: ack,
                exclusive: flag("exclusive"),
                declarations: declarations(queue?.text ?? "", vhost, &blueprint),
                options: consumeOptions(&blueprint),
                work: blueprint.workPlan(client, name),
                requeueOnError: client.tree["on_error"]?["requeue"]?.text == "true",
                then: forwards.plan(client.tree["then"], name, &blueprint),
                onError: forwards.plan(
                    client.tree["on_error"]?["then"],
                    "\(name) error",
                    &blueprint
                ),
                replies: reply
            )
            return { _ in ConsumerClient(plan) }
        }
    }

    /// The queue that an instance declares for itself.
    private func ownQueue(
        _ vhost: String,
        _ scope: Symbol,
        _ number: Int,
        _ blueprint: inout Blueprint,
        telling: Bool
    ) -> OwnQueue? {
        guard let tree = client.target["own"] else { return nil }
        let name = tree["name"]?.text.map { client.instances > 1 ? "\($0)-\(number)" : $0 } ?? ""
        var findings: [Finding] = []
        // What the broker refuses it refuses when the client asks.
        let reader = QueueReader(vhost: vhost, version: .v3_10)
        var declaration = reader.declaration(name, tree, &findings)
        declaration.exclusive = tree["exclusive"]?.text == "true"
        var bindings: [BindingDeclaration] = []
        for source in tree["bind"].named {
            let exchange = Tree(content: .scalar(source.key, isPlain: false), place: source.place)
            if telling, !source.key.hasPrefix("amq.") {
                check(exchange, .exchange, scope, &blueprint)
            }
            bindings += DefinitionsReader.bindings(from: source, to: name).map(\.0)
        }
        if telling { blueprint.findings += findings }
        return OwnQueue(
            declaration: declaration,
            bindings: bindings,
            habit: tree["again"]?.text.flatMap { OwnQueue.Habit(rawValue: $0) } ?? .new
        )
    }

    private func addCaller(
        _ vhost: String,
        _ scope: Symbol,
        _ blueprint: inout Blueprint
    ) {
        guard let (exchange, keys) = destination(scope, &blueprint) else { return }
        var replyQueue: Symbol?
        var perCall: Caller.PerCall?
        if let replies = client.tree["replies"], replies["per"]?.text == "call" {
            let expires = replies["expires"]?.text.flatMap(Units.duration)
            perCall = Caller.PerCall(expires: expires.map { Interval(clamping: $0) })
        } else if let replies = client.tree["replies"], replies.text != "exclusive" {
            if replies.text == "direct" {
                replyQueue = blueprint.world.intern(.queue, DirectReply.pseudoQueue, in: scope)
            } else {
                check(replies, .queue, scope, &blueprint)
                replyQueue = blueprint.world.intern(.queue, replies.text ?? "", in: scope)
            }
        }
        addInstances(vhost, &blueprint) { blueprint, instance in
            let name = instance.name
            let plan = Caller.Plan(
                client: instance.client,
                link: instance.link,
                startAfter: client.startInterval,
                exchange: exchange,
                keys: Picker(keys, stream: blueprint.stream("key \(name)")),
                pacer: blueprint.pacer(client, name),
                size: blueprint.law(client.size),
                sizeStream: blueprint.stream("size \(name)"),
                flags: flags,
                timeout: Interval(clamping: client.timeout),
                replyQueue: replyQueue,
                perCall: perCall,
                waitsOut: client.tree["on_loss"]?.text == "wait"
            )
            return { _ in Caller(plan) }
        }
    }
}

extension Blueprint {
    /// The node of a broker that a tree names; it is a finding if there is none.
    mutating func node(_ tree: Tree, of broker: String) -> NodeID? {
        let name = tree.text ?? ""
        if let node = nodesByPath["\(broker)/\(name)"] { return node }
        let known = nodesByPath.keys.sorted().compactMap { path in
            path.hasPrefix("\(broker)/") ? String(path.dropFirst(broker.count + 1)) : nil
        }
        findings.append(
            Finding(
                "unknown-name",
                "'\(broker)' has no node '\(name)'",
                at: tree.place,
                label: DidYouMean.hint(name, in: known)
            )
        )
        return nil
    }
}
