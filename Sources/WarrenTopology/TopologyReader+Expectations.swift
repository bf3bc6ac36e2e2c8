/// What a file expects.
extension TopologyReader {
    mutating func expectations(_ tree: Tree?) -> [Topology.Expectation] {
        guard let tree else { return [] }
        var found: [Topology.Expectation] = []
        var checked = tree
        if case .map(let entries) = tree.content {
            // `within` and `or_nothing` stand beside the names.
            checked.content = .map(
                entries.map { entry in
                    var bare = entry
                    if case .map(let lines) = entry.value.content {
                        bare.value.content = .map(
                            lines.filter { !Self.isSetting($0.key, in: entry.key) }
                        )
                    }
                    return bare
                }
            )
        }
        check(checked, CommonShapes.expect, "expect")
        for entry in tree.entries {
            guard let kind = Topology.ExpectationKind(rawValue: entry.key) else { continue }
            var within: Double?
            if let patience = entry.value["within"], kind == .eventually {
                check(patience, .duration, "expect.eventually.within")
                within = patience.text.flatMap(Units.duration)
            }
            if let word = entry.value["or_nothing"] {
                check(word, .boolean, "expect.\(entry.key).or_nothing")
            }
            for line in entry.value.entries
            where !line.key.hasPrefix("x-") && !Self.isSetting(line.key, in: entry.key) {
                guard let expression = expression(line.value, "expect.\(entry.key).\(line.key)")
                else { continue }
                refuseMisuse(expression, kind, line)
                found.append(
                    Topology.Expectation(
                        kind: kind,
                        name: line.key,
                        expression: expression,
                        within: within,
                        holdsOnNothing: entry.value["or_nothing"]?.text == "true",
                        place: line.place,
                        textPlace: line.value.place
                    )
                )
            }
        }
        return found
    }

    /// Whether a key of a section says something of all its expectations.
    static func isSetting(_ key: String, in section: String) -> Bool {
        key == "or_nothing" || key == "within" && section == "eventually"
    }

    /// Marks the expectations that are meant to break.
    mutating func markBroken(_ tree: Tree?, _ topology: inout Topology) {
        let known = topology.expectations.map(\.name)
        for element in tree?.elements ?? [] {
            guard let name = element.text else { continue }
            guard let index = known.firstIndex(of: name) else {
                resolve(element, "expectation", known)
                continue
            }
            topology.expectations[index].isMeantToBreak = true
        }
    }

    mutating func refuseMisuse(
        _ expression: Expression,
        _ kind: Topology.ExpectationKind,
        _ line: Tree.Entry
    ) {
        if expression.isAboutMessages, kind != .never, kind != .always {
            findings.append(
                Finding(
                    "about-messages",
                    "'\(line.key)' speaks of single messages",
                    at: line.value.place,
                    why:
                        "`\(kind.rawValue)` looks at numbers; `never` and `always` look at each message",
                    remedy: "count them: `handled == 100`, or move it to `never`"
                )
            )
        }
    }

    mutating func expression(_ tree: Tree, _ what: String) -> Expression? {
        guard let text = tree.text else { return nil }
        do {
            let expression = try ExpressionParser.parse(text)
            if let empty = expression.emptyComparison { refuse(empty, tree, what) }
            return expression
        } catch {
            var place = tree.place
            if case .scalar(_, let isPlain) = tree.content {
                place.column += error.column + (isPlain ? 0 : 1)
            }
            place.length = error.length
            findings.append(
                Finding(
                    "bad-expectation",
                    "\(what): \(error.sentence)",
                    at: place,
                    remedy: error.remedy
                )
            )
            return nil
        }
    }

    /// What is so in every run says nothing of this one.
    private mutating func refuse(
        _ empty: (words: String, isTrue: Bool),
        _ tree: Tree,
        _ what: String
    ) {
        findings.append(
            Finding(
                "empty-expectation",
                "\(what): that \(empty.words) is \(empty.isTrue ? "always" : "never") so",
                at: tree.place,
                why:
                    "no number of a run is below zero, so that nothing could \(empty.isTrue ? "break" : "fulfil") it",
                remedy:
                    "hold it against a number that a run may miss: `depth(q) <= 100`, `handled > 0`"
            )
        )
    }
}
