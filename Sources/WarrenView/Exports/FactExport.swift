public import WarrenTrace

/// A run in a form that another tool opens, fact by fact: what is kept in between does not grow with the run.
public protocol FactExport {
    /// What comes before the first fact.
    mutating func begin() -> String
    /// What a fact becomes; nothing for facts that the form has no place for.
    ///
    /// `number`: its number in the run, from 1.
    mutating func add(_ fact: Fact, number: Int, to text: inout String)
    /// What comes after the last fact.
    mutating func end() -> String
}

extension FactExport {
    /// Nothing comes before the first fact.
    public mutating func begin() -> String { "" }
    /// Nothing comes after the last fact.
    public mutating func end() -> String { "" }
}

/// What an export knows of a run beside its facts.
public struct ExportHeading: Sendable {
    /// The words of the run.
    public var text: FactText
    /// Its names.
    public var names: Names
    /// The names of its nodes, by number.
    public var nodes: [String]
    /// The name of its topology.
    public var topology: String
    /// Its seed.
    public var seed: String
    /// What a fault of the timeline does, in words.
    public var fault: @Sendable (Fact) -> String

    /// The heading of a run.
    public init(
        names: Names,
        nodes: [String],
        topology: String,
        seed: String,
        fault: @escaping @Sendable (Fact) -> String
    ) {
        text = FactText(names: names, nodes: nodes)
        self.names = names
        self.nodes = nodes
        self.topology = topology
        self.seed = seed
        self.fault = fault
    }

    /// The other side, or the second name; nil where a fact has none.
    func peer(_ fact: Fact) -> String? {
        switch fact.kind.columns.peer {
        case .nothing: nil
        case .node: text.node(fact.peer)
        case .name: fact.peer == 0 ? nil : names[Symbol(fact.peer)]
        }
    }

    /// The number whose meaning depends on the kind; of a publication the bytes of its body.
    func detail(_ fact: Fact) -> UInt64 {
        fact.kind.columns.detail == .publication ? UInt64(fact.bodySize) : fact.detail
    }

    /// The headers of a publication, as a JSON list of name, type and value; empty if there are none.
    func headers(_ fact: Fact) -> String {
        fact.kind.columns.detail == .publication ? names[fact.headers] : ""
    }

    /// What happened, as a sentence; of a fault what it does.
    func sentence(_ fact: Fact) -> String {
        fact.kind == .faultBegan
            ? "fault \(fact.detail + 1): \(fault(fact))" : text.sentence(fact)
    }
}

extension String {
    /// The text in quotes, for JSON.
    var quoted: String { JSONQuoting.quoted(self) }
}
