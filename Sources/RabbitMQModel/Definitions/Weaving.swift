import WarrenTopology

/// An object of a definitions file that changed, written so that only the change shows.
enum Weaving {
    /// The old object with what is new in it: keys in their old order, those that are not of this object's kind kept, and
    /// every value that is the same as it stood.
    static func weave(_ text: String, into old: JSONValue) -> String {
        guard
            let new = try? JSONReader.read(SourceFile(path: "", text: text), number: 0).root,
            old.kind == .object
        else { return text }
        return object(new, old, keepsStrangers: true)
    }

    private static func object(_ new: JSONValue, _ old: JSONValue, keepsStrangers: Bool) -> String {
        var fields: [String] = []
        var used: Set<String> = []
        for (key, value) in old.entries {
            guard let name = key.text, used.insert(name).inserted else { continue }
            if let now = new[name] {
                fields.append("\(key.source): \(one(now, value))")
            } else if keepsStrangers, name != "type" || queueType(new) == queueType(old) {
                fields.append("\(key.source): \(value.source)")
            }
        }
        for (key, value) in new.entries where used.insert(key.text ?? "").inserted {
            fields.append("\(key.source): \(value.source)")
        }
        return "{" + fields.joined(separator: ", ") + "}"
    }

    /// What the broker says beside the arguments is true as long as they say the same.
    private static func queueType(_ object: JSONValue) -> String? {
        object["arguments"]?["x-queue-type"]?.text
    }

    private static func one(_ new: JSONValue, _ old: JSONValue) -> String {
        if FieldValue(new) == FieldValue(old) { return old.source }
        guard new.kind == .object, old.kind == .object else {
            // No arguments at all may stand there as an empty list.
            let isEmpty = new.kind == .object && new.entries.first { _ in true } == nil
            return isEmpty && old.kind == .array && old.elements.first { _ in true } == nil
                ? old.source : new.source
        }
        return object(new, old, keepsStrangers: false)
    }
}
