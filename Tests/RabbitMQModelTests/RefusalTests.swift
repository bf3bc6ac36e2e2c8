import Conversations
import RabbitMQModel
import Testing

@Suite("RabbitMQ refusals", .heldWithBoth)
struct RefusalTests {
    let talk = Talk()

    private func text(_ body: (Conversation.Channel) throws -> Void) -> String? {
        talk.refusal(body)?.text
    }

    // MARK: Declarations

    /// What each kind knows, in the order in which the broker compares it, with a value that it takes.
    private static let complete: [(kind: String, arguments: [(String, FieldValue)])] = [
        (
            "classic",
            [
                ("x-expires", .int(3_600_000)), ("x-message-ttl", .int(5000)),
                ("x-dead-letter-exchange", .string("")),
                ("x-dead-letter-routing-key", .string("k")),
                ("x-max-length", .int(10)), ("x-max-length-bytes", .int(100)),
                ("x-max-priority", .int(3)), ("x-overflow", .string("reject-publish")),
                ("x-queue-mode", .string("lazy")), ("x-queue-version", .int(1)),
                ("x-single-active-consumer", .bool(true)),
                ("x-queue-master-locator", .string("min-masters")),
            ]
        ),
        (
            "quorum",
            [
                ("x-dead-letter-exchange", .string("")),
                ("x-dead-letter-routing-key", .string("k")),
                ("x-dead-letter-strategy", .string("at-least-once")),
                ("x-expires", .int(3_600_000)), ("x-max-length", .int(10)),
                ("x-max-length-bytes", .int(100)), ("x-max-in-memory-length", .int(10)),
                ("x-max-in-memory-bytes", .int(100)), ("x-overflow", .string("reject-publish")),
                ("x-single-active-consumer", .bool(true)), ("x-queue-type", .string("quorum")),
                ("x-quorum-initial-group-size", .int(1)), ("x-delivery-limit", .int(5)),
                ("x-message-ttl", .int(5000)), ("x-queue-leader-locator", .string("balanced")),
            ]
        ),
        (
            "stream",
            [
                ("x-max-length-bytes", .int(1_000_000)), ("x-queue-type", .string("stream")),
                ("x-max-age", .string("7D")), ("x-stream-max-segment-size-bytes", .int(100_000)),
                ("x-initial-cluster-size", .int(1)),
                ("x-queue-leader-locator", .string("balanced")),
            ]
        ),
    ]

    @Test(arguments: 0..<3)
    func `RMQ-DECL-54 what a second declaration lacks is named in the order of the kind`(
        number: Int
    ) throws {
        let (kind, arguments) = Self.complete[number]
        try talk.queue(kind, arguments)
        let channel = talk.talk.openChannel()
        for count in arguments.indices {
            let (name, value) = arguments[count]
            let closed = #expect(throws: Conversation.Closed.self) {
                try talk.talk.declareQueue(kind, on: channel) {
                    $0.arguments = arguments.prefix(count).reversed().map { .init($0.0, $0.1) }
                }
            }
            let printed = Self.printed(value)
            #expect(
                closed?.text
                    == "PRECONDITION_FAILED - inequivalent arg '\(name)' for queue '\(kind)' in "
                    + "vhost '/': received none but current is the value \(printed)"
            )
            talk.talk.reopen(channel)
        }
        try talk.talk.declareQueue(kind, on: channel) {
            $0.arguments = arguments.reversed().map { .init($0.0, $0.1) }
        }
    }

    private static func printed(_ value: FieldValue) -> String {
        switch value {
        case .string(let text): "'\(text)' of type 'longstr'"
        case .bool(let flag): "'\(flag)' of type 'bool'"
        case .integer(let number, let type): "'\(number)' of type '\(type)'"
        default: "?"
        }
    }

    @Test func `RMQ-DECL-54 a second declaration is compared by value within a class of types`()
        throws
    {
        try talk.queue("q", [("x-max-length", .int(5)), ("x-overflow", .string("drop-head"))])
        func again(_ length: FieldValue, _ overflow: FieldValue = .string("drop-head")) -> String? {
            text { channel in
                try talk.talk.declareQueue("q", on: channel) {
                    $0["x-max-length"] = length
                    $0["x-overflow"] = overflow
                }
            }
        }
        func different(_ argument: String, _ received: String, _ current: String) -> String {
            "PRECONDITION_FAILED - inequivalent arg '\(argument)' for queue 'q' in vhost '/': "
                + "received \(received) but current is \(current)"
        }
        for type in [
            FieldValue.IntegerType.byte, .unsignedbyte, .short, .unsignedshort, .unsignedint, .long,
        ] {
            #expect(again(.integer(5, type)) == nil)
        }
        #expect(again(.timestamp(5)) == nil)
        #expect(again(.int(5), .bytes(Array("drop-head".utf8))) == nil)
        #expect(again(.int(6)) == different("x-max-length", "'6'", "'5'"))
        #expect(again(.double(5)) == different("x-max-length", "'5.0'", "'5'"))
        #expect(again(.float(0.1)) == different("x-max-length", "'0.10000000149011612'", "'5'"))
        // A server bug of 3.10.8: it takes the decimal for a type and a value.
        #expect(again(.decimal(scale: 1, value: 50)) == "INTERNAL_ERROR")
        #expect(again(.void) == different("x-max-length", "none", "'5'"))
        #expect(
            again(.int(5), .array([.string("a"), .integer(7, .long), .bool(true)]))
                == different(
                    "x-overflow",
                    "'[{longstr,<<\"a\">>},{long,7},{bool,true}]'",
                    "'drop-head'"
                )
        )
        #expect(
            again(.int(5), .table([.init("a", .string("ü\"\n")), .init("b", .string("ā"))]))
                == different(
                    "x-overflow",
                    "'[{<<\"a\">>,longstr,<<\"ü\\\"\\n\">>},{<<\"b\">>,longstr,<<196,129>>}]'",
                    "'drop-head'"
                )
        )
    }

    @Test func `a fraction is printed as Erlang prints it`() throws {
        try talk.queue("q", [("x-max-length", .int(5))])
        let channel = talk.talk.openChannel()
        for (number, printed) in Self.erlang {
            let closed = #expect(throws: Conversation.Closed.self) {
                try talk.talk.declareQueue("q", on: channel) {
                    $0["x-max-length"] = .double(number)
                }
            }
            #expect(closed?.text.contains("received '\(printed)'") == true, "\(number)")
            talk.talk.reopen(channel)
        }
    }

    /// As Erlang/OTP 25 prints them.
    private static let erlang: [(Double, String)] = [
        (0.1, "0.1"), (1, "1.0"), (100, "100.0"), (1000, "1.0e3"), (12345, "12345.0"),
        (123_456, "123456.0"), (1_234_567, "1234567.0"), (1e5, "1.0e5"), (1e6, "1.0e6"),
        (1.5e7, "1.5e7"), (0.01, "0.01"), (0.001, "0.001"), (0.0001, "0.0001"),
        (1.5e-4, "1.5e-4"), (12.5, "12.5"), (1e15, "1.0e15"), (1.25e20, "1.25e20"),
        (9_007_199_254_740_991, "9007199254740991.0"),
        (9_007_199_254_740_992, "9.007199254740992e15"), (5e-300, "5.0e-300"),
        (1.7e308, "1.7e308"), (-2.5, "-2.5"), (-1e-7, "-1.0e-7"), (0, "0.0"),
        (123e-9, "1.23e-7"), (1e21, "1.0e21"), (1e22, "1.0e22"), (1.1e21, "1.1e21"),
    ]

    @Test func `RMQ-DECL-55 a name of the broker's own may not be declared again`() throws {
        let name = try talk.queue("").name
        #expect(
            text { try talk.talk.declareQueue(name, on: $0) }
                == "ACCESS_REFUSED - queue name '\(name)' contains reserved prefix 'amq.*'"
        )
        let look = text { channel in
            try talk.talk.declareQueue(name, on: channel) { $0.passive = true }
        }
        #expect(look == nil)
    }

    @Test func `RMQ-DECL-56 an exclusive queue is not durable, whatever its declaration says`()
        throws
    {
        for durable in [true, false, true] {
            try talk.queue("q") {
                $0.exclusive = true
                $0.durable = durable
            }
        }
    }

    @Test func `RMQ-DECL-57 who last declared a queue speaks of its name, and not of the queue`()
        throws
    {
        let channel = talk.talk.openChannel()
        try talk.talk.declareQueue("q", on: channel)
        try talk.talk.deleteQueue("", on: channel)
        let closed = #expect(throws: Conversation.Closed.self) {
            try talk.talk.get("", on: channel)
        }
        #expect(closed?.text == "NOT_FOUND - no queue 'q' in vhost '/'")
        let nothing = text { channel in
            try talk.talk.declareQueue("", on: channel) { $0.passive = true }
        }
        #expect(nothing == "NOT_FOUND - no queue '' in vhost '/'")
    }

    // MARK: Deleting and fetching

    @Test(arguments: [
        (true, false, "if-unused"), (false, true, "if-empty"), (true, true, "if-unused"),
    ])
    func `RMQ-QQ-40 a quorum queue is not deleted on condition`(
        ifUnused: Bool,
        ifEmpty: Bool,
        word: String
    ) throws {
        try talk.queue("q", [("x-queue-type", .string("quorum"))])
        let closed = talk.refusal {
            try talk.talk.deleteQueue("q", ifUnused: ifUnused, ifEmpty: ifEmpty, on: $0)
        }
        #expect(closed?.code == 540)
        #expect(closed?.connection == true)
        #expect(
            closed?.text
                == "NOT_IMPLEMENTED - cannot delete queue 'q' in vhost '/'. queue.delete operations "
                + "with \(word) flag set are not supported by quorum queues"
        )
    }

    @Test func `RMQ-STREAM-18 a stream is deleted whatever the condition`() throws {
        try talk.queue("q", [("x-queue-type", .string("stream"))])
        talk.publish("a", to: "q")
        let other = talk.talk.openChannel()
        try talk.talk.qos(10, on: other)
        try talk.talk.consume("q", on: other)
        try talk.talk.deleteQueue("q", ifUnused: true, ifEmpty: true, on: talk.channel)
        #expect(
            text { _ = try talk.talk.get("q", on: $0) } == "NOT_FOUND - no queue 'q' in vhost '/'"
        )
    }

    @Test func `RMQ-QQ-41 a quorum queue with a single active consumer is not fetched from`()
        throws
    {
        try talk.queue(
            "q",
            [("x-queue-type", .string("quorum")), ("x-single-active-consumer", .bool(true))]
        )
        #expect(
            text { _ = try talk.talk.get("q", on: $0) }
                == "RESOURCE_LOCKED - cannot obtain access to locked queue 'q' in vhost '/'. basic.get "
                + "operations are not supported by quorum queues with single active consumer"
        )
        try talk.queue("classic", [("x-single-active-consumer", .bool(true))])
        #expect(text { _ = try talk.talk.get("classic", on: $0) } == nil)
    }

    @Test func `RMQ-DECL-36 what the broker has of its own is not deleted`() {
        for name in ["amq.direct", "amq.nothing"] {
            #expect(
                text { try talk.talk.deleteExchange(name, on: $0) }
                    == "ACCESS_REFUSED - deletion of system exchange '\(name)' in vhost '/' not allowed"
            )
        }
    }

    @Test func `RMQ-DECL-58 the type of an exchange is looked at first`() throws {
        let odd = text { try talk.talk.declareExchange("", "odd", on: $0) }
        #expect(odd == "COMMAND_INVALID - unknown exchange type 'odd'")
        let system = text { try talk.talk.declareExchange("amq.direct", "odd", on: $0) }
        #expect(system == "COMMAND_INVALID - unknown exchange type 'odd'")
        try talk.talk.declareExchange("x", "direct", on: talk.channel)
        #expect(
            text { try talk.talk.declareExchange("x", "fanout", on: $0) }
                == "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'x' in vhost '/': received "
                + "'fanout' but current is 'direct'"
        )
        let alternate = text { channel in
            try talk.talk.declareExchange("y", "direct", on: channel) {
                $0.arguments = [.init("alternate-exchange", .int(5))]
            }
        }
        #expect(
            alternate
                == "PRECONDITION_FAILED - invalid type 'signedint' for arg 'alternate-exchange' in "
                + "exchange 'y' in vhost '/'"
        )
    }

    // MARK: Bindings

    @Test func `RMQ-DECL-42 and 43 what is not bound may be unbound, whatever else is missing`()
        throws
    {
        try talk.queue("q")
        for (queue, exchange) in [
            ("q", "amq.direct"), ("q", "x"), ("none", "amq.direct"), ("none", "x"),
        ] {
            #expect(text { try talk.talk.unbind(queue, from: exchange, on: $0) } == nil)
            #expect(text { try talk.talk.unbindExchange(queue, from: exchange, on: $0) } == nil)
        }
        #expect(
            text { try talk.talk.unbind("none", from: "", on: $0) }
                == "ACCESS_REFUSED - operation not permitted on the default exchange"
        )
    }

    @Test func `RMQ-DECL-59 only a binding that is there asks whose queue it is`() throws {
        try talk.queue("mine") { $0.exclusive = true }
        try talk.talk.bind("mine", to: "amq.direct", key: "k", on: talk.channel)
        #expect(
            text { try talk.talk.unbind("mine", from: "amq.direct", key: "other", on: $0) } == nil
        )
        let locked = text { try talk.talk.unbind("mine", from: "amq.direct", key: "k", on: $0) }
        #expect(locked?.hasPrefix("RESOURCE_LOCKED - cannot obtain exclusive access") == true)
        let bind = text { try talk.talk.bind("mine", to: "amq.direct", key: "new", on: $0) }
        #expect(bind == locked)
    }

    @Test func `RMQ-DECL-41 of two ends that are missing the source is named`() throws {
        #expect(
            text { try talk.talk.bind("none", to: "x", on: $0) }
                == "NOT_FOUND - no exchange 'x' in vhost '/'"
        )
        #expect(
            text { try talk.talk.bind("none", to: "amq.direct", on: $0) }
                == "NOT_FOUND - no queue 'none' in vhost '/'"
        )
    }

    @Test func `RMQ-HDR-02 how a binding may match is a word`() throws {
        try talk.queue("q")
        func bind(_ value: FieldValue) -> String? {
            text {
                try talk.talk.bind(
                    "q",
                    to: "amq.headers",
                    arguments: [.init("x-match", value)],
                    on: $0
                )
            }
        }
        func type(_ word: String) -> String {
            "PRECONDITION_FAILED - Invalid x-match field type \(word); expected longstr"
        }
        #expect(bind(.int(1)) == type("signedint (value 1)"))
        #expect(bind(.integer(1, .long)) == type("long (value 1)"))
        #expect(bind(.bool(true)) == type("bool (value true)"))
        #expect(bind(.double(1.5)) == type("double (value 1.5)"))
        #expect(bind(.void) == type("void (value undefined)"))
        #expect(bind(.bytes(Array("all".utf8))) == type("binary (value <<\"all\">>)"))
        #expect(bind(.array([.int(1)])) == type("array (value [{signedint,1}])"))
        let others = "; expected all, any, all-with-x, or any-with-x"
        for (mode, printed) in [("some", "<<\"some\">>"), ("", "<<>>"), ("ü", "<<\"ü\">>")] {
            #expect(
                bind(.string(mode))
                    == "PRECONDITION_FAILED - Invalid x-match field value \(printed)\(others)"
            )
        }
    }

    // MARK: Permissions

    @Test func `RMQ-PERM-15 who may do nothing does not learn what is there`() throws {
        let talk = Talk { settings, definitions in
            settings.users.append(User(name: "al", password: "al"))
            settings.hasRestrictions = true
            definitions.permissions = [
                UserPermissions(user: "guest", configure: ".*", write: ".*", read: ".*"),
                UserPermissions(user: "al", configure: "^$", write: "^$", read: "^$"),
            ]
        }
        let conversation = talk.talk
        try talk.queue("there")
        try talk.queue("mine") { $0.exclusive = true }
        try conversation.declareExchange("x", "direct", on: talk.channel)
        try conversation.declareExchange("hidden", "direct", on: talk.channel) {
            $0.isInternal = true
        }
        let zero = try conversation.connect {
            $0.user = "al"
            $0.password = "al"
        }.zero
        func said(_ body: (Conversation.Channel) throws -> Void) -> String? {
            let channel = conversation.openChannel(beside: zero)
            do { try body(channel) } catch { return (error as? Conversation.Closed)?.text }
            return conversation.refusal(of: channel)?.text
        }
        func refused(_ what: String) -> String {
            "ACCESS_REFUSED - access to \(what) in vhost '/' refused for user 'al'"
        }
        for queue in ["there", "mine", "none"] {
            let text = refused("queue '\(queue)'")
            #expect(said { try conversation.consume(queue, on: $0) } == text)
            #expect(said { _ = try conversation.get(queue, on: $0) } == text)
            #expect(said { try conversation.purge(queue, on: $0) } == text)
            #expect(said { try conversation.deleteQueue(queue, on: $0) } == text)
            #expect(said { try conversation.declareQueue(queue, on: $0) } == text)
            for exchange in ["x", "none", ""] {
                #expect(said { try conversation.bind(queue, to: exchange, on: $0) } == text)
                #expect(said { try conversation.unbind(queue, from: exchange, on: $0) } == text)
            }
        }
        for exchange in ["x", "none", "hidden"] {
            let text = refused("exchange '\(exchange)'")
            #expect(said { conversation.publish("m", to: "k", exchange: exchange, on: $0) } == text)
            #expect(said { try conversation.declareExchange(exchange, "direct", on: $0) } == text)
            #expect(said { try conversation.deleteExchange(exchange, on: $0) } == text)
            #expect(said { try conversation.bindExchange(exchange, to: "x", on: $0) } == text)
            #expect(said { try conversation.unbindExchange(exchange, from: "", on: $0) } == text)
        }
        let top = refused("exchange 'amq.default'")
        #expect(said { conversation.publish("m", to: "there", on: $0) } == top)
        #expect(said { try conversation.bindExchange("", to: "x", on: $0) } == top)
        let none = said { try conversation.deleteExchange("", on: $0) }
        #expect(none == "ACCESS_REFUSED - operation not permitted on the default exchange")
    }

    @Test func `RMQ-PERM-16 a source is asked for after its destination`() throws {
        let talk = Talk { settings, definitions in
            settings.users.append(User(name: "al", password: "al"))
            settings.hasRestrictions = true
            definitions.permissions = [
                UserPermissions(user: "guest", configure: ".*", write: ".*", read: ".*"),
                UserPermissions(user: "al", configure: ".*", write: ".*", read: "^al"),
            ]
        }
        try talk.queue("al")
        let zero = try talk.talk.connect {
            $0.user = "al"
            $0.password = "al"
        }.zero
        func said(_ source: String, _ queue: String) -> String? {
            let channel = talk.talk.openChannel(beside: zero)
            do { try talk.talk.bind(queue, to: source, on: channel) } catch { return error.text }
            return nil
        }
        let refused =
            "ACCESS_REFUSED - access to exchange 'other' in vhost '/' refused for user 'al'"
        #expect(said("other", "al") == refused)
        #expect(said("other", "none") == refused)
        #expect(said("alx", "al") == "NOT_FOUND - no exchange 'alx' in vhost '/'")
        #expect(
            said("", "al") == "ACCESS_REFUSED - operation not permitted on the default exchange"
        )
    }

    // MARK: Publications

    @Test func `RMQ-PUB-40 a message is transient or persistent, and nothing else`() throws {
        try talk.queue("q")
        func said(_ mode: UInt8, _ headers: [FieldValue.Field] = []) -> String? {
            var properties = Properties(headers: headers)
            properties.deliveryMode = mode
            return text { talk.talk.publish("x", to: "q", properties: properties, on: $0) }
        }
        #expect(said(1) == nil)
        for mode: UInt8 in [0, 3, 255] {
            let unknown = "PRECONDITION_FAILED - invalid message: {delivery_mode_unknown,\(mode)}"
            #expect(said(mode) == unknown)
            #expect(
                said(mode, [.init("CC", .int(1))])
                    == "PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,\"CC\",signedint}"
            )
        }
        let got = try #require(try talk.talk.get("q", on: talk.channel))
        #expect(got.properties.deliveryMode == 1)
    }

    // MARK: Headers

    @Test func `RMQ-HDR-07 numbers are compared by value on top, and with their type below`() throws
    {
        let talk = talk.talk
        let channel = self.talk.channel
        func reaches(_ wanted: FieldValue, _ header: FieldValue) throws -> Bool {
            let name = try talk.declareQueue("", on: channel).name
            try talk.bind(name, to: "amq.headers", arguments: [.init("c", wanted)], on: channel)
            talk.publish(
                "x",
                to: "",
                exchange: "amq.headers",
                headers: [.init("c", header)],
                on: channel
            )
            defer { _ = try? talk.deleteQueue(name, on: channel) }
            return try talk.get(name, on: channel) != nil
        }
        #expect(try reaches(.double(1), .int(1)))
        #expect(try reaches(.integer(1, .byte), .integer(1, .long)))
        #expect(try reaches(.timestamp(1), .double(1)))
        #expect(try reaches(.string("a"), .bytes([97])))
        #expect(try reaches(.array([.double(1)]), .array([.double(1)])))
        #expect(try reaches(.array([]), .table([])))
        #expect(try !reaches(.array([.double(1)]), .array([.int(1)])))
        #expect(try !reaches(.array([.integer(1, .long)]), .array([.int(1)])))
        #expect(try !reaches(.table([.init("a", .double(1))]), .table([.init("a", .int(1))])))
        #expect(try !reaches(.string("1"), .int(1)))
        #expect(try !reaches(.bool(true), .string("true")))
        #expect(try !reaches(.double(1.5), .int(1)))
        #expect(try reaches(.void, .string("anything")))
    }
}
