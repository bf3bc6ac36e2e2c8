public import WarrenTrace

/// What went between clients and nodes, as a diagram of lifelines: time goes down.
public struct SequenceDiagram: Sendable {
    /// One thing in the diagram.
    public enum Step: Sendable, Hashable {
        /// Something went from one lifeline to another.
        case arrow(from: Int, to: Int, label: String)
        /// Something happened at a lifeline.
        case note(at: Int, label: String)
        /// Something happened to all of them.
        case band(String)
    }

    /// The names of the lifelines, from the left: who publishes, the nodes, who consumes.
    public private(set) var lifelines: [String] = []
    /// What happened, in the order of time.
    public private(set) var steps: [(time: Instant, step: Step)] = []

    /// The diagram of some facts.
    ///
    /// - Parameters:
    ///   - facts: what is drawn, in the order of time.
    ///   - text: the words of the run.
    ///   - fault: what a fault of the timeline does, in words.
    public init(_ facts: [Fact], _ text: FactText, fault: @escaping (Fact) -> String) {
        var drawing = Drawing(text: text, fault: fault)
        for fact in facts { drawing.take(fact) }
        // Whoever publishes stands at the left, whoever consumes at the right; else as in the file.
        let order = drawing.nodes.sorted {
            (drawing.rank($0), $0) < (drawing.rank($1), $1)
        }
        var places: [UInt32: Int] = [:]
        for (place, node) in order.enumerated() { places[node] = place }
        lifelines = order.map(text.node)
        steps = drawing.marks.map { mark in
            let step: Step
            switch mark.what {
            case .arrow(let from, let to):
                step = .arrow(from: places[from] ?? 0, to: places[to] ?? 0, label: mark.label)
            case .note(let node): step = .note(at: places[node] ?? 0, label: mark.label)
            case .band: step = .band(mark.label)
            }
            return (mark.time, step)
        }
    }

    /// Leaves the middle out of a diagram with more than so many steps.
    public mutating func shorten(to most: Int) {
        guard steps.count > most else { return }
        let left = steps.count - most
        let tail = steps.suffix(most / 2)
        let gap: (Instant, Step) = (tail.first?.time ?? .zero, .band("… \(left) more …"))
        steps = Array(steps.prefix(most - most / 2)) + [gap] + Array(tail)
    }

    // MARK: Facts

    private struct Drawing {
        enum What { case arrow(UInt32, UInt32), note(UInt32), band }

        struct Mark {
            var time: Instant
            var what: What
            var label: String
        }

        let text: FactText
        let fault: (Fact) -> String
        var nodes: [UInt32] = []
        var marks: [Mark] = []
        private var publishers: Set<UInt32> = []
        private var consumers: Set<UInt32> = []
        private var publisherOf: [MessageID: UInt32] = [:]
        private var brokerOf: [MessageID: UInt32] = [:]
        private var onTheWay: Set<MessageID> = []

        init(text: FactText, fault: @escaping (Fact) -> String) {
            self.text = text
            self.fault = fault
        }

        /// Where a lifeline stands: 0 at the left, 2 at the right.
        func rank(_ node: UInt32) -> Int {
            if publishers.contains(node) { return consumers.contains(node) ? 2 : 0 }
            return consumers.contains(node) ? 2 : 1
        }

        private mutating func add(_ fact: Fact, _ what: What, _ label: String) {
            switch what {
            case .arrow(let from, let to): for node in [from, to] { show(node) }
            case .note(let node): show(node)
            case .band: break
            }
            marks.append(Mark(time: fact.time, what: what, label: label))
        }

        private mutating func show(_ node: UInt32) {
            if !nodes.contains(node) { nodes.append(node) }
        }

        mutating func take(_ fact: Fact) {
            let here = fact.node.raw
            let message = "m\(fact.message.raw)"
            let subject = text.name(fact.subject)
            switch fact.kind {
            case .messagePublished, .messageRetried:
                publishers.insert(here)
                publisherOf[fact.message] = here
                onTheWay.insert(fact.message)
                show(here)
            case .messageRouted:
                // A copy in a further queue came the same way.
                if onTheWay.remove(fact.message) != nil, let from = publisherOf[fact.message] {
                    add(fact, .arrow(from, here), "publish \(message)")
                }
                brokerOf[fact.message] = here
                add(
                    fact,
                    .note(here),
                    "\(message) in \(subject)\(fact.variant == 1 ? ": full" : "")"
                )
            case .messageUnroutable:
                if onTheWay.remove(fact.message) != nil, let from = publisherOf[fact.message],
                    from != here
                {
                    add(fact, .arrow(from, here), "publish \(message)")
                }
                add(fact, .note(here), "\(message): nobody wants it")
            case .messageConfirmed, .messageNacked, .messageReturned:
                let word =
                    fact.kind == .messageConfirmed
                    ? "confirm" : fact.kind == .messageNacked ? "nack" : "return"
                let label = "\(word) \(message)"
                if let from = brokerOf[fact.message], from != here {
                    add(fact, .arrow(from, here), label)
                } else {
                    add(fact, .note(here), label)
                }
            case .deliverySent, .recordRead:
                consumers.insert(fact.peer)
                let again = fact.kind == .deliverySent && fact.variant & 1 == 1 ? " again" : ""
                add(fact, .arrow(here, fact.peer), "deliver \(message)\(again)")
            case .deliveryAcked: add(fact, .arrow(fact.peer, here), "ack \(message)")
            case .deliveryRejected:
                let how = fact.variant == 1 ? "requeue" : "reject"
                add(fact, .arrow(fact.peer, here), "\(how) \(message)")
            default: takeNote(fact, here, message, subject)
            }
        }

        private mutating func takeNote(
            _ fact: Fact,
            _ here: UInt32,
            _ message: String,
            _ subject: String
        ) {
            switch fact.kind {
            case .messageHandled: add(fact, .note(here), "\(message) done")
            case .effectApplied: add(fact, .note(here), "\(subject) takes place")
            case .effectSkipped: add(fact, .note(here), "\(subject): already done")
            case .workFailed: add(fact, .note(here), "\(message) fails")
            case .deliveryRequeued: add(fact, .note(here), "\(message) back in \(subject)")
            case .messageDeadLettered: add(fact, .note(here), "\(message) leaves \(subject), dead")
            case .messageRecovered: add(fact, .note(here), "\(message) found on disk")
            case .messageDropped:
                add(fact, .note(here), "\(message) is gone from \(subject)")
            case .messageUnknown: add(fact, .note(here), "\(message): no answer")
            case .faultBegan: add(fact, .band, fault(fact))
            case .nodeCrashed: add(fact, .note(here), "killed")
            case .nodeStopped: add(fact, .note(here), "stopped")
            case .nodeFrozen: add(fact, .note(here), "frozen")
            case .nodeThawed: add(fact, .note(here), "goes on")
            case .nodeStarted where fact.variant == 1: add(fact, .note(here), "back")
            case .leaderElected: add(fact, .note(here), "leads \(subject)")
            case .mirrorPromoted: add(fact, .note(here), "master of \(subject)")
            case .memberAdded: add(fact, .note(here), "\(subject): a member more")
            case .memberDeleted: add(fact, .note(here), "\(subject): a member less")
            case .nodePaused: add(fact, .note(here), "pauses")
            case .nodeYielded: add(fact, .note(here), "gives way")
            case .alarmRaised: add(fact, .note(here), "alarm")
            case .alarmCleared: add(fact, .note(here), "alarm over")
            case .errorRaised: add(fact, .note(here), "\(fact.detail) \(subject)")
            case .callStarted: add(fact, .note(here), "asks")
            case .callAnswered: add(fact, .note(here), "has its answer")
            case .callFailed: add(fact, .note(here), "gives up")
            default: break
            }
        }
    }
}

/// The diagram as text, and in the languages of other tools.
extension SequenceDiagram {
    /// The diagram for Mermaid's `sequenceDiagram`.
    public var mermaid: String {
        var lines = ["sequenceDiagram"]
        for (number, name) in lifelines.enumerated() {
            lines.append("    participant p\(number) as \(Self.mermaid(name))")
        }
        for (time, step) in steps {
            let moment = FactText.time(time)
            switch step {
            case .arrow(let from, let to, let label):
                lines.append("    p\(from)->>p\(to): \(Self.mermaid(label)) (\(moment))")
            case .note(let at, let label):
                lines.append("    Note over p\(at): \(Self.mermaid(label)) (\(moment))")
            case .band(let label):
                let ends = lifelines.count > 1 ? "p0,p\(lifelines.count - 1)" : "p0"
                lines.append("    Note over \(ends): \(Self.mermaid(label)) (\(moment))")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Signs that end a line of Mermaid, or begin an entity, as entities.
    private static func mermaid(_ text: String) -> String {
        text.map { character in
            switch character {
            case "#": "#35;"
            case ";": "#59;"
            case ":": "#58;"
            default: String(character)
            }
        }
        .joined()
    }

    /// The diagram for PlantUML.
    public var plantUML: String {
        var lines = ["@startuml"]
        for (number, name) in lifelines.enumerated() {
            lines.append("participant \"\(name.replacing("\"", with: "'"))\" as p\(number)")
        }
        for (time, step) in steps {
            let moment = FactText.time(time)
            switch step {
            case .arrow(let from, let to, let label):
                lines.append("p\(from) -> p\(to) : \(label) (\(moment))")
            case .note(let at, let label): lines.append("note over p\(at) : \(label) (\(moment))")
            case .band(let label): lines.append("== \(label) (\(moment)) ==")
            }
        }
        return (lines + ["@enduml"]).joined(separator: "\n") + "\n"
    }

    /// The diagram in text, as wide as it has to be.
    public var text: String {
        guard !lifelines.isEmpty else { return "" }
        let times = steps.map { FactText.time($0.time) }
        let margin = (times.map(\.count).max() ?? 0) + 3
        let columns = columns(from: margin)
        var lines = [Self.put(zip(lifelines, columns).map { ($0, $1 - $0.count / 2) })]
        for (number, one) in steps.enumerated() {
            let time =
                String(repeating: " ", count: margin - 3 - times[number].count) + times[number]
            lines.append(line(one.step, columns, time))
        }
        return lines.map { String($0.reversed().drop { $0 == " " }.reversed()) }
            .joined(separator: "\n")
    }

    /// Where lifelines stand: as far apart as the longest word between them.
    private func columns(from margin: Int) -> [Int] {
        var gaps = [Int](repeating: 0, count: max(lifelines.count - 1, 0))
        for index in gaps.indices {
            gaps[index] = (lifelines[index].count + lifelines[index + 1].count) / 2 + 3
        }
        for one in steps {
            switch one.step {
            case .arrow(let from, let to, let label):
                let (low, high) = (min(from, to), max(from, to))
                guard high > low else { continue }
                let share = (label.count + 6 + (high - low) - 1) / (high - low)
                for index in low..<high { gaps[index] = max(gaps[index], share) }
            case .note(let at, let label) where at < gaps.count:
                gaps[at] = max(gaps[at], label.count + 4)
            case .note, .band: break
            }
        }
        var column = margin + (lifelines.first?.count ?? 0) / 2
        var columns = [column]
        for gap in gaps {
            column += gap
            columns.append(column)
        }
        return columns
    }

    private func line(_ step: Step, _ columns: [Int], _ time: String) -> String {
        var pieces: [(String, Int)] = [(time, 0)] + columns.map { ("│", $0) }
        switch step {
        case .arrow(let from, let to, let label):
            let (low, high) = (columns[min(from, to)], columns[max(from, to)])
            let room = high - low - 1
            guard room > 0 else { return Self.put(pieces + [("↺ \(label)", low + 2)]) }
            let words = " \(label) "
            let free = max(room - 1 - words.count, 0)
            let left = String(repeating: "─", count: free / 2)
            let right = String(repeating: "─", count: free - free / 2)
            let shaft = to > from ? left + words + right + "▶" : "◀" + left + words + right
            pieces.append((shaft, low + 1))
        case .note(let at, let label):
            pieces.append(("● \(label)", columns[at]))
        case .band(let label):
            let width = (columns.last ?? 0) - (columns.first ?? 0) + 1
            let words = " \(label) "
            let free = max(width - words.count, 4)
            let band =
                String(repeating: "═", count: free / 2) + words
                + String(repeating: "═", count: free - free / 2)
            pieces.append((band, columns.first ?? 0))
        }
        return Self.put(pieces)
    }

    /// Texts at their columns; later ones cover earlier ones.
    private static func put(_ pieces: [(String, Int)]) -> String {
        var line: [Character] = []
        for (text, start) in pieces {
            for (offset, character) in text.enumerated() {
                let column = max(start, 0) + offset
                while line.count <= column { line.append(" ") }
                line[column] = character
            }
        }
        return String(line)
    }
}
