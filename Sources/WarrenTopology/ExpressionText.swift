/// Expectations as plain sentences.
extension Expression {
    /// The sentence without a full stop; "it" is the message that it is about, if it is about one.
    public var sentence: String { isAboutMessages ? clause.text : plain }

    /// Part of a sentence about a message, which says "it" where it was not said just before.
    private struct Clause {
        var text: String
        /// Whether its last part speaks of the message.
        var endsWithIt: Bool

        func joined(_ word: String, _ other: Clause) -> Clause {
            let again = endsWithIt && other.text.hasPrefix("it ")
            return Clause(
                text: "\(text) \(word) \(again ? String(other.text.dropFirst(3)) : other.text)",
                endsWithIt: other.endsWithIt
            )
        }
    }

    private var clause: Clause {
        switch self {
        case .and(let a, let b): return a.clause.joined("and", b.clause)
        case .or(let a, let b):
            let inner = a.clause.joined("or", b.clause)
            // "it (was returned or was nacked)": the bracket stands behind the word.
            let text =
                inner.text.hasPrefix("it ") ? "it (\(inner.text.dropFirst(3)))" : "(\(inner.text))"
            return Clause(
                text: text,
                endsWithIt: inner.endsWithIt
            )
        case .not(.message(let term)):
            return Clause(text: "it \(term.negation)", endsWithIt: true)
        case .not(let a): return Clause(text: "not (\(a.clause.text))", endsWithIt: false)
        case .message(let term):
            return Clause(text: "it \(term.words)", endsWithIt: true)
        case .compare: return Clause(text: plain, endsWithIt: false)
        }
    }

    private var plain: String {
        switch self {
        case .and(let a, let b): "\(a.plain) and \(b.plain)"
        case .or(let a, let b): "(\(a.plain) or \(b.plain))"
        case .not(.message(let term)): term.negation
        case .not(let a): "not (\(a.plain))"
        case .message(let term): term.words
        case .compare(let quantity, let comparison, let value):
            "\(quantity.words) is \(comparison.words) \(quantity.text(of: value))"
        }
    }
}

extension Expression.Comparison {
    var words: String {
        switch self {
        case .equal: "exactly"
        case .notEqual: "not"
        case .atMost: "at most"
        case .atLeast: "at least"
        case .less: "below"
        case .more: "above"
        }
    }
}

extension Expression.MessageTerm {
    /// What is true of the message.
    public var words: String {
        switch self {
        case .published: "was published"
        case .confirmed: "was confirmed"
        case .nacked: "was nacked"
        case .returned: "was returned"
        case .unknown: "has an unknown outcome"
        case .unroutable: "reached no queue"
        case .deadLettered: "was dead-lettered"
        case .dropped: "was dropped"
        case .expired: "expired"
        case .redelivered: "was redelivered"
        case .delivered: "was delivered"
        case .handled(nil): "was handled"
        case .handled(let client?): "was handled by \(client)"
        case .inQueue(let queue): "lies in \(queue)"
        case .from(let client): "came from \(client)"
        case .kept: "lies in a queue"
        case .key(let pattern): "has a key that fits \(pattern)"
        case .header(let name, let value): "has the header \(name) with the value \(value)"
        }
    }

    var negation: String {
        switch self {
        case .unknown: "has a known outcome"
        case .unroutable: "reached a queue"
        case .expired: "did not expire"
        case .inQueue(let queue): "does not lie in \(queue)"
        case .from(let client): "did not come from \(client)"
        case .kept: "lies in no queue"
        case .key(let pattern): "has a key that does not fit \(pattern)"
        case .header(let name, let value): "has no header \(name) with the value \(value)"
        case .published, .confirmed, .nacked, .returned, .deadLettered, .dropped, .redelivered,
            .delivered, .handled:
            words.hasPrefix("was ") ? "was not " + words.dropFirst(4) : "not: \(words)"
        }
    }
}

extension Expression.Quantity {
    /// The quantity in words.
    public var words: String {
        switch self {
        case .depth(let queue): "the depth of \(queue)"
        case .unacked(let queue): "what is unacknowledged of \(queue)"
        case .lag(let log): "what the slowest reader of \(log) is behind"
        case .count(let term): "the number of messages of which each \(term.words)"
        case .effects(let effect): "the number of times that \(effect) took place"
        case .effectsPerMessage(let effect):
            "the number of times that \(effect) took place for one message"
        case .answered(let caller): "the number of answered calls of \(caller)"
        case .failed(let caller): "the number of failed calls of \(caller)"
        case .outOfOrder(let client):
            "the number of messages that \(client) worked on after a later one of the same publisher"
        case .queueCount: "the number of queues"
        case .connectionCount: "the number of open connections"
        case .channelCount: "the number of open channels"
        case .redeliveries: "the number of times that one message was sent again"
        case .statistic(let statistic, let series): "the \(statistic.word) of \(series.words)"
        }
    }

    /// A value of this quantity in words.
    public func text(of value: Double) -> String {
        guard isTime else {
            return value == value.rounded() && abs(value) < 1e15
                ? String(Int(value)) : Self.round(value)
        }
        let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")]
        for (size, unit) in units where value >= size { return Self.round(value / size) + unit }
        return "\(UInt64(max(value, 0)))ns"
    }

    private static func round(_ value: Double) -> String {
        // What has more than fifteen digits has none behind the point.
        guard abs(value) < 1e15 else {
            return abs(value) < 0x1p63 ? String(Int64(value)) : "\(value)"
        }
        let scaled = Int((value * 1000).rounded())
        let whole = scaled / 1000
        var rest = String(scaled % 1000 + 1000).dropFirst()
        while rest.last == "0" { rest.removeLast() }
        return rest.isEmpty ? "\(whole)" : "\(whole).\(rest)"
    }
}

extension Expression.Series {
    var words: String {
        switch self {
        case .wait(let queue): "the wait in \(queue)"
        case .depth(let queue): "the depth of \(queue)"
        case .unacked(let queue): "what is unacknowledged of \(queue)"
        case .lag(let log): "what the slowest reader of \(log) is behind"
        case .age(let name): "the age of a message in \(name)"
        case .roundTrip(let client): "the round trip of \(client)"
        case .confirm(let client): "the wait for a confirm of \(client)"
        case .work(let client): "the work of \(client)"
        }
    }
}

extension Expression.Series {
    /// Its word, if nothing but the most of it is kept.
    var ofWhichOnlyTheMostIsKnown: String? {
        switch self {
        case .unacked: "unacked"
        case .lag: "lag"
        case .wait, .depth, .age, .roundTrip, .confirm, .work: nil
        }
    }
}
