import AMQPWire
import NIOCore

/// Commands to octets and back, for tests.
enum Wire {
    /// The octets that a text of hexadecimal digits stands for.
    static func bytes(_ hexadecimal: String) -> [UInt8] {
        let digits = hexadecimal.utf8.map {
            UInt8(Character(Unicode.Scalar($0)).hexDigitValue ?? 0)
        }
        return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    /// The commands that octets make, as one channel or several have them.
    static func commands(_ hexadecimal: String, frameMax: UInt32 = 0) throws(WireError) -> [Command]
    {
        var reader = Reader(frameMax: frameMax)
        return try reader.take(ByteBuffer(bytes: bytes(hexadecimal)))
    }

    /// A command as hexadecimal digits.
    static func octets(_ command: Command, frameMax: UInt32 = 0) throws(WireError) -> String {
        var buffer = ByteBuffer()
        try buffer.write(command, frameMax: frameMax)
        return buffer.readableBytesView.map { octet in
            let digits = String(octet, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }

    /// A connection's reading side.
    struct Reader {
        var decoder: FrameDecoder
        private var assemblers: [UInt16: CommandAssembler] = [:]
        private let bodyMax: UInt64

        init(frameMax: UInt32, bodyMax: UInt64 = 1 << 20) {
            decoder = FrameDecoder(frameMax: frameMax)
            self.bodyMax = bodyMax
        }

        mutating func take(_ bytes: ByteBuffer) throws(WireError) -> [Command] {
            decoder.append(bytes)
            var commands: [Command] = []
            while let frame = try decoder.next() {
                if frame.kind == .heartbeat { continue }
                var assembler =
                    assemblers.removeValue(forKey: frame.channel)
                    ?? CommandAssembler(bodyMax: bodyMax)
                if let command = try assembler.take(frame) { commands.append(command) }
                assemblers[frame.channel] = assembler
            }
            return commands
        }
    }
}
