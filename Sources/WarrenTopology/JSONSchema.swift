/// The JSON Schema of topology files, made from the same shapes that the parser uses.
public enum JSONSchema {
    /// A JSON value.
    indirect enum JSON {
        case text(String)
        case flag(Bool)
        case number(UInt64)
        case literal(String)
        case list([JSON])
        case object([(String, JSON)])
    }

    /// The schema for these kinds of broker, as indented JSON.
    public static func text(for vocabularies: [Vocabulary]) -> String {
        var output = ""
        write(schema(for: vocabularies), indent: 0, &output)
        return output + "\n"
    }

    private static func schema(for vocabularies: [Vocabulary]) -> JSON {
        var fields = CommonShapes.top.map { ($0.name, described($0)) }
        let kinds = vocabularies.map(\.kind)
        let variants = vocabularies.map { words -> JSON in
            let own =
                [
                    Field("kind", .choice([words.kind]), "the kind of broker", required: true),
                    Field("version", .choice(words.versions), "whose behaviour"),
                    Field("nodes", .list(CommonShapes.node), "its nodes"),
                ] + words.broker
            return .object([
                (
                    "if",
                    .object([
                        ("properties", .object([("kind", .object([("const", .text(words.kind))]))]))
                    ])
                ),
                ("then", schema(.record(own))),
            ])
        }
        let kind = JSON.object([("enum", .list(kinds.map { .text($0) }))])
        let broker = JSON.object([
            ("type", .text("object")),
            ("required", .list([.text("kind")])),
            ("properties", .object([("kind", kind)])),
            ("allOf", .list(variants)),
        ])
        fields.append(("brokers", named(broker)))
        let roles: [(String, (Vocabulary) -> [Field])] = [
            ("producers", CommonShapes.producer), ("consumers", CommonShapes.consumer),
            ("callers", CommonShapes.caller), ("servers", CommonShapes.server),
            ("bridges", { CommonShapes.bridge(from: $0, to: $0) }),
            ("scripts", CommonShapes.script),
        ]
        for (section, own) in roles {
            var merged: [Field] = []
            for field in vocabularies.flatMap(own) {
                if let index = merged.firstIndex(where: { $0.name == field.name }) {
                    merged[index].shape = union(merged[index].shape, field.shape)
                } else {
                    merged.append(field)
                }
            }
            fields.append((section, named(schema(.record(merged)))))
        }
        return .object([
            ("$schema", .text("http://json-schema.org/draft-07/schema#")),
            ("title", .text("Warren topology")),
            ("type", .text("object")),
            ("required", .list([.text("warren"), .text("name"), .text("brokers")])),
            ("properties", .object(fields)),
            ("patternProperties", .object([("^x-", .object([]))])),
            ("additionalProperties", .flag(false)),
        ])
    }

    /// What either of two kinds of broker allows at the same key.
    private static func union(_ left: Shape, _ right: Shape) -> Shape {
        switch (left, right) {
        case (.record(let a), .record(let b)):
            let new = b.filter { field in !a.contains { $0.name == field.name } }
            return .record(
                (a + new).map { field in
                    var loose = field
                    loose.isRequired =
                        a.first { $0.name == field.name }?.isRequired ?? false
                        && b.first { $0.name == field.name }?.isRequired ?? false
                    return loose
                }
            )
        case (.either(let a), .either(let b)):
            var merged = a
            for shape in b {
                if case .record = shape,
                    let index = merged.firstIndex(where: {
                        if case .record = $0 { true } else { false }
                    })
                {
                    merged[index] = union(merged[index], shape)
                }
            }
            return .either(merged)
        default:
            return left
        }
    }

    private static func named(_ value: JSON) -> JSON {
        .object([
            ("type", .list([.text("object"), .text("null")])),
            ("patternProperties", .object([("^x-", .object([]))])),
            ("additionalProperties", value),
        ])
    }

    private static func described(_ field: Field) -> JSON {
        if field.name == "expect" { return expect() }
        guard case .object(let parts) = schema(field.shape) else { return schema(field.shape) }
        return .object(parts + [("description", .text(field.help))])
    }

    private static func expect() -> JSON {
        let lines = JSON.object([
            ("type", .text("object")),
            ("additionalProperties", .object([("type", .text("string"))])),
        ])
        return .object([
            ("type", .text("object")),
            (
                "properties",
                .object(["never", "always", "eventually", "measure"].map { ($0, lines) })
            ),
            ("patternProperties", .object([("^x-", .object([]))])),
            ("additionalProperties", .flag(false)),
        ])
    }

    private static func pattern(_ units: [String]) -> JSON {
        .object([
            ("type", .text("string")),
            ("pattern", .text("^[0-9]+(\\.[0-9]+)? *(\(units.joined(separator: "|")))$")),
        ])
    }

    private static func any(_ choices: [JSON]) -> JSON { .object([("anyOf", .list(choices))]) }

    private static func law(_ unit: JSON, _ words: [String], rate: Bool) -> JSON {
        var properties = ["value", "min", "max", "mean", "deviation", "median", "p99"].map {
            ($0, unit)
        }
        properties.append(("law", .object([("enum", .list(words.map { .text($0) }))])))
        properties.append(("cv", .object([("type", .text("number"))])))
        properties.append(
            ("values", .object([("type", .text("array")), ("items", unit)]))
        )
        if rate { properties.append(("rate", pattern(Units.rateUnits))) }
        return .object([
            ("type", .text("object")),
            ("properties", .object(properties)),
            ("additionalProperties", .flag(false)),
        ])
    }

    private static func schema(_ shape: Shape) -> JSON {
        let duration = pattern(Units.durationUnits)
        switch shape {
        case .anything:
            return .object([])
        case .text:
            return .object([
                ("type", .list([.text("string"), .text("number"), .text("boolean")]))
            ])
        case .expression:
            return .object([("type", .text("string"))])
        case .choice(let words):
            // An unquoted 3.10 or 1 reaches a validator as a number.
            let numbers = words.filter { Units.number($0) != nil }
            return .object([("enum", .list(words.map { .text($0) } + numbers.map { .literal($0) }))]
            )
        case .boolean:
            return .object([("type", .text("boolean"))])
        case .integer(let range):
            return .object([
                ("type", .text("integer")),
                ("minimum", .number(range.lowerBound)),
                ("maximum", .number(range.upperBound)),
            ])
        case .duration:
            return duration
        case .size:
            return pattern(Units.sizeUnits)
        case .rate:
            return pattern(Units.rateUnits)
        case .share:
            let percent = JSON.object([
                ("type", .text("string")),
                (
                    "pattern",
                    .text("^([0-9]{1,2}(\\.[0-9]+)?%|100(\\.0+)?%|0(\\.[0-9]+)?|1(\\.0+)?)$")
                ),
            ])
            let number = JSON.object([
                ("type", .text("number")), ("minimum", .number(0)), ("maximum", .number(1)),
            ])
            return any([percent, number])
        case .timeLaw:
            return any([duration, law(duration, LawForm.names, rate: false)])
        case .sizeLaw:
            let size = pattern(Units.sizeUnits)
            return any([size, law(size, LawForm.names, rate: false)])
        case .arrivals:
            return any([
                pattern(Units.rateUnits), duration,
                law(duration, LawForm.names + ["poisson"], rate: true),
            ])
        case .list(let element):
            let one = schema(element)
            return any([.object([("type", .text("array")), ("items", one)]), one])
        case .map(let value):
            return named(schema(value))
        case .record(let fields):
            let modelled = fields.filter { $0.notModelled == nil }
            let required = fields.filter(\.isRequired).map { JSON.text($0.name) }
            return .object(
                [
                    (
                        "type",
                        .list(
                            required.isEmpty ? [.text("object"), .text("null")] : [.text("object")]
                        )
                    ),
                    ("properties", .object(modelled.map { ($0.name, described($0)) })),
                    ("patternProperties", .object([("^x-", .object([]))])),
                    ("additionalProperties", .flag(false)),
                ] + (required.isEmpty ? [] : [("required", .list(required))])
            )
        case .either(let shapes):
            return any(shapes.map(schema))
        }
    }

    // MARK: Text

    private static func write(_ json: JSON, indent: Int, _ output: inout String) {
        let margin = String(repeating: "  ", count: indent)
        switch json {
        case .text(let text): output += quote(text)
        case .flag(let flag): output += flag ? "true" : "false"
        case .number(let number): output += String(number)
        case .literal(let text): output += text
        case .list(let elements):
            if elements.isEmpty { return output += "[]" }
            output += "[\n"
            for (index, element) in elements.enumerated() {
                output += margin + "  "
                write(element, indent: indent + 1, &output)
                output += index + 1 < elements.count ? ",\n" : "\n"
            }
            output += margin + "]"
        case .object(let entries):
            if entries.isEmpty { return output += "{}" }
            output += "{\n"
            for (index, entry) in entries.enumerated() {
                output += margin + "  " + quote(entry.0) + ": "
                write(entry.1, indent: indent + 1, &output)
                output += index + 1 < entries.count ? ",\n" : "\n"
            }
            output += margin + "}"
        }
    }

    private static func quote(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
