/// An expectation or a condition, parsed.
public indirect enum Expression: Sendable, Hashable {
    case and(Expression, Expression)
    case or(Expression, Expression)
    case not(Expression)
    /// Something that is true or false of one message.
    case message(MessageTerm)
    /// A number held against another.
    case compare(Quantity, Comparison, Double)

    /// How two numbers are compared.
    public enum Comparison: String, Sendable, Hashable, CaseIterable {
        case equal = "=="
        case notEqual = "!="
        case atMost = "<="
        case atLeast = ">="
        case less = "<"
        case more = ">"

        /// Whether the comparison holds.
        public func holds(_ left: Double, _ right: Double) -> Bool {
            switch self {
            case .equal: left == right
            case .notEqual: left != right
            case .atMost: left <= right
            case .atLeast: left >= right
            case .less: left < right
            case .more: left > right
            }
        }

        /// How it comes out for whatever a run yields, which is never below zero; nil if that depends on the run.
        func certainty(against limit: Double) -> Bool? {
            switch self {
            case .atLeast: limit <= 0 ? true : nil
            case .more: limit < 0 ? true : nil
            case .notEqual: limit < 0 ? true : nil
            case .less: limit <= 0 ? false : nil
            case .atMost, .equal: limit < 0 ? false : nil
            }
        }
    }

    /// What can be true of a message.
    public enum MessageTerm: Sendable, Hashable {
        case published, confirmed, nacked, returned, unknown, unroutable
        case deadLettered, dropped, expired, redelivered, delivered
        /// Worked on, by this client or by any.
        case handled(by: String?)
        /// A copy of it lies in this queue.
        case inQueue(String)
        /// This client published it.
        case from(String)
        /// A copy of it lies in some queue, whichever.
        case kept
        /// Its routing key fits a pattern of words: `*` is one, `#` any number.
        case key(String)
        /// It has this header with this value, as text.
        case header(String, String)
    }

    /// A number that a run yields.
    public enum Quantity: Sendable, Hashable {
        /// Copies ready in a queue.
        case depth(String)
        /// Copies of a queue in consumers' hands.
        case unacked(String)
        /// Records of a log that its slowest reader is not done with.
        case lag(String)
        /// How many messages have a property.
        case count(MessageTerm)
        /// How often an effect took place.
        case effects(String)
        /// How often an effect took place for one message: the most for any.
        case effectsPerMessage(String)
        /// Calls of a caller that were answered, and that failed.
        case answered(String)
        case failed(String)
        /// Messages that a client worked on after a later one of the same publisher.
        case outOfOrder(String)
        /// Queues that there are.
        case queueCount
        /// Connections that brokers hold for open, and their channels.
        case connectionCount, channelCount
        /// How often a message was sent again: the most for any.
        case redeliveries
        /// A statistic of a series of numbers.
        case statistic(Statistic, Series)
    }

    /// What is made of a series.
    public enum Statistic: Sendable, Hashable {
        case mean, max, min
        /// The value that this share of the series does not exceed, in thousandths: 990 for p99.
        case percentile(Int)

        /// The word for it.
        public var word: String {
            switch self {
            case .mean: "mean"
            case .max: "max"
            case .min: "min"
            case .percentile(let share): share % 10 == 0 ? "p\(share / 10)" : "p\(share)"
            }
        }
    }

    /// A series of numbers.
    public enum Series: Sendable, Hashable {
        /// From ready to sent, per delivery of a queue.
        case wait(String)
        /// Ready copies of a queue over time.
        case depth(String)
        /// Copies of a queue in consumers' hands over time.
        case unacked(String)
        /// Records of a log that its slowest reader is not done with, over time.
        case lag(String)
        /// From publication to a queue, or to the end of the work of a client: of the first message of its line.
        case age(String)
        /// From request to answer, per call of a caller.
        case roundTrip(String)
        /// From publication to confirm, per message of a producer.
        case confirm(String)
        /// Length of the work, per message of a consumer.
        case work(String)
    }

    /// Whether it speaks of single messages.
    public var isAboutMessages: Bool {
        switch self {
        case .and(let a, let b), .or(let a, let b): a.isAboutMessages || b.isAboutMessages
        case .not(let a): a.isAboutMessages
        case .message: true
        case .compare: false
        }
    }

    /// The quantities that it looks at.
    public var quantities: [Quantity] {
        switch self {
        case .and(let a, let b), .or(let a, let b): a.quantities + b.quantities
        case .not(let a): a.quantities
        case .message: []
        case .compare(let quantity, _, _): [quantity]
        }
    }

    /// What it is if the terms in `impossible` are true of no message, whatever else happens; nil if that depends on the
    /// run.
    public func certainty(without impossible: (MessageTerm) -> Bool) -> Bool? {
        switch self {
        case .and(let a, let b):
            let (a, b) = (a.certainty(without: impossible), b.certainty(without: impossible))
            if a == false || b == false { return false }
            return a == true && b == true ? true : nil
        case .or(let a, let b):
            let (a, b) = (a.certainty(without: impossible), b.certainty(without: impossible))
            if a == true || b == true { return true }
            return a == false && b == false ? false : nil
        case .not(let a): return a.certainty(without: impossible).map { !$0 }
        case .message(let term): return impossible(term) ? false : nil
        case .compare(.count(let term), let comparison, let limit) where impossible(term):
            return comparison.holds(0, limit)
        case .compare(_, let comparison, let limit): return comparison.certainty(against: limit)
        }
    }

    /// The first comparison in it that comes out the same in every run, and how; nil if there is none.
    var emptyComparison: (words: String, isTrue: Bool)? {
        switch self {
        case .and(let a, let b), .or(let a, let b): a.emptyComparison ?? b.emptyComparison
        case .not(let a): a.emptyComparison
        case .message: nil
        case .compare(let quantity, let comparison, let limit):
            comparison.certainty(against: limit).map {
                ("\(quantity.words) is \(comparison.words) \(quantity.text(of: limit))", $0)
            }
        }
    }

    /// The terms about messages that it looks at.
    public var messageTerms: [MessageTerm] {
        switch self {
        case .and(let a, let b), .or(let a, let b): a.messageTerms + b.messageTerms
        case .not(let a): a.messageTerms
        case .message(let term): [term]
        case .compare(.count(let term), _, _): [term]
        case .compare: []
        }
    }
}
