import Conversations
import RabbitMQModel
import Testing
import WarrenTrace

@Suite("RabbitMQ names and declarations", .heldWithBoth)
struct NamesTests {
    private let talk = Talk()

    private func exchange(
        _ name: String,
        _ type: String,
        on channel: Conversation.Channel? = nil,
        _ change: (inout ExchangeDeclaration) -> Void = { _ in }
    ) throws {
        try talk.talk.declareExchange(name, type, on: channel ?? talk.channel, change)
    }

    private func isThere(_ exchange: String) -> Bool {
        talk.refusal { other in
            try talk.talk.declareExchange(exchange, "direct", on: other) { $0.passive = true }
        } == nil
    }

    private func queueIsThere(_ name: String) -> Bool {
        talk.refusal { other in
            try talk.talk.declareQueue(name, on: other) { $0.passive = true }
        } == nil
    }

    @Test(arguments: [
        (
            FieldValue?.some(.int(100)), FieldValue?.some(.int(200)),
            "received '200' but current is '100'"
        ),
        (.int(100), nil, "received none but current is the value '100' of type 'signedint'"),
        (nil, .int(100), "received the value '100' of type 'signedint' but current is none"),
    ])
    func `RMQ-DECL-08 another x-argument is refused in words`(
        first: FieldValue?,
        second: FieldValue?,
        words: String
    ) throws {
        try talk.queue("q") { $0["x-message-ttl"] = first }
        let refusal = talk.refusal { other in
            try talk.talk.declareQueue("q", on: other) { $0["x-message-ttl"] = second }
        }
        #expect(
            refusal?.text
                == "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': "
                + words
        )
    }

    @Test func `RMQ-DECL-09 and 10 the value decides, and unknown arguments are not compared`()
        throws
    {
        try talk.queue("q", [("x-message-ttl", .int(100)), ("x-foo", .int(1))])
        try talk.queue("q", [("x-message-ttl", .int(100)), ("x-foo", .string("two"))])
        // Saying classic is saying nothing.
        try talk.queue("c", [("x-queue-type", .string("classic"))])
        try talk.queue("c")
    }

    @Test(arguments: [
        ("x-message-ttl", FieldValue.int(-1), "{value_negative,-1}"),
        ("x-message-ttl", .string("5"), "\"expected integer, got longstr\""),
        ("x-message-ttl", .int(1_099_511_627_776), "{value_too_large,1099511627776}"),
        ("x-expires", .int(0), "{value_zero,0}"), ("x-expires", .int(-1), "{value_negative,-1}"),
        ("x-max-length", .int(-1), "{value_negative,-1}"),
        ("x-max-length-bytes", .int(-1), "{value_negative,-1}"),
        ("x-max-priority", .int(256), "{max_value_exceeded,256}"),
        ("x-max-priority", .int(-1), "{value_negative,-1}"),
        ("x-overflow", .string("bad"), "invalid_overflow"),
        ("x-overflow", .int(5), "{unacceptable_type,signedint}"),
        ("x-queue-mode", .string("bad"), "\"unsupported queue mode 'bad'\""),
        ("x-queue-type", .string("bad"), "\"unsupported queue type 'bad'\""),
        ("x-dead-letter-routing-key", .string("a"), "routing_key_but_no_dlx_defined"),
        ("x-single-active-consumer", .string("yes"), "{unacceptable_type,longstr}"),
        ("x-queue-version", .int(3), "\"unsupported queue version '3'\""),
    ])
    func `RMQ-DECL-23 a bad argument is refused in the broker's words`(
        name: String,
        value: FieldValue,
        fault: String
    ) {
        let refusal = talk.refusal { other in
            try talk.talk.declareQueue("q", on: other) { $0.arguments = [.init(name, value)] }
        }
        #expect(
            refusal?.text
                == "PRECONDITION_FAILED - invalid arg '\(name)' for queue 'q' in vhost '/': \(fault)"
        )
    }

    @Test func `RMQ-DECL-23 and 22 odd types have their own words, and names may be long`() throws {
        let refusal = talk.refusal { other in
            try talk.talk.declareQueue("q", on: other) {
                $0.arguments = [.init("x-dead-letter-exchange", .int(5))]
            }
        }
        #expect(
            refusal?.text
                == "PRECONDITION_FAILED - invalid type 'signedint' for arg 'x-dead-letter-exchange' in "
                + "queue 'q' in vhost '/'"
        )
        let long = String(repeating: "x", count: 255)
        #expect(try talk.queue(long).name == long)
    }

    @Test func `RMQ-DECL-17 to 19 an auto-delete queue goes with its last consumer, not before`()
        throws
    {
        for queue in ["cancelled", "closed", "cut", "never"] {
            try talk.queue(queue) { $0.autoDelete = true }
            talk.publish("x", to: queue)
        }
        _ = try talk.talk.get("never", on: talk.channel)
        let tag = try talk.talk.consume("cancelled", on: talk.channel)
        try talk.talk.cancel(tag, on: talk.channel)
        let (closed, cut) = (talk.talk.openChannel(), talk.talk.openChannel())
        try talk.talk.consume("closed", on: closed)
        try talk.talk.close(closed)
        try talk.talk.consume("cut", on: cut)
        talk.talk.cut(cut)
        #expect(
            ["cancelled", "closed", "cut", "never"].map(queueIsThere) == [
                false, false, false, true,
            ]
        )
    }

    @Test func `RMQ-DECL-30 line ends are stripped from names`() throws {
        #expect(try talk.queue("name\r\n").name == "name")
    }

    @Test func `RMQ-DECL-31 to 33 an exchange that is there must be the same, and its type known`()
        throws
    {
        try exchange("x", "direct")
        func refusal(_ change: @escaping (inout ExchangeDeclaration) -> Void) -> Conversation
            .Closed?
        {
            talk.refusal { other in
                try talk.talk.declareExchange("x", "direct", on: other, change)
            }
        }
        #expect(refusal { $0.type = "topic" }?.text.contains("inequivalent arg 'type'") == true)
        #expect(refusal { $0.durable = false }?.text.contains("inequivalent arg 'durable'") == true)
        #expect(refusal { $0.autoDelete = true }?.text.contains("arg 'auto_delete'") == true)
        #expect(refusal { $0.isInternal = true }?.text.contains("arg 'internal'") == true)
        let unknown = refusal { $0.type = "magic" }
        #expect(unknown?.code == 503)
        #expect(unknown?.connection == true)
    }

    @Test func `RMQ-DECL-34 to 38 what is predeclared, what is missing, what is in use`() throws {
        #expect(!isThere("nowhere"))
        for name in ["amq.direct", "amq.fanout", "amq.topic", "amq.headers", "amq.match"] {
            #expect(isThere(name))
            #expect(talk.refusal { try talk.talk.deleteExchange(name, on: $0) }?.code == 403)
        }
        #expect(talk.refusal { try talk.talk.deleteExchange("", on: $0) }?.code == 403)
        try talk.queue("q")
        #expect(talk.refusal { try talk.talk.bind("q", to: "", on: $0) }?.code == 403)
        #expect(talk.refusal { try talk.talk.unbind("q", from: "", on: $0) }?.code == 403)
        try talk.talk.deleteExchange("nowhere", on: talk.channel)
        try exchange("x", "fanout")
        try talk.talk.bind("q", to: "x", on: talk.channel)
        let used = talk.refusal { try talk.talk.deleteExchange("x", ifUnused: true, on: $0) }
        #expect(used?.text == "PRECONDITION_FAILED - exchange 'x' in vhost '/' in use")
    }

    @Test func `RMQ-DECL-44 and 46 the default exchange is not bound, the owner may declare again`()
        throws
    {
        try talk.queue("q")
        #expect(talk.refusal { try talk.talk.bind("q", to: "", key: "k", on: $0) }?.code == 403)
        for _ in 0..<2 { try talk.queue("mine") { $0.exclusive = true } }
    }

    @Test func `RMQ-ROUTE-02, RMQ-PUB-03 and 04 an unknown queue is no error`() throws {
        try talk.queue("q")
        try talk.talk.selectConfirms(on: talk.channel)
        talk.publish("x", to: "nowhere")
        talk.talk.publish("y", to: "q", mandatory: true, on: talk.channel)
        #expect(talk.talk.takeConfirms(on: talk.channel) == [1, 2])
        #expect(talk.talk.takeReturns(on: talk.channel).isEmpty)
    }

    @Test func `RMQ-ROUTE-06 and 08 one copy for a queue, and bindings that differ in arguments`()
        throws
    {
        try talk.queue("q")
        for key in ["a.*", "a.b", "#"] {
            try talk.talk.bind("q", to: "amq.topic", key: key, on: talk.channel)
        }
        talk.talk.publish("x", to: "a.b", exchange: "amq.topic", on: talk.channel)
        #expect(try talk.bodies("q") == ["x"])
        for arguments in [[], [FieldValue.Field("n", .int(1))]] {
            try talk.talk.bind(
                "q",
                to: "amq.direct",
                key: "k",
                arguments: arguments,
                on: talk.channel
            )
        }
        try talk.talk.unbind("q", from: "amq.direct", key: "k", on: talk.channel)
        talk.talk.publish("y", to: "k", exchange: "amq.direct", on: talk.channel)
        #expect(try talk.bodies("q") == ["y"])
    }

    @Test func `RMQ-ROUTE-12, 13 and 17 each hop matches the key that was published`() throws {
        try exchange("inner", "topic") { $0.isInternal = true }
        try talk.talk.bindExchange("inner", to: "amq.topic", key: "a.#", on: talk.channel)
        try talk.queue("q")
        try talk.talk.bind("q", to: "inner", key: "a.b", on: talk.channel)
        talk.talk.publish("x", to: "a.b", exchange: "amq.topic", on: talk.channel)
        talk.talk.publish("y", to: "a.c", exchange: "amq.topic", on: talk.channel)
        let got = try talk.drain("q")
        #expect(got.map(\.body) == ["x"])
        #expect(got.map { [$0.exchange, $0.key] } == [["amq.topic", "a.b"]])
    }

    @Test
    func `RMQ-ROUTE-14 to 16 circles end, an exchange may lead to itself, diamonds make one copy`()
        throws
    {
        for name in ["a", "b", "c"] { try exchange(name, "fanout") }
        for (from, to) in [("a", "b"), ("b", "c"), ("c", "a"), ("a", "a"), ("a", "c")] {
            try talk.talk.bindExchange(to, to: from, on: talk.channel)
        }
        try talk.queue("q")
        for name in ["b", "c"] { try talk.talk.bind("q", to: name, on: talk.channel) }
        talk.talk.publish("x", to: "", exchange: "a", on: talk.channel)
        #expect(try talk.bodies("q") == ["x"])
    }

    @Test
    func `RMQ-ROUTE-18 to 20 an exchange goes with what it leads to, not with what leads to it`()
        throws
    {
        for name in ["source", "end"] { try exchange(name, "fanout") { $0.autoDelete = true } }
        try exchange("keeper", "fanout")
        try talk.talk.bindExchange("end", to: "source", on: talk.channel)
        try talk.talk.bindExchange("source", to: "keeper", on: talk.channel)
        #expect(talk.refusal { try talk.talk.bindExchange("end", to: "", on: $0) }?.code == 403)
        try talk.talk.unbindExchange("source", from: "keeper", on: talk.channel)
        #expect(isThere("source"))
        try talk.talk.deleteExchange("end", on: talk.channel)
        #expect(!isThere("source"))
    }

    @Test
    func `RMQ-ROUTE-27 and 28 a way that leads nowhere is a way, and has an alternate of its own`()
        throws
    {
        for queue in ["of.source", "of.end"] {
            try talk.queue(queue)
            try exchange(queue, "fanout")
            try talk.talk.bind(queue, to: queue, on: talk.channel)
        }
        try exchange("end", "direct") { $0.alternate = "of.end" }
        try exchange("dead.end", "direct")
        try exchange("source", "fanout") { $0.alternate = "of.source" }
        try talk.talk.bindExchange("dead.end", to: "source", on: talk.channel)
        talk.talk.publish("x", to: "k", exchange: "source", on: talk.channel)
        #expect(try talk.depth("of.source") == 0)
        try talk.talk.bindExchange("end", to: "source", on: talk.channel)
        talk.talk.publish("y", to: "k", exchange: "source", on: talk.channel)
        #expect(try talk.bodies("of.end") == ["y"])
        #expect(try talk.depth("of.source") == 0)
    }

    @Test func `RMQ-ROUTE-29, 31, 32 and 33 CC and BCC name further keys`() throws {
        for queue in ["a", "b", "c"] {
            try talk.queue(queue)
            try talk.talk.bind(queue, to: "amq.direct", key: queue, on: talk.channel)
        }
        let headers: [FieldValue.Field] = [
            .init("CC", .array([.string("b"), .string("a"), .int(7)])),
            .init("BCC", .array([.string("c")])), .init("cc", .array([.string("nowhere")])),
        ]
        for exchange in ["", "amq.direct"] {
            talk.talk.publish("x", to: "a", exchange: exchange, headers: headers, on: talk.channel)
            for queue in ["a", "b", "c"] {
                let got = try talk.drain(queue)
                #expect(got.count == 1)
                #expect(got[0].properties.header("BCC") == nil)
                #expect(got[0].properties.header("CC") != nil)
            }
        }
    }

    @Test func `RMQ-ROUTE-30 a CC that is no list is refused`() throws {
        let refusal = talk.refusal {
            talk.talk.publish("x", to: "q", headers: [.init("CC", .string("b"))], on: $0)
        }
        #expect(
            refusal?.text
                == "PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,\"CC\",longstr}"
        )
    }

    @Test func `RMQ-TOPIC-02 and 04 wildcards in a key are words, and one binding goes at a time`()
        throws
    {
        try talk.queue("q")
        for key in ["a.b", "a.*"] {
            try talk.talk.bind("q", to: "amq.topic", key: key, on: talk.channel)
        }
        talk.talk.publish("star", to: "*.b", exchange: "amq.topic", on: talk.channel)
        try talk.talk.unbind("q", from: "amq.topic", key: "a.*", on: talk.channel)
        talk.talk.publish("kept", to: "a.b", exchange: "amq.topic", on: talk.channel)
        talk.talk.publish("gone", to: "a.c", exchange: "amq.topic", on: talk.channel)
        #expect(try talk.bodies("q") == ["kept"])
    }

    @Test
    func `RMQ-HDR-03, 04 and 06 the key and the properties are no headers, a time is a number`()
        throws
    {
        try talk.queue("q")
        try talk.talk.bind(
            "q",
            to: "amq.headers",
            arguments: [.init("type", .int(5))],
            on: talk.channel
        )
        func publish(_ body: String, _ properties: Properties) {
            talk.talk.publish(
                body,
                to: "any",
                exchange: "amq.headers",
                properties: properties,
                on: talk.channel
            )
        }
        publish("property", .with { $0.type = "5" })
        publish("time", Properties(headers: [.init("type", .timestamp(5))]))
        #expect(try talk.bodies("q") == ["time"])
    }

    @Test func `RMQ-HDR-05 a whole number equals a fraction before 4.0`() throws {
        for (version, expected) in [("3.10", ["x"]), ("4.0", [])] {
            let talk = Talk { settings, _ in settings.version = Version(version) ?? .v3_10 }
            try talk.queue("q")
            let binding = [FieldValue.Field("n", .int(1))]
            try talk.talk.bind("q", to: "amq.headers", arguments: binding, on: talk.channel)
            talk.talk.publish(
                "x",
                to: "",
                exchange: "amq.headers",
                headers: [.init("n", .double(1))],
                on: talk.channel
            )
            #expect(try talk.bodies("q") == expected, "\(version)")
        }
    }
}

@Suite("RabbitMQ, what else a single node shows", .heldWithBoth)
struct OtherBehaviourTests {
    private let talk = Talk()

    @Test func `RMQ-CONN-06 an unknown virtual host`() {
        let closed = #expect(throws: Conversation.Closed.self) {
            try talk.talk.connect { $0.vhost = "zz" }
        }
        #expect(closed?.text == "NOT_ALLOWED - vhost zz not found")
    }

    @Test func `RMQ-CONN-24 and 26 a connection takes all that it owns with it`() throws {
        try talk.queue("q")
        talk.publish("x", to: "q")
        let other = talk.talk.openChannel()
        _ = try talk.talk.get("q", on: other)
        try talk.talk.declareQueue("mine", on: other) { $0.exclusive = true }
        talk.talk.closeConnection(other)
        #expect(try talk.depth("q") == 1)
        #expect(talk.refusal { try talk.talk.consume("mine", on: $0) }?.code == 404)
        let hard = talk.refusal { talk.talk.publish("x", to: "q", immediate: true, on: $0) }
        #expect(hard?.connection == true)
    }

    @Test
    func
        `RMQ-PUB-10, 11, 13, 20 and 34 five hundred confirms, all in order in the queue`()
        throws
    {
        try talk.queue("q")
        try talk.talk.selectConfirms(on: talk.channel)
        for number in 0..<500 {
            talk.talk.publish(
                "\(number)",
                to: "q",
                persistent: number % 2 == 0,
                on: talk.channel
            )
        }
        #expect(talk.talk.takeConfirms(on: talk.channel).sorted() == Array(1...500))
        #expect(try talk.depth("q") == 500)
        #expect(try talk.bodies("q") == (0..<500).map(String.init))
        try talk.talk.consume("q", noAck: true, on: talk.talk.openChannel())
        talk.publish("x", to: "q")
        #expect(talk.talk.takeConfirms(on: talk.channel) == [501])
    }

    @Test func `RMQ-CONN-32, RMQ-PUB-37 a kill tells nobody anything`() throws {
        try talk.queue("q")
        try talk.talk.selectConfirms(on: talk.channel)
        talk.talk.kill()
        #expect(talk.talk.refusal(of: talk.channel) == nil)
        #expect(!talk.talk.isConnected(talk.channel))
        #expect(talk.talk.takeConfirms(on: talk.channel).isEmpty)
    }

    @Test func `RMQ-PUB-17 a channel error takes the outstanding confirms with it`() throws {
        try talk.queue("q")
        let channel = talk.talk.openChannel()
        try talk.talk.selectConfirms(on: channel)
        talk.talk.publish("x", to: "k", exchange: "nowhere", on: channel)
        #expect(talk.talk.refusal(of: channel)?.code == 404)
        talk.talk.publish("y", to: "q", on: channel)
        #expect(talk.talk.takeConfirms(on: channel).isEmpty)
        #expect(try talk.depth("q") == 0)
    }

    @Test func `RMQ-PUB-23 after a rollback a delivery can be acked again`() throws {
        try talk.queue("q")
        talk.publish("x", to: "q")
        try talk.talk.selectTransactions(on: talk.channel)
        let held = try #require(try talk.talk.get("q", on: talk.channel))
        talk.talk.ack(held.tag, on: talk.channel)
        try talk.talk.rollback(on: talk.channel)
        talk.talk.ack(held.tag, on: talk.channel)
        try talk.talk.commit(on: talk.channel)
        talk.talk.closeConnection(talk.channel)
        #expect(try talk.talk.get("q", on: talk.talk.openChannel()) == nil)
    }

    @Test func `RMQ-PUB-32, 33 and 35 large bodies, long keys, and bindings made just before`()
        throws
    {
        try talk.queue("q")
        let key = String(repeating: "k", count: 255)
        let body = String(repeating: "x", count: 400_000)
        try talk.talk.bind("q", to: "amq.direct", key: key, on: talk.channel)
        talk.talk.publish(body, to: key, exchange: "amq.direct", on: talk.channel)
        #expect(try talk.bodies("q") == [body])
        for number in 0..<20 {
            try talk.talk.bind("q", to: "amq.direct", key: "\(number)", on: talk.channel)
            talk.talk.publish(
                "\(number)",
                to: "\(number)",
                exchange: "amq.direct",
                on: talk.channel
            )
        }
        #expect(try talk.depth("q") == 20)
    }

    @Test func `RMQ-PUB-38 a queue that is deleted in good order leaves an ack`() throws {
        try talk.queue("q")
        try talk.talk.selectConfirms(on: talk.channel)
        talk.talk.publish("x", to: "q", persistent: true, on: talk.channel)
        try talk.talk.deleteQueue("q", on: talk.channel)
        #expect(talk.talk.takeConfirms(on: talk.channel) == [1])
    }

    @Test
    func `RMQ-CONS-05, 26, 28, 29 and 31 consume-ok first, turns on one channel, a deleted queue`()
        throws
    {
        try talk.queue("q")
        talk.publish("1", "2", to: "q")
        try talk.talk.consume("q", tag: "a", on: talk.channel)
        let first = talk.talk.takeDeliveries(on: talk.channel)
        #expect(first.map(\.consumer) == ["a", "a"])
        try talk.talk.consume("q", tag: "b", on: talk.channel)
        talk.publish("3", "4", to: "q")
        #expect(talk.talk.takeDeliveries(on: talk.channel).map(\.consumer) == ["a", "b"])
        try talk.talk.cancel("b", on: talk.channel)
        #expect(talk.talk.takeCancellations(on: talk.channel).isEmpty)
        try talk.talk.deleteQueue("q", on: talk.talk.openChannel())
        #expect(talk.talk.takeCancellations(on: talk.channel) == ["a"])
        talk.talk.ack(first[0].tag, on: talk.channel)
        #expect(talk.talk.refusal(of: talk.channel) == nil)
    }

    @Test func `RMQ-ACK-13 multiple spans all queues of the channel`() throws {
        for queue in ["a", "b"] {
            try talk.queue(queue)
            talk.publish("x", to: queue)
        }
        let other = talk.talk.openChannel()
        _ = try talk.talk.get("a", on: other)
        let second = try #require(try talk.talk.get("b", on: other))
        talk.talk.ack(second.tag, multiple: true, on: other)
        talk.talk.closeConnection(other)
        #expect(try talk.depth("a") + talk.depth("b") == 0)
    }

    @Test
    func `RMQ-REQ-07 to 09 what was settled by sending is lost, what was sent comes redelivered`()
        throws
    {
        try talk.queue("auto")
        try talk.queue("manual")
        let other = talk.talk.openChannel()
        try talk.talk.qos(1, on: other)
        try talk.talk.consume("auto", noAck: true, on: other)
        try talk.talk.consume("manual", on: other)
        talk.publish("x", to: "auto")
        talk.publish("sent", "kept", to: "manual")
        talk.talk.cut(other)
        #expect(try talk.depth("auto") == 0)
        let got = try talk.drain("manual")
        #expect(got.map(\.body) == ["sent", "kept"])
        #expect(got.map(\.redelivered) == [true, false])
    }

    @Test func `RMQ-REQ-11 and 14 a sole consumer gets it back at once, and nothing is counted`()
        throws
    {
        try talk.queue("q")
        talk.publish("x", to: "q")
        try talk.talk.consume("q", on: talk.channel)
        var tags: [UInt64] = []
        for _ in 0..<5 {
            let delivery = try #require(talk.talk.takeDeliveries(on: talk.channel).first)
            #expect(delivery.properties.header("x-delivery-count") == nil)
            tags.append(delivery.tag)
            talk.talk.nack(delivery.tag, requeue: true, on: talk.channel)
        }
        #expect(tags == [1, 2, 3, 4, 5])
    }

    @Test
    func
        `RMQ-REQ-15, 18 and 19 dropped without a dead-letter exchange, and order as consumers see it`()
        throws
    {
        try talk.queue("q")
        talk.publish("0", "1", to: "q")
        try talk.talk.qos(2, on: talk.channel)
        try talk.talk.consume("q", on: talk.channel)
        talk.talk.nack(1, requeue: true, on: talk.channel)
        let got = talk.talk.takeDeliveries(on: talk.channel)
        #expect(got.map(\.body) == ["0", "1", "0"])
        talk.talk.reject(3, requeue: false, on: talk.channel)
        talk.talk.ack(2, on: talk.channel)
        #expect(try talk.depth("q") == 0)
        try talk.queue("r")
        talk.publish("held", to: "r")
        let other = talk.talk.openChannel()
        _ = try talk.talk.get("r", on: other)
        talk.talk.cut(other)
        #expect(try talk.drain("r").map(\.redelivered) == [true])
    }

    /// A queue whose rejected messages go to `dead` through an exchange.
    private func dying(_ key: String? = nil, exchange: String = "amq.fanout") throws {
        try talk.queue("dead")
        try talk.talk.bind("dead", to: "amq.fanout", on: talk.channel)
        try talk.queue("q") {
            $0.deadLetterExchange = exchange
            $0.deadLetterKey = key
        }
    }

    private func rejectAll(multiple: Bool = false) throws {
        var last: UInt64 = 0
        while let next = try talk.talk.get("q", on: talk.channel) {
            last = next.tag
            if !multiple { talk.talk.reject(next.tag, requeue: false, on: talk.channel) }
        }
        if multiple { talk.talk.nack(last, multiple: true, requeue: false, on: talk.channel) }
    }

    @Test
    func `RMQ-DLX-03, 04, 14 and 21 each is dead-lettered whole, and what is requeued is not`()
        throws
    {
        try dying()
        let full = Properties.with {
            $0.messageID = "m"
            $0.priority = 4
            $0.headers = [.init("mine", .int(1))]
        }
        talk.publish("a", "b", to: "q", full)
        let held = try #require(try talk.talk.get("q", on: talk.channel))
        talk.talk.nack(held.tag, requeue: true, on: talk.channel)
        #expect(try talk.depth("dead") == 0)
        try rejectAll(multiple: true)
        let dead = try talk.drain("dead")
        #expect(dead.map(\.body) == ["a", "b"])
        #expect(dead.allSatisfy { $0.properties.messageID == "m" && $0.properties.priority == 4 })
        #expect(dead.allSatisfy { $0.properties.header("mine") == .int(1) })
        #expect(dead[0].properties.header("x-first-death-queue") == .string("q"))
    }

    @Test
    func `RMQ-DLX-07, 08 and 23 a missing exchange drops, a late or an internal one does not`()
        throws
    {
        try dying(exchange: "late")
        talk.publish("lost", to: "q")
        try rejectAll()
        try talk.talk.declareExchange("late", "fanout", on: talk.channel) { $0.isInternal = true }
        try talk.talk.bind("dead", to: "late", on: talk.channel)
        talk.publish("kept", to: "q")
        try rejectAll()
        #expect(try talk.bodies("dead") == ["kept"])
    }

    @Test func `RMQ-DLX-16 to 18 a key of its own replaces CC, without one CC routes again`() throws
    {
        for queue in ["copy", "other"] { try talk.queue(queue) }
        let copied = Properties(headers: [.init("CC", .array([.string("copy")]))])
        for key in ["other", nil] {
            try talk.queue("q") {
                $0.deadLetterExchange = ""
                $0.deadLetterKey = key
            }
            talk.publish("x", to: "q", copied)
            #expect(try talk.bodies("copy") == ["x"])
            let held = try #require(try talk.talk.get("q", on: talk.channel))
            talk.talk.reject(held.tag, requeue: false, on: talk.channel)
            #expect(try talk.depth("other") == (key == nil ? 0 : 1))
            let copies = try talk.drain("copy")
            #expect(copies.count == (key == nil ? 1 : 0))
            for delivery in try talk.drain("other") {
                #expect(delivery.properties.header("CC") == nil)
                #expect(
                    delivery.deaths.first?["routing-keys"]
                        == .array([.string("q"), .string("copy")])
                )
            }
            try talk.talk.deleteQueue("q", on: talk.channel)
        }
    }

    @Test
    func `RMQ-DLX-19, 22 and 24 purging, deleting and closing kill nobody, an alternate helps`()
        throws
    {
        try talk.talk.declareExchange("dlx", "direct", on: talk.channel) {
            $0.alternate = "amq.fanout"
        }
        try dying(exchange: "dlx")
        talk.publish("a", to: "q")
        try talk.talk.purge("q", on: talk.channel)
        talk.publish("b", to: "q")
        let other = talk.talk.openChannel()
        _ = try talk.talk.get("q", on: other)
        try talk.talk.close(other)
        #expect(try talk.depth("dead") == 0)
        try rejectAll()
        #expect(try talk.bodies("dead") == ["b"])
        talk.publish("c", to: "q")
        try talk.talk.deleteQueue("q", on: talk.channel)
        #expect(try talk.depth("dead") == 0)
    }

    @Test func `RMQ-DLX-28 a target that is full loses it, and nobody is told`() throws {
        try talk.queue(
            "dead",
            [("x-max-length", .int(0)), ("x-overflow", .string("reject-publish"))]
        )
        try talk.queue("q") {
            $0.deadLetterExchange = ""
            $0.deadLetterKey = "dead"
        }
        talk.publish("x", to: "q")
        try rejectAll()
        #expect(try talk.depth("q") + talk.depth("dead") == 0)
        let lost = talk.talk.facts.last { $0.kind == .messageDropped }
        #expect(lost?.variant == DropReason.maxlen.rawValue)
    }

    @Test
    func `RMQ-DLX-25 and 27 what is no list is replaced, and counting up keeps the first story`()
        throws
    {
        try talk.queue("q") {
            $0.deadLetterExchange = ""
            $0.deadLetterKey = "q"
        }
        talk.publish("x", to: "q", Properties(headers: [.init("x-death", .string("odd"))]))
        var times: [FieldValue?] = []
        for _ in 0..<3 {
            talk.talk.wait(2000)
            let held = try #require(try talk.talk.get("q", on: talk.channel))
            times.append(held.deaths.first?["time"])
            talk.talk.reject(held.tag, requeue: false, on: talk.channel)
        }
        #expect(times[0] == nil)
        #expect(times[1] == times[2])
        #expect(try talk.drain("q").first?.deaths.first?["count"] == .integer(3, .long))
    }

    @Test func `RMQ-DUR-05, 06, 08 and 09 what a restart keeps of exchanges, bindings and flags`()
        throws
    {
        try talk.queue("auto") { $0.autoDelete = true }
        try talk.queue("q")
        try talk.queue("transient") { $0.durable = false }
        try talk.talk.declareExchange("kept", "fanout", on: talk.channel)
        try talk.talk.declareExchange("auto", "fanout", on: talk.channel) { $0.autoDelete = true }
        try talk.talk.declareExchange("gone", "fanout", on: talk.channel) { $0.durable = false }
        try talk.talk.bind("q", to: "kept", on: talk.channel)
        try talk.talk.bind("transient", to: "auto", on: talk.channel)
        for body in ["P0", "P1"] {
            talk.talk.publish(body, to: "q", persistent: true, on: talk.channel)
        }
        let other = talk.talk.openChannel()
        _ = try talk.talk.get("q", on: other)
        talk.talk.cut(other)
        talk.talk.restart()
        let channel = talk.talk.openChannel()
        let got = [
            try talk.talk.get("q", noAck: true, on: channel),
            try talk.talk.get("q", noAck: true, on: channel),
        ]
        #expect(got.map { $0?.redelivered } == [true, false])
        talk.talk.publish("x", to: "", exchange: "kept", on: channel)
        #expect(try talk.depth("q") == 1)
        #expect(try talk.depth("auto") == 0)
        for (name, code) in [("auto", nil), ("gone", UInt16(404))] {
            let refusal = talk.refusal { other in
                try talk.talk.declareExchange(name, "fanout", on: other) { $0.passive = true }
            }
            #expect(refusal?.code == code, "\(name)")
        }
    }

    @Test func `RMQ-DUR-13 another name is an empty broker, and the old one has all there was`()
        throws
    {
        try talk.queue("q")
        talk.talk.publish("x", to: "q", persistent: true, on: talk.channel)
        talk.talk.restart(directory: 1)
        #expect(talk.refusal { try talk.talk.consume("q", on: $0) }?.code == 404)
        talk.talk.restart(directory: 0)
        #expect(try talk.depth("q") == 1)
    }

    @Test func `RMQ-DUR-14 a kill may undo an ack that the disk did not know`() throws {
        try talk.queue("q")
        talk.talk.publish("x", to: "q", persistent: true, on: talk.channel)
        let held = try #require(try talk.talk.get("q", on: talk.channel))
        talk.talk.ackAndKill(held.tag, on: talk.channel)
        let got = try talk.talk.get("q", on: talk.talk.openChannel())
        #expect(got?.redelivered == true)
    }

    @Test func `RMQ-DECL, versions: 4.3 refuses transient queues that are not exclusive`() throws {
        let talk = Talk { settings, _ in settings.version = Version("4.3") ?? .v3_10 }
        let refusal = talk.refusal { other in
            try talk.talk.declareQueue("q", on: other) { $0.durable = false }
        }
        #expect(refusal?.code == 541)
        try talk.queue("mine") {
            $0.durable = false
            $0.exclusive = true
        }
    }
}
