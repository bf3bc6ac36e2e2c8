import Conversations
import RabbitMQModel
import Testing

@Suite("RabbitMQ times to live", .heldWithBoth)
struct LifetimeTests {
    @Test func `RMQ-TTL-01 a queue lets its messages live so long`() throws {
        let talk = Talk()
        try talk.queue("q", [("x-message-ttl", .int(200))])
        talk.publish("a", to: "q")
        #expect(try talk.depth("q") == 1)
        talk.talk.wait(250)
        #expect(try talk.depth("q") == 0)
    }

    @Test func `RMQ-TTL-02 a message says how long it lives`() throws {
        let talk = Talk()
        try talk.queue("q")
        talk.publish("a", to: "q", .expiring("200"))
        talk.publish("b", to: "q")
        talk.talk.wait(250)
        #expect(try talk.bodies("q") == ["b"])
    }

    @Test func `RMQ-TTL-03 the lower of the two counts`() throws {
        let talk = Talk()
        try talk.queue("short", [("x-message-ttl", .int(200))])
        try talk.queue("long", [("x-message-ttl", .int(5000))])
        talk.publish("a", to: "short", .expiring("5000"))
        talk.publish("b", to: "long", .expiring("200"))
        talk.talk.wait(400)
        #expect(try talk.depth("short") == 0)
        #expect(try talk.depth("long") == 0)
    }

    @Test func `RMQ-TTL-04 only the head is looked at`() throws {
        let talk = Talk()
        try talk.queue("q")
        talk.publish("long", to: "q", .expiring("1000"))
        talk.publish("short", to: "q", .expiring("100"))
        talk.talk.wait(300)
        #expect(try talk.depth("q") == 2)
        _ = try talk.talk.get("q", noAck: true, on: talk.channel)
        #expect(try talk.depth("q") == 0)
    }

    @Test func `RMQ-TTL-05 an expired message never reaches a consumer`() throws {
        let talk = Talk()
        try talk.queue("q", [("x-message-ttl", .int(100))])
        talk.publish("a", to: "q")
        talk.talk.wait(150)
        try talk.talk.consume("q", on: talk.channel)
        #expect(talk.talk.takeDeliveries(on: talk.channel).isEmpty)
    }

    @Test func `RMQ-TTL-06 with no time to live it goes to a waiting consumer or nowhere`() throws {
        let talk = Talk()
        try talk.queue("q", [("x-message-ttl", .int(0))])
        talk.publish("lost", to: "q")
        #expect(try talk.depth("q") == 0)
        try talk.talk.consume("q", on: talk.channel)
        talk.publish("taken", to: "q")
        #expect(talk.talk.takeDeliveries(on: talk.channel).map(\.body) == ["taken"])
    }

    @Test func `RMQ-TTL-07 a consumer at its prefetch is not waiting`() throws {
        let talk = Talk()
        try talk.queue("q", [("x-message-ttl", .int(0))])
        try talk.talk.qos(1, on: talk.channel)
        try talk.talk.consume("q", on: talk.channel)
        talk.publish("first", "second", to: "q")
        let got = talk.talk.takeDeliveries(on: talk.channel)
        #expect(got.map(\.body) == ["first"])
        talk.talk.ack(got[0].tag, on: talk.channel)
        #expect(talk.talk.takeDeliveries(on: talk.channel).isEmpty)
    }

    @Test func `RMQ-TTL-08 and 09 what is held does not expire, and does so on its return`() throws
    {
        let talk = Talk()
        try talk.queue("dead")
        try talk.queue(
            "q",
            [
                ("x-message-ttl", .int(100)), ("x-dead-letter-exchange", .string("")),
                ("x-dead-letter-routing-key", .string("dead")),
            ]
        )
        talk.publish("a", "b", to: "q")
        let a = try talk.talk.get("q", on: talk.channel)
        let b = try talk.talk.get("q", on: talk.channel)
        talk.talk.wait(400)
        #expect(try talk.depth("dead") == 0)
        talk.talk.ack(try #require(a).tag, on: talk.channel)
        #expect(try talk.depth("dead") == 0)
        talk.talk.nack(try #require(b).tag, requeue: true, on: talk.channel)
        #expect(try talk.depth("q") == 0)
        #expect(try talk.bodies("dead") == ["b"])
    }

    @Test func `RMQ-TTL-10 and 11 a dead message has no time to live, and remembers what it had`()
        throws
    {
        let talk = Talk()
        try talk.queue("dead")
        try talk.queue(
            "q",
            [
                ("x-dead-letter-exchange", .string("")),
                ("x-dead-letter-routing-key", .string("dead")),
            ]
        )
        talk.publish("a", to: "q", .expiring("100"))
        talk.talk.wait(1000)
        let dead = try #require(try talk.drain("dead").first)
        #expect(dead.properties.expiration == nil)
        #expect(dead.deaths.first?["original-expiration"] == .string("100"))
    }

    @Test func `RMQ-TTL-12 otherwise the expiration is delivered as published`() throws {
        let talk = Talk()
        try talk.queue("q")
        talk.publish("a", to: "q", .expiring("5000"))
        talk.talk.wait(500)
        #expect(try talk.drain("q").first?.properties.expiration == "5000")
    }
}

@Suite("RabbitMQ queues that expire", .heldWithBoth)
struct ExpiringQueueTests {
    private func isThere(_ talk: Talk) -> Bool {
        talk.refusal { other in
            try talk.talk.consume("q", on: other)
        } == nil
    }

    @Test func `RMQ-DECL-48 a queue that nobody uses goes`() throws {
        let talk = Talk()
        try talk.queue("q", [("x-expires", .int(300))])
        talk.talk.wait(350)
        #expect(talk.refusal { try talk.talk.consume("q", on: $0) }?.code == 404)
    }

    @Test func `RMQ-DECL-49 consumers hold the clock, and basic.get restarts it`() throws {
        let talk = Talk()
        try talk.queue("q", [("x-expires", .int(300))])
        talk.talk.wait(200)
        _ = try talk.talk.get("q", on: talk.channel)
        talk.talk.wait(200)
        let other = talk.talk.openChannel()
        let tag = try talk.talk.consume("q", on: other)
        talk.talk.wait(1000)
        try talk.talk.cancel(tag, on: other)
        #expect(isThere(talk))
    }

    @Test func `RMQ-DECL-50 and 52 publishing does not restart it, a passive declare does`() throws
    {
        let talk = Talk()
        try talk.queue("kept", [("x-expires", .int(300))])
        try talk.queue("gone", [("x-expires", .int(300))])
        for _ in 0..<3 {
            talk.talk.wait(150)
            talk.publish("x", to: "gone")
            try talk.queue("kept") { $0.passive = true }
        }
        #expect(talk.refusal { try talk.talk.consume("gone", on: $0) }?.code == 404)
        #expect(talk.refusal { try talk.talk.consume("kept", on: $0) } == nil)
    }

    @Test func `RMQ-DECL-51 an expired queue dead-letters nothing`() throws {
        let talk = Talk()
        try talk.queue("dead")
        try talk.queue(
            "q",
            [
                ("x-expires", .int(300)), ("x-dead-letter-exchange", .string("")),
                ("x-dead-letter-routing-key", .string("dead")),
            ]
        )
        talk.publish("a", to: "q")
        talk.talk.wait(400)
        #expect(talk.refusal { try talk.talk.consume("q", on: $0) }?.code == 404)
        #expect(try talk.depth("dead") == 0)
    }
}

@Suite("RabbitMQ length limits", .heldWithBoth)
struct LengthTests {
    @Test func `RMQ-LEN-01 the oldest ready message makes room`() throws {
        let talk = Talk()
        try talk.queue("q", [("x-max-length", .int(2))])
        talk.publish("a", "b", "c", to: "q")
        #expect(try talk.bodies("q") == ["b", "c"])
    }

    @Test func `RMQ-LEN-02 bytes are those of the bodies`() throws {
        let talk = Talk()
        try talk.queue("q", [("x-max-length-bytes", .int(10))])
        let large = Properties(headers: [.init("h", .string(String(repeating: "x", count: 500)))])
        talk.publish("12345", "67890", to: "q", large)
        #expect(try talk.depth("q") == 2)
        talk.publish("x", to: "q")
        #expect(try talk.bodies("q") == ["67890", "x"])
    }

    @Test func `RMQ-LEN-03 of two limits the first that is reached counts`() throws {
        let talk = Talk()
        try talk.queue("q", [("x-max-length", .int(3)), ("x-max-length-bytes", .int(10))])
        talk.publish("1", "2", "3", "4", to: "q")
        #expect(try talk.depth("q") == 3)
        talk.publish("123456789", to: "q")
        #expect(try talk.depth("q") == 2)
    }

    @Test func `RMQ-LEN-04 what is unacknowledged does not count`() throws {
        let talk = Talk()
        try talk.queue("q", [("x-max-length", .int(2))])
        talk.publish("a", "b", to: "q")
        _ = try talk.talk.get("q", on: talk.channel)
        _ = try talk.talk.get("q", on: talk.channel)
        talk.publish("c", "d", to: "q")
        #expect(try talk.depth("q") == 2)
    }

    @Test func `RMQ-LEN-05 what comes back to a full queue is what is dropped`() throws {
        let talk = Talk()
        try talk.queue("q", [("x-max-length", .int(2))])
        talk.publish("0", "1", to: "q")
        let held = try #require(try talk.talk.get("q", on: talk.channel))
        talk.publish("2", to: "q")
        talk.talk.nack(held.tag, requeue: true, on: talk.channel)
        #expect(try talk.bodies("q") == ["1", "2"])
    }

    @Test func `RMQ-LEN-06 a queue of no length still hands to a waiting consumer`() throws {
        let talk = Talk()
        try talk.queue("q", [("x-max-length", .int(0))])
        talk.publish("lost", to: "q")
        #expect(try talk.depth("q") == 0)
        try talk.talk.consume("q", noAck: true, on: talk.channel)
        talk.publish("taken", to: "q")
        #expect(talk.talk.takeDeliveries(on: talk.channel).map(\.body) == ["taken"])
    }

    private func full(_ overflow: String) throws -> Talk {
        let talk = Talk()
        try talk.queue("dead")
        try talk.queue(
            "q",
            [
                ("x-max-length", .int(1)), ("x-overflow", .string(overflow)),
                ("x-dead-letter-exchange", .string("")),
                ("x-dead-letter-routing-key", .string("dead")),
            ]
        )
        try talk.talk.selectConfirms(on: talk.channel)
        talk.publish("a", "b", to: "q")
        return talk
    }

    @Test
    func `RMQ-LEN-07 and 08, RMQ-PUB-15 reject-publish refuses the newest and keeps it nowhere`()
        throws
    {
        let talk = try full("reject-publish")
        #expect(talk.talk.takeConfirms(on: talk.channel) == [1])
        #expect(talk.talk.takeNacks(on: talk.channel) == [2])
        #expect(try talk.bodies("q") == ["a"])
        #expect(try talk.bodies("dead") == [])
    }

    @Test func `RMQ-LEN-09 reject-publish-dlx refuses it and dead-letters it`() throws {
        let talk = try full("reject-publish-dlx")
        #expect(talk.talk.takeNacks(on: talk.channel) == [2])
        #expect(try talk.bodies("q") == ["a"])
        let dead = try talk.drain("dead")
        #expect(dead.map(\.body) == ["b"])
        #expect(dead.first?.deaths.first?["reason"] == .string("maxlen"))
    }

    @Test func `RMQ-LEN-10, RMQ-PUB-19 drop-head dead-letters the oldest and nacks nothing`() throws
    {
        let talk = try full("drop-head")
        #expect(talk.talk.takeConfirms(on: talk.channel) == [1, 2])
        #expect(talk.talk.takeNacks(on: talk.channel).isEmpty)
        #expect(try talk.bodies("q") == ["b"])
        #expect(try talk.drain("dead").first?.deaths.first?["reason"] == .string("maxlen"))
    }

    @Test func `RMQ-LEN-11 a message above the limit of bytes empties the queue`() throws {
        let talk = Talk()
        try talk.queue("q", [("x-max-length-bytes", .int(10))])
        talk.publish("a", "b", "this is too long", to: "q")
        #expect(try talk.depth("q") == 0)
    }

    @Test func `RMQ-LEN-12 reject-publish by bytes counts the new message`() throws {
        let talk = Talk()
        try talk.queue(
            "q",
            [("x-max-length-bytes", .int(10)), ("x-overflow", .string("reject-publish"))]
        )
        try talk.talk.selectConfirms(on: talk.channel)
        talk.publish("123456", "123456", "1234", to: "q")
        #expect(talk.talk.takeNacks(on: talk.channel) == [2])
        #expect(try talk.bodies("q") == ["123456", "1234"])
    }

    @Test
    func `RMQ-PUB-16 one queue that rejects is enough for a nack, the others keep their copy`()
        throws
    {
        let talk = Talk()
        try talk.queue(
            "full",
            [("x-max-length", .int(0)), ("x-overflow", .string("reject-publish"))]
        )
        try talk.queue("free")
        for queue in ["full", "free"] {
            try talk.talk.bind(queue, to: "amq.fanout", on: talk.channel)
        }
        try talk.talk.selectConfirms(on: talk.channel)
        talk.talk.publish("x", to: "", exchange: "amq.fanout", on: talk.channel)
        #expect(talk.talk.takeNacks(on: talk.channel) == [1])
        #expect(try talk.bodies("free") == ["x"])
    }
}
