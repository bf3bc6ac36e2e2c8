import WarrenTrace

extension [FieldValue.Field] {
    /// A list of name, type and value.
    var json: String {
        "["
            + map { field in
                "[\(JSONQuoting.quoted(field.name)),\"\(field.value.typeWord)\",\(field.value.json)]"
            }.joined(separator: ",") + "]"
    }
}

extension FieldValue {
    fileprivate var json: String {
        switch self {
        case .void: "null"
        case .bool(let value): "\(value)"
        case .integer(let value, _): "\(value)"
        case .float(let value): "\(value)"
        case .double(let value): "\(value)"
        case .decimal(let scale, let value): "[\(scale),\(value)]"
        case .timestamp(let value): "\(value)"
        case .string(let text): JSONQuoting.quoted(text)
        case .bytes(let octets): "[" + octets.map { "\($0)" }.joined(separator: ",") + "]"
        case .array(let values):
            "[" + values.map { "[\"\($0.typeWord)\",\($0.json)]" }.joined(separator: ",") + "]"
        case .table(let fields): fields.json
        }
    }
}

/// A JSON object in the making.
struct JSONFields {
    private var fields: [String] = []

    var text: String { "{" + fields.joined(separator: ",") + "}" }

    mutating func add(_ name: String, _ value: String) {
        add(name, json: JSONQuoting.quoted(value))
    }
    mutating func add(_ name: String, number: UInt64) { add(name, json: "\(number)") }
    mutating func add(_ name: String, flag: Bool) { add(name, json: "\(flag)") }
    mutating func add(_ name: String, json: String) { fields.append("\"\(name)\":\(json)") }
}
