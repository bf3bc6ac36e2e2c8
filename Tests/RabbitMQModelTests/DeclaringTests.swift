import Conversations
import RabbitMQModel
import Testing

@Suite("RabbitMQ declarations", .heldWithBoth)
struct DeclaringTests {
    /// What the broker says to a call that it refuses.
    private func refusal(_ talk: Conversation, _ body: (Conversation) throws -> Void)
        -> Conversation.Closed?
    {
        do {
            try body(talk)
            return nil
        } catch {
            return error as? Conversation.Closed
        }
    }

    @Test func `RMQ-DECL-01 to 03 an empty name is made by the broker and meant by later methods`()
        throws
    {
        let talk = Conversation()
        let channel = talk.openChannel()
        let other = talk.openChannel(beside: channel)
        let name = try talk.declareQueue("", on: channel).name
        #expect(name.hasPrefix("amq.gen-"))
        #expect(name.count == 8 + 22)
        talk.publish("x", to: name, on: channel)
        #expect(try talk.get("", on: channel)?.body == "x")
        let word = refusal(talk) { _ = try $0.get("", on: other) }
        #expect(word?.text == "NOT_FOUND - no previously declared queue")
    }

    @Test
    func `RMQ-DECL-04 binding with neither queue nor key binds the last queue under its name`()
        throws
    {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.declareQueue("mine", on: channel)
        try talk.bind("", to: "amq.direct", on: channel)
        talk.publish("x", to: "mine", exchange: "amq.direct", on: channel)
        #expect(try talk.get("mine", on: channel)?.body == "x")
    }

    @Test func `RMQ-DECL-05 declaring again tells ready messages and consumers`() throws {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.declareQueue("q", on: channel)
        for body in ["1", "2", "3"] { talk.publish(body, to: "q", on: channel) }
        _ = try talk.get("q", on: channel)
        #expect(
            try talk.declareQueue("q", on: channel) == .init(name: "q", messages: 2, consumers: 0)
        )
        try talk.consume("q", on: channel)
        #expect(
            try talk.declareQueue("q", on: channel) == .init(name: "q", messages: 0, consumers: 1)
        )
    }

    @Test func `RMQ-DECL-06 other flags are refused with 406 and the name of the flag`() throws {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.declareQueue("q", on: channel)
        let word = refusal(talk) { try $0.declareQueue("q", on: channel) { $0.durable = false } }
        #expect(
            word?.text
                == "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'"
        )
        talk.reopen(channel)
        #expect(
            refusal(talk) { try $0.declareQueue("q", on: channel) { $0.autoDelete = true } }?.code
                == 406
        )
    }

    @Test func `RMQ-DECL-07 another exclusive flag is 405, even for the owner`() throws {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.declareQueue("q", on: channel) { $0.exclusive = true }
        #expect(refusal(talk) { try $0.declareQueue("q", on: channel) }?.code == 405)
    }

    @Test
    func `RMQ-DECL-11 and 12 a passive declaration compares nothing and finds what is missing`()
        throws
    {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.declareQueue("q", on: channel)
        try talk.declareQueue("q", on: channel) {
            $0.passive = true
            $0.durable = false
        }
        let word = refusal(talk) { try $0.declareQueue("none", on: channel) { $0.passive = true } }
        #expect(word?.text == "NOT_FOUND - no queue 'none' in vhost '/'")
    }

    @Test func `RMQ-DECL-13 to 16 an exclusive queue belongs to its connection and goes with it`()
        throws
    {
        let talk = Conversation()
        let owner = talk.openChannel()
        let sibling = talk.openChannel(beside: owner)
        try talk.declareQueue("mine", on: owner) { $0.exclusive = true }
        _ = try talk.get("mine", on: sibling)
        let calls: [(Conversation, Conversation.Channel) throws -> Void] = [
            { _ = try $0.declareQueue("mine", on: $1) { $0.exclusive = true } },
            { _ = try $0.declareQueue("mine", on: $1) { $0.passive = true } },
            { _ = try $0.consume("mine", on: $1) }, { _ = try $0.get("mine", on: $1) },
            { _ = try $0.purge("mine", on: $1) }, { _ = try $0.deleteQueue("mine", on: $1) },
            { try $0.bind("mine", to: "amq.direct", key: "k", on: $1) },
        ]
        for call in calls {
            let stranger = talk.openChannel()
            let word = refusal(talk) { try call($0, stranger) }
            #expect(word?.code == 405)
            #expect(
                word?.text.hasPrefix(
                    "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'mine' in vhost '/'"
                )
                    == true
            )
        }
        let stranger = talk.openChannel()
        talk.publish("x", to: "mine", on: stranger)
        #expect(try talk.get("mine", on: owner)?.body == "x")
        talk.cut(owner)
        #expect(
            refusal(talk) { try $0.declareQueue("mine", on: stranger) { $0.passive = true } }?.code
                == 404
        )
    }

    @Test
    func
        `RMQ-DECL-17 to 19 an auto-delete queue goes with its last consumer, not before it had one`()
        throws
    {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.declareQueue("q", on: channel) { $0.autoDelete = true }
        talk.publish("x", to: "q", on: channel)
        _ = try talk.get("q", on: channel)
        let consumer = talk.openChannel()
        try talk.consume("q", on: consumer)
        #expect(try talk.declareQueue("q", on: channel) { $0.autoDelete = true }.consumers == 1)
        try talk.close(consumer)
        #expect(
            refusal(talk) { try $0.declareQueue("q", on: channel) { $0.passive = true } }?.code
                == 404
        )
    }

    @Test(arguments: ["amq.mine"])
    func `RMQ-DECL-20 and 21 names that begin with amq are refused with 403`(name: String) throws {
        let talk = Conversation()
        let channel = talk.openChannel()
        #expect(
            refusal(talk) { try $0.declareQueue(name, on: channel) }?.text
                == "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'"
        )
        talk.reopen(channel)
        #expect(refusal(talk) { try $0.declareExchange(name, "direct", on: channel) }?.code == 403)
    }

    @Test
    func `RMQ-DECL-24 to 29 deleting counts what is ready, and keeps what is in use if asked`()
        throws
    {
        let talk = Conversation()
        let channel = talk.openChannel()
        #expect(try talk.deleteQueue("none", on: channel) == 0)
        try talk.declareQueue("q", on: channel)
        for body in 1...4 { talk.publish("\(body)", to: "q", on: channel) }
        _ = try talk.get("q", on: channel)
        #expect(refusal(talk) { try $0.deleteQueue("q", ifEmpty: true, on: channel) }?.code == 406)
        talk.reopen(channel)
        try talk.qos(1, on: channel)
        try talk.consume("q", on: channel)
        #expect(refusal(talk) { try $0.deleteQueue("q", ifUnused: true, on: channel) }?.code == 406)
        talk.reopen(channel)
        _ = try talk.get("q", on: channel)
        #expect(try talk.deleteQueue("q", on: channel) == 3)
        #expect(refusal(talk) { try $0.purge("q", on: channel) }?.code == 404)
    }

    @Test func `RMQ-DECL-28 purge drops what is ready; what is unacked can return`() throws {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.declareQueue("q", on: channel)
        for body in 1...3 { talk.publish("\(body)", to: "q", on: channel) }
        let first = try #require(try talk.get("q", on: channel))
        #expect(try talk.purge("q", on: channel) == 2)
        talk.nack(first.tag, requeue: true, on: channel)
        #expect(try talk.get("q", on: channel)?.body == "1")
    }

    @Test
    func
        `RMQ-DECL-31 to 37 exchanges: other types, unknown types, the default one, the predeclared ones`()
        throws
    {
        let talk = Conversation()
        var channel = talk.openChannel()
        try talk.declareExchange("e", "direct", on: channel)
        #expect(
            refusal(talk) { try $0.declareExchange("e", "fanout", on: channel) }?.text
                == "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'e' in vhost '/': received 'fanout' but current is 'direct'"
        )
        talk.reopen(channel)
        #expect(refusal(talk) { try $0.declareExchange("", "direct", on: channel) }?.code == 403)
        talk.reopen(channel)
        #expect(refusal(talk) { try $0.deleteExchange("amq.topic", on: channel) }?.code == 403)
        talk.reopen(channel)
        try talk.deleteExchange("none", on: channel)
        let word = refusal(talk) { try $0.declareExchange("f", "nonsense", on: channel) }
        #expect(
            word
                == .init(
                    code: 503,
                    text: "COMMAND_INVALID - unknown exchange type 'nonsense'",
                    connection: true
                )
        )
        channel = talk.openChannel()
        for name in ["amq.direct", "amq.fanout", "amq.topic", "amq.headers", "amq.match"] {
            try talk.declareExchange(name, "direct", on: channel) { $0.passive = true }
        }
    }

    @Test
    func `RMQ-DECL-39 to 43 auto-delete exchanges go with their last binding; unbinding forgives`()
        throws
    {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.declareQueue("q", on: channel)
        try talk.declareExchange("e", "direct", on: channel) { $0.autoDelete = true }
        try talk.unbind("q", from: "e", key: "never bound", on: channel)
        try talk.unbind("q", from: "no such exchange", key: "k", on: channel)
        try talk.bind("q", to: "e", key: "k", on: channel)
        try talk.deleteQueue("q", on: channel)
        #expect(
            refusal(talk) {
                try $0.declareExchange("e", "direct", on: channel) { $0.passive = true }
            }?
            .code == 404
        )
        talk.reopen(channel)
        #expect(
            refusal(talk) { try $0.bind("none", to: "amq.direct", key: "k", on: channel) }?.code
                == 404
        )
    }

    @Test func `RMQ-DECL-47 a queue that is declared anew has no bindings`() throws {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.declareQueue("q", on: channel)
        try talk.bind("q", to: "amq.fanout", on: channel)
        try talk.deleteQueue("q", on: channel)
        try talk.declareQueue("q", on: channel)
        talk.publish("x", to: "", exchange: "amq.fanout", on: channel)
        #expect(try talk.get("q", on: channel) == nil)
    }

    @Test
    func `RMQ-CONN-14 to 17 wrong channel numbers close the connection, soft errors the channel`()
        throws
    {
        let talk = Conversation()
        let channel = talk.openChannel()
        let sibling = talk.openChannel(beside: channel)
        _ = refusal(talk) { _ = try $0.get("none", on: channel) }
        #expect(talk.refusal(of: channel)?.connection == false)
        #expect(try talk.declareQueue("q", on: sibling).name == "q")
        talk.reopen(channel)
        #expect(try talk.declareQueue("q", on: channel).name == "q")
        talk.reopen(channel)
        #expect(talk.refusal(of: sibling)?.code == 504)
        #expect(talk.refusal(of: sibling)?.connection == true)
    }
}
