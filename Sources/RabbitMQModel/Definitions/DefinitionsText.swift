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
        return String(validating: bytes[start...], as: UTF8.self).map {
            SourceFile(path: path, text: $0)
        }
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
