/// A file that was read.
public struct SourceFile: Sendable, Hashable {
    /// The path as it was given or included.
    public let path: String
    /// Its text.
    public let text: String
    private let lines: LineTable
    /// Bytes that are never shown, in their order.
    private let secrets: [Range<Int>]

    /// A file.
    ///
    /// `secrets`: bytes that no message may show, in their order.
    public init(path: String, text: String, secrets: [Range<Int>] = []) {
        self.path = path
        self.secrets = secrets
        self.text = text
        lines = LineTable(text.utf8)
    }

    /// How many bytes its text has.
    public var size: Int { text.utf8.count }

    /// The bytes of its text.
    public var bytes: [UInt8] { lines.bytes }

    /// The text as it may be shown and kept, with a star for each byte that is a secret.
    public var shownText: String { shown(0..<lines.bytes.count) }

    /// The line with this number, from 1; nil if there is none.
    public func line(_ number: Int) -> String? {
        guard let bytes = lines.bytes(ofLine: number) else { return nil }
        return shown(bytes)
    }

    /// Part of a line: up to `width` characters around a column, and the column where it begins, from 1.
    ///
    /// The cost does not grow with the line, which may be a file of its own.
    public func window(line: Int, around column: Int, width: Int) -> (text: String, first: Int)? {
        guard let bytes = lines.bytes(ofLine: line) else { return nil }
        let first = column <= width * 3 / 4 ? 1 : column - width / 2
        guard let start = lines.offset(line: line, column: first) else { return ("", first) }
        let end = lines.offset(line: line, column: first + width) ?? bytes.upperBound
        return (shown(start..<end), first)
    }

    /// The place of a byte of the text, counted from 0.
    public func place(ofByte offset: Int, in file: Int, length: Int = 1) -> Place {
        let (line, column) = lines.position(of: offset)
        return Place(file: file, line: line, column: column, length: length)
    }

    /// Part of the text, with a star for each byte that is a secret.
    private func shown(_ range: Range<Int>) -> String {
        var bytes = Array(lines.bytes[range])
        // The first secret that ends within or behind the range.
        var low = 0
        var high = secrets.count
        while low < high {
            let middle = (low + high) / 2
            if secrets[middle].upperBound <= range.lowerBound {
                low = middle + 1
            } else {
                high = middle
            }
        }
        while low < secrets.count, secrets[low].lowerBound < range.upperBound {
            for index in secrets[low].clamped(to: range) {
                bytes[index - range.lowerBound] = UInt8(ascii: "*")
            }
            low += 1
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// By path and text.
    public static func == (one: SourceFile, other: SourceFile) -> Bool {
        one.path == other.path && one.text == other.text
    }

    /// By path and text.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(path)
        hasher.combine(text)
    }
}

/// Where the lines of a text begin, and where its characters are: both are found without going through the text.
private final class LineTable: Sendable {
    /// Every how many bytes the characters are counted.
    private static let stride = 1024

    private let starts: [Int]
    /// How many characters begin before each ``stride`` bytes.
    private let counts: [Int]
    let bytes: [UInt8]

    init(_ text: String.UTF8View) {
        bytes = Array(text)
        var starts = [0]
        var counts: [Int] = []
        counts.reserveCapacity(bytes.count / Self.stride + 2)
        var count = 0
        bytes.withUnsafeBufferPointer { bytes in
            for index in bytes.indices {
                if index % Self.stride == 0 { counts.append(count) }
                let byte = bytes[index]
                if byte == 0x0A { starts.append(index + 1) }
                if byte & 0xC0 != 0x80 { count += 1 }
            }
        }
        if bytes.count % Self.stride == 0 { counts.append(count) }
        self.starts = starts
        self.counts = counts
    }

    /// The bytes of a line, without its end.
    func bytes(ofLine number: Int) -> Range<Int>? {
        guard number >= 1, number <= starts.count else { return nil }
        let start = starts[number - 1]
        var end = number < starts.count ? starts[number] - 1 : bytes.count
        if end > start, bytes[end - 1] == 0x0D { end -= 1 }
        return start..<max(start, end)
    }

    /// How many characters begin before a byte.
    private func characters(before offset: Int) -> Int {
        let block = offset / Self.stride
        return bytes[block * Self.stride..<offset].reduce(counts[block]) {
            $0 + ($1 & 0xC0 != 0x80 ? 1 : 0)
        }
    }

    /// The line and column of a byte, both from 1.
    func position(of offset: Int) -> (line: Int, column: Int) {
        let offset = min(max(offset, 0), bytes.count)
        var low = 0
        var high = starts.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if starts[middle] <= offset { low = middle } else { high = middle }
        }
        return (low + 1, characters(before: offset) - characters(before: starts[low]) + 1)
    }

    /// The byte where a column of a line begins; nil beyond the line.
    func offset(line: Int, column: Int) -> Int? {
        guard let range = bytes(ofLine: line), column >= 1 else { return nil }
        let wanted = characters(before: range.lowerBound) + column - 1
        // The last block that begins with no more characters than are wanted.
        var low = range.lowerBound / Self.stride
        var high = range.upperBound / Self.stride + 1
        while high - low > 1 {
            let middle = (low + high) / 2
            if counts[middle] <= wanted { low = middle } else { high = middle }
        }
        var count = counts[low]
        var offset = low * Self.stride
        while offset < range.upperBound {
            if bytes[offset] & 0xC0 != 0x80 {
                if count == wanted, offset >= range.lowerBound { return offset }
                count += 1
            }
            offset += 1
        }
        return nil
    }
}
