/// Holds a tree against a shape and says what does not fit.
struct ShapeCheck {
    var findings: [Finding] = []

    /// Checks `tree`; `what` names the place for sentences, such as `queues.orders.bind`.
    mutating func check(_ tree: Tree, _ shape: Shape, _ what: String) {
        switch shape {
        case .anything:
            return
        case .either(let shapes):
            if let fitting = shapes.first(where: { Self.accepts($0, tree) }) {
                check(tree, fitting, what)
            } else {
                reject(tree, shape, what)
            }
        case .list(let element):
            if case .map = tree.content, !Self.accepts(element, tree) {
                reject(tree, shape, what)
            } else if case .list(let elements) = tree.content {
                for (index, child) in elements.enumerated() {
                    check(child, element, "\(what)[\(index)]")
                }
            } else {
                check(tree, element, what)
            }
        case .map(let value):
            guard case .map(let entries) = tree.content else { return reject(tree, shape, what) }
            for entry in entries where !entry.key.hasPrefix("x-") {
                check(entry.value, value, "\(what).\(entry.key)")
            }
        case .record(let fields):
            record(tree, fields, what)
        case .timeLaw, .sizeLaw, .arrivals:
            law(tree, shape, what)
        case .text, .choice, .boolean, .integer, .duration, .size, .rate, .share, .expression:
            scalar(tree, shape, what)
        }
    }

    private mutating func record(_ tree: Tree, _ fields: [Field], _ what: String) {
        guard case .map(let entries) = tree.content else {
            return reject(tree, .record(fields), what)
        }
        for entry in entries where isMeant(entry, fields, what) {
            guard let field = fields.first(where: { $0.name == entry.key }) else {
                findings.append(
                    Finding(
                        "unknown-key",
                        "\(what.isEmpty ? "a topology" : what) has no key '\(entry.key)'",
                        at: entry.place,
                        label: DidYouMean.hint(entry.key, in: fields.map(\.name)),
                        why: "an unknown key would be ignored in silence",
                        remedy: "for notes of your own, begin the key with `x-`"
                    )
                )
                continue
            }
            if let missing = field.notModelled {
                findings.append(
                    Finding(
                        "not-modelled",
                        "'\(entry.key)' of \(what) is not modelled yet",
                        at: entry.place,
                        why:
                            "the model would behave as if it were not there; it belongs to \(missing)",
                        remedy: "leave it out to simulate the rest"
                    )
                )
                continue
            }
            if entry.value.isNothing, !Self.allowsNothing(field.shape) {
                findings.append(
                    Finding(
                        "no-value",
                        "'\(entry.key)' of \(what) has no value",
                        at: entry.place,
                        label: "expected \(field.shape.expectation)",
                        why: "an unquoted # or ~ reads as nothing",
                        remedy: "give it a value, in quotes if it begins with #, or remove the key"
                    )
                )
                continue
            }
            check(entry.value, field.shape, what.isEmpty ? entry.key : "\(what).\(entry.key)")
        }
        for field in fields where field.isRequired && tree[field.name] == nil {
            findings.append(
                Finding(
                    "missing-key",
                    "\(what.isEmpty ? "the topology" : what) needs '\(field.name)'",
                    at: tree.place,
                    label: "\(field.name): \(field.shape.expectation)",
                    remedy: field.help
                )
            )
        }
    }

    /// Whether a key is more than a note of the user's own: one that names an argument is no note.
    private mutating func isMeant(_ entry: Tree.Entry, _ fields: [Field], _ what: String) -> Bool {
        guard entry.key.hasPrefix("x-") else { return true }
        guard let field = fields.first(where: { $0.arguments.contains(entry.key) }) else {
            return false
        }
        findings.append(
            Finding(
                "argument-as-note",
                "'\(entry.key)' of \(what) names an argument, and stands where notes stand",
                at: entry.place,
                why: "a note changes nothing, and nothing would say so",
                remedy: field.name == "arguments"
                    ? "write `arguments: { \(entry.key): … }`"
                    : "write `\(field.name):`, or `arguments: { \(entry.key): … }`"
            )
        )
        return false
    }

    private static func allowsNothing(_ shape: Shape) -> Bool {
        switch shape {
        case .record(let fields): !fields.contains { $0.isRequired }
        case .map, .anything: true
        case .either(let shapes): shapes.contains { allowsNothing($0) }
        case .text, .choice, .boolean, .integer, .duration, .size, .rate, .share, .timeLaw,
            .sizeLaw, .arrivals, .expression, .list:
            false
        }
    }

    /// Whether the form fits: a text for a text, a map for a map.
    private static func accepts(_ shape: Shape, _ tree: Tree) -> Bool {
        switch (shape, tree.content) {
        case (.anything, _), (.either, _): true
        case (.list, .list), (.map, .map), (.record, .map), (.map, .scalar(_, true)):
            shape.isContainer && !(tree.text.map { !$0.isEmpty } ?? false)
        case (.list(let element), .scalar), (.list(let element), .map): accepts(element, tree)
        case (.timeLaw, .map), (.sizeLaw, .map), (.arrivals, .map): true
        case (.map, _), (.record, _), (_, .list), (_, .map): false
        case (.boolean, .scalar(let text, let isPlain)):
            isPlain && (text == "true" || text == "false")
        case (.duration, .scalar(let text, _)): Units.duration(text) != nil
        case (.choice(let words), .scalar(let text, _)): words.contains(text)
        case (_, .scalar): true
        }
    }

    private mutating func scalar(_ tree: Tree, _ shape: Shape, _ what: String) {
        guard let text = tree.text else { return reject(tree, shape, what) }
        let fits: Bool
        switch shape {
        case .text, .expression: fits = true
        case .choice(let words): fits = words.contains(text)
        case .boolean: fits = text == "true" || text == "false"
        case .integer(let range): fits = UInt64(text).map { range.contains($0) } ?? false
        case .duration: fits = Units.duration(text) != nil
        case .size: fits = Units.size(text) != nil
        case .rate: fits = Units.rate(text).map { $0 > 0 } ?? false
        case .share: fits = Units.share(text) != nil
        case .timeLaw, .sizeLaw, .arrivals, .anything, .list, .map, .record, .either:
            preconditionFailure("not a scalar shape")
        }
        if !fits { reject(tree, shape, what) } else { checkRange(tree, text, shape, what) }
    }

    /// Says so if a number has a unit, and is more than any simulation could use.
    mutating func checkRange(_ tree: Tree, _ text: String, _ shape: Shape, _ what: String) {
        let range: ClosedRange<Double>
        let value: Double?
        let words: String
        switch shape {
        case .duration:
            (range, value, words) = (0...Units.longest, Units.duration(text), "at most 36500d")
        case .size:
            (range, value, words) = (0...Units.largest, Units.size(text), "at most 1048576GiB")
        case .rate:
            (range, value, words) = (
                Units.ratesAllowed, Units.rate(text), "from one in 1000d to 1000000000/s"
            )
        case .timeLaw:
            (range, value, words) = (0...Units.longestDraw, Units.duration(text), "at most 1000d")
        case .sizeLaw:
            (range, value, words) = (0...Units.largestBody, Units.size(text), "at most 1GiB")
        case .text, .choice, .boolean, .integer, .share, .arrivals, .expression, .anything, .list,
            .map, .record, .either:
            return
        }
        guard let value, !range.contains(value) else { return }
        findings.append(
            Finding(
                "out-of-range",
                "\(what) is \(tree.description)",
                at: tree.place,
                label: words,
                why: "what is beyond that says nothing about any system"
            )
        )
    }

    mutating func reject(_ tree: Tree, _ shape: Shape, _ what: String) {
        var label = "expected \(shape.expectation)"
        var why = ""
        var slug = "wrong-type"
        if let text = tree.text {
            switch shape {
            case .choice(let words):
                slug = "unknown-word"
                label = DidYouMean.hint(text, in: words)
                if words.count <= 16, label.hasPrefix("did you mean") {
                    why = "known are \(words.joined(separator: ", "))"
                }
            case .duration, .timeLaw, .size, .sizeLaw, .rate, .arrivals:
                slug = "wrong-unit"
                let units = Self.units(of: shape)
                if text.hasPrefix("-"), Units.number(String(text.dropFirst().prefix(1))) != nil {
                    why = "nothing lasts less than no time, and no size is below nothing"
                } else if Units.number(text) != nil {
                    why = "a bare number has no unit; write one of \(units.joined(separator: ", "))"
                } else {
                    why = "known units: \(units.joined(separator: ", "))"
                }
            case .text, .boolean, .integer, .share, .expression, .anything, .list, .map, .record,
                .either:
                break
            }
        }
        findings.append(
            Finding(
                slug,
                "\(what) is \(tree.description)",
                at: tree.place,
                label: label,
                why: why
            )
        )
    }

    private static func units(of shape: Shape) -> [String] {
        switch shape {
        case .size, .sizeLaw: Units.sizeUnits
        case .rate: Units.rateUnits
        case .arrivals: Units.rateUnits + Units.durationUnits
        default: Units.durationUnits
        }
    }
}

extension Shape {
    fileprivate var isContainer: Bool {
        switch self {
        case .list, .map, .record: true
        default: false
        }
    }
}
