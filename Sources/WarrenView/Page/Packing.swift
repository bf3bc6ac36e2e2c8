import CZlib

/// Numbers as the page reads them: seven bits a byte, the lowest first; small differences take one byte.
package struct Packing {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    /// Adds a number, of as many octets as it needs.
    package mutating func add(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    /// A number that may be below zero: its sign in the lowest bit.
    package mutating func add(signed value: Int64) {
        add(UInt64(bitPattern: value << 1 ^ value >> 63))
    }

    /// Numbers of a column, each as its difference to the one before.
    package mutating func add(differences values: some Sequence<UInt64>) {
        var last: UInt64 = 0
        for value in values {
            add(signed: Int64(bitPattern: value &- last))
            last = value
        }
    }

    /// The bytes, deflated without a header, in base64.
    package var text: String { Base64.text(Self.deflated(bytes)) }

    /// - Source: RFC 1951; the page opens it with `DecompressionStream("deflate-raw")`.
    package static func deflated(_ bytes: [UInt8]) -> [UInt8] {
        var stream = z_stream()
        let opened = deflateInit2_(
            &stream,
            6,
            Z_DEFLATED,
            -15,
            8,
            Z_DEFAULT_STRATEGY,
            ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size)
        )
        precondition(opened == Z_OK, "zlib cannot begin")
        defer { deflateEnd(&stream) }
        var room = [UInt8](repeating: 0, count: Int(deflateBound(&stream, UInt(bytes.count))))
        var input = bytes
        let (inputCount, outputCount) = (UInt32(input.count), UInt32(room.count))
        let code = input.withUnsafeMutableBufferPointer { source in
            room.withUnsafeMutableBufferPointer { target in
                stream.next_in = source.baseAddress
                stream.avail_in = inputCount
                stream.next_out = target.baseAddress
                stream.avail_out = outputCount
                return deflate(&stream, Z_FINISH)
            }
        }
        precondition(code == Z_STREAM_END, "zlib has room for all it makes")
        room.removeLast(Int(stream.avail_out))
        return room
    }
}

/// - Source: RFC 4648, 4.
package enum Base64 {
    private static let digits = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8
    )

    /// Octets as text of base 64.
    package static func text(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        var index = 0
        while index < bytes.count {
            let left = bytes.count - index
            let group =
                Int(bytes[index]) << 16 | (left > 1 ? Int(bytes[index + 1]) << 8 : 0)
                | (left > 2 ? Int(bytes[index + 2]) : 0)
            text.append(digits[group >> 18])
            text.append(digits[group >> 12 & 63])
            text.append(left > 1 ? digits[group >> 6 & 63] : UInt8(ascii: "="))
            text.append(left > 2 ? digits[group & 63] : UInt8(ascii: "="))
            index += 3
        }
        return String(decoding: text, as: UTF8.self)
    }
}
