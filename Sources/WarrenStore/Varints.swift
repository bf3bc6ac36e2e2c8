/// Whole numbers in as few bytes as they need, one after the other: seven bits to a byte, the lowest first.
enum Varints {
    /// Appends a number.
    static func append(_ number: UInt64, to bytes: inout [UInt8]) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    /// Calls `body` with each number until it says that this is enough; what is cut off is left out.
    static func forEach(in bytes: UnsafeRawBufferPointer, _ body: (UInt64) -> Bool) {
        var number: UInt64 = 0
        var shift: UInt64 = 0
        for byte in bytes {
            number |= UInt64(byte & 0x7F) << shift
            if byte & 0x80 != 0 {
                shift += 7
            } else {
                guard body(number) else { return }
                (number, shift) = (0, 0)
            }
        }
    }

    /// All numbers.
    static func all(in bytes: UnsafeRawBufferPointer) -> [UInt64] {
        var found: [UInt64] = []
        forEach(in: bytes) {
            found.append($0)
            return true
        }
        return found
    }
}
