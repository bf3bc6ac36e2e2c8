public import WarrenTrace

/// A log with vector clocks, for ShiViz: two lines to an event, host and clock in the first.
///
/// Time goes on at a node from fact to fact. Between nodes it goes with what is known to have been sent: from the event
/// that caused another one, and with a message from its publisher to the broker and on to its consumer and back. What lies
/// more than 65,536 facts or 16,384 messages back is forgotten; a clock is right then, too, and knows less.
///
/// - Source: ShiViz, default parser `(?<host>\S*) (?<clock>{.*})\n(?<event>.*)`.
public struct ShiVizExport: FactExport {
    private typealias Clock = [UInt32]

    private let heading: ExportHeading
    private var clocks: [Clock]
    private let quoted: [String]
    private let hosts: [String]
    private var events = Recent<UInt64, Clock>(65_536)
    private var messages = Recent<MessageID, [Stop]>(16_384)

    /// Where a message was, and how far time had come there.
    private struct Stop {
        var node: UInt32
        /// Whom it was sent to; none if it was not sent.
        var peer: UInt32
        var clock: Clock
    }

    /// An export of a run.
    public init(_ heading: ExportHeading) {
        self.heading = heading
        hosts = (heading.nodes + ["operator"]).map { name in
            String(name.map { $0.isWhitespace ? "_" : $0 })
        }
        quoted = hosts.map(\.quoted)
        clocks = Array(
            repeating: Array(repeating: 0, count: heading.nodes.count + 1),
            count: heading.nodes.count + 1
        )
    }

    /// Two lines.
    public mutating func add(_ fact: Fact, number: Int, to text: inout String) {
        let here = min(Int(fact.node.raw), clocks.count - 1)
        if let cause = events[fact.cause] { merge(cause, into: here) }
        let stops = fact.message == .none ? [] : messages[fact.message] ?? []
        for stop in stops where leads(stop, to: fact) { merge(stop.clock, into: here) }
        clocks[here][here] += 1
        events[fact.event] = clocks[here]
        if fact.message != .none { note(fact, stops, clocks[here]) }

        text += "\(hosts[here]) {"
        var isFirst = true
        for (place, count) in clocks[here].enumerated() where count > 0 {
            text += isFirst ? "" : ", "
            text += "\(quoted[place]): \(count)"
            isFirst = false
        }
        text += "}\n\(FactText.time(fact.time)) "
        if fact.message != .none { text += "m\(fact.message.raw): " }
        // An event is one line.
        text += heading.sentence(fact).replacing("\n", with: " ") + "\n"
    }

    private mutating func merge(_ clock: Clock, into here: Int) {
        for place in clock.indices where clock[place] > clocks[here][place] {
            clocks[here][place] = clock[place]
        }
    }

    /// Whether what happened at a stop was sent to where a fact happens.
    private func leads(_ stop: Stop, to fact: Fact) -> Bool {
        if stop.node == fact.node.raw { return false }
        switch fact.kind {
        case .messageRouted, .messageUnroutable: return stop.peer == .max
        case .deliveryAcked, .deliveryRejected: return stop.node == fact.peer
        default: return stop.peer == fact.node.raw
        }
    }

    private mutating func note(_ fact: Fact, _ stops: [Stop], _ clock: Clock) {
        let peer: UInt32
        switch fact.kind {
        // To whichever node of the broker takes it.
        case .messagePublished, .messageRetried: peer = .max
        case .deliverySent, .recordRead: peer = fact.peer
        case .messageHandled, .workFailed: peer = .max - 1
        default: return
        }
        var stops = stops.filter { $0.node != fact.node.raw || $0.peer != peer }
        stops.append(Stop(node: fact.node.raw, peer: peer, clock: clock))
        messages[fact.message] = stops.count > 8 ? Array(stops.suffix(8)) : stops
    }
}

/// The values of the keys that were set last, at most so many.
private struct Recent<Key: Hashable, Value> {
    private var values: [Key: Value] = [:]
    private var order: [Key?]
    private var next = 0

    init(_ most: Int) { order = Array(repeating: nil, count: most) }

    subscript(key: Key) -> Value? {
        get { values[key] }
        set {
            guard let newValue else { return values[key] = nil }
            guard values.updateValue(newValue, forKey: key) == nil else { return }
            if let oldest = order[next] { values[oldest] = nil }
            order[next] = key
            next = (next + 1) % order.count
        }
    }
}
