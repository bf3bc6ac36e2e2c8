import Conversations
import RabbitMQModel
import Testing

@Suite("RabbitMQ routing", .heldWithBoth)
struct RoutingTests {
    /// RMQ-TOPIC-01: the table that was tried on a real broker.
    @Test(arguments: [
        ("*", ["a", "*", "#", " "], ["", "a."]),
        ("*.*", [".", ".a", "a."], ["a", "a.b.c"]),
        ("a.#", ["a", "a.", "a..b"], ["b", "ab"]),
        ("#.a", [".a", "a", "x.y.a"], ["a.b"]),
        ("a.#.b", ["a.b", "a..b", "a.x.y.b"], ["a", "b"]),
        ("#.#", ["", "a", "a.b"], []),
        ("*.#", ["a", "a.b", "."], [""]),
        ("#.*.#", ["a", "."], [""]),
        ("*.#.*", ["a.b", "a.x.b"], ["a", ""]),
        ("a.*.b", ["a..b", "a.x.b"], ["a.b"]),
        ("", [""], ["a"]),
        (".", ["."], ["", "a."]),
        ("a*", ["a*"], ["ab", "a"]),
    ])
    func `RMQ-TOPIC-01 a pattern is words, star is one and hash any number`(
        pattern: String,
        matching: [String],
        other: [String]
    ) throws {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.declareQueue("q", on: channel)
        try talk.bind("q", to: "amq.topic", key: pattern, on: channel)
        for key in matching + other {
            talk.publish(key, to: key, exchange: "amq.topic", on: channel)
        }
        var seen: [String] = []
        while let delivery = try talk.get("q", on: channel) { seen.append(delivery.key) }
        #expect(seen == matching)
    }

    @Test
    func `RMQ-TOPIC-03 overlapping patterns make one copy, and unbinding one leaves the rest`()
        throws
    {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.declareQueue("q", on: channel)
        for key in ["#", "a.*", "a.b", "*.b"] {
            try talk.bind("q", to: "amq.topic", key: key, on: channel)
        }
        talk.publish("1", to: "a.b", exchange: "amq.topic", on: channel)
        #expect(try talk.declareQueue("q", on: channel).messages == 1)
        try talk.unbind("q", from: "amq.topic", key: "#", on: channel)
        talk.publish("2", to: "a.b", exchange: "amq.topic", on: channel)
        talk.publish("3", to: "c", exchange: "amq.topic", on: channel)
        #expect(try talk.declareQueue("q", on: channel).messages == 2)
    }

    @Test func `RMQ-ROUTE-01 the default exchange routes to the queue named by the key`() throws {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.declareQueue("q", on: channel)
        talk.publish("hello", to: "q", on: channel)
        let delivery = try talk.get("q", on: channel)
        #expect(delivery?.body == "hello")
        #expect(delivery?.exchange == "")
        #expect(delivery?.key == "q")
    }

    @Test
    func `RMQ-ROUTE-03 to 05 a direct exchange compares byte for byte and copies to every match`()
        throws
    {
        let talk = Conversation()
        let channel = talk.openChannel()
        for queue in ["a", "b"] {
            try talk.declareQueue(queue, on: channel)
            try talk.bind(queue, to: "amq.direct", key: "K*", on: channel)
        }
        for key in ["K*", "k*", "Kx"] {
            talk.publish(key, to: key, exchange: "amq.direct", on: channel)
        }
        #expect(try talk.declareQueue("a", on: channel).messages == 1)
        #expect(try talk.declareQueue("b", on: channel).messages == 1)
    }

    @Test func `RMQ-ROUTE-07 binding twice is binding once`() throws {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.declareQueue("q", on: channel)
        for _ in 0..<2 { try talk.bind("q", to: "amq.direct", key: "k", on: channel) }
        try talk.unbind("q", from: "amq.direct", key: "k", on: channel)
        talk.publish("x", to: "k", exchange: "amq.direct", on: channel)
        #expect(try talk.declareQueue("q", on: channel).messages == 0)
    }

    @Test func `RMQ-ROUTE-09 a fanout ignores the key`() throws {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.declareQueue("q", on: channel)
        try talk.bind("q", to: "amq.fanout", key: "ignored", on: channel)
        talk.publish("x", to: "other", exchange: "amq.fanout", on: channel)
        #expect(try talk.get("q", on: channel)?.body == "x")
    }

    @Test func `RMQ-ROUTE-10 publishing to a missing exchange closes the channel with 404`() throws
    {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.selectConfirms(on: channel)
        talk.publish("x", to: "k", exchange: "nope", on: channel)
        #expect(
            talk.refusal(of: channel)
                == .init(
                    code: 404,
                    text: "NOT_FOUND - no exchange 'nope' in vhost '/'",
                    connection: false
                )
        )
        #expect(talk.takeConfirms(on: channel).isEmpty)
    }

    @Test func `RMQ-ROUTE-11 publishing to an internal exchange closes the channel with 403`()
        throws
    {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.declareExchange("inner", "fanout", on: channel) { $0.isInternal = true }
        talk.publish("x", to: "", exchange: "inner", on: channel)
        #expect(talk.refusal(of: channel)?.code == 403)
    }

    @Test
    func
        `RMQ-ROUTE-12 to 17 exchange bindings keep exchange and key, end in cycles, and copy once`()
        throws
    {
        let talk = Conversation()
        let channel = talk.openChannel()
        for name in ["a", "b", "c"] {
            try talk.declareExchange(name, "topic", on: channel) { $0.isInternal = name == "b" }
        }
        try talk.bindExchange("b", to: "a", key: "x.#", on: channel)
        try talk.bindExchange("c", to: "b", key: "#", on: channel)
        try talk.bindExchange("a", to: "c", key: "#", on: channel)
        try talk.bindExchange("c", to: "a", key: "#", on: channel)
        try talk.declareQueue("q", on: channel)
        for name in ["a", "b", "c"] { try talk.bind("q", to: name, key: "x.*", on: channel) }
        talk.publish("m", to: "x.y", exchange: "a", on: channel)
        let delivery = try talk.get("q", on: channel)
        #expect(delivery?.exchange == "a")
        #expect(delivery?.key == "x.y")
        #expect(delivery?.left == 0)
    }

    @Test
    func `RMQ-ROUTE-21 to 26 an alternate takes what its exchange cannot route, and only that`()
        throws
    {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.declareExchange("rest", "fanout", on: channel)
        try talk.declareExchange("main", "direct", on: channel) { $0.alternate = "rest" }
        for queue in ["routed", "unrouted"] { try talk.declareQueue(queue, on: channel) }
        try talk.bind("routed", to: "main", key: "known", on: channel)
        try talk.bind("unrouted", to: "rest", on: channel)
        talk.publish("1", to: "known", exchange: "main", on: channel)
        talk.publish("2", to: "unknown", exchange: "main", mandatory: true, on: channel)
        #expect(talk.takeReturns(on: channel).isEmpty)
        #expect(try talk.get("routed", on: channel)?.body == "1")
        let delivery = try talk.get("unrouted", on: channel)
        #expect(delivery?.body == "2")
        #expect(delivery?.exchange == "main")
        #expect(delivery?.left == 0)
    }

    @Test func `RMQ-ROUTE-24 and 25 a cycle of alternates ends, and a missing one counts as none`()
        throws
    {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.declareExchange("a", "direct", on: channel) { $0.alternate = "b" }
        try talk.declareExchange("b", "direct", on: channel) { $0.alternate = "a" }
        try talk.declareExchange("c", "direct", on: channel) { $0.alternate = "nope" }
        talk.publish("1", to: "k", exchange: "a", mandatory: true, on: channel)
        talk.publish("2", to: "k", exchange: "c", mandatory: true, on: channel)
        #expect(talk.takeReturns(on: channel) == ["1", "2"])
    }

    @Test
    func
        `RMQ-ROUTE-27 a matching exchange binding keeps the alternate out, even if it leads nowhere`()
        throws
    {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.declareExchange("rest", "fanout", on: channel)
        try talk.declareExchange("source", "direct", on: channel) { $0.alternate = "rest" }
        try talk.declareExchange("empty", "direct", on: channel)
        try talk.bindExchange("empty", to: "source", key: "k", on: channel)
        try talk.declareQueue("q", on: channel)
        try talk.bind("q", to: "rest", on: channel)
        talk.publish("lost", to: "k", exchange: "source", on: channel)
        #expect(try talk.get("q", on: channel) == nil)
    }

    @Test
    func
        `RMQ-ROUTE-29 to 33 CC and BCC add keys, BCC goes before delivery, other types are refused`()
        throws
    {
        let talk = Conversation()
        let channel = talk.openChannel()
        for queue in ["a", "b", "c"] { try talk.declareQueue(queue, on: channel) }
        talk.publish(
            "m",
            to: "a",
            headers: [
                .init("CC", .array([.string("b"), .string("a"), .int(5)])),
                .init("BCC", .array([.string("c")])), .init("cc", .array([.string("none")])),
            ],
            on: channel
        )
        for queue in ["a", "b", "c"] {
            let delivery = try talk.get(queue, on: channel)
            #expect(delivery?.headers.map(\.name) == ["CC", "cc"], "\(queue)")
            #expect(delivery?.left == 0)
        }
        talk.publish("m", to: "a", headers: [.init("CC", .string("b"))], on: channel)
        #expect(
            talk.refusal(of: channel)?.text
                == "PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,\"CC\",longstr}"
        )
    }

    /// RMQ-HDR-01: a binding's arguments, a message's headers, and whether they match.
    @Test(arguments: [
        ([("a", FieldValue.int(1))], [("a", FieldValue.int(1)), ("b", .int(2))], true),
        ([("a", .int(1)), ("b", .int(2))], [("a", .int(1))], false),
        ([("x-match", .string("any")), ("a", .int(1)), ("b", .int(2))], [("b", .int(2))], true),
        ([("x-match", .string("any"))], [("b", .int(2))], false),
        ([], [("b", .int(2))], true),
        ([("a", .void)], [("a", .string("anything"))], true),
        ([("a", .void)], [("b", .int(1))], false),
        ([("a", .int(1))], [("a", .double(1.0))], true),
        ([("a", .int(1))], [("a", .string("1"))], false),
        ([("a", .int(1))], [("a", .bool(true))], false),
        ([("a", .timestamp(7))], [("a", .int(7))], true),
        ([("a", .string("X"))], [("a", .string("x"))], false),
        ([("x-a", .int(1))], [], true),
        ([("x-match", .string("all-with-x")), ("x-a", .int(1))], [], false),
        ([("x-match", .string("any-with-x")), ("x-a", .int(1))], [("x-a", .int(1))], true),
        ([("a", .array([.int(1), .int(2)]))], [("a", .array([.int(2), .int(1)]))], false),
    ])
    func `RMQ-HDR-01 a headers exchange compares by value`(
        arguments: [(String, FieldValue)],
        headers: [(String, FieldValue)],
        matches: Bool
    ) throws {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.declareQueue("q", on: channel)
        try talk.bind(
            "q",
            to: "amq.headers",
            arguments: arguments.map { FieldValue.Field($0.0, $0.1) },
            on: channel
        )
        talk.publish(
            "m",
            to: "whatever",
            exchange: "amq.headers",
            headers: headers.map { FieldValue.Field($0.0, $0.1) },
            on: channel
        )
        #expect((try talk.get("q", on: channel) != nil) == matches)
    }

    @Test func `RMQ-HDR-02 another x-match is refused at bind`() throws {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.declareQueue("q", on: channel)
        #expect(throws: Conversation.Closed.self) {
            try talk.bind(
                "q",
                to: "amq.headers",
                arguments: [.init("x-match", .string("some"))],
                on: channel
            )
        }
        #expect(talk.refusal(of: channel)?.code == 406)
    }
}
