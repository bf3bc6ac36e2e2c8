import AMQPWire
import NIOCore
import Testing

/// Octets that were on the wire between a client written by hand and a RabbitMQ 3.10.8.
@Suite("The wire of a real broker") struct VectorTests {
    @Test("connection.start offers what 3.10.8 can") func start() throws {
        let octets =
            "010000000001ee000a000a0009000001c90c6361706162696c697469657346000000c7127075626c69736865"
            + "725f636f6e6669726d7374011a65786368616e67655f65786368616e67655f62696e64696e677374010a6261"
            + "7369632e6e61636b740116636f6e73756d65725f63616e63656c5f6e6f74696679740112636f6e6e65637469"
            + "6f6e2e626c6f636b6564740113636f6e73756d65725f7072696f72697469657374011c61757468656e746963"
            + "6174696f6e5f6661696c7572655f636c6f73657401107065725f636f6e73756d65725f716f7374010f646972"
            + "6563745f7265706c795f746f74010c636c75737465725f6e616d65530000000768616e6440766d09636f7079"
            + "72696768745300000037436f707972696768742028632920323030372d3230323220564d776172652c20496e"
            + "632e206f722069747320616666696c69617465732e0b696e666f726d6174696f6e53000000394c6963656e73"
            + "656420756e64657220746865204d504c20322e302e20576562736974653a2068747470733a2f2f7261626269"
            + "746d712e636f6d08706c6174666f726d530000001145726c616e672f4f54502032352e322e330770726f6475"
            + "637453000000085261626269744d510776657273696f6e5300000006332e31302e380000000e504c41494e20"
            + "414d51504c41494e00000005656e5f5553ce"
        let command = try #require(try Wire.commands(octets).first)
        guard case .connection(.start(let start)) = command.method else {
            Issue.record("\(command.method)")
            return
        }
        #expect(start.versionMajor == 0 && start.versionMinor == 9)
        #expect(start.mechanisms == "PLAIN AMQPLAIN" && start.locales == "en_US")
        #expect(start.serverProperties["product"] == .longString("RabbitMQ"))
        #expect(start.serverProperties["version"] == .longString("3.10.8"))
        guard case .table(let capabilities) = start.serverProperties["capabilities"] else {
            Issue.record("no capabilities")
            return
        }
        #expect(capabilities["consumer_cancel_notify"] == .bool(true))
        #expect(capabilities.fields.count == 9)
        #expect(try Wire.octets(command) == octets)
    }

    private static let answers: [(octets: String, command: Command)] = {
        var answers: [(octets: String, command: Command)] = []
        answers.append(
            (
                "0100000000000c000a001e07ff00020000003cce",
                Command(
                    .connection(.tune(.init(channelMax: 2047, frameMax: 131_072, heartbeat: 60))),
                    channel: 0
                )
            )
        )
        answers.append(("01000000000005000a002900ce", Command(.connection(.openOk), channel: 0)))
        answers.append(("010001000000080014000b00000000ce", Command(.channel(.openOk), channel: 1)))
        answers.append(("010001000000040055000bce", Command(.confirm(.selectOk), channel: 1)))
        answers.append(
            (
                "010001000000130032000b06766563746f720000000000000000ce",
                Command(.queue(.declareOk(.init(queue: "vector"))), channel: 1)
            )
        )
        answers.append(
            (
                "0100010000000d003c0050000000000000000100ce",
                Command(.basic(.ack(.init(deliveryTag: 1))), channel: 1)
            )
        )
        answers.append(("01000100000005003c004800ce", Command(.basic(.getEmpty), channel: 1)))
        answers.append(
            (
                "010001000000080032002900000000ce",
                Command(.queue(.deleteOk(.init(messageCount: 0))), channel: 1)
            )
        )
        answers.append(
            (
                "01000100000024003c00151f616d712e637461672d316a3062634244315469676465446d774f4a71774841ce",
                Command(
                    .basic(.consumeOk(.init(consumerTag: "amq.ctag-1j0bcBD1TigdeDmwOJqwHA"))),
                    channel: 1
                )
            )
        )
        answers.append(
            (
                "01000100000025003c001e1f616d712e637461672d316a3062634244315469676465446d774f4a7177484101"
                    + "ce",
                Command(
                    .basic(
                        .cancel(.init(consumerTag: "amq.ctag-1j0bcBD1TigdeDmwOJqwHA", nowait: true))
                    ),
                    channel: 1
                )
            )
        )
        answers.append(
            (
                "010001000000360014002801942b4e4f545f464f554e44202d206e6f20717565756520276d697373696e6727"
                    + "20696e2076686f737420272f270032000ace",
                Command(
                    .channel(
                        .close(
                            .init(
                                code: 404,
                                text: "NOT_FOUND - no queue 'missing' in vhost '/'",
                                classID: 50,
                                methodID: 10
                            )
                        )
                    ),
                    channel: 1
                )
            )
        )
        answers.append(
            (
                "01000000000032000a003201f8274348414e4e454c5f4552524f52202d20657870656374656420276368616e"
                    + "6e656c2e6f70656e270032001ece",
                Command(
                    .connection(
                        .close(
                            .init(
                                code: 504,
                                text: "CHANNEL_ERROR - expected 'channel.open'",
                                classID: 50,
                                methodID: 30
                            )
                        )
                    ),
                    channel: 0
                )
            )
        )
        answers.append(
            (
                "01000100000018003c00320138084e4f5f524f55544500076e6f7768657265ce0200010000000e003c000000"
                    + "000000000000000000ce",
                Command(
                    .basic(.return(.init(code: 312, text: "NO_ROUTE", routingKey: "nowhere"))),
                    channel: 1
                )
            )
        )
        return answers
    }()

    @Test("each answer is the method that it was, and is written as it came", arguments: 0..<13)
    func answers(_ number: Int) throws {
        let (octets, wanted) = Self.answers[number]
        #expect(try Wire.commands(octets) == [wanted])
        #expect(try Wire.octets(wanted) == octets)
    }

    @Test(
        "a message comes back from the broker with all fourteen properties and each type of field"
    )
    func properties() throws {
        let sent =
            "0100010000000f003c002800000006766563746f7201ce020001000000e4003c00000000000000000005fffc"
            + "0a746578742f706c61696e04677a69700000008a01747401016262ff014242ff017373fffe017575fffe0149"
            + "49fffffffd016969fffffffd016c6cfffffffffffffffc0166663fc00000016464c002000000000000014444"
            + "020000013a015353000000076772c3b6c39f650178780000000200ff01414100000006490000000156015454"
            + "000000006553f10001464600000008016b530000000176015656020905ff00726177057265706c7905363030"
            + "30300469642d31000000006553f101046b696e640567756573740361707007636c7573746572ce0300010000"
            + "000568656c6c6fce"
        let delivered =
            "01000100000035003c003c1f616d712e637461672d316a3062634244315469676465446d774f4a7177484100"
            + "00000000000001000006766563746f72ce020001000000e4003c00000000000000000005fffc0a746578742f"
            + "706c61696e04677a69700000008a01747401016262ff014242ff017373fffe017575fffe014949fffffffd01"
            + "6969fffffffd016c6cfffffffffffffffc0166663fc00000016464c002000000000000014444020000013a01"
            + "5353000000076772c3b6c39f650178780000000200ff01414100000006490000000156015454000000006553"
            + "f10001464600000008016b530000000176015656020905ff00726177057265706c790536303030300469642d"
            + "31000000006553f101046b696e640567756573740361707007636c7573746572ce0300010000000568656c6c"
            + "6fce"
        let publish = try #require(try Wire.commands(sent).first)
        let delivery = try #require(try Wire.commands(delivered).first)
        #expect(
            publish.method
                == .basic(.publish(.init(routingKey: "vector", mandatory: true)))
        )
        #expect(
            delivery.method
                == .basic(
                    .deliver(
                        .init(
                            consumerTag: "amq.ctag-1j0bcBD1TigdeDmwOJqwHA",
                            deliveryTag: 1,
                            routingKey: "vector"
                        )
                    )
                )
        )
        let properties = try #require(delivery.content?.properties)
        #expect(properties == Self.allProperties)
        #expect(publish.content == delivery.content)
        #expect(delivery.content?.body == ByteBuffer(string: "hello"))
        #expect(try Wire.octets(publish) == sent)
        #expect(try Wire.octets(delivery) == delivered)
    }

    private static var allProperties: BasicProperties {
        var properties = BasicProperties()
        properties.contentType = "text/plain"
        properties.contentEncoding = "gzip"
        properties.headers = [
            "t": .bool(true), "b": .int8(-1), "B": .uint8(255), "s": .int16(-2),
            "u": .uint16(65534),
            "I": .int32(-3), "i": .uint32(4_294_967_293), "l": .int64(-4), "f": .float(1.5),
            "d": .double(-2.25), "D": .decimal(scale: 2, value: 314), "S": .longString("größe"),
            "x": .byteArray([0, 255]), "A": .array([.int32(1), .void]),
            "T": .timestamp(1_700_000_000), "F": .table(["k": .longString("v")]), "V": .void,
        ]
        properties.deliveryMode = 2
        properties.priority = 9
        properties.correlationID = Octets([0xFF, 0, 0x72, 0x61, 0x77])
        properties.replyTo = "reply"
        properties.expiration = "60000"
        properties.messageID = "id-1"
        properties.timestamp = 1_700_000_001
        properties.type = "kind"
        properties.userID = "guest"
        properties.appID = "app"
        properties.clusterID = "cluster"
        return properties
    }
}
