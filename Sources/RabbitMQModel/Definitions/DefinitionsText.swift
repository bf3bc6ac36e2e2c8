package import WarrenTopology

/// A definitions file as octets: what it looks like, and what it is made of.
package enum DefinitionsText {
    /// Whether a file is JSON by its name or its first letter.
    package static func looksLikeJSON(_ bytes: [UInt8], _ path: String) -> Bool {
        if path.lowercased().hasSuffix(".json") { return true }
        if path.lowercased().hasSuffix(".yaml") || path.lowercased().hasSuffix(".yml") {
            return false
        }
        let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        let space: [UInt8] = [0x20, 0x09, 0x0A, 0x0D]
        return bytes[start...].first { !space.contains($0) } == UInt8(ascii: "{")
    }

    /// The text of a file, with or without a mark of its order of bytes; nil if it is no UTF-8.
    package static func file(_ path: String, _ bytes: [UInt8]) -> SourceFile? {
        let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        guard let text = String(validating: bytes[start...], as: UTF8.self) else { return nil }
        return SourceFile(path: path, text: text, secrets: secrets(in: Array(bytes[start...])))
    }

    /// Where passwords, their hashes and addresses with passwords stand: the texts behind such keys, also in a file that
    /// is no JSON.
    private static func secrets(in bytes: [UInt8]) -> [Range<Int>] {
        let quote = UInt8(ascii: "\"")
        var found: [Range<Int>] = []
        var index = 0
        while index < bytes.count {
            guard bytes[index] == quote, let end = closing(bytes, from: index) else {
                index += 1
                continue
            }
            let isSecret = isSecret(bytes[index + 1..<end])
            index = end + 1
            if isSecret { index = hide(bytes, from: index, &found) }
        }
        return found
    }

    /// The quote that closes a text; nil if its line ends before.
    private static func closing(_ bytes: [UInt8], from start: Int) -> Int? {
        var end = start + 1
        while end < bytes.count, bytes[end] != UInt8(ascii: "\"") {
            if bytes[end] == 0x0A { return nil }
            end += bytes[end] == UInt8(ascii: "\\") ? 2 : 1
        }
        return end < bytes.count ? end : nil
    }

    /// Hides the text, or the list of texts, behind a key; returns where to go on.
    private static func hide(_ bytes: [UInt8], from start: Int, _ found: inout [Range<Int>]) -> Int
    {
        var index = start
        var isList = false
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "\""):
                let line = bytes[index...].firstIndex(of: 0x0A) ?? bytes.count
                let close = closing(bytes, from: index) ?? line
                found.append(index + 1..<max(index + 1, close))
                index = min(close + 1, bytes.count)
                if !isList { return index }
            case UInt8(ascii: "["):
                isList = true
                index += 1
            case 0x20, 0x09, 0x0A, 0x0D, UInt8(ascii: ":"): index += 1
            case UInt8(ascii: ",") where isList: index += 1
            default: return index
            }
        }
        return index
    }

    private static func isSecret(_ key: ArraySlice<UInt8>) -> Bool {
        guard key.count <= 24 else { return false }
        let word = String(decoding: key, as: UTF8.self).lowercased()
        return word.hasPrefix("password") || word == "uri" || word.hasSuffix("-uri")
            || word == "secret"
    }

    /// The document of a file.
    ///
    /// - Throws: what is wrong with it, with line and column.
    package static func read(_ path: String, _ bytes: [UInt8], number: Int) throws(Finding)
        -> JSONDocument
    {
        guard bytes.count <= JSONReader.byteLimit else {
            throw Finding(
                "too-large",
                "\(path) has more than \(JSONReader.byteLimit >> 20) MiB",
                at: nil,
                why: "no definitions file has",
                remedy: "check the path"
            )
        }
        guard let file = file(path, bytes) else {
            let isWide = bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF])
            throw Finding(
                "not-utf8",
                "\(path) is not UTF-8 text",
                at: nil,
                why: isWide
                    ? "it begins like UTF-16, as Windows PowerShell writes files, and RabbitMQ refuses it"
                    : "RabbitMQ puts a mark of its own in place of what it cannot read, so that names change",
                remedy: "save it as UTF-8"
            )
        }
        return try JSONReader.read(file, number: number)
    }

    /// What to say of a JSON file that is something else.
    package static func stranger(_ document: JSONDocument) -> Finding {
        let root = document.root
        let keys = root.entries.prefix(6).compactMap { $0.key.text }
        let isQueue = root["name"] != nil && root["durable"] != nil
        return Finding(
            "not-definitions",
            "\(document.file.path) holds \(root.kind.words), and no definitions of RabbitMQ",
            at: root.place,
            label: root.kind == .array
                ? "definitions are an object that holds lists"
                : keys.isEmpty ? "" : "its keys are \(keys.joined(separator: ", "))",
            why: "a definitions file has lists such as \"queues\", \"exchanges\" and \"bindings\"",
            remedy: isQueue || root.kind == .array
                ? "put it under its name: { \"queues\": [ … ] }"
                : "export one: rabbitmqctl export_definitions FILE, or GET /api/definitions"
        )
    }

    /// What the file says is meant, under a key that RabbitMQ passes over: `"x-warren": { "ignore": [ … ] }`.
    package static func suppressions(_ document: JSONDocument) -> [Suppression] {
        guard let list = document.root["x-warren"]?["ignore"] else { return [] }
        return list.elements.map { entry in
            Suppression(
                slug: entry["slug"]?.text ?? "",
                object: entry["object"]?.text,
                reason: entry["reason"]?.text ?? "",
                place: (entry["slug"] ?? entry).place
            )
        }
    }
}
