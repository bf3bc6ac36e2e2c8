import WarrenTrace

/// A value as JSON that may stand in a page: no text of it ends the element that it stands in.
package indirect enum JSONText {
    case string(String)
    case number(Double)
    case bool(Bool)
    case null
    case list([JSONText])
    case map([(String, JSONText)])

    /// A whole number.
    package static func int(_ number: Int) -> JSONText { .number(Double(number)) }

    package var text: String {
        var text = ""
        write(to: &text)
        return text
    }

    private func write(to text: inout String) {
        switch self {
        case .string(let value): Self.write(value, to: &text)
        case .number(let value):
            text += value == value.rounded() && abs(value) < 0x1p53 ? "\(Int64(value))" : "\(value)"
        case .bool(let value): text += value ? "true" : "false"
        case .null: text += "null"
        case .list(let values):
            text += "["
            for (index, value) in values.enumerated() {
                if index > 0 { text += "," }
                value.write(to: &text)
            }
            text += "]"
        case .map(let entries):
            text += "{"
            for (index, entry) in entries.enumerated() {
                if index > 0 { text += "," }
                Self.write(entry.0, to: &text)
                text += ":"
                entry.1.write(to: &text)
            }
            text += "}"
        }
    }

    private static func write(_ value: String, to text: inout String) {
        for scalar in JSONQuoting.quoted(value).unicodeScalars {
            switch scalar {
            // An element of the page ends at `</`, and lines of JavaScript at two signs of Unicode.
            case "<": text += "\\u003c"
            case "\u{2028}": text += "\\u2028"
            case "\u{2029}": text += "\\u2029"
            default: text.unicodeScalars.append(scalar)
            }
        }
    }
}
