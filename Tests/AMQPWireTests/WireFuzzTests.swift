import AMQPWire
import Foundation
import NIOCore
import Support
import Testing

/// Octets that were damaged on their way.
@Suite("A damaged wire", .tags(.slow)) struct WireFuzzTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let inputs = Int(environment["WARREN_INPUTS"] ?? "") ?? 1_000_000
    private static let seed = UInt64(environment["WARREN_SEED"] ?? "") ?? 1

    @Test(
        "is refused or read, and never holds more than was sent and the limit allows",
        .unlessQuick,
        arguments: 0..<8
    )
    func damage(_ part: Int) throws {
        let seed = Self.seed &+ UInt64(part)
        print("\(Self.inputs / 8) damaged inputs from seed \(seed)")
        var random = RandomCommand(seed: seed)
        var refused: [UInt16: Int] = [:]
        var read = 0
        var sound: [[UInt8]] = []
        for input in 0..<Self.inputs / 8 {
            // A stock of sound inputs, renewed all the time: making them costs more than damaging them.
            if sound.count < 64 || input % 8 == 0 {
                var buffer = ByteBuffer()
                for _ in 0..<random.dice.number(1...3) {
                    try buffer.write(random.command(), frameMax: 65_536)
                }
                let octets = Array(buffer.readableBytesView)
                if sound.count < 64 {
                    sound.append(octets)
                } else {
                    sound[random.dice.below(64)] = octets
                }
            }
            var octets = sound[random.dice.below(sound.count)]
            if input % 2 == 0 {
                for _ in 0..<random.dice.number(1...4) { Self.damage(&octets, &random.dice) }
            } else {
                octets = Self.damageInside(octets, &random.dice)
            }
            var reader = Wire.Reader(frameMax: 65_536, bodyMax: 10_000)
            var buffer = ByteBuffer(bytes: octets)
            do {
                while buffer.readableBytes > 0 {
                    let count = min(buffer.readableBytes, random.dice.scale(1...octets.count))
                    guard let slice = buffer.readSlice(length: count) else { break }
                    for command in try reader.take(slice) {
                        read += 1
                        try Self.check(command, seed, input)
                    }
                    #expect(reader.decoder.pending < 65_536)
                }
            } catch let error as WireError {
                refused[error.replyCode, default: 0] += 1
            }
        }
        let codes = refused.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
        print("\(read) commands read, refused \(codes.joined(separator: ", "))")
        #expect(read > 0)
        for code: UInt16 in [501, 502, 503, 505] { #expect(refused[code, default: 0] > 0) }
    }

    /// What was read can be written, and is then read as the same.
    private static func check(_ command: Command, _ seed: UInt64, _ input: Int) throws {
        #expect((command.content?.body.readableBytes ?? 0) <= 10_000)
        var buffer = ByteBuffer()
        try buffer.write(command, frameMax: 65_536)
        var reader = Wire.Reader(frameMax: 65_536, bodyMax: 10_000)
        let again = try reader.take(buffer)
        guard again != [command] else { return }
        // Only what is no number is not equal to itself.
        var other = ByteBuffer()
        for command in again { try other.write(command, frameMax: 65_536) }
        #expect(other == buffer, "seed \(seed), input \(input)")
    }

    /// Damages what is in the frames, or their order, and frames it well again.
    private static func damageInside(_ octets: [UInt8], _ dice: inout Dice) -> [UInt8] {
        var frames: [[UInt8]] = []
        var place = 0
        while place + 8 <= octets.count {
            let length = octets[place + 3..<place + 7].reduce(0) { $0 << 8 | Int($1) }
            frames.append(Array(octets[place..<place + 7 + length]))
            place += 8 + length
        }
        for _ in 0..<dice.number(1...3) where !frames.isEmpty {
            let one = dice.below(frames.count)
            switch dice.below(8) {
            case 0: frames.remove(at: one)
            case 1: frames.insert(frames[dice.below(frames.count)], at: one)
            case 2: frames.swapAt(one, dice.below(frames.count))
            default:
                var payload = Array(frames[one].dropFirst(7))
                damage(&payload, &dice)
                frames[one] = Array(frames[one].prefix(7)) + payload
            }
        }
        return frames.flatMap { frame in
            let length = UInt32(frame.count - 7)
            let bytes = (0..<4).map { UInt8(truncatingIfNeeded: length >> (24 - 8 * UInt32($0))) }
            return Array(frame.prefix(3)) + bytes + frame.dropFirst(7) + [206]
        }
    }

    private static func damage(_ octets: inout [UInt8], _ dice: inout Dice) {
        guard !octets.isEmpty else { return }
        let place = dice.below(octets.count)
        switch dice.below(7) {
        case 0: octets[place] = UInt8(truncatingIfNeeded: dice.next())
        case 1: octets[place] ^= 1 << UInt8(dice.below(8))
        case 2: octets.insert(UInt8(truncatingIfNeeded: dice.next()), at: place)
        case 3: octets.remove(at: place)
        case 4: octets.removeSubrange(place...)
        case 5: octets[place] = dice.pick([0, 255, 127, 128])
        default:
            let from = dice.below(octets.count)
            octets.insert(contentsOf: octets[from..<min(octets.count, from + 20)], at: place)
        }
    }
}
