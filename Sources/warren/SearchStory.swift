import WarrenBroker
import WarrenKernel
import WarrenLedger
import WarrenSearch
import WarrenTopology
import WarrenTrace
import WarrenView

/// A run that broke something, told in numbered sentences: what became of the message that it is about, and what went wrong
/// around it.
struct SearchStory {
    /// More than a screen is not told.
    private static let longest = 24

    /// The sentences, in the order of time.
    private(set) var lines: [(time: Instant, sentence: String)] = []
    /// What went wrong in it, in the order in which it did so first, without when, to whom and how often: stories of one
    /// shape have one cause.
    private(set) var shape: [String] = []

    /// The same as a diagram.
    let diagram: SequenceDiagram

    /// The story of a run that broke something; it is lived to its end for it.
    ///
    /// `keepsToTheMessage`: what went wrong before it was published and after its last moment is left out.
    init(_ run: inout Simulation, _ breach: Breach, keepsToTheMessage: Bool = false) {
        var facts: [Fact] = []
        while run.advance({ facts += $0 }) == .running {}
        let names = run.world.names
        let world = run.world
        let text = FactText(
            names: names,
            nodes: (0..<world.nodeCount).map { names[world.name(of: NodeID(UInt32($0)))] }
        )
        let culprit = breach.first.map(\.message) ?? .none
        let message = culprit == .none ? Self.left(facts) : culprit
        let line = Self.line(of: message, facts)
        let faults = RunStory(run)
        let told = facts.filter { line.contains($0.message) || Self.isEvent($0) }
        var diagram = SequenceDiagram(told, text) { fact in faults.fault(fact) }
        diagram.shorten(to: 2 * Self.longest)
        self.diagram = diagram
        for fact in told {
            let step = Self.step(fact, in: run)
            if let step, !shape.contains(step) { shape.append(step) }
            var sentence = fact.kind == .faultBegan ? faults.fault(fact) : text.sentence(fact)
            if fact.message != .none {
                sentence = "m\(fact.message.raw): \(sentence)"
            }
            lines.append((fact.time, sentence))
        }
        if keepsToTheMessage { keepToTheMessage() }
        shorten()
    }

    /// The message, and those that it followed from or that followed from it.
    private static func line(of message: MessageID, _ facts: [Fact]) -> Set<MessageID> {
        guard message != .none else { return [] }
        var line: Set<MessageID> = [message]
        for fact in facts where fact.kind == .messageDerived {
            if line.contains(MessageID(UInt32(truncatingIfNeeded: fact.detail))) {
                line.insert(fact.message)
            }
        }
        for fact in facts.reversed()
        where fact.kind == .messageDerived && line.contains(fact.message) {
            line.insert(MessageID(UInt32(truncatingIfNeeded: fact.detail)))
        }
        return line
    }

    /// The first message of which a copy is still somewhere at the end.
    private static func left(_ facts: [Fact]) -> MessageID {
        var copies: [MessageID: Int] = [:]
        var first: [MessageID] = []
        for fact in facts {
            switch fact.kind {
            case .messageRouted:
                if copies[fact.message] == nil { first.append(fact.message) }
                copies[fact.message, default: 0] += 1
            case .deliveryAcked, .messageDropped, .messageDeadLettered:
                copies[fact.message, default: 0] -= 1
            case .messageHandled where fact.variant & 1 == 1: copies[fact.message, default: 0] -= 1
            default: break
            }
        }
        return first.first { copies[$0, default: 0] > 0 } ?? first.last ?? .none
    }

    /// Whether a fact tells what went wrong around the messages.
    private static func isEvent(_ fact: Fact) -> Bool {
        guard fact.message == .none else { return false }
        switch fact.kind {
        case .faultBegan, .nodeCrashed, .nodeStopped, .nodeFrozen, .nodeThawed, .alarmRaised,
            .alarmCleared, .nodePaused, .nodeYielded, .mirrorPromoted, .errorRaised, .consumerEnded,
            .queueDeleted, .memberAdded, .memberDeleted:
            return true
        case .nodeStarted: return fact.variant == 1
        case .leaderElected: return fact.detail > 1
        case .connectionClosed: return fact.peer != .max && fact.variant != Closure.closed.rawValue
        default: return false
        }
    }

    /// What a fact adds to the shape of a story; nil for what happens on every good day, and for what follows from a
    /// fault whatever else happens.
    private static func step(_ fact: Fact, in run: Simulation) -> String? {
        switch fact.kind {
        case .faultBegan:
            let faults = run.topology.faults
            return fact.detail < faults.count ? faults[Int(fact.detail)].action.rawValue : nil
        case .deliveryRequeued, .messageDropped, .messageDeadLettered, .messageUnroutable,
            .workFailed,
            .messageUnknown:
            return "\(fact.kind.name) \(fact.variant & 63)"
        case .messageRecovered, .messageRetried, .messageReturned, .messageNacked, .mirrorPromoted,
            .alarmRaised, .queueDeleted, .nodeYielded, .nodePaused, .publishFailed, .messageDerived:
            return fact.kind.name
        default: return nil
        }
    }

    /// Leaves out what repeats, and then the middle.
    private mutating func shorten() {
        var seen: [String: Int] = [:]
        lines = lines.filter { line in
            seen[line.sentence, default: 0] += 1
            return seen[line.sentence, default: 0] <= 3
        }
        guard lines.count > Self.longest else { return }
        let left = lines.count - Self.longest
        let head = lines.prefix(Self.longest / 2)
        let tail = lines.suffix(Self.longest / 2)
        lines = head + [(tail.first?.time ?? .zero, "… \(left) things more …")] + tail
    }

    /// Leaves out what went wrong around the message before it was published and after its last moment, but for faults of the
    /// file; a story without a message stays as it is.
    private mutating func keepToTheMessage() {
        func isOfMessage(_ sentence: String) -> Bool {
            sentence.first == "m" && sentence.dropFirst().first?.isNumber == true
        }
        guard let first = lines.firstIndex(where: { isOfMessage($0.sentence) }),
            let last = lines.lastIndex(where: { isOfMessage($0.sentence) })
        else { return }
        lines = lines.enumerated().filter { index, line in
            (first...last).contains(index) || index < first && line.sentence.hasPrefix("fault ")
        }.map(\.element)
    }

    /// The sentences with their numbers and moments.
    var text: String {
        let times = lines.map { FactText.time($0.time) }
        let width = times.map(\.count).max() ?? 0
        return lines.enumerated().map { number, line in
            let time = String(repeating: " ", count: width - times[number].count) + times[number]
            return "  \(number + 1 < 10 ? " " : "")\(number + 1). \(time)  \(line.sentence)"
        }
        .joined(separator: "\n")
    }
}
