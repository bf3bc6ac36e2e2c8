import Conversations
import RabbitMQModel
import Testing

/// What becomes of deliveries that are out, and whose turn it is.
@Suite("RabbitMQ windows and turns", .heldWithBoth)
struct HoldingTests {
    let talk = Talk()
    private var all: Conversation { talk.talk }

    private func bodies(_ channel: Conversation.Channel) -> [String] {
        all.takeDeliveries(on: channel).map(\.body)
    }

    @Test func `RMQ-DECL-60 an auto-delete queue that was only fetched from stays`() throws {
        let other = all.openChannel()
        try all.declareQueue("q", on: other) { $0.autoDelete = true }
        talk.publish("a", to: "q")
        #expect(try all.get("q", on: other)?.body == "a")
        try all.close(other)
        let again = try #require(try all.get("q", on: talk.channel))
        #expect(again.body == "a")
        #expect(again.redelivered)
    }

    @Test func `RMQ-CONS-43 a consumer whose window is full keeps its turn until it is asked`()
        throws
    {
        try talk.queue("q")
        let (c, a) = (all.openChannel(), all.openChannel())
        try all.consume("q", on: c)
        try all.qos(1, on: a)
        try all.consume("q", on: a)
        talk.publish("1", "2", "3", to: "q")
        #expect(bodies(c) == ["1", "3"])
        let held = all.takeDeliveries(on: a)
        #expect(held.map(\.body) == ["2"])
        all.ack(try #require(held.first).tag, on: a)
        talk.publish("4", to: "q")
        #expect(bodies(a) == ["4"])
        #expect(bodies(c) == [])
    }

    @Test func `RMQ-CONS-43 who was asked in vain goes to the end when he has room`() throws {
        try talk.queue("q")
        let (c, a) = (all.openChannel(), all.openChannel())
        try all.qos(1, on: a)
        try all.consume("q", on: a)
        try all.consume("q", on: c)
        talk.publish("1", "2", "3", "4", to: "q")
        #expect(bodies(c) == ["2", "3", "4"])
        let held = all.takeDeliveries(on: a)
        all.ack(try #require(held.first).tag, on: a)
        talk.publish("5", "6", to: "q")
        #expect(bodies(c) == ["5"])
        #expect(bodies(a) == ["6"])
    }

    @Test func `RMQ-CONS-44 the window of a channel does not count what was fetched`() throws {
        try talk.queue("q")
        let channel = all.openChannel()
        try all.qos(1, global: true, on: channel)
        talk.publish("1", "2", "3", "4", to: "q")
        #expect(try all.get("q", on: channel)?.body == "1")
        #expect(try all.get("q", on: channel)?.body == "2")
        try all.consume("q", on: channel)
        let held = all.takeDeliveries(on: channel)
        #expect(held.map(\.body) == ["3"])
        all.ack(1, on: channel)
        #expect(bodies(channel) == [])
        all.ack(try #require(held.first).tag, on: channel)
        #expect(bodies(channel) == ["4"])
    }

    @Test func `RMQ-CONS-44 what was fetched before the window was set counts for ever`() throws {
        try talk.queue("q")
        let channel = all.openChannel()
        talk.publish("1", "2", "3", to: "q")
        let fetched = try #require(try all.get("q", on: channel))
        try all.qos(1, global: true, on: channel)
        try all.consume("q", on: channel)
        #expect(bodies(channel) == [])
        all.ack(fetched.tag, on: channel)
        #expect(bodies(channel) == [])
        try all.qos(2, global: true, on: channel)
        #expect(bodies(channel) == ["2"])
    }

    @Test func `RMQ-CONS-45 a full window of a channel stops automatic consumers too`() throws {
        try talk.queue("q")
        try talk.queue("auto")
        let channel = all.openChannel()
        try all.qos(1, global: true, on: channel)
        try all.consume("auto", tag: "auto", noAck: true, on: channel)
        try all.consume("q", tag: "manual", on: channel)
        talk.publish("a", to: "auto")
        #expect(bodies(channel) == ["a"])
        talk.publish("1", to: "q")
        let held = all.takeDeliveries(on: channel)
        #expect(held.map(\.body) == ["1"])
        talk.publish("b", "c", to: "auto")
        #expect(bodies(channel) == [])
        all.ack(try #require(held.first).tag, on: channel)
        #expect(bodies(channel) == ["b", "c"])
    }

    @Test func `RMQ-PUB-39 what was acked in a transaction is out of reach of recover`() throws {
        try talk.queue("q")
        talk.publish("1", "2", to: "q")
        let channel = all.openChannel()
        try all.selectTransactions(on: channel)
        let first = try #require(try all.get("q", on: channel))
        all.ack(first.tag, on: channel)
        all.recover(requeue: true, on: channel)
        #expect(try all.get("q", on: channel)?.body == "2")
        try all.commit(on: channel)
        try all.close(channel)
        #expect(try talk.bodies("q") == ["2"])
    }

    @Test func `RMQ-PUB-39 a rollback gives back what was acked, and its tags`() throws {
        try talk.queue("q")
        talk.publish("1", "2", "3", to: "q")
        let channel = all.openChannel()
        try all.selectTransactions(on: channel)
        for _ in 0..<3 { _ = try all.get("q", on: channel) }
        all.ack(2, multiple: true, on: channel)
        #expect(talk.refusal { _ in all.ack(3, on: channel) } == nil)
        try all.rollback(on: channel)
        all.ack(2, on: channel)
        all.nack(1, requeue: true, on: channel)
        try all.commit(on: channel)
        #expect(try talk.bodies("q") == ["1"])
        try all.close(channel)
        #expect(try talk.bodies("q") == ["3"])
    }

    @Test func `RMQ-PUB-39 what was acked and not committed comes back with the channel`() throws {
        try talk.queue("q")
        talk.publish("1", "2", "3", to: "q")
        let channel = all.openChannel()
        try all.selectTransactions(on: channel)
        for _ in 0..<3 { _ = try all.get("q", on: channel) }
        all.ack(2, on: channel)
        try all.close(channel)
        #expect(try talk.bodies("q") == ["1", "2", "3"])
    }

    @Test func `RMQ-DECL-62 an auto-delete queue takes with it what comes back`() throws {
        try talk.queue("d")
        let other = all.openChannel()
        try all.declareQueue("q", on: other) {
            $0.autoDelete = true
            $0["x-message-ttl"] = .int(0)
            $0.deadLetterExchange = ""
            $0.deadLetterKey = "d"
        }
        try all.consume("q", on: other)
        talk.publish("1", to: "q")
        #expect(bodies(other) == ["1"])
        try all.close(other)
        #expect(try talk.bodies("d") == [])
    }

    @Test func `RMQ-TTL-13 who fetches is told what is left after the dead`() throws {
        try talk.queue("q")
        talk.publish("1", to: "q")
        talk.publish("2", to: "q", .expiring("0"))
        let got = try #require(try all.get("q", on: talk.channel))
        #expect(got.body == "1")
        #expect(got.left == 0)
    }

    @Test func `RMQ-PRIO-12 who overtakes the head outlives his time`() throws {
        try talk.queue("q", [("x-max-priority", .int(3))])
        talk.publish("1", to: "q")
        var properties = Properties.priority(2)
        properties.expiration = "0"
        talk.publish("2", to: "q", properties)
        #expect(try talk.bodies("q") == ["2", "1"])
    }

    @Test func `RMQ-DLX-31 a dead letter goes by the keys of BCC, and names those of CC`() throws {
        try talk.queue("one")
        try talk.queue("two")
        try talk.queue("q", [("x-max-length", .int(0)), ("x-dead-letter-exchange", .string(""))])
        let lists: [FieldValue.Field] = [
            .init("CC", .array([.string("one")])), .init("BCC", .array([.string("two")])),
        ]
        talk.publish("1", to: "q", Properties(headers: lists))
        for queue in ["one", "two"] {
            let found = try talk.drain(queue)
            #expect(found.count == 2, "\(queue)")
            #expect(
                found.last?.deaths.first?["routing-keys"] == .array([.string("q"), .string("one")])
            )
        }
    }

    @Test func `RMQ-DLX-30 dead letters of a full queue, and the message itself, into another`()
        throws
    {
        try talk.queue("d")
        try talk.queue(
            "q",
            [("x-max-length", .int(0)), ("x-dead-letter-exchange", .string("amq.fanout"))]
        )
        try all.bind("q", to: "amq.fanout", on: talk.channel)
        try all.bind("d", to: "amq.fanout", on: talk.channel)
        for body in ["1", "2"] {
            all.publish(body, to: "", exchange: "amq.fanout", on: talk.channel)
        }
        #expect(try talk.bodies("d").prefix(4) == ["1", "1", "2", "2"])
    }
}

/// The same of quorum queues.
@Suite("RabbitMQ quorum queues and what is out", .heldWithBoth)
struct QuorumHoldingTests {
    let talk = Talk()
    private var all: Conversation { talk.talk }
    private static let quorum: [(String, FieldValue)] = [("x-queue-type", .string("quorum"))]

    private func bodies(_ channel: Conversation.Channel) -> [String] {
        all.takeDeliveries(on: channel).map(\.body)
    }

    @Test(arguments: ["channel", "connection", "drop"])
    func `RMQ-QQ-42 what a cancelled consumer holds comes back with its channel`(end: String) throws
    {
        try talk.queue("q", Self.quorum)
        talk.publish("1", "2", to: "q")
        let channel = all.openChannel()
        try all.consume("q", tag: "t", on: channel)
        #expect(bodies(channel) == ["1", "2"])
        try all.cancel("t", on: channel)
        #expect(try talk.bodies("q") == [])
        switch end {
        case "channel": try all.close(channel)
        case "connection": all.closeConnection(channel)
        default: all.cut(channel)
        }
        let back = try talk.drain("q")
        #expect(back.map(\.body) == ["1", "2"])
        #expect(back.allSatisfy { $0.redelivered })
    }

    @Test func `RMQ-QQ-43 under its old tag a consumer has what it held in its window`() throws {
        try talk.queue("q", Self.quorum)
        talk.publish("1", "2", to: "q")
        let channel = all.openChannel()
        try all.qos(1, on: channel)
        try all.consume("q", tag: "t", on: channel)
        let held = all.takeDeliveries(on: channel)
        #expect(held.map(\.body) == ["1"])
        try all.cancel("t", on: channel)
        try all.consume("q", tag: "t", on: channel)
        #expect(bodies(channel) == [])
        all.ack(try #require(held.first).tag, on: channel)
        #expect(bodies(channel) == ["2"])
    }

    @Test func `RMQ-QQ-43 under another tag it has a window of its own`() throws {
        try talk.queue("q", Self.quorum)
        talk.publish("1", "2", to: "q")
        let channel = all.openChannel()
        try all.qos(1, on: channel)
        try all.consume("q", tag: "t", on: channel)
        try all.cancel("t", on: channel)
        try all.consume("q", tag: "u", on: channel)
        #expect(bodies(channel) == ["1", "2"])
    }

    @Test func `RMQ-QQ-44 what a channel held comes back by consumer tag, gets under their number`()
        throws
    {
        try talk.queue("q", Self.quorum)
        talk.publish("a", "b", "c", "d", "e", "f", to: "q")
        let channel = all.openChannel()
        try all.qos(1, on: channel)
        try all.consume("q", tag: "z", on: channel)
        try all.consume("q", tag: "B", on: channel)
        try all.consume("q", tag: "1a", on: channel)
        try all.consume("q", tag: "10", on: channel)
        #expect(try all.get("q", on: channel)?.body == "e")
        #expect(try all.get("q", on: channel)?.body == "f")
        #expect(bodies(channel) == ["a", "b", "c", "d"])
        try all.close(channel)
        #expect(try talk.bodies("q") == ["d", "c", "e", "f", "b", "a"])
    }

    @Test func `RMQ-QQ-44 what a channel held goes on as one, before what was never out`() throws {
        try talk.queue("q", Self.quorum)
        talk.publish("a", "b", "c", "d", to: "q")
        let channel = all.openChannel()
        try all.qos(1, on: channel)
        try all.consume("q", tag: "2", on: channel)
        try all.consume("q", tag: "1", on: channel)
        let other = all.openChannel()
        try all.close(channel)
        try all.consume("q", on: other)
        #expect(bodies(other) == ["b", "a", "c", "d"])
    }

    @Test func `RMQ-QQ-45 beyond the limit what comes back goes first, and dies first`() throws {
        try talk.queue("d")
        try talk.queue(
            "q",
            Self.quorum + [
                ("x-max-length", .int(1)), ("x-dead-letter-exchange", .string("")),
                ("x-dead-letter-routing-key", .string("d")),
            ]
        )
        let channel = all.openChannel()
        try all.consume("q", on: channel)
        for body in ["1", "2", "3"] { talk.publish(body, to: "q") }
        #expect(bodies(channel) == ["1", "2", "3"])
        try all.close(channel)
        #expect(try talk.bodies("q") == ["3"])
        #expect(try talk.bodies("d") == ["2", "1"])
    }

    @Test func `RMQ-QQ-46 who publishes is stopped after the queue was seen full`() throws {
        try talk.queue(
            "q",
            Self.quorum + [("x-max-length", .int(1)), ("x-overflow", .string("reject-publish"))]
        )
        try all.selectConfirms(on: talk.channel)
        all.burst((1...6).map { "\($0)" }, to: "q", on: talk.channel)
        #expect(all.takeConfirms(on: talk.channel).sorted() == [1, 2, 3, 4, 5, 6])
        talk.publish("7", to: "q")
        #expect(all.takeNacks(on: talk.channel) == [7])
        #expect(try talk.depth("q") == 6)
    }

    @Test func `RMQ-QQ-46 one at a time there is one more than the limit`() throws {
        try talk.queue(
            "q",
            Self.quorum + [("x-max-length", .int(5)), ("x-overflow", .string("reject-publish"))]
        )
        try all.selectConfirms(on: talk.channel)
        for number in 1...8 { talk.publish("\(number)", to: "q") }
        #expect(all.takeConfirms(on: talk.channel) == [1, 2, 3, 4, 5, 6])
        #expect(all.takeNacks(on: talk.channel) == [7, 8])
        // A channel that was stopped goes on at four fifths of the limit, a new one below the limit.
        _ = try all.get("q", noAck: true, on: all.openChannel())
        talk.publish("9", to: "q")
        #expect(all.takeNacks(on: talk.channel) == [9])
        let fresh = all.openChannel()
        try all.selectConfirms(on: fresh)
        all.publish("10", to: "q", on: fresh)
        #expect(all.takeConfirms(on: fresh) == [1])
        all.publish("11", to: "q", on: fresh)
        #expect(all.takeNacks(on: fresh) == [2])
        for _ in 0..<2 { _ = try all.get("q", noAck: true, on: all.openChannel()) }
        talk.publish("12", to: "q")
        all.publish("13", to: "q", on: fresh)
        #expect(all.takeConfirms(on: talk.channel) == [10])
        #expect(all.takeConfirms(on: fresh) == [3])
    }

    @Test func `RMQ-QQ-46 a channel that comes to a full queue is stopped at once`() throws {
        try talk.queue(
            "q",
            Self.quorum + [("x-max-length", .int(1)), ("x-overflow", .string("reject-publish"))]
        )
        talk.publish("1", "2", to: "q")
        let fresh = all.openChannel()
        try all.selectConfirms(on: fresh)
        all.publish("3", to: "q", on: fresh)
        #expect(all.takeNacks(on: fresh) == [1])
        #expect(try talk.depth("q") == 2)
    }

    @Test func `RMQ-QQ-48 without a window a consumer has two thousand deliveries out`() throws {
        try talk.queue("q", Self.quorum)
        all.burst((1...2100).map { "\($0)" }, to: "q", on: talk.channel)
        #expect(try talk.depth("q") == 2100)
        let channel = all.openChannel()
        try all.consume("q", on: channel)
        all.wait(500)
        #expect(bodies(channel).count == 2000)
        all.ack(100, multiple: true, on: channel)
        all.wait(200)
        #expect(bodies(channel).count == 100)
    }

    @Test func `RMQ-QQ-50 who counts as a consumer`() throws {
        func count(_ queue: String) throws -> Int {
            try all.declareQueue(queue, on: talk.channel) { $0.passive = true }.consumers
        }
        try talk.queue("q", Self.quorum)
        talk.publish("1", "2", "3", to: "q")
        let other = all.openChannel()
        _ = try all.get("q", on: other)
        _ = try all.get("q", on: other)
        #expect(try count("q") == 2)
        try all.consume("q", tag: "t", on: other)
        #expect(try count("q") == 3)
        try all.cancel("t", on: other)
        #expect(try count("q") == 3)
        all.ack(0, multiple: true, on: other)
        #expect(try count("q") == 0)
        try talk.queue("single", Self.quorum + [("x-single-active-consumer", .bool(true))])
        for _ in 0..<3 { try all.consume("single", on: other) }
        #expect(try count("single") == 1)
    }

    @Test func `RMQ-QQ-47 a dead letter does not mind that its queue rejects`() throws {
        try talk.queue(
            "d",
            Self.quorum + [("x-max-length", .int(1)), ("x-overflow", .string("reject-publish"))]
        )
        try talk.queue(
            "q",
            [
                ("x-max-length", .int(0)), ("x-dead-letter-exchange", .string("")),
                ("x-dead-letter-routing-key", .string("d")),
            ]
        )
        for body in ["1", "2", "3", "4"] { talk.publish(body, to: "q") }
        #expect(try talk.bodies("d") == ["1", "2", "3", "4"])
    }

    @Test func `RMQ-POL-15 on quorum queues the policy says what gives way`() throws {
        let talk = Talk { _, definitions in
            var policy = Policy(name: "p", pattern: "^q$")
            policy.definition = [
                .init("max-length", .int(1)), .init("overflow", .string("reject-publish")),
            ]
            definitions.policies = [policy]
        }
        try talk.queue("q", Self.quorum + [("x-overflow", .string("drop-head"))])
        try talk.talk.selectConfirms(on: talk.channel)
        for body in ["1", "2", "3"] { talk.publish(body, to: "q") }
        #expect(talk.talk.takeConfirms(on: talk.channel) == [1, 2])
        #expect(talk.talk.takeNacks(on: talk.channel) == [3])
    }

    @Test func `RMQ-POL-16 a policy with a key that the kind does not know is passed over`() throws
    {
        func policy(_ name: String, _ priority: Int64, _ keys: [(String, FieldValue)]) -> Policy {
            var policy = Policy(name: name, pattern: ".")
            policy.priority = priority
            policy.definition = keys.map { .init($0.0, $0.1) }
            return policy
        }
        let talk = Talk { _, definitions in
            definitions.policies = [
                policy("first", 9, [("max-length", .int(1)), ("delivery-limit", .int(1))]),
                policy("second", 8, [("max-length", .int(2)), ("queue-mode", .string("lazy"))]),
                policy("third", 7, [("max-length-bytes", .int(3)), ("max-age", .string("1h"))]),
            ]
        }
        try talk.queue("classic")
        try talk.queue("quorum", Self.quorum)
        for queue in ["classic", "quorum"] {
            talk.publish("a", "b", "c", "d", to: queue)
        }
        #expect(try talk.bodies("classic") == ["c", "d"])
        #expect(try talk.bodies("quorum") == ["d"])
    }
}

/// Queues that expire.
@Suite("RabbitMQ queues that nobody uses", .heldWithBoth)
struct UnusedQueueTests {
    let talk = Talk()

    private func isThere(_ queue: String) -> Bool {
        talk.refusal { channel in
            // A passive declaration would renew it.
            try talk.talk.bind(queue, to: "amq.fanout", on: channel)
        } == nil
    }

    @Test func `RMQ-DECL-61 a queue expires by a policy that comes later`() throws {
        try talk.queue("q")
        talk.talk.wait(300)
        var policy = Policy(name: "p", pattern: "^q$")
        // A busy broker gets four times as long for each step, and is still to see it before it goes.
        policy.definition = [.init("expires", .int(3000))]
        talk.talk.administer(.setPolicy(policy, vhost: "/"))
        talk.talk.wait(500)
        #expect(isThere("q"))
        talk.talk.wait(3000)
        #expect(!isThere("q"))
    }

    @Test func `RMQ-QQ-49 a quorum queue expires at its tick, and is not renewed by declaring it`()
        throws
    {
        let arguments: [(String, FieldValue)] = [
            ("x-queue-type", .string("quorum")), ("x-expires", .int(1500)),
        ]
        try talk.queue("q", arguments)
        talk.publish("a", to: "q")
        talk.talk.wait(2000)
        #expect(isThere("q"))
        try talk.queue("q", arguments)
        talk.talk.wait(4000)
        #expect(!isThere("q"))
    }
}
