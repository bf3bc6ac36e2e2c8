import WarrenStore
import WarrenTrace
import WarrenView

/// How often something happened, in words; the shape as JSON is stable: keys are added, never renamed.
struct SumLine: Encodable {
    /// The kind of fact, as in the trace.
    var kind: String
    /// The queue, exchange or effect.
    @OrNull var subject: String?
    /// The other side.
    @OrNull var peer: String?
    var count: UInt64
    var first_ns, last_ns: UInt64
    /// Of what takes time: how much of it on average.
    @OrNull var mean_ns: UInt64?
    var sentence: String

    /// What is the same of the sums that are one line, and the words for it.
    struct Wording {
        var kind: FactKind
        var subject: Symbol = .none
        var peer: NodeID?
        var variants: ((UInt8) -> Bool)?
        /// The words for a number, and for an average length.
        var words: (String, String) -> String
    }

    /// One line of all sums that a wording takes; nil if there are none.
    init?(_ sums: [FactSum], _ wording: Wording, _ open: OpenTrace) {
        let taken = sums.filter { sum in
            sum.key.kind == wording.kind
                && (wording.subject == .none || sum.key.subject == wording.subject)
                && (wording.peer.map { $0.raw == sum.key.peer } ?? true)
                && (wording.variants?(sum.key.variant) ?? true)
        }
        guard let first = taken.map(\.first).min(), let last = taken.map(\.last).max() else {
            return nil
        }
        kind = wording.kind.name
        subject = wording.subject == .none ? nil : open.names[wording.subject]
        peer = wording.peer.map { open.text.node($0.raw) }
        count = taken.reduce(0) { $0 + $1.count }
        first_ns = first.nanoseconds
        last_ns = last.nanoseconds
        let mean = taken.reduce(0) { $0 + $1.total } / max(count, 1)
        mean_ns = wording.kind.columns.detail == .length ? mean : nil
        sentence = wording.words("\(count)", FactText.length(Interval(nanoseconds: mean)))
    }

    /// For people: how often, and from when until when.
    var text: String {
        let from = FactText.time(Instant(nanoseconds: first_ns))
        let until = FactText.time(Instant(nanoseconds: last_ns))
        return "  \(sentence)  "
            + Console.quiet(count == 1 ? "(at \(from))" : "(\(from) to \(until))")
    }

    /// The wordings of one kind for each queue, exchange or effect that sums of it have, in the order of their names.
    static func each(
        _ kind: FactKind,
        in sums: [FactSum],
        variants: ((UInt8) -> Bool)? = nil,
        _ words: (String) -> (String, String) -> String,
        _ open: OpenTrace
    ) -> [Wording] {
        var subjects: [Symbol] = []
        for sum in sums where sum.key.kind == kind && !subjects.contains(sum.key.subject) {
            subjects.append(sum.key.subject)
        }
        return subjects.sorted { open.text.name($0) < open.text.name($1) }.map { subject in
            Wording(
                kind: kind,
                subject: subject,
                variants: variants,
                words: words(open.text.name(subject))
            )
        }
    }

    /// Whether a delivery was marked as redelivered.
    static func isRedelivered(_ variant: UInt8) -> Bool { variant & 1 == 1 }
}
