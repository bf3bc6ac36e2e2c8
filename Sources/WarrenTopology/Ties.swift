/// Who is first of what happens at the same moment.
public enum Ties: Sendable, Hashable {
    /// What was caused first.
    case inOrder
    /// As chance says, each time anew.
    case drawn
    /// Each node has a rank that is drawn, and that changes now and then: whoever ranks low is late for everything.
    case ranked
    /// Where a node has several things before it, the one with this number goes first, counted from 0 in the order of
    /// their causes; when the numbers are used up, all is in order.
    case chosen([Int])

    /// What the `run:` section of a file says.
    public init(_ run: Tree?) {
        if let choices = run?["choices"]?.elements {
            self = .chosen(choices.compactMap { $0.text.flatMap { Int($0) } })
            return
        }
        switch run?["ties"]?.text {
        case "drawn": self = .drawn
        case "ranked": self = .ranked
        default: self = .inOrder
        }
    }

    /// Writes it into a file; what is in order is not said.
    public func write(into tree: inout Tree) {
        tree[path: ["run", "ties"]] = nil
        tree[path: ["run", "choices"]] = nil
        switch self {
        case .inOrder: break
        case .drawn: tree[path: ["run", "ties"]] = .plain("drawn")
        case .ranked: tree[path: ["run", "ties"]] = .plain("ranked")
        case .chosen(let choices):
            tree[path: ["run", "choices"]] = .list(choices.map { .plain("\($0)") })
        }
        if tree["run"]?.entries.isEmpty == true { tree["run"] = nil }
    }
}
