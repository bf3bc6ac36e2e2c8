/// Reads JSON, and says what is wrong with line, column and the usual cause.
public struct JSONReader {
    /// Deeper than any definitions file, and no deeper than the stack.
    private static let depthLimit = 200
    /// Larger than any definitions file that was seen; places of bytes are 32 bits wide.
    public static let byteLimit = 512 << 20

    private let file: SourceFile
    private let number: Int
    private let bytes: [UInt8]
    private var at = 0
    private var nodes: [JSONDocument.Node] = []
    private var oddities: [JSONDocument.Oddity] = []

    private struct Fault: Error {
        var offset: Int
        var sentence: String
        var remedy: String
    }

    private init(_ file: SourceFile, _ number: Int) {
        self.file = file
        self.number = number
        bytes = file.bytes
        nodes.reserveCapacity(bytes.count / 16 + 16)
    }

    /// The document of a file that is the `number`-th one that was read.
    ///
    /// - Throws: a ``Finding`` with the slug `not-json`.
    public static func read(_ file: SourceFile, number: Int) throws(Finding) -> JSONDocument {
        var reader = JSONReader(file, number)
        do {
            return try reader.document()
        } catch {
            var finding = Finding(
                "not-json",
                "\(file.path) is not JSON: \(error.sentence)",
                at: file.place(ofByte: error.offset, in: number),
                why:
                    "RabbitMQ refuses the whole file: it answers `failed_to_parse_json` and says no more",
                remedy: error.remedy
            )
            finding.object = "the file"
            finding.outcome = .refused
            throw finding
        }
    }

    private mutating func document() throws(Fault) -> JSONDocument {
        skipSpace()
        guard at < bytes.count else {
            throw Fault(
                offset: 0,
                sentence: "it is empty",
                remedy: "write `{}` for no definitions at all"
            )
        }
        try value(0)
        skipSpace()
        if at < bytes.count {
            let isSecond = bytes[at] == UInt8(ascii: "{") || bytes[at] == UInt8(ascii: "[")
            throw Fault(
                offset: at,
                sentence: "something stands after its end",
                remedy: isSecond
                    ? "two files in one? keep one value"
                    : "one bracket too many closed it before? look at the brackets above"
            )
        }
        return JSONDocument(file: file, number: number, nodes: nodes, oddities: oddities)
    }

    private mutating func value(_ depth: Int) throws(Fault) {
        guard at < bytes.count else { throw ending("a value is missing") }
        guard depth < Self.depthLimit else {
            throw Fault(
                offset: at,
                sentence: "it is nested more than \(Self.depthLimit) levels deep",
                remedy: "no definitions file is: look at the brackets"
            )
        }
        let index = nodes.count
        let start = UInt32(at)
        switch bytes[at] {
        case UInt8(ascii: "{"):
            nodes.append(JSONDocument.Node(kind: .object, start: start))
            try object(depth)
        case UInt8(ascii: "["):
            nodes.append(JSONDocument.Node(kind: .array, start: start))
            try array(depth)
        case UInt8(ascii: "\""), UInt8(ascii: "'"):
            try string()
            return
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            nodes.append(JSONDocument.Node(kind: .number, start: start))
            try numeral()
        default:
            nodes.append(JSONDocument.Node(kind: .null, start: start))
            nodes[index].kind = try word()
        }
        nodes[index].end = UInt32(at)
        nodes[index].next = Int32(nodes.count)
    }

    private mutating func object(_ depth: Int) throws(Fault) {
        let open = at
        at += 1
        skipSpace()
        if peek("}") { return }
        while true {
            guard at < bytes.count else { throw unclosed("{", open) }
            guard bytes[at] == UInt8(ascii: "\"") || bytes[at] == UInt8(ascii: "'") else {
                throw noKey()
            }
            try string()
            skipSpace()
            guard at < bytes.count, bytes[at] == UInt8(ascii: ":") else {
                if at >= bytes.count { throw unclosed("{", open) }
                throw Fault(
                    offset: at,
                    sentence: "a key is followed by \(shown()) and not by a colon",
                    remedy: bytes[at] == UInt8(ascii: "=")
                        ? "write `:` for `=`" : "a colon is missing"
                )
            }
            at += 1
            skipSpace()
            try value(depth + 1)
            skipSpace()
            guard at < bytes.count else { throw unclosed("{", open) }
            if peek("}") { return }
            if try comma("}", open), peek("}") { return }
        }
    }

    private mutating func array(_ depth: Int) throws(Fault) {
        let open = at
        at += 1
        skipSpace()
        if peek("]") { return }
        while true {
            guard at < bytes.count else { throw unclosed("[", open) }
            try value(depth + 1)
            skipSpace()
            guard at < bytes.count else { throw unclosed("[", open) }
            if peek("]") { return }
            if try comma("]", open), peek("]") { return }
        }
    }

    /// A comma, and something after it; true if the end comes after it.
    private mutating func comma(_ close: Character, _ open: Int) throws(Fault) -> Bool {
        guard bytes[at] == UInt8(ascii: ",") else {
            let isBracket =
                bytes[at] == UInt8(ascii: "]") || bytes[at] == UInt8(ascii: "}")
            throw Fault(
                offset: at,
                sentence: "\(shown()) stands where a comma or '\(close)' must",
                remedy: isBracket
                    ? "a bracket of another kind was opened at line \(file.place(ofByte: open, in: 0).line)"
                    : "a comma is missing before it"
            )
        }
        let comma = at
        at += 1
        skipSpace()
        guard at < bytes.count else { return false }
        guard bytes[at] == UInt8(ascii: "}") || bytes[at] == UInt8(ascii: "]") else { return false }
        note(
            comma,
            "a comma stands before '\(Character(Unicode.Scalar(bytes[at])))'",
            "remove the comma after the last element"
        )
        return true
    }

    private mutating func note(_ offset: Int, _ sentence: String, _ remedy: String) {
        oddities.append(JSONDocument.Oddity(offset: offset, sentence: sentence, remedy: remedy))
    }

    private mutating func string() throws(Fault) {
        let start = at
        let quote = bytes[at]
        var isEscaped = false
        if quote == UInt8(ascii: "'") {
            note(at, "a text stands in single quotes", "put it in double quotes")
        }
        at += 1
        while at < bytes.count, bytes[at] != quote {
            let byte = bytes[at]
            if byte == UInt8(ascii: "\\") {
                isEscaped = true
                try escape()
                continue
            }
            if byte == 0x0A {
                throw Fault(
                    offset: start,
                    sentence: "a text is not closed on its line",
                    remedy: "a quote is missing; a line break in a text is written `\\n`"
                )
            }
            if byte < 0x20 {
                note(
                    at,
                    "a text holds the control character \(byte)",
                    "write it as an escape, such as `\\t`"
                )
            }
            at += 1
        }
        guard at < bytes.count else {
            throw Fault(
                offset: start,
                sentence: "a text is not closed",
                remedy: "a quote is missing"
            )
        }
        at += 1
        nodes.append(
            JSONDocument.Node(
                kind: .string,
                isEscaped: isEscaped,
                start: UInt32(start),
                end: UInt32(at),
                next: Int32(nodes.count + 1)
            )
        )
    }

    private mutating func escape() throws(Fault) {
        let known = Array("\"\\/bfnrt'".utf8)
        guard at + 1 < bytes.count else { throw ending("a text is not closed") }
        let digits = bytes[min(at + 2, bytes.count)..<min(at + 6, bytes.count)]
        let isUnicode = bytes[at + 1] == UInt8(ascii: "u")
        if isUnicode, digits.count == 4, digits.allSatisfy(Self.isHex) {
            at += 6
            return
        }
        if isUnicode || bytes[at + 1] < 0x20 {
            throw Fault(
                offset: at,
                sentence: "a text has an escape without its four hexadecimal digits",
                remedy: "a backslash of its own is written twice: `\\\\`"
            )
        }
        if !known.contains(bytes[at + 1]) {
            note(
                at,
                "a text has an escape that JSON does not know",
                "a backslash of its own, as in a regular expression, is written twice: `\\\\.`"
            )
        }
        at += 2
    }

    private static func isHex(_ byte: UInt8) -> Bool {
        switch byte {
        case 48...57, 65...70, 97...102: true
        default: false
        }
    }

    private mutating func numeral() throws(Fault) {
        let start = at
        func fault(_ remedy: String) -> Fault {
            Fault(
                offset: start,
                sentence: "a number is not written as JSON writes them",
                remedy: remedy
            )
        }
        if bytes[at] == UInt8(ascii: "-") { at += 1 }
        let whole = digits()
        guard whole > 0 else { throw fault("a digit is missing after the sign") }
        let first = bytes[at - whole]
        if whole > 1, first == UInt8(ascii: "0") { throw fault("remove the zeros in front") }
        if at < bytes.count, bytes[at] == UInt8(ascii: ".") {
            at += 1
            guard digits() > 0 else { throw fault("a digit is missing after the point") }
        }
        if at < bytes.count, bytes[at] | 0x20 == UInt8(ascii: "e") {
            at += 1
            if at < bytes.count, bytes[at] == UInt8(ascii: "-") || bytes[at] == UInt8(ascii: "+") {
                at += 1
            }
            guard digits() > 0 else { throw fault("a digit is missing in the exponent") }
        }
        if at < bytes.count, Self.isLetter(bytes[at]) || bytes[at] == UInt8(ascii: "_") {
            throw fault("a number has no unit and no letters; a text stands in quotes")
        }
    }

    private mutating func digits() -> Int {
        let start = at
        while at < bytes.count, (48...57).contains(bytes[at]) { at += 1 }
        return at - start
    }

    private static func isLetter(_ byte: UInt8) -> Bool { (97...122).contains(byte | 0x20) }

    private mutating func word() throws(Fault) -> JSONDocument.Kind {
        let start = at
        while at < bytes.count, Self.isLetter(bytes[at]) { at += 1 }
        let word = String(decoding: bytes[start..<at], as: UTF8.self)
        switch word {
        case "true", "false": return .bool
        case "null": return .null
        default: break
        }
        at = start
        if word.isEmpty {
            throw Fault(
                offset: start,
                sentence: "\(shown()) stands where a value must",
                remedy: bytes[start] == UInt8(ascii: ",")
                    ? "one comma too many" : "look at what stands before it"
            )
        }
        let small = word.lowercased()
        throw Fault(
            offset: start,
            sentence: "'\(word)' is no value",
            remedy: ["true", "false", "null"].contains(small)
                ? "write `\(small)` in small letters"
                : ["none", "nil", "undefined"].contains(small)
                    ? "write `null`" : "a text stands in double quotes"
        )
    }

    private func noKey() -> Fault {
        Fault(
            offset: at,
            sentence: "\(shown()) stands where a key must",
            remedy: Self.isLetter(bytes[at])
                ? "put the key in double quotes"
                : bytes[at] == UInt8(ascii: "{")
                    ? "one bracket too many?" : "look at what stands before it"
        )
    }

    private func ending(_ what: String) -> Fault {
        Fault(
            offset: at,
            sentence: "it ends, and \(what)",
            remedy: "the end of the file is missing: was it cut off?"
        )
    }

    private func unclosed(_ bracket: Character, _ open: Int) -> Fault {
        let line = file.place(ofByte: open, in: 0).line
        return Fault(
            offset: at,
            sentence: "it ends before the '\(bracket)' of line \(line) is closed",
            remedy: "the end of the file is missing, or a bracket: was it cut off?"
        )
    }

    private func shown() -> String {
        guard at < bytes.count else { return "the end" }
        let rest = String(decoding: bytes[at..<min(at + 8, bytes.count)], as: UTF8.self)
        return "'\(rest.first.map(String.init) ?? "")'"
    }

    private mutating func peek(_ close: Character) -> Bool {
        guard at < bytes.count, bytes[at] == close.asciiValue else { return false }
        at += 1
        return true
    }

    private mutating func skipSpace() {
        while at < bytes.count {
            switch bytes[at] {
            case 0x20, 0x09, 0x0A, 0x0D: at += 1
            case UInt8(ascii: "/"):
                guard skipComment() else { return }
            default: return
            }
        }
    }

    /// Goes past a comment, which JSON does not have and some parsers read.
    private mutating func skipComment() -> Bool {
        guard at + 1 < bytes.count else { return false }
        let start = at
        switch bytes[at + 1] {
        case UInt8(ascii: "/"):
            while at < bytes.count, bytes[at] != 0x0A { at += 1 }
        case UInt8(ascii: "*"):
            at += 2
            while at + 1 < bytes.count,
                bytes[at] != UInt8(ascii: "*") || bytes[at + 1] != UInt8(ascii: "/")
            {
                at += 1
            }
            at = min(at + 2, bytes.count)
        default: return false
        }
        note(start, "a comment stands here", "remove it, or write it under a key of its own")
        return true
    }
}
