import Conversations
import RabbitMQModel
import Testing
import WarrenTrace

/// What clients are told of a mirrored queue whose master is gone, and that no mirror may take over.
///
/// Asked of three nodes of 3.10.8, the master of which was stopped in good order, or killed.
@Suite("RabbitMQ mirrored queues without a master") struct StrandedMirrorTests {
    let cluster = Cluster()
    var talk: Conversation { cluster.talk }

    /// A queue with one message that its mirrors lack, whose master goes, and a channel that published to it.
    private func strand(
        _ definition: [(String, FieldValue)] = [],
        _ goes: (Conversation) -> Void
    ) throws -> Conversation.Channel {
        cluster.mirror(definition)
        let one = talk.openChannel(on: 1)
        try talk.declareQueue("m", on: one) { $0.durable = true }
        talk.kill(2)
        talk.kill(3)
        talk.wait(200)
        cluster.persistent("old", to: "m", on: one)
        talk.wait(50)
        cluster.restart(2)
        cluster.restart(3)
        let two = talk.openChannel(on: 2)
        try talk.selectConfirms(on: two)
        goes(talk)
        talk.wait(500)
        #expect(talk.leader(of: "m") == nil)
        return two
    }

    private static let late =
        "NOT_FOUND - failed to perform operation on queue 'm' in vhost '/' due to timeout"

    @Test func `RMQ-MIR-10 after a stop in good order publications are nacked at once`() throws {
        let two = try strand { $0.stop(1) }
        // Also while the master's node comes up: it is there, and does not serve yet.
        let every = 20
        for _ in 0..<every { cluster.persistent("a", to: "m", on: two) }
        talk.wait(100)
        #expect(talk.takeNacks(on: two).count == every)
        talk.startAtOnce(1)
        for _ in 0..<400 {
            cluster.persistent("b", to: "m", on: two)
            talk.wait(5)
        }
        talk.wait(1000)
        let (nacks, acks) = (talk.takeNacks(on: two), talk.takeConfirms(on: two))
        #expect(nacks.count + acks.count == 400, "each is answered")
        #expect(!nacks.isEmpty && !acks.isEmpty)
        #expect(try cluster.drain("m", on: two).count == 1 + acks.count)
    }

    @Test func `RMQ-MIR-09 after a kill they wait, and are nacked when the master is back`() throws
    {
        let two = try strand([("ha-promote-on-failure", .string("when-synced"))]) { $0.kill(1) }
        cluster.persistent("a", to: "m", on: two)
        talk.wait(5000)
        #expect(talk.takeNacks(on: two) + talk.takeConfirms(on: two) == [])
        cluster.restart(1)
        talk.wait(1000)
        #expect(talk.takeNacks(on: two) == [1])
        cluster.persistent("b", to: "m", on: two)
        talk.wait(100)
        #expect(talk.takeConfirms(on: two) == [2])
        #expect(try cluster.drain("m", on: two) == ["old", "b"])
    }

    @Test
    func `RMQ-MIR-13 what a channel says beyond its credit is stored when the master is back`()
        throws
    {
        let two = try strand([("ha-promote-on-failure", .string("when-synced"))]) { $0.kill(1) }
        for number in 0..<800 { cluster.persistent("\(number)", to: "m", on: two) }
        talk.wait(1000)
        cluster.restart(1)
        talk.wait(1000)
        #expect(talk.takeNacks(on: two).count == 704)
        #expect(talk.takeConfirms(on: two).count == 96)
    }

    @Test func `RMQ-MIR-12 methods wait for about a minute, and are refused`() throws {
        _ = try strand { $0.stop(1) }
        let tries: [(Conversation.Channel) throws -> Void] = [
            { try talk.declareQueue("m", on: $0) { $0.passive = true } },
            { try talk.declareQueue("m", on: $0) { $0.durable = true } },
            { _ = try talk.get("m", on: $0) }, { try talk.consume("m", on: $0) },
        ]
        for body in tries {
            let channel = talk.openChannel(on: 3)
            #expect(throws: (any Error).self) { try body(channel) }
            talk.wait(55_000)
            #expect(talk.refusal(of: channel) == nil)
            talk.wait(8000)
            #expect(talk.refusal(of: channel)?.text == Self.late)
            #expect(talk.refusal(of: channel)?.connection == false)
        }
    }

    @Test func `RMQ-MIR-12 and are answered if the master is back before that`() throws {
        _ = try strand { $0.stop(1) }
        let (declare, get) = (talk.openChannel(on: 3), talk.openChannel(on: 2))
        #expect(throws: (any Error).self) {
            try talk.declareQueue("m", on: declare) { $0.passive = true }
        }
        #expect(throws: (any Error).self) { try talk.get("m", on: get) }
        cluster.restart(1)
        talk.wait(1000)
        #expect(talk.refusal(of: declare) == nil && talk.refusal(of: get) == nil)
        #expect(try talk.declareQueue("m", on: declare) { $0.passive = true }.messages == 0)
    }

    @Test func `RMQ-MIR-12 consumers are kept for a minute, and then cancelled`() throws {
        cluster.mirror([("ha-promote-on-failure", .string("when-synced"))])
        let one = talk.openChannel(on: 1)
        try talk.declareQueue("m", on: one) { $0.durable = true }
        talk.kill(2)
        talk.wait(200)
        cluster.persistent("old", to: "m", on: one)
        cluster.restart(2)
        talk.kill(3)
        talk.wait(200)
        let two = talk.openChannel(on: 2)
        try talk.consume("m", tag: "c", on: two)
        talk.wait(100)
        #expect(talk.takeDeliveries(on: two).map(\.body) == ["old"])
        talk.kill(1)
        talk.wait(55_000)
        #expect(talk.takeCancellations(on: two).isEmpty)
        let late = talk.openChannel(on: 2)
        #expect(throws: (any Error).self) { try talk.consume("m", tag: "late", on: late) }
        talk.wait(9000)
        #expect(talk.takeCancellations(on: two).count == 1)
        #expect(talk.takeCancellations(on: late).isEmpty, "it has not begun")
        cluster.restart(1)
        #expect(talk.takeDeliveries(on: late).map(\.body) == ["old"])
    }
}
