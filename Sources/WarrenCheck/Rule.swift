import RabbitMQModel
package import WarrenTopology

/// Something that may be wrong with a topology; one file for each.
package protocol Rule: Sendable {
    /// What it is called, why it matters, and two examples.
    static var manual: Manual { get }

    /// Says where it is so.
    static func check(_ subject: Subject, _ report: inout RuleReport)
}

/// The manual of a rule, printed by `warren check --explain`.
package struct Manual: Sendable {
    /// How an example is written.
    package enum Example: Sendable, Hashable {
        /// A definitions file.
        case definitions(String)
        /// The section of a broker in a topology, without `kind:`.
        case broker(String)
        /// A whole topology without its first two lines.
        case topology(String)

        /// The text of a file that can be checked.
        package var text: String {
            switch self {
            case .definitions(let text): text
            case .topology(let text): "warren: 1\nname: example\n" + text
            case .broker(let text):
                "warren: 1\nname: example\nbrokers:\n  main:\n    kind: rabbitmq\n"
                    + text.split(separator: "\n", omittingEmptySubsequences: false)
                    .map { $0.isEmpty ? "" : "    " + $0 }.joined(separator: "\n")
            }
        }

        /// The text as the manual shows it.
        package var shown: String {
            switch self {
            case .definitions(let text), .broker(let text), .topology(let text): text
            }
        }
    }

    /// A stable word to search for.
    package var slug: String
    /// How bad it is.
    package var severity: Finding.Severity
    /// What a broker does with such an object; nil if the file does not say enough, or if it is about clients.
    package var outcome: Finding.Outcome?
    /// One sentence without a full stop.
    package var title: String
    /// What the broker does, and what that costs.
    package var why: String
    /// What to do about it.
    package var remedy: String
    /// Where it stands written, or how it was tried.
    package var source: String
    package var bad: Example
    package var good: Example

    package init(
        _ slug: String,
        _ severity: Finding.Severity,
        _ title: String,
        outcome: Finding.Outcome? = nil,
        why: String,
        remedy: String,
        source: String,
        bad: Example,
        good: Example
    ) {
        self.slug = slug
        self.severity = severity
        self.outcome = outcome
        self.title = title
        self.why = why
        self.remedy = remedy
        self.source = source
        self.bad = bad
        self.good = good
    }
}

/// Takes what a rule finds.
package struct RuleReport {
    package private(set) var findings: [Finding] = []
    private let manual: Manual

    init(_ manual: Manual) { self.manual = manual }

    /// A finding of the rule; what is left out is what its manual says.
    mutating func add(
        _ sentence: String,
        at place: Place?,
        object: String,
        label: String = "",
        why: String? = nil,
        remedy: String? = nil,
        severity: Finding.Severity? = nil,
        outcome: Finding.Outcome? = nil
    ) {
        var finding = Finding(
            manual.slug,
            sentence,
            at: place,
            label: label,
            why: why ?? manual.why,
            remedy: remedy ?? manual.remedy,
            severity: severity ?? manual.severity
        )
        finding.object = object
        finding.outcome = outcome ?? manual.outcome
        findings.append(finding)
    }
}

/// How objects of a broker are named in findings.
enum Named {
    private static func host(_ vhost: String?) -> String { vhost.map { " in '\($0)'" } ?? "" }

    static func queue(_ name: String, _ vhost: String?) -> String {
        "queue '\(name)'\(host(vhost))"
    }
    static func exchange(_ name: String, _ vhost: String?) -> String {
        "exchange '\(name)'\(host(vhost))"
    }
    static func policy(_ item: DefinitionSet.Item<DefinitionSet.PolicyEntry>) -> String {
        "\(item.value.isOperator ? "operator policy" : "policy") '\(item.value.policy.name)'\(host(item.vhost))"
    }
    static func user(_ name: String) -> String { "user '\(name)'" }
    static func binding(_ item: DefinitionSet.Item<BindingDeclaration>) -> String {
        let value = item.value
        return "binding from '\(value.source)' to \(value.toExchange ? "exchange" : "queue") "
            + "'\(value.destination)' with '\(value.key)'\(host(item.vhost))"
    }
}
