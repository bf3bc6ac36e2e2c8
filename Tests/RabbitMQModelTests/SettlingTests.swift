import Conversations
import RabbitMQModel
import Testing
import WarrenKernel
import WarrenTrace

@Suite("RabbitMQ publishing, consuming and settling", .heldWithBoth)
struct SettlingTests {
    private func stocked(_ bodies: [String]) throws -> (Conversation, Conversation.Channel) {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.declareQueue("q", on: channel)
        for body in bodies { talk.publish(body, to: "q", on: channel) }
        return (talk, channel)
    }

    @Test func `RMQ-PUB-01 and 02 what is mandatory and unroutable comes back before its confirm`()
        throws
    {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.selectConfirms(on: channel)
        talk.publish("x", to: "nowhere", mandatory: true, on: channel)
        #expect(talk.takeMethods(on: channel) == ["basicReturn", "basicAck"])
        talk.publish("y", to: "nowhere", on: channel)
        #expect(talk.takeMethods(on: channel) == ["basicAck"])
    }

    @Test func `RMQ-PUB-05 immediate closes the connection with 540`() throws {
        let talk = Conversation()
        let channel = talk.openChannel()
        talk.publish("x", to: "q", immediate: true, on: channel)
        #expect(talk.refusal(of: channel)?.code == 540)
        #expect(talk.refusal(of: channel)?.connection == true)
    }

    @Test func `RMQ-PUB-07 to 09 confirms count from confirm.select on`() throws {
        let (talk, channel) = try stocked(["before"])
        try talk.selectConfirms(on: channel)
        talk.publish("1", to: "q", on: channel)
        try talk.selectConfirms(on: channel)
        talk.publish("2", to: "q", persistent: true, on: channel)
        #expect(talk.takeConfirms(on: channel) == [1, 2])
    }

    @Test func `RMQ-PUB-12 and 14 a persistent message is confirmed once, when all disks have it`()
        throws
    {
        let talk = Conversation()
        let channel = talk.openChannel()
        for queue in ["a", "b", "c"] {
            try talk.declareQueue(queue, on: channel)
            try talk.bind(queue, to: "amq.fanout", on: channel)
        }
        try talk.selectConfirms(on: channel)
        let before = talk.now
        talk.publish("x", to: "", exchange: "amq.fanout", persistent: true, on: channel)
        #expect(talk.takeConfirms(on: channel) == [1])
        // Two links of 50 microseconds and at least one sync of a millisecond.
        #expect((talk.now - before).nanoseconds >= 1_100_000)
    }

    @Test func `RMQ-GET-01 to 06 get counts what is left, and its tags count on`() throws {
        let (talk, channel) = try stocked(["1", "2", "3"])
        let first = try #require(try talk.get("q", on: channel))
        let second = try #require(try talk.get("q", noAck: true, on: channel))
        let third = try #require(try talk.get("q", on: channel))
        #expect([first, second, third].map(\.tag) == [1, 2, 3])
        #expect([first, second, third].map(\.left) == [2, 1, 0])
        #expect(try talk.get("q", on: channel) == nil)
        talk.ack(first.tag, on: channel)
        talk.ack(third.tag, on: channel)
        #expect(talk.refusal(of: channel) == nil)
        talk.ack(second.tag, on: channel)
        #expect(talk.refusal(of: channel)?.text == "PRECONDITION_FAILED - unknown delivery tag 2")
    }

    @Test func `RMQ-CONS-01 to 04 consumer tags`() throws {
        let talk = Conversation()
        let channel = talk.openChannel()
        let other = talk.openChannel(beside: channel)
        try talk.declareQueue("q", on: channel)
        let made = try talk.consume("q", on: channel)
        #expect(made.hasPrefix("amq.ctag-") && made.count == 9 + 22)
        try talk.consume("q", tag: "t", on: channel)
        try talk.consume("q", tag: "t", on: other)
        do {
            try talk.consume("q", tag: "t", on: channel)
            Issue.record("the tag was accepted twice")
        } catch {
            #expect(
                error
                    == .init(
                        code: 530,
                        text: "NOT_ALLOWED - attempt to reuse consumer tag 't'",
                        connection: true
                    )
            )
        }
    }

    @Test func `RMQ-CONS-06 consumers take turns in the order of their subscription`() throws {
        let talk = Conversation()
        let publisher = talk.openChannel()
        try talk.declareQueue("q", on: publisher)
        let channels = (0..<3).map { _ in talk.openChannel() }
        for channel in channels { try talk.consume("q", on: channel) }
        for body in 1...9 { talk.publish("\(body)", to: "q", on: publisher) }
        let bodies = channels.map { talk.takeDeliveries(on: $0).map(\.body) }
        #expect(bodies == [["1", "4", "7"], ["2", "5", "8"], ["3", "6", "9"]])
    }

    @Test func `RMQ-CONS-07 without prefetch the first consumer takes the whole backlog`() throws {
        let (talk, channel) = try stocked((1...10).map(String.init))
        try talk.consume("q", on: channel)
        let late = talk.openChannel()
        try talk.consume("q", on: late)
        #expect(talk.takeDeliveries(on: channel).count == 10)
        #expect(talk.takeDeliveries(on: late).isEmpty)
    }

    @Test func `RMQ-CONS-08 to 10 prefetch holds for each consumer that starts after it`() throws {
        let (talk, channel) = try stocked((1...10).map(String.init))
        try talk.qos(2, on: channel)
        try talk.consume("q", tag: "a", on: channel)
        try talk.qos(3, on: channel)
        try talk.consume("q", tag: "b", on: channel)
        let deliveries = talk.takeDeliveries(on: channel)
        #expect(deliveries.filter { $0.consumer == "a" }.count == 2)
        #expect(deliveries.filter { $0.consumer == "b" }.count == 3)
        talk.ack(deliveries[0].tag, on: channel)
        #expect(talk.takeDeliveries(on: channel).map(\.consumer) == ["a"])
    }

    @Test
    func `RMQ-CONS-11, 12 and 39 a channel-wide limit, both limits, and how one removes the other`()
        throws
    {
        let (talk, channel) = try stocked((1...20).map(String.init))
        try talk.qos(3, on: channel)
        try talk.qos(4, global: true, on: channel)
        try talk.consume("q", tag: "a", on: channel)
        try talk.consume("q", tag: "b", on: channel)
        let deliveries = talk.takeDeliveries(on: channel)
        #expect(deliveries.filter { $0.consumer == "a" }.count == 3)
        #expect(deliveries.filter { $0.consumer == "b" }.count == 1)
        try talk.qos(3, on: channel)
        #expect(talk.takeDeliveries(on: channel).count == 2)
    }

    @Test func `RMQ-CONS-13 prefetch has no effect without acks`() throws {
        let (talk, channel) = try stocked((1...5).map(String.init))
        try talk.qos(1, on: channel)
        try talk.consume("q", noAck: true, on: channel)
        #expect(talk.takeDeliveries(on: channel).count == 5)
    }

    @Test func `RMQ-CONS-15 and 16 a full consumer leaves the rotation and joins its end`() throws {
        let talk = Conversation()
        let publisher = talk.openChannel()
        try talk.declareQueue("q", on: publisher)
        let slow = talk.openChannel()
        let fast = talk.openChannel()
        try talk.qos(1, on: slow)
        try talk.consume("q", on: slow)
        try talk.consume("q", on: fast)
        for body in 1...6 { talk.publish("\(body)", to: "q", on: publisher) }
        let first = talk.takeDeliveries(on: slow)
        #expect(first.map(\.body) == ["1"])
        #expect(talk.takeDeliveries(on: fast).map(\.body) == ["2", "3", "4", "5", "6"])
        talk.ack(first[0].tag, on: slow)
        for body in 7...8 { talk.publish("\(body)", to: "q", on: publisher) }
        #expect(talk.takeDeliveries(on: fast).map(\.body) == ["7"])
        #expect(talk.takeDeliveries(on: slow).map(\.body) == ["8"])
    }

    @Test func `RMQ-CONS-24 and 25 cancelling keeps what is unacked, and forgives an unknown tag`()
        throws
    {
        let (talk, channel) = try stocked(["1", "2"])
        try talk.qos(1, on: channel)
        let tag = try talk.consume("q", on: channel)
        let delivery = try #require(talk.takeDeliveries(on: channel).first)
        try talk.cancel(tag, on: channel)
        try talk.cancel("nobody", on: channel)
        talk.ack(delivery.tag, on: channel)
        #expect(talk.refusal(of: channel) == nil)
        #expect(talk.takeDeliveries(on: channel).isEmpty)
        #expect(try talk.declareQueue("q", on: channel).messages == 1)
    }

    @Test
    func
        `RMQ-CONS-26 and 29 deleting a queue cancels its consumers, and its tags can still be acked`()
        throws
    {
        let (talk, channel) = try stocked(["1"])
        let other = talk.openChannel()
        try talk.consume("q", tag: "t", on: channel)
        let delivery = try #require(talk.takeDeliveries(on: channel).first)
        try talk.deleteQueue("q", on: other)
        #expect(talk.takeCancellations(on: channel) == ["t"])
        talk.ack(delivery.tag, on: channel)
        #expect(talk.refusal(of: channel) == nil)
    }

    @Test(arguments: [
        (UInt64(99), false), (0, false), (4, true), (1, true),
    ])
    func `RMQ-ACK-01 to 12 an unknown tag closes the channel and requeues the rest`(
        tag: UInt64,
        multiple: Bool
    ) throws {
        let (talk, channel) = try stocked(["1", "2", "3"])
        for _ in 0..<3 { _ = try talk.get("q", on: channel) }
        talk.ack(1, on: channel)
        talk.ack(tag, multiple: multiple, on: channel)
        #expect(
            talk.refusal(of: channel)
                == .init(
                    code: 406,
                    text: "PRECONDITION_FAILED - unknown delivery tag \(tag)",
                    connection: false
                )
        )
        let other = talk.openChannel()
        let again = try talk.get("q", on: other)
        #expect(again?.body == "2")
        #expect(again?.redelivered == true)
    }

    @Test func `RMQ-ACK-04 to 06 multiple settles all up to the tag, and tag 0 all there is`()
        throws
    {
        let (talk, channel) = try stocked((1...5).map(String.init))
        talk.ack(0, multiple: true, on: channel)
        for _ in 0..<5 { _ = try talk.get("q", on: channel) }
        talk.ack(3, multiple: true, on: channel)
        talk.ack(5, on: channel)
        talk.ack(0, multiple: true, on: channel)
        #expect(talk.refusal(of: channel) == nil)
        try talk.close(channel)
        #expect(try talk.declareQueue("q", on: talk.openChannel()).messages == 0)
    }

    @Test func `RMQ-REQ-01 to 04 and 16 what is requeued goes back to its place, redelivered`()
        throws
    {
        let (talk, channel) = try stocked(["1", "2", "3", "4"])
        for _ in 0..<3 { _ = try talk.get("q", on: channel) }
        talk.publish("5", to: "q", on: channel)
        talk.nack(3, requeue: true, on: channel)
        talk.nack(1, requeue: true, on: channel)
        talk.reject(2, requeue: true, on: channel)
        var seen: [String] = []
        while let delivery = try talk.get("q", on: channel) {
            seen.append(delivery.body + (delivery.redelivered ? "r" : ""))
        }
        #expect(seen == ["1r", "2r", "3r", "4", "5"])
    }

    @Test
    func `RMQ-REQ-05, 06 and 17 what two consumers held returns in total order when both vanish`()
        throws
    {
        let (talk, publisher) = try stocked([])
        let a = talk.openChannel()
        let b = talk.openChannel()
        for channel in [a, b] { try talk.consume("q", on: channel) }
        for body in 0...5 { talk.publish("\(body)", to: "q", on: publisher) }
        talk.cut(b)
        try talk.close(a)
        let reader = talk.openChannel()
        var seen: [String] = []
        while let delivery = try talk.get("q", on: reader) {
            #expect(delivery.redelivered)
            seen.append(delivery.body)
        }
        #expect(seen == ["0", "1", "2", "3", "4", "5"])
        _ = publisher
    }

    @Test func `RMQ-REQ-10 a requeued message goes to the next consumer in turn`() throws {
        let (talk, publisher) = try stocked([])
        let a = talk.openChannel()
        let b = talk.openChannel()
        for channel in [a, b] {
            try talk.qos(1, on: channel)
            try talk.consume("q", on: channel)
        }
        talk.publish("x", to: "q", on: publisher)
        let first = try #require(talk.takeDeliveries(on: a).first)
        talk.nack(first.tag, requeue: true, on: a)
        #expect(talk.takeDeliveries(on: b).map(\.body) == ["x"])
        #expect(talk.takeDeliveries(on: a).isEmpty)
    }

    @Test func `RMQ-REQ-12 and 13 recover requeues everything, and refuses not to`() throws {
        let (talk, channel) = try stocked(["1", "2"])
        for _ in 0..<2 { _ = try talk.get("q", on: channel) }
        talk.recover(requeue: true, on: channel)
        #expect(try talk.get("q", on: channel)?.body == "1")
        talk.recover(requeue: false, on: channel)
        #expect(talk.refusal(of: channel)?.code == 540)
    }

    @Test func `RMQ-DLX-01, 02 and 06 a rejected message is dead-lettered with its story`() throws {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.declareExchange("dlx", "topic", on: channel)
        try talk.declareQueue("dead", on: channel)
        try talk.bind("dead", to: "dlx", key: "#", on: channel)
        try talk.declareQueue("q", on: channel) { $0.deadLetterExchange = "dlx" }
        talk.publish("x", to: "q", headers: [.init("mine", .int(1))], on: channel)
        let delivery = try #require(try talk.get("q", on: channel))
        talk.reject(delivery.tag, requeue: false, on: channel)
        let dead = try #require(try talk.get("dead", on: channel))
        #expect(dead.body == "x")
        #expect(!dead.redelivered)
        #expect(dead.exchange == "dlx")
        #expect(dead.key == "q")
        #expect(
            dead.headers.map(\.name) == [
                "mine", "x-death", "x-first-death-exchange", "x-first-death-queue",
                "x-first-death-reason",
            ]
        )
        guard case .array(let deaths)? = dead.headers.first(where: { $0.name == "x-death" })?.value,
            case .table(let death)? = deaths.first
        else {
            Issue.record("no x-death")
            return
        }
        #expect(
            death.map(\.name) == ["count", "reason", "queue", "time", "exchange", "routing-keys"]
        )
        #expect(death[0].value == .integer(1, .long))
        #expect(death[1].value == .string("rejected"))
        #expect(death[2].value == .string("q"))
        #expect(death[5].value == .array([.string("q")]))
    }

    @Test func `RMQ-DLX-09, 10 and 26 rejecting into oneself loops and counts up`() throws {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.declareQueue("q", on: channel) {
            $0.deadLetterExchange = ""
            $0.deadLetterKey = "q"
        }
        talk.publish("x", to: "q", on: channel)
        for round in 1...3 {
            let delivery = try #require(try talk.get("q", on: channel))
            if round > 1,
                case .array(let deaths)? = delivery.headers.first(where: { $0.name == "x-death" })?
                    .value,
                case .table(let death)? = deaths.first
            {
                #expect(deaths.count == 1)
                #expect(death.first?.value == .integer(Int64(round - 1), .long))
            }
            talk.nack(delivery.tag, requeue: false, on: channel)
        }
    }

    @Test
    func
        `RMQ-DLX-07, 16 and 18 a missing exchange drops, a key of its own replaces CC, and needs an exchange`()
        throws
    {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.declareQueue("lost", on: channel) { $0.deadLetterExchange = "nope" }
        talk.publish("x", to: "lost", on: channel)
        talk.reject(
            try #require(try talk.get("lost", on: channel)).tag,
            requeue: false,
            on: channel
        )
        #expect(talk.refusal(of: channel) == nil)
        try talk.declareQueue("dead", on: channel)
        try talk.declareQueue("other", on: channel)
        try talk.declareQueue("q", on: channel) {
            $0.deadLetterExchange = ""
            $0.deadLetterKey = "dead"
        }
        talk.publish("y", to: "q", headers: [.init("CC", .array([.string("other")]))], on: channel)
        let delivery = try #require(try talk.get("q", on: channel))
        talk.reject(delivery.tag, requeue: false, on: channel)
        let dead = try #require(try talk.get("dead", on: channel))
        #expect(!dead.headers.contains { $0.name == "CC" })
        #expect(try talk.get("other", on: channel)?.left == 0)
        #expect(throws: Conversation.Closed.self) {
            try talk.declareQueue("bad", on: channel) { $0.deadLetterKey = "k" }
        }
        #expect(talk.refusal(of: channel)?.code == 406)
    }

    @Test(arguments: [true, false])
    func `RMQ-DUR-01 to 04, 10 and 11 durable and persistent together survive`(killed: Bool) throws
    {
        let talk = Conversation()
        let channel = talk.openChannel()
        try talk.declareQueue("durable", on: channel)
        try talk.declareQueue("transient", on: channel) { $0.durable = false }
        try talk.declareExchange("kept", "fanout", on: channel)
        try talk.bind("durable", to: "kept", on: channel)
        try talk.declareExchange("gone", "fanout", on: channel) { $0.durable = false }
        for (body, persistent) in [("P1", true), ("T", false), ("P2", true)] {
            talk.publish(body, to: "durable", persistent: persistent, on: channel)
        }
        talk.publish("x", to: "transient", persistent: true, on: channel)
        // One is delivered before the end.
        _ = try talk.get("durable", on: channel)
        if killed { talk.kill() } else { talk.restart() }
        let after = talk.openChannel()
        var seen: [String] = []
        while let delivery = try talk.get("durable", on: after) {
            seen.append(delivery.body + (delivery.redelivered ? "r" : ""))
        }
        // RMQ-DUR-09 and 10: exact after a clean stop, always true after a kill.
        #expect(seen == (killed ? ["P1r", "P2r"] : ["P1r", "P2"]))
        talk.publish("y", to: "", exchange: "kept", on: after)
        #expect(try talk.get("durable", on: after)?.body == "y")
        #expect(throws: Conversation.Closed.self) {
            try talk.declareExchange("gone", "fanout", on: after) { $0.passive = true }
        }
        talk.reopen(after)
        #expect(throws: Conversation.Closed.self) {
            try talk.declareQueue("transient", on: after) { $0.passive = true }
        }
    }

    @Test func `RMQ-CONN-31 a node that is stopped says so, and one that is killed does not`()
        throws
    {
        let talk = Conversation()
        let channel = talk.openChannel()
        talk.restart()
        #expect(
            talk.refusal(of: channel)
                == .init(
                    code: 320,
                    text:
                        "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'",
                    connection: true
                )
        )
        let next = talk.openChannel()
        talk.kill()
        #expect(talk.refusal(of: next) == nil)
    }
}
