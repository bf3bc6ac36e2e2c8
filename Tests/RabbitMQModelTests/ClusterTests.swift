import Conversations
import RabbitMQModel
import Testing
import WarrenTrace

/// Three nodes, held by hand.
struct Cluster {
    let talk: Conversation

    init(handling: PartitionHandling = .ignore) {
        talk = Conversation(nodes: 3, handling: handling)
        talk.wait(20)
    }

    /// Declares a queue on a channel.
    func queue(_ name: String, _ type: String = "classic", on channel: Conversation.Channel)
        throws
    {
        try talk.declareQueue(name, on: channel) {
            if type != "classic" {
                $0.arguments = [FieldValue.Field("x-queue-type", .string(type))]
            }
        }
    }

    func persistent(_ body: String, to queue: String, on channel: Conversation.Channel) {
        talk.publish(body, to: queue, persistent: true, on: channel)
    }

    func publish(_ bodies: String..., to queue: String, on channel: Conversation.Channel) {
        for body in bodies { talk.publish(body, to: queue, on: channel) }
    }

    func refusal(_ node: Int, _ body: (Conversation.Channel) throws -> Void)
        -> Conversation.Closed?
    {
        let channel = talk.openChannel(on: node)
        do { try body(channel) } catch let closed as Conversation.Closed { return closed } catch {}
        return talk.refusal(of: channel)
    }

    /// Has all queues whose names begin with m mirrored.
    func mirror(_ definition: [(String, FieldValue)] = []) {
        var policy = Policy(name: "ha", pattern: "^m")
        policy.definition = [FieldValue.Field("ha-mode", .string("all"))]
        for (key, value) in definition {
            policy.definition.removeAll { $0.name == key }
            policy.definition.append(FieldValue.Field(key, value))
        }
        talk.administer(.setPolicy(policy, vhost: "/"))
        talk.wait(50)
    }

    /// Lets go by what a node needs to come back.
    func restart(_ node: Int) {
        talk.start(node)
        talk.wait(9000)
    }

    func drain(_ queue: String, on channel: Conversation.Channel) throws -> [String] {
        var found: [String] = []
        while let next = try talk.get(queue, noAck: true, on: channel) { found.append(next.body) }
        return found
    }
}

@Suite("RabbitMQ clusters and classic queues", .heldWithBoth)
struct ClusterTests {
    let cluster = Cluster()
    var talk: Conversation { cluster.talk }

    @Test func `RMQ-CLUS-01 a queue lives where it was declared and is used from anywhere`() throws
    {
        let two = talk.openChannel(on: 2)
        let three = talk.openChannel(on: 3)
        try cluster.queue("q", on: two)
        #expect(talk.leader(of: "q") == 2)
        try talk.selectConfirms(on: three)
        talk.publish("a", to: "q", on: three)
        talk.publish("b", to: "q", on: three)
        talk.publish("c", to: "q", on: three)
        #expect(talk.takeConfirms(on: three) == [1, 2, 3])
        let one = talk.openChannel(on: 1)
        #expect(try talk.declareQueue("q", on: one) { $0.passive = true }.messages == 3)
        #expect(try talk.get("q", on: one)?.body == "a")
        try talk.qos(1, on: three)
        try talk.consume("q", on: three)
        let first = try #require(talk.takeDeliveries(on: three).first)
        #expect(first.body == "b")
        talk.ack(first.tag, on: three)
        let second = talk.takeDeliveries(on: three)
        #expect(second.map(\.body) == ["c"])
        talk.nack(second[0].tag, requeue: true, on: three)
        #expect(talk.takeDeliveries(on: three).map(\.redelivered) == [true])
        talk.closeConnection(one)
        talk.closeConnection(three)
        #expect(try cluster.drain("q", on: two) == ["a", "c"])
    }

    @Test func `RMQ-CONS-11 a limit of a channel counts what queues of other nodes sent, too`()
        throws
    {
        let (one, two) = (talk.openChannel(on: 1), talk.openChannel(on: 2))
        try cluster.queue("here", on: one)
        try cluster.queue("there", on: two)
        try talk.qos(2, global: true, on: one)
        try talk.consume("there", on: one)
        try talk.consume("here", on: one)
        cluster.publish("a", "b", "c", to: "there", on: two)
        let first = talk.takeDeliveries(on: one)
        #expect(first.map(\.body) == ["a", "b"])
        cluster.publish("x", "y", to: "here", on: two)
        #expect(talk.takeDeliveries(on: one).isEmpty)
        for delivery in first { talk.ack(delivery.tag, on: one) }
        // Which queue has its turn then is not said.
        #expect(talk.takeDeliveries(on: one).count == 2)
    }

    @Test
    func `RMQ-CLUS-02 and 03, RMQ-PUB-36 a queue whose node is down answers 404 and takes nothing`()
        throws
    {
        let one = talk.openChannel(on: 1)
        try cluster.queue("q", on: one)
        cluster.persistent("a", to: "q", on: one)
        talk.kill(1)
        let text =
            "NOT_FOUND - home node 'rabbit@r1' of durable queue 'q' in vhost '/' is down or inaccessible"
        let refusals = [
            cluster.refusal(2) { try talk.declareQueue("q", on: $0) },
            cluster.refusal(2) { try talk.declareQueue("q", on: $0) { $0.durable = false } },
            cluster.refusal(2) { try talk.declareQueue("q", on: $0) { $0.passive = true } },
            cluster.refusal(2) { try talk.consume("q", on: $0) },
            cluster.refusal(2) { _ = try talk.get("q", on: $0) },
            cluster.refusal(2) { try talk.bind("q", to: "amq.topic", key: "k", on: $0) },
            cluster.refusal(2) { _ = try talk.purge("q", on: $0) },
            cluster.refusal(2) { try talk.deleteQueue("q", on: $0) },
        ]
        for refusal in refusals {
            #expect(refusal?.code == 404)
            #expect(refusal?.text == text)
        }
        let two = talk.openChannel(on: 2)
        try talk.selectConfirms(on: two)
        talk.publish("lost", to: "q", mandatory: true, on: two)
        #expect(talk.takeReturns(on: two) == ["lost"])
        #expect(talk.takeConfirms(on: two) == [1])
    }

    @Test
    func `RMQ-CLUS-04 to 06 transient queues go, consumers are cancelled, durable queues return`()
        throws
    {
        let one = talk.openChannel(on: 1)
        let two = talk.openChannel(on: 2)
        try cluster.queue("kept", on: one)
        try talk.declareQueue("gone", on: one) { $0.durable = false }
        cluster.persistent("a", to: "kept", on: one)
        talk.publish("b", to: "kept", on: one)
        let tag = try talk.consume("kept", on: two)
        #expect(talk.takeDeliveries(on: two).map(\.body) == ["a", "b"])
        talk.kill(1)
        #expect(talk.takeCancellations(on: two) == [tag])
        let absent = cluster.refusal(2) {
            try talk.declareQueue("gone", on: $0) { $0.passive = true }
        }
        #expect(absent?.text == "NOT_FOUND - no queue 'gone' in vhost '/'")
        try talk.declareQueue("gone", on: two) { $0.durable = false }
        // What was delivered before is nobody's any more, and settling it is no error.
        talk.ack(1, on: two)
        #expect(talk.refusal(of: two) == nil)
        talk.start(1)
        let back = try #require(try talk.get("kept", on: two))
        #expect(back.body == "a")
        #expect(back.redelivered)
        #expect(try talk.get("kept", on: two) == nil)
    }

    @Test func `RMQ-DUR-07 a transient exchange outlives the restart of one node of a cluster`()
        throws
    {
        let one = talk.openChannel(on: 1)
        try cluster.queue("q", on: talk.openChannel(on: 2))
        try talk.declareExchange("fleeting", "fanout", on: one) { $0.durable = false }
        try talk.bind("q", to: "fleeting", on: one)
        talk.kill(1)
        talk.start(1)
        let again = talk.openChannel(on: 1)
        talk.publish("a", to: "", exchange: "fleeting", on: again)
        #expect(try cluster.drain("q", on: again) == ["a"])
    }

    @Test func `RMQ-ALARM-06 an alarm of one node blocks publishers everywhere`() throws {
        let two = talk.openChannel(on: 2)
        try cluster.queue("q", on: two)
        talk.setAlarm(onNode: 1, true)
        talk.publish("a", to: "q", on: two)
        #expect(talk.takeConnectionMethods(of: two).contains("connectionBlocked"))
        #expect(try cluster.drain("q", on: talk.openChannel(on: 3)) == [])
        talk.setAlarm(onNode: 1, false)
        #expect(talk.takeConnectionMethods(of: two).contains("connectionUnblocked"))
        #expect(try cluster.drain("q", on: talk.openChannel(on: 3)) == ["a"])
    }

    @Test func `RMQ-CLUS-08 a classic queue may go to the node with the fewest`() throws {
        let one = talk.openChannel(on: 1)
        for name in ["a", "b", "c"] {
            try talk.declareQueue(name, on: one) {
                $0.arguments = [FieldValue.Field("x-queue-master-locator", .string("min-masters"))]
            }
        }
        #expect(Set(["a", "b", "c"].compactMap { talk.leader(of: $0) }) == [1, 2, 3])
    }

    /// The declarations of `Tests/RealCluster/ask.py places`, and where 3.10.8 put each.
    private static let places:
        [(
            name: String, on: Int, kind: String, says: [(String, FieldValue)], leader: Int,
            members: [Int]
        )] = [
            ("s1", 2, "stream", [size(1)], 2, [2]),
            ("s2", 2, "stream", [size(2)], 2, [1, 2]),
            ("s3", 2, "stream", [size(2)], 2, [2, 3]),
            ("s4", 2, "stream", [size(2), led("balanced")], 1, [1, 2]),
            ("s5", 1, "stream", [led("least-leaders")], 3, [1, 2, 3]),
            ("s6", 1, "stream", [led("random")], 1, [1, 2, 3]),
            ("s7", 1, "stream", [size(1), led("balanced")], 1, [1]),
            ("q1", 2, "quorum", [group(1)], 2, [2]),
            ("q2", 2, "quorum", [group(2)], 2, [1, 2]),
            ("q3", 2, "quorum", [led("balanced")], 1, [1, 2, 3]),
            ("q4", 1, "quorum", [led("random")], 3, [1, 2, 3]),
            ("q5", 3, "quorum", [group(2), led("balanced")], 1, [1, 3]),
            ("q6", 3, "quorum", [led("client-local")], 3, [1, 2, 3]),
            ("c1", 3, "classic", [], 3, []),
            ("c2", 3, "classic", [master("min-masters")], 3, []),
            ("c3", 3, "classic", [master("min-masters")], 1, []),
            ("c4", 3, "classic", [master("min-masters")], 2, []),
            ("c5", 3, "classic", [master("client-local")], 3, []),
        ]

    private static func size(_ count: Int64) -> (String, FieldValue) {
        ("x-initial-cluster-size", .int(count))
    }

    private static func group(_ count: Int64) -> (String, FieldValue) {
        ("x-quorum-initial-group-size", .int(count))
    }

    private static func led(_ word: String) -> (String, FieldValue) {
        ("x-queue-leader-locator", .string(word))
    }

    private static func master(_ word: String) -> (String, FieldValue) {
        ("x-queue-master-locator", .string(word))
    }

    @Test
    func
        `RMQ-CLUS-11 and 12 each kind of queue counts its own, and lies where a broker put it`()
        throws
    {
        for one in Self.places {
            try talk.declareQueue(one.name, on: talk.openChannel(on: one.on)) {
                $0.arguments = [FieldValue.Field("x-queue-type", .string(one.kind))]
                $0.arguments += one.says.map { FieldValue.Field($0.0, $0.1) }
            }
            #expect(talk.leader(of: one.name) == one.leader, "the leader of \(one.name)")
            #expect(talk.members(of: one.name) == one.members, "the members of \(one.name)")
        }
    }

    @Test func `RMQ-CLUS-09 and 10 the last node to stop starts first, the others wait for it`()
        throws
    {
        try cluster.queue("q", on: talk.openChannel(on: 3))
        talk.stop(1)
        talk.stop(2)
        talk.stop(3)
        talk.start(1)
        talk.wait(3000)
        #expect(!talk.isConnected(talk.openChannel(on: 1)))
        talk.start(3)
        talk.wait(2000)
        #expect(talk.isConnected(talk.openChannel(on: 3)))
        #expect(talk.isConnected(talk.openChannel(on: 1)))
        #expect(try cluster.drain("q", on: talk.openChannel(on: 1)) == [])
    }

    @Test func `declares, binds and deletes everywhere before it answers`() throws {
        let one = talk.openChannel(on: 1)
        let three = talk.openChannel(on: 3)
        try talk.declareExchange("events", "topic", on: three)
        try cluster.queue("q", on: one)
        try talk.bind("q", to: "events", key: "a.#", on: three)
        talk.publish("x", to: "a.b", exchange: "events", on: talk.openChannel(on: 2))
        #expect(try cluster.drain("q", on: three) == ["x"])
        try talk.unbind("q", from: "events", key: "a.#", on: one)
        talk.publish("y", to: "a.b", exchange: "events", on: three)
        #expect(try cluster.drain("q", on: three) == [])
        talk.publish("z", to: "q", on: three)
        #expect(try talk.deleteQueue("q", on: three) == 1)
        let absent = cluster.refusal(2) { try talk.declareQueue("q", on: $0) { $0.passive = true } }
        #expect(absent?.code == 404)
    }

    @Test func `gives an exclusive queue to its connection alone, whatever the node`() throws {
        let two = talk.openChannel(on: 2)
        try talk.declareQueue("mine", on: two) { $0.exclusive = true }
        #expect(talk.leader(of: "mine") == 2)
        #expect(cluster.refusal(3) { _ = try talk.get("mine", on: $0) }?.code == 405)
        talk.closeConnection(two)
        #expect(cluster.refusal(3) { _ = try talk.get("mine", on: $0) }?.code == 404)
    }
}

@Suite("RabbitMQ quorum queues in a cluster", .heldWithBoth)
struct QuorumClusterTests {
    let cluster = Cluster()
    var talk: Conversation { cluster.talk }

    @Test func `RMQ-QQ-30, 38 and 39 leads where it was declared, with three members`() throws {
        try cluster.queue("q", "quorum", on: talk.openChannel(on: 2))
        #expect(talk.leader(of: "q") == 2)
        let one = talk.openChannel(on: 1)
        try talk.declareQueue("balanced", on: one) {
            $0.arguments = [
                FieldValue.Field("x-queue-type", .string("quorum")),
                FieldValue.Field("x-queue-leader-locator", .string("balanced")),
            ]
        }
        #expect(try #require(talk.leader(of: "balanced")) != 2)
        cluster.publish("a", "b", to: "q", on: one)
        #expect(try cluster.drain("q", on: talk.openChannel(on: 3)) == ["a", "b"])
    }

    @Test func `RMQ-QQ-31 confirms after an election what was published while the leader died`()
        throws
    {
        let two = talk.openChannel(on: 2)
        try cluster.queue("q", "quorum", on: talk.openChannel(on: 1))
        try talk.selectConfirms(on: two)
        talk.publish("a", to: "q", on: two)
        talk.wait(100)
        talk.kill(1)
        talk.publish("b", to: "q", on: two)
        talk.wait(1000)
        #expect(talk.takeConfirms(on: two) == [1, 2])
        #expect(try #require(talk.leader(of: "q")) != 1)
        #expect(try cluster.drain("q", on: two) == ["a", "b"])
    }

    @Test func `RMQ-QQ-32 consumers on survivors keep what they hold`() throws {
        let one = talk.openChannel(on: 1)
        let two = talk.openChannel(on: 2)
        try cluster.queue("q", "quorum", on: one)
        cluster.publish("a", "b", "c", to: "q", on: two)
        try talk.qos(2, on: two)
        try talk.consume("q", on: two)
        let held = talk.takeDeliveries(on: two)
        #expect(held.map(\.body) == ["a", "b"])
        talk.kill(1)
        talk.wait(1000)
        #expect(talk.takeDeliveries(on: two) == [])
        talk.ack(held[1].tag, multiple: true, on: two)
        talk.wait(100)
        #expect(talk.takeDeliveries(on: two).map(\.body) == ["c"])
        #expect(talk.facts.allSatisfy { $0.kind != .deliveryRequeued })
    }

    @Test func `RMQ-QQ-33 what consumers of a dead node held comes back in front, counted`() throws
    {
        let two = talk.openChannel(on: 2)
        try cluster.queue("q", "quorum", on: talk.openChannel(on: 1))
        let three = talk.openChannel(on: 3)
        cluster.publish("a", "b", "c", to: "q", on: two)
        try talk.qos(2, on: three)
        try talk.consume("q", on: three)
        #expect(talk.takeDeliveries(on: three).count == 2)
        talk.kill(3)
        talk.wait(200)
        try talk.consume("q", on: two)
        talk.wait(100)
        let found = talk.takeDeliveries(on: two)
        #expect(found.map(\.body) == ["a", "b", "c"])
        #expect(found.map(\.redelivered) == [true, true, false])
        #expect(found[0].properties.header("x-delivery-count") == .integer(1, .long))
    }

    @Test func `RMQ-QQ-34, 35 and 37, RMQ-PART-07 a minority stalls and loses nothing`() throws {
        let one = talk.openChannel(on: 1)
        try cluster.queue("q", "quorum", on: one)
        try talk.selectConfirms(on: one)
        talk.publish("0", to: "q", on: one)
        talk.wait(100)
        #expect(talk.takeConfirms(on: one) == [1])
        talk.kill(2)
        talk.kill(3)
        talk.publish("a", to: "q", on: one)
        talk.wait(5000)
        #expect(talk.takeConfirms(on: one) == [])
        #expect(talk.takeNacks(on: one) == [])
        try cluster.queue("q", "quorum", on: one)
        try cluster.queue("plain", on: one)
        let other = talk.openChannel(on: 1)
        #expect(throws: (any Error).self) { try talk.consume("q", on: other) }
        #expect(talk.refusal(of: other) == nil)
        talk.start(2)
        talk.wait(1000)
        #expect(talk.takeConfirms(on: one) == [2])
        #expect(talk.takeDeliveries(on: other).map(\.body) == ["0", "a"])
    }

    @Test func `RMQ-QQ-36 a new quorum queue without a majority is refused after fifteen seconds`()
        throws
    {
        talk.kill(2)
        talk.kill(3)
        let one = talk.openChannel(on: 1)
        #expect(throws: (any Error).self) { try cluster.queue("q", "quorum", on: one) }
        talk.wait(14_000)
        #expect(talk.refusal(of: one) == nil)
        talk.wait(2000)
        let refusal = try #require(talk.refusal(of: one))
        #expect(refusal.code == 541)
        #expect(refusal.text.contains("cluster_not_formed"))
    }

    @Test func `what consumers held comes back before the others when every node was killed`()
        throws
    {
        let one = talk.openChannel(on: 1)
        try cluster.queue("q", "quorum", on: one)
        let bodies = ["a", "b", "c", "d", "e", "f"]
        for body in bodies { talk.publish(body, to: "q", on: one) }
        for node in 2...3 {
            let channel = talk.openChannel(on: node)
            try talk.qos(2, on: channel)
            try talk.consume("q", on: channel)
            talk.wait(100)
            #expect(talk.takeDeliveries(on: channel).count == 2)
        }
        for node in 1...3 { talk.kill(node) }
        talk.wait(1000)
        for node in 1...3 { talk.startAtOnce(node) }
        talk.wait(5000)
        #expect(try cluster.drain("q", on: talk.openChannel(on: 2)) == bodies)
    }

    @Test func `keeps what was confirmed when every node is killed at once`() throws {
        let one = talk.openChannel(on: 1)
        try cluster.queue("q", "quorum", on: one)
        try talk.selectConfirms(on: one)
        cluster.publish("a", "b", to: "q", on: one)
        #expect(talk.takeConfirms(on: one) == [1, 2])
        for node in 1...3 { talk.kill(node) }
        for node in 1...3 { talk.start(node) }
        talk.wait(2000)
        #expect(try cluster.drain("q", on: talk.openChannel(on: 2)) == ["a", "b"])
    }
}

@Suite("RabbitMQ network partitions", .heldWithBoth)
struct PartitionTests {
    @Test func `RMQ-PART-01 and 02 ignored, both sides go on, and stay apart until one restarts`()
        throws
    {
        let cluster = Cluster()
        let talk = cluster.talk
        try cluster.queue("one", on: talk.openChannel(on: 1))
        try cluster.queue("three", on: talk.openChannel(on: 3))
        talk.isolate(3, true)
        talk.wait(4000)
        #expect(talk.facts.contains { $0.kind == .peerLost })
        let (left, right) = (talk.openChannel(on: 1), talk.openChannel(on: 3))
        talk.publish("a", to: "one", on: left)
        talk.publish("b", to: "three", on: right)
        talk.isolate(3, false)
        talk.wait(4000)
        #expect(talk.facts.contains { $0.kind == .peerFound && $0.variant == 1 })
        // The link is back, and the queues of the other side are not.
        #expect(cluster.refusal(3) { _ = try talk.get("one", on: $0) }?.code == 404)
        talk.stop(3)
        talk.start(3)
        talk.wait(1000)
        #expect(try cluster.drain("one", on: talk.openChannel(on: 3)) == ["a"])
    }

    @Test func `RMQ-PART-03 pause_minority stops the lone node, until it sees the others`() throws {
        let cluster = Cluster(handling: .pauseMinority)
        let talk = cluster.talk
        let three = talk.openChannel(on: 3)
        try cluster.queue("q", "quorum", on: three)
        talk.isolate(3, true)
        talk.wait(4000)
        #expect(talk.facts.contains { $0.kind == .nodePaused })
        #expect(talk.refusal(of: three)?.code == 320)
        #expect(!talk.isConnected(talk.openChannel(on: 3)))
        talk.isolate(3, false)
        talk.wait(4000)
        let again = talk.openChannel(on: 3)
        talk.publish("a", to: "q", on: again)
        #expect(try cluster.drain("q", on: talk.openChannel(on: 1)) == ["a"])
    }

    @Test func `RMQ-PART-04 autoheal restarts the side with fewer connections`() throws {
        let cluster = Cluster(handling: .autoheal)
        let talk = cluster.talk
        let one = talk.openChannel(on: 1)
        _ = talk.openChannel(on: 2)
        let three = talk.openChannel(on: 3)
        talk.isolate(3, true)
        talk.wait(4000)
        try cluster.queue("winner", on: one)
        try cluster.queue("loser", on: three)
        talk.isolate(3, false)
        talk.wait(6000)
        #expect(talk.facts.contains { $0.kind == .nodeYielded })
        #expect(talk.refusal(of: three)?.code == 320)
        #expect(talk.refusal(of: one) == nil)
        #expect(try cluster.drain("winner", on: talk.openChannel(on: 3)) == [])
        let gone = cluster.refusal(3) {
            try talk.declareQueue("loser", on: $0) { $0.passive = true }
        }
        #expect(gone?.text == "NOT_FOUND - no queue 'loser' in vhost '/'")
    }

    @Test(arguments: [PartitionHandling.ignore, .autoheal, .pauseMinority])
    func `RMQ-PART-09 two nodes that lose each other for a moment make a full partition`(
        handling: PartitionHandling
    ) throws {
        let cluster = Cluster(handling: handling)
        let talk = cluster.talk
        try cluster.queue("one", on: talk.openChannel(on: 1))
        talk.disconnect(2, from: 1)
        talk.wait(100)
        let lost = Set(
            talk.facts.filter { $0.kind == .peerLost && $0.node.raw < 3 }.map {
                [$0.node.raw + 1, $0.peer + 1]
            }
        )
        #expect(lost.isSuperset(of: [[1, 2], [2, 1]]))
        #expect(lost.isDisjoint(with: [[2, 3], [3, 2]]), "the others stay together")
        switch handling {
        case .pauseMinority: #expect(talk.facts.contains { $0.kind == .nodePaused })
        default:
            #expect(lost.isSuperset(of: [[1, 3], [3, 1]]), "and the first leaves the third")
            talk.wait(4000)
            let pairs = talk.facts.filter { $0.kind == .peerFound && $0.variant == 1 }.map {
                [$0.node.raw + 1, $0.peer + 1]
            }
            #expect(Set(pairs).isSuperset(of: [[1, 2], [1, 3], [2, 1], [3, 1]]))
        }
    }

    @Test func `RMQ-PART-06 a frozen leader is doubted, and another one answers`() throws {
        let cluster = Cluster()
        let talk = cluster.talk
        let two = talk.openChannel(on: 2)
        try cluster.queue("q", "quorum", on: talk.openChannel(on: 1))
        try talk.selectConfirms(on: two)
        talk.freeze(1)
        talk.publish("a", to: "q", on: two)
        talk.wait(500)
        #expect(talk.takeConfirms(on: two) == [])
        talk.wait(4000)
        #expect(talk.takeConfirms(on: two) == [1])
        talk.thaw(1)
        talk.wait(2000)
        #expect(try cluster.drain("q", on: two) == ["a"])
    }

    @Test func `RMQ-PART-08 with Khepri a minority cannot change metadata`() throws {
        let talk = Conversation(nodes: 3) { settings, _ in settings.version = Version(4, 2) }
        talk.wait(20)
        talk.kill(2)
        talk.kill(3)
        let one = talk.openChannel(on: 1)
        #expect(throws: (any Error).self) { try talk.declareQueue("q", on: one) }
        #expect(talk.refusal(of: one) == nil)
    }

    @Test
    func `RMQ-PART-05 a frozen node leaves publishes without an answer, then they are nacked`()
        throws
    {
        let cluster = Cluster()
        let talk = cluster.talk
        let two = talk.openChannel(on: 2)
        try cluster.queue("q", on: talk.openChannel(on: 1))
        try talk.selectConfirms(on: two)
        talk.freeze(1)
        cluster.persistent("a", to: "q", on: two)
        talk.wait(1000)
        #expect(talk.takeConfirms(on: two) == [])
        #expect(talk.takeNacks(on: two) == [])
        talk.wait(2500)
        #expect(talk.takeNacks(on: two) == [1])
        talk.thaw(1)
        talk.wait(100)
        // It was nacked, and is there.
        #expect(try cluster.drain("q", on: talk.openChannel(on: 1)) == ["a"])
    }
}
