import Conversations
import RabbitMQModel
import Testing
import WarrenKernel
import WarrenTrace

@Suite("RabbitMQ quorum queues on one node", .heldWithBoth)
struct QuorumTests {
    private let talk = Talk()

    private func quorum(
        _ arguments: [(String, FieldValue)] = [],
        _ change: (inout QueueDeclaration) -> Void = { _ in }
    ) throws {
        try talk.queue("q", [("x-queue-type", .string("quorum"))] + arguments, change)
    }

    private func get() throws -> Conversation.Delivery {
        try #require(try talk.talk.get("q", on: talk.channel))
    }

    @Test func `RMQ-QQ-01 and 02 it is durable, shared and has a name of its own`() {
        func text(_ name: String, _ change: @escaping (inout QueueDeclaration) -> Void) -> String? {
            talk.refusal { other in
                try talk.talk.declareQueue(name, on: other) {
                    $0.arguments = [.init("x-queue-type", .string("quorum"))]
                    change(&$0)
                }
            }?.text
        }
        let invalid = "PRECONDITION_FAILED - invalid property"
        #expect(
            text("q") { $0.durable = false }
                == "\(invalid) 'non-durable' for queue 'q' in vhost '/'"
        )
        #expect(
            text("q") { $0.exclusive = true }
                == "\(invalid) 'exclusive-owner' for queue 'q' in vhost '/'"
        )
        #expect(
            text("q") { $0.autoDelete = true }
                == "\(invalid) 'auto-delete' for queue 'q' in vhost '/'"
        )
        #expect(
            text("") { _ in }
                == "PRECONDITION_FAILED - Cannot declare a server-named queue for type rabbit_quorum_queue"
        )
    }

    @Test(arguments: ["x-max-priority", "x-stream-max-segment-size-bytes", "x-queue-version"])
    func `RMQ-QQ-03 it does not take the arguments of the others`(argument: String) {
        let refusal = talk.refusal { other in
            try talk.talk.declareQueue("q", on: other) {
                $0.arguments = [
                    .init("x-queue-type", .string("quorum")), .init(argument, .int(2)),
                ]
            }
        }
        #expect(
            refusal?.text
                == "PRECONDITION_FAILED - invalid arg '\(argument)' for queue 'q' in vhost '/' of queue "
                + "type rabbit_quorum_queue"
        )
    }

    @Test
    func `RMQ-QQ-04 and 05 first in, first out, and basic.get counts from the first delivery`()
        throws
    {
        try quorum()
        talk.publish("a", "b", to: "q")
        let first = try get()
        #expect(first.body == "a")
        #expect(first.properties.header("x-delivery-count") == .integer(0, .long))
        talk.talk.closeConnection(talk.channel)
        let again = try #require(try talk.talk.get("q", on: talk.talk.openChannel()))
        #expect(again.body == "a")
        #expect(again.properties.header("x-delivery-count") == .integer(1, .long))
    }

    @Test func `RMQ-QQ-06 and 07 a limit of two lets it be delivered three times`() throws {
        try talk.queue("dead")
        try quorum([
            ("x-delivery-limit", .int(2)), ("x-dead-letter-exchange", .string("")),
            ("x-dead-letter-routing-key", .string("dead")),
        ])
        talk.publish("poison", to: "q")
        for _ in 0..<3 {
            let delivery = try get()
            talk.talk.nack(delivery.tag, requeue: true, on: talk.channel)
        }
        #expect(try talk.depth("q") == 0)
        let dead = try #require(try talk.drain("dead").first)
        #expect(dead.deaths.first?["reason"] == .string("delivery_limit"))
        #expect(dead.properties.header("x-delivery-count") == nil)
    }

    @Test func `RMQ-QQ-08 and 28 the loss of a connection counts, and puts all in front in order`()
        throws
    {
        try quorum()
        talk.publish("0", "1", "2", to: "q")
        let other = talk.talk.openChannel()
        _ = try talk.talk.get("q", on: other)
        _ = try talk.talk.get("q", on: other)
        talk.talk.cut(other)
        let got = try talk.drain("q")
        #expect(got.map(\.body) == ["0", "1", "2"])
        #expect(
            got.map { $0.properties.header("x-delivery-count") }
                == [1, 1, 0].map { .integer($0, .long) }
        )
    }

    private func nackThree(_ limit: Int64?) throws -> [String] {
        try quorum(limit.map { [("x-delivery-limit", .int($0))] } ?? [])
        talk.publish("0", "1", "2", "3", to: "q")
        let tags = try (0..<3).map { _ in try get().tag }
        for index in [2, 0, 1] { talk.talk.nack(tags[index], requeue: true, on: talk.channel) }
        return try talk.bodies("q")
    }

    @Test func `RMQ-QQ-09 and 10 without a limit they go to the back in the order of the nacks`()
        throws
    {
        #expect(try nackThree(nil) == ["3", "2", "0", "1"])
    }

    @Test func `RMQ-QQ-11 and 27 with a limit they go to the front in the order of the nacks`()
        throws
    {
        #expect(try nackThree(5) == ["2", "0", "1", "3"])
    }

    @Test func `RMQ-QQ-12 one limit for the channel is not there`() throws {
        try quorum()
        let refusal = talk.refusal {
            try talk.talk.qos(5, global: true, on: $0)
            try talk.talk.consume("q", on: $0)
        }
        #expect(
            refusal?.text == "NOT_IMPLEMENTED - queue 'q' in vhost '/' does not support global qos"
        )
    }

    @Test func `RMQ-QQ-13, 22 and 26 prefetch and priorities work, and a consumer counts from one`()
        throws
    {
        try quorum()
        let high = talk.talk.openChannel()
        for channel in [talk.channel, high] { try talk.talk.qos(1, on: channel) }
        try talk.talk.consume("q", on: talk.channel)
        try talk.talk.consume("q", arguments: [.init("x-priority", .int(5))], on: high)
        talk.publish("1", "2", "3", to: "q")
        let first = talk.talk.takeDeliveries(on: high)
        #expect(first.map(\.body) == ["1"])
        #expect(first[0].properties.header("x-delivery-count") == nil)
        #expect(talk.talk.takeDeliveries(on: talk.channel).map(\.body) == ["2"])
        talk.talk.cut(high)
        talk.talk.ack(1, on: talk.channel)
        let again = talk.talk.takeDeliveries(on: talk.channel)
        #expect(again.map(\.body) == ["1"])
        #expect(again[0].properties.header("x-delivery-count") == .integer(1, .long))
    }

    @Test func `RMQ-QQ-14 and 15 drop-head works, and reject-publish-dlx is taken for it`() throws {
        try talk.queue("dead")
        try quorum([
            ("x-max-length", .int(1)), ("x-overflow", .string("reject-publish-dlx")),
            ("x-dead-letter-exchange", .string("")), ("x-dead-letter-routing-key", .string("dead")),
        ])
        try talk.talk.selectConfirms(on: talk.channel)
        talk.publish("a", "b", to: "q")
        #expect(talk.talk.takeNacks(on: talk.channel).isEmpty)
        #expect(try talk.bodies("q") == ["b"])
        #expect(try talk.drain("dead").first?.deaths.first?["reason"] == .string("maxlen"))
    }

    @Test func `RMQ-QQ-16 reject-publish lets some in before it refuses`() throws {
        try quorum([("x-max-length", .int(2)), ("x-overflow", .string("reject-publish"))])
        try talk.talk.selectConfirms(on: talk.channel)
        talk.publish("1", "2", "3", "4", "5", to: "q")
        #expect(talk.talk.takeConfirms(on: talk.channel) == [1, 2, 3])
        #expect(talk.talk.takeNacks(on: talk.channel) == [4, 5])
    }

    @Test func `RMQ-QQ-17 messages expire at the head`() throws {
        try quorum()
        talk.publish("long", to: "q", .expiring("1000"))
        talk.publish("short", to: "q", .expiring("100"))
        talk.talk.wait(300)
        #expect(try talk.depth("q") == 2)
        talk.talk.wait(900)
        #expect(try talk.depth("q") == 0)
    }

    @Test func `RMQ-QQ-18 one active consumer at a time`() throws {
        try quorum([("x-single-active-consumer", .bool(true))])
        let other = talk.talk.openChannel()
        try talk.talk.consume("q", on: talk.channel)
        try talk.talk.consume("q", on: other)
        talk.publish("1", "2", to: "q")
        #expect(talk.talk.takeDeliveries(on: talk.channel).map(\.body) == ["1", "2"])
        #expect(talk.talk.takeDeliveries(on: other).isEmpty)
    }

    @Test func `RMQ-QQ-18, versions: from 4.0 on a higher priority becomes the active one`() throws
    {
        let talk = Talk { settings, _ in settings.version = Version("4.0") ?? .v3_10 }
        try talk.queue(
            "q",
            [("x-queue-type", .string("quorum")), ("x-single-active-consumer", .bool(true))]
        )
        let high = talk.talk.openChannel()
        try talk.talk.consume("q", on: talk.channel)
        try talk.talk.consume("q", arguments: [.init("x-priority", .int(5))], on: high)
        talk.publish("1", to: "q")
        #expect(talk.talk.takeDeliveries(on: high).map(\.body) == ["1"])
    }

    @Test func `RMQ-QQ-19 and 20 rejected ones are dead-lettered, safely or not`() throws {
        for strategy in ["at-most-once", "at-least-once"] {
            let talk = Talk()
            try talk.queue("dead")
            try talk.queue(
                "q",
                [
                    ("x-queue-type", .string("quorum")), ("x-overflow", .string("reject-publish")),
                    ("x-dead-letter-strategy", .string(strategy)),
                    ("x-dead-letter-exchange", .string("")),
                    ("x-dead-letter-routing-key", .string("dead")),
                ]
            )
            talk.publish("x", to: "q")
            let held = try #require(try talk.talk.get("q", on: talk.channel))
            talk.talk.reject(held.tag, requeue: false, on: talk.channel)
            #expect(try talk.bodies("dead") == ["x"], "\(strategy)")
        }
    }

    @Test
    func `RMQ-QQ-21 and 25, RMQ-DUR-12 transient messages are stored and confirmed from the disk`()
        throws
    {
        try quorum()
        try talk.talk.selectConfirms(on: talk.channel)
        let before = talk.talk.now
        talk.publish("a", "b", to: "q")
        #expect(talk.talk.takeConfirms(on: talk.channel) == [1, 2])
        #expect((talk.talk.now - before).nanoseconds >= 1_000_000)
        _ = try get()
        talk.talk.kill()
        let got = talk.talk.openChannel()
        let first = try #require(try talk.talk.get("q", noAck: true, on: got))
        let second = try #require(try talk.talk.get("q", noAck: true, on: got))
        #expect([first.body, second.body] == ["a", "b"])
        #expect([first.redelivered, second.redelivered] == [true, false])
    }

    @Test func `RMQ-QQ-20 at-least-once keeps a dead message until a queue takes it`() throws {
        try quorum([
            ("x-overflow", .string("reject-publish")),
            ("x-dead-letter-strategy", .string("at-least-once")),
            ("x-dead-letter-exchange", .string("")), ("x-dead-letter-routing-key", .string("dead")),
        ])
        talk.publish("x", "y", to: "q")
        for _ in 0..<2 { talk.talk.reject(try get().tag, requeue: false, on: talk.channel) }
        #expect(try talk.depth("q") == 0)
        try talk.queue("dead")
        #expect(try talk.depth("dead") == 0)
        talk.talk.wait(200_000)
        #expect(try talk.bodies("dead") == ["x", "y"])
    }

    @Test func `RMQ-QQ, versions: 4.0 has two classes of messages, 4.3 goes by each priority`()
        throws
    {
        let inTurn = ["h1", "h2", "n1", "h3", "n2", "n3"]
        let strictly = ["h1", "h2", "h3", "n3", "n1", "n2"]
        let published = ["n1", "n2", "n3", "h1", "h2", "h3"]
        for (version, expected) in [("3.10", published), ("4.0", inTurn), ("4.3", strictly)] {
            let talk = Talk { settings, _ in settings.version = Version(version) ?? .v3_10 }
            try talk.queue("q", [("x-queue-type", .string("quorum"))])
            talk.publish("n1", to: "q", .priority(0))
            talk.publish("n2", to: "q", .priority(0))
            talk.publish("n3", to: "q")
            talk.publish("h1", "h2", "h3", to: "q", .priority(9))
            #expect(try talk.bodies("q") == expected, "\(version)")
        }
    }

    @Test func `RMQ-QQ-23 exclusive consumers are not exclusive`() throws {
        try quorum()
        let other = talk.talk.openChannel()
        try talk.talk.consume("q", exclusive: true, on: talk.channel)
        try talk.talk.consume("q", exclusive: true, on: other)
        talk.publish("a", "b", "c", "d", to: "q")
        #expect(talk.talk.takeDeliveries(on: talk.channel).map(\.body) == ["a", "c"])
        #expect(talk.talk.takeDeliveries(on: other).map(\.body) == ["b", "d"])
    }

    @Test func `RMQ-QQ-24 purge and delete count what is ready`() throws {
        try quorum()
        talk.publish("a", "b", "c", to: "q")
        #expect(try talk.talk.purge("q", on: talk.channel) == 3)
        talk.publish("d", to: "q")
        #expect(try talk.talk.deleteQueue("q", on: talk.channel) == 1)
    }

    @Test func `RMQ-QQ, versions: 4.0 has a delivery limit of twenty`() throws {
        let talk = Talk { settings, _ in settings.version = Version("4.0") ?? .v3_10 }
        try talk.queue("q", [("x-queue-type", .string("quorum"))])
        talk.publish("poison", to: "q")
        var count = 0
        while let delivery = try talk.talk.get("q", on: talk.channel), count < 50 {
            count += 1
            talk.talk.nack(delivery.tag, requeue: true, on: talk.channel)
        }
        #expect(count == 21)
    }
}

@Suite("RabbitMQ streams", .heldWithBoth)
struct StreamTests {
    private let talk = Talk()

    private func stream(_ arguments: [(String, FieldValue)] = []) throws {
        try talk.queue("s", [("x-queue-type", .string("stream"))] + arguments)
    }

    private func reader(_ offset: FieldValue?) throws -> Conversation.Channel {
        let channel = talk.talk.openChannel()
        try talk.talk.qos(10, on: channel)
        let arguments = offset.map { [FieldValue.Field("x-stream-offset", $0)] } ?? []
        try talk.talk.consume("s", arguments: arguments, on: channel)
        return channel
    }

    private func refusal(_ body: (Conversation.Channel) throws -> Void) throws -> Conversation
        .Closed?
    {
        try stream()
        return talk.refusal(body)
    }

    @Test func `RMQ-STREAM-01 and 10 it is durable and shared, and keeps to its own arguments`() {
        func text(_ change: @escaping (inout QueueDeclaration) -> Void) -> String? {
            talk.refusal { other in
                try talk.talk.declareQueue("s", on: other) {
                    $0.arguments = [.init("x-queue-type", .string("stream"))]
                    change(&$0)
                }
            }?.text
        }
        #expect(text { $0.durable = false }?.contains("invalid property 'non-durable'") == true)
        #expect(
            text { $0.exclusive = true }?.contains("invalid property 'exclusive-owner'") == true
        )
        for argument in ["x-message-ttl", "x-max-length", "x-max-priority"] {
            let refused = text { $0[argument] = .int(5) }
            #expect(refused?.hasSuffix("of queue type rabbit_stream_queue") == true, "\(argument)")
        }
        #expect(
            text { $0["x-dead-letter-exchange"] = .string("x") }?
                .hasSuffix("of queue type rabbit_stream_queue") == true
        )
    }

    @Test func `RMQ-STREAM-02, 07 and 12 no get, no automatic acks, no purge`() throws {
        let what = "queue 's' in vhost '/'"
        let no = "NOT_IMPLEMENTED -"
        let get = try refusal { _ = try talk.talk.get("s", on: $0) }
        #expect(get?.text == "\(no) basic.get not supported by stream queues \(what)")
        let consume = try refusal {
            try talk.talk.qos(5, on: $0)
            try talk.talk.consume("s", noAck: true, on: $0)
        }
        #expect(
            consume?.text
                == "\(no) automatic acknowledgement not supported by stream queues \(what)"
        )
        let purge = try refusal { try talk.talk.purge("s", on: $0) }
        #expect(purge?.text == "\(no) queue.purge not supported by stream queues \(what)")
    }

    @Test func `RMQ-STREAM-03 consuming needs a prefetch`() throws {
        let refused = try refusal { try talk.talk.consume("s", on: $0) }
        #expect(
            refused?.text
                == "PRECONDITION_FAILED - consumer prefetch count is not set for 'queue 's' in vhost '/''"
        )
    }

    @Test
    func `RMQ-STREAM-04, 06, 08 and 13 reading removes nothing, and each begins where it wants`()
        throws
    {
        try stream()
        talk.publish("0", "1", "2", to: "s")
        let first = try reader(.string("first"))
        let got = talk.talk.takeDeliveries(on: first)
        #expect(got.map(\.body) == ["0", "1", "2"])
        #expect(
            got.map { $0.properties.header("x-stream-offset") }
                == [0, 1, 2].map { .integer($0, .long) }
        )
        talk.talk.ack(3, multiple: true, on: first)
        let second = talk.talk.takeDeliveries(on: try reader(.int(1)))
        #expect(second.map(\.body) == ["1", "2"])
        #expect(second.allSatisfy { !$0.redelivered })
        #expect(talk.talk.takeDeliveries(on: try reader(.string("last"))).map(\.body) == ["2"])
        // RMQ-STREAM-17.
        talk.talk.wait(5500)
        #expect(try talk.depth("s") == 3)
    }

    @Test func `RMQ-STREAM-05 the default is what comes next`() throws {
        try stream()
        talk.publish("old", to: "s")
        let channel = try reader(nil)
        talk.publish("new", to: "s")
        #expect(talk.talk.takeDeliveries(on: channel).map(\.body) == ["new"])
    }

    @Test func `RMQ-STREAM-06 an age and a moment are offsets, too`() throws {
        try stream()
        talk.publish("old", to: "s")
        talk.talk.wait(5000)
        let moment = talk.talk.seconds - 2
        talk.publish("new", to: "s")
        #expect(talk.talk.takeDeliveries(on: try reader(.string("2s"))).map(\.body) == ["new"])
        #expect(talk.talk.takeDeliveries(on: try reader(.timestamp(moment))).map(\.body) == ["new"])
    }

    @Test func `RMQ-STREAM-08 acks give back credit`() throws {
        try stream()
        let channel = talk.talk.openChannel()
        try talk.talk.qos(2, on: channel)
        try talk.talk.consume(
            "s",
            arguments: [.init("x-stream-offset", .string("first"))],
            on: channel
        )
        talk.publish("0", "1", "2", to: "s")
        #expect(talk.talk.takeDeliveries(on: channel).map(\.body) == ["0", "1"])
        talk.talk.ack(1, on: channel)
        #expect(talk.talk.takeDeliveries(on: channel).map(\.body) == ["2"])
    }

    @Test func `RMQ-STREAM-09 and 11 nack and a bad offset cost the connection`() throws {
        try stream()
        talk.publish("0", to: "s")
        let channel = try reader(.string("first"))
        talk.talk.nack(1, requeue: true, on: channel)
        #expect(
            talk.talk.refusal(of: channel)?.text
                == "NOT_IMPLEMENTED - basic.nack and basic.reject not supported by stream queues queue "
                + "'s' in vhost '/'"
        )
        let refusal = talk.refusal {
            try talk.talk.qos(5, on: $0)
            try talk.talk.consume(
                "s",
                arguments: [.init("x-stream-offset", .string("bad"))],
                on: $0
            )
        }
        #expect(refusal == Conversation.Closed(code: 541, text: "INTERNAL_ERROR", connection: true))
    }

    @Test func `RMQ-STREAM-14 whole segments go, when a new one is begun`() throws {
        talk.talk.keepToModel(
            "the model counts the octets of bodies, a segment those of its chunks"
        )
        try stream([
            ("x-max-length-bytes", .int(20)), ("x-stream-max-segment-size-bytes", .int(10)),
        ])
        for number in 0..<10 { talk.publish("12345\(number)", to: "s") }
        let left = talk.talk.takeDeliveries(on: try reader(.string("first"))).map(\.body)
        #expect(left == ["123456", "123457", "123458", "123459"])
    }

    @Test func `RMQ-STREAM-15 it is confirmed from the disk, and survives a kill`() throws {
        try stream()
        try talk.talk.selectConfirms(on: talk.channel)
        talk.publish("a", to: "s")
        #expect(talk.talk.takeConfirms(on: talk.channel) == [1])
        talk.talk.kill()
        #expect(talk.talk.takeDeliveries(on: try reader(.string("first"))).map(\.body) == ["a"])
    }
}
