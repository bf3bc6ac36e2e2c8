package import WarrenBroker
import WarrenKernel
package import WarrenTopology
import WarrenTrace

/// NATS core: the only type that the catalog sees.
package enum NATS: BrokerModel {
    /// At most once, always.
    package static let features = Features(
        delivery: .atMostOnce,
        capabilities: [.sharesWork, .answersRequests],
        approximations: [
            Features.Approximation(
                "slow consumers at the server (NATS-SLW-02, -03)",
                instead: "the server's outbound buffers have no limit; the library's buffer has one"
            ),
            Features.Approximation(
                "the NATS handshake (NATS-CON-01)",
                instead: "one round trip"
            ),
        ]
    )

    /// The words of `kind: nats`.
    package static let vocabulary = Vocabulary(
        kind: "nats",
        versions: ["2.9"],
        broker: [
            Field("max_payload", .size, "the largest message; 1MiB"),
            Field("streams", .anything, "", notModelled: "NATS-STR (JetStream)"),
        ],
        to: [
            Field(
                "subject",
                .either([
                    .record([
                        Field(
                            "pick",
                            .map(.integer(0...1_000_000)),
                            "subjects and weights",
                            required: true
                        )
                    ]), .text,
                ]),
                "the subject, or several with their weights",
                required: true
            )
        ],
        from: subscribing,
        shortTarget: "subject",
        producer: [buffer],
        consumer: [pending, buffer, then, onError],
        caller: [buffer],
        server: [pending, buffer, then, onError],
        bridgeFrom: subscribing + [pending],
        bridgeTo: [
            Field("subject", .text, "the subject; the routing key or subject of the message"),
            Field(
                "flush",
                .boolean,
                "waits until the server has read a publication before it is acknowledged; false"
            ),
            buffer,
        ]
    )

    private static let subscribing = [
        Field(
            "subject",
            .text,
            "the subject, with * for a token and > for the rest",
            required: true
        ),
        Field("group", .text, "the queue group: one member gets each message"),
    ]

    private static let then = Field(
        "then",
        .either([.list(.record(onward)), .record(onward)]),
        "what it publishes when the work is done"
    )
    private static let onError = Field(
        "on_error",
        .record([
            Field("then", .either([.list(.record(onward)), .record(onward)]), "what it publishes")
        ]),
        "what a failed piece of work leads to; its message is gone in any case"
    )
    private static let onward = [
        Field("to", .text, "the subject that it publishes to", required: true),
        Field("size", .sizeLaw, "body sizes; as the message"),
    ]

    private static let buffer = Field(
        "reconnect_buffer",
        .size,
        "what waits while the connection is down; 8MiB"
    )
    private static let pending = Field(
        "pending_limit",
        .integer(1...100_000_000),
        "messages that wait in the library; the newest beyond is dropped; 500000"
    )

    /// Adds the server.
    package static func build(_ broker: Topology.Broker, into blueprint: inout Blueprint) {
        let symbol = blueprint.symbol(of: broker.name)
        if broker.nodes.count > 1 {
            blueprint.findings.append(
                Finding(
                    "not-modelled",
                    "clusters of several NATS servers are not modelled yet",
                    at: broker.tree["nodes"]?.place,
                    why: "it belongs to NATS-CLU",
                    remedy: "name one node"
                )
            )
            return
        }
        let limit = broker.tree["max_payload"]?.text.flatMap(Units.size) ?? 1_048_576
        let stream = blueprint.stream("groups \(broker.name)")
        blueprint.addNode(broker.nodes[0], of: broker.name, sync: .constant(.zero)) { _ in
            NATSNode(broker: symbol, maxPayload: UInt32(min(limit, 4e9)), stream: stream)
        }
    }

    /// Adds the instances of a client.
    package static func build(_ client: Topology.Client, into blueprint: inout Blueprint) {
        guard let node = blueprint.brokerNodes[client.broker]?.first else { return }
        let broker = blueprint.symbol(of: client.broker)
        let account = blueprint.world.intern(.queue, client.name, in: broker)
        switch client.role {
        case .producer, .caller: addPublisher(client, node, account, &blueprint)
        case .consumer, .server: addSubscriber(client, node, account, &blueprint)
        case .bridge, .script: break
        }
    }

    private static func addPublisher(
        _ client: Topology.Client,
        _ node: NodeID,
        _ account: Symbol,
        _ blueprint: inout Blueprint
    ) {
        guard let subject = client.target["subject"] else { return }
        let picks = subject["pick"]?.entries ?? []
        let choices =
            picks.isEmpty
            ? [(subject.text ?? "", weight: UInt64(1))]
            : picks.map { ($0.key, weight: UInt64($0.value.text ?? "") ?? 0) }
        let subjects = choices.map {
            (blueprint.world.intern(.subject, $0.0), weight: $0.weight)
        }
        guard subjects.contains(where: { $0.weight > 0 }) else {
            blueprint.findings.append(
                Finding(
                    "no-weight",
                    "all subjects of '\(client.name)' have the weight 0",
                    at: subject.place
                )
            )
            return
        }
        blueprint.addClient(client) { blueprint, symbol, name, _ in
            let plan = Publisher.Plan(
                client: symbol,
                reconnection: Reconnection(hosts: [node], wait: client.reconnectInterval),
                startAfter: client.startInterval,
                subjects: Picker(subjects, stream: blueprint.stream("subject \(name)")),
                pacer: blueprint.pacer(client, name),
                size: blueprint.law(client.size),
                sizeStream: blueprint.stream("size \(name)"),
                timeout: client.role == .caller
                    ? Interval(clamping: client.timeout) : nil,
                inbox: blueprint.world.intern(.subject, "_INBOX.\(name)"),
                account: account,
                bufferBytes: bufferBytes(client)
            )
            return { _ in Publisher(plan) }
        }
    }

    /// The pattern that a client subscribes to; a finding if the server would refuse it.
    private static func checkedPattern(
        _ client: Topology.Client,
        _ blueprint: inout Blueprint
    ) -> String? {
        guard let subject = client.target["subject"], let pattern = subject.text else { return nil }
        if let fault = Subject.fault(in: pattern) {
            blueprint.findings.append(
                Finding(
                    "invalid-subject",
                    "'\(client.name)' cannot subscribe to '\(pattern)': \(fault)",
                    at: subject.place,
                    why:
                        "the server answers -ERR 'Invalid Subject' and subscribes nothing (NATS-SUB-04, -05)",
                    remedy: "let > stand last, and something between two dots"
                )
            )
        }
        return pattern
    }

    private static func addSubscriber(
        _ client: Topology.Client,
        _ node: NodeID,
        _ account: Symbol,
        _ blueprint: inout Blueprint
    ) {
        guard let pattern = checkedPattern(client, &blueprint) else { return }
        let group = client.target["group"]?.text
        blueprint.addClient(client) { blueprint, symbol, name, _ in
            let isServer = client.role == .server
            let plan = Subscriber.Plan(
                client: symbol,
                account: account,
                reconnection: Reconnection(hosts: [node], wait: client.reconnectInterval),
                startAfter: client.startInterval,
                pattern: blueprint.world.intern(.subject, pattern),
                group: group.map { blueprint.world.intern(.text, $0) } ?? .none,
                pendingLimit: pendingLimit(client),
                work: blueprint.workPlan(client, name),
                answers: isServer
                    ? (blueprint.law(client.size), blueprint.stream("size \(name)")) : nil,
                then: onward(client.tree["then"], name, &blueprint),
                onError: onward(client.tree["on_error"]?["then"], name, &blueprint),
                bufferBytes: bufferBytes(client)
            )
            return { _ in Subscriber(plan) }
        }
    }

    /// The end of a bridge that subscribes.
    package static func bridgeSource(_ end: Topology.Client, into blueprint: inout Blueprint)
        -> BridgeSourceFactory?
    {
        guard let node = blueprint.brokerNodes[end.broker]?.first,
            let pattern = checkedPattern(end, &blueprint)
        else { return nil }
        let broker = blueprint.symbol(of: end.broker)
        let plan = SubscribingEnd.Plan(
            account: blueprint.world.intern(.queue, end.name, in: broker),
            reconnection: Reconnection(hosts: [node], wait: end.reconnectInterval),
            pattern: blueprint.world.intern(.subject, pattern),
            group: end.target["group"]?.text.map { blueprint.world.intern(.text, $0) } ?? .none,
            pendingLimit: pendingLimit(end)
        )
        return { _, _ in SubscribingEnd(plan) }
    }

    /// The end of a bridge that publishes.
    package static func bridgeTarget(_ end: Topology.Client, into blueprint: inout Blueprint)
        -> BridgeTargetFactory?
    {
        guard let node = blueprint.brokerNodes[end.broker]?.first else { return nil }
        let subject = end.target["subject"]
        if let subject, let text = subject.text, !Subject.canBePublishedTo(text) {
            blueprint.findings.append(
                Finding(
                    "invalid-subject",
                    "'\(end.name)' cannot publish to '\(text)'",
                    at: subject.place,
                    why: "a subject is not empty, and a space ends it (NATS-SUB-13)",
                    remedy: "such as `subject: orders.new`"
                )
            )
        }
        let plan = PublishingEnd.Plan(
            reconnection: Reconnection(hosts: [node], wait: end.reconnectInterval),
            subject: subject?.text.map { blueprint.world.intern(.subject, $0) } ?? .none,
            flushes: end.tree["flush"]?.text == "true",
            bufferBytes: bufferBytes(end)
        )
        return { _, _ in PublishingEnd(plan) }
    }

    private static func pendingLimit(_ client: Topology.Client) -> Int {
        client.tree["pending_limit"]?.text.flatMap { Int($0) } ?? 500_000
    }

    private static func bufferBytes(_ client: Topology.Client) -> UInt64 {
        UInt64(client.tree["reconnect_buffer"]?.text.flatMap(Units.size) ?? 8_388_608)
    }

    /// What follows from a message: one publication, or several.
    private static func onward(
        _ tree: Tree?,
        _ name: String,
        _ blueprint: inout Blueprint
    ) -> [Subscriber.Onward] {
        guard let tree else { return [] }
        let letters = tree.elements.isEmpty ? [tree] : tree.elements
        return letters.map { letter in
            Subscriber.Onward(
                subject: blueprint.world.intern(.subject, letter["to"]?.text ?? ""),
                size: letter["size"].flatMap { LawSpec.size($0) }
                    .map { blueprint.law($0) },
                stream: blueprint.stream("then size \(name)")
            )
        }
    }
}
