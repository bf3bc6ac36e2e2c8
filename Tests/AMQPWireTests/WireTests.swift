import AMQPWire
import Foundation
import NIOCore
import Support
import Testing

@Suite("The wire") struct WireTests {
    @Test("whatever is written is read as it was, however the octets are cut")
    func roundTrips() throws {
        let seed = UInt64(ProcessInfo.processInfo.environment["WARREN_SEED"] ?? "") ?? 1
        print("round trips from seed \(seed)")
        var random = RandomCommand(seed: seed)
        for round in 0..<20_000 {
            let commands = (0..<random.dice.number(1...3)).map { _ in random.command() }
            let frameMax = UInt32(random.dice.pick([0, 131_072, 65_536]))
            var buffer = ByteBuffer()
            for command in commands { try buffer.write(command, frameMax: frameMax) }
            var reader = Wire.Reader(frameMax: frameMax)
            var read: [Command] = []
            while buffer.readableBytes > 0 {
                let count = min(buffer.readableBytes, random.dice.scale(1...5000))
                guard let part = buffer.readSlice(length: count) else { break }
                read += try reader.take(part)
            }
            #expect(read == commands, "seed \(seed), round \(round)")
            #expect(reader.decoder.pending == 0)
            if read != commands { return }
        }
    }

    @Test("a body is cut to frames of the agreed size, and joined again")
    func framing() throws {
        let body = ByteBuffer(repeating: 7, count: 10_000)
        let command = Command(
            .basic(.publish(.init(routingKey: "q"))),
            channel: 3,
            content: Content(body: body)
        )
        var buffer = ByteBuffer()
        try buffer.write(command, frameMax: 4096)
        var decoder = FrameDecoder(frameMax: 4096)
        decoder.append(buffer)
        var sizes: [Int] = []
        while let frame = try decoder.next() {
            if frame.kind == .body { sizes.append(frame.payload.readableBytes) }
        }
        #expect(sizes == [4088, 4088, 1824])
        #expect(try Wire.commands(try Wire.octets(command, frameMax: 4096)) == [command])
    }

    @Test(
        "text that looks the same is not the same, and octets that are no text stay what they are"
    )
    func octets() {
        #expect(Octets("é") != Octets("e\u{301}"))
        #expect(Octets([0x61]) == "a")
        #expect(Octets([0xFF]).bytes == [0xFF])
        #expect(!Octets([0xFF]).isText)
        #expect(Octets([0xFF]).count == 1)
    }

    @Test("methods have the names of the protocol")
    func names() {
        #expect("\(Method.queue(.declareOk(.init())))" == "queue.declare-ok")
        #expect("\(Method.basic(.recoverAsync(.init())))" == "basic.recover-async")
        #expect("\(Method.tx(.commit))" == "tx.commit")
    }
}

/// Each with its error and the reply code that it leads to.
@Suite("What cannot be read") struct RefusedWireTests {
    private func error(_ octets: String, frameMax: UInt32 = 0, bodyMax: UInt64 = 1000) -> WireError?
    {
        var reader = Wire.Reader(frameMax: frameMax, bodyMax: bodyMax)
        do {
            _ = try reader.take(ByteBuffer(bytes: Wire.bytes(octets)))
            return nil
        } catch {
            return error
        }
    }

    @Test("frames") func frames() {
        #expect(error("04000000000000ce") == .unknownFrameType(4))
        #expect(error("08000000000000cf") == .missingFrameEnd(0xCF))
        #expect(
            error("0100010001fff9", frameMax: 131_072)
                == .frameTooLarge(size: 131_073, limit: 131_072)
        )
        #expect(error("0100010001fff8", frameMax: 131_072) == nil)
        #expect(error("03000100000001ffce") == .unexpectedFrame(.body))
        #expect(error("0200010000000e003c000000000000000000000000ce") == .unexpectedFrame(.header))
        #expect(WireError.unexpectedFrame(.body).replyCode == 505)
        #expect(WireError.missingFrameEnd(0).replyCode == 501)
    }

    @Test("methods") func methods() {
        #expect(error("010001000000040014ffffce") == .unknownMethod(classID: 20, methodID: 65535))
        #expect(error("01000100000004ffff000ace") == .unknownMethod(classID: 65535, methodID: 10))
        // queue.declare that ends in its name; channel.close-ok with an octet too many.
        #expect(error("010001000000080032000a00000661ce") == .truncated)
        #expect(error("010001000000050014002900ce") == .trailingOctets(1))
        // connection.open-ok on channel 1, channel.open-ok on channel 0.
        #expect(error("01000100000005000a002900ce") == .wrongChannel(1))
        #expect(error("010000000000080014000b00000000ce") == .wrongChannel(0))
        #expect(WireError.unknownMethod(classID: 1, methodID: 1).replyCode == 503)
    }

    /// queue.declare of "" with these octets as its arguments.
    private func declare(_ arguments: String) -> String {
        let payload = "0032000a0000" + "00" + "00" + arguments
        let length = String(payload.count / 2, radix: 16)
        return "010001" + String(repeating: "0", count: 8 - length.count) + length + payload + "ce"
    }

    @Test("tables that lie") func tables() {
        #expect(error(declare("00000000")) == nil)
        #expect(error(declare("00000005")) == .truncated)
        #expect(error(declare("ffffffff")) == .truncated)
        // A name, a value that ends early; a name that is longer than its table.
        #expect(error(declare("000000040161490000"), bodyMax: 10) == .lengthDoesNotFit)
        #expect(error(declare("0000000209610000")) == .lengthDoesNotFit)
        #expect(error(declare("00000003016171")) == .unknownFieldType(0x71))
        // An array that is longer than its table.
        #expect(error(declare("00000007016141000000ff")) == .lengthDoesNotFit)
        let deep = (0..<200).reduce("") { inner, _ in
            let length = String(inner.count / 2, radix: 16)
            return "0046" + String(repeating: "0", count: 8 - length.count) + length + inner
        }
        let length = String(deep.count / 2, radix: 16)
        let table = String(repeating: "0", count: 8 - length.count) + length + deep
        #expect(error(declare(table)) == .tooDeep(limit: 128))
        #expect(WireError.tooDeep(limit: 1).replyCode == 502)
    }

    private let publish = "0100010000000f003c002800000006766563746f7201ce"

    private func header(_ size: String, flags: String = "0000") -> String {
        "0200010000000e003c0000" + size + flags + "ce"
    }

    @Test("contents") func contents() {
        let method = publish
        #expect(error(method + method) == .unexpectedFrame(.method))
        #expect(error(method + "03000100000001ffce") == .unexpectedFrame(.body))
        #expect(
            error(method + header("0000000000000002") + "03000100000003ffffffce") == .bodyTooLong(2)
        )
        #expect(
            error(method + header("00000000000003e9")) == .bodyTooLarge(size: 1001, limit: 1000)
        )
        #expect(
            error(method + header("ffffffffffffffff"))
                == .bodyTooLarge(size: .max, limit: 1000)
        )
        #expect(
            error(method + header("0000000000000000", flags: "0001")) == .unknownPropertyFlags(1)
        )
        #expect(error(method + header("0000000000000000", flags: "8000")) == .truncated)
        let other = "0200010000000e00320000" + "0000000000000000" + "0000ce"
        #expect(error(method + other) == .wrongContentClass(50))
        // Body frames with nothing in them cost nothing, and end nothing.
        let empty = String(repeating: "03000100000000ce", count: 1000)
        #expect(error(method + header("0000000000000002") + empty) == nil)
    }

    @Test("what does not fit is not written, and nothing of it") func writing() throws {
        var buffer = ByteBuffer()
        buffer.writeString("before")
        let long = Octets(String(repeating: "x", count: 256))
        #expect(throws: WireError.shortStringTooLong(256)) {
            try buffer.write(Command(.queue(.purge(.init(queue: long))), channel: 1), frameMax: 0)
        }
        var headers = BasicProperties()
        headers.headers = ["a": .byteArray(Array(repeating: 0, count: 5000))]
        let message = Command(
            .basic(.publish(.init())),
            channel: 1,
            content: Content(properties: headers)
        )
        #expect(throws: WireError.self) { try buffer.write(message, frameMax: 4096) }
        #expect(buffer == ByteBuffer(string: "before"))
    }

    @Test("the first octets of a client that speaks something else") func header() throws {
        var decoder = FrameDecoder(frameMax: 4096)
        decoder.append(ByteBuffer(bytes: Array("AMQ".utf8)))
        #expect(try !decoder.protocolHeader())
        decoder.append(ByteBuffer(bytes: Array("P".utf8) + [0, 0, 9, 1]))
        #expect(try decoder.protocolHeader())
        var other = FrameDecoder(frameMax: 4096)
        other.append(ByteBuffer(string: "GET / HT"))
        #expect(throws: WireError.notTheProtocol(Array("GET / HT".utf8))) {
            try other.protocolHeader()
        }
    }
}
