import Conversations
import RabbitMQModel
import Testing

@Suite("RabbitMQ dead-lettering by time", .heldWithBoth)
struct DeadLetterTests {
    /// Queues that expire into each other: each name with its time to live and where its dead go.
    private func chain(_ queues: [(String, ttl: Int64?, to: String)]) throws -> Talk {
        let talk = Talk()
        for (name, ttl, to) in queues {
            var arguments: [(String, FieldValue)] = [
                ("x-dead-letter-exchange", .string("")),
                ("x-dead-letter-routing-key", .string(to)),
            ]
            if let ttl { arguments.append(("x-message-ttl", .int(ttl))) }
            try talk.queue(name, arguments)
        }
        return talk
    }

    @Test func `RMQ-DLX-05 and 20 expired messages die in the order of their queue`() throws {
        let talk = try chain([("q", 100, "dead")])
        try talk.queue("dead")
        talk.publish("a", "b", "c", to: "q")
        talk.talk.wait(300)
        let dead = try talk.drain("dead")
        #expect(dead.map(\.body) == ["a", "b", "c"])
        #expect(dead.allSatisfy { $0.deaths.first?["reason"] == .string("expired") })
    }

    @Test func `RMQ-DLX-11 a queue that expires into itself drops at once`() throws {
        let talk = try chain([("q", 100, "q")])
        talk.publish("a", to: "q")
        talk.talk.wait(150)
        #expect(try talk.depth("q") == 0)
    }

    @Test func `RMQ-DLX-12 two queues that expire into each other pass it once`() throws {
        let talk = try chain([("a", 100, "b"), ("b", 400, "a")])
        talk.publish("x", to: "a")
        talk.talk.wait(200)
        #expect(try talk.depth("b") == 1)
        talk.talk.wait(500)
        #expect(try talk.depth("a") == 0)
        #expect(try talk.depth("b") == 0)
    }

    @Test func `RMQ-DLX-13 a rejection keeps a circle alive`() throws {
        let talk = try chain([("work", nil, "wait"), ("wait", 50, "work")])
        talk.publish("x", to: "work")
        for round in 1...5 {
            let delivery = try #require(try talk.talk.get("work", on: talk.channel))
            if round > 1 {
                let rejections = delivery.deaths.first { $0["queue"] == .string("work") }
                #expect(rejections?["count"] == .integer(Int64(round - 1), .long))
            }
            talk.talk.reject(delivery.tag, requeue: false, on: talk.channel)
            talk.talk.wait(80)
        }
        #expect(try talk.depth("work") == 1)
    }

    @Test func `RMQ-DLX-15 what it died of last is said from 3.13 on`() throws {
        for (version, expected) in [("3.10", FieldValue?.none), ("3.13", .string("expired"))] {
            let talk = Talk { settings, _ in settings.version = Version(version) ?? .v3_10 }
            try talk.queue("dead")
            try talk.queue(
                "q",
                [
                    ("x-message-ttl", .int(50)), ("x-dead-letter-exchange", .string("")),
                    ("x-dead-letter-routing-key", .string("dead")),
                ]
            )
            talk.publish("x", to: "q")
            talk.talk.wait(100)
            let dead = try #require(try talk.drain("dead").first)
            #expect(dead.properties.header("x-last-death-reason") == expected, "\(version)")
        }
    }

    @Test func `RMQ-DLX, versions: 4.0 forgets what a client wrote into x-death`() throws {
        for (version, count) in [("3.10", Int64(8)), ("4.0", 1)] {
            let talk = Talk { settings, _ in settings.version = Version(version) ?? .v3_10 }
            try talk.queue("dead")
            try talk.queue(
                "q",
                [
                    ("x-dead-letter-exchange", .string("")),
                    ("x-dead-letter-routing-key", .string("dead")),
                ]
            )
            let forged = FieldValue.array([
                .table([
                    .init("count", .int(7)), .init("reason", .string("rejected")),
                    .init("queue", .string("q")),
                ])
            ])
            talk.publish("x", to: "q", Properties(headers: [.init("x-death", forged)]))
            let delivery = try #require(try talk.talk.get("q", on: talk.channel))
            talk.talk.reject(delivery.tag, requeue: false, on: talk.channel)
            let dead = try #require(try talk.drain("dead").first)
            #expect(dead.deaths.first?["count"] == .integer(count, .long), "\(version)")
        }
    }
}

@Suite("RabbitMQ priority queues", .heldWithBoth)
struct PriorityTests {
    private func stocked() throws -> Talk {
        let talk = Talk()
        try talk.queue("q", [("x-max-priority", .int(5))])
        return talk
    }

    @Test func `RMQ-PRIO-01 to 04 the higher come first, in order, none above the most`() throws {
        let talk = try stocked()
        talk.publish("none", to: "q")
        for (body, priority) in [("low", UInt8(1)), ("top", 200), ("five", 5), ("low2", 1)] {
            talk.publish(body, to: "q", .priority(priority))
        }
        let got = try talk.drain("q")
        #expect(got.map(\.body) == ["top", "five", "low", "low2", "none"])
        #expect(got.map(\.properties.priority) == [200, 5, 1, 1, nil])
    }

    @Test func `RMQ-PRIO-05 a plain queue ignores it`() throws {
        let talk = Talk()
        try talk.queue("q")
        talk.publish("low", to: "q", .priority(1))
        talk.publish("high", to: "q", .priority(9))
        #expect(try talk.bodies("q") == ["low", "high"])
    }

    @Test func `RMQ-PRIO-06 what comes back takes its place within its priority`() throws {
        let talk = try stocked()
        talk.publish("a", "b", to: "q", .priority(1))
        talk.publish("high", to: "q", .priority(4))
        let high = try #require(try talk.talk.get("q", on: talk.channel))
        let a = try #require(try talk.talk.get("q", on: talk.channel))
        talk.talk.nack(a.tag, requeue: true, on: talk.channel)
        talk.talk.nack(high.tag, requeue: true, on: talk.channel)
        #expect(try talk.bodies("q") == ["high", "a", "b"])
    }

    @Test func `RMQ-PRIO-07 what was delivered is not recalled`() throws {
        let talk = try stocked()
        try talk.talk.qos(1, on: talk.channel)
        talk.publish("low", to: "q", .priority(0))
        try talk.talk.consume("q", on: talk.channel)
        talk.publish("high", to: "q", .priority(5))
        #expect(talk.talk.takeDeliveries(on: talk.channel).map(\.body) == ["low"])
    }

    @Test func `RMQ-PRIO-08 a low one does not expire behind a high one`() throws {
        let talk = try stocked()
        talk.publish(
            "low",
            to: "q",
            .with {
                $0.priority = 0; $0.expiration = "50"
            }
        )
        talk.publish("high", to: "q", .priority(5))
        talk.talk.wait(200)
        #expect(try talk.depth("q") == 2)
        _ = try talk.talk.get("q", noAck: true, on: talk.channel)
        #expect(try talk.depth("q") == 0)
    }

    @Test func `RMQ-PRIO-09 drop-head drops the highest`() throws {
        let talk = Talk()
        try talk.queue("q", [("x-max-priority", .int(5)), ("x-max-length", .int(2))])
        for (body, priority) in [("low", UInt8(0)), ("high", 5), ("mid", 3)] {
            talk.publish(body, to: "q", .priority(priority))
        }
        #expect(try talk.bodies("q") == ["mid", "low"])
    }

    @Test func `RMQ-PRIO-10 0 to 255 are allowed`() throws {
        let talk = Talk()
        try talk.queue("a", [("x-max-priority", .int(0))])
        try talk.queue("b", [("x-max-priority", .int(255))])
        talk.publish("low", to: "b", .priority(3))
        talk.publish("high", to: "b", .priority(255))
        #expect(try talk.bodies("b") == ["high", "low"])
    }

    @Test func `RMQ-PRIO-11 the lazy mode changes nothing that can be seen`() throws {
        let talk = Talk()
        try talk.queue("q", [("x-queue-mode", .string("lazy"))])
        talk.publish("a", "b", to: "q")
        let a = try #require(try talk.talk.get("q", on: talk.channel))
        talk.talk.nack(a.tag, requeue: true, on: talk.channel)
        #expect(try talk.bodies("q") == ["a", "b"])
    }
}
