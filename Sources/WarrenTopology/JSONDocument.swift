/// A JSON text with the place of each value, the order of its keys, and each number as it was written.
///
/// A decoder of the standard library forgets all three, and a checker lives by them. The values are one array of
/// fixed size each, in the order of the text: a file of 20 MB costs a tenth of a second.
public final class JSONDocument: Sendable {
    /// What a value is.
    public enum Kind: UInt8, Sendable, BitwiseCopyable {
        case object, array, string, number, bool, null

        /// The kind for a sentence.
        public var words: String {
            switch self {
            case .object: "an object"
            case .array: "a list"
            case .string: "a text"
            case .number: "a number"
            case .bool: "true or false"
            case .null: "null"
            }
        }
    }

    struct Node: BitwiseCopyable, Sendable {
        var kind: Kind
        /// Whether a text has escapes, so that its octets are not what it says.
        var isEscaped = false
        /// Its first byte, and the one after its last.
        var start: UInt32
        var end: UInt32 = 0
        /// The node after it and all that it holds.
        var next: Int32 = 0
    }

    /// Something that is no JSON, and that some parsers read all the same.
    public struct Oddity: Sendable {
        /// Its first byte.
        public let offset: Int
        /// What it is.
        public let sentence: String
        /// What to do about it.
        public let remedy: String
    }

    /// The file.
    public let file: SourceFile
    /// What is no JSON and was read all the same: comments, commas before a bracket, single quotes.
    public let oddities: [Oddity]
    /// The number of the file among those that were read.
    public let number: Int
    let bytes: [UInt8]
    let nodes: [Node]

    init(file: SourceFile, number: Int, nodes: [Node], oddities: [Oddity]) {
        self.oddities = oddities
        self.file = file
        self.number = number
        bytes = file.bytes
        self.nodes = nodes
    }

    /// `{}`.
    public static let empty = JSONDocument(
        file: SourceFile(path: "", text: "{}"),
        number: 0,
        nodes: [Node(kind: .object, start: 0, end: 2, next: 1)],
        oddities: []
    )

    /// The value of the whole text.
    public var root: JSONValue { JSONValue(document: self, index: 0) }

    /// The value with a number of its own; see ``JSONValue/index``.
    public subscript(index: Int) -> JSONValue { JSONValue(document: self, index: index) }
}

/// A value of a JSON text: a view that costs nothing to pass around.
public struct JSONValue: Sendable {
    /// The text that it belongs to.
    public let document: JSONDocument
    /// Which value of the text it is.
    public let index: Int

    private var node: JSONDocument.Node { document.nodes[index] }

    /// What it is.
    public var kind: JSONDocument.Kind { node.kind }

    /// The value as it stands in the file.
    public var source: String {
        String(decoding: document.bytes[Int(node.start)..<Int(node.end)], as: UTF8.self)
    }

    /// Where it stands.
    public var place: Place {
        let width = Int(node.end - node.start)
        let isShort = node.kind != .object && node.kind != .array
        return document.file.place(
            ofByte: Int(node.start),
            in: document.number,
            length: isShort ? max(1, min(width, 100)) : 1
        )
    }

    /// What a text says; nil for other values.
    public var text: String? {
        guard node.kind == .string else { return nil }
        let inside = document.bytes[Int(node.start) + 1..<Int(node.end) - 1]
        guard node.isEscaped else { return String(decoding: inside, as: UTF8.self) }
        return JSONEscapes.decoded(inside)
    }

    /// What `true` or `false` says; nil for other values.
    public var flag: Bool? {
        node.kind == .bool ? document.bytes[Int(node.start)] == UInt8(ascii: "t") : nil
    }

    /// A whole number that fits; nil for other values, also for `1.0`.
    public var integer: Int64? { node.kind == .number ? Int64(source) : nil }

    /// The elements of a list; none for other values.
    public var elements: JSONChildren {
        JSONChildren(
            document: document,
            position: node.kind == .array ? index + 1 : Int(node.next),
            end: Int(node.next)
        )
    }

    /// The keys and values of an object in their order; none for other values.
    public var entries: JSONEntries {
        JSONEntries(
            children: JSONChildren(
                document: document,
                position: node.kind == .object ? index + 1 : Int(node.next),
                end: Int(node.next)
            )
        )
    }

    /// The value under a key: the last of that name, as a broker reads it; nil if there is none.
    public subscript(key: String) -> JSONValue? {
        var found: JSONValue?
        for (name, value) in entries where name.says(key) { found = value }
        return found
    }

    /// Whether it is this text; cheaper than to make a string of it.
    func says(_ word: String) -> Bool {
        guard node.kind == .string else { return false }
        if node.isEscaped { return text == word }
        return document.bytes[Int(node.start) + 1..<Int(node.end) - 1].elementsEqual(word.utf8)
    }
}

/// The values that an array or object holds, one after the other.
public struct JSONChildren: Sequence, IteratorProtocol, Sendable {
    let document: JSONDocument
    var position: Int
    let end: Int

    /// The next one.
    public mutating func next() -> JSONValue? {
        guard position < end else { return nil }
        defer { position = Int(document.nodes[position].next) }
        return JSONValue(document: document, index: position)
    }
}

/// The keys of an object with their values.
public struct JSONEntries: Sequence, IteratorProtocol, Sendable {
    var children: JSONChildren

    /// The next key, a text, with its value.
    public mutating func next() -> (key: JSONValue, value: JSONValue)? {
        guard let key = children.next(), let value = children.next() else { return nil }
        return (key, value)
    }
}

/// The escapes of JSON texts.
enum JSONEscapes {
    /// What the inside of a text says.
    ///
    /// Halves of a pair that stand alone become U+FFFD.
    static func decoded(_ bytes: ArraySlice<UInt8>) -> String {
        var out: [UInt8] = []
        out.reserveCapacity(bytes.count)
        var high: UInt32?
        var index = bytes.startIndex
        func unpaired() { if high != nil { out += Array("\u{FFFD}".utf8) } }
        while index < bytes.endIndex {
            guard bytes[index] == UInt8(ascii: "\\"), index + 1 < bytes.endIndex else {
                unpaired()
                high = nil
                out.append(bytes[index])
                index += 1
                continue
            }
            let letter = bytes[index + 1]
            guard letter == UInt8(ascii: "u"), index + 6 <= bytes.endIndex else {
                unpaired()
                high = nil
                if let meant = plain[letter] {
                    out.append(meant)
                } else {
                    // An escape that JSON does not know is kept as it is, as the judge does.
                    out += [UInt8(ascii: "\\"), letter]
                }
                index += 2
                continue
            }
            let unit =
                UInt32(String(decoding: bytes[index + 2..<index + 6], as: UTF8.self), radix: 16)
                ?? 0xFFFD
            index += 6
            if let first = high, (0xDC00...0xDFFF).contains(unit) {
                append(0x10000 + (first - 0xD800) << 10 + (unit - 0xDC00), to: &out)
                high = nil
                continue
            }
            unpaired()
            high = (0xD800...0xDBFF).contains(unit) ? unit : nil
            if high == nil { append(unit, to: &out) }
        }
        unpaired()
        return String(decoding: out, as: UTF8.self)
    }

    private static func append(_ scalar: UInt32, to out: inout [UInt8]) {
        out += Array(String(Character(Unicode.Scalar(scalar) ?? "\u{FFFD}")).utf8)
    }

    private static let plain: [UInt8: UInt8] = [
        UInt8(ascii: "n"): 0x0A, UInt8(ascii: "r"): 0x0D, UInt8(ascii: "t"): 0x09,
        UInt8(ascii: "\""): 0x22, UInt8(ascii: "\\"): 0x5C, UInt8(ascii: "/"): 0x2F,
        UInt8(ascii: "'"): 0x27,
        UInt8(ascii: "b"): 0x08, UInt8(ascii: "f"): 0x0C,
    ]
}
