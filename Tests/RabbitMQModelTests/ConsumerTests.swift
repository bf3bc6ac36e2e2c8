import Conversations
import RabbitMQModel
import Testing
import WarrenKernel
import WarrenTrace

@Suite("RabbitMQ consumers", .heldWithBoth)
struct ConsumerTests {
    private let talk = Talk()

    /// Bodies that arrived on a channel since the last look.
    private func arrived(_ channel: Conversation.Channel) -> [String] {
        talk.talk.takeDeliveries(on: channel).map(\.body)
    }

    private func priority(_ value: Int64) -> [FieldValue.Field] {
        [.init("x-priority", .int(value))]
    }

    @Test func `RMQ-CONS-14 a limit in bytes is not there`() {
        let refusal = talk.refusal { try talk.talk.qos(1, size: 5, on: $0) }
        #expect(refusal?.code == 540)
        #expect(refusal?.text == "NOT_IMPLEMENTED - prefetch_size!=0 (5)")
    }

    @Test func `RMQ-CONS-17 to 19 the highest priority gets all while it has room`() throws {
        try talk.queue("q")
        let (low, high, other) = (talk.channel, talk.talk.openChannel(), talk.talk.openChannel())
        for channel in [low, high, other] { try talk.talk.qos(2, on: channel) }
        try talk.talk.consume("q", arguments: priority(-1), on: low)
        try talk.talk.consume("q", arguments: priority(10), on: high)
        try talk.talk.consume("q", arguments: priority(10), on: other)
        talk.publish("1", "2", "3", "4", "5", "6", to: "q")
        #expect(arrived(high) == ["1", "3"])
        #expect(arrived(other) == ["2", "4"])
        #expect(arrived(low) == ["5", "6"])
    }

    @Test func `RMQ-CONS-20 a priority is a whole number`() throws {
        try talk.queue("q")
        let refusal = talk.refusal {
            try talk.talk.consume("q", arguments: [.init("x-priority", .string("a"))], on: $0)
        }
        #expect(
            refusal?.text
                == "PRECONDITION_FAILED - invalid arg 'x-priority' for queue 'q' in vhost '/': "
                + "\"expected integer, got longstr\""
        )
    }

    @Test func `RMQ-CONS-21 to 23 an exclusive consumer is alone until it is cancelled`() throws {
        try talk.queue("q")
        let tag = try talk.talk.consume("q", exclusive: true, on: talk.channel)
        let refusal = talk.refusal { try talk.talk.consume("q", on: $0) }
        #expect(refusal?.text == "ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use")
        try talk.talk.cancel(tag, on: talk.channel)
        try talk.talk.consume("q", on: talk.channel)
        let late = talk.refusal { try talk.talk.consume("q", exclusive: true, on: $0) }
        #expect(late?.code == 403)
    }

    @Test func `RMQ-GET-07 an exclusive consumer does not keep others from fetching`() throws {
        try talk.queue("q")
        try talk.talk.qos(1, on: talk.channel)
        try talk.talk.consume("q", exclusive: true, on: talk.channel)
        talk.publish("a", "b", to: "q")
        #expect(try talk.talk.get("q", on: talk.talk.openChannel())?.body == "b")
    }

    @Test func `RMQ-CONS-27 who did not ask is not told of a cancellation`() throws {
        try talk.queue("q")
        let quiet = try talk.talk.connect { $0.capabilities = [] }.zero
        let channel = talk.talk.openChannel(beside: quiet)
        try talk.talk.consume("q", on: channel)
        try talk.talk.deleteQueue("q", on: talk.channel)
        #expect(talk.talk.takeCancellations(on: channel).isEmpty)
    }

    @Test func `RMQ-CONS-30 a consumer gets what its own connection published`() throws {
        try talk.queue("q")
        try talk.talk.consume("q", on: talk.channel)
        talk.publish("mine", to: "q")
        #expect(arrived(talk.channel) == ["mine"])
    }

    /// Three consumers `c0` to `c2`, who take two each.
    private func single(_ type: String = "classic") throws -> (
        first: Conversation.Channel, others: [Conversation.Channel]
    ) {
        try talk.queue(
            "q",
            [("x-single-active-consumer", .bool(true)), ("x-queue-type", .string(type))]
        )
        let others = [talk.talk.openChannel(), talk.talk.openChannel()]
        for (number, channel) in ([talk.channel] + others).enumerated() {
            try talk.talk.qos(2, on: channel)
            try talk.talk.consume("q", tag: "c\(number)", on: channel)
        }
        return (talk.channel, others)
    }

    @Test func `RMQ-CONS-32, 35 and 37 only the first gets messages, even when it is full`() throws
    {
        let (first, others) = try single()
        let late = talk.talk.openChannel()
        try talk.talk.consume("q", arguments: priority(10), on: late)
        talk.publish("1", "2", "3", to: "q")
        #expect(arrived(first) == ["1", "2"])
        #expect((others + [late]).allSatisfy { arrived($0).isEmpty })
        #expect(try talk.depth("q") == 1)
    }

    @Test func `RMQ-CONS-33 and 38 the next takes over while the old one still holds messages`()
        throws
    {
        let (first, others) = try single()
        talk.publish("1", "2", to: "q")
        #expect(arrived(first) == ["1", "2"])
        try talk.talk.cancel("c0", on: first)
        talk.publish("3", to: "q")
        #expect(arrived(others[0]) == ["3"])
        try talk.talk.cancel("c1", on: others[0])
        talk.publish("4", to: "q")
        #expect(arrived(others[1]) == ["4"])
    }

    @Test func `RMQ-CONS-41 what waits for a full one that is cancelled stands still`() throws {
        let (first, others) = try single()
        talk.publish("1", "2", "3", to: "q")
        #expect(arrived(first) == ["1", "2"])
        try talk.talk.cancel("c0", on: first)
        #expect(others.allSatisfy { arrived($0).isEmpty })
        talk.talk.nack(1, requeue: true, on: first)
        #expect(arrived(others[0]) == ["1", "3"])
    }

    @Test func `RMQ-CONS-41 a new subscriber sets it going again`() throws {
        let (first, others) = try single()
        talk.publish("1", "2", "3", to: "q")
        try talk.talk.cancel("c0", on: first)
        try talk.talk.consume("q", on: talk.talk.openChannel())
        #expect(arrived(others[0]) == ["3"])
    }

    @Test func `RMQ-CONS-41 a quorum queue serves the next one at once`() throws {
        let (first, others) = try single("quorum")
        talk.publish("1", "2", "3", to: "q")
        try talk.talk.cancel("c0", on: first)
        #expect(arrived(others[0]) == ["3"])
    }

    @Test func `RMQ-CONS-34 what a lost one held comes first to the next`() throws {
        let (first, others) = try single()
        talk.publish("1", "2", "3", to: "q")
        _ = arrived(first)
        try talk.talk.close(first)
        let got = talk.talk.takeDeliveries(on: others[0])
        #expect(got.map(\.body) == ["1", "2"])
        #expect(got.map(\.redelivered) == [true, true])
    }

    @Test func `RMQ-CONS-36 nobody consumes exclusively where one is active at a time`() throws {
        try talk.queue("q", [("x-single-active-consumer", .bool(true))])
        let late = talk.refusal { try talk.talk.consume("q", exclusive: true, on: $0) }
        #expect(late?.code == 403)
    }

    @Test func `RMQ-CONS-40 a delivery that is held too long closes its channel`() throws {
        let talk = Talk { settings, _ in
            settings.consumerTimeout = .milliseconds(1000)
            settings.channelTick = .milliseconds(500)
        }
        try talk.queue("q")
        talk.publish("a", to: "q")
        let other = talk.talk.openChannel()
        try talk.talk.consume("q", on: other)
        talk.talk.wait(900)
        #expect(talk.talk.refusal(of: other) == nil)
        talk.talk.wait(900)
        let refusal = try #require(talk.talk.refusal(of: other))
        #expect(refusal.code == 406)
        #expect(
            refusal.text.hasPrefix(
                "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out"
            )
        )
        #expect(try talk.drain("q").map(\.redelivered) == [true])
    }

    @Test
    func `RMQ-CONS-40, versions: 4.3 cancels the consumer of a quorum queue, and spares others`()
        throws
    {
        let talk = Talk { settings, _ in
            settings.version = Version("4.3") ?? .v3_10
            settings.consumerTimeout = .milliseconds(1000)
            settings.channelTick = .milliseconds(500)
        }
        try talk.queue("classic")
        try talk.queue("quorum", [("x-queue-type", .string("quorum"))])
        talk.publish("a", to: "classic")
        talk.publish("b", to: "quorum")
        for queue in ["classic", "quorum"] {
            try talk.talk.consume(queue, tag: queue, on: talk.channel)
        }
        talk.talk.wait(2500)
        #expect(talk.talk.refusal(of: talk.channel) == nil)
        #expect(talk.talk.takeCancellations(on: talk.channel) == ["quorum"])
        #expect(try talk.bodies("quorum") == ["b"])
        #expect(try talk.depth("classic") == 0)
    }
}

@Suite("RabbitMQ transactions", .heldWithBoth)
struct TransactionTests {
    private let talk = Talk()

    @Test func `RMQ-PUB-18 and 25 confirms and transactions exclude each other`() throws {
        let one = talk.refusal {
            try talk.talk.selectConfirms(on: $0)
            try talk.talk.selectTransactions(on: $0)
        }
        #expect(one?.text == "PRECONDITION_FAILED - cannot switch from confirm to tx mode")
        let other = talk.refusal {
            try talk.talk.selectTransactions(on: $0)
            try talk.talk.selectConfirms(on: $0)
        }
        #expect(other?.text == "PRECONDITION_FAILED - cannot switch from tx to confirm mode")
        for step in [talk.talk.commit(on:), talk.talk.rollback(on:)] {
            let none = talk.refusal { try step($0) }
            #expect(none?.text == "PRECONDITION_FAILED - channel is not transactional")
        }
    }

    @Test func `RMQ-PUB-21 and 22 publications and acks count from the commit on`() throws {
        try talk.queue("q")
        talk.publish("0", to: "q")
        try talk.talk.selectTransactions(on: talk.channel)
        let held = try #require(try talk.talk.get("q", on: talk.channel))
        talk.publish("1", to: "q")
        talk.talk.ack(held.tag, on: talk.channel)
        #expect(try talk.depth("q") == 0)
        try talk.talk.rollback(on: talk.channel)
        #expect(try talk.depth("q") == 0)
        // RMQ-PUB-23: it is still with the channel, and can be acked again.
        talk.talk.ack(held.tag, on: talk.channel)
        talk.publish("2", to: "q")
        try talk.talk.commit(on: talk.channel)
        #expect(try talk.depth("q") == 1)
        talk.talk.closeConnection(talk.channel)
        #expect(try talk.talk.get("q", on: talk.talk.openChannel())?.body == "2")
    }

    @Test func `RMQ-PUB-24 acks that were not committed are lost with the channel`() throws {
        try talk.queue("q")
        talk.publish("a", to: "q")
        let other = talk.talk.openChannel()
        try talk.talk.selectTransactions(on: other)
        let held = try #require(try talk.talk.get("q", on: other))
        talk.talk.ack(held.tag, on: other)
        try talk.talk.close(other)
        #expect(try talk.drain("q").map(\.redelivered) == [true])
    }

    @Test func `RMQ-PUB-26 returns come at the commit, before it is answered`() throws {
        try talk.talk.selectTransactions(on: talk.channel)
        talk.talk.publish("x", to: "nowhere", mandatory: true, on: talk.channel)
        #expect(talk.talk.takeMethods(on: talk.channel) == [])
        try talk.talk.commit(on: talk.channel)
        #expect(talk.talk.takeMethods(on: talk.channel) == ["basicReturn"])
    }

    @Test func `RMQ-PUB-27 the way is found when the publication comes`() throws {
        try talk.queue("q")
        try talk.talk.selectTransactions(on: talk.channel)
        talk.talk.publish("x", to: "k", exchange: "amq.direct", on: talk.channel)
        try talk.talk.bind("q", to: "amq.direct", key: "k", on: talk.talk.openChannel())
        try talk.talk.commit(on: talk.channel)
        #expect(try talk.depth("q") == 0)
    }
}

@Suite("RabbitMQ properties", .heldWithBoth)
struct PropertyTests {
    private let talk = Talk()

    @Test func `RMQ-PUB-28 and 29 properties travel unchanged, and what is absent stays absent`()
        throws
    {
        try talk.queue("q")
        let full = Properties.with {
            $0.headers = [.init("nested", .table([.init("list", .array([.int(1), .bool(true)]))]))]
            $0.contentType = "application/json"
            $0.contentEncoding = "gzip"
            $0.priority = 3
            $0.correlationID = "c"
            $0.replyTo = "r"
            $0.expiration = "60000"
            $0.messageID = "m"
            $0.timestamp = 5
            $0.type = "t"
            $0.userID = "guest"
            $0.appID = "a"
            $0.clusterID = "x"
        }
        talk.publish("full", to: "q", full)
        talk.publish("bare", to: "q")
        let got = try talk.drain("q")
        #expect(got.map(\.properties) == [full, Properties()])
    }

    @Test(arguments: [
        ("abc", "no_integer"), ("-1", "{value_negative,-1}"), ("", "no_integer"),
        ("1.5", "{leftover_string,\".5\"}"), (" 5", "no_integer"),
        ("5 ", "{leftover_string,\" \"}"),
        ("99999999999999", "{value_too_large,99999999999999}"),
    ])
    func `RMQ-PUB-31 an expiration is a number of milliseconds`(text: String, fault: String) throws
    {
        try talk.queue("q")
        let refusal = talk.refusal {
            talk.talk.publish("x", to: "q", properties: .expiring(text), on: $0)
        }
        #expect(refusal?.code == 406)
        #expect(refusal?.text == "PRECONDITION_FAILED - invalid expiration '\(text)': \(fault)")
    }

    @Test func `RMQ-PUB-30 nobody writes another's name into user_id`() throws {
        try talk.queue("q")
        let bob = Properties.with { $0.userID = "bob" }
        let refusal = talk.refusal { talk.talk.publish("x", to: "q", properties: bob, on: $0) }
        #expect(
            refusal?.text
                == "PRECONDITION_FAILED - user_id property set to 'bob' but authenticated user was 'guest'"
        )
    }

    @Test func `RMQ-PUB-06 mandatory looks at the way and not at what becomes of the message`()
        throws
    {
        try talk.queue("q")
        talk.talk.publish(
            "x",
            to: "q",
            mandatory: true,
            properties: .expiring("0"),
            on: talk.channel
        )
        #expect(talk.talk.takeReturns(on: talk.channel).isEmpty)
        #expect(try talk.depth("q") == 0)
    }

    @Test func `RMQ-CONN-33 a body above the limit is refused`() throws {
        let talk = Talk { settings, _ in settings.maxMessageSize = 1000 }
        try talk.queue("q")
        let refusal = talk.refusal {
            talk.talk.publish(String(repeating: "x", count: 2000), to: "q", on: $0)
        }
        #expect(
            refusal?.text
                == "PRECONDITION_FAILED - message size 2000 is larger than configured max size 1000"
        )
    }
}

@Suite("RabbitMQ direct replies", .heldWithBoth)
struct ReplyTests {
    private let talk = Talk()
    private static let pseudo = "amq.rabbitmq.reply-to"

    /// Sends a request, and says where the server is to answer.
    private func request(_ body: String = "ask") throws -> String {
        try talk.queue("requests")
        talk.publish(body, to: "requests", .with { $0.replyTo = Self.pseudo })
        return try #require(try talk.drain("requests").first?.properties.replyTo)
    }

    @Test func `RMQ-DRT-01, 10 and 12 answers come straight to the channel under one tag`() throws {
        try talk.talk.consume(Self.pseudo, noAck: true, on: talk.channel)
        let name = try request()
        #expect(name.hasPrefix(Self.pseudo + "."))
        let server = talk.talk.openChannel()
        talk.talk.publish("one", to: name, on: server)
        talk.talk.publish("two", to: name, on: server)
        let got = talk.talk.takeDeliveries(on: talk.channel)
        #expect(got.map(\.body) == ["one", "two"])
        #expect(got[0].tag == got[1].tag)
    }

    @Test func `RMQ-DRT-02 to 05 the rules of the pseudo-queue`() throws {
        let acking = talk.refusal { try talk.talk.consume(Self.pseudo, on: $0) }
        #expect(acking?.text == "PRECONDITION_FAILED - reply consumer cannot acknowledge")
        let twice = talk.refusal {
            try talk.talk.consume(Self.pseudo, noAck: true, on: $0)
            try talk.talk.consume(Self.pseudo, noAck: true, on: $0)
        }
        #expect(twice?.text == "PRECONDITION_FAILED - reply consumer already set")
        let asking = Properties.with { $0.replyTo = Self.pseudo }
        let elsewhere = talk.refusal { channel in
            let beside = talk.talk.openChannel(beside: channel)
            try talk.talk.consume(Self.pseudo, noAck: true, on: beside)
            talk.talk.publish("x", to: "q", properties: asking, on: channel)
        }
        #expect(elsewhere?.text == "PRECONDITION_FAILED - fast reply consumer does not exist")
    }

    @Test func `RMQ-DRT-06 and 08 an answer to nobody is dropped, or returned`() throws {
        try talk.talk.consume(Self.pseudo, noAck: true, on: talk.channel)
        let name = try request()
        let server = talk.talk.openChannel()
        #expect(try talk.talk.declareQueue(name, on: server) { $0.passive = true }.name == name)
        talk.talk.closeConnection(talk.channel)
        talk.talk.publish("late", to: name, mandatory: true, on: server)
        #expect(talk.talk.takeReturns(on: server) == ["late"])
        let gone = talk.refusal { try talk.talk.declareQueue(name, on: $0) { $0.passive = true } }
        #expect(gone?.code == 404)
    }

    @Test func `RMQ-DRT-07 before 4.2 mandatory brings every answer back`() throws {
        for (version, returns) in [("3.10", ["x"]), ("4.2", [])] {
            let talk = Talk { settings, _ in settings.version = Version(version) ?? .v3_10 }
            try talk.talk.consume(Self.pseudo, noAck: true, on: talk.channel)
            try talk.queue("requests")
            talk.publish("ask", to: "requests", .with { $0.replyTo = Self.pseudo })
            let name = try #require(try talk.drain("requests").first?.properties.replyTo)
            let server = talk.talk.openChannel()
            talk.talk.publish("x", to: name, mandatory: true, on: server)
            #expect(talk.talk.takeDeliveries(on: talk.channel).map(\.body) == ["x"])
            #expect(talk.talk.takeReturns(on: server) == returns, "\(version)")
        }
    }

    @Test func `RMQ-DRT-09 the plain name can be looked at`() throws {
        let state = try talk.queue(Self.pseudo) { $0.passive = true }
        #expect(state.messages == 0)
    }

    @Test func `RMQ-DRT-11 and 13 cancelling ends it, and only the default exchange leads there`()
        throws
    {
        let tag = try talk.talk.consume(Self.pseudo, noAck: true, on: talk.channel)
        let name = try request()
        let server = talk.talk.openChannel()
        talk.talk.publish("x", to: name, exchange: "amq.direct", mandatory: true, on: server)
        #expect(talk.talk.takeReturns(on: server) == ["x"])
        try talk.talk.cancel(tag, on: talk.channel)
        talk.talk.publish("y", to: name, on: server)
        #expect(talk.talk.takeDeliveries(on: talk.channel).isEmpty)
    }
}
