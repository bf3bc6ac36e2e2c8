import Conversations
import RabbitMQModel
import Testing
import WarrenTrace

@Suite("RabbitMQ mirrored queues", .heldWithBoth)
struct MirrorTests {
    let cluster = Cluster()
    var talk: Conversation { cluster.talk }

    @Test func `RMQ-MIR-01 and 02 the oldest mirror takes over, with transient messages too`()
        throws
    {
        cluster.mirror()
        let one = talk.openChannel(on: 1)
        let three = talk.openChannel(on: 3)
        try cluster.queue("m", on: one)
        #expect(talk.leader(of: "m") == 1)
        cluster.publish("a", "b", to: "m", on: one)
        talk.kill(1)
        talk.wait(500)
        #expect(talk.leader(of: "m") == 2)
        let first = try #require(try talk.get("m", on: three))
        #expect(first.body == "a" && first.redelivered)
        #expect(try cluster.drain("m", on: three) == ["b"])
    }

    @Test func `RMQ-MIR-01 exactly two keep it, and another node begins when one is gone`() throws {
        cluster.mirror([("ha-mode", .string("exactly")), ("ha-params", .int(2))])
        let two = talk.openChannel(on: 2)
        try cluster.queue("m", on: two)
        cluster.publish("a", to: "m", on: two)
        // The copy is on node 1; node 3 has to begin.
        talk.kill(1)
        talk.wait(500)
        cluster.publish("b", to: "m", on: two)
        let three = talk.openChannel(on: 3)
        talk.kill(2)
        talk.wait(500)
        #expect(talk.leader(of: "m") == 3)
        // It was not synchronised: what was there before it began is lost.
        #expect(try cluster.drain("m", on: three) == ["b"])
    }

    @Test func `RMQ-MIR-01 only the nodes that a policy names keep a mirror`() throws {
        cluster.mirror([
            ("ha-mode", .string("nodes")),
            ("ha-params", .array([.string("rabbit@r1"), .string("rabbit@r3")])),
        ])
        let one = talk.openChannel(on: 1)
        try cluster.queue("m", on: one)
        cluster.publish("a", to: "m", on: one)
        let two = talk.openChannel(on: 2)
        talk.kill(1)
        talk.wait(500)
        #expect(talk.leader(of: "m") == 3)
        #expect(try cluster.drain("m", on: two) == ["a"])
    }

    @Test func `RMQ-MIR-03 a publish during failover is confirmed by the new master, once`() throws
    {
        cluster.mirror()
        let one = talk.openChannel(on: 1)
        let three = talk.openChannel(on: 3)
        try cluster.queue("m", on: one)
        try talk.selectConfirms(on: three)
        talk.kill(1)
        cluster.persistent("a", to: "m", on: three)
        talk.wait(500)
        #expect(talk.takeConfirms(on: three) == [1])
        #expect(talk.takeNacks(on: three) == [])
        #expect(try cluster.drain("m", on: three) == ["a"])
    }

    @Test func `RMQ-MIR-04 unacked messages are delivered again, and consumers on survivors stay`()
        throws
    {
        cluster.mirror()
        let one = talk.openChannel(on: 1)
        let two = talk.openChannel(on: 2)
        let three = talk.openChannel(on: 3)
        try cluster.queue("m", on: one)
        try talk.qos(10, on: three)
        try talk.consume("m", on: three)
        cluster.publish("a", "b", to: "m", on: one)
        #expect(talk.takeDeliveries(on: three).map(\.redelivered) == [false, false])
        talk.kill(1)
        talk.wait(500)
        let again = talk.takeDeliveries(on: three)
        #expect(again.map(\.body) == ["a", "b"])
        #expect(again.map(\.redelivered) == [true, true])
        #expect(talk.takeCancellations(on: three) == [])
        cluster.publish("c", to: "m", on: two)
        #expect(talk.takeDeliveries(on: three).map(\.body) == ["c"])
    }

    @Test func `RMQ-MIR-04 a consumer on the node of the new master stays as well`() throws {
        cluster.mirror()
        let one = talk.openChannel(on: 1)
        let two = talk.openChannel(on: 2)
        try cluster.queue("m", on: one)
        try talk.qos(1, on: two)
        try talk.consume("m", on: two)
        cluster.publish("a", "b", to: "m", on: one)
        #expect(talk.takeDeliveries(on: two).map(\.body) == ["a"])
        talk.kill(1)
        talk.wait(500)
        let again = talk.takeDeliveries(on: two)
        #expect(again.map(\.body) == ["a"])
        talk.ack(again[0].tag, on: two)
        #expect(talk.takeDeliveries(on: two).map(\.body) == ["b"])
    }

    @Test func `RMQ-MIR-05 a consumer that asked for it is cancelled instead`() throws {
        cluster.mirror()
        let one = talk.openChannel(on: 1)
        let three = talk.openChannel(on: 3)
        try cluster.queue("m", on: one)
        let tag = try talk.consume(
            "m",
            arguments: [FieldValue.Field("x-cancel-on-ha-failover", .bool(true))],
            on: three
        )
        talk.kill(1)
        talk.wait(500)
        #expect(talk.takeCancellations(on: three) == [tag])
    }

    @Test func `RMQ-MIR-06 a tag from before the failover settles its message, without an error`()
        throws
    {
        cluster.mirror()
        let one = talk.openChannel(on: 1)
        let three = talk.openChannel(on: 3)
        try cluster.queue("m", on: one)
        try talk.qos(10, on: three)
        try talk.consume("m", on: three)
        cluster.publish("a", "b", to: "m", on: one)
        let old = talk.takeDeliveries(on: three)
        talk.kill(1)
        talk.wait(500)
        #expect(talk.takeDeliveries(on: three).count == 2)
        talk.ack(old[0].tag, on: three)
        #expect(talk.refusal(of: three) == nil)
        talk.closeConnection(three)
        let two = talk.openChannel(on: 2)
        #expect(try cluster.drain("m", on: two) == ["b"])
    }

    /// Three nodes of 3.10.8 do the same, step by step.
    @Test
    func
        `RMQ-MIR-06 a tag from before the queue was mirrored settles its message after the failover`()
        throws
    {
        let one = talk.openChannel(on: 1)
        let three = talk.openChannel(on: 3)
        try cluster.queue("m", on: one)
        try talk.qos(10, on: three)
        try talk.consume("m", on: three)
        cluster.publish("a", "b", to: "m", on: one)
        let old = talk.takeDeliveries(on: three)
        #expect(old.count == 2)
        cluster.mirror([("ha-sync-mode", .string("automatic"))])
        talk.wait(500)
        talk.kill(1)
        talk.wait(500)
        #expect(talk.takeDeliveries(on: three).count == 2)
        talk.ack(old[0].tag, on: three)
        #expect(talk.refusal(of: three) == nil)
        talk.closeConnection(three)
        let two = talk.openChannel(on: 2)
        #expect(try cluster.drain("m", on: two) == ["b"])
    }

    @Test
    func `RMQ-MIR-07 a mirror that joins late has new messages only, until the old ones are gone`()
        throws
    {
        cluster.mirror()
        let one = talk.openChannel(on: 1)
        try cluster.queue("m", on: one)
        talk.kill(2)
        talk.kill(3)
        talk.wait(200)
        cluster.publish("old", to: "m", on: one)
        cluster.restart(2)
        cluster.publish("new", to: "m", on: one)
        let two = talk.openChannel(on: 2)
        #expect(try talk.get("m", noAck: true, on: two)?.body == "old")
        // What it lacked is drained: it is synchronised, and when-synced would promote it.
        cluster.mirror([("ha-promote-on-failure", .string("when-synced"))])
        talk.kill(1)
        talk.wait(500)
        #expect(try cluster.drain("m", on: two) == ["new"])
    }

    @Test func `RMQ-MIR-07 a queue is blocked while it is copied to a mirror`() throws {
        cluster.mirror([("ha-sync-mode", .string("automatic"))])
        let (one, three) = (talk.openChannel(on: 1), talk.openChannel(on: 3))
        try cluster.queue("m", on: one)
        talk.kill(2)
        talk.wait(200)
        // Copied in 1,000 times 20 microseconds, and 1,000 times 100 kB at 125 MB/s: 0.82 s.
        let body = String(repeating: "x", count: 100_000)
        for _ in 0..<1000 { talk.publish(body, to: "m", on: one) }
        for channel in [one, three] { try talk.selectConfirms(on: channel) }
        talk.start(2)
        for channel in [one, three] { talk.publish("new", to: "m", on: channel) }
        talk.wait(200)
        #expect(talk.takeConfirms(on: one) + talk.takeConfirms(on: three) == [])
        let get = talk.openChannel(on: 3)
        talk.wait(1000)
        #expect(talk.takeConfirms(on: one) == [1])
        #expect(talk.takeConfirms(on: three) == [1])
        talk.kill(1)
        talk.wait(500)
        #expect(try cluster.drain("m", on: get).count == 1002, "it has them all")
    }

    @Test func `RMQ-MIR-07 an automatic mirror gets what is there when it joins`() throws {
        cluster.mirror([("ha-sync-mode", .string("automatic"))])
        let one = talk.openChannel(on: 1)
        try cluster.queue("m", on: one)
        talk.kill(2)
        talk.kill(3)
        talk.wait(200)
        cluster.publish("old", to: "m", on: one)
        cluster.restart(2)
        let two = talk.openChannel(on: 2)
        talk.kill(1)
        talk.wait(500)
        #expect(try cluster.drain("m", on: two) == ["old"])
    }

    @Test func `a queue that is deleted while it is copied leaves nobody waiting`() throws {
        cluster.mirror([("ha-sync-mode", .string("automatic"))])
        let (one, three) = (talk.openChannel(on: 1), talk.openChannel(on: 3))
        try talk.declareQueue("m", on: one) { $0.autoDelete = true }
        talk.kill(2)
        talk.wait(200)
        let body = String(repeating: "x", count: 100_000)
        for _ in 0..<2000 { talk.publish(body, to: "m", on: one) }
        let last = talk.openChannel(on: 1)
        try talk.qos(1, on: last)
        try talk.consume("m", on: last)
        talk.startAtOnce(2)
        talk.wait(1100)
        try talk.selectConfirms(on: three)
        talk.publish("new", to: "m", on: three)
        let get = talk.openChannel(on: 1)
        talk.closeConnection(last)
        talk.wait(100)
        #expect(talk.takeConfirms(on: three) == [], "it is being copied")
        #expect(throws: (any Error).self) { try talk.get("m", on: get) }
        talk.wait(3000)
        #expect((talk.takeConfirms(on: three) + talk.takeNacks(on: three)).count == 1)
        #expect(talk.refusal(of: get)?.code == 404)
    }

    @Test
    func `RMQ-MIR-08 an unsynchronised mirror is promoted, and old messages are lost for good`()
        throws
    {
        cluster.mirror()
        let one = talk.openChannel(on: 1)
        try talk.declareQueue("m", on: one) { $0.durable = true }
        talk.kill(2)
        talk.kill(3)
        talk.wait(200)
        cluster.persistent("old", to: "m", on: one)
        cluster.restart(2)
        cluster.persistent("new", to: "m", on: one)
        talk.wait(50)
        talk.kill(1)
        talk.wait(500)
        let two = talk.openChannel(on: 2)
        cluster.restart(1)
        #expect(talk.leader(of: "m") == 2)
        #expect(try cluster.drain("m", on: two) == ["new"])
    }

    @Test func `RMQ-MIR-09 when-synced waits for the old master, which has everything`() throws {
        cluster.mirror([("ha-promote-on-failure", .string("when-synced"))])
        let one = talk.openChannel(on: 1)
        try talk.declareQueue("m", on: one) { $0.durable = true }
        talk.kill(2)
        talk.kill(3)
        talk.wait(200)
        cluster.persistent("old", to: "m", on: one)
        talk.wait(50)
        cluster.restart(2)
        let two = talk.openChannel(on: 2)
        talk.kill(1)
        talk.wait(500)
        #expect(talk.leader(of: "m") == nil)
        cluster.restart(1)
        talk.wait(1000)
        #expect(talk.leader(of: "m") == 1)
        #expect(try cluster.drain("m", on: two) == ["old"])
    }

    @Test func `RMQ-MIR-10 after a stop in good order an unsynchronised mirror is not promoted`()
        throws
    {
        cluster.mirror()
        let one = talk.openChannel(on: 1)
        try talk.declareQueue("m", on: one) { $0.durable = true }
        talk.kill(2)
        talk.kill(3)
        talk.wait(200)
        cluster.persistent("old", to: "m", on: one)
        talk.wait(50)
        cluster.restart(2)
        talk.stop(1)
        talk.wait(500)
        #expect(talk.leader(of: "m") == nil)
        cluster.restart(1)
        #expect(talk.leader(of: "m") == 1)
        let two = talk.openChannel(on: 2)
        #expect(try cluster.drain("m", on: two) == ["old"])
    }

    @Test func `RMQ-MIR-11 the confirm waits for every mirror`() throws {
        cluster.mirror()
        let one = talk.openChannel(on: 1)
        try talk.declareQueue("m", on: one) { $0.durable = true }
        try talk.selectConfirms(on: one)
        talk.freeze(3)
        cluster.persistent("a", to: "m", on: one)
        talk.wait(300)
        #expect(talk.takeConfirms(on: one) == [])
        talk.thaw(3)
        talk.wait(500)
        #expect(talk.takeConfirms(on: one) == [1])
    }

    @Test func `RMQ-MIR-11 a mirror that dies holds up no confirm`() throws {
        cluster.mirror()
        let one = talk.openChannel(on: 1)
        try talk.declareQueue("m", on: one) { $0.durable = true }
        try talk.selectConfirms(on: one)
        talk.freeze(3)
        cluster.persistent("a", to: "m", on: one)
        talk.kill(3)
        talk.wait(500)
        #expect(talk.takeConfirms(on: one) == [1])
    }

    @Test func `a master that nobody mirrors any more is a classic queue`() throws {
        cluster.mirror()
        let one = talk.openChannel(on: 1)
        try talk.declareQueue("m", on: one) { $0.durable = true }
        cluster.persistent("a", to: "m", on: one)
        talk.wait(50)
        talk.administer(.clearPolicy("ha", vhost: "/"))
        talk.wait(50)
        talk.kill(1)
        talk.wait(500)
        let refused = cluster.refusal(2) { _ = try talk.get("m", on: $0) }
        #expect(refused?.code == 404)
        cluster.restart(1)
        let two = talk.openChannel(on: 2)
        #expect(try cluster.drain("m", on: two) == ["a"])
    }
}

@Suite("RabbitMQ streams with replicas", .heldWithBoth)
struct StreamReplicaTests {
    let cluster = Cluster()
    var talk: Conversation { cluster.talk }

    func stream(on channel: Conversation.Channel) throws {
        try talk.declareQueue("s", on: channel) {
            $0.durable = true
            $0.arguments = [FieldValue.Field("x-queue-type", .string("stream"))]
        }
        talk.wait(20)
    }

    @Test func `a confirm needs a majority of the replicas`() throws {
        let one = talk.openChannel(on: 1)
        try stream(on: one)
        try talk.selectConfirms(on: one)
        talk.kill(3)
        talk.wait(200)
        cluster.persistent("a", to: "s", on: one)
        talk.wait(200)
        #expect(talk.takeConfirms(on: one) == [1])
        talk.kill(2)
        talk.wait(200)
        cluster.persistent("b", to: "s", on: one)
        talk.wait(5000)
        #expect(talk.takeConfirms(on: one) == [])
        talk.start(2)
        talk.wait(9000)
        #expect(talk.takeConfirms(on: one) == [2])
    }

    @Test(arguments: [false, true])
    func `RMQ-STREAM-20 another replica writes after a tenth of a second, or a quarter`(
        coordinatorDies: Bool
    ) throws {
        let (one, two) = (talk.openChannel(on: 1), talk.openChannel(on: 2))
        if !coordinatorDies {
            try talk.declareQueue("first", on: two) {
                $0.durable = true
                $0.arguments = [FieldValue.Field("x-queue-type", .string("stream"))]
            }
        }
        try stream(on: one)
        try talk.selectConfirms(on: two)
        talk.kill(1)
        cluster.persistent("a", to: "s", on: two)
        talk.wait(70)
        #expect(talk.takeConfirms(on: two) == [])
        talk.wait(90)
        #expect(talk.takeConfirms(on: two) == (coordinatorDies ? [] : [1]))
        talk.wait(400)
        #expect(talk.takeConfirms(on: two) == (coordinatorDies ? [1] : []))
    }

    @Test func `the leader dies, another replica goes on, and consumers see nothing of it`() throws
    {
        let one = talk.openChannel(on: 1)
        let two = talk.openChannel(on: 2)
        let three = talk.openChannel(on: 3)
        try stream(on: one)
        try talk.selectConfirms(on: two)
        try talk.qos(100, on: three)
        try talk.consume(
            "s",
            arguments: [FieldValue.Field("x-stream-offset", .string("first"))],
            on: three
        )
        for body in ["a", "b", "c"] { cluster.persistent(body, to: "s", on: two) }
        talk.wait(100)
        #expect(talk.takeDeliveries(on: three).map(\.body) == ["a", "b", "c"])
        #expect(talk.takeConfirms(on: two) == [1, 2, 3])
        talk.kill(1)
        cluster.persistent("d", to: "s", on: two)
        talk.wait(1000)
        #expect(try #require(talk.leader(of: "s")) != 1)
        #expect(talk.takeConfirms(on: two) == [4])
        #expect(talk.takeDeliveries(on: three).map(\.body) == ["d"])
        #expect(talk.takeCancellations(on: three) == [])
        cluster.persistent("e", to: "s", on: two)
        talk.wait(100)
        #expect(talk.takeDeliveries(on: three).map(\.body) == ["e"])
    }

    @Test func `a consumer reads only what a majority has`() throws {
        let one = talk.openChannel(on: 1)
        try stream(on: one)
        talk.kill(2)
        talk.kill(3)
        talk.wait(200)
        try talk.qos(100, on: one)
        try talk.consume("s", on: one)
        cluster.persistent("a", to: "s", on: one)
        talk.wait(1000)
        #expect(talk.takeDeliveries(on: one).isEmpty)
        talk.start(3)
        talk.wait(9000)
        #expect(talk.takeDeliveries(on: one).map(\.body) == ["a"])
    }

    @Test func `records survive their first leader, with their offsets`() throws {
        let one = talk.openChannel(on: 1)
        try stream(on: one)
        try talk.selectConfirms(on: one)
        for body in ["a", "b", "c"] { cluster.persistent(body, to: "s", on: one) }
        talk.wait(100)
        #expect(talk.takeConfirms(on: one) == [1, 2, 3])
        talk.kill(1)
        talk.wait(500)
        talk.start(1)
        talk.wait(9000)
        let back = talk.openChannel(on: 1)
        try talk.qos(100, on: back)
        try talk.consume(
            "s",
            arguments: [FieldValue.Field("x-stream-offset", .int(1))],
            on: back
        )
        talk.wait(50)
        #expect(talk.takeDeliveries(on: back).map(\.body) == ["b", "c"])
    }
}
