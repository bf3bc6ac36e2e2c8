import NIOCore

/// Reads the fields of a method, a header or a table one after the other.
struct WireReader {
    private var buffer: ByteBuffer
    private var bits: UInt8 = 0
    private var bitsLeft = 0

    init(_ buffer: ByteBuffer) {
        self.buffer = buffer
    }

    var isAtEnd: Bool { buffer.readableBytes == 0 }

    /// Fails if something is left.
    func end() throws(WireError) {
        guard isAtEnd else { throw .trailingOctets(buffer.readableBytes) }
    }

    private mutating func integer<Value: FixedWidthInteger>() throws(WireError) -> Value {
        bitsLeft = 0
        guard let value: Value = buffer.readInteger() else { throw .truncated }
        return value
    }

    mutating func uint8() throws(WireError) -> UInt8 { try integer() }
    mutating func uint16() throws(WireError) -> UInt16 { try integer() }
    mutating func uint32() throws(WireError) -> UInt32 { try integer() }
    mutating func uint64() throws(WireError) -> UInt64 { try integer() }

    /// Bits that follow one another share octets, the lowest first.
    mutating func bit() throws(WireError) -> Bool {
        if bitsLeft == 0 {
            bits = try integer()
            bitsLeft = 8
        }
        defer {
            bits >>= 1
            bitsLeft -= 1
        }
        return bits & 1 == 1
    }

    mutating func shortString() throws(WireError) -> Octets { try octets(Int(try uint8())) }

    mutating func longString() throws(WireError) -> Octets { try octets(Int(try uint32())) }

    private mutating func octets(_ count: Int) throws(WireError) -> Octets {
        guard count <= buffer.readableBytes else { throw .truncated }
        let value = buffer.withUnsafeReadableBytes { bytes in
            Octets(
                copying: UnsafeBufferPointer(rebasing: bytes.bindMemory(to: UInt8.self)[..<count])
            )
        }
        buffer.moveReaderIndex(forwardBy: count)
        return value
    }

    /// The next octets as a reader of their own.
    mutating func part(_ count: Int) throws(WireError) -> WireReader {
        bitsLeft = 0
        guard let slice = buffer.readSlice(length: count) else { throw .truncated }
        return WireReader(slice)
    }
}

/// Writes the fields of a method, a header or a table one after the other.
struct WireWriter {
    var buffer: ByteBuffer
    private var bits: UInt8 = 0
    private var bitCount = 0

    init(_ buffer: ByteBuffer) {
        self.buffer = buffer
    }

    mutating func uint8(_ value: UInt8) { integer(value) }
    mutating func uint16(_ value: UInt16) { integer(value) }
    mutating func uint32(_ value: UInt32) { integer(value) }
    mutating func uint64(_ value: UInt64) { integer(value) }

    private mutating func integer(_ value: some FixedWidthInteger) {
        flushBits()
        buffer.writeInteger(value)
    }

    mutating func bit(_ value: Bool) {
        if bitCount == 8 { flushBits() }
        if value { bits |= 1 << UInt8(bitCount) }
        bitCount += 1
    }

    /// Writes the bits that have gathered; each method does so at its end.
    mutating func flushBits() {
        guard bitCount > 0 else { return }
        buffer.writeInteger(bits)
        bits = 0
        bitCount = 0
    }

    mutating func bytes(_ bytes: [UInt8]) {
        flushBits()
        buffer.writeBytes(bytes)
    }

    mutating func shortString(_ value: Octets) throws(WireError) {
        let count = value.count
        guard count <= 255 else { throw .shortStringTooLong(count) }
        uint8(UInt8(count))
        value.write(to: &buffer)
    }

    mutating func longString(_ value: Octets) {
        uint32(UInt32(value.count))
        value.write(to: &buffer)
    }

    /// Leaves room for a length.
    mutating func beginLength() -> Int {
        flushBits()
        let place = buffer.writerIndex
        buffer.writeInteger(UInt32(0))
        return place
    }

    /// Fills the room with what was written since.
    mutating func endLength(_ place: Int) {
        flushBits()
        buffer.setInteger(UInt32(buffer.writerIndex - place - 4), at: place)
    }
}
