import WarrenLedger
public import WarrenTrace

/// The trace events of Chrome, as JSON, which Perfetto opens: a process for each node, spans for waiting and work, counters
/// for depths, marks for all else.
///
/// - Source: *Trace Event Format* (Chromium): `b` and `e` spans, `C` counters, `i` instants, `M` names; times in microseconds.
public struct PerfettoExport: FactExport {
    private let heading: ExportHeading
    private var ledger = Ledger()

    /// An export of a run.
    public init(_ heading: ExportHeading) { self.heading = heading }

    /// The names of the processes.
    public mutating func begin() -> String {
        var text = "{\"displayTimeUnit\": \"ms\", \"otherData\": {\"topology\": "
        text +=
            "\(heading.topology.quoted), \"seed\": \(heading.seed.quoted)},\n\"traceEvents\": [\n"
        for (number, name) in (["operator"] + heading.nodes).enumerated() {
            text += "{\"ph\": \"M\", \"name\": \"process_name\", \"pid\": \(number), \"tid\": 0, "
            text += "\"args\": {\"name\": \(name.quoted)}},\n"
        }
        return text
    }

    /// A mark in the last place: the format knows no comma after it.
    public mutating func end() -> String {
        "{\"ph\": \"i\", \"name\": \"end\", \"ts\": \(Self.time(ledger.now.nanoseconds)), "
            + "\"pid\": 0, \"tid\": 0, \"s\": \"g\"}\n]}\n"
    }

    private static func time(_ nanoseconds: UInt64) -> String {
        let part = String(nanoseconds % 1000 + 1000).dropFirst()
        return "\(nanoseconds / 1000).\(part)"
    }

    private func process(_ node: UInt32) -> UInt32 {
        Int(node) < heading.nodes.count ? node + 1 : 0
    }

    /// What a fact looks like there.
    public mutating func add(_ fact: Fact, number: Int, to text: inout String) {
        let before = ledger.held(in: fact.subject)
        ledger.take(fact)
        let after = ledger.held(in: fact.subject)
        let (subject, message) = (heading.names[fact.subject], "m\(fact.message.raw)")
        switch fact.kind {
        case .deliverySent:
            span("wait in \(subject)", "queue", fact, "\(message) \(subject)", to: &text)
        case .messageHandled:
            span("work on \(subject)", "work", fact, "\(message) \(number)", to: &text)
        case .messageConfirmed: span("confirm", "confirm", fact, message, to: &text)
        case .callAnswered: span("call", "call", fact, message, to: &text)
        case .deliveryAcked, .messageRouted: break
        default: mark(fact, to: &text)
        }
        if before != after {
            text +=
                "{\"ph\": \"C\", \"name\": \(subject.quoted), \"pid\": \(process(fact.node.raw)), "
            text +=
                "\"tid\": 0, \"ts\": \(Self.time(fact.time.nanoseconds)), \"args\": {\"ready\": "
            text += "\(after.depth), \"unacked\": \(after.unacked)}},\n"
        }
    }

    /// Something that took as long as its detail says, and is over.
    private func span(
        _ name: String,
        _ category: String,
        _ fact: Fact,
        _ identity: String,
        to text: inout String
    ) {
        let end = fact.time.nanoseconds
        let begin = end - min(fact.detail, end)
        for (phase, moment) in [("b", begin), ("e", end)] {
            text += "{\"ph\": \"\(phase)\", \"cat\": \"\(category)\", \"name\": \(name.quoted), "
            text += "\"id\": \(identity.quoted), \"pid\": \(process(fact.node.raw)), \"tid\": 0, "
            text += "\"ts\": \(Self.time(moment))"
            if phase == "b" {
                text += ", \"args\": {\"message\": \"m\(fact.message.raw)\"}"
            }
            text += "},\n"
        }
    }

    private func mark(_ fact: Fact, to text: inout String) {
        let isGlobal = fact.kind == .faultBegan || fact.kind == .faultEnded
        text += "{\"ph\": \"i\", \"cat\": \"fact\", \"name\": \(fact.kind.name.quoted), "
        text += "\"pid\": \(process(fact.node.raw)), \"tid\": 0, "
        text += "\"ts\": \(Self.time(fact.time.nanoseconds)), \"s\": \"\(isGlobal ? "g" : "p")\", "
        text += "\"args\": {\"sentence\": \(heading.sentence(fact).quoted)"
        if fact.message != .none { text += ", \"message\": \"m\(fact.message.raw)\"" }
        text += "}},\n"
    }
}
