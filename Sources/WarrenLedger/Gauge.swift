import WarrenTopology
import WarrenTrace

/// An expression about what lies in queues and is unacknowledged there, and about nothing else: it can change only with
/// a fact about one of these queues, and is quickly read.
indirect enum Gauge: Sendable {
    case and(Gauge, Gauge)
    case or(Gauge, Gauge)
    case not(Gauge)
    case ready(Symbol, Expression.Comparison, Double)
    case unacked(Symbol, Expression.Comparison, Double)
    case lag(Symbol, Expression.Comparison, Double)

    /// The gauge of an expression; nil if it asks for anything else.
    init?(_ watched: Watched) { self.init(watched.expression, watched) }

    private init?(_ expression: Expression, _ watched: Watched) {
        switch expression {
        case .and(let a, let b):
            guard let a = Gauge(a, watched), let b = Gauge(b, watched) else { return nil }
            self = .and(a, b)
        case .or(let a, let b):
            guard let a = Gauge(a, watched), let b = Gauge(b, watched) else { return nil }
            self = .or(a, b)
        case .not(let a):
            guard let a = Gauge(a, watched) else { return nil }
            self = .not(a)
        case .compare(.depth(let queue), let comparison, let limit):
            self = .ready(watched.symbol(queue), comparison, limit)
        case .compare(.unacked(let queue), let comparison, let limit):
            self = .unacked(watched.symbol(queue), comparison, limit)
        case .compare(.lag(let log), let comparison, let limit):
            self = .lag(watched.symbol(log), comparison, limit)
        case .compare, .message:
            return nil
        }
    }

    /// Whether it asks for a queue.
    func names(_ queue: Symbol) -> Bool {
        switch self {
        case .and(let a, let b), .or(let a, let b): a.names(queue) || b.names(queue)
        case .not(let a): a.names(queue)
        case .ready(let symbol, _, _), .unacked(let symbol, _, _), .lag(let symbol, _, _):
            symbol == queue
        }
    }

    /// Whether it holds now.
    ///
    /// The ledger is lent and stays as it is: handed over by value it would be copied each time.
    func holds(_ ledger: inout Ledger) -> Bool {
        switch self {
        case .and(let a, let b): a.holds(&ledger) && b.holds(&ledger)
        case .or(let a, let b): a.holds(&ledger) || b.holds(&ledger)
        case .not(let a): !a.holds(&ledger)
        case .ready(let queue, let comparison, let limit):
            comparison.holds(Double(ledger.held(in: queue).depth), limit)
        case .unacked(let queue, let comparison, let limit):
            comparison.holds(Double(ledger.held(in: queue).unacked), limit)
        case .lag(let log, let comparison, let limit):
            comparison.holds(Double(ledger.log(of: log)?.lag ?? 0), limit)
        }
    }
}
