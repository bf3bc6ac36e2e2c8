import WarrenLedger
import WarrenStore
import WarrenTrace
import WarrenView

/// The life of a message, and of those that clients published because of it, as lines in the order of time.
struct MessageStory {
    private struct Line {
        var message: MessageID
        var time: Instant
        var sentence: String
        /// The fact that says it; nil for what none says.
        var fact: Fact?

        /// The event and its cause.
        var events: String { fact.map { "  (#\($0.event) ← #\($0.cause))" } ?? "" }
    }

    private var found: [Line] = []
    private let messages: [MessageID]
    private let lost: [MessageID]
    /// The request that it answers, and the answers that it was given.
    var request: MessageID?
    var replies: [MessageID] = []

    /// The story that these facts tell, in the order in which they happened.
    init(
        _ messages: [MessageID],
        _ facts: [Fact],
        _ text: FactText,
        _ reader: TraceReader,
        _ run: TraceReader.Run
    ) throws {
        self.messages = messages
        var ledger = Ledger()
        var deaths: [MessageID: Deaths] = [:]
        var holders: [MessageID: Fact] = [:]
        var lines: [Line] = []
        func add(_ fact: Fact, _ message: MessageID, _ sentence: String) {
            lines.append(
                Line(
                    message: message,
                    time: fact.time,
                    sentence: sentence,
                    fact: fact
                )
            )
        }
        for fact in facts {
            ledger.take(fact)
            if fact.kind == .deliverySent { holders[fact.message] = fact }
            if let held = holders[fact.message], Self.isLossOfClient(fact) {
                let dead = try reader.deaths(of: NodeID(held.peer), in: run).last {
                    $0.event >= held.event && $0.event <= fact.event
                }
                if let dead {
                    add(dead, fact.message, "\(text.sentence(dead)), with it in its hands")
                }
            }
            add(fact, fact.message, text.sentence(fact))
            if fact.kind == .messageDeadLettered {
                deaths[fact.message, default: Deaths()].add(fact, text)
                lines.append(
                    Line(
                        message: fact.message,
                        time: fact.time,
                        sentence: "  it bears x-death: \(deaths[fact.message]?.words ?? "")",
                        fact: nil
                    )
                )
            }
        }
        found = lines
        lost = messages.filter { ledger.isLost($0) }
    }

    /// Whether a copy came back or went because its client was gone.
    private static func isLossOfClient(_ fact: Fact) -> Bool {
        switch fact.kind {
        case .deliveryRequeued: fact.variant == ReturnReason.connectionClosed.rawValue
        case .messageDropped: fact.variant == DropReason.clientLost.rawValue
        default: false
        }
    }

    var lines: [String] {
        let width = messages.count > 1 ? messages.map { "m\($0.raw)".count }.max() ?? 0 : 0
        let gap = String(repeating: " ", count: 13)
        var lines = found.map { line in
            let time = FactText.time(line.time)
            let padding = String(repeating: " ", count: max(0, 11 - time.count))
            var name = width == 0 ? "" : "m\(line.message.raw)"
            if width > 0 { name += String(repeating: " ", count: width + 2 - name.count) }
            return "\(padding)\(time)  \(name)\(line.sentence)\(line.events)"
        }
        for message in lost {
            let name = width == 0 ? "" : "m\(message.raw) is "
            lines.append("\(gap)\(name)lost: it was confirmed, and no copy of it is anywhere")
        }
        if let request { lines.append("\(gap)it answers the request m\(request.raw)") }
        if !replies.isEmpty {
            let names = replies.map { "m\($0.raw)" }.joined(separator: ", ")
            lines.append("\(gap)it is a request, answered by \(names)")
        }
        if !found.isEmpty {
            lines.append(
                Console.quiet(
                    "\(gap)(#43 ← #2): it happened in the 43rd event of the run, which the 2nd caused"
                )
            )
        }
        return lines
    }

    /// The story of a message as JSON.
    func json(_ message: MessageID) -> String {
        Report.json(
            of: Lines(
                message: "m\(message.raw)",
                followers: messages.filter { $0 != message }.map { "m\($0.raw)" },
                request: request.map { "m\($0.raw)" },
                replies: replies.map { "m\($0.raw)" },
                lost: lost.map { "m\($0.raw)" },
                happened: found.map { line in
                    var story =
                        line.fact.map { StoryLine($0, line.sentence) }
                        ?? StoryLine(line.time, line.sentence)
                    story.message = "m\(line.message.raw)"
                    return story
                }
            )
        )
    }

    /// The shape is stable: keys are added, never renamed.
    private struct Lines: Encodable {
        var message: String
        var followers: [String]
        @OrNull var request: String?
        var replies, lost: [String]
        var happened: [StoryLine]
    }

    /// The deaths of a message, as its header x-death counts them.
    ///
    /// - Source: RMQ-DLX on x-death: one entry for each queue and reason, the latest first.
    private struct Deaths {
        private var entries: [(queue: String, reason: String, count: Int)] = []

        mutating func add(_ fact: Fact, _ text: FactText) {
            let reason = DropReason(rawValue: fact.variant & 63).map { Self.word($0) } ?? "?"
            let queue = text.name(fact.subject)
            var count = 1
            if let index = entries.firstIndex(where: { $0.queue == queue && $0.reason == reason }) {
                count += entries.remove(at: index).count
            }
            entries.insert((queue, reason, count), at: 0)
        }

        /// RabbitMQ's own words.
        private static func word(_ reason: DropReason) -> String {
            switch reason {
            case .rejected: "rejected"
            case .expired: "expired"
            case .maxlen: "maxlen"
            case .deliveryLimit: "delivery_limit"
            default: reason.words
            }
        }

        var words: String {
            entries.map { "\($0.queue) \($0.reason) ×\($0.count)" }.joined(separator: ", ")
        }
    }
}
