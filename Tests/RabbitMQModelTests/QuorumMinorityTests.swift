import Conversations
import RabbitMQModel
import Testing
import WarrenTrace

/// What clients are told of a quorum queue that has lost its leader or its majority.
///
/// Asked of three nodes of 3.10.8, two of which were killed, with and without the leader among them.
@Suite("RabbitMQ quorum queues in a minority") struct QuorumMinorityTests {
    let cluster = Cluster()
    var talk: Conversation { cluster.talk }

    /// A queue that node `leader` leads, with one message, of whose nodes only the third is left.
    private func orphan(leader: Int) throws -> Conversation.Channel {
        let old = talk.openChannel(on: 3)
        try cluster.queue("q", "quorum", on: talk.openChannel(on: leader))
        try talk.selectConfirms(on: old)
        talk.publish("a", to: "q", on: old)
        talk.wait(100)
        #expect(talk.takeConfirms(on: old) == [1])
        talk.kill(1)
        talk.kill(2)
        talk.wait(10)
        return old
    }

    /// What a new channel of the third node is told within a time, in milliseconds.
    private func refusal(
        within time: UInt64,
        _ body: (Conversation.Channel) throws -> Void
    ) -> Conversation.Closed? {
        let channel = talk.openChannel(on: 3)
        try? body(channel)
        talk.wait(time)
        return talk.refusal(of: channel)
    }

    @Test func `RMQ-QQ-52 get and purge are refused at once when the leader's node is down`()
        throws
    {
        let old = try orphan(leader: 1)
        let get = refusal(within: 0) { _ = try talk.get("q", on: $0) }
        #expect(
            get?.text
                == "INTERNAL_ERROR - Cannot get a message from queue 'queue 'q' in vhost '/'': nodedown"
        )
        #expect(get?.connection == true)
        let purge = refusal(within: 0) { _ = try talk.purge("q", on: $0) }
        #expect(purge?.text == "INTERNAL_ERROR")
        // So is one of which the channel heard that it leads.
        #expect(throws: (any Error).self) { try talk.get("q", on: old) }
        #expect(talk.refusal(of: old)?.code == 541)
    }

    @Test func `RMQ-QQ-53 a leader without a majority is waited for, and then refused`() throws {
        _ = try orphan(leader: 3)
        let get = talk.openChannel(on: 3)
        let purge = talk.openChannel(on: 3)
        let consume = talk.openChannel(on: 3)
        #expect(throws: (any Error).self) { try talk.get("q", on: get) }
        #expect(throws: (any Error).self) { try talk.purge("q", on: purge) }
        #expect(throws: (any Error).self) { try talk.consume("q", on: consume) }
        // net_ticktime is two seconds here.
        talk.wait(6000)
        #expect([get, purge, consume].allSatisfy { talk.refusal(of: $0) == nil })
        talk.wait(1500)
        let text = try #require(talk.refusal(of: get)?.text)
        #expect(text.hasSuffix("': {timeout,{'%2F_q',rabbit@r3}}"), "\\(text)")
        #expect(talk.refusal(of: consume)?.text == "INTERNAL_ERROR")
        talk.wait(21_000)
        #expect(talk.refusal(of: purge) == nil)
        talk.wait(2000)
        #expect(talk.refusal(of: purge)?.text == "INTERNAL_ERROR", "after thirty seconds")
    }

    @Test func `RMQ-QQ-54 a channel that publishes for the first time is nacked at once`() throws {
        let old = try orphan(leader: 1)
        let new = talk.openChannel(on: 3)
        try talk.selectConfirms(on: new)
        talk.publish("b", to: "q", on: new)
        talk.publish("c", to: "q", on: old)
        talk.wait(100)
        #expect(talk.takeNacks(on: new) == [1])
        #expect(talk.takeNacks(on: old) + talk.takeConfirms(on: old) == [])
        talk.start(2)
        talk.wait(2000)
        #expect(talk.takeConfirms(on: old) == [2])
        talk.publish("d", to: "q", on: new)
        talk.wait(100)
        #expect(talk.takeConfirms(on: new) == [2])
        #expect(try cluster.drain("q", on: new) == ["a", "c", "d"])
    }

    @Test func `RMQ-QQ-54 and after net_ticktime and five seconds when the leader has no majority`()
        throws
    {
        _ = try orphan(leader: 3)
        let new = talk.openChannel(on: 3)
        try talk.selectConfirms(on: new)
        talk.publish("b", to: "q", on: new)
        talk.wait(6900)
        #expect(talk.takeNacks(on: new) == [])
        talk.wait(200)
        #expect(talk.takeNacks(on: new) == [1])
        talk.start(1)
        talk.wait(2000)
        talk.publish("c", to: "q", on: new)
        talk.wait(100)
        #expect(talk.takeConfirms(on: new) == [2])
        #expect(try cluster.drain("q", on: new) == ["a", "c"])
    }

    @Test func `RMQ-QQ-54 what is answered too late is no answer to what was asked since`() throws {
        _ = try orphan(leader: 3)
        let new = talk.openChannel(on: 3)
        try talk.selectConfirms(on: new)
        talk.publish("b", to: "q", on: new)
        talk.wait(7100)
        #expect(talk.takeNacks(on: new) == [1])
        // Its registration lies in the leader's log; the channel waits for a message meanwhile.
        #expect(throws: (any Error).self) { try talk.get("q", noAck: true, on: new) }
        talk.start(1)
        talk.wait(2000)
        #expect(talk.isConnected(new) && talk.refusal(of: new) == nil)
        let one = talk.openChannel(on: 1)
        #expect(try cluster.drain("q", on: one) == [], "it got the one message")
        talk.publish("c", to: "q", on: new)
        talk.wait(100)
        #expect(talk.takeConfirms(on: new) == [2])
        #expect(try cluster.drain("q", on: one) == ["c"])
    }

    @Test func `RMQ-QQ-52 a get that is under way when the leader dies is refused, and comes back`()
        throws
    {
        let two = talk.openChannel(on: 2)
        try cluster.queue("q", "quorum", on: talk.openChannel(on: 1))
        talk.publish("a", to: "q", on: two)
        talk.wait(100)
        let get = talk.openChannel(on: 3)
        talk.freeze(1)
        #expect(throws: (any Error).self) { try talk.get("q", on: get) }
        talk.kill(1)
        talk.wait(2000)
        #expect(talk.refusal(of: get)?.text.hasSuffix("nodedown") == true)
        #expect(try cluster.drain("q", on: two) == ["a"])
    }

    @Test(arguments: [1, 3])
    func `RMQ-QQ-56 a quorum queue without all of its members is deleted after five seconds`(
        leader: Int
    ) throws {
        _ = try orphan(leader: leader)
        let delete = talk.openChannel(on: 3)
        #expect(throws: (any Error).self) { try talk.deleteQueue("q", on: delete) }
        talk.wait(4000)
        let passive = talk.openChannel(on: 3)
        #expect(try talk.declareQueue("q", on: passive) { $0.passive = true }.name == "q")
        talk.wait(1500)
        let gone = cluster.refusal(3) { try talk.declareQueue("q", on: $0) { $0.passive = true } }
        #expect(gone?.code == 404)
        #expect(talk.refusal(of: delete) == nil)
        talk.start(1)
        talk.wait(2000)
        let absent = cluster.refusal(1) { try talk.declareQueue("q", on: $0) { $0.passive = true } }
        #expect(absent?.code == 404)
    }

    @Test func `RMQ-QQ-35 what is declared passively is there, and empty if its leader is down`()
        throws
    {
        _ = try orphan(leader: 1)
        let channel = talk.openChannel(on: 3)
        #expect(try talk.declareQueue("q", on: channel) { $0.passive = true }.messages == 0)
    }

    @Test
    func
        `RMQ-QQ-36 and RMQ-STREAM-19 a new quorum queue and a new stream take their time to be refused`()
        throws
    {
        try cluster.queue("old", "stream", on: talk.openChannel(on: 2))
        talk.kill(1)
        talk.kill(2)
        talk.wait(10)
        let (queue, stream) = (talk.openChannel(on: 3), talk.openChannel(on: 3))
        #expect(throws: (any Error).self) { try cluster.queue("q", "quorum", on: queue) }
        #expect(throws: (any Error).self) { try cluster.queue("s", "stream", on: stream) }
        talk.wait(16_000)
        let text =
            "INTERNAL_ERROR - Cannot declare quorum queue 'q' in vhost '/' on node 'rabbit@r3' with leader on "
            + "node 'rabbit@r3': cluster_not_formed"
        #expect(talk.refusal(of: queue)?.text == text)
        #expect(talk.refusal(of: stream) == nil)
        talk.wait(15_000)
        let late =
            "INTERNAL_ERROR - Cannot declare a queue 'queue 's' in vhost '/'' on node 'rabbit@r3': "
            + "{error,coordinator_unavailable}"
        #expect(talk.refusal(of: stream)?.text == late)
    }

    @Test func `RMQ-QQ-55 while a leader is frozen, new channels wait for it and old ones go on`()
        throws
    {
        let old = talk.openChannel(on: 2)
        try cluster.queue("q", "quorum", on: talk.openChannel(on: 1))
        try talk.selectConfirms(on: old)
        talk.publish("a", to: "q", on: old)
        talk.wait(100)
        let (get, new) = (talk.openChannel(on: 2), talk.openChannel(on: 3))
        try talk.selectConfirms(on: new)
        talk.freeze(1)
        // Two thirds of net_ticktime: the others have a leader of their own, and hold nobody for down.
        talk.wait(1750)
        talk.publish("b", to: "q", on: old)
        talk.publish("c", to: "q", on: new)
        talk.wait(100)
        #expect(talk.takeConfirms(on: old) == [1, 2])
        #expect(talk.takeNacks(on: new) + talk.takeConfirms(on: new) == [])
        #expect(throws: (any Error).self) { try talk.get("q", on: get) }
        talk.wait(2000)
        #expect(talk.refusal(of: get)?.text.hasSuffix("nodedown") == true)
        #expect(talk.takeNacks(on: new) == [1], "it was never said to anybody")
        #expect(try cluster.drain("q", on: new) == ["a", "b"])
    }

    @Test func `RMQ-QQ-55 a leader that is down and dialled keeps nobody from the new one`() throws
    {
        try cluster.queue("q", "quorum", on: talk.openChannel(on: 1))
        talk.kill(1)
        talk.wait(1000)
        for node in 2...3 {
            let new = talk.openChannel(on: node)
            try talk.selectConfirms(on: new)
            talk.publish("\(node)", to: "q", on: new)
            talk.wait(50)
            #expect(talk.takeConfirms(on: new) == [1])
        }
        #expect(try cluster.drain("q", on: talk.openChannel(on: 2)) == ["2", "3"])
    }

    @Test func `RMQ-QQ-55 and when it thaws, new channels are served by the new leader`() throws {
        try cluster.queue("q", "quorum", on: talk.openChannel(on: 1))
        talk.freeze(1)
        talk.wait(1750)
        let new = talk.openChannel(on: 3)
        try talk.selectConfirms(on: new)
        talk.publish("a", to: "q", on: new)
        talk.wait(100)
        #expect(talk.takeConfirms(on: new) == [])
        talk.thaw(1)
        talk.wait(100)
        #expect(talk.takeConfirms(on: new) == [1])
        #expect(try cluster.drain("q", on: talk.openChannel(on: 2)) == ["a"])
    }
}
