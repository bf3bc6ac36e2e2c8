import WarrenTopology

/// A header of a message, as facts tell of it.
public struct Header: Sendable, Hashable {
    /// Its name.
    public let name: String
    /// Its value as text; a list has several.
    public let values: [String]

    /// The headers that a text tells of: a JSON list of name, type and value.
    public static func all(in text: String) -> [Header] {
        guard let list = try? JSONReader.read(SourceFile(path: "", text: text), number: 0) else {
            return []
        }
        return list.root.elements.compactMap { field in
            let parts = Array(field.elements)
            guard parts.count == 3 else { return nil }
            let isList = parts[1].text == "array"
            return Header(
                name: self.text(parts[0]),
                values: isList
                    ? parts[2].elements.compactMap { Array($0.elements).last.map(self.text) }
                    : [self.text(parts[2])]
            )
        }
    }

    private static func text(_ value: JSONValue) -> String { value.text ?? value.source }

    /// Name and value in words.
    public var words: String { "\(name): \(values.joined(separator: ", "))" }
}
