public import WarrenTrace

/// A JSON object to a line, its keys in the order of the alphabet.
public struct JSONLinesExport: FactExport {
    private let heading: ExportHeading

    /// An export of a run.
    public init(_ heading: ExportHeading) { self.heading = heading }

    /// A line.
    public mutating func add(_ fact: Fact, number: Int, to text: inout String) {
        let detail = heading.detail(fact)
        text += "{\"cause\":\(fact.cause),\"detail\":\(detail),\"event\":\(fact.event)"
        text += ",\"fact\":\(number)"
        let headers = heading.headers(fact)
        if !headers.isEmpty { text += ",\"headers\":\(headers)" }
        text += ",\"kind\":\"\(fact.kind.name)\""
        if fact.message != .none { text += ",\"message\":\"m\(fact.message.raw)\"" }
        text += ",\"node\":\(heading.text.node(fact.node.raw).quoted)"
        if let peer = heading.peer(fact) { text += ",\"peer\":\(peer.quoted)" }
        text += ",\"sentence\":\(heading.text.sentence(fact).quoted)"
        if fact.subject != .none { text += ",\"subject\":\(heading.names[fact.subject].quoted)" }
        text += ",\"time_ns\":\(fact.time.nanoseconds),\"variant\":\(fact.variant)}\n"
    }
}

/// A table with commas, as RFC 4180 has it but for its line ends.
public struct CSVExport: FactExport {
    private let heading: ExportHeading

    /// An export of a run.
    public init(_ heading: ExportHeading) { self.heading = heading }

    /// The names of the columns.
    public mutating func begin() -> String {
        "fact,time_ns,event,cause,node,kind,message,subject,variant,detail,sentence,peer,headers\n"
    }

    /// A line.
    public mutating func add(_ fact: Fact, number: Int, to text: inout String) {
        text += "\(number),\(fact.time.nanoseconds),\(fact.event),\(fact.cause),"
        text += Self.field(heading.text.node(fact.node.raw))
        text += ",\(fact.kind.name),"
        if fact.message != .none { text += "m\(fact.message.raw)" }
        text +=
            ",\(Self.field(heading.names[fact.subject])),\(fact.variant),\(heading.detail(fact)),"
        text += Self.field(heading.text.sentence(fact))
        text += ",\(Self.field(heading.peer(fact) ?? "")),\(Self.field(heading.headers(fact)))\n"
    }

    private static func field(_ text: String) -> String {
        let needsQuotes = text.utf8.contains { byte in
            [UInt8(ascii: ","), UInt8(ascii: "\""), 10, 13].contains(byte)
        }
        return needsQuotes ? "\"" + text.replacing("\"", with: "\"\"") + "\"" : text
    }
}
