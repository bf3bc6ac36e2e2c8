package import WarrenTopology

/// Fields as facts tell of them: a JSON list of name, type and value, the other way round than it is written.
extension FieldValue {
    /// The fields of a text; empty if it is none of this kind.
    package static func fields(recorded text: String) -> [Field] {
        guard let list = try? JSONReader.read(SourceFile(path: "", text: text), number: 0) else {
            return []
        }
        return fields(recorded: list.root)
    }

    /// The fields of a list that is part of a recorded text.
    package static func fields(recorded list: JSONValue) -> [Field] {
        list.elements.compactMap { entry in
            let parts = Array(entry.elements)
            guard parts.count == 3, let name = parts[0].text, let type = parts[1].text else {
                return nil
            }
            return Field(name, value(type, parts[2]))
        }
    }

    private static func value(_ type: String, _ json: JSONValue) -> FieldValue {
        switch type {
        case "bool": .bool(json.flag ?? false)
        case "float": .float(Float(json.source) ?? 0)
        case "double": .double(Double(json.source) ?? 0)
        case "timestamp": .timestamp(UInt64(json.source) ?? 0)
        case "longstr": .string(json.text ?? json.source)
        case "decimal": decimal(Array(json.elements))
        case "binary": .bytes(json.elements.compactMap { UInt8($0.source) })
        case "array":
            .array(
                json.elements.compactMap { entry in
                    let parts = Array(entry.elements)
                    guard parts.count == 2, let type = parts[0].text else { return nil }
                    return value(type, parts[1])
                }
            )
        case "table": .table(fields(recorded: json))
        default: IntegerType(rawValue: type).map { .integer(json.integer ?? 0, $0) } ?? .void
        }
    }

    private static func decimal(_ parts: [JSONValue]) -> FieldValue {
        guard parts.count == 2 else { return .void }
        return .decimal(scale: UInt8(parts[0].source) ?? 0, value: UInt32(parts[1].source) ?? 0)
    }
}

/// What came and went while a broker ran, as its facts tell.
extension DefinitionSet {
    /// Adds a queue that a client declared, if none of its name is there.
    package mutating func add(queue name: String, vhost: String) {
        guard !queues.contains(where: { $0.value.name == name && $0.vhost == vhost }) else {
            return
        }
        queues.append(
            Item(value: QueueDeclaration(name: name), vhost: vhost, origin: Origin.none)
        )
    }

    /// Takes a queue away, and the bindings to it.
    package mutating func remove(queue name: String, vhost: String) {
        queues.removeAll { $0.value.name == name && $0.vhost == vhost }
        bindings.removeAll {
            !$0.value.toExchange && $0.value.destination == name && $0.vhost == vhost
        }
    }

    /// Adds or takes away a binding from an exchange, as a fact tells of it.
    package mutating func bind(
        _ isAdded: Bool,
        from exchange: String,
        recorded text: String,
        vhost: String
    ) {
        guard let read = try? JSONReader.read(SourceFile(path: "", text: text), number: 0) else {
            return
        }
        func part(_ key: String) -> JSONValue? { read.root[key] }
        guard let destination = part("queue")?.text ?? part("exchange")?.text else { return }
        var binding = BindingDeclaration(
            source: exchange,
            destination: destination,
            key: part("key")?.text ?? ""
        )
        binding.toExchange = part("queue") == nil
        binding.arguments = part("arguments").map { FieldValue.fields(recorded: $0) } ?? []
        let place = bindings.firstIndex { $0.value == binding && $0.vhost == vhost }
        if isAdded, place == nil {
            bindings.append(Item(value: binding, vhost: vhost, origin: Origin.none))
        } else if !isAdded, let place {
            bindings.remove(at: place)
        }
    }
}
