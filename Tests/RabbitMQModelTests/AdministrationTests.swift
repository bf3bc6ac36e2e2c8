import Conversations
import RabbitMQModel
import Testing
import WarrenTrace

@Suite("RabbitMQ policies", .heldWithBoth)
struct PolicyTests {
    private let talk = Talk()

    private func policy(
        _ name: String,
        _ pattern: String,
        _ definition: [(String, FieldValue)],
        _ change: (inout Policy) -> Void = { _ in }
    ) -> Policy {
        var policy = Policy(name: name, pattern: pattern)
        policy.definition = definition.map { FieldValue.Field($0.0, $0.1) }
        change(&policy)
        return policy
    }

    private func set(_ policy: Policy) {
        talk.talk.administer(.setPolicy(policy, vhost: "/"))
    }

    @Test func `RMQ-POL-01 and 02 a policy trims at once, and lifts when it goes`() throws {
        try talk.queue("q")
        talk.publish("1", "2", "3", "4", "5", to: "q")
        set(policy("cap", "^q$", [("max-length", .int(2))]))
        #expect(try talk.depth("q") == 2)
        talk.talk.administer(.clearPolicy("cap", vhost: "/"))
        talk.publish("6", "7", to: "q")
        #expect(try talk.bodies("q") == ["4", "5", "6", "7"])
    }

    @Test func `RMQ-POL-03 of two numbers the lower counts, both ways`() throws {
        for (argument, limit) in [(Int64(5), Int64(2)), (2, 5)] {
            let talk = Talk()
            try talk.queue("q", [("x-max-length", .int(argument))])
            let cap = policy("cap", "q", [("max-length", .int(limit))])
            talk.talk.administer(.setPolicy(cap, vhost: "/"))
            talk.publish("1", "2", "3", "4", "5", "6", to: "q")
            #expect(try talk.depth("q") == 2)
        }
    }

    @Test func `RMQ-POL-04 for the rest the argument wins`() throws {
        for queue in ["mine", "theirs"] { try talk.queue(queue) }
        try talk.queue(
            "q",
            [
                ("x-dead-letter-exchange", .string("")),
                ("x-dead-letter-routing-key", .string("mine")),
            ]
        )
        set(policy("dlx", "^q$", [("dead-letter-routing-key", .string("theirs"))]))
        talk.publish("x", to: "q")
        let held = try #require(try talk.talk.get("q", on: talk.channel))
        talk.talk.reject(held.tag, requeue: false, on: talk.channel)
        #expect(try talk.depth("mine") == 1)
        #expect(try talk.depth("theirs") == 0)
    }

    @Test func `RMQ-POL-05 only the highest one applies, and none is merged`() throws {
        set(policy("low", "q", [("max-length", .int(1))]))
        set(policy("high", "q", [("message-ttl", .int(60_000))]) { $0.priority = 5 })
        try talk.queue("q")
        talk.publish("1", "2", "3", to: "q")
        #expect(try talk.depth("q") == 3)
    }

    @Test func `RMQ-POL-06 an operator policy is merged by the lower number`() throws {
        set(policy("mine", "q", [("max-length", .int(5))]))
        let operators = policy("theirs", "q", [("max-length", .int(2))])
        talk.talk.administer(.setOperatorPolicy(operators, vhost: "/"))
        try talk.queue("q")
        talk.publish("1", "2", "3", to: "q")
        #expect(try talk.depth("q") == 2)
    }

    @Test func `RMQ-POL-07, 08 and 14 what a policy may say`() {
        func fault(_ definition: [(String, FieldValue)], operators: Bool = false) -> String? {
            policy("p", "^x", definition).fault(isOperator: operators)
        }
        #expect(fault([("foo", .int(1))]) == "[{<<\"foo\">>,1}] are not recognised policy settings")
        #expect(fault([("max-length", .int(-1))]) == "-1 is not a valid maximum length")
        #expect(fault([("message-ttl", .string("a"))]) == "<<\"a\">> is not a valid message TTL")
        #expect(fault([("overflow", .string("zz"))]) == "<<\"zz\">> is not a valid overflow value")
        #expect(
            fault([("max-priority", .int(3))])?.hasSuffix("not recognised policy settings") == true
        )
        let dlx = [("dead-letter-exchange", FieldValue.string("a"))]
        #expect(fault(dlx) == nil)
        #expect(
            fault(dlx, operators: true)
                == "[{<<\"dead-letter-exchange\">>,<<\"a\">>}] are not recognised policy settings"
        )
        #expect(policy("p", "x(", []).fault(isOperator: false) != nil)
    }

    @Test func `RMQ-MIR-01 what a policy may say of mirrors`() {
        func fault(_ mode: String?, _ more: [(String, FieldValue)] = []) -> String? {
            let first = mode.map { [("ha-mode", FieldValue.string($0))] } ?? []
            return policy("p", "^x", first + more).fault(isOperator: false)
        }
        #expect(fault("all") == nil)
        #expect(fault("zz") == "<<\"zz\">> is not a valid ha-mode value")
        #expect(fault("exactly") == "ha-mode=\"exactly\" takes an integer, none given")
        #expect(
            fault("exactly", [("ha-params", .string("a"))])
                == "ha-mode=\"exactly\" takes an integer, <<\"a\">> given"
        )
        #expect(
            fault("all", [("ha-params", .int(2))]) == "ha-mode=\"all\" does not take parameters"
        )
        #expect(
            fault("nodes", [("ha-params", .array([]))])
                == "ha-mode=\"nodes\" list must be non-empty"
        )
        #expect(
            fault(nil, [("ha-sync-mode", .string("automatic"))])
                == "ha-mode must be specified to specify ha-params, ha-sync-mode or ha-promote-on-shutdown"
        )
        #expect(
            fault("all", [("ha-sync-mode", .string("x"))])
                == "ha-sync-mode must be \"manual\" or \"automatic\", got <<\"x\">>"
        )
        let new = policy("p", "^x", [("ha-mode", .string("all"))])
        #expect(new.fault(isOperator: false, version: Version("4.0")) != nil)
    }

    @Test func `RMQ-POL-07 and 08 a policy that is refused changes nothing`() throws {
        try talk.queue("q")
        set(policy("cap", "q", [("max-length", .int(1)), ("foo", .int(1))]))
        let dlx = policy("dlx", "q", [("max-length", .int(1)), ("overflow", .string("drop-head"))])
        talk.talk.administer(.setOperatorPolicy(dlx, vhost: "/"))
        talk.publish("1", "2", to: "q")
        #expect(try talk.depth("q") == 2)
    }

    @Test func `RMQ-POL-09 the pattern is looked for anywhere in the name`() throws {
        set(policy("cap", "ord.r", [("max-length", .int(1))]))
        try talk.queue("my.orders.eu")
        talk.publish("1", "2", to: "my.orders.eu")
        #expect(try talk.depth("my.orders.eu") == 1)
    }

    @Test func `RMQ-POL-10 a policy applies to queues, exchanges, or a kind of queue`() throws {
        try talk.queue("q")
        set(policy("cap", "q", [("max-length", .int(1))]) { $0.target = .exchanges })
        talk.publish("1", "2", to: "q")
        #expect(try talk.depth("q") == 2)
        set(policy("cap", "q", [("max-length", .int(1))]) { $0.target = .quorumQueues })
        #expect(try talk.depth("q") == 2)
        set(policy("cap", "q", [("max-length", .int(1))]) { $0.target = .classicQueues })
        #expect(try talk.depth("q") == 1)
    }

    @Test func `RMQ-POL-11 an alternate exchange by policy`() throws {
        try talk.queue("q")
        try talk.talk.bind("q", to: "amq.fanout", on: talk.channel)
        set(policy("alt", "^amq.direct$", [("alternate-exchange", .string("amq.fanout"))]))
        talk.talk.publish("x", to: "nowhere", exchange: "amq.direct", on: talk.channel)
        #expect(try talk.bodies("q") == ["x"])
    }

    @Test func `RMQ-POL-12 a time to live is for those who come later`() throws {
        try talk.queue("q")
        talk.publish("old", to: "q")
        set(policy("ttl", "q", [("message-ttl", .int(100))]))
        talk.publish("new", to: "q")
        talk.talk.wait(300)
        #expect(try talk.depth("q") == 2)
        _ = try talk.talk.get("q", noAck: true, on: talk.channel)
        #expect(try talk.depth("q") == 0)
    }

    @Test func `RMQ-POL-13 a policy is no part of a declaration, and outlives a restart`() throws {
        try talk.queue("q")
        set(policy("cap", "q", [("max-length", .int(1))]))
        try talk.queue("q")
        talk.talk.kill()
        let channel = talk.talk.openChannel()
        for body in ["1", "2"] { talk.talk.publish(body, to: "q", on: channel) }
        #expect(try talk.depth("q") == 1)
    }
}

@Suite("RabbitMQ permissions", .heldWithBoth)
struct PermissionTests {
    private let talk = Talk { settings, definitions in
        settings.users.append(User(name: "al", password: "al"))
        settings.users.append(User(name: "nobody", password: "x"))
        settings.hasRestrictions = true
        definitions.permissions = [
            UserPermissions(user: "guest", configure: ".*", write: ".*", read: ".*"),
            UserPermissions(
                user: "al",
                configure: "^al",
                write: "^(al|amq.default|topic)",
                read: "^al"
            ),
        ]
    }

    private func al() throws -> Conversation.Channel {
        let zero = try talk.talk.connect {
            $0.user = "al"
            $0.password = "al"
        }.zero
        return talk.talk.openChannel(beside: zero)
    }

    /// What the broker says to al, whom it also closes a channel for.
    private func refusal(_ body: (Conversation.Channel) throws -> Void) throws -> String? {
        let channel = try al()
        do { try body(channel) } catch let closed as Conversation.Closed { return closed.text }
        return talk.talk.refusal(of: channel)?.text
    }

    private func refused(_ what: String) -> String {
        "ACCESS_REFUSED - access to \(what) in vhost '/' refused for user 'al'"
    }

    @Test func `RMQ-PERM-01 no permission in a virtual host, no connection`() {
        let closed = #expect(throws: Conversation.Closed.self) {
            try talk.talk.connect {
                $0.user = "nobody"
                $0.password = "x"
            }
        }
        #expect(closed?.text == "NOT_ALLOWED - access to vhost '/' refused for user 'nobody'")
    }

    @Test func `RMQ-PERM-02 declaring needs configure, looking needs nothing`() throws {
        #expect(
            try refusal { try talk.talk.declareQueue("other", on: $0) } == refused("queue 'other'")
        )
        let exchange = try refusal { try talk.talk.declareExchange("other", "direct", on: $0) }
        #expect(exchange == refused("exchange 'other'"))
        try talk.queue("other")
        let look = try refusal { channel in
            try talk.talk.declareQueue("other", on: channel) { $0.passive = true }
        }
        #expect(look == nil)
        #expect(
            try refusal { try talk.talk.deleteQueue("other", on: $0) } == refused("queue 'other'")
        )
    }

    @Test func `RMQ-PERM-03 and 04 publishing needs write, and the default exchange has a name`()
        throws
    {
        let topic = try refusal { talk.talk.publish("x", to: "k", exchange: "amq.topic", on: $0) }
        #expect(topic == refused("exchange 'amq.topic'"))
        #expect(try refusal { talk.talk.publish("x", to: "alq", on: $0) } == nil)
    }

    @Test func `RMQ-PERM-04 the default exchange is refused under its other name`() throws {
        let nobody = UserPermissions(user: "al", configure: "", write: "^$", read: "")
        talk.talk.administer(.setPermissions(nobody, vhost: "/"))
        let text = try refusal { talk.talk.publish("x", to: "q", on: $0) }
        #expect(text == refused("exchange 'amq.default'"))
    }

    @Test func `RMQ-PERM-05 binding needs write on the queue and read on the exchange`() throws {
        try talk.queue("alq")
        try talk.queue("other")
        #expect(
            try refusal { try talk.talk.bind("alq", to: "amq.topic", on: $0) }
                == refused("exchange 'amq.topic'")
        )
        #expect(
            try refusal { try talk.talk.bind("other", to: "amq.topic", on: $0) }
                == refused("queue 'other'")
        )
    }

    @Test func `RMQ-PERM-06 consuming, fetching and purging need read`() throws {
        try talk.queue("other")
        let text = refused("queue 'other'")
        #expect(try refusal { try talk.talk.consume("other", on: $0) } == text)
        #expect(try refusal { _ = try talk.talk.get("other", on: $0) } == text)
        #expect(try refusal { try talk.talk.purge("other", on: $0) } == text)
    }

    @Test func `RMQ-PERM-07, RMQ-DLX-29 a dead-letter exchange needs write`() throws {
        func declare(_ exchange: String) throws -> String? {
            try refusal { channel in
                try talk.talk.declareQueue("alq", on: channel) { $0.deadLetterExchange = exchange }
            }
        }
        #expect(try declare("zzz") == refused("exchange 'zzz'"))
        #expect(try declare("alx") == nil)
    }

    @Test func `RMQ-PERM-08 virtual hosts share nothing`() throws {
        try talk.queue("q")
        let talk = Talk()
        try talk.queue("q")
        let zero = try talk.talk.connect { $0.vhost = "other" }.zero
        let channel = talk.talk.openChannel(beside: zero)
        talk.talk.publish("x", to: "q", on: channel)
        #expect(try talk.depth("q") == 0)
        #expect(throws: Conversation.Closed.self) {
            try talk.talk.declareQueue("q", on: channel) { $0.passive = true }
        }
        #expect(talk.talk.refusal(of: channel)?.text == "NOT_FOUND - no queue 'q' in vhost 'other'")
    }

    @Test func `RMQ-PERM-09 and 10 limits of a virtual host`() throws {
        talk.talk.administer(.setLimits(maxQueues: 1, maxConnections: 2, vhost: "/"))
        try talk.queue("a")
        try talk.queue("a")
        let queue = talk.refusal { try talk.talk.declareQueue("b", on: $0) }
        #expect(
            queue?.text
                == "PRECONDITION_FAILED - cannot declare queue 'b': queue limit in vhost '/' (1) is reached"
        )
        let closed = #expect(throws: Conversation.Closed.self) { try talk.talk.connect() }
        #expect(
            closed?.text
                == "NOT_ALLOWED - access to vhost '/' refused for user 'guest': connection limit (2) is "
                + "reached"
        )
    }

    @Test func `RMQ-PERM-11 and 12 connections are closed with their virtual host, or by force`()
        throws
    {
        let zero = try talk.talk.connect { $0.vhost = "other" }.zero
        let other = talk.talk.openChannel(beside: zero)
        talk.talk.administer(.deleteVirtualHost("other"))
        #expect(
            talk.talk.refusal(of: other)
                == Conversation.Closed(
                    code: 320,
                    text: "CONNECTION_FORCED - vhost 'other' is deleted",
                    connection: true
                )
        )
        talk.talk.administer(.closeConnections(reason: "maintenance"))
        #expect(talk.talk.refusal(of: talk.channel)?.text == "CONNECTION_FORCED - maintenance")
    }

    @Test func `RMQ-PERM-13 a channel keeps what it was granted once`() throws {
        let channel = try al()
        talk.talk.publish("x", to: "alq", on: channel)
        talk.talk.administer(.setPermissions(UserPermissions(user: "al"), vhost: "/"))
        talk.talk.publish("y", to: "alq", on: channel)
        #expect(talk.talk.refusal(of: channel) == nil)
        talk.talk.publish("z", to: "k", exchange: "amq.fanout", on: channel)
        #expect(talk.talk.refusal(of: channel)?.code == 403)
    }

    @Test func `RMQ-PERM-14 keys on a topic exchange`() throws {
        try talk.talk.declareExchange("topicx", "topic", on: talk.channel)
        try talk.queue("alq")
        let rule = TopicPermissions(user: "al", exchange: "topicx", write: "^a", read: "^a")
        talk.talk.administer(.setTopicPermissions(rule, vhost: "/"))
        #expect(
            try refusal { talk.talk.publish("x", to: "abc", exchange: "topicx", on: $0) } == nil
        )
        #expect(
            try refusal { talk.talk.publish("x", to: "zbc", exchange: "topicx", on: $0) }
                == refused("topic 'zbc' in exchange 'topicx'")
        )
    }
}

@Suite("RabbitMQ alarms", .heldWithBoth)
struct AlarmTests {
    private let talk = Talk()

    @Test func `RMQ-ALARM-01 to 05 who publishes is blocked, everybody else goes on`() throws {
        try talk.queue("q")
        let publisher = talk.talk.openChannel()
        talk.talk.setAlarm(memory: true, true)
        #expect(
            talk.talk.takeConnectionMethods(of: publisher).contains("connectionBlocked") == false
        )
        talk.talk.publish("1", to: "q", on: publisher)
        #expect(talk.talk.takeConnectionMethods(of: publisher) == ["connectionBlocked"])
        talk.talk.publish("2", to: "q", on: publisher)
        // Nothing that it says is heard, not even another method.
        #expect(throws: Conversation.Closed.self) {
            try talk.talk.declareQueue("r", on: publisher)
        }
        #expect(try talk.depth("q") == 0)
        let late = talk.talk.openChannel()
        try talk.talk.consume("q", on: late)
        talk.talk.setAlarm(memory: true, false)
        #expect(talk.talk.takeConnectionMethods(of: publisher) == ["connectionUnblocked"])
        #expect(talk.talk.takeDeliveries(on: late).map(\.body) == ["1", "2"])
        #expect(try talk.depth("r") == 0)
    }

    @Test(arguments: [true, false])
    func `RMQ-ALARM-09 what a client that died had sent is read after the alarm`(isReset: Bool)
        throws
    {
        let talk = Talk()
        try talk.queue("q")
        let channel = talk.talk.openChannel()
        talk.talk.setAlarm(memory: true, true)
        for body in ["1", "2", "3"] { talk.talk.publish(body, to: "q", on: channel) }
        if isReset { talk.talk.cut(channel) } else { talk.talk.abandon(channel) }
        talk.talk.wait(300)
        talk.talk.setAlarm(memory: true, false)
        talk.talk.wait(300)
        let depth = try talk.depth("q")
        #expect(depth == (isReset ? 0 : 3))
    }

    @Test func `RMQ-ALARM-01 who cannot hear it is blocked all the same`() throws {
        try talk.queue("q")
        let zero = try talk.talk.connect { $0.capabilities = [] }.zero
        let publisher = talk.talk.openChannel(beside: zero)
        talk.talk.setAlarm(memory: false, true)
        talk.talk.publish("1", to: "q", on: publisher)
        #expect(talk.talk.takeConnectionMethods(of: publisher) == [])
        #expect(try talk.depth("q") == 0)
    }

    @Test func `RMQ-ALARM-08 a node that is given a limit notices by itself`() throws {
        let talk = Talk { settings, _ in settings.memoryLimit = 10_000 }
        try talk.queue("q")
        for _ in 0..<20 { talk.publish(String(repeating: "x", count: 1000), to: "q") }
        talk.talk.wait(3000)
        let publisher = talk.talk.openChannel()
        talk.talk.publish("late", to: "q", on: publisher)
        #expect(try talk.depth("q") == 20)
        try talk.talk.purge("q", on: talk.channel)
        talk.talk.wait(3000)
        #expect(try talk.bodies("q") == ["late"])
    }
}

@Suite("RabbitMQ connections", .heldWithBoth)
struct ConnectionTests {
    private let talk = Conversation()

    /// What became of a client that says something odd while it connects.
    private func connect(_ change: (inout ConnectionParameters) -> Void) -> Conversation.Closed? {
        do { _ = try talk.connect(change) } catch { return error }
        return nil
    }

    @Test func `RMQ-CONN-01 and 02 what the server offers`() throws {
        let offer = try talk.connect().offer
        #expect(
            offer.capabilities == [
                "publisher_confirms", "exchange_exchange_bindings", "basic.nack",
                "consumer_cancel_notify", "connection.blocked", "consumer_priorities",
                "authentication_failure_close", "per_consumer_qos", "direct_reply_to",
            ]
        )
        #expect(offer.mechanisms == ["AMQPLAIN", "PLAIN"])
        #expect(
            [Int(offer.channelMax), Int(offer.frameMax), Int(offer.heartbeat)] == [
                2047, 131_072, 60,
            ]
        )
    }

    @Test func `RMQ-CONN-03 another protocol is shown the right one and dropped`() {
        #expect(connect { $0.protocolHeader = "HTTP/1.1" }?.code == 0)
    }

    @Test func `RMQ-CONN-04 wrong credentials are refused in words to who understands them`() {
        let closed = connect { $0.password = "wrong" }
        #expect(
            closed
                == Conversation.Closed(
                    code: 403,
                    text:
                        "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For "
                        + "details see the broker logfile.",
                    connection: true
                )
        )
    }

    @Test(arguments: [0, 1])
    func `RMQ-CONN-05, 08 and 25 to others the server is silent for three seconds, and cuts`(
        which: Int
    )
        throws
    {
        let closed = connect {
            if which == 0 {
                $0.password = "wrong"
                $0.capabilities = []
            } else {
                $0.mechanism = "MAGIC"
            }
        }
        #expect(closed?.code == 0)
        // The socket is cut three seconds after the client spoke, and not before.
        talk.wait(2500)
        #expect(talk.facts.allSatisfy { $0.kind != .connectionClosed })
        talk.wait(1000)
        #expect(talk.facts.contains { $0.kind == .connectionClosed })
        #expect(talk.facts.allSatisfy { $0.kind != .errorRaised })
    }

    @Test func `RMQ-CONN-08 a client may not tune up, and is cut without a word`() {
        #expect(connect { $0.channelMax = 3000 }?.code == 0)
        #expect(connect { $0.channelMax = 0 }?.code == 0)
        #expect(connect { $0.frameMax = 200_000 }?.code == 0)
        #expect(connect { $0.frameMax = 1000 }?.code == 0)
    }

    @Test func `RMQ-CONN-11 and 30 a client may tune down, and choose its numbers`() throws {
        let zero = try talk.connect {
            $0.channelMax = 5
            $0.frameMax = 4096
        }.zero
        let channel = talk.openChannel(beside: zero, number: 200)
        #expect(try talk.declareQueue("q", on: channel).name == "q")
    }

    @Test func `RMQ-CONN-07 the count of channels is limited`() throws {
        let zero = try talk.connect { $0.channelMax = 3 }.zero
        for _ in 0..<3 { _ = talk.openChannel(beside: zero) }
        let fourth = talk.openChannel(beside: zero)
        #expect(
            talk.refusal(of: fourth)?.text
                == "NOT_ALLOWED - number of channels opened (3) has reached the negotiated channel_max (3)"
        )
    }

    @Test func `RMQ-CONN-20 to 23 heartbeats go out, and who is silent for long is cut`() throws {
        let quiet = try talk.connect { $0.heartbeat = 1 }.zero
        let alive = try talk.connect { $0.heartbeat = 1 }.zero
        let none = try talk.connect().zero
        for _ in 0..<8 {
            talk.wait(400)
            talk.beat(alive)
        }
        #expect(talk.takeConnectionMethods(of: alive).count { $0 == "heartbeat" } >= 2)
        #expect(talk.takeConnectionMethods(of: none).isEmpty)
        #expect(!talk.isConnected(quiet))
        #expect(talk.isConnected(alive))
        #expect(talk.isConnected(none))
    }

    @Test func `RMQ-CONN-27 and 28 a client cannot stop deliveries by flow`() throws {
        let channel = talk.openChannel()
        try talk.flow(true, on: channel)
        let closed = #expect(throws: Conversation.Closed.self) { try talk.flow(false, on: channel) }
        #expect(closed?.code == 540)
        #expect(closed?.connection == true)
    }

    @Test func `RMQ-DECL-45 nowait is not answered, and errors close the channel all the same`()
        throws
    {
        let channel = talk.openChannel()
        try talk.declareQueue("q", on: channel) { $0.nowait = true }
        #expect(talk.takeMethods(on: channel).isEmpty)
        #expect(try talk.declareQueue("q", on: channel) { $0.passive = true }.name == "q")
        try talk.declareQueue("q", on: channel) {
            $0.nowait = true
            $0.durable = false
        }
        #expect(talk.refusal(of: channel)?.code == 406)
    }

    @Test(arguments: ["classic", "quorum"])
    func `RMQ-DECL-45 nothing that is said with nowait is answered`(kind: String) throws {
        let channel = talk.openChannel()
        for queue in ["q", "gone"] {
            try talk.declareQueue(queue, on: channel) { $0["x-queue-type"] = .string(kind) }
        }
        try talk.declareExchange("x", "direct", on: channel)
        try talk.bind("q", to: "amq.fanout", nowait: true, on: channel)
        talk.publish("a", to: "", exchange: "amq.fanout", on: channel)
        try talk.purge("q", nowait: true, on: channel)
        try talk.consume("gone", tag: "t", on: channel)
        try talk.cancel("t", nowait: true, on: channel)
        try talk.deleteQueue("gone", nowait: true, on: channel)
        try talk.deleteExchange("x", nowait: true, on: channel)
        try talk.selectConfirms(nowait: true, on: channel)
        talk.publish("b", to: "q", on: channel)
        #expect(talk.takeConfirms(on: channel) == [1])
        #expect(talk.takeMethods(on: channel) == [])
        #expect(try talk.get("q", on: channel)?.body == "b")
        for name in ["gone", "q"] { try talk.deleteQueue(name, nowait: true, on: channel) }
        #expect(talk.takeMethods(on: channel) == [])
        #expect(talk.refusal(of: channel) == nil)
    }
}

@Suite("RabbitMQ consistent hashing", .heldWithBoth)
struct HashTests {
    private let talk = Talk()

    private func spread(_ arguments: [FieldValue.Field] = [], _ queues: Int = 3) throws {
        try talk.talk.declareExchange("h", "x-consistent-hash", on: talk.channel) {
            $0.arguments = arguments
        }
        for number in 0..<3 { try talk.queue("q\(number)") }
        for number in 0..<queues {
            try talk.talk.bind("q\(number)", to: "h", key: "10", on: talk.channel)
        }
    }

    private func places(_ keys: [String]) throws -> [String: Int] {
        for key in keys { talk.talk.publish(key, to: key, exchange: "h", on: talk.channel) }
        var places: [String: Int] = [:]
        for number in 0..<3 { for body in try talk.bodies("q\(number)") { places[body] = number } }
        return places
    }

    @Test func `RMQ-CHASH-01 each key has one queue and keeps it`() throws {
        try spread()
        let keys = (0..<60).map { "key.\($0)" }
        let first = try places(keys)
        #expect(first.count == 60)
        #expect(Set(first.values).count == 3)
        #expect(try places(keys) == first)
    }

    @Test func `RMQ-CHASH-02 a weight is a whole number above zero`() throws {
        try spread([], 1)
        func text(_ key: String) -> String? {
            talk.refusal { try talk.talk.bind("q0", to: "h", key: key, on: $0) }?.text
        }
        #expect(
            text("abc") == "PRECONDITION_FAILED - The binding key must be an integer: <<\"abc\">>"
        )
        #expect(text("") == "PRECONDITION_FAILED - The binding key must be an integer: <<>>")
        #expect(text("0") == "PRECONDITION_FAILED - The binding key must be greater than 0")
    }

    @Test func `RMQ-CHASH-03 a header or a property may be hashed instead`() throws {
        try spread([.init("hash-header", .string("user"))])
        for key in ["a", "b", "c", "d"] {
            talk.talk.publish(
                key,
                to: key,
                exchange: "h",
                headers: [.init("user", .string("same"))],
                on: talk.channel
            )
        }
        let counts = try (0..<3).map { try talk.bodies("q\($0)").count }
        #expect(counts.sorted() == [0, 0, 4])
        let both = talk.refusal { other in
            try talk.talk.declareExchange("x", "x-consistent-hash", on: other) {
                $0.arguments = [
                    .init("hash-header", .string("a")),
                    .init("hash-property", .string("message_id")),
                ]
            }
        }
        #expect(
            both?.text
                == "PRECONDITION_FAILED - hash-header and hash-property are mutually exclusive"
        )
    }

    @Test func `RMQ-CHASH-04 a new binding moves only some of the keys`() throws {
        try spread([], 2)
        let keys = (0..<60).map { "key.\($0)" }
        let before = try places(keys)
        try talk.talk.bind("q2", to: "h", key: "10", on: talk.channel)
        let after = try places(keys)
        for key in keys where after[key] != 2 { #expect(after[key] == before[key], "\(key)") }
        #expect(after.values.contains(2))
    }
}
