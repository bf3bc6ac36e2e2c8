package import WarrenTopology

extension DefinitionSet {
    /// The keys of a definitions file that hold lists.
    package static let sections = [
        "users", "vhosts", "permissions", "topic_permissions", "parameters", "global_parameters",
        "policies", "queues", "exchanges", "bindings",
    ]

    /// Whether a JSON text looks like a definitions file: an object with at least one of its lists, or nothing.
    package static func isDefinitions(_ root: JSONValue) -> Bool {
        guard root.kind == .object else { return false }
        var isEmpty = true
        for (key, _) in root.entries {
            isEmpty = false
            if let name = key.text, sections.contains(name) || name == "rabbit_version" {
                return true
            }
        }
        return isEmpty
    }

    /// Reads a definitions file.
    ///
    /// `version`: whose behaviour is asked for; the nearest to what the file says if nil.
    package init(_ document: JSONDocument, version: Version? = nil) {
        let root = document.root
        let stated = (root["rabbitmq_version"] ?? root["rabbit_version"])?.text
        self.init(
            form: Self.isClusterWide(root) ? .cluster : .virtualHost,
            version: version ?? stated.flatMap { Version.nearest(to: $0) } ?? .v3_10,
            document: document
        )
        statedVersion = stated
        noteTwins(root, "the file")
        for section in Self.sections {
            guard let list = root[section] else { continue }
            guard list.kind == .array else {
                flaws.append(
                    Flaw(
                        kind: .wrong(field: section, expected: "a list", found: list.kind.words),
                        object: "the file",
                        place: list.place
                    )
                )
                continue
            }
            for element in list.elements { read(element, section) }
        }
    }

    private static func isClusterWide(_ root: JSONValue) -> Bool {
        if ["users", "vhosts", "permissions", "global_parameters"].contains(where: {
            root[$0] != nil
        }) {
            return true
        }
        return ["queues", "exchanges", "bindings", "policies", "parameters"].contains { section in
            root[section]?.elements.contains { $0["vhost"] != nil } ?? false
        }
    }

    private mutating func noteTwins(_ object: JSONValue, _ what: String) {
        var seen: Set<String> = []
        for (key, _) in object.entries {
            guard let name = key.text, !seen.insert(name).inserted else { continue }
            flaws.append(Flaw(kind: .twice(key: name), object: what, place: key.place))
        }
    }

    private mutating func read(_ element: JSONValue, _ section: String) {
        guard element.kind == .object else {
            flaws.append(
                Flaw(
                    kind: .wrong(
                        field: section,
                        expected: "a list of objects",
                        found: element.kind.words
                    ),
                    object: "the file",
                    place: element.place
                )
            )
            return
        }
        switch section {
        case "users": user(element)
        case "vhosts": host(element)
        case "permissions": permission(element)
        case "topic_permissions": topicPermission(element)
        case "parameters": parameter(element)
        case "policies": policy(element)
        case "queues": queue(element)
        case "exchanges": exchange(element)
        case "bindings": binding(element)
        default: break
        }
    }

    // MARK: Fields

    /// A text that must be there.
    private mutating func text(
        _ object: JSONValue,
        _ field: String,
        _ what: String,
        _ outcome: Finding.Outcome = .refused
    ) -> String? {
        guard let value = object[field] else {
            missing(field, object, what, outcome)
            return nil
        }
        guard let text = value.text else {
            wrong(value, field, "a text", what, outcome)
            return nil
        }
        return text
    }

    private mutating func flag(
        _ object: JSONValue,
        _ field: String,
        _ what: String,
        _ outcome: Finding.Outcome = .refused,
        needed: Bool = true
    ) -> Bool? {
        guard let value = object[field] else {
            if needed { missing(field, object, what, outcome) }
            return nil
        }
        guard let flag = value.flag else {
            wrong(value, field, "true or false", what, outcome)
            return nil
        }
        return flag
    }

    private mutating func missing(
        _ field: String,
        _ object: JSONValue,
        _ what: String,
        _ outcome: Finding.Outcome
    ) {
        flaws.append(
            Flaw(
                kind: .missing(field: field),
                object: what,
                place: object.place,
                outcome: outcome
            )
        )
    }

    private mutating func wrong(
        _ value: JSONValue,
        _ field: String,
        _ expected: String,
        _ what: String,
        _ outcome: Finding.Outcome = .refused
    ) {
        flaws.append(
            Flaw(
                kind: .wrong(field: field, expected: expected, found: value.kind.words),
                object: what,
                place: value.place,
                outcome: outcome
            )
        )
    }

    /// The arguments of a thing; a list of pairs, as some tools write them, is read as well.
    private mutating func arguments(_ object: JSONValue, _ what: String) -> [FieldValue.Field] {
        guard let value = object["arguments"] else { return [] }
        switch value.kind {
        case .object:
            var fields: [FieldValue.Field] = []
            for (key, element) in value.entries {
                let name = key.text ?? ""
                // Of a key that stands twice the last one counts.
                if element.kind == .null, value[name]?.index == element.index {
                    flaws.append(
                        Flaw(kind: .nullArgument(name: name), object: what, place: element.place)
                    )
                }
                fields.append(FieldValue.Field(name, FieldValue(element)))
            }
            if fields.count > 1 { noteTwins(value, what) }
            return fields
        case .array:
            var rest = value.elements
            let isEmpty = rest.next() == nil
            flaws.append(
                Flaw(kind: .listOfArguments(isEmpty: isEmpty), object: what, place: value.place)
            )
            return value.elements.flatMap { element in
                element.entries.map { FieldValue.Field($0.key.text ?? "", FieldValue($0.value)) }
            }
        case .null, .string, .number, .bool:
            wrong(value, "arguments", "an object", what)
            return []
        }
    }

    private mutating func vhost(
        _ object: JSONValue,
        _ what: String,
        _ outcome: Finding.Outcome = .refused
    ) -> String? {
        guard let value = object["vhost"] else { return form == .virtualHost ? "/" : nil }
        if value.text == nil { wrong(value, "vhost", "a text", what, outcome) }
        return value.text
    }

    // MARK: Things

    private mutating func user(_ object: JSONValue) {
        guard let name = text(object, "name", "a user") else { return }
        let what = "user '\(name)'"
        var tags: [String]?
        if let value = object["tags"] {
            switch value.kind {
            case .string:
                tags = value.text?.replacing(" ", with: "").split(separator: ",").map(String.init)
            case .array: tags = value.elements.compactMap(\.text)
            default: wrong(value, "tags", "a text or a list of texts", what)
            }
        }
        if let limits = object["limits"] {
            for (key, value) in limits.entries where value.integer == nil {
                wrong(value, "limits/\(key.text ?? "")", "a whole number", what)
            }
        }
        var secret = UserEntry.Secret.none
        if object["password"] != nil {
            secret = .password
        } else if let hash = object["password_hash"]?.text {
            secret = .hash(
                octets: Base64.count(hash),
                algorithm: object["hashing_algorithm"]?.text
            )
        }
        users.append(
            Item(
                value: UserEntry(name: name, tags: tags, secret: secret),
                vhost: nil,
                origin: origin(object)
            )
        )
    }

    private mutating func host(_ object: JSONValue) {
        guard let name = text(object, "name", "a virtual host") else { return }
        var entry = HostEntry(name: name)
        entry.limits =
            object["limits"]?.entries.map {
                FieldValue.Field($0.key.text ?? "", FieldValue($0.value))
            } ?? []
        vhosts.append(Item(value: entry, vhost: name, origin: origin(object)))
    }

    private mutating func permission(_ object: JSONValue) {
        guard let user = text(object, "user", "a permission") else { return }
        let what = "permission of '\(user)'"
        let made = UserPermissions(
            user: user,
            configure: text(object, "configure", what) ?? "",
            write: text(object, "write", what) ?? "",
            read: text(object, "read", what) ?? ""
        )
        permissions.append(Item(value: made, vhost: vhost(object, what), origin: origin(object)))
    }

    private mutating func topicPermission(_ object: JSONValue) {
        guard let user = text(object, "user", "a topic permission") else { return }
        let what = "topic permission of '\(user)'"
        let made = TopicPermissions(
            user: user,
            exchange: text(object, "exchange", what) ?? "",
            write: text(object, "write", what) ?? "",
            read: text(object, "read", what) ?? ""
        )
        topicPermissions.append(
            Item(value: made, vhost: vhost(object, what), origin: origin(object))
        )
    }

    private mutating func parameter(_ object: JSONValue) {
        guard let component = text(object, "component", "a parameter"),
            let name = text(object, "name", "a parameter '\(component)'")
        else { return }
        let what = "parameter '\(component)/\(name)'"
        guard let value = object["value"] else {
            flaws.append(Flaw(kind: .missing(field: "value"), object: what, place: object.place))
            return
        }
        let host = vhost(object, what)
        if component == "operator_policy" {
            policy(value, named: name, isOperator: true, host, object)
            return
        }
        parameters.append(
            Item(
                value: Parameter(component: component, name: name, value: FieldValue(value)),
                vhost: host,
                origin: origin(object)
            )
        )
    }

    private mutating func policy(_ object: JSONValue) {
        guard let name = text(object, "name", "a policy") else { return }
        policy(object, named: name, isOperator: false, vhost(object, "policy '\(name)'"), object)
    }

    private mutating func policy(
        _ object: JSONValue,
        named name: String,
        isOperator: Bool,
        _ host: String?,
        _ whole: JSONValue
    ) {
        let what = "\(isOperator ? "operator policy" : "policy") '\(name)'"
        var made = Policy(name: name, pattern: text(object, "pattern", what) ?? "")
        if let definition = object["definition"] {
            if definition.kind == .object {
                made.definition = definition.entries.map {
                    FieldValue.Field($0.key.text ?? "", FieldValue($0.value))
                }
            } else {
                wrong(definition, "definition", "an object", what)
            }
        } else {
            flaws.append(
                Flaw(kind: .missing(field: "definition"), object: what, place: object.place)
            )
        }
        let target = (object["apply-to"] ?? object["apply_to"])?.text ?? "all"
        made.target = Policy.Target(rawValue: target) ?? .all
        made.priority = object["priority"]?.integer ?? 0
        var entry = PolicyEntry(policy: made, target: target, isOperator: isOperator)
        entry.hasOddPriority = object["priority"].map { $0.kind != .number } ?? false
        policies.append(Item(value: entry, vhost: host, origin: origin(whole)))
    }

    private mutating func queue(_ object: JSONValue) {
        guard let name = text(object, "name", "a queue") else { return }
        let what = "queue '\(name)'"
        let before = flaws.count
        var made = QueueDeclaration(name: name)
        made.durable = flag(object, "durable", what) ?? true
        made.autoDelete = flag(object, "auto_delete", what) ?? false
        made.arguments = arguments(object, what)
        // What is skipped for its name is not looked at.
        if name.hasPrefix("amq.") { flaws.removeSubrange(before...) }
        queues.append(Item(value: made, vhost: vhost(object, what), origin: origin(object)))
    }

    private mutating func exchange(_ object: JSONValue) {
        guard let name = text(object, "name", "an exchange", .ignored) else { return }
        let what = "exchange '\(name)'"
        let before = flaws.count
        var made = ExchangeDeclaration(name: name, type: text(object, "type", what) ?? "")
        made.durable = flag(object, "durable", what) ?? true
        made.autoDelete = flag(object, "auto_delete", what, .ignored) ?? false
        made.isInternal = flag(object, "internal", what, .ignored, needed: false) ?? false
        for argument in arguments(object, what) {
            if argument.name == "alternate-exchange", let text = argument.value.text {
                made.alternate = text
            } else {
                made.arguments.append(argument)
            }
        }
        // What is skipped for its name is not looked at.
        if name.hasPrefix("amq.") || name.isEmpty { flaws.removeSubrange(before...) }
        exchanges.append(Item(value: made, vhost: vhost(object, what), origin: origin(object)))
    }

    private mutating func binding(_ object: JSONValue) {
        // One pass over the fields: there are many bindings, and each has six.
        var source: JSONValue?
        var destination: JSONValue?
        var key: JSONValue?
        var type: JSONValue?
        for (name, value) in object.entries {
            switch name.text {
            case "source": source = value
            case "destination": destination = value
            case "routing_key": key = value
            case "destination_type": type = value
            default: break
            }
        }
        var made = BindingDeclaration(
            source: source?.text ?? "",
            destination: destination?.text ?? "",
            key: key?.text ?? "undefined"
        )
        let what = "binding from '\(made.source)' to '\(made.destination)'"
        let ends: [(String, JSONValue?, Finding.Outcome)] = [
            ("source", source, .skipped), ("destination", destination, .skipped),
            ("routing_key", key, .ignored), ("destination_type", type, .refused),
        ]
        var aboutKey: Int?
        for (field, value, outcome) in ends where value?.text == nil {
            if field == "routing_key" { aboutKey = flaws.count }
            if let value {
                wrong(value, field, "a text", what, outcome)
            } else {
                missing(field, object, what, outcome)
            }
        }
        guard source?.text != nil, destination?.text != nil else { return }
        if let type, let word = type.text, word != "queue", word != "exchange" {
            wrong(type, "destination_type", "`queue` or `exchange`", what)
        }
        made.toExchange = type?.text == "exchange"
        made.arguments = arguments(object, what)
        if let aboutKey { flaws[aboutKey].keyOfBinding = bindings.count }
        let host = vhost(object, what, .skipped)
        bindings.append(Item(value: made, vhost: host, origin: origin(object)))
    }
}

extension FieldValue {
    /// A value of a definitions file as the broker stores it: numbers with a point or an exponent are fractions.
    package init(_ json: JSONValue) {
        switch json.kind {
        case .null: self = .void
        case .bool: self = .bool(json.flag ?? false)
        case .string: self = .string(json.text ?? "")
        case .number:
            if let number = json.integer {
                self = .int(number)
            } else {
                self = .double(Double(json.source) ?? 0)
            }
        case .array: self = .array(json.elements.map { FieldValue($0) })
        case .object:
            self = .table(json.entries.map { Field($0.key.text ?? "", FieldValue($0.value)) })
        }
    }
}

/// How long a text of base64 is once decoded.
enum Base64 {
    /// The count of octets, or nil if it is no base64.
    static func count(_ text: String) -> Int? {
        var letters = text.utf8.count
        guard letters % 4 == 0 else { return nil }
        var padding = 0
        for byte in text.utf8.reversed() {
            guard byte == UInt8(ascii: "=") else { break }
            padding += 1
        }
        guard padding <= 2 else { return nil }
        letters -= padding
        for byte in text.utf8.prefix(letters) {
            switch byte {
            case 48...57, 65...90, 97...122, 43, 47: continue
            default: return nil
            }
        }
        return letters * 3 / 4
    }
}
